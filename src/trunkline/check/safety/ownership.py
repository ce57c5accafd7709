"""Find the owner of an item from the responses that show it, not only from the response to its creation.

An implementation may answer a creation with the id of another item, and may use an id again. A run that wrote to an
item because of its id alone would trust the very responses that it checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeGuard, TypeVar

from trunkline.check.lists import ListReading, read_list
from trunkline.check.safety.ledger import Ledger, LedgerEntry
from trunkline.contract.bodies import NOTHING, at_pointer, id_key, json_of, same_id
from trunkline.contract.model import Act, Contract, Create, Delete, Fetch, List, Operation, Update
from trunkline.contract.requests import fill_path
from trunkline.exchange import NOT_FOUND, Exchange, Headers, Json, Request, Response, Target

_SAFE_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._~:@=-]{1,256}")

_Key = tuple[str, str, str]
"""The digest of a credential, a resource and an id, as ids are compared."""

_K = TypeVar("_K", List, Fetch, Create, Update, Delete, Act)


class Owner(Enum):
    """The owner of an item, as far as responses show it."""

    OURS = "created by the run"
    OTHERS = "not created by the run"
    GONE = "does not exist"
    UNKNOWN = "not shown"


def is_safe_id(identity: object) -> TypeGuard[str]:
    """Whether every server reads an id in a path in the same way: `trunk-1`, but neither `..` nor `a/b` nor `a%2F`."""
    return isinstance(identity, str) and _SAFE_ID.fullmatch(identity) is not None


def ids_by_resource(operation: Operation, values: Mapping[str, str]) -> dict[str, str]:
    """The ids in a path by resource, from its parameters: `{"trunk_id": "1"}` -> `{"trunks": "1"}`."""
    known = (parameter for parameter in operation.path_parameters if parameter.resource)
    return {parameter.resource: values[parameter.name] for parameter in known}


def safe_path(operation: Operation | None, ids: Mapping[str, str]) -> str | None:
    """The path of an operation with these ids by resource; None if there is no operation, or an id is not safe."""
    if operation is None:
        return None
    values = {parameter.name: ids.get(parameter.resource, "") for parameter in operation.path_parameters}
    return fill_path(operation, values, encode=False) if all(map(is_safe_id, values.values())) else None


def label_value(item: Json, label: str) -> Json:
    """The label that an item shows, from the name of its field; None if there is none."""
    return item.get(label) if label and isinstance(item, dict) else None


def has_prefix(label: Json, prefix: str) -> bool:
    """Whether a label begins with the prefix of a run; a server may have trimmed it or changed its case."""
    return isinstance(label, str) and label.strip().casefold().startswith(prefix)


def authorization(header: str | None) -> Headers:
    """The header fields of a request with a credential, or without one."""
    return (("authorization", header),) if header else ()


@dataclass(slots=True, repr=False)
class Ownership:
    """Remembers which ids responses showed to be ours or those of others, for each credential."""

    contract: Contract
    ledger: Ledger
    others: set[_Key] = field(default_factory=set)
    """The ids that responses showed to belong to items that the run did not create."""
    _ours: dict[_Key, bool] = field(default_factory=dict)
    """False for an id that was shown to be ours, and has to be looked at again before something is sent to it."""

    def operation(self, kind: type[_K], resource: str) -> Operation[_K] | None:
        """The first operation of a kind on a resource."""
        return next(iter(self.contract.of_kind(kind, resource)), None)

    def label(self, resource: str) -> str:
        """The input that people recognize an item of the resource by, or empty."""
        operation = self.operation(Create, resource)
        return operation.kind.label if operation else ""

    def credential_digest(self, header: str | None) -> str:
        """A digest that identifies the credential of a request without revealing it."""
        return self.ledger.digest(header or "", 2)

    def unique_digest(self, resource: str, item: Json) -> str:
        """A digest of the inputs that no two items share; empty unless there are some and the item has all as text."""
        operation = self.operation(Create, resource)
        if operation is None or not isinstance(item, dict):
            return ""
        names = sorted(operation.kind.unique.keys() - self.contract.secrets.keys())
        values = [item.get(name) for name in names]
        has_all = names and all(isinstance(value, str) for value in values)
        return self.ledger.digest(json.dumps(values), 8) if has_all else ""

    def find(self, digest: str, resource: str, identity: str) -> LedgerEntry | None:
        """The entry of this run for an id: created with this credential or, if there is none, with another."""
        own = self.ledger.find(resource, identity, credential_digest=digest)
        return own or self.ledger.find(resource, identity)

    def was_ours(self, entry: LedgerEntry) -> bool:
        """Whether a response once showed an item to be ours, to the credential that created it."""
        return (entry.credential_digest, entry.resource, id_key(entry.identity or entry.wrong_identity)) in self._ours

    def recheck(self, entry: LedgerEntry) -> None:
        """Look again at an item and all below it: after a write, their ids may belong to others."""
        for key in [key for key, is_ours in self._ours.items() if is_ours]:
            child = self.find(*key)
            if key[1:] == entry.key or (child and same_id(child.parents.get(entry.resource), entry.identity)):
                self._ours[key] = False

    # --- observing --------------------------------------------------------------------------------------------------

    def observe(self, request: Request, response: Response) -> None:
        """Remember the owners of the items that a response shows. The request need not be one of ours."""
        if request.method != "GET":
            return
        operations, values = self.contract.match(request.path)
        operation = next((operation for operation in operations if operation.method == "GET"), None)
        if operation is None or not isinstance(operation.kind, List | Fetch):
            return
        digest, resource = self.credential_digest(request.header("authorization")), operation.resource
        ids = ids_by_resource(operation, values)
        if not 200 <= response.status < 300:
            key = (digest, resource, id_key(ids.get(resource, "")))
            if isinstance(operation.kind, Fetch) and response.status in NOT_FOUND and key in self._ours:
                self._ours[key] = False
            return
        label = self.label(resource)
        parents = [self.ledger.find(parent, identity) for parent, identity in ids.items() if parent != resource]
        parents_are_ours = bool(parents) and all(entry and self._ours.get((digest, *entry.key)) for entry in parents)
        for identity, item in _shown(operation, Exchange(request, response), ids.get(resource, "")):
            key = (digest, resource, id_key(identity))
            is_ours = has_prefix(label_value(item, label), self.ledger.prefix) if label else parents_are_ours
            if self.ledger.find(resource, identity) is None:
                if not is_ours and not any(parents):
                    self.others.add(key)
            elif is_ours or key in self._ours:
                self._ours[key] = is_ours

    # --- asking -----------------------------------------------------------------------------------------------------

    def owner(self, target: Target, entry: LedgerEntry, header: str | None) -> Owner:
        """The owner of the item of an entry, as a credential sees it. Items known to be ours are not read again.

        The label of an item shows its owner. An item without a label is ours only if its parents are.
        """
        key = (self.credential_digest(header), *entry.key)
        if self._ours.get(key):
            return Owner.OURS
        parents_are_ours = True
        for resource, identity in () if self.label(entry.resource) else entry.parents.items():
            parent = self.ledger.find(resource, identity, credential_digest=entry.credential_digest, run=entry.run)
            owner = self.owner(target, parent, header) if parent else Owner.UNKNOWN
            if owner in (Owner.OTHERS, Owner.GONE):
                return owner
            parents_are_ours = parents_are_ours and owner is Owner.OURS
        owner = self.current_owner(target, entry, header)
        if not parents_are_ours and owner is not Owner.OTHERS:
            return Owner.UNKNOWN
        if owner is Owner.OURS:
            self._ours[key] = True
        return owner

    def current_owner(self, target: Target, entry: LedgerEntry, header: str | None) -> Owner:
        """The owner of the item of an entry as a response shows it now. Earlier responses and parents do not count."""
        owner = self._owner_by_fetching(target, entry, header)
        return owner if owner is not Owner.UNKNOWN else self._owner_by_listing(target, entry, header)

    def _owner_by_fetching(self, target: Target, entry: LedgerEntry, header: str | None) -> Owner:
        operation = self.operation(Fetch, entry.resource)
        path = safe_path(operation, {**entry.parents, entry.resource: entry.identity})
        if operation is None or path is None:
            return Owner.UNKNOWN
        exchange = self._read(target, path, header)
        if exchange.response.status in NOT_FOUND:
            return Owner.GONE
        if not 200 <= exchange.response.status < 300:
            return Owner.UNKNOWN
        return self._owner_by_fields(entry, at_pointer(json_of(exchange), operation.kind.item))

    def _owner_by_listing(self, target: Target, entry: LedgerEntry, header: str | None) -> Owner:
        reading = self.list_items(target, entry.resource, entry.parents, header, until=entry.identity)
        if reading is None:
            return Owner.UNKNOWN
        item = reading.item(entry.identity)
        if item is not NOTHING:
            return self._owner_by_fields(entry, item)
        if entry.parents and reading.status in NOT_FOUND:
            return Owner.GONE
        if not reading.whole:
            return Owner.UNKNOWN
        # The list of this parent does not show an item of another parent, and yet a request may reach it. So an item
        # that was never in the list may not be gone.
        may_have_other_parent = entry.parents and self.ledger.is_open(entry) and not self.was_ours(entry)
        return Owner.OTHERS if may_have_other_parent else Owner.GONE

    def _owner_by_fields(self, entry: LedgerEntry, item: Json) -> Owner:
        label = self.label(entry.resource)
        if not label:
            has_unique = entry.unique_digest in ("", self.unique_digest(entry.resource, item))
            return Owner.OURS if entry.parents and has_unique else Owner.UNKNOWN
        shown = label_value(item, label)
        if has_prefix(shown, entry.run):
            return Owner.OURS
        if isinstance(shown, str):
            return Owner.OTHERS if entry.label else Owner.UNKNOWN
        # Others have to give a label, so an item that shows none is ours if we gave none and its id is the entry's.
        operation = self.operation(Create, entry.resource)
        has_id = operation is not None and same_id(at_pointer(item, operation.identity), entry.identity)
        return Owner.OURS if has_id and not entry.label else Owner.UNKNOWN

    def list_items(
        self, target: Target, resource: str, parents: Mapping[str, str], header: str | None, *, until: str | None = None
    ) -> ListReading | None:
        """The list of a resource, read to its end or to the id `until`; None if no operation lists it."""
        operation = self.operation(List, resource)
        path = safe_path(operation, parents)
        if operation is None or path is None:
            return None
        return read_list(operation, lambda query: self._read(target, path, header, query), until=until)

    def _read(self, target: Target, path: str, header: str | None, query: str = "") -> Exchange:
        request = Request("GET", path, query, authorization(header))
        response = target(request)
        self.observe(request, response)
        return Exchange(request, response)


def _shown(operation: Operation, exchange: Exchange, identity: str) -> list[tuple[str, Json]]:
    """Each item that a response shows, with its id; a fetched item has the `identity` of the request."""
    kind, body = operation.kind, json_of(exchange)
    if not isinstance(kind, List):
        return [(identity, at_pointer(body, kind.item or ""))]
    items = at_pointer(body, kind.items)
    pairs = [(at_pointer(item, kind.identity), item) for item in items] if isinstance(items, list) else []
    return [(shown, item) for shown, item in pairs if isinstance(shown, str)]
