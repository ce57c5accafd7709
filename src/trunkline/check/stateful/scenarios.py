"""The fixed scenarios: short lists of moves that exercise every law, so that the random ones can go deeper.

Each is a list of (name of a move, its numbers), made from the contract. A move that is not possible is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from trunkline.check.stateful.engine import Move, Numbers, ScenarioStep
from trunkline.check.stateful.fields import inputs
from trunkline.check.stateful.request_bodies import flaws, variant_counts
from trunkline.check.stateful.resources import ResourceOperations
from trunkline.check.stateful.scenario import Scenario
from trunkline.check.stateful.write_moves import input_groups
from trunkline.contract.model import List, Operation, Update

_Choices: TypeAlias = Mapping[str, int | tuple[int, ...]]
_NamedStep: TypeAlias = tuple[str, _Choices]
"""The name of a move, and its choices that are not 0: one number for all inputs, or one for each."""

_SHORT_PAGE = 6
"""So many items are more than a short page."""
_BATCH = 12
"""So many flawed bodies are sent in one scenario. With more, reducing it to the one that matters would take long."""


def fixed_scenarios(
    resources: tuple[ResourceOperations, ...], moves: tuple[Move[Scenario], ...]
) -> tuple[list[ScenarioStep[Scenario]], ...]:
    """The scenarios that are always run, resource by resource."""
    table = {move.name: move for move in moves}
    return tuple(
        [(table[name], _numbers(table[name], choices)) for name, choices in scenario if name in table]
        for operations in resources
        for scenario in _scenarios(operations)
    )


def _numbers(move: Move[Scenario], choices: _Choices) -> Numbers:
    """The numbers of a move: the given choices, and else 0."""
    found = {}
    for name, bounds in move.choices.items():
        given = choices.get(name, 0)
        numbers = (given,) * len(bounds) if isinstance(given, int) else given
        found[name] = tuple(number % bound for number, bound in zip(numbers, bounds, strict=True))
    return found


def _do(name: str, **choices: int | tuple[int, ...]) -> _NamedStep:
    return name, choices


def _scenarios(operations: ResourceOperations) -> Iterator[list[_NamedStep]]:
    resource, create = operations.resource, operations.create
    parents = [_do(f"create_{parent}") for parent in operations.parents]
    created = [*parents, _do(f"create_{resource}", read=1)]
    listed = [_do(f"list_{listing.operation_id}") for listing in operations.lists]
    duplicates = [_do(f"create_duplicate_{resource}", parent=number, read=1) for number in (0, 1)]
    yield [*created, *listed]
    for body in _each_choice(create):
        yield [*parents, _do(f"create_{resource}", body=body, read=1)]
    for choice in range(1, max(variant_counts(create))):
        yield [*parents, _do(f"create_{resource}", body=choice, read=1), *listed]
    flawed = [_do(f"create_flawed_{resource}", flaw=number, read=1) for number in range(len(flaws(create)))]
    for batch in _batches(flawed):
        yield [*parents, *batch]
    for listing in operations.lists:
        filters = range(1, 1 + len(listing.kind.filters))
        yield [*created, *(_do(f"list_{listing.operation_id}", filter=number) for number in filters)]
    yield [*created, *duplicates]
    yield [*parents, *created, *duplicates]
    yield [*parents, *(_do(f"create_{resource}") for _ in range(_SHORT_PAGE)), *listed]
    yield [*created, _do(f"create_same_values_{resource}"), _do(f"create_same_values_{resource}", item=1), *listed]
    for update in operations.updates:
        yield from _updates(operations, update, created, listed)
    yield from _actions(operations, created, listed)
    yield from _deletions(operations, created, listed)
    yield from _misuses(operations, created, listed)


def _each_choice(operation: Operation) -> Iterator[tuple[int, ...]]:
    """Each choice for each input of a body, with 0 for the others."""
    counts = variant_counts(operation)
    for index, count in enumerate(counts):
        for number in range(1, count):
            yield tuple(number if other == index else 0 for other in range(len(counts)))


def _changing_actions(operations: ResourceOperations) -> list[_NamedStep]:
    return [_do(f"act_{act.operation_id}") for act in operations.acts if act.kind.changes]


def _updates(
    operations: ResourceOperations, update: Operation[Update], created: list[_NamedStep], listed: list[_NamedStep]
) -> Iterator[list[_NamedStep]]:
    """Each input alone, all at once, in each group that resets something, on one of two items, and with each flaw."""
    name = f"update_{update.operation_id}"
    alone = [_do(name, body=body, read=1) for body in _each_choice(update)]
    full = [*created[:-1], _do(created[-1][0], body=1, read=1)]
    for batch in _batches(alone):
        yield [*created, *batch]
        yield [*full, *listed, *batch, *listed]  # the list is read before too: what it showed must not be lost
    for choice in range(1, max(variant_counts(update))):
        yield [*created, _do(name, body=choice, read=1), *listed]
    yield [*created, *created, _do(name, item=1), *listed]
    acts, groups = _changing_actions(operations), range(1, 1 + len(input_groups(update)))
    unsettled = _unsettled_updates(update)
    for body in _each_choice(update) if acts else ():
        if sum(body) == 1:
            yield [*created, *acts, _do(name, body=body, read=1), *listed]
    for group in groups:
        yield [*created, *acts, _do(name, group=group, read=1), *listed]
        if unsettled:
            yield [*created, *acts, *unsettled, _do(name, group=group, read=1)]
    if groups:  # an update of one item leaves the other
        read = _do(f"read_{operations.resource}")
        yield [*created, *acts, *created, _do(name, item=1, group=1), read, *listed]
    flawed = f"update_flawed_{update.operation_id}"
    for batch in _batches([_do(flawed, flaw=number, body=1, read=1) for number in range(len(flaws(update)))]):
        yield [*created, *batch]


def _unsettled_updates(update: Operation[Update]) -> list[_NamedStep]:
    """The updates whose value only some items must take, such as activating a verified trunk."""
    unsettled = [index for index, input_ in enumerate(inputs(update)) if input_.unsettled]
    bodies = (body for body in _each_choice(update) if any(body[index] for index in unsettled))
    return [_do(f"update_{update.operation_id}", body=body, read=1) for body in bodies]


def _actions(
    operations: ResourceOperations, created: list[_NamedStep], listed: list[_NamedStep]
) -> Iterator[list[_NamedStep]]:
    """Each action alone, after the others, after updates, and on one of two items."""
    for act in operations.acts:
        action = _do(f"act_{act.operation_id}", read=1)
        before = [step for step in _changing_actions(operations) if step[0] != action[0]]
        yield [*created, action, *listed]
        yield [*created, *before, action]
        for update in operations.updates:
            yield [*created, *before, *_unsettled_updates(update), action]
        yield [*created, *created, action, *listed]


def _deletions(
    operations: ResourceOperations, created: list[_NamedStep], listed: list[_NamedStep]
) -> Iterator[list[_NamedStep]]:
    """A deletion and requests about the deleted item, a deletion of one of two items, and of one with children."""
    below = operations.children
    children = [_do(f"create_{other.resource}", read=1) for other in below]
    emptied = [_do(f"delete_{delete.operation_id}", read=1) for other in below for delete in other.deletes]
    count = len(operations.naming_item)
    for delete in operations.deletes:
        deleted = _do(f"delete_{delete.operation_id}", read=1)
        used = [_do(f"use_deleted_{operations.resource}", operation=number) for number in range(count)]
        yield [*created, deleted, *listed, *used, *created, *listed]
        yield [*created, *created, deleted, *listed]
        yield [*created, *children, deleted, *listed, *emptied, deleted]
    child_lists = [_do(f"list_{listing.operation_id}") for other in below for listing in other.lists]
    for update in operations.updates if child_lists else ():
        yield [*created, *children, _do(f"update_{update.operation_id}", body=1, read=1), *child_lists]


def _misuses(
    operations: ResourceOperations, created: list[_NamedStep], listed: list[_NamedStep]
) -> Iterator[list[_NamedStep]]:
    """Requests about items below another parent, and with the credential of another account."""
    resource = operations.resource
    if operations.parents:
        other_parent_lists = [(name, {**choices, "parent": 1}) for name, choices in listed]
        count = len(operations.naming_item)
        wrong_parent = [_do(f"use_wrong_parent_{resource}", operation=number, read=1) for number in range(count)]
        yield [_do(f"create_{operations.parents[-1]}"), *created, *listed, *other_parent_lists, *wrong_parent]
    operations_to_try = operations.tried_by_other_account
    other_account = f"use_other_account_{resource}"
    yield [*created, *(_do(other_account, operation=number, read=1) for number in range(len(operations_to_try)))]
    children = [_do(f"create_{other.resource}", read=1) for other in operations.children]
    lists = [number for number, operation in enumerate(operations_to_try) if isinstance(operation.kind, List)]
    yield [*created, *children, *(_do(other_account, operation=number) for number in lists)]


def _batches(steps: list[_NamedStep]) -> Iterator[list[_NamedStep]]:
    return (steps[start : start + _BATCH] for start in range(0, len(steps), _BATCH))
