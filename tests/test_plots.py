from __future__ import annotations

import dataclasses
import sys
import time
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.errors import MissingExtraError
from fieldwren.model import STATUSES
from fieldwren.present import style
from fieldwren.present.panel import SIZE
from fieldwren.present.plots import plot_place, save_plot

NAPA = make_places()[1]
ROWS = make_observations([NAPA])


def curve(rows=ROWS, *, gap=(None, None)):
    """A curve through the clear values with its band; a guess between two days."""
    clear = rows[rows["status"] == "ok"].sort_values("datetime")
    at, days = style.days(clear["datetime"]), None
    days = np.arange(at[0], at[-1] + 1)
    smooth = np.interp(days, at, clear["ndvi"])
    first, last = (style.days(pd.Series(pd.to_datetime([d])))[0] if d else 0 for d in gap)
    return pd.DataFrame(
        {
            "date": days.astype("M8[D]").astype("M8[s]"),
            "smooth": smooth,
            "low": smooth - 0.05,
            "high": smooth + 0.05,
            "gap": (days >= first) & (days <= last),
        }
    )


def seasons(*years, cut=False):
    days = {"start": "04-01", "peak": "06-20", "end": "09-10"}
    frame = pd.DataFrame({k: pd.to_datetime([f"{y}-{d}" for y in years]) for k, d in days.items()})
    return (
        frame.assign(end=frame["end"].where(frame["end"] != frame["end"].max())) if cut else frame
    )


def lines(figure):
    """The marked lines of the panel, by their words in the legend."""
    return {line.get_label(): line for line in figure.axes[0].lines}


def bars(line):
    """Number of upright lines."""
    return int(np.isnan(line.get_xdata()).sum())


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
    figure = plot_place(ROWS, NAPA, curve(), index="ndvi", facts=RECEIPT)
    save_plot(figure, tmp_path / "napa.png")
    image = pixels(tmp_path / "napa.png")
    assert all(count(image, c) > 300 for c in (style.POINT, style.CURVE, style.CLOUD))


def test_it_says_what_it_shows():
    clear = int((ROWS["status"] == "ok").sum())
    passes = int((ROWS["status"] != "duplicate").sum())
    said = words(plot_place(ROWS, NAPA, index="ndvi", facts=RECEIPT))
    assert "Napa Valley" in said
    assert f"NDVI: {clear} clear of {passes} passes" in said
    assert "archive: demo" in said
    assert "SIMULATED DATA" in said
    assert "SIMULATED DATA" not in words(plot_place(ROWS, NAPA, index="ndvi"))


def test_real_data_are_credited():
    facts = RECEIPT | {"archive": {"name": "earth-search", "collections": ["sentinel-2-l2a"]}}
    said = words(plot_place(ROWS, NAPA, index="ndvi", facts=facts))
    assert "archive: earth-search · Contains modified Copernicus Sentinel data." in said


def test_every_rejected_observation_has_a_mark_in_the_lane_of_its_reason():
    figure = plot_place(ROWS, NAPA, index="ndvi")
    lanes = [lane for lane in style.LANES if ROWS["status"].isin(lane.statuses).any()]
    assert lanes
    for lane in lanes:
        assert lane.label in words(figure)
        count = int(ROWS["status"].isin(lane.statuses).sum())
        assert bars(lines(figure)[f"_{lane.label}"]) == count
        assert str(count) in words(figure)


def test_every_observation_with_a_value_has_a_mark_of_its_kind():
    drawn = lines(plot_place(ROWS, NAPA, index="ndvi"))
    for words_, status, marker in (
        ("clear", "ok", "o"),
        ("partly clear", "low_coverage", "o"),
        ("outlier", "outlier", "x"),
    ):
        rows = ROWS[ROWS["status"] == status].sort_values("datetime")
        assert drawn[words_].get_marker() == marker
        np.testing.assert_array_equal(drawn[words_].get_xdata(), style.days(rows["datetime"]))
        np.testing.assert_array_equal(drawn[words_].get_ydata(), rows["ndvi"])
    assert drawn["partly clear"].get_markerfacecolor() == "white"


