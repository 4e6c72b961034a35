"""The default engine: threads of this process.

Threads suffice, because what takes time releases the interpreter's lock: waiting for bytes,
inflating them (libdeflate) and numpy. A call may have many files in flight, so there is one
thread per core, not per file.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

__all__ = ["default_workers", "local_executor"]


def default_workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_executor(*, workers: int = 0) -> ThreadPoolExecutor:
    """An executor of this process; ``workers=0`` is one per core."""
    return ThreadPoolExecutor(workers or default_workers(), thread_name_prefix="fieldwren")
