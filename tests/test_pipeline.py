"""The whole path on a small real archive: rows, resuming, adding, failing, duplicates."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import fieldwren as fw
from fake_archive import CLEAR, CLOUD, START, field, write_archive, write_scene
from fieldwren.ledger import Ledger
from range_server import RangeServer


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDWREN_CACHE", str(tmp_path / "cache"))


PLACES = [field("north", 5, 5), field("south", 40, 40)]


def same(a, b):
    pd.testing.assert_frame_equal(a, b)
    return True


def test_every_candidate_gives_exactly_one_row_in_order(tmp_path):
    archive = write_archive(tmp_path / "a", qa=lambda k: CLOUD if k % 3 == 0 else CLEAR)
    table = fw.observe(PLACES, archive=str(archive)).table
    assert len(table) == 12
    assert not table.duplicated(["place_id", "scene_id"]).any()
    assert table.equals(table.sort_values(["place_id", "datetime", "scene_id"]))
    assert table["status"].value_counts().to_dict() == {"ok": 8, "cloud": 4}
    assert table.loc[table["status"] == "cloud", "ndvi"].isna().all()
    assert table["ndvi"].dropna().between(0.3, 0.9).all()
    assert (table["n_pixels"] - 36).abs().max() < 1e-6


def test_the_columns_are_those_of_the_observation(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1)
    table = fw.observe(PLACES, archive=str(archive)).table
    assert list(table.columns) == list(fw.Observation.__dataclass_fields__)


def test_the_same_command_again_reads_nothing_and_gives_the_same(tmp_path):
    archive = write_archive(tmp_path / "a")
    first = fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    second = fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    assert first.receipt["cost"]["requests"] > 0
    assert second.receipt["cost"]["requests"] == 0
    assert same(first.table, second.table)


def test_new_dates_and_places_are_added_and_only_they_are_read(tmp_path):
    few = write_archive(tmp_path / "a", scenes=3)
    fw.observe(PLACES[:1], archive=str(few), out=tmp_path / "out")
    write_archive(tmp_path / "a", scenes=5)
    grown = fw.observe(PLACES, archive=str(few), out=tmp_path / "out")
    fresh = fw.observe(PLACES, archive=str(few))
    assert same(grown.table, fresh.table)
    assert len(grown.table) == 10


def test_a_run_killed_anywhere_ends_with_the_table_of_an_undisturbed_one(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "a", scenes=9)
    undisturbed = fw.observe(PLACES, archive=str(archive)).table
    append, left = Ledger.append, [2]

    def dying(self, *arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        append(self, *arguments)
        self.flush()

    for _ in range(2):
        left[0] = 2
        monkeypatch.setattr(Ledger, "append", dying)
        with pytest.raises(KeyboardInterrupt):
            fw.observe(PLACES, archive=str(archive), out=tmp_path / "out", workers=1)
    (tmp_path / "out" / "ledger" / "half.partial").write_bytes(b"ARROW1 cut off")
    monkeypatch.setattr(Ledger, "append", append)
    resumed = fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    assert same(resumed.table, undisturbed)


def test_a_lost_file_costs_its_rows_and_is_tried_again(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=3)
    red = sorted((tmp_path / "a").glob("*_red.tif"))[1]
    hidden = red.rename(red.with_suffix(".hidden"))
    broken = fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    assert len(broken.failures) == 2
    assert broken.failures["reason"].str.contains("red.tif").all()
    hidden.rename(red)
    mended = fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    assert mended.failures.empty
    assert same(mended.table, fw.observe(PLACES, archive=str(archive)).table)


def test_overlapping_rows_of_one_pass_count_once(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=2)
    collection = json.loads(archive.read_text())
    later = START + timedelta(seconds=24)
    collection["features"].append(write_scene(tmp_path / "a", 7, CLOUD, moment=later, row=34))
    archive.write_text(json.dumps(collection))
    table = fw.observe(PLACES[:1], archive=str(archive)).table
    assert table["status"].tolist() == ["ok", "duplicate", "ok"]
    assert table["reason"][1] == f"same acquisition as {table['scene_id'][0]}"


def test_a_superseded_processing_is_not_read(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1)
    collection = json.loads(archive.read_text())
    old = json.loads(json.dumps(collection["features"][0]))
    old["id"] = old["id"].replace("_20200901_02_T1", "_20170110_02_RT")
    old["assets"] = {k: {"href": "./gone.tif"} for k in old["assets"]}
    collection["features"].append(old)
    archive.write_text(json.dumps(collection))
    table = fw.observe(PLACES[:1], archive=str(archive)).table
    assert sorted(table["status"]) == ["duplicate", "ok"]
    dropped = table[table["status"] == "duplicate"].iloc[0]
    assert dropped["scene_id"] == old["id"]
    assert dropped["reason"].startswith("superseded by LC08")


def test_scenes_above_max_cloud_keep_their_rows(tmp_path):
    archive = write_archive(tmp_path / "a", qa=lambda k: CLOUD if k == 2 else CLEAR)
    table = fw.observe(PLACES[:1], archive=str(archive), max_cloud=50).table
    assert table["status"].tolist() == ["ok", "ok", "cloudy_scene", "ok", "ok", "ok"]


def test_a_place_elsewhere_has_no_rows_and_does_not_matter(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=2)
    results = fw.observe(
        [*PLACES, {"type": "Point", "coordinates": [10, 50]}], archive=str(archive)
    )
    assert len(results.table) == 4
    assert results.summary()["scenes"].tolist() == [2, 2, 0]


def test_several_indices_have_their_columns(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1)
    results = fw.observe(PLACES, archive=str(archive), index=["evi2", "twice=2*nir/(red+nir)"])
    row = results.table.iloc[0]
    assert results.index == "evi2"
    assert "ndvi" not in results.table
    assert row["twice"] == pytest.approx(2 * row["nir"] / (row["red"] + row["nir"]), rel=0.01)
    assert np.isfinite(row["evi2_median"])


def test_two_runs_do_not_write_into_one_folder_at_once(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1)
    with (
        Ledger(tmp_path / "out" / "ledger", "other", ["ndvi"]),
        pytest.raises(fw.LedgerError, match="another run is writing"),
    ):
        fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")


def test_a_plan_counts_what_is_left_and_reads_nothing(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=4)
    planned = fw.plan(PLACES, archive=str(archive))
    assert planned.estimate.scenes == 4
    assert planned.estimate.requests >= 4 * 3
    fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    assert fw.plan(PLACES, archive=str(archive), out=tmp_path / "out").estimate.scenes == 0


def test_results_in_other_forms(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=4)
    results = fw.observe(PLACES, archive=str(archive))
    cube = results.to_xarray()
    assert cube["ndvi"].dims == ("place_id", "datetime")
    assert cube["ndvi"].shape == (2, 4)
    series = results.series("north")
    assert series["date"].is_monotonic_increasing
    assert len(series) == 49
    assert results.to_arrow().num_rows == 8
    assert "north" in results._repr_html_()
    with pytest.raises(fw.InputError, match="no place has the id 'west'"):
        results.series("west")


def test_a_failure_never_takes_the_place_of_a_value(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1)
    first = fw.observe(PLACES[:1], archive=str(archive), out=tmp_path / "out")
    next((tmp_path / "a").glob("*_red.tif")).unlink()
    both = fw.observe(PLACES, archive=str(archive), out=tmp_path / "out").table
    assert both["status"].tolist() == ["ok", "read_error"]
    assert both["ndvi"][0] == first.table["ndvi"][0]


def test_a_catalog_that_lies_about_the_crs_is_caught(tmp_path):
    def lie(number, item):
        item["properties"]["proj:epsg"] = 32611 if number else 32610

    archive = write_archive(tmp_path / "a", scenes=2, lie=lie)
    table = fw.observe(PLACES[:1], archive=str(archive)).table
    assert table["status"].tolist() == ["ok", "read_error"]
    assert "says EPSG:32610" in table["reason"][1]


def test_files_that_changed_are_read_again(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1)
    fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    collection = json.loads(archive.read_text())
    assets = collection["features"][0]["assets"]
    assets["red"], assets["nir08"] = assets["nir08"], assets["red"]
    archive.write_text(json.dumps(collection))
    again = fw.observe(PLACES, archive=str(archive), out=tmp_path / "out")
    assert (again.table["ndvi"] < 0).all()


def test_a_signature_in_the_archive_is_written_nowhere(tmp_path):
    write_archive(tmp_path / "a", scenes=1)
    with RangeServer(tmp_path / "a") as server:
        archive = f"{server.url}/items.json?sig=SECRET"
        results = fw.observe(PLACES, archive=archive, out=tmp_path / "out")
    assert results.table["status"].tolist() == ["ok", "ok"]
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert not [p.name for p in files if b"SECRET" in p.read_bytes()]


def test_it_runs_where_an_event_loop_runs_as_in_jupyter(tmp_path):
    def no_crs(number, item):
        del number, item["properties"]["proj:epsg"]

    archive = write_archive(tmp_path / "a", scenes=1, no_crs=no_crs)

    async def cell():
        return fw.observe(PLACES, archive=str(archive)).table

    assert asyncio.run(cell())["status"].tolist() == ["ok", "ok"]


def test_an_index_that_no_scene_can_give_is_refused(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=2)
    with pytest.raises(fw.InputError, match="none of the 2 scenes has a rededge1 band"):
        fw.observe(PLACES, archive=str(archive), index=["x=rededge1/nir"])


def test_no_scene_at_all_is_an_answer(tmp_path):
    archive = write_archive(tmp_path / "a", scenes=1)
    results = fw.observe(PLACES, archive=str(archive), since="2020", out=tmp_path / "out")
    assert results.table.empty
    assert results.summary()["scenes"].tolist() == [0, 0]
    assert (tmp_path / "out" / "report.html").exists()
    assert results.to_xarray().sizes["place_id"] == 2
