"""The verb: places in, results out.

Places and scenes make a plan; an engine runs the worker on its tasks; their outcomes go into the
ledger; ledger and plan make the table; the table, with the facts of the run, is the Results.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from fieldwren.chip import read_chip
from fieldwren.clock import Clock
from fieldwren.config import resolve
from fieldwren.errors import OptionError
from fieldwren.files import write_json
from fieldwren.gallery import Gallery, make_gallery
from fieldwren.job import Asked, Job, check_memory, options_here, prepare
from fieldwren.progress import Event, Progress, ignore
from fieldwren.reading import read_tasks
from fieldwren.receipt import describe, receipt
from fieldwren.results import Results
from fieldwren.season.analysis import SeasonOptions
from fieldwren.table import assemble

if TYPE_CHECKING:
    from fieldwren.archive.stac import SearchResult
    from fieldwren.planner import Plan

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
    clock = Clock()
    asked = Asked(places=places, since=since, until=until, settings=resolve(**settings))
    options = SeasonOptions.of(asdict(asked.settings))
    job = prepare(asked, clock, progress)
    folder = Path(out) if out else None
    with job.ledger(folder) as ledger:
        known = ledger.done()
        planned = job.plan(done=known)
        check_memory(planned)
        with clock("reading"):
            spent = read_tasks(planned, ledger, job.settings, progress)
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
    facts = partial(receipt, job, planned, table, clock, gallery=gallery, spent=spent)
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
    asked = Asked(places=places, since=since, until=until, settings=resolve(**settings))
    job = prepare(asked, Clock(), progress)
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
    asked = Asked(places=places, since=since, until=until, settings=resolve(**settings))
    return prepare(asked, Clock(), progress).found


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

    asked = Asked(places=[shapely.box(*box)], since=None, until=None, settings=resolve(**settings))
    job = prepare(asked, Clock(), progress)
    scene = next((s for s in job.found.scenes if s.id == scene_id), None)
    if scene is None:
        raise OptionError(
            f"{job.found.source.name} lists no scene {scene_id} on this box: "
            "`fieldwren scenes` prints those it has"
        )
    picture = read_chip(scene, box, job.recipe, options_here(job.settings))
    return write_chip(picture, Path(out), scene=scene, index=job.recipe.indices[0].name)


def _chips(
    job: Job, planned: Plan, results: Results, folder: Path | None, *, progress: Progress
) -> Gallery:
    """Pictures of the places on their clearest dates."""
    return make_gallery(
        planned,
        results.analysis.observations,
        results.analysis.seasons,
        most=job.settings.chips,
        options=options_here(job.settings),
        folder=folder,
        progress=progress,
    )
