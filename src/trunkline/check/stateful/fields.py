"""The fields that responses show of an item, and the inputs that request bodies take, as the contract documents them.

The schemas are read here independently of the mock, so that a mistake in one is not hidden by the same in the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from trunkline.contract.model import DOCUMENT, Contract, Operation, evidence_of
from trunkline.exchange import Json, pointer, resolve
from trunkline.findings import Evidence

_Node: TypeAlias = tuple[str, str, Mapping[str, Json]]
"""A file of the contract, a pointer into it, and the schema there."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a response documents of an item. `name` is its path in the item: `name`, `metrics/calls_today`.

    A `volatile` field may change at any time.
    """

    name: str
    reference: str
    evidence: Evidence
    volatile: bool


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A field of a request body.

    `unsettled` are values that an implementation may ignore, each with the fields that make it binding:
    `((True, {"is_verified": True}),)` for `is_active`.
    """

    name: str
    reference: str
    file: str
    pointer: str
    schema: Mapping[str, Json]
    evidence: Evidence
    keywords: Mapping[str, Evidence]
    required: bool
    secret: bool
    unsettled: tuple[tuple[Json, Mapping[str, Json]], ...]

    def evidence_for(self, keyword: str) -> Evidence:
        """The evidence for a keyword of the schema: its own, or that of the input."""
        return self.keywords.get(keyword, self.evidence)

    @property
    def pattern(self) -> str:
        """The pattern of harmless values, or empty."""
        found: str = self.schema.get("x-trunkline", {}).get("made", "")
        return found

    @property
    def type(self) -> str:
        """The JSON type of the values that are sent, the first that is not null."""
        types = self.schema.get("type", "string")
        return next((name for name in (types if isinstance(types, list) else [types]) if name != "null"), "null")

    def is_binding(self, value: Json, fields: Mapping[str, Json]) -> bool:
        """Whether an item with these fields must take the value as it is sent."""
        return not any(
            value == loose and type(value) is type(loose) and not (unless.items() <= fields.items())
            for loose, unless in self.unsettled
        )


@dataclass(frozen=True, slots=True)
class Default:
    """The value that an input gets when it is not sent. `depends_on` are the inputs that decide about it."""

    value: Json
    evidence: Evidence
    reference: str
    depends_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """Inputs that are required `when` others have these values."""

    when: Mapping[str, Json]
    requires: tuple[str, ...]


# --- fields of responses --------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def shown_fields(operation: Operation) -> Mapping[str, Field]:
    """The fields that a success of the operation documents of one item, nested ones by their path."""
    item = _item_schema(operation)
    return {leaf.name: leaf for leaf in _leaves(operation.contract, item, "", volatile=False)} if item else {}


def _leaves(contract: Contract, node: _Node, prefix: str, *, volatile: bool) -> Iterator[Field]:
    for name, child in _properties(contract, node):
        is_volatile = volatile or bool(child[2].get("x-trunkline", {}).get("volatile"))
        if "properties" in child[2]:
            yield from _leaves(contract, child, f"{prefix}{name}/", volatile=is_volatile)
        else:
            yield Field(prefix + name, _reference(contract, child), _evidence(contract, child), is_volatile)


@lru_cache(maxsize=256)
def creation_times(operation: Operation) -> Mapping[str, Evidence]:
    """The fields of an item that tell when it was created: the first of each documented pair of ordered times."""
    node = _item_schema(operation)
    if node is None:
        return {}
    content = operation.contract.files[node[0]]
    pairs = node[2].get("x-trunkline", {}).get("ordered", ())
    return {pair["first"][1:]: evidence_of(content, pair["evidence"]) for pair in pairs}


def _item_schema(operation: Operation) -> _Node | None:
    """The schema of one item in a success of the operation, if it shows one."""
    if operation.item is None:
        return None
    node = _node(operation.contract, DOCUMENT, operation.success.schema)
    for part in operation.item.split("/")[1:]:
        step = "/items" if "items" in node[2] else f"/properties{pointer((part,))}"
        node = _node(operation.contract, node[0], node[1] + step)
    return node


