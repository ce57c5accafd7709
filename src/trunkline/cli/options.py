"""Commands made from the table of settings: `@command("check", "VENDOR", ...)` has the options of that command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from trunkline.contract import folders
from trunkline.settings import FLAG, Option, Source, configuration, environment, options_of, resolve


class Command(click.Command):
    """A command whose help ends with an example and the names of the vendors."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        vendors = folders.names()
        example = (self.epilog or "").replace("VENDOR", vendors[-1] if vendors else "VENDOR")
        formatter.write(f"\nExample:\n  {example}\n\nVendors:\n  {', '.join(vendors) or 'there are none'}\n")


def command(name: str, *arguments: click.Argument, example: str) -> Callable[[Callable[..., int | None]], Command]:
    """Make a function a command. It is called with its settings, then with its arguments by their names."""
    rows = options_of(name)

    def decorate(function: Callable[..., int | None]) -> Command:
        def callback(**values: Any) -> int | None:
            texts = {row.name: values.pop(row.name) for row in rows}
            given = {name: None if value is False else value for name, value in texts.items()}  # False: no such flag
            command_line = Source(given, lambda row: row.flag)
            return function(resolve(name, command_line, environment(), configuration()), **values)

        params: list[click.Parameter] = [*arguments, *map(_option, rows)]
        return Command(name, callback=callback, params=params, help=function.__doc__, epilog=example)

    return decorate


def _option(row: Option) -> click.Option:
    """The option of click. It takes any text: `resolve` checks it, with one wording for every source."""
    default = f" [default: {row.shown_default}]" if row.shown_default else ""
    return click.Option(
        [row.name, row.flag, *filter(None, [row.short])],
        help=row.help + default,
        metavar=row.type.metavar or None,
        is_flag=row.type is FLAG or None,  # False would let a text option be given without its value
        multiple=row.repeatable,
    )
