"""The CRS that a file describes in keys, against rasterio and PROJ to a millimetre."""

from __future__ import annotations

import re
import struct

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from fieldwren.pixels.geokeys import crs_of, read_keys
from fieldwren.pixels.tiff import parse

LANDSAT = rasterio.Affine(30.0, 0.0, 399285.0, 0.0, -30.0, 4265115.0)
AROUND = np.array([-300_000.0, -7e4, 0.0, 5e4, 400_000.0])


def assert_same_place(crs: str | None, expected: rasterio.crs.CRS, x: float, y: float) -> None:
    """Both must give the same degrees on a grid about (x, y), forth and, to a millimetre, back."""
    assert crs is not None
    ours = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    theirs = pyproj.Transformer.from_crs("OGC:CRS84", expected.to_wkt(), always_xy=True)
    grid = [v.ravel() for v in np.meshgrid(x + AROUND, y + AROUND)]
    lon, lat = theirs.transform(*grid, direction="INVERSE")
    assert np.isfinite(lon).sum() >= 10
    np.testing.assert_allclose(ours.transform(lon, lat), theirs.transform(lon, lat), atol=1e-3)


def written(crs: str, **options: str) -> bytes:
    """A GeoTIFF of one pixel, by rasterio."""
    profile = {"count": 1, "height": 1, "width": 1, "dtype": "uint8", "transform": LANDSAT}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", crs=crs, **profile, **options):
            pass
        return bytes(memory.read())


UNDERSTOOD = {
    "Landsat, Antarctica": "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +datum=WGS84",
    "polar by true scale": "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +x_0=5 +datum=WGS84",
    "polar by scale": "+proj=stere +lat_0=90 +k=0.994 +lon_0=10 +x_0=2e6 +y_0=2e6 +datum=WGS84",
    "Landsat ARD": "+proj=aea +lat_0=23 +lon_0=-96 +lat_1=29.5 +lat_2=45.5 +datum=WGS84",
    "ARD of Alaska": "+proj=aea +lat_0=50 +lon_0=-154 +lat_1=55 +lat_2=65 +datum=NAD83",
    "HLS": "+proj=utm +zone=18 +ellps=WGS84",
    "UTM, south": "+proj=utm +zone=60 +south +datum=NAD83",
    "UTM, shift of nothing": "+proj=utm +zone=32 +ellps=GRS80 +towgs84=0,0,0",
    "transverse Mercator": "+proj=tmerc +lat_0=1 +lon_0=9 +k=0.9996 +x_0=500000.1 +datum=WGS84",
    "Lambert conformal": "+proj=lcc +lat_0=23 +lon_0=-96 +lat_1=33 +lat_2=45 +x_0=7 +datum=NAD83",
    "Lambert equal area": "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80",
    "of a sphere": "+proj=laea +lat_0=45 +lon_0=-100 +R=6370997",
    "MODIS": "+proj=sinu +lon_0=0 +R=6371007.181",
    "of explicit axes": "+proj=sinu +lon_0=5 +a=6378137 +b=6356752.3142",
}


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("crs", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_a_crs_of_the_files_own_is_that_of_rasterio(crs, endian):
    data = written(crs, ENDIANNESS=endian)
    with MemoryFile(data).open() as dataset:
        x, y = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(
            *re.search(r"lon_0=(\S+)", crs + " +lon_0=9").groups(), -40 if "south" in crs else 50
        )
        x, y = (0, -2e6) if "lat_0=-90" in crs else (x, y)
        assert_same_place(parse({0: data}).crs, dataset.crs, x, y)


@pytest.mark.parametrize(
    "crs",
    [
        "+proj=aea +lat_0=23 +lon_0=-96 +lat_1=29.5 +lat_2=45.5 +datum=NAD27",
        "+proj=laea +lat_0=52 +lon_0=10 +ellps=bessel",
        "+proj=laea +lat_0=52 +lon_0=10 +ellps=GRS80 +towgs84=10,20,30",
        "+proj=laea +lat_0=52 +lon_0=10 +datum=WGS84 +units=us-ft",
        "+proj=tmerc +lon_0=3 +pm=paris +datum=WGS84",
        "+proj=stere +lat_0=45 +lon_0=3 +datum=WGS84",
        "+proj=sinu +R=3396190",
        "+proj=longlat +R=6371007.181",
    ],
)
def test_what_is_not_understood_is_not_guessed(crs):
    assert parse({0: written(crs)}).crs is None


# Keys as other writers set them


def keyed(codes: dict[int, int], numbers: dict[int, float]) -> tuple[list[int], list[float]]:
    """GeoKeyDirectory and GeoDoubleParams."""
    keys = {k: (0, 1, v) for k, v in codes.items()}
    keys |= {k: (34736, 1, at) for at, k in enumerate(numbers)}
    return [1, 1, 0, len(keys), *(v for k in sorted(keys) for v in (k, *keys[k]))], [
        *numbers.values()
    ]


def tiff(directory: list[int], doubles: list[float]) -> bytes:
    """A TIFF of one pixel with these keys."""
    short = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1)]
    short += [(279, 1), (339, 1)]
    fields = [(tag, 3, np.array([value], "<u2")) for tag, value in short]
    fields += [
        (33550, 12, np.array([30, 30, 0], "<f8")),
        (33922, 12, np.array([0, 0, 0, 5e5, 4e6, 0], "<f8")),
        (34735, 3, np.array(directory, "<u2")),
        (34736, 12, np.array(doubles, "<f8")),
    ]
    entries, values, at = b"", b"", 16 + 2 + 12 * len(fields) + 4
    for tag, kind, value in fields:
        data = value.tobytes()
        if len(data) > 4:
            values, data = values + data, struct.pack("<I", at + len(values))
        entries += struct.pack("<HHI4s", tag, kind, value.size, data)
    head = b"II*\0" + struct.pack("<I8xH", 16, len(fields))
    return head + entries + bytes(4) + values


