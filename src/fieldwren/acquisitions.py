"""One acquisition counts once.

Archives list an acquisition more than once: reprocessed, cut into overlapping tiles or rows, or as
a split datatake. What is superseded is known from the catalog; which of two overlapping scenes
shows a place better is known only from the pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.archive.items import same_acquisition_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldwren.model import Scene

__all__ = ["best_of_acquisition", "superseded"]

_TOGETHER: Final = np.timedelta64(120, "s")
"""Neighbouring Landsat rows follow after 24 s, Sentinel-2 tiles and datatakes within a minute."""

_RANK: Final = {"ok": 0, "low_coverage": 1, "fill": 3, "cloudy_scene": 4}
_LEFT_ALONE: Final = ("read_error", "no_access", "duplicate")


def superseded(scenes: Sequence[Scene]) -> dict[int, tuple[str, str]]:
    """Scenes of which a newer processing is in the list.

    Returns:
        by position in the list, the status ``duplicate`` and a reason that names the newer one.
    """
    keys = [same_acquisition_key(scene) for scene in scenes]
    best: dict[object, int] = {}
    for position, key in enumerate(keys):
        rival = best.setdefault(key, position)
        if _newness(scenes[rival]) < _newness(scenes[position]):
            best[key] = position
    return {
        position: ("duplicate", f"superseded by {scenes[best[key]].id}")
        for position, key in enumerate(keys)
        if best[key] != position
    }


def _newness(scene: Scene) -> tuple[str, str]:
    return scene.version or "", scene.id


def best_of_acquisition(
    *,
    place: NDArray[np.int64],
    platform: Sequence[str],
    moment: NDArray[np.datetime64],
    status: NDArray[np.object_],
    n_clear: NDArray[np.float64],
) -> NDArray[np.int64]:
    """For each row the row that shows its acquisition best: itself, or another one.

    Rows of one place and platform within two minutes of each other are one acquisition. The best is
    the one that is ok, then one that shows the place at all, then the one with the most clear
    pixels, then the first in order. Rows that could not be read or are duplicates already are left
    alone.

    Args:
        place: position of the place, shape (m,).
        platform: name of the platform, m of them.
        moment: acquisition time, shape (m,).
        status: ``Observation.status``, shape (m,).
        n_clear: sum of coverage of clear pixels, NaN where unknown, shape (m,).

    Returns:
        positions of rows, shape (m,).
    """
    best = np.arange(len(status))
    rows = np.flatnonzero(~np.isin(status.astype(str), _LEFT_ALONE))
    group = _acquisitions(place[rows], np.asarray(platform, dtype=str)[rows], moment[rows])
    rank = np.array([_RANK.get(s, 2) for s in status[rows]], dtype=np.int64)
    order = np.lexsort((rows, -np.nan_to_num(n_clear[rows]), rank, group))
    first_of_group = np.diff(group[order], prepend=-1) != 0
    best[rows] = rows[order[first_of_group][group]]
    return best


def _acquisitions(
    place: NDArray[np.int64], platform: NDArray[np.str_], moment: NDArray[np.datetime64]
) -> NDArray[np.int64]:
    """Number the acquisitions from 0, shape (m,)."""
    _, satellite = np.unique(platform, return_inverse=True)
    order = np.lexsort((moment, satellite, place))
    place, satellite, moment = place[order], satellite[order], moment[order]
    new = (np.diff(place) != 0) | (np.diff(satellite) != 0) | (np.diff(moment) > _TOGETHER)
    group = np.empty(len(order), np.int64)
    group[order] = np.concatenate(([0], np.cumsum(new)))[: len(order)]
    return group
