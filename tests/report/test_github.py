"""Annotations of GitHub Actions: each is one command, which no value can end. The job's summary has the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.report.test_markdown import NASTY, filled
from tests.report.test_report import PAGE, RUN, finding, report
from trunkline.findings import Excuse, Grade, Report
from trunkline.report import markdown
from trunkline.report.github import publish, render

STATUS = "schemas/telepath/trunk.json#/properties/status/enum"


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands as the runner reads them: level, properties and text."""
    found = []
    for line in text.splitlines():
        parts = re.fullmatch("::(error|notice|warning)( [^:]*)?::(.*)", line)
        assert parts, line
        pairs = (pair.split("=", 1) for pair in (parts[2] or "").strip().split(","))
        properties = {name: re.sub("%(3A|2C|0A|0D|25)", decoded, value) for name, value in pairs}
        found.append((parts[1], properties, re.sub("%(0A|0D|25)", decoded, parts[3])))
    return found


def decoded(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def test_a_finding_is_an_annotation_at_the_line_of_the_contract() -> None:
    """One that fails the run is an error, a note is a notice; the verdict is one of them, and comes first."""
    made = report(finding(contract=STATUS, sources=("a.har#/log/entries/3",)), finding(Grade.CUSTOMARY, "ids_stay"))
    verdict, found, note = commands(render(made, RUN))
    assert verdict[:2] == ("error", {"title": "trunkline"})
    assert verdict[2].startswith("the contract of acme is BROKEN: 1 finding")
    place = {"file": "schemas/telepath/trunk.json", "line": "36", "title": "documented body_matches_schema"}
    assert found[:2] == ("error", place)
    assert found[2].splitlines() == [
        'listThings body/trunks/0/status: "busy" is not one of "active"',
        'expected enum: ["active"]',
        'seen "busy"',
        "recorded a.har#/log/entries/3",
        PAGE,
    ]
    assert note[:2] == ("notice", {"title": "customary ids_stay"})


def test_the_verdict_alone_is_an_annotation() -> None:
    """A kept contract is a notice, and a run without a verdict an error."""
    [kept] = commands(render(report(), RUN))
    assert (kept[0], kept[2].split(":")[0]) == ("notice", "the contract of acme is kept")
    [unproven] = commands(render(Report(), RUN))
    assert (unproven[0], unproven[2].split(":")[0]) == ("error", "NOT EXERCISED")


@pytest.mark.parametrize("value", [*NASTY, "a%0Ab", "x::error::y", "a:b,c=d", "::add-mask::x", "\r\n::error::x"])
def test_a_value_ends_no_command(value: str) -> None:
    """There are as many commands, with the same properties, as for a plain word."""
    kinds = [(level, {*properties}) for level, properties, _ in commands(render(filled("plain"), RUN))]
    made = filled(value)
    made.add(finding(rule=f"rule {value}"))
    found = commands(render(made, RUN))
    assert [(level, {*properties}) for level, properties, _ in found if value not in properties["title"]][: len(kinds)]
    assert len(found) == len(kinds) + 1
    assert all("\n::" not in text for _, _, text in found)


def test_github_shows_ten_of_each_level() -> None:
    """No more are printed, and they are the first."""
    made = Report()
    for number in range(30):
        made.add(finding(rule=f"rule_{number}"))
        made.add(finding(Grade.CUSTOMARY, rule=f"note_{number}"))
    found = commands(render(made, RUN))
    levels = [level for level, _, _ in found]
    assert (levels.count("error"), levels.count("notice")) == (10, 10)
    assert found[1][1]["title"] == "documented rule_0"


def test_a_known_finding_is_no_annotation() -> None:
    """A baseline excuses it; the summary lists it as known, with its reason."""
    made = report(finding(excuse=Excuse("known.toml:1", "the carrier fixes it", "2027-02-26")))
    assert [level for level, _, _ in commands(render(made, RUN))] == ["notice"]
    assert "| documented (known) |" in markdown.render(made, RUN)


def test_it_announces_itself_under_github_actions_only(tmp_path: Path) -> None:
    """The summary is added to what the job has there already."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    environ = {"GITHUB_STEP_SUMMARY": str(summary)}
    assert publish(report(), RUN, environ) == publish(report(), RUN, {**environ, "GITHUB_ACTIONS": "false"}) == ""
    assert summary.read_text() == "before\n"
    assert publish(report(), RUN, {**environ, "GITHUB_ACTIONS": "true"}) == render(report(), RUN)
    assert summary.read_text("utf-8") == f"before\n{markdown.render(report(), RUN)}\n"
    assert publish(report(), RUN, {"GITHUB_ACTIONS": "true"}) == render(report(), RUN)
    told = publish(report(), RUN, {"GITHUB_STEP_SUMMARY": str(tmp_path), "GITHUB_ACTIONS": "true"})
    assert told.removeprefix(render(report(), RUN)) == (
        "::warning title=trunkline::the summary of the job cannot be written: is a directory\n"
    )
