"""Laws of paging: the pages are the list, cut without overlap or gap, and its total counts it."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.check.laws.session import Inconclusive, Session, WholeList, implied, law
from trunkline.check.strategies import integers, search, together
from trunkline.contract.bodies import identities, succeeded
from trunkline.contract.model import Operation, Paging
from trunkline.contract.predicates import lists, pages
from trunkline.exchange import Exchange
from trunkline.findings import Finding, NotExercised, to_text

_SMALL = 7
"""A limit that cuts most lists into several pages, the last of them partial."""


def _paging(operation: Operation) -> Paging:
    if operation.listing is None or operation.listing.paging is None:
        raise Inconclusive("the operation does not page")
    return operation.listing.paging


def _several(interview: Session, filters: dict[str, str] | None = None) -> tuple[WholeList, int]:
    """The whole list, and a limit that cuts it into several pages."""
    whole = interview.whole(filters)
    if len(whole) < 2:
        raise Inconclusive(
            f"the list has {len(whole)} {'item' if len(whole) == 1 else 'items'}, too few for a second page"
        )
    return whole, min(_SMALL, (len(whole) + 1) // 2)


def _steps(interview: Session, whole: WholeList, limit: int) -> Iterator[tuple[int, list[str], Exchange]]:
    """(offset, ids, exchange) of each page of a walk through the list; at most ten pages, the last among them."""
    paging = _paging(interview.operation)
    offsets = list(range(0, len(whole), limit))
    for offset in [*offsets[:9], *offsets[9:][-1:]]:
        ids, exchange = interview.page({paging.limit: limit, paging.offset: offset})
        yield offset, ids, exchange


@law("implied by paging: two pages that share an item are not pages", pages)
def pages_do_not_overlap(interview: Session) -> Iterator[Finding | NotExercised]:
    """No item stands on two pages."""
    operation = interview.operation
    whole, limit = _several(interview)
    seen: dict[str, Exchange] = {}
    for offset, ids, exchange in _steps(interview, whole, limit):
        for identity in ids:
            if identity in seen and seen[identity] is not exchange:
                yield operation.finding(
                    "pages_do_not_overlap",
                    implied(_paging(operation).evidence, "pages of one list do not share items"),
                    f"an item of the page at offset {offset} was on an earlier page",
                    at=f"body{operation.listing.items if operation.listing else ''}",
                    expected="each item on one page",
                    seen=to_text(identity),
                    contract=operation.extension_reference("list/paging"),
                    exchanges=(seen[identity], exchange),
                )
                return
            seen[identity] = exchange


@law("implied by paging: the pages together are the list", pages)
def pages_leave_no_gap(interview: Session) -> Iterator[Finding | NotExercised]:
    """Every item of the whole list is on one of its smaller pages."""
    operation = interview.operation
    whole, limit = _several(interview)
    met: set[str] = set()
    last: Exchange | None = None
    reach: set[str] = set()
    for offset, ids, exchange in _steps(interview, whole, limit):
        met |= set(ids)
        reach |= set(whole.ids[offset : offset + limit])
        last = exchange
    lost = [identity for identity in whole.ids if identity in reach and identity not in met]
    if lost and last is not None:
        yield operation.finding(
            "pages_leave_no_gap",
            implied(_paging(operation).evidence, "the pages together are the list"),
            f"{len(lost)} of {len(reach)} items are on no page of {limit}",
            at=f"body{operation.listing.items if operation.listing else ''}",
            expected="every item on a page",
            seen=f"{to_text(lost[0])} on none",
            contract=operation.extension_reference("list/paging"),
            exchanges=(whole.exchanges[0], last),
        )


@law("implied by paging: offset counts items of one order", pages)
def any_page_is_its_slice(interview: Session) -> Iterator[Finding | NotExercised]:
    """The page at any limit and offset is that slice of the whole list, in the same order: full but for the last."""
    operation = interview.operation
    paging = _paging(operation)
    whole, _ = _several(interview)
    most = operation.parameter(paging.limit).schema["maximum"]

    def question(drawn: dict[str, int]) -> Finding | None:
        ids, exchange = interview.page(drawn)
        start = drawn[paging.offset]
        wanted = list(whole.ids[start : start + drawn[paging.limit]])
        if ids == wanted:
            return None
        same = sorted(ids) == sorted(wanted)
        return operation.finding(
            "any_page_is_its_slice",
            implied(paging.evidence, "a page is the part of the list that its limit and offset name"),
            "the page is in another order than the whole list" if same else "the page is not that part of the list",
            at=f"body{operation.listing.items if operation.listing else ''}",
            contract=operation.reference(operation.parameter(paging.offset).pointer),
            expected=to_text(wanted),
            seen=to_text(ids),
            exchanges=(whole.exchanges[0], exchange),
        )

    drawn = together({paging.limit: integers(1, most), paging.offset: integers(0, len(whole) - 1)})
    finding = search(drawn, question, seed=interview.seed, examples=interview.examples)
    if finding is not None:
        yield finding


@law("what the page says of a loop that ends on a short page", pages)
def page_past_the_end_is_empty(interview: Session) -> Iterator[Finding | NotExercised]:
    """A page past the end is a success without items, and tells the same total."""
    operation = interview.operation
    paging = _paging(operation)
    whole = interview.whole()
    for offset in (len(whole), len(whole) + 1, len(whole) + 1000):
        exchange = interview.ask({paging.limit: _SMALL, paging.offset: offset})
        if not succeeded(operation, exchange):
            wrong, seen, at = "the page past the end is not a success", str(exchange.response.status), "status"
        elif lists(operation) and (ids := identities(operation, exchange)):
            wrong, seen, at = (
                "the page past the end has items",
                to_text(ids),
                f"body{operation.listing.items if operation.listing else ''}",
            )
        else:
            continue
        yield operation.finding(
            "page_past_the_end_is_empty",
            paging.past_end,
            wrong,
            at=at,
            expected="no items",
            seen=seen,
            contract=operation.extension_reference("list/paging/past_end"),
            exchanges=(exchange,),
        )
        return


@law("what the page shows of the total", pages)
def total_counts_the_list(interview: Session) -> Iterator[Finding | NotExercised]:
    """Every page tells the number of items of the whole list as its total."""
    operation = interview.operation
    paging = _paging(operation)
    if paging.total is None:
        raise Inconclusive("no page documents a total")
    whole = interview.whole()
    limit = min(_SMALL, max(1, (len(whole) + 1) // 2))
    asked = [exchange for *_, exchange in _steps(interview, whole, limit)]
    asked.append(interview.ask({paging.limit: limit, paging.offset: len(whole) + 1}))
    for total, exchange in interview.totals((*whole.exchanges, *asked)):
        if total != len(whole):
            yield operation.finding(
                "total_counts_the_list",
                paging.total.evidence,
                "the total is not the number of items in the list",
                at=f"body{paging.total.at}",
                expected=str(len(whole)),
                seen=str(total),
                contract=operation.extension_reference("list/paging/total"),
                exchanges=(exchange,),
            )
            return


@law("what the page says of the defaults", pages)
def defaults_are_the_documented(interview: Session) -> Iterator[Finding | NotExercised]:
    """A parameter that is left out means its documented default."""
    operation = interview.operation
    plain, first = interview.page({})
    tested = False
    for parameter in operation.parameters:
        if "default" not in parameter.schema or parameter.location != "query":
            continue
        spelled, exchange = interview.page({parameter.name: parameter.schema["default"]})
        tested = True
        if spelled != plain and interview.page({})[0] == plain:
            yield operation.finding(
                "defaults_are_the_documented",
                parameter.evidence,
                f"without {parameter.name} the answer is not the one for its default",
                at=f"body{operation.listing.items if operation.listing else ''}",
                contract=operation.reference(f"{parameter.pointer}/schema/default"),
                expected=f"{len(spelled)} items as with {parameter.name}={parameter.schema['default']}",
                seen=f"{len(plain)} items",
                exchanges=(first, exchange),
            )
    limit = operation.parameter(_paging(operation).limit).schema.get("default")
    if not tested or (limit is not None and len(interview.whole()) <= limit and not _paging(operation).echo):
        raise Inconclusive(f"the list has {len(interview.whole())} items, no more than the default of {limit}")


LAWS = (
    pages_do_not_overlap,
    pages_leave_no_gap,
    any_page_is_its_slice,
    page_past_the_end_is_empty,
    total_counts_the_list,
    defaults_are_the_documented,
)
