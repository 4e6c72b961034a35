"""Coverage fractions: by hand, by property, and against exactextract."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import exactextract
import numpy as np
import pyproj
import pytest
import shapely
from exactextract.feature import JSONFeatureSource
from exactextract.raster import NumPyRasterSource
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from fieldwren.geometry import project_shapes
from fieldwren.model import Shapes
from fieldwren.pixels.coverage import coverage
from fieldwren.places import read_places

if TYPE_CHECKING:
    from fieldwren.pixels.coverage import Weights

UNIT = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)  # north-up: row r spans y = -r-1 to -r


def shapes_of(*geometries) -> Shapes:
    xy, rings, places = [np.empty((0, 2))], [0], [0]
    for geometry in geometries:
        for part in shapely.get_parts(shapely.orient_polygons(geometry)):
            polygon = part.geom_type == "Polygon" and not part.is_empty
            outlines = (part.exterior, *part.interiors) if polygon else (part,)
            for outline in outlines:
                xy.append(shapely.get_coordinates(outline))
                rings.append(rings[-1] + len(xy[-1]))
        places.append(len(rings) - 1)
    ids = tuple(str(i) for i in range(len(geometries)))
    return Shapes(
        ids=ids, xy=np.concatenate(xy), rings=np.array(rings), places=np.array(places), key=""
    )


def shifted(geometry, dx: float, dy: float):
    return shapely.transform(geometry, lambda xy: xy + np.array([dx, dy]))


def areas(geometry) -> shapely.MultiPolygon:
    """Without the lines and points that an overlay leaves where outlines touch."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def grid(weights: Weights, place: int, shape: tuple[int, int]) -> np.ndarray:
    part = slice(*weights.places[place : place + 2])
    dense = np.zeros(shape)
    dense[weights.rows[part], weights.cols[part]] = weights.weights[part]
    return dense


def unit_square_rows(polygon, shape) -> np.ndarray:
    """Coverage on the UNIT lattice by intersecting with every single pixel."""
    rows, cols = np.indices(shape)
    cells = shapely.box(cols, -rows - 1, cols + 1, -rows)
    return shapely.area(shapely.intersection(polygon, cells))


def random_polygons(rng: np.random.Generator, *, count: int, size: int) -> list:
    """Stars, needles, tiny ones, with holes, in several parts, and on the lattice."""
    made = []
    while len(made) < count:
        centre = rng.uniform(8, size - 8, 2)
        radius = rng.choice([0.1, 0.5, 2, 7])
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 12)))
        ray = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        star = shapely.Polygon(centre + radius * rng.uniform(0.3, 1, (len(ray), 1)) * ray).buffer(0)
        kind = len(made) % 6
        if kind == 1:
            star = star.difference(shapely.Point(centre).buffer(radius / 5))
        elif kind == 2:
            star = star.union(shapely.box(*rng.integers(1, 5, 2), *rng.integers(6, 9, 2)))
        elif kind == 3:
            star = shapely.LineString(rng.uniform(1, size - 1, (2, 2))).buffer(1e-4)
        elif kind == 4:
            star = shapely.box(*rng.integers(1, 36, 2) / 4, *rng.integers(40, 80, 2) / 4)
        if star.area > 0:
            made.append(star)
    return made


def exactextract_entries(polygons, *, size, left, top, pixel) -> list[tuple]:
    """Cell numbers and fractions for each polygon on a grid of size * size pixels."""
    raster = NumPyRasterSource(
        np.zeros((size, size)),
        xmin=left,
        xmax=left + size * pixel,
        ymin=top - size * pixel,
        ymax=top,
    )
    features = JSONFeatureSource(
        [{"geometry": shapely.geometry.mapping(p), "properties": {}} for p in polygons]
    )
    found = exactextract.exact_extract(raster, features, ["coverage", "cell_id"])
    return [(f["properties"]["cell_id"], f["properties"]["coverage"]) for f in found]


# Grids worked by hand


