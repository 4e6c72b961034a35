"""Calls that travel to other processes: by value what only the user has, by reference the rest.

    dumps((function, args, kwargs)) ──► run_call (there) ──► outcome (here): value or exception

The other process has the standard library, installed packages and fieldwren. The user's own
modules it has not, so functions and classes of these are sent whole. Values are trusted: both ends
belong to the same user.
"""

from __future__ import annotations

import io
import pickle
import site
import sys
import sysconfig
import threading
import traceback
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from fieldwren.errors import EngineError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import ModuleType

__all__ = ["RemoteTraceback", "dumps", "loads", "outcome", "run_call", "with_remote_traceback"]

_NAMELESS: Final = "<dynamic-code>"
"""What newer versions of cloudpickle send in place of the name of a source file."""
_lock: Final = threading.RLock()  # what is pickled may pickle


class RemoteTraceback(Exception):  # noqa: N818 - the cause of an error, shown as text
    """The cause of an exception that was raised in another process: its traceback there."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def dumps(value: object, *, whole: bool = True) -> bytes:
    """Pickle a value.

    Args:
        value: anything.
        whole: functions and classes of the user's own modules by value; False: only of those that
            cannot be imported here.

    Raises:
        MissingExtraError: cloudpickle is not installed.
        EngineError: something in the value cannot be pickled.
    """
    own = _own_modules(len(sys.modules), next(reversed(sys.modules))) if whole else ()
    try:
        with _by_value(own), io.BytesIO() as file:
            _pickler()(file, protocol=5).dump(value)
            return file.getvalue()
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError(f"cannot be sent to another process: {error}") from error


def loads(data: bytes) -> Any:
    """The value of :func:`dumps`."""
    return pickle.loads(data)  # noqa: S301 - both ends are the user's


def run_call(data: bytes, function: bytes | None = None) -> bytes:
    """Run a pickled call and pickle what came of it.

    Whatever the call raises, SystemExit too, is part of the answer: see :func:`outcome`.

    Args:
        data: pickled ``(function, args, kwargs)``.
        function: the pickled function, where many calls share it; ``data`` has None in its place.
    """
    try:
        called, args, kwargs = loads(data)
        called = called if function is None else loads(function)
        value = called(*args, **kwargs)
        try:
            return dumps((True, value), whole=False)
        except EngineError as error:
            raise EngineError(f"the result {error}") from error
    except BaseException as error:  # noqa: BLE001 - what a call raises is its answer
        return dumps((False, _portable(error), _formatted(error)), whole=False)


def outcome(answer: bytes) -> Any:
    """The value that :func:`run_call` got, or its exception raised with the traceback there."""
    done, value, *text = loads(answer)
    if done:
        return value
    raise with_remote_traceback(_restored(value), text[0])


def with_remote_traceback(error: BaseException, text: str) -> BaseException:
    """The exception, with the traceback of the other process shown as its cause."""
    error.__cause__ = RemoteTraceback(text)
    return error


def _formatted(error: BaseException) -> str:
    """The traceback, without the frame of :func:`run_call`."""
    below = error.__traceback__ and error.__traceback__.tb_next
    return "".join(traceback.format_exception(type(error), error, below))


def _portable(error: BaseException) -> bytes:
    """The exception pickled so that it can be restored: as it says, by parts, or in words."""
    for attempt in (_as_it_says, _by_parts, _without_state):
        try:
            data = dumps(attempt(error), whole=False)
            _restored(data)
        except BaseException:  # noqa: BLE001, S112 - an exception's own code may raise anything
            continue
        return data
    words = traceback.format_exception_only(error)[-1].strip()
    return dumps((EngineError, (f"{words} (the exception itself cannot be pickled)",)))


def _as_it_says(error: BaseException) -> tuple[Any, ...]:
    """What makes the exception; asked of itself, as libraries change how pickle does it."""
    return tuple(error.__reduce_ex__(pickle.HIGHEST_PROTOCOL))[:3]


def _by_parts(error: BaseException) -> tuple[Any, ...]:
    return (*_without_state(error), dict(vars(error)))


def _without_state(error: BaseException) -> tuple[Any, ...]:
    return _bare, (type(error), error.args)


def _bare(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """An exception whose __init__ takes something else than its args."""
    error = kind.__new__(kind)
    error.args = args
    return error


def _restored(data: bytes) -> BaseException:
    """The exception of :func:`_portable`."""
    make, args, *state = loads(data)
    error = make(*args)
    if state and state[0]:
        error.__setstate__(state[0])
    return error


def _cloudpickle() -> Any:
    try:
        import cloudpickle  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("calls in other processes", "aws") from None
    return cloudpickle


@lru_cache(maxsize=1)
def _pickler() -> Any:
    """The pickler of cloudpickle, with the names of source files, which tracebacks tell."""
    base = _cloudpickle().Pickler

    def code(value: CodeType) -> tuple[Any, ...]:
        make, parts = base.dispatch_table[CodeType](value)
        return make, tuple(
            value.co_filename if isinstance(p, str) and p == _NAMELESS else p for p in parts
        )

    class Pickler(base):
        dispatch_table: Any = base.dispatch_table.new_child({CodeType: code})

    return Pickler


@contextmanager
def _by_value(modules: Iterable[ModuleType]) -> Generator[None]:
    """Have cloudpickle send functions and classes of modules whole."""
    cloudpickle = _cloudpickle()
    with _lock:
        known = cloudpickle.list_registry_pickle_by_value()
        added = [m for m in modules if m.__name__ not in known]
        for module in added:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in added:
                cloudpickle.unregister_pickle_by_value(module)


@lru_cache(maxsize=1)
def _own_modules(count: int, last: str) -> list[ModuleType]:
    """Modules that only the user has: Python files in no installed place.

    ``count`` and ``last`` tell one state of ``sys.modules`` from the next.
    """
    del count, last
    return [
        module
        for name, module in list(sys.modules.items())
        if getattr(module, "__name__", "") == name and _is_own(getattr(module, "__file__", 0), name)
    ]


@lru_cache(maxsize=16_384)
def _is_own(file: object, name: str) -> bool:
    if not (isinstance(file, str) and file.endswith(".py")):
        return False
    if name.partition(".")[0] in {"fieldwren", "__main__"}:  # there already, or always by value
        return False
    path = Path(file).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    if any(path.is_relative_to(home) for home in _installed()):
        return False
    return not _holds_packages(path.parents[name.count(".") + (path.name == "__init__.py")])


@lru_cache(maxsize=1024)
def _holds_packages(folder: Path) -> bool:
    """Whether packages are installed in a folder, as by ``pip install --target``."""
    return any(folder.glob("*.dist-info"))


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    """Folders of the standard library and of installed packages."""
    paths = {sysconfig.get_path(n) for n in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple(Path(p).resolve() for p in paths)
