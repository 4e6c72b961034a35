"""Seasons and anomalies of real series: what is known of the places is found in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fieldwren.season.analysis import analyse


@pytest.fixture(scope="module")
def analysis(shared_data):
    """A pixel in the Rocky Mountains (Landsat), and a field of Mato Grosso (MODIS)."""
    mountains = pd.read_csv(shared_data / "landsat_stack" / "p035r032_centre_pixel.derived.csv")
    field = pd.read_csv(shared_data / "timeseries" / "dtwSat" / "ts_MODIS13Q1.csv")
    series = {"mountains": mountains["ndvi_if_clear"], "field": field["ndvi"]}
    dates = {"mountains": mountains["date"], "field": field["date"]}
    table = pd.concat([rows(place, dates[place], series[place]) for place in series])
    return analyse(table, "ndvi")


def rows(place, dates, values):
    table = pd.DataFrame(
        {
            "place_id": place,
            "scene_id": [f"{place}-{k}" for k in range(len(dates))],
            "platform": "landsat",
            "datetime": pd.to_datetime(dates, utc=True),
            "status": "ok",
            "reason": None,
            "ndvi": values,
            "clear_fraction": 1.0,
            "scene_cloud_cover": np.nan,
            "tile": None,
        }
    )
    return table.dropna(subset="ndvi")


def seasons_of(analysis, place):
    return analysis.seasons[analysis.seasons["place_id"] == place]


def test_mountains_have_one_summer_a_year(analysis):
    seasons = seasons_of(analysis, "mountains")
    assert len(seasons) >= 13  # of 28 years, the winters of which are not seen
    assert seasons["peak"].dt.year.is_unique
    assert seasons["peak"].dt.month.isin([6, 7, 8]).all()


def test_a_field_of_mato_grosso_bears_two_crops_a_year(analysis):
    peaks = seasons_of(analysis, "field")["peak"]
    assert len(peaks) == 8  # four years
    first, second = peaks.iloc[::2], peaks.iloc[1::2]
    assert first.dt.month.isin([12, 1]).all()  # soy
    assert second.dt.month.isin([3, 4]).all()  # maize
    assert seasons_of(analysis, "field")["length"].between(60, 180).all()


def test_hardly_a_real_value_is_an_outlier(analysis):
    assert analysis.observations["status"].eq("outlier").mean() < 0.01


def test_years_differ_about_as_often_as_deviations_say(analysis):
    z = analysis.anomalies.query("place_id == 'mountains'")["z"].dropna()
    assert len(z) > 300
    assert abs(z.median()) < 0.25
    assert 0.6 < z.std() < 1.5
