"""Values in a JSON body: by JSON Pointer, by property name, and the ids and times among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from trunkline.contract.formats import FORMAT_CHECKS, Time, read_time
from trunkline.contract.model import DocumentedResponse, Filter, List, Operation
from trunkline.exchange import (
    Exchange,
    Json,
    NotJSON,
    Place,
    Response,
    all_places,
    cached_by_body,
    parse_json,
    read_json,
    resolve,
)

_LOWER = bytes(range(256)).lower()
_UUID_LENGTH = 36
NOTHING: Json = object()
"""The result for a place where there is no value; `None` is the value that JSON calls null."""


def json_of(exchange: Exchange) -> Json:
    """The response body as a JSON value, or `NOTHING` when it is not JSON."""
    try:
        return exchange.response.json()
    except NotJSON:
        return NOTHING


def json_value(body: bytes) -> Json:
    """A body as a JSON value, or `NOTHING` when it is not JSON. Of a name that occurs twice it has the last value."""
    try:
        return read_json(body).value
    except NotJSON:
        return NOTHING


def json_object(body: bytes) -> dict[str, Json]:
    """The JSON object that a body is; an empty one for any other body, and if a name occurs twice."""
    try:
        value = parse_json(body)
    except NotJSON:
        return {}
    return value if isinstance(value, dict) else {}


def at_pointer(value: Json, at: str) -> Json:
    """The value at a JSON Pointer, or `NOTHING`."""
    name = at[1:]
    if type(value) is dict and name in value and "/" not in name and "~" not in name and at:
        return value[name]  # the most frequent case, ten times faster
    try:
        return resolve(value, at)
    except (LookupError, ValueError):
        return NOTHING


def at_each(values: Iterable[Json], at: str) -> list[Json]:
    """The value at a JSON Pointer in each of several, or `NOTHING`."""
    name = at[1:]
    if not at or "/" in name or "~" in name:
        return [at_pointer(value, at) for value in values]
    return [value.get(name, NOTHING) if type(value) is dict else at_pointer(value, at) for value in values]


def count_at(value: Json, at: str) -> int | None:
    """The integer at a pointer, also when it is written as `7.0`, which JSON Schema accepts as an integer."""
    found = at_pointer(value, at)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def id_key(identity: Json) -> str:
    """An id as ids are compared, or "" for what cannot be one. The letters of a UUID have no case (RFC 9562 section 4).

    "." and ".." cannot be ids: in a path they are removed (RFC 3986 section 5.2.4).
    """
    if type(identity) is str:
        if len(identity) == _UUID_LENGTH and FORMAT_CHECKS["uuid"](identity):
            return identity.lower()
        return "" if identity in (".", "..") else identity
    return str(identity) if type(identity) is int else ""


def same_id(first: Json, second: Json) -> bool:
    """Whether two ids are the same: `"A1B2..."` and `"a1b2..."` are, if they are UUIDs."""
    return id_key(first) == id_key(second) != ""


def items_of(operation: Operation[List], exchange: Exchange) -> list[Json] | None:
    """The items of a page, or None when there is no array of them."""
    items = at_pointer(json_of(exchange), operation.kind.items)
    return items if isinstance(items, list) else None


def identities(operation: Operation[List], exchange: Exchange) -> list[str]:
    """The ids of the items of a page, in order. Items without an id are left out."""
    found = at_each(items_of(operation, exchange) or (), operation.kind.identity)
    return [identity for identity in found if isinstance(identity, str)]


def shown_response(operation: Operation, exchange: Exchange) -> DocumentedResponse | None:
    """The documented response for the status, if a page shows its body."""
    if exchange.request.method == "HEAD":
        return None
    found = operation.response_for(exchange.response.status)
    return found if found and found.schema and found.evidence.grade.carries_findings else None


def succeeded(operation: Operation, exchange: Exchange) -> bool:
    """Whether the status is a documented one of the 2xx class."""
    found = operation.response_for(exchange.response.status)
    return found is not None and found.key.startswith("2")


def may_have_name(body: bytes, names: Collection[str]) -> bool:
    """Whether an object of a JSON body may have a property with one of the normalized names, by a look at its bytes."""
    squeezed = body.translate(_LOWER, b"_-")
    return b"\\" in body or any(b'"%s"' % name.encode() in squeezed for name in names)


def may_hold(body: bytes, text: str) -> bool:
    """Whether a name or a string of a JSON body may have the text in it, by a look at its bytes."""
    return text.encode() in body or (b"\\" in body and any(text in known for known in _texts_of(body)))


@cached_by_body
def _texts_of(body: bytes) -> tuple[str, ...]:
    """The names and the strings of a JSON body, without their places."""
    try:
        level: list[Json] = [Response(200, (), body).json()]
    except NotJSON:
        return ()
    names: set[str] = set()
    texts: list[str] = []
    while level:
        inner: list[Json] = []
        for node in level:
            if type(node) is dict:
                names.update(node)
                inner += node.values()
            elif type(node) is list:
                inner += node
            elif type(node) is str:
                texts.append(node)
        level = inner
    return (*names, *texts)


def all_keys(value: Json) -> Iterator[tuple[Place, str]]:
    """The (place, name) of each property of a body."""
    return ((place, place[1]) for place, _ in all_places(value) if place and isinstance(place[1], str))


def all_texts(value: Json) -> Iterator[tuple[Place, str]]:
    """The (place, text) of each string value of a body."""
    return ((at, node) for at, node in all_places(value) if isinstance(node, str))


def time_at(value: Json, at: str) -> Time | None:
    """The time at a pointer, if it is a `date-time` of RFC 3339."""
    text = at_pointer(value, at)
    return read_time(text) if isinstance(text, str) else None


def satisfies(filter_: Filter, value: Json, wanted: str) -> bool | None:
    """Whether a filter for `wanted` keeps an item with this value; None when the two are not comparable times."""
    if filter_.comparison == "equal":
        return bool(value == wanted) or (isinstance(value, str) and same_id(value, wanted))
    time, bound = time_at(value, ""), time_at(wanted, "")
    if time is None or bound is None:
        return None
    return time >= bound if filter_.comparison == "from" else time <= bound
