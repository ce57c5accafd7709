"""Owns the way from files to a `Contract`: reads, checks every word, compiles once, refuses what means nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from trunkline.contract import (
    DOCUMENT,
    Answer,
    Code,
    Contract,
    Fetching,
    Listing,
    Located,
    Operation,
    Paging,
    Parameter,
    RateLimit,
    Security,
    evidence_of,
)
from trunkline.errors import DataError
from trunkline.exchange import Json, NotJSON, parse_json, pointer, resolve
from trunkline.findings import Evidence
from trunkline.schema import check_dialect, check_format, is_format

_FORMAT = "contract.schema.json"
_LITERAL = frozenset({"examples", "default", "enum", "const"})
"""Keywords whose value is a value, not a schema."""


def read(folder: Path, vendor: str) -> Contract:
    """The contract in a folder. Raises `DataError` with file, JSON Pointer and reason for the first thing wrong."""
    name = f"schemas/{vendor}"
    files = {path.name: load_json(path, f"{name}/{path.name}") for path in sorted(folder.glob("*.json"))}
    if DOCUMENT not in files:
        raise DataError(f"{name}/{DOCUMENT}", "", "the file is missing")
    for file, content in files.items():
        check_format(_FORMAT, "document" if file == DOCUMENT else "file", content, f"{name}/{file}")
        if file != DOCUMENT:
            check_dialect(content, f"{name}/{file}")
        for at, reason in (*_lost_words(files, file), *_lost_times(files, file)):
            raise DataError(f"{name}/{file}", at, reason)
    contract = _compile(files, vendor, name)
    for at, reason in _lost_names(contract):
        raise DataError(f"{name}/{DOCUMENT}", at, reason)
    return contract


def load_json(path: Path, name: str) -> Json:
    """A JSON file of the data. Raises `DataError` when it cannot be read."""
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise DataError(name, "", f"cannot be read: {error.strerror}") from None
    except NotJSON as error:
        raise DataError(name, "", str(error)) from None


def _lost_words(files: Mapping[str, Json], file: str) -> Iterator[tuple[str, str]]:
    """Each `format` that cannot be checked and each `$ref` that leads nowhere, with the reason."""
    for at, node in _nodes(files[file]):
        word, ref = node.get("format"), node.get("$ref")
        if isinstance(word, str) and not is_format(word):
            yield at + "/format", f"{word!r} is not a format that can be checked"
        if isinstance(ref, str):
            target, _, spot = ref.partition("#")
            try:
                resolve(files[target or file], spot)
            except (LookupError, ValueError):
                yield at + "/$ref", f"{ref!r} leads nowhere"


def _nodes(content: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """Each object of a document that is not a literal value, nor a mere map of property names."""
    stack: list[tuple[str, Json]] = [("", content)]
    while stack:
        at, node = stack.pop()
        if isinstance(node, list):
            stack += [(f"{at}/{index}", item) for index, item in enumerate(node)]
        elif isinstance(node, dict):
            stack += [(at + pointer((key,)), item) for key, item in node.items() if key not in _LITERAL]
            if not at.endswith(("/properties", "/$defs")):
                yield at, node


def _compile(files: Mapping[str, Json], vendor: str, folder: str) -> Contract:
    document = files[DOCUMENT]
    root = document["x-trunkline"]
    scheme_at, scheme = _security_scheme(document, folder)
    errors = root["errors"]
    said = _Reader(document)
    contract = Contract(
        vendor=vendor,
        folder=folder,
        files=files,
        url=document["servers"][0]["url"],
        security=Security(
            scheme_at, said.evidence(scheme["x-trunkline"]), said.evidences(scheme["x-trunkline"]["refused"])
        ),
        errors=(Located(errors["code"], said.evidence(errors)), Located(errors["message"], said.evidence(errors))),
        secrets=said.evidences(root.get("secrets", {})),
        rate_limit=said.rate_limit(root.get("rate_limit")),
        answers=said.answers(root["responses"], "/x-trunkline/responses"),
    )
    operations = tuple(
        said.operation(contract, path, method, node)
        for path, methods in document["paths"].items()
        for method, node in methods.items()
    )
    object.__setattr__(contract, "operations", operations)  # an operation knows its contract, so one of them is late
    return contract


def _security_scheme(document: Json, folder: str) -> tuple[str, Json]:
    for requirement in document.get("security", ()):
        for name in requirement:
            at = pointer(("components", "securitySchemes", name))
            try:
                return at, resolve(document, at)
            except LookupError:
                raise DataError(f"{folder}/{DOCUMENT}", "/security/0", f"{at} is missing") from None
    raise DataError(f"{folder}/{DOCUMENT}", "/security", "the security requirement is missing")


class _Reader:
    """Turns the nodes of one document into values."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def evidence(self, node: Mapping[str, Json]) -> Evidence:
        return evidence_of(self._document, node["evidence"])

    def evidences(self, node: Mapping[str, Json]) -> dict[str, Evidence]:
        return {name: evidence_of(self._document, said) for name, said in node.items()}

    def located(self, node: Mapping[str, Json], at: str = "at") -> Located:
        return Located(node[at], self.evidence(node))

    def rate_limit(self, node: Mapping[str, Json] | None) -> RateLimit | None:
        if node is None:
            return None
        return RateLimit(
            limit=node["limit"],
            remaining=node["remaining"],
            reset=node["reset"],
            window_seconds=node["window_seconds"],
            reset_is=node.get("reset_is", ""),
            evidence=self.evidence(node),
        )

    def answers(self, responses: Mapping[str, Json], at: str) -> dict[str, Answer]:
        return {key: self.answer(key, node, at + pointer((key,))) for key, node in responses.items()}

    def answer(self, key: str, node: Mapping[str, Json], at: str) -> Answer:
        if "$ref" in node:
            at = node["$ref"][1:]
            node = resolve(self._document, at)
        extension = node["x-trunkline"]
        return Answer(
            key=key,
            pointer=at,
            evidence=self.evidence(extension),
            schema=f"{at}/content/application~1json/schema" if "content" in node else "",
            refusals={
                cause: Code(said["code"], self.evidence(said)) for cause, said in extension.get("refusals", {}).items()
            },
            headers={
                name.lower(): self.evidence(header["x-trunkline"]) for name, header in node.get("headers", {}).items()
            },
        )

    def parameter(self, node: Mapping[str, Json], at: str) -> Parameter:
        extension = node["x-trunkline"]
        return Parameter(
            name=node["name"],
            place=node["in"],
            required=node.get("required", False),
            schema=node["schema"],
            pointer=at,
            evidence=self.evidence(extension),
            refused=self.evidences(extension["refused"]),
            keywords=self.evidences(extension["evidence"].get("keywords", {})),
        )

    def paging(self, node: Mapping[str, Json]) -> Paging:
        return Paging(
            limit=node["limit"],
            offset=node["offset"],
            evidence=self.evidence(node),
            past_end=evidence_of(self._document, node["past_end"]),
            total=self.located(node["total"]) if "total" in node else None,
            echo={name: self.located(said) for name, said in node.get("echo", {}).items()},
        )

    def listing(self, node: Mapping[str, Json]) -> Listing:
        return Listing(
            items=node["items"],
            identity=node["identity"],
            evidence=self.evidence(node),
            paging=self.paging(node["paging"]) if "paging" in node else None,
            filters={name: self.located(said, "field") for name, said in node.get("filters", {}).items()},
        )

    def fetching(self, node: Mapping[str, Json]) -> Fetching:
        return Fetching(node["item"], node["identity"], node["parameter"], self.evidence(node))

    def operation(self, contract: Contract, path: str, method: str, node: Mapping[str, Json]) -> Operation:
        at = pointer(("paths", path, method))
        extension = node["x-trunkline"]
        parameters = enumerate(node.get("parameters", ()))
        return Operation(
            contract=contract,
            operation_id=node["operationId"],
            method=method.upper(),
            path=path,
            pointer=at,
            summary=node["summary"],
            evidence=self.evidence(extension),
            secured=node.get("security") != [],
            parameters=tuple(self.parameter(said, f"{at}/parameters/{index}") for index, said in parameters),
            answers=self.answers(node["responses"], f"{at}/responses"),
            listing=self.listing(extension["list"]) if "list" in extension else None,
            fetching=self.fetching(extension["fetch"]) if "fetch" in extension else None,
        )


