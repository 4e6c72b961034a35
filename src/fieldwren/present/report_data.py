"""What the page draws of a place, as compact JSON that is safe inside a ``script`` element.

Each place is a block of its own, so that a browser parses only those that are opened. Lists stand
by column; dates are days since 1970; texts that rows have in common (scene ids, reasons, notes)
stand once for the whole page, and rows refer to them by number.
"""

from __future__ import annotations

import json
from base64 import b64encode
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from fieldwren.model import STATUSES
from fieldwren.present import style

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from fieldwren.present.chip_picture import ChipPicture
    from fieldwren.season.analysis import Analysis

__all__ = ["PICTURE_BYTES", "PlaceData", "encode", "fit_pictures"]

PICTURE_BYTES: Final = 9_000_000
"""So many bytes of chips a report holds at most; they grow by a third when they are embedded."""

_SHOWN: Final = ("ok", "low_coverage", "outlier")  # statuses whose value is drawn
_EVERY: Final = 3  # days between the points of a curve longer than _DAILY days
_DAILY: Final = 400


class Texts:
    """Texts by number: each is kept once, however many rows of how many places have it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def numbers(self, texts: Iterable[object]) -> list[int]:
        """The number of each text; -1 where there is none."""
        known = self._numbers
        return [known.setdefault(t, len(known)) if isinstance(t, str) else -1 for t in texts]

    def all(self) -> list[str]:
        """The texts by number."""
        return list(self._numbers)


def encode(value: object) -> str:
    """JSON in ASCII without "<", which no text can leave: not for ``</script>``, not for a comment.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


class PlaceData:
    """What the page draws of every place: whole tables are turned into lists once, then cut."""

    def __init__(self, analysis: Analysis, index: str) -> None:
        """Turn the tables into columns of plain values.

        Args:
            analysis: the rows of all places and what follows from them.
            index: the column to show.
        """
        self.texts = Texts()
        self._index = index
        self._rows = _Table(analysis.observations, "datetime")
        self._curve = _Table(analysis.series, "date")
        self._seasons = _Table(analysis.seasons, "peak")
        self._anomalies = _Table(analysis.anomalies, "date")
        self._months = _Table(analysis.adequacy, "month")
        rows, texts = self._rows.frame, self.texts
        numbers = {status: number for number, status in enumerate(STATUSES)}
        self._rows.columns = {
            "date": style.days(rows["datetime"]).tolist(),
            "status": [numbers[status] for status in rows["status"]],
            "value": _numbers(rows[index], 4),
            "clear": _numbers(rows["clear_fraction"] * 100, 0),
            "cloud": _numbers(rows["scene_cloud_cover"], 0),
            "scene": texts.numbers(rows["scene_id"]),
            "reason": texts.numbers(rows["reason"]),
        }
        self._seasons.convert(texts, ("season", "method", "note"))
        self._anomalies.convert(texts, ("note",))
        self._months.convert(texts)

    def of(self, place: str, pictures: Sequence[ChipPicture]) -> dict[str, Any]:
        """All that the page shows of one place.

        Args:
            place: its id.
            pictures: its chips.
        """
        rows = self._rows.part(place)
        values = rows[self._index][rows["status"].isin(_SHOWN)]
        scale = style.value_range(self._index, values.dropna().tolist())
        return {
            "range": [round(scale.low, 3), round(scale.high, 3)],
            "rows": self._rows.cut(place),
            "curve": _curve(self._curve.part(place)),
            "seasons": self._seasons.cut(place),
            "anomalies": self._anomalies.cut(place),
            "months": self._months.cut(place),
            "pictures": [_picture(picture) for picture in pictures],
        }


