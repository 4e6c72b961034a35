"""Rasters: values equal to rasterio's, as few requests as promised, caches that never mislead."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from fieldwren.archive import fallback, headers, rasters
from fieldwren.archive.access import Access, Meter
from fieldwren.archive.headers import Header, MemoryHeaders
from fieldwren.archive.rasters import open_raster, plan_picks
from fieldwren.errors import AccessError, ReadError, UnsupportedError
from fieldwren.model import ReadOptions
from fieldwren.pixels.cog import write_cog
from range_server import RangeServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TRANSFORM = (30.0, 0.0, 500_000.0, 0.0, -30.0, 4_200_000.0)
OPTIONS = ReadOptions(timeout=2.0, deadline=5.0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RangeServer]:
    with RangeServer(tmp_path_factory.mktemp("root")) as server:
        yield server


@pytest.fixture
def server(running: RangeServer) -> RangeServer:
    running.set(latency=0.0, bandwidth=None, faults=[])
    return running


@pytest.fixture(autouse=True)
def memory(monkeypatch) -> MemoryHeaders:
    """A memory of headers that other tests have left nothing in."""
    fresh = MemoryHeaders()
    monkeypatch.setattr(rasters, "_memory", fresh)
    return fresh


def scene(seed: int = 0, shape: tuple[int, int] = (700, 900), dtype: str = "u2") -> NDArray[Any]:
    """A smooth image with some noise, so that it compresses as real ones do."""
    random = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    values = (
        8000 + 3000 * np.sin(rows / 90) + 2000 * np.cos(cols / 70) + random.integers(0, 60, shape)
    )
    return values.astype(dtype)


def positions(shape: tuple[int, int], n: int, seed: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(seed)
    return random.integers(0, shape[0], n), random.integers(0, shape[1], n)


def write_rasterio(path: Path, pixels: NDArray[Any], **profile: Any) -> None:
    bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    count, height, width = bands.shape
    defaults = {"driver": "GTiff", "crs": "EPSG:32610", "transform": rasterio.Affine(*TRANSFORM)}
    profile = defaults | {"count": count, "height": height, "width": width} | profile
    with rasterio.open(path, "w", dtype=bands.dtype, **profile) as dataset:
        dataset.write(bands)


def read(href, rows=None, cols=None, *, window=None, options=OPTIONS, kind="local", meter=None):
    """Values at positions or in a window, in an event loop of its own."""

    async def run():
        async with Access(options, kind) as access:
            raster = await open_raster(access, str(href), meter or Meter())
            return await (raster.window(*window) if window else raster.sample(rows, cols))

    return asyncio.run(run())


LAYOUTS = {
    "landsat": {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
                "predictor": 2},
    "zstd": {"tiled": True, "blockxsize": 128, "blockysize": 64, "compress": "zstd"},
    "one strip": {"blockysize": 700},
    "strips": {"blockysize": 16, "compress": "lzw", "predictor": 2},
    "bigtiff": {"tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "yes"},
    "jpeg": {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "jpeg"},
    "12 bits": {"nbits": 12},
    "jpeg 2000": {"driver": "JP2OpenJPEG", "reversible": "YES", "quality": "100"},
    "sparse": {"tiled": True, "blockxsize": 64, "blockysize": 64, "sparse_ok": True, "nodata": 7,
               "compress": "deflate"},
}  # fmt: skip


@pytest.mark.parametrize("where", ["local", "remote"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_equal_those_of_rasterio(server, layout, where) -> None:
    file = server.root / f"{layout.replace(' ', '-')}.{'jp2' if layout == 'jpeg 2000' else 'tif'}"
    pixels = scene(dtype="u1" if layout == "jpeg" else "u2")
    if layout == "12 bits":
        pixels //= 4
    if layout == "sparse":
        pixels[:, 200:600] = 7
    write_rasterio(file, pixels, **LAYOUTS[layout])
    href = str(file) if where == "local" else f"{server.url}/{file.name}"
    rows, cols = positions(pixels.shape, 5000)
    with rasterio.open(file) as dataset:
        expected = dataset.read(1)
    found = read(href, rows, cols)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected[rows, cols])
    for window in [(0, 700, 0, 900), (250, 260, 500, 515), (699, 700, 899, 900), (5, 5, 0, 9)]:
        part = expected[window[0] : window[1], window[2] : window[3]]
        np.testing.assert_array_equal(read(href, window=window), part)


def test_a_sparse_file_of_our_own_is_nodata_where_nothing_is_stored(server) -> None:
    pixels = scene()
    pixels[:300] = 0
    write_cog(server.root / "s.tif", pixels, transform=TRANSFORM, epsg=32610, nodata=0, sparse=True)
    rows, cols = positions(pixels.shape, 1000)
    meter = Meter()
    np.testing.assert_array_equal(
        read(f"{server.url}/s.tif", rows, cols, meter=meter), pixels[rows, cols]
    )
    top = rows < 256
    before = server.stats()["gets"]
    found = read(f"{server.url}/s.tif", rows[top], cols[top])
    assert not found.any()
    assert server.stats()["gets"] == before


def test_no_positions_are_no_requests_and_positions_elsewhere_an_error(server) -> None:
    write_cog(server.root / "a.tif", scene(), transform=TRANSFORM, epsg=32610)
    none = np.zeros(0, np.int64)
    meter = Meter()
    assert read(f"{server.url}/a.tif", none, none, meter=meter).shape == (0,)
    assert meter.requests == 1
    for rows, cols in [([-1], [0]), ([700], [0]), ([0], [900]), ([0], [-1])]:
        with pytest.raises(ValueError, match="beyond 700 rows, 900 columns"):
            read(f"{server.url}/a.tif", np.array(rows), np.array(cols))
    with pytest.raises(ValueError, match="not all on the image"):
        read(f"{server.url}/a.tif", window=(0, 701, 0, 10))


def test_picks_planned_once_serve_every_raster_of_their_tiling(server) -> None:
    images = {f"p{seed}.tif": scene(seed) for seed in range(3)}
    for name, pixels in images.items():
        write_cog(server.root / name, pixels, transform=TRANSFORM, epsg=32610)
    write_cog(server.root / "p3.tif", scene(3), transform=TRANSFORM, epsg=32610, tile=128)
    images["p3.tif"] = scene(3)
    rows, cols = positions((700, 900), 2000)

    async def run():
        async with Access(OPTIONS) as access:
            opened = [await open_raster(access, f"{server.url}/{n}", Meter()) for n in images]
            picks = plan_picks(opened[0].index, rows, cols)
            return await asyncio.gather(*(raster.pick(picks) for raster in opened))

    for found, pixels in zip(asyncio.run(run()), images.values(), strict=True):
        np.testing.assert_array_equal(found, pixels[rows, cols])


def test_a_cold_read_takes_two_requests_and_a_warm_one_takes_one(server, memory, tmp_path) -> None:
    write_cog(server.root / "w.tif", scene(), transform=TRANSFORM, epsg=32610)
    options = replace(OPTIONS, header_cache=str(tmp_path))
    rows, cols = np.array([10, 20]), np.array([30, 40])
    for place, requests in [("nowhere", 2), ("memory", 1), ("disk", 1)]:
        if place == "disk":
            memory.drop(f"{server.url}/w.tif")
        server.reset()
        meter = Meter()
        found = read(f"{server.url}/w.tif", rows, cols, options=options, meter=meter)
        np.testing.assert_array_equal(found, scene()[rows, cols])
        assert (server.stats()["gets"], meter.requests) == (requests, requests), place
        assert meter.decode_seconds > 0


def test_near_tiles_are_one_request_and_far_ones_two(server) -> None:
    write_cog(server.root / "g.tif", scene(), transform=TRANSFORM, epsg=32610)
    href = f"{server.url}/g.tif"
    read(href, window=(0, 0, 0, 0))
    for rows, gap, requests in [([0, 0], 16, 1), ([0, 600], 16, 2), ([0, 600], 10**6, 1)]:
        server.reset()
        read(href, np.array(rows), np.array([10, 300]), options=replace(OPTIONS, gap=gap))
        assert server.stats()["gets"] == requests


def test_whoever_opens_a_file_meanwhile_waits_for_the_first(server) -> None:
    write_cog(server.root / "o.tif", scene(), transform=TRANSFORM, epsg=32610)

    async def run():
        async with Access(OPTIONS) as access:
            href = f"{server.url}/o.tif"
            await asyncio.gather(*(open_raster(access, href, Meter()) for _ in range(20)))

    asyncio.run(run())
    assert server.stats()["gets"] == 1


def test_a_long_header_is_read_in_a_few_requests(server) -> None:
    pixels = scene(shape=(1600, 1600))
    write_cog(server.root / "l.tif", pixels, transform=TRANSFORM, epsg=32610, tile=16)
    rows, cols = positions(pixels.shape, 50)
    meter = Meter()
    found = read(f"{server.url}/l.tif", window=(0, 3, 0, 3), meter=meter)
    np.testing.assert_array_equal(found, pixels[:3, :3])
    assert meter.requests <= 4
    np.testing.assert_array_equal(read(f"{server.url}/l.tif", rows, cols), pixels[rows, cols])


READER = """
import asyncio, sys
from fieldwren.archive.access import Access, Meter
from fieldwren.archive.rasters import open_raster
from fieldwren.model import ReadOptions

