"""The log of fieldwren on standard error, as loud as ``FIELDWREN_LOGLEVEL`` says."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Final

from fieldwren.errors import OptionError

__all__ = ["asked_level", "follow_environment", "plain"]

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def asked_level() -> str:
    """The level that the environment names; "" where it names none.

    Raises:
        OptionError: FIELDWREN_LOGLEVEL is no level.
    """
    asked = os.environ.get("FIELDWREN_LOGLEVEL", "").strip()
    if asked and asked.upper() not in LEVELS:
        raise OptionError(f"FIELDWREN_LOGLEVEL must be one of {', '.join(LEVELS)}, not {asked!r}")
    return asked.upper()


def follow_environment(usual: str = "") -> None:
    """Show the log of the package, with the time of each line in UTC.

    Args:
        usual: the level where the environment names none; "" leaves the log as it is then.

    Raises:
        OptionError: FIELDWREN_LOGLEVEL is no level.
    """
    level = asked_level() or usual
    if not level:
        return
    log = logging.getLogger("fieldwren")
    log.setLevel(level)
    if not any(isinstance(handler, _OnStandardError) for handler in log.handlers):
        log.addHandler(_OnStandardError())


def plain(text: str) -> str:
    """Text from elsewhere without what could steer a terminal; tabs and ends of lines stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


class _OnStandardError(logging.Handler):
    """Writes to what standard error is at that moment: a progress display may stand there."""

    def __init__(self) -> None:
        super().__init__()
        formatter = logging.Formatter(
            "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        sys.stderr.write(f"{plain(self.format(record))}\n")
