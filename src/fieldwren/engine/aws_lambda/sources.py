"""Which of fieldwren's own files a worker needs: what its modules import, found without importing.

Imports inside functions count, those under ``if TYPE_CHECKING:`` do not.
"""

from __future__ import annotations

import ast
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import fieldwren

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROOTS", "worker_sources"]

ROOTS: Final = (
    "fieldwren.worker",
    "fieldwren.engine.aws_lambda.handler",
    "fieldwren.engine.calls",
    "fieldwren.engine.local",
    "fieldwren.lab.work",
)
"""Modules and packages whose functions travel by reference; those that exist are taken."""

_HOME: Final = Path(fieldwren.__file__).parent
_parsing: Final = threading.Lock()
"""Held while a source is parsed: Python 3.11 counts the depth of trees for all threads at once."""


def worker_sources() -> dict[str, bytes]:
    """Contents of the files by path inside a package, such as "fieldwren/worker.py"."""
    found: dict[str, bytes] = {}
    left = [name for root in ROOTS for name in _with_children(root)]
    while left:
        name = left.pop()
        path = _file(name)
        key = path.relative_to(_HOME.parent).as_posix()
        if key not in found:
            found[key] = path.read_bytes()
            left += _imports(found[key])
            left += [name.rpartition(".")[0]] if "." in name else []
    return dict(sorted(found.items()))


def _with_children(name: str) -> Iterator[str]:
    """A module, or a package with all its modules; nothing where there is none."""
    folder = _HOME.parent.joinpath(*name.split("."))
    if folder.is_dir():
        parts = (p.relative_to(_HOME.parent).with_suffix("") for p in folder.rglob("*.py"))
        yield from (".".join(p.parts).removesuffix(".__init__") for p in parts)
    elif folder.with_suffix(".py").is_file():
        yield name


def _file(name: str) -> Path:
    path = _HOME.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(source: bytes) -> Iterator[str]:
    """Names of the modules of fieldwren that a source imports when it runs."""
    with _parsing:
        left: list[ast.AST] = [ast.parse(source)]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            left += node.orelse
            continue
        left += ast.iter_child_nodes(node)
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = (f"{node.module}.{a.name}" for a in node.names)
            names = [node.module, *(n for n in inner if _file(n).is_file())]
        yield from (n for n in names if n.partition(".")[0] == "fieldwren")
