"""Laws of paging: the pages are the list, cut without overlap or gap, and the total counts its items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trunkline.check.laws.session import Inconclusive, LawSession, law
from trunkline.check.lists import ListReading
from trunkline.check.problem import Problem, implied
from trunkline.check.strategies import search
from trunkline.contract.bodies import id_key, identities, succeeded
from trunkline.contract.model import List
from trunkline.contract.predicates import is_paged
from trunkline.exchange import Exchange
from trunkline.findings import to_text

_SMALL_LIMIT = 7
"""A limit that cuts most lists into several pages, the last of them partial."""


def _several_pages(session: LawSession[List]) -> tuple[ListReading, int]:
    """The whole list, and a limit that cuts it into several pages."""
    whole = session.whole()
    if len(whole) < 2:
        items = "item" if len(whole) == 1 else "items"
        raise Inconclusive(f"the list has {len(whole)} {items}, too few for a second page")
    return whole, min(_SMALL_LIMIT, (len(whole) + 1) // 2)


def _pages(session: LawSession[List], whole: ListReading, limit: int) -> Iterator[tuple[int, list[str], Exchange]]:
    """(offset, ids, exchange) of the pages of the list: at most ten, the last page among them."""
    offsets = list(range(0, len(whole), limit))
    for offset in [*offsets[:9], *offsets[9:][-1:]]:
        ids, exchange = session.page({session.paging.limit: limit, session.paging.offset: offset})
        yield offset, ids, exchange


@law("implied by paging: two pages that share an item are not pages", is_paged)
def pages_do_not_overlap(session: LawSession[List]) -> Iterator[Problem]:
    """No item is on two pages."""
    reading = session.reading()
    if reading.repeats:
        pages = ((f"page {number}", exchange) for number, exchange in enumerate(reading.exchanges, start=1))
    else:
        whole, limit = _several_pages(session)
        pages = ((f"the page at offset {offset}", exchange) for offset, _, exchange in _pages(session, whole, limit))
    seen: dict[str, Exchange] = {}
    for page, exchange in pages:
        for identity in map(id_key, identities(session.operation, exchange)):
            if seen.setdefault(identity, exchange) is not exchange:
                again = " again, so the list never ends" if reading.repeats else ""
                message = f"{page} has an item of an earlier page{again}"
                evidence = implied(session.paging.evidence, "pages of one list do not share items")
                place, expected = session.operation.extension_reference("list/paging"), "each item on one page"
                exchanges = (seen[identity], exchange)
                yield Problem(message, evidence, session.items, place, expected, to_text(identity), exchanges)
                return
    session.whole()  # pages without ids may repeat earlier ones, and then prove nothing


@law("implied by paging: the pages together are the list", is_paged)
def pages_leave_no_gap(session: LawSession[List]) -> Iterator[Problem]:
    """Every item of the whole list is on one of its smaller pages."""
    whole, limit = _several_pages(session)
    visited = list(_pages(session, whole, limit))
    found = {identity for _, ids, _ in visited for identity in ids}
    expected = {identity for offset, *_ in visited for identity in whole.ids[offset : offset + limit]}
    lost = [identity for identity in whole.ids if identity in expected - found]
    if lost:
        message = f"{len(lost)} of {len(expected)} items are on no page of {limit}"
        evidence = implied(session.paging.evidence, "the pages together are the list")
        place, seen = session.operation.extension_reference("list/paging"), f"{to_text(lost[0])} on none"
        exchanges = (whole.exchanges[0], visited[-1][2])
        yield Problem(message, evidence, session.items, place, "every item on a page", seen, exchanges)


@law("implied by paging: offset counts items of one order", is_paged)
def any_page_is_its_slice(session: LawSession[List]) -> Iterator[Problem]:
    """The page at any limit and offset is that slice of the whole list, in the same order."""
    operation, paging = session.operation, session.paging
    whole, _ = _several_pages(session)

    def misplaced(drawn: dict[str, int]) -> Problem | None:
        ids, exchange = session.page(drawn)
        start = drawn[paging.offset]
        wanted = list(whole.ids[start : start + drawn[paging.limit]])
        if ids == wanted:
            return None
        is_reordered = sorted(ids) == sorted(wanted)
        message = "is in another order than the whole list" if is_reordered else "is not that part of the list"
        evidence = implied(paging.evidence, "a page is the part of the list that its limit and offset name")
        place, exchanges = operation.parameter(paging.offset).pointer, (whole.exchanges[0], exchange)
        expected, seen = to_text(wanted), to_text(ids)
        return Problem(f"the page {message}", evidence, session.items, place, expected, seen, exchanges)

    largest = operation.parameter(paging.limit).schema["maximum"]

    def queries(st: Any) -> Any:
        numbers = {paging.limit: st.integers(1, largest), paging.offset: st.integers(0, len(whole) - 1)}
        return st.fixed_dictionaries(numbers)

    if problem := search(queries, misplaced, seed=session.seed, examples=session.examples):
        yield problem


@law("the documented loop that ends on a short page", is_paged)
def page_past_the_end_is_empty(session: LawSession[List]) -> Iterator[Problem]:
    """A page past the end is a success without items."""
    operation, paging = session.operation, session.paging
    whole = session.whole()
    for offset in (len(whole), len(whole) + 1, len(whole) + 1000):
        exchange = session.ask({paging.limit: _SMALL_LIMIT, paging.offset: offset})
        if not succeeded(operation, exchange):
            message, at, seen = "the page past the end is not a success", "status", None
        elif ids := identities(operation, exchange):
            message, at, seen = "the page past the end has items", session.items, to_text(ids)
        else:
            continue
        place = operation.extension_reference("list/paging/past_end")
        yield Problem(message, paging.past_end, at, place, "no items", seen, (exchange,))
        return


@law("the documented total", is_paged)
def total_counts_the_list(session: LawSession[List]) -> Iterator[Problem]:
    """The total of every page is the number of items in the whole list."""
    paging, location, whole = session.paging, session.total, session.whole()
    limit = min(_SMALL_LIMIT, max(1, (len(whole) + 1) // 2))
    visited = [exchange for *_, exchange in _pages(session, whole, limit)]
    past_end = session.ask({paging.limit: limit, paging.offset: len(whole) + 1})
    exchanges = (*whole.exchanges, *visited, past_end)
    message = "the total is not the number of items in the list"
    if problem := session.wrong_total(location, message, len(whole), exchanges):
        yield problem


@law("the documented defaults", is_paged)
def defaults_are_as_documented(session: LawSession[List]) -> Iterator[Problem]:
    """A parameter that is left out means its documented default."""
    operation, paging = session.operation, session.paging
    without, first = session.page({})
    tested = False
    for parameter in operation.parameters:
        if "default" not in parameter.schema or parameter.location != "query":
            continue
        explicit, exchange = session.page({parameter.name: parameter.schema["default"]})
        tested = True
        if explicit != without and session.page({})[0] == without:
            message = f"without {parameter.name} the response is not the one for its default"
            place = f"{parameter.pointer}/schema/default"
            expected = f"{len(explicit)} items as with {parameter.name}={parameter.schema['default']}"
            seen, exchanges = f"{len(without)} items", (first, exchange)
            yield Problem(message, parameter.evidence, session.items, place, expected, seen, exchanges)
    limit = operation.parameter(paging.limit).schema.get("default")
    if not tested or (limit is not None and len(session.whole()) <= limit and not paging.echo):
        raise Inconclusive(f"the list has {len(session.whole())} items, no more than the default of {limit}")


LAWS = (
    pages_do_not_overlap,
    pages_leave_no_gap,
    any_page_is_its_slice,
    page_past_the_end_is_empty,
    total_counts_the_list,
    defaults_are_as_documented,
)
