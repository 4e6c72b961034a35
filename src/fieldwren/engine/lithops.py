"""The engine on other clouds (Google, Azure, Kubernetes, EC2 ...) by way of Lithops.

Lithops starts a call by a message and learns of its end from an object in storage, so a call whose
message or machine is lost never ends by itself. Here a thread waits for each call, for so long and
no longer: what gives no answer is tried again and then ends as LostCallError.

Lithops sends its whole configuration with every call: keys in it would travel, so AWS keys are
refused there. Let client and function use the default chain and a role instead.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from fieldwren.engine.base import Capacity, RemoteCalls
from fieldwren.engine.calls import beside, within
from fieldwren.engine.pickling import run_call
from fieldwren.errors import (
    CallTimeoutError,
    EngineError,
    LostCallError,
    MissingExtraError,
    OptionError,
)

__all__ = ["LithopsCalls", "lithops_executor"]

_WORKERS: Final = 100
"""Calls in flight on a cloud where none are asked for."""
_GRACE: Final = 1.0
"""Seconds to end Lithops after a call was lost."""
_SESSION: Final = ("__LITHOPS_SESSION_ID", "__LITHOPS_TOTAL_EXECUTORS")
"""What Lithops exports: a process started from here would number its executors as this one goes on
to, and each would be given results of the other."""
_SECRETS: Final = ("access_key_id", "secret_access_key", "session_token")


def lithops_executor(
    *,
    backend: str = "",
    config: Any = "",
    workers: int = 0,
    timeout: float = 600.0,
    patience: float = 120.0,
    retries: int = 1,
) -> LithopsCalls:
    """An executor on a backend of Lithops.

    Args:
        backend: as Lithops names it (``gcp_cloudrun``, ``k8s``, ``aws_ec2``, ``localhost`` ...);
            "": the one of its configuration, and localhost where there is none.
        config: path of its configuration file, or the configuration itself; "": where Lithops
            looks for it, such as ``~/.lithops/config``.
        workers: calls in flight at the same time; 0: 100, and 1 on localhost, where Lithops runs
            one after the other.
        timeout: seconds after which a call ends with CallTimeoutError.
        patience: seconds that a call may wait for its machine, before it and beside ``timeout``;
            a call without answer after both is tried again.
        retries: how often a call without answer is tried again before it ends with LostCallError.

    Raises:
        MissingExtraError: Lithops is not installed.
        OptionError: ``timeout`` is 0, the file is not there, or holds AWS keys.
        EngineError: Lithops refuses its configuration.
    """
    if not timeout:
        raise OptionError("lithops timeout must be more than 0: a lost call would never end")
    settings = _settings(config, backend)
    local = settings["lithops"].get("backend") == "localhost"
    calls = workers or (1 if local else _WORKERS)
    return LithopsCalls(
        _started(settings, patience=patience, longest=timeout + patience),
        capacity=Capacity(calls=calls, per_machine=calls if local else 1, here=local),
        timeout=timeout,
        patience=patience,
        retries=retries,
    )


def _started(settings: dict[str, Any], *, patience: float, longest: float) -> Any:
    """The executor of Lithops itself, whose calls end after the longest time."""
    logging.getLogger("lithops").addHandler(logging.NullHandler())  # else it writes to the screen
    try:
        from lithops.concurrent.futures import FunctionExecutor  # noqa: PLC0415 - optional

        inner = within(
            patience,
            FunctionExecutor,
            config=settings,
            log_level=None,
            exclude_modules=["fieldwren"],  # the runtime has it
            execution_timeout=math.ceil(longest),
        )
    except CallTimeoutError as error:
        raise EngineError(f"Lithops has not started after {patience:g} s") from error
    except Exception as error:  # Lithops raises plain Exceptions, its backends those of any cloud
        name = settings["lithops"].get("backend", "")
        raise EngineError(f"Lithops cannot use its backend {name}: {error}") from error
    for variable in _SESSION:
        os.environ.pop(variable, None)
    return inner


class LithopsCalls(RemoteCalls):
    """Calls that Lithops sends, each waited for by a thread of ours that gives up in time.

    Args:
        inner: a Lithops executor that speaks concurrent.futures.
        capacity: calls in flight, and where.
        timeout: seconds after which a call ends with CallTimeoutError.
        patience: seconds beside these that an answer may take.
        retries: how often a call without answer is tried again.
    """

    def __init__(
        self, inner: Any, *, capacity: Capacity, timeout: float, patience: float, retries: int
    ) -> None:
        super().__init__(capacity.calls, timeout=timeout)
        self.capacity = capacity
        self._inner = inner
        # On localhost a call waits for those that were given to Lithops before it.
        self._longest = patience + timeout * (capacity.calls if capacity.here else 1)
        self._retries = retries
        self._given_up = False
        self._stopped: Future[None] = Future()

    def send(self, call: bytes, name: str) -> bytes:
        """Have Lithops run the call."""
        why = ""
        for _ in range(self._retries + 1):
            # Starting a call may hang as well as waiting for it.
            answer = beside(self._ask, call)
            wait((answer, self._stopped), self._longest, return_when=FIRST_COMPLETED)
            if not answer.done():
                self._given_up = True
                why = f"nothing came from Lithops within {self._longest:g} s"
            elif not (lost := answer.exception()):
                return answer.result()
            else:
                why = str(lost)
            if self._stopped.done():
                why = "it was interrupted"
                break
        raise LostCallError(f"{name} gave no answer: {why}")

    def _ask(self, call: bytes) -> bytes:
        try:
            return self._inner.submit(run_call, call).result()
        except Exception as error:  # any library of any cloud; the call's own are in its answer
            raise LostCallError(f"Lithops: {type(error).__name__}: {error}") from error

    def abandon(self) -> None:
        """Wait for no answer any more: Ctrl-C may have ended who would give it."""
        with suppress(InvalidStateError):
            self._stopped.set_result(None)

    def close(self) -> None:
        """End Lithops, which would wait for calls that are lost."""
        if not self._given_up:
            self._inner.shutdown(wait=True)
            return
        with suppress(CallTimeoutError):  # it may wait for a backend that it does not reach
            within(_GRACE, self._inner.shutdown, wait=False)


def _settings(config: Any, backend: str) -> dict[str, Any]:
    """The configuration of Lithops, with what localhost needs."""
    try:
        from lithops.config import load_config  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("--engine lithops", "lithops") from None
    if isinstance(config, str) and config and not Path(config).expanduser().is_file():
        raise OptionError(f"lithops config: there is no file {config}")
    known: Any = load_config(config or None, log=False) if isinstance(config, str) else config
    try:
        settings: dict[str, Any] = {name: dict(table or {}) for name, table in known.items()}
    except (AttributeError, TypeError, ValueError):
        raise OptionError("lithops config must be the path of a file, or tables by name") from None
    general = settings.setdefault("lithops", {})
    if backend:
        general["backend"] = backend
    general.setdefault("data_limit", False)  # a call's data travel through the storage
    if general.get("backend") == "localhost":
        general.setdefault("storage", "localhost")
        general.setdefault("monitoring_interval", 0.2)
        here = settings.setdefault("localhost", {})
        here.setdefault("runtime", sys.executable)
        here.setdefault("version", 1)  # version 2 takes minutes for a thousand calls
    aws = [table for name, table in settings.items() if name.startswith("aws")]  # aws_s3 ... too
    held = sorted(set(_SECRETS) & {n for table in aws for n, v in table.items() if v})
    if held:
        raise OptionError(
            f"the configuration of Lithops holds {' and '.join(held)}, which would travel with "
            "every call: remove them there and set AWS_PROFILE instead"
        )
    return settings
