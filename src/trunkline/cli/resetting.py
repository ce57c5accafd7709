"""Owns `trunkline reset`: mocks return to their fixtures, on a running server or in a state file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trunkline.cli.options import ADMIN_TOKEN, Help
from trunkline.cli.serving import PORT
from trunkline.errors import TargetError, UsageError

if TYPE_CHECKING:
    from trunkline.exchange import Json, Response

_PATIENCE = 60.0
"""Seconds that a reset may take: many records are written anew."""


@click.command(cls=Help, short_help="Return mocks to their fixtures.", epilog="trunkline reset VENDOR")
@click.argument("vendors", nargs=-1, metavar="[VENDOR]...")
@click.option("--url", metavar="BASE", help=f"The running server; http://127.0.0.1:{PORT} unless named.")
@ADMIN_TOKEN
@click.option("--state", metavar="FILE", help="A state file that no server has open, instead of a server.")
def reset(vendors: tuple[str, ...], url: str | None, admin_token: str | None, state: str | None) -> None:
    """Return the mocks of the vendors to their fixtures, all that are there unless named.

    A running server is asked at its reserved path, /_trunkline/reset: from the same machine, or with its admin token.
    With --state the file of a server that has ended forgets what it kept, so that the next one begins anew.
    """
    if state is None:
        place = url or f"http://127.0.0.1:{PORT}"
        click.echo(f"reset {', '.join(_asked(place, vendors, admin_token))} at {place}")
        return
    if url is not None:
        raise UsageError("a server and a state file are two places; give --url or --state")
    names = _forgotten(Path(state), vendors)
    click.echo(f"reset {', '.join(names)} in {state}" if names else f"nothing to reset: {state} keeps nothing of it")


def _asked(url: str, vendors: tuple[str, ...], token: str | None) -> list[str]:
    """The vendors that a running server says it has reset."""
    from urllib.parse import urlencode  # noqa: PLC0415

    from trunkline.exchange import Request  # noqa: PLC0415
    from trunkline.redaction import redactor  # noqa: PLC0415
    from trunkline.transport import admin, targets  # noqa: PLC0415

    proof = (("authorization", f"Bearer {admin.sound(token)}"),) if token is not None else ()
    server = targets.http(url, timeout=_PATIENCE)
    query = urlencode([("vendor", name) for name in vendors])
    response = server(Request("POST", admin.BASE + admin.RESET, query, (admin.HEADER, *proof)))
    told = _told(response)
    names = told.get("reset")
    if response.status == 200 and isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    why = told.get("error")
    reason = f": {why}" if isinstance(why, str) else ", as no `trunkline serve` would; give its address without a path"
    if response.status == 401 and isinstance(why, str):
        reason = (
            f": give its admin token, {'not this one, ' if token else ''}with --admin-token or {admin.TOKEN_VARIABLE}"
        )
    raise TargetError(
        redactor(frozenset({token} if token else ()))(f"{server.name} answered {response.status}{reason}")
    )


def _told(response: Response) -> dict[str, Json]:
    from trunkline.exchange import NotJSON  # noqa: PLC0415

    try:
        body = response.json()
    except NotJSON:
        return {}
    return body if isinstance(body, dict) else {}


def _forgotten(state: Path, vendors: tuple[str, ...]) -> list[str]:
    """The vendors of which a state file has forgotten what it kept."""
    from trunkline.contract import folders  # noqa: PLC0415
    from trunkline.mock import storage  # noqa: PLC0415

    with closing(storage.from_file(state, create=False)) as opened:
        there = opened.vendors()
        known = {*there, *folders.names()}
        for name in vendors:
            if name not in known:
                raise UsageError(f"{name!r} is not a vendor; there are: {', '.join(sorted(known))}")
        chosen = [name for name in there if name in vendors or not vendors]
        opened.forget(chosen)
    return chosen
