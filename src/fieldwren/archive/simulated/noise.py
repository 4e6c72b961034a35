"""Random numbers that depend on nothing but a seed and a few words."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["generator", "smooth_noise"]


def generator(seed: int, *words: object) -> np.random.Generator:
    """A stream of its own for every seed and words, whatever was drawn from other streams."""
    return np.random.default_rng([seed, *(zlib.crc32(str(word).encode()) for word in words)])


def smooth_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: int,
    *,
    octaves: int = 4,
    stretch: int = 1,
) -> NDArray[np.float64]:
    """A random field with detail of several sizes: mean 0, standard deviation 1.

    White noise on a coarse lattice is refined, and finer noise of half the height is added, until
    there is a value for every pixel.

    Args:
        rng: Is drawn from.
        shape: (rows, columns).
        scale: Size of the largest detail in pixels, a power of 2.
        octaves: How many sizes of detail there are.
        stretch: How much longer detail is along the columns, a power of 2.
    """
    halvings = scale.bit_length() - 1
    wide = stretch.bit_length() - 1
    rows, cols = _sizes(shape[0], halvings), _sizes(shape[1], halvings + wide)
    field = np.zeros((rows[0], cols[0]))
    for k in range(halvings + 1):
        if k < octaves:
            field += rng.standard_normal(field.shape) / 2**k
        if k < halvings:
            field = _double(_double(field, rows[k + 1]).T, cols[k + 1]).T
    for size in cols[halvings + 1 :]:
        field = _double(field.T, size).T
    return (field - field.mean()) / field.std()


def _sizes(n: int, halvings: int) -> list[int]:
    """How many values are needed at each step to have n at last."""
    sizes = [n]
    for _ in range(halvings):
        sizes.append(sizes[-1] // 2 + 2)
    return sizes[::-1]


def _double(knots: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Refine along the first axis to n values: the subdivision rule of cubic B-splines."""
    fine = np.empty((2 * len(knots) - 3, *knots.shape[1:]))
    fine[::2] = (knots[:-1] + knots[1:]) / 2
    fine[1::2] = (knots[:-2] + 6 * knots[1:-1] + knots[2:]) / 8
    return fine[:n]
