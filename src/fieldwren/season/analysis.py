"""From the rows of a run to what they say: curves, seasons, anomalies, adequacy, in tables.

All tables have a column place_id, their dates are days in UTC without a time zone, and what is
missing is null. What a person should know of a place is a sentence in ``Analysis.notes``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from fieldwren.season.smooth import MIN_DATES, smooth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldwren.season.smooth import Curves

__all__ = ["Analysis", "SeasonOptions", "analyse", "observation_weights"]

_STRAYS: Final = 0.1
"""A place with a greater share of its values outside [-1, 1] has an index that is not bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonOptions:
    """How rows become curves and seasons."""

    smooth: str = "whittaker"
    """``whittaker``, ``savgol``, ``harmonic`` or ``workshop``."""
    lam: float | None = None
    """Smoothness of the Whittaker smoother; None: chosen for each place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the rows of a run say; columns are described in :func:`analyse`."""

    observations: pd.DataFrame
    """The rows given; ``status`` and ``reason`` say which are outliers."""
    series: pd.DataFrame
    """place_id, date, smooth, low, high, gap."""
    seasons: pd.DataFrame
    """place_id, season, start, peak, end, length, base, amplitude, peak_value, greening,
    senescing, integral, method, note."""
    anomalies: pd.DataFrame
    """place_id, date, value, expected, z, percentile, vci, years, note."""
    adequacy: pd.DataFrame
    """place_id, month, expected, passes, clear."""
    notes: Mapping[str, tuple[str, ...]]
    """Sentences for people, by place_id; places of which there is nothing to say are not in it."""


def analyse(
    observations: pd.DataFrame,
    index: str,
    options: SeasonOptions | None = None,
    *,
    places: Sequence[str] = (),
) -> Analysis:
    """Smooth the rows of all places, and find what they say.

    A place does not depend on the others, nor on the order of its rows.

    Args:
        observations: rows with the columns of :class:`fieldwren.model.Observation`.
        index: the column to analyse, such as "ndvi".
        options: None: all default.
        places: ids of places that may have no row.
    """
    options = options or SeasonOptions()
    ids = pd.Index(
        list(dict.fromkeys([*pd.unique(observations["place_id"]), *places])), dtype="str"
    )
    clear = _clear(observations, ids, index)
    notes = _Notes(ids)
    used = _bounded(clear, notes)
    curves = smooth(
        used["day"].to_numpy(),
        used["value"].to_numpy(),
        used["weight"].to_numpy(),
        series=used["place"].to_numpy(),
        lam=options.lam,
    )
    notes.of_dates(used)
    return Analysis(
        observations=observations,
        series=_series_table(curves, ids),
        seasons=_empty(
            "season",
            "start",
            "peak",
            "end",
            "length",
            "base",
            "amplitude",
            "peak_value",
            "greening",
            "senescing",
            "integral",
            "method",
            "note",
        ),
        anomalies=_empty("date", "value", "expected", "z", "percentile", "vci", "years", "note"),
        adequacy=_empty("month", "expected", "passes", "clear"),
        notes=notes.by_place(),
    )


def _empty(*names: str) -> pd.DataFrame:
    frame = pd.DataFrame(columns=["place_id", *names], dtype=float)
    dates = [n for n in names if n in {"start", "peak", "end", "date", "month"}]
    return frame.astype(dict.fromkeys(dates, "datetime64[s]") | {"place_id": "str"})


def observation_weights(observations: pd.DataFrame) -> NDArray[np.float64]:
    """How much each row counts: clear fraction of the place * clear fraction of the scene.

    A clear view in a cloudy scene is rarely free of haze. The scene counts .05 at least; where an
    archive does not state its cloud cover, 1.
    """
    cloud = observations["scene_cloud_cover"].to_numpy(np.float64, na_value=np.nan)
    clear = observations["clear_fraction"].to_numpy(np.float64, na_value=np.nan)
    return clear * np.clip(1.0 - np.nan_to_num(cloud) / 100.0, 0.05, 1.0)


def _clear(observations: pd.DataFrame, ids: pd.Index, index: str) -> pd.DataFrame:
    """The clear rows as numbers: place (its position in ids), day, value, weight."""
    rows = observations[observations["status"].eq("ok").to_numpy(bool)]
    times = pd.to_datetime(rows["datetime"], utc=True).dt.tz_localize(None)
    numbers = pd.DataFrame(
        {
            "place": ids.get_indexer(pd.Index(rows["place_id"])),
            "day": times.to_numpy("datetime64[D]").astype(np.int64),
            "value": rows[index].to_numpy(np.float64, na_value=np.nan),
            "weight": observation_weights(rows),
        },
        index=rows.index,
    )
    return numbers[np.isfinite(numbers["value"]) & (numbers["weight"] > 0)]


def _bounded(clear: pd.DataFrame, notes: _Notes) -> pd.DataFrame:
    """Without stray values outside [-1, 1], of which most indices have none."""
    stray = clear["value"].abs().to_numpy() > 1
    if not stray.any():
        return clear
    place = clear["place"].to_numpy()
    many, all_ = np.bincount(place[stray]), np.bincount(place)
    for number in np.flatnonzero(many).tolist():
        share = f"{many[number]} of {all_[number]} clear values lie outside [-1, 1]"
        if many[number] <= _STRAYS * all_[number]:
            notes.add(number, f"{share}: they are not used for the curve.")
        else:
            notes.add(number, f"{share}: they are used, as the index seems not to be bounded.")
            stray &= place != number
    return clear[~stray]


class _Notes:
    """Sentences by place."""

    def __init__(self, ids: pd.Index) -> None:
        self._ids = ids
        self._said: defaultdict[int, list[str]] = defaultdict(list)

    def add(self, place: int, sentence: str) -> None:
        self._said[int(place)].append(sentence)

    def of_dates(self, used: pd.DataFrame) -> None:
        """Why a place has no curve, or one of which little can be said."""
        by_place = used.groupby("place")
        every = range(len(self._ids))
        dates = by_place["day"].nunique().reindex(every, fill_value=0).to_numpy()
        spread = (by_place["value"].max() - by_place["value"].min()).reindex(every).to_numpy()
        for place in np.flatnonzero((dates < MIN_DATES) | (spread == 0)).tolist():
            count = dates[place]
            if not count:
                self.add(place, "There is no clear date, so there is no curve.")
            elif count < MIN_DATES:
                words = "is one clear date" if count == 1 else f"are {count} clear dates"
                self.add(place, f"There {words}; a curve needs {MIN_DATES}.")
            else:
                self.add(place, f"All {count} clear dates have the same value.")

    def by_place(self) -> dict[str, tuple[str, ...]]:
        return {self._ids[place]: tuple(said) for place, said in sorted(self._said.items())}


def _series_table(curves: Curves, ids: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place_id": ids.take(curves.series),
            "date": curves.day.astype("datetime64[D]").astype("datetime64[s]"),
            "smooth": curves.smooth,
            "low": curves.low,
            "high": curves.high,
            "gap": curves.gap,
        }
    )
