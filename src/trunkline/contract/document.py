"""The shape of a contract's files: the part of OpenAPI 3.1 and JSON Schema 2020-12 that trunkline reads.

`contract.schema.json` beside this file is generated from it: `python -m trunkline.contract.document`. The lint checks
data against that schema, since its errors name the place; loading converts the document to these classes.
docs/data-format.md explains every key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from trunkline.exchange import Json
from trunkline.findings import Evidence, Grade

SCHEMA_FILE = Path(__file__).with_name("contract.schema.json")
LITERAL_KEYWORDS = frozenset({"examples", "default", "enum", "const"})
"""Keywords that hold plain values, not schemas."""
MAP_KEYWORDS = frozenset({"properties", "$defs"})
"""Keywords that map names to schemas."""

JsonPointer = Annotated[str, Meta(pattern="^(/([^~/]|~[01])*)*$")]
Text = Annotated[str, Meta(min_length=1)]
Date = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Regex = Annotated[str, Meta(extra_json_schema={"format": "regex"})]
HeaderName = Annotated[str, Meta(pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
ResourceName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]
FieldName = Annotated[str, Meta(pattern="^[^/]+$")]
FieldNames = Annotated[frozenset[FieldName], Meta(min_length=1, extra_json_schema={"uniqueItems": True})]
StatusKey = Annotated[str, Meta(pattern="^([1-5][0-9][0-9]|[1-5]XX)$")]
Evidences = dict[FieldName, Evidence]

Dialect = Literal["https://json-schema.org/draft/2020-12/schema"]
Method = Literal["get", "put", "post", "delete", "patch"]
Keyword = Literal[
    "type", "enum", "const", "required", "properties", "items", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format", "minItems", "maxItems",
    "uniqueItems", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
]  # fmt: skip
ParameterCause = Literal[
    "parameter_malformed", "parameter_out_of_range", "parameter_not_allowed", "parameter_repeated", "id_unknown"
]
BodyCause = Literal[
    "media_type_unsupported", "body_malformed", "body_too_large", "field_missing", "field_mistyped", "field_invalid"
]
CredentialCause = Literal["credentials_missing", "credentials_malformed", "credentials_unknown", "permission_missing"]
Cause = Literal[
    "path_unknown", "method_not_allowed", CredentialCause, ParameterCause, "rate_limited", BodyCause, "not_unique",
    "not_empty", "in_use",
]  # fmt: skip


def _only(names: Any, **constraints: Json) -> Meta:
    """The constraint that an object has no other names than those of a `Literal`."""
    return Meta(extra_json_schema={"propertyNames": {"enum": [*get_args(names)]}, **constraints})


ResponseOrRef = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": "#/$defs/ResponseOrRef"})]
RawParameterSchema = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": "#/$defs/ParameterSchema"})]


def target_of(file: str, ref: str) -> tuple[str, str]:
    """File and pointer to which a `$ref` of a file leads: `("trunk.json", "/properties/id")`."""
    target, _, at = ref.partition("#")
    return target or file, at


class Node(Struct, frozen=True, forbid_unknown_fields=True):
    """An object of a file: an unknown name in it stops the load."""


@dataclass(frozen=True, slots=True)
class KeywordEvidence(Evidence):
    """Evidence for a schema, and for some of its keywords evidence of their own."""

    keywords: Annotated[dict[str, Evidence], _only(Keyword)] = field(default_factory=dict)


class EvidenceOnly(Node, frozen=True):
    """An extension that holds nothing but evidence."""

    evidence: Evidence


# --- operations -----------------------------------------------------------------------------------------------------


class BodyLocation(Node, frozen=True):
    """A JSON Pointer into a body, and the evidence for it."""

    at: JsonPointer
    evidence: Evidence


class Filter(Node, frozen=True):
    """A filter of a list: the pointer `at` to a field of an item, and the `comparison`: `equal`, `from` or `until`."""

    at: JsonPointer = msgspec.field(name="field")
    evidence: Evidence
    comparison: Literal["equal", "from", "until"] = msgspec.field(name="is", default="equal")


class Paging(Node, frozen=True):
    """The paging of a list: the names of both parameters, and where the response has the total and echoes them."""

    limit: str
    offset: str
    evidence: Evidence
    past_end: Evidence
    total: BodyLocation | None = None
    echo: dict[str, BodyLocation] = {}


class List(Node, frozen=True):
    """An operation that lists items: the pointer to them in the body, and to the id in an item (`identity`).

    `whole_below` is the number of items from which on a response may be less than the whole list; 0 for none.
    """

    items: JsonPointer
    identity: JsonPointer
    evidence: Evidence
    paging: Paging | None = None
    filters: dict[str, Filter] = {}
    whole_below: Annotated[int, Meta(ge=1)] = 0
    parameter: ClassVar[str] = ""

    @property
    def item(self) -> str:
        """The pointer to the first item."""
        return f"{self.items}/0"


class Fetch(Node, frozen=True):
    """An operation that shows one item: the pointers to it and to its id, and the path `parameter` of that id."""

    item: JsonPointer
    identity: JsonPointer
    parameter: str
    evidence: Evidence


class Create(Node, frozen=True):
    """An operation that creates an item.

    `item` is the pointer to it in the body, `identity` the pointer to the id in the item, `label` the input that people
    read, and `unique` maps an input to the evidence that no two items share its value.
    """

    item: JsonPointer
    identity: JsonPointer
    label: Annotated[str, Meta(pattern="^[^/]*$")]
    evidence: Evidence
    unique: Evidences = {}
    parameter: ClassVar[str] = ""


class Reset(Node, frozen=True):
    """A field that is reset `to` a value when all inputs of a set in `when` change; a change of `never` leaves it."""

    field: FieldName
    to: Any
    when: Annotated[tuple[FieldNames, ...], Meta(min_length=1)]
    never: FieldNames
    evidence: Evidence


class Update(Node, frozen=True):
    """An operation that changes an item; `identity` is the pointer to the id in it.

    `partial` is the evidence that inputs which are not sent stay the same.
    """

    item: JsonPointer
    identity: JsonPointer
    parameter: str
    partial: Evidence
    evidence: Evidence
    resets: Annotated[tuple[Reset, ...], Meta(min_length=1)] = ()


class Delete(Node, frozen=True):
    """An operation that deletes an item, unless it has items of the `empty` resources or is in use (`unused`)."""

    parameter: str
    evidence: Evidence
    empty: Evidences = {}
    unused: Evidence | None = None
    item: ClassVar[None] = None
    identity: ClassVar[str] = ""


class Act(Node, frozen=True):
    """Any other operation: it `changes` and shows some fields of an item, and `keeps` others.

    One without a `parameter` is about no item, such as the health of the service.
    """

    parameter: str
    shown: JsonPointer = msgspec.field(name="item")
    changes: frozenset[FieldName]
    keeps: Evidences
    evidence: Evidence
    identity: ClassVar[str] = ""

    @property
    def item(self) -> str | None:
        """The pointer to the fields that it shows, or None when it changes none."""
        return self.shown if self.changes else None


Kind: TypeAlias = List | Fetch | Create | Update | Delete | Act
"""The kind of an operation.

