"""Owns how a report is shown: lines for people, and one JSON document for machines (`report.schema.json`).

Lines are made here without colour and without width; `Screen` puts them on a terminal with both, or into a pipe as
they are. Everything that is shown passes the report's redaction. The only importer of rich, and that when needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO, TypeAlias

import trunkline
from trunkline.contract.bodies import masked
from trunkline.exchange import SAFE_METHODS, Json, curl
from trunkline.findings import Finding, Grade, Report

if TYPE_CHECKING:
    from rich.console import Console

Line: TypeAlias = tuple[tuple[str, str], ...]
"""Pieces of text with the style of each: `(("documented", "bold red"), (" status_is_known", ""))`."""

GRADES = (Grade.DOCUMENTED, Grade.IMPLIED, Grade.CUSTOMARY)
"""The grades that a finding can have, strongest first."""

_FEW = 5

KEPT, BROKEN, NOT_EXERCISED = "kept", "broken", "not exercised"

_BAD, _NOTE, _GOOD, _OPEN, _QUIET, _STRONG = "red", "yellow", "green", "magenta", "dim", "bold"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a report is about: `Run("acme", "http://127.0.0.1:8900/v1", seed=7)`.

    `base` is empty when a saved response was judged; `complete` is false when a run did not come to its end.
    `documented` are the (operationId, status) that a whole check means to reach, `(("listTrunks", "200"),)`; a status
    can be a class, `2XX`. `secrets` are the names of fields whose values are never shown.
    """

    vendor: str
    base: str = ""
    seed: int | None = None
    strictness: Grade = Grade.IMPLIED
    complete: bool = True
    documented: tuple[tuple[str, str], ...] = ()
    secrets: frozenset[str] = frozenset()
    retell: Callable[[Finding], str] = lambda _: ""
    """Makes a shell script of the requests that a finding is about."""


def verdict(report: Report, run: RunInfo) -> str:
    """`broken` by a finding that counts; `not exercised` when there was next to nothing to judge; otherwise `kept`."""
    if report.failures(run.strictness):
        return BROKEN
    return KEPT if "" in report.exercised.values() and not unseen(report, run) else NOT_EXERCISED


def unseen(report: Report, run: RunInfo) -> tuple[str, ...]:
    """The operations of which no answer with success was seen, so that little can be said of them."""
    seen = {name for name, status in report.reached if 200 <= status < 300}
    return tuple(dict.fromkeys(name for name, key in run.documented if key.startswith("2") and name not in seen))


def _unreached(report: Report, run: RunInfo) -> tuple[tuple[str, str], ...]:
    reached = {(name, key) for name, status in report.reached for key in (str(status), f"{status // 100}XX")}
    return tuple(pair for pair in run.documented if pair not in reached)


# --- for machines ---------------------------------------------------------------------------------------------------


def json_document(report: Report, run: RunInfo) -> Json:
    """The report as the JSON value that `report.schema.json` describes."""
    counts = {str(grade): sum(found.evidence.grade is grade for found in report.findings) for grade in GRADES}
    exercised = sorted(report.exercised.items())
    document = {
        "format": 1,
        "trunkline": trunkline.__version__,
        "vendor": run.vendor,
        "base": run.base,
        "seed": run.seed,
        "strictness": str(run.strictness),
        "complete": run.complete,
        "verdict": verdict(report, run),
        "requests": report.requests,
        "counts": counts,
        "findings": [_finding_document(found, report, run) for found in report.findings],
        "exercised": [{"operation": name, "check": check} for (name, check), reason in exercised if not reason],
        "not_exercised": [
            {"operation": name, "check": check, "reason": reason} for (name, check), reason in exercised if reason
        ],
        "reached": [
            {"operation": name, "status": status, "count": count}
            for (name, status), count in sorted(report.reached.items())
        ],
        "not_reached": [
            {"operation": name, "status": int(key) if key.isdigit() else key} for name, key in _unreached(report, run)
        ],
        "left_behind": report.left,
    }
    shown: Json = _redacted(report, document)
    for found, finding in zip(shown["findings"], report.findings, strict=True):
        found["script"] = _script(finding, report, run)
    return shown


def _finding_document(finding: Finding, report: Report, run: RunInfo) -> Json:
    last = finding.exchanges[-1] if finding.exchanges else None
    return {
        "rule": finding.rule,
        "operation": finding.operation,
        "grade": str(finding.evidence.grade),
        "fails": finding.evidence.grade.rank <= run.strictness.rank,
        "page": finding.evidence.source,
        "note": finding.evidence.note,
        "read": finding.evidence.read,
        "message": finding.message,
        "at": finding.at,
        "contract": finding.contract,
        "expected": finding.expected,
        "seen": finding.seen,
        "count": finding.count,
        "status": last.response.status if last and "status" in last.known else None,
        "curl": _command(finding, report, run),
        "script": "",
    }


