"""A small table of observations that looks like a real one, for the tests of what shows it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from shapely import MultiPolygon, Point, Polygon, box

from fieldwren.model import STATUSES, Observation, Place

HOSTILE = 'Field <script>alert("x")</script> $a_{b & {{ 7*7 }} "q" \'s\' \n 葡萄园'

COLUMNS = [f.name for f in dataclasses.fields(Observation)]


def make_places(extra: int = 0) -> list[Place]:
    """The four places of the workshop as shapes of different kinds, and ``extra`` small fields."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = 0.06 * (1 + 0.25 * np.sin(3 * angle) + 0.1 * np.cos(7 * angle))
    blob = np.column_stack((np.cos(angle) * radius * 1.4, np.sin(angle) * radius))
    hole = [Polygon(blob * 0.25).exterior.coords]
    napa = Polygon(blob).exterior.coords
    places = [
        Place(id="coffee", name="Colombian Coffee Triangle", geometry=_move(blob, -75.65, 4.8)),
        Place(id="napa", name="Napa Valley", geometry=_shift(Polygon(napa, hole), -122.3, 38.5)),
        Place(
            id="death-valley",
            name="Death Valley",
            geometry=MultiPolygon(
                [box(-116.9, 36.2, -116.8, 36.4), box(-116.78, 36.1, -116.7, 36.2)]
            ),
        ),
        Place(id="sula", name="Sula Vineyards", geometry=Point(73.69, 20.01)),
    ]
    for i in range(extra):
        x, y = -122.3 + 0.02 * (i % 25), 38.3 + 0.02 * (i // 25)
        field = Polygon([(x, y), (x + 0.012, y + 0.001), (x + 0.011, y + 0.009), (x, y + 0.01)])
        places.append(Place(id=f"f{i:04}", name=f"Field {i + 1}", geometry=field))
    return places


def _move(xy: np.ndarray, lon: float, lat: float) -> Polygon:
    return Polygon(np.add(xy, (lon, lat)))


def _shift(polygon: Polygon, lon: float, lat: float) -> Polygon:
    return Polygon(
        np.add(polygon.exterior.coords, (lon, lat)),
        [np.add(ring.coords, (lon, lat)) for ring in polygon.interiors],
    )


def make_observations(
    places: list[Place], *, years: float = 5.5, step: int = 8, seed: int = 1
) -> pd.DataFrame:
    """One row per place and pass, with seasons, cloud, and every status there is."""
    rng = np.random.default_rng(seed)
    tables = [_one(place, i, years=years, step=step, rng=rng) for i, place in enumerate(places)]
    table = pd.concat(tables, ignore_index=True)
    return table.reindex(columns=COLUMNS)


def _one(
    place: Place, i: int, *, years: float, step: int, rng: np.random.Generator
) -> pd.DataFrame:
    start = datetime(2013, 6, 3, 18, 46, tzinfo=UTC)
    n = int(years * 365.25 / step)
    dates = [start + timedelta(days=step * j, seconds=int(rng.integers(60))) for j in range(n)]
    t = np.arange(n) * step / 365.25
    mean, swing = [(0.78, 0.05), (0.52, 0.2), (0.07, 0.01), (0.45, 0.22)][i % 4]
    cloudiness = [0.62, 0.25, 0.08, 0.4][i % 4]
    ndvi = mean + swing * np.sin(2 * np.pi * (t - 0.1 * i)) + rng.normal(0, 0.02, n)
    cover = np.clip(100 * rng.beta(0.5, 0.5 * (1 - cloudiness) / cloudiness, n), 0, 100).round(2)
    clear = np.clip(1.15 - cover / 100 * rng.uniform(0.6, 1.4, n), 0, 1).round(3)
    status = np.where(clear >= 0.5, "ok", np.where(clear > 0.15, "low_coverage", "cloud"))
    rare = rng.random(n)
    for k, other in enumerate(s for s in STATUSES if s not in {"ok", "low_coverage", "cloud"}):
        status = np.where((rare > 0.012 * k) & (rare < 0.012 * (k + 1)), other, status)
    ndvi = np.where(
        np.isin(status, ["low_coverage", "outlier"]), ndvi - rng.uniform(0, 0.25, n), ndvi
    )
    valued = np.isin(status, ["ok", "low_coverage", "duplicate", "outlier"])
    value = np.where(valued, ndvi, np.nan)
    path = ["009056", "044033", "040035", "147046"][i % 4]
    return pd.DataFrame(
        {
            "place_id": place.id,
            "place_name": place.name,
            "scene_id": [f"LC08_L2SP_{path}_{d:%Y%m%d}_{d:%Y}0912_02_T1" for d in dates],
            "collection": "landsat-c2-l2",
            "platform": "landsat-8",
            "datetime": pd.to_datetime(dates, utc=True),
            "status": status,
            "reason": [None if s == "ok" else STATUSES[s] for s in status],
            "ndvi": value,
            "ndvi_median": value + 0.01,
            "ndvi_std": np.where(valued, 0.05, np.nan),
            "red": np.where(valued, 0.06, np.nan),
            "nir": np.where(valued, 0.3, np.nan),
            "n_pixels": 812.4,
            "n_clear": 812.4 * clear,
            "clear_fraction": np.where(status == "read_error", np.nan, clear),
            "cloud_fraction": 1 - clear,
            "scene_cloud_cover": np.where(rng.random(n) < 0.01, np.nan, cover),
            "sun_elevation": 55.0,
            "tile": path,
            "archive": "simulated",
            "version": "0.1.0",
        }
    )


RECEIPT = {
    "started": "2026-11-22T13:05:11+00:00",
    "archive": {
        "name": "demo",
        "reason": "simulated scenes, made on this machine without network",
        "simulated": True,
        "collections": ["landsat-c2-l2"],
    },
    "arguments": {"since": "2013-06-01", "until": "2018-11-30", "mask": "standard", "workers": 2},
    "formulas": {"ndvi": "(nir - red) / (nir + red)"},
    "rows_by_status": {"ok": 640},
    "cost": {"requests": 3012, "bytes": 48_200_000, "retries": 2},
    "seconds": {"searching": 0.3, "reading": 3.9},
    "versions": {"fieldwren": "0.1.0", "python": "3.11.9"},
}
"""The facts of a run, in the form of ``Results.receipt``."""
