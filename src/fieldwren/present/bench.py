"""The picture of a measurement of the lab: when calls started, how many worked, how fast each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.errors import MissingExtraError
from fieldwren.present import style

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from fieldwren.lab.measure import Measured

__all__ = ["draw_measured"]

_GRID: Final = "#d5dadf"
_MUTED: Final = "#5c6873"
_COLOURS: Final = (style.CURVE, style.POINT)


def draw_measured(measured: Sequence[Measured], path: Path, *, engine: str) -> None:
    """Draw one or two measurements as PNG.

    Args:
        measured: of the same calls, such as writing and reading.
        path: of the picture.
        engine: where they ran, for the title.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise MissingExtraError("the picture", "pictures") from error

    figure = Figure(figsize=(10, 5), dpi=150, facecolor="white")
    title = " · ".join(f"{m.name} {m.together:,.3g} {m.unit}" for m in measured)
    figure.text(0.07, 0.93, title, fontsize=14, fontweight="bold", color=style.INK)
    words = (
        f"all {len(measured[0].samples):,} calls together, engine {engine}, "
        f"{max(m.most_at_once for m in measured):,} at once"
    )
    figure.text(0.07, 0.88, words, fontsize=9, color=_MUTED)
    launch = figure.add_axes((0.07, 0.12, 0.41, 0.68))
    rates = figure.add_axes((0.57, 0.12, 0.40, 0.68))
    for one, colour in zip(measured, _COLOURS, strict=False):
        _draw_launch(launch, one, colour, since=measured[0].submitted)
        _draw_rates(rates, one, colour, label=one.name if len(measured) > 1 else "")
    launch.set_xlim(left=0)
    launch.set_xlabel("seconds since submission", fontsize=8, color=_MUTED)
    launch.yaxis.set_major_locator(MaxNLocator(integer=True))
    _frame(launch, "calls started: each a line from its start to its end")
    _frame(rates, f"{measured[0].unit} of each call, slowest to fastest")
    figure.savefig(path)


def _draw_launch(axes: Axes, one: Measured, colour: str, *, since: float) -> None:
    """Each call from its start to its end; the left edge is the launch curve."""
    spans = one.spans + (one.submitted - since)
    starts, ends = spans[np.argsort(spans[:, 0])].T
    count = np.arange(1, len(starts) + 1)
    width = float(np.clip(120 / len(starts), 0.4, 5))
    axes.hlines(count, starts, ends, color=colour, alpha=0.45, linewidth=width)
    axes.step(starts, count, where="post", color=colour, linewidth=1.8)


def _draw_rates(axes: Axes, one: Measured, colour: str, *, label: str) -> None:
    """The rate of each call by itself."""
    rates = np.sort(one.rates)
    share = (np.arange(len(rates)) + 0.5) / len(rates) * 100
    axes.plot(share, rates, color=colour, linewidth=1.8, label=label)
    if len(rates) <= 100:
        axes.plot(share, rates, "o", color=colour, markersize=4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("percent of calls", fontsize=8, color=_MUTED)


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9, color=style.INK, loc="left")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=_MUTED, linewidth=0.8)
    axes.tick_params(length=0, labelsize=8, labelcolor=_MUTED)
    handles: Any = axes.get_legend_handles_labels()[0]
    if handles:
        axes.legend(loc="upper left", frameon=False, fontsize=8, labelcolor=style.INK)
