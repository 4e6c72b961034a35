"""The report as text: what is in the file before a browser runs it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
from base64 import b64encode
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from shapely import MultiPolygon, box

from fake_analysis import make_analysis
from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.model import STATUSES, Place
from fieldwren.present import svg
from fieldwren.present.chip_picture import ChipPicture
from fieldwren.present.facts import Facts
from fieldwren.present.findings import LatestAnomaly, counted, latest_anomalies, stand_outs
from fieldwren.present.report import write_report
from fieldwren.present.report_data import encode, fit_pictures
from fieldwren.present.style import Scale
from fieldwren.present.summary import summarise


class Page(HTMLParser):
    """What a browser would see: tags with attributes, text, and the blocks of data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.blocks, self.inside = [], [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in {"style", "script"}:
            self.inside = dict(attrs).get("id", tag)

    def handle_endtag(self, tag):
        if tag in {"style", "script"}:
            self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.blocks.setdefault(self.inside, []).append(data)
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def values(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]

    def data(self, block):
        return json.loads("".join(self.blocks[block]))


def report(tmp_path, places, table, facts=RECEIPT, chips=None, index="ndvi"):
    path = write_report(
        tmp_path / "report.html",
        places=places,
        analysis=make_analysis(places, table),
        index=index,
        facts=facts,
        chips=chips,
    )
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    places = make_places()
    return report(tmp_path_factory.mktemp("four"), places, make_observations(places))


def test_it_loads_nothing_from_anywhere(four):
    page = Page(four)
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "img", "object", "embed"})
    loads = page.values("src") + page.values("href") + page.values("action")
    assert all(link.startswith("#") for link in loads)
    assert not re.search(r"url\(|@import|https?:(?!//www\.w3\.org/2000/svg)", four)


def test_its_policy_allows_only_what_is_written_in_it(four):
    page = Page(four)
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    for text in (*page.blocks["style"], *page.blocks["script"]):
        assert b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert not page.values("style")
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_every_link_leads_somewhere(four):
    page = Page(four)
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)


def test_all_places_and_statuses_are_present(four):
    text = Page(four).text
    assert all(place.name in text for place in make_places())
    assert all(meaning in text for meaning in STATUSES.values())


def test_it_says_where_the_numbers_come_from(four):
    text = Page(four).text
    for said in ("(nir - red) / (nir + red)", "the archive demo", "48.2 MB", "3,012", "2013-06-01"):
        assert said in text
    assert "251 scenes of landsat-8 (landsat-c2-l2), by fieldwren 0.1.0" in text


def test_a_missing_value_is_empty(four):
    assert not re.search(r"\b(nan|None|NaT|inf|null)\b", Page(four).text)


def test_the_rows_of_a_place_stand_in_its_block(four):
    page, table = Page(four), make_observations(make_places())
    napa = table[table["place_id"] == "napa"].sort_values("datetime")
    rows, texts = page.data("place-2-data")["rows"], page.data("shared")["texts"]
    assert [texts[number] for number in rows["scene"]] == napa["scene_id"].tolist()
    assert [list(STATUSES)[number] for number in rows["status"]] == napa["status"].tolist()
    shown = np.array([np.nan if v is None else v for v in rows["value"]])
    np.testing.assert_allclose(shown, napa["ndvi"], atol=5e-5)
    days = napa["datetime"].dt.tz_localize(None).to_numpy("M8[D]").astype(int)
    assert rows["date"] == days.tolist()


def test_the_curve_of_a_place_keeps_band_and_gaps(four):
    places = make_places()
    series = make_analysis(places, make_observations(places)).series
    sula = series[series["place_id"] == "sula"].reset_index(drop=True)
    curve = Page(four).data("place-4-data")["curve"]
    kept = sula.iloc[:: curve["step"]]
    for name, sign in (("smooth", 0), ("low", -1), ("high", 1)):
        side = {0: "value", -1: "below", 1: "above"}[sign]
        drawn = np.array(curve["value"], float) + (
            sign * np.array(curve[side], float) if sign else 0
        )
        np.testing.assert_allclose(drawn / 1000, kept[name], atol=0.0011)
    days = sula["date"].to_numpy("M8[D]").astype(int)
    inside = np.zeros(len(days), bool)
    for first, last in curve["gaps"]:
        inside |= (days >= first) & (days <= last)
    assert (inside == sula["gap"]).all()


def test_simulated_data_are_called_so_and_real_data_are_not(four, tmp_path):
    page = Page(four)
    assert page.text.count("simulated") >= 2 * len(make_places())
    assert "Simulated data." in page.text
    places = make_places()[:1]
    real = report(tmp_path, places, make_observations(places, years=1), facts={})
    assert "imulated" not in Page(real).text


NAMES = [
    HOSTILE,
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "\u202eمزرعة 🌾\u2028",
    "n" * 300,
]


