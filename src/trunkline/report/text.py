"""The report as lines to read.

A line has a style for each of its pieces, and neither color nor width: `terminal` shows it with both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from trunkline.findings import MOST_SOURCES, Finding, Reading, Report, truncate
from trunkline.redaction import printable
from trunkline.report import titles
from trunkline.report.run import (
    BROKEN,
    KEPT,
    RunInfo,
    count_grades,
    curl_command,
    lacks_base,
    not_reached,
    reproduction_script,
    shortfall,
    shown_time,
    verdict,
)

Line: TypeAlias = tuple[tuple[str, str], ...]
"""Pieces of text, each with its style: `(("documented", "bold red"), (" documented_status", ""))`."""

_FEW_PLACES = 20
"""The number of places without a judgment that the summary lists."""
_FEW_FINDINGS = 5
"""The summary repeats the findings only if there are more than these: fewer are still on the screen, in full."""
_LONGEST_SEEN = 60
"""The length of what was seen in the summary, where it tells findings of one rule and place apart."""

COMMAND = "none"
"""The style of a command: it looks like other text, and is never wrapped, so that it can be copied."""

BAD, NOTE, GOOD, MISSING, QUIET, STRONG = "red", "yellow", "green", "magenta", "dim", "bold"
"""The styles of the pieces of a line, in the words of `rich`."""


def render(report: Report, run: RunInfo) -> str:
    """The whole report as plain lines: each finding in full, then the summary."""
    lines = [line for finding in report.findings for line in finding_lines(finding, report, run)]
    return "".join(plain(line) + "\n" for line in (*lines, *summary_lines(report, run)))


def plain(line: Line) -> str:
    """The line without its styles."""
    return "".join(text for text, _ in line).rstrip()


def finding_lines(finding: Finding, report: Report, run: RunInfo) -> Iterator[Line]:
    """A finding with its evidence and the command, or the script, that shows it again."""
    yield from _redacted(report, _finding(finding, report, run))


def _finding(finding: Finding, report: Report, run: RunInfo) -> Iterator[Line]:
    evidence = finding.evidence
    title, style = _title(finding, run)
    mark = title.upper() if run.fails(finding) else title
    yield (mark, f"{STRONG} {style}"), (f" {evidence.grade}", style), (f" {finding.rule}", STRONG)
    place = f"{finding.at}: " if finding.at else ""
    yield ((f"  {finding.operation} {place}{finding.message}{_occurrences(finding)}", ""),)
    script = reproduction_script(finding, report, run)
    again = f"{plural(len(finding.exchanges), 'request')}, to be pasted into a shell:" if script else ""
    parts = {
        "recorded": _listed(finding.sources),
        "expected": finding.expected,
        "seen": finding.seen,
        "contract": finding.contract,
        "page": " ".join(filter(None, (evidence.source, f"({evidence.note})" if evidence.note else ""))),
        "known": str(finding.excuse or ""),
        "again": again or curl_command(finding, report, run),
    }
    for name, text in parts.items():
        if text:
            yield (f"  {name:<9}", QUIET), (text, COMMAND if name == "again" and not script else "")
    if script:  # a here-document, so that a script which fails does not end the user's own shell
        yield from (((line, COMMAND),) for line in ("sh <<'END_OF_SCRIPT'", *script.split("\n"), "END_OF_SCRIPT"))
    yield ()


def _occurrences(finding: Finding) -> str:
    """How often a finding was found, and when, as far as it is known."""
    parts = [f"{finding.count} times"] if finding.count > 1 else []
    if finding.first is not None and finding.last is not None:
        first, last = shown_time(finding.first), shown_time(finding.last)
        parts += [f"first {first}", f"last {last}"] if first != last else [first]
    return f" ({', '.join(parts)})" if parts else ""


def summary_lines(report: Report, run: RunInfo) -> Iterator[Line]:
    """The findings in one line each, the exercised checks, the statuses that were reached, and the verdict."""
    lines = (
        *_findings(report, run),
        *_missing(report),
        *_exercised(report),
        *_reached(report, run),
        *not_judged(report.reading),
        *_end(report, run),
    )
    yield from _redacted(report, lines)


def _findings(report: Report, run: RunInfo) -> Iterator[Line]:
    if len(report.findings) <= _FEW_FINDINGS:
        return
    alike = Counter((finding.rule, finding.operation, finding.at) for finding in report.findings)
    for finding in report.findings:
        title, style = _title(finding, run)
        place = f" at {finding.at}" if finding.at else ""
        if alike[finding.rule, finding.operation, finding.at] > 1 and finding.seen:
            place += f", seen {truncate(finding.seen, _LONGEST_SEEN)}"
        text = f"{finding.evidence.grade} {finding.rule} {finding.operation}{place}, {_times(finding.count)}"
        yield row(title, text, style)


def _title(finding: Finding, run: RunInfo) -> tuple[str, str]:
    """The name of a finding in the report, and its style."""
    if finding.is_excused:
        return "known", QUIET
    return ("finding", BAD) if run.fails(finding) else ("note", NOTE)


def _missing(report: Report) -> Iterator[Line]:
    """One row for the operations that are not implemented, and one for each reason why some could not be asked."""
    if report.not_implemented:
        yield row(titles.NOT_IMPLEMENTED, ", ".join(sorted(report.not_implemented)), MISSING)
    for reason in dict.fromkeys(report.unasked.values()):
        names = ", ".join(name for name, found in report.unasked.items() if found == reason)
        yield row(titles.NOT_EXERCISED, f"{names}: {reason}", MISSING)


def _exercised(report: Report) -> Iterator[Line]:
    """One row for each operation with its exercised checks, then the other checks by their reason.

    Operations without an exercised check, all for the same reason, share a row.
    """
    exercised: dict[str, list[str]] = {}
    missing: dict[str, dict[str, list[str]]] = {}
    reasons: dict[str, set[str]] = {}
    for (name, check), reason in sorted(report.exercised.items()):
        reasons.setdefault(name, set()).add(reason)
        by_operation = missing.setdefault(reason, {}) if reason else exercised
        by_operation.setdefault(name, []).append(check)
    for name, checks in exercised.items():
        yield row("exercised", f"{name}: {', '.join(checks)}")
    for reason, by_operation in missing.items():
        whole = [name for name, checks in by_operation.items() if reasons[name] == {reason} and len(checks) > 1]
        if len(whole) > 1:
            yield row(titles.NOT_EXERCISED, f"all of {', '.join(whole)} - {reason}", MISSING)
        for name, checks in by_operation.items():
            if len(whole) <= 1 or name not in whole:
                yield row(titles.NOT_EXERCISED, f"{name}: {', '.join(checks)} - {reason}", MISSING)


def _reached(report: Report, run: RunInfo) -> Iterator[Line]:
    reached = ((name, f"{status} {_times(count)}") for (name, status), count in sorted(report.reach.statuses.items()))
    yield from _rows_by_operation("reached", reached)
    yield from _rows_by_operation(titles.NOT_REACHED, not_reached(report, run), MISSING)


def _rows_by_operation(title: str, pairs: Iterable[tuple[str, str]], style: str = "") -> Iterator[Line]:
    """One row for each operationId of the pairs (operationId, text), with its texts."""
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    for name, parts in texts.items():
        yield row(title, f"{name}: {', '.join(parts)}", style)


def _end(report: Report, run: RunInfo) -> Iterator[Line]:
    if run.seed is not None or report.requests:
        seed = f", seed {run.seed}" if run.seed is not None else ""
        yield row("requests", f"{report.requests}{seed}")
    known = sum(finding.is_excused for finding in report.findings)
    of_them = f"; {known} of them known" if known else ""
    counts = ", ".join(f"{count} {grade}" for grade, count in count_grades(report).items())
    yield row("findings", f"{counts}{of_them}")
    if lacking := sum(lacks_base(finding, report, run) for finding in report.findings):
        names = "name the address with --base, if you trust it with your token"
        yield row("again", f"no curl command for {plural(lacking, 'finding')}: {names}")
    for line in report.stale:
        yield row(titles.STALE, line, MISSING)
    for line in report.leftovers:
        yield row(titles.LEFT_BEHIND, line, MISSING)
    text, style = verdict_text(report, run)
    yield row("verdict", text, f"{STRONG} {style}")


def verdict_text(report: Report, run: RunInfo) -> tuple[str, str]:
    """The verdict in a sentence, with what it does not say, and its style. It is not redacted."""
    known = sum(finding.is_excused for finding in report.findings)
    missing = sum(1 for reason in report.exercised.values() if reason)
    note = "was not exercised and proves" if missing == 1 else "were not exercised and prove"
    not_exercised_note = f"; {missing} of {len(report.exercised)} checks {note} nothing" if missing else ""
    ended = "did not judge everything" if run.complete else "did not come to its end"
    early = "" if run.complete else f"; the run {ended}"
    result = verdict(report, run)
    if result == BROKEN:
        failures = plural(len(report.failures(run.strictness)), "finding")
        text, style = f"the contract of {run.vendor} is BROKEN: {failures} at strictness {run.strictness}", BAD
        if report.stopped:  # which explains what was not exercised
            not_exercised_note, early = "", f"; the run {ended}: {report.stopped}"
    elif result == KEPT:
        notes = plural(len(report.findings) - known, "note") + (f", {known} known" if known else "")
        part = " by what is implemented" if report.not_implemented else ""
        text = f"the contract of {run.vendor} is kept{part}: no finding at strictness {run.strictness}, {notes}"
        style = NOTE if not_exercised_note or early else GOOD
    else:
        why = shortfall(report, run)
        text, style = f"{titles.NOT_EXERCISED}: {why}", MISSING
        if report.stopped and report.stopped in why:
            early = ""
    return f"{text}{not_exercised_note}{early}", style


def row(title: str, text: str, style: str = "") -> Line:
    """A line of a summary. A title in capitals, and the verdict, give the text their style."""
    return ((f"{title:<13} ", style or QUIET), (text, style if title[0].isupper() or title == "verdict" else ""))


def not_judged(reading: Reading) -> Iterator[Line]:
    """One row for each file, or exchange in it, that was not judged; beyond a few, only their number."""
    shown = reading.unjudged[:_FEW_PLACES]
    for found in shown:
        yield row(titles.NOT_JUDGED, f"{found.subject}: {found.reason}", MISSING)
    more = reading.skipped - sum(found.count for found in shown)
    if more > 0 and reading.skipped > _FEW_PLACES:
        yield row(titles.NOT_JUDGED, f"{more} more", MISSING)
    hosts = reading.other_hosts.most_common()
    for host, count in hosts[:_FEW_PLACES]:
        yield row("other host", f"{plural(count, 'request')} to {host}, left out")
    if others := hosts[_FEW_PLACES:]:
        requests = plural(sum(count for _, count in others), "request")
        yield row("other host", f"{requests} to {len(others)} more hosts, left out")
    if reading.other_operations:
        counted = ", ".join(f"{name} {count}" for name, count in reading.other_operations.most_common())
        total = plural(reading.other_operations.total(), "exchange")
        yield row("left out", f"{total} of operations that --operation does not name: {counted}")
    if reading.since is not None:
        older = f"{plural(reading.older, 'older exchange')} left out"
        if reading.undated:
            older += f"; {plural(reading.undated, 'exchange')} without a time judged all the same"
        yield row("since", f"{shown_time(reading.since)}: {older}")
    exchanges = sum(reading.judged.values())
    if len(reading.judged) > 1 or exchanges > 1:
        files = sum(1 for count in reading.judged.values() if count)
        yield row("judged", f"{plural(exchanges, 'exchange')} in {files} of {plural(len(reading.judged), 'file')}")


def _listed(places: tuple[str, ...]) -> str:
    more = ", ..." if len(places) == MOST_SOURCES else ""
    return ", ".join(places[: MOST_SOURCES - 1]) + more


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def plural(count: int, noun: str) -> str:
    """A number of things: `no requests`, `1 request`, `2 requests`."""
    return f"{count} {noun}" if count == 1 else f"{count or 'no'} {noun}s"


def _redacted(report: Report, lines: Iterable[Line]) -> Iterator[Line]:
    """The lines without secrets. A secret never spans two pieces, since each piece is one value or a fixed text."""
    for line in lines:
        yield tuple((printable(report.redact(text)), style) for text, style in line)
