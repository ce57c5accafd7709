"""Infer the operation and the status of a response whose request or status is not known."""

from __future__ import annotations

from typing import NamedTuple

from trunkline.contract.bodies import NOTHING, at_pointer
from trunkline.contract.model import Contract, DocumentedResponse, Operation
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json, NotJSON, Response, resolve
from trunkline.findings import Grade


class _Distance(NamedTuple):
    """The distance of a body from a documented response. Distances are compared part by part, in this order."""

    error_code: int
    """The rank of the evidence for the error code, or `_UNDOCUMENTED_CODE`."""
    undescribed: int
    """Minus the number of values that the schema describes."""
    violations: int
    writes: bool
    """Whether the operation writes: one that only reads is nearer."""


_UNDOCUMENTED_CODE = len(Grade)
_NOT_JSON = _Distance(_UNDOCUMENTED_CODE, 1_000_000, 0, writes=True)
_SHAPE_KEYWORDS = ("type", "required", "const")
"""A value that breaks one of these has another shape. Other keywords say that a value of the right shape is wrong."""


def infer_operation(contract: Contract, exchange: Exchange) -> Operation:
    """The operation whose documented responses fit best. Raises `UsageError` with the candidates if several do."""
    if len(contract.operations) == 1:
        return contract.operations[0]
    shapes: dict[str, tuple[int, int]] = {}
    distances = {operation: _distance(operation, exchange, shapes) for operation in contract.operations}
    least = min(distances.values())
    nearest = [operation for operation, distance in distances.items() if distance == least]
    if len(nearest) > 1:
        names = ", ".join(operation.operation_id for operation in nearest)
        raise UsageError(f"several operations have such a response; name one of: {names}")
    return nearest[0]


def _distance(operation: Operation, exchange: Exchange, shapes: dict[str, tuple[int, int]]) -> _Distance:
    """The distance to the nearest documented response. `shapes` remembers the result for each schema."""
    try:
        body = exchange.response.json()
    except NotJSON:
        return _NOT_JSON
    responses = list(operation.responses.values())
    if "status" in exchange.known:
        response = operation.response_for(exchange.response.status)
        responses = [response] if response else []
    distances = (_distance_to(operation, response, body, shapes) for response in responses if response.schema)
    return min(distances, default=_NOT_JSON)


def _distance_to(
    operation: Operation, response: DocumentedResponse, body: Json, shapes: dict[str, tuple[int, int]]
) -> _Distance:
    contract = operation.contract
    ref = resolve(contract.document, response.schema)["$ref"]
    if ref not in shapes:
        broken = [violation.keyword for violation in contract.violations(response.schema, body)]
        misshapen = sum(keyword in _SHAPE_KEYWORDS for keyword in broken)
        described = sum(1 for _ in contract.walk(response.schema, body)) - misshapen
        shapes[ref] = (-described, len(broken))
    code = at_pointer(body, contract.errors.code)
    ranks = (error.evidence.grade.rank for error in response.refusals.values() if error.code == code)
    return _Distance(min(ranks, default=_UNDOCUMENTED_CODE), *shapes[ref], writes=not operation.reads)


def guess_status(operation: Operation, body: bytes) -> int:
    """The status to judge a body by when nothing else is known: that of an error if the body shows one, else success.

    A body shows an error by an error code, by an error message, or by breaking a `const` of the success body, such as
    `success: true`.
    """
    success = operation.success
    usual = int(success.key.replace("X", "0"))
    errors = [
        response
        for key, response in operation.responses.items()
        if key.isdigit() and int(key) >= 400 and response.schema and response.evidence.grade is not Grade.DECISION
    ]
    try:
        value = Response(0, (), body).json()
    except NotJSON:
        return usual
    if not errors:
        return usual
    contract = operation.contract
    code, message = at_pointer(value, contract.errors.code), at_pointer(value, contract.errors.message)
    with_code = (response for response in errors if code in [error.code for error in response.refusals.values()])
    nearest = next(with_code, errors[0])
    broken = [violation.keyword for violation in contract.violations(success.schema, value)]
    broken_as_error = sum(1 for _ in contract.violations(nearest.schema, value))
    by_code = code is not NOTHING and broken_as_error < len(broken)
    by_message = (message is not NOTHING or "const" in broken) and broken_as_error == 0 < len(broken)
    return int(nearest.key) if by_code or by_message else usual
