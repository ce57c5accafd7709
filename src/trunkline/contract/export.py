"""The contract as one OpenAPI 3.1 document for other tools: generators of clients, linters, editors, fuzzers.

    >>> list(document(trunkline.load("acme").contract)["components"]["schemas"])
    ['Error', 'Trunk', 'TrunkList', 'TrunkMetrics', 'TrunkStatus']

The files state each fact alone, with its evidence; other tools want each type once. So the parts of an `allOf` are
merged, and what generators make a class of is a component: each object, and each enumeration that several places use.
It is named after its title, or after its place. Other schemas are copied to the places that refer to them.

The `x-trunkline` extensions are left out, and so is each keyword that is only customary. A response or header that no
page documents says so. The page on which an operation or a schema rests becomes its `externalDocs`. Bounds that are our
own decisions stay in, because the document describes the mock.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias, get_args

from trunkline.contract.document import LITERAL_KEYWORDS, Keyword, target_of
from trunkline.contract.model import Contract, Create, List, Operation, RateLimit
from trunkline.exchange import Json, pointer, resolve

_Place: TypeAlias = tuple[str, str]
"""A file and the pointer of a schema in it."""
_Schema: TypeAlias = dict[str, Any]

_ASSERTIONS = frozenset(get_args(Keyword)) - {"properties", "items"}
_OWN_ANNOTATIONS = frozenset({"title", "description", "examples", "externalDocs"})
_UNCOPIED = frozenset({"x-trunkline", "$schema", "$id", "$defs", "$ref", "allOf"})
_LISTS = ("allOf", "anyOf", "oneOf")
_CONDITIONS = ("not", "if", "then", "else")
_TYPES = {bool: "boolean", int: "integer", str: "string"}
_MARKS = {
    "customary": "No page documents this; it is customary in HTTP.",
    "decision": "No page documents this; it is a decision of the mock.",
    "observed": "No page documents this; it was observed in traffic.",
}
_INFO = {
    "contact": {"name": "This document: trunkline"},
    "license": {"name": "This API: not stated", "identifier": "NOASSERTION"},
}
"""Members that linters require. They are added if the contract lacks them. The license is that of the API."""


def document(
    contract: Contract,
    *,
    url: str | None = None,
    examples: Mapping[str, Sequence[Json]] | None = None,
    bodies: Mapping[str, Mapping[str, Json]] | None = None,
) -> Json:
    """Bundle the contract into one OpenAPI 3.1 document whose server is `url`, by default the vendor's own.

    `examples` maps a resource to ids for the path parameters that name it: `{"trunks": ["trunk_1", "trunk_2"]}`.
    `bodies` maps the pointer of a response to examples of its body: `{"/components/responses/Unknown": {"NOT_FOUND":
    {"code": "NOT_FOUND", "message": "There is no such trunk"}}}`.
    """
    schemas = _Schemas(contract)
    bundled = _bundled(contract.document, schemas)
    for key, value in _INFO.items():
        bundled["info"].setdefault(key, value)
    bundled["servers"] = [{"url": contract.url if url is None else url}]
    bundled["tags"] = _tags(contract.document)
    bundled.setdefault("components", {})["schemas"] = dict(sorted(schemas.components.items()))
    for at, named in (bodies or {}).items():
        content = resolve(bundled, at)["content"]["application/json"]
        content["examples"] = {name: {"value": body} for name, body in named.items()}
    for operation in contract.operations:
        node = bundled["paths"][operation.path][operation.method.lower()]
        if operation.evidence.source:
            node["externalDocs"] = {"url": operation.evidence.source}
        for parameter, bundled_parameter in zip(operation.parameters, node.get("parameters", ()), strict=True):
            if ids := (examples or {}).get(parameter.resource):
                bundled_parameter["examples"] = {str(identity): {"value": identity} for identity in ids}
        if operation.rate_limit_exemption:  # what it shares with others has headers that it does not have
            for key, response in operation.responses.items():
                node["responses"][key] = deepcopy(resolve(bundled, response.pointer))
        if links := _links(operation):
            node["responses"][operation.success.key]["links"] = links
    _limit(bundled, contract)
    return bundled


def _limit(bundled: Json, contract: Contract) -> None:
    """Add the headers of the rate limit, and remove each shared response to which no operation refers."""
    metered = [operation for operation in contract.operations if not operation.rate_limit_exemption]
    components = bundled["components"]
    limited = {response.pointer for operation in metered for response in operation.responses.values()}
    for name in [*components.get("responses", ())]:
        if pointer(("components", "responses", name)) not in limited:
            del components["responses"][name]
    if contract.rate_limit:
        components["headers"] = dict(_headers(contract.rate_limit))
        for response in (resolve(bundled, at) for at in limited):
            references = {name: {"$ref": f"#/components/headers/{name}"} for name in components["headers"]}
            response["headers"] = response.get("headers", {}) | references


def _tags(source: Json) -> list[Json]:
    """The tags that the document describes, and then those that only its operations name."""
    used = (name for item in source["paths"].values() for node in item.values() for name in node.get("tags", ()))
    described = {tag["name"]: tag for tag in source.get("tags", ())}
    return [*({name: {"name": name} for name in used} | described).values()]


def _bundled(node: Json, schemas: _Schemas) -> Json:
    """Copy a node of the document, without `x-trunkline`, with named schemas, and with marks."""
    if isinstance(node, list):
        return [_bundled(item, schemas) for item in node]
    if not isinstance(node, dict):
        return node
    if not node.get("$ref", "#").startswith("#"):
        return schemas.references[node["$ref"]]
    copied = {
        key: value if key in LITERAL_KEYWORDS else _bundled(value, schemas)
        for key, value in node.items()
        if key != "x-trunkline"
    }
    grade = node.get("x-trunkline", {}).get("evidence", {}).get("grade")
    if "description" in copied and grade in _MARKS:
        copied["description"] += f" {_MARKS[grade]}"
    return copied


def _headers(names: RateLimit) -> Iterator[tuple[str, Json]]:
    """The headers of the rate limit, by name. None is required: what a server or a proxy refuses itself has none."""
    count = {"type": "integer", "minimum": 0}
    reset = ("The Unix time of the reset.", count)
    if names.reset_is != "unix_time":
        reset = ("The time of the reset. No page says in which form.", {"type": "string"})
    for name, (description, schema) in {
        names.limit: (f"The number of requests that are allowed in {names.window_seconds} seconds.", count),
        names.remaining: ("The number of requests that are left until the reset.", count),
        names.reset: reset,
    }.items():
        yield name, {"description": description, "schema": schema}


# --- schemas --------------------------------------------------------------------------------------------------------


class _Flat(_Schema):
    """A schema with all that its `$ref`s lead to. `origin` is the place after which it is named."""

    def __init__(self, origin: _Place, keywords: _Schema) -> None:
        super().__init__(keywords)
        self.origin = origin


class _Schemas:
    """The schemas to which the document refers: `components` by name, and `references` by the `$ref` to a file."""

    def __init__(self, contract: Contract) -> None:
        self._files = contract.files
        self._secrets = contract.secrets
        self._users: dict[_Place, set[_Place]] = defaultdict(set)
        """For each schema of a property or an item the places that use it, its own among them."""
        self._reserved: dict[str, _Place] = {}
        """The names of the schemas to which the document refers, which no other schema takes."""
        self.components: dict[str, Json] = {}
        flat = {ref: self._flat(*target_of("", ref)) for ref in _refs_to_files(contract.document)}
        for operation in contract.operations:
            for key, response in operation.responses.items():
                if response.schema and not key.startswith("2"):
                    ref = resolve(contract.document, response.schema)["$ref"]
                    _add_text(flat[ref], contract.errors.code, "Says in one word what went wrong.")
                    _add_text(flat[ref], contract.errors.message, "Says in a sentence what went wrong.")
        for schema in flat.values():
            self._reserved.setdefault(self._name(schema), schema.origin)
        self.references = {ref: self._named(schema) for ref, schema in flat.items()}

    def _flat(self, file: str, at: str) -> _Flat:
        """A schema with all that its `$ref`s lead to, and with each `allOf` merged as far as possible."""
        node = resolve(self._files[file], at)
        parts = [target_of(file, node["$ref"])] if "$ref" in node else []
        if parts and set(node) <= {"$ref", "x-trunkline"}:
            return self._flat(*parts[0])
        schema = self._own(file, at, node)
        parts += [(file, f"{at}/allOf/{index}") for index in range(len(node.get("allOf", ())))]
        flat = [self._flat(*part) for part in parts]
        conditions = sum("if" in part for part in (schema, *flat))
        for part in flat:
            merged = _merged(schema, part) if conditions < 2 or "if" not in part else None
            schema = merged or _Flat(schema.origin, {**schema, "allOf": [*schema.get("allOf", ()), part]})
        return schema

    def _own(self, file: str, at: str, node: _Schema) -> _Flat:
        """A schema without what its `$ref` and its `allOf` lead to, and without what is only customary."""
        evidence = node.get("x-trunkline", {}).get("evidence", {})
        keywords = evidence.get("keywords", {})
        schema = _Flat((file, at), {})
        for key, value in node.items():
            if key in _UNCOPIED or (key in _ASSERTIONS and keywords.get(key, evidence).get("grade") == "customary"):
                continue
            place = f"{at}/{key}"
            if key == "properties":
                schema[key] = {name: self._used(file, place + pointer((name,))) for name in value}
                for name in value.keys() & self._secrets.keys():
                    schema[key][name]["writeOnly"] = True
            elif key == "items":
                schema[key] = self._used(file, place)
            elif key in _LISTS:
                schema[key] = [self._flat(file, f"{place}/{index}") for index in range(len(value))]
            elif key in _CONDITIONS:
                schema[key] = _condition(self._flat(file, place))
            else:
                schema[key] = value
        if type(schema.get("const")) in _TYPES:
            schema.setdefault("type", _TYPES[type(schema["const"])])
        if not at and "source" in evidence:
            schema["externalDocs"] = {"url": evidence["source"]}
        return schema

    def _used(self, file: str, at: str) -> _Flat:
        """The schema of a property or of items."""
        schema = self._flat(file, at)
        self._users[schema.origin].add((file, at))
        return schema

    def _named(self, schema: _Flat) -> _Schema:
        """A schema in which each object and each shared enumeration is a component."""
        origin, named = schema.origin, _with_parts(schema, self._named)
        types = _types(named)
        is_object = "object" in types and "properties" in named
        is_shared = "enum" in named and types == ["string"] and len(self._users[origin]) > 1
        if not (is_object or is_shared or origin in self._reserved.values()):
            return named
        default = {"default": named.pop("default")} if "default" in named else {}
        if "null" in types:
            named["type"] = _type(name for name in types if name != "null")
        first = name = self._name(schema)
        number = 1
        while self._reserved.get(name, origin) != origin or self.components.get(name, named) != named:
            number += 1
            name = f"{first}{number}"
        self.components[name] = named
        reference = {"$ref": f"#/components/schemas/{name}"}
        if "null" in types:
            return {"anyOf": [reference, {"type": "null"}], **default}
        return {"allOf": [reference], **default} if default else reference

    def _name(self, schema: _Flat) -> str:
        """The name of a component: `TrunkList` for a title, `TrunkStatus` for the place of a property."""
        file, at = schema.origin
        words = [schema.get("title") or self._files[file]["title"]]
        steps = iter(() if "title" in schema else at.split("/")[1:])
        for step in steps:
            words += [next(steps)] if step in ("properties", "$defs") else ["item"] if step == "items" else []
        letters = re.findall("[A-Za-z0-9]+", " ".join(words))
        return "".join(word[0].upper() + word[1:] for word in letters) or "Schema"


def _merged(schema: _Flat, part: _Flat) -> _Flat | None:
    """The schema that says what both say; None if it takes two to say that."""
    merged = _Flat(schema.origin, schema)
    for key, value in part.items():
        if key == "required":
            merged[key] = [*dict.fromkeys([*schema.get(key, ()), *value])]
        elif key == "properties":
            children = _merged_properties(schema, value)
            if children is None:
                return None
            merged[key] = children
        elif key == "allOf":
            merged[key] = [*schema.get(key, ()), *value]
        elif key == "not" and value == {"type": "null"} and "null" in _types(schema):
            merged["type"] = _type(name for name in _types(schema) if name != "null")
        elif key == "type" and set(_types(schema)) & set(_types(part)):
            merged[key] = _type(name for name in _types(schema) if name in _types(part))
        elif key not in schema:
            merged[key] = value
        elif key not in _OWN_ANNOTATIONS and schema[key] != value:
            return None
    return merged


def _merged_properties(schema: _Flat, others: Mapping[str, _Flat]) -> Mapping[str, _Flat] | None:
    """The properties of a schema with others; one that says more than before belongs to this place."""
    properties = dict(schema.get("properties", {}))
    for name, other in others.items():
        own = properties.get(name)
        both = other if own is None else _merged(own, other)
        if both is None:
            return None
        if own is not None and _asserted(both) != _asserted(own):
            file, at = schema.origin
            both.origin = (file, f"{at}/properties{pointer((name,))}")
        properties[name] = both
    return properties


def _types(schema: _Schema) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _type(names: Iterator[str]) -> str | list[str]:
    types = [*names]
    return types[0] if len(types) == 1 else types


def _asserted(schema: _Schema) -> _Schema:
    return {key: value for key, value in schema.items() if key not in (*_OWN_ANNOTATIONS, "default")}


def _condition(schema: _Schema) -> _Schema:
    """A schema of `if`, `then`, `else` or `not`: nothing in it is named.

    It says in so many words that an object has more properties than it lists, and lists each that it requires. Some
    linters believe otherwise.
    """
    schema = _with_parts(schema, _condition)
    if listed := {name: {} for name in schema.get("required", ())} | schema.get("properties", {}):
        schema |= {"properties": listed, "additionalProperties": True}
    return schema


def _with_parts(schema: _Schema, change: Callable[[Any], _Schema]) -> _Schema:
    """A schema whose properties, items and alternatives are changed."""
    changed = dict(schema)
    if "properties" in changed:
        changed["properties"] = {name: change(part) for name, part in changed["properties"].items()}
    if "items" in changed:
        changed["items"] = change(changed["items"])
    for key in _LISTS:
        if key in changed:
            changed[key] = [change(part) for part in changed[key]]
    return changed


def _add_text(schema: _Flat, at: str, description: str) -> None:
    """Add a text to the properties of a schema, at a pointer into its values, unless there is something."""
    names = at.split("/")[1:]
    for index, name in enumerate(names, start=1):
        file, place = schema.origin
        child = {"type": "string", "description": description} if index == len(names) else {"type": "object"}
        added = _Flat((file, f"{place}/properties/{name}"), child)
        schema = schema.setdefault("properties", {}).setdefault(name, added)


def _refs_to_files(node: Json) -> Iterator[str]:
    """The `$ref`s of the document that lead to other files."""
    if isinstance(node, dict):
        if not node.get("$ref", "#").startswith("#"):
            yield node["$ref"]
        for key, value in node.items():
            if key not in LITERAL_KEYWORDS:
                yield from _refs_to_files(value)
    elif isinstance(node, list):
        for item in node:
            yield from _refs_to_files(item)


# --- links ----------------------------------------------------------------------------------------------------------


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