def test_a_rectangle_gives_the_product_of_its_sides_in_each_pixel():
    found = coverage(shapes_of(shapely.box(0.5, -2.25, 2.0, -1.0)), UNIT)
    assert_array_equal(found.places, [0, 4])
    assert_array_equal(found.rows, [1, 1, 2, 2])
    assert_array_equal(found.cols, [0, 1, 0, 1])
    assert_allclose(found.weights, [0.5, 1.0, 0.125, 0.25], rtol=0, atol=0)
    assert (found.rows.dtype, found.cols.dtype) == (np.int32, np.int32)


def test_a_triangle_gives_halves_on_its_slope():
    triangle = shapely.Polygon([(0, 0), (0, -3), (3, -3)])
    found = grid(coverage(shapes_of(triangle), UNIT), 0, (3, 3))
    assert_allclose(found, [[0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5]], atol=1e-15)


def test_a_hole_is_left_out():
    ring = shapely.box(0, -3, 3, 0).difference(shapely.box(1, -2, 2.5, -1))
    found = grid(coverage(shapes_of(ring), UNIT), 0, (3, 3))
    assert_allclose(found, [[1, 1, 1], [1, 0, 0.5], [1, 1, 1]], atol=1e-15)


def test_far_parts_of_a_multipolygon_do_not_fill_what_lies_between():
    far = shapely.union_all([shapely.box(0, -1, 1, 0), shapely.box(9e6, -1, 9e6 + 1, 0)])
    found = coverage(shapes_of(far), UNIT)
    assert_array_equal(found.cols, [0, 9_000_000])
    assert_array_equal(found.weights, [1, 1])


def test_a_sliver_within_one_pixel_has_its_area():
    found = coverage(shapes_of(shapely.box(3.25, -5.5, 3.26, -5.25)), UNIT)
    assert (found.rows.tolist(), found.cols.tolist()) == ([5], [3])
    assert_allclose(found.weights, [0.0025], rtol=1e-12)


def test_a_place_drawn_on_pixel_borders_does_not_touch_the_pixels_beyond():
    utm = (30.0, 0.0, 499_995.0, 0.0, -30.0, 4_600_005.0)
    noise = 1e-9  # metres: what a projection leaves at this northing
    field = shapely.box(500_025 - noise, 4_599_945, 500_085 + noise, 4_599_975 + noise)
    found = coverage(shapes_of(field), utm)
    assert (found.rows.tolist(), found.cols.tolist()) == ([1, 1], [1, 2])
    assert_array_equal(found.weights, [1, 1])


def test_a_point_is_the_one_pixel_that_holds_it_and_cells_are_half_open():
    places = [shapely.Point(2.5, -1.5), shapely.Point(2, -1), shapely.Point(-0.5, 0.5)]
    found = coverage(shapes_of(*places, shapely.box(0, -1, 1, 0)), UNIT)
    assert_array_equal(found.places, [0, 1, 2, 3, 4])
    assert_array_equal(found.rows, [1, 1, -1, 0])
    assert_array_equal(found.cols, [2, 2, -1, 0])
    assert_array_equal(found.weights, 1)


def test_places_without_area_have_no_entries_and_cost_nothing_else():
    flat = shapely.Polygon([(1, -1), (4, -2), (1, -1)])
    empty = shapely.Polygon()
    found = coverage(shapes_of(flat, shapely.box(0, -1, 1, 0), flat, empty), UNIT)
    assert_array_equal(found.places, [0, 0, 1, 1, 1])
    assert len(coverage(shapes_of(flat), UNIT).weights) == 0
    assert_array_equal(coverage(shapes_of(), UNIT).places, [0])


