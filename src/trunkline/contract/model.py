"""The compiled contract: a vendor's operations, parameters, responses and schemas, as frozen values.

`loader` builds them from the files. Schemas are not copied: a validator is a `$ref` to a place in a file, and a finding
prints that place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableSet
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import groupby, islice
from typing import TYPE_CHECKING, Generic, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from trunkline.contract.document import (
    Act,
    BodyLocation,
    Create,
    Delete,
    ErrorCode,
    Errors,
    Fetch,
    Filter,
    Kind,
    List,
    Paging,
    RateLimit,
    Reset,
    Update,
    target_of,
)
from trunkline.contract.http import PORTS, decode_unreserved, plain_host
from trunkline.contract.schema import MAX_ERRORS, SchemaError, Schemas, Steps
from trunkline.contract.violations import Sample, Violation, is_flat
from trunkline.exchange import Json, pointer, resolve
from trunkline.findings import Evidence, Grade

__all__ = [
    "DOCUMENT", "Act", "BodyLocation", "Contract", "Create", "Delete", "DocumentedResponse", "ErrorCode", "Errors",
    "Fetch", "Filter", "Kind", "List", "Operation", "Paging", "Parameter", "RateLimit", "RequestBody", "Reset",
    "Security", "Update", "View", "Violation", "evidence_of",
]  # fmt: skip

DOCUMENT = "openapi.json"

_MOST_ITEMS = 100
"""The number of wrong items of a list that are described."""
_OF_A_WHOLE_LIST = frozenset({"minItems", "maxItems", "uniqueItems", "const", "enum"})
_BRANCHES = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "const", "enum"})
"""The keywords that may be about parts of a value which `properties` and `items` do not describe."""

_PLAIN_BRANCHES = frozenset({"allOf", "if"})
"""The branches by whose `properties` one can tell which parts they are about."""

View: TypeAlias = dict[str, "View | None"]
"""The properties that a schema documents, nested: `{"id": None, "metrics": {"calls_today": None}}`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One documented parameter. `location` is `path` or `query`; `resource` is named by the id that it carries, or "".

    `refused` maps a cause to the evidence that such a value is refused, `keywords` a keyword to its own evidence.
    """

    name: str
    location: str
    schema: Mapping[str, Json]
    pointer: str
    evidence: Evidence
    refused: Mapping[str, Evidence]
    keywords: Mapping[str, Evidence]
    resource: str = ""

    def evidence_for(self, keyword: str) -> Evidence:
        """The evidence for a keyword of the parameter's schema: its own, or the parameter's."""
        return self.keywords.get(keyword, self.evidence)

    @property
    def causes(self) -> set[str]:
        """The causes for which a request can be refused because of the parameter's schema."""
        if self.location == "path":
            return set()
        possible = {
            "parameter_malformed": self.schema["type"] == "integer" or "format" in self.schema,
            "parameter_out_of_range": "minimum" in self.schema or "maximum" in self.schema,
            "parameter_not_allowed": "enum" in self.schema,
            "parameter_repeated": True,
        }
        return {cause for cause, is_possible in possible.items() if is_possible}


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The request body of an operation: the pointer to its schema, and for each cause the evidence of a refusal."""

    pointer: str
    schema: str
    evidence: Evidence
    refused: Mapping[str, Evidence]


@dataclass(frozen=True, slots=True)
class DocumentedResponse:
    """One documented response of an operation: `key` is `200`, or a range such as `4XX`.

    `content` is the evidence that a range of successes does not include 204, which has no content. `codes` are error
    codes of which no cause is known.
    """

    key: str
    pointer: str
    evidence: Evidence
    schema: str
    refusals: Mapping[str, ErrorCode]
    headers: Mapping[str, Evidence]
    content: Evidence | None = None
    codes: Mapping[str, Evidence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Security:
    """The one security scheme, a bearer credential, and for each cause the evidence of a refusal."""

    pointer: str
    evidence: Evidence
    refused: Mapping[str, Evidence]


if TYPE_CHECKING:
    from typing_extensions import TypeVar  # with a default (PEP 696): a bare `Operation` is one of any kind

    K = TypeVar("K", bound=Kind, covariant=True, default=Kind)
    _K = TypeVar("_K", bound=Kind, default=Kind)
else:
    from typing import TypeVar

    K = TypeVar("K")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Operation(Generic[K]):
    """One documented operation, e.g. `GET /trunks`. Its `kind` says what it does: an `Operation[List]` lists.

    `pointer` leads to it in the document. `secured` says whether it needs a credential.
    `rate_limit_exemption` is the evidence that it has no rate limit. `resource` is the collection that it is about:
    `trunks`.
    """

    contract: Contract
    operation_id: str
    method: str
    path: str
    pointer: str
    summary: str
    evidence: Evidence
    secured: bool
    parameters: tuple[Parameter, ...]
    responses: Mapping[str, DocumentedResponse]
    kind: K
    resource: str = ""
    rate_limit_exemption: Evidence | None = None
    body: RequestBody | None = None

    def __repr__(self) -> str:
        return f"<{self.operation_id} {self.method} {self.path}>"

    def response_for(self, status: int) -> DocumentedResponse | None:
        """The documented response for a status, else for its range (`4XX`), else None."""
        return self.responses.get(str(status)) or self.responses.get(f"{status // 100}XX")

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name. Raises `LookupError` if there is none."""
        return {parameter.name: parameter for parameter in self.parameters}[name]

    @property
    def success(self) -> DocumentedResponse:
        """The first documented response of the 2xx class."""
        return next(response for key, response in self.responses.items() if key.startswith("2"))

    @property
    def same_resource(self) -> tuple[Operation, ...]:
        """The operations on the same resource, including this one."""
        return tuple(found for found in self.contract.operations if self.resource and found.resource == self.resource)

    @property
    def reads(self) -> bool:
        """Whether the operation changes nothing."""
        return self.method == "GET"

    @property
    def path_parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the path, each of which holds an id."""
        return tuple(parameter for parameter in self.parameters if parameter.location == "path")

    @property
    def query_parameters(self) -> tuple[Parameter, ...]:
        """The parameters in the query."""
        return tuple(parameter for parameter in self.parameters if parameter.location == "query")

    @property
    def parents(self) -> tuple[Parameter, ...]:
        """The path parameters that hold the ids of the items to which an item belongs."""
        return tuple(parameter for parameter in self.path_parameters if parameter.name != self.kind.parameter)

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Json]]:
        """The schema of each field in the request body."""
        return self.contract.schema_at(self.body.schema).get("properties", {}) if self.body else {}

    @property
    def item(self) -> str | None:
        """The pointer to an item in the success body: `/trunks/0`, `/data`; None when it shows no item."""
        return self.kind.item

    @property
    def identity(self) -> str:
        """The pointer to the id in an item, or empty."""
        return self.kind.identity

    @property
    def view(self) -> View:
        """The properties of an item that the success body documents."""
        if self.item is None:
            return {}
        return _view(self.contract.schema_at(self.success.schema, self.item))

    def item_violations(self, item: Json) -> list[Violation]:
        """The ways in which one item breaks the schema of items in the success body."""
        return self.contract.violations_at(self.success.schema, self.item or "", item)

    def reference(self, at: str) -> str:
        """A pointer into the document as findings print it: `schemas/acme/openapi.json#/paths/~1trunks/get`."""
        return f"{self.contract.folder}/{DOCUMENT}#{at}"

    def extension_reference(self, key: str) -> str:
        """The reference of a key of the operation's extension, e.g. `list/paging/total`."""
        return self.reference(f"{self.pointer}/x-trunkline/{key}")


