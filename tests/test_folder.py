"""The files of a folder of results, and what strange names do to them."""

from __future__ import annotations

import csv
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fake_results import HOSTILE, RECEIPT, make_observations, make_places
from fieldwren.model import Place
from fieldwren.results import Results

FORMULA = "=cmd|' /C calc'!A0"
STRANGE = [
    HOSTILE,
    FORMULA,
    "</script><script>alert(1)</script>",
    "\u202eمزرعة 🌾\u2028",
    'a,"b"',
    "n" * 300,
    " ",
]


def results_of(*names: str) -> Results:
    """A point for each name, which is its id, too."""
    geometry = make_places()[3].geometry
    places = [Place(id=name, name=name, geometry=geometry) for name in names]
    rows = pa.Table.from_pandas(make_observations(places, years=1), preserve_index=False)
    return Results(places=tuple(places), rows=rows, receipt=RECEIPT)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_as_text_look_alike(tmp_path):
    results_of("a field", "another").save(tmp_path, plots="none")
    for path in tmp_path.glob("*.csv"):
        text = path.read_bytes()
        assert text.startswith(b"place_id,")
        assert b"\r" not in text
        first = text.splitlines()[1]
        assert first.startswith(b"a field,")


def test_the_curve_as_text_is_the_curve(tmp_path):
    results = results_of("a field", 'with "quotes", and a comma')
    results.save(tmp_path, plots="none")
    text = pd.read_csv(tmp_path / "series.csv", parse_dates=["date"])
    assert text.columns.tolist() == results.smooth.columns.tolist()
    for name in ("place_id", "gap"):
        assert text[name].tolist() == results.smooth[name].tolist()
    assert (text["date"] == results.smooth["date"]).all()
    for name in ("smooth", "low", "high"):
        np.testing.assert_allclose(text[name], results.smooth[name], atol=6e-6)


@pytest.mark.parametrize("name", STRANGE)
def test_strange_names_are_kept_in_all_tables_and_stay_in_the_folder(name, tmp_path):
    out = tmp_path / "deep" / "out"
    results = results_of(name, "plain")
    results.save(out)
    for table in ("observations", "series", "anomalies", "seasons", "adequacy"):
        assert read(out / f"{table}.csv")[0]["place_id"] == name
    assert len(list((out / "plots").iterdir())) == 2
    assert {p.parent for p in tmp_path.rglob("*") if p.is_file()} == {out, out / "plots"}
    loaded = Results.load(out)
    assert [(p.id, p.name) for p in loaded.places] == [(name, name), ("plain", "plain")]


def test_a_place_without_a_name_is_called_by_its_id_in_all_pictures(tmp_path):
    geometry = make_places()[1].geometry
    places = [Place(id="north-40", name=" \u2028", geometry=geometry)]
    rows = pa.Table.from_pandas(make_observations(places, years=1), preserve_index=False)
    results = Results(places=tuple(places), rows=rows, receipt=RECEIPT)
    assert "north-40" in [text.get_text() for text in results.plot("north-40").texts]
    assert "<b>north-40</b>" in results.map().get_root().render().replace("\\u003c", "<").replace(
        "\\u003e", ">"
    )
    report = results.report(tmp_path / "report.html").read_text("utf-8")
    assert re.search(r'<text class="name [^>]*>north-40</text>', report)


def test_what_there_is_one_of_is_said_so():
    assert repr(results_of("a")).startswith("<Results: 1 place, 45 rows: {")
    assert repr(results_of("a", "b")).startswith("<Results: 2 places, 90 rows: {")
