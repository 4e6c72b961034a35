"""STAC APIs → STAC items: one search per cluster of places, every page of it, with retries."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from fieldwren.archive.catalogs import items_of_documents, own_location
from fieldwren.archive.sensors import ARCHIVES, COLLECTIONS
from fieldwren.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO

    from fieldwren.archive.catalogs import Found, Note
    from fieldwren.archive.query import Query
    from fieldwren.archive.sensors import Source
    from fieldwren.geometry import Box

__all__ = ["items_of_api"]

PAGE: Final = 250
"""Items of one page; as many as the public servers like to give."""
MAX_ITEMS: Final = 200_000
"""Of one search."""
TIMEOUT: Final = (10.0, 60.0)
"""Seconds for the connection, and for an answer."""
TRIES: Final = 6
"""Of one request."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries, whatever the server asks for."""
_SEARCHES: Final = 4
"""At the same time; servers ban those who send many."""
_Items = list[dict[str, Any]]
_Link = tuple[str, str]
"""URL and method of a search."""


def items_of_api(source: Source, query: Query, note: Note) -> Iterator[Found]:
    """The items of a STAC API, found with one search per box of the query.

    The same item may come more than once. Where the URL turns out to be a catalog without search,
    its documents are read instead.

    Raises:
        ArchiveError: The API cannot be reached, refuses, or answers in no known form.
    """
    with _talking_to(source) as io:
        link = _search_link(io.read_json(source.href))
        if link:
            query = replace(query, collections=query.collections or _collections(io, source))
    if link is None:
        yield from items_of_documents(replace(source, kind="document"), query, note)
        return
    search = functools.partial(_search, source, link, query)
    pool = ThreadPoolExecutor(_SEARCHES)
    try:
        for items, trouble in pool.map(search, query.boxes):
            if trouble:
                note(source.name, trouble)
            yield from ((item, own_location(item) or source.href) for item in items)
    finally:
        pool.shutdown(cancel_futures=True)


def _search_link(landing: dict[str, Any]) -> _Link | None:
    """By POST where the API can: a GET is bounded in length."""
    links = [link for link in landing["links"] if link.get("rel") == "search"]
    links.sort(key=lambda link: link.get("method") != "POST")
    return (links[0]["href"], links[0].get("method", "GET")) if links else None


def _collections(io: StacApiIO, source: Source) -> tuple[str, ...]:
    """What an API has of the sensor."""
    pages = islice(io.get_pages(source.href.rstrip("/") + "/collections"), 100)
    there = [str(c["id"]) for page in pages for c in page.get("collections", ())]
    known = {i for c in COLLECTIONS if c.sensor == source.sensor and not c.unusable for i in c.ids}
    if wanted := tuple(i for i in there if i in known):
        return wanted
    raise ArchiveError(
        f"{source.name}: has no {source.sensor} collection that fieldwren knows; name one with"
        f" --collection, of {', '.join(there[:20]) or 'none'}"
    )


def _search(source: Source, link: _Link, query: Query, box: Box) -> tuple[_Items, str]:
    """All items of one search, and what was wrong with the answers, if anything."""
    from pystac_client.item_search import ItemSearch  # noqa: PLC0415 - heavy, only needed here

    found: dict[tuple[object, object], dict[str, Any]] = {}
    with _talking_to(source) as io:
        search = ItemSearch(
            link[0],
            method=link[1],
            stac_io=io,
            limit=PAGE,
            bbox=box,
            datetime=query.rfc3339,
            collections=list(query.collections),
        )
        for page in search.pages_as_dicts():
            before = len(found)
            items = (item for item in page["features"] if isinstance(item, dict))
            found |= {(item.get("collection"), item.get("id")): item for item in items}
            if len(found) == before:
                return list(found.values()), "gives the same page again; scenes may be missing"
            if len(found) > MAX_ITEMS:
                return list(found.values()), f"has over {MAX_ITEMS} scenes here; some are left out"
    return list(found.values()), ""


@contextmanager
def _talking_to(source: Source) -> Generator[StacApiIO]:
    """A session that repeats what fails in passing, and errors in our words."""
    from pystac_client.exceptions import APIError  # noqa: PLC0415 - heavy, only needed here
    from pystac_client.stac_api_io import StacApiIO  # noqa: PLC0415
    from urllib3 import Retry  # noqa: PLC0415

    retries = Retry(
        total=TRIES - 1,
        connect=2,
        backoff_factor=0.5,
        backoff_jitter=0.5,
        backoff_max=LONGEST_PAUSE,
        status_forcelist=(408, 425, 429, 500, 502, 503, 504),
        allowed_methods=None,  # a search is a POST, and safe to repeat
        respect_retry_after_header=False,  # it may ask for hours
    )
    io = StacApiIO(timeout=TIMEOUT, max_retries=retries)
    try:
        yield io
    except APIError as error:
        raise ArchiveError(f"{source.name}: {_what(error)}{_elsewhere(source)}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArchiveError(
            f"{source.name}: does not answer as a STAC API should ({type(error).__name__}); check"
            " --archive"
        ) from error
    finally:
        io.session.close()


def _what(error: APIError) -> str:
    """What went wrong. The words of the libraries are not repeated: they may hold a query."""
    import requests  # noqa: PLC0415 - heavy, only needed here

    status = getattr(error, "status_code", None)
    if status in {401, 403}:
        return f"the archive refuses to be searched ({status}); try again later"
    if status == 404:
        return "there is no STAC API at this address (404); check --archive"
    if status:
        return f"the archive answered {status} ({str(error)[:200]}); check --collection and dates"
    match error.__context__:
        case requests.exceptions.RetryError():
            return f"the archive failed {TRIES} times; try again later"
        case requests.exceptions.ReadTimeout():
            return f"the archive did not answer in {TIMEOUT[1]:g} s; try again later"
        case _:
            return "the archive cannot be reached; check --archive and the network"


def _elsewhere(source: Source) -> str:
    """Advice: who else has the sensor."""
    others = [n for n, a in ARCHIVES.items() if source.sensor in a.offers and n != source.name]
    return f", or use --archive {' or '.join(others)}" if source.name in ARCHIVES and others else ""
