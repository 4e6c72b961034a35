"""The table: one row per candidate, put together from the plan and the ledger.

Rows are sorted by place_id, datetime and scene_id, so that a table does not depend on the order in
which its rows were computed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fieldwren import __version__
from fieldwren.acquisitions import best_of_acquisition
from fieldwren.ledger import RETRIED, words_and_codes
from fieldwren.model import Observation
from fieldwren.pixels.reduce import measured_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fieldwren.model import Place, Recipe, Scene
    from fieldwren.planner import Plan

    Positions = NDArray[np.int64]

__all__ = ["assemble"]


def assemble(plan: Plan, rows: pa.Table) -> pa.Table:
    """Put the table together.

    Args:
        plan: whose candidates become the rows.
        rows: the ledger's rows; of several for one pair the last counts, others are left out.

    Returns:
        A table with the columns of ``model.Observation``, those of ``ndvi`` once per index.
    """
    order, source = _order(plan), _source(plan, rows)
    place_at, scene_at, source = plan.place_at[order], plan.scene_at[order], source[order]
    columns: dict[str, pa.Array[Any]] = {
        **_of_places(plan.places, place_at),
        **_of_scenes(plan.scenes, scene_at),
        **{n: _numbers(rows, n, source) for n in measured_columns(plan.recipe)},
    }
    status, reason = _verdicts(plan, scene_at, source, rows)
    best = best_of_acquisition(
        place=place_at,
        platform=[plan.scenes[s].platform for s in scene_at.tolist()],
        moment=columns["datetime"].to_numpy(zero_copy_only=False),
        status=status,
        n_clear=columns["n_clear"].to_numpy(zero_copy_only=False),
    )
    for row in np.flatnonzero(best != np.arange(len(best))).tolist():
        status[row] = "duplicate"
        reason[row] = f"same acquisition as {plan.scenes[scene_at[best[row]]].id}"
    version = [v or __version__ for v in _texts(rows, "version", source)]
    columns["status"] = pa.array(status, pa.string())
    columns["reason"] = pa.array(reason, pa.string())
    columns["version"] = pa.array(version, pa.string())
    return pa.table({name: columns[name] for name in _names(plan.recipe)})


def _names(recipe: Recipe) -> list[str]:
    """The row's columns in order, the measured ones expanded to the recipe's indices."""
    plain = [f.name for f in dataclasses.fields(Observation)]
    first, last = plain.index("ndvi"), plain.index("scene_cloud_cover")
    return [*plain[:first], *measured_columns(recipe), *plain[last:]]


def _order(plan: Plan) -> Positions:
    """Candidates by place id, time and scene id."""
    place_rank = _ranks([p.id for p in plan.places])
    scene_rank = _ranks([(s.datetime, s.id) for s in plan.scenes])
    return np.lexsort((scene_rank[plan.scene_at], place_rank[plan.place_at]))


def _ranks(keys: Sequence[object]) -> Positions:
    """The position of each key in the sorted list."""
    ranks = np.empty(len(keys), np.int64)
    ranks[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))  # type: ignore[arg-type]
    return ranks


def _source(plan: Plan, rows: pa.Table) -> Positions:
    """Shape (candidates,): which ledger row is each candidate's, -1 for none."""
    n = len(plan.places)
    place = _positions(rows, "place_key", plan.place_keys)
    scene = _positions(rows, "scene_key", plan.scene_keys)
    known = (place >= 0) & (scene >= 0)
    codes = np.where(known, scene * n + place, -1)
    # Of equal codes the last final row counts, else the last failure: search from the right.
    words, status = words_and_codes(rows, "status")
    final = ~np.isin(status, [k for k, word in enumerate(words) if word in RETRIED])
    order = np.lexsort((np.arange(len(codes)), final, codes))
    wanted = plan.scene_at * n + plan.place_at
    wanted[np.isin(plan.scene_at, list(plan.verdicts))] = -2
    at = np.searchsorted(codes[order], wanted, side="right") - 1
    if not len(codes):
        return np.full(len(wanted), -1)
    found = order[np.maximum(at, 0)]
    return np.where((at >= 0) & (codes[found] == wanted), found, -1)


def _positions(rows: pa.Table, name: str, keys: Sequence[str]) -> Positions:
    """Keys of the ledger's rows to positions; -1 where a key is not known."""
    known = {key: position for position, key in enumerate(keys)}
    words, codes = words_and_codes(rows, name)
    return np.array([known.get(word, -1) for word in words], np.int64)[codes]


def _numbers(rows: pa.Table, name: str, source: Positions) -> pa.Array[Any]:
    """A measured column by candidate, null where there is no row."""
    values = np.append(rows[name].to_numpy(), np.nan)  # which position -1 takes
    return pa.array(values[source], from_pandas=True)


def _texts(rows: pa.Table, name: str, source: Positions) -> NDArray[np.object_]:
    """A text column by candidate, None where there is no row."""
    values = np.empty(rows.num_rows + 1, dtype=object)
    values[:-1] = rows[name].to_pylist()
    return values[source]


def _verdicts(
    plan: Plan, scene_at: Positions, source: Positions, rows: pa.Table
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Status and reason of each candidate."""
    status, reason = _texts(rows, "status", source), _texts(rows, "reason", source)
    lost = ("read_error", "not read: the run stopped, or the scene's CRS does not reach the place")
    for at in np.flatnonzero(source < 0).tolist():
        status[at], reason[at] = plan.verdicts.get(int(scene_at[at]), lost)
    return status, reason


def _of_places(places: Sequence[Place], place_at: Positions) -> dict[str, pa.Array[Any]]:
    values = {"place_id": [p.id for p in places], "place_name": [p.name for p in places]}
    return {name: pa.array(v, pa.string()).take(place_at) for name, v in values.items()}


def _of_scenes(scenes: Sequence[Scene], scene_at: Positions) -> dict[str, pa.Array[Any]]:
    text, number, moment = pa.string(), pa.float64(), pa.timestamp("ms", "UTC")
    values: dict[str, tuple[list[Any], pa.DataType]] = {
        "scene_id": ([s.id for s in scenes], text),
        "collection": ([s.collection for s in scenes], text),
        "platform": ([s.platform for s in scenes], text),
        "datetime": ([s.datetime for s in scenes], moment),
        "scene_cloud_cover": ([s.cloud_cover for s in scenes], number),
        "sun_elevation": ([s.sun_elevation for s in scenes], number),
        "tile": ([s.tile for s in scenes], text),
        "archive": ([s.archive for s in scenes], text),
    }
    return {name: pa.array(v, kind).take(scene_at) for name, (v, kind) in values.items()}
