"""Rules on refusing: what must be refused is, what is allowed is not, and a refusal says why as documented."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.check.rules.rule import RFC9110, rule
from trunkline.contract.bodies import NOTHING, at_pointer, json_of
from trunkline.contract.model import Operation
from trunkline.contract.refusals import (
    Refusal,
    bounds,
    documented_response,
    is_settled,
    parse_request,
    reasons_to_refuse,
)
from trunkline.exchange import Exchange
from trunkline.findings import Evidence, Finding, Grade, to_text

_NOT_ABOUT_VALIDITY = frozenset(
    {401, 402, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 416, 417, 421, 423, 425, 426, 428, 429, 431, 451}
)
"""Client errors that do not say that the parameters are wrong."""


_NOT_ABOUT_MEANING = frozenset({413, 414, 429, 431})
"""Refusals before a request is understood: too large, too long, too many."""


@rule("what the page says of the broken bound", "request", "status", provoked=True)
def refuses_invalid(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A request that a page says is refused is not answered with success."""
    if 200 <= exchange.response.status < 300:
        for reason in reasons_to_refuse(operation.contract, exchange.request):
            yield operation.finding(
                "refuses_invalid",
                reason.evidence,
                f"a request that must be refused is answered with success: {reason.cause}",
                at="status",
                contract=reason.place(operation.contract),
                expected=f"refused, since {reason.broke}",
                seen=f"{exchange.response.status} for {reason.sent}",
                exchanges=(exchange,),
            )


@rule("what the page says of the parameter", "request", "status")
def accepts_valid(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A request within every documented bound is not refused as invalid."""
    status = exchange.response.status
    if not 400 <= status < 500 or status in _NOT_ABOUT_VALIDITY or exchange.request.body:
        return
    reading = parse_request(operation.contract, exchange.request)
    if isinstance(reading, Refusal) or not is_settled(reading) or not _knows(operation, sent_names(exchange)):
        return
    for parameter in operation.parameters:
        if parameter.place == "path":
            return  # no page says which ids are well formed
    culprit = next((operation.parameter(name) for name in sent_names(exchange)), None)
    yield operation.finding(
        "accepts_valid",
        culprit.evidence if culprit else operation.evidence,
        "a request within the documented bounds is refused",
        at="status",
        contract=operation.place(culprit.pointer if culprit else operation.pointer),
        expected=f"success, since {culprit.name} may be {bounds(culprit.schema)}" if culprit else "success",
        seen=str(status),
        exchanges=(exchange,),
    )


@rule("the weaker of what the page says of the bound and of the error", "request", "status", "body", provoked=True)
def refusal_is_documented(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A refusal has the status and the error code that the contract gives for its cause."""
    found = reasons_to_refuse(operation.contract, exchange.request)
    if found and 400 <= exchange.response.status < 500 and exchange.response.status not in _NOT_ABOUT_MEANING:
        yield from judge_refusal(operation, exchange, found)


def judge_refusal(operation: Operation, exchange: Exchange, causes: tuple[Refusal, ...]) -> Iterator[Finding]:
    """Findings unless status and code are those of one of the causes. A cause that no page settles excuses any."""
    status, code = exchange.response.status, at_pointer(json_of(exchange), operation.contract.errors[0].at)
    told = [(reason, *documented_response(operation.contract, reason)) for reason in causes]
    if all(status != int(found.key) for _, found, _ in told):
        reason, found, _ = told[0]
        weakest = _weakest(*(said for reason, _, code in told for said in (reason.evidence, code.status)))
        yield _undocumented(operation, exchange, weakest, reason, "status", found.pointer, found.key, str(status))
    if all(code != documented.code for *_, documented in told):
        reason, found, documented = told[0]
        weakest = _weakest(*(said for reason, _, documented in told for said in (reason.evidence, documented.evidence)))
        at = f"body{operation.contract.errors[0].at}"
        place = f"{found.pointer}/x-trunkline/refusals/{reason.cause}"
        seen = "absent" if code is NOTHING else to_text(code)
        yield _undocumented(operation, exchange, weakest, reason, at, place, documented.code, seen)


def _undocumented(
    operation: Operation,
    exchange: Exchange,
    said: Evidence,
    reason: Refusal,
    at: str,
    place: str,
    expected: str,
    seen: str,
) -> Finding:
    part = "status" if at == "status" else "error code"
    return operation.finding(
        "refusal_is_documented",
        said,
        f"the {part} of the refusal is not the one for {reason.cause}",
        at=at,
        contract=operation.place(place),
        expected=expected,
        seen=seen,
        exchanges=(exchange,),
    )


@rule("customary: RFC 9110 section 15.5.6", "status", "headers", "request", provoked=True, anywhere=True)
def wrong_method_tells_allowed(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A 405 names the methods that the path takes, the documented one among them."""
    if exchange.response.status != 405:
        return
    allow = exchange.response.header("allow")
    methods = {word.strip().upper() for word in (allow or "").split(",")}
    if operation.method not in methods:
        yield operation.finding(
            "wrong_method_tells_allowed",
            Evidence(Grade.CUSTOMARY, f"{RFC9110}#section-15.5.6"),
            "a 405 does not name the documented method in Allow",
            at="header/allow",
            expected=operation.method,
            seen=to_text(allow),
            exchanges=(exchange,),
        )


def sent_names(exchange: Exchange) -> list[str]:
    """The names of the query parameters, as sent."""
    return [part.partition("=")[0] for part in exchange.request.query.split("&") if part]


def _knows(operation: Operation, names: list[str]) -> bool:
    """Whether every parameter that is sent is on the page."""
    return set(names) <= {parameter.name for parameter in operation.parameters}


def _weakest(first: Evidence, *others: Evidence) -> Evidence:
    for other in others:
        first = first.weakest(other)
    return first
