"""What calls have cost, told by engines that know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Metered"]


@runtime_checkable
class Metered(Protocol):
    """An executor that counts what its calls cost."""

    def usage(self) -> Mapping[str, Any]:
        """The cost so far: plain numbers and words by name, for the receipt of a run."""
        ...
