"""How a time differs from the same time of other years.

The year has 36 dekads: from the 1st, 11th and 21st of each month. A year without a value of a dekad
has one for the comparison if a dekad beside it has: that, moved by what the dekads differ by in the
mean of the years that have both (the mean of two where both sides have one). What is expected of a
dekad is the median of the other years. Its scale is the median absolute deviation from that, with
the factors for few values of Croux & Rousseeuw (1992, doi 10.1007/978-3-662-26811-7_58), as a mean
over three dekads before and after, and LEAST_SCALE at least. The vegetation condition index
places a value between the least and the greatest of the other years (Kogan 1995, doi
10.1016/0273-1177(95)00079-T), cut at 0 and 100.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

__all__ = ["DEKADS", "LEAST_SCALE", "LEAST_YEARS", "Anomalies", "dekad_means", "find_anomalies"]

DEKADS: Final = 36
"""Dekads of a year."""

LEAST_YEARS: Final = 3
"""Other years that a climatology needs."""

LEAST_SCALE: Final = 0.02
"""Of an index between -1 and 1: years do not agree better than this but by chance."""

_LEAST_DAYS: Final = 5  # of a dekad that are near an observation
_NEAR: Final = 3  # dekads over which the scale is averaged, to either side
_BLOCK: Final = 256  # places at once: they stay in the processor's cache
_FEW: Final = (1.0, 1.0, 1.196, 1.495, 1.363, 1.206, 1.2, 1.14, 1.129, 1.107)
_NORMAL: Final = 1.4826  # standard deviation of normal numbers / their median absolute deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomalies:
    """Of values by place, year and dekad; all of shape (places, years, DEKADS), NaN for none."""

    expected: Array
    """Median of the other years."""
    z: Array
    """(value - expected) / scale."""
    percentile: Array
    """Percent of the other years with a smaller value; equal ones count half."""
    vci: Array
    """Percent of the way from the least to the greatest of the other years, cut at 0 and 100."""
    years: Whole
    """How many other years have a value, of the dekad or of one beside it."""


def dekad_means(series: Whole, day: Whole, value: Array, places: int) -> tuple[int, Array]:
    """Means of daily values by dekad, where at least five days of it have one.

    Args:
        series: shape (m,): number of the place.
        day: shape (m,): days since 1970.
        value: shape (m,): NaN for none.
        places: how many there are.

    Returns:
        The first year, and the means: shape (places, years, DEKADS), NaN for none.
    """
    if not len(day):
        return 1970, np.full((places, 0, DEKADS), np.nan)
    start = int(day.min())
    date = np.arange(start, int(day.max()) + 1).astype("datetime64[D]")  # each day but once
    month = date.astype("datetime64[M]")
    of_month = (date - month).astype(np.int64)
    months = month.astype(np.int64)
    first = int(months[0]) // 12
    years = int(months[-1]) // 12 - first + 1
    dekad = (months - 12 * first) * 3 + np.minimum(of_month // 10, 2)
    cell = series * (years * DEKADS) + dekad[day - start]
    known = np.isfinite(value)
    size = places * years * DEKADS
    count = np.bincount(cell[known], minlength=size)
    total = np.bincount(cell[known], value[known], size)
    means = np.divide(total, count, out=np.full(size, np.nan), where=count >= _LEAST_DAYS)
    return 1970 + first, means.reshape(places, years, DEKADS)


def find_anomalies(values: Array) -> Anomalies:
    """Compare each value with those of the same time of the other years.

    Args:
        values: shape (places, years, DEKADS), NaN for none.
    """
    starts = range(0, max(len(values), 1), _BLOCK)
    blocks = [_find_anomalies(values[start : start + _BLOCK]) for start in starts]
    names = [field.name for field in fields(Anomalies)]
    return Anomalies(**{n: np.concatenate([getattr(b, n) for b in blocks]) for n in names})


def _find_anomalies(values: Array) -> Anomalies:
    shape = values.shape
    years = np.zeros(shape, np.int64)
    columns = [np.full(shape, np.nan) for _ in range(4)]
    for year in range(shape[1]):
        own, others = values[:, year], np.sort(_others(values, year), axis=1)
        n = np.isfinite(others).sum(axis=1)
        enough = n >= LEAST_YEARS
        median = _median(others, n)
        mad = _median(np.sort(np.abs(others - median[:, None]), axis=1), n)
        scale = _scale(np.where(enough, mad, np.nan), n)
        below = (others < own[:, None]).sum(axis=1) + 0.5 * (others == own[:, None]).sum(axis=1)
        least = others[:, 0]
        span = _at(others, n - 1) - least
        results = (
            median,
            (own - median) / scale,
            100 * below / np.maximum(n, 1) + 0 * own,
            np.clip(100 * (own - least) / np.where(span > 0, span, np.nan), 0, 100),
        )
        years[:, year] = n
        for column, result in zip(columns, results, strict=True):
            column[:, year] = np.where(enough, result, np.nan)
    expected, z, percentile, vci = columns
    return Anomalies(expected=expected, z=z, percentile=percentile, vci=vci, years=years)


def _others(values: Array, year: int) -> Array:
    """The values without those of a year; what is missing is taken from the dekads beside it."""
    known = values.copy()
    known[:, year] = np.nan
    line = known.reshape(len(known), -1)  # the last dekad of a year is beside the first of the next
    edge = np.full((len(line), 1), np.nan)
    moved: list[Array] = []
    for row in ((edge, line[:, :-1]), (line[:, 1:], edge)):
        beside = np.concatenate(row, axis=1).reshape(known.shape)
        moved.append(beside + _mean(known - beside, axis=1)[:, None])
    others = np.where(np.isfinite(known), known, _mean(np.stack(moved), axis=0))
    others[:, year] = np.nan
    return others


def _mean(values: Array, axis: int) -> Array:
    """The mean of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    total, n = np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def _at(ordered: Array, position: Whole) -> Array:
    """The value at a position along axis 1 of a (places, years, DEKADS) array."""
    return np.take_along_axis(ordered, np.maximum(position, 0)[:, None], axis=1)[:, 0]


def _median(ordered: Array, n: Whole) -> Array:
    """The median of the first n values along axis 1."""
    return (_at(ordered, (n - 1) // 2) + _at(ordered, n // 2)) / 2


def _scale(mad: Array, n: Whole) -> Array:
    """The standard deviation, shape (places, DEKADS), from a median absolute deviation of n."""
    few = np.where(n < len(_FEW), np.array(_FEW)[np.minimum(n, len(_FEW) - 1)], n / (n - 0.8))
    square = (_NORMAL * few * mad) ** 2
    around = np.stack([np.roll(square, shift, axis=1) for shift in range(-_NEAR, _NEAR + 1)])
    return np.fmax(np.sqrt(_mean(around, axis=0)), LEAST_SCALE)
