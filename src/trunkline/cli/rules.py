"""`trunkline rules`: list every rule, law and check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from trunkline.check.availability import COMPLETENESS
from trunkline.check.fuzz import CHECKS
from trunkline.check.laws import LAWS
from trunkline.check.rules import RULES
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.cli.output import SUCCESS
from trunkline.settings import Settings


def rules(_: Settings) -> int:
    """Print every rule, law and check."""
    kinds: tuple[tuple[str, Sequence[Any]], ...] = (
        ("Rules", RULES),
        ("Laws", (*LAWS, COMPLETENESS)),
        ("Stateful laws", [law for law in STATEFUL_LAWS if law.name not in {law.name for law in LAWS}]),
        ("Checks of Schemathesis", CHECKS),
    )
    for title, checks in kinds:
        click.echo(f"{title}\n")
        for check in checks:
            click.echo(f"  {check.name}\n      {check.statement}\n      Evidence: {check.basis}\n")
    return SUCCESS
