"""Engines: one suite for all, in the vocabulary of concurrent.futures."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    as_completed,
    wait,
)
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import fieldwren as fw
from engines import run_script_that_ends_nothing
from fieldwren.engine import ENGINES, executor
from fieldwren.engine.base import capacity
from fieldwren.engine.calls import with_environment
from fieldwren.engine.stream import stream
from fieldwren.errors import (
    CallTimeoutError,
    EngineError,
    LostCallError,
    MissingExtraError,
    OptionError,
)


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of the user's own, which is installed nowhere."""
    (tmp_path / "vineyard.py").write_text(
        "RATE = 3\n"
        "class VineError(Exception):\n"
        "    def __init__(self, *, row):\n"
        "        super().__init__(f'row {row}')\n"
        "        self.row = row\n"
        "def prune(x): return _half(x) * RATE\n"
        "def _half(x): return x / 2\n"
        "def fail(row): raise VineError(row=row)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("vineyard")
    del sys.modules["vineyard"]


# ---- results ----


def test_map_keeps_the_order(engine, engine_kind):
    squares = list(engine.map(lambda x: x * x, range(60), chunksize=max(20, engine_kind.chunk)))
    assert squares == [x * x for x in range(60)]


def test_map_takes_several_iterables_and_ends_with_the_shortest(engine):
    assert list(engine.map(pow, [2, 3], [5, 2, 9], chunksize=2)) == [32, 9]


def test_an_empty_map_is_empty(engine):
    assert list(engine.map(str, [])) == []
    assert list(engine.map(str, [], chunksize=5)) == []


def test_an_exception_in_a_map_comes_in_its_turn(engine):
    answers = engine.map(divmod, [6, 1], [3, 0])
    assert next(answers) == (2, 0)
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_a_chunk_has_an_item(engine):
    with pytest.raises(ValueError, match="chunksize must be 1 or more"):
        engine.map(str, [1], chunksize=0)


def test_a_thousand_tiny_calls(engine, engine_kind):
    answers = engine.map(lambda x: x + 1, range(1000), chunksize=engine_kind.chunk)
    assert list(answers) == list(range(1, 1001))


def test_closures_and_keyword_arguments_travel(engine):
    offset = {"value": 10}

    def shifted(x, *, times=1):
        return x * times + offset["value"]

    assert engine.submit(shifted, 2, times=3).result() == 16


def test_functions_of_the_users_own_module_travel(engine, own_module):
    assert engine.submit(own_module.prune, 4).result() == 6


def test_arrays_go_and_come(engine):
    pixels = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    answer = engine.submit(lambda p, w: (p * w, p.dtype.str), pixels, np.float32(2)).result()
    np.testing.assert_array_equal(answer[0], pixels * 2)
    assert answer[1] == "<f4"


def test_seven_mebibytes_go_and_come(engine):
    data = np.random.default_rng(1).bytes(7 * 2**20)
    assert engine.submit(lambda d: d[::-1], data).result() == data[::-1]


def test_large_data_bound_to_the_function_are_the_same_in_every_call(engine, engine_kind):
    table = np.arange(200_000)
    look_up = partial(lambda t, i: int(t[i]), table)
    assert list(engine.map(look_up, range(3), chunksize=engine_kind.chunk)) == [0, 1, 2]


def test_a_call_may_use_an_executor_of_its_own(engine):
    def nested(n):
        with executor("local", workers=2) as inner:
            return sum(inner.map(lambda x: x * x, range(n)))

    assert engine.submit(nested, 5).result() == 30


def test_environment_variables_go_with_a_call(engine):
    seen = engine.submit(with_environment, {"WREN_CALL": "yes"}, os.getenv, "WREN_CALL")
    assert seen.result() == "yes"
    assert engine.submit(os.getenv, "WREN_CALL").result() is None


# ---- failures ----


def test_an_exception_keeps_type_attributes_and_traceback(engine, own_module):
    with pytest.raises(own_module.VineError, match="row 7") as caught:
        engine.submit(own_module.fail, 7).result()
    assert caught.value.row == 7
    text = "".join(traceback.format_exception(caught.value))
    assert f'File "{own_module.__file__}", line 8, in fail' in text


def test_an_exception_that_cannot_be_pickled_is_told_in_words(engine):
    class LockedError(Exception):
        def __init__(self, words):
            super().__init__(words, threading.Lock())

    def fail():
        raise LockedError("the gate is shut")

    assert "the gate is shut" in str(engine.submit(fail).exception())


def test_a_result_that_cannot_be_pickled_is_an_error_of_its_call(engine, engine_kind):
    future = engine.submit(lambda: (x for x in range(3)))
    if engine_kind.can("refuse what cannot be pickled"):
        words = r"the result cannot be sent to another process: .*generator"
        with pytest.raises(EngineError, match=words):
            future.result()
    else:
        assert list(future.result()) == [0, 1, 2]


def test_an_argument_that_cannot_be_pickled_is_refused_at_once(engine, engine_kind):
    if engine_kind.can("refuse what cannot be pickled"):
        with pytest.raises(EngineError, match=r"str or an argument of it cannot be sent .*lock"):
            engine.submit(str, threading.Lock())
    else:
        assert "lock" in engine.submit(str, threading.Lock()).result()


def test_sys_exit_ends_its_call_and_no_other(engine):
    future = engine.submit(sys.exit, 3)
    with pytest.raises(SystemExit) as caught:
        future.result()
    assert caught.value.code == 3
    assert engine.submit(abs, -1).result() == 1


def test_a_worker_that_dies_costs_its_call_only(engine, engine_kind):
    if not engine_kind.can("lose a worker"):
        assert "thread" in engine_kind.lacks["lose a worker"]
        return
    futures = [engine.submit(f, x) for f, x in ((abs, -1), (os._exit, 9), (abs, -2), (abs, -3))]
    with pytest.raises(LostCallError, match="_exit"):
        futures[1].result(60)
    assert [f.result(60) for f in futures if f is not futures[1]] == [1, 2, 3]


def test_a_call_that_takes_too_long_ends(new_engine, engine_kind, tmp_path):
    def linger(seconds, file):
        file.with_suffix(".begun").touch()
        time.sleep(seconds)
        file.touch()

    file = tmp_path / "ended"
    with new_engine(workers=1, timeout=1) as engine:
        with pytest.raises(CallTimeoutError, match="longer than 1 s"):
            engine.submit(linger, 1.5, file).result(20)
        assert engine.submit(abs, -1).result(20) == 1
        assert file.with_suffix(".begun").exists()
        time.sleep(max(0, file.with_suffix(".begun").stat().st_mtime + 2 - time.time()))
        assert file.exists() != engine_kind.can("end a call that takes too long")


# ---- futures ----


def test_waiting_for_a_result_may_end_early(engine, gate):
    future = engine.submit(gate.pass_through, 5)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.05)
    gate.open()
    assert future.result() == 5


