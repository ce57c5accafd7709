"""Rules on secrets: what must be in no answer, by its name or by its value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from trunkline.check.rules.rule import Rule, rule
from trunkline.contract.bodies import NOTHING, all_keys, all_texts, at_pointer, json_of, sent_secrets
from trunkline.contract.model import Operation
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence, Finding, Grade
from trunkline.redaction import normalized


@rule("what the pages say of the secret: write-only, or an input that no response shows", "body", anywhere=True)
def secrets_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Nothing with the name of a secret is ever in an answer, at any depth, but what a refusal says of it."""
    contract = operation.contract
    names = {normalized(name): name for name in contract.secrets}
    body, sent = json_of(exchange), sent_secrets(exchange.request.body, contract.secrets)
    fields = ((f"header/{name}", name, NOTHING) for name, _ in exchange.response.headers)
    keys = ((f"body{at}", key, at_pointer(body, at)) for at, key in all_keys(body))
    for at, key, value in (*fields, *keys):
        name = names.get(normalized(key), "")
        if name and not (operation.body and _is_message(exchange, value, sent)):
            yield operation.finding(
                "secrets_stay_hidden",
                contract.secrets[name],
                f"{name} is in the answer; its value is withheld here",
                at=at,
                contract=operation.place(f"/x-trunkline/secrets/{name}"),
                expected="absent",
                seen="present",
                exchanges=(exchange,),
            )


def _is_message(exchange: Exchange, value: Json, sent: Collection[str]) -> bool:
    """Whether a refusal of a body tells at a name what is wrong there: anything but what was sent as a secret."""
    told = [text for _, text in all_texts(value)] if value is not NOTHING else []
    return exchange.response.status >= 400 and value is not NOTHING and not {*told} & {*sent}


@rule("implied: a page that shows a key once does not send it back", "request", "headers", "body", anywhere=True)
def credential_is_not_echoed(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The credential of a request is nowhere in its answer."""
    if exchange.request.method == "TRACE":
        return  # it is made to send back what was sent (RFC 9110 section 9.3.8)
    said = operation.contract.security.evidence
    _, _, credential = (exchange.request.header("authorization") or "").partition(" ")
    yield from _hidden(
        operation,
        exchange,
        {credential.strip(): "the credential"},
        name_of_rule="credential_is_not_echoed",
        said=Evidence(Grade.IMPLIED, said.source, "a credential is sent, never answered", said.read),
        place=operation.contract.security.pointer,
    )


def hides(values: Mapping[str, str]) -> Rule:
    """A rule for secrets whose values are known, e.g. a fixture's passwords: `{"secret-password": "password"}`."""

    @rule("what the pages say of the secret", "headers", "body", anywhere=True)
    def secret_values_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
        """The value of no known secret is anywhere in an answer, whatever it is called there."""
        for name, said in operation.contract.secrets.items():
            own = {value: name for value, secret in values.items() if secret == name}
            place = f"/x-trunkline/secrets/{name}"
            yield from _hidden(
                operation, exchange, own, name_of_rule="secret_values_stay_hidden", said=said, place=place
            )

    return secret_values_stay_hidden


def _hidden(
    operation: Operation,
    exchange: Exchange,
    values: Mapping[str, str],
    *,
    name_of_rule: str,
    said: Evidence,
    place: str,
) -> Iterator[Finding]:
    spots = [(f"header/{name}", value) for name, value in exchange.response.headers]
    body = json_of(exchange)
    texts = [("body", exchange.response.body.decode("utf-8", "replace"))] if body is NOTHING else list(all_texts(body))
    spots += [(at if at == "body" else f"body{at}", text) for at, text in texts]
    spots += [(f"body{at}", key) for at, key in all_keys(body)]
    for secret, name in values.items():
        for at, text in spots:
            if len(secret) >= 8 and secret in text:
                yield operation.finding(
                    name_of_rule,
                    said,
                    f"{name} is in the answer; its value is withheld here",
                    at=at.replace(secret, "***"),
                    contract=operation.place(place),
                    expected="absent",
                    seen="present",
                    exchanges=(exchange,),
                )
