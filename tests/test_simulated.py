from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pystac
import pytest
import rasterio
from exactextract import exact_extract
from pystac.extensions.eo import EOExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.extensions.view import ViewExtension
from rasterio.io import MemoryFile
from shapely.geometry import shape

from fieldwren.archive import simulated
from fieldwren.archive.simulated import write
from fieldwren.archive.simulated.land import make_land, ndvi
from fieldwren.archive.simulated.noise import generator
from fieldwren.archive.simulated.orbit import overpass, overpasses, sun_position
from fieldwren.archive.simulated.regions import REGIONS
from fieldwren.archive.simulated.weather import make_sky
from fieldwren.errors import OptionError
from fieldwren.geometry import project_shapes
from fieldwren.model import Place
from fieldwren.pixels.masks import Quality, classify

SPAN = {"since": date(2013, 5, 28), "until": date(2013, 7, 31)}
SEED = 7
SUMMER = datetime(2014, 6, 21, 18, tzinfo=UTC)


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return simulated.write_archive(tmp_path_factory.mktemp("simulated") / "a", seed=SEED, **SPAN)


@pytest.fixture(scope="session")
def items(archive):
    return json.loads((archive / "items.json").read_text())["features"]


@pytest.fixture(scope="session")
def lands():
    return {region.id: make_land(region, SEED) for region in REGIONS}


def region_of(item):
    tile = int(item["properties"]["landsat:wrs_path"]), int(item["properties"]["landsat:wrs_row"])
    return next(r for r in REGIONS if tile in {(v.path, v.row) for v in r.views})


def read(archive, item, key):
    with rasterio.open(archive / item["assets"][key]["href"]) as file:
        return file.read(1), file.transform


def reflectance(archive, item, key):
    (band,) = item["assets"][key]["raster:bands"]
    return read(archive, item, key)[0] * band["scale"] + band["offset"]


def true_ndvi(item, lands):
    """NDVI of the noise-free ground in the window of the scene."""
    land = lands[region_of(item).id]
    properties = item["properties"]
    sun = properties["view:sun_azimuth"], properties["view:sun_elevation"]
    values = ndvi(land.reflectance(datetime.fromisoformat(properties["datetime"]), sun))
    _, _, west, _, _, north = properties["proj:transform"]
    row, col = (land.transform[5] - north) / 30, (west - land.transform[2]) / 30
    rows, cols = properties["proj:shape"]
    return values[int(row) : int(row) + rows, int(col) : int(col) + cols]


# Orbit and sun


def test_overpasses_are_on_the_days_of_landsat_8():
    def first(path, row):
        return overpasses(path, row, date(2013, 6, 1), date(2013, 6, 16))[0].date()

    assert first(44, 33) == first(44, 34) == date(2013, 6, 3)
    assert first(45, 33) == date(2013, 6, 10)
    assert first(40, 35) == date(2013, 6, 7)
    assert first(41, 35) == first(9, 56) == date(2013, 6, 14)
    assert first(147, 46) == date(2013, 6, 5)
    june = [t.date().day for t in overpasses(44, 33, date(2013, 6, 1), date(2013, 6, 30))]
    assert june == [3, 19]


def test_the_whole_archive_has_all_overpasses_of_five_years():
    views = [view for region in REGIONS for view in region.views]
    count = sum(len(overpasses(v.path, v.row, write._SINCE, write._UNTIL)) for v in views)
    assert count == 952


def test_overpasses_repeat_every_16_days_and_rows_24_seconds_apart():
    times = overpasses(44, 33, date(2014, 1, 1), date(2014, 12, 31))
    assert {b - a for a, b in itertools.pairwise(times)} == {timedelta(days=16)}
    assert (overpass(44, 34, cycle=9) - overpass(44, 33, cycle=9)).total_seconds() == pytest.approx(
        23.9, abs=0.1
    )


def test_the_sun_is_where_it_must_be():
    azimuth, elevation = sun_position(datetime(2015, 6, 21, 12, 2, tzinfo=UTC), 0, 52)
    assert (azimuth, elevation) == pytest.approx((180, 90 - 52 + 23.44), abs=0.5)
    assert sun_position(datetime(2015, 3, 20, 12, 7, tzinfo=UTC), 0, 0)[1] > 89
    assert sun_position(datetime(2015, 3, 21, 0, 7, tzinfo=UTC), 0, 0)[1] < -89


