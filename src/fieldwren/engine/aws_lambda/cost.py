"""What calls cost: prices, and what AWS has billed so far."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fieldwren.engine.aws_lambda.report import Report

__all__ = ["DOLLARS_PER_CALL", "DOLLARS_PER_GB_SECOND", "Meter", "call_dollars"]

DOLLARS_PER_GB_SECOND: Final = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
"""List prices by architecture of the first tier in us-east-1, without the free tier of an account;
other regions may cost more.
https://aws.amazon.com/lambda/pricing/"""
DOLLARS_PER_CALL: Final = 0.20e-6
"""For each request; likewise."""


def call_dollars(*, calls: int, seconds: float, memory: int, architecture: str) -> float:
    """What calls cost.

    Args:
        calls: how many.
        seconds: of all of them together.
        memory: MiB of the function.
        architecture: a key of DOLLARS_PER_GB_SECOND.
    """
    gb_seconds = seconds * memory / 1024
    return calls * DOLLARS_PER_CALL + gb_seconds * DOLLARS_PER_GB_SECOND[architecture]


class Meter:
    """Counts what happens to calls, and what AWS bills for them; for all threads.

    Attributes:
        reports: AWS's report of each invocation that gave one, in the order of their ends.
    """

    def __init__(self, architecture: str) -> None:
        self._architecture = architecture
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.reports: list[Report] = []

    def count(self, event: str) -> None:
        """Count an event, a key of :meth:`facts`."""
        with self._lock:
            self._counts[event] += 1

    def bill(self, report: Report) -> None:
        """Add an invocation."""
        with self._lock:
            self.reports.append(report)

    def facts(self) -> dict[str, Any]:
        """All that was counted, as plain numbers."""
        with self._lock:
            reports, counts = tuple(self.reports), dict(self._counts)
        seconds = sum(r.billed_ms for r in reports) / 1000
        gb_seconds = sum(r.gb_seconds for r in reports)
        dollars = (
            len(reports) * DOLLARS_PER_CALL + gb_seconds * DOLLARS_PER_GB_SECOND[self._architecture]
        )
        return {
            "calls": counts.get("calls", 0),
            "invocations": len(reports),
            "retries": counts.get("retries", 0),
            "throttles": counts.get("throttles", 0),
            "duplicates": counts.get("duplicates", 0),
            "cold_starts": sum(r.init_ms > 0 for r in reports),
            "billed_seconds": round(seconds, 3),
            "gb_seconds": round(gb_seconds, 3),
            "dollars": round(dollars, 6),
            "most_memory_mb": max((r.used_mb for r in reports), default=0),
        }
