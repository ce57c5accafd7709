"""A violation as a rule or a law describes it. The rule or law adds the rest of the finding."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.contract.bodies import NOTHING, at_pointer, json_of
from trunkline.contract.model import Operation
from trunkline.exchange import Exchange, Place, pointer_to
from trunkline.findings import Evidence, Finding, Grade, to_text


@dataclass(frozen=True, slots=True)
class Problem:
    """One violation of a rule or law: `Problem("the server failed with 500", evidence, "status", expected="< 500")`.

    `at` is the place in the response; `place` continues it, and is only written for a finding. `contract` is a pointer
    into the contract document, or a reference with the name of a file; by default it is the operation. `seen` is by
    default the value at the place, and `exchanges` the one exchange that is judged. A law gives its exchanges, and the
    last of them shows the problem. `count` says how often it was found.
    """

    message: str
    evidence: Evidence
    at: str
    contract: str = ""
    expected: str = ""
    seen: str | None = None
    exchanges: tuple[Exchange, ...] = ()
    place: Place = ()
    count: int = 1

    def finding(self, rule: str, operation: Operation, *exchanges: Exchange) -> Finding:
        """The finding of a rule or law about an operation."""
        exchanges = self.exchanges or exchanges
        place = self.contract or operation.pointer
        contract = operation.reference(place) if place.startswith("/") else place
        at = self.at + pointer_to(self.place)
        seen = _value_at(exchanges[-1], at) if self.seen is None else self.seen
        name, stated = operation.operation_id, self.evidence
        return Finding(rule, name, stated, self.message, at, contract, self.expected, seen, exchanges, self.count)


def _value_at(exchange: Exchange, at: str) -> str:
    """The value at a place of the response: `200` at `status`, `"GET"` at `header/allow`."""
    if at == "status":
        return str(exchange.response.status)
    if at.startswith("header/"):
        return to_text(exchange.response.header(at.removeprefix("header/")))
    value = at_pointer(json_of(exchange), at.removeprefix("body"))
    return "absent" if value is NOTHING else to_text(value)


def customary(rfc: int, section: str, note: str = "") -> Evidence:
    """The evidence for what a section of an RFC asks, and no page: `customary(9110, "15.5.6")`."""
    return Evidence(Grade.CUSTOMARY, f"https://www.rfc-editor.org/rfc/rfc{rfc}#section-{section}", note)


def implied(evidence: Evidence, note: str) -> Evidence:
    """The evidence for a conclusion from a statement, with the reason."""
    grade = max(evidence.grade, Grade.IMPLIED, key=lambda grade: grade.rank)
    return Evidence(grade, evidence.source, note, evidence.read)


def disputed(evidence: Evidence) -> Evidence:
    """The evidence for a breach that only one of the two validators sees: no run fails for that."""
    return evidence.weakest(Evidence(Grade.CUSTOMARY, evidence.source, "two validators disagree", evidence.read))
