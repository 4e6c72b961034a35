"""Writing the simulated archive: scenes, their catalog, and the truth beside them."""

from __future__ import annotations

import csv
import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fieldwren.archive.simulated.items import (
    COLLECTION,
    FILES,
    OFFSET,
    SCALE,
    Shot,
    make_item,
    scene_id,
    write_catalog,
    write_json,
)
from fieldwren.archive.simulated.land import SIZE, make_land, ndvi
from fieldwren.archive.simulated.noise import generator
from fieldwren.archive.simulated.orbit import overpasses, sun_position
from fieldwren.archive.simulated.regions import BANDS, REGIONS, demo_places, features
from fieldwren.archive.simulated.weather import FILL, make_sky
from fieldwren.errors import OptionError
from fieldwren.pixels.cog import write_cog
from fieldwren.pixels.masks import Quality, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from fieldwren.archive.simulated.land import Land
    from fieldwren.archive.simulated.regions import View
    from fieldwren.archive.simulated.weather import Sky

    Image = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Row = dict[str, Any]
    Scene = tuple[View, datetime]

__all__ = ["demo_archive", "write_archive"]

_SINCE: Final = date(2013, 4, 12)  # since about when Landsat 8 is on the tracks of WRS-2
_UNTIL: Final = date(2018, 6, 30)
_SEED: Final = 2018
_VERSION: Final = 1  # raise it with every change of what is written

_WINDOW: Final = 144  # rows and columns of a scene: a cut-out of 4.3 km
# Four tiles, those at the edge not full, and a smaller image: a field lies on one to four tiles, as
# it does in a whole scene with its tiles of 256, and the file stays small.
_TILE: Final = 80
# Standard deviation of the sensor's noise: without light, and per reflectance.
_NOISE: Final = (0.0004, 0.003)
_STEP: Final = 16  # between numbers that occur, as if 12 bits were recorded (and files are smaller)
_EDGE: Final = 14.0  # pixels by which the edge of a scene moves between dates, standard deviation
_NO_DATA: Final = np.array([*(0 for _ in BANDS), FILL], np.uint16)[:, np.newaxis, np.newaxis]
_WATER_NDVI: Final = -0.1  # below it the quality band says water


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """One overpass of a region: the scenes of one path and day see the same ground and sky."""

    land: Land
    scenes: tuple[Scene, ...]


