"""Send again the requests that a report recorded, and tell of each finding whether it still happens.

The requests of a finding are sent as they are, in their order. Items that they create get new ids, and the names and
the secrets of this run. A write passes the gate, as in a check. What became of the finding is then judged by its rule,
or by its law, which asks again; a finding of a stateful law is compared with what was seen (`judging`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from random import Random

from trunkline.check.laws import LAWS
from trunkline.check.replay.judging import STATUS_CHECKS, Undecided, check_status, is_as_seen, may_differ
from trunkline.check.replay.places import check_judged, found_again
from trunkline.check.replay.rewriting import Names, Writer, credential_of, headers_of
from trunkline.check.replay.saved import SavedFinding, SavedReport, SavedRequest, read_report
from trunkline.check.rules import RULES, judge, operation_of, secret_values_rule
from trunkline.check.rules.refusals import refusal_is_documented
from trunkline.check.runner import NOT_ALLOWED, Checker
from trunkline.check.safety import Gate, WriteAccess
from trunkline.check.stateful.creations import created_identity
from trunkline.contract.http import FIELDS
from trunkline.errors import BudgetExhausted, NotOurs, Redirected, UsageError
from trunkline.exchange import Exchange, Request
from trunkline.findings import LONGEST_VALUE, Finding, Report, excerpt
from trunkline.mock.loader import Vendor
from trunkline.transport.connect import Connection

__all__ = ["GONE", "STILL", "UNKNOWN", "Replay", "ReplayOutcome", "read_report"]

STILL, GONE, UNKNOWN = "still happens", "no longer happens", "not replayed"
"""The states of a finding after a replay."""

_BUG = "; this is a bug in trunkline"
"""The end of a sentence of the gate, which is not true of requests that a file holds."""
_SECRETS = secret_values_rule({})
_RULES = {rule.name: rule for rule in (*RULES, _SECRETS)}
_LAWS = {law.name: law for law in LAWS}


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """The state of a finding after a replay: `STILL`, `GONE`, or `UNKNOWN` with the reason.

    `now` is the message of what still happens: the value may be another one than that of the report.
    """

    finding: SavedFinding
    state: str
    reason: str = ""
    now: str = ""


@dataclass(slots=True, repr=False)
class Replay:
    """Replays the findings of a report on an implementation. Nothing is written without `writing`.

    `report` counts the requests, and gets the items that are left, and the secrets that must not be printed.
    """

    vendor: Vendor
    connection: Connection
    recorded: SavedReport
    report: Report
    writing: WriteAccess | None = None
    seed: int = 0
    _gate: Gate | None = None
    _writer: Writer | None = None
    _credentials: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        first, second = self.connection.credential, self.connection.second
        self._credentials = credential_of(first, second)
        if self.writing:
            ledger, allowed, settling = self.writing.ledger, self.writing.allowed_leftovers, self.writing.settling
            known = tuple(credential for credential in (first, second) if credential)
            self._gate = Gate(self.vendor.contract, self.connection.target, ledger, known, allowed, settling)
            self._writer = Writer(self._gate.prefix, Random(self.seed))  # noqa: S311 - values to send, not secrets

    def run(self) -> Generator[ReplayOutcome, None, None]:
        """Each finding with what became of it. What was created is deleted at the end."""
        try:
            for finding in self.recorded.findings:
                yield self._outcome(finding)
        finally:
            if self._gate and self.writing:
                self.report.leftovers += map(str, self._gate.clean(self.writing.cleaner))

    def _outcome(self, finding: SavedFinding) -> ReplayOutcome:
        try:
            found = self._found_again(finding)
        except (Undecided, NotOurs, BudgetExhausted, UsageError) as reason:
            return ReplayOutcome(finding, UNKNOWN, str(reason).removesuffix(_BUG))
        return ReplayOutcome(finding, STILL, now=found.message) if found else ReplayOutcome(finding, GONE)

    def _found_again(self, finding: SavedFinding) -> Finding | SavedFinding | None:
        """Send the requests of a finding, and judge it: the finding as it is now, or None if it no longer happens.

        Raises `Undecided` if that cannot be said.
        """
        if not finding.requests:
            raise Undecided("the report does not have its requests")
        if finding.operation not in {operation.operation_id for operation in self.vendor.contract.operations}:
            raise Undecided(f"{self.vendor.name} has no operation {finding.operation}")
        if self._gate is None and finding.writes:
            raise Undecided(NOT_ALLOWED)
        names, exchanges = Names(), list[Exchange]()
        for number, recorded in enumerate(finding.requests, start=1):
            before = replace(names, ids=dict(names.ids))
            exchanges.append(self._send(recorded, names))
            status = exchanges[-1].response.status
            if number < len(finding.requests) and finding.is_excepted(recorded, status):
                return None
            if number < len(finding.requests) or not may_differ(finding, exchanges[-1], self.vendor.contract):
                check_status(recorded, status, "" if number == len(finding.requests) else f"request {number} was ")
        return self._judge(finding, exchanges, before)

    def _send(self, recorded: SavedRequest, names: Names) -> Exchange:
        request = self._request(recorded, names)
        self.report.requests += 1
        try:
            response = (self._gate or self.connection.target)(request)
        except Redirected as redirected:
            response = redirected.response
        exchange = Exchange(request, response)
        if recorded.created and (identity := created_identity(self.vendor.contract, exchange)):
            names.ids[recorded.created] = identity
        return exchange

    def _request(self, recorded: SavedRequest, names: Names) -> Request:
        path = names.path(recorded.path)
        if recorded.hides_address:
            raise Undecided("a secret was left out of the address of a request")
        headers, shown = headers_of(recorded, self._credentials)
        found, _ = self.vendor.contract.match(path)
        operation = next((each for each in found if each.method == recorded.method), None)
        body = recorded.data
        if operation and recorded.writes and self._writer and not recorded.body_base64:
            body = self._writer.body(recorded.text, operation, names)
            self.report.secrets |= {*names.secrets.values()}
        return Request(recorded.method, path, recorded.query, headers, body, shown)

    # --- judging ----------------------------------------------------------------------------------------------------

    def _judge(self, finding: SavedFinding, exchanges: list[Exchange], names: Names) -> Finding | SavedFinding | None:
        """The finding if it is there again, after its last request."""
        last = exchanges[-1]
        is_of_refusal = finding.rule == refusal_is_documented.name
        if finding.rule in _RULES and (finding.requests[-1].is_ours or not is_of_refusal):
            return self._found_by_rules(finding, last)
        if finding.rule in _LAWS and not finding.writes:
            return self._found_by_law(finding, last)
        if finding.rule in STATUS_CHECKS:
            return finding if STATUS_CHECKS[finding.rule](finding.requests[-1], last.response) else None
        return finding if is_as_seen(finding, exchanges, names) else None  # no rule knows which credentials are refused

    def _found_by_rules(self, finding: SavedFinding, exchange: Exchange) -> Finding | None:
        """The finding of the rules that is about the same.

        Raises `Undecided` if there is none, and the answer does not have what it is about.
        """
        self._check_applied(finding)
        found = [*self._findings_of_rules(exchange)]
        if again := found_again(finding, found):
            return again
        if finding.requests[-1].status in (None, exchange.response.status):
            check_judged(finding, exchange, found, of_bytes=_RULES[finding.rule].of_bytes)
        return None

    def _check_applied(self, finding: SavedFinding) -> None:
        """Raise `Undecided` if the rule says nothing of this implementation."""
        if finding.rule == _SECRETS.name and not self.connection.secret_values:
            raise Undecided("the secrets of the implementation are not known")
        field_ = FIELDS.get(finding.at.removeprefix("header/"))
        if field_ and field_.is_of_server and finding.seen == "absent" and not self.connection.live:
            raise Undecided("the header is that of a server; give its address with --url")

    def _findings_of_rules(self, exchange: Exchange) -> Iterator[Finding]:
        operation = operation_of(self.vendor.contract, exchange)
        if operation is None:
            raise Undecided(f"no operation of {self.vendor.name} has this path")
        if self.connection.live:
            exchange = replace(exchange, known=exchange.known | {"server"})
        values = self.connection.secret_values
        for found in judge(operation, exchange, (*RULES, secret_values_rule(values)) if values else RULES):
            at, message, seen = (
                excerpt(text, LONGEST_VALUE, self.report.redact) for text in (found.at, found.message, found.seen)
            )
            yield replace(found, at=at, message=message, seen=seen)

    def _found_by_law(self, finding: SavedFinding, exchange: Exchange) -> Finding | None:
        """The finding of the law that is about the same: it only reads, and compares more than the finding shows."""
        operation = self.vendor.contract.operation(finding.operation)
        _, values = self.vendor.contract.match(exchange.request.path)
        report = Report(secrets=self.report.secrets)
        checker = Checker(
            self.vendor,
            self.connection.target,
            report,
            credential=self.connection.credential,
            parameters={**self.connection.parameters, **values},
            seed=self.recorded.seed or 0,
            second=self.connection.second,
            live=self.connection.live,
        )
        checker.check_law(operation, _LAWS[finding.rule])
        self.report.requests += report.requests
        again = found_again(finding, report.findings)
        if again is None and (reason := report.exercised[operation.operation_id, finding.rule]):
            raise Undecided(reason)
        return again
