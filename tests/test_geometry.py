"""The antimeridian, projection, and who is near whom."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from fieldwren.errors import ArchiveError
from fieldwren.geometry import (
    clusters,
    footprint_candidates,
    polygonal,
    project_shapes,
    split_antimeridian,
)
from fieldwren.model import Place

NAPA = shapely.Polygon([(-122.4, 38.4), (-122.3, 38.4), (-122.3, 38.5), (-122.4, 38.45)])
HOLE = shapely.Point(-122.35, 38.43).buffer(0.01)


def place(geometry, name: str = "a") -> Place:
    return Place(id=name, name=name, geometry=geometry)


def places(*geometries) -> list[Place]:
    return [place(geometry, str(i)) for i, geometry in enumerate(geometries)]


# Antimeridian


def test_a_polygon_across_the_antimeridian_becomes_two_parts():
    fiji = shapely.Polygon([(179, -18), (-179, -18), (-179, -16), (179, -16)])
    found = split_antimeridian(fiji)
    assert found.geom_type == "MultiPolygon"
    assert sorted(part.bounds for part in found.geoms) == [
        (-180, -18, -179, -16),
        (179, -18, 180, -16),
    ]


def test_a_hole_across_the_antimeridian_stays_a_hole():
    outer = [(178, -19), (-178, -19), (-178, -15), (178, -15)]
    inner = [(179, -18), (-179, -18), (-179, -16), (179, -16)]
    found = split_antimeridian(shapely.Polygon(outer, [inner]))
    assert found.area == pytest.approx(4 * 4 - 2 * 2)
    assert found.is_valid


@pytest.mark.parametrize(
    "geometry",
    [
        NAPA,
        shapely.Point(180, 10),
        shapely.Point(-180, 10),
        shapely.box(-180, -90, 180, 90),
        shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)]),
        shapely.Polygon(),
    ],
    ids=["plain", "east end", "west end", "globe", "already split", "empty"],
)
def test_what_needs_no_cut_is_returned_as_it_is(geometry):
    assert shapely.equals_identical(split_antimeridian(geometry), geometry)


def test_longitudes_beyond_180_are_brought_back():
    assert split_antimeridian(shapely.Point(237.5, 38)) == shapely.Point(-122.5, 38)
    assert split_antimeridian(shapely.box(237, 38, 238, 39)).bounds == (-123, 38, -122, 39)
    assert split_antimeridian(shapely.box(-181, 0, -179, 1)).area == pytest.approx(2)
    assert split_antimeridian(shapely.box(179, 0, 181, 1)).bounds == (-180, 0, 180, 1)


@given(st.floats(0.1, 60), st.floats(0.1, 60), st.floats(-80, 70))
def test_the_two_parts_have_the_area_of_the_whole(west, east, south):
    crossing = shapely.box(180 - west, south, 180 + east, south + 9)
    written = shapely.transform(crossing, lambda xy: np.where(xy > 180, xy - [360, 0], xy))
    found = split_antimeridian(written)
    assert found.area == pytest.approx(crossing.area)
    assert found.bounds[0] == -180
    assert found.bounds[2] == 180


@pytest.mark.parametrize("name", ["LC08_L2SR_084024", "LT05_L2SR_087017"])
def test_real_footprints_at_the_antimeridian_have_the_size_of_a_scene(shared_data, name):
    (path,) = (shared_data / "stac" / "usgs_landsatlook").glob(f"{name}*.json")
    footprint = shapely.geometry.shape(json.loads(path.read_text())["geometry"])
    found = split_antimeridian(footprint)
    assert found.is_valid
    assert 1 < found.area < 8  # square degrees
    assert found.bounds[::2] == (-180, 180)
    assert max(part.bounds[2] - part.bounds[0] for part in found.geoms) < 5


def test_polygonal_keeps_polygons_only():
    mixed = shapely.GeometryCollection(
        [NAPA, shapely.Point(0, 0), shapely.LineString([(0, 0), (1, 1)])]
    )
    assert polygonal(mixed) == NAPA
    nested = shapely.GeometryCollection([shapely.MultiPolygon([NAPA, shapely.box(0, 0, 1, 1)])])
    assert polygonal(nested).geom_type == "MultiPolygon"
    assert polygonal(shapely.Point(0, 0)).is_empty


# Projection


@pytest.mark.parametrize("crs", ["EPSG:32610", "EPSG:32710", "EPSG:3031", "EPSG:6933"])
def test_vertices_are_those_of_geopandas_and_rings_are_oriented(crs):
    ring = NAPA.difference(HOLE)
    south = shapely.transform(ring, lambda xy: xy * [1, -2])
    many = places(south.reverse(), shapely.Point(-122, -60), shapely.MultiPolygon([south]), south)
    shapes, left_out = project_shapes(many, crs)
    assert left_out == ()
    assert shapes.ids == ("0", "1", "2", "3")
    assert_array_equal(np.diff(shapes.places), [2, 1, 2, 2])

    frame = geopandas.GeoSeries([p.geometry for p in many], crs="OGC:CRS84").to_crs(crs)
    for i, expected in enumerate(frame):
        rings = [
            shapes.xy[shapes.rings[r] : shapes.rings[r + 1]]
            for r in range(shapes.places[i], shapes.places[i + 1])
        ]
        if expected.geom_type == "Point":
            assert_array_equal(rings, [[expected.coords[0]]])
            continue
        exterior, hole = map(shapely.LinearRing, rings)
        assert exterior.is_ccw
        assert not hole.is_ccw
        made = shapely.Polygon(exterior, [hole])
        assert shapely.equals_exact(made.normalize(), polygonal(expected).normalize(), 1e-9)


@pytest.mark.parametrize(
    ("crs", "off_map"), [("EPSG:2154", -90), ("EPSG:3031", 90)], ids=["infinite", "absurd"]
)
def test_a_place_that_cannot_be_projected_costs_no_other(crs, off_map):
    pole = shapely.Polygon([(0, 0), (10, off_map), (20, 0)])
    many = places(NAPA, pole, shapely.Point(0, off_map), NAPA.difference(HOLE))
    shapes, left_out = project_shapes(many, crs)
    alone, _ = project_shapes([many[0], many[3]], crs)
    assert left_out == ("1", "2")
    assert shapes.ids == ("0", "3")
    assert shapes.key == alone.key
    assert_array_equal(shapes.xy, alone.xy)


def test_nothing_at_all_can_be_projected():
    shapes, _ = project_shapes([], "EPSG:32610")
    assert shapes.ids == ()
    assert shapes.xy.shape == (0, 2)
    shapes, left_out = project_shapes([place(shapely.Point(0, -90))], "EPSG:2154")
    assert (shapes.ids, left_out) == ((), ("a",))
    assert_array_equal(shapes.places, [0])


def test_the_key_follows_shape_id_and_crs():
    def key(geometry=NAPA, name="a", crs="EPSG:32610") -> str:
        return project_shapes([place(geometry, name)], crs)[0].key

    assert key() == key()
    assert len({key(), key(HOLE), key(name="b"), key(crs="EPSG:32611")}) == 4


def test_both_sides_of_the_antimeridian_meet_in_utm():
    fiji = split_antimeridian(shapely.Polygon([(179, -18), (-179, -18), (-179, -16), (179, -16)]))
    shapes, _ = project_shapes([place(fiji)], "EPSG:32760")
    assert np.ptp(shapes.xy[:, 0]) < 250_000


def test_an_unknown_crs_is_named():
    with pytest.raises(ArchiveError, match="EPSG:999999"):
        project_shapes([place(NAPA)], "EPSG:999999")


# Neighbours


def test_candidates_are_pairs_that_intersect_sorted_by_place():
    footprints = [shapely.box(0, 0, 2, 2), shapely.box(1, 1, 3, 3), shapely.box(9, 9, 10, 10)]
    many = places(shapely.Point(1.5, 1.5), shapely.Point(8, 8), shapely.box(0.1, 0.1, 0.2, 0.2))
    place_index, scene_index = footprint_candidates(many, footprints)
    assert list(zip(place_index.tolist(), scene_index.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (2, 0),
    ]


def test_no_places_or_no_footprints_have_no_candidates():
    assert len(footprint_candidates([], [NAPA])[0]) == 0
    assert len(footprint_candidates(places(NAPA), [])[1]) == 0


def test_neighbours_share_a_box_and_far_places_do_not():
    near = [shapely.Point(-122.4, 38.5), shapely.Point(-121.6, 38.1), shapely.Point(-120.5, 37.9)]
    far = [shapely.Point(-75.6, 4.9), shapely.Point(73.8, 20)]
    boxes = clusters(places(*near, *far))
    assert len(boxes) == 3
    assert boxes[0] == pytest.approx((-122.401, 37.899, -120.499, 38.501))
    assert boxes == clusters(places(*far, *reversed(near)))


def test_no_box_crosses_the_antimeridian():
    fiji = split_antimeridian(shapely.Polygon([(179, -18), (-179, -18), (-179, -16), (179, -16)]))
    boxes = clusters(places(fiji, shapely.Point(180, 0)))
    assert all(-180 <= west < east <= 180 and east - west < 3 for west, _, east, _ in boxes)
    assert {(round(west), round(east)) for west, _, east, _ in boxes} >= {(-180, -179), (179, 180)}


@given(
    st.lists(
        st.tuples(st.floats(-180, 179), st.floats(-90, 89), st.floats(0, 1), st.floats(0, 1)),
        max_size=40,
    )
)
def test_boxes_hold_every_place_and_stay_small(corners):
    many = places(*(shapely.box(x, y, x + w, y + h) for x, y, w, h in corners))
    boxes = clusters(many)
    held = shapely.union_all([shapely.box(*box) for box in boxes]).buffer(1e-6)
    assert all(held.covers(p.geometry) for p in many)
    assert all(max(e - w, n - s) <= 8.01 for w, s, e, n in boxes)


def test_a_continent_of_fields_is_searched_in_some_dozen_boxes():
    lon, lat = np.meshgrid(np.arange(-120, -75, 0.9), np.arange(30, 49, 0.9))
    boxes = clusters(places(*shapely.points(lon.ravel(), lat.ravel())))
    assert len(boxes) <= 24