@dataclass(eq=False, repr=False)
class Contract:
    """The contract of a vendor, compiled. It is equal only to itself, and not changed after it is built.

    `files` maps the names of files to their contents, and `url` is the vendor's base address. `responses` are those to
    requests that reach no operation: 404 and 405.
    """

    vendor: str
    folder: str
    files: Mapping[str, Json]
    url: str
    security: Security
    errors: Errors
    secrets: Mapping[str, Evidence]
    rate_limit: RateLimit | None
    responses: Mapping[str, DocumentedResponse]
    operations: tuple[Operation, ...] = field(init=False, default=())

    @property
    def document(self) -> Json:
        return self.files[DOCUMENT]

    @property
    def base_path(self) -> str:
        """The path of the vendor's base address: `/v1`."""
        return urlsplit(self.url).path

    @property
    def host(self) -> str:
        """The host of the vendor's base address, as `plain_host` gives it: `api.acme.example`."""
        return plain_host(urlsplit(self.url).hostname or "")

    @property
    def port(self) -> int:
        """The port of the vendor's base address: 443."""
        parts = urlsplit(self.url)
        return parts.port or PORTS[parts.scheme]

    def of_kind(self, kind: type[_K], resource: str | None = None) -> tuple[Operation[_K], ...]:
        """The operations of a kind, on one resource if it is given: `contract.of_kind(List, "trunks")`."""
        return tuple(
            cast("Operation[_K]", found)
            for found in self.operations
            if isinstance(found.kind, kind) and resource in (None, found.resource)
        )

    def operation(self, operation_id: str) -> Operation:
        """The operation with that operationId. Raises `LookupError` if there is none."""
        return {operation.operation_id: operation for operation in self.operations}[operation_id]

    def without(self, names: Collection[str]) -> Contract:
        """The contract as if the operations with these operationIds were not documented."""
        contract = replace(self)
        kept = (replace(found, contract=contract) for found in self.operations if found.operation_id not in names)
        contract.operations = tuple(kept)
        contract.schemas = self.schemas  # compiled once
        return contract

    def match(self, path: str) -> tuple[tuple[Operation, ...], dict[str, str]]:
        """The operations at a path (percent-encoded), and its decoded path parameters; `((), {})` for no operation."""
        if operations := self._static_routes.get(path):
            return operations, {}
        segments = decode_unreserved(path).split("/")
        for template, operations in self._routes.get(len(segments), ()):
            values: dict[str, str] = {}
            for part, segment in zip(template, segments, strict=True):
                if part.startswith("{"):
                    if not segment:
                        break
                    values[part[1:-1]] = unquote(segment, errors="surrogateescape")
                elif part != segment:
                    break
            else:
                return operations, values
        return (), {}

    @cached_property
    def _static_routes(self) -> dict[str, tuple[Operation, ...]]:
        """The operations by path, for paths without parameters."""
        paths = {operation.path for operation in self.operations if "{" not in operation.path}
        return {path: tuple(operation for operation in self.operations if operation.path == path) for path in paths}

    @cached_property
    def _routes(self) -> dict[int, list[tuple[list[str], tuple[Operation, ...]]]]:
        routes: dict[int, list[tuple[list[str], tuple[Operation, ...]]]] = {}
        literal_first = sorted(self.operations, key=lambda operation: operation.path.count("{"))
        for path, operations in groupby(literal_first, lambda operation: operation.path):
            parts = path.split("/")
            routes.setdefault(len(parts), []).append((parts, tuple(operations)))
        return routes

    def violations(self, schema: str, value: Json, file: str = DOCUMENT) -> list[Violation]:
        """The ways in which a value breaks the schema at a pointer of a file, for jsonschema-rs.

        Of a long list, those of the first wrong items, and the number of the others as one violation of `items`.
        """
        place = f"{file}#{schema}"
        if not (schema or file != DOCUMENT):
            return []
        sample = Sample(value) if is_flat(value) else self._sample(file, schema, value)
        if self.schemas.accepts(place, sample.value):
            return []
        found = [self._violation(file, schema, error) for error in self.schemas.errors(place, sample.value)]
        return sample.complete(found)

    def confirmed_violations(
        self, schema: str, value: Json, known: MutableSet[tuple[str, Steps]] | None = None
    ) -> tuple[list[Violation], list[tuple[Violation, str, str]]]:
        """The violations that both validators see, in the sentences of jsonschema, and those that only one sees.

        The latter are (violation, name of the validator that sees it, name of the other).

        A value that jsonschema-rs accepts is not given to jsonschema, which is slow to import and to run. Nor is one
        that breaks only what is `known` to be confirmed: (`schema`, steps through it), to which this call adds.
        """
        known = set() if known is None else known
        if not schema:
            return [], []
        place, sample = f"{DOCUMENT}#{schema}", self._sample(DOCUMENT, schema, value)
        if self.schemas.accepts(place, sample.value):
            return [], []
        errors = self.schemas.errors(place, sample.value)
        first = [self._violation(DOCUMENT, schema, error) for error in errors]
        if all((schema, error.steps) in known for error in errors):
            return sample.complete(first), []
        second = [
            self._violation(DOCUMENT, schema, error) for error in self.schemas.second_opinion(place, sample.value)
        ]
        in_first = {(violation.at, violation.contract): violation for violation in first}
        in_second = {(violation.at, violation.contract): violation for violation in second}
        confirmed = [in_second[key] for key in in_first if key in in_second]
        known |= {
            (schema, error.steps)
            for error, violation in zip(errors, first, strict=True)
            if (violation.at, violation.contract) in in_second
        }
        confirmed = sample.complete(confirmed)
        if max(len(first), len(second)) >= MAX_ERRORS:
            return confirmed, []  # not all errors are known, so a missing one says nothing
        only_first = [found for key, found in in_first.items() if key not in in_second]
        only_second = [found for key, found in in_second.items() if key not in in_first]
        disagreements = [(found, "jsonschema-rs", "jsonschema") for found in sample.placed(only_first)]
        disagreements += [(found, "jsonschema", "jsonschema-rs") for found in sample.placed(only_second)]
        return confirmed, disagreements

    def _sample(self, file: str, schema: str, value: Json) -> Sample:
        """The value with the first wrong items of each long list, and empty parts where the schema describes none.

        To a validator it is the same but for the other items. It copies values, so large ones must not be given to it.
        """
        sample = Sample(value)

        def cut(place: str, file: str, at: str, node: Json, here: Json) -> Json:
            file, at, node = self.followed(file, at, node)
            if isinstance(here, dict):
                return {name: inner(place, file, at, node, name, value) for name, value in here.items()}
            if not isinstance(here, list) or not _OF_A_WHOLE_LIST.isdisjoint(node):
                return here
            if "items" not in node:
                return here if _BRANCHES.intersection(node) else here[:_MOST_ITEMS]
            at, node = f"{at}/items", node["items"]
            if len(here) > _MOST_ITEMS:
                wrong = (index for index, item in enumerate(here) if not self.schemas.accepts(f"{file}#{at}", item))
                kept = sample.kept[place] = list(islice(wrong, _MOST_ITEMS))
                if more := sum(1 for _ in wrong):
                    sample.left_out[place] = (more, self.file_reference(file, at), node)
                here = [here[index] for index in kept]
            return [cut(f"{place}/{index}", file, at, node, item) for index, item in enumerate(here)]

        def inner(place: str, file: str, at: str, node: Json, name: str, value: Json) -> Json:
            if not isinstance(value, dict | list):
                return value
            if child := node.get("properties", {}).get(name):
                step = pointer((name,))
                return cut(place + step, file, f"{at}/properties{step}", child, value)
            names = _named_in_branches(self, file, at)
            return value if names is None or name in names else type(value)()

        sample.value = cut("", file, schema, resolve(self.files[file], schema), value)
        return sample

    def file_reference(self, file: str, at: str) -> str:
        """A pointer into one of the files as findings print it: `schemas/acme/trunk.json#/properties/id`."""
        return f"{self.folder}/{file}#{at}"

    def violations_at(self, schema: str, at: str, value: Json) -> list[Violation]:
        """The ways in which a value breaks the part of a schema that is about the pointer `at` in its values."""
        file, place, _ = self._descend(schema, at)
        return self.violations(place, value, file)

    def evidence_at(self, schema: str) -> Evidence:
        """The evidence for the schema at a pointer of the document."""
        file, _, node = self._descend(schema)
        return evidence_of(self.files[file], node["x-trunkline"]["evidence"])

    def accepts(self, schema: str, value: Json) -> bool:
        """Whether a value obeys the schema at a pointer of the document."""
        return not schema or self.schemas.accepts(f"{DOCUMENT}#{schema}", value)

    def completed(self, schema: str, value: Mapping[str, Json]) -> dict[str, Json]:
        """The value with the default of each missing property, including defaults that depend on other properties."""
        found = dict(value)
        branches = [(DOCUMENT, schema, resolve(self.document, schema))]
        while branches:
            file, at, node = self.followed(*branches.pop(0))
            for name, child in node.get("properties", {}).items():
                if "default" in child:
                    found.setdefault(name, child["default"])
            if "if" in node:
                branch = "then" if self.schemas.accepts(f"{file}#{at}/if", found) else "else"
                branches += [(file, f"{at}/{branch}", node[branch])] if branch in node else []
            branches += [(file, f"{at}/allOf/{index}", inner) for index, inner in enumerate(node.get("allOf", ()))]
        return found

    def walk(self, schema: str, value: Json) -> Iterator[tuple[str, str, Mapping[str, Json], Json]]:
        """Each part of a value that the schema describes: (pointer, reference of the schema, schema, value)."""
        stack = [iter((("", DOCUMENT, schema, resolve(self.document, schema), value),))]
        while stack:
            for place, file, at, node, here in stack[-1]:
                file, at, node = self.followed(file, at, node)  # noqa: PLW2901 - where the schema really is
                yield place, self.file_reference(file, at), node, here
                if isinstance(here, dict | list):
                    stack.append(_described(place, file, at, node, here))
                    break
            else:
                stack.pop()

    def schema_at(self, schema: str, at: str = "") -> dict[str, Json]:
        """The schema of the value at a pointer into a body, e.g. `/trunks/0`. Raises `LookupError` if there is none."""
        file, _, node = self._descend(schema, at)
        return self._inlined(file, node)

    def _descend(self, schema: str, at: str = "") -> tuple[str, str, Json]:
        """File, pointer and content of the schema of the value at a pointer into a body."""
        file, place, node = self.followed(DOCUMENT, schema, resolve(self.document, schema))
        for part in at.split("/")[1:]:
            step = "/items" if "items" in node else f"/properties/{part}"
            file, place, node = self.followed(file, place + step, resolve(node, step))
        return file, place, node

    def _inlined(self, file: str, node: Json) -> dict[str, Json]:
        """The schema with the `$ref`s of its properties and items replaced by what they lead to."""
        file, _, node = self.followed(file, "", node)
        found = dict(node)
        if "properties" in node:
            found["properties"] = {name: self._inlined(file, child) for name, child in node["properties"].items()}
        if "items" in node:
            found["items"] = self._inlined(file, node["items"])
        return found

    def followed(self, file: str, at: str, node: Json) -> tuple[str, str, Json]:
        """File, pointer and content of a schema, or of the one to which its `$ref` leads."""
        while "$ref" in node:
            file, at, node = self.follow(file, node["$ref"])
        return file, at, node

    def follow(self, file: str, ref: str) -> tuple[str, str, Json]:
        """File, pointer and content of the schema to which a `$ref` in a file leads."""
        file, at = target_of(file, ref)
        return file, at, resolve(self.files[file], at)

    def _violation(self, file: str, at: str, error: SchemaError) -> Violation:
        reference, node, evidence, meaning = _keyword(self, file, at, error.steps)
        return Violation(error.at, reference, error.keyword, node, error.instance, evidence, error.message, meaning)

    @cached_property
    def schemas(self) -> Schemas:
        """The schemas of all files, for both validators."""
        return Schemas(self.vendor, self.files)