def test_days_hours_and_sun_agree_with_the_metadata_of_real_scenes(shared_data):
    def field(text, key):
        return re.findall(rf'"?\b{key}"?\s*[=:]\s*"?([^",\n]+)', text)[0].strip()

    scenes = set()
    for path in shared_data.rglob("LC*8*_MTL.*"):
        text = path.read_text()
        corners = [
            [float(field(text, f"CORNER_{c}_{axis}_PRODUCT")) for c in ("UL", "UR", "LL", "LR")]
            for axis in ("LON", "LAT")
        ]
        longitude, latitude = (sum(values) / 4 for values in corners)
        tile = int(field(text, "WRS_PATH")), int(field(text, "WRS_ROW"))
        day = date.fromisoformat(field(text, "DATE_ACQUIRED"))
        seen = datetime.fromisoformat(f"{day}T{field(text, 'SCENE_CENTER_TIME')[:8]}+00:00")
        (found,) = overpasses(*tile, day, day)
        assert abs((found - seen).total_seconds()) < 200, path.name
        azimuth, elevation = sun_position(seen, longitude, latitude)
        assert elevation == pytest.approx(float(field(text, "SUN_ELEVATION")), abs=0.5), path.name
        turned = (azimuth - float(field(text, "SUN_AZIMUTH")) + 180) % 360 - 180
        assert abs(turned) < 1, path.name
        scenes.add((*tile, day))
    assert len(scenes) > 20


# Places


def test_demo_places_are_points_and_small_fields_beside_them():
    features = simulated.demo_places()["features"]
    assert [f["id"] for f in features] == [
        *("coffee-triangle", "coffee-triangle-field", "napa-valley", "napa-valley-field"),
        *("death-valley", "death-valley-field", "sula-vineyards", "sula-vineyards-field"),
    ]
    fields = 0
    for region in REGIONS:
        place, polygon = (shape(f["geometry"]) for f in features if region.id in f["id"])
        assert place.coords[0] == (region.longitude, region.latitude)
        assert polygon.is_valid
        assert polygon.exterior.is_ccw
        assert polygon.distance(place) < 0.02
        item = Place(id="f", name="", geometry=polygon)
        shapes, _ = project_shapes([item], f"EPSG:{region.epsg}")
        x, y = shapes.xy.T
        doubled = sum(
            np.dot(x[a : b - 1], y[a + 1 : b]) - np.dot(x[a + 1 : b], y[a : b - 1])
            for a, b in itertools.pairwise(shapes.rings)
        )
        assert 6e4 < doubled / 2 < 40e4
        fields += bool(polygon.interiors) or polygon.area / polygon.convex_hull.area < 0.9
    assert fields >= 2


# Catalog


def test_items_carry_what_landsat_items_carry(items):
    assert len(items) == len({i["id"] for i in items}) == 32
    for document in items:
        item = pystac.Item.from_dict(document, migrate=False)
        written = item.to_dict(include_self_link=False)
        assert written | {"stac_version": "1.0.0"} == document
        assert item.properties["fieldwren:simulated"] is True
        assert item.properties["platform"] == "landsat-8"
        assert re.fullmatch(r"LC08_L2SP_\d{6}_2013\d{4}_20200912_02_T1", item.id)
        tile = item.properties["landsat:wrs_path"] + item.properties["landsat:wrs_row"]
        assert item.id[10:25] == f"{tile}_{item.datetime:%Y%m%d}"
        assert item.datetime.tzinfo is not None
        bounds = shape(item.geometry).bounds
        assert bounds == tuple(item.bbox)
        assert list(item.assets) == [
            *("blue", "green", "red", "nir08", "swir16", "swir22", "qa_pixel")
        ]
        assert 0 <= EOExtension.ext(item).cloud_cover <= 100
        assert 0 < ViewExtension.ext(item).sun_elevation < 90
        assert item.properties["proj:code"] == f"EPSG:{item.properties['proj:epsg']}"
        (band,) = RasterExtension.ext(item.assets["red"]).bands
        assert (band.scale, band.offset, band.nodata) == (0.0000275, -0.2, 0)


