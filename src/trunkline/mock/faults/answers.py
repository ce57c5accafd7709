"""The refusals that a fault can give: as the contract documents them, or by our decision where it has none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from trunkline.contract.bodies import json_object
from trunkline.contract.http import reason_phrase, with_implied
from trunkline.contract.model import Contract, Create, Delete, DocumentedResponse, Operation
from trunkline.contract.refusals import CAUSES, Refusal, bounds
from trunkline.exchange import Json, Request, Response, resolve
from trunkline.mock.mock import REFUSAL_HEADER, Mock
from trunkline.mock.views import encode
from trunkline.mock.world import fill_template

GATEWAY = (502, 504)
"""Statuses that a gateway gives in the place of the API (RFC 9110, sections 15.6.3 and 15.6.5)."""

_PAGE = (
    "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {phrase}</h1></center>\r\n</body>\r\n</html>\r\n"
)


def documented_codes(operation: Operation) -> set[str]:
    """The error codes that the contract documents for an operation."""
    return {code for _, _, code in _documented(operation.contract, operation)}


def documented(
    contract: Contract, operation: Operation | None, status: int | None, code: str
) -> Iterator[tuple[DocumentedResponse, str]]:
    """The documented refusals with a status, a code or both: the response, and the cause."""
    for response, cause, known in _documented(contract, operation):
        if status in (None, int(response.key)) and code in ("", known):
            yield response, cause


def refuse(
    mock: Mock, request: Request, operation: Operation | None, status: int | None, code: str, message: str
) -> tuple[Response, str]:
    """The refusal with the status or the code, and its code. What the contract does not document is our decision.

    502 and 504 are a page in HTML, as gateways send it. Any other has the vendor's error body, with the reason phrase
    of the status as its code: `SERVICE_UNAVAILABLE`.
    """
    contract = mock.vendor.contract
    found = [*documented(contract, operation, status, code)]
    if found:
        # The request may well carry a credential: a 401 then says that it is unknown.
        response, cause = next((pair for pair in found if pair[1] == "credentials_unknown"), found[0])
        texts = {**CAUSES[cause], **_placeholders(cause, operation, request, contract)}
        at = (response.pointer, response.evidence)
        answer = mock.refuse(request, Refusal(cause, operation, *at, "", "", texts))
        kept = tuple((name, value) for name, value in answer.headers if name != REFUSAL_HEADER)
        code = str(resolve(answer.json(), contract.errors.code))
        return Response(answer.status, kept, _body(mock, code, message) if message else answer.body), code
    status = status or 400
    phrase = reason_phrase(status) or "Unknown"
    if status in GATEWAY and not (code or message):
        page = _PAGE.format(status=status, phrase=phrase)
        return Response(status, (("content-type", "text/html; charset=utf-8"),), page.encode()), ""
    code = code or re.sub("[^A-Z]+", "_", phrase.upper().replace("'", ""))
    return Response(status, (("content-type", "application/json"),), _body(mock, code, message or phrase)), code


def _documented(contract: Contract, operation: Operation | None) -> Iterator[tuple[DocumentedResponse, str, str]]:
    responses: Mapping[str, DocumentedResponse] = operation.responses if operation else contract.responses
    for response in responses.values():
        if response.key.isdigit():
            for cause, error in response.refusals.items():
                yield response, cause, error.code


def _body(mock: Mock, code: str, message: str) -> bytes:
    return encode(fill_template(mock.vendor.world.error_body, {"code": code, "message": message}))


def _placeholders(cause: str, operation: Operation | None, request: Request, contract: Contract) -> dict[str, str]:
    """The values of the request for the message of a cause, where it has them."""
    operations, in_path = contract.match(request.path)
    allowed = ", ".join(with_implied(found.method for found in operations))
    texts = {"path": request.path, "method": request.method, "allow": allowed}
    if in_path:
        texts["id"] = [*in_path.values()][-1]
    if operation is None:
        return texts
    kind = operation.kind
    names: Mapping[str, Json] = operation.inputs if cause.startswith("field_") else {}
    if cause == "not_unique" and isinstance(kind, Create):
        names = kind.unique
    elif cause == "not_empty" and isinstance(kind, Delete):
        names = kind.empty
    for parameter in operation.parameters:
        if cause in parameter.causes:
            return {**texts, "name": parameter.name, "bounds": bounds(parameter.schema)}
    for name in names:
        sent = json_object(request.body)
        return {**texts, "name": name, **({"value": str(sent[name])} if name in sent else {})}
    return texts
