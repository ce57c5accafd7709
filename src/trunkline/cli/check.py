"""`trunkline check`: check an implementation against a contract."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event, current_thread, main_thread

import click

from trunkline.check.dry_run import dry_run
from trunkline.check.runner import Checker
from trunkline.check.safety import WriteOptions, second_account, write_access
from trunkline.check.stateful.script import script
from trunkline.cli import output
from trunkline.cli.output import INTERRUPTED, SUCCESS
from trunkline.contract.model import Operation
from trunkline.contract.requests import check_parameters
from trunkline.errors import BudgetExhausted, UsageError
from trunkline.exchange import Request, Response, Target
from trunkline.findings import Grade, Report
from trunkline.mock import loader
from trunkline.redaction import redactor
from trunkline.report import terminal
from trunkline.report.run import RunInfo
from trunkline.report.text import finding_lines
from trunkline.settings import CONNECTION, WRITING, Settings, required_operations
from trunkline.traffic.validation import operation_named
from trunkline.transport.connect import connect, redacting_errors


def check(settings: Settings, vendor: str) -> int:
    """Check an implementation by every rule, every law and fuzzing, and show the report."""
    write_options = WriteOptions(**settings.only(WRITING))
    write_options.check()
    if settings.dry_run and settings.format != "text":
        raise UsageError(f"--dry-run prints plain lines, and no report; leave out --format {settings.format}")
    loaded = loader.load(vendor)
    contract = loaded.contract
    operations = [operation_named(contract, name) for name in settings.operation] or [*contract.operations]
    required = required_operations(settings.require, [operation.operation_id for operation in operations])
    check_parameters([name for name, _ in settings.param], operations, "path")
    connection = connect(
        loaded,
        **settings.only(CONNECTION),
        waiting=lambda seconds: screen.progress(output.WAITING.format(seconds)),
    )
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    names = [operation.operation_id for operation in operations]
    if settings.dry_run:
        click.echo(f"working out the requests for {loaded.name}, seed {seed}; nothing is sent", err=True)
        limit, built_in, examples = settings.max_requests, connection.built_in, settings.examples
        with _stop_signals() as stopped:
            decorate = partial(_until, stopped=stopped)
            for line in dry_run(
                loaded, names, seed, examples, write_options, limit, built_in=built_in, decorate=decorate
            ):
                click.echo(line)
        return SUCCESS
    strictness, report = Grade(settings.strictness), Report(secrets=connection.secrets)
    run = RunInfo(
        loaded.name,
        connection.base,
        seed,
        strictness,
        documented=_documented(
            operation for operation in operations if operation.reads or settings.allow_writes or settings.operation
        ),
        named=frozenset(settings.operation),
        required=required,
        secrets=frozenset(loaded.contract.secrets),
        script=partial(script, loaded.contract, base=connection.base),
    )
    error: Exception | None = None
    code = SUCCESS
    quiet = settings.format != "text" and not sys.stderr.isatty()
    with _stop_signals() as stopped, terminal.screen(quiet=quiet) as screen:
        note = f" (serve it at {connection.base} to use its curl lines)" if settings.app else ""
        screen.progress(f"checking {loaded.name} at {connection.name}{note}, seed {seed}")
        progress = _progress(report, run, screen, findings=settings.format == "text")
        has_ended = (lambda: bool(report.failures(strictness))) if settings.fail_fast else (lambda: False)
        try:
            with write_access(loaded, connection, write_options, report, screen.progress) as writing:
                second = None if writing else second_account(loaded, connection, write_options, report)
                Checker(
                    loaded,
                    _until(connection.target, stopped, has_ended),
                    report,
                    credential=connection.credential,
                    parameters={**connection.parameters, **dict(settings.param)},
                    seed=seed,
                    examples=settings.examples,
                    secret_values=connection.secret_values,
                    writing=writing,
                    complete=settings.complete,
                    second=second,
                    progress=progress,
                ).run(names)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except Exception as unexpected:  # noqa: BLE001 - reported below, after the findings
            error = unexpected
        if stopped.is_set():  # an interruption replaces any other result
            error, code = None, INTERRUPTED
        progress("")
    run = replace(run, complete=not (code or error or report.stopped))
    if error is None or report.findings or "" in report.exercised.values():
        output.show(report, run, settings.format, summary=True)
    with redacting_errors(redactor(connection.secrets)):
        if error is not None:
            raise error
        return code or output.exit_code(report, run)


def _documented(operations: Iterable[Operation]) -> tuple[tuple[str, str], ...]:
    """The documented (operationId, status) pairs, without the classes of errors: `(("listTrunks", "200"), ...)`."""
    return tuple(
        (operation.operation_id, key)
        for operation in operations
        for key in operation.responses
        if key.isdigit() or key == operation.success.key
    )


@contextmanager
def _stop_signals() -> Iterator[Event]:
    """A context manager that makes SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt`, so that clean-up can follow.

    The event is set as well: Python drops an exception that is raised in a callback of its own, such as a destructor.
    """
    stopped = Event()
    if current_thread() is not main_thread():
        yield stopped
        return

    def stop(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    def unraisable(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            hook(dropped)

    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in signals}
    handlers = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, stop)
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        yield stopped
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def _until(target: Target, stopped: Event, has_ended: Callable[[], bool] = lambda: False) -> Target:
    """The target until the run is interrupted or has ended; then the next request ends it."""

    def send(request: Request) -> Response:
        if stopped.is_set():
            raise KeyboardInterrupt
        if has_ended():
            raise BudgetExhausted("stopped at the first finding, as --fail-fast asks")
        return target(request)

    return send


def _progress(report: Report, run: RunInfo, screen: terminal.Screen, *, findings: bool) -> Callable[[str], None]:
    """A function that shows a sentence of progress, after the findings that are new since the last call."""
    shown = set()

    def progress(sentence: str) -> None:
        for finding in report.findings if findings else ():
            if finding.cause not in shown:
                shown.add(finding.cause)
                screen.show(finding_lines(finding, report, run))
        if sentence:
            screen.progress(sentence)

    return progress
