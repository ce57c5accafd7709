"""`trunkline explain`: explain a rule, a law or a check."""

from __future__ import annotations

import click

from trunkline.check import explanations
from trunkline.cli.output import SUCCESS
from trunkline.contract import folders
from trunkline.mock import loader
from trunkline.report import terminal
from trunkline.settings import Settings


def explain(_: Settings, name: str | None, vendor: str | None) -> int:
    """Print the explanation of a rule, a law or a check, with the pages of one vendor or of all; or list them."""
    if name is None:
        for title, checks in explanations.CATALOGUE.items():
            click.echo(f"{title}\n")
            for check in checks:
                click.echo(f"  {check.name}\n      {check.statement}")
            click.echo("")
        return SUCCESS
    explanation = explanations.of(name)
    contracts = [loader.load(known).contract for known in ([vendor] if vendor else folders.names())]
    text = explanations.to_markdown(explanation, contracts)
    terminal.show_markdown(f"{text}\n{explanations.link_definitions([explanation], contracts)}")
    return SUCCESS
