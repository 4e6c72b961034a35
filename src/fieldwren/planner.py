"""Places and scenes to a plan: every candidate, the tasks, and what they will cost. No pixels.

Scenes that show the same ground (path and row, or MGRS tile) in one CRS form a group. A group's
places are projected once; a task reads some of its scenes for all of its places, so that a byte is
fetched and decoded once however many places lie on it, and weights are computed once for all dates.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.acquisitions import superseded
from fieldwren.archive.sensors import layout
from fieldwren.errors import public_href
from fieldwren.estimate import Estimate, Group, estimate
from fieldwren.geometry import footprint_candidates, project_shapes
from fieldwren.model import ReadTask, Recipe, SceneRead
from fieldwren.pixels.reduce import measured_columns
from fieldwren.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from fieldwren.model import Place, Scene

__all__ = ["Plan", "make_plan", "missing_bands", "place_key", "recipe_key", "scene_key"]

_PLACES_PER_TASK: Final = 20_000
_PIXELS_PER_TASK: Final = 1_500_000
_SCENES_PER_TASK: Final = 24
"""Bounds of a task: with them a worker holds at most a few hundred MB."""
_SCENES_PER_CALL: Final = 200
"""Scenes of a task where few of a small place take no time; their hrefs still fit in a call."""


_NOWHERE: Final = ("read_error", "nothing says in which CRS the scene is")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be read. Can be printed, questioned, refused, narrowed and run.

    Candidate k is the pair of place ``place_at[k]`` and scene ``scene_at[k]`` whose footprint
    touches it; every candidate becomes exactly one row.
    """

    places: tuple[Place, ...]
    """All places of the run."""
    scenes: tuple[Scene, ...]
    """All scenes found, by time."""
    recipe: Recipe
    """What is computed."""
    place_at: NDArray[np.int64]
    """Shape (m,): positions in ``places``."""
    scene_at: NDArray[np.int64]
    """Shape (m,): positions in ``scenes``."""
    place_keys: tuple[str, ...]
    """Identity of each place; see :func:`place_key`."""
    scene_keys: tuple[str, ...]
    """Identity of each scene; see :func:`scene_key`."""
    verdicts: Mapping[int, tuple[str, str]]
    """Status and reason of the scenes, by position, that need no reading."""
    tasks: tuple[ReadTask, ...]
    """What is left to read."""
    estimate: Estimate
    """What the tasks will cost."""

    def __repr__(self) -> str:
        return (
            f"<Plan: {len(self.places)} places, {len(self.scenes)} scenes, "
            f"{len(self.place_at)} rows, {len(self.tasks)} tasks, {self.estimate}>"
        )


def scene_key(scene: Scene) -> str:
    """Identity of a scene's pixels and of how their numbers are understood."""
    files = sorted(
        (a.band, public_href(a.href), a.scale, a.offset, a.nodata, a.valid_min, a.valid_max)
        for a in scene.assets.values()
    )
    facts = (scene.archive, scene.collection, scene.id, scene.version, scene.crs, scene.quality)
    return _hash(*facts, files)


def place_key(place: Place) -> str:
    """Identity of a place: its id and its geometry."""
    return _hash(place.id, place.geometry.wkb_hex)


def recipe_key(recipe: Recipe) -> str:
    """Identity of what is computed, and of the columns it gives."""
    return _hash(recipe, measured_columns(recipe))


def _hash(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=10).hexdigest()


def make_plan(
    places: Sequence[Place],
    scenes: Sequence[Scene],
    recipe: Recipe,
    *,
    max_cloud: float | None = None,
    lost: Mapping[int, tuple[str, str]] = MappingProxyType({}),
    done: Mapping[str, AbstractSet[str]] = MappingProxyType({}),
    site: Site | None = None,
) -> Plan:
    """Find every candidate and cut what is left to read into tasks.

    Args:
        places: the places of the run.
        scenes: the scenes found, with a CRS each.
        recipe: what to compute.
        max_cloud: percent; scenes with more cloud are not read, their rows say so.
        lost: status and reason of scenes, by position, that cannot be placed.
        done: by scene key, the keys of the places whose rows are computed already.
        site: where the tasks will run; None: here, one after the other.
    """
    site = site or Site()
    place_at, scene_at = footprint_candidates(places, [s.footprint for s in scenes])
    verdicts = {
        **{i: _NOWHERE for i, s in enumerate(scenes) if s.crs is None},
        **lost,
        **_lacking(scenes, recipe),
        **_too_cloudy(scenes, max_cloud),
        **superseded(scenes),
    }
    place_keys = tuple(place_key(p) for p in places)
    scene_keys = tuple(scene_key(s) for s in scenes)
    known = [done.get(key, frozenset()) for key in scene_keys]
    wanted: dict[int, list[int]] = defaultdict(list)
    for place, scene in zip(place_at.tolist(), scene_at.tolist(), strict=True):
        if scene not in verdicts and place_keys[place] not in known[scene]:
            wanted[scene].append(place)
    reads = {s: _scene_read(scenes[s], scene_keys[s], recipe) for s in wanted}
    groups = list(_groups(places, scenes, wanted, reads, begun={s for s in wanted if known[s]}))
    tasks = tuple(task for group in groups for task in _tasks(group, recipe, site))
    return Plan(
        places=tuple(places),
        scenes=tuple(scenes),
        recipe=recipe,
        place_at=place_at,
        scene_at=scene_at,
        place_keys=place_keys,
        scene_keys=scene_keys,
        verdicts=verdicts,
        tasks=tasks,
        estimate=estimate(groups, recipe, tasks=tasks, site=site),
    )


