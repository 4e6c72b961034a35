"""Pixel lattices: what two rasters with different corners and the same pixels have in common.

Scenes of one path and row differ in extent from date to date by whole pixels, so their origins
differ and their lattice does not. Coverage weights belong to the lattice; a raster only shifts
them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Transform", "canonical", "positions_on"]

Transform = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): x = a * col + b * row + c, y = d * col + e * row + f of pixel corners."""

_PHASE_DIGITS = 9
"""Origins that agree to a billionth of a pixel are on one lattice."""


def canonical(transform: Transform) -> tuple[Transform, int, int]:
    """The transform of the lattice's pixel nearest the CRS origin, and the raster's shift to it.

    Returns:
        the canonical transform, and (row, col) of the raster's first pixel on that lattice.
    """
    a, b, c, d, e, f = transform
    det = a * e - b * d
    col, row = (e * c - b * f) / det, (a * f - d * c) / det
    col_phase, col_shift = _phase(col)
    row_phase, row_shift = _phase(row)
    origin_x = a * col_phase + b * row_phase
    origin_y = d * col_phase + e * row_phase
    return (a, b, origin_x, d, e, origin_y), row_shift, col_shift


def _phase(position: float) -> tuple[float, int]:
    """Split a pixel position into a fraction in [0, 1) and a whole number."""
    whole = math.floor(position)
    fraction = round(position - whole, _PHASE_DIGITS)
    return (0.0, whole + 1) if fraction >= 1.0 else (fraction, whole)


def positions_on(
    rows: NDArray[np.int64], cols: NDArray[np.int64], source: Transform, target: Transform
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions on the target raster of the pixels that hold the centres of source pixels.

    Args:
        rows: pixel rows on the source raster, shape (m,).
        cols: pixel columns, shape (m,).
        source: transform of the source raster.
        target: transform of the target raster, in the same CRS.
    """
    a, b, c, d, e, f = source
    col_centre, row_centre = cols + 0.5, rows + 0.5
    x = a * col_centre + b * row_centre + c
    y = d * col_centre + e * row_centre + f
    a, b, c, d, e, f = target
    det = a * e - b * d
    target_cols = np.floor((e * (x - c) - b * (y - f)) / det)
    target_rows = np.floor((a * (y - f) - d * (x - c)) / det)
    return target_rows.astype(np.int64), target_cols.astype(np.int64)
