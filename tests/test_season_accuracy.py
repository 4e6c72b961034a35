"""The embedded archive knows the truth of every day: how near do curve, band and seasons come?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import fieldwren as fw
from fieldwren.archive.simulated import write_archive
from fieldwren.archive.simulated.land import SIZE, make_land, ndvi
from fieldwren.archive.simulated.regions import REGIONS, features

SINCE, UNTIL, STEP = datetime(2014, 1, 1, tzinfo=UTC), datetime(2017, 12, 31, tzinfo=UTC), 4
PLACES = ["napa-valley", "napa-valley-field", "death-valley-field", "sula-vineyards-field"]


def truth():
    """NDVI of the ground under the places on every fourth day of four years, by place."""
    days = int((UNTIL - SINCE).days) + 1
    columns = {}
    for region in REGIONS:
        own = [f["id"] for f in features(region)]
        if not set(own) & set(PLACES):
            continue
        land, w = make_land(region, 2018), None
        w = land.weights
        at = np.arange(-60, days + 60, STEP)
        values = np.empty((2, len(at)))
        for i, day in enumerate(at.tolist()):
            image = ndvi(land.reflectance(SINCE + timedelta(days=day), (180.0, 60.0)))
            for place in range(2):
                part = slice(w.places[place], w.places[place + 1])
                assert image.shape == (SIZE, SIZE)
                pixels = image[w.rows[part], w.cols[part]]
                values[place, i] = np.average(pixels, weights=w.weights[part])
        for place, key in enumerate(own):
            columns[key] = np.interp(np.arange(-60, days + 60), at, values[place])
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


if __name__ == "__main__":
    import pathlib
    import tempfile

    k = truth()
    k.to_pickle("/tmp/season/truth.pkl")
    folder = pathlib.Path(tempfile.mkdtemp())
    write_archive(folder / "a", since=SINCE.date(), until=UNTIL.date())
    t = fw.observe(fw.demo_places(), archive=str(folder / "a/items.json"), outliers=False).table
    t.to_pickle("/tmp/season/rows.pkl")
