"""Dates of people, and what a catalog's extent rules out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldwren.archive.query import Query, interval, outside
from fieldwren.errors import OptionError

NAPA = (-122.5, 38.2, -122.2, 38.6)
MICROSECOND = timedelta(microseconds=1)


def query(*boxes, since=None, until=None):
    start, end = interval(since, until)
    return Query(boxes=boxes or (NAPA,), start=start, end=end, collections=())


@settings(deadline=None)
@given(st.dates(min_value=date(1000, 1, 1), max_value=date(9998, 12, 31)))
def test_a_year_month_or_day_means_from_its_beginning_to_its_end(day):
    next_day = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    next_month = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    next_year = datetime(day.year + 1, 1, 1, tzinfo=UTC)
    for text, end in [
        (f"{day:%Y-%m-%d}", next_day),
        (f"{day:%Y-%m}", next_month),
        (f"{day:%Y}", next_year),
        (day, next_day),
    ]:
        first, last = interval(text, text)
        assert first <= datetime(day.year, day.month, day.day, tzinfo=UTC) <= last
        assert last == end - MICROSECOND


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_moments_are_kept_and_must_be_in_order(a, b):
    if a <= b:
        assert interval(a, b) == (a, b) == interval(a.isoformat(), b.replace(tzinfo=None))
    else:
        with pytest.raises(OptionError, match="before"):
            interval(a, b)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_date_or_an_option_error(text):
    try:
        start, _ = interval(text, None)
    except OptionError:
        return
    assert start.tzinfo is UTC


@pytest.mark.parametrize(
    "bad", ["2013-13", "2013-02-30", "0000", "20130411", "2013-W05", "٢٠١٣", 7]
)
def test_what_only_looks_like_a_date_is_refused(bad):
    with pytest.raises(OptionError, match="is no date"):
        interval(None, bad)


def test_open_ends_stay_open():
    assert interval(None, None) == (None, None)
    assert query().rfc3339 is None
    assert query(since="2013").rfc3339 == "2013-01-01T00:00:00Z/.."
    assert query(until="2013-04").rfc3339 == "../2013-04-30T23:59:59.999999Z"


def test_a_bbox_across_the_antimeridian_meets_places_on_both_sides():
    fiji_west, fiji_east = (179.0, -18.0, 179.5, -17.0), (-179.9, -18.0, -179.5, -17.0)
    crossing = [178.0, -19.0, -179.0, -16.0]
    assert query(fiji_west).meets(crossing)
    assert query(fiji_east).meets(crossing)
    assert not query(NAPA).meets(crossing)
    assert query(NAPA).meets([-123, 38, 0, -122, 39, 900])


def test_an_extent_rules_out_other_places_and_other_times():
    def extent(bbox, span):
        return {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [span]}}

    here, now = [-123, 38, -122, 39], ["2013-01-01T00:00:00Z", None]
    wanted = query(since="2015", until="2016")
    assert not outside(extent(here, now), wanted)
    assert outside(extent([0, 0, 1, 1], now), wanted)
    assert outside(extent(here, ["2001-01-01T00:00:00Z", "2014-12-31T00:00:00Z"]), wanted)
    assert outside(extent(here, ["2017-01-01T00:00:00Z", None]), wanted)


@pytest.mark.parametrize(
    "extent", [None, {}, [], {"spatial": {"bbox": [["a"]]}, "temporal": {"interval": [[1]]}}]
)
def test_an_extent_that_cannot_be_read_rules_out_nothing(extent):
    assert not outside(extent, query())
