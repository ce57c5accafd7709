"""The parts of commands that listen: their certificates, where they say they answer, and their log."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

import trunkline
from trunkline.cli.output import json_text
from trunkline.errors import UsageError
from trunkline.exchange import Json
from trunkline.settings import DEBUG, Settings, describe_bug
from trunkline.transport import server, tls
from trunkline.transport.addresses import is_loopback


@contextmanager
def certificates(settings: Settings) -> Iterator[tuple[ssl.SSLContext | None, tls.Authority | None, str | None]]:
    """The server's certificate; and if any is made on the spot, the authority that makes it, and its file."""
    if settings.tls_key is not None and settings.tls_cert is None:
        raise UsageError("--tls-key needs the certificate of that key; name it with --tls-cert")
    own = tls.from_files(settings.tls_cert, settings.tls_key) if settings.tls_cert is not None else None
    if not (settings.proxy or settings.proxy_pass or (settings.tls and not own)):
        yield own, None, None
        return
    authority, host = tls.Authority(), settings.host
    if settings.tls and not own:
        name = socket.gethostname() if host in server.WILDCARDS else host
        own = authority.issue(*dict.fromkeys((*tls.LOOPBACK, name)))
    with authority.written(with_others=settings.proxy_pass) as ca:
        yield own, authority, ca


def announce(place: dict[str, Json], settings: Settings, ca: str | None, *, exposed: str, lines: Iterable[str]) -> None:
    """Print where the server answers: for machines, then for people. `exposed` says what other machines may do."""
    click.echo(json_text({"trunkline": trunkline.__version__, **place}))
    sys.stdout.flush()
    if settings.quiet:
        return
    if not is_loopback(settings.host):
        click.echo(f"trunkline: warning: {settings.host} lets other machines {exposed}", err=True)
    *details, ending = lines
    trust = f"\nClients trust the certificate by the CA in {ca}, which is removed at the end."
    for line in (*details, *([trust] if ca else []), ending):
        click.echo(line, err=True)


class _OneLine(logging.Formatter):
    """Formats an exception that nobody caught as one sentence, unless TRUNKLINE_DEBUG asks for all of it."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception) and not os.environ.get(DEBUG):
            return f"trunkline: {describe_bug(error)}"
        return super().format(record)


@contextmanager
def logged(settings: Settings) -> Iterator[None]:
    """A context manager that logs on standard error, in one line each: refused requests of a mock, findings of a proxy.

    Where each request is logged, the mock's own lines on the refused ones are left out. --quiet leaves warnings alone.
    """
    if settings.verbose and settings.quiet:
        raise UsageError("--quiet prints nothing, and --verbose each request; leave one of them out")
    handler = logging.StreamHandler()
    if settings.verbose:
        handler.addFilter(lambda line: line.name != "trunkline.mock" or line.levelno > logging.INFO)
    handler.setFormatter(_OneLine())
    loggers = [*map(logging.getLogger, ("trunkline", "uvicorn.error", "asyncio"))]
    own, level = loggers[0], loggers[0].level
    own.setLevel(logging.WARNING if settings.quiet else logging.INFO)
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield
    finally:
        own.setLevel(level)
        for logger in loggers:
            logger.propagate = True
            logger.removeHandler(handler)
