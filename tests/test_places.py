"""Any description of places, read one by one; real parcels against geopandas."""

from __future__ import annotations

import json
import sys

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fieldwren.errors import MissingExtraError, OptionError, PlaceError
from fieldwren.model import Place
from fieldwren.places import read_places

SQUARE = shapely.box(3, 48, 3.01, 48.01)
BOW_TIE = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


def feature(geometry, **properties):
    return {
        "type": "Feature",
        "geometry": None if geometry is None else shapely.geometry.mapping(geometry),
        "properties": properties,
    }


def collection(*features, **members):
    return {"type": "FeatureCollection", "features": list(features), **members}


def written(path, text: str, encoding: str = "utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def wkts(found) -> list[str]:
    return [place.geometry.wkt for place in found]


# Texts, points and objects


def test_points_on_the_command_line():
    found = read_places(["-122.4,38.5", "Sula = 73.69,20.0", " 1 , 2 "])
    assert wkts(found) == ["POINT (-122.4 38.5)", "POINT (73.69 20)", "POINT (1 2)"]
    assert [(p.id, p.name) for p in found] == [("1", "1"), ("Sula", "Sula"), ("3", "3")]
    assert wkts(read_places("Napa=-122.4,38.5")) == ["POINT (-122.4 38.5)"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((-122.4, 38.5), "POINT (-122.4 38.5)"),
        ([(-122.4, 38.5)], "POINT (-122.4 38.5)"),
        ([[np.float32(1), np.int64(2), 9]], "POINT (1 2)"),
        (SQUARE, SQUARE.wkt),
        ([SQUARE], SQUARE.wkt),
        (feature(SQUARE), SQUARE.wkt),
        ([feature(SQUARE)], SQUARE.wkt),
        (shapely.geometry.mapping(SQUARE), SQUARE.wkt),
        (collection(feature(SQUARE)), SQUARE.wkt),
        ([{"Longitude": "1,5", "lat": 2}], "POINT (1.5 2)"),
        (pd.DataFrame({"lon": [1.5], "lat": [2.0]}), "POINT (1.5 2)"),
        (geopandas.GeoSeries([SQUARE]), SQUARE.wkt),
        (Place(id="a", name="b", geometry=SQUARE), SQUARE.wkt),
        ((g for g in [SQUARE]), SQUARE.wkt),
    ],
)
def test_objects_of_all_kinds(source, expected):
    assert wkts(read_places(source)) == [expected]


def test_a_place_list_is_a_source_too():
    first = read_places([feature(SQUARE, id="a", name="A", crop="vines")])
    again = read_places(first)
    assert again.places[0].properties["crop"] == "vines"
    assert [(p.id, p.name) for p in again] == [("a", "A")]
    assert len(again) == 1


def test_a_geodataframe_keeps_columns_index_labels_and_crs():
    frame = geopandas.GeoDataFrame(
        {"crop": ["vines", "rice"]}, geometry=[SQUARE, SQUARE], index=["x", "y"], crs="EPSG:4326"
    )
    found = read_places(frame.to_crs("EPSG:32631"))
    assert [(p.id, p.properties) for p in found] == [
        ("x", {"crop": "vines"}),
        ("y", {"crop": "rice"}),
    ]
    assert_allclose(shapely.get_coordinates(found.places[0].geometry), SQUARE.exterior.coords)


@pytest.mark.parametrize("source", [5, None, ["Napa"], [object()], [None], [], {}, [(1, "x")]])
def test_what_is_no_place_is_refused_in_words(source):
    with pytest.raises(PlaceError):
        read_places(source)


# Identity and names


def test_ids_come_from_the_field_the_property_the_feature_or_the_row():
    features = [
        feature(SQUARE, id=7.0, place_id="p", code="c1"),
        feature(SQUARE, place_id="p", code="c2"),
        feature(SQUARE, id=None, code="c3") | {"id": 0},
        feature(SQUARE, id=" ", code="c4"),
    ]
    assert [p.id for p in read_places(features)] == ["7", "p", "0", "4"]
    assert [p.id for p in read_places(features, id_field="code")] == ["c1", "c2", "c3", "c4"]


def test_names_come_from_the_field_the_property_or_the_id():
    features = [feature(SQUARE, NAME="Upper"), feature(SQUARE, id="b", title="Lower")]
    assert [p.name for p in read_places(features)] == ["Upper", "b"]
    assert [p.name for p in read_places(features, name_field="title")] == ["1", "Lower"]