def _script(finding: Finding, report: Report, run: RunInfo) -> str:
    """The script that shows again what takes several requests, one of them a change; empty for all else."""
    if all(said.request.method in SAFE_METHODS for said in finding.exchanges):
        return ""
    return "\n".join(report.redact(line) for line in run.retell(finding).splitlines())


def _command(finding: Finding, report: Report, run: RunInfo) -> str:
    """The command that asks again, made of redacted parts: within quotes a secret would be hard to recognize."""
    last = finding.exchanges[-1] if finding.exchanges else None
    if last is None or "request" not in last.known:
        return ""
    asked = last.request
    fields = tuple((name, report.redact(value)) for name, value in asked.headers)
    sent = masked(asked.body, run.secrets).decode("utf-8", "surrogateescape")
    body = report.redact(sent).encode("utf-8", "surrogateescape")
    path, query = report.redact(asked.path), report.redact(asked.query)
    return curl(replace(asked, path=path, query=query, headers=fields, body=body), run.base)


def _redacted(report: Report, value: Json) -> Json:
    if isinstance(value, str):
        return printable(report.redact(value))
    if isinstance(value, list):
        return [_redacted(report, item) for item in value]
    return {key: _redacted(report, item) for key, item in value.items()} if isinstance(value, dict) else value


def printable(text: str) -> str:
    """The text on one line, without what could steer a terminal or could not be encoded."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


# --- for people -----------------------------------------------------------------------------------------------------


def finding_lines(finding: Finding, report: Report, run: RunInfo) -> Iterator[Line]:
    """A finding with everything that is needed to understand it, and the command that asks again."""
    fails = finding.evidence.grade.rank <= run.strictness.rank
    said = finding.evidence
    script = _script(finding, report, run)
    parts = {
        "expected": finding.expected,
        "seen": finding.seen,
        "contract": finding.contract,
        "page": " ".join(part for part in (said.source, f"({said.note})" if said.note else "") if part),
        "again": f"{_plural(len(finding.exchanges), 'request')}, to be pasted into a shell:"
        if script
        else _command(finding, report, run),
    }
    times = f" ({finding.count} times)" if finding.count > 1 else ""
    place = f"{finding.at}: " if finding.at else ""
    mark, style = ("FINDING", _BAD) if fails else ("note", _NOTE)
    yield from _clean(
        report,
        (
            ((mark, f"{_STRONG} {style}"), (f" {said.grade}", style), (f" {finding.rule}", _STRONG)),
            ((f"  {finding.operation} {place}{finding.message}{times}", ""),),
            *(((f"  {name:<9}", _QUIET), (text, "")) for name, text in parts.items() if text),
            *(((line, ""),) for line in _pasted(script)),
            (),
        ),
    )


def _pasted(script: str) -> list[str]:
    """The lines of a script as they can be pasted into any shell, which goes on whatever becomes of the script."""
    return ["sh <<'END_OF_SCRIPT'", *script.splitlines(), "END_OF_SCRIPT"] if script else []


def summary_lines(report: Report, run: RunInfo) -> Iterator[Line]:
    """What was found in one line each, what was exercised and what was not, what was reached, and the verdict."""
    yield from _clean(report, (*_found(report, run), *_exercised(report), *_reached(report, run), *_end(report, run)))


def _found(report: Report, run: RunInfo) -> Iterator[Line]:
    if len(report.findings) <= _FEW:
        return  # they still stand above, in full
    for finding in report.findings:
        fails = finding.evidence.grade.rank <= run.strictness.rank
        word, style = ("finding", _BAD) if fails else ("note", _NOTE)
        place = f" at {finding.at}" if finding.at else ""
        text = f"{finding.evidence.grade} {finding.rule} {finding.operation}{place}, {_times(finding.count)}"
        yield _row(word, text, style)


def _exercised(report: Report) -> Iterator[Line]:
    by_operation: dict[str, list[str]] = {}
    reasons: dict[tuple[str, str], list[str]] = {}
    for (name, check), reason in sorted(report.exercised.items()):
        if reason:
            reasons.setdefault((reason, name), []).append(check)
        else:
            by_operation.setdefault(name, []).append(check)
    for name, checks in by_operation.items():
        yield _row("exercised", f"{name}: {', '.join(checks)}")
    for why in dict.fromkeys(reason for reason, _ in reasons):
        found = {name: checks for (reason, name), checks in reasons.items() if reason == why}
        whole = [name for name, checks in found.items() if name not in by_operation and len(checks) > 1]
        whole = [name for name in whole if all(reason == why for reason, other in reasons if other == name)]
        rows = [f"all of {', '.join(whole)}"] if len(whole) > 1 else []
        rows += [f"{name}: {', '.join(checks)}" for name, checks in found.items() if not rows or name not in whole]
        for row in rows:
            yield _row("NOT EXERCISED", f"{row} - {why}", _OPEN)


def _reached(report: Report, run: RunInfo) -> Iterator[Line]:
    by_operation: dict[str, list[str]] = {}
    for (name, status), count in sorted(report.reached.items()):
        by_operation.setdefault(name, []).append(f"{status} {_times(count)}")
    for name, statuses in by_operation.items():
        yield _row("reached", f"{name}: {', '.join(statuses)}")
    missed: dict[str, list[str]] = {}
    for name, key in _unreached(report, run):
        missed.setdefault(name, []).append(key)
    for name, statuses in missed.items():
        yield _row("NOT REACHED", f"{name}: {', '.join(statuses)}", _OPEN)


def _end(report: Report, run: RunInfo) -> Iterator[Line]:
    if run.seed is not None or report.requests:
        seed = f", seed {run.seed}" if run.seed is not None else ""
        yield _row("requests", f"{report.requests}{seed}")
    counts = {grade: sum(found.evidence.grade is grade for found in report.findings) for grade in GRADES}
    yield _row("findings", ", ".join(f"{count} {grade}" for grade, count in counts.items()))
    missing = sum(1 for reason in report.exercised.values() if reason)
    unsaid = f"; {missing} of {len(report.exercised)} checks were not exercised and say nothing" if missing else ""
    for line in report.left:
        yield _row("LEFT BEHIND", line, _OPEN)
    early = "" if run.complete else "; the run did not come to its end"
    found = verdict(report, run)
    failures, notes = len(report.failures(run.strictness)), len(report.findings)
    words, style = {
        BROKEN: (
            f"the contract of {run.vendor} is BROKEN: {_plural(failures, 'finding')} at strictness {run.strictness}",
            _BAD,
        ),
        KEPT: (f"no finding at strictness {run.strictness}, {_plural(notes, 'note')}", _GOOD),
        NOT_EXERCISED: (f"NOT EXERCISED: {_nothing(report, run)}", _OPEN),
    }[found]
    quiet = found == KEPT and (missing or not run.complete)
    yield _row("verdict", f"{words}{unsaid}{early}", f"{_STRONG} {_NOTE if quiet else style}")


def _nothing(report: Report, run: RunInfo) -> str:
    names = unseen(report, run)
    return f"no success of {' or '.join(names)} was seen" if names else "nothing was put to the test"


def _row(word: str, text: str, style: str = "") -> Line:
    return ((f"{word:<14}", style or _QUIET), (text, style if word[0].isupper() or word == "verdict" else ""))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count or 'no'} {word}s"


def _clean(report: Report, lines: Iterable[Line]) -> Iterator[Line]:
    """The lines without secrets; a secret never spans two pieces, since each piece is one value or our own words."""
    for line in lines:
        yield tuple((printable(report.redact(text)), style) for text, style in line)


def text(report: Report, run: RunInfo) -> str:
    """The whole report as plain lines, for a log or another tool's output."""
    lines = [line for finding in report.findings for line in finding_lines(finding, report, run)]
    return "".join(plain(line) + "\n" for line in (*lines, *summary_lines(report, run)))


