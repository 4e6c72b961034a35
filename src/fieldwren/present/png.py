"""A writer of PNG files for small pictures, which needs no library of images.

Portable Network Graphics, W3C Recommendation, third edition: a signature, then chunks of length,
type, data and CRC-32. Rows are stored as the difference from the row above, which is nothing where
pixels were enlarged.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["encode_png", "has_text"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = len(_SIGNATURE) + 12 + 13  # signature, and the first chunk with its 13 bytes


def encode_png(
    pixels: NDArray[np.uint8],
    *,
    palette: NDArray[np.uint8] | None = None,
    text: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a PNG file.

    Args:
        pixels: shape (rows, columns, 3), red, green and blue; with a palette (rows, columns),
            numbers of its colours.
        palette: shape (n, 3), at most 256 colours.
        text: what the file says of itself, by Latin-1 keyword; any text.
    """
    height, width = pixels.shape[:2]
    kind = 2 if palette is None else 3
    rows = pixels.reshape(height, -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    lines = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])  # wraps, as it should
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    chunks += [_text(keyword, value) for keyword, value in (text or {}).items()]
    if palette is not None:
        chunks.append(_chunk(b"PLTE", palette.tobytes()))
    chunks += [_chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(chunks)


def has_text(png: bytes, keyword: str, value: str) -> bool:
    """Whether the file was encoded with this as the first of its texts."""
    return png[: len(_SIGNATURE)] == _SIGNATURE and png.startswith(_text(keyword, value), _HEAD)


def _text(keyword: str, value: str) -> bytes:
    """An international text chunk, not compressed."""
    return _chunk(b"iTXt", keyword.encode("latin-1") + b"\0" * 5 + value.encode(errors="replace"))


def _chunk(kind: bytes, data: bytes) -> bytes:
    check: Any = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check
