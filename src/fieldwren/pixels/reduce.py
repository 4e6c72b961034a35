"""Pixels to rows: the statistics, the status and the reason of every place on one scene.

Entry k is one pixel of one place, with its coverage ``weights[k]`` and its quality ``codes[k]``;
place p owns the entries ``places[p]:places[p + 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from fieldwren.pixels.indices import evaluate
from fieldwren.pixels.masks import MASKS, STATUS_OF, Quality
from fieldwren.pixels.zonal import zonal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fieldwren.model import Recipe

    Floats = NDArray[np.float64]
    Codes = NDArray[np.uint8]

__all__ = ["Rows", "index_columns", "measured_columns", "reduce", "rejects"]

STATISTICS: Final = ("median", "std", "min", "max", "p10", "p90")
_ALWAYS_REJECTED: Final = frozenset({Quality.FILL, Quality.SATURATED, Quality.INVALID})
"""What is no measurement is rejected whatever the mask."""


_NAMES: Final = {Quality.CLOUD_EDGE: "cloud edge", Quality.CIRRUS: "cirrus"}
"""In a reason what the status calls cloud is told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The measured part of one row per place."""

    statuses: tuple[str, ...]
    """Keys of ``model.STATUSES``."""
    reasons: tuple[str | None, ...]
    """One sentence where the status is not ``ok``."""
    columns: Mapping[str, Floats]
    """By column name, shape (n,); NaN is missing."""


def rejects(mask: str) -> NDArray[np.bool_]:
    """Shape (number of qualities,): whether a mask rejects a quality code."""
    table = np.zeros(len(Quality), dtype=bool)
    table[sorted(MASKS[mask] | _ALWAYS_REJECTED)] = True
    return table


def reduce(
    *,
    codes: Codes,
    weights: Floats,
    places: NDArray[np.int64],
    bands: Mapping[str, Floats],
    recipe: Recipe,
) -> Rows:
    """Reduce the pixels of all places on one scene.

    The index is computed per pixel and then averaged: a mean of indices, not an index of means.

    Args:
        codes: quality of each entry, shape (m,).
        weights: coverage of each entry, 0 to 1, shape (m,).
        places: offsets of the places' entries, shape (n + 1,).
        bands: surface reflectance by band, shape (m,), NaN where not read; empty where no
            entry is clear and so nothing was read.
        recipe: indices, mask and thresholds.
    """
    rejected = rejects(recipe.mask)
    indices: dict[str, Floats] = {}
    if bands:
        indices = {i.name: evaluate(i, bands) for i in recipe.indices}
        broken = ~np.logical_and.reduce([np.isfinite(v) for v in indices.values()])
        codes = np.where(broken & ~rejected[codes], np.uint8(Quality.INVALID), codes)
    area = _area_by_quality(codes, weights, places)
    total = area.sum(axis=1)
    n_clear = area[:, ~rejected].sum(axis=1)
    clear = ~rejected[codes]
    columns = _index_columns(indices, clear=clear, weights=weights, places=places, recipe=recipe)
    columns |= _band_columns(bands, clear=clear, weights=weights, places=places, recipe=recipe)
    columns |= {"n_pixels": total, "n_clear": n_clear}
    columns["clear_fraction"] = _ratio(n_clear, total)
    columns["cloud_fraction"] = _ratio(area[:, Quality.CLOUD], total - area[:, Quality.FILL])
    statuses, reasons = _verdicts(area, rejected, columns["clear_fraction"], recipe.min_clear)
    return Rows(statuses=statuses, reasons=reasons, columns=columns)


def _area_by_quality(codes: Codes, weights: Floats, places: NDArray[np.int64]) -> Floats:
    """Coverage by place and quality, shape (n, number of qualities)."""
    n, kinds = len(places) - 1, len(Quality)
    owners = np.repeat(np.arange(n), np.diff(places))
    return _sums(weights, owners * kinds + codes, n * kinds).reshape(n, kinds)


def _sums(values: Floats, owners: NDArray[np.int64], n: int) -> Floats:
    """Sum of the values of each owner, shape (n,)."""
    return np.bincount(owners, values, minlength=n).astype(np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """The quotient, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _index_columns(
    indices: Mapping[str, Floats],
    *,
    clear: NDArray[np.bool_],
    weights: Floats,
    places: NDArray[np.int64],
    recipe: Recipe,
) -> dict[str, Floats]:
    """The columns of every index over the clear entries, and the number of interior ones."""
    kept, owned = weights[clear], _subset(places, clear)
    inside = clear & (weights >= recipe.interior)
    inside_owned = _subset(places, inside)
    ones = np.ones(np.count_nonzero(inside))
    columns: dict[str, Floats] = {"n_interior": np.diff(inside_owned).astype(np.float64)}
    for index in recipe.indices:
        values = indices.get(index.name)
        if values is None:
            columns |= dict.fromkeys(index_columns(index.name), np.full(len(places) - 1, np.nan))
            continue
        found = zonal(values[clear], kept, owned)
        columns[index.name] = found["mean"]
        columns |= {f"{index.name}_{s}": found[s] for s in STATISTICS}
        columns[f"{index.name}_interior"] = _means(values[inside], ones, inside_owned)
    return columns


