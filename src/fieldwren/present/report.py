"""The report: one HTML file that opens from disk without a network, prints, and can be sent.

It holds an overview of all places, a section with plot and table for each of the first of them, and
how the numbers were made. The page is ``report.html.j2``; every name in it is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import jinja2
import pandas as pd

from fieldwren import __version__
from fieldwren.model import STATUSES
from fieldwren.present import style, svg
from fieldwren.present.facts import Facts
from fieldwren.present.summary import Summary, no_value, summarise

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from markupsafe import Markup
    from pandas.io.formats.style import Styler

    from fieldwren.model import Place

__all__ = ["FULL_SECTIONS", "style_table", "write_report"]

FULL_SECTIONS: Final = 50
"""So many places have a section of their own; the others stand in the overview only, so that the
file stays small enough to open and send."""


class _Row(NamedTuple):
    """An observation as the page shows it."""

    time: datetime
    status: str
    reason: str | None
    value: float | None
    cloud: float | None
    clear: float | None
    scene: str
    colour: str
    ink: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A place in the overview, and its section where it has one."""

    place: Place
    name: str
    summary: Summary
    colour: str
    anchor: str
    spark: Markup
    note: str
    drawing: Markup | None = None
    outline: Markup | None = None
    rows: Sequence[_Row] = ()


def write_report(
    path: str | os.PathLike[str],
    observations: pd.DataFrame,
    places: Sequence[Place],
    series: pd.DataFrame | None = None,
    *,
    index: str,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report of a run as one self-contained HTML file.

    Args:
        path: the file to write.
        observations: the rows of all places, with the columns of
            :class:`fieldwren.model.Observation`.
        places: in the order in which they are shown; at least one.
        series: columns place_id, date and smooth: the smooth curves.
        index: the column to show, such as "ndvi".
        facts: the receipt of the run, see :class:`fieldwren.present.facts.Facts`.

    Returns:
        The path of the file.
    """
    scale = style.value_range(index, observations[index][observations["status"] == "ok"])
    entries = list(_entries(observations, places, series, index=index, scale=scale))
    counts = observations["status"].value_counts()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fieldwren.present", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"day": _day, "number": _number, "size": _size, "duration": _duration}
    page = environment.get_template("report.html.j2").render(
        facts=Facts.of(facts or {}),
        index=index.upper(),
        version=__version__,
        entries=entries,
        sections=[entry for entry in entries if entry.anchor],
        scale=scale,
        style=style,
        overview=svg.overview(places, [e.colour for e in entries], [e.anchor for e in entries]),
        scenes=sum(entry.summary.scenes for entry in entries),
        clear=sum(entry.summary.clear for entry in entries),
        statuses=[(s, int(counts[s]), m) for s, m in STATUSES.items() if s in counts],
    )
    path = Path(path)
    path.write_text(page, "utf-8")
    return path


def _entries(
    observations: pd.DataFrame,
    places: Sequence[Place],
    series: pd.DataFrame | None,
    *,
    index: str,
    scale: style.Scale,
) -> Iterable[_Entry]:
    tables = dict(iter(observations.groupby("place_id", sort=False)))
    curves = {} if series is None else dict(iter(series.groupby("place_id", sort=False)))
    for number, place in enumerate(places):
        rows = tables.get(place.id, observations.iloc[:0])
        curve = curves.get(place.id)
        summary = summarise(rows, index)
        name = style.clean_name(place.name)
        entry = partial(
            _Entry,
            place=place,
            name=name,
            summary=summary,
            colour=scale.colour(summary.mean),
            spark=svg.sparkline(curve, scale),
            note="" if summary.clear else no_value(summary),
        )
        if number >= FULL_SECTIONS:
            yield entry(anchor="")
            continue
        label = f"{index.upper()} of {name}: {summary.clear} clear of {summary.scenes} scenes"
        yield entry(
            anchor=f"place-{number + 1}",
            drawing=svg.plot(rows, curve, index=index, label=label) if summary.scenes else None,
            outline=svg.outline(place, scale.colour(summary.mean)),
            rows=_table(rows, index, scale),
        )


def _table(rows: pd.DataFrame, index: str, scale: style.Scale) -> list[_Row]:
    """The observations of a place, newest first."""
    columns = ["datetime", "status", "reason", index, "scene_cloud_cover", "clear_fraction"]
    table = rows[[*columns, "scene_id"]].sort_values("datetime", ascending=False)
    # Whatever a column's type has for a missing value becomes None.
    table = table.astype(object).where(table.notna(), None)
    colours = [(scale.colour(value), scale.ink(value)) for value in table[index]]
    records = table.itertuples(index=False, name=None)
    return [_Row._make(r + c) for r, c in zip(records, colours, strict=True)]


def style_table(table: pd.DataFrame, *, index: str) -> Styler:
    """A table of observations with colours, for notebooks.

    Args:
        table: some or all columns of :class:`fieldwren.model.Observation`.
        index: the columns of this index, its statistics included, get the colours of the plots.

    Returns:
        A Styler; its text is escaped.
    """
    stems = (index, *(f"{index}_{s}" for s in ("median", "min", "max", "p10", "p90", "interior")))
    columns: list[Any] = [column for column in stems if column in table]
    values = table[columns].to_numpy(float).ravel()
    scale = style.value_range(index, values)

    def paint(value: Any) -> str:
        if pd.isna(value):
            return ""
        return f"background-color: {scale.colour(value)}; color: {scale.ink(value)}"

    shown = table.style.format(escape="html", precision=3, na_rep="")
    return shown.map(paint, subset=columns)


def _day(time: date | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d}"


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _size(n: int) -> str:
    return f"{n / 1e6:,.1f} MB" if n < 1e9 else f"{n / 1e9:,.2f} GB"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"
