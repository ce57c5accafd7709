"""Owns one play: the requests that were sent, the things that were made, and the comparisons with what must be true.

A `Run` is what outlasts a play: where to ask, what was exercised, what is muted, what has to be left behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from trunkline.check.rules import hides
from trunkline.check.rules.refusals import judge_refusal
from trunkline.check.stateful.fields import ResourceOperations, inputs, roles, shown
from trunkline.check.stateful.inputs import ValueFactory, Values, encoded
from trunkline.check.stateful.model import Item, State, in_path, key, lasting, learned, same
from trunkline.contract.bodies import NOTHING, at_pointer, count_at, json_of
from trunkline.contract.model import Contract, Operation
from trunkline.contract.refusals import documented_response, refusal_for
from trunkline.exchange import SECOND_VARIABLE, TOKEN_VARIABLE, Exchange, Headers, Json, Request, Target
from trunkline.findings import Evidence, Finding, Grade, to_text
from trunkline.redaction import redactor

MISSING = frozenset({404, 410})
"""What says that a thing is not there."""

_UNHEARD = frozenset({401, 402, 403, 405, 407, 408, 425, 426, 428, 429, 431, 451})
"""Refusals before anybody looked whether the thing is there."""

EXCUSED = _UNHEARD | {406, 409, 411, 412, 413, 417, 421, 423}
"""Refusals that do not say that what was sent is wrong."""

_MOST_PAGES = 50
_LONG = 8
"""A shorter secret may stand in an answer by chance."""


class Broken(Exception):
    """A comparison failed: the play has its finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


@dataclass(slots=True, repr=False)
class StatefulRun:
    """What outlasts a play. `leave` is how many things may stay that no operation removes; None for any number."""

    contract: Contract
    target: Target
    maker: ValueFactory
    credential: str | None = None
    second: str | None = None
    leave: int | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    muted: set[tuple[str, bool]] = field(default_factory=set)
    """The laws of which enough is known, each with whether its finding was only worth a note."""
    standing: list[Item] = field(default_factory=list)
    left: int = 0
    steps: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """How often in a row the making of a thing was refused, by resource."""
    obstacles: dict[str, str] = field(default_factory=dict)
    """What stood in the way of making a thing, by resource."""
    roles: tuple[ResourceOperations, ...] = ()
    keepers: tuple[Operation, ...] = ()
    """The operations that take in a secret."""

    def __post_init__(self) -> None:
        self.roles = roles(self.contract)
        takes = (said for role in self.roles for said in (role.create, *role.updates))
        self.keepers = tuple(operation for operation in takes if any(said.secret for said in inputs(operation)))

    def role(self, resource: str) -> ResourceOperations | None:
        return next((each for each in self.roles if each.resource == resource), None)

    def start(self) -> Scenario:
        """A play, with the things that had to be left behind."""
        return Scenario(self, [replace(thing, known={}, given=lasting(thing)) for thing in self.standing])

    def mute(self, finding: Finding) -> None:
        """Lets no play end with another finding of the same law; one worth a note does not hide one that is more."""
        self.muted |= {(finding.rule, True), (finding.rule, _is_note(finding))}

    def knows(self, finding: Finding) -> bool:
        """Whether enough is known of the finding's law."""
        return (finding.rule, _is_note(finding)) in self.muted

    def may_leave(self, resource: str, *, surely: bool) -> bool:
        """Whether one more thing of the resource may be made: `surely` one, or only if something goes wrong.

        The last of several is kept for what goes wrong.
        """
        role = self.role(resource)
        if self.leave is None or (role is not None and role.deletes):
            return True
        return self.left < (max(1, self.leave - 1) if surely else self.leave) and self.leave > 0


def _is_note(finding: Finding) -> bool:
    return finding.evidence.grade.rank > Grade.IMPLIED.rank


