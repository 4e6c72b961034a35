"""Tables with colours, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from fieldwren.present import style

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

__all__ = ["style_table"]


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
