"""Parts of an outgoing message: the encoded request target, the header fields, the time for an answer."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import trunkline
from trunkline.contract.http import FIELD_VALUE, TOKEN
from trunkline.contract.times import DAY
from trunkline.errors import UsageError
from trunkline.exchange import Request

MAX_BODY = 16 << 20
"""The most bytes of a body that are read, before and after decompression, unless the caller chooses another bound."""

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def encode_target(target: str) -> str:
    """The target with percent-encoding only where it is needed: `/a b/%2e%2E//é` -> `/a%20b/%2e%2E//%C3%A9`."""
    return quote(target, safe=_PRINTABLE, errors="surrogatepass")


def header_fields(request: Request, host: str) -> list[tuple[bytes, bytes]]:
    """The header fields to send: defaults for those that the request leaves open, then its own.

    Raises `UsageError` for a method, a name or a value that would break the message; it never quotes a value.
    """
    if not TOKEN.fullmatch(request.method):
        raise UsageError(f"{request.method!r} cannot be sent as a method (RFC 9110, section 9.1)")
    for name, value in request.headers:
        if not TOKEN.fullmatch(name):
            raise UsageError(f"{name!r} cannot be sent as the name of a header field (RFC 9110, section 5.1)")
        if not FIELD_VALUE.fullmatch(value):
            raise UsageError(f"the value of the header field {name} cannot be sent (RFC 9110, section 5.5)")
    own = [(name.encode(), value.strip(" \t").encode("latin-1")) for name, value in request.headers]
    names = {name for name, _ in own}
    defaults = [
        (b"host", host.encode()),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip"),
        (b"user-agent", f"trunkline/{trunkline.__version__}".encode()),
    ]
    if (request.body or request.method in {"POST", "PUT", "PATCH"}) and b"transfer-encoding" not in names:
        defaults.append((b"content-length", b"%d" % len(request.body)))
    return [(name, value) for name, value in defaults if name not in names] + own


def http_time(text: str | None) -> float | None:
    """The Unix time of an HTTP-date in any of its three forms (RFC 9110, section 5.6.7), or None for any other text."""
    with suppress(ValueError, OverflowError, LookupError, TypeError):  # the parser has no one kind of error
        found = parsedate_to_datetime(text or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


def check_timeout(seconds: float) -> float:
    """The timeout itself. Raises `UsageError` unless it is above zero and at most one day."""
    if not 0 < seconds <= DAY:
        raise UsageError(f"a timeout of {seconds:g} s cannot be kept; give a number above 0, at most {DAY}")
    return seconds
