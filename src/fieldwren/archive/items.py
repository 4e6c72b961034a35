"""A STAC item, of any version and catalog → a :class:`Scene`. Pure: nothing is read.

An item is untrusted and may be wrong. What a product is comes from the table in ``sensors``; what
the item states of it otherwise is noticed (:func:`doubt`).
"""

from __future__ import annotations

import json
import os.path
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import shapely
from shapely.errors import ShapelyError

from fieldwren.archive.bands import (
    believable,
    find_bands,
    number,
    quality_encoding,
    stated_numbers,
    table_numbers,
)
from fieldwren.archive.sensors import LOGIN_NEEDED, identify
from fieldwren.archive.stores import ACCESS, locate
from fieldwren.errors import OptionError, ReadError
from fieldwren.geometry import is_crs, polygonal, split_antimeridian
from fieldwren.model import Asset, Scene

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shapely.geometry.base import BaseGeometry

    from fieldwren.archive.bands import Json
    from fieldwren.archive.sensors import Collection, Source

    Resolve = Callable[[str], str]

__all__ = ["doubt", "resolve_href", "same_acquisition_key", "scene_from_item"]

_PRODUCT_NAMES: Final = ("s2:product_uri", "sentinel:product_id")
_BASELINE: Final = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
_PROCESSED: Final = (
    "landsat:product_generated",
    "s2:generation_time",
    "processing:datetime",
    "created",
)
_TILE: Final[tuple[tuple[tuple[str, int], ...], ...]] = (
    (("landsat:wrs_path", 3), ("landsat:wrs_row", 3)),
    (("s2:mgrs_tile", 5),),
    (("mgrs:utm_zone", 2), ("mgrs:latitude_band", 1), ("mgrs:grid_square", 2)),
    (("sentinel:utm_zone", 2), ("sentinel:latitude_band", 1), ("sentinel:grid_square", 2)),
)
"""Properties, with their widths, that make a tile when put together."""

_PICTURES: Final = ("thumbnail", "rendered_preview", "preview", "overview")
_BLOB_HOST: Final = ".blob.core.windows.net/"


def scene_from_item(item: Json, *, source: Source, base_href: str) -> Scene:
    """What fieldwren needs of a STAC item of version 0.6 to 1.1.

    Args:
        item: The item as parsed JSON.
        source: Where it was found.
        base_href: Where it was read from; relative hrefs start there.

    Raises:
        ValueError: The item cannot be used; the text says why and does not repeat its id.
    """
    try:
        return _scene(item, source, base_href)
    except KeyError as error:
        raise ValueError(f"it has no {error.args[0]}") from error
    except (IndexError, TypeError, AttributeError, OverflowError, ShapelyError) as error:
        raise ValueError(f"it is no STAC item that can be understood ({error!r:.80})") from error


def _scene(item: Json, source: Source, base_href: str) -> Scene:
    properties: Json = item["properties"]
    assets = {k: a for k, a in item["assets"].items() if isinstance(a.get("href"), str)}
    collection = str(item.get("collection") or properties.get("collection") or "")
    names = _names(item["id"], properties, assets)
    known = identify(collection, platform=_platform(properties), names=names)
    if known and known.unusable:
        raise ValueError(known.unusable)
    facts = _facts(known, names, properties)
    keys = find_bands(known, assets, properties.get("eo:bands"))
    missing = [band for band in ("red", "nir") if band not in keys]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)} band")
    table = table_numbers(known, properties, facts.get("baseline", "")) if known else None
    resolve = partial(resolve_href, base=base_href, local=source.local)
    chosen = {band: _asset(assets[key], key, band, table, resolve) for band, key in keys.items()}
    return Scene(
        id=str(item["id"]),
        collection=collection,
        archive=source.name,
        platform=_platform(properties) or facts.get("platform", ""),
        datetime=_moment(properties),
        footprint=_footprint(item),
        assets=chosen,
        cloud_cover=_percent(properties.get("eo:cloud_cover")),
        sun_elevation=_sun_elevation(properties),
        tile=facts.get("tile") or _tile(properties),
        version=" ".join(facts[f] for f in ("baseline", "processed") if f in facts) or None,
        crs=_crs(properties) or _crs(assets[keys["red"]]),
        quality=quality_encoding(known, keys.get("qa")),
        thumbnail=_picture(assets, resolve),
        access=_access(chosen["red"].href, source.access),
        simulated=properties.get("fieldwren:simulated") is True,
    )


