"""Calls that travel: what goes by value, what comes back, what is shown of an exception."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import traceback
from functools import partial

import numpy as np
import pytest

from fieldwren.engine import pickling
from fieldwren.errors import EngineError, MissingExtraError, PlaceError

RUN = """
import sys
from fieldwren.engine.pickling import run_call
sys.stdout.buffer.write(run_call(sys.stdin.buffer.read()))
"""


def elsewhere(function, *args, **kwargs):
    """Run a call in a process that has only installed packages."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=pickling.dumps((function, args, kwargs)),
        capture_output=True,
        check=True,
    )
    return pickling.outcome(done.stdout)


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of the user's that no other process can import, with one of its own beside it."""
    (tmp_path / "ownhelp.py").write_text("RATE = 3\ndef double(x):\n    return 2 * x * RATE\n")
    (tmp_path / "ownmodule.py").write_text(
        "import ownhelp\n"
        "class OwnError(Exception):\n"
        "    def __init__(self, *, code):\n"
        "        super().__init__(f'code {code}')\n"
        "        self.code = code\n"
        "class Pair:\n"
        "    def __init__(self, a, b): self.a, self.b = a, b\n"
        "def compute(x): return ownhelp.double(x) + 1\n"
        "def pair(x): return Pair(x, x)\n"
        "def fail(): raise OwnError(code=7)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("ownmodule")
    for name in ("ownmodule", "ownhelp"):
        sys.modules.pop(name, None)


def test_the_users_own_modules_travel_whole(own_module):
    assert elsewhere(own_module.compute, 5) == 31


def test_instances_of_own_classes_come_back_as_such(own_module):
    assert isinstance(elsewhere(own_module.pair, 1), own_module.Pair)


def test_an_own_exception_keeps_its_type_and_attributes(own_module):
    with pytest.raises(own_module.OwnError, match="code 7") as caught:
        elsewhere(own_module.fail)
    assert caught.value.code == 7


def test_installed_modules_and_fieldwren_travel_by_reference():
    data = pickling.dumps((partial(np.add, 1), PlaceError))
    assert b"fieldwren.errors" in data
    assert len(data) < 300


def test_closures_lambdas_and_arrays_travel():
    factor = np.arange(5.0)
    assert elsewhere(lambda x: (factor * x).sum(), 2.0) == 20.0


def test_the_traceback_of_the_other_process_is_shown_as_the_cause():
    def fail_there():
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as caught:
        elsewhere(fail_there)
    shown = "".join(traceback.format_exception(caught.value))
    assert "in fail_there" in shown
    assert isinstance(caught.value.__cause__, pickling.RemoteTraceback)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PlaceError("place 3", place_id="a", row=3),
        lambda: MissingExtraError("a picture", "pictures"),
        lambda: OSError(2, "gone", "file.tif"),
        lambda: UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        lambda: ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
    ],
    ids=["own attributes", "other arguments", "OSError", "UnicodeDecodeError", "group"],
)
def test_exceptions_come_back_whole(make):
    error = make()

    def fail():
        raise make()

    with pytest.raises(type(error)) as caught:
        elsewhere(fail)
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


def test_sys_exit_is_an_answer_not_an_end():
    with pytest.raises(SystemExit) as caught:
        elsewhere(sys.exit, 3)
    assert caught.value.code == 3


def test_an_exception_that_cannot_be_pickled_is_named():
    def fail():
        kind = type("LockError", (Exception,), {"lock": threading.Lock()})  # cannot travel
        raise kind("held")

    with pytest.raises(EngineError, match=r"LockError: held \(the exception itself"):
        elsewhere(fail)


def test_attributes_that_cannot_be_pickled_are_left_behind():
    def fail():
        error = ValueError("held")
        error.lock = threading.Lock()
        raise error

    with pytest.raises(ValueError, match="held"):
        elsewhere(fail)


def test_what_cannot_be_pickled_is_refused_in_one_sentence():
    with pytest.raises(EngineError, match="cannot be sent to another process: cannot pickle"):
        pickling.dumps(threading.Lock())


def test_a_result_that_cannot_be_pickled_is_an_error_of_the_call():
    def locked():
        return threading.Lock()

    with pytest.raises(EngineError, match="cannot be sent to another process"):
        elsewhere(locked)
