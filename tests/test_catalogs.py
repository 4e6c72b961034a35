"""Static catalogs, item collections, folders and stac-geoparquet, on disk and over HTTP."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely

from fake_stac import NAPA, SULA, days, item, write
from fieldwren.archive import catalogs
from fieldwren.archive.sensors import resolve_archive
from fieldwren.archive.stac import search
from fieldwren.errors import ArchiveError
from fieldwren.model import Place


def catalog(*links: tuple[str, str], **more) -> dict:
    described = [{"rel": rel, "href": href} for rel, href in links]
    return {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "links": described, **more}


def collection(*links: tuple[str, str], bbox, since: str, until: str | None = None) -> dict:
    extent = {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[since, until]]}}
    return catalog(*links, extent=extent) | {"type": "Collection", "id": "landsat-c2-l2"}


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """A catalog of two levels: one collection near Napa, one elsewhere that cannot be read."""
    write(
        tmp_path / "catalog.json",
        catalog(
            ("self", "./catalog.json"), ("child", "./napa/collection.json"), ("child", "far.json")
        ),
    )
    write(
        tmp_path / "napa" / "collection.json",
        collection(
            ("root", "../catalog.json"),
            ("parent", "../catalog.json"),
            ("item", "./items/b.json"),
            ("item", "items/a.json"),
            ("child", "../catalog.json"),  # a circle
            bbox=[-124, 37, -120, 40],
            since="2013-03-01T00:00:00Z",
        ),
    )
    far = collection(
        ("item", "no-such-item.json"), bbox=[70, 10, 80, 30], since="2013-03-01T00:00:00Z"
    )
    write(tmp_path / "far.json", far)
    write(tmp_path / "napa/items/a.json", item("20130603"))
    write(tmp_path / "napa/items/b.json", item("20130502"))
    return tmp_path


def test_a_static_catalog_is_walked_once_and_sorted_by_time(nested: Path):
    found = search(resolve_archive(str(nested)), [NAPA])
    assert days(found) == ["20130502", "20130603"]
    assert found.problems == ()
    scene = found.scenes[0]
    assert scene.archive == str(nested)
    assert scene.access == "local"
    href = nested / "napa/items/LC08_L2SP_044033_20130502_20130502_02_T1_SR_B4.TIF"
    assert scene.assets["red"].href == str(href)


def test_dates_are_inclusive_to_the_end_of_the_month(nested: Path):
    source = resolve_archive(str(nested / "catalog.json"))
    assert days(search(source, [NAPA], until="2013-05")) == ["20130502"]
    assert days(search(source, [NAPA], since="2013-06", until="2013-06-03")) == ["20130603"]
    assert days(search(source, [NAPA], since="2014")) == []


def test_a_document_that_cannot_be_read_costs_only_itself(nested: Path):
    found = search(resolve_archive(str(nested)), [NAPA, SULA])
    assert days(found) == ["20130502", "20130603"]
    assert found.problems == (
        f"{nested}/no-such-item.json: cannot be read (No such file or directory)",
    )


def test_items_of_a_collection_start_at_their_own_location(tmp_path: Path):
    self_link = {"rel": "self", "href": "https://example.org/stac/items/x.json"}
    features = [item("20130603", links=[self_link]), item("20130502")]
    path = write(tmp_path / "items.geojson", {"type": "FeatureCollection", "features": features})
    here, there = search(resolve_archive(path), [NAPA]).scenes
    assert here.assets["red"].href.startswith(f"{tmp_path}/LC08")
    assert there.assets["red"].href.startswith("https://example.org/stac/items/LC08")


def test_lines_of_items_and_a_single_item(tmp_path: Path):
    lines = tmp_path / "items.ndjson"
    lines.write_text("\n".join(json.dumps(item(day)) for day in ("20130603", "20130502")) + "\n")
    assert len(search(resolve_archive(str(lines)), [NAPA]).scenes) == 2
    single = write(tmp_path / "one.json", item("20130603"))
    assert len(search(resolve_archive(single), [NAPA]).scenes) == 1


def test_a_folder_of_items_may_hold_other_json(tmp_path: Path):
    write(tmp_path / "a/one.json", item("20130603"))
    write(tmp_path / "b/MTL.json", {"LANDSAT_METADATA_FILE": {}})
    found = search(resolve_archive(str(tmp_path)), [NAPA])
    assert days(found) == ["20130603"]
    assert found.problems == (
        f"{tmp_path}/b/MTL.json: is no STAC item, item collection or catalog",
    )


def test_only_the_wanted_collections_are_read(nested: Path):
    source = resolve_archive(str(nested))
    assert search(source, [NAPA, SULA], collections=["other"]).problems == ()
    assert len(search(source, [NAPA], collections=["landsat-c2-l2"]).scenes) == 2


def test_depth_and_number_of_documents_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for level in range(40):
        write(tmp_path / f"{level}.json", catalog(("child", f"{level + 1}.json")))
    source = resolve_archive(str(tmp_path / "0.json"))
    assert "more than 32 levels" in search(source, [NAPA]).problems[0]
    monkeypatch.setattr(catalogs, "MAX_DOCUMENTS", 10)
    assert "more than 10 documents" in search(source, [NAPA]).problems[0]


def test_a_document_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "one.json", item("20130603"))
    monkeypatch.setattr(catalogs, "MAX_BYTES", 100)
    with pytest.raises(ArchiveError, match="larger than"):
        search(resolve_archive(path), [NAPA])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no json", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"a": 1}', "is no STAC item"),
        ("", "is no STAC item"),
    ],
)
def test_a_first_document_that_is_no_catalog_is_an_error(tmp_path: Path, text, reason):
    path = tmp_path / "catalog.json"
    path.write_text(text)
    with pytest.raises(ArchiveError, match=reason):
        search(resolve_archive(str(path)), [NAPA])


def test_an_empty_folder_is_an_error(tmp_path: Path):
    with pytest.raises(ArchiveError, match="no catalog"):
        search(resolve_archive(str(tmp_path)), [NAPA])


@pytest.fixture
def website(nested: Path):
    """The nested catalog over HTTP."""
    handler = functools.partial(QuietHandler, directory=str(nested))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_a_static_catalog_over_http(website: str):
    found = search(resolve_archive(f"{website}/catalog.json"), [NAPA])
    assert days(found) == ["20130502", "20130603"]
    name = "LC08_L2SP_044033_20130502_20130502_02_T1"
    assert found.scenes[0].assets["red"].href == f"{website}/napa/items/{name}_SR_B4.TIF"
    assert found.scenes[0].access == ""


def test_a_remote_catalog_cannot_read_this_machine(website: str, nested: Path):
    secret = write(nested / "secret.json", item("20130101"))
    links = [("item", f"file://{secret}"), ("item", secret), ("item", "napa/items/a.json")]
    write(nested / "catalog.json", catalog(*links))
    found = search(resolve_archive(f"{website}/catalog.json"), [NAPA])
    assert days(found) == ["20130603"]
    assert len(found.problems) == 2
    assert "points to a file on this machine" in found.problems[0]
    assert found.problems[1].startswith(f"{website}{secret}: ")  # a path of the website


def test_a_catalog_that_is_not_there_is_an_error(website: str):
    with pytest.raises(ArchiveError, match=r"none\.json: .*check --archive"):
        search(resolve_archive(f"{website}/none.json?key=secret"), [NAPA])


DENVER = Place(id="d", name="d", geometry=shapely.Point(-105.1, 40.1))


def test_geoparquet_of_landsat(shared_data: Path):
    path = shared_data / "stac/rustac/100-landsat-items.parquet"
    found = search(resolve_archive(str(path)), [DENVER])
    table = pq.read_table(path).to_pylist()
    assert {s.id for s in found.scenes} == {row["id"] for row in table}
    assert found.problems == ()
    scene = next(s for s in found.scenes if s.id == "LC08_L2SP_033032_20241127_02_T1")
    row = next(row for row in table if row["id"] == scene.id)
    assert scene.datetime == row["datetime"]
    assert scene.footprint.equals(shapely.from_wkb(row["geometry"]))
    assert (scene.cloud_cover, scene.tile, scene.crs) == (73.36, "033032", "EPSG:32613")
    assert (scene.version, scene.access) == ("20241203", "planetary-computer")
    assert (scene.assets["red"].scale, scene.assets["red"].offset) == (0.0000275, -0.2)
    assert scene.assets["red"].href == row["assets"]["red"]["href"]


def test_geoparquet_of_sentinel_2_by_time_and_place(shared_data: Path):
    source = resolve_archive(str(shared_data / "stac/rustac/100-sentinel-2-items.parquet"))
    everything = search(source, [DENVER])
    summer = search(source, [DENVER], since="2024-06", until="2024-07")
    expected = [s for s in everything.scenes if f"{s.datetime:%Y-%m}" in {"2024-06", "2024-07"}]
    assert [s.id for s in summer.scenes] == [s.id for s in expected]
    assert 0 < len(expected) < len(everything.scenes) == 100
    assert {s.assets["red"].offset for s in everything.scenes} == {-0.1}
    assert search(source, [NAPA]).scenes == ()
    assert search(source, [DENVER], collections=["other"]).scenes == ()


def test_geoparquet_over_http(website: str, nested: Path, shared_data: Path):
    shutil.copy(shared_data / "stac/rustac/100-landsat-items.parquet", nested / "items.parquet")
    found = search(resolve_archive(f"{website}/items.parquet"), [DENVER], since="2024-06")
    assert {s.archive for s in found.scenes} == {f"{website}/items.parquet"}
    assert min(s.datetime for s in found.scenes).month == 6


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path):
    path = tmp_path / "items.parquet"
    path.write_bytes(b"no parquet at all")
    with pytest.raises(ArchiveError, match="cannot be read as stac-geoparquet"):
        search(resolve_archive(str(path)), [NAPA])
