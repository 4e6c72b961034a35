"""Byte ranges: bounds, retries, credentials, and what untrusted hrefs may not do."""

from __future__ import annotations

import asyncio
import http.server
import json
import random
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldwren.archive import access as access_module
from fieldwren.archive import credentials, stores
from fieldwren.archive.access import Access, Meter, credentials_found, read_bytes
from fieldwren.archive.budget import Budget
from fieldwren.archive.fetch import MismatchError
from fieldwren.archive.stores import ACCESS, locate
from fieldwren.errors import AccessError, OptionError, ReadError
from fieldwren.model import ReadOptions
from range_server import RangeServer

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = bytes(range(256)) * 400
QUICK = ReadOptions(timeout=0.5, deadline=10.0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RangeServer]:
    root = tmp_path_factory.mktemp("root")
    for name in ("a.bin", "b+c (1)#%20&=é.bin", "folder/a.bin"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(CONTENT)
    with RangeServer(root) as server:
        yield server


@pytest.fixture
def server(running: RangeServer) -> RangeServer:
    running.set(latency=0.0, bandwidth=None, faults=[])
    return running


@pytest.fixture
def _no_credentials(monkeypatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(credentials, "_VENDOR_FILE", tmp_path / "vendor")


def fetch(href, start=100, length=50, *, options=QUICK, kind="", meter=None):
    """One range, in an event loop of its own."""

    async def run():
        async with Access(options, kind) as access:
            return bytes(await access.get_range(href, start, length, meter or Meter()))

    return asyncio.run(run())


def test_a_range_is_the_slice_of_the_file(server) -> None:
    meter = Meter()
    assert fetch(f"{server.url}/a.bin", 1000, 300, meter=meter) == CONTENT[1000:1300]
    assert meter.timing().requests == 1
    assert meter.timing().bytes == 300
    assert meter.timing().read_seconds > 0


@pytest.mark.parametrize("where", ["remote", "path", "file url"])
def test_a_range_that_passes_the_end_is_short(server, where) -> None:
    file = server.root / "a.bin"
    href = {"remote": f"{server.url}/a.bin", "path": str(file), "file url": file.as_uri()}[where]
    assert fetch(href, len(CONTENT) - 7, 100, kind="local") == CONTENT[-7:]


def test_while_pixels_are_read_a_short_answer_is_an_error(server) -> None:
    async def run():
        too_much = [(len(CONTENT) - 7, 100)]
        async with Access(QUICK) as access, access.reading(href, too_much, Meter()):
            pass

    href = f"{server.url}/a.bin"
    with pytest.raises(MismatchError, match=rf"a\.bin: ends too soon, at byte {len(CONTENT)}"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("/b+c%20(1)%23%2520&=%C3%A9.bin", "/b+c%20(1)%23%2520&=%C3%A9.bin"),
        ("/b+c (1)%23%2520&=é.bin", "/b+c%20(1)%23%2520&=%C3%A9.bin"),
        ("/a.bin?X-Sig=a%2Bb/c%3D&x=1", "/a.bin?X-Sig=a%2Bb/c%3D&x=1"),
        ("//folder/./x/../a.bin", "/folder/a.bin"),
    ],
)
def test_hrefs_arrive_as_they_are(server, href, target) -> None:
    assert fetch(server.url + href) == CONTENT[100:150]
    assert server.stats()["log"][-1]["target"] == target


@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "cut", "stall"])
def test_passing_faults_are_retried_and_counted(server, kind) -> None:
    server.set(faults=[{"path": "/a.bin", "kind": kind, "first": 2}])
    meter = Meter()
    assert fetch(f"{server.url}/a.bin", meter=meter) == CONTENT[100:150]
    assert (meter.retries, meter.requests) == (2, 1)
    assert server.stats()["gets"] == 3


