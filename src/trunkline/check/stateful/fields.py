"""Owns what the contract says of fields: those that an answer shows of a thing, and those that a body sends.

It reads the schemas in its own way: the mock has another, so that no mistake of the one can hide in the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from trunkline.contract.model import DOCUMENT, Contract, Operation, evidence_of
from trunkline.exchange import Json, pointer, resolve
from trunkline.findings import Evidence

_Spot: TypeAlias = tuple[str, str, Mapping[str, Json]]
"""A file of the contract, a place in it, and the schema there."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a thing as an answer documents it; `name` is its place in the item: `name`, `metrics/calls_today`."""

    name: str
    place: str
    evidence: Evidence
    volatile: bool


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A field of a body. `unsettled` are values that may be ignored, each with what a thing must have to take it."""

    name: str
    place: str
    file: str
    at: str
    schema: Mapping[str, Json]
    evidence: Evidence
    keywords: Mapping[str, Evidence]
    required: bool
    secret: bool
    unsettled: tuple[tuple[Json, Mapping[str, Json]], ...]

    def evidence_for(self, keyword: str) -> Evidence:
        """What a keyword of the schema stands on."""
        return self.keywords.get(keyword, self.evidence)

    @property
    def made(self) -> str:
        """The pattern of harmless values, or empty."""
        found: str = self.schema.get("x-trunkline", {}).get("made", "")
        return found

    @property
    def kind(self) -> str:
        """The type that is sent; null is one that no check sends."""
        types = self.schema.get("type", "string")
        kinds = types if isinstance(types, list) else [types]
        return next((kind for kind in kinds if kind != "null"), "null")

    def settles(self, value: Json, has: Mapping[str, Json]) -> bool:
        """Whether a thing with these fields must take the value as it is."""
        return not any(
            value == loose and type(value) is type(loose) and not (unless.items() <= has.items())
            for loose, unless in self.unsettled
        )


@dataclass(frozen=True, slots=True)
class Default:
    """What an input that is not sent becomes. `because` are the inputs that it depends on."""

    value: Json
    evidence: Evidence
    place: str
    because: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """Inputs that are required `when` others have these values."""

    when: Mapping[str, Json]
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResourceOperations:
    """The operations of one resource whose things a check can make, by what they do."""

    resource: str
    create: Operation
    fetch: Operation | None = None
    lists: tuple[Operation, ...] = ()
    updates: tuple[Operation, ...] = ()
    deletes: tuple[Operation, ...] = ()
    acts: tuple[Operation, ...] = ()
    parents: tuple[str, ...] = field(default=())
    """The resources of what a thing belongs to, the nearest last."""

    @property
    def readers(self) -> tuple[Operation, ...]:
        return (*((self.fetch,) if self.fetch else ()), *self.lists)


def roles(contract: Contract) -> tuple[ResourceOperations, ...]:
    """What can be done with each resource that an operation creates, parents first."""
    found = []
    for create in contract.operations:
        if create.creating is None:
            continue
        about = [operation for operation in contract.operations if operation.resource == create.resource]
        found.append(
            ResourceOperations(
                resource=create.resource,
                create=create,
                fetch=next((operation for operation in about if operation.fetching), None),
                lists=tuple(operation for operation in about if operation.listing),
                updates=tuple(operation for operation in about if operation.updating),
                deletes=tuple(operation for operation in about if operation.deleting),
                acts=tuple(operation for operation in about if operation.acting),
                parents=tuple(parameter.resource for parameter in create.parents),
            )
        )
    return tuple(sorted(found, key=lambda each: len(each.parents)))


# --- what answers show ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def shown(operation: Operation) -> Mapping[str, Field]:
    """The fields that a success of the operation documents of one item, leaf by leaf."""
    item = _item(operation)
    return {found.name: found for found in _leaves(operation.contract, item, "", volatile=False)} if item else {}


def _leaves(contract: Contract, spot: _Spot, prefix: str, *, volatile: bool) -> Iterator[Field]:
    file, at, node = spot
    for name in node.get("properties", {}):
        child = _at(contract, file, f"{at}/properties{pointer((name,))}")
        fleeting = volatile or bool(child[2].get("x-trunkline", {}).get("volatile"))
        if "properties" in child[2]:
            yield from _leaves(contract, child, f"{prefix}{name}/", volatile=fleeting)
        else:
            yield Field(prefix + name, _place(contract, child), _evidence(contract, child), fleeting)


@lru_cache(maxsize=256)
def creation_times(operation: Operation) -> Mapping[str, Evidence]:
    """The fields of an item that tell when it began: no later change moves them."""
    item = _item(operation)
    if item is None:
        return {}
    content = operation.contract.files[item[0]]
    pairs = item[2].get("x-trunkline", {}).get("ordered", ())
    return {pair["first"][1:]: evidence_of(content, pair["evidence"]) for pair in pairs}


def _item(operation: Operation) -> _Spot | None:
    """The schema of one item in a success of the operation, if it shows one."""
    if operation.item is None:
        return None
    spot = _at(operation.contract, DOCUMENT, operation.success.schema)
    for part in operation.item.split("/")[1:]:
        step = "/items" if "items" in spot[2] else f"/properties{pointer((part,))}"
        spot = _at(operation.contract, spot[0], spot[1] + step)
    return spot


# --- what bodies send -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def inputs(operation: Operation) -> tuple[Input, ...]:
    """The fields that the operation takes in, in the order of its schema."""
    if operation.body is None:
        return ()
    contract = operation.contract
    file, at, node = _at(contract, DOCUMENT, operation.body.schema)
    found = []
    for name in node.get("properties", {}):
        spot = _at(contract, file, f"{at}/properties{pointer((name,))}")
        content, extension = contract.files[spot[0]], spot[2].get("x-trunkline", {})
        keywords = extension.get("evidence", {}).get("keywords", {})
        found.append(
            Input(
                name=name,
                place=_place(contract, spot),
                file=spot[0],
                at=spot[1],
                schema=spot[2],
                evidence=_evidence(contract, spot),
                keywords={word: evidence_of(content, said) for word, said in keywords.items()},
                required=name in node.get("required", ()),
                secret=name in contract.secrets,
                unsettled=tuple((said["value"], said["unless"]) for said in extension.get("unsettled", ())),
            )
        )
    return tuple(found)


def defaults(operation: Operation, body: Mapping[str, Json]) -> dict[str, Default]:
    """What each input that a body leaves out becomes, where the contract says so."""
    if operation.body is None:
        return {}
    contract = operation.contract
    found: dict[str, Default] = {}
    for spot, because in _branches(contract, _at(contract, DOCUMENT, operation.body.schema), body, frozenset()):
        for name in spot[2].get("properties", {}):
            child = _at(contract, spot[0], f"{spot[1]}/properties{pointer((name,))}")
            if "default" in child[2] and name not in body:
                place = f"{_place(contract, child)}/default"
                found[name] = Default(child[2]["default"], _evidence(contract, child), place, because)
    return found


@lru_cache(maxsize=64)
def follows(operation: Operation) -> Mapping[str, frozenset[str]]:
    """The inputs whose default hangs on others, each with those."""
    return {name: default.because for name, default in defaults(operation, {}).items() if default.because}


def _branches(
    contract: Contract, spot: _Spot, body: Mapping[str, Json], because: frozenset[str]
) -> Iterator[tuple[_Spot, frozenset[str]]]:
    """The schemas that hold of a body, each with the inputs on which that depends."""
    file, at, node = spot
    yield spot, because
    for index in range(len(node.get("allOf", ()))):
        yield from _branches(contract, _at(contract, file, f"{at}/allOf/{index}"), body, because)
    if "if" in node:
        holds = not contract.violations(f"{at}/if", body, file)
        branch = "then" if holds else "else"
        asked = because | frozenset(node["if"].get("properties", {}))
        if branch in node:
            yield from _branches(contract, _at(contract, file, f"{at}/{branch}"), body, asked)


@lru_cache(maxsize=256)
def conditions(operation: Operation) -> tuple[Condition, ...]:
    """The inputs that are required only with certain values of others."""
    if operation.body is None:
        return ()
    return tuple(_conditions(operation.contract, _at(operation.contract, DOCUMENT, operation.body.schema)))


def _conditions(contract: Contract, spot: _Spot) -> Iterator[Condition]:
    file, at, node = spot
    for index in range(len(node.get("allOf", ()))):
        yield from _conditions(contract, _at(contract, file, f"{at}/allOf/{index}"))
    required = node.get("then", {}).get("required", ())
    if "if" in node and required:
        asked = node["if"].get("properties", {}).items()
        when = {name: said.get("const", said.get("enum", [None])[0]) for name, said in asked}
        yield Condition(when, tuple(required))


def conditional(operation: Operation) -> frozenset[str]:
    """The inputs that some condition requires: they belong only to things that meet it."""
    return frozenset(name for condition in conditions(operation) for name in condition.requires)


# --- ways through the files -----------------------------------------------------------------------------------------


def _at(contract: Contract, file: str, at: str) -> _Spot:
    """What stands at a place of a file, its `$ref`s followed."""
    node = resolve(contract.files[file], at)
    while "$ref" in node:
        name, _, at = node["$ref"].partition("#")
        file = name or file
        node = resolve(contract.files[file], at)
    return file, at, node


def _evidence(contract: Contract, spot: _Spot) -> Evidence:
    return evidence_of(contract.files[spot[0]], spot[2]["x-trunkline"]["evidence"])


def _place(contract: Contract, spot: _Spot) -> str:
    return f"{contract.folder}/{spot[0]}#{spot[1]}"
