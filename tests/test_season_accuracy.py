"""The embedded archive knows the truth of every day: how near do curve, band and seasons come?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import CubicSpline

import fieldwren as fw
from fieldwren.archive.simulated import write_archive
from fieldwren.archive.simulated.land import SIZE, make_land, ndvi
from fieldwren.archive.simulated.regions import REGIONS, features
from fieldwren.season.analysis import SeasonOptions, analyse
from fieldwren.season.phenology import find_seasons

SINCE, UNTIL, STEP = datetime(2014, 1, 1, tzinfo=UTC), datetime(2017, 12, 31, tzinfo=UTC), 8
pytestmark = pytest.mark.slow
PLACES = ["napa-valley", "napa-valley-field", "death-valley-field", "sula-vineyards-field"]


def truth():
    """NDVI of the ground under the places on every day of four years, by place."""
    days = int((UNTIL - SINCE).days) + 1
    columns = {}
    for region in REGIONS:
        own = [f["id"] for f in features(region)]
        if not set(own) & set(PLACES):
            continue
        land = make_land(region, 2018)
        w = land.weights
        at = np.arange(-60, days + 60 + STEP, STEP)
        values = np.empty((2, len(at)))
        for i, day in enumerate(at.tolist()):
            image = ndvi(land.reflectance(SINCE + timedelta(days=day), (180.0, 60.0)))
            for place in range(2):
                part = slice(w.places[place], w.places[place + 1])
                assert image.shape == (SIZE, SIZE)
                pixels = image[w.rows[part], w.cols[part]]
                values[place, i] = np.average(pixels, weights=w.weights[part])
        for place, key in enumerate(own):
            columns[key] = CubicSpline(at, values[place])(np.arange(-60, days + 60))
    date = pd.date_range(
        SINCE.replace(tzinfo=None) - timedelta(days=60), periods=days + 120, unit="s"
    )
    return pd.DataFrame(columns, index=date)


@pytest.fixture(scope="module")
def known():
    return truth()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The places as observed, before anything is called an outlier."""
    folder = tmp_path_factory.mktemp("simulated")
    write_archive(folder, since=SINCE.date(), until=UNTIL.date())
    table = fw.observe(fw.demo_places(), archive=str(folder / "items.json"), outliers=False).table
    return table[table["place_id"].isin(PLACES)]


def spoiled(rows, share=0.15, seed=0):
    """Some of the clear rows lowered, as by cloud that the mask missed."""
    rng = np.random.default_rng(seed)
    lowered = rows["status"].eq("ok").to_numpy() & (rng.random(len(rows)) < share)
    return rows.assign(ndvi=rows["ndvi"] - np.where(lowered, rng.uniform(0.1, 0.5, len(rows)), 0))


def compared(series, known, place):
    """The curve of a place beside the truth, where an observation is near."""
    curve = series[series["place_id"] == place].set_index("date")
    return curve.assign(true=known[place].reindex(curve.index))[~curve["gap"]]


def error_and_cover(rows, known, **options):
    """Root mean square of the curve's error, and how often the band holds the truth, by place."""
    series = analyse(rows, "ndvi", SeasonOptions(**options)).series
    result = {}
    for place in PLACES:
        curve = compared(series, known, place)
        within = (curve["low"] <= curve["true"]) & (curve["true"] <= curve["high"])
        square = (curve["smooth"] - curve["true"]) ** 2
        result[place] = float(np.sqrt(square.mean())), float(within.mean())
    return pd.DataFrame(result, index=["rmse", "cover"]).T


def pooled(errors):
    return float(np.sqrt((errors**2).mean()))


def test_the_curve_is_near_the_truth(rows, known):
    result = error_and_cover(rows, known)
    assert pooled(result["rmse"]) <= 0.005
    assert 0.88 <= result["cover"].mean() <= 0.99


