"""Exact area fractions of pixels under places.

The area of a polygon is the sum of the strips between its directed edges and a far line, and so is
the area of its part in each pixel. Every edge is cut where it crosses the pixel lattice; each piece
gives its height (``cover``) and the part of the strip on its left (``area``) to the one pixel it
lies in; a running sum of the covers along a row tells what lies between the pixels that the outline
touches: nothing, or whole pixels. Font rasterisers (FreeType's "smooth", libart) work the same way.
It is exact for straight edges, and its memory follows outline and result, not bounding boxes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fieldwren.model import Shapes

__all__ = ["Weights", "coverage"]

_NOISE = 1e-10
"""Smaller fractions are taken for rounding: coordinates near 5e6 m resolve 1e-9 m, or 1e-10 of a
10 m pixel, and a place drawn along pixel borders must not touch the pixels beyond them."""

_BATCH = 2**18
"""Pieces of edges worked on at once (about 50 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Pixels under n places: m entries, sorted by place, then row, then column."""

    places: NDArray[np.int64]
    """Shape (n + 1,): place p has the entries places[p] to places[p + 1]."""
    rows: NDArray[np.int32]
    """Shape (m,): pixel row; negative or beyond the image where the place is."""
    cols: NDArray[np.int32]
    """Shape (m,): pixel column, likewise."""
    weights: NDArray[np.float64]
    """Shape (m,): the fraction of the pixel that the place covers, in (0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    """Directed edges in lattice coordinates, those of one place together."""

    start: NDArray[np.float64]
    """Shape (m, 2): column, row."""
    stop: NDArray[np.float64]
    """Shape (m, 2), likewise."""
    place: NDArray[np.int64]
    """Shape (m,): ascending."""

    def __getitem__(self, part: slice) -> _Edges:
        return _Edges(start=self.start[part], stop=self.stop[part], place=self.place[part])


def coverage(shapes: Shapes, transform: tuple[float, float, float, float, float, float]) -> Weights:
    """Compute which pixels each place covers, and which fraction of them.

    Args:
        shapes: places in the CRS of the raster, with finite coordinates.
        transform: (a, b, c, d, e, f) of pixel corners: x = a*col + b*row + c and
            y = d*col + e*row + f. Rotated and south-up lattices are fine.

    Returns:
        Weights on the unbounded lattice. A point has weight 1 in the pixel that holds it (on a
        border: the pixel of the greater row and column). A polygon without area has no entries.
    """
    edges = _edges(shapes, transform)
    parts = [_fill(batch, n=len(shapes.ids)) for batch in _batches(edges)]
    counts = sum((count for count, *_ in parts), start=np.zeros(len(shapes.ids), np.int64))
    return Weights(
        places=np.concatenate([[0], np.cumsum(counts)]),
        rows=np.concatenate([np.empty(0, np.int32), *(rows for _, rows, _, _ in parts)]),
        cols=np.concatenate([np.empty(0, np.int32), *(cols for _, _, cols, _ in parts)]),
        weights=np.concatenate([np.empty(0), *(weights for *_, weights in parts)]),
    )


def _edges(shapes: Shapes, transform: tuple[float, float, float, float, float, float]) -> _Edges:
    """The edges of all rings, directed so that the inside lies where the column grows.

    A point becomes the left side of its pixel, whose strip within that pixel is all of it.
    """
    a, b, c, d, e, f = transform
    det = a * e - b * d
    x, y = shapes.xy[:, 0] - c, shapes.xy[:, 1] - f
    start = np.stack([(e * x - b * y) / det, (a * y - d * x) / det], axis=1)
    stop = np.roll(start, -1, axis=0)
    # On a north-up lattice (det < 0) the left side of a counter-clockwise ring goes to greater
    # rows, which counts as positive; south-up mirrors that.
    if det > 0:
        start, stop = stop, start

    size = np.diff(shapes.rings)
    lone = shapes.rings[:-1][size == 1]
    start[lone] = np.floor((start if det < 0 else stop)[lone])
    stop[lone] = start[lone] + [0, 1]
    keep = np.ones(len(start), np.bool_)
    keep[shapes.rings[1:][size > 1] - 1] = False
    place = np.repeat(np.arange(len(shapes.ids)), np.diff(shapes.rings[shapes.places]))
    return _Edges(start=start[keep], stop=stop[keep], place=place[keep])


def _batches(edges: _Edges) -> Iterator[_Edges]:
    """Whole places whose edges will have about ``_BATCH`` pieces together."""
    pieces = np.cumsum(1 + np.ceil(np.abs(edges.stop - edges.start)).sum(axis=1))
    heads = _heads(edges.place)
    batch = pieces[heads] // _BATCH
    cuts = [*heads[_heads(batch)], len(edges.place)]
    for lo, hi in itertools.pairwise(cuts):
        yield edges[lo:hi]


def _fill(
    edges: _Edges, *, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """The pixels that edges enclose: how many of each of n places; rows, columns, weights."""
    # Positions relative to the place's window, so that rounding is that of the place's size. The
    # window has a spare cell on every side, because a crossing may be rounded across a border.
    heads = _heads(edges.place)
    low = np.floor(np.minimum.reduceat(np.minimum(edges.start, edges.stop), heads)) - 1
    high = np.ceil(np.maximum.reduceat(np.maximum(edges.start, edges.stop), heads)) + 1
    width, height = (high - low).astype(np.int64).T
    before = np.cumsum(width * height) - width * height
    window = np.repeat(np.arange(len(heads)), np.diff(heads, append=len(edges.place)))
    start, stop = edges.start - low[window], edges.stop - low[window]

    for axis in (1, 0):
        start, stop, parent = _cut(start, stop, axis=axis)
        window = window[parent]
    middle = (start + stop) / 2
    cell = np.floor(middle).astype(np.int64)
    cover = stop[:, 1] - start[:, 1]
    area = cover * (middle[:, 0] - cell[:, 0])

    key = before[window] + cell[:, 1] * width[window] + cell[:, 0]
    order = np.argsort(key, kind="stable")
    touched = _heads(key[order])
    window, key, cell = (of[order[touched]] for of in (window, key, cell))
    weight, gap = _accumulate(
        key, key - cell[:, 0], *(np.add.reduceat(of[order], touched) for of in (cover, area))
    )
    cell += low[window].astype(np.int64)
    count, rows, cols, weights = _spread(cell, weight, gap)
    counts = np.bincount(edges.place[heads][window], weights=count, minlength=n)
    return counts.astype(np.int64), rows, cols, weights


def _accumulate(
    key: NDArray[np.int64],
    line: NDArray[np.int64],
    cover: NDArray[np.float64],
    area: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The weight of each touched cell, and how many whole pixels follow it in its line."""
    # The running sum starts again in every line, so that no rounding is carried over.
    heads = _heads(line)
    inside = np.cumsum(cover)
    inside -= np.repeat((inside - cover)[heads], np.diff(heads, append=len(line)))
    gap = np.diff(key, append=key[-1] + 1) - 1
    gap[heads[1:] - 1] = 0
    gap[inside < 0.5] = 0  # it is 0 or 1 between touched cells, but for rounding
    return inside - area, gap


def _spread(
    cell: NDArray[np.int64], weight: NDArray[np.float64], gap: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Write out touched cells (k, 2) and the whole pixels after each; count is how many."""
    partial = weight > _NOISE
    count = partial + gap
    ends = np.cumsum(count)
    weights = np.ones(ends[-1])
    weights[(ends - count)[partial]] = np.minimum(weight[partial], 1)
    cols = np.arange(ends[-1], dtype=np.int32)
    cols -= np.repeat((ends - count - cell[:, 0] - ~partial).astype(np.int32), count)
    return count, np.repeat(cell[:, 1].astype(np.int32), count), cols, weights


def _cut(
    start: NDArray[np.float64], stop: NDArray[np.float64], *, axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Cut edges where their coordinate ``axis`` is a whole number.

    Returns:
        Start and stop of the pieces, shape (k, 2), along each edge in turn; and the edge of each.
    """
    low = np.minimum(start[:, axis], stop[:, axis])
    high = np.maximum(start[:, axis], stop[:, axis])
    first = np.floor(low) + 1
    cuts = np.maximum(np.ceil(high) - first, 0).astype(np.int64)
    parent = np.repeat(np.arange(len(start)), cuts + 1)
    step = np.arange(len(parent)) - np.repeat(np.cumsum(cuts + 1) - cuts - 1, cuts + 1)

    inner = np.flatnonzero(step < cuts[parent])  # pieces that end at a cut
    edge, step = parent[inner], step[inner]
    begin, delta = start[edge], stop[edge] - start[edge]
    at = first[edge] + np.where(delta[:, axis] > 0, step, cuts[edge] - 1 - step)
    node = begin + delta * ((at - begin[:, axis]) / delta[:, axis])[:, None]
    node[:, axis] = at
    start, stop = start[parent], stop[parent]
    stop[inner] = start[inner + 1] = node
    return start, stop, parent


def _heads(groups: NDArray[np.generic]) -> NDArray[np.int64]:
    """Where each value starts in an array whose equal values stand together."""
    return np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]])[: len(groups)])
