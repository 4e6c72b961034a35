"""The other smoothers."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.interpolate import UnivariateSpline

from fieldwren.errors import MissingExtraError, OptionError
from fieldwren.season.methods import SMOOTHERS, smooth_by
from fieldwren.season.smooth import Series

OTHERS = SMOOTHERS[1:]


def season(days):
    return 0.5 + 0.25 * np.sin(2 * np.pi * days / 365.25)


def observed(noise=0.01, cloud=0.0, n=1500, seed=0):
    rng = np.random.default_rng(seed)
    days = np.flatnonzero(rng.random(n) < 0.1)
    lowered = rng.random(len(days)) < cloud
    values = season(days) + rng.normal(0, noise, len(days))
    return days, values - np.where(lowered, rng.uniform(0.1, 0.4, len(days)), 0)


def rmse(line):
    return float(np.sqrt(np.mean((line.smooth - season(line.day)) ** 2)))


@pytest.mark.parametrize("name", SMOOTHERS)
def test_a_clean_series_is_followed(name):
    days, values = observed()
    line = smooth_by(name, Series.of(days, values, np.ones(len(days))))
    assert line.day.tolist() == list(range(days[0], days[-1] + 1))
    assert rmse(line) < (0.05 if name == "workshop" else 0.02)


@pytest.mark.parametrize(("name", "most"), [("savgol", 0.06), ("harmonic", 0.015)])
def test_missed_cloud_hardly_lowers_the_robust_ones(name, most):
    days, values = observed(cloud=0.15)
    assert rmse(smooth_by(name, Series.of(days, values, np.ones(len(days))))) < most


def test_the_workshops_spline_is_scipys():
    days, values = observed()
    cloud = np.random.default_rng(1).uniform(0, 0.9, len(days))
    line = smooth_by("workshop", Series.of(days, values, (1 - cloud) ** 2))
    expected = UnivariateSpline(days, values, w=(1 - cloud) ** 2, k=2, s=0.1)
    assert_allclose(line.smooth, expected(line.day))
    assert np.isnan(line.low).all()


def test_the_band_of_the_harmonic_holds_the_truth():
    days, values = observed(noise=0.03)
    line = smooth_by("harmonic", Series.of(days, values, np.ones(len(days))))
    truth = season(line.day)
    assert np.mean((line.low <= truth) & (truth <= line.high)) > 0.88


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_short_and_constant_series_are_no_trouble(name, count):
    days = np.arange(count) * 7
    line = smooth_by(name, Series.of(days, np.full(count, 0.4), np.ones(count)))
    assert_allclose(line.smooth, np.full(days[-1] + 1 if count > 2 else 0, 0.4), atol=1e-6)


@pytest.mark.parametrize("name", OTHERS)
def test_a_year_without_observations_is_left_open(name):
    days, values = observed(n=400)
    twice = np.concatenate([days, days + 900])
    line = smooth_by(name, Series.of(twice, np.tile(values, 2), np.ones(len(twice))))
    within = (line.day > days[-1]) & (line.day < days[0] + 900)
    assert np.isnan(line.smooth[within]).all()
    assert np.isfinite(line.smooth[~within]).all()
    assert line.gap[within].all()


@pytest.mark.parametrize("name", OTHERS)
def test_series_do_not_disturb_each_other(name):
    parts = [observed(seed=seed, n=300 + 100 * seed) for seed in range(3)]
    days, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    series = np.repeat(np.arange(3), [len(d) for d, _ in parts])
    line = smooth_by(name, Series.of(days, values, np.ones(len(days)), series))
    for k, (own_days, own) in enumerate(parts):
        alone = smooth_by(name, Series.of(own_days, own, np.ones(len(own))))
        assert_allclose(line.smooth[line.series == k], alone.smooth)


def test_an_unknown_smoother_is_refused():
    with pytest.raises(OptionError, match="choose one of whittaker, savgol"):
        smooth_by("loess", Series.of(*(np.ones(3),) * 3))


@pytest.mark.parametrize("name", ["savgol", "workshop"])
def test_without_scipy_it_is_said(name, monkeypatch):
    real = builtins.__import__

    def missing(module, *rest):
        if module.startswith("scipy"):
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    days, values = observed(n=300)
    with pytest.raises(MissingExtraError, match="methods"):
        smooth_by(name, Series.of(days, values, np.ones(len(days))))