@pytest.mark.parametrize("option", ["id_field", "name_field"])
def test_a_field_that_no_place_has_is_an_option_error_naming_those_there_are(option):
    with pytest.raises(OptionError, match=f"{option} 'nope'.*'id', 'crop'"):
        read_places([feature(SQUARE, id=1, crop="x")], **{option: "nope"})


def test_a_place_without_the_id_field_is_refused_alone():
    found = read_places([feature(SQUARE, code="a"), feature(SQUARE)], id_field="code")
    assert [p.id for p in found] == ["a"]
    assert [(p.row, p.place_id) for p in found.problems] == [(2, "")]
    assert "'code'" in str(found.problems[0])


def test_of_two_places_with_one_id_the_later_is_refused_unless_it_is_the_same():
    found = read_places(
        [feature(SQUARE, id="a"), feature(SQUARE, id="a"), feature(shapely.Point(1, 2), id="a")]
    )
    assert wkts(found) == [SQUARE.wkt]
    assert found.notes == ("place 2 ('a'): it is given twice, and is used once",)
    (problem,) = found.problems
    assert (problem.row, problem.place_id) == (3, "a")
    assert "earlier place has the id 'a'" in str(problem)


def test_untrusted_names_are_escaped_and_cut_in_messages():
    found = read_places([feature(SQUARE), feature(None, name="\x1b[31m" + "x" * 500)])
    assert "\x1b" not in str(found.problems[0])
    assert len(str(found.problems[0])) < 150


# Geometry, one by one

REFUSED = {
    "null": (None, "no geometry"),
    "empty": (shapely.Polygon(), "no geometry"),
    "line": (shapely.LineString([(0, 0), (1, 1)]), "LineString"),
    "points": (shapely.MultiPoint([(0, 0), (1, 1)]), "2 points"),
    "flat": (shapely.Polygon([(0, 0), (1, 1), (0, 0)]), "no area"),
    "infinite": (shapely.Point(np.inf, 1), "not numbers"),
    "swapped": (shapely.Point(38.5, -122.4), "latitude, longitude"),
    "metres": (shapely.Point(500_000, 4_200_000), "not degrees"),
}


@pytest.mark.parametrize(("geometry", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_place_that_cannot_be_used_is_refused_alone_with_its_reason(geometry, reason):
    found = read_places([feature(SQUARE), feature(geometry, name="Bad"), feature(SQUARE)])
    assert [p.id for p in found] == ["1", "3"]
    (problem,) = found.problems
    assert problem.row == 2
    assert reason in str(problem)
    assert "place 2 ('Bad')" in str(problem)


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Polygon", "coordinates": [[0, 0], [1, 1], [0, 0]]},
        {"type": "Point", "coordinates": ["a", 1]},
        {"type": "Point", "coordinates": [None, 1]},
        {"type": "Point", "coordinates": [float("nan"), 1]},
        {"type": "Circle", "coordinates": [1, 1]},
        {"type": 3, "coordinates": [1, 1]},
        {"type": "GeometryCollection", "geometries": [None]},
        "POLYGON ((0 0, 1",
        [1, 2],
    ],
    ids=str,
)
def test_a_broken_geometry_costs_no_other_place(broken):
    bad = {"type": "Feature", "geometry": broken, "properties": None}
    found = read_places([bad, feature(SQUARE)])
    assert [p.id for p in found] == ["2"]
    assert found.problems[0].row == 1


@pytest.mark.parametrize(
    ("geometry", "expected", "note"),
    [
        (
            BOW_TIE,
            shapely.union_all(list(shapely.make_valid(BOW_TIE).geoms)),
            "crosses itself and was repaired",
        ),
        (
            shapely.GeometryCollection([SQUARE, shapely.Point(0, 0)]),
            SQUARE,
            "only the polygons",
        ),
        (
            shapely.Polygon([(179, -18), (-179, -18), (-179, -16), (179, -16)]),
            shapely.union_all([shapely.box(179, -18, 180, -16), shapely.box(-180, -18, -179, -16)]),
            "antimeridian",
        ),
        (shapely.Point(237.5, 38), shapely.Point(-122.5, 38), "longitudes"),
        (
            shapely.MultiPolygon([shapely.box(0, 0, 2, 2), shapely.box(1, 1, 3, 3)]),
            shapely.union_all([shapely.box(0, 0, 2, 2), shapely.box(1, 1, 3, 3)]),
            "repaired",
        ),
    ],
    ids=["self-crossing", "collection", "antimeridian", "0 to 360", "overlapping parts"],
)
def test_what_is_repaired_is_noted(geometry, expected, note):
    found = read_places([feature(geometry)])
    assert found.places[0].geometry.equals(expected)
    assert found.places[0].geometry.is_valid
    assert found.problems == ()
    assert len(found.notes) == 1
    assert note in found.notes[0]


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (shapely.MultiPoint([(1, 2)]), "POINT (1 2)"),
        (shapely.Point(1, 2, 300), "POINT (1 2)"),
        (shapely.GeometryCollection([SQUARE]), SQUARE.wkt),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]},
            "POLYGON ((0 0, 1 0, 1 1, 0 0))",
        ),
        ("POLYGON ((0 0, 1 0, 1 1))", "POLYGON ((0 0, 1 0, 1 1, 0 0))"),
    ],
    ids=["one point", "height", "collection of one", "unclosed", "unclosed WKT"],
)
def test_what_says_the_same_otherwise_needs_no_note(geometry, expected):
    found = read_places([{"type": "Feature", "geometry": geometry}])
    assert wkts(found) == [expected]
    assert found.notes == ()


