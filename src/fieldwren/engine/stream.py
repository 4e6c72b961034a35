"""Run a function over many items on any executor."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Executor, Future, as_completed, wait
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from fieldwren.engine import executor as made
from fieldwren.engine.base import Engine
from fieldwren.progress import Event, Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["map", "stream"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def stream(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Yield (item, finished future) in the order of completion.

    Args:
        executor: where the calls run.
        function: called with one item.
        items: any number of items.
        ahead: calls submitted and not yet yielded, at most; bounds the memory of results.
    """
    left, sent = iter(items), _sent(executor, function)
    running: dict[Future[Result], Item] = {}
    try:
        while True:
            for item in islice(left, ahead - len(running)):
                running[executor.submit(sent, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()


def map(  # noqa: A001 - what it is called in every language
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    engine: str | Executor = "local",
    progress: Progress = ignore,
    **options: Any,
) -> list[Result]:
    """Any function over any data: the results, in the order of the items.

    Args:
        function: called with one item.
        items: any number of items.
        engine: name of an engine, or an executor, which is left open.
        progress: is told how many calls have ended.
        **options: options of the engine.

    Raises:
        Exception: the first that a call raises; what is queued then is cancelled.
    """
    used = made(engine, **options) if isinstance(engine, str) else nullcontext(engine)
    with used as executor:
        sent = _sent(executor, function)
        futures = [executor.submit(sent, item) for item in items]
        progress(Event(phase="calls", done=0, total=len(futures)))
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress(Event(phase="calls", done=done, total=len(futures)))
        finally:
            for future in futures:
                future.cancel()
        return [future.result() for future in futures]


def _sent(executor: Executor, function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """The function as the executor takes it for many calls."""
    return executor.shared(function) if isinstance(executor, Engine) else function
