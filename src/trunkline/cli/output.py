"""The output of a command: a report or JSON on standard output, and the exit code."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from trunkline.errors import TargetError, TrunklineError, UsageError
from trunkline.findings import Grade
from trunkline.redaction import printable
from trunkline.settings import STANDARD_OUTPUT, Settings

if TYPE_CHECKING:
    from trunkline.check.baseline import Baseline
    from trunkline.contract.model import Contract
    from trunkline.exchange import Json
    from trunkline.findings import Report
    from trunkline.report.run import RunInfo
    from trunkline.transport.connect import Connection

SUCCESS, FINDINGS, ERROR, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
"""The exit codes."""

WAITING = "answered 429: waiting {:.3g} s before asking again"


def asked_place(connection: Connection) -> str:
    """The name of an implementation, and for an application the address that its curl commands have."""
    is_in_process = not (connection.live or connection.built_in)
    note = f" (serve it at {connection.base} to use its curl lines)" if is_in_process else ""
    return f"{connection.name}{note}"


def with_reports(settings: Settings, sources: Iterable[str] = ()) -> Settings:
    """The settings with the format that standard output gets in `format`, and only files in `report`.

    Raises `UsageError` for a second report on standard output, and for a file that cannot be written, or that is one of
    the `sources` or of another option.
    """
    from trunkline.report.files import check_files

    printed = [name for name, file in settings.report if file == STANDARD_OUTPUT]
    if len(printed) + (settings.format != "text") > 1:
        raise UsageError("only one report can be printed; give the others a file, as in --report json=report.json")
    files = tuple(pair for pair in settings.report if pair[1] != STANDARD_OUTPUT)
    check_files(files, others=(settings.baseline, settings.record_file, settings.token_file, *sources))
    return Settings(**vars(settings) | {"format": printed[0] if printed else settings.format, "report": files})


def open_baseline(settings: Settings, contract: Contract) -> Baseline | None:
    """The baseline that the settings name. Raises `UsageError` for one that is wrong, or missing."""
    if settings.baseline is None:
        if settings.update_baseline:
            raise UsageError("--update-baseline writes the file of --baseline; name it")
        return None
    from trunkline.check import baseline

    return baseline.read_baseline(settings.baseline, contract, may_be_new=settings.update_baseline)


def note_stale_entries(baseline: Baseline | None, report: Report, settings: Settings) -> None:
    """Note in the report which entries are stale, unless the file is brought up to date."""
    if baseline and not settings.update_baseline:
        baseline.note_stale(report)


def update_baseline(baseline: Baseline | None, report: Report, settings: Settings) -> None:
    """Bring the file up to date if that is asked for, and say so on standard error."""
    if baseline and settings.update_baseline:
        click.echo(printable(report.redact(baseline.update(report, Grade(settings.strictness)))), err=True)


def show(report: Report, run: RunInfo, settings: Settings, *, summary: bool = False) -> None:
    """Write the reports, and print the text unless another format is printed. With `summary`, it lacks the findings.

    Raises `UsageError` after that for a file that could not be written.
    """
    try:
        write(report, run, settings)
    finally:
        if settings.format == "text":
            _print_text(report, run, summary=summary)


def write(report: Report, run: RunInfo, settings: Settings) -> None:
    """Write all reports but the text on standard output, which says little about a run that ended before it judged.

    Under GitHub Actions these are also annotations, on standard error, and the summary of the job.
    """
    from trunkline.report import FORMATS, files, github

    if commands := github.publish(report, run):
        click.echo(commands, nl=False, err=True)
    try:
        files.write_files(report, run, settings.report)
    finally:
        if settings.format != "text":
            rendered = FORMATS[settings.format](report, run)
            is_json = rendered.startswith("{")
            click.echo(_encodable(rendered) if is_json else rendered.encode("utf-8", "backslashreplace"), nl=False)


def _print_text(report: Report, run: RunInfo, *, summary: bool) -> None:
    from trunkline.report import terminal, text

    with terminal.screen(quiet=True) as screen:
        if not summary:
            for finding in report.findings:
                screen.show(text.finding_lines(finding, report, run))
        screen.show(text.summary_lines(report, run))


def why_stopped(error: BaseException) -> str:
    """Why a run broke off, for its verdict."""
    if isinstance(error, TrunklineError):
        return str(error)
    return "it was interrupted" if isinstance(error, KeyboardInterrupt) else "it met a bug in trunkline"


def exit_code(report: Report, run: RunInfo) -> int:
    """The exit code of a run. Raises `TargetError` when there was too little to judge."""
    from trunkline.report.run import BROKEN, UNPROVEN, shortfall, verdict

    result = verdict(report, run)
    if result == UNPROVEN:
        raise TargetError(shortfall(report, run))
    return FINDINGS if result == BROKEN else SUCCESS


def json_text(value: Json, indent: int | None = None) -> str:
    """A value as JSON, with escapes for the characters that standard output cannot encode."""
    return _encodable(json.dumps(value, ensure_ascii=False, indent=indent))


def _encodable(text: str) -> str:
    """The JSON, in ASCII unless standard output can encode every character."""
    if (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf"):
        return text
    return re.sub(r"[^\x00-\x7f]", lambda character: json.dumps(character[0])[1:-1], text)
