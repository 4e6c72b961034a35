"""Any description of places becomes :class:`fieldwren.model.Place` values, one by one.

The rows of a source are brought to WGS 84; then each is accepted, repaired with a note, or refused
with a reason. One bad place never costs the others, and nothing is changed silently that matters:
identity, axis order and position stay as they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import shapely
from pyproj.exceptions import CRSError

from fieldwren.errors import OptionError, PlaceError
from fieldwren.geometry import polygonal, split_antimeridian
from fieldwren.model import Place
from fieldwren.place_sources import Source, as_text, read_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from fieldwren.place_sources import Row, Table

__all__ = ["PlaceList", "Source", "read_places"]

_WGS84 = "OGC:CRS84"
_ID = ("id", "ID", "Id", "place_id", "PLACE_ID")
_NAME = ("name", "NAME", "Name")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceList:
    """The places of a source; iterates over those that can be used."""

    places: tuple[Place, ...]
    """In the order of the source; at least one."""
    problems: tuple[PlaceError, ...] = ()
    """Why each of the others was refused, and what to do."""
    notes: tuple[str, ...] = ()
    """What was repaired, dropped or chosen, a sentence each."""

    def __iter__(self) -> Iterator[Place]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


class _UnusableError(Exception):
    """Why one row cannot become a place: a sentence whose subject is the place."""


def read_places(
    source: Source,
    *,
    id_field: str | None = None,
    name_field: str | None = None,
    crs: str | None = None,
) -> PlaceList:
    """Read places from a file, a GeoDataFrame, geometries, features, points or "Name=lon,lat" text.

    Files: GeoJSON (also a bare list of features, and text sequences), CSV or TSV (columns of
    longitude and latitude, or one of WKT, WKB or GeoJSON), GeoParquet, and with the extra "files"
    GeoPackage, shapefile (also zipped), FlatGeobuf and whatever else GDAL reads.

    Geometries are Points or Polygons with longitude first. They are brought to WGS 84 from the
    coordinate system that the source states. Self-crossing polygons are repaired, polygons across
    the antimeridian are cut there, third coordinates are dropped.

    Args:
        source: see above.
        id_field: the property that is the id; by default ``id`` or ``place_id``, else the
            feature's own id, else its number in the source.
        name_field: the property that is the name; by default ``name``, else the id.
        crs: the coordinate system of a source that states none; by default WGS 84.

    Raises:
        PlaceError: the source cannot be read, or holds no usable place.
        OptionError: no place has ``id_field`` or ``name_field``.
        MissingExtraError: the file needs the extra "files".
    """
    table = read_source(source)
    _check_field("id_field", id_field, table.rows)
    _check_field("name_field", name_field, table.rows)
    geometries, faults = _to_wgs84(table.rows, crs)
    if id_field:
        for i, row in enumerate(table.rows):
            if not _identity(row, id_field):
                faults[i] = f"it has no {id_field!r}: give it one"
    found = _sift(table, geometries, faults, id_field=id_field, name_field=name_field)
    if not found.places:
        first = found.problems[0] if found.problems else f"{table.label}it is empty"
        raise PlaceError(f"none of {len(table.rows)} places can be used: {first}")
    return found


def _check_field(option: str, name: str | None, rows: Sequence[Row]) -> None:
    if name and rows and not any(name in row.properties for row in rows):
        known = ", ".join(map(repr, rows[0].properties)) or "nothing: the places have no properties"
        raise OptionError(f"no place has the {option} {name!r}: choose one of {known}")


def _sift(
    table: Table,
    geometries: NDArray[np.object_],
    faults: list[str | None],
    *,
    id_field: str | None,
    name_field: str | None,
) -> PlaceList:
    """Accept, repair or refuse each row of a table; geometries are in WGS 84."""
    places: dict[str, Place] = {}
    problems: list[PlaceError] = []
    notes = list(table.notes)
    sound = _sound(geometries)
    for row, geometry, fault, fine in zip(table.rows, geometries, faults, sound, strict=True):
        identity = _identity(row, id_field)
        name = _first(row.properties, (name_field,) if name_field else _NAME) or identity
        where = f"{table.label}place {row.number}"
        where += f" ({name[:60]!r})" if name not in {"", str(row.number)} else ""
        try:
            good, repairs = (geometry, []) if fine and not fault else _mend(geometry, fault)
            place = Place(id=identity, name=name, geometry=good, properties=row.properties)
            repairs += _repeated(place, places.setdefault(identity, place))
            notes += [f"{where}: {repair}" for repair in repairs]
        except _UnusableError as reason:
            problems.append(PlaceError(f"{where}: {reason}", place_id=identity, row=row.number))
    return PlaceList(places=tuple(places.values()), problems=tuple(problems), notes=tuple(notes))


def _identity(row: Row, id_field: str | None) -> str:
    if id_field:
        return _first(row.properties, (id_field,))
    return _first(row.properties, _ID) or as_text(row.id) or str(row.number)


def _first(properties: Mapping[str, Any], keys: Iterable[str]) -> str:
    """The first of some properties that says anything, as text; else ""."""
    return next((text for key in keys if (text := as_text(properties.get(key)))), "")


def _repeated(place: Place, first: Place) -> list[str]:
    """What to note when two places have the same id, where that is no error."""
    if place is first:
        return []
    if place.geometry == first.geometry:
        return ["it is given twice, and is used once"]
    raise _UnusableError(f"an earlier place has the id {place.id!r}: choose another id_field")


def _to_wgs84(rows: Sequence[Row], crs: str | None) -> tuple[NDArray[np.object_], list[str | None]]:
    """Geometries in WGS 84, two-dimensional, and why some rows are unusable."""
    geometries = np.empty(len(rows), dtype=object)
    geometries[:] = [row.geometry for row in rows]
    faults = [row.fault for row in rows]
    stated = np.array([row.crs or crs or _WGS84 for row in rows], dtype=object)
    for code in dict.fromkeys(stated):
        mine = np.flatnonzero(stated == code)
        try:
            forward = pyproj.Transformer.from_crs(code, _WGS84, always_xy=True).transform
        except CRSError as error:
            if code == crs:
                raise OptionError(f"PROJ does not know the crs {crs!r}: give another") from error
            for i in mine:
                faults[i] = f"PROJ does not know its coordinate system {str(code)[:60]!r}"
            continue
        geometries[mine] = shapely.transform(
            geometries[mine], lambda xy, to=forward: np.stack(to(xy[:, 0], xy[:, 1]), axis=1)
        )
    for i in np.flatnonzero(_swapped(shapely.bounds(geometries))):
        faults[i] = "it looks like latitude, longitude: write the longitude first"
    return geometries, faults


def _swapped(bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places are latitude, longitude by the look of their bounds, shape (n, 4).

    Those whose latitude is impossible and whose swapped coordinates are not; and if these are the
    most, and all others can be read swapped too, then all.
    """
    west, south, east, north = np.abs(bounds).T
    x, y = np.maximum(west, east), np.maximum(south, north)
    known = np.isfinite(x) & np.isfinite(y)
    readable = (x <= 90) & (y <= 180)
    swapped = readable & (y > 90)
    if 2 * np.count_nonzero(swapped) > np.count_nonzero(known) and readable[known].all():
        return known
    return swapped


