"""The pictures of a run: which, from the folder or from the archive, drawn and kept.

rows, seasons ─► choices ─► kept already? ─► read together, scene by scene ─► drawn ─► kept
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fieldwren.chip import read_chips
from fieldwren.chip_dates import ChipChoice, choose_chips
from fieldwren.errors import ReadError
from fieldwren.model import Timing
from fieldwren.planner import recipe_key
from fieldwren.present import style
from fieldwren.present.chip_files import KEY, find_chip, save_chip, save_chip_list
from fieldwren.present.chip_picture import ChipPicture
from fieldwren.present.chip_pictures import colour_picture, index_picture
from fieldwren.progress import Event, Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from fieldwren.chip import Chip
    from fieldwren.model import Place, ReadOptions, Scene
    from fieldwren.planner import Plan

__all__ = ["Gallery", "make_gallery"]

_AT_ONCE: Final = 96
"""Pictures that are read together, and held in memory until they are drawn."""
_TOLD: Final = 20
"""Problems that the receipt lists; where an archive cannot be reached, all are alike."""
_DRAWING: Final = 1
"""Version of the drawing: pictures of another one are made anew."""


@dataclass(slots=True, kw_only=True)
class Gallery:
    """Pictures of places, and what they cost."""

    chips: Mapping[str, tuple[ChipPicture, ...]] = field(
        default_factory=dict[str, tuple[ChipPicture, ...]]
    )
    """By place id in the order of the run, each by time; places without any are left out."""
    reused: int = 0
    """Pictures that were in the folder already."""
    problems: list[str] = field(default_factory=list[str])
    """Why a picture is missing, a sentence each."""
    timing: Timing = field(default_factory=Timing)
    """What reading cost."""

    def receipt(self) -> dict[str, object]:
        """The facts for the receipt of the run."""
        return {
            "pictures": sum(len(pictures) for pictures in self.chips.values()),
            "reused": self.reused,
            "requests": self.timing.requests,
            "bytes": self.timing.bytes,
            "failed": len(self.problems),
            "problems": self.problems[:_TOLD],
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wanted:
    """A picture to be made."""

    choice: ChipChoice
    scene: Scene
    place: Place
    key: str

    def picture(self, chip: Chip, scale: style.Scale) -> ChipPicture:
        """Draw it."""
        text = {KEY: self.key, "Description": self.caption}
        return ChipPicture(
            date=self.choice.date,
            scene_id=self.scene.id,
            caption=self.caption,
            index_png=index_picture(chip, scale, text),
            colour_png=colour_picture(chip, text),
        )

    @property
    def caption(self) -> str:
        """The choice's, which also says what is made up."""
        return ("simulated: " if self.scene.simulated else "") + self.choice.caption


def make_gallery(
    planned: Plan,
    observations: pd.DataFrame,
    seasons: pd.DataFrame,
    *,
    most: int,
    options: ReadOptions,
    folder: Path | None = None,
    progress: Progress = ignore,
) -> Gallery:
    """Make the pictures of a run; one that cannot be had costs itself only.

    Args:
        planned: the plan of the run: its places, scenes and recipe.
        observations: its rows.
        seasons: of the places; see :func:`fieldwren.chip_dates.choose_chips`.
        most: how many places get pictures; 0: none.
        options: what may be used of this machine.
        folder: of the results, where pictures are kept and found again; None: in memory only.
        progress: is told how far the work has come, and what is missing.
    """
    gallery = Gallery()
    if not most:
        return gallery
    index = planned.recipe.indices[0].name
    scale = style.range_of_rows(observations, index)
    choices = choose_chips(observations, seasons, planned.places, index, most=most)
    wanted = _wanted(planned, choices, scale)
    made = {one: found for one in wanted if (found := _kept(one, folder))}
    gallery.reused = len(made)
    missing = [one for one in wanted if one not in made]
    for start in range(0, len(missing), _AT_ONCE):
        progress(Event(phase="chips", done=start, total=len(missing)))
        part = missing[start : start + _AT_ONCE]
        chips, timing = read_chips([(w.scene, w.place) for w in part], planned.recipe, options)
        gallery.timing += timing
        for one, chip in zip(part, chips, strict=True):
            if isinstance(chip, ReadError):
                gallery.problems.append(f"{one.place.id}, {one.scene.id}: {chip}")
                continue
            made[one] = one.picture(chip, scale)
            if folder:
                save_chip(folder, one.place.id, made[one])
    if gallery.problems:
        words = f"{len(gallery.problems)} of {len(wanted)} chips could not be read, the first: "
        progress(Event(phase="chips", note=words + gallery.problems[0], warning=True))
    gallery.chips = _by_place(planned.places, wanted, made)
    if folder:
        save_chip_list(folder, gallery.chips)
    return gallery


def _wanted(planned: Plan, choices: Sequence[ChipChoice], scale: style.Scale) -> list[_Wanted]:
    """The choices with what is needed to make them, by scene, so that tiles are shared."""
    scenes = {(s.collection, s.id): k for k, s in enumerate(planned.scenes)}
    places = {p.id: k for k, p in enumerate(planned.places)}
    recipe = recipe_key(planned.recipe)
    wanted: list[_Wanted] = []
    for choice in choices:
        scene, place = scenes[choice.collection, choice.scene_id], places[choice.place_id]
        identity = (planned.place_keys[place], planned.scene_keys[scene], recipe, scale, _DRAWING)
        one = _Wanted(
            choice=choice,
            scene=planned.scenes[scene],
            place=planned.places[place],
            key="fieldwren " + hashlib.blake2b(repr(identity).encode(), digest_size=10).hexdigest(),
        )
        wanted.append(one)
    return sorted(wanted, key=lambda one: (one.scene.datetime, one.scene.id))


def _kept(one: _Wanted, folder: Path | None) -> ChipPicture | None:
    """The picture from the folder, unless it shows something else by now."""
    if folder is None:
        return None
    date = one.choice.date
    return find_chip(
        folder, one.place.id, one.scene.id, date=date, caption=one.caption, key=one.key
    )


def _by_place(
    places: Sequence[Place], wanted: Sequence[_Wanted], made: Mapping[_Wanted, ChipPicture]
) -> dict[str, tuple[ChipPicture, ...]]:
    chips: dict[str, tuple[ChipPicture, ...]] = {place.id: () for place in places}
    for one in wanted:  # by time
        if one in made:
            chips[one.place.id] += (made[one],)
    return {place_id: pictures for place_id, pictures in chips.items() if pictures}
