"""What PyWren promised, in our vocabulary; docs/reference/pywren.md is the table of it.

Every engine is held to it. What one of them cannot do is expected of it, see `lacks` in engines.py.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path

import numpy as np
import pytest

import fieldwren as fw
from fieldwren.engine.calls import with_environment
from fieldwren.errors import CallTimeoutError


def plus_one(x):
    return x + 1


def pywren_map(engine, function, data):
    """PyWren's ``map``: a future for each item."""
    return [engine.submit(function, item) for item in data]


# ---- call_async ----


def test_call_async(engine):
    assert engine.submit(np.sum, np.arange(10)).result() == 45


def test_call_async_with_an_exception(engine):
    def throw(words):
        raise ValueError(words)

    with pytest.raises(ValueError, match="throw me out"):
        engine.submit(throw, "throw me out").result()


def test_the_exception_here_is_that_of_the_function_there(engine):
    def divide(x):
        return x / 0

    future = engine.submit(divide, 1)
    with pytest.raises(ZeroDivisionError) as local:
        divide(1)
    assert type(future.exception()) is type(local.value)
    assert future.exception().args == local.value.args


def test_a_function_may_start_a_program(engine):
    def program(_):
        return subprocess.check_output(["/bin/echo", "wren"], text=True)

    assert engine.submit(program, None).result() == "wren\n"


def test_process_exit(engine):
    with pytest.raises(SystemExit):
        engine.submit(sys.exit, 7).result()
    assert engine.submit(plus_one, 1).result() == 2


def test_extra_env(engine):
    def read(name):
        import os  # noqa: PLC0415 - as a function that travels does

        return os.environ[name]

    future = engine.submit(with_environment, {"HELLO": "WORLD"}, read, "HELLO")
    assert future.result() == "WORLD"


def test_job_max_runtime(new_engine):
    with (
        new_engine(workers=1, timeout=1) as engine,
        pytest.raises(CallTimeoutError, match=r"longer than 1 s"),
    ):
        engine.submit(time.sleep, 15).result()


def test_big_arguments(engine):
    assert engine.submit(len, b"x" * 8_000_000).result() == 8_000_000


# ---- map, wait, results ----


def test_map_gives_a_future_for_each_item(engine):
    futures = pywren_map(engine, plus_one, np.arange(2))
    np.testing.assert_array_equal([f.result() for f in futures], np.arange(2) + 1)


def test_an_empty_map_has_no_futures(engine):
    assert pywren_map(engine, plus_one, []) == []
    assert fw.map(plus_one, [], engine=engine) == []


def test_get_all_results(engine):
    futures = pywren_map(engine, plus_one, range(2))
    assert [f.result() for f in futures] == [1, 2]
    assert fw.map(plus_one, range(2), engine=engine) == [1, 2]


def test_wait_all_may_be_repeated(engine):
    futures = pywren_map(engine, plus_one, range(2))
    for _ in range(2):
        done, not_done = wait(futures)
        assert (done, not_done) == (set(futures), set())


def test_wait_any(engine, engine_kind, gate):
    slow = engine.submit(gate.pass_through)
    gate.is_reached()
    quick = engine.submit(plus_one, 1)
    if engine_kind.can("run two at once"):
        done, not_done = wait([slow, quick], return_when=FIRST_COMPLETED)
        assert (done, not_done) == ({quick}, {slow})
    else:
        assert wait([slow, quick], timeout=1, return_when=FIRST_COMPLETED).done == set()
    gate.open()
    assert wait([slow, quick]).done == {slow, quick}


def test_wait_always_looks_and_returns(engine, gate):
    slow = engine.submit(gate.pass_through)
    start = time.monotonic()
    assert wait([slow], timeout=0).not_done == {slow}
    assert time.monotonic() - start < 1
    gate.open()
    wait([slow])


def test_wait_takes_futures_of_several_executors(engine, new_engine):
    with new_engine(workers=1) as other:
        futures = [engine.submit(plus_one, 1), other.submit(plus_one, 2)]
        assert {f.result() for f in wait(futures).done} == {2, 3}


def test_succeeded_and_errored(engine):
    fine, failed = engine.submit(plus_one, 1), engine.submit(plus_one, "x")
    wait([fine, failed])
    assert fine.done()
    assert fine.exception() is None
    assert failed.done()
    assert isinstance(failed.exception(), TypeError)


# ---- reduce, cancel ----


def test_reduce(engine):
    futures = pywren_map(engine, plus_one, range(2))
    assert engine.submit(sum, [f.result() for f in futures]).result() == 3


def test_cancel(new_engine, gate):
    with new_engine(workers=1) as engine:
        running = engine.submit(gate.pass_through, "done")
        gate.is_reached()
        queued = engine.submit(plus_one, 1)
        assert queued.cancel()
        assert queued.cancelled()
        assert not running.cancel()
        gate.open()
        assert running.result() == "done"


# ---- the user's own modules ----


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_modules_in_any_encoding(engine, encoding, tmp_path, monkeypatch):
    source = f"# -*- coding: {encoding} -*-\nWORD = 'Café'\n\ndef word(x):\n    return WORD + x\n"
    name = f"own_{encoding.replace('-', '_')}"
    Path(tmp_path / f"{name}.py").write_text(source, encoding=encoding)
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module(name)
    assert engine.submit(own.word, "!").result() == "Café!"
    del sys.modules[name]


# ---- pickling that fails ----


class FailsToLoad:
    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise RuntimeError("does not load")


def test_a_result_that_cannot_be_dumped_is_an_error(engine, engine_kind):
    future = engine.submit(lambda _: threading.Lock(), 0)
    refused = engine_kind.can("refuse what cannot be pickled")
    assert (future.exception() is not None) == refused


def test_a_result_that_cannot_be_loaded_is_an_error(engine, engine_kind):
    future = engine.submit(lambda _: FailsToLoad(), 0)
    if engine_kind.can("refuse what cannot be pickled"):
        with pytest.raises(RuntimeError, match="does not load"):
            future.result()
    else:
        assert isinstance(future.result(), FailsToLoad)
