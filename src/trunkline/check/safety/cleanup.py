"""Owns removing what a run made, children before parents, and nothing else; what cannot be removed is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from trunkline.check.safety.ledger import Entry, Ledger
from trunkline.check.safety.ownership import (
    CREATES,
    DELETES,
    GONE,
    LISTS,
    Listed,
    Owner,
    Ownership,
    about,
    authorization,
    begins,
    is_plain,
    label_of,
    road,
    signed,
)
from trunkline.contract.bodies import at_pointer
from trunkline.contract.model import Contract
from trunkline.errors import TargetError
from trunkline.exchange import Json, NotJSON, Request, Response, Target
from trunkline.findings import to_text, truncate

WAITS = (1.0, 3.0)
"""Seconds before looking again for what was asked for and is not listed, and before asking again to remove."""

_PATIENCE = 2
"""So many requests in a row that find no answer, and nothing more is asked."""
_MAY_PASS = frozenset({409, 423, 425})
_LONGEST = 80
_MAYBE = "it may have been made:"
_ITS_OWN = "with which a run would look again"


def _answered(entry: Entry) -> str:
    """The beginning of a sentence, when a creation was answered with an id that is not seen to be its own."""
    named = truncate(to_text(entry.wrong_identity), _LONGEST)
    return f"its answer told the id {named}, under which nothing shows it, and " if entry.wrong_identity else ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that a run made, or may have made, and that is still there; its id is empty when no answer told it."""

    resource: str
    identity: str
    label: str
    reason: str

    def __str__(self) -> str:
        """One line: `trunks trunk-uuid-7 "trunkline-check-5d1c0e9a77-3": its removal was answered 500`."""
        words = (self.resource, self.identity or "(no id is known)", to_text(self.label) if self.label else "")
        return f"{' '.join(word for word in words if word)}: {self.reason}"


def removable(contract: Contract, resource: str) -> bool:
    """Whether a page documents how things of a resource are removed."""
    return about(contract, resource, DELETES) is not None


