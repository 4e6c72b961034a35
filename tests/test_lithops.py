"""The Lithops engine: calls that get lost end, keys do not travel, a run on its localhost."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pandas as pd
import pytest
from lithops.localhost.v1.localhost import LocalhostHandlerV1

import fieldwren as fw
from engines import run_script_that_ends_nothing
from fake_archive import field, write_archive
from fieldwren.engine.base import Capacity
from fieldwren.engine.lithops import LithopsCalls
from fieldwren.errors import CallTimeoutError, EngineError, LostCallError, OptionError

HERE = Capacity(calls=2, per_machine=2, here=True)
THERE = Capacity(calls=2, per_machine=1, here=False)


class Lithops:
    """Stands for the executor of Lithops, with its faults."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.waited = None

    def submit(self, function, call):
        fault = self.faults.pop(0) if self.faults else "none"
        if fault == "invoke hangs":
            threading.Event().wait(30)
        answer = Future()
        if fault == "event lost":
            return answer  # nobody will ever set it
        if fault == "process died":
            answer.set_exception(RuntimeError("exited with code 9"))
        else:
            answer.set_result(function(call))
        return answer

    def shutdown(self, *, wait):
        self.waited = wait


def calls(*faults, timeout=0.2, retries=1):
    inner = Lithops(*faults)
    return inner, LithopsCalls(
        inner, capacity=THERE, timeout=timeout, patience=0.2, retries=retries
    )


@pytest.mark.parametrize("fault", ["event lost", "invoke hangs", "process died"])
def test_a_call_that_is_lost_once_is_tried_again(fault):
    _, engine = calls(fault)
    with engine:
        assert engine.submit(abs, -2).result(timeout=5) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("event lost", "abs gave no answer: nothing came from Lithops within 0.4 s"),
        ("invoke hangs", "abs gave no answer: nothing came from Lithops within 0.4 s"),
        ("process died", "abs gave no answer: Lithops: RuntimeError: exited with code 9"),
    ],
)
def test_a_call_that_stays_lost_ends(fault, words):
    inner, engine = calls(fault, fault)
    start = time.monotonic()
    with engine:
        lost = engine.submit(abs, -2)
        assert str(lost.exception(timeout=5)) == words
        assert isinstance(lost.exception(), LostCallError)
        assert engine.submit(abs, -3).result(timeout=5) == 3
    assert time.monotonic() - start < 5
    assert inner.waited == (fault == "process died")  # Lithops would wait for lost calls


def test_after_ctrl_c_no_answer_is_waited_for():
    inner, engine = calls("event lost", timeout=60)
    start = time.monotonic()

    def interrupted():
        with engine:
            lost = engine.submit(abs, -2)
            while not lost.running():
                time.sleep(0.01)
            calls_made.append(lost)
            raise KeyboardInterrupt

    calls_made = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert str(calls_made[0].exception(timeout=5)) == "abs gave no answer: it was interrupted"
    assert time.monotonic() - start < 5
    while inner.waited is None:
        time.sleep(0.01)
    assert inner.waited is False


def test_a_call_that_takes_too_long_is_not_tried_again():
    inner, engine = calls("none", "process died")
    with engine, pytest.raises(CallTimeoutError, match=r"longer than 0.2 s"):
        engine.submit(time.sleep, 0.3).result(timeout=5)
    assert inner.faults == ["process died"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": 0}, "timeout must be more than 0"),
        ({"config": "/no/such/config"}, "there is no file /no/such/config"),
        ({"config": 5}, "config must be the path of a file, or tables by name"),
        ({"config": {"lithops": 3}}, "config must be the path of a file, or tables by name"),
        ({"backend": 7}, "lithops backend must be text, not 7"),
        (
            {"config": {"aws": {"access_key_id": "A", "secret_access_key": "TOPSECRET"}}},
            "holds access_key_id and secret_access_key, which would travel",
        ),
        (
            {"config": {"aws_s3": {"session_token": "TOPSECRET"}}},
            "holds session_token, which would travel",
        ),
    ],
)
def test_settings_that_would_harm_are_refused(options, words):
    with pytest.raises(OptionError, match=words) as caught:
        fw.executor("lithops", **options)
    assert "TOPSECRET" not in str(caught.value)


