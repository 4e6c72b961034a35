"""Weighted statistics of pixels, place by place.

The definitions are those of the ``exactextract`` library (seen in version 0.3.0), so that every
number can be checked against it: ``mean``, ``median``, ``stdev`` (of the population), ``min``,
``max``, ``quantile(q=0.1)`` and ``quantile(q=0.9)``, each weighted by coverage.

A quantile is interpolated between distinct values. Equal values are first merged into one of
their summed weight; with n distinct values x_0 < x_1 < ... of weights w_k, value x_k stands at
S_k = k * w_k + (n - 1) * (w_0 + ... + w_{k-1}), and quantile q is read off linearly at
q * S_{n-1}. Equal weights give the usual type 7 quantile of distinct values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["totals", "zonal"]

_QUANTILES = {"p10": 0.1, "median": 0.5, "p90": 0.9}


def totals(weights: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """The sum of the weights of each place, shape (n,); 0 where a place has no entry.

    Args:
        weights: shape (m,), entries sorted by place.
        places: shape (n + 1,), place p has the entries places[p] to places[p + 1].
    """
    sums = np.zeros(len(places) - 1)
    some = places[:-1] < places[1:]
    sums[some] = np.add.reduceat(weights, places[:-1][some]) if some.any() else 0
    return sums


def zonal(
    values: NDArray[np.float64], weights: NDArray[np.float64], places: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Weighted statistics of the values of each place.

    Args:
        values: shape (m,), finite, entries sorted by place.
        weights: shape (m,), above 0.
        places: shape (n + 1,), place p has the entries places[p] to places[p + 1].

    Returns:
        mean, median, std, min, max, p10, p90, each of shape (n,); NaN where a place has no entry.
    """
    some = np.flatnonzero(places[:-1] < places[1:])
    result = {
        name: np.full(len(places) - 1, np.nan)
        for name in ("mean", "median", "std", "min", "max", "p10", "p90")
    }
    if not len(some):
        return result
    starts, sizes = places[some], np.diff(places)[some]
    total = np.add.reduceat(weights, starts)
    mean = np.add.reduceat(values * weights, starts) / total
    spread = (values - np.repeat(mean, sizes)) ** 2
    result["mean"][some] = mean
    result["std"][some] = np.sqrt(np.add.reduceat(spread * weights, starts) / total)
    for name, found in _ordered(values, weights, np.repeat(np.arange(len(some)), sizes)).items():
        result[name][some] = found
    return result


def _ordered(
    values: NDArray[np.float64], weights: NDArray[np.float64], place: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """The statistics that need sorted values: min, max and quantiles; place is 0, 0, 1, 2, 2..."""
    order = _order(values, place)
    values, place = values[order], place[order]
    new_place = np.concatenate([[True], place[1:] != place[:-1]])
    distinct = new_place.copy()
    distinct[1:] |= values[1:] != values[:-1]
    merged = np.flatnonzero(distinct)
    weights = np.add.reduceat(weights[order], merged)
    values, starts = values[merged], np.flatnonzero(new_place[merged])

    sizes = np.diff(starts, append=len(values))
    last = starts + sizes - 1
    # Taking off each place's total where the next begins keeps the running sum small, and exact.
    below = np.concatenate([[0.0], weights[:-1]])
    below[starts[1:]] -= np.add.reduceat(weights, starts)[:-1]
    below = np.cumsum(below)
    position = (np.arange(len(values)) - np.repeat(starts, sizes)) * weights
    position += np.repeat(sizes - 1, sizes) * below
    result = {"min": values[starts], "max": values[last]}
    for name, q in _QUANTILES.items():
        at = q * position[last]
        passed = np.add.reduceat(position <= np.repeat(at, sizes), starts, dtype=np.int64)
        left = starts + passed - 1
        right = np.minimum(left + 1, last)
        step = position[right] - position[left]
        part = (at - position[left]) / np.where(step > 0, step, 1)
        result[name] = values[left] + part * (values[right] - values[left])
    return result


def _order(values: NDArray[np.float64], place: NDArray[np.int64]) -> NDArray[np.int64]:
    """As ``np.lexsort((values, place))`` but three times as fast: 16-bit keys are radix sorted."""
    order = np.argsort(values)
    for shift in range(0, max(int(place[-1]).bit_length(), 1), 16):
        digit = (place >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order
