"""Owns the bundled document: one OpenAPI 3.1 file that other tools read, with ids that the mock knows as examples.

    >>> list(document(trunkline.load("acme"))["components"]["schemas"])
    ['error', 'trunk-list', 'trunk', 'trunk.metrics', 'trunk.shown']

What only trunkline reads (`x-trunkline`) stays out; the page that an operation or a schema stands on becomes its
`externalDocs`. Bounds that are decisions of ours stay in: the document describes the mock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from trunkline.contract.model import DOCUMENT, Operation, Parameter
from trunkline.exchange import Json, pointer
from trunkline.mock.loader import Vendor
from trunkline.transport.client import address

_LITERAL = frozenset({"examples", "default", "enum", "const"})
"""Keywords whose value is a value, not a schema."""
_NAMED = frozenset({"properties", "$defs"})
"""Keywords whose value maps names to schemas, so that its keys are not keywords."""
_EXAMPLES = 5


def document(vendor: Vendor, *, url: str | None = None, parameters: Mapping[str, str] | None = None) -> Json:
    """The vendor's contract as one OpenAPI 3.1 document whose server is `url`, by default the vendor's own.

    `parameters` are path parameters that lead somewhere on another implementation; without them, the mock's ids do.
    Raises `UsageError` for a `url` at which nothing could be asked.
    """
    if url is not None:
        address(url)
    files = vendor.contract.files
    places = _places(files)
    bundled = _moved(files[DOCUMENT], DOCUMENT, places)
    bundled["servers"] = [{"url": vendor.contract.url if url is None else url}]
    for operation in vendor.contract.operations:
        node = bundled["paths"][operation.path][operation.method.lower()]
        if operation.evidence.source:
            node["externalDocs"] = {"url": operation.evidence.source}
        for said, parameter in zip(operation.parameters, node.get("parameters", ()), strict=True):
            if said.names and (ids := _ids(vendor, said, parameters)):
                parameter["examples"] = {str(identity): {"value": identity} for identity in ids}
        if links := _links(operation):
            node["responses"][operation.success.key]["links"] = links
    schemas = bundled.setdefault("components", {}).setdefault("schemas", {})
    for (file, name), place in places.items():
        content = files[file]
        schema = _moved(content["$defs"][name] if name else content, file, places)
        schema.pop("$schema", None)
        if not name:
            schema.pop("$defs", None)
            schema["externalDocs"] = {"url": content["x-trunkline"]["evidence"]["source"]}
        schemas[place] = schema
    return bundled


def _places(files: Mapping[str, Json]) -> dict[tuple[str, str], str]:
    """The component of each file and of each of its `$defs`: `{("trunk.json", "metrics"): "trunk.metrics"}`."""
    places: dict[tuple[str, str], str] = {}
    for file in sorted(set(files) - {DOCUMENT}):
        for name in ("", *files[file].get("$defs", {})):
            place = re.sub(r"[^A-Za-z0-9._-]", "-", file.removesuffix(".json") + (f".{name}" if name else ""))
            while place in places.values():
                place += "_"
            places[file, name] = place
    return places


def _moved(node: Json, file: str, places: Mapping[tuple[str, str], str], *, named: bool = False) -> Json:
    """A copy of a node of a file without `x-trunkline`, whose `$ref`s lead to where things stand in the bundle."""
    if isinstance(node, list):
        return [_moved(item, file, places) for item in node]
    if not isinstance(node, dict):
        return node
    moved = {}
    for key, value in node.items():
        if named:
            moved[key] = _moved(value, file, places)
        elif key == "$ref":
            moved[key] = _led(value, file, places)
        elif key in _LITERAL:
            moved[key] = value
        elif key != "x-trunkline":
            moved[key] = _moved(value, file, places, named=key in _NAMED)
    return moved


def _led(ref: str, file: str, places: Mapping[tuple[str, str], str]) -> str:
    """Where a `$ref` of a file leads in the bundle: `trunk.json#/$defs/metrics/type` goes below `trunk.metrics`."""
    target, _, at = ref.partition("#")
    target = target or file
    if target == DOCUMENT:
        return f"#{at}"
    _, _, rest = at.partition("/$defs/")
    name, slash, below = rest.partition("/")
    name = name.replace("~1", "/").replace("~0", "~")
    if at.startswith("/$defs/") and (target, name) in places:
        return f"#{pointer(('components', 'schemas', places[target, name]))}{slash}{below}"
    return f"#{pointer(('components', 'schemas', places[target, '']))}{at}"


def _links(operation: Operation) -> dict[str, Json]:
    """Where what an answer shows leads: each operation that takes the id of its item, and that of what it belongs to.

    See https://spec.openapis.org/oas/v3.1.0#link-object.
    """
    if not (operation.creating or operation.listing):
        return {}
    identity = f"$response.body#{operation.item}{operation.identity}"
    above = {said.names: f"$request.path.{said.name}" for said in operation.parents}
    known = {operation.resource: identity, **above}
    return {
        other.operation_id: {
            "operationId": other.operation_id,
            "parameters": {said.name: known[said.names] for said in other.parameters if said.place == "path"},
        }
        for other in operation.contract.operations
        if any(said.names == operation.resource for said in other.parameters)
        and all(said.names in known for said in other.parameters if said.place == "path")
    }


def _ids(vendor: Vendor, named: Parameter, given: Mapping[str, str] | None) -> list[Json]:
    """Ids that a path parameter can carry: the one given, or things of the first token's account."""
    if given is not None:
        return [given[named.name]] if named.name in given else []
    world = vendor.world
    collection = world.collections[named.names]
    mine = (record for record in collection.records if world.account_of(record) == world.account)
    return [record[collection.identity] for record, _ in zip(mine, range(_EXAMPLES), strict=False)]
