"""Moves that must be refused: invalid bodies, duplicates, and requests about items that are deleted or out of reach."""

from __future__ import annotations

from trunkline.check.problem import implied
from trunkline.check.stateful import model
from trunkline.check.stateful.engine import Numbers, choose
from trunkline.check.stateful.fields import inputs, shown_fields
from trunkline.check.stateful.model import Claim, Item, State, same
from trunkline.check.stateful.read_moves import ids_of, read_item
from trunkline.check.stateful.request_bodies import (
    Flaw,
    Values,
    complete_body,
    flaws,
    label_input,
    partial_body,
    to_json,
)
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import NOT_ABOUT_THE_BODY, Scenario, by_key, is_refusal, is_success
from trunkline.check.stateful.write_moves import add_created, belongs_to, record_attempt, update_body
from trunkline.contract.bodies import at_pointer
from trunkline.contract.model import Delete, Operation, Update
from trunkline.contract.predicates import is_list
from trunkline.contract.refusals import confirmed_reasons, reasons_to_refuse
from trunkline.exchange import Exchange
from trunkline.findings import to_text

_MIN_DISTINCTIVE_CHARACTERS = 6
"""A shorter text may be in another item by chance."""


# --- invalid bodies -------------------------------------------------------------------------------------------------


def create_flawed(operations: ResourceOperations, scenario: Scenario, parent: Item | None, numbers: Numbers) -> None:
    """Create an item with one flaw in its body. The rules judge the response, and this move that nothing is created."""
    operation = operations.create
    flaw = choose(flaws(operation), *numbers["flaw"])
    values = complete_body(operation, scenario.run.factory, numbers["body"], flaw.requires).values
    exchange, intact = _send_flawed(scenario, operation, ids_of(parent), flaw, values)
    if flaw.condition is not None:
        when = " and ".join(f"{name} is {to_text(value)}" for name, value in flaw.condition.when.items())
        reasons = confirmed_reasons if is_success(exchange) else reasons_to_refuse
        for reason in reasons(operation.contract, exchange.request):
            place = reason.reference(operation.contract)
            claim = Claim("conditional_inputs_are_required", operation, reason.evidence, place)
            message = f"{operation.operation_id} accepts a body with {reason.sent}, though {when}"
            expected = f"refused, since {reason.broke}"
            scenario.judge(claim, not is_success(exchange), message, expected)
    add_created(scenario, operations, parent, intact, exchange, from_valid_body=False)
    if is_refusal(exchange):
        _judge_not_created(scenario, operations, parent, intact, numbers)