def test_text_from_outside_stays_text(tmp_path):
    places = [
        dataclasses.replace(
            place,
            name=name,
            id=f"<b>{i}</script>",
            properties={"<u>": "<i>", '"': "</script>", "lone": "\ud800"},
        )
        for i, (place, name) in enumerate(zip(make_places(1), NAMES, strict=True))
    ]
    table = make_observations(places, years=1).assign(
        reason="</script><img src=x onerror=alert(1)>", scene_id="<svg onload=alert(3)>\u2028"
    )
    facts = RECEIPT | {"archive": {"name": "<script>x</script>"}, "arguments": {"<i>": "<u>"}}
    picture = ChipPicture(
        date=dt.date(2014, 1, 1),
        scene_id="</script>",
        caption="<b>",
        index_png=b"1",
        colour_png=None,
    )
    text = report(tmp_path, places, table, facts, chips={places[0].id: [picture]})
    page = Page(text)
    known = {
        tag
        for tag, _ in Page(
            report(tmp_path, make_places(), make_observations(make_places(), years=1))
        ).tags
    }
    assert {tag for tag, _ in page.tags} <= known | {"ul"}
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 4 + len(places)
    assert "<script>alert" in page.text
    assert "{{ 7*7 }}" in page.text
    assert "\u202e" not in text
    assert "\u2028" not in text
    data = page.data("place-1-data")
    shown = page.data("place-1-pictures")
    texts = page.data("shared")["texts"]
    assert texts[data["rows"]["reason"][0]] == "</script><img src=x onerror=alert(1)>"
    assert shown[0]["scene"] == "</script>"


def test_data_cannot_leave_their_element():
    text = encode({"</script>": "<!-- \u2028 é \ud800"})
    assert "<" not in text
    assert text.isascii()
    assert json.loads(text) == {"</script>": "<!-- \u2028 é \ud800"}


def test_a_place_without_clear_dates_or_scenes_is_explained(tmp_path):
    places = make_places()
    table = make_observations(places, years=2)
    table = table[(table["place_id"] != "sula") & (table["status"] != "ok")]
    page = Page(report(tmp_path, places, table))
    assert "No clear observation in" in page.text
    assert "No scene of this place was found." in page.text
    assert "4 places have no clear date at all." in page.text


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5, 0.5, 0.5], [3.0, -7.0, 1e9, -1e12]])
def test_odd_values_are_written_and_not_a_crash(values, tmp_path):
    place = make_places()[:1]
    table = make_observations(place, years=0.5).head(len(values))
    table = table.assign(status="ok", ndvi=values, reason=None)
    page = Page(report(tmp_path, place, table))
    assert page.data("place-1-data")["rows"]["value"] == pytest.approx(values)


def test_the_map_is_coloured_by_anomaly_or_else_by_mean(four, tmp_path):
    assert "no anomaly known" in Page(four).text
    places = make_places()
    short = Page(report(tmp_path, places, make_observations(places, years=1)))
    assert "Mean NDVI \N{MINUS SIGN}0.20 1.00" in short.text
    assert "it takes three other years to compare with" in short.text


def test_an_anomaly_of_long_ago_is_not_the_latest():
    rows = [("a", "2016-06-11", 1.9), ("b", "2018-05-21", -1.2), ("b", "2018-06-01", None)]
    table = pd.DataFrame(rows, columns=["place_id", "date", "z"]).assign(value=0.3, expected=0.5)
    latest = latest_anomalies(table.assign(date=pd.to_datetime(table["date"])))
    assert {place: str(one.date) for place, one in latest.items()} == {"b": "2018-05-21"}


def observed(n):
    table = make_observations(make_places()[:1], years=1).head(n)
    return summarise(table.assign(status="ok", ndvi=0.5), "ndvi")


def anomaly(z):
    return LatestAnomaly(date=dt.date(2018, 5, 1), value=0.3, expected=0.5, z=z)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"smooth": "whittaker", "smooth_lambda": 0.0}, "whittaker, lambda chosen for each place"),
        ({"smooth": "whittaker", "smooth_lambda": 1000.0}, "whittaker, lambda 1000"),
        ({"smooth": "workshop", "outliers": False}, "workshop; outliers are not looked for"),
        ({}, ""),
    ],
)
def test_the_report_says_which_curve_it_draws(arguments, words, tmp_path):
    page = report(
        tmp_path, make_places()[:1], make_observations(make_places()[:1]), {"arguments": arguments}
    )
    assert Facts.of({"arguments": arguments}).curve == words
    assert (f"<dt>Curve</dt><dd>{words}</dd>" in page) == bool(words)


def test_the_extremes_are_said_in_sentences():
    found = stand_outs(
        [observed(9)] * 4, [anomaly(-2.34), None, anomaly(1.5), anomaly(0)], "ndvi", 2
    )
    low, high, spread, data = found
    assert (low.place, high.place) == (0, 2)
    assert (
        "NDVI 0.30 in the ten days from 2018-05-01 where 0.50 is usual (\N{MINUS SIGN}2.3 "
        in low.after
    )
    counts = "1 place below the usual for the time of year, 1 as usual, 1 above, 1 unknown"
    assert spread.before == f"Latest values: {counts}."
    assert data.before == "Each place with data has 9 clear dates or more."


