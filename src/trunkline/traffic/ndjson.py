"""Read rows in trunkline's own shape: one exchange in each, as a line of NDJSON or as a dict (docs/traffic.md)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from trunkline.errors import UsageError
from trunkline.exchange import Headers, Json, Response
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.messages import check_weight, content_length
from trunkline.traffic.recorded import (
    Entry,
    Recorded,
    bytes_of,
    has_content,
    pairs,
    parse,
    read_entry,
    text_of,
    time_of,
)

_Body = TypeVar("_Body")


class _Message(msgspec.Struct, Generic[_Body]):
    """A request or a response."""

    method: Any = None
    url: Any = None
    status: Any = None
    headers: Any = None
    body: _Body = None  # type: ignore[assignment]  # as a body that is null
    body_base64: Any = None


class _Line(msgspec.Struct, Generic[_Body]):
    request: _Message[_Body]
    response: _Message[_Body]
    time: Any = None
    complete: Any = None


_LINES = msgspec.json.Decoder(_Line[str | None]), msgspec.json.Decoder(_Line[msgspec.Raw])
"""For lines whose bodies are texts, and for all: a body that is a JSON value is judged byte for byte."""


def read_line(data: bytes, place: str, addresses: Addresses) -> Iterator[Entry]:
    """The entry of a line."""
    yield read_entry(data, place, _recorded, addresses, _row)


def read_row(row: Json, place: str, addresses: Addresses) -> Entry:
    """The entry of a dict with the members of a line."""
    return read_entry(row, place, _recorded, addresses)


def _row(data: bytes) -> Json:
    check_weight(data)
    for lines in _LINES:
        try:
            line = lines.decode(data)
        except ValueError:
            continue
        members = {name: getattr(line, name) for name in line.__struct_fields__}
        return members | {"request": _members(line.request), "response": _members(line.response)}
    return parse(data)


def _members(message: _Message[Any]) -> Json:
    members = {name: getattr(message, name) for name in message.__struct_fields__}
    if isinstance(message.body, msgspec.Raw):
        written = bytes(message.body)
        members["body"] = written if written.startswith((b"{", b"[")) else parse(written)
    return {name: value for name, value in members.items() if value is not None}


def _recorded(row: Json) -> Recorded:
    request, response = row["request"], row["response"]
    method, url = text_of(request["method"]), text_of(request["url"])
    status, received = int(response["status"]), _fields(response.get("headers"))
    body = _body(response)
    if body is None and content_length(received) != 0 and has_content(method, status):
        raise UsageError("it has no body; record it again with the bodies")
    answer = Response(status, received, body or b"")
    sent = _fields(request.get("headers"))
    time, complete = time_of(row.get("time"), received), row.get("complete") is True
    return Recorded(method, url, sent, _body(request) or b"", answer, time, complete)


def _fields(given: Json) -> Headers:
    """Header fields from pairs, or from an object whose values are texts or lists of them."""
    if isinstance(given, dict):
        return pairs(
            (name, each)
            for name, value in given.items()
            if value is not None  # a table has the columns of all its rows
            for each in ([value], value)[isinstance(value, list)]
        )
    return pairs((name, value) for name, value in given or ())


def _body(message: Json) -> bytes | None:
    """The body of a message, or None if it is not known."""
    coded, body = message.get("body_base64"), message.get("body")
    if coded is not None:
        return base64.b64decode(coded)
    if isinstance(body, dict | list):
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return None if body is None else bytes_of(body)
