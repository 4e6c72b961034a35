"""Drawings for the report and the map as inline SVG: sparkline, outline, overview.

What a style sheet can colour has a class instead of a colour (``curve``, ``land``, ``grid``), so
that it follows the reader's light or dark mode. Whatever comes from outside is escaped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
import shapely
from markupsafe import Markup, escape

from fieldwren.present import style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from fieldwren.model import Place

__all__ = ["outline", "overview", "sparkline", "unwrapped"]

_WIDTH: Final = 860
_DEGREE: Final = 111.2  # kilometres of latitude


def _svg(name: str, view: str, role: str, parts: Iterable[str]) -> Markup:
    text = f'<svg class="{name}" viewBox="{view}" {role}>{"".join(parts)}</svg>'
    return Markup(text)  # noqa: S704 - numbers, words written here, and what was escaped above


def sparkline(series: pd.DataFrame | None, scale: style.Scale) -> Markup:
    """The smooth curve alone, 140 by 28, broken where it says nothing; empty where there is none.

    Args:
        series: columns date and smooth of one place, by date.
        scale: its ends are the lower and the upper edge.
    """
    if series is None or not series["smooth"].notna().any():
        return Markup()
    thin = series.iloc[:: max(1, len(series) // 70)]
    days = style.days(thin["date"])
    x = 2 + (days - days[0]) / max(1, int(days[-1] - days[0])) * 136
    y = 26 - (thin["smooth"].to_numpy(float) - scale.low) / (scale.high - scale.low) * 24
    line = f'<path class="curve" d="{_path(x, y)}"/>'
    return _svg("spark", "0 0 140 28", 'aria-hidden="true"', [line])


def unwrapped(geometry: BaseGeometry) -> BaseGeometry:
    """A place on both sides of the antimeridian in one piece: longitudes from 0 to 360."""
    left, _, right, _ = geometry.bounds
    if right - left <= 180:
        return geometry
    return shapely.transform(geometry, lambda xy: xy + np.where(xy[:, :1] < 0, [360.0, 0.0], 0.0))


def outline(place: Place, colour: str) -> Markup:
    """The shape of a place, north up, in 180 by 180, with a bar for its scale.

    Args:
        place: its geometry is drawn.
        colour: fills it.
    """
    geometry = unwrapped(place.geometry)
    left, low, right, high = geometry.bounds
    stretch = math.cos(math.radians((low + high) / 2))
    size = max((right - left) * stretch, high - low)
    if size == 0:
        body = f'<circle class="shape" cx="90" cy="12" r="8" fill="{colour}"/>'
        body += '<text x="90" y="40" class="middle">a point: one pixel</text>'
        return _svg("outline", "0 0 180 46", 'aria-hidden="true"', [body])
    scale = 144 / size
    x, y = 90 - (left + right) / 2 * scale * stretch, 78 + (low + high) / 2 * scale
    d = _rings(geometry, (scale * stretch, x), (-scale, y))
    length = _round_below(size * _DEGREE / 2)
    words = f"{length:g} km" if length >= 1 else f"{length * 1000:g} m"
    width = length / _DEGREE * scale
    body = (
        f'<path class="shape" fill="{colour}" d="{d}"/>'
        f'<path class="axis" d="M18 163v5h{width:.1f}v-5"/>'
        f'<text x="{width + 26:.1f}" y="170">{words}</text>'
    )
    return _svg("outline", "0 0 180 176", 'aria-hidden="true"', [body])


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """A map of longitude and latitude, one scale in the middle; pixels = degrees * a + b."""

    left: float
    low: float
    right: float
    high: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]


def overview(
    places: Sequence[Place], colours: Sequence[str], anchors: Sequence[str], words: Sequence[str]
) -> Markup:
    """All places on a graticule, over the land where they are far apart.

    Args:
        places: at least one.
        colours: the colour of each.
        anchors: the element of the page to which each leads.
        words: what is said of each where it is pointed at.
    """
    geometries = [unwrapped(place.geometry) for place in places]
    view = _view(geometries)
    names = [style.place_name(place, 40) for place in places]
    labels = _labels(view, geometries, names) if len(places) <= 12 else [""] * len(places)
    size = 6.0 if len(places) <= 40 else 5.0 if len(places) <= 150 else 4.0
    parts = [_land(view), _graticule(view)]
    for i, geometry in enumerate(geometries):
        x, y = _centre(view, geometry)
        role = f'href="#{escape(anchors[i])}" data-at="{x:.2f} {y:.2f}"'
        shape, pin = _on_map(view, geometry, colours[i], size)
        if pin or labels[i]:
            shape += f'<g class="pin" transform="translate({x:.2f} {y:.2f})">{pin}{labels[i]}</g>'
        parts.append(f"<a {role}><title>{escape(words[i])}</title>{shape}</a>")
    frame = f'<rect class="axis" width="{_WIDTH}" height="{view.height:.0f}" fill="none"/>'
    box = f"-1 -1 {_WIDTH + 2} {view.height + 20:.0f}"
    role = (
        f'role="group" aria-label="Map of the places" data-degrees="{view.right - view.left:.3f}"'
    )
    return _svg("overview", box, role, [*parts, frame])


def _view(geometries: Sequence[BaseGeometry]) -> _View:
    left, low, right, high = shapely.total_bounds(np.asarray(geometries))
    middle = (low + high) / 2
    stretch = max(0.3, math.cos(math.radians(middle)))
    width = max((right - left) * 1.25, 0.02)
    tall = max((high - low) * 1.25, width * stretch * 0.38, 0.02)
    width = min(max(width, tall / stretch / 0.46), 360.0)
    tall = min(tall, 180.0)
    left = max((left + right - width) / 2, -180.0)
    left = left if right > 180.0 else min(left, 180.0 - width)
    low = min(max(middle - tall / 2, -90.0), 90.0 - tall)
    scale = _WIDTH / width
    rise = scale / stretch
    return _View(
        left=left,
        low=low,
        right=left + width,
        high=low + tall,
        height=tall * rise,
        x=(scale, -left * scale),
        y=(-rise, (low + tall) * rise),
    )


def _on_map(view: _View, geometry: BaseGeometry, colour: str, size: float) -> tuple[str, str]:
    """A place in the coordinates of the map, or else in those of a pin, which keeps its size."""
    left, low, right, high = geometry.bounds
    if max((right - left) * view.x[0], (high - low) * -view.y[0]) >= 1.5 * size:
        d = _rings(geometry, view.x, view.y)
        return f'<path class="shape" fill="{colour}" d="{d}"/>', ""
    return "", f'<circle class="shape" fill="{colour}" r="{size:g}"/>'


def _labels(view: _View, geometries: Sequence[BaseGeometry], names: Sequence[str]) -> list[str]:
    """Names beside the places, from their centres; each where it covers no other, if it can."""
    centres = [_centre(view, geometry) for geometry in geometries]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    labels: list[str] = []
    for geometry, (x, y), name in zip(geometries, centres, names, strict=True):
        half = (geometry.bounds[2] - geometry.bounds[0]) * view.x[0] / 2
        reach, width = max(9.0, half + 4), 7.6 * len(name)
        labels.append("")
        for side, shift in ((1, 0), (-1, 0), (1, -13), (1, 13), (-1, -13), (-1, 13)):
            at = x + side * reach
            left, right = min(at, at + side * width), max(at, at + side * width)
            box = (left, y + shift - 8, right, y + shift + 8)
            if left > 0 and right < _WIDTH and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                anchor = "start" if side > 0 else "end"
                spot = f'x="{at - x:.1f}" y="{shift + 4:.1f}"'
                labels[-1] = f'<text class="name {anchor}" {spot}>{escape(name)}</text>'
                break
    return labels


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _centre(view: _View, geometry: BaseGeometry) -> tuple[float, float]:
    left, low, right, high = geometry.bounds
    return (left + right) / 2 * view.x[0] + view.x[1], (low + high) / 2 * view.y[0] + view.y[1]


def _land(view: _View) -> str:
    """Coasts, where the view is wide enough for outlines that are true to half a degree."""
    if view.right - view.left < 8:
        return ""
    frame = shapely.box(view.left, view.low, view.right, view.high)
    text = files("fieldwren.present").joinpath("land.txt").read_text("ascii")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rings = [[[float(v) for v in xy.split(",")] for xy in line.split()] for line in lines]
    land = shapely.make_valid(shapely.polygons([shapely.linearrings(ring) for ring in rings]))
    clipped = shapely.intersection(land, frame)
    parts = "".join(_rings(g, view.x, view.y) for g in clipped if not g.is_empty)
    return f'<path class="land" d="{parts}"/>'


def _graticule(view: _View) -> str:
    parts: list[str] = []
    for lon in style.round_values(view.left, view.right):
        x = lon * view.x[0] + view.x[1]
        east = (lon + 180.0) % 360.0 - 180.0
        text = f"{abs(east):g}° {'W' if east < 0 else 'E' if east else ''}"
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{view.height:.0f}"/>')
        if 30 < x < _WIDTH - 30:
            parts.append(
                f'<text class="middle" x="{x:.1f}" y="{view.height + 15:.0f}">{text}</text>'
            )
    for lat in style.round_values(view.low, view.high):
        y = lat * view.y[0] + view.y[1]
        text = f"{abs(lat):g}° {'S' if lat < 0 else 'N' if lat else ''}"
        parts.append(f'<path class="grid" d="M0 {y:.1f}H{_WIDTH}"/>')
        if 20 < y < view.height - 8:
            parts.append(f'<text x="6" y="{y - 4:.1f}">{text}</text>')
    return "".join(parts)


def _rings(geometry: BaseGeometry, x: tuple[float, float], y: tuple[float, float]) -> str:
    """The path data of a geometry's rings, to half a pixel; pixels = degrees * a + b."""
    simple = shapely.simplify(geometry, 0.5 / x[0])
    parts: list[str] = []
    for polygon in shapely.get_parts(simple):
        for ring in shapely.get_rings(polygon):
            lon, lat = shapely.get_coordinates(ring)[:-1].T
            parts.append(_path(lon * x[0] + x[1], lat * y[0] + y[1]) + "Z")
    return "".join(parts)


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Straight lines from point to point, with a break where y is missing."""
    known = np.isfinite(y)
    starts = known & ~np.concatenate([[False], known[:-1]])
    parts = zip(np.where(starts, "M", "L")[known], x[known], y[known], strict=True)
    return "".join(f"{letter}{a:.1f} {b:.1f}" for letter, a, b in parts)


def _round_below(length: float) -> float:
    """The greatest of 1, 2, 5, 10, 20, ... that does not exceed a length."""
    power = 10.0 ** math.floor(math.log10(length))
    return next(m * power for m in (5, 2, 1) if m * power <= length)
