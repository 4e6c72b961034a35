"""Puts the embedded archive at a distance, so that reading it takes as long as from a network."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from fieldwren.archive.simulated import demo_archive
from fieldwren.config import resolve

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

__all__ = ["reach"]


def reach(archive: str, *, seconds: float) -> dict[str, Any]:
    """Settings of ``fw.observe`` with which an archive is reached.

    Args:
        archive: "demo" is served by a process on this machine that waits before each answer, and
            ends with this one. Any other is far enough away as it is.
        seconds: from a request to its answer.
    """
    if archive != "demo":
        return {"archive": archive}
    from range_server import RangeServer  # noqa: PLC0415 - lies in bench/

    server = RangeServer(demo_archive(resolve().cache_folder), latency=seconds)
    # An interrupted cell must not take the server with it, which has this cell's signals.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    server.__enter__()
    signal.signal(signal.SIGINT, handler)
    # A cache of its own: what is remembered of these files would never be found again.
    return {"archive": f"{server.url}/items.json", "cache": tempfile.mkdtemp()}
