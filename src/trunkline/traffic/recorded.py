"""One entry of recorded traffic, as every reader yields it, and how an entry that has a request becomes an exchange.

A recording may lack what its author filtered out. So a request without a credential counts as one with a credential
that is not known, and a write that the contract would refuse as a request that is not known, unless the recording says
that it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import msgspec

from trunkline.contract.http import forbids_content
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.contract.times import DATES
from trunkline.errors import UsageError
from trunkline.exchange import SAFE_METHODS, Exchange, Headers, Json, Request, Response, find, headers
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.messages import check_weight, decode, exchange_of, require_whole_body, without_placeholder

_LONGEST_TIME = 64

GENERATED = "x-schemathesis-testcaseid"
"""The header field of a request that Schemathesis has made, whose body is recorded as it was sent."""


class Entry(NamedTuple):
    """An exchange, or the reason why there is none: `Entry("session.har:120 (#/log/entries/3)", 1795888800.5, found)`.

    `place` names the file, and where the entry is in it. `time` is the Unix time of the request, or None if it is not
    known.
    """

    place: str
    time: float | None
    exchange: Exchange | UsageError


def unix_time(text: object) -> float | None:
    """The Unix time of a text by ISO 8601 or RFC 9110, or of a `datetime`; or None. Without an offset it is UTC.

    >>> unix_time("1970-01-01T01:00:00.5+01:00"), unix_time("Thu, 01 Jan 1970 00:00:02 GMT"), unix_time("yesterday")
    (0.5, 2.0, None)
    """
    if isinstance(text, datetime):
        return (text if text.tzinfo else text.replace(tzinfo=UTC)).timestamp()
    if not isinstance(text, str) or len(text) > _LONGEST_TIME:
        return None
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = parse(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, TypeError, IndexError):
            pass
    return None


def time_of(recorded: object, received: Headers) -> float | None:
    """The time that a recording states, or else the `date` of the response."""
    stated = unix_time(recorded)
    return unix_time(find(received, "date")) if stated is None else stated


class Recorded(NamedTuple):
    """A request and its response as a recording has them; `url` is the whole address."""

    method: str
    url: str
    headers: Headers
    body: bytes
    response: Response
    time: float | None
    complete: bool = False
    """Whether nothing was left out of the request: a credential that it lacks was not sent, nor was a field."""


def parse(data: bytes) -> Json:
    """The value of a JSON text. Raises `UsageError` for one that is none, or that would take too much memory."""
    check_weight(data)
    with suppress(ValueError, RecursionError):
        return msgspec.json.decode(data)
    try:
        return json.loads(data)  # which takes halves of surrogates, and numbers that no double holds
    except (ValueError, RecursionError):
        raise UsageError("it is not JSON that can be read; it may be cut off") from None


def read_entry(
    value: Json,
    place: str,
    read: Callable[[Json], Recorded],
    addresses: Addresses,
    parse: Callable[[bytes], Json] = parse,
) -> Entry:
    """The entry of a value, or of a JSON text, with a `request` and a `response`."""
    time = None
    try:
        found = parse(value) if isinstance(value, bytes) else value
        request = found["request"]
        addresses.path_of(text_of(request["method"]), text_of(request["url"] if "url" in request else request["uri"]))
        recorded = read(found)
        if recorded.time is not None and DATES[0] <= recorded.time <= DATES[-1]:  # a recording may state others
            time = recorded.time
        exchange: Exchange | UsageError = recorded_exchange(addresses, recorded)
    except UsageError as error:
        exchange = error
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
        exchange = UsageError("it has no request and response as such recordings have them")
    return Entry(place, time, exchange)


def recorded_exchange(addresses: Addresses, recorded: Recorded) -> Exchange:
    """The exchange with a vendor, as far as its parts are known.

    Raises `NoOperation` if the request is not one of the contract, and `UsageError` if it cannot be judged.
    """
    method, url, fields, body, response, _, complete = recorded
    path, query = addresses.path_of(method, url)
    if not 100 <= response.status < 600:
        raise UsageError("it has no response: the request was blocked or interrupted")
    request = Request(method, path, query, fields, body)
    request, credential_known = (request, True) if complete else without_placeholder(request)
    is_whole = complete or method in SAFE_METHODS or request.header(GENERATED) is not None
    plausible = is_whole or not reasons_to_refuse(addresses.contract, request)
    decoded = decode(response)
    response = require_whole_body(decoded, len(response.body)) if has_content(method, response.status) else decoded
    exchange = exchange_of(request, response, credential_known=credential_known, body_known=plausible)
    exchange = replace(exchange, base=addresses.base_of(url, path))
    return exchange if response.headers else replace(exchange, known=exchange.known - {"headers"})


def has_content(method: str, status: int) -> bool:
    """Whether a recording holds the body of such a response. That of a redirection is not kept by browsers."""
    return status // 100 != 3 and not forbids_content(method, status)


def pairs(given: Iterable[tuple[Json, Json]]) -> Headers:
    """Header fields, without the pseudo-headers of HTTP/2."""
    return headers((text_of(name), text_of(value)) for name, value in given if not text_of(name).startswith(":"))


def text_of(value: Json) -> str:
    """A text, which YAML may hold as bytes. Raises `TypeError` for other values."""
    return value if isinstance(value, str) else bytes_of(value).decode("latin-1")


def bytes_of(value: Json) -> bytes:
    """The bytes of a body: a text, bytes, or None for none. Raises `TypeError` for other values."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    raise TypeError(value)
