"""Owns `trunkline check` and `trunkline validate`: a whole implementation is judged, or one response."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any

import click

from trunkline.cli import output, requests
from trunkline.cli.options import JUDGING, TARGET, Help
from trunkline.cli.output import INTERRUPTED, WELL
from trunkline.cli.writing import WRITING
from trunkline.errors import BudgetExhausted, UsageError

if TYPE_CHECKING:
    from trunkline.exchange import Request
    from trunkline.findings import Report
    from trunkline.report.run import RunInfo
    from trunkline.report.terminal import Screen

_BUILT_IN = "the built-in mock"
_WAITING = "answered 429: waiting {:.3g} s before asking again"


@click.command(
    cls=Help,
    short_help="Hold an implementation against the contract.",
    epilog="trunkline check VENDOR --url https://api.example.com/v1 --token-file token.txt",
)
@click.argument("vendor")
@TARGET
@click.option("--operation", "operations", multiple=True, metavar="ID", help="Only this operationId; can be repeated.")
@click.option("--seed", type=click.IntRange(0), help="Repeats a run; a random one is chosen and printed otherwise.")
@click.option("--examples", type=click.IntRange(1), default=50, show_default=True, help="How many requests to make up.")
@click.option("--rate", type=float, metavar="R", help="At most so many requests a second, and at least one an hour.")
@click.option("--max-requests", type=click.IntRange(1), metavar="N", help="Stop after so many requests.")
@WRITING
@JUDGING
@click.option("--first", is_flag=True, help="Stop at the first finding.")
def check(
    vendor: str,
    url: str | None,
    app: str | None,
    token: str | None,
    token_file: str | None,
    params: tuple[str, ...],
    timeout: float,
    operations: tuple[str, ...],
    seed: int | None,
    examples: int,
    rate: float | None,
    max_requests: int | None,
    strictness: str,
    form: str,
    first: bool,
    **writes: Any,
) -> int:
    """Hold an implementation against the contract of VENDOR: every law, every rule, and fuzzing.

    Without --url and --app the built-in mock is checked. Requests only read, unless --allow-writes says more.
    Findings are shown as they are found, each with the page it stands on and the commands that show it again; what
    could not be exercised is told apart.
    """
    from dataclasses import replace  # noqa: PLC0415

    from trunkline.check.dry_run import dry_run  # noqa: PLC0415
    from trunkline.check.runner import check as examine  # noqa: PLC0415
    from trunkline.check.safety import WriteOptions, write_access  # noqa: PLC0415
    from trunkline.check.stateful.script import script  # noqa: PLC0415
    from trunkline.findings import Grade, Report  # noqa: PLC0415
    from trunkline.mock import loader  # noqa: PLC0415
    from trunkline.redaction import redactor  # noqa: PLC0415
    from trunkline.report.run import RunInfo  # noqa: PLC0415
    from trunkline.report.terminal import screen as open_screen  # noqa: PLC0415
    from trunkline.traffic.sources import named  # noqa: PLC0415
    from trunkline.transport import connect  # noqa: PLC0415

    write_options = WriteOptions(**writes)
    write_options.check()
    if write_options.dry_run and form == "json":
        raise UsageError("--dry-run prints plain lines, and no report; leave out --format json")
    loaded = loader.load(vendor)
    chosen = [named(loaded.contract, name) for name in operations] or list(loaded.contract.operations)
    parameters = requests.parameters(params, chosen, "path")
    aim = connect.connect(
        loaded,
        url=url,
        app=app,
        token=token,
        token_file=token_file,
        timeout=timeout,
        rate=rate,
        max_requests=max_requests,
        waiting=lambda seconds: screen.progress(_WAITING.format(seconds)),
    )
    seed = secrets.randbelow(2**32) if seed is None else seed
    names = [operation.operation_id for operation in chosen]
    built_in = not (url or app)
    if write_options.dry_run:
        for line in dry_run(loaded, names, seed, examples, write_options, max_requests, built_in=built_in):
            click.echo(line)
        return WELL
    report = Report(secrets=aim.secrets)
    documented = tuple(
        (operation.operation_id, key)
        for operation in chosen
        if operation.reads or write_options.allow_writes
        for key in operation.responses
        if key.isdigit() or key == operation.success.key
    )
    run = RunInfo(
        loaded.name,
        aim.base,
        seed,
        Grade(strictness),
        documented=documented,
        secrets=frozenset(loaded.contract.secrets),
        script=partial(script, loaded.contract, base=aim.base),
    )
    trouble: Exception | None = None
    code = WELL
    with _interruption() as asked_to_stop, open_screen(quiet=form == "json" and not sys.stderr.isatty()) as screen:
        there = aim.base if url else _BUILT_IN
        if app:
            there = f"{app} in process (its curl lines want it served at {aim.base})"
        screen.progress(f"checking {loaded.name} at {there}, seed {seed}")
        tell = _teller(report, run, screen, findings=form == "text")
        target = _until_first(aim.target, report, Grade(strictness)) if first else aim.target
        try:
            with write_access(
                loaded, aim, write_options, report, screen.progress, live=bool(url), built_in=built_in
            ) as allowed:
                examine(
                    loaded,
                    _until_asked_to_stop(target, asked_to_stop),
                    credential=aim.credential,
                    parameters={**aim.parameters, **parameters},
                    operations=names,
                    seed=seed,
                    examples=examples,
                    report=report,
                    secret_values=aim.secret_values,
                    writing=allowed,
                    progress=tell,
                )
        except KeyboardInterrupt:
            code = INTERRUPTED
        except Exception as error:  # noqa: BLE001 - whatever it is, what was found before is told first
            trouble = error
        if asked_to_stop.is_set():  # whatever came of it
            trouble, code = None, INTERRUPTED
        tell("")
    run = replace(run, complete=not (code or trouble or report.stopped))
    if trouble is None or report.findings or "" in report.exercised.values():
        output.show(report, run, form, summary=True)
    with connect.redacting_errors(redactor(aim.secrets)):
        if trouble is not None:
            raise trouble
        return code or output.code(report, run)


@click.command(
    cls=Help,
    short_help="Judge one response.",
    epilog="curl -i https://api.example.com/v1/... | trunkline validate VENDOR -",
)
@click.argument("vendor")
@click.argument("rest", nargs=-1, metavar="[OPERATION] SOURCE")
@click.option("--live", is_flag=True, help="Ask an implementation once, instead of reading a SOURCE.")
@TARGET
@JUDGING
def validate(
    vendor: str,
    rest: tuple[str, ...],
    live: bool,
    url: str | None,
    app: str | None,
    token: str | None,
    token_file: str | None,
    params: tuple[str, ...],
    timeout: float,
    strictness: str,
    form: str,
) -> int:
    """Judge one response of VENDOR: a file, standard input (-), or, with --live, an answer to one request.

    A SOURCE is the output of `curl -i`, or a body alone. OPERATION is an operationId; it may be left out where the
    response tells it. Rules that need what a source does not tell, such as the request, are listed as not exercised.
    """
    from dataclasses import replace  # noqa: PLC0415

    from trunkline.findings import Grade  # noqa: PLC0415
    from trunkline.mock import loader  # noqa: PLC0415
    from trunkline.redaction import printable, redactor  # noqa: PLC0415
    from trunkline.report.run import RunInfo  # noqa: PLC0415
    from trunkline.traffic import sources  # noqa: PLC0415
    from trunkline.transport import connect, targets  # noqa: PLC0415

    loaded = loader.load(vendor)
    if live:
        operation = requests.only(loaded, rest)

        def say(sentence: str) -> None:
            if form == "text":
                click.echo(printable(sentence), err=True)

        aim = connect.connect(
            loaded,
            url=url,
            app=app,
            token=token,
            token_file=token_file,
            timeout=timeout,
            waiting=lambda seconds: say(_WAITING.format(seconds)),
        )
        request = requests.request(
            operation,
            {**requests.in_path(operation, aim.parameters), **requests.parameters(params, [operation])},
            aim.credential,
        )
        say(f"asking {loaded.name} at {app or (aim.base if url else _BUILT_IN)}")
        with connect.redacting_errors(redactor(aim.secrets)):
            response = aim.target(request)
            report = sources.validation(
                loaded, response, sources.EVERYTHING, operation.operation_id, request, secrets=aim.secrets
            )
        report.requests = 1
        run = RunInfo(loaded.name, aim.base, None, Grade(strictness), secrets=frozenset(loaded.contract.secrets))
        if operation.secured and response.status == 401:  # as the pages say, and yet it tells nothing of what was meant
            report.stopped = str(targets.credential_refused(operation.operation_id, given=aim.credential is not None))
            run = replace(run, documented=((operation.operation_id, operation.success.key),))
    else:
        if not 1 <= len(rest) <= 2:
            raise UsageError("name one SOURCE to judge: a file, or - for standard input; or ask with --live")
        given = {"--url": url, "--app": app, "--token": token, "--token-file": token_file, "--param": params}
        if useless := [name for name, value in given.items() if value]:
            raise UsageError(f"{useless[0]} is about asking an implementation; add --live to ask, or leave it out")
        name = rest[0] if len(rest) == 2 else None
        if name is not None:
            sources.named(loaded.contract, name)
        response, known = sources.from_bytes(sources.read(rest[-1]))
        report = sources.validation(loaded, response, known, name)
        run = RunInfo(loaded.name, "", None, Grade(strictness))
    output.show(report, run, form)
    return output.code(report, run)


@contextmanager
def _interruption() -> Iterator[Event]:
    """While it lasts, a call to stop is remembered as well as raised: Python drops what a callback of its own raises.

    Ctrl-C, the end of a terminal or of a job: whatever calls, what was made must be removed.
    """
    asked = Event()
    if current_thread() is not main_thread():
        yield asked
        return

    def stop(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    def hush(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            told(dropped)

    calls = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
    before = {call: signal.getsignal(call) for call in calls if call is not None}
    heard = {call: handler for call, handler in before.items() if handler is not signal.SIG_IGN}
    for call in heard:
        signal.signal(call, stop)
    told, sys.unraisablehook = sys.unraisablehook, hush
    try:
        yield asked
    finally:
        for call, handler in heard.items():
            signal.signal(call, handler)
        sys.unraisablehook = told


def _until_asked_to_stop(target: Any, asked: Event) -> Any:
    """The target until Ctrl-C; the next request then ends the run."""

    def ask(request: Request) -> Any:
        if asked.is_set():
            raise KeyboardInterrupt
        return target(request)

    return ask


def _until_first(target: Any, report: Report, strictness: Any) -> Any:
    """The target until there is a finding; what is left is then not exercised."""

    def ask(request: Request) -> Any:
        if report.failures(strictness):
            raise BudgetExhausted("stopped at the first finding, as --first asks")
        return target(request)

    return ask


def _teller(report: Report, run: RunInfo, screen: Screen, *, findings: bool) -> Callable[[str], None]:
    """A function that says how far a run is, after showing the findings that are new since it last did."""
    from trunkline.report.text import finding_lines  # noqa: PLC0415

    shown = set()

    def tell(sentence: str) -> None:
        for finding in report.findings if findings else ():
            if finding.cause not in shown:
                shown.add(finding.cause)
                screen.show(finding_lines(finding, report, run))
        if sentence:
            screen.progress(sentence)

    return tell
