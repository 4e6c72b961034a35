"""The house rules: imports point one way, exports agree, the worker stays small."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fieldwren

ROOT = Path(fieldwren.__file__).parent
MODULES = sorted(
    ".".join(p.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for p in ROOT.rglob("*.py")
)

# A module may import from its own row's left or from rows above it.
LAYERS = (
    ("errors", "progress", "files", "clock", "log"),
    ("model", "config"),
    ("pixels", "season", "geometry"),
    ("archive", "place_sources", "places", "engine"),
    ("acquisitions", "estimate", "planner", "site", "worker", "chip", "chip_dates"),
    ("ledger", "table", "folder"),
    ("present", "cloud", "lab"),
    ("results", "doctor", "gallery", "reading"),
    ("job",),
    ("receipt",),
    ("pipeline",),
    ("screen", "cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports(module: str) -> set[str]:
    """Names of the fieldwren modules that a module imports when it is imported."""
    path = ROOT.parent / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fieldwren."):
            found.add(node.module)
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("fieldwren.")}
    return found


def room(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", [m for m in MODULES if m != "fieldwren"])
def test_imports_point_to_the_same_layer_or_below(module):
    above = {i for i in imports(module) if LEVEL[room(i)] > LEVEL[room(module)]}
    assert not above


@pytest.mark.parametrize("module", [m for m in MODULES if not m.endswith("__main__")])
def test_exports_exist(module):
    loaded = importlib.import_module(module)
    assert all(hasattr(loaded, name) for name in getattr(loaded, "__all__", ()))


def test_catch_all_handlers_stand_only_where_a_failure_is_an_answer():
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
        and not isinstance(node.body[-1], ast.Raise)
    }
    assert found == {
        "engine/aws_lambda/executor.py",
        "engine/calls.py",
        "engine/pickling.py",
        "worker.py",
    }


def test_only_the_command_line_prints():
    printing = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert {name.partition("/")[0] for name in printing} <= {"cli"}


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_the_worker_carries_no_heavy_library():
    loaded = run_python(
        "import sys, fieldwren.worker; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    ).split()
    heavy = {"shapely", "pyproj", "pandas", "pyarrow", "rasterio", "matplotlib", "requests", "rich"}
    assert heavy.isdisjoint(loaded)


def test_importing_fieldwren_is_quick_because_it_imports_nothing():
    loaded = run_python("import sys, fieldwren; print(*sys.modules)").split()
    assert {"numpy", "pandas", "shapely"}.isdisjoint(loaded)
