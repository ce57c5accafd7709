"""The model: which items exist and what each of their fields must be, and how each request changes that.

It follows the contract alone. What no page settles has no expectation, so nothing is held against an implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from urllib.parse import quote
from uuid import UUID

from trunkline.check.problem import implied
from trunkline.check.stateful.fields import Field, Input, creation_times, default_dependencies, defaults, inputs
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.contract.bodies import time_at
from trunkline.contract.model import Act, Create, Operation, Update
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence, Grade

_SAME_TIME = timedelta(seconds=1)
"""Times that differ by less are the same, written more or less exactly."""
_UUID_LENGTH = 36


class State(Enum):
    """Whether an item exists. `UNKNOWN` when a response left it open."""

    EXISTS = "exists"
    REMOVED = "removed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The value that a field must have, and the law that another value breaks.

    `operation` and `reference` are what a finding is about. `shown_by` is the operationId of the response that showed
    a field which nobody sent. `assumes` are the laws that the expectation relies on: a field that stays as it was must
    have been right before, and perhaps nobody has read it since.
    """

    value: Json
    law: str
    operation: Operation
    evidence: Evidence
    reference: str
    reason: str
    shown_by: str = ""
    assumes: frozenset[str] = frozenset()

    def kept_by(self, law: str, operation: Operation, evidence: Evidence, reference: str) -> Expectation:
        """The same value, now because this operation must leave it as it is."""
        return Expectation(
            self.value,
            law,
            operation,
            evidence.weakest(self.evidence),
            reference,
            f"as it was before {operation.operation_id}",
            assumes=self.assumes | {self.law},
        )


@dataclass(slots=True, eq=False, repr=False)
class Item:
    """An item that the check created.

    `created_with` are the inputs of its creation. `creation` is the exchange that created it. `expected` is what its
    fields must be, and `sent` the values that were sent for its inputs since, secrets included.
    """

    operations: ResourceOperations
    identity: str
    parent: Item | None = None
    created_with: frozenset[str] = frozenset()
    creation: tuple[Exchange, ...] = ()
    expected: dict[str, Expectation] = field(default_factory=dict)
    sent: dict[str, Json] = field(default_factory=dict)
    state: State = State.EXISTS
    may_have_more_children: bool = False
    """Whether a response left open if a child was created."""

    @property
    def exists(self) -> bool:
        return self.state is State.EXISTS and (self.parent is None or self.parent.exists)

    @property
    def resource(self) -> str:
        return self.operations.resource

    @property
    def ids(self) -> dict[str, str]:
        """The ids of the item and of its parents, by resource: `{"sip-trunks": "a1", "dids": "d7"}`."""
        return {**(self.parent.ids if self.parent else {}), self.resource: self.identity}

    @property
    def values(self) -> dict[str, Json]:
        """The value that each field must have, as far as it is known."""
        return {name: expectation.value for name, expectation in self.expected.items()}

    @property
    def known_values(self) -> dict[str, Json]:
        """The expected values, and the values that were sent for fields that are not shown."""
        return {**self.values, **self.sent}

    @property
    def inputs(self) -> dict[str, Input]:
        """The inputs of its creation and of its updates, by name."""
        return {input_.name: input_ for writer in self.operations.writers for input_ in inputs(writer)}

    @property
    def creation_times(self) -> dict[str, Evidence]:
        """The fields that tell when it was created."""
        operations: tuple[Operation, ...] = (*self.operations.readers, *self.operations.writers)
        return {name: evidence for operation in operations for name, evidence in creation_times(operation).items()}

    @property
    def parent_fields(self) -> frozenset[str]:
        """The fields that hold the ids of its parents."""
        return frozenset(parameter.name for parameter in self.operations.create.parents)


# --- how requests change the model ----------------------------------------------------------------------------------


