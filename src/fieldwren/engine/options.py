"""Options of an engine: checked against its maker's parameters, text turned into their types."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any, Final

from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["checked_options"]

_WORDS: Final = {"int": "a whole number", "float": "a number", "bool": "true or false"}
_TRUTH: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def checked_options(
    engine: str, maker: Callable[..., object], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The options as the maker of an engine takes them.

    A maker with ``**options`` checks for itself.

    Raises:
        OptionError: a name is unknown, or text cannot be turned into its type.
    """
    parameters = inspect.signature(maker).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(given)
    for name in given:
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(parameters)}"
            raise OptionError(f"unknown option {name!r} of the {engine} engine; {hint}")
    return {n: _converted(engine, n, parameters[n].annotation, v) for n, v in given.items()}


def _converted(engine: str, name: str, annotation: str, value: Any) -> Any:
    """The value in its type; only numbers and truth values are checked."""
    kind = annotation.removesuffix(" | None")
    if kind not in _WORDS:
        return value
    try:
        if kind == "bool":
            return _TRUTH[str(value).lower()]
        number = float(value) if kind == "float" else int(value)
    except (KeyError, TypeError, ValueError):
        words = f"{engine} {name} must be {_WORDS[kind]}, not {value!r}"
        raise OptionError(words) from None
    if not number >= 0:
        raise OptionError(f"{engine} {name} must not be negative, it is {value!r}")
    return number
