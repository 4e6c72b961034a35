"""Seasons of curves whose seasons are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldwren.season.phenology import METHODS, find_rise, find_seasons, least_rise

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


def cut_at(last, slope):
    """A crop of which the curve, after a trough in the second year, changes by this much a day."""
    days = np.arange(365 + 300 + last)
    curve = crop(days=days)
    return curve + slope * np.maximum(days - (365 + 300), 0)


@pytest.mark.parametrize("slope", [-0.0005, 0.0005])
def test_a_trough_after_which_the_curve_hardly_rises_is_not_sure(slope):
    one = seasons(cut_at(60, slope))[-1]
    assert one.cut == (False, True)
    assert one.end is not None
    assert (one.troughs[1] == one.known[1]) == (slope < 0)
    assert one.base == pytest.approx(0.2, abs=0.02)


def test_a_trough_is_sure_when_the_next_season_rises():
    assert seasons(cut_at(60, 0.005))[-1].cut == (False, False)


@pytest.mark.parametrize("back", [False, True])
def test_a_season_that_is_cut_before_its_lower_trough_has_not_ended(back):
    """Half way down a short wiggle turns the curve up: that is no trough."""
    curve = crop()[: 365 + 262]
    curve = np.concatenate([curve, curve[-1] + 0.03 * np.sin(np.arange(40) / 8)])
    one = seasons(curve[::-1] if back else curve)[0 if back else -1]
    assert one.cut == ((True, False) if back else (False, True))
    assert (one.start if back else one.end) is None
    assert (one.end if back else one.start) is not None
    assert one.base == pytest.approx(0.2, abs=0.01)


@given(
    seed=st.integers(0, 10**6),
    size=st.floats(0.001, 0.05),
    stiff=st.integers(5, 60),
    hole=st.booleans(),
    method=st.sampled_from(METHODS),
)
@settings(max_examples=150, deadline=None)
def test_a_season_rises_and_falls_by_as_much_as_it_must(seed, size, stiff, hole, method):
    rng = np.random.default_rng(seed)
    steps = np.convolve(rng.normal(0, size, 1200), np.ones(stiff) / stiff, "same")
    curve = np.cumsum(steps - steps.mean())
    if hole:
        curve[500:800] = np.nan
    last = -1
    for season in seasons(curve, method=method):
        assert season.peak_value - season.base >= least_rise(curve)
        before, after = season.troughs
        assert season.known[0] <= before < season.peak < after <= season.known[1]
        assert last <= before
        assert np.isfinite(curve[before : after + 1]).all()
        assert season.start is None or before < season.start <= season.peak
        assert season.end is None or season.peak <= season.end < after
        last = after


def snowed_in(width):
    """Three seasons, and the band of a curve that is not seen from day 300 to day 90."""
    year = DAYS % 365
    return find_seasons(crop(), np.where((year > 300) | (year < 90), 1.0, width))


def test_winters_that_are_not_seen_do_not_hide_the_summers():
    assert [s.peak // 365 for s in snowed_in(0.02)] == [0, 1, 2]


def test_summers_that_are_not_sure_themselves_are_no_seasons():
    assert snowed_in(0.5) == []


@pytest.mark.parametrize("method", METHODS)
def test_a_season_that_has_not_peaked_is_a_rise(method):
    curve = crop()[: 365 + 140]
    rise = find_rise(curve, np.full(len(curve), 0.01), method=method)
    assert len(seasons(curve)) == 1
    assert rise.amount == pytest.approx(curve[-1] - 0.2, abs=0.01)
    assert 365 < rise.start < 365 + 125
    assert rise.trough < rise.start


@pytest.mark.parametrize(
    ("curve", "width"),
    [
        (crop(), 0.01),  # it has ended
        (crop()[: 365 + 250], 0.01),  # it falls
        (crop()[: 365 + 95], 0.01),  # it has hardly begun
        (crop()[: 365 + 140], 0.5),  # it may be noise
        (0.2 + np.arange(1000) / 2000, 0.01),  # it takes years
        (np.full(5, np.nan), 0.01),
        (np.full(1, 0.5), 0.01),
    ],
)
def test_what_is_no_rise(curve, width):
    assert find_rise(curve, np.full(len(curve), width)) is None
