"""What is to be made or removed, as a list of steps that can be shown, run, and run again.

Every step looks before it acts. So the same list serves a dry run (look only), a second run
(nothing left to do), a run after a failure half-way (goes on there), and the removal of it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Step", "Tell", "carry_out", "left_to_do"]


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


class Tell(Protocol):
    """Hears of each step when it is over."""

    def __call__(self, step: Step, came: str, /, *, changed: bool) -> None:
        """Take notice: ``came`` is what came of it."""


def left_to_do(steps: Sequence[Step]) -> list[Step]:
    """The steps that are not done yet. Changes nothing."""
    return [step for step in steps if not step.is_done()]


def carry_out(steps: Sequence[Step], tell: Tell) -> int:
    """Do in turn what is not done yet.

    Args:
        steps: what is to be so; a later step may need an earlier one.
        tell: hears of each.

    Returns:
        How many steps changed something.

    Raises:
        CloudError: a step cannot be done; those before it stay done.
    """
    changes = 0
    for step in steps:
        if step.is_done():
            tell(step, "is there already", changed=False)
        else:
            tell(step, step.do(), changed=True)
            changes += 1
    return changes
