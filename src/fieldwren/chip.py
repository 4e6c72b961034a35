"""Scenes as pictures: windows of their pixels, computed to an index and in true colour.

bands and quality of a scene ─► pixels of all windows on it, each tile once ─► Chip by Chip
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyproj

from fieldwren.archive.access import Access, Meter, run_apart
from fieldwren.archive.rasters import on_image, open_raster
from fieldwren.errors import OptionError, ReadError
from fieldwren.geometry import project_shapes
from fieldwren.model import Timing
from fieldwren.pixels.calibrate import calibrate
from fieldwren.pixels.indices import evaluate
from fieldwren.pixels.lattice import Transform, positions_on
from fieldwren.pixels.masks import Quality, classify
from fieldwren.pixels.reduce import rejects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fieldwren.archive.rasters import Raster
    from fieldwren.model import Place, ReadOptions, Recipe, Scene

    Positions = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Frame = Callable[[Raster], "_Window"]

__all__ = ["Chip", "read_chip", "read_chips"]

_LARGEST: Final = 40_000_000
"""Pixels: a larger window is a mistake in the box, and would not be looked at."""
_NARROWEST: Final = 20
"""Pixels along the side of a chip of a place, so that a small field shows its surroundings."""
_WIDEST: Final = 120
"""Likewise at most: of a larger window every n-th pixel is taken."""
_MARGIN: Final = 0.15
"""Of the longer side of a place, on each side of it."""
_SCENES_AT_ONCE: Final = 16
"""Scenes whose pixels are held at the same time; their files are bounded by ReadOptions."""
_VISIBLE: Final = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """An index over a window of a scene, on the scene's own pixels."""

    values: Floats
    """Shape (rows, cols), north up as in the file; NaN where masked or without data."""
    transform: Transform
    """Of pixel corners, in the scene's CRS."""
    crs: str
    """The scene's CRS."""
    colour: Floats | None = None
    """Shape (rows, cols, 3): reflectance of red, green and blue, not masked; NaN without data. None
    where it was not asked for, or one of the bands cannot be had."""
    outline: tuple[Floats, ...] = ()
    """Rings of the place, each of shape (n, 2): columns and rows, in pixels from the chip's upper
    left corner. A point is a ring of one vertex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Which pixels of a raster a chip shows."""

    first: tuple[int, int]
    """Row and column of its upper left corner; may lie off the image."""
    shape: tuple[int, int]
    """Rows and columns of the chip."""
    step: int = 1
    """Every n-th pixel is taken, the middle one of each n."""
    outline: tuple[Floats, ...] = ()
    """See :class:`Chip`."""

    def positions(self) -> tuple[Positions, Positions]:
        """Rows and columns on the raster, each of shape (rows * cols,)."""
        start = np.reshape(self.first, (2, 1, 1)) + self.step // 2
        rows, cols = (np.indices(self.shape) * self.step + start).reshape(2, -1)
        return rows, cols

    def transform(self, raster: Transform) -> Transform:
        """Of the chip, from that of the raster."""
        a, b, c, d, e, f = raster
        row, col = self.first
        n = self.step
        return a * n, b * n, c + a * col + b * row, d * n, e * n, f + d * col + e * row


def read_chip(
    scene: Scene,
    box: tuple[float, float, float, float],
    recipe: Recipe,
    options: ReadOptions,
) -> Chip:
    """Read a window of a scene.

    Args:
        scene: with a CRS.
        box: west, south, east, north in degrees.
        recipe: its first index is computed; its mask says what is left out.
        options: what may be used of this machine.

    Raises:
        OptionError: the box does not meet the scene, or is too large.
        ReadError: the scene cannot be read.
    """

    async def read() -> list[Chip]:
        async with Access(options) as access:
            frame = [partial(_box_window, box=box, scene=scene)]
            return await _read(scene, frame, recipe, access, Meter(), colour=False)

    return run_apart(read())[0]