def test_a_list_that_makes_sense_only_swapped_is_refused_whole():
    swapped = [(38.5, -122.4), (36.5, -116.9), (20.0, 73.7)]
    with pytest.raises(PlaceError, match="latitude, longitude: write the longitude first"):
        read_places(swapped)


def test_one_swapped_point_among_good_ones_is_refused_alone():
    found = read_places([(10, 50), (38.5, -122.4), (11, 51)])
    assert [p.id for p in found] == ["1", "3"]
    assert "latitude, longitude" in str(found.problems[0])


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=6))
@settings(max_examples=60)
def test_every_pair_of_numbers_is_accepted_or_refused_by_itself(pairs):
    try:
        found = read_places([(0.5, 0.5), (0.5, 0.6), *pairs, (0.5, 0.7), (0.5, 0.8)])
    except PlaceError:
        return
    assert len(found) + len(found.problems) == len(pairs) + 4
    for place in found:
        assert abs(place.geometry.x) <= 180
        assert abs(place.geometry.y) <= 90


KEYS = ["type", "coordinates", "geometry", "geometries", "properties", "features", "crs", "id"]
KINDS = ["Feature", "FeatureCollection", "Point", "Polygon", "MultiPolygon", "GeometryCollection"]
documents = st.recursive(
    st.none() | st.floats() | st.integers(-200, 200) | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=30,
)


@given(documents)
@settings(max_examples=200)
def test_whatever_a_document_holds_it_is_places_or_a_place_error(document):
    try:
        found = read_places(document)
    except PlaceError:
        return
    assert all(place.geometry.is_valid and place.id for place in found)


# GeoJSON


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(collection(feature(SQUARE, id=1))),
        json.dumps([feature(SQUARE, id=1)]),
        json.dumps(feature(SQUARE, id=1)),
        json.dumps(shapely.geometry.mapping(SQUARE)),
        "\ufeff" + json.dumps(collection(feature(SQUARE, id=1))),
        json.dumps(feature(SQUARE, id=1)) + "\n",
        "\x1e" + json.dumps(feature(SQUARE, id=1), indent=1) + "\n",
    ],
    ids=["collection", "list", "feature", "geometry", "byte order mark", "line", "sequence"],
)
def test_geojson_in_its_many_forms(tmp_path, text):
    found = read_places(written(tmp_path / "x.geojson", text))
    assert [(p.id, p.geometry.wkt) for p in found] == [("1", SQUARE.wkt)]


def test_a_bad_line_of_a_sequence_costs_only_itself(tmp_path):
    lines = [json.dumps(feature(SQUARE)), "{broken}", json.dumps(feature(SQUARE))]
    found = read_places(written(tmp_path / "x.geojsonl", "\n".join(lines)))
    assert [p.id for p in found] == ["1", "3"]
    assert "no valid JSON" in str(found.problems[0])


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:EPSG::32631", "EPSG:32631"])
def test_the_legacy_crs_member_is_honoured(tmp_path, name):
    point = shapely.Point(500_000, 5_000_000)
    crs = {"type": "name", "properties": {"name": name}}
    text = json.dumps(collection(feature(point), crs=crs))
    found = read_places(written(tmp_path / "x.json", text))
    assert_allclose(found.places[0].geometry.coords, [(3, 45.153477)], atol=1e-6)


