"""Owns the rules: what must hold of one exchange, whoever asked. Each is a small generator in a table.

A rule speaks only where the contract has a sentence for it, and its finding is as strong as that sentence.
`needs` names the parts of an exchange that a rule looks at; where one was not seen, the rule is not applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trunkline.check.rules.refusals import (
    accepts_valid,
    refusal_is_documented,
    refuses_invalid,
    wrong_method_tells_allowed,
)
from trunkline.check.rules.rule import Rule, rule
from trunkline.check.rules.secrets import credential_is_not_echoed, hides, secrets_stay_hidden
from trunkline.check.rules.shape import (
    body_is_json,
    body_matches_schema,
    documented_status,
    media_type_is_json,
    no_server_error,
    properties_are_documented,
    rate_limit_is_told,
    text_is_unicode,
)
from trunkline.check.rules.values import (
    filter_keeps_only_matching,
    ids_are_unique,
    item_is_the_one_asked_for,
    page_fits_its_own_count,
    page_holds_at_most_limit,
    pagination_echoes_request,
    times_are_ordered,
)
from trunkline.contract.model import Contract, Operation
from trunkline.exchange import Exchange
from trunkline.findings import Finding

_ODD = re.compile(r"%2f|%5c|%00|%0[0-9a-f]|%1[0-9a-f]|%7f|/(\.|%2e){1,2}(/|$)|//", re.IGNORECASE)

__all__ = ["RULES", "Rule", "hides", "judge", "operation_of", "rule"]

RULES: tuple[Rule, ...] = (
    documented_status,
    no_server_error,
    media_type_is_json,
    body_is_json,
    body_matches_schema,
    properties_are_documented,
    text_is_unicode,
    secrets_stay_hidden,
    credential_is_not_echoed,
    ids_are_unique,
    times_are_ordered,
    page_holds_at_most_limit,
    pagination_echoes_request,
    page_fits_its_own_count,
    filter_keeps_only_matching,
    item_is_the_one_asked_for,
    refuses_invalid,
    accepts_valid,
    refusal_is_documented,
    wrong_method_tells_allowed,
    rate_limit_is_told,
)


def judge(operation: Operation, exchange: Exchange, rules: tuple[Rule, ...] = RULES) -> Iterator[Finding]:
    """Every finding of the rules about one exchange with an operation, or at its path with another method.

    A path whose encoded slashes, dots or control characters servers and proxies lawfully read in other ways is not
    surely the operation's: only the rules that hold anywhere judge what is answered there.
    """
    asked = exchange.request.method == operation.method and not _ODD.search(exchange.request.path)
    for each in rules:
        if each.needs <= exchange.known and each.concerns(operation) and (asked or each.anywhere):
            yield from each.judge(operation, exchange)


def operation_of(contract: Contract, exchange: Exchange) -> Operation | None:
    """The documented operation that an exchange is about; for another method, the first at its path; else None."""
    operations, _ = contract.match(exchange.request.path)
    by_method = {operation.method: operation for operation in reversed(operations)}
    return by_method.get(exchange.request.method, operations[0] if operations else None)
