"""Values outside [-1, 1]: what the curve leaves out, means and ranges leave out, too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_results import RECEIPT, make_observations, make_places
from fieldwren.present import style
from fieldwren.present.summary import summarise
from fieldwren.results import Results
from fieldwren.season.strays import GREATEST, find_strays


def places_of(values):
    """Two places, all rows clear; the values of the first, and 0.5."""
    places = make_places()[:2]
    table = make_observations(places, years=2)
    table = table.assign(status="ok", reason=None, ndvi=0.5, clear_fraction=1.0)
    table.loc[table.index[: len(values)], "ndvi"] = values
    return places, table


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0.2, 1.0, -1.0, 1.1, -3.0, 1e9, np.nan])),
        min_size=1,
        max_size=80,
    )
)
def test_strays_are_what_is_outside_in_places_where_little_is(pairs):
    place, value = (np.array(column) for column in zip(*pairs, strict=True))
    found = find_strays(value, place)
    for number in range(4):
        own = [v for p, v in pairs if p == number and np.isfinite(v)]
        few = sum(abs(v) > 1 for v in own) <= 0.1 * len(own)
        expected = [(few and abs(v) > 1) or abs(v) > GREATEST for p, v in pairs if p == number]
        assert found[place == number].tolist() == expected


def test_one_stray_changes_neither_mean_nor_curve_nor_range():
    places, table = places_of([0.4, 1.4])
    rows = pa.Table.from_pandas(table, preserve_index=False)
    results = Results(places=tuple(places), rows=rows, receipt=RECEIPT)
    count = int((table["place_id"] == places[0].id).sum())
    mean = (0.4 + 0.5 * (count - 2)) / (count - 1)
    assert results.summary()["mean_ndvi"].tolist() == pytest.approx([mean, 0.5])
    assert results.summary()["clear_dates"].tolist() == [count, count]
    one = summarise(table[table["place_id"] == places[0].id], "ndvi")
    assert (one.mean, one.clear) == (pytest.approx(mean), count)
    assert results.smooth["smooth"].max() < 0.51
    assert style.range_of_rows(table, "ndvi") == style.Scale(low=-0.2, high=1.0)
    assert "not used for curve and mean" in results.analysis.notes[places[0].id][0]


def test_the_latest_value_is_no_stray():
    _, table = places_of([])
    first = table[table["place_id"] == table["place_id"].iloc[0]].sort_values("datetime")
    first = first.assign(ndvi=[*[0.5] * (len(first) - 2), 0.3, -4.0])
    summary = summarise(first, "ndvi")
    assert summary.latest == 0.3
    assert summary.last == first["datetime"].iloc[-2]


def test_an_index_that_is_not_bounded_has_no_strays():
    places, table = places_of([2.0 + k % 3 for k in range(40)])
    one = summarise(table[table["place_id"] == places[0].id], "ndvi")
    assert one.mean > 1
    assert style.range_of_rows(table.rename(columns={"ndvi": "cig"}), "cig").high > 4
