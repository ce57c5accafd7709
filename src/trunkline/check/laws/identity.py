"""Laws of identity: the one that is asked for is the one that is answered, today as a moment ago."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from random import Random
from urllib.parse import quote, unquote

from trunkline.check.laws.session import Inconclusive, Session, implied, law
from trunkline.contract.bodies import NOTHING, at_pointer, json_of, succeeded
from trunkline.contract.model import Operation
from trunkline.contract.predicates import fetches, reads
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence, Finding, Grade, NotExercised, to_text

_ORDERED = Evidence(
    Grade.CUSTOMARY,
    "https://www.rfc-editor.org/rfc/rfc8259#section-5",
    "an array is an ordered sequence; no page says in which order",
)


@law("what the page says of the path parameter: judged by the rule item_is_the_one_asked_for", fetches)
def known_id_is_answered(interview: Session) -> Iterator[Finding | NotExercised]:
    """The item of a known id is answered."""
    operation = interview.operation
    exchange = interview.ask()
    if exchange.response.status == 429:
        raise Inconclusive("the rate limit is spent: 429 for the item that was said to be there")
    if not succeeded(operation, exchange):
        yield operation.finding(
            "known_id_is_answered",
            operation.evidence,
            "the item that was said to be there is not answered",
            at="status",
            expected=", ".join(key for key in operation.responses if key.startswith("2")),
            seen=str(exchange.response.status),
            exchanges=(exchange,),
        )


def _others(interview: Session, known: str) -> Iterator[tuple[str, str]]:
    """(what it is, the id as it goes on the wire) of ids that are not the known one."""
    chance = Random(interview.seed)  # noqa: S311 - ids to ask for, not secrets
    yield "an unknown id", str(uuid.UUID(int=chance.getrandbits(128), version=4))
    yield "an unknown id of the sample's form", f"{known[:3]}-{chance.getrandbits(40):x}"
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


@law("implied: a trunk that is not there cannot be shown", fetches)
def other_ids_are_not_answered(interview: Session) -> Iterator[Finding | NotExercised]:
    """An id that is unknown, cut, extended or altered is not answered with somebody's item."""
    operation = interview.operation
    fetching = operation.fetching
    if fetching is None:
        return
    interview.ask()
    parameter = operation.parameter(fetching.parameter)
    for what, other in _others(interview, interview.parameters[fetching.parameter]):
        exchange = interview.ask(path={fetching.parameter: other})
        answered = at_pointer(json_of(exchange), fetching.item + fetching.identity)
        if succeeded(operation, exchange) and isinstance(answered, str) and answered != unquote(other):
            yield operation.finding(
                "other_ids_are_not_answered",
                parameter.refused["id_unknown"],
                f"{what} is answered with an item",
                at=f"body{fetching.item}{fetching.identity}",
                contract=operation.reference(parameter.pointer),
                expected="no item",
                seen=to_text(answered),
                exchanges=(exchange,),
            )


@law("implied: a GET shows what is there; the order of what is not paged is customary (RFC 8259)", reads)
def same_question_same_answer(interview: Session) -> Iterator[Finding | NotExercised]:
    """The same question, asked again, gets the same answer, but for what changes by itself."""
    operation = interview.operation
    asked = [interview.ask() for _ in range(3)]
    told = [_steadfast(operation, exchange) for exchange in asked]
    if told[0] != told[1] and told[1] != told[2]:  # one change may be somebody's
        ordered = [_steadfast(operation, exchange, anyhow=True) for exchange in asked[:2]]
        yield operation.finding(
            "same_question_same_answer",
            implied(operation.evidence, "a GET shows what is there") if ordered[0] != ordered[1] else _ORDERED,
            "the same question got other answers",
            at="body",
            expected="the same answer, but for what changes by itself",
            seen=_difference(told[0], told[1]),
            exchanges=(asked[0], asked[1]),
        )


def _steadfast(operation: Operation, exchange: Exchange, *, anyhow: bool = False) -> dict[str, Json]:
    """What an answer says, place by place, without the documented places that change by themselves.

    With `anyhow`, the items of a list that is not paged are in one order, whatever theirs is.
    """
    answer = operation.response_for(exchange.response.status)
    told: dict[str, Json] = {"status": exchange.response.status}
    changing: list[str] = []
    body = _ordered(operation, json_of(exchange)) if anyhow else json_of(exchange)
    for at, _, schema, value in operation.contract.walk(answer.schema, body) if answer and answer.schema else ():
        if schema.get("x-trunkline", {}).get("volatile"):
            changing.append(f"{at}/")
        elif not isinstance(value, dict | list):
            told[f"body{at}"] = value
    return {at: value for at, value in told.items() if not any(at.startswith(f"body{spot}") for spot in changing)}


def _ordered(operation: Operation, body: Json) -> Json:
    """The body with the items of a list that is not paged in the order of their ids."""
    listing, found = operation.listing, copy.deepcopy(body)
    items = at_pointer(found, listing.items) if listing and not listing.paging else NOTHING
    if listing and isinstance(items, list):
        items.sort(key=lambda item: str(at_pointer(item, listing.identity)))
    return found


def _difference(first: dict[str, Json], second: dict[str, Json]) -> str:
    places = sorted(at for at in {*first, *second} if first.get(at) != second.get(at))
    return f"{to_text(first.get(places[0]))}, then {to_text(second.get(places[0]))} at {places[0]}" if places else ""


LAWS = (known_id_is_answered, other_ids_are_not_answered, same_question_same_answer)
