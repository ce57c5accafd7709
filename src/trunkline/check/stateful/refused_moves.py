"""Moves that must be refused: invalid bodies, duplicates, and requests about items that are removed or out of reach."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.check.problem import implied
from trunkline.check.stateful.engine import Numbers, pick
from trunkline.check.stateful.fields import inputs, shown_fields
from trunkline.check.stateful.model import Item, State, key, record_refusal, record_unknown_outcome, same
from trunkline.check.stateful.read_moves import ids_of, pick_parent, read_item
from trunkline.check.stateful.request_bodies import Flaw, Values, complete_body, flaws, label_of, partial_body, to_json
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import NOT_ABOUT_THE_BODY, Scenario, by_key
from trunkline.check.stateful.write_moves import add_item, belongs_to, note_unknown_creation, update_body
from trunkline.contract.bodies import at_pointer
from trunkline.contract.model import Create, Delete, Operation, Update
from trunkline.contract.predicates import lists
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.exchange import Exchange
from trunkline.findings import to_text

_TELLING = 6
"""A shorter text may be in an item of somebody else by chance."""
_APART = "accounts_are_apart"


# --- invalid bodies -------------------------------------------------------------------------------------------------


def create_flawed(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Create an item with one flaw in its body. The rules judge the response; here: nothing is created."""
    operation = operations.create
    parent = pick_parent(scenario, operations, numbers)
    flaw = pick(flaws(operation), *numbers["flaw"])
    values = complete_body(operation, scenario.run.factory, numbers["body"], flaw.needs).values
    exchange, intact = _send_flawed(scenario, operation, ids_of(parent), flaw, values)
    status = exchange.response.status
    _judge_condition(scenario, operation, flaw, exchange)
    if 200 <= status < 300:
        add_item(scenario, operations, parent, intact, exchange, from_valid_body=False)
    elif 400 <= status < 500:
        _judge_not_created(scenario, operations, parent, intact, numbers)
    else:
        note_unknown_creation(scenario, operations, parent)


def update_flawed(
    operations: ResourceOperations, operation: Operation[Update], scenario: Scenario, numbers: Numbers
) -> None:
    """Update an item with one flaw in the body. The rules judge the response; here: nothing is changed."""
    item = pick(scenario.existing(operations.resource), *numbers["item"])
    flaw = pick(flaws(operation), *numbers["flaw"])
    values = update_body(scenario, item, operation, numbers["body"]).values
    exchange, _ = _send_flawed(scenario, operation, item.ids, flaw, values)
    if 400 <= exchange.response.status < 500:
        record_refusal(item, operation)
    else:
        record_unknown_outcome(item)
    read_item(scenario, item, *numbers["read"])


def _send_flawed(
    scenario: Scenario, operation: Operation, ids: dict[str, str], flaw: Flaw, values: Values
) -> tuple[Exchange, Values]:
    """Send a body with its flaw. Returns the exchange, and the values that the flaw left as they were."""
    spoiled = flaw.spoil(values)
    label, prefix = label_of(operation), scenario.run.factory.prefix
    text = spoiled.get(label) if isinstance(spoiled, dict) else None
    if isinstance(text, str) and not text.startswith(prefix):  # an implementation that accepts it shows whose it is
        spoiled = {**spoiled, label: f"{prefix}{text}"}
    scenario.note_secrets(operation, values)
    exchange = scenario.request(operation, ids, body=flaw.cut(to_json(spoiled)), media_type=flaw.media_type)
    sent = spoiled if isinstance(spoiled, dict) else {}
    return exchange, {name: value for name, value in values.items() if name in sent and sent[name] == value}


def _judge_condition(scenario: Scenario, operation: Operation, flaw: Flaw, exchange: Exchange) -> None:
    """An input that the value of another requires may not be left out."""
    if flaw.condition is None:
        return
    when = " and ".join(f"{name} is {to_text(value)}" for name, value in flaw.condition.when.items())
    for reason in reasons_to_refuse(operation.contract, exchange.request):
        scenario.judge(
            "conditional_inputs_are_required",
            operation,
            reason.evidence,
            not 200 <= exchange.response.status < 300,
            f"{operation.operation_id} accepts a body with {reason.sent}, though {when}",
            reference=reason.reference(operation.contract),
            expected=f"refused, since {reason.broke}",
            seen=str(exchange.response.status),
        )