Each has `parameter` (of the path), `item` and `identity` (pointers to an item and to the id in it), empty where there
is none.
"""


class OperationExtension(Node, frozen=True):
    """The `x-trunkline` of an operation: its resource, and exactly one kind if it has a resource.

    Without a resource (the health of the service, for example) the loader gives the operation an empty `Act`.
    """

    evidence: Evidence
    resource: ResourceName | None = None
    unmetered: Evidence | None = None
    list: List | None = None
    fetch: Fetch | None = None
    create: Create | None = None
    update: Update | None = None
    delete: Delete | None = None
    act: Act | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are named."""
        values = (getattr(self, name) for name in self.__struct_fields__)
        return tuple(value for value in values if isinstance(value, Kind))


class ParameterSchema(Node, frozen=True):
    """The schema of a parameter."""

    type: Literal["integer", "string"]
    minimum: int | None = None
    maximum: int | None = None
    enum: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    format: Literal["date-time"] | None = None
    default: Any = None
    examples: list[Any] | None = None


class ParameterExtension(Node, frozen=True):
    """The `x-trunkline` of a parameter; `names` is the resource whose id it carries."""

    evidence: KeywordEvidence
    refused: Annotated[dict[str, Evidence], _only(ParameterCause)]
    names: ResourceName | None = None


