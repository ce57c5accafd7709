"""Owns the openings: short plays that come to every law, so that what is drawn at random can go deeper.

Each is a list of moves with their numbers, made of the table of moves alone; a move that is not possible is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from trunkline.check.stateful import refused_moves, write_moves
from trunkline.check.stateful.engine import Move, Numbers, Step
from trunkline.check.stateful.fields import ResourceOperations, inputs
from trunkline.check.stateful.inputs import flaws, sizes
from trunkline.check.stateful.moves import named
from trunkline.check.stateful.scenario_run import Scenario, StatefulRun
from trunkline.contract.model import Operation

_Opening: TypeAlias = list[Step[Scenario]]
_Given: TypeAlias = Mapping[str, int | tuple[int, ...]]
_Said: TypeAlias = tuple[str, _Given]
"""The name of a move, and the numbers of its choices that are not 0: one number for all of a choice, or each."""

_MANY = 6
"""So many things fill more than a short page."""
_ONE_AFTER_ANOTHER = 12
"""So many flawed bodies are sent in one play; more would take long to be cut down to the one that counts."""


def openings(run: StatefulRun, moves: tuple[Move[Scenario], ...]) -> tuple[_Opening, ...]:
    """The plays that are always played, resource by resource."""
    table = {move.name: move for move in moves}
    return tuple(
        [(table[name], _filled(table[name], numbers)) for name, numbers in opening if name in table]
        for roles in run.roles
        for opening in _of(run, roles)
    )


def _filled(move: Move[Scenario], numbers: _Given) -> Numbers:
    """The numbers of a move: those that are told, for one or for all of a choice, and else 0."""
    found = {}
    for name, bounds in move.choices.items():
        said = numbers.get(name, 0)
        each = (said,) * len(bounds) if isinstance(said, int) else said
        found[name] = tuple(number % bound for number, bound in zip(each, bounds, strict=True))
    return found


def _do(name: str, **numbers: int | tuple[int, ...]) -> _Said:
    return name, numbers


def _of(run: StatefulRun, roles: ResourceOperations) -> Iterator[list[_Said]]:
    name, create = roles.resource, roles.create
    above = [_do(f"make_{parent}") for parent in roles.parents]
    made = [*above, _do(f"make_{name}", look=1)]
    watched = [_do(named("watch", operation)) for operation in roles.lists]
    yield [*made, *watched]
    for body in _alone(create):
        yield [*above, _do(f"make_{name}", body=body, look=1)]
    for form in range(1, max(sizes(create))):
        yield [*above, _do(f"make_{name}", body=form, look=1), *watched]
    for many in _batches(len(flaws(create))):
        yield [*above, *(_do(f"make_flawed_{name}", flaw=number, look=1) for number in many)]
    for operation in roles.lists:
        filters = operation.listing.filters if operation.listing else ()
        yield [*made, *(_do(named("watch", operation), filter=number + 1) for number in range(len(filters)))]
    yield [*made, *(_do(f"make_second_{name}", parent=number, look=1) for number in (0, 1))]
    yield [*above, *made, *(_do(f"make_second_{name}", parent=number, look=1) for number in (0, 1))]
    yield [*above, *(_do(f"make_{name}") for _ in range(_MANY)), *watched]
    yield [*made, _do(f"make_like_{name}"), _do(f"make_like_{name}", thing=1), *watched]
    for operation in roles.updates:
        yield from _changing(roles, operation, made, watched)
    telling = [operation for operation in roles.acts if operation.acting and operation.acting.changes]
    for operation in roles.acts:
        before = [_do(named("act", other)) for other in telling if other is not operation]
        yield [*made, _do(named("act", operation), look=1), *watched]
        yield [*made, *before, _do(named("act", operation), look=1)]
        for update in roles.updates:
            yield [*made, *before, *_lifted(update), _do(named("act", operation), look=1)]
        yield [*made, *made, _do(named("act", operation), look=1), *watched]
    yield from _leaving(run, roles, made, watched)


def _alone(operation: Operation) -> Iterator[tuple[int, ...]]:
    """Each way of giving each input a value, with as few others as can be."""
    every = sizes(operation)
    for index, size in enumerate(every):
        for number in range(1, size):
            yield tuple(number if other == index else 0 for other in range(len(every)))


def _changing(
    roles: ResourceOperations, operation: Operation, made: list[_Said], watched: list[_Said]
) -> Iterator[list[_Said]]:
    """Each input alone, all at once, in each set that resets something, on one of two, and with each flaw."""
    change, spoil = named("change", operation), named("change_flawed", operation)
    alone = [_do(change, body=body, look=1) for body in _alone(operation)]
    full = [*made[:-1], _do(made[-1][0], body=1, look=1)]
    for many in _batches(len(alone)):
        yield [*made, *alone[many.start : many.stop]]
        yield [*full, *watched, *alone[many.start : many.stop], *watched]  # what a list showed before, and what is lost
    for form in range(1, max(sizes(operation))):
        yield [*made, _do(change, body=form, look=1), *watched]
    yield [*made, *made, _do(change, thing=1), *watched]
    acts = [_do(named("act", act)) for act in roles.acts if act.acting and act.acting.changes]
    lifted = _lifted(operation)
    for body in _alone(operation) if acts else ():
        if sum(body) == 1:
            yield [*made, *acts, _do(change, body=body, look=1), *watched]
    for aim in range(len(write_moves.aims(operation))):
        yield [*made, *acts, _do(change, aim=aim + 1, look=1), *watched]
        if lifted:
            yield [*made, *acts, *lifted, _do(change, aim=aim + 1, look=1)]
    for aim in range(min(1, len(write_moves.aims(operation)))):  # what is done to one is not done to another
        yield [*made, *acts, *made, _do(change, thing=1, aim=aim + 1), _do(f"read_{roles.resource}"), *watched]
    for many in _batches(len(flaws(operation))):
        yield [*made, *(_do(spoil, flaw=number, body=1, look=1) for number in many)]


def _lifted(operation: Operation) -> list[_Said]:
    """The changes that are taken only of a thing that is fit for them."""
    loose = [index for index, said in enumerate(inputs(operation)) if said.unsettled]
    alone = (body for body in _alone(operation) if any(body[index] for index in loose))
    return [_do(named("change", operation), body=body, look=1) for body in alone]


def _leaving(
    run: StatefulRun, roles: ResourceOperations, made: list[_Said], watched: list[_Said]
) -> Iterator[list[_Said]]:
    """What stands in the way of a removal, the removal, what is left; then other parents, and other accounts."""
    name = roles.resource
    below = [role for role in run.roles if role.parents and role.parents[-1] == name]
    children = [_do(f"make_{role.resource}", look=1) for role in below]
    emptied = [_do(named("remove", operation), look=1) for role in below for operation in role.deletes]
    asked = list(refused_moves.about(roles, run.roles))
    for operation in roles.deletes:
        gone = _do(named("remove", operation), look=1)
        knocks = [_do(f"knock_{name}", operation=number) for number in range(len(asked))]
        yield [*made, gone, *watched, *knocks, *made, *watched]
        yield [*made, *made, gone, *watched]
        yield [*made, *children, gone, *watched, *emptied, gone]
    within = [_do(named("watch", operation)) for role in below for operation in role.lists]
    for operation in roles.updates if within else ():
        yield [*made, *children, _do(named("change", operation), body=1, look=1), *within]
    if roles.parents:
        elsewhere = [(said, {**numbers, "parent": 1}) for said, numbers in watched]
        strays = [_do(f"lead_astray_{name}", operation=number, look=1) for number in range(len(asked))]
        yield [_do(f"make_{roles.parents[-1]}"), *made, *watched, *elsewhere, *strays]
    strange = [*asked, *roles.lists]
    yield [*made, *(_do(f"stranger_{name}", operation=number, look=1) for number in range(len(strange)))]
    inside = [number for number, operation in enumerate(strange) if operation.listing]
    yield [*made, *children, *(_do(f"stranger_{name}", operation=number) for number in inside)]


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, _ONE_AFTER_ANOTHER):
        yield range(start, min(count, start + _ONE_AFTER_ANOTHER))
