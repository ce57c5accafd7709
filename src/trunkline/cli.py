"""Owns the command line: parses, calls one function of the library, shows what it gave.

Ends with 0 when all is well, 1 when there are findings, 2 when something could not be done (one sentence on standard
error), 130 after Ctrl-C. What a command needs is imported when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

import trunkline
from trunkline.errors import BudgetSpent, TargetError, TrunklineError, UsageError

if TYPE_CHECKING:
    from trunkline.contract import Operation
    from trunkline.exchange import Json, Request
    from trunkline.findings import Report
    from trunkline.library import Vendor
    from trunkline.rendering import Run, Screen

WELL, FINDINGS, TROUBLE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
DEBUG = "TRUNKLINE_DEBUG"
"""The environment variable that has an unexpected error shown in full."""

_STRICTNESS = ("documented", "implied", "customary")
_PORT = 8900
_Command = TypeVar("_Command", bound=Callable[..., Any])


# --- in and out -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: runs one command and ends the process with its code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter ends no run
    code = run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = BROKEN_PIPE
    if code == BROKEN_PIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at the end
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Runs one command and gives the code to end with; every trouble is one sentence on standard error."""
    code, sentence = TROUBLE, ""
    try:
        with cli.make_context("trunkline", list(arguments)) as context:
            code = cli.invoke(context) or WELL
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        sentence = _usage(error)
    except TrunklineError as error:
        sentence = " ".join(str(error).split())
    except (KeyboardInterrupt, click.Abort):
        code, sentence = INTERRUPTED, "interrupted"
    except BrokenPipeError:
        code = BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here is ours to explain
        sentence = f"{type(error).__name__} was not expected; this is a bug in trunkline. {DEBUG}=1 shows where it is"
        if os.environ.get(DEBUG):
            traceback.print_exc()
    if sentence:
        from trunkline.rendering import printable  # noqa: PLC0415

        click.echo(f"trunkline: {printable(sentence)}", err=True)
    return code


def _usage(error: click.ClickException) -> str:
    """Click's sentence, without values that may be pieces of a secret, and with the way to help."""
    said = error.format_message()
    if said.startswith("Got unexpected extra argument"):
        said = "there are more arguments than this command takes"
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "trunkline"
    sentence = " ".join(said.split()).rstrip(".")
    return f"{sentence[:1].lower()}{sentence[1:]}; see {path} --help"


class _Help(click.Command):
    """A command whose help ends with an example and the vendors that there are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        from trunkline.folders import names  # noqa: PLC0415

        vendors = names()
        example = (self.epilog or "").replace("VENDOR", vendors[-1] if vendors else "VENDOR")
        formatter.write(f"\nExample:\n  {example}\n\nVendors:\n  {', '.join(vendors) or 'there are none'}\n")


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(trunkline.__version__, prog_name="trunkline", message="%(prog)s %(version)s")
def cli() -> None:
    """Mock server and contract tests for the REST APIs with which voice platforms manage SIP trunks.

    What can be sent and what comes back stands in a contract, made from the vendor's public pages; each sentence
    of it knows its page and how strong it is. Serve the contract as a mock, or hold an implementation against it.

    Example: trunkline serve

    Ends with 0 when all is well, 1 when there are findings, 2 when something could not be done.
    """


def _options(*options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """Several options as one decorator, in the order of the help text."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_TARGET = _options(
    click.option("--url", metavar="BASE", help="Base address of the implementation, such as http://localhost/v1."),
    click.option("--app", metavar="MODULE:ATTRIBUTE", help="An ASGI application to ask in process instead."),
    click.option("--token", metavar="TOKEN", help="The credential. It is never printed, but ps may show it."),
    click.option("--token-file", metavar="FILE", help="A file with the credential; else $TRUNKLINE_TOKEN is read."),
    click.option("--param", "params", multiple=True, metavar="NAME=VALUE",
                 help="A parameter to ask with, such as an id that exists."),
    click.option("--timeout", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
                 metavar="SECONDS", help="How long one answer may take."),
)  # fmt: skip
_JUDGING = _options(
    click.option("--strictness", type=click.Choice(_STRICTNESS), default="implied", show_default=True,
                 help="The weakest grade of evidence that makes a finding; weaker ones are notes."),
    click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
                 help="Lines to read, or one JSON document (docs/report.md)."),
)  # fmt: skip


