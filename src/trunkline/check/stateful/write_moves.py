"""Moves that create, update, act on and delete items as documented, and record the outcome in the model."""

from __future__ import annotations

from trunkline.check.problem import implied
from trunkline.check.stateful import model
from trunkline.check.stateful.engine import Numbers
from trunkline.check.stateful.fields import conditional_inputs
from trunkline.check.stateful.model import Claim, Item, State
from trunkline.check.stateful.read_moves import ids_of, judge_found, judge_shown, read_item
from trunkline.check.stateful.request_bodies import DraftBody, Values, changing_body, complete_body, partial_body
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import NOT_ABOUT_THE_BODY, Broken, Scenario, is_refusal, is_success
from trunkline.contract.bodies import at_pointer, id_key, json_of
from trunkline.contract.model import Act, Create, Delete, Operation, Update
from trunkline.contract.refusals import documented_response, refusal_for
from trunkline.errors import AvailabilityUnknown, NotOurs, TargetError
from trunkline.exchange import NOT_FOUND, Exchange
from trunkline.findings import Evidence, Finding

_RETRIES = 2
"""A conflict without a reason is reported when this many other values meet it too."""


# --- creating -------------------------------------------------------------------------------------------------------


def create(operations: ResourceOperations, scenario: Scenario, parent: Item | None, numbers: Numbers) -> None:
    """Create an item of a valid body, and read it."""
    operation, run, resource = operations.create, scenario.run, operations.resource
    body = complete_body(operation, run.factory, numbers["body"])
    exchange = scenario.request(operation, ids_of(parent), body=body.values)
    if is_success(exchange):
        run.refused[resource] = 0
        for name, evidence in operation.kind.unique.items():
            scenario.judge(_claim_of_conflict(operation, evidence, f"create/unique/{name}"), True)
    else:
        run.refused[resource] += 1
        run.creation_problems[resource] = (
            f"{operation.operation_id} answered {exchange.response.status} to a valid body"
        )
    if is_refusal(exchange) and parent and parent.exists:
        judge_found(scenario, parent, operation, exchange)
    judge_accepted(scenario, operation, body, exchange)
    item = add_created(scenario, operations, parent, body.values, exchange)
    if item is not None:
        read_item(scenario, item, *numbers["read"])
    elif is_refusal(exchange):
        _judge_conflict_of_new_values(scenario, operations, parent, exchange)


def judge_accepted(scenario: Scenario, operation: Operation, body: DraftBody, exchange: Exchange) -> None:
    """Judge that a body which the page allows is not refused as invalid. Other refusals are not judged."""
    status = exchange.response.status
    about_the_body = is_refusal(exchange) and status not in NOT_ABOUT_THE_BODY | NOT_FOUND
    if body.binding and (is_success(exchange) or about_the_body):
        evidence = implied(body.evidence, "a body that the page allows is accepted")
        place = operation.body.pointer if operation.body else operation.pointer
        claim = Claim("valid_input_is_accepted", operation, evidence, place)
        message = f"{operation.operation_id} refuses a body that its page allows"
        scenario.judge(claim, is_success(exchange), message, "success")


