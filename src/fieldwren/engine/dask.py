"""The engine on a Dask cluster of any kind, by the address of its scheduler, or on a local one.

Where a call runs and where its data lie is Dask's business. A worker that dies is Dask's too: it
runs the calls of that worker elsewhere, and gives up one that has killed several workers (the
scheduler's ``allowed-failures``, 3), which ends as LostCallError.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fieldwren.engine.base import Capacity, RemoteCalls
from fieldwren.engine.calls import within
from fieldwren.engine.local import default_workers
from fieldwren.engine.pickling import dumps, run_call
from fieldwren.errors import EngineError, LostCallError, MissingExtraError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DaskCalls", "dask_executor", "mismatches"]

_ALIKE: Final = {"python": 2, "distributed": 2, "dask": 2, "cloudpickle": 1, "numpy": 1}
"""Leading parts of a version that must be the same for what travels to be understood."""
_UNKNOWN_SIZE: Final = 100
"""Calls in flight on a cluster that has no worker yet."""
_LOOK: Final = 2.0
"""Seconds after which a call that waits looks whether there is a scheduler."""
_LARGE: Final = 64 * 2**10
"""Bytes of a function with its bound data from which on the calls of a map share them."""


def dask_executor(
    *,
    scheduler: Any = "",
    workers: int = 0,
    min_workers: int = 1,
    patience: float = 60.0,
    timeout: float = 0,
    tls_ca_file: str = "",
    tls_client_cert: str = "",
    tls_client_key: str = "",
) -> DaskCalls:
    """An executor on a Dask cluster.

    Args:
        scheduler: address such as ``tcp://10.0.0.1:8786``, path of a scheduler file (``.json``), a
            cluster object or a Client; "" starts a cluster of this machine that ends with the
            executor.
        workers: calls in flight at the same time; 0: as many as the cluster has threads. Of a
            local cluster: its worker processes; 0: one per core.
        min_workers: workers to wait for; 0 for a cluster that grows with its work, whose
            ``workers`` should then be given.
        patience: seconds to wait for scheduler and workers.
        timeout: seconds after which a call ends with CallTimeoutError; its thread on the worker
            goes on and its result is dropped. 0: never.
        tls_ca_file: certificate of the authority, for addresses that start with ``tls://``.
        tls_client_cert: certificate of the client.
        tls_client_key: key of the client.

    Raises:
        MissingExtraError: distributed is not installed.
        EngineError: the scheduler cannot be reached, has too few workers, or versions that differ.
    """
    security = _security(tls_ca_file, tls_client_cert, tls_client_key)
    with ExitStack() as opened:  # closes it all where one of these lines fails
        if not scheduler:
            cluster = _LocalCluster(workers or default_workers())
            opened.callback(cluster.close)
            scheduler, min_workers = cluster.address, cluster.workers
        client = _connected(scheduler, patience, security)
        if client is not scheduler:
            opened.callback(client.close)
        _check(client, min_workers, patience)
        calls = DaskCalls(client, workers=workers, timeout=timeout)
        calls.owned = opened.pop_all()
        return calls


def _distributed() -> Any:
    """The library, which is heavy.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import distributed  # noqa: PLC0415 - heavy, optional
    except ImportError:
        raise MissingExtraError("--engine dask", "dask") from None
    return distributed


