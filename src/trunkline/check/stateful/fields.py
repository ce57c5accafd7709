"""The fields that responses show of an item, and the inputs that request bodies take, as the contract documents them.

The schemas are read here independently of the mock, so that a defect in one is not hidden by the same defect in the
other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from trunkline.contract.model import DOCUMENT, Contract, Operation, evidence_of
from trunkline.exchange import Json, pointer, resolve
from trunkline.findings import Evidence


@dataclass(frozen=True, eq=False, repr=False)
class Schema:
    """The schema at a pointer into a file of the contract. `content` is what is there."""

    contract: Contract
    file: str
    pointer: str
    content: Mapping[str, Json]

    @classmethod
    @lru_cache(maxsize=1024)
    def at(cls, contract: Contract, file: str, at: str) -> Schema:
        """The schema at a pointer, with its `$ref`s followed."""
        content = resolve(contract.files[file], at)
        while "$ref" in content:
            name, _, at = content["$ref"].partition("#")
            file = name or file
            content = resolve(contract.files[file], at)
        return cls(contract, file, at, content)

    def inner(self, step: str) -> Schema:
        return Schema.at(self.contract, self.file, self.pointer + step)

    @cached_property
    def properties(self) -> Mapping[str, Schema]:
        return {name: self.inner(f"/properties{pointer((name,))}") for name in self.content.get("properties", {})}

    def all_of(self) -> Iterator[Schema]:
        """The schema and all that it combines with `allOf`."""
        yield self
        for index in range(len(self.content.get("allOf", ()))):
            yield from self.inner(f"/allOf/{index}").all_of()

    @property
    def extension(self) -> Mapping[str, Json]:
        found: Mapping[str, Json] = self.content.get("x-trunkline", {})
        return found

    @cached_property
    def evidence(self) -> Evidence:
        return self.evidence_for("")

    def evidence_for(self, keyword: str) -> Evidence:
        """The evidence for a keyword: its own, or that of the schema."""
        own = self.extension["evidence"]
        return evidence_of(self.contract.files[self.file], own.get("keywords", {}).get(keyword, own))

    @property
    def reference(self) -> str:
        return f"{self.contract.folder}/{self.file}#{self.pointer}"

    def allows(self, value: Json) -> bool:
        return self.contract.schemas.accepts(f"{self.file}#{self.pointer}", value)


# --- fields of responses --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a response documents of an item. `name` is its path in the item: `name`, `metrics/calls_today`.

    A `volatile` field may change at any time.
    """

    name: str
    schema: Schema
    volatile: bool


@lru_cache(maxsize=256)
def shown_fields(operation: Operation) -> Mapping[str, Field]:
    """The fields that a success of the operation documents of one item, nested ones by their path."""
    item = _item_schema(operation)
    return {field.name: field for field in _fields(item, "", volatile=False)} if item else {}


def _fields(schema: Schema, prefix: str, *, volatile: bool) -> Iterator[Field]:
    for name, child in schema.properties.items():
        is_volatile = volatile or bool(child.extension.get("volatile"))
        if "properties" in child.content:
            yield from _fields(child, f"{prefix}{name}/", volatile=is_volatile)
        else:
            yield Field(prefix + name, child, is_volatile)


@lru_cache(maxsize=256)
def creation_times(operation: Operation) -> Mapping[str, Evidence]:
    """The fields of an item that show when it was created: the first of each documented pair of ordered times."""
    item = _item_schema(operation)
    pairs = item.extension.get("ordered", ()) if item else ()
    return {pair["first"][1:]: evidence_of(item.contract.files[item.file], pair["evidence"]) for pair in pairs if item}


def _item_schema(operation: Operation) -> Schema | None:
    """The schema of one item in a success of the operation, if it shows one."""
    if operation.item is None:
        return None
    schema = Schema.at(operation.contract, DOCUMENT, operation.success.schema)
    for part in operation.item.split("/")[1:]:
        schema = schema.inner("/items" if "items" in schema.content else f"/properties{pointer((part,))}")
    return schema


