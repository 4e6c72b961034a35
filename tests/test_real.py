"""Real pixels through the same path as any archive, against published figures."""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform as warp

from fieldwren.pipeline import observe
from fieldwren.pixels.cog import write_cog

SCENES = {
    "LC08_L2SP_005009_20150710": 54.65,
    "LC08_L2SP_008059_20191201": 81.02,
    "LC08_L2SP_017036_20130419": 100.0,
    "LC08_L2SR_099120_20191129": 100.0,
    "LC08_L2SP_001062_20201031": 99.94,
}


def corners(path):
    """The raster's outline in degrees, as a GeoJSON polygon."""
    with rasterio.open(path) as file:
        west, south, east, north = file.bounds
        xs, ys = [west, east, east, west, west], [south, south, north, north, south]
        lon, lat = warp(file.crs, "OGC:CRS84", xs, ys)
    return {"type": "Polygon", "coordinates": [list(zip(lon, lat, strict=True))]}


@pytest.fixture(scope="module")
def collection_2(shared_data, tmp_path_factory):
    """The real scenes with their own items, whose hrefs are made to point to the files here."""
    items, places = [], []
    for folder in ("stactools", "rio-tiler-pds"):
        for path in sorted((shared_data / "landsat_l2" / folder).glob("*_stac.json")):
            item = json.loads(path.read_text())
            for asset in item["assets"].values():
                here = path.parent / asset["href"].rsplit("/", 1)[-1]
                asset["href"] = here.as_uri() if here.exists() else asset["href"]
            red = next(path.parent.glob(path.name.removesuffix("_SR_stac.json") + "_SR_B4.TIF"))
            items.append(item)
            places.append({"type": "Feature", "id": item["id"][:25], "geometry": corners(red)})
    archive = tmp_path_factory.mktemp("collection-2") / "items.json"
    archive.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    results = observe(places, archive=str(archive))
    return results.table.set_index("place_id")


def test_every_real_scene_gives_its_row(collection_2):
    assert sorted(collection_2.index) == sorted(SCENES)


@pytest.mark.parametrize(("scene", "percent"), SCENES.items())
def test_cloud_fraction_equals_that_of_the_metadata(collection_2, scene, percent):
    assert 100 * collection_2.loc[scene, "cloud_fraction"] == pytest.approx(percent, abs=0.1)


def test_clear_ndvi_of_colombia(collection_2):
    row = collection_2.loc["LC08_L2SP_008059_20191201"]
    assert row["n_clear"] == pytest.approx(21334, abs=1e-3)
    assert row["ndvi"] == pytest.approx(0.774461, abs=1e-6)
    assert row["status"] == "low_coverage"


@pytest.mark.parametrize(
    "scene",
    ["LC08_L2SP_017036_20130419", "LC08_L2SR_099120_20191129", "LC08_L2SP_001062_20201031"],
)
def test_overcast_scenes_give_a_reason_and_no_value(collection_2, scene):
    row = collection_2.loc[scene]
    assert row["status"] == "cloud"
    assert "cloud" in row["reason"]
    assert np.isnan(row["ndvi"])


@pytest.fixture(scope="module")
def thirty_years(shared_data, tmp_path_factory):
    """447 real acquisitions of one spot, 1984 to 2013, written as a STAC archive."""
    folder = tmp_path_factory.mktemp("p035r032")
    with tarfile.open(shared_data / "landsat_stack" / "p035r032_testdata.tar.gz") as tar:
        stacks = {m.name: tar.extractfile(m).read() for m in tar if m.name.endswith(".gtif")}
    items = [write_scene(folder, name, data) for name, data in sorted(stacks.items())]
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    lon, lat = warp("EPSG:32613", "OGC:CRS84", [336375 + 75], [4462425 - 75])
    return observe([(lon[0], lat[0])], archive=str(folder / "items.json")).table


def write_scene(folder, name, data):
    scene = name.split("/")[-2]
    with rasterio.MemoryFile(data) as memory, memory.open() as file:
        bands = {"red": file.read(3), "nir": file.read(4), "cfmask": file.read(8)}
        place, epsg = tuple(file.transform)[:6], file.crs.to_epsg()
    for band, pixels in bands.items():
        nodata = 255 if band == "cfmask" else -9999
        write_cog(folder / f"{scene}_{band}.tif", pixels, transform=place, epsg=epsg, nodata=nodata)
    reflectance = {"raster:bands": [{"scale": 0.0001, "nodata": -9999}]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene,
        "collection": "landsat-ledaps",
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                [
                    [-106.94, 40.29],
                    [-106.92, 40.29],
                    [-106.92, 40.31],
                    [-106.94, 40.31],
                    [-106.94, 40.29],
                ]
            ],
        },
        "bbox": [-106.94, 40.29, -106.92, 40.31],
        "properties": {
            "datetime": datetime.strptime(scene[9:16], "%Y%j").replace(tzinfo=UTC).isoformat(),
            "platform": {"LT5": "landsat-5", "LT4": "landsat-4", "LE7": "landsat-7"}[scene[:3]],
        },
        "links": [],
        "assets": {
            "red": {"href": f"./{scene}_red.tif", **reflectance},
            "nir": {"href": f"./{scene}_nir.tif", **reflectance},
            "cfmask": {"href": f"./{scene}_cfmask.tif"},
        },
    }


def test_thirty_years_give_a_row_for_each_of_447_acquisitions(thirty_years):
    assert len(thirty_years) == 447
    assert str(thirty_years["datetime"].min().date()) == "1984-04-17"
    assert str(thirty_years["datetime"].max().date()) == "2013-05-27"


def test_thirty_years_have_260_clear_dates_of_the_published_mean(thirty_years):
    clear = thirty_years[thirty_years["status"] == "ok"]
    assert len(clear) == 260
    assert clear["ndvi"].mean() == pytest.approx(0.637138279397975, abs=1e-9)
    assert clear["ndvi"].min() == pytest.approx(0.15725490196078432, abs=1e-9)
    assert clear["ndvi"].max() == pytest.approx(0.8339709257842387, abs=1e-9)


def test_the_other_187_acquisitions_say_why(thirty_years):
    rejected = thirty_years[thirty_years["status"] != "ok"]
    assert len(rejected) == 187
    assert rejected["reason"].str.len().gt(0).all()
    assert rejected["ndvi"].isna().all()
    assert rejected["status"].value_counts().to_dict() == {
        "cloud": 90,
        "snow": 50,
        "shadow": 30,
        "fill": 17,
    }
