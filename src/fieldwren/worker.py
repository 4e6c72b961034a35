"""The one function that travels to an engine: a :class:`ReadTask` in, an outcome per scene out.

    quality band ─► which pixels are clear? ─► bands of those ─► index per pixel ─► W @ x

Where no pixel of any place is clear, the bands are not read. Failures are data: a scene that
cannot be read costs its own rows and no others.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldwren.archive.access import Access, Meter
from fieldwren.archive.rasters import Picks, Raster, on_image, open_raster, plan_picks
from fieldwren.errors import AccessError, ReadError
from fieldwren.model import Done, Failed
from fieldwren.pixels.calibrate import calibrate
from fieldwren.pixels.coverage import Weights, coverage
from fieldwren.pixels.lattice import Transform, canonical, positions_on
from fieldwren.pixels.masks import ENCODINGS, Quality, classify
from fieldwren.pixels.reduce import reduce, rejects
from fieldwren.pixels.tiff import TiffIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldwren.model import Outcome, ReadOptions, ReadTask, Recipe, SceneRead, Shapes

    Floats = NDArray[np.float64]
    Codes = NDArray[np.uint8]
    Positions = NDArray[np.int64]

__all__ = ["observe"]


def observe(task: ReadTask, options: ReadOptions) -> tuple[Outcome, ...]:
    """Read every scene of a task and reduce it to the rows of its places.

    Args:
        task: what to read and compute.
        options: what may be used of this machine.

    Returns:
        One outcome per scene, in the task's order. Nothing is raised for a scene that fails.
    """
    outcomes: list[Outcome] = []
    asyncio.run(_observe(task, options, outcomes))
    return tuple(outcomes)


async def _observe(task: ReadTask, options: ReadOptions, outcomes: list[Outcome]) -> None:
    # Filled, not returned: in the main thread asyncio.run takes the repr of what is returned.
    async with Access(options) as access:
        reads = (_outcome(scene, task, access.of(scene.access)) for scene in task.scenes)
        outcomes += await asyncio.gather(*reads)


async def _outcome(scene: SceneRead, task: ReadTask, access: Access) -> Outcome:
    """The scene's rows, or why there are none."""
    meter = Meter()
    try:
        return await _read_scene(scene, task, access, meter)
    except AccessError as error:
        status, reason = "no_access", str(error)
    except ReadError as error:
        status, reason = "read_error", str(error)
    except Exception as error:  # noqa: BLE001 - the one catch-all: what a file does to us is a row
        status, reason = "read_error", f"{type(error).__name__}: {error}"
    return Failed(scene_key=scene.key, status=status, reason=reason, timing=meter.timing())


