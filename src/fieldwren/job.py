"""What is asked for, and everything that is known of it before a plan is made.

arguments ──► places, recipe, archive ──► scenes ──► Job ──► Plan
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fieldwren.archive import stac
from fieldwren.archive.locate import with_crs
from fieldwren.archive.sensors import Source, resolve_archive
from fieldwren.archive.simulated import demo_archive
from fieldwren.clock import Clock
from fieldwren.engine import check_engine
from fieldwren.engine.base import Capacity
from fieldwren.errors import OptionError
from fieldwren.ledger import Ledger
from fieldwren.model import ReadOptions, Recipe
from fieldwren.pixels.indices import parse_index
from fieldwren.pixels.masks import MASKS
from fieldwren.pixels.reduce import measured_columns
from fieldwren.places import PlaceList, read_places
from fieldwren.planner import Plan, make_plan, missing_bands, recipe_key
from fieldwren.progress import Event, Progress
from fieldwren.results import PLOTS
from fieldwren.site import check_reach, read_options, site_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fieldwren.archive.stac import SearchResult
    from fieldwren.config import Settings
    from fieldwren.model import Scene

__all__ = ["Asked", "Job", "check_memory", "options_here", "prepare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The arguments of a run."""

    places: Any
    """Whatever ``read_places`` takes, or its answer."""
    since: str | None
    """First date."""
    until: str | None
    """Last date, inclusive."""
    settings: Settings
    """Everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that is known before a plan is made."""

    asked: Asked
    """The arguments."""
    recipe: Recipe
    """What is computed from pixels."""
    places: PlaceList
    """The places that can be used, and what is to be said of the others."""
    found: SearchResult
    """The scenes, and where they were found."""
    lost: Mapping[int, tuple[str, str]]
    """Verdicts on scenes, by position, of which nobody knows where they lie."""

    @property
    def settings(self) -> Settings:
        """The settings of the run."""
        return self.asked.settings

    def ledger(self, folder: Path | None) -> Ledger:
        """The ledger of the run's recipe in its folder."""
        home = folder / "ledger" if folder else None
        return Ledger(home, recipe_key(self.recipe), measured_columns(self.recipe))

    def plan(self, *, done: Mapping[str, set[str]] | None = None) -> Plan:
        """Plan what is not done yet."""
        return make_plan(
            self.places.places,
            self.found.scenes,
            self.recipe,
            max_cloud=self.settings.max_cloud,
            lost=self.lost,
            done=done or {},
            site=site_of(self.settings),
        )


def prepare(asked: Asked, clock: Clock, progress: Progress) -> Job:
    """Read the places, choose the archive, find the scenes."""
    settings = asked.settings
    recipe = _recipe(settings)
    if settings.plots not in PLOTS:
        raise OptionError(f"--plots {settings.plots}: choose one of {', '.join(PLOTS)}")
    check_engine(settings.engine)
    known = asked.places if isinstance(asked.places, PlaceList) else read_places(asked.places)
    for problem in known.problems:
        progress(Event(phase="places", note=f"not used: {problem}", warning=True))
    for note in known.notes:
        progress(Event(phase="places", note=note))
    with clock("archive"):
        source = _source(settings, progress)
    with clock("searching"):
        found = stac.search(
            source,
            known.places,
            since=asked.since,
            until=asked.until,
            on_progress=lambda n: progress(Event(phase="searching", done=n)),
        )
        scenes, lost = with_crs(found.scenes, options_here(settings))
    for problem in found.problems:
        progress(Event(phase="searching", note=problem))
    if not scenes:
        words = f"{source.name} has no scene of these places between these dates"
        progress(Event(phase="searching", note=words, warning=True))
    _check_bands(scenes, recipe)
    check_reach(settings, scenes)
    return Job(
        asked=asked, recipe=recipe, places=known, found=replace(found, scenes=scenes), lost=lost
    )


def _check_bands(scenes: Sequence[Scene], recipe: Recipe) -> None:
    """Refuse a recipe for which no scene has the bands."""
    missing = [missing_bands(scene, recipe) for scene in scenes]
    if missing and all(missing):
        raise OptionError(
            f"none of the {len(scenes)} scenes has a {' and a '.join(missing[0])}: "
            "choose another --index, --sensor or --collection"
        )


def _source(settings: Settings, progress: Progress) -> Source:
    """The archive to search; the embedded one is made where it is not there yet."""
    source = resolve_archive(settings.archive or None, settings.sensor, settings.collection)
    progress(Event(phase="archive", note=f"{source.name}: {source.reason}"))
    if source.kind != "demo":
        return source
    folder = demo_archive(
        settings.cache_folder,
        progress=lambda n, of: progress(Event(phase="archive", done=n, total=of)),
    )
    return replace(source, href=str(folder / "items.json"))


def _recipe(settings: Settings) -> Recipe:
    """What is computed from pixels by these settings.

    Raises:
        OptionError: an index or mask is unknown.
    """
    if settings.mask not in MASKS:
        raise OptionError(f"--mask {settings.mask}: choose one of {', '.join(MASKS)}")
    indices = {index.name: index for index in map(parse_index, settings.index)}
    return Recipe(
        indices=tuple(indices.values()),
        mask=settings.mask,
        dilate=settings.dilate,
        min_clear=settings.min_clear,
    )


def options_here(settings: Settings) -> ReadOptions:
    """What this process may use of this machine."""
    return read_options(settings, Capacity(calls=1, per_machine=1, here=True))


def check_memory(planned: Plan) -> None:
    """Refuse a plan that this machine's memory cannot hold."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if planned.estimate.memory > there:
        largest = max(planned.places, key=lambda p: p.geometry.area)
        raise OptionError(
            f"this needs about {planned.estimate.memory / 2**30:.0f} GiB of memory, and there are "
            f"{there / 2**30:.0f}: cut the place {largest.id} into smaller ones"
        )