def test_items_hold_their_places(items):
    for item in items:
        footprint = shape(item["geometry"])
        places = simulated.demo_places()["features"]
        inside = [p["id"] for p in places if footprint.contains(shape(p["geometry"]))]
        assert inside == [region_of(item).id, f"{region_of(item).id}-field"]


def test_the_catalog_leads_to_every_item_and_file(archive, items):
    catalog = pystac.Catalog.from_file(archive / "catalog.json")
    assert "imulated" in catalog.title
    (collection,) = catalog.get_children()
    assert collection.id == "landsat-c2-l2"
    assert "simulated" in collection.title
    found = {item.id: item for item in catalog.get_items(recursive=True)}
    assert set(found) == {i["id"] for i in items}
    for item in items:
        own = found[item["id"]]
        assert own.get_collection().id == collection.id
        assert own.properties.items() <= item["properties"].items()
        for key, asset in item["assets"].items():
            href = own.assets[key].get_absolute_href()
            assert (archive / asset["href"]).resolve().samefile(href)


# Rasters


def test_rasters_are_what_their_items_say(archive, items):
    for item in items[::5]:
        for key, asset in item["assets"].items():
            (band,) = asset["raster:bands"]
            with rasterio.open(archive / asset["href"]) as file:
                proj = ProjectionExtension.ext(pystac.Item.from_dict(item, migrate=False))
                assert list(file.transform)[:6] == proj.transform
                assert list(file.shape) == proj.shape
                assert file.crs.to_epsg() == item["properties"]["proj:epsg"]
                assert file.dtypes == ("uint16",)
                assert file.nodata == band["nodata"]
                assert file.tags()["AREA_OR_POINT"] == "Point"
                assert file.tags()["TIFFTAG_IMAGEDESCRIPTION"] == "Simulated by fieldwren"
                assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
                assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert file.block_shapes == [(80, 80)]
                assert file.overviews(1) == [2]
                if key != "qa_pixel":
                    assert (file.scales, file.offsets) == ((band["scale"],), (band["offset"],))


def test_scenes_of_a_place_share_a_lattice_and_differ_in_extent(items):
    for region in REGIONS:
        origins = [i["properties"]["proj:transform"][2::3] for i in items if region_of(i) is region]
        assert len({tuple(o) for o in origins}) > 1
        assert all(x % 30 == y % 30 == 15 for x, y in origins)


def test_cloud_cover_is_that_of_the_quality_band(archive, items):
    for item in items:
        quality, _ = read(archive, item, "qa_pixel")
        measured = 100 * np.mean((quality[quality != 1] & 0b1000) > 0)
        assert item["properties"]["eo:cloud_cover"] == pytest.approx(measured, abs=0.0051)


def test_quality_values_are_those_of_real_scenes(archive, items, shared_data):
    real = {54596}  # cirrus alone, in the table of the product guide
    for path in shared_data.glob("landsat_l2/*/*QA_PIXEL.TIF"):
        with rasterio.open(path) as file:
            real |= set(np.unique(file.read(1)).tolist())
    found = {v for i in items for v in np.unique(read(archive, i, "qa_pixel")[0]).tolist()}
    assert found <= real
    assert len(found) >= 6


def test_numbers_are_fill_exactly_where_the_quality_band_says_so(archive, items):
    filled = 0
    for item in items:
        fill = read(archive, item, "qa_pixel")[0] == 1
        for band in ("blue", "red", "nir08", "swir22"):
            assert np.array_equal(read(archive, item, band)[0] == 0, fill)
        filled += fill.any()
    assert 0 < filled < len(items) / 2


def test_two_rows_of_one_overpass_measure_the_same_ground(archive, items):
    by_id = {i["id"]: i for i in items}
    above = by_id["LC08_L2SP_044033_20130603_20200912_02_T1"]
    below = by_id["LC08_L2SP_044034_20130603_20200912_02_T1"]
    for key in above["assets"]:
        (a, place_a), (b, place_b) = (read(archive, i, key) for i in (above, below))
        down, right = (
            round(v) for v in ((place_b.f - place_a.f) / -30, (place_b.c - place_a.c) / 30)
        )
        n = len(a)
        one = a[max(down, 0) : n + min(down, 0), max(right, 0) : n + min(right, 0)]
        two = b[max(-down, 0) : n + min(-down, 0), max(-right, 0) : n + min(-right, 0)]
        assert one.shape == two.shape
        assert one.size > 100**2
        assert np.array_equal(one, two)


