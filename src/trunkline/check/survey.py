"""Survey an implementation by plain documented requests: which items it has to ask for, and which operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from trunkline.check.availability import UNKNOWN_ID, Availability, unanswered
from trunkline.check.laws import LawSession
from trunkline.check.lists import read_list
from trunkline.contract.bodies import at_pointer, identities, json_of, succeeded
from trunkline.contract.model import List, Operation
from trunkline.errors import TargetError
from trunkline.exchange import Exchange, Target
from trunkline.mock.loader import Vendor
from trunkline.transport.targets import credential_refused

MOST_LOOKS = 3
"""How often an item is looked for in its list, while another client deletes items."""


@dataclass(slots=True, repr=False)
class Survey:
    """Finds out which items an implementation has, and which operations it implements.

    `given` are path parameters of items that exist, `{"trunk_id": "conn_abc"}`; others are taken from lists, with
    requests to `target`, which the rules do not judge. `new_session` makes a session for the laws, with the parameters
    that are known. `ask_nowhere` requests a path that does not exist.
    """

    vendor: Vendor
    target: Target
    credential: str | None
    given: Mapping[str, str]
    availability: Availability
    new_session: Callable[[Operation, dict[str, str]], LawSession]
    ask_nowhere: Callable[[], Exchange]
    _sessions: dict[str, LawSession] = field(default_factory=dict)
    _first_ids: dict[str, str] = field(default_factory=dict)
    _empty: set[str] = field(default_factory=set)
    """The resources of which a list shows that the account has none."""

    # --- items ------------------------------------------------------------------------------------------------------

    def session(self, operation: Operation) -> LawSession:
        """The session about an operation. All its laws share it, so that each list is read once."""
        name = operation.operation_id
        if name not in self._sessions:
            self._sessions[name] = self.new_session(operation, self._parameters(operation))
        return self._sessions[name]

    def ask(
        self, operation: Operation, credential: str | None, parameters: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send the plain documented request; the rules do not judge its response."""
        return LawSession(operation, self.target, credential, parameters or {}).ask()

    def _parameters(self, operation: Operation) -> dict[str, str]:
        """The known path parameters of an operation that reads: those given, else the id of the first listed item."""
        known = {
            parameter.name: self.given.get(parameter.name) or self._first_id(parameter.resource)
            for parameter in operation.parameters
            if parameter.location == "path" and operation.reads
        }
        return {name: value for name, value in known.items() if value}

    def _given_of(self, operation: Operation) -> set[str]:
        """The path parameters of an operation that the caller gave."""
        return {parameter.name for parameter in operation.path_parameters if self.given.get(parameter.name)}

    def _first_id(self, resource: str) -> str:
        """The id of the first listed item of a resource, or empty. The request is sent once."""
        if resource not in self._first_ids:
            self._first_ids[resource] = ""
            for operation in self.vendor.contract.of_kind(List, resource):
                if not operation.parents:
                    exchange = self.ask(operation, self.credential)
                    if succeeded(operation, exchange):
                        self._first_ids[resource] = next(iter(identities(operation, exchange)), "")
                        if at_pointer(json_of(exchange), operation.kind.items) == []:
                            self._empty.add(resource)
        return self._first_ids[resource]

    def has_gone(self, operation: Operation) -> bool:
        """Whether the item that is asked for is no longer in its list. Then another one is asked for from now on."""
        gone = False
        for name, identity in self.session(operation).parameters.items():
            resource = operation.parameter(name).resource
            if name in self._given_of(operation) or not identity:
                continue
            for listing in self.vendor.contract.of_kind(List, resource):
                if not listing.parents:
                    reading = read_list(listing, LawSession(listing, self.target, self.credential).ask, until=identity)
                    gone = gone or (reading.whole and identity not in reading.ids)
            if gone:
                self._first_ids.pop(resource, None)
        if gone:
            del self._sessions[operation.operation_id]
        return gone

    # --- operations -------------------------------------------------------------------------------------------------

    def run(
        self, operations: Iterable[Operation], judge: Callable[[Exchange], None], unasked: dict[str, str]
    ) -> list[Operation]:
        """Send the plain request of each operation that reads, and have it judged; return those not implemented.

        `unasked` gets the operations without an item to be asked about, with the reason. Raises `TargetError` when the
        credential is refused, when a given parameter names no item, and when no operation answers with success: then
        nothing can be judged.
        """
        answers: list[tuple[Operation, Exchange]] = []
        for operation in operations:
            if not operation.reads:
                continue
            exchange = self._plain_answer(operation)
            if operation.secured and exchange.response.status == 401:
                raise credential_refused(operation.operation_id, self.credential, self.vendor.name)
            answers.append((operation, exchange))
            session, given = self.session(operation), self._given_of(operation)
            emptied = all(operation.parameter(name).resource in self._empty for name in session.needs)
            conclusive = not given and not (session.needs and emptied)
            implemented = self.availability.learn(operation, exchange, self.ask_nowhere, conclusive=conclusive)
            if implemented is False:
                continue
            if implemented is None and not given:
                self.availability.doubted[operation.operation_id] = exchange
            if session.needs and emptied:
                resources = dict.fromkeys(operation.parameter(name).resource for name in session.needs)
                unasked[operation.operation_id] = f"the account has no {' and no '.join(resources)}"
            elif not session.needs and not (given and exchange.response.status == 404):
                judge(exchange)
        return self._conclude(answers, judge, unasked)

    def _plain_answer(self, operation: Operation) -> Exchange:
        """The answer to the plain documented request, for an unknown id if none is known.

        If a listed item is not found, another client may have deleted it: then that of the next one.
        """
        for _ in range(MOST_LOOKS):
            session = self.session(operation)
            parameters = {**dict.fromkeys(session.needs, UNKNOWN_ID), **session.parameters}
            exchange = self.ask(operation, self.credential, parameters)
            if exchange.response.status != 404 or not self.has_gone(operation):
                break
        return exchange

    def _conclude(
        self, answers: list[tuple[Operation, Exchange]], judge: Callable[[Exchange], None], unasked: dict[str, str]
    ) -> list[Operation]:
        """Conclude from all plain answers together. One item that is found shows that the parameter for it is right."""
        found = [operation for operation, exchange in answers if succeeded(operation, exchange)]
        right = {name for operation in found for name in self._given_of(operation)}
        for operation, exchange in answers:
            given = self._given_of(operation)
            if exchange.response.status != 404 or not given:
                continue
            if not given <= right:
                place = f"{operation.operation_id} answers 404 for {exchange.request.path}"
                raise TargetError(f"{place}: name an item that exists with --param")
            if self.availability.learn(operation, exchange, self.ask_nowhere):
                judge(exchange)
        absent = [answer for answer in answers if self.availability.lacks(answer[0])]
        unlisted = {operation.operation_id: why for operation, _ in answers if (why := self._why_unlisted(operation))}
        if absent and not self._is_the_address(answers):
            self.availability.missing.clear()
            for name, why in unlisted.items():
                raise TargetError(f"no success of {name} can be seen: {why}")
            raise unanswered(*absent[0])
        unasked.update(unlisted)
        return [operation for operation, _ in absent]

    def _is_the_address(self, answers: list[tuple[Operation, Exchange]]) -> bool:
        """Whether an operation about items, or a list that was not to be judged, answers otherwise than with 404."""
        asked = {operation.operation_id for operation, _ in answers}
        lists = (found for found in self.vendor.contract.of_kind(List) if not found.parents)
        others = (self.ask(found, self.credential) for found in lists if found.operation_id not in asked)
        exchanges = chain((exchange for operation, exchange in answers if operation.resource), others)
        return any(exchange.response.status != 404 for exchange in exchanges)

    def _why_unlisted(self, operation: Operation) -> str:
        """Why no id is known for an operation that is there, if the list that shows it is not implemented."""
        for name in () if self.availability.lacks(operation) else self.session(operation).needs:
            listings = self.vendor.contract.of_kind(List, operation.parameter(name).resource)
            missing = [listing.operation_id for listing in listings if self.availability.lacks(listing)]
            if missing:
                return f"{missing[0]}, which lists its id, is not implemented; give one with --param {name}=..."
        return ""
