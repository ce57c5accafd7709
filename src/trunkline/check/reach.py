"""Count in a report how far the judged exchanges reach: the statuses, parameters and error codes that occurred."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.contract.bodies import at_pointer, json_of, json_value
from trunkline.contract.model import Operation
from trunkline.contract.refusals import query_names
from trunkline.exchange import Exchange, Request
from trunkline.findings import Report


def count(report: Report, operation: Operation, exchange: Exchange) -> None:
    """Count the status and the documented error code of a response, and the documented parameters of its request.

    Only what the contract names is counted, so that the counters are as small as the contract, and hold no secret.
    """
    name, status = operation.operation_id, exchange.response.status
    if "status" in exchange.known:
        report.reach.statuses[name, status] += 1
        if code := _error_code(operation, exchange):
            report.reach.codes[name, status, code] += 1
    if "request" in exchange.known:
        report.reach.inputs.update((name, parameter) for parameter in _parameters(operation, exchange.request))


def _error_code(operation: Operation, exchange: Exchange) -> str:
    """The error code in the body, if the contract documents it for the status; else empty."""
    response = operation.response_for(exchange.response.status)
    if response is None or not response.refusals:
        return ""
    found = at_pointer(json_of(exchange), operation.contract.errors.code)
    return next((refusal.code for refusal in response.refusals.values() if refusal.code == found), "")


def _parameters(operation: Operation, request: Request) -> Iterator[str]:
    """The documented query parameters, and fields of the body, that a request has."""
    if request.query:
        sent = {*query_names(request.query)}
        yield from (parameter.name for parameter in operation.query_parameters if parameter.name in sent)
    if request.body and operation.body:
        body = json_value(request.body)
        yield from (name for name in operation.inputs if isinstance(body, dict) and name in body)
