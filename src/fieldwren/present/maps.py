"""The map: all places over satellite images or OpenStreetMap, coloured by their mean index.

The page loads Leaflet and its tiles from the network when it is opened; the data are within it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import shapely
from markupsafe import escape

from fieldwren.errors import MissingExtraError
from fieldwren.present import style, svg
from fieldwren.present.facts import Facts
from fieldwren.present.summary import no_value, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import folium
    import pandas as pd
    from shapely.geometry.base import BaseGeometry

    from fieldwren.model import Place

__all__ = ["map_places"]

_SATELLITE: Final = (
    "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}"
)
_CREDIT: Final = "Images &copy; Esri, Maxar, Earthstar Geographics and the GIS user community"
_PRECISION: Final = 1e-5  # degrees, about a metre, to which outlines are simplified


def map_places(
    observations: pd.DataFrame,
    places: Sequence[Place],
    series: pd.DataFrame | None = None,
    *,
    index: str,
    facts: Mapping[str, Any] | None = None,
) -> folium.Map:
    """Draw the map; its ``save`` writes an HTML file.

    Args:
        observations: the rows of all places, with the columns of
            :class:`fieldwren.model.Observation`.
        places: at least one.
        series: columns place_id, date and smooth: the curves, shown where a place is clicked.
        index: the column to show, such as "ndvi".
        facts: the receipt of the run, see :class:`fieldwren.present.facts.Facts`.

    Raises:
        MissingExtraError: folium is not installed.
    """
    try:
        import folium  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("the map", "pictures") from error

    scale = style.value_range(index, observations[index][observations["status"] == "ok"])
    properties = _properties(places, observations, series, index=index, scale=scale)
    page = folium.Map(tiles=None, control_scale=True)
    # Leaflet alone; jQuery, Bootstrap and icon fonts are not used.
    page.default_js = [link for link in page.default_js if link[0] == "leaflet"]
    page.default_css = [link for link in page.default_css if link[0] == "leaflet_css"]
    folium.TileLayer(_SATELLITE, attr=_CREDIT, name="Satellite", max_zoom=19).add_to(page)
    # OpenStreetMap refuses pages without a referrer, which a file opened from disk does not have.
    streets = "OpenStreetMap (from a web server)"
    folium.TileLayer("OpenStreetMap", name=streets, show=False).add_to(page)
    outlines = [_simple(place.geometry) for place in places]
    _layer("Outlines", outlines, properties).add_to(page)
    # A field is smaller than a pixel until one zooms in.
    marks = [geometry.representative_point() for geometry in outlines]
    _layer("Marks", marks, properties).add_to(page)
    folium.LayerControl(collapsed=False).add_to(page)
    left, low, right, high = shapely.total_bounds(np.asarray(outlines))
    page.fit_bounds([[low, left], [high, right]], padding=(40, 40), max_zoom=15)
    root: Any = page.get_root()
    root.html.add_child(folium.Element(_legend(index, scale, Facts.of(facts or {})) + _OFFLINE))
    return page


def _layer(
    name: str, geometries: Sequence[BaseGeometry], properties: Sequence[dict[str, Any]]
) -> folium.GeoJson:
    """One layer for all places: a layer each would make the page ten times as large."""
    import folium  # noqa: PLC0415 - optional

    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(g), "properties": p}
        for g, p in zip(geometries, properties, strict=True)
    ]
    return folium.GeoJson(
        {"type": "FeatureCollection", "features": features},
        name=name,
        marker=folium.CircleMarker(radius=5, fill=True),
        tooltip=folium.GeoJsonTooltip(
            ["name", "clear", "mean", "latest"], ["", "Clear", "Mean", "Latest"]
        ),
        popup=folium.GeoJsonPopup(["html"], labels=False, max_width=340),
    )


def _properties(
    places: Sequence[Place],
    observations: pd.DataFrame,
    series: pd.DataFrame | None,
    *,
    index: str,
    scale: style.Scale,
) -> list[dict[str, Any]]:
    """What the map says of each place. Leaflet takes text for HTML, hence the escapes."""
    tables = dict(iter(observations.groupby("place_id", sort=False)))
    curves = {} if series is None else dict(iter(series.groupby("place_id", sort=False)))
    rows: list[dict[str, Any]] = []
    for place in places:
        summary = summarise(tables.get(place.id, observations.iloc[:0]), index)
        name = str(escape(style.clean_name(place.name)))
        mean, latest, words = "none", "none", no_value(summary)
        if summary.mean is not None and summary.last is not None:
            mean = f"{index.upper()} {summary.mean:.3f}"
            latest = f"{summary.latest:.3f} on {summary.last:%Y-%m-%d}"
            words = f"mean {mean}, latest {latest}"
        clear = f"{summary.clear} of {summary.scenes} scenes"
        spark = svg.sparkline(curves.get(place.id), scale)
        curve = f'<div style="width:280px;stroke:{style.CURVE};fill:none">{spark}</div>'
        rows.append(
            {
                "name": name,
                "clear": clear,
                "mean": mean,
                "latest": latest,
                "html": f"<b>{name}</b><br>{clear} clear<br>{words}{curve if spark else ''}",
                "style": {
                    "color": style.INK,
                    "weight": 1.5,
                    "fillColor": scale.colour(summary.mean),
                    "fillOpacity": 0.75,
                },
            }
        )
    return rows


def _simple(geometry: BaseGeometry) -> BaseGeometry:
    """The outline to a metre, which keeps files of hundreds of places small."""
    simple = shapely.simplify(svg.unwrapped(geometry), _PRECISION)
    return shapely.transform(simple, lambda xy: np.round(xy, 6))


_OFFLINE: Final = (
    "<p id='offline' style='position:fixed;top:40%;width:100%;text-align:center;"
    "font:15px sans-serif;color:#5c6873'>This map is drawn with Leaflet and satellite tiles from"
    " the network, which cannot be reached. The report has an outline map without network.</p>"
    "<script>if (window.L) document.getElementById('offline').remove();</script>"
)
"""Shown in place of a blank page."""


def _legend(index: str, scale: style.Scale, facts: Facts) -> str:
    stops = ", ".join(f"{colour} {at:.0%}" for at, colour in style.STOPS)
    # The text becomes a template; a brace would start an expression.
    source = str(escape(style.clean_name(facts.archive))).replace("{", "&#123;")
    warning = "<b style='color:#8a3b00'>Simulated data</b><br>" if facts.simulated else ""
    return (
        "<div style='position:fixed;left:12px;bottom:76px;z-index:900;padding:8px 12px;"
        "border-radius:6px;box-shadow:0 1px 5px #0006;background:#fff;color:#1f2933;"
        "font:13px/1.5 sans-serif'>"
        f"{warning}Mean {escape(index.upper())}<br>"
        f"<div style='width:180px;height:12px;background:linear-gradient(90deg, {stops})'></div>"
        f"<div style='display:flex;justify-content:space-between'><span>{scale.low:.2g}</span>"
        f"<span>{scale.high:.2g}</span></div>"
        f"<span style='color:{style.ABSENT}'>&#9632;</span> no clear date"
        f"{'<br>archive: ' + source if source else ''}</div>"
    )