# Truth


def test_ndvi_of_clear_pixels_is_the_truth_but_for_noise(archive, items, lands):
    errors = []
    for item in items:
        red, nir = (reflectance(archive, item, key) for key in ("red", "nir08"))
        clear = classify("qa_pixel", read(archive, item, "qa_pixel")[0]) == Quality.CLEAR
        truth = true_ndvi(item, lands)
        error = ((nir - red) / (nir + red) - truth)[clear]
        errors.append(error)
        land = truth[clear] > -0.1  # over dark water NDVI is mostly noise
        assert np.abs(error[land]).max(initial=0) < 0.05, item["id"]
    together = np.concatenate(errors)
    assert len(together) > 10**5
    assert np.sqrt(np.mean(together**2)) < 0.01
    assert abs(together.mean()) < 0.0005


def test_truth_is_the_coverage_weighted_mean_of_the_noise_free_ndvi(archive, items, lands):
    with (archive / "truth.csv").open() as file:
        table = {(r["place_id"], r["scene_id"]): r for r in csv.DictReader(file)}
    assert len(table) == 2 * len(items)
    places = {f["id"]: f for f in simulated.demo_places()["features"]}
    for item in items[::3]:
        region, properties = region_of(item), item["properties"]
        values = true_ndvi(item, lands)
        transform = rasterio.Affine(*properties["proj:transform"])
        with MemoryFile() as memory:
            profile = {"driver": "GTiff", "dtype": "float64", "count": 1, "transform": transform}
            size = {"height": values.shape[0], "width": values.shape[1]}
            with memory.open(crs=properties["proj:code"], **profile, **size) as file:
                file.write(values, 1)
            polygon = places[f"{region.id}-field"]
            with memory.open() as file:
                shapes, _ = project_shapes(
                    [Place(id="f", name="", geometry=shape(polygon["geometry"]))],
                    properties["proj:code"],
                )
                rings = [shapes.xy[a:b].tolist() for a, b in itertools.pairwise(shapes.rings)]
                projected = {
                    "type": "Feature",
                    "properties": {},
                    "geometry": {"type": "Polygon", "coordinates": rings},
                }
                (result,) = exact_extract(file, [projected], ["mean"])
        row = table[f"{region.id}-field", item["id"]]
        assert float(row["ndvi"]) == pytest.approx(result["properties"]["mean"], abs=2e-6)


