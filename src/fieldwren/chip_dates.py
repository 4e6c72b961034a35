"""Which scenes of a place are worth a picture: the clearest of each season, or of each year.

Within a season or year the order is, each step deciding only where those before it do not:

1. status ``ok`` before ``low_coverage``; rows of any other status are never shown;
2. the larger clear fraction of the place, to a hundredth;
3. the lesser cloud cover of the scene, to ten percent: clouds elsewhere hardly show;
4. the day nearer the peak of the season, or nearer the first of July, for years to be compared;
5. the earlier time, then the scene's id.

Where there are more seasons or years than pictures, those are taken that are spread evenly over the
record, its first and last among them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fieldwren.model import Place

__all__ = ["MOST_DATES", "ChipChoice", "choose_chips"]

MOST_DATES: Final = 12
"""Pictures of one place, at most."""

_SHOWN: Final = ("ok", "low_coverage")
_HALF_YEAR: Final = np.timedelta64(183, "D")
_DAY: Final = np.timedelta64(86_399, "s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipChoice:
    """A scene that is worth a picture of a place."""

    place_id: str
    """The place."""
    scene_id: str
    """The scene."""
    collection: str
    """The scene's collection."""
    date: dt.date
    """Day of acquisition, UTC."""
    caption: str
    """One sentence for people: why this date, how clear, which value."""


class _Span(NamedTuple):
    """A time of which one scene is shown."""

    words: str
    first: np.datetime64
    last: np.datetime64
    peak: np.datetime64


def choose_chips(
    observations: pd.DataFrame,
    seasons: pd.DataFrame | None,
    places: Sequence[Place],
    index: str,
    *,
    most: int,
    most_dates: int = MOST_DATES,
) -> tuple[ChipChoice, ...]:
    """Choose the scenes of which pictures are made.

    Args:
        observations: rows with the columns of :class:`fieldwren.model.Observation`, in any order.
        seasons: columns place_id, season, start, peak and end; a season cut by the record's end has
            a null start or end, a place without any has a row with a null peak, or none.
        places: in the order of the run.
        index: the column that captions tell.
        most: how many places get pictures, the first that have a date worth one.
        most_dates: pictures of one place, at most.

    Returns:
        The choices, place by place in the order of ``places``, each by time.
    """
    shown = observations[observations["status"].isin(_SHOWN) & observations[index].notna()]
    tables = dict(iter(shown.groupby("place_id", sort=False)))
    with_peak = None if seasons is None else seasons[seasons["peak"].notna()]
    peaks = {} if with_peak is None else dict(iter(with_peak.groupby("place_id", sort=False)))
    chosen: list[ChipChoice] = []
    for place in [p for p in places if p.id in tables][:most]:
        rows = _prepared(tables[place.id])
        found = peaks.get(place.id)
        spans = _years(rows) if found is None else _seasons(found)
        chosen += _choices(place.id, rows, spans, index, most_dates)
    return tuple(chosen)


def _prepared(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by time, with times without a zone."""
    times = rows["datetime"]
    plain = times if times.dt.tz is None else times.dt.tz_convert(None)
    prepared = rows.assign(at=plain.astype("datetime64[s]"))
    return prepared.sort_values(["at", "scene_id"], kind="stable")


def _years(rows: pd.DataFrame) -> Iterator[_Span]:
    for year in sorted(set(rows["at"].dt.year)):
        first, after = np.datetime64(f"{year}-01-01", "s"), np.datetime64(f"{year + 1}-01-01", "s")
        yield _Span(str(year), first, after - 1, np.datetime64(f"{year}-07-01", "s"))


def _seasons(seasons: pd.DataFrame) -> Iterator[_Span]:
    """The seasons of a place; where one is cut by the record's end, half a year from its peak."""
    ordered = seasons.sort_values("peak")
    days = [ordered[name].to_numpy("datetime64[s]") for name in ("start", "peak", "end")]
    for name, start, peak, end in zip(ordered["season"], *days, strict=True):
        first = peak - _HALF_YEAR if np.isnat(start) else start
        last = peak + _HALF_YEAR if np.isnat(end) else end
        yield _Span(f"season {name}", first, last + _DAY, peak)


def _choices(
    place_id: str, rows: pd.DataFrame, spans: Iterator[_Span], index: str, most: int
) -> list[ChipChoice]:
    """The clearest of each span; one that is it of two spans is shown once, for the first."""
    at = rows["at"].to_numpy()
    poor = (rows["status"] != "ok").to_numpy()
    unclear = -rows["clear_fraction"].to_numpy(float, na_value=0.0).round(2)
    clouds = np.minimum(rows["scene_cloud_cover"].to_numpy(float, na_value=100.0) // 10, 9)
    best: dict[int, _Span] = {}
    for span in spans:
        within = np.flatnonzero((at >= span.first) & (at <= span.last))
        if len(within):
            far = np.abs(at[within] - span.peak)
            ranked = np.lexsort((far, clouds[within], unclear[within], poor[within]))
            best.setdefault(int(within[ranked[0]]), span)
    ordered = sorted(best)
    if len(ordered) > most:
        ordered = [ordered[round(k)] for k in np.linspace(0, len(ordered) - 1, most)]
    return [_choice(place_id, best[k], rows.iloc[k], index) for k in ordered]


def _choice(place_id: str, span: _Span, row: pd.Series[Any], index: str) -> ChipChoice:
    clear, cloud = row["clear_fraction"], row["scene_cloud_cover"]
    facts = [f"clearest of {span.words}", f"{index.upper()} {row[index]:.2f}"]
    facts += [] if pd.isna(clear) else [f"{100 * clear:.0f} % of the place clear"]
    facts += [] if pd.isna(cloud) else [f"scene cloud {cloud:.0f} %"]
    return ChipChoice(
        place_id=place_id,
        scene_id=str(row["scene_id"]),
        collection=str(row["collection"]),
        date=row["at"].date(),
        caption=", ".join(facts),
    )
