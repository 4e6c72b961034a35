"""Which values drop and recover, and which changes are real."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_results import make_observations, make_places
from fieldwren.season.outliers import find_drops
from fieldwren.season.rows import mark_outliers

DAYS = np.arange(0, 1460, 8)


def season(days):
    return 0.5 + 0.25 * np.sin(2 * np.pi * days / 365.25)


def noisy(values, seed=0):
    return values + np.random.default_rng(seed).normal(0, 0.015, len(values))


def found(values, days=DAYS):
    drops = find_drops(days, values, np.ones(len(days)), np.zeros(len(days), np.int64))
    return drops.at.tolist()


def test_values_that_drop_and_recover_are_found():
    values = noisy(season(DAYS))
    at = [20, 51, 90, 91, 140]
    values[at] -= 0.25
    assert found(values) == at


def test_of_two_values_of_a_day_the_low_one_is_found():
    days, values = np.append(DAYS, DAYS[50]), noisy(season(DAYS))
    assert found(np.append(values, values[50] - 0.3), days) == [len(DAYS)]


@pytest.mark.parametrize("fall", [0.2, 0.4])
def test_a_fire_is_no_outlier(fall):
    values = noisy(season(DAYS))
    values[100:] -= fall
    assert found(values) == []


@pytest.mark.parametrize("regrowth", [30, 60])
def test_a_harvest_that_grows_back_is_no_outlier(regrowth):
    since = DAYS - DAYS[90]
    cut = np.where(since >= 0, 0.4 * np.exp(-np.maximum(since, 0) / regrowth), 0.0)
    assert found(noisy(np.full(len(DAYS), 0.75) - cut)) == []


def test_the_trough_between_two_crops_is_no_outlier():
    year = DAYS % 365
    values = 0.25 + 0.5 * np.exp(-(((year - 100) / 35) ** 2))
    assert found(noisy(values + 0.45 * np.exp(-(((year - 240) / 30) ** 2)))) == []


@pytest.mark.parametrize(("after", "outlier"), [(8, True), (16, True), (48, False)])
def test_a_shallow_low_between_distant_neighbours_is_believed(after, outlier):
    """A field may fade and green again by 0.15 within two months, but not within weeks."""
    values = noisy(np.full(len(DAYS), 0.6))
    values[90] -= 0.15
    since = DAYS - DAYS[90]
    seen = (since <= 0) | (since >= after)
    assert found(values[seen], DAYS[seen]) == ([90] if outlier else [])


def test_what_rises_and_what_is_noise_is_no_outlier():
    values = noisy(season(DAYS))
    values[60] += 0.4
    values[80] -= 0.06
    assert found(values) == []


def test_the_first_and_the_last_value_are_none():
    values = noisy(season(DAYS))
    values[[0, -1]] -= 0.4
    assert found(values) == []


def table(seed=3):
    rows = make_observations(make_places()[1:3], years=4, seed=seed)
    return rows[rows["status"].isin(["ok", "outlier", "cloud"])].reset_index(drop=True)


def test_marking_keeps_the_value_and_says_why():
    rows = table()
    clear = rows[rows["status"] == "ok"].index
    at = clear[40]
    rows.loc[at, "ndvi"] -= 0.4
    marked = mark_outliers(rows, "ndvi")
    assert marked.loc[at, "status"] == "outlier"
    assert marked["ndvi"].equals(rows["ndvi"])
    assert "below the curve through the other dates, and recovers: " in marked.loc[at, "reason"]
    assert f"{rows.loc[at, 'ndvi']:.2f} lies 0." in marked.loc[at, "reason"]


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_marking_twice_is_marking_once(seed):
    once = mark_outliers(table(seed), "ndvi")
    assert mark_outliers(once, "ndvi").equals(once)


def test_outliers_that_are_not_wanted_are_clear_again():
    rows = mark_outliers(table(), "ndvi", wanted=False)
    assert not rows["status"].eq("outlier").any()
    assert rows.loc[rows["status"] == "ok", "reason"].isna().all()
