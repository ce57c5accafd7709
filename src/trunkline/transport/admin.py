"""The admin requests of a server: `POST /_trunkline/reset` returns its mocks to their fixtures.

    curl -X POST -H 'x-trunkline: reset' 'http://127.0.0.1:8900/_trunkline/reset?vendor=acme'

On the same machine no credential is needed. Two checks keep web pages in a browser there from doing it: a page of
another origin cannot send the header `x-trunkline` without permission (CORS), which is never given; and a page whose
name was pointed at this machine (DNS rebinding) sends that name as `Host`. With a token, only the token counts.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl

from trunkline.contract.requests import bearer_token, is_bearer_token
from trunkline.errors import StorageError, UsageError
from trunkline.exchange import Headers, Json, Request, Response
from trunkline.findings import to_text, truncate
from trunkline.mock import Mock

log = logging.getLogger("trunkline.transport.admin")

BASE = "/_trunkline"
"""The reserved path at the server's root. No vendor may use it."""

RESET = "/reset"
HEADER = ("x-trunkline", "reset")
"""The header field that every request needs which has no token."""

TOKEN_VARIABLE = "TRUNKLINE_ADMIN_TOKEN"

_HOST = re.compile(r"(?:\[([^][]*:[^][]*)\]|([^][:]+))(?::[0-9]*)?")
"""A name or an address, with a port or without; only an IPv6 address is in brackets."""


class Admin(Protocol):
    """Answers a request below `BASE` from the address `client`."""

    def __call__(self, request: Request, client: str) -> Response: ...


def admin(mocks: Mapping[str, Mock], token: str | None = None) -> Admin:
    """Answer admin requests for mocks, by vendor name: from this machine only or, given a `token`, from its holders."""
    secret = None if token is None else check_token(token)

    def answer(request: Request, client: str) -> Response:
        if request.path != RESET:
            return _error(404, f"there is nothing here; POST {BASE}{RESET} returns the mocks to their fixtures")
        if request.method != "POST":
            return _error(405, f"{request.method} is not allowed here; send POST", ("allow", "POST"))
        refusal = _refuse_without_token(request, client) if secret is None else _refuse_token(request, secret)
        return refusal or _reset(mocks, request.query)

    return answer


def check_token(token: str) -> str:
    """The token itself. Raises `UsageError` unless it can be sent as a bearer token (RFC 6750, section 2.1)."""
    if not is_bearer_token(token):
        raise UsageError("the admin token is empty or holds what no bearer token can; make it of letters and digits")
    return token


def is_loopback(host: str) -> bool:
    """Whether a host name or an address is that of the machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _refuse_without_token(request: Request, client: str) -> Response | None:
    """The refusal of a request to a server without a token, or None."""
    hosts = [value for name, value in request.headers if name == "host"]
    if not is_loopback(client):
        way = f"start the server with --admin-token (or ${TOKEN_VARIABLE}) to do it from elsewhere"
        return _error(403, f"only clients on the server's own machine may do this; {way}")
    host = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if host is None or not is_loopback(host[1] or host[2]):
        return _error(403, "the Host names another machine; send the request to 127.0.0.1 or localhost")
    if request.header(HEADER[0]) != HEADER[1]:
        return _error(
            403, f"the header field '{HEADER[0]}: {HEADER[1]}' is missing; it keeps web pages from doing this"
        )
    return None


def _refuse_token(request: Request, secret: str) -> Response | None:
    """The refusal of a request with a wrong token or none, or None. The comparison takes constant time."""
    token = bearer_token(request.header("authorization"))
    if token and hmac.compare_digest(token, secret):
        return None
    challenge = ("www-authenticate", 'Bearer realm="trunkline"')
    return _error(401, "the admin token is missing or wrong; send it as: Authorization: Bearer <token>", challenge)


def _reset(mocks: Mapping[str, Mock], query: str) -> Response:
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(name != "vendor" for name, _ in pairs):
        return _error(400, "the query may hold nothing but vendor=NAME, once for each vendor to be reset")
    chosen = [*dict.fromkeys(value for _, value in pairs)] or [*mocks]
    for name in chosen:
        if name not in mocks:
            return _error(
                404, f"{truncate(to_text(name), 40)} is no vendor that is served here; there are: {', '.join(mocks)}"
            )
    for name in chosen:
        try:
            mocks[name].reset()
        except StorageError as error:
            log.error("%s", error)  # noqa: TRY400 - one sentence, no traceback
            return _error(507, f"{name} was not reset: {error}")
        log.info("%s was reset to its fixtures", name)
    return _answer(200, {"reset": chosen})


def _error(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    return _answer(status, {"error": sentence}, headers)


def _answer(status: int, body: Json, headers: Headers = ()) -> Response:
    return Response(status, (("content-type", "application/json"), *headers), json.dumps(body).encode())
