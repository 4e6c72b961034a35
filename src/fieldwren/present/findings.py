"""What stands out among the places, in sentences for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import pandas as pd

    from fieldwren.present.summary import Summary

__all__ = [
    "FAR",
    "RECENT",
    "Finding",
    "LatestAnomaly",
    "counted",
    "latest_anomalies",
    "signed",
    "stand_outs",
]

FAR: Final = 1.0
"""Standard scores further from 0 than this are called below or above the usual, as is done with
those of rain (WMO-No. 1090, Standardized Precipitation Index User Guide, 2012)."""

RECENT: Final = 92
"""Days before the last dekad of a run; what is older says nothing of how a place is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestAnomaly:
    """The last dekad of a place that can be compared with other years, if it is recent."""

    date: date
    """First day of the dekad."""
    value: float
    """Mean of the curve over the dekad."""
    expected: float
    """The usual for the time of year."""
    z: float
    """Standard score: robust deviations from the usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A sentence, and the place it is about where it is about one."""

    before: str
    """What is said before the place's name."""
    place: int | None = None
    """The position of the place."""
    after: str = ""
    """What is said after its name."""


def latest_anomalies(anomalies: pd.DataFrame) -> dict[str, LatestAnomaly]:
    """The last row that has a standard score, by place id; places without a recent one are absent.

    Recent is what lies within RECENT days of the last row of all places.
    """
    columns = ["place_id", "date", "value", "expected", "z"]
    recent = anomalies["date"] >= anomalies["date"].max() - timedelta(days=RECENT)
    known = anomalies.loc[recent, columns].dropna().sort_values("date", kind="stable")
    last = known.drop_duplicates("place_id", keep="last")
    return {
        place: LatestAnomaly(date=time.date(), value=value, expected=expected, z=z)
        for place, time, value, expected, z in last.itertuples(index=False, name=None)
    }


def stand_outs(
    summaries: Sequence[Summary], anomalies: Sequence[LatestAnomaly | None], index: str, digits: int
) -> list[Finding]:
    """The sentences at the head of the report: extremes first, then how far the data carry.

    Args:
        summaries: one for each place.
        anomalies: one for each place, None where none is known.
        index: what the values are called.
        digits: decimals of the values.
    """
    known = sorted((a.z, i, a) for i, a in enumerate(anomalies) if a is not None)
    found: list[Finding] = []
    if known and known[0][0] < -FAR:
        found.append(_extreme("Furthest below", known[0], index, digits))
    if known and known[-1][0] > FAR:
        found.append(_extreme("Furthest above", known[-1], index, digits))
    return [*found, _spread([z for z, _, _ in known], len(summaries)), *_data(summaries)]


def _extreme(
    word: str, known: tuple[float, int, LatestAnomaly], index: str, digits: int
) -> Finding:
    z, place, latest = known
    value, usual = signed(latest.value, digits), signed(latest.expected, digits)
    after = (
        f", with {index.upper()} {value} in the ten days from {latest.date} "
        f"where {usual} is usual ({signed(z, 1)} standard deviations)."
    )
    return Finding(before=f"{word} the usual for the time of year: ", place=place, after=after)


def _spread(scores: Sequence[float], places: int) -> Finding:
    if not scores:
        what = "this place" if places == 1 else "any place"
        return Finding(
            before=f"No recent anomaly is known of {what}: "
            "it takes three other years to compare with, and clear dates in the last three months."
        )
    below, above = sum(z < -FAR for z in scores), sum(z > FAR for z in scores)
    usual, unknown = len(scores) - below - above, places - len(scores)
    if places == 1:
        said = "below the usual" if below else "above the usual" if above else "as usual"
        return Finding(before=f"Its latest value is {said} for the time of year.")
    text = f"Latest values: {counted(below, 'place')} below the usual for the time of year, "
    text += f"{usual:,} as usual, {above:,} above"
    return Finding(before=f"{text}, {unknown:,} unknown." if unknown else f"{text}.")


def _data(summaries: Sequence[Summary]) -> list[Finding]:
    clear = [s.clear for s in summaries if s.clear]
    found: list[Finding] = []
    if len(clear) > 1:
        text = f"Each place with data has {counted(min(clear), 'clear date')} or more"
        if median(clear) > min(clear):
            text += f", half of them {median(clear):,.0f} or more"
        found.append(Finding(before=f"{text}."))
    blind = len(summaries) - len(clear)
    if blind:
        verb = "has" if blind == 1 else "have"
        found.append(Finding(before=f"{counted(blind, 'place')} {verb} no clear date at all."))
    return found


def counted(n: int, noun: str) -> str:
    """A number with its noun: "1 place", "2 places", "2 passes"."""
    return f"{n:,} {noun}{'' if n == 1 else 'es' if noun.endswith('s') else 's'}"


def signed(value: float, digits: int) -> str:
    """A number with a true minus sign, and no sign before a rounded zero."""
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not float(text.replace(",", "")) else text.replace("-", "\u2212")