def missing_bands(scene: Scene, recipe: Recipe) -> list[str]:
    """What the recipe needs and the scene has not, in words."""
    words = [f"{band} band" for band in recipe.bands if band not in scene.assets]
    if recipe.mask != "none" and (scene.quality is None or "qa" not in scene.assets):
        words.append("quality band that fieldwren knows (--mask none does without)")
    return words


def _lacking(scenes: Sequence[Scene], recipe: Recipe) -> dict[int, tuple[str, str]]:
    """Scenes without a band that is needed, with the verdict."""
    missing = {i: missing_bands(s, recipe) for i, s in enumerate(scenes)}
    return {
        i: ("no_band", f"the scene has no {' and no '.join(m)}") for i, m in missing.items() if m
    }


def _too_cloudy(scenes: Sequence[Scene], max_cloud: float | None) -> dict[int, tuple[str, str]]:
    """Scenes with more cloud than is wanted, with the verdict."""
    if max_cloud is None:
        return {}
    return {
        position: (
            "cloudy_scene",
            f"the scene is {scene.cloud_cover:g} % cloud, more than {max_cloud:g} %",
        )
        for position, scene in enumerate(scenes)
        if scene.cloud_cover is not None and scene.cloud_cover > max_cloud
    }


def _groups(
    places: Sequence[Place],
    scenes: Sequence[Scene],
    wanted: Mapping[int, list[int]],
    reads: Mapping[int, SceneRead],
    *,
    begun: AbstractSet[int],
) -> Iterator[Group]:
    """Scenes on the same ground and the places wanted of any of them, projected once.

    Scenes of which some places are done already stand apart: they rarely want what others want.
    """
    members: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for position in wanted:
        scene = scenes[position]
        ground = scene.tile or tuple(round(v, 1) for v in scene.footprint.bounds)
        kind = scene.crs, ground, scene.collection, scene.access, position in begun
        members[kind].append(position)
    for positions in members.values():
        on_ground = sorted({place for position in positions for place in wanted[position]})
        first = scenes[positions[0]]
        for part in _nearby(places, on_ground):
            shapes, _ = project_shapes([places[p] for p in part], first.crs or "")
            if shapes.ids:  # what the CRS does not reach keeps its row, which says so
                yield Group(
                    scenes=tuple(reads[p] for p in positions),
                    shapes=shapes,
                    collection=first.collection,
                )


def _nearby(places: Sequence[Place], chosen: list[int]) -> Iterable[list[int]]:
    """Cut a long list of places into parts, each of neighbours (strips of about one COG tile)."""

    def along_strips(position: int) -> tuple[float, float]:
        west, south, *_ = places[position].geometry.bounds
        return south // 0.07, west

    ordered = sorted(chosen, key=along_strips) if len(chosen) > _PLACES_PER_TASK else chosen
    for start in range(0, len(ordered), _PLACES_PER_TASK):
        yield ordered[start : start + _PLACES_PER_TASK]


def _scene_read(scene: Scene, key: str, recipe: Recipe) -> SceneRead:
    """The scene stripped for travel."""
    needed = (*recipe.bands, "qa") if recipe.mask != "none" else recipe.bands
    return SceneRead(
        id=scene.id,
        key=key,
        assets={band: scene.assets[band] for band in needed if band in scene.assets},
        crs=scene.crs,
        quality=scene.quality,
        access=scene.access,
    )


def _tasks(group: Group, recipe: Recipe, site: Site) -> Iterable[ReadTask]:
    """A group's scenes in portions that keep every worker busy and its memory bounded.

    Where a call has a price, portions take some seconds each, however many workers there are.
    """
    around = 1 + math.pi * (recipe.dilate / layout(group.collection).gsd) ** 2
    by_memory = int(_PIXELS_PER_TASK // max(1.0, group.pixels * around))
    by_workers = -(-len(group.scenes) // (4 * site.workers))
    size = min(_SCENES_PER_TASK, by_workers)
    if site.task_seconds:
        least, most = (int(s / group.seconds(recipe, site)) for s in site.task_seconds)
        size = min(max(least, by_workers), most, _SCENES_PER_CALL)
    size = max(1, min(size, by_memory))
    for start in range(0, len(group.scenes), size):
        part = group.scenes[start : start + size]
        yield ReadTask(
            key=_hash(group.shapes.key, [s.key for s in part], recipe),
            scenes=part,
            shapes=group.shapes,
            recipe=recipe,
        )