def record_creation(item: Item, operation: Operation[Create], body: Mapping[str, Json]) -> None:
    """A new item has the values that were sent, the defaults of the others, and the ids of its parents."""
    law = "created_is_read_back"
    for input_ in inputs(operation):
        if input_.name in body:
            value = item.sent[input_.name] = body[input_.name]
            if input_.is_binding(value, {}):
                evidence = implied(input_.schema.evidence, "a sent value is read back")
                item.expected[input_.name] = Expectation(
                    value, law, operation, evidence, input_.schema.reference, "as it was sent"
                )
    for name, default in defaults(operation, body).items():
        item.expected[name] = Expectation(
            default.value,
            "defaults_are_applied",
            operation,
            default.schema.evidence,
            f"{default.schema.reference}/default",
            "as its default",
        )
    for parameter in operation.parents:
        evidence = implied(parameter.evidence, "an item shows what it belongs to")
        reference = operation.reference(parameter.pointer)
        item.expected[parameter.name] = Expectation(
            item.ids[parameter.resource], law, operation, evidence, reference, "as the id of its parent"
        )


def record_update(item: Item, operation: Operation[Update], body: Mapping[str, Json]) -> None:
    """An update changes what was sent and what that resets, and leaves the rest. What no page settles is forgotten."""
    before = item.values
    expected = _left_by_update(item, operation, frozenset(body))
    unknown = _apply_resets(item, operation, frozenset(body), _surely_changed(item, body), expected)
    settled = {name: expectation.value for name, expectation in expected.items()}
    for input_ in inputs(operation):
        if input_.name not in body:
            continue
        value = body[input_.name]
        item.sent.pop(input_.name, None)
        expected.pop(input_.name, None)
        if input_.name not in unknown and input_.is_binding(value, before) and input_.is_binding(value, settled):
            item.sent[input_.name] = value
            evidence = implied(input_.schema.evidence.weakest(operation.kind.evidence), "an updated value is shown")
            expected[input_.name] = Expectation(
                value, "update_shows", operation, evidence, input_.schema.reference, "as it was updated"
            )
    after = {name: expectation.value for name, expectation in expected.items()}
    for name, input_ in item.inputs.items():
        if name in expected and not input_.is_binding(after[name], after):
            del expected[name]
    item.expected = expected


def _surely_changed(item: Item, body: Mapping[str, Json]) -> frozenset[str]:
    """The inputs of an update that surely get another value than the item had."""
    had, inputs_ = item.known_values, item.inputs
    return frozenset(
        name
        for name, value in body.items()
        if name in inputs_
        and (not same(had[name], value) if name in had else bool(inputs_[name].pattern) and isinstance(value, str))
    )


def _left_by_update(item: Item, operation: Operation[Update], sent: frozenset[str]) -> dict[str, Expectation]:
    """The fields that an update leaves: inputs that were not sent, the ids of parents and the times of creation.

    An input whose default depends on a sent one is not among them: no page says whether the default follows.
    """
    partial, times = operation.kind.partial, item.creation_times
    dependencies = default_dependencies(item.operations.create)
    lasting = item.inputs.keys() | times.keys() | item.parent_fields
    reference = operation.extension_reference("update/partial")
    return {
        name: expectation.kept_by(
            "update_leaves_the_rest", operation, partial.weakest(times.get(name, partial)), reference
        )
        for name, expectation in item.expected.items()
        if name in lasting and name not in sent and not dependencies.get(name, frozenset()) & sent
    }


def _apply_resets(
    item: Item,
    operation: Operation[Update],
    sent: frozenset[str],
    changed: frozenset[str],
    expected: dict[str, Expectation],
) -> frozenset[str]:
    """Set the expectations of the fields that an update resets or must not reset.

    Returns the fields of which nobody can say whether they were reset.
    """
    unknown = set()
    for index, reset in enumerate(operation.kind.resets):
        name, reference = reset.field, operation.extension_reference(f"update/resets/{index}")
        before = item.expected.get(name)
        if sent - {name} <= reset.never:
            if before and name not in sent and reset.evidence.grade is not Grade.DECISION:
                expected[name] = before.kept_by("other_changes_reset_nothing", operation, reset.evidence, reference)
        elif any(group <= changed for group in reset.when) and name not in sent:
            expected[name] = Expectation(
                reset.to, "connectivity_change_resets", operation, reset.evidence, reference, "as the change resets it"
            )
        else:
            unknown.add(name)
            expected.pop(name, None)
    return frozenset(unknown)


