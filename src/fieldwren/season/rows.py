"""The clear rows of a table as numbers, and which of them are outliers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fieldwren.season.outliers import find_drops
from fieldwren.season.strays import GREATEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldwren.season.outliers import Drops

__all__ = ["clear_rows", "mark_outliers", "observation_weights", "place_index"]


def place_index(observations: pd.DataFrame, more: tuple[str, ...] = ()) -> pd.Index:
    """The ids of the places of a table in the order in which they appear, and of some more."""
    ids = dict.fromkeys([*pd.unique(observations["place_id"]), *more])
    return pd.Index(list(ids), dtype="str")


def observation_weights(observations: pd.DataFrame) -> NDArray[np.float64]:
    """How much each row counts: clear fraction of the place * clear fraction of the scene.

    A clear view in a cloudy scene is rarely free of haze. The scene counts .05 at least; where an
    archive does not state its cloud cover, 1.
    """
    cloud = observations["scene_cloud_cover"].to_numpy(np.float64, na_value=np.nan)
    clear = observations["clear_fraction"].to_numpy(np.float64, na_value=np.nan)
    return clear * np.clip(1.0 - np.nan_to_num(cloud) / 100.0, 0.05, 1.0)


def clear_rows(observations: pd.DataFrame, ids: pd.Index, index: str) -> pd.DataFrame:
    """The rows of status ``ok`` that have a value, and one that an index can have.

    Returns:
        Columns row (its position in the table), place (its position in ids), day (since 1970),
        value, weight, and cloud (of the scene, 0 to 1).
    """
    at = np.flatnonzero(observations["status"].eq("ok").to_numpy(bool))
    rows = observations.iloc[at]
    times = pd.to_datetime(rows["datetime"], utc=True).dt.tz_localize(None)
    cloud = rows["scene_cloud_cover"].to_numpy(np.float64, na_value=np.nan)
    numbers = pd.DataFrame(
        {
            "row": at,
            "place": ids.get_indexer(pd.Index(rows["place_id"])),
            "day": times.to_numpy("datetime64[D]").astype(np.int64),
            "value": rows[index].to_numpy(np.float64, na_value=np.nan),
            "weight": observation_weights(rows),
            "cloud": np.nan_to_num(cloud) / 100,
        }
    )
    return numbers[(numbers["value"].abs() <= GREATEST) & (numbers["weight"] > 0)]


def mark_outliers(
    observations: pd.DataFrame, index: str, *, lam: float | None = None, wanted: bool = True
) -> pd.DataFrame:
    """The table with status ``outlier`` where a value drops and recovers, and the reason.

    Rows that are outliers already are clear ones again before, so that marking twice is as marking
    once. See :mod:`fieldwren.season.outliers`.

    Args:
        observations: rows with the columns of :class:`fieldwren.model.Observation`.
        index: the column that is looked at.
        lam: as for :func:`fieldwren.season.smooth.smooth`.
        wanted: False: no row is an outlier.
    """
    status, reason = (observations[name].to_numpy(object).copy() for name in ("status", "reason"))
    were = status == "outlier"
    if were.any():
        status[were], reason[were] = "ok", None
        observations = observations.assign(status=status, reason=reason)
    if not wanted:
        return observations
    clear = clear_rows(observations, place_index(observations), index)
    drops = find_drops(*(clear[c].to_numpy() for c in ("day", "value", "weight", "place")), lam=lam)
    if not len(drops.at):
        return observations
    values = clear["value"].to_numpy()[drops.at]
    at = clear["row"].to_numpy()[drops.at]
    status[at], reason[at] = "outlier", _reasons(values, drops)
    return observations.assign(status=status, reason=reason)


def _reasons(values: NDArray[np.float64], drops: Drops) -> list[str]:
    before, after = (d.astype("datetime64[D]") for d in (drops.before_day, drops.after_day))
    return [
        f"{value:.2f} lies {drop:.2f} ({times:.1f} noise deviations) below the curve through the "
        f"other dates, and recovers: {b:.2f} on {b_day}, {a:.2f} on {a_day}"
        for value, drop, times, b, b_day, a, a_day in zip(
            values,
            drops.drop,
            drops.deviations,
            drops.before,
            before,
            drops.after,
            after,
            strict=True,
        )
    ]
