"""From the rows of a run to what they say: curves, seasons, anomalies, adequacy, in tables.

All tables have a column place_id, their dates are days in UTC without a time zone, and what is
missing is null. What a person should know of a place is a sentence in ``Analysis.notes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from fieldwren.errors import OptionError
from fieldwren.season.adequacy import adequacy_table
from fieldwren.season.anomaly import DEKADS, LEAST_YEARS, dekad_means, find_anomalies
from fieldwren.season.methods import SMOOTHERS, smooth_by
from fieldwren.season.notes import Notes
from fieldwren.season.phenology import METHODS
from fieldwren.season.rows import clear_rows, mark_outliers, place_index
from fieldwren.season.seasons import season_table
from fieldwren.season.smooth import Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fieldwren.season.smooth import Curves

__all__ = ["Analysis", "SeasonOptions", "analyse"]


_SETTINGS: Final = {
    "smooth": "smooth",
    "lam": "smooth_lambda",
    "outliers": "outliers",
    "method": "season_method",
    "threshold": "season_threshold",
}
"""Names of settings by the names of options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonOptions:
    """How rows become curves and seasons."""

    smooth: str = "whittaker"
    """``whittaker``, ``savgol``, ``harmonic`` or ``workshop``."""
    lam: float | None = None
    """Smoothness of the Whittaker smoother; None: chosen for each place."""
    outliers: bool = True
    """Whether values that drop and recover are marked, and leave the curve."""
    method: str = "threshold"
    """``threshold`` or ``derivative``: how start and end of a season are found."""
    threshold: float = 0.2
    """Share of the rise at which a season starts, and of the fall at which it ends."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("smooth", self.smooth, SMOOTHERS),
            ("season_method", self.method, METHODS),
        ):
            if value not in known:
                raise OptionError(f"{name} {value}: choose one of {', '.join(known)}")
        if self.lam is not None and not 0 < self.lam <= 1e9:
            raise OptionError(f"smooth_lambda must be greater than 0, to 1e9, not {self.lam}")
        if not 0 < self.threshold < 1:
            raise OptionError(f"season_threshold must be between 0 and 1, not {self.threshold}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> SeasonOptions:
        """As settings say, by their names in :class:`fieldwren.config.Settings`.

        Raises:
            OptionError: a smoother or method is unknown.
        """
        named: dict[str, Any] = {
            field: settings[name] for field, name in _SETTINGS.items() if name in settings
        }
        named["lam"] = named.get("lam") or None  # 0 is automatic
        return cls(**named)

    def settings(self) -> dict[str, Any]:
        """These options under the names of settings."""
        values = {name: getattr(self, field) for field, name in _SETTINGS.items()}
        return {**values, "smooth_lambda": self.lam or 0.0}

    def mark(self, rows: pa.Table, index: str) -> pa.Table:
        """The rows with the outliers of these options; see :func:`mark_outliers`."""
        columns = ["place_id", "datetime", "status", "reason", index]
        columns += ["clear_fraction", "scene_cloud_cover"]
        frame = rows.select(columns).to_pandas()
        marked = mark_outliers(frame, index, lam=self.lam, wanted=self.outliers)
        for name in ("status", "reason"):
            text = pa.array(marked[name], pa.string(), from_pandas=True)
            rows = rows.set_column(rows.column_names.index(name), name, text)
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the rows of a run say; places in the order in which they appear in the rows."""

    observations: pd.DataFrame
    """The rows given; ``status`` and ``reason`` say which are outliers."""
    series: pd.DataFrame
    """place_id, date, smooth, low, high, gap: a row per day from the first to the last clear date.

    low and high are the edges of the curve's 95 % band; gap says that no clear observation is near.
    Between clear dates that are more than 270 days apart all three numbers are null."""
    seasons: pd.DataFrame
    """place_id, season, start, peak, end, length, base, amplitude, peak_value, greening, senescing,
    integral, method, note: a row per season, or one row with a note for a place without any."""
    anomalies: pd.DataFrame
    """place_id, date, value, expected, z, percentile, vci, years, note: a row per dekad."""
    adequacy: pd.DataFrame
    """place_id, month, expected, passes, clear: a row per month."""
    notes: Mapping[str, tuple[str, ...]]
    """Sentences for people, by place_id; places of which there is nothing to say are not in it."""


