"""The model: which items exist and what each of their fields must be, and how each request changes that.

It follows the contract alone. A field that no page settles has no expectation, so every value of it is lawful.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from urllib.parse import quote

from trunkline.check.problem import implied
from trunkline.check.stateful.fields import Field, Input, creation_times, default_dependencies, defaults, inputs
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.contract.bodies import id_key, same_id
from trunkline.contract.formats import read_time
from trunkline.contract.model import Act, Create, Operation, Update
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence

NOTHING_CHANGES = "refused_requests_change_nothing"
"""The law that a refused request must not break."""


class State(Enum):
    """Whether an item exists. `UNKNOWN` if the responses do not show it."""

    EXISTS = "exists"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """A law, the operation that it is judged for, and the evidence.

    `place` is a pointer into the contract document or a reference, by default the operation. `assumes` are the laws
    that it relies on: a field that stays as it was must have been right before, and may not have been read since.
    """

    law: str
    operation: Operation
    evidence: Evidence
    place: str = ""
    assumes: frozenset[str] = frozenset()

    def weakened(self, evidence: Evidence) -> Claim:
        """The claim with the weaker of its own evidence and this."""
        weakest = self.evidence.weakest(evidence)
        return self if weakest is self.evidence else replace(self, evidence=weakest)


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """The value that a field must have, and the claim that another value breaks.

    `shown_by` is the operationId of the response that showed a field which nobody sent.
    """

    value: Json
    claim: Claim
    reason: str
    shown_by: str = ""

    def kept_by(self, claim: Claim) -> ExpectedValue:
        """The expectation that an operation leaves the value as it is."""
        assumes = self.claim.assumes | {self.claim.law}
        claim = replace(claim.weakened(self.claim.evidence), assumes=assumes)
        return ExpectedValue(self.value, claim, f"as it was before {claim.operation.operation_id}")


@dataclass(slots=True, eq=False, repr=False)
class Item:
    """An item that the check created.

    `created_with` are the inputs of its creation. `creation` is the exchange that created it. `expected` is what its
    fields must be, and `sent` the values that were sent for its inputs since, secrets included.
    """

    operations: ResourceOperations
    identity: str
    parent: Item | None
    created_with: frozenset[str]
    creation: Exchange
    expected: dict[str, ExpectedValue] = field(default_factory=dict)
    sent: dict[str, Json] = field(default_factory=dict)
    state: State = State.EXISTS
    may_have_more_children: bool = False
    """Whether children may exist whose creation got no clear response."""

    @property
    def exists(self) -> bool:
        return self.state is State.EXISTS and (self.parent is None or self.parent.exists)

    @property
    def resource(self) -> str:
        return self.operations.resource

    @property
    def key(self) -> str:
        """The id, as ids are compared."""
        return id_key(self.identity)

    @property
    def ids(self) -> dict[str, str]:
        """The ids of the item and of its parents, by resource: `{"sip-trunks": "a1", "dids": "d7"}`."""
        return {**(self.parent.ids if self.parent else {}), self.resource: self.identity}

    @property
    def known_values(self) -> dict[str, Json]:
        """The expected values, and the values that were sent for fields that are not shown."""
        return {**_values(self.expected), **self.sent}

    @property
    def inputs(self) -> dict[str, Input]:
        """The inputs of its creation and of its updates, by name."""
        return {input_.name: input_ for writer in self.operations.writers for input_ in inputs(writer)}

    @property
    def creation_times(self) -> dict[str, Evidence]:
        """The fields that show when it was created."""
        operations: tuple[Operation, ...] = (*self.operations.readers, *self.operations.writers)
        return {name: evidence for operation in operations for name, evidence in creation_times(operation).items()}

    @property
    def lasting(self) -> set[str]:
        """The fields that only an operation on the item can change: inputs, times of creation and ids of parents."""
        parents = {parameter.name for parameter in self.operations.create.parents}
        return self.inputs.keys() | self.creation_times.keys() | parents


def _values(expected: Mapping[str, ExpectedValue]) -> dict[str, Json]:
    return {name: expectation.value for name, expectation in expected.items()}


# --- how requests change the model ----------------------------------------------------------------------------------


def record_creation(item: Item, operation: Operation[Create], body: Mapping[str, Json]) -> None:
    """Expect the values that were sent, the defaults of the others, and the ids of the parents."""
    law = "created_is_read_back"
    for input_ in inputs(operation):
        if input_.name in body:
            value = item.sent[input_.name] = body[input_.name]
            if input_.is_binding(value, {}):
                evidence = implied(input_.schema.evidence, "a sent value is read back")
                claim = Claim(law, operation, evidence, input_.schema.reference)
                item.expected[input_.name] = ExpectedValue(value, claim, "as it was sent")
    for name, default in defaults(operation, body).items():
        schema = default.schema
        claim = Claim("defaults_are_applied", operation, schema.evidence, f"{schema.reference}/default")
        item.expected[name] = ExpectedValue(default.value, claim, "as its default")
    for parameter in operation.parents:
        evidence = implied(parameter.evidence, "an item shows what it belongs to")
        claim = Claim(law, operation, evidence, parameter.pointer)
        item.expected[parameter.name] = ExpectedValue(item.ids[parameter.resource], claim, "as the id of its parent")


def record_update(item: Item, operation: Operation[Update], body: Mapping[str, Json]) -> None:
    """Expect the sent values, the resets, and the rest as it was. Remove the expectations that no page settles."""
    before = _values(item.expected)
    expected = _left_by_update(item, operation, body)
    unknown = _apply_resets(item, operation, body, expected)
    settled = _values(expected)
    for input_ in inputs(operation):
        if input_.name not in body:
            continue
        value = body[input_.name]
        item.sent.pop(input_.name, None)
        expected.pop(input_.name, None)
        if input_.name not in unknown and input_.is_binding(value, before) and input_.is_binding(value, settled):
            item.sent[input_.name] = value
            evidence = implied(input_.schema.evidence.weakest(operation.kind.evidence), "an updated value is shown")
            claim = Claim("update_shows", operation, evidence, input_.schema.reference)
            expected[input_.name] = ExpectedValue(value, claim, "as it was updated")
    after = _values(expected)
    for name, input_ in item.inputs.items():
        if name in expected and not input_.is_binding(after[name], after):
            del expected[name]
    item.expected = expected


def _left_by_update(item: Item, operation: Operation[Update], body: Mapping[str, Json]) -> dict[str, ExpectedValue]:
    """The lasting fields that were not sent, as an update leaves them.

    An input whose default depends on a sent one is not among them: no page says whether the default follows.
    """
    partial, times, lasting = operation.kind.partial, item.creation_times, item.lasting
    claim = Claim("update_leaves_the_rest", operation, partial, operation.extension_reference("update/partial"))
    dependencies = default_dependencies(item.operations.create)
    return {
        name: expectation.kept_by(claim.weakened(times.get(name, partial)))
        for name, expectation in item.expected.items()
        if name in lasting and name not in body and dependencies.get(name, frozenset()).isdisjoint(body)
    }


def _apply_resets(
    item: Item, operation: Operation[Update], body: Mapping[str, Json], expected: dict[str, ExpectedValue]
) -> set[str]:
    """Set the expectations of the fields that an update resets or must not reset.

    Returns the fields that may or may not have been reset.
    """
    unknown, changed = set(), _changed_inputs(item, body)
    for index, reset in enumerate(operation.kind.resets):
        name, reference = reset.field, operation.extension_reference(f"update/resets/{index}")
        before = item.expected.get(name)
        if body.keys() - {name} <= reset.never:
            if before and name not in body and reset.evidence.grade.carries_findings:
                claim = Claim("other_changes_reset_nothing", operation, reset.evidence, reference)
                expected[name] = before.kept_by(claim)
        elif any(group <= changed for group in reset.when) and name not in body:
            claim = Claim("connectivity_change_resets", operation, reset.evidence, reference)
            expected[name] = ExpectedValue(reset.to, claim, "as the change resets it")
        else:
            unknown.add(name)
            expected.pop(name, None)
    return unknown


def _changed_inputs(item: Item, body: Mapping[str, Json]) -> set[str]:
    """The inputs of an update that get another value than the item had."""
    had, inputs_ = item.known_values, item.inputs
    return {
        name
        for name, value in body.items()
        if name in inputs_
        and (not same(had[name], value) if name in had else bool(inputs_[name].pattern) and isinstance(value, str))
    }


def record_action(item: Item, operation: Operation[Act]) -> None:
    """Keep the expectations of the inputs and of the fields that the action must leave, and remove the others."""
    kind, inputs_, lasting = operation.kind, item.inputs, item.lasting
    expected = {}
    for name, expectation in item.expected.items():
        unsettled = inputs_[name].unsettled if name in inputs_ else ()
        depends_on = {name, *(other for entry in unsettled for other in entry["unless"])}
        if name in kind.keeps:
            reference = operation.extension_reference(f"act/keeps/{name}")
            claim = Claim("action_leaves_the_rest", operation, kind.keeps[name], reference)
            expected[name] = expectation.kept_by(claim)
        elif name in lasting and not depends_on & kind.changes:
            expected[name] = expectation
    item.expected = expected


def record_refusal(item: Item, operation: Operation, law: str = NOTHING_CHANGES) -> None:
    """Expect every field as it was; another value breaks `law`."""
    evidence = implied(operation.evidence, "a refused request changes nothing")
    claim = Claim(law, operation, evidence)
    item.expected = {name: expectation.kept_by(claim) for name, expectation in item.expected.items()}


def record_change_of_children(item: Item) -> None:
    """Remove the expectations that the creation or deletion of a child may have changed."""
    lasting = item.lasting
    item.expected = {name: expectation for name, expectation in item.expected.items() if name in lasting}


def record_unknown_outcome(item: Item) -> None:
    """Remove the expectations that the request may have changed."""
    item.expected, item.sent = {}, unchangeable(item)


def unchangeable(item: Item) -> dict[str, Json]:
    """The values of its creation that no update takes."""
    changing = {input_.name for operation in item.operations.updates for input_ in inputs(operation)}
    return {name: value for name, value in item.sent.items() if name not in changing}


_LAWS_OF_SHOWN_FIELDS: Mapping[type, str] = {
    Act: "action_shows_in_a_read",
    Create: "created_is_read_back",
    Update: "update_shows",
}
"""The law that a field which nobody sent stays as it was shown, by the kind of the operation that showed it."""


def record_shown(item: Item, operation: Operation, shown: Field, value: Json) -> None:
    """Expect a field that nobody sent to stay as this response shows it."""
    law, owner = _LAWS_OF_SHOWN_FIELDS.get(type(operation.kind)), operation
    if law is None:
        law, owner = "list_and_detail_agree", next(iter(item.operations.fetches), item.operations.create)
    evidence = implied(shown.schema.evidence, "two responses about one item agree")
    claim = Claim(law, owner, evidence, shown.schema.reference)
    name = operation.operation_id
    item.expected[shown.name] = ExpectedValue(value, claim, f"as {name} showed it", name)


# --- comparing ------------------------------------------------------------------------------------------------------


def same(first: Json, second: Json) -> bool:
    """Whether two JSON values are the same: 5060 and 5060.0 are, and so is one time or one UUID in two spellings."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if first == second:
        return True
    if not (isinstance(first, str) and isinstance(second, str)):
        return False
    if same_id(first, second):
        return True
    if not (first[:4].isdigit() and second[:4].isdigit()):
        return False
    one, other = read_time(first), read_time(second)
    return one is not None and other is not None and one.is_near(other)


def in_path(identity: Json) -> str:
    """An id as it is written into a path: `a%2Fb`."""
    return quote(str(identity), safe="", errors="surrogatepass")
