"""From rows to tables."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fake_results import make_observations, make_places
from fieldwren.season.analysis import SeasonOptions, analyse
from fieldwren.season.methods import SMOOTHERS
from fieldwren.season.phenology import METHODS
from fieldwren.season.rows import observation_weights
from fieldwren.season.strays import GREATEST

DAY = pd.Timedelta(days=1)


def test_a_clear_view_in_a_cloudy_scene_counts_less():
    table = pd.DataFrame(
        {"scene_cloud_cover": [0.0, 50.0, 100.0, None], "clear_fraction": [1.0, 0.8, 1.0, 0.5]}
    )
    assert_allclose(observation_weights(table), [1, 0.4, 0.05, 0.5])


def test_places_have_a_daily_curve_from_their_first_to_their_last_clear_date():
    places = make_places()
    table = make_observations(places, years=1)
    series = analyse(table.sample(frac=1, random_state=1), "ndvi").series
    assert list(series.columns) == ["place_id", "date", "smooth", "low", "high", "gap"]
    assert set(series["place_id"]) == {p.id for p in places}
    for place_id, curve in series.groupby("place_id"):
        clear = table[(table["place_id"] == place_id) & (table["status"] == "ok")]["datetime"]
        assert curve["date"].iloc[0].date() == clear.min().date()
        assert curve["date"].iloc[-1].date() == clear.max().date()
        assert (curve["date"].diff().dropna() == pd.Timedelta(days=1)).all()


def test_only_clear_observations_shape_the_curve():
    table = make_observations(make_places()[1:2], years=2)
    used = table["status"].isin(["ok", "outlier"])  # which is found anew
    spoiled = table.assign(ndvi=table["ndvi"].where(used, -5.0))
    pd.testing.assert_frame_equal(analyse(spoiled, "ndvi").series, analyse(table, "ndvi").series)


def one_place(values, step=16):
    """Clear rows of one place with these values."""
    table = make_observations(make_places()[:1], years=1).iloc[:1]
    dates = pd.Timestamp("2017-01-01", tz="UTC") + pd.to_timedelta(
        np.arange(len(values)) * step, "D"
    )
    return pd.DataFrame(
        {**table.iloc[0].to_dict(), "datetime": dates}, index=range(len(values))
    ).assign(ndvi=values, status="ok", reason=None, clear_fraction=1.0, scene_cloud_cover=0.0)


@given(
    seed=st.integers(0, 10**6),
    hole=st.integers(365, 800),
    at=st.integers(1, 59),
    method=st.sampled_from(METHODS),
)
@settings(max_examples=40, deadline=None)
def test_nothing_is_invented_over_a_gap_of_a_year(seed, hole, at, method):
    rng = np.random.default_rng(seed)
    days = np.cumsum(rng.integers(1, 40, 60))
    days[at:] += hole
    values = 0.5 + 0.25 * np.sin(2 * np.pi * days / 365 + rng.uniform(0, 7)) + rng.normal(0, 0.02)
    rows = one_place(values).assign(datetime=pd.Timestamp("2010-01-01", tz="UTC") + days * DAY)
    result = analyse(rows, "ndvi", SeasonOptions(method=method, outliers=False))
    last, first = rows["datetime"].dt.tz_localize(None).iloc[[at - 1, at]]
    curve = result.series.set_index("date")
    within = (curve.index > last) & (curve.index < first)
    assert within.sum() >= 365
    assert curve.loc[within, ["smooth", "low", "high"]].isna().all(axis=None)
    assert curve.loc[within, "gap"].all()
    assert curve.loc[~within, "smooth"].notna().all()
    for name in ("start", "peak", "end"):
        assert not ((result.seasons[name] > last) & (result.seasons[name] < first)).any()
    whole = result.seasons.dropna(subset=["start", "end"])
    assert not ((whole["start"] <= last) & (whole["end"] >= first)).any()


def test_a_table_without_clear_rows_has_no_curve_and_says_so():
    table = make_observations(make_places()[:1], years=1)
    cloudy = table[~table["status"].isin(["ok", "outlier"])]
    result = analyse(cloudy, "ndvi", places=["coffee", "nowhere"])
    assert result.series.empty
    assert result.notes["coffee"] == ("There is no clear date, so there is no curve.",)
    assert result.notes["nowhere"] == ("No scene was found, so there is no curve.",)
    assert result.seasons["note"].tolist() == [
        "no season: there is no clear date, so there is no curve",
        "no season: no scene was found, so there is no curve",
    ]


@pytest.mark.parametrize("places", [(), ("coffee", "nowhere")])
def test_a_table_without_rows_has_the_tables_of_others(places):
    table = make_observations(make_places()[:1], years=1)
    result, other = (analyse(t, "ndvi", places=places) for t in (table[:0], table))
    for name in ("observations", "series", "anomalies", "adequacy"):
        assert not len(getattr(result, name))
    for name in ("series", "seasons", "anomalies", "adequacy"):
        assert getattr(result, name).dtypes.equals(getattr(other, name).dtypes)
    assert result.seasons["place_id"].tolist() == list(places) == list(result.notes)


TABLES = ("series", "seasons", "anomalies")


@given(seed=st.integers(0, 10**6), smoother=st.sampled_from(SMOOTHERS))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_rows_nor_rows_given_twice_matter(seed, smoother):
    table = make_observations(make_places()[1:3], years=4, seed=seed)
    rng = np.random.default_rng(seed)
    again = table.iloc[np.r_[np.arange(len(table)), rng.integers(0, len(table), 30)]]
    mixed = again.iloc[rng.permutation(len(again))]
    options = SeasonOptions(smooth=smoother)
    for name in TABLES:
        one, other = (
            getattr(analyse(rows, "ndvi", options, places=["death-valley", "napa"]), name)
            .sort_values("place_id", kind="stable")
            .reset_index(drop=True)
            for rows in (table, mixed)
        )
        pd.testing.assert_frame_equal(one, other, atol=1e-9)


@given(value=st.floats(-1, 1), count=st.integers(3, 40), seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_a_constant_series_stays_constant(value, count, seed):
    rng = np.random.default_rng(seed)
    rows = one_place([value] * count).assign(
        datetime=pd.Timestamp("2013-01-01", tz="UTC") + np.cumsum(rng.integers(1, 60, count)) * DAY,
        clear_fraction=rng.uniform(0.5, 1, count),
    )
    result = analyse(rows, "ndvi")
    assert_allclose(result.series[["smooth", "low", "high"]], value, atol=1e-9)
    assert result.observations["status"].eq("ok").all()
    assert result.seasons["note"].str.contains("the curve stays at").all()
    assert_allclose(result.anomalies["value"].dropna(), value, atol=1e-9)


STRANGE = st.sampled_from(
    [np.nan, np.inf, -np.inf, 0.0, 0.4, 0.4, 0.9, -1.0, 7.0, 1e-300, 1e6, 1e300]
)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 4000), STRANGE), max_size=12),
    smoother=st.sampled_from(SMOOTHERS),
    method=st.sampled_from(METHODS),
)
@settings(max_examples=150, deadline=None)
def test_no_strange_place_is_a_crash(pairs, smoother, method):
    days, values = np.array(pairs, float).reshape(-1, 2).T
    rows = one_place(values).assign(datetime=pd.Timestamp("2005-01-01", tz="UTC") + days * DAY)
    options = SeasonOptions(smooth=smoother, method=method)
    result = analyse(rows, "ndvi", options, places=["coffee"])
    usable = days[np.abs(values) <= GREATEST]
    assert (result.seasons["place_id"] == "coffee").all()
    assert len(result.seasons)
    if len(set(usable)) < 3:
        assert result.series.empty
        assert result.seasons["note"].str.startswith("no season: ").all()
        assert "no curve" in (said := result.notes["coffee"][-1]) or "a curve needs 3" in said
    assert not np.isinf(result.series[["smooth", "low", "high"]]).any(axis=None)


def test_the_workshops_spline_does_not_count_scenes_that_are_all_cloud():
    rows = one_place([0.4, 0.5, 0.4]).assign(scene_cloud_cover=100.0)
    result = analyse(rows, "ndvi", SeasonOptions(smooth="workshop"))
    assert result.series.empty
    assert "no clear date" in result.notes["coffee"][0]


def test_one_clear_date_is_said():
    assert "is one clear date" in analyse(one_place([0.4]), "ndvi").notes["coffee"][0]
    assert "are 2 clear dates" in analyse(one_place([0.4, 0.5]), "ndvi").notes["coffee"][0]


def test_constant_values_are_said_and_stay():
    result = analyse(one_place([0.4] * 20), "ndvi")
    assert "same value" in result.notes["coffee"][0]
    assert_allclose(result.series[["smooth", "low", "high"]], 0.4)


def test_stray_values_are_said_and_left_out():
    result = analyse(one_place([0.4] * 20 + [1.4]), "ndvi")
    assert (
        "1 of 21 clear values lie outside [-1, 1]: they are not used" in result.notes["coffee"][0]
    )
    assert result.series["smooth"].max() < 0.41


def test_an_index_that_is_not_bounded_is_used():
    result = analyse(one_place([4.0 + 0.1 * (i % 3) for i in range(20)]), "ndvi")
    assert "they are used" in result.notes["coffee"][0]
    assert_allclose(result.series["smooth"], 4.1, atol=0.1)


def test_missing_values_are_no_clear_dates():
    assert "no clear date" in analyse(one_place([np.nan] * 5), "ndvi").notes["coffee"][0]


_HILL = np.exp(-(((np.arange(23) - 11) / 3) ** 2))  # a year of one rise and one fall


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "there is no clear date, so there is no curve"),
        ([0.4], "there is one clear date; a curve needs 3"),
        ([0.4] * 20, "the curve stays at 0.40"),
        (0.4 + 0.05 * _HILL, "the curve stays between 0.40 and 0.45, and a season rises and falls"),
        (0.2 + 0.02 * np.arange(20), "or more is followed by as large a fall"),
        (np.interp(np.arange(90), [0, 45, 89], [0.2, 0.7, 0.2]), "take more than 300 days"),
    ],
)
def test_a_place_without_a_season_is_told_why(values, words):
    rows = one_place(values) if len(values) else one_place([0.4]).assign(status="cloud")
    (note,) = analyse(rows, "ndvi").seasons["note"]
    assert note.startswith("no season: ")
    assert words in note


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.r_[_HILL, _HILL[:14]], ["the curve begins with its rise", "it had not ended"]),
        (np.r_[_HILL[10:], _HILL], ["it began before the curve does", None]),
        (
            np.r_[0.9 * _HILL, np.zeros(6)],
            ["the curve ends 2\\d\\d days after its end, and does not"],
        ),
        (
            np.r_[np.zeros(6), 0.9 * _HILL],
            ["the curve begins 2\\d\\d days before its start, and does"],
        ),
    ],
)
def test_a_season_of_which_a_trough_is_not_sure_says_so(values, words):
    seasons = analyse(one_place(0.2 + 0.5 * values), "ndvi").seasons
    for note, word in zip(seasons["note"], words, strict=False):
        assert word is None or re.search(word, note)


@pytest.mark.parametrize(("missing", "said"), [(slice(7, 9), False), (slice(6, 11), True)])
def test_a_gap_in_which_a_season_may_have_peaked_is_said(missing, said):
    """Where nothing is seen of the peak, the shoulder after it looks like one."""
    rise, shoulder = [0, 0, 0, 0, 0.05, 0.2, 0.5, 0.9, 1, 0.9], [0.8, 0.75, 0.78, 0.8, 0.78, 0.6]
    values = 0.2 + 0.4 * np.array([*rise, *shoulder, 0.3, 0.1, 0, 0, 0, 0])
    rows = one_place(values)
    season = analyse(rows.drop(index=rows.index[missing]), "ndvi").seasons.iloc[0]
    assert ("it may have peaked from 2017-04-" in str(season["note"])) == said
    assert (season["peak"] > pd.Timestamp("2017-07-01")) == said


def test_a_season_that_has_not_peaked_has_a_row():
    seasons = analyse(one_place(0.2 + 0.5 * np.r_[_HILL, _HILL[:10]]), "ndvi").seasons
    assert seasons["season"].tolist()[:1] == ["2017"]
    rise = seasons.iloc[-1]
    assert rise[["season", "peak", "end", "length", "base", "amplitude"]].isna().all()
    assert pd.Timestamp("2018-01-01") < rise["start"] < pd.Timestamp("2018-06-01")
    assert (
        "may not have peaked when the curve ends on 2018-05-28; its start may move" in rise["note"]
    )
