"""Rules on refusals: invalid requests are refused, valid ones are not, and a refusal has the documented form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from functools import reduce

from trunkline.check.problem import Problem, customary, disputed
from trunkline.check.rules.outline import views
from trunkline.check.rules.rule import Rule, rule
from trunkline.contract.bodies import at_pointer, json_object, json_of
from trunkline.contract.model import Operation
from trunkline.contract.predicates import flags_success, is_update
from trunkline.contract.refusals import (
    Refusal,
    bounds,
    confirmed_reasons,
    documented_response,
    is_specified,
    parse_request,
    reasons_to_refuse,
)
from trunkline.contract.schema import Steps
from trunkline.exchange import Exchange
from trunkline.findings import Evidence, Finding

_NOT_ABOUT_VALIDITY = frozenset(
    {401, 402, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 416, 417, 421, 423, 425, 426, 428, 429, 431, 451}
)
"""Client errors that do not mean that the parameters are wrong."""

_NOT_ABOUT_MEANING = frozenset({413, 414, 429, 431})
"""Refusals before a request is read: too large, too long, too many."""


_MISTAKES = frozenset({"parameter_not_allowed", "parameter_malformed"})
"""The causes for which success gets a note, although no page says that such a request is refused."""

_UNNOTICED = customary(9110, "15.5.1", "a client's mistake gets a 400; with success the client does not notice it")
"""The custom on which these notes rest. Our decision that the mock refuses such a request is no evidence."""


def invalid_rule(known: MutableSet[tuple[str, Steps]] | None = None) -> Rule:
    """The rule `refuses_invalid`; `known` is as for `shape.schema_rule`."""

    @rule("the documented bound; customary for a mistake that no page mentions", "request", "status", provoked=True)
    def refuses_invalid(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
        """A request that must be refused, as documented, is not answered with success.

        Success for a mistake of which no page says what it gets is a note: an unlisted value, a malformed number, a
        read-only field of an update.
        """
        if not 200 <= exchange.response.status < 300:
            return
        contract = operation.contract
        confirmed = confirmed_reasons(contract, exchange.request, known)
        for reason in reasons_to_refuse(contract, exchange.request):
            message, evidence = "a request that must be refused is answered with success", reason.evidence
            if reason not in confirmed:
                message = "jsonschema-rs refuses a request and jsonschema accepts it; it is answered with success"
                evidence = disputed(evidence)
            elif not evidence.grade.carries_findings and reason.cause in _MISTAKES:
                message, evidence = "a mistake is answered with success", _UNNOTICED
            place, expected = reason.reference(contract), f"refused, since {reason.broke}"
            seen = f"{exchange.response.status} for {reason.sent}"
            yield Problem(f"{message}: {reason.cause}", evidence, "status", place, expected, seen)
        yield from _read_only_fields(operation, exchange)

    return refuses_invalid


refuses_invalid = invalid_rule()


def _read_only_fields(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """A note for each field of an update that the item shows, but that no page lists as an input."""
    if not is_update(operation) or operation.body is None:
        return
    read_only = views(operation) - {*operation.inputs}
    for name in sorted(read_only.intersection(json_object(exchange.request.body))):
        message, expected = "an update of a field that is no input is answered with success", f"refused, or no {name}"
        seen = f"{exchange.response.status} for a body with {name}"
        yield Problem(message, _UNNOTICED, "status", f"{operation.body.pointer}", expected, seen)


@rule("the documented parameter", "request", "status")
def accepts_valid(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """A request within every documented bound is not refused as invalid."""
    status = exchange.response.status
    if not 400 <= status < 500 or status in _NOT_ABOUT_VALIDITY or exchange.request.body:
        return
    if operation.path_parameters:
        return  # the form of ids is not documented
    parsed = parse_request(operation.contract, exchange.request)
    sent = [part.partition("=")[0] for part in exchange.request.query.split("&") if part]
    documented = {parameter.name for parameter in operation.parameters}
    if isinstance(parsed, Refusal) or not is_specified(parsed) or not documented.issuperset(sent):
        return
    message = "a request within the documented bounds is refused"
    if not sent:
        yield Problem(message, operation.evidence, "status", expected="success")
        return
    stated = operation.parameter(sent[0])
    expected = f"success, since {stated.name} may be {bounds(stated.schema)}"
    yield Problem(message, stated.evidence, "status", stated.pointer, expected)


def refusal_rule(known: MutableSet[tuple[str, Steps]] | None = None) -> Rule:
    """The rule `refusal_is_documented`; `known` is as for `shape.schema_rule`."""
    basis = "the documented bound or the documented error, whichever is weaker"

    @rule(basis, "request", "status", "body", provoked=True)
    def refusal_is_documented(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
        """A refusal has the status and the error code that the contract gives for its cause."""
        status, request = exchange.response.status, exchange.request
        if 400 <= status < 500 and status not in _NOT_ABOUT_MEANING:
            reasons = reasons_to_refuse(operation.contract, request)
            found = [*judge_refusal(operation, exchange, reasons)] if reasons else []
            if found and confirmed_reasons(operation.contract, request, known):
                yield from found

    return refusal_is_documented


refusal_is_documented = refusal_rule()


def may_refuse_credential(operation: Operation, exchange: Exchange) -> bool:
    """Whether a request that must be refused may be refused for its credential, if nobody knows that it is valid."""
    if exchange.response.status not in (401, 403) or not operation.secured:
        return False
    reasons = reasons_to_refuse(operation.contract, exchange.request)
    return bool(reasons) and not any(reason.cause.startswith("credentials_") for reason in reasons)


def judge_refusal(operation: Operation, exchange: Exchange, causes: tuple[Refusal, ...]) -> Iterator[Finding]:
    """Findings unless status and error code are each those of one of the causes.

    They rest on the weakest evidence among all causes. If one of them is a decision of ours, nothing is reported.
    """
    status, code = exchange.response.status, at_pointer(json_of(exchange), operation.contract.errors.code)
    documented = [(cause, *documented_response(operation.contract, cause)) for cause in causes]
    cause, response, error = documented[0]

    def undocumented(part: str, evidence: Evidence, at: str, place: str, expected: str) -> Finding:
        message = f"the {part} of the refusal is not the one for {cause.cause}"
        problem = Problem(message, evidence, at, place, expected)
        return problem.finding("refusal_is_documented", operation, exchange)

    if all(status != int(known.key) for _, known, _ in documented):
        evidence = _weakest(
            evidence
            for reason, known, known_error in documented
            for evidence in (reason.evidence, known_error.status or known.evidence)
        )
        yield undocumented("status", evidence, "status", response.pointer, response.key)
    if all(code != known.code for *_, known in documented):
        evidence = _weakest(
            evidence for reason, _, known in documented for evidence in (reason.evidence, known.evidence)
        )
        at = f"body{operation.contract.errors.code}"
        place = f"{response.pointer}/x-trunkline/refusals/{cause.cause}"
        yield undocumented("error code", evidence, at, place, error.code)


@rule("the documented flag of a success", "status", "body", concerns=flags_success, anywhere=True)
def refusal_is_no_success(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """A response with a status of 400 or above does not say in its body that it is a success."""
    flag = operation.contract.errors.success
    if flag and exchange.response.status >= 400 and at_pointer(json_of(exchange), flag.at) is True:
        message = f"a response with status {exchange.response.status} says that it is a success"
        yield Problem(message, flag.evidence, f"body{flag.at}", "/x-trunkline/errors/success", "false")


@rule("customary: RFC 9110 section 15.5.6", "status", "headers", "request", provoked=True, anywhere=True)
def allow_lists_the_documented_method(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """The Allow header of a 405 response lists the documented method of the path."""
    if exchange.response.status != 405:
        return
    allow = exchange.response.header("allow")
    if operation.method not in {method.strip().upper() for method in (allow or "").split(",")}:
        evidence = customary(9110, "15.5.6")
        message = "a 405 does not name the documented method in Allow"
        yield Problem(message, evidence, "header/allow", expected=operation.method)


def _weakest(evidence: Iterable[Evidence]) -> Evidence:
    return reduce(Evidence.weakest, evidence)
