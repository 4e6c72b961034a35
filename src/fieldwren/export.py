"""Results to files: the table, the series, the pictures, the report and the receipt."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

import pyarrow.parquet

from fieldwren.errors import MissingExtraError
from fieldwren.present.plots import save_plot
from fieldwren.progress import Event, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fieldwren.results import Results

__all__ = ["file_name", "save_results", "write_json"]

_MOST_PLOTS: Final = 500
"""Beyond it a folder of plots is not looked at any more; ``Results.plot`` draws any of them."""


def save_results(results: Results, folder: Path, *, progress: Progress) -> None:
    """Write everything a run leaves into its folder; each file is replaced whole.

    What needs an extra that is not installed is left out, and said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _replace(
        folder / "observations.parquet", lambda p: pyarrow.parquet.write_table(results.rows, p)
    )
    _replace(folder / "observations.csv", lambda p: _write_csv(results.table, p))
    _replace(folder / "series.csv", lambda p: _write_csv(results.smooth, p))
    for draw in (_plots, _map):
        try:
            draw(results, folder, progress)
        except MissingExtraError as error:
            progress(Event(phase="pictures", note=str(error)))
    progress(Event(phase="report"))
    _replace(folder / "report.html", results.report)
    write_json(folder / "receipt.json", results.receipt)


def _plots(results: Results, folder: Path, progress: Progress) -> None:
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    chosen = results.places[:_MOST_PLOTS]
    for number, place in enumerate(chosen):
        progress(Event(phase="plots", done=number, total=len(chosen)))
        _replace(
            plots / f"{file_name(place.id)}.png",
            lambda p, place=place: save_plot(results.plot(place), p),
        )
    if len(results.places) > len(chosen):
        note = (
            f"plots of the first {len(chosen)} of {len(results.places)} places; the report has all"
        )
        progress(Event(phase="plots", note=note))


def _map(results: Results, folder: Path, progress: Progress) -> None:
    progress(Event(phase="map"))
    _replace(folder / "map.html", lambda p: results.map().save(str(p)))


def file_name(place_id: str) -> str:
    """A safe file name of a place's id; ids that needed a change get a hash, so none collide."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", place_id).strip(".")[:80]
    if safe == place_id:
        return safe
    return f"{safe}-{hashlib.blake2b(place_id.encode(), digest_size=4).hexdigest()}"


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object, indented, replacing the file whole."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    _replace(path, lambda p: p.write_text(text + "\n", encoding="utf-8"))


def _write_csv(frame: Any, path: Path) -> None:
    frame.to_csv(path, index=False, float_format="%.6g", date_format="%Y-%m-%dT%H:%M:%SZ")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there, so that no half-written one is seen."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    write(partial)
    partial.replace(path)