def test_map_may_end_early(engine, gate):
    answers = engine.map(gate.pass_through, [1], timeout=0.05)
    with pytest.raises(TimeoutError):
        next(answers)
    gate.open()


def test_as_completed_gives_what_is_ready(engine, engine_kind, gate):
    slow = engine.submit(gate.pass_through)
    gate.is_reached()
    quick = engine.submit(abs, -1)
    ready = as_completed([slow, quick])
    if engine_kind.can("run two at once"):
        assert next(ready) is quick
        gate.open()
        assert list(ready) == [slow]
    else:
        gate.open()
        assert set(ready) == {slow, quick}


def test_wait_for_all_for_the_first_and_for_an_exception(engine, gate):
    failing, fine = engine.submit(divmod, 1, 0), engine.submit(abs, -1)
    assert wait([failing, fine], return_when=ALL_COMPLETED).not_done == set()
    stuck = engine.submit(gate.pass_through)
    assert wait([fine, stuck], return_when=FIRST_COMPLETED).done == {fine}
    assert wait([failing, stuck], return_when=FIRST_EXCEPTION).done == {failing}
    assert wait([stuck], timeout=0).not_done == {stuck}
    gate.open()
    assert isinstance(failing.exception(), ZeroDivisionError)
    assert wait([stuck]).done == {stuck}


def test_a_queued_call_can_be_cancelled_and_never_runs(new_engine, gate, tmp_path):
    with new_engine(workers=1) as engine:
        first = engine.submit(gate.pass_through)
        gate.is_reached()
        second = engine.submit((tmp_path / "ran").touch)
        assert second.cancel()
        assert not first.cancel()
        gate.open()
    assert first.done()
    assert second.cancelled()
    assert not (tmp_path / "ran").exists()
    with pytest.raises(CancelledError):
        second.result()


def test_shutdown_can_cancel_what_is_queued(new_engine, gate):
    with new_engine(workers=1) as engine:
        first, *queued = [engine.submit(gate.pass_through, i) for i in range(4)]
        gate.is_reached()
        queued[-1].add_done_callback(lambda _: gate.open())
        engine.shutdown(cancel_futures=True)
        assert first.result() == 0
        assert all(f.cancelled() for f in queued)
        with pytest.raises(RuntimeError, match="after shutdown"):
            engine.submit(abs, 1)


