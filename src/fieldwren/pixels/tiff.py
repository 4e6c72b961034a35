"""Read the header of a GeoTIFF: where each tile of its first image lies, and on which lattice.

Classic TIFF 6.0 and BigTIFF, either byte order, tiles or strips, GeoTIFF 1.1 keys, and GDAL's tags
for nodata, scale and offset. Only the first directory is read; overviews are never needed. The
header may come in pieces: :class:`Incomplete` says which bytes are wanted next. Nothing in it is
trusted: counts and sizes are bounded before anything is allocated.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.pixels.geokeys import crs_of, is_point, read_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Incomplete", "TiffIndex", "parse"]

MAX_ENTRIES: Final = 1000
"""Directory entries; real files have about twenty."""
MAX_TILES: Final = 2**20
"""Tiles, of all bands; a Landsat band has 930."""
MAX_VALUE: Final = 2**20
"""Bytes of one value other than the tile tables, and of values asked for together."""
MAX_TILE: Final = 2**28
"""Bytes of one decoded tile; a Sentinel-2 band in a single strip has 241 million."""
MAX_FILE: Final = 2**60
"""Bytes of the file, so that sums of positions never overflow."""

_TABLES: Final = {
    273: "StripOffsets",
    279: "StripByteCounts",
    324: "TileOffsets",
    325: "TileByteCounts",
}
_TAGS: Final = _TABLES | {
    256: "ImageWidth",
    257: "ImageLength",
    258: "BitsPerSample",
    259: "Compression",
    266: "FillOrder",
    277: "SamplesPerPixel",
    278: "RowsPerStrip",
    284: "PlanarConfiguration",
    317: "Predictor",
    322: "TileWidth",
    323: "TileLength",
    339: "SampleFormat",
    33550: "ModelPixelScale",
    33922: "ModelTiepoint",
    34264: "ModelTransformation",
    34735: "GeoKeyDirectory",
    34736: "GeoDoubleParams",
    42112: "GDAL_METADATA",
    42113: "GDAL_NODATA",
}
_DOUBLES: Final = frozenset(
    {"ModelPixelScale", "ModelTiepoint", "ModelTransformation", "GeoDoubleParams"}
)
# TIFF types by number; none of the tags above has a signed or rational type.
_TYPES: Final = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 12: "f8", 16: "u8"}

_DECODABLE: Final = frozenset({1, 5, 8, 32773, 32946, 50000})
_PREDICTABLE: Final = frozenset({5, 8, 32946, 50000})
_COMPRESSIONS: Final = {
    6: "JPEG",
    7: "JPEG",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50001: "WebP",
    50002: "JPEG XL",
}

# GDAL_METADATA is XML, of which two numbers are wanted; this pattern takes linear time.
_ITEM: Final = re.compile(r"<Item\s([^<>]*)>([^<]*)</Item>")

Values = dict[str, "NDArray[Any]"]
Field = tuple[int, int, bytes]  # type, count, the values or where they are


class Incomplete(Exception):  # noqa: N818 - a request for more bytes, not an error
    """The header goes on beyond the bytes at hand.

    A caller who gets the same request twice, having answered it as far as the file goes, holds a
    file that was cut short. It pays to fetch more than is asked for: 16 KiB is usually the rest.

    Attributes:
        start: The first byte needed, counted from the beginning of the file.
        length: How many bytes are needed from there.
    """

    def __init__(self, start: int, length: int) -> None:
        super().__init__(f"bytes {start} to {start + length} of the file are needed")
        self.start = start
        self.length = length


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiffIndex:
    """Where each tile of an image lies, and how to decode it. Strips are tiles of full width."""

    width: int
    """Columns."""
    height: int
    """Rows."""
    tile_width: int
    """Columns of a tile; tiles on the right edge are padded to it."""
    tile_height: int
    """Rows of a tile; tiles at the bottom are padded to it, the last strip may be shorter."""
    samples: int
    """Bands of the file; only the first is read."""
    stride: int
    """Samples that stand together for each pixel: ``samples`` or, where bands are apart, 1."""
    dtype: np.dtype[Any]
    """Of a sample, in the byte order of the file; where the file has a type that numpy has not (12
    bits), the one that GDAL widens it to."""
    compression: int
    """TIFF tag 259."""
    predictor: int
    """TIFF tag 317; 1 where the compression does not heed it."""
    offsets: NDArray[np.uint64]
    """Shape (tiles,), row by row: the first byte of each tile in the file; 0 for a sparse tile."""
    counts: NDArray[np.uint64]
    """Shape (tiles,): the bytes of each tile; 0 for a sparse tile, which is all nodata."""
    transform: tuple[float, float, float, float, float, float]
    """(a, b, c, d, e, f): x = a*col + b*row + c, y = d*col + e*row + f of pixel corners, in CRS
    units. PixelIsPoint is already allowed for."""
    crs: str | None
    """"EPSG:n", or PROJ text where the file describes a CRS of its own; None where it gives no CRS
    or one that :mod:`fieldwren.pixels.geokeys` does not understand. JPEG 2000 may give WKT."""
    nodata: float | None
    """The number that means nothing was measured, from GDAL_NODATA."""
    scale: float | None
    """Physical value = number * scale + offset, of band 1 from GDAL_METADATA."""
    offset: float | None
    """See scale."""
    unsupported: str | None
    """What ``pixels.tiles`` cannot decode, such as "JPEG compression"; None where it can."""

    @property
    def tiles_across(self) -> int:
        """Number of tiles in a row of tiles."""
        return -(-self.width // self.tile_width)

    @property
    def tiles_down(self) -> int:
        """Number of rows of tiles."""
        return -(-self.height // self.tile_height)


def parse(chunks: Mapping[int, bytes]) -> TiffIndex:
    """Read the first directory of a TIFF.

    Args:
        chunks: Pieces of the file by the position of their first byte. They may touch or overlap.

    Raises:
        Incomplete: More of the file is needed; call again with those bytes too.
        ValueError: This is no TIFF, its header contradicts itself or exceeds all reason, or it
            does not say where on Earth its pixels lie.
    """
    order, fields = _directory(chunks)
    values = _values(chunks, order, fields)
    width, height = _size(values, "ImageWidth"), _size(values, "ImageLength")
    samples = _size(values, "SamplesPerPixel", 1)
    stride = 1 if _integer(values, "PlanarConfiguration", 1) == 2 else samples
    tile_width, tile_height, offsets, counts = _tiles(values, width, height)
    compression, predictor = _compression(values)
    dtype, exact = _dtype(values, order)
    keys = read_keys(*(_list(values, n) for n in ("GeoKeyDirectory", "GeoDoubleParams")))
    scale, offset = _scaling(values)
    index = TiffIndex(
        width=width,
        height=height,
        tile_width=tile_width,
        tile_height=tile_height,
        samples=samples,
        stride=stride,
        dtype=dtype,
        compression=compression,
        predictor=predictor,
        offsets=offsets,
        counts=counts,
        transform=_transform(values, point=is_point(keys)),
        crs=crs_of(keys),
        nodata=_nodata(values),
        scale=scale,
        offset=offset,
        unsupported=_unsupported(values, dtype, exact=exact),
    )
    return _checked(index)


def _read(chunks: Mapping[int, bytes], start: int, length: int) -> bytes:
    """Bytes of the file, put together from pieces; raises Incomplete from the first one missing."""
    if start + length > MAX_FILE:
        raise ValueError(f"the header points to byte {start}, beyond any file; the file is damaged")
    found = b""
    while len(found) < length:
        position = start + len(found)
        pieces = [(at + len(data), at) for at, data in chunks.items() if at <= position]
        end, at = max(pieces, default=(position, 0))
        if end <= position:
            raise Incomplete(position, length - len(found))
        found += chunks[at][position - at : start + length - at]
    return found


def _directory(chunks: Mapping[int, bytes]) -> tuple[str, dict[str, Field]]:
    """Byte order, and the wanted entries of the first directory by name."""
    head = _read(chunks, 0, 16)  # no TIFF is shorter than the longer of both headers
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    version = struct.unpack_from(f"{order}H", head, 2)[0] if order else 0
    if version not in (42, 43):
        raise ValueError(f"the file is no TIFF: it begins with {head[:4]!r}")
    big = version == 43
    start = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)[0]
    count_format, entry_format = ("Q", "HHQ8s") if big else ("H", "HHI4s")
    first = struct.calcsize(f"={count_format}")
    (entries,) = struct.unpack(f"{order}{count_format}", _read(chunks, start, first))
    if not 0 < entries <= MAX_ENTRIES:
        raise ValueError(f"the header has {entries} entries, not 1 to {MAX_ENTRIES}; it is damaged")
    table = _read(chunks, start + first, entries * struct.calcsize(f"={entry_format}"))
    fields: dict[str, Field] = {}
    for tag, kind, count, inline in struct.iter_unpack(f"{order}{entry_format}", table):
        if tag in _TAGS:
            fields.setdefault(_TAGS[tag], (kind, count, inline))
    return order, fields


def _values(chunks: Mapping[int, bytes], order: str, fields: Mapping[str, Field]) -> Values:
    """The values of entries; all that is missing is asked for at once where it lies together."""
    values: Values = {}
    missing: list[Incomplete] = []
    for name, (kind, count, inline) in fields.items():
        if kind not in _TYPES or (kind == 12) != (name in _DOUBLES):
            raise ValueError(f"the header's {name} has the impossible type {kind}; it is damaged")
        dtype = np.dtype(order + _TYPES[kind])
        length = count * dtype.itemsize
        if count > MAX_TILES or (length > MAX_VALUE and name not in _TABLES.values()):
            raise ValueError(f"the header's {name} has {count} values; that is too many to be read")
        data = inline
        if length > len(inline):
            (start,) = struct.unpack(order + ("I" if len(inline) == 4 else "Q"), inline)
            try:
                data = _read(chunks, start, length)
            except Incomplete as incomplete:
                missing.append(incomplete)
                continue
        values[name] = np.frombuffer(data, dtype, count)
    if missing:
        first = min(missing, key=lambda m: m.start)
        end = max(m.start + m.length for m in missing)
        together = end - first.start <= MAX_VALUE
        raise Incomplete(first.start, end - first.start) if together else first
    return values


def _integer(values: Values, name: str, default: int | None = None) -> int:
    value = values.get(name)
    if value is not None and len(value):
        return int(value[0])
    if default is None:
        raise ValueError(f"the header has no {name}; the file is damaged")
    return default


def _size(values: Values, name: str, default: int | None = None) -> int:
    size = _integer(values, name, default)
    if not 0 < size < 2**31:
        raise ValueError(f"the header's {name} is {size}; the file is damaged")
    return size


def _list(values: Values, name: str) -> list[Any]:
    return values.get(name, np.zeros(0)).tolist()


def _tiles(
    values: Values, width: int, height: int
) -> tuple[int, int, NDArray[np.uint64], NDArray[np.uint64]]:
    """Tile width and height, and the tables of offsets and byte counts of band 1."""
    if "TileOffsets" in values:
        kind, size = "Tile", (_size(values, "TileWidth"), _size(values, "TileLength"))
    else:
        rows = _integer(values, "RowsPerStrip", height) or height
        kind, size = "Strip", (width, min(rows, height))
    tiles = -(-width // size[0]) * -(-height // size[1])
    separate = _integer(values, "PlanarConfiguration", 1) == 2
    expected = tiles * (_size(values, "SamplesPerPixel", 1) if separate else 1)
    tables: list[NDArray[np.uint64]] = []
    for name in (f"{kind}Offsets", f"{kind}ByteCounts"):
        table = values.get(name, np.zeros(0))
        if len(table) != expected:
            raise ValueError(
                f"the header's {name} has {len(table)} values where the image has {expected} "
                f"{kind.lower()}s; the file is damaged"
            )
        tables.append(table[:tiles].astype(np.uint64))
    offsets, counts = tables
    sparse = (offsets == 0) | (counts == 0)
    offsets[sparse] = counts[sparse] = 0
    return *size, offsets, counts


def _dtype(values: Values, order: str) -> tuple[np.dtype[Any], bool]:
    """The type that holds a sample, widened as GDAL does, and whether the file has just that."""
    bits, kinds = (
        np.unique(values.get(name, [])).tolist() or [1]
        for name in ("BitsPerSample", "SampleFormat")
    )
    kind = {2: "i", 3: "f", 5: "c", 6: "c"}.get(kinds[-1], "u")
    sizes = {"f": (2, 4, 8), "c": (8, 16)}.get(kind, (1, 2, 4, 8))
    size = next((s for s in sizes if 8 * s >= bits[-1]), sizes[-1])
    exact = bits == [8 * size] and kinds in ([1], [2], [3])
    return np.dtype(f"{order}{kind}{size}"), exact


def _unsupported(values: Values, dtype: np.dtype[Any], *, exact: bool) -> str | None:
    compression, predictor = _compression(values)
    if compression not in _DECODABLE:
        return f"{_COMPRESSIONS.get(compression, f'type {compression}')} compression"
    if not exact:
        return "a sample type other than integers and floats of whole bytes"
    if predictor not in (1, 2, 3) or (predictor == 3 and dtype.kind != "f"):
        return f"predictor {predictor} for {dtype.name} samples"
    if _integer(values, "FillOrder", 1) != 1:
        return "reversed bit order"
    return None


def _compression(values: Values) -> tuple[int, int]:
    """Compression and predictor; libtiff ignores the predictor where it makes no sense."""
    compression = _integer(values, "Compression", 1)
    predictor = _integer(values, "Predictor", 1) if compression in _PREDICTABLE else 1
    return compression, predictor


def _transform(values: Values, *, point: bool) -> tuple[float, float, float, float, float, float]:
    """Pixel corners to CRS units, in the arithmetic of GDAL, so that results agree bit for bit."""
    scale, tie, matrix = (
        _list(values, name) for name in ("ModelPixelScale", "ModelTiepoint", "ModelTransformation")
    )
    if len(scale) >= 2 and len(tie) >= 6:
        a, b, d, e = scale[0], 0.0, 0.0, -abs(scale[1])
        c, f = tie[3] - tie[0] * a, tie[4] - tie[1] * e
    elif len(matrix) >= 8:
        a, b, _, c, d, e, _, f = matrix[:8]
    else:
        raise ValueError("the header does not say where its pixels lie; georeference the file")
    if point:
        c, f = c - (a * 0.5 + b * 0.5), f - (d * 0.5 + e * 0.5)
    if not all(map(math.isfinite, (a, b, c, d, e, f))) or a * e == b * d:
        raise ValueError("the header's georeference cannot be inverted; the file is damaged")
    return a, b, c, d, e, f


def _text(values: Values, name: str) -> str:
    data = values.get(name, np.zeros(0, np.uint8)).tobytes()
    return data.split(b"\0")[0].decode("utf-8", "replace").strip()


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"the header's {name} is {text[:40]!r}, which is no number") from None


def _nodata(values: Values) -> float | None:
    text = _text(values, "GDAL_NODATA")
    return _number(text, "GDAL_NODATA") if text else None


def _scaling(values: Values) -> tuple[float | None, float | None]:
    """Scale and offset of band 1, which GDAL calls sample 0."""
    found: dict[str, float] = {}
    for attributes, value in _ITEM.findall(_text(values, "GDAL_METADATA")):
        for role in ("scale", "offset"):
            if f'role="{role}"' in attributes and 'sample="0"' in attributes:
                found[role] = _number(value, f"GDAL_METADATA {role}")
    return found.get("scale"), found.get("offset")


def _checked(index: TiffIndex) -> TiffIndex:
    """Refuse tiles that would not fit in memory, or that no encoder can have made so large."""
    size = index.tile_width * index.tile_height * index.stride * index.dtype.itemsize
    if size > MAX_TILE:
        raise ValueError(f"a tile has {size} bytes, more than {MAX_TILE}; write smaller tiles")
    largest = int(index.counts.max())
    if max(int(index.offsets.max()), largest) > MAX_FILE:
        raise ValueError("the header points beyond any file; the file is damaged")
    if index.unsupported is None and largest > 2 * size + 4096:
        raise ValueError(f"a tile of {size} bytes takes {largest} in the file; it is damaged")
    return index