def test_many_reads_from_a_flaky_server_all_succeed(server) -> None:
    faults = [{"path": "*", "kind": k, "rate": 0.1} for k in ("503", "reset", "cut", "429")]
    server.set(faults=faults)

    async def run():
        async with Access(QUICK) as access:
            ranges = [(i * 64, 64 + i) for i in range(150)]
            found = await asyncio.gather(
                *(access.get_range(f"{server.url}/a.bin", a, n, meter) for a, n in ranges)
            )
        return all(bytes(f) == CONTENT[a : a + n] for f, (a, n) in zip(found, ranges, strict=True))

    meter = Meter()
    assert asyncio.run(run())
    assert meter.retries == sum(server.stats()["faults"].values()) > 25
    assert meter.requests == 150


def test_a_lasting_fault_ends_at_the_deadline(server) -> None:
    server.set(faults=[{"path": "/a.bin", "kind": "503"}])
    with pytest.raises(
        ReadError, match=r"a\.bin: the server answered 503; gave up after \d+ tries"
    ):
        fetch(f"{server.url}/a.bin", options=replace(QUICK, deadline=0.5))


def test_a_server_that_is_not_there_is_named(server) -> None:
    with pytest.raises(ReadError, match=r"127\.0\.0\.1:9/a: the server cannot be reached; gave up"):
        fetch("http://127.0.0.1:9/a", options=replace(QUICK, deadline=0.2))


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("404", ReadError, "is not in the archive"),
        ("410", ReadError, "is not in the archive"),
        ("400", ReadError, "the server answered 400"),
        ("401", AccessError, "access was refused; it needs credentials"),
        ("403", AccessError, "access was refused; it needs credentials"),
    ],
)
def test_what_is_final_is_not_retried(server, kind, error, words) -> None:
    server.set(faults=[{"path": "/a.bin", "kind": kind}])
    with pytest.raises(error, match=words) as caught:
        fetch(f"{server.url}/a.bin")
    assert type(caught.value) is error
    assert server.stats()["gets"] == 1


@pytest.mark.parametrize("kind", ["400", "403", "404", "416", "503", "reset", "cut", "whole"])
def test_no_message_and_no_traceback_holds_a_signature(server, kind, monkeypatch) -> None:
    monkeypatch.setattr(access_module, "MAX_WHOLE", 10)
    server.set(faults=[{"path": "/a.bin", "kind": kind}])
    secret = str(random.random())
    with pytest.raises(ReadError) as caught:
        fetch(f"{server.url}/a.bin?sig={secret}", options=replace(QUICK, deadline=0.2))
    told = "".join(traceback.format_exception(caught.value, chain=True)) + caught.value.href
    chain, error = [], caught.value
    while error is not None:
        chain.append(repr(error))
        error = error.__cause__ or error.__context__
    assert secret not in told
    assert secret not in "".join(chain)
    assert caught.value.href == f"{server.url}/a.bin"


def test_a_server_without_ranges_is_read_whole_if_the_file_is_small(server, monkeypatch) -> None:
    server.set(faults=[{"path": "/a.bin", "kind": "whole"}])
    assert fetch(f"{server.url}/a.bin", 1000, 300) == CONTENT[1000:1300]
    monkeypatch.setattr(access_module, "MAX_WHOLE", len(CONTENT) - 1)
    with pytest.raises(ReadError, match="use a server with byte ranges"):
        fetch(f"{server.url}/a.bin", 1000, 300)


def test_requests_are_capped(server) -> None:
    async def run():
        async with Access(replace(QUICK, files=5)) as access:
            href = f"{server.url}/a.bin"
            await asyncio.gather(*(access.get_range(href, i, 10, Meter()) for i in range(40)))

    server.set(latency=0.01)
    asyncio.run(run())
    assert server.stats()["max_concurrent"] == 5


