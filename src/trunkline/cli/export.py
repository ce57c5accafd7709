"""`trunkline export`: print a contract as one OpenAPI document."""

from __future__ import annotations

from pathlib import Path

import click

from trunkline.cli.output import SUCCESS, json_text
from trunkline.contract.export import document
from trunkline.errors import UsageError, reason_of
from trunkline.mock import loader
from trunkline.settings import Settings
from trunkline.transport.client import address
from trunkline.transport.files import replace_file


def export(settings: Settings, vendor: str) -> int:
    """Print or write the contract as one OpenAPI document."""
    if settings.document_url is not None:
        address(settings.document_url)  # raises UsageError for what cannot be a base address
    loaded = loader.load(vendor)
    text = json_text(
        document(
            loaded.contract,
            url=settings.document_url,
            examples=loaded.example_ids,
            bodies=loaded.example_bodies,
        ),
        indent=2,
    )
    if settings.output in (None, "-"):
        click.echo(text)
        return SUCCESS
    try:
        replace_file(Path(settings.output or ""), f"{text}\n".encode())
    except (OSError, ValueError) as error:
        raise UsageError(f"{settings.output!r} cannot be written: {reason_of(error)}") from None
    return SUCCESS
