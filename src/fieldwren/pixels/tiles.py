"""Fetch tiles in few byte ranges, and decode the pixels that are wanted of them.

Inflating a tile costs what it costs; everything after it is done only for the rows that hold a
wanted pixel. Tile bytes are not trusted: whatever they hold, the result is pixels or ValueError.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import deflate
import numpy as np

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray

    from fieldwren.pixels.tiff import TiffIndex

    Data: TypeAlias = bytes | bytearray | memoryview
    Bytes: TypeAlias = NDArray[np.uint8]
    Positions: TypeAlias = NDArray[np.integer[Any]]

__all__ = ["Span", "cut", "decode_pixels", "decode_tile", "spans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A byte range that holds some tiles of a file."""

    start: int
    """First byte, counted from the beginning of the file."""
    length: int
    """Bytes."""
    tiles: tuple[int, ...]
    """The tiles in it, in file order; they may overlap."""


def spans(index: TiffIndex, tiles: Positions, *, gap: int) -> list[Span]:
    """The byte ranges to read for some tiles, in file order.

    Args:
        index: The file's header.
        tiles: Tile numbers, row by row from the upper left; repetitions do not matter. Sparse
            tiles are left out, because there is nothing to read.
        gap: Ranges with at most this many unwanted bytes between them are read as one.
    """
    wanted = np.unique(tiles)
    wanted = wanted[index.counts[wanted] > 0]
    if not len(wanted):
        return []
    wanted = wanted[np.argsort(index.offsets[wanted], kind="stable")]
    starts = index.offsets[wanted].astype(np.int64)
    ends = np.maximum.accumulate(starts + index.counts[wanted].astype(np.int64))
    breaks = np.flatnonzero(starts[1:] - ends[:-1] > gap) + 1
    bounds = zip([0, *breaks.tolist()], [*breaks.tolist(), len(wanted)], strict=True)
    return [
        Span(
            start=int(starts[first]),
            length=int(ends[after - 1] - starts[first]),
            tiles=tuple(wanted[first:after].tolist()),
        )
        for first, after in bounds
    ]


def cut(index: TiffIndex, span: Span, data: Data) -> Iterator[tuple[int, memoryview]]:
    """Each tile of a span with its bytes, without copying.

    Raises:
        ValueError: ``data`` is not as long as the span: the file was cut short.
    """
    if len(data) != span.length:
        raise ValueError(
            f"{len(data)} bytes came for {span.length} from byte {span.start}; "
            "the file is cut short"
        )
    view = memoryview(data)
    for tile in span.tiles:
        first = int(index.offsets[tile]) - span.start
        yield tile, view[first : first + int(index.counts[tile])]


def decode_pixels(
    index: TiffIndex, data: Data, tile: int, rows: Positions, cols: Positions
) -> NDArray[Any]:
    """The values of some pixels of a tile.

    Args:
        index: The file's header.
        data: The bytes of the tile; ignored (pass ``b""``) where the tile is sparse.
        tile: Its number, row by row from the upper left.
        rows: Shape (n,): pixel rows within the tile, inside the image.
        cols: Shape (n,): pixel columns within the tile, inside the image.

    Returns:
        Shape (n,), in the machine's byte order. Pixels of a sparse tile are nodata, else 0.

    Raises:
        ValueError: The bytes are not such a tile, or the layout is not supported.
    """
    if not index.counts[tile]:
        return np.full(len(rows), _fill(index), index.dtype.newbyteorder("="))
    lines = _lines(index, data, tile)
    needed = np.zeros(len(lines), np.bool_)
    needed[rows] = True
    position = np.cumsum(needed) - 1
    values = _values(index, lines[needed], int(cols.max(initial=0)) + 1)
    return values[position[rows], cols]


def decode_tile(index: TiffIndex, data: Data, tile: int) -> NDArray[Any]:
    """All pixels of a tile that are inside the image.

    As :func:`decode_pixels`, but shape (rows, columns): the tile's own, less what lies beyond the
    right and bottom edges of the image.
    """
    down, across = divmod(tile, index.tiles_across)
    rows = min(index.tile_height, index.height - down * index.tile_height)
    cols = min(index.tile_width, index.width - across * index.tile_width)
    if not index.counts[tile]:
        return np.full((rows, cols), _fill(index), index.dtype.newbyteorder("="))
    return _values(index, _lines(index, data, tile)[:rows], cols)


def _fill(index: TiffIndex) -> float:
    """What a sparse tile holds, as GDAL reads it: nodata, as near as the type can hold it, or 0."""
    nodata = index.nodata or 0.0
    if index.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(np.float64(nodata).astype(index.dtype))
    info = np.iinfo(index.dtype)
    return 0 if np.isnan(nodata) else int(min(max(nodata, info.min), info.max))


