"""Ranges and decoding against rasterio, over layouts, types and compressions."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from fieldwren.pixels import tiles
from fieldwren.pixels.tiff import TiffIndex, parse
from fieldwren.pixels.tiles import Span, cut, decode_pixels, decode_tile, spans

LANDSAT = Affine(30.0, 0.0, 399285.0, 0.0, -30.0, 4265115.0)
INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
FLOATS = ["float32", "float64"]
CODECS = ["none", "packbits", "lzw", "deflate", "zstd"]
TILED = {"tiled": True, "blockxsize": 48, "blockysize": 32}
SQUARES = {"tiled": True, "blockxsize": 64, "blockysize": 64}
STRIPS = {"blockysize": 13}
LAYOUTS = [TILED, STRIPS, {"blockysize": 200}]  # the last is one strip


def image(dtype: str, shape=(1, 70, 101)) -> np.ndarray:
    """Smooth, noisy and constant parts, up to the limits of the type."""
    random = np.random.default_rng(4)
    smooth = np.add.outer(np.arange(shape[1]), np.arange(shape[2])) % 97
    pixels = np.broadcast_to(smooth, shape).astype(dtype)
    noise = random.integers(0, 256, (*shape, pixels.itemsize), np.uint8).view(dtype)[..., 0]
    pixels[:, 20:50, 30:80] = np.nan_to_num(noise)[:, 20:50, 30:80]
    pixels[:, 55:] = 7
    if dtype.startswith("float"):
        pixels[:, 0, :3] = np.nan, np.inf, -0.0
    return pixels


def geotiff(pixels: np.ndarray, **options) -> bytes:
    bands, height, width = pixels.shape
    profile = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype.name}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=LANDSAT, **profile, **options) as dataset:
            dataset.write(pixels)
        return bytes(memory.read())


def tile_bytes(index: TiffIndex, data: bytes, tile: int) -> bytes:
    start = int(index.offsets[tile])
    return data[start : start + int(index.counts[tile])]


def whole(index: TiffIndex, data: bytes) -> np.ndarray:
    """The image, put together from its tiles."""
    rows = [
        np.hstack(
            [
                decode_tile(index, tile_bytes(index, data, tile), tile)
                for tile in range(first, first + index.tiles_across)
            ]
        )
        for first in range(0, len(index.offsets), index.tiles_across)
    ]
    return np.vstack(rows)


def assert_identical(actual: np.ndarray, expected: np.ndarray) -> None:
    """The same bits, NaN and the sign of zero included."""
    assert actual.dtype == expected.dtype
    assert actual.dtype.isnative
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()


def codecs(dtypes: list[str]):
    """Every type with every compression and the predictors that apply."""
    for dtype, codec in product(dtypes, CODECS):
        yield dtype, codec, 1
        if codec in {"lzw", "deflate", "zstd"}:
            yield dtype, codec, 2
            if dtype in FLOATS:
                yield dtype, codec, 3


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize(("dtype", "codec", "predictor"), list(codecs(INTEGERS + FLOATS)))
def test_tiles_and_pixels_are_those_rasterio_wrote_bit_for_bit(dtype, codec, predictor, endian):
    options = {"ENDIANNESS": endian, "BIGTIFF": "YES" if endian == "BIG" else "NO"}
    if codec != "none":
        options["compress"] = codec
    if predictor > 1:
        options["predictor"] = predictor
    pixels = image(dtype)
    for layout in LAYOUTS:
        data = geotiff(pixels, **layout, **options)
        index = parse({0: data})
        assert index.predictor == predictor
        assert_identical(whole(index, data), pixels[0])
        assert_pixels(index, data, pixels[0])


def assert_pixels(index: TiffIndex, data: bytes, expected: np.ndarray) -> None:
    """Some pixels of each tile, in no order and with repetitions."""
    random = np.random.default_rng(9)
    for tile in range(len(index.offsets)):
        down, across = divmod(tile, index.tiles_across)
        top, left = down * index.tile_height, across * index.tile_width
        part = expected[top : top + index.tile_height, left : left + index.tile_width]
        rows, cols = (random.integers(0, n, 20).astype(np.int32) for n in part.shape)
        found = decode_pixels(index, memoryview(tile_bytes(index, data, tile)), tile, rows, cols)
        assert_identical(found, part[rows, cols])


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(
    ("dtype", "codec", "predictor"),
    [("uint8", "lzw", 2), ("uint16", "deflate", 2), ("int32", "none", 1), ("float32", "zstd", 3)],
)
def test_the_first_of_several_bands_is_read(dtype, codec, predictor, interleave):
    pixels = image(dtype, (3, 70, 101))
    pixels[1:] = pixels[1:, ::-1]
    options = {} if codec == "none" else {"compress": codec, "predictor": predictor}
    data = geotiff(pixels, interleave=interleave, **TILED, **options)
    index = parse({0: data})
    assert_identical(whole(index, data), pixels[0])
    assert_pixels(index, data, pixels[0])


@pytest.mark.parametrize("height", [1, 12, 13, 14, 26])
@pytest.mark.parametrize("width", [1, 47, 48, 49])
def test_images_that_are_no_multiple_of_a_tile(height, width):
    pixels = image("uint16", (1, 70, 101))[:, :height, :width].copy()
    for layout in (TILED, STRIPS):
        data = geotiff(pixels, compress="deflate", predictor=2, **layout)
        index = parse({0: data})
        assert_identical(whole(index, data), pixels[0])


def test_files_with_overviews_give_full_resolution():
    pixels = image("uint16", (1, 300, 260))
    with MemoryFile() as memory:
        options = {"count": 1, "height": 300, "width": 260, "dtype": "uint16", **TILED}
        with memory.open(driver="GTiff", transform=LANDSAT, **options) as dataset:
            dataset.write(pixels)
            dataset.build_overviews([2, 4])
        data = bytes(memory.read())
    assert_identical(whole(parse({0: data}), data), pixels[0])


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint16", None),
        ("uint16", 7),
        ("int16", -9999),
        ("float32", float("nan")),
        ("float32", -3.4028234663852886e38),
        ("float64", float("-inf")),
    ],
)
def test_sparse_tiles_hold_nodata_as_rasterio_reads_them(dtype, nodata):
    data = sparse(dtype, nodata=nodata)
    index = parse({0: data})
    assert (index.counts > 0).tolist() == [True, False, False, False]
    with MemoryFile(data) as memory, memory.open() as dataset:
        expected = dataset.read(1)
    assert_identical(whole(index, data), expected)
    corner = decode_pixels(index, b"", 3, np.array([0, 35]), np.array([35, 0]))
    assert_identical(corner, expected[[64, 99], [99, 64]])


def sparse(dtype: str, **options) -> bytes:
    """100 by 100 pixels in four tiles, of which only the first is written."""
    size = {"count": 1, "height": 100, "width": 100, "dtype": dtype, "sparse_ok": True, **SQUARES}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=LANDSAT, **size, **options) as dataset:
            dataset.write(np.full((1, 64, 64), 3, dtype), window=((0, 64), (0, 64)))
        return bytes(memory.read())


@pytest.mark.parametrize(("nodata", "held"), [(-1, 0), (300, 255), (float("nan"), 0)])
def test_sparse_tiles_hold_the_nearest_number_where_nodata_does_not_fit(nodata, held):
    index = replace(parse({0: sparse("uint8")}), nodata=float(nodata))
    assert (decode_tile(index, b"", 1) == held).all()


def test_no_pixels_of_a_tile_are_no_values():
    data = geotiff(image("uint16"), compress="deflate", **TILED)
    index, nothing = parse({0: data}), np.zeros(0, np.int64)
    assert decode_pixels(index, tile_bytes(index, data, 0), 0, nothing, nothing).shape == (0,)


# Spans


@pytest.fixture(scope="module")
def blocks() -> tuple[TiffIndex, bytes]:
    data = geotiff(image("uint16", (1, 300, 300)), compress="deflate", **TILED)
    return parse({0: data}), data


@given(
    wanted=st.lists(st.integers(0, 69), max_size=40),
    gap=st.sampled_from([0, 1, 500, 5000, 10**9]),
)
@settings(deadline=None)
def test_spans_hold_each_wanted_tile_once_and_are_as_few_as_the_gap_allows(blocks, wanted, gap):
    index, data = blocks
    found = spans(index, np.array(wanted, np.int64), gap=gap)
    assert sorted(tile for span in found for tile in span.tiles) == sorted(set(wanted))
    for one, other in pairwise(found):
        assert other.start - (one.start + one.length) > gap
    for span in found:
        for tile, part in cut(index, span, data[span.start : span.start + span.length]):
            assert part == tile_bytes(index, data, tile)


def test_sparse_tiles_are_not_fetched(blocks):
    index, _ = blocks
    counts = index.counts.copy()
    counts[[3, 4]] = 0
    sparse = replace(index, counts=counts)
    assert [s.tiles for s in spans(sparse, np.array([5, 4, 3]), gap=0)] == [(5,)]
    assert spans(sparse, np.array([4, 3]), gap=0) == []


def test_a_span_that_came_short_is_refused(blocks):
    index, data = blocks
    (span,) = spans(index, np.array([2]), gap=0)
    with pytest.raises(ValueError, match="the file is cut short"):
        list(cut(index, span, data[span.start : span.start + span.length - 1]))


def test_tiles_that_share_bytes_come_in_one_span(blocks):
    index, data = blocks
    offsets, counts = index.offsets.copy(), index.counts.copy()
    offsets[1], counts[1] = offsets[0] + 2, 5
    shared = replace(index, offsets=offsets, counts=counts)
    (span,) = spans(shared, np.array([0, 1]), gap=0)
    assert span == Span(start=int(offsets[0]), length=int(counts[0]), tiles=(0, 1))
    parts = dict(cut(shared, span, data[span.start : span.start + span.length]))
    assert len(parts[1]) == 5


# Damaged tiles


@pytest.fixture(scope="module", params=["none", "packbits", "lzw", "deflate", "zstd"])
def damaged(request) -> tuple[TiffIndex, bytes]:
    options = {} if request.param == "none" else {"compress": request.param}
    data = geotiff(image("uint16"), **STRIPS, **options)
    return parse({0: data}), data


def test_tiles_cut_short_or_empty_are_refused_by_number(damaged):
    index, data = damaged
    good = tile_bytes(index, data, 1)
    for bad in (b"", good[: len(good) // 2], good[:3]):
        with pytest.raises(ValueError, match=r"^tile 1 at byte \d+ .*the file is damaged$"):
            decode_tile(index, bad, 1)


def test_a_tile_longer_than_the_header_says_is_refused(damaged):
    index, data = damaged
    lower = replace(index, tile_height=5, height=5)
    with pytest.raises(ValueError, match="the file is damaged"):
        decode_tile(lower, tile_bytes(index, data, 1), 0)


@given(
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=9)
)
@settings(deadline=None, max_examples=60)
def test_mutated_tiles_give_pixels_or_a_sentence(damaged, changes):
    index, data = damaged
    bad = bytearray(tile_bytes(index, data, 2))
    for position, value in changes:
        bad[position % len(bad)] = value
    survive(index, bytes(bad), 2)


@given(noise=st.binary(max_size=3000))
@settings(deadline=None, max_examples=60)
def test_noise_gives_pixels_or_a_sentence(damaged, noise):
    survive(damaged[0], noise, 2)


def survive(index: TiffIndex, data: bytes, tile: int) -> None:
    started = time.perf_counter()
    try:
        decoded = decode_tile(index, data, tile)
    except ValueError as error:
        decoded = str(error)
    assert time.perf_counter() - started < 1
    assert decoded.startswith("tile 2 ") if isinstance(decoded, str) else len(decoded) == 13


def test_lzw_that_only_clears_its_table_is_refused_at_once():
    clears = int("100000000" * 160_000, 2).to_bytes(180_000, "big")
    started = time.perf_counter()
    with pytest.raises(ValueError, match="clears its LZW table too often"):
        tiles._lzw(clears, 2**20)
    assert time.perf_counter() - started < 10  # without the limit: minutes


def test_lzw_that_swells_without_end_is_refused_before_it_is_expanded():
    codes = [256, 65, *range(258, 4000)]
    widths = [9, *tiles._WIDTHS[: len(codes) - 1]]
    bits = "".join(f"{c:0{w}b}" for c, w in zip(codes, widths, strict=True))
    bomb = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    with pytest.raises(ValueError, match="longer than a tile"):
        tiles._lzw(bomb, 2**16)


def test_a_compression_that_is_not_supported_is_refused():
    data = geotiff(image("uint8"), compress="jpeg", **SQUARES)
    index = parse({0: data})
    with pytest.raises(ValueError, match="JPEG compression is not supported"):
        decode_tile(index, tile_bytes(index, data, 0), 0)


# Real files

REAL = [
    "landsat_l2/stactools/*.TIF",
    "landsat_l1/rio-toa/*.TIF",
    "landsat_stack/gdalcubes_L8NY18/*.TIF",
    "sentinel2/29RKH/*.tif",
    "modis/*/*.[tT][iI][fF]",
]


@pytest.mark.parametrize("pattern", REAL)
def test_real_files_read_as_rasterio_reads_them(shared_data, pattern):
    paths = sorted(shared_data.glob(pattern))[:12]
    assert paths
    for path in paths:
        data = path.read_bytes()
        with rasterio.open(path) as dataset:
            expected = dataset.read(1)
        assert_identical(whole(parse({0: data}), data), expected)
