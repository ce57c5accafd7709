"""Owns what was made by whom: the requests behind an id, without which a request about it shows nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.check.rules import operation_of
from trunkline.check.stateful.model import in_path, key
from trunkline.contract.bodies import at_pointer, json_of
from trunkline.contract.model import Contract, Operation
from trunkline.exchange import Exchange


def made(operation: Operation | None, exchange: Exchange) -> tuple[str, str] | None:
    """Where an answer tells the id of what was made, and the id as it goes into a path: `("/data/id", "trunk-1")`."""
    creating = operation.creating if operation else None
    if creating is None or not 200 <= exchange.response.status < 300:
        return None
    at = creating.item + creating.identity
    identity = at_pointer(json_of(exchange), at)
    return (at, in_path(identity)) if key(identity) else None


@dataclass(slots=True, repr=False)
class Creations:
    """The creations that were answered with success, by the id that they answered."""

    contract: Contract
    _known: dict[str, tuple[Exchange, ...]] = field(default_factory=dict)

    def note(self, exchange: Exchange) -> None:
        """Remembers a creation, with what made the things that it names."""
        found = made(operation_of(self.contract, exchange), exchange)
        if found:
            self._known[found[1]] = (*self.behind(exchange), exchange)

    def behind(self, exchange: Exchange) -> tuple[Exchange, ...]:
        """What made the things that a path names, parents first; empty for what the run did not make."""
        parts = (self._known.get(part, ()) for part in exchange.request.path.split("/"))
        return tuple({id(found): found for known in parts for found in known}.values())
