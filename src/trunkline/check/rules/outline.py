"""Compiled response schemas, to find objects to check in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from trunkline.contract.model import DocumentedResponse, List, Operation
from trunkline.exchange import Exchange, Json, NotJSON, Response, cached_by_body, pointer


@dataclass(frozen=True, slots=True)
class Outline:
    """The checks for the values at one place of a response schema.

    `names` are the expected properties of an object, None if any are allowed. `ordered` are pairs of JSON Pointers to
    two times, the earlier first. `children` and `items` are the outlines of properties and array items with checks.
    """

    names: frozenset[str] | None
    ordered: tuple[tuple[str, str], ...]
    children: tuple[tuple[str, Outline], ...]
    items: Outline | None


class Alike(NamedTuple):
    """The objects at the places of a body that have the same outline, and the names that occur in any of them."""

    outline: Outline
    objects: list[dict[str, Json]]
    names: set[str]


def objects_of(operation: Operation, response: DocumentedResponse, exchange: Exchange) -> list[Alike]:
    """The objects of the body that the schema of the response describes."""
    return _objects(operation, response.key, exchange.response.body)


@cached_by_body
def _objects(operation: Operation, key: str, body: bytes) -> list[Alike]:
    found: list[Alike] = []
    try:
        stack = [(_outline(operation, key), [Response(200, (), body).json()])]
    except NotJSON:
        return found
    while stack:
        outline, values = stack.pop()
        objects = [value for value in values if type(value) is dict]
        if objects:
            found.append(Alike(outline, objects, set().union(*objects)))
        for name, child in outline.children:
            stack.append((child, [value[name] for value in objects if name in value]))
        if outline.items is not None:
            stack.append((outline.items, [item for value in values if type(value) is list for item in value]))
    return found


def allowed_extras(operation: Operation, at: str) -> frozenset[str]:
    """The properties of other views of the same item, which are allowed within an item.

    The documentation does not say whether a view shows the whole item.
    """
    kind = operation.kind
    item = f"{kind.items}/" if isinstance(kind, List) else kind.item
    return views(operation) if item is not None and at.startswith(item) else frozenset()


@lru_cache(maxsize=256)
def views(operation: Operation) -> frozenset[str]:
    """The properties that any operation on the same resource documents for its items."""
    return frozenset(name for other in operation.same_resource for name in other.view)


@lru_cache(maxsize=256)
def _outline(operation: Operation, key: str) -> Outline:
    schema = operation.contract.schema_at(operation.responses[key].schema, "")
    return _compiled(operation, schema, "") or Outline(None, (), (), None)


def _compiled(operation: Operation, schema: Mapping[str, Json], at: str) -> Outline | None:
    """The outline of a schema, or None if there are no checks in it."""
    properties = schema.get("properties", {})
    pairs = ((name, _compiled(operation, child, at + pointer((name,)))) for name, child in properties.items())
    children = tuple((name, child) for name, child in pairs if child is not None)
    items = _compiled(operation, schema["items"], f"{at}/0") if "items" in schema else None
    ordered = schema.get("x-trunkline", {}).get("ordered", ())
    if not properties and items is None and not ordered:
        return None
    names = frozenset(properties) | allowed_extras(operation, at) if properties else None
    return Outline(names, tuple((pair["first"], pair["then"]) for pair in ordered), children, items)
