"""`trunkline serve`: serve mocks until Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

import trunkline
from trunkline.cli.output import SUCCESS, json_text
from trunkline.contract import folders
from trunkline.contract.requests import read_request
from trunkline.errors import UsageError
from trunkline.exchange import curl
from trunkline.mock import Mock, from_vendor, loader, storage
from trunkline.mock.loader import Vendor
from trunkline.mock.session import MockSession
from trunkline.mock.storage import Storage
from trunkline.redaction import RecentSecrets
from trunkline.settings import Settings
from trunkline.transport import access, admin, server
from trunkline.transport.connect import known_parameters

_MANY_RECORDS = 20_000
"""Generating this many records takes seconds, so it is announced."""


def serve(settings: Settings, vendors: tuple[str, ...]) -> int:
    """Serve mocks until Ctrl-C or SIGTERM."""
    names = tuple(dict.fromkeys(vendors or folders.names()))
    if not settings.quiet and settings.trunks is not None and settings.trunks >= _MANY_RECORDS:
        click.echo(f"generating {settings.trunks} records, which takes some seconds", err=True)
    fixtures = _folders(settings.fixtures, names)
    loaded = [
        loader.load(name, overlay=fixtures.get(name), trunks=settings.trunks, seed=settings.seed or 0) for name in names
    ]
    secrets = frozenset({access.check_token(settings.admin_token)} if settings.admin_token is not None else ())
    secrets, recent = secrets.union(*(vendor.secrets for vendor in loaded)), RecentSecrets()
    with _storage(settings.state) as storage, nullcontext() if settings.quiet else _logged_refusals():
        bases = server.bases(loaded)
        make = partial(
            from_vendor,
            rate_limit=settings.rate_limit,
            rate_window=settings.rate_window,
            secrets=secrets,
            storage=storage,
            recent=recent,
        )
        session = MockSession(loaded, make)
        if not settings.quiet:
            _announce_state(settings, [steered.mock for steered in session.mocks.values()])
        app = server.asgi(
            {base: session.mocks[vendor.name] for base, vendor in bases.items()},
            index={vendor.name: vendor.contract.base_path for vendor in loaded},
            admin=admin.admin(session, settings.admin_token),
        )
        server.serve(app, host=settings.host, port=settings.port, on_ready=lambda url: _announce(url, loaded, settings))
    return SUCCESS


def _folders(fixtures: str | None, vendors: tuple[str, ...]) -> dict[str, Path]:
    """The folder of fixtures, for each vendor that has records in it."""
    if fixtures is None:
        return {}
    folder = Path(fixtures)
    if not folder.is_dir():
        raise UsageError(f"{fixtures!r} is not a folder; name one laid out as fixtures/")
    by_vendor = {name: folder for name in vendors if (folder / name).is_dir()}
    if not by_vendor:
        raise UsageError(
            f"{fixtures!r} has no folder named {' or '.join(vendors)}; lay records out as VENDOR/RECORDS.json"
        )
    return by_vendor


def _storage(state: str | None) -> AbstractContextManager[Storage | None]:
    """The open state file, or None without one."""
    if state is None:
        return nullcontext()
    return closing(storage.from_file(Path(state)))


@contextmanager
def _logged_refusals() -> Iterator[None]:
    """A context manager that logs each refused request of a mock with its reason, in one line on standard error."""
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


def _announce_state(settings: Settings, mocks: Iterable[Mock]) -> None:
    """Name the mocks that continue with the records of the state file."""
    names = [mock.vendor.name for mock in mocks if mock.continues]
    if names:
        unused = settings.fixtures or settings.trunks is not None
        click.echo(
            f"continuing with the state of {', '.join(names)} in {settings.state}; `trunkline reset` returns to the "
            f"fixtures{'; --fixtures and --trunks count from then on' if unused else ''}",
            err=True,
        )


def _announce(url: str, vendors: list[Vendor], settings: Settings) -> None:
    """Print where the mocks answer: one line for machines, then the same for people."""
    places = {}
    for vendor in vendors:
        base = url + vendor.contract.base_path
        places[vendor.name] = {"url": base, "token": vendor.world.token, "curl": _sample(vendor, base)}
    click.echo(json_text({"trunkline": trunkline.__version__, "url": url, "vendors": places}))
    sys.stdout.flush()
    if settings.quiet:
        return
    host = settings.host
    if host not in {"localhost", "::1"} and not host.startswith("127."):
        click.echo(f"trunkline: warning: {host} lets other machines use the mock, which has no protection", err=True)
    for name, place in places.items():
        click.echo(f"\n{name}\n  url    {place['url']}\n  token  {place['token']}\n  try    {place['curl']}", err=True)
    click.echo("\nCtrl-C stops. A refused request is explained here and in its x-trunkline-refusal header.", err=True)


def _sample(vendor: Vendor, base: str) -> str:
    """A curl command that works when pasted: for a list if there is one, else for an existing item."""
    operation = min(vendor.contract.operations, key=lambda operation: "{" in operation.path)
    unknown = {parameter.name: "unknown" for parameter in operation.parameters}
    request = read_request(operation, {}, vendor.world.token, known=unknown | known_parameters(vendor))
    token = "".join("\\" + letter if letter in '\\"$`' else letter for letter in vendor.world.token)
    return curl(replace(request, shown=(("authorization", f"Bearer {token}"),)), base)
