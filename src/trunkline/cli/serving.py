"""Owns `trunkline serve`: what is served, and what is told of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

import trunkline
from trunkline.cli import output, requests
from trunkline.cli.options import ADMIN_TOKEN, Help
from trunkline.errors import UsageError

if TYPE_CHECKING:
    from trunkline.exchange import Request
    from trunkline.mock.loader import Vendor
    from trunkline.mock.storage import Storage

PORT = 8900
_MANY = 20_000


@click.command(cls=Help, short_help="Serve mocks.", epilog="trunkline serve VENDOR --trunks 250")
@click.argument("vendors", nargs=-1, metavar="[VENDOR]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 finds a free one.")
@click.option("--fixtures", metavar="DIR", help="A folder laid out as fixtures/: its records join the shipped.")
@click.option("--trunks", type=click.IntRange(0), metavar="N", help="So many plausible records, not the shipped.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same records.")
@click.option("--rate-limit", type=click.IntRange(1), metavar="N", help="Requests per window and credential.")
@click.option("--state", metavar="FILE", help="Keep every write in FILE, secrets too, from one start to the next.")
@ADMIN_TOKEN
@click.option("--quiet", is_flag=True, help="Print nothing but the line for machines.")
def serve(
    vendors: tuple[str, ...],
    host: str,
    port: int,
    fixtures: str | None,
    trunks: int | None,
    seed: int,
    rate_limit: int | None,
    state: str | None,
    admin_token: str | None,
    quiet: bool,
) -> None:
    """Serve mocks of the vendors, all of them unless named, until Ctrl-C or SIGTERM ends them, with code 0.

    When the mocks answer, one line of JSON on standard output tells where, with a token and a curl command for each.
    Standard error tells the same in words, and then why each refused request was refused. With --state a server goes
    on where the last one ended, also after kill -9; `trunkline reset` returns to the fixtures.
    """
    from trunkline import mock  # noqa: PLC0415
    from trunkline.contract import folders  # noqa: PLC0415
    from trunkline.mock import loader  # noqa: PLC0415
    from trunkline.transport import admin, server  # noqa: PLC0415

    chosen = tuple(dict.fromkeys(vendors or folders.names()))
    if trunks is not None and trunks >= _MANY and not quiet:
        click.echo(f"making {trunks} records, which takes some seconds", err=True)
    overlay = _overlaid(chosen, fixtures)
    loaded = [
        loader.load(name, overlay=overlay if name in _folders(overlay) else None, trunks=trunks, seed=seed)
        for name in chosen
    ]
    secrets = frozenset({admin.sound(admin_token)} if admin_token is not None else ())
    hidden = secrets.union(*(vendor.secrets for vendor in loaded))
    places = server.bases(loaded)
    with _kept(state) as storage, nullcontext() if quiet else _refusals_told():
        mocks = {
            base: mock.from_vendor(vendor, rate_limit=rate_limit, secrets=hidden, storage=storage)
            for base, vendor in places.items()
        }
        going = [one.vendor.name for one in mocks.values() if one.continues]
        if going and not quiet:
            later = "; --fixtures and --trunks count from then on" if fixtures or trunks is not None else ""
            click.echo(
                f"continuing with the state of {', '.join(going)} in {state}; "
                f"`trunkline reset` returns to the fixtures{later}",
                err=True,
            )
        app = server.asgi(
            mocks,
            index={vendor.name: vendor.contract.base_path for vendor in loaded},
            admin=admin.admin({one.vendor.name: one for one in mocks.values()}, admin_token),
        )
        server.serve(app, host=host, port=port, on_ready=lambda url: _ready(url, loaded, host, quiet=quiet))


@contextmanager
def _kept(state: str | None) -> Iterator[Storage | None]:
    """The storage of the state file, or None without one."""
    if state is None:
        yield None
        return
    from trunkline.mock import storage  # noqa: PLC0415

    with closing(storage.from_file(Path(state))) as opened:
        yield opened


def _folders(overlay: Path | None) -> tuple[str, ...]:
    return tuple(entry.name for entry in overlay.iterdir() if entry.is_dir()) if overlay else ()


def _overlaid(vendors: tuple[str, ...], fixtures: str | None) -> Path | None:
    """The folder of fixtures, which must hold records of one of the vendors at least."""
    if fixtures is None:
        return None
    overlay = Path(fixtures)
    if not overlay.is_dir():
        raise UsageError(f"{fixtures!r} is not a folder; name one laid out as fixtures/")
    if not set(vendors) & set(_folders(overlay)):
        raise UsageError(
            f"{fixtures!r} has no folder named {' or '.join(vendors)}; lay records out as VENDOR/RECORDS.json"
        )
    return overlay


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


@contextmanager
def _refusals_told() -> Iterator[None]:
    """While it lasts, why a mock refuses a request and what it was told is told on standard error, one line each."""
    import logging  # noqa: PLC0415

    logger, handler = logging.getLogger("trunkline"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    level, logger.propagate = logger.level, False
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True


def _ready(url: str, vendors: list[Vendor], host: str, *, quiet: bool) -> None:
    """Tells where the mocks answer: one line for machines, then the same for people."""
    told = {
        vendor.name: {
            "url": url + vendor.contract.base_path,
            "token": vendor.world.token,
            "curl": _sample(vendor, url + vendor.contract.base_path),
        }
        for vendor in vendors
    }
    click.echo(output.json_text({"trunkline": trunkline.__version__, "url": url, "vendors": told}))
    sys.stdout.flush()
    if not quiet:
        if not _is_loopback(host):
            click.echo(f"trunkline: warning: {host} lets others reach the mock; it protects nothing", err=True)
        for name, place in told.items():
            click.echo(
                f"\n{name}\n  url    {place['url']}\n  token  {place['token']}\n  try    {place['curl']}", err=True
            )
        click.echo(
            "\nCtrl-C stops. A refused request is explained here and in its x-trunkline-refusal header.", err=True
        )


def _sample(vendor: Vendor, base: str) -> str:
    """A command that works when it is pasted: a list if there is one, else one known item."""
    from trunkline.exchange import curl  # noqa: PLC0415
    from trunkline.transport.connect import known_parameters  # noqa: PLC0415

    token = "".join("\\" + letter if letter in '\\"$`' else letter for letter in vendor.world.token)
    known = {"authorization": f"Bearer {token}"}
    operation = min(vendor.contract.operations, key=lambda operation: "{" in operation.path)
    parameters = {parameter.name: "unknown" for parameter in operation.parameters if parameter.location == "path"}
    request = requests.request(
        operation, {**parameters, **requests.in_path(operation, known_parameters(vendor))}, vendor.world.token
    )
    return curl(_shown(request, tuple(known.items())), base)


def _shown(request: Request, fields: tuple[tuple[str, str], ...]) -> Request:
    from dataclasses import replace  # noqa: PLC0415

    return replace(request, shown=fields)
