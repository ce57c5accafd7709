"""Requests that a vendor's mock answers with success, one for each documented operation, made from the data alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from trunkline.contract.model import Operation
from trunkline.exchange import Headers, Json, Request, resolve
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor
from trunkline.mock.world import facts

FREE: Mapping[str, Json] = {"sip_username": "trunkline-0123456789", "number": "+12025550177"}
"""Values that no record of the fixtures has, for the inputs that no two things share."""


def bearer(token: str) -> Headers:
    return (("authorization", f"Bearer {token}"),)


def example(operation: Operation) -> dict[str, Json]:
    """The body that the page shows."""
    assert operation.body is not None
    media = resolve(operation.contract.document, f"{operation.body.pointer}/content/application~1json")
    first = next(iter(media["examples"].values()))
    return dict(first["value"])


def body_of(operation: Operation) -> dict[str, Json]:
    """The same with values that are free."""
    unique = operation.creating.unique if operation.creating else {}
    return {**example(operation), **{name: FREE[name] for name in unique}}


def mine(vendor: Vendor, collection: str) -> list[Record]:
    """The records of the first token's account."""
    world = vendor.world
    return [record for record in world.collections[collection].records if world.account_of(record) == world.account]


def ids_of(vendor: Vendor, operation: Operation) -> dict[str, str]:
    """Path parameters by name: a thing that the operation succeeds with, and what it belongs to."""
    found: dict[str, str] = {}
    for parameter in operation.parameters:
        if parameter.location == "path" and parameter.resource != operation.resource:
            found[parameter.name] = mine(vendor, parameter.resource)[0]["id"]
    if operation.item_parameter:
        record = next(record for record in mine(vendor, operation.resource) if _is_free(vendor, operation, record))
        found[operation.item_parameter] = record["id"]
        parent = vendor.world.collections[operation.resource].parent
        found |= {said.name: record[parent.field] for said in operation.parents if parent}
    return found


def _is_free(vendor: Vendor, operation: Operation, record: Record) -> bool:
    """Whether nothing hinders the operation from its success with a record."""
    deleting = operation.deleting
    for name in deleting.empty if deleting else ():
        parent = vendor.world.collections[name].parent
        if parent and any(child[parent.field] == record["id"] for child in mine(vendor, name)):
            return False
    return not (deleting and deleting.unused and facts(record)["in_use"])


def path_of(operation: Operation, ids: Mapping[str, str]) -> str:
    """The operation's path with ids, percent-encoded."""
    path = operation.path
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def request_of(
    vendor: Vendor,
    operation: Operation,
    *,
    ids: Mapping[str, str] | None = None,
    query: str = "",
    body: Json = None,
    headers: Headers | None = None,
) -> Request:
    """A request that succeeds, but for what is said otherwise."""
    path = path_of(operation, {**ids_of(vendor, operation), **(ids or {})})
    sent = bearer(vendor.world.token) if headers is None else headers
    if operation.body is None:
        return Request(operation.method, path, query, sent)
    content = json.dumps(body_of(operation) if body is None else body).encode()
    return Request(operation.method, path, query, (*sent, ("content-type", "application/json")), content)
