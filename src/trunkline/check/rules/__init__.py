"""The rules: statements that must hold of one exchange. Each is a small generator; `RULES` lists them.

A rule reports only what a sentence of the contract supports, and a finding is as strong as that sentence. A rule that
needs a part of the exchange that is not known is not applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from trunkline.check.rules import http, refusals, secrets, shape, values
from trunkline.check.rules.rule import Rule, rule
from trunkline.check.rules.secrets import secret_values_rule
from trunkline.contract.bodies import succeeded
from trunkline.contract.http import decode_unreserved
from trunkline.contract.model import Contract, Operation
from trunkline.contract.schema import Steps
from trunkline.exchange import Exchange, NotJSON, beyond_limits, read_body
from trunkline.findings import Finding

_AMBIGUOUS = re.compile(r"%2f|%5c|%00|%0[0-9a-f]|%1[0-9a-f]|%7f|/(\.|%2e){1,2}(/|$)|//", re.IGNORECASE)
"""Parts of a path that a server or proxy may normalize, such as an encoded slash or a dot segment."""

__all__ = ["RULES", "Rule", "judge", "operation_of", "readable", "rule", "rules_of_a_run", "secret_values_rule"]

RULES: tuple[Rule, ...] = (
    shape.documented_status,
    shape.no_server_error,
    shape.media_type_is_json,
    shape.body_is_json,
    shape.body_matches_schema,
    shape.properties_are_documented,
    shape.text_is_unicode,
    shape.names_are_unique,
    shape.numbers_are_in_range,
    secrets.secrets_stay_hidden,
    secrets.credential_is_not_echoed,
    values.ids_are_unique,
    values.times_are_ordered,
    values.page_holds_at_most_limit,
    values.pagination_echoes_request,
    values.page_matches_its_counts,
    values.filter_keeps_only_matching,
    values.item_is_the_one_asked_for,
    refusals.refuses_invalid,
    refusals.accepts_valid,
    refusals.refusal_is_documented,
    refusals.refusal_is_no_success,
    refusals.allow_lists_the_documented_method,
    shape.rate_limit_is_reported,
    http.headers_follow_http,
    http.content_is_allowed,
    http.head_is_supported,
)


def rules_of_a_run(rules: tuple[Rule, ...] = RULES) -> tuple[Rule, ...]:
    """The rules for the exchanges of one run, in which a second opinion on each cause is enough."""
    known = set[tuple[str, Steps]]()
    of_the_run = {
        shape.body_matches_schema: shape.schema_rule(known),
        refusals.refuses_invalid: refusals.invalid_rule(known),
        refusals.refusal_is_documented: refusals.refusal_rule(known),
    }
    return tuple(of_the_run.get(rule_, rule_) for rule_ in rules)


def judge(operation: Operation, exchange: Exchange, rules: tuple[Rule, ...] = RULES) -> Iterator[Finding]:
    """Every finding of the rules about one exchange with an operation, or at its path with another method.

    A path that a server or proxy may normalize may belong to another operation. Only the rules that hold anywhere judge
    its response. Of a duplicate name in the body, every value is judged. A body beyond the limits of trunkline is not.
    """
    exchange = readable(exchange)
    yield from _judge(operation, exchange, rules)
    text = read_body(exchange.response.body)
    for variant in () if isinstance(text, NotJSON) else text.variants:
        of_bodies = tuple(rule_ for rule_ in rules if "body" in rule_.needs)
        shown = replace(exchange.response, body=json.dumps(variant).encode())
        for finding in _judge(operation, replace(exchange, response=shown), of_bodies):
            yield replace(finding, exchanges=(exchange,))


def readable(exchange: Exchange) -> Exchange:
    """The exchange. A body of its response that is beyond the limits of trunkline counts as one that is not known."""
    return replace(exchange, known=exchange.known - {"body"}) if beyond_limits(exchange.response.body) else exchange


def _judge(operation: Operation, exchange: Exchange, rules: tuple[Rule, ...]) -> Iterator[Finding]:
    path = exchange.request.path
    is_plain = not _AMBIGUOUS.search(path) and decode_unreserved(path) == path
    certain = exchange.request.method == operation.method and is_plain
    success = succeeded(operation, exchange)
    for rule_ in rules:
        applies = (certain or rule_.anywhere) and (success or not rule_.of_success)
        if applies and rule_.needs <= exchange.known and rule_.concerns(operation):
            yield from rule_.judge(operation, exchange)


def operation_of(contract: Contract, exchange: Exchange) -> Operation | None:
    """The documented operation of an exchange. For another method it is the first at that path; None for no path."""
    operations, _ = contract.match(exchange.request.path)
    by_method = {operation.method: operation for operation in reversed(operations)}
    return by_method.get(exchange.request.method, operations[0] if operations else None)