def test_bytes_are_held_until_they_are_decoded_and_a_large_read_passes_alone(server) -> None:
    held = most = 0

    async def read(access, length):
        nonlocal held, most
        async with access.reading(f"{server.url}/a.bin", [(0, length)], Meter()) as (data,):
            held += len(data)
            most = max(most, held if length < 1000 else 0)
            assert length < 1000 or held == length
            await asyncio.sleep(0.001)
            held -= len(data)

    async def run():
        async with Access(replace(QUICK, bytes_in_flight=300)) as access:
            await asyncio.gather(*(read(access, n) for n in [100] * 10 + [5000] + [100] * 10))

    asyncio.run(run())
    assert most == 300


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 3), st.integers(0, 6)), max_size=30),
)
def test_a_budget_is_kept_by_all_and_given_back_whoever_is_cancelled(capacity, tasks) -> None:
    held: list[int] = []
    budget = Budget(capacity)

    async def use(size, steps):
        async with budget.take(size):
            held.append(size)
            assert sum(held) <= capacity or len([h for h in held if h]) == 1
            try:
                for _ in range(steps):
                    await asyncio.sleep(0)
            finally:
                held.remove(size)

    async def run():
        running = [asyncio.ensure_future(use(size, steps)) for size, steps, _ in tasks]
        for step in range(6):
            await asyncio.sleep(0)
            for task, (_, _, cancel) in zip(running, tasks, strict=True):
                if cancel == step + 1:
                    task.cancel()
        ended = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 5)
        assert all(e is None or isinstance(e, asyncio.CancelledError) for e in ended)

    asyncio.run(run())
    assert budget.used == 0


def test_leaving_gives_up_what_is_under_way(server) -> None:
    server.set(latency=5.0)

    async def run():
        async with Access(QUICK) as access, asyncio.timeout(0.1):
            await access.once("key", lambda: access.get_range(f"{server.url}/a.bin", 0, 9, Meter()))

    with pytest.raises(TimeoutError):
        asyncio.run(run())


def test_what_is_asked_for_meanwhile_is_done_once(server) -> None:
    async def run():
        async with Access(QUICK) as access:

            async def make():
                return await access.get_range(f"{server.url}/a.bin", 0, 9, Meter())

            await asyncio.gather(*(access.once("key", make) for _ in range(10)))
            await access.once("key", make)

    asyncio.run(run())
    assert server.stats()["gets"] == 2


def test_several_event_loops_share_the_stores(server) -> None:
    with ThreadPoolExecutor(4) as threads:
        hrefs = [f"{server.url}/a.bin"] * 20
        assert set(threads.map(fetch, hrefs)) == {CONTENT[100:150]}
    assert stores._http_store.cache_info().currsize >= 1


@pytest.mark.parametrize("href", ["/etc/passwd", "file:///etc/passwd", "../x.tif", "FILE:///x"])
def test_a_remote_archive_may_not_name_local_files(href) -> None:
    with pytest.raises(ReadError, match="only an archive on this machine"):
        locate(href)
    assert locate(href, "local").scheme == "local"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
    ],
)
@pytest.mark.parametrize("kind", ["", "local"])
def test_no_archive_may_name_metadata_services(host, kind) -> None:
    with pytest.raises(ReadError, match="addresses of cloud metadata"):
        locate(f"http://{host}/latest/meta-data", kind)


@pytest.mark.parametrize(
    "href", ["ftp://h/x", "http://", "https://user:pw@host/x", "s3://bucket", "http://h:x/y"]
)
def test_an_href_that_cannot_be_read_is_named_without_password(href) -> None:
    with pytest.raises(ReadError) as caught:
        locate(href)
    assert "pw" not in str(caught.value)


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"(https?|s3|gs|abfs|file|ftp)://[^/]{0,12}/.{0,20}", fullmatch=True),
    )
)
def test_whatever_the_href_it_is_located_or_refused(href) -> None:
    try:
        assert locate(href).scheme in {"http", "s3"}
    except ReadError as error:
        assert str(error)  # noqa: PT017 - either way is right


def test_an_unknown_way_of_access_is_refused() -> None:
    with pytest.raises(OptionError, match="no way of access 'x'"):
        locate("https://host/x", "x")


