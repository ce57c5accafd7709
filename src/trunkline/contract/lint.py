"""The lint of a contract: each name and reference leads somewhere, each bound can be kept, each cause has a response.

It is for data that trunkline does not ship. Each problem is (JSON Pointer, reason); the loader raises the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from random import Random
from typing import TypeAlias
from urllib.parse import urlsplit

from trunkline.contract.document import LITERAL_KEYWORDS, MAP_KEYWORDS, target_of
from trunkline.contract.formats import FORMAT_CHECKS
from trunkline.contract.model import (
    DOCUMENT,
    Act,
    Contract,
    Create,
    Delete,
    DocumentedResponse,
    Fetch,
    List,
    Operation,
    Update,
)
from trunkline.contract.patterns import sample
from trunkline.contract.schema import is_pattern
from trunkline.exchange import Json, pointer, resolve

Mistake: TypeAlias = tuple[str, str]
"""The JSON Pointer of a mistake, and the reason."""

_Nodes: TypeAlias = dict[str, dict[str, Json]]
"""The objects of a file by their pointers."""

_SAMPLES = 20
"""The number of values of a pattern that are tried."""


# --- files: keywords and references ---------------------------------------------------------------------------------


def lint_files(files: Mapping[str, Json]) -> Iterator[tuple[str, str, str]]:
    """File, pointer and reason of each `format`, `pattern`, `$ref`, `ordered` or address that cannot be used."""
    nodes = {file: dict(nodes_of(content)) for file, content in files.items()}
    for file in files:
        for at, reason in (*_lint_keywords(nodes, file), *_lint_ordered(nodes[file])):
            yield file, at, reason
    for file, at in _cycle(nodes):
        yield file, f"{at}/$ref", "leads back to itself; a schema cannot contain itself"
    if not _is_base_address(files[DOCUMENT]["servers"][0]["url"]):
        yield DOCUMENT, "/servers/0/url", "is not an address of scheme, host and path"


def nodes_of(content: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """Pointer and object of each node of a file, without plain values and without maps of names to schemas."""
    stack: list[tuple[str, Json, bool]] = [("", content, False)]
    while stack:
        at, node, is_map = stack.pop()
        if isinstance(node, list):
            stack += [(f"{at}/{index}", item, False) for index, item in enumerate(node)]
        elif isinstance(node, dict):
            stack += [
                (at + pointer((key,)), item, key in MAP_KEYWORDS and not is_map)
                for key, item in node.items()
                if is_map or key not in LITERAL_KEYWORDS
            ]
            if not is_map:
                yield at, node


def _lint_keywords(nodes: Mapping[str, _Nodes], file: str) -> Iterator[Mistake]:
    for at, node in nodes[file].items():
        format_, expression, ref = node.get("format"), node.get("pattern"), node.get("$ref")
        if isinstance(format_, str) and format_ not in FORMAT_CHECKS:
            yield (
                at + "/format",
                f"{format_!r} is not a format that can be checked; there are: {', '.join(FORMAT_CHECKS)}",
            )
        if isinstance(expression, str) and not is_pattern(expression):
            yield at + "/pattern", f"{expression!r} is not an expression that can be checked"
        if isinstance(ref, str):
            target, place = target_of(file, ref)
            if place not in nodes.get(target, ()) or "x-trunkline" in place.split("/"):
                yield at + "/$ref", f"{ref!r} does not resolve"
            elif target == DOCUMENT and not (file == DOCUMENT and place.startswith("/components/responses/")):
                yield at + "/$ref", f"{ref!r} does not resolve to a schema"


def _lint_ordered(nodes: _Nodes) -> Iterator[Mistake]:
    for at, node in nodes.items():
        extension = node.get("x-trunkline")
        for index, pair in enumerate(extension.get("ordered", ()) if isinstance(extension, dict) else ()):
            for end in ("first", "then"):
                if pair[end][1:] not in node.get("properties", {}):
                    yield f"{at}/x-trunkline/ordered/{index}/{end}", f"{pair[end]} is not a property here"


def _cycle(nodes: Mapping[str, _Nodes]) -> Iterator[tuple[str, str]]:
    """File and pointer of one `$ref` that leads back to itself, if there is any."""
    refs = {
        (file, at): target_of(file, node["$ref"])
        for file, places in nodes.items()
        for at, node in places.items()
        if isinstance(node.get("$ref"), str)
    }
    leads = {
        source: [(file, at) for file, at in refs if file == target and (at == place or at.startswith(f"{place}/"))]
        for source, (target, place) in refs.items()
    }
    try:
        TopologicalSorter(leads).prepare()
    except CycleError as error:
        yield error.args[1][0]


def _is_base_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname and parts.port != 0) and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        return False


# --- the compiled contract ------------------------------------------------------------------------------------------


def lint_contract(contract: Contract) -> Iterator[Mistake]:
    """Each name in the document that names nothing: an operation, a parameter, a place in a body, a cause."""
    ids = [operation.operation_id for operation in contract.operations]
    for operation in contract.operations:
        if ids.count(operation.operation_id) > 1:
            yield f"{operation.pointer}/operationId", f"{operation.operation_id!r} is used twice"
        if not any(key.startswith("2") for key in operation.responses):
            yield f"{operation.pointer}/responses", "no response of the 2xx class"
            return
    for check in _CHECKS:  # each relies on what those before it have checked
        problems = [problem for operation in contract.operations for problem in check(operation)]
        yield from problems
        if problems:
            return
    for cause in ("path_unknown", "method_not_allowed"):
        if not any(cause in response.refusals for response in contract.responses.values()):
            yield "/x-trunkline/responses", f"no response answers the cause {cause}"
    yield from _lint_refusals(contract.responses)


def _lint_parameters(operation: Operation) -> Iterator[Mistake]:
    in_path = {parameter.name for parameter in operation.path_parameters}
    wanted = {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
    if wanted != in_path:
        yield f"{operation.pointer}/parameters", f"the path names {sorted(wanted)}, the parameters {sorted(in_path)}"
    keys = [(parameter.location, parameter.name) for parameter in operation.parameters]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield f"{operation.pointer}/parameters/{index}/name", "the parameter is there twice"
    kind = operation.kind
    if kind.parameter and kind.parameter not in in_path:
        at = f"{operation.pointer}/x-trunkline/{type(kind).__name__.lower()}/parameter"
        yield at, f"{kind.parameter!r} is not a parameter of the path"
    if isinstance(kind, List):
        paging = kind.paging
        known = {parameter.name for parameter in operation.parameters}
        for name in (*kind.filters, *((paging.limit, paging.offset, *paging.echo) if paging else ())):
            if name not in known:
                yield f"{operation.pointer}/x-trunkline", f"{name!r} is not a parameter of the operation"


def _lint_resources(operation: Operation) -> Iterator[Mistake]:
    """Each path parameter that names no resource, or one that no operation has."""
    if not operation.resource:
        return
    known = {other.resource for other in operation.contract.operations}
    for parameter in operation.parameters:
        if parameter.location != "path":
            continue
        at = f"{parameter.pointer}/x-trunkline"
        if "id_unknown" not in parameter.refused:
            yield f"{at}/refused", "lacks the cause id_unknown"
        if parameter.name == operation.kind.parameter and parameter.resource != operation.resource:
            yield f"{at}/names", f"the parameter names {operation.resource}, the resource of the operation"
        elif parameter.resource not in known:
            yield f"{at}/names", f"no operation has the resource {parameter.resource!r}"


def _lint_places(operation: Operation) -> Iterator[Mistake]:
    kind = operation.kind
    places: list[str] = []
    if isinstance(kind, List):
        places += [f"{kind.item}{at}" for at in (kind.identity, *(filter_.at for filter_ in kind.filters.values()))]
        if paging := kind.paging:
            places += [location.at for location in paging.echo.values()]
            places += [paging.total.at] if paging.total else []
        for name, filter_ in kind.filters.items():
            if filter_.at.count("/") != 1:
                at = f"{operation.pointer}/x-trunkline/list/filters{pointer((name,))}/field"
                yield at, "is not a field of the item itself"
    elif kind.item is not None:
        places.append(kind.item + kind.identity)
    for place in places:
        try:
            operation.contract.schema_at(operation.success.schema, place)
        except LookupError:
            yield f"{operation.pointer}/x-trunkline", f"the response has no {place}"


def _lint_inputs(operation: Operation) -> Iterator[Mistake]:
    """Each name of an input that is none, and each input without a harmless value."""
    kind, body, inputs = operation.kind, operation.body, operation.inputs
    at = f"{operation.pointer}/x-trunkline"
    if isinstance(kind, Create | Update) and body is None:
        yield operation.pointer, "an operation that creates or updates needs a requestBody"
        return
    named: list[tuple[str, str]] = []
    if isinstance(kind, Create):
        named += [("create/label", kind.label)] if kind.label else []
        named += [(f"create/unique/{name}", name) for name in kind.unique]
    for index, reset in enumerate(kind.resets if isinstance(kind, Update) else ()):
        named += [(f"update/resets/{index}/when", name) for names in reset.when for name in sorted(names)]
        named += [(f"update/resets/{index}/never", name) for name in sorted(reset.never)]
    for place, name in named:
        if name not in inputs:
            yield f"{at}/{place}", f"{name!r} is not an input of the operation"
        elif place == "create/label" and (name in operation.contract.secrets or inputs[name].get("type") != "string"):
            yield f"{at}/{place}", f"{name!r} is a secret or no text, and everybody can read a label"
    for check in (_lint_values, _lint_defaults):
        yield from ((f"{operation.pointer}/requestBody", reason) for reason in check(operation))


def _lint_values(operation: Operation) -> Iterator[str]:
    """Each input without a known harmless value, or that depends on a field that no response shows."""
    for name, schema in operation.inputs.items():
        types = schema.get("type", "string")
        extension = schema.get("x-trunkline", {})
        if "string" in ([types] if isinstance(types, str) else types) and not ("enum" in schema or "made" in extension):
            yield f"the input {name!r} needs 'enum' or 'made': a check must know a harmless value"
        if "made" in extension:
            yield from _lint_samples(operation, name, extension["made"])
        for value in extension.get("unsettled", ()):
            for field in value["unless"]:
                if not any(field in other.view for other in operation.same_resource):
                    yield f"{field!r}, on which {name!r} depends, is not in any response"


def _lint_samples(operation: Operation, name: str, pattern: str) -> Iterator[str]:
    """The problem of a pattern from which no value can be made, or whose values the input's own schema refuses."""
    try:
        values = _samples(pattern)
    except ValueError as error:
        yield f"no value of the input {name!r} can be made: {error}"
        return
    demands = (_demand(operation, {name: value}) for value in values)
    if demand := next(filter(None, demands), ""):
        yield f"a value made of the input {name!r} is not allowed: {demand}"


