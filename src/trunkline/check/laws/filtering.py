"""Laws of filters: a filter keeps all that match and nothing else, before the list is paged."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from trunkline.check.laws.session import Inconclusive, Session, implied, law
from trunkline.check.strategies import integers, search
from trunkline.contract.bodies import NOTHING, at_pointer, satisfies, time_at
from trunkline.contract.model import Filter, Paging, Parameter
from trunkline.contract.predicates import filters
from trunkline.findings import Finding, NotExercised, to_text


def _filters(interview: Session) -> Iterator[tuple[Parameter, Filter, tuple[str, ...]]]:
    """Each filter with the values that the page lists for it, or else with some that items have."""
    listing = interview.operation.listing
    for name, spot in listing.filters.items() if listing else ():
        parameter = interview.operation.parameter(name)
        values = parameter.schema.get("enum") or _met(interview, spot)
        yield parameter, spot, tuple(values)


def _met(interview: Session, spot: Filter) -> list[str]:
    """Values of the items of the whole list, of which a filter leaves some: two, or two times amid the others."""
    texts = sorted({text for item in interview.whole().items if isinstance(text := at_pointer(item, spot.at), str)})
    times = [text for text in texts if time_at(text, "")] if spot.comparison != "equal" else texts
    return times[:2] if spot.comparison == "equal" else times[len(times) // 3 :: max(1, len(times) // 3)][:2]


def _populated(interview: Session) -> None:
    if not len(interview.whole()):
        raise Inconclusive("the list is empty")


@law("what the page says of the filter", filters)
def filter_keeps_all_that_match(interview: Session) -> Iterator[Finding | NotExercised]:
    """The filtered list has every item of the whole list that has the value, in the same order, and no other."""
    operation = interview.operation
    _populated(interview)
    whole = interview.whole()
    for parameter, spot, values in _filters(interview):
        if any(at_pointer(item, spot.at) is NOTHING for item in whole.items):
            raise Inconclusive(f"some items do not show {spot.at[1:]}, by which {parameter.name} filters")
        for value in values:
            pairs = zip(whole.ids, whole.items, strict=False)
            wanted = [name for name, item in pairs if satisfies(spot, at_pointer(item, spot.at), value)]
            found = list(interview.whole({parameter.name: value}).ids)
            if found != wanted:
                missing = [identity for identity in wanted if identity not in found]
                same = sorted(found) == sorted(wanted)
                yield operation.finding(
                    "filter_keeps_all_that_match",
                    implied(spot.evidence, "a filter leaves the order of a list as it is") if same else spot.evidence,
                    "the filtered list is in another order than the whole list"
                    if same
                    else f"{len(missing)} of {len(wanted)} items with {parameter.name} {to_text(value)} are missing"
                    if missing
                    else f"{len(found)} items are answered where {len(wanted)} match",
                    at=f"body{operation.listing.items if operation.listing else ''}",
                    contract=operation.reference(parameter.pointer),
                    expected=to_text(wanted),
                    seen=to_text(found),
                    exchanges=(whole.exchanges[0], interview.whole({parameter.name: value}).exchanges[0]),
                )
                return


@law("implied by the filter: an item has one value", filters)
def filtered_lists_are_disjoint(interview: Session) -> Iterator[Finding | NotExercised]:
    """No item is in the lists of two values of one filter."""
    operation = interview.operation
    _populated(interview)
    for parameter, spot, values in _filters(interview):
        seen: dict[str, str] = {}
        for value in values if spot.comparison == "equal" else ():
            whole = interview.whole({parameter.name: value})
            for identity in whole.ids:
                if seen.setdefault(identity, value) != value:
                    other = interview.whole({parameter.name: seen[identity]})
                    yield operation.finding(
                        "filtered_lists_are_disjoint",
                        implied(spot.evidence, "an item has one value"),
                        f"an item is in the lists of {to_text(seen[identity])} and of {to_text(value)}",
                        at=f"body{operation.listing.items if operation.listing else ''}",
                        contract=operation.reference(parameter.pointer),
                        seen=to_text(identity),
                        exchanges=(other.exchanges[0], whole.exchanges[0]),
                    )
                    return


@law("implied by the filter and the paging together", filters)
def filter_comes_before_paging(interview: Session) -> Iterator[Finding | NotExercised]:
    """A page of a filtered list is a slice of the filtered list, not what the filter leaves of a page."""
    operation = interview.operation
    paging = operation.listing.paging if operation.listing else None
    if paging is None:
        raise Inconclusive("the operation does not page")
    tried = False
    for parameter, spot, values in _filters(interview):
        for value in values:
            whole = interview.whole({parameter.name: value})
            if len(whole) < 2:
                continue
            tried = True
            question = partial(_slice_of_filtered, interview, paging, parameter, spot, value)
            examples = max(3, interview.examples // 5)
            finding = search(integers(0, len(whole) - 1), question, seed=interview.seed, examples=examples)
            if finding is not None:
                yield finding
                return
    if not tried:
        raise Inconclusive("no value of a filter leaves two items")


def _slice_of_filtered(
    interview: Session, paging: Paging, parameter: Parameter, spot: Filter, value: str, offset: int
) -> Finding | None:
    operation = interview.operation
    whole = interview.whole({parameter.name: value})
    limit = max(1, len(whole) // 2)
    ids, exchange = interview.page({parameter.name: value, paging.limit: limit, paging.offset: offset})
    wanted = list(whole.ids[offset : offset + limit])
    if ids == wanted:
        return None
    return operation.finding(
        "filter_comes_before_paging",
        implied(spot.evidence, "the filtered list is what is paged"),
        "the page is not that part of the filtered list",
        at=f"body{operation.listing.items if operation.listing else ''}",
        contract=operation.reference(parameter.pointer),
        expected=to_text(wanted),
        seen=to_text(ids),
        exchanges=(whole.exchanges[0], exchange),
    )


@law("what the page shows of the total", filters)
def total_counts_what_the_filter_leaves(interview: Session) -> Iterator[Finding | NotExercised]:
    """The total of a filtered list is the number of items that the filter leaves."""
    operation = interview.operation
    paging = operation.listing.paging if operation.listing else None
    if paging is None or paging.total is None:
        raise Inconclusive("no page documents a total")
    _populated(interview)
    for parameter, _, values in _filters(interview):
        for value in values:
            whole = interview.whole({parameter.name: value})
            others = (interview.ask({parameter.name: value, paging.limit: 1}), interview.ask({parameter.name: value}))
            for total, exchange in interview.totals((*whole.exchanges, *others)):
                if total != len(whole):
                    yield operation.finding(
                        "total_counts_what_the_filter_leaves",
                        paging.total.evidence,
                        f"the total is not the number of items with {parameter.name} {to_text(value)}",
                        at=f"body{paging.total.at}",
                        expected=str(len(whole)),
                        seen=str(total),
                        contract=operation.extension_reference("list/paging/total"),
                        exchanges=(exchange,),
                    )
                    return


LAWS = (
    filter_keeps_all_that_match,
    filtered_lists_are_disjoint,
    filter_comes_before_paging,
    total_counts_what_the_filter_leaves,
)
