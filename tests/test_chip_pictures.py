from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fake_results import HOSTILE
from fieldwren.chip import Chip
from fieldwren.present import style
from fieldwren.present.chip_pictures import colour_picture, index_picture
from fieldwren.present.png import encode_png, has_text

SCALE = style.Scale(low=-0.2, high=1.0)
GREY = (200, 204, 208)


def decoded(png):
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return np.asarray(image.convert("RGB")), image.info


def chip(values, colour=None, outline=()):
    transform = (30, 0, 5e5, 0, -30, 4.2e6)
    return Chip(
        values=values, transform=transform, crs="EPSG:32610", colour=colour, outline=outline
    )


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 9),
    colours=st.integers(0, 256),
)
@settings(max_examples=60, deadline=None)
def test_any_picture_is_decoded_as_it_was(shape, seed, colours):
    rng = np.random.default_rng(seed)
    if colours:
        palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
        numbers = rng.integers(0, colours, shape, dtype=np.uint8)
        assert (decoded(encode_png(numbers, palette=palette))[0] == palette[numbers]).all()
    else:
        pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        assert (decoded(encode_png(pixels))[0] == pixels).all()


def test_its_text_is_found_again_by_others_and_by_us():
    pixels = np.zeros((2, 2, 3), np.uint8)
    png = encode_png(pixels, text={"Source": "fieldwren 1", "Description": HOSTILE})
    info = decoded(png)[1]
    assert (info["Source"], info["Description"]) == ("fieldwren 1", HOSTILE)
    assert has_text(png, "Source", "fieldwren 1")
    for other in ("fieldwren", "fieldwren 12", "fieldwren 2", ""):
        assert not has_text(png, "Source", other)
    assert not has_text(b"", "Source", "fieldwren 1")
    assert not has_text(b"no picture", "Source", "fieldwren 1")


@pytest.mark.parametrize(("n", "side"), [(1, 190), (20, 180), (47, 188), (96, 96), (120, 120)])
def test_pixels_are_enlarged_by_a_whole_factor(n, side):
    values = np.random.default_rng(1).uniform(-0.2, 1, (n, n))
    picture, _ = decoded(index_picture(chip(values), SCALE, {}))
    assert picture.shape == (side, side, 3)
    factor = side // n
    whole = SCALE.image(values).repeat(factor, axis=0).repeat(factor, axis=1)
    # 128 steps of the scale: half a step is 0.005
    assert np.abs(picture.astype(int) - whole).max() <= 4


def test_what_has_no_value_is_grey_and_what_exceeds_the_scale_has_the_colour_of_its_end():
    picture, _ = decoded(index_picture(chip(np.array([[np.nan, -9.0, 9.0]])), SCALE, {}))
    height, width, _ = picture.shape
    found = [tuple(picture[height // 2, width * k // 6].tolist()) for k in (1, 3, 5)]
    ends = [tuple(c) for c in SCALE.image(np.array([-0.2, 1.0])).tolist()]
    assert found == [GREY, *ends]


def test_true_colour_is_the_documented_stretch():
    reflectance = np.array([[[0.0, 0.03, 0.15], [0.3, 0.9, -0.1], [np.nan, 0.1, 0.1]]])
    picture, _ = decoded(colour_picture(chip(np.zeros((1, 3)), reflectance), {}))
    height, width, _ = picture.shape
    middles = picture[height // 2, [width // 6, width // 2, 5 * width // 6]]
    wanted = 255 * (np.clip(reflectance[0, :2] / 0.3, 0, 1) ** (1 / 1.6))
    assert np.abs(middles[:2] - wanted).max() <= 255 / 31 / 2 + 0.5
    assert tuple(middles[2].tolist()) == GREY


def test_a_chip_without_colours_has_no_such_picture():
    assert colour_picture(chip(np.zeros((3, 3))), {}) is None


RING = np.array([[5.0, 5.0], [5.0, 15.0], [15.0, 15.0], [15.0, 5.0], [5.0, 5.0]])


@pytest.mark.parametrize("ground", [0.0, 1.0, np.nan])
def test_the_outline_is_seen_on_any_ground(ground):
    made = chip(np.full((20, 20), ground), np.full((20, 20, 3), ground), (RING,))
    for png in (index_picture(made, SCALE, {}), colour_picture(made, {})):
        picture, _ = decoded(png)
        line = picture[45:136, 45:136]
        assert (line[0] == 255).all(), "the upper side is a white line"
        assert (line[:, -1] == 255).all()
        assert (picture[44, 45:136] == 0).all()
        assert (picture[46, 47:134] == 0).all(), "with a dark line on either side"
        assert (picture[:40] == picture[0, 0]).all()
        assert (picture[60:120, 60:120] == picture[0, 0]).all()


def test_of_a_point_its_pixel_is_outlined():
    made = chip(np.zeros((20, 20)), outline=(np.array([[10.3, 4.9]]),))
    picture, _ = decoded(index_picture(made, SCALE, {}))
    rows, cols = np.nonzero((picture == 255).all(axis=-1))
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (36, 45, 90, 99)


def test_an_outline_beyond_the_picture_is_cut():
    made = chip(np.zeros((20, 20)), outline=(RING * 3 - 40, RING + 1e6))
    assert decoded(index_picture(made, SCALE, {}))[0].shape == (180, 180, 3)


def test_pictures_are_small():
    rng = np.random.default_rng(2)
    fields = rng.uniform(0.02, 0.25, (8, 8, 3)).repeat(15, axis=0).repeat(15, axis=1)
    noisy = fields + rng.normal(0, 0.004, fields.shape)
    small, large = (np.s_[:24, :24], np.s_[:, :])
    for part, most in ((small, 4_000), (large, 24_000)):
        colour = noisy[part]
        made = chip((colour[..., 1] - 0.1) * 5, colour, (RING,))
        assert len(colour_picture(made, {})) < most
        assert len(index_picture(made, SCALE, {})) < most / 1.5
