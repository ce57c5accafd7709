"""Load a contract: read its files, lint them, compile them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from trunkline.contract.document import (
    SCHEMA_FILE,
    Document,
    KeywordEvidence,
    OperationExtension,
    OperationNode,
    ParameterNode,
    ResponseNode,
)
from trunkline.contract.files import load_json
from trunkline.contract.lint import lint_contract, lint_files
from trunkline.contract.model import (
    DOCUMENT,
    Act,
    Contract,
    DocumentedResponse,
    Kind,
    Operation,
    Parameter,
    RequestBody,
    Security,
)
from trunkline.contract.schema import check_dialect, check_format
from trunkline.errors import DataError
from trunkline.exchange import Json, pointer
from trunkline.findings import Evidence

_T = TypeVar("_T")
_JSON_SCHEMA = "/content/application~1json/schema"


def read_contract(folder: Path, vendor: str, *, lint: bool = True) -> Contract:
    """Read the contract in a folder. Raises `DataError` with file, JSON Pointer and reason for the first mistake.

    `lint` is False for data that ships with trunkline: its own tests lint it.
    """
    name = f"schemas/{vendor}"
    paths = (path for path in sorted(folder.glob("*.json")) if not path.name.startswith("."))
    files = {path.name: load_json(path, f"{name}/{path.name}", lint=lint) for path in paths}
    if DOCUMENT not in files:
        raise DataError(f"{name}/{DOCUMENT}", "", "the file is missing")
    if not lint:
        return _Compiler(files, vendor, name).contract()
    for file, content in files.items():
        check_format(SCHEMA_FILE, "Document" if file == DOCUMENT else "SchemaFile", content, f"{name}/{file}")
        if file != DOCUMENT:
            check_dialect(content, f"{name}/{file}")
    for file, at, reason in lint_files(files):
        raise DataError(f"{name}/{file}", at, reason)
    contract = _Compiler(files, vendor, name).contract()
    for at, reason in lint_contract(contract):
        raise DataError(f"{name}/{DOCUMENT}", at, reason)
    return contract


class _Compiler:
    """Compiles the document of a vendor to a `Contract`."""

    def __init__(self, files: Mapping[str, Json], vendor: str, folder: str) -> None:
        self._files = files
        self._vendor = vendor
        self._folder = folder
        try:
            document = msgspec.convert(files[DOCUMENT], Document)
        except msgspec.ValidationError as error:
            check_format(SCHEMA_FILE, "Document", files[DOCUMENT], f"{folder}/{DOCUMENT}")
            raise DataError(f"{folder}/{DOCUMENT}", "", str(error)) from None
        self._read = document.extension.read
        self._document = self._dated(document)

    def contract(self) -> Contract:
        document, extension = self._document, self._document.extension
        contract = Contract(
            vendor=self._vendor,
            folder=self._folder,
            files=self._files,
            url=document.servers[0].url,
            security=self._security(),
            errors=extension.errors,
            secrets=extension.secrets,
            rate_limit=extension.rate_limit,
            responses=self._responses(extension.responses, "/x-trunkline/responses"),
        )
        contract.operations = tuple(  # an operation knows its contract, so it comes later
            self._operation(contract, path, method, node)
            for path, methods in document.paths.items()
            for method, node in methods.items()
        )
        return contract

    def _error(self, at: str, reason: str) -> DataError:
        return DataError(f"{self._folder}/{DOCUMENT}", at, reason)

    def _dated(self, node: _T) -> _T:
        """Give all evidence in a node that names no date of its own the date of the file."""
        stack: list[Any] = [node]
        while stack:
            found = stack.pop()
            if isinstance(found, Evidence):
                if not found.read:
                    object.__setattr__(found, "read", self._read)
                if isinstance(found, KeywordEvidence):
                    stack += found.keywords.values()
            elif isinstance(found, msgspec.Struct):
                stack += (getattr(found, name) for name in found.__struct_fields__)
            elif isinstance(found, dict):
                stack += found.values()
            elif isinstance(found, list | tuple):
                stack += found
        return node

    def _security(self) -> Security:
        if not self._document.security:
            raise self._error("/security", "the security requirement is missing")
        (name,) = self._document.security[0]
        at = pointer(("components", "securitySchemes", name))
        scheme = self._document.components.security_schemes.get(name)
        if scheme is None:
            raise self._error("/security/0", f"{at} is missing")
        return Security(at, scheme.extension.evidence, scheme.extension.refused)

    def _operation(self, contract: Contract, path: str, method: str, node: OperationNode) -> Operation:
        at = pointer(("paths", path, method))
        body = None
        if node.request_body:
            place, extension = f"{at}/requestBody", node.request_body.extension
            body = RequestBody(place, f"{place}{_JSON_SCHEMA}", extension.evidence, extension.refused)
        return Operation(
            contract=contract,
            operation_id=node.operation_id,
            method=method.upper(),
            path=path,
            pointer=at,
            summary=node.summary,
            evidence=node.extension.evidence,
            secured=node.security is None,
            parameters=tuple(_parameter(found, f"{at}/parameters/{i}") for i, found in enumerate(node.parameters)),
            responses=self._responses(node.responses, f"{at}/responses"),
            kind=self._kind(node.extension, f"{at}/x-trunkline"),
            resource=node.extension.resource or "",
            rate_limit_exemption=node.extension.unmetered,
            body=body,
        )

    def _kind(self, extension: OperationExtension, at: str) -> Kind:
        kinds = extension.kinds
        if len(kinds) > 1:
            names = ", ".join(type(kind).__name__.lower() for kind in kinds)
            raise self._error(at, f"the operation has more than one kind: {names}")
        if not kinds and extension.resource:
            raise self._error(f"{at}/resource", "the operation does not say what it does with it")
        return kinds[0] if kinds else Act("", "", frozenset(), {}, extension.evidence)

    def _responses(self, nodes: Mapping[str, Json], at: str) -> dict[str, DocumentedResponse]:
        return {key: self._response(key, node, at + pointer((key,))) for key, node in nodes.items()}

    def _response(self, key: str, node: Json, at: str) -> DocumentedResponse:
        if "$ref" in node:
            at = node["$ref"][1:]
            response = self._document.components.responses[at.rpartition("/")[2]]
        else:
            response = self._dated(msgspec.convert(node, ResponseNode))
        extension = response.extension
        return DocumentedResponse(
            key=key,
            pointer=at,
            evidence=extension.evidence,
            schema=f"{at}{_JSON_SCHEMA}" if response.content else "",
            refusals=extension.refusals,
            headers={name.lower(): header.extension.evidence for name, header in response.headers.items()},
            content=extension.content,
            codes=extension.codes,
        )


def _parameter(node: ParameterNode, at: str) -> Parameter:
    extension, own = node.extension, node.extension.evidence
    evidence = Evidence(own.grade, own.source, own.note, own.read)
    names = extension.names or ""
    return Parameter(node.name, node.location, node.schema, at, evidence, extension.refused, own.keywords, names)
