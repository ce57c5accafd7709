"""The report as GitHub Markdown, for a comment on a pull request or the summary of a job.

No value of a response can be markup, or mention anybody: in a sentence it is `<code>` in which each character that
Markdown could read is a character reference, and in a block it is fenced by more backticks than it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import trunkline
from trunkline.findings import Finding, Report
from trunkline.redaction import printable
from trunkline.report import titles
from trunkline.report.run import BROKEN, KEPT, RunInfo, verdict
from trunkline.report.text import finding_lines, plain, plural, verdict_text

LONGEST = 65_536
"""The number of characters that a comment on GitHub can have."""
_LONGEST_TABLE = 24_000
_LONGEST_LISTS = 12_000
_MARKUP = re.compile(r"""[^\w /,'"()=;-]|(?<!\w)_|_(?!\w)""")
_RESULTS = {BROKEN: "is broken", KEPT: "is kept"}
_REST = "The report in another format has the rest: `--report json=FILE`."


def render(report: Report, run: RunInfo) -> str:
    """The verdict, a table of the findings, what was not exercised, and, folded, each finding in full."""
    text = "".join(_head(report, run))
    text += _within(_LONGEST_TABLE, "findings are not in this table", _table(report, run))
    lists = _within(_LONGEST_LISTS, "lines are left out", _lists(report))
    if lists:
        text += f"<details><summary>What was not done, or is left</summary>\n\n{lists}\n</details>\n\n"
    room = LONGEST - len(text) - 2 * len(_REST)
    return (text + _within(room, "findings are not shown in full", _details(report, run))).rstrip("\n") + "\n"


def _within(room: int, left_out: str, parts: Iterable[str]) -> str:
    """The first parts that fit into some characters, and how many there are beside them."""
    fitting: list[str] = []
    missing = 0
    for part in parts:
        room -= len(part)
        if missing or room < 0:
            missing += 1
        else:
            fitting.append(part)
    if missing:
        fitting.append(f"\n{missing} {'more ' if fitting else ''}{left_out}. {_REST}\n")
    return "".join((*fitting, "\n" if fitting else ""))


def _head(report: Report, run: RunInfo) -> Iterator[str]:
    result = _RESULTS.get(verdict(report, run), "was not judged")
    yield f"### trunkline: the contract of {_code(run.vendor, report)} {result}\n\n"
    yield f"{_code(verdict_text(report, run)[0], report)}\n\n"
    base = f" to {_code(run.base, report)}" if run.base else ""
    seed = "" if run.seed is None else f", seed {run.seed}"
    judged = report.reading.judged
    sent = f"{plural(report.requests, 'request')}{base}"
    done = plural(sum(judged.values()), "recorded exchange") if judged else sent
    yield f"{done}{seed}, trunkline {trunkline.__version__}\n\n"


def _table(report: Report, run: RunInfo) -> Iterator[str]:
    if report.findings:
        yield "| | rule and place | what is wrong |\n| --- | --- | --- |\n"
    for finding in report.findings:
        grade = finding.evidence.grade
        kind = f"**{grade}**" if run.fails(finding) else f"{grade} ({'known' if finding.is_excused else 'note'})"
        place = f"{_code(finding.rule, report)}<br>{_code(f'{finding.operation} {finding.at}'.rstrip(), report)}"
        times = f", {finding.count} times" if finding.count > 1 else ""
        yield f"| {kind} | {place} | {_code(finding.message, report)}{times}{_link(finding, report)} |\n"


def _lists(report: Report) -> Iterator[str]:
    """A Markdown list of all that was left behind, not implemented, not judged or not exercised."""
    checks: dict[tuple[str, str], list[str]] = {}
    for (name, check), reason in report.exercised.items():
        if reason:
            checks.setdefault((name, reason), []).append(check)
    lines = [(titles.LEFT_BEHIND, line, "") for line in report.leftovers]
    lines += [(titles.STALE, line, "") for line in report.stale]
    lines += [(titles.NOT_IMPLEMENTED, name, reason) for name, reason in sorted(report.not_implemented.items())]
    lines += [(titles.NOT_JUDGED, found.subject, found.reason) for found in report.reading.unjudged]
    lines += [(titles.NOT_EXERCISED, name, reason) for name, reason in report.unasked.items()]
    lines += [(titles.NOT_EXERCISED, f"{name}: {', '.join(all_)}", reason) for (name, reason), all_ in checks.items()]
    for title, name, reason in lines:
        yield f"- {title} {' '.join(_code(text, report) for text in (name, reason) if text)}\n"


def _details(report: Report, run: RunInfo) -> Iterator[str]:
    for finding in report.findings:
        title = f"{_code(finding.rule, report)} {_code(finding.operation, report)}"
        text = "\n".join(plain(line) for line in finding_lines(finding, report, run)).rstrip()
        fence = "`" * (3 + max(map(len, re.findall("`+", text)), default=0))
        yield f"<details><summary>{title}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n"


def _link(finding: Finding, report: Report) -> str:
    page = finding.evidence.source
    known = page.startswith(("https://", "http://"))
    return f' (<a href="{_escaped(page, report)}">page</a>)' if known else ""


def _code(text: str, report: Report) -> str:
    return f"<code>{_escaped(text, report)}</code>" if text else ""


def _escaped(text: str, report: Report) -> str:
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", printable(report.redact(text)))
