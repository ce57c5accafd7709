"""Rules on secrets that must not be in a response, by their names or by their values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from trunkline.check.problem import Problem, implied
from trunkline.check.rules.rule import Rule, rule
from trunkline.contract.bodies import NOTHING, all_keys, all_texts, at_pointer, contents_of, json_of
from trunkline.contract.model import Operation
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence
from trunkline.redaction import normalized, secrets_in_body

_LEAST_CHARACTERS = 8
"""A shorter secret occurs in other texts by chance."""


@rule("the documented secret: write-only, or an input that no response shows", "body", anywhere=True)
def secrets_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """No response has a property or a header with the name of a secret, except a refusal that explains the input."""
    contract = operation.contract
    secrets = {normalized(name): name for name in contract.secrets}
    body, contents = json_of(exchange), contents_of(exchange.response.body)
    suspects: list[tuple[str, str, Json]] = [(f"header/{name}", name, NOTHING) for name, _ in exchange.response.headers]
    if contents and any(normalized(name) in secrets for name in contents.names):
        suspects += [(f"body{at}", key, at_pointer(body, at)) for at, key in all_keys(body)]
    for at, key, value in suspects:
        name = secrets.get(normalized(key))
        if name and not (operation.body and _explains_input(exchange, value, contract.secrets)):
            yield _disclosed(name, contract.secrets[name], at, f"/x-trunkline/secrets/{name}")


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
    for at in _places_of(credential.strip(), exchange):
        evidence = implied(security.evidence, "a credential is sent, never returned")
        yield _disclosed("the credential", evidence, at, security.pointer)


def secret_values_rule(values: Mapping[str, str]) -> Rule:
    """A rule for secrets whose values are known, e.g. the passwords of a fixture: `{"secret-password": "password"}`."""

    @rule("the documented secret", "headers", "body", anywhere=True, of_bytes=True)
    def secret_values_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
        """The value of a known secret is nowhere in a response, under any name."""
        for name, evidence in operation.contract.secrets.items():
            place = f"/x-trunkline/secrets/{name}"
            for value in (value for value, secret in values.items() if secret == name):
                for at in _places_of(value, exchange):
                    yield _disclosed(name, evidence, at, place)

    return secret_values_stay_hidden


def _places_of(secret: str, exchange: Exchange) -> Iterator[str]:
    """Each place of a response whose text holds a secret; the place itself is printed without it."""
    if len(secret) < _LEAST_CHARACTERS:
        return
    for name, value in exchange.response.headers:
        if secret in value:
            yield f"header/{name}".replace(secret, "***")
    contents = contents_of(exchange.response.body)
    if contents is None:
        if secret in exchange.response.body.decode("utf-8", "replace"):
            yield "body"
    elif secret in contents.text:
        body = json_of(exchange)
        for at, text in (*all_texts(body), *all_keys(body)):
            if secret in text:
                yield f"body{at}".replace(secret, "***")


def _disclosed(name: str, evidence: Evidence, at: str, place: str) -> Problem:
    message = f"{name} is in the response; its value is withheld here"
    return Problem(message, evidence, at, place, expected="absent", seen="present")