@pytest.fixture
def interruptible():
    """A run in the background of a shell ignores Ctrl-C; this process does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("where", ["in the block", "at its end"])
def test_ctrl_c_cancels_what_is_queued_and_does_not_wait(
    new_engine, engine_kind, gate, where, caplog
):
    futures = []

    def interrupted():
        with new_engine(workers=1) as engine:
            futures.extend(engine.submit(gate.pass_through) for _ in range(2))
            gate.is_reached()
            futures.append(time.monotonic())
            if where == "in the block":
                raise KeyboardInterrupt
            main = threading.main_thread().ident
            threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT]).start()

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    running, queued, start = futures
    assert queued.cancelled()
    assert time.monotonic() - start < 5
    words = "interrupted: what was queued is cancelled; 1 call still runs"
    assert caplog.messages == ([] if engine_kind.can("end what runs") else [words])
    gate.open()
    assert wait([running], timeout=30).done


# ---- stream and map ----


def test_stream_yields_every_item_once_with_its_result(engine, engine_kind):
    items = range(100 if engine_kind.chunk == 1 else 6)
    found = {item: future.result() for item, future in stream(engine, str, items, ahead=7)}
    assert found == {x: str(x) for x in items}


def test_stopping_a_stream_cancels_what_is_queued(new_engine, tmp_path):
    def note(x):
        (tmp_path / str(x)).touch()
        time.sleep(0.05)

    with new_engine(workers=1) as engine:
        for _ in stream(engine, note, range(60), ahead=50):
            break
    assert len(list(tmp_path.iterdir())) < 20


def test_stream_runs_a_bounded_number_ahead():
    started = []

    def note(x):
        started.append(x)
        return x

    with executor("local", workers=2) as engine:
        for seen, _ in enumerate(stream(engine, note, range(40), ahead=4), start=1):
            assert len(started) <= seen + 4


def test_map_tells_how_far_it_has_come(engine):
    events = []
    assert fw.map(abs, [-1, -2, -3], engine=engine, progress=events.append) == [1, 2, 3]
    assert [(e.done, e.total) for e in events] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_map_makes_and_ends_an_engine_by_name():
    assert fw.map(lambda x: 2 * x, range(3), engine="local", workers=2) == [0, 2, 4]


def test_the_first_exception_ends_a_map():
    ran = []

    def work(x):
        ran.append(x)
        time.sleep(0.02)
        raise ValueError(x)

    with pytest.raises(ValueError, match=r"0"):
        fw.map(work, range(100), engine="local", workers=1)
    assert len(ran) < 50


# ---- making one ----


def test_an_engine_says_how_much_it_does_at_once(engine, engine_kind):
    found = capacity(engine)
    assert (found.calls, found.here) == (2, engine_kind.here)


def test_an_unknown_engine_is_refused():
    with pytest.raises(OptionError, match="unknown engine 'warp'"):
        executor("warp")


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_an_unknown_option_is_refused_with_its_neighbour(name):
    with pytest.raises(OptionError, match=rf"'worker' of the {name} engine; did you mean workers?"):
        executor(name, worker=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": "many"}, "local workers must be a whole number, not 'many'"),
        ({"workers": 2.7}, "local workers must be a whole number, not 2.7"),
        ({"workers": True}, "local workers must be a whole number, not True"),
        ({"workers": -1}, "local workers must not be negative"),
        ({"timeout": "inf"}, "local timeout must not be negative or endless"),
        ({"processes": "perhaps"}, "local processes must be true or false"),
        ({"retries": 1}, "retries needs processes"),
    ],
)
def test_values_that_do_not_fit_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        executor("local", **options)


@pytest.mark.parametrize("name", [None, ["local"], "Dask"])
def test_what_is_no_engine_is_told_with_those_that_are(name):
    with pytest.raises(OptionError, match="choose one of local, lambda, dask, lithops"):
        executor(name)


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("dask", "distributed", "dask"),
        ("lithops", "lithops", "lithops"),
        ("lambda", "boto3", "aws"),
    ],
)
def test_a_library_that_is_missing_is_named_by_its_extra(name, library, extra, monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    given = {"bucket": "some-bucket", "region": "us-east-1"} if name == "lambda" else {}
    with pytest.raises(MissingExtraError, match=rf'pip install "fieldwren\[{extra}\]"'):
        executor(name, **given)


def test_options_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("FIELDWREN_LOCAL_PROCESSES", "true")
    monkeypatch.setenv("FIELDWREN_LOCAL_WORKERS", "1")
    with executor("local") as engine:
        assert engine.submit(os.getpid).result() != os.getpid()
        assert capacity(engine).calls == 1


def test_processes_work_in_a_script_without_a_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import fieldwren as fw\n"
        "def f(x): return x + 1\n"
        "with fw.executor('local', processes=True, workers=1) as e: print(*e.map(f, [1, 2]))\n"
    )
    path = str(Path(fw.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2", "3"]
    assert done.stderr == ""


def test_a_script_that_ends_nothing_ends_by_itself(engine_kind, engine_options, tmp_path):
    options = engine_kind.options | engine_options | {"workers": 2}
    told = run_script_that_ends_nothing(engine_kind.engine, options, tmp_path)
    assert told == (["7", "1"], "", [])
