"""The report: one HTML file that opens from disk without a network, prints, and can be sent.

The overview and what is said of each place are written here, and are read without a script too;
series, calendar, tables and pictures of a place are drawn by ``report.js`` when it is opened, from
the JSON of :mod:`fieldwren.present.report_data`. The page is ``report.html.j2``, its looks
``report.css``; every text from outside is escaped, and the page's own policy keeps it from loading
or running anything that is not written here.
"""

from __future__ import annotations

import hashlib
import math
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from markupsafe import Markup

from fieldwren import __version__
from fieldwren.model import STATUSES
from fieldwren.present import style, svg
from fieldwren.present.facts import Facts
from fieldwren.present.findings import (
    FAR,
    LatestAnomaly,
    counted,
    latest_anomalies,
    signed,
    stand_outs,
)
from fieldwren.present.report_data import DATA_BYTES, PlaceData, encode, fit_pictures, picture_data
from fieldwren.present.summary import Summary, no_value, summarise

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import pandas as pd

    from fieldwren.model import Place
    from fieldwren.present.chip_picture import ChipPicture
    from fieldwren.season.analysis import Analysis

__all__ = ["write_report"]

_SHADES: Final = 24  # classes of colours: a policy without inline styles has no colour per cell
_SCORES: Final = 13  # likewise of standard scores
_OPEN: Final = 8  # so many places are open from the beginning; of more, each when it is chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What the page says of one place."""

    place: Place
    name: str
    properties: Sequence[tuple[str, str]]
    anchor: str
    summary: Summary
    latest: LatestAnomaly | None
    notes: Sequence[str]
    tags: str
    find: str
    spark: Markup
    outline: Markup
    sources: Sequence[str]
    data: Markup


def write_report(
    path: str | os.PathLike[str],
    *,
    places: Sequence[Place],
    analysis: Analysis,
    index: str,
    facts: Mapping[str, Any] | None = None,
    chips: Mapping[str, Sequence[ChipPicture]] | None = None,
) -> Path:
    """Write the report of a run as one self-contained HTML file.

    Args:
        path: the file to write.
        places: in the order in which they are shown; at least one.
        analysis: the rows of all places and what follows from them.
        index: the column to show, such as "ndvi".
        facts: the receipt of the run, see :class:`fieldwren.present.facts.Facts`.
        chips: pictures by place id, in the order in which they matter.

    Returns:
        The path of the file.
    """
    rows = analysis.observations
    scale = style.range_of_rows(rows, index)
    digits = _digits(scale)
    data = PlaceData(analysis, index, digits)
    entries = list(_entries(places, analysis, data, index=index, scale=scale))
    pictures, left_out = fit_pictures(chips or {}, DATA_BYTES - sum(len(e.data) for e in entries))
    page = (
        _environment(scale)
        .get_template("report.html.j2")
        .render(
            facts=Facts.of(facts or {}),
            index=index.upper(),
            version=__version__,
            entries=entries,
            findings=stand_outs(
                [e.summary for e in entries], [e.latest for e in entries], index, max(digits - 1, 0)
            ),
            filters=_filters(entries),
            overview=_map(entries, scale, index, digits),
            by_anomaly=any(e.latest for e in entries),
            scale=scale,
            digits=digits,
            pictures={p: _json([picture_data(one) for one in own]) for p, own in pictures.items()},
            left_out=left_out,
            passes=sum(e.summary.passes for e in entries),
            clear=sum(e.summary.clear for e in entries),
            statuses=_statuses(rows),
            counted=counted,
            **_own_code(scale),
            shared=_json({**_shared(index, scale, digits), "texts": data.texts.all()}),
        )
    )
    path = Path(path)
    path.write_text(page, "utf-8", errors="replace", newline="\n")
    return path


def _text(name: str) -> str:
    return files("fieldwren.present").joinpath(name).read_text("utf-8")


def _json(value: object) -> Markup:
    return Markup(encode(value))  # noqa: S704 - encode leaves no "<"


