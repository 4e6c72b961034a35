"""The notebook runs from top to bottom, shows what it promises, and is kept without outputs."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime

import nbformat
import pytest

import tutorial


@pytest.fixture(scope="module")
def source():
    return nbformat.read(tutorial.NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def done():
    """The notebook with its outputs; an error in any cell ends the process that executes it."""
    subprocess.run([sys.executable, tutorial.__file__], check=True)
    return tutorial.executed()


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def output_of(notebook, text):
    """What the one cell that holds a text has printed or shown, by kind."""
    (cell,) = (cell for cell in code(notebook) if text in cell.source)
    found = {}
    for output in cell.outputs:
        found |= {"text": output.text} if output.output_type == "stream" else output.data
    return found


def test_it_is_kept_without_outputs(source):
    assert not any(cell.outputs or cell.execution_count for cell in code(source))
    assert not any(cell.metadata for cell in source.cells)


def test_one_cell_holds_all_that_must_be_changed_for_real_archives(source):
    names = ("ARCHIVE =", "ENGINE =")
    assert [sum(name in cell.source for name in names) for cell in code(source)].count(2) == 1
    assert sum("demo" in cell.source for cell in code(source)) == 2  # there, and demo_places()


def test_all_of_it_takes_about_a_minute(done):
    """40 seconds on two cores; twice that was seen where other work took most of them."""

    def seconds(cell):
        times = cell.metadata["execution"]
        start, stop = times["iopub.status.busy"], times["iopub.status.idle"]
        return (datetime.fromisoformat(stop) - datetime.fromisoformat(start)).total_seconds()

    assert sum(map(seconds, code(done))) < 120


def test_no_cell_warns(done):
    streams = [o for cell in code(done) for o in cell.outputs if o.output_type == "stream"]
    assert not [o.text for o in streams if o.name == "stderr"]


@pytest.mark.slow
def test_every_place_has_more_than_a_hundred_scenes_as_in_2018(done):
    shown = output_of(done, "of_place = ")["text/plain"]
    counts = [int(n) for n in re.findall(r"-field +(\d+)", shown)]
    assert len(counts) == 4
    assert min(counts) > 100
    assert sum(n > 300 for n in counts) == 2


def test_one_scene_has_a_date_an_id_its_cloud_a_picture_and_a_value(done):
    shown = output_of(done, "scene = min(summer")["text"]
    assert re.search(r"date +\d{4}-0[67]-\d\d", shown)
    assert re.search(r"id +LC08_L2SP_044033", shown)
    assert re.search(r"cloud +\d+\.\d", shown)
    assert "image/png" in output_of(done, "chip(scene.id")
    assert re.search(r"ndvi +0\.\d+", output_of(done, "one = fw.observe([napa]")["text/plain"])


def test_the_time_saved_is_measured(done):
    estimate = output_of(done, "one_by_one = per_scene")["text"]
    assert re.search(r"all 952 scenes, one by one, would take about \d+ minutes", estimate)
    faster = re.search(r"(\d+) times as fast", output_of(done, "took = time")["text"])
    assert int(faster[1]) >= 2


def test_tables_are_coloured_and_plots_and_the_map_are_there(done):
    assert "background-color: #" in output_of(done, "shown.highlight_null(")["text/html"]
    assert "image/png" in output_of(done, "results.plot(napa)")
    assert "image/png" in output_of(done, "mine.plot(")
    assert "leaflet" in output_of(done, "results.map()")["text/html"]


def test_every_place_has_its_mean_ndvi_and_cloud(done):
    table = output_of(done, "summary.round(2)")["text/html"]
    assert len(re.findall(r"<th>[a-z-]+-field</th>", table)) == 4
    assert "<th>mean_ndvi</th>" in table
    assert "<th>mean_cloud</th>" in table


def test_years_stand_side_by_side_and_their_anomalies_sum_to_nothing(done):
    season = output_of(done, "by_month.style")["text/html"]
    assert all(f">{year}</th>" in season for year in range(2013, 2019))
    shown = re.findall(r">([+-]\d\.\d\d)</td>", output_of(done, "anomaly.style")["text/html"])
    assert len(shown) > 40
    assert abs(sum(map(float, shown))) < 0.01 * len(shown)


def test_the_vineyard_has_a_season_every_year_and_the_desert_has_none(done):
    table = output_of(done, "seasons = results.seasons")["text/html"]
    assert all(re.search(rf"<td>{year}(-\d)?</td>", table) for year in range(2013, 2018))
    assert "no season" in output_of(done, "for note in")["text"].lower()