@lru_cache(maxsize=256)
def _samples(pattern: str) -> list[str]:
    """Values that a pattern matches. Raises `ValueError` if none can be made."""
    rng = Random(pattern)  # noqa: S311 - plausible data, not secrets
    return [sample(pattern, rng) for _ in range(_SAMPLES)]


def _demand(operation: Operation, sent: dict[str, Json]) -> str:
    """The demand that a body breaks, missing properties aside; empty if it is accepted."""
    contract, body = operation.contract, operation.body
    if body is None or all(e.keyword == "required" for e in contract.schemas.errors(f"{DOCUMENT}#{body.schema}", sent)):
        return ""
    violations = contract.violations(body.schema, sent)
    return next(violation.demand for violation in violations if violation.keyword != "required")


def _lint_defaults(operation: Operation) -> Iterator[str]:
    """Each default that the operation would refuse, or that belongs to no input."""
    contract, body = operation.contract, operation.body
    if body is None:
        return
    for _, node in nodes_of(contract.files[resolve(contract.document, body.schema)["$ref"]]):
        properties = node.get("properties")
        for name, schema in properties.items() if isinstance(properties, dict) else ():
            if "default" not in schema:
                continue
            demand = _demand(operation, {name: schema["default"]})
            if demand or name not in operation.inputs:
                yield f"the default of {name!r} is not allowed: {demand or 'it is no input'}"


