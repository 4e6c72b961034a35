"""Searches of STAC APIs: a real server on loopback, recorded pages, and servers that misbehave."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import shapely

from fake_stac import NAPA, SULA, item
from fieldwren.archive import api
from fieldwren.archive.sensors import Source, resolve_archive
from fieldwren.archive.stac import search
from fieldwren.errors import ArchiveError
from fieldwren.model import Place


def series(number: int, west: float, south: float) -> list[dict]:
    first = date(2013, 4, 11)
    days = [f"{first + timedelta(days=8 * n):%Y%m%d}" for n in range(number)]
    return [item(day, west, south, id=f"LC08_L2SP_044033_{day}_02_T1_{west:g}") for day in days]


@pytest.fixture(scope="module")
def rustac(tmp_path_factory: pytest.TempPathFactory):
    """A STAC API server with 330 items around Napa and 60 around Sula."""
    folder = tmp_path_factory.mktemp("rustac")
    features = series(330, -123.0, 37.8) + series(60, 73.0, 19.0)
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    described = {"id": "landsat-c2-l2", "description": "Landsat", "license": "other"}
    documents = {
        "items.json": {"type": "FeatureCollection", "features": features},
        "collection.json": {"type": "Collection", "stac_version": "1.0.0", "links": []}
        | {"extent": extent}
        | described,
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = Path(sys.executable).with_name("rustac")
    files = [str(folder / name) for name in documents]
    server = subprocess.Popen(
        [command, "serve", "--addr", address, *files],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://{address}/")
        yield f"http://{address}"
    finally:
        server.kill()
        server.wait()


def wait_for(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} did not start")


def test_all_pages_of_all_clusters_are_found(rustac: str):
    counts = []
    found = search(resolve_archive(rustac), [NAPA, SULA], on_progress=counts.append)
    assert len(found.scenes) == 390
    assert counts == list(range(1, 391))
    assert found.problems == ()
    assert [s.datetime for s in found.scenes] == sorted(s.datetime for s in found.scenes)
    assert found.scenes[0].archive == rustac


def test_the_interval_is_inclusive_at_both_ends(rustac: str):
    source = resolve_archive(rustac)
    april = search(source, [NAPA], since="2013-04", until="2013-04")
    assert [s.datetime.day for s in april.scenes] == [11, 19, 27]
    moment = datetime(2013, 4, 19, 18, 45, tzinfo=UTC)
    assert len(search(source, [NAPA], since=moment, until=moment).scenes) == 1
    assert search(source, [NAPA], since="2030").scenes == ()


def test_an_item_near_two_clusters_is_found_once(rustac: str):
    """Places of one degree cell each, too far apart for one box: two searches find the same."""
    north = Place(id="n", name="n", geometry=shapely.Point(-122.9, 39.75))
    south = Place(id="s", name="s", geometry=shapely.Point(-121.2, 37.85))
    found = search(resolve_archive(rustac), [north, south], until="2013")
    assert len(found.scenes) == len({s.id for s in found.scenes}) == 34


def test_of_an_unknown_api_the_known_collections_of_the_sensor_are_searched(rustac: str):
    with pytest.raises(ArchiveError, match=r"no sentinel-2 collection .* of landsat-c2-l2"):
        search(resolve_archive(rustac, "sentinel-2"), [NAPA])
    assert search(resolve_archive(rustac, collections=["other"]), [NAPA]).scenes == ()


def test_an_address_without_an_api_is_an_error(rustac: str):
    with pytest.raises(ArchiveError, match="no STAC API at this address"):
        search(resolve_archive(f"{rustac}/nothing"), [NAPA])
    with pytest.raises(ArchiveError, match="is no STAC item, item collection or catalog"):
        search(resolve_archive(f"{rustac}/collections"), [NAPA])


class Server:
    """A STAC API that answers searches as a function says: (number of the request, body)."""

    def __init__(self, answer):
        self.bodies: list[dict] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                links = [{"rel": "search", "method": "POST", "href": f"{outer.url}/search"}]
                landing = {"type": "Catalog", "stac_version": "1.0.0", "links": links}
                self.reply(200, {"id": "x", "conformsTo": [], **landing})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.bodies.append(body)
                self.reply(*answer(outer, len(outer.bodies)))

            def reply(self, status, document):
                data = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def source(self, name: str = "test") -> Source:
        return Source(name=name, kind="api", href=self.url, collections=("landsat-c2-l2",))

    def page(self, days: list[str], *, token: str = "") -> dict:
        links = [{"rel": "next", "method": "POST", "href": f"{self.url}/search"}]
        body = {"body": {"token": token}, "merge": True}
        features = [item(day) for day in days]
        return {
            "type": "FeatureCollection",
            "features": features,
            "links": [links[0] | body] if token else [],
        }


def test_the_search_says_what_is_wanted_and_no_more():
    with Server(lambda server, _: (200, server.page(["20130603"]))) as server:
        found = search(server.source(), [NAPA], since="2013", until="2013-12")
    assert len(found.scenes) == 1
    (body,) = server.bodies
    assert body.pop("bbox") == pytest.approx([-122.301, 38.399, -122.299, 38.401])
    assert body == {  # cloudy scenes are wanted too
        "collections": ["landsat-c2-l2"],
        "datetime": "2013-01-01T00:00:00Z/2013-12-31T23:59:59.999999Z",
        "limit": 250,
    }


def test_what_an_api_gives_beyond_the_question_is_left_out():
    elsewhere = item("20130604", 10, 10)
    too_late = item("20140604")
    other = item("20130605", collection="landsat-8-c2-l2")
    features = [item("20130603"), elsewhere, too_late, other, {"id": "broken"}, "no item"]
    with Server(lambda *_: (200, {"features": features, "links": []})) as server:
        found = search(server.source(), [NAPA], until="2013")
    assert [s.id for s in found.scenes] == [features[0]["id"]]
    assert found.problems == ("broken: it has no properties",)


def test_items_repeated_over_pages_are_found_once():
    pages = [["20130603", "20130619"], ["20130619", "20130705"], ["20130721"]]

    def answer(server, number):
        return 200, server.page(pages[number - 1], token=str(number) if number < 3 else "")

    with Server(answer) as server:
        found = search(server.source(), [NAPA])
    assert [s.datetime.timetuple().tm_yday for s in found.scenes] == [154, 170, 186, 202]
    assert [body.get("token") for body in server.bodies] == [None, "1", "2"]


def test_pages_in_a_circle_come_to_an_end_and_are_noticed():
    with Server(lambda server, _: (200, server.page(["20130603"], token="same"))) as server:
        found = search(server.source(), [NAPA])
    assert len(found.scenes) == 1
    assert found.problems == ("test: gives the same page again; scenes may be missing",)
    assert len(server.bodies) == 2


def test_endless_pages_come_to_an_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api, "MAX_ITEMS", 5)

    def answer(server, number):
        return 200, server.page([f"201306{number:02}"], token=str(number))

    with Server(answer) as server:
        found = search(server.source(), [NAPA])
    assert "some are left out" in found.problems[0]
    assert len(server.bodies) == 6


def test_a_passing_failure_is_tried_again():
    def answer(server, number):
        return (503, {}) if number == 1 else (200, server.page(["20130603"]))

    with Server(answer) as server:
        assert len(search(server.source(), [NAPA]).scenes) == 1
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("status", "document", "words"),
    [
        (503, {}, "failed 2 times; try again later"),
        (403, {"message": "Forbidden"}, "refuses to be searched"),
        (400, {"detail": "bad date"}, "answered 400 .*bad date.*; check --collection and dates"),
        (200, b"<html>", "does not answer as a STAC API should"),
        (200, [], "does not answer as a STAC API should"),
        (200, {"features": [{"id": 1}], "links": [{}]}, "does not answer as a STAC API should"),
    ],
)
def test_a_lasting_failure_says_what_happened_and_what_to_do(
    status, document, words, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api, "TRIES", 2)
    with (
        Server(lambda *_: (status, document)) as server,
        pytest.raises(ArchiveError, match=words) as caught,
    ):
        search(server.source("earth-search"), [NAPA, SULA])
    if status in {403, 503}:
        assert str(caught.value).endswith("or use --archive planetary-computer or landsatlook")


def test_an_api_that_cannot_be_reached_is_an_error_without_secrets():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ArchiveError, match="cannot be reached") as caught:
        search(resolve_archive(f"{url}/stac?key=secret"), [NAPA])
    assert url in str(caught.value)
    assert "secret" not in str(caught.value)


def test_recorded_pages_of_planetary_computer(shared_data: Path):
    """250 items of the Netherlands on one page, then the page after them."""
    folder = shared_data / "stac/responses"
    recorded = json.loads((folder / "mpc_landsat-8-c2-l2_netherlands_p1.json").read_text())
    (link,) = (k for k in recorded["links"] if k["rel"] == "next")

    def answer(server, number):
        link["href"] = f"{server.url}/search"
        return 200, recorded if number == 1 else {"features": [], "links": []}

    place = Place(id="p", name="p", geometry=shapely.box(6.4242, 53.1747, 7.3444, 53.674))
    with Server(answer) as server:
        source = Source(name="x", kind="api", href=server.url, access="planetary-computer")
        found = search(source, [place], collections=["landsat-8-c2-l2"])
    assert len(found.scenes) == 250
    assert found.problems == ()
    assert server.bodies[1]["token"] == link["body"]["token"]
    assert {s.access for s in found.scenes} == {"planetary-computer"}
