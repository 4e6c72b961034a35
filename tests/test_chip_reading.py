"""Chips of places: the pixels that rasterio reads, on a window that shows the place."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely

from fake_archive import CLEAR, CLOUD, PIXEL, SIZE, X, Y, field, write_archive
from fieldwren.archive import stac
from fieldwren.archive.locate import with_crs
from fieldwren.archive.sensors import resolve_archive
from fieldwren.chip import Chip, read_chips
from fieldwren.errors import ReadError
from fieldwren.model import ReadOptions, Recipe
from fieldwren.pixels.indices import parse_index
from fieldwren.places import read_places

RECIPE = Recipe(indices=(parse_index("ndvi"),))
OPTIONS = ReadOptions()


def quality(number):
    """Cloud over the upper left quarter of the scene."""
    del number
    codes = np.full((SIZE, SIZE), CLEAR)
    codes[: SIZE // 2, : SIZE // 2] = CLOUD
    return codes


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("a"), scenes=3, qa=quality, visible=True)


def scenes_of(archive, places):
    found = stac.search(resolve_archive(str(archive), "landsat", ()), places).scenes
    return with_crs(found, OPTIONS)[0]


def chips_of(archive, features, recipe=RECIPE):
    places = read_places({"type": "FeatureCollection", "features": features}).places
    scenes = scenes_of(archive, places)
    found, timing = read_chips([(s, p) for s in scenes for p in places], recipe, OPTIONS)
    return scenes, found, timing


def reference(scene, band, row, col, n):
    """Reflectance by rasterio, NaN without data; beyond the image, too."""
    with rasterio.open(scene.assets[band].href) as file:
        numbers = np.pad(file.read(1).astype(float), n)[n + row :, n + col :][:n, :n]
    return np.where(numbers == 0, np.nan, numbers * 0.0000275 - 0.2)


def ndvi(scene, row, col, n, *, masked=True):
    red, nir = (reference(scene, band, row, col, n) for band in ("red", "nir"))
    values = (nir - red) / (nir + red)
    rows, cols = np.indices((n, n)) + np.reshape((row, col), (2, 1, 1))
    cloudy = (rows < SIZE // 2) & (cols < SIZE // 2) & masked
    return np.where(cloudy, np.nan, values)


def test_a_chip_holds_the_pixels_around_the_place(archive):
    scenes, found, timing = chips_of(archive, [field("f", row=28, col=29, side=6)])
    assert len(found) == 3
    for scene, chip in zip(scenes, found, strict=True):
        assert chip.values.shape == (20, 20)
        row, col = 21, 22  # the field's middle is at 31, 32
        assert chip.transform == (PIXEL, 0, X + col * PIXEL, 0, -PIXEL, Y - row * PIXEL)
        np.testing.assert_allclose(chip.values, ndvi(scene, row, col, 20), rtol=0, atol=1e-12)
        colour = [reference(scene, band, row, col, 20) for band in ("red", "green", "blue")]
        np.testing.assert_allclose(chip.colour, np.stack(colour, axis=-1), rtol=0, atol=1e-12)
        assert np.isnan(chip.values).sum() == 11 * 10, "what is cloudy is masked, and it only"
        (ring,) = chip.outline
        assert (
            shapely.Polygon(ring).equals_exact(shapely.box(7, 7, 13, 13).normalize(), 1e-3)
            or shapely.Polygon(ring).symmetric_difference(shapely.box(7, 7, 13, 13)).area < 1e-2
        )
    assert timing.requests > 0


def test_without_a_mask_clouds_are_shown(archive):
    recipe = Recipe(indices=RECIPE.indices, mask="none")
    scenes, found, _ = chips_of(archive, [field("f", row=28, col=29, side=6)], recipe)
    wanted = ndvi(scenes[0], 21, 22, 20, masked=False)
    np.testing.assert_allclose(found[0].values, wanted, rtol=0, atol=1e-12)


def test_a_point_is_on_the_pixel_that_holds_it(archive):
    centre = shapely.geometry.shape(field("x", row=40, col=30, side=1)["geometry"]).centroid
    feature = {"type": "Feature", "id": "p", "properties": {}, "geometry": centre.__geo_interface__}
    _, found, _ = chips_of(archive, [feature])
    ((point,),) = found[0].outline
    _, _, x, _, _, y = found[0].transform
    assert (x + point[0] * PIXEL - X) // PIXEL == 30
    assert (Y - (y - point[1] * PIXEL)) // PIXEL == 40


def test_beyond_the_scene_there_are_no_data(archive):
    scenes, found, _ = chips_of(archive, [field("corner", row=58, col=58, side=4)])
    n = found[0].values.shape[0]
    row, col = 50, 50
    np.testing.assert_allclose(found[0].values, ndvi(scenes[0], row, col, n), rtol=0, atol=1e-12)
    assert np.isnan(found[0].values).sum() == n * n - (SIZE - row) ** 2
    assert (np.isnan(found[0].colour).any(axis=-1) == np.isnan(found[0].values)).all()


def test_a_large_place_is_decimated_on_the_scenes_own_pixels(archive, monkeypatch):
    monkeypatch.setattr("fieldwren.chip._WIDEST", 24)
    scenes, found, _ = chips_of(archive, [field("park", row=2, col=2, side=60)])
    chip = found[0]
    step = chip.transform[0] / PIXEL
    assert step == 4  # 60 pixels and their margins are 78
    assert chip.values.shape == (20, 20)
    row, col = round((Y - chip.transform[5]) / PIXEL), round((chip.transform[2] - X) / PIXEL)
    whole = ndvi(scenes[0], row, col, 80)
    np.testing.assert_allclose(chip.values, whole[2::4, 2::4], rtol=0, atol=1e-12)
    assert np.ptp(chip.outline[0], axis=0) == pytest.approx(15, abs=0.1)


def test_places_on_one_scene_share_its_tiles(archive):
    one = chips_of(archive, [field("a", row=40, col=40, side=4)])[2]
    features = [field(f"f{k}", row=40 + k, col=40 + k, side=4) for k in range(8)]
    assert chips_of(archive, features)[2].bytes == one.bytes


def test_a_scene_without_a_visible_band_has_no_colours(tmp_path):
    archive = write_archive(tmp_path, scenes=1)
    _, found, _ = chips_of(archive, [field("f")])
    assert found[0].colour is None
    assert np.isfinite(found[0].values).all()


def test_a_scene_that_cannot_be_read_costs_its_own_chips_only(tmp_path):
    archive = write_archive(tmp_path, scenes=3, visible=True)
    items = json.loads(archive.read_text())["features"]
    (tmp_path / items[1]["assets"]["red"]["href"]).unlink()
    scenes, found, _ = chips_of(archive, [field("a"), field("b", row=30)])
    assert [isinstance(chip, Chip) for chip in found] == [True] * 2 + [False] * 2 + [True] * 2
    assert scenes[1].id in str(found[2])


def test_a_visible_band_that_cannot_be_read_costs_the_colours_only(tmp_path):
    archive = write_archive(tmp_path, scenes=1, visible=True)
    (item,) = json.loads(archive.read_text())["features"]
    (tmp_path / item["assets"]["green"]["href"]).unlink()
    _, found, _ = chips_of(archive, [field("a"), field("b", row=30)])
    assert all(chip.colour is None and np.isfinite(chip.values).all() for chip in found)


def test_a_damaged_tile_costs_the_chips_on_it_only(tmp_path):
    archive = write_archive(tmp_path, scenes=1, visible=True)
    item = json.loads(archive.read_text())["features"][0]
    path = tmp_path / item["assets"]["red"]["href"]
    data = bytearray(path.read_bytes())
    data[-200:] = b"\xff" * 200  # within the last tile: the lower right one
    path.write_bytes(data)
    features = [field("whole", row=8, col=8), field("damaged", row=50, col=50)]
    _, found, _ = chips_of(archive, features)
    assert isinstance(found[0], Chip)
    assert isinstance(found[1], ReadError)


def test_nothing_wanted_is_nothing_read():
    found, timing = read_chips([], RECIPE, OPTIONS)
    assert (found, timing.requests) == ([], 0)


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    """A real Landsat scene with its own item, whose hrefs are made to point to the files here."""
    name = "LC08_L2SP_008059_20191201_20200825_02_T1"
    folder = shared_data / "landsat_l2" / "stactools"
    item = json.loads((folder / f"{name}_SR_stac.json").read_text())
    for asset in item["assets"].values():
        here = folder / asset["href"].rsplit("/", 1)[-1]
        asset["href"] = here.as_uri() if here.exists() else asset["href"]
    archive = tmp_path_factory.mktemp("real") / "items.json"
    archive.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    return archive, folder / name


def test_real_pixels_are_those_of_rasterio(real):
    archive, stem = real
    with rasterio.open(f"{stem}_SR_B4.TIF") as file:
        x, y = file.xy(300, 200)
        red, transform, crs = file.read(1).astype(float), file.transform, file.crs
    with rasterio.open(f"{stem}_SR_B5.TIF") as file:
        nir = file.read(1).astype(float)
    with rasterio.open(f"{stem}_QA_PIXEL.TIF") as file:
        codes = file.read(1)
    ((lon,), (lat,)) = rasterio.warp.transform(crs, "OGC:CRS84", [x], [y])
    around = shapely.Point(lon, lat).buffer(0.05).__geo_interface__
    feature = {"type": "Feature", "id": "r", "properties": {}, "geometry": around}
    _, (chip,), _ = chips_of(archive, [feature])
    assert isinstance(chip, Chip), chip
    assert chip.colour is None, "green and blue of this scene are not on this machine"
    col, row = (chip.transform[k] - transform[k] for k in (2, 5))
    col, row = col / transform[0], row / transform[4]
    part = np.s_[round(row) :, round(col) :]
    n = chip.values.shape[0]
    red, nir, codes = (a[part][:n, :n] for a in (red, nir, codes))
    # QA_PIXEL (LSDS-1619): 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 shadow, 5 snow.
    rejected = (codes & 0b111111) > 0
    red, nir = red * 0.0000275 - 0.2, nir * 0.0000275 - 0.2
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = np.where(rejected | (red <= 0) | (nir <= 0), np.nan, (nir - red) / (nir + red))
    both = np.isfinite(wanted) & np.isfinite(chip.values)
    assert both.sum() > 50
    np.testing.assert_allclose(chip.values[both], wanted[both], rtol=0, atol=1e-9)
    assert np.isnan(chip.values[rejected]).all()
    assert np.isfinite(chip.values[np.isfinite(wanted)]).mean() > 0.99


def test_real_quality_of_coarser_pixels_masks_finer_bands(shared_data, tmp_path):
    folder = shared_data / "sentinel2" / "29RKH"
    item = json.loads((folder / "S2A_29RKH_20200219_0_L2A.json").read_text())
    names = {"red": "B04", "nir": "B08", "scl": "SCL", "B04": "B04", "B08": "B08", "SCL": "SCL"}
    item["assets"] = {
        key: asset | {"href": (folder / f"{names[key]}.tif").as_uri()}
        for key, asset in item["assets"].items()
        if key in names
    }
    archive = tmp_path / "items.json"
    archive.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    with rasterio.open(folder / "B04.tif") as file:
        red, transform, crs = file.read(1).astype(float), file.transform, file.crs
        x, y = file.xy(file.height // 2, file.width // 2)
    with rasterio.open(folder / "B08.tif") as file:
        nir = file.read(1).astype(float)
    with rasterio.open(folder / "SCL.tif") as file:
        codes, coarse = file.read(1), file.transform
    ((lon,), (lat,)) = rasterio.warp.transform(crs, "OGC:CRS84", [x], [y])
    around = shapely.Point(lon, lat).buffer(30 * transform.a / 111_000).__geo_interface__
    feature = {"type": "Feature", "id": "r", "properties": {}, "geometry": around}
    scenes, (chip,), _ = chips_of(archive, [feature])
    assert isinstance(chip, Chip), chip
    step = round(chip.transform[0] / transform.a)
    rows, cols = np.indices(chip.values.shape)
    xs = chip.transform[2] + (cols * step + step // 2 + 0.5) * transform.a
    ys = chip.transform[5] - (rows * step + step // 2 + 0.5) * transform.a
    at = (
        ((transform.f - ys) // transform.a).astype(int),
        ((xs - transform.c) // transform.a).astype(int),
    )
    code = codes[
        ((coarse.f - ys) // coarse.a).astype(int), ((xs - coarse.c) // coarse.a).astype(int)
    ]
    asset = scenes[0].assets["red"]
    scale, offset = asset.scale or 1.0, asset.offset or 0.0
    red, nir = red[at] * scale + offset, nir[at] * scale + offset
    known = np.isfinite(chip.values)
    assert known.any()
    np.testing.assert_allclose(
        chip.values[known], ((nir - red) / (nir + red))[known], rtol=0, atol=1e-9
    )
    # Scene classes (Sentinel-2 L2A): 4 vegetation, 5 bare, 6 water, 7 unclassified are kept.
    assert not known[~np.isin(code, [2, 4, 5, 6, 7])].any()
    assert known[np.isin(code, [4, 5]) & (red > 0) & (nir > 0)].all()