def _lines(index: TiffIndex, data: Data, tile: int) -> Bytes:
    """Shape (rows, bytes of a row): a tile decompressed; a short last strip has fewer rows."""
    if index.unsupported:
        raise ValueError(f"{index.unsupported} is not supported")
    line = index.tile_width * index.stride * index.dtype.itemsize
    size = index.tile_height * line
    place = f"tile {tile} at byte {index.offsets[tile]}"
    try:
        raw = _decompress(index.compression, data, size)
    except (deflate.DeflateError, zstd.ZstdError, ValueError) as error:
        raise ValueError(f"{place} cannot be decoded ({error}); the file is damaged") from error
    visible = min(index.tile_height, index.height - tile // index.tiles_across * index.tile_height)
    if not visible * line <= len(raw) <= size or len(raw) % line:
        raise ValueError(f"{place} has {len(raw)} bytes, not {size}; the file is damaged")
    return np.frombuffer(raw, np.uint8).reshape(-1, line)


def _values(index: TiffIndex, lines: Bytes, columns: int) -> NDArray[Any]:
    """Shape (rows, columns): band 1 of decompressed lines, predictor undone, native byte order.

    Predictors are those of TIFF 6.0, section 14, and of TIFF Technical Note 3. Both difference
    each sample of a pixel with its own kind, so that one band can be had without the others.
    """
    size = index.dtype.itemsize
    native = index.dtype.newbyteorder("=")
    if index.predictor == 3:
        sums = np.cumsum(lines[:, :: index.stride], axis=1, dtype=np.uint8)
        planes = sums.reshape(len(lines), size, -1)[:, :, :columns]  # the highest byte first
        big = np.ascontiguousarray(planes.swapaxes(1, 2)).view(f">f{size}")
        return big[:, :, 0].astype(native)
    samples = lines.view(index.dtype)[:, : columns * index.stride : index.stride]
    if index.predictor == 2:
        words = samples.view(f"{index.dtype.byteorder}u{size}")
        return np.cumsum(words, axis=1, dtype=f"u{size}").view(native)
    return samples.astype(native, copy=False)


def _decompress(compression: int, data: Data, size: int) -> Data | Bytes:
    """The bytes of a tile; not many more than ``size``, whatever ``data`` claims."""
    if compression == 1:
        return data
    if compression == 5:
        return _lzw(data, size)
    if compression == 32773:
        return _packbits(bytes(data), size)
    if compression == 50000:
        return zstd.ZstdDecompressor().decompress(data, max_length=size + 1)
    return deflate.zlib_decompress(data, size)


def _packbits(data: bytes, size: int) -> bytearray:
    """TIFF 6.0, section 9: a length, then that many bytes; or a negative one and one byte."""
    out = bytearray()
    position = 0
    while position < len(data) and len(out) <= size:
        head = data[position]
        if head < 128:
            out += data[position + 1 : position + 2 + head]
            position += 2 + head
        else:
            out += data[position + 1 : position + 2] * (257 - head if head > 128 else 0)
            position += 2 if head > 128 else 1
    return out


# LZW, TIFF 6.0, section 13. Between two clear codes the table grows by one entry per code, so the
# width of each code depends on nothing but its position, and all can be cut out at once.
_CLEAR, _END, _FIRST, _CODES = 256, 257, 258, 3840
_FREE: Final = _FIRST - 1 + np.arange(_CODES)
_WIDTHS: Final = 9 + (_FREE > 510) + (_FREE > 1022) + (_FREE > 2046)
_STARTS: Final = np.cumsum(_WIDTHS) - _WIDTHS


def _lzw(data: Data, size: int) -> Bytes:
    source = np.frombuffer(bytes(data) + b"\0\0", np.uint8).astype(np.uint32)
    windows = source[:-2] << 16 | source[1:-1] << 8 | source[2:]  # 24 bits from every byte
    parts: list[Bytes] = []
    position, room = 0, size
    # Encoders clear the table once it is full, or compresses badly; not every few bytes.
    for _ in range(len(data) // 32 + 8):
        starts = position + _STARTS
        starts = starts[: np.searchsorted(starts + _WIDTHS, 8 * len(data), side="right")]
        widths = _WIDTHS[: len(starts)]
        codes = (windows[starts >> 3] >> (24 - widths - (starts & 7))) & ((1 << widths) - 1)
        marks = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        stop = int(marks[0]) if len(marks) else len(codes)
        parts.append(_lzw_strings(codes[:stop].astype(np.int64), room))
        room -= len(parts[-1])
        if stop == _CODES:
            raise ValueError("its LZW table overflows")
        if stop == len(codes) or codes[stop] == _END:
            return np.concatenate(parts)
        position = int(starts[stop] + widths[stop])
    raise ValueError("it clears its LZW table too often")


def _lzw_strings(codes: NDArray[np.int64], room: int) -> Bytes:
    """The bytes of the codes after a clear code.

    A code from 258 on repeats what code number (itself - 258) gave, and the byte after that. So
    every byte of the result is a literal or a copy of an earlier one; chains of copies are
    shortened by half at a time until all lead to literals.
    """
    steps = np.arange(len(codes))
    copies = codes >= _FIRST
    parents = np.where(copies, codes - _FIRST, steps)
    if np.any(parents[copies] >= steps[copies]):
        raise ValueError("it uses an LZW code before it is defined")
    lengths = copies.astype(np.int64)
    ancestors = parents
    rounds = 1  # the byte after a copy starts a chain of its own, at most as long as any
    while np.any(copies[ancestors]):
        lengths += lengths[ancestors]
        ancestors = ancestors[ancestors]
        rounds += 1
    lengths += 1
    ends = np.cumsum(lengths)
    starts = ends - lengths
    total = int(ends[-1]) if len(ends) else 0
    if total > room:
        raise ValueError("it is longer than a tile")

    origins = np.arange(total) + np.repeat(starts[parents] - starts, lengths)
    for _ in range(rounds):
        origins = origins[origins]
    literals = np.zeros(total, np.uint8)
    literals[starts[~copies]] = codes[~copies]
    return literals[origins]
