"""What the site gets from the code when it is built: tables, pictures and the executed notebook."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one

import pictures
import tables
import tutorial

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_MARK = re.compile(r"<!-- from the code: ([\w-]+) -->")
_ROLE = re.compile(r":(?:func|class|meth|mod|attr):(?=<code>)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the tutorial, its pictures, and the pictures of the other pages."""
    page, outputs = tutorial.page()
    files.append(File.generated(config, "tutorial.md", content=page))
    for name, data in outputs.items():
        files.append(File.generated(config, f"tutorial/{name}", content=data))
    for path in pictures.drawn():
        files.append(File.generated(config, f"pictures/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the tables where pages ask for them; an unknown one stops the build."""
    del page, config, files
    return _MARK.sub(lambda found: tables.TABLES[found[1]](), markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Drop the roles that docstrings give to names, such as :func:; Markdown has none."""
    del page, config, files
    return _ROLE.sub("", html)
