"""The table of moves: everything that a scenario can do with the items of each resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from trunkline.check.stateful import read_moves, refused_moves, write_moves
from trunkline.check.stateful.engine import Move, Numbers
from trunkline.check.stateful.refused_moves import naming_item, reaching_item
from trunkline.check.stateful.request_bodies import flaws, variant_counts
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import Broken, Scenario, StatefulRun
from trunkline.contract.model import Operation
from trunkline.errors import NotOurs
from trunkline.findings import Finding

_PICK = (4,)
"""The bound of a number that picks one of several items: a scenario has few."""
_MOST_REFUSALS = 10
"""After so many refusals in a row no more items of a resource are created."""


def moves(run: StatefulRun) -> tuple[Move[Scenario], ...]:
    """The moves of every resource."""
    return tuple(move for operations in run.resources for move in _moves_of(run, operations))


def name_of(action: str, operation: Operation) -> str:
    """The name of a move with one operation: `update_updateSipTrunk`."""
    return f"{action}_{operation.operation_id}"


def _moves_of(run: StatefulRun, operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    yield from _creations(run, operations)
    exists = partial(_exists, operations)
    for listing in operations.lists:
        can_list = partial(_has_parent, operations) if listing.parents else _always
        filters = {"filter": (1 + len(listing.kind.filters),), "parent": _PICK}
        yield _move(name_of("list", listing), partial(read_moves.list_items, operations, listing), can_list, filters)
    choices = {"item": _PICK, "read": _readers(operations)}
    if operations.fetch:
        yield _move(f"read_{operations.resource}", partial(read_moves.read, operations), exists, choices)
    for update in operations.updates:
        with_body = {"body": variant_counts(update), **choices}
        groups = {"group": (1 + len(write_moves.input_groups(update)),)}
        flaw = {"flaw": (len(flaws(update)),)}
        change = partial(write_moves.update, operations, update)
        spoil = partial(refused_moves.update_flawed, operations, update)
        yield _move(name_of("update", update), change, exists, {**with_body, **groups})
        yield _move(name_of("update_flawed", update), spoil, exists, {**with_body, **flaw})
    for act in operations.acts:
        perform = partial(write_moves.act, operations, act)
        yield _move(name_of("act", act), perform, exists, {**choices, "body": variant_counts(act)})
    for delete in operations.deletes:
        yield _move(name_of("remove", delete), partial(write_moves.remove, operations, delete), exists, choices)
    yield from _misuses(run, operations)


def _creations(run: StatefulRun, operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Create items: of a valid body, of a flawed one, like another item, and with a value that must be unique."""
    resource, create = operations.resource, operations.create

    def can_create(scenario: Scenario, *, surely: bool) -> bool:
        return (
            _has_parent(operations, scenario)
            and run.may_leave(resource, surely=surely)
            and run.refused[resource] < _MOST_REFUSALS
        )

    def can_create_alike(scenario: Scenario) -> bool:
        return can_create(scenario, surely=True) and bool(scenario.existing(resource))

    def can_duplicate(scenario: Scenario) -> bool:
        return can_create(scenario, surely=False) and bool(refused_moves.with_unique_value(scenario, operations))

    choices = {"body": variant_counts(create), "read": _readers(operations), "parent": _PICK}
    valid, flawed = partial(write_moves.create, operations), partial(refused_moves.create_flawed, operations)
    alike = partial(refused_moves.create_alike, operations)
    duplicate = partial(refused_moves.create_duplicate, operations)
    yield _move(f"create_{resource}", valid, partial(can_create, surely=True), choices)
    flaw = {"flaw": (len(flaws(create)),)}
    yield _move(f"create_flawed_{resource}", flawed, partial(can_create, surely=False), {**choices, **flaw})
    yield _move(f"create_alike_{resource}", alike, can_create_alike, {**choices, "item": _PICK})
    if create.kind.unique:
        yield _move(f"create_duplicate_{resource}", duplicate, can_duplicate, {**choices, "item": _PICK, "name": _PICK})


def _misuses(run: StatefulRun, operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Requests about items that are removed, below another parent, or another account's."""
    resource, naming = operations.resource, naming_item(operations, run.resources)
    exists = partial(_exists, operations)
    choices = {"item": _PICK, "read": _readers(operations), "operation": (len(naming),)}

    def is_removed(scenario: Scenario) -> bool:
        return bool(refused_moves.surely_removed(scenario, operations))

    def has_other_parent(scenario: Scenario) -> bool:
        return exists(scenario) and len(scenario.parents_of(operations)) > 1

    if operations.deletes:
        yield _move(f"use_removed_{resource}", partial(refused_moves.use_removed, operations), is_removed, choices)
    if operations.parents and any(operation.parents for operation in operations.about_item):
        astray = partial(refused_moves.use_wrong_parent, operations)
        yield _move(f"use_wrong_parent_{resource}", astray, has_other_parent, {**choices, "parent": _PICK})
    if run.second_credential is not None:
        reaching = {"operation": (len(reaching_item(operations, run.resources)),)}
        stranger = partial(refused_moves.use_other_account, operations)
        yield _move(f"use_other_account_{resource}", stranger, exists, {**choices, **reaching})


def _exists(operations: ResourceOperations, scenario: Scenario) -> bool:
    return bool(scenario.existing(operations.resource))


def _has_parent(operations: ResourceOperations, scenario: Scenario) -> bool:
    return not operations.parents or bool(scenario.parents_of(operations))


def _always(_: Scenario) -> bool:
    return True


def _readers(operations: ResourceOperations) -> tuple[int]:
    return (1 + len(operations.readers),)


def _move(
    name: str,
    action: Callable[[Scenario, Numbers], None],
    possible: Callable[[Scenario], bool],
    choices: Mapping[str, tuple[int, ...]],
) -> Move[Scenario]:
    def run(scenario: Scenario, numbers: Numbers) -> Finding | None:
        scenario.run.steps += 1
        try:
            action(scenario, numbers)
        except Broken as broken:
            return broken.finding
        except NotOurs as error:
            scenario.give_up(str(error))
        return None

    return Move(name, choices, possible, run)