@pytest.mark.parametrize(
    "lattice",
    [
        pytest.param((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), id="south-up"),
        pytest.param((-1.0, 0.0, 10.0, 0.0, -1.0, 0.0), id="mirrored"),
        pytest.param((0.6, 0.8, -3.0, 0.8, -0.6, 2.0), id="rotated"),
        pytest.param((2.0, 0.5, 0.0, 0.0, 3.0, 1.0), id="sheared"),
    ],
)
def test_any_affine_lattice_works(lattice):
    polygon = shapely.Polygon([(0, 0), (6, 1), (5, 6), (1, 4)]).difference(shapely.box(2, 2, 3, 3))
    point = shapely.Point(2.3, 3.1)
    found = coverage(shapes_of(polygon, point), lattice)
    a, b, c, d, e, f = lattice
    rows, cols = found.rows[..., None], found.cols[..., None]
    corner_cols, corner_rows = cols + np.array([0, 1, 1, 0]), rows + np.array([0, 0, 1, 1])
    corners = np.stack(
        [a * corner_cols + b * corner_rows + c, d * corner_cols + e * corner_rows + f], axis=-1
    )
    cells = shapely.polygons(corners)
    expected = shapely.area(shapely.intersection(polygon, cells)) / shapely.area(cells)
    assert_allclose(found.weights[:-1], expected[:-1], atol=1e-12)
    assert_allclose(found.weights[:-1].sum() * abs(a * e - b * d), polygon.area, rtol=1e-12)
    assert cells[-1].contains(point)


# Properties

coordinate = st.floats(-20, 20).map(lambda x: round(x, 6))


@st.composite
def polygons(draw) -> shapely.Geometry:
    count = draw(st.integers(3, 9))
    radii = draw(st.lists(st.floats(0.2, 15), min_size=count, max_size=count))
    angle = np.arange(count) * 2 * np.pi / count + draw(st.floats(0, 6))
    centre = draw(st.tuples(coordinate, coordinate))
    star = np.array(centre) + np.array(radii)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    if draw(st.booleans()):
        star = np.round(star * 2) / 2  # along the lattice, where the special cases are
    return shapely.make_valid(shapely.Polygon(star)).buffer(0)


@given(polygons())
def test_the_weights_of_a_polygon_sum_to_its_area(polygon):
    found = coverage(shapes_of(polygon), UNIT)
    assert_allclose(found.weights.sum(), polygon.area, rtol=1e-9, atol=1e-9)
    assert ((found.weights > 0) & (found.weights <= 1)).all()


@given(polygons(), st.integers(-500, 500), st.integers(-500, 500))
def test_a_shift_by_whole_pixels_shifts_rows_and_columns_only(polygon, right, down):
    polygon = shapely.set_precision(polygon, 2**-20)  # the shift is then exact
    moved = shifted(polygon, right, -down)
    here, there = coverage(shapes_of(polygon), UNIT), coverage(shapes_of(moved), UNIT)
    assert_array_equal(there.rows, here.rows + down)
    assert_array_equal(there.cols, here.cols + right)
    assert_allclose(there.weights, here.weights, atol=1e-12)


@given(polygons(), polygons())
def test_a_hole_and_its_filling_make_the_whole(polygon, cutter):
    parts = [areas(polygon.difference(cutter)), areas(polygon.intersection(cutter))]
    found = coverage(shapes_of(*(shifted(g, 40, -40) for g in (*parts, polygon))), UNIT)
    rest, middle, whole = (grid(found, place, (80, 80)) for place in range(3))
    assert_allclose(rest + middle, whole, atol=1e-8)


@given(polygons())
def test_each_pixel_agrees_with_its_intersection(polygon):
    moved = shifted(polygon, 40, -40)
    found = grid(coverage(shapes_of(moved), UNIT), 0, (80, 80))
    assert_allclose(found, unit_square_rows(moved, (80, 80)), atol=1e-9)


@given(st.lists(polygons(), max_size=5))
@settings(max_examples=40)
def test_a_place_has_the_same_weights_alone_and_in_company(many):
    found = coverage(shapes_of(*many), UNIT)
    for place, polygon in enumerate(many):
        alone = coverage(shapes_of(polygon), UNIT)
        part = slice(*found.places[place : place + 2])
        assert_array_equal(found.weights[part], alone.weights)
        assert_array_equal(found.rows[part], alone.rows)
        assert_array_equal(found.cols[part], alone.cols)


