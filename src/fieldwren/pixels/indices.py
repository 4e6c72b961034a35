"""Vegetation indices: a table of well-known ones, and a safe evaluator for any other.

An index is an expression over surface reflectances. What an expression may hold is an allow-list
of syntax tree nodes, so that text from a command line or a file can be evaluated without trust.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
from functools import cache
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np

from fieldwren.errors import OptionError
from fieldwren.model import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Bands = Mapping[str, NDArray[np.float64]]
    Function = Callable[..., Any]
    Evaluator = Callable[[Bands], Any]

__all__ = ["BANDS", "INDICES", "evaluate", "parse_index"]

BANDS: Final = (
    *("blue", "green", "red", "rededge1", "rededge2", "rededge3"),
    *("nir", "nir08", "swir16", "swir22"),
)
"""The bands that an expression may name, by increasing wavelength."""

_FUNCTIONS: Final[Mapping[str, Function]] = {
    "sqrt": np.sqrt,
    "abs": np.abs,
    "tanh": np.tanh,
    "log": np.log,
    "exp": np.exp,
}
_SIGNS: Final[Mapping[type[ast.unaryop], Function]] = {
    ast.USub: np.negative,
    ast.UAdd: np.positive,
}
_OPERATORS: Final[Mapping[type[ast.operator], Function]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_ALLOWED: Final = (
    f"an expression may use {', '.join(BANDS)}, numbers, parentheses, + - * / **, "
    f"and the functions {', '.join(_FUNCTIONS)}"
)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
_MAX_LENGTH: Final = 500  # characters; the longest index of the catalogue below has 60
_MAX_DEPTH: Final = 30
_MAX_EXPONENT: Final = 10

# Columns of the results that no index may take (model.Observation; a test compares), and endings
# of the columns that every index has.
_TAKEN: Final = frozenset(
    {
        *("place_id", "place_name", "scene_id", "collection", "platform", "datetime", "status"),
        *("reason", "n_pixels", "n_clear", "n_interior", "clear_fraction", "cloud_fraction"),
        *("scene_cloud_cover", "sun_elevation", "tile", "archive", "version"),
        *BANDS,
    }
)
_ENDINGS: Final = ("_median", "_std", "_min", "_max", "_p10", "_p90", "_interior")

# Names and formulas are those of Awesome Spectral Indices
# (github.com/awesome-spectral-indices/awesome-spectral-indices), which gives the papers. ndre and
# kndvi are NDREI and the kernel form with sigma = (nir + red) / 2 there; evi, evi2, savi, arvi and
# ndpi have their usual constants filled in. ndwi is McFeeters'; Gao's is ndmi.
_EXPRESSIONS: Final = {
    "ndvi": "(nir - red) / (nir + red)",
    "evi": "2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)",
    "evi2": "2.5 * (nir - red) / (nir + 2.4 * red + 1)",
    "savi": "1.5 * (nir - red) / (nir + red + 0.5)",
    "msavi": "0.5 * (2 * nir + 1 - sqrt((2 * nir + 1) ** 2 - 8 * (nir - red)))",
    "osavi": "(nir - red) / (nir + red + 0.16)",
    "arvi": "(nir - (2 * red - blue)) / (nir + (2 * red - blue))",
    "vari": "(green - red) / (green + red - blue)",
    "gndvi": "(nir - green) / (nir + green)",
    "ndre": "(nir - rededge1) / (nir + rededge1)",
    "cire": "nir / rededge1 - 1",
    "cig": "nir / green - 1",
    "nirv": "(nir - red) / (nir + red) * nir",
    "kndvi": "tanh(((nir - red) / (nir + red)) ** 2)",
    "ndpi": "(nir - (0.74 * red + 0.26 * swir16)) / (nir + (0.74 * red + 0.26 * swir16))",
    "ndmi": "(nir - swir16) / (nir + swir16)",
    "lswi": "(nir - swir16) / (nir + swir16)",
    "ndwi": "(green - nir) / (green + nir)",
    "mndwi": "(green - swir16) / (green + swir16)",
    "nbr": "(nir - swir22) / (nir + swir22)",
    "nbr2": "(swir16 - swir22) / (swir16 + swir22)",
    "ndsi": "(green - swir16) / (green + swir16)",
}


def parse_index(text: str) -> Index:
    """The index that a text names or defines.

    Args:
        text: A key of INDICES ("evi"), or "name=expression over band names".

    Raises:
        OptionError: There is no such index, or its name or expression is not allowed.
    """
    name, equals, expression = text.partition("=")
    name, expression = name.strip().lower(), " ".join(expression.split())
    if not equals:
        if name in INDICES:
            return INDICES[name]
        raise OptionError(
            f'"{_short(text)}" is no known index{_near(name, INDICES)}; the known ones are '
            f"{', '.join(INDICES)}, and name=expression defines another."
        )
    if name in INDICES and expression == INDICES[name].expression:
        return INDICES[name]
    if not _NAME.fullmatch(name) or name in _TAKEN or name in INDICES or name.endswith(_ENDINGS):
        raise OptionError(
            f'An index cannot be called "{_short(name)}"; take a name of lower-case letters, '
            "digits and _ that is neither a known index nor another column of the results."
        )
    return _index(name, expression)


def evaluate(index: Index, bands: Bands) -> NDArray[np.float64]:
    """The index of each pixel.

    Args:
        index: Checked against the allow-list again, because it may come from anywhere.
        bands: Surface reflectance by band name, all of one shape; at least ``index.bands``.

    Returns:
        Same shape; NaN where the expression has no finite value.

    Raises:
        OptionError: The expression is not allowed.
        KeyError: A band that the expression names is not given.
    """
    evaluator = _compile(index.name, index.expression)
    with np.errstate(all="ignore"):
        values = np.asarray(evaluator(bands), np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _index(name: str, expression: str) -> Index:
    _compile(name, expression)
    names = {n.id for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.Name)}
    return Index(name=name, expression=expression, bands=tuple(sorted(names.intersection(BANDS))))


@cache
def _compile(name: str, expression: str) -> Evaluator:
    """The expression as a function of bands; raises OptionError."""
    try:
        return _build(_parse(expression), expression, depth=0)
    except ValueError as error:
        raise OptionError(f'Index "{name}": {error}; {_ALLOWED}.') from error


def _parse(expression: str) -> ast.expr:
    if len(expression) > _MAX_LENGTH:
        raise ValueError(f"it has more than {_MAX_LENGTH} characters")
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        # The latter two: brackets nested too deep for Python's parser.
        raise ValueError(f'"{_short(expression)}" is no expression') from error
    if not any(isinstance(node, ast.Name) and node.id in BANDS for node in ast.walk(tree)):
        raise ValueError("it names no band")
    return tree


def _build(node: ast.expr, text: str, *, depth: int) -> Evaluator:
    """A node as a function of bands; ValueError if it is not on the allow-list."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {_MAX_DEPTH}")

    def build(part: ast.expr) -> Evaluator:
        return _build(part, text, depth=depth + 1)

    match node:
        case ast.Constant(value=value) if _is_number(value):
            number = np.float64(value)  # unlike float: 1/0 is inf, not an exception
            return lambda _: number
        case ast.Name(id=band) if band in BANDS:
            return itemgetter(band)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _apply(_SIGNS[type(op)], build(operand))
        case ast.BinOp(left=left, op=op, right=right) if _is_operation(op, right):
            return _apply(_OPERATORS[type(op)], build(left), build(right))
        case ast.Call(func=ast.Name(id=name), args=[part], keywords=[]) if name in _FUNCTIONS:
            return _apply(_FUNCTIONS[name], build(part))
        case _:
            raise ValueError(_complaint(node, text))


