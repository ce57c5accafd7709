"""The requests that created an item, by its id: a finding about the item is shown with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from trunkline.check.rules import operation_of
from trunkline.contract.bodies import at_pointer, id_key, json_of
from trunkline.contract.model import Contract, Create, Operation
from trunkline.exchange import Exchange


def created_id(operation: Operation | None, exchange: Exchange) -> tuple[str, str] | None:
    """The pointer at which a creation returns the new id, and the id: `("/data/id", "trunk-1")`."""
    if operation is None or not isinstance(operation.kind, Create) or not 200 <= exchange.response.status < 300:
        return None
    at = operation.kind.item + operation.kind.identity
    identity = at_pointer(json_of(exchange), at)
    return (at, str(identity)) if id_key(identity) else None


def created_identity(contract: Contract, exchange: Exchange) -> str:
    """The id of the item that an exchange created, or empty."""
    created = created_id(operation_of(contract, exchange), exchange)
    return created[1] if created else ""


@dataclass(slots=True, repr=False)
class Creations:
    """The successful creations of a run, by the id that they returned."""

    contract: Contract
    _by_id: dict[str, tuple[Exchange, ...]] = field(default_factory=dict)

    def remember(self, exchange: Exchange) -> None:
        """Remember a creation, together with those of its parents."""
        if found := created_id(operation_of(self.contract, exchange), exchange):
            self._by_id[id_key(found[1])] = (*self.for_exchange(exchange), exchange)

    def for_exchange(self, exchange: Exchange) -> tuple[Exchange, ...]:
        """The creations of the items that a path names, parents first; empty for items that the run did not create."""
        parts = (self._by_id.get(id_key(unquote(part)), ()) for part in exchange.request.path.split("/"))
        return tuple({id(creation): creation for creations in parts for creation in creations}.values())