def test_a_backend_that_does_not_exist_is_told():
    with pytest.raises(EngineError, match="Lithops cannot use its backend warp"):
        fw.executor("lithops", config={"lithops": {"backend": "warp", "storage": "localhost"}})


# ---- the faults of Lithops itself, on its localhost ----


def machine(folder, *, fault=""):
    """What runs a job on localhost: a script that may fail before it becomes Python."""
    file = folder / "python"
    file.write_text(f'#!/bin/sh\n{fault}\nexec {sys.executable} "$@"\n')
    file.chmod(0o755)
    return file


def on_localhost(runtime, **options):
    config = {"lithops": {"backend": "localhost"}, "localhost": {"runtime": str(runtime)}}
    return fw.executor("lithops", config=config, **options)


SHORT = {"timeout": 0.2, "patience": 1.5, "retries": 0}
NOTHING_CAME = "gave no answer: nothing came from Lithops within 1.7 s"


def test_a_machine_that_dies_as_it_starts_is_started_again(tmp_path):
    once = tmp_path / "once"
    once.touch()
    file = machine(tmp_path, fault=f'[ "$2" = run_job ] && rm {once} 2>/dev/null && exit 1')
    with on_localhost(file, timeout=1, patience=2) as engine:
        assert engine.submit(abs, -2).result(timeout=30) == 2
    assert not once.exists()


def test_a_message_that_is_lost_is_sent_again(tmp_path, monkeypatch):
    real, lost = LocalhostHandlerV1.invoke, []

    def invoke(handler, payload):  # as a backend does that refuses with status 429
        if lost:
            real(handler, payload)
        lost.append(payload)

    monkeypatch.setattr(LocalhostHandlerV1, "invoke", invoke)
    with on_localhost(machine(tmp_path), timeout=1, patience=2) as engine:
        assert engine.submit(abs, -2).result(timeout=30) == 2
    assert len(lost) == 2


def test_a_backend_that_is_not_reached_does_not_hang(monkeypatch):
    reached = threading.Event()
    monkeypatch.setattr(LocalhostHandlerV1, "invoke", lambda *_: reached.wait(30))
    with on_localhost(sys.executable, **SHORT) as engine:
        assert NOTHING_CAME in str(engine.submit(abs, -2).exception(timeout=30))
    reached.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_function_that_was_deleted_elsewhere_does_not_hang(tmp_path):
    file = machine(tmp_path)
    with on_localhost(file) as engine:
        assert engine.submit(abs, -2).result(timeout=30) == 2
    file.unlink()  # Lithops has noted that it is there
    with on_localhost(file, **SHORT) as engine:
        assert NOTHING_CAME in str(engine.submit(abs, -2).exception(timeout=30))


def test_a_process_that_is_started_from_here_shares_no_results(tmp_path):
    with on_localhost(sys.executable) as engine:
        assert engine.submit(abs, -1).result(timeout=30) == 1
        run_script_that_ends_nothing("lithops", {"backend": "localhost"}, tmp_path)
        with on_localhost(sys.executable) as other:
            assert other.submit(abs, -2).result(timeout=30) == 2  # not the 7 of the script


def test_calls_that_wait_for_each_other_are_not_lost():
    inner = Lithops()
    one_by_one = ThreadPoolExecutor(1)
    inner.submit = one_by_one.submit
    engine = LithopsCalls(inner, capacity=HERE, timeout=0.5, patience=0.2, retries=0)
    with engine, one_by_one:
        assert list(engine.map(time.sleep, [0.4, 0.4])) == [None, None]


def test_a_run_on_its_localhost_gives_the_identical_table(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDWREN_LITHOPS_BACKEND", "localhost")
    archive = str(write_archive(tmp_path / "a", scenes=6))
    places = [field("north"), field("south", row=40)]
    here = fw.observe(places, archive=archive)
    there = fw.observe(places, archive=archive, engine="lithops", workers=1)
    pd.testing.assert_frame_equal(there.table, here.table)
