"""`trunkline rules`: list every rule and law."""

from __future__ import annotations

import click

from trunkline.check.laws import LAWS
from trunkline.check.rules import RULES
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.cli.options import command
from trunkline.cli.output import SUCCESS
from trunkline.settings import Settings


@command("rules", example="trunkline rules")
def rules(_: Settings) -> int:
    """List every rule and law: its name, what it says, and the evidence for its findings.

    A rule judges one exchange. A law sends requests of its own and judges the responses together. A stateful law judges
    what happens to an item between its creation and its deletion (`check --allow-writes`).
    """
    for title, checks in (("Rules", RULES), ("Laws", LAWS), ("Stateful laws", STATEFUL_LAWS)):
        click.echo(f"{title}\n")
        for check in checks:
            click.echo(f"  {check.name}\n      {check.statement}\n      Evidence: {check.basis}\n")
    return SUCCESS
