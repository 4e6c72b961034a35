"""Functions that travel by reference and wrap a call on every engine: its time, its items ..."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldwren.errors import CallTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["beside", "call_each", "is_file", "with_environment", "within"]


def beside(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
    """Call a function in a thread of its own, which does not keep the process from its end."""
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - what a call raises is its answer
            answer.set_exception(error)

    threading.Thread(target=run, name="fieldwren-call", daemon=True).start()
    return answer


def within(seconds: float, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function, and stop waiting for it after so many seconds.

    A thread cannot be ended: it goes on to the function's end or that of its process.

    Raises:
        CallTimeoutError: it takes longer.
    """
    answer = beside(function, *args, **kwargs)
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():
            return answer.result()  # the function's own, or it ended at the last moment
        raise CallTimeoutError(f"the call took longer than {seconds:g} s") from None


def with_environment(
    variables: Mapping[str, str], function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call a function with environment variables set, and set them back.

    They are those of the whole process, so calls that share one (threads) should ask for the same.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return function(*args, **kwargs)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def call_each(function: Callable[..., Any], chunk: list[tuple[Any, ...]]) -> list[Any]:
    """The results of a function for each of many items' arguments."""
    return [function(*args) for args in chunk]


def is_file(path: str) -> bool:
    """Whether the machine where this runs has the file."""
    return Path(path.removeprefix("file://")).is_file()
