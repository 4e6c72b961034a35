"""The command line: arguments to the pipeline. The only package that prints or exits.

Exit status: 0; 1 when some rows could not be read (all results are written); 2 when arguments or
input cannot be used; 130 when interrupted. Each module here adds its commands to the parser.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from fieldwren import __version__
from fieldwren.cli import cloud, doctor, lab, observe, season, setup
from fieldwren.errors import FieldwrenError
from fieldwren.log import follow_environment, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "parser"]

_UNUSABLE: Final = 2
_INTERRUPTED: Final = 130
_COMMANDS: Final = (observe, season, setup, cloud, lab, doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args([_shielded(a) for a in given])
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # our own messages say it once
    from fieldwren.screen import Screen  # noqa: PLC0415 - rich is slow to import

    with Screen(quiet=options.quiet) as screen:
        try:
            follow_environment("WARNING")
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
    print(f"fieldwren: {plain(message)}", file=sys.stderr)
    return status


def _shielded(argument: str) -> str:
    """Let "-122.3,38.3" be a value: argparse takes what has a space for no option."""
    return f" {argument}" if re.match(r"-[\d.]+,", argument) else argument


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each command is a parser of its own within it."""
    whole = argparse.ArgumentParser(
        prog="fieldwren",
        allow_abbrev=False,
        description="Places in, a vegetation-index time series you can trust out.",
    )
    whole.add_argument("--version", action="version", version=f"fieldwren {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_commands(partial(commands.add_parser, allow_abbrev=False))
    return whole
