"""Fixtures that all tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from engines import KINDS, DaskCluster, Gate, made
from outside import Door

settings.register_profile("no-clock", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("no-clock")

# Lithops keeps a copy of itself and its state in a folder by user: test processes side by side, and
# what other runs have left, must not meet there.
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
os.environ["USER"] = f"{os.environ['USER']}-{WORKER}" if WORKER else f"tests-{os.getpid()}"

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_unconfigure():
    """Take away what Lithops has left."""
    if not WORKER:
        for folder in Path(tempfile.gettempdir()).glob(f"lithops-{os.environ['USER']}*"):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def door(request):
    """The way out of this machine, closed but for the test of a real account; see outside.py."""
    if "smoke_aws" in request.config.option.markexpr.replace("not smoke_aws", ""):
        yield None
        return
    with Door() as door:
        yield door


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(door):
    """Fails a test that asks for something outside, even where it bears that nobody answers."""
    if door is None:
        yield
        return
    door.knocks.clear()
    yield
    assert door.knocks == []


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real satellite data beside the project; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real satellite data (../shared/data) is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def aws_account():
    """Services of an AWS account on this machine, for all tests of a session; see aws.py."""
    from aws import Account  # noqa: PLC0415 - moto is slow to import

    with Account() as account:
        yield account


@pytest.fixture
def aws(aws_account, monkeypatch):
    """An AWS account on this machine with a bucket and a role; the environment points to it."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "FIELDWREN_"))]:
        monkeypatch.delenv(name)
    for name, value in aws_account.variables().items():
        monkeypatch.setenv(name, value)
    aws_account.emulator.reset()
    return aws_account.furnish()


@pytest.fixture
def account(aws, tmp_path, monkeypatch):
    """A blank account, a home and a folder of its own."""
    from cloud_account import empty  # noqa: PLC0415 - boto3 is slow to import

    empty(aws)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(aws.emulator, "logs", True)
    return aws


@pytest.fixture
def no_archives(monkeypatch):
    """`fieldwren doctor` asks no archive whether it answers."""
    monkeypatch.setattr("fieldwren.doctor.examine.__defaults__", ({},))


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory):
    """A scheduler and two workers in processes of their own; for tests that leave them alive."""
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="module", params=KINDS)
def engine_kind(request):
    """Every engine, one after the other; see engines.py."""
    return KINDS[request.param]


@pytest.fixture(scope="module")
def engine_options(engine_kind, request):
    """The options by which workers of the engine are reached."""
    with pytest.MonkeyPatch.context() as patch:
        if engine_kind.engine == "dask":
            cluster = request.getfixturevalue("dask_cluster")
            yield {"scheduler": str(cluster.file), "min_workers": 2, "patience": 200}
        elif engine_kind.engine == "lambda":
            account = request.getfixturevalue("aws_account")
            for name, value in account.variables().items():
                patch.setenv(name, value)
            yield account.furnish().engine
        else:
            yield {}


@pytest.fixture(scope="module")
def engine(engine_kind, engine_options):
    """The executor that most tests share; it must survive what each does to it."""
    with made(engine_kind, engine_options, workers=2) as shared:
        yield shared


@pytest.fixture
def new_engine(engine_kind, engine_options):
    """Makes an executor for one test alone."""
    return partial(made, engine_kind, engine_options)


@pytest.fixture
def gate(tmp_path):
    """A call on any worker of this machine waits until the gate is opened."""
    return Gate(tmp_path)