def doubt(item: Json, scene: Scene) -> str | None:
    """What is doubtful about how a scene's numbers are understood, for people; None if nothing is.

    That is a scale or offset that the item states otherwise, or no statement at all of a product
    that is not in the table. It is no doubt that an archive which has taken the offset out of the
    pixels still states the offset of the producer: Earth Search does so throughout.
    """
    removed = (k for k, v in item["properties"].items() if k.endswith("offset_applied") and v)
    if next(removed, None):
        return None
    for asset in (a for band, a in scene.assets.items() if band != "qa"):
        if asset.scale is None:
            return "states no scale of its numbers, which are taken as its files state them"
        stated = stated_numbers(item["assets"][asset.key])
        for name, used in (("scale", asset.scale), ("offset", asset.offset)):
            if used is not None and stated.get(name, used) != used:
                return f"states {name} {stated[name]:g}, where {used:g} is used"
    return None


def same_acquisition_key(scene: Scene) -> tuple[object, ...]:
    """Equal for two processings of one acquisition (RT and T1, two baselines), and only for them.

    It is product family, satellite, tile and local solar date: one satellite passes a tile once a
    day, in the middle of the local morning, whatever the date is in Greenwich. An acquisition of
    Sentinel-2 may be cut in two along the track; the centres of the parts lie half a tile (.5
    degrees) apart, so that the latitude in thirds of a degree tells them apart. Where two
    processings fall on both sides of a third, both are read: nothing is lost.
    """
    known = identify(scene.collection, platform=scene.platform, names=scene.id)
    family = known.family if known else scene.collection
    tile = scene.tile or ""
    if re.fullmatch(r"\d{6}", tile):  # WRS-2: path p crosses the equator at this longitude
        longitude, part = -64.6 - (int(tile[:3]) - 1) * 360 / 233, 0
    elif re.fullmatch(r"\d\d[A-Z]{3}", tile):  # MGRS: UTM zone z is centred on 6 z - 183
        longitude, part = int(tile[:2]) * 6 - 183, round(3 * scene.footprint.centroid.y)
    else:
        return (family, scene.archive, scene.id)
    solar = scene.datetime + timedelta(hours=((longitude + 180) % 360 - 180) / 15)
    return (family, scene.platform, tile, solar.date(), part)


def resolve_href(href: str, base: str, *, local: bool = False) -> str:
    """The absolute form of an href that a document contains.

    Args:
        href: URL or path, absolute or relative.
        base: URL or path of the document.
        local: Whether the document lies on this machine, though it may say that it comes from
            elsewhere; then it may name files of this machine.

    Raises:
        ValueError: A document from elsewhere points to a file of this machine.
    """
    remote, _, location = base.rpartition("://")
    here = remote in {"", "file"}
    if urlsplit(href).scheme == "file" and not (local or here):
        raise ValueError("it points to a file on this machine, which a remote catalog may not do")
    if "://" in href:
        return href
    if here or (local and href.startswith("/")):
        return os.path.normpath(Path(location).parent / href)
    # urljoin knows relative paths of http only; buckets have them all the same.
    return f"{remote}://" + urljoin(f"http://{location}", href).removeprefix("http://")


def _names(item_id: object, properties: Json, assets: Mapping[str, Json]) -> str:
    """All text in which the producer's name of the product may stand, best first."""
    stated = [properties.get(name) for name in _PRODUCT_NAMES]
    return "\n".join(map(str, (item_id, *stated, *(a["href"] for a in assets.values()))))


def _facts(known: Collection | None, names: str, properties: Json) -> dict[str, str]:
    """Platform, tile, baseline ("05.11") and time of processing, as far as they are told."""
    facts: dict[str, str] = {}
    for match in re.finditer(known.product, names) if known else ():
        facts |= {k: v for k, v in match.groupdict().items() if v and k not in facts}
    baseline = _first(properties, _BASELINE) or facts.pop("baseline", "")
    if version := re.fullmatch(r"(\d{1,2})\.?(\d\d)", baseline):
        facts["baseline"] = f"{int(version[1]):02}.{version[2]}"
    if processed := facts.get("processed") or _first(properties, _PROCESSED):
        facts["processed"] = re.sub(r"[-:]", "", processed)[:15]
    if known and "unit" in facts:
        facts["platform"] = known.platform.format(facts["unit"].lower())
    return facts


def _first(properties: Json, names: Iterable[str]) -> str | None:
    return next((str(properties[n]) for n in names if properties.get(n)), None)


def _platform(properties: Json) -> str:
    name = properties.get("platform") or properties.get("eo:platform") or ""
    return str(name).lower().replace("_", "-")


