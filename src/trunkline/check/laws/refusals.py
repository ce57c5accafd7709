"""Laws that provoke refusals on purpose: each bound on both sides, each malformed form, each kind of bad credential."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from random import Random

from trunkline.check.laws.session import Inconclusive, Session, law
from trunkline.check.rules.refusals import judge_refusal
from trunkline.check.strategies import MALFORMED
from trunkline.contract.predicates import reads_openly, reads_secured, takes_choices, takes_numbers
from trunkline.contract.refusals import ParsedRequest, parse_request, refusal_for
from trunkline.exchange import TOKEN_VARIABLE, Exchange
from trunkline.findings import Finding, NotExercised
from trunkline.redaction import AUTH_SCHEMES


@law(
    "what the page says of the bound: judged by the rules refuses_invalid, accepts_valid and refusal_is_documented",
    takes_numbers,
)
def bounds_hold_on_both_sides(interview: Session) -> Iterator[Finding | NotExercised]:
    """Each bound of a parameter is accepted, and the first value beyond it is refused as documented."""
    chance = Random(interview.seed)  # noqa: S311 - values to ask for, not secrets
    for parameter in interview.operation.parameters:
        if parameter.location != "query" or parameter.schema["type"] != "integer":
            continue
        low, high = parameter.schema.get("minimum"), parameter.schema.get("maximum")
        inside = [
            bound for bound in (low, high, parameter.schema.get("default")) if bound is not None and abs(bound) < 2**31
        ]
        inside += [low + 1] if low is not None else []
        beyond = [-1, -(2**31)]
        beyond += [low - 1] if low is not None else []
        beyond += [high + 1, chance.randint(high + 2, high * 100), 2**31, 2**63, 10**29] if high is not None else []
        for value in dict.fromkeys((*inside, *beyond)):
            interview.ask({parameter.name: value})
    yield from ()


@law(
    "no page settles malformed values: judged by the rules on the form of an answer, above all no_server_error",
    takes_numbers,
)
def malformed_numbers_are_survived(interview: Session) -> Iterator[Finding | NotExercised]:
    """What is no integer, and a parameter that is sent twice, gets an answer in a documented form."""
    for parameter in interview.operation.parameters:
        if parameter.location == "query" and parameter.schema["type"] == "integer":
            for text in MALFORMED:
                interview.ask(f"{parameter.name}={text}")
            interview.ask(f"{parameter.name}=1&{parameter.name}=2")
    yield from ()


@law("what the page lists: judged by the rules accepts_valid and filtered_items_match_the_filter", takes_choices)
def every_choice_is_taken(interview: Session) -> Iterator[Finding | NotExercised]:
    """Each listed value of a parameter is accepted; others get an answer in a documented form."""
    for parameter in interview.operation.parameters:
        values = parameter.schema.get("enum", ())
        for value in values:
            interview.ask({parameter.name: value})
        for text in (
            ("", "unknown", values[0].upper(), f"{values[0]}%20", f"{values[0]},{values[-1]}") if values else ()
        ):
            interview.ask(f"{parameter.name}={text}")
        if values:
            interview.ask(f"{parameter.name}={values[0]}&{parameter.name}={values[-1]}")
    yield from ()


def _bad_credentials(credential: str | None) -> Iterator[tuple[str, str, tuple[str, str] | None]]:
    """(what it is, the cause, (header value, how it is printed)) of each request without a good credential."""
    word = f"${{{TOKEN_VARIABLE}}}"
    yield "no credential", "credentials_missing", None
    yield "an unknown credential", "credentials_unknown", ("Bearer trunkline-unknown-0", "Bearer trunkline-unknown-0")
    yield "an empty credential", "credentials_malformed", ("Bearer", "Bearer")
    yield "an empty header", "credentials_malformed", ("", "")
    if credential is None:
        return
    basic = base64.b64encode(f"{credential}:".encode()).decode()
    yield "another scheme", "credentials_malformed", (f"Basic {basic}", f"Basic $(printf %s: {word} | base64)")
    yield "no scheme", "credentials_malformed", (credential, word)
    yield "a scheme of another name", "credentials_malformed", (f"Token {credential}", f"Token {word}")
    yield "two credentials", "credentials_malformed", (f"Bearer {credential} {credential}", f"Bearer {word} {word}")
    short = f"${{{TOKEN_VARIABLE}%?}}"
    yield (
        "a credential without its last character",
        "credentials_unknown",
        (f"Bearer {credential[:-1]}", f"Bearer {short}"),
    )
    rest = f"${{{TOKEN_VARIABLE}#?}}"
    yield (
        "a credential without its first character",
        "credentials_unknown",
        (f"Bearer {credential[1:]}", f"Bearer {rest}"),
    )
    half = len(credential) // 2
    yield (
        "half a credential",
        "credentials_unknown",
        (
            f"Bearer {credential[:half]}",
            f"Bearer ${{{TOKEN_VARIABLE}:0:{half}}}",
        ),
    )
    yield "a credential with one more character", "credentials_unknown", (f"Bearer {credential}x", f"Bearer {word}x")
    if credential.swapcase() != credential:
        swapped = f"$(printf %s {word} | tr 'A-Za-z' 'a-zA-Z')"
        yield (
            "a credential in the other case",
            "credentials_unknown",
            (f"Bearer {credential.swapcase()}", f"Bearer {swapped}"),
        )


def disclosures(credential: str) -> frozenset[str]:
    """Every form of a credential that `only_a_good_credential_opens` sends: none of them is ever to be printed."""
    sent = (authorization[0].split() for *_, authorization in _bad_credentials(credential) if authorization)
    return frozenset({credential, *(word for words in sent for word in words if word.lower() not in AUTH_SCHEMES)})


@law("what the page says of the credential", reads_secured)
def only_a_good_credential_opens(interview: Session) -> Iterator[Finding | NotExercised]:
    """Without its exact credential a request is refused, with the documented status and code."""
    operation = interview.operation
    if interview.needs:
        interview.ask()
    for what, cause, authorization in _bad_credentials(interview.credential):
        exchange = interview.ask(authorization=authorization)
        yield from _judged(interview, exchange, what, cause)
    if interview.credential is None:
        raise Inconclusive(
            f"no credential is known, so only unknown ones were tried; {operation.operation_id} was not opened"
        )


def _judged(interview: Session, exchange: Exchange, what: str, cause: str) -> Iterator[Finding]:
    operation = interview.operation
    status = exchange.response.status
    said = operation.contract.security
    if 200 <= status < 300:
        yield operation.finding(
            "only_a_good_credential_opens",
            said.refused[cause],
            f"{what} opens the operation",
            at="status",
            contract=operation.reference(said.pointer),
            expected="refused",
            seen=str(status),
            exchanges=(exchange,),
        )
    elif (
        cause == "credentials_unknown"
        and 400 <= status < 500
        and status != 429
        and isinstance(parse_request(operation.contract, exchange.request), ParsedRequest)
    ):
        yield from judge_refusal(operation, exchange, (refusal_for(operation, cause, what, "a known credential", {}),))


@law("what the page says: it needs no credential", reads_openly)
def it_opens_without_a_credential(interview: Session) -> Iterator[Finding | NotExercised]:
    """What needs no credential is not refused for want of one."""
    operation = interview.operation
    exchange = interview.ask(authorization=None)
    if exchange.response.status in {401, 403}:
        yield operation.finding(
            "it_opens_without_a_credential",
            operation.evidence,
            "the request is refused for want of a credential",
            at="status",
            contract=f"{operation.reference(operation.pointer)}/security",
            expected="an answer without a credential",
            seen=str(exchange.response.status),
            exchanges=(exchange,),
        )


LAWS = (
    bounds_hold_on_both_sides,
    malformed_numbers_are_survived,
    every_choice_is_taken,
    only_a_good_credential_opens,
    it_opens_without_a_credential,
)
