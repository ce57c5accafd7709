"""`trunkline serve`: serve mocks until Ctrl-C or SIGTERM."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from trunkline.cli.listening import announce, certificates, logged
from trunkline.cli.output import SUCCESS
from trunkline.contract import folders
from trunkline.contract.requests import is_bearer_token, read_request
from trunkline.errors import UsageError
from trunkline.exchange import Json, curl
from trunkline.findings import way_out
from trunkline.mock import Mock, from_vendor, loader, storage
from trunkline.mock.faults import Faults, load_faults, parse_line, switch_on
from trunkline.mock.files import VendorFiles, watching
from trunkline.mock.loader import Vendor
from trunkline.mock.request_log import RecordedRequest
from trunkline.mock.session import MockSession
from trunkline.mock.storage import Storage
from trunkline.redaction import RecentSecrets, printable
from trunkline.settings import Settings
from trunkline.transport import access, proxy, server, tls
from trunkline.transport.connect import known_parameters
from trunkline.transport.sessions import Sessions, session_application

log = logging.getLogger("trunkline.cli.serve")

_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""The environment variables by which clients find the certificates that they trust."""

_MANY_RECORDS = 20_000
"""Generating this many records takes seconds, so it is announced."""


def serve(settings: Settings, vendors: tuple[str, ...]) -> int:
    """Serve mocks until Ctrl-C or SIGTERM."""
    names = tuple(dict.fromkeys(vendors or folders.names()))
    if not settings.quiet and settings.trunks is not None and settings.trunks >= _MANY_RECORDS:
        click.echo(f"generating {settings.trunks} records, which takes some seconds", err=True)
    given = _given_tokens(settings.accept_token, names)
    fixtures = loader.overlays(Path(settings.fixtures), names) if settings.fixtures is not None else {}
    if settings.watch and not (fixtures or os.environ.get("TRUNKLINE_DATA")):
        raise UsageError("--watch has no files of yours to look at; name their folder with --fixtures")
    if settings.watch and settings.state is not None:
        raise UsageError("--watch would replace the state with each change of a file; leave out --watch or --state")

    def load(name: str) -> Vendor:
        vendor = loader.load(name, overlay=fixtures.get(name), trunks=settings.trunks, seed=settings.seed or 0)
        return loader.with_tokens(vendor, given[name], "--token")

    files = {name: VendorFiles(name, partial(load, name), fixtures.get(name)) for name in names}
    loaded = [own.vendor for own in files.values()]
    announced = {name: token for name in names for _, token in given[name][:1]}
    secrets = frozenset({access.check_token(settings.admin_token)} if settings.admin_token is not None else ())
    secrets, recent = secrets.union(*(vendor.secrets for vendor in loaded)), RecentSecrets()
    with (
        logged(settings),
        _storage(settings.state) as storage,
        certificates(settings) as (context, authority, ca),
    ):
        make = partial(
            from_vendor,
            rate_limit=settings.rate_limit,
            rate_window=settings.rate_window,
            secrets=secrets,
            recent=recent,
        )

        def begin(vendors: Iterable[Vendor], storage: Storage | None = None, **options: Any) -> MockSession:
            session = MockSession(vendors, partial(make, storage=storage), keep=settings.record, **options)
            if settings.verbose:
                session.requests.watch(_log_request)
            return session

        session = begin(loaded, storage, reread=lambda name: files[name].vendor)
        _set_faults(session.faults, settings)
        if not settings.quiet:
            _announce_state(settings, [served.mock for served in session.mocks.values()])
        apply = partial(session_application, token=settings.admin_token, cors=settings.cors)
        app = apply(session, sessions=Sessions(begin, apply, cors=settings.cors, idle=settings.session_idle))
        proxied = None
        if authority and (settings.proxy or settings.proxy_pass):
            contracts = [vendor.contract for vendor in loaded]
            proxied = proxy.Proxy(contracts, app, authority.issue, passes_on=settings.proxy_pass)
        with watching(files, session) if settings.watch else nullcontext():
            server.serve(
                app,
                host=settings.host,
                port=settings.port,
                on_ready=lambda url: _announce(url, loaded, announced, settings, ca),
                tls=context,
                proxy=proxied,
            )
    return SUCCESS


def _set_faults(faults: Faults, settings: Settings) -> None:
    """Set the faults of the options, and name each."""
    faults.add(*(parse_line(line, "--fault") for line in settings.fault), place="--fault")
    if settings.faults is not None:
        faults.add(*load_faults(Path(settings.faults)), place=settings.faults)
    for name in settings.scenario:
        switch_on(faults, name)
    for fault in () if settings.quiet else faults.entries():
        click.echo(f"fault {fault.id}{fault.scenario and f' of {fault.scenario}'}: {fault.line}", err=True)


