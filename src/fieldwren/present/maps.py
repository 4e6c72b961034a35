"""The map: all places over satellite images or OpenStreetMap, coloured by their latest anomaly.

Where no place has an anomaly yet, for want of years to compare with, the colour is the mean index.

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
from fieldwren.present.findings import LatestAnomaly, counted, latest_anomalies, signed
from fieldwren.present.summary import Summary, no_value, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import folium
    from shapely.geometry.base import BaseGeometry

    from fieldwren.model import Place
    from fieldwren.season.analysis import Analysis

__all__ = ["map_places"]

_SATELLITE: Final = (
    "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}"
)
_CREDIT: Final = "Images &copy; Esri, Maxar, Earthstar Geographics and the GIS user community"
_PRECISION: Final = 1e-5  # degrees, about a metre, to which outlines are simplified


def map_places(
    places: Sequence[Place],
    analysis: Analysis,
    *,
    index: str,
    facts: Mapping[str, Any] | None = None,
) -> folium.Map:
    """Draw the map; its ``save`` writes an HTML file, and notebooks show it.

    A click on a place shows its curve and its latest figures.

    Args:
        places: at least one.
        analysis: the rows of all places and what follows from them.
        index: the column to show, such as "ndvi".
        facts: the receipt of the run, see :class:`fieldwren.present.facts.Facts`.

    Raises:
        MissingExtraError: folium is not installed.
    """
    try:
        import folium  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("the map", "pictures") from error

    rows = analysis.observations
    scale = style.range_of_rows(rows, index)
    latest = latest_anomalies(analysis.anomalies)
    properties = _properties(places, analysis, latest, index=index, scale=scale)
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
    legend = _legend(index, scale, Facts.of(facts or {}), by_anomaly=bool(latest))
    root.html.add_child(folium.Element(legend + _OFFLINE))
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
            ["name", "clear", "mean", "latest", "anomaly"],
            ["", "Clear", "Mean", "Latest", "Anomaly"],
        ),
        popup=folium.GeoJsonPopup(["html"], labels=False, max_width=340),
    )


def _properties(
    places: Sequence[Place],
    analysis: Analysis,
    anomalies: Mapping[str, LatestAnomaly],
    *,
    index: str,
    scale: style.Scale,
) -> list[dict[str, Any]]:
    """What the map says of each place. Leaflet takes text for HTML, hence the escapes."""
    observations = analysis.observations
    tables = dict(iter(observations.groupby("place_id", sort=False)))
    curves = dict(iter(analysis.series.groupby("place_id", sort=False)))
    rows: list[dict[str, Any]] = []
    for place in places:
        summary = summarise(tables.get(place.id, observations.iloc[:0]), index)
        anomaly = anomalies.get(place.id)
        colour = scale.colour(summary.mean)
        if anomalies:
            colour = style.ANOMALIES.colour(anomaly.z if anomaly else None)
        facts = {
            "clear": f"{summary.clear:,} of {counted(summary.passes, 'pass')}",
            "mean": "none" if summary.mean is None else f"{index.upper()} {summary.mean:.3f}",
            "latest": "none",
            "anomaly": "none" if anomaly is None else f"{signed(anomaly.z, 1)} on {anomaly.date}",
        }
        if summary.last is not None:
            facts["latest"] = f"{summary.latest:.3f} on {summary.last:%Y-%m-%d}"
        name = str(escape(style.place_name(place)))
        spark = svg.sparkline(curves.get(place.id), scale)
        html = _popup(name, summary, anomaly, facts, spark, index=index)
        look = {"color": style.INK, "weight": 1.5, "fillColor": colour, "fillOpacity": 0.85}
        rows.append({"name": name, **facts, "html": html, "style": look})
    return rows


def _popup(
    name: str,
    summary: Summary,
    anomaly: LatestAnomaly | None,
    facts: Mapping[str, str],
    spark: str,
    *,
    index: str,
) -> str:
    """The figures of a place with its curve, as HTML."""
    if summary.clear:
        lines = [f"latest {index.upper()} {facts['latest']}, mean {summary.mean:.3f}"]
    else:
        lines = [no_value(summary)]
    lines.append(f"{facts['clear']} clear")
    if anomaly is not None:
        lines.append(
            f"anomaly {signed(anomaly.z, 1)}: {signed(anomaly.value, 3)} in the ten days from "
            f"{anomaly.date}, where {signed(anomaly.expected, 3)} is usual"
        )
    look = f"width:280px;margin-top:6px;stroke:{style.CURVE};stroke-width:1.5;fill:none"
    curve = f'<div style="{look}">{spark}</div>' if spark else ""
    return f"<b>{name}</b><br>{'<br>'.join(lines)}{curve}"


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


def _legend(index: str, scale: style.Scale, facts: Facts, *, by_anomaly: bool) -> str:
    shown = style.ANOMALIES if by_anomaly else scale
    words, absent = f"Mean {escape(index.upper())}", "no clear date"
    if by_anomaly:
        words, absent = f"Latest anomaly of {escape(index.upper())}", "not known"
        look = "font-size:11px;line-height:1.3;margin:2px 0 5px"
        words += (
            f"<div style='{look}'>standard deviations from the usual for the time of year</div>"
        )
    stops = ", ".join(f"{colour} {at:.0%}" for at, colour in shown.stops)
    ends = [signed(value, 2).rstrip("0").rstrip(".") for value in (shown.low, shown.high)]
    # The text becomes a template; a brace would start an expression.
    source = str(escape(style.clean_name(facts.archive))).replace("{", "&#123;")
    warning = "<b style='color:#8a3b00'>Simulated data</b><br>" if facts.simulated else ""
    return (
        "<div style='position:fixed;left:12px;bottom:76px;z-index:900;padding:8px 12px;"
        "border-radius:6px;box-shadow:0 1px 5px #0006;background:#fff;color:#1f2933;"
        "font:13px/1.5 sans-serif;max-width:200px'>"
        f"{warning}{words}"
        f"<div style='height:12px;background:linear-gradient(90deg, {stops})'></div>"
        f"<div style='display:flex;justify-content:space-between'><span>{ends[0]}</span>"
        f"<span>{ends[1]}</span></div>"
        f"<span style='color:{style.ABSENT}'>&#9632;</span> {absent}"
        f"{'<br>archive: ' + source if source else ''}</div>"
    )