def _sound(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which geometries are places as they stand."""
    kind = shapely.get_type_id(geometries)
    point = kind == shapely.GeometryType.POINT
    area = np.isin(kind, (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    west, south, east, north = shapely.bounds(geometries).T
    on_globe = (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)
    whole = (area & (shapely.area(geometries) > 0) & (east <= west + 180)) | point
    return whole & on_globe & shapely.is_valid(geometries)


def _mend(geometry: BaseGeometry | None, fault: str | None) -> tuple[BaseGeometry, list[str]]:
    """A place's geometry from what is not quite one, and what was done to it."""
    if fault:
        raise _UnusableError(fault)
    if geometry is None or geometry.is_empty:
        raise _UnusableError("it has no geometry: draw it or leave it out")
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise _UnusableError(
            "some coordinates are not numbers or lie outside its coordinate system: correct them"
        )
    west, south, east, north = geometry.bounds
    if south < -90 or north > 90 or west < -360 or east > 360:
        raise _UnusableError(
            f"its coordinates ({west:g}, {south:g}) are not degrees: say with the option crs what "
            "they are"
        )
    notes: list[str] = []
    geometry = _polygon_or_point(geometry, notes)
    split = split_antimeridian(geometry)
    if split is not geometry and not split.equals(geometry):
        notes.append("it was cut at the antimeridian, or its longitudes brought within 180 degrees")
    if not split.is_valid:
        split = polygonal(shapely.make_valid(split, method="structure", keep_collapsed=False))
        notes.append("its outline crosses itself and was repaired")
    if split.is_empty or (split.geom_type != "Point" and not split.area):
        raise _UnusableError("its polygon has no area: draw it again or give a point")
    return split, notes


def _polygon_or_point(geometry: BaseGeometry, notes: list[str]) -> BaseGeometry:
    parts = shapely.get_parts(shapely.get_parts(geometry)).tolist()
    kinds = {part.geom_type for part in parts}
    if kinds == {"Polygon"}:
        return geometry if geometry.geom_type != "GeometryCollection" else polygonal(geometry)
    if "Polygon" in kinds:
        notes.append("only the polygons of its geometry collection are used")
        return polygonal(geometry)
    if kinds != {"Point"}:
        raise _UnusableError(f"it is a {geometry.geom_type}: draw a polygon or give a point")
    if len(parts) > 1:
        raise _UnusableError(f"it is {len(parts)} points: make each of them a place")
    return parts[0]
