"""`trunkline validate`: judge recorded responses, or one live response."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import click

from trunkline.check.availability import lacks_path, unanswered
from trunkline.cli import output
from trunkline.cli.interruption import stop_signals
from trunkline.contract.model import Contract, Operation
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.contract.requests import check_parameters, operations_named, read_request
from trunkline.errors import TargetError, TrunklineError, UsageError
from trunkline.exchange import NOT_FOUND, Exchange
from trunkline.findings import Grade, Report
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.redaction import printable, redactor
from trunkline.report.run import RunInfo
from trunkline.settings import CONNECTION, OPTIONS, Settings
from trunkline.traffic import validation
from trunkline.transport import targets
from trunkline.transport.connect import connect, redacting_errors


def validate(settings: Settings, vendor: str, rest: tuple[str, ...]) -> int:
    """Judge recorded responses, or one live response, and show the report."""
    settings = output.with_reports(settings, rest)
    loaded = loader.load(vendor)
    baseline = output.open_baseline(settings, loaded.contract)
    excuses = baseline.excuses() if baseline else {}
    report, ended = Report(loaded.secrets, excuses), None
    run = RunInfo(loaded.name, strictness=Grade(settings.strictness), contract=loaded.contract)
    try:
        with stop_signals():
            run = (_judge_live if settings.live else _judge_sources)(settings, loaded, rest, report, run)
    except (TrunklineError, KeyboardInterrupt) as error:
        if not (report.reading.judged or isinstance(error, TargetError)):  # nothing was to be judged yet
            raise
        ended, report.stopped, run = error, output.why_stopped(error), replace(run, complete=False)
    if isinstance(ended, TrunklineError):
        output.write(report, run, settings)
        raise ended
    output.note_stale_entries(baseline, report, settings)
    output.show(report, run, settings)
    output.update_baseline(baseline, report, settings)
    return output.INTERRUPTED if ended else output.exit_code(report, run)


def _judge_sources(settings: Settings, vendor: Vendor, rest: tuple[str, ...], report: Report, run: RunInfo) -> RunInfo:
    """Judge files, folders and standard input."""
    for unused in ("url", "app", "token", "token_file", "param"):
        if getattr(settings, unused):
            flag = OPTIONS[unused].flag
            raise UsageError(f"{flag} is for requests to an implementation; add --live to send one, or leave it out")
    operations, sources = _operations_and_sources(vendor.contract, rest)
    if not sources:
        raise UsageError(
            "name a SOURCE to judge: a file, a folder, or - for standard input; or send a request with --live"
        )
    chosen = (*operations, *settings.operation)
    validation.validate_files(
        vendor, sources, chosen, bases=settings.base, since=settings.since, jobs=settings.jobs, report=report
    )
    return run


def _operations_and_sources(contract: Contract, rest: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The operationIds before the sources, and the sources."""
    names = [operation.operation_id for operation in contract.operations]
    operations = tuple(takewhile(names.__contains__, rest))
    sources = rest[len(operations) :]
    if late := next((name for name in sources if name in names and not Path(name).exists()), ""):
        raise UsageError(f"{late!r} is an operation, not a file; name operations before the sources")
    if address := next((name for name in sources if name.startswith(("http://", "https://"))), ""):
        raise UsageError(f"{address!r} is an address, not a file; --live with --url asks it")
    if not operations and len(rest) > 1 and rest[0] != "-" and not Path(rest[0]).exists():
        raise UsageError(
            f"{rest[0]!r} is neither a file nor an operation of {contract.vendor}; there are: {', '.join(names)}"
        )
    return operations, sources


def _judge_live(settings: Settings, vendor: Vendor, rest: tuple[str, ...], report: Report, run: RunInfo) -> RunInfo:
    """Send one request, and judge the response."""
    operation = _operation(vendor, (*rest, *settings.operation))
    check_parameters([name for name, _ in settings.param], [operation])

    def progress(sentence: str) -> None:
        if settings.format == "text":
            click.echo(printable(sentence), err=True)

    connection = connect(
        vendor,
        **settings.only(CONNECTION),
        waiting=lambda _, seconds: progress(output.WAITING.format(seconds)),
    )
    request = read_request(operation, dict(settings.param), connection.credential, known=connection.parameters)
    progress(f"asking {vendor.name} at {output.asked_place(connection)}")
    with redacting_errors(redactor(connection.secrets)):
        exchange = Exchange(request, connection.target(request))
        if connection.live:
            exchange = replace(exchange, known=exchange.known | {"server"})
        if lacks_path(operation, exchange):
            raise unanswered(operation, exchange)
        name = operation.operation_id
        report.merge(validation.validate(vendor, exchange, name, secrets=connection.secrets, excuses=report.excuses))
    report.requests = 1
    run = replace(run, base=connection.base, secrets=frozenset(vendor.contract.secrets))
    status = exchange.response.status
    unknown_id = operation.path_parameters and status in NOT_FOUND
    if unknown_id:
        report.annotate_bodies(f"{operation.operation_id} may not be implemented: ask for an id that exists")
    reasons = (reason.cause for reason in reasons_to_refuse(vendor.contract, request))
    on_purpose = any(not cause.startswith("credentials_") for cause in reasons)
    refused = operation.secured and status == 401
    if refused or not (unknown_id or on_purpose):  # then there is no evidence without a success
        report.stopped = f"{operation.operation_id} answers {status}" if status >= 300 else ""
        if refused:
            error = targets.credential_refused(operation.operation_id, connection.credential, vendor.name)
            report.stopped = str(error)
        run = replace(run, documented=((operation.operation_id, operation.success.key),))
    return run


def _operation(vendor: Vendor, rest: tuple[str, ...]) -> Operation:
    """The operation named on the command line, or the only one of the vendor."""
    if len(rest) > 1:
        raise UsageError("with --live there is no SOURCE; name one OPERATION only")
    if rest:
        return operations_named(rest, vendor.contract.operations)[0]
    if len(vendor.contract.operations) > 1:
        names = ", ".join(operation.operation_id for operation in vendor.contract.operations)
        raise UsageError(f"{vendor.name} has several operations; name one of: {names}")
    return vendor.contract.operations[0]
