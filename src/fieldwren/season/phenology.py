"""Seasons of a smooth curve: when it greens, peaks and fades, and how much.

Peaks and troughs of the curve that differ by little are taken out, the nearest pair first, until
each rise and fall is at least LEAST_AMPLITUDE, RELATIVE of the range of the whole curve, and
certain: between some two of its days the curve changes by more than the band of their difference
(else it may be noise). What remains between two troughs is a season, unless it rises or falls for
more than LONGEST_SIDE days; a year may have several, and a season may cross New Year. A place
without any, such as an evergreen one or a desert, has no season, which is an answer.

A trough is sure when the curve rises on both sides of it. The first and the last one of a curve are
not: there the curve may have been, or become, lower. The season is cut there, and the lower of its
two troughs is the base on that side.

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
    "Rise",
    "Season",
    "find_rise",
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
    troughs: tuple[int, int]
    """Days of the least value before and after the peak."""
    cut: tuple[bool, bool]
    """Whether the trough before, and that after, is not sure."""
    known: tuple[int, int]
    """First and last day of the part of the curve that the season lies in."""
    base: float
    """Mean of the troughs before and after."""
    peak_value: float
    """The curve at its peak."""
    integral: float | None
    """Value above the base, summed over the days from start to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """A rise with which a curve ends, before a fall shows its peak; days are positions."""

    start: int | None
    """Day on which it starts, were it to rise no more; None where the curve begins later."""
    trough: int
    """Day of the least value before."""
    amount: float
    """How much higher the curve has been since."""


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
    if not np.isfinite(curve).any():
        return []
    least = least_rise(curve)
    rule = _Rule(method, threshold)
    seasons: list[Season] = []
    for part in _parts(curve):
        z, turns = curve[part], _kept_turns(curve[part], half_width[part], least)
        for one in _cycles(z, turns, rule):
            sides = max(one.peak - (one.start or one.peak), (one.end or one.peak) - one.peak)
            if one.peak_value - one.base >= least and sides <= longest:
                seasons.append(_moved(one, part.start))
    return seasons


def find_rise(
    curve: Array, half_width: Array, *, method: str = "threshold", threshold: float = 0.2
) -> Rise | None:
    """The rise with which a curve ends; see :func:`find_seasons` for the arguments."""
    if not np.isfinite(curve).any():
        return None
    *_, part = _parts(curve)
    z = curve[part]
    turns = _kept_turns(z, half_width[part], least_rise(curve))
    trough, top = turns[-2:] if len(turns) > 1 else (0, 0)
    if z[top] <= z[trough] or top - trough > LONGEST_SIDE:
        return None
    start = _Rule(method, threshold).start(z, trough, top, float(z[trough]))
    return Rise(
        start=None if start is None else part.start + start,
        trough=part.start + trough,
        amount=float(z[top] - z[trough]),
    )


def least_rise(curve: Array) -> float:
    """The least rise and fall of a season of this curve, which is known on one day at least."""
    low, high = np.nanpercentile(curve, (5, 95))
    return max(LEAST_AMPLITUDE, RELATIVE * float(high - low))


def _parts(curve: Array) -> Iterator[slice]:
    """Where the curve is known, as slices."""
    known = np.isfinite(curve)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]))).tolist()
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield slice(start, stop)


def _kept_turns(z: Array, half_width: Array, least: float) -> list[int]:
    """Days of the peaks and troughs that are far enough from each other, in turn."""
    width = np.nan_to_num(half_width)
    sure: dict[tuple[int, int], float] = {}
    at = _turns(z)
    while len(at) > 1:
        rise = np.abs(np.diff(z[at]))
        wanted = _wanted(z[at], least)
        doubt = np.hypot(width[at[:-1]], width[at[1:]])
        beyond = rise - np.maximum(wanted, doubt)
        for i in np.flatnonzero((rise >= wanted) & (rise < doubt)).tolist():
            pair = int(at[i]), int(at[i + 1])
            if pair not in sure:
                sure[pair] = _certain(z, width, *pair)
            beyond[i] = min(rise[i] - wanted[i], sure[pair])
        i = int(np.argmin(beyond))
        if beyond[i] >= 0:
            break
        # At an end of the curve the outer one goes alone: the inner one may still be an extreme.
        gone = [0] if i == 0 else [len(at) - 1] if i == len(at) - 2 else [i, i + 1]
        at = np.delete(at, gone)
    return at.tolist()


