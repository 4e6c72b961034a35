"""Interchangeable executors; every one speaks ``concurrent.futures.Executor``.

An engine knows nothing of scenes or pixels: it maps any Python function over any items.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from fieldwren.config import engine_options
from fieldwren.engine.options import checked_options
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

__all__ = ["ENGINES", "check_engine", "executor"]

ENGINES: Final[Mapping[str, str]] = {
    "local": "fieldwren.engine.local:local_executor",
    "lambda": "fieldwren.engine.aws_lambda.executor:lambda_executor",
    "dask": "fieldwren.engine.dask:dask_executor",
    "lithops": "fieldwren.engine.lithops:lithops_executor",
}
"""Engines by name: module and function that makes the executor, imported when it is used."""


def check_engine(name: str) -> None:
    """Refuse an unknown engine.

    Raises:
        OptionError: there is no such engine.
    """
    if name not in tuple(ENGINES):
        raise OptionError(f"unknown engine {name!r}: choose one of {', '.join(ENGINES)}")


def executor(name: str = "local", **options: Any) -> Executor:
    """Make an executor.

    Args:
        name: a key of ENGINES.
        **options: options of the engine; ``workers``, the calls that run at the same time, is one
            of every engine. What is not given is taken from the environment and the configuration
            file, see :mod:`fieldwren.config`.

    Raises:
        OptionError: there is no such engine or option.
        MissingExtraError: the engine needs a library that is not installed.
        EngineError: the engine cannot be reached.
    """
    check_engine(name)
    module, _, function = ENGINES[name].partition(":")
    maker = getattr(importlib.import_module(module), function)
    return maker(**checked_options(name, maker, engine_options(name) | options))
