"""The plot of one place: what was seen, what was rejected and why, and the smooth curve."""

from __future__ import annotations

import textwrap
import warnings
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.errors import MissingExtraError
from fieldwren.present import style
from fieldwren.present.facts import Facts
from fieldwren.present.summary import no_value, summarise

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldwren.model import Place

__all__ = ["SIZE", "plot_place", "save_plot"]

SIZE: Final = (1500, 750)
"""Width and height of a picture in pixels, at 150 dots per inch."""

_DPI: Final = 150
_LEFT, _WIDTH = 0.085, 0.875  # of the panels, as shares of the picture
_GRID: Final = "#d5dadf"
_MUTED: Final = "#5c6873"
_CJK: Final = {"Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Arial Unicode MS"}


def plot_place(
    observations: pd.DataFrame,
    place: Place,
    series: pd.DataFrame | None = None,
    *,
    index: str,
    facts: Mapping[str, Any] | None = None,
) -> Figure:
    """Draw the plot of one place, SIZE pixels large.

    Args:
        observations: the rows of the place, in any order, with the columns of
            :class:`fieldwren.model.Observation`.
        place: gives the title.
        series: columns date and smooth: the place's smooth curve.
        index: the column to show, such as "ndvi".
        facts: the receipt of the run, see :class:`fieldwren.present.facts.Facts`.

    Returns:
        A figure that does not belong to pyplot and needs no closing; see :func:`save_plot`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("plots", "pictures") from error

    run = Facts.of(facts or {})
    rows = observations[observations["status"] != "duplicate"].sort_values("datetime")
    summary = summarise(observations, index)
    lanes = [lane for lane in style.LANES if rows["status"].isin(lane.statuses).any()]
    figure = Figure(figsize=(SIZE[0] / _DPI, SIZE[1] / _DPI), dpi=_DPI, facecolor="white")
    main, lane_panel, cloud_panel = _panels(figure, rows, len(lanes))
    _draw_values(main, rows, series, index)
    _draw_lanes(lane_panel, rows, lanes)
    _draw_cloud(cloud_panel, rows)
    if not summary.clear:
        _draw_sentence(main, no_value(summary))
    _draw_title(figure, place.name, simulated=run.simulated)
    words = f"{summary.clear} clear of {summary.scenes} scenes"
    words += f" · archive: {style.clean_name(run.archive, 40)}" if run.archive else ""
    figure.text(_LEFT, 0.892, words, fontsize=9, color=_MUTED, parse_math=False)
    return figure


def save_plot(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure of :func:`plot_place` as PNG, quicker than its own ``savefig``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional

    with _any_glyph():
        FigureCanvasAgg(figure).print_png(path, pil_kwargs={"compress_level": 4})


@contextmanager
def _any_glyph() -> Generator[None]:
    """A name may hold characters that no installed font has; they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _panels(figure: Figure, rows: pd.DataFrame, lanes: int) -> tuple[Axes, Axes, Axes]:
    """Axes of the values, of the lanes and of the cloud cover, above each other, dates shared."""
    bottom, cloud, lane, gap = 0.065, 0.075, 0.027 * lanes, 0.022
    main = bottom + cloud + gap + (lane + gap if lanes else 0)
    first, last = style.date_extent(rows["datetime"]) if len(rows) else (0, 1)
    boxes = [(main, 0.865 - main), (bottom + cloud + gap, max(lane, 1e-3)), (bottom, cloud)]
    panels = [figure.add_axes((_LEFT, y, _WIDTH, height)) for y, height in boxes]
    days, labels = zip(*style.date_ticks(first, last), strict=True) if len(rows) else ((), ())
    for panel in panels:
        panel.set_xlim(first, last)
        # Lines are drawn in a third of the time that matplotlib needs for a grid of ticks.
        panel.vlines(
            days, 0, 1, transform=panel.get_xaxis_transform(), color=_GRID, lw=0.7, zorder=0
        )
        panel.set_axisbelow(True)
        panel.set_xticks([])
        panel.tick_params(length=0, labelsize=8, colors=_MUTED)
        panel.spines[["top", "right", "left", "bottom"]].set_visible(False)
    panels[2].set_xticks(days, labels, fontsize=9)
    panels[1].set_visible(lanes > 0)
    return panels[0], panels[1], panels[2]


