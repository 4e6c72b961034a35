"""Climatologies, anomalies and passes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fieldwren.season.adequacy import adequacy_table
from fieldwren.season.anomaly import DEKADS, LEAST_SCALE, dekad_means, find_anomalies


def test_dekads_begin_on_the_first_the_eleventh_and_the_twenty_first():
    date = pd.date_range("2015-01-01", "2016-12-31").to_numpy("datetime64[D]")
    day = date.astype(np.int64)
    value = (pd.DatetimeIndex(date).day - 1) // 10 + 10.0 * pd.DatetimeIndex(date).month
    first, means = dekad_means(np.zeros(len(day), np.int64), day, value.to_numpy(float), 1)
    assert first == 2015
    assert means.shape == (1, 2, DEKADS)
    assert means[0, 1, :2].tolist() == [10, 11]
    assert means[0, 0, 2] == pytest.approx((12 * 10 + 13) / 11)  # the 31st belongs to the third


def test_a_dekad_needs_five_days():
    day = np.arange(16436, 16436 + 4)  # 2015-01-01 and on
    _, means = dekad_means(np.zeros(4, np.int64), day, np.ones(4), 1)
    assert np.isnan(means).all()


def compared(table, year, dekad):
    """The values of the other years, by the definition, one by one; table: (year, dekad) -> value.

    A year without one takes what a dekad beside it has, moved by the mean step between the two.
    """
    table = {key: value for key, value in table.items() if key[0] != year}
    years = sorted({y for y, _ in table})

    def at(y, d):  # the last dekad of a year is beside the first of the next
        return table.get((y + d // DEKADS, d % DEKADS))

    values = []
    for other in years:
        said = [at(other, dekad)]
        if said[0] is None:
            said = []
            for beside in (dekad - 1, dekad + 1):
                pairs = [(at(y, dekad), at(y, beside)) for y in years]
                steps = [here - there for here, there in pairs if None not in (here, there)]
                if at(other, beside) is not None and steps:
                    said.append(at(other, beside) + sum(steps) / len(steps))
        if said:
            values.append(sum(said) / len(said))
    return values


@given(seed=st.integers(0, 10**6), years=st.integers(1, 12), missing=st.sampled_from([0.3, 0.7]))
@settings(max_examples=40, deadline=None)
def test_anomalies_agree_with_their_definition(seed, years, missing):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.2, 0.8, (2, years, DEKADS))
    values[rng.random(values.shape) < missing] = np.nan
    found = find_anomalies(values)
    for place, year, dekad in rng.integers(0, values.shape, (30, 3)):
        value = values[place, year, dekad]
        known = {k: v for k, v in np.ndenumerate(values[place]) if np.isfinite(v)}
        others = np.array(compared(known, year, dekad))
        cell = (place, year, dekad)
        assert found.years[cell] == len(others)
        if len(others) < 3:
            assert np.isnan([found.expected[cell], found.z[cell], found.vci[cell]]).all()
            continue
        assert found.expected[cell] == pytest.approx(np.median(others))
        if np.isnan(value):
            assert np.isnan([found.z[cell], found.percentile[cell], found.vci[cell]]).all()
            continue
        assert found.percentile[cell] == pytest.approx(100 * np.mean(others < value))
        vci = 100 * (value - others.min()) / (others.max() - others.min())
        assert found.vci[cell] == pytest.approx(np.clip(vci, 0, 100))
        assert np.sign(found.z[cell]) == np.sign(value - np.median(others))


def test_a_missing_dekad_is_compared_along_the_course_of_the_year():
    course = 0.1 + 0.02 * np.arange(DEKADS)  # a rise that a neighbour alone would miss
    values = course + 0.05 * np.arange(5)[:, None]
    values[1, 12] = values[4, 12] = np.nan
    values[3, 20:23] = np.nan
    found = find_anomalies(values[None])
    assert found.years[0, 0, 12] == 4
    assert found.expected[0, 0, 12] == pytest.approx(course[12] + 0.125)
    assert found.years[0, 0, [20, 21, 22]].tolist() == [4, 3, 4]  # none is beside the middle one


def test_cloudy_years_are_compared_about_as_well_as_clear_ones():
    rng = np.random.default_rng(3)
    course = 0.5 + 0.3 * np.sin(2 * np.pi * np.arange(DEKADS) / DEKADS)
    drift = rng.normal(0, 0.04, (200, 8, 1)) + rng.normal(0, 0.01, (200, 8, DEKADS))
    clear = course + drift
    cloudy = np.where(rng.random(clear.shape) < 0.6, np.nan, clear)
    whole, part = find_anomalies(clear).z, find_anomalies(cloudy).z
    both = np.isfinite(part)
    assert both.sum() > 0.8 * np.isfinite(cloudy).sum()  # of which 58 % have three years alone
    assert np.corrcoef(whole[both], part[both])[0, 1] > 0.85
    assert part[both].std() == pytest.approx(whole.std(), rel=0.15)


def test_a_year_that_is_two_deviations_low_is_about_minus_two():
    rng = np.random.default_rng(0)
    values = 0.5 + rng.normal(0, 0.05, (200, 12, DEKADS))
    values[:, 5, 10] = 0.4
    assert np.median(find_anomalies(values).z[:, 5, 10]) == pytest.approx(-2, abs=0.15)


def test_years_that_agree_by_chance_have_a_least_scale():
    values = np.full((1, 5, DEKADS), 0.5)
    values[0, 2, 7] = 0.4
    found = find_anomalies(values)
    assert_allclose(found.z[0, 2, 7], -0.1 / LEAST_SCALE)
    assert np.isnan(found.vci[0, 2, 7])  # all other years are equal


def passes(dates, platform="landsat-8", status="ok", place="a"):
    return pd.DataFrame(
        {"place_id": place, "platform": platform, "status": status, "datetime": dates}
    )


def days(first, step, count, hour="10:30"):
    return pd.date_range(f"{first} {hour}", periods=count, freq=f"{step}D", tz="UTC")


def test_passes_are_expected_from_the_repeat_cycle():
    rows = passes(days("2016-01-01", 16, 23))
    rows.loc[[3, 4], "status"] = "cloud"
    table = adequacy_table(rows.drop(index=[6, 7]))
    assert table["month"].dt.strftime("%Y-%m").tolist() == [f"2016-{m:02}" for m in range(1, 13)]
    by_month = rows["datetime"].dt.month.value_counts().sort_index()
    assert table["expected"].tolist() == by_month.tolist()
    assert table["passes"].sum() == 21
    assert table["clear"].sum() == 19
    assert table["passes"][3] == 0  # April: 6 and 22


def test_two_orbits_and_two_satellites_add_up():
    rows = pd.concat(
        [
            passes(days("2016-01-01", 16, 12)),
            passes(days("2016-01-08", 16, 12)),
            passes(days("2016-01-03", 10, 18), "sentinel-2a"),
        ],
        ignore_index=True,
    )
    table = adequacy_table(rows)
    assert table["expected"].tolist() == table["passes"].tolist()
    assert table["passes"].sum() == 42


def test_neighbouring_scenes_and_duplicates_are_one_pass_and_fill_is_none():
    one = days("2016-01-01", 16, 6)
    rows = pd.concat(
        [
            passes(one),
            passes(one + pd.Timedelta("24s"), status="cloud"),
            passes(one, status="duplicate"),
            passes(days("2016-01-05", 16, 6), status="fill"),
        ],
        ignore_index=True,
    )
    table = adequacy_table(rows)
    assert table["passes"].sum() == table["clear"].sum() == table["expected"].sum() == 6


def test_passes_at_midnight_stay_on_their_day():
    dates = days("2016-01-01", 16, 20, "23:59:50") + pd.to_timedelta(np.arange(20) % 3 * 10, "s")
    table = adequacy_table(passes(dates))
    assert table["expected"].sum() == table["passes"].sum() == 20


def test_of_an_unknown_satellite_nothing_is_expected():
    table = adequacy_table(passes(days("2016-01-01", 8, 6), "elsewhere-1"))
    assert table["expected"].isna().all()
    assert table["passes"].sum() == 6


def test_no_rows_give_an_empty_table():
    table = adequacy_table(passes(days("2016-01-01", 16, 0)))
    assert list(table.columns) == ["place_id", "month", "expected", "passes", "clear"]
    assert table.empty
