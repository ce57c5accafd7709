"""Owns the gate: what is let through to a live account, and what is made of it that the journal must know."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from trunkline.check.safety.cleanup import Cleanup, Leftover, removable
from trunkline.check.safety.ledger import Entry, Ledger
from trunkline.check.safety.ownership import Owner, Ownership, ids_in, is_plain, label_of, road, signed
from trunkline.contract.bodies import NOTHING, at_pointer
from trunkline.contract.model import Contract, Operation
from trunkline.errors import BudgetExhausted, NotOurs, UsageError
from trunkline.exchange import SAFE_METHODS, Json, NotJSON, Request, Response, Target, parse_json, pointer
from trunkline.findings import to_text, truncate

_LONGEST = 80
_MOST_STRAYS = 10
"""So many things that cannot be removed are made by mistake, and no more."""


@dataclass(slots=True, repr=False)
class Gate:
    """A target that lets through what reads, what makes something with the run's prefix, and what concerns only that.

    `credentials` are those that the run asks with, the first for what nobody knows the maker of. `leave` is how many
    things of which no page documents the removal may stay behind, None for any number.
    """

    contract: Contract
    target: Target
    ledger: Ledger = field(default_factory=Ledger)
    credentials: tuple[str, ...] = ()
    leave: int | None = 0
    witness: Ownership = field(init=False)
    _misleading: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.witness = Ownership(self.contract, self.ledger)

    @property
    def _headers(self) -> tuple[str, ...]:
        return tuple(f"Bearer {known}" for known in self.credentials)

    @property
    def prefix(self) -> str:
        """What every label begins with: `trunkline-check-5d1c0e9a77-`; no other run has the same."""
        return self.ledger.prefix

    def __call__(self, request: Request) -> Response:
        """The target's answer. Raises `UsageError` for what may change anything that the run did not make.

        Raises `BudgetSpent` when too much would stay behind, and `Misled` when an answer led to a thing of others.
        """
        if request.method in SAFE_METHODS:
            response = self.target(request)
            self.witness.notice(request, response)
            return response
        operation, ids = self._documented(request)
        self._admit(operation, request, ids)
        if operation.creating:
            return self._create(operation, request, ids)
        entry = self._ours(operation.resource, ids.get(operation.resource, ""), request)
        try:
            response = self.target(request)
        finally:
            if entry is not None:
                self.witness.forget(entry)
        if entry is not None and operation.deleting and 200 <= response.status < 300:
            self.ledger.finished(entry)
        return response

    def alive(self, resource: str) -> tuple[str, ...]:
        """The ids of what the run made and did not remove, the latest last."""
        return tuple(it.identity for it in self.ledger.open_entries() if it.resource == resource and it.identity)

    def has_room(self, resource: str) -> bool:
        """Whether one more thing of a resource may be made: it can be removed again, or may stay behind."""
        if self.leave is None or removable(self.contract, resource):
            return True
        return sum(not removable(self.contract, entry.resource) for entry in self.ledger.open_entries()) < self.leave

    # --- what is let through ----------------------------------------------------------------------------------------

    def _documented(self, request: Request) -> tuple[Operation, dict[str, str]]:
        """The operation that a request means, and the ids in its path by resource."""
        operations, values = self.contract.match(request.path)
        for operation in operations:
            kind = operation.creating or operation.updating or operation.deleting or operation.acting
            if operation.method == request.method and kind:
                ids = ids_in(operation, values)
                if len(ids) == len(values) and (ids or operation.creating):
                    return operation, ids
        raise _mistake(request, "no page says that this changes one thing")

    def _admit(self, operation: Operation, request: Request, ids: Mapping[str, str]) -> None:
        """Raises unless a request can only change what the run made."""
        label = label_of(self.contract, operation.resource)
        if operation.creating or operation.updating:
            for text in _texts(request.body, label):
                if not text.startswith(self.prefix):
                    raise _mistake(request, f"its {label} does not begin with {self.prefix}")
        if operation.creating:
            self._afford(operation)
        for resource, identity in ids.items():
            entry = self._ours(resource, identity, request)
            reason = self._misleading.get((resource, identity))
            if entry is None and reason is None:
                raise _mistake(
                    request, f"{truncate(to_text(identity), _LONGEST)} in {resource} was not made by this run"
                )
            if entry is None:
                raise NotOurs(f"a creation was answered with the id {truncate(to_text(identity), _LONGEST)}, {reason}")
            header = request.header("authorization")
            whose = self.witness.whose(self.target, entry, header)
            if whose is Owner.OTHERS:
                raise self._misled(entry, self.witness.mark(header))
            if whose is not Owner.OURS and self.ledger.is_open(entry) and not self._is_seen(entry):
                name = truncate(to_text(identity), _LONGEST)
                raise NotOurs(f"no reading tells {name} in {resource} from what others made; nothing was sent to it")

    def _afford(self, operation: Operation) -> None:
        """Raises `BudgetSpent` when nothing more may be made."""
        strange = (
            entry for entry in self.ledger.open_entries() if entry.wrong_identity and not self.witness.was_seen(entry)
        )
        strays = [entry for entry in strange if label_of(self.contract, entry.resource)]  # all else goes with these
        if len(strays) >= _MOST_STRAYS:
            raise BudgetExhausted(
                f"{_MOST_STRAYS} things were made that nothing tells from what others made, and so nothing more was; "
                "they are told at the end"
            )
        if not self.has_room(operation.resource):
            raise BudgetExhausted(
                f"no page documents how {operation.resource} are removed, and as many were asked for as may stay; "
                "allow more with --leave"
            )

    def _is_seen(self, entry: Entry) -> bool:
        """Whether the credential that made a thing shows it, or did so before it was gone.

        What was never seen, and is not found, may be another account's: its id alone is what the creation said.
        """
        own = next((header for header in self._headers if self.witness.mark(header) == entry.credential_digest), None)
        whose = self.witness.whose(self.target, entry, own) if own is not None else Owner.UNKNOWN
        return whose is Owner.OURS or (whose is Owner.GONE and self.witness.was_seen(entry))

    def _ours(self, resource: str, identity: str, request: Request) -> Entry | None:
        """What the run made under an id: with the credential of the request, or with another."""
        mark = self.witness.mark(request.header("authorization"))
        own = self.ledger.find(resource, identity, credential_digest=mark) or self.ledger.find(resource, identity)
        return own if is_plain(identity) else None

    def _misled(self, entry: Entry, mark: str) -> NotOurs:
        """Lets go of an id that is seen to be another's."""
        self.witness.disown(mark, entry)
        if entry.credential_digest == mark and self.ledger.is_open(entry):
            self._misleading[entry.key] = "which is that of something else; nothing was sent to it"
            self.ledger.disowned(entry)
        return NotOurs(
            f"what is called {entry.identity} in {entry.resource} is not what the run made under this id; "
            "nothing was sent to it"
        )

    def _create(self, operation: Operation, request: Request, parents: Mapping[str, str]) -> Response:
        """The answer to a creation that is noted before it is sent; only an answer 4xx says that nothing was made."""
        name = label_of(self.contract, operation.resource)
        label = next(iter(_texts(request.body, name)), "")
        sign = "" if name else signed(operation, _json(request.body), self.ledger)
        entry = self.ledger.begin(
            operation.resource, label, parents, credential_digest=self._mark(request), unique_digest=sign
        )
        try:
            response = self.target(request)
        except BudgetExhausted:  # it was not sent
            self.ledger.finished(entry)
            raise
        if 200 <= response.status < 300:
            self._made(operation, entry, request, response)
        elif 400 <= response.status < 500:
            self.ledger.finished(entry)
        return response

    def _mark(self, request: Request) -> str:
        """The mark of a request's credential; none for one that is nobody's, with which nothing could be looked for."""
        header = request.header("authorization")
        return self.witness.mark(header) if header in self._headers else ""

    def _made(self, operation: Operation, entry: Entry, request: Request, response: Response) -> None:
        """Takes the id that an answer tells for that of what was made, if it can be."""
        identity = at_pointer(_json(response.body), f"{operation.item or ''}{operation.identity}")
        name = str(identity) if isinstance(identity, int | float) else identity
        if not isinstance(name, str) or not name:
            return
        known = self.ledger.find(entry.resource, name, credential_digest=entry.credential_digest)
        mark = self.witness.mark(request.header("authorization"))
        reason = "which is no text" if name is not identity else ""
        reason = reason or ("" if is_plain(name) else "which cannot be asked for safely")
        reason = reason or ("which was there before" if self.witness.is_others(mark, entry.resource, name) else "")
        if reason:
            self._misleading[entry.resource, name] = f"{reason}; nothing was sent to it"
            self.ledger.misidentified(entry, name)
        elif known is None or not self.ledger.is_open(known):
            self.ledger.created(entry, name)

    # --- what others make up ----------------------------------------------------------------------------------------

    def steer(self, request: Request, things: Mapping[str, str]) -> Request | None:
        """The request made harmless: below `things` that the run made, with its prefix; None when it cannot be.

        The label stays as long as it may be, or as much too long as it was; nothing else is touched.
        """
        if request.method in SAFE_METHODS:
            return request
        try:
            operation, ids = self._documented(request)
        except UsageError:
            return None
        path = road(operation, {kind: self._own(kind, identity, things) for kind, identity in ids.items()})
        if path is None or (operation.creating and not self.has_room(operation.resource)):
            return None
        steered = replace(request, path=path)
        label = label_of(self.contract, operation.resource)
        if not label or not (operation.creating or operation.updating):
            return steered
        body = _json(request.body)
        if isinstance(body, dict) and isinstance(body.get(label), str):
            text = self._prefixed(operation, label, body[label])
            if text is None:
                return None
            if text != body[label]:
                steered = _with_body(steered, {**body, label: text})
        return steered if all(text.startswith(self.prefix) for text in _texts(steered.body, label)) else None

    def _own(self, resource: str, identity: str, things: Mapping[str, str]) -> str:
        """The id itself if the run made it, or the one to take instead, or none."""
        for candidate in (identity, things.get(resource, "")):
            if is_plain(candidate) and self.ledger.find(resource, candidate):
                return candidate
        return ""

    def _prefixed(self, operation: Operation, label: str, text: str) -> str | None:
        """The text with the prefix before it, if it then obeys and breaks the same words of the schema as before."""
        if text.startswith(self.prefix):
            return text
        most = operation.inputs.get(label, {}).get("maxLength")
        found = self.prefix + text
        if isinstance(most, int) and len(text) <= most:
            found = found[:most]
        same = _broken(operation, label, found) == _broken(operation, label, text)
        return found if same and found.startswith(self.prefix) else None

    # --- the end ----------------------------------------------------------------------------------------------------

    def finish(self, target: Target, sleep: Callable[[float], None] = time.sleep) -> tuple[Leftover, ...]:
        """Removes what earlier runs left, before this one begins; tells what is still left of it."""
        return self._removal(target, sleep, earlier=True).run()

    def clean(self, target: Target, sleep: Callable[[float], None] = time.sleep) -> tuple[Leftover, ...]:
        """Removes all that the run made, asking a target without a bound on requests; tells what is left."""
        return self._removal(target, sleep, earlier=False).run()

    def pending(self) -> tuple[Leftover, ...]:
        """What the run made and did not remove, for when its removal is interrupted: the next run removes it."""
        reason = "its removal was interrupted"
        return tuple(Leftover(it.resource, it.identity, it.label, reason) for it in self.ledger.open_entries())

    def _removal(self, target: Target, sleep: Callable[[float], None], *, earlier: bool) -> Cleanup:
        headers = {self.witness.mark(header): header for header in self._headers}
        return Cleanup(self.contract, self.ledger, self.witness, target, headers, earlier, sleep)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """A JSON object with each of its members, also of one name."""

    members: tuple[tuple[str, Json], ...]


