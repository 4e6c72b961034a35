"""What every engine adds to :class:`concurrent.futures.Executor`.

    Engine                map in chunks, a prompt end after Ctrl-C, its capacity
    └── Threads           the calls run in threads of this process
        └── RemoteCalls   they run elsewhere; a thread for each in flight waits for its answer

A thread that waits for an answer is all the bookkeeping there is: what is queued can be cancelled,
what runs cannot, nothing is polled and no call is lost without its thread noticing.
"""

from __future__ import annotations

import logging
import threading
import weakref
from abc import abstractmethod
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar

from fieldwren.engine.calls import call_each, within
from fieldwren.engine.pickling import dumps, outcome
from fieldwren.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

__all__ = ["Capacity", "Engine", "RemoteCalls", "Threads", "capacity"]

_log = logging.getLogger("fieldwren.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much an engine does at the same time, and where."""

    calls: int
    """Calls that run at the same time."""
    per_machine: int
    """Of these, the calls that share a machine and its memory."""
    here: bool
    """Whether they run on this machine."""
    memory: int = 0
    """MiB of such a machine; 0 where that is not known."""
    seconds: float = 0.0
    """After so many a call is ended; 0: never."""


def capacity(executor: Executor) -> Capacity:
    """The capacity of any executor; one that does not say is taken for far away."""
    known = getattr(executor, "capacity", None)
    if isinstance(known, Capacity):
        return known
    calls = getattr(executor, "_max_workers", 1)
    return Capacity(calls=calls, per_machine=1, here=False)


class Engine(Executor):
    """An executor that maps in chunks and stops promptly.

    Attributes:
        capacity: how much it does at the same time.
        ends_calls: whether :meth:`abandon` ends the calls that run.
    """

    capacity: Capacity
    ends_calls: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: weakref.WeakSet[Future[Any]] = weakref.WeakSet()

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **more: Any,
    ) -> Iterator[Any]:
        """``Executor.map``; every engine sends ``chunksize`` items in one call."""
        if chunksize < 1:
            raise ValueError("chunksize must be 1 or more")
        if chunksize == 1:
            return super().map(self.shared(fn), *iterables, timeout=timeout, **more)
        each = self.shared(partial(call_each, fn))
        chunks = _chunks(zip(*iterables, strict=False), chunksize)
        return chain.from_iterable(super().map(each, chunks, timeout=timeout, **more))

    def shared(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """The function as ``map`` submits it, for engines that send it once for all calls."""
        return fn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all calls; after Ctrl-C cancel those in the queue and do not wait."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._interrupted()
            return
        try:
            self.shutdown(wait=True)
        except KeyboardInterrupt:
            self._interrupted()
            raise

    def _interrupted(self) -> None:
        self.shutdown(wait=False, cancel_futures=True)
        running = 0 if self.ends_calls else self.running()
        self.abandon()
        if running:
            still = "1 call still runs" if running == 1 else f"{running:,} calls still run"
            _log.warning("interrupted: what was queued is cancelled; %s", still)

    def running(self) -> int:
        """The calls that run now."""
        begun = sum(future.running() for future in set(self._known))
        return min(begun, self.capacity.calls)  # a thread may wait for a call that waits in turn

    def abandon(self) -> None:
        """End the calls that run, where the engine can."""


class Threads(Engine, ThreadPoolExecutor):
    """Threads of this process.

    Args:
        workers: threads.
        timeout: seconds after which a call ends with CallTimeoutError; its thread goes on to the
            function's end, and its result is dropped. 0: never.
    """

    def __init__(self, workers: int, *, timeout: float = 0) -> None:
        super().__init__(workers, thread_name_prefix="fieldwren")
        self.capacity = Capacity(calls=workers, per_machine=workers, here=True)
        self._timeout = timeout

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """``Executor.submit``."""
        if self._timeout:
            fn, args = within, (self._timeout, fn, *args)
        future = super().submit(fn, *args, **kwargs)
        self._known.add(future)
        return future


class RemoteCalls(Threads):
    """Calls that travel pickled, each waited for by a thread of its own."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """``Executor.submit``.

        Raises:
            EngineError: function or arguments cannot be pickled.
        """
        name = getattr(fn, "__qualname__", type(fn).__qualname__)
        try:
            call = self.pack(fn, args, kwargs)
        except EngineError as error:
            raise EngineError(f"{name} or an argument of it {error}") from error
        future = ThreadPoolExecutor.submit(self, self._answer, call, name)
        self._known.add(future)
        return future

    def pack(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The call as :meth:`send` takes it: pickled, with its time-out kept where it runs."""
        if self._timeout:
            fn, args = within, (self._timeout, fn, *args)
        return dumps((fn, args, kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base class has it
        """``Executor.shutdown``; what the calls need ends with the last of them."""
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            self._end()
        else:
            threading.Thread(target=self._end, name="fieldwren-ends").start()

    def _end(self) -> None:
        # To Python before 3.13 a thread has ended once a join of it was interrupted by Ctrl-C.
        for future in set(self._known):
            with suppress(CancelledError):
                future.exception()
        self.close()

    def close(self) -> None:
        """End what the calls need; called when the last one has ended, perhaps twice."""

    def _answer(self, call: Any, name: str) -> Any:
        return outcome(self.send(call, name))

    @abstractmethod
    def send(self, call: Any, name: str) -> bytes:
        """Have the call run by :func:`run_call` elsewhere, and wait for its answer.

        Args:
            call: as packed.
            name: of the function, for messages.

        Raises:
            LostCallError: there is no answer.
            CallTimeoutError: there is none in time.
        """
        ...


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
