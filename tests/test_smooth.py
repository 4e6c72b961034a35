"""Robust curves of many series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fieldwren.season import smooth as module
from fieldwren.season.smooth import BRIDGED, LAMBDA, LAMBDAS, LONGEST, Series, smooth


def season(days):
    return 0.5 + 0.25 * np.sin(2 * np.pi * days / 365.25)


def observed(seed=0, *, n=3650, share=0.1, noise=0.03, cloud=0.15):
    """Days, values and the truth on every day; some values lowered by missed cloud."""
    rng = np.random.default_rng(seed)
    days = np.flatnonzero(rng.random(n) < share)
    days[[0, -1]] = 0, n - 1
    values = season(days) + rng.normal(0, noise, len(days))
    lowered = rng.random(len(days)) < cloud
    return days, np.where(lowered, values - rng.uniform(0.1, 0.5, len(days)), values)


def curve(days, values, weights=None, *, series=None, lam=None):
    """The curve of one series."""
    weights = np.ones(len(days)) if weights is None else weights
    return smooth(Series.of(days, values, weights, series), lam=lam)


def rmse(line, truth):
    return float(np.sqrt(np.mean((line - truth) ** 2)))


def test_a_straight_line_stays_what_it_is():
    days = np.array([0, 9, 40, 41, 200])
    line = curve(days, 0.2 + 0.001 * days)
    assert_allclose(line.smooth, 0.2 + 0.001 * np.arange(201), atol=1e-9)
    assert_allclose(line.high - line.low, 0, atol=1e-9)


@given(value=st.floats(-1, 1), seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_constant_stays_constant_under_any_weights(value, seed):
    weights = np.random.default_rng(seed).uniform(0.01, 1, 25)
    assert_allclose(
        curve(np.arange(0, 400, 16), np.full(25, value), weights).smooth, value, atol=1e-12
    )


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_the_order_of_observations_does_not_matter(seed):
    days, values = observed(n=300)
    order = np.random.default_rng(seed).permutation(len(days))
    assert_allclose(curve(days[order], values[order]).smooth, curve(days, values).smooth, rtol=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_a_repeated_observation_changes_nothing(seed):
    days, values = observed(n=300)
    again = np.random.default_rng(seed).integers(0, len(days), 20)
    more = np.append(days, days[again]), np.append(values, values[again])
    assert_allclose(curve(*more).smooth, curve(days, values).smooth, rtol=1e-9)


def test_two_values_of_a_day_count_as_their_weighted_mean():
    day, weight = np.array([0, 10, 10, 20]), np.array([1, 3, 1, 1.0])
    one = curve(np.array([0, 10, 20]), np.array([0, 0.3, 0]), np.array([1, 3, 1.0]), lam=1e3)
    assert_allclose(curve(day, np.array([0, 0.4, 0, 0]), weight, lam=1e3).smooth, one.smooth)


def test_values_and_weights_that_are_missing_are_left_out():
    days, values = observed(n=300)
    more_days = np.concatenate([days, [5, 6, 7]])
    more = np.concatenate([values, [np.nan, 0.1, 0.1]])
    weights = np.concatenate([np.ones(len(days)), [1, 0, np.nan]])
    assert_allclose(curve(more_days, more, weights).smooth, curve(days, values).smooth)


@pytest.mark.parametrize("days", [[], [3], [3, 90], [3, 3, 90, 90]])
def test_fewer_than_three_days_have_no_curve(days):
    line = curve(np.array(days, int), np.full(len(days), 0.5))
    assert not len(line.smooth)
    assert np.isnan(line.lam).all()


def test_missed_cloud_hardly_lowers_the_curve():
    days, values = observed()
    line = curve(days, values)
    assert rmse(np.interp(np.arange(3650), days, values), season(np.arange(3650))) > 0.08
    assert rmse(line.smooth, season(np.arange(3650))) < 0.018


def test_without_cloud_re_weighting_costs_little():
    days, values = observed(cloud=0)
    assert rmse(curve(days, values).smooth, season(np.arange(3650))) < 0.016


@pytest.mark.parametrize("cloud", [0, 0.15])
@pytest.mark.parametrize("share", [0.04, 0.1])
@pytest.mark.parametrize("noise", [0.015, 0.03])
def test_the_chosen_lambda_is_better_than_the_fixed_one(cloud, share, noise):
    parts = [observed(seed, share=share, cloud=cloud, noise=noise) for seed in range(20)]
    days, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    series = np.repeat(np.arange(20), [len(d) for d, _ in parts])
    errors = [
        rmse(line.smooth, season(line.day))
        for line in (curve(days, values, series=series, lam=lam) for lam in (None, LAMBDA))
    ]
    assert errors[0] <= errors[1]


@pytest.mark.parametrize("cloud", [0, 0.15])
@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_the_band_holds_the_truth_as_often_as_it_says(cloud, noise):
    parts = [observed(seed, cloud=cloud, noise=noise) for seed in range(20)]
    days, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    line = curve(days, values, series=np.repeat(np.arange(20), [len(d) for d, _ in parts]))
    truth = season(line.day)
    assert 0.93 <= np.mean((line.low <= truth) & (truth <= line.high)) <= 0.99


def test_lambda_follows_the_series():
    quick, slow = (
        0.5 + 0.2 * np.sin(2 * np.pi * np.arange(0, 2000, 8) / period) for period in (90, 2000)
    )
    noise = np.random.default_rng(0).normal(0, 0.02, len(quick))
    lams = [curve(np.arange(0, 2000, 8), part + noise).lam[0] for part in (quick, slow)]
    assert lams[0] < lams[1]
    assert set(lams) <= set(LAMBDAS)


def test_series_do_not_disturb_each_other(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 2)
    parts = [observed(seed, n=100 + 80 * seed) for seed in range(5)]
    days = np.concatenate([d + 13 * k for k, (d, _) in enumerate(parts)])
    values = np.concatenate([v for _, v in parts])
    series = np.repeat(np.arange(5), [len(d) for d, _ in parts])
    line = curve(days, values, series=series)
    for k, (own_days, own) in enumerate(parts):
        alone, mine = curve(own_days, own), line.series == k
        assert_allclose(line.smooth[mine], alone.smooth, rtol=1e-9)
        assert_allclose(line.low[mine], alone.low, rtol=1e-7)
        assert (line.day[mine] == alone.day + 13 * k).all()


def test_a_short_series_beside_a_very_long_one_keeps_its_accuracy():
    days, values = np.array([0, 1, 2, 0, 10_000, 20_000]), np.array([0.2, 0.6, 0.3, 0.5, 0.5, 0.5])
    line = curve(days, values, series=np.array([0, 0, 0, 1, 1, 1]))
    assert_allclose(line.smooth[:3], curve(days[:3], values[:3]).smooth, atol=1e-9)


def test_a_gap_is_bridged_and_marked():
    days = np.concatenate([np.arange(0, 200, 8), np.arange(300, 500, 8)])
    line = curve(days, season(days))
    assert np.flatnonzero(line.gap).tolist() == list(range(192 + BRIDGED + 1, 300 - BRIDGED))
    assert np.isfinite(line.smooth).all()
    assert rmse(line.smooth, season(np.arange(len(line.smooth)))) < 0.05
    width = line.high - line.low
    assert width[246] > 5 * width[100]


@given(hole=st.integers(LONGEST - 20, 900), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_a_long_gap_divides_the_curve_from_observation_to_observation(hole, seed):
    days, values = observed(seed, n=400)
    line = curve(np.concatenate([days, days + 399 + hole]), np.concatenate([values, values]))
    within = np.zeros(len(line.day), bool)
    within[400 : 399 + hole] = hole > LONGEST
    for column in (line.smooth, line.low, line.high):
        assert (np.isnan(column) == within).all()
    assert line.gap[within].all()


def test_a_real_landsat_series_of_thirty_years_is_followed(shared_data):
    path = shared_data / "landsat_stack" / "p035r032_centre_pixel.derived.csv"
    real = pd.read_csv(path, parse_dates=["date"]).dropna(subset="ndvi_if_clear")
    days = real["date"].to_numpy("datetime64[D]").astype(np.int64)
    values = real["ndvi_if_clear"].to_numpy()
    line = curve(days, values)
    assert np.median(np.abs(line.smooth[days - line.day[0]] - values)) < 0.05
    month = line.day.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12
    assert np.nanmean(line.smooth[month == 6]) > np.nanmean(line.smooth[month == 3]) + 0.1


def test_two_real_crops_a_year_are_followed(shared_data):
    path = shared_data / "timeseries" / "dtwSat" / "ts_MODIS13Q1.csv"
    real = pd.read_csv(path, parse_dates=["date"])
    days = real["date"].to_numpy("datetime64[D]").astype(np.int64)
    line = curve(days, real["ndvi"].to_numpy())
    assert np.corrcoef(line.smooth[days - line.day[0]], real["ndvi"])[0, 1] > 0.9
