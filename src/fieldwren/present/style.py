"""One look for plots, map, chips and report: colours, marks, ranges and names.

Colours can be told apart by the colour-blind and in print without colour: the scale of values only
ever gets darker, and marks differ in shape or place as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.season.strays import stray_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from fieldwren.model import Place

__all__ = [
    "ABSENT",
    "ANOMALIES",
    "ANOMALY_STOPS",
    "CLOUD",
    "CURVE",
    "INK",
    "LANES",
    "OUTLIER",
    "POINT",
    "STOPS",
    "Lane",
    "Scale",
    "clean_name",
    "date_extent",
    "date_ticks",
    "days",
    "place_name",
    "range_of_rows",
    "round_values",
    "value_range",
]

STOPS: Final = (
    (0.0, "#e4ebf0"),
    (1 / 6, "#f3e9d0"),
    (0.3, "#e0c98f"),
    (0.45, "#bdbd5f"),
    (0.6, "#7fa648"),
    (0.8, "#35803b"),
    (1.0, "#0b4526"),
)
"""The colour scale as (position, colour): water and snow pale blue, bare ground sand, vegetation
green. On the range of NDVI, -0.2 to 1, the second stop is 0."""

ANOMALY_STOPS: Final = (
    (0.0, "#7a4a12"),
    (1 / 6, "#b9772a"),
    (1 / 3, "#e3bf80"),
    (0.5, "#f1eee6"),
    (2 / 3, "#8fcfc5"),
    (5 / 6, "#3a9a91"),
    (1.0, "#0b5b55"),
)
"""Below the usual brown, above it blue-green: told apart by the colour-blind, darker in grey the
further from the usual (after the BrBG scheme of ColorBrewer)."""

INK: Final = "#1f2933"
"""Text and axes."""
POINT: Final = "#16324f"
"""A clear observation."""
CURVE: Final = "#3a9a4b"
"""The smooth curve."""
CLOUD: Final = "#a3adb8"
"""Bars of the scenes' cloud cover."""
OUTLIER: Final = "#d55e00"
"""An observation that drops and recovers."""
ABSENT: Final = "#c8ccd0"
"""No value."""

_MONTHS: Final = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]

