"""The ground of a region and how it looks on any day: surface reflectance with known NDVI.

Every pixel is a mixture of leaf and ground whose NDVI follows the year of its cover; the shares are
solved from the NDVI, so NDVI is the truth and the bands follow from it. Slopes brighten or darken
all bands alike and leave NDVI as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from shapely.geometry import shape as shapely_shape

from fieldwren.archive.simulated.noise import generator, smooth_noise
from fieldwren.archive.simulated.regions import BANDS, SPECTRA, features
from fieldwren.archive.simulated.terrain import make_terrain
from fieldwren.geometry import project_shapes
from fieldwren.model import Place
from fieldwren.pixels.coverage import coverage

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from fieldwren.archive.simulated.regions import Region
    from fieldwren.pixels.coverage import Weights

    Image = NDArray[np.float64]
    Vector = NDArray[np.float64]
    Transform = tuple[float, float, float, float, float, float]

__all__ = ["PIXEL", "SIZE", "Land", "make_land", "ndvi"]

SIZE: Final = 160
"""Rows and columns of the simulated ground; scenes are smaller windows of it."""

PIXEL: Final = 30
"""Metres."""

_RED: Final = BANDS.index("red")
_NIR: Final = BANDS.index("nir08")
_YEAR: Final = 365.2425  # days
_LATE: Final = 8.0  # days, standard deviation between years and between parcels
_GAIN: Final = 0.08  # standard deviation of the greenness of parcels
_WEATHER: Final = 0.02  # standard deviation of NDVI, relative, every two months


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """The ground of one region: what does not change from day to day.

    The field lies on top of what would be there without it, and both are kept: the n pixels of the
    ground come first, row by row, then those that the field touches once more, m in all.
    """

    region: Region
    """Where."""
    seed: int
    """Decides on good and bad years too."""
    transform: Transform
    """Of pixel corners, in the region's UTM zone."""
    weights: Weights
    """Coverage of the point (place 0) and of the field (place 1)."""
    unit: NDArray[np.intp]
    """Shape (m,): which unit (parcel, or natural cover) the pixel is of."""
    cover_of: NDArray[np.intp]
    """Shape (units,): index of the unit's cover."""
    gain: Vector
    """Shape (units,): greenness compared to the cover."""
    late: Vector
    """Shape (units,): days behind the cover."""
    texture: Vector
    """Shape (m,): factor on NDVI."""
    ground: Image
    """Shape (bands, m): reflectance without leaf."""
    leaf: Image
    """Shape (bands, m): reflectance that full leaf adds."""
    border: Vector
    """Shape (m,): share of the pixel that is a track between parcels."""
    slope: tuple[Vector, Vector]
    """Rise over run to the east and to the north, each of shape (n,)."""

    def reflectance(self, when: datetime, sun: tuple[float, float]) -> Image:
        """Surface reflectance without noise and clouds; shape (bands, rows, columns).

        Args:
            when: Day and hour.
            sun: Azimuth and elevation, degrees.
        """
        image = self._mixture(self._ndvi_of_units(when)[self.unit] * self.texture)
        image += (np.array(SPECTRA["track"])[:, np.newaxis] - image) * self.border
        n = SIZE * SIZE
        place = slice(self.weights.places[1], None)
        pixels = self.weights.rows[place].astype(np.intp) * SIZE + self.weights.cols[place]
        image[:, pixels] += (image[:, n:] - image[:, pixels]) * self.weights.weights[place]
        return (image[:, :n] * self._light(sun)).reshape(-1, SIZE, SIZE)

    def _ndvi_of_units(self, when: datetime) -> Vector:
        """Before texture, from the Fourier series through the months; shape (units,)."""
        covers = self.region.covers.values()
        curves = np.stack([np.fft.rfft(np.resize(c.months, 12)) for c in covers]) / 12
        curves[:, 1:-1] *= 2
        least = np.array([min(c.months) for c in covers])[self.cover_of]
        season, vigour, late = _year(self.region, self.seed, when)
        day = when.timetuple().tm_yday - late - self.late
        angle = 2 * np.pi * (day / _YEAR - 1 / 24)  # 0 in the middle of January
        waves = np.exp(1j * np.outer(angle, np.arange(curves.shape[1])))
        value = (curves[self.cover_of] * waves).real.sum(axis=1)
        return season * (least + (value - least) * self.gain * vigour)

    def _mixture(self, target: Vector) -> Image:
        """Leaf and ground in the shares that give the NDVI; shape (bands, m).

        With the leaf share f, NDVI = (d0 + f d1) / (s0 + f s1), where d is nir - red and s is
        nir + red: 0 of the ground, 1 of what full leaf adds to it.
        """
        d0, d1 = (part[_NIR] - part[_RED] for part in (self.ground, self.leaf))
        s0, s1 = (part[_NIR] + part[_RED] for part in (self.ground, self.leaf))
        share = (target * s0 - d0) / np.maximum(d1 - target * s1, 1e-3)
        return self.ground + np.clip(share, 0, 1) * self.leaf

    def _light(self, sun: tuple[float, float]) -> Vector:
        """Sunlight on the slopes compared to level ground; shape (n,)."""
        azimuth, elevation = (math.radians(angle) for angle in sun)
        east, north = self.slope
        toward = east * math.sin(azimuth) + north * math.cos(azimuth)
        return np.clip(1 - toward / math.tan(elevation), 0.4, 1.5)


