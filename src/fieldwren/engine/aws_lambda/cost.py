"""What calls cost: prices, and what AWS has billed so far."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator

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


@dataclass(slots=True, kw_only=True, eq=False)
class Invocation:
    """One that is on its way, or that ended without a report."""

    memory: int
    """MiB of the function."""
    started: float
    """Seconds of the monotonic clock, as for the end."""
    ended: float = 0.0
    """0 while it runs."""
    lost: bool = False
    """Whether it may have run though no answer came."""
    report: Report | None = None
    """What AWS bills."""

    @property
    def gb_seconds(self) -> float:
        """GiB of memory times the seconds from its start to its end, or until now."""
        return self.memory / 1024 * ((self.ended or time.monotonic()) - self.started)


class Meter:
    """Counts what happens to calls, and what AWS bills for them; for all threads.

    Attributes:
        reports: AWS's report of each invocation that gave one, in the order of their ends.
    """

    def __init__(self, architecture: str) -> None:
        self._architecture = architecture
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._unbilled: set[Invocation] = set()
        self.reports: list[Report] = []

    def count(self, event: str) -> None:
        """Count an event, a key of :meth:`facts`."""
        with self._lock:
            self._counts[event] += 1

    @contextmanager
    def invocation(self, memory: int) -> Generator[Invocation]:
        """While an invocation runs; its report is billed afterwards.

        Args:
            memory: MiB of the function.
        """
        invocation = Invocation(memory=memory, started=time.monotonic())
        with self._lock:
            self._unbilled.add(invocation)
        try:
            yield invocation
        finally:
            invocation.ended = time.monotonic()
            with self._lock:
                if not invocation.lost:
                    self._unbilled.discard(invocation)
                if invocation.report:
                    self.reports.append(invocation.report)

    def running(self) -> int:
        """Invocations that are waited for now."""
        with self._lock:
            return sum(not invocation.ended for invocation in self._unbilled)

    def facts(self) -> dict[str, Any]:
        """All that was counted, as plain numbers.

        Where AWS has not reported all invocations (``unreported``: the connection broke, or a
        straggler that was overtaken still runs), ``dollars`` holds those by the time for which they
        were waited for, and is a lower bound (``at_least``).
        """
        with self._lock:
            reports, counts = tuple(self.reports), dict(self._counts)
            unbilled = tuple(self._unbilled)
        gb_seconds = sum(r.gb_seconds for r in (*reports, *unbilled))
        price = DOLLARS_PER_GB_SECOND[self._architecture]
        dollars = (len(reports) + len(unbilled)) * DOLLARS_PER_CALL + gb_seconds * price
        return {
            "calls": counts.get("calls", 0),
            "invocations": len(reports),
            "unreported": len(unbilled),
            "retries": counts.get("retries", 0),
            "throttles": counts.get("throttles", 0),
            "duplicates": counts.get("duplicates", 0),
            "cold_starts": sum(r.init_ms > 0 for r in reports),
            "billed_seconds": round(sum(r.billed_ms for r in reports) / 1000, 3),
            "gb_seconds": round(gb_seconds, 3),
            "dollars": round(dollars, 6),
            "at_least": bool(unbilled),
            "most_memory_mb": max((r.used_mb for r in reports), default=0),
        }
