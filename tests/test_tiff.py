"""The header parser against rasterio, in pieces, and against hostile headers."""

from __future__ import annotations

import struct
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from fieldwren.pixels.tiff import Incomplete, TiffIndex, parse

LANDSAT = Affine(30.0, 0.0, 399285.0, 0.0, -30.0, 4265115.0)
DEGREES = Affine(1 / 3600, 0.0, -122.3, 0.0, -1 / 3600, 38.7)
ROTATED = Affine(10.0, 2.0, 500000.0, 3.0, -11.0, 4000000.0)

ALBERS = "+proj=aea +lat_0=23 +lon_0=-96 +lat_1=29.5 +lat_2=45.5 +datum=WGS84"


def geotiff(shape=(1, 100, 130), *, dtype="uint16", tags=None, scale=None, **options) -> bytes:
    """A GeoTIFF of random numbers, written by rasterio."""
    profile = {
        "driver": "GTiff",
        "count": shape[0],
        "height": shape[1],
        "width": shape[2],
        "dtype": dtype,
        "crs": "EPSG:32610",
        "transform": LANDSAT,
        **options,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.update_tags(**(tags or {}))
            if scale:
                dataset.scales, dataset.offsets = [[v] * shape[0] for v in scale]
            dataset.write(np.random.default_rng(1).integers(0, 200, shape).astype(dtype))
        return bytes(memory.read())


def opened(data: bytes) -> rasterio.DatasetReader:
    return MemoryFile(data).open()


def assert_same(index: TiffIndex, data: bytes) -> None:
    with opened(data) as dataset:
        assert (index.height, index.width, index.samples) == (*dataset.shape, dataset.count)
        assert (index.tile_height, index.tile_width) == dataset.block_shapes[0]
        assert index.dtype == np.dtype(dataset.dtypes[0]).newbyteorder(index.dtype.byteorder)
        assert index.transform == tuple(dataset.transform)[:6]
        assert index.crs == f"EPSG:{dataset.crs.to_epsg()}"
        np.testing.assert_equal(index.nodata, dataset.nodata)
        assert (index.scale or 1, index.offset or 0) == (dataset.scales[0], dataset.offsets[0])
    assert index.unsupported is None


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("big", ["NO", "YES"])
@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_every_kind_of_header_says_what_rasterio_says(endian, big, tiled, dtype):
    layout = {"tiled": True, "blockxsize": 64, "blockysize": 32} if tiled else {}
    data = geotiff(dtype=dtype, ENDIANNESS=endian, BIGTIFF=big, **layout)
    assert_same(parse({0: data}), data)


@pytest.mark.parametrize("transform", [LANDSAT, DEGREES, ROTATED])
@pytest.mark.parametrize("area_or_point", ["Area", "Point"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32610", "EPSG:3031", "EPSG:3857"])
def test_place_on_earth_is_that_of_rasterio_bit_for_bit(transform, area_or_point, crs):
    data = geotiff(crs=crs, transform=transform, tags={"AREA_OR_POINT": area_or_point})
    assert_same(parse({0: data}), data)


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("uint16", 0), ("int16", -9999), ("float32", float("nan")), ("float64", -1.7e308)],
)
def test_nodata_scale_and_offset_are_those_of_rasterio(dtype, nodata):
    data = geotiff(dtype=dtype, nodata=nodata, scale=(2.75e-05, -0.2))
    assert_same(parse({0: data}), data)


def test_scale_and_offset_of_other_bands_are_not_taken_for_the_first():
    with MemoryFile() as memory:
        options = {"count": 2, "height": 8, "width": 8, "dtype": "uint8", "transform": LANDSAT}
        with memory.open(driver="GTiff", crs="EPSG:32610", **options) as dataset:
            dataset.scales, dataset.offsets = (1.0, 0.5), (0.0, 7.0)
        index = parse({0: bytes(memory.read())})
    assert (index.scale or 1, index.offset or 0) == (1, 0)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_bands_together_or_apart_give_the_tiles_of_the_first(interleave):
    data = geotiff((3, 100, 130), tiled=True, blockxsize=64, blockysize=32, interleave=interleave)
    index = parse({0: data})
    assert index.stride == (3 if interleave == "pixel" else 1)
    assert len(index.offsets) == index.tiles_across * index.tiles_down == 3 * 4
    assert_same(index, data)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"compress": "jpeg", "dtype": "uint8"}, "JPEG compression"),
        ({"compress": "lerc"}, "LERC compression"),
        ({"compress": "lzma"}, "LZMA compression"),
        ({"dtype": "uint8", "NBITS": 1}, "a sample type"),
        ({"NBITS": 12}, "a sample type"),
        ({"dtype": "complex64"}, "a sample type"),
        ({"dtype": "complex128"}, "a sample type"),
    ],
)
def test_what_cannot_be_decoded_is_named(options, reason):
    try:
        data = geotiff(**options)
    except rasterio.errors.RasterioError as error:
        pytest.skip(f"this GDAL cannot write it: {error}")
    index = parse({0: data})
    assert reason in (index.unsupported or "")
    with opened(data) as dataset:
        assert index.dtype == dataset.dtypes[0]  # what a fallback will give


