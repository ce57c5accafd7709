"""The form of a law, and the session in which it sends requests about one operation.

A law sends several requests and judges the responses together. The rules judge each response as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeAlias, TypeGuard
from urllib.parse import quote, urlencode

from trunkline.check.lists import ListReading, read_list
from trunkline.check.problem import Problem
from trunkline.contract.bodies import at_pointer, count_at, id_key, identities, json_of, succeeded
from trunkline.contract.model import BodyLocation, K, List, Operation, Paging
from trunkline.contract.predicates import has_filters, is_paged
from trunkline.contract.requests import bearer, fill_path, missing_parameters
from trunkline.exchange import SECOND_VARIABLE, Exchange, Headers, Json, Request, Response, Target, beyond_limits
from trunkline.findings import Finding, NotExercised

_FEWEST_REPETITIONS = 32
"""So many requests are sent again, at least, before a finding about a list counts: one that changes with every request
would have to answer each of them by chance as before."""


_CHANGED = "the list changed while it was read"
_MOST_COMPARED = 4 << 20
"""The number of bytes of an answer that laws compare with others: its values may take ten times as many."""
_MOST_LISTED = 16 << 20
"""The number of bytes of all lists of one operation that are compared."""


_MOST_LARGE = 3
"""The number of larger answers in a row after which no more are asked for."""


def comparable(target: Target) -> Target:
    """The target, which raises `Inconclusive` for an answer that is too large to be compared with others."""
    large = 0

    def ask(request: Request) -> Response:
        nonlocal large
        response = target(request) if large < _MOST_LARGE else None
        if response and len(response.body) <= _MOST_COMPARED:
            large = 0
            return response
        large += 1
        raise Inconclusive(f"answers of more than {_MOST_COMPARED >> 20} MB are judged one by one, and not compared")

    return ask


class Inconclusive(Exception):
    """Raised when a law cannot be checked; the message is the reason."""


AccountReadings: TypeAlias = dict[str, tuple[ListReading, ListReading]]
"""The whole list of each resource, for this account and for the other one."""


@dataclass(slots=True, repr=False)
class LawSession(Generic[K]):
    """Sends the requests of laws about one operation. `parameters` are path parameters of an item that exists."""

    operation: Operation[K]
    target: Target
    credential: str | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    examples: int = 50
    second: str | None = None
    """The credential of another account."""
    unjudged: Target | None = None
    """The target whose responses the rules do not judge, for requests about other operations."""
    readings: AccountReadings = field(default_factory=dict)
    _lists: dict[str, ListReading] = field(default_factory=dict)

    def ask(
        self,
        query: str | Mapping[str, Json] = "",
        *,
        path: Mapping[str, str] | None = None,
        authorization: tuple[str, str] | None = None,
        anonymous: bool = False,
        other_account: bool = False,
        headers: Headers = (),
        method: str = "",
    ) -> Exchange:
        """Send one request. Raises `Inconclusive` when a path parameter is not known.

        `path` replaces path parameters by others, which are sent as they are. `authorization` replaces the header of
        the known credential: its value, and the value as it is printed. An anonymous request has no such header, and
        one of `other_account` has the second credential.
        """
        if path is None and self.needs:
            raise Inconclusive(f"{', '.join(self.needs)} is not known; give it with --param {self.needs[0]}=...")
        sent, shown = bearer(None if anonymous else self.credential)
        if other_account:
            sent, shown = bearer(self.second, SECOND_VARIABLE)
        if authorization is not None:
            sent, shown = (("authorization", authorization[0]),), (("authorization", authorization[1]),)
        known = {name: quote(value, safe="") for name, value in self.parameters.items()}
        target = fill_path(self.operation, {**known, **(path or {})}, encode=False)
        text = query if isinstance(query, str) else urlencode(query)
        request = Request(method or self.operation.method, target, text, (*sent, *headers), shown=shown)
        return Exchange(request, self.target(request))

    @property
    def needs(self) -> tuple[str, ...]:
        """The path parameters that are not known."""
        return missing_parameters(self.operation, self.parameters)

    def account_lists(self, resource: str) -> tuple[ListReading, ListReading]:
        """The whole list of a resource for each of the two accounts. Raises `Inconclusive` when it cannot be read."""
        if self.second is None:
            raise Inconclusive("the credential of another account is not known; give it with --second-token")
        if resource not in self.readings:
            lists = self.operation.contract.of_kind(List, resource)
            listing = next((found for found in lists if found.secured and not found.parents), None)
            if listing is None:
                raise Inconclusive(f"no operation lists the {resource} of an account")
            session = LawSession(listing, self.unjudged or self.target, self.credential, second=self.second)

            def of_account(other: bool) -> ListReading:
                reading = read_list(listing, lambda query: session.ask(query, path={}, other_account=other))
                if not (reading.readable and reading.whole):
                    raise Inconclusive(f"{listing.operation_id} cannot be read to its end")
                return reading

            self.readings[resource] = of_account(False), of_account(True)
        return self.readings[resource]

    @property
    def paging(self: LawSession[List]) -> Paging:
        """The paging of the list. Raises `Inconclusive` when it has none."""
        if self.operation.kind.paging is None:
            raise Inconclusive("the list is not paged")
        return self.operation.kind.paging

    @property
    def total(self: LawSession[List]) -> BodyLocation:
        """The total that a page shows. Raises `Inconclusive` when no total is documented."""
        paging = self.operation.kind.paging
        if paging is None or paging.total is None:
            raise Inconclusive("no total is documented")
        return paging.total

    @property
    def items(self: LawSession[List]) -> str:
        """The place of the items in a response: `body/trunks`."""
        return f"body{self.operation.kind.items}"

    def page(self: LawSession[List], query: Mapping[str, Json]) -> tuple[list[str], Exchange]:
        """The ids of one page. Raises `Inconclusive` when it cannot be read; the rules report why."""
        exchange = self.ask(query)
        self._require_success(exchange)
        return [*map(id_key, identities(self.operation, exchange))], exchange

    def reading(self: LawSession[List], filters: Mapping[str, Json] | None = None) -> ListReading:
        """The list, read once for each filter. Raises `Inconclusive` when a page cannot be read."""
        key = urlencode(filters or {})
        if key not in self._lists:
            reading = read_list(self.operation, self.ask, query=filters)
            self._require_success(reading.exchanges[-1])
            if not reading.readable:
                limit = beyond_limits(reading.exchanges[-1].response.body)
                reason = limit or f"there are no items at {self.operation.kind.items}"
                raise Inconclusive(f"the list cannot be read: {reason}")
            if sum(found.size for found in (*self._lists.values(), reading)) > _MOST_LISTED:
                raise Inconclusive(
                    f"the pages of its lists have more than {_MOST_LISTED >> 20} MB, too many to compare"
                )
            self._lists[key] = reading
        return self._lists[key]

    def whole(self: LawSession[List], filters: Mapping[str, Json] | None = None) -> ListReading:
        """The reading of the list. Raises `Inconclusive` when the list was not read to its end."""
        reading = self.reading(filters)
        if reading.repeats:
            raise Inconclusive(
                f"page {len(reading.exchanges)} of the list repeats earlier pages, so no page is the last"
            )
        if not reading.whole:
            raise Inconclusive(f"the list may be longer than the {len(reading.items)} items that were read")
        return reading

    def _require_success(self, exchange: Exchange) -> None:
        if not succeeded(self.operation, exchange):
            raise Inconclusive(f"the list cannot be read: {exchange.response.status} for {exchange.request.target}")

    def why_unsteady(self: LawSession[List], findings: Iterable[Finding]) -> str:
        """Why a request that the findings rest on did not get the same answer again, in another order; or empty.

        Those are the requests of the findings and of the lists that were read. A list that changes at any pace, even
        back and forth, answers some of them otherwise: it does not know which request comes next.
        """
        exchanges = [exchange for reading in self._lists.values() for exchange in reading.exchanges]
        exchanges += [exchange for finding in findings for exchange in finding.exchanges]
        answers = {exchange.request: self._shown(exchange) for exchange in exchanges}
        if any(self._shown(exchange) != answers[exchange.request] for exchange in exchanges):
            return _CHANGED
        again = [*answers] * (1 + _FEWEST_REPETITIONS // len(answers))
        Random(self.seed).shuffle(again)  # noqa: S311 - an order, no secret
        try:
            for request in again:
                exchange = Exchange(request, self.target(request))
                if self._shown(exchange) != answers[request]:
                    self._require_success(exchange)
                    return _CHANGED
        except Inconclusive as reason:
            return str(reason)
        return ""

    def _shown(self: LawSession[List], exchange: Exchange) -> tuple[Json, ...]:
        """The status, the total, and each id with the fields that the list can be filtered by, in their order."""
        kind, body = self.operation.kind, json_of(exchange)
        total = count_at(body, kind.paging.total.at) if kind.paging and kind.paging.total else None
        items = at_pointer(body, kind.items)
        places = (kind.identity, *(by.at for by in kind.filters.values()))
        shown = [[at_pointer(item, at) for at in places] for item in items] if isinstance(items, list) else items
        return exchange.response.status, total, shown

    def forget(self) -> None:
        """Forget every list, so that it is read again."""
        self._lists.clear()

    def wrong_total(
        self: LawSession[List], location: BodyLocation, message: str, count: int, exchanges: Iterable[Exchange]
    ) -> Problem | None:
        """The problem with the first page whose total is not `count`. Raises `Inconclusive` if no page has a total."""
        totals = [(count_at(json_of(exchange), location.at), exchange) for exchange in exchanges]
        if all(total is None for total, _ in totals):
            raise Inconclusive("no response has a total")
        wrong = next((pair for pair in totals if pair[0] not in (None, count)), None)
        if wrong is None:
            return None
        _, exchange = wrong
        place = self.operation.extension_reference("list/paging/total")
        return Problem(message, location.evidence, f"body{location.at}", place, str(count), exchanges=(exchange,))


LawFunction: TypeAlias = Callable[[LawSession[K]], Iterator[Problem | Finding] | None]
"""Sends the requests of a law and yields the problems; None if only the rules judge the responses."""


@dataclass(frozen=True, slots=True)
class Law:
    """A sentence about several responses. `basis` is the evidence that its findings rest on."""

    name: str
    statement: str
    basis: str
    concerns: Callable[[Operation], bool]
    """Whether an operation has the feature that the law is about."""
    function: LawFunction[Any]
    needs_other_account: bool = False
    """Whether the law can be judged only with the credential of another account."""

    def check(self, session: LawSession[Any]) -> Iterator[Finding | NotExercised]:
        """Send the requests of the law; the last value is the reason if the law could not be exercised.

        Another client may change a list while it is read. So a finding about a list counts only if it is found twice,
        and if what it rests on stays as it is.
        """
        results = list(self._results(session))
        found = {result.rule for result in results if isinstance(result, Finding)}
        if found and self.concerns in (is_paged, has_filters):
            session.forget()
            results = list(self._results(session))
            again = [result for result in results if isinstance(result, Finding)]
            if not found & {finding.rule for finding in again}:
                unread = [result for result in results if isinstance(result, NotExercised)]
                results = [*(unread or [NotExercised(_CHANGED)])]
            elif reason := session.why_unsteady(again):
                results = [NotExercised(reason)]
        yield from results

    def _results(self, session: LawSession[Any]) -> Iterator[Finding | NotExercised]:
        try:
            for problem in self.function(session) or ():
                yield problem if isinstance(problem, Finding) else problem.finding(self.name, session.operation)
        except Inconclusive as reason:
            yield NotExercised(str(reason))


def law(
    basis: str, concerns: Callable[[Operation], TypeGuard[Operation[K]]], *, needs_other_account: bool = False
) -> Callable[[LawFunction[K]], Law]:
    """Make a law from a function. It has the name of the law; the first line of its docstring is the statement."""

    def made(function: LawFunction[K]) -> Law:
        statement = (function.__doc__ or "").partition("\n")[0]
        return Law(function.__name__, statement, basis, concerns, function, needs_other_account)

    return made
