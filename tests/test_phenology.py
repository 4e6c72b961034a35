"""Seasons of curves whose seasons are known."""

from __future__ import annotations

import numpy as np
import pytest

from fieldwren.season.phenology import find_seasons

DAYS = np.arange(3 * 365)


def crop(rise=120, fall=260, low=0.2, high=0.8, days=DAYS):
    """A logistic rise and fall a year, half way up on these days."""
    year = days % 365
    up, down = 1 / (1 + np.exp(-(year - rise) / 10)), 1 / (1 + np.exp(-(year - fall) / 10))
    return low + (high - low) * (up - down)


def seasons(curve, width=0.01, **options):
    return find_seasons(curve, np.full(len(curve), width), **options)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_thresholds_are_crossed_where_the_formula_says(share):
    found = seasons(crop(), threshold=share)
    off = 10 * np.log(1 / share - 1)  # of a logistic curve from its middle
    assert len(found) == 3
    for year, season in enumerate(found):
        assert abs(season.start - 365 * year - (120 - off)) <= 1.5
        assert abs(season.end - 365 * year - (260 + off)) <= 1.5
        assert abs(season.peak - 365 * year - 190) <= 1
        assert season.base == pytest.approx(0.2, abs=0.01)
        assert season.peak_value == pytest.approx(0.8, abs=0.01)
        whole = (crop() - season.base)[season.start : season.end + 1].sum()
        assert season.integral == pytest.approx(whole, rel=1e-6)


def test_derivatives_are_greatest_half_way():
    for year, season in enumerate(seasons(crop(), method="derivative")):
        assert abs(season.start - 365 * year - 120) <= 1
        assert abs(season.end - 365 * year - 260) <= 1


def test_a_season_may_cross_new_year():
    found = seasons(crop(days=DAYS + 130))
    assert [s.start is not None and s.end is not None for s in found] == [False, True, True]
    assert abs(found[1].start - (365 + 120 - 14 - 130)) <= 2


def test_two_seasons_a_year():
    year = DAYS % 365
    curve = (
        0.2 + 0.5 * np.exp(-(((year - 90) / 30) ** 2)) + 0.4 * np.exp(-(((year - 250) / 30) ** 2))
    )
    assert [s.peak % 365 for s in seasons(curve)] == [90, 250] * 3


def test_a_dip_within_a_season_does_not_part_it():
    year = DAYS % 365
    assert len(seasons(crop() - 0.07 * np.exp(-(((year - 190) / 15) ** 2)))) == 3


@pytest.mark.parametrize("curve", [np.full(900, 0.7), 0.7 + 0.03 * np.sin(DAYS / 58), DAYS / 2000])
def test_evergreen_and_steady_places_have_no_season(curve):
    assert seasons(curve) == []


def test_what_the_band_doubts_is_no_season():
    curve = 0.5 + 0.1 * np.sin(2 * np.pi * DAYS / 365)
    assert len(seasons(curve)) >= 2
    assert seasons(curve, width=0.2) == []


def test_years_that_differ_are_no_season():
    assert seasons(0.5 + 0.2 * np.sin(2 * np.pi * np.arange(2000) / 1500 - 1.5)) == []


def test_the_end_of_the_record_cuts_a_season():
    found = seasons(crop()[: 365 + 250])
    assert found[-1].end is None
    assert found[-1].integral is None
    assert found[-1].start is not None


def test_the_beginning_of_the_record_cuts_a_season():
    found = seasons(crop()[130:])
    assert found[0].start is None
    assert found[0].end is not None


def test_unknown_years_divide_the_curve():
    curve = crop(days=np.arange(5 * 365))
    curve[365 + 30 : 3 * 365 - 30] = np.nan
    found = seasons(curve)
    assert [s.peak // 365 for s in found] == [0, 3, 4]
    assert find_seasons(np.full(10, np.nan), np.zeros(10)) == []
