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
    levels: dict[int, tuple[int, str]] = {}
    """By line: the level of a heading, and its anchor as GitHub forms it."""
    in_code = False
    for number, line in enumerate(lines):
        in_code ^= bool(_FENCE.match(line))
        if not in_code and (heading := _HEADING.match(line)):
            levels[number] = len(heading[1]), re.sub(r"[^\w\- ]", "", heading[2].lower()).strip().replace(" ", "-")
    begin = next((number for number, (_, known) in levels.items() if known == anchor), None)
    if begin is None:
        raise UsageError(f"{page} has no section {anchor!r}{way_out(anchor, [known for _, known in levels.values()])}")
    later = (number for number in levels if number > begin and levels[number][0] <= levels[begin][0])
    return "".join(lines[begin : next(later, len(lines))])
