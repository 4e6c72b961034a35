"""What the command line shows: progress, notes and tables, on the terminal's standard error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fieldwren.progress import Event

__all__ = ["Screen", "plan_table", "summary_table"]


class Screen:
    """A listener that shows progress bars and notes; a context manager.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.out = Console(highlight=False)
        self._errors = Console(stderr=True, highlight=False) if quiet else self.console
        self._bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:  # what is not done stays undone on the screen, too
            self._bars.stop()

    def close(self) -> None:
        """Take the bars to their end, so that what follows stands below them."""
        self._finish()
        self._bars.stop()

    def _finish(self) -> None:
        for task in self._bars.tasks:
            if not task.finished:
                total = task.total or 1
                self._bars.update(task.id, total=total, completed=total)

    def __call__(self, event: Event, /) -> None:
        """Show an event. Notes are untrusted text: no markup is read in them."""
        if event.note:
            console = self._errors if event.warning else self._bars.console
            console.print(Text(f"{event.phase}: {event.note}"), soft_wrap=True)
            return
        if event.phase not in self._tasks:
            self._finish()
            self._tasks[event.phase] = self._bars.add_task(event.phase, total=event.total or None)
        self._bars.update(self._tasks[event.phase], completed=event.done, total=event.total or None)


def summary_table(summary: pd.DataFrame) -> Table:
    """``Results.summary`` for the terminal."""
    index = summary.columns[3].removeprefix("mean_").upper()
    heads = ["place", "scenes", "clear dates", f"mean {index}", "mean cloud %"]
    grid = _grid(heads, numeric_from=1)
    for name, scenes, clear, mean, cloud in summary.itertuples(index=False):
        grid.add_row(Text(name), str(scenes), str(clear), _number(mean, 3), _number(cloud, 1))
    return grid


def plan_table(description: Mapping[str, Any]) -> Table:
    """``pipeline.describe`` for the terminal."""
    cost = description["to_read"]
    grid = _grid(["", ""], numeric_from=1)
    lines = [
        ("places", f"{description['places']:,}"),
        ("scenes found", f"{description['scenes_found']:,}"),
        ("rows", f"{description['rows']:,}"),
        *(
            (f"scenes not read: {why}", f"{n:,}")
            for why, n in description["scenes_skipped"].items()
        ),
        ("scenes to read", f"{cost['scenes']:,}"),
        ("tasks", f"{cost['tasks']:,}"),
        ("requests", f"{cost['requests']:,}"),
        ("to receive", f"{cost['bytes'] / 2**20:,.1f} MiB"),
        ("time at 60 ms and 100 Mbit/s", f"{cost['seconds']:,.0f} s"),
        ("memory", f"{cost['memory'] / 2**20:,.0f} MiB"),
        ("charges", f"{cost['dollars']:,.2f} USD"),
        *(
            [("charges of the engine", f"{cost['engine_dollars']:,.4f} USD")]
            if cost["engine_dollars"]
            else []
        ),
    ]
    for name, value in lines:
        grid.add_row(name, value)
    return grid


def _grid(heads: Sequence[str], *, numeric_from: int) -> Table:
    grid = Table(box=None, header_style="bold", pad_edge=False, show_header=any(heads))
    for position, head in enumerate(heads):
        grid.add_column(head, justify="right" if position >= numeric_from else "left")
    return grid


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
