"""What a search makes of the items of a catalog: scenes in order, and problems in words."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_stac import NAPA, SULA, days, item, write
from fieldwren.archive.sensors import resolve_archive
from fieldwren.archive.stac import search
from fieldwren.errors import OptionError
from fieldwren.model import Place

DAYS = ["20130502", "20130603", "20130619", "20140603"]


def collected(folder: Path, features: list) -> str:
    return write(folder / "items.json", {"type": "FeatureCollection", "features": features})


@settings(deadline=None)
@given(st.lists(st.sampled_from(DAYS)))
def test_scenes_are_each_there_once_and_by_time_whatever_the_catalog_does(listed):
    with TemporaryDirectory() as folder:
        path = collected(Path(folder), [item(day) for day in listed])
        assert days(search(resolve_archive(path), [NAPA])) == sorted(set(listed))


@given(st.sampled_from(DAYS), st.sampled_from(DAYS))
@settings(deadline=None)
def test_the_days_of_an_interval_are_inclusive(since, until):
    since, until = sorted([since, until])
    with TemporaryDirectory() as folder:
        source = resolve_archive(collected(Path(folder), [item(day) for day in DAYS]))
        first, last = (f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in (since, until))
        found = search(source, [NAPA], since=first, until=last)
        assert days(found) == [day for day in DAYS if since <= day <= until]


def test_a_bad_date_is_an_option_error_before_anything_is_read(tmp_path: Path):
    source = resolve_archive(str(tmp_path))
    with pytest.raises(OptionError, match="--until 2013-02-30 is no date"):
        search(source, [NAPA], until="2013-02-30")


def test_progress_tells_how_many_were_found(tmp_path: Path):
    told = []
    path = collected(tmp_path, [item(day) for day in DAYS])
    search(resolve_archive(path), [NAPA], on_progress=told.append)
    assert told == [1, 2, 3, 4]


def test_cloudy_scenes_are_found_too(tmp_path: Path):
    cloudy = item("20130603")
    cloudy["properties"]["eo:cloud_cover"] = 100
    (scene,) = search(resolve_archive(collected(tmp_path, [cloudy])), [NAPA]).scenes
    assert scene.cloud_cover == 100


def test_an_item_that_cannot_be_used_costs_only_itself(tmp_path: Path):
    level_1 = item("20130604") | {"id": "LC08_L1TP_044033", "collection": "landsat-c2-l1"}
    undated = item("20130605")
    undated["properties"]["datetime"] = None
    features = [item("20130603"), level_1, dict(level_1, id="other"), undated, None, {}]
    path = write(tmp_path / "items.json", {"type": "FeatureCollection", "features": features})
    found = search(resolve_archive(path), [NAPA])
    assert days(found) == ["20130603"]
    assert set(found.problems) == {
        "LC08_L1TP_044033 and 1 more: it is a Level 1 product, which is not surface reflectance",
        "LC08_L2SP_044033_20130605_20130605_02_T1: it has no datetime",
        "an item without id: it has no properties",
    }


def test_a_place_elsewhere_finds_nothing_and_that_is_no_error(tmp_path: Path):
    path = write(tmp_path / "one.json", item("20130603"))
    assert search(resolve_archive(path), [SULA]).scenes == ()


def test_items_across_the_antimeridian_are_found_from_both_sides(tmp_path: Path):
    ring = [[179, -18], [-179, -18], [-179, -17], [179, -17], [179, -18]]
    crossing = item("20130603", bbox=[179, -18, -179, -17])
    crossing["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    boxed = item("20130704", bbox=[179, -18, -179, -17], geometry=None)
    for name, document in (("a", crossing), ("b", boxed)):
        write(tmp_path / f"{name}.json", document)
    for longitude, expected in ((179.5, 2), (-179.5, 2), (0.0, 0), (-178.0, 0)):
        place = Place(id="p", name="p", geometry=shapely.Point(longitude, -17.5))
        assert len(search(resolve_archive(str(tmp_path)), [place]).scenes) == expected


def test_what_is_doubtful_is_told_once_for_all_scenes(tmp_path: Path, shared_data: Path):
    name = "S2A_OPER_MSI_L2A_TL_VGS1_20220401T110010_A035382_T34LBQ.json"
    doubtful = json.loads((shared_data / "stac/sentinel2_stactools" / name).read_text())
    path = collected(tmp_path, [doubtful, doubtful | {"id": "other"}])
    center = shapely.geometry.shape(doubtful["geometry"]).centroid
    found = search(resolve_archive(path), [Place(id="p", name="p", geometry=center)])
    assert len(found.scenes) == 2
    assert found.problems == (
        "S2A_T34LBQ_20220401T090142_L2A and 1 more: states offset -0.7, where -0.1 is used",
    )