def record_action(item: Item, operation: Operation[Act]) -> None:
    """An action leaves the inputs and what it documents as kept. What it changes is unknown until it is shown."""
    kind, inputs_ = operation.kind, item.inputs
    lasting = item.creation_times.keys() | item.parent_fields
    expected = {}
    for name, expectation in item.expected.items():
        if name in kind.changes:
            continue
        if name in kind.keeps:
            reference = operation.extension_reference(f"act/keeps/{name}")
            expected[name] = expectation.kept_by("action_leaves_the_rest", operation, kind.keeps[name], reference)
        elif name in inputs_:
            depends_on = {other for entry in inputs_[name].unsettled for other in entry["unless"]}
            if not depends_on & kind.changes:
                expected[name] = expectation
        elif name in lasting:
            expected[name] = expectation
    item.expected = expected


def record_refusal(item: Item, operation: Operation, law: str = "refused_requests_change_nothing") -> None:
    """A refused request leaves every field as it was; another value breaks `law`."""
    evidence = implied(operation.evidence, "a refused request changes nothing")
    reference = operation.reference(operation.pointer)
    item.expected = {
        name: expectation.kept_by(law, operation, evidence, reference) for name, expectation in item.expected.items()
    }


def record_change_of_children(item: Item) -> None:
    """A child was created or removed, so fields that nobody sent may have changed."""
    lasting = item.inputs.keys() | item.creation_times.keys() | item.parent_fields
    item.expected = {name: expectation for name, expectation in item.expected.items() if name in lasting}


def record_unknown_outcome(item: Item) -> None:
    """Nobody knows what a request did: forget everything that an operation can change."""
    item.expected, item.sent = {}, unchangeable(item)


def unchangeable(item: Item) -> dict[str, Json]:
    """The values of its creation that no update takes."""
    changing = {input_.name for operation in item.operations.updates for input_ in inputs(operation)}
    return {name: value for name, value in item.sent.items() if name not in changing}


def record_shown(item: Item, operation: Operation, shown: Field, value: Json) -> None:
    """Expect a field that nobody sent to stay as this response shows it."""
    match operation.kind:
        case Act():
            law, owner = "action_shows_in_a_read", operation
        case Create():
            law, owner = "created_is_read_back", operation
        case Update():
            law, owner = "update_shows", operation
        case _:
            law, owner = "list_and_detail_agree", item.operations.fetch or item.operations.create
    evidence = implied(shown.schema.evidence, "two responses about one item agree")
    reason = f"as {operation.operation_id} showed it"
    item.expected[shown.name] = Expectation(
        value, law, owner, evidence, shown.schema.reference, reason, operation.operation_id
    )


# --- comparing ------------------------------------------------------------------------------------------------------


def same(first: Json, second: Json) -> bool:
    """Whether two JSON values are the same: 5060 and 5060.0 are, and so is one time in two spellings."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if first == second:
        return True
    if not (isinstance(first, str) and isinstance(second, str) and first[:4].isdigit() and second[:4].isdigit()):
        return False
    one, other = time_at([first], "/0"), time_at([second], "/0")
    return one is not None and other is not None and abs(one - other) < _SAME_TIME


def key(identity: Json) -> str:
    """An id as ids are compared, or "" for what cannot be one. The letters of a UUID have no case (RFC 9562 section 4).

    "." and ".." cannot be ids: in a path they lead elsewhere (RFC 3986 section 5.2.4).
    """
    if isinstance(identity, bool) or not isinstance(identity, str | int) or identity in (".", ".."):
        return ""
    text = str(identity)
    if len(text) != _UUID_LENGTH:
        return text
    try:
        return UUID(text).hex
    except ValueError:
        return text


def in_path(identity: Json) -> str:
    """An id as it is written into a path: `a%2Fb`."""
    return quote(str(identity), safe="", errors="surrogatepass")
