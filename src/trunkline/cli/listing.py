"""Owns `trunkline export` and `trunkline rules`: what is known is printed, and nothing is asked."""

from __future__ import annotations

from pathlib import Path

import click

from trunkline.cli.options import Help
from trunkline.cli.output import json_text
from trunkline.errors import UsageError


@click.command(
    cls=Help,
    short_help="Print the contract as one OpenAPI document.",
    epilog='trunkline export VENDOR -o api.json; schemathesis run api.json --url BASE -H "Authorization: Bearer ..."',
)
@click.argument("vendor")
@click.option("--url", metavar="BASE", help="The server that the document names, instead of the vendor's own.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write; standard output unless named.")
def export(vendor: str, url: str | None, output: str) -> None:
    """Print the contract of VENDOR as one OpenAPI 3.1 document, for any other tool.

    Ids that the mock knows stand in it as examples, so that a fuzzer finds something.
    """
    from trunkline.contract.export import document  # noqa: PLC0415
    from trunkline.mock import loader  # noqa: PLC0415
    from trunkline.transport.client import address  # noqa: PLC0415

    if url is not None:
        address(url)
    loaded = loader.load(vendor)
    text = json_text(document(loaded.contract, url=url, examples=loaded.example_ids), indent=2)
    if output == "-":
        click.echo(text)
        return
    try:
        Path(output).write_text(text + "\n", "utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file name"
        raise UsageError(f"{output!r} cannot be written: {reason.lower()}") from None


@click.command(cls=Help, short_help="List every rule and law.", epilog="trunkline rules")
def rules() -> None:
    """List every rule and law: its name, what it states, and what its findings stand on.

    A rule judges one exchange, whoever asked; a law puts questions of its own and judges the answers together; a law
    of a life judges what becomes of a thing from its making to its end (`check --allow-writes`).
    """
    from trunkline.check.laws import LAWS  # noqa: PLC0415
    from trunkline.check.rules import RULES  # noqa: PLC0415
    from trunkline.check.stateful.laws import STATEFUL_LAWS  # noqa: PLC0415

    for title, checks in (("Rules", RULES), ("Laws", LAWS), ("Laws of a life", STATEFUL_LAWS)):
        click.echo(f"{title}\n")
        for each in checks:
            click.echo(f"  {each.name}\n      {each.statement}\n      Stands on: {each.basis}\n")
