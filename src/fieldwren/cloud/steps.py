"""What is to be made or removed, as a list of steps that can be shown, run, and run again.

Every step looks before it acts. So the same list serves a dry run (look only), a second run
(nothing left to do), a run after a failure half-way (goes on there), and the removal of it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Came", "Step", "perform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is to be so."""

    name: str
    """The thing: "bucket my-bucket"."""
    says: str
    """What ``do`` does, for the list that is shown before: "create it in us-west-2"."""
    is_done: Callable[[], bool]
    """Looks whether it is so already; only reads. Raises CloudError where it can never be so."""
    do: Callable[[], str]
    """Makes it so; returns what came of it, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a step."""

    changed: bool
    """Whether anything had to be done."""
    says: str
    """In words."""


def perform(step: Step) -> Came:
    """Do a step, unless it is done already.

    Raises:
        CloudError: it cannot be done.
    """
    if step.is_done():
        return Came(changed=False, says="is so already")
    return Came(changed=True, says=step.do())