@dataclass(slots=True, repr=False)
class Scenario:
    """One play: `log` is what was said, `things` what was made, in this order."""

    run: StatefulRun
    things: list[Item] = field(default_factory=list)
    log: list[Exchange] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """The name of each secret that was sent, by its value."""
    quiet: bool = False
    """Whether nothing is told any more."""
    _compared: Item | None = None

    # --- asking -----------------------------------------------------------------------------------------------------

    def ask(
        self,
        operation: Operation,
        ids: Mapping[str, str],
        *,
        query: str = "",
        body: bytes | None = None,
        media: str = "application/json",
        stranger: bool = False,
    ) -> Exchange:
        """One request about the things with these ids, by resource; a `stranger` has the other account's credential."""
        path = operation.path
        for parameter in operation.parameters:
            if parameter.location == "path":
                path = path.replace("{" + parameter.name + "}", in_path(ids[parameter.resource]))
        credential = self.run.second if stranger else self.run.credential
        headers: Headers = ()
        seen: Headers = ()
        if credential is not None and operation.secured:
            word = SECOND_VARIABLE if stranger else TOKEN_VARIABLE
            headers, seen = (("authorization", f"Bearer {credential}"),), (("authorization", f"Bearer ${word}"),)
        if body is not None:
            headers = (*headers, ("content-type", media))
        request = Request(operation.method, path, query, headers, body or b"", seen)
        exchange = Exchange(request, self.run.target(request))
        self.log.append(exchange)
        self._keeps_secrets(operation, exchange)
        return exchange

    def send(self, operation: Operation, ids: Mapping[str, str], values: Values, *, stranger: bool = False) -> Exchange:
        """One request with a body of these values."""
        self.hide(operation, values)
        return self.ask(operation, ids, body=encoded(values), stranger=stranger)

    def hide(self, operation: Operation, values: Values) -> None:
        """Remembers the secrets of a body, which no answer may hold."""
        for said in inputs(operation):
            value = values.get(said.name)
            if said.secret and isinstance(value, str) and len(value) >= _LONG:
                self.secrets[value] = said.name

    def _keeps_secrets(self, operation: Operation, exchange: Exchange) -> None:
        if not self.secrets:
            return
        for owner in self.run.keepers:
            self.run.counts[owner.operation_id, "secrets_never_come_back"] += 1
        text = exchange.response.body.decode("utf-8", "replace")
        spots = (text, *(value for _, value in exchange.response.headers))
        if any(secret in spot for secret in self.secrets for spot in spots):
            for finding in hides(self.secrets).judge(operation, exchange):
                self._tell(replace(finding, rule="secrets_never_come_back"))

    # --- judging ----------------------------------------------------------------------------------------------------

    def hold(
        self,
        law: str,
        owner: Operation,
        evidence: Evidence,
        holds: bool,
        message: str,
        *,
        at: str = "status",
        place: str = "",
        expected: str = "",
        seen: str = "",
        roots: frozenset[str] = frozenset(),
    ) -> None:
        """Counts a comparison; one that fails ends the play, unless it stands on a decision of ours.

        It is muted with its law, and with those of its `roots`: what it takes for granted.
        """
        if evidence.grade is Grade.DECISION:
            return
        self.run.counts[owner.operation_id, law] += 1
        if holds or any((root, False) in self.run.muted for root in roots):
            return
        where = place or owner.reference(owner.pointer)
        self._tell(owner.finding(law, evidence, message, at=at, contract=where, expected=expected, seen=seen))

    def _tell(self, finding: Finding) -> None:
        if self.quiet or self.run.knows(finding) or finding.evidence.grade is Grade.DECISION:
            return
        hide = redactor(frozenset(self.secrets))
        making = tuple(exchange for thing in self._concerned() for exchange in thing.made if exchange not in self.log)
        raise Broken(
            replace(
                finding,
                message=hide(finding.message),
                expected=hide(finding.expected),
                seen=hide(finding.seen),
                exchanges=(*making, *self.log),
            )
        )

    def _concerned(self) -> list[Item]:
        """The things that a finding is about: those that were asked for, and the one that was compared; else all."""
        asked = {part for exchange in self.log for part in exchange.request.path.split("/")}
        found = [thing for thing in self.things if thing is self._compared or in_path(thing.identity) in asked]
        return found or self.things

    def compare(self, thing: Item, operation: Operation, item: Json, at: str) -> None:
        """Compares what an answer shows of a thing with what must be true; what was not known is known from now on."""
        self._compared = thing
        for name, told in shown(operation).items():
            value = at_pointer(item, f"/{name}")
            if value is NOTHING or told.volatile or f"/{name}" == operation.identity:
                continue
            known = thing.known.get(name)
            if known is None or (known.teller == operation.operation_id and known.law == "list_and_detail_agree"):
                self._learn(thing, operation, name, value)
            elif same(known.value, value):
                self.met(known.law, known.owner, known.evidence, told.evidence)
                if known.roots and operation.reads:
                    thing.known[name] = replace(known, roots=frozenset())
            else:
                self.hold(
                    known.law,
                    known.owner,
                    known.evidence.weakest(told.evidence),
                    False,
                    f"{operation.operation_id} does not show {name} {known.why}",
                    at=f"{at}/{name}",
                    place=known.place,
                    expected=to_text(known.value),
                    seen=to_text(value),
                    roots=known.roots,
                )
                self._learn(thing, operation, name, value)

    def met(self, law: str, owner: Operation, *evidence: Evidence) -> None:
        """Counts a comparison that was met."""
        if all(said.grade is not Grade.DECISION for said in evidence):
            self.run.counts[owner.operation_id, law] += 1

    def _learn(self, thing: Item, operation: Operation, name: str, value: Json) -> None:
        field_ = shown(operation)[name]
        if operation.acting:
            learned(thing, operation, field_, value, "action_shows_in_a_read", operation)
        elif operation.creating:
            learned(thing, operation, field_, value, "created_is_read_back", operation)
        elif operation.updating:
            learned(thing, operation, field_, value, "update_shows", operation)
        else:
            owner = thing.roles.fetch or thing.roles.create
            learned(thing, operation, field_, value, "list_and_detail_agree", owner)

    def not_there(self, law: str, owner: Operation, operation: Operation, exchange: Exchange, resource: str) -> None:
        """A thing that is not there is not answered as if it were, and the refusal says that it is not there."""
        status = exchange.response.status
        parameter = next(said for said in operation.parameters if said.resource == resource and said.location == "path")
        said = parameter.refused.get("id_unknown")
        if said is None:
            return
        self.hold(
            law,
            owner,
            said,
            not 200 <= status < 300,
            f"{operation.operation_id} answered {status} for what is not there",
            place=operation.reference(f"{parameter.pointer}/x-trunkline/refused/id_unknown"),
            expected="not found",
            seen=str(status),
        )
        if 400 <= status < 500 and status not in _UNHEARD and status != 410:
            self.code(law, owner, operation, exchange, "id_unknown", parameter.name)

    def code(self, law: str, owner: Operation, operation: Operation, exchange: Exchange, cause: str, name: str) -> None:
        """A refusal has the documented status and code of its cause."""
        sent = f"{operation.method} {exchange.request.path}"
        refusal = refusal_for(operation, cause, sent, cause, {"name": name})
        for finding in judge_refusal(operation, exchange, (refusal,)):
            self.hold(
                law,
                owner,
                finding.evidence,
                False,
                f"{operation.operation_id}: {finding.message}",
                at=finding.at,
                place=finding.contract,
                expected=finding.expected,
                seen=finding.seen,
            )

    def is_called(self, operation: Operation, exchange: Exchange, cause: str, name: str) -> Evidence | None:
        """What says that a refusal's code is that of this cause and of no other of the operation, if it is."""
        try:
            said = refusal_for(operation, cause, "", "", {"name": name})
            found, code = documented_response(operation.contract, said)
        except LookupError:
            return None
        others = [
            other.code
            for answered in operation.responses.values()
            for each, other in answered.refusals.items()
            if each != cause
        ]
        told = at_pointer(json_of(exchange), operation.contract.errors.code)
        if told != code.code or code.code in others or exchange.response.status != int(found.key):
            return None
        return said.evidence.weakest(found.evidence).weakest(code.evidence)

    def stray(self, why: str) -> None:
        """Lets go of everything: an answer led to what nobody may write to, and what is true is not known any more."""
        for thing in self.things:
            thing.state = State.UNSURE if thing.there else thing.state
        for role in self.run.roles:
            self.run.obstacles.setdefault(role.resource, why)

    # --- what there is ----------------------------------------------------------------------------------------------

    def there(self, resource: str) -> list[Item]:
        return [thing for thing in self.things if thing.resource == resource and thing.there]

    def gone(self, resource: str) -> list[Item]:
        return [thing for thing in self.things if thing.resource == resource and thing.state is State.GONE]

    def children(self, thing: Item, resource: str = "") -> list[Item]:
        """What belongs to a thing and may be there still."""
        return [
            child
            for child in self.things
            if child.parent is thing and child.state is not State.GONE and (not resource or child.resource == resource)
        ]

    def sight(
        self,
        operation: Operation,
        ids: Mapping[str, str],
        *,
        query: Mapping[str, Json] | None = None,
        stranger: bool = False,
    ) -> ListReading:
        """A list as it is read now, page by page where it is paged."""
        listing = operation.listing
        assert listing is not None  # noqa: S101 - only a list is read
        found: dict[str, tuple[int, Json]] = {}
        count, total, paging = 0, None, listing.paging
        limit = operation.parameter(paging.limit).schema.get("maximum", 100) if paging else 0
        for number in range(_MOST_PAGES):
            asked = {**(query or {})}
            if paging:
                asked |= {paging.limit: limit, paging.offset: number * limit}
            exchange = self.ask(operation, ids, query=urlencode(asked), stranger=stranger)
            items = at_pointer(json_of(exchange), listing.items)
            if not 200 <= exchange.response.status < 300 or not isinstance(items, list):
                return ListReading(exchange, found, count, total, read=False, whole=False)
            for index, item in enumerate(items):
                if identity := key(at_pointer(item, listing.identity)):
                    found.setdefault(identity, (index, item))
            count += len(items)
            if paging is None:
                return ListReading(exchange, found, count, None, read=True, whole=count < listing.whole_below)
            total = count_at(json_of(exchange), paging.total.at) if paging.total else None
            if len(items) < limit:
                return ListReading(exchange, found, count, total, read=True, whole=True)
        return ListReading(exchange, found, count, total, read=True, whole=False)


@dataclass(frozen=True, slots=True)
class ListReading:
    """A list as it was read: its items by id, each with its place, and whether it could be `read`, and read `whole`."""

    exchange: Exchange
    items: Mapping[str, tuple[int, Json]]
    count: int
    total: int | None
    read: bool
    whole: bool
