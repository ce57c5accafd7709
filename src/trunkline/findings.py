"""Owns what is said about an implementation: `Evidence`, `Finding`, `Report`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from trunkline.exchange import Exchange, Json
from trunkline.redaction import redactor

_LONGEST = 160
"""So many characters of a value are enough to recognize it."""
_ROOM = 2000


class Grade(StrEnum):
    """How strong a sentence is, strongest first."""

    DOCUMENTED = "documented"
    """A page states or shows it."""
    IMPLIED = "implied"
    """It follows from what a page states."""
    CUSTOMARY = "customary"
    """HTTP or RFC custom; no page says it."""
    DECISION = "decision"
    """Our own choice for the mock. No check holds it against anyone."""

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Grade).index(self)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a statement stands on: `Evidence(Grade.DOCUMENTED, "https://docs...", "", "2026-11-20")`."""

    grade: Grade
    source: str = ""
    note: str = ""
    read: str = ""

    def weakest(self, other: Evidence) -> Evidence:
        """The weaker of the two: a conclusion is as strong as its weakest premise."""
        return other if other.grade.rank > self.grade.rank else self


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement that an implementation breaks a rule or a law.

    `at` is the place in the exchange (`body/trunks/0/status`, `status`, `header/allow`), `contract` the place
    in the contract (`schemas/x/trunk.json#/properties/status/enum`).
    """

    rule: str
    operation: str
    evidence: Evidence
    message: str
    at: str = ""
    contract: str = ""
    expected: str = ""
    seen: str = ""
    exchanges: tuple[Exchange, ...] = ()
    count: int = 1

    @property
    def cause(self) -> tuple[str, str, str, str]:
        """Findings with the same cause are one finding with a count: list positions do not tell causes apart."""
        place = "/".join("*" if part.isdigit() else part for part in self.at.split("/"))
        return (self.rule, self.operation, place, self.contract)


@dataclass(frozen=True, slots=True)
class NotExercised:
    """A law that could not be put to the test, and why. It is never counted as passed."""

    reason: str


@dataclass(slots=True)
class Report:
    """Collects findings and what was exercised. `secrets` never reach its text.

    `exercised` maps (operationId, law) to "" when it was exercised, or to the reason why not.
    """

    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    exercised: dict[tuple[str, str], str] = field(default_factory=dict)
    reached: Counter[tuple[str, int]] = field(default_factory=Counter)
    requests: int = 0
    stopped: str = ""
    """Why the run did not come to its end, or empty."""
    left: list[str] = field(default_factory=list)
    """What the run made and could not remove, one line each."""
    _findings: dict[tuple[str, str, str, str], Finding] = field(default_factory=dict)

    def add(self, finding: Finding) -> bool:
        """Takes a finding in; True when its cause is new. Decisions of ours are dropped: they bind nobody."""
        if finding.evidence.grade is Grade.DECISION:
            return False
        known = self._findings.get(finding.cause)
        if known is not None:
            self._findings[finding.cause] = replace(known, count=known.count + finding.count)
            return False
        self._findings[finding.cause] = replace(
            finding,
            message=truncate(self.redact(finding.message), _LONGEST),
            expected=truncate(self.redact(finding.expected), _LONGEST),
            seen=truncate(self.redact(finding.seen), _LONGEST),
            at=truncate(self.redact(finding.at), _LONGEST),
        )
        return True

    def redact(self, text: str) -> str:
        """The text with every known secret replaced by `***`."""
        return redactor(self.secrets)(text)

    def __str__(self) -> str:
        """One line for each finding: `documented body_matches_schema listTrunks at body/trunks/0/status: ...`."""
        told = ((found.evidence.grade, found.rule, found.operation, found.at, found.message) for found in self.findings)
        lines = [f"{grade} {rule} {operation} at {at}: {message}" for grade, rule, operation, at, message in told]
        return "\n".join(lines) or "no finding"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Strongest first, then in the order found."""
        return tuple(sorted(self._findings.values(), key=lambda finding: finding.evidence.grade.rank))

    def failures(self, strictness: Grade = Grade.IMPLIED) -> tuple[Finding, ...]:
        """The findings that fail a run at this strictness."""
        return tuple(finding for finding in self.findings if finding.evidence.grade.rank <= strictness.rank)

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.add(finding)


def to_text(value: Json) -> str:
    """A value as JSON on one line: `"busy"`, `[1, 2]`; a long one is cut, and a `Report` cuts further what it shows."""
    pieces: list[str] = []
    room = _ROOM
    try:
        for piece in json.JSONEncoder(ensure_ascii=False).iterencode(
            value[:_ROOM] if isinstance(value, str) else value
        ):
            pieces.append(piece[:room])
            room -= len(piece)
            if room <= 0:
                break
    except (ValueError, RecursionError):
        return f"<{type(value).__name__} too large to print>"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in "".join(pieces))


def truncate(text: str, limit: int) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
