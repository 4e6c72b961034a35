"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from fieldwren.errors import OptionError, public_href

if TYPE_CHECKING:
    from fieldwren.screen import Screen

__all__ = [
    "AddCommand",
    "add_season_settings",
    "add_settings",
    "job_arguments",
    "job_options",
    "print_json",
    "settings_of",
    "shown_options",
]


class AddCommand(Protocol):
    """Adds a command to the parser; takes what ``ArgumentParser`` takes, and ``help``."""

    def __call__(self, name: str, /, **how: Any) -> argparse.ArgumentParser:
        """Add it."""
        ...


def shown_options() -> argparse.ArgumentParser:
    """A parent parser: how much is shown, and as what."""
    shown = argparse.ArgumentParser(add_help=False)
    shown.add_argument("--json", action="store_true", help="one JSON object on standard output")
    shown.add_argument("-q", "--quiet", action="store_true", help="no progress, no tables")
    shown.add_argument(
        "-v", "--verbose", action="store_true", help="say each setting and its origin"
    )
    return shown


def job_options() -> argparse.ArgumentParser:
    """A parent parser: places, dates and settings of a run."""
    job = argparse.ArgumentParser(add_help=False)
    job.add_argument(
        "places", nargs="+", metavar="PLACES", help='a file, "lon,lat", "Name=lon,lat"'
    )
    job.add_argument("--since", metavar="D", help="first date: 2013, 2013-04 or 2013-04-11")
    job.add_argument("--until", metavar="D", help="last date, inclusive")
    job.add_argument("--id-field", metavar="F", help="property that holds the places' ids")
    job.add_argument("--name-field", metavar="F", help="property that holds the places' names")
    job.add_argument(
        "--crs", metavar="CRS", help="CRS of places whose file does not say (EPSG:...)"
    )
    add_settings(job, "--sensor", "--archive", "--mask", "--engine", metavar="NAME")
    add_settings(job, "--collection", "--index", metavar="NAME", nargs="+", action="extend")
    add_settings(job, "--plots", metavar="KIND")
    add_settings(job, "--max-cloud", metavar="PCT", type=float)
    add_settings(job, "--min-clear", metavar="FRACTION", type=float)
    add_settings(job, "--dilate", metavar="METRES", type=float)
    add_settings(job, "--workers", "--chips", metavar="N", type=int)
    add_season_settings(job)
    return job


_HELP: Final = {
    "--sensor": "landsat (default) or sentinel-2",
    "--archive": "demo, earth-search, planetary-computer, or the URL or path of a STAC catalog",
    "--mask": "standard (default), clouds, strict or none",
    "--engine": "where tasks run: local (default), dask, lambda or lithops",
    "--collection": "STAC collections instead of the sensor's own",
    "--index": "ndvi (default), evi, savi ... or name=expression over band names",
    "--max-cloud": "do not read scenes with more cloud, percent",
    "--min-clear": "below this clear fraction of a place a row is low_coverage (0.5)",
    "--dilate": "grow clouds and shadows by so many metres (0)",
    "--workers": "tasks at the same time (one per core, or what the engine has)",
    "--plots": "png (default), svg, both or none",
    "--chips": "pictures of so many places on their clearest dates (24; 0: none)",
    "--smooth": "the curve: whittaker (default), savgol, harmonic or workshop",
    "--lambda": "smoothness of the Whittaker curve (chosen for each place)",
    "--no-outliers": "keep values that drop and recover as missed cloud does",
    "--season-method": "threshold (default) or derivative",
    "--threshold": "share of its rise at which a season starts (0.2)",
}
_NAMED: Final = {
    "--lambda": "smooth_lambda",
    "--no-outliers": "outliers",
    "--threshold": "season_threshold",
}
"""Settings whose option is shorter than their name."""


def _setting(option: str) -> str:
    return _NAMED.get(option, option.strip("-").replace("-", "_"))


def add_settings(parser: argparse.ArgumentParser, *names: str, **how: Any) -> None:
    """Add options that are settings, with their help."""
    for name in names:
        parser.add_argument(name, dest=_setting(name), help=_HELP[name], **how)


def add_season_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options of how rows become curves and seasons."""
    add_settings(parser, "--smooth", "--season-method", metavar="NAME")
    add_settings(parser, "--lambda", metavar="L", type=float)
    add_settings(parser, "--threshold", metavar="FRACTION", type=float)
    add_settings(parser, "--no-outliers", action="store_const", const=False)


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """The settings given on the command line; None where one was not."""
    return {name: getattr(options, name, None) for name in map(_setting, _HELP)}


def job_arguments(options: argparse.Namespace, screen: Screen) -> dict[str, Any]:
    """Keyword arguments of the pipeline's functions."""
    if options.verbose:
        _show_settings(options, screen)
    return {
        "places": _places(options),
        "since": options.since,
        "until": options.until,
        "progress": screen,
        **settings_of(options),
    }


def _places(options: argparse.Namespace) -> Any:
    """One file, or points given one by one."""
    from fieldwren.places import read_places  # noqa: PLC0415 - shapely is slow to import

    given = [p.strip() for p in options.places]
    if not all(given):
        raise OptionError("PLACES holds an empty text: give a file, or points as lon,lat")
    files = [p for p in given if Path(p).exists()]
    if files and len(given) > 1:
        raise OptionError(f"{files[0]} is a file: give one file alone, or points only")
    source = given[0] if len(given) == 1 else given
    return read_places(
        source, id_field=options.id_field, name_field=options.name_field, crs=options.crs
    )


def _show_settings(options: argparse.Namespace, screen: Screen) -> None:
    from fieldwren.config import NAMES, resolve  # noqa: PLC0415 - only where asked for

    settings = resolve(**settings_of(options))
    for name in NAMES:
        value = getattr(settings, name)
        shown = public_href(value) if name == "archive" else value
        screen.console.print(f"{name} = {shown!r} ({settings.origins[name]})", markup=False)


def print_json(value: object) -> None:
    """One JSON object on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