class _Table:
    """A table by place and date, its columns as lists, and where each place's rows are."""

    def __init__(self, frame: pd.DataFrame, date: str) -> None:
        self.frame = frame.sort_values(["place_id", date], kind="stable", ignore_index=True)
        self.columns: dict[str, list[Any]] = {}
        places = self.frame["place_id"].to_numpy(object)
        edges = [0, *(np.flatnonzero(places[1:] != places[:-1]) + 1).tolist(), len(places)]
        slices = (slice(a, b) for a, b in pairwise(edges) if b > a)
        self._slices = {places[part.start]: part for part in slices}

    def convert(self, texts: Texts, names: Sequence[str] = ()) -> None:
        """Columns as they are: dates as days, numbers to four digits, the named ones as texts."""
        for name in self.frame.columns.drop("place_id"):
            column = self.frame[name]
            if name in names:
                self.columns[name] = texts.numbers(column)
            elif column.dtype.kind == "M":
                known = column.notna()
                days = style.days(column.where(known, pd.Timestamp(0)))
                self.columns[name] = np.where(known, days.astype(object), None).tolist()
            else:
                self.columns[name] = _numbers(column, 4)

    def part(self, place: str) -> pd.DataFrame:
        """The rows of a place."""
        return self.frame.iloc[self._slices.get(place, slice(0, 0))]

    def cut(self, place: str) -> dict[str, list[Any]]:
        """The columns of a place."""
        part = self._slices.get(place, slice(0, 0))
        return {name: column[part] for name, column in self.columns.items()}


def _curve(series: pd.DataFrame) -> dict[str, Any] | None:
    """Every third day or so, in thousandths; the band as distances from the curve."""
    if not series["smooth"].notna().any():
        return None
    days = style.days(series["date"])
    step = _EVERY if len(days) > _DAILY else 1
    smooth, low, high = (series[name].to_numpy(float) for name in ("smooth", "low", "high"))
    return {
        "start": int(days[0]),
        "step": step,
        "value": _whole(smooth[::step] * 1000),
        "below": _whole((smooth - low)[::step] * 1000),
        "above": _whole((high - smooth)[::step] * 1000),
        "gaps": _runs(days, series["gap"].to_numpy(bool)),
    }


def _runs(days: NDArray[np.int64], flags: NDArray[np.bool_]) -> list[list[int]]:
    """First and last day of each run of days with the flag."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return [[int(days[a]), int(days[b - 1])] for a, b in edges.reshape(-1, 2)]


def _picture(picture: ChipPicture) -> dict[str, Any]:
    colour = picture.colour_png
    return {
        "date": picture.date.isoformat(),
        "scene": picture.scene_id,
        "caption": picture.caption,
        "index": b64encode(picture.index_png).decode("ascii"),
        "colour": None if colour is None else b64encode(colour).decode("ascii"),
    }


def fit_pictures(
    chips: Mapping[str, Sequence[ChipPicture]], limit: int = PICTURE_BYTES
) -> tuple[dict[str, list[ChipPicture]], int]:
    """As many pictures as a report can hold, in turns: the first of every place, then the second.

    Args:
        chips: the pictures by place id, in the order in which they matter.
        limit: bytes of all pictures together.

    Returns:
        The pictures that fit, each place's by date; how many were left out.
    """
    kept: dict[str, list[ChipPicture]] = {}
    turns = sorted(
        ((turn, place, picture) for place, pictures in chips.items()
         for turn, picture in enumerate(pictures)),
        key=lambda entry: entry[0],
    )
    used = left_out = 0
    for _, place, picture in turns:
        size = len(picture.index_png) + len(picture.colour_png or b"")
        if used + size > limit:
            left_out += 1
            continue
        used += size
        kept.setdefault(place, []).append(picture)
    for pictures in kept.values():
        pictures.sort(key=lambda picture: picture.date)
    return kept, left_out


def _numbers(column: pd.Series[Any], digits: int) -> list[Any]:
    """Rounded numbers, None where there is none; whole ones as integers, which are shorter."""
    values = column.to_numpy(float, na_value=np.nan)
    if digits == 0 or np.array_equal(values, np.rint(values), equal_nan=True):
        return _whole(values)
    return np.where(np.isfinite(values), np.round(values, digits).astype(object), None).tolist()


def _whole(values: NDArray[np.float64]) -> list[Any]:
    """Numbers rounded to integers; None where there is none."""
    known = np.isfinite(values)
    rounded = np.rint(np.where(known, values, 0.0)).astype(np.int64)
    return np.where(known, rounded.astype(object), None).tolist()
