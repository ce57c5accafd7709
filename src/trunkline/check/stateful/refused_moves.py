"""Owns the moves that must be refused: flawed bodies, second ones, what is gone, astray or somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.check.laws.session import implied
from trunkline.check.stateful.engine import Numbers
from trunkline.check.stateful.fields import ResourceOperations, inputs, shown
from trunkline.check.stateful.inputs import Flaw, Values, encoded, flaws, label_of, part, whole
from trunkline.check.stateful.model import Item, State, forgotten, key, same
from trunkline.check.stateful.read_moves import look
from trunkline.check.stateful.scenario_run import EXCUSED, Scenario
from trunkline.check.stateful.write_moves import born, fits, nothing_changed, perhaps, pick
from trunkline.contract.bodies import at_pointer
from trunkline.contract.model import Operation
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.exchange import Exchange
from trunkline.findings import to_text

_TELLING = 6
"""A shorter text may stand in another's thing by chance."""


def flawed(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    """Asks for a thing with one thing wrong: the rules judge the answer, and nothing is made of it."""
    operation = roles.create
    parent = pick(play.there(roles.parents[-1]), *drawn["parent"]) if roles.parents else None
    flaw = pick(list(flaws(operation)), *drawn["flaw"])
    body = whole(operation, play.run.maker, drawn["body"], flaw.needs)
    exchange, sent = _spoiled(play, operation, parent.ids if parent else {}, flaw, body.values)
    status = exchange.response.status
    _conditional(play, operation, flaw, exchange)
    if 200 <= status < 300:
        kept = {name: value for name, value in sent.items() if body.values.get(name) == value}
        born(play, roles, parent, kept, exchange, lawfully=False)
    elif 400 <= status < 500:
        nothing_made(play, roles, operation, parent, {**sent}, drawn)
    else:
        perhaps(play, roles, parent)


def _spoiled(
    play: Scenario, operation: Operation, ids: dict[str, str], flaw: Flaw, values: Values
) -> tuple[Exchange, Values]:
    """Sends a body with its flaw; and what of it is right."""
    spoiled = flaw.spoil(values)
    label = label_of(operation)
    text = spoiled.get(label) if isinstance(spoiled, dict) else None
    if isinstance(text, str) and not text.startswith(play.run.maker.prefix):
        spoiled = {**spoiled, label: f"{play.run.maker.prefix}{text}"}  # whoever takes it shows whose it is
    play.hide(operation, values)
    content = encoded(spoiled)
    exchange = play.ask(operation, ids, body=flaw.text(content) if flaw.text else content, media=flaw.media)
    sent = spoiled if isinstance(spoiled, dict) else {}
    return exchange, {name: value for name, value in values.items() if name in sent and sent[name] == value}


def _conditional(play: Scenario, operation: Operation, flaw: Flaw, exchange: Exchange) -> None:
    """What a value requires is asked for."""
    if flaw.condition is None:
        return
    for reason in reasons_to_refuse(operation.contract, exchange.request):
        play.hold(
            "conditional_inputs_are_required",
            operation,
            reason.evidence,
            not 200 <= exchange.response.status < 300,
            f"{operation.operation_id} takes a body with {reason.sent}, though {_told(flaw)}",
            place=reason.reference(operation.contract),
            expected=f"refused, since {reason.broke}",
            seen=str(exchange.response.status),
        )


def _told(flaw: Flaw) -> str:
    when = flaw.condition.when if flaw.condition else {}
    return " and ".join(f"{name} is {to_text(value)}" for name, value in when.items())


def nothing_made(
    play: Scenario, roles: ResourceOperations, operation: Operation, parent: Item | None, sent: Values, drawn: Numbers
) -> None:
    """A list that can be read holds nothing with the values of a body that was refused."""
    (choice,) = drawn["look"]
    lists = [found for found in roles.lists if not found.parents or parent is not None]
    if not choice or not lists:
        return
    reader = lists[(choice - 1) % len(lists)]
    said = {found.name: found for found in inputs(operation)}
    marks = {name: value for name, value in sent.items() if name in shown(reader) and "enum" not in said[name].schema}
    if not any(isinstance(value, str) and len(value) >= _TELLING for value in marks.values()):
        return
    sight = play.sight(reader, parent.ids if parent and reader.parents else {})
    if not sight.read:
        return
    ours = {key(thing.identity) for thing in play.things if thing.resource == roles.resource}
    like = [
        (index, item)
        for identity, (index, item) in sight.items.items()
        if identity not in ours and all(same(at_pointer(item, f"/{name}"), value) for name, value in marks.items())
    ]
    listing = reader.listing
    assert listing is not None  # noqa: S101 - a list has one
    play.hold(
        "refused_requests_change_nothing",
        operation,
        implied(operation.evidence, "a request that is refused changes nothing"),
        not like,
        f"{operation.operation_id} refused a body, and {reader.operation_id} shows what it asked for",
        at=f"body{listing.items}/{like[0][0]}" if like else f"body{listing.items}",
        expected="nothing made",
        seen=f"one with the {' and '.join(marks)} that was sent",
    )


def spoil(roles: ResourceOperations, operation: Operation, play: Scenario, drawn: Numbers) -> None:
    """Asks for a change with one thing wrong: the rules judge the answer, and nothing is changed by it."""
    thing = pick(play.there(roles.resource), *drawn["thing"])
    flaw = pick(list(flaws(operation)), *drawn["flaw"])
    has = {**thing.values, **thing.given}
    body = part(operation, play.run.maker, drawn["body"], lambda name: fits(thing, name), has)
    exchange, _ = _spoiled(play, operation, thing.ids, flaw, body.values)
    if 400 <= exchange.response.status < 500:
        nothing_changed(thing, operation)
    else:
        forgotten(thing)
    look(play, thing, *drawn["look"])


def double(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    """Asks for a second thing with a value that no two can have."""
    operation = roles.create
    creating = operation.creating
    assert creating is not None  # noqa: S101 - a role has one
    thing = pick(unique(play, roles), *drawn["thing"])
    name = pick([name for name in creating.unique if name in thing.given], *drawn["name"])
    parent = pick(play.there(roles.parents[-1]), *drawn["parent"]) if roles.parents else None
    body = whole(operation, play.run.maker, drawn["body"], {name: thing.given[name]})
    exchange = play.send(operation, parent.ids if parent else {}, body.values)
    status = exchange.response.status
    play.hold(
        "conflict_arises_when_due",
        operation,
        creating.unique[name],
        not 200 <= status < 300,
        f"{operation.operation_id} takes a {name} that another has",
        place=operation.extension_reference(f"create/unique/{name}"),
        expected="refused",
        seen=str(status),
    )
    if 200 <= status < 300:
        born(play, roles, parent, body.values, exchange)
    elif 400 <= status < 500:
        if status not in EXCUSED - {409}:
            play.code("conflict_arises_when_due", operation, operation, exchange, "not_unique", name)
        nothing_made(play, roles, operation, parent, body.values, drawn)
    else:
        perhaps(play, roles, parent)


def alike(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    """Asks for a second thing with the values of another, but for what no two can have: it is one of its own."""
    operation = roles.create
    thing = pick(play.there(roles.resource), *drawn["thing"])
    alone = {*(operation.creating.unique if operation.creating else ()), label_of(operation)}
    said = {found.name: found for found in inputs(operation)}
    like = {name: value for name, value in thing.given.items() if name in said and name not in alone}
    body = whole(operation, play.run.maker, drawn["body"], {n: v for n, v in like.items() if not said[n].secret})
    parent = thing.parent
    exchange = play.send(operation, parent.ids if parent else {}, body.values)
    if 200 <= exchange.response.status < 300:
        born(play, roles, parent, body.values, exchange)
    elif not 400 <= exchange.response.status < 500:  # a refusal is lawful: no page says that the two may be alike
        perhaps(play, roles, parent)


def unique(play: Scenario, roles: ResourceOperations) -> list[Item]:
    """The things whose value no other can have."""
    creating = roles.create.creating
    names = creating.unique if creating else ()
    return [thing for thing in play.there(roles.resource) if any(name in thing.given for name in names)]


def about(roles: ResourceOperations, everything: tuple[ResourceOperations, ...]) -> Iterator[Operation]:
    """Every operation whose path names a thing of the resource as the last."""
    own = (roles.fetch, *roles.updates, *roles.deletes, *roles.acts)
    yield from (operation for operation in own if operation is not None)
    for role in everything:
        if role.parents and role.parents[-1] == roles.resource:
            yield role.create
            yield from (operation for operation in role.lists if operation.parents)


def knock(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    """Asks about a thing that is gone: it is not found."""
    thing = pick(knockable(play, roles), *drawn["thing"])
    operation = pick(list(about(roles, play.run.roles)), *drawn["operation"])
    exchange = _asked(play, thing, operation, thing.ids)
    law = "removed_stays_gone" if operation.deleting else "removed_is_gone"
    play.not_there(law, roles.deletes[0], operation, exchange, roles.resource)


def knockable(play: Scenario, roles: ResourceOperations) -> list[Item]:
    """The things that are gone, and whose id no other has."""
    there = {key(thing.identity) for thing in play.there(roles.resource)}
    gone = play.gone(roles.resource)
    return [
        thing for thing in gone if key(thing.identity) not in there and (thing.parent is None or thing.parent.there)
    ]


def astray(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    """Asks about a thing below the parent of another: it is not found there, and stays as it is."""
    thing = pick(play.there(roles.resource), *drawn["thing"])
    parent = thing.parent
    wrong = [other for other in play.there(roles.parents[-1]) if other is not parent]
    operation = pick([found for found in about(roles, ()) if found.parents], *drawn["operation"])
    ids = {**pick(wrong, *drawn["parent"]).ids, thing.resource: thing.identity}
    exchange = _asked(play, thing, operation, ids)
    play.not_there("things_are_found_where_they_belong", operation, operation, exchange, roles.resource)
    _after(thing, operation, exchange, "things_are_found_where_they_belong")
    look(play, thing, *drawn["look"])


def stranger(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    """Another account asks about a thing: it is not told, and the thing stays as it is."""
    thing = pick(play.there(roles.resource), *drawn["thing"])
    operation = pick(strange(play, roles), *drawn["operation"])
    law = "accounts_are_apart"
    evidence = implied(operation.contract.security.evidence, "a credential opens its own account")
    if operation.listing:
        ids = thing.ids if operation.resource != roles.resource or thing.parent is None else thing.parent.ids
        sight = play.sight(operation, ids, stranger=True)
        ours = [other for other in play.there(operation.resource) if key(other.identity) in sight.items]
        opened, seen = bool(ours), to_text(ours[0].identity) if ours else "none"
    else:
        exchange = _asked(play, thing, operation, thing.ids, stranger=True)
        opened, seen = 200 <= exchange.response.status < 300, str(exchange.response.status)
    play.hold(
        law,
        operation,
        evidence,
        not opened,
        f"{operation.operation_id} opens to another account what this one made",
        at=f"body{operation.listing.items}" if operation.listing else "status",
        place=operation.reference(operation.contract.security.pointer),
        expected=f"{'none of it' if operation.listing else 'refused'}, if the second credential is another account's",
        seen=seen,
    )
    if not operation.listing:
        _after(thing, operation, exchange, law)
    look(play, thing, *drawn["look"])


def strange(play: Scenario, roles: ResourceOperations) -> list[Operation]:
    """What another account can try: every operation about a thing, and the lists that could hold it."""
    return [*about(roles, play.run.roles), *roles.lists]


def _asked(
    play: Scenario, thing: Item, operation: Operation, ids: dict[str, str], *, stranger: bool = False
) -> Exchange:
    """Asks an operation about a thing, with a valid body where it takes one."""
    if operation.body is None:
        return play.ask(operation, ids, stranger=stranger)
    plain = (0,) * len(inputs(operation))
    body = (
        part(operation, play.run.maker, plain, lambda name: fits(thing, name), {})
        if operation.updating
        else whole(operation, play.run.maker, plain)
    )
    return play.send(operation, ids, body.values, stranger=stranger)


def _after(thing: Item, operation: Operation, exchange: Exchange, law: str) -> None:
    """What is known of a thing after somebody asked for it who should not have got it."""
    if 400 <= exchange.response.status < 500:
        nothing_changed(thing, operation, law)
    else:
        forgotten(thing)
        thing.littered = thing.littered or operation.creating is not None
        if operation.deleting:
            thing.state = State.UNSURE
