"""The notebook, executed and turned into a page with its results.

Executing takes half a minute, so an executed notebook is kept under ``build/`` by the hash of the
notebook and of the whole package: nothing is ever shown that other code has computed.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import html
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["CACHE", "NOTEBOOK", "ROOT", "digest", "executed", "only_one", "page"]

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "massively-parallel-ndvi.ipynb"
CACHE = ROOT / "build" / "docs"
_SECONDS = 120  # for one cell; all of them take less than a minute
_MAP = """\
![The four places on the land of the earth, coloured by their mean NDVI](pictures/map.png)

*In the notebook the map is interactive. It loads its background from the network, so this page has
a picture instead.*"""


def digest(*paths: Path) -> str:
    """Hash of some files and of all files of the package."""
    package = sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in {".py", ".j2", ".txt"})
    whole = hashlib.blake2b(digest_size=10)
    for path in (*paths, *package):
        whole.update(path.relative_to(ROOT).as_posix().encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def executed(path: Path = NOTEBOOK) -> nbformat.NotebookNode:
    """The notebook with its outputs; executed if that was not done yet.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raises an error.
    """
    helpers = path.parent.glob("*.py")
    kept = CACHE / f"{path.stem}-{digest(path, *helpers)}.ipynb"
    with only_one():
        if not kept.exists():
            notebook = nbformat.read(path, as_version=4)
            _execute(notebook, path.parent)
            draft = kept.with_suffix(".draft")
            nbformat.write(notebook, draft)
            draft.replace(kept)
    return nbformat.read(kept, as_version=4)


@contextmanager
def only_one() -> Generator[None]:
    """Lets one process at a time work for the cache; the others then find what it made."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _execute(notebook: nbformat.NotebookNode, home: Path) -> None:
    """Execute all cells in a folder of their own, as if they lay in ``home``."""
    paths = [str(home), str(ROOT / "src")]
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}}),
            timeout=_SECONDS,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        client.execute(env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)})


def page() -> tuple[str, dict[str, bytes]]:
    """The tutorial in Markdown, and its pictures by file name."""
    pictures: dict[str, bytes] = {}
    parts: list[str] = []
    for number, cell in enumerate(executed().cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source.replace("](../docs/", "]("))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for place, output in enumerate(cell.outputs):
            parts.append(_shown(output, f"output-{number}-{place}", pictures))
    return "\n\n".join(part for part in parts if part), pictures


def _shown(output: Any, name: str, pictures: dict[str, bytes]) -> str:
    """One output of a cell in Markdown."""
    if output.output_type == "stream":
        return _text(output.text)
    data = output.get("data", {})
    if "image/png" in data:
        pictures[f"{name}.png"] = base64.b64decode(data["image/png"])
        return f"![result of the cell above](tutorial/{name}.png)"
    if "<iframe" in data.get("text/html", ""):
        return _MAP
    if "text/html" in data:
        # A blank line would end the block of raw HTML.
        table = re.sub(r"\n\s*\n", "\n", data["text/html"])
        return f'<div class="output">\n{table}\n</div>'
    return _text(data.get("text/plain", ""))


def _text(text: str) -> str:
    return f'<pre class="output">{html.escape(text.rstrip())}</pre>' if text.strip() else ""


if __name__ == "__main__":
    executed()
