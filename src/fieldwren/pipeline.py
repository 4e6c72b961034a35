"""The verb: places in, results out.

Places and scenes make a plan; an engine runs the worker on its tasks; their outcomes go into the
ledger; ledger and plan make the table; the table, with the facts of the run, is the Results.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from fieldwren import __version__
from fieldwren.archive import stac
from fieldwren.archive.locate import with_crs
from fieldwren.archive.sensors import Source, resolve_archive
from fieldwren.archive.simulated import demo_archive
from fieldwren.chip import read_chip
from fieldwren.config import Settings, resolve
from fieldwren.engine import check_engine, executor
from fieldwren.engine.base import Capacity, Engine, capacity
from fieldwren.engine.stream import stream
from fieldwren.engine.usage import Metered
from fieldwren.errors import CloudError, OptionError, public_href
from fieldwren.files import write_json
from fieldwren.gallery import Gallery, make_gallery
from fieldwren.ledger import Ledger
from fieldwren.model import Failed, Outcome, ReadOptions, ReadTask, Recipe, Timing
from fieldwren.pixels.indices import parse_index
from fieldwren.pixels.masks import MASKS
from fieldwren.pixels.reduce import measured_columns
from fieldwren.places import PlaceList, read_places
from fieldwren.planner import Plan, make_plan, missing_bands, recipe_key
from fieldwren.progress import Event, Progress, ignore
from fieldwren.results import PLOTS, Results
from fieldwren.season.analysis import SeasonOptions
from fieldwren.site import check_files, check_reach, engine_workers, read_options, site_of
from fieldwren.table import assemble
from fieldwren.worker import observe as observe_task

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from concurrent.futures import Future

    import pyarrow as pa

    from fieldwren.archive.stac import SearchResult
    from fieldwren.model import Scene

__all__ = ["chip", "describe", "observe", "plan", "search"]


def observe(
    places: Any,
    *,
    since: str | None = None,
    until: str | None = None,
    out: str | Path | None = None,
    progress: Progress = ignore,
    **settings: Any,
) -> Results:
    """Observe places: the main job, from places to results.

    Args:
        places: whatever :func:`read_places` takes.
        since: first date, such as "2013", "2013-04" or "2013-04-11"; None: from the beginning.
        until: last date, inclusive; None: until today.
        out: folder of the results. With it the run leaves a ledger there, so that the same call
            resumes or adds what is new, and all files are written. None: everything in memory.
        progress: is told how far the work has come.
        **settings: any field of :class:`Settings`, such as ``archive="demo"``, ``index=["evi"]``.

    Raises:
        InputError: places or options cannot be used.
        ArchiveError: the archive cannot be searched.
        LedgerError: ``out`` cannot be used.
    """
    clock = _Clock()
    asked = _Asked(places=places, since=since, until=until, settings=resolve(**settings))
    options = SeasonOptions.of(asdict(asked.settings))
    job = _prepare(asked, clock, progress)
    folder = Path(out) if out else None
    with job.ledger(folder) as ledger:
        known = ledger.done()
        planned = job.plan(done=known)
        _check_memory(planned)
        with clock("reading"):
            spent = _read(planned, ledger, job.settings, progress)
        rows = ledger.table()
        table = assemble(planned, rows)
        if known and rows.num_rows > table.num_rows:
            words = f"of {rows.num_rows:,} rows in the ledger the tables hold those asked for"
            progress(Event(phase="reading", note=words))
    index = job.recipe.indices[0].name
    with clock("season"):
        table = options.mark(table, index)
    results = Results(places=planned.places, rows=table, receipt={}, index=index, options=options)
    with clock("chips"):
        gallery = _chips(job, planned, results, folder, progress=progress)
    facts = partial(_receipt, job, planned, table, clock, gallery=gallery, spent=spent)
    results = results.renewed(chips=gallery.chips, receipt=facts())
    if not folder:
        return results
    write_json(folder / "plan.json", describe(planned))
    with clock("files"):
        results.save(folder, progress=progress)
    results = results.renewed(receipt=facts())
    write_json(folder / "receipt.json", results.receipt)
    return results


def plan(
    places: Any,
    *,
    since: str | None = None,
    until: str | None = None,
    out: str | Path | None = None,
    progress: Progress = ignore,
    **settings: Any,
) -> Plan:
    """What :func:`observe` would read with the same arguments, and what that would cost."""
    asked = _Asked(places=places, since=since, until=until, settings=resolve(**settings))
    job = _prepare(asked, _Clock(), progress)
    ledger = job.ledger(Path(out) if out else None)
    ledger.look()
    return job.plan(done=ledger.done())


def search(
    places: Any,
    *,
    since: str | None = None,
    until: str | None = None,
    progress: Progress = ignore,
    **settings: Any,
) -> SearchResult:
    """The scenes that :func:`observe` would find with the same arguments."""
    asked = _Asked(places=places, since=since, until=until, settings=resolve(**settings))
    return _prepare(asked, _Clock(), progress).found


def chip(
    scene_id: str,
    box: tuple[float, float, float, float],
    out: str | Path,
    *,
    progress: Progress = ignore,
    **settings: Any,
) -> list[Path]:
    """Write the index picture of one scene, and its thumbnail where the archive has one.

    Args:
        scene_id: as :func:`search` lists it.
        box: west, south, east, north in degrees.
        out: ``.png`` for people, ``.tif`` for a float32 Cloud-Optimized GeoTIFF.
        progress: is told how far the work has come.
        **settings: any field of :class:`Settings`.

    Returns:
        the files written.

    Raises:
        OptionError: the archive lists no such scene near the box, or the file's ending is unknown.
    """
    from fieldwren.present.chips import write_chip  # noqa: PLC0415 - matplotlib is heavy

    asked = _Asked(places=[shapely.box(*box)], since=None, until=None, settings=resolve(**settings))
    job = _prepare(asked, _Clock(), progress)
    scene = next((s for s in job.found.scenes if s.id == scene_id), None)
    if scene is None:
        raise OptionError(
            f"{job.found.source.name} lists no scene {scene_id} on this box: "
            "`fieldwren scenes` prints those it has"
        )
    picture = read_chip(scene, box, job.recipe, _read_options(job.settings))
    return write_chip(picture, Path(out), scene=scene, index=job.recipe.indices[0].name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The arguments of a run."""

    places: Any
    since: str | None
    until: str | None
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Everything that is known before a plan is made."""

    asked: _Asked
    recipe: Recipe
    places: PlaceList
    found: SearchResult
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


def _prepare(asked: _Asked, clock: _Clock, progress: Progress) -> _Job:
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
        scenes, lost = with_crs(found.scenes, _read_options(settings))
    for problem in found.problems:
        progress(Event(phase="searching", note=problem))
    if not scenes:
        words = f"{source.name} has no scene of these places between these dates"
        progress(Event(phase="searching", note=words, warning=True))
    _check_bands(scenes, recipe)
    check_reach(settings, scenes)
    return _Job(
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


def _read_options(settings: Settings) -> ReadOptions:
    """What this process may use of this machine."""
    return read_options(settings, Capacity(calls=1, per_machine=1, here=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spent:
    """What reading cost."""

    timing: Timing
    engine: Mapping[str, Any]
    """What the engine says of its calls; empty for one that does not count."""


def _read(planned: Plan, ledger: Ledger, settings: Settings, progress: Progress) -> _Spent:
    """Run the plan's tasks on the engine, each into the ledger as it ends."""
    keys = dict(zip((p.id for p in planned.places), planned.place_keys, strict=True))
    total, done, timing = sum(len(t.scenes) for t in planned.tasks), 0, Timing()
    progress(Event(phase="reading", done=0, total=total))
    if not total and len(planned.place_at):
        words = f"nothing new: all {len(planned.place_at):,} rows are there already"
        progress(Event(phase="reading", note=words))
    if not total:
        return _Spent(timing=timing, engine={})
    with executor(settings.engine, **engine_workers(settings)) as engine:
        there = capacity(engine)
        check_files(engine, planned.tasks)
        function = partial(observe_task, options=read_options(settings, there))
        try:
            for task, future in stream(engine, function, planned.tasks, ahead=4 * there.calls):
                outcomes = _outcomes(task, future)
                ledger.append(outcomes, [keys[i] for i in task.shapes.ids])
                done += len(task.scenes)
                timing = sum((o.timing for o in outcomes), timing)
                progress(Event(phase="reading", done=done, total=total))
        except KeyboardInterrupt:
            engine.shutdown(wait=False, cancel_futures=True)
            running = engine.running() if isinstance(engine, Engine) else 0
            words = f"stopped: {running} calls still run to their end; what is done is kept"
            progress(Event(phase="reading", note=words))
            raise
    facts = engine.usage() if isinstance(engine, Metered) else {}
    return _Spent(timing=timing, engine=facts)


