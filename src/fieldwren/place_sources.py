"""A source of places, whatever it is, becomes rows: geometry, properties, coordinate system.

Nothing is judged here but whether a geometry can be understood; :mod:`fieldwren.places` does the
rest. A row that cannot be understood carries the reason and costs no other.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from fieldwren.errors import MissingExtraError, PlaceError
from fieldwren.model import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Row", "Source", "Table", "as_text", "read_source"]

Source = str | os.PathLike[str] | Place | BaseGeometry | Mapping[str, Any] | Iterable[Any]
"""What :func:`fieldwren.read_places` reads."""

_GEOMETRY = ("wkt", "geometry", "geom", "thegeom", "wkb", "wkbgeometry", "geo", "geojson")
_X = (
    "lon",
    "lng",
    "long",
    "longitude",
    "longitud",
    "x",
    "easting",
    "east",
    "pointx",
    "xcoord",
    "laenge",
    "länge",
    "laengengrad",
    "längengrad",
    "rechtswert",
)
_Y = (
    "lat",
    "latitude",
    "latitud",
    "y",
    "northing",
    "north",
    "pointy",
    "ycoord",
    "breite",
    "breitengrad",
    "hochwert",
)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_POINT = re.compile(rf"(?:(?P<name>.*\S)\s*=)?\s*(?P<x>{_NUMBER})\s*,\s*(?P<y>{_NUMBER})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One place as its source has it."""

    number: int
    """Counted from 1."""
    geometry: BaseGeometry | None = None
    """As it is written; nothing is checked yet."""
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """All else, by name."""
    id: object = None
    """The feature's own id, which is not one of its properties."""
    crs: str | None = None
    """As the source states it; None: it does not."""
    fault: str | None = None
    """Why its geometry cannot be understood: a sentence whose subject is the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A whole source."""

    label: str
    """What messages about its rows start with: "" or "fields.csv, "."""
    rows: Sequence[Row]
    """In the order of the source."""
    notes: tuple[str, ...] = ()
    """What was chosen."""


class _UnreadableError(Exception):
    """Why a source or a geometry cannot be understood."""


def as_text(value: object) -> str:
    """A cell as text: "" for None and NaN; a whole number that a table holds as 7.0 is "7"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def read_source(source: Source) -> Table:
    """Read any source of places.

    Raises:
        PlaceError: the source as a whole cannot be understood.
        MissingExtraError: its format needs the extra "files".
    """
    if isinstance(source, str) and _POINT.fullmatch(source):
        source = [source]
    if isinstance(source, (str, os.PathLike)):
        return _from_file(Path(source))
    try:
        return Table(label="", rows=_from_object(source))
    except _UnreadableError as error:
        raise PlaceError(
            f"places cannot be read from a {type(source).__name__}: {error}"
        ) from error


def _from_object(source: Any) -> list[Row]:
    if hasattr(source, "geometry") and hasattr(source, "crs"):
        return _from_frame(source)
    if isinstance(source, (Place, BaseGeometry)) or _is_pair(source):
        return [_item(1, source)]
    if hasattr(source, "columns") and hasattr(source, "to_dict"):  # a plain DataFrame
        columns = _columns(source.columns)
        records = enumerate(source.to_dict("records"), start=1)
        return [_record(number, record, columns) for number, record in records]
    source = getattr(source, "__geo_interface__", source)
    if isinstance(source, Mapping):
        return _from_json(source)
    if not isinstance(source, Iterable):
        raise _UnreadableError("give a file, a list of places or a GeoDataFrame")
    return [_item(number, item) for number, item in enumerate(source, start=1)]


def _from_file(path: Path) -> Table:
    if not path.exists():
        raise PlaceError(
            f"the file {path} does not exist (a point is written lon,lat or Name=lon,lat)"
        )
    label = f"{path.name}, "
    suffix = path.suffix.lower()
    try:
        if suffix in {".geojson", ".json", ".geojsonl", ".geojsons", ".ndjson", ".jsonl"}:
            return Table(label=label, rows=_from_json_text(_decoded(path)))
        if suffix in {".csv", ".tsv", ".txt"}:
            return Table(label=label, rows=_from_csv(_decoded(path)))
        if suffix in {".parquet", ".geoparquet", ".pq"}:
            return Table(label=label, rows=_from_parquet(path))
        return _from_gdal(path, label)
    except (_UnreadableError, OSError, csv.Error, RecursionError) as error:
        raise PlaceError(f"the file {path} cannot be read as places: {error}") from error


def _decoded(path: Path) -> str:
    """A text file in UTF-8 with or without mark, else in Latin 1."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) in {2, 3}
        and all(isinstance(number, Real) for number in value)
    )


