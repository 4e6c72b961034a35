"""The worker against rasterio and exactextract on the same files."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from rasterio.warp import transform_geom

from fieldwren.geometry import project_shapes
from fieldwren.model import Asset, Failed, Place, ReadOptions, ReadTask, Recipe, SceneRead
from fieldwren.pixels.cog import write_cog
from fieldwren.pixels.indices import INDICES
from fieldwren.worker import observe

SIZE = 300
NDVI = Recipe(indices=(INDICES["ndvi"],))
# EPSG code, x and y of the upper left corner, pixel size: zones, hemispheres, a pole.
LATTICES = [
    (32610, 561_015.0, 4_250_985.0, 30.0),
    (32618, 200_015.0, 615_000.0, 30.0),
    (32733, 333_345.0, 7_777_785.0, 10.0),
    (3031, -700_000.0, 1_300_000.0, 30.0),
]


def write_scene(folder, lattice, *, cloud=0.3, seed=0, qa_factor=1):
    """Three files of one scene; returns them as read by the worker, and their arrays."""
    epsg, x, y, size = lattice
    random = np.random.default_rng(seed)
    red = random.integers(7_300, 14_000, (SIZE, SIZE)).astype("u2")
    nir = random.integers(10_000, 40_000, (SIZE, SIZE)).astype("u2")
    red[:40, :40] = nir[:40, :40] = 0
    qa = np.full((SIZE // qa_factor,) * 2, 21824, "u2")
    blocks = random.random((SIZE // 20 + 1,) * 2) < cloud
    qa[np.kron(blocks, np.ones((20, 20), bool))[: len(qa), : len(qa)]] = 22280
    arrays = {"red": red, "nir": nir, "qa": qa}
    assets = {}
    for band, pixels in arrays.items():
        side = size * qa_factor if band == "qa" else size
        path = folder / f"{band}-{epsg}-{seed}.tif"
        transform = (side, 0.0, x, 0.0, -side, y)
        write_cog(path, pixels, transform=transform, epsg=epsg, tile=128)
        numbers = {} if band == "qa" else {"scale": 2.75e-5, "offset": -0.2, "nodata": 0}
        assets[band] = Asset(key=band, href=str(path), band=band, **numbers)
    return SceneRead(
        id=f"scene-{seed}",
        key=f"k{seed}",
        assets=assets,
        crs=None,
        quality="qa_pixel",
        access="local",
    ), arrays


def fields(lattice, seed=0, n=40):
    """Random places in degrees: polygons with holes, multipolygons, points, some over the edge."""
    epsg, x, y, size = lattice
    random = np.random.default_rng(seed)
    shapes = []
    for k in range(n):
        at = shapely.Point(*(np.array([x, y]) + random.uniform(-20, SIZE + 20, 2) * [size, -size]))
        radius = size * random.choice([0.3, 2.0, 8.0, 25.0])
        shape = at.buffer(radius, quad_segs=random.integers(1, 6))
        if k % 4 == 0:
            shape = shape.difference(at.buffer(radius / 3))
        if k % 5 == 0:
            shape = shape.union(shapely.affinity.translate(shape, 3 * radius, 0))
        if k % 7 == 0:
            shape = at
        shapes.append(shape)
    degrees = [transform_geom(f"EPSG:{epsg}", "OGC:CRS84", s.__geo_interface__) for s in shapes]
    return [
        Place(id=f"p{k}", name=f"p{k}", geometry=shapely.geometry.shape(d))
        for k, d in enumerate(degrees)
    ]


def run(scenes, places, epsg, recipe=NDVI):
    shapes, _ = project_shapes(places, f"EPSG:{epsg}")
    task = ReadTask(key="t", scenes=tuple(scenes), shapes=shapes, recipe=recipe)
    return observe(task, ReadOptions())


def expected(places, lattice, arrays):
    """The same statistics by exactextract over the masked index of the whole scene."""
    epsg, x, y, size = lattice
    red, nir = (arrays[b] * 2.75e-5 - 0.2 for b in ("red", "nir"))
    clear = (arrays["qa"] == 21824) & (arrays["red"] != 0)
    index = np.where(clear, (nir - red) / (nir + red), np.nan)
    crs = rasterio.crs.CRS.from_epsg(epsg)
    frame = gpd.GeoDataFrame(
        {"place": [p.id for p in places]}, geometry=[p.geometry for p in places], crs="OGC:CRS84"
    ).to_crs(crs)
    box = {"xmin": x, "xmax": x + SIZE * size, "ymin": y - SIZE * size, "ymax": y}
    source = NumPyRasterSource(index, **box, nodata=np.nan, srs_wkt=crs.to_wkt())
    statistics = ["mean", "median", "stdev", "min", "max", "count"]
    statistics += ["quantile(q=0.1)", "quantile(q=0.9)"]
    areas = frame[frame.geom_type != "Point"]
    return exact_extract(source, areas, statistics, include_cols=["place"], output="pandas")


@pytest.mark.parametrize("lattice", LATTICES, ids=lambda lattice: str(lattice[0]))
def test_statistics_equal_exactextract(tmp_path, lattice):
    scene, arrays = write_scene(tmp_path, lattice)
    places = fields(lattice)
    (done,) = run([scene], places, lattice[0])
    found = pd.DataFrame(done.columns, index=[p.id for p in places])
    truth = expected(places, lattice, arrays).set_index("place")
    found = found.loc[truth.index]
    names = {
        "mean": "ndvi",
        "median": "ndvi_median",
        "stdev": "ndvi_std",
        "min": "ndvi_min",
        "max": "ndvi_max",
        "count": "n_clear",
        "quantile_10": "ndvi_p10",
        "quantile_90": "ndvi_p90",
    }
    assert truth["count"].gt(1).sum() > 10
    # Slivers lighter than a millionth of a pixel may or may not be counted.
    sure = truth["count"] > 1e-6
    for theirs, ours in names.items():
        np.testing.assert_allclose(found[ours][sure], truth[theirs][sure], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("lattice", LATTICES[:2], ids=lambda lattice: str(lattice[0]))
def test_a_point_is_the_pixel_that_holds_it(tmp_path, lattice):
    epsg, x, y, size = lattice
    scene, arrays = write_scene(tmp_path, lattice, cloud=0)
    at = (x + 100.3 * size, y - 200.7 * size)
    lon, lat = rasterio.warp.transform(f"EPSG:{epsg}", "OGC:CRS84", [at[0]], [at[1]])
    place = Place(id="p", name="p", geometry=shapely.Point(lon[0], lat[0]))
    (done,) = run([scene], [place], epsg)
    red, nir = (arrays[b][200, 100] * 2.75e-5 - 0.2 for b in ("red", "nir"))
    assert done.columns["red"][0] == pytest.approx(red, abs=1e-12)
    assert done.columns["ndvi"][0] == pytest.approx((nir - red) / (nir + red), abs=1e-12)
    assert done.columns["n_pixels"][0] == 1


def test_a_quality_band_of_twice_the_pixel_masks_its_four_pixels(tmp_path):
    lattice = LATTICES[2]
    scene, arrays = write_scene(tmp_path, lattice, qa_factor=2)
    places = fields(lattice)
    (done,) = run([scene], places, lattice[0])
    fine = arrays | {"qa": np.kron(arrays["qa"], np.ones((2, 2), "u2"))}
    truth = expected(places, lattice, fine).set_index("place")
    found = pd.DataFrame(done.columns, index=[p.id for p in places]).loc[truth.index]
    np.testing.assert_allclose(found["n_clear"], truth["count"], atol=1e-6)
    sure = truth["count"] > 1e-6
    np.testing.assert_allclose(found["ndvi"][sure], truth["mean"][sure], rtol=1e-6)


def test_bands_are_not_read_where_nothing_is_clear(tmp_path):
    scene, _ = write_scene(tmp_path, LATTICES[0], cloud=1.0)
    broken = {b: a for b, a in scene.assets.items() if b == "qa"}
    scene = SceneRead(id="s", key="k", assets=broken, crs=None, quality="qa_pixel", access="local")
    (done,) = run([scene], fields(LATTICES[0]), 32610)
    assert set(done.statuses) <= {"cloud", "fill"}


def test_dilation_grows_clouds_by_metres(tmp_path):
    lattice = LATTICES[0]
    scene, _ = write_scene(tmp_path, lattice)
    grown = Recipe(indices=NDVI.indices, dilate=60.0)
    (plain,), (dilated,) = (run([scene], fields(lattice), 32610, r) for r in (NDVI, grown))
    assert (dilated.columns["n_clear"] <= plain.columns["n_clear"]).all()
    assert (dilated.columns["n_clear"] < plain.columns["n_clear"]).any()


def test_a_scene_that_cannot_be_read_costs_its_own_rows_only(tmp_path):
    good, _ = write_scene(tmp_path, LATTICES[0])
    lost, _ = write_scene(tmp_path, LATTICES[0], seed=1)
    for asset in lost.assets.values():
        (tmp_path / asset.href).write_bytes(b"II*\0 this is no raster")
    outcomes = run([good, lost], fields(LATTICES[0]), 32610)
    assert "ok" in outcomes[0].statuses
    assert isinstance(outcomes[1], Failed)
    assert outcomes[1].status == "read_error"


def test_a_collection_without_a_known_quality_band_is_refused_unless_nothing_is_masked(tmp_path):
    scene, _ = write_scene(tmp_path, LATTICES[0])
    blind = SceneRead(id="s", key="k", assets=scene.assets, crs=None, quality=None, access="local")
    (failed,) = run([blind], fields(LATTICES[0]), 32610)
    assert "--mask none" in failed.reason
    unmasked = Recipe(indices=NDVI.indices, mask="none")
    (done,) = run([blind], fields(LATTICES[0]), 32610, unmasked)
    assert "ok" in done.statuses


def test_the_offset_of_sentinel_2_is_applied_once(tmp_path):
    """Red 1400 and nir 4000 of baseline 05.00 are reflectances .04 and .30: NDVI .765."""
    transform = (10.0, 0.0, 500_000.0, 0.0, -10.0, 4_000_000.0)
    assets = {}
    for band, number in (("red", 1400), ("nir", 4000), ("qa", 4)):
        path = tmp_path / f"{band}.tif"
        write_cog(path, np.full((8, 8), number, "u2"), transform=transform, epsg=32633)
        assets[band] = Asset(key=band, href=str(path), band=band, scale=1e-4, offset=-0.1)
    scene = SceneRead(id="s", key="k", assets=assets, crs=None, quality="scl", access="local")
    lon, lat = rasterio.warp.transform("EPSG:32633", "OGC:CRS84", [500_045.0], [3_999_955.0])
    place = Place(id="p", name="p", geometry=shapely.Point(lon[0], lat[0]))
    (done,) = run([scene], [place], 32633)
    assert done.columns["ndvi"][0] == pytest.approx(0.765, abs=5e-4)


def test_an_overcast_row_counts_the_same_pixels_as_a_clear_one(tmp_path):
    """Sentinel-2's quality band has 20 m pixels, its red band 10 m."""
    lattice = LATTICES[2]
    counts = []
    for quality in (4, 9):
        folder = tmp_path / str(quality)
        folder.mkdir()
        scene, arrays = write_scene(folder, lattice, qa_factor=2)
        path = scene.assets["qa"].href
        transform = (20.0, 0.0, lattice[1], 0.0, -20.0, lattice[2])
        write_cog(path, np.full_like(arrays["qa"], quality), transform=transform, epsg=lattice[0])
        scene = replace(scene, quality="scl")
        (done,) = run([scene], fields(lattice), lattice[0])
        counts.append(done.columns["n_pixels"])
    assert set(done.statuses) <= {"cloud", "fill"}
    np.testing.assert_allclose(*counts, atol=1e-9)
