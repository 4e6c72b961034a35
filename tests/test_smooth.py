from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fake_results import make_observations, make_places
from fieldwren.season import smooth as module
from fieldwren.season.smooth import (
    observation_weights,
    smooth,
    smooth_place,
    smooth_places,
    whittaker,
)


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


def rmse(curve, truth):
    return float(np.sqrt(np.mean((curve - truth) ** 2)))


@given(n=st.integers(3, 40), seed=st.integers(0, 10**6), lam=st.sampled_from([1.0, 1e2, 1e4]))
@settings(max_examples=40, deadline=None)
def test_the_solver_agrees_with_a_dense_one(n, seed, lam):
    rng = np.random.default_rng(seed)
    y, w = rng.normal(size=(n, 2)), rng.random((n, 2)) * (rng.random((n, 2)) < 0.5)
    w[[0, n - 1]] = 1
    d = np.diff(np.eye(n), 2, axis=0)
    z = whittaker(y, w, lam)
    for k in range(2):
        expected = np.linalg.solve(np.diag(w[:, k]) + lam * d.T @ d, w[:, k] * y[:, k])
        assert_allclose(z[:, k], expected, atol=1e-8)


def test_a_straight_line_stays_what_it_is():
    days = np.array([0, 9, 40, 41, 200])
    _, curves = smooth(days, 0.2 + 0.001 * days, np.ones(5))
    assert_allclose(curves[:, 0], 0.2 + 0.001 * np.arange(201), atol=1e-9)


