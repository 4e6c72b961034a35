"""The folder of results: the tables that are written there, and reading them back."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pandas as pd
import pyarrow as pa
import shapely
from pyarrow import csv
from pyarrow.parquet import read_table, write_table

from fieldwren.errors import LedgerError
from fieldwren.files import replace_file, write_json
from fieldwren.model import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fieldwren.season.analysis import Analysis

__all__ = ["load_folder", "save_rows", "save_tables"]

_T = TypeVar("_T")
_DIGITS: Final = {"smooth": 5, "low": 5, "high": 5}  # of the curve as text
_QUOTED: Final = frozenset('",\r\n')  # of what holds one of these a CSV quotes the cell


def save_rows(rows: pa.Table, places: Sequence[Place], folder: Path) -> None:
    """Write ``observations.parquet`` and ``.csv``, and ``places.geojson``."""
    replace_file(folder / "observations.parquet", lambda p: write_table(rows, p))
    frame = rows.to_pandas()
    replace_file(
        folder / "observations.csv", lambda p: _write_csv(frame, p, dates="%Y-%m-%dT%H:%M:%SZ")
    )
    features = [
        {
            "type": "Feature",
            "id": place.id,
            "properties": {**_plain(dict(place.properties)), "name": place.name},
            "geometry": json.loads(shapely.to_geojson(place.geometry)),
        }
        for place in places
    ]
    write_json(folder / "places.geojson", {"type": "FeatureCollection", "features": features})


def save_tables(analysis: Analysis, folder: Path) -> None:
    """Write ``series.parquet`` and ``.csv``, ``seasons``, ``anomalies`` and ``adequacy.csv``."""
    series = pa.Table.from_pandas(analysis.series, preserve_index=False)
    replace_file(folder / "series.parquet", lambda p: write_table(series, p))
    replace_file(folder / "series.csv", lambda p: _write_series(analysis.series, p))
    for name in ("seasons", "anomalies", "adequacy"):
        table: pd.DataFrame = getattr(analysis, name)
        replace_file(
            folder / f"{name}.csv", lambda p, table=table: _write_csv(table, p, dates="%Y-%m-%d")
        )


def load_folder(folder: Path) -> tuple[pa.Table, tuple[Place, ...], dict[str, Any]]:
    """Read back rows, places and receipt.

    Raises:
        LedgerError: a file is missing or cannot be read.
    """
    return (
        _read(folder / "observations.parquet", read_table),
        _read(folder / "places.geojson", _read_places),
        _read(folder / "receipt.json", _read_json),
    )


def _read(path: Path, read: Callable[[Path], _T]) -> _T:
    try:
        return read(path)
    except FileNotFoundError:
        raise LedgerError(
            f"{path.parent} holds no {path.name}: name the folder of a run, or run into it again"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, shapely.GEOSException) as error:
        raise LedgerError(f"{path} cannot be read ({error}): run into its folder again") from error


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_places(path: Path) -> tuple[Place, ...]:
    return tuple(map(_place, _read_json(path)["features"]))


def _place(feature: dict[str, Any]) -> Place:
    properties = feature["properties"]
    return Place(
        id=feature["id"],
        name=properties["name"],
        geometry=shapely.from_geojson(json.dumps(feature["geometry"])),
        properties=properties,
    )


def _plain(value: Any) -> Any:
    """A property as JSON can hold it: what is no number, text or list becomes text."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def _write_csv(frame: pd.DataFrame, path: Path, *, dates: str) -> None:
    frame.to_csv(path, index=False, float_format="%.6g", date_format=dates)


def _write_series(series: pd.DataFrame, path: Path) -> None:
    """As ``_write_csv`` would; Arrow is ten times faster, and curves have millions of days."""
    table = pa.Table.from_pandas(series.round(_DIGITS), preserve_index=False)
    table = table.set_column(1, "date", table["date"].cast(pa.date32()))
    quoted = any(_QUOTED.intersection(place) for place in series["place_id"].unique())
    style = csv.WriteOptions(include_header=False, quoting_style="needed" if quoted else "none")
    with path.open("wb") as file:
        file.write(f"{','.join(table.column_names)}\n".encode())  # Arrow would quote it
        csv.write_csv(table, file, style)
