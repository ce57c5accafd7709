"""Owns what the lines of several commands have in common: options, and help that ends with an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_STRICTNESS = ("documented", "implied", "customary")
_Command = TypeVar("_Command", bound=Callable[..., Any])


class Help(click.Command):
    """A command whose help ends with an example and the vendors that there are."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        from trunkline.contract.folders import names  # noqa: PLC0415

        vendors = names()
        example = (self.epilog or "").replace("VENDOR", vendors[-1] if vendors else "VENDOR")
        formatter.write(f"\nExample:\n  {example}\n\nVendors:\n  {', '.join(vendors) or 'there are none'}\n")


def together(*options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """Several options as one decorator, in the order of the help text."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


TARGET = together(
    click.option("--url", metavar="BASE", help="Base address of the implementation, such as http://localhost/v1."),
    click.option("--app", metavar="MODULE:ATTRIBUTE", help="An ASGI application to ask in process instead."),
    click.option("--token", metavar="TOKEN", help="The credential. It is never printed, but ps may show it."),
    click.option("--token-file", metavar="FILE", help="A file with the credential; else $TRUNKLINE_TOKEN is read."),
    click.option("--param", "params", multiple=True, metavar="NAME=VALUE",
                 help="A parameter to ask with, such as an id that exists."),
    click.option("--timeout", type=float, default=10.0, show_default=True,
                 metavar="SECONDS", help="How long one answer may take, a day at most."),
)  # fmt: skip
"""Which implementation is asked, as whom, and for how long."""

JUDGING = together(
    click.option("--strictness", type=click.Choice(_STRICTNESS), default="implied", show_default=True,
                 help="The weakest grade of evidence that makes a finding; weaker ones are notes."),
    click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
                 help="Lines to read, or one JSON document (docs/report.md)."),
)  # fmt: skip
"""What makes a finding, and how it is shown."""

ADMIN_TOKEN = click.option(
    "--admin-token", envvar="TRUNKLINE_ADMIN_TOKEN", metavar="TOKEN",
    help="What a reset from anywhere needs; $TRUNKLINE_ADMIN_TOKEN is not shown by ps.",
)  # fmt: skip
"""The credential of the reserved path."""
