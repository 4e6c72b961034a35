"""What a run gives: rows, the facts about how they were obtained, and views of both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from fieldwren.errors import MissingExtraError, PlaceError
from fieldwren.files import file_name, replace_file, write_json
from fieldwren.folder import load_folder, save_rows, save_tables
from fieldwren.ledger import RETRIED
from fieldwren.present.chip_files import load_chips
from fieldwren.present.findings import counted
from fieldwren.present.plot_files import PlotFiles, write_plots
from fieldwren.present.plots import plot_place
from fieldwren.progress import Event, Progress, ignore
from fieldwren.season.analysis import Analysis, SeasonOptions, analyse
from fieldwren.season.strays import stray_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import folium
    import pyarrow as pa
    import xarray as xr
    from matplotlib.figure import Figure

    from fieldwren.model import Place
    from fieldwren.present.chip_picture import ChipPicture

__all__ = ["PLOTS", "Results"]

PLOTS: Final = {"png": ("png",), "svg": ("svg",), "both": ("png", "svg"), "none": ()}
"""Endings of the files of plots, by setting."""

_COMPUTED: Final = ("table", "analysis", "_where")
_MOST_PLOTS: Final = 500
"""Beyond it a folder of plots is not looked at any more; ``Results.plot`` draws any of them."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Observations of places, and where they came from."""

    places: tuple[Place, ...]
    """The places of the run."""
    rows: pa.Table
    """One row per candidate; the columns of ``model.Observation``."""
    receipt: Mapping[str, Any]
    """Archive, arguments, versions, requests, bytes, seconds, rows by status."""
    index: str = "ndvi"
    """The index that plots and maps show."""
    options: SeasonOptions = field(default_factory=SeasonOptions)
    """How rows become curves and seasons."""
    chips: Mapping[str, tuple[ChipPicture, ...]] = field(
        default_factory=dict[str, tuple["ChipPicture", ...]]
    )
    """Pictures by place id, each place's by time; only the first places of a run have them."""

    def __repr__(self) -> str:
        counts = self.table["status"].value_counts().to_dict()
        places, rows = counted(len(self.places), "place"), counted(self.rows.num_rows, "row")
        return f"<Results: {places}, {rows}: {counts}>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per place and scene; the columns of ``model.Observation``."""
        return self.rows.to_pandas()

    def renewed(
        self,
        *,
        receipt: Mapping[str, Any],
        chips: Mapping[str, tuple[ChipPicture, ...]] | None = None,
    ) -> Results:
        """These results with other facts; what was computed from the rows is kept."""
        other = replace(self, receipt=receipt, chips=self.chips if chips is None else chips)
        kept = {name: self.__dict__[name] for name in _COMPUTED if name in self.__dict__}
        other.__dict__.update(kept)
        return other

    def to_arrow(self) -> pa.Table:
        """The table in Arrow; missing values are null."""
        return self.rows

    def to_xarray(self) -> xr.Dataset:
        """The numbers on a grid of (place_id, datetime); duplicates are left out.

        Raises:
            MissingExtraError: xarray is not installed.
        """
        try:
            import xarray as xr  # noqa: PLC0415 - an extra
        except ImportError:
            raise MissingExtraError("to_xarray()", "xarray") from None
        frame = self.table[self.table["status"] != "duplicate"]
        frame = frame.assign(datetime=frame["datetime"].dt.tz_localize(None))
        # Tiles of one datatake may share a moment: keep the row that has a value.
        frame = frame.sort_values(self.index, na_position="last", kind="stable")
        frame = frame.drop_duplicates(["place_id", "datetime"])
        cube = xr.Dataset.from_dataframe(frame.set_index(["place_id", "datetime"]).sort_index())
        return cube.reindex(place_id=[p.id for p in self.places])

    @cached_property
    def analysis(self) -> Analysis:
        """What the rows say: curves, seasons, anomalies, adequacy, notes."""
        places = [p.id for p in self.places]
        return analyse(self.table, self.index, self.options, places=places)

    @property
    def seasons(self) -> pd.DataFrame:
        """A row per season; see :class:`fieldwren.season.analysis.Analysis`."""
        return self.analysis.seasons

    @property
    def anomalies(self) -> pd.DataFrame:
        """A row per place and dekad; see :class:`fieldwren.season.analysis.Analysis`."""
        return self.analysis.anomalies

    @property
    def adequacy(self) -> pd.DataFrame:
        """A row per place and month; see :class:`fieldwren.season.analysis.Analysis`."""
        return self.analysis.adequacy

    @property
    def smooth(self) -> pd.DataFrame:
        """The smooth curve of every place, a row per day: place_id, date, smooth, low, high, gap.

        ``low`` and ``high`` are the edges of the 95 % band of the curve; ``gap`` says that no clear
        observation is near. All three numbers are null between clear dates that
        are more than 270 days apart.
        """
        return self.analysis.series

    def series(self, place: str | Place) -> pd.DataFrame:
        """The smooth curve of one place: date, smooth, low, high and gap, a row per day."""
        chosen = self._of("series", self._id(place))
        return chosen.drop(columns="place_id").reset_index(drop=True)

    @property
    def failures(self) -> pd.DataFrame:
        """The rows that could not be read; the same run again tries them once more."""
        return self.table[self.table["status"].isin(RETRIED)]

    def summary(self) -> pd.DataFrame:
        """A row per place: scenes found, clear dates, mean index and mean scene cloud (percent).

        The mean leaves out what the curve does: outliers, and strays outside [-1, 1].
        """
        frame = self.table
        clear = frame[frame["status"] == "ok"]
        dates = clear.assign(date=clear["datetime"].dt.date).groupby("place_id")["date"].nunique()
        by_place = frame.groupby("place_id")
        summary = pd.DataFrame({"name": {p.id: p.name for p in self.places}})
        summary["scenes"] = by_place.size().reindex(summary.index, fill_value=0)
        summary["clear_dates"] = dates.reindex(summary.index, fill_value=0)
        used = clear[~stray_rows(clear, self.index)]
        summary[f"mean_{self.index}"] = used.groupby("place_id")[self.index].mean()
        summary["mean_cloud"] = by_place["scene_cloud_cover"].mean()
        return summary.rename_axis("place_id")

    def plot(self, place: str | Place) -> Figure:
        """The series of one place as a matplotlib figure.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return self._drawing(self._place(place))()

    def _drawing(self, chosen: Place) -> Callable[[], Figure]:
        """What draws the plot of a place, with no more than it needs of these results."""
        return partial(
            plot_place,
            self._of("observations", chosen.id),
            replace(chosen, properties={}),
            self._of("series", chosen.id),
            index=self.index,
            facts=self.receipt,
            seasons=self._of("seasons", chosen.id),
            notes=self.analysis.notes.get(chosen.id, ()),
        )

    def map(self) -> folium.Map:
        """The places on a map, coloured by their latest anomaly or, without any, by their mean.

        Raises:
            MissingExtraError: folium is not installed.
        """
        from fieldwren.present.maps import map_places  # noqa: PLC0415 - folium is heavy

        return map_places(self.places, self.analysis, index=self.index, facts=self.receipt)

    def report(self, path: str | Path) -> Path:
        """Write everything as one self-contained HTML file."""
        from fieldwren.present.report import write_report  # noqa: PLC0415 - only where used

        return write_report(
            path,
            places=self.places,
            analysis=self.analysis,
            index=self.index,
            facts=self.receipt,
            chips=self.chips,
        )

    def analysed(self, options: SeasonOptions) -> Results:
        """The same rows with these options: which of them are outliers, and what they say."""
        rows = options.mark(self.rows, self.index)
        receipt = _described(self.receipt, rows, options)
        return replace(self, rows=rows, receipt=receipt, options=options)

    @classmethod
    def load(cls, folder: str | Path) -> Results:
        """The results that :meth:`save` wrote into a folder.

        Raises:
            LedgerError: a file of them is missing or cannot be read.
        """
        rows, places, receipt = load_folder(Path(folder))
        return cls(
            places=places,
            rows=rows,
            receipt=receipt,
            index=next(iter(receipt.get("formulas", {})), "ndvi"),
            options=SeasonOptions.of(receipt.get("arguments", {})),
            chips=load_chips(Path(folder)),
        )

    def save(
        self, folder: str | Path, *, plots: str | None = None, progress: Progress = ignore
    ) -> None:
        """Write table, series, plots, map, report and receipt into a folder.

        Each file is replaced whole. What needs an extra that is not installed is left out, and
        said.

        Args:
            folder: is made where it is not there.
            plots: a key of PLOTS; None: what the run was told.
            progress: is told how far the work has come.
        """
        kind = plots or self.receipt.get("arguments", {}).get("plots", "png")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_rows(self.rows, self.places, folder)
        save_tables(self.analysis, folder)
        for draw in (partial(self._save_plots, endings=PLOTS[kind]), partial(_save_map, self)):
            try:
                draw(folder, progress)
            except MissingExtraError as error:
                progress(Event(phase="pictures", note=str(error)))
        progress(Event(phase="report"))
        replace_file(folder / "report.html", self.report)
        write_json(folder / "receipt.json", self.receipt)

    def _save_plots(self, folder: Path, progress: Progress, *, endings: Sequence[str]) -> None:
        if not endings:
            return
        plots = folder / "plots"
        plots.mkdir(exist_ok=True)
        chosen = self.places[:_MOST_PLOTS]
        files = (
            PlotFiles(
                draw=self._drawing(place),
                paths=[plots / f"{file_name(place.id)}.{ending}" for ending in endings],
            )
            for place in chosen
        )
        write_plots(files, len(chosen), progress)
        if len(self.places) > len(chosen):
            note = f"plots of the first {len(chosen)} of {len(self.places)} places"
            progress(Event(phase="plots", note=f"{note}; the report has all"))

    def _repr_html_(self) -> str:
        """A line of facts and a table per place, for notebooks."""
        counts = self.table["status"].value_counts()
        said = ", ".join(f"{n:,} {escape(str(status))}" for status, n in counts.items())
        archive = self.receipt.get("archive", {})
        made_up = " (simulated)" if archive.get("simulated") else ""
        line = (
            f"{len(self.table):,} rows from {escape(str(archive.get('name', '')))}{made_up}: {said}"
        )
        table = self.summary().to_html(float_format="{:.3f}".format, na_rep="", escape=True)
        return f"<p>{line}</p>{table}"

    def _of(self, table: str, place_id: str) -> pd.DataFrame:
        """The rows of one place in a table of the analysis."""
        return getattr(self.analysis, table).take(self._where[table].get(place_id, ()))

    @cached_property
    def _where(self) -> dict[str, Mapping[Any, Any]]:
        """Positions of the rows of each place, by table of the analysis."""
        tables = ("observations", "series", "seasons")
        return {t: getattr(self.analysis, t).groupby("place_id").indices for t in tables}

    def _id(self, place: str | Place) -> str:
        return self._place(place).id

    def _place(self, place: str | Place) -> Place:
        wanted = place if isinstance(place, str) else place.id
        for known in self.places:
            if known.id == wanted:
                return known
        raise PlaceError(
            f"no place has the id {wanted!r}: Results.places has all ids", place_id=wanted
        )


def _save_map(results: Results, folder: Path, progress: Progress) -> None:
    progress(Event(phase="map"))
    replace_file(folder / "map.html", lambda p: results.map().save(str(p)))


def _described(
    receipt: Mapping[str, Any], rows: pa.Table, options: SeasonOptions
) -> dict[str, Any]:
    """The receipt of rows that were analysed again."""
    counts = dict(Counter(rows["status"].to_pylist()).most_common())
    arguments = {**receipt.get("arguments", {}), **options.settings()}
    return {**receipt, "arguments": arguments, "rows_by_status": counts}
