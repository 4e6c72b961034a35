"""Recorded STAC items of all versions and catalogs → scenes, field by field."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldwren.archive.items import (
    doubt,
    resolve_href,
    same_acquisition_key,
    scene_from_item,
)
from fieldwren.archive.sensors import Source, resolve_archive

SOURCE = Source(name="test", kind="document", href="https://host/catalog.json")
BASE = "https://host/stac/item.json"
USGS = "s3://usgs-landsat/collection02/level-2/standard"


def items(path: Path) -> list[dict]:
    document = json.loads(path.read_text())
    return document.get("features", [document])


def scene(path: Path, wanted: str = "", **changes):
    """The scene of the first item whose id contains a text, with other properties."""
    item = next(item for item in items(path) if wanted in item.get("id", ""))
    item["properties"] |= changes
    return scene_from_item(item, source=SOURCE, base_href=BASE)


def reflectance(asset, number: float) -> float:
    return number * asset.scale + asset.offset


def test_landsat_of_earth_search(shared_data):
    responses = shared_data / "stac/responses"
    found = scene(responses / "earthsearch_v1_test_multiple_collections_p1.json", "LC08")
    name = "LC08_L2SP_033032_20231008_20231017_02_T1"
    stem = f"{USGS}/oli-tirs/2023/033/032/{name}/{name}"
    assert found.id == "LC08_L2SP_033032_20231008_02_T1"
    assert (found.collection, found.archive, found.platform) == (
        "landsat-c2-l2",
        "test",
        "landsat-8",
    )
    assert found.datetime == datetime(2023, 10, 8, 17, 37, 26, 656958, tzinfo=UTC)
    assert (found.cloud_cover, found.sun_elevation) == (0.06, 41.18722795)
    assert (found.tile, found.version, found.crs) == ("033032", "20231017", "EPSG:32613")
    assert (found.quality, found.access) == ("qa_pixel", "usgs-landsat")
    assert found.thumbnail == f"{stem}_thumb_small.jpeg"
    assert found.footprint.bounds == pytest.approx(
        (-105.5642, 39.2699, -102.8921, 41.3828), abs=1e-4
    )
    assert set(found.assets) == {"blue", "green", "red", "nir", "nir08", "swir16", "swir22", "qa"}
    red, qa = found.assets["red"], found.assets["qa"]
    assert (red.key, red.href, red.band) == ("red", f"{stem}_SR_B4.TIF", "red")
    assert (red.scale, red.offset, red.nodata) == (0.0000275, -0.2, 0)
    assert (red.valid_min, red.valid_max) == (7273, 43636)
    assert found.assets["nir"].href == f"{stem}_SR_B5.TIF"
    assert (qa.key, qa.href) == ("qa_pixel", f"{stem}_QA_PIXEL.TIF")
    assert (qa.scale, qa.valid_min) == (None, None)


def test_landsat_of_planetary_computer_is_unsigned_and_signed_when_read(shared_data):
    item = items(shared_data / "stac/responses/mpc_landsat-c2-l2_p1.json")[0]
    item["assets"]["red"]["href"] += "?st=2025&sig=secret"
    found = scene_from_item(item, source=resolve_archive("planetary-computer"), base_href=BASE)
    assert found.access == "planetary-computer"
    assert found.assets["red"].href.endswith("LC09_L2SP_090091_20250310_20250311_02_T1_SR_B4.TIF")
    assert (found.tile, found.version) == ("090091", "20250311")
    assert found.thumbnail.startswith("https://planetarycomputer.microsoft.com/api/data/")


def test_the_old_planetary_computer_collection_names_assets_by_number(shared_data):
    found = scene(shared_data / "stac/responses/mpc_landsat-8-c2-l2_netherlands_p1.json")
    assert {b: a.key for b, a in found.assets.items()} == {
        "blue": "SR_B2",
        "green": "SR_B3",
        "red": "SR_B4",
        "nir": "SR_B5",
        "nir08": "SR_B5",
        "swir16": "SR_B6",
        "swir22": "SR_B7",
        "qa": "QA_PIXEL",
    }
    assert (found.tile, found.version, found.crs) == ("197023", "20220330", "EPSG:32632")


def test_landsat_5_under_numbered_keys_has_red_in_band_3(shared_data):
    item = items(shared_data / "stac/landsat-c2-l2_stactools/LT05_L2SP_010067_19860424_02_T2.json")[
        0
    ]
    numbers = {"blue": 1, "green": 2, "red": 3, "nir08": 4, "swir16": 5, "swir22": 7}
    renamed = {n: f"SR_B{k}" for n, k in numbers.items()} | {"qa_pixel": "QA_PIXEL"}
    item["assets"] = {renamed.get(k, k): a for k, a in item["assets"].items()}
    found = scene_from_item(item, source=SOURCE, base_href=BASE)
    assert found.assets["red"].href.endswith("_SR_B3.TIF")
    assert found.assets["nir"].href.endswith("_SR_B4.TIF")
    assert found.platform == "landsat-5"


def test_landsatlook_is_read_from_the_bucket_because_its_website_needs_a_login(shared_data):
    folder = shared_data / "stac/usgs_landsatlook"
    found = scene(folder / "LC09_L2SP_092068_20230607_20230609_02_T1_SR.json")
    name = "LC09_L2SP_092068_20230607_20230609_02_T1"
    assert found.assets["red"].href == f"{USGS}/oli-tirs/2023/092/068/{name}/{name}_SR_B4.TIF"
    assert (found.platform, found.access) == ("landsat-9", "usgs-landsat")


def test_stac_0_7_with_a_bare_date_and_numbered_bands_across_the_antimeridian(shared_data):
    folder = shared_data / "stac/usgs_landsatlook"
    found = scene(folder / "LC08_L2SR_084024_20160111_20201016_02_T1_SR_stac.json")
    name = "LC08_L2SR_084024_20160111_20201016_02_T1"
    assert found.datetime == datetime(2016, 1, 11, tzinfo=UTC)
    assert (found.tile, found.version, found.crs) == ("084024", "20201016", None)
    assert (found.platform, found.cloud_cover) == ("landsat-8", 30.41)
    assert found.sun_elevation == 14.78250544
    assert found.assets["red"].key == "SR_B4.TIF"
    # This version has no alternate href: the same path lies in the bucket.
    assert found.assets["red"].href == f"{USGS}/oli-tirs/2016/084/024/{name}/{name}_SR_B4.TIF"
    assert found.footprint.geom_type == "MultiPolygon"
    assert found.footprint.area < 10


def test_a_footprint_that_the_catalog_has_cut_already_stays_so(shared_data):
    folder = shared_data / "stac/usgs_landsatlook"
    found = scene(folder / "LT05_L2SR_087017_20090621_20200827_02_T2_SR_stac.json")
    west, _, east, _ = found.footprint.bounds
    assert (west, east) == (-180, 180)
    assert found.footprint.area < 10


def test_sentinel_2_collection_1_keeps_the_offset(shared_data):
    found = scene(shared_data / "stac/responses/earthsearch_v1_filter_p1.json", "T20EPT")
    assert found.id == "S2B_T20EPT_20250731T131905_L2A"
    assert (found.platform, found.tile) == ("sentinel-2b", "20EPT")
    assert found.version == "05.11 20250731T143919"
    assert found.assets["red"].offset == -0.1
    assert (found.assets["red"].valid_min, found.assets["red"].valid_max) == (1001, 11000)
    assert (found.quality, found.assets["qa"].key) == ("scl", "scl")
    assert found.assets["nir"].key == "nir"
    assert found.assets["nir08"].key == "nir08"
    assert found.sun_elevation == pytest.approx(4.16, abs=0.01)


def test_the_offset_of_sentinel_2_gives_the_right_ndvi(shared_data):
    """Red 1400 and nir 4000 of baseline 05.00 are NDVI .765; .481 if the offset is forgotten."""
    found = scene(shared_data / "stac/rustac/two-sentinel-2-items.json")
    red, nir = (reflectance(found.assets[b], n) for b, n in (("red", 1400), ("nir", 4000)))
    assert (nir - red) / (nir + red) == pytest.approx(0.765, abs=0.001)


@pytest.mark.parametrize(("baseline", "offset"), [("02.12", 0), ("03.01", 0), ("04.00", -0.1)])
def test_planetary_computer_does_not_harmonise_so_the_baseline_decides(
    shared_data, baseline, offset
):
    path = shared_data / "stac/rustac/two-sentinel-2-items.json"
    found = scene(path, **{"s2:processing_baseline": baseline})
    assert found.assets["red"].offset == offset


@pytest.mark.parametrize(
    ("applied", "offset", "doubtful"),
    [(True, 0, False), (False, -0.1, False)],
)
def test_earth_search_says_whether_it_has_taken_the_offset_out(
    shared_data, applied, offset, doubtful
):
    path = shared_data / "stac/responses/earthsearch_v1_test_multiple_collections_p1.json"
    item = items(path)[0]
    item["properties"]["earthsearch:boa_offset_applied"] = applied
    found = scene_from_item(item, source=SOURCE, base_href=BASE)
    assert item["assets"]["red"]["raster:bands"][0]["offset"] == -0.1
    assert found.assets["red"].offset == offset
    assert (doubt(item, found) is not None) == doubtful


def test_earth_search_0_names_the_baseline_in_the_product_only(shared_data):
    found = scene(shared_data / "stac/responses/earthsearch_v0_s2cogs_p1.json")
    assert found.version == "05.11 20250731T143919"
    assert found.assets["red"].offset == 0  # sentinel:boa_offset_applied
    old = scene(shared_data / "stac/odc-stac/S2A_28QCH_20200714_0_L2A.json")
    assert (old.version, old.assets["red"].offset) == ("02.14 20200714T191310", 0)


def test_an_offset_that_differs_from_the_table_is_noticed(shared_data):
    name = "S2A_OPER_MSI_L2A_TL_VGS1_20220401T110010_A035382_T34LBQ.json"
    item = items(shared_data / "stac/sentinel2_stactools" / name)[0]
    found = scene_from_item(item, source=SOURCE, base_href=BASE)
    assert found.assets["red"].offset == -0.1
    assert doubt(item, found) == "states offset -0.7, where -0.1 is used"


def test_sentinel_2_without_a_baseline_is_refused(shared_data):
    item = items(shared_data / "stac/rustac/two-sentinel-2-items.json")[0]
    for name in ("s2:processing_baseline", "s2:product_uri"):
        del item["properties"][name]
    for asset in item["assets"].values():
        asset["href"] = "https://host/file.tif"
    with pytest.raises(ValueError, match="no processing baseline"):
        scene_from_item(item, source=SOURCE, base_href=BASE)


def test_the_sun_elevation_may_be_told_as_zenith(shared_data):
    found = scene(shared_data / "stac/rustac/two-sentinel-2-items.json")
    assert found.sun_elevation == 90 - 33.6615274396343


def test_copernicus_items_are_understood_by_product_name(shared_data):
    """As of stac.dataspace.copernicus.eu: ids are product names, keys have the resolution."""
    item = items(shared_data / "stac/rustac/two-sentinel-2-items.json")[0]
    name = "S2A_MSIL2A_20260628T115421_N0512_R023_T29UNU_20260628T194416"
    s3 = f"s3://eodata/Sentinel-2/MSI/L2A/2026/06/28/{name}.SAFE/"
    item |= {
        "id": name,
        "properties": {
            "datetime": "2026-06-28T11:54:21.024000Z",
            "platform": "sentinel-2a",
            "processing:version": "05.12",
            "proj:code": "EPSG:32629",
        },
        "assets": {k: {"href": f"{s3}{k}.jp2"} for k in ("B04_10m", "B08_10m", "SCL_20m")},
    }
    found = scene_from_item(item, source=SOURCE, base_href=BASE)
    assert (found.tile, found.crs) == ("29UNU", "EPSG:32629")
    assert found.version == "05.12 20260628T194416"
    assert (found.assets["red"].offset, found.quality) == (-0.1, "scl")


def test_stac_1_1_with_relative_hrefs(shared_data):
    name = "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.json"
    found = scene(shared_data / "stac/sentinel2_stactools" / name)
    assert found.crs == "EPSG:32707"
    assert found.collection == ""
    assert found.assets["red"].href.startswith("https://host/stac/GRANULE/L2A_T07HFE_A019029_")
    assert found.assets["red"].offset == 0


def test_hls_in_both_flavours():
    def item(collection, product, keys):
        return {
            "type": "Feature",
            "id": product,
            "collection": collection,
            "bbox": [-121, 38, -120, 39],
            "properties": {"datetime": "2021-01-01T18:45:32Z", "eo:cloud_cover": 4},
            "assets": {key: {"href": f"https://x.org/{product}.{key}.tif"} for key in keys},
        }

    l30 = scene_from_item(
        item("hls2-l30", "HLS.L30.T10SEH.2021001T184532.v2.0", ["B02", "B04", "B05", "Fmask"]),
        source=SOURCE,
        base_href=BASE,
    )
    keys = ["HLS.S30.T10SEH.2021001T184532.v2.0." + k for k in ("B04", "B08", "B8A", "Fmask")]
    s30 = scene_from_item(
        item("HLSS30_2.0", "HLS.S30.T10SEH.2021001T184532.v2.0", keys),
        source=SOURCE,
        base_href=BASE,
    )
    assert l30.assets["nir"].key == "B05"
    assert s30.assets["nir"].key.endswith(".B8A")  # file names as keys; B08 is not harmonised
    for found in (l30, s30):
        red = found.assets["red"]
        assert (red.scale, red.offset, red.nodata) == (0.0001, 0, -9999)
        assert (found.quality, found.tile, found.version) == ("fmask", "10SEH", "v2.0")
        assert found.footprint.equals(shapely.box(-121, 38, -120, 39))


def test_an_unknown_product_tells_its_bands_by_common_name():
    def asset(name, **more):
        bands = [{"name": "x", "eo:common_name": name, "raster:scale": 0.0001, "nodata": 0}]
        return {"href": f"{name}.tif", "bands": bands, **more}

    item = {
        "type": "Feature",
        "id": "mine",
        "collection": "mine",
        "bbox": [0, 0, 1, 1],
        "properties": {"start_datetime": "2020-06-01T10:00:00+02:00"},
        "assets": {
            "visual": {"href": "tci.tif", "bands": [{"eo:common_name": "red"}, {}, {}]},
            "a60": asset("red", gsd=60),
            "a10": asset("red", gsd=10),
            "a10-jp2": asset("red", gsd=10, type="image/jp2"),
            "b": asset("nir08"),
            "e": asset("rededge071"),
            "SCL": {"href": "scl.tif"},
        },
    }
    found = scene_from_item(item, source=SOURCE, base_href=BASE)
    keys = {b: a.key for b, a in found.assets.items()}
    assert keys == {"red": "a10", "nir": "b", "nir08": "b", "rededge1": "e", "qa": "SCL"}
    assert found.quality == "scl"
    assert found.datetime == datetime(2020, 6, 1, 8, tzinfo=UTC)
    red = found.assets["red"]
    assert (red.scale, red.offset, red.nodata, red.valid_max) == (0.0001, None, 0, 10000)
    assert doubt(item, found) is None


def test_an_unknown_product_without_a_scale_is_left_to_its_files_and_noticed(shared_data):
    path = shared_data / "stac/odc-stac/ga_ls8c_ard_3-1-0_088080_2020-05-25_final.stac-item.json"
    item = items(path)[0]
    found = scene_from_item(item, source=SOURCE, base_href=BASE)
    assert found.assets["red"].key == "nbart_red"
    assert (found.assets["red"].scale, found.assets["red"].offset) == (None, None)
    assert (found.quality, found.tile) == (None, "088080")
    assert "states no scale" in doubt(item, found)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("legacy_sat-api/LC80100102015050LGN00.json", "Level 1"),
        ("usgs_landsatlook/LM01_L1GS_001010_19720908_20200909_02_T2_stac.json", "Level 1"),
        ("sentinel2_stactools/S2A_T01LAC_20200717T221944_L1C.json", "Level 1"),
        ("odc-stac/lidar_dem.json", "no red and no nir band"),
        ("responses/earthsearch_v1_test_fields_p1.json", "no assets"),
        ("legacy_sat-search/sentinel-response.json", "no id"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(shared_data, path, reason):
    with pytest.raises(ValueError, match=reason):
        scene(shared_data / "stac" / path)


def test_every_recorded_level_2_item_becomes_a_scene(shared_data):
    """Nothing is refused but what is meant to be; all have what a plan needs."""
    count = 0
    for path in sorted((shared_data / "stac").rglob("*json")):
        for item in items(path):
            if not any(name in str(item.get("id")) for name in ("_L2S", "_L2A", "_MSIL2A_")):
                continue
            if not item.get("assets"):
                continue
            found = scene_from_item(item, source=SOURCE, base_href=BASE)
            count += 1
            assert found.footprint.is_valid
            assert -180 <= found.footprint.bounds[0] <= found.footprint.bounds[2] <= 180
            assert found.footprint.area < 70
            assert found.tile
            assert found.platform
    assert count > 350


@pytest.mark.parametrize(
    ("properties", "crs"),
    [
        ({"proj:code": "EPSG:32610"}, "EPSG:32610"),
        ({"proj:epsg": 32610}, "EPSG:32610"),
        ({"proj:epsg": "32610"}, "EPSG:32610"),
        ({"proj:epsg": None, "proj:code": None}, None),
        ({"proj:epsg": 326}, None),
        ({"proj:code": "no such thing"}, None),
    ],
)
def test_the_crs_is_told_or_left_to_the_file(shared_data, properties, crs):
    path = shared_data / "stac/usgs_landsatlook"
    name = "LC08_L2SP_047027_20201204_20210313_02_T1_SR_stac.json"  # tells none
    assert scene(path / name, **properties).crs == crs


def test_a_crs_may_be_told_as_wkt_or_projjson(shared_data):
    path = shared_data / "stac/usgs_landsatlook"
    name = "LC08_L2SP_047027_20201204_20210313_02_T1_SR_stac.json"
    utm = pyproj.CRS("EPSG:32610")
    for told in ({"proj:wkt2": utm.to_wkt()}, {"proj:projjson": utm.to_json_dict()}):
        assert pyproj.CRS(scene(path / name, **told).crs).to_epsg() == 32610


def test_a_remote_item_cannot_name_a_file_of_this_machine(shared_data):
    item = items(shared_data / "stac/rustac/two-sentinel-2-items.json")[0]
    item["assets"]["B04"]["href"] = "file:///etc/passwd"
    with pytest.raises(ValueError, match="file on this machine"):
        scene_from_item(item, source=SOURCE, base_href=BASE)
    item["assets"]["B04"]["href"] = "/etc/passwd"
    assert scene_from_item(item, source=SOURCE, base_href=BASE).assets["red"].href == (
        "https://host/etc/passwd"
    )
    local = replace(SOURCE, local=True, access="local")
    found = scene_from_item(item, source=local, base_href="/data/item.json")
    assert (found.assets["red"].href, found.access) == ("/etc/passwd", "local")


@pytest.mark.parametrize(
    ("href", "base", "absolute"),
    [
        ("./a/b.tif", "https://h/x/item.json", "https://h/x/a/b.tif"),
        ("../b.tif", "https://h/x/y/item.json", "https://h/x/b.tif"),
        ("b.tif", "s3://bucket/x/item.json", "s3://bucket/x/b.tif"),
        ("../../../b.tif", "s3://bucket/x/item.json", "s3://bucket/b.tif"),
        ("https://o/b.tif", "s3://bucket/x/item.json", "https://o/b.tif"),
        ("./b.tif", "/data/x/item.json", "/data/x/b.tif"),
        ("b.tif", "x/item.json", "x/b.tif"),
        ("b.tif", "file:///data/item.json", "/data/b.tif"),
        ("https://o/b.tif", "/data/x/item.json", "https://o/b.tif"),
    ],
)
def test_relative_hrefs_start_at_the_item(href, base, absolute):
    assert resolve_href(href, base) == absolute


@settings(deadline=None)
@given(href=st.text(), scheme=st.sampled_from(["https", "http", "s3"]))
def test_whatever_a_remote_document_says_its_hrefs_are_remote(href, scheme):
    try:
        absolute = resolve_href(href, f"{scheme}://host/a/b.json")
    except ValueError:
        return
    assert "://" in absolute
    assert not absolute.lower().startswith("file:")


def test_two_processings_of_one_acquisition_share_a_key(shared_data):
    """RT and T1; two baselines; collection 1 and the old one; catalogs that date differently."""
    responses = shared_data / "stac/responses"
    landsat = scene(responses / "mpc_landsat-c2-l2_p1.json")
    rt = replace(landsat, id="LC09_L2SP_090091_20250310_02_RT", version="20250310")
    assert same_acquisition_key(landsat) == same_acquisition_key(rt)
    listed = responses / "earthsearch_v1_filter_p1.json"
    both = [scene(listed, name) for name in ("S2B_T20EPT", "S2B_20EPT_20250731_0_L2A")]
    assert both[0].collection != both[1].collection
    assert same_acquisition_key(both[0]) == same_acquisition_key(both[1])
    datatake = replace(both[0], datetime=datetime(2025, 7, 31, 13, 3, tzinfo=UTC))
    assert same_acquisition_key(both[0]) == same_acquisition_key(datatake)


def test_the_day_of_an_acquisition_is_that_of_the_place(shared_data):
    """Over eastern Australia the morning pass falls on both sides of midnight in Greenwich."""
    found = scene(shared_data / "stac/responses/mpc_landsat-c2-l2_p1.json")
    before, after = (
        replace(found, datetime=datetime(2025, 3, d, h, m, tzinfo=UTC))
        for d, h, m in ((10, 23, 59), (11, 0, 1))
    )
    assert same_acquisition_key(before) == same_acquisition_key(after)


def test_different_acquisitions_do_not_share_a_key(shared_data):
    found = scene(shared_data / "stac/responses/earthsearch_v1_filter_p1.json", "T20EPT")
    south = shapely.affinity.translate(found.footprint, 0, -0.5)
    others = [
        replace(found, datetime=datetime(2025, 8, 1, 13, tzinfo=UTC)),
        replace(found, platform="sentinel-2a"),
        replace(found, tile="20EPS"),
        replace(found, footprint=south),  # the other part of a split datatake
        replace(found, tile=None, id="another"),
    ]
    keys = {same_acquisition_key(s) for s in (found, *others)}
    assert len(keys) == 1 + len(others)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(data=st.data())
def test_whatever_is_in_an_item_it_is_a_scene_or_a_value_error(data):
    item = copy.deepcopy(ITEM)
    holder = data.draw(st.sampled_from([item, item["properties"], item["assets"]["red"]]))
    for name in data.draw(st.lists(st.sampled_from(sorted(holder)), min_size=1, max_size=3)):
        holder[name] = data.draw(JSON)
    try:
        found = scene_from_item(item, source=SOURCE, base_href=BASE)
    except ValueError:
        return
    same_acquisition_key(found)
    doubt(item, found)


ITEM = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "S2A_T10SEH_20230608T184921_L2A",
    "collection": "sentinel-2-c1-l2a",
    "bbox": [-123.0, 37.8, -121.7, 38.8],
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[-123, 38.8], [-123, 37.8], [-121.7, 37.8], [-121.7, 38.8], [-123, 38.8]]],
    },
    "links": [{"rel": "self", "href": "https://host/item"}],
    "properties": {
        "datetime": "2023-06-08T18:49:21Z",
        "start_datetime": None,
        "platform": "sentinel-2a",
        "eo:cloud_cover": 3.5,
        "eo:bands": [],
        "view:sun_elevation": 70.0,
        "s2:mean_solar_zenith": 20.0,
        "s2:processing_baseline": "05.09",
        "s2:product_uri": "S2A_MSIL2A_20230608T184921_N0509_R113_T10SEH_20230609T004800.SAFE",
        "s2:generation_time": "2023-06-09T00:48:00Z",
        "s2:mgrs_tile": "10SEH",
        "grid:code": "MGRS-10SEH",
        "proj:epsg": 32610,
        "proj:code": "EPSG:32610",
        "proj:projjson": None,
        "earthsearch:boa_offset_applied": False,
    },
    "assets": {
        "red": {
            "href": "https://host/B04.tif",
            "type": "image/tiff",
            "alternate": {},
            "raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}],
            "eo:bands": [{"common_name": "red"}],
        },
        "nir": {"href": "https://host/B08.tif"},
        "scl": {"href": "https://host/SCL.tif"},
        "thumbnail": {"href": "https://host/t.jpg", "type": "image/jpeg"},
    },
}
