"""Owns the moves that create, change, remove and act as documented, and what they make of the model."""

from __future__ import annotations

from typing import TypeVar

from trunkline.check.laws.session import implied
from trunkline.check.stateful.engine import Numbers
from trunkline.check.stateful.fields import ResourceOperations, conditional, inputs
from trunkline.check.stateful.inputs import DraftBody, Values, others, part, whole
from trunkline.check.stateful.model import Item, State, acted, created, forgotten, key, refused, touched, updated
from trunkline.check.stateful.read_moves import found, look, named
from trunkline.check.stateful.scenario_run import EXCUSED, MISSING, Broken, Scenario
from trunkline.contract.bodies import at_pointer, json_of
from trunkline.contract.model import Operation
from trunkline.errors import NotOurs, TargetError
from trunkline.exchange import Exchange
from trunkline.findings import Evidence, Finding

T = TypeVar("T")

_TWICE = 2
"""A conflict that nothing explains is met again with so many other values before it is told."""


def pick(things: list[T], number: int) -> T:
    """One of the things that there are."""
    return things[number % len(things)]


def make(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    """Creates a thing, and reads it."""
    parent = pick(play.there(roles.parents[-1]), *drawn["parent"]) if roles.parents else None
    body = whole(roles.create, play.run.maker, drawn["body"])
    thing = put(play, roles, parent, body)
    if thing is not None:
        look(play, thing, *drawn["look"])


def put(play: Scenario, roles: ResourceOperations, parent: Item | None, body: DraftBody) -> Item | None:
    """Creates a thing of a valid body; None when it was not made, or nobody can say which it is."""
    operation = roles.create
    exchange = play.send(operation, parent.ids if parent else {}, body.values)
    status = exchange.response.status
    if 200 <= status < 300:
        play.run.refused[roles.resource] = 0
        if body.settled:
            accepted(play, operation, body, status)
        for name, evidence in operation.creating.unique.items() if operation.creating else ():
            _explained(play, operation, evidence, f"create/unique/{name}")
        return born(play, roles, parent, body.values, exchange)
    play.run.refused[roles.resource] += 1
    play.run.obstacles[roles.resource] = f"{operation.operation_id} answered {status} to a valid body"
    if 400 <= status < 500:
        if parent is not None and parent.there:
            found(play, parent, operation, status)
        if body.settled:
            accepted(play, operation, body, status)
        _needless(play, roles, parent, exchange)
    else:
        perhaps(play, roles, parent)
    return None


def perhaps(play: Scenario, roles: ResourceOperations, parent: Item | None) -> None:
    """Something may have been made that nobody can name."""
    if not roles.deletes:
        play.run.left += 1
    if parent is not None:
        parent.littered = True


def accepted(play: Scenario, operation: Operation, body: DraftBody, status: int) -> None:
    """What every page allows is not refused as wrong; a refusal for another reason tells nothing."""
    if not 200 <= status < 300 and (status in EXCUSED or status in MISSING or not 400 <= status < 500):
        return
    play.hold(
        "valid_input_is_accepted",
        operation,
        implied(body.evidence, "what the page allows is taken"),
        200 <= status < 300,
        f"{operation.operation_id} refuses a body that its page allows",
        place=operation.reference(operation.body.pointer if operation.body else operation.pointer),
        expected="success",
        seen=str(status),
    )


def born(
    play: Scenario,
    roles: ResourceOperations,
    parent: Item | None,
    values: Values,
    exchange: Exchange,
    *,
    lawfully: bool = True,
) -> Item | None:
    """Takes in a thing that an answer says was made, and compares what it shows if it was made of a valid body."""
    operation = roles.create
    creating = operation.creating
    assert creating is not None  # noqa: S101 - a role has one
    item = at_pointer(json_of(exchange), creating.item)
    identity = at_pointer(item, creating.identity)
    if not key(identity):
        play.run.obstacles[roles.resource] = f"the answer of {operation.operation_id} shows no id"
        perhaps(play, roles, parent)
        return None
    if not roles.deletes:
        play.run.left += 1
    thing = Item(roles, str(identity), parent, frozenset(values), (exchange,))
    created(thing, operation, values)
    earlier = [other for other in play.things if other.resource == roles.resource]
    play.things.append(thing)
    if parent is not None:
        touched(parent)
    play.hold(
        "ids_are_never_reused",
        operation,
        implied(creating.evidence, "an id names one thing"),
        key(identity) not in {key(other.identity) for other in earlier},
        f"{operation.operation_id} gives an id that another had",
        at=f"body{creating.item}{creating.identity}",
        place=operation.extension_reference("create/identity"),
        expected="a new id",
        seen=thing.identity,
    )
    for other in earlier:
        if key(other.identity) == key(identity):
            other.state = State.UNSURE
    if lawfully:
        play.compare(thing, operation, item, f"body{creating.item}")
    else:
        thing.known.clear()
    return thing


def _needless(play: Scenario, roles: ResourceOperations, parent: Item | None, exchange: Exchange) -> None:
    """A conflict about a value that nobody can have is none: it is met again with other values before it is told."""
    operation = roles.create
    for name in operation.creating.unique if operation.creating else ():
        evidence = play.is_called(operation, exchange, "not_unique", name)
        for _ in range(_TWICE):
            if evidence is None:
                return
            body = whole(operation, play.run.maker, (0,) * len(inputs(operation)))
            exchange = play.send(operation, parent.ids if parent else {}, body.values)
            if 200 <= exchange.response.status < 300:
                born(play, roles, parent, body.values, exchange)
                return
            if not 400 <= exchange.response.status < 500:
                perhaps(play, roles, parent)
            evidence = play.is_called(operation, exchange, "not_unique", name)
        if evidence is not None:
            said = f"{operation.operation_id} says of each new {name} that it is there already"
            _explained(play, operation, evidence, f"create/unique/{name}", said, exchange.response.status)


def _explained(
    play: Scenario, operation: Operation, evidence: Evidence, word: str, against: str = "", status: int = 0
) -> None:
    """There is a conflict only with something; `against` says what was answered instead."""
    play.hold(
        "conflict_needs_a_reason",
        operation,
        implied(evidence, "there is a conflict only with something"),
        not against,
        against,
        place=operation.extension_reference(word),
        expected="success",
        seen=str(status),
    )


def change(roles: ResourceOperations, operation: Operation, play: Scenario, drawn: Numbers) -> None:
    """Changes some inputs of a thing, and reads it."""
    thing = pick(play.there(roles.resource), *drawn["thing"])
    body = _changing(play, thing, operation, drawn)
    if not body.values:
        return
    alter(play, thing, operation, body)
    look(play, thing, *drawn["look"])


def aims(operation: Operation) -> tuple[frozenset[str], ...]:
    """The sets of inputs that are worth changing together: those that reset something, and those that never do."""
    resets = operation.updating.resets if operation.updating else ()
    found = [group for reset in resets for group in (*reset.when, reset.never)]
    return tuple(dict.fromkeys(found))


def fits(thing: Item, name: str) -> bool:
    """Whether an input belongs to a thing: one that only some need belongs to those that were made with it."""
    return name not in conditional(thing.roles.create) or name in thing.owns


def _changing(play: Scenario, thing: Item, operation: Operation, drawn: Numbers) -> DraftBody:
    has = {**thing.values, **thing.given}
    (aim,) = drawn["aim"]
    if aim:
        names = frozenset(name for name in aims(operation)[aim - 1] if fits(thing, name))
        return others(operation, play.run.maker, names, has)
    return part(operation, play.run.maker, drawn["body"], lambda name: fits(thing, name), has)


def alter(play: Scenario, thing: Item, operation: Operation, body: DraftBody) -> None:
    """Sends a valid change, and tells the model what became of it."""
    updating = operation.updating
    assert updating is not None  # noqa: S101 - only an update is asked
    exchange = play.send(operation, thing.ids, body.values)
    status = exchange.response.status
    found(play, thing, operation, status)
    if body.settled:
        accepted(play, operation, body, status)
    if 200 <= status < 300:
        updated(thing, operation, body.values)
        item = at_pointer(json_of(exchange), updating.item)
        named(play, thing, operation, item, f"body{updating.item}")
        play.compare(thing, operation, item, f"body{updating.item}")
    elif 400 <= status < 500:
        nothing_changed(thing, operation)
    else:
        forgotten(thing)


def nothing_changed(thing: Item, operation: Operation, law: str = "refused_requests_change_nothing") -> None:
    """After a refusal everything is as it was before."""
    refused(thing, operation, law, implied(operation.evidence, "a request that is refused changes nothing"))


def act(roles: ResourceOperations, operation: Operation, play: Scenario, drawn: Numbers) -> None:
    """Does something to a thing, or asks something of it, and reads it."""
    acting = operation.acting
    assert acting is not None  # noqa: S101 - only an action is asked
    thing = pick(play.there(roles.resource), *drawn["thing"])
    exchange = (
        play.send(operation, thing.ids, whole(operation, play.run.maker, drawn["body"]).values)
        if operation.body
        else play.ask(operation, thing.ids)
    )
    status = exchange.response.status
    found(play, thing, operation, status)
    if 200 <= status < 500:
        acted(thing, operation)
    else:
        forgotten(thing)
    if 200 <= status < 300 and acting.item is not None:
        play.compare(thing, operation, at_pointer(json_of(exchange), acting.item), f"body{acting.item}")
    look(play, thing, *drawn["look"])


def remove(roles: ResourceOperations, operation: Operation, play: Scenario, drawn: Numbers) -> None:
    """Removes a thing, if nothing stands in the way, and reads it."""
    thing = pick(play.there(roles.resource), *drawn["thing"])
    take_away(play, thing, operation)
    look(play, thing, *drawn["look"])


def take_away(play: Scenario, thing: Item, operation: Operation) -> None:
    """What is there and empty is removed; what is not empty stays."""
    deleting = operation.deleting
    assert deleting is not None  # noqa: S101 - only a removal is asked
    within = {resource: play.children(thing, resource) for resource in deleting.empty}
    full = [resource for resource, things in within.items() if any(child.there for child in things)]
    unsure = thing.littered or any(things for things in within.values())
    exchange = play.ask(operation, thing.ids)
    status = exchange.response.status
    if thing.there:
        found(play, thing, operation, status)
    for resource in full:
        play.hold(
            "conflict_arises_when_due",
            operation,
            deleting.empty[resource],
            not 200 <= status < 300,
            f"{operation.operation_id} removes what still has {resource}",
            place=operation.extension_reference(f"delete/empty/{resource}"),
            expected="refused",
            seen=str(status),
        )
    if 200 <= status < 300:
        _removed(play, thing, operation)
    elif 400 <= status < 500:
        if full and status not in EXCUSED - {409}:
            play.code("conflict_arises_when_due", operation, operation, exchange, "not_empty", full[0])
        elif thing.there and not unsure:
            _removable(play, operation, exchange)
        nothing_changed(thing, operation)
    else:
        thing.state = State.UNSURE


def _removed(play: Scenario, thing: Item, operation: Operation) -> None:
    """Takes in that a thing is gone, and that nothing stood in the way."""
    deleting = operation.deleting
    assert deleting is not None  # noqa: S101 - only a removal is asked
    play.hold("removed_is_gone", operation, deleting.evidence, True, "")
    if not play.children(thing) and not thing.littered:
        for evidence in (*deleting.empty.values(), *((deleting.unused,) if deleting.unused else ())):
            _explained(play, operation, evidence, "delete")
    thing.state = State.GONE
    for child in play.children(thing):
        child.state = State.UNSURE
    if thing.parent is not None:
        touched(thing.parent)


def _removable(play: Scenario, operation: Operation, exchange: Exchange) -> None:
    """What is there, and empty, and used by nobody is not refused to be removed."""
    deleting = operation.deleting
    assert deleting is not None  # noqa: S101 - only a removal is asked
    status = exchange.response.status
    causes = [("not_empty", resource) for resource in deleting.empty] + ([("in_use", "")] if deleting.unused else [])
    for cause, resource in causes:
        evidence = play.is_called(operation, exchange, cause, resource)
        if evidence is not None:
            said = f"{operation.operation_id} says that what was made a moment ago is {cause.replace('_', ' ')}"
            _explained(play, operation, evidence, "delete", said, status)
    if status not in EXCUSED and status not in MISSING:
        play.hold(
            "removed_is_gone",
            operation,
            deleting.evidence,
            False,
            f"{operation.operation_id} does not remove what is there and empty",
            expected="success",
            seen=str(status),
        )


def end(play: Scenario, judged: bool) -> Finding | None:
    """Removes what was made, children first; what cannot be removed is left behind, and remembered."""
    play.quiet = not judged
    run, finding = play.run, None
    for thing in reversed(play.things):
        if thing.state is State.GONE:
            continue
        if not thing.roles.deletes:
            known = {standing.identity for standing in run.standing}
            if run.leave is not None and thing.there and thing.parent is None and thing.identity not in known:
                run.standing.append(thing)
            continue
        try:
            take_away(play, thing, thing.roles.deletes[0])
        except Broken as broken:
            finding = finding or broken.finding
            play.quiet = True
        except NotOurs:
            continue  # what is left is told in the end
        except TargetError:
            if judged and finding is None:
                raise
            break
    return finding
