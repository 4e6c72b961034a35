"""Reference tables in Markdown, from the code itself, so that they cannot be out of date."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import inspect
import itertools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import fieldwren as fw
from fieldwren import config, model
from fieldwren.archive.sensors import ARCHIVES, COLLECTIONS
from fieldwren.cli import parser
from fieldwren.engine import ENGINES
from fieldwren.pixels.indices import INDICES
from fieldwren.pixels.masks import MASKS, STATUS_OF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["TABLES", "field_docs"]


def field_docs(kind: type) -> dict[str, tuple[str, str]]:
    """Annotation and docstring of every field of a dataclass, by name."""
    body = ast.parse(inspect.getsource(kind)).body[0].body
    return {
        field.target.id: (ast.unparse(field.annotation), _one_line(text.value.value))
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table; cells are Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    cells = ([str(cell).replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _public(wanted: Callable[[Any], bool]) -> str:
    """Where mkdocstrings finds each public object of a kind; what is used first comes first."""
    first = ("observe", "plan", "search", "read_places", "Results", "Plan", "Place")
    names = [name for name in fw.__all__ if wanted(getattr(fw, name))]
    names.sort(key=lambda name: first.index(name) if name in first else len(first))
    return "\n".join(f"::: fieldwren.{fw._HOME_OF[name]}.{name}" for name in names)


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _code(value: object) -> str:
    return f"`{value}`"


def _settings() -> str:
    options = {a.dest: a.option_strings[-1] for a in _actions(_commands()["run"])}
    docs = field_docs(config.Settings)
    rows = []
    for field in dataclasses.fields(config.Settings):
        if field.name == "origins":
            continue
        default = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
        option = options.get(field.name)
        rows.append(
            (
                _code(field.name),
                _code(option) if option else "",
                _code(default) if default != "" else "",
                docs[field.name][1],
            )
        )
    return _table(("setting", "option", "default", "meaning"), rows)


def _columns() -> str:
    kinds = {"str": "text", "float": "number", "datetime": "UTC time"}
    rows = []
    for name, (annotation, text) in field_docs(model.Observation).items():
        kind, _, empty = annotation.partition(" | ")
        rows.append((_code(name), kinds[kind], "may be null" if empty else "", text))
    return _table(("column", "kind", "", "meaning"), rows)


def _statuses() -> str:
    return _table(("status", "meaning"), ((_code(s), text) for s, text in model.STATUSES.items()))


def _masks() -> str:
    statuses = list(dict.fromkeys(STATUS_OF[q] for q in MASKS["strict"]))
    head = ("what a pixel is", *(f"`--mask {name}`" for name in MASKS))
    qualities = {s: [q for q in MASKS["strict"] if STATUS_OF[q] == s] for s in statuses}
    order = [s for s in model.STATUSES if s in qualities]
    return _table(
        head,
        (
            (_code(s), *("rejected" if _rejects(m, qualities[s]) else "kept" for m in MASKS))
            for s in order
        ),
    )


def _rejects(mask: str, qualities: list[Any]) -> bool:
    """As the worker does: what is no measurement is rejected whatever the mask."""
    from fieldwren.pixels.reduce import rejects  # noqa: PLC0415 - only here

    return bool(rejects(mask)[qualities].all())


def _indices() -> str:
    have = {
        sensor: {b for c in COLLECTIONS if c.sensor == sensor for b in c.bands}
        for sensor in ("landsat", "sentinel-2")
    }
    rows = []
    for name, index in INDICES.items():
        sensors = [sensor for sensor, bands in have.items() if bands.issuperset(index.bands)]
        rows.append(
            (_code(name), _code(index.expression), ", ".join(index.bands), ", ".join(sensors))
        )
    return _table(("index", "formula", "bands", "sensors"), rows)


def _bands() -> str:
    known = {c.family: c.bands for c in COLLECTIONS if c.bands}
    rows = []
    for band in (*model.BANDS, "qa"):
        keys = (_code(b[band][0]) if band in b else "" for b in known.values())
        rows.append((_code(band), *keys))
    return _table(("band", *known), rows)


def _archives() -> str:
    rows = [
        (_code(name), archive.title, sensor, ", ".join(map(_code, offer.collections)), offer.cost)
        for name, archive in ARCHIVES.items()
        for sensor, offer in archive.offers.items()
    ]
    return _table(("`--archive`", "what it is", "`--sensor`", "collections", "cost"), rows)


def _engines() -> str:
    """A line for each engine: the first sentence of the function that makes it."""
    docs = {name: inspect.getdoc(_maker(home)) or "" for name, home in ENGINES.items()}
    return _table(
        ("`--engine`", "where the work runs"),
        ((_code(name), _one_line(doc.partition("\n\n")[0])) for name, doc in docs.items()),
    )


def _engine_options() -> str:
    """Where mkdocstrings finds the options of each engine."""
    sections = []
    for name, home in ENGINES.items():
        sections.append(f"## {name}\n\n::: {home.replace(':', '.')}")
        if name == "lambda":
            sections.append("::: fieldwren.engine.aws_lambda.options.LambdaOptions")
    return "\n\n".join(sections)


def _maker(home: str) -> Any:
    module, _, function = home.partition(":")
    return getattr(importlib.import_module(module), function)


def _commands() -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command; those of commands within commands as "bench flops"."""
    found: dict[str, argparse.ArgumentParser] = {}

    def visit(name: str, of: argparse.ArgumentParser) -> None:
        inner = [a for a in of._actions if isinstance(a, argparse._SubParsersAction)]
        if name and not inner:
            found[name] = of
        for action in inner:
            says = {choice.dest: choice.help for choice in action._choices_actions}
            for word, command in action.choices.items():
                command.description = command.description or says.get(word)
                visit(f"{name} {word}".strip(), command)

    visit("", parser())
    return found


