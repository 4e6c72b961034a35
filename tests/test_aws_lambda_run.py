"""The main job on Lambda, from setup to teardown: the archive in S3, the same table as here."""

from __future__ import annotations

import json
import posixpath
import tomllib
import uuid
from collections import Counter
from pathlib import Path

import boto3
import pandas as pd
import pytest

import fieldwren as fw
from aws import ARCHITECTURE, CACHE, REGION
from cloud_account import BUCKET, contents
from fieldwren.archive.simulated import demo_archive, demo_places
from fieldwren.cli import main
from fieldwren.errors import OptionError

SPAN = {"since": "2017-04", "until": "2017-07"}
SIZE = ("--memory", "512", "--timeout", "30")
CONFIG = Path("~/.config/fieldwren/config.toml")


@pytest.fixture(scope="module")
def archive(aws_account):
    return serve_archive(aws_account)


def serve_archive(account):
    """The embedded archive, as far as the tests read it, in a bucket of its own; its URL."""
    folder, bucket = demo_archive(CACHE), f"fieldwren-demo-{uuid.uuid4().hex[:8]}"
    items = json.loads((folder / "items.json").read_text())
    items["features"] = [
        i for i in items["features"] if "2017-04" <= i["properties"]["datetime"] < "2017-08"
    ]
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": REGION}
    store = boto3.client("s3", endpoint_url=account.endpoint, **keys)
    store.create_bucket(Bucket=bucket)
    store.put_object(Bucket=bucket, Key="items.json", Body=json.dumps(items).encode())
    for item in items["features"]:
        for band in ("red", "nir08", "qa_pixel"):
            href = item["assets"][band]["href"]
            body = (folder / href).read_bytes()
            store.put_object(Bucket=bucket, Key=posixpath.normpath(href), Body=body)
    return f"s3://{bucket}/items.json"


@pytest.fixture
def engine_settings(aws, monkeypatch):
    """The options of the engine where `fieldwren run` looks for them."""
    for name, value in aws.engine.items():
        monkeypatch.setenv(f"FIELDWREN_LAMBDA_{name.upper()}", str(value))


def test_from_a_blank_account_to_the_table_of_the_local_engine_and_back(account, capsys):
    archive = serve_archive(account)
    blank = contents(account)

    def fieldwren(*arguments):
        assert main([str(a) for a in arguments]) == 0
        return capsys.readouterr().out

    said = fieldwren("setup", "--yes", "--architecture", ARCHITECTURE, *SIZE)
    assert "Hello " in said
    assert f"bucket {BUCKET}: created" in said
    assert tomllib.loads(CONFIG.expanduser().read_text()) == {
        "engine": "lambda",
        "lambda": {
            "bucket": BUCKET,
            "prefix": "fieldwren",
            "region": "us-east-1",
            "role": "fieldwren-worker",
            "function": "fieldwren",
            "memory": 512,
            "timeout": 30,
            "architecture": ARCHITECTURE,
        },
    }
    assert "from fieldwren-512-" in fieldwren("hello", "--engine", "lambda", "-q")
    fieldwren("dashboard", "-q")
    kinds = Counter(name.partition(" ")[0] for name in json.loads(contents(account)))
    assert kinds - Counter(name.partition(" ")[0] for name in json.loads(blank)) == dict.fromkeys(
        ("bucket", "rules", "role", "function", "logs", "dashboard"), 1
    )

    called = account.emulator.counts["calls"]
    job = ("run", demo_archive(CACHE) / "places.geojson", "--archive", archive, "--json")
    span = [part for name, value in SPAN.items() for part in (f"--{name}", value)]
    receipt = json.loads(fieldwren(*job, *span, "--engine", "lambda", "--out", "out"))["receipt"]
    here = fw.observe(demo_places(), archive=archive, engine="local", **SPAN)
    there = pd.read_parquet("out/observations.parquet")
    pd.testing.assert_frame_equal(
        there.reset_index(drop=True), here.table.reset_index(drop=True), check_exact=True
    )
    assert (there["status"] == "ok").sum() > 20
    engine = receipt["engine"]
    assert engine["engine"] == "lambda"
    assert engine["calls"] == engine["invocations"] > 0
    assert engine["calls"] == account.emulator.counts["calls"] - called
    assert engine["dollars"] > 0
    assert not engine["at_least"]
    assert receipt["cost"]["requests"] > 0

    fieldwren("teardown", "--yes")
    assert contents(account) == blank
    assert not CONFIG.expanduser().exists()
    assert "Nothing to remove" in fieldwren("teardown", "--yes")


@pytest.mark.usefixtures("engine_settings")
def test_the_plan_knows_the_price_and_cuts_tasks_of_some_seconds(archive):
    planned = fw.plan(demo_places(), archive=archive, engine="lambda", **SPAN)
    here = fw.plan(demo_places(), archive=archive, workers=4, **SPAN)
    assert 0 < planned.estimate.engine_dollars < 0.01
    assert here.estimate.engine_dollars == 0
    assert planned.estimate.tasks < here.estimate.tasks
    assert planned.estimate.scenes == here.estimate.scenes


@pytest.mark.usefixtures("engine_settings")
def test_files_of_this_machine_are_refused_before_anything_is_deployed(aws):
    before = aws.emulator.counts["creates"]
    with pytest.raises(OptionError, match="lies on this machine, where --engine lambda cannot"):
        fw.observe(demo_places(), archive="demo", engine="lambda", **SPAN)
    assert aws.emulator.counts["creates"] == before


@pytest.mark.usefixtures("engine_settings")
def test_a_run_that_aws_refuses_ends_with_one_sentence(aws, archive, tmp_path, monkeypatch):
    monkeypatch.setattr("fieldwren.engine.aws_lambda.invoke._PATIENCE", 1.0)
    aws.emulator.inject(throttle=1.0)
    with pytest.raises(fw.EngineError, match=r"cannot call the function .* asked too often"):
        fw.observe(demo_places(), archive=archive, engine="lambda", out=tmp_path / "o", **SPAN)
    aws.emulator.inject()
    resumed = fw.observe(
        demo_places(), archive=archive, engine="lambda", out=tmp_path / "o", **SPAN
    )
    assert not resumed.table.duplicated(["place_id", "scene_id"]).any()
    assert len(resumed.failures) == 0
