"""Commands that observe places: run, plan, scenes, demo, chip."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldwren.cli.options import (
    AddCommand,
    add_settings,
    job_arguments,
    job_options,
    print_json,
    settings_of,
    shown_options,
)
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fieldwren.screen import Screen

__all__ = ["add_commands"]

_FAILED: Final = 1
_WIDEST: Final = 5


def add_commands(add: AddCommand) -> None:
    """Add the commands to the parser."""
    job, shown = job_options(), shown_options()
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
    _chip_options(add("chip", parents=[shown], help="picture of one scene"))


def _chip_options(chip: argparse.ArgumentParser) -> None:
    chip.add_argument("scene", metavar="SCENE", help="id, as `fieldwren scenes` prints it")
    chip.add_argument("--bbox", required=True, metavar="W,S,E,N", help="window in degrees")
    chip.add_argument("--out", required=True, metavar="FILE", help=".png for people, .tif for GIS")
    add_settings(chip, "--sensor", "--archive", "--mask", metavar="NAME")
    add_settings(chip, "--collection", "--index", metavar="NAME", nargs="+", action="extend")
    chip.set_defaults(command=_chip)


def _run(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren import pipeline  # noqa: PLC0415 - heavy

    if not options.out.strip():
        raise OptionError("--out needs the name of a folder")
    return _observe(
        options, screen, lambda: pipeline.observe(out=options.out, **job_arguments(options, screen))
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
        print_json({"out": str(options.out), "places": rows, "receipt": results.receipt})
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

    planned = pipeline.plan(out=options.out, **job_arguments(options, screen))
    description = pipeline.describe(planned)
    screen.close()
    if options.json:
        print_json(description)
    else:
        screen.out.print(plan_table(description))
    return 0


def _scenes(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren import pipeline  # noqa: PLC0415 - heavy

    found = pipeline.search(**job_arguments(options, screen)).scenes
    most = 100.0 if options.max_cloud is None else options.max_cloud
    scenes = [s for s in found if s.cloud_cover is None or s.cloud_cover <= most]
    screen.close()
    if options.json:
        print_json(
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
        options.scene, box, Path(options.out), progress=screen, **settings_of(options)
    )
    screen.close()
    if options.json:
        print_json({"files": [str(p) for p in written]})
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
