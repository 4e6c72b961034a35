"""Every engine as tests use it: how it is made, and what it cannot do, with the reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from fieldwren.engine import executor


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One engine, or one way to use it."""

    engine: str
    options: dict = field(default_factory=dict)
    lacks: dict = field(default_factory=dict)
    """What it cannot do, by the name of the ability, and why."""
    here: bool = True
    """Whether it says that its workers are this machine's."""
    chunk: int = 1
    """Items in one call where there are many: what a call costs decides."""

    def can(self, ability):
        return ability not in self.lacks


KINDS = {
    "threads": Kind(
        engine="local",
        lacks={
            "lose a worker": "a thread does not die alone: its process does",
            "refuse what cannot be pickled": "threads share memory, nothing is pickled",
            "end a call that takes too long": "a thread cannot be ended, its result is dropped",
            "end what runs": "a thread cannot be ended",
        },
    ),
    "processes": Kind(engine="local", options={"processes": True}),
    "dask": Kind(
        engine="dask",
        lacks={
            "end a call that takes too long": "a worker's thread cannot be ended either",
            "end what runs": "a worker's thread cannot be ended",
        },
        chunk=50,
    ),
    "lithops": Kind(
        engine="lithops",
        options={"backend": "localhost", "timeout": 30, "patience": 30, "retries": 0},
        lacks={
            "run two at once": "on localhost Lithops runs one job after the other",
            "end what runs": "Lithops cannot cancel what it was given",
        },
        chunk=250,
    ),
    "lambda": Kind(
        engine="lambda",
        lacks={"end what runs": "AWS has no way to end an invocation"},
        here=False,
        chunk=10,
    ),
}


def quiet_environment():
    """The environment of worker processes that tests start."""
    paths = os.pathsep.join(p for p in sys.path if p)
    return {**os.environ, "PYTHONPATH": paths, "DASK_LOGGING__DISTRIBUTED": "critical"}


class DaskCluster:
    """A scheduler and workers, each a process started by its command."""

    def __init__(self, folder, workers=2):
        self.file = folder / "scheduler.json"
        self.processes = []
        self._start("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
        self.workers = [
            self._start("worker", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
            for _ in range(workers)
        ]

    def _start(self, role, *arguments):
        command = [sys.executable, "-m", "dask", role, *arguments]
        process = subprocess.Popen(
            [*command, "--scheduler-file", str(self.file)],
            env=quiet_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        while role == "scheduler" and not self.file.exists():
            assert process.poll() is None
            time.sleep(0.05)
        return process

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
        for process in self.processes:
            process.wait()


class Gate:
    """Has no other globals than what a worker has too: it travels by value."""

    def __init__(self, folder):
        self.file, self.started = folder / "open", folder / "started"

    def open(self):
        self.file.touch()

    def pass_through(self, answer=None):
        self.started.touch()
        until = time.monotonic() + 60
        while not self.file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        return answer

    def is_reached(self):
        until = time.monotonic() + 60
        while not self.started.exists():
            if time.monotonic() > until:
                raise TimeoutError(self.started)
            time.sleep(0.01)


SCRIPT = """\
import json, sys
import fieldwren as fw
name, options = json.loads(sys.argv[1])
engine = fw.executor(name, **options)
print(engine.submit(abs, -7).result(), *engine.map(abs, [-1]))
"""


def run_script_that_ends_nothing(name, options, folder):
    """Run a script that neither shuts down its executor nor leaves a block.

    Returns:
        What it printed, its complaints, and the processes that it has left.
    """
    (folder / "script.py").write_text(SCRIPT)
    mark = f"fieldwren-script-{folder.name}"
    done = subprocess.run(
        [sys.executable, str(folder / "script.py"), json.dumps([name, options])],
        env={**quiet_environment(), "FIELDWREN_MARK": mark},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    until = time.monotonic() + 10
    while (left := _marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    return done.stdout.split(), done.stderr, left


def _marked(mark):
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("FIELDWREN_MARK") == mark:
                found.append(process.cmdline())
    # Lithops removes its files in a process of its own, which ends when it has seen no more.
    return [command for command in found if "lithops.scripts.cleaner" not in command]


@contextmanager
def made(kind, places, **options):
    """A new executor of a kind; ``places`` holds what its workers need to be reached."""
    with executor(kind.engine, **kind.options | places | options) as engine:
        yield engine
