"""Sentences for people about a place of which little, or something strange, can be said."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from fieldwren.season.smooth import MIN_DATES
from fieldwren.season.strays import find_strays

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Notes"]


class Notes:
    """Sentences by place; places are positions in the ids."""

    def __init__(self, ids: pd.Index) -> None:
        self._ids = ids
        self._said: defaultdict[int, list[str]] = defaultdict(list)

    def add(self, place: int, sentence: str) -> None:
        """Say something of a place."""
        self._said[place].append(sentence)

    def bounded(self, clear: pd.DataFrame) -> pd.DataFrame:
        """Clear rows without stray values outside [-1, 1], which most indices never have."""
        value, place = clear["value"].to_numpy(), clear["place"].to_numpy()
        outside, stray = np.abs(value) > 1, find_strays(value, place)
        size = len(self._ids)
        counted = (place, place[outside], place[stray])
        all_, many, left = (np.bincount(some, minlength=size) for some in counted)
        for number in np.flatnonzero(many).tolist():
            share = f"{many[number]} of {all_[number]} clear values lie outside [-1, 1]"
            if left[number]:
                self.add(number, f"{share}: they are not used for curve and mean.")
            else:
                self.add(number, f"{share}: they are used, as the index seems not to be bounded.")
        return clear[~stray]

    def of_dates(self, used: pd.DataFrame, rows: NDArray[np.int64]) -> dict[int, str]:
        """Say why a place has no curve, or a constant one.

        Args:
            used: clear rows; see :func:`fieldwren.season.rows.clear_rows`.
            rows: shape (places,): how many rows each place has, clear or not.

        Returns:
            Why there is no curve, as a clause, by place.
        """
        by_place = used.groupby("place")
        every = range(len(self._ids))
        dates = by_place["day"].nunique().reindex(every, fill_value=0).to_numpy()
        spread = (by_place["value"].max() - by_place["value"].min()).reindex(every).to_numpy()
        lacking: dict[int, str] = {}
        for place in np.flatnonzero(dates < MIN_DATES).tolist():
            words = lacking[place] = _too_few(dates[place], rows[place])
            self.add(place, f"{words[0].upper()}{words[1:]}.")
        for place in np.flatnonzero((dates >= MIN_DATES) & (spread == 0)).tolist():
            self.add(place, f"All {dates[place]} clear dates have the same value.")
        return lacking

    def by_place(self) -> dict[str, tuple[str, ...]]:
        """All that was said, by place_id."""
        return {str(self._ids[place]): tuple(said) for place, said in sorted(self._said.items())}


def _too_few(dates: int, rows: int) -> str:
    if not rows:
        return "no scene was found, so there is no curve"
    if not dates:
        return "there is no clear date, so there is no curve"
    words = "is one clear date" if dates == 1 else f"are {dates} clear dates"
    return f"there {words}; a curve needs {MIN_DATES}"
