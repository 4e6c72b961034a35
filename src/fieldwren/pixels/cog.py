"""Write a Cloud-Optimized GeoTIFF: directories first, then overviews, then full resolution.

The layout is the one that archives use (classic little-endian TIFF 6.0, tiles, DEFLATE, GeoTIFF
1.1 keys, GDAL's tags for nodata, scale and offset), so that what reads the simulated archive reads
the real ones. The same pixels always give the same bytes.
"""

from __future__ import annotations

import struct
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import deflate
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Transform = tuple[float, float, float, float, float, float]
    Field = tuple[int, int, int, bytes]  # tag, type, count, little-endian values

__all__ = ["write_cog"]

# What GDAL's own COG driver says directly behind the file header, and what it then holds to: every
# tile stands between its size and a repetition of its last four bytes.
_LAYOUT: Final = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_GHOST: Final = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n%b" % (len(_LAYOUT), _LAYOUT)
_FIRST: Final = 8 + len(_GHOST) + len(_GHOST) % 2
_SAMPLE_FORMAT: Final = {"u": 1, "i": 2, "f": 3}
_SHORT, _LONG, _DOUBLE = (3, "<u2"), (4, "<u4"), (12, "<f8")


def write_cog(
    path: str | PathLike[str],
    pixels: Array,
    *,
    transform: Transform,
    epsg: int,
    geographic: bool = False,
    nodata: float | None = None,
    scale: float | None = None,
    offset: float | None = None,
    description: str = "",
    point: bool = False,
    tile: int = 256,
    predictor: Literal[1, 2, 3] = 2,
    level: int = 6,
    sparse: bool = False,
    overviews: bool = False,
    resampling: Literal["average", "nearest"] = "average",
) -> None:
    """Write pixels as a Cloud-Optimized GeoTIFF, compressed with DEFLATE.

    Args:
        path: The file; replaced if it exists.
        pixels: Shape (rows, columns) or (bands, rows, columns); integers or floats. Several bands
            are stored one after the other (PlanarConfiguration 2).
        transform: (a, b, c, d, e, f): x = a*col + b*row + c, y = d*col + e*row + f of pixel
            corners, whatever ``point`` says.
        epsg: Code of the CRS.
        geographic: The code names a CRS in degrees, such as 4326.
        nodata: The number that means nothing was measured.
        scale: Physical value = number * scale + offset; told in the metadata of every band.
        offset: See scale.
        description: Text of the ImageDescription tag.
        point: Declare that a pixel is a point (AREA_OR_POINT=Point), as Landsat files do.
        tile: Width and height of a tile, a multiple of 16.
        predictor: 1 none, 2 differences of neighbours, 3 differences of bytes (floats only).
        level: Effort of libdeflate, 0 to 12.
        sparse: Leave out the tiles that hold nothing but nodata (or 0, without a nodata).
        overviews: Add halved images until one tile holds everything.
        resampling: How overviews are made; categories such as quality bits need ``nearest``.

    Raises:
        ValueError: An argument does not fit the pixels, or the file would exceed 4 GiB.
    """
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    _check(pixels, tile=tile, predictor=predictor)
    images = [pixels]
    while overviews and max(images[-1].shape[1:]) > tile:
        images.append(_halve(images[-1], nodata, resampling))

    fill = (nodata or 0) if sparse else None
    encoded = [_encode(i, tile=tile, predictor=predictor, level=level, fill=fill) for i in images]
    heads = [_layout(i, tile=tile, predictor=predictor) for i in images]
    for fields in heads[1:]:
        fields.append(_field(254, _LONG, [1]))  # a reduced image of another
    heads[0] += _georeference(transform, epsg, geographic=geographic, point=point)
    heads[0] += _metadata(scale, offset, description, bands=len(pixels))
    if nodata is not None:
        for fields in heads:
            fields.append(_ascii(42113, f"{nodata:.17g}"))
    Path(path).write_bytes(_assemble(heads, encoded))


