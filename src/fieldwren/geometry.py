"""What the parts share that deal with shapes on the globe: antimeridian, projection, neighbours.

Geometries are shapely objects in WGS 84, longitude first, degrees. Rasters are never reprojected:
places go into the CRS of each scene, vertex by vertex, as ``GeoDataFrame.to_crs`` does.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely
from pyproj.exceptions import ProjError
from shapely.geometry import MultiPolygon, Polygon

from fieldwren.errors import ArchiveError
from fieldwren.model import Shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from fieldwren.model import Place

__all__ = [
    "Box",
    "clusters",
    "footprint_candidates",
    "is_crs",
    "polygonal",
    "project_shapes",
    "split_antimeridian",
]

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west <= east."""

_REACH = 8
"""Degrees: the greatest width and height of a search box, a few scenes wide."""
_FAR = 1e8
"""CRS units (metres, mostly): a coordinate beyond it, infinite or NaN is off the CRS's map."""
_PAD = 0.001
"""Degrees (about 100 m) around a search box, so that the box of a point has an area."""


def polygonal(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The polygon parts of any geometry, as one; an empty Polygon if there are none."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    found = [part for part in parts.tolist() if isinstance(part, Polygon) and part.area > 0]
    if len(found) == 1:
        return found[0]
    return MultiPolygon(found) if found else Polygon()


def split_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """Cut a geometry at the antimeridian, so that all longitudes are within -180 to 180.

    A polygon that spans more than 180 degrees of longitude is read as crossing the antimeridian the
    short way (its negative longitudes lie east of 180); longitudes beyond 180, as in data of 0 to
    360 degrees, are brought back. A geometry that needs neither is returned as it is.

    Args:
        geometry: Point, Polygon or MultiPolygon; longitudes -360 to 540.
    """
    parts = shapely.get_parts(geometry).tolist()
    split = [_split_part(part) for part in parts]
    if all(new is old for new, old in zip(split, parts, strict=True)):
        return geometry
    return split[0] if len(split) == 1 else polygonal(shapely.GeometryCollection(split))


def _split_part(part: BaseGeometry) -> BaseGeometry:
    """:func:`split_antimeridian` of a single Point or Polygon."""
    west, south, east, north = part.bounds
    if east - west > 180:
        short = shapely.transform(part, lambda xy: xy + [[360, 0]] * (xy[:, :1] < 0))
        if not short.area:  # all around the globe
            return part
        part = shapely.make_valid(short)
    elif west >= -180 and east <= 180:
        return part
    if part.geom_type == "Point":
        return shapely.Point((west + 180) % 360 - 180, south)
    turns = [
        shapely.transform(
            shapely.intersection(part, shapely.box(turn - 180, south, turn + 180, north)),
            lambda xy, turn=turn: xy - [turn, 0],
        )
        for turn in (-360, 0, 360)
    ]
    return polygonal(shapely.GeometryCollection(turns))


def project_shapes(places: Sequence[Place], crs: str) -> tuple[Shapes, tuple[str, ...]]:
    """Project places into the CRS of a scene and strip them for travel.

    Args:
        places: in WGS 84.
        crs: anything PROJ understands, such as "EPSG:32610".

    Returns:
        The shapes of the places that can be projected, in their order, and the ids of the others.

    Raises:
        ArchiveError: PROJ does not know the CRS.
    """
    rings, place, exterior = _rings([p.geometry for p in places])
    lonlat, ring = shapely.get_coordinates(rings, return_index=True)
    x, y = _transformer(crs).transform(lonlat[:, 0], lonlat[:, 1])
    xy = np.stack([x, y], axis=1)

    on_map = np.ones(len(places), np.bool_)
    on_map[place[ring[~(np.abs(xy) < _FAR).all(axis=1)]]] = False
    good = on_map[place]
    xy, place, exterior = xy[good[ring]], place[good], exterior[good]
    bounds = _offsets(np.bincount(ring, minlength=len(rings))[good])
    starts = _offsets(np.bincount(place, minlength=len(places))[on_map])
    xy = _orient(xy, bounds, exterior)

    ids = tuple(p.id for p, fits in zip(places, on_map, strict=True) if fits)
    left_out = tuple(p.id for p, fits in zip(places, on_map, strict=True) if not fits)
    digest = hashlib.sha256(repr((crs, ids)).encode())
    for array in (xy, bounds, starts):
        digest.update(array.tobytes())
    shapes = Shapes(ids=ids, xy=xy, rings=bounds, places=starts, key=digest.hexdigest()[:32])
    return shapes, left_out


def is_crs(crs: str) -> bool:
    """Whether PROJ can bring places into a coordinate system."""
    try:
        _transformer(crs)
    except ArchiveError:
        return False
    return True


@lru_cache(maxsize=256)
def _transformer(crs: str) -> pyproj.Transformer:
    try:
        return pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    except ProjError as error:
        raise ArchiveError(
            f"PROJ does not know the coordinate system {crs!r} of a scene: leave the scene out."
        ) from error


def _rings(
    geometries: list[BaseGeometry],
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.bool_]]:
    """All points and rings in the order of the geometries, whose each is, and which are exterior.

    A polygon's exterior ring stands before its holes.
    """
    parts, owner = shapely.get_parts(np.array(geometries, dtype=object), return_index=True)
    point = shapely.get_type_id(parts) == shapely.GeometryType.POINT
    rings, polygon = shapely.get_rings(parts[~point], return_index=True)
    exterior = np.diff(polygon, prepend=-1) != 0
    place = np.concatenate([owner[point], owner[~point][polygon]])
    order = np.argsort(place, kind="stable")
    return (
        np.concatenate([parts[point], rings])[order],
        place[order],
        np.concatenate([np.ones(point.sum(), np.bool_), exterior])[order],
    )


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _orient(
    xy: NDArray[np.float64], rings: NDArray[np.int64], exterior: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Reverse rings where needed: exterior ones run counter-clockwise, holes clockwise."""
    if not len(xy):
        return xy
    sizes = np.diff(rings)
    from_first = xy - np.repeat(xy[rings[:-1]], sizes, axis=0)
    step = np.roll(from_first, -1, axis=0)
    step[rings[1:] - 1] = 0
    cross = from_first[:, 0] * step[:, 1] - from_first[:, 1] * step[:, 0]
    wrong = (np.add.reduceat(cross, rings[:-1]) < 0) == exterior
    index = np.arange(len(xy))
    mirrored = np.repeat(rings[:-1] + rings[1:] - 1, sizes) - index
    return xy[np.where(np.repeat(wrong, sizes), mirrored, index)]


def footprint_candidates(
    places: Sequence[Place], footprints: Sequence[BaseGeometry]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which places meet which footprints.

    Returns:
        Positions in ``places`` and in ``footprints``, one pair per candidate, sorted by place and
        then by footprint.
    """
    tree = shapely.STRtree([place.geometry for place in places])
    scene, place = tree.query(np.array(footprints, dtype=object), predicate="intersects")
    order = np.lexsort((scene, place))
    return place[order], scene[order]


def clusters(places: Sequence[Place]) -> list[Box]:
    """Search boxes that together hold all places: one per cluster of places near each other.

    The one-degree cells that hold places are taken from west to east and south to north; each joins
    the first box that it touches and that then stays within 8 degrees. No box crosses the
    antimeridian, none spans a continent, and the order of the places does not matter.
    """
    boxes: list[tuple[Box, Box]] = []
    for cell, extent in sorted(_cells(places).items()):
        for i, (cells, extents) in enumerate(boxes):
            joint = _union(cells, cell)
            if _touch(cells, cell) and max(joint[2] - joint[0], joint[3] - joint[1]) <= _REACH:
                boxes[i] = joint, _union(extents, extent)
                break
        else:
            boxes.append((cell, extent))
    return [
        (max(w - _PAD, -180.0), max(s - _PAD, -90.0), min(e + _PAD, 180.0), min(n + _PAD, 90.0))
        for _, (w, s, e, n) in boxes
    ]


def _cells(places: Sequence[Place]) -> dict[Box, Box]:
    """The one-degree cells that places' parts lie in, and the extent of these within each cell."""
    parts = shapely.get_parts(np.array([place.geometry for place in places], dtype=object))
    found: dict[Box, Box] = {}
    for west, south, east, north in shapely.bounds(parts).tolist():
        for x in range(math.floor(west), math.floor(east) + 1):
            for y in range(math.floor(south), math.floor(north) + 1):
                cell = (float(x), float(y), x + 1.0, y + 1.0)
                inside = (max(west, x), max(south, y), min(east, x + 1), min(north, y + 1))
                found[cell] = _union(found.get(cell, inside), inside)
    return found


def _union(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _touch(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
