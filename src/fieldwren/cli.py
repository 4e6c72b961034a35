"""The command line: arguments to the pipeline. The only module that prints or exits.

Exit status: 0; 1 when some rows could not be read (all results are written); 2 when arguments or
input cannot be used; 130 when interrupted.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldwren import __version__
from fieldwren.errors import FieldwrenError, OptionError, public_href

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fieldwren.screen import Screen

__all__ = ["main"]

_FAILED: Final = 1
_UNUSABLE: Final = 2
_INTERRUPTED: Final = 130
_WIDEST: Final = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args([_shielded(a) for a in given])
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # our own messages say it once
    from fieldwren.screen import Screen  # noqa: PLC0415 - rich is slow to import

    with Screen(quiet=options.quiet) as screen:
        try:
            return options.command(options, screen)
        except FieldwrenError as error:
            message, status = str(error), _UNUSABLE
        except BrokenPipeError:  # the reader of our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except OSError as error:  # a folder that cannot be written, a full disk
            message, status = f"{error.filename or 'a file'}: {error.strerror}", _UNUSABLE
        except KeyboardInterrupt:
            message, status = "interrupted; the same command goes on where it stopped", _INTERRUPTED
    print(f"fieldwren: {message}", file=sys.stderr)
    return status


def _shielded(argument: str) -> str:
    """Let "-122.3,38.3" be a value: argparse takes what has a space for no option."""
    return f" {argument}" if re.match(r"-[\d.]+,", argument) else argument


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fieldwren",
        allow_abbrev=False,
        description="Places in, a vegetation-index time series you can trust out.",
    )
    parser.add_argument("--version", action="version", version=f"fieldwren {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    job, shown = _job_options(), _shown_options()

    add = partial(commands.add_parser, allow_abbrev=False)
    run = add("run", parents=[job, shown], help="observe places")
    run.add_argument("--out", metavar="DIR", default="fieldwren-out", help="folder of the results")
    run.set_defaults(command=_run)
    plan = add("plan", parents=[job, shown], help="what run would read, and cost")
    plan.add_argument("--out", metavar="DIR", help="leave out what this folder holds already")
    plan.set_defaults(command=_plan)
    scenes = add("scenes", parents=[job, shown], help="list the scenes found")
    scenes.add_argument("--out", help=argparse.SUPPRESS)
    scenes.set_defaults(command=_scenes)
    demo = add("demo", parents=[shown], help="four places, simulated, offline")
    demo.add_argument("--out", metavar="DIR", default="fieldwren-demo", help="folder of results")
    demo.set_defaults(command=_demo)
    chip = add("chip", parents=[shown], help="picture of one scene")
    _chip_options(chip)
    doctor = add("doctor", parents=[shown], help="what is installed and reachable")
    doctor.set_defaults(command=_doctor)
    return parser


def _shown_options() -> argparse.ArgumentParser:
    shown = argparse.ArgumentParser(add_help=False)
    shown.add_argument("--json", action="store_true", help="one JSON object on standard output")
    shown.add_argument("-q", "--quiet", action="store_true", help="no progress, no tables")
    shown.add_argument(
        "-v", "--verbose", action="store_true", help="say each setting and its origin"
    )
    return shown


def _job_options() -> argparse.ArgumentParser:
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
    _settings(job, "--sensor", "--archive", "--mask", "--engine", metavar="NAME")
    _settings(job, "--collection", "--index", metavar="NAME", nargs="+", action="extend")
    _settings(job, "--max-cloud", metavar="PCT", type=float)
    _settings(job, "--min-clear", metavar="FRACTION", type=float)
    _settings(job, "--dilate", metavar="METRES", type=float)
    _settings(job, "--workers", metavar="N", type=int)
    return job


_HELP: Final = {
    "--sensor": "landsat (default) or sentinel-2",
    "--archive": "demo, earth-search, planetary-computer, or the URL or path of a STAC catalog",
    "--mask": "standard (default), clouds, strict or none",
    "--engine": "where tasks run: local",
    "--collection": "STAC collections instead of the sensor's own",
    "--index": "ndvi (default), evi, savi ... or name=expression over band names",
    "--max-cloud": "do not read scenes with more cloud, percent",
    "--min-clear": "below this clear fraction of a place a row is low_coverage (0.5)",
    "--dilate": "grow clouds and shadows by so many metres (0)",
    "--workers": "tasks at the same time (one per core)",
}
_SETTINGS: Final = tuple(name.strip("-").replace("-", "_") for name in _HELP)


def _settings(parser: argparse.ArgumentParser, *names: str, **how: Any) -> None:
    for name in names:
        parser.add_argument(name, help=_HELP[name], **how)


def _chip_options(chip: argparse.ArgumentParser) -> None:
    chip.add_argument("scene", metavar="SCENE", help="id, as `fieldwren scenes` prints it")
    chip.add_argument("--bbox", required=True, metavar="W,S,E,N", help="window in degrees")
    chip.add_argument("--out", required=True, metavar="FILE", help=".png for people, .tif for GIS")
    _settings(chip, "--sensor", "--archive", "--mask", metavar="NAME")
    _settings(chip, "--collection", "--index", metavar="NAME", nargs="+", action="extend")
    chip.set_defaults(command=_chip)


def _settings_of(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name, None) for name in _SETTINGS}


def _job(options: argparse.Namespace, screen: Screen) -> dict[str, Any]:
    """Keyword arguments of the pipeline's functions."""
    if options.verbose:
        _show_settings(options, screen)
    return {
        "places": _places(options),
        "since": options.since,
        "until": options.until,
        "progress": screen,
        **_settings_of(options),
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

    settings = resolve(**_settings_of(options))
    for name in NAMES:
        value = getattr(settings, name)
        shown = public_href(value) if name == "archive" else value
        screen.console.print(f"{name} = {shown!r} ({settings.origins[name]})", markup=False)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _run(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren import pipeline  # noqa: PLC0415 - heavy

    if not options.out.strip():
        raise OptionError("--out needs the name of a folder")
    return _observe(
        options, screen, lambda: pipeline.observe(out=options.out, **_job(options, screen))
    )


def _demo(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren import pipeline  # noqa: PLC0415 - heavy
    from fieldwren.archive.simulated import demo_places  # noqa: PLC0415 - only here

    return _observe(
        options,
        screen,
        lambda: pipeline.observe(
            demo_places(),
            since="2013-04",
            until="2018-06",
            archive="demo",
            out=options.out,
            progress=screen,
        ),
    )


def _observe(options: argparse.Namespace, screen: Screen, work: Callable[[], Any]) -> int:
    """Run the main job and show what came of it."""
    from fieldwren.screen import summary_table  # noqa: PLC0415 - rich is slow to import

    results = work()
    summary = results.summary()
    screen.close()
    if options.json:
        rows = json.loads(summary.reset_index().to_json(orient="records"))
        _print_json({"out": str(options.out), "places": rows, "receipt": results.receipt})
    elif not options.quiet:
        screen.console.print(summary_table(summary))
        out = Path(options.out)
        print(f"{out / 'report.html'}\n{out / 'observations.csv'}")
    failures = len(results.failures)
    if failures:
        first = results.failures.iloc[0]
        print(
            f"fieldwren: {failures} of {len(results.table)} rows could not be read, the first: "
            f"{first['scene_id']}: {first['reason']}. The same command tries them again.",
            file=sys.stderr,
        )
    return _FAILED if failures else 0


def _plan(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren import pipeline  # noqa: PLC0415 - heavy
    from fieldwren.screen import plan_table  # noqa: PLC0415 - rich is slow to import

    planned = pipeline.plan(out=options.out, **_job(options, screen))
    description = pipeline.describe(planned)
    screen.close()
    if options.json:
        _print_json(description)
    else:
        screen.out.print(plan_table(description))
    return 0


def _scenes(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren import pipeline  # noqa: PLC0415 - heavy

    found = pipeline.search(**_job(options, screen)).scenes
    most = 100.0 if options.max_cloud is None else options.max_cloud
    scenes = [s for s in found if s.cloud_cover is None or s.cloud_cover <= most]
    screen.close()
    if options.json:
        _print_json(
            {
                "scenes": [
                    {
                        "datetime": s.datetime.isoformat(),
                        "id": s.id,
                        "platform": s.platform,
                        "cloud_cover": s.cloud_cover,
                        "collection": s.collection,
                        "archive": s.archive,
                    }
                    for s in scenes
                ]
            }
        )
        return 0
    for scene in scenes:
        cloud = "-" if scene.cloud_cover is None else f"{scene.cloud_cover:.2f}"
        print(f"{scene.datetime:%Y-%m-%d}  {scene.id}  {scene.platform}  {cloud}")
    return 0


def _chip(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren import pipeline  # noqa: PLC0415 - heavy

    box, ending = _box(options.bbox), Path(options.out).suffix.lower()
    if ending not in {".png", ".tif", ".tiff"}:
        raise OptionError(f"--out {options.out}: end it with .png or .tif")
    written = pipeline.chip(
        options.scene, box, Path(options.out), progress=screen, **_settings_of(options)
    )
    screen.close()
    if options.json:
        _print_json({"files": [str(p) for p in written]})
    else:
        print("\n".join(str(p) for p in written))
    return 0


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(f"--bbox {text.strip()}: give west,south,east,north in degrees") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise OptionError(f"--bbox {text.strip()}: west < east and south < north, in degrees")
    if max(east - west, north - south) > _WIDEST:
        raise OptionError(f"--bbox {text.strip()}: at most {_WIDEST} degrees wide and high")
    return west, south, east, north


def _doctor(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.doctor import examine  # noqa: PLC0415 - heavy

    checks = examine()
    screen.close()
    if options.json:
        _print_json({"checks": [{"name": c.name, "ok": c.ok, "says": c.says} for c in checks]})
    else:
        width = max(len(c.name) for c in checks)
        for check in checks:
            print(f"{'ok  ' if check.ok else 'no  '}{check.name:<{width}}  {check.says}")
    return 0
