"""The tables of collections and archives, and how an archive is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldwren.archive.access import ACCESS
from fieldwren.archive.sensors import (
    ARCHIVES,
    COLLECTIONS,
    identify,
    layout,
    resolve_archive,
)
from fieldwren.errors import OptionError
from fieldwren.pixels.masks import ENCODINGS


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("fieldwren.archive.credentials._VENDOR_FILE", tmp_path / "none")


def test_every_usable_collection_has_the_bands_that_every_row_needs():
    for known in COLLECTIONS:
        assert known.unusable or {"red", "nir", "qa"} <= set(known.bands)
        assert known.unusable or known.quality in ENCODINGS


def test_every_archive_names_known_collections_and_ways_of_access():
    for archive in ARCHIVES.values():
        for sensor, offer in archive.offers.items():
            assert offer.access in ACCESS
            assert {identify(c).sensor for c in offer.collections} == {sensor}


@pytest.mark.parametrize(
    ("platform", "names", "red", "nir"),
    [
        ("landsat-8", "", "SR_B4", "SR_B5"),
        ("landsat-9", "LC09_L2SP_092068_20230607_20230609_02_T1", "SR_B4", "SR_B5"),
        ("landsat-7", "", "SR_B3", "SR_B4"),
        ("", "LT05_L2SP_010067_19860424_02_T2", "SR_B3", "SR_B4"),
    ],
)
def test_landsat_band_numbers_depend_on_the_satellite(platform, names, red, nir):
    known = identify("landsat-c2-l2", platform=platform, names=names)
    assert red in known.bands["red"]
    assert nir in known.bands["nir"]


def test_a_product_is_recognised_by_its_name_where_the_collection_is_unknown():
    name = "S2B_MSIL2A_20190629T212529_N0212_R043_T06VVN_20201006T080531.SAFE"
    assert identify("mine", names=name).family == "Sentinel-2 Level 2A"
    assert identify("mine", names="LC08_L1TP_017051_20151205_20200908_02_T1").unusable
    assert identify("mine", names="nothing known") is None


def test_layout_of_a_known_and_of_an_unknown_collection():
    assert layout("landsat-c2-l2").gsd == 30
    assert layout("sentinel-2-c1-l2a").tile == 1024
    assert layout("mine").bytes_per_pixel > 0


def test_without_aws_credentials_landsat_comes_from_planetary_computer():
    source = resolve_archive(None, "landsat")
    assert (source.name, source.access) == ("planetary-computer", "planetary-computer")
    assert "needs no account" in source.reason


def test_with_aws_credentials_landsat_comes_from_the_bucket_of_the_usgs(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    source = resolve_archive(None, "landsat")
    assert (source.name, source.access) == ("earth-search", "usgs-landsat")
    assert "AWS bills you" in source.reason
    assert "secret" not in repr(source)


def test_sentinel_2_is_searched_in_both_collections_of_earth_search():
    source = resolve_archive(None, "sentinel-2")
    assert source.collections == ("sentinel-2-c1-l2a", "sentinel-2-l2a")
    assert source.access == ""


def test_the_url_of_a_known_archive_is_that_archive():
    source = resolve_archive("https://planetarycomputer.microsoft.com/api/stac/v1/", "landsat")
    assert source.name == "planetary-computer"


def test_named_collections_replace_those_of_the_archive():
    assert resolve_archive("earth-search", "landsat", ["mine"]).collections == ("mine",)


@pytest.mark.parametrize(
    ("archive", "kind"),
    [
        ("https://example.org/stac", "api"),
        ("https://example.org/catalog.json?key=1", "document"),
        ("s3://bucket/catalog.json", "document"),
        ("https://example.org/items.parquet", "geoparquet"),
    ],
)
def test_what_a_url_is_shows_in_its_path(archive, kind):
    source = resolve_archive(archive)
    assert (source.kind, source.local, source.access) == (kind, False, "")


def test_the_name_of_a_source_holds_no_secret():
    source = resolve_archive("https://example.org/catalog.json?key=secret")
    assert "secret" not in source.name
    assert source.href.endswith("?key=secret")


def test_paths_are_local(tmp_path: Path):
    (tmp_path / "items.parquet").touch()
    assert resolve_archive(str(tmp_path)).kind == "document"
    source = resolve_archive(str(tmp_path / "items.parquet"))
    assert (source.kind, source.local, source.access) == ("geoparquet", True, "local")


def test_the_demo_is_local_and_needs_nothing():
    source = resolve_archive("demo")
    assert (source.kind, source.local, source.href) == ("demo", True, "")


@pytest.mark.parametrize(
    ("archive", "sensor", "words"),
    [
        ("no-such-thing", "landsat", "no such file or folder"),
        ("landsatlook", "sentinel-2", "has no sentinel-2, only landsat"),
        (None, "modis", "give one of hls, landsat, sentinel-2"),
    ],
)
def test_what_cannot_be_resolved_says_what_to_give(archive, sensor, words):
    with pytest.raises(OptionError, match=words):
        resolve_archive(archive, sensor)