def ndvi(reflectance: Image) -> Image:
    """Of an image of shape (bands, ...)."""
    red, nir = reflectance[_RED], reflectance[_NIR]
    return (nir - red) / (nir + red)


def make_land(region: Region, seed: int) -> Land:
    """The ground of a region; the same for the same seed."""
    rng = generator(seed, region.id, "land")
    transform, weights = _locate(region)
    terrain = make_terrain(region, rng, SIZE)
    covers = list(region.covers.values())
    own = list(region.covers).index(region.parcels[0][0])
    cover_of = np.append(terrain.cover_of, own)  # the field is the last unit
    parcel = np.arange(len(cover_of)) >= len(covers)
    parcel[-1] = False  # and a typical one
    place = slice(weights.places[1], None)
    pixels = weights.rows[place].astype(np.intp) * SIZE + weights.cols[place]
    unit = np.append(terrain.unit, np.full(len(pixels), len(cover_of) - 1))
    bright, texture = _patterns(rng, terrain.unit < len(covers))
    bright, texture = (np.append(p, p.ravel()[pixels]) for p in (bright, texture))
    ground = np.array([SPECTRA[c.ground] for c in covers]).T[:, cover_of[unit]] * bright
    leaf = np.array([SPECTRA[c.green] for c in covers]).T[:, cover_of[unit]] - ground
    east, north = (s.ravel() for s in terrain.slope)
    return Land(
        region=region,
        seed=seed,
        transform=transform,
        weights=weights,
        unit=unit,
        cover_of=cover_of,
        gain=1 + parcel * np.clip(rng.normal(0, _GAIN, len(parcel)), -0.2, 0.15),
        late=parcel * rng.normal(0, _LATE, len(parcel)),
        texture=texture,
        ground=ground,
        leaf=leaf,
        border=np.append(terrain.border, np.zeros(len(pixels))),
        slope=(east, north),
    )


def _patterns(rng: np.random.Generator, wild: NDArray[np.bool_]) -> tuple[Image, Image]:
    """Factors on the reflectance of bare ground, and on NDVI; parcels are evener than the wild."""
    bright = np.clip(1 + 0.1 * smooth_noise(rng, wild.shape, 32, octaves=5), 0.6, 1.4)
    texture = 1 + 0.015 * rng.standard_normal(wild.shape)
    texture += 0.03 * smooth_noise(rng, wild.shape, 8)
    texture += 0.05 * smooth_noise(rng, wild.shape, 32) * wild
    return bright, texture


def _year(region: Region, seed: int, when: datetime) -> tuple[float, float, float]:
    """How this year differs: factors on NDVI and on its rise above the least, days of delay."""
    moment = when.year + when.timetuple().tm_yday / _YEAR - 0.5
    strength, late = _drift(region, seed, moment)
    change, _ = _drift(region, seed, moment * 6)
    return 1 + _WEATHER * change, max(0.2, 1 + region.vigour * strength), _LATE * late


def _drift(region: Region, seed: int, moment: float) -> NDArray[np.float64]:
    """Two normal numbers for every whole moment, and between moments on a line."""
    whole = math.floor(moment)
    before, after = (generator(seed, region.id, "drift", whole + k).normal(size=2) for k in (0, 1))
    return before + (after - before) * (moment - whole)


def _locate(region: Region) -> tuple[Transform, Weights]:
    """The ground's transform, with the point in its middle, and the coverage of both places.

    Pixel centres lie on multiples of 30 m, as in Landsat's UTM scenes.
    """
    places = [
        Place(id=f["id"], name=region.name, geometry=shapely_shape(f["geometry"]))
        for f in features(region)
    ]
    shapes, _ = project_shapes(places, f"EPSG:{region.epsg}")
    middle = np.round(shapes.xy[0] / PIXEL) * PIXEL
    west, north = middle + np.array([-1, 1]) * (SIZE + 1) / 2 * PIXEL
    transform = (float(PIXEL), 0.0, float(west), 0.0, -float(PIXEL), float(north))
    return transform, coverage(shapes, transform)
