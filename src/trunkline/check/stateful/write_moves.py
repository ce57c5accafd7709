"""Moves that create, update, act on and remove items as documented, and record the outcome in the model."""

from __future__ import annotations

from trunkline.check.problem import implied
from trunkline.check.stateful.engine import Numbers, pick
from trunkline.check.stateful.fields import conditional_inputs, inputs
from trunkline.check.stateful.model import (
    Item,
    State,
    key,
    record_action,
    record_change_of_children,
    record_creation,
    record_refusal,
    record_unknown_outcome,
    record_update,
)
from trunkline.check.stateful.read_moves import ids_of, judge_found, judge_shown, pick_parent, read_item
from trunkline.check.stateful.request_bodies import DraftBody, Values, changing_body, complete_body, partial_body
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import NOT_ABOUT_THE_BODY, NOT_FOUND, Broken, Scenario
from trunkline.contract.bodies import at_pointer, json_of
from trunkline.contract.model import Act, Delete, Operation, Update
from trunkline.errors import NotOurs, TargetError
from trunkline.exchange import Exchange
from trunkline.findings import Evidence, Finding

_RETRIES = 2
"""A conflict without a reason is reported when this many other values meet it too."""


# --- creating -------------------------------------------------------------------------------------------------------


def create(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Create an item of a valid body, and read it."""
    parent = pick_parent(scenario, operations, numbers)
    body = complete_body(operations.create, scenario.run.factory, numbers["body"])
    item = create_item(scenario, operations, parent, body)
    if item is not None:
        read_item(scenario, item, *numbers["read"])


def create_item(
    scenario: Scenario, operations: ResourceOperations, parent: Item | None, body: DraftBody
) -> Item | None:
    """Create an item of a valid body. None if it was not created, or if its id is unknown."""
    operation, run = operations.create, scenario.run
    exchange = scenario.send(operation, ids_of(parent), body.values)
    status = exchange.response.status
    if 200 <= status < 300:
        run.refused[operations.resource] = 0
        judge_accepted(scenario, operation, body, status)
        for name, evidence in operation.kind.unique.items():
            _judge_conflict_reason(scenario, operation, evidence, f"create/unique/{name}")
        return add_item(scenario, operations, parent, body.values, exchange)
    run.refused[operations.resource] += 1
    run.obstacles[operations.resource] = f"{operation.operation_id} answered {status} to a valid body"
    if 400 <= status < 500:
        if parent is not None and parent.exists:
            judge_found(scenario, parent, operation, status)
        judge_accepted(scenario, operation, body, status)
        _judge_conflict_of_new_values(scenario, operations, parent, exchange)
    else:
        note_unknown_creation(scenario, operations, parent)
    return None


def note_unknown_creation(scenario: Scenario, operations: ResourceOperations, parent: Item | None) -> None:
    """An item may have been created whose id is unknown."""
    if not operations.deletes:
        scenario.run.left_count += 1
    if parent is not None:
        parent.may_have_more_children = True


def judge_accepted(scenario: Scenario, operation: Operation, body: DraftBody, status: int) -> None:
    """A body that the page allows is not refused as invalid. A refusal for another reason says nothing about it."""
    succeeded = 200 <= status < 300
    about_the_body = 400 <= status < 500 and status not in NOT_ABOUT_THE_BODY and status not in NOT_FOUND
    if not body.binding or not (succeeded or about_the_body):
        return
    scenario.judge(
        "valid_input_is_accepted",
        operation,
        implied(body.evidence, "a body that the page allows is accepted"),
        succeeded,
        f"{operation.operation_id} refuses a body that its page allows",
        reference=operation.reference(operation.body.pointer if operation.body else operation.pointer),
        expected="success",
        seen=str(status),
    )


def add_item(
    scenario: Scenario,
    operations: ResourceOperations,
    parent: Item | None,
    values: Values,
    exchange: Exchange,
    *,
    from_valid_body: bool = True,
) -> Item | None:
    """Take in an item that a response says was created. What it shows is judged if the body was valid."""
    operation, kind = operations.create, operations.create.kind
    identity = at_pointer(json_of(exchange), kind.item + kind.identity)
    if not key(identity):
        scenario.run.obstacles[operations.resource] = f"the response of {operation.operation_id} shows no id"
        note_unknown_creation(scenario, operations, parent)
        return None
    if not operations.deletes:
        scenario.run.left_count += 1
    item = Item(operations, str(identity), parent, frozenset(values), (exchange,))
    record_creation(item, operation, values)
    with_same_id = [
        other
        for other in scenario.items
        if other.resource == operations.resource and key(other.identity) == key(identity)
    ]
    scenario.items.append(item)
    if parent is not None:
        record_change_of_children(parent)
    scenario.judge(
        "ids_are_never_reused",
        operation,
        implied(kind.evidence, "an id names one item"),
        not with_same_id,
        f"{operation.operation_id} answers an id that another item had",
        at=f"body{kind.item}{kind.identity}",
        reference=operation.extension_reference("create/identity"),
        expected="a new id",
        seen=item.identity,
    )
    for other in with_same_id:
        other.state = State.UNKNOWN
    if from_valid_body:
        judge_shown(scenario, item, operation, exchange)
    else:
        item.expected.clear()
    return item


def _judge_conflict_of_new_values(
    scenario: Scenario, operations: ResourceOperations, parent: Item | None, exchange: Exchange
) -> None:
    """A conflict about a new value has no reason. It is reported if other new values meet it too."""
    operation = operations.create
    for name in operation.kind.unique:
        evidence = scenario.evidence_of_cause(operation, exchange, "not_unique", name)
        for _ in range(_RETRIES):
            if evidence is None:
                return
            body = complete_body(operation, scenario.run.factory, (0,) * len(inputs(operation)))
            exchange = scenario.send(operation, ids_of(parent), body.values)
            if 200 <= exchange.response.status < 300:
                add_item(scenario, operations, parent, body.values, exchange)
                return
            if not 400 <= exchange.response.status < 500:
                note_unknown_creation(scenario, operations, parent)
            evidence = scenario.evidence_of_cause(operation, exchange, "not_unique", name)
        if evidence is not None:
            broken = f"{operation.operation_id} answers for each new {name} that it exists already"
            word, status = f"create/unique/{name}", exchange.response.status
            _judge_conflict_reason(scenario, operation, evidence, word, broken, status)


def _judge_conflict_reason(
    scenario: Scenario, operation: Operation, evidence: Evidence, word: str, broken: str = "", status: int = 0
) -> None:
    """A conflict is answered only where there is one. `broken` is the message of a finding, if there is one."""
    scenario.judge(
        "conflict_needs_a_reason",
        operation,
        implied(evidence, "there is a conflict only with another item"),
        not broken,
        broken,
        reference=operation.extension_reference(word),
        expected="success",
        seen=str(status),
    )


# --- updating -------------------------------------------------------------------------------------------------------


def update(operations: ResourceOperations, operation: Operation[Update], scenario: Scenario, numbers: Numbers) -> None:
    """Update some inputs of an item, and read it."""
    item = pick(scenario.existing(operations.resource), *numbers["item"])
    (number,) = numbers["group"]
    if number:
        names = frozenset(name for name in input_groups(operation)[number - 1] if belongs_to(item, name))
        body = changing_body(operation, scenario.run.factory, names, item.known_values)
    else:
        body = update_body(scenario, item, operation, numbers["body"])
    if body.values:
        update_item(scenario, item, operation, body)
        read_item(scenario, item, *numbers["read"])


def update_body(scenario: Scenario, item: Item, operation: Operation, chosen: tuple[int, ...]) -> DraftBody:
    """A valid body of the chosen inputs that belong to the item."""
    return partial_body(operation, scenario.run.factory, chosen, lambda name: belongs_to(item, name), item.known_values)


def input_groups(operation: Operation[Update]) -> tuple[frozenset[str], ...]:
    """The sets of inputs that are worth updating together: those that reset something, and those that never do."""
    resets = operation.kind.resets
    return tuple(dict.fromkeys(group for reset in resets for group in (*reset.when, reset.never)))


def belongs_to(item: Item, name: str) -> bool:
    """Whether an item has an input. One that only some items need belongs to those that were created with it."""
    return name not in conditional_inputs(item.operations.create) or name in item.created_with


def update_item(scenario: Scenario, item: Item, operation: Operation[Update], body: DraftBody) -> None:
    """Send a valid update, judge its response, and record the outcome in the model."""
    exchange = scenario.send(operation, item.ids, body.values)
    status = exchange.response.status
    judge_found(scenario, item, operation, status)
    judge_accepted(scenario, operation, body, status)
    if 200 <= status < 300:
        record_update(item, operation, body.values)
        judge_shown(scenario, item, operation, exchange)
    elif 400 <= status < 500:
        record_refusal(item, operation)
    else:
        record_unknown_outcome(item)


# --- acting ---------------------------------------------------------------------------------------------------------


def act(operations: ResourceOperations, operation: Operation[Act], scenario: Scenario, numbers: Numbers) -> None:
    """Perform an action on an item, and read the item."""
    item = pick(scenario.existing(operations.resource), *numbers["item"])
    if operation.body:
        body = complete_body(operation, scenario.run.factory, numbers["body"])
        exchange = scenario.send(operation, item.ids, body.values)
    else:
        exchange = scenario.request(operation, item.ids)
    status = exchange.response.status
    judge_found(scenario, item, operation, status)
    if 200 <= status < 500:
        record_action(item, operation)
    else:
        record_unknown_outcome(item)
    if 200 <= status < 300:
        judge_shown(scenario, item, operation, exchange)
    read_item(scenario, item, *numbers["read"])


# --- removing -------------------------------------------------------------------------------------------------------


def remove(operations: ResourceOperations, operation: Operation[Delete], scenario: Scenario, numbers: Numbers) -> None:
    """Remove an item, and read it."""
    item = pick(scenario.existing(operations.resource), *numbers["item"])
    remove_item(scenario, item, operation)
    read_item(scenario, item, *numbers["read"])


def remove_item(scenario: Scenario, item: Item, operation: Operation[Delete]) -> None:
    """An empty item is removed; one that must be empty and is not stays."""
    kind = operation.kind
    children = {resource: scenario.children(item, resource) for resource in kind.empty}
    not_empty = [resource for resource in children if any(child.exists for child in children[resource])]
    surely_empty = not item.may_have_more_children and not any(children.values())
    exchange = scenario.request(operation, item.ids)
    status = exchange.response.status
    if item.exists:
        judge_found(scenario, item, operation, status)
    for resource in not_empty:
        scenario.judge(
            "conflicts_are_refused",
            operation,
            kind.empty[resource],
            not 200 <= status < 300,
            f"{operation.operation_id} removes an item that still has {resource}",
            reference=operation.extension_reference(f"delete/empty/{resource}"),
            expected="refused",
            seen=str(status),
        )
    if 200 <= status < 300:
        _record_removal(scenario, item, operation)
    elif 400 <= status < 500:
        if not_empty and status not in NOT_ABOUT_THE_BODY - {409}:
            scenario.judge_code("conflicts_are_refused", operation, operation, exchange, "not_empty", not_empty[0])
        elif item.exists and surely_empty:
            _judge_removable(scenario, operation, exchange)
        record_refusal(item, operation)
    else:
        item.state = State.UNKNOWN


def _record_removal(scenario: Scenario, item: Item, operation: Operation[Delete]) -> None:
    """Record that an item was removed, and that no conflict was answered if there was none."""
    kind, children = operation.kind, scenario.children(item)
    scenario.judge("removed_is_gone", operation, kind.evidence, True, "")
    if not children and not item.may_have_more_children:
        for evidence in (*kind.empty.values(), *((kind.unused,) if kind.unused else ())):
            _judge_conflict_reason(scenario, operation, evidence, "delete")
    item.state = State.REMOVED
    for child in children:
        child.state = State.UNKNOWN
    if item.parent is not None:
        record_change_of_children(item.parent)


def _judge_removable(scenario: Scenario, operation: Operation[Delete], exchange: Exchange) -> None:
    """The removal of an item that exists, is empty and is not in use is not refused."""
    kind, status = operation.kind, exchange.response.status
    causes = [("not_empty", resource) for resource in kind.empty] + ([("in_use", "")] if kind.unused else [])
    for cause, resource in causes:
        evidence = scenario.evidence_of_cause(operation, exchange, cause, resource)
        if evidence is not None:
            broken = f"{operation.operation_id} answers that a new item is {cause.replace('_', ' ')}"
            _judge_conflict_reason(scenario, operation, evidence, "delete", broken, status)
    if status not in NOT_ABOUT_THE_BODY and status not in NOT_FOUND:
        scenario.judge(
            "removed_is_gone",
            operation,
            kind.evidence,
            False,
            f"{operation.operation_id} does not remove an item that exists and is empty",
            expected="success",
            seen=str(status),
        )


def clean_up(scenario: Scenario, judged: bool) -> Finding | None:
    """End a scenario: remove its items, children first, and remember those that no operation removes.

    The removals are judged too, if `judged`.
    """
    scenario.silent = not judged
    run, finding = scenario.run, None
    for item in reversed(scenario.items):
        if item.state is State.REMOVED:
            continue
        if not item.operations.deletes:
            known = {left.identity for left in run.left_behind}
            if run.leave is not None and item.exists and item.parent is None and item.identity not in known:
                run.left_behind.append(item)
            continue
        try:
            remove_item(scenario, item, item.operations.deletes[0])
        except Broken as broken:
            finding = finding or broken.finding
            scenario.silent = True
        except NotOurs:
            continue  # the gate reports at the end what is left behind
        except TargetError:
            if judged and finding is None:
                raise
            break
    return finding
