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
    from fieldwren.site import Site

__all__ = ["Estimate", "Group", "estimate"]

_IN_FLIGHT: Final = 64
"""Requests at the same time by one worker (``ReadOptions.files``)."""
_INFLATE: Final = 150e6
"""Compressed bytes per second that one core inflates and unpicks (libdeflate, measured)."""
_HEADER_BYTES: Final = 16 * 2**10
_BASE_MEMORY: Final = 200 * 2**20
_BYTES_PER_PIXEL: Final = 120
"""Working memory for one pixel of one place: positions, weights, codes, bands, index."""
_DOLLARS_PER_GET: Final = 0.4e-6
_DOLLARS_PER_BYTE: Final = 0.09e-9
"""AWS list prices for requester-pays GETs and for transfer out of the region; inside it: 0."""
_LANDSAT_REGION: Final = "us-west-2"
"""Where the bucket usgs-landsat lies."""


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

    def requests(self, recipe: Recipe) -> int:
        """About how many range requests one scene needs, with cold header caches."""
        return _files(recipe) * (1 + max(1, round(self.tiles() * 0.7)))

    def bytes(self, recipe: Recipe) -> int:
        """About how many bytes one scene gives."""
        spec = layout(self.collection)
        per_tile = spec.tile**2 * spec.bytes_per_pixel
        return int(_files(recipe) * (_HEADER_BYTES + self.tiles() * per_tile))

    def seconds(self, recipe: Recipe, site: Site) -> float:
        """About how long a worker that is alone needs for one scene of many."""
        received = self.bytes(recipe)
        waiting = self.requests(recipe) * site.latency / _IN_FLIGHT
        return waiting + received / site.bandwidth + received / _INFLATE


def _files(recipe: Recipe) -> int:
    """Files of a scene that are read."""
    return len(recipe.bands) + (recipe.mask != "none")


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
    """On an ordinary connection (60 ms, 100 Mbit/s), or where the tasks run."""
    memory: int
    """Bytes of memory at the peak, of one machine."""
    dollars: float
    """Requester-pays charges of the archive; 0 where it is free."""
    engine_dollars: float
    """What the engine charges at list price; 0 on a machine of one's own."""


def estimate(
    groups: Sequence[Group], recipe: Recipe, *, tasks: Sequence[ReadTask], site: Site
) -> Estimate:
    """Estimate the cost of reading groups of scenes.

    Args:
        groups: scenes and the places on them.
        recipe: which bands are read.
        tasks: what the groups are cut into.
        site: where the tasks run.
    """
    requests = received = 0
    dollars = 0.0
    for group in groups:
        gets = len(group.scenes) * group.requests(recipe)
        size = len(group.scenes) * group.bytes(recipe)
        requests, received = requests + gets, received + size
        if group.scenes[0].access == "usgs-landsat":
            inside = site.region == _LANDSAT_REGION
            dollars += gets * _DOLLARS_PER_GET + (not inside) * size * _DOLLARS_PER_BYTE
    pixels = {group.shapes.key: group.pixels for group in groups}
    at_once = max((len(t.scenes) * pixels[t.shapes.key] for t in tasks), default=0.0)
    sharing = 1 if site.alone else site.workers
    lasting = _lasting(groups, recipe, tasks, site)
    seconds = _shared_seconds(requests, received, site)
    if site.alone:
        seconds = max([*lasting, sum(lasting) / site.workers]) if lasting else 0.0
    return Estimate(
        scenes=len({s.key for g in groups for s in g.scenes}),
        tasks=len(tasks),
        requests=requests,
        bytes=received,
        seconds=round(seconds, 1),
        memory=int(_BASE_MEMORY + sharing * (64 * 2**20 + at_once * _BYTES_PER_PIXEL)),
        dollars=round(dollars, 4),
        engine_dollars=round(
            len(tasks) * site.dollars_per_task + sum(lasting) * site.dollars_per_second, 4
        ),
    )


def _shared_seconds(requests: int, received: int, site: Site) -> float:
    """How long all takes where workers share one connection."""
    waiting = 4 * site.latency * bool(requests) + requests * site.latency / _IN_FLIGHT
    return waiting + received / site.bandwidth + received / _INFLATE / site.workers


def _lasting(
    groups: Sequence[Group], recipe: Recipe, tasks: Sequence[ReadTask], site: Site
) -> list[float]:
    """Seconds of each task on a worker that is alone."""
    per_scene = {group.shapes.key: group.seconds(recipe, site) for group in groups}
    return [
        site.overhead + 4 * site.latency + len(t.scenes) * per_scene[t.shapes.key] for t in tasks
    ]
