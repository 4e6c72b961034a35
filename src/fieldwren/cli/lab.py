"""The command of the lab: bench flops, bench store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from fieldwren.cli.options import AddCommand, add_settings, print_json, shown_options
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from fieldwren.lab.measure import Measured
    from fieldwren.screen import Screen

__all__ = ["add_commands"]

_MEGABYTE: Final = 10**6
_MOST_CALLS: Final = 100_000


def add_commands(add: AddCommand) -> None:
    """Add the command to the parser."""
    bench = add("bench", help="what many calls of an engine compute and move")
    kinds = bench.add_subparsers(required=True, metavar="KIND")
    flops = kinds.add_parser(
        "flops", parents=[shown_options()], allow_abbrev=False, help="matrix products: GFLOPS"
    )
    flops.add_argument("--size", type=int, default=2048, help="rows of a matrix (2048)")
    flops.add_argument("--loops", type=int, default=5, help="products in one call (5)")
    flops.set_defaults(command=_flops)
    store = kinds.add_parser(
        "store", parents=[shown_options()], allow_abbrev=False, help="object store: GB/s"
    )
    store.add_argument("url", metavar="URL", help="s3://bucket/prefix, or a folder")
    store.add_argument("--size", type=int, default=100, help="megabytes of an object (100)")
    store.set_defaults(command=_store)
    for kind in (flops, store):
        kind.add_argument("--calls", type=int, default=10, help="calls (10)")
        kind.add_argument("--out", metavar="FILE", help="draw a picture, .png")
        add_settings(kind, "--engine", metavar="NAME")
        add_settings(kind, "--workers", metavar="N", type=int)


def _flops(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.engine import executor  # noqa: PLC0415 - only for this command
    from fieldwren.lab.measure import measure_flops  # noqa: PLC0415 - likewise

    _check(options, calls=_MOST_CALLS, size=20_000, loops=10_000)
    name, workers = _engine(options)
    with executor(name, **workers) as engine:
        measured = measure_flops(
            engine, calls=options.calls, size=options.size, loops=options.loops, progress=screen
        )
    return _show([measured], name, options, screen)


def _store(options: argparse.Namespace, screen: Screen) -> int:
    from fieldwren.engine import executor  # noqa: PLC0415 - only for this command
    from fieldwren.lab.measure import measure_store  # noqa: PLC0415 - likewise

    _check(options, calls=_MOST_CALLS, size=4_000)
    url = options.url if options.url.startswith("s3://") else str(Path(options.url).resolve())
    name, workers = _engine(options)
    with executor(name, **workers) as engine:
        measured = measure_store(
            engine,
            url=url,
            calls=options.calls,
            size=options.size * _MEGABYTE,
            progress=screen,
        )
    return _show(measured, name, options, screen)


def _engine(options: argparse.Namespace) -> tuple[str, dict[str, int]]:
    """The engine of the settings and its workers, where a number is asked for."""
    from fieldwren.config import resolve  # noqa: PLC0415 - only for this command
    from fieldwren.site import engine_workers  # noqa: PLC0415 - likewise

    settings = resolve(engine=options.engine, workers=options.workers)
    return settings.engine, engine_workers(settings)


def _check(options: argparse.Namespace, **most: int) -> None:
    for name, limit in most.items():
        value = getattr(options, name)
        if not 1 <= value <= limit:
            raise OptionError(f"--{name} must be from 1 to {limit:,}, not {value}")
    if options.out and Path(options.out).suffix.lower() != ".png":
        raise OptionError(f"--out {options.out}: end it with .png")


def _show(
    measured: Sequence[Measured], engine: str, options: argparse.Namespace, screen: Screen
) -> int:
    """Print the facts, and draw the picture where one is asked for."""
    facts = [m.facts() for m in measured]
    screen.close()
    if options.out:
        from fieldwren.present.bench import draw_measured  # noqa: PLC0415 - matplotlib is heavy

        draw_measured(measured, Path(options.out), engine=engine)
    if options.json:
        print_json({"engine": engine, "measured": facts})
        return 0
    for one in facts:
        width = max(map(len, one))
        for name, value in one.items():
            shown = _curve(value) if isinstance(value, list) else value
            print(f"{name.replace('_', ' '):<{width}}  {shown}")
        print()
    if options.out:
        print(options.out)
    return 0


def _curve(counts: Sequence[int]) -> str:
    """The launch curve in at most a dozen steps."""
    step = -(-len(counts) // 12)
    shown = list(enumerate(counts, start=1))[step - 1 :: step]
    return ", ".join(f"{count} after {second} s" for second, count in shown)
