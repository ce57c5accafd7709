"""`trunkline replay`: send the requests of a report again, and say of each finding whether it still happens."""

from __future__ import annotations

import secrets
import shlex
import sys
from contextlib import closing
from dataclasses import replace

import click

from trunkline.check import replay as replaying
from trunkline.check.replay import STILL, UNKNOWN, ReplayOutcome
from trunkline.check.safety import WriteOptions, write_access
from trunkline.cli import output
from trunkline.cli.interruption import stop_signals, until
from trunkline.cli.output import FINDINGS, SUCCESS
from trunkline.errors import TargetError, UsageError
from trunkline.findings import LONGEST_VALUE, Report, excerpt
from trunkline.mock import loader
from trunkline.report import terminal
from trunkline.report.replay import document, outcome_line, summary_lines
from trunkline.settings import CONNECTION, SECOND, WRITING, Settings
from trunkline.transport.connect import IN_PROCESS, MOCK, connect, redacting_errors, with_second_account
from trunkline.transport.files import read_source


def replay(settings: Settings, file: str) -> int:
    """Replay a report on an implementation, and print what became of each finding."""
    as_text = settings.replay_format == "text"
    quiet = not as_text and not sys.stderr.isatty()
    report, outcomes = Report(), list[ReplayOutcome]()
    with stop_signals() as stopped, terminal.screen(quiet=quiet) as screen:
        recorded = replaying.read_report(read_source(file), file)
        vendor = loader.load(recorded.vendor)
        if settings.url is None and settings.app is None:
            raise UsageError(_what_to_give(recorded.base, vendor.contract.base_path))
        connection = connect(
            vendor,
            **settings.only(CONNECTION),
            waiting=lambda _, seconds: screen.progress(output.WAITING.format(seconds)),
        )
        connection = with_second_account(connection, vendor, **settings.only(SECOND))
        connection = replace(connection, target=until(connection.target, stopped))
        report.secrets = connection.secrets
        screen.progress(f"replaying {file} on {vendor.name} at {connection.name}")
        options = WriteOptions(**settings.only(WRITING))
        complete = False
        try:
            with (
                redacting_errors(report.redact),
                write_access(vendor, connection, options, report, screen.progress) as writing,
            ):
                seed = secrets.randbelow(2**32)
                with closing(replaying.Replay(vendor, connection, recorded, report, writing, seed).run()) as found:
                    for outcome in found:
                        outcomes.append(outcome)
                        if as_text:
                            screen.show([outcome_line(outcome, report)])
            complete = True
        finally:
            if complete or outcomes or report.leftovers:
                if as_text:
                    screen.show(summary_lines(outcomes, report))
                else:
                    name, base = vendor.name, connection.base
                    value = document(outcomes, report, vendor=name, base=base, complete=complete)
                    click.echo(output.json_text(value, indent=2))
    return _exit_code(outcomes, report)


def _what_to_give(base: str, base_path: str) -> str:
    """The sentence that asks for the implementation to replay on.

    The address of a report is not asked by itself: whoever wrote it would choose who gets the credential.
    """
    if not base:
        return "the report names no address; give that of the implementation with --url, or --app"
    if base == f"{IN_PROCESS}{base_path}":
        return "the report is about an application in this process; give it with --app, as module:attribute"
    shown = shlex.quote(excerpt(base, LONGEST_VALUE, Report().redact))
    if base == f"{MOCK}{base_path}":
        return f"the report is about the mock; run `trunkline serve`, and give --url {shown}, or --app"
    return f"the report is about {shown}; if that may get your credential, give --url {shown}"


def _exit_code(outcomes: list[ReplayOutcome], report: Report) -> int:
    """1 if a finding that failed the run still happens. Raises `TargetError` if one may, since it was not replayed."""
    failing = [outcome for outcome in outcomes if outcome.finding.fails]
    if any(outcome.state == STILL for outcome in failing):
        return FINDINGS
    any_replayed = any(outcome.state != UNKNOWN for outcome in outcomes)
    if unknown := [outcome for outcome in (failing if any_replayed else outcomes) if outcome.state == UNKNOWN]:
        verb = "was" if len(unknown) == 1 else "were"
        count = f"{len(unknown)} of {len(outcomes)} findings {verb} not replayed, and may still happen"
        what = count if any_replayed else "nothing could be replayed"
        raise TargetError(f"{what}: {report.redact(unknown[0].reason)}")
    return SUCCESS
