"""Owns the moves that only read: one thing, or a list, compared with what must be true."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.check.laws.session import implied
from trunkline.check.stateful.fields import ResourceOperations
from trunkline.check.stateful.model import Item, State, key
from trunkline.check.stateful.scenario_run import MISSING, ListReading, Scenario
from trunkline.contract.bodies import NOTHING, at_pointer, json_of
from trunkline.contract.model import Operation
from trunkline.exchange import Json
from trunkline.findings import to_text


def look(play: Scenario, thing: Item, choice: int) -> None:
    """Reads a thing in one of the ways in which it can be read; 0 is none."""
    readers = thing.roles.readers
    if not choice or not readers:
        return
    reader = readers[(choice - 1) % len(readers)]
    if reader.fetching:
        look_at(play, thing, reader)
    else:
        look_through(play, thing.roles, reader, thing.parent if reader.parents else None)


def look_at(play: Scenario, thing: Item, operation: Operation) -> None:
    """A thing that is there is shown as it must be; one that is gone is not shown."""
    fetching = operation.fetching
    assert fetching is not None  # noqa: S101 - only a fetch is asked
    exchange = play.ask(operation, thing.ids)
    status = exchange.response.status
    if thing.state is State.GONE:
        play.not_there("removed_is_gone", thing.roles.deletes[0], operation, exchange, thing.resource)
        return
    if not thing.there:
        return
    found(play, thing, operation, status)
    if 200 <= status < 300:
        item = at_pointer(json_of(exchange), fetching.item)
        named(play, thing, operation, item, f"body{fetching.item}")
        play.compare(thing, operation, item, f"body{fetching.item}")


def found(play: Scenario, thing: Item, operation: Operation, status: int) -> None:
    """An operation about a thing that is there does not answer that it is not."""
    create = thing.roles.create
    play.hold(
        "created_is_found",
        create,
        implied(create.evidence.weakest(operation.evidence), "what was created can be named"),
        status not in MISSING,
        f"{operation.operation_id} answers {status} for what was created",
        place=operation.reference(operation.pointer),
        expected="found",
        seen=str(status),
    )


def named(play: Scenario, thing: Item, operation: Operation, item: Json, at: str) -> None:
    """What is answered about a thing carries its id."""
    identity = at_pointer(item, operation.identity)
    if identity is NOTHING:
        return
    create = thing.roles.create
    play.hold(
        "created_is_read_back",
        create,
        implied(create.evidence.weakest(operation.evidence), "an id names one thing"),
        key(identity) == key(thing.identity),
        f"{operation.operation_id} answers another id than the one that was asked for",
        at=at + operation.identity,
        place=create.extension_reference("create/identity"),
        expected=to_text(thing.identity),
        seen=to_text(identity),
    )


def look_through(
    play: Scenario, roles: ResourceOperations, operation: Operation, parent: Item | None, number: int = 0
) -> None:
    """A list holds what is there, as it must be, and nothing that is gone or belongs elsewhere.

    With a `number` the list is read once more through one of its filters.
    """
    ids = parent.ids if parent else {}
    sight = play.sight(operation, ids)
    if not sight.read:
        if parent and parent.there:
            found(play, parent, operation, sight.exchange.response.status)
        return
    ours = [thing for thing in play.things if thing.resource == roles.resource]
    there = {key(thing.identity) for thing in ours if thing.there}
    for thing in ours:
        belongs = thing.parent is parent or not operation.parents
        spot = sight.items.get(key(thing.identity))
        if thing.state is State.GONE and key(thing.identity) not in there:
            _absent(play, thing, operation, spot, "removed_is_gone", "what was removed")
        elif thing.there and not belongs:
            _absent(play, thing, operation, spot, "created_is_listed", "what belongs elsewhere")
        elif thing.there:
            _present(play, thing, operation, ids, sight)
    _count(play, roles, operation, ids, sight)
    if number:
        _filtered(play, roles, operation, ids, sight, number)


def _absent(
    play: Scenario, thing: Item, operation: Operation, spot: tuple[int, Json] | None, law: str, what: str
) -> None:
    listing = operation.listing
    assert listing is not None  # noqa: S101 - only a list is read
    owner = thing.roles.deletes[0] if law == "removed_is_gone" else thing.roles.create
    play.hold(
        law,
        owner,
        implied(owner.evidence.weakest(listing.evidence), "a list shows what is there"),
        spot is None,
        f"{operation.operation_id} shows {what}",
        at=f"body{listing.items}/{spot[0]}" if spot else f"body{listing.items}",
        place=operation.extension_reference("list"),
        expected=f"no {thing.identity}",
        seen=to_text(thing.identity),
    )


def _present(play: Scenario, thing: Item, operation: Operation, ids: Mapping[str, str], sight: ListReading) -> None:
    """The thing is in the list, if the list is surely whole; what is missing is looked for twice."""
    listing = operation.listing
    assert listing is not None  # noqa: S101 - only a list is read
    spot = sight.items.get(key(thing.identity))
    if spot is None and sight.whole:
        again = play.sight(operation, ids)
        spot = again.items.get(key(thing.identity))
        if not (again.read and again.whole):
            return
    if spot is None and not sight.whole:
        return
    _listed(play, thing, operation, sight, spot is not None, "")
    if spot is not None:
        play.compare(thing, operation, spot[1], f"body{listing.items}/{spot[0]}")


def _listed(play: Scenario, thing: Item, operation: Operation, sight: ListReading, is_there: bool, how: str) -> None:
    listing, create = operation.listing, thing.roles.create
    assert listing is not None  # noqa: S101 - only a list is read
    play.hold(
        "created_is_listed",
        create,
        implied(create.evidence.weakest(listing.evidence), "a list shows what is there"),
        is_there,
        f"{operation.operation_id}{how} does not show what was created",
        at=f"body{listing.items}",
        place=operation.extension_reference("list"),
        expected=to_text(thing.identity),
        seen=f"{sight.count} others",
    )


def _filtered(
    play: Scenario,
    roles: ResourceOperations,
    operation: Operation,
    ids: Mapping[str, str],
    plain: ListReading,
    number: int,
) -> None:
    """The list under a filter holds what has the value: it had it before the list was filtered, and it has it after."""
    filters = _equal(operation)
    if not filters:
        return
    name, field = filters[(number - 1) % len(filters)]
    shown = {key(thing.identity): thing for thing in play.there(roles.resource) if key(thing.identity) in plain.items}
    values = {identity: at_pointer(plain.items[identity][1], field) for identity in shown}
    allowed = operation.parameter(name).schema.get("enum")
    value = next((said for said in values.values() if isinstance(said, str) and said in (allowed or (said,))), None)
    if value is None:
        return
    sight = play.sight(operation, ids, query={name: value})
    same_ = [identity for identity, said in values.items() if said == value]
    missing = [identity for identity in same_ if identity not in sight.items]
    if not (sight.read and sight.whole):
        return
    still = play.sight(operation, ids).items if missing else {}
    for identity in same_:
        if identity not in missing or at_pointer(still.get(identity, (0, None))[1], field) == value:
            is_there = identity not in missing
            _listed(play, shown[identity], operation, sight, is_there, f" filtered by {name}={value}")


def _equal(operation: Operation) -> list[tuple[str, str]]:
    """The filters of a list that ask for one value, each with the field that has it."""
    filters = operation.listing.filters if operation.listing else {}
    return [(name, spot.at) for name, spot in filters.items() if spot.comparison == "equal"]


def _count(
    play: Scenario, roles: ResourceOperations, operation: Operation, ids: Mapping[str, str], sight: ListReading
) -> None:
    """The total counts what was created: it is the number of items, in two readings that are alike."""
    paging = operation.listing.paging if operation.listing else None
    if not (paging and paging.total and sight.whole and sight.total is not None and play.there(roles.resource)):
        return
    if sight.total != sight.count:
        again = play.sight(operation, ids)
        if again.total != sight.total or again.items.keys() != sight.items.keys():
            return
    create = roles.create
    play.hold(
        "created_is_counted",
        create,
        implied(create.evidence.weakest(paging.total.evidence), "the total counts what the list holds"),
        sight.total == sight.count,
        f"{operation.operation_id} tells another total than the number of its items",
        at=f"body{paging.total.at}",
        place=operation.extension_reference("list/paging/total"),
        expected=str(sight.count),
        seen=str(sight.total),
    )
