"""The wizard's question about dedicated machines ends in settings that work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from lithops.config import default_config, extract_standalone_config, extract_storage_config

from aws import ARCHITECTURE
from cloud_account import BUCKET, SMALL, empty
from fieldwren.cli import main
from fieldwren.config import engine_options
from fieldwren.engine import ENGINES
from fieldwren.engine.lithops import lithops_executor
from fieldwren.engine.options import checked_options

WHEEL = "https://example.com/fieldwren-0.1.0-py3-none-any.whl"
SCRIPT = ("setup", "--yes", "-q", "--config", "here", "--architecture", ARCHITECTURE, *SMALL)


@pytest.fixture(autouse=True)
def place(aws, tmp_path, monkeypatch):
    empty(aws)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def scheduler(tmp_path):
    """The address of a Dask cluster in processes of its own."""
    file = tmp_path / "scheduler.json"
    surroundings = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "critical"}
    options = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]

    def start(command, *more):
        module = f"distributed.cli.{command}"
        return subprocess.Popen(
            [sys.executable, "-m", module, *options, *more],
            env=surroundings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    with start("dask_scheduler", "--port", "0") as boss:
        until = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < until
            time.sleep(0.1)
        with start("dask_worker", "--nthreads", "1", "--no-nanny") as worker:
            yield json.loads(file.read_text())["address"]
            worker.terminate()
        boss.terminate()


def settings():
    return tomllib.loads(Path("fieldwren.toml").read_text())


def test_a_dask_cluster_is_written_down_and_answers(scheduler, capsys):
    assert main([*SCRIPT, "--scheduler", scheduler, "--no-hello"]) == 0
    assert settings()["engine"] == "dask"
    assert settings()["dask"] == {"scheduler": scheduler}
    assert main(["hello", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["engine"] == "dask"
    assert f"process {os.getpid()}" not in said["answer"]
    assert main(["teardown", "--yes", "-q"]) == 0
    assert settings() == {"engine": "dask", "dask": {"scheduler": scheduler}}


def test_without_a_cluster_there_is_a_recipe(capsys):
    assert main([*(a for a in SCRIPT if a != "-q"), "--dedicated", "dask", "--no-hello"]) == 0
    said = capsys.readouterr().out
    assert "EC2Cluster(" in said
    assert f"-py{sys.version_info[0]}.{sys.version_info[1]}" in said
    assert "fieldwren setup --scheduler" in said
    assert settings()["engine"] == "lambda"
    assert "dask" not in settings()


def test_lithops_takes_what_is_written_for_it():
    given = ["--instance-role", "fieldwren-ec2", "--package", WHEEL]
    assert main([*SCRIPT, *given, "--no-hello"]) == 0
    assert settings()["engine"] == "lithops"
    options = checked_options("lithops", lithops_executor, engine_options("lithops"))
    assert "lithops" in ENGINES
    config = default_config(config_data=options["config"])
    machines = extract_standalone_config(config)
    assert machines["backend"] == options["backend"] == "aws_ec2"
    assert machines["aws_ec2"]["instance_role"] == "fieldwren-ec2"
    assert machines["aws_ec2"]["region"] == "us-east-1"
    assert machines["extra_python_packages"][-1] == WHEEL
    assert extract_storage_config(config)["aws_s3"]["storage_bucket"] == BUCKET
    held = json.dumps(settings()).lower()
    assert "secret" not in held
    assert "access_key" not in held
