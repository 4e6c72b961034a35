"""One small call on any engine, to see that it works."""

from __future__ import annotations

import getpass
import logging
import time
from typing import TYPE_CHECKING, Any

from fieldwren.engine import executor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["say_hello"]

_LOG = logging.getLogger(__name__)


def say_hello(engine: str, **options: Any) -> str:
    """Run a small function on an engine; returns its answer.

    Each stage is logged at INFO.

    Args:
        engine: a name of :data:`fieldwren.engine.ENGINES`.
        **options: options of the engine.

    Raises:
        FieldwrenError: the engine cannot be used, or the call gave no answer.
    """
    began = time.monotonic()
    _LOG.info("making the executor of engine %s", engine)
    with executor(engine, **options) as pool:
        _LOG.info("submitting a call")
        future = pool.submit(_greeting(), _user())
        _LOG.info("waiting for its answer")
        answer = future.result()
        _LOG.info("the answer came %.2f s after the start", time.monotonic() - began)
    return answer


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without names
        return "you"


def _greeting() -> Callable[[str], str]:
    """The function that travels. As a closure it travels by value, as functions of users do."""

    def greeting(name: str) -> str:
        import os  # noqa: PLC0415 - runs elsewhere
        import platform  # noqa: PLC0415

        where = os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or platform.node()
        return (
            f"Hello {name}, from {where}: Python {platform.python_version()} on"
            f" {platform.system()} {platform.machine()}, process {os.getpid()}"
        )

    return greeting