def _lost_names(contract: Contract) -> Iterator[tuple[str, str]]:
    """Each name in the document that names nothing: an operation, a parameter, a place in a body, a cause."""
    names = [operation.operation_id for operation in contract.operations]
    for operation in contract.operations:
        if names.count(operation.operation_id) > 1:
            yield f"{operation.pointer}/operationId", f"{operation.operation_id!r} is used twice"
        if not any(key.startswith("2") for key in operation.answers):
            yield f"{operation.pointer}/responses", "no response of the 2xx class"
            return
        for check in _CHECKS:
            lost = list(check(operation))
            yield from lost
            if lost:
                return
    for cause in ("path_unknown", "method_not_allowed"):
        if not any(cause in answer.refusals for answer in contract.answers.values()):
            yield "/x-trunkline/responses", f"no response answers the cause {cause}"


def _lost_parameters(operation: Operation) -> Iterator[tuple[str, str]]:
    listing, fetching = operation.listing, operation.fetching
    in_path = {parameter.name for parameter in operation.parameters if parameter.place == "path"}
    wanted = {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
    if wanted != in_path:
        yield f"{operation.pointer}/parameters", f"the path names {sorted(wanted)}, the parameters {sorted(in_path)}"
    named = [fetching.parameter] if fetching else []
    if listing:
        named += listing.filters
        named += [listing.paging.limit, listing.paging.offset, *listing.paging.echo] if listing.paging else []
    known = {parameter.name for parameter in operation.parameters}
    for name in named:
        if name not in known:
            yield f"{operation.pointer}/x-trunkline", f"{name!r} is not a parameter of the operation"


def _lost_places(operation: Operation) -> Iterator[tuple[str, str]]:
    places: list[str] = []
    if listing := operation.listing:
        places += [
            f"{listing.items}/0{at}" for at in (listing.identity, *(said.at for said in listing.filters.values()))
        ]
        if paging := listing.paging:
            places += [said.at for said in paging.echo.values()]
            places += [paging.total.at] if paging.total else []
    if fetching := operation.fetching:
        places.append(fetching.item + fetching.identity)
    for place in places:
        try:
            operation.contract.schema_at(operation.success.schema, place)
        except LookupError:
            yield f"{operation.pointer}/x-trunkline", f"the response has no {place}"


def _lost_causes(operation: Operation) -> Iterator[tuple[str, str]]:
    answered = {cause for answer in operation.answers.values() for cause in answer.refusals}
    causes = set(operation.contract.security.refused) if operation.secured else set()
    for parameter in operation.parameters:
        causes |= set(parameter.refused)
        for cause in sorted(parameter.causes - set(parameter.refused)):
            yield f"{parameter.pointer}/x-trunkline/refused", f"nothing is said of {cause}"
    for cause in sorted(causes - answered):
        yield f"{operation.pointer}/responses", f"no response answers the cause {cause}"


def _lost_bounds(operation: Operation) -> Iterator[tuple[str, str]]:
    for parameter in operation.parameters:
        schema = parameter.schema
        default, low, high = schema.get("default"), schema.get("minimum"), schema.get("maximum")
        outside = (
            (low is not None and default < low) or (high is not None and default > high)
            if default is not None
            else False
        )
        unlisted = default is not None and default not in schema.get("enum", (default,))
        if outside or unlisted:
            yield f"{parameter.pointer}/schema/default", f"the default {default!r} is not allowed by the schema itself"
    if operation.listing and operation.listing.paging:
        limit = next(found for found in operation.parameters if found.name == operation.listing.paging.limit)
        if "maximum" not in limit.schema:
            yield f"{limit.pointer}/schema", "the limit of a page needs a maximum"


def _lost_times(files: Mapping[str, Json], file: str) -> Iterator[tuple[str, str]]:
    """Each pair of `ordered` that names no property of its schema."""
    for at, node in _nodes(files[file]):
        extension = node.get("x-trunkline")
        for index, pair in enumerate(extension.get("ordered", ()) if isinstance(extension, dict) else ()):
            for end in ("first", "then"):
                if pair[end][1:] not in node.get("properties", {}):
                    yield f"{at}/x-trunkline/ordered/{index}/{end}", f"{pair[end]} is not a property here"


_CHECKS: tuple[Callable[[Operation], Iterator[tuple[str, str]]], ...] = (
    _lost_parameters,
    _lost_places,
    _lost_causes,
    _lost_bounds,
)
