"""What the quality bands of the archives say of a pixel, in one vocabulary.

Every encoding is a table; :func:`classify` turns it into a look-up table once and then only looks
up. Where a pixel is several things at once, the first rule of the table that applies decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["ENCODINGS", "MASKS", "STATUS_OF", "Encoding", "Quality", "classify"]


class Quality(IntEnum):
    """What a pixel is. SATURATED and INVALID may also be found in the reflectances."""

    CLEAR = 0
    FILL = 1
    CLOUD = 2
    CLOUD_EDGE = 3
    CIRRUS = 4
    SHADOW = 5
    SNOW = 6
    SATURATED = 7
    INVALID = 8
    SUSPECT = 9


Q = Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How one quality band is read: classes first, then bits, else ``otherwise``."""

    size: int
    """Values are 0 to size - 1; any other means that the band is broken: FILL."""
    classes: Mapping[int, Quality]
    """Values that mean something as a whole."""
    bits: Mapping[int, Quality]
    """Single bits, 0 the lowest; the first of them that is set decides."""
    otherwise: Quality
    """What is left."""
    coarser: bool = False
    """Whether its pixels are larger than those of the finest spectral band."""


ENCODINGS: Final[Mapping[str, Encoding]] = {
    # Landsat Collection 2 QA_PIXEL: USGS Landsat 8-9 Collection 2 Level 2 Science Product Guide
    # (LSDS-1619), table "Pixel quality assessment". The confidences in bits 8-15 are not needed:
    # the single bits are set where a confidence is high.
    "qa_pixel": Encoding(
        size=2**16,
        classes={},
        bits={0: Q.FILL, 3: Q.CLOUD, 4: Q.SHADOW, 1: Q.CLOUD_EDGE, 2: Q.CIRRUS, 5: Q.SNOW},
        otherwise=Q.CLEAR,
    ),
    # Sentinel-2 Level 2A scene classification (ESA SentiWiki, "Scene Classification"): 4 is
    # vegetation, 5 not vegetated, 6 water; 2 dark area or topographic shadow, 7 unclassified;
    # 8 and 9 cloud of medium and high probability, 10 thin cirrus. No other value is defined.
    "scl": Encoding(
        size=2**8,
        coarser=True,  # 20 m, and red 10 m
        classes={
            0: Q.FILL,
            1: Q.SATURATED,
            2: Q.SUSPECT,
            3: Q.SHADOW,
            4: Q.CLEAR,
            5: Q.CLEAR,
            6: Q.CLEAR,
            7: Q.SUSPECT,
            8: Q.CLOUD,
            9: Q.CLOUD,
            10: Q.CLOUD,
            11: Q.SNOW,
        },
        bits={},
        otherwise=Q.FILL,
    ),
    # HLS v2.0 Fmask: HLS Product User Guide v2.0, table "Quality Assessment layer". Bit 2 is
    # "adjacent to cloud or shadow", bit 0 (cirrus) is reserved, 5-7 are water and aerosol level.
    "fmask": Encoding(
        size=2**8,
        classes={255: Q.FILL},
        bits={1: Q.CLOUD, 3: Q.SHADOW, 2: Q.CLOUD_EDGE, 0: Q.CIRRUS, 4: Q.SNOW},
        otherwise=Q.CLEAR,
    ),
    # Classes of CFMask and Fmask 3 (Zhu and Woodcock 2012, doi 10.1016/j.rse.2011.10.028).
    "cfmask": Encoding(
        size=2**8,
        classes={0: Q.CLEAR, 1: Q.CLEAR, 2: Q.SHADOW, 3: Q.SNOW, 4: Q.CLOUD, 255: Q.FILL},
        bits={},
        otherwise=Q.FILL,
    ),
}
"""By the name that ``Scene.quality`` carries."""

_BAD: Final = frozenset(
    {Q.FILL, Q.CLOUD, Q.CLOUD_EDGE, Q.CIRRUS, Q.SHADOW, Q.SNOW, Q.SATURATED, Q.INVALID}
)

MASKS: Final[Mapping[str, frozenset[Quality]]] = {
    "standard": _BAD,
    "clouds": _BAD - {Q.SNOW},
    "strict": _BAD | {Q.SUSPECT},
    "none": frozenset({Q.FILL}),
}
"""Which qualities are rejected, by the name that ``Recipe.mask`` carries. "standard" keeps of
QA_PIXEL what has none of the bits 0 to 5 set."""

STATUS_OF: Final[Mapping[Quality, str]] = {
    Q.CLEAR: "ok",
    Q.FILL: "fill",
    Q.CLOUD: "cloud",
    Q.CLOUD_EDGE: "cloud",
    Q.CIRRUS: "cloud",
    Q.SHADOW: "shadow",
    Q.SNOW: "snow",
    Q.SATURATED: "saturated",
    Q.INVALID: "invalid",
    Q.SUSPECT: "suspect",
}
"""The key of ``model.STATUSES`` under which a pixel of this quality is counted."""


def classify(encoding: str, values: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """The :class:`Quality` of each pixel.

    Args:
        encoding: A key of ENCODINGS.
        values: Pixels of the quality band, any shape and integer type.

    Returns:
        Quality codes, same shape. Values that the encoding does not define are FILL.

    Raises:
        KeyError: There is no such encoding.
    """
    table = _table(encoding)
    if np.iinfo(values.dtype).max < len(table) and values.dtype.kind == "u":
        return table[values]
    inside = (values >= 0) & (values < len(table))
    return np.where(inside, table[np.where(inside, values, 0)], np.uint8(Q.FILL))


@cache
def _table(encoding: str) -> NDArray[np.uint8]:
    """Quality code by value, shape (size,)."""
    rule = ENCODINGS[encoding]
    values = np.arange(rule.size)
    table = np.full(rule.size, rule.otherwise, np.uint8)
    for bit, quality in reversed(tuple(rule.bits.items())):
        table[values >> bit & 1 == 1] = quality
    for value, quality in rule.classes.items():
        table[value] = quality
    table.flags.writeable = False  # shared by all callers
    return table
