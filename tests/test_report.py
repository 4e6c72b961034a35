from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from shapely import MultiPolygon, box

from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.model import STATUSES, Place
from fieldwren.present import svg
from fieldwren.present.report import FULL_SECTIONS, style_table, write_report
from fieldwren.season.analysis import analyse


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and text outside of style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.hidden = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.hidden += tag == "style"

    def handle_endtag(self, tag):
        self.hidden -= tag == "style"

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def values(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]


def report(tmp_path, places, table, facts=RECEIPT):
    path = write_report(
        tmp_path / "report.html",
        table,
        places,
        analyse(table, "ndvi").series,
        index="ndvi",
        facts=facts,
    )
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    places = make_places()
    return report(tmp_path_factory.mktemp("four"), places, make_observations(places, years=2))


def test_it_loads_nothing_from_anywhere(four):
    page = Page(four)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "img", "object"})
    loads = page.values("src") + page.values("href") + page.values("action")
    assert all(link.startswith("#") for link in loads)
    assert not re.search(r"url\(|@import|https?:", four)


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


def test_a_missing_value_is_empty(four):
    assert not re.search(r"\b(nan|None|NaT|inf|null)\b", Page(four).text)


def test_every_observation_is_in_the_table(four):
    assert four.count('class="id">LC08') == len(make_observations(make_places(), years=2))


def test_simulated_data_are_called_so_and_real_data_are_not(four, tmp_path):
    assert "Simulated data." in Page(four).text
    places = make_places()[:1]
    real = report(tmp_path, places, make_observations(places, years=1), facts={})
    assert "imulated" not in Page(real).text


def test_text_from_outside_stays_text(tmp_path):
    places = [
        dataclasses.replace(p, name=HOSTILE, id=f"<b>{i}") for i, p in enumerate(make_places())
    ]
    table = make_observations(places, years=1).assign(reason="<img src=x onerror=alert(1)>")
    facts = RECEIPT | {"archive": {"name": "<script>x</script>"}, "arguments": {"<i>": "<u>"}}
    page = Page(report(tmp_path, places, table, facts))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "b", "u"})
    assert "<script>alert" in page.text
    assert "{{ 7*7 }}" in page.text


def test_a_place_without_clear_dates_or_scenes_is_explained(tmp_path):
    places = make_places()
    table = make_observations(places, years=2)
    table = table[(table["place_id"] != "sula") & (table["status"] != "ok")]
    text = Page(report(tmp_path, places, table)).text
    assert "No clear observation in" in text
    assert "No scene of this place was found." in text


def test_eight_places_with_three_hundred_rows_stay_below_3_mb(tmp_path):
    places = make_places(4)
    text = report(tmp_path, places, make_observations(places, years=6.6))
    assert len(text.encode()) < 3e6


def test_of_very_many_places_the_first_have_a_section_and_all_a_row(tmp_path):
    places = make_places(80)
    text = report(tmp_path, places, make_observations(places, years=0.5))
    assert text.count('id="place-') == 2 * FULL_SECTIONS
    assert all(f">{place.name}<" in text for place in places)
    assert len(text.encode()) < 25e6 * len(places) / 500


def test_a_place_on_both_sides_of_the_antimeridian_is_drawn_in_one_piece():
    halves = MultiPolygon([box(179.9, -17, 180, -16.8), box(-180, -17, -179.9, -16.8)])
    fiji = Place(id="fiji", name="Fiji", geometry=halves)
    scale_bar = re.search(r"(\d+) km", svg.outline(fiji, "#fff"))
    assert scale_bar
    assert scale_bar[1] == "10"
    drawn = svg.overview([fiji], ["#fff"], [""])
    assert re.search(r"179\.\d+° W", drawn)
    assert re.search(r"179\.\d+° E", drawn)


def test_names_on_the_overview_do_not_cover_each_other():
    drawn = svg.overview(make_places(8), ["#fff"] * 12, [""] * 12)
    labels = re.findall(r'<text class="name (\w+)" x="([\d.]+)" y="([\d.]+)">([^<]+)<', drawn)
    spans = []
    for side, x, y, name in labels:
        width = 6.5 * len(name)
        left = float(x) - (width if side == "end" else 0)
        spans.append((left, left + width, float(y)))
    for i, (left, right, y) in enumerate(spans):
        for other_left, other_right, other_y in spans[:i]:
            assert right < other_left or other_right < left or abs(y - other_y) > 10
    assert len(labels) >= 4


def test_one_place_gives_its_name_to_the_page(tmp_path):
    places = make_places()[1:2]
    assert "<h1>NDVI of Napa Valley</h1>" in report(tmp_path, places, make_observations(places))


def test_a_run_of_another_index_shows_that_index(tmp_path):
    places = make_places()[:2]
    table = make_observations(places, years=1).rename(columns={"ndvi": "cig"})
    path = write_report(tmp_path / "r.html", table, places, index="cig")
    assert "CIG of 2 places" in path.read_text("utf-8")


def test_a_styled_table_colours_the_index_and_escapes_the_rest():
    table = make_observations(make_places()[:1], years=0.3).assign(reason="<script>")
    shown = style_table(table, index="ndvi").to_html()
    assert "background-color: #" in shown
    assert "<script>" not in shown
