"""Pictures of places in a folder of results, so that they are read from the archive once.

DIR/chips/PLACE/DATE_SCENE.index.png    and .colour.png, where the scene has colours
DIR/chips.csv                           what there is: place_id, date, scene_id, files, caption
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from fieldwren.files import file_name, replace_file
from fieldwren.present.chip_picture import ChipPicture
from fieldwren.present.png import has_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["find_chip", "load_chips", "save_chip", "save_chip_list"]

KEY: Final = "Source"
"""Keyword of the text in a picture by which it is known again."""

_COLUMNS: Final = ("place_id", "date", "scene_id", "files", "caption")


def save_chip(folder: Path, place_id: str, picture: ChipPicture) -> None:
    """Write the pictures of a place on one date."""
    for path, data in zip(
        _paths(folder, place_id, picture.date, picture.scene_id),
        (picture.index_png, picture.colour_png),
        strict=True,
    ):
        if data is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, lambda p, data=data: p.write_bytes(data))


def find_chip(
    folder: Path, place_id: str, scene_id: str, *, date: dt.date, caption: str, key: str = ""
) -> ChipPicture | None:
    """The pictures of a place on one date, where they are in the folder.

    Args:
        folder: of the results.
        place_id: the place.
        scene_id: the scene.
        date: its day.
        caption: of the picture that is returned.
        key: the first text of the pictures must be this; "": any will do.
    """
    index_path, colour_path = _paths(folder, place_id, date, scene_id)
    try:
        index_png = index_path.read_bytes()
        colour_png = colour_path.read_bytes() if colour_path.exists() else None
    except OSError:
        return None
    if key and not all(has_text(p, KEY, key) for p in (index_png, colour_png) if p is not None):
        return None
    return ChipPicture(
        date=date, scene_id=scene_id, caption=caption, index_png=index_png, colour_png=colour_png
    )


def save_chip_list(folder: Path, chips: Mapping[str, tuple[ChipPicture, ...]]) -> None:
    """Write the table of the pictures that belong to the results."""
    rows: list[tuple[str, str, str, str, str]] = []
    for place_id, pictures in chips.items():
        for picture in pictures:
            paths = _paths(folder, place_id, picture.date, picture.scene_id)
            shown = paths if picture.colour_png is not None else paths[:1]
            files = " ".join(path.relative_to(folder).as_posix() for path in shown)
            row = (place_id, f"{picture.date:%Y-%m-%d}", picture.scene_id, files, picture.caption)
            rows.append(row)
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    replace_file(folder / "chips.csv", lambda p: table.to_csv(p, index=False))


def load_chips(folder: Path) -> dict[str, tuple[ChipPicture, ...]]:
    """The pictures that a run left in a folder, by place; those that are gone are left out."""
    try:
        table = pd.read_csv(folder / "chips.csv", dtype=str, keep_default_na=False)
        dates = pd.to_datetime(table["date"], format="%Y-%m-%d")
        columns = table[["place_id", "scene_id", "caption"]]
    except (OSError, ValueError, KeyError):  # none, or of another making
        return {}
    chips: dict[str, tuple[ChipPicture, ...]] = {}
    rows = columns.itertuples(index=False, name=None)
    for (place_id, scene_id, caption), date in zip(rows, dates, strict=True):
        found = find_chip(folder, place_id, scene_id, date=date.date(), caption=caption)
        if found is not None:
            chips[place_id] = (*chips.get(place_id, ()), found)
    return chips


def _paths(folder: Path, place_id: str, date: dt.date, scene_id: str) -> tuple[Path, Path]:
    """Of the index and of true colour; never from a table, which may name any file."""
    home = folder / "chips" / file_name(place_id)
    stem = f"{date:%Y-%m-%d}_{file_name(scene_id)}"
    return home / f"{stem}.index.png", home / f"{stem}.colour.png"