def analyse(
    observations: pd.DataFrame,
    index: str,
    options: SeasonOptions | None = None,
    *,
    places: Sequence[str] = (),
) -> Analysis:
    """Find what the rows of all places say; tables are described in :class:`Analysis`.

    A place does not depend on the others, nor on the order of its rows.

    Args:
        observations: rows with the columns of :class:`fieldwren.model.Observation`.
        index: the column to analyse, such as "ndvi".
        options: None: all default.
        places: ids of places that may have no row.

    Raises:
        MissingExtraError: the smoother needs scipy, which is not installed.
    """
    options = options or SeasonOptions()
    rows = mark_outliers(observations, index, lam=options.lam, wanted=options.outliers)
    ids = place_index(rows, tuple(places))
    notes = Notes(ids)
    used = notes.bounded(clear_rows(rows, ids, index))
    if options.smooth == "workshop":
        used = used.assign(weight=(1 - used["cloud"]) ** 2)[used["cloud"] < 1]
    known = Series.of(
        *(used[name].to_numpy() for name in ("day", "value", "weight", "place")), k=len(ids)
    )
    curves = smooth_by(options.smooth, known, lam=options.lam)
    rows_of = np.bincount(ids.get_indexer(pd.Index(rows["place_id"])), minlength=len(ids))
    lacking = notes.of_dates(used, rows_of)
    return Analysis(
        observations=rows,
        series=_series_table(curves, ids),
        seasons=season_table(
            curves, ids, lacking, method=options.method, threshold=options.threshold
        ),
        anomalies=_anomaly_table(curves, ids),
        adequacy=adequacy_table(rows),
        notes=notes.by_place(),
    )


def _series_table(curves: Curves, ids: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place_id": ids.take(curves.series),
            "date": curves.day.astype("datetime64[D]").astype("datetime64[s]"),
            "smooth": curves.smooth,
            "low": curves.low,
            "high": curves.high,
            "gap": curves.gap,
        }
    )


def _anomaly_table(curves: Curves, ids: pd.Index) -> pd.DataFrame:
    """Every dekad from the first to the last clear date of each place."""
    near = np.where(curves.gap, np.nan, curves.smooth)
    first, values = dekad_means(curves.series, curves.day, near, len(ids))
    found = find_anomalies(values)
    place, year, dekad = np.nonzero(_spanned(values))
    cells = (place, year, dekad)
    month = (first - 1970 + year) * 12 + dekad // 3
    date = month.astype("datetime64[M]").astype("datetime64[D]") + 10 * (dekad % 3)
    value, years = values[cells], found.years[cells]
    note = np.full(len(place), None, object)
    note[years < LEAST_YEARS] = [
        f"{n} other year{' has' if n == 1 else 's have'} a value: {LEAST_YEARS} are needed"
        for n in years[years < LEAST_YEARS]
    ]
    note[np.isnan(value)] = "no clear observation is near"
    return pd.DataFrame(
        {
            "place_id": ids.take(place),
            "date": date.astype("datetime64[s]"),
            "value": value,
            "expected": found.expected[cells],
            "z": found.z[cells],
            "percentile": found.percentile[cells],
            "vci": found.vci[cells],
            "years": years,
            "note": pd.array(note, dtype="str"),
        }
    )


def _spanned(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Dekads from the first to the last that has a value, shape (places, years, DEKADS)."""
    known = np.isfinite(values).reshape(len(values), values.shape[1] * DEKADS)
    begun = np.maximum.accumulate(known, axis=1)
    ended = np.maximum.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    return (begun & ended).reshape(values.shape)