SINUSOIDAL = {1024: 1, 1025: 1, 2048: 32767, 3072: 32767, 3074: 32767, 3075: 24, 3076: 9001}
PLAIN = {3088: 10.0, 3082: 3.0, 3083: 4.0}
POLAR = SINUSOIDAL | {2048: 4326, 3075: 15}


@pytest.mark.parametrize(
    ("codes", "numbers"),
    [
        (SINUSOIDAL | {2056: 7030}, PLAIN),
        (SINUSOIDAL | {2056: 7019}, PLAIN),
        (SINUSOIDAL | {2048: 4030}, PLAIN),
        (SINUSOIDAL | {2048: 4019}, PLAIN),
        (SINUSOIDAL | {2048: 4258}, PLAIN),
        (SINUSOIDAL | {2048: 4269}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 2054: 9102, 2051: 8901}, PLAIN),
        (SINUSOIDAL | {2050: 6258}, PLAIN),
        (SINUSOIDAL | {2056: 7035}, PLAIN),
        (SINUSOIDAL | {2056: 7048}, PLAIN),
        (SINUSOIDAL | {2048: 4047}, PLAIN),
        (SINUSOIDAL | {2056: 7035}, PLAIN | {2057: 6371007.181, 2058: 6371007.181}),
        (SINUSOIDAL, PLAIN | {2057: 6371007.181, 2059: 0.0}),
        (SINUSOIDAL, PLAIN | {2057: 6378137.0, 2058: 6356752.314245}),
        (SINUSOIDAL | {2048: 4326}, {3080: 10.0}),
        (POLAR, {3095: 30.0, 3081: 70.0, 3092: 1.0}),
        (POLAR, {3080: 30.0, 3081: 70.0, 3092: 1.0}),
        (POLAR, {3095: 30.0, 3081: -90.0, 3092: 0.97, 3082: 1.0}),
    ],
)
def test_other_ways_to_say_it_are_read_as_by_rasterio(codes, numbers):
    data = tiff(*keyed(codes, numbers))
    with MemoryFile(data).open() as dataset:
        y = -2e6 if numbers.get(3081, 0) < 0 else 2e6
        assert_same_place(parse({0: data}).crs, dataset.crs, 0, y)


