"""Owns removing what a run made, children before parents, and nothing else; what cannot be removed is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from trunkline.bodies import NOTHING, at_pointer
from trunkline.contract import Contract
from trunkline.errors import TargetError
from trunkline.exchange import Json, NotJSON, Request, Response, Target
from trunkline.findings import cut, show
from trunkline.journal import Entry, Journal
from trunkline.witness import (
    CREATES,
    DELETES,
    FETCHES,
    LISTS,
    Listed,
    Whose,
    Witness,
    about,
    authorization,
    is_plain,
    label_of,
    road,
    signed,
)

WAITS = (1.0, 3.0)
"""Seconds before looking again for what was asked for and is not listed yet, and before trying again to remove."""

_PATIENT = 2
"""So many requests in a row that could not be answered at all, and nothing more is asked."""
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Left:
    """Something that the run made, or may have made, and that is still there: its id may not be known."""

    resource: str
    identity: str
    label: str
    reason: str

    def __str__(self) -> str:
        """`trunks trunk-uuid-7 "trunkline-check-5d1c0e9a77-3": its removal was answered 500`."""
        words = (self.resource, self.identity or "(no id is known)", show(self.label) if self.label else "")
        return f"{' '.join(word for word in words if word)}: {self.reason}"


def removable(contract: Contract, resource: str) -> bool:
    """Whether a page documents how things of a resource are removed."""
    return about(contract, resource, DELETES) is not None


@dataclass(slots=True, repr=False)
class Removal:
    """Removes what is open in a journal: of this run or, `earlier`, of those before it.

    What this run made is removed unless it is seen to be another's, what an earlier one made only if it is seen to be
    ours: since then its id may have come to mean something else. `headers` are the credentials by their marks.
    """

    contract: Contract
    journal: Journal
    witness: Witness
    target: Target
    headers: Mapping[str, str]
    earlier: bool = False
    sleep: Callable[[float], None] = time.sleep
    _reasons: dict[int, str] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _again: set[int] = field(default_factory=set)
    _failures: int = 0

    def run(self) -> tuple[Left, ...]:
        """Removes what can be; tells what is left, in the order begun."""
        for wait in (0.0, *(() if self.earlier else WAITS)):
            if wait:
                self.sleep(wait)
            self._again.clear()
            self._find()
            for entry in sorted(self._made(), key=lambda it: (len(it.parents), it.number), reverse=True):
                with _told(self._reasons, entry):
                    self._remove(entry)
            if not self._again or self._failures >= _PATIENT:
                break
        if not self.earlier:
            self._verify()
        return tuple(self._left(entry) for entry in self._entries)

    @property
    def _entries(self) -> tuple[Entry, ...]:
        return self.journal.unfinished() if self.earlier else self.journal.mine

    def _made(self) -> Iterator[Entry]:
        return (entry for entry in self._entries if entry.identity)

    def _left(self, entry: Entry) -> Left:
        name = entry.identity or self._names.get(entry.number, "")
        return Left(entry.resource, name, entry.label, self._reasons.get(entry.number, "it was not come to"))
