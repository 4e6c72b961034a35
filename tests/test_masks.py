from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fieldwren.model import STATUSES
from fieldwren.pixels.masks import ENCODINGS, MASKS, STATUS_OF, Quality, classify

Q = Quality


def qa_pixel_rule(v: int) -> Quality:
    if v & 0b1:
        return Q.FILL
    if v & 0b1000:
        return Q.CLOUD
    if v & 0b10000:
        return Q.SHADOW
    if v & 0b10:
        return Q.CLOUD_EDGE
    if v & 0b100:
        return Q.CIRRUS
    return Q.SNOW if v & 0b100000 else Q.CLEAR


def fmask_rule(v: int) -> Quality:
    if v == 255:
        return Q.FILL
    if v & 0b10:
        return Q.CLOUD
    if v & 0b1000:
        return Q.SHADOW
    if v & 0b100:
        return Q.CLOUD_EDGE
    if v & 0b1:
        return Q.CIRRUS
    return Q.SNOW if v & 0b10000 else Q.CLEAR


def test_qa_pixel_follows_the_plain_rule_for_every_value():
    got = classify("qa_pixel", np.arange(65536, dtype=np.uint16))
    assert got.tolist() == [qa_pixel_rule(v) for v in range(65536)]


def test_fmask_follows_the_plain_rule_for_every_value():
    got = classify("fmask", np.arange(256, dtype=np.uint8))
    assert got.tolist() == [fmask_rule(v) for v in range(256)]


def test_scene_classes_of_sentinel_2():
    got = classify("scl", np.arange(256, dtype=np.uint8)).tolist()
    assert got[:12] == [
        *(Q.FILL, Q.SATURATED, Q.SUSPECT, Q.SHADOW, Q.CLEAR, Q.CLEAR, Q.CLEAR, Q.SUSPECT),
        *(Q.CLOUD, Q.CLOUD, Q.CLOUD, Q.SNOW),
    ]
    assert set(got[12:]) == {Q.FILL}


def test_classes_of_cfmask():
    got = classify("cfmask", np.arange(256, dtype=np.uint8)).tolist()
    assert got[:5] == [Q.CLEAR, Q.CLEAR, Q.SHADOW, Q.SNOW, Q.CLOUD]
    assert set(got[5:]) == {Q.FILL}


def test_the_standard_mask_keeps_of_landsat_what_has_bits_0_to_5_clear():
    values = np.arange(65536, dtype=np.uint16)
    rejected = np.isin(classify("qa_pixel", values), list(MASKS["standard"]))
    assert np.array_equal(~rejected, values & 0b111111 == 0)


def test_masks_differ_only_where_their_names_say():
    assert MASKS["standard"] == set(Quality) - {Q.CLEAR, Q.SUSPECT}
    assert MASKS["standard"] - MASKS["clouds"] == {Q.SNOW}
    assert MASKS["strict"] - MASKS["standard"] == {Q.SUSPECT}
    assert MASKS["none"] == {Q.FILL}


def test_every_quality_has_a_status():
    assert set(STATUS_OF) == set(Quality)
    assert set(STATUS_OF.values()) <= set(STATUSES)


@given(
    encoding=st.sampled_from(sorted(ENCODINGS)),
    values=hnp.arrays(
        st.sampled_from(["u1", "i1", "u2", "i2", ">u2", "i4", "u8"]),
        hnp.array_shapes(min_dims=0, max_dims=3),
    ),
)
def test_any_integer_type_and_shape_is_classified_value_by_value(encoding, values):
    got = classify(encoding, values)
    whole = classify(encoding, np.arange(ENCODINGS[encoding].size))
    expected = [whole[v] if 0 <= v < len(whole) else Q.FILL for v in values.ravel().tolist()]
    assert got.dtype == np.uint8
    assert got.shape == values.shape
    assert got.ravel().tolist() == expected


def test_an_unknown_encoding_is_refused():
    with pytest.raises(KeyError):
        classify("bqa", np.zeros(1, np.uint8))


def test_cloud_cover_of_real_scenes_is_that_of_usgs(shared_data):
    figures = json.loads((shared_data / "expected/figures.json").read_text())
    figure = next(f for f in figures if f["id"] == "usgs-cloud-fraction")
    for scene, percent in figure["expected"].items():
        (path,) = (shared_data / "landsat_l2").glob(f"*/{scene}*_QA_PIXEL.TIF")
        with rasterio.open(path) as file:
            quality = classify("qa_pixel", file.read(1))
        cover = 100 * np.mean(quality[quality != Q.FILL] == Q.CLOUD)
        assert cover == pytest.approx(percent, abs=figure["tolerance"])