def _lint_claims(operation: Operation) -> Iterator[Mistake]:
    """Each field that no response shows, and each resource that no operation has."""
    kind, at = operation.kind, f"{operation.pointer}/x-trunkline"
    fields: list[tuple[str, str]] = []
    if isinstance(kind, Update):
        fields += [(f"update/resets/{index}/field", reset.field) for index, reset in enumerate(kind.resets)]
    elif isinstance(kind, Act):
        fields += [("act/changes", name) for name in sorted(kind.changes)]
        fields += [(f"act/keeps/{name}", name) for name in kind.keeps]
    shown = {name for other in operation.same_resource for name in other.view}
    for place, name in fields:
        if name not in shown:
            yield f"{at}/{place}", f"{name!r} is a field of {operation.resource} that no response shows"
    if isinstance(kind, Delete):
        known = {other.resource for other in operation.contract.operations}
        for name in kind.empty:
            if name not in known:
                yield f"{at}/delete/empty/{name}", f"no operation has the resource {name!r}"


def _lint_bounds(operation: Operation) -> Iterator[Mistake]:
    for parameter in operation.parameters:
        at, schema = f"{parameter.pointer}/schema", parameter.schema
        own = ("minimum", "maximum") if schema["type"] == "integer" else ("enum", "format")
        others = [keyword for keyword in schema if keyword not in ("type", "examples", "default", *own)]
        yield from ((f"{at}/{keyword}", f"has no meaning for the type {schema['type']}") for keyword in others)
        if not others:
            yield from _lint_default(operation.contract, schema, at)
    paging = operation.kind.paging if isinstance(operation.kind, List) else None
    for name in (paging.limit, paging.offset) if paging else ():
        parameter = operation.parameter(name)
        at, schema = f"{parameter.pointer}/schema", parameter.schema
        if parameter.location != "query" or schema["type"] != "integer":
            yield at, "a parameter of paging is in the query and of type integer"
        elif "default" not in schema or schema.get("minimum", -1) < 0:
            yield at, "a parameter of paging needs a default, and a minimum of 0 or more"
        elif paging and name == paging.limit and "maximum" not in schema:
            yield at, "the limit of a page needs a maximum"


