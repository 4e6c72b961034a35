"""Lattices: rasters shifted by whole pixels share one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fieldwren.pixels.lattice import canonical, positions_on

BASE = (30.0, 0.0, 499_985.0, 0.0, -30.0, 4_200_015.0)


@given(st.integers(-20_000, 20_000), st.integers(-20_000, 20_000))
def test_a_shift_by_whole_pixels_changes_only_the_shift(rows, cols):
    a, b, c, d, e, f = BASE
    lattice, row, col = canonical(BASE)
    moved, moved_row, moved_col = canonical((a, b, c + a * cols, d, e, f + e * rows))
    assert moved == lattice
    assert (moved_row - row, moved_col - col) == (rows, cols)


@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e7, 1e7),
    st.sampled_from([(30.0, 0.0, 0.0, -30.0), (10.0, 0.0, 0.0, 10.0), (20.0, 5.0, 5.0, -20.0)]),
)
def test_the_canonical_pixel_is_the_rasters_first_pixel_shifted(x, y, linear):
    a, b, d, e = linear
    (_, _, origin_x, _, _, origin_y), row, col = canonical((a, b, x, d, e, y))
    assert np.isclose(origin_x + a * col + b * row, x, rtol=0, atol=1e-6)
    assert np.isclose(origin_y + d * col + e * row, y, rtol=0, atol=1e-6)


def test_fine_pixels_find_the_coarse_pixel_that_holds_their_centre():
    fine = (10.0, 0.0, 1000.0, 0.0, -10.0, 2000.0)
    coarse = (20.0, 0.0, 980.0, 0.0, -20.0, 2020.0)
    rows, cols = positions_on(np.array([0, 1, 2]), np.array([0, 1, 2]), fine, coarse)
    assert rows.tolist() == [1, 1, 2]
    assert cols.tolist() == [1, 1, 2]
