"""The commands of the page: one for each operation of a vendor, which its mock answers with a success."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from trunkline.contract.bodies import NOTHING, at_pointer
from trunkline.contract.model import Contract, Create, Delete, Operation
from trunkline.contract.requests import build_request
from trunkline.exchange import Json, curl
from trunkline.mock.factory import fill_records
from trunkline.mock.generators import Record
from trunkline.mock.mock import Mock
from trunkline.mock.world import facts

RecordsByCollection = Mapping[str, list[Record]]
"""The records of the default account, by collection."""


def commands(mock: Mock, url: str) -> Iterator[dict[str, str]]:
    """The operationId, the vendor's page and the `curl` command of each operation, for the records as they are now."""
    vendor = mock.vendor
    records: RecordsByCollection = {
        name: [*mock.records(name).of(vendor.world.account)] for name in vendor.world.collections
    }
    for operation in vendor.contract.operations:
        request = build_request(
            operation,
            _ids(mock, operation, records),
            body=_body(mock, operation, records),
            credential=vendor.world.token,
        )
        shown = tuple((name, value) for name, value in request.headers if name == "authorization")
        yield {
            "operation": operation.operation_id,
            "page": operation.evidence.source,
            "curl": curl(replace(request, shown=shown), url),
        }


def _ids(mock: Mock, operation: Operation, records: RecordsByCollection) -> dict[str, str]:
    """Ids for the path: of a record, one that can be deleted if the operation does that, and of its parents."""
    collections = mock.vendor.world.collections
    ids: dict[str, str] = {}
    chosen: Record | None = None
    for parameter in reversed([parameter for parameter in operation.parameters if parameter.location == "path"]):
        candidates, identity = records[parameter.resource], collections[parameter.resource].identity
        if not ids:
            chosen = min(candidates, key=lambda record: _is_kept(mock, operation, record, records), default=None)
        ids[parameter.name] = str(chosen[identity]) if chosen else "unknown"
        if chosen and (parent := collections[parameter.resource].parent):
            of = chosen[parent.field]
            parent_identity = collections[parent.collection].identity
            chosen = next((one for one in records[parent.collection] if one[parent_identity] == of), None)
    return ids


def _is_kept(mock: Mock, operation: Operation, record: Record, records: RecordsByCollection) -> bool:
    """Whether the mock refuses to delete a record: it is in use, or others belong to it."""
    if not isinstance(operation.kind, Delete):
        return False
    collections = mock.vendor.world.collections
    identity = record[collections[operation.resource].identity]
    parents = [(name, collections[name].parent) for name in operation.kind.empty]
    has_children = any(child[parent.field] == identity for name, parent in parents if parent for child in records[name])
    return has_children or bool(facts(record)["in_use"])


def _body(mock: Mock, operation: Operation, records: RecordsByCollection) -> Json:
    """The body that the vendor's page shows, with another value where it must be unique and is taken."""
    sample = _sample(mock.vendor.contract, operation)
    if not isinstance(operation.kind, Create) or not isinstance(sample, dict):
        return sample
    taken = [
        name
        for name in operation.kind.unique
        if any(one.get(name) == sample.get(name) for one in records[operation.resource])
    ]
    free = fill_records(mock.vendor, operation.resource, [{}])[0] if taken else {}
    return sample | {name: free[name] for name in taken}


def _sample(contract: Contract, operation: Operation) -> Json:
    if operation.body is None:
        return None
    samples = at_pointer(contract.document, f"{operation.body.pointer}/content/application~1json/examples")
    return next(iter(samples.values()))["value"] if samples is not NOTHING else {}
