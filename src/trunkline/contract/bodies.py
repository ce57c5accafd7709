"""Owns looking into a body: what stands where, the items and ids of a page, its keys and texts."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from datetime import datetime

from trunkline import redaction
from trunkline.contract.model import DocumentedResponse, Filter, Operation
from trunkline.exchange import Exchange, Json, NotJSON, parse_json, pointer, resolve
from trunkline.findings import Grade

NOTHING: Json = object()
"""What stands at a place where nothing stands; JSON has a null of its own."""


def json_of(exchange: Exchange) -> Json:
    """The answer's body as a JSON value, or `NOTHING` when it is none."""
    try:
        return exchange.response.json()
    except NotJSON:
        return NOTHING


def at_pointer(value: Json, at: str) -> Json:
    """What stands at a JSON Pointer, or `NOTHING`."""
    try:
        return resolve(value, at)
    except (LookupError, ValueError):
        return NOTHING


def count_at(value: Json, at: str) -> int | None:
    """The whole number at a pointer, also when it is written as `7.0`, which JSON Schema takes for an integer too."""
    found = at_pointer(value, at)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def identities(operation: Operation, exchange: Exchange) -> list[str]:
    """The ids of the items of a page, in order; items without one are passed over."""
    listing = operation.listing
    items = at_pointer(json_of(exchange), listing.items) if listing else NOTHING
    found = (at_pointer(item, listing.identity) for item in items) if listing and isinstance(items, list) else ()
    return [identity for identity in found if isinstance(identity, str)]


def shown_answer(operation: Operation, exchange: Exchange) -> DocumentedResponse | None:
    """The documented response of the status, if a page shows its body."""
    if exchange.request.method == "HEAD":
        return None
    found = operation.response_for(exchange.response.status)
    return found if found and found.schema and found.evidence.grade is not Grade.DECISION else None


def succeeded(operation: Operation, exchange: Exchange) -> bool:
    """Whether the status is a documented one of the 2xx class."""
    found = operation.response_for(exchange.response.status)
    return found is not None and found.key.startswith("2")


def all_keys(value: Json) -> Iterator[tuple[str, str]]:
    """Each (place, property name) of a body."""
    for at, node in all_places(value):
        if isinstance(node, dict):
            for key in node:
                yield at + pointer((key,)), key


def all_texts(value: Json) -> Iterator[tuple[str, str]]:
    """Each (place, text) of a body."""
    for at, node in all_places(value):
        if isinstance(node, str):
            yield at, node


def all_places(value: Json) -> Iterator[tuple[str, Json]]:
    """Each (place, value) of a body, itself among them."""
    stack = [("", value)]
    while stack:
        at, node = stack.pop()
        yield at, node
        if isinstance(node, dict):
            stack += [(at + pointer((key,)), inner) for key, inner in node.items()]
        elif isinstance(node, list):
            stack += [(f"{at}/{index}", inner) for index, inner in enumerate(node)]


def time_at(value: Json, at: str) -> datetime | None:
    """The time at a pointer, if it is an RFC 3339 time with an offset."""
    text = at_pointer(value, at)
    try:
        found = datetime.fromisoformat(text.upper()) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def sent_secrets(body: bytes, names: Collection[str]) -> set[str]:
    """The texts that a body holds under the names of secrets, at any depth, given twice or cut off."""
    text = body.decode("utf-8", "replace")
    found = {value for name in names for value in re.findall(rf'"{re.escape(name)}"\s*:\s*"([^"\\]+)"', text)}
    try:
        sent = parse_json(body)
    except NotJSON:
        return found
    wanted = {redaction.normalized(name) for name in names}
    pairs = (pair for _, node in all_places(sent) if isinstance(node, dict) for pair in node.items())
    return found | {value for key, value in pairs if redaction.normalized(key) in wanted and isinstance(value, str)}


def masked(body: bytes, names: Collection[str]) -> bytes:
    """A JSON body with `***` for each value under the name of a secret, at any depth; any other body as it is."""
    try:
        sent = parse_json(body)
    except NotJSON:
        return body
    shown = redaction.mask_fields(sent, names)
    return body if shown == sent else json.dumps(shown, ensure_ascii=False).encode("utf-8", "backslashreplace")


def satisfies(said: Filter, has: Json, wanted: str) -> bool | None:
    """Whether a value is what a filter asks for; None when it is a time that cannot be compared."""
    if said.how == "equal":
        return bool(has == wanted)
    time, bound = time_at(has, ""), time_at(wanted, "")
    if time is None or bound is None:
        return None
    return time >= bound if said.how == "from" else time <= bound
