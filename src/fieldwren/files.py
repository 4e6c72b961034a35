"""Files that are seen whole or not at all, and names that are safe for them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["file_name", "replace_file", "write_json"]


def file_name(place_id: str) -> str:
    """A safe file name of a place's id; ids that needed a change get a hash, so none collide."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", place_id).strip(".")[:80]
    if safe == place_id.lower():  # some file systems do not tell A from a
        return safe
    return f"{safe or 'place'}-{hashlib.blake2b(place_id.encode(), digest_size=4).hexdigest()}"


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object, indented, replacing the file whole."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    replace_file(path, lambda p: p.write_text(text + "\n", encoding="utf-8"))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there, so that no half-written one is seen."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    write(partial)
    partial.replace(path)