def test_a_crs_that_proj_does_not_know_is_named():
    crs = {"type": "name", "properties": {"name": "EPSG:999999"}}
    with pytest.raises(PlaceError, match="EPSG:999999"):
        read_places(collection(feature(SQUARE), crs=crs))
    with pytest.raises(OptionError, match="EPSG:999999"):
        read_places([SQUARE], crs="EPSG:999999")


def test_the_option_crs_is_for_sources_that_state_none():
    assert_allclose(
        read_places([(500_000, 5_000_000)], crs="EPSG:32631").places[0].geometry.x, 3, atol=1e-9
    )
    frame = geopandas.GeoSeries([shapely.Point(3, 45)], crs="EPSG:4326")
    assert read_places(frame, crs="EPSG:32631").places[0].geometry.x == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.geojson", ""),
        ("x.geojson", "{'type': 'Feature'}"),
        ("x.geojson", '{"type": "FeatureCollection", "features": 3}'),
        ("x.geojson", "3"),
        pytest.param("x.geojson", "[" * 100_000, id="endless nesting"),
        ("x.csv", ""),
        ("x.csv", "a,b\n1,2\n"),
        ("x.csv", "lon,lat\n"),
        ("x.parquet", "no parquet"),
        ("x.gpkg", "no geopackage"),
        ("x.shp", "no shapefile"),
        ("x.zip", "no zip"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, name, text):
    with pytest.raises(PlaceError, match=name):
        read_places(written(tmp_path / name, text))


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(PlaceError, match=r"nowhere\.geojson does not exist"):
        read_places("nowhere.geojson")


# Tables