def _actions(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [
        a
        for a in command._actions
        if a.option_strings and a.help != argparse.SUPPRESS and a.dest != "help"
    ]


def _command_line() -> str:
    """A section per command: what it does, how it is written, its arguments and options."""
    return "\n\n".join(_command(name, of) for name, of in _commands().items())


def _command(name: str, command: argparse.ArgumentParser) -> str:
    about = (command.description or "").rstrip(".")
    parts = [f"## fieldwren {name}", f"{about[:1].upper()}{about[1:]}."]
    arguments = [a for a in command._actions if not a.option_strings]
    words = " ".join(a.metavar or a.dest for a in arguments)
    needed = " ".join(
        f"{a.option_strings[-1]} {a.metavar}" for a in _actions(command) if a.required
    )
    usage = " ".join(p for p in ("fieldwren", name, words, needed, "[options]") if p)
    parts.append(f"```text\n{usage}\n```")
    rows = [(_code(a.metavar or a.dest), a.help or "") for a in arguments]
    for action in _actions(command):
        value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
        spelled = ", ".join(action.option_strings)
        rows.append((_code(f"{spelled} {value}".strip()), _help(action)))
    parts.append(_table(("argument", "meaning"), rows))
    return "\n\n".join(parts)


def _help(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    default = action.default
    if default in (None, False, argparse.SUPPRESS) or str(default) in text:
        return text
    return f"{text} ({default})"


TABLES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "archives": _archives,
        "bands": _bands,
        "columns": _columns,
        "engine-options": _engine_options,
        "engines": _engines,
        "errors": lambda: _public(_is_error),
        "functions": lambda: _public(inspect.isfunction),
        "values": lambda: _public(lambda v: not (inspect.isfunction(v) or _is_error(v))),
        "command-line": _command_line,
        "indices": _indices,
        "masks": _masks,
        "settings": _settings,
        "statuses": _statuses,
    }
)
"""By the name that a page asks for with ``<!-- from the code: NAME -->``."""
