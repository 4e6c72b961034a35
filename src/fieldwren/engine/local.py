"""The default engine: threads or processes of this machine.

Threads suffice for reading pixels, because what takes time releases the interpreter's lock: waiting
for bytes, inflating them (libdeflate) and numpy. A call may have many files in flight, so there is
one thread per core, not per file. Processes are for functions that compute in Python.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fieldwren.engine.base import Threads
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from fieldwren.engine.base import Engine

__all__ = ["default_workers", "local_executor"]


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_executor(
    *, workers: int = 0, processes: bool = False, timeout: float = 0, retries: int | None = None
) -> Engine:
    """An executor of this machine.

    Args:
        workers: threads or processes; 0: one per core.
        processes: processes, for functions that hold the interpreter's lock.
        timeout: seconds after which a call ends with CallTimeoutError; 0: never. A process is
            ended with its call; a thread cannot be, it goes on and its result is dropped.
        retries: how often a call is tried again whose process died (1).

    Raises:
        OptionError: ``retries`` without ``processes``.
    """
    if not processes:
        if retries is not None:
            raise OptionError("retries needs processes: a thread does not die alone")
        return Threads(workers or default_workers(), timeout=timeout)
    from fieldwren.engine.processes import Processes  # noqa: PLC0415 - only where asked for

    return Processes(
        workers or default_workers(),
        cores=default_workers(),
        timeout=timeout,
        retries=1 if retries is None else retries,
    )
