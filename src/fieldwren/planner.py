"""Places and scenes to a plan: every candidate, the tasks, and what they will cost. No pixels.

Scenes that show the same ground (path and row, or MGRS tile) in one CRS form a group. A group's
places are projected once; a task reads some of its scenes for all of its places, so that a byte is
fetched and decoded once however many places lie on it, and weights are computed once for all dates.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.acquisitions import superseded
from fieldwren.estimate import Estimate, Group, estimate
from fieldwren.geometry import footprint_candidates, project_shapes
from fieldwren.model import ReadTask, Recipe, SceneRead

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from fieldwren.model import Place, Scene

__all__ = ["Plan", "make_plan", "place_key", "recipe_key", "scene_key"]

_PLACES_PER_TASK: Final = 20_000
_PIXELS_PER_TASK: Final = 1_500_000
_SCENES_PER_TASK: Final = 24
"""Bounds of a task: with them a worker holds at most a few hundred MB."""


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
    verdicts: Mapping[int, tuple[str, str]]
    """Status and reason of the scenes, by position, that need no reading."""
    tasks: tuple[ReadTask, ...]
    """What is left to read."""
    estimate: Estimate
    """What the tasks will cost."""


def scene_key(scene: Scene) -> str:
    """Identity of a scene's pixels and of how their numbers are understood."""
    calibration = sorted((a.band, a.scale, a.offset, a.nodata) for a in scene.assets.values())
    return _hash(scene.archive, scene.collection, scene.id, scene.version, calibration)


def place_key(place: Place) -> str:
    """Identity of a place: its id and its geometry."""
    return _hash(place.id, place.geometry.wkb_hex)


def recipe_key(recipe: Recipe) -> str:
    """Identity of what is computed."""
    return _hash(recipe)


def _hash(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=10).hexdigest()


def make_plan(
    places: Sequence[Place],
    scenes: Sequence[Scene],
    recipe: Recipe,
    *,
    max_cloud: float | None = None,
    done: Mapping[str, AbstractSet[str]] = MappingProxyType({}),
    workers: int = 1,
) -> Plan:
    """Find every candidate and cut what is left to read into tasks.

    Args:
        places: the places of the run.
        scenes: the scenes found, with a CRS each.
        recipe: what to compute.
        max_cloud: percent; scenes with more cloud are not read, their rows say so.
        done: by scene key, the keys of the places whose rows are computed already.
        workers: for how many the tasks should suffice.
    """
    place_at, scene_at = footprint_candidates(places, [s.footprint for s in scenes])
    verdicts = _unplaced(scenes) | _too_cloudy(scenes, max_cloud) | superseded(scenes)
    wanted = _wanted(places, scenes, place_at, scene_at, done)
    groups = _groups(places, scenes, {s: p for s, p in wanted.items() if s not in verdicts}, recipe)
    tasks = tuple(task for group in groups for task in _tasks(group, recipe, workers))
    return Plan(
        places=tuple(places),
        scenes=tuple(scenes),
        recipe=recipe,
        place_at=place_at,
        scene_at=scene_at,
        verdicts=verdicts,
        tasks=tasks,
        estimate=estimate(groups, recipe, n_tasks=len(tasks), workers=workers),
    )


def _wanted(
    places: Sequence[Place],
    scenes: Sequence[Scene],
    place_at: NDArray[np.int64],
    scene_at: NDArray[np.int64],
    done: Mapping[str, AbstractSet[str]],
) -> dict[int, list[int]]:
    """Positions of the places still to be read, by position of the scene."""
    keys = [place_key(p) for p in places]
    order = np.argsort(scene_at, kind="stable")
    positions, starts = np.unique(scene_at[order], return_index=True)
    wanted: dict[int, list[int]] = {}
    for scene, on_it in zip(
        positions.tolist(), np.split(place_at[order], starts[1:]), strict=False
    ):
        known = done.get(scene_key(scenes[scene]), frozenset())
        left = [p for p in on_it.tolist() if keys[p] not in known]
        if left:
            wanted[scene] = left
    return wanted


def _unplaced(scenes: Sequence[Scene]) -> dict[int, tuple[str, str]]:
    """Scenes whose pixels lie nobody knows where, with the verdict."""
    reason = "neither its item nor its files say in which CRS it is"
    return {i: ("read_error", reason) for i, s in enumerate(scenes) if s.crs is None}


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
    wanted: dict[int, list[int]],
    recipe: Recipe,
) -> list[Group]:
    """Scenes on the same ground and the places on any of them, projected once."""
    members: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for position in wanted:
        scene = scenes[position]
        ground = scene.tile or tuple(round(v, 1) for v in scene.footprint.bounds)
        members[scene.crs, ground, scene.collection, scene.access].append(position)
    groups: list[Group] = []
    for positions in members.values():
        on_ground = sorted({place for position in positions for place in wanted[position]})
        reads = tuple(_scene_read(scenes[p], recipe) for p in positions)
        first = scenes[positions[0]]
        for part in _nearby(places, on_ground):
            shapes, _ = project_shapes([places[p] for p in part], first.crs or "")
            if shapes.ids:  # what the CRS does not reach keeps its row, which says so
                groups.append(Group(scenes=reads, shapes=shapes, collection=first.collection))
    return groups


def _nearby(places: Sequence[Place], chosen: list[int]) -> Iterable[list[int]]:
    """Cut a long list of places into parts, each of neighbours (strips of about one COG tile)."""

    def along_strips(position: int) -> tuple[float, float]:
        west, south, *_ = places[position].geometry.bounds
        return south // 0.07, west

    ordered = sorted(chosen, key=along_strips) if len(chosen) > _PLACES_PER_TASK else chosen
    for start in range(0, len(ordered), _PLACES_PER_TASK):
        yield ordered[start : start + _PLACES_PER_TASK]


def _scene_read(scene: Scene, recipe: Recipe) -> SceneRead:
    """The scene stripped for travel."""
    needed = (*recipe.bands, "qa") if recipe.mask != "none" else recipe.bands
    return SceneRead(
        id=scene.id,
        key=scene_key(scene),
        assets={band: scene.assets[band] for band in needed if band in scene.assets},
        quality=scene.quality,
        access=scene.access,
    )


def _tasks(group: Group, recipe: Recipe, workers: int) -> Iterable[ReadTask]:
    """A group's scenes in portions that keep every worker busy and its memory bounded."""
    by_memory = int(_PIXELS_PER_TASK // max(1.0, group.pixels))
    by_workers = -(-len(group.scenes) // (4 * workers))
    size = max(1, min(_SCENES_PER_TASK, by_memory, by_workers))
    for start in range(0, len(group.scenes), size):
        part = group.scenes[start : start + size]
        yield ReadTask(
            key=_hash(group.shapes.key, [s.key for s in part], recipe),
            scenes=part,
            shapes=group.shapes,
            recipe=recipe,
        )
