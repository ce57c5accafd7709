"""The commands: each with its help, its arguments, and the options that the table of settings gives it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from trunkline.cli.completion import (
    complete_check,
    complete_operation_or_file,
    complete_page,
    complete_scenario,
    complete_vendors,
    completer,
)
from trunkline.cli.starting import ending_at_once
from trunkline.contract import folders
from trunkline.settings import FLAG, Option, options_of
from trunkline.settings.sources import Source, configuration, environment, settings_from


class Command(click.Command):
    """A command whose help ends with an example, and the names of the vendors if it takes one.

    `ctx.obj` is what the user typed.
    """

    @property
    def _takes_vendors(self) -> bool:
        return any(parameter.name in ("vendor", "vendors") for parameter in self.params)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.obj = [*args]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if isinstance(error, click.NoSuchOption) and error.option_name == "--vendor" and self._takes_vendors:
                raise click.UsageError("no such option '--vendor': name the vendor alone", ctx) from None
            error.ctx = error.ctx or ctx  # click's parser does not know it
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        vendors = folders.names()
        example = (self.epilog or "").replace("VENDOR", vendors[-1] if vendors else "VENDOR")
        formatter.write(f"\nExample:\n  {example}\n")
        if self._takes_vendors:
            formatter.write(f"\nVendors:\n  {', '.join(vendors) or 'there are none'}\n")


def command(name: str, summary: str, text: str, *arguments: click.Argument, example: str) -> Command:
    """A command. It calls the function of its name in the module of its name, with its settings and its arguments.

    The module is imported only then, so that help is fast. `summary` is its line in `trunkline --help`, `text` its own
    help.
    """
    rows = options_of(name)

    def callback(**values: Any) -> Any:
        texts = {row.name: values.pop(row.name) for row in rows}
        given = {row: None if value is False else value for row, value in texts.items()}  # False: no such flag
        typed = click.get_current_context().obj
        settings = settings_from(name, Source(given, lambda row: _spelling(row, typed)), environment(), configuration())
        with ending_at_once():
            function = getattr(import_module(f"trunkline.cli.{name}"), name)
        return function(settings, **values)

    params: list[click.Parameter] = [*arguments, *map(_option, rows)]
    return Command(name, callback=callback, params=params, help=text, short_help=summary, epilog=example)


def _spelling(row: Option, typed: Sequence[str]) -> str:
    """The spelling of an option that the user typed last, of the two that it may have."""
    words = (word.partition("=")[0] for word in reversed(typed))
    return next((word for word in words if word and word in (row.flag, row.short)), row.flag)


def _option(row: Option) -> click.Option:
    """The option of click. It takes any text: `settings_from` checks it, with one wording for every source."""
    default = f" [default: {row.shown_default}]" if row.shown_default else ""
    return click.Option(
        [row.name, row.flag, *filter(None, [row.short])],
        help=row.help + default,
        metavar=row.type.metavar or None,
        is_flag=row.type is FLAG or None,  # False would let a text option be given without its value
        multiple=row.repeatable,
        shell_complete=completer(row),
    )


_VENDOR = click.Argument(["vendor"], shell_complete=complete_vendors)
_VENDORS = click.Argument(["vendors"], nargs=-1, metavar="[VENDOR]...", shell_complete=complete_vendors)
_SOURCES = click.Argument(
    ["rest"], nargs=-1, metavar="[OPERATION]... SOURCE...", shell_complete=complete_operation_or_file
)

COMMANDS = (
    command(
        "serve",
        "Serve mocks.",
        """Serve mocks of the vendors, or of all vendors, until Ctrl-C or SIGTERM; then the exit code is 0.

        As soon as the mocks answer, one line of JSON on standard output has their addresses, with a token and a curl
        command for each. Standard error has the same for people, and then a line for each refused request with the
        reason. With --state, a server continues where the last one ended, even if that one was killed; `trunkline
        reset` returns to the fixtures.
        """,
        _VENDORS,
        example="trunkline serve VENDOR --trunks 250",
    ),
    command(
        "reset",
        "Return mocks to their fixtures.",
        """Return the mocks of the vendors, or of all vendors, to their fixtures.

        The command asks a running server, at its reserved path /_trunkline/reset. The server accepts a request from the
        same machine, or one with its admin token. With --state, the file of a stopped server is emptied instead.
        """,
        _VENDORS,
        example="trunkline reset VENDOR",
    ),
    command(
        "check",
        "Check an implementation against the contract.",
        """Check an implementation against the contract of VENDOR: every rule, every law, and fuzzing.

        Without --url and --app, the built-in mock is checked. Only requests that read are sent, unless --allow-writes
        is given. Each finding is shown as soon as it is found, with its evidence and the commands that show it again.
        What could not be exercised is reported separately.
        """,
        _VENDOR,
        example="trunkline check VENDOR --url https://api.example.com/v1 --token-file token.txt",
    ),
    command(
        "validate",
        "Judge recorded responses.",
        """Judge responses of VENDOR: from files, from folders, from standard input (-), or with --live one from an
        implementation.

        A SOURCE is a HAR file, a cassette of vcrpy, Betamax or VCR, NDJSON (`trunkline docs traffic`), a report of
        Schemathesis, the output of `curl -i` or `curl -v`, or a JSON body alone; it may be compressed with gzip.
        OPERATION is an operationId; it can be left out if the request or the response shows which one it is. A
        rule that needs something the source does not contain, such as the request, is reported as not
        exercised. An exchange with no operation of the contract is listed as not judged, and requests to other
        hosts are counted.
        """,
        _VENDOR,
        _SOURCES,
        example="curl -i https://api.example.com/v1/... | trunkline validate VENDOR -",
    ),
    command(
        "proxy",
        "Pass requests on to an API, and judge what it answers.",
        """Pass requests on to the API at --upstream, and its responses back unchanged; judge each by the contract of
        VENDOR, until Ctrl-C or SIGTERM. Then the report is printed.

        As soon as requests are passed on, one line of JSON on standard output has the address for clients. Standard
        error has a line for each new finding; a response says with x-trunkline-findings how many it has. Judging never
        holds traffic up: what cannot be judged in time is passed on, and counted. GET /_trunkline/metrics is for
        Prometheus, and /_trunkline/findings is the report so far.
        """,
        _VENDOR,
        example="trunkline proxy VENDOR --upstream https://api.example.com/v1 --record traffic.ndjson",
    ),
    command(
        "drift",
        "Find out how an API differs from its contract.",
        """Compare the API in a recording with the contract of VENDOR, or with the API in an older recording
        (--against).

        A SOURCE is what `trunkline validate` reads. What would break a client is shown first: something that is
        documented is missing, null, of another type, or has a new value. Additions follow. The exit code is 1 if a
        change breaks a client; with --any, if there is any change. Then the patch to the schema files is printed, which
        --write applies to files of your own.
        """,
        _VENDOR,
        click.Argument(["sources"], nargs=-1, metavar="SOURCE...", type=click.Path()),
        example="trunkline drift VENDOR session.har",
    ),
    command(
        "watch",
        "Ask an API again and again, until it changes.",
        """Ask the operations of VENDOR that read, in rounds, until a new kind of finding or drift appears: then end
        with 1, or call a webhook and go on.

        The first round shows what is already there, which is not new. Rounds are recorded in a file, so a watch that is
        started again goes on, and also knows what has changed meanwhile. Without --url and --app, the built-in mock is
        watched. Ctrl-C ends it with 130.
        """,
        _VENDOR,
        example="trunkline watch VENDOR --url https://api.example.com/v1 --token-file token.txt --every 5m",
    ),
    command(
        "replay",
        "Send the requests of a report again.",
        """Send again what a report in JSON recorded, and say of each finding whether it still happens.

        REPORT was written by `check`, `validate`, `proxy` or the pytest suite with --report json=FILE. Its requests are
        sent to --url or --app, never to the address in it. Those that write are sent only with --allow-writes, and only
        about items that this run created itself. The exit code is 1 if a finding that failed the run still happens, and
        2 if one may still happen because it could not be replayed.
        """,
        click.Argument(["file"], metavar="REPORT", type=click.Path()),
        example="trunkline replay report.json --url https://api.example.com/v1 --token-file token.txt",
    ),
    command(
        "export",
        "Print a contract as one OpenAPI document.",
        """Print the contract of VENDOR as one OpenAPI 3.1 document, for any other tool.

        Ids that exist on the mock are examples in it, so that a fuzzer reaches existing items.
        """,
        _VENDOR,
        example="trunkline export VENDOR -o api.json; schemathesis run api.json --url BASE"
        ' -H "Authorization: Bearer ..."',
    ),
    command(
        "faults",
        "List the scenarios of faults.",
        """List the scenarios of faults that a mock can play, or show one, SCENARIO.

        Each says what happens, and what a good client does. The option --scenario of `trunkline serve` plays one.
        `trunkline docs mock faults` explains faults of your own.
        """,
        click.Argument(["name"], required=False, metavar="[SCENARIO]", shell_complete=complete_scenario),
        example="trunkline faults lost-answer",
    ),
    command(
        "rules",
        "List every rule, law and check.",
        """List every rule, law and check of Schemathesis: its name, what it says, and the evidence for its findings.

        A rule judges one exchange. A law sends requests of its own and judges the responses together. A stateful law
        judges what happens to an item between its creation and its deletion (`check --allow-writes`). A check of
        Schemathesis judges the responses to the requests that Schemathesis generates.
        """,
        example="trunkline rules",
    ),
    command(
        "explain",
        "Explain a rule, a law or a check.",
        """Explain RULE, the name of a rule, law or check in a finding: its meaning, the pages that it stands on, its
        usual causes, how to fix it, and an example that breaks it.

        Without RULE, all are listed. VENDOR narrows the pages. `trunkline docs rules` has all texts.
        """,
        click.Argument(["name"], required=False, metavar="[RULE]", shell_complete=complete_check),
        click.Argument(["vendor"], required=False, metavar="[VENDOR]", shell_complete=complete_vendors),
        example="trunkline explain page_holds_at_most_limit",
    ),
    command(
        "docs",
        "Show a page of the documentation.",
        """Show PAGE of the documentation, such as mock, or one SECTION of it, such as faults.

        A section is named as in links: `trunkline docs plugin the-marker`. Without PAGE, all pages are listed.
        """,
        click.Argument(["name"], required=False, metavar="[PAGE]", shell_complete=complete_page),
        click.Argument(["section"], required=False, metavar="[SECTION]"),
        example="trunkline docs mock faults",
    ),
)
"""Every command, in the order of `trunkline --help`."""
