"""Changes a configuration file as text, so that all else in it, comments too, stays as it was."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldwren.errors import OptionError
from fieldwren.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MARK", "Value", "read_text", "with_engine", "with_table", "without", "write_text"]

Value = str | int | Sequence[str] | Mapping[str, "Value"]
"""What is written: text, numbers, lists of text, and inline tables of them."""

MARK: Final = "# Written by fieldwren setup"
_HEADER: Final = re.compile(r"\s*\[")


def read_text(path: Path) -> str:
    """The text of a file; "" where there is none.

    Raises:
        OptionError: it cannot be read as TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(
            f"{path} cannot be read as TOML ({error}): correct it, or choose another file"
        ) from error
    return text


def write_text(path: Path, text: str) -> None:
    """Replace the file whole, keeping its permissions; remove it where the text is empty.

    Raises:
        OptionError: the folder or file cannot be written.
    """
    path = path.resolve()  # a link stays a link

    def write(partial: Path) -> None:
        partial.write_text(text, encoding="utf-8")
        if path.exists():
            shutil.copymode(path, partial)

    try:
        if text.strip():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, write)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OptionError(
            f"{path} cannot be written ({error.strerror}): choose another place for the settings"
        ) from error


def with_table(text: str, table: str, values: Mapping[str, Value]) -> str:
    """The text with these values in a table, which is added where it is missing.

    Other keys of the table, all other tables, and comments stay.

    Raises:
        OptionError: the text is written in a way that cannot be changed line by line.
    """
    lines = _lines(text)
    start, end = _span(lines, table)
    if start < 0:
        gap = [""] if lines and lines[-1].strip() else []
        changed = [*lines, *gap, MARK, f"[{table}]", *(_line(n, v) for n, v in values.items())]
    else:
        body = lines[start:end]
        for name, value in values.items():
            _put(body, name, _line(name, value))
        changed = [*lines[:start], *body, *lines[end:]]
    before = tomllib.loads(text)
    wanted = before | {table: {**_table(before, table), **values}}
    return _verified(changed, wanted, [f"[{table}]", *(_line(n, v) for n, v in values.items())])


def with_engine(text: str, engine: str) -> str:
    """The text with ``engine`` as the engine that runs use; "" takes the line out.

    Raises:
        OptionError: as for :func:`with_table`.
    """
    lines = _lines(text)
    end = next((i for i, line in enumerate(lines) if _HEADER.match(line)), len(lines))
    end -= _comments_above(lines, end)
    body, line = lines[:end], _line("engine", engine)
    wanted = tomllib.loads(text)
    if engine:
        _put(body, "engine", line)
        wanted["engine"] = engine
        if len(body) > end and end < len(lines) and lines[end].strip():
            body.append("")
    else:
        body = [item for item in body if not _assigns(item, "engine")]
        wanted.pop("engine", None)
    return _verified([*body, *lines[end:]], wanted, [line])


def without(text: str, table: str, names: Iterable[str]) -> str:
    """The text without these keys of a table, and without the table where no more is in it.

    Raises:
        OptionError: as for :func:`with_table`.
    """
    lines = _lines(text)
    start, end = _span(lines, table)
    if start < 0:
        return text
    gone = set(names)
    body = [item for item in lines[start:end] if not any(_assigns(item, n) for n in gone)]
    wanted = tomllib.loads(text)
    left = {n: v for n, v in _table(wanted, table).items() if n not in gone}
    wanted[table] = left
    if not left:
        del wanted[table]
        body = [item for item in body[1:] if item.strip()]
        while start and lines[start - 1] in {MARK, ""}:
            start -= 1
        gap = [""] if start and any(lines[end:]) else []
        body = [*gap, *body]
    return _verified([*lines[:start], *body, *lines[end:]], wanted, [f"[{table}]"])


def _lines(text: str) -> list[str]:
    """Lines of TOML, which knows fewer ends of a line than ``str.splitlines``."""
    return text.rstrip("\n").split("\n") if text.strip("\n") else []


def _span(lines: list[str], table: str) -> tuple[int, int]:
    """First line of a table and the line after its last; -1 where it is missing."""
    header = re.compile(rf"\s*\[\s*{re.escape(table)}\s*\]\s*(#.*)?$")
    start = next((i for i, line in enumerate(lines) if header.match(line)), -1)
    after = (i for i in range(start + 1, len(lines)) if _HEADER.match(lines[i]))
    end = next(after, len(lines))
    return start, end - _comments_above(lines, end) if end < len(lines) else end


def _comments_above(lines: list[str], end: int) -> int:
    """Lines right above a header that belong to it: comments and blanks."""
    count = 0
    while count < end and lines[end - count - 1].strip()[:1] in {"", "#"}:
        count += 1
    return count if end < len(lines) else 0


def _put(body: list[str], name: str, line: str) -> None:
    """Put a line where its name stands, or after the last line that says something."""
    for position, item in enumerate(body):
        if _assigns(item, name):
            body[position] = line
            return
    last = max((i for i, item in enumerate(body) if item.strip()), default=-1)
    body.insert(last + 1, line)


def _assigns(line: str, name: str) -> bool:
    return re.match(rf"\s*{re.escape(name)}\s*=", line) is not None


def _line(name: str, value: Value) -> str:
    return f"{name} = {_toml(value)}"


def _toml(value: Value) -> str:
    """A value as TOML; its strings and numbers are written as in JSON."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_line(n, v) for n, v in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)


def _table(whole: Mapping[str, Any], table: str) -> dict[str, Any]:
    found = whole.get(table, {})
    return dict(found) if isinstance(found, dict) else {}


def _verified(lines: list[str], wanted: Mapping[str, Any], say: list[str]) -> str:
    """The text, where reading it gives what is wanted and nothing else."""
    text = "\n".join(lines).strip("\n")
    text = f"{text}\n" if text else ""
    try:
        fits = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        fits = False
    if not fits:
        raise OptionError(
            "the configuration file is written in a way that cannot be changed line by line: "
            f"change these lines yourself: {'; '.join(say)}"
        )
    return text
