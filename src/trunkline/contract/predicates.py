"""Owns the kinds of operation: what an operation has that a rule or a law can be about."""

from __future__ import annotations

from trunkline.contract.model import Operation


def pages(operation: Operation) -> bool:
    """Whether the operation lists page by page."""
    return operation.listing is not None and operation.listing.paging is not None


def filters(operation: Operation) -> bool:
    """Whether the operation's list can be filtered."""
    return operation.listing is not None and bool(operation.listing.filters)


def shows_its_own(operation: Operation) -> bool:
    """Whether the operation shows the item that its path names, with the id."""
    return bool(operation.item_parameter and operation.identity)


def fetches(operation: Operation) -> bool:
    """Whether the operation shows one item."""
    return operation.fetching is not None


def reads(operation: Operation) -> bool:
    """Whether the operation only reads."""
    return operation.reads


def reads_secured(operation: Operation) -> bool:
    """Whether the operation only reads, and needs a credential."""
    return operation.reads and operation.secured


def reads_openly(operation: Operation) -> bool:
    """Whether the operation only reads, and needs no credential."""
    return operation.reads and not operation.secured


def any_operation(operation: Operation) -> bool:
    """Every operation."""
    return bool(operation.operation_id)


def lists(operation: Operation) -> bool:
    """Whether the operation lists."""
    return operation.listing is not None


def takes_numbers(operation: Operation) -> bool:
    """Whether a query parameter of the operation is an integer."""
    return any(
        parameter.schema["type"] == "integer" for parameter in operation.parameters if parameter.place == "query"
    )


def takes_choices(operation: Operation) -> bool:
    """Whether a query parameter of the operation is one of some values."""
    return any("enum" in parameter.schema for parameter in operation.parameters)
