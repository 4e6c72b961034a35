"""Scenes whose items do not say where they are get the CRS that their files state."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyproj
import pytest
import rasterio
import shapely

from fieldwren.archive.locate import with_crs
from fieldwren.model import Asset, ReadOptions, Scene
from fieldwren.pixels.cog import write_cog

LATTICE = (30.0, 0.0, 500_000.0, 0.0, -30.0, 4_200_000.0)


def scene(path, **fields) -> Scene:
    return Scene(
        id=path.stem,
        collection="c",
        archive="a",
        platform="landsat-8",
        datetime=datetime(2020, 1, 1, tzinfo=UTC),
        footprint=shapely.box(0, 0, 1, 1),
        assets={"qa": Asset(key="qa", href=str(path), band="qa")},
        access="local",
        **fields,
    )


def located(path, **fields) -> str | None:
    (found,), _ = with_crs([scene(path, **fields)], ReadOptions())
    return found.crs


@pytest.mark.parametrize("name", ["x.tif", "x.jp2"])
@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:32610",
        "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +datum=WGS84",
        "+proj=utm +zone=10 +ellps=WGS84",
    ],
)
def test_the_file_tells_the_crs(tmp_path, name, crs):
    driver = {"x.tif": "GTiff", "x.jp2": "JP2OpenJPEG"}[name]
    profile = {"width": 64, "height": 64, "count": 1, "dtype": "uint8", "driver": driver}
    profile |= {"crs": crs, "transform": rasterio.Affine(*LATTICE)}
    with rasterio.open(tmp_path / name, "w", **profile) as file:
        file.write(np.ones((1, 64, 64), np.uint8))
    found = located(tmp_path / name)
    there = [pyproj.Transformer.from_crs("OGC:CRS84", c, always_xy=True) for c in (crs, found)]
    lat = -75 if "lat_0=-90" in crs else 38
    assert there[0].transform(-123, lat) == pytest.approx(there[1].transform(-123, lat), abs=1e-3)
    assert (found == crs) == crs.startswith("EPSG")


def test_what_the_item_says_is_kept_and_no_file_is_opened(tmp_path):
    assert located(tmp_path / "absent.tif", crs="EPSG:32610") == "EPSG:32610"


def test_a_scene_whose_file_is_absent_or_of_an_unknown_crs_stays_without_one(tmp_path):
    write_cog(tmp_path / "x.tif", np.ones((16, 16), "u1"), transform=LATTICE, epsg=1999)
    assert located(tmp_path / "x.tif") is None
    assert located(tmp_path / "absent.tif") is None
    scenes = [scene(tmp_path / name) for name in ("x.tif", "absent.tif")]
    _, lost = with_crs(scenes, ReadOptions())
    assert [lost[k][0] for k in (0, 1)] == ["read_error", "read_error"]
    assert "in which CRS" in lost[0][1]
    assert "absent.tif" in lost[1][1]
