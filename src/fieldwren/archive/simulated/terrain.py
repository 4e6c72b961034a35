"""How the ground of a region is divided: hills, farmland with its parcels and tracks, a river."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.archive.simulated.noise import smooth_noise
from fieldwren.archive.simulated.regions import FARMLAND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldwren.archive.simulated.regions import Region

    Image = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["Terrain", "make_terrain"]

_LEVEL: Final = 34.0
"""Pixels around the place that are level and its own kind of land; hills begin beyond."""

_PARCEL: Final = (6.0, 17.0)
"""Least and greatest side of a parcel, in pixels."""

_RIVER: Final = 54.0
"""Pixels that the river keeps east of the place, more or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terrain:
    """The ground in units: a unit is a parcel, or all of one natural cover."""

    unit: Codes
    """Shape (rows, columns): the unit of each pixel."""
    cover_of: Codes
    """Shape (units,): index of its cover in region.covers; natural covers are units 0, 1, ..."""
    border: Image
    """Shape (rows, columns): share of the pixel that is a track between parcels."""
    slope: tuple[Image, Image]
    """Rise over run to the east and to the north, each of shape (rows, columns)."""


def make_terrain(region: Region, rng: np.random.Generator, size: int) -> Terrain:
    """Divide a square of ``size`` pixels with the place in its middle."""
    rows, cols = np.indices((size, size)) - size / 2
    height = smooth_noise(rng, (size, size), 64, octaves=5)
    hilly = np.clip((np.hypot(rows, cols) - _LEVEL) / _LEVEL, 0, 1)
    rank, natural = _natural(region, height, hilly)
    if region.river:
        _dig_river(region, rng, natural, cols)
    parcel, border = _parcels(rng, size)
    covers = list(region.covers)
    names, shares = zip(*region.parcels, strict=True)
    kinds = rng.choice([covers.index(n) for n in names], parcel.max() + 1, p=shares)
    kinds[parcel[size // 2, size // 2]] = covers.index(names[0])
    farmed = natural < 0
    south, east = np.gradient(height)
    steep = region.relief / np.hypot(south, east).mean() * hilly * (1 - rank)
    return Terrain(
        unit=np.where(farmed, parcel + len(covers), natural),
        cover_of=np.concatenate([np.arange(len(covers)), kinds]),
        border=np.where(farmed, border, 0),
        slope=(east * steep, -south * steep),
    )


def _natural(region: Region, height: Image, hilly: Image) -> tuple[Image, Codes]:
    """Rank by height, 0 the highest; and the index of the cover, -1 for farmland."""
    names = [name for name, _ in region.terrain]
    ends = np.cumsum([share for _, share in region.terrain])
    home = names.index(FARMLAND if FARMLAND in names else region.parcels[0][0])
    middle = ends[home] - region.terrain[home][1] / 2
    rank = np.empty(height.size)
    rank[np.argsort(-height, axis=None)] = np.arange(height.size) / height.size
    rank = middle + (rank.reshape(height.shape) - middle) * hilly
    covers = list(region.covers)
    codes = np.array([covers.index(n) if n in covers else -1 for n in names])
    return rank, codes[np.searchsorted(ends[:-1], rank, side="right")]


def _dig_river(region: Region, rng: np.random.Generator, natural: Codes, cols: Image) -> None:
    """From north to south, with trees along it."""
    course = _RIVER + 7 * smooth_noise(rng, (len(cols), 1), 32)
    away = np.abs(cols - course)
    covers = list(region.covers)
    natural[away < region.river / 2 + 2] = covers.index(region.terrain[0][0])
    natural[away < region.river / 2] = covers.index("water")


def _parcels(rng: np.random.Generator, size: int) -> tuple[Codes, Image]:
    """Parcel numbers, and the share of track in each pixel.

    Parcels lie in rows like bricks, on a lattice that is turned and a little bent.
    """
    angle = rng.uniform(-0.6, 0.6)
    rows, cols = np.indices((size, size)) - size / 2
    bend = (4 * smooth_noise(rng, (size, size), 64, octaves=2) for _ in range(2))
    along = cols * np.cos(angle) + rows * np.sin(angle) + next(bend)
    across = rows * np.cos(angle) - cols * np.sin(angle) + next(bend)
    number, distance = np.zeros((size, size), np.intp), np.zeros((size, size))
    strip, to_strip = _cells(rng, across)
    count = 0
    for k in np.unique(strip):
        inside = strip == k
        cell, to_cell = _cells(rng, along[inside])
        number[inside] = count + cell
        distance[inside] = np.minimum(to_strip[inside], to_cell)
        count += cell.max() + 1
    return number, np.clip(0.6 - distance, 0, 0.35)


def _cells(rng: np.random.Generator, position: Image) -> tuple[Codes, Image]:
    """Cut a line at random; which piece each position is on, and how far from its ends."""
    ends = position.min() - rng.uniform(0, _PARCEL[0])
    steps = rng.uniform(*_PARCEL, int(np.ptp(position) / _PARCEL[0]) + 3)
    cuts = ends + np.concatenate([[0], np.cumsum(steps)])
    cell = np.searchsorted(cuts, position, side="right") - 1
    return cell, np.minimum(position - cuts[cell], cuts[cell + 1] - position)
