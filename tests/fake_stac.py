"""Places and STAC documents for tests of searching."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import shapely

from fieldwren.model import Place

if TYPE_CHECKING:
    from pathlib import Path

    from fieldwren.archive.stac import SearchResult

NAPA = Place(id="napa", name="Napa", geometry=shapely.Point(-122.3, 38.4))
SULA = Place(id="sula", name="Sula", geometry=shapely.Point(73.8, 20.0))


def item(day: str, west: float = -123.0, south: float = 37.8, **more) -> dict:
    name = f"LC08_L2SP_044033_{day}_{day}_02_T1"
    files = {"red": "SR_B4", "nir08": "SR_B5", "qa_pixel": "QA_PIXEL"}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "landsat-c2-l2",
        "bbox": [west, south, west + 2, south + 2],
        "geometry": shapely.geometry.mapping(shapely.box(west, south, west + 2, south + 2)),
        "properties": {
            "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T18:45:00Z",
            "platform": "landsat-8",
            "landsat:wrs_path": "044",
            "landsat:wrs_row": "033",
            "proj:epsg": 32610,
        },
        "assets": {key: {"href": f"./{name}_{file}.TIF"} for key, file in files.items()},
        "links": [],
        **more,
    }


def write(path: Path, document: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def days(result: SearchResult) -> list[str]:
    """When the scenes found were acquired, as 20130603."""
    return [f"{scene.datetime:%Y%m%d}" for scene in result.scenes]