def index_columns(name: str) -> tuple[str, ...]:
    """The columns of an index, in the row's order."""
    return (name, *(f"{name}_{s}" for s in STATISTICS), f"{name}_interior")


def measured_columns(recipe: Recipe) -> tuple[str, ...]:
    """Names of the columns that come from pixels, in the row's order."""
    first = [column for index in recipe.indices for column in index_columns(index.name)]
    counts = ("n_pixels", "n_clear", "n_interior", "clear_fraction", "cloud_fraction")
    return (*first, *recipe.bands, *counts)


def _band_columns(
    bands: Mapping[str, Floats],
    *,
    clear: NDArray[np.bool_],
    weights: Floats,
    places: NDArray[np.int64],
    recipe: Recipe,
) -> dict[str, Floats]:
    """Mean reflectance of every band over the clear entries."""
    kept, owned = weights[clear], _subset(places, clear)
    missing = np.full(len(places) - 1, np.nan)
    return {
        band: _means(bands[band][clear], kept, owned) if band in bands else missing
        for band in recipe.bands
    }


def _subset(places: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The offsets of the places after only the chosen entries are kept."""
    return np.concatenate(([0], np.cumsum(chosen)))[places]


def _means(values: Floats, weights: Floats, places: NDArray[np.int64]) -> Floats:
    """Weighted mean by place, NaN where a place has no entry."""
    n = len(places) - 1
    owners = np.repeat(np.arange(n), np.diff(places))
    return _ratio(_sums(values * weights, owners, n), _sums(weights, owners, n))


def _verdicts(
    area: Floats, rejected: NDArray[np.bool_], clear_fraction: Floats, min_clear: float
) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Status and reason of each place from its coverage by quality."""
    causes = [q for q in Quality if rejected[q]]
    kinds = list(dict.fromkeys(STATUS_OF[q] for q in causes))
    by_kind = np.stack(
        [area[:, [q for q in causes if STATUS_OF[q] == kind]].sum(axis=1) for kind in kinds], axis=1
    )
    # Missing data name the row only where there are no others: what was seen says more.
    fill = kinds.index(STATUS_OF[Quality.FILL])
    seen = by_kind.copy()
    seen[by_kind.sum(axis=1) > by_kind[:, fill], fill] = 0
    worst = seen.argmax(axis=1).tolist()
    statuses: list[str] = []
    reasons: list[str | None] = []
    for place, fraction in enumerate(clear_fraction.tolist()):
        if fraction >= min_clear and fraction > 0:
            statuses.append("ok")
            reasons.append(None)
            continue
        statuses.append("low_coverage" if fraction > 0 else kinds[worst[place]])
        parts = {_NAMES.get(q, STATUS_OF[q]): area[place, q] for q in causes}
        reasons.append(_reason(fraction, parts))
    return tuple(statuses), tuple(reasons)


def _reason(clear_fraction: float, parts: Mapping[str, float]) -> str:
    """Such as "12% of the place is clear: cloud 80%, shadow 8%"."""
    if not any(parts.values()):
        return "no pixel of the scene lies on the place"
    total = sum(parts.values()) / max(1e-12, 1.0 - clear_fraction)
    named = sorted(((v / total, k) for k, v in parts.items() if v > 0.005 * total), reverse=True)
    clear = f"{clear_fraction:.0%} of the place is clear" if clear_fraction > 0 else "nothing clear"
    return f"{clear}: " + ", ".join(f"{kind} {share:.0%}" for share, kind in named)
