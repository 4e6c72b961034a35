"""Rasters: the header of a file, and values at pixel positions, with as little reading as can be.

    open_raster ─► header (memory ─► disk ─► one request) ─► Raster
    Raster.sample ─► tiles ─► spans ─► requests at the same time ─► decoded and picked at once

Band 1 only. Each tile is fetched and decoded once for all pixels wanted of it, and forgotten.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.archive import fallback
from fieldwren.archive.fetch import MismatchError
from fieldwren.archive.headers import Header, MemoryHeaders
from fieldwren.archive.stores import locate
from fieldwren.errors import ReadError, public_href
from fieldwren.pixels.tiff import Incomplete, parse
from fieldwren.pixels.tiles import Span, cut, decode_pixels, decode_tile, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from fieldwren.archive.access import Access, Meter
    from fieldwren.pixels.tiff import TiffIndex

    Positions = NDArray[np.integer[Any]]
    Use = Callable[[int, memoryview], None]

__all__ = ["Picks", "Raster", "on_image", "open_raster", "plan_picks"]

FIRST_READ: Final = 16 * 2**10
"""Bytes of the first request: holds the header of a Landsat band (11.5 KB), as 8 KiB does not."""
MAX_READS: Final = 16
"""Requests for one header, at most."""
MAX_SPAN: Final = 4 * 2**20
"""Bytes of one request for several tiles, and of the requests of one call, at most."""
MAX_TILE: Final = 2**28
"""Bytes of one tile, at most."""

_memory = MemoryHeaders()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picks:
    """Pixel positions sorted by tile, for one tiling; serves all bands and dates that have it."""

    rows: Positions
    """Shape (m,): rows on the image, as they were given."""
    cols: Positions
    """Shape (m,): columns on the image."""
    tiling: tuple[int, int, int, int]
    """Width and height of the image, width and height of its tiles."""
    tiles: NDArray[np.int64]
    """Shape (k,): the tiles that hold a position, ascending."""
    bounds: NDArray[np.int64]
    """Shape (k + 1,): the positions of tile j stand at bounds[j] to bounds[j + 1] of the rest."""
    order: NDArray[np.int64]
    """Shape (m,): numbers of the positions, sorted by tile."""
    tile_rows: NDArray[np.int32]
    """Shape (m,): rows within the tile, sorted by tile."""
    tile_cols: NDArray[np.int32]
    """Shape (m,): columns within the tile, sorted by tile."""


def on_image(index: TiffIndex, rows: Positions, cols: Positions) -> NDArray[np.bool_]:
    """Which pixel positions lie on the image, in their shape."""
    return (rows >= 0) & (rows < index.height) & (cols >= 0) & (cols < index.width)


def plan_picks(index: TiffIndex, rows: Positions, cols: Positions) -> Picks:
    """Sort pixel positions by tile.

    Args:
        index: Of any raster with that tiling.
        rows: Shape (m,): rows of the image.
        cols: Shape (m,): columns of the image.

    Raises:
        ValueError: A position is not on the image.
    """
    for positions, size in ((rows, index.height), (cols, index.width)):
        if positions.min(initial=0) < 0 or positions.max(initial=0) >= size:
            raise ValueError(f"positions lie beyond {index.height} rows, {index.width} columns")
    tile_rows, tile_cols = rows.astype(np.int32), cols.astype(np.int32)
    down, across = tile_rows // index.tile_height, tile_cols // index.tile_width
    tile_rows -= down * index.tile_height
    tile_cols -= across * index.tile_width
    numbers = down * index.tiles_across + across
    if index.tiles_across * index.tiles_down <= 2**16:
        numbers = numbers.astype(np.uint16)  # numpy sorts 16 bits by radix, six times as fast
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    return Picks(
        rows=rows,
        cols=cols,
        tiling=_tiling(index),
        tiles=numbers[starts].astype(np.int64),
        bounds=np.append(starts, len(numbers)),
        order=order,
        tile_rows=tile_rows[order],
        tile_cols=tile_cols[order],
    )


def _tiling(index: TiffIndex) -> tuple[int, int, int, int]:
    return index.width, index.height, index.tile_width, index.tile_height


class Raster:
    """Band 1 of an open file; made by :func:`open_raster`. Belongs to one event loop.

    Attributes:
        index: Size, transform, CRS, scale and nodata, and where the tiles lie.
    """

    def __init__(
        self, access: Access, href: str, meter: Meter, *, header: Header, remembered: bool
    ) -> None:
        self.index = header.index
        self._access = access
        self._href = href
        self._meter = meter
        self._version = header.version
        self._remembered = remembered

    async def sample(self, rows: Positions, cols: Positions) -> NDArray[Any]:
        """Values at pixel positions.

        Args:
            rows: Shape (m,): rows of the image.
            cols: Shape (m,): columns of the image.

        Returns:
            Shape (m,), of the file's type in native byte order. Where a tile is not stored, which
            means that nothing was measured there, it is the nodata value, or 0.

        Raises:
            ReadError: The pixels cannot be read.
            ValueError: A position is not on the image.
        """
        return await self.pick(plan_picks(self.index, rows, cols))

    async def pick(self, picks: Picks) -> NDArray[Any]:
        """As :meth:`sample`, for positions already sorted by :func:`plan_picks`."""
        return await self._read_twice(lambda: self._pick(picks))

    async def window(self, row0: int, row1: int, col0: int, col1: int) -> NDArray[Any]:
        """A part of the image, shape (row1 - row0, col1 - col0); else as :meth:`sample`."""
        if not (0 <= row0 <= row1 <= self.index.height and 0 <= col0 <= col1 <= self.index.width):
            raise ValueError(f"rows {row0}:{row1}, columns {col0}:{col1} are not all on the image")
        return await self._read_twice(lambda: self._window(row0, row1, col0, col1))

    async def _read_twice(
        self, read: Callable[[], Coroutine[Any, Any, NDArray[Any]]]
    ) -> NDArray[Any]:
        """Read; where a remembered header is not that of the file any more, read both anew."""
        try:
            return await read()
        except MismatchError:
            if not self._remembered:
                raise
        header, self._remembered = await _header(self._access, self._href, self._meter, fresh=True)
        old, self.index = self.index, header.index
        if (old.width, old.height, old.transform) != (
            header.index.width,
            header.index.height,
            header.index.transform,
        ):
            words = "was replaced by a file of another extent; run again"
            raise ReadError(f"{public_href(self._href)}: {words}", href=self._href)
        return await read()

    async def _pick(self, picks: Picks) -> NDArray[Any]:
        index = self.index
        if picks.tiling != _tiling(index):
            picks = plan_picks(index, picks.rows, picks.cols)
        parts = [slice(*picks.bounds[k : k + 2]) for k in range(len(picks.tiles))]
        if index.unsupported:
            windows = [self._extent(tile) for tile in picks.tiles.tolist()]
            found = await self._read_windows(
                windows,
                lambda k, block: block[picks.tile_rows[parts[k]], picks.tile_cols[parts[k]]],
            )
            together = np.concatenate(found) if found else np.zeros(0, index.dtype)
            values = np.empty_like(together)
            values[picks.order] = together
            return values
        values = np.empty(len(picks.order), index.dtype.newbyteorder("="))
        by_tile = dict(zip(picks.tiles.tolist(), parts, strict=True))

        def use(tile: int, data: memoryview) -> None:
            at = by_tile[tile]
            found = decode_pixels(index, data, tile, picks.tile_rows[at], picks.tile_cols[at])
            values[picks.order[at]] = found

        await self._read_tiles(picks.tiles, use)
        return values

    async def _window(self, row0: int, row1: int, col0: int, col1: int) -> NDArray[Any]:
        index = self.index
        if index.unsupported:
            return (await self._read_windows([(row0, row1, col0, col1)], lambda _, block: block))[0]
        values = np.empty((row1 - row0, col1 - col0), index.dtype.newbyteorder("="))

        def use(tile: int, data: memoryview) -> None:
            top, bottom, left, right = self._extent(tile)
            rows = slice(max(top, row0), min(bottom, row1))
            cols = slice(max(left, col0), min(right, col1))
            values[_shift(rows, row0), _shift(cols, col0)] = decode_tile(index, data, tile)[
                _shift(rows, top), _shift(cols, left)
            ]

        if values.size:
            down = np.arange(row0 // index.tile_height, (row1 - 1) // index.tile_height + 1)
            across = np.arange(col0 // index.tile_width, (col1 - 1) // index.tile_width + 1)
            tiles = np.add.outer(down * index.tiles_across, across).ravel()
            await self._read_tiles(tiles, use)
        return values

    def _extent(self, tile: int) -> fallback.Window:
        """The part of the image that a tile holds."""
        index = self.index
        down, across = divmod(tile, index.tiles_across)
        row, col = down * index.tile_height, across * index.tile_width
        bottom, right = row + index.tile_height, col + index.tile_width
        return row, min(bottom, index.height), col, min(right, index.width)

    async def _read_windows(
        self, windows: Sequence[fallback.Window], pick: fallback.Pick
    ) -> list[NDArray[Any]]:
        reading = fallback.read_windows(
            self._access,
            self._href,
            self._meter,
            layout=self.index.unsupported or "",
            windows=windows,
            pick=pick,
        )
        return await reading

    async def _read_tiles(self, tiles: Positions, use: Use) -> None:
        """Give each tile's bytes to ``use``, which decodes them; b"" for a sparse one."""
        sparse = self.index.counts[tiles] == 0
        for tile in tiles[sparse].tolist():
            use(tile, memoryview(b""))
        todo = list(_bounded_spans(self.index, tiles, gap=self._access.options.gap))
        # The first to be read tells whether the file is still the one whose header is remembered.
        version = self._version * self._remembered
        first = 1 if version else 0
        reads = [self._read_spans(todo[:first], use, version)] if todo[:first] else []
        reads += [self._read_spans(part, use, "") for part in self._portions(todo[first:])]
        await _all(reads)

    def _portions(self, todo: Sequence[Span]) -> Iterator[list[Span]]:
        """The spans in portions of about MAX_SPAN bytes, each of them one call of the store."""
        portion: list[Span] = []
        size = 0
        for span in todo:
            if portion and (
                size + span.length > MAX_SPAN or len(portion) == self._access.most_spans
            ):
                yield portion
                portion, size = [], 0
            portion.append(span)
            size += span.length
        if portion:
            yield portion

    async def _read_spans(self, part: list[Span], use: Use, version: str) -> None:
        if any(span.length > MAX_TILE for span in part):
            words = f"has a tile of more than {MAX_TILE} bytes, which cannot be; store it anew"
            raise MismatchError(f"{public_href(self._href)}: {words}", href=self._href)
        pieces = [(span.start, span.length) for span in part]
        reading = self._access.reading(self._href, pieces, self._meter, version=version)
        async with reading as found:
            began = time.perf_counter()
            try:
                for span, data in zip(part, found, strict=True):
                    for tile, piece in cut(self.index, span, data):
                        use(tile, piece)
            except ValueError as error:
                words = f"{public_href(self._href)}: {error}"
                raise MismatchError(words, href=self._href) from error
            finally:
                self._meter.decode_seconds += time.perf_counter() - began


