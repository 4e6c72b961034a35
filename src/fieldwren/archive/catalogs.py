"""Documents → STAC items: static catalogs, item collections, folders of items, stac-geoparquet.

Documents are untrusted: how many are read, how large and how deep they are is bounded, links in
circles are followed once, and a document from elsewhere cannot name files of this machine. One that
cannot be used costs only itself.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import shapely

from fieldwren.archive.access import read_bytes
from fieldwren.archive.items import resolve_href
from fieldwren.archive.query import outside
from fieldwren.errors import ArchiveError, ReadError, public_href

if TYPE_CHECKING:
    import pyarrow as pa

    from fieldwren.archive.bands import Json
    from fieldwren.archive.query import Query
    from fieldwren.archive.sensors import Source

__all__ = ["Found", "Note", "items_of_documents", "items_of_parquet", "own_location"]

Found = tuple["Json", str]
"""An item, and where relative hrefs in it start."""
Note = Callable[[str, str], None]
"""Takes notice of what is wrong: name of the item or document, and reason."""

MAX_BYTES: Final = 2**28
"""Of one JSON document (256 MiB, about 10,000 items)."""
MAX_DOCUMENTS: Final = 200_000
"""In one catalog."""
MAX_DEPTH: Final = 32
"""Levels of one catalog."""
_AT_ONCE: Final = 16
"""Documents read at the same time."""
_SUFFIXES: Final = (".json", ".geojson", ".ndjson", ".jsonl")


def items_of_documents(source: Source, query: Query, note: Note) -> Iterator[Found]:
    """The items of a static catalog, an item collection, lines of items, or a folder of them.

    Raises:
        ArchiveError: The first document cannot be read.
    """
    level = _entries(source)
    seen = set(level)
    for _ in range(MAX_DEPTH):
        links: list[str] = []
        for href, values in _load_all(level, source, note, must=len(seen) == 1):
            for value in values:
                yield from _items(value, href)
                links += _links(value, href, query, note)
        level = [h for h in dict.fromkeys(links) if h not in seen][: MAX_DOCUMENTS - len(seen)]
        seen.update(level)
        if not level:
            break
    else:
        note(source.name, f"has more than {MAX_DEPTH} levels; what lies deeper was not read")
    if len(seen) >= MAX_DOCUMENTS:
        note(source.name, f"has more than {MAX_DOCUMENTS} documents; the others were not read")


def _entries(source: Source) -> list[str]:
    """Where to begin: in a folder at its catalog, else with every document in it."""
    folder = Path(source.href)
    if not source.local or not folder.is_dir():
        return [source.href]
    for name in ("catalog.json", "collection.json"):
        if (folder / name).is_file():
            return [str(folder / name)]
    found = sorted(str(p) for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if not found:
        raise ArchiveError(f"{source.href}: the folder holds no catalog.json and no STAC items")
    return found[:MAX_DOCUMENTS]


def _load_all(
    hrefs: Sequence[str], source: Source, note: Note, *, must: bool
) -> Iterator[tuple[str, list[Any]]]:
    """What documents hold, in order; a few at a time, so that memory stays bounded."""
    load = functools.partial(_load, local_allowed=source.local)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(0, len(hrefs), 8 * _AT_ONCE):
            part = hrefs[start : start + 8 * _AT_ONCE]
            for href, loaded in zip(part, pool.map(load, part), strict=True):
                if not isinstance(loaded, str):
                    yield href, loaded
                elif must:
                    raise ArchiveError(f"{public_href(href)}: {loaded}; check --archive")
                else:
                    note(public_href(href), loaded)


def _load(href: str, *, local_allowed: bool) -> list[Any] | str:
    """What a document holds, one JSON value or one a line; or what is wrong with it."""
    try:
        if local_allowed and "://" not in href:
            data = Path(href).read_bytes()
        else:
            data = read_bytes(href, local_allowed=local_allowed)
    except ReadError as error:
        return str(error).removeprefix(f"{public_href(href)}: ")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if len(data) > MAX_BYTES:
        return f"is larger than {MAX_BYTES >> 20} MiB, which no catalog should be"
    try:
        values = _parse(data)
    except (ValueError, RecursionError):
        return "is not JSON"
    return values if any(map(_is_stac, values)) else "is no STAC item, item collection or catalog"


def _parse(data: bytes) -> list[Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return [json.loads(line) for line in data.splitlines() if line.strip()]
    return value if isinstance(value, list) else [value]


def _is_stac(value: Any) -> bool:
    return isinstance(value, Mapping) and (
        value.get("type") in {"Feature", "FeatureCollection"} or "stac_version" in value
    )


def _items(value: Any, href: str) -> Iterator[Found]:
    if not _is_stac(value):
        return
    if isinstance(features := value.get("features"), list):
        yield from ((f, own_location(f) or href) for f in features if isinstance(f, Mapping))
    elif value.get("type") == "Feature":
        yield value, href


def own_location(item: Json) -> str | None:
    """The URL from which an item says it comes; None if it does not."""
    links = item.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") == "self":
            href = str(link.get("href"))
            return href if "://" in href and not href.startswith("file:") else None
    return None


def _links(value: Any, href: str, query: Query, note: Note) -> Iterator[str]:
    """The documents under a catalog or collection, unless its extent or id rules them out."""
    if not _is_stac(value) or str(value.get("type")).startswith("Feature"):
        return
    wanted = {"child", "item"}
    if "extent" in value:
        if outside(value["extent"], query):
            return
        if query.collections and value.get("id") not in query.collections:
            wanted = {"child"}
    links = value.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") in wanted:
            try:
                yield resolve_href(str(link.get("href")), href)
            except ValueError as error:
                note(public_href(href), str(error))


def items_of_parquet(source: Source, query: Query) -> Iterator[Found]:
    """The items of a stac-geoparquet file that may be wanted.

    Raises:
        ArchiveError: The file cannot be read.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only needed here
    import pyarrow.dataset  # noqa: PLC0415

    try:
        if source.local:
            file: Any = pa.memory_map(source.href)
        else:
            file = pa.BufferReader(read_bytes(source.href, local_allowed=False))
        with file:
            fragment = pyarrow.dataset.ParquetFileFormat().make_fragment(file)
            wanted = _filter(fragment.physical_schema, query)
            for batch in fragment.to_batches(filter=wanted, batch_size=512):
                for row in batch.to_pylist():
                    item = _item_of_row(row)
                    yield item, own_location(item) or source.href
    except (OSError, ValueError, ReadError) as error:  # pyarrow's errors are either of the first
        raise ArchiveError(f"{source.name}: cannot be read as stac-geoparquet ({error})") from error