def test_the_curve_is_dashed_where_it_is_a_guess_and_absent_where_it_says_nothing():
    series = curve(gap=("2015-03-01", "2015-09-01"))
    silent = series["date"].between("2015-05-01", "2015-07-01")
    series.loc[silent, ["smooth", "low", "high"]] = np.nan
    drawn = lines(plot_place(ROWS, NAPA, series, index="ndvi"))
    solid, dashed = drawn["smooth, 95 % band"], drawn["bridged gap"]
    assert dashed.get_linestyle() == "--"
    known = [np.isfinite(line.get_ydata()) for line in (solid, dashed)]
    assert (~(known[0] & known[1])).sum() >= len(known[0]) - 2, "they meet at their ends only"
    days = np.array([s.get_xdata() for s in (solid,)])[0]
    dates = days.astype("M8[D]").astype("M8[s]")
    neither = ~(known[0] | known[1])
    assert (
        neither == ((dates >= np.datetime64("2015-05-01")) & (dates <= np.datetime64("2015-07-01")))
    ).all()


def test_without_a_gap_nothing_is_dashed():
    assert "bridged gap" not in lines(plot_place(ROWS, NAPA, curve(), index="ndvi"))


def test_the_band_is_as_wide_as_the_series_says():
    (band,) = plot_place(ROWS, NAPA, curve(), index="ndvi").axes[0].collections
    corners = band.get_paths()[0].vertices
    at = corners[np.abs(corners[:, 0] - np.median(corners[:, 0])) < 0.6]
    assert np.ptp(at[:, 1]) == pytest.approx(0.1, abs=0.03)


def test_seasons_are_shaded_from_start_to_end_with_a_mark_at_the_peak():
    figure = plot_place(ROWS, NAPA, curve(), index="ndvi", seasons=seasons(2014, 2015, cut=True))
    shading = figure.axes[0].collections[0]
    boxes = [path.get_extents() for path in shading.get_paths()]
    start, end = (style.days(seasons(2014, 2015)[name]) for name in ("start", "end"))
    assert [box.x0 for box in boxes] == start.tolist()
    last = style.days(curve()["date"])[-1]
    assert [box.x1 for box in boxes] == [end[0], last], "a cut season reaches the end of the curve"
    peaks = lines(figure)["season, peak"].get_xdata()
    np.testing.assert_array_equal(peaks, style.days(seasons(2014, 2015)["peak"]))


def test_a_season_that_has_not_ended_is_shaded_as_far_as_the_curve_is_known():
    series = curve()
    hole = series["date"].between("2014-08-01", "2015-05-31")
    series.loc[hole, ["smooth", "low", "high"]] = np.nan
    figure = plot_place(ROWS, NAPA, series, index="ndvi", seasons=seasons(2014, cut=True))
    (box,) = figure.axes[0].collections[0].get_paths()
    assert box.get_extents().x1 == style.days(pd.Series([pd.Timestamp("2014-07-31")]))[0]


def test_a_place_without_seasons_has_none_in_its_legend():
    none = seasons(2014).assign(peak=pd.NaT, start=pd.NaT, end=pd.NaT)
    assert "season, peak" not in lines(plot_place(ROWS, NAPA, index="ndvi", seasons=none))


def test_notes_are_said():
    said = words(plot_place(ROWS, NAPA, index="ndvi", notes=["All values are 0.42.", "Beware."]))
    assert "All values are 0.42. Beware." in said


def test_values_beyond_the_scale_are_marked_at_its_edge_and_told():
    rows = ROWS.copy()
    ok = rows.index[rows["status"] == "ok"]
    rows.loc[ok, "ndvi"] = 1.5  # not bounded, as it seems
    rows.loc[ok[[3, 30, 60]], "ndvi"] = [57.0, 4.0, -8.0]
    figure = plot_place(rows, NAPA, index="ndvi")
    assert figure.axes[0].get_ylim() == (-2, 2)
    assert "3 values beyond -2 to 2 (triangles): -8 to 57." in words(figure)
    marked = [line for line in figure.axes[0].lines if line.get_marker() in ("^", "v")]
    assert sorted(len(line.get_xdata()) for line in marked) == [1, 2]


def test_a_stray_value_does_not_stretch_the_axis():
    rows = ROWS.copy()
    at = rows.index[np.flatnonzero(rows["status"] == "ok")[20]]
    rows.loc[at, "ndvi"] = 1.4
    figure = plot_place(rows, NAPA, index="ndvi")
    assert figure.axes[0].get_ylim() == (-0.2, 1)
    assert "1 value beyond -0.2 to 1 (triangles): 1.4." in words(figure)
    marked = [line for line in figure.axes[0].lines if line.get_marker() == "^"]
    assert [line.get_xdata().tolist() for line in marked] == [
        style.days(rows.loc[[at], "datetime"]).tolist()
    ]


