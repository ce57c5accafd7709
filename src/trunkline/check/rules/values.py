"""Rules on the values in a response: ids, times, the counts of a page, the item that was requested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from operator import le, methodcaller
from typing import Any

from trunkline.check.problem import Problem, implied
from trunkline.check.rules.outline import objects_of
from trunkline.check.rules.rule import rule
from trunkline.contract.bodies import (
    NOTHING,
    at_each,
    at_pointer,
    count_at,
    id_key,
    items_of,
    json_of,
    same_id,
    satisfies,
    shown_response,
)
from trunkline.contract.formats import read_time
from trunkline.contract.model import Contract, Fetch, List, Operation, Update
from trunkline.contract.predicates import has_filters, is_list, is_paged, shows_named_item
from trunkline.contract.refusals import ParsedRequest, is_specified, parse_request
from trunkline.exchange import Exchange, Json, Request
from trunkline.findings import Evidence, Grade, to_text

_ends_in_z = methodcaller("endswith", "Z")
_COMPARED = {"equal": "", "from": "at or after ", "until": "at or before "}


@rule("implied: an id names one item", "body", concerns=is_list, of_success=True)
def ids_are_unique(operation: Operation[List], exchange: Exchange) -> Iterator[Problem]:
    """No two items of a page have the same id."""
    listing = operation.kind
    identities: list[Any] = at_each(items_of(operation, exchange) or (), listing.identity)
    with suppress(TypeError):  # not all of them are texts
        if len({*map(str.lower, identities)}) == len(identities):
            return  # as for nearly all pages
    seen: set[str] = set()
    for index, identity in enumerate(identities):
        if not isinstance(identity, str):
            continue
        key = id_key(identity)
        if key in seen:
            evidence = implied(listing.evidence, "an id names one item")
            at, place = f"body{listing.items}/{index}{listing.identity}", operation.extension_reference("list/identity")
            yield Problem("two items of one page have the same id", evidence, at, place)
        seen.add(key)


@rule("implied by the names of the two times", "body", of_success=True)
def times_are_ordered(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Two times that belong together are in order: an item is not created after its last change."""
    shown = shown_response(operation, exchange)
    if shown is None:
        return
    described = objects_of(operation, shown, exchange)
    pairs = ((objects, pair) for outline, objects, _ in described for pair in outline.ordered)
    if not any(_has_reversed(*(at_each(objects, at) for at in pair)) for objects, pair in pairs):
        return
    for at, place, schema, value in operation.contract.walk(shown.schema, json_of(exchange)):
        for index, pair in enumerate(schema.get("x-trunkline", {}).get("ordered", ())):
            first, then = at_pointer(value, pair["first"]), at_pointer(value, pair["then"])
            if _is_reversed(first, then):
                stated = pair["evidence"]
                yield Problem(
                    f"{pair['first'][1:]} is after {pair['then'][1:]}",
                    Evidence(Grade(stated["grade"]), stated.get("source", ""), stated.get("note", "")),
                    at=f"body{at}{pair['then']}",
                    contract=f"{place}/x-trunkline/ordered/{index}",
                    expected=f"at or after {first}",
                    seen=then,
                )


def _has_reversed(firsts: list[Any], seconds: list[Any]) -> bool:
    """Whether any of the times is after its second one."""
    with suppress(TypeError, AttributeError):  # not all of them are texts
        are_alike = len({*map(len, firsts), *map(len, seconds)}) == 1 and all(map(_ends_in_z, seconds))
        if are_alike and all(map(le, firsts, seconds)):
            return False  # as for nearly all pages: in this form, the order of the texts is that of the times
    return any(map(_is_reversed, firsts, seconds))


def _is_reversed(first: Json, second: Json) -> bool:
    """Whether the first of two times is after the second.

    A time without a fraction can be any time within its second.
    """
    texts = first, second
    if type(first) is type(second) is str and first <= second and len(first) == len(second) and second[-1:] == "Z":
        return False  # most times have this form, in which the order of the texts is that of the times
    first, second = (read_time(text) if isinstance(text, str) else None for text in texts)
    if first is None or second is None or first <= second:
        return False
    return bool(first.fraction and second.fraction) or (first.seconds, first.leap) > (second.seconds, second.leap)


