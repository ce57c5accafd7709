"""One running scenario: it sends requests, keeps the created items, and compares responses with the model.

A `StatefulRun` is shared by all scenarios: it holds the target, the counts of judgments, the suppressed laws and the
leftovers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from trunkline.check.lists import ListReading, read_list
from trunkline.check.problem import Problem
from trunkline.check.rules import secret_values_rule
from trunkline.check.rules.refusals import judge_refusal
from trunkline.check.settling import NO_SETTLING, Settling
from trunkline.check.stateful.fields import inputs, shown_fields
from trunkline.check.stateful.model import Claim, Item, State, in_path, record_shown, same, unchangeable
from trunkline.check.stateful.request_bodies import ValueFactory, Values
from trunkline.check.stateful.resources import ResourceOperations, resource_operations
from trunkline.contract.bodies import NOTHING, at_pointer, id_key
from trunkline.contract.model import Contract, Create, List, Operation
from trunkline.contract.refusals import refusal_for
from trunkline.contract.requests import build_request
from trunkline.exchange import SECOND_VARIABLE, TOKEN_VARIABLE, Exchange, Json, Target
from trunkline.findings import Finding, Grade, to_text
from trunkline.redaction import redactor

_BEFORE_LOOKING = frozenset({401, 402, 403, 405, 407, 408, 425, 426, 428, 429, 431, 451})
"""Refusals that are answered before the server looks for the item."""

NOT_ABOUT_THE_BODY = _BEFORE_LOOKING | {406, 409, 411, 412, 413, 417, 421, 423}
"""Refusals that do not say that the body is invalid."""

_SHORTEST_SECRET = 8
"""A shorter secret may be in a response by chance."""

_MOST_REFUSALS = 10
"""After this many refusals in a row no more items of a resource are created."""


class Broken(Exception):
    """Raised to end a scenario with a finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


@dataclass(slots=True, repr=False)
class StatefulRun:
    """All scenarios against one target.

    `allowed_leftovers` is how many items may be left that no operation deletes, None for any number. `counts` is
    the number of judgments of each (operationId, law). `suppressed` are the laws with a finding, each with whether the
    finding was a note.
    """

    contract: Contract
    target: Target
    factory: ValueFactory
    credential: str | None = None
    second_credential: str | None = None
    allowed_leftovers: int | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    suppressed: set[tuple[str, bool]] = field(default_factory=set)
    leftovers: list[Item] = field(default_factory=list)
    """The items that no operation deletes. The next scenario uses them again."""
    leftover_count: int = 0
    """The number of such items, including those whose id is unknown."""
    steps: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """The number of valid creations in a row that were refused, by resource."""
    creation_problems: dict[str, str] = field(default_factory=dict)
    """The reason why items could not be created, or their list not be read, by resource."""
    settling: Settling = NO_SETTLING
    lags: dict[str, float | None] = field(default_factory=dict)
    """After how many seconds the reads that broke a law were right, by law; None if they stayed wrong."""

    @property
    def resources(self) -> tuple[ResourceOperations, ...]:
        return resource_operations(self.contract)

    def start(self) -> Scenario:
        """A scenario with the leftovers of earlier ones."""
        return Scenario(self, [replace(item, expected={}, sent=unchangeable(item)) for item in self.leftovers])

    def stop_reporting(self, finding: Finding) -> None:
        """Report no further finding of this law. After a note, one that fails a run is still reported."""
        self.suppressed |= {(finding.rule, True), (finding.rule, _is_note(finding))}

    def may_create(self, operations: ResourceOperations, *, will_create: bool) -> bool:
        """Whether a request may be sent that creates an item, either certainly (`will_create`) or only by an error.

        Of several items that may be left, the last is kept for errors.
        """
        if self.refused[operations.resource] >= _MOST_REFUSALS:
            return False
        if self.allowed_leftovers is None or operations.deletes:
            return True
        kept_for_errors = 1 if will_create and self.allowed_leftovers > 1 else 0
        return self.leftover_count < self.allowed_leftovers - kept_for_errors


def _is_note(finding: Finding) -> bool:
    return finding.evidence.grade.rank > Grade.IMPLIED.rank


def is_success(exchange: Exchange) -> bool:
    """Whether the response is of the 2xx class."""
    return 200 <= exchange.response.status < 300


def is_refusal(exchange: Exchange) -> bool:
    """Whether the response is a client error: the request had no effect."""
    return 400 <= exchange.response.status < 500


