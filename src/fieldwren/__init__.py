"""fieldwren: places in, a vegetation-index time series that can be trusted out.

    import fieldwren as fw

    results = fw.observe("places.geojson", since="2013-04", archive="demo")
    results.table  # one row per place and scene, each with a status and a reason

Names are loaded when they are first used, so that ``import fieldwren`` costs nothing and a worker
carries only what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldwren.archive.simulated import demo_places
    from fieldwren.config import Settings
    from fieldwren.engine import executor
    from fieldwren.engine.stream import map  # noqa: A004 - what it is called in every language
    from fieldwren.errors import (
        AccessError,
        ArchiveError,
        EngineError,
        FieldwrenError,
        InputError,
        LedgerError,
        ReadError,
    )
    from fieldwren.model import STATUSES, Asset, Index, Observation, Place, Recipe, Scene
    from fieldwren.pipeline import observe, plan, search
    from fieldwren.pixels.indices import INDICES
    from fieldwren.places import read_places
    from fieldwren.planner import Plan
    from fieldwren.results import Results

__version__ = "0.1.0"

__all__ = [
    "INDICES",
    "STATUSES",
    "AccessError",
    "ArchiveError",
    "Asset",
    "EngineError",
    "FieldwrenError",
    "Index",
    "InputError",
    "LedgerError",
    "Observation",
    "Place",
    "Plan",
    "ReadError",
    "Recipe",
    "Results",
    "Scene",
    "Settings",
    "demo_places",
    "executor",
    "map",
    "observe",
    "plan",
    "read_places",
    "search",
]

_HOMES = {
    "archive.simulated": ("demo_places",),
    "config": ("Settings",),
    "engine": ("executor",),
    "engine.stream": ("map",),
    "errors": (
        "AccessError",
        "ArchiveError",
        "EngineError",
        "FieldwrenError",
        "InputError",
        "LedgerError",
        "ReadError",
    ),
    "model": ("STATUSES", "Asset", "Index", "Observation", "Place", "Recipe", "Scene"),
    "pipeline": ("observe", "plan", "search"),
    "pixels.indices": ("INDICES",),
    "places": ("read_places",),
    "planner": ("Plan",),
    "results": ("Results",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'fieldwren' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fieldwren.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
