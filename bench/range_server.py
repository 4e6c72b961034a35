"""A loopback HTTP/1.1 file server with byte ranges, latency, a bandwidth cap and faults on demand.

It stands in for an object store in tests and benchmarks, in a process of its own, so that it takes
no time from the client's interpreter lock:

    with RangeServer(folder, latency=0.03, bandwidth=80e6) as server:
        read(f"{server.url}/scene/B4.TIF")
        print(server.stats()["gets"])

or, from a shell, ``python bench/range_server.py FOLDER --latency 0.03``. Settings, all changeable
while it runs with :meth:`RangeServer.set`:

    latency     seconds from a request to the first byte of its answer
    bandwidth   bytes per second and connection; None is unlimited
    faults      list of {"path": pattern, "kind": ..., and optionally "first": n, "rate": r,
                "unless": text}. The first that matches counts: the path matches the shell pattern,
                the request (target and headers) does not hold the text, and this is one of the
                first n requests of that path, or chance says so. Kinds: a status such as "503",
                "reset" (hang up before the answer), "cut" (hang up in the middle of the body),
                "stall" (send half of the body and no more), "whole" (ignore the Range header),
                "redirect:<location>".
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import subprocess
import sys
from collections import Counter, deque
from email.utils import formatdate
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

PIECE = 256 * 1024  # bytes sent between two looks at the clock where bandwidth is capped


class RangeServer:
    """The server as the client sees it: a context manager around its process."""

    def __init__(self, root: str | Path, **settings: Any):
        self.root = Path(root)
        options = ["--until-eof", "--settings", json.dumps(settings)]
        self._command = [sys.executable, __file__, str(root), *options]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its standard input

    def stats(self) -> dict[str, Any]:
        """Counts since the last reset; see :class:`Stats`."""
        return self._control("GET", "/__stats")

    def reset(self) -> None:
        """Forget all counts, also those of "first" faults."""
        self._control("POST", "/__reset")

    def set(self, **settings: Any) -> None:
        """Change settings and forget all counts."""
        self._control("POST", "/__set", json.dumps(settings))

    def _control(self, method: str, target: str, body: str | None = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request(method, target, body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class Stats:
    """What was asked and answered."""

    def __init__(self) -> None:
        self.gets = self.heads = self.bytes = self.active = self.max_concurrent = 0
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.paths: Counter[str] = Counter()
        self.log: deque[dict[str, str]] = deque(maxlen=10_000)  # method, target and headers


class Server:
    """The server itself."""

    def __init__(self, root: Path, settings: dict[str, Any]):
        self.root = root
        self.settings = {"latency": 0.0, "bandwidth": None, "faults": []} | settings
        self.stats = Stats()
        self.random = random.Random(0)

    async def serve(self, port: int, *, until_eof: bool) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port)
        host, port = server.sockets[0].getsockname()
        print(f"http://{host}:{port}", flush=True)
        if until_eof:  # however the process that started this one ends
            asyncio.get_running_loop().add_reader(0, lambda: os.read(0, 4096) or os._exit(0))
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.stats.active += 1
                try:
                    fault = await self._answer(head, reader, writer)
                finally:
                    self.stats.active -= 1
                if fault == "stall":
                    await reader.read()  # until the client leaves
                if fault in {"cut", "stall", "reset"}:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left
        finally:
            writer.close()

    async def _answer(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        """Answer one request; returns the kind of fault that was injected, or ""."""
        method, target, _ = head.split(" ", 2)
        fields = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        headers = {name.lower(): value for name, value in fields}
        if target.startswith("/__"):
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = json.dumps(self._control(target, body)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
            return ""
        path = unquote(urlsplit(target).path)
        fault = self._fault(path, head)
        self._count(method, target, path, headers)
        await asyncio.sleep(self.settings["latency"])
        if fault == "reset":
            writer.transport.abort()
            return fault
        status, fields, body = self._respond(path, headers, fault)
        self.stats.statuses[status] += 1
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if method != "HEAD":
            await self._send(writer, body[: len(body) // 2] if fault in {"cut", "stall"} else body)
        return fault

    def _control(self, target: str, body: bytes) -> object:
        if target == "/__stats":
            return {k: list(v) if k == "log" else v for k, v in vars(self.stats).items()}
        if target == "/__set":
            self.settings |= json.loads(body)
        active, self.stats = self.stats.active, Stats()
        self.stats.active = active
        return {}

    def _count(self, method: str, target: str, path: str, headers: dict[str, str]) -> None:
        stats = self.stats
        stats.max_concurrent = max(stats.max_concurrent, stats.active)
        stats.gets += method == "GET"
        stats.heads += method == "HEAD"
        stats.paths[path] += 1
        stats.log.append({"method": method, "target": target} | headers)

    def _fault(self, path: str, head: str) -> str:
        """The kind of the first fault that concerns this request, or ""."""
        for fault in self.settings["faults"]:
            if not fnmatchcase(path, fault["path"]):
                continue
            if "unless" in fault and fault["unless"] in head:
                continue
            if self.stats.paths[path] >= fault.get("first", float("inf")):
                continue
            if self.random.random() < fault.get("rate", 1.0):
                self.stats.faults[fault["kind"]] += 1
                return fault["kind"]
        return ""

    def _respond(
        self, path: str, headers: dict[str, str], fault: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        if fault.startswith("redirect:"):
            return 302, {"location": fault.removeprefix("redirect:")}, b""
        file = self.root / path.lstrip("/")
        found = file.is_file() and ".." not in file.parts
        if fault.isdigit() or not found:
            return int(fault) if fault.isdigit() else 404, {}, f"no luck with {path}".encode()
        stat = file.stat()
        size, changed = stat.st_size, stat.st_mtime
        fields = {
            "accept-ranges": "bytes",
            "etag": f'"{stat.st_mtime_ns:x}-{size:x}"',
            "last-modified": formatdate(changed, usegmt=True),
        }
        start, stop, status = 0, size, 200
        if "range" in headers and fault != "whole":
            first, _, last = headers["range"].removeprefix("bytes=").partition("-")
            start = int(first) if first else max(size - int(last), 0)
            stop = min(int(last) + 1, size) if first and last else size
            if start >= stop:
                return 416, fields | {"content-range": f"bytes */{size}"}, b""
            status = 206
            fields["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        with file.open("rb") as opened:
            return status, fields, os.pread(opened.fileno(), stop - start, start)

    async def _send(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        """Write a body, no faster than the bandwidth allows."""
        bandwidth, clock = self.settings["bandwidth"], asyncio.get_running_loop().time
        self.stats.bytes += len(body)
        due = clock()
        step = PIECE if bandwidth else max(len(body), 1)
        for start in range(0, len(body), step):
            piece = memoryview(body)[start : start + step]
            writer.write(piece)
            await writer.drain()
            if bandwidth:
                due += len(piece) / bandwidth
                await asyncio.sleep(max(due - clock(), 0))


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder by byte ranges, slowly or badly.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to the first byte")
    parser.add_argument("--bandwidth", type=float, help="bytes per second and connection")
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON; see the module")
    parser.add_argument("--until-eof", action="store_true", help="end with the standard input")
    args = parser.parse_args()
    settings = {"latency": args.latency, "bandwidth": args.bandwidth} | args.settings
    asyncio.run(Server(args.root, settings).serve(args.port, until_eof=args.until_eof))


if __name__ == "__main__":
    main()
