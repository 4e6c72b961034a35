from __future__ import annotations

import dataclasses
import json
import re
import sys

import pytest

from fake_analysis import make_analysis
from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.errors import MissingExtraError
from fieldwren.present import style
from fieldwren.present.maps import map_places


def drawn(places, *, years=0.5, facts=RECEIPT):
    analysis = make_analysis(places, make_observations(places, years=years))
    return map_places(places, analysis, index="ndvi", facts=facts)


def page(places, **how):
    return drawn(places, **how).get_root().render()


def properties(text):
    """What the page says of each place, outlines first."""
    found = re.findall(r'"properties": (\{.*?"style": \{.*?\}\})', text)
    return [json.loads(part) for part in found]


@pytest.fixture(scope="module")
def four():
    return page(make_places(), years=2)


def test_all_places_are_on_it_with_their_figures(four):
    for place in make_places():
        assert four.count(f'"name": "{place.name}"') == 2  # an outline and a mark
    assert re.search(r'"mean": "NDVI 0\.\d{3}"', four)
    assert re.search(r'"latest": "0\.\d{3} on 2015-0\d-\d\d"', four)


def test_it_has_two_base_maps_a_legend_and_a_curve_for_each_place(four):
    assert "World_Imagery" in four
    assert "openstreetmap.org" in four
    assert "L.control.layers" in four
    assert "Mean NDVI" in four
    assert four.count(r"\u003csvg class=") == 8


def test_only_leaflet_is_loaded(four):
    loads = re.findall(r'(?:src|href)="(https?:[^"]+)"', four)
    assert loads
    assert all("/leaflet@" in link for link in loads)


def test_simulated_data_are_called_so(four):
    assert "Simulated data" in four
    assert "imulated" not in page(make_places(), facts={})


def test_no_name_becomes_markup_or_template():
    places = [dataclasses.replace(p, name=HOSTILE) for p in make_places()]
    facts = {"archive": {"name": "{{ 7*7 }}<script>"}}
    text = page(places, facts=facts)
    assert "<script>alert" not in text
    assert r"\u003cscript" not in text
    assert "&lt;script&gt;" in text or r"\u0026lt;script\u0026gt;" in text
    assert "&#123;&#123; 7*7 }}" in text


def test_hundreds_of_places_stay_small():
    assert len(page(make_places(196), years=0.3).encode()) < 1.6e6


def test_a_place_that_was_never_seen_is_grey():
    place = make_places()[0]
    analysis = make_analysis([place], make_observations([place], years=0.3)[:0])
    text = map_places([place], analysis, index="ndvi").get_root().render()
    assert "No scene of this place was found." in text
    assert properties(text)[0]["style"]["fillColor"] == style.ABSENT


def test_without_years_to_compare_with_the_colour_is_the_mean(four):
    assert "Mean NDVI" in four
    table = make_observations(make_places(), years=2)
    clear = table[(table["status"] == "ok") & (table["place_id"] == "napa")]
    scale = style.value_range("ndvi", clear["ndvi"])
    (napa, _) = [p for p in properties(four) if p["name"] == "Napa Valley"]
    assert napa["style"]["fillColor"] == scale.colour(clear["ndvi"].mean())
    assert napa["anomaly"] == "none"


def test_with_them_it_is_the_latest_anomaly():
    places = make_places()
    table = make_observations(places, years=6)
    table = table[(table["place_id"] != "sula") | (table["datetime"] < "2014-01-01")]
    analysis = make_analysis(places, table)
    text = map_places(places, analysis, index="ndvi").get_root().render()
    assert "Latest anomaly of NDVI" in text
    known = analysis.anomalies.dropna(subset=["z"]).groupby("place_id").last()
    assert set(known.index) == {"coffee", "napa", "death-valley"}
    for said in properties(text):
        (place,) = [p for p in places if p.name == said["name"]]
        z = known["z"].get(place.id)
        assert said["style"]["fillColor"] == style.ANOMALIES.colour(z)
        if z is None:
            assert said["anomaly"] == "none"
        else:
            number = f"{z:.1f}".replace("-", "\N{MINUS SIGN}")
            assert said["anomaly"] == f"{number} on {known['date'][place.id]:%Y-%m-%d}"
            assert f"anomaly {number}:" in said["html"]
            assert "is usual" in said["html"]


def test_notebooks_show_it():
    assert "<iframe" in drawn(make_places())._repr_html_()


def test_without_folium_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "folium", None)
    with pytest.raises(MissingExtraError, match=r"fieldwren\[pictures\]"):
        page(make_places())
