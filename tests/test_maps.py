from __future__ import annotations

import dataclasses
import re
import sys

import pytest

from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.errors import MissingExtraError
from fieldwren.present.maps import map_places
from fieldwren.season.analysis import analyse


def page(places, *, years=0.5, facts=RECEIPT):
    table = make_observations(places, years=years)
    series = analyse(table, "ndvi").series
    return map_places(table, places, series, index="ndvi", facts=facts).get_root().render()


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
    table = make_observations([place], years=0.3)
    text = map_places(table[:0], [place], index="ndvi").get_root().render()
    assert "No scene of this place was found." in text
    assert "#c8ccd0" in text


def test_without_folium_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "folium", None)
    with pytest.raises(MissingExtraError, match=r"fieldwren\[pictures\]"):
        page(make_places())
