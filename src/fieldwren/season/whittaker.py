"""The Whittaker smoother on a daily grid, solved exactly at the observations alone.

The curve z of the observations y_1 .. y_m on days t_1 < .. < t_m minimises (Eilers 2003, doi
10.1021/ac034173t), over all days from t_1 to t_m,

    sum w_i (y_i - z(t_i))^2 + lam * sum (second difference of z)^2

Between two observations its second differences lie on a straight line, so that the curve is known
from its values g and second differences gamma at the observations. Let h be the gaps, Q the
(m, m - 2) matrix of second divided differences and R that of the products of hat functions, summed
over days. As Reinsch (1967, doi 10.1007/BF02162161) found for splines, with sums for integrals,

    (R + lam Q' V Q) gamma = Q' y        g = y - lam V Q gamma        V = diag(1 / w)

The matrix B on the left has five diagonals and one row per observation: ten times fewer than there
are days. Its inverse is needed within three diagonals only, which follow from its factors
(Hutchinson & de Hoog 1985, doi 10.1007/BF01389878). They give the leave-one-out error of each
observation, (Q gamma)_i / (Q B^-1 Q')_ii, and the variance of the curve on every day. With noise of
variance 1 / w the latter is the diagonal of (W + lam D'D)^-1, of which, for a day that lies x after
one observation and h - x before the next,

    l' (V - lam V Q B^-1 Q' V) l - 2 l' V Q B^-1 c + (k - c' B^-1 c) / lam

where l are the two weights of a straight line between the neighbours, c the two cubic functions
that multiply -gamma, and k the variance of a bridge between two known values.

`whittaker-eilers` 0.2 from PyPI solves the same problem on all days. It is well made, but takes one
series at a time: 1.6 ms of a processor for one solution of 10 years with 350 observations, where a
block of 512 series costs 0.04 ms each here (``bench/season.py``). Nor does it give what a robust
curve with a band needs: the error left out and the leverage of each observation, which decide on
trust and lambda, and the variance on each day. So it is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Days", "Fit", "Knots", "daily", "fit", "left_out", "make_knots"]

_FEW: Final = 16  # series whose days are computed at once: they stay in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Knots:
    """The observations of k series, at most m of each; what depends on days alone.

    Series with fewer observations are filled up at the end with values that take no part. Rows of
    second differences belong to observations 1 to m - 2.
    """

    days: NDArray[np.int64]
    """Shape (m, k): strictly increasing, and 0 where filled up."""
    values: Array
    """Shape (m, k)."""
    counts: NDArray[np.int64]
    """Shape (k,): observations per series, 3 at least."""
    gaps: Array
    """Shape (m - 1, k): days between neighbours, and 1 where filled up."""
    before: Array
    """Shape (m - 2, k): the entry of Q above its diagonal; 0 where filled up."""
    after: Array
    """Shape (m - 2, k): the entry of Q below its diagonal."""
    hat: Array
    """Shape (m - 2, k): diagonal of R."""
    hats: Array
    """Shape (m - 3, k): its neighbour."""

    @property
    def used(self) -> NDArray[np.bool_]:
        """Shape (m, k): whether there is an observation."""
        return np.arange(len(self.days))[:, None] < self.counts

    def difference(self, values: Array) -> Array:
        """Q' values, shape (m - 2, k)."""
        return (values[:-2] - values[1:-1]) * self.before + (values[2:] - values[1:-1]) * self.after

    def spread(self, gamma: Array) -> Array:
        """Q gamma, shape (m, k)."""
        result = np.zeros_like(self.values)
        result[:-2] += self.before * gamma
        result[1:-1] -= (self.before + self.after) * gamma
        result[2:] += self.after * gamma
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A curve, and the factors L diag(d) L' of its matrix B."""

    values: Array
    """Shape (m, k): g, the curve at the observations."""
    gamma: Array
    """Shape (m - 2, k): its second differences at observations 1 to m - 2."""
    weights: Array
    """Shape (m, k): of the observations."""
    lam: Array
    """Shape (k,)."""
    inverse: tuple[Array, Array, Array, Array] | None = None
    """Diagonals 0 to 3 of B^-1, each of shape (m - 2, k) and 0 beyond its end."""


