"""Laws of filters: a filter keeps all items that match and no others, and is applied before paging."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from trunkline.check.laws.session import Inconclusive, LawSession, law
from trunkline.check.problem import Problem, implied
from trunkline.check.strategies import search
from trunkline.contract.bodies import NOTHING, at_pointer, id_key, satisfies, time_at
from trunkline.contract.model import Filter, List, Parameter
from trunkline.contract.predicates import has_filters
from trunkline.findings import to_text


def _filters(session: LawSession[List]) -> Iterator[tuple[Parameter, Filter, list[str]]]:
    """Each filter with the values that are documented for it, or else with some values of items."""
    for name, filter_ in session.operation.kind.filters.items():
        parameter = session.operation.parameter(name)
        yield parameter, filter_, parameter.schema.get("enum") or _values_in_use(session, filter_)


def _cases(session: LawSession[List]) -> Iterator[tuple[Parameter, Filter, str]]:
    """Each filter with each of its values."""
    return ((parameter, filter_, value) for parameter, filter_, values in _filters(session) for value in values)


def _values_in_use(session: LawSession[List], filter_: Filter) -> list[str]:
    """Up to two values of items in the whole list; of times, two that have others before and after them."""
    values = (at_pointer(item, filter_.at) for item in session.whole().items)
    texts = sorted({value for value in values if isinstance(value, str)})
    if filter_.comparison == "equal":
        return texts[:2]
    times = [text for text in texts if time_at(text, "")]
    third = len(times) // 3
    return times[third :: max(1, third)][:2]


def _require_items(session: LawSession[List]) -> None:
    if not len(session.whole()):
        raise Inconclusive("the list is empty")


@law("the documented filter", has_filters)
def filter_keeps_all_that_match(session: LawSession[List]) -> Iterator[Problem]:
    """The filtered list has every item of the whole list that matches, in the same order, and no other."""
    _require_items(session)
    whole = session.whole()
    for parameter, filter_, values in _filters(session):
        shown = [at_pointer(item, filter_.at) for item in whole.items]
        if NOTHING in shown:
            raise Inconclusive(f"some items do not show {filter_.at[1:]}, by which {parameter.name} filters")
        for value in values:
            pairs = zip(whole.identities, shown, strict=True)
            wanted = [id_key(name) for name, has in pairs if isinstance(name, str) and satisfies(filter_, has, value)]
            filtered = session.whole({parameter.name: value})
            found, known = list(filtered.ids), {*filtered.ids}
            if found == wanted:
                continue
            evidence = filter_.evidence
            missing = [identity for identity in wanted if identity not in known]
            if sorted(found) == sorted(wanted):
                evidence = implied(evidence, "a filter leaves the order of a list as it is")
                message = "the filtered list is in another order than the whole list"
            elif missing:
                message = f"{len(missing)} of {len(wanted)} items with {parameter.name} {to_text(value)} are missing"
            else:
                message = f"the list has {len(found)} items where {len(wanted)} match"
            expected, seen, exchanges = to_text(wanted), to_text(found), (whole.exchanges[0], filtered.exchanges[0])
            yield Problem(message, evidence, session.items, parameter.pointer, expected, seen, exchanges)
            return


@law("implied by the filter: an item has one value", has_filters)
def filtered_lists_are_disjoint(session: LawSession[List]) -> Iterator[Problem]:
    """No item is in the lists of two values of one filter."""
    _require_items(session)
    seen: dict[tuple[str, str], str] = {}
    for parameter, filter_, value in _cases(session):
        if filter_.comparison != "equal":
            continue
        filtered = session.whole({parameter.name: value})
        for identity in filtered.ids:
            earlier = seen.setdefault((parameter.name, identity), value)
            if earlier != value:
                message = f"an item is in the lists of {to_text(earlier)} and of {to_text(value)}"
                evidence = implied(filter_.evidence, "an item has one value")
                exchanges = (session.whole({parameter.name: earlier}).exchanges[0], filtered.exchanges[0])
                seen_text = to_text(identity)
                yield Problem(message, evidence, session.items, parameter.pointer, "", seen_text, exchanges)
                return


def _offsets(size: int, st: Any) -> Any:
    return st.integers(0, size - 1)


@law("implied by the filter and the paging together", has_filters)
def filter_comes_before_paging(session: LawSession[List]) -> Iterator[Problem]:
    """A page of a filtered list is a slice of the filtered list, not the filtered part of a page."""
    paging = session.paging
    largest = session.operation.parameter(paging.limit).schema["maximum"]
    tested = False

    def misplaced(parameter: Parameter, filter_: Filter, value: str, offset: int) -> Problem | None:
        filtered = session.whole({parameter.name: value})
        limit = min(max(1, len(filtered) // 2), largest)
        ids, exchange = session.page({parameter.name: value, paging.limit: limit, paging.offset: offset})
        wanted = list(filtered.ids[offset : offset + limit])
        if ids == wanted:
            return None
        message = "the page is not that part of the filtered list"
        evidence = implied(filter_.evidence, "the filtered list is what is paged")
        exchanges = (filtered.exchanges[0], exchange)
        return Problem(message, evidence, session.items, parameter.pointer, to_text(wanted), to_text(ids), exchanges)

    for parameter, filter_, value in _cases(session):
        size = len(session.whole({parameter.name: value}))
        if size < 2:
            continue
        tested = True
        test = partial(misplaced, parameter, filter_, value)
        examples = max(3, session.examples // 5)
        if problem := search(partial(_offsets, size), test, seed=session.seed, examples=examples):
            yield problem
            return
    if not tested:
        raise Inconclusive("no value of a filter leaves two items")


@law("the documented total", has_filters)
def total_counts_the_filtered_list(session: LawSession[List]) -> Iterator[Problem]:
    """The total of a filtered list is the number of items that match."""
    location, limit = session.total, session.paging.limit
    _require_items(session)
    for parameter, _, value in _cases(session):
        filtered = session.whole({parameter.name: value})
        others = (session.ask({parameter.name: value, limit: 1}), session.ask({parameter.name: value}))
        message = f"the total is not the number of items with {parameter.name} {to_text(value)}"
        if problem := session.wrong_total(location, message, len(filtered), (*filtered.exchanges, *others)):
            yield problem
            return


LAWS = (
    filter_keeps_all_that_match,
    filtered_lists_are_disjoint,
    filter_comes_before_paging,
    total_counts_the_filtered_list,
)