def _texts(body: bytes, label: str) -> list[str]:
    """Each text that a server may take for the label, however lenient it is with JSON and the case of names."""
    said = ((name.casefold() == label.casefold(), text) for name, text in _members(body) if label)
    return [text for is_label, text in said if is_label and isinstance(text, str)]


def _members(body: bytes) -> Iterator[tuple[str, Json]]:
    try:
        value = json.loads(
            body.decode(json.detect_encoding(body), "replace"),
            object_pairs_hook=lambda pairs: _Pairs(tuple(pairs)),
            parse_int=float,
        )
    except (ValueError, RecursionError):
        return
    if isinstance(value, _Pairs):
        yield from value.members


def _json(body: bytes) -> Json:
    try:
        return parse_json(body)
    except NotJSON:
        return NOTHING


def _with_body(request: Request, body: Json) -> Request:
    fields = tuple(pair for pair in request.headers if pair[0] != "content-length")
    return replace(request, headers=fields, body=json.dumps(body).encode())


def _broken(operation: Operation, label: str, text: str) -> set[str]:
    """The words of the label's schema that a text breaks."""
    schema = operation.body.schema if operation.body else ""
    return {said.keyword for said in operation.contract.violations_at(schema, pointer((label,)), text)}


def _mistake(request: Request, reason: str) -> UsageError:
    asked = truncate(to_text(f"{request.method} {request.path}")[1:-1], _LONGEST)
    return UsageError(f"{asked} was to be sent, and {reason}; nothing was sent, and this is a mistake in trunkline")
