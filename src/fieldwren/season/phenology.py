"""Seasons of a smooth curve: when it greens, peaks and fades, and how much.

Peaks and troughs of the curve that differ by little are taken out, the nearest pair first, until
each rise and fall is at least LEAST_AMPLITUDE, RELATIVE of the range of the whole curve, and more
than the band of their difference (else it may be noise). What remains between two troughs
is a season, unless it rises or falls for more than LONGEST_SIDE days; a year may have several, and
a season may cross New Year. A place without any, such as
an evergreen one or a desert, has no season, which is an answer.

``threshold``: the season starts on the first day after the last one on which the curve is below the
trough before it plus a share (20 % unless told) of the rise to the peak, and ends likewise
(Jonsson & Eklundh 2004, doi 10.1016/j.cageo.2004.05.006, of TIMESAT). ``derivative``: it starts on
the day of the steepest rise and ends on that of the steepest fall (Tateishi & Ebata 2004, doi
10.1080/01431160310001618464).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "CUT",
    "LEAST_AMPLITUDE",
    "LONGEST_SIDE",
    "METHODS",
    "RELATIVE",
    "Season",
    "find_seasons",
    "least_rise",
]

METHODS: Final = ("threshold", "derivative")
"""How start and end are found."""

LEAST_AMPLITUDE: Final = 0.08
"""Least rise and fall of a season, of an index between -1 and 1."""

RELATIVE: Final = 0.25
"""Least rise and fall of a season, of the range of the curve (from its 5th to 95th percentile)."""

CUT: Final = 0.3
"""Share of the least rise and fall that is enough where the curve's end cuts a season."""

LONGEST_SIDE: Final = 300
"""Days from start to peak, and from peak to end, at most: what takes longer is no season, but years
that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """One season; days are positions in the curve."""

    peak: int
    """Day of the greatest value."""
    start: int | None
    """Day on which it starts; None where the curve begins later."""
    end: int | None
    """Day on which it ends; None where the curve ends before."""
    base: float
    """Mean of the troughs before and after."""
    peak_value: float
    """The curve at its peak."""
    integral: float | None
    """Value above the base, summed over the days from start to end."""
    cut: tuple[bool, bool]
    """Whether the curve begins with the rise, or ends with the fall: the trough is not known."""


def find_seasons(
    curve: Array,
    half_width: Array,
    *,
    method: str = "threshold",
    threshold: float = 0.2,
    longest: int = LONGEST_SIDE,
) -> list[Season]:
    """The seasons of a curve in order of time.

    Args:
        curve: shape (n,): a value per day; NaN where nothing is known, which divides the curve.
        half_width: shape (n,): of the curve's band.
        method: one of METHODS.
        threshold: share of the rise and of the fall, from 0 to 1, for ``threshold``.
        longest: days from start to peak, and from peak to end, at most.
    """
    known = np.isfinite(curve)
    if not known.any():
        return []
    least = least_rise(curve)
    seasons: list[Season] = []
    for part in _parts(known):
        z, width = curve[part], np.nan_to_num(half_width[part])
        for trough, peak, after in _cycles(z, width, least):
            one = _season(z, trough, peak, after, method=method, threshold=threshold)
            if max(peak - (one.start or peak), (one.end or peak) - peak) <= longest:
                seasons.append(_moved(one, part.start))
    return seasons


def least_rise(curve: Array) -> float:
    """The least rise and fall of a season of this curve, which is known on one day at least."""
    low, high = np.nanpercentile(curve, (5, 95))
    return max(LEAST_AMPLITUDE, RELATIVE * float(high - low))


def _parts(known: NDArray[np.bool_]) -> Iterator[slice]:
    """Where the curve is known, as slices."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]))).tolist()
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield slice(start, stop)


def _cycles(z: Array, width: Array, least: float) -> Iterator[tuple[int, int, int]]:
    """Trough, peak and trough of each season; the outer ones may be the ends of the curve."""
    at = _turns(z)
    while len(at) > 1:
        wanted = np.maximum(_least(z[at], least), np.hypot(width[at[:-1]], width[at[1:]]))
        rise = np.abs(np.diff(z[at])) - wanted
        i = int(np.argmin(rise))
        if rise[i] >= 0:
            break
        # At an end of the curve the outer one goes alone: the inner one may still be an extreme.
        gone = [0] if i == 0 else [len(at) - 1] if i == len(at) - 2 else [i, i + 1]
        at = np.delete(at, gone)
    for i in range(1, len(at) - 1):
        if z[at[i]] - min(z[at[i - 1]], z[at[i + 1]]) >= least:
            yield int(at[i - 1]), int(at[i]), int(at[i + 1])


def _least(turns: Array, least: float) -> Array:
    """The least rise or fall between neighbouring turns.

    At an end of the curve a trough may go on beyond it: a part of the rise or fall is enough.
    """
    wanted = np.full(len(turns) - 1, least)
    wanted[0] *= 1 if turns[0] > turns[1] else CUT
    wanted[-1] *= 1 if turns[-1] > turns[-2] else CUT
    return wanted


def _turns(z: Array) -> NDArray[np.int64]:
    """Where the curve turns, and its ends; of a level stretch its first day."""
    step = np.sign(np.diff(z))
    moving = np.flatnonzero(step)
    if not moving.size:
        return np.zeros(1, np.int64)
    turned = np.flatnonzero(np.diff(step[moving]))
    return np.concatenate([[0], moving[turned] + 1, [len(z) - 1]])


def _season(
    z: Array, trough: int, peak: int, after: int, *, method: str, threshold: float
) -> Season:
    first, last = trough == 0, after == len(z) - 1  # cut by the end of the curve
    least = min(z[trough], z[after])
    base_before = float(least if first else z[trough])
    base_after = float(least if last else z[after])
    if method == "threshold":
        rising, falling = z[trough : peak + 1], z[peak : after + 1]
        below = np.flatnonzero(rising < base_before + threshold * (z[peak] - base_before))
        start = trough + int(below[-1]) + 1 if below.size else None
        below = np.flatnonzero(falling < base_after + threshold * (z[peak] - base_after))
        end = peak + int(below[0]) - 1 if below.size else None
    else:
        start = trough + int(np.argmax(np.diff(z[trough : peak + 1]))) + 1
        end = peak + int(np.argmin(np.diff(z[peak : after + 1])))
        start = None if first and start == trough + 1 else start
        end = None if last and end == after - 1 else end
    base, integral = (base_before + base_after) / 2, None
    if start is not None and end is not None:
        integral = float(np.maximum(z[start : end + 1] - base, 0).sum())
    return Season(
        peak=peak,
        start=start,
        end=end,
        base=base,
        peak_value=float(z[peak]),
        integral=integral,
        cut=(first, last),
    )


def _moved(season: Season, by: int) -> Season:
    start = None if season.start is None else season.start + by
    end = None if season.end is None else season.end + by
    return replace(season, peak=season.peak + by, start=start, end=end)
