"""Delete what a run created, children before their parents, and report what cannot be deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from trunkline.check.lists import ListReading
from trunkline.check.safety.ledger import Ledger, LedgerEntry
from trunkline.check.safety.ownership import (
    Owner,
    Ownership,
    authorization,
    has_prefix,
    is_safe_id,
    label_value,
    safe_path,
)
from trunkline.contract.bodies import at_pointer, json_value
from trunkline.contract.model import Delete
from trunkline.errors import TargetError
from trunkline.exchange import NOT_FOUND, Json, Request, Response, Target
from trunkline.findings import to_text, truncate

WAITS = (1.0, 3.0)
"""Seconds to wait before looking again for items that are not listed yet, and before retrying a failed deletion."""

_MOST_FAILURES = 2
"""After so many requests in a row without a response, nothing more is sent."""
_MAY_PASS = frozenset({409, 423, 425})
"""The refusals that may be different later: conflict, locked, too early."""
_LONGEST = 80
_UNSURE = "it may have been created: "
_UNSAFE = "its id cannot be used in a path safely"
_BY_HAND = "delete it by hand"


@dataclass(frozen=True, slots=True)
class Leftover:
    """An item that a run created, or may have created, and that still exists. Its id is empty if no response gave it.

    `reason` says why it is left and what happens next, or what to do.
    """

    resource: str
    identity: str
    label: str
    reason: str

    def __str__(self) -> str:
        """One line: `trunks trunk-7 "trunkline-check-5d1c0e9a77-3": it may exist; look for it by hand`."""
        words = (self.resource, self.identity or "(id unknown)", to_text(self.label) if self.label else "")
        return f"{' '.join(word for word in words if word)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to look for items: the list of a resource below some parents, as one credential sees it."""

    resource: str
    parents: tuple[tuple[str, str], ...]
    header: str | None


