"""Clouds, their shadows, cirrus and snow of one day, and the quality band that reports them all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.archive.simulated.land import PIXEL, SIZE
from fieldwren.archive.simulated.noise import smooth_noise
from fieldwren.archive.simulated.regions import SPECTRA

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from fieldwren.archive.simulated.regions import Region

    Image = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["FILL", "Sky", "make_sky"]

# Values of QA_PIXEL as USGS writes them (the flag, the clear bit where it applies, and the four
# confidences); all but the lone cirrus are found in the real scenes that were looked at, and that
# is in the table of the Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619).
FILL: Final = 1
_CLEAR: Final = 21824
_WATER: Final = 21952
_EDGE: Final = 21762
_CIRRUS: Final = 54596
_SNOW: Final = 30048
_SHADOW: Final = 23888
_CLOUD: Final = 22280
_CLOUD_UNDER_CIRRUS: Final = 55052

_MARGIN: Final = 48  # pixels of sky around the ground, from which shadows come
_DILATION: Final = 3  # pixels; what USGS grows clouds by
_SHADE: Final = 0.45  # light that is left in a cloud's shadow
_DECISION: Final = 0.9  # a + b of the beta distribution of cloud cover: mostly all or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What is between the ground and the sensor; every array has shape (rows, columns)."""

    cloud: Image
    """Opacity, 0 where there is no cloud."""
    cirrus: Image
    """Opacity of thin high cloud."""
    snow: Image
    """Share of the ground that is white."""
    shadow: Mask
    """Where a cloud takes the direct sun."""

    def over(self, reflectance: Image) -> Image:
        """The ground seen through this sky; shapes (bands, rows, columns)."""
        through = (1 - self.cirrus) * (1 - self.cloud)
        lit = through * np.where(self.shadow, _SHADE, 1)
        white = self.cirrus * (1 - self.cloud) + self.cloud * (0.75 + 0.4 * self.cloud)
        seen = reflectance * (lit * (1 - self.snow))
        for spectrum, share in (("snow", lit * self.snow), ("cloud", white)):
            if share.any():
                seen += np.multiply.outer(SPECTRA[spectrum], share)
        return seen

    def quality(self, water: Mask) -> NDArray[np.uint16]:
        """The QA_PIXEL band; the later line wins."""
        cloud, cirrus = self.cloud > 0, self.cirrus > 0
        quality = np.where(water, _WATER, _CLEAR)
        quality[self.snow > 0] = _SNOW
        quality[cirrus] = _CIRRUS
        quality[_grow(cloud, _DILATION)] = _EDGE
        quality[self.shadow] = _SHADOW
        quality[cloud] = _CLOUD
        quality[cloud & cirrus] = _CLOUD_UNDER_CIRRUS
        return quality.astype(np.uint16)


def make_sky(
    region: Region, rng: np.random.Generator, when: datetime, sun: tuple[float, float]
) -> Sky:
    """The weather of a day.

    Args:
        region: Its monthly climate.
        rng: Of this day.
        when: The day.
        sun: Azimuth and elevation, degrees: where shadows fall.
    """
    month = when.month - 1
    mean = region.cloud[month] / 100
    cover = rng.beta(_DECISION * mean, _DECISION * (1 - mean))
    sky = _clouds(rng, cover)
    down, right = _throw(rng, sun)
    rows, cols = (slice(_MARGIN - k, _MARGIN - k + SIZE) for k in (down, right))
    inner = slice(_MARGIN, _MARGIN + SIZE)
    cloud = sky[inner, inner]
    cirrus = np.zeros((SIZE, SIZE))
    if rng.random() < region.cirrus:
        veil = smooth_noise(rng, (SIZE, SIZE), 32, stretch=4)
        cirrus = 0.15 * np.clip(veil - rng.uniform(-0.5, 1.5), 0, 1.2)
    snow = np.zeros((SIZE, SIZE))
    if month in {11, 0, 1} and rng.random() < region.snow:
        snow = 0.9 * np.clip(smooth_noise(rng, (SIZE, SIZE), 64), 0, 1)
    return Sky(cloud=cloud, cirrus=cirrus, snow=snow, shadow=(sky[rows, cols] > 0) & ~(cloud > 0))


def _clouds(rng: np.random.Generator, cover: float) -> Image:
    """Opacity over the ground and a margin around it, cloudy on the given share."""
    size = SIZE + 2 * _MARGIN
    if cover < 0.01 or cover > 0.97:
        return np.full((size, size), float(round(cover)))
    scale = 2 ** int(rng.integers(4, 8))  # from fair-weather cumulus to sheets of stratus
    height = smooth_noise(rng, (size, size), scale, octaves=6)
    height -= np.quantile(height, 1 - cover)
    return np.where(height > 0, np.clip(0.25 + 1.2 * height, 0, 1), 0)


def _throw(rng: np.random.Generator, sun: tuple[float, float]) -> tuple[int, int]:
    """Pixels downwards and to the right from a cloud to its shadow."""
    azimuth, elevation = (math.radians(angle) for angle in sun)
    length = rng.uniform(500, 1800) / math.tan(elevation) / PIXEL
    length = min(length, _MARGIN)
    return round(length * math.cos(azimuth)), round(-length * math.sin(azimuth))


def _grow(mask: Mask, radius: int) -> Mask:
    """The mask and all within ``radius`` rows and columns of it."""
    for axis in (0, 1):
        padded = np.pad(mask, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)])
        n = mask.shape[axis]
        mask = np.any(
            [padded.take(range(k, k + n), axis=axis) for k in range(2 * radius + 1)], axis=0
        )
    return mask
