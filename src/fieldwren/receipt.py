"""The facts of a run: what was planned, from where, how, at what cost, with what outcome."""

from __future__ import annotations

import platform
import resource
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fieldwren import __version__
from fieldwren.errors import public_href

if TYPE_CHECKING:
    import pyarrow as pa

    from fieldwren.clock import Clock
    from fieldwren.gallery import Gallery
    from fieldwren.job import Asked, Job
    from fieldwren.planner import Plan
    from fieldwren.reading import Spent

__all__ = ["describe", "receipt"]


def describe(planned: Plan) -> dict[str, Any]:
    """A plan as plain numbers and words."""
    return {
        "places": len(planned.places),
        "scenes_found": len(planned.scenes),
        "rows": len(planned.place_at),
        "scenes_skipped": dict(Counter(status for status, _ in planned.verdicts.values())),
        "to_read": asdict(planned.estimate),
    }


def receipt(
    job: Job,
    planned: Plan,
    table: pa.Table,
    clock: Clock,
    *,
    gallery: Gallery,
    spent: Spent,
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


def _arguments(asked: Asked) -> dict[str, Any]:
    """The arguments of a run without its places."""
    settings = asdict(asked.settings)
    del settings["origins"]
    settings["archive"] = public_href(asked.settings.archive)
    return {"since": asked.since, "until": asked.until, **settings}


def _peak_memory() -> int:
    """Bytes; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
