"""Owns what a server is told from outside the vendors' APIs: `POST /_trunkline/reset` puts its mocks back.

    curl -X POST -H 'x-trunkline: reset' 'http://127.0.0.1:8900/_trunkline/reset?vendor=acme'

Nobody needs a credential for it on the same machine, so it is guarded against the pages that a browser there shows:
no page of another origin can send the header `x-trunkline` without being allowed to, which nobody is, and a page whose
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

from trunkline.errors import StorageError, UsageError
from trunkline.exchange import Headers, Json, Request, Response
from trunkline.findings import to_text, truncate
from trunkline.mock import Mock

log = logging.getLogger("trunkline.transport.admin")

BASE = "/_trunkline"
"""The reserved path, at the server's root: no vendor lives there."""

RESET = "/reset"
HEADER = ("x-trunkline", "reset")
"""The header field with which a reset is meant, and not the accident of a web page."""

TOKEN_VARIABLE = "TRUNKLINE_ADMIN_TOKEN"

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
_BEARER = re.compile(r"(?i:bearer) +(\S+)")
_PORT = re.compile(r":[0-9]*$")


class Admin(Protocol):
    """Answers a request below `BASE` that came from the address `client`."""

    def __call__(self, request: Request, client: str) -> Response: ...


def admin(mocks: Mapping[str, Mock], token: str | None = None) -> Admin:
    """What answers for the mocks of a server, by their vendors' names: to this machine, or to those with the token."""
    secret = None if token is None else sound(token)

    def answer(request: Request, client: str) -> Response:
        if request.path != RESET:
            return _said(404, f"there is nothing here; POST {BASE}{RESET} returns the mocks to their fixtures")
        if request.method != "POST":
            return _said(405, f"{request.method} is not allowed here; send POST", ("allow", "POST"))
        refusal = _shut(request, client) if secret is None else _unproved(request, secret)
        return refusal or _reset(mocks, request.query)

    return answer


def sound(token: str) -> str:
    """The token. Raises `UsageError` unless it can be sent as a bearer token (RFC 6750, section 2.1)."""
    if not _TOKEN.fullmatch(token):
        raise UsageError("the admin token is empty or holds what no bearer token can; make it of letters and digits")
    return token


def is_loopback(host: str) -> bool:
    """Whether a name or an address is that of the machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _shut(request: Request, client: str) -> Response | None:
    """Why a request without a token is not obeyed."""
    hosts = [value for name, value in request.headers if name == "host"]
    if not is_loopback(client):
        way = f"start the server with --admin-token (or ${TOKEN_VARIABLE}) to do it from elsewhere"
        return _said(403, f"only clients on the server's own machine may do this; {way}")
    if len(hosts) != 1 or not is_loopback(_PORT.sub("", hosts[0]).strip("[]")):
        return _said(403, "the Host names another machine; send the request to 127.0.0.1 or localhost")
    if request.header(HEADER[0]) != HEADER[1]:
        return _said(403, f"the header field '{HEADER[0]}: {HEADER[1]}' is missing; it keeps web pages from doing this")
    return None


def _unproved(request: Request, secret: str) -> Response | None:
    """Why a request does not prove that its sender knows the token; how much of it is right takes no time."""
    found = _BEARER.fullmatch(request.header("authorization") or "")
    if found and hmac.compare_digest(found[1].encode("utf-8", "replace"), secret.encode()):
        return None
    challenge = ("www-authenticate", "Bearer")
    return _said(401, "the admin token is missing or wrong; send it as: Authorization: Bearer <token>", challenge)


def _reset(mocks: Mapping[str, Mock], query: str) -> Response:
    words = parse_qsl(query, keep_blank_values=True)
    if any(name != "vendor" for name, _ in words):
        return _said(400, "the query may hold nothing but vendor=NAME, once for each vendor to be reset")
    chosen = [*dict.fromkeys(value for _, value in words)] or [*mocks]
    for name in chosen:
        if name not in mocks:
            return _said(
                404, f"{truncate(to_text(name), 40)} is no vendor that is served here; there are: {', '.join(mocks)}"
            )
    for name in chosen:
        try:
            mocks[name].reset()
        except StorageError as error:
            log.error("%s", error)  # noqa: TRY400 - it is a sentence
            return _said(507, f"{name} was not reset: {error}")
        log.info("%s is back at its fixtures", name)
    return _answer(200, {"reset": chosen})


def _said(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    return _answer(status, {"error": sentence}, headers)


def _answer(status: int, body: Json, headers: Headers = ()) -> Response:
    return Response(status, (("content-type", "application/json"), *headers), json.dumps(body).encode())
