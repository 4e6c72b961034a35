"""Run a function over many items on any executor, a bounded number ahead."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["stream"]

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
    left = iter(items)
    running: dict[Future[Result], Item] = {}
    try:
        while True:
            for item in islice(left, ahead - len(running)):
                running[executor.submit(function, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()
