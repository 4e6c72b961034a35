"""Byte ranges of files, wherever they lie, asynchronously and within bounds.

    href ─► budget of bytes ─► slot for a request ─► store ─► bytes
                                     ▲ repeated, with growing random pauses, until a deadline

An :class:`Access` belongs to one event loop. The stores under it, with their open connections, are
shared by the whole process.
"""

from __future__ import annotations

import asyncio
import copy
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from obstore.exceptions import BaseError

from fieldwren.archive.budget import Budget
from fieldwren.archive.fetch import (
    PARALLEL,
    Answer,
    MismatchError,
    NoRangesError,
    PassingError,
    UnreachableError,
    failure,
    get_ranges,
    get_versioned,
    get_whole,
    read_file,
)
from fieldwren.archive.headers import DiskHeaders
from fieldwren.archive.stores import ACCESS, AccessRule, credentials_found, locate, open_store
from fieldwren.errors import AccessError, ReadError, public_href
from fieldwren.model import ReadOptions, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Hashable, Sequence

    from obstore.store import HTTPStore, S3Store

    from fieldwren.archive.stores import Location

    Store = HTTPStore | S3Store
    Send = Callable[[Store], Awaitable[Answer]]
    Spans = Sequence[tuple[int, int]]

__all__ = ["ACCESS", "Access", "AccessRule", "Meter", "credentials_found", "read_bytes"]

T = TypeVar("T")

FIRST_PAUSE: Final = 0.1
"""Seconds before the second try, at most; twice as many before each further one. The pause is
random between 0 and that ("full jitter"), so that those who failed together do not return so."""
UNREACHABLE: Final = 15.0
"""Seconds after which a server to which no connection can be made is given up for good."""
LONGEST_PAUSE: Final = 10.0
"""Seconds before any try, at most."""
MAX_WHOLE: Final = 32 * 2**20
"""Bytes of a raster that is fetched whole, because the server knows no ranges, at most."""
MAX_DOCUMENT: Final = 2**30
"""Bytes of a document, at most."""


