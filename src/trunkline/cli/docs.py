"""`trunkline docs`: show a page of the documentation, which is a part of the package."""

from __future__ import annotations

import re
from pathlib import Path

import click

from trunkline.cli.output import SUCCESS
from trunkline.contract import folders
from trunkline.errors import UsageError
from trunkline.findings import way_out
from trunkline.report import terminal
from trunkline.settings import Settings

_FENCE = re.compile(r"^\s*```")
_HEADING = re.compile(r"(#+) (.+)")


def docs(_settings: Settings, name: str | None, section: str | None) -> int:
    """List the pages, or print one ("mock"), or a section of it ("mock", "faults"; also "mock#faults")."""
    pages = folders.pages()
    if name is None:
        width = max(map(len, pages))
        for page, path in pages.items():
            click.echo(f"{page:{width}}  {_title(path)}")
        return SUCCESS
    page, _, anchor = name.partition("#")
    anchor = section or anchor
    page = page.removeprefix("../").removeprefix("docs/").removesuffix(".md")
    if page not in pages:
        raise UsageError(f"there is no page {page!r}{way_out(page, pages)}")
    text = pages[page].read_text("utf-8")
    terminal.show_markdown(_section(page, text, anchor) if anchor else text)
    return SUCCESS


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()


def _section(page: str, text: str, anchor: str) -> str:
    """The section with this anchor, its subsections included. Raises `UsageError` if there is none."""
    lines = text.splitlines(keepends=True)
    headings: list[tuple[int, int, str]] = []  # line, level, anchor
    in_code = False
    for number, line in enumerate(lines):
        in_code ^= bool(_FENCE.match(line))
        if not in_code and (found := _HEADING.match(line)):
            headings.append((number, len(found[1]), _anchor(found[2])))
    anchors = [known for _, _, known in headings]
    if anchor not in anchors:
        raise UsageError(f"{page} has no section {anchor!r}{way_out(anchor, anchors)}")
    position = anchors.index(anchor)
    begin, level, _ = headings[position]
    end = next((number for number, other, _ in headings[position + 1 :] if other <= level), len(lines))
    return "".join(lines[begin:end])


def _anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub forms it: `the-marker`."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