def _check(pixels: Array, *, tile: int, predictor: int) -> None:
    if pixels.ndim != 3 or not pixels.size:
        raise ValueError(f"a GeoTIFF needs rows and columns, not an array of shape {pixels.shape}")
    if pixels.dtype.kind not in _SAMPLE_FORMAT:
        raise ValueError(f"a GeoTIFF of {pixels.dtype} cannot be written; use integers or floats")
    if tile < 16 or tile % 16:
        raise ValueError(f"the tile size must be a multiple of 16, not {tile}")
    if predictor == 3 and pixels.dtype.kind != "f":
        raise ValueError(f"predictor 3 is for floats; use predictor 2 for {pixels.dtype}")


def _halve(pixels: Array, nodata: float | None, resampling: str) -> Array:
    """Half the size, rounded up; averages leave nodata and NaN out."""
    if resampling == "nearest":
        return pixels[:, ::2, ::2]
    bands, height, width = pixels.shape
    even = np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    blocks = even.reshape(bands, (height + 1) // 2, 2, (width + 1) // 2, 2).astype(np.float64)
    valid = ~np.isnan(blocks) & (blocks != nodata)
    count = valid.sum(axis=(2, 4))
    mean = np.where(valid, blocks, 0).sum(axis=(2, 4)) / np.maximum(count, 1)
    if pixels.dtype.kind != "f":
        mean = np.rint(mean)
    empty = np.nan if nodata is None else nodata
    return np.where(count, mean, empty).astype(pixels.dtype)


def _encode(
    pixels: Array, *, tile: int, predictor: int, level: int, fill: float | None
) -> list[bytes | bytearray]:
    """All tiles, band by band and row by row; a tile of nothing but ``fill`` is empty."""
    bands, height, width = pixels.shape
    down, across = -(-height // tile), -(-width // tile)
    # Repeating the last pixels costs next to nothing once compressed.
    border = ((0, 0), (0, down * tile - height), (0, across * tile - width))
    padded = np.pad(pixels, border, mode="edge") if height % tile or width % tile else pixels
    blocks = padded.reshape(bands, down, tile, across, tile).swapaxes(2, 3)
    blocks = np.ascontiguousarray(blocks).reshape(-1, tile, tile)
    if fill is None:
        empty = np.zeros(len(blocks), bool)
    else:
        same = np.isnan(blocks) if np.isnan(fill) else blocks == fill
        empty = np.all(same, axis=(1, 2))
    raw = _predict(blocks, predictor)
    return [
        b"" if skip else deflate.zlib_compress(block, level)
        for block, skip in zip(raw, empty, strict=True)
    ]


def _predict(blocks: Array, predictor: int) -> Array:
    """Tiles of shape (n, rows, columns) as they are compressed (TIFF 6.0, and Technical Note 3)."""
    blocks = blocks.astype(blocks.dtype.newbyteorder("<"), copy=False)
    if predictor == 1:
        return blocks
    size = blocks.dtype.itemsize
    if predictor == 2:
        words = blocks.view(f"<u{size}")
    else:
        planes = blocks.astype(f">f{size}").view(np.uint8).reshape(*blocks.shape, size)
        words = planes.swapaxes(2, 3).reshape(len(blocks), blocks.shape[1], -1)
    differences = words.copy()
    differences[..., 1:] -= words[..., :-1]
    return differences


def _layout(pixels: Array, *, tile: int, predictor: int) -> list[Field]:
    bands, height, width = pixels.shape
    fields = [
        _field(256, _LONG, [width]),
        _field(257, _LONG, [height]),
        _field(258, _SHORT, [pixels.dtype.itemsize * 8] * bands),
        _field(259, _SHORT, [8]),  # DEFLATE
        _field(262, _SHORT, [1]),  # black is zero
        _field(277, _SHORT, [bands]),
        _field(284, _SHORT, [1 if bands == 1 else 2]),
        _field(317, _SHORT, [predictor]),
        _field(322, _SHORT, [tile]),
        _field(323, _SHORT, [tile]),
        _field(339, _SHORT, [_SAMPLE_FORMAT[pixels.dtype.kind]] * bands),
    ]
    if bands > 1:
        fields.append(_field(338, _SHORT, [0] * (bands - 1)))  # extra samples of no stated meaning
    return fields


def _georeference(transform: Transform, epsg: int, *, geographic: bool, point: bool) -> list[Field]:
    """GeoTIFF 1.1 tags; of a pixel that is a point, the tie point is its centre."""
    if not 1024 <= epsg < 32767:
        raise ValueError(f"a GeoTIFF cannot name EPSG:{epsg}; use a code from 1024 to 32766")
    a, b, c, d, e, f = transform
    shift = 0.5 if point else 0.0
    x, y = c + shift * (a + b), f + shift * (d + e)
    if b == d == 0 and a > 0 > e:
        place = [_field(33550, _DOUBLE, [a, -e, 0]), _field(33922, _DOUBLE, [0, 0, 0, x, y, 0])]
    else:
        matrix = [a, b, 0, x, d, e, 0, y, 0, 0, 0, 0, 0, 0, 0, 1]
        place = [_field(34264, _DOUBLE, matrix)]
    model, key = (2, 2048) if geographic else (1, 3072)
    keys = [1, 1, 0, 3, 1024, 0, 1, model, 1025, 0, 1, 2 if point else 1, key, 0, 1, epsg]
    return [*place, _field(34735, _SHORT, keys)]


def _metadata(
    scale: float | None, offset: float | None, description: str, *, bands: int
) -> list[Field]:
    items = [
        f'<Item name="{role.upper()}" sample="{band}" role="{role}">{float(value)!r}</Item>\n'
        for band in range(bands)
        for role, value in (("offset", offset), ("scale", scale))
        if value is not None
    ]
    fields: list[Field] = []
    if description:
        fields.append(_ascii(270, description))
    if items:
        fields.append(_ascii(42112, f"<GDALMetadata>\n{''.join(items)}</GDALMetadata>\n"))
    return fields


def _field(tag: int, kind: tuple[int, str], values: Sequence[float] | Array) -> Field:
    number, dtype = kind
    return tag, number, len(values), np.asarray(values, dtype).tobytes()


def _ascii(tag: int, text: str) -> Field:
    data = text.encode() + b"\0"
    return tag, 2, len(data), data


def _assemble(heads: list[list[Field]], encoded: list[list[bytes | bytearray]]) -> bytes:
    """The file: all directories, full resolution first, then all tiles, smallest image first."""
    counts = [np.array([len(t) for t in tiles], np.uint64) for tiles in encoded]
    tables = [_field(324, _LONG, np.zeros(len(c))) for c in counts]
    for fields, count, table in zip(heads, counts, tables, strict=True):
        fields += [table, _field(325, _LONG, count)]
        fields.sort()
    starts = np.cumsum([_FIRST, *(_size(fields) for fields in heads)]).tolist()
    end = starts[-1]
    offsets: list[Array] = []
    for count in reversed(counts):
        framed = np.where(count, count + 8, 0)
        ends = end + np.cumsum(framed)
        offsets.insert(0, np.where(count, ends - framed + 4, 0))
        end = int(ends[-1])
    if end >= 2**32:
        raise ValueError("the image is too large for one file of 4 GiB; write it in parts")

    parts = [b"II*\0", struct.pack("<I", _FIRST), _GHOST, b"\0" * (len(_GHOST) % 2)]
    for k, fields in enumerate(heads):
        fields[fields.index(tables[k])] = _field(324, _LONG, offsets[k])
        following = starts[k + 1] if k + 1 < len(heads) else 0
        parts.append(_directory(fields, starts[k], following))
    for tile in chain.from_iterable(reversed(encoded)):
        if tile:
            parts += [struct.pack("<I", len(tile)), tile, tile[-4:]]
    return b"".join(parts)


def _size(fields: list[Field]) -> int:
    long = sum(len(data) + len(data) % 2 for *_, data in fields if len(data) > 4)
    return 2 + 12 * len(fields) + 4 + long


def _directory(fields: list[Field], start: int, following: int) -> bytes:
    """One image file directory at byte ``start``, its longer values right behind it."""
    entries = [struct.pack("<H", len(fields))]
    values: list[bytes] = []
    position = start + 2 + 12 * len(fields) + 4
    for tag, kind, count, data in fields:
        if len(data) <= 4:
            inline = data.ljust(4, b"\0")
        else:
            inline = struct.pack("<I", position)
            values.append(data + b"\0" * (len(data) % 2))
            position += len(values[-1])
        entries.append(struct.pack("<HHI", tag, kind, count) + inline)
    return b"".join([*entries, struct.pack("<I", following), *values])
