"""What a plan will cost, from places and tables alone: an honest guess, before any request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.archive.sensors import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldwren.model import ReadTask, Recipe, SceneRead, Shapes

__all__ = ["Estimate", "Group", "estimate"]

_LATENCY: Final = 0.06
"""Seconds to the first byte of a range request from a public bucket on another network."""
_IN_FLIGHT: Final = 64
"""Requests at the same time by one worker (``ReadOptions.files``)."""
_BANDWIDTH: Final = 12e6
"""Bytes per second of an ordinary connection (100 Mbit/s)."""
_INFLATE: Final = 150e6
"""Compressed bytes per second that one core inflates and unpicks (libdeflate, measured)."""
_HEADER_BYTES: Final = 16 * 2**10
_BASE_MEMORY: Final = 200 * 2**20
_BYTES_PER_PIXEL: Final = 120
"""Working memory for one pixel of one place: positions, weights, codes, bands, index."""
_DOLLARS_PER_GET: Final = 0.4e-6
_DOLLARS_PER_BYTE: Final = 0.09e-9
"""AWS list prices for requester-pays GETs and for transfer out of the region; inside it: 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Scenes that show the same ground, and the places on any of them."""

    scenes: tuple[SceneRead, ...]
    """Scenes of one CRS."""
    shapes: Shapes
    """The places, in that CRS."""
    collection: str
    """The scenes' collection."""

    @property
    def pixels(self) -> float:
        """About how many pixels the places touch on one scene."""
        gsd = layout(self.collection).gsd
        low, high = self.bounds()
        width, height = ((high - low) / gsd + 1).T
        return float((width * height).sum())

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper corners of the places, each of shape (n, 2), in CRS units."""
        first = self.shapes.rings[self.shapes.places[:-1]]
        return np.minimum.reduceat(self.shapes.xy, first), np.maximum.reduceat(
            self.shapes.xy, first
        )

    def tiles(self) -> int:
        """About how many COG tiles of one file the places touch."""
        spec = layout(self.collection)
        size = spec.tile * spec.gsd
        low, high = (np.floor(corner / size).astype(np.int64) for corner in self.bounds())
        cells = {
            (x, y)
            for (x0, y0), (x1, y1) in zip(low.tolist(), high.tolist(), strict=True)
            for x in range(x0, x1 + 1)
            for y in range(y0, y1 + 1)
        }
        return len(cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the tasks of a plan will cost at most; overcast scenes cost less."""

    scenes: int
    """Scenes to read."""
    tasks: int
    """Units of work."""
    requests: int
    """Range requests, with cold header caches."""
    bytes: int
    """Bytes to receive."""
    seconds: float
    """On an ordinary connection (60 ms, 100 Mbit/s)."""
    memory: int
    """Bytes of memory at the peak."""
    dollars: float
    """Requester-pays charges outside the bucket's region; 0 where the archive is free."""


def estimate(
    groups: Sequence[Group], recipe: Recipe, *, tasks: Sequence[ReadTask], workers: int
) -> Estimate:
    """Estimate the cost of reading groups of scenes.

    Args:
        groups: scenes and the places on them.
        recipe: which bands are read.
        tasks: what the groups are cut into.
        workers: tasks that run at the same time.
    """
    requests = received = charged_requests = charged_bytes = 0
    for group in groups:
        spec, tiles = layout(group.collection), group.tiles()
        per_tile = spec.tile**2 * spec.bytes_per_pixel
        files = len(recipe.bands) + (recipe.mask != "none")
        gets = len(group.scenes) * files * (1 + max(1, round(tiles * 0.7)))
        size = len(group.scenes) * files * (_HEADER_BYTES + tiles * per_tile)
        requests, received = requests + gets, received + int(size)
        if group.scenes[0].access == "usgs-landsat":
            charged_requests, charged_bytes = charged_requests + gets, charged_bytes + int(size)
    waiting = 4 * _LATENCY * bool(requests) + requests * _LATENCY / _IN_FLIGHT
    pixels = {group.shapes.key: group.pixels for group in groups}
    at_once = max((len(t.scenes) * pixels[t.shapes.key] for t in tasks), default=0.0)
    return Estimate(
        scenes=len({s.key for g in groups for s in g.scenes}),
        tasks=len(tasks),
        requests=requests,
        bytes=received,
        seconds=round(waiting + received / _BANDWIDTH + received / _INFLATE / workers, 1),
        memory=int(_BASE_MEMORY + workers * (64 * 2**20 + at_once * _BYTES_PER_PIXEL)),
        dollars=round(charged_requests * _DOLLARS_PER_GET + charged_bytes * _DOLLARS_PER_BYTE, 4),
    )