def _statuses(rows: pd.DataFrame) -> list[tuple[str, int, str]]:
    """Each status that rows have, with their number and its meaning."""
    counts = rows["status"].value_counts()
    return [(s, int(counts[s]), meaning) for s, meaning in STATUSES.items() if s in counts]


def _own_code(scale: style.Scale) -> dict[str, Any]:
    """The page's style sheet and scripts, and the policy under which nothing else runs."""
    css = _text("report.css") + _colour_rules(scale)
    mark = "document.documentElement.className='js'"  # before the first sight of the page
    script = "".join(_text(f"report{part}.js") for part in ("_tools", "_series", "_place", ""))
    return {
        "css": Markup(css),  # noqa: S704 - written here
        "mark": Markup(mark),  # noqa: S704 - likewise
        "script": Markup(script),  # noqa: S704 - likewise
        "policy": _policy(styles=[css], scripts=[mark, script]),
    }


def _policy(*, styles: Sequence[str], scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: only these styles and scripts, nothing from a network."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hashes(styles)}; script-src {_hashes(scripts)}"
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)


def _environment(scale: style.Scale) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fieldwren.present", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "day": _day,
        "number": _number,
        "size": _size,
        "duration": _duration,
        "shade": partial(_bin, "v", scale, _SHADES),
        "score": partial(_bin, "z", style.ANOMALIES, _SCORES),
        "clean": style.clean_name,
    }
    return environment


def _entries(
    places: Sequence[Place],
    analysis: Analysis,
    data: PlaceData,
    *,
    index: str,
    scale: style.Scale,
) -> Iterable[_Entry]:
    rows, sources = analysis.observations, _sources(analysis.observations)
    tables = dict(iter(rows.groupby("place_id")))
    curves = dict(iter(analysis.series.groupby("place_id")))
    latest = latest_anomalies(analysis.anomalies)
    for number, place in enumerate(places):
        summary = summarise(tables.get(place.id, rows.iloc[:0]), index)
        notes = analysis.notes.get(place.id, ()) if summary.clear else [no_value(summary)]
        yield _Entry(
            place=place,
            name=style.place_name(place),
            properties=_properties(place),
            anchor=f"place-{number + 1}",
            summary=summary,
            latest=latest.get(place.id),
            notes=notes,
            tags=" ".join(_tags(summary, latest.get(place.id), notes)),
            find=_find(place),
            spark=svg.sparkline(curves.get(place.id), scale),
            outline=svg.outline(place, scale.colour(summary.mean)),
            sources=sources.get(place.id, ()),
            data=_json(data.of(place.id)),
        )


def _properties(place: Place) -> list[tuple[str, str]]:
    """What the input said of a place beside its name and id."""
    known = {place.name, place.id, "None", "nan", ""}
    said = ((str(name), str(value)) for name, value in place.properties.items())
    return [(name, value) for name, value in said if value not in known]


def _find(place: Place) -> str:
    """What the search box looks through."""
    words = (f"{name}: {value}" for name, value in _properties(place))
    return style.clean_name(" ".join((place.name, place.id, *words)), 2000).lower()


