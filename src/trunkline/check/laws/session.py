"""Owns the form of a law: it puts questions to a target and judges the answers together.

An `Interview` is the conversation about one operation; every answer on its way is judged by the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote, urlencode

from trunkline.contract.bodies import at_pointer, count_at, identities, json_of, succeeded
from trunkline.contract.model import List, Operation
from trunkline.contract.predicates import filters, lists, pages
from trunkline.exchange import TOKEN_VARIABLE, Exchange, Headers, Json, Request, Target
from trunkline.findings import Evidence, Finding, Grade, NotExercised

MOST_PAGES = 100
"""A list of more pages of the greatest limit is not read whole."""


@dataclass(frozen=True, slots=True)
class WholeList:
    """A list read page by page with the greatest limit: items and ids in order, and the exchanges that gave them."""

    items: tuple[Json, ...]
    ids: tuple[str, ...]
    exchanges: tuple[Exchange, ...]

    def __len__(self) -> int:
        return len(self.ids)


class Inconclusive(Exception):
    """A law cannot be exercised, and why."""


@dataclass(slots=True, repr=False)
class Session:
    """The questions about one operation. `parameters` are path parameters that are known to lead somewhere."""

    operation: Operation
    target: Target
    credential: str | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    examples: int = 50
    _wholes: dict[str, WholeList] = field(default_factory=dict)

    def ask(
        self,
        query: str | Mapping[str, Json] = "",
        *,
        path: Mapping[str, str] | None = None,
        authorization: tuple[str, str] | bool | None = True,
        headers: Headers = (),
        method: str = "",
    ) -> Exchange:
        """One question. `authorization` is (value, how it is shown), None for no header, True for the credential.

        `path` holds path parameters as they go on the wire, percent-encoded; the others are the known ones.
        """
        if authorization is True:
            credential = (
                (f"Bearer {self.credential}", f"Bearer ${TOKEN_VARIABLE}") if self.credential is not None else None
            )
        else:
            credential = authorization or None
        shown: Headers = ()
        if credential is not None:
            headers = (("authorization", credential[0]), *headers)
            shown = (("authorization", credential[1]),)
        known = {name: quote(value, safe="") for name, value in self.parameters.items()}
        target = self.operation.path
        for name, value in {**known, **(path or {})}.items():
            target = target.replace("{" + name + "}", value)
        if "{" in target and path is None and self.needs:
            raise Inconclusive(f"{', '.join(self.needs)} is not known; give it with --param {self.needs[0]}=...")
        text = query if isinstance(query, str) else urlencode(query)
        request = Request(method or self.operation.method, target, text, headers, shown=shown)
        return Exchange(request, self.target(request))

    @property
    def needs(self) -> tuple[str, ...]:
        """The path parameters that are not known."""
        names = (parameter.name for parameter in self.operation.parameters if parameter.location == "path")
        return tuple(name for name in names if name not in self.parameters)

    def page(self, query: Mapping[str, Json]) -> tuple[list[str], Exchange]:
        """The ids of one page. Raises `Silence` when it cannot be read; the rules have told why."""
        exchange = self.ask(query)
        if not succeeded(self.operation, exchange):
            raise Inconclusive(f"the list cannot be read: {exchange.response.status} for {exchange.request.target}")
        return (identities(self.operation, exchange) if lists(self.operation) else []), exchange

    def whole(self, filters: Mapping[str, Json] | None = None) -> WholeList:
        """The whole list, read once for each filter."""
        key = urlencode(filters or {})
        if key not in self._wholes:
            self._wholes[key] = self.read_whole(filters or {})
        return self._wholes[key]

    def read_whole(self, filters: Mapping[str, Json]) -> WholeList:
        """The whole list, read now: until a page is short or empty."""
        listing = self.operation.listing
        if listing is None:
            raise Inconclusive("the operation does not list")
        if listing.paging is None:
            return self._unpaged(listing, filters)
        limit = self.operation.parameter(listing.paging.limit).schema["maximum"]
        items: list[Json] = []
        ids: list[str] = []
        exchanges: list[Exchange] = []
        for number in range(MOST_PAGES):
            page, exchange = self.page({**filters, listing.paging.limit: limit, listing.paging.offset: number * limit})
            found = at_pointer(json_of(exchange), listing.items)
            if not isinstance(found, list):
                raise Inconclusive(f"the list cannot be read: there are no items at {listing.items}")
            ids += page
            items += found
            exchanges.append(exchange)
            if len(found) < limit:
                return WholeList(tuple(items), tuple(ids), tuple(exchanges))
        raise Inconclusive(f"the list has more than {MOST_PAGES * limit} items, more than are read here")

    def _unpaged(self, listing: List, filters: Mapping[str, Json]) -> WholeList:
        """The list of an operation that no page says to page; a long answer may be the first page all the same."""
        ids, exchange = self.page(filters)
        items = at_pointer(json_of(exchange), listing.items)
        if not isinstance(items, list):
            raise Inconclusive(f"the list cannot be read: there are no items at {listing.items}")
        if listing.whole_below and len(items) >= listing.whole_below:
            raise Inconclusive(f"the list may be longer than the {len(items)} items that are answered")
        return WholeList(tuple(items), tuple(ids), (exchange,))

    def has_changed(self) -> bool:
        """Whether the whole list has other items than when it was read, or the same with other filtered values."""
        try:
            return self._listed(self.whole()) != self._listed(self.read_whole({}))
        except Inconclusive:
            return False

    def _listed(self, whole: WholeList) -> list[tuple[str, ...]]:
        """Each id with the values that the list can be filtered by, in an order of our own."""
        spots = [spot.at for spot in self.operation.listing.filters.values()] if self.operation.listing else []
        pairs = zip(whole.ids, whole.items, strict=False)
        return sorted((name, *(str(at_pointer(item, at)) for at in spots)) for name, item in pairs)

    def forget(self) -> None:
        """Drops what was read, so that it is read again."""
        self._wholes.clear()

    def total(self, exchange: Exchange) -> int | None:
        """The total that a page tells, or None."""
        paging = self.operation.listing.paging if self.operation.listing else None
        return count_at(json_of(exchange), paging.total.at) if paging and paging.total else None

    def totals(self, exchanges: Iterable[Exchange]) -> list[tuple[int, Exchange]]:
        """The totals that are told. Raises `Silence` when none is."""
        told = [(total, exchange) for exchange in exchanges if (total := self.total(exchange)) is not None]
        if not told:
            raise Inconclusive("no answer tells a total")
        return told


Questions: TypeAlias = Callable[[Session], Iterator[Finding | NotExercised]]


@dataclass(frozen=True, slots=True)
class Law:
    """A sentence about several answers. `concerns` tells whether an operation has what the law is about."""

    name: str
    statement: str
    basis: str
    concerns: Callable[[Operation], bool]
    questions: Questions

    @property
    def reads_lists(self) -> bool:
        """Whether the law compares readings of a list."""
        return self.concerns in (pages, filters)

    def hear(self, interview: Session) -> Iterator[Finding | NotExercised]:
        """Puts the law's questions; a law that cannot be exercised says so as its last word.

        What is found of a list is asked again from the start, and only said when it is found again: the list may have
        been changed by somebody while it was read.
        """
        words = list(self._said(interview))
        first = {word.rule for word in words if isinstance(word, Finding)}
        if first and self.reads_lists:
            interview.forget()
            words = list(self._said(interview))
            again = {word.rule for word in words if isinstance(word, Finding)}
            if not first & again or interview.has_changed():
                words = [NotExercised("the list changed while it was read")]
        yield from words

    def _said(self, interview: Session) -> Iterator[Finding | NotExercised]:
        try:
            yield from self.questions(interview)
        except Inconclusive as silence:
            yield NotExercised(str(silence))


def law(basis: str, concerns: Callable[[Operation], bool]) -> Callable[[Questions], Law]:
    """Makes a law of a generator: its name is the law's name, the first line of its docstring the statement."""

    def made(questions: Questions) -> Law:
        return Law(questions.__name__, (questions.__doc__ or "").partition("\n")[0], basis, concerns, questions)

    return made


def implied(said: Evidence, note: str) -> Evidence:
    """What follows from what a page says, with the reason."""
    grade = said.grade if said.grade.rank > Grade.IMPLIED.rank else Grade.IMPLIED
    return Evidence(grade, said.source, note, said.read)
