"""The plot of one place: what was seen, what was rejected and why, the smooth curve, its seasons.

Below the panel of values hangs, on the same dates, a lane of marks for each kind of rejection, and
the cloud cover of the scenes.
"""

from __future__ import annotations

import textwrap
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.errors import MissingExtraError
from fieldwren.present import style
from fieldwren.present.facts import Facts
from fieldwren.present.findings import counted
from fieldwren.present.panel import (
    BOTTOM,
    CLOUD_HEIGHT,
    DPI,
    GAP,
    GRID,
    LANE_HEIGHT,
    LEFT,
    MUTED,
    RIGHT,
    SHOWN,
    SIZE,
    TOP,
    Panel,
)
from fieldwren.present.png import encode_png
from fieldwren.present.summary import no_value, summarise

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from fieldwren.model import Place

    Whole = NDArray[np.int64]

__all__ = ["SIZE", "plot_place", "save_plot"]

_BAND: Final = "#c3e2c9"
_SEASON: Final = "#f1f4ea"
_SEASON_EDGE: Final = "#a9b38c"
_SMALL: Final[dict[str, Any]] = {"fontsize": 9, "color": MUTED}
_MANY: Final = 400  # marks, beyond which they are thinner
_FEW: Final = 20  # seasons, up to which their edges have lines
_CJK: Final = {"Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Arial Unicode MS"}


