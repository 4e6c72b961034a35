"""STAC documents of the simulated archive, as public archives describe Landsat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pyproj import Transformer

from fieldwren.archive.simulated.land import PIXEL
from fieldwren.archive.simulated.regions import BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from fieldwren.archive.simulated.land import Transform
    from fieldwren.archive.simulated.regions import Region, View

__all__ = [
    "COLLECTION",
    "FILES",
    "OFFSET",
    "SCALE",
    "Shot",
    "make_item",
    "scene_id",
    "write_catalog",
]

COLLECTION: Final = "landsat-c2-l2"
"""Id of the collection, as Earth Search and Planetary Computer call it."""

# Landsat Collection 2 Level 2 surface reflectance: reflectance = number * SCALE + OFFSET (USGS,
# LSDS-1619).
SCALE: Final = 0.0000275
OFFSET: Final = -0.2

FILES: Final = {
    **{band: f"SR_B{number}" for band, number in zip(BANDS, (2, 3, 4, 5, 6, 7), strict=True)},
    "qa_pixel": "QA_PIXEL",
}
"""How the file of each asset ends."""

_NOTE: Final = "Simulated by fieldwren: no satellite has measured this."
_WAVELENGTHS: Final = (0.48, 0.56, 0.65, 0.87, 1.61, 2.20)  # micrometres, of OLI
_EXTENSIONS: Final = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.2.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "https://landsat.usgs.gov/stac/landsat-extension/v1.1.1/schema.json",
]
_TIFF: Final = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What an item tells of its scene."""

    region: Region
    """What it shows."""
    view: View
    """Path and row."""
    when: datetime
    """Time of acquisition, UTC."""
    sun: tuple[float, float]
    """Azimuth and elevation, degrees."""
    transform: Transform
    """Of pixel corners, in the region's UTM zone."""
    shape: tuple[int, int]
    """(rows, columns)."""
    cloud_cover: float
    """Percent of the pixels that have data."""


def scene_id(view: View, when: datetime) -> str:
    """A Collection 2 product id; all were processed on the same day."""
    return f"LC08_L2SP_{view.path:03}{view.row:03}_{when:%Y%m%d}_20200912_02_T1"


def make_item(shot: Shot) -> dict[str, Any]:
    """The STAC item of a scene; hrefs are file names."""
    ring = _footprint(shot)
    longitudes, latitudes = zip(*ring, strict=True)
    name = scene_id(shot.view, shot.when)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": _EXTENSIONS,
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": _properties(shot),
        "assets": {key: _asset(key, f"{name}_{end}.TIF") for key, end in FILES.items()},
        "links": [],
    }


def _properties(shot: Shot) -> dict[str, Any]:
    azimuth, elevation = shot.sun
    return {
        "datetime": f"{shot.when:%Y-%m-%dT%H:%M:%S}Z",
        "title": f"Simulated scene of {shot.region.name}",
        "description": _NOTE,
        "fieldwren:simulated": True,
        "platform": "landsat-8",
        "instruments": ["oli", "tirs"],
        "gsd": PIXEL,
        "eo:cloud_cover": round(shot.cloud_cover, 2),
        "view:off_nadir": 0,
        "view:sun_azimuth": round(azimuth, 4),
        "view:sun_elevation": round(elevation, 4),
        "landsat:wrs_type": "2",
        "landsat:wrs_path": f"{shot.view.path:03}",
        "landsat:wrs_row": f"{shot.view.row:03}",
        "landsat:collection_number": "02",
        "landsat:collection_category": "T1",
        "landsat:correction": "L2SP",
        "proj:code": f"EPSG:{shot.region.epsg}",
        "proj:epsg": shot.region.epsg,
        "proj:shape": list(shot.shape),
        "proj:transform": list(shot.transform),
    }