def add_created(
    scenario: Scenario,
    operations: ResourceOperations,
    parent: Item | None,
    values: Values,
    exchange: Exchange,
    *,
    from_valid_body: bool = True,
) -> Item | None:
    """Take in the item that a response says was created. What it shows is judged if the body was valid.

    None if none was created, and if one was or may have been whose id is unknown.
    """
    operation, kind = operations.create, operations.create.kind
    if is_refusal(exchange):
        return None
    if not operations.deletes:
        scenario.run.leftover_count += 1
    identity = at_pointer(json_of(exchange), kind.item + kind.identity)
    if not is_success(exchange) or not id_key(identity):
        if is_success(exchange):
            scenario.run.creation_problems[operations.resource] = (
                f"the response of {operation.operation_id} shows no id"
            )
        if parent is not None:
            parent.may_have_more_children = True
        return None
    item = Item(operations, str(identity), parent, frozenset(values), exchange)
    model.record_creation(item, operation, values)
    with_same_id = [other for other in scenario.items if other.resource == item.resource and other.key == item.key]
    scenario.items.append(item)
    if parent is not None:
        model.record_change_of_children(parent)
    evidence, place = implied(kind.evidence, "an id names one item"), operation.extension_reference("create/identity")
    claim = Claim("ids_are_never_reused", operation, evidence, place)
    message, at = f"{operation.operation_id} answers an id that another item had", f"body{kind.item}{kind.identity}"
    scenario.judge(claim, not with_same_id, message, "a new id", at, item.identity)
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
    """Report a conflict about a new value if other new values get it too."""
    operation = operations.create
    for name in operation.kind.unique:
        evidence = _evidence_of_cause(operation, exchange, "not_unique", name)
        for _ in range(_RETRIES):
            if evidence is None:
                return
            values = complete_body(operation, scenario.run.factory).values
            exchange = scenario.request(operation, ids_of(parent), body=values)
            add_created(scenario, operations, parent, values, exchange)
            evidence = _evidence_of_cause(operation, exchange, "not_unique", name)
        if evidence is not None:
            claim = _claim_of_conflict(operation, evidence, f"create/unique/{name}")
            message = f"{operation.operation_id} answers for each new {name} that it exists already"
            scenario.judge(claim, False, message, "success")


def _claim_of_conflict(operation: Operation, evidence: Evidence, word: str) -> Claim:
    """The claim that a conflict is answered only where there is one."""
    evidence = implied(evidence, "there is a conflict only with another item")
    return Claim("conflict_needs_a_reason", operation, evidence, operation.extension_reference(word))


def _evidence_of_cause(operation: Operation, exchange: Exchange, cause: str, name: str) -> Evidence | None:
    """The evidence that a refusal was answered for this cause: its code is that of no other cause."""
    try:
        refusal = refusal_for(operation, cause, "", "", {"name": name})
        response, code = documented_response(operation.contract, refusal)
    except LookupError:
        return None
    other_codes = {
        other.code
        for documented in operation.responses.values()
        for other_cause, other in documented.refusals.items()
        if other_cause != cause
    }
    answered = at_pointer(json_of(exchange), operation.contract.errors.code)
    if answered != code.code or code.code in other_codes or exchange.response.status != int(response.key):
        return None
    return refusal.evidence.weakest(response.evidence).weakest(code.evidence)


# --- updating -------------------------------------------------------------------------------------------------------


