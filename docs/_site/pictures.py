"""Pictures of the pages, drawn when the site is built, from the embedded archive: no network.

They are kept under ``build/`` by the hash of this module and of the whole package.
"""

from __future__ import annotations

import dataclasses
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

import fieldwren as fw
from fieldwren.archive.simulated import demo_archive
from fieldwren.config import resolve
from fieldwren.geometry import project_shapes
from fieldwren.pixels.coverage import coverage
from fieldwren.pixels.masks import Quality, classify
from fieldwren.present import style
from fieldwren.present.plots import save_plot
from tutorial import CACHE, digest, only_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fieldwren.model import Place, Scene

__all__ = ["drawn"]

_PIXEL = 30.0  # metres, of Landsat
_CLASSES = {
    Quality.CLEAR: ("clear", "#a9cf9a"),
    Quality.CLOUD: ("cloud", "#6b7785"),
    Quality.CLOUD_EDGE: ("its edge", "#b4bcc5"),
    Quality.CIRRUS: ("thin cloud (cirrus)", "#cbbad6"),
    Quality.SHADOW: ("shadow", "#2f3640"),
}


def drawn() -> list[Path]:
    """The pictures, drawn if that was not done yet."""
    folder = CACHE / f"pictures-{digest(Path(__file__))}"
    with only_one():
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            draft.mkdir(exist_ok=True)
            _draw(draft)
            draft.rename(folder)
    return sorted(folder.glob("*.png"))


def _draw(folder: Path) -> None:
    places = [f for f in fw.demo_places()["features"] if f["id"].endswith("-field")]
    results = fw.observe(
        {"type": "FeatureCollection", "features": places},
        since="2013-04",
        until="2018-06",
        archive="demo",
    )
    for place in results.places:
        save_plot(results.plot(place), folder / f"{place.id}.png")
    napa = next(p for p in results.places if p.id == "napa-valley-field")
    _save(_map(results), folder / "map.png")
    _save(_coverage(napa), folder / "coverage.png")
    found = fw.search([napa], since="2013-04", until="2018-06", archive="demo")
    half = min(
        (s for s in found.scenes if s.tile == "044033" and s.datetime.month in {4, 5, 6}),
        key=lambda s: abs((s.cloud_cover or 0) - 15),
    )
    _save(_mask(half, napa), folder / "mask.png")


def _save(figure: Figure, path: Path) -> None:
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure).print_png(path)


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _map(results: fw.Results) -> Figure:
    """The places over the land of the earth, coloured by their mean NDVI."""
    figure, (axes,) = _figure(9, 4)
    text = files("fieldwren.present").joinpath("land.txt").read_text("ascii")
    for line in text.splitlines()[1:]:
        ring = np.array([xy.split(",") for xy in line.split()], float)
        axes.fill(*ring.T, color="#e7e4dc", lw=0)
    means = results.summary()["mean_ndvi"]
    scale = style.value_range("ndvi", means)
    for place in results.places:
        x, y = place.geometry.centroid.coords[0]
        name = f"{place.name.split(',')[0].removesuffix(' (field)')}  {means[place.id]:.2f}"
        axes.plot(x, y, "o", ms=10, color=scale.colour(means[place.id]), mec=style.INK)
        below = place.id.startswith("death")
        axes.annotate(
            name,
            (x, y),
            (8, -14 if below else 6),
            textcoords="offset points",
            color=style.INK,
            fontsize=9,
        )
    axes.set(xlim=(-150, 110), ylim=(-25, 62), xticks=[], yticks=[], aspect=1.2)
    axes.spines[:].set_visible(False)
    return figure