def _chips(
    job: _Job, planned: Plan, results: Results, folder: Path | None, *, progress: Progress
) -> Gallery:
    """Pictures of the places on their clearest dates."""
    return make_gallery(
        planned,
        results.analysis.observations,
        results.analysis.seasons,
        most=job.settings.chips,
        options=_read_options(job.settings),
        folder=folder,
        progress=progress,
    )


def _outcomes(task: ReadTask, future: Future[tuple[Outcome, ...]]) -> Sequence[Outcome]:
    """The outcomes of a task; a task that was lost with its worker costs its own rows only.

    Raises:
        CloudError: the cloud refuses calls, so that others would fare no better.
    """
    error = future.exception()
    if error is None or isinstance(error, CloudError):
        return future.result()
    reason = f"the task was lost ({type(error).__name__}: {error})"
    return [
        Failed(scene_key=s.key, status="read_error", reason=reason, timing=Timing())
        for s in task.scenes
    ]


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Generator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = round(time.perf_counter() - start, 3)


def _check_memory(planned: Plan) -> None:
    """Refuse a plan that this machine's memory cannot hold."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if planned.estimate.memory > there:
        largest = max(planned.places, key=lambda p: p.geometry.area)
        raise OptionError(
            f"this needs about {planned.estimate.memory / 2**30:.0f} GiB of memory, and there are "
            f"{there / 2**30:.0f}: cut the place {largest.id} into smaller ones"
        )


def describe(planned: Plan) -> dict[str, Any]:
    """A plan as plain numbers and words."""
    return {
        "places": len(planned.places),
        "scenes_found": len(planned.scenes),
        "rows": len(planned.place_at),
        "scenes_skipped": dict(Counter(status for status, _ in planned.verdicts.values())),
        "to_read": asdict(planned.estimate),
    }


def _receipt(
    job: _Job,
    planned: Plan,
    table: pa.Table,
    clock: _Clock,
    *,
    gallery: Gallery,
    spent: _Spent,
) -> dict[str, Any]:
    """The facts of a run: from where, how, at what cost, with what outcome."""
    source = job.found.source
    return {
        "started": clock.started.isoformat(timespec="seconds"),
        "archive": {
            "name": source.name,
            "reason": source.reason,
            "simulated": source.kind == "demo" or any(s.simulated for s in planned.scenes),
            "collections": sorted({s.collection for s in planned.scenes}),
        },
        "arguments": _arguments(job.asked),
        "formulas": {i.name: i.expression for i in job.recipe.indices},
        "places": len(planned.places),
        "refused_places": [str(p) for p in job.places.problems],
        "scenes": len(planned.scenes),
        "problems": list(job.found.problems),
        "rows_by_status": dict(Counter(table["status"].to_pylist()).most_common()),
        "cost": asdict(spent.timing + gallery.timing),
        "chips": gallery.receipt(),
        **({"engine": dict(spent.engine)} if spent.engine else {}),
        "seconds": clock.seconds,
        "peak_memory_mb": round(_peak_memory() / 2**20, 1),
        "versions": {"fieldwren": __version__, "python": platform.python_version()},
    }


def _arguments(asked: _Asked) -> dict[str, Any]:
    """The arguments of a run without its places."""
    settings = asdict(asked.settings)
    del settings["origins"]
    settings["archive"] = public_href(asked.settings.archive)
    return {"since": asked.since, "until": asked.until, **settings}


def _peak_memory() -> int:
    """Bytes; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
