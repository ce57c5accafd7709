"""Laws of identity: a request for an item returns that item, and the same request returns the same response."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from urllib.parse import quote, unquote

from trunkline.check.laws.session import Inconclusive, LawSession, law
from trunkline.check.lists import ListReading
from trunkline.check.problem import Problem, implied
from trunkline.contract.bodies import (
    NOTHING,
    at_pointer,
    id_key,
    identities,
    items_of,
    json_of,
    same_id,
    succeeded,
    time_at,
)
from trunkline.contract.model import Fetch, List, Operation
from trunkline.contract.predicates import is_fetch, is_list, is_read, reads_items_of_account
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence, Grade, to_text

_ORDERED = Evidence(
    Grade.CUSTOMARY,
    "https://www.rfc-editor.org/rfc/rfc8259#section-5",
    "an array is an ordered sequence; the order is not documented",
)


@law("the documented path parameter; judged by the rule item_is_the_one_asked_for", is_fetch)
def known_id_is_answered(session: LawSession[Fetch]) -> Iterator[Problem]:
    """A request for a known id is answered with success."""
    operation = session.operation
    exchange = session.ask()
    if exchange.response.status == 429:
        raise Inconclusive("the rate limit is spent: 429 for the item that should exist")
    if not succeeded(operation, exchange):
        if _is_deleted(session):
            raise Inconclusive("the item that should exist is not in its list either")
        expected = ", ".join(key for key in operation.responses if key.startswith("2"))
        message = "the item that should exist is not answered"
        yield Problem(message, operation.evidence, "status", expected=expected, exchanges=(exchange,))


def _is_deleted(session: LawSession[Fetch]) -> bool:
    """Whether a list that can be read does not show the item of the session, so that it may be deleted."""
    operation = session.operation
    identity = session.parameters[operation.kind.parameter]
    for listing in operation.contract.of_kind(List, operation.resource):
        found = LawSession(listing, session.target, session.credential, session.parameters)
        with suppress(Inconclusive):
            return found.reading().item(identity) is NOTHING
    return False


def _other_ids(known: str, seed: int) -> Iterator[tuple[str, str]]:
    """(description, percent-encoded id) of ids that are not the known one."""
    random = Random(seed)  # noqa: S311 - ids to ask for, not secrets
    yield "an unknown id", str(uuid.UUID(int=random.getrandbits(128), version=4))
    yield "an unknown id of the sample's form", f"{known[:3]}-{random.getrandbits(40):x}"
    plain = quote(known, safe="")
    yield "an id without its last character", quote(known[:-1], safe="") or "0"
    yield "an id without its first character", quote(known[1:], safe="") or "0"
    yield "an id with one more character", plain + "x"
    yield "an id with a space behind it", plain + "%20"
    yield "an id with a NUL behind it", plain + "%00"
    yield "an id with a line end behind it", plain + "%0A"
    yield "an id with a quote behind it", plain + "%27"
    yield "an id with a wildcard", quote(known[: max(1, len(known) // 2)], safe="") + "%25"
    yield "an id with an encoded slash behind it", plain + "%2F"


@law("implied: an item that does not exist cannot be shown", is_fetch)
def other_ids_are_not_answered(session: LawSession[Fetch]) -> Iterator[Problem]:
    """A request for an id that is unknown, cut, extended or altered does not return another item."""
    operation, kind = session.operation, session.operation.kind
    session.ask()
    parameter = operation.parameter(kind.parameter)
    for description, other in _other_ids(session.parameters[kind.parameter], session.seed):
        exchange = session.ask(path={kind.parameter: other})
        identity = at_pointer(json_of(exchange), kind.item + kind.identity)
        if succeeded(operation, exchange) and isinstance(identity, str) and not same_id(identity, unquote(other)):
            message, evidence = f"{description} is answered with an item", parameter.refused["id_unknown"]
            at = f"body{kind.item}{kind.identity}"
            yield Problem(message, evidence, at, parameter.pointer, "no item", exchanges=(exchange,))


@law("implied: a GET shows the current state; the order of an unpaged list is customary (RFC 8259)", is_read)
def same_request_same_response(session: LawSession) -> Iterator[Problem]:
    """A repeated request gets the same response, except for values that change by themselves."""
    operation = session.operation
    exchanges = tuple(session.ask() for _ in range(3))
    first, second, third = (_stable_values(operation, exchange) for exchange in exchanges)
    if second in (first, third):  # another client may have made one change
        return
    evidence = implied(operation.evidence, "a GET shows the current state")
    ordered = [_stable_values(operation, exchange, ordered=True) for exchange in exchanges]
    if ordered[0] == ordered[1] == ordered[2]:
        evidence = _ORDERED if is_list(operation) and not operation.kind.paging else evidence
    elif _may_have_changed(operation, exchanges, ordered):
        raise Inconclusive("what it shows changed while it was read")
    message, seen = "the same request got different responses", _difference(first, second)
    expected = "the same response, except for values that change by themselves"
    yield Problem(message, evidence, "body", "", expected, seen, exchanges[:2])


def _may_have_changed(operation: Operation, exchanges: tuple[Exchange, ...], ordered: list[dict[str, Json]]) -> bool:
    """Whether other clients, or time, may have made every difference between three responses.

    They create and delete items, change a value and change it back, and move numbers and times on. They do not give
    one text after the other, nor take an item away and bring it back.
    """
    if is_list(operation) and len({frozenset(identities(operation, exchange)) for exchange in exchanges}) > 1:
        return True
    for at in {*ordered[0], *ordered[1], *ordered[2]}:
        values = [answer.get(at) for answer in ordered]
        is_content = at not in ("status", "body")
        is_counted = all(isinstance(value, int | float) or time_at(value, "") for value in values)
        distinct = {to_text(value) for value in values}
        if len(distinct) == 3 and not (is_content and is_counted):
            return False
        if not is_content and len(distinct) == 2 and values[0] == values[2]:
            return False
    return True


def _stable_values(operation: Operation, exchange: Exchange, *, ordered: bool = False) -> dict[str, Json]:
    """The scalar values of a response by place, without those that the contract documents as volatile.

    With `ordered`, the items of a list are compared in the order of their ids.
    """
    response = operation.response_for(exchange.response.status)
    values: dict[str, Json] = {"status": exchange.response.status}
    if response is None or not response.schema:
        return values
    volatile: set[str] = set()
    body = json_of(exchange)
    if body is NOTHING:
        return {**values, "body": "not JSON"}
    for at, _, schema, value in operation.contract.walk(
        response.schema, _in_order(operation, body) if ordered else body
    ):
        if schema.get("x-trunkline", {}).get("volatile"):
            volatile.add(f"body{at}")
        elif not isinstance(value, dict | list):
            values[f"body{at}"] = value
    return {at: value for at, value in values.items() if not _is_within(at, volatile)}


def _is_within(at: str, places: set[str]) -> bool:
    """Whether a value is part of one of the values at these places."""
    while at:
        at = at.rpartition("/")[0]
        if at in places:
            return True
    return False


def _in_order(operation: Operation, body: Json) -> Json:
    """The body with the items of a list in the order of their ids."""
    if not is_list(operation):
        return body
    body, identity = copy.deepcopy(body), operation.kind.identity
    items = at_pointer(body, operation.kind.items)
    if isinstance(items, list):
        items.sort(key=lambda item: str(at_pointer(item, identity)))
    return body


def _difference(first: dict[str, Json], second: dict[str, Json]) -> str:
    places = sorted(at for at in {*first, *second} if first.get(at) != second.get(at))
    return f"{to_text(first.get(places[0]))}, then {to_text(second.get(places[0]))} at {places[0]}" if places else ""


_MOST_ASKED = 3
"""The number of items of each account that the other one asks for."""


@law("implied: a credential gives access to its own account only", reads_items_of_account, needs_other_account=True)
def accounts_are_apart(session: LawSession) -> Iterator[Problem]:
    """No account can list, read, change or delete an item of another.

    This law asks with each credential for what the other one lists. The law of the stateful check writes as well.
    """
    operation = session.operation
    if is_list(operation) and not operation.path_parameters:
        listings = session.account_lists(operation.resource)
        own, foreign = (_stable_items(operation, reading) for reading in listings)
        if not own and not foreign:
            raise Inconclusive("neither account lists an item")
        if shared := [text for text in own if text in foreign]:
            exchanges = (listings[0].exchanges[0], listings[1].exchanges[0])
            yield _not_apart(operation, f"body{operation.kind.items}", shared[0], exchanges)
        return
    (parameter, *others) = operation.path_parameters
    if others:
        raise Inconclusive("its path names more than one item")
    first, second = session.account_lists(parameter.resource)
    asked = 0
    for reading, other, by_second in ((first, second, True), (second, first, False)):
        ids = [text for text in reading.identities if isinstance(text, str) and id_key(text) not in other.ids]
        for identity in ids[:_MOST_ASKED]:
            asked += 1
            path = {parameter.name: quote(identity, safe="", errors="surrogatepass")}
            exchange = session.ask(path=path, other_account=by_second)
            has_nothing = is_list(operation) and not items_of(operation, exchange)
            if succeeded(operation, exchange) and not has_nothing:
                yield _not_apart(operation, "status", None, (reading.exchanges[0], exchange))
                return
    if not asked:
        raise Inconclusive("neither account lists an item of its own")


def _stable_items(operation: Operation[List], reading: ListReading) -> dict[str, None]:
    """The items as text, without the values that change by themselves: equal ids may name two items of two accounts."""
    properties = operation.contract.schema_at(operation.success.schema, f"{operation.kind.items}/0")["properties"]
    names = [name for name, schema in properties.items() if not schema.get("x-trunkline", {}).get("volatile")]
    items = (item for item in reading.items if isinstance(item, dict))
    return dict.fromkeys(to_text({name: item.get(name) for name in names}) for item in items)


def _not_apart(operation: Operation, at: str, seen: str | None, exchanges: tuple[Exchange, ...]) -> Problem:
    security = operation.contract.security
    evidence = implied(security.evidence, "a credential gives access to its own account only")
    message = f"{operation.operation_id} gives one account access to an item of another"
    expected = "no item of another account, if the second credential is another account's"
    return Problem(message, evidence, at, security.pointer, expected, seen, exchanges)


LAWS = (known_id_is_answered, other_ids_are_not_answered, same_request_same_response, accounts_are_apart)
