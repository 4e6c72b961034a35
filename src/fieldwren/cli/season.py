"""The command that finds curves, seasons and anomalies again from rows, without pixels."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fieldwren.cli.options import (
    AddCommand,
    add_season_settings,
    print_json,
    settings_of,
    shown_options,
)

if TYPE_CHECKING:
    import argparse

    from fieldwren.screen import Screen

__all__ = ["add_commands"]


def add_commands(add: AddCommand) -> None:
    """Add the command to the parser."""
    season = add(
        "season", parents=[shown_options()], help="curves, seasons, anomalies again, from rows"
    )
    season.add_argument("folder", metavar="DIR", help="folder of the results of a run")
    add_season_settings(season)
    season.set_defaults(command=_season)


def _season(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.config import resolve  # noqa: PLC0415 - heavy
    from fieldwren.results import Results  # noqa: PLC0415 - heavy
    from fieldwren.screen import summary_table  # noqa: PLC0415 - rich is slow to import
    from fieldwren.season.analysis import SeasonOptions  # noqa: PLC0415 - heavy

    wanted = SeasonOptions.of(asdict(resolve(**settings_of(options))))
    results = Results.load(options.folder).analysed(wanted)
    results.save(options.folder, progress=screen)
    screen.close()
    seasons = results.seasons
    if options.json:
        rows = json.loads(seasons.to_json(orient="records", date_format="iso", date_unit="s"))
        notes = {place: list(said) for place, said in results.analysis.notes.items()}
        print_json({"out": str(options.folder), "seasons": rows, "notes": notes})
    elif not options.quiet:
        screen.console.print(summary_table(results.summary()))
        folder = Path(options.folder)
        print(f"{folder / 'report.html'}\n{folder / 'seasons.csv'}")
    return 0