def _draw_values(axes: Axes, rows: pd.DataFrame, series: pd.DataFrame | None, index: str) -> None:
    status = rows["status"]
    shown = rows[status.isin({"ok", "low_coverage", "outlier"}) & rows[index].notna()]
    scale = style.value_range(index, shown[index])
    axes.set_ylim(scale.low, scale.high)
    axes.set_ylabel(index.upper(), fontsize=9, color=style.INK)
    axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.7)
    if series is not None and len(series):
        label = "smooth curve, weighted by cloud"
        axes.plot(
            style.days(series["date"]),
            series["smooth"],
            color=style.CURVE,
            linewidth=2,
            label=label,
        )
    looks: dict[str, dict[str, Any]] = {
        "low_coverage": {"label": "partly clear", "marker": "o", "markerfacecolor": "white"},
        "ok": {"label": "clear", "marker": "o"},
        "outlier": {"label": "outlier", "marker": "x", "color": style.OUTLIER, "markersize": 5},
    }
    common: dict[str, Any] = {"color": style.POINT, "markersize": 3.6, "linestyle": ""}
    for key, look in looks.items():
        these = shown[shown["status"] == key]
        if len(these):
            axes.plot(style.days(these["datetime"]), these[index], **common | look)
    if len(shown):
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.005, 1.0),
            ncols=4,
            fontsize=8,
            frameon=False,
            labelcolor=style.INK,
            columnspacing=1.2,
            handletextpad=0.5,
        )


def _draw_lanes(axes: Axes, rows: pd.DataFrame, lanes: list[style.Lane]) -> None:
    axes.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(lanes)), [lane.label for lane in lanes], fontsize=7.5)
    for y, lane in enumerate(lanes):
        days = style.days(rows["datetime"][rows["status"].isin(lane.statuses)])
        axes.plot(days, np.full(len(days), y), "|", color=lane.colour, markersize=5.5)
        axes.annotate(
            str(len(days)),
            (1, y),
            (5, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=7.5,
            color=_MUTED,
            va="center_baseline",
        )


def _draw_cloud(axes: Axes, rows: pd.DataFrame) -> None:
    known = rows[rows["scene_cloud_cover"].notna()]
    axes.vlines(
        style.days(known["datetime"]),
        0,
        known["scene_cloud_cover"],
        color=style.CLOUD,
        linewidth=1.3,
    )
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100], ["0 %", "scene cloud", "100 %"], fontsize=7.5)
    axes.spines["bottom"].set(visible=True, color=_MUTED, linewidth=0.8)


def _draw_sentence(axes: Axes, sentence: str) -> None:
    look: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "fontsize": 12,
        "color": style.INK,
        "linespacing": 1.6,
    }
    box = {"boxstyle": "round,pad=0.8", "facecolor": "white", "edgecolor": _GRID}
    text = "\n".join(textwrap.wrap(sentence, 64))
    axes.text(0.5, 0.5, text, transform=axes.transAxes, bbox=box, parse_math=False, **look)


def _draw_title(figure: Figure, name: str, *, simulated: bool) -> None:
    look: dict[str, Any] = {"fontweight": "bold", "fontfamily": list(_families())}
    words = style.clean_name(name, 64)
    title = figure.text(_LEFT, 0.945, words, color=style.INK, parse_math=False, fontsize=14, **look)
    with _any_glyph():
        width = max(1.0, title.get_window_extent().width)
    room = (0.7 if simulated else _WIDTH) * SIZE[0]
    title.set_fontsize(14 * min(1.0, room / width))
    if simulated:
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#fff3d6", "edgecolor": style.OUTLIER}
        look = {"fontsize": 9, "fontweight": "bold", "color": "#8a3b00", "ha": "right"}
        figure.text(_LEFT + _WIDTH, 0.95, "SIMULATED DATA", bbox=box, **look)


@cache
def _families() -> tuple[str, ...]:
    """The default font and those installed that have Chinese, Japanese and Korean characters."""
    from matplotlib import font_manager  # noqa: PLC0415 - optional

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *sorted(_CJK & installed))
