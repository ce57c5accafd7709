"""Client coverage: the documented answers of a vendor that a client has met, and those that it has not.

>>> coverage = measure(acme.contract, [ClientAnswer.of(request) for request in mock.requests])
>>> [(found.operation.operation_id, [*map(str, found.missing)]) for found in coverage.operations]
[('listTrunks', ['401 INVALID_KEY', '429 TOO_MANY']), ('createTrunk', ['2XX', '401 INVALID_KEY', ...])]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from trunkline.contract.model import Contract, Operation
from trunkline.findings import Evidence, Grade
from trunkline.mock.request_log import RecordedRequest


class ClientAnswer(NamedTuple):
    """One answer to a client.

    `operation` is empty if the contract has none for the request; `cause` if the mock did not refuse it.
    """

    vendor: str
    operation: str
    status: int
    cause: str = ""
    """The cause of the mock's refusal: `parameter_out_of_range`."""
    code: str = ""
    """The error code that a fault gave."""

    @classmethod
    def of(cls, request: RecordedRequest) -> ClientAnswer:
        """The answer to a recorded request."""
        cause = request.refusal.cause if request.refusal else ""
        return cls(request.vendor, request.operation or "", request.status, cause, request.code)


@dataclass(frozen=True, slots=True)
class DocumentedAnswer:
    """One documented answer of an operation: `200`, or `400 INVALID_PARAMS`."""

    status: str
    """A status, or a range of them: `2XX`."""
    code: str
    """The error code; empty for an answer that has none."""
    evidence: Evidence
    """The strongest statement that there is such an answer."""
    causes: Mapping[str, bool]
    """Whether each cause of a refusal with this code was met. A fault has no cause."""
    met: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.code}".rstrip()


@dataclass(frozen=True, slots=True)
class OperationCoverage:
    """The documented answers of one operation."""

    operation: Operation
    asked: bool
    """Whether the client has sent a request for it."""
    outcomes: tuple[DocumentedAnswer, ...]
    """The answers that count, in the order of the contract."""
    others: tuple[str, ...]
    """The answers that were met and do not count: `503`, which no page documents."""

    @property
    def missing(self) -> tuple[DocumentedAnswer, ...]:
        """The outcomes that the client has not met."""
        return tuple(outcome for outcome in self.outcomes if not outcome.met)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The documented answers of one vendor."""

    vendor: str
    operations: tuple[OperationCoverage, ...]


def measure(contract: Contract, answers: Collection[ClientAnswer], weakest: Grade = Grade.IMPLIED) -> Coverage:
    """Compare the answers that a client got with those that the contract documents.

    An outcome counts if the evidence for its status or its error code is at least as strong as `weakest`.
    """
    own = [answer for answer in answers if answer.vendor == contract.vendor]
    return Coverage(contract.vendor, tuple(_operation(operation, own, weakest) for operation in contract.operations))


def _operation(operation: Operation, answers: Collection[ClientAnswer], weakest: Grade) -> OperationCoverage:
    own = [answer for answer in answers if answer.operation == operation.operation_id]
    outcomes = [*_outcomes(operation)]
    others: set[str] = set()
    for answer in own:
        found = _outcome_of(answer, operation, outcomes)
        if found and found.evidence.grade.rank <= weakest.rank:
            causes = {cause: met or cause == answer.cause for cause, met in found.causes.items()}
            outcomes[outcomes.index(found)] = replace(found, causes=causes, met=True)
        elif answer.status:  # a connection that was closed before has none
            others.add(f"{answer.status} {found.code if found else ''}".rstrip())
    counted = tuple(outcome for outcome in outcomes if outcome.evidence.grade.rank <= weakest.rank)
    return OperationCoverage(operation, bool(own), counted, tuple(sorted(others)))


def outcomes_of(operation: Operation) -> tuple[DocumentedAnswer, ...]:
    """The outcomes of an operation that count, none of them met."""
    return tuple(found for found in _outcomes(operation) if found.evidence.grade.rank <= Grade.IMPLIED.rank)


def _outcomes(operation: Operation) -> Iterator[DocumentedAnswer]:
    """The outcomes of an operation, none of them met."""
    for response in operation.responses.values():
        codes = [refusal.code for cause, refusal in response.refusals.items() if cause not in _OF_NO_OPERATION]
        for code in dict.fromkeys(codes):
            refusals = {cause: refusal for cause, refusal in response.refusals.items() if refusal.code == code}
            statements = [refusal.evidence for refusal in refusals.values()]
            statements += [refusal.status or response.evidence for refusal in refusals.values()]
            strongest = min(statements, key=lambda evidence: evidence.grade.rank)
            yield DocumentedAnswer(response.key, code, strongest, dict.fromkeys(refusals, False))
        if not response.refusals:
            yield DocumentedAnswer(response.key, "", response.evidence, {})


_OF_NO_OPERATION = frozenset(("path_unknown", "method_not_allowed"))
"""The causes of refusals of requests that reach no operation."""


def _outcome_of(
    answer: ClientAnswer, operation: Operation, outcomes: Collection[DocumentedAnswer]
) -> DocumentedAnswer | None:
    """The outcome that an answer is: by the cause of the mock's refusal, or else by the error code of a fault."""
    response = operation.response_for(answer.status)
    possible = [outcome for outcome in outcomes if response and outcome.status == response.key]
    if answer.cause:
        return next((outcome for outcome in possible if answer.cause in outcome.causes), None)
    return next((outcome for outcome in possible if outcome.code == answer.code), None)