def test_a_constant_stays_constant_under_any_weights():
    _, curves = smooth(np.arange(0, 400, 16), np.full(25, 0.7), np.linspace(0.01, 1, 25))
    assert_allclose(curves, 0.7, atol=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_the_order_of_observations_does_not_matter(seed):
    days, values = observed(n=300)
    order = np.random.default_rng(seed).permutation(len(days))
    expected = smooth(days, values, np.ones(len(days)))[1]
    shuffled = smooth(days[order], values[order], np.ones(len(days)))[1]
    assert_allclose(shuffled, expected, atol=1e-9)


def test_a_repeated_observation_changes_nothing():
    days, values = observed(n=300)
    twice = np.repeat(days, 2), np.repeat(values, 2), np.ones(2 * len(days))
    assert_allclose(smooth(*twice)[1], smooth(days, values, np.ones(len(days)))[1], atol=1e-9)


def test_two_values_of_a_day_count_as_their_weighted_mean():
    day, weight = np.array([0, 10, 10, 20]), np.array([1, 3, 1, 1.0])
    one = smooth(np.array([0, 10, 20]), np.array([0, 0.3, 0]), np.array([1, 3, 1.0]), rounds=0)
    assert_allclose(smooth(day, np.array([0, 0.4, 0, 0]), weight, rounds=0)[1], one[1])


def test_values_and_weights_that_are_missing_are_left_out():
    days, values = observed(n=300)
    more_days = np.concatenate([days, [5, 6, 7]])
    more = np.concatenate([values, [np.nan, 0.1, 0.1]])
    weights = np.concatenate([np.ones(len(days)), [1, 0, np.nan]])
    expected = smooth(days, values, np.ones(len(days)))[1]
    assert_allclose(smooth(more_days, more, weights)[1], expected, atol=1e-9)


@pytest.mark.parametrize("days", [[], [3], [3, 90], [3, 3, 90, 90]])
def test_fewer_than_three_days_have_no_curve(days):
    _, curves = smooth(np.array(days, int), np.full(len(days), 0.5), np.ones(len(days)))
    assert not np.isfinite(curves).any()


def test_missed_cloud_hardly_lowers_the_curve():
    days, values = observed()
    truth = season(np.arange(3650))
    plain = smooth(days, values, np.ones(len(days)), rounds=0)[1][:, 0]
    robust = smooth(days, values, np.ones(len(days)))[1][:, 0]
    assert rmse(plain, truth) > 0.05
    assert rmse(robust, truth) < 0.022


def test_without_cloud_re_weighting_costs_little():
    days, values = observed(cloud=0)
    curve = smooth(days, values, np.ones(len(days)))[1][:, 0]
    assert rmse(curve, season(np.arange(3650))) < 0.022


def test_series_do_not_disturb_each_other(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 2)
    parts = [observed(seed, n=100 + 80 * seed) for seed in range(5)]
    days = np.concatenate([d + 13 * k for k, (d, _) in enumerate(parts)])
    values = np.concatenate([v for _, v in parts])
    series = np.repeat(np.arange(5), [len(d) for d, _ in parts])
    grid, curves = smooth(days, values, np.ones(len(days)), series=series)
    assert curves.shape == (len(grid), 5)
    for k, (own_days, own) in enumerate(parts):
        alone = smooth(own_days, own, np.ones(len(own)))[1][:, 0]
        known = np.isfinite(curves[:, k])
        assert_allclose(curves[known, k], alone, atol=1e-8)
        assert grid[known].tolist() == list(range(13 * k, 13 * k + len(alone)))


def test_a_short_series_beside_a_very_long_one_keeps_its_accuracy():
    days, values = np.array([0, 1, 2, 0, 10_000, 20_000]), np.array([0.2, 0.6, 0.3, 0.5, 0.5, 0.5])
    series = np.array([0, 0, 0, 1, 1, 1])
    curves = smooth(days, values, np.ones(6), series=series)[1]
    alone = smooth(days[:3], values[:3], np.ones(3))[1]
    assert_allclose(curves[:3, 0], alone[:, 0], atol=1e-9)


def test_a_clear_view_in_a_cloudy_scene_counts_less():
    table = pd.DataFrame(
        {"scene_cloud_cover": [0.0, 50.0, 100.0, None], "clear_fraction": [1.0, 0.8, 1.0, 0.5]}
    )
    assert_allclose(observation_weights(table), [1, 0.4, 0.05, 0.5])


def test_places_have_a_daily_curve_from_their_first_to_their_last_clear_date():
    places = make_places()
    table = make_observations(places, years=1)
    curves = smooth_places(table.sample(frac=1, random_state=1), "ndvi")
    assert set(curves["place_id"]) == {p.id for p in places}
    for place_id, curve in curves.groupby("place_id"):
        clear = table[(table["place_id"] == place_id) & (table["status"] == "ok")]["datetime"]
        assert curve["date"].iloc[0].date() == clear.min().date()
        assert curve["date"].iloc[-1].date() == clear.max().date()
        assert (curve["date"].diff().dropna() == pd.Timedelta(days=1)).all()


def test_only_clear_observations_shape_the_curve():
    table = make_observations(make_places()[1:2], years=2)
    spoiled = table.assign(ndvi=table["ndvi"].where(table["status"] == "ok", -5.0))
    pd.testing.assert_frame_equal(smooth_place(spoiled, "ndvi"), smooth_place(table, "ndvi"))
    assert list(smooth_place(table, "ndvi").columns) == ["date", "value"]


def test_a_table_without_clear_rows_has_no_curve():
    table = make_observations(make_places()[:1], years=1)
    assert smooth_places(table[table["status"] != "ok"], "ndvi").empty


def test_a_real_landsat_series_of_thirty_years_is_followed(shared_data):
    path = shared_data / "landsat_stack" / "p035r032_centre_pixel.derived.csv"
    real = pd.read_csv(path, parse_dates=["date"]).dropna(subset="ndvi_if_clear")
    days = real["date"].to_numpy("datetime64[D]").astype(np.int64)
    values = real["ndvi_if_clear"].to_numpy()
    grid, curves = smooth(days, values, np.ones(len(real)))
    assert np.median(np.abs(curves[days - grid[0], 0] - values)) < 0.05
    month = grid.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12
    assert curves[month == 6].mean() > curves[month == 3].mean() + 0.1


def test_two_real_crops_a_year_are_followed_with_a_smaller_lambda(shared_data):
    path = shared_data / "timeseries" / "dtwSat" / "ts_MODIS13Q1.csv"
    real = pd.read_csv(path, parse_dates=["date"])
    days = real["date"].to_numpy("datetime64[D]").astype(np.int64)
    grid, curves = smooth(days, real["ndvi"].to_numpy(), np.ones(len(real)), lam=1e3)
    assert np.corrcoef(curves[days - grid[0], 0], real["ndvi"])[0, 1] > 0.9
