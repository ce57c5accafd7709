"""Rules on what an answer says: ids, times, one page, one item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID

from trunkline.check.rules.rule import rule
from trunkline.contract.bodies import (
    NOTHING,
    at_pointer,
    count_at,
    identities,
    json_of,
    satisfies,
    shown_answer,
    succeeded,
    time_at,
)
from trunkline.contract.model import Operation
from trunkline.contract.predicates import filters, lists, pages, shows_its_own
from trunkline.contract.refusals import ParsedRequest, is_settled, parse_request
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence, Finding, Grade, to_text

_COMPARED = {"equal": "", "from": "at or after ", "until": "at or before "}


@rule("implied: an id names one thing", "body", concerns=lists, of_success=True)
def ids_are_unique(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """No two items of a page have the same id."""
    listing = operation.listing
    if listing is None or not succeeded(operation, exchange):
        return
    said = Evidence(Grade.IMPLIED, listing.evidence.source, "an id names one item", listing.evidence.read)
    seen: set[str] = set()
    for index, identity in enumerate(identities(operation, exchange)):
        if identity in seen:
            yield operation.finding(
                "ids_are_unique",
                said,
                "two items of one page have the same id",
                at=f"body{listing.items}/{index}{listing.identity}",
                seen=to_text(identity),
                contract=operation.extension("list/identity"),
                exchanges=(exchange,),
            )
        seen.add(identity)


@rule("implied by the names of the two times", "body", of_success=True)
def times_are_ordered(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """What comes first does not come after: a creation is not later than the last change."""
    shown = shown_answer(operation, exchange)
    if shown is None:
        return
    for at, place, schema, value in operation.contract.walk(shown.schema, json_of(exchange)):
        for index, pair in enumerate(schema.get("x-trunkline", {}).get("ordered", ())):
            first, then = time_at(value, pair["first"]), time_at(value, pair["then"])
            if first and then and _is_after(first, then):
                said = pair["evidence"]
                yield operation.finding(
                    "times_are_ordered",
                    Evidence(Grade(said["grade"]), said.get("source", ""), said.get("note", "")),
                    f"{pair['first'][1:]} is after {pair['then'][1:]}",
                    at=f"body{at}{pair['then']}",
                    contract=f"{place}/x-trunkline/ordered/{index}",
                    expected=f"at or after {first.isoformat()}",
                    seen=then.isoformat(),
                    exchanges=(exchange,),
                )


def _is_after(first: datetime, then: datetime) -> bool:
    """Whether a time is after another: one of whole seconds may be any time within its second."""
    if not (first.microsecond and then.microsecond):
        first, then = first.replace(microsecond=0), then.replace(microsecond=0)
    return first > then


@rule("what the page says of the limit", "request", "status", "body", concerns=pages, of_success=True)
def page_holds_at_most_limit(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A page has no more items than the limit that was asked for, or the documented default."""
    page = page_of(operation, exchange)
    if page is None or operation.listing is None or operation.listing.paging is None:
        return
    paging = operation.listing.paging
    items, values = page
    if len(items) > values[paging.limit]:
        yield operation.finding(
            "page_holds_at_most_limit",
            operation.parameter(paging.limit).evidence,
            f"the page has more items than {paging.limit} allows",
            at=f"body{operation.listing.items}",
            contract=operation.place(operation.parameter(paging.limit).pointer),
            expected=f"at most {values[paging.limit]}",
            seen=str(len(items)),
            exchanges=(exchange,),
        )