def _apply(function: Function, *parts: Evaluator) -> Evaluator:
    return lambda bands: function(*(part(bands) for part in parts))


def _is_number(value: object) -> TypeGuard[float]:
    """Whether a literal is a finite number: not True, 1j, 1e999 or an endless integer."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _is_operation(operator: ast.operator, right: ast.expr) -> bool:
    """Whether an operator is allowed, and the exponent if it is a power."""
    if not isinstance(operator, ast.Pow):
        return type(operator) in _OPERATORS
    number = right.operand if isinstance(right, ast.UnaryOp) else right
    return (
        isinstance(number, ast.Constant)
        and isinstance(number.value, int | float)
        and abs(number.value) <= _MAX_EXPONENT
    )


def _complaint(node: ast.expr, text: str) -> str:
    match node:
        case ast.Name(id=word):
            return f'"{_short(word)}" is no band{_near(word, BANDS)}'
        case ast.Call(func=ast.Name(id=word)) if word not in _FUNCTIONS:
            return f'"{_short(word)}" is no function{_near(word, _FUNCTIONS)}'
        case ast.BinOp(op=ast.Pow()):
            return f"an exponent must be a number from -{_MAX_EXPONENT} to {_MAX_EXPONENT}"
        case _:
            return f'"{_short(ast.get_source_segment(text, node) or text)}" is not allowed'


def _near(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """A hint for a typing error, or nothing."""
    close = difflib.get_close_matches(word.lower(), list(known), n=2)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


INDICES: Final[Mapping[str, Index]] = MappingProxyType(
    {name: _index(name, expression) for name, expression in _EXPRESSIONS.items()}
)
"""The known indices by name; ndvi comes first."""
