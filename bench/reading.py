"""How fast places are read, against rasterio as well tuned as it goes, with equal values.

    python bench/reading.py            all jobs
    python bench/reading.py one many   some of them

A loopback range server with injected latency stands in for the object store; the files have the
layout of Landsat Collection 2 (7,611 x 7,771 uint16, 256 x 256 tiles, DEFLATE, predictor 2). Every
row of a table runs in a process of its own, so that peak memory is its own; the two methods run in
turn within one run, and the ratio is the figure to quote. The baseline opens each file once, uses
as many threads as fieldwren has requests in flight, the GDAL settings that were measured to be
best, /vsis3/ rather than /vsicurl/, and the same coverage weights; its values must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import shapely

from range_server import RangeServer

WIDTH, HEIGHT, PIXEL = 7611, 7771, 30.0
TRANSFORM = (PIXEL, 0.0, 460_185.0, 0.0, -PIXEL, 4_264_215.0)
EPSG, SCENES, BANDS = 32610, 20, ("red", "nir", "qa")
IN_FLIGHT = 64
SCALE, OFFSET, CLEAR = 2.75e-5, -0.2, 21824
TUNED = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "VSI_CACHE": "TRUE",
    "GDAL_CACHEMAX": "1024",
    "AWS_NO_SIGN_REQUEST": "YES",
    "AWS_HTTPS": "NO",
    "AWS_VIRTUAL_HOSTING": "FALSE",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", choices=["one", "many", "scale", []])
    parser.add_argument("--method", choices=["rasterio", "fieldwren"])
    parser.add_argument("--places", type=int, default=1)
    parser.add_argument("--url")
    parser.add_argument("--files", type=int, default=IN_FLIGHT)
    parser.add_argument("--cache")
    options = parser.parse_args()
    if options.method:
        print(json.dumps(measure(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_archive(Path(folder))
        with RangeServer(folder, bandwidth=80e6) as server:
            for job in options.jobs or ("one", "many", "scale"):
                JOBS[job](server)


def write_archive(folder: Path) -> None:
    """Three files, under twenty names each: what is measured is reading, not the disk."""
    from fieldwren.pixels.cog import write_cog

    random = np.random.default_rng(1)
    smooth = np.add.outer(np.sin(np.arange(HEIGHT) / 300), np.cos(np.arange(WIDTH) / 200)) * 800
    (folder / "bucket").mkdir()
    for band, level in (("red", 9500), ("nir", 17000)):
        noise = random.normal(0, 18, (HEIGHT, WIDTH))
        pixels = (level + smooth + noise).astype("u2")
        write_cog(folder / f"{band}.tif", pixels, transform=TRANSFORM, epsg=EPSG, nodata=0)
    qa = np.full((HEIGHT, WIDTH), CLEAR, "u2")
    qa[random.random((HEIGHT, WIDTH)) < 0.002] = 22280
    write_cog(folder / "qa.tif", qa, transform=TRANSFORM, epsg=EPSG)
    for scene in range(SCENES):
        for band in BANDS:
            (folder / "bucket" / f"{scene:02d}-{band}.tif").hardlink_to(folder / f"{band}.tif")


def polygons(n: int) -> list[shapely.Polygon]:
    """Fields of 100 to 400 m within a fixed set of 184 tiles, whatever their number."""
    tiles = np.random.default_rng(2).permutation(900)[:184]
    random = np.random.default_rng(3)
    found = []
    for k in range(n):
        row, col = divmod(int(tiles[k % len(tiles)]), 30)
        place = (np.array([col, row]) * 256 + random.uniform(20, 236, 2)) * PIXEL
        x, y = TRANSFORM[2] + place[0], TRANSFORM[5] - place[1]
        radius = random.uniform(50, 200)
        turn = random.uniform(0, np.pi)
        corners = [turn, turn + 1.4, turn + 3.0, turn + 4.9]
        found.append(
            shapely.Polygon([(x + radius * np.cos(a), y + radius * np.sin(a)) for a in corners])
        )
    return found


def shapes_of(areas: list[shapely.Polygon]):
    from fieldwren.model import Shapes

    rings = [shapely.get_coordinates(shapely.orient_polygons(a)) for a in areas]
    offsets = np.concatenate(([0], np.cumsum([len(r) for r in rings])))
    return Shapes(
        ids=tuple(map(str, range(len(areas)))),
        xy=np.concatenate(rings),
        rings=offsets,
        places=np.arange(len(areas) + 1),
        key=f"bench-{len(areas)}",
    )


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Run one method in this process; returns seconds, memory and the means."""
    areas = shapes_of(polygons(options.places))
    run = {"rasterio": by_rasterio, "fieldwren": by_fieldwren}[options.method]
    prepared = run(areas, options)
    base, base_memory = resource.getrusage(resource.RUSAGE_SELF), memory("VmRSS")
    started = time.perf_counter()
    means = prepared()
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime - base.ru_utime - base.ru_stime,
        "mib": memory("VmHWM") - base_memory,
        "means": np.asarray(means).tolist() if options.places <= 200 else [],
    }


