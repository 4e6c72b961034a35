"""The command of the lab: bench flops, bench store."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Final

from fieldwren.cli.options import AddCommand, add_settings, print_json, shown_options
from fieldwren.errors import OptionError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Sequence
    from concurrent.futures import Executor

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
    store.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        help="s3://bucket/prefix, or a folder (the bucket of setup, else a temporary folder)",
    )
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
    name, workers = _engine(options)
    with executor(name, **workers) as engine, _place(options, name, engine) as (url, region):
        measured = measure_store(
            engine,
            url=url,
            region=region,
            calls=options.calls,
            size=options.size * _MEGABYTE,
            progress=screen,
        )
    return _show(measured, name, options, screen, store=url)


def _is_bucket(url: str) -> bool:
    """Whether it is one; else it is a folder.

    Raises:
        OptionError: it is neither.
    """
    if "://" in url and not url.startswith("s3://"):
        raise OptionError(f"URL {url}: give s3://bucket/prefix, or a folder")
    return "://" in url


@contextmanager
def _place(options: argparse.Namespace, name: str, engine: Executor) -> Generator[tuple[str, str]]:
    """URL and region of the store: the one asked for, that of setup, or a temporary folder."""
    from fieldwren.config import engine_options  # noqa: PLC0415 - only for this command
    from fieldwren.engine.aws_lambda.options import LambdaOptions  # noqa: PLC0415 - likewise
    from fieldwren.engine.base import capacity  # noqa: PLC0415 - likewise

    if options.url:
        yield options.url if _is_bucket(options.url) else str(Path(options.url).resolve()), ""
        return
    known = LambdaOptions.of(**engine_options("lambda"))
    if known.bucket:
        if known.profile:
            os.environ.setdefault("AWS_PROFILE", known.profile)
        yield f"s3://{known.bucket}/{known.prefix.strip('/')}/bench", known.region
        return
    if not capacity(engine).here:
        raise OptionError(
            f"bench store needs a URL where the workers of --engine {name} can write: "
            "s3://bucket/prefix, or a folder that they see"
        )
    with TemporaryDirectory(prefix="fieldwren-bench-") as folder:
        needed = options.calls * options.size * _MEGABYTE
        if shutil.disk_usage(folder).free < needed:
            raise OptionError(
                f"{gettempdir()} has no room for {needed / 1e9:,.1f} GB: name a folder or a "
                "bucket, or take fewer or smaller --calls"
            )
        yield folder, ""


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
    measured: Sequence[Measured],
    engine: str,
    options: argparse.Namespace,
    screen: Screen,
    **where: str,
) -> int:
    """Print the facts, and draw the picture where one is asked for."""
    facts = [{"engine": engine, **where, **m.facts()} for m in measured]
    screen.close()
    if options.out:
        from fieldwren.present.bench import draw_measured  # noqa: PLC0415 - matplotlib is heavy

        draw_measured(measured, Path(options.out), engine=engine)
    if options.json:
        print_json({"engine": engine, **where, "measured": [m.facts() for m in measured]})
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
