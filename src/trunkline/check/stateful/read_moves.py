"""Moves that only read: fetch an item or read a list, and compare it with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from trunkline.check.lists import ListReading
from trunkline.check.problem import implied
from trunkline.check.stateful.engine import Numbers, choose
from trunkline.check.stateful.model import Claim, Item, State
from trunkline.check.stateful.scenario import Scenario, by_key, is_success
from trunkline.contract.bodies import NOTHING, at_pointer, id_key, json_of
from trunkline.contract.model import Fetch, List, Operation
from trunkline.contract.predicates import is_fetch, is_list
from trunkline.exchange import NOT_FOUND, Exchange, Json
from trunkline.findings import to_text


def ids_of(parent: Item | None) -> dict[str, str]:
    """The ids for the path of a request below a parent, or below none."""
    return parent.ids if parent else {}


def fetch_item(operation: Operation[Fetch], scenario: Scenario, item: Item, _: Numbers | None = None) -> None:
    """Fetch an item. An existing one is shown as the model says; a deleted one is not found."""
    scenario.settled(partial(_fetch_item, operation, scenario, item))


def _fetch_item(operation: Operation[Fetch], scenario: Scenario, item: Item) -> None:
    exchange = scenario.request(operation, item.ids)
    if item.state is State.DELETED:
        scenario.judge_not_found("deleted_is_gone", item.operations.deletes[0], operation, exchange, item)
    elif item.exists:
        judge_found(scenario, item, operation, exchange)
        judge_shown(scenario, item, operation, exchange)


def read_item(scenario: Scenario, item: Item, choice: int) -> None:
    """Read an item by one of the operations that show it; 0 for none."""
    if not choice or not item.operations.readers:
        return
    operation = choose(item.operations.readers, choice - 1)
    if is_list(operation):
        check_list(operation, scenario, item.parent if operation.parents else None)
    elif is_fetch(operation):
        fetch_item(operation, scenario, item)


def judge_found(scenario: Scenario, item: Item, operation: Operation, exchange: Exchange) -> None:
    """Judge that an operation finds an existing item."""
    create, status = item.operations.create, exchange.response.status
    evidence = implied(create.evidence.weakest(operation.evidence), "a created item is found by its id")
    claim = Claim("created_is_found", create, evidence, operation.pointer)
    message = f"{operation.operation_id} answers {status} for a created item"
    scenario.judge(claim, status not in NOT_FOUND, message, "found")


def judge_shown(scenario: Scenario, item: Item, operation: Operation, exchange: Exchange) -> None:
    """Judge that a successful response about an item shows its id, and its fields as the model says."""
    if operation.item is None or not is_success(exchange):
        return
    shown, create = at_pointer(json_of(exchange), operation.item), item.operations.create
    identity = at_pointer(shown, operation.identity) if operation.identity else NOTHING
    if identity is not NOTHING:
        evidence = implied(create.evidence.weakest(operation.evidence), "an id names one item")
        claim = Claim("created_is_read_back", create, evidence, create.extension_reference("create/identity"))
        message = f"{operation.operation_id} answers another id than the requested one"
        at = f"body{operation.item}{operation.identity}"
        scenario.judge(claim, id_key(identity) == item.key, message, to_text(item.identity), at)
    scenario.compare(item, operation, shown, f"body{operation.item}")


# --- lists ----------------------------------------------------------------------------------------------------------


def check_list(
    operation: Operation[List], scenario: Scenario, parent: Item | None, numbers: Numbers | None = None
) -> None:
    """Judge that a list shows the existing items as the model says, and none that is deleted or of another parent.

    With a number for `filter` the list is read again through that filter.
    """
    scenario.settled(partial(_check_list, operation, scenario, parent, numbers))


def _check_list(operation: Operation[List], scenario: Scenario, parent: Item | None, numbers: Numbers | None) -> None:
    ids = ids_of(parent)
    reading = scenario.read_list(operation, ids)
    if reading.repeats:
        reason = f"{operation.operation_id} repeats its pages, so it cannot be read to its end"
        scenario.run.creation_problems.setdefault(operation.resource, reason)
    if reading.readable:
        found = _List(scenario, operation, ids, reading)
        found.judge_items(parent)
        found.judge_total()
        found.judge_filter(numbers["filter"][0] if numbers else 0)
    elif parent and parent.exists:
        judge_found(scenario, parent, operation, reading.exchanges[-1])


@dataclass(slots=True)
class _List:
    """A list that was read, below the parents with these `ids`."""

    scenario: Scenario
    operation: Operation[List]
    ids: Mapping[str, str]
    reading: ListReading
    listed: dict[str, tuple[int, Json]] = field(init=False)

    def __post_init__(self) -> None:
        self.listed = by_key(self.reading)

    def read(self, query: Mapping[str, Json] | None = None) -> ListReading:
        """Read the list again."""
        return self.scenario.read_list(self.operation, self.ids, query=query)

    def judge_items(self, parent: Item | None) -> None:
        existing = {item.key for item in self.scenario.existing(self.operation.resource)}
        for item in self.scenario.items:
            if item.resource != self.operation.resource:
                continue
            if item.state is State.DELETED and item.key not in existing:
                self._judge_absent(item, "deleted_is_gone", item.operations.deletes[0], "a deleted item")
            elif item.exists and self.operation.parents and item.parent is not parent:
                self._judge_absent(item, "created_is_listed", item.operations.create, "an item of another parent")
            elif item.exists:
                self._judge_present(item)

    def _judge_absent(self, item: Item, law: str, owner: Operation, description: str) -> None:
        entry, place = self.listed.get(item.key), f"body{self.operation.kind.items}"
        message = f"{self.operation.operation_id} shows {description}"
        at = f"{place}/{entry[0]}" if entry else place
        expected, seen = f"no {item.identity}", to_text(item.identity)
        self.scenario.judge(self._claim(law, owner), entry is None, message, expected, at, seen)

    def _judge_present(self, item: Item) -> None:
        """Judge that the list shows the item, if the whole list was read. A missing item is looked for twice."""
        entry = self.listed.get(item.key)
        if entry is None:
            again = self.read() if self.reading.whole else self.reading
            if not again.whole:
                return
            entry = by_key(again).get(item.key)
        self._judge_listed(item, self.reading, holds=entry is not None)
        if entry is not None:
            self.scenario.compare(item, self.operation, entry[1], f"body{self.operation.kind.items}/{entry[0]}")

    def _judge_listed(self, item: Item, reading: ListReading, *, holds: bool, through: str = "") -> None:
        claim = self._claim("created_is_listed", item.operations.create)
        message = f"{self.operation.operation_id}{through} does not show a created item"
        expected, seen = to_text(item.identity), f"{len(reading)} others"
        self.scenario.judge(claim, holds, message, expected, f"body{self.operation.kind.items}", seen)

    def _claim(self, law: str, owner: Operation) -> Claim:
        evidence = owner.evidence.weakest(self.operation.kind.evidence)
        evidence = implied(evidence, "a list shows the items that exist")
        return Claim(law, owner, evidence, self.operation.extension_reference("list"))

    def judge_filter(self, number: int) -> None:
        """Judge that a filtered list shows each of our items that has the value before and after it is read."""
        filters = [
            (name, found.at) for name, found in self.operation.kind.filters.items() if found.comparison == "equal"
        ]
        if not number or not filters:
            return
        name, at = choose(filters, number - 1)
        ours = {item.key: item for item in self.scenario.existing(self.operation.resource) if item.key in self.listed}
        values = {identity: at_pointer(self.listed[identity][1], at) for identity in ours}
        choices = self.operation.parameter(name).schema.get("enum")
        usable = (value for value in values.values() if isinstance(value, str) and (not choices or value in choices))
        value = next(usable, None)
        reading = self.read({name: value}) if value is not None else None
        if reading is None or not reading.whole:
            return
        filtered = by_key(reading)
        matching = [identity for identity in values if values[identity] == value]
        now = {} if filtered.keys() >= {*matching} else by_key(self.read())
        for identity in matching:
            if identity in filtered or at_pointer(now.get(identity, (0, None))[1], at) == value:
                through = f" filtered by {name}={value}"
                self._judge_listed(ours[identity], reading, holds=identity in filtered, through=through)

    def judge_total(self) -> None:
        """Judge that the total is the number of items. A wrong total must be in two equal readings of the list."""
        total = self.operation.kind.paging.total if self.operation.kind.paging else None
        count, answered = len(self.reading), self.reading.total
        ours = self.scenario.existing(self.operation.resource)
        if not (total and self.reading.whole and answered is not None and ours):
            return
        if answered != count:
            again = self.read()
            if again.total != answered or by_key(again).keys() != self.listed.keys():
                return
        create = ours[0].operations.create
        evidence = implied(create.evidence.weakest(total.evidence), "the total counts the items of the list")
        reference = self.operation.extension_reference("list/paging/total")
        claim = Claim("created_is_counted", create, evidence, reference)
        message = f"{self.operation.operation_id} answers another total than the number of its items"
        self.scenario.judge(claim, answered == count, message, str(count), f"body{total.at}", str(answered))
