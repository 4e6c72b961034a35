"""When Landsat 8 passes, and where the sun then stands.

The formulas hold for any path and row of the Worldwide Reference System 2 (WRS-2). Against the
metadata of real scenes they give the right day, the time within 200 seconds, and the sun within
half a degree.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Final

__all__ = ["overpass", "overpasses", "sun_position"]

_PATHS: Final = 233
_ROWS: Final = 248
_CYCLE: Final = 16  # days until the ground track repeats
_EQUATOR_ROW: Final = 60
_PATH_1: Final = -64.60  # longitude of path 1 where it crosses the equator southwards
_PERIOD: Final = timedelta(days=_CYCLE / _PATHS)  # of one orbit: 98.88 minutes
# Mean local time there (USGS, Landsat 8 Data Users Handbook, LSDS-1574, section 2.1).
_LOCAL_TIME: Final = timedelta(hours=10, minutes=11)
# Path 44 was seen on this day; the next path to the west follows seven days later (or nine before).
_EPOCH: Final = date(2013, 6, 3)
_EPOCH_PATH: Final = 44
_PATH_DAYS: Final = 7


def overpass(path: int, row: int, *, cycle: int) -> datetime:
    """Time at which the scene's centre is seen, UTC.

    Args:
        path: 1 to 233.
        row: 1 to 122, the half of the orbit that runs southwards, by day.
        cycle: Which 16-day cycle; 0 has path 44 on 2013-06-03.
    """
    day = (_PATH_DAYS * (path - _EPOCH_PATH)) % _CYCLE + _CYCLE * cycle
    # West of the date line, where the longitude goes on below -180, UTC is already a day later.
    longitude = _PATH_1 - (path - 1) * 360 / _PATHS
    time = _LOCAL_TIME - timedelta(hours=longitude / 15) + (row - _EQUATOR_ROW) / _ROWS * _PERIOD
    return datetime(_EPOCH.year, _EPOCH.month, _EPOCH.day, tzinfo=UTC) + timedelta(days=day) + time


def overpasses(path: int, row: int, since: date, until: date) -> list[datetime]:
    """All times at which the scene is seen from ``since`` to ``until``, both days included."""
    first = (since - _EPOCH).days // _CYCLE - 2
    last = (until - _EPOCH).days // _CYCLE + 1
    times = (overpass(path, row, cycle=cycle) for cycle in range(first, last + 1))
    return [time for time in times if since <= time.date() <= until]


def sun_position(when: datetime, longitude: float, latitude: float) -> tuple[float, float]:
    """Azimuth (clockwise from north) and elevation of the sun, degrees.

    NOAA Global Monitoring Laboratory, "General Solar Position Calculations": Fourier series of
    Spencer (1971) for the equation of time and the declination. Refraction is left out.

    Args:
        when: With time zone.
        longitude: Degrees east.
        latitude: Degrees north.
    """
    utc = when.astimezone(UTC)
    hour = utc.hour + utc.minute / 60 + utc.second / 3600
    day = utc.timetuple().tm_yday
    year = 2 * math.pi / 365 * (day - 1 + (hour - 12) / 24)  # the angle in the year
    equation = 229.18 * (  # minutes
        0.000075
        + 0.001868 * math.cos(year)
        - 0.032077 * math.sin(year)
        - 0.014615 * math.cos(2 * year)
        - 0.040849 * math.sin(2 * year)
    )
    declination = (
        0.006918
        - 0.399912 * math.cos(year)
        + 0.070257 * math.sin(year)
        - 0.006758 * math.cos(2 * year)
        + 0.000907 * math.sin(2 * year)
        - 0.002697 * math.cos(3 * year)
        + 0.001480 * math.sin(3 * year)
    )
    hour_angle = math.radians((60 * hour + equation + 4 * longitude) / 4 - 180)
    phi = math.radians(latitude)
    east = -math.cos(declination) * math.sin(hour_angle)
    north = math.sin(declination) * math.cos(phi) - math.cos(declination) * math.sin(
        phi
    ) * math.cos(hour_angle)
    up = math.sin(declination) * math.sin(phi) + math.cos(declination) * math.cos(phi) * math.cos(
        hour_angle
    )
    return math.degrees(math.atan2(east, north)) % 360, math.degrees(math.asin(up))
