"""Rules on secrets that must not be in a response, by their names or by their values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain

from trunkline.check.problem import Problem, implied
from trunkline.check.rules.outline import objects_of
from trunkline.check.rules.rule import Rule, rule
from trunkline.contract.bodies import NOTHING, all_keys, all_texts, json_of, may_have_name, may_hold, shown_response
from trunkline.contract.model import Operation
from trunkline.exchange import Exchange, Json, Place, all_places
from trunkline.findings import Evidence
from trunkline.redaction import Redactor, normalized, redactor, secrets_in_body

_LEAST_CHARACTERS = 8
"""A shorter secret occurs in other texts by chance."""


@rule("the documented secret: write-only, or an input that no response shows", "body", anywhere=True)
def secrets_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """No response has a property or a header with the name of a secret, except a refusal that explains the input."""
    contract = operation.contract
    secrets = {normalized(name): name for name in contract.secrets}
    body = json_of(exchange)
    suspects: list[Iterable[tuple[str, Place, Json]]] = [
        (("header", ((), name), NOTHING) for name, _ in exchange.response.headers)
    ]
    if body is not NOTHING and _may_have_name(operation, exchange, secrets):
        suspects.append(("body", place, value) for place, value in all_places(body))
    for part, place, value in chain.from_iterable(suspects):
        key = place[1] if place else ""
        name = secrets.get(normalized(key)) if isinstance(key, str) else None
        if name and not (operation.body and _explains_input(exchange, value, contract.secrets)):
            yield _disclosed(name, contract.secrets[name], part, f"/x-trunkline/secrets/{name}", place)


def _may_have_name(operation: Operation, exchange: Exchange, names: Collection[str]) -> bool:
    """Whether an object of the body may have a property with one of the normalized names."""
    body, shown = exchange.response.body, shown_response(operation, exchange)
    described = objects_of(operation, shown, exchange) if shown else []
    if sum(len(alike.objects) for alike in described) < body.count(b"{"):  # the schema does not describe each object
        return may_have_name(body, names)
    return any(normalized(name) in names for alike in described for name in alike.names)


def _explains_input(exchange: Exchange, value: Json, secrets: Collection[str]) -> bool:
    """Whether a refusal says under a secret's name what is wrong with the input, without a secret of the request.

    An example is `{"errors": {"password": "is too short"}}`.
    """
    if exchange.response.status < 400 or value is NOTHING:
        return False
    sent = secrets_in_body(exchange.request.body, secrets)
    return not any(text in sent for _, text in all_texts(value))


_SHOWN_ONCE = "implied: a key is displayed only once, so no response contains it"


@rule(_SHOWN_ONCE, "request", "headers", "body", anywhere=True, of_bytes=True)
def credential_is_not_echoed(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """The credential of a request is nowhere in the response."""
    if exchange.request.method == "TRACE":
        return  # TRACE returns the request by definition (RFC 9110 section 9.3.8)
    security = operation.contract.security
    _, _, credential = (exchange.request.header("authorization") or "").partition(" ")
    for at, inner in _places_of(credential.strip(), exchange):
        evidence = implied(security.evidence, "a credential is sent, never returned")
        yield _disclosed("the credential", evidence, at, security.pointer, inner)


def secret_values_rule(values: Mapping[str, str]) -> Rule:
    """A rule for secrets whose values are known, e.g. the passwords of a fixture: `{"secret-password": "password"}`."""

    @rule("the documented secret", "headers", "body", anywhere=True, of_bytes=True)
    def secret_values_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
        """The value of a known secret is nowhere in a response, under any name."""
        for name, evidence in operation.contract.secrets.items():
            place = f"/x-trunkline/secrets/{name}"
            for value in (value for value, secret in values.items() if secret == name):
                for at, inner in _places_of(value, exchange):
                    yield _disclosed(name, evidence, at, place, inner)

    return secret_values_stay_hidden


def _places_of(secret: str, exchange: Exchange) -> Iterator[tuple[str, Place]]:
    """Each place of a response whose text holds a secret: the part, and the place in it, named without the secret."""
    if len(secret) < _LEAST_CHARACTERS:
        return
    redact = redactor(frozenset({secret}))
    for name, value in exchange.response.headers:
        if secret in value:
            yield redact(f"header/{name}"), ()
    body = json_of(exchange)
    if body is NOTHING:
        if secret in exchange.response.body.decode("utf-8", "replace"):
            yield "body", ()
    elif may_hold(exchange.response.body, secret):
        for place, text in chain(all_texts(body), all_keys(body)):
            if secret in text:
                yield "body", _redacted(place, redact)


def _redacted(place: Place, redact: Redactor) -> Place:
    """The place without a secret in the names on the way to it."""
    if not place:
        return ()
    around, step = place
    return _redacted(around, redact), redact(step) if isinstance(step, str) else step


def _disclosed(name: str, evidence: Evidence, at: str, contract: str, place: Place) -> Problem:
    message = f"{name} is in the response; its value is withheld here"
    return Problem(message, evidence, at, contract, expected="absent", seen="present", place=place)
