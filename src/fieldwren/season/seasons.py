"""The table of seasons of all places."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from fieldwren.season.phenology import (
    LEAST_AMPLITUDE,
    LONGEST_SIDE,
    find_rise,
    find_seasons,
    least_rise,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldwren.season.phenology import Rise, Season
    from fieldwren.season.smooth import Curves

    Array = NDArray[np.float64]

__all__ = ["HIDES", "season_table"]

HIDES: Final = 60
"""Days of a gap within a season in which it may have peaked unseen: two months."""

_KINDS: Final = {
    "place_id": "str",
    "season": "str",
    "start": "datetime64[s]",
    "peak": "datetime64[s]",
    "end": "datetime64[s]",
    "length": "Int64",
    "base": "float64",
    "amplitude": "float64",
    "peak_value": "float64",
    "greening": "float64",
    "senescing": "float64",
    "integral": "float64",
    "method": "str",
    "note": "str",
}


def season_table(
    curves: Curves, ids: pd.Index, lacking: Mapping[int, str], *, method: str, threshold: float
) -> pd.DataFrame:
    """A row per season of each place, or one row with a note where there is none.

    A place whose curve ends with a rise has a last row with a start, but without a season's name
    and peak.

    Args:
        curves: of the places, by their positions in ids.
        ids: of the places.
        lacking: why places have no curve, as clauses, by their positions.
        method: see :func:`fieldwren.season.phenology.find_seasons`.
        threshold: likewise.

    Returns:
        Columns place_id, season (the year of the peak; "2017-2" for the second peak of a year),
        start, peak, end, length (days from start to end), base, amplitude (peak_value - base),
        peak_value, greening (mean rate per day from start to peak), senescing (from peak to end),
        integral (value above base, summed over days), method and note.
    """
    ends = np.searchsorted(curves.series, np.arange(len(ids) + 1))
    words = method if method != "threshold" else f"threshold {threshold:.0%}"
    rows: list[dict[str, Any]] = []
    for place, place_id in enumerate(ids):
        own = slice(ends[place], ends[place + 1])
        common = {"place_id": place_id, "method": words}
        curve = _Curve(curves, own)
        if not len(curve.z):
            rows.append({**common, "note": f"no season: {lacking[place]}"})
            continue
        found = _rows(curve, method=method, threshold=threshold)
        rows += [{**common, **row} for row in found]
    table = pd.DataFrame(rows, columns=list(_KINDS))
    return table.astype(_KINDS)


class _Curve:
    """The curve of one place: its values, half the width of its band, its days and gaps."""

    def __init__(self, curves: Curves, own: slice) -> None:
        self.z: Array = curves.smooth[own]
        self.width: Array = (curves.high[own] - curves.low[own]) / 2
        self.dates = curves.day[own].astype("datetime64[D]").astype("datetime64[s]")
        self.gap = curves.gap[own]


def _rows(curve: _Curve, *, method: str, threshold: float) -> list[dict[str, Any]]:
    years: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for season in find_seasons(curve.z, curve.width, method=method, threshold=threshold):
        year = str(curve.dates[season.peak])[:4]
        years[year] += 1
        name = year if years[year] == 1 else f"{year}-{years[year]}"
        rows.append({"season": name, **_row(season, curve)})
    rise = find_rise(curve.z, curve.width, method=method, threshold=threshold)
    if rise is not None:
        rows.append(_row_of_rise(rise, curve))
    return rows or [{"note": f"no season: {_why_none(curve.z, curve.width)}"}]


def _row(season: Season, curve: _Curve) -> dict[str, Any]:
    start, peak, end = season.start, season.peak, season.end
    return {
        "start": None if start is None else curve.dates[start],
        "peak": curve.dates[peak],
        "end": None if end is None else curve.dates[end],
        "length": None if start is None or end is None else end - start,
        "base": season.base,
        "amplitude": season.peak_value - season.base,
        "peak_value": season.peak_value,
        "greening": None if start is None else _rate(curve.z, start, peak),
        "senescing": None if end is None else _rate(curve.z, peak, end),
        "integral": season.integral,
        "note": _note(season, curve),
    }


def _row_of_rise(rise: Rise, curve: _Curve) -> dict[str, Any]:
    trough, last = (str(curve.dates[at])[:10] for at in (rise.trough, -1))
    return {
        "start": None if rise.start is None else curve.dates[rise.start],
        "note": f"the rise by {rise.amount:.2f} since {trough} may not have peaked when the curve "
        f"ends on {last}; its start may move",
    }


def _rate(z: Array, start: int, stop: int) -> float | None:
    return float((z[stop] - z[start]) / (stop - start)) if stop > start else None


def _note(season: Season, curve: _Curve) -> str | None:
    """What is missing of a season, and which of its dates are guesses."""
    said: list[str] = []
    if season.start is None:
        said.append("it began before the curve does")
    elif season.cut[0]:
        said.append(_unsure_start(season.start, season.troughs[0], season.known[0]))
    if season.end is None:
        said.append("it had not ended when the curve does")
    elif season.cut[1]:
        said.append(_unsure_end(season.end, season.troughs[1], season.known[1]))
    guessed = [
        name
        for name, days in (
            ("start", [season.start]),
            ("peak", [season.peak]),
            ("end", [season.end]),
            ("base", season.troughs),
        )
        if any(curve.gap[day] for day in days if day is not None)
    ]
    if guessed:
        words = " and ".join(part for part in (", ".join(guessed[:-1]), guessed[-1]) if part)
        are = "is a guess" if len(guessed) == 1 else "are guesses"
        said.append(f"{words} {are}, in a gap without clear observations")
    hidden = _hidden(season, curve.gap)
    if hidden:
        first, last = (str(curve.dates[day])[:10] for day in hidden)
        said.append(f"it may have peaked from {first} to {last}, without clear observations")
    return "; ".join(said) or None


def _hidden(season: Season, gap: NDArray[np.bool_]) -> tuple[int, int] | None:
    """First and last day of the longest gap between the troughs in which a peak may be hidden."""
    first, stop = season.troughs[0], season.troughs[1] + 1
    edges = first + np.flatnonzero(np.diff(np.concatenate([[False], gap[first:stop], [False]])))
    if gap[season.peak] or not len(edges):
        return None
    start, end = max(edges.reshape(-1, 2).tolist(), key=lambda days: days[1] - days[0])
    return (start, end - 1) if end - start > HIDES else None


def _unsure_start(start: int, trough: int, first: int) -> str:
    if trough == first:
        return "the curve begins with its rise"
    return f"the curve begins {start - first} days before its start, and does not fall there"


def _unsure_end(end: int, trough: int, last: int) -> str:
    if trough == last:
        return "the curve ends with its fall"
    return f"the curve ends {last - end} days after its end, and does not rise there"


def _why_none(z: Array, width: Array) -> str:
    """A clause on why a curve has no season."""
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    if f"{low:.2f}" == f"{high:.2f}":
        return f"the curve stays at {low:.2f}"
    if high - low < LEAST_AMPLITUDE:
        return (
            f"the curve stays between {low:.2f} and {high:.2f}, "
            f"and a season rises and falls by {LEAST_AMPLITUDE:.2f} or more"
        )
    if find_seasons(z, width, longest=len(z)):
        return f"rises or falls take more than {LONGEST_SIDE} days: years differ, no season recurs"
    if find_seasons(z, np.zeros_like(z), longest=len(z)):
        return "its rises and falls are no greater than the band of the curve: they may be noise"
    return f"no rise of {least_rise(z):.2f} or more is followed by as large a fall"
