"""Who may use the admin surface of a server, below its reserved path `/_trunkline`.

Without a token, only clients on the same machine. Three checks keep web pages in a browser there out:

- A change needs the header `x-trunkline`, which a page of another origin may send only after a permission (CORS) that
  is never given.
- A request with a foreign `Origin` is refused.
- So is a request whose `Host` is not this machine (DNS rebinding).

With a token, only the token counts: as `Authorization: Bearer` for programs, or as the password of `Basic` for
browsers. Browsers send the latter by themselves, so such a change needs the header `x-trunkline` too.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from contextlib import suppress

from trunkline.contract.requests import bearer_token, is_bearer_token
from trunkline.errors import UsageError
from trunkline.exchange import Headers, find
from trunkline.transport.addresses import is_loopback

RESERVED = "/_trunkline"
"""The reserved path at the server's root. No vendor may use it."""

RESET = "/reset"
HEADER = ("x-trunkline", "yes")
"""Every change without a bearer token needs this header field; its value does not matter."""

ADMIN_TOKEN_VARIABLE = "TRUNKLINE_ADMIN_TOKEN"

SAFE = frozenset(("GET", "HEAD"))
"""The methods of the admin surface that change nothing."""
_HOST = re.compile(r"(?:\[([^][]*:[^][]*)\]|([^][:]+))(?::[0-9]*)?")
"""A name or an address, with a port or without; only an IPv6 address is in brackets."""
_CHALLENGES = (("www-authenticate", 'Bearer realm="trunkline"'), ("www-authenticate", 'Basic realm="trunkline"'))


class RequestRefused(Exception):
    """A request that is refused: its status, a sentence, and header fields."""

    def __init__(self, status: int, sentence: str, headers: Headers = ()) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


def check_access(method: str, headers: Headers, client: str, token: str | None) -> None:
    """Raise `RequestRefused` unless the client at the address `client` may send such a request."""
    if token is None:
        _check_machine(headers, client)
    elif _check_token(find(headers, "authorization"), token) == "bearer":
        return
    if method not in SAFE and not find(headers, HEADER[0]):
        raise RequestRefused(
            403, f"the header field '{HEADER[0]}: {HEADER[1]}' is missing; it keeps web pages from doing this"
        )
    _check_origin(headers)


def check_token(token: str) -> str:
    """The token itself. Raises `UsageError` unless it can be sent as a bearer token (RFC 6750, section 2.1)."""
    if not is_bearer_token(token):
        raise UsageError("the admin token is empty or holds what no bearer token can; make it of letters and digits")
    return token


def _check_machine(headers: Headers, client: str) -> None:
    if not is_loopback(client):
        way = f"start the server with --admin-token (or ${ADMIN_TOKEN_VARIABLE}) to do it from elsewhere"
        raise RequestRefused(403, f"only clients on the server's own machine may do this; {way}")
    hosts = [value for name, value in headers if name == "host"]
    host = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if host is None or not is_loopback(host[1] or host[2]):
        raise RequestRefused(403, "the Host names another machine; send the request to 127.0.0.1 or localhost")


def _check_origin(headers: Headers) -> None:
    """A page's requests carry its origin: only a page of this server itself may send any."""
    host = (find(headers, "host") or "").lower()
    for origin in (value for name, value in headers if name == "origin"):
        if origin.lower() not in {f"http://{host}", f"https://{host}"}:
            raise RequestRefused(403, "the Origin is another web page; only the server's own page may do this")


def _check_token(authorization: str | None, token: str) -> str:
    """The scheme in which the right token was sent. The comparison takes constant time."""
    sent, scheme = bearer_token(authorization), "bearer"
    name, _, basic = (authorization or "").partition(" ")
    if not sent and name.lower() == "basic":
        scheme = "basic"
        with suppress(ValueError):
            sent = b64decode(basic.strip(), validate=True).decode().partition(":")[2]
    if sent and hmac.compare_digest(sent.encode(), token.encode()):
        return scheme
    sentence = "the admin token is missing or wrong; send it as: Authorization: Bearer <token>"
    raise RequestRefused(401, sentence, _CHALLENGES)