# --- inputs of request bodies ---------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def inputs(operation: Operation) -> tuple[Input, ...]:
    """The inputs of the operation's body, in the order of its schema."""
    if operation.body is None:
        return ()
    contract = operation.contract
    body = _node(contract, DOCUMENT, operation.body.schema)
    found = []
    for name, node in _properties(contract, body):
        content, extension = contract.files[node[0]], node[2].get("x-trunkline", {})
        keywords = extension.get("evidence", {}).get("keywords", {})
        found.append(
            Input(
                name=name,
                reference=_reference(contract, node),
                file=node[0],
                pointer=node[1],
                schema=node[2],
                evidence=_evidence(contract, node),
                keywords={keyword: evidence_of(content, evidence) for keyword, evidence in keywords.items()},
                required=name in body[2].get("required", ()),
                secret=name in contract.secrets,
                unsettled=tuple((entry["value"], entry["unless"]) for entry in extension.get("unsettled", ())),
            )
        )
    return tuple(found)


def defaults(operation: Operation, body: Mapping[str, Json]) -> dict[str, Default]:
    """The documented default of each input that a body leaves out."""
    if operation.body is None:
        return {}
    contract = operation.contract
    found: dict[str, Default] = {}
    for branch, depends_on in _branches(contract, _node(contract, DOCUMENT, operation.body.schema), body, frozenset()):
        for name, node in _properties(contract, branch):
            if "default" in node[2] and name not in body:
                reference = f"{_reference(contract, node)}/default"
                found[name] = Default(node[2]["default"], _evidence(contract, node), reference, depends_on)
    return found


@lru_cache(maxsize=64)
def default_dependencies(operation: Operation) -> Mapping[str, frozenset[str]]:
    """The inputs that decide about the default of another: `{"port": {"transport"}}`."""
    return {name: default.depends_on for name, default in defaults(operation, {}).items() if default.depends_on}


def _branches(
    contract: Contract, node: _Node, body: Mapping[str, Json], depends_on: frozenset[str]
) -> Iterator[tuple[_Node, frozenset[str]]]:
    """The schemas that apply to a body, each with the inputs on which that depends."""
    for part in _all_of(contract, node):
        yield part, depends_on
        file, at, schema = part
        if "if" in schema:
            branch = "else" if contract.violations(f"{at}/if", body, file) else "then"
            tested = frozenset(schema["if"].get("properties", {}))
            if branch in schema:
                yield from _branches(contract, _node(contract, file, f"{at}/{branch}"), body, depends_on | tested)


@lru_cache(maxsize=256)
def conditions(operation: Operation) -> tuple[Condition, ...]:
    """The conditions under which some inputs are required."""
    if operation.body is None:
        return ()
    found = []
    for _, _, schema in _all_of(operation.contract, _node(operation.contract, DOCUMENT, operation.body.schema)):
        required = schema.get("then", {}).get("required", ())
        if "if" in schema and required:
            tests = schema["if"].get("properties", {}).items()
            when = {name: test.get("const", test.get("enum", [None])[0]) for name, test in tests}
            found.append(Condition(when, tuple(required)))
    return tuple(found)


def conditional_inputs(operation: Operation) -> frozenset[str]:
    """The inputs that some condition requires. They make sense only for items that meet it."""
    return frozenset(name for condition in conditions(operation) for name in condition.requires)


# --- the files of the contract --------------------------------------------------------------------------------------


def _node(contract: Contract, file: str, at: str) -> _Node:
    """The schema at a pointer of a file, with its `$ref`s followed."""
    schema = resolve(contract.files[file], at)
    while "$ref" in schema:
        name, _, at = schema["$ref"].partition("#")
        file = name or file
        schema = resolve(contract.files[file], at)
    return file, at, schema


def _all_of(contract: Contract, node: _Node) -> Iterator[_Node]:
    """The schema and all that it combines with `allOf`."""
    yield node
    for index in range(len(node[2].get("allOf", ()))):
        yield from _all_of(contract, _node(contract, node[0], f"{node[1]}/allOf/{index}"))


def _properties(contract: Contract, node: _Node) -> Iterator[tuple[str, _Node]]:
    file, at, schema = node
    return (
        (name, _node(contract, file, f"{at}/properties{pointer((name,))}")) for name in schema.get("properties", {})
    )


def _evidence(contract: Contract, node: _Node) -> Evidence:
    return evidence_of(contract.files[node[0]], node[2]["x-trunkline"]["evidence"])


def _reference(contract: Contract, node: _Node) -> str:
    return f"{contract.folder}/{node[0]}#{node[1]}"
