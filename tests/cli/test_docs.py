"""`trunkline docs` shows the pages that messages and help texts name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trunkline.cli import run

ROOT = Path(__file__).parents[2]
NAMED = sorted(
    {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"trunkline docs ([a-z-]+(?: [a-z-]+)?)[`);]", path.read_text("utf-8"))
    }
)
"""What the source tells users to read."""


def test_every_page_is_listed_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for the README, and for each file in docs/."""
    assert run(["docs"]) == 0
    out = capsys.readouterr().out
    pages = sorted(path.stem for path in ROOT.glob("docs/*.md"))
    assert [line.split()[0] for line in out.splitlines()] == ["README", *pages]
    assert re.search(r"^mock +The mock server$", out, re.MULTILINE)


@pytest.mark.parametrize("name", NAMED)
def test_what_the_source_names_is_there(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A message that names a page or a section leads to it."""
    assert run(["docs", *name.split()]) == 0
    assert capsys.readouterr().out.startswith("#")


def test_a_section_ends_before_the_next_one(capsys: pytest.CaptureFixture[str]) -> None:
    """It has its subsections; what looks like a heading in a block of code is none."""
    run(["docs", "docs/mock.md#faults"])
    section = capsys.readouterr().out
    assert section in (ROOT / "docs/mock.md").read_text("utf-8")
    assert re.match(r"## Faults\n(?:.*\n)*### A fault in one line\n", section)
    assert len(re.findall(r"^## ", section, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("moc", "there is no page 'moc'; did you mean mock?"),
        ("nothing", "there is no page 'nothing'; there are: README, architecture, "),
        ("mock#fault", "mock has no section 'fault'; did you mean faults?"),
    ],
)
def test_an_unknown_page_or_section_is_refused(capsys: pytest.CaptureFixture[str], name: str, sentence: str) -> None:
    """The sentence names what is like it, or what there is."""
    assert run(["docs", name]) == 2
    assert capsys.readouterr().err.startswith(f"trunkline: {sentence}")