def _footprint(shot: Shot) -> list[tuple[float, float]]:
    """The corners of the raster in WGS 84, counter-clockwise and closed."""
    west, north = shot.transform[2], shot.transform[5]
    east, south = west + shot.shape[1] * PIXEL, north - shot.shape[0] * PIXEL
    eastings = [west, west, east, east, west]
    northings = [north, south, south, north, north]
    xs, ys = _to_wgs84(shot.region.epsg).transform(eastings, northings)
    return [(round(x, 6), round(y, 6)) for x, y in zip(xs, ys, strict=True)]


@cache
def _to_wgs84(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)


def _asset(key: str, href: str) -> dict[str, Any]:
    asset: dict[str, Any] = {"href": href, "type": _TIFF}
    raster = {"data_type": "uint16", "spatial_resolution": PIXEL}
    if key == "qa_pixel":
        roles = ["cloud", "cloud-shadow", "snow-ice", "water-mask"]
        asset |= {"title": "Pixel quality (simulated)", "roles": roles}
        return asset | {"raster:bands": [{"nodata": 1, "unit": "bit index", **raster}]}
    asset |= {"title": f"Surface reflectance, {key} (simulated)", "roles": ["data", "reflectance"]}
    band = {
        "name": f"OLI_{FILES[key].removeprefix('SR_')}",
        "common_name": key,
        "center_wavelength": _WAVELENGTHS[BANDS.index(key)],
    }
    scaled = {"nodata": 0, "scale": SCALE, "offset": OFFSET, **raster}
    return asset | {"eo:bands": [band], "raster:bands": [scaled]}


def write_catalog(folder: Path, items: Sequence[dict[str, Any]]) -> None:
    """Write catalog, collection and items, and all items once more as one ``items.json``.

    A scene's item and rasters are in ``landsat-c2-l2/<path and row>/<id>/``.
    """
    root = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "fieldwren-simulated",
        "title": "Simulated Landsat scenes",
        "description": _NOTE,
        "links": [
            _link("root", "./catalog.json"),
            _link("child", f"./{COLLECTION}/collection.json"),
        ],
    }
    write_json(folder / "catalog.json", root)
    write_json(folder / COLLECTION / "collection.json", _collection(items))
    for item in items:
        path = folder / COLLECTION / _home(item) / f"{item['id']}.json"
        up = [
            _link("root", "../../../catalog.json"),
            _link("parent", "../../collection.json"),
            _link("collection", "../../collection.json"),
        ]
        write_json(path, item | {"links": up})
    listed = {"type": "FeatureCollection", "features": [_listed(item) for item in items]}
    write_json(folder / "items.json", listed)


def _home(item: dict[str, Any]) -> str:
    properties = item["properties"]
    return f"{properties['landsat:wrs_path']}{properties['landsat:wrs_row']}/{item['id']}"


def _listed(item: dict[str, Any]) -> dict[str, Any]:
    """The item with hrefs as they are seen from ``items.json``."""
    base = f"./{COLLECTION}/{_home(item)}/"
    assets = {key: asset | {"href": base + asset["href"]} for key, asset in item["assets"].items()}
    return item | {"assets": assets}


def _link(relation: str, href: str) -> dict[str, str]:
    kind = "application/geo+json" if relation == "item" else "application/json"
    return {"rel": relation, "href": href, "type": kind}


def _collection(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    boxes = [item["bbox"] for item in items]
    times = sorted(item["properties"]["datetime"] for item in items)
    edges = [
        f(values) for f, values in zip((min, min, max, max), zip(*boxes, strict=True), strict=True)
    ]
    links = [_link("root", "../catalog.json"), _link("parent", "../catalog.json")]
    links += [_link("item", f"./{_home(item)}/{item['id']}.json") for item in items]
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": COLLECTION,
        "title": "Landsat 8 Collection 2 Level 2 (simulated)",
        "description": f"{_NOTE} Layout, orbits and sun are those of Landsat 8.",
        "license": "CC0-1.0",
        "extent": {
            "spatial": {"bbox": [edges]},
            "temporal": {"interval": [[times[0], times[-1]]]},
        },
        "links": links,
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Compact, as bytes that depend on nothing but the document."""
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
