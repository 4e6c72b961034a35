"""What is to be made or removed, as a list of steps that can be shown, run, and run again.

Every step looks before it acts. So the same list serves a dry run (look only), a second run
(nothing left to do), a run after a failure half-way (goes on there), and the removal of it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldwren.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Came", "Step", "perform", "to_do"]


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
    optional: bool = False
    """Whether all else works without it: then a failure is said and passed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a step."""

    changed: bool
    """Whether anything had to be done."""
    says: str
    """In words."""
    failed: bool = False
    """Whether an optional step could not be done."""


def to_do(steps: Iterable[Step]) -> list[Step]:
    """The steps that are not done.

    Raises:
        CloudError: one can never be so, or may not be looked at, and is not optional.
    """
    return [step for step in steps if not _is_done(step)]


def perform(step: Step) -> Came:
    """Do a step, unless it is done already.

    Raises:
        CloudError: it cannot be done, and is not optional.
    """
    try:
        if step.is_done():
            return Came(changed=False, says="is so already")
        return Came(changed=True, says=step.do())
    except CloudError as error:
        if not step.optional:
            raise
        return Came(changed=False, failed=True, says=f"{error}; all else works without")


def _is_done(step: Step) -> bool:
    try:
        return step.is_done()
    except CloudError:
        if not step.optional:
            raise
        return False
