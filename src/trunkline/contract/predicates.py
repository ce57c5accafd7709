"""Predicates that select the operations that a rule or a law is about. Most also narrow the type of the operation."""

from __future__ import annotations

from typing import TypeGuard

from trunkline.contract.model import Fetch, List, Operation, Update


def any_operation(_: Operation) -> TypeGuard[Operation]:
    """Selects every operation."""
    return True


def flags_success(operation: Operation) -> TypeGuard[Operation]:
    """Whether the bodies of the contract have a flag that is true in a success only."""
    return operation.contract.errors.success is not None


def is_list(operation: Operation) -> TypeGuard[Operation[List]]:
    """Whether the operation returns a list."""
    return isinstance(operation.kind, List)


def is_paged(operation: Operation) -> TypeGuard[Operation[List]]:
    """Whether the operation returns a list in pages."""
    return isinstance(operation.kind, List) and operation.kind.paging is not None


def has_filters(operation: Operation) -> TypeGuard[Operation[List]]:
    """Whether the operation returns a list that can be filtered."""
    return isinstance(operation.kind, List) and bool(operation.kind.filters)


def is_fetch(operation: Operation) -> TypeGuard[Operation[Fetch]]:
    """Whether the operation shows one item."""
    return isinstance(operation.kind, Fetch)


def is_update(operation: Operation) -> TypeGuard[Operation[Update]]:
    """Whether the operation changes an item."""
    return isinstance(operation.kind, Update)


def shows_named_item(operation: Operation) -> TypeGuard[Operation[Fetch | Update]]:
    """Whether the operation shows the item that its path names, with the id of the item."""
    return isinstance(operation.kind, Fetch | Update)


def is_read(operation: Operation) -> TypeGuard[Operation]:
    """Whether the operation only reads."""
    return operation.reads


def is_secured_read(operation: Operation) -> TypeGuard[Operation]:
    """Whether the operation only reads, and needs a credential."""
    return operation.reads and operation.secured


def reads_items_of_account(operation: Operation) -> TypeGuard[Operation]:
    """Whether the operation lists items of an account, or reads about one that its path names."""
    return is_secured_read(operation) and (is_list(operation) or bool(operation.path_parameters))


def is_public_read(operation: Operation) -> TypeGuard[Operation]:
    """Whether the operation only reads, and needs no credential."""
    return operation.reads and not operation.secured


def takes_numbers(operation: Operation) -> TypeGuard[Operation]:
    """Whether a query parameter of the operation is an integer."""
    return any(
        parameter.schema["type"] == "integer" for parameter in operation.parameters if parameter.location == "query"
    )


def takes_choices(operation: Operation) -> TypeGuard[Operation]:
    """Whether a parameter of the operation has a list of allowed values."""
    return any("enum" in parameter.schema for parameter in operation.parameters)
