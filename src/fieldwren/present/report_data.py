"""What the page draws of a place, as compact JSON that is safe inside a ``script`` element.

Each place is a block of its own, so that a browser parses only those that are opened. Lists stand
by column; dates are days since 1970; texts that rows have in common (scene ids, reasons, notes)
stand once for the whole page, and rows refer to them by number.
"""

from __future__ import annotations

import json
import math
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

__all__ = ["DATA_BYTES", "PlaceData", "encode", "fit_pictures", "picture_data"]

DATA_BYTES: Final = 20_000_000
"""What the data of all places and their pictures may take; with what is said of 500 places around
them, the file stays below 25 MB."""

_SHOWN: Final = ("ok", "low_coverage", "outlier")  # statuses whose value is drawn
_EVERY: Final = 4  # days between the points of a curve longer than _DAILY days
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

    def __init__(self, analysis: Analysis, index: str, digits: int) -> None:
        """Turn the tables into columns of plain values.

        Args:
            analysis: the rows of all places and what follows from them.
            index: the column to show.
            digits: decimals of its values.
        """
        self.texts = Texts()
        self._index, self._digits = index, digits
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
            "value": _numbers(rows[index]),
            "clear": _whole(_floats(rows["clear_fraction"]) * 100),
            "cloud": _whole(_floats(rows["scene_cloud_cover"])),
            "scene": texts.numbers(rows["scene_id"]),
            "reason": texts.numbers(rows["reason"]),
        }
        self._seasons.convert(texts, ("season", "method", "note"))
        self._anomalies.convert(texts, ("note",), figures=3)
        self._months.convert(texts)

    def of(self, place: str) -> dict[str, Any]:
        """All that the page draws of the place with this id, but its pictures."""
        scale = style.range_of_rows(self._rows.part(place), self._index, _SHOWN)
        return {
            "range": [float(f"{scale.low:.4g}"), float(f"{scale.high:.4g}")],
            "rows": self._rows.cut(place),
            "curve": _curve(self._curve.part(place), 10**self._digits),
            "seasons": self._seasons.cut(place),
            "anomalies": self._anomalies.cut(place),
            "months": self._months.cut(place),
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

    def convert(self, texts: Texts, names: Sequence[str] = (), *, figures: int = 4) -> None:
        """Columns as they are: dates as days, numbers as numbers, the named ones as texts."""
        for name in self.frame.columns.drop("place_id"):
            column = self.frame[name]
            if name in names:
                self.columns[name] = texts.numbers(column)
            elif column.dtype.kind == "M":
                known = column.notna()
                days = style.days(column.where(known, pd.Timestamp(0)))
                self.columns[name] = _listed(days, known.to_numpy(bool))
            else:
                self.columns[name] = _numbers(column, figures)

    def part(self, place: str) -> pd.DataFrame:
        """The rows of a place."""
        return self.frame.iloc[self._slices.get(place, slice(0, 0))]

    def cut(self, place: str) -> dict[str, list[Any]]:
        """The columns of a place."""
        part = self._slices.get(place, slice(0, 0))
        return {name: column[part] for name, column in self.columns.items()}


def _curve(series: pd.DataFrame, steps: int) -> dict[str, Any] | None:
    """Every fourth day of a long curve, in whole steps of 1 / steps; the band by its distances."""
    if not series["smooth"].notna().any():
        return None
    days = style.days(series["date"])
    step = _EVERY if len(days) > _DAILY else 1
    smooth, low, high = (series[name].to_numpy(float) for name in ("smooth", "low", "high"))
    return {
        "start": int(days[0]),
        "step": step,
        "value": _whole(smooth[::step] * steps),
        "below": _whole((smooth - low)[::step] * steps),
        "above": _whole((high - smooth)[::step] * steps),
        "gaps": _runs(days, series["gap"].to_numpy(bool)),
    }


def _runs(days: NDArray[np.int64], flags: NDArray[np.bool_]) -> list[list[int]]:
    """First and last day of each run of days with the flag."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return [[int(days[a]), int(days[b - 1])] for a, b in edges.reshape(-1, 2)]


def picture_data(picture: ChipPicture) -> dict[str, Any]:
    """A picture with its words; the files in base 64."""
    colour = picture.colour_png
    return {
        "date": picture.date.isoformat(),
        "scene": picture.scene_id,
        "caption": picture.caption,
        "index": b64encode(picture.index_png).decode("ascii"),
        "colour": None if colour is None else b64encode(colour).decode("ascii"),
    }


def fit_pictures(
    chips: Mapping[str, Sequence[ChipPicture]], limit: float
) -> tuple[dict[str, list[ChipPicture]], int]:
    """As many pictures as a report can hold: the latest of every place first, then those before.

    Args:
        chips: the pictures by place id.
        limit: bytes of all pictures together, as they are embedded: a third more than their files.

    Returns:
        The pictures that fit, each place's by date; how many were left out.
    """
    newest = {
        place: sorted(pictures, key=lambda picture: picture.date, reverse=True)
        for place, pictures in chips.items()
    }
    turns = [(k, place) for place, pictures in newest.items() for k in range(len(pictures))]
    kept: dict[str, list[ChipPicture]] = {}
    used, left_out = 0.0, 0
    for k, place in sorted(turns, key=lambda turn: turn[0]):
        picture = newest[place][k]
        size = (len(picture.index_png) + len(picture.colour_png or b"")) * 4 / 3
        if used + size > limit:
            left_out += 1
        else:
            used += size
            kept.setdefault(place, []).insert(0, picture)
    return kept, left_out


def _floats(column: pd.Series[Any]) -> NDArray[np.float64]:
    return column.to_numpy(float, na_value=np.nan)


def _numbers(column: pd.Series[Any], figures: int = 4) -> list[Any]:
    """Numbers to so many figures, None where there is none; whole ones as integers."""
    values = _floats(column)
    if np.array_equal(values, np.rint(values), equal_nan=True):
        return _whole(values)
    return [float(f"{v:.{figures}g}") if math.isfinite(v) else None for v in values.tolist()]


def _whole(values: NDArray[np.float64]) -> list[Any]:
    """Numbers rounded to integers; None where there is none."""
    known = np.isfinite(values)
    rounded = np.rint(np.clip(np.where(known, values, 0.0), -1e15, 1e15)).astype(np.int64)
    return _listed(rounded, known)


def _listed(values: NDArray[np.int64], known: NDArray[np.bool_]) -> list[Any]:
    """Plain integers, None where nothing is known."""
    return [v if k else None for v, k in zip(values.tolist(), known.tolist(), strict=True)]