def read_chips(
    wanted: Sequence[tuple[Scene, Place]], recipe: Recipe, options: ReadOptions
) -> tuple[list[Chip | ReadError], Timing]:
    """Read places with their surroundings, in the index and in true colour.

    A chip is a square around the place, with a margin, 20 to 120 pixels wide; of larger windows
    every n-th pixel is taken. What lies off the scene has no data. Places on one scene share the
    tiles that are fetched and decoded for them. The mask is that of the product, not dilated.

    Args:
        wanted: scenes, with a CRS each, and places that lie on them.
        recipe: its first index is computed; its mask says what is left out of that.
        options: what may be used of this machine.

    Returns:
        For each of the wanted the chip, or why there is none; and what that cost.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, (scene, _) in enumerate(wanted):
        groups[f"{scene.archive} {scene.collection} {scene.id}"].append(position)
    found: list[Chip | ReadError] = [ReadError("not read")] * len(wanted)
    meter, room = Meter(), asyncio.Semaphore(_SCENES_AT_ONCE)

    async def read(access: Access, members: list[int]) -> None:
        scene = wanted[members[0]][0]
        places = [wanted[k][1] for k in members]
        async with room:
            chips = await _read_places(scene, places, recipe, access, meter)
        for position, chip in zip(members, chips, strict=True):
            found[position] = chip

    async def read_all() -> None:
        async with Access(options) as access:
            await asyncio.gather(*(read(access, members) for members in groups.values()))

    run_apart(read_all())
    return found, meter.timing()


async def _read_places(
    scene: Scene, places: Sequence[Place], recipe: Recipe, access: Access, meter: Meter
) -> Sequence[Chip | ReadError]:
    """Chips of places on a scene; where they cannot be had together, one by one."""
    frames = [partial(_place_window, place=place, scene=scene) for place in places]
    try:
        return await _read(scene, frames, recipe, access, meter, colour=True)
    except ReadError:
        return [await _read_alone(scene, frame, recipe, access, meter) for frame in frames]


async def _read_alone(
    scene: Scene, frame: Frame, recipe: Recipe, access: Access, meter: Meter
) -> Chip | ReadError:
    """A chip without colours where these cannot be read, or why there is none."""
    for colour in (True, False):
        try:
            return (await _read(scene, [frame], recipe, access, meter, colour=colour))[0]
        except ReadError as error:
            reason = error
    return reason


async def _read(
    scene: Scene,
    frames: Sequence[Frame],
    recipe: Recipe,
    access: Access,
    meter: Meter,
    *,
    colour: bool,
) -> list[Chip]:
    """Read windows of a scene; each is found on the finest raster of the index."""
    index = recipe.indices[0]
    visible = _VISIBLE if colour and all(band in scene.assets for band in _VISIBLE) else ()
    names = tuple(dict.fromkeys((*index.bands, *visible)))
    opened = await asyncio.gather(*(_open(scene, band, access, meter) for band in names))
    finest = min(opened[: len(index.bands)], key=lambda r: abs(r.index.transform[0]))
    windows = [frame(finest) for frame in frames]
    rows, cols = (np.concatenate(p) for p in zip(*(w.positions() for w in windows), strict=True))
    masked = await _masked(scene, recipe, access, finest, at=(rows, cols), meter=meter)
    samples = await asyncio.gather(*(_sample(r, finest, rows, cols) for r in opened))
    bands: dict[str, Floats] = {}
    absent: dict[str, NDArray[np.bool_]] = {}
    for band, raster, (numbers, inside) in zip(names, opened, samples, strict=True):
        bands[band] = np.full(len(rows), np.nan)
        absent[band] = ~inside
        bands[band][inside], quality = calibrate(numbers, scene.assets[band], raster.index)
        absent[band][inside] = quality == Quality.FILL
        if band in index.bands:
            masked[inside] |= rejects(recipe.mask)[quality]
    values = np.where(masked, np.nan, evaluate(index, bands))
    shown = [np.where(absent[band], np.nan, bands[band]) for band in visible]
    return _cut(values, np.stack(shown, axis=-1) if shown else None, windows, finest, scene)


def _cut(
    values: Floats,
    colour: Floats | None,
    windows: Sequence[_Window],
    lattice: Raster,
    scene: Scene,
) -> list[Chip]:
    """The pixels of all windows, which stand one after another, as chips."""
    chips: list[Chip] = []
    start = 0
    for window in windows:
        part = slice(start, start + window.shape[0] * window.shape[1])
        start = part.stop
        chips.append(
            Chip(
                values=values[part].reshape(window.shape),
                transform=window.transform(lattice.index.transform),
                crs=scene.crs or "",
                colour=None if colour is None else colour[part].reshape(*window.shape, 3),
                outline=window.outline,
            )
        )
    return chips


async def _masked(
    scene: Scene,
    recipe: Recipe,
    access: Access,
    lattice: Raster,
    *,
    at: tuple[Positions, Positions],
    meter: Meter,
) -> NDArray[np.bool_]:
    """Which pixels the quality band rejects, shape (m,)."""
    masked = np.zeros(len(at[0]), dtype=bool)
    if recipe.mask != "none":
        if scene.quality is None:
            raise ReadError(f"{scene.id} has no quality band that fieldwren knows; use --mask none")
        raster = await _open(scene, "qa", access, meter)
        numbers, inside = await _sample(raster, lattice, *at)
        masked[inside] = rejects(recipe.mask)[classify(scene.quality, numbers)]
    return masked


async def _sample(
    raster: Raster, lattice: Raster, rows: Positions, cols: Positions
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values at the centres of another raster's pixels, and which of these lie on the raster."""
    if raster.index.transform != lattice.index.transform:
        rows, cols = positions_on(rows, cols, lattice.index.transform, raster.index.transform)
    inside = on_image(raster.index, rows, cols)
    return await raster.sample(rows[inside], cols[inside]), inside


