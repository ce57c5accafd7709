"""Owns the table of moves: for each resource that can be made, what a play can do with its things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

from trunkline.check.stateful import read_moves, refused_moves, write_moves
from trunkline.check.stateful.engine import Move, Numbers
from trunkline.check.stateful.fields import ResourceOperations
from trunkline.check.stateful.inputs import flaws, sizes
from trunkline.check.stateful.scenario_run import Broken, Scenario, StatefulRun
from trunkline.contract.model import Operation
from trunkline.errors import NotOurs
from trunkline.findings import Finding

_MANY = (4,)
"""So many numbers to pick one of several things by: a play has few."""
_STUBBORN = 10
"""What was refused so often in a row is not asked for again."""

_Play: TypeAlias = Callable[[Scenario, Numbers], None]


def moves(run: StatefulRun) -> tuple[Move[Scenario], ...]:
    """Every move of every resource."""
    return tuple(move for roles in run.roles for move in _of(run, roles))


def _of(run: StatefulRun, roles: ResourceOperations) -> Iterator[Move[Scenario]]:
    """The moves with the things of one resource."""
    yield from _making(run, roles)
    for operation in roles.lists:
        yield _watching(roles, operation)
    there = partial(_there, roles)
    many = {"thing": _MANY, "look": _looks(roles)}
    if roles.fetch:
        yield _move(f"read_{roles.resource}", partial(_read, roles), there, many)
    for operation in roles.updates:
        about = {"body": sizes(operation), **many}
        change, spoil = partial(write_moves.change, roles, operation), partial(refused_moves.spoil, roles, operation)
        yield _move(
            named("change", operation), change, there, {**about, "aim": (1 + len(write_moves.aims(operation)),)}
        )
        yield _move(named("change_flawed", operation), spoil, there, {**about, "flaw": (len(flaws(operation)),)})
    for operation in roles.acts:
        act = partial(write_moves.act, roles, operation)
        yield _move(named("act", operation), act, there, {**many, "body": sizes(operation)})
    for operation in roles.deletes:
        yield _move(named("remove", operation), partial(write_moves.remove, roles, operation), there, many)
    yield from _intruding(run, roles)


def _making(run: StatefulRun, roles: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Making things: as every page allows, with one thing wrong, and twice what there can only be once."""
    name, create = roles.resource, roles.create

    def makes(play: Scenario, *, surely: bool) -> bool:
        housed = not roles.parents or bool(play.there(roles.parents[-1]))
        return housed and run.may_leave(name, surely=surely) and run.refused[name] < _STUBBORN

    def doubles(play: Scenario) -> bool:
        return makes(play, surely=False) and bool(refused_moves.unique(play, roles))

    def likens(play: Scenario) -> bool:
        return makes(play, surely=True) and bool(play.there(name))

    choices = {"body": sizes(create), "look": _looks(roles), "parent": _MANY}
    yield _move(f"make_{name}", partial(write_moves.make, roles), partial(makes, surely=True), choices)
    flawed = {**choices, "flaw": (len(flaws(create)),)}
    yield _move(f"make_flawed_{name}", partial(refused_moves.flawed, roles), partial(makes, surely=False), flawed)
    like = {**choices, "thing": _MANY}
    yield _move(f"make_like_{name}", partial(refused_moves.alike, roles), likens, like)
    if create.creating and create.creating.unique:
        second = {**choices, "thing": _MANY, "name": _MANY}
        yield _move(f"make_second_{name}", partial(refused_moves.double, roles), doubles, second)


def _intruding(run: StatefulRun, roles: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Asking for what is gone, is elsewhere, or is somebody else's."""
    name = roles.resource
    there, everything = partial(_there, roles), len(list(refused_moves.about(roles, run.roles)))
    many = {"thing": _MANY, "look": _looks(roles), "operation": (everything,)}

    def apart(play: Scenario) -> bool:
        return there(play) and len(play.there(roles.parents[-1])) > 1

    if roles.deletes:
        knock = partial(refused_moves.knock, roles)
        yield _move(f"knock_{name}", knock, lambda play: bool(refused_moves.knockable(play, roles)), many)
    if roles.parents and any(operation.parents for operation in refused_moves.about(roles, ())):
        yield _move(f"lead_astray_{name}", partial(refused_moves.astray, roles), apart, {**many, "parent": _MANY})
    if run.second is not None:
        strange = {**many, "operation": (everything + len(roles.lists),)}
        yield _move(f"stranger_{name}", partial(refused_moves.stranger, roles), there, strange)


def named(what: str, operation: Operation) -> str:
    """The name of a move with one operation."""
    return f"{what}_{operation.operation_id}"


def _looks(roles: ResourceOperations) -> tuple[int]:
    return (1 + len(roles.readers),)


def _there(roles: ResourceOperations, play: Scenario) -> bool:
    return bool(play.there(roles.resource))


def _watching(roles: ResourceOperations, operation: Operation) -> Move[Scenario]:
    filters = operation.listing.filters if operation.listing else ()

    def possible(play: Scenario) -> bool:
        return not operation.parents or bool(play.there(roles.parents[-1]))

    def watch(play: Scenario, drawn: Numbers) -> None:
        above = write_moves.pick(play.there(roles.parents[-1]), *drawn["parent"]) if operation.parents else None
        read_moves.look_through(play, roles, operation, above, *drawn["filter"])

    choices = {"filter": (1 + len(filters),), "parent": _MANY}
    return _move(named("watch", operation), watch, possible, choices)


def _read(roles: ResourceOperations, play: Scenario, drawn: Numbers) -> None:
    read_moves.look(play, write_moves.pick(play.there(roles.resource), *drawn["thing"]), 1)


def _move(
    name: str, what: _Play, possible: Callable[[Scenario], bool], choices: Mapping[str, tuple[int, ...]]
) -> Move[Scenario]:
    def told(play: Scenario, drawn: Numbers) -> Finding | None:
        play.run.steps += 1
        try:
            what(play, drawn)
        except Broken as broken:
            return broken.finding
        except NotOurs as misled:
            play.stray(str(misled))
        return None

    return Move(name, choices, possible, told)