@dataclass(slots=True, repr=False)
class Cleanup:
    """Removes what is open in a journal: of this run or, `earlier`, of those before it.

    What this run made is removed unless it is seen to be another's; what an earlier one made only if it is seen to be
    ours, for since then its id may have come to mean something else. `headers` are the credentials by their marks.
    """

    contract: Contract
    ledger: Ledger
    witness: Ownership
    target: Target
    headers: Mapping[str, str]
    earlier: bool = False
    sleep: Callable[[float], None] = time.sleep
    _reasons: dict[int, str] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _again: set[int] = field(default_factory=set)
    _spare: list[str] = field(default_factory=list)
    _unanswered: int = 0

    def run(self) -> tuple[Leftover, ...]:
        """Removes what can be removed, and tells what is left in the order in which it was begun."""
        self._round({entry.number for entry in self._entries})
        for wait in () if self.earlier else WAITS:
            if self._again and self._unanswered < _PATIENCE:
                self.sleep(wait)
                self._round(self._again)
        if not self.earlier:
            for resource, parents, header in self._places():
                with suppress(TargetError):
                    self._look_back(resource, dict(parents), header)
        return tuple(self._left(entry) for entry in self._entries)

    def _round(self, due: set[int]) -> None:
        """Looks for what is lost and removes what is due; what may go better later is due again."""
        self._again = set()
        for resource, parents, header in self._places():
            with self._telling(*self._lost(resource, parents)):
                self._find(resource, dict(parents), header)
        known = [entry for entry in self._entries if entry.identity]
        for entry in sorted(known, key=lambda it: (len(it.parents), it.number), reverse=True):
            if entry.number in due or entry.number not in self._reasons:
                with self._telling(entry):
                    self._remove(entry)

    @property
    def _entries(self) -> tuple[Entry, ...]:
        return self.ledger.open_entries(earlier=True) if self.earlier else self.ledger.open_entries()

    def _left(self, entry: Entry) -> Leftover:
        name = entry.identity or self._names.get(entry.number, "")
        return Leftover(entry.resource, name, entry.label, self._reasons.get(entry.number, "it was not come to"))

    @contextmanager
    def _telling(self, *entries: Entry) -> Iterator[None]:
        """While it lasts, a target that cannot be asked is the reason why these are left."""
        try:
            yield
        except TargetError as error:
            for entry in entries:
                maybe = "" if entry.identity else f"{_MAYBE} "
                self._reasons[entry.number] = f"{maybe}{error}"
                self._again.add(entry.number)

    def _ask(self, request: Request) -> Response:
        """The target as long as there is hope that it answers."""
        if self._unanswered >= _PATIENCE:
            raise TargetError(f"{_PATIENCE} requests in a row found no answer, and so nothing more was asked")
        try:
            response = self.target(request)
        except TargetError:
            self._unanswered += 1
            raise
        self._unanswered = 0
        return response

    def _header(self, entry: Entry) -> str | None:
        """The credential that an entry was made with, or else the first."""
        return self.headers.get(entry.credential_digest) or next(iter(self.headers.values()), None)

    def _is_same(self, entry: Entry) -> bool:
        """Whether an entry was made with the credential that it is looked for with."""
        return self.witness.mark(self._header(entry)) == entry.credential_digest

    # --- finding ----------------------------------------------------------------------------------------------------

    def _places(self) -> list[tuple[str, tuple[tuple[str, str], ...], str | None]]:
        """Each list to look in, (resource, parents, credential): where something with a label was begun, or is lost."""
        found: dict[tuple[str, tuple[tuple[str, str], ...], str | None], None] = {}
        for entry in self.ledger.entries:
            if self._concerns(entry) and (entry.label or self._is_lost(entry)):
                found[entry.resource, tuple(sorted(entry.parents.items())), self._header(entry)] = None
        return list(found)

    def _is_lost(self, entry: Entry) -> bool:
        return self.ledger.is_open(entry) and not entry.identity

    def _lost(self, resource: str, parents: tuple[tuple[str, str], ...]) -> list[Entry]:
        """What was asked for at a place, and no answer told its id."""
        below = (it for it in self._entries if it.resource == resource and tuple(sorted(it.parents.items())) == parents)
        return [entry for entry in below if not entry.identity]

    def _find(self, resource: str, parents: Mapping[str, str], header: str | None) -> None:
        """Gives their ids to those at a place that a list shows, and tells why the others have none."""
        listed = self.witness.listed(self._ask, resource, parents, header)
        for item in listed.items if listed else ():
            self._adopt(resource, parents, header, item)
        for entry in self._lost(resource, tuple(sorted(parents.items()))):
            if self._header(entry) == header and entry.number not in self._names:
                self._reasons[entry.number] = self._absent(entry, listed)

    def _absent(self, entry: Entry, listed: Listed | None) -> str:
        """Why something that was asked for was not found; nothing is left to do where it surely is not there."""
        same, told = self._is_same(entry) or not entry.credential_digest, bool(entry.label or entry.unique_digest)
        gone = listed and entry.parents and listed.status in GONE
        if same and (gone or (listed and listed.whole and told and self.earlier)):
            self.ledger.finished(entry)
            return ""
        if not same:
            return f"{_MAYBE} it was asked for with another credential, {_ITS_OWN}, and no list shows it with this one"
        if listed and listed.whole and told:
            self._again.add(entry.number)
            answered = _answered(entry) or "no answer told an id of its own, and "
            return f"{_MAYBE} {answered}no list shows it so far; the next run looks again"
        if listed is None or not told or (self.earlier and 200 <= listed.status < 300):
            self.ledger.reported(entry)
        if listed and told:
            return f"{_MAYBE} {_answered(entry)}its list cannot be read whole"
        missing = "nothing tells it from what others made" if listed else "no page documents a list of it"
        return f"{_MAYBE} {_answered(entry)}{missing}"

    def _adopt(self, resource: str, parents: Mapping[str, str], header: str | None, item: Json) -> None:
        """Takes what a list shows for ours where it has the very label, or the very unique inputs, of one we began."""
        like = [entry for entry in self._like(resource, item) if entry.parents == parents and self._concerns(entry)]
        same = [entry for entry in like if self._header(entry) == header]
        if not same:
            return
        mark = self.witness.mark(header)
        lister = about(self.contract, resource, LISTS)
        name = at_pointer(item, lister.listing.identity) if lister and lister.listing else None
        lost = [entry for entry in same if self._is_lost(entry)]
        if not is_plain(name):
            for entry in lost:
                self._names[entry.number] = truncate(to_text(name) if isinstance(name, str | int) else "", _LONGEST)
                self._reasons[entry.number] = "it is listed under an id that cannot be asked for safely"
                self.ledger.reported(entry)
            return
        first = (*lost, *same)[0]
        known = self.ledger.find(resource, name, credential_digest=mark, run=first.run)
        if known is None:  # one that is lost, or one that was refused and yet made
            known = next(
                (entry for entry in (*lost, *same) if entry.credential_digest == mark and not entry.identity), None
            )
        if known is None:  # a second one of the same label, or one that was not to be made with such a credential
            known = self.ledger.begin(
                resource, first.label, parents, credential_digest=mark, unique_digest=first.unique_digest, run=first.run
            )
            if first in lost:
                self.ledger.finished(first)
            else:
                self._spare.append(first.label)
        if not (self.ledger.is_open(known) and known.identity):
            self.ledger.created(known, name)

    def _like(self, resource: str, item: Json) -> tuple[Entry, ...]:
        """The creations that an item may be what came of."""
        label = label_of(self.contract, resource)
        if label:
            shown = item.get(label) if isinstance(item, dict) else None
            return self.ledger.labelled(resource, shown) if isinstance(shown, str) else ()
        sign = signed(about(self.contract, resource, CREATES), item, self.ledger)
        return tuple(it for it in self._entries if it.resource == resource and sign and it.unique_digest == sign)

    def _concerns(self, entry: Entry) -> bool:
        return (entry.run != self.ledger.prefix) is self.earlier

    # --- removing ---------------------------------------------------------------------------------------------------

    def _remove(self, entry: Entry) -> None:
        """Removes one thing, or says why not."""
        remover = about(self.contract, entry.resource, DELETES)
        if remover is None:
            self._reasons[entry.number] = "no page documents how it is removed"
            self.ledger.reported(entry)
            return
        path = road(remover, {**entry.parents, entry.resource: entry.identity})
        if path is None:
            self._reasons[entry.number] = "it has an id that cannot be asked for safely"
            return
        header = self._header(entry)
        self.witness.forget(entry)  # what was ours may have been removed by others since
        whose = self.witness.whose(self._ask, entry, header)
        if whose is Owner.OTHERS:
            self._disown(entry, header)
        elif whose is Owner.UNKNOWN:
            self._reasons[entry.number] = "nothing tells it from what others made"
            self._again.add(entry.number)
        elif self.earlier and whose is Owner.GONE:
            self._gone(entry)
        elif whose is Owner.GONE and not self.witness.was_seen(entry):
            self._reasons[entry.number] = "no reading ever showed it under the id that its creation answered"
        else:
            response = self._ask(Request(remover.method, path, "", authorization(header)))
            if 200 <= response.status < 300:
                self.ledger.finished(entry)
            elif response.status in GONE:
                self._gone(entry)
            else:
                self._reasons[entry.number] = f"its removal was answered {self._said(response)}"
                if response.status >= 500 or response.status in _MAY_PASS:
                    self._again.add(entry.number)

    def _disown(self, entry: Entry, header: str | None) -> None:
        """Lets go of an id that is another's: ours has another id that no answer told, or is gone."""
        self.witness.disown(self.witness.mark(header), entry)
        if self.earlier:
            self._gone(entry)
            return
        self.ledger.disowned(entry)
        if entry.label in self._spare:  # so this is what was found under its label
            self._spare.remove(entry.label)
            self.ledger.finished(entry)
            return
        self._reasons[entry.number] = f"the answer told the id {entry.identity}, which is that of something else"
        self._again.add(entry.number)

    def _gone(self, entry: Entry) -> None:
        """Takes what is not found for removed, if it was looked for with the credential that it was made with."""
        if self._is_same(entry):
            self.ledger.finished(entry)
            return
        whose = (
            f"with another credential, {_ITS_OWN},"
            if entry.credential_digest
            else "without the credential of an account"
        )
        self._reasons[entry.number] = f"it was made {whose} and is not found with this one"
        if self.earlier and not entry.credential_digest:  # nobody can do more
            self.ledger.reported(entry)

    def _said(self, response: Response) -> str:
        """The status, and the code of a refusal where it is a word."""
        with suppress(NotJSON):
            code = at_pointer(response.json(), self.contract.errors.code)
            if isinstance(code, str) and code.isprintable() and " " not in code:
                return f"{response.status} {truncate(code, _LONGEST)}"
        return str(response.status)

    def _look_back(self, resource: str, parents: Mapping[str, str], header: str | None) -> None:
        """Finds out what is still there although its removal was answered as if it were not."""
        lister, label = about(self.contract, resource, LISTS), label_of(self.contract, resource)
        begun = (entry for entry in self.ledger.entries if self._concerns(entry))
        removed = (entry for entry in begun if entry.resource == resource and entry.parents == parents)
        if not (label and lister and lister.listing and any(it.identity for it in removed)):
            return
        listed, mark = self.witness.listed(self._ask, resource, parents, header), self.witness.mark(header)
        for item in listed.items if listed else ():
            name = at_pointer(item, lister.listing.identity)
            entry = self.ledger.find(resource, name, credential_digest=mark) if isinstance(name, str) else None
            if entry is None or self.ledger.is_open(entry) or not begins(item.get(label), entry.run):
                continue
            if self.witness.look(self._ask, entry, header) is not Owner.OTHERS:  # a list that shows it speaks louder
                self.ledger.created(entry, entry.identity)
                self._reasons[entry.number] = "it is still there, though its removal was answered as done or not found"
