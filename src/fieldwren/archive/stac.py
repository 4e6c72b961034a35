"""Places and dates → the scenes that an archive lists of them, whatever kind of catalog it has."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
import shapely

from fieldwren.archive.api import items_of_api
from fieldwren.archive.catalogs import items_of_documents, items_of_parquet
from fieldwren.archive.items import doubt, scene_from_item
from fieldwren.archive.query import Moment, Query, interval
from fieldwren.geometry import clusters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fieldwren.archive.catalogs import Found, Note
    from fieldwren.archive.sensors import Source
    from fieldwren.model import Place, Scene

__all__ = ["SearchResult", "interval", "search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found."""

    source: Source
    """Where it was looked for."""
    scenes: tuple[Scene, ...]
    """By time, then by id."""
    problems: tuple[str, ...]
    """Sentences about items that could not be used, or that are doubtful; one per reason."""

    def __repr__(self) -> str:
        return f"<SearchResult: {len(self.scenes)} scenes of {self.source.name}>"


def search(
    source: Source,
    places: Sequence[Place],
    *,
    since: Moment = None,
    until: Moment = None,
    collections: Sequence[str] = (),
    on_progress: Callable[[int], object] | None = None,
) -> SearchResult:
    """Find the scenes near places. Cloudy ones too: what is left out is decided later.

    Args:
        source: Where to look, from :func:`fieldwren.archive.sensors.resolve_archive`.
        places: At least one.
        since: First moment; a year, month or day means from its beginning.
        until: Last moment; a year, month or day means to its end.
        collections: Ids to search instead of those of the source.
        on_progress: Is told how many scenes have been found so far.

    Raises:
        OptionError: A date is none.
        ArchiveError: The catalog cannot be read or searched.
    """
    start, end = interval(since, until)
    wanted = tuple(collections) or source.collections
    query = Query(boxes=clusters(places), start=start, end=end, collections=wanted)
    problems = _Problems()
    found: dict[tuple[str, str], Scene] = {}
    for item, base_href in _items(source, query, problems.note):
        scene = _scene(item, source, base_href, problems.note)
        if scene and query.wants(scene.datetime) and (not wanted or scene.collection in wanted):
            first = found.setdefault((scene.collection, scene.id), scene)
            if first.assets != scene.assets:
                problems.note(scene.id, "is listed twice with different files; the first counts")
            if on_progress:
                on_progress(len(found))
    scenes = _near(list(found.values()), query)
    return SearchResult(
        source=source,
        scenes=tuple(sorted(scenes, key=lambda s: (s.datetime, s.id, s.collection))),
        problems=problems.sentences(),
    )


def _items(source: Source, query: Query, note: Note) -> Iterator[Found]:
    match source.kind:
        case "api":
            return items_of_api(source, query, note)
        case "document" | "demo":
            return items_of_documents(source, query, note)
        case "geoparquet":
            return items_of_parquet(source, query)
        case _:
            assert_never(source.kind)


def _scene(item: Any, source: Source, base_href: str, note: Note) -> Scene | None:
    try:
        scene = scene_from_item(item, source=source, base_href=base_href)
    except ValueError as error:
        note(str(item.get("id", "an item without id")), str(error))
        return None
    if concern := doubt(item, scene):
        note(scene.id, concern)
    return scene


def _near(scenes: list[Scene], query: Query) -> list[Scene]:
    """The scenes whose footprint meets a box of the query."""
    area = shapely.union_all([shapely.box(*box) for box in query.boxes])
    shapely.prepare(area)
    footprints = np.array([scene.footprint for scene in scenes], dtype=object)
    return [s for s, near in zip(scenes, shapely.intersects(area, footprints), strict=True) if near]


class _Problems:
    """Collects what is wrong, so that one reason makes one sentence however often it occurs."""

    def __init__(self) -> None:
        self._names: defaultdict[str, list[str]] = defaultdict(list)

    def note(self, name: str, reason: str) -> None:
        self._names[reason].append(name)

    def sentences(self) -> tuple[str, ...]:
        return tuple(
            f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {reason}"
            for reason, names in self._names.items()
        )
