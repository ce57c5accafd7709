"""`trunkline faults`: list the scenarios of faults, or show one."""

from __future__ import annotations

import click

from trunkline.cli.output import SUCCESS, json_text
from trunkline.mock.faults import scenario, scenarios, to_line
from trunkline.mock.faults.document import json_schema
from trunkline.settings import Settings


def faults(settings: Settings, name: str | None) -> int:
    """Print every scenario, or the faults of one; or the JSON Schema of a file of faults."""
    if settings.schema:
        schema, definitions = json_schema()
        dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        click.echo(json_text({**dialect, **schema, "$defs": definitions}, indent=2))
        return SUCCESS
    for one in scenarios().values() if name is None else (scenario(name),):
        click.echo(f"{one.name}\n    {one.summary}\n    A good client {one.client}")
        for fault in one.faults:
            click.echo(f"      {to_line(fault)}")
        click.echo("")
    return SUCCESS