def _filter(schema: pa.Schema, query: Query) -> Any:
    """The query as an expression over the columns that there are; None where it rules out nothing.

    A missing time or bbox rules out nothing either.
    """
    import pyarrow as pa  # noqa: PLC0415 - see above
    from pyarrow.compute import field  # noqa: PLC0415

    conditions: list[Any] = []
    if "datetime" in schema.names and pa.types.is_timestamp(schema.field("datetime").type):
        when = field("datetime")
        if query.start:
            conditions.append((when >= query.start) | when.is_null())
        if query.end:
            conditions.append((when <= query.end) | when.is_null())
    if "bbox" in schema.names and pa.types.is_struct(schema.field("bbox").type):
        west, south, east, north = (field("bbox", n) for n in ("xmin", "ymin", "xmax", "ymax"))
        meets = [
            (west <= b[2]) & (b[0] <= east) & (south <= b[3]) & (b[1] <= north) for b in query.boxes
        ]
        conditions.append(functools.reduce(operator.or_, meets, (west > east) | west.is_null()))
    if query.collections and "collection" in schema.names:
        conditions.append(field("collection").isin(query.collections))
    return functools.reduce(operator.and_, conditions) if conditions else None


_TOP: Final = ("type", "stac_version", "stac_extensions", "id", "collection", "links")


def _item_of_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row as an item: its properties are columns of their own, and what it lacks is null."""
    row = _without_nulls(row)
    geometry, bbox, assets = row.pop("geometry", None), row.pop("bbox", None), row.pop("assets", {})
    item = {name: row.pop(name) for name in _TOP if name in row}
    if isinstance(geometry, bytes):
        geometry = shapely.geometry.mapping(shapely.from_wkb(geometry))
    if isinstance(bbox, dict):
        bbox = [bbox.get(name) for name in ("xmin", "ymin", "xmax", "ymax")]
    properties = row.pop("properties", {}) | row
    return item | {
        "geometry": geometry,
        "bbox": bbox,
        "assets": json.loads(assets) if isinstance(assets, str) else assets,
        "properties": properties,
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