@rule("what the page shows of the echo", "request", "status", "body", concerns=pages, of_success=True)
def pagination_echoes_request(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The answer repeats the limit and the offset that were used."""
    page = page_of(operation, exchange)
    if page is None or operation.listing is None or operation.listing.paging is None:
        return
    for name, spot in operation.listing.paging.echo.items():
        told = count_at(json_of(exchange), spot.at)
        if told is not None and told != page[1][name]:
            yield operation.finding(
                "pagination_echoes_request",
                spot.evidence,
                f"the answer tells another {name} than was asked for",
                at=f"body{spot.at}",
                contract=operation.extension(f"list/paging/echo/{name}"),
                expected=str(page[1][name]),
                seen=to_text(told),
                exchanges=(exchange,),
            )


@rule("what the page shows of the total", "body", concerns=pages, of_success=True)
def page_fits_its_own_count(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A page does not hold more items than its own limit, nor reach beyond its own total."""
    listing = operation.listing
    body = json_of(exchange)
    if listing is None or listing.paging is None or listing.paging.total is None or not succeeded(operation, exchange):
        return
    items = at_pointer(body, listing.items)
    echo = {name: count_at(body, spot.at) for name, spot in listing.paging.echo.items()}
    limit, offset = echo.get(listing.paging.limit), echo.get(listing.paging.offset)
    total = count_at(body, listing.paging.total.at)
    if not isinstance(items, list):
        return
    if limit is not None and len(items) > limit:
        expected, at = f"at most {limit} items", listing.items
    elif items and offset is not None and total is not None and offset + len(items) > total:
        expected, at = f"at least {offset + len(items)}", listing.paging.total.at
    else:
        return
    seen = str(total) if at == listing.paging.total.at else str(len(items))
    yield operation.finding(
        "page_fits_its_own_count",
        listing.paging.total.evidence,
        "the page and its own count do not agree",
        at=f"body{at}",
        expected=expected,
        seen=seen,
        contract=operation.extension("list/paging/total"),
        exchanges=(exchange,),
    )


@rule("what the page says of the filter", "request", "status", "body", concerns=filters, provoked=True, of_success=True)
def filter_keeps_only_matching(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Every item of a filtered list has the value that was asked for."""
    page = page_of(operation, exchange)
    if page is None or operation.listing is None:
        return
    items, values = page
    for name, spot in operation.listing.filters.items():
        for index, item in enumerate(items):
            has = at_pointer(item, spot.at)
            if name in values and has is not NOTHING and satisfies(spot, has, values[name]) is False:
                yield operation.finding(
                    "filter_keeps_only_matching",
                    spot.evidence,
                    f"an item of a list filtered by {name} does not match",
                    at=f"body{operation.listing.items}/{index}{spot.at}",
                    contract=operation.place(operation.parameter(name).pointer),
                    expected=f"{_COMPARED[spot.how]}{to_text(values[name])}",
                    seen=to_text(has),
                    exchanges=(exchange,),
                )


@rule("what the page says of the path parameter", "request", "status", "body", concerns=shows_its_own, of_success=True)
def item_is_the_one_asked_for(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The item that is answered has the id that was asked for."""
    kind = operation.fetching or operation.updating
    if kind is None or not succeeded(operation, exchange):
        return
    _, values = operation.contract.match(exchange.request.path)
    has = at_pointer(json_of(exchange), kind.item + kind.identity)
    if isinstance(has, str) and not _same(has, values.get(kind.parameter, "")):
        yield operation.finding(
            "item_is_the_one_asked_for",
            kind.evidence,
            "another item is answered than was asked for",
            at=f"body{kind.item}{kind.identity}",
            contract=operation.place(operation.parameter(kind.parameter).pointer),
            expected=to_text(values.get(kind.parameter)),
            seen=to_text(has),
            exchanges=(exchange,),
        )


def page_of(operation: Operation, exchange: Exchange) -> tuple[list[Json], Mapping[str, Json]] | None:
    """The items of a successful answer to a valid request, and the request's parameters as values."""
    if operation.listing is None or not succeeded(operation, exchange):
        return None
    reading = parse_request(operation.contract, exchange.request)
    items = at_pointer(json_of(exchange), operation.listing.items)
    settled = isinstance(reading, ParsedRequest) and is_settled(reading)
    return (
        (items, reading.values) if isinstance(reading, ParsedRequest) and settled and isinstance(items, list) else None
    )


def _same(first: str, second: str) -> bool:
    """Whether two ids are one; the letters of a UUID have no case (RFC 9562 section 4)."""
    try:
        return first == second or UUID(first) == UUID(second)
    except ValueError:
        return False