def plot_place(
    observations: pd.DataFrame,
    place: Place,
    series: pd.DataFrame | None = None,
    *,
    index: str,
    facts: Mapping[str, Any] | None = None,
    seasons: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> Figure:
    """Draw the plot of one place, SIZE pixels large.

    Args:
        observations: the rows of the place, in any order, with the columns of
            :class:`fieldwren.model.Observation`.
        place: gives the title.
        series: columns date, smooth, low, high and gap, by day: the place's smooth curve, its band
            of uncertainty, and where it is a guess.
        index: the column to show, such as "ndvi".
        facts: the receipt of the run, see :class:`fieldwren.present.facts.Facts`.
        seasons: columns start, peak and end; nulls where there is none.
        notes: what must be said of the place.

    Returns:
        A figure that does not belong to pyplot and needs no closing, and that notebooks show. Its
        ``savefig`` writes SVG, too; :func:`save_plot` is quicker.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = _figure()
    run = Facts.of(facts or {})
    columns = ["place_id", "datetime", "status", index, "scene_cloud_cover"]
    observations = observations[columns].sort_values("datetime")
    rows = observations[observations["status"] != "duplicate"]
    summary = summarise(observations, index)
    panel = Panel.of(figure, rows, index)
    panel.grid()
    if seasons is not None and len(rows):
        _draw_seasons(panel, seasons, series)
    if series is not None and len(series):
        _draw_curve(panel, series)
    beyond = _draw_values(panel, rows, index)
    _draw_lanes(panel, rows)
    _draw_cloud(panel, rows)
    if summary.clear:
        _draw_notes(panel, [*notes, *beyond])
    else:
        _draw_sentence(panel, no_value(summary))
    _draw_title(panel, style.place_name(place, 64), simulated=run.simulated)
    passes = counted(summary.passes, "pass")
    words = f"{index.upper()}: {summary.clear:,} clear of {passes}"
    panel.say(words, LEFT, 669, **_SMALL)
    _draw_legend(panel)
    source = f"archive: {style.clean_name(run.archive, 60)}" if run.archive else ""
    words = " · ".join(part for part in (source, run.attribution) if part)
    panel.say(words, RIGHT, 6, **(_SMALL | {"fontsize": 7, "ha": "right"}))
    return figure


def save_plot(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure of :func:`plot_place` as PNG or, where the path ends so, as SVG.

    Both are the same for the same figure, byte for byte.
    """
    import matplotlib as mpl  # noqa: PLC0415 - optional
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - optional

    if Path(path).suffix.lower() == ".svg":
        with _any_glyph(), mpl.rc_context({"svg.hashsalt": "fieldwren"}):
            FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
    else:
        Path(path).write_bytes(_png(figure))


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional

    canvas = FigureCanvasAgg(figure)
    with _any_glyph():
        canvas.draw()
    return encode_png(np.asarray(canvas.buffer_rgba())[..., :3], text={"Software": "fieldwren"})


def _figure() -> Figure:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("plots", "pictures") from error

    size = (SIZE[0] / DPI, SIZE[1] / DPI)
    return _shown_in_notebooks(Figure)(figsize=size, dpi=DPI, facecolor="white")


@cache
def _shown_in_notebooks(base: type[Figure]) -> type[Figure]:
    class PlacePlot(base):
        """A figure that notebooks show without pyplot, at two thirds of its pixels."""

        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            return _png(self), {"width": SIZE[0] * 2 // 3, "height": SIZE[1] * 2 // 3}

    return PlacePlot


@contextmanager
def _any_glyph() -> Generator[None]:
    """A name may hold characters that no installed font has; they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _draw_seasons(panel: Panel, seasons: pd.DataFrame, series: pd.DataFrame | None) -> None:
    """Shade the seasons; mark start and end with a line, and the peak with a triangle.

    A season without a start or an end is shaded as far as the curve is known.
    """
    from matplotlib.collections import PolyCollection  # noqa: PLC0415 - optional

    known = seasons[seasons["peak"].notna()]
    if not len(known):
        return
    start, peak, end = (style.days(known[name]) for name in ("start", "peak", "end"))
    missing = np.datetime64("NaT", "D").astype(np.int64)
    first, last = panel.dates if series is None else _known_around(series, peak)
    left = np.where(start == missing, first, start)
    right = np.where(end == missing, last, end)
    boxes = [[(a, 0), (a, 1), (b, 1), (b, 0)] for a, b in zip(left, right, strict=True)]
    shading = PolyCollection(boxes, facecolors=_SEASON, edgecolors="none", zorder=0)
    shading.set_transform(panel.axes.get_xaxis_transform())
    panel.axes.add_artist(shading)
    few = len(known) <= _FEW
    if few:
        edges = np.concatenate([start[start != missing], end[end != missing]])
        look = {"color": _SEASON_EDGE, "lw": 0.8, "ls": (0, (2, 2)), "zorder": 0.6}
        panel.bars(edges, panel.bottom, TOP, **look)
    look = {"marker": "v", "ls": "", "ms": 5 if few else 3.5, "color": _SEASON_EDGE, "zorder": 1}
    panel.below(peak, np.full(len(peak), 0.985), label="season, peak", **look)


def _known_around(series: pd.DataFrame, peak: Whole) -> tuple[Whole, Whole]:
    """For each peak the first and the last day of the part of the curve in which it lies."""
    known = series["smooth"].notna().to_numpy(bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
    day = style.days(series["date"])
    first, last = day[edges[::2]], day[edges[1::2] - 1]
    part = np.searchsorted(first, peak, side="right") - 1
    return first[part], last[part]


def _draw_curve(panel: Panel, series: pd.DataFrame) -> None:
    """The band, and the curve: dashed where it is a guess."""
    wide = RIGHT - LEFT
    thin = series.iloc[:: max(1, len(series) // wide)]
    days = style.days(thin["date"])
    low, smooth, high = (thin[name].to_numpy(float, na_value=np.nan) for name in _CURVE)
    gap = thin["gap"].to_numpy(bool)
    known = np.isfinite(low) & np.isfinite(high)
    panel.axes.fill_between(days, low, high, where=known, color=_BAND, lw=0, zorder=1.2)
    guess = gap.copy()
    guess[1:] |= gap[:-1]  # a dash reaches the solid line on both sides
    guess[:-1] |= gap[1:]
    look = {"color": style.CURVE, "lw": 1.8, "zorder": 2}
    label = "smooth, 95 % band" if known.any() else "smooth"
    panel.line(days, np.where(gap, np.nan, smooth), label=label, **look)
    if gap.any():
        dashed = {"ls": (0, (2.5, 2)), "lw": 1.2, "label": "bridged gap"}
        panel.line(days, np.where(guess, smooth, np.nan), **(look | dashed))


_CURVE: Final = ("low", "smooth", "high")


def _draw_values(panel: Panel, rows: pd.DataFrame, index: str) -> list[str]:
    """Marks that differ in shape as well as in colour; returns what is to be said of them."""
    shown = rows[rows["status"].isin(SHOWN) & rows[index].notna()]
    size = 5.5 if len(shown) <= 12 else max(2.0, 3.6 * min(1.0, (_MANY / len(shown)) ** 0.5))
    looks: dict[str, dict[str, Any]] = {
        "low_coverage": {"label": "partly clear", "marker": "o", "mfc": "white", "mew": 0.9},
        "ok": {"label": "clear", "marker": "o", "mew": 0},
        "outlier": {"label": "outlier", "marker": "x", "color": style.OUTLIER, "ms": size + 1.4},
    }
    common: dict[str, Any] = {"color": style.POINT, "ms": size, "ls": "", "zorder": 3}
    for key, look in looks.items():
        these = shown[shown["status"] == key]
        if len(these):
            panel.line(style.days(these["datetime"]), these[index], **(common | look))
    low, high = panel.scale.low, panel.scale.high
    beyond = shown[(shown[index] < low) | (shown[index] > high)]
    if not len(beyond):
        return []
    for side, marker in ((beyond[index] > high, "^"), (beyond[index] < low, "v")):
        at = style.days(beyond["datetime"][side])
        y = np.full(len(at), 0.985 if marker == "^" else 0.015)
        panel.below(at, y, **(common | {"marker": marker, "color": style.OUTLIER}))
    ends = dict.fromkeys(f"{v:.3g}" for v in (beyond[index].min(), beyond[index].max()))
    count = counted(len(beyond), "value")
    return [f"{count} beyond {low:.2g} to {high:.2g} (triangles): {' to '.join(ends)}."]


def _draw_lanes(panel: Panel, rows: pd.DataFrame) -> None:
    for number, lane in enumerate(reversed(panel.lanes)):
        low = BOTTOM + CLOUD_HEIGHT + GAP + LANE_HEIGHT * number
        days = style.days(rows["datetime"][rows["status"].isin(lane.statuses)])
        thin = len(days) > _MANY
        look = {"color": lane.colour, "lw": 0.7 if thin else 1, "alpha": 0.55 if thin else 1}
        panel.bars(days, low + 4, low + LANE_HEIGHT - 4, label=f"_{lane.label}", **look)
        look = {"fontsize": 7.5, "color": MUTED, "va": "center_baseline"}
        panel.say(lane.label, LEFT - 8, low + LANE_HEIGHT / 2, ha="right", **look)
        panel.say(f"{len(days):,}", RIGHT + 8, low + LANE_HEIGHT / 2, **look)


def _draw_cloud(panel: Panel, rows: pd.DataFrame) -> None:
    """A bar for each scene; of very many the mean over some days: bars would run together."""
    known = rows[rows["scene_cloud_cover"].notna()]
    days, cover = style.days(known["datetime"]), known["scene_cloud_cover"].to_numpy(float)
    width, mean = 1.3, len(days) > _MANY
    if mean:
        first, last = panel.dates
        step = max(1.0, (last - first) / 260)
        cells, where = np.unique((days - first) // step, return_inverse=True)
        cover = np.bincount(where, cover) / np.bincount(where)
        days, width = first + (cells + 0.5) * step, 2.0
    heights = cover / 100 * CLOUD_HEIGHT
    panel.bars(days, BOTTOM, BOTTOM + heights, color=style.CLOUD, lw=width, label="_scene cloud")
    look = {"fontsize": 7.5, "color": MUTED, "ha": "right", "va": "center_baseline"}
    words = "mean cloud" if mean else "scene cloud"
    for share, said in ((0, "0 %"), (0.5, words), (1, "100 %")):
        panel.say(said, LEFT - 8, BOTTOM + share * CLOUD_HEIGHT, **look)
    base = [panel.share(BOTTOM)] * 2
    panel.below(panel.dates, base, color=MUTED, lw=0.8, zorder=2)


def _draw_sentence(panel: Panel, sentence: str) -> None:
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 12, "linespacing": 1.6}
    box = {"boxstyle": "round,pad=0.8", "facecolor": "white", "edgecolor": GRID}
    text = "\n".join(textwrap.wrap(sentence, 64))
    middle = (LEFT + RIGHT) / 2, (panel.bottom + TOP) / 2
    panel.say(text, *middle, bbox=box, color=style.INK, **look)


def _draw_notes(panel: Panel, notes: Sequence[str]) -> None:
    """What must be said, in at most three lines in the lower left of the panel."""
    if not notes:
        return
    lines = textwrap.wrap(style.clean_name(" ".join(notes), 400), 130)[:3]
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    look: dict[str, Any] = {"fontsize": 8, "color": style.INK, "va": "bottom", "linespacing": 1.4}
    panel.say("\n".join(lines), LEFT + 12, panel.bottom + 14, bbox=box, zorder=5, **look)


def _draw_title(panel: Panel, name: str, *, simulated: bool) -> None:
    look: dict[str, Any] = {"fontweight": "bold", "fontfamily": list(_families())}
    title = panel.say(name, LEFT, 709, color=style.INK, fontsize=14, **look)
    with _any_glyph():
        width = max(1.0, title.get_window_extent().width)
    room = (0.7 * SIZE[0]) if simulated else (RIGHT - LEFT)
    title.set_fontsize(14 * min(1.0, room / width))
    if simulated:
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#fff3d6", "edgecolor": style.OUTLIER}
        look = {"fontsize": 9, "fontweight": "bold", "color": "#8a3b00", "ha": "right"}
        panel.say("SIMULATED DATA", RIGHT, 712, bbox=box, **look)


def _draw_legend(panel: Panel) -> None:
    """The marks that the panel has with their words, from the right."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - optional

    right = float(RIGHT)
    for line in reversed([a for a in panel.axes.lines if str(a.get_label())[:1].isalpha()]):
        words = str(line.get_label())
        panel.say(words, right, 669, fontsize=8, color=style.INK, ha="right")
        right -= _width(words) + 12
        length = 0 if line.get_linestyle() == "None" else 34
        x = np.unique([right - length, right]) / SIZE[0]
        y = np.full(len(x), 676 / SIZE[1])
        for look in [{"color": _BAND, "lw": 6}] * ("band" in words) + [{}]:
            sample = Line2D(x, y, transform=panel.figure.transFigure)
            sample.update_from(line)
            sample.set(transform=panel.figure.transFigure, clip_on=False, **look)
            panel.figure.add_artist(sample)
        right -= length + 28


@cache
def _width(words: str) -> float:
    """Of words in the legend, in pixels."""
    from matplotlib.backends.backend_agg import RendererAgg  # noqa: PLC0415 - optional
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415 - optional

    renderer = RendererAgg(1, 1, DPI)
    return renderer.get_text_width_height_descent(words, FontProperties(size=8), ismath=False)[0]


@cache
def _families() -> tuple[str, ...]:
    """The default font and those installed that have Chinese, Japanese and Korean characters."""
    from matplotlib import font_manager  # noqa: PLC0415 - optional

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *sorted(_CJK & installed))
