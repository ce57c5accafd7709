"""Owns the way from files to a `Contract`: reads them, has every word checked, compiles once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trunkline.contract.files import load_json
from trunkline.contract.lint import lost_names, lost_words
from trunkline.contract.model import (
    DOCUMENT,
    Act,
    BodyLocation,
    Contract,
    Create,
    Delete,
    DocumentedResponse,
    ErrorCode,
    Fetch,
    Filter,
    Kind,
    List,
    Operation,
    Paging,
    Parameter,
    RateLimit,
    RequestBody,
    Reset,
    Security,
    Update,
    evidence_of,
)
from trunkline.contract.schema import check_dialect, check_format
from trunkline.errors import DataError
from trunkline.exchange import Json, pointer, resolve
from trunkline.findings import Evidence

_FORMAT = Path(__file__).with_name("contract.schema.json")


def read(folder: Path, vendor: str, *, lint: bool = True) -> Contract:
    """Read the contract in a folder. Raises `DataError` with file, JSON Pointer and reason for the first mistake.

    `lint` is False for data that trunkline ships: its own tests check them.
    """
    name = f"schemas/{vendor}"
    paths = (path for path in sorted(folder.glob("*.json")) if not path.name.startswith("."))
    files = {path.name: load_json(path, f"{name}/{path.name}", lint=lint) for path in paths}
    if DOCUMENT not in files:
        raise DataError(f"{name}/{DOCUMENT}", "", "the file is missing")
    if lint:
        _lint_files(files, name)
    contract = _compile(files, vendor, name)
    if lint:
        for at, reason in lost_names(contract):
            raise DataError(f"{name}/{DOCUMENT}", at, reason)
    return contract


def _lint_files(files: Mapping[str, Json], name: str) -> None:
    for file, content in files.items():
        check_format(_FORMAT, "document" if file == DOCUMENT else "file", content, f"{name}/{file}")
        if file != DOCUMENT:
            check_dialect(content, f"{name}/{file}")
    for file, at, reason in lost_words(files):
        raise DataError(f"{name}/{file}", at, reason)


def _compile(files: Mapping[str, Json], vendor: str, folder: str) -> Contract:
    document = files[DOCUMENT]
    root = document["x-trunkline"]
    scheme_at, scheme = _security_scheme(document, folder)
    errors = root["errors"]
    said = _Reader(document, folder)
    contract = Contract(
        vendor=vendor,
        folder=folder,
        files=files,
        url=document["servers"][0]["url"],
        security=Security(
            scheme_at, said.evidence(scheme["x-trunkline"]), said.evidences(scheme["x-trunkline"]["refused"])
        ),
        errors=(
            BodyLocation(errors["code"], said.evidence(errors)),
            BodyLocation(errors["message"], said.evidence(errors)),
        ),
        secrets=said.evidences(root.get("secrets", {})),
        rate_limit=said.rate_limit(root.get("rate_limit")),
        responses=said.responses(root["responses"], "/x-trunkline/responses"),
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


_KINDS = ("list", "fetch", "create", "update", "delete", "act")


class _Reader:
    """Turns the nodes of one document into values."""

    def __init__(self, document: Json, folder: str) -> None:
        self._document = document
        self._folder = folder

    def evidence(self, node: Mapping[str, Json]) -> Evidence:
        return evidence_of(self._document, node["evidence"])

    def evidences(self, node: Mapping[str, Json]) -> dict[str, Evidence]:
        return {name: evidence_of(self._document, said) for name, said in node.items()}

    def located(self, node: Mapping[str, Json], at: str = "at") -> BodyLocation:
        return BodyLocation(node[at], self.evidence(node))

    def rate_limit(self, node: Mapping[str, Json] | None) -> RateLimit | None:
        if node is None:
            return None
        return RateLimit(
            limit=node["limit"],
            remaining=node["remaining"],
            reset=node["reset"],
            window_seconds=int(node["window_seconds"]),
            reset_is=node.get("reset_is", ""),
            evidence=self.evidence(node),
        )

    def responses(self, responses: Mapping[str, Json], at: str) -> dict[str, DocumentedResponse]:
        return {key: self.answer(key, node, at + pointer((key,))) for key, node in responses.items()}

    def answer(self, key: str, node: Mapping[str, Json], at: str) -> DocumentedResponse:
        if "$ref" in node:
            at = node["$ref"][1:]
            node = resolve(self._document, at)
        extension = node["x-trunkline"]
        return DocumentedResponse(
            key=key,
            pointer=at,
            evidence=self.evidence(extension),
            schema=f"{at}/content/application~1json/schema" if "content" in node else "",
            refusals={cause: self.code(said, extension) for cause, said in extension.get("refusals", {}).items()},
            headers={
                name.lower(): self.evidence(header["x-trunkline"]) for name, header in node.get("headers", {}).items()
            },
        )

    def code(self, node: Mapping[str, Json], response: Mapping[str, Json]) -> ErrorCode:
        return ErrorCode(
            node["code"], self.evidence(node), evidence_of(self._document, node.get("status", response["evidence"]))
        )

    def parameter(self, node: Mapping[str, Json], at: str) -> Parameter:
        extension = node["x-trunkline"]
        return Parameter(
            name=node["name"],
            location=node["in"],
            schema=node["schema"],
            pointer=at,
            evidence=self.evidence(extension),
            refused=self.evidences(extension["refused"]),
            keywords=self.evidences(extension["evidence"].get("keywords", {})),
            resource=extension.get("names", ""),
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

    def kind(self, extension: Mapping[str, Json], at: str) -> Kind:
        """What an operation does. Raises `DataError` for one that does two things."""
        said = [word for word in _KINDS if word in extension]
        if len(said) > 1:
            raise self._error(f"{at}/x-trunkline", f"an operation does one thing, not {' and '.join(said)}")
        if not said and extension.get("resource"):
            raise self._error(f"{at}/x-trunkline/resource", "the operation does not say what it does with it")
        if not said:
            return Act("", None, frozenset(), {}, self.evidence(extension))
        made: Kind = getattr(self, f"_{said[0]}")(extension[said[0]])
        return made

    def _error(self, at: str, reason: str) -> DataError:
        return DataError(f"{self._folder}/{DOCUMENT}", at, reason)

    def _list(self, node: Mapping[str, Json]) -> List:
        return List(
            items=node["items"],
            identity=node["identity"],
            evidence=self.evidence(node),
            paging=self.paging(node["paging"]) if "paging" in node else None,
            filters={
                name: Filter(said["field"], self.evidence(said), said.get("is", "equal"))
                for name, said in node.get("filters", {}).items()
            },
            whole_below=node.get("whole_below", 0),
        )

    def _fetch(self, node: Mapping[str, Json]) -> Fetch:
        return Fetch(node["item"], node["identity"], node["parameter"], self.evidence(node))

    def body(self, node: Mapping[str, Json], at: str) -> RequestBody:
        extension = node["x-trunkline"]
        return RequestBody(
            pointer=at,
            schema=f"{at}/content/application~1json/schema",
            evidence=self.evidence(extension),
            refused=self.evidences(extension["refused"]),
        )

    def _create(self, node: Mapping[str, Json]) -> Create:
        return Create(
            node["item"], node["identity"], node["label"], self.evidences(node.get("unique", {})), self.evidence(node)
        )

    def _update(self, node: Mapping[str, Json]) -> Update:
        return Update(
            item=node["item"],
            identity=node["identity"],
            parameter=node["parameter"],
            partial=evidence_of(self._document, node["partial"]),
            resets=tuple(self.reset(said) for said in node.get("resets", ())),
            evidence=self.evidence(node),
        )

    def reset(self, node: Mapping[str, Json]) -> Reset:
        when = tuple(frozenset(fields) for fields in node["when"])
        return Reset(node["field"], node["to"], when, frozenset(node["never"]), self.evidence(node))

    def _delete(self, node: Mapping[str, Json]) -> Delete:
        unused = evidence_of(self._document, node["unused"]) if "unused" in node else None
        return Delete(node["parameter"], self.evidences(node.get("empty", {})), unused, self.evidence(node))

    def _act(self, node: Mapping[str, Json]) -> Act:
        keeps = self.evidences(node["keeps"])
        item = node["item"] if node["changes"] else None
        return Act(node["parameter"], item, frozenset(node["changes"]), keeps, self.evidence(node))

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
            responses=self.responses(node["responses"], f"{at}/responses"),
            kind=self.kind(extension, at),
            resource=extension.get("resource", ""),
            unmetered=evidence_of(self._document, extension["unmetered"]) if "unmetered" in extension else None,
            body=self.body(node["requestBody"], f"{at}/requestBody") if "requestBody" in node else None,
        )
