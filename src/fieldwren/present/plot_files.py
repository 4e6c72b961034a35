"""The plots of a run as files; many are drawn by processes on all cores, a few right here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from fieldwren.engine import executor
from fieldwren.engine.local import default_workers
from fieldwren.engine.stream import stream
from fieldwren.files import replace_file
from fieldwren.present.plots import save_plot
from fieldwren.progress import Event, Progress, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["PlotFiles", "write_plots"]

_FEW: Final = 24
"""So many plots are drawn before processes would have begun to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotFiles:
    """A plot and the files it goes into."""

    draw: Callable[[], Figure]
    """Draws it; can be pickled."""
    paths: Sequence[Path]
    """A file for each format; the endings say which."""

    def write(self) -> None:
        """Draw it once, and write its files."""
        figure = self.draw()
        for path in self.paths:
            replace_file(path, partial(save_plot, figure))


def write_plots(plots: Iterable[PlotFiles], total: int, progress: Progress = ignore) -> None:
    """Write plots, each file whole.

    Args:
        plots: asked for one when it is needed.
        total: how many there are.
        progress: is told how far the work has come.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    left = iter(plots)
    here = total if total <= _FEW or default_workers() == 1 else 1
    for done, plot in enumerate(islice(left, here)):  # the first also tells what is not installed
        progress(Event(phase="plots", done=done, total=total))
        plot.write()
    if here == total:
        return
    with executor("local", processes=True, workers=default_workers()) as engine:
        calls = stream(engine, PlotFiles.write, left, ahead=2 * default_workers())
        for done, (_, call) in enumerate(calls, start=here):
            call.result()
            progress(Event(phase="plots", done=done, total=total))
