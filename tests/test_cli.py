"""End to end through the command line: files, exit status, messages."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest
import rasterio

from fake_archive import CLEAR, CLOUD, field, write_archive
from fieldwren.cli import main


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDWREN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path / "archive", scenes=4, qa=lambda k: CLOUD if k == 1 else CLEAR)


@pytest.fixture
def places(tmp_path):
    path = tmp_path / "places.geojson"
    features = [field("a"), field("b <i>", 30, 30)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def run(*arguments):
    return main([str(a) for a in arguments])


def test_run_leaves_every_file_that_scripts_rely_on(archive, places, tmp_path, capsys):
    assert run("run", places, "--archive", archive, "--out", "out") == 0
    out = tmp_path / "out"
    expected = {
        "observations.parquet",
        "observations.csv",
        "series.csv",
        "plots",
        "map.html",
        "report.html",
        "plan.json",
        "receipt.json",
        "ledger",
    }
    assert expected <= {p.name for p in out.iterdir()}
    table = pd.read_parquet(out / "observations.parquet")
    assert len(table) == 8
    assert pd.read_csv(out / "observations.csv")["scene_id"].tolist() == table["scene_id"].tolist()
    assert list(pd.read_csv(out / "series.csv").columns)[:2] == ["place_id", "date"]
    assert len(list((out / "plots").glob("*.png"))) == 2
    receipt = json.loads((out / "receipt.json").read_text())
    assert receipt["rows_by_status"] == {"ok": 6, "cloud": 2}
    assert receipt["cost"]["requests"] > 0
    assert "report.html" in capsys.readouterr().out


def test_json_puts_one_object_on_standard_output(archive, places, capsys):
    assert run("run", places, "--archive", archive, "--out", "out", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert [p["clear_dates"] for p in said["places"]] == [3, 3]


def test_plan_reads_no_pixels_and_scenes_lists_what_there_is(archive, places, capsys):
    assert run("plan", places, "--archive", archive, "--json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["scenes_found"], planned["rows"]) == (4, 8)
    assert run("scenes", places, "--archive", archive, "--until", "2017-01-31", "-q") == 0
    (line, other) = capsys.readouterr().out.splitlines()
    assert line.split() == [
        "2017-01-06",
        "LC08_L2SP_044033_20170106_20200901_02_T1",
        "landsat-8",
        "0.00",
    ]
    assert other.split()[-1] == "100.00"


def test_a_point_west_of_greenwich_is_no_option(archive, capsys):
    assert run("scenes", "-122.2985,38.4022", "--archive", archive, "-q") == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_a_lost_file_makes_exit_status_1_and_a_sentence(archive, places, capsys):
    next(archive.parent.glob("*20170106*_red.tif")).unlink()
    assert run("run", places, "--archive", archive, "--out", "out", "-q") == 1
    said = capsys.readouterr().err
    assert "2 of 8 rows could not be read" in said
    assert "20170106" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.geojson"], "nowhere.geojson"),
        (["run", "1,2", "--archive", "nowhere.json"], "nowhere.json"),
        (["run", "1,2", "--archive", "demo", "--mask", "thick"], "--mask thick"),
        (["run", "1,2", "--archive", "demo", "--index", "ndvy"], "ndv"),
        (["run", "1,2", "--archive", "demo", "--index", "x=__import__('os')"], "x"),
        (["run", "1,2", "--sensor", "modis"], "modis"),
        (["run", "1,2", "--archive", "ARCHIVE", "--since", "soon"], "soon"),
        (["run", "1,2", "--archive", "ARCHIVE", "--engine", "warp"], "warp"),
        (
            ["chip", "x", "--bbox", "1,2,3", "--out", "x.png", "--archive", "ARCHIVE"],
            "--bbox 1,2,3",
        ),
    ],
)
def test_what_cannot_be_used_gives_status_2_and_one_line(archive, arguments, words, capsys):
    assert run(*(archive if a == "ARCHIVE" else a for a in arguments), "-q") == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.strip().splitlines()
    assert line.startswith("fieldwren: ")
    assert words in line


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_a_bad_place_costs_only_itself_and_is_always_named(archive, tmp_path, capsys, quiet):
    path = tmp_path / "mixed.geojson"
    bad = {"type": "Feature", "id": "bad", "geometry": None, "properties": {}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [field("a"), bad]}))
    assert run("run", path, "--archive", archive, "--out", "out", *quiet) == 0
    assert "not used: mixed.geojson, place 2 ('bad')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "1,2", "PLACES"], "is a file: give one file alone"),
        (["run", ""], "empty"),
        (["run", "PLACES", "--out", ""], "--out"),
        (["run", "PLACES", "--out", "/proc/none"], "cannot be written"),
        (["run", "PLACES", "--out", "obstructed"], "obstructed"),
        (["run", "1,2", "--archive", "demo", "--sensor", "sentinel-2"], "landsat only"),
        (["chip", "x", "--bbox", "1,2,3,4", "--out", "x.jpg"], ".png or .tif"),
        (["chip", "x", "--bbox", "-180,-90,180,90", "--out", "x.png"], "degrees wide"),
    ],
)
def test_what_would_be_lost_is_refused(archive, places, tmp_path, arguments, words, capsys):
    (tmp_path / "obstructed" / "observations.csv").mkdir(parents=True)
    given = [places if a == "PLACES" else a for a in arguments]
    known = [] if "--archive" in arguments else ["--archive", archive]
    assert run(*given, *known, "-q") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line


def test_no_scene_is_said(archive, places, capsys):
    assert run("run", places, "--archive", archive, "--since", "2030", "--out", "out", "-q") == 0
    assert "has no scene of these places between these dates" in capsys.readouterr().err


def test_a_chip_is_a_picture_for_people_and_a_geotiff_for_programs(archive, tmp_path, capsys):
    scene = "LC08_L2SP_044033_20170106_20200901_02_T1"
    box = "-122.300,38.395,-122.290,38.404"
    common = [scene, "--bbox", box, "--archive", archive, "-q", "--out"]
    assert run("chip", *common, "x.tif") == 0
    assert run("chip", *common, "x.png") == 0
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.dtypes == ("float32",)
        assert file.crs.to_epsg() == 32610
        values = file.read(1)
    with rasterio.open(next(archive.parent.glob("*20170106*_red.tif"))) as red:
        west, north = red.index(*[file.transform.c + 15, file.transform.f - 15])
        numbers = red.read(1)[west : west + values.shape[0], north : north + values.shape[1]]
    with rasterio.open(next(archive.parent.glob("*20170106*_nir08.tif"))) as nir:
        infrared = nir.read(1)[west : west + values.shape[0], north : north + values.shape[1]]
    r, n = numbers * 2.75e-5 - 0.2, infrared * 2.75e-5 - 0.2
    assert abs(values - (n - r) / (n + r)).max() < 1e-6
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_scene_is_named(archive, capsys):
    box = "-122.300,38.395,-122.290,38.404"
    assert run("chip", "LC08", "--bbox", box, "--archive", archive, "--out", "x.png", "-q") == 2
    assert "lists no scene LC08" in capsys.readouterr().err


def test_the_command_is_installed_and_says_its_version():
    done = subprocess.run(
        [sys.executable, "-m", "fieldwren", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("fieldwren 0.")
