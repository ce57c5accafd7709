"""`trunkline reset`: return mocks to their fixtures, on a running server or in a state file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import click

from trunkline.cli.output import SUCCESS
from trunkline.contract import folders
from trunkline.contract.bodies import json_object
from trunkline.contract.requests import bearer
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Request
from trunkline.mock import storage
from trunkline.redaction import redactor
from trunkline.settings import OPTIONS, Settings
from trunkline.transport import access, targets

_SERVER = f"http://127.0.0.1:{OPTIONS['port'].default}"
_TIMEOUT = 60.0
"""Seconds: a reset may have many records to write."""


def reset(settings: Settings, vendors: tuple[str, ...]) -> int:
    """Return the mocks on a running server, or in a state file, to their fixtures."""
    if settings.state is None:
        server = settings.server or _SERVER
        click.echo(f"reset {', '.join(_reset_server(server, vendors, settings.admin_token))} at {server}")
        return SUCCESS
    if settings.server is not None:
        raise UsageError("a server and a state file are two places; give --url or --state")
    names = _reset_file(settings.state, vendors)
    if names:
        click.echo(f"reset {', '.join(names)} in {settings.state}")
    else:
        click.echo(f"nothing to reset: {settings.state} has no such state")
    return SUCCESS


def _reset_server(url: str, vendors: tuple[str, ...], token: str | None) -> list[str]:
    """The vendors that a running server reports as reset."""
    credential, _ = bearer(None if token is None else access.check_token(token))
    server = targets.http(url, timeout=_TIMEOUT)
    query = urlencode([("vendor", name) for name in vendors])
    response = server(Request("POST", access.RESERVED + access.RESET, query, (access.HEADER, *credential)))
    body = json_object(response.body)
    names, error = body.get("reset"), body.get("error")
    if response.status == 200 and isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    if not isinstance(error, str):
        reason = ", as no `trunkline serve` would; give its address without a path"
    elif response.status == 401:
        other = "not this one, " if token else ""
        reason = f": give its admin token, {other}with --admin-token or {access.ADMIN_TOKEN_VARIABLE}"
    else:
        reason = f": {error}"
    redact = redactor(frozenset({token} if token else ()))
    raise TargetError(redact(f"{server.name} answered {response.status}{reason}"))


def _reset_file(state: str, vendors: tuple[str, ...]) -> list[str]:
    """The vendors whose state was removed from a state file."""
    with closing(storage.from_file(Path(state), create=False)) as stored:
        present = stored.vendors()
        for name in vendors:
            if name not in (*present, *folders.names()):
                raise UsageError(f"{name!r} is not a vendor; there are: {', '.join(folders.names())}")
        chosen = [name for name in present if name in vendors or not vendors]
        stored.forget(chosen)
    known = [name for name in chosen if name in (*vendors, *folders.names())]
    others = len(chosen) - len(known)  # their names can be damaged
    return known + ([f"{others} unknown vendor{'s' if others > 1 else ''}"] if others else [])
