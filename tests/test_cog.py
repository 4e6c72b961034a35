"""Written files read back by rasterio and by our own reader, and their layout."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import rasterio

from fieldwren.pixels.cog import write_cog
from fieldwren.pixels.tiff import parse
from fieldwren.pixels.tiles import decode_tile

LANDSAT = (30.0, 0.0, 399285.0, 0.0, -30.0, 4265115.0)
DEGREES = (1 / 3600, 0.0, -122.3, 0.0, -1 / 3600, 38.7)
SOUTH_UP = (30.0, 0.0, 399285.0, 0.0, 30.0, 4000000.0)
ROTATED = (10.0, 2.0, 500000.0, 3.0, -11.0, 4000000.0)


def image(dtype: str, shape=(300, 170)) -> np.ndarray:
    pixels = np.random.default_rng(2).integers(0, 200, shape).astype(dtype)
    pixels[..., :70, :70] = 0
    return pixels


def directories(data: bytes) -> list[tuple[int, dict[int, np.ndarray]]]:
    """Every directory of a little-endian classic TIFF: where it ends, and its integer values."""
    found = []
    (start,) = struct.unpack_from("<I", data, 4)
    while start:
        (entries,) = struct.unpack_from("<H", data, start)
        end = start + 2 + 12 * entries + 4
        values = {}
        for tag, kind, count, where in struct.iter_unpack("<HHII", data[start + 2 : end - 4]):
            size = count * {2: 1, 3: 2, 4: 4, 12: 8}[kind]
            end = max(end, where + size) if size > 4 else end
            if kind == 4:
                values[tag] = np.array([where])
                if count > 1:
                    values[tag] = np.frombuffer(data, "<u4", count, where)
        found.append((end, values))
        (start,) = struct.unpack_from("<I", data, start + 2 + 12 * entries)
    return found


@pytest.mark.parametrize(
    ("dtype", "predictor"),
    [
        ("uint8", 1),
        ("uint8", 2),
        ("uint16", 1),
        ("uint16", 2),
        ("int16", 2),
        ("uint32", 2),
        ("float32", 1),
        ("float32", 2),
        ("float32", 3),
        ("float64", 3),
    ],
)
@pytest.mark.parametrize("tile", [64, 256])
@pytest.mark.parametrize("bands", [1, 3])
def test_rasterio_and_the_own_reader_read_what_was_written(tmp_path, dtype, predictor, tile, bands):
    pixels = image(dtype, (bands, 300, 170))
    path = tmp_path / "x.tif"
    write_cog(path, pixels, transform=LANDSAT, epsg=32610, tile=tile, predictor=predictor)
    with rasterio.open(path) as dataset:
        assert dataset.dtypes == (dtype,) * bands
        np.testing.assert_array_equal(dataset.read(), pixels)
    data = path.read_bytes()
    index = parse({0: data})
    start, count = int(index.offsets[0]), int(index.counts[0])
    first = decode_tile(index, data[start : start + count], 0)
    np.testing.assert_array_equal(first, pixels[0, :tile, :tile])


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize(
    ("transform", "epsg", "geographic"),
    [
        (LANDSAT, 32610, False),
        (LANDSAT, 3031, False),
        (ROTATED, 32610, False),
        (SOUTH_UP, 32610, False),
        (DEGREES, 4326, True),
    ],
)
def test_the_place_on_earth_is_read_back(tmp_path, transform, epsg, geographic, point):
    path = tmp_path / "x.tif"
    place = {"transform": transform, "epsg": epsg, "geographic": geographic}
    write_cog(path, image("uint8"), point=point, **place)
    with rasterio.open(path) as dataset:
        assert dataset.crs.to_epsg() == epsg
        assert dataset.crs.is_geographic == geographic
        assert tuple(dataset.transform)[:6] == pytest.approx(transform, rel=1e-15)
        assert dataset.tags()["AREA_OR_POINT"] == ("Point" if point else "Area")
        index = parse({0: path.read_bytes()})
        assert (index.transform, index.crs) == (tuple(dataset.transform)[:6], f"EPSG:{epsg}")


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", 0), ("int16", -9999), ("float32", np.nan)]
)
def test_nodata_scale_offset_and_description_are_read_back(tmp_path, dtype, nodata):
    path = tmp_path / "x.tif"
    scaling = {"scale": np.float64(2.75e-05), "offset": -0.2, "description": "simulated"}
    write_cog(path, image(dtype), transform=LANDSAT, epsg=32610, nodata=nodata, **scaling)
    index = parse({0: path.read_bytes()})
    with rasterio.open(path) as dataset:
        np.testing.assert_equal([dataset.nodata, index.nodata], [nodata, nodata])
        assert dataset.scales == (2.75e-05,) == (index.scale,)
        assert dataset.offsets == (-0.2,) == (index.offset,)
        assert dataset.tags()["TIFFTAG_IMAGEDESCRIPTION"] == "simulated"


def test_directories_come_first_then_overviews_then_full_resolution(tmp_path):
    path = tmp_path / "x.tif"
    write_cog(path, image("uint16", (900, 700)), transform=LANDSAT, epsg=32610, overviews=True)
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    data = path.read_bytes()
    ends, values = zip(*directories(data), strict=True)
    assert [v[256].item() for v in values] == [700, 350, 175]
    offsets, counts = [v[324] for v in values], [v[325] for v in values]
    assert list(ends) == sorted(ends)
    assert ends[-1] < 4096
    assert ends[-1] <= offsets[2].min()
    assert (offsets[2] + counts[2]).max() < offsets[1].min()
    assert (offsets[1] + counts[1]).max() < offsets[0].min()
    assert all((np.diff(o.astype(int)) > 0).all() for o in offsets)
    assert offsets[0][-1] + counts[0][-1] + 4 == len(data)


def test_the_tables_of_a_landsat_band_fit_in_one_request_of_16_kib(tmp_path):
    path = tmp_path / "x.tif"
    blank = np.zeros((7771, 7611), np.uint16)
    write_cog(path, blank, transform=LANDSAT, epsg=32610, level=1, sparse=True)
    index = parse({0: path.read_bytes()[: 16 * 1024]})
    assert len(index.offsets) == 930
    assert not index.counts.any()


def overview(path, level: int) -> np.ndarray:
    with rasterio.open(path, overview_level=level) as dataset:
        return dataset.read(1)


def test_averaged_overviews_leave_nodata_out_and_round_to_nearest(tmp_path):
    path = tmp_path / "x.tif"
    pixels = np.full((17, 17), 10, np.uint16)
    pixels[:2, :2] = [[0, 7], [8, 8]]
    pixels[2:4, :2] = 0
    pixels[16, 16] = 99
    write_cog(path, pixels, transform=LANDSAT, epsg=32610, nodata=0, tile=16, overviews=True)
    half = overview(path, 0)
    assert half.shape == (9, 9)
    assert half[0, 0] == 8  # 23 / 3
    assert half[1, 0] == 0  # all nodata
    assert half[8, 8] == 99  # one pixel remains at the corner
    assert half[4, 4] == 10


def test_averaged_overviews_of_floats_leave_nan_out(tmp_path):
    path = tmp_path / "x.tif"
    pixels = np.full((20, 20), np.nan, np.float32)
    pixels[0, 0] = 4
    options = {"tile": 16, "predictor": 3, "overviews": True}
    write_cog(path, pixels, transform=LANDSAT, epsg=32610, **options)
    half = overview(path, 0)
    assert half[0, 0] == 4
    assert np.isnan(half).sum() == 99


def test_nearest_overviews_make_no_new_categories(tmp_path):
    path = tmp_path / "x.tif"
    pixels = np.random.default_rng(5).choice([21824, 22280, 1], (75, 61)).astype(np.uint16)
    options = {"overviews": True, "resampling": "nearest", "tile": 16}
    write_cog(path, pixels, transform=LANDSAT, epsg=32610, **options)
    np.testing.assert_array_equal(overview(path, 0), pixels[::2, ::2])
    np.testing.assert_array_equal(overview(path, 1), pixels[::4, ::4])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", None), ("uint16", 0), ("float32", np.nan)]
)
def test_sparse_tiles_take_no_bytes_and_read_as_nodata(tmp_path, dtype, nodata):
    path = tmp_path / "x.tif"
    pixels = image(dtype)
    pixels[:64, :64] = 0 if nodata is None else nodata
    write_cog(path, pixels, transform=LANDSAT, epsg=32610, nodata=nodata, tile=64, sparse=True)
    index = parse({0: path.read_bytes()})
    assert (index.counts == 0).tolist() == [True] + [False] * 14
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), pixels)


def test_the_same_pixels_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_cog(tmp_path / name, image("int16"), transform=LANDSAT, epsg=32610, overviews=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_pixels_given_are_not_changed(tmp_path):
    pixels = image("uint16").astype(">u2")
    before = pixels.copy()
    write_cog(tmp_path / "x.tif", pixels[::-1], transform=LANDSAT, epsg=32610)
    np.testing.assert_array_equal(pixels, before)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), before[::-1])


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (np.zeros(4, np.uint8), {}, "rows and columns"),
        (np.zeros((0, 4), np.uint8), {}, "rows and columns"),
        (np.zeros((4, 4), bool), {}, "GeoTIFF of bool"),
        (np.zeros((4, 4), np.uint8), {"tile": 100}, "multiple of 16"),
        (np.zeros((4, 4), np.uint8), {"predictor": 3}, "predictor 3 is for floats"),
        (np.zeros((4, 4), np.uint8), {"epsg": 102008}, "cannot name EPSG:102008"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, pixels, options, message):
    with pytest.raises(ValueError, match=message):
        write_cog(tmp_path / "x.tif", pixels, **{"transform": LANDSAT, "epsg": 32610, **options})
    assert not (tmp_path / "x.tif").exists()