def _item(number: int, item: object, *, crs: str | None = None) -> Row:
    """One of a list of places: Place, geometry, pair, text, feature, or row of a table."""
    if isinstance(item, Place):
        named = {**item.properties, "id": item.id, "name": item.name}
        return Row(number=number, geometry=item.geometry, properties=named)
    if isinstance(item, str):
        return _spoken(number, item)
    if isinstance(item, BaseGeometry):
        return _row(number, item, {}, crs=crs)
    if _is_pair(item):
        return _row(number, {"type": "Point", "coordinates": item}, {}, crs=crs)
    item = getattr(item, "__geo_interface__", item)
    if isinstance(item, Mapping):
        return _described(number, item, crs=crs)
    return Row(number=number, fault=f"a {type(item).__name__} is no place: see read_places")


def _described(number: int, item: Mapping[str, Any], *, crs: str | None) -> Row:
    """A GeoJSON feature or geometry, or a row of a table."""
    if item.get("type") == "Feature":
        properties = _mapping(item.get("properties"))
        return _row(number, item.get("geometry"), properties, id=item.get("id"), crs=crs)
    if "coordinates" in item or "geometries" in item:
        return _row(number, item, {}, crs=crs)
    try:
        return _record(number, item, _columns(item))
    except _UnreadableError as error:
        return Row(number=number, properties=item, fault=str(error))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _spoken(number: int, text: str) -> Row:
    found = _POINT.fullmatch(text)
    if not found:
        return Row(number=number, fault=f"{text[:60]!r} is not lon,lat or Name=lon,lat")
    properties = {"id": found["name"]} if found["name"] else {}
    point = shapely.Point(float(found["x"]), float(found["y"]))
    return Row(number=number, geometry=point, properties=properties)


def _row(
    number: int,
    geometry: object,
    properties: Mapping[str, Any],
    *,
    id: object = None,  # noqa: A002 - it is what the row's field is called
    crs: str | None = None,
) -> Row:
    """A row whose geometry is still to be understood."""
    try:
        parsed, stated = _parse(geometry)
    except _UnreadableError as error:
        return Row(number=number, properties=properties, id=id, fault=str(error))
    return Row(number=number, geometry=parsed, properties=properties, id=id, crs=stated or crs)


def _parse(value: Any) -> tuple[BaseGeometry | None, str | None]:
    """Understand WKB, WKT, GeoJSON or a geometry; and its coordinate system, if it states one."""
    if not value or isinstance(value, float):  # NaN is what pandas has for nothing
        return None, None
    crs = None
    try:
        if isinstance(value, str):
            stated = re.match(r"\s*SRID=(\d+);", value, re.IGNORECASE)
            if stated:
                crs, value = f"EPSG:{stated[1]}", value[stated.end() :]
            value = _decode(value.strip())
        if isinstance(value, bytes):
            value = shapely.from_wkb(value, on_invalid="fix")
        elif isinstance(value, Mapping):
            with np.errstate(invalid="ignore"):  # NaN coordinates are found later
                value = shape(dict(value))
    except (ShapelyError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _UnreadableError(f"its geometry cannot be understood: {error}") from error
    if not isinstance(value, BaseGeometry):
        raise _UnreadableError("its geometry is no valid GeoJSON, WKT or WKB")
    srid = int(shapely.get_srid(value))
    return value, f"EPSG:{srid}" if srid else crs


def _decode(text: str) -> object:
    """GeoJSON text to a mapping, hexadecimal WKB to bytes, WKT to a geometry (None if invalid)."""
    if text.startswith("{"):
        return json.loads(text)
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text)
    return shapely.from_wkt(text, on_invalid="fix")


def _from_json_text(text: str) -> list[Row]:
    """GeoJSON, or a sequence of texts separated by lines or record separators."""
    try:
        return _from_json(json.loads(text))
    except json.JSONDecodeError as error:
        marked = "\x1e" in text
        lines = [line for line in text.split("\x1e" if marked else "\n") if line.strip()]
        if not marked and (len(lines) < 2 or not lines[0].rstrip().endswith("}")):
            raise _UnreadableError(f"it is no valid JSON ({error})") from error
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_item(number, json.loads(line)))
        except json.JSONDecodeError as error:
            rows.append(Row(number=number, fault=f"its line is no valid JSON ({error})"))
    return rows


def _from_json(document: object) -> list[Row]:
    """A FeatureCollection, Feature or geometry, or a list of these."""
    items = document if isinstance(document, list) else [document]
    document = _mapping(document)
    # Superseded by RFC 7946 but still written: {"properties": {"name": "urn:ogc:def:crs:..."}}.
    stated = _mapping(_mapping(document.get("crs")).get("properties")).get("name")
    crs = str(stated) if stated else None
    if document.get("type") == "FeatureCollection":
        items = document.get("features")
        if not isinstance(items, list):
            raise _UnreadableError("its FeatureCollection has no list of features")
    return [_item(i, item, crs=crs) for i, item in enumerate(items, start=1)]


def _columns(header: Iterable[str]) -> tuple[str, ...]:
    """The column that holds the geometry, or the two that hold x and y."""
    names = {re.sub(r"\(.*\)|[^a-z]", "", str(name).lower()): name for name in header}
    for wanted in _GEOMETRY:
        if wanted in names:
            return (names[wanted],)
    x, y = (next((names[name] for name in known if name in names), None) for known in (_X, _Y))
    if x is not None and y is not None:
        return x, y
    raise _UnreadableError(
        "it has no columns lon and lat, and none called wkt or geometry: "
        f"its columns are {', '.join(map(repr, header))[:300]}"
    )


