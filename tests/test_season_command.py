"""``fieldwren season DIR`` through the command line: tables anew from rows, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fieldwren.archive.simulated import demo_places, write_archive
from fieldwren.cli import main
from fieldwren.folder import load_folder

DOCS = Path(__file__).parent.parent / "docs" / "explanation" / "seasons.md"
TABLES = ("series.csv", "series.parquet", "seasons.csv", "anomalies.csv", "adequacy.csv")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder of a run over a vineyard and a desert, whose archive and cache are gone."""
    folder = tmp_path_factory.mktemp("run")
    archive, out = folder / "archive", folder / "out"
    write_archive(archive, since=date(2013, 6, 1), until=date(2017, 12, 31))
    wanted = {"napa-valley-field", "death-valley-field"}
    features = [f for f in demo_places()["features"] if f["id"] in wanted]
    places = folder / "places.geojson"
    places.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    asked = ("--archive", archive / "items.json", "--plots", "none", "--chips", 0, "--out", out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDWREN_CACHE", str(folder / "cache"))
        assert run("run", places, *asked, "-q") == 0
    for gone in ("archive", "cache"):
        shutil.rmtree(folder / gone, ignore_errors=True)
    shutil.rmtree(out / "ledger")
    return out


@pytest.fixture
def out(results, tmp_path):
    shutil.copytree(results, tmp_path / "out")
    return tmp_path / "out"


def run(*arguments):
    return main([str(a) for a in arguments])


def contents(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


def test_the_same_options_give_the_same_files(out, results):
    assert run("season", out, "-q") == 0
    assert contents(out) == contents(results)
    # folium numbers the parts of a map at random.
    again = [p for p in out.iterdir() if p.is_file() and p.name != "map.html"]
    before = {p.name: p.read_bytes() for p in again}
    assert run("season", out, "-q") == 0
    assert {p.name: p.read_bytes() for p in again} == before


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--smooth", "harmonic"], {"series", "seasons", "anomalies"}),
        (["--smooth", "workshop"], {"series", "seasons", "anomalies"}),
        (["--lambda", "1e5"], {"series", "seasons", "anomalies"}),
        (["--threshold", "0.5"], {"seasons"}),
        (["--season-method", "derivative"], {"seasons"}),
    ],
)
def test_options_change_the_tables_they_are_of(out, options, changed):
    before = contents(out)
    assert run("season", out, *options, "-q") == 0
    after = contents(out)
    assert {name.partition(".")[0] for name in TABLES if before[name] != after[name]} == changed


def test_a_higher_threshold_makes_seasons_shorter(out):
    lengths = []
    for share in ("0.2", "0.5"):
        assert run("season", out, "--threshold", share, "-q") == 0
        seasons = pd.read_csv(out / "seasons.csv").dropna(subset="length")
        assert set(seasons["method"]) == {f"threshold {float(share):.0%}"}
        lengths.append(seasons.set_index("season")["length"])
    assert len(lengths[0]) >= 3
    assert (lengths[1] < lengths[0]).all()


def test_outliers_are_rows_again_where_they_are_not_wanted(out):
    table = pq.read_table(out / "observations.parquet")
    frame = table.to_pandas()
    clear = frame.index[(frame["place_id"] == "napa-valley-field") & (frame["status"] == "ok")]
    frame.loc[clear[40], "ndvi"] -= 0.4
    frame.to_parquet(out / "observations.parquet")
    for options, status in (([], "outlier"), (["--no-outliers"], "ok")):
        assert run("season", out, *options, "-q") == 0
        rows, _, receipt = load_folder(out)
        row = rows.to_pandas().loc[clear[40]]
        assert row["status"] == status
        assert pd.isna(row["reason"]) == (status == "ok")
        assert receipt["rows_by_status"].get("outlier", 0) == (status == "outlier")


def columns(heading):
    """The names in the first table below a heading of the explanation."""
    table = re.split(r"^## ", DOCS.read_text(), flags=re.MULTILINE)
    (text,) = [part for part in table if part.startswith(heading)]
    rows = re.findall(r"^\| (`.*?`) \|", text, flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_files_have_the_columns_that_are_documented(out):
    assert run("season", out, "-q") == 0
    series, seasons, anomalies = (
        pd.read_csv(out / f"{name}.csv") for name in ("series", "seasons", "anomalies")
    )
    assert list(series.columns) == ["place_id", "date", "smooth", "low", "high", "gap"]
    assert pq.read_schema(out / "series.parquet").names == list(series.columns)
    assert len(pq.read_table(out / "series.parquet")) == len(series)
    assert set(seasons.columns) == {"place_id", "season", "method", *columns("A season")}
    assert set(anomalies.columns) == {"place_id", "date", "note", *columns("An anomaly")}
    for table in (series, seasons, anomalies):
        assert set(table["place_id"]) == {"napa-valley-field", "death-valley-field"}
        dates = table.get("date", table.get("peak")).dropna()
        assert dates.str.fullmatch(r"\d{4}-\d\d-\d\d").all()


def test_json_is_one_object_with_seasons_and_notes(out, capsys):
    assert run("season", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["out"] == str(out)
    assert len(said["seasons"]) == len(pd.read_csv(out / "seasons.csv"))
    desert = [row for row in said["seasons"] if row["place_id"] == "death-valley-field"]
    assert [row["peak"] for row in desert] == [None]
    assert desert[0]["note"].startswith("no season: the curve stays between")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere holds no observations.parquet"),
        (["out", "--smooth", "loess"], "choose one of whittaker, savgol, harmonic, workshop"),
        (["out", "--season-method", "guess"], "choose one of threshold, derivative"),
        (["out", "--threshold", "1.5"], "threshold"),
        (["out", "--lambda", "-1"], "lambda"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(out, arguments, words, monkeypatch, capsys):
    monkeypatch.chdir(out.parent)
    before = contents(out)
    assert run("season", *arguments, "-q") == 2
    said = capsys.readouterr()
    assert not said.out
    (line,) = said.err.strip().splitlines()
    assert words in line
    assert contents(out) == before
    assert not (out.parent / "nowhere").exists()


@pytest.mark.parametrize("name", ["observations.parquet", "places.geojson", "receipt.json"])
def test_a_file_that_is_damaged_is_named(out, name, capsys):
    (out / name).write_bytes(b"damaged")
    assert run("season", out, "-q") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{name} cannot be read" in line