_FIXED_RANGE: Final = frozenset(
    {"ndvi", "evi", "evi2", "savi", "msavi", "osavi", "gndvi", "kndvi", "nirv", "ndre"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A line of marks under a plot for observations that are not usable for one kind of reason."""

    label: str
    """What stands beside it."""
    statuses: frozenset[str]
    """Keys of ``model.STATUSES``."""
    colour: str
    """Of its marks."""


LANES: Final = (
    Lane(label="cloud", statuses=frozenset({"cloud"}), colour="#6b7785"),
    Lane(label="cloudy scene", statuses=frozenset({"cloudy_scene"}), colour="#98a2ad"),
    Lane(label="shadow", statuses=frozenset({"shadow"}), colour="#2f3640"),
    Lane(label="snow", statuses=frozenset({"snow"}), colour="#3d9bd4"),
    Lane(label="no data", statuses=frozenset({"fill"}), colour="#b59a6a"),
    Lane(
        label="bad pixels",
        statuses=frozenset({"saturated", "invalid", "suspect"}),
        colour="#b8608f",
    ),
    Lane(
        label="not read",
        statuses=frozenset({"read_error", "no_access", "no_band"}),
        colour=OUTLIER,
    ),
)
"""In the order in which they are drawn. Duplicates have none; what keeps its value is a point."""


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The colours of values from low to high."""

    low: float
    """The value of the first colour."""
    high: float
    """The value of the last colour."""
    stops: tuple[tuple[float, str], ...] = STOPS
    """The colours between them."""

    def image(self, values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        """Red, green and blue of values of shape (...,), as (..., 3); beyond the ends, the end's.

        Where a value is not finite: ABSENT.
        """
        share = (values - self.low) / (self.high - self.low)
        at = [stop for stop, _ in self.stops]
        colours = zip(*(_rgb(colour) for _, colour in self.stops), strict=True)
        channels = [np.interp(share, at, channel) for channel in colours]
        image = np.stack(channels, axis=-1).round()
        return np.where(np.isfinite(values)[..., None], image, _rgb(ABSENT)).astype(np.uint8)

    def colour(self, value: float | None) -> str:
        """The colour as "#rrggbb"; ABSENT where there is no value."""
        red, green, blue = self.image(np.array(np.nan if value is None else value))
        return f"#{red:02x}{green:02x}{blue:02x}"

    def ink(self, value: float | None) -> str:
        """Black or white, whichever is read better on the colour."""
        red, green, blue = _rgb(self.colour(value))
        return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "#ffffff"


ANOMALIES: Final = Scale(low=-3.0, high=3.0, stops=ANOMALY_STOPS)
"""The colours of standard scores: how far a value is from the usual for the time of year."""


def value_range(index: str, values: Iterable[float]) -> Scale:
    """The range in which an index is shown.

    Vegetation indices that lie between 0 and 1 are shown from -0.2 to 1, so that places can be
    compared at a glance, and further where values exceed that, to -2 and 2 at most: beyond it an
    index is a division by almost nothing. Other indices are shown as their values need.
    """
    finite = [v for v in values if math.isfinite(v)]
    fixed = index in _FIXED_RANGE
    low, high = (-0.2, 1.0) if fixed or not finite else (min(finite), max(finite))
    margin = 0.05 * (high - low) or 0.5
    if finite and (not fixed or min(finite) < low):
        low = min(finite) - margin
    if finite and (not fixed or max(finite) > high):
        high = max(finite) + margin
    return Scale(low=max(low, -2.0), high=min(high, 2.0)) if fixed else Scale(low=low, high=high)


def range_of_rows(rows: pd.DataFrame, index: str, statuses: Sequence[str] = ("ok",)) -> Scale:
    """The range in which the values of these statuses are shown; strays do not stretch it."""
    return value_range(index, rows[index][rows["status"].isin(statuses) & ~stray_rows(rows, index)])


def clean_name(name: str, limit: int = 80) -> str:
    """Untrusted text as one printable line of at most ``limit`` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def place_name(place: Place, limit: int = 80) -> str:
    """The name of a place as one printable line; its id where nothing of the name is printable."""
    return clean_name(place.name, limit) or clean_name(place.id, limit)


def days(times: pd.Series[Any]) -> NDArray[np.int64]:
    """Dates or times (UTC), with time zone or without, as days since 1970."""
    plain = times if times.dt.tz is None else times.dt.tz_localize(None)
    return plain.to_numpy("datetime64[D]").astype(np.int64)


def date_extent(times: pd.Series[Any]) -> tuple[int, int]:
    """The first and last day that a plot of these times shows: theirs, with a margin."""
    at = days(times)
    margin = max(4, int(at.max() - at.min()) // 80)
    return int(at.min()) - margin, int(at.max()) + margin


def date_ticks(first: int, last: int) -> list[tuple[int, str]]:
    """At most a dozen round dates between two days, both in days since 1970, with their labels.

    Years and months start on their first day; a label carries the year where it changes.
    """
    if last - first <= 60:
        step = (last - first) // 8 + 1
        at = np.arange(first, last + 1, step)
        dates = at.astype("datetime64[D]").tolist()
        words = [f"{date.day} {_MONTHS[date.month - 1]}" for date in dates]
        for k, date in enumerate(dates):
            if k == 0 or date.year != dates[k - 1].year:
                words[k] += f" {date.year}"
        return list(zip(at.tolist(), words, strict=True))
    months = np.arange(
        np.datetime64(first, "D").astype("datetime64[M]") + 1,
        np.datetime64(last, "D").astype("datetime64[M]") + 1,
    )
    step = next(s for s in (1, 2, 3, 6, 12, 24, 60, 120, 600) if len(months) <= 10 * s)
    months = months[months.astype(np.int64) % step == 0]
    labels: list[str] = []
    for month in months.tolist():
        new_year = month.month == 1 or not labels
        name = _MONTHS[month.month - 1]
        labels.append(
            str(month.year) if step >= 12 else f"{name} {month.year}" if new_year else name
        )
    starts = months.astype("datetime64[D]").astype(np.int64)
    return list(zip(starts.tolist(), labels, strict=True))


def round_values(low: float, high: float) -> list[float]:
    """Four to ten round numbers within the range."""
    step = next(
        s
        for k in range(9, -9, -1)
        for s in (5 * 10.0**k, 2 * 10.0**k, 10.0**k)
        if (high - low) / s >= 4
    )
    values = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    return [round(float(v), 9) + 0.0 for v in values]
