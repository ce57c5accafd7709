"""Watch an API: ask its read operations again and again, and compare each round with all rounds before.

    >>> for found in watch(vendor, connect, history, Schedule(every=300)):
    ...     print(found.number, len(found.news))

A round sends the plain request of each operation that reads, as a check does first. The rules judge the answers, and a
profile compares them with the contract.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from trunkline.check.availability import MISSING_REASON
from trunkline.check.drift import Change, Profile, drift
from trunkline.check.history import History, Observation
from trunkline.check.rules import operation_of
from trunkline.check.runner import Checker
from trunkline.errors import TargetError
from trunkline.exchange import Exchange
from trunkline.findings import Finding, Grade, Report
from trunkline.mock.loader import Vendor
from trunkline.redaction import printable
from trunkline.transport import targets
from trunkline.transport.connect import Connection

_JITTER = 0.1
"""The share by which a pause may be shorter or longer, so that many watches do not ask at the same time."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the rounds of a watch begin: `every` so many seconds, and how many there are, None for no end.

    `clock` gives the Unix time, `sleep` waits, `random` varies the pauses.
    """

    every: float
    rounds: int | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Random = field(default_factory=Random)

    def pause(self, began: float) -> float:
        """The seconds until the next round, if the last one began at a time."""
        interval = self.every * self.random.uniform(1 - _JITTER, 1 + _JITTER)
        return max(0.0, min(interval, began + interval - self.clock()))


@dataclass(frozen=True, slots=True)
class Round:
    """The result of one round. `problem` says why it did not come to its end, or is empty.

    `statuses` has the last status of each operation that was asked, `left_out` the reason for each of the others.
    """

    number: int
    began: float
    requests: int
    statuses: Mapping[str, int]
    left_out: Mapping[str, str]
    observations: tuple[Observation, ...]
    news: tuple[Observation, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The operations that a watch asks, by their ids (all that read, if none is named), and known path parameters.

    `strictness` is the weakest grade of findings that count.
    """

    operations: Collection[str] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    strictness: Grade = Grade.IMPLIED


def watch(
    vendor: Vendor, connect: Callable[[], Connection], history: History, schedule: Schedule, scope: Scope
) -> Iterator[Round]:
    """Each round, as soon as it has ended; the next begins after the pause, when the caller asks for it.

    `connect` makes the connection of a round, which has a budget of its own. Raises `TargetError` when a round fails
    before any was complete: then the address or the credential is wrong.
    """
    count = 0
    while schedule.rounds is None or count < schedule.rounds:
        count += 1
        found = _ask(vendor, connect(), history, schedule, scope)
        yield found
        if count != schedule.rounds:
            schedule.sleep(schedule.pause(found.began))


def _ask(vendor: Vendor, connection: Connection, history: History, schedule: Schedule, scope: Scope) -> Round:
    began, report = schedule.clock(), Report(secrets=connection.secrets)
    profile, statuses = Profile(vendor, connection.secrets), dict[str, int]()

    def observe(exchange: Exchange) -> None:
        operation = operation_of(vendor.contract, exchange)
        if operation and operation.method == exchange.request.method:
            statuses[operation.operation_id] = status = exchange.response.status
            if status < 500:  # a rule tells of a server that fails, which no page documents
                profile.observe(operation, exchange, schedule.clock())

    checker = Checker(
        vendor,
        targets.checked(connection.target, observe),
        report,
        credential=connection.credential,
        parameters={**connection.parameters, **scope.parameters},
        secret_values=connection.secret_values,
        complete=True,
        live=connection.live,
    )
    chosen = [found for found in vendor.contract.operations if found.reads]
    if scope.operations:
        chosen = [found for found in chosen if found.operation_id in scope.operations]
    problem = ""
    try:
        checker.survey(chosen)
    except TargetError as error:
        problem = printable(profile.redact(report.redact(str(error))))
        if not history.complete:
            raise TargetError(problem) from None
    observations = tuple(_observations(profile, report, scope.strictness))
    news = history.add(began, schedule.clock(), report.requests, problem, observations)
    left_out = dict.fromkeys(report.not_implemented, MISSING_REASON) | report.unasked
    return Round(history.rounds, began, report.requests, statuses, left_out, observations, news, problem)


def _observations(profile: Profile, report: Report, strictness: Grade) -> Iterator[Observation]:
    """The kinds of findings and of drift. A finding that a drift tells in more detail is left out."""

    def text(value: str) -> str:
        return printable(profile.redact(report.redact(value)))

    changes = drift(profile).changes
    told = {(change.cause.operation, change.deviation.contract) for change in changes}
    found = [_of_change(change) for change in changes]
    found += [_of_finding(one) for one in report.failures(strictness) if (one.operation, one.contract) not in told]
    for values in found:
        shown = {name: text(value) if isinstance(value, str) else value for name, value in values.items()}
        yield Observation(**shown)  # type: ignore[arg-type]  # the fields of an observation


def _of_change(change: Change) -> dict[str, str | bool]:
    cause, deviation = change.cause, change.deviation
    evidence = deviation.evidence
    return {
        "key": " ".join(("drift", *cause)),
        "type": "drift",
        "name": cause.kind,
        "operation": cause.operation,
        "status": cause.status,
        "at": cause.at,
        "message": change.message,
        "expected": deviation.expected,
        "seen": deviation.example,
        "contract": deviation.contract,
        "page": evidence.source if evidence else "",
        "grade": str(evidence.grade) if evidence else "",
        "fails": change.breaks,
    }


def _of_finding(finding: Finding) -> dict[str, str | bool]:
    last = finding.exchanges[-1] if finding.exchanges else None
    return {
        "key": " ".join(("finding", *finding.cause)),
        "type": "finding",
        "name": finding.rule,
        "operation": finding.operation,
        "status": str(last.response.status) if last else "",
        "at": finding.at,
        "message": finding.message,
        "expected": finding.expected,
        "seen": finding.seen,
        "contract": finding.contract,
        "page": finding.evidence.source,
        "grade": str(finding.evidence.grade),
        "fails": True,
    }