def test_every_status_is_a_point_or_in_a_lane_or_a_duplicate():
    in_lanes = {status for lane in style.LANES for status in lane.statuses}
    assert in_lanes | {"ok", "low_coverage", "outlier", "duplicate"} == set(STATUSES)


def test_ndvi_is_drawn_from_minus_a_fifth_to_one_unless_values_exceed_that():
    assert plot_place(ROWS, NAPA, index="ndvi").axes[0].get_ylim() == (-0.2, 1.0)
    wild = ROWS.assign(ndvi=ROWS["ndvi"].where(ROWS.index != ROWS["ndvi"].idxmax(), -0.6))
    assert plot_place(wild, NAPA, index="ndvi").axes[0].get_ylim()[0] < -0.6


def test_another_index_has_the_range_of_its_values():
    low, high = plot_place(ROWS.assign(cig=ROWS["ndvi"] * 9), NAPA, index="cig").axes[0].get_ylim()
    assert low > -3
    assert 5 < high < 9


@pytest.mark.parametrize("years", [5, 40])
def test_a_long_record_is_drawn_quickly(tmp_path, years):
    rows = make_observations([NAPA], years=years)
    many = seasons(*range(2014, 2014 + years))
    spent = []
    for _ in range(4):
        began = time.process_time()
        figure = plot_place(rows, NAPA, curve(rows), index="ndvi", facts=RECEIPT, seasons=many)
        save_plot(figure, tmp_path / "x.png")
        spent.append(time.process_time() - began)
    assert min(spent) < 0.5  # 0.16 on two shared cores; other work inflates it
    assert (tmp_path / "x.png").stat().st_size < 160_000


def test_of_very_many_scenes_the_mean_cloud_is_shown():
    rows = make_observations([NAPA], years=30)
    figure = plot_place(rows, NAPA, index="ndvi")
    assert "mean cloud" in words(figure)
    heights = lines(figure)["_scene cloud"].get_ydata().reshape(-1, 3)
    assert len(heights) < 300
    share = np.ptp(heights[:, :2], axis=1).mean() / np.ptp(heights[:, :2], axis=1).max()
    assert 0.2 < share < 1


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["Napa", HOSTILE, "a\x00\ud800b"])
def test_an_svg_is_well_formed_and_has_the_same_marks(tmp_path, name):
    place = dataclasses.replace(NAPA, name=name)
    figure = plot_place(ROWS, place, curve(), index="ndvi", facts=RECEIPT)
    save_plot(figure, tmp_path / "x.svg")
    tree = ET.parse(tmp_path / "x.svg")
    uses = [use.get("{http://www.w3.org/1999/xlink}href") for use in tree.iter(f"{SVG}use")]
    marks = [href for href in uses if href.startswith("#m")]
    shown = ROWS["status"].isin(["ok", "low_coverage", "outlier"]) & ROWS["ndvi"].notna()
    in_legend, band = 3, 1
    assert len(marks) == int(shown.sum()) + in_legend + band
    assert not list(tree.iter(f"{SVG}script"))
    assert not list(tree.iter(f"{SVG}image"))


def test_the_same_results_give_the_same_svg_and_savefig_gives_it_too(tmp_path):
    for path in ("a.svg", "b.svg"):
        save_plot(plot_place(ROWS, NAPA, index="ndvi", facts=RECEIPT), tmp_path / path)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    plot_place(ROWS, NAPA, index="ndvi").savefig(tmp_path / "c.svg")
    assert ET.parse(tmp_path / "c.svg").getroot().tag == f"{SVG}svg"


def test_notebooks_show_the_figure():
    png, size = plot_place(ROWS, NAPA, index="ndvi")._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert (size["width"], size["height"]) == (1000, 500)


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
    save_plot(plot_place(rows, NAPA, index="ndvi"), tmp_path / "n.png")


def test_the_same_results_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_plot(plot_place(ROWS, NAPA, index="ndvi", facts=RECEIPT), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"fieldwren\[pictures\]"):
        plot_place(ROWS, NAPA, index="ndvi")
