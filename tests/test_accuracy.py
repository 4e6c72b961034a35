"""The embedded archive knows the truth: how near to it do the rows come?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

import fieldwren as fw
from fieldwren.archive.simulated import write_archive


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A year of all four places, observed, beside what is true."""
    folder = tmp_path_factory.mktemp("simulated")
    write_archive(folder, since=date(2016, 1, 1), until=date(2016, 12, 31))
    table = fw.observe(fw.demo_places(), archive=str(folder / "items.json")).table
    truth = pd.read_csv(folder / "truth.csv").drop(columns="datetime")
    return table.merge(truth, on=["place_id", "scene_id"], suffixes=("", "_true"), validate="1:1")


def test_every_candidate_has_its_row_and_its_truth(compared):
    assert len(compared) > 250
    assert set(compared["place_id"]) == {f["id"] for f in fw.demo_places()["features"]}


def test_clear_dates_recover_the_true_ndvi(compared):
    clear = compared[compared["status"] == "ok"]
    assert len(clear) > 150
    error = clear["ndvi"] - clear["ndvi_true"]
    assert np.sqrt((error**2).mean()) <= 0.01


def test_every_injected_cloud_has_a_reason(compared):
    hidden = compared[compared["cloud"] + compared["shadow"] > 0.5]
    assert len(hidden) > 50
    assert (hidden["status"] != "ok").all()
    assert hidden["reason"].str.len().gt(0).all()


def test_no_overcast_place_has_a_value(compared):
    overcast = compared[compared["clear"] == 0]
    assert len(overcast) > 20
    assert overcast["ndvi"].isna().all()


def test_most_of_what_is_clear_is_used(compared):
    """Pixels beside clouds are flagged too, so a few clear fields are lost; not many."""
    clear = compared[(compared["clear"] == 1) & (compared["status"] != "duplicate")]
    assert (clear["status"] == "ok").mean() > 0.9
