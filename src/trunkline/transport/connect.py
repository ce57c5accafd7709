"""Connect to an implementation: at an address, an ASGI application in process, or the built-in mock.

    >>> connect(trunkline.load("acme")).base
    'http://127.0.0.1:8900/v1'

The command line and the pytest plugin both use it, so that equal options mean equal targets.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from trunkline import mock
from trunkline.contract.times import MAX_WAIT
from trunkline.errors import TrunklineError, UsageError
from trunkline.exchange import SECOND_VARIABLE, TOKEN_VARIABLE, Request, Target
from trunkline.mock.loader import Vendor
from trunkline.transport import targets
from trunkline.transport.files import read_source
from trunkline.transport.messages import check_timeout
from trunkline.transport.scope import ASGIApp

DEFAULT_PORT = 8900
"""The port of the mock unless another is chosen."""
MOCK, IN_PROCESS = f"http://127.0.0.1:{DEFAULT_PORT}", "http://localhost"
"""The addresses, without the path, that stand for the built-in mock and for an application in process."""

_LONGEST_TOKEN = 64 << 10


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """A target, the credential for it, and its address, for commands that a reader can run.

    `parameters` are path parameters of existing records, `secret_values` maps the values of secrets to their fields:
    both are known for the built-in mock only. `secrets` must never be printed.
    """

    target: Target
    credential: str | None
    base: str
    secrets: frozenset[str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    secret_values: Mapping[str, str] = field(default_factory=dict)
    cleaner: Target | None = None
    """The target without its budget of requests, to delete what was created."""
    name: str = "the built-in mock"
    """The name of the implementation in messages: its address, or `module:attribute in process`."""
    live: bool = False
    """Whether requests leave this process."""
    built_in: bool = False
    """Whether it is the built-in mock, which ends with the run."""
    second: str | None = None
    """The credential of another account, if it is known."""


def connect(
    vendor: Vendor,
    *,
    url: str | None = None,
    app: str | None = None,
    token: str | None = None,
    token_file: str | None = None,
    timeout: float = 10.0,
    rate: float | None = None,
    max_requests: int | None = None,
    max_wait: float = MAX_WAIT,
    waiting: Callable[[Request, float], None] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Connection:
    """The implementation at `url`, or the ASGI application `module:attribute`, or else the built-in mock.

    The built-in mock gets its own token, not the one in the environment, which is for live implementations.
    Requests are counted against `max_requests`, then spaced at `rate` a second, until their answers have
    `targets.MOST_RECEIVED` bytes. After a 429 the request is sent again, and `waiting` is called with the request and
    the seconds until then, which are at most `max_wait`.
    """
    if url is not None and app is not None:
        raise UsageError("an address and an application are two implementations; give one of them")
    check_timeout(timeout)
    built_in = url is None and app is None
    given = credential(token, token_file, {} if built_in else environ)
    secrets = vendor.secrets | ({given} if given else set())
    reset = vendor.contract.rate_limit.reset if vendor.contract.rate_limit else None
    base_path = vendor.contract.base_path
    target: Target
    if url is not None:
        target = live = targets.http(url, timeout=timeout)
        base = live.base
    elif app is not None:
        target = targets.with_own_random(targets.wrap(import_application(app), base=base_path, timeout=timeout))
        base = f"{IN_PROCESS}{base_path}"
    else:
        target, base = mock.from_vendor(vendor), f"{MOCK}{base_path}"
    paced = targets.throttled(target, rate=rate)
    limited = targets.bounded(targets.budgeted(paced, max_requests) if max_requests is not None else paced)
    target, cleaner = (
        targets.waiting_out_429(found, reset_header=reset, max_wait=max_wait, waiting=waiting)
        for found in (limited, paced)
    )
    if not built_in:
        name = base if url is not None else f"{app} in process"
        return Connection(target, given, base, secrets, cleaner=cleaner, name=name, live=url is not None)
    known, values = known_parameters(vendor), secret_values(vendor)
    return Connection(target, given or vendor.world.token, base, secrets, known, values, cleaner, built_in=True)


@contextmanager
def redacting_errors(redact: Callable[[str], str]) -> Iterator[None]:
    """Redact the messages of errors: an implementation may echo the credential."""
    try:
        yield
    except TrunklineError as error:
        error.args = (redact(str(error)),)
        raise


def known_parameters(vendor: Vendor, account: str = "") -> dict[str, str]:
    """Path parameters of records of an account, by default the default one: `{"trunk_id": "trunk-uuid-1"}`."""
    world = vendor.world
    found: dict[str, str] = {}
    for operation in vendor.contract.operations:
        for parameter in operation.parameters if operation.reads else ():
            collection = world.collections.get(parameter.resource)
            for record in collection.records if collection else ():
                if collection and world.account_of(record) == (account or world.account):
                    found.setdefault(parameter.name, str(record[collection.identity]))
    return found


def secret_values(vendor: Vendor) -> dict[str, str]:
    """The fields of secrets in the fixtures, by value: `{"secret-password": "password"}`."""
    return {
        str(record[name]): name
        for collection in vendor.world.collections.values()
        for record in collection.records
        for name in vendor.contract.secrets
        if record.get(name)
    }


# --- the credential -------------------------------------------------------------------------------------------------


def with_second_account(
    connection: Connection,
    vendor: Vendor,
    *,
    second_token: str | None = None,
    second_token_file: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Connection:
    """The connection with the credential of another account, if it is known.

    It is given, in a file, in the environment, or one of the built-in mock's.
    """
    environ = {} if connection.built_in else environ
    second = credential(second_token, second_token_file, environ, SECOND_VARIABLE)
    if second is None:
        return replace(connection, second=mock_second_credential(vendor) if connection.built_in else None)
    if second == connection.credential:
        raise UsageError("the second token is the first: give the credential of another account")
    return replace(connection, second=second, secrets=connection.secrets | {second})


def mock_second_credential(vendor: Vendor) -> str | None:
    """The first token of the mock that gives access to another account than its own."""
    world = vendor.world
    others = (name for name, grant in world.tokens.items() if grant.account != world.account and not grant.refused)
    return next(others, None)


def credential(
    token: str | None,
    token_file: str | None,
    environ: Mapping[str, str] = os.environ,
    variable: str = TOKEN_VARIABLE,
) -> str | None:
    """The token itself, the one in the file, or the one in the environment. Errors never quote it."""
    if token is not None and token_file is not None:
        raise UsageError("a token and a token file are two credentials; give one of them")
    if token is not None:
        return _sendable(token, "the token")
    if token_file is not None:
        text = read_source(token_file, _LONGEST_TOKEN).decode("utf-8-sig", "replace")
        return _sendable(text.strip(), f"the token in {token_file!r}")
    if variable in environ:
        return _sendable(environ[variable].strip(), f"the token in ${variable}")
    return None


def _sendable(token: str, name: str) -> str:
    """The token itself. Raises `UsageError` unless it can stand in a header.

    This is less strict than RFC 6750 (`contract.requests.is_bearer_token`): some APIs give out tokens such as `1|abc`.
    """
    if not token:
        raise UsageError(f"{name} is empty")
    if token.lower().startswith("bearer "):
        raise UsageError(f"{name} begins with 'Bearer'; give what follows it")
    if not all("!" <= character <= "~" for character in token):
        raise UsageError(f"{name} holds spaces, line breaks or other characters that no bearer token can have")
    return token


# --- an application -------------------------------------------------------------------------------------------------


def import_application(spec: str) -> ASGIApp:
    """The ASGI application `module:attribute`, imported with the current directory on the path."""
    module_name, colon, attributes = spec.partition(":")
    if not (module_name and colon and attributes):
        raise UsageError(f"{spec!r} does not name an application; write it as module:attribute, such as main:app")
    try:
        here = str(Path.cwd())
    except OSError:
        raise UsageError(
            "the current directory is gone, and applications are imported from it; cd to another"
        ) from None
    if here not in sys.path:
        sys.path.insert(0, here)
    found: Any = _module(module_name)
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise UsageError(
                f"the module {module_name} has no {attributes}; give the name of its application"
            ) from None
    try:
        signature(found).bind({}, None, None)
    except (TypeError, ValueError):
        raise UsageError(
            f"{spec} is not an ASGI application: it cannot be called with scope, receive and send; "
            "serve any other kind and give its address with --url"
        ) from None
    application: ASGIApp = found
    return application


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a module does when it is imported
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise UsageError(f"there is no module {error.name} here; give it as Python would import it") from None
        kind = type(error).__name__
        raise UsageError(f"the module {name} fails when it is imported ({kind}); import it alone to see why") from None
