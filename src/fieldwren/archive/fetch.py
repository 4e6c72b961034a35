"""One request to a store, and what went wrong with it in our own words.

What a store says of a failure is never repeated: it may hold a signature. The class of an error
says what to do about it: :class:`PassingError` is worth another try, the others are not.
"""

from __future__ import annotations

import asyncio
import re
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import obstore
from obstore.exceptions import GenericError, NotSupportedError

from fieldwren.errors import AccessError, ReadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore.store import HTTPStore, S3Store

    from fieldwren.archive.stores import Location

    Store = HTTPStore | S3Store

__all__ = [
    "Answer",
    "MismatchError",
    "NoRangesError",
    "PassingError",
    "failure",
    "get_ranges",
    "get_versioned",
    "get_whole",
    "read_file",
]

_STATUS: Final = re.compile(r"(?:status code:|HTTP Error) (\d{3})")
# Sessions expire in the middle of a run; S3 calls that a bad request.
_EXPIRED: Final = ("ExpiredToken", "TokenRefreshRequired")


class PassingError(ReadError):
    """What may succeed when tried again."""


class UnreachableError(PassingError):
    """No connection to the server can be made: given up sooner than a server that answers."""


class NoRangesError(ReadError):
    """The server sends whole files only."""


class MismatchError(ReadError):
    """The file is not what its header says: it was replaced, or it is damaged."""


PARALLEL: Final = 10
"""Requests that obstore sends at a time for one call of :func:`get_ranges`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a file gave."""

    parts: list[memoryview]
    """The bytes, one piece for each that was asked for."""
    version: str = ""
    """Changes when the file does; "" where it was not asked for."""
    size: int = 0
    """Bytes of the whole file; 0 where the version was not asked for."""

    @property
    def data(self) -> memoryview:
        """The only piece."""
        (part,) = self.parts
        return part


async def get_ranges(store: Store, location: Location, spans: Sequence[tuple[int, int]]) -> Answer:
    """Pieces of a file by first byte and length; fewer bytes where it ends before.

    One call for many pieces takes a third of the time of a call for each.
    """
    starts, lengths = zip(*spans, strict=True)
    if len(spans) == 1:  # several together are refused where the file ends before
        found = [
            await obstore.get_range_async(store, location.path, start=starts[0], length=lengths[0])
        ]
    else:
        found = await obstore.get_ranges_async(
            store, location.path, starts=starts, lengths=lengths, coalesce=0
        )
    return Answer([memoryview(part) for part in found])


async def get_versioned(store: Store, location: Location, start: int, length: int) -> Answer:
    """One piece, with the file's version; costs a tenth of a millisecond more."""
    found = await obstore.get_async(
        store, location.path, options={"range": (start, start + length)}
    )
    size = found.meta["size"]
    tag = found.meta["e_tag"] or found.meta["last_modified"].isoformat()
    return Answer([memoryview(await found.bytes_async())], f"{tag} {size}", size)


async def get_whole(store: Store, location: Location, limit: int) -> Answer:
    """A whole file of at most ``limit`` bytes.

    Raises:
        ReadError: It is larger.
    """
    try:
        found = await obstore.get_async(store, location.path)
    except GenericError as error:
        if "Content-Length" not in str(error):
            raise
        data = await asyncio.to_thread(_get_chunked, location, limit)
        return Answer([memoryview(data)], str(len(data)), len(data))
    size = found.meta["size"]
    _check_size(location, size, limit)
    return Answer([memoryview(await found.bytes_async())], str(size), size)


def _get_chunked(location: Location, limit: int) -> bytes:
    """As :func:`get_whole`, where the server does not tell the length, which obstore refuses."""
    query = f"?{location.query}" if location.query else ""
    url = f"{location.root}/{quote(location.path)}{query}"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - http(s), says locate()
        data: bytes = answer.read(limit + 1)
    _check_size(location, len(data), limit)
    return data


def _check_size(location: Location, size: int, limit: int) -> None:
    if size > limit:
        raise ReadError(
            f"{location.href}: the server sends it whole or not at all, and it exceeds"
            f" {limit >> 20} MiB; use a server with byte ranges, or copy it to this machine",
            href=location.href,
        )


def read_file(path: str, start: int, length: int) -> bytes:
    """Bytes of a local file; fewer where it ends before; all from start where length is -1."""
    with open(path, "rb") as file:  # noqa: PTH123 - Path.open says the same, slower
        file.seek(start)
        return file.read(length)


def failure(location: Location, error: Exception) -> ReadError:
    """What went wrong with a request, as the error to raise.

    Args:
        location: The file.
        error: What the store raised.
    """
    href, text = location.href, str(error)
    found = _STATUS.search(text)
    status = int(found[1]) if found else 0
    if status in {401, 403} or (status == 400 and any(word in text for word in _EXPIRED)):
        hint = location.rule.hint or "it needs credentials, or a signature that has not expired"
        return AccessError(f"{href}: access was refused; {hint}", href=href)
    if isinstance(error, NotSupportedError):
        return NoRangesError(f"{href}: the server sends whole files only", href=href)
    kind, words = _words(text, status)
    return kind(f"{href}: {words}", href=href)


# What a store's words mean, where it gives no HTTP status; the first that is found counts.
_WORDS: Final[tuple[tuple[str, type[ReadError], str], ...]] = (
    ("redirect without LOCATION", ReadError, "is in another region; set AWS_REGION to its own"),
    ("InvalidCertificate", ReadError, "the server's TLS certificate is not trusted"),
    ("BadScheme", ReadError, "redirects from https to http, which is not followed"),
    ("Could not parse path", ReadError, "has a path that no store can have"),
    ("kind: Connect", UnreachableError, "the server cannot be reached"),
    ("kind: Timeout", PassingError, "the server fell silent"),
    ("", PassingError, "the connection was lost"),
)


def _words(text: str, status: int) -> tuple[type[ReadError], str]:
    """The class and words of a failure."""
    if status in {404, 410}:
        return ReadError, "is not in the archive"
    if status == 416:
        return MismatchError, "ends too soon; store the file anew"
    if status in {408, 425, 429} or status >= 500:
        return PassingError, f"the server answered {status}"
    if status:
        return ReadError, f"the server answered {status}"
    return next((kind, words) for sign, kind, words in _WORDS if sign in text)
