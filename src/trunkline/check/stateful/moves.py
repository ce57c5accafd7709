"""The table of moves: everything that a scenario can do with the items of each resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from trunkline.check.stateful import read_moves, refused_moves, write_moves
from trunkline.check.stateful.engine import Move, Numbers, choose
from trunkline.check.stateful.model import Item
from trunkline.check.stateful.request_bodies import flaws, variant_counts
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import Broken, Scenario, StatefulRun
from trunkline.errors import AvailabilityUnknown, NotOurs
from trunkline.findings import Finding

_ITEM_CHOICES = (4,)
"""The bound of a number that chooses one of several items: a scenario has few."""

T = TypeVar("T")


def moves(run: StatefulRun) -> tuple[Move[Scenario], ...]:
    """The moves of every resource."""
    return tuple(
        move
        for operations in run.resources
        for table in (_creations(operations), _documented(operations), _misuses(run, operations))
        for move in table
    )


def _creations(operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Create items: of a valid body, of a flawed one, like another item, and with a value that must be unique."""
    resource, create = operations.resource, operations.create
    choices = {"body": variant_counts(create), "read": _reads(operations), "parent": _ITEM_CHOICES}
    parents, existing = partial(Scenario.parents_of, operation=create), _existing(operations)

    def duplicable(scenario: Scenario) -> list[Item]:
        return [item for item in existing(scenario) if not create.kind.unique.keys().isdisjoint(item.sent)]

    def allowed(candidates: Callable[[Scenario], list[T]], *, will_create: bool) -> Callable[[Scenario], list[T]]:
        return lambda found: candidates(found) if found.run.may_create(operations, will_create=will_create) else []

    action = partial(write_moves.create, operations)
    yield _move(f"create_{resource}", "parent", allowed(parents, will_create=True), action, **choices)
    action, flaw = partial(refused_moves.create_flawed, operations), (len(flaws(create)),)
    yield _move(
        f"create_flawed_{resource}", "parent", allowed(parents, will_create=False), action, **choices, flaw=flaw
    )
    same_values, duplicate = refused_moves.create_same_values, refused_moves.create_duplicate
    choices["item"] = _ITEM_CHOICES
    yield _move(f"create_same_values_{resource}", "item", allowed(existing, will_create=True), same_values, **choices)
    if create.kind.unique:
        with_unique = allowed(duplicable, will_create=False)
        yield _move(f"create_duplicate_{resource}", "item", with_unique, duplicate, **choices, name=_ITEM_CHOICES)


def _documented(operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Read, update, act on and delete items as documented, and update them with a flawed body."""
    existing, choices = _existing(operations), {"item": _ITEM_CHOICES, "read": _reads(operations)}
    for listing in operations.lists:
        parents, action = partial(Scenario.parents_of, operation=listing), partial(read_moves.check_list, listing)
        filters = (1 + len(listing.kind.filters),)
        yield _move(f"list_{listing.operation_id}", "parent", parents, action, filter=filters, parent=_ITEM_CHOICES)
    for fetching in operations.fetches:
        fetch = partial(read_moves.fetch_item, fetching)
        yield _move(f"read_{operations.resource}", "item", existing, fetch, **choices)
    for update in operations.updates:
        name, bodies = update.operation_id, variant_counts(update)
        update_valid, update_flawed = partial(write_moves.update, update), partial(refused_moves.update_flawed, update)
        groups, flaw = (1 + len(write_moves.input_groups(update)),), (len(flaws(update)),)
        yield _move(f"update_{name}", "item", existing, update_valid, body=bodies, **choices, group=groups)
        yield _move(f"update_flawed_{name}", "item", existing, update_flawed, body=bodies, **choices, flaw=flaw)
    for act in operations.acts:
        perform, bodies = partial(write_moves.act, act), variant_counts(act)
        yield _move(f"act_{act.operation_id}", "item", existing, perform, **choices, body=bodies)
    for deleting in operations.deletes:
        delete = partial(write_moves.delete, deleting)
        yield _move(f"delete_{deleting.operation_id}", "item", existing, delete, **choices)


def _misuses(run: StatefulRun, operations: ResourceOperations) -> Iterator[Move[Scenario]]:
    """Requests about items that are deleted, below another parent, or another account's."""
    resource, existing = operations.resource, _existing(operations)
    choices = {"item": _ITEM_CHOICES, "read": _reads(operations), "operation": (len(operations.naming_item),)}

    def with_other_parents(scenario: Scenario) -> list[Item]:
        return existing(scenario) if len(scenario.parents_of(operations.create)) > 1 else []

    if operations.deletes:
        deleted = partial(refused_moves.deleted_items, operations)
        yield _move(f"use_deleted_{resource}", "item", deleted, refused_moves.use_deleted, **choices)
    if any(operation.parents for operation in operations.about_item):
        action = refused_moves.use_wrong_parent
        yield _move(f"use_wrong_parent_{resource}", "item", with_other_parents, action, **choices, parent=_ITEM_CHOICES)
    if run.second_credential is not None:
        choices["operation"] = (len(operations.tried_by_other_account),)
        yield _move(f"use_other_account_{resource}", "item", existing, refused_moves.use_other_account, **choices)


def _existing(operations: ResourceOperations) -> Callable[[Scenario], list[Item]]:
    return lambda scenario: scenario.existing(operations.resource)


def _reads(operations: ResourceOperations) -> tuple[int]:
    return (1 + len(operations.readers),)


def _move(
    name: str,
    subject: str,
    candidates: Callable[[Scenario], list[T]],
    action: Callable[[Scenario, T, Numbers], None],
    /,
    **choices: tuple[int, ...],
) -> Move[Scenario]:
    """A move about the candidate that the number named `subject` chooses. Without candidates it is not possible."""

    def run(scenario: Scenario, numbers: Numbers) -> Finding | None:
        scenario.run.steps += 1
        try:
            action(scenario, choose(candidates(scenario), *numbers[subject]), numbers)
        except Broken as broken:
            return broken.finding
        except NotOurs as error:
            scenario.give_up(str(error))
        except AvailabilityUnknown:
            pass
        return None

    return Move(name, choices, lambda scenario: bool(candidates(scenario)), run)
