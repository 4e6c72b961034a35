"""Calls on AWS Lambda, as :class:`concurrent.futures.Executor`.

    submit ─► queue ─► lanes: threads, each waits for the answer to one call at a time

A thread that waits costs about 50 kB and one file descriptor, a call 2 to 7 ms of processor
(``bench/lambda_calls.py``). So one client starts some 150 calls a second, AWS adds 1,000 executions
in 10 s at most, and a thousand calls in flight of 5 s and longer are no burden. A lane without work
looks for stragglers and calls them a second time; the first answer counts.

A function may run more than once: when a connection breaks nobody knows whether it ran.
"""

from __future__ import annotations

import logging
import queue
import resource
import statistics
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import wait as _wait
from typing import TYPE_CHECKING, Any, Final

from fieldwren.engine.aws_lambda.client import client, explaining
from fieldwren.engine.aws_lambda.handler import LIMIT
from fieldwren.engine.aws_lambda.invoke import Invoker, Parcel
from fieldwren.engine.aws_lambda.options import LambdaOptions
from fieldwren.engine.base import Capacity, Engine
from fieldwren.engine.pickling import dumps
from fieldwren.errors import CloudError, EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fieldwren.engine.aws_lambda.report import Report
    from fieldwren.engine.aws_lambda.spill import Spill

__all__ = ["LambdaExecutor", "lambda_executor"]

_log = logging.getLogger("fieldwren.engine")

_DEFAULT_WORKERS: Final = 1000
"""Concurrent executions of an account, unless AWS was asked for more."""
_ENOUGH: Final = 10
"""Calls that must have ended before one is called a straggler."""
_STRAGGLES: Final = 3.0, 5.0
"""A straggler takes so many times the median, and so many seconds at least."""
_SHARED: Final = 100_000
"""Bytes of a function from which on calls of one map share it in the bucket."""
_FRESH: Final = 43_200.0
"""Seconds after which it is put there again, as keys of calls expire after a day."""


def lambda_executor(**options: Any) -> LambdaExecutor:
    """An executor of the account that the options name.

    Args:
        **options: fields of :class:`LambdaOptions`.

    Raises:
        OptionError: an option is unknown or cannot be used.
        MissingExtraError: boto3 is not installed.
        CloudError: the function cannot be made.
    """
    return LambdaExecutor(LambdaOptions.of(**options))