def make_knots(days: NDArray[np.int64], values: Array, counts: NDArray[np.int64]) -> Knots:
    """Prepare series whose days are strictly increasing; see :class:`Knots`."""
    inner = np.arange(2, len(days))[:, None] < counts
    gaps = np.where(np.arange(1, len(days))[:, None] < counts, np.diff(days, axis=0), 1.0)
    side = (gaps - 1) * (2 * gaps - 1) / (6 * gaps)  # sum of (i / h)^2, 0 < i < h
    both = (gaps**2 - 1) / (6 * gaps)  # sum of (i / h) (1 - i / h)
    return Knots(
        days=days,
        values=values,
        counts=counts,
        gaps=gaps,
        before=inner / gaps[:-1],
        after=inner / gaps[1:],
        hat=1 + np.where(inner, side[:-1] + side[1:], 0.0),
        hats=np.where(inner[1:], both[1:-1], 0.0),
    )


def fit(knots: Knots, weights: Array, lam: Array, *, inverse: bool = False) -> Fit:
    """The curves of observations with these weights.

    Args:
        knots: the observations.
        weights: shape (m, k), positive where there is an observation.
        lam: shape (k,), positive: greater is smoother.
        inverse: whether the inverse is wanted, for :func:`left_out` and :func:`daily`.
    """
    v = np.divide(lam, weights, out=np.zeros_like(weights), where=knots.used)
    a, c = knots.before, knots.after
    b = -(a + c)
    main = knots.hat + a * a * v[:-2] + b * b * v[1:-1] + c * c * v[2:]
    near, far = np.zeros_like(main), np.zeros_like(main)
    near[:-1] = knots.hats + b[:-1] * v[1:-2] * a[1:] + c[:-1] * v[2:-1] * b[1:]
    far[:-2] = c[:-2] * v[2:-2] * a[2:]
    gamma = knots.difference(knots.values)
    _solve(main, near, far, gamma)
    return Fit(
        values=knots.values - v * knots.spread(gamma),
        gamma=gamma,
        weights=weights,
        lam=lam,
        inverse=_inverse(np.where(a > 0, main, 0.0), near, far) if inverse else None,
    )


def _solve(d: Array, e: Array, f: Array, x: Array) -> None:
    """Factorise the matrix with diagonals d, e and f as L diag(1 / d) L', and solve for x.

    All in place: afterwards d holds the reciprocals of the pivots, e and f the diagonals of L.
    """
    n = len(d)
    ends = np.zeros((2, d.shape[1]))
    e_pivot, e_before = ends[0], ends[0]  # e before and after it was divided by its pivot
    f_pivot, f_before, f_older, f_older_pivot = ends[1], ends[1], ends[1], ends[1]
    for i in range(n):
        pivot, right = d[i], x[i]
        pivot -= e_pivot * e_before
        pivot -= f_older_pivot * f_older
        if i:
            right -= e_before * x[i - 1]
        if i > 1:
            right -= f_older * x[i - 2]
        e[i] -= e_pivot * f_before
        f_older, f_older_pivot = f_before, f_pivot
        e_pivot, f_pivot = e[i].copy(), f[i].copy()
        np.divide(1.0, pivot, out=pivot)
        e[i] *= pivot
        f[i] *= pivot
        e_before, f_before = e[i], f[i]
    x *= d
    if n > 1:
        x[n - 2] -= e[n - 2] * x[n - 1]
    for i in range(n - 3, -1, -1):
        row = x[i]
        row -= e[i] * x[i + 1]
        row -= f[i] * x[i + 2]


