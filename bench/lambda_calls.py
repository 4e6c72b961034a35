"""Many Lambda calls in flight from one client: file descriptors, memory, processor, time.

    python bench/lambda_calls.py                 # 100, 1,000 and 2,000 calls at the same time
    python bench/lambda_calls.py --seconds 5 --at-once 1000

A stub in a process of its own stands for AWS: it answers every call after some seconds. Compared
are the executor (threads that wait, boto3), and the least that any client could do: one thread,
sockets under asyncio, and nothing but the signature of each request.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

PATH = "/2015-03-31/functions/f/invocations"
REPORT = (
    b"REPORT RequestId: 0-0\tDuration: 2.00 ms\tBilled Duration: 2 ms\tMemory Size: 512 MB\t"
    b"Max Memory Used: 60 MB\t\n"
)


async def serve(port, seconds):
    """Answer calls after some seconds, and questions for a function at once."""
    from fieldwren.engine.pickling import dumps

    answer = {"answer": {"data": base64.b64encode(dumps((True, 0))).decode()}}
    called, there = (
        json.dumps(answer).encode(),
        b'{"State":"Active","LastUpdateStatus":"Successful"}',
    )
    log = base64.b64encode(REPORT)

    async def connection(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
                if size:
                    await reader.readexactly(int(size[0].partition(b":")[2]))
                body = there
                if b"/invocations" in head.partition(b"\r\n")[0]:
                    await asyncio.sleep(seconds)
                    body = called
                writer.write(
                    b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 0-0\r\nX-Amz-Log-Result: %b\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (log, len(body), body)
                )
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


class Watch:
    """The most memory and descriptors while something runs, and what it cost."""

    def __enter__(self):
        self.before = resident()
        self.descriptors, self.memory, self.threads = 0, 0.0, 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        self.start, self.processor = time.perf_counter(), time.process_time()
        return self

    def _look(self):
        while not self._end.wait(0.2):
            self.descriptors = max(self.descriptors, len(list(Path("/proc/self/fd").iterdir())))
            self.memory = max(self.memory, resident() - self.before)
            self.threads = max(self.threads, threading.active_count())

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.start
        self.processor = time.process_time() - self.processor
        self._end.set()
        self._thread.join()


def resident():
    """MiB that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def nothing(_):
    return 0


def by_executor(_, at_once, calls):
    """The engine as users have it."""
    from fieldwren.engine.aws_lambda.executor import LambdaExecutor
    from fieldwren.engine.aws_lambda.options import LambdaOptions

    options = LambdaOptions(
        region="us-east-1", workers=at_once, timeout=900, role="arn:aws:iam::123456789012:role/r"
    )
    with LambdaExecutor(options) as engine, Watch() as watch:
        assert sum(engine.map(nothing, range(calls))) == 0
    return watch


def by_sockets(url, at_once, calls):
    """One thread, asyncio, signed requests and no more."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signer = SigV4Auth(Credentials("a", "b"), "lambda", "us-east-1")
    payload, left = b'{"call": {"data": "%b"}}' % (b"A" * 200), iter(range(calls))
    host, port = url.removeprefix("http://").split(":")

    async def lane():
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in left:
            request = AWSRequest("POST", url + PATH, data=payload)
            signer.add_auth(request)
            lines = [f"POST {PATH} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(payload)}"]
            lines += [f"{name}: {value}" for name, value in request.headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0]))
        writer.close()

    async def all_lanes():
        await asyncio.gather(*(lane() for _ in range(at_once)))

    with Watch() as watch:
        asyncio.run(all_lanes())
    return watch


def measure(way, at_once, seconds, waves):
    """Run one way in this process, against a stub of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stub = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(port), "--seconds", str(seconds)]
    )
    url = f"http://127.0.0.1:{port}"
    os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        calls = waves * at_once
        watch = {"executor": by_executor, "sockets": by_sockets}[way](url, at_once, calls)
    finally:
        stub.kill()
        stub.wait()
    extra = watch.seconds - waves * seconds
    print(
        f"{way:9} {at_once:6,} {calls:7,} {watch.seconds:8.2f} {1000 * extra / calls:9.2f} "
        f"{1000 * watch.processor / calls:9.2f} {watch.descriptors:6,} {watch.threads:8,} "
        f"{watch.memory:8.0f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--at-once", type=int, nargs="+", default=[100, 1000, 2000])
    parser.add_argument("--seconds", type=float, default=5.0, help="that a call takes")
    parser.add_argument("--waves", type=int, default=2, help="calls by each worker")
    parser.add_argument("--way", choices=["executor", "sockets"])
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve, options.seconds))
    elif options.way:
        measure(options.way, options.at_once[0], options.seconds, options.waves)
    else:
        print("way       at once   calls  seconds  extra ms   cpu ms  files  threads  MiB more")
        print("                                     a call    a call", flush=True)
        for at_once in options.at_once:
            for way in ("executor", "sockets"):  # each in a fresh process
                command = [sys.executable, __file__, "--way", way, "--at-once", str(at_once)]
                shared = ["--seconds", str(options.seconds), "--waves", str(options.waves)]
                subprocess.run([*command, *shared], check=True)


if __name__ == "__main__":
    main()
