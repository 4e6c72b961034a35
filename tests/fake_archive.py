"""A small real archive for tests: scenes of one UTM zone with chosen quality."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
from rasterio.warp import transform_geom

from fieldwren.pixels.cog import write_cog

EPSG, X, Y, PIXEL, SIZE = 32610, 561_015.0, 4_250_985.0, 30.0, 64
CLEAR, CLOUD, SHADOW = 21824, 22280, 23888
START = datetime(2017, 1, 6, 18, 44, tzinfo=UTC)


def square(row, col, side=6):
    """A field of side x side pixels at a pixel position, as GeoJSON in degrees."""
    x, y, width = X + col * PIXEL, Y - row * PIXEL, side * PIXEL
    ring = [(x, y), (x, y - width), (x + width, y - width), (x + width, y), (x, y)]
    return transform_geom(
        f"EPSG:{EPSG}", "OGC:CRS84", {"type": "Polygon", "coordinates": [ring]}, precision=12
    )


def field(place_id, row=10, col=10, side=6):
    """A GeoJSON feature."""
    geometry = square(row, col, side)
    return {"type": "Feature", "id": place_id, "properties": {}, "geometry": geometry}


def write_archive(folder, *, scenes=6, qa=None, visible=False, **changes):
    """Write scenes 16 days apart; returns the path of their item collection.

    Args:
        folder: where to.
        scenes: how many.
        qa: function of the scene's number that gives its quality value; clear by default.
        visible: whether scenes have green and blue, too.
        **changes: for the item of every scene, a function (number, item).
    """
    folder.mkdir(parents=True, exist_ok=True)
    qa = qa or (lambda _: CLEAR)
    items = [write_scene(folder, k, qa(k), visible=visible) for k in range(scenes)]
    for change in changes.values():
        for number, item in enumerate(items):
            change(number, item)
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def write_scene(folder, number, quality, *, moment=None, row=33, visible=False):
    moment = moment or START + timedelta(days=16 * number)
    name = f"LC08_L2SP_0440{row}_{moment:%Y%m%d}_20200901_02_T1"
    random = np.random.default_rng(number)
    arrays = {
        "red": random.integers(8_500, 9_500, (SIZE, SIZE)).astype("u2"),
        "nir08": random.integers(15_000, 20_000, (SIZE, SIZE)).astype("u2"),
        "qa_pixel": np.full((SIZE, SIZE), quality, "u2"),  # a number, or an array
    }
    if visible:
        for key, least in (("green", 9_000), ("blue", 8_200)):
            arrays[key] = random.integers(least, least + 1_000, (SIZE, SIZE)).astype("u2")
    for key, pixels in arrays.items():
        write_cog(
            folder / f"{name}_{key}.tif",
            pixels,
            transform=(PIXEL, 0.0, X, 0.0, -PIXEL, Y),
            epsg=EPSG,
            tile=32,
            nodata=0 if key != "qa_pixel" else 1,
        )
    footprint = square(0, 0, SIZE)
    lon, lat = zip(*footprint["coordinates"][0], strict=True)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "landsat-c2-l2",
        "geometry": footprint,
        "bbox": [min(lon), min(lat), max(lon), max(lat)],
        "properties": {
            "datetime": moment.isoformat(),
            "platform": "landsat-8",
            "eo:cloud_cover": 100.0 * float(np.mean(np.asarray(quality) != CLEAR)),
            "view:sun_elevation": 40.0,
            "landsat:wrs_path": "044",
            "landsat:wrs_row": f"0{row}",
            "proj:epsg": EPSG,
        },
        "links": [],
        "assets": {key: {"href": f"./{name}_{key}.tif"} for key in arrays},
    }