class ParameterNode(Node, frozen=True):
    """A parameter in the path or the query."""

    name: Text
    location: Literal["query", "path"] = msgspec.field(name="in")
    schema: RawParameterSchema
    extension: ParameterExtension = msgspec.field(name="x-trunkline")
    required: bool = False
    description: str = ""


def _json_content(ref_pattern: str) -> Meta:
    """The constraint that a body is JSON, and that its schema is one `$ref`."""
    ref = {"type": "string", "pattern": ref_pattern}
    schema = {"type": "object", "required": ["$ref"], "additionalProperties": False, "properties": {"$ref": ref}}
    media_type = {
        "type": "object",
        "required": ["schema"],
        "additionalProperties": False,
        "properties": {"schema": schema, "examples": {"type": "object"}},
    }
    json_only = {"required": ["application/json"], "additionalProperties": False}
    return Meta(extra_json_schema={**json_only, "properties": {"application/json": media_type}})


class RequestBodyExtension(Node, frozen=True):
    """The `x-trunkline` of a request body: the evidence for each cause of a refusal."""

    evidence: Evidence
    refused: Annotated[dict[str, Evidence], _only(BodyCause, required=[*get_args(BodyCause)])]


class RequestBodyNode(Node, frozen=True):
    """The body of a request. It is required."""

    required: Annotated[bool, Meta(extra_json_schema={"const": True})]
    content: Annotated[dict[str, Any], _json_content("^[^#]+$")]
    extension: RequestBodyExtension = msgspec.field(name="x-trunkline")
    description: str = ""


class Header(Node, frozen=True):
    """A header of a response."""

    schema: dict[str, Any]
    extension: EvidenceOnly = msgspec.field(name="x-trunkline")
    required: bool = False
    description: str = ""


class ErrorCode(Node, frozen=True):
    """The error code of a cause; `status` is the evidence for the status, if it is not that of the response."""

    code: str
    evidence: Evidence
    status: Evidence | None = None


class ResponseExtension(Node, frozen=True):
    """The `x-trunkline` of a response: the causes that it answers.

    `content` is the evidence that a response of the range `2XX` has content, whichever status it has. `codes` are error
    codes whose cause is not known.
    """

    evidence: Evidence
    content: Evidence | None = None
    refusals: Annotated[dict[str, ErrorCode], _only(Cause)] = {}
    codes: dict[str, Evidence] = {}


class ResponseNode(Node, frozen=True):
    """A response: of an operation, shared by several, or to requests that no operation gets."""

    description: str
    extension: ResponseExtension = msgspec.field(name="x-trunkline")
    headers: dict[HeaderName, Header] = {}
    content: Annotated[dict[str, Any], _json_content("^[^#]+(#.*)?$")] | None = None


class OperationNode(Node, frozen=True):
    """An operation of a path. `security: []` says that it needs no credential."""

    operation_id: Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9]*$")] = msgspec.field(name="operationId")
    summary: str
    responses: Annotated[dict[StatusKey, ResponseOrRef], Meta(min_length=1)]
    extension: OperationExtension = msgspec.field(name="x-trunkline")
    description: str = ""
    tags: list[str] = []
    security: Annotated[list[Any], Meta(max_length=0)] | None = None
    parameters: list[ParameterNode] = []
    request_body: RequestBodyNode | None = msgspec.field(name="requestBody", default=None)


# --- the document ---------------------------------------------------------------------------------------------------


class Info(Struct, frozen=True):
    """The title and the version of the API, and whatever else OpenAPI allows here."""

    title: str
    version: str


class Server(Node, frozen=True):
    """The vendor's base address."""

    url: Annotated[str, Meta(pattern="^https?://[^/]+(/[^/]+)*$")]
    extension: EvidenceOnly = msgspec.field(name="x-trunkline")
    description: str = ""


class SecurityExtension(Node, frozen=True):
    """The `x-trunkline` of the security scheme: the evidence for each cause of a refusal."""

    evidence: Evidence
    refused: Annotated[
        dict[str, Evidence],
        _only(CredentialCause, required=["credentials_missing", "credentials_malformed", "credentials_unknown"]),
    ]


class SecurityScheme(Node, frozen=True):
    """The one kind of security that there is: a bearer credential."""

    type: Literal["http"]
    scheme: Literal["bearer"]
    extension: SecurityExtension = msgspec.field(name="x-trunkline")
    description: str = ""
    bearer_format: str = msgspec.field(name="bearerFormat", default="")


