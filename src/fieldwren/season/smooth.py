"""The smooth curve of a series: a Whittaker smoother with weights, robust against missed cloud.

Cloud that the mask missed only ever lowers an index: after each round, observations far below the
curve lose weight and those above it keep theirs. With the trust that the observations have then,
lambda is chosen for each series by leave-one-out cross-validation over a small grid, and the
re-weighting goes on with it. :func:`smooth` gives the curves of many series at once, with a band
and a mark where the curve bridges a gap; a gap of more than LONGEST days is not bridged: it divides
the curve. The solver is :mod:`fieldwren.season.whittaker`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.season.whittaker import daily, fit, left_out, make_knots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldwren.season.whittaker import Days, Fit, Knots

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

__all__ = [
    "BRIDGED",
    "LAMBDA",
    "LAMBDAS",
    "LEAST_NOISE",
    "LONGEST",
    "MIN_DATES",
    "Block",
    "Curves",
    "Series",
    "biweight",
    "gaps",
    "robust_fit",
    "smooth",
]

LAMBDA: Final = 1e3
"""Where the choice of lambda begins: follows changes that take a month and more."""

LAMBDAS: Final = tuple(10.0 ** (np.arange(4, 11) / 2))
"""What lambda is chosen from: 100 to 100,000."""

MIN_DATES: Final = 3
"""A series with fewer days of observations has no curve."""

BRIDGED: Final = 16
"""Days from the nearest observation beyond which the curve is marked as a gap: Landsat's repeat."""

LONGEST: Final = 270
"""Days between neighbouring observations beyond which nothing is said of any day between: three
quarters of a year may hold a whole season."""

LEAST_NOISE: Final = 0.025
"""Of an index between -1 and 1: with less, troughs would look like clouds."""

