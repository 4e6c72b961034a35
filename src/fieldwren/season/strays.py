"""Values outside [-1, 1] of an index that stays within: divisions by almost nothing.

An index that is not bounded has strays, too: what is greater than any index.

The curve, means and the ranges of pictures leave them out; the rows keep them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GREATEST", "find_strays", "stray_rows"]

GREATEST: Final = 1e6
"""No index is greater; a ratio whose divisor is next to nothing may be."""

_SHARE: Final = 0.1
"""A place with a greater share of its clear values outside has an index that is not bounded."""


def find_strays(
    value: NDArray[np.float64], place: NDArray[np.intp], clear: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Which values are strays.

    Args:
        value: shape (n,), NaN for none.
        place: shape (n,): number of the place.
        clear: shape (n,): whether a value tells if the index is bounded; None: each does.

    Returns:
        Shape (n,).
    """
    outside = np.abs(value) > 1
    if not outside.any():
        return outside
    tells = np.isfinite(value) if clear is None else np.isfinite(value) & clear
    size = int(place.max()) + 1
    many = np.bincount(place[outside & tells], minlength=size)
    bounded = many <= _SHARE * np.bincount(place[tells], minlength=size)
    return outside & (bounded[place] | (np.abs(value) > GREATEST))


def stray_rows(observations: pd.DataFrame, index: str) -> NDArray[np.bool_]:
    """Which rows of places have a stray value, whatever their status."""
    value = observations[index].to_numpy(float, na_value=np.nan)
    place, _ = pd.factorize(observations["place_id"])
    return find_strays(value, place, observations["status"].eq("ok").to_numpy(bool))