def _record(number: int, record: Mapping[str, Any], columns: tuple[str, ...]) -> Row:
    """One row of a table; see :func:`_columns`."""
    properties = {key: value for key, value in record.items() if key not in columns}
    values = [record.get(column) for column in columns]
    if len(values) == 1:
        return _row(number, values[0], properties)
    if not all(map(as_text, values)):
        return Row(number=number, properties=properties)
    try:
        point = shapely.points([_float(value) for value in values])
    except ValueError as error:
        return Row(number=number, properties=properties, fault=f"{error}: correct it")
    return Row(number=number, geometry=point, properties=properties)


def _float(value: object) -> float:
    """A number with a decimal point or comma."""
    text = as_text(value)
    return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)


def _from_csv(text: str) -> list[Row]:
    """A table whose first line names its columns; separated by comma, semicolon, tab or bar."""
    csv.field_size_limit(2**31 - 1)  # the default, 128 KiB, is less than the WKT of a large park
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=first.count))
    header = [name.strip() for name in next(lines, [])]
    columns = _columns(header)
    rows: list[Row] = []
    for number, line in enumerate((line for line in lines if any(line)), start=1):
        record = dict(zip(header, line, strict=False))
        if any(line[len(header) :]):
            fault = "its line has more values than there are columns: quote those with commas"
            rows.append(Row(number=number, properties=record, fault=fault))
        else:
            rows.append(_record(number, record, columns))
    return rows


def _from_parquet(path: Path) -> list[Row]:
    """GeoParquet with WKB geometries, or a plain table as in a CSV file."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and other sources do without
    import pyarrow.parquet as pq  # noqa: PLC0415 - likewise

    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise _UnreadableError(str(error)) from error
    metadata = (table.schema.metadata or {}).get(b"geo")
    if metadata is None:
        columns = _columns(table.column_names)
        return [_record(i, record, columns) for i, record in enumerate(table.to_pylist(), start=1)]
    try:
        geo = json.loads(metadata)
        column = geo["primary_column"]
        encoding, crs = (geo["columns"][column].get(k) for k in ("encoding", "crs"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _UnreadableError("its GeoParquet metadata are damaged") from error
    if encoding != "WKB":
        raise _UnreadableError(f"its geometries are encoded as {encoding}: write them as WKB")
    crs = json.dumps(crs) if crs else None
    return [
        _row(i, record.pop(column, None), record, crs=crs)
        for i, record in enumerate(table.to_pylist(), start=1)
    ]


def _from_frame(frame: Any) -> list[Row]:
    """A GeoDataFrame or GeoSeries; text labels of the index are ids."""
    shapes = frame.geometry
    crs = frame.crs.to_wkt() if frame.crs is not None else None
    if hasattr(frame, "columns"):
        records = frame.drop(columns=shapes.name).to_dict("records")
    else:
        records = [{} for _ in range(len(shapes))]
    labels = (label if isinstance(label, str) else None for label in shapes.index)
    rows = zip(shapes.to_numpy(), records, labels, strict=True)
    return [
        _row(number, geometry, properties, id=label, crs=crs)
        for number, (geometry, properties, label) in enumerate(rows, start=1)
    ]


def _from_gdal(path: Path, label: str) -> Table:
    """The first layer of points or polygons of any vector file that GDAL reads."""
    try:
        import pyogrio  # noqa: PLC0415 - an optional extra
        import pyogrio.errors  # noqa: PLC0415 - likewise
        import pyogrio.raw  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise MissingExtraError(f"reading {path.name}", "files") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that M coordinates are dropped
            kinds = pyogrio.list_layers(path).tolist()
            layers = [name for name, kind in kinds if kind and "Line" not in kind]
            if not layers:
                raise _UnreadableError("it has no layer of points or polygons")
            numbered = pyogrio.read_info(path, layer=layers[0]).get("fid_column")
            meta, fids, shapes, columns = pyogrio.raw.read(
                path, layer=layers[0], force_2d=True, return_fids=True, datetime_as_string=True
            )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise _UnreadableError(str(error)) from error
    names = ["", *meta["fields"].tolist()]
    rows: list[Row] = []
    table = zip(shapes, fids.tolist(), *(column.tolist() for column in columns), strict=True)
    for number, (geometry, *values) in enumerate(table, start=1):
        properties = dict(zip(names, values, strict=True))
        fid = properties.pop("")
        rows.append(
            _row(number, geometry, properties, id=fid if numbered else None, crs=meta["crs"])
        )
    choice = f"{label}layer {layers[0]!r} is read, and not {', '.join(map(repr, layers[1:]))}"
    return Table(label=label, rows=rows, notes=(choice,) if len(layers) > 1 else ())
