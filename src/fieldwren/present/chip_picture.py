"""A place on one date as pictures, small enough to stand in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["ChipPicture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipPicture:
    """One scene of one place as encoded pictures, north up."""

    date: dt.date
    """Day of acquisition, UTC."""
    scene_id: str
    """The scene that is shown; untrusted text."""
    caption: str
    """One sentence for people, such as why this date was chosen; untrusted text."""
    index_png: bytes
    """The index in the colours of :mod:`fieldwren.present.style`, as a PNG file."""
    colour_png: bytes | None
    """The same pixels in true colour, as a PNG file; None where a visible band is missing."""