# Oracle


@pytest.mark.parametrize(
    ("epsg", "lonlat", "pixel"),
    [
        (32610, (-122.4, 38.5), 30.0),
        (32618, (-75.6, 4.9), 30.0),
        (32743, (73.8, 20.0), 10.0),
        (32760, (179.5, -17.5), 20.0),
        (3031, (140.0, -72.0), 30.0),
    ],
)
def test_fractions_agree_with_exactextract_on_real_lattices(epsg, lonlat, pixel):
    size = 64
    to_crs = pyproj.Transformer.from_crs("OGC:CRS84", epsg, always_xy=True)
    left, top = (round(v / 30) * 30.0 + 15 for v in to_crs.transform(*lonlat))
    drawn = random_polygons(np.random.default_rng(epsg), count=120, size=size)
    places = [shapely.transform(p, lambda uv: uv * [pixel, -pixel] + [left, top]) for p in drawn]
    found = coverage(shapes_of(*places), (pixel, 0.0, left, 0.0, -pixel, top))
    expected = exactextract_entries(places, size=size, left=left, top=top, pixel=pixel)
    for place, (polygon, (cells, weights)) in enumerate(zip(places, expected, strict=True)):
        dense = grid(found, place, (size, size))
        # exactextract keeps fractions in single precision.
        theirs = np.zeros(size * size)
        theirs[cells] = weights
        assert_allclose(dense.ravel(), theirs, atol=2e-7)
        assert_allclose(dense.sum() * pixel**2, polygon.area, rtol=1e-9, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("lem_brazil/LEM_dataset.shp", "EPSG:32723"),
        ("fiboa/nl_brpgewaspercelen_definitief_2023.gpkg", "EPSG:32631"),
        ("fiboa/jp_jp_field_polygons_2024.parquet", "EPSG:32654"),
    ],
)
def test_real_parcels_have_the_weights_of_exactextract(shared_data, name, crs):
    places = read_places(shared_data / "parcels" / name).places[:300]
    shapes, _ = project_shapes(places, crs)
    left, top = np.floor(shapes.xy.min(axis=0)[0] / 30) * 30, np.ceil(shapes.xy.max(axis=0)[1])
    size = int(np.ptp(shapes.xy, axis=0).max() / 30) + 2
    found = coverage(shapes, (30.0, 0.0, left, 0.0, -30.0, top))
    to_crs = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform
    polygons = [shapely.transform(p.geometry, to_crs, interleaved=False) for p in places]
    expected = exactextract_entries(polygons, size=size, left=left, top=top, pixel=30.0)
    for place, (cells, weights) in enumerate(expected):
        part = slice(*found.places[place : place + 2])
        ours = found.rows[part] * size + found.cols[part]
        every = np.union1d(ours, cells)
        difference = np.zeros(len(every))
        difference[np.searchsorted(every, ours)] += found.weights[part]
        difference[np.searchsorted(every, cells)] -= weights
        assert_allclose(difference, 0, atol=2e-7)


# Cost


def test_ten_thousand_fields_take_less_than_a_second():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = 5.64 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    fields = shapely.polygons(rng.uniform(0, 7000, (10_000, 1, 2)) + ring)
    shapes = shapes_of(*fields)
    start = time.process_time()
    found = coverage(shapes, UNIT)
    assert time.process_time() - start < 1
    assert_allclose(found.weights.sum(), shapely.area(fields).sum(), rtol=1e-12)


def test_a_park_of_ten_million_pixels_is_exact():
    park = shapely.Point(0, 0).buffer(1790, quad_segs=500)
    found = coverage(shapes_of(park), UNIT)
    assert len(found.weights) > 10_000_000
    assert_allclose(found.weights.sum(), park.area, rtol=1e-11)