@pytest.mark.parametrize(
    ("href", "root", "path"),
    [
        ("gs://bucket/a b/c.tif", "https://storage.googleapis.com", "bucket/a b/c.tif"),
        ("abfs://c@acc.dfs.core.windows.net/a/b", "https://acc.blob.core.windows.net", "c/a/b"),
        ("s3://bucket/a?b#c%20", "bucket", "a?b#c%20"),
        ("https://h:8443/a%20b/%2e%2e/c", "https://h:8443", "c"),
    ],
)
def test_every_scheme_finds_its_store(href, root, path) -> None:
    found = locate(href)
    assert (found.root, found.path) == (root, path)


@pytest.mark.usefixtures("_no_credentials")
def test_requester_pays_buckets_need_credentials_and_say_so(server, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    with pytest.raises(
        AccessError, match=r"requester-pays: set AWS credentials.*planetary-computer"
    ):
        fetch("s3://usgs-landsat/collection02/x.tif")
    assert server.stats()["gets"] == 0


@pytest.mark.usefixtures("_no_credentials")
@pytest.mark.parametrize(
    ("bucket", "keys", "signed", "payer"),
    [
        ("usgs-landsat", True, True, "requester"),
        ("sentinel-cogs", True, False, None),
        ("sentinel-cogs", False, False, None),
        ("unknown", True, True, None),
        ("unknown", False, False, None),
    ],
)
def test_only_known_buckets_are_paid_for(server, monkeypatch, bucket, keys, signed, payer) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_REQUEST_PAYER", "requester")
    if keys:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAX")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    (server.root / bucket).mkdir(exist_ok=True)
    (server.root / bucket / "a b.bin").write_bytes(CONTENT)
    assert fetch(f"s3://{bucket}/a b.bin") == CONTENT[100:150]
    request = server.stats()["log"][-1]
    assert ("authorization" in request) == signed
    assert request.get("x-amz-request-payer") == payer


@pytest.mark.usefixtures("_no_credentials")
def test_expired_sessions_and_wrong_regions_of_s3_are_told_apart(server, monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "SECRET")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.set(faults=[{"path": "*", "kind": "400"}])  # answers with the path: S3's words
    with pytest.raises(AccessError, match="set AWS credentials"):
        fetch("s3://usgs-landsat/ExpiredToken")
    assert server.stats()["gets"] == 2
    server.set(faults=[{"path": "*", "kind": "301"}])
    with pytest.raises(ReadError, match="is in another region; set AWS_REGION"):
        fetch("s3://elsewhere/x")


@pytest.mark.usefixtures("_no_credentials")
def test_credentials_are_found_and_told_in_words(monkeypatch, tmp_path) -> None:
    assert credentials_found("usgs-landsat") == ""
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = A\n[mine]\naws_access_key_id=B\naws_secret_access_key=C%D\n"
    )
    assert credentials_found("usgs-landsat") == ""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert credentials_found("usgs-landsat").startswith("AWS credentials from profile mine of ")
    found = credentials.aws_credentials()
    assert found
    assert dict(found.values) == {"access_key_id": "B", "secret_access_key": "C%D"}
    assert "C%D" not in repr(found)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "E")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "F")
    assert "the environment" in credentials_found("usgs-landsat")
    assert credentials_found("planetary-computer") == credentials_found("") == "none needed"
    monkeypatch.setenv("EARTHDATA_TOKEN", "T")
    assert credentials_found("earthdata") == "token from EARTHDATA_TOKEN"


