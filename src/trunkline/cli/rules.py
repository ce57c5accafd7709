"""`trunkline rules`: list every rule, law and check."""

from __future__ import annotations

import click

from trunkline.check.fuzz import CHECKS
from trunkline.check.laws import LAWS
from trunkline.check.rules import RULES
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.cli.output import SUCCESS
from trunkline.settings import Settings


def rules(_: Settings) -> int:
    """Print every rule, law and check."""
    kinds = (("Rules", RULES), ("Laws", LAWS), ("Stateful laws", STATEFUL_LAWS), ("Checks of Schemathesis", CHECKS))
    for title, checks in kinds:
        click.echo(f"{title}\n")
        for check in checks:
            click.echo(f"  {check.name}\n      {check.statement}\n      Evidence: {check.basis}\n")
    return SUCCESS