async def _read_scene(scene: SceneRead, task: ReadTask, access: Access, meter: Meter) -> Done:
    """Screen the places by the quality band, read the bands of what is clear, reduce."""
    rejected = rejects(task.recipe.mask)
    pixels = await _screen(scene, task, access, meter)
    overcast = pixels is not None and bool(rejected[pixels.codes].all())
    if pixels is not None and overcast and not ENCODINGS[scene.quality or ""].coarser:
        return _done(scene, pixels, {}, task.recipe, meter)
    names = task.recipe.bands
    opened = await asyncio.gather(*(_open(scene, name, access, meter) for name in names))
    rasters = dict(zip(names, opened, strict=True))
    finest = min(opened, key=_pixel_area).index.transform
    if pixels is None or pixels.transform != finest:
        pixels = _pixels_on(finest, task.shapes, screen=pixels)
    if overcast:  # the headers were needed, so that the row counts the same pixels as others do
        return _done(scene, pixels, {}, task.recipe, meter)
    pixels, bands = await _reflectances(scene, rasters, pixels, ~rejected[pixels.codes])
    return _done(scene, pixels, bands, task.recipe, meter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pixels:
    """The pixels of all places on one raster; entry k is one pixel of one place."""

    transform: Transform
    rows: Positions
    cols: Positions
    weights: Floats
    places: Positions
    """Shape (n + 1,): place p owns the entries places[p]:places[p + 1]."""
    codes: Codes
    """Quality of each entry."""


async def _screen(scene: SceneRead, task: ReadTask, access: Access, meter: Meter) -> _Pixels | None:
    """The places' pixels on the quality band, with their quality; None where nothing is masked."""
    if task.recipe.mask == "none":
        return None
    if scene.quality is None or "qa" not in scene.assets:
        raise ReadError(
            "the scene has no quality band that fieldwren knows; --mask none accepts that"
        )
    raster = await _open(scene, "qa", access, meter)
    pixels = _pixels_on(raster.index.transform, task.shapes, screen=None)
    steps = _disk(task.recipe.dilate / _pixel_metres(raster))
    rows, cols = (
        at[None, :] + steps[:, k, None] for k, at in enumerate((pixels.rows, pixels.cols))
    )
    inside = on_image(raster.index, rows, cols)
    codes = np.full(rows.shape, Quality.FILL, dtype=np.uint8)
    codes[inside] = classify(scene.quality, await raster.sample(rows[inside], cols[inside]))
    return replace(pixels, codes=_grown(codes))


def _pixel_metres(raster: Raster) -> float:
    """Side of a pixel in metres; a file in degrees has pixels of less than one."""
    side = math.sqrt(_pixel_area(raster))
    return side * 111_320 if side < 0.5 else side  # metres of a degree of latitude


def _disk(radius: float) -> Positions:
    """Steps (row, column) to the pixels within a radius in pixels, the centre first."""
    reach = int(radius)
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    distance = np.hypot(rows, cols)
    order = np.argsort(distance, kind="stable")[: np.count_nonzero(distance <= radius)]
    return np.stack([rows, cols], axis=1)[order]


def _grown(codes: Codes) -> Codes:
    """The quality in codes[0], cloud edge where a neighbour in the other rows is cloud."""
    cloud = np.isin(codes[1:], (Quality.CLOUD, Quality.CIRRUS, Quality.SHADOW)).any(axis=0)
    clear = np.isin(codes[0], (Quality.CLEAR, Quality.SUSPECT, Quality.SNOW))
    return np.where(cloud & clear, np.uint8(Quality.CLOUD_EDGE), codes[0])


def _pixels_on(transform: Transform, shapes: Shapes, *, screen: _Pixels | None) -> _Pixels:
    """The places' pixels on a raster, with the quality of the screen's pixel at each centre."""
    lattice, row_shift, col_shift = canonical(transform)
    found = _remembered.weights(shapes, lattice)
    rows, cols = found.rows - np.int64(row_shift), found.cols - np.int64(col_shift)
    codes = np.full(len(rows), Quality.CLEAR, dtype=np.uint8)
    if screen is not None:
        codes = _quality_at(screen, *positions_on(rows, cols, transform, screen.transform))
    return _Pixels(
        transform=transform,
        rows=rows,
        cols=cols,
        weights=found.weights,
        places=found.places,
        codes=codes,
    )


def _quality_at(screen: _Pixels, rows: Positions, cols: Positions) -> Codes:
    """Quality at positions on the quality band; FILL where the screen has not read the pixel.

    Finer pixels that nest in those of the quality band (Sentinel-2: 10 m in 20 m) always find
    theirs, because a place that touches the part touches the whole.
    """
    base = min(screen.cols.min(initial=0), cols.min(initial=0))
    width = max(screen.cols.max(initial=0), cols.max(initial=0)) - base + 1
    keys, first = np.unique(screen.rows * width + screen.cols - base, return_index=True)
    wanted = rows * width + cols - base
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    codes = screen.codes[first][found]
    codes[keys[found] != wanted] = Quality.FILL
    return codes


class _Remembered:
    """Weights by shapes and lattice, those used last, up to a number of bytes; for all threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[tuple[str, Transform], Weights] = OrderedDict()
        self._lock = threading.Lock()

    def weights(self, shapes: Shapes, lattice: Transform) -> Weights:
        """Coverage weights, computed once for all dates on a lattice."""
        with self._lock:  # held while computing, so that no two threads compute the same
            key = shapes.key, lattice
            found = self._known.pop(key, None) or coverage(shapes, lattice)
            self._known[key] = found
            while len(self._known) > 1 and self._size() > self._capacity:
                self._known.popitem(last=False)
            return found

    def _size(self) -> int:
        return sum(w.rows.nbytes + w.cols.nbytes + w.weights.nbytes for w in self._known.values())


_remembered = _Remembered(128 * 2**20)


async def _open(scene: SceneRead, band: str, access: Access, meter: Meter) -> Raster:
    """Open the file of a band."""
    asset = scene.assets.get(band)
    if asset is None:
        raise ReadError(f"the scene has no {band} band")
    raster = await open_raster(access, asset.href, meter)
    said, is_so = scene.crs or "", raster.index.crs or ""
    if said != is_so and said.startswith("EPSG:") and is_so.startswith("EPSG:"):
        raise ReadError(f"its item says that the scene is in {said}, its {band} file says {is_so}")
    return raster


def _pixel_area(raster: Raster) -> float:
    """Area of a pixel in squared CRS units."""
    a, b, _, d, e, _ = raster.index.transform
    return abs(a * e - b * d)


async def _reflectances(
    scene: SceneRead, rasters: Mapping[str, Raster], pixels: _Pixels, clear: NDArray[np.bool_]
) -> tuple[_Pixels, dict[str, Floats]]:
    """Reflectance of the clear entries by band, NaN elsewhere, and what the numbers say of them."""
    where = np.flatnonzero(clear)
    picked: dict[object, tuple[Picks, Positions]] = {}

    async def read(name: str) -> tuple[str, NDArray[Any], Positions]:
        file = rasters[name].index
        grid = file.transform, file.height, file.width, file.tile_height, file.tile_width
        if grid not in picked:  # bands that share a grid share the sorting of pixels by tile
            picked[grid] = _picks(file, pixels, where)
        picks, at = picked[grid]
        return name, await rasters[name].pick(picks), at

    codes = pixels.codes.copy()
    bands: dict[str, Floats] = {}
    for name, numbers, at in await asyncio.gather(*(read(name) for name in rasters)):
        quality = np.full(len(codes), Quality.FILL, dtype=np.uint8)
        bands[name] = np.full(len(codes), np.nan)
        bands[name][at], quality[at] = calibrate(numbers, scene.assets[name], rasters[name].index)
        worse = clear & (quality != Quality.CLEAR) & (codes != Quality.FILL)
        codes[worse] = quality[worse]
    return replace(pixels, codes=codes), bands


def _picks(file: TiffIndex, pixels: _Pixels, where: Positions) -> tuple[Picks, Positions]:
    """Where a file holds the entries, sorted by tile, and which of them it does hold."""
    rows, cols = pixels.rows[where], pixels.cols[where]
    if file.transform != pixels.transform:
        rows, cols = positions_on(rows, cols, pixels.transform, file.transform)
    inside = on_image(file, rows, cols)
    return plan_picks(file, rows[inside], cols[inside]), where[inside]


def _done(
    scene: SceneRead, pixels: _Pixels, bands: Mapping[str, Floats], recipe: Recipe, meter: Meter
) -> Done:
    """Reduce the pixels to the scene's rows."""
    start = time.perf_counter()
    rows = reduce(
        codes=pixels.codes,
        weights=pixels.weights,
        places=pixels.places,
        bands=bands,
        recipe=recipe,
    )
    timing = replace(meter.timing(), reduce_seconds=time.perf_counter() - start)
    return Done(
        scene_key=scene.key,
        statuses=rows.statuses,
        reasons=rows.reasons,
        columns=rows.columns,
        timing=timing,
    )