@dataclass(slots=True)
class Meter:
    """Counts what a piece of work costs; see :class:`fieldwren.model.Timing` for each field."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0
    read_seconds: float = 0.0
    decode_seconds: float = 0.0
    reduce_seconds: float = 0.0

    def timing(self) -> Timing:
        """The counts so far."""
        return Timing(
            requests=self.requests,
            bytes=self.bytes,
            retries=self.retries,
            read_seconds=self.read_seconds,
            decode_seconds=self.decode_seconds,
            reduce_seconds=self.reduce_seconds,
        )

    def read(self, size: int, began: float) -> None:
        """Count an answer of so many bytes to a request that began then."""
        self.requests += 1
        self.bytes += size
        self.read_seconds += time.perf_counter() - began


class Access:
    """Reads files of one archive, in one event loop.

    Use it as an asynchronous context: leaving it gives up what is still under way.

    Args:
        options: How many requests and bytes at a time, and for how long.
        kind: A key of :data:`ACCESS`, from ``Scene.access``. Only "local" may read local files.
    """

    def __init__(self, options: ReadOptions, kind: str = "") -> None:
        self.options = options
        self.kind = kind
        self.headers = DiskHeaders(options.header_cache)
        self._slots = Budget(options.files)
        self._budget = Budget(options.bytes_in_flight)
        self._stores: dict[tuple[str, str], Store] = {}
        self._shared: dict[Hashable, asyncio.Task[Any]] = {}
        self._lost: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._shared.values():
            task.cancel()
        self.headers.close()

    def of(self, kind: str) -> Access:
        """The same reader with the same bounds, for files of another archive."""
        other = copy.copy(self)
        other.kind = kind
        return other

    @asynccontextmanager
    async def reading(
        self, href: str, spans: Spans, meter: Meter, *, version: str = ""
    ) -> AsyncGenerator[list[memoryview]]:
        """Hold bytes of a file while they are decoded; until then they count as in flight.

        Args:
            href: The file.
            spans: First byte and length of each piece; the file must have them all.
            meter: Counts the costs.
            version: Where given, the version that the file must have; goes with a single span.

        Raises:
            MismatchError: The file has another version, or ends before the bytes.
            AccessError: The archive refuses access.
            ReadError: The bytes cannot be had.
        """
        async with self._budget.take(sum(length for _, length in spans)):
            answer = await self._spans(href, spans, meter, versioned=bool(version))
            if answer.version != version:
                raise MismatchError(f"{public_href(href)}: was replaced meanwhile", href=href)
            for (start, length), data in zip(spans, answer.parts, strict=True):
                if len(data) != length:
                    words = f"ends too soon, at byte {start + len(data)}; store the file anew"
                    raise MismatchError(f"{public_href(href)}: {words}", href=href)
            yield answer.parts

    async def get_range(self, href: str, start: int, length: int, meter: Meter) -> memoryview:
        """Bytes of a file; fewer where it ends before. For errors see :meth:`reading`."""
        async with self._budget.take(length):
            return (await self._spans(href, [(start, length)], meter, versioned=False)).data

    async def get_start(self, href: str, length: int, meter: Meter) -> Answer:
        """The first bytes of a file, and its version. For errors see :meth:`reading`."""
        async with self._budget.take(length):
            return await self._spans(href, [(0, length)], meter, versioned=True)

    async def get(self, href: str, meter: Meter | None = None) -> memoryview:
        """A whole document of a gigabyte at most. For errors see :meth:`reading`."""
        location = locate(href, self.kind)
        meter = meter or Meter()
        if location.scheme == "local":
            return await self._local(location, 0, -1, meter)
        return (await self._answer(location, _whole(location, MAX_DOCUMENT), meter)).data

    async def once(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do something once for all who ask for it while it is being done."""
        task = self._shared.get(key)
        if task is None:
            task = self._shared[key] = asyncio.create_task(make())
            task.add_done_callback(lambda _: self._shared.pop(key, None))
        return await asyncio.shield(task)

    async def _spans(self, href: str, spans: Spans, meter: Meter, *, versioned: bool) -> Answer:
        location = locate(href, self.kind)
        if location.scheme == "local":
            return Answer([await self._local(location, *span, meter) for span in spans])

        async def get(store: Store) -> Answer:
            if versioned:
                return await get_versioned(store, location, *spans[0])
            return await get_ranges(store, location, spans)

        try:
            return await self._answer(location, get, meter, requests=len(spans))
        except NoRangesError:
            answer = await self._answer(location, _whole(location, MAX_WHOLE), meter)
            parts = [answer.data[start : start + length] for start, length in spans]
            return Answer(parts, answer.version, answer.size) if versioned else Answer(parts)

    @property
    def most_spans(self) -> int:
        """Spans that one call of :meth:`reading` should have, at most."""
        return self.options.files if self.options.files < PARALLEL else 1000

    async def _local(self, location: Location, start: int, length: int, meter: Meter) -> memoryview:
        began = time.perf_counter()
        try:
            data = await asyncio.to_thread(read_file, location.path, start, length)
        except OSError as error:
            raise ReadError(f"{location.href}: {error.strerror}", href=location.href) from error
        except ValueError as error:
            raise ReadError(f"{location.href!r}: {error}") from error
        meter.read(len(data), began)
        return memoryview(data)

    async def _answer(
        self, location: Location, send: Send, meter: Meter, *, requests: int = 1
    ) -> Answer:
        """Send a request until it is answered, or until the deadline."""
        if location.root in self._lost:
            raise ReadError(f"{location.href}: the server cannot be reached", href=location.href)
        began = time.monotonic()
        renewed = False
        tries = 0
        while True:
            tries += 1
            answer = await self._try(location, send, meter, requests)
            if isinstance(answer, Answer):
                return answer
            pause = random.uniform(0, min(FIRST_PAUSE * 2**tries / 2, LONGEST_PAUSE))  # noqa: S311 - no secret
            if isinstance(answer, AccessError) and location.rule.signing and not renewed:
                renewed, pause = True, 0.0  # signatures and sessions expire
                await self._store(location, renew=True)
            elif not isinstance(answer, PassingError):
                raise answer
            elif time.monotonic() + pause > began + self._patience(answer):
                if isinstance(answer, UnreachableError):
                    self._lost.add(location.root)
                raise ReadError(f"{answer}; gave up after {tries} tries", href=location.href)
            meter.retries += 1
            await asyncio.sleep(pause)

    def _patience(self, failure: PassingError) -> float:
        """Seconds for which a failure is worth another try."""
        lost = isinstance(failure, UnreachableError)
        return min(UNREACHABLE, self.options.deadline) if lost else self.options.deadline

    async def _try(
        self, location: Location, send: Send, meter: Meter, requests: int
    ) -> Answer | ReadError:
        """Send a request once.

        What went wrong is returned, so that it is raised unchained: the store's own words may
        hold a signature.
        """
        store = await self._store(location)
        async with self._slots.take(min(requests, PARALLEL)):
            began = time.perf_counter()
            try:
                answer = await send(store)
            except (BaseError, OSError, ValueError) as error:
                meter.read_seconds += time.perf_counter() - began
                return failure(location, error)
        for part in answer.parts:
            meter.read(len(part), began)
            began = time.perf_counter()
        return answer

    async def _store(self, location: Location, *, renew: bool = False) -> Store:
        """The file's store, with a signature where the archive wants one."""
        key = location.root, location.query
        if location.rule.signing == "planetary-computer":
            key = location.root, await self._signature(location, renew=renew)
        if renew or key not in self._stores:
            self._stores[key] = open_store(
                location,
                signature=key[1],
                timeout=self.options.timeout,
                deadline=self.options.deadline,
            )
        return self._stores[key]

    async def _signature(self, location: Location, *, renew: bool) -> str:
        """The Planetary Computer's signature for a container, fetched once for all its files."""
        href = location.signature_href
        known = _signatures.get(href)
        if known is None or renew or known[1] < datetime.now(UTC):
            known = _signatures[href] = await self.once(href, lambda: self._fetch_signature(href))
        return known[0]

    async def _fetch_signature(self, href: str) -> tuple[str, datetime]:
        document = await self.get(href)
        try:
            answer = json.loads(bytes(document))
            expiry = datetime.fromisoformat(answer["msft:expiry"])
            return str(answer["token"]), expiry - timedelta(minutes=2)
        except (ValueError, KeyError, TypeError):
            raise AccessError(f"{href}: gave no signature; try again later", href=href) from None


_signatures: dict[str, tuple[str, datetime]] = {}
"""Signatures, and when another is due, by where they come from; for the whole process."""


def _whole(location: Location, limit: int) -> Send:
    return lambda store: get_whole(store, location, limit)


def read_bytes(
    href: str, *, local_allowed: bool = True, kind: str = "", deadline: float = 120.0
) -> bytes:
    """Read a small document: a catalog, a table, a thumbnail. Also works inside an event loop.

    Args:
        href: A path, or a URL of any kind that rasters can have.
        local_allowed: The href was given by the user or by an archive on this machine.
        kind: A key of :data:`ACCESS` for what is not local.
        deadline: Seconds for all tries together.

    Raises:
        AccessError: The archive refuses access.
        ReadError: The document cannot be had.
    """
    if local_allowed and not kind:
        kind = "local"

    async def read() -> bytes:
        async with Access(ReadOptions(deadline=deadline), kind) as access:
            return bytes(await access.get(href))

    return run_apart(read())


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where an event loop runs already, as in Jupyter."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