def update(operation: Operation[Update], scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Update some inputs of an item, and read it."""
    (group,) = numbers["group"]
    if group:
        names = frozenset(name for name in input_groups(operation)[group - 1] if belongs_to(item, name))
        body = changing_body(operation, scenario.run.factory, names, item.known_values)
    else:
        body = update_body(scenario, item, operation, numbers["body"])
    if not body.values:
        return
    exchange = scenario.request(operation, item.ids, body=body.values)
    judge_found(scenario, item, operation, exchange)
    judge_accepted(scenario, operation, body, exchange)
    if is_success(exchange):
        model.record_update(item, operation, body.values)
        judge_shown(scenario, item, operation, exchange)
    else:
        record_attempt(item, operation, exchange)
    read_item(scenario, item, *numbers["read"])


def record_attempt(item: Item, operation: Operation, exchange: Exchange, law: str = model.NOTHING_CHANGES) -> None:
    """Record what is known of an item after a request that did not succeed, or should not have."""
    if is_refusal(exchange):
        model.record_refusal(item, operation, law)
        return
    model.record_unknown_outcome(item)
    if isinstance(operation.kind, Create):
        item.may_have_more_children = True
    if isinstance(operation.kind, Delete):
        item.state = State.UNKNOWN


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


# --- acting ---------------------------------------------------------------------------------------------------------


def act(operation: Operation[Act], scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Perform an action on an item, and read the item."""
    body = complete_body(operation, scenario.run.factory, numbers["body"]).values if operation.body else None
    exchange = scenario.request(operation, item.ids, body=body)
    judge_found(scenario, item, operation, exchange)
    if exchange.response.status < 500:
        model.record_action(item, operation)
    else:
        model.record_unknown_outcome(item)
    judge_shown(scenario, item, operation, exchange)
    read_item(scenario, item, *numbers["read"])


# --- deleting -------------------------------------------------------------------------------------------------------


def delete(operation: Operation[Delete], scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Delete an item, and read it."""
    _delete_item(scenario, item, operation)
    read_item(scenario, item, *numbers["read"])


def _delete_item(scenario: Scenario, item: Item, operation: Operation[Delete]) -> None:
    """Delete an item. Judge that this succeeds if it is empty, and is refused if it must be empty and is not."""
    law, kind = "conflicts_are_refused", operation.kind
    children = {resource: scenario.children(item, resource) for resource in kind.empty}
    not_empty = [resource for resource in children if any(child.exists for child in children[resource])]
    is_empty = not item.may_have_more_children and not any(children.values())
    exchange = scenario.request(operation, item.ids)
    status = exchange.response.status
    if item.exists:
        judge_found(scenario, item, operation, exchange)
    for resource in not_empty:
        place = operation.extension_reference(f"delete/empty/{resource}")
        claim = Claim(law, operation, kind.empty[resource], place)
        message = f"{operation.operation_id} deletes an item that still has {resource}"
        scenario.judge(claim, not is_success(exchange), message, "refused")
    if is_success(exchange):
        _record_deletion(scenario, item, operation)
    elif is_refusal(exchange):
        if not_empty and status not in NOT_ABOUT_THE_BODY - {409}:
            scenario.judge_code(law, operation, operation, exchange, "not_empty", not_empty[0])
        elif item.exists and is_empty:
            _judge_deletable(scenario, operation, exchange)
        model.record_refusal(item, operation)
    else:
        item.state = State.UNKNOWN


def _record_deletion(scenario: Scenario, item: Item, operation: Operation[Delete]) -> None:
    """Record that an item was deleted, and that no conflict was answered if there was none."""
    kind, children = operation.kind, scenario.children(item)
    scenario.judge(Claim("deleted_is_gone", operation, kind.evidence), True)
    if not children and not item.may_have_more_children:
        for evidence in (*kind.empty.values(), *((kind.unused,) if kind.unused else ())):
            scenario.judge(_claim_of_conflict(operation, evidence, "delete"), True)
    item.state = State.DELETED
    for child in children:
        child.state = State.UNKNOWN
    if item.parent is not None:
        model.record_change_of_children(item.parent)


def _judge_deletable(scenario: Scenario, operation: Operation[Delete], exchange: Exchange) -> None:
    """Report the refused deletion of an item that exists, is empty and is not in use."""
    kind, status = operation.kind, exchange.response.status
    causes = [("not_empty", resource) for resource in kind.empty] + ([("in_use", "")] if kind.unused else [])
    for cause, resource in causes:
        evidence = _evidence_of_cause(operation, exchange, cause, resource)
        if evidence is not None:
            claim = _claim_of_conflict(operation, evidence, "delete")
            message = f"{operation.operation_id} answers that a new item is {cause.replace('_', ' ')}"
            scenario.judge(claim, False, message, "success")
    if status not in NOT_ABOUT_THE_BODY | NOT_FOUND:
        claim = Claim("deleted_is_gone", operation, kind.evidence)
        message = f"{operation.operation_id} does not delete an item that exists and is empty"
        scenario.judge(claim, False, message, "success")


def clean_up(scenario: Scenario, judged: bool) -> Finding | None:
    """End a scenario: delete its items, children first, and remember those that no operation deletes.

    The deletions are judged too, if `judged`.
    """
    scenario.reporting = judged
    run, finding = scenario.run, None
    for item in reversed(scenario.items):
        if item.state is State.DELETED:
            continue
        if not item.operations.deletes:
            known = {leftover.identity for leftover in run.leftovers}
            if run.allowed_leftovers is not None and item.exists and item.parent is None and item.identity not in known:
                run.leftovers.append(item)
            continue
        try:
            _delete_item(scenario, item, item.operations.deletes[0])
        except Broken as broken:
            finding = finding or broken.finding
            scenario.reporting = False
        except (NotOurs, AvailabilityUnknown):
            continue  # the gate reports the leftovers at the end
        except TargetError:
            if judged and finding is None:
                raise
            break
    return finding
