"""The table of moves: everything that a scenario can do with the items of each resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from trunkline.check.stateful import read_moves, refused_moves, write_moves
from trunkline.check.stateful.engine import Move, Numbers
from trunkline.check.stateful.request_bodies import flaws, variant_counts
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import Broken, Scenario, StatefulRun
from trunkline.errors import NotOurs
from trunkline.findings import Finding

_PICK = (4,)
"""The bound of a number that picks one of several items: a scenario has few."""


def moves(run: StatefulRun) -> tuple[Move[Scenario], ...]:
    """The moves of every resource."""
    return tuple(move for operations in run.resources for move in _moves_of(run, operations))


def _moves_of(run: StatefulRun, operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    choices = {"item": _PICK, "read": (1 + len(operations.readers),)}

    def exists(scenario: Scenario) -> bool:
        return bool(scenario.existing(operations.resource))

    yield from _creations(operations)
    for listing in operations.lists:
        possible = partial(_has_parent, operations) if listing.parents else _always
        action = partial(read_moves.list_items, operations, listing)
        filters = (1 + len(listing.kind.filters),)
        yield _move(f"list_{listing.operation_id}", action, possible, filter=filters, parent=_PICK)
    if operations.fetch:
        yield _move(f"read_{operations.resource}", partial(read_moves.read, operations), exists, **choices)
    for update in operations.updates:
        name, bodies = update.operation_id, variant_counts(update)
        groups = (1 + len(write_moves.input_groups(update)),)
        action = partial(write_moves.update, operations, update)
        yield _move(f"update_{name}", action, exists, body=bodies, **choices, group=groups)
        action = partial(refused_moves.update_flawed, operations, update)
        yield _move(f"update_flawed_{name}", action, exists, body=bodies, **choices, flaw=(len(flaws(update)),))
    for act in operations.acts:
        action = partial(write_moves.act, operations, act)
        yield _move(f"act_{act.operation_id}", action, exists, **choices, body=variant_counts(act))
    for delete in operations.deletes:
        action = partial(write_moves.remove, operations, delete)
        yield _move(f"remove_{delete.operation_id}", action, exists, **choices)
    yield from _misuses(run, operations, exists)


def _creations(operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Create items: of a valid body, of a flawed one, like another item, and with a value that must be unique."""
    resource, create = operations.resource, operations.create

    def can_create(scenario: Scenario, *, surely: bool = False) -> bool:
        return _has_parent(operations, scenario) and scenario.run.may_create(operations, surely=surely)

    def can_create_surely(scenario: Scenario) -> bool:
        return can_create(scenario, surely=True)

    def can_create_alike(scenario: Scenario) -> bool:
        return can_create(scenario, surely=True) and bool(scenario.existing(resource))

    def can_duplicate(scenario: Scenario) -> bool:
        return can_create(scenario) and bool(refused_moves.with_unique_value(scenario, operations))

    choices = {"body": variant_counts(create), "read": (1 + len(operations.readers),), "parent": _PICK}
    yield _move(f"create_{resource}", partial(write_moves.create, operations), can_create_surely, **choices)
    action = partial(refused_moves.create_flawed, operations)
    yield _move(f"create_flawed_{resource}", action, can_create, **choices, flaw=(len(flaws(create)),))
    action = partial(refused_moves.create_alike, operations)
    yield _move(f"create_alike_{resource}", action, can_create_alike, **choices, item=_PICK)
    if create.kind.unique:
        action = partial(refused_moves.create_duplicate, operations)
        yield _move(f"create_duplicate_{resource}", action, can_duplicate, **choices, item=_PICK, name=_PICK)


def _misuses(
    run: StatefulRun, operations: ResourceOperations, exists: Callable[[Scenario], bool]
) -> Iterator[Move[Scenario]]:
    """Requests about items that are removed, below another parent, or another account's."""
    resource, naming = operations.resource, (len(operations.naming_item),)
    choices = {"item": _PICK, "read": (1 + len(operations.readers),)}

    def is_removed(scenario: Scenario) -> bool:
        return bool(refused_moves.surely_removed(scenario, operations))

    def has_other_parent(scenario: Scenario) -> bool:
        return exists(scenario) and len(scenario.parents_of(operations)) > 1

    if operations.deletes:
        action = partial(refused_moves.use_removed, operations)
        yield _move(f"use_removed_{resource}", action, is_removed, **choices, operation=naming)
    if operations.parents and any(operation.parents for operation in operations.about_item):
        action = partial(refused_moves.use_wrong_parent, operations)
        yield _move(f"use_wrong_parent_{resource}", action, has_other_parent, **choices, operation=naming, parent=_PICK)
    if run.second_credential is not None:
        action = partial(refused_moves.use_other_account, operations)
        reaching = (len(operations.reaching_item),)
        yield _move(f"use_other_account_{resource}", action, exists, **choices, operation=reaching)


def _has_parent(operations: ResourceOperations, scenario: Scenario) -> bool:
    return not operations.parents or bool(scenario.parents_of(operations))


def _always(_: Scenario) -> bool:
    return True


def _move(
    name: str,
    action: Callable[[Scenario, Numbers], None],
    possible: Callable[[Scenario], bool],
    /,
    **choices: tuple[int, ...],
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
