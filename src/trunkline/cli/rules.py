"""`trunkline rules`: list every rule, law and check."""

from __future__ import annotations

import click

from trunkline.check.explanations import CATALOGUE
from trunkline.cli.output import SUCCESS
from trunkline.settings import Settings


def rules(_: Settings) -> int:
    """Print every rule, law and check."""
    for title, checks in CATALOGUE.items():
        click.echo(f"{title}\n")
        for check in checks:
            click.echo(f"  {check.name}\n      {check.statement}\n      Evidence: {check.basis}\n")
    return SUCCESS
