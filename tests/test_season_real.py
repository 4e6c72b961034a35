"""Seasons and anomalies of real series: what is known of the places is found in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.warp import transform

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


@pytest.fixture(scope="module")
def arctic(shared_data):
    """Landsat pixels of Alaska, Ellesmere Island and Greenland, where winter takes nine months."""
    path = shared_data / "timeseries" / "lsat.example.dt.derived.csv"
    pixels = pd.read_csv(path, usecols=["sample_id", "date", "ndvi", "clear"])
    pixels = pixels[pixels["clear"] & (pixels["ndvi"].abs() <= 1)]
    table = [rows(place, own["date"], own["ndvi"]) for place, own in pixels.groupby("sample_id")]
    return analyse(pd.concat(table), "ndvi")


def test_the_arctic_has_one_summer_a_year(arctic):
    seasons = arctic.seasons.dropna(subset="peak")
    assert len(seasons) >= 25
    for _, own in seasons.groupby("place_id"):
        assert own["peak"].dt.year.is_unique
    assert seasons["peak"].dt.month.isin([7, 8]).all()


def test_nothing_is_said_of_arctic_winters(arctic):
    known = arctic.series.dropna(subset="smooth")
    assert not known["date"].dt.month.isin([11, 12, 1, 2]).any()
    assert known["date"].dt.month.isin([7, 8]).mean() > 0.5
    dates = arctic.seasons[["start", "peak", "end"]].melt()["value"].dropna()
    assert dates.dt.month.between(5, 10).all()


@pytest.fixture(scope="module")
def crops(shared_data):
    """Years of pixels in Mato Grosso (MODIS) of which the crops are known, with their seasons."""
    folder = shared_data / "modis" / "dtwSat_MT"
    samples = pd.read_csv(folder / "samples.csv", parse_dates=["from", "to"])
    dates = (folder / "timeline").read_text().split()
    with rasterio.open(folder / "ndvi.tif") as file:
        x, y = transform("EPSG:4326", file.crs, samples["longitude"], samples["latitude"])
        at = [file.index(*point) for point in zip(x, y, strict=True)]
        ndvi = file.read()
    samples["place_id"] = [f"{row}-{column}" for row, column in at]
    places = dict(zip(samples["place_id"], at, strict=True))
    table = pd.concat([rows(place, dates, ndvi[:, *pixel]) for place, pixel in places.items()])
    seasons = analyse(table, "ndvi").seasons.dropna(subset="peak")
    samples["year"] = np.arange(len(samples))
    both = samples.merge(seasons, on="place_id")
    own = both[(both["peak"] >= both["from"]) & (both["peak"] < both["to"])].groupby("year")
    return (
        samples.set_index("year")
        .assign(count=own.size(), amplitude=own["amplitude"].median())
        .fillna({"count": 0})
    )


def test_every_crop_has_a_season_and_forests_have_small_ones_or_none(crops):
    assert len(crops) == 603
    forest = crops["label"] == "Forest"
    assert (crops.loc[~forest, "count"] >= 1).all()
    amplitude = crops.groupby("label")["amplitude"].median()
    assert amplitude.pop("Forest") < 0.15
    assert (amplitude > 0.45).all()


def test_two_crops_a_year_are_told_from_one(crops):
    count = crops.groupby("label")["count"].mean()
    assert count["Cotton-fallow"] < 1.25
    assert count["Soybean-cotton"] > 1.8
    assert count["Soybean-millet"] > 1.6
    assert count["Soybean-maize"] > 1.4  # harvest and sowing often fall between two of its dates
    assert crops["count"].max() <= 3
