"""Interchangeable executors; every one speaks ``concurrent.futures.Executor``.

An engine knows nothing of scenes or pixels: it maps any Python function over any items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fieldwren.engine.local import local_executor
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

__all__ = ["ENGINES", "check_engine", "executor"]

ENGINES: Final[Mapping[str, Callable[..., Executor]]] = {"local": local_executor}
"""Engines by name."""


def check_engine(name: str) -> None:
    """Refuse an unknown engine.

    Raises:
        OptionError: there is no such engine.
    """
    if name not in ENGINES:
        raise OptionError(f"unknown engine {name!r}: choose one of {', '.join(ENGINES)}")


def executor(name: str = "local", *, workers: int = 0) -> Executor:
    """Make an executor.

    Args:
        name: a key of ENGINES.
        workers: calls that run at the same time; 0 lets the engine choose.

    Raises:
        OptionError: there is no such engine.
    """
    check_engine(name)
    return ENGINES[name](workers=workers)