def _given_tokens(texts: Iterable[str], names: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """The values of `--token` by vendor: (account, token), with an empty account for the default one."""
    given: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for vendor, account, token in map(_read_token, texts):
        for name, pairs in given.items():
            if vendor in {"", name}:
                pairs.append((account, token))
    return given


def _read_token(text: str) -> tuple[str, str, str]:
    """The vendor, the account and the token of one `--token`, the first two empty if it names none.

    Raises `UsageError`, which quotes nothing: any part of the text may be a part of a secret.
    """
    place, equals, token = text.partition("=")
    vendor, slash, account = place.partition("/")
    if vendor not in folders.names() or not equals:
        if equals and not is_bearer_token(text):  # a token may end with equals signs
            raise UsageError(f"--token has no vendor before its equals sign{way_out(vendor, folders.names())}")
        vendor, slash, account, token = "", "", "", text
    if slash and not (account and account.isprintable()):
        raise UsageError("--token names no account; write it as VENDOR/ACCOUNT=TOKEN")
    if not is_bearer_token(token):
        raise UsageError(
            "--token is empty or has characters that no bearer token can have (RFC 6750, section 2.1); "
            "use letters, digits and . _ ~ + / -"
        )
    return vendor, account, token


def _storage(state: str | None) -> AbstractContextManager[Storage | None]:
    """The open state file, or None without one."""
    if state is None:
        return nullcontext()
    return closing(storage.from_file(Path(state)))


def _log_request(request: RecordedRequest) -> None:
    log.info("%s", request.to_line())


def _announce_state(settings: Settings, mocks: Iterable[Mock]) -> None:
    """Name the mocks that continue with the records of the state file."""
    continued = [mock for mock in mocks if mock.continues]
    if continued:
        names = [mock.vendor.name for mock in continued]
        unused = settings.fixtures or settings.trunks is not None
        click.echo(
            f"continuing with the state of {', '.join(names)} in {settings.state}; `trunkline reset` returns to the "
            f"fixtures{'; the records of --fixtures and --trunks count from then on' if unused else ''}",
            err=True,
        )
    for mock in continued:
        if closed := [printable(account) for account in mock.closed_accounts]:
            name = mock.vendor.name
            click.echo(
                f"no token opens these accounts of {name}, whose records are kept: {', '.join(closed)}; "
                f"add one with --token {name}/{closed[0]}=TOKEN",
                err=True,
            )


def _announce(url: str, vendors: list[Vendor], tokens: Mapping[str, str], settings: Settings, ca: str | None) -> None:
    """Print where each mock answers, with its token in `tokens`, or else its own: for machines, then for people."""
    page, places = f"{url}{access.RESERVED}/", {}
    for vendor in vendors:
        base, token = url + vendor.contract.base_path, tokens.get(vendor.name, vendor.world.token)
        places[vendor.name] = {"url": base, "token": token, "curl": _sample(vendor, base, token, ca)}
    trust: dict[str, Json] = {"ca": ca} if ca else {}
    if ca and (settings.proxy or settings.proxy_pass):
        trust["proxy"] = {"HTTPS_PROXY": url, "NO_PROXY": ",".join(tls.LOOPBACK), **dict.fromkeys(_TRUST, ca)}
    lines = [
        f"\n{name}\n  url    {place['url']}\n  token  {place['token']}\n  try    {place['curl']}"
        for name, place in places.items()
    ]
    lines.append(f"\nin a browser\n  page   {page}")
    if "proxy" in trust:
        hosts = ", ".join(dict.fromkeys(urlsplit(vendor.contract.url).netloc for vendor in vendors))
        others = "passes other hosts on" if settings.proxy_pass else "refuses other hosts"
        lines.append(f"\nproxy for {hosts}; it {others}; for its clients:")
        lines += [f"  export {name}={shlex.quote(value)}" for name, value in trust["proxy"].items()]
    lines.append("\nCtrl-C stops. A refused request is explained here and in its x-trunkline-refusal header.")
    place = {"url": url, "page": page, **trust, "vendors": places}
    announce(place, settings, ca, exposed="use the mock, which has no protection", lines=lines)


def _sample(vendor: Vendor, base: str, token: str, ca: str | None) -> str:
    """A curl command that works when pasted: for a list if there is one, else for an existing item."""
    operation = min(vendor.contract.operations, key=lambda operation: "{" in operation.path)
    unknown = {parameter.name: "unknown" for parameter in operation.parameters}
    known = known_parameters(vendor, vendor.world.tokens[token].account)
    request = read_request(operation, {}, token, known=unknown | known)
    command = curl(replace(request, shown=(("authorization", f"Bearer {token}"),)), base)
    return (
        command.replace("curl", f"curl --cacert {shlex.quote(ca)}", 1) if ca and base.startswith("https:") else command
    )
