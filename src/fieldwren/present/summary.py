"""What is said of one place: counts, means, dates, and a sentence where there is no value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fieldwren.season.strays import stray_rows

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Summary", "no_value", "summarise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of one place. What cannot be computed is None."""

    scenes: int
    """Scenes found, those that show one acquisition twice included."""
    clear: int
    """Observations with status ``ok``."""
    mean: float | None
    """Mean of the index over the clear observations without strays."""
    cloud: float | None
    """Mean cloud cover of the scenes, percent."""
    first: datetime | None
    """The first of them."""
    last: datetime | None
    """The last of them."""
    latest: float | None
    """The index at the last of them."""
    statuses: dict[str, int]
    """How many rows have which status, most frequent first."""

    @property
    def passes(self) -> int:
        """Scenes without those that show an acquisition again."""
        return self.scenes - self.statuses.get("duplicate", 0)


def summarise(observations: pd.DataFrame, index: str) -> Summary:
    """The figures of the rows of one place, in any order."""
    status = observations["status"].to_numpy()
    values = observations[index].to_numpy(float, na_value=np.nan)
    cloud = observations["scene_cloud_cover"].to_numpy(float, na_value=np.nan)
    clear = (status == "ok") & np.isfinite(values)
    used = np.flatnonzero(clear & ~stray_rows(observations, index))
    used = used[np.argsort(observations["datetime"].iloc[used], kind="stable")]
    times = observations["datetime"].iloc[used[[0, -1]]] if used.size else None
    return Summary(
        scenes=len(status),
        clear=int(clear.sum()),
        mean=_mean(values[used]),
        cloud=_mean(cloud),
        first=None if times is None else times.iloc[0].to_pydatetime(),
        last=None if times is None else times.iloc[1].to_pydatetime(),
        latest=float(values[used[-1]]) if used.size else None,
        statuses=dict(Counter(status.tolist()).most_common()),
    )


def no_value(summary: Summary) -> str:
    """One sentence on why a place has no clear observation."""
    if not summary.scenes:
        return "No scene of this place was found."
    reasons = [f"{status.replace('_', ' ')} {n}" for status, n in summary.statuses.items()]
    scenes = "one scene" if summary.scenes == 1 else f"{summary.scenes} scenes"
    return f"No clear observation in {scenes} ({', '.join(reasons)})."


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None