@lru_cache(maxsize=1024)
def _named_in_branches(contract: Contract, file: str, at: str) -> frozenset[str] | None:
    """The properties at whose values the branches of a schema (`allOf`, `if`) may look; None for any."""
    node, names = resolve(contract.files[file], at), set[str]()
    if not _PLAIN_BRANCHES.issuperset(_BRANCHES.intersection(node)):
        return None
    steps = [f"/allOf/{index}" for index in range(len(node.get("allOf", ())))]
    for step in (*steps, *(f"/{keyword}" for keyword in ("if", "then", "else") if keyword in node)):
        place, inner_at, branch = contract.followed(file, at + step, resolve(node, step))
        inner = _named_in_branches(contract, place, inner_at)
        if inner is None:
            return None
        names |= {*branch.get("properties", ()), *inner}
    return frozenset(names)


@lru_cache(maxsize=4096)
def _keyword(contract: Contract, file: str, at: str, steps: Steps) -> tuple[str, Json, Evidence, str]:
    """The reference, value, evidence and meaning of a keyword: that to which steps lead from a schema."""
    content = contract.files
    node = resolve(content[file], at)
    evidence, meaning = Evidence(Grade.DOCUMENTED, contract.url), ""
    while steps:
        part = steps[0]
        extension = node.get("x-trunkline") if isinstance(node, dict) else None
        if extension:
            own = extension["evidence"]
            evidence = evidence_of(content[file], own.get("keywords", {}).get(part, own))
            meaning = extension.get("pattern", "") if part == "pattern" else ""
        if part == "$ref" and isinstance(node["$ref"], str):
            file, at, node = contract.follow(file, node["$ref"])
            steps = steps[1:]
        elif isinstance(node, dict) and part not in node:  # jsonschema does not name the `$ref`s that it followed
            file, at, node = contract.follow(file, node["$ref"])
        else:
            at, node = at + pointer((part,)), node[part]
            steps = steps[1:]
    return contract.file_reference(file, at), node, evidence, meaning


def _described(
    place: str, file: str, at: str, node: Mapping[str, Json], here: Json
) -> Iterator[tuple[str, str, str, Json, Json]]:
    """The parts of an object or a list that its schema describes: in the form of the stack of `walk`."""
    if isinstance(here, dict):
        for name, child in node.get("properties", {}).items():
            if name in here:
                step = pointer((name,))
                yield place + step, file, f"{at}/properties{step}", child, here[name]
    elif "items" in node:
        for index, item in enumerate(here):
            yield f"{place}/{index}", file, f"{at}/items", node["items"], item


def _view(schema: Mapping[str, Json]) -> View:
    return {
        name: _view(child) if "properties" in child else None for name, child in schema.get("properties", {}).items()
    }


def evidence_of(content: Json, node: Mapping[str, Json]) -> Evidence:
    """The evidence in an `evidence` object of a file. Without a date of its own it has that of the file."""
    read = node.get("read") or content["x-trunkline"]["read"]
    return Evidence(Grade(node["grade"]), node.get("source", ""), node.get("note", ""), read)