class Components(Node, frozen=True):
    """The parts of the document that others refer to."""

    security_schemes: dict[str, SecurityScheme] = msgspec.field(name="securitySchemes", default_factory=dict)
    responses: dict[str, ResponseNode] = {}


class Errors(Node, frozen=True):
    """Pointers to the code and the message in an error body.

    `success` is the place of a flag that is true in the body of a success only.
    """

    code: JsonPointer
    message: JsonPointer
    evidence: Evidence
    success: BodyLocation | None = None


class RateLimit(Node, frozen=True):
    """The names of the headers of the rate limit, and its window."""

    limit: HeaderName
    remaining: HeaderName
    reset: HeaderName
    window_seconds: Annotated[int, Meta(ge=1)]
    evidence: Evidence
    reset_is: Literal["unix_time"] | None = None


class VendorExtension(Node, frozen=True):
    """The `x-trunkline` of the document: facts about the whole API. `read` is the day on which the pages were read."""

    format: Literal[1]
    read: Date
    errors: Errors
    responses: Annotated[dict[str, ResponseOrRef], Meta(extra_json_schema={"required": ["404", "405"]})]
    secrets: dict[str, Evidence] = {}
    rate_limit: RateLimit | None = None


Requirement = Annotated[dict[str, Any], Meta(min_length=1, max_length=1)]
PathItem = Annotated[dict[str, OperationNode], Meta(min_length=1), _only(Method)]


class Document(Node, frozen=True):
    """`openapi.json`."""

    openapi: Literal["3.1.0"]
    info: Info
    servers: Annotated[list[Server], Meta(min_length=1, max_length=1)]
    paths: Annotated[dict[Annotated[str, Meta(pattern="^/")], PathItem], Meta(min_length=1)]
    extension: VendorExtension = msgspec.field(name="x-trunkline")
    dialect: Dialect | None = msgspec.field(name="jsonSchemaDialect", default=None)
    security: Annotated[list[Requirement], Meta(min_length=1, max_length=1)] | None = None
    tags: list[Any] = []
    components: Components = Components()


# --- the schema files -----------------------------------------------------------------------------------------------


class Unsettled(Node, frozen=True):
    """A value that an input may or may not take, unless fields of the item have the values of `unless`."""

    value: Any
    unless: Annotated[dict[str, Any], Meta(min_length=1)]
    evidence: Evidence


class Ordered(Node, frozen=True):
    """Two times of an object, the first of which is not after the second."""

    first: JsonPointer
    then: JsonPointer
    evidence: Evidence


class SchemaExtension(Node, frozen=True):
    """The `x-trunkline` of a schema. `made` is the pattern of harmless values of an input.

    `pattern` says in words what the `pattern` of the schema means: `a date-time in UTC`.
    """

    evidence: KeywordEvidence
    pattern: Annotated[str, Meta(min_length=1)] | None = None
    read: Date | None = None
    volatile: Annotated[bool, Meta(extra_json_schema={"const": True})] | None = None
    made: Regex | None = None
    unsettled: Annotated[list[Unsettled], Meta(min_length=1)] | None = None
    ordered: list[Ordered] | None = None


# --- the schema of the files ----------------------------------------------------------------------------------------