def _lint_default(contract: Contract, schema: Mapping[str, Json], at: str) -> Iterator[Mistake]:
    for keyword in ("minimum", "maximum"):
        if isinstance(schema.get(keyword), float):
            yield f"{at}/{keyword}", "is not written as a whole number"
    if schema.get("minimum", 0) > schema.get("maximum", schema.get("minimum", 0)):
        yield f"{at}/minimum", f"is more than the maximum of {schema['maximum']}"
    if "default" in schema:
        default = schema["default"]
        if type(default) is not {"integer": int, "string": str}[schema["type"]]:
            yield f"{at}/default", f"the default is not of type {schema['type']}"
        elif not contract.accepts(at, default):
            yield f"{at}/default", f"the default {default!r} is not allowed by the schema itself"


def _lint_causes(operation: Operation) -> Iterator[Mistake]:
    """Each cause without a response, or with several."""
    contract, kind = operation.contract, operation.kind
    causes = set(contract.security.refused) if operation.secured else set()
    causes |= {"rate_limited"} if contract.rate_limit and not operation.rate_limit_exemption else set()
    causes |= set(operation.body.refused) if operation.body else set()
    causes |= {"not_unique"} if isinstance(kind, Create) and kind.unique else set()
    causes |= {"not_empty"} if isinstance(kind, Delete) and kind.empty else set()
    causes |= {"in_use"} if isinstance(kind, Delete) and kind.unused else set()
    for parameter in operation.parameters:
        causes |= set(parameter.refused)
        for cause in sorted(parameter.causes - set(parameter.refused)):
            yield f"{parameter.pointer}/x-trunkline/refused", f"lacks the cause {cause}"
    responses = [response for key, response in operation.responses.items() if key.isdigit()]
    answered = [cause for response in responses for cause in response.refusals]
    for cause in sorted(causes.difference(answered)):
        yield f"{operation.pointer}/responses", f"no response answers the cause {cause}"
    for cause in sorted(cause for cause in set(answered) if answered.count(cause) > 1):
        yield f"{operation.pointer}/responses", f"more than one response answers the cause {cause}"


def _lint_responses(operation: Operation) -> Iterator[Mistake]:
    yield from _lint_refusals(operation.responses)
    if not isinstance(operation.kind, List | Fetch):
        return
    if operation.response_for(200) is not operation.success:
        yield f"{operation.pointer}/responses", "the first response of the 2xx class is not the one for 200"
    for name in operation.contract.secrets:
        if name in operation.view:
            at = f"/x-trunkline/secrets{pointer((name,))}"
            yield at, f"{operation.operation_id} documents a field with the name of a secret"


def _lint_refusals(responses: Mapping[str, DocumentedResponse]) -> Iterator[Mistake]:
    for key, response in responses.items():
        if response.refusals and not key.isdigit():
            yield f"{response.pointer}/x-trunkline/refusals", f"a refusal has one status, and {key} is a range"
        if "allow" in response.headers and set(response.refusals) - {"method_not_allowed"}:
            yield f"{response.pointer}/headers", "only the cause method_not_allowed has an Allow header"


_CHECKS: tuple[Callable[[Operation], Iterator[Mistake]], ...] = (
    _lint_parameters,
    _lint_resources,
    _lint_places,
    _lint_inputs,
    _lint_claims,
    _lint_bounds,
    _lint_causes,
    _lint_responses,
)
