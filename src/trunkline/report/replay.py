"""The outcomes of a replay as lines to read, and as a JSON document. docs/report.md describes the document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import trunkline
from trunkline.check.replay import GONE, STILL, UNKNOWN, ReplayOutcome
from trunkline.exchange import Json
from trunkline.findings import Report
from trunkline.redaction import printable, printable_json
from trunkline.report import titles
from trunkline.report.text import BAD, GOOD, MISSING, STRONG, Line, plural, row

_STYLES = {STILL: ("STILL HAPPENS", BAD), GONE: ("gone", GOOD), UNKNOWN: ("NOT REPLAYED", MISSING)}


def outcome_line(outcome: ReplayOutcome, report: Report) -> Line:
    """One line that says whether a finding still happens."""
    found, (title, style) = outcome.finding, _STYLES[outcome.state]
    note = "" if found.fails else "note, "
    place = f" {found.at}" if found.at else ""
    text = (
        f"{note}{found.grade} {found.rule} {found.operation}{place}: {outcome.reason or outcome.now or found.message}"
    )
    return (f"{title:<13} ", f"{STRONG} {style}"), (printable(report.redact(text)), "")


def summary_lines(outcomes: Iterable[ReplayOutcome], report: Report) -> Iterator[Line]:
    """A line for each item that was left behind, and one that counts the outcomes."""
    for leftover in report.leftovers:
        yield row(titles.LEFT_BEHIND, printable(report.redact(leftover)), MISSING)
    counts = ", ".join(f"{state}: {count}" for state, count in _counts(outcomes).items())
    yield row("replayed", f"{counts}; {plural(report.requests, 'request')}")


def document(outcomes: Sequence[ReplayOutcome], report: Report, *, vendor: str, base: str, complete: bool) -> Json:
    """The outcomes as a JSON value. `complete` is whether each finding of the saved report has one."""
    value: Json = {
        "format": 1,
        "trunkline": trunkline.__version__,
        "vendor": vendor,
        "base": base,
        "complete": complete,
        "requests": report.requests,
        "counts": _counts(outcomes),
        "findings": [
            {
                "rule": outcome.finding.rule,
                "operation": outcome.finding.operation,
                "grade": outcome.finding.grade,
                "fails": outcome.finding.fails,
                "at": outcome.finding.at,
                "message": outcome.finding.message,
                "contract": outcome.finding.contract,
                "state": outcome.state,
                "reason": outcome.reason,
                "now": outcome.now,
            }
            for outcome in outcomes
        ],
        "left_behind": report.leftovers,
    }
    return printable_json(value, report.redact)


def _counts(outcomes: Iterable[ReplayOutcome]) -> dict[str, int]:
    found = Counter(outcome.state for outcome in outcomes)
    return {state: found[state] for state in _STYLES}