@pytest.mark.parametrize(
    "text",
    [
        "id,lon,lat\na,1.5,2.25\n",
        "ID;Longitude;Latitude\na;1,5;2,25\n",
        "id\tLNG\tLat\na\t1.5\t2.25\n\n",
        'id,Long.,"Lat (deg)"\r\na,"1,5","2,25"\r\n',
        "id|x|y\na|1.5|2.25",
        "id,the_geom\na,POINT (1.5 2.25)\n",
        "id,wkt\na,SRID=4326;POINT (1.5 2.25)\n",
        f"id,geom\na,{shapely.to_wkb(shapely.Point(1.5, 2.25), hex=True)}\n",
        'id,.geo\na,"{""type"":""Point"",""coordinates"":[1.5,2.25]}"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_tables_in_their_many_forms(tmp_path, text, encoding):
    found = read_places(written(tmp_path / "x.csv", text, encoding))
    assert [(p.id, p.geometry.wkt) for p in found] == [("a", "POINT (1.5 2.25)")]


def test_names_survive_latin_1(tmp_path):
    path = written(tmp_path / "x.csv", "name,lon,lat\nLas Ánimas,1,2\n", "latin-1")
    assert read_places(path).places[0].name == "Las Ánimas"


def test_the_wkb_of_postgis_brings_its_own_crs(tmp_path):
    point = shapely.set_srid(shapely.Point(500_000, 5_000_000), 32631)
    text = f"geom\n{shapely.to_wkb(point, hex=True, include_srid=True)}\n"
    found = read_places(written(tmp_path / "x.csv", text))
    assert_allclose(found.places[0].geometry.coords, [(3, 45.153477)], atol=1e-6)


def test_eastings_need_the_option_crs(tmp_path):
    path = written(tmp_path / "x.csv", "Easting,Northing\n500000,5000000\n")
    with pytest.raises(PlaceError, match="option crs"):
        read_places(path)
    assert_allclose(read_places(path, crs="EPSG:32631").places[0].geometry.x, 3, atol=1e-9)


def test_bad_rows_of_a_table_cost_only_themselves(tmp_path):
    text = "name,lon,lat\na,1,2\nb,x,2\nc,,\nd,1,2,3\ne,1\nf,3,4\n"
    found = read_places(written(tmp_path / "x.csv", text))
    assert [(p.id, p.name) for p in found] == [("1", "a"), ("6", "f")]
    assert [p.row for p in found.problems] == [2, 3, 4, 5]
    assert "x.csv, place 4 ('d'): its line has more values" in str(found.problems[2])


def test_a_park_larger_than_the_csv_limit_is_read(tmp_path):
    park = shapely.Point(0, 0).buffer(1, quad_segs=3000)
    found = read_places(written(tmp_path / "x.csv", f'wkt\n"{park.wkt}"\n'))
    assert found.places[0].geometry.equals_exact(park, 1e-9)


def test_plain_parquet_is_a_table(tmp_path):
    frame = pd.DataFrame({"id": [1, 2], "lon": [1.5, np.nan], "lat": [2.0, 3.0]})
    frame.to_parquet(tmp_path / "x.parquet")
    found = read_places(tmp_path / "x.parquet")
    assert wkts(found) == ["POINT (1.5 2)"]
    assert found.problems[0].place_id == "2"


# Files of GDAL


def frame_of(*geometries, **columns) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(columns, geometry=list(geometries), crs="EPSG:4326")


@pytest.mark.parametrize("name", ["x.gpkg", "x.shp", "x.shp.zip", "x.fgb"])
def test_vector_files_are_read_with_their_properties(tmp_path, name):
    frame_of(SQUARE, crop=["vines"]).to_file(tmp_path / name)
    (place,) = read_places(tmp_path / name)
    assert place.geometry.equals(SQUARE)
    assert place.properties["crop"] == "vines"
    assert place.id == "1"


def test_the_first_layer_of_points_or_polygons_is_read_and_named(tmp_path):
    path = tmp_path / "x.gpkg"
    frame_of(shapely.LineString([(0, 0), (1, 1)])).to_file(path, layer="roads")
    frame_of(SQUARE).to_file(path, layer="fields")
    frame_of(shapely.Point(1, 2)).to_file(path, layer="wells")
    found = read_places(path)
    assert wkts(found) == [SQUARE.wkt]
    assert found.notes == ("x.gpkg, layer 'fields' is read, and not 'wells'",)


def test_a_file_of_lines_only_is_refused(tmp_path):
    frame_of(shapely.LineString([(0, 0), (1, 1)])).to_file(tmp_path / "x.gpkg")
    with pytest.raises(PlaceError, match="no layer of points or polygons"):
        read_places(tmp_path / "x.gpkg")


def test_the_extra_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fieldwren\[files\]"'):
        read_places(written(tmp_path / "x.gpkg", ""))


# Real parcels

PARCELS = {
    "french_fields.geojson": 7,
    "ca_dwr/ground-truth-test.geojson": 340,
    "ca_dwr/ground-truth-train.geojson": 221,
    "lem_brazil/LEM_dataset.shp": 1854,
    "fiboa/be_vlg_2024_fiboa_0_2.parquet": 100,
    "fiboa/br_ba_lem_LEM_dataset.zip": 100,
    "fiboa/ch_lwb_nutzungsflaechen_v2_0_lv95.gpkg": 100,
    "fiboa/dk_2024_fiboa_0_2.parquet": 93,  # seven blocks have two parcels each of one id
    "fiboa/dk_Marker_2026.zip": 100,
    "fiboa/es_cat_Cultius_DUN2023_GPKG.zip": 100,
    "fiboa/fi_LandUse.ExistingLandUse.GSAAAgriculturalParcel.gpkg": 100,
    "fiboa/india_10k_india_10k.zip": 100,
    "fiboa/it_1_iti1_2023.parquet": 100,
    "fiboa/jp_jp_field_polygons_2024.parquet": 100,
    "fiboa/nl_brpgewaspercelen_definitief_2023.gpkg": 100,
    "fiboa/us_ca_scm_i15_crop_mapping_2023_provisional_20241127.gdb.zip": 100,
}


def as_geopandas_reads(path) -> geopandas.GeoDataFrame:
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    if path.parent.name == "ca_dwr":  # a bare list of features, which GDAL does not know
        return geopandas.GeoDataFrame.from_features(json.loads(path.read_text()), crs="EPSG:4326")
    return geopandas.read_file(path)


@pytest.mark.filterwarnings("ignore:Measured:UserWarning", "ignore:More than one layer:UserWarning")
@pytest.mark.parametrize("name", PARCELS)
def test_real_parcels_are_where_geopandas_sees_them(shared_data, name):
    path = shared_data / "parcels" / name
    found = read_places(path)
    assert len(found) == PARCELS[name]
    assert len({place.id for place in found}) == len(found)
    refused = {problem.row for problem in found.problems}
    frame = as_geopandas_reads(path).to_crs("OGC:CRS84")
    expected = [g for row, g in enumerate(frame.geometry, start=1) if row not in refused]
    assert len(expected) == len(found)
    for place, geometry in zip(found, expected, strict=True):
        flat = shapely.force_2d(geometry)
        assert place.geometry.is_valid
        if flat.is_valid:
            assert place.geometry.equals_exact(flat, 1e-11)
        else:
            assert place.geometry.area == pytest.approx(shapely.make_valid(flat).area)