def memory(what: str) -> float:
    """VmRSS (now) or VmHWM (at the peak) of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def by_fieldwren(areas, options):
    from functools import partial

    from fieldwren.engine import executor
    from fieldwren.engine.stream import stream
    from fieldwren.model import Asset, ReadOptions, ReadTask, Recipe, SceneRead
    from fieldwren.pixels.indices import INDICES
    from fieldwren.worker import observe

    def scene(number):
        assets = {
            band: Asset(
                key=band,
                band=band,
                href=f"{options.url}/bucket/{number:02d}-{band}.tif",
                scale=SCALE,
                offset=OFFSET,
                nodata=0,
            )
            for band in BANDS
        }
        return SceneRead(
            id=f"{number:02d}",
            key=f"{number:02d}",
            assets=assets,
            crs=None,
            quality="qa_pixel",
            access="",
        )

    recipe, workers = Recipe(indices=(INDICES["ndvi"],)), 2
    size = SCENES // workers
    tasks = [
        ReadTask(
            key=str(k),
            scenes=tuple(scene(n) for n in range(k, k + size)),
            shapes=areas,
            recipe=recipe,
        )
        for k in range(0, SCENES, size)
    ]
    limits = ReadOptions(files=options.files // workers, header_cache=options.cache)

    def run():
        with executor("local", workers=workers) as engine:
            outcomes = {}
            for _, future in stream(engine, partial(observe, options=limits), tasks, ahead=4):
                outcomes |= {o.scene_key: o.columns["ndvi"] for o in future.result()}
        return [outcomes[f"{n:02d}"] for n in range(SCENES)]

    return run


def by_rasterio(areas, options):
    os.environ |= TUNED | {"AWS_S3_ENDPOINT": options.url.removeprefix("http://")}
    import rasterio
    from rasterio.windows import Window

    from fieldwren.pixels.coverage import coverage

    weights = coverage(areas, TRANSFORM)
    parts = [slice(a, b) for a, b in zip(weights.places[:-1], weights.places[1:], strict=True)]
    windows = [
        Window(
            weights.cols[p].min(),
            weights.rows[p].min(),
            np.ptp(weights.cols[p]) + 1,
            np.ptp(weights.rows[p]) + 1,
        )
        for p in parts
    ]

    def read(file):
        with rasterio.open(f"/vsis3/bucket/{file}.tif") as source:
            return [source.read(1, window=w) for w in windows]

    def mean(part, window, red, nir, qa):
        at = weights.rows[part] - window.row_off, weights.cols[part] - window.col_off
        red, nir = (v[at] * SCALE + OFFSET for v in (red, nir))
        clear = weights.weights[part] * (qa[at] == CLEAR)
        return float((clear * (nir - red) / (nir + red)).sum() / clear.sum())

    def run():
        with ThreadPoolExecutor(options.files) as pool:
            names = [f"{n:02d}-{band}" for n in range(SCENES) for band in BANDS]
            blocks = dict(zip(names, pool.map(read, names), strict=True))
        return [
            [
                mean(p, w, *(blocks[f"{n:02d}-{band}"][k] for band in BANDS))
                for k, (p, w) in enumerate(zip(parts, windows, strict=True))
            ]
            for n in range(SCENES)
        ]

    return run


def child(server: RangeServer, method: str, places: int, files: int, cache: str = "") -> dict:
    """Run a method in a process of its own; adds what the server counted."""
    server.reset()
    arguments = ["--method", method, "--places", str(places), "--files", str(files)]
    arguments += ["--url", server.url, *(["--cache", cache] if cache else [])]
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    counted = server.stats()
    return json.loads(done.stdout) | {"gets": counted["gets"], "mb": counted["bytes"] / 1e6}


def median(results: list[dict]) -> dict:
    return sorted(results, key=lambda r: r["wall"])[len(results) // 2]


def compare(server: RangeServer, places: int, latency: float, files: int, repeats: int) -> None:
    server.set(latency=latency, bandwidth=80e6)
    rounds: dict[str, list[dict]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            for name, method, folder in (
                ("rasterio, tuned", "rasterio", ""),
                ("fieldwren, cold headers", "fieldwren", cache),
                ("fieldwren, warm headers", "fieldwren", cache),
            ):
                found = child(server, method, places, files, folder)
                rounds.setdefault(name, []).append(found)
    base = median(rounds["rasterio, tuned"])
    for name, results in rounds.items():
        row = median(results)
        apart = np.abs(np.array(row["means"]) - np.array(base["means"])).max()
        assert apart < 1e-9, f"{name} disagrees by {apart}"
        show(name, row, base["wall"] / row["wall"])


def show(name: str, row: dict, ratio: float | None = None) -> None:
    print(
        f"  {name:<26} {row['gets']:>6} {row['mb']:>8.1f} {row['wall']:>8.3f} {row['cpu']:>7.2f}"
        f" {row['mib']:>7.0f}" + (f" {ratio:>7.1f}x" if ratio else "")
    )


def head(title: str) -> None:
    print(f"\n{title}\n  {'':<26} {'GETs':>6} {'MB':>8} {'wall s':>8} {'CPU s':>7} {'MiB':>7}")


def one(server: RangeServer) -> None:
    for latency in (0.03, 0.1):
        head(f"1 polygon x {SCENES} scenes, {latency * 1000:.0f} ms, {IN_FLIGHT} in flight")
        compare(server, 1, latency, IN_FLIGHT, 5)


def many(server: RangeServer) -> None:
    head(f"200 polygons x {SCENES} scenes, 30 ms, {IN_FLIGHT} in flight")
    compare(server, 200, 0.03, IN_FLIGHT, 3)


def scale(server: RangeServer) -> None:
    head(f"fieldwren: polygons on the same 184 tiles x {SCENES} scenes, 30 ms, cold headers")
    server.set(latency=0.03, bandwidth=80e6)
    first = None
    for places in (200, 1000, 10_000):
        row = child(server, "fieldwren", places, IN_FLIGHT)
        first = first or row["wall"]
        show(f"{places} polygons", row, row["wall"] / first)


JOBS = {"one": one, "many": many, "scale": scale}

if __name__ == "__main__":
    main()
