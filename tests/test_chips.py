from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image

from fieldwren.chip import Chip
from fieldwren.errors import MissingExtraError, OptionError
from fieldwren.model import Scene
from fieldwren.present import style
from fieldwren.present.chips import chip_png, write_chip

SCALE = style.Scale(low=-0.2, high=1.0)
SCENE = Scene(
    id="LC08_L2SP_044033_20130603",
    collection="landsat-c2-l2",
    archive="demo",
    platform="landsat-8",
    datetime=datetime(2013, 6, 3, tzinfo=UTC),
    footprint=shapely.box(0, 0, 1, 1),
    assets={},
)


def chip(height=40, width=60, crs="EPSG:32610"):
    values = np.random.default_rng(1).uniform(-0.2, 1, (height, width))
    values[: height // 4] = np.nan
    return Chip(values=values, transform=(30, 0, 5e5, 0, -30, 4.2e6), crs=crs)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_every_pixel_has_the_colour_of_its_value_and_grey_where_there_is_none(tmp_path):
    values = chip().values
    chip_png(values, tmp_path / "c.png", index="ndvi", title="a $ title")
    image = pixels(tmp_path / "c.png")
    factor = 1200 // 60
    picture = image[40 : 40 + 40 * factor, : 60 * factor]
    centres = picture[factor // 2 :: factor, factor // 2 :: factor]
    assert (centres == SCALE.image(values)).all()
    assert (picture[3, 3] == (200, 204, 208)).all()
    assert len(np.unique(image[:, 1200:].reshape(-1, 3), axis=0)) > 100, "there is no legend"


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (3000, 40), (1500, 2500)])
def test_chips_of_any_shape_become_pictures_to_look_at(tmp_path, shape):
    chip_png(np.full(shape, 0.5), tmp_path / "c.png", index="ndvi")
    height, width, _ = pixels(tmp_path / "c.png").shape
    assert min(width, height) >= 300
    assert max(width, height) <= 1320


def test_a_chip_without_any_value_is_grey(tmp_path):
    chip_png(np.full((9, 9), np.nan), tmp_path / "c.png", index="ndvi")
    image = pixels(tmp_path / "c.png")
    assert (image[100, 100] == (200, 204, 208)).all()


def test_a_tif_is_the_chip_for_rasterio(tmp_path):
    made = chip()
    assert write_chip(made, tmp_path / "c.tif", scene=SCENE, index="ndvi") == [tmp_path / "c.tif"]
    with rasterio.open(tmp_path / "c.tif") as raster:
        assert raster.dtypes == ("float32",)
        assert raster.crs.to_epsg() == 32610
        assert tuple(raster.transform)[:6] == made.transform
        assert np.isnan(raster.nodata)
        np.testing.assert_array_equal(raster.read(1), made.values.astype("f4"))


def test_a_thumbnail_is_copied_beside_the_chip(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "thumb.png")
    href = str(tmp_path / "thumb.png")
    scene = Scene(
        **{f: getattr(SCENE, f) for f in Scene.__slots__} | {"thumbnail": href, "access": "local"}
    )
    files = write_chip(chip(), tmp_path / "out" / "c.png", scene=scene, index="ndvi")
    assert [f.name for f in files] == ["c.png", "c-thumbnail.png"]
    assert files[1].read_bytes() == (tmp_path / "thumb.png").read_bytes()


def test_a_thumbnail_that_cannot_be_had_costs_nothing_else(tmp_path):
    fields = {f: getattr(SCENE, f) for f in Scene.__slots__}
    scene = Scene(**fields | {"thumbnail": str(tmp_path / "no.png"), "access": "local"})
    assert len(write_chip(chip(), tmp_path / "c.png", scene=scene, index="ndvi")) == 1


@pytest.mark.parametrize("name", ["c.jpg", "c"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(OptionError, match=r"\.png or \.tif"):
        write_chip(chip(), tmp_path / name, scene=SCENE, index="ndvi")


def test_a_tif_needs_a_crs_with_a_code(tmp_path):
    crs = "+proj=laea +lat_0=10 +lon_0=20 +ellps=GRS80"
    with pytest.raises(OptionError, match=r"write a \.png"):
        write_chip(chip(crs=crs), tmp_path / "c.tif", scene=SCENE, index="ndvi")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"fieldwren\[pictures\]"):
        write_chip(chip(), tmp_path / "c.png", scene=SCENE, index="ndvi")
