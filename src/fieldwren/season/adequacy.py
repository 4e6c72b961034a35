"""How many passes a month should have, how many were found, and how many of them were clear.

A satellite comes over a place on the same days of its repeat cycle, once for every orbit that sees
it. These days are taken from the passes found: each on which the place was seen at least twice. The
passes expected of a month are its days that continue them, from the satellite's first pass of the
place to its last.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

__all__ = ["CYCLES", "adequacy_table"]

CYCLES: Final = {
    "landsat-1": 18,
    "landsat-2": 18,
    "landsat-3": 18,
    "landsat-4": 16,
    "landsat-5": 16,
    "landsat-7": 16,
    "landsat-8": 16,
    "landsat-9": 16,
    "sentinel-2a": 10,
    "sentinel-2b": 10,
    "sentinel-2c": 10,
}
"""Days of the repeat cycle by platform."""

_UNSEEN: Final = ("fill", "no_band")
"""Statuses of scenes that do not show the place."""

_TWICE: Final = 2


def adequacy_table(observations: pd.DataFrame) -> pd.DataFrame:
    """Passes by place and month.

    Args:
        observations: rows with the columns of :class:`fieldwren.model.Observation`.

    Returns:
        Columns place_id, month (its first day), expected (null where the repeat cycle of a platform
        is not known), passes and clear: a row per place and month from the first pass to the last.
    """
    seen = _passes(observations)
    found = seen.groupby(["place_id", "month"], sort=False)
    counts = pd.DataFrame({"passes": found.size(), "clear": found["clear"].sum()})
    known = seen[seen["platform"].isin(list(CYCLES))]
    expected = _expected(known).groupby(["place_id", "month"]).size()
    months = _months(seen)
    table = pd.DataFrame(index=months)
    table["expected"] = expected.reindex(months, fill_value=0).astype("Int64")
    strange = seen.loc[~seen["platform"].isin(list(CYCLES)), "place_id"].unique()
    table.loc[months.get_level_values("place_id").isin(strange), "expected"] = pd.NA
    for name in ("passes", "clear"):
        table[name] = counts[name].reindex(months, fill_value=0).astype("int64")
    return table.reset_index()


def _passes(observations: pd.DataFrame) -> pd.DataFrame:
    """A row per place, platform and day: whether it was clear, and the orbit's day."""
    rows = observations[~observations["status"].isin([*_UNSEEN, "duplicate"])]
    times = pd.to_datetime(rows["datetime"], utc=True).dt.tz_localize(None)
    passes = pd.DataFrame(
        {
            "place_id": rows["place_id"],
            "platform": rows["platform"].astype("str"),
            "day": times.to_numpy("datetime64[D]").astype(np.int64),
            "orbit_day": _orbit_days(rows["place_id"], times),
            "clear": rows["status"].eq("ok"),
        }
    )
    keys = ["place_id", "platform", "orbit_day"]
    passes = passes.groupby(keys, sort=False, as_index=False).agg({"day": "min", "clear": "max"})
    months = passes["day"].to_numpy().astype("datetime64[D]").astype("datetime64[M]")
    passes["month"] = months.astype("datetime64[s]")
    return passes


def _orbit_days(place: pd.Series, times: pd.Series) -> np.ndarray:
    """Days that begin half a day away from the hour at which the place is seen.

    Passes near midnight UTC stay on one day of the cycle so.
    """
    day = times.to_numpy("datetime64[s]").astype(np.int64) / 86_400
    angle = pd.DataFrame({"s": np.sin(2 * np.pi * day), "c": np.cos(2 * np.pi * day)})
    mean = angle.groupby(place.to_numpy()).transform("sum")
    hour = np.arctan2(mean["s"], mean["c"]).to_numpy() / (2 * np.pi)
    return np.floor(day - hour + 0.5).astype(np.int64)


def _expected(seen: pd.DataFrame) -> pd.DataFrame:
    """A row per place, platform and day on which a pass is expected: place_id, month."""
    cycle = seen["platform"].map(CYCLES).to_numpy(np.int64)
    seen = seen.assign(cycle=cycle, phase=seen["orbit_day"].to_numpy() % cycle)
    ends = seen.groupby(["place_id", "platform"])["orbit_day"].agg(["min", "max"])
    shift = (seen["day"] - seen["orbit_day"]).groupby(seen["place_id"]).min()
    phases = seen.groupby(["place_id", "platform", "cycle", "phase"], as_index=False).size()
    phases = phases[phases["size"] >= _TWICE].join(ends, on=["place_id", "platform"])
    first = phases["min"] + (phases["phase"] - phases["min"]) % phases["cycle"]
    count = ((phases["max"] - first) // phases["cycle"] + 1).clip(lower=0).to_numpy(np.int64)
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    day = np.repeat(first.to_numpy(), count) + nth * np.repeat(phases["cycle"].to_numpy(), count)
    place = phases["place_id"].repeat(count)
    day = day + place.map(shift).to_numpy(np.int64)
    months = day.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[s]")
    return pd.DataFrame({"place_id": place.to_numpy(), "month": months})


def _months(seen: pd.DataFrame) -> pd.MultiIndex:
    """Every month from the first pass of each place to its last."""
    ends = seen.groupby("place_id", sort=False)["month"].agg(["min", "max"])
    first, last = (ends[e].to_numpy("datetime64[M]").astype(np.int64) for e in ("min", "max"))
    count = last - first + 1
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    month = (np.repeat(first, count) + nth).astype("datetime64[M]").astype("datetime64[s]")
    place = ends.index.repeat(count)
    return pd.MultiIndex.from_arrays([place, month], names=["place_id", "month"])
