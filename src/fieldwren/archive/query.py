"""What scenes are asked for: where, when, of which collections."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from fieldwren.errors import OptionError

__all__ = ["Moment", "Query", "interval", "outside"]

Moment = str | date | datetime | None
"""A moment or a span: "2013", "2013-04", "2013-04-11", an ISO time, or an object; None: open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which scenes are wanted; all the rest is left out as early as a catalog allows."""

    boxes: Sequence[tuple[float, float, float, float]]
    """West, south, east, north in degrees; at least one, none across the antimeridian."""
    start: datetime | None
    """First moment, UTC; None: from the beginning."""
    end: datetime | None
    """Last moment, UTC; None: until today."""
    collections: tuple[str, ...]
    """Collection ids; empty: all."""

    def meets(self, bbox: Sequence[float]) -> bool:
        """Whether a bbox of four or six numbers, which may cross the antimeridian, meets a box."""
        west, south = bbox[:2]
        east, north = bbox[len(bbox) // 2 :][:2]
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        return any(
            w <= b[2] and b[0] <= e and south <= b[3] and b[1] <= north
            for b in self.boxes
            for w, e in spans
        )

    def wants(self, moment: datetime) -> bool:
        """Whether a moment is in the interval."""
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment <= self.end
        )

    @property
    def rfc3339(self) -> str | None:
        """The interval for a STAC API; None where it is open at both ends."""
        ends = [m.isoformat().replace("+00:00", "Z") if m else ".." for m in (self.start, self.end)]
        return None if ends == ["..", ".."] else "/".join(ends)


def interval(since: Moment, until: Moment) -> tuple[datetime | None, datetime | None]:
    """The first and the last moment, both inclusive, in UTC; None is open.

    A year, month or day in ``until`` means to its end. Times without a zone are UTC.

    Raises:
        OptionError: Not a date, or the end is before the start.
    """
    start = _span(since, "--since")[0] if since is not None else None
    end = _span(until, "--until")[1] if until is not None else None
    if start and end and end < start:
        raise OptionError(f"--until {until} is before --since {since}; exchange them")
    return start, end


def _span(value: str | date | datetime, option: str) -> tuple[datetime, datetime]:
    """The first and the last microsecond of a year, month, day or moment."""
    try:
        return _read(value)
    except (ValueError, OverflowError, TypeError):
        raise OptionError(
            f"{option} {value} is no date; write it as 2013, 2013-04, 2013-04-11 or"
            " 2013-04-11T10:30:00Z"
        ) from None


def _read(value: str | date | datetime) -> tuple[datetime, datetime]:
    if isinstance(value, datetime):
        return _utc(value), _utc(value)
    if isinstance(value, date):
        return _days(value, value)
    if parts := re.fullmatch(r"([0-9]{4})(?:-([0-9]{2}))?", value):
        year, month = int(parts[1]), parts[2]
        first, last = (int(month), int(month)) if month else (1, 12)
        return _days(date(year, first, 1), date(year, last, monthrange(year, last)[1]))
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return _days(date.fromisoformat(value), date.fromisoformat(value))
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", value):
        moment = _utc(datetime.fromisoformat(value))
        return moment, moment
    raise ValueError(value)


def _days(first: date, last: date) -> tuple[datetime, datetime]:
    return datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def outside(extent: Any, query: Query) -> bool:
    """Whether a STAC extent says that nothing in it is wanted; False where it cannot be read."""
    try:
        bboxes = extent["spatial"]["bbox"]
        starts_ends = extent["temporal"]["interval"]
        here = any(query.meets(bbox) for bbox in bboxes)
        now = any(_overlap(span, query) for span in starts_ends)
    except (KeyError, TypeError, ValueError, OptionError):
        return False
    return not (here and now)


def _overlap(span: Iterable[str | None], query: Query) -> bool:
    first, last = interval(*span)
    return not (
        (first and query.end and query.end < first) or (last and query.start and last < query.start)
    )