def _judge_not_created(
    scenario: Scenario, operations: ResourceOperations, parent: Item | None, sent: Values, numbers: Numbers
) -> None:
    """After a refused creation no list shows an item with the values that were sent."""
    operation = operations.create
    (choice,) = numbers["read"]
    readable = [listing for listing in operations.lists if not listing.parents or parent is not None]
    if not choice or not readable:
        return
    listing = readable[(choice - 1) % len(readable)]
    choices = {input_.name for input_ in inputs(operation) if "enum" in input_.schema.content}
    shown = {name: value for name, value in sent.items() if name in shown_fields(listing) and name not in choices}
    if not any(isinstance(value, str) and len(value) >= _TELLING for value in shown.values()):
        return
    reading = scenario.read_list(listing, ids_of(parent) if listing.parents else {})
    if not reading.readable:
        return
    ours = {key(item.identity) for item in scenario.items if item.resource == operations.resource}
    alike = [
        index
        for identity, (index, item) in by_key(reading).items()
        if identity not in ours and all(same(at_pointer(item, f"/{name}"), value) for name, value in shown.items())
    ]
    scenario.judge(
        "refused_requests_change_nothing",
        operation,
        implied(operation.evidence, "a refused request changes nothing"),
        not alike,
        f"{operation.operation_id} refused a body, but {listing.operation_id} shows an item with its values",
        at=f"body{listing.kind.items}/{alike[0]}" if alike else f"body{listing.kind.items}",
        expected="nothing created",
        seen=f"one with the {' and '.join(shown)} that was sent",
    )


# --- duplicates -----------------------------------------------------------------------------------------------------