@pytest.fixture
def signing(server, monkeypatch) -> Iterator[str]:
    """A container that wants a signature of the Planetary Computer; its URL."""
    rules = ACCESS | {
        "planetary-computer": replace(ACCESS["planetary-computer"], hosts=frozenset({"localhost"}))
    }
    monkeypatch.setattr(stores, "ACCESS", rules)
    monkeypatch.setattr(access_module, "_signatures", {})
    monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.url}/sas")
    locate.cache_clear()
    (server.root / "sas" / "localhost").mkdir(parents=True, exist_ok=True)
    _sign(server, "sig=good")
    server.set(faults=[{"path": "/folder/*", "kind": "403", "unless": "sig=good"}])
    yield server.url.replace("127.0.0.1", "localhost") + "/folder"
    locate.cache_clear()


def _sign(server, token, *, minutes=45.0) -> None:
    expiry = datetime.now(UTC) + timedelta(minutes=minutes)
    document = {"msft:expiry": expiry.isoformat().replace("+00:00", "Z"), "token": token}
    (server.root / "sas" / "localhost" / "folder").write_text(json.dumps(document))


def test_a_container_is_signed_once_for_all_its_files(server, signing) -> None:
    async def run():
        async with Access(QUICK) as access:
            hrefs = [f"{signing}/a.bin?sig=stale"] * 20
            return await asyncio.gather(*(access.get_range(h, 0, 9, Meter()) for h in hrefs))

    assert {bytes(d) for d in asyncio.run(run())} == {CONTENT[:9]}
    paths = server.stats()["paths"]
    assert paths == {"/sas/localhost/folder": 1, "/folder/a.bin": 20}


def test_a_refused_signature_is_renewed_once(server, signing) -> None:
    _sign(server, "sig=old")
    with pytest.raises(AccessError, match="Planetary Computer refuses its own signature"):
        fetch(f"{signing}/a.bin")
    assert server.stats()["paths"] == {"/sas/localhost/folder": 2, "/folder/a.bin": 2}
    server.reset()
    _sign(server, "sig=good")
    meter = Meter()
    assert fetch(f"{signing}/a.bin", meter=meter) == CONTENT[100:150]
    assert server.stats()["statuses"] == {"403": 1, "200": 1, "206": 1}
    assert meter.retries == 1


def test_an_expired_signature_is_replaced_before_use(server, signing) -> None:
    _sign(server, "sig=good", minutes=1.0)
    fetch(f"{signing}/a.bin")
    fetch(f"{signing}/a.bin")
    assert server.stats()["paths"]["/sas/localhost/folder"] == 2
    assert server.stats()["faults"] == {}


def test_a_token_goes_to_its_host_and_no_further(server, monkeypatch) -> None:
    rules = ACCESS | {"earthdata": replace(ACCESS["earthdata"], hosts=frozenset({"localhost"}))}
    monkeypatch.setattr(stores, "ACCESS", rules)
    locate.cache_clear()
    here = server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(AccessError, match="set EARTHDATA_TOKEN"):
        fetch(f"{here}/a.bin")
    monkeypatch.setenv("EARTHDATA_TOKEN", "TOKEN")
    server.set(faults=[{"path": "/a.bin", "kind": f"redirect:{server.url}/folder/a.bin"}])
    assert fetch(f"{here}/a.bin") == CONTENT[100:150]
    first, second = server.stats()["log"]
    assert first["authorization"] == "Bearer TOKEN"
    assert "authorization" not in second
    assert second["range"] == "bytes=100-149"
    locate.cache_clear()


def test_documents_are_read_from_anywhere_even_inside_an_event_loop(server) -> None:
    async def run():
        return read_bytes(f"{server.url}/a.bin")

    assert asyncio.run(run()) == CONTENT
    assert read_bytes(str(server.root / "a.bin")) == CONTENT
    with pytest.raises(ReadError, match="only an archive on this machine"):
        read_bytes(str(server.root / "a.bin"), local_allowed=False)
    with pytest.raises(ReadError, match=r"nothing\.json: No such file"):
        read_bytes(str(server.root / "nothing.json"))


def test_documents_of_untold_length_are_read() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert read_bytes(f"http://127.0.0.1:{server.server_port}/x?y=1") == b"hello"
        finally:
            server.shutdown()
            thread.join()
