"""Markdown: the verdict comes first, a comment can hold it, and no value is markup or mentions anybody."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.report.test_report import PAGE, RUN, finding, report
from trunkline.findings import Grade, Report
from trunkline.report.markdown import LONGEST, render
from trunkline.report.run import RunInfo

OWN = re.compile(r'</?(?:code|a|details|summary)>|<br>|<a href="[^"<>]*">')
NASTY = (
    "a|b",
    "`code` ``` ````",
    "<script>alert(1)</script>",
    "</code></details><img src=x onerror=alert(1)>",
    "line\n\n# heading\n- item\n| a | b |\n```",
    "@octocat and #12 and GH-3",
    "[link](https://evil.example) ![image](https://evil.example/x.png) <https://evil.example>",
    "https://evil.example www.evil.example me@evil.example",
    "\\|",
    "ends with \\",
    "_em_ *em* **strong** ~~gone~~ &amp; &#64;octocat",
    "\x1b[31m\x00\u202e\udcff",
)


def tokens(text: str) -> list[Token]:
    """All tokens of a text as GitHub reads it."""
    blocks = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [inner for block in blocks for inner in (block, *(block.children or ()))]


def filled(value: str) -> Report:
    """A report that has a value wherever values of an implementation, or names of files, can be."""
    made = report(
        finding(message=value, at=f"body/{value}", seen=value, expected=value, sources=(value,)),
        finding(Grade.CUSTOMARY, message=value),
    )
    made.exercised["listThings", "ids_stay"] = value
    made.unasked["getThing"], made.not_implemented["makeThing"] = value, value
    made.leftovers, made.stopped = [value], value
    made.reading.skip(value, value)
    return made


@pytest.mark.parametrize("value", NASTY)
def test_no_value_is_markup(value: str) -> None:
    """The text has the same structure as with a plain word, and values are in code alone."""

    def structure(text: str) -> list[tuple[str, str]]:
        return [(token.type, token.tag) for token in tokens(text)]

    run = RunInfo("acme", f"http://h/{value}")
    text = render(filled(value), run)
    assert structure(text) == structure(render(filled("plain"), RunInfo("acme", "http://h/plain")))
    own = False
    for token in tokens(text):
        if token.type.startswith("html"):
            assert OWN.sub("", token.content).strip() == "" or token.type == "html_block"
            own = {"<code>": True, "</code>": False}.get(token.content, own)
        elif token.type == "text" and not own:
            assert not re.search("@|evil|script|onerror", token.content)
    tags = set(re.findall("<[^>]*>", re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)))
    assert all(OWN.fullmatch(tag) for tag in tags)


def test_a_fence_is_longer_than_any_in_its_text() -> None:
    """No answer of an implementation ends the block."""
    text = render(report(finding(seen="`````", message="````")), RUN)
    assert [token.content.count("FINDING") for token in tokens(text) if token.type == "fence"] == [1]


def test_the_verdict_comes_first() -> None:
    """Then the findings, one row each, with its page; then what was not exercised; then each in full."""
    lines = render(report(finding(), finding(Grade.CUSTOMARY, "ids_stay")), RUN).splitlines()
    assert lines[0] == "### trunkline: the contract of <code>acme</code> is broken"
    assert "BROKEN&#58; 1 finding at strictness implied" in lines[2]
    [row] = [line for line in lines if line.startswith("| **documented** |")]
    assert "| <code>body_matches_schema</code><br><code>listThings body/trunks/0/status</code> | <code>" in row
    assert re.sub("&#([0-9]+);", lambda match: chr(int(match[1])), row).endswith(f'(<a href="{PAGE}">page</a>) |')
    assert any("NOT EXERCISED" in line and "the account is empty" in line for line in lines)
    assert sum(line.startswith("FINDING") for line in lines) == 1
    assert render(report(), RUN).startswith("### trunkline: the contract of <code>acme</code> is kept\n")
    assert render(Report(), RUN).startswith("### trunkline: the contract of <code>acme</code> was not judged\n")
    recorded = report()
    recorded.reading.judged["a.har"] = 1
    assert "\n1 recorded exchange, seed 7, trunkline " in render(recorded, RUN)


@pytest.mark.parametrize("long", ["x", "|<@`" * 40])
def test_a_comment_can_hold_it(long: str) -> None:
    """Of very many findings and reasons the first are shown, and it says how many are not."""
    made = Report()
    for number in range(500):
        made.add(finding(rule=f"rule_{number}", message=long, seen=long))
        made.exercised[f"operation{number}", "ids_stay"] = f"{number} {long}"
    text = render(made, RUN)
    assert len(text) <= LONGEST
    shown = [text.count("| **documented** |"), text.count("- NOT EXERCISED "), text.count("\nFINDING ")]
    missing = [int(number) for number in re.findall(r"^(\d+) more .* `--report json=FILE`\.$", text, re.MULTILINE)]
    assert [a + b for a, b in zip(shown, missing, strict=True)] == [500, 500, 500]
    assert text.count("<details>") == text.count("</details>")
