"""Worker processes of this machine, each with one call at a time; one that dies costs its call.

Workers are started as a module of their own, not forked and without the caller's main module: a
script needs no ``if __name__ == "__main__"``, and threads and locks are not copied.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Any, Final

from fieldwren.engine.base import Capacity, RemoteCalls
from fieldwren.engine.pickling import dumps
from fieldwren.errors import CallTimeoutError, LostCallError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Processes"]

_THREADS_OF_LIBRARIES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_GRACE: Final = 5.0
"""Seconds an idle worker has to end."""


class Processes(RemoteCalls):
    """Worker processes, for functions that hold the interpreter's lock.

    Args:
        workers: processes.
        cores: of this machine; what libraries such as BLAS use is divided among the workers.
        timeout: seconds after which a call's worker is ended, and the call with CallTimeoutError.
        retries: how often a call is tried again whose worker died.
    """

    ends_calls = True

    def __init__(self, workers: int, *, cores: int, timeout: float = 0, retries: int = 1) -> None:
        super().__init__(workers, timeout=timeout)
        self.capacity = Capacity(calls=workers, per_machine=workers, here=True)
        self._retries = retries
        self._threads_each = str(max(1, cores // workers))
        self._of_thread = threading.local()
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._abandoned = False

    def pack(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> bytes:
        """The call as it is: a worker that takes too long is ended from here."""
        return dumps((fn, args, kwargs))

    def send(self, call: bytes, name: str) -> bytes:
        """Have the call run by this thread's worker."""
        status: int | None = None
        for _ in range(self._retries + 1):
            worker = self._worker()
            try:
                answer = worker.ask(call, self._timeout or None)
            except (EOFError, OSError):
                status = self._dismiss(worker)
                if self._abandoned:
                    break
                continue
            if answer is None:
                self._dismiss(worker)
                words = f"{name} took longer than {self._timeout:g} s; its worker was ended"
                raise CallTimeoutError(words)
            return answer
        raise LostCallError(f"{name} gave no answer: its worker process {_how(status)}")

    def close(self) -> None:
        """End the workers."""
        with self._lock:
            ending, self._all = self._all, set()
        for worker in ending:
            worker.pipe.close()
        for worker in ending:
            worker.end()

    def abandon(self) -> None:
        """End the workers and their calls."""
        self._abandoned = True
        with self._lock:
            for worker in self._all:
                worker.process.kill()

    def _worker(self) -> _Worker:
        """This thread's worker, started where there is none."""
        worker = getattr(self._of_thread, "worker", None)
        if worker is None or worker.process.poll() is not None:
            if worker is not None:
                self._dismiss(worker)
            worker = self._of_thread.worker = _Worker(self._threads_each)
            with self._lock:
                self._all.add(worker)
                if self._abandoned:
                    worker.process.kill()
        return worker

    def _dismiss(self, worker: _Worker) -> int:
        self._of_thread.worker = None
        with self._lock:
            self._all.discard(worker)
        worker.process.kill()
        return worker.end()


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, threads_each: str) -> None:
        self.pipe, theirs = Pipe()
        paths = os.pathsep.join(p for p in sys.path if p)
        threads = dict.fromkeys(_THREADS_OF_LIBRARIES, threads_each)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "fieldwren.engine.process_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**threads, **os.environ, "PYTHONPATH": paths},
            )

    def ask(self, data: bytes, timeout: float | None) -> bytes | None:
        """The answer to a call; None where there is none in time."""
        self.pipe.send_bytes(data)
        return self.pipe.recv_bytes() if self.pipe.poll(timeout) else None

    def end(self) -> int:
        """Wait for its end, force it where it lingers; the exit status."""
        self.pipe.close()
        try:
            return self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _how(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None or status >= 0:
        return f"ended with exit status {status}"
    return f"was ended by signal {-status}"
