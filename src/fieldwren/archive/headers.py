"""Remembers file headers: in memory for the process, on disk between runs.

A header is small and its file large and far away, so a remembered one saves a round trip per file.
The disk holds the header's bytes as they came, compressed, in one SQLite file that any number of
processes may use at the same time. It is a cache and no more: whatever is wrong with it, files are
read without it. Hrefs with a query are never written to it.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
import zlib
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import deflate

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from fieldwren.pixels.tiff import TiffIndex

__all__ = ["DiskHeaders", "Header", "MemoryHeaders"]

FILE_NAME: Final = "headers-1.sqlite"
"""The number changes with the schema; a file of another number is left alone."""
MAX_ROWS: Final = 100_000
"""Headers kept on disk, the newest: some 700 MB of Landsat bands."""
MAX_MEMORY: Final = 64 * 2**20
"""Bytes of headers kept in memory: some 4,000 Landsat bands or 20,000 of Sentinel-2."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS headers (
    number INTEGER PRIMARY KEY, href TEXT UNIQUE, version TEXT, chunks BLOB)
"""
_PIECE: Final = struct.Struct("<QI")


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header, and the version of the file it belongs to."""

    index: TiffIndex
    """Where the tiles lie."""
    version: str
    """From the archive; "" for a local file."""


class MemoryHeaders:
    """The headers used last, up to a number of bytes. May be shared by threads."""

    def __init__(self, capacity: int = MAX_MEMORY) -> None:
        self.capacity = capacity
        self.size = 0
        self._headers: OrderedDict[Hashable, Header] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Header | None:
        """The header, now the one used last."""
        with self._lock:
            if key in self._headers:
                self._headers.move_to_end(key)
            return self._headers.get(key)

    def put(self, key: Hashable, header: Header) -> None:
        """Remember a header, and forget those not used for longest."""
        with self._lock:
            self._forget(key)
            self._headers[key] = header
            self.size += _size(header)
            while self.size > self.capacity:
                self._forget(next(iter(self._headers)))

    def drop(self, key: Hashable) -> None:
        """Forget a header."""
        with self._lock:
            self._forget(key)

    def _forget(self, key: Hashable) -> None:
        header = self._headers.pop(key, None)
        if header is not None:
            self.size -= _size(header)


def _size(header: Header) -> int:
    """Bytes of a header in memory: its two tables, and about a kilobyte for the rest."""
    return header.index.offsets.nbytes + header.index.counts.nbytes + 1024


class DiskHeaders:
    """Header bytes on disk, for one thread. Every error of the disk counts as "not remembered".

    Args:
        folder: Created where it is missing; None remembers nothing.
    """

    def __init__(self, folder: str | None) -> None:
        self._connection = None if folder is None else _connect(Path(folder))
        self._wrote = False

    def get(self, href: str) -> tuple[dict[int, bytes], str] | None:
        """The pieces of a file's header by position, and the file's version."""
        if self._connection is None or "?" in href:
            return None
        with suppress(sqlite3.Error, zlib.error, struct.error):
            found = self._connection.execute(
                "SELECT chunks, version FROM headers WHERE href = ?", (href,)
            ).fetchone()
            return found and (_unpack(zlib.decompress(found[0])), found[1])
        return None

    def put(self, href: str, chunks: Mapping[int, bytes], version: str) -> None:
        """Remember a header."""
        if self._connection is None or "?" in href:
            return
        packed = deflate.zlib_compress(_pack(chunks), 1)
        with suppress(sqlite3.Error):
            self._connection.execute(
                "INSERT OR REPLACE INTO headers (href, version, chunks) VALUES (?, ?, ?)",
                (href, version, packed),
            )
            self._wrote = True

    def drop(self, href: str) -> None:
        """Forget a header."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.execute("DELETE FROM headers WHERE href = ?", (href,))

    def close(self) -> None:
        """Forget the oldest headers beyond the limit, and close the file."""
        if self._connection is None:
            return
        with suppress(sqlite3.Error):
            if self._wrote:
                self._connection.execute(
                    "DELETE FROM headers WHERE number <= (SELECT max(number) FROM headers) - ?",
                    (MAX_ROWS,),
                )
        self._connection.close()
        self._connection = None


def _connect(folder: Path) -> sqlite3.Connection | None:
    """Open the file; None where that cannot be done."""
    connection = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Waiting for another process longer than for the archive would defeat the purpose.
        connection = sqlite3.connect(folder / FILE_NAME, timeout=0.2, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # a torn file is a lost cache, no more
        connection.execute(_SCHEMA)
    except (OSError, sqlite3.Error):
        if connection is not None:
            connection.close()
        return None
    return connection


def _pack(chunks: Mapping[int, bytes]) -> bytes:
    """Pieces as position, length, bytes, one after the other."""
    return b"".join(_PIECE.pack(at, len(data)) + data for at, data in chunks.items())


def _unpack(packed: bytes) -> dict[int, bytes]:
    chunks: dict[int, bytes] = {}
    position = 0
    while position < len(packed):
        start, length = _PIECE.unpack_from(packed, position)
        position += _PIECE.size + length
        chunks[start] = packed[position - length : position]
    return chunks
