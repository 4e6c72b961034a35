"""The lab: rates and launch curves from known samples; real calls on engines and stores."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fieldwren as fw
from fieldwren.cli import main
from fieldwren.engine import executor
from fieldwren.errors import EngineError
from fieldwren.lab.measure import Measured, measure_flops, measure_store
from fieldwren.lab.work import Sample, multiply, put
from fieldwren.present.bench import draw_measured
from fieldwren.progress import ignore


def sample(started, seconds, amount=1e9):
    worker = f"w{started}"
    return Sample(started=started, seconds=seconds, amount=amount, worker=worker)


MEASURED = Measured(
    name="matrix products",
    unit="GFLOPS",
    submitted=100.0,
    ended=110.0,
    samples=(sample(101.0, 2.0), sample(101.5, 4.0, 8e9), sample(103.0, 6.0, 3e9)),
)


def test_rates_are_amounts_over_time():
    np.testing.assert_allclose(MEASURED.rates, [0.5, 2.0, 0.5])
    assert MEASURED.together == pytest.approx(12 / 8)  # from 101 to 109
    assert MEASURED.with_waiting == pytest.approx(12 / 10)


def test_the_launch_curve_counts_calls_that_have_started():
    assert MEASURED.started_by_second == [1, 2, 3]
    assert MEASURED.most_at_once == 2  # the third starts as the first ends


def test_facts_are_plain():
    facts = json.loads(json.dumps(MEASURED.facts()))
    assert facts["together_GFLOPS"] == 1.5
    assert facts["workers"] == 3
    assert facts["last_started_seconds"] == 3.0


def test_a_product_of_matrices_counts_two_operations_per_term():
    before = time.time()
    done = multiply(1, size=50, loops=4)
    assert done.amount == 2 * 50**3 * 4
    assert before <= done.started <= done.started + done.seconds <= time.time() + 0.1


@pytest.mark.parametrize("options", [{}, {"processes": True}], ids=["threads", "processes"])
def test_flops_of_an_engine(options):
    with executor("local", workers=2, **options) as engine:
        found = measure_flops(engine, calls=6, size=200, loops=3, progress=ignore)
    assert len(found.samples) == 6
    assert found.amount == 6 * 3 * 2 * 200**3
    assert 0 < found.together < 10_000
    assert found.most_at_once <= 2


def test_the_store_is_measured_and_left_empty(tmp_path):
    with executor("local", workers=2) as engine:
        both = measure_store(engine, url=str(tmp_path), calls=4, size=1000, progress=ignore)
    assert [m.name for m in both] == ["writing", "reading"]
    assert all(m.amount == 4000 for m in both)
    assert list(tmp_path.iterdir()) == []


def test_the_store_is_left_empty_after_ctrl_c(tmp_path):
    def interrupt(event):
        if event.done == 2:
            assert list(tmp_path.rglob("*"))
            raise KeyboardInterrupt

    with executor("local", workers=2) as engine, pytest.raises(KeyboardInterrupt):
        measure_store(engine, url=str(tmp_path), calls=50, size=1000, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_gives_back_other_bytes_is_caught(tmp_path, monkeypatch):
    def lying(number, *, url, region):
        return put(number + 1, url=url, size=1000, region=region)

    monkeypatch.setattr("fieldwren.lab.measure.get", lying)
    with executor("local") as engine, pytest.raises(EngineError, match="other bytes"):
        measure_store(engine, url=str(tmp_path), calls=2, size=1000, progress=ignore)


def test_a_bucket_is_measured_from_here_and_from_lambda(aws):
    url = f"s3://{aws.bucket}/lab"
    for name, options in (("local", {"workers": 2}), ("lambda", aws.engine)):
        with fw.executor(name, **options) as engine:
            written, read = measure_store(engine, url=url, calls=3, size=50_000, progress=ignore)
        assert written.amount == read.amount == 150_000
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=aws.bucket, Prefix="lab")


def test_the_command_prints_facts_and_draws_a_picture(tmp_path, capsys):
    picture = tmp_path / "flops.png"
    command = ["bench", "flops", "--calls", "3", "--size", "64", "--json", "--out", str(picture)]
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["engine"] == "local"
    assert printed["measured"][0]["calls"] == 3
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_for_a_store_prints_both_directions(tmp_path, capsys):
    assert main(["bench", "store", str(tmp_path), "--calls", "2", "--size", "1", "-q"]) == 0
    printed = capsys.readouterr().out
    assert "writing" in printed
    assert "together GB/s" in printed


def test_a_store_that_is_not_named_is_a_temporary_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it is looked up once
    command = ["bench", "store", "--calls", "2", "--size", "1", "--json", "-q"]
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert Path(printed["store"]).parent == tmp_path
    assert [m["calls"] for m in printed["measured"]] == [2, 2]
    assert list(tmp_path.iterdir()) == []
    assert main([*command, "--calls", "100000", "--size", "4000"]) == 2
    assert f"{tmp_path} has no room for 400,000.0 GB" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["local", "lambda"])
def test_a_store_that_is_not_named_is_the_bucket_of_setup(engine, aws, capsys, monkeypatch):
    for name, value in aws.engine.items():
        monkeypatch.setenv(f"FIELDWREN_LAMBDA_{name.upper()}", str(value))
    command = ["bench", "store", "--calls", "2", "--size", "1", "--json", "-q"]
    assert main([*command, "--engine", engine]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["engine"] == engine
    assert printed["store"] == f"s3://{aws.bucket}/fieldwren/bench"
    left = aws.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", [])
    assert not [key for key in left if "bench" in key["Key"]]


def test_a_store_is_to_be_named_where_workers_are_far_away(aws, capsys, monkeypatch):
    for name, value in (aws.engine | {"bucket": ""}).items():
        monkeypatch.setenv(f"FIELDWREN_LAMBDA_{name.upper()}", str(value))
    assert main(["bench", "store", "--engine", "lambda"]) == 2
    words = "bench store needs a URL where the workers of --engine lambda can write: s3://"
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["flops", "--calls", "0"], "--calls must be from 1 to 100,000, not 0"),
        (["flops", "--size", "999999"], "--size must be from 1 to 20,000"),
        (["flops", "--out", "x.jpg"], "--out x.jpg: end it with .png"),
        (["store", "/tmp", "--engine", "warp"], "unknown engine 'warp'"),
        (["store", "gs://b/p"], "URL gs://b/p: give s3://bucket/prefix, or a folder"),
    ],
)
def test_arguments_that_cannot_be_used_are_told(arguments, words, capsys):
    assert main(["bench", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_picture_holds_what_was_measured(tmp_path):
    import matplotlib.image  # noqa: PLC0415 - slow to import

    after = [replace(s, started=s.started + 12) for s in MEASURED.samples]
    later = replace(MEASURED, submitted=112.0, ended=122.0, samples=tuple(after))
    draw_measured([MEASURED, later], tmp_path / "m.png", engine="dask")
    image = matplotlib.image.imread(tmp_path / "m.png")
    assert image.shape[:2] == (750, 1500)
    green, blue = ((abs(image[..., :3] - np.array(c) / 255) < 0.02).all(-1).sum() for c in COLOURS)
    assert green > 100
    assert blue > 100


COLOURS = [(0x3A, 0x9A, 0x4B), (0x16, 0x32, 0x4F)]