def test_header_of_a_landsat_band_fits_in_one_request_and_parses_fast():
    blank = {"height": 7771, "width": 7611, "tiled": True, "blockxsize": 256, "blockysize": 256}
    with MemoryFile() as memory:
        options = {"count": 1, "dtype": "uint16", "sparse_ok": True, **blank}
        with memory.open(driver="GTiff", crs="EPSG:32610", transform=LANDSAT, **options):
            pass
        data = bytes(memory.read())[: 16 * 1024]
    started = time.perf_counter()
    for _ in range(20):
        index = parse({0: data})
    assert (time.perf_counter() - started) / 20 < 0.01  # measured .0002; machines differ
    assert len(index.offsets) == 930
    assert not index.counts.any()


# Pieces


def attempt(chunks: dict[int, bytes]) -> TiffIndex | Incomplete:
    try:
        return parse(chunks)
    except Incomplete as wanted:
        return wanted


def deliver(data: bytes, *, at_least: int) -> tuple[TiffIndex, int]:
    """Parse, answering each request as a server would; also how many requests it took."""
    chunks: dict[int, bytes] = {}
    for requests in range(200):
        answer = attempt(chunks)
        if isinstance(answer, TiffIndex):
            return answer, requests
        assert answer.length > 0
        assert answer.start < len(data)
        end = answer.start + max(answer.length, at_least)
        chunks[answer.start] = data[answer.start : end]
    pytest.fail("the parser asks for ever")


@pytest.mark.parametrize("big", ["NO", "YES"])
def test_header_in_the_smallest_pieces_asks_only_for_what_is_missing(big):
    data = geotiff(tiled=True, blockxsize=16, blockysize=16, BIGTIFF=big, nodata=7)
    index, requests = deliver(data, at_least=1)
    assert_same(index, data)
    assert requests <= 4  # header, number of entries, entries, all values at once


def test_directory_at_the_end_of_the_file_is_found():
    data = geotiff(compress="deflate")
    start, size = struct.unpack_from("<I", data, 4)[0], len(data)
    moved = data[:4] + struct.pack("<I", size + size % 2) + data[8:] + bytes(size % 2)
    entries = struct.unpack_from("<H", data, start)[0]
    moved += data[start : start + 2 + 12 * entries + 4]
    index, requests = deliver(moved, at_least=512)
    assert_same(index, data)
    assert requests <= 3


@given(cuts=st.lists(st.integers(1, 1500), max_size=30))
@settings(deadline=None, max_examples=50)
def test_pieces_that_touch_or_overlap_are_put_together(cuts):
    data = HEADERS[0][:2000]
    edges = sorted({0, *cuts, len(data)})
    pieces = {a: data[a : b + a % 7] for a, b in pairwise(edges)}
    index, whole = parse(pieces), parse({0: data})
    assert (index.offsets == whole.offsets).all()
    assert index.transform == whole.transform


def test_a_file_cut_short_is_asked_for_the_same_bytes_again():
    data = geotiff()[:200]
    chunks = {0: data}
    with pytest.raises(Incomplete) as first:
        parse(chunks)
    chunks[first.value.start] = data[first.value.start :]
    with pytest.raises(Incomplete) as second:
        parse(chunks)
    assert second.value.start == max(first.value.start, len(data))


# Hostile headers

