"""Measurements over many calls: floating-point operations, and traffic with the object store."""

from __future__ import annotations

import shutil
import time
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldwren.engine.base import Engine
from fieldwren.engine.stream import map as map_calls
from fieldwren.errors import EngineError
from fieldwren.lab.work import Sample, get, multiply, open_lab_store, put

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from fieldwren.progress import Progress

__all__ = ["Measured", "measure_flops", "measure_store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What many calls did together. Clocks of several machines differ by some milliseconds."""

    name: str
    """What was measured, for people."""
    unit: str
    """Of ``amount`` per second: "GFLOPS" or "GB/s"."""
    submitted: float
    """When the first call was submitted, seconds since 1970."""
    ended: float
    """When the last answer was here."""
    samples: tuple[Sample, ...]
    """One per call."""

    @property
    def rates(self) -> NDArray[np.float64]:
        """Rate of each call by itself, in ``unit``."""
        return np.array([s.amount / max(s.seconds, 1e-9) / 1e9 for s in self.samples])

    @property
    def together(self) -> float:
        """Rate of all calls, from the first start to the last end, in ``unit``."""
        return self.amount / max(float(self.spans.max() - self.spans.min()), 1e-9) / 1e9

    @property
    def with_waiting(self) -> float:
        """Rate of all calls, from the first submission to the last answer, in ``unit``."""
        return self.amount / max(self.ended - self.submitted, 1e-9) / 1e9

    @property
    def amount(self) -> float:
        """Of all calls."""
        return sum(s.amount for s in self.samples)

    @property
    def spans(self) -> NDArray[np.float64]:
        """Start and end of each call's work, shape (n, 2), in seconds since submission."""
        return np.array([(s.started, s.started + s.seconds) for s in self.samples]) - self.submitted

    @property
    def started_by_second(self) -> list[int]:
        """Calls that had started after 1, 2, 3 ... seconds: the launch curve."""
        starts = np.sort(self.spans[:, 0])
        seconds = np.arange(1, max(1, int(np.ceil(starts[-1]))) + 1)
        return np.searchsorted(starts, seconds, side="right").tolist()

    @property
    def most_at_once(self) -> int:
        """Calls at work at the same moment, at most."""
        times = self.spans.ravel()
        steps = np.tile([1, -1], len(self.samples))
        return int(np.cumsum(steps[np.lexsort((steps, times))]).max())

    def facts(self) -> dict[str, Any]:
        """Plain numbers and words."""
        unit = self.unit
        return {
            "measured": self.name,
            "calls": len(self.samples),
            "workers": len({s.worker for s in self.samples}),
            "most_at_once": self.most_at_once,
            f"together_{unit}": round(self.together, 3),
            f"with_waiting_{unit}": round(self.with_waiting, 3),
            f"median_call_{unit}": round(float(np.median(self.rates)), 3),
            f"slowest_call_{unit}": round(float(self.rates.min()), 3),
            "first_started_seconds": round(float(self.spans[:, 0].min()), 3),
            "last_started_seconds": round(float(self.spans[:, 0].max()), 3),
            "seconds": round(self.ended - self.submitted, 3),
            "started_by_second": self.started_by_second,
        }


def measure_flops(
    engine: Executor, *, calls: int, size: int, loops: int, progress: Progress
) -> Measured:
    """Floating-point operations per second of many calls that multiply matrices.

    Args:
        engine: where they run.
        calls: how many.
        size: rows and columns of a matrix.
        loops: products in one call.
        progress: is told how many calls have ended.
    """
    work = partial(multiply, size=size, loops=loops)
    return _measured(engine, work, calls, progress, name="matrix products", unit="GFLOPS")


def measure_store(
    engine: Executor, *, url: str, calls: int, size: int, progress: Progress, region: str = ""
) -> tuple[Measured, Measured]:
    """Bytes per second of many calls to and from the object store: written, read.

    Every call writes one object under a random name and reads it back; all are removed at the end,
    whatever happens.

    Args:
        engine: where they run.
        url: ``s3://bucket/prefix``, or a folder that the workers see.
        calls: how many.
        size: bytes of an object.
        progress: is told how many calls have ended.
        region: AWS region of the bucket; "": that of each machine's environment.

    Raises:
        EngineError: what was read is not what was written.
    """
    place = f"{url.rstrip('/')}/fieldwren-lab-{uuid.uuid4().hex}"
    sending = partial(put, url=place, size=size, region=region)
    fetching = partial(get, url=place, region=region)
    try:
        written = _measured(engine, sending, calls, progress, name="writing", unit="GB/s")
        read = _measured(engine, fetching, calls, progress, name="reading", unit="GB/s")
    finally:
        _let_end(engine)  # after Ctrl-C a call that still runs may write once more
        _remove(place, region)
    if [s.digest for s in written.samples] != [s.digest for s in read.samples]:
        raise EngineError(f"{url} gave back other bytes than were written")
    return written, read


def _measured(
    engine: Executor,
    work: Callable[[int], Sample],
    calls: int,
    progress: Progress,
    *,
    name: str,
    unit: str,
) -> Measured:
    submitted = time.time()
    samples: Sequence[Sample] = map_calls(work, range(calls), engine=engine, progress=progress)
    return Measured(
        name=name, unit=unit, submitted=submitted, ended=time.time(), samples=tuple(samples)
    )


def _let_end(engine: Executor) -> None:
    """Wait for the calls that still run, a minute at most."""
    until = time.monotonic() + 60
    while isinstance(engine, Engine) and engine.running() and time.monotonic() < until:
        time.sleep(0.05)


def _remove(place: str, region: str) -> None:
    """Remove all objects of a measurement, and the folder where it is one."""
    if not place.startswith("s3://"):
        shutil.rmtree(place, ignore_errors=True)
        return
    store = open_lab_store(place, region)
    keys = [entry["path"] for entries in store.list() for entry in entries]
    if keys:
        store.delete(keys)
