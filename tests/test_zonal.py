"""Weighted statistics: by hand, by property, and against exactextract."""

from __future__ import annotations

import time

import exactextract
import numpy as np
import pytest
import shapely
from exactextract.feature import JSONFeatureSource
from exactextract.raster import NumPyRasterSource
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from fieldwren.pixels.zonal import totals, zonal

NAMES = {
    "mean": "mean",
    "median": "median",
    "std": "stdev",
    "min": "min",
    "max": "max",
    "p10": "quantile_10",
    "p90": "quantile_90",
}
OPERATIONS = [
    "mean", "median", "stdev", "min", "max",
    "quantile(q=0.1)", "quantile(q=0.9)", "values", "coverage", "count",
]  # fmt: skip


@pytest.mark.parametrize("decimals", [12, 1], ids=["distinct values", "many equal values"])
def test_every_statistic_equals_that_of_exactextract(decimals):
    rng = np.random.default_rng(decimals)
    pixels = np.round(rng.normal(0.5, 0.3, (40, 40)), decimals)
    raster = NumPyRasterSource(pixels, xmin=0, ymin=0, xmax=40, ymax=40)
    features = [
        {
            "geometry": shapely.geometry.mapping(shapely.Point(x, y).buffer(radius)),
            "properties": {},
        }
        for x, y, radius in zip(
            *rng.uniform(8, 32, (2, 80)), rng.choice([0.1, 0.6, 2, 7], 80), strict=True
        )
    ]
    expected = [
        found["properties"]
        for found in exactextract.exact_extract(raster, JSONFeatureSource(features), OPERATIONS)
    ]
    places = np.cumsum([0, *(len(e["values"]) for e in expected)])
    weights = np.concatenate([e["coverage"] for e in expected])
    found = zonal(np.concatenate([e["values"] for e in expected]), weights, places)
    assert list(found) == list(NAMES)
    for ours, theirs in NAMES.items():
        assert_allclose(found[ours], [e[theirs] for e in expected], 1e-9, 1e-15, err_msg=ours)
    assert_allclose(totals(weights, places), [e["count"] for e in expected], rtol=1e-9)


def test_a_place_worked_by_hand():
    values, weights = np.array([3.0, 1.0, 2.0, 1.0]), np.array([1.0, 0.25, 0.5, 0.25])
    found = zonal(values, weights, np.array([0, 4]))
    # Merged: 1, 2, 3 of weights .5, .5, 1, which stand at 0, .5 + 2*.5, 2 + 2*1, or 0, 1.5, 4.
    expected = {
        "mean": 2.25,
        "median": 2 + (2 - 1.5) / 2.5,
        "std": np.sqrt((0.5 * 1.25**2 + 0.5 * 0.25**2 + 0.75**2) / 2),
        "min": 1.0,
        "max": 3.0,
        "p10": 1 + 0.4 / 1.5,
        "p90": 2 + (3.6 - 1.5) / 2.5,
    }
    for name, value in expected.items():
        assert_allclose(found[name], [value], err_msg=name)


def test_places_without_entries_are_nan_and_total_zero():
    places = np.array([0, 0, 2, 2, 3, 3])
    found = zonal(np.array([1.0, 3.0, 5.0]), np.ones(3), places)
    nan = np.nan
    assert_array_equal(found["mean"], [nan, 2, nan, 5, nan])
    assert_array_equal(found["median"], [nan, 2, nan, 5, nan])
    assert_array_equal(found["std"], [nan, 1, nan, 0, nan])
    assert_array_equal(totals(np.ones(3), places), [0, 2, 0, 1, 0])


@pytest.mark.parametrize("count", [0, 3])
def test_no_entries_at_all_are_no_error(count):
    nothing, places = np.empty(0), np.zeros(count + 1, np.int64)
    assert all(np.isnan(column).all() for column in zonal(nothing, nothing, places).values())
    assert_array_equal(totals(nothing, places), np.zeros(count))


def test_equal_weights_and_distinct_values_give_the_usual_quantiles():
    values = np.random.default_rng(1).normal(size=501)
    found = zonal(values, np.full(501, 0.7), np.array([0, 501]))
    assert_allclose(
        [found["p10"][0], found["median"][0], found["p90"][0]], np.quantile(values, [0.1, 0.5, 0.9])
    )


@given(
    st.lists(
        st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-6, 1)), max_size=12),
        min_size=1,
        max_size=6,
    )
)
def test_a_place_has_the_same_statistics_alone_and_in_company(groups):
    flat = np.array([entry for group in groups for entry in group]).reshape(-1, 2)
    places = np.cumsum([0, *map(len, groups)])
    together = zonal(flat[:, 0], flat[:, 1], places)
    for place, group in enumerate(groups):
        entries = np.array(group).reshape(-1, 2)
        alone = zonal(entries[:, 0], entries[:, 1], np.array([0, len(group)]))
        for name, column in together.items():
            assert_allclose(column[place], alone[name][0], rtol=1e-9, atol=1e-12, err_msg=name)
        if group:
            low, high = together["min"][place], together["max"][place]
            inner = [together[name][place] for name in ("p10", "median", "p90")]
            assert low - 1e-12 <= min(inner)
            assert max(inner) <= high + 1e-12
            assert inner == sorted(inner)


def test_more_places_than_a_16_bit_number_holds_stay_apart():
    count = 70_000
    values = np.tile([2.0, 1.0], count) + np.repeat(np.arange(count), 2)
    found = zonal(values, np.ones(2 * count), np.arange(0, 2 * count + 1, 2))
    assert_array_equal(found["min"], np.arange(count) + 1.0)
    assert_array_equal(found["max"], np.arange(count) + 2.0)


def test_a_million_entries_of_ten_thousand_places_take_less_than_half_a_second():
    rng = np.random.default_rng(0)
    places = np.concatenate([[0], np.sort(rng.integers(0, 1_000_000, 9_999)), [1_000_000]])
    values, weights = rng.normal(0.5, 0.2, 1_000_000), rng.uniform(0.01, 1, 1_000_000)
    start = time.process_time()
    zonal(values, weights, places)
    assert time.process_time() - start < 0.5
