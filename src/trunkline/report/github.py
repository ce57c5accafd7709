"""The report as workflow commands of GitHub Actions, which the runner shows as annotations.

Under GitHub Actions they are printed, and the report is added to the summary of the job as Markdown, without an option.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from trunkline.contract.lines import find_line
from trunkline.errors import reason_of
from trunkline.findings import Finding, Report
from trunkline.redaction import printable
from trunkline.report import markdown
from trunkline.report.run import KEPT, RunInfo, verdict
from trunkline.report.text import verdict_text

_MOST = 10
"""The number of annotations of each level that GitHub shows for a step."""


def render(report: Report, run: RunInfo) -> str:
    """One command for the verdict and one for each finding that is not known, as many as GitHub shows."""
    level = "notice" if verdict(report, run) == KEPT else "error"
    lines = {"error": list[str](), "notice": list[str]()}
    text, _ = verdict_text(report, run)
    lines[level].append(_command(report, level, {"title": "trunkline"}, text))
    for finding in report.findings:
        level = "error" if run.fails(finding) else "notice"
        if len(lines[level]) < _MOST and not finding.is_excused:
            lines[level].append(_annotation(finding, level, report))
    return "".join(f"{line}\n" for line in (*lines["error"], *lines["notice"]))


def publish(report: Report, run: RunInfo, environ: Mapping[str, str] = os.environ) -> str:
    """Add the report to the summary of a job of GitHub Actions, and return its commands, to be printed; else nothing.

    A summary that cannot be written is told by a command.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return ""
    commands = render(report, run)
    if file := environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(file).open("a", encoding="utf-8", errors="backslashreplace") as summary:
                summary.write(f"{markdown.render(report, run)}\n")
        except OSError as error:
            reason = f"the summary of the job cannot be written: {reason_of(error)}"
            commands += f"{_command(report, 'warning', {'title': 'trunkline'}, reason)}\n"
    return commands


def _annotation(finding: Finding, level: str, report: Report) -> str:
    file, line = finding.contract.partition("#")[0], find_line(finding.contract)
    place = {"file": file, "line": str(line)} if line else {}
    parts = (
        f"{finding.operation} {finding.at}: {finding.message}",
        f"expected {finding.expected}" if finding.expected else "",
        f"seen {finding.seen}" if finding.seen else "",
        f"recorded {', '.join(finding.sources)}" if finding.sources else "",
        finding.evidence.source,
    )
    title = f"{finding.evidence.grade} {finding.rule}"
    return _command(report, level, {**place, "title": title}, *filter(None, parts))


def _command(report: Report, level: str, properties: Mapping[str, str], *lines: str) -> str:
    """A workflow command. Each value is without secrets, and can end neither its property nor the command."""
    values = {name: _escaped(printable(report.redact(value)), ":,") for name, value in properties.items()}
    text = _escaped("\n".join(printable(report.redact(line)) for line in lines))
    return f"::{level} {','.join(f'{name}={value}' for name, value in values.items())}::{text}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(each):02X}" if each in f"%\r\n{more}" else each for each in text)