def create_duplicate(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Create an item with the value of another that must be unique."""
    operation, unique = operations.create, operations.create.kind.unique
    item = pick(with_unique_value(scenario, operations), *numbers["item"])
    name = pick([name for name in unique if name in item.sent], *numbers["name"])
    parent = pick_parent(scenario, operations, numbers)
    body = complete_body(operation, scenario.run.factory, numbers["body"], {name: item.sent[name]})
    exchange = scenario.send(operation, ids_of(parent), body.values)
    status = exchange.response.status
    scenario.judge(
        "conflicts_are_refused",
        operation,
        unique[name],
        not 200 <= status < 300,
        f"{operation.operation_id} accepts a {name} that another item has",
        reference=operation.extension_reference(f"create/unique/{name}"),
        expected="refused",
        seen=str(status),
    )
    if 200 <= status < 300:
        add_item(scenario, operations, parent, body.values, exchange)
    elif 400 <= status < 500:
        if status not in NOT_ABOUT_THE_BODY - {409}:
            scenario.judge_code("conflicts_are_refused", operation, operation, exchange, "not_unique", name)
        _judge_not_created(scenario, operations, parent, body.values, numbers)
    else:
        note_unknown_creation(scenario, operations, parent)


def with_unique_value(scenario: Scenario, operations: ResourceOperations) -> list[Item]:
    """The items that have a value which must be unique."""
    unique = operations.create.kind.unique
    return [item for item in scenario.existing(operations.resource) if any(name in item.sent for name in unique)]


def create_alike(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Create an item with the values of another, apart from its name, secrets and unique values: it is a new item."""
    operation = operations.create
    item = pick(scenario.existing(operations.resource), *numbers["item"])
    own = {*operation.kind.unique, label_of(operation)}
    shared = {input_.name for input_ in inputs(operation) if not input_.secret} - own
    start = {name: value for name, value in item.sent.items() if name in shared}
    body = complete_body(operation, scenario.run.factory, numbers["body"], start)
    exchange = scenario.send(operation, ids_of(item.parent), body.values)
    if 200 <= exchange.response.status < 300:
        add_item(scenario, operations, item.parent, body.values, exchange)
    elif not 400 <= exchange.response.status < 500:  # a refusal is lawful: no page says that two items may be alike
        note_unknown_creation(scenario, operations, item.parent)


# --- items that are removed or out of reach -------------------------------------------------------------------------


def naming_item(operations: ResourceOperations, every: Sequence[ResourceOperations]) -> list[Operation]:
    """The operations whose path names an item of the resource: its own, and those that create and list its children."""
    found = [*operations.about_item]
    for other in every:
        if other.parents and other.parents[-1] == operations.resource:
            found += [other.create, *(listing for listing in other.lists if listing.parents)]
    return found


def use_removed(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Send a request about a removed item: it is not found."""
    item = pick(surely_removed(scenario, operations), *numbers["item"])
    operation = pick(naming_item(operations, scenario.run.resources), *numbers["operation"])
    exchange = _request_about(scenario, item, operation, item.ids)
    law = "second_removal_is_not_found" if isinstance(operation.kind, Delete) else "removed_is_gone"
    scenario.judge_not_found(law, operations.deletes[0], operation, exchange, operations.resource)


def surely_removed(scenario: Scenario, operations: ResourceOperations) -> list[Item]:
    """The removed items whose id no other item has and whose parent exists."""
    existing = {key(item.identity) for item in scenario.existing(operations.resource)}
    return [
        item
        for item in scenario.items
        if item.resource == operations.resource
        and item.state is State.REMOVED
        and key(item.identity) not in existing
        and (item.parent is None or item.parent.exists)
    ]


def use_wrong_parent(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Send a request about an item below another parent: it is not found, and the item stays as it is."""
    law = "items_are_found_only_under_their_parent"
    item = pick(scenario.existing(operations.resource), *numbers["item"])
    others = [parent for parent in scenario.parents_of(operations) if parent is not item.parent]
    operation = pick([operation for operation in operations.about_item if operation.parents], *numbers["operation"])
    ids = {**pick(others, *numbers["parent"]).ids, item.resource: item.identity}
    exchange = _request_about(scenario, item, operation, ids)
    scenario.judge_not_found(law, operation, operation, exchange, operations.resource)
    _record_misuse(item, operation, exchange, law)
    read_item(scenario, item, *numbers["read"])


def use_other_account(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Send a request about an item with the credential of another account: it shows nothing, and the item stays."""
    item = pick(scenario.existing(operations.resource), *numbers["item"])
    operation = pick(reaching_item(operations, scenario.run.resources), *numbers["operation"])
    if lists(operation):
        ids = ids_of(item.parent) if operation.resource == operations.resource else item.ids
        listed = by_key(scenario.read_list(operation, ids, other_account=True))
        shown = [other for other in scenario.existing(operation.resource) if key(other.identity) in listed]
        seen = to_text(shown[0].identity) if shown else "none"
        _judge_apart(scenario, operation, not shown, f"body{operation.kind.items}", "no item of this account", seen)
    else:
        exchange = _request_about(scenario, item, operation, item.ids, other_account=True)
        status = exchange.response.status
        _judge_apart(scenario, operation, not 200 <= status < 300, "status", "refused", str(status))
        _record_misuse(item, operation, exchange, _APART)
    read_item(scenario, item, *numbers["read"])


def reaching_item(operations: ResourceOperations, every: Sequence[ResourceOperations]) -> list[Operation]:
    """The operations that another account can try: those that name an item, and the lists that could show it."""
    return [*naming_item(operations, every), *operations.lists]


def _judge_apart(scenario: Scenario, operation: Operation, holds: bool, at: str, expected: str, seen: str) -> None:
    security = operation.contract.security
    scenario.judge(
        _APART,
        operation,
        implied(security.evidence, "a credential opens its own account"),
        holds,
        f"{operation.operation_id} gives another account access to an item of this one",
        at=at,
        reference=operation.reference(security.pointer),
        expected=f"{expected}, if the second credential is another account's",
        seen=seen,
    )


def _request_about(
    scenario: Scenario, item: Item, operation: Operation, ids: dict[str, str], *, other_account: bool = False
) -> Exchange:
    """Send a request about an item, with a valid body if the operation takes one."""
    if operation.body is None:
        return scenario.request(operation, ids, other_account=other_account)
    plain = (0,) * len(inputs(operation))
    if isinstance(operation.kind, Update):
        body = partial_body(operation, scenario.run.factory, plain, lambda name: belongs_to(item, name), {})
    else:
        body = complete_body(operation, scenario.run.factory, plain)
    return scenario.send(operation, ids, body.values, other_account=other_account)


def _record_misuse(item: Item, operation: Operation, exchange: Exchange, law: str) -> None:
    """Record what is known of an item after a request that must not reach it."""
    if 400 <= exchange.response.status < 500:
        record_refusal(item, operation, law)
        return
    record_unknown_outcome(item)
    if isinstance(operation.kind, Create):
        item.may_have_more_children = True
    if isinstance(operation.kind, Delete):
        item.state = State.UNKNOWN
