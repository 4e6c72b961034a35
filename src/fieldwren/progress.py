"""Events of long work. Whoever does the work emits them; whoever shows it listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Event", "Progress", "ignore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """How far a phase has come."""

    phase: str
    """What is being done, for people: "searching", "reading", "plots" ..."""
    done: int = 0
    """Units finished."""
    total: int = 0
    """Units there are; 0 where that is not known."""
    note: str = ""
    """A fact worth telling once, such as which archive was chosen and why."""
    warning: bool = False
    """Whether the note must be told even where little is wanted: something was left out."""


class Progress(Protocol):
    """A listener. It is called from the thread that does the work and must not raise."""

    def __call__(self, event: Event, /) -> None:
        """Take notice of an event."""


def ignore(event: Event, /) -> None:
    """The listener that shows nothing."""
    del event
