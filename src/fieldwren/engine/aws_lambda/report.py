"""What AWS says of a call: the REPORT line at the end of its log."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Report", "parse_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One invocation as AWS bills it."""

    request_id: str
    """By which its log is found."""
    billed_ms: int
    """Milliseconds billed, those of a cold start included."""
    memory_mb: int
    """MiB that the function has."""
    used_mb: int
    """MiB that the sandbox has used at most."""
    init_ms: float
    """Milliseconds of the cold start; 0 for a warm one."""

    @property
    def gb_seconds(self) -> float:
        """GiB of memory times seconds billed."""
        return self.memory_mb / 1024 * self.billed_ms / 1000


_FIELDS: Final = {
    "request_id": re.compile(r"RequestId: ([\w-]+)"),
    "billed_ms": re.compile(r"Billed Duration: ([\d.]+) ms"),
    "memory_mb": re.compile(r"Memory Size: (\d+) MB"),
    "used_mb": re.compile(r"Max Memory Used: (\d+) MB"),
    "init_ms": re.compile(r"Init Duration: ([\d.]+) ms"),
}


def parse_report(log: str) -> Report | None:
    """The report in the last 4 KiB of a call's log, as base64 text; None where there is none."""
    try:
        text = base64.b64decode(log).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    line = text[text.rfind("REPORT ") :] if "REPORT " in text else ""
    found = {name: pattern.search(line) for name, pattern in _FIELDS.items()}
    if not (found["request_id"] and found["billed_ms"]):
        return None

    def number(name: str) -> float:
        match = found[name]
        return float(match.group(1)) if match else 0.0

    return Report(
        request_id=found["request_id"].group(1),
        billed_ms=round(number("billed_ms")),
        memory_mb=round(number("memory_mb")),
        used_mb=round(number("used_mb")),
        init_ms=number("init_ms"),
    )