def plain(line: Line) -> str:
    """The line without its styles."""
    return "".join(piece for piece, _ in line).rstrip()


# --- on a screen ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Screen:
    """Where lines go: `show` for what was asked for, `say` for how far it is, without either treading on the other."""

    show: Callable[[Iterable[Line]], None]
    say: Callable[[str], None]


@contextmanager
def screen(out: TextIO | None = None, err: TextIO | None = None, *, quiet: bool = False) -> Iterator[Screen]:
    """A screen on standard output and standard error, or on two others.

    Terminals get colours (unless NO_COLOR is set) and one line of progress that moves; pipes get plain lines.
    """
    from rich.text import Text  # noqa: PLC0415 - see the module's docstring

    printer, teller = _console(out or sys.stdout), _console(err or sys.stderr)
    status = teller.status("") if teller.is_terminal and not quiet else None

    def show(lines: Iterable[Line]) -> None:
        if status and printer.is_terminal:
            status.stop()
        for line in lines:
            _print(printer, line)
        printer.file.flush()
        if status and printer.is_terminal:
            status.start()

    def say(sentence: str) -> None:
        if status:
            status.update(Text(printable(sentence)))
        elif not quiet:
            _print(teller, ((printable(sentence), ""),))

    with status or nullcontext():
        yield Screen(show, say)


def _console(file: TextIO) -> Console:
    from rich.console import Console  # noqa: PLC0415 - see the module's docstring

    terminal = file.isatty() and os.environ.get("TERM") != "dumb"
    colourful = terminal and not os.environ.get("NO_COLOR")
    return Console(
        file=file,
        force_terminal=terminal,
        force_jupyter=False,
        color_system="auto" if colourful else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def _print(console: Console, line: Line) -> None:
    if not console.is_terminal:
        console.file.write(plain(line) + "\n")  # as it is: rich would expand tabs and measure each character
        return
    from rich.text import Text  # noqa: PLC0415 - see the module's docstring

    console.print(Text.assemble(*line, end="\n"), soft_wrap=True, crop=False)
