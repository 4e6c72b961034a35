"""Reading: the tasks of a plan on an engine, each into the ledger as it ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fieldwren.engine import executor
from fieldwren.engine.base import capacity
from fieldwren.engine.stream import stream
from fieldwren.engine.usage import Metered
from fieldwren.errors import CallTimeoutError, EngineError, LostCallError
from fieldwren.model import Failed, Outcome, ReadTask, Timing
from fieldwren.progress import Event, Progress
from fieldwren.site import check_files, engine_workers, read_options
from fieldwren.worker import observe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from fieldwren.config import Settings
    from fieldwren.ledger import Ledger
    from fieldwren.planner import Plan

__all__ = ["Spent", "read_tasks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What reading cost."""

    timing: Timing
    """Of all tasks together."""
    engine: Mapping[str, Any]
    """What the engine says of its calls; empty for one that does not count."""


def read_tasks(planned: Plan, ledger: Ledger, settings: Settings, progress: Progress) -> Spent:
    """Run the plan's tasks on the engine, each into the ledger as it ends."""
    keys = dict(zip((p.id for p in planned.places), planned.place_keys, strict=True))
    total, done, timing = sum(len(t.scenes) for t in planned.tasks), 0, Timing()
    progress(Event(phase="reading", done=0, total=total))
    if not total and len(planned.place_at):
        words = f"nothing new: all {len(planned.place_at):,} rows are there already"
        progress(Event(phase="reading", note=words))
    if not total:
        return Spent(timing=timing, engine={})
    with executor(settings.engine, **engine_workers(settings)) as engine:
        there = capacity(engine)
        check_files(engine, planned.tasks)
        function = partial(observe, options=read_options(settings, there))
        for task, future in stream(engine, function, planned.tasks, ahead=4 * there.calls):
            outcomes = _outcomes(task, future)
            ledger.append(outcomes, [keys[i] for i in task.shapes.ids])
            done += len(task.scenes)
            timing = sum((o.timing for o in outcomes), timing)
            progress(Event(phase="reading", done=done, total=total))
    facts = engine.usage() if isinstance(engine, Metered) else {}
    return Spent(timing=timing, engine=facts)


def _outcomes(task: ReadTask, future: Future[tuple[Outcome, ...]]) -> Sequence[Outcome]:
    """The outcomes of a task; a task that was lost with its worker costs its own rows only.

    Raises:
        EngineError: the engine itself cannot be used, so that others would fare no better.
    """
    error = future.exception()
    lost = isinstance(error, LostCallError | CallTimeoutError)
    if error is None or (isinstance(error, EngineError) and not lost):
        return future.result()
    reason = f"the task was lost ({type(error).__name__}: {error})"
    return [
        Failed(scene_key=s.key, status="read_error", reason=reason, timing=Timing())
        for s in task.scenes
    ]
