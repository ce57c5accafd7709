"""`trunkline check`: check an implementation against a contract."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import click

from trunkline.check.dry_run import dry_run
from trunkline.check.runner import Checker
from trunkline.check.safety import WriteOptions, write_access
from trunkline.check.stateful.script import script
from trunkline.cli import output
from trunkline.cli.interruption import stop_signals, until
from trunkline.cli.output import INTERRUPTED, SUCCESS
from trunkline.contract.model import Contract, Operation
from trunkline.contract.requests import check_parameters, operations_named
from trunkline.errors import UsageError
from trunkline.exchange import Request
from trunkline.findings import Grade, Report
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.redaction import redactor
from trunkline.report import terminal
from trunkline.report.run import RunInfo, documented_answers
from trunkline.report.text import finding_lines
from trunkline.settings import CONNECTION, SECOND, WRITING, Settings, required_operations
from trunkline.transport.connect import Connection, connect, redacting_errors, with_second_account


def check(settings: Settings, vendor: str) -> int:
    """Check an implementation by every rule, every law and fuzzing, and show the report."""
    if settings.dry_run and settings.report:
        raise UsageError("--dry-run prints plain lines, and no report; leave out --report")
    settings = output.with_reports(settings)
    if settings.dry_run and settings.format != "text":
        raise UsageError(f"--dry-run prints plain lines, and no report; leave out --format {settings.format}")
    loaded = loader.load(vendor)
    operations = operations_named(settings.operation, loaded.contract.operations) or loaded.contract.operations
    names = [operation.operation_id for operation in operations]
    required = required_operations(settings.require, names)
    check_parameters([name for name, _ in settings.param], operations, "path")
    baseline = output.open_baseline(settings, loaded.contract)
    connection = connect(
        loaded,
        **settings.only(CONNECTION),
        waiting=lambda request, seconds: _wait(request, seconds, loaded, report, screen),
    )
    connection = with_second_account(connection, loaded, **settings.only(SECOND))
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    if settings.dry_run:
        return _dry_run(settings, loaded, connection, names, seed)
    report = Report(secrets=connection.secrets, excuses=baseline.excuses() if baseline else {})
    run = _run_info(settings, loaded.contract, connection, operations, required, seed)
    has_ended = (lambda: bool(report.failures(run.strictness))) if settings.fail_fast else (lambda: False)
    quiet = settings.format != "text" and not sys.stderr.isatty()
    with stop_signals() as stopped, terminal.screen(quiet=quiet) as screen:
        connection = replace(connection, target=until(connection.target, stopped, has_ended))
        error = _run(settings, loaded, connection, names, report, run, screen)
        if stopped.is_set():  # an interruption replaces any other result
            error = KeyboardInterrupt()
    if error:
        report.stopped = output.why_stopped(error)
    run = replace(run, complete=not report.stopped)
    output.note_stale_entries(baseline, report, settings)
    if not isinstance(error, Exception) or report.findings or "" in report.exercised.values():
        output.show(report, run, settings, summary=True)
    else:
        output.write(report, run, settings)
    output.update_baseline(baseline, report, settings)
    with redacting_errors(redactor(connection.secrets)):
        if isinstance(error, Exception):
            raise error
        return INTERRUPTED if error else output.exit_code(report, run)


def _dry_run(settings: Settings, vendor: Vendor, connection: Connection, names: list[str], seed: int) -> int:
    """Print the requests that would be sent, and send none."""
    click.echo(f"working out the requests for {vendor.name}, seed {seed}; nothing is sent", err=True)
    allowed = WriteOptions(**settings.only(WRITING)).allowed_leftovers(built_in=connection.built_in)
    with stop_signals() as stopped:
        for line in dry_run(
            vendor,
            names,
            seed,
            settings.examples,
            settings.max_requests,
            allowed_leftovers=allowed,
            two_accounts=connection.second is not None,
            decorate=partial(until, stopped=stopped),
        ):
            click.echo(line)
    return SUCCESS


def _run_info(
    settings: Settings,
    contract: Contract,
    connection: Connection,
    operations: Sequence[Operation],
    required: frozenset[str],
    seed: int,
) -> RunInfo:
    """Collect what the report needs to know about the run, before it begins."""
    asked = (found for found in operations if found.reads or settings.allow_writes or settings.operation)
    return RunInfo(
        contract.vendor,
        connection.base,
        seed,
        Grade(settings.strictness),
        documented=documented_answers(asked),
        named=frozenset(settings.operation),
        required=required,
        secrets=frozenset(contract.secrets),
        script=partial(script, contract, base=connection.base),
        contract=contract,
    )


def _run(
    settings: Settings,
    vendor: Vendor,
    connection: Connection,
    names: list[str],
    report: Report,
    run: RunInfo,
    screen: terminal.Screen,
) -> BaseException | None:
    """Check, and show the findings and the progress. Returns the exception that ended the run, to be raised later."""
    screen.progress(f"checking {vendor.name} at {output.asked_place(connection)}, seed {run.seed}")
    progress = _progress(report, run, screen, findings=settings.format == "text")
    options = WriteOptions(**settings.only(WRITING))
    error: BaseException | None = None
    try:
        with write_access(vendor, connection, options, report, screen.progress) as writing:
            Checker(
                vendor,
                connection.target,
                report,
                credential=connection.credential,
                parameters={**connection.parameters, **dict(settings.param)},
                seed=run.seed or 0,
                examples=settings.examples,
                secret_values=connection.secret_values,
                writing=writing,
                complete=settings.complete,
                second=connection.second,
                live=connection.live,
                progress=progress,
            ).run(names)
    except (Exception, KeyboardInterrupt) as ended:  # noqa: BLE001 - raised after the report is shown
        error = ended
    progress("")
    return error


def _wait(request: Request, seconds: float, vendor: Vendor, report: Report, screen: terminal.Screen) -> None:
    """Tell of a 429 that is waited out: no rule judges it, but the status was reached."""
    operations, _ = vendor.contract.match(request.path)
    report.reach.statuses.update((found.operation_id, 429) for found in operations if found.method == request.method)
    screen.progress(output.WAITING.format(seconds))


def _progress(report: Report, run: RunInfo, screen: terminal.Screen, *, findings: bool) -> Callable[[str], None]:
    """A function that shows a sentence of progress, after the findings that are new since the last call."""
    shown = set()

    def progress(sentence: str) -> None:
        for finding in report.findings if findings else ():
            if (key := (finding.cause, finding.excuse)) not in shown:
                shown.add(key)
                screen.show(finding_lines(finding, report, run))
        if sentence:
            screen.progress(sentence)

    return progress