# --- inputs of request bodies ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A field of a request body."""

    name: str
    schema: Schema
    required: bool
    secret: bool

    @property
    def pattern(self) -> str:
        """The pattern of harmless values, or empty."""
        found: str = self.schema.extension.get("made", "")
        return found

    @property
    def type(self) -> str:
        """The JSON type of the values that are sent, the first that is not null."""
        types = self.schema.content.get("type", "string")
        return next((name for name in (types if isinstance(types, list) else [types]) if name != "null"), "null")

    @property
    def unsettled(self) -> list[Mapping[str, Json]]:
        """Values that an item may ignore, unless it has certain fields.

        `[{"value": True, "unless": {"is_verified": True}}]` for `is_active`.
        """
        return [*self.schema.extension.get("unsettled", ())]

    def is_binding(self, value: Json, fields: Mapping[str, Json]) -> bool:
        """Whether an item with these fields must take the value as it is sent."""
        return not any(
            value == entry["value"]
            and type(value) is type(entry["value"])
            and not entry["unless"].items() <= fields.items()
            for entry in self.unsettled
        )


@lru_cache(maxsize=256)
def inputs(operation: Operation) -> tuple[Input, ...]:
    """The inputs of the operation's body, in the order of its schema."""
    return tuple(
        Input(name, schema, name in body.content.get("required", ()), name in operation.contract.secrets)
        for body in _body_schemas(operation)[:1]
        for name, schema in body.properties.items()
    )


@dataclass(frozen=True, slots=True)
class Default:
    """The value that an input gets when it is not sent. `depends_on` are the inputs that decide about it."""

    value: Json
    schema: Schema
    depends_on: frozenset[str] = frozenset()


def defaults(operation: Operation, body: Mapping[str, Json]) -> dict[str, Default]:
    """The documented default of each input that a body leaves out."""
    return {
        name: Default(schema.content["default"], schema, depends_on)
        for branch, depends_on in _branches(_body_schemas(operation), body, frozenset())
        for name, schema in branch.properties.items()
        if "default" in schema.content and name not in body
    }


@lru_cache(maxsize=64)
def default_dependencies(operation: Operation) -> Mapping[str, frozenset[str]]:
    """The inputs that decide about the default of another: `{"port": {"transport"}}`."""
    return {name: default.depends_on for name, default in defaults(operation, {}).items() if default.depends_on}


def _branches(
    schemas: Iterable[Schema], body: Mapping[str, Json], depends_on: frozenset[str]
) -> Iterator[tuple[Schema, frozenset[str]]]:
    """The schemas that apply to a body, each with the inputs on which that depends."""
    for schema in schemas:
        yield schema, depends_on
        if "if" in schema.content:
            branch = "then" if schema.inner("/if").allows(body) else "else"
            tested = frozenset(schema.content["if"].get("properties", {}))
            if branch in schema.content:
                yield from _branches(schema.inner(f"/{branch}").all_of(), body, depends_on | tested)


@dataclass(frozen=True, slots=True)
class Condition:
    """Inputs that are required `when` others have these values."""

    when: Mapping[str, Json]
    requires: tuple[str, ...]


@lru_cache(maxsize=256)
def conditions(operation: Operation) -> tuple[Condition, ...]:
    """The conditions under which some inputs are required."""
    found = []
    for schema in _body_schemas(operation):
        required = schema.content.get("then", {}).get("required", ())
        if "if" in schema.content and required:
            tests = schema.content["if"].get("properties", {}).items()
            when = {name: test.get("const", test.get("enum", [None])[0]) for name, test in tests}
            found.append(Condition(when, tuple(required)))
    return tuple(found)


def conditional_inputs(operation: Operation) -> frozenset[str]:
    """The inputs that some condition requires. They make sense only for items that meet it."""
    return frozenset(name for condition in conditions(operation) for name in condition.requires)


@lru_cache(maxsize=256)
def _body_schemas(operation: Operation) -> tuple[Schema, ...]:
    """The schema of the operation's body, and all that it combines; empty without a body."""
    if operation.body is None:
        return ()
    return tuple(Schema.at(operation.contract, DOCUMENT, operation.body.schema).all_of())