class DaskCalls(RemoteCalls):
    """Calls on the workers of a Dask cluster.

    Args:
        client: a connected ``distributed.Client``.
        workers: calls in flight at the same time; 0: as many as the cluster has threads.
        timeout: seconds after which a call ends with CallTimeoutError; 0: never.

    Attributes:
        owned: what is closed with the last call.
    """

    def __init__(self, client: Any, *, workers: int = 0, timeout: float = 0) -> None:
        threads: Counter[str] = Counter()
        for worker in client.scheduler_info(n_workers=-1)["workers"].values():
            threads[worker["host"]] += worker["nthreads"]
        calls = workers or threads.total() or _UNKNOWN_SIZE
        # Dask is sent twice what it can run, so that no worker waits for its next call.
        super().__init__(workers or 2 * calls, timeout=timeout)
        self.capacity = Capacity(
            calls=calls,
            per_machine=max(threads.values(), default=1),
            here=bool(threads) and all(_is_loopback(host) for host in threads),
        )
        self.owned = ExitStack()
        self._client = client
        self._address = client.scheduler.address
        self._flying: set[Any] = set()
        self._lock = threading.Lock()

    def shared(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """The function as ``map`` submits it; a large one is sent to the cluster once."""
        data = dumps(partial(within, self._timeout, fn) if self._timeout else fn)
        if len(data) < _LARGE:
            return fn
        future = self._client.submit(_itself, data, pure=False)
        made: Any = _Shared(getattr(fn, "__qualname__", type(fn).__qualname__), future)
        return made  # pack knows it; it is never called

    def pack(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        """The arguments of ``run_call``."""
        if isinstance(fn, _Shared):
            return dumps((None, args, kwargs)), fn.future
        return (super().pack(fn, args, kwargs),)

    def send(self, call: tuple[Any, ...], name: str) -> bytes:
        """Have the call run by a worker."""
        dask = _distributed()
        try:
            future = self._client.submit(run_call, *call, pure=False)
            with self._lock:
                self._flying.add(future)
            try:
                self._wait(future)
                return future.result()
            finally:
                with self._lock:
                    self._flying.discard(future)
        except dask.KilledWorker as error:
            workers = f"{error.allowed_failures + 1} Dask workers died while they ran it"
            raise LostCallError(f"{name} gave no answer: {workers}") from error
        except (dask.CancelledError, dask.client.ClosedClientError) as error:
            self._refuse_without_scheduler()
            raise LostCallError(f"{name} gave no answer: Dask cancelled it ({error})") from error

    def _wait(self, future: Any) -> None:
        """Wait until a call has ended; without a scheduler Dask would wait for ever."""
        ended = threading.Event()

        def end(_: object) -> None:
            ended.set()

        future.add_done_callback(end)
        while not ended.wait(_LOOK):
            self._refuse_without_scheduler()

    def _refuse_without_scheduler(self) -> None:
        """Wait while Dask seeks a scheduler that it has lost.

        Raises:
            EngineError: it has given up, so that no call will ever end.
        """
        while self._client.status == "connecting":
            time.sleep(0.1)
        if self._client.status != "running":
            raise EngineError(
                f"the Dask scheduler at {self._address} is gone: start it and its workers again, "
                "and run the same command; what is done is kept"
            )

    def close(self) -> None:
        """End client and local cluster, where they are this executor's own."""
        self.owned.close()

    def abandon(self) -> None:
        """Have Dask cancel what it has not started; what runs, runs to its end there."""
        with self._lock:
            flying = list(self._flying)
        with suppress(RuntimeError):  # the client is closed already, and its calls with it
            self._client.cancel(flying, force=True)


class _Shared:
    """A function that lies in the cluster.

    Args:
        name: of the function.
        future: Dask's, of its bytes.
    """

    def __init__(self, name: str, future: Any) -> None:
        self.__qualname__ = name
        self.future = future


def _itself(data: bytes) -> bytes:
    """A task that gives data: Dask moves them between workers, and makes them anew if lost."""
    return data


class _LocalCluster:
    """A scheduler in this process and worker processes started by ``dask worker``.

    Unlike ``distributed.LocalCluster`` the workers do not import the caller's main module, so a
    script needs no ``if __name__ == "__main__"``.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._cluster = _distributed().LocalCluster(
            n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
        )
        self.address: str = self._cluster.scheduler_address
        command = (
            f"{self.address} --nworkers {workers} --nthreads 1 --host 127.0.0.1 --no-dashboard"
        )
        self._process = subprocess.Popen(  # noqa: S603 - of this interpreter
            [sys.executable, "-m", "distributed.cli.dask_worker", *command.split()],
            env={
                "DASK_LOGGING__DISTRIBUTED": "critical",
                **os.environ,
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            },
        )

    def close(self) -> None:
        """End workers and scheduler."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._cluster.close()


def _connected(scheduler: Any, patience: float, security: Any) -> Any:
    """A client of the scheduler."""
    distributed = _distributed()
    if isinstance(scheduler, distributed.Client):
        return scheduler
    where: dict[str, Any] = {"address": scheduler}
    if isinstance(scheduler, str) and scheduler.endswith(".json"):
        where = {"scheduler_file": _awaited(scheduler, patience)}
    for name in ("distributed.client", "distributed.batched"):  # their news come as our errors
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return distributed.Client(
            **where, timeout=patience, security=security, set_as_default=False, name="fieldwren"
        )
    except TypeError as error:
        words = f"dask scheduler must be an address, a cluster or a Client, not {scheduler!r}"
        raise OptionError(words) from error
    except (OSError, TimeoutError, ValueError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {scheduler} ({type(error).__name__}): check [dask] "
            "scheduler, and that the port is open"
        ) from error


def _awaited(file: str, patience: float) -> str:
    """A scheduler file; one that is not there yet is waited for, which Dask would do for ever."""
    until = time.monotonic() + patience
    while not os.path.exists(file):  # noqa: PTH110 - text from the configuration
        if time.monotonic() > until:
            raise EngineError(f"there is no Dask scheduler file {file} after {patience:g} s")
        time.sleep(0.05)
    return file


def _security(*files: str) -> Any:
    """The certificates of a cluster that wants TLS; None where none is given."""
    security = _distributed().Security
    names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
    given = {name: file for name, file in zip(names, files, strict=True) if file}
    for name, file in given.items():
        if not os.path.exists(file):  # noqa: PTH110 - text from the configuration
            raise OptionError(f"dask {name}: there is no file {file}")
    return security(**given, require_encryption=True) if given else None


def _check(client: Any, workers: int, patience: float) -> None:
    """Wait for workers, and refuse versions that do not fit."""
    try:
        if workers:
            client.wait_for_workers(workers, timeout=patience)
    except TimeoutError as error:
        there = len(client.scheduler_info(n_workers=-1)["workers"])
        raise EngineError(
            f"the Dask scheduler has {there} workers, not {workers}, after {patience:g} s: start "
            "workers, or give [dask] min_workers = 0 where they come with the work"
        ) from error
    versions = client.get_versions(packages=["fieldwren"])
    problems = mismatches(
        versions["client"]["packages"],
        {name: facts["packages"] for name, facts in versions["workers"].items()},
    )
    if problems:
        raise EngineError(f"Dask workers do not fit this installation: {'; '.join(problems)}")


def mismatches(
    here: Mapping[str, str | None], workers: Mapping[str, Mapping[str, str | None]]
) -> list[str]:
    """What differs between this installation and the workers, and breaks what travels.

    Args:
        here: versions by package.
        workers: the same by worker.
    """
    found: dict[str, str] = {}
    for address, there in workers.items():
        for package, parts in {**_ALIKE, "fieldwren": 2}.items():
            ours, theirs = here.get(package), there.get(package)
            if package == "fieldwren" and not theirs:
                found.setdefault(package, f"fieldwren is not installed on {address}")
            elif ours and theirs and ours.split(".")[:parts] != theirs.split(".")[:parts]:
                words = f"{package} is {ours} here and {theirs} on {address}"
                found.setdefault(package, words)
    return list(found.values())


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in {"::1", "localhost", ""}
