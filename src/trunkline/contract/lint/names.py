"""Owns whether each name of a contract names something: an operation, a parameter, a place in a body, a cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from trunkline.contract.lint.inputs import lost_inputs
from trunkline.contract.model import Contract, DocumentedResponse, Operation
from trunkline.exchange import Json, pointer


def lost_names(contract: Contract) -> Iterator[tuple[str, str]]:
    """Each name in the document that names nothing: an operation, a parameter, a place in a body, a cause."""
    names = [operation.operation_id for operation in contract.operations]
    for operation in contract.operations:
        if names.count(operation.operation_id) > 1:
            yield f"{operation.pointer}/operationId", f"{operation.operation_id!r} is used twice"
        if not any(key.startswith("2") for key in operation.responses):
            yield f"{operation.pointer}/responses", "no response of the 2xx class"
            return
    for check in _CHECKS:
        lost = [found for operation in contract.operations for found in check(operation)]
        yield from lost
        if lost:
            return
    for cause in ("path_unknown", "method_not_allowed"):
        if not any(cause in answer.refusals for answer in contract.responses.values()):
            yield "/x-trunkline/responses", f"no response answers the cause {cause}"
    yield from _lost_refusals(contract.responses)


def _lost_parameters(operation: Operation) -> Iterator[tuple[str, str]]:
    listing = operation.listing
    in_path = {parameter.name for parameter in operation.parameters if parameter.location == "path"}
    wanted = {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
    if wanted != in_path:
        yield f"{operation.pointer}/parameters", f"the path names {sorted(wanted)}, the parameters {sorted(in_path)}"
    said = [(parameter.location, parameter.name) for parameter in operation.parameters]
    for index, one in enumerate(said):
        if one in said[:index]:
            yield f"{operation.pointer}/parameters/{index}/name", "the parameter is there twice"
    if operation.item_parameter and operation.item_parameter not in in_path:
        yield (
            f"{operation.pointer}/x-trunkline/{type(operation.kind).__name__.lower()}/parameter",
            f"{operation.item_parameter!r} is not a parameter of the path",
        )
    named: list[str] = []
    if listing:
        named += listing.filters
        named += [listing.paging.limit, listing.paging.offset, *listing.paging.echo] if listing.paging else []
    known = {parameter.name for parameter in operation.parameters}
    for name in named:
        if name not in known:
            yield f"{operation.pointer}/x-trunkline", f"{name!r} is not a parameter of the operation"


def _lost_resources(operation: Operation) -> Iterator[tuple[str, str]]:
    """Each path parameter of an operation about things that names none, or things that nobody makes or shows."""
    if not operation.resource:
        return
    known = {other.resource for other in operation.contract.operations}
    for parameter in operation.parameters:
        if parameter.location != "path":
            continue
        at = f"{parameter.pointer}/x-trunkline"
        if "id_unknown" not in parameter.refused:
            yield f"{at}/refused", "nothing is said of id_unknown"
        if parameter.name == operation.item_parameter and parameter.resource != operation.resource:
            yield f"{at}/names", f"the parameter names {operation.resource}, of which the operation is"
        elif parameter.resource not in known:
            yield f"{at}/names", f"no operation is about {parameter.resource!r}"


def _lost_claims(operation: Operation) -> Iterator[tuple[str, str]]:
    """Each field and each resource of which something is claimed, and which no operation knows."""
    at = f"{operation.pointer}/x-trunkline"
    shown = {name for other in operation.same_resource for name in other.view}
    fields: list[tuple[str, str]] = []
    for index, reset in enumerate(operation.updating.resets if operation.updating else ()):
        fields.append((f"update/resets/{index}/field", reset.field))
    if acting := operation.acting:
        fields += [("act/changes", name) for name in sorted(acting.changes)]
        fields += [(f"act/keeps/{name}", name) for name in acting.keeps]
    for word, name in fields:
        if name not in shown:
            yield f"{at}/{word}", f"{name!r} is a field of {operation.resource} that nothing shows"
    if deleting := operation.deleting:
        known = {other.resource for other in operation.contract.operations}
        for name in deleting.empty:
            if name not in known:
                yield f"{at}/delete/empty/{name}", f"no operation is about {name!r}"


def _lost_places(operation: Operation) -> Iterator[tuple[str, str]]:
    places: list[str] = []
    if listing := operation.listing:
        places += [
            f"{listing.items}/0{at}" for at in (listing.identity, *(said.at for said in listing.filters.values()))
        ]
        if paging := listing.paging:
            places += [said.at for said in paging.echo.values()]
            places += [paging.total.at] if paging.total else []
    elif operation.item is not None:
        places.append(operation.item + operation.identity)
    for name, said in (listing.filters if listing else {}).items():
        if said.at.count("/") != 1:
            at = f"{operation.pointer}/x-trunkline/list/filters{pointer((name,))}/field"
            yield at, "is not a field of the item itself"
    for place in places:
        try:
            operation.contract.schema_at(operation.success.schema, place)
        except LookupError:
            yield f"{operation.pointer}/x-trunkline", f"the response has no {place}"


def _lost_causes(operation: Operation) -> Iterator[tuple[str, str]]:
    told = [cause for key, answer in operation.responses.items() if key.isdigit() for cause in answer.refusals]
    answered = set(told)
    causes = set(operation.contract.security.refused) if operation.secured else set()
    causes |= {"rate_limited"} if operation.contract.rate_limit and not operation.unmetered else set()
    causes |= set(operation.body.refused) if operation.body else set()
    causes |= {"not_unique"} if operation.creating and operation.creating.unique else set()
    causes |= {"not_empty"} if operation.deleting and operation.deleting.empty else set()
    causes |= {"in_use"} if operation.deleting and operation.deleting.unused else set()
    for parameter in operation.parameters:
        causes |= set(parameter.refused)
        for cause in sorted(parameter.causes - set(parameter.refused)):
            yield f"{parameter.pointer}/x-trunkline/refused", f"nothing is said of {cause}"
    for cause in sorted(causes - answered):
        yield f"{operation.pointer}/responses", f"no response answers the cause {cause}"
    for cause in sorted(cause for cause in answered if told.count(cause) > 1):
        yield f"{operation.pointer}/responses", f"more than one response answers the cause {cause}"


def _lost_answers(operation: Operation) -> Iterator[tuple[str, str]]:
    yield from _lost_refusals(operation.responses)
    served = operation.listing or operation.fetching
    if served and operation.response_for(200) is not operation.success:
        yield f"{operation.pointer}/responses", "the first response of the 2xx class does not hold for 200"
    for name in operation.contract.secrets:
        if served and name in operation.view:
            yield (
                f"/x-trunkline/secrets{pointer((name,))}",
                f"a secret, and yet a field that {operation.operation_id} documents",
            )


def _lost_refusals(answers: Mapping[str, DocumentedResponse]) -> Iterator[tuple[str, str]]:
    for key, answer in answers.items():
        if answer.refusals and not key.isdigit():
            yield f"{answer.pointer}/x-trunkline/refusals", f"no request is refused with {key}, which is no status"
        if "allow" in answer.headers and set(answer.refusals) - {"method_not_allowed"}:
            yield f"{answer.pointer}/headers", "only the cause method_not_allowed tells what is allowed"


def _lost_bounds(operation: Operation) -> Iterator[tuple[str, str]]:
    for parameter in operation.parameters:
        at, schema = f"{parameter.pointer}/schema", parameter.schema
        own = ("minimum", "maximum") if schema["type"] == "integer" else ("enum", "format")
        meant = {"type", "examples", "default", *own}
        lost = [(f"{at}/{word}", f"means nothing of type {schema['type']}") for word in schema if word not in meant]
        yield from lost or _lost_default(schema, at)
    if operation.listing and operation.listing.paging:
        paging = operation.listing.paging
        for name in (paging.limit, paging.offset):
            parameter = operation.parameter(name)
            at, schema = f"{parameter.pointer}/schema", parameter.schema
            if parameter.location != "query" or schema["type"] != "integer":
                yield at, "what pages is a query parameter of type integer"
            elif "default" not in schema or schema.get("minimum", -1) < 0:
                yield at, "what pages needs a default, and a minimum of 0 or more"
            elif name == paging.limit and "maximum" not in schema:
                yield at, "the limit of a page needs a maximum"


def _lost_default(schema: Mapping[str, Json], at: str) -> Iterator[tuple[str, str]]:
    for word in ("minimum", "maximum"):
        if isinstance(schema.get(word), float):
            yield f"{at}/{word}", "is not written as a whole number"
    if schema.get("minimum", 0) > schema.get("maximum", schema.get("minimum", 0)):
        yield f"{at}/minimum", f"is more than the maximum of {schema['maximum']}"
    if "default" in schema:
        default = schema["default"]
        if type(default) is not {"integer": int, "string": str}[schema["type"]]:
            yield f"{at}/default", f"the default is not of type {schema['type']}"
        elif (
            default not in schema.get("enum", (default,))
            or default < schema.get("minimum", default)
            or default > schema.get("maximum", default)
        ):
            yield f"{at}/default", f"the default {default!r} is not allowed by the schema itself"


_CHECKS: tuple[Callable[[Operation], Iterator[tuple[str, str]]], ...] = (
    _lost_parameters,
    _lost_resources,
    _lost_places,
    lost_inputs,
    _lost_claims,
    _lost_bounds,
    _lost_causes,
    _lost_answers,
)
"""Each trusts what those before it found in order, in every operation."""