_ROUNDS: Final = 4  # of re-weighting; more change less
_MORE_ROUNDS: Final = 2  # with the lambda that was chosen
_REACH: Final = 4.0  # noise deviations below the curve at which an observation counts least
_LEAST: Final = 1e-3  # of its weight that remains, which keeps the equations regular
_BLOCK: Final = 512  # series solved at once: a day of them stays in the processor's cache
_NORMAL: Final = 1.4826  # standard deviation of normal numbers / their median absolute deviation
_DOUBT: Final = 1.0  # standard errors
_BAND: Final = 1.96  # standard deviations: 95 % of normal numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Smooth curves by day, one series after the other."""

    series: Whole
    """Number of the series; this and all up to ``gap`` have the shape (days of all series,)."""
    day: Whole
    """Consecutive days from the first to the last observation of a series."""
    smooth: Array
    """The curve; NaN between observations that are more than LONGEST days apart."""
    low: Array
    """Lower edge of its 95 % band, NaN where the curve is."""
    high: Array
    """Upper edge."""
    gap: NDArray[np.bool_]
    """Whether no observation is within BRIDGED days, or nothing is said of the day."""
    lam: Array
    """Shape (k,): lambda of each series; NaN where there is no curve."""
    noise: Array
    """Shape (k,): standard deviation of an observation of weight 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Observations of many series, one per day, sorted by series and day."""

    k: int
    """Series are numbered from 0 to k - 1; some may have no observation."""
    series: Whole
    """Shape (m,)."""
    day: Whole
    """Shape (m,): days since any epoch."""
    value: Array
    """Shape (m,)."""
    weight: Array
    """Shape (m,): positive."""

    @classmethod
    def of(
        cls,
        days: Whole,
        values: Array,
        weights: Array,
        series: Whole | None = None,
        *,
        k: int | None = None,
    ) -> Series:
        """From observations in any order.

        Observations of one series on one day count as one: their weighted mean, with the greatest
        of their weights, so that a repeated observation changes nothing.

        Args:
            days: shape (m,), whole days since any epoch.
            values: shape (m,); observations that are not finite are left out.
            weights: shape (m,); those that are not finite or not positive are left out.
            series: shape (m,), from 0; None: all belong to one.
            k: how many series there are; None: as many as have a number.
        """
        series = np.zeros(len(days), np.int64) if series is None else series
        use = np.flatnonzero(np.isfinite(values) & np.isfinite(weights) & (weights > 0))
        use = use[np.lexsort((values[use], days[use], series[use]))]
        k = int(series.max(initial=-1)) + 1 if k is None else k
        days, values, weights, series = days[use], values[use], weights[use], series[use]
        new = (np.diff(series, prepend=-1) != 0) | (np.diff(days, prepend=-1) != 0)
        first, of = np.flatnonzero(new), np.cumsum(new) - 1
        total = np.bincount(of, weights)
        heaviest = np.zeros(len(first))
        np.maximum.at(heaviest, of, weights)
        return cls(
            k=k,
            series=series[first],
            day=days[first],
            value=np.bincount(of, weights * values) / np.where(total > 0, total, 1.0),
            weight=heaviest,
        )

    def blocks(self) -> list[Block]:
        """The series of MIN_DATES and more in blocks of similar length."""
        counts = np.bincount(self.series, minlength=self.k)
        starts = np.cumsum(counts) - counts
        known = np.flatnonzero(counts >= MIN_DATES)
        known = known[np.argsort(counts[known], kind="stable")]
        parts = [known[i : i + _BLOCK] for i in range(0, len(known), _BLOCK)]
        return [self._block(part, starts[part], counts[part]) for part in parts]

    def _block(self, numbers: Whole, starts: Whole, counts: Whole) -> Block:
        row = np.arange(counts.max())[:, None]
        at, used = np.minimum(starts + row, len(self.day) - 1), row < counts
        days, values, weights = (
            np.where(used, of[at], 0) for of in (self.day, self.value, self.weight)
        )
        return Block(
            numbers=numbers, knots=make_knots(days, values, counts), weights=weights, at=at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Series that are solved at once."""

    numbers: Whole
    """Shape (k,): their numbers."""
    knots: Knots
    """Their observations."""
    weights: Array
    """Shape (m, k): weights of the observations."""
    at: Whole
    """Shape (m, k): positions of the observations in the :class:`Series`."""


def smooth(known: Series, *, lam: float | None = None) -> Curves:
    """Robust smooth curves of many series, none of which depends on the others.

    The band is that of the curve, not of single observations: 1.96 standard deviations of
    (W + lam D'D)^-1 times the noise of the series.

    Args:
        known: the observations.
        lam: greater is smoother; None: chosen for each series.
    """
    curves, starts = _room(known)
    for block in known.blocks():  # threads would not be faster
        fitted, noise = robust_fit(block.knots, block.weights, lam)
        curves.lam[block.numbers], curves.noise[block.numbers] = fitted.lam, noise
        for days in daily(block.knots, fitted):
            _write(days, noise[days.series], curves, starts[block.numbers[days.series]])
    return curves


def _room(known: Series) -> tuple[Curves, Whole]:
    """Curves to be written, and shape (k,): where that of each series starts."""
    counts = np.bincount(known.series, minlength=known.k)
    stops, have = np.cumsum(counts), counts >= MIN_DATES
    first, lengths = np.zeros((2, known.k), np.int64)
    first[have] = known.day[(stops - counts)[have]]
    lengths[have] = known.day[stops[have] - 1] - first[have] + 1
    starts, total = np.cumsum(lengths) - lengths, int(lengths.sum())
    curves = Curves(
        series=np.repeat(np.arange(known.k), lengths),
        day=np.arange(total) - np.repeat(starts - first, lengths),
        smooth=np.empty(total),
        low=np.empty(total),
        high=np.empty(total),
        gap=np.empty(total, np.bool_),
        lam=np.full(known.k, np.nan),
        noise=np.full(known.k, np.nan),
    )
    return curves, starts


def _write(days: Days, noise: Array, curves: Curves, starts: Whole) -> None:
    """Curve, band and gaps of some series, at their places in the curves of all."""
    gap, unknown = gaps(days.since, days.gap)
    value = np.where(unknown, np.nan, days.value)
    reach = _BAND * np.sqrt(days.variance) * np.repeat(noise, days.lengths)
    low, high = value - reach, value + reach
    stop = 0
    for start, length in zip(starts.tolist(), days.lengths.tolist(), strict=True):
        own, stop = slice(stop, stop + length), stop + length
        there = slice(start, start + length)
        curves.smooth[there], curves.gap[there] = value[own], gap[own]
        curves.low[there], curves.high[there] = low[own], high[own]


def gaps(since: Whole, between: Whole) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which days lie in a gap, and of which of them nothing is said.

    Args:
        since: days since the observation before, which may be on the same day.
        between: days between the observations before and after.
    """
    distance = np.minimum(since, between - since)
    unknown = (between > LONGEST) & (distance > 0)
    return unknown | (distance > BRIDGED), unknown


def robust_fit(knots: Knots, weights: Array, lam: float | None = None) -> tuple[Fit, Array]:
    """The robust curves of a block of series, and their noise.

    Args:
        knots: the observations.
        weights: shape (m, k).
        lam: None: chosen for each series.

    Returns:
        The fit with its inverse, and the standard deviation of an observation of weight 1.
    """
    pilot = np.full(len(knots.counts), LAMBDA if lam is None else lam)
    fitted = fit(knots, weights, pilot, inverse=True)
    for _ in range(_ROUNDS):
        fitted = _fit_again(knots, weights, fitted)
    if lam is None:
        fitted = fit(knots, fitted.weights, _choose(knots, fitted.weights), inverse=True)
        for _ in range(_MORE_ROUNDS):
            fitted = _fit_again(knots, weights, fitted)
    return fitted, _noise(knots, weights, fitted)


def _fit_again(knots: Knots, weights: Array, fitted: Fit) -> Fit:
    """Fit with the trust that the observations have now.

    An observation at the end of the record or alone in a gap draws the curve to itself: its
    residual is divided by how free the curve is of it, sqrt(1 - leverage).
    """
    above, leverage = left_out(knots, fitted)
    trust = biweight(above * np.sqrt(1 - leverage), weights)
    return fit(knots, weights * trust, fitted.lam, inverse=True)


def biweight(residual: Array, weights: Array) -> Array:
    """Trust in observations by their residuals, shape (m, k): 1 above the curve, less below it.

    Below it is Tukey's biweight. The noise of a series is taken from what lies above its curve,
    where no cloud can be.
    """
    counted = weights * (residual > 0)
    total = counted.sum(axis=0)
    noise = np.sqrt((counted * residual**2).sum(axis=0) / np.where(total > 0, total, 1.0))
    depth = np.clip(-residual / (_REACH * np.maximum(noise, LEAST_NOISE)), 0.0, 1.0)
    return np.maximum((1.0 - depth**2) ** 2, _LEAST)


def _choose(knots: Knots, weights: Array) -> Array:
    """The lambda of each series, shape (k,), by cross-validation.

    Of the lambdas whose error is within a standard error of the least, that nearest to LAMBDA:
    with few observations the least error may be chance, and LAMBDA is never far off.
    """
    tried: list[Array] = []
    for lam in LAMBDAS:
        error, _ = left_out(
            knots, fit(knots, weights, np.full(weights.shape[1], lam), inverse=True)
        )
        tried.append(weights * error**2)
    losses = np.array(tried)
    best = np.argmin(losses.sum(axis=1), axis=0)
    worse = losses - np.take_along_axis(losses, best[None, None], axis=0)
    doubt = np.sqrt((worse**2).sum(axis=1))
    alike = worse.sum(axis=1) <= _DOUBT * doubt
    far = np.abs(np.log10(LAMBDAS) - np.log10(LAMBDA))[:, None]
    return np.array(LAMBDAS)[np.argmin(np.where(alike, far, np.inf), axis=0)]


def _noise(knots: Knots, weights: Array, fitted: Fit) -> Array:
    """Standard deviation of an observation of weight 1: from the errors left out, robustly."""
    error, leverage = left_out(knots, fitted)
    size = np.abs(error) * np.sqrt(weights * (1 - leverage))
    size = np.sort(np.where(knots.used, size, np.inf), axis=0)
    middle = (
        size[(knots.counts - 1) // 2, np.arange(size.shape[1])]
        + size[knots.counts // 2, np.arange(size.shape[1])]
    ) / 2
    return _NORMAL * middle
