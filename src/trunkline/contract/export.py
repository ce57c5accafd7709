"""The contract as one OpenAPI 3.1 document for other tools, with known ids as examples.

    >>> list(document(trunkline.load("acme").contract)["components"]["schemas"])
    ['error', 'trunk-list', 'trunk', 'trunk.metrics', 'trunk.shown']

The `x-trunkline` extensions are left out. The page on which an operation or a schema rests becomes its
`externalDocs`. Bounds that are our own decisions stay in, because the document describes the mock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from trunkline.contract.document import LITERAL_KEYWORDS, MAP_KEYWORDS
from trunkline.contract.model import DOCUMENT, Contract, Create, List, Operation
from trunkline.exchange import Json, pointer


def document(
    contract: Contract, *, url: str | None = None, examples: Mapping[str, Sequence[Json]] | None = None
) -> Json:
    """Bundle the contract into one OpenAPI 3.1 document whose server is `url`, by default the vendor's own.

    `examples` maps a resource to ids for the path parameters that name it: `{"trunks": ["trunk_1", "trunk_2"]}`.
    """
    files = contract.files
    places = _places(files)
    bundled = _bundled(files[DOCUMENT], DOCUMENT, places)
    bundled["servers"] = [{"url": contract.url if url is None else url}]
    for operation in contract.operations:
        node = bundled["paths"][operation.path][operation.method.lower()]
        if operation.evidence.source:
            node["externalDocs"] = {"url": operation.evidence.source}
        for parameter, bundled_parameter in zip(operation.parameters, node.get("parameters", ()), strict=True):
            if ids := (examples or {}).get(parameter.resource):
                bundled_parameter["examples"] = {str(identity): {"value": identity} for identity in ids}
        if links := _links(operation):
            node["responses"][operation.success.key]["links"] = links
    schemas = bundled.setdefault("components", {}).setdefault("schemas", {})
    for (file, name), place in places.items():
        content = files[file]
        schema = _bundled(content["$defs"][name] if name else content, file, places)
        schema.pop("$schema", None)
        if not name:
            schema.pop("$defs", None)
            schema["externalDocs"] = {"url": content["x-trunkline"]["evidence"]["source"]}
        schemas[place] = schema
    return bundled


def _places(files: Mapping[str, Json]) -> dict[tuple[str, str], str]:
    """Name the component of each file and each of its `$defs`: `{("trunk.json", "metrics"): "trunk.metrics"}`."""
    places: dict[tuple[str, str], str] = {}
    for file in sorted(set(files) - {DOCUMENT}):
        for name in ("", *files[file].get("$defs", {})):
            place = re.sub(r"[^A-Za-z0-9._-]", "-", file.removesuffix(".json") + (f".{name}" if name else ""))
            while place in places.values():
                place += "_"
            places[file, name] = place
    return places


def _bundled(node: Json, file: str, places: Mapping[tuple[str, str], str], *, named: bool = False) -> Json:
    """Copy a node of a file, without `x-trunkline` and with each `$ref` changed to its place in the bundle.

    A `named` node maps names to schemas, so its keys are not keywords.
    """
    if isinstance(node, list):
        return [_bundled(item, file, places) for item in node]
    if not isinstance(node, dict):
        return node
    copied = {}
    for key, value in node.items():
        if named:
            copied[key] = _bundled(value, file, places)
        elif key == "$ref":
            copied[key] = _target(value, file, places)
        elif key in LITERAL_KEYWORDS:
            copied[key] = value
        elif key != "x-trunkline":
            copied[key] = _bundled(value, file, places, named=key in MAP_KEYWORDS)
    return copied


def _target(ref: str, file: str, places: Mapping[tuple[str, str], str]) -> str:
    """The target of a `$ref` in the bundle: `trunk.json#/$defs/metrics` -> `#/components/schemas/trunk.metrics`."""
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
    """The links of a response: the operations that take the id of its item, filled with that id.

    See https://spec.openapis.org/oas/v3.1.0#link-object.
    """
    if not isinstance(operation.kind, List | Create):
        return {}
    known = {parent.resource: f"$request.path.{parent.name}" for parent in operation.parents}
    known[operation.resource] = f"$response.body#{operation.item}{operation.identity}"
    links = {}
    for other in operation.contract.operations:
        names = {parameter.resource for parameter in other.path_parameters}
        if operation.resource in names and names <= set(known):
            parameters = {parameter.name: known[parameter.resource] for parameter in other.path_parameters}
            links[other.operation_id] = {"operationId": other.operation_id, "parameters": parameters}
    return links
