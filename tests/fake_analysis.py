"""What the season gives of a table of observations, made by hand for the tests of what shows it.

The frames have the columns of ``season.analysis.Analysis``; their numbers are plausible, not right.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import shapely

from fieldwren.model import Place

SERIES = ["place_id", "date", "smooth", "low", "high", "gap"]
SEASONS = [
    *("place_id", "season", "start", "peak", "end", "length", "base", "amplitude", "peak_value"),
    *("greening", "senescing", "integral", "method", "note"),
]
ANOMALIES = [
    *("place_id", "date", "value", "expected", "z", "percentile", "vci", "years", "note"),
]
ADEQUACY = ["place_id", "month", "expected", "passes", "clear"]


def make_analysis(places: list[Place], observations: pd.DataFrame) -> SimpleNamespace:
    """Curve, seasons, anomalies and adequacy of every place that has three clear dates."""
    series, seasons, anomalies, adequacy = [], [], [], []
    notes: dict[str, list[str]] = {}
    groups = dict(iter(observations.groupby("place_id", sort=False)))
    for place in places:
        rows = groups.get(place.id, observations.iloc[:0])
        rows = rows.assign(date=rows["datetime"].dt.tz_localize(None).dt.floor("D"))
        clear = rows[rows["status"] == "ok"].sort_values("date")
        adequacy.append(_adequacy(place.id, rows))
        if len(clear) < 3:
            notes[place.id] = [f"Too few clear dates for a curve: {len(clear)}."]
            none = {"place_id": place.id, "note": "no season: too few clear dates"}
            seasons.append(pd.DataFrame([none]))
            continue
        curve = _curve(place.id, clear)
        series.append(curve)
        seasons.append(_seasons(place.id, curve))
        anomalies.append(_anomalies(place.id, curve))
    return SimpleNamespace(
        observations=observations,
        series=_table(series, SERIES, ["date"]),
        seasons=_table(seasons, SEASONS, ["start", "peak", "end"]),
        anomalies=_table(anomalies, ANOMALIES, ["date"]),
        adequacy=_table(adequacy, ADEQUACY, ["month"]),
        notes=notes,
    )


def _table(parts: list[pd.DataFrame], columns: list[str], dates: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(columns=columns)
    if parts:
        table = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    return table.assign(**{name: pd.to_datetime(table[name]).astype("M8[s]") for name in dates})


def _curve(place: str, clear: pd.DataFrame) -> pd.DataFrame:
    at = clear["date"].to_numpy("M8[D]").astype(int)
    days = np.arange(at[0], at[-1] + 1)
    window = np.hanning(63)
    padded = np.pad(np.interp(days, at, clear["ndvi"].to_numpy(float)), 31, mode="edge")
    smooth = np.convolve(padded, window / window.sum(), mode="valid")
    after = np.searchsorted(at, days)
    near = np.minimum(
        np.abs(at[np.minimum(after, len(at) - 1)] - days),
        np.abs(days - at[np.maximum(after - 1, 0)]),
    )
    width = 0.02 + near / 500
    known = np.where(near > 90, np.nan, smooth)
    return pd.DataFrame(
        {
            "place_id": place,
            "date": days.astype("M8[D]").astype("M8[s]"),
            "smooth": known,
            "low": known - width,
            "high": known + width,
            "gap": near > 25,
        }
    )


def _seasons(place: str, curve: pd.DataFrame) -> pd.DataFrame:
    rows = []
    smooth = curve.set_index("date")["smooth"]
    for year, values in smooth.groupby(smooth.index.year):
        base, peak = values.min(), values.idxmax()
        low = smooth[smooth < base + 0.5 * (values.max() - base)].index
        before, after = low[low < peak], low[low > peak]
        start = before[-1] if len(before) else pd.NaT
        end = after[0] if len(after) else pd.NaT
        whole = len(before) > 0 and len(after) > 0
        rows.append(
            {
                "place_id": place,
                "season": str(year),
                "start": start,
                "peak": peak,
                "end": end,
                "length": (end - start).days if whole else np.nan,
                "base": base,
                "amplitude": values.max() - base,
                "peak_value": values.max(),
                "greening": 0.0021,
                "senescing": -0.0017,
                "integral": float((values - base).sum()),
                "method": "threshold 50 %",
                "note": None if whole else "incomplete: cut by the end of the record",
            }
        )
    return pd.DataFrame(rows)


def _anomalies(place: str, curve: pd.DataFrame) -> pd.DataFrame:
    day = curve["date"].dt.day
    start = curve["date"] - pd.to_timedelta(np.minimum((day - 1) // 10, 2) * 10, unit="D")
    start = start.dt.to_period("M").dt.to_timestamp() + pd.to_timedelta(
        np.minimum((day - 1) // 10, 2) * 10, unit="D"
    )
    value = curve[~curve["gap"]].groupby(start[~curve["gap"]])["smooth"].mean()
    slot = value.index.month * 100 + value.index.day
    group = value.groupby(slot)
    n = group.transform("size") - 1
    expected = (group.transform("sum") - value) / n.where(n > 0)
    z = ((value - expected) / 0.05).clip(-4, 4)
    few = n < 3
    table = pd.DataFrame(
        {
            "place_id": place,
            "date": value.index,
            "value": value.to_numpy(),
            "expected": expected.where(~few).to_numpy(),
            "z": z.where(~few).to_numpy(),
            "percentile": (50 + 12 * z).clip(0, 100).where(~few).to_numpy(),
            "vci": (50 + 15 * z).clip(0, 100).where(~few).to_numpy(),
            "years": n.to_numpy(),
            "note": np.where(few, "fewer than three other years", None),
        }
    )
    return table[table["value"].notna()]


def _adequacy(place: str, rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[rows["status"] != "duplicate"]
    month = rows["date"].dt.to_period("M").dt.to_timestamp()
    passes = rows.groupby(month).size()
    clear = rows[rows["status"] == "ok"].groupby(month).size().reindex(passes.index, fill_value=0)
    return pd.DataFrame(
        {
            "place_id": place,
            "month": passes.index,
            "expected": 4.0,
            "passes": passes.to_numpy(),
            "clear": clear.to_numpy(),
        }
    )


def repeat(
    places: list[Place], analysis: SimpleNamespace, times: int
) -> tuple[list[Place], SimpleNamespace]:
    """The same places and tables many times over, under new ids and names, side by side."""
    copies, tables = [], {name: [] for name in _TABLES}
    for n in range(times):
        for place in places:
            name = f"{place.name} in block {n + 1}"
            geometry = shapely.transform(
                place.geometry, lambda xy, n=n: np.add(xy, (0.06 * n, 0.0))
            )
            copies.append(
                Place(
                    id=f"{place.id}-{n}", name=name, geometry=geometry, properties=place.properties
                )
            )
        for name in _TABLES:
            table = getattr(analysis, name)
            tables[name].append(table.assign(place_id=table["place_id"] + f"-{n}"))
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    return copies, SimpleNamespace(**joined, notes={})


_TABLES = ("observations", "series", "seasons", "anomalies", "adequacy")