def update_flawed(operation: Operation[Update], scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Update an item with one flaw in the body. The rules judge the response, and this move that nothing changes.

    A field that is no input is sent with the value that the item has, so that nothing changes if it is stored.
    """
    flaw = choose(flaws(operation), *numbers["flaw"])
    values = update_body(scenario, item, operation, numbers["body"]).values
    if flaw.read_only is not None:
        value = item.known_values.get(flaw.read_only.name)
        if value is None or not flaw.read_only.schema.allows(value):
            return
        values[flaw.read_only.name] = value
    exchange, _ = _send_flawed(scenario, operation, item.ids, flaw, values)
    record_attempt(item, operation, exchange)
    read_item(scenario, item, *numbers["read"])


def _send_flawed(
    scenario: Scenario, operation: Operation, ids: dict[str, str], flaw: Flaw, values: Values
) -> tuple[Exchange, Values]:
    """Send a body with its flaw. Returns the exchange, and the values that the flaw left as they were."""
    flawed = flaw.apply(values)
    sent = flawed if isinstance(flawed, dict) else {}
    label, prefix = label_input(operation), scenario.run.factory.prefix
    text = sent.get(label)
    if isinstance(text, str) and not text.startswith(prefix):  # so that an accepted item can be identified
        flawed = sent = {**sent, label: f"{prefix}{text}"}
    scenario.remember_secrets(operation, values)
    exchange = scenario.request(operation, ids, body=flaw.edit_bytes(to_json(flawed)), media_type=flaw.media_type)
    return exchange, {name: value for name, value in values.items() if name in sent and sent[name] == value}


def _judge_not_created(
    scenario: Scenario, operations: ResourceOperations, parent: Item | None, sent: Values, numbers: Numbers
) -> None:
    """Judge that no list shows an item with the values of a refused creation."""
    operation = operations.create
    (choice,) = numbers["read"]
    if not choice or not operations.lists:
        return
    listing = choose(operations.lists, choice - 1)
    choices = {input_.name for input_ in inputs(operation) if "enum" in input_.schema.content}
    shown = {name: value for name, value in sent.items() if name in shown_fields(listing) and name not in choices}
    if not any(isinstance(value, str) and len(value) >= _MIN_DISTINCTIVE_CHARACTERS for value in shown.values()):
        return
    reading = scenario.read_list(listing, ids_of(parent if listing.parents else None))
    if not reading.readable:
        return
    ours = {item.key for item in scenario.items if item.resource == operations.resource}
    place = f"body{listing.kind.items}"
    same_values = [
        f"{place}/{index}"
        for identity, (index, item) in by_key(reading).items()
        if identity not in ours and all(same(at_pointer(item, f"/{name}"), value) for name, value in shown.items())
    ]
    evidence = implied(operation.evidence, "a refused request changes nothing")
    claim = Claim(model.NOTHING_CHANGES, operation, evidence)
    message = f"{operation.operation_id} refused a body, but {listing.operation_id} shows an item with its values"
    seen = f"one with the {' and '.join(shown)} that was sent"
    scenario.judge(claim, not same_values, message, "nothing created", next(iter(same_values), place), seen)


# --- duplicates -----------------------------------------------------------------------------------------------------


def create_duplicate(scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Create an item with the value of another that must be unique."""
    law, operations = "conflicts_are_refused", item.operations
    operation, unique = operations.create, operations.create.kind.unique
    name = choose([name for name in unique if name in item.sent], *numbers["name"])
    parent = choose(scenario.parents_of(operations.create), *numbers["parent"])
    values = complete_body(operation, scenario.run.factory, numbers["body"], {name: item.sent[name]}).values
    exchange = scenario.request(operation, ids_of(parent), body=values)
    status = exchange.response.status
    claim = Claim(law, operation, unique[name], operation.extension_reference(f"create/unique/{name}"))
    message = f"{operation.operation_id} accepts a {name} that another item has"
    scenario.judge(claim, not is_success(exchange), message, "refused")
    add_created(scenario, operations, parent, values, exchange)
    if is_refusal(exchange):
        if status not in NOT_ABOUT_THE_BODY - {409}:
            scenario.judge_code(law, operation, operation, exchange, "not_unique", name)
        _judge_not_created(scenario, operations, parent, values, numbers)


def create_same_values(scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Create an item with the values of another, apart from its name, secrets and unique values: it is a new item.

    A refusal is allowed: it is not documented that two items may have the same values.
    """
    operation = item.operations.create
    own = {*operation.kind.unique, label_input(operation)}
    shared = {input_.name for input_ in inputs(operation) if not input_.secret} - own
    start = {name: value for name, value in item.sent.items() if name in shared}
    values = complete_body(operation, scenario.run.factory, numbers["body"], start).values
    exchange = scenario.request(operation, ids_of(item.parent), body=values)
    add_created(scenario, item.operations, item.parent, values, exchange)


# --- items that are deleted or out of reach -------------------------------------------------------------------------


def use_deleted(scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Send a request about a deleted item: it is not found."""
    operation = choose(item.operations.naming_item, *numbers["operation"])
    law = "second_deletion_is_not_found" if isinstance(operation.kind, Delete) else "deleted_is_gone"

    def use() -> None:
        exchange = _request_about(scenario, item, operation, item.ids)
        scenario.judge_not_found(law, item.operations.deletes[0], operation, exchange, item)

    if operation.reads:
        scenario.settled(use)
    else:
        use()


def deleted_items(operations: ResourceOperations, scenario: Scenario) -> list[Item]:
    """The deleted items whose id no other item has and whose parent exists."""
    existing = {item.key for item in scenario.existing(operations.resource)}
    return [
        item
        for item in scenario.items
        if item.resource == operations.resource
        and item.state is State.DELETED
        and item.key not in existing
        and (item.parent is None or item.parent.exists)
    ]


def use_wrong_parent(scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Send a request about an item below another parent: it is not found, and the item stays as it is."""
    law = "items_are_found_only_under_their_parent"
    operations = item.operations
    others = [parent for parent in scenario.parents_of(operations.create) if parent is not item.parent]
    operation = choose([operation for operation in operations.about_item if operation.parents], *numbers["operation"])
    ids = {**ids_of(choose(others, *numbers["parent"])), item.resource: item.identity}
    exchange = _request_about(scenario, item, operation, ids)
    scenario.judge_not_found(law, operation, operation, exchange, item)
    record_attempt(item, operation, exchange, law)
    read_item(scenario, item, *numbers["read"])


def use_other_account(scenario: Scenario, item: Item, numbers: Numbers) -> None:
    """Send a request about an item with the credential of another account: it shows nothing, and the item stays."""
    operation = choose(item.operations.tried_by_other_account, *numbers["operation"])
    security = operation.contract.security
    evidence = implied(security.evidence, "a credential gives access to its own account only")
    claim = Claim("accounts_are_apart", operation, evidence, security.pointer)
    message = f"{operation.operation_id} gives another account access to an item of this one"
    condition = "if the second credential is another account's"
    if is_list(operation):
        ids = ids_of(item.parent) if operation.resource == item.resource else item.ids
        listed = by_key(scenario.read_list(operation, ids, other_account=True))
        shown = [to_text(other.identity) for other in scenario.existing(operation.resource) if other.key in listed]
        expected, at = f"no item of this account, {condition}", f"body{operation.kind.items}"
        scenario.judge(claim, not shown, message, expected, at, next(iter(shown), "none"))
    else:
        exchange = _request_about(scenario, item, operation, item.ids, other_account=True)
        scenario.judge(claim, not is_success(exchange), message, f"refused, {condition}")
        record_attempt(item, operation, exchange, "accounts_are_apart")
    read_item(scenario, item, *numbers["read"])


def _request_about(
    scenario: Scenario, item: Item, operation: Operation, ids: dict[str, str], *, other_account: bool = False
) -> Exchange:
    """Send a request about an item, with a valid body if the operation takes one."""
    values = None
    if isinstance(operation.kind, Update):
        plain = (0,) * len(inputs(operation))
        values = partial_body(operation, scenario.run.factory, plain, lambda name: belongs_to(item, name), {}).values
    elif operation.body is not None:
        values = complete_body(operation, scenario.run.factory).values
    return scenario.request(operation, ids, body=values, other_account=other_account)
