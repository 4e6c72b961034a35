"""Small pictures of a place: its index in the common colours, and the place in true colour.

True colour shows reflectance from 0 to 0.3 with a gamma of 1.6, the same for every scene, so that
dates and places can be compared; clouds and snow beyond it are white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.present import style
from fieldwren.present.png import encode_png

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldwren.chip import Chip

    Picture = NDArray[np.uint8]

__all__ = ["BRIGHTEST", "GAMMA", "colour_picture", "index_picture"]

BRIGHTEST: Final = 0.3
"""Reflectance that is shown as white; most land reflects less in the visible."""
GAMMA: Final = 1.6
"""Lightens what is dark: forest reflects 0.03."""

_SIDE: Final = 190
"""Pixels that a picture is enlarged to, at most, by a whole factor: no pixel is made up."""
_COLOURS: Final = 128
"""Steps of the colour scale: finer ones cannot be told apart, and make larger files."""
_LEVELS: Final = 32
"""Steps of each channel in true colour: finer ones are noise, and make larger files."""
_GREY: Final = tuple(int(style.ABSENT[i : i + 2], 16) for i in (1, 3, 5))
_DARK, _LIGHT = 0, 255  # of the double line, which can be seen on any ground


def index_picture(chip: Chip, scale: style.Scale, text: Mapping[str, str]) -> bytes:
    """The index as a PNG file with the outline of the place; what has no value is grey.

    Args:
        chip: its values.
        scale: their colours.
        text: what the file says of itself.
    """
    share = (chip.values - scale.low) / (scale.high - scale.low)
    steps = np.nan_to_num(np.clip(share, 0, 1)) * (_COLOURS - 1)
    numbers = np.where(np.isfinite(chip.values), steps.round(), _COLOURS).astype(np.uint8)
    middles = np.linspace(scale.low, scale.high, _COLOURS)
    ends = np.array([_GREY, [_DARK] * 3, [_LIGHT] * 3], np.uint8)
    palette = np.concatenate([scale.image(middles), ends])
    picture = _enlarged(numbers)
    dark, light = _outline(chip, picture.shape[0])
    picture[dark], picture[light] = _COLOURS + 1, _COLOURS + 2
    return encode_png(picture, palette=palette, text=text)


def colour_picture(chip: Chip, text: Mapping[str, str]) -> bytes | None:
    """The chip in true colour as a PNG file; None where it has no colours."""
    if chip.colour is None:
        return None
    stretched = np.clip(chip.colour / BRIGHTEST, 0, 1) ** (1 / GAMMA)
    levels = (np.nan_to_num(stretched) * (_LEVELS - 1)).round() * (255 / (_LEVELS - 1))
    known = np.isfinite(chip.colour).all(axis=-1, keepdims=True)
    picture = _enlarged(np.where(known, levels.round(), _GREY).astype(np.uint8))
    dark, light = _outline(chip, picture.shape[0])
    picture[dark], picture[light] = _DARK, _LIGHT
    return encode_png(picture, text=text)


def _factor(side: int) -> int:
    return max(1, _SIDE // side)


def _enlarged(picture: Picture) -> Picture:
    factor = _factor(max(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _outline(chip: Chip, height: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the dark and the light line of the outline lie on the enlarged picture."""
    rows, cols = chip.values.shape
    factor = height // rows
    light = np.zeros((height, cols * factor), bool)
    for ring in chip.outline:
        line = _line(_square(ring) if len(ring) == 1 else ring, factor)
        inside = (line >= 0).all(axis=1) & (line < (light.shape[1], height)).all(axis=1)
        light[line[inside, 1], line[inside, 0]] = True
    dark = light.copy()
    dark[1:] |= light[:-1]
    dark[:-1] |= light[1:]
    dark[:, 1:] |= light[:, :-1]
    dark[:, :-1] |= light[:, 1:]
    return dark, light


def _square(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pixel that holds a point, as a ring."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    return np.floor(point) + corners


def _line(ring: NDArray[np.float64], factor: int) -> NDArray[np.intp]:
    """The pixels of the picture under a ring, shape (m, 2): column and row."""
    start, end = ring[:-1] * factor, ring[1:] * factor
    counts = np.ceil(np.abs(end - start).max(axis=1)).astype(int) + 1
    which = np.repeat(np.arange(len(counts)), counts)
    first: NDArray[Any] = np.cumsum(counts) - counts
    share = (np.arange(len(which)) - first[which]) / np.maximum(counts - 1, 1)[which]
    along = start[which] + (end - start)[which] * share[:, None]
    return np.floor(along).astype(np.intp)