class _Shared:
    """A function pickled once for many calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = _name(function)
        self.data = _pickled(self.name, function)
        self._lock = threading.Lock()
        self._blob: dict[str, str] | None = None
        self._put = 0.0

    def packed(self, spill: Spill) -> dict[str, str]:
        """The function as calls carry it; a large one lies in the bucket for half a day."""
        with self._lock:
            if self._blob is None or time.monotonic() - self._put > _FRESH:
                limit = _SHARED if spill.place() else LIMIT
                self._blob, self._put = spill.pack(self.data, limit=limit), time.monotonic()
            return self._blob


class _Call:
    """A call, and how often it runs now."""

    def __init__(self, name: str, data: bytes, shared: _Shared | None) -> None:
        self.future: Future[Any] = Future()
        self.name, self.data, self.shared = name, data, shared
        self.lock = threading.Lock()
        self.started, self.running, self.doubled = False, 0, False
        self.tried = 0.0  # when its present try began; 0 between tries
        self.parcel: Parcel | None = None

    def begin(self) -> bool:
        """Start to run, unless it was cancelled or is done."""
        with self.lock:
            if not self.started and not self.future.set_running_or_notify_cancel():
                return False
            if self.future.done():
                return False
            self.started = True
            self.running += 1
            return True

    def tries(self, moment: float) -> None:
        """A try begins, or has ended without an answer (0)."""
        self.tried = moment

    def end(self, value: Any, error: BaseException | None) -> bool:
        """Set the outcome: the first value, or the last error. Says whether it was set."""
        with self.lock:
            self.running -= 1
            if self.future.done() or (error and self.running):
                return False
            if error:
                self.future.set_exception(error)
            else:
                self.future.set_result(value)
            return True


class LambdaExecutor(Engine):
    """Runs calls in AWS Lambda functions; see the module.

    Args:
        options: of account and function.

    Raises:
        MissingExtraError: boto3 is not installed.
        CloudError: the function cannot be made.
    """

    def __init__(self, options: LambdaOptions) -> None:
        super().__init__()
        self.options = options
        workers = _descriptors(options.workers or _account_limit(options))
        self.capacity = Capacity(
            calls=workers,
            per_machine=1,
            here=False,
            memory=options.memory,
            seconds=options.timeout,
        )
        self._most = workers
        self._invoker = Invoker(options, workers)
        self._invoker.prepare()
        self._queue: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = threading.Semaphore(0)
        self._finishing = threading.Lock()
        self._lanes, self._closed, self._finished = 0, False, False
        self._open: set[_Call] = set()
        self._durations: deque[float] = deque(maxlen=500)

    def usage(self) -> Mapping[str, Any]:
        """What the calls have cost so far; see :class:`fieldwren.engine.usage.Metered`."""
        return {"engine": "lambda", **self._invoker.meter.facts()}

    @property
    def reports(self) -> list[Report]:
        """AWS's report of every invocation so far: request id, milliseconds, memory."""
        return list(self._invoker.meter.reports)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """``Executor.submit``.

        Raises:
            EngineError: function or arguments cannot be pickled.
        """
        shared = fn if isinstance(fn, _Shared) else None
        name = shared.name if shared else _name(fn)
        data = _pickled(name, (None if shared else fn, args, kwargs))
        call = _Call(name, data, shared)
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._invoker.meter.count("calls")
            self._open.add(call)
            self._queue.put(call)
            self._more_lanes()
        self._known.add(call.future)
        return call.future

    def shared(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """The function pickled once for all calls of a map."""
        made: Any = _Shared(fn)  # submit knows it; it is never called
        return made

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base class has it
        """``Executor.shutdown``; answers of stragglers that were overtaken are not waited for."""
        with self._lock:
            self._closed = True
        if cancel_futures:
            self._cancel_queued()
        with self._lock:
            left = [call.future for call in self._open]
        if wait:
            _wait(left)
        if wait or not left:
            self._finish()

    def abandon(self) -> None:
        """Try no call again; those that run now run to their end, and are billed."""
        self._invoker.stopped.set()

    def _cancel_queued(self) -> None:
        while True:
            try:
                call = self._queue.get_nowait()
            except queue.Empty:
                return
            if call is None:  # for a lane, and nothing comes after it
                self._queue.put(None)
                return
            if call.future.cancel():
                self._begin(call)

    def _more_lanes(self) -> None:
        """One more thread, where none is free; the lock is held."""
        if self._idle.acquire(blocking=False) or self._lanes >= self._most:
            return
        name = f"fieldwren-lambda-{self._lanes + 1}"
        try:
            threading.Thread(target=self._lane, name=name, daemon=True).start()
        except RuntimeError:  # a container may have few threads
            if not self._lanes:
                raise
            self._most = self._lanes
            _log.warning("this machine allows no more threads: %d calls at a time", self._most)
        else:
            self._lanes += 1

    def _lane(self) -> None:
        """Run one call after the other."""
        while (call := self._next()) is not None:
            if self._begin(call):
                self._run(call)

    def _next(self) -> _Call | None:
        """The next call of the queue, else a straggler; None when there will be no more."""
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            self._idle.release()
        while True:
            try:
                return self._queue.get(timeout=1.0 if self._open else None)
            except queue.Empty:
                if self._idle.acquire(blocking=False):  # else there is work for this lane
                    straggler = self._straggler()
                    if straggler:
                        return straggler
                    self._idle.release()

    def _straggler(self) -> _Call | None:
        """A call that runs far longer than others did and has not been called twice yet.

        One that AWS refuses for the moment does not run: it would only be refused twice.
        """
        with self._lock:
            if len(self._durations) < _ENOUGH or not self.options.retries:
                return None
            times, least = _STRAGGLES
            since = time.monotonic() - max(least, times * statistics.median(self._durations))
            for call in self._open:
                if 0 < call.tried < since and not call.doubled:
                    call.doubled = True
                    self._invoker.meter.count("duplicates")
                    return call
        return None

    def _begin(self, call: _Call) -> bool:
        """Start a call, or forget it, if it was cancelled."""
        if call.begin():
            return True
        self._forget(call)
        return False

    def _run(self, call: _Call) -> None:
        start = time.monotonic()
        try:
            value, error = self._invoker.run(self._parcel(call)), None
        except BaseException as caught:  # noqa: BLE001 - it belongs to whoever asks the future
            value, error = None, caught
        if call.end(value, error):
            with self._lock:
                self._durations.append(time.monotonic() - start)
            self._forget(call)

    def _parcel(self, call: _Call) -> Parcel:
        """The call ready to be sent; what is large is in the bucket then."""
        with call.lock:
            if call.parcel is None:
                spill, function, taken = self._invoker.spill, None, 0
                if call.shared:
                    function = call.shared.packed(spill)
                    taken = len(function.get("data", "")) * 3 // 4
                data = spill.pack(call.data, limit=LIMIT - taken)
                call.parcel = Parcel(
                    name=call.name,
                    call=data,
                    function=function,
                    answered=call.future.done,
                    tries=call.tries,
                )
            return call.parcel

    def _forget(self, call: _Call) -> None:
        """Let go of a call that is done; the last one ends it all."""
        with self._lock:
            self._open.discard(call)
            last = self._closed and not self._open
        if call.parcel:
            self._invoker.spill.remove(call.parcel.call)
        if last:
            self._finish()

    def _finish(self) -> None:
        """End the lanes and remove what calls have left in the bucket; whoever comes second waits.

        Not before the last call is done: until then idle lanes look for stragglers.
        """
        with self._finishing:
            if self._finished:
                return
            self._finished = True
            for _ in range(self._lanes):
                self._queue.put(None)
            self._invoker.spill.close()


def _name(function: object) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)


def _pickled(name: str, value: object) -> bytes:
    try:
        return dumps(value)
    except EngineError as error:
        raise EngineError(f"{name} or an argument of it {error}") from error


def _account_limit(options: LambdaOptions) -> int:
    """Calls that the account allows at the same time, 1,000 at most."""
    try:
        with explaining("ask for the account's limits"):
            limits = client("lambda", options).get_account_settings()["AccountLimit"]
    except CloudError as error:
        _log.info("%s; %d calls at the same time are assumed", error, _DEFAULT_WORKERS)
        return _DEFAULT_WORKERS
    allowed = limits.get("UnreservedConcurrentExecutions", limits["ConcurrentExecutions"])
    return max(1, min(_DEFAULT_WORKERS, allowed))


def _descriptors(workers: int) -> int:
    """As many of the workers as there can be connections, after raising that limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = workers + 256
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return workers
    most = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        _log.warning("this machine allows %d open files: %d calls at a time", most, most - 256)
    return max(1, most - 256)
