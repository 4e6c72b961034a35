from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.errors import MissingExtraError
from fieldwren.model import STATUSES
from fieldwren.present import style
from fieldwren.present.plots import SIZE, plot_place, save_plot
from fieldwren.season.analysis import analyse

NAPA = make_places()[1]
ROWS = make_observations([NAPA])


def pixels(path):
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", SIZE)
        return np.asarray(image.convert("RGB")).astype(int)


def count(image, colour):
    """Pixels of about a colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(image - wanted).max(axis=2) < 12).sum())


def words(figure: Figure):
    texts = [t.get_text() for t in figure.texts]
    return texts + [t.get_text() for axes in figure.axes for t in axes.texts]


def test_a_plot_is_a_png_of_the_promised_size_with_points_curve_and_cloud(tmp_path):
    figure = plot_place(ROWS, NAPA, analyse(ROWS, "ndvi").series, index="ndvi", facts=RECEIPT)
    save_plot(figure, tmp_path / "napa.png")
    image = pixels(tmp_path / "napa.png")
    assert all(count(image, c) > 300 for c in (style.POINT, style.CURVE, style.CLOUD))


def test_it_says_what_it_shows():
    clear = int((ROWS["status"] == "ok").sum())
    scenes = len(ROWS)
    said = words(plot_place(ROWS, NAPA, index="ndvi", facts=RECEIPT))
    assert "Napa Valley" in said
    assert f"{clear} clear of {scenes} scenes · archive: demo" in said
    assert "SIMULATED DATA" in said
    assert "SIMULATED DATA" not in words(plot_place(ROWS, NAPA, index="ndvi"))


def test_every_rejected_observation_has_a_mark_in_the_lane_of_its_reason():
    axes = plot_place(ROWS, NAPA, index="ndvi").axes[1]
    lanes = [lane for lane in style.LANES if ROWS["status"].isin(lane.statuses).any()]
    assert [t.get_text() for t in axes.get_yticklabels()] == [lane.label for lane in lanes]
    drawn = [len(line.get_xdata()) for line in axes.lines]
    assert drawn == [int(ROWS["status"].isin(lane.statuses).sum()) for lane in lanes]


def test_every_status_is_a_point_or_in_a_lane_or_a_duplicate():
    in_lanes = {status for lane in style.LANES for status in lane.statuses}
    assert in_lanes | {"ok", "low_coverage", "outlier", "duplicate"} == set(STATUSES)


def test_ndvi_is_drawn_from_minus_a_fifth_to_one_unless_values_exceed_that():
    assert plot_place(ROWS, NAPA, index="ndvi").axes[0].get_ylim() == (-0.2, 1.0)
    wild = ROWS.assign(ndvi=ROWS["ndvi"].where(ROWS.index != ROWS["ndvi"].idxmax(), 1.6))
    assert plot_place(wild, NAPA, index="ndvi").axes[0].get_ylim()[1] > 1.6


def test_another_index_has_the_range_of_its_values():
    low, high = plot_place(ROWS.assign(cig=ROWS["ndvi"] * 9), NAPA, index="cig").axes[0].get_ylim()
    assert low > -3
    assert 5 < high < 9


@pytest.mark.parametrize("name", [HOSTILE, "$", "葡萄园" * 40, "a\nb\tc\x00\ud800", "", "x" * 500])
def test_no_name_breaks_a_plot(tmp_path, name):
    place = dataclasses.replace(NAPA, name=name)
    save_plot(plot_place(ROWS[:40], place, index="ndvi", facts=RECEIPT), tmp_path / "x.png")
    right_edge = pixels(tmp_path / "x.png")[:, -8:]
    assert (right_edge > 250).all(), "the title runs out of the picture"


def test_a_place_without_a_clear_date_says_so_instead_of_an_empty_picture(tmp_path):
    cloudy = ROWS[~ROWS["status"].isin(["ok", "low_coverage", "outlier"])]
    figure = plot_place(cloudy, NAPA, index="ndvi")
    assert any("No clear observation in" in text for text in words(figure))
    save_plot(figure, tmp_path / "cloudy.png")


def test_a_place_without_scenes_says_so(tmp_path):
    figure = plot_place(ROWS[:0], NAPA, index="ndvi")
    assert "No scene of this place was found." in words(figure)
    save_plot(figure, tmp_path / "none.png")


@pytest.mark.parametrize("n", [1, 2, 5, 12, 40])
def test_short_series_are_drawn(tmp_path, n):
    rows = ROWS[:n]
    save_plot(
        plot_place(rows, NAPA, analyse(rows, "ndvi").series, index="ndvi"), tmp_path / "n.png"
    )


def test_the_same_results_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_plot(plot_place(ROWS, NAPA, index="ndvi", facts=RECEIPT), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"fieldwren\[pictures\]"):
        plot_place(ROWS, NAPA, index="ndvi")
