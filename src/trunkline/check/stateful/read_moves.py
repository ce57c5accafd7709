"""Moves that only read: fetch an item or read a list, and compare it with the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from trunkline.check.lists import ListReading
from trunkline.check.problem import implied
from trunkline.check.stateful.engine import Numbers, pick
from trunkline.check.stateful.model import Item, State, key
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import NOT_FOUND, Scenario, by_key
from trunkline.contract.bodies import NOTHING, at_pointer, json_of
from trunkline.contract.model import Fetch, List, Operation
from trunkline.exchange import Exchange, Json
from trunkline.findings import to_text

_LISTED = "a list shows the items that exist"


def pick_parent(scenario: Scenario, operations: ResourceOperations, numbers: Numbers) -> Item | None:
    """The drawn parent, for a resource that belongs to another."""
    return pick(scenario.parents_of(operations), *numbers["parent"]) if operations.parents else None


def ids_of(parent: Item | None) -> dict[str, str]:
    """The ids for the path of a request below a parent, or below none."""
    return parent.ids if parent else {}


def read(operations: ResourceOperations, scenario: Scenario, numbers: Numbers) -> None:
    """Fetch an item."""
    read_item(scenario, pick(scenario.existing(operations.resource), *numbers["item"]), 1)


def list_items(
    operations: ResourceOperations, operation: Operation[List], scenario: Scenario, numbers: Numbers
) -> None:
    """Read a list, and perhaps through one of its filters."""
    parent = pick_parent(scenario, operations, numbers) if operation.parents else None
    check_list(scenario, operations, operation, parent, *numbers["filter"])


def read_item(scenario: Scenario, item: Item, choice: int) -> None:
    """Read an item by one of the operations that show it; 0 for none."""
    operations = item.operations
    readers: list[Callable[[], None]] = [
        partial(check_list, scenario, operations, listing, item.parent if listing.parents else None)
        for listing in operations.lists
    ]
    if operations.fetch:
        readers.insert(0, partial(fetch_item, scenario, item, operations.fetch))
    if choice and readers:
        readers[(choice - 1) % len(readers)]()


def fetch_item(scenario: Scenario, item: Item, operation: Operation[Fetch]) -> None:
    """An existing item is shown as the model says; a removed one is not found."""
    exchange = scenario.request(operation, item.ids)
    status = exchange.response.status
    if item.state is State.REMOVED:
        deletes = item.operations.deletes
        scenario.judge_not_found("removed_is_gone", deletes[0], operation, exchange, item.resource)
    elif item.exists:
        judge_found(scenario, item, operation, status)
        if 200 <= status < 300:
            judge_shown(scenario, item, operation, exchange)


def judge_found(scenario: Scenario, item: Item, operation: Operation, status: int) -> None:
    """An operation about an existing item does not answer that it is not found."""
    create = item.operations.create
    scenario.judge(
        "created_is_found",
        create,
        implied(create.evidence.weakest(operation.evidence), "a created item is found by its id"),
        status not in NOT_FOUND,
        f"{operation.operation_id} answers {status} for a created item",
        reference=operation.reference(operation.pointer),
        expected="found",
        seen=str(status),
    )


def judge_shown(scenario: Scenario, item: Item, operation: Operation, exchange: Exchange) -> None:
    """A successful response about an item shows the id of that item, and its fields as the model says."""
    if operation.item is None:
        return
    shown, create = at_pointer(json_of(exchange), operation.item), item.operations.create
    identity = at_pointer(shown, operation.identity) if operation.identity else NOTHING
    if identity is not NOTHING:
        scenario.judge(
            "created_is_read_back",
            create,
            implied(create.evidence.weakest(operation.evidence), "an id names one item"),
            key(identity) == key(item.identity),
            f"{operation.operation_id} answers another id than the requested one",
            at=f"body{operation.item}{operation.identity}",
            reference=create.extension_reference("create/identity"),
            expected=to_text(item.identity),
            seen=to_text(identity),
        )
    scenario.compare(item, operation, shown, f"body{operation.item}")


def check_list(
    scenario: Scenario,
    operations: ResourceOperations,
    operation: Operation[List],
    parent: Item | None,
    filter_number: int = 0,
) -> None:
    """A list shows the items that exist, as the model says, and none that was removed or belongs to another parent.

    With a `filter_number` the list is read again through that filter.
    """
    ids = ids_of(parent)
    reading = scenario.read_list(operation, ids)
    if not reading.readable:
        if parent and parent.exists:
            judge_found(scenario, parent, operation, reading.status)
        return
    listed = by_key(reading)
    existing = {key(item.identity) for item in scenario.existing(operations.resource)}
    for item in scenario.items:
        if item.resource != operations.resource:
            continue
        belongs = item.parent is parent or not operation.parents
        if item.state is State.REMOVED and key(item.identity) not in existing:
            _judge_absent(scenario, item, operation, listed, "removed_is_gone", "a removed item")
        elif item.exists and not belongs:
            _judge_absent(scenario, item, operation, listed, "created_is_listed", "an item of another parent")
        elif item.exists:
            _judge_present(scenario, item, operation, ids, reading, listed)
    _judge_total(scenario, operations, operation, ids, reading)
    if filter_number:
        _check_filter(scenario, operations, operation, ids, listed, filter_number)


def _judge_absent(
    scenario: Scenario,
    item: Item,
    operation: Operation[List],
    listed: Mapping[str, tuple[int, Json]],
    law: str,
    what: str,
) -> None:
    owner = item.operations.deletes[0] if law == "removed_is_gone" else item.operations.create
    entry = listed.get(key(item.identity))
    scenario.judge(
        law,
        owner,
        implied(owner.evidence.weakest(operation.kind.evidence), _LISTED),
        entry is None,
        f"{operation.operation_id} shows {what}",
        at=f"body{operation.kind.items}/{entry[0]}" if entry else f"body{operation.kind.items}",
        reference=operation.extension_reference("list"),
        expected=f"no {item.identity}",
        seen=to_text(item.identity),
    )


def _judge_present(
    scenario: Scenario,
    item: Item,
    operation: Operation[List],
    ids: Mapping[str, str],
    reading: ListReading,
    listed: Mapping[str, tuple[int, Json]],
) -> None:
    """The item is in the list, if that was surely read as a whole. A missing item is looked for twice."""
    entry = listed.get(key(item.identity))
    if entry is None:
        if not reading.whole:
            return
        again = scenario.read_list(operation, ids)
        if not again.whole:
            return
        entry = by_key(again).get(key(item.identity))
    _judge_listed(scenario, item, operation, len(reading.items), entry is not None)
    if entry is not None:
        scenario.compare(item, operation, entry[1], f"body{operation.kind.items}/{entry[0]}")


def _judge_listed(
    scenario: Scenario, item: Item, operation: Operation[List], count: int, holds: bool, through: str = ""
) -> None:
    create = item.operations.create
    scenario.judge(
        "created_is_listed",
        create,
        implied(create.evidence.weakest(operation.kind.evidence), _LISTED),
        holds,
        f"{operation.operation_id}{through} does not show a created item",
        at=f"body{operation.kind.items}",
        reference=operation.extension_reference("list"),
        expected=to_text(item.identity),
        seen=f"{count} others",
    )


def _check_filter(
    scenario: Scenario,
    operations: ResourceOperations,
    operation: Operation[List],
    ids: Mapping[str, str],
    listed: Mapping[str, tuple[int, Json]],
    number: int,
) -> None:
    """A filtered list shows each of our items that has the value before and after it is read."""
    filters = [(name, entry.at) for name, entry in operation.kind.filters.items() if entry.comparison == "equal"]
    if not filters:
        return
    name, field = filters[(number - 1) % len(filters)]
    ours = {key(item.identity): item for item in scenario.existing(operations.resource)}
    values = {identity: at_pointer(listed[identity][1], field) for identity in ours if identity in listed}
    choices = operation.parameter(name).schema.get("enum")
    value = next(
        (value for value in values.values() if isinstance(value, str) and (choices is None or value in choices)), None
    )
    if value is None:
        return
    reading = scenario.read_list(operation, ids, query={name: value})
    if not reading.whole:
        return
    filtered = by_key(reading)
    matching = [identity for identity in values if values[identity] == value]
    all_there = all(identity in filtered for identity in matching)
    now = {} if all_there else by_key(scenario.read_list(operation, ids))
    for identity in matching:
        if identity in filtered or at_pointer(now.get(identity, (0, None))[1], field) == value:
            through = f" filtered by {name}={value}"
            _judge_listed(scenario, ours[identity], operation, len(reading.items), identity in filtered, through)


def _judge_total(
    scenario: Scenario,
    operations: ResourceOperations,
    operation: Operation[List],
    ids: Mapping[str, str],
    reading: ListReading,
) -> None:
    """The total is the number of items, in two equal readings of the whole list."""
    total = operation.kind.paging.total if operation.kind.paging else None
    if not (total and reading.whole and reading.total is not None and scenario.existing(operations.resource)):
        return
    count = len(reading.items)
    if reading.total != count:
        again = scenario.read_list(operation, ids)
        if again.total != reading.total or by_key(again).keys() != by_key(reading).keys():
            return
    scenario.judge(
        "created_is_counted",
        operations.create,
        implied(operations.create.evidence.weakest(total.evidence), "the total counts the items of the list"),
        reading.total == count,
        f"{operation.operation_id} answers another total than the number of its items",
        at=f"body{total.at}",
        reference=operation.extension_reference("list/paging/total"),
        expected=str(count),
        seen=str(reading.total),
    )
