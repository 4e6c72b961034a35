"""Options of an engine: checked against its maker's parameters, text turned into their types."""

from __future__ import annotations

import difflib
import inspect
import math
from typing import TYPE_CHECKING, Any, Final

from fieldwren.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["checked_options"]

_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
}
_TRUTH: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def checked_options(
    engine: str, maker: Callable[..., object], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The options as the maker of an engine takes them.

    A maker with ``**options`` checks for itself.

    Raises:
        OptionError: a name is unknown, or a value cannot be turned into its type.
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
    """The value in its type."""
    kind = annotation.removesuffix(" | None")
    if kind not in _WORDS or (value is None and kind != annotation):
        return value
    try:
        made: Any = _CONVERTERS[kind](value)
    except (KeyError, TypeError, ValueError, OverflowError):
        words = f"{engine} {name} must be {_WORDS[kind]}, not {value!r}"
        raise OptionError(words) from None
    if kind in {"int", "float"} and not 0 <= made < math.inf:
        raise OptionError(f"{engine} {name} must not be negative or endless, it is {value!r}")
    return made


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError(value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _truth(value: Any) -> bool:
    return _TRUTH[str(value).lower()]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


_CONVERTERS: Final = {"int": _whole, "float": _number, "bool": _truth, "str": _text}