def _box_window(raster: Raster, box: tuple[float, float, float, float], scene: Scene) -> _Window:
    """The pixels that a box touches."""
    to_scene = pyproj.Transformer.from_crs("OGC:CRS84", scene.crs, always_xy=True)
    west, south, east, north = to_scene.transform_bounds(*box)
    corners = np.array([[west, south], [west, north], [east, south], [east, north]])
    cols, rows = _on_raster(corners, raster.index.transform).T
    first = max(0, int(np.floor(rows.min()))), max(0, int(np.floor(cols.min())))
    last = (
        min(raster.index.height, int(np.ceil(rows.max()))),
        min(raster.index.width, int(np.ceil(cols.max()))),
    )
    height, width = last[0] - first[0], last[1] - first[1]
    if height <= 0 or width <= 0:
        raise OptionError(f"--bbox does not meet the scene {scene.id}: give west,south,east,north")
    if height * width > _LARGEST:
        raise OptionError(f"--bbox holds {height * width:,} pixels of {scene.id}: make it smaller")
    return _Window(first=first, shape=(height, width))


def _place_window(raster: Raster, place: Place, scene: Scene) -> _Window:
    """A square around a place; see :func:`read_chips`."""
    shapes, _ = project_shapes([place], scene.crs or "")
    if not shapes.ids:
        raise ReadError(f"the place {place.id} is not on the map of the scene {scene.id}")
    xy = _on_raster(shapes.xy, raster.index.transform)
    low, high = xy.min(axis=0), xy.max(axis=0)
    side = max(float(_NARROWEST), float((high - low).max()) * (1 + 2 * _MARGIN))
    if side**2 > _LARGEST:
        raise ReadError(f"the place {place.id} is {side:,.0f} pixels wide, too many for a picture")
    step = math.ceil(side / _WIDEST)
    n = math.ceil(side / step)
    col, row = np.floor((low + high) / 2 - (n * step - 1) / 2).astype(int).tolist()
    on_chip = (xy - [col, row]) / step
    rings = tuple(np.split(on_chip, shapes.rings[1:-1]))
    return _Window(first=(row, col), shape=(n, n), step=step, outline=rings)


def _on_raster(xy: Floats, transform: Transform) -> Floats:
    """Coordinates of a CRS, shape (n, 2), as columns and rows from a raster's upper left corner."""
    a, b, c, d, e, f = transform
    x, y = xy[:, 0] - c, xy[:, 1] - f
    det = a * e - b * d
    return np.stack([(e * x - b * y) / det, (a * y - d * x) / det], axis=1)


async def _open(scene: Scene, band: str, access: Access, meter: Meter) -> Raster:
    if band not in scene.assets:
        raise ReadError(f"the scene {scene.id} has no {band} band")
    return await open_raster(access.of(scene.access), scene.assets[band].href, meter)