def test_truth_tells_what_hides_the_place(archive, items, lands):
    with (archive / "truth.csv").open() as file:
        table = {(r["place_id"], r["scene_id"]): r for r in csv.DictReader(file)}
    for item in items:
        region = region_of(item)
        row = table[region.id, item["id"]]
        values, transform = read(archive, item, "qa_pixel")
        land = lands[region.id]
        x = land.transform[2] + 30 * (land.weights.cols[0] + 0.5)
        y = land.transform[5] - 30 * (land.weights.rows[0] + 0.5)
        pixel = values[int((transform.f - y) // 30), int((x - transform.c) // 30)]
        quality = classify("qa_pixel", np.array([pixel]))[0]
        assert row["datetime"] == item["properties"]["datetime"]
        assert (float(row["clear"]) == 1) == (quality in {Quality.CLEAR, Quality.CLOUD_EDGE})
        assert (float(row["fill"]) == 1) == (quality == Quality.FILL)
        if quality == Quality.SHADOW:
            assert float(row["shadow"]) == 1
        if quality == Quality.CLOUD:
            assert float(row["cloud"]) == 1


def test_seasons_are_those_of_the_places(lands):
    def field(region, *days):
        land = lands[region]
        own = slice(land.weights.places[1], None)
        pixels = land.weights.rows[own], land.weights.cols[own]
        weights = land.weights.weights[own]
        return [
            np.average(ndvi(land.reflectance(day, (130, 50)))[pixels], weights=weights)
            for day in days
        ]

    january, march, june, september, november = (
        datetime(2016, month, 15, tzinfo=UTC) for month in (1, 3, 6, 9, 11)
    )
    assert min(field("coffee-triangle", january, march, june, september)) > 0.6
    assert max(field("death-valley", january, march, june, september)) < 0.15
    summer, winter, leafless = field("napa-valley", june, march, november)
    assert summer > leafless + 0.1
    assert winter > leafless + 0.05
    monsoon, dry = field("sula-vineyards", september, datetime(2016, 4, 20, tzinfo=UTC))
    assert monsoon > dry + 0.25


def test_clouds_follow_the_climate():
    def cover(index, months):
        region = REGIONS[index]
        days = [datetime(2015, m, d, 18, tzinfo=UTC) for m in months for d in range(1, 28, 3)]
        skies = [make_sky(region, generator(1, region.id, day), day, (130, 50)) for day in days]
        return np.mean([np.mean(sky.cloud > 0) for sky in skies])

    year = range(1, 13)
    coffee, napa, desert = (cover(k, year) for k in range(3))
    assert coffee > napa > desert
    assert cover(3, (6, 7, 8)) > 0.65
    assert cover(3, (12, 1, 2)) < 0.25


def test_shadows_fall_away_from_the_sun():
    region = REGIONS[1]
    for azimuth, step in ((90, (0, -1)), (180, (-1, 0))):  # sun in the east, sun in the south
        sky = next(
            sky
            for day in range(100)
            if 0.1
            < np.mean((sky := make_sky(region, generator(day), SUMMER, (azimuth, 40))).cloud > 0)
            < 0.5
        )
        cloud = sky.cloud > 0
        overlaps = [
            np.mean(np.roll(cloud, (k * step[0], k * step[1]), (0, 1))[sky.shadow])
            for k in (10, -10)
        ]
        assert overlaps[0] > overlaps[1]


# Writing


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(archive, tmp_path):
    part = {"since": date(2013, 6, 1), "until": date(2013, 6, 8)}
    one = digests(simulated.write_archive(tmp_path / "one", seed=SEED, **part))
    two = digests(simulated.write_archive(tmp_path / "two", seed=SEED, **part))
    assert one == two
    rasters = {k: v for k, v in one.items() if k.endswith(".TIF")}
    assert len(rasters) == 5 * 7
    assert rasters.items() <= digests(archive).items()  # whatever the rest of the time span
    other = digests(simulated.write_archive(tmp_path / "three", seed=SEED + 1, **part))
    assert not rasters.items() & other.items()


def test_progress_counts_overpasses(tmp_path):
    calls = []
    simulated.write_archive(
        tmp_path / "a",
        since=date(2013, 6, 3),
        until=date(2013, 6, 5),
        progress=lambda *done: calls.append(done),
    )
    assert calls == [(1, 2), (2, 2)]


def test_a_folder_in_use_and_a_time_without_overpasses_are_refused(archive, tmp_path):
    with pytest.raises(OptionError, match="not empty"):
        simulated.write_archive(archive, **SPAN)
    with pytest.raises(OptionError, match="does not pass"):
        simulated.write_archive(tmp_path, since=date(2013, 6, 4), until=date(2013, 6, 4))


def test_the_demo_archive_is_made_once(monkeypatch, tmp_path):
    def write_few(folder, *, progress):
        assert progress is None
        (folder / "catalog.json").write_text("{}")

    monkeypatch.setattr(write, "write_archive", write_few)
    folder = simulated.demo_archive(tmp_path / "cache")
    assert folder.parent == tmp_path / "cache"
    assert (folder / "catalog.json").read_text() == "{}"
    monkeypatch.setattr(write, "write_archive", None)
    assert simulated.demo_archive(tmp_path / "cache") == folder
    assert list(folder.parent.iterdir()) == [folder]


def test_a_half_made_demo_archive_is_not_left_behind(monkeypatch, tmp_path):
    def fail(folder, *, progress):
        (folder / "half").write_text("")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_archive", fail)
    with pytest.raises(OSError, match="No space"):
        simulated.demo_archive(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_the_demo_archive_the_slower_takes_what_is_there(monkeypatch, tmp_path):
    def slow(folder, *, progress):
        (folder / "catalog.json").write_text("slow")
        home = tmp_path / f"simulated-{write._VERSION}"
        home.mkdir()
        (home / "catalog.json").write_text("fast")

    monkeypatch.setattr(write, "write_archive", slow)
    folder = simulated.demo_archive(tmp_path)
    assert (folder / "catalog.json").read_text() == "fast"
    assert list(tmp_path.iterdir()) == [folder]
