"""Note which rules had something to judge, and why others had not."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.check.rules.rule import Rule
from trunkline.contract.bodies import NOTHING, json_of
from trunkline.contract.model import List, Operation
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.exchange import Exchange


def note_applied(
    steps: dict[tuple[str, str], str], operation: Operation, exchange: Exchange, rules: Iterable[Rule]
) -> None:
    """For each rule that concerns the operation, note "" if it judges the exchange, else why it does not.

    `steps` has the text for each (operationId, rule): the first reason, until an exchange is judged.
    """
    for rule in rules:
        key = operation.operation_id, rule.name
        if steps.get(key) != "" and rule.concerns(operation):
            reason = _reason(rule, exchange, operation)
            steps[key] = reason and steps.get(key, reason)


def _reason(rule: Rule, exchange: Exchange, operation: Operation) -> str:
    """Why a rule has nothing to judge in an exchange, or empty."""
    missing = sorted(rule.needs - exchange.known)
    if missing:
        return f"the {' and the '.join(missing)} {'is' if missing in (['request'], ['status']) else 'are'} not known"
    if exchange.request.method != operation.method and not rule.anywhere:
        return f"the request is {exchange.request.method}"
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
