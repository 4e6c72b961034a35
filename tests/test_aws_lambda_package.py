"""The worker package: what is in it, that it is small, and the same for the same content."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest

from aws import ARCHITECTURE, CACHE
from fieldwren.engine.aws_lambda import package
from fieldwren.engine.aws_lambda.package import RUNTIMES, build_package
from fieldwren.engine.aws_lambda.sources import worker_sources
from fieldwren.errors import CloudError

PACKAGES = CACHE / "packages"


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def built(request):
    try:
        return build_package(PACKAGES, request.param)
    except CloudError as error:
        if "pip finds no wheels" in str(error):
            pytest.skip("pip reaches no registry")
        raise


def test_the_sources_are_what_the_worker_imports_and_no_more():
    names = set(worker_sources())
    assert {"fieldwren/worker.py", "fieldwren/pixels/tiff.py", "fieldwren/errors.py"} <= names
    unwanted = ("present", "cli", "pipeline", "planner", "places", "results", "archive/simulated")
    assert not [n for n in names if n.startswith(tuple(f"fieldwren/{u}" for u in unwanted))]


def test_every_module_of_fieldwren_that_the_sources_import_is_among_them():
    sources = worker_sources()
    for name, data in sources.items():
        for node in ast.walk(ast.parse(data)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fieldwren."):
                path = node.module.replace(".", "/")
                there = {f"{path}.py", f"{path}/__init__.py"} & set(sources)
                assert there or b"TYPE_CHECKING" in data, f"{name} imports {node.module}"


def test_the_zip_is_small_and_carries_no_tests(built):
    with zipfile.ZipFile(built.path) as content:
        names = content.namelist()
        unpacked = sum(i.file_size for i in content.infolist())
    assert built.path.stat().st_size < 30 * 2**20
    assert unpacked < 250 * 2**20
    assert "fieldwren/worker.py" in names
    assert {"numpy", "obstore", "deflate", "cloudpickle", "fieldwren"} <= {
        n.partition("/")[0] for n in names
    }
    assert not [n for n in names if "/tests/" in n or n.endswith((".pyc", ".pyi"))]


def test_libraries_are_those_of_the_platform_whatever_this_machine_is(built):
    machine = {"x86_64": 62, "arm64": 183}[built.architecture]  # e_machine of ELF
    with zipfile.ZipFile(built.path) as content:
        libraries = [n for n in content.namelist() if ".so" in n]
        assert len(libraries) > 10
        for name in libraries:
            with content.open(name) as library:
                head = library.read(20)
            assert head[:4] == b"\x7fELF"
            assert int.from_bytes(head[18:20], "little") == machine, name


def test_the_second_build_finds_the_first(built, monkeypatch):
    monkeypatch.setattr(package, "_install", None)
    assert build_package(PACKAGES, built.architecture) == built


def test_the_same_content_gives_the_same_bytes(tmp_path, built):
    (cached,) = PACKAGES.glob(f"wheels-{package._wheels_key(built.architecture)}")
    (tmp_path / cached.name).symlink_to(cached)
    again = build_package(tmp_path, built.architecture)
    assert again.digest == built.digest
    assert again.path.read_bytes() == built.path.read_bytes()


def test_other_sources_give_another_package(tmp_path, monkeypatch, built):
    monkeypatch.setattr(
        package, "worker_sources", lambda: {**worker_sources(), "fieldwren/more.py": b"x = 1\n"}
    )
    other = build_package(PACKAGES, built.architecture)
    assert other.digest != built.digest
    assert other.versions == built.versions
    other.path.unlink()


def test_what_was_not_used_for_a_month_leaves_the_cache(tmp_path, built):
    (cached,) = PACKAGES.glob(f"wheels-{package._wheels_key(built.architecture)}")
    shutil.copytree(cached, tmp_path / cached.name)
    (tmp_path / "wheels-0").mkdir()
    for name in ("worker-0.zip", "0.json", "worker-1.zip", "1.json", "notes.txt", "wheels-0/a"):
        (tmp_path / name).touch()
    long_ago = time.time() - 31 * 86_400
    for name in ("worker-0.zip", "0.json", "notes.txt", "wheels-0"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    made = build_package(tmp_path, built.architecture)
    os.utime(made.path, (long_ago, long_ago))
    assert build_package(tmp_path, built.architecture) == made
    assert made.path.stat().st_mtime > long_ago + 86_400  # it was used
    left = {p.name for p in tmp_path.iterdir()} - {made.path.name, cached.name}
    assert {"worker-1.zip", "1.json", "notes.txt"} < left
    assert not left & {"worker-0.zip", "0.json", "wheels-0"}


def test_a_package_that_was_deleted_is_made_again(built):
    built.path.unlink()
    assert build_package(PACKAGES, built.architecture).path.is_file()


def test_the_zip_alone_runs_the_worker(tmp_path, aws):
    """Nothing but the zip and the standard library is there."""
    del aws  # makes sure that there is one
    made = build_package(PACKAGES, ARCHITECTURE)
    with zipfile.ZipFile(made.path) as content:
        content.extractall(tmp_path)
    code = (
        "import sys, fieldwren.worker, fieldwren.engine.aws_lambda.handler as h;"
        "print({m.__file__.startswith(sys.argv[1]) for n, m in sys.modules.items()"
        " if n.split('.')[0] in ('numpy', 'obstore', 'deflate', 'fieldwren')"
        " and getattr(m, '__file__', None)})"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(tmp_path)],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{True}"


def test_a_python_that_lambda_does_not_have_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(package.sys, "version_info", (3, 10, 0))
    with pytest.raises(CloudError, match=r"AWS Lambda has no Python 3\.10: run fieldwren with one"):
        build_package(tmp_path, "arm64")
    assert sorted(RUNTIMES) == [(3, 11), (3, 12), (3, 13), (3, 14)]


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("/usr/bin/python: No module named pip\n", "needs pip, and this Python has none"),
        ("ERROR: No matching distribution found for numpy==9\n", "pip finds no wheels of numpy"),
    ],
)
def test_what_pip_cannot_do_is_said_in_one_sentence(tmp_path, monkeypatch, stderr, words):
    failed = SimpleNamespace(returncode=1, stderr=stderr)
    monkeypatch.setattr(package.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(CloudError, match=words):
        build_package(tmp_path, "arm64")
    assert not list(tmp_path.iterdir())


def test_platforms_are_named_as_pip_wants_them(tmp_path, monkeypatch):
    asked = []

    def run(command, **_):
        asked.extend(command)
        return SimpleNamespace(returncode=1, stderr="")

    monkeypatch.setattr(package.subprocess, "run", run)
    monkeypatch.setattr(package.sys, "version_info", (3, 12, 0))
    with pytest.raises(CloudError):
        build_package(tmp_path, "arm64")
    assert "--platform=manylinux_2_34_aarch64" in asked
    assert "--platform=manylinux2014_aarch64" in asked
    assert "--platform=manylinux_2_35_aarch64" not in asked
    assert "--only-binary=:all:" in asked