def demo_archive(
    cache_dir: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """The archive that ``demo`` reads: made in ``cache_dir`` the first time, then found there.

    Args:
        cache_dir: A folder that may be made.
        progress: See :func:`write_archive`.

    Returns:
        Folder of the archive, for ``catalog.json`` and ``items.json``.
    """
    home = Path(cache_dir) / f"simulated-{_VERSION}"
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    try:
        write_archive(draft, progress=progress)
        draft.rename(home)
    except OSError:
        if not home.is_dir():  # else another process was faster, and its archive is the same
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return home


def write_archive(
    folder: str | os.PathLike[str],
    *,
    since: date = _SINCE,
    until: date = _UNTIL,
    seed: int = _SEED,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write simulated Landsat 8 scenes of the four demonstration places.

    The folder gets ``catalog.json`` (a static STAC catalog), ``items.json`` (all its items),
    ``places.geojson`` and ``truth.csv``: one row per place and scene with the NDVI of the ground
    without noise and clouds (for a field the mean over its pixels, weighted by coverage), and the
    shares of the place that are under cloud or cirrus, in shadow, under snow, beyond the scene's
    edge, and nothing of these. The same arguments give the same bytes.

    Args:
        folder: A new or empty folder.
        since: First day.
        until: Last day.
        seed: Another seed gives other land, years, weather and noise, at least 0.
        progress: Is told after each overpass how many are done, and of how many.

    Raises:
        OptionError: The folder is not empty, or nothing passes between the days.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise OptionError(f"The folder {folder} is not empty; name a new one for the archive.")
    passes = list(_passes(since, until, seed))
    if not passes:
        raise OptionError(f"Landsat 8 does not pass from {since} to {until}; widen the time.")
    items: list[Row] = []
    truth: list[Row] = []
    for done, work in enumerate(passes, start=1):  # threads only get into each other's way here
        some_items, some_truth = _write_pass(folder, work)
        items += some_items
        truth += some_truth
        if progress:
            progress(done, len(passes))
    write_catalog(folder, items)
    write_json(folder / "places.geojson", demo_places())
    _write_table(folder / "truth.csv", truth)
    return folder


def _passes(since: date, until: date, seed: int) -> Iterator[_Pass]:
    """In order of region, path and time."""
    for region in REGIONS:
        land = make_land(region, seed)
        for path in dict.fromkeys(view.path for view in region.views):
            views = [v for v in region.views if v.path == path]
            times = [overpasses(v.path, v.row, since, until) for v in views]
            for moments in zip(*times, strict=True):
                yield _Pass(land=land, scenes=tuple(zip(views, moments, strict=True)))


def _write_pass(folder: Path, work: _Pass) -> tuple[list[Row], list[Row]]:
    """Simulate one overpass and write its scenes; their items, and their rows of the truth."""
    land = work.land
    region, when = land.region, work.scenes[0][1]
    rng = generator(land.seed, region.id, when.date())
    sun = sun_position(when, region.longitude, region.latitude)
    ground = land.reflectance(when, sun)
    values = ndvi(ground)
    sky = make_sky(region, rng, when, sun)
    quality = sky.quality(values < _WATER_NDVI)
    images = np.concatenate([_measure(rng, sky.over(ground)), quality[np.newaxis]])
    items: list[Row] = []
    truth: list[Row] = []
    for scene in work.scenes:
        rng = generator(land.seed, scene_id(*scene))
        fill = _beyond(rng, scene[0])
        seen = np.where(fill, _NO_DATA, images)
        row, col = rng.integers(0, SIZE - _WINDOW, 2, endpoint=True).tolist()
        items.append(_write_scene(folder, land, scene, seen, corner=(row, col)))
        truth += _truth(land, scene, values, sky, fill=fill)
    return items, truth


def _measure(rng: np.random.Generator, reflectance: Image) -> NDArray[np.uint16]:
    """With the noise of the sensor, as Landsat's numbers; shape (bands, rows, columns)."""
    numbers = np.empty(reflectance.shape, np.uint16)
    base, slope = _NOISE
    for band, light in zip(numbers, reflectance, strict=True):
        noise = rng.standard_normal(light.shape, np.float32) * (base + slope * light)
        steps = np.rint((light + noise - OFFSET) / (SCALE * _STEP))
        band[:] = np.clip(steps, 1, (2**16 - 1) // _STEP) * _STEP
    return numbers


def _beyond(rng: np.random.Generator, view: View) -> Mask:
    """Where the scene has ended; its edge is never twice in the same place."""
    if view.fill_from is None:
        return np.zeros((SIZE, SIZE), bool)
    south, east = view.fill_from
    away = math.hypot(south, east)
    rows, cols = np.indices((SIZE, SIZE)) - SIZE // 2
    return (rows * south + cols * east) / away > away + rng.normal(0, _EDGE)


def _write_scene(
    folder: Path,
    land: Land,
    scene: Scene,
    images: NDArray[np.uint16],
    *,
    corner: tuple[int, int],
) -> Row:
    """Write the rasters of one scene; its item."""
    view, when = scene
    row, col = corner
    cut = images[:, row : row + _WINDOW, col : col + _WINDOW]
    quality = classify("qa_pixel", cut[-1])
    a, b, c, d, e, f = land.transform
    shot = Shot(
        region=land.region,
        view=view,
        when=when,
        sun=sun_position(when, land.region.longitude, land.region.latitude),
        transform=(a, b, c + a * col, d, e, f + e * row),
        shape=cut.shape[1:],
        cloud_cover=100 * np.mean(quality[quality != Quality.FILL] == Quality.CLOUD),
    )
    item = make_item(shot)
    home = folder / COLLECTION / f"{view.path:03}{view.row:03}" / item["id"]
    home.mkdir(parents=True)
    for key, pixels in zip(FILES, cut, strict=True):
        flags = key == "qa_pixel"
        write_cog(
            home / item["assets"][key]["href"],
            pixels,
            transform=shot.transform,
            epsg=shot.region.epsg,
            nodata=FILL if flags else 0,
            scale=None if flags else SCALE,
            offset=None if flags else OFFSET,
            description="Simulated by fieldwren",
            point=True,
            tile=_TILE,
            level=1,  # more effort takes three times as long and wins nothing of noise
            overviews=True,
            resampling="nearest",
        )
    return item


def _truth(land: Land, scene: Scene, values: Image, sky: Sky, *, fill: Mask) -> list[Row]:
    """One row for the point and one for the field."""
    hidden = {
        "cloud": (sky.cloud > 0) | (sky.cirrus > 0),
        "shadow": sky.shadow,
        "snow": sky.snow > 0,
        "fill": fill,
    }
    clear = ~np.any(list(hidden.values()), axis=0)
    measures = {"ndvi": values, "clear": clear, **hidden}
    weights = land.weights
    rows: list[Row] = []
    for place, feature in enumerate(features(land.region)):
        own = slice(weights.places[place], weights.places[place + 1])
        pixels = weights.rows[own], weights.cols[own]
        means = {
            key: round(float(np.average(measure[pixels], weights=weights.weights[own])), 6)
            for key, measure in measures.items()
        }
        times = {"scene_id": scene_id(*scene), "datetime": f"{scene[1]:%Y-%m-%dT%H:%M:%SZ}"}
        rows.append({"place_id": feature["id"], **times, **means})
    return rows


def _write_table(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
