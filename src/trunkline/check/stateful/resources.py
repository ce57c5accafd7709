"""The operations of each resource whose items a check can create."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from trunkline.contract.model import Act, Contract, Create, Delete, Fetch, List, Operation, Update


@dataclass(frozen=True, slots=True)
class ResourceOperations:
    """The operations of one resource, by kind."""

    create: Operation[Create]
    fetches: tuple[Operation[Fetch], ...]
    lists: tuple[Operation[List], ...]
    updates: tuple[Operation[Update], ...]
    deletes: tuple[Operation[Delete], ...]
    acts: tuple[Operation[Act], ...]

    @property
    def resource(self) -> str:
        return self.create.resource

    @property
    def parents(self) -> tuple[str, ...]:
        """The resources that it belongs to, the nearest last: `("sip-trunks",)` for the DIDs of a trunk."""
        return tuple(parameter.resource for parameter in self.create.parents)

    @property
    def readers(self) -> tuple[Operation[Fetch] | Operation[List], ...]:
        """The operations that show an item."""
        return (*self.fetches, *self.lists)

    @property
    def writers(self) -> tuple[Operation[Create] | Operation[Update], ...]:
        """The operations that take the inputs of an item."""
        return (self.create, *self.updates)

    @property
    def about_item(self) -> tuple[Operation, ...]:
        """The operations whose path names an item of the resource last."""
        return (*self.fetches, *self.updates, *self.deletes, *self.acts)

    @property
    def children(self) -> tuple[ResourceOperations, ...]:
        """The resources whose items belong to an item of this one."""
        every = resource_operations(self.create.contract)
        return tuple(other for other in every if other.parents[-1:] == (self.resource,))

    @property
    def naming_item(self) -> tuple[Operation, ...]:
        """The operations whose path names an item: its own, and those that create and list its children."""
        found = [*self.about_item]
        for child in self.children:
            found += [child.create, *(listing for listing in child.lists if listing.parents)]
        return tuple(found)

    @property
    def tried_by_other_account(self) -> tuple[Operation, ...]:
        """The operations that another account can try: those that name an item, and the lists that could show it."""
        return (*self.naming_item, *self.lists)


@lru_cache(maxsize=16)
def resource_operations(contract: Contract) -> tuple[ResourceOperations, ...]:
    """The operations of each resource that an operation creates, parents before children."""
    found = [
        ResourceOperations(
            create,
            contract.of_kind(Fetch, create.resource),
            contract.of_kind(List, create.resource),
            contract.of_kind(Update, create.resource),
            contract.of_kind(Delete, create.resource),
            tuple(act for act in contract.of_kind(Act, create.resource) if act.kind.parameter),
        )
        for create in contract.of_kind(Create)
    ]
    return tuple(sorted(found, key=lambda operations: len(operations.parents)))


def operations_of(contract: Contract, resource: str) -> ResourceOperations | None:
    """The operations of a resource, if a check can create its items."""
    return next((found for found in resource_operations(contract) if found.resource == resource), None)