@rule("the documented limit", "request", "status", "body", concerns=is_paged, of_success=True)
def page_holds_at_most_limit(operation: Operation[List], exchange: Exchange) -> Iterator[Problem]:
    """A page has no more items than the limit of the request, or than the documented default."""
    page, paging = _page(operation, exchange), operation.kind.paging
    if page is None or paging is None:
        return
    items, values = page
    if len(items) > values[paging.limit]:
        limit, at = operation.parameter(paging.limit), f"body{operation.kind.items}"
        message, expected = f"the page has more items than {limit.name} allows", f"at most {values[limit.name]}"
        yield Problem(message, limit.evidence, at, limit.pointer, expected, seen=str(len(items)))


@rule("the documented echo", "request", "status", "body", concerns=is_paged, of_success=True)
def pagination_echoes_request(operation: Operation[List], exchange: Exchange) -> Iterator[Problem]:
    """The response repeats the limit and the offset that were used."""
    page, paging = _page(operation, exchange), operation.kind.paging
    if page is None or paging is None:
        return
    _, values = page
    for name, location in paging.echo.items():
        echoed = count_at(json_of(exchange), location.at)
        if echoed is not None and echoed != values[name]:
            message = f"the response repeats another {name} than that of the request"
            place = operation.extension_reference(f"list/paging/echo/{name}")
            yield Problem(message, location.evidence, f"body{location.at}", place, expected=str(values[name]))


@rule("the documented total", "body", concerns=is_paged, of_success=True)
def page_matches_its_counts(operation: Operation[List], exchange: Exchange) -> Iterator[Problem]:
    """A page has no more items than its own limit, and does not reach beyond its own total."""
    listing, paging = operation.kind, operation.kind.paging
    items = items_of(operation, exchange)
    if items is None or paging is None or paging.total is None:
        return
    body = json_of(exchange)
    echo = {name: count_at(body, location.at) for name, location in paging.echo.items()}
    limit, offset, total = echo.get(paging.limit), echo.get(paging.offset), count_at(body, paging.total.at)
    if limit is not None and len(items) > limit:
        expected, seen, at = f"at most {limit} items", len(items), listing.items
    elif items and offset is not None and total is not None and offset + len(items) > total:
        expected, seen, at = f"at least {offset + len(items)}", total, paging.total.at
    else:
        return
    message, place = "the page and its own counts do not agree", operation.extension_reference("list/paging/total")
    yield Problem(message, paging.total.evidence, f"body{at}", place, expected, str(seen))


@rule("the documented filter", "request", "status", "body", concerns=has_filters, provoked=True, of_success=True)
def filter_keeps_only_matching(operation: Operation[List], exchange: Exchange) -> Iterator[Problem]:
    """Every item of a filtered list has the value of the filter."""
    page = _page(operation, exchange)
    if page is None:
        return
    items, values = page
    for name, filter_ in operation.kind.filters.items():
        if name not in values:
            continue
        for index, item in enumerate(items):
            value = at_pointer(item, filter_.at)
            if value is not NOTHING and satisfies(filter_, value, values[name]) is False:
                message = f"an item of a list filtered by {name} does not match"
                at, place = f"body{operation.kind.items}/{index}{filter_.at}", operation.parameter(name).pointer
                expected = f"{_COMPARED[filter_.comparison]}{to_text(values[name])}"
                yield Problem(message, filter_.evidence, at, place, expected)


@rule("the documented path parameter", "request", "status", "body", concerns=shows_named_item, of_success=True)
def item_is_the_one_asked_for(operation: Operation[Fetch | Update], exchange: Exchange) -> Iterator[Problem]:
    """The item in the response has the id in the path of the request."""
    kind = operation.kind
    _, values = operation.contract.match(exchange.request.path)
    identity, requested = at_pointer(json_of(exchange), kind.item + kind.identity), values.get(kind.parameter)
    if isinstance(identity, str) and not same_id(identity, requested):
        message, at = "the response shows another item than the path names", f"body{kind.item}{kind.identity}"
        place, expected = operation.parameter(kind.parameter).pointer, to_text(requested)
        yield Problem(message, kind.evidence, at, place, expected)


def _page(operation: Operation[List], exchange: Exchange) -> tuple[list[Json], Mapping[str, Json]] | None:
    """The items of a successful response and the parameters of its request, if the request is surely valid."""
    items = items_of(operation, exchange)
    values = None if items is None else _values(operation.contract, exchange.request)
    return None if items is None or values is None else (items, values)


@lru_cache(maxsize=2)
def _values(contract: Contract, request: Request) -> Mapping[str, Json] | None:
    """The parameters of a request, if it is surely valid."""
    parsed = parse_request(contract, request)
    return parsed.values if isinstance(parsed, ParsedRequest) and is_specified(parsed) else None