HEADERS = [
    geotiff(tiled=True, blockxsize=16, blockysize=16, nodata=0, scale=(2.0, 1.0)),
    geotiff((2, 60, 50), BIGTIFF="YES", ENDIANNESS="BIG", compress="deflate", interleave="band"),
    geotiff(transform=ROTATED, ENDIANNESS="BIG", compress="lzw", predictor=2, crs=ALBERS),
]


def survive(data: bytes) -> None:
    """Parsing may succeed, want more or refuse; nothing else, and not slowly."""
    started = time.perf_counter()
    try:
        answer = attempt({0: data})
    except ValueError as error:
        answer = error
    assert time.perf_counter() - started < 1
    if isinstance(answer, Incomplete):
        assert 0 < answer.length <= 2**23
    elif isinstance(answer, TiffIndex):
        assert len(answer.offsets) == answer.tiles_across * answer.tiles_down
    else:
        assert "the" in str(answer) or "a tile" in str(answer)  # a sentence of ours


@given(
    data=st.sampled_from(HEADERS),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=8),
    length=st.integers(0, 3000),
)
@settings(deadline=None, max_examples=600)
def test_mutated_headers_are_refused_with_a_sentence_at_worst(data, changes, length):
    mutated = bytearray(data[:length])
    for position, value in changes:
        if position < len(mutated):
            mutated[position] = value
    survive(bytes(mutated))


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=200)
def test_noise_behind_a_tiff_signature_is_refused(noise):
    for signature in (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0", b""):
        survive(signature + noise)


def patched(original: bytes, tag: int, kind: int, count: int, value: int) -> bytes:
    """A classic little-endian header with one entry overwritten."""
    data = bytearray(original)
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    for position in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, position)[0] == tag:
            struct.pack_into("<HHII", data, position, tag, kind, count, value)
            return bytes(data)
    pytest.fail(f"no tag {tag}")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((256, 4, 1, 0), "ImageWidth is 0"),
        ((256, 4, 1, 2**31 - 1), "TileOffsets has 63 values where the image has"),
        ((256, 4, 1, 2**31), "ImageWidth is 2147483648"),
        ((256, 12, 1, 8), "impossible type 12"),
        ((258, 3, 2**30, 8), "BitsPerSample has 1073741824 values"),
        ((322, 4, 1, 2**30), "TileOffsets has 63 values where the image has 7 tiles"),
        ((324, 4, 2**32 - 1, 8), "TileOffsets has 4294967295 values"),
        ((325, 4, 1, 8), "TileByteCounts has 1 values where the image has 63"),
        ((33550, 3, 3, 8), "impossible type 3"),
        ((33550, 12, 0, 8), "does not say where its pixels lie"),
        ((42113, 2, 2, 0x78), "GDAL_NODATA is 'x', which is no number"),
        ((277, 3, 1, 0), "SamplesPerPixel is 0"),
    ],
)
def test_hostile_entries_are_refused_by_name_without_large_allocations(entry, message):
    data = patched(HEADERS[0], *entry)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            parse({0: data})
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_tiles_too_large_for_memory_are_refused():
    data = geotiff((1, 16, 16))
    for tag in (256, 257, 278):
        data = patched(data, tag, 4, 1, 2**20)
    with pytest.raises(ValueError, match="write smaller tiles"):
        parse({0: data})


def test_a_tile_said_to_take_more_than_it_holds_is_refused():
    data = patched(geotiff((1, 16, 16)), 279, 4, 1, 2**24)
    with pytest.raises(ValueError, match="a tile of 512 bytes takes 16777216 in the file"):
        parse({0: data})


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n" + bytes(20), b"<html>" + bytes(20)])
def test_what_is_no_tiff_is_called_so(data):
    with pytest.raises(ValueError, match="no TIFF: it begins with"):
        parse({0: data})


# Real files


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_real_headers_say_what_rasterio_says(shared_data):
    compared = 0
    for path in sorted(shared_data.rglob("*")):
        if path.suffix.lower() != ".tif":
            continue
        data = path.read_bytes()
        with rasterio.open(path) as dataset:
            if dataset.crs is None:
                continue
            index = parse({0: data})
            assert index.transform == tuple(dataset.transform)[:6], path
            np.testing.assert_equal(index.nodata, dataset.nodata, err_msg=str(path))
            compared += 1
    assert compared > 50