def _moment(properties: Json) -> datetime:
    """The acquisition time in UTC; midnight where only the day is told."""
    value = properties.get("datetime") or properties.get("start_datetime")
    if not value:
        raise ValueError("it has no datetime")
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError(f"its datetime {value!r:.40} is none") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _percent(value: object) -> float | None:
    """Of cloud; some catalogs say -1 for unknown."""
    percent = number(value)
    return percent if percent is not None and 0 <= percent <= 100 else None


def _sun_elevation(properties: Json) -> float | None:
    told = (number(properties.get(n)) for n in ("view:sun_elevation", "eo:sun_elevation"))
    zenith = number(properties.get("s2:mean_solar_zenith"))
    from_zenith = None if zenith is None else 90.0 - zenith
    return next((elevation for elevation in told if elevation is not None), from_zenith)


def _tile(properties: Json) -> str | None:
    for parts in _TILE:
        if all(properties.get(name) is not None for name, _ in parts):
            return "".join(str(properties[name]).zfill(width) for name, width in parts)
    grid, _, code = str(properties.get("grid:code") or "").partition("-")
    return code.zfill(5) if grid == "MGRS" else code or None


def _crs(properties: Json) -> str | None:
    """From the projection extension, versions 1 and 2, of an item or an asset.

    None where it is not told, or in words that PROJ does not know.
    """
    epsg, projjson = properties.get("proj:epsg"), properties.get("proj:projjson")
    told = (
        properties.get("proj:code"),
        f"EPSG:{epsg}" if epsg else None,
        properties.get("proj:wkt2"),
        json.dumps(projjson) if isinstance(projjson, Mapping) else projjson,
    )
    return next((str(text) for text in told if text and is_crs(str(text))), None)


def _footprint(item: Json) -> BaseGeometry:
    """The scene's outline, valid, cut at the antimeridian."""
    geometry = item.get("geometry")
    outline = shapely.geometry.shape(geometry) if geometry else None
    if outline is None or outline.geom_type not in {"Polygon", "MultiPolygon"} or outline.is_empty:
        outline = _box(item.get("bbox"))
    west, south, east, north = outline.bounds
    if not (-360 <= west <= east <= 540 and -90 <= south <= north <= 90):
        raise ValueError("its outline is not in degrees of longitude and latitude")
    return polygonal(shapely.make_valid(split_antimeridian(outline)))


def _box(bbox: Any) -> BaseGeometry:
    """Of four numbers, or six with heights; west > east means across the antimeridian."""
    if not isinstance(bbox, (list, tuple)) or len(bbox) not in {4, 6}:
        raise ValueError("it has neither a geometry nor a bbox")
    west, south = bbox[:2]
    east, north = bbox[len(bbox) // 2 :][:2]
    return shapely.box(west, south, east + 360 * (west > east), north)


def _asset(
    asset: Json, key: str, band: str, table: Mapping[str, float] | None, resolve: Resolve
) -> Asset:
    """An asset; ``table`` is how its numbers are understood, None where the item has to tell."""
    href = _href(asset, resolve)
    if band == "qa":
        return Asset(key=key, href=href, band=band)
    numbers = stated_numbers(asset) if table is None else table
    return Asset(key=key, href=href, band=band, **numbers, **believable(numbers))


def _href(asset: Json, resolve: Resolve) -> str:
    """Absolute, unsigned, and not behind a login page where the file also lies elsewhere."""
    href = resolve(asset["href"])
    for prefix, elsewhere in LOGIN_NEEDED.items():
        if href.startswith(prefix):
            other = asset.get("alternate", {}).get("s3", {}).get("href")
            href = resolve(other or elsewhere + href.removeprefix(prefix))
    # A signature is a secret and soon stale; another is made when the file is read.
    return href.partition("?")[0] if _BLOB_HOST in href else href


def _access(href: str, default: str) -> str:
    """The way of access, a key of ACCESS: what the table says of the host or bucket, or default."""
    try:
        rule = locate(href, default).rule
    except (ReadError, OptionError) as error:
        raise ValueError(f"its files cannot be reached ({error})") from error
    return default if rule is ACCESS[""] else next(k for k, r in ACCESS.items() if r is rule)


def _picture(assets: Mapping[str, Json], resolve: Resolve) -> str | None:
    """The href of a small PNG or JPEG of the scene."""
    for key in _PICTURES:
        kind = str(assets.get(key, {}).get("type"))
        if kind.startswith(("image/png", "image/jpeg", "image/jpg")):
            return _href(assets[key], resolve)
    return None