def _sources(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Where the rows of each place come from, a sentence for each kind of scene."""
    keys = ["place_id", "platform", "collection", "version"]
    counts = rows.groupby(keys, dropna=False).size().reset_index(name="n")
    said: dict[str, list[str]] = {}
    for place, platform, collection, version, n in counts.itertuples(index=False, name=None):
        text = f"{counted(n, 'scene')} of {platform} ({collection}), by fieldwren {version}"
        said.setdefault(place, []).append(text)
    return said


_FILTERS: Final = {
    "below": "Below the usual (anomaly below \u22121)",
    "usual": "As usual (\u22121 to 1)",
    "above": "Above the usual (anomaly above 1)",
    "unknown": "No anomaly known",
    "blind": "No clear date",
    "noted": "With a remark",
}


def _tags(summary: Summary, latest: LatestAnomaly | None, notes: Sequence[str]) -> Iterable[str]:
    """Which filters a place passes."""
    if latest is None:
        yield "unknown"
    else:
        yield "below" if latest.z < -FAR else "above" if latest.z > FAR else "usual"
    if not summary.clear:
        yield "blind"
    if notes:
        yield "noted"


def _filters(entries: Sequence[_Entry]) -> list[tuple[str, str, int]]:
    """Key, words and number of places of each filter that leaves some, but not all."""
    counts = {key: sum(key in e.tags.split() for e in entries) for key in _FILTERS}
    return [(k, _FILTERS[k], n) for k, n in counts.items() if 0 < n < len(entries)]


def _map(entries: Sequence[_Entry], scale: style.Scale, index: str, digits: int) -> Markup:
    """The places coloured by their latest anomaly; where none has one, by their mean."""
    colours = [scale.colour(e.summary.mean) for e in entries]
    if any(e.latest for e in entries):
        colours = [style.ANOMALIES.colour(e.latest.z if e.latest else None) for e in entries]
    return svg.overview(
        [e.place for e in entries],
        colours,
        [e.anchor for e in entries],
        [_words(e, index, digits) for e in entries],
    )


def _words(entry: _Entry, index: str, digits: int) -> str:
    """What the map says of a place, a line each."""
    lines = [entry.name]
    if entry.summary.latest is not None:
        value = _number(entry.summary.latest, digits)
        lines.append(f"{index.upper()} {value} on {_day(entry.summary.last)}")
    if entry.latest is not None:
        lines.append(
            f"anomaly {signed(entry.latest.z, 1)} in the ten days from {entry.latest.date}"
        )
    passes = counted(entry.summary.passes, "pass")
    return "\n".join([*lines, f"{entry.summary.clear:,} clear of {passes}"])


def _bin(letter: str, scale: style.Scale, bins: int, value: float) -> str:
    """The class of the colour of a value."""
    share = (value - scale.low) / (scale.high - scale.low)
    return f"{letter}{min(max(int(share * bins), 0), bins - 1)}"


def _colour_rules(scale: style.Scale) -> str:
    """The rules of the style sheet that follow from the palette."""
    rules: list[str] = []
    for letter, shown, bins in (("v", scale, _SHADES), ("z", style.ANOMALIES, _SCORES)):
        for k in range(bins):
            value = shown.low + (k + 0.5) / bins * (shown.high - shown.low)
            colour, ink = shown.colour(value), shown.ink(value)
            rules.append(f".{letter}{k}{{background:{colour};color:{ink};fill:{colour}}}")
        stops = ",".join(f"{colour} {at:.1%}" for at, colour in shown.stops)
        rules.append(f".ramp-{letter}{{background:linear-gradient(90deg,{stops})}}")
    rules += [
        f".lane-{k}{{stroke:color-mix(in srgb,{lane.colour},#fff var(--lift))}}"
        for k, lane in enumerate(style.LANES)
    ]
    return "\n".join(rules)


def _shared(index: str, scale: style.Scale, digits: int) -> dict[str, Any]:
    """What the script needs to know of all places."""
    lanes = [{"label": lane.label, "statuses": sorted(lane.statuses)} for lane in style.LANES]
    return {
        "index": index.upper(),
        "digits": digits,
        "open": _OPEN,
        "statuses": list(STATUSES),
        "lanes": lanes,
        "shades": {"low": scale.low, "high": scale.high, "count": _SHADES},
        "scores": {"low": style.ANOMALIES.low, "high": style.ANOMALIES.high, "count": _SCORES},
    }


def _digits(scale: style.Scale) -> int:
    """Decimals that tell a thousandth of the scale: 3 for NDVI."""
    return min(max(3 - math.floor(math.log10(scale.high - scale.low)), 0), 9)


def _day(time: date | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d}"


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else signed(value, digits)


def _size(n: int) -> str:
    return f"{n / 1e6:,.1f} MB" if n < 1e9 else f"{n / 1e9:,.2f} GB"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"
