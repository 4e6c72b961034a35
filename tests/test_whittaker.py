"""The solver against dense matrices over all days."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fieldwren.season.whittaker import daily, fit, left_out, make_knots


def observations(rng, counts):
    """Days, values and weights of series of these lengths, filled up with nothing."""
    days, values, weights = np.zeros((3, max(counts), len(counts)))
    for k, n in enumerate(counts):
        days[:n, k] = 100 + np.sort(rng.choice(40, n, replace=False))
        values[:n, k], weights[:n, k] = rng.normal(size=n), rng.uniform(0.01, 1, n)
    return days.astype(np.int64), values, weights


def dense(days, values, weights, lam):
    """Curve and covariance on all days from the first to the last, by inversion."""
    at = days - days[0]
    w, y = np.zeros((2, at[-1] + 1))
    w[at], y[at] = weights, values
    d = np.diff(np.eye(len(w)), 2, axis=0)
    covariance = np.linalg.inv(np.diag(w) + lam * d.T @ d)
    return covariance @ (w * y), covariance, at


@given(
    counts=st.lists(st.integers(3, 12), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    power=st.floats(0, 4.5),
)
@settings(max_examples=60, deadline=None)
def test_curve_variance_and_errors_left_out_agree_with_dense_matrices(counts, seed, power):
    days, values, weights = observations(np.random.default_rng(seed), counts)
    lam = 10**power
    knots = make_knots(days, values, np.array(counts))
    fitted = fit(knots, weights, np.full(len(counts), lam), inverse=True)
    (line,) = daily(knots, fitted)
    stops = np.cumsum(line.lengths)
    above, leverage = left_out(knots, fitted)
    for k, n in enumerate(counts):
        curve, covariance, at = dense(days[:n, k], values[:n, k], weights[:n, k], lam)
        assert line.lengths[k] == days[n - 1, k] - days[0, k] + 1
        own = slice(stops[k] - line.lengths[k], stops[k])
        assert_allclose(line.value[own], curve, atol=1e-6)
        assert_allclose(line.variance[own], np.diag(covariance), rtol=1e-5)
        share = np.diag(covariance)[at] * weights[:n, k]
        assert_allclose(leverage[:n, k], share, atol=1e-6)
        assert_allclose((above * (1 - leverage))[:n, k], values[:n, k] - curve[at], atol=1e-6)


def test_an_error_left_out_is_that_of_the_curve_through_the_others():
    days, values, weights = observations(np.random.default_rng(1), [9])
    knots = make_knots(days, values, np.array([9]))
    above, _ = left_out(knots, fit(knots, weights, np.array([100.0]), inverse=True))
    rest = np.delete(np.arange(9), 4)
    curve, *_ = dense(days[rest, 0], values[rest, 0], weights[rest, 0], 100.0)
    assert_allclose(above[4, 0], values[4, 0] - curve[days[4, 0] - days[0, 0]], atol=1e-9)


def test_every_day_knows_its_neighbours():
    knots = make_knots(np.array([[3], [5], [9]]), np.zeros((3, 1)), np.array([3]))
    (line,) = daily(knots, fit(knots, np.ones((3, 1)), np.array([1e3]), inverse=True))
    assert line.since.tolist() == [0, 1, 0, 1, 2, 3, 4]
    assert line.gap.tolist() == [2, 2, 4, 4, 4, 4, 4]
