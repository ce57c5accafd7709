"""Judge one recorded exchange by the rules, as far as its parts are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trunkline.check.rules import RULES, Rule, judge
from trunkline.contract.bodies import NOTHING, json_of
from trunkline.contract.model import Contract, List, Operation
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json, Request
from trunkline.findings import Report
from trunkline.mock.loader import Vendor
from trunkline.traffic.inference import guess_status, infer_operation
from trunkline.traffic.libraries import read_object, read_parts


def validate(
    vendor: Vendor,
    exchange: Exchange,
    operation: str | None = None,
    *,
    rules: tuple[Rule, ...] = RULES,
    secrets: frozenset[str] = frozenset(),
) -> Report:
    """The findings of the rules about one exchange. The report says which rules could not be applied, and why.

    `operation` is an operationId; without it, it is that of the request, or is inferred from the response. Raises
    `UsageError` when it cannot be inferred, or is none of the vendor's.
    """
    contract = vendor.contract
    requested = _requested(contract, exchange.request) if "request" in exchange.known else None
    chosen = operation_named(contract, operation) if operation else requested or infer_operation(contract, exchange)
    if "request" not in exchange.known:
        exchange = replace(exchange, request=Request(chosen.method, chosen.path))
    if "status" not in exchange.known:
        status = guess_status(chosen, exchange.response.body)
        exchange = replace(exchange, response=replace(exchange.response, status=status))
    report = Report(secrets=vendor.secrets | secrets)
    for rule in rules:
        if rule.concerns(chosen):
            report.exercised[chosen.operation_id, rule.name] = _reason(rule, exchange, chosen)
    if "status" in exchange.known:
        report.reached[chosen.operation_id, exchange.response.status] += 1
    report.extend(judge(chosen, exchange, rules))
    return report


def operation_named(contract: Contract, name: str) -> Operation:
    """The operation with this operationId. Raises `UsageError` with the names of all operations."""
    try:
        return contract.operation(name)
    except LookupError:
        names = ", ".join(operation.operation_id for operation in contract.operations)
        raise UsageError(f"{name!r} is not an operation of {contract.vendor}; there are: {names}") from None


def _requested(contract: Contract, request: Request) -> Operation | None:
    operations, _ = contract.match(request.path)
    return next((operation for operation in operations if operation.method == request.method), None)


def _reason(rule: Rule, exchange: Exchange, operation: Operation) -> str:
    """Why a rule has nothing to judge in an exchange, or empty."""
    missing = sorted(rule.needs - exchange.known)
    if missing:
        return f"the {' and the '.join(missing)} {'is' if missing in (['request'], ['status']) else 'are'} not known"
    response = operation.response_for(exchange.response.status)
    if rule.of_success and not (response and response.key.startswith("2")):
        return "the response is not a success"
    if "body" in rule.needs and not rule.of_bytes and json_of(exchange) is NOTHING:
        return "the body is not JSON"
    return "a plain request does not exercise it" if rule.provoked and not _provokes(exchange, operation) else ""


def _provokes(exchange: Exchange, operation: Operation) -> bool:
    """Whether a request filters or must be refused. One that is not known may be such a request."""
    if "request" not in exchange.known or reasons_to_refuse(operation.contract, exchange.request):
        return True
    filters = operation.kind.filters if isinstance(operation.kind, List) else ()
    return any(name in exchange.request.query for name in filters)


def validate_response(
    vendor: Vendor,
    response: object = None,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: Json = None,
    operation: str | None = None,
) -> Report:
    """`validate` for a response object of another library, or for the parts of a response."""
    if response is None:
        return validate(vendor, read_parts(status, headers, body), operation)
    if (status, headers, body) != (None, None, None):
        raise UsageError("a response and its parts are two responses; give one of them")
    return validate(vendor, read_object(response, vendor.contract), operation)