@pytest.mark.parametrize(
    ("codes", "numbers"),
    [
        (SINUSOIDAL, PLAIN),  # no ellipsoid
        (SINUSOIDAL | {2056: 7030}, {}),  # no meridian
        (SINUSOIDAL | {2056: 7004}, PLAIN),
        (SINUSOIDAL | {2048: 4267}, PLAIN),
        (SINUSOIDAL | {2050: 6267, 2056: 7030}, PLAIN),
        (SINUSOIDAL, PLAIN | {2057: 6371007.181}),
        (SINUSOIDAL | {2048: 4326}, PLAIN | {2057: 6371007.181, 2059: 0.0}),  # a contradiction
        (SINUSOIDAL | {2048: 4326, 2054: 9105}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 2051: 8903}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 3076: 9002}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 3075: 99}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 3074: 16061}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 3074: 10101}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 1024: 3}, PLAIN),
        (SINUSOIDAL | {2048: 4326, 3072: 0}, PLAIN),
        (SINUSOIDAL | {2048: 4326}, PLAIN | {3088: float("nan")}),
        (SINUSOIDAL | {2048: 4326}, PLAIN | {3082: float("inf")}),
        (SINUSOIDAL | {2048: 4326}, PLAIN | {2061: 2.33}),
        (POLAR, {3095: 30.0, 3081: 70.0, 3092: 0.99}),
        (POLAR, {3095: 30.0, 3081: 0.0, 3092: 1.0}),
        (POLAR, {3095: 30.0, 3081: 90.0}),
        (POLAR, {3081: 90.0, 3092: 1.0}),
        (POLAR | {3075: 11}, {3080: 0.0, 3081: 0.0, 3078: 30.0, 3079: -30.0}),
    ],
)
def test_keys_that_are_missing_strange_or_contradict_each_other_give_none(codes, numbers):
    assert crs_of(read_keys(*keyed(codes, numbers))) is None


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ([], None),
        ([1, 1, 0], None),
        ([1, 1, 0, 9], None),
        ([1, 1, 0, 1, 1024, 0, 1, 1], None),
        ([1, 1, 0, 9, 1024, 0, 1, 1, 3072, 0, 1, 32610], "EPSG:32610"),
        ([1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326], "EPSG:4326"),
        ([1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 40000], None),
        ([1, 1, 0, 2, 1024, 0, 1, 1, 3072, 34736, 1, 60000], None),
    ],
)
def test_codes_are_told_and_directories_cut_short_are_survived(directory, expected):
    assert crs_of(read_keys(directory, [1.0])) == expected


KEYS = [*range(1024, 1027), *range(2048, 2063), *range(3072, 3096)]
CODES = [0, 1, 2, 8, 10, 11, 15, 24, 4030, 4326, 6269, 7030, 8901, 9001, 9102, 16018, 32767]
NUMBERS = st.floats() | st.sampled_from([0.0, 1.0, 30.0, 89.0, -90.0, 6371007.181, 6378137.0])


@given(
    method=st.sampled_from([1, 8, 10, 11, 15, 24]),
    codes=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(CODES), max_size=3),
    numbers=st.fixed_dictionaries(dict.fromkeys((3078, 3079, 3080, 3081, 3082, 3092), NUMBERS)),
    more=st.dictionaries(st.sampled_from(KEYS), NUMBERS, max_size=3),
)
@settings(deadline=None, max_examples=400)
def test_whatever_a_file_says_proj_can_work_with_the_answer(method, codes, numbers, more):
    directory, doubles = keyed(POLAR | {3075: method} | codes, numbers | more)
    crs = crs_of(read_keys(directory, doubles))
    if crs is not None and not crs.startswith("EPSG:"):
        pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(10.0, 50.0)


@given(
    st.lists(st.integers(0, 65535), max_size=60),
    st.lists(st.floats(), max_size=10),
)
def test_noise_for_keys_is_survived(directory, doubles):
    crs_of(read_keys(directory, doubles))


# Real files


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_real_files_lie_where_rasterio_says(shared_data):
    described = 0
    for path in sorted(p for p in shared_data.rglob("*") if p.suffix.lower() == ".tif"):
        with rasterio.open(path) as dataset:
            if dataset.crs is None:
                continue
            crs = parse({0: path.read_bytes()}).crs
            if crs != f"EPSG:{dataset.crs.to_epsg()}":
                assert_same_place(crs, dataset.crs, *dataset.xy(0, 0))
                described += 1
    assert described >= 13
