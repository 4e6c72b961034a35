"""GeoTIFF keys: the CRS of a file, by EPSG code or, where the file describes its own, as PROJ text.

Numbers of keys and codes are those of GeoTIFF 1.1 (OGC 19-008r4), annex B. A description is
understood where it is one of the projections that public archives use, in metres, on a datum that
is WGS 84 within a metre or two, or on a sphere, as MODIS is. Anything else is None: a place in the
wrong spot is worse than a scene left out. Nothing here raises, whatever the file holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["GeoKeys", "crs_of", "is_point", "read_keys"]

_USER_DEFINED: Final = 32767
_METRE: Final = 9001
_DEGREE: Final = 9102
_GREENWICH: Final = 8901

# ProjMethod: PROJ's name, and the parameters that the file must give besides x_0 and y_0.
_PROJECTIONS: Final[Mapping[int, tuple[str, tuple[str, ...]]]] = {
    1: ("tmerc", ("lat_0", "lon_0", "k")),
    8: ("lcc", ("lat_0", "lon_0", "lat_1", "lat_2")),
    10: ("laea", ("lat_0", "lon_0")),
    11: ("aea", ("lat_0", "lon_0", "lat_1", "lat_2")),
    15: ("stere", ("lat_0", "lon_0", "k")),
    24: ("sinu", ("lon_0",)),
}
# PROJ's parameter: the keys that may hold it, of which the first one counts (writers differ:
# natural origin, false origin or centre), and the range in which PROJ can work.
_PARAMETERS: Final[Mapping[str, tuple[tuple[int, ...], float, float]]] = {
    "lat_0": ((3081, 3085, 3089), -90, 90),
    "lon_0": ((3095, 3080, 3084, 3088), -360, 360),
    "lat_1": ((3078,), -89.9, 89.9),
    "lat_2": ((3079,), -89.9, 89.9),
    "k": ((3092, 3093), 0.1, 2),
    "x_0": ((3082, 3086, 3090), -1e8, 1e8),
    "y_0": ((3083, 3087, 3091), -1e8, 1e8),
}
_DATUMS: Final[Mapping[int, str]] = {
    4258: "+ellps=GRS80",  # ETRS89, which has no name in PROJ text
    4269: "+datum=NAD83",
    4326: "+datum=WGS84",
}
_WGS84: Final = (6378137.0, 6356752.314245179)
_GRS80: Final = (6378137.0, 6356752.314140356)
# Semi-axes in metres, by the code of an ellipsoid or of a geographic CRS that is just an ellipsoid.
_ELLIPSOIDS: Final[Mapping[int, tuple[float, float]]] = {
    7019: _GRS80,
    4019: _GRS80,
    7030: _WGS84,
    4030: _WGS84,
    7035: (6371000.0, 6371000.0),
    4035: (6371000.0, 6371000.0),
    7048: (6371007.0, 6371007.0),
    4047: (6371007.0, 6371007.0),
}


@dataclass(frozen=True, slots=True)
class GeoKeys:
    """The keys of a file by number; citations are left out."""

    codes: Mapping[int, int]
    """Keys that are short integers."""
    numbers: Mapping[int, Sequence[float]]
    """Keys that are floating-point numbers; one or more of each."""


def read_keys(directory: Sequence[int], doubles: Sequence[float]) -> GeoKeys:
    """The keys of GeoKeyDirectory (GeoTIFF 1.1, section 7.1.2) and GeoDoubleParams.

    Keys that point beyond the values given are left out.
    """
    codes: dict[int, int] = {}
    numbers: dict[int, Sequence[float]] = {}
    count = min(directory[3], len(directory) // 4 - 1) if len(directory) >= 4 else 0
    for at in range(4, 4 + 4 * count, 4):
        key, location, length, value = directory[at : at + 4]
        if location == 0:
            codes[key] = value
        elif location == 34736 and 0 < length <= len(doubles) - value:
            numbers[key] = doubles[value : value + min(length, 7)]  # the longest has 7
    return GeoKeys(codes, numbers)


def is_point(keys: GeoKeys) -> bool:
    """Whether the georeference is that of pixel centres, not of corners."""
    return keys.codes.get(1025) == 2


def crs_of(keys: GeoKeys) -> str | None:
    """The horizontal CRS.

    Returns:
        "EPSG:n" where the file gives a code; else PROJ text such as "+proj=sinu +lon_0=0.0 ...",
        with x to the east and y to the north in metres; None where the file gives neither, or a
        description that is not understood.
    """
    model = keys.codes.get(1024)
    code = keys.codes.get(2048 if model == 2 else 3072, 0)
    if 1024 <= code < _USER_DEFINED:
        return f"EPSG:{code}"
    if model != 1 or code != _USER_DEFINED or keys.codes.get(3076) != _METRE:
        return None
    projection, datum = _projection(keys), _datum(keys)
    return f"{projection} {datum} +units=m +type=crs" if projection and datum else None


def _number(keys: GeoKeys, *names: int) -> float | None:
    return next((keys.numbers[name][0] for name in names if name in keys.numbers), None)


def _projection(keys: GeoKeys) -> str | None:
    """PROJ text of the projection: a UTM zone by its code, or a method with its parameters."""
    code = keys.codes.get(3074, _USER_DEFINED)
    south, zone = divmod(code - 16000, 100)
    if south in (0, 1) and 1 <= zone <= 60:
        return f"+proj=utm +zone={zone}{' +south' * south}"
    name, wanted = _PROJECTIONS.get(keys.codes.get(3075, 0), ("", ()))
    if code != _USER_DEFINED or not name:
        return None
    values = _parameters(keys, wanted)
    if name == "stere":
        values = _polar(values)
    if not values or abs(values.get("lat_1", 1) + values.get("lat_2", 1)) < 1e-6:
        return None
    return " ".join([f"+proj={name}", *(f"+{p}={v}" for p, v in values.items())])


def _parameters(keys: GeoKeys, wanted: Sequence[str]) -> dict[str, float]:
    """Those wanted, and the false origin, which is 0 by default; {} where one is not good."""
    values: dict[str, float] = {}
    for parameter in (*wanted, "x_0", "y_0"):
        names, low, high = _PARAMETERS[parameter]
        value = _number(keys, *names)
        if value is None and parameter not in wanted:
            value = 0.0
        if value is None or not low <= value <= high:
            return {}
        values[parameter] = value
    return values


def _polar(values: dict[str, float]) -> dict[str, float]:
    """The parameters of polar stereographic as PROJ wants them; {} where they make no sense.

    Two methods share a code: EPSG 9810 gives a pole and the scale there, EPSG 9829 the latitude of
    true scale, and a scale of 1.
    """
    latitude = values.get("lat_0", 0)
    if abs(latitude) == 90:
        return values
    if latitude == 0 or values["k"] != 1:
        return {}
    return values | {"lat_0": math.copysign(90, latitude), "lat_ts": latitude}


def _datum(keys: GeoKeys) -> str | None:
    """PROJ text of the datum, or of the ellipsoid where the file names no datum."""
    codes = keys.codes
    if codes.get(2054, _DEGREE) != _DEGREE or codes.get(2051, _GREENWICH) != _GREENWICH:
        return None
    if any(keys.numbers.get(2061, ())) or any(keys.numbers.get(2062, ())):
        return None  # another prime meridian, or a shift of the datum
    code = codes.get(2048, _USER_DEFINED)
    if code == _USER_DEFINED and codes.get(2050, _USER_DEFINED) != _USER_DEFINED:
        code = codes[2050] - 2000  # how EPSG numbers the datums of the CRSs understood here
    ellipsoid = codes.get(2056, _USER_DEFINED)
    axes = _axes(keys, code if ellipsoid == _USER_DEFINED else ellipsoid)
    modern = axes is not None and axes[0] == _WGS84[0] and abs(axes[1] - _WGS84[1]) < 0.01
    if code in _DATUMS:
        return _DATUMS[code] if modern or axes is None else None
    if axes is None or not (code in _ELLIPSOIDS or code == _USER_DEFINED):
        return None
    if modern:
        return f"+a={axes[0]} +b={axes[1]}"
    # Another ellipsoid is that of an older datum, whose shift of up to 1 km the file does not tell.
    return f"+R={axes[0]}" if axes[0] == axes[1] and 6.3e6 < axes[0] < 6.4e6 else None


def _axes(keys: GeoKeys, code: int) -> tuple[float, float] | None:
    """Semi-major and semi-minor axis in metres; those given outrank those of the code."""
    major, minor, flattening = (_number(keys, name) for name in (2057, 2058, 2059))
    if major is None:
        return _ELLIPSOIDS.get(code)
    if flattening is not None:
        minor = major - major / flattening if flattening else major
    return None if minor is None else (major, minor)