def _certain(z: Array, width: Array, first: int, last: int) -> float:
    """How far a rise or fall exceeds the band of the difference of the best two of its days.

    A trough in a gap is uncertain itself, but the curve may have fallen for certain before.
    """
    z, width = z[first : last + 1], width[first : last + 1] / np.sqrt(2)
    z = z if z[-1] > z[0] else -z
    lowest = np.minimum.accumulate(z + width)
    top = int(np.argmax(z - width - lowest))
    foot = int(np.argmin((z + width)[: top + 1]))
    return float(z[top] - z[foot] - np.sqrt(2) * np.hypot(width[foot], width[top]))


def _wanted(turns: Array, least: float) -> Array:
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


@dataclass(frozen=True, slots=True)
class _Rule:
    """How start and end are found."""

    method: str
    threshold: float

    def start(self, z: Array, trough: int, peak: int, base: float) -> int | None:
        """The day of the start; None where it may lie before the curve."""
        return self._edge(z[trough : peak + 1], trough, base, known=trough > 0)

    def end(self, z: Array, peak: int, trough: int, base: float) -> int | None:
        """The day of the end; None where it may lie after the curve."""
        back = len(z) - 1
        day = self._edge(z[peak : trough + 1][::-1], back - trough, base, known=trough < back)
        return None if day is None else back - day

    def _edge(self, rise: Array, first: int, base: float, *, known: bool) -> int | None:
        """The day of the edge of a rise from its first day, which is that of a trough."""
        if self.method == "threshold":
            below = np.flatnonzero(rise < base + self.threshold * (rise[-1] - base))
            return first + int(below[-1]) + 1 if below.size else None
        day = int(np.argmax(np.diff(rise))) + 1
        return first + day if known or day > 1 else None


def _cycles(z: Array, turns: list[int], rule: _Rule) -> Iterator[Season]:
    """From trough to trough, whatever the amplitude."""
    for i in range(1, len(turns) - 1):
        before, peak, after = turns[i - 1 : i + 2]
        if z[peak] < z[after]:
            continue
        first, last = i == 1, i == len(turns) - 2
        # Outside the turns kept there may be lower days.
        before = peak - 1 - int(np.argmin(z[peak - 1 :: -1])) if first else before
        after = peak + int(np.argmin(z[peak:])) if last else after
        yield _season(z, (before, peak, after), (first, last), rule)


def _season(z: Array, turns: tuple[int, int, int], cut: tuple[bool, bool], rule: _Rule) -> Season:
    before, peak, after = turns
    least = min(z[before], z[after])
    base_before, base_after = (
        float(least if unsure else z[at]) for unsure, at in zip(cut, (before, after), strict=True)
    )
    start, end = rule.start(z, before, peak, base_before), rule.end(z, peak, after, base_after)
    base, integral = (base_before + base_after) / 2, None
    if start is not None and end is not None:
        integral = float(np.maximum(z[start : end + 1] - base, 0).sum())
    return Season(
        peak=peak,
        start=start,
        end=end,
        troughs=(before, after),
        cut=cut,
        known=(0, len(z) - 1),
        base=base,
        peak_value=float(z[peak]),
        integral=integral,
    )


def _moved(season: Season, by: int) -> Season:
    def pair(days: tuple[int, int]) -> tuple[int, int]:
        return days[0] + by, days[1] + by

    return replace(
        season,
        peak=season.peak + by,
        start=None if season.start is None else season.start + by,
        end=None if season.end is None else season.end + by,
        troughs=pair(season.troughs),
        known=pair(season.known),
    )