def test_how_far_the_data_carry_is_said_of_places_that_have_some():
    *_, data, blind = stand_outs([observed(n) for n in (1, 4, 9, 0)], [None] * 4, "ndvi", 2)
    assert data.before == "Each place with data has 1 clear date or more, half of them 4 or more."
    assert blind.before == "1 place has no clear date at all."


def test_things_are_counted():
    assert [counted(n, "pass") for n in (1, 1200)] == ["1 pass", "1,200 passes"]
    assert [counted(n, "place") for n in (0, 1)] == ["0 places", "1 place"]


def test_an_ordinary_place_is_no_extreme():
    (only,) = stand_outs([observed(9)], [anomaly(0.2)], "ndvi", 2)
    assert only.before == "Its latest value is as usual for the time of year."


def picture(day, size):
    return ChipPicture(
        date=dt.date(2018, 1, day),
        scene_id="s",
        caption="c",
        index_png=b"i" * size,
        colour_png=None,
    )


def test_pictures_are_dropped_the_oldest_first_when_there_are_too_many():
    chips = {"a": [picture(1, 40), picture(3, 40), picture(2, 40)], "b": [picture(4, 40)]}
    kept, left_out = fit_pictures(chips, limit=170)
    assert {place: [p.date.day for p in ps] for place, ps in kept.items()} == {
        "a": [2, 3],
        "b": [4],
    }
    assert left_out == 1


def test_dropped_pictures_are_said(tmp_path):
    places = make_places()[:1]
    chips = {places[0].id: [picture(1, 9_000_000), picture(2, 9_000_000)]}
    page = Page(report(tmp_path, places, make_observations(places, years=1), chips=chips))
    assert "1 are left out, so that the file stays small enough to send" in page.text


def test_a_place_on_both_sides_of_the_antimeridian_is_drawn_in_one_piece():
    halves = MultiPolygon([box(179.9, -17, 180, -16.8), box(-180, -17, -179.9, -16.8)])
    fiji = Place(id="fiji", name="Fiji", geometry=halves)
    scale_bar = re.search(r"(\d+) km", svg.outline(fiji, "#fff"))
    assert scale_bar
    assert scale_bar[1] == "10"
    drawn = svg.overview([fiji], ["#fff"], ["fiji"], ["Fiji"])
    assert re.search(r"179\.\d+° W", drawn)
    assert re.search(r"179\.\d+° E", drawn)


def test_names_on_the_overview_do_not_cover_each_other():
    drawn = svg.overview(make_places(8), ["#fff"] * 12, ["a"] * 12, ["w"] * 12)
    pattern = (
        r'translate\(([\d.]+) ([\d.]+)\)">(?:<circle[^>]*>)?'
        r'<text class="name (\w+)" x="([-\d.]+)" y="([-\d.]+)">([^<]+)<'
    )
    spans = []
    for x, y, side, dx, dy, name in re.findall(pattern, drawn):
        width = 6.5 * len(name)
        left = float(x) + float(dx) - (width if side == "end" else 0)
        spans.append((left, left + width, float(y) + float(dy)))
    for i, (left, right, y) in enumerate(spans):
        for other_left, other_right, other_y in spans[:i]:
            assert right < other_left or other_right < left or abs(y - other_y) > 10
    assert len(spans) >= 4


def test_a_sparkline_is_broken_where_the_curve_says_nothing():
    days = pd.date_range("2018-01-01", periods=6).astype("M8[s]")
    series = pd.DataFrame({"date": days, "smooth": [0.1, 0.2, np.nan, np.nan, 0.3, 0.4]})
    drawn = svg.sparkline(series, Scale(low=0, high=1))
    assert drawn.count("M") == 2
    assert "nan" not in drawn
    assert svg.sparkline(series.assign(smooth=np.nan), Scale(low=0, high=1)) == ""
    assert svg.sparkline(None, Scale(low=0, high=1)) == ""


def test_one_place_gives_its_name_to_the_page(tmp_path):
    places = make_places()[1:2]
    text = report(tmp_path, places, make_observations(places))
    assert "<h1><bdi>NDVI of Napa Valley</bdi></h1>" in text


def test_a_run_of_another_index_shows_that_index_with_its_decimals(tmp_path):
    places = make_places()[:2]
    table = make_observations(places, years=1)
    analysis = make_analysis(places, table)
    wide = table.assign(cig=table["ndvi"] * 100).drop(columns="ndvi")
    analysis.observations = wide
    path = write_report(tmp_path / "r.html", places=places, analysis=analysis, index="cig")
    page = Page(path.read_text("utf-8"))
    assert "CIG of 2 places" in page.text
    assert page.data("shared")["digits"] == 2
