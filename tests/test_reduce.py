"""Pixels to rows, on grids that a reader can check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fieldwren.model import Recipe
from fieldwren.pixels.indices import INDICES
from fieldwren.pixels.masks import Quality
from fieldwren.pixels.reduce import reduce

NDVI = Recipe(indices=(INDICES["ndvi"],))
CLEAR, CLOUD, SHADOW, FILL = Quality.CLEAR, Quality.CLOUD, Quality.SHADOW, Quality.FILL


def rows(codes, weights, places, *, red=None, nir=None, recipe=NDVI):
    bands = {} if red is None else {"red": np.array(red, float), "nir": np.array(nir, float)}
    return reduce(
        codes=np.array(codes, np.uint8),
        weights=np.array(weights, float),
        places=np.array(places),
        bands=bands,
        recipe=recipe,
    )


def test_the_mean_is_of_indices_per_pixel_weighted_by_coverage():
    found = rows([CLEAR] * 2, [1, 0.5], [0, 2], red=[0.1, 0.2], nir=[0.3, 0.2])
    # NDVI .5 and 0: (1 * .5 + .5 * 0) / 1.5, and not the index of the mean bands.
    assert found.columns["ndvi"][0] == pytest.approx(1 / 3)
    assert found.columns["red"][0] == pytest.approx((0.1 + 0.1) / 1.5)
    assert found.columns["ndvi_interior"][0] == pytest.approx(0.5)
    assert found.columns["n_interior"][0] == 1
    assert found.statuses == ("ok",)
    assert found.reasons == (None,)


def test_masked_pixels_do_not_count_and_are_named():
    found = rows(
        [CLEAR, CLOUD, CLOUD, SHADOW],
        [1, 1, 1, 1],
        [0, 4],
        red=[0.1, np.nan, np.nan, np.nan],
        nir=[0.3, np.nan, np.nan, np.nan],
    )
    assert found.columns["ndvi"][0] == pytest.approx(0.5)
    assert found.columns["n_pixels"][0] == 4
    assert found.columns["n_clear"][0] == 1
    assert found.columns["clear_fraction"][0] == 0.25
    assert found.columns["cloud_fraction"][0] == 0.5
    assert found.statuses == ("low_coverage",)
    assert found.reasons == ("25% of the place is clear: cloud 50%, shadow 25%",)


def test_a_place_without_a_clear_pixel_has_no_value_and_the_commonest_cause():
    found = rows([CLOUD, SHADOW, SHADOW], [1, 0.4, 0.4], [0, 3])
    assert np.isnan(found.columns["ndvi"][0])
    assert np.isnan(found.columns["red"][0])
    assert found.statuses == ("cloud",)


def test_places_do_not_mix_and_one_without_pixels_is_fill():
    found = rows([CLEAR, CLOUD], [1, 1], [0, 1, 2, 2], red=[0.1, np.nan], nir=[0.3, np.nan])
    assert found.statuses[:2] == ("ok", "cloud")
    assert found.columns["n_pixels"].tolist() == [1, 1, 0]
    assert np.isnan(found.columns["clear_fraction"][2])


def test_missing_data_name_the_row_only_where_there_are_no_others():
    assert rows([FILL, FILL, CLOUD], [1] * 3, [0, 3]).statuses == ("cloud",)
    assert rows([FILL, FILL], [1] * 2, [0, 2]).statuses == ("fill",)


def test_cloud_fraction_is_of_the_pixels_with_data():
    found = rows([FILL, FILL, CLOUD, CLEAR], [1] * 4, [0, 4], red=[0.1] * 4, nir=[0.3] * 4)
    assert found.columns["cloud_fraction"][0] == 0.5


def test_an_index_that_cannot_be_computed_is_invalid_not_infinite():
    found = rows([CLEAR], [1], [0, 1], red=[0.0], nir=[0.0])
    assert found.statuses == ("invalid",)
    assert np.isnan(found.columns["ndvi"][0])
