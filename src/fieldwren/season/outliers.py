"""Which clear observations are not: values that drop and recover as only missed cloud does.

An observation is an outlier when all of this holds:

* It lies far below the robust curve through all the others: by DEPTH and by DEVIATIONS times the
  noise of its series.
* The nearest observations before and after that do not lie so far below are within REACH days, it
  is below both of them by as much, and they agree with each other: they differ by less than half of
  what it is below the lower of them.
* It does not stay low: between those two neighbours no more than LASTING days pass from the first
  low date to the last.
* It is deep for the time between those two neighbours: by DEPTH for every SPAN days. Within weeks
  a field may fall and rise again, too.

A harvest or a fire is no outlier: what follows stays low, so there is no neighbour that has
recovered. Nor is the trough between two crops: it lasts, or is no deeper than its time allows. The
test looks down only, for that is where cloud and its shadow move an index.

Of 64,446 clear rows of 600 simulated fields this marks none that is right (without the last rule:
7), and 6 of the 8 that lie more than 0.1 below the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.season.smooth import LEAST_NOISE, Series, robust_fit
from fieldwren.season.whittaker import left_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

__all__ = ["DEPTH", "DEVIATIONS", "LASTING", "REACH", "SPAN", "Drops", "find_drops"]

DEPTH: Final = 0.1
"""Least drop of an outlier, of an index between -1 and 1."""

DEVIATIONS: Final = 4.0
"""Least drop of an outlier in standard deviations of its series' noise."""

REACH: Final = 48
"""Days within which the neighbours are: some weeks, and three repeats of Landsat."""

LASTING: Final = 16
"""Days from the first to the last low date beyond which a drop is believed."""

SPAN: Final = 32
"""Days between the neighbours for which a drop of DEPTH is enough: two repeats of Landsat."""

_FAR: Final = 1 << 32  # days; more than any series has


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops:
    """The outliers among observations; all of shape (outliers,)."""

    at: Whole
    """Positions of the observations."""
    drop: Array
    """How far below the curve through all others."""
    deviations: Array
    """The same in standard deviations of the noise."""
    before: Array
    """Value of the neighbour before."""
    before_day: Whole
    """Its day."""
    after: Array
    """Value of the neighbour after."""
    after_day: Whole
    """Its day."""


def find_drops(
    days: Whole, values: Array, weights: Array, series: Whole, *, lam: float | None = None
) -> Drops:
    """Find the outliers among observations in any order; see :meth:`Series.of` for the arguments.

    Of several observations of one day each is judged by itself.
    """
    known = Series.of(days, values, weights, series)
    if not len(known.day):
        none, nothing = np.empty(0, np.int64), np.empty(0)
        return Drops(
            at=none,
            drop=nothing,
            deviations=nothing,
            before=nothing,
            before_day=none,
            after=nothing,
            after_day=none,
        )
    expected, noise = _expected(known, lam)
    least = np.maximum(DEPTH, DEVIATIONS * np.maximum(noise, LEAST_NOISE))
    key = known.series * _FAR + known.day
    day = np.minimum(np.searchsorted(key, series * _FAR + days), len(key) - 1)
    here = np.isfinite(values) & (key[day] == series * _FAR + days)
    drop = np.where(here, expected[day] - values, -np.inf)
    low = drop > least[day]
    good = here & ~low
    level = np.bincount(day[good], values[good], len(key))
    counted = np.bincount(day[good], minlength=len(key))
    level = np.divide(level, counted, out=np.full(len(key), np.nan), where=counted > 0)
    before, after = _neighbours(known.series, counted > 0)

    at = np.flatnonzero(low & (before[day] >= 0) & (after[day] >= 0))
    b, a, d = before[day[at]], after[day[at]], day[at]
    under = np.minimum(level[b], level[a]) - values[at]
    near = np.maximum(known.day[d] - known.day[b], known.day[a] - known.day[d]) <= REACH
    agree = np.abs(level[b] - level[a]) < under / 2
    brief = known.day[a - 1] - known.day[b + 1] <= LASTING
    steep = under > DEPTH * (known.day[a] - known.day[b]) / SPAN
    found = (under > least[d]) & near & agree & brief & steep
    at, b, a, d = at[found], b[found], a[found], d[found]
    return Drops(
        at=at,
        drop=drop[at],
        deviations=drop[at] / np.maximum(noise[d], LEAST_NOISE),
        before=level[b],
        before_day=known.day[b],
        after=level[a],
        after_day=known.day[a],
    )


def _expected(known: Series, lam: float | None) -> tuple[Array, Array]:
    """For each day of observations the curve through all others, and the noise of its series.

    Days of series that are too short have NaN.
    """
    expected, noise = np.full((2, len(known.day)), np.nan)
    for block in known.blocks():
        fitted, deviation = robust_fit(block.knots, block.weights, lam)
        above, _ = left_out(block.knots, fitted)
        used = block.knots.used
        expected[block.at[used]] = (block.knots.values - above)[used]
        noise[block.at[used]] = np.broadcast_to(deviation, used.shape)[used]
    return expected, noise


def _neighbours(series: Whole, good: NDArray[np.bool_]) -> tuple[Whole, Whole]:
    """For each day the nearest good one before and after it in its series; -1 for none."""
    position = np.arange(len(good))
    last = np.maximum.accumulate(np.where(good, position, -1))
    before = np.concatenate([[-1], last[:-1]])
    following = np.minimum.accumulate(np.where(good, position, len(good))[::-1])[::-1]
    after = np.concatenate([following[1:], [len(good)]])
    after = np.where(after < len(good), after, -1)
    return (
        np.where(series[before] == series, before, -1),
        np.where(series[after] == series, after, -1),
    )
