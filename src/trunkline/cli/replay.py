"""`trunkline replay`: send the requests of a report again, and say of each finding whether it still happens."""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import closing
from dataclasses import replace

from trunkline.check import replay as replaying
from trunkline.check.replay import GONE, STILL, UNKNOWN, Outcome
from trunkline.check.safety import WriteOptions, write_access
from trunkline.cli import output
from trunkline.cli.interruption import stop_signals, until
from trunkline.cli.output import FINDINGS, SUCCESS
from trunkline.errors import TargetError
from trunkline.findings import Report
from trunkline.mock import loader
from trunkline.redaction import printable
from trunkline.report import terminal, titles
from trunkline.report.text import Line
from trunkline.settings import CONNECTION, SECOND, WRITING, Settings
from trunkline.transport.connect import connect, redacting_errors, with_second_account
from trunkline.transport.files import read_source

_STYLES = {STILL: ("STILL HAPPENS", "red"), GONE: ("gone", "green"), UNKNOWN: ("NOT REPLAYED", "magenta")}


def replay(settings: Settings, file: str) -> int:
    """Replay a report on an implementation, and print what became of each finding."""
    recorded = replaying.read(read_source(file), file)
    vendor = loader.load(recorded.vendor)
    report = Report()
    with stop_signals() as stopped, terminal.screen() as screen:
        connection = connect(
            vendor,
            **settings.only(CONNECTION),
            waiting=lambda _, seconds: screen.progress(output.WAITING.format(seconds)),
        )
        connection = with_second_account(connection, vendor, **settings.only(SECOND))
        connection = replace(connection, target=until(connection.target, stopped))
        report.secrets = connection.secrets
        screen.progress(f"replaying {file} on {vendor.name} at {connection.name}")
        outcomes: list[Outcome] = []
        options = WriteOptions(**settings.only(WRITING))
        with (
            redacting_errors(report.redact),
            write_access(vendor, connection, options, report, screen.progress) as writing,
        ):
            seed = secrets.randbelow(2**32)
            with closing(replaying.Replay(vendor, connection, recorded, report, writing, seed).run()) as found:
                for outcome in found:
                    outcomes.append(outcome)
                    screen.show([_line(outcome, report)])
        for leftover in report.leftovers:
            screen.show([((f"{titles.LEFT_BEHIND:<13} ", ""), (printable(report.redact(leftover)), "magenta"))])
        counts = Counter(outcome.state for outcome in outcomes)
        summary = ", ".join(f"{state}: {counts[state]}" for state in _STYLES)
        screen.show([(("replayed      ", "dim"), (f"{summary}; {report.requests} requests", ""))])
    if outcomes and counts[UNKNOWN] == len(outcomes):
        raise TargetError(f"nothing could be replayed: {report.redact(outcomes[0].reason)}")
    failing = any(outcome.state == STILL and outcome.finding.fails for outcome in outcomes)
    return FINDINGS if failing else SUCCESS


def _line(outcome: Outcome, report: Report) -> Line:
    """One line that says whether a finding still happens."""
    found, (title, style) = outcome.finding, _STYLES[outcome.state]
    note = "" if found.fails else "note, "
    place = f" {found.at}" if found.at else ""
    text = f"{note}{found.grade} {found.rule} {found.operation}{place}: {outcome.reason or found.message}"
    return (f"{title:<13} ", f"bold {style}"), (printable(report.redact(text)), "")
