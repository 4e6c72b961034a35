"""One call, invoked until there is an answer or no hope of one.

AWS answers every synchronous call on its connection. What it can answer, or not, is a Trouble of
one kind, and each kind has its bound:

    busy     refused for a moment (429, 5xx, function being made): again after a random pause
    cut      the connection broke: again; the call may have run
    gone     somebody removed the function: made anew, again
    memory   the sandbox was out of memory, or Python in it: again with twice the memory
    late     the call took longer than the function may
    died     the sandbox ended: sys.exit is an answer, os._exit or a crash is this
    broken   the worker package cannot be started

The first two say nothing of the call, so they are borne for a time, and count no retry of it.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fieldwren.engine.aws_lambda.client import client, code_of, explained
from fieldwren.engine.aws_lambda.cost import Meter
from fieldwren.engine.aws_lambda.deploy import ensure_function
from fieldwren.engine.aws_lambda.handler import LIMIT
from fieldwren.engine.aws_lambda.report import parse_report
from fieldwren.engine.aws_lambda.spill import Spill
from fieldwren.engine.pickling import RemoteTraceback, outcome
from fieldwren.errors import CallTimeoutError, CloudError, EngineError, LostCallError
from fieldwren.log import asked_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldwren.engine.aws_lambda.options import LambdaOptions
    from fieldwren.engine.aws_lambda.report import Report

__all__ = ["Invoker", "Parcel"]

_log = logging.getLogger("fieldwren.engine")

_MOST_MEMORY: Final = 10_240
"""MiB; AWS's limit, in some accounts less."""
_OUTSIDE: Final = frozenset({"busy", "cut"})
"""Troubles of the service and the network."""
_PATIENCE: Final = 600.0
"""Seconds for which a call may have no other troubles but these, one after the other; while other
calls run or are answered, a busy service is only a long queue."""
_SILENCE: Final = 30.0
"""Seconds of it after which the log says so, once."""
_BUSY: Final = frozenset(
    {
        "429",
        "EC2ThrottledException",
        "ENILimitReachedException",
        "InternalError",
        "InternalFailure",
        "RequestTimeout",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_BROKEN: Final = (
    "Runtime.HandlerNotFound",
    "Runtime.ImportModuleError",
    "Runtime.InvalidEntrypoint",
    "Runtime.MalformedHandlerName",
    "Runtime.UserCodeSyntaxError",
)


class _Trouble(Exception):  # noqa: N818 - not an error yet: most are overcome
    def __init__(self, kind: str, words: str, *, request_id: str = "") -> None:
        super().__init__(words)
        self.kind, self.request_id = kind, request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A call ready to be sent."""

    name: str
    """Of the function, for messages."""
    call: dict[str, str]
    """The pickled call, or where it lies."""
    function: dict[str, str] | None
    """The pickled function, where many calls share it."""
    answered: Callable[[], bool]
    """Whether the answer is there from elsewhere, so that no other try is worth its price."""
    tries: Callable[[float], None]
    """Told when a try begins, in seconds of the monotonic clock, and 0 when it gave no answer."""


class Invoker:
    """Sends calls to functions; for all threads.

    Args:
        options: of the engine.
        workers: threads that call at the same time.

    Attributes:
        meter: what was counted and billed.
        spill: where large calls and answers lie.
        stopped: set to end all waiting; calls that need another try are lost then.
    """

    def __init__(self, options: LambdaOptions, workers: int) -> None:
        self.meter = Meter(options.architecture)
        self.spill = Spill(options, workers)
        self.stopped, self._said = threading.Event(), threading.Event()
        self._answered = 0.0  # when AWS last answered any call
        self._options, self._level = options, asked_level() or "INFO"
        # A call that waits for its answer sends no byte, so patience covers the longest call.
        patience = options.timeout + 60.0
        self._client = client("lambda", options, connections=workers, attempts=1, patience=patience)
        self._names: dict[int, str] = {}
        self._making = threading.Lock()

    def prepare(self) -> None:
        """Make the function, unless it is there."""
        self._function(self._options.memory)

    def run(self, parcel: Parcel) -> Any:
        """Have a call run, and return its value, or raise what it raises.

        Raises:
            LostCallError: its workers died.
            CallTimeoutError: it took longer than the function may.
            CloudError: AWS refuses.
            EngineError: an answer is too large, or the worker package is of no use.
        """
        memory, seen, since = self._options.memory, Counter[str](), 0.0
        while True:
            name = self._function(memory)
            parcel.tries(time.monotonic())
            try:
                return self._value(name, memory, parcel)
            except _Trouble as caught:
                trouble = caught
            parcel.tries(0.0)
            seen[trouble.kind] += 1
            since = (since or time.monotonic()) if trouble.kind in _OUTSIDE else 0.0
            given_up = self.stopped.is_set() or parcel.answered()
            if given_up or self._is_too_much(trouble, seen, since):
                raise self._final(trouble, parcel, seen, memory)
            self.meter.count("throttles" if trouble.kind == "busy" else "retries")
            if trouble.kind == "gone":
                self._forget(name)
            if trouble.kind == "memory":
                memory = self._more_memory(memory, trouble, parcel)
            else:
                self._pause(seen[trouble.kind])

    def _is_too_much(self, trouble: _Trouble, seen: Counter[str], since: float) -> bool:
        """Whether a call is to be given up.

        Args:
            trouble: the last one of the call.
            seen: how often it had a trouble of each kind.
            since: when the troubles from outside began that it had without a break.
        """
        if trouble.kind in _OUTSIDE:
            begun = max(since, self._answered) if trouble.kind == "busy" else since
            lasted = time.monotonic() - begun
            if lasted > _SILENCE and not self._said.is_set():
                self._said.set()
                _log.warning("%s (for %.0f s now; calls are tried again)", trouble, lasted)
            if trouble.kind == "busy" and self.meter.running():
                lasted -= self._options.timeout  # the slots may be taken by long calls
            return lasted > _PATIENCE
        retries = self._options.retries
        bounds = {"gone": 1, "memory": 8, "broken": 0, "late": retries, "died": retries}
        return seen[trouble.kind] > bounds[trouble.kind]

    def _pause(self, times: int) -> None:
        """Wait a random time ("full jitter"), twice as long at most each time."""
        longest = min(20.0, 0.1 * 2 ** min(times, 10))
        self.stopped.wait(random.uniform(0, longest))  # noqa: S311 - no secret

    def _function(self, memory: int) -> str:
        """The name of the function with so much memory, made when it is first needed."""
        with self._making:
            if memory not in self._names:
                options = replace(self._options, memory=memory)
                self._names[memory] = ensure_function(options)
            return self._names[memory]

    def _forget(self, name: str) -> None:
        with self._making:
            self._names = {m: n for m, n in self._names.items() if n != name}

    def _more_memory(self, memory: int, trouble: _Trouble, parcel: Parcel) -> int:
        """Twice the memory, or the most there is."""
        more = min(2 * memory, _MOST_MEMORY)
        why = f"needs more than {memory} MiB of memory"
        if more > memory:
            try:
                self._function(more)
            except CloudError as error:
                why = f"ran out of {memory} MiB of memory, and {more} MiB cannot be had ({error})"
            else:
                return more
        if isinstance(trouble.__cause__, MemoryError):
            _log.warning("the call of %s %s", parcel.name, why)
            raise trouble.__cause__
        raise _lost(parcel, why, trouble) from trouble

    def _value(self, name: str, memory: int, parcel: Parcel) -> Any:
        """The value of a call; of what it raises, MemoryError is a trouble."""
        answer = self._invoke(name, memory, parcel)
        try:
            return outcome(answer)
        except MemoryError as error:
            if isinstance(error.__cause__, RemoteTraceback):  # else it is this machine's
                raise _Trouble("memory", "MemoryError") from error
            raise

    def _invoke(self, name: str, memory: int, parcel: Parcel) -> bytes:
        """One invocation: the pickled outcome, or a trouble."""
        from botocore import exceptions as boto  # noqa: PLC0415 - heavy

        event = {
            "call": parcel.call,
            "function": parcel.function,
            "log": self._level,
            "spill": self.spill.place(),
        }
        with self.meter.invocation(memory) as invocation:
            try:
                response = self._client.invoke(
                    FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
                )
                body = response["Payload"].read()
            except boto.ClientError as error:
                raise _refusal(error, name) from error
            except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError) as error:
                invocation.lost = not isinstance(error, _unsent())
                raise _Trouble("cut", str(explained(error, f"call {parcel.name}"))) from error
            except boto.BotoCoreError as error:
                raise explained(error, f"call {parcel.name}") from error
            report = invocation.report = parse_report(response.get("LogResult", ""))
        self._answered = time.monotonic()
        if "FunctionError" in response:
            raise _failure(body, report, response["ResponseMetadata"].get("RequestId", ""))
        return self.spill.unpack(json.loads(body)["answer"])

    def _final(
        self, trouble: _Trouble, parcel: Parcel, seen: Counter[str], memory: int
    ) -> BaseException:
        """The error of a call that is given up."""
        cause = trouble.__cause__
        if isinstance(cause, MemoryError):
            return cause
        error = self._in_words(trouble, parcel, seen, memory)
        error.__cause__ = cause
        return error

    def _in_words(
        self, trouble: _Trouble, parcel: Parcel, seen: Counter[str], memory: int
    ) -> EngineError:
        if trouble.kind in {"busy", "cut", "gone"}:
            return CloudError(str(trouble))
        if trouble.kind == "late":
            return CallTimeoutError(
                f"the call of {parcel.name} took longer than {self._options.timeout} s: give it "
                f"more (timeout in [lambda], at most 900) or less to do{_of(trouble)}"
            )
        if trouble.kind == "broken":
            return EngineError(f"the worker package cannot be started: {trouble}{_of(trouble)}")
        times = f"{seen.total()} times" if seen.total() > 1 else "once"
        words = f"was tried {times} with {memory} MiB, and its worker died: {trouble}"
        return _lost(parcel, words, trouble)


def _unsent() -> tuple[type[Exception], ...]:
    """Errors of connections that were never made, so that nothing has run."""
    from botocore import exceptions as boto  # noqa: PLC0415 - heavy

    return boto.ConnectTimeoutError, boto.EndpointConnectionError, boto.ProxyConnectionError


def _lost(parcel: Parcel, words: str, trouble: _Trouble) -> LostCallError:
    return LostCallError(f"the call of {parcel.name} {words}{_of(trouble)}")


def _of(trouble: _Trouble) -> str:
    return f" (request {trouble.request_id})" if trouble.request_id else ""


def _refusal(error: Exception, name: str) -> Exception:
    """What AWS's refusal to run a call means."""
    code = code_of(error)
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    explanation = explained(error, f"call the function {name}")
    if code == "ResourceNotFoundException":
        return _Trouble("gone", f"the function {name} was removed while it was used")
    if code in _BUSY or status == 429 or status >= 500:
        return _Trouble("busy", str(explanation))
    return explanation


def _failure(body: bytes, report: Report | None, request_id: str) -> Exception:
    """What it means that the function ended without an answer."""
    try:
        said: dict[str, Any] = json.loads(body)
    except ValueError:
        said = {}
    kind, words = str(said.get("errorType", "")), str(said.get("errorMessage", ""))
    words = words.partition("Error: ")[2] or words or kind or "no reason is given"
    full = report is not None and report.used_mb >= 0.95 * report.memory_mb
    if "Task timed out" in words:
        return _Trouble("late", words, request_id=request_id)
    if kind == "Runtime.OutOfMemory" or ("signal: killed" in words and full):
        return _Trouble("memory", words, request_id=request_id)
    if kind in _BROKEN:
        return _Trouble("broken", words, request_id=request_id)
    if kind == "Function.ResponseSizeTooLarge":
        return EngineError(
            f"an answer of more than {LIMIT / 1e6:.1f} MB needs a bucket: set bucket in [lambda], "
            "or run `fieldwren setup`"
        )
    return _Trouble("died", words, request_id=request_id)