# --- the commands ---------------------------------------------------------------------------------------------------


@cli.command(cls=_Help, short_help="Serve mocks.", epilog="trunkline serve VENDOR --trunks 250")
@click.argument("vendors", nargs=-1, metavar="[VENDOR]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="0 finds a free one.")
@click.option("--fixtures", metavar="DIR", help="A folder laid out as fixtures/: its records join the shipped.")
@click.option("--trunks", type=click.IntRange(0), metavar="N", help="So many plausible records, not the shipped.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same records.")
@click.option("--rate-limit", type=click.IntRange(1), metavar="N", help="Requests per window and credential.")
@click.option("--quiet", is_flag=True, help="Print nothing but the line for machines.")
def serve(
    vendors: tuple[str, ...],
    host: str,
    port: int,
    fixtures: str | None,
    trunks: int | None,
    seed: int,
    rate_limit: int | None,
    quiet: bool,
) -> None:
    """Serve mocks of the vendors, all of them unless named, until Ctrl-C.

    When the mocks answer, one line of JSON on standard output tells where, with a token and a curl command for each.
    Standard error tells the same in words, and then why each refused request was refused.
    """
    from trunkline import folders, library, mock, server  # noqa: PLC0415

    chosen = tuple(dict.fromkeys(vendors or folders.names()))
    overlay = _overlaid(chosen, fixtures)
    loaded = [
        library.load(name, overlay=overlay if name in _folders(overlay) else None, trunks=trunks, seed=seed)
        for name in chosen
    ]
    mocks = {base: mock.from_vendor(vendor, rate_limit=rate_limit) for base, vendor in server.bases(loaded).items()}
    app = server.asgi(mocks, index={vendor.name: vendor.contract.base_path for vendor in loaded})
    if not quiet and not _is_loopback(host):
        click.echo(f"trunkline: warning: {host} lets others reach the mock; it protects nothing", err=True)
    with nullcontext() if quiet else _refusals_told():
        server.serve(app, host=host, port=port, on_ready=lambda url: _ready(url, loaded, quiet=quiet))


@cli.command(
    cls=_Help,
    short_help="Hold an implementation against the contract.",
    epilog="trunkline check VENDOR --url https://api.example.com/v1 --token-file token.txt",
)
@click.argument("vendor")
@_TARGET
@click.option("--operation", "operations", multiple=True, metavar="ID", help="Only this operationId; can be repeated.")
@click.option("--seed", type=click.IntRange(0), help="Repeats a run; a random one is chosen and printed otherwise.")
@click.option("--examples", type=click.IntRange(1), default=50, show_default=True, help="How many requests to make up.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="R", help="At most so many requests a second.")
@click.option("--max-requests", type=click.IntRange(1), metavar="N", help="Stop after so many requests.")
@_JUDGING
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
) -> int:
    """Hold an implementation against the contract of VENDOR: every law, every rule, and fuzzing.

    Without --url and --app the built-in mock is checked. Requests only read. Findings are shown as they are found,
    each with the page it stands on and a curl command that asks again; what could not be exercised is told apart.
    """
    from dataclasses import replace  # noqa: PLC0415

    from trunkline import aiming, library, rendering  # noqa: PLC0415
    from trunkline.check import check as examine  # noqa: PLC0415
    from trunkline.findings import Grade, Report  # noqa: PLC0415
    from trunkline.sources import named  # noqa: PLC0415

    loaded = library.load(vendor)
    chosen = [named(loaded.contract, name) for name in operations] or list(loaded.contract.operations)
    parameters = _parameters(params, chosen, "path")
    aim = aiming.aim(
        loaded,
        url=url,
        app=app,
        token=token,
        token_file=token_file,
        timeout=timeout,
        rate=rate,
        max_requests=max_requests,
    )
    seed = secrets.randbelow(2**32) if seed is None else seed
    report = Report(secrets=aim.secrets)
    documented = tuple(
        (operation.operation_id, int(key)) for operation in chosen for key in operation.answers if key.isdigit()
    )
    run = rendering.Run(loaded.name, aim.base, seed, Grade(strictness), documented=documented)
    trouble, code = None, WELL
    with rendering.screen(quiet=form == "json" and not sys.stderr.isatty()) as screen:
        screen.say(f"checking {loaded.name} at {aim.base if url or app else 'the built-in mock'}, seed {seed}")
        tell = _teller(report, run, screen, findings=form == "text")
        try:
            examine(
                loaded,
                _until_first(aim.target, report, Grade(strictness)) if first else aim.target,
                credential=aim.credential,
                parameters={**aim.parameters, **parameters},
                operations=[operation.operation_id for operation in chosen],
                seed=seed,
                examples=examples,
                report=report,
                secret_values=aim.secret_values,
                progress=tell,
            )
        except KeyboardInterrupt:
            code = INTERRUPTED
        except TargetError as error:
            trouble = error
        tell("")
    run = replace(run, complete=not (code or trouble))
    if report.requests or trouble is None:
        _show(report, run, form, summary=True)
    if trouble is not None:
        raise trouble
    return code or _code(report, run)


@cli.command(
    cls=_Help,
    short_help="Judge one response.",
    epilog="curl -i https://api.example.com/v1/... | trunkline validate VENDOR -",
)
@click.argument("vendor")
@click.argument("rest", nargs=-1, metavar="[OPERATION] SOURCE")
@click.option("--live", is_flag=True, help="Ask an implementation once, instead of reading a SOURCE.")
@_TARGET
@_JUDGING
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
    from trunkline import aiming, library, sources  # noqa: PLC0415
    from trunkline.findings import Grade  # noqa: PLC0415
    from trunkline.rendering import Run  # noqa: PLC0415

    loaded = library.load(vendor)
    if live:
        operation = _only(loaded, rest)
        aim = aiming.aim(loaded, url=url, app=app, token=token, token_file=token_file, timeout=timeout)
        request = _request(
            operation, {**_in_path(operation, aim.parameters), **_parameters(params, [operation])}, aim.credential
        )
        report = sources.validation(
            loaded, aim.target(request), sources.EVERYTHING, operation.operation_id, request, secrets=aim.secrets
        )
        report.requests = 1
        run = Run(loaded.name, aim.base, None, Grade(strictness))
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
        run = Run(loaded.name, "", None, Grade(strictness))
    _show(report, run, form)
    return _code(report, run)


@cli.command(
    cls=_Help,
    short_help="Print the contract as one OpenAPI document.",
    epilog="trunkline export VENDOR -o openapi.json",
)
@click.argument("vendor")
@click.option("--url", metavar="BASE", help="The server that the document names, instead of the vendor's own.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write; standard output unless named.")
def export(vendor: str, url: str | None, output: str) -> None:
    """Print the contract of VENDOR as one OpenAPI 3.1 document, for any other tool.

    Ids that the mock knows stand in it as examples, so that a fuzzer finds something.
    """
    from trunkline import library  # noqa: PLC0415
    from trunkline.export import document  # noqa: PLC0415

    text = _json(document(library.load(vendor), url=url), indent=2)
    if output == "-":
        click.echo(text)
        return
    try:
        Path(output).write_text(text + "\n", "utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file name"
        raise UsageError(f"{output!r} cannot be written: {reason.lower()}") from None


@cli.command(cls=_Help, short_help="List every rule and law.", epilog="trunkline rules")
def rules() -> None:
    """List every rule and law: its name, what it states, and what its findings stand on.

    A rule judges one exchange, whoever asked; a law puts questions of its own and judges the answers together.
    """
    from trunkline.laws import LAWS  # noqa: PLC0415
    from trunkline.rules import RULES  # noqa: PLC0415

    for title, checks in (("Rules", RULES), ("Laws", LAWS)):
        click.echo(f"{title}\n")
        for each in checks:
            click.echo(f"  {each.name}\n      {each.statement}\n      Stands on: {each.basis}\n")


# --- serving --------------------------------------------------------------------------------------------------------


def _folders(overlay: Path | None) -> tuple[str, ...]:
    return tuple(entry.name for entry in overlay.iterdir() if entry.is_dir()) if overlay else ()


def _overlaid(vendors: tuple[str, ...], fixtures: str | None) -> Path | None:
    """The folder of fixtures, which must hold records of one of the vendors at least."""
    if fixtures is None:
        return None
    overlay = Path(fixtures)
    if not overlay.is_dir():
        raise UsageError(f"{fixtures!r} is not a folder; name one laid out as fixtures/")
    if not set(vendors) & set(_folders(overlay)):
        raise UsageError(
            f"{fixtures!r} has no folder named {' or '.join(vendors)}; lay records out as VENDOR/RECORDS.json"
        )
    return overlay


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


@contextmanager
def _refusals_told() -> Iterator[None]:
    """While it lasts, why the mock refuses a request is told on standard error, one line each."""
    import logging  # noqa: PLC0415

    logger, handler = logging.getLogger("trunkline.mock"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    level, logger.propagate = logger.level, False
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True


def _ready(url: str, vendors: list[Vendor], *, quiet: bool) -> None:
    """Tells where the mocks answer: one line for machines, then the same for people."""
    told = {
        vendor.name: {
            "url": url + vendor.contract.base_path,
            "token": vendor.world.token,
            "curl": _sample(vendor, url + vendor.contract.base_path),
        }
        for vendor in vendors
    }
    click.echo(_json({"trunkline": trunkline.__version__, "url": url, "vendors": told}))
    sys.stdout.flush()
    if not quiet:
        for name, place in told.items():
            click.echo(
                f"\n{name}\n  url    {place['url']}\n  token  {place['token']}\n  try    {place['curl']}", err=True
            )
        click.echo(
            "\nCtrl-C stops. A refused request is explained here and in its x-trunkline-refusal header.", err=True
        )


def _sample(vendor: Vendor, base: str) -> str:
    """A command that works when it is pasted: a list if there is one, else one known item."""
    from trunkline.aiming import known_parameters  # noqa: PLC0415
    from trunkline.exchange import curl  # noqa: PLC0415

    token = "".join("\\" + letter if letter in '\\"$`' else letter for letter in vendor.world.token)
    known = {"authorization": f"Bearer {token}"}
    operation = min(vendor.contract.operations, key=lambda operation: "{" in operation.path)
    parameters = {parameter.name: "unknown" for parameter in operation.parameters if parameter.place == "path"}
    request = _request(operation, {**parameters, **_in_path(operation, known_parameters(vendor))}, vendor.world.token)
    return curl(_shown(request, tuple(known.items())), base)


# --- asking ---------------------------------------------------------------------------------------------------------


def _parameters(params: tuple[str, ...], operations: list[Operation], *places: str) -> dict[str, str]:
    """The `name=value` pairs, each a documented parameter of one of the operations."""
    documented = {
        parameter.name: parameter.place
        for operation in operations
        for parameter in operation.parameters
        if not places or parameter.place in places
    }
    found = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not value:
            raise UsageError(f"--param {param!r} has no value; write it as name=value")
        if name not in documented:
            there = ", ".join(documented) or "there is none to give"
            raise UsageError(f"--param {name!r} names no parameter that can be given here: {there}")
        found[name] = value
    return found


def _in_path(operation: Operation, parameters: Mapping[str, str]) -> dict[str, str]:
    names = {parameter.name for parameter in operation.parameters if parameter.place == "path"}
    return {name: value for name, value in parameters.items() if name in names}


def _only(vendor: Vendor, rest: tuple[str, ...]) -> Operation:
    """The operation to ask for: the one named, or the only one."""
    from trunkline.sources import named  # noqa: PLC0415

    if len(rest) > 1:
        raise UsageError("with --live there is no SOURCE; name the OPERATION only")
    if rest:
        return named(vendor.contract, rest[0])
    if len(vendor.contract.operations) > 1:
        there = ", ".join(operation.operation_id for operation in vendor.contract.operations)
        raise UsageError(f"{vendor.name} has several operations; name one of: {there}")
    return vendor.contract.operations[0]


def _request(operation: Operation, parameters: Mapping[str, str], credential: str | None) -> Request:
    """One request for an operation, with parameters where the contract places them."""
    from urllib.parse import quote, urlencode  # noqa: PLC0415

    from trunkline.exchange import Request  # noqa: PLC0415

    if operation.method not in {"GET", "HEAD"}:
        raise UsageError(f"{operation.operation_id} may change something; only what reads is asked")
    path, query = operation.path, {}
    for parameter in operation.parameters:
        value = parameters.get(parameter.name)
        if parameter.place != "path":
            if value is not None:
                query[parameter.name] = value
        elif value is None:
            raise UsageError(
                f"{operation.operation_id} needs to know {parameter.name}; give it with --param {parameter.name}=..."
            )
        else:
            path = path.replace(f"{{{parameter.name}}}", quote(value, safe=""))
    fields = (("authorization", f"Bearer {credential}"),) if credential and operation.secured else ()
    return Request(operation.method, path, urlencode(query), fields)


def _shown(request: Request, fields: tuple[tuple[str, str], ...]) -> Request:
    from dataclasses import replace  # noqa: PLC0415

    return replace(request, shown=fields)


def _until_first(target: Any, report: Report, strictness: Any) -> Any:
    """The target until there is a finding; what is left is then not exercised."""

    def ask(request: Request) -> Any:
        if report.failures(strictness):
            raise BudgetSpent("stopped at the first finding, as --first asks")
        return target(request)

    return ask


def _teller(report: Report, run: Run, screen: Screen, *, findings: bool) -> Callable[[str], None]:
    """A function that says how far a run is, after showing the findings that are new since it last did."""
    from trunkline.rendering import finding_lines  # noqa: PLC0415

    shown = set()

    def tell(sentence: str) -> None:
        for finding in report.findings if findings else ():
            if finding.cause not in shown:
                shown.add(finding.cause)
                screen.show(finding_lines(finding, report, run))
        if sentence:
            screen.say(sentence)

    return tell


# --- showing --------------------------------------------------------------------------------------------------------


def _show(report: Report, run: Run, form: str, *, summary: bool = False) -> None:
    """The report on standard output; with `summary`, the findings were shown before."""
    from trunkline import rendering  # noqa: PLC0415

    if form == "json":
        click.echo(_json(rendering.json_document(report, run), indent=2))
        return
    with rendering.screen(quiet=True) as screen:
        if not summary:
            for finding in report.findings:
                screen.show(rendering.finding_lines(finding, report, run))
        screen.show(rendering.summary_lines(report, run))


def _code(report: Report, run: Run) -> int:
    """The code to end with. Raises `TargetError` when there was too little to judge: that is not well."""
    from trunkline import rendering  # noqa: PLC0415

    said = rendering.verdict(report, run)
    if said == rendering.NOT_EXERCISED:
        names = " or ".join(rendering.unseen(report, run)) or "any operation"
        raise TargetError(
            f"no success of {names} was seen, so little can be said; check the token, or name what exists with --param"
        )
    return FINDINGS if said == rendering.BROKEN else WELL


def _json(value: Json, indent: int | None = None) -> str:
    """JSON as people read it, or in ASCII where standard output has not every letter."""
    readable = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not readable, indent=indent)
