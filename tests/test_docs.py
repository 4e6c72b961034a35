"""The documentation is true: its code runs, its commands say what it says, the site is whole.

Pages speak as a reader would type: ``fw.observe("fields.csv", ...)``. Here the environment names
the embedded archive, and the folder holds ``fields.csv`` and ``fields.geojson``; a block with a
title is written as a file of that name. What needs a network or an account is marked in the page by
``<!-- not run: needs ... -->`` and only compiled, or parsed.
"""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from playwright.sync_api import sync_playwright

import fieldwren as fw
from fieldwren.cli import main, parser
from fieldwren.config import NAMES
from outside import BROWSER

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: needs [^>]+ -->\s*$")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PRINTED = re.compile(r"^\s*print\(.*\)  # (.+)$", re.MULTILINE)


class Block(NamedTuple):
    language: str
    title: str | None
    body: str
    line: int
    runs: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = []
    for match in BLOCK.finditer(text):
        indent, language, options, body = match.groups()
        title = re.search(r'title="([^"]+)"', options)
        found.append(
            Block(
                language=language,
                title=title and title[1],
                body=re.sub(f"^{indent}", "", body, flags=re.MULTILINE),
                line=text.count("\n", 0, match.start()) + 2,
                runs=not NOT_RUN.search(text[: match.start()]),
            )
        )
    return found


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines of output that the page shows."""
    found: list[tuple[str, list[str]]] = []
    for line in block.body.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif line.strip():
            found[-1][1].append(line)
    return found


def says(shown: str, output: str) -> bool:
    """Whether a line of output is as the page shows it; "..." stands for anything."""
    pattern = r".*".join(re.escape(" ".join(part.split())) for part in shown.split("..."))
    return any(re.search(pattern, " ".join(line.split())) for line in output.splitlines())


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder as a reader of the page has it."""
    corner, step = (-122.2868, 38.2975), 0.0012
    rings = [
        [(corner[0] + step * (x + i), corner[1] + step * y) for x, y in SQUARE] for i in range(3)
    ]
    names = ("north-40", "river field", "hill")
    features = [
        {
            "type": "Feature",
            "properties": {"id": name, "name": name.capitalize()},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for name, ring in zip(names, rings, strict=True)
    ]
    collection = {"type": "FeatureCollection", "features": features}
    (tmp_path / "fields.geojson").write_text(json.dumps(collection))
    lines = [f"{n},{r[0][0]},{r[0][1]}" for n, r in zip(names, rings, strict=True)]
    (tmp_path / "fields.csv").write_text("\n".join(["id,lon,lat", *lines]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDWREN_ARCHIVE", "demo")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


SQUARE = ((0, 0), (0.9, 0), (0.9, 0.9), (0, 0.9), (0, 0))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_code_of_a_page_does_what_the_page_says(page, desk, capsys):
    namespace = {"__name__": "page"}
    for block in blocks(page):
        if block.title:
            (desk / block.title).write_text(block.body)
        elif block.language == "python":
            code = compile("\n" * (block.line - 1) + block.body, str(page), "exec")
            if block.runs:
                exec(code, namespace)
                output = capsys.readouterr().out
                for shown in PRINTED.findall(block.body):
                    assert says(shown, output), (block.line, shown, output)
        elif block.language == "console":
            for command, shown in commands(block):
                check_command(command, shown, capsys, run=block.runs)


def check_command(command: str, shown: list[str], capsys, *, run: bool) -> None:
    program, *arguments = shlex.split(command)
    if program != "fieldwren":
        assert not run, f"{command}: only commands of fieldwren are run"
        return
    if not run:
        parser().parse_args(arguments)  # exits where an option is unknown
        return
    status = main(arguments)
    captured = capsys.readouterr()
    output = captured.out + captured.err
    fails = any(line.startswith("fieldwren: ") for line in shown)
    assert (status != 0) == fails, (command, output)
    for line in shown:
        assert says(line, output), (command, line, output)


def test_every_page_is_in_the_navigation():
    def pages(entry):
        if isinstance(entry, str):
            return {entry}
        inner = entry.values() if isinstance(entry, dict) else entry
        return set().union(*map(pages, inner))

    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    written = {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")}
    assert pages(config["nav"]) == written | {"tutorial.md"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built as ``make docs`` does: any warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_no_page_loads_anything_from_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    loads = re.compile(r"<(?:script|img|iframe|source)[^>]+src=\"?([^\"> ]+)|<link([^>]+)>")
    for page in pages:
        for source, link in loads.findall(page.read_text()):
            target = source or ("" if "canonical" in link else link)
            assert "//" not in target, (page, target)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", sheet.read_text()), sheet


def test_the_reference_and_the_tutorial_hold_what_the_code_gives(site):
    python = (site / "reference" / "python.html").read_text()
    assert set(fw.__all__) <= set(re.findall(r'id="fieldwren\.[\w.]*?(\w+)"', python))
    columns = (site / "reference" / "columns.html").read_text()
    assert all(f"<code>{f.name}</code>" in columns for f in dataclasses.fields(fw.Observation))
    assert all(f"<code>{status}</code>" in columns for status in fw.STATUSES)
    settings = (site / "reference" / "settings.html").read_text()
    assert all(f"<code>{name}</code>" in settings for name in NAMES)
    indices = (site / "reference" / "indices.html").read_text()
    assert all(html.escape(i.expression) in indices for i in fw.INDICES.values())
    lines = (site / "reference" / "command-line.html").read_text()
    assert all(f"fieldwren {command}" in lines for command in ("run", "plan", "chip", "doctor"))
    assert "--since D" in lines
    tutorial = (site / "tutorial.html").read_text()
    assert "times as fast" in tutorial
    assert "background-color: #" in tutorial


def test_pages_and_the_search_work_from_disk_without_a_network(site):
    asked, said = [], []
    with sync_playwright() as play:
        flags = ["--no-sandbox", *BROWSER]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        page.on("request", lambda r: r.url.startswith("http") and asked.append(r.url))
        page.on("console", lambda m: m.type in {"error", "warning"} and said.append(m.text))
        page.on("pageerror", lambda e: said.append(str(e)))
        page.goto((site / "index.html").as_uri())
        page.keyboard.press("/")
        page.keyboard.type("coverage weights")
        page.locator(".md-search-result__link").first.click()
        page.wait_for_url("**/coverage.html*")
        assert page.locator("h1").first.inner_text().startswith("Coverage weights")
        for name in ("tutorial.html", "reference/python.html", "how-to/my-own-fields.html"):
            page.goto((site / name).as_uri())
            assert page.locator("h1").first.is_visible()
        browser.close()
    assert not asked
    assert not said