@dataclass(slots=True, repr=False)
class Scenario:
    """One scenario: the `exchanges` so far, and the `items` in the order of their creation."""

    run: StatefulRun
    items: list[Item] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """The name of each secret that was sent, by its value."""
    reporting: bool = True
    """Whether findings are reported. They are not when the scenario only cleans up."""
    _compared: Item | None = None

    # --- requests ---------------------------------------------------------------------------------------------------

    def request(
        self,
        operation: Operation,
        ids: Mapping[str, str],
        query: str = "",
        *,
        body: bytes | Values | None = None,
        media_type: str = "application/json",
        other_account: bool = False,
    ) -> Exchange:
        """Send one request about the items with these ids, by resource: `{"sip-trunks": "a1"}`."""
        if isinstance(body, dict):
            self.remember_secrets(operation, body)
        request = build_request(
            operation,
            {found.name: ids[found.resource] for found in operation.parameters if found.location == "path"},
            query=query,
            body=body,
            media_type=media_type,
            credential=self.run.second_credential if other_account else self.run.credential,
            variable=SECOND_VARIABLE if other_account else TOKEN_VARIABLE,
        )
        exchange = Exchange(request, self.run.target(request))
        self.exchanges.append(exchange)
        self._judge_secrets(operation, exchange)
        return exchange

    def read_list(
        self,
        operation: Operation[List],
        ids: Mapping[str, str],
        *,
        query: Mapping[str, Json] | None = None,
        other_account: bool = False,
    ) -> ListReading:
        """Read a list, all pages of it."""
        return read_list(operation, partial(self.request, operation, ids, other_account=other_account), query=query)

    # --- judging ----------------------------------------------------------------------------------------------------

    def judge(
        self, claim: Claim, holds: bool, message: str = "", expected: str = "", at: str = "status", seen: str = ""
    ) -> None:
        """Count one judgment of a law, and end the scenario with a finding if the claim does not hold.

        `seen` is by default the value at `at` in the last response. Nothing is judged on evidence that is only a
        decision of the mock. A law is suppressed with its own finding, and with one of a law that the claim assumes.
        """
        if not claim.evidence.grade.carries_findings:
            return
        self.run.counts[claim.operation.operation_id, claim.law] += 1
        if not holds and not any((assumed, False) in self.run.suppressed for assumed in claim.assumes):
            problem = Problem(message, claim.evidence, at, claim.place, expected, seen or None)
            self._report(problem.finding(claim.law, claim.operation, self.exchanges[-1]))

    def settled(self, read: Callable[[], None]) -> None:
        """Make a read, and while it has a finding make it again, as long as a lag is allowed.

        A longer lag that ends within the watched time is a finding that says so. Once a law has had a finding, its next
        ones come at once: otherwise reducing a scenario would wait for each of its variants.
        """
        settling, lags = self.run.settling, self.run.lags
        sent = len(self.exchanges)
        items = [(item, {**item.expected}, {**item.sent}) for item in self.items]
        try:
            return read()
        except Broken as broken:
            finding = broken.finding
        for passed in settling.pauses(settling.watched) if finding.rule not in lags else ():
            del self.exchanges[sent:]
            for item, expected, known in items:  # what the wrong read showed is forgotten
                item.expected, item.sent = {**expected}, {**known}
            with suppress(Broken):
                read()
                if passed <= settling.allowed:
                    return None
                lags[finding.rule] = passed
                break
        lag = lags.setdefault(finding.rule, None)
        if lag is not None:
            late = f"{finding.message}, but the response was right {lag:.2g} s later; --settle allows a lag"
            finding = replace(finding, message=late)
        raise Broken(finding)

    def compare(self, item: Item, operation: Operation, shown: Json, at: str) -> None:
        """Compare what a response shows of an item with the model, and take in the fields that were not known."""
        self._compared = item
        for name, field_ in shown_fields(operation).items():
            value = at_pointer(shown, f"/{name}")
            if value is NOTHING or field_.volatile or f"/{name}" == operation.identity:
                continue
            known = item.expected.get(name)
            if known is None or (
                known.shown_by == operation.operation_id and known.claim.law == "list_and_detail_agree"
            ):
                record_shown(item, operation, field_, value)
                continue
            claim = known.claim.weakened(field_.schema.evidence)
            if not same(known.value, value):
                message = f"{operation.operation_id} does not show {name} {known.reason}"
                self.judge(claim, False, message, to_text(known.value), f"{at}/{name}", to_text(value))
                record_shown(item, operation, field_, value)
                continue
            self.judge(claim, True)
            if operation.reads and known.claim.assumes:
                item.expected[name] = replace(known, claim=replace(known.claim, assumes=frozenset()))

    def judge_not_found(self, law: str, owner: Operation, operation: Operation, exchange: Exchange, item: Item) -> None:
        """Judge that a request about an item which does not exist is refused, with the documented status and code."""
        status = exchange.response.status
        named = (found for found in operation.parameters if found.resource == item.resource)
        parameter = next(found for found in named if found.location == "path")
        evidence = parameter.refused.get("id_unknown")
        if evidence is None:
            return
        place = f"{parameter.pointer}/x-trunkline/refused/id_unknown"
        message = f"{operation.operation_id} answers {status} for an item that does not exist"
        self.judge(Claim(law, owner, evidence, place), not is_success(exchange), message, "not found")
        if is_refusal(exchange) and status not in _BEFORE_LOOKING and status != 410:
            self.judge_code(law, owner, operation, exchange, "id_unknown", parameter.name)

    def judge_code(
        self, law: str, owner: Operation, operation: Operation, exchange: Exchange, cause: str, name: str
    ) -> None:
        """Judge that a refusal has the documented status and code of its cause."""
        refusal = refusal_for(operation, cause, "", "", {"name": name})
        for finding in judge_refusal(operation, exchange, (refusal,)):
            message = f"{operation.operation_id}: {finding.message}"
            self._report(replace(finding, rule=law, operation=owner.operation_id, message=message))

    def remember_secrets(self, operation: Operation, values: Values) -> None:
        """Remember the secrets of a body. No later response may contain them."""
        for input_ in inputs(operation):
            value = values.get(input_.name)
            if input_.secret and isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
                self.secrets[value] = input_.name

    def _judge_secrets(self, operation: Operation, exchange: Exchange) -> None:
        if not self.secrets:
            return
        for writer in (writer for operations in self.run.resources for writer in operations.writers):
            if any(input_.secret for input_ in inputs(writer)):
                self.run.counts[writer.operation_id, "secrets_never_come_back"] += 1
        body = exchange.response.body.decode("utf-8", "replace")
        texts = (body, *(value for _, value in exchange.response.headers))
        if any(secret in text for secret in self.secrets for text in texts):
            for finding in secret_values_rule(self.secrets).judge(operation, exchange):
                self._report(replace(finding, rule="secrets_never_come_back"))

    def _report(self, finding: Finding) -> None:
        is_suppressed = (finding.rule, _is_note(finding)) in self.run.suppressed
        if not self.reporting or is_suppressed or not finding.evidence.grade.carries_findings:
            return
        redact = redactor(frozenset(self.secrets))
        earlier = (item.creation for item in self._concerned() if item.creation not in self.exchanges)
        raise Broken(
            replace(
                finding,
                message=redact(finding.message),
                expected=redact(finding.expected),
                seen=redact(finding.seen),
                exchanges=(*earlier, *self.exchanges),
            )
        )

    def _concerned(self) -> list[Item]:
        """The items that a finding is about: those that a request named, and the one that was compared; else all."""
        named = {part for exchange in self.exchanges for part in exchange.request.path.split("/")}
        found = [item for item in self.items if item is self._compared or in_path(item.identity) in named]
        return found or self.items

    # --- items ------------------------------------------------------------------------------------------------------

    def existing(self, resource: str) -> list[Item]:
        return [item for item in self.items if item.resource == resource and item.exists]

    def parents_of(self, operation: Operation[Create] | Operation[List]) -> list[Item | None]:
        """The items below which an operation creates or lists; `[None]` for one that does so below none."""
        return [*self.existing(operation.parents[-1].resource)] if operation.parents else [None]

    def children(self, item: Item, resource: str = "") -> list[Item]:
        """The items below this one that may still exist."""
        return [
            child
            for child in self.items
            if child.parent is item and child.state is not State.DELETED and resource in ("", child.resource)
        ]

    def give_up(self, reason: str) -> None:
        """Judge no item any more: a response led to an item that the check must not write to."""
        for item in self.items:
            item.state = State.UNKNOWN if item.exists else item.state
        for operations in self.run.resources:
            self.run.creation_problems.setdefault(operations.resource, reason)


def by_key(reading: ListReading) -> dict[str, tuple[int, Json]]:
    """The items of a list by their id, each with its index in its page."""
    found: dict[str, tuple[int, Json]] = {}
    for identity, index, item in zip(reading.identities, reading.positions, reading.items, strict=True):
        if name := id_key(identity):
            found.setdefault(name, (index, item))
    return found