def _shift(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


def _bounded_spans(index: TiffIndex, tiles: Positions, *, gap: int) -> Iterator[Span]:
    """The spans of tiles, those cut in halves that exceed MAX_SPAN."""
    for span in spans(index, tiles, gap=gap):
        if span.length <= MAX_SPAN or len(span.tiles) == 1:
            yield span
        else:
            middle = len(span.tiles) // 2
            for part in (span.tiles[:middle], span.tiles[middle:]):
                yield from _bounded_spans(index, np.array(part), gap=gap)


async def _all(reads: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all at the same time; where one fails, give up the others and raise its error."""
    tasks = [asyncio.ensure_future(read) for read in reads]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()  # does nothing to those that have ended
        await asyncio.gather(*tasks, return_exceptions=True)


async def open_raster(access: Access, asset_href: str, meter: Meter) -> Raster:
    """Open a file, with no request where its header is remembered and one where it is not.

    Args:
        access: How to reach it; the raster belongs to its event loop.
        asset_href: The file, unsigned.
        meter: Counts what opening and reading it costs.

    Raises:
        UnsupportedError: It can be read by rasterio only, which is not installed.
        AccessError: The archive refuses access.
        ReadError: It cannot be read, or is not a raster.
    """
    header, remembered = await _header(access, asset_href, meter)
    if header.index.unsupported:
        fallback.check_installed(asset_href, header.index.unsupported)
    return Raster(access, asset_href, meter, header=header, remembered=remembered)


async def _header(
    access: Access, href: str, meter: Meter, *, fresh: bool = False
) -> tuple[Header, bool]:
    """The header, and whether it was remembered from before; never, where it must be fresh."""
    key = _key(access, href)
    known = None if fresh else _memory.get(key)
    if known is not None:
        return known, True

    async def load() -> tuple[Header, bool]:
        header = None if fresh else _stored(access, key)
        remembered = header is not None
        if header is None:
            header = await _fetch(access, href, meter, store=isinstance(key, str))
        _memory.put(key, header)
        return header, remembered

    return await access.once(("header", key, fresh), load)


def _key(access: Access, href: str) -> Hashable:
    """What the header is remembered by: a remote file's href, a local file's state."""
    location = locate(href, access.kind)
    if location.scheme != "local":
        return href
    try:
        state = os.stat(location.path)  # noqa: PTH116 - Path.stat says the same, slower
    except OSError as error:
        raise ReadError(f"{href}: {error.strerror}", href=href) from error
    except ValueError as error:
        raise ReadError(f"{href!r}: {error}") from error
    return location.path, state.st_mtime_ns, state.st_size


def _stored(access: Access, key: Hashable) -> Header | None:
    """The header of a remote file from disk."""
    found = access.headers.get(key) if isinstance(key, str) else None
    if found is None:
        return None
    try:
        return Header(parse(found[0]), found[1])
    except (Incomplete, ValueError):  # of an earlier version of fieldwren
        return None


async def _fetch(access: Access, href: str, meter: Meter, *, store: bool) -> Header:
    """Read the header from the file, and store it on disk."""
    start = await access.get_start(href, FIRST_READ, meter)
    chunks = {0: bytes(start.data)}
    if fallback.is_jpeg2000(chunks[0]):
        fallback.check_installed(href, fallback.JPEG2000)
        return Header(await fallback.describe(access, href, meter), start.version)
    for _ in range(MAX_READS):
        try:
            index = parse(chunks)
        except Incomplete as wanted:
            length = max(wanted.length, FIRST_READ)
            data = bytes(await access.get_range(href, wanted.start, length, meter))
            if len(data) < wanted.length:
                break
            chunks[wanted.start] = data
        except ValueError as error:
            raise ReadError(f"{public_href(href)}: {error}", href=href) from error
        else:
            if store:
                access.headers.put(href, chunks, start.version)
            return Header(index, start.version)
    words = "ends within its header, or has it scattered all over; store the file anew"
    raise ReadError(f"{public_href(href)}: {words}", href=href)
