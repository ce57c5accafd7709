"""Read recordings that hold requests too: HAR files, and cassettes of vcrpy, Betamax and VCR.

A recording may lack what its author filtered out. So a request without a credential counts as one with a credential
that is not known, and a write that the contract would refuse as a request that is not known.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from trunkline.contract.http import forbids_content
from trunkline.contract.model import Contract
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.errors import UsageError
from trunkline.exchange import SAFE_METHODS, Exchange, Headers, Json, Request, Response, headers
from trunkline.traffic import WHOLE
from trunkline.traffic.messages import (
    content_length,
    decode,
    exchange_of,
    request_below_base,
    require_whole_body,
    without_placeholder,
)
from trunkline.traffic.recorded import Entry, time_of

_NOT_HTTP = frozenset({"about", "blob", "chrome", "chrome-extension", "data", "file", "moz-extension", "ws", "wss"})
"""The schemes of addresses that browsers record, and that are no requests to an API."""


class Recorded(NamedTuple):
    """A request and its response as a recording has them; `url` is the whole address."""

    method: str
    url: str
    headers: Headers
    body: bytes
    response: Response
    time: float | None


class _Log(Struct):
    entries: list[Raw]


class _Archive(Struct):
    """The members that tell a recording from other JSON. Its entries are parsed one by one, as there may be many."""

    log: _Log | None = None
    interactions: list[Raw] | None = None
    http_interactions: list[Raw] | None = None


def read_json_archive(data: bytes, contract: Contract) -> Iterator[Entry] | None:
    """The entries of a recording in JSON, placed by their pointers; None for any other data."""
    try:
        archive = msgspec.json.decode(data, type=_Archive)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if archive.log is not None:
        return _entries(archive.log.entries, "#/log/entries", _har_entry, contract)
    return _cassette({"interactions": archive.interactions, "http_interactions": archive.http_interactions}, contract)


def read_yaml_archive(value: Json, contract: Contract) -> Iterator[Entry] | None:
    """The exchanges of a cassette in YAML, which was parsed to a value; None for any other value."""
    return _cassette(value, contract) if isinstance(value, dict) else None


def _cassette(value: dict[str, Json], contract: Contract) -> Iterator[Entry] | None:
    """The exchanges of vcrpy, or under the other key those of Betamax and VCR."""
    for key in ("interactions", "http_interactions"):
        if isinstance(value.get(key), list):
            return _entries(value[key], f"#/{key}", _interaction, contract)
    return None


def _entries(entries: list[Json], at: str, read: Callable[[Json], Recorded], contract: Contract) -> Iterator[Entry]:
    others: Counter[str] = Counter()
    for index, entry in enumerate(entries):
        time = None
        try:
            value = json.loads(bytes(entry)) if isinstance(entry, Raw) else entry
            scheme = _text(value["request"].get("url")).partition(":")[0].lower()
            if scheme in _NOT_HTTP:
                others[scheme] += 1
                continue
            recorded = read(value)
            time = recorded.time
            found: Exchange | UsageError = recorded_exchange(contract, recorded)
        except UsageError as error:
            found = error
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            found = UsageError("it has no request and response as such recordings have them")
        yield Entry(f"{at}/{index}", time, found)
    if others:
        listed = ", ".join(f"{count} of {scheme}:" for scheme, count in sorted(others.items()))
        yield Entry(at, None, UsageError(f"entries that are no requests to an API were left out: {listed}"))


def recorded_exchange(contract: Contract, recorded: Recorded) -> Exchange:
    """The exchange with a vendor, as far as its parts are known. Raises `UsageError` if it cannot be judged."""
    method, url, fields, body, response, _ = recorded
    if not 100 <= response.status < 600:
        raise UsageError("it has no response: the request was blocked or interrupted")
    request = request_below_base(contract, method, url, fields, body)
    if request is None or not contract.match(request.path)[0]:
        address = urlsplit(url)
        host = address.netloc.rpartition("@")[2]
        shown = address._replace(netloc=host, query="", fragment="")  # a user name and a query may be secrets
        return Exchange(Request(method, shown.geturl()), response, WHOLE)
    request, credential_known = without_placeholder(request)
    plausible = method in SAFE_METHODS or not reasons_to_refuse(contract, request)
    decoded = decode(response)
    response = require_whole_body(decoded, len(response.body)) if _has_content(method, response.status) else decoded
    exchange = exchange_of(request, response, credential_known=credential_known, body_known=plausible)
    return exchange if response.headers else replace(exchange, known=exchange.known - {"headers"})


def _has_content(method: str, status: int) -> bool:
    """Whether a recording holds the body of such a response. That of a redirection is not kept by browsers."""
    return status // 100 != 3 and not forbids_content(method, status)


# --- HAR ------------------------------------------------------------------------------------------------------------


def _har_entry(entry: Json) -> Recorded:
    """An entry of HAR 1.2. Its bodies are decoded, its headers are as they were sent."""
    request, response = entry["request"], entry["response"]
    method, status = _text(request["method"]), int(response["status"])
    content = response.get("content") or {}
    text = content.get("text")
    body = base64.b64decode(text or "") if content.get("encoding") == "base64" else _bytes(text)
    sent = _bytes((request.get("postData") or {}).get("text"))
    fields = [
        _pairs((field["name"], field["value"]) for field in message["headers"]) for message in (request, response)
    ]
    sizes = (content.get("size", 0), response.get("bodySize", 0), content_length(fields[1]) or 0)
    if text is None and max(sizes) > 0 and _has_content(method, status):
        raise UsageError("it has no body; save the HAR with content")
    time = time_of(entry.get("startedDateTime"), fields[1])
    return Recorded(method, _text(request["url"]), fields[0], sent, Response(status, fields[1], body), time)


# --- cassettes ------------------------------------------------------------------------------------------------------


def _interaction(interaction: Json) -> Recorded:
    """An interaction of a cassette. The value of a header is a text or a list of them."""
    request, response = interaction["request"], interaction["response"]
    received = Response(int(response["status"]["code"]), _fields(response), _body(response))
    time = time_of(interaction.get("recorded_at"), received.headers)
    return Recorded(_text(request["method"]), _text(request["uri"]), _fields(request), _body(request), received, time)


def _fields(message: Json) -> Headers:
    fields = (message.get("headers") or {}).items()
    return _pairs((name, value) for name, given in fields for value in (given if isinstance(given, list) else [given]))


def _body(message: Json) -> bytes:
    body = message.get("body")
    if isinstance(body, dict):
        coded = body.get("base64_string")
        return base64.b64decode(coded) if coded is not None else _bytes(body.get("string"))
    return _bytes(body)


# --- both -----------------------------------------------------------------------------------------------------------


def _pairs(pairs: Iterable[tuple[Json, Json]]) -> Headers:
    """Header fields, without the pseudo-headers of HTTP/2."""
    return headers((_text(name), _text(value)) for name, value in pairs if not _text(name).startswith(":"))


def _text(value: Json) -> str:
    return (
        _bytes(value).decode("latin-1") if isinstance(value, bytes) else _bytes(value).decode("utf-8", "surrogatepass")
    )


def _bytes(value: Json) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    raise TypeError(value)
