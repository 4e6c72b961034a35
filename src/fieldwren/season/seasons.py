"""The table of seasons of all places."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from fieldwren.season.notes import too_few
from fieldwren.season.phenology import LEAST_AMPLITUDE, LONGEST_SIDE, find_seasons, least_rise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fieldwren.season.phenology import Season
    from fieldwren.season.smooth import Curves

    Array = NDArray[np.float64]

__all__ = ["season_table"]

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
    curves: Curves, ids: pd.Index, dates: NDArray[np.int64], *, method: str, threshold: float
) -> pd.DataFrame:
    """A row per season of each place, or one row with a note where there is none.

    Args:
        curves: of the places, by their positions in ids.
        ids: of the places.
        dates: shape (places,): how many clear dates each has.
        method: see :func:`fieldwren.season.phenology.find_seasons`.
        threshold: likewise.

    Returns:
        Columns place_id, season (the year of the peak; "2017-2" for the second peak of a year),
        start, peak, end, length (days from start to end), base, amplitude (peak_value - base),
        peak_value, greening (mean rate per day from start to peak), senescing (from peak to end),
        integral (value above base, summed over days), method and note.
    """
    ends = np.searchsorted(curves.series, np.arange(len(ids) + 1))
    rows: list[dict[str, Any]] = []
    for place, place_id in enumerate(ids):
        own = slice(ends[place], ends[place + 1])
        z, low, high = curves.smooth[own], curves.low[own], curves.high[own]
        width = (high - low) / 2
        seasons = find_seasons(z, width, method=method, threshold=threshold)
        words = method if method != "threshold" else f"threshold {threshold:.0%}"
        common = {"place_id": place_id, "method": words}
        if seasons:
            table = _rows(seasons, z, curves.day[own], curves.gap[own])
            rows += [{**common, **row} for row in table]
        else:
            why = _why_none(z, width) if len(z) else too_few(int(dates[place]))
            rows.append({**common, "note": f"no season: {why}"})
    table = pd.DataFrame(rows, columns=list(_KINDS))
    return table.astype(_KINDS)


def _rows(
    seasons: list[Season], z: Array, day: NDArray[np.int64], gap: NDArray[np.bool_]
) -> Iterator[dict[str, Any]]:
    dates = day.astype("datetime64[D]").astype("datetime64[s]")
    years: Counter[str] = Counter()
    for season in seasons:
        year = str(dates[season.peak])[:4]
        years[year] += 1
        start, peak, end = season.start, season.peak, season.end
        yield {
            "season": year if years[year] == 1 else f"{year}-{years[year]}",
            "start": None if start is None else dates[start],
            "peak": dates[peak],
            "end": None if end is None else dates[end],
            "length": None if start is None or end is None else end - start,
            "base": season.base,
            "amplitude": season.peak_value - season.base,
            "peak_value": season.peak_value,
            "greening": None if start is None else _rate(z, start, peak),
            "senescing": None if end is None else _rate(z, peak, end),
            "integral": season.integral,
            "note": _note(season, gap),
        }


def _rate(z: Array, start: int, stop: int) -> float | None:
    return float((z[stop] - z[start]) / (stop - start)) if stop > start else None


def _note(season: Season, gap: NDArray[np.bool_]) -> str | None:
    """What is missing of a season, and which of its dates are guesses."""
    said: list[str] = []
    if season.start is None:
        said.append("it began before the curve does")
    elif season.cut[0]:
        said.append("the curve begins with its rise")
    if season.end is None:
        said.append("it had not ended when the curve does")
    elif season.cut[1]:
        said.append("the curve ends with its fall")
    guessed = [
        name
        for name, at in (("start", season.start), ("peak", season.peak), ("end", season.end))
        if at is not None and gap[at]
    ]
    if guessed:
        words = " and ".join(part for part in (", ".join(guessed[:-1]), guessed[-1]) if part)
        are = "is a guess" if len(guessed) == 1 else "are guesses"
        said.append(f"{words} {are}, in a gap without clear observations")
    return "; ".join(said) or None


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
