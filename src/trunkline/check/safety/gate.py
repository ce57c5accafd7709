"""The gate to a live account sends a request only if it can change nothing but items that the run created."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from trunkline.check.safety.cleanup import Cleanup, Leftover
from trunkline.check.safety.ledger import Ledger, LedgerEntry
from trunkline.check.safety.ownership import (
    Owner,
    Ownership,
    ids_by_resource,
    is_safe_id,
    label_value,
    safe_path,
)
from trunkline.check.settling import NO_SETTLING, Settling
from trunkline.contract.bodies import at_pointer, id_key, json_value
from trunkline.contract.model import Act, Contract, Create, Delete, Operation, Update
from trunkline.errors import BudgetExhausted, NotOurs, UsageError
from trunkline.exchange import SAFE_METHODS, Json, Request, Response, Target, pointer
from trunkline.findings import to_text, truncate

_LONGEST = 80
_MOST_UNIDENTIFIED = 10
"""After so many creations that cannot be identified as ours, nothing more is created."""


@dataclass(slots=True, repr=False)
class Gate:
    """A target that sends only requests which read, create items with the prefix of the run, or are about such items.

    `credentials` are those of the run; the first is used for items of unknown origin. `allowed_leftovers` is how many
    items may be left that no operation deletes, None for any number. `settling` allows items to be shown late.
    """

    contract: Contract
    target: Target
    ledger: Ledger = field(default_factory=Ledger)
    credentials: tuple[str, ...] = ()
    allowed_leftovers: int | None = 0
    settling: Settling = NO_SETTLING
    ownership: Ownership = field(init=False)
    _headers: dict[str, str] = field(init=False)
    """The `Authorization` header of each credential, by its digest."""
    _misleading: dict[tuple[str, str], str] = field(default_factory=dict)
    """The reason not to use an id that a creation returned, by resource and id."""
    _unidentified: set[int] = field(default_factory=set)
    """The numbers of the entries whose items cannot be addressed by the id of their creation, or recognized as ours."""

    def __post_init__(self) -> None:
        self.ownership = Ownership(self.contract, self.ledger)
        headers = (f"Bearer {credential}" for credential in self.credentials)
        self._headers = {self.ownership.credential_digest(header): header for header in headers}

    def narrow(self, contract: Contract) -> None:
        """Use a contract with fewer operations from now on: the others turned out not to be implemented."""
        self.contract = self.ownership.contract = contract

    @property
    def prefix(self) -> str:
        """The beginning of every label, different for each run: `trunkline-check-5d1c0e9a77-`."""
        return self.ledger.prefix

    def __call__(self, request: Request) -> Response:
        """The response of the target. Raises `UsageError` for a request that may change what the run did not create.

        Raises `BudgetExhausted` when too many items would be left, and `NotOurs` when a response led to an item of
        others.
        """
        if request.method in SAFE_METHODS:
            response = self.target(request)
            self.ownership.observe(request, response)
            return response
        operation, ids = self._documented(request)
        self._check_label(operation, request)
        if isinstance(operation.kind, Create):
            self._check_budget(operation.resource)
        entries = {resource: self._own_entry(request, resource, identity) for resource, identity in ids.items()}
        if isinstance(operation.kind, Create):
            return self._create(operation, request, ids)
        entry = entries[operation.resource]
        try:
            response = self.target(request)
        finally:
            self.ownership.recheck(entry)
        if isinstance(operation.kind, Delete) and 200 <= response.status < 300:
            self.ledger.finished(entry)
        return response

    def existing(self, resource: str) -> tuple[str, ...]:
        """The ids of the items that the run created and did not delete, the newest last."""
        entries = self.ledger.open_entries()
        return tuple(entry.identity for entry in entries if entry.resource == resource and entry.identity)

    def may_create_more(self, resource: str) -> bool:
        """Whether the run may create one more item: it can be deleted again, or may be left."""
        if self.allowed_leftovers is None or self.ownership.operation(Delete, resource):
            return True
        return self.leftover_count < self.allowed_leftovers

    @property
    def leftover_count(self) -> int:
        """The number of items that the run created and that no operation deletes."""
        entries = self.ledger.open_entries()
        return sum(self.ownership.operation(Delete, entry.resource) is None for entry in entries)

    # --- checking a request -----------------------------------------------------------------------------------------

    def _documented(self, request: Request) -> tuple[Operation, dict[str, str]]:
        """The writing operation of a request, and the ids in its path by resource."""
        operations, values = self.contract.match(request.path)
        for operation in operations:
            kind, ids = operation.kind, ids_by_resource(operation, values)
            changes_item = isinstance(kind, Update | Delete | Act) and kind.parameter and operation.resource in ids
            is_safe = len(ids) == len(values) and (changes_item or isinstance(kind, Create))
            if is_safe and operation.method == request.method:
                return operation, ids
        raise _bug(request, "no documented operation changes one item with it")

    def _check_label(self, operation: Operation, request: Request) -> None:
        """Raise `UsageError` if a request sets a label without the prefix."""
        label = self.ownership.label(operation.resource)
        if isinstance(operation.kind, Create | Update):
            for text in _labels(request.body, label):
                if not text.startswith(self.prefix):
                    raise _bug(request, f"its {label} does not begin with {self.prefix}")

    def _own_entry(self, request: Request, resource: str, identity: str) -> LedgerEntry:
        """The entry for an id in the path of a request. Raises an error if the item may belong to others."""
        name = truncate(to_text(identity), _LONGEST)
        header = request.header("authorization")
        digest = self.ownership.credential_digest(header)
        entry = self.ownership.find(digest, resource, identity)
        if entry is None:
            reason = self._misleading.get((resource, id_key(identity)))
            if reason is None:
                raise _bug(request, f"the run did not create {name} in {resource}")
            raise NotOurs(f"a creation returned the id {name}, {reason}; nothing was sent to it")
        owner = self.ownership.owner(self.target, entry, header)
        pauses = self.settling.pauses(self.settling.watched)
        while self.settling.watched and self._may_appear(entry, owner) and next(pauses, None):
            owner = self.ownership.owner(self.target, entry, header)
        if owner is Owner.OTHERS:
            self.ownership.others.add((digest, *entry.key))
            if entry.credential_digest == digest and self.ledger.is_open(entry):
                self._misleading[entry.key] = "which belongs to another item"
                self._unidentified.add(entry.number)
                self.ledger.misidentified(entry, identity)
            raise NotOurs(f"the id {identity} in {resource} belongs to another item now; nothing was sent to it")
        if owner is not Owner.OURS and self.ledger.is_open(entry) and not self._is_ours_to_creator(entry):
            self._unidentified.add(entry.number)
            raise NotOurs(f"no response identifies {name} in {resource} as ours; nothing was sent to it")
        return entry

    def _check_budget(self, resource: str) -> None:
        """Raise `BudgetExhausted` if nothing more may be created."""
        unidentified = sum(
            entry.number in self._unidentified and not self.ownership.was_ours(entry) and self._must_be_deleted(entry)
            for entry in self.ledger.open_entries()
        )
        if unidentified >= _MOST_UNIDENTIFIED:
            raise BudgetExhausted(
                f"{_MOST_UNIDENTIFIED} created items cannot be identified as ours, so no more are created; "
                "they are reported at the end"
            )
        if not self.may_create_more(resource):
            raise BudgetExhausted(
                f"no operation deletes {resource}, and as many were created as may be left; allow more with --leave"
            )

    def _may_appear(self, entry: LedgerEntry, owner: Owner) -> bool:
        """Whether an item that no response has shown as ours may still be: a list may lag behind its creation."""
        is_expected = self.ledger.is_open(entry) and not self.ownership.was_ours(entry)
        return owner is not Owner.OURS and is_expected and not self._is_ours_to_creator(entry)

    def _must_be_deleted(self, entry: LedgerEntry) -> bool:
        """Whether an item is left unless it is deleted itself: the deletion of its parent does not delete it too."""
        deletions = (self.ownership.operation(Delete, parent) for parent in entry.parents)
        return all(deletion is None or entry.resource in deletion.kind.empty for deletion in deletions)

    def _is_ours_to_creator(self, entry: LedgerEntry) -> bool:
        """Whether the credential that created an item sees it as ours, or did so before it was gone.

        An item that is not found and was never seen may be in another account: only its creation says that it is ours.
        """
        header = self._headers.get(entry.credential_digest)
        owner = self.ownership.owner(self.target, entry, header) if header else Owner.UNKNOWN
        return owner is Owner.OURS or (owner is Owner.GONE and self.ownership.was_ours(entry))

    # --- creating ---------------------------------------------------------------------------------------------------

    def _create(self, operation: Operation, request: Request, parents: Mapping[str, str]) -> Response:
        """Record a creation and send it. Only a 4xx response and a 501 say that nothing was created."""
        resource, header = operation.resource, request.header("authorization")
        digest, label = self.ownership.credential_digest(header), self.ownership.label(resource)
        entry = self.ledger.begin(
            resource,
            next(iter(_labels(request.body, label)), ""),
            parents,
            # Without a credential of the run, the item could not be looked for.
            credential_digest=digest if header in self._headers.values() else "",
            unique_digest="" if label else self.ownership.unique_digest(resource, json_value(request.body)),
        )
        try:
            response = self.target(request)
        except BudgetExhausted:  # it was not sent
            self.ledger.finished(entry)
            raise
        if 200 <= response.status < 300:
            self._identify(operation, entry, digest, response)
        elif 400 <= response.status < 500 or response.status == 501:
            self.ledger.finished(entry)
        return response

    def _identify(self, operation: Operation, entry: LedgerEntry, digest: str, response: Response) -> None:
        """Record the id that a response returns for a created item, if it can be its id."""
        shown = at_pointer(json_value(response.body), f"{operation.item or ''}{operation.identity}")
        identity = str(shown) if isinstance(shown, int | float) else shown
        if not isinstance(identity, str) or not identity:
            self._unidentified.add(entry.number)
            return
        reason = ""
        if identity is not shown:
            reason = "which is not a string"
        elif not is_safe_id(identity):
            reason = "which cannot be used in a path safely"
        elif (digest, entry.resource, id_key(identity)) in self.ownership.others:
            reason = "which existed before"
        if reason:
            self._misleading[entry.resource, id_key(identity)] = reason
            self._unidentified.add(entry.number)
            self.ledger.misidentified(entry, identity)
            return
        known = self.ledger.find(entry.resource, identity, credential_digest=entry.credential_digest)
        if known is None or not self.ledger.is_open(known):
            self.ledger.created(entry, identity)

    # --- generated requests -----------------------------------------------------------------------------------------

    def make_safe(self, request: Request) -> Request | None:
        """Change a generated request so that it concerns only items of the run. None if that is not possible.

        Ids that the run did not create are replaced by those of its newest items, and its prefix is put before the
        label. A label within its maximum length is cut to fit it again; one that is too long stays too long.
        """
        if request.method in SAFE_METHODS:
            return request
        try:
            operation, ids = self._documented(request)
            path = safe_path(operation, {resource: self._own_id(resource, ids[resource]) for resource in ids})
            if path is None or (isinstance(operation.kind, Create) and not self.may_create_more(operation.resource)):
                return None
            safe = self._with_prefix(operation, replace(request, path=path))
            self._check_label(operation, safe)
        except UsageError:
            return None
        return safe

    def _own_id(self, resource: str, identity: str) -> str:
        """The id itself if the run created its item, else the id of the newest item that it created, or empty."""
        return identity if self.ledger.find(resource, identity) else next(reversed(self.existing(resource)), "")

    def _with_prefix(self, operation: Operation, request: Request) -> Request:
        """The request with the prefix before the label, unless this breaks other keywords of its schema than before."""
        label, body = self.ownership.label(operation.resource), json_value(request.body)
        text = label_value(body, label)
        if not isinstance(operation.kind, Create | Update) or not isinstance(text, str) or text.startswith(self.prefix):
            return request
        longest = operation.inputs.get(label, {}).get("maxLength")
        prefixed = self.prefix + text
        if isinstance(longest, int) and len(text) <= longest:
            prefixed = prefixed[:longest]
        if _broken(operation, label, prefixed) != _broken(operation, label, text):
            return request
        headers = tuple(pair for pair in request.headers if pair[0] != "content-length")
        return replace(request, headers=headers, body=json.dumps({**body, label: prefixed}).encode())

    # --- cleaning up ------------------------------------------------------------------------------------------------

    def clean(
        self, target: Target, sleep: Callable[[float], None] = time.sleep, *, earlier: bool = False
    ) -> tuple[Leftover, ...]:
        """Delete the items that this run or, with `earlier`, earlier runs created. Returns the leftovers.

        The `target` has no request budget.
        """
        return Cleanup(self.ownership, target, self._headers or {"": None}, earlier, sleep).run()

    def leftovers(self) -> tuple[Leftover, ...]:
        """The items that the run created and did not delete, to be reported when its cleanup is interrupted."""
        reason = f"the cleanup was interrupted; {self.ledger.next_step}"
        entries = self.ledger.open_entries()
        return tuple(Leftover(entry.resource, entry.identity, entry.label, reason) for entry in entries)


class _Members(list[tuple[str, Json]]):
    """The members of a JSON object, including those of the same name."""


def _labels(body: bytes, label: str) -> list[str]:
    """Each text that a server may read as the label, however lenient it is with JSON and with the case of names."""
    try:
        members = json.loads(
            body.decode(json.detect_encoding(body), "replace"), object_pairs_hook=_Members, parse_int=float
        )
    except (ValueError, RecursionError):
        return []
    if not label or not isinstance(members, _Members):
        return []
    return [text for name, text in members if name.casefold() == label.casefold() and isinstance(text, str)]


def _broken(operation: Operation, label: str, text: str) -> set[str]:
    """The keywords of the label's schema that a text breaks."""
    schema = operation.body.schema if operation.body else ""
    violations = operation.contract.violations_at(schema, pointer((label,)), text)
    return {violation.keyword for violation in violations}


def _bug(request: Request, reason: str) -> UsageError:
    shown = truncate(to_text(f"{request.method} {request.path}")[1:-1], _LONGEST)
    return UsageError(f"{shown} was not sent: {reason}; this is a bug in trunkline")
