from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_results import RECEIPT
from fieldwren.present import style
from fieldwren.present.facts import Facts
from fieldwren.present.style import Scale, clean_name, date_ticks, days, value_range

NDVI = Scale(low=-0.2, high=1.0)


def luminance(colour):
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_colours_only_get_darker_so_that_they_can_be_told_apart_in_grey():
    greys = [luminance(NDVI.colour(v)) for v in np.linspace(-0.2, 1, 100)]
    assert (np.diff(greys[15:]) <= 0.5).all()
    assert greys[0] > greys[50] > greys[-1]


def test_beyond_its_ends_a_scale_has_the_colour_of_the_end():
    assert NDVI.colour(-9) == style.STOPS[0][1]
    assert NDVI.colour(9) == style.STOPS[-1][1]


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_a_number_has_the_colour_of_absence(value):
    assert NDVI.colour(value) == style.ABSENT


@given(st.floats(-1, 2))
def test_ink_can_be_read_on_its_colour(value):
    contrast = abs(luminance(NDVI.colour(value)) - luminance(NDVI.ink(value)))
    assert contrast > 100


def test_a_range_is_never_empty():
    assert value_range("cig", [3.0, 3.0]).low < 3 < value_range("cig", [3.0]).high
    assert value_range("cig", []) == NDVI
    assert value_range("ndvi", [math.nan, 0.3]) == NDVI


@given(st.text(max_size=200))
def test_a_name_is_one_printable_line_of_limited_length(text):
    name = clean_name(text, 40)
    assert len(name) <= 40
    assert name.isprintable()


@given(first=st.integers(-5000, 25_000), span=st.integers(1, 20_000))
def test_a_plot_has_a_few_dates_within_it(first, span):
    ticks = date_ticks(first, first + span)
    assert 1 <= len(ticks) <= 12
    assert all(first <= day <= first + span for day, _ in ticks)
    assert len({day for day, _ in ticks}) == len(ticks)


def test_years_stand_on_their_first_day():
    first, last = days(pd.Series(pd.to_datetime(["2013-06-01", "2018-11-30"])))
    ticks = date_ticks(int(first), int(last))
    assert [label for _, label in ticks] == ["2014", "2015", "2016", "2017", "2018"]
    assert ticks[0][0] == np.datetime64("2014-01-01").astype(int)


def test_a_year_is_said_of_the_days_of_a_short_record_and_where_it_changes():
    first = int(np.datetime64("2017-12-28").astype(int))
    labels = [label for _, label in date_ticks(first, first + 8)]
    assert labels[0] == "28 Dec 2017"
    assert [label for label in labels[1:] if "20" in label[-4:]] == ["1 Jan 2018"]


def test_facts_come_from_a_receipt_and_a_bare_one_is_enough():
    facts = Facts.of(RECEIPT)
    assert (facts.archive, facts.simulated, facts.since) == ("demo", True, "2013-06-01")
    assert facts.seconds == pytest.approx(4.2)
    assert "cloud edge" in facts.mask
    assert Facts.of({}) == Facts()


def test_real_data_name_their_source():
    archive = {"name": "earth-search", "collections": ["sentinel-2-c1-l2a"]}
    assert "Copernicus" in Facts.of({"archive": archive}).attribution