_KIND_NAMES = [kind.__name__.lower() for kind in (List, Fetch, Create, Update, Delete, Act)]
_EVIDENCE: Json = {
    "additionalProperties": False,
    "if": {"properties": {"grade": {"enum": ["decision", "observed"]}}},
    "then": {"required": ["note"]},
    "else": {"required": ["source"]},
}
_EVIDENCE_TEXTS = {"source": {"pattern": "^https://"}, "note": {"minLength": 1}, "read": {"format": "date"}}
_SCHEMA: Json = {"$ref": "#/$defs/Schema"}
_KEYWORDS: Json = {
    "$schema": {"enum": [*get_args(Dialect)]},
    "$id": {"type": "string", "format": "uri"},
    **{key: {"type": "string"} for key in ("$ref", "title", "description", "format")},
    **{key: {} for key in ("default", "type", "const")},
    "pattern": {"type": "string", "format": "regex"},
    "examples": {"type": "array"},
    "enum": {"type": "array", "minItems": 1},
    "required": {"type": "array", "items": {"type": "string"}},
    "uniqueItems": {"type": "boolean"},
    **{key: {"type": "number"} for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")},
    **{key: {"type": "integer"} for key in ("minLength", "maxLength", "minItems", "maxItems")},
    **dict.fromkeys(("items", "not", "if", "then", "else"), _SCHEMA),
    **{key: {"type": "array", "minItems": 1, "items": _SCHEMA} for key in ("allOf", "anyOf", "oneOf")},
    "$defs": {"type": "object", "additionalProperties": _SCHEMA},
    "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Property"}},
    "x-trunkline": {"$ref": "#/$defs/SchemaExtension"},
}
"""The keywords of a schema. No class has them, because schemas are used as they are."""
_CONDITIONS: Json = {
    "Schema": {"type": "object", "additionalProperties": False, "properties": _KEYWORDS},
    "Grade": {"enum": [grade.value for grade in Grade]},
    "Evidence": _EVIDENCE,
    "KeywordEvidence": _EVIDENCE,
    "OperationExtension": {"dependentRequired": {name: ["resource"] for name in _KIND_NAMES}},
    "ResponseOrRef": {
        "if": {"type": "object", "required": ["$ref"]},
        "then": {
            "additionalProperties": False,
            "properties": {"$ref": {"type": "string", "pattern": "^#/components/responses/[A-Za-z0-9]+$"}},
        },
        "else": {"$ref": "#/$defs/ResponseNode"},
    },
    "Property": {
        "allOf": [_SCHEMA],
        "if": {"not": {"required": ["$ref"]}},
        "then": {"required": ["x-trunkline"]},
    },
    "SchemaFile": {
        "description": "A schema file: it names its dialect and carries evidence, so that it can be read alone.",
        "allOf": [_SCHEMA],
        "required": ["$schema", "title", "x-trunkline"],
        "properties": {"x-trunkline": {"required": ["read", "evidence"]}},
    },
}
"""The constraints that classes cannot express, by the name of the definition."""


def json_schema() -> Json:
    """Generate the JSON Schema of the files, as `contract.schema.json` has it."""
    types = (Document, ResponseNode, ParameterSchema, SchemaExtension)
    _, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    schema: dict[str, Json] = {name: _tidy(definition) for name, definition in definitions.items()}
    for name, conditions in _CONDITIONS.items():
        schema[name] = {**schema.get(name, {}), **conditions}
    for name in ("Evidence", "KeywordEvidence"):
        for text, constraint in _EVIDENCE_TEXTS.items():
            schema[name]["properties"][text] |= constraint
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://trunkline.invalid/contract.schema.json",
        "title": "The contract format of trunkline, version 1",
        "description": "Generated by `python -m trunkline.contract.document`. docs/data-format.md explains every key.",
        "$ref": "#/$defs/Document",
        "$defs": dict(sorted(schema.items())),
    }


def _tidy(node: Json) -> Json:
    """The schema that msgspec generates, without null for absent values and with errors that name the place.

    Names of entries are listed as properties: an unknown one is then an error of its object, and its value is ignored.
    """
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    properties = {name: _tidy(schema) for name, schema in node.get("properties", {}).items()}
    node = {key: _tidy(value) for key, value in node.items() if key not in ("properties", "default")}
    node |= {"properties": properties} if properties else {}
    if {"type": "null"} in node.get("anyOf", ()):
        (other,) = (option for option in node.pop("anyOf") if option != {"type": "null"})
        node |= other
    if None in node.get("enum", ()):
        node["enum"] = [value for value in node["enum"] if value is not None]
    names = node.pop("propertyNames", {})
    if "enum" in names:
        node["properties"] = dict.fromkeys(names["enum"], node["additionalProperties"])
        node["additionalProperties"] = False
    elif "pattern" in names:
        node["patternProperties"] = {names["pattern"]: node["additionalProperties"]}
        node["additionalProperties"] = False
    return node


def main() -> None:
    """Write `contract.schema.json`, with a line for each definition."""
    schema = json_schema()
    definitions = ",\n".join(f"  {json.dumps({name: value})[1:-1]}" for name, value in schema.pop("$defs").items())
    SCHEMA_FILE.write_text(f'{json.dumps(schema)[:-1]}, "$defs": {{\n{definitions}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main()
