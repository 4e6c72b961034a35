"""One scene as a picture: a window of its pixels, computed to an index."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from fieldwren.archive.access import Access, Meter, run_apart
from fieldwren.archive.rasters import on_image, open_raster
from fieldwren.errors import OptionError, ReadError
from fieldwren.pixels.calibrate import calibrate
from fieldwren.pixels.indices import evaluate
from fieldwren.pixels.lattice import Transform, positions_on
from fieldwren.pixels.masks import classify
from fieldwren.pixels.reduce import rejects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldwren.archive.rasters import Raster
    from fieldwren.model import ReadOptions, Recipe, Scene

    Positions = NDArray[np.int64]

__all__ = ["Chip", "read_chip"]

_LARGEST = 40_000_000
"""Pixels: a larger window is a mistake in the box, and would not be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """An index over a window of a scene, on the scene's own pixels."""

    values: NDArray[np.float64]
    """Shape (rows, cols), north up as in the file; NaN where masked or without data."""
    transform: Transform
    """Of pixel corners, in the scene's CRS."""
    crs: str
    """The scene's CRS."""


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
    return run_apart(_read(scene, box, recipe, options))


async def _read(
    scene: Scene,
    box: tuple[float, float, float, float],
    recipe: Recipe,
    options: ReadOptions,
) -> Chip:
    index = recipe.indices[0]
    async with Access(options) as access:
        opened = await asyncio.gather(*(_open(scene, band, access) for band in index.bands))
        finest = min(opened, key=lambda r: abs(r.index.transform[0]))
        first, shape = _window(finest, box, scene)
        rows, cols = (np.indices(shape) + np.reshape(first, (2, 1, 1))).reshape(2, -1)
        masked = await _masked(scene, recipe, access, finest, at=(rows, cols))
        bands = {}
        for band, raster in zip(index.bands, opened, strict=True):
            numbers, inside = await _sample(raster, finest, rows, cols)
            bands[band] = np.full(len(rows), np.nan)
            bands[band][inside], quality = calibrate(numbers, scene.assets[band], raster.index)
            masked[inside] |= rejects(recipe.mask)[quality]
    values = np.where(masked, np.nan, evaluate(index, bands)).reshape(shape)
    a, b, c, d, e, f = finest.index.transform
    row, col = first
    corner = (a, b, c + a * col + b * row, d, e, f + d * col + e * row)
    return Chip(values=values, transform=corner, crs=scene.crs or "")


async def _masked(
    scene: Scene,
    recipe: Recipe,
    access: Access,
    lattice: Raster,
    *,
    at: tuple[Positions, Positions],
) -> NDArray[np.bool_]:
    """Which pixels the quality band rejects, shape (m,)."""
    masked = np.zeros(len(at[0]), dtype=bool)
    if recipe.mask != "none":
        if scene.quality is None:
            raise ReadError(f"{scene.id} has no quality band that fieldwren knows; use --mask none")
        raster = await _open(scene, "qa", access)
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


def _window(
    raster: Raster, box: tuple[float, float, float, float], scene: Scene
) -> tuple[tuple[int, int], tuple[int, int]]:
    """First (row, column) and (height, width) of the pixels that a box touches."""
    to_scene = pyproj.Transformer.from_crs("OGC:CRS84", scene.crs, always_xy=True)
    west, south, east, north = to_scene.transform_bounds(*box)
    a, b, c, d, e, f = raster.index.transform
    x, y = np.array([west, west, east, east]) - c, np.array([south, north, south, north]) - f
    det = a * e - b * d
    cols, rows = (e * x - b * y) / det, (a * y - d * x) / det
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
    return first, (height, width)


async def _open(scene: Scene, band: str, access: Access) -> Raster:
    if band not in scene.assets:
        raise ReadError(f"the scene {scene.id} has no {band} band")
    return await open_raster(access.of(scene.access), scene.assets[band].href, Meter())