def _coverage(near: Place) -> Figure:
    """A small field on its pixels: exact fractions, pixel centres, all pixels touched."""
    lon, lat = near.geometry.centroid.coords[0]
    corners = [(-75, -28), (62, -52), (76, 34), (20, 61), (-66, 49)]  # metres
    east = 111_320 * math.cos(math.radians(lat))
    field = shapely.Polygon([(lon + x / east, lat + y / 111_320) for x, y in corners])
    shapes, _ = project_shapes([dataclasses.replace(near, geometry=field)], "EPSG:32610")
    left, low = np.floor(shapes.xy.min(axis=0) / _PIXEL - 1) * _PIXEL
    right, high = np.ceil(shapes.xy.max(axis=0) / _PIXEL + 1) * _PIXEL
    found = coverage(shapes, (_PIXEL, 0.0, left, 0.0, -_PIXEL, high))
    fractions = np.zeros((int((high - low) / _PIXEL), int((right - left) / _PIXEL)))
    fractions[found.rows, found.cols] = found.weights
    rows, cols = np.indices(fractions.shape)
    outline = shapely.Polygon(shapes.xy)
    x, y = left + _PIXEL * (cols + 0.5), high - _PIXEL * (rows + 0.5)
    centres = shapely.contains_xy(outline, x, y)
    ways = {
        "exact fractions": fractions,
        "pixel centres": centres.astype(float),
        "all touched": (fractions > 0).astype(float),
    }
    figure, panels = _figure(10, 3.6, len(ways))
    edges = (left, right, low, high)
    for axes, (name, weights) in zip(panels, ways.items(), strict=True):
        axes.imshow(weights, extent=edges, cmap="Greens", vmin=0, vmax=1.6)
        axes.plot(*outline.exterior.xy, color=style.INK, lw=1.8)
        axes.set_title(f"{name}: {weights.sum():.1f} pixels", fontsize=10, color=style.INK)
        axes.set(xticks=np.arange(left, right, _PIXEL), yticks=np.arange(low, high, _PIXEL))
        axes.tick_params(length=0, labelbottom=False, labelleft=False)
        axes.grid(color="#d5dadf", lw=0.7)
    for row, col in np.argwhere(fractions > 0.005):
        centre = left + _PIXEL * (col + 0.5), high - _PIXEL * (row + 0.5)
        words = f"{fractions[row, col]:.2f}".lstrip("0").replace("1.00", "1")
        panels[0].text(*centre, words, ha="center", va="center", fontsize=8, color=style.INK)
    return figure


def _read(scene: Scene, band: str) -> NDArray[np.int64]:
    return np.asarray(Image.open(scene.assets[band].href)).astype(np.int64)


def _mask(scene: Scene, place: Place) -> Figure:
    """One scene with cloud as the eye sees it, what its quality band says, and what is left."""
    bands = {b: _read(scene, b) * 2.75e-5 - 0.2 for b in ("red", "green", "blue", "nir")}
    quality = classify("qa_pixel", _read(scene, "qa").astype(np.uint16))
    colours = np.clip(np.stack([bands[b] for b in ("red", "green", "blue")], axis=-1) / 0.3, 0, 1)
    ndvi = (bands["nir"] - bands["red"]) / (bands["nir"] + bands["red"])
    scale = style.value_range("ndvi", ndvi[quality == Quality.CLEAR])
    codes = sorted(_CLASSES)
    shown = ListedColormap([_CLASSES[q][1] for q in codes])

    figure, panels = _figure(10, 4, 3)
    panels[0].imshow(colours**0.7)
    panels[1].imshow(quality, cmap=shown, norm=BoundaryNorm([*codes, codes[-1] + 1], len(codes)))
    panels[2].imshow(scale.image(np.where(quality == Quality.CLEAR, ndvi, np.nan)))
    patches = [Patch(color=colour, label=label) for label, colour in _CLASSES.values()]
    patches.append(Patch(color=style.ABSENT, label="no value"))
    figure.legend(handles=patches, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    titles = ("as the eye sees it", "what the quality band says", "NDVI of what is clear")
    shapes, _ = project_shapes([place], scene.crs or "")
    corner = _corner(scene)
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=10, color=style.INK)
        axes.set(xticks=[], yticks=[])
        col, row = ((shapes.xy - corner) / (_PIXEL, -_PIXEL)).T - 0.5
        axes.plot(col, row, color="#d00000", lw=1.5)
    return figure


def _corner(scene: Scene) -> tuple[float, float]:
    """West and north of the scene's first pixel, in metres."""
    items = json.loads((demo_archive(resolve().cache_folder) / "items.json").read_text())
    item = next(item for item in items["features"] if item["id"] == scene.id)
    _, _, west, _, _, north = item["properties"]["proj:transform"]
    return west, north