def _inverse(d: Array, e: Array, f: Array) -> tuple[Array, Array, Array, Array]:
    """Diagonals 0 to 3 of the inverse, from the factors of :func:`_solve`."""
    n, k = d.shape
    s0, s1, s2 = (np.zeros((n + 2, k)) for _ in range(3))
    for i in range(n - 1, -1, -1):
        near, far = e[i], f[i]
        s1[i] = -near * s0[i + 1] - far * s1[i + 1]
        s2[i] = -near * s1[i + 1] - far * s0[i + 2]
        s0[i] = d[i] - near * s1[i] - far * s2[i]
    s3 = -e * s2[1:-1] - f * s1[2:]
    return s0[:n], s1[:n], s2[:n], s3


class _Near:
    """Entries near the diagonals of Q B^-1 and Q B^-1 Q', both with a row per observation."""

    def __init__(self, knots: Knots, inverse: tuple[Array, Array, Array, Array]) -> None:
        a, c = knots.before, knots.after
        m, k = knots.values.shape
        full = np.zeros((7, m + 3, k))  # observation i in row i + 1
        full[:, 2:m] = a, -(a + c), c, *inverse
        self._full, self._m = full, m

    def _at(self, which: int, offset: int) -> Array:
        return self._full[which, 1 + offset : 1 + offset + self._m]

    def _entry(self, i: int, j: int) -> Array:
        """B^-1 at row + i and row + j."""
        low, high = min(i, j), max(i, j)
        return self._at(3 + high - low, low)

    def half(self, row: int, column: int) -> Array:
        """Q B^-1 at (i + row, i + column) for every observation i; shape (m, k)."""
        return (
            self._at(2, row - 1) * self._entry(row - 1, column)
            + self._at(1, row) * self._entry(row, column)
            + self._at(0, row + 1) * self._entry(row + 1, column)
        )

    def whole(self, column: int) -> Array:
        """Q B^-1 Q' at (i, i + column) for every observation i; shape (m, k)."""
        return (
            self._at(2, column - 1) * self.half(0, column - 1)
            + self._at(1, column) * self.half(0, column)
            + self._at(0, column + 1) * self.half(0, column + 1)
        )

    def inverse(self, row: int, column: int) -> Array:
        """B^-1 at (i + row, i + column) for every observation i; shape (m, k)."""
        return self._entry(row, column)