@dataclass(slots=True, repr=False)
class Cleanup:
    """Deletes the open entries of a ledger: those of this run or, with `earlier`, those of the runs before it.

    What this run created is deleted unless a response shows that it belongs to others. What an earlier run created is
    deleted only if a response shows that it is ours: its id may have been used again since. `headers` are the
    credentials by their digests, or None for the empty digest if there are none.
    """

    ownership: Ownership
    target: Target
    headers: Mapping[str, str | None]
    earlier: bool = False
    sleep: Callable[[float], None] = time.sleep
    _leftovers: dict[int, Leftover] = field(default_factory=dict)
    """The open entries that were tried and are left, by number. The other open entries are still to be tried."""
    _retry: set[int] = field(default_factory=set)
    _duplicates: list[str] = field(default_factory=list)
    """The labels under which an item was found that no entry had."""
    _failures: int = 0

    @property
    def ledger(self) -> Ledger:
        return self.ownership.ledger

    @property
    def _entries(self) -> tuple[LedgerEntry, ...]:
        return self.ledger.open_entries(earlier=self.earlier)

    def run(self) -> tuple[Leftover, ...]:
        """Delete what can be deleted, and return the leftovers in the order of creation."""
        self._round()
        for wait in () if self.earlier else WAITS:
            if self._retry and self._failures < _MOST_FAILURES:
                self.sleep(wait)
                self._round()
        if not self.earlier:
            for place in self._places():
                with suppress(TargetError):
                    self._find_undeleted(place)
        for entry in self._entries:
            if entry.number not in self._leftovers:
                self._report_leftover(entry, "the cleanup did not reach it")
        return tuple(self._leftovers[entry.number] for entry in self._entries)

    def _round(self) -> None:
        """Look for the items whose ids are unknown, and delete the items that were not tried or are to be retried."""
        for entry in self._entries:
            if entry.number in self._retry or not entry.identity:
                self._leftovers.pop(entry.number, None)
        self._retry.clear()
        for place in self._places():
            with self._reporting_errors(*self._missing(place)):
                self._find(place)
        known = [entry for entry in self._entries if entry.identity and entry.number not in self._leftovers]
        for entry in sorted(known, key=lambda entry: (len(entry.parents), entry.number), reverse=True):
            with self._reporting_errors(entry):
                self._delete(entry)

    @contextmanager
    def _reporting_errors(self, *entries: LedgerEntry) -> Iterator[None]:
        """Report these entries as leftovers if the target does not respond."""
        try:
            yield
        except TargetError as error:
            for entry in entries:
                self._report_leftover(entry, f"{'' if entry.identity else _UNSURE}{error}", "", retry=True)

    def _report_leftover(
        self, entry: LedgerEntry, reason: str, then: str | None = None, *, retry: bool = False, give_up: bool = False
    ) -> None:
        """Say why an entry is left, and what happens `then`: by default, the next run tries again.

        This run tries again too with `retry`, and no run with `give_up`.
        """
        then = self.ledger.next_step if then is None else then
        reason = f"{reason}; {then}" if then else reason
        self._leftovers[entry.number] = Leftover(entry.resource, entry.identity, entry.label, reason)
        if retry:
            self._retry.add(entry.number)
        if give_up:
            self.ledger.reported(entry)

    def _send(self, request: Request) -> Response:
        """Send a request, unless the target seems to be down."""
        if self._failures >= _MOST_FAILURES:
            raise TargetError(
                f"{_MOST_FAILURES} requests in a row got no response, so no more were sent; {self.ledger.next_step}"
            )
        try:
            response = self.target(request)
        except TargetError:
            self._failures += 1
            raise
        self._failures = 0
        return response

    def _header(self, entry: LedgerEntry) -> str | None:
        """The credential that an entry was created with, or else the first."""
        return self.headers.get(entry.credential_digest) or next(iter(self.headers.values()))

    # --- finding ----------------------------------------------------------------------------------------------------

    def _place(self, entry: LedgerEntry) -> _Place:
        return _Place(entry.resource, tuple(sorted(entry.parents.items())), self._header(entry))

    def _places(self) -> list[_Place]:
        """The lists to look in: those of entries that have a label or no id."""
        entries = (entry for entry in self.ledger.entries if self._concerns(entry))
        return list(dict.fromkeys(self._place(entry) for entry in entries if entry.label or self._has_no_id(entry)))

    def _concerns(self, entry: LedgerEntry) -> bool:
        return (entry.run != self.ledger.prefix) is self.earlier

    def _has_no_id(self, entry: LedgerEntry) -> bool:
        return self.ledger.is_open(entry) and not entry.identity

    def _missing(self, place: _Place) -> list[LedgerEntry]:
        """The entries at a place whose id no response gave."""
        return [entry for entry in self._entries if not entry.identity and self._place(entry) == place]

    def _list(self, place: _Place) -> ListReading | None:
        return self.ownership.list_items(self._send, place.resource, dict(place.parents), place.header)

    def _find(self, place: _Place) -> None:
        """Record the ids that a list shows, and report the entries that still have none."""
        reading = self._list(place)
        for identity, item in zip(reading.identities, reading.items, strict=True) if reading else ():
            self._match_listed_item(place, identity, item)
        for entry in self._missing(place):
            if entry.number not in self._leftovers:
                self._explain_missing(entry, reading)

    def _explain_missing(self, entry: LedgerEntry, reading: ListReading | None) -> None:
        """Say why an entry has no id, or finish it if the item does not exist."""
        is_identifiable = bool(entry.label or entry.unique_digest)
        parent_is_gone = reading is not None and entry.parents and reading.status in NOT_FOUND
        is_not_listed = reading is not None and reading.whole and is_identifiable
        wrong_id = ""
        if entry.wrong_identity:
            identity = truncate(to_text(entry.wrong_identity), _LONGEST)
            wrong_id = f"its creation returned the id {identity}, under which no response shows it, and "
        if entry.credential_digest not in ("", *self.headers):
            reason = f"{_UNSURE}no list shows it with this credential"
            self._report_leftover(entry, reason, "check again with the one that it was sent with")
        elif parent_is_gone or (is_not_listed and self.earlier):
            self.ledger.finished(entry)
        elif is_not_listed:
            found = wrong_id or "no response gave an id of its own, and "
            self._report_leftover(entry, f"{_UNSURE}{found}no list shows it yet", retry=True)
        else:
            why = "no response identifies it as ours"
            if reading is None:
                why = "no operation lists it"
            elif is_identifiable:
                why = "its list cannot be read completely"
            give_up = reading is None or not is_identifiable or (self.earlier and 200 <= reading.status < 300)
            self._report_leftover(entry, f"{_UNSURE}{wrong_id}{why}", "look for it by hand", give_up=give_up)

    def _match_listed_item(self, place: _Place, identity: Json, item: Json) -> None:
        """Record the id of a listed item that has the label, or the unique inputs, of one of our entries."""
        matching = self._matching_entries(place, item)
        missing = [entry for entry in matching if self._has_no_id(entry)]
        if not is_safe_id(identity):
            shown = truncate(to_text(identity), _LONGEST) if isinstance(identity, str | int) else ""
            for entry in missing:
                self._report_leftover(replace(entry, identity=shown), _UNSAFE, _BY_HAND, give_up=True)
            return
        if not matching:
            return
        candidates = (*missing, *matching)
        first, digest = candidates[0], self.ownership.credential_digest(place.header)
        # One without an id, or one that was refused and yet created.
        without_id = (entry for entry in candidates if entry.credential_digest == digest and not entry.identity)
        known = self.ledger.find(place.resource, identity, credential_digest=digest, run=first.run)
        known = known or next(without_id, None)
        if known is None:  # a second one of the same label, or one that was not to be created with this credential
            known = self.ledger.begin(
                place.resource,
                first.label,
                dict(place.parents),
                credential_digest=digest,
                unique_digest=first.unique_digest,
                run=first.run,
            )
            if first in missing:
                self.ledger.finished(first)
            else:
                self._duplicates.append(first.label)
        if not (self.ledger.is_open(known) and known.identity):
            self.ledger.created(known, identity)
            self._leftovers.pop(known.number, None)

    def _matching_entries(self, place: _Place, item: Json) -> list[LedgerEntry]:
        """The entries at a place that a listed item may belong to."""
        label = self.ownership.label(place.resource)
        if label:
            shown = label_value(item, label)
            entries = self.ledger.labelled(place.resource, shown) if isinstance(shown, str) else ()
        else:
            digest = self.ownership.unique_digest(place.resource, item)
            entries = tuple(entry for entry in self._entries if digest and entry.unique_digest == digest)
        return [entry for entry in entries if self._concerns(entry) and self._place(entry) == place]

    # --- deleting ---------------------------------------------------------------------------------------------------

    def _delete(self, entry: LedgerEntry) -> None:
        """Delete an item, or say why not."""
        operation = self.ownership.operation(Delete, entry.resource)
        if operation is None:
            self._report_leftover(entry, "no operation that is implemented deletes it", _BY_HAND, give_up=True)
            return
        path = safe_path(operation, {**entry.parents, entry.resource: entry.identity})
        if path is None:
            self._report_leftover(entry, _UNSAFE, _BY_HAND)
            return
        header = self._header(entry)
        self.ownership.recheck(entry)  # others may have deleted it since, and its id may be used again
        owner = self.ownership.owner(self._send, entry, header)
        if owner is Owner.OTHERS:
            self._give_up_id(entry, header)
        elif owner is Owner.UNKNOWN:
            self._report_leftover(entry, "no response identifies it as ours", retry=True)
        elif owner is Owner.GONE and self.earlier:
            self._finish_gone(entry)
        elif owner is Owner.GONE and not self.ownership.was_ours(entry):
            self._report_leftover(entry, "no response ever showed it under the id that its creation returned")
        else:
            response = self._send(Request(operation.method, path, "", authorization(header)))
            if 200 <= response.status < 300:
                self.ledger.finished(entry)
            elif response.status in NOT_FOUND:
                self._finish_gone(entry)
            else:
                may_pass = response.status >= 500 or response.status in _MAY_PASS
                self._report_leftover(entry, f"its deletion was answered {self._status(response)}", retry=may_pass)

    def _give_up_id(self, entry: LedgerEntry, header: str | None) -> None:
        """Give up an id that belongs to others: our item has another id, or does not exist."""
        self.ownership.others.add((self.ownership.credential_digest(header), *entry.key))
        if self.earlier:
            self._finish_gone(entry)
            return
        self.ledger.misidentified(entry, entry.identity)
        if entry.label in self._duplicates:  # the item of this entry was found under its label
            self._duplicates.remove(entry.label)
            self.ledger.finished(entry)
            return
        reason = f"its creation returned the id {entry.identity}, which belongs to another item"
        self._report_leftover(replace(entry, identity=""), reason, retry=True)

    def _finish_gone(self, entry: LedgerEntry) -> None:
        """Finish an entry whose item is not found, if the credential that created it was used to look for it."""
        if entry.credential_digest in self.headers:
            self.ledger.finished(entry)
        elif entry.credential_digest:
            reason = "it was created with another credential and is not found with this one"
            self._report_leftover(entry, reason, "check again with that one")
        else:
            reason = "it was created without the credential of an account and is not found with this one"
            self._report_leftover(entry, reason, "look for it by hand", give_up=self.earlier)

    def _status(self, response: Response) -> str:
        """The status, and the error code if it is one word: `409 TRUNK_HAS_DIDS`."""
        code = at_pointer(json_value(response.body), self.ownership.contract.errors.code)
        is_word = isinstance(code, str) and code.isprintable() and " " not in code
        return f"{response.status} {truncate(code, _LONGEST)}" if is_word else str(response.status)

    def _find_undeleted(self, place: _Place) -> None:
        """Report the items that a list still shows although their deletion was answered with success or not found."""
        label = self.ownership.label(place.resource)
        entries = (entry for entry in self.ledger.entries if entry.identity and self._concerns(entry))
        if not label or not any(self._place(entry) == place for entry in entries):
            return
        reading, digest = self._list(place), self.ownership.credential_digest(place.header)
        for identity, item in zip(reading.identities, reading.items, strict=True) if reading else ():
            if not isinstance(identity, str):
                continue
            entry = self.ledger.find(place.resource, identity, credential_digest=digest)
            if entry is None or self.ledger.is_open(entry) or not has_prefix(label_value(item, label), entry.run):
                continue
            # The list is believed more than a response which says that the item does not exist.
            if self.ownership.current_owner(self._send, entry, place.header) is not Owner.OTHERS:
                self.ledger.created(entry, entry.identity)
                self._report_leftover(entry, "it still exists, although its deletion was answered as done")
