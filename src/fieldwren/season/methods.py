"""Other smoothers than the default one, for comparison; each takes one series at a time.

``savgol``
    The method of Chen and others (2004, doi 10.1016/j.rse.2004.03.014) on the daily grid: values
    between observations on straight lines, a Savitzky-Golay filter (51 days, quadratic) for the
    long-term change, then filters (25 days, quadratic) over the upper of value and curve, until the
    fit to the upper envelope gets no better.
``harmonic``
    Weighted least squares with a mean, a trend and three waves a year (fewer for short records),
    re-weighted four times with Tukey's biweight of residuals below the curve, as the default. Its
    band is that of the regression.
``workshop``
    What the workshop of 2018 drew: ``UnivariateSpline(day, value, w, k=2, s=0.1)`` with
    w = (1 - scene cloud)^2: a quadratic spline with as many knots as leave sum (w (y - s))^2 at
    0.1, whatever the number of observations and their noise. For parity only: it follows missed
    cloud.

The first and the last have no band: low and high are null.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.errors import MissingExtraError, OptionError
from fieldwren.season.smooth import (
    LEAST_NOISE,
    MIN_DATES,
    Curves,
    Series,
    biweight,
    gaps,
    smooth,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]
    Line = tuple[Array, Array]  # the curve, and the half width of its band

__all__ = ["SMOOTHERS", "smooth_by"]

SMOOTHERS: Final = ("whittaker", "savgol", "harmonic", "workshop")
"""Names of the smoothers, the default first."""

_LONG, _SHORT, _DEGREE = 51, 25, 2  # windows in days, and degree, of savgol
_STEPS: Final = 10  # of the upper envelope, at most
_YEAR: Final = 365.2425
_WAVES: Final = 3
_ROUNDS: Final = 4
_BAND: Final = 1.96


def smooth_by(name: str, known: Series, *, lam: float | None = None) -> Curves:
    """The curves of many series by the smoother of this name.

    Raises:
        OptionError: there is no such smoother.
        MissingExtraError: it needs scipy, which is not installed.
    """
    if name == "whittaker":
        return smooth(known, lam=lam)
    if name not in SMOOTHERS:
        raise OptionError(f"smooth {name}: choose one of {', '.join(SMOOTHERS)}")
    line: dict[str, Callable[[Whole, Array, Array], Line]] = {
        "savgol": _savgol,
        "harmonic": _harmonic,
        "workshop": _workshop,
    }
    counts = np.bincount(known.series, minlength=known.k)
    stops = np.cumsum(counts)
    parts: list[tuple[Whole, ...]] = []
    values: list[Line] = []
    for k in np.flatnonzero(counts >= MIN_DATES).tolist():
        own = slice(stops[k] - counts[k], stops[k])
        days = known.day[own]
        grid = np.arange(days[0], days[-1] + 1)
        at = np.clip(np.searchsorted(days, grid, side="right") - 1, 0, len(days) - 2)
        since, hole = grid - days[at], days[at + 1] - days[at]
        parts.append((np.full(len(grid), k), grid, since, hole))
        values.append(line[name](days, known.value[own], known.weight[own]))
    series, day, since, hole = (
        np.concatenate([np.empty(0, np.int64), *(p[i] for p in parts)]) for i in range(4)
    )
    curve, reach = (np.concatenate([np.empty(0), *(v[i] for v in values)]) for i in range(2))
    gap, unknown = gaps(since, hole)
    curve = np.where(unknown, np.nan, curve)
    nothing = np.full(known.k, np.nan)
    return Curves(
        series=series,
        day=day,
        smooth=curve,
        low=curve - reach,
        high=curve + reach,
        gap=gap,
        lam=nothing,
        noise=nothing,
    )


def _savgol(days: Whole, values: Array, weights: Array) -> Line:
    del weights  # the method has none
    try:
        from scipy.signal import savgol_filter  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("--smooth savgol", "methods") from None
    grid = np.arange(days[0], days[-1] + 1)
    raw = np.interp(grid, days, values)

    def filtered(z: Array, window: int) -> Array:
        window = min(window, len(z) - 1 + len(z) % 2)  # odd, and no longer than the record
        if window < 2:
            return z
        return np.asarray(savgol_filter(z, window, min(_DEGREE, window - 1)), np.float64)

    trend = filtered(raw, _LONG)
    distance = np.abs(raw - trend)
    weight = np.where(raw >= trend, 1.0, 1 - distance / max(distance.max(), 1e-12))
    best, best_error, curve = trend, np.inf, trend
    for _ in range(_STEPS):
        curve = filtered(np.maximum(raw, curve), _SHORT)
        error = float((np.abs(curve - raw) * weight).sum())
        if error >= best_error:
            break
        best, best_error = curve, error
    return best, np.full(len(grid), np.nan)


def _harmonic(days: Whole, values: Array, weights: Array) -> Line:
    waves = min(_WAVES, (len(days) - 2) // 3) if days[-1] - days[0] >= _YEAR / 2 else 0

    def design(day: Whole) -> Array:
        t = (day - days[0]) / _YEAR
        angle = 2 * np.pi * np.outer(t, np.arange(1, waves + 1))
        return np.hstack([np.ones((len(t), 1)), t[:, None], np.cos(angle), np.sin(angle)])

    x, trust = design(days), np.ones(len(days))
    ridge = 1e-9 * np.eye(x.shape[1])
    inverse, residual = ridge, values
    factors = np.zeros(x.shape[1])
    for _ in range(_ROUNDS + 1):
        w = (weights * trust)[:, None]
        inverse = np.linalg.inv(x.T @ (w * x) + ridge)
        factors = inverse @ (x.T @ (w[:, 0] * values))
        residual = values - x @ factors
        trust = biweight(residual[:, None], weights[:, None])[:, 0]
    used = weights * trust
    free = max(1.0, trust.sum() - x.shape[1])
    noise = np.sqrt(max((used * residual**2).sum() / free, (LEAST_NOISE / 10) ** 2))
    grid = design(np.arange(days[0], days[-1] + 1))
    return grid @ factors, _BAND * noise * np.sqrt(((grid @ inverse) * grid).sum(axis=1))


def _workshop(days: Whole, values: Array, weights: Array) -> Line:
    try:
        from scipy.interpolate import UnivariateSpline  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("--smooth workshop", "methods") from None
    grid = np.arange(days[0], days[-1] + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that s = 0.1 could not be reached
        curve = UnivariateSpline(days, values, w=weights, k=2, s=0.1)(grid)
    return np.asarray(curve, np.float64), np.full(len(grid), np.nan)