def left_out(knots: Knots, fitted: Fit) -> tuple[Array, Array]:
    """How far each observation lies above the curve through all the others.

    Returns:
        Errors, and the leverage of each observation: its weight in its own value of the curve
        (from 0 to 1). Both of shape (m, k), and 0 where filled up.
    """
    s0, s1, s2, _ = _inverse_of(fitted)
    a, c = knots.before, knots.after
    b = a + c
    own = np.zeros_like(knots.values)  # diagonal of Q B^-1 Q'
    own[:-2] += a * a * s0
    own[1:-1] += b * b * s0
    own[2:] += c * c * s0
    own[1:-2] -= 2 * b[:-1] * a[1:] * s1[:-1]
    own[2:-1] -= 2 * c[:-1] * b[1:] * s1[:-1]
    own[2:-2] += 2 * c[:-2] * a[2:] * s2[:-2]
    known = knots.used & (own > 0)
    above = np.divide(knots.spread(fitted.gamma), own, out=np.zeros_like(own), where=known)
    share = np.divide(own * fitted.lam, fitted.weights, out=np.ones_like(own), where=knots.used)
    return above, np.clip(1 - share, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Every day from the first to the last observation of some series, one after the other."""

    series: slice
    """Which series of the block."""
    lengths: NDArray[np.int64]
    """Shape (series,): days of each; all others have the shape (days of all these series,)."""
    value: Array
    """The curve."""
    variance: Array
    """Its variance where observations have variance 1 / weight."""
    since: NDArray[np.int64]
    """Days since the observation before, which may be the same day."""
    gap: NDArray[np.int64]
    """Days between the observation before and the one after."""


def daily(knots: Knots, fitted: Fit) -> Iterator[Days]:
    """The curve and its variance on every day, of a few series at a time.

    Both are polynomials between two observations.
    """
    curve, variance = _curve_terms(knots, fitted), _variance_terms(knots, fitted)
    for first in range(0, len(knots.counts), _FEW):
        few = slice(first, first + _FEW)
        spans = knots.used[1:, few].T  # of shape (k, m - 1): in the order of the series, then time
        gap = knots.gaps[:, few].T[spans].astype(np.int64)
        lasts = np.cumsum(knots.counts[few] - 1) - 1  # the last span of a series has its last day
        days = gap.copy()
        days[lasts] += 1
        since = np.arange(days.sum()) - np.repeat(np.cumsum(days) - days, days)
        gaps = np.repeat(gap, days)
        parts = since / gaps
        yield Days(
            series=few,
            lengths=np.diff(np.cumsum(days)[lasts], prepend=0),
            value=_polynomials(_CURVE, curve[:, :, few], spans, days, parts),
            variance=np.maximum(
                _polynomials(_VARIANCE, variance[:, :, few], spans, days, parts), 0.0
            ),
            since=since,
            gap=gaps,
        )


def _polynomials(
    shapes: Array, terms: Array, spans: NDArray[np.bool_], days: NDArray[np.int64], x: Array
) -> Array:
    """Sums of terms of shape (terms, m - 1, k) times polynomials, at x from 0 to 1 in each span."""
    factors = shapes.T @ terms.transpose(0, 2, 1)[:, spans]
    result = np.repeat(factors[-1], days)
    for factor in factors[-2::-1]:
        result *= x
        result += np.repeat(factor, days)
    return result


# Rows: what is multiplied, see below; columns: powers of x / h, from 0.
_CURVE: Final = np.array([[1, -1, 0, 0], [0, 1, 0, 0], [0, -2, 3, -1], [0, -1, 0, 1]], np.float64)
_VARIANCE: Final = np.array(
    [
        [1, -2, 1, 0, 0, 0, 0],  # l l
        [0, 2, -2, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, -4, 10, -8, 2, 0, 0],  # - 2 l c
        [0, -2, 2, 2, -2, 0, 0],
        [0, 0, -4, 6, -2, 0, 0],
        [0, 0, -2, 0, 2, 0, 0],
        [0, 0, -4, 12, -13, 6, -1],  # - c c
        [0, 0, -4, 6, 2, -6, 2],
        [0, 0, -1, 0, 2, 0, -1],
        [0, 0, 1, -2, 1, 0, 0],  # k: the sum of the squares of a bridge's Green function
        [0, 1, -1, 0, 0, 0, 0],
    ],
    np.float64,
)


def _curve_terms(knots: Knots, fitted: Fit) -> Array:
    gamma = np.zeros_like(knots.values)
    gamma[1:-1] = fitted.gamma
    cubic = knots.gaps**2 / 6
    g = fitted.values
    return np.stack([g[:-1], g[1:], cubic * gamma[:-1], cubic * gamma[1:]])


def _variance_terms(knots: Knots, fitted: Fit) -> Array:
    near, h, lam = _Near(knots, _inverse_of(fitted)), knots.gaps, fitted.lam
    v = np.divide(1.0, fitted.weights, out=np.zeros_like(fitted.weights), where=knots.used)
    own = v - lam * v * v * near.whole(0)
    cubic, square = h**2 / 6, h**4 / (36 * lam)
    return np.stack(
        [
            own[:-1],
            -lam * v[:-1] * v[1:] * near.whole(1)[:-1],
            own[1:],
            cubic * v[:-1] * near.half(0, 0)[:-1],
            cubic * v[:-1] * near.half(0, 1)[:-1],
            cubic * v[1:] * near.half(1, 0)[:-1],
            cubic * v[1:] * near.half(1, 1)[:-1],
            square * near.inverse(0, 0)[:-1],
            square * near.inverse(0, 1)[:-1],
            square * near.inverse(1, 1)[:-1],
            h**3 / (3 * lam),
            h / (6 * lam),
        ]
    )


def _inverse_of(fitted: Fit) -> tuple[Array, Array, Array, Array]:
    assert fitted.inverse is not None, "fit(..., inverse=True)"
    return fitted.inverse
