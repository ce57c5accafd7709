"""Laws that provoke refusals: each bound on both sides, malformed values, each kind of invalid credential."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from random import Random

from trunkline.check.laws.session import Inconclusive, LawSession, law
from trunkline.check.problem import Problem
from trunkline.check.rules.refusals import judge_refusal
from trunkline.check.strategies import MALFORMED
from trunkline.contract.model import Operation, Parameter
from trunkline.contract.predicates import is_public_read, is_secured_read, takes_choices, takes_numbers
from trunkline.contract.refusals import ParsedRequest, parse_request, refusal_for
from trunkline.exchange import TOKEN_VARIABLE, Exchange
from trunkline.findings import Finding
from trunkline.redaction import secrets_in_header


def _integers(operation: Operation) -> Iterator[Parameter]:
    """The integers in the query."""
    for parameter in operation.parameters:
        if parameter.location == "query" and parameter.schema["type"] == "integer":
            yield parameter


@law(
    "the documented bound; judged by the rules refuses_invalid, accepts_valid and refusal_is_documented", takes_numbers
)
def bounds_hold_on_both_sides(session: LawSession) -> None:
    """Each bound of a parameter is accepted, and the first value beyond it is refused as documented."""
    random = Random(session.seed)  # noqa: S311 - values to ask for, not secrets
    for parameter in _integers(session.operation):
        low, high = parameter.schema.get("minimum"), parameter.schema.get("maximum")
        inside = [
            bound for bound in (low, high, parameter.schema.get("default")) if bound is not None and abs(bound) < 2**31
        ]
        inside += [low + 1] if low is not None else []
        beyond = [-1, -(2**31)]
        beyond += [low - 1] if low is not None else []
        beyond += [high + 1, random.randint(high + 2, high * 100), 2**31, 2**63, 10**29] if high is not None else []
        for value in dict.fromkeys((*inside, *beyond)):
            session.ask({parameter.name: value})


@law(
    "malformed values are not documented; judged by the rules on the form of a response, above all no_server_error",
    takes_numbers,
)
def malformed_numbers_cause_no_server_error(session: LawSession) -> None:
    """A value that is not an integer, or a parameter that is sent twice, gets a response in a documented form."""
    for parameter in _integers(session.operation):
        for text in MALFORMED:
            session.ask(f"{parameter.name}={text}")
        session.ask(f"{parameter.name}=1&{parameter.name}=2")


@law("the documented values; judged by the rules accepts_valid and filter_keeps_only_matching", takes_choices)
def listed_values_are_accepted(session: LawSession) -> None:
    """Each listed value of a parameter is accepted; any other gets a response in a documented form."""
    for parameter in session.operation.parameters:
        values = parameter.schema.get("enum")
        if not values:
            continue
        first, last = values[0], values[-1]
        for value in values:
            session.ask({parameter.name: value})
        for text in ("", "unknown", first.upper(), f"{first}%20", f"{first},{last}"):
            session.ask(f"{parameter.name}={text}")
        session.ask(f"{parameter.name}={first}&{parameter.name}={last}")


def _bad_credentials(credential: str | None) -> Iterator[tuple[str, str, tuple[str, str] | None]]:
    """(description, cause, (header value, the value as it is printed)) of each request without a valid credential."""
    variable = f"${{{TOKEN_VARIABLE}}}"
    missing, malformed, unknown = "credentials_missing", "credentials_malformed", "credentials_unknown"
    yield "no credential", missing, None
    yield "an unknown credential", unknown, ("Bearer trunkline-unknown-0", "Bearer trunkline-unknown-0")
    yield "an empty credential", malformed, ("Bearer", "Bearer")
    yield "an empty header", malformed, ("", "")
    if credential is None:
        return
    basic = base64.b64encode(f"{credential}:".encode()).decode()
    yield "another scheme", malformed, (f"Basic {basic}", f"Basic $(printf %s: {variable} | base64)")
    yield "no scheme", malformed, (credential, variable)
    yield "a scheme of another name", malformed, (f"Token {credential}", f"Token {variable}")
    yield "two credentials", malformed, (f"Bearer {credential} {credential}", f"Bearer {variable} {variable}")
    half = len(credential) // 2
    altered = [
        ("a credential without its last character", credential[:-1], f"${{{TOKEN_VARIABLE}%?}}"),
        ("a credential without its first character", credential[1:], f"${{{TOKEN_VARIABLE}#?}}"),
        ("half a credential", credential[:half], f"${{{TOKEN_VARIABLE}:0:{half}}}"),
        ("a credential with one more character", f"{credential}x", f"{variable}x"),
    ]
    if credential.swapcase() != credential:
        swapped = f"$(printf %s {variable} | tr 'A-Za-z' 'a-zA-Z')"
        altered.append(("a credential in the other case", credential.swapcase(), swapped))
    for description, value, printed in altered:
        yield description, unknown, (f"Bearer {value}", f"Bearer {printed}")


def disclosures(credential: str) -> frozenset[str]:
    """Every form of a credential that `only_a_valid_credential_is_accepted` sends. They must never be printed."""
    headers = (authorization[0] for *_, authorization in _bad_credentials(credential) if authorization)
    return frozenset({credential}.union(*map(secrets_in_header, headers)))


def printed_credentials(credential: str) -> dict[str, str]:
    """Each header value that the law sends, by how it is printed: `{"Bearer ${TRUNKLINE_TOKEN}x": "Bearer ...x"}`."""
    return {printed: value for *_, pair in _bad_credentials(credential) if pair for value, printed in [pair]}


@law("the documented security scheme", is_secured_read)
def only_a_valid_credential_is_accepted(session: LawSession) -> Iterator[Problem | Finding]:
    """Without its exact credential a request is refused, with the documented status and code."""
    operation = session.operation
    if session.needs:
        session.ask()
    for description, cause, authorization in _bad_credentials(session.credential):
        exchange = session.ask(authorization=authorization, anonymous=authorization is None)
        yield from _judge_refused(operation, exchange, description, cause)
    if session.credential is None:
        raise Inconclusive(
            f"no credential is known, so {operation.operation_id} was only tried with unknown credentials"
        )


def _judge_refused(
    operation: Operation, exchange: Exchange, description: str, cause: str
) -> Iterator[Problem | Finding]:
    security, status = operation.contract.security, exchange.response.status
    if 200 <= status < 300:
        message, evidence = f"{description} is accepted", security.refused[cause]
        yield Problem(message, evidence, "status", security.pointer, "refused", exchanges=(exchange,))
    elif (
        cause == "credentials_unknown"
        and 400 <= status < 500
        and status != 429
        and isinstance(parse_request(operation.contract, exchange.request), ParsedRequest)
    ):
        refusal = refusal_for(operation, cause, description, "a known credential", {})
        yield from judge_refusal(operation, exchange, (refusal,))


@law("no security scheme is documented for it", is_public_read)
def public_operation_needs_no_credential(session: LawSession) -> Iterator[Problem]:
    """An operation without security is not refused for lack of a credential."""
    operation = session.operation
    exchange = session.ask(anonymous=True)
    if exchange.response.status in {401, 403}:
        message, place = "the request is refused for lack of a credential", f"{operation.pointer}/security"
        expected = "a response without a credential"
        yield Problem(message, operation.evidence, "status", place, expected, exchanges=(exchange,))


LAWS = (
    bounds_hold_on_both_sides,
    malformed_numbers_cause_no_server_error,
    listed_values_are_accepted,
    only_a_valid_credential_is_accepted,
    public_operation_needs_no_credential,
)
