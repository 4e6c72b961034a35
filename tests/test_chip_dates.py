from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shapely import Point

from fieldwren.chip_dates import choose_chips
from fieldwren.model import Place

NO_SEASONS = pd.DataFrame(
    {
        "place_id": pd.Series(dtype=str),
        "season": pd.Series(dtype=str),
        **{name: pd.Series(dtype="datetime64[s]") for name in ("start", "peak", "end")},
    }
)


def place(place_id="a"):
    return Place(id=place_id, name=place_id, geometry=Point(0, 0))


def row(day, *, place_id="a", status="ok", clear=1.0, cloud=0.0, value=0.5, scene=None):
    return {
        "place_id": place_id,
        "scene_id": scene or f"S{day.replace('-', '')}",
        "collection": "landsat-c2-l2",
        "datetime": pd.Timestamp(f"{day}T18:44:00", tz="UTC"),
        "status": status,
        "ndvi": value,
        "clear_fraction": clear,
        "scene_cloud_cover": cloud,
    }


def season(name, start, peak, end, *, place_id="a"):
    days = {"start": start, "peak": peak, "end": end}
    dates = {k: pd.Timestamp(v) if v else pd.NaT for k, v in days.items()}
    return {"place_id": place_id, "season": name, **dates}


def days(rows, seasons=None, *, most=24, most_dates=12, places=None):
    frame = pd.DataFrame(rows)
    table = NO_SEASONS if seasons is None else pd.DataFrame(seasons)
    chosen = choose_chips(
        frame, table, places or [place()], "ndvi", most=most, most_dates=most_dates
    )
    return [(c.place_id, f"{c.date:%Y-%m-%d}") for c in chosen]


SUMMER = [season("2017", "2017-04-01", "2017-06-15", "2017-09-30")]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (row("2017-04-02", clear=0.6), row("2017-06-15", status="low_coverage", clear=0.9)),
        (row("2017-04-02", clear=0.98), row("2017-06-15", clear=0.9)),
        (row("2017-04-02", cloud=5.0), row("2017-06-15", cloud=40.0)),
        (row("2017-06-20", cloud=9.0), row("2017-04-02", cloud=1.0)),
        (row("2017-06-20", clear=0.998), row("2017-04-02", clear=1.0)),
        (row("2017-06-15", scene="A"), row("2017-06-15", scene="B")),
        (row("2017-06-20", cloud=70.0), row("2017-06-15", cloud=None)),
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_scenes_of_a_season_the_clearer_is_shown_else_the_nearer_to_its_peak(
    better, worse, turn
):
    rows = pd.DataFrame([better, worse][::turn])
    (choice,) = choose_chips(rows, pd.DataFrame(SUMMER), [place()], "ndvi", most=1)
    assert choice.scene_id == better["scene_id"]


def test_what_has_no_value_or_another_status_is_never_shown():
    rows = [
        row("2017-06-15", status=s)
        for s in ("cloud", "outlier", "duplicate", "read_error", "cloudy_scene")
    ]
    rows.append(row("2017-06-15", value=np.nan))
    assert days(rows, SUMMER) == []


def test_each_season_has_its_picture_and_what_lies_between_has_none():
    rows = [row(d) for d in ("2017-06-01", "2017-12-01", "2018-06-01", "2018-12-01")]
    seasons = [*SUMMER, season("2018", "2018-04-01", "2018-06-15", "2018-09-30")]
    assert days(rows, seasons) == [("a", "2017-06-01"), ("a", "2018-06-01")]


def test_the_last_day_of_a_season_belongs_to_it():
    assert days([row("2017-09-30")], SUMMER) == [("a", "2017-09-30")]
    assert days([row("2017-10-01")], SUMMER) == []


@pytest.mark.parametrize(("start", "end"), [(None, "2017-09-30"), ("2017-04-01", None)])
def test_a_season_cut_by_the_end_of_the_record_reaches_half_a_year(start, end):
    cut = [season("2017", start, "2017-06-15", end)]
    near, far = ("2017-01-10", "2016-12-01") if start is None else ("2017-12-10", "2018-01-10")
    assert days([row(near), row(far)], cut) == [("a", near)]


def test_a_scene_of_two_seasons_is_shown_once():
    both = [*SUMMER, season("2017-2", "2017-09-01", "2017-11-01", None)]
    assert days([row("2017-09-10")], both) == [("a", "2017-09-10")]


def test_without_seasons_each_year_has_its_picture_near_the_same_day():
    rows = [row(f"{y}-{m}-05") for y in (2015, 2016) for m in ("02", "06", "11")]
    wanted = [("a", "2015-06-05"), ("a", "2016-06-05")]
    assert days(rows) == wanted
    evergreen = [season(None, None, None, None)]
    assert days(rows, evergreen) == wanted


def test_of_forty_years_twelve_are_shown_from_the_first_to_the_last():
    chosen = [int(d[:4]) for _, d in days([row(f"{y}-07-01") for y in range(1984, 2024)])]
    assert len(chosen) == 12
    assert (chosen[0], chosen[-1]) == (1984, 2023)
    assert set(np.diff(chosen)) == {3, 4}


def test_the_first_places_that_can_be_shown_are():
    places = [place(p) for p in "abcd"]
    rows = [row("2017-06-15", place_id=p) for p in "dcb"] + [row("2017-06-15", status="cloud")]
    assert days(rows, places=places, most=2) == [("b", "2017-06-15"), ("c", "2017-06-15")]
    assert days(rows, places=places, most=0) == []


def test_the_order_of_the_rows_changes_nothing():
    rng = np.random.default_rng(5)
    rows = [
        row(f"{y}-{m:02}-{d:02}", cloud=float(rng.integers(100)), clear=rng.random())
        for y in (2015, 2016, 2017)
        for m in range(1, 13)
        for d in (3, 19)
    ]
    whole = days(rows, SUMMER)
    for _ in range(5):
        rng.shuffle(rows)
        assert days(rows, SUMMER) == whole


def test_the_caption_says_why_and_what():
    rows = pd.DataFrame([row("2017-06-15", clear=0.976, cloud=12.4, value=0.7149)])
    (choice,) = choose_chips(rows, pd.DataFrame(SUMMER), [place()], "ndvi", most=1)
    said = "clearest of season 2017, NDVI 0.71, 98 % of the place clear, scene cloud 12 %"
    assert choice.caption == said
    rows["clear_fraction"] = rows["scene_cloud_cover"] = np.nan
    (choice,) = choose_chips(rows, None, [place()], "ndvi", most=1)
    assert choice.caption == "clearest of 2017, NDVI 0.71"


def test_a_table_without_rows_gives_no_pictures():
    rows = pd.DataFrame([row("2017-06-15")])[:0]
    assert choose_chips(rows, NO_SEASONS, [place()], "ndvi", most=3) == ()