async def run(folder, hrefs):
    async with Access(ReadOptions(header_cache=folder)) as access:
        await asyncio.gather(*(open_raster(access, href, Meter()) for href in hrefs))

asyncio.run(run(sys.argv[1], sys.argv[2:]))
"""


def test_headers_are_remembered_across_processes(server, tmp_path) -> None:
    write_cog(server.root / "x.tif", scene(), transform=TRANSFORM, epsg=32610)
    hrefs = [f"{server.url}/x{number}.tif" for number in range(40)]
    for number in range(40):
        (server.root / f"x{number}.tif").hardlink_to(server.root / "x.tif")
    command = [sys.executable, "-c", READER, str(tmp_path), *hrefs]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    server.reset()
    asyncio.run(_open_all(hrefs, replace(OPTIONS, header_cache=str(tmp_path))))
    assert server.stats()["gets"] == 0


async def _open_all(hrefs, options):
    async with Access(options) as access:
        await asyncio.gather(*(open_raster(access, href, Meter()) for href in hrefs))


@pytest.mark.parametrize("trouble", ["garbage", "locked", "a file instead", "bad row"])
def test_whatever_is_wrong_with_the_cache_files_are_read(server, tmp_path, memory, trouble) -> None:
    write_cog(server.root / "c.tif", scene(), transform=TRANSFORM, epsg=32610)
    href, rows, cols = f"{server.url}/c.tif", np.array([5]), np.array([6])
    options = replace(OPTIONS, header_cache=str(tmp_path / "cache"))
    file = tmp_path / "cache" / headers.FILE_NAME
    if trouble == "a file instead":
        file.parent.write_text("x")
    else:
        read(href, rows, cols, options=options)
        memory.drop(href)
    connection = None
    if trouble == "garbage":
        file.write_bytes(b"x" * 5000)
    elif trouble != "a file instead":
        connection = sqlite3.connect(file)
        if trouble == "bad row":
            connection.execute("UPDATE headers SET chunks = x'00'")
            connection.commit()
        else:
            connection.execute("BEGIN EXCLUSIVE")
    assert read(href, rows, cols, options=options) == scene()[5, 6]
    if connection:
        connection.close()


def test_headers_of_hrefs_with_a_query_and_of_local_files_are_not_stored(server, tmp_path) -> None:
    write_cog(server.root / "q.tif", scene(), transform=TRANSFORM, epsg=32610)
    options = replace(OPTIONS, header_cache=str(tmp_path))
    rows, cols = np.array([5]), np.array([6])
    for href in (f"{server.url}/q.tif?sig=x", str(server.root / "q.tif")):
        assert read(href, rows, cols, options=options) == scene()[5, 6]
    connection = sqlite3.connect(tmp_path / headers.FILE_NAME)
    assert connection.execute("SELECT count(*) FROM headers").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("where", ["local", "remote"])
@pytest.mark.parametrize("compress", ["deflate", "none"])
def test_a_replaced_file_is_read_as_it_is_now(server, where, compress, tmp_path, memory) -> None:
    file = server.root / "r.tif"
    href = str(file) if where == "local" else f"{server.url}/{file.name}"
    rows, cols = positions((700, 900), 500)
    options = replace(OPTIONS, header_cache=str(tmp_path / "cache"))
    for seed, block in enumerate((256, 128, 512)):
        profile = {"tiled": True, "blockxsize": block, "blockysize": block, "compress": compress}
        write_rasterio(tmp_path / "new.tif", scene(seed), **profile)
        (tmp_path / "new.tif").replace(file)
        if seed == 2:
            memory.drop(href)  # from here on the disk remembers the wrong header
        found = read(href, rows, cols, options=options)
        np.testing.assert_array_equal(found, scene(seed)[rows, cols])


def test_a_file_replaced_by_one_of_another_extent_is_an_error(server) -> None:
    file, rows, cols = server.root / "e.tif", np.array([5]), np.array([6])
    write_cog(file, scene(), transform=TRANSFORM, epsg=32610)
    read(f"{server.url}/e.tif", rows, cols)
    write_cog(file, scene(shape=(600, 900)), transform=TRANSFORM, epsg=32610)
    with pytest.raises(ReadError, match=r"e\.tif: was replaced by a file of another extent"):
        read(f"{server.url}/e.tif", rows, cols)
    assert read(f"{server.url}/e.tif", rows, cols) == scene(shape=(600, 900))[5, 6]


def test_a_file_cut_short_or_damaged_is_named(server) -> None:
    write_cog(server.root / "whole.tif", scene(), transform=TRANSFORM, epsg=32610)
    whole = (server.root / "whole.tif").read_bytes()
    window = (600, 700, 800, 900)
    damaged = whole[:-5000] + bytes(5000)
    for content, words in [
        (b"", "ends"),
        (whole[:100], "ends (too soon|within its header)"),
        (whole[:-9000], "ends too soon"),
        (damaged, "tile 11 at byte"),
        (b"<html>please log in</html>", "is no TIFF"),
    ]:
        (server.root / "bad.tif").write_bytes(content)
        for href in (f"{server.url}/bad.tif", str(server.root / "bad.tif")):
            with pytest.raises(ReadError, match=rf"bad\.tif: .*{words}"):
                read(href, window=window)
    with pytest.raises(ReadError, match=r"none\.tif: is not in the archive"):
        read(f"{server.url}/none.tif", window=window)
    with pytest.raises(ReadError, match=r"none\.tif: No such file"):
        read(server.root / "none.tif", window=window)


def test_the_tightest_bounds_let_everything_through(server) -> None:
    write_cog(server.root / "t.tif", scene(), transform=TRANSFORM, epsg=32610, tile=64)
    options = replace(OPTIONS, files=1, bytes_in_flight=1, gap=0)

    async def run():
        async with Access(options) as access:
            raster = await open_raster(access, f"{server.url}/t.tif", Meter())
            return await asyncio.gather(*(raster.window(0, 300, 0, 300) for _ in range(3)))

    for found in asyncio.run(run()):
        np.testing.assert_array_equal(found, scene()[:300, :300])
    assert server.stats()["max_concurrent"] == 1


def test_one_failing_span_ends_the_others(server) -> None:
    write_cog(server.root / "f.tif", scene(), transform=TRANSFORM, epsg=32610)
    href = f"{server.url}/f.tif"
    read(href, window=(0, 0, 0, 0))
    server.set(faults=[{"path": "/f.tif", "kind": "403"}], latency=0.02)
    with pytest.raises(AccessError, match="access was refused"):
        read(href, window=(0, 700, 0, 900), options=replace(OPTIONS, gap=0, files=2))


def test_without_rasterio_what_is_missing_is_named(server, monkeypatch) -> None:
    write_rasterio(server.root / "j.tif", scene(dtype="u1"), **LAYOUTS["jpeg"])
    write_rasterio(server.root / "j.jp2", scene(), **LAYOUTS["jpeg 2000"])
    monkeypatch.setattr(fallback, "find_spec", lambda _: None)
    for name, layout in [("j.tif", "JPEG compression"), ("j.jp2", "JPEG 2000")]:
        with pytest.raises(
            UnsupportedError, match=rf"{layout}.*pip install .fieldwren\[fallback\]"
        ):
            read(f"{server.url}/{name}", window=(0, 1, 0, 1))


def test_the_fallback_reads_by_range_and_passes_errors_on(server, monkeypatch) -> None:
    monkeypatch.setattr(fallback, "BLOCK", 2**14)
    noise = np.random.default_rng(0).integers(0, 60000, (600, 600)).astype("u2")
    write_rasterio(
        server.root / "n.jp2", noise, blockxsize=128, blockysize=128, **LAYOUTS["jpeg 2000"]
    )
    href, meter = f"{server.url}/n.jp2", Meter()
    np.testing.assert_array_equal(
        read(href, window=(0, 9, 0, 9), meter=meter, options=replace(OPTIONS, bytes_in_flight=10)),
        noise[:9, :9],
    )
    assert meter.bytes < (server.root / "n.jp2").stat().st_size
    server.set(faults=[{"path": "/n.jp2", "kind": "403", "unless": "bytes=0-"}])
    with pytest.raises(AccessError, match="access was refused"):
        read(href, window=(500, 509, 0, 9))


def test_the_memory_of_headers_is_bounded_and_keeps_what_was_used_last(server) -> None:
    write_cog(server.root / "m.tif", scene(), transform=TRANSFORM, epsg=32610)
    read(f"{server.url}/m.tif", window=(0, 0, 0, 0))
    header = rasters._memory.get(f"{server.url}/m.tif")
    assert isinstance(header, Header)
    small = MemoryHeaders(capacity=3 * (header.index.offsets.nbytes * 2 + 1024))
    for key in "abc":
        small.put(key, header)
    small.get("a")
    small.put("d", header)
    small.put("d", header)
    assert [key for key in "abcd" if small.get(key)] == ["a", "c", "d"]
    for key in "abcd":
        small.drop(key)
    assert small.size == 0


def test_the_disk_keeps_the_newest_headers(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(headers, "MAX_ROWS", 3)
    disk = headers.DiskHeaders(str(tmp_path))
    for number in range(6):
        disk.put(f"https://h/{number}", {0: b"x", 90: b"yz"}, str(number))
    disk.drop("https://h/4")
    disk.close()
    disk = headers.DiskHeaders(str(tmp_path))
    found = {number: disk.get(f"https://h/{number}") for number in range(6)}
    assert [number for number in found if found[number]] == [3, 5]
    assert found[5] == ({0: b"x", 90: b"yz"}, "5")
    disk.close()


def test_real_landsat_bands_equal_rasterio(shared_data) -> None:
    files = sorted((shared_data / "landsat_l2" / "stactools").glob("*.TIF"))[:8]
    assert files
    for file in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(file) as dataset:
                expected = dataset.read(1)
        height, width = expected.shape
        np.testing.assert_array_equal(read(file, window=(0, height, 0, width)), expected)