def test_missed_cloud_in_fifteen_percent_of_clear_dates_hardly_moves_it(rows, known):
    result = pd.concat([error_and_cover(spoiled(rows, seed=seed), known) for seed in range(8)])
    assert pooled(result["rmse"]) <= 0.02
    assert (result["rmse"].groupby(level=0).median() <= 0.02).all()
    assert result["rmse"].median() <= 0.006
    assert 0.88 <= result["cover"].mean() <= 0.99


@pytest.mark.parametrize("share", [0, 0.15])
def test_the_chosen_lambda_is_no_worse_than_the_fixed_one(rows, known, share):
    table = spoiled(rows, share)
    chosen, fixed = (error_and_cover(table, known, lam=lam)["rmse"] for lam in (None, 1e3))
    assert (chosen <= fixed).all()


@pytest.mark.parametrize(
    ("smoother", "share"), [("savgol", 0.15), ("workshop", 0.15), ("savgol", 0), ("harmonic", 0)]
)
def test_other_smoothers_do_not_come_nearer(rows, known, smoother, share):
    table = spoiled(rows, share)
    best, other = (
        pooled(error_and_cover(table, known, smooth=name)["rmse"])
        for name in ("whittaker", smoother)
    )
    assert best < other


def test_what_was_lowered_is_called_an_outlier_and_nothing_else(rows):
    table = spoiled(rows)
    lowered = (table["ndvi"] < rows["ndvi"]).to_numpy()
    found = analyse(table, "ndvi").observations["status"].eq("outlier").to_numpy()
    assert found[lowered].mean() > 0.6
    assert not found[~lowered].any()
    assert not analyse(rows, "ndvi").observations["status"].eq("outlier").any()


def differences(seasons, known, place):
    """Days between the dates of a place's seasons and the true ones, guesses left out."""
    curve = known[place]
    own = seasons[(seasons["place_id"] == place) & seasons["peak"].notna()]
    sure = own[~own["note"].fillna("").str.contains("guess|begins|ends|began|ended")]
    for season in find_seasons(curve.to_numpy(), np.zeros(len(curve))):
        peak = curve.index[season.peak]
        near = sure[(sure["peak"] - peak).abs() <= pd.Timedelta(days=45)]
        for _, row in near.iterrows():
            for name, at in (("start", season.start), ("peak", season.peak), ("end", season.end)):
                if at is not None:
                    yield name, (row[name] - curve.index[at]).days


@pytest.mark.parametrize(("share", "within"), [(0, 1.0), (0.15, 0.95)])
def test_season_dates_are_within_five_days_of_the_true_ones(rows, known, share, within):
    seasons = [analyse(spoiled(rows, share, seed), "ndvi").seasons for seed in range(4)]
    days = [
        pair for table in seasons for place in PLACES for pair in differences(table, known, place)
    ]
    table = pd.DataFrame(days, columns=["date", "days"])
    assert len(table) > 90
    off = table["days"].abs().groupby(table["date"])
    assert (off.median() <= 2).all()
    near = (table["days"].abs() <= 5).groupby(table["date"]).mean()
    assert near["start"] >= within
    assert near["end"] >= within


def test_a_season_that_is_cut_by_a_year_without_observations_does_not_look_complete(rows):
    place = "sula-vineyards-field"
    own = rows[(rows["place_id"] == place) & (rows["datetime"].dt.year != 2015)]
    seasons = analyse(own, "ndvi").seasons.set_index("season")
    whole = analyse(rows, "ndvi").seasons.query("place_id == @place").set_index("season")
    assert "2015" not in seasons.index
    assert whole.loc["2014", "end"] > pd.Timestamp("2015-01-01")
    assert pd.isna(seasons.loc["2014", "end"])
    assert "it had not ended when the curve does" in seasons.loc["2014", "note"]
    assert abs(seasons.loc["2014", "start"] - whole.loc["2014", "start"]) <= pd.Timedelta(days=5)


def test_a_desert_has_no_season(rows):
    seasons = analyse(rows, "ndvi").seasons.set_index("place_id").loc["death-valley-field"]
    assert seasons["note"].startswith("no season: the curve stays between 0.08 and 0.11")
