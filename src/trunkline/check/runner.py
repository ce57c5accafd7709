"""A whole check of one implementation: probe, laws, stateful check, fuzzing, clean-up.

The rules judge the exchanges of the probes, the laws, the stateful check and fuzzing. They do not judge the search for
an existing id, the probe of the second account and the clean-up. The command line calls `Checker.run`; the pytest
suite calls the steps one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

from trunkline.check import fuzz
from trunkline.check.laws import LAWS, Law, Session
from trunkline.check.laws.refusals import disclosures
from trunkline.check.problem import Problem, implied
from trunkline.check.rules import RULES, Rule, judge, operation_of, secret_values_rule
from trunkline.check.rules.rule import RFC9110
from trunkline.check.safety import Gate, WriteAccess
from trunkline.check.stateful.creations import Creations
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.check.stateful.request_bodies import make_harmless
from trunkline.check.stateful.runner import Exercised, run_stateful
from trunkline.contract import export
from trunkline.contract.bodies import identities, succeeded
from trunkline.contract.model import List, Operation
from trunkline.errors import BudgetExhausted, Redirected, TargetError
from trunkline.exchange import SECOND_VARIABLE, Exchange, Request, Response, Target
from trunkline.findings import Evidence, Finding, Grade, NotExercised, Report
from trunkline.mock.loader import Vendor
from trunkline.redaction import secrets_in_body
from trunkline.transport.targets import checked, credential_refused, read_only

FUZZ = "schemathesis"
"""The name under which a report says whether an operation was fuzzed by Schemathesis."""

NOT_ALLOWED = "it writes, which was not allowed; allow it with --allow-writes"
"""Why an operation that writes is not exercised by default."""

_NOT_REACHED = "not reached"
_REQUESTS_PER_MESSAGE = 50
"""The number of fuzzing requests between two messages of progress."""


@dataclass(slots=True, repr=False)
class Checker:
    """The steps of a check of one target by the contract of one vendor. Their findings go into the report.

    `parameters` are path parameters of items that exist, such as `{"trunk_id": "conn_abc"}`; others are taken from
    lists. `secret_values` maps secrets that no response may contain to their names. Nothing is written without
    `writing`.
    """

    vendor: Vendor
    target: Target
    report: Report = field(default_factory=Report)
    credential: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    examples: int = 50
    laws: tuple[Law, ...] = LAWS
    rules: tuple[Rule, ...] = RULES
    secret_values: Mapping[str, str] = field(default_factory=dict)
    writing: WriteAccess | None = None
    progress: Callable[[str], None] = lambda _: None
    _target: Target = field(init=False)
    """The target, with its requests counted. The rules do not judge its responses."""
    _judged: Target = field(init=False)
    """The target behind the gate, if writing is allowed; the rules judge each exchange."""
    _gate: Gate | None = None
    _creations: Creations = field(init=False)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _first_ids: dict[str, str] = field(default_factory=dict)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        contract, second = self.vendor.contract, self.writing.second if self.writing else None
        credentials = tuple(known for known in (self.credential, second) if known is not None)
        if self.credential is not None:
            self.report.secrets |= disclosures(self.credential)
        self.report.secrets |= {*credentials}
        if self.secret_values:
            self.rules = (*self.rules, secret_values_rule(self.secret_values))
        if self.writing is not None:
            self._gate = Gate(contract, self._send, self.writing.ledger, credentials, self.writing.allowed_leftovers)
        self._target = self._counted(self.target)
        self._judged = checked(self._gate or self._send, self.judge)
        if self._gate is None:
            self._judged = read_only(self._judged)
        self._creations = Creations(contract)
        self._random = Random(self.seed)  # noqa: S311 - values to send, not secrets

    def _counted(self, target: Target) -> Target:
        """The target, with the number of its requests in the report."""

        def ask(request: Request) -> Response:
            self.report.requests += 1
            try:
                return target(request)
            except BudgetExhausted:
                self.report.requests -= 1
                raise

        return ask

    def _send(self, request: Request) -> Response:
        """The response of the target. A redirect is a response too; only that of a probe ends a check."""
        try:
            return self._target(request)
        except Redirected as redirected:
            return redirected.response

    def judge(self, exchange: Exchange) -> None:
        """Judge an exchange by the rules."""
        operation = operation_of(self.vendor.contract, exchange)
        if operation is None:
            return
        if operation.method == exchange.request.method:
            self.report.reached[operation.operation_id, exchange.response.status] += 1
        for finding in judge(operation, exchange, self.rules):
            self.add(replace(finding, exchanges=(*self._creations.for_exchange(exchange), *finding.exchanges)))
        self._creations.remember(exchange)

    def add(self, finding: Finding) -> None:
        """Add a finding to the report, which learns the secrets in its requests so that it never prints them."""
        names = self.vendor.contract.secrets
        for exchange in finding.exchanges:
            self.report.secrets |= secrets_in_body(exchange.request.body, names)
        self.report.add(finding)

    def session(self, operation: Operation) -> Session:
        """The session about an operation. All its laws share it, so that each list is read once."""
        name = operation.operation_id
        if name not in self._sessions:
            parameters, reader = self._parameters(operation), read_only(self._judged)
            self._sessions[name] = Session(operation, reader, self.credential, parameters, self.seed, self.examples)
        return self._sessions[name]

    def _parameters(self, operation: Operation) -> dict[str, str]:
        """The known path parameters of an operation that reads: those given, else the id of the first listed item."""
        known = {
            parameter.name: self.parameters.get(parameter.name) or self._first_id(parameter.resource)
            for parameter in operation.parameters
            if parameter.location == "path" and operation.reads
        }
        return {name: value for name, value in known.items() if value}

    def _first_id(self, resource: str) -> str:
        """The id of the first listed item of a resource, or empty. The request is sent once and is not judged."""
        if resource not in self._first_ids:
            self._first_ids[resource] = ""
            for operation in self.vendor.contract.of_kind(List, resource):
                if not operation.parents:
                    exchange = self._unjudged(operation, self.credential)
                    if succeeded(operation, exchange):
                        self._first_ids[resource] = next(iter(identities(operation, exchange)), "")
        return self._first_ids[resource]

    def _unjudged(
        self, operation: Operation, credential: str | None, parameters: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send the plain documented request; the rules do not judge its response."""
        return Session(operation, self._target, credential, parameters or {}).ask()

    def probe(self, operation: Operation) -> None:
        """Send the plain documented request. Raises `TargetError` when it is refused: then nothing can be judged."""
        session = self.session(operation)
        if session.needs or not operation.reads:
            return
        exchange = self._unjudged(operation, self.credential, session.parameters)
        if operation.secured and exchange.response.status == 401:
            raise credential_refused(operation.operation_id, given=self.credential is not None)
        if exchange.response.status == 404:
            base = self.vendor.contract.base_path
            advice = f"give the base address that corresponds to the vendor's own, which ends in {base}"
            if session.parameters:
                advice = "name an item that exists with --param"
            raise TargetError(f"{operation.operation_id} answers 404 for {exchange.request.path}: {advice}")
        self.judge(exchange)

    def probe_second_account(self) -> None:
        """Raise `TargetError` when the second credential gives access to no account, so that none are compared."""
        second = self.writing.second if self.writing else None
        lists = (listing for listing in self.vendor.contract.of_kind(List) if listing.secured and not listing.parents)
        operation = next(lists, None)
        if second is None or operation is None:
            return
        exchange = self._unjudged(operation, second)
        if not succeeded(operation, exchange):
            raise TargetError(
                f"{operation.operation_id} answers the second credential with {exchange.response.status}, so accounts "
                f"cannot be compared: give the credential of another account with --second-token or {SECOND_VARIABLE}, "
                "or leave it out"
            )

    def check_law(self, operation: Operation, law: Law) -> None:
        """Check one law of one operation."""
        self.progress(f"{operation.operation_id}: {law.name}")
        reason = ""
        with self._budget([(operation.operation_id, law.name)]):
            for result in law.check(self.session(operation)):
                if isinstance(result, NotExercised):
                    reason = result.reason
                else:
                    self.add(result)
        self.report.exercised[operation.operation_id, law.name] = reason

    @contextmanager
    def _budget(self, steps: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Report the steps as not exercised when the budget of requests is spent in them."""
        try:
            yield
        except BudgetExhausted as exhausted:
            self.report.exercised.update(dict.fromkeys(steps, str(exhausted)))
            raise

    def check_stateful(self, operations: Collection[Operation]) -> None:
        """Check the lifecycle of all items that the contract can create, and report on the given operations."""
        names = {operation.operation_id for operation in operations}
        if self.writing is None or self._gate is None:
            self.report.exercised.update(dict.fromkeys(_stateful_steps(operations), NOT_ALLOWED))
            return
        for result in run_stateful(
            self.vendor.contract,
            self._judged,
            prefix=self._gate.prefix,
            credential=self.credential,
            second_credential=self.writing.second,
            allowed_leftovers=self.writing.allowed_leftovers,
            seed=self.seed,
            examples=max(2, self.examples // 2),
            progress=self.progress,
        ):
            if result.operation not in names:
                continue
            if isinstance(result, Exercised):
                self.report.exercised[result.operation, result.law] = result.reason
            else:
                self.add(result)

    def fuzz(self, operations: Collection[Operation]) -> None:
        """Have Schemathesis generate requests for some operations, and follow the links among them."""
        allowed = [operation for operation in operations if operation.reads or self._gate is not None]
        for operation in operations:
            self.report.exercised[operation.operation_id, FUZZ] = "" if operation in allowed else NOT_ALLOWED
        if not allowed:
            return
        names = [operation.operation_id for operation in allowed]
        self.progress(f"{', '.join(names)}: {FUZZ}")
        with self._budget((name, FUZZ) for name in names):
            for event in fuzz.fuzz(
                export.document(self.vendor.contract, examples=self._known_ids(allowed)),
                self._judged,
                base_path=self.vendor.contract.base_path,
                credential=self.credential,
                operations=names,
                seed=self.seed,
                examples=self.examples,
                writes=self._gate is not None,
                make_safe=self._make_safe,
            ):
                match event:
                    case fuzz.Failure():
                        self.add(_finding(self.vendor.contract.operation(event.operation), event))
                    case fuzz.Skipped():
                        for name in [event.operation] if event.operation else names:
                            self.report.exercised[name, FUZZ] = event.reason
                    case fuzz.Progress() if event.requests % _REQUESTS_PER_MESSAGE == 0:
                        self.progress(f"{FUZZ}, {event.phase}, {event.requests} requests")

    def _known_ids(self, operations: Collection[Operation]) -> dict[str, list[str]]:
        """The known ids of items by resource: `{"trunks": ["conn_abc"]}`."""
        values = {name: value for operation in operations for name, value in self.session(operation).parameters.items()}
        return {
            parameter.resource: [values[parameter.name]]
            for operation in self.vendor.contract.operations
            for parameter in operation.parameters
            if parameter.resource and parameter.name in values
        }

    def _make_safe(self, request: Request) -> Request | None:
        """The request as it may be sent, None for none: one that writes is about an item that this run created."""
        if self._gate is None:
            return request
        return self._gate.make_safe(make_harmless(self.vendor.contract, request, self._random))

    def clean(self) -> None:
        """Delete the items that the run created, however it ended, and report the leftovers."""
        if self.writing is None or self._gate is None:
            return
        leftovers = self._gate.leftovers()
        try:
            if leftovers:
                self.progress("deleting what was created")
        finally:  # also when standard error is closed
            try:
                leftovers = self._gate.clean(self._counted(self.writing.cleaner))
            finally:
                self.report.leftovers += [str(leftover) for leftover in leftovers]

    def run(self, operations: Collection[str] | None = None) -> Report:
        """Check the operations with these operationIds, or all.

        Laws come first, because they find most problems, and first.

        Raises `TargetError` when the implementation cannot be reached or refuses the credential.
        """
        every = self.vendor.contract.operations
        chosen = [operation for operation in every if operations is None or operation.operation_id in operations]
        laws = [(operation, law) for operation in chosen for law in self.laws if law.concerns(operation)]
        steps = [(operation.operation_id, law.name) for operation, law in laws]
        steps += [(operation.operation_id, FUZZ) for operation in chosen]
        self.report.exercised.update(dict.fromkeys([*steps, *_stateful_steps(chosen)], _NOT_REACHED))
        try:
            for operation in chosen:
                self.probe(operation)
            self.probe_second_account()
            for operation, law in laws:
                self.check_law(operation, law)
            self.check_stateful(chosen)
            self.fuzz(chosen)
        except BudgetExhausted as exhausted:
            self.report.stopped = str(exhausted)
            for step, reason in self.report.exercised.items():
                if reason == _NOT_REACHED:
                    self.report.exercised[step] = str(exhausted)
        finally:
            self.clean()
        return self.report


def _stateful_steps(operations: Iterable[Operation]) -> list[tuple[str, str]]:
    """Each (operationId, stateful law) that applies."""
    return [
        (operation.operation_id, law.name)
        for operation in operations
        for law in STATEFUL_LAWS
        if law.concerns(operation)
    ]


def _finding(operation: Operation, failure: fuzz.Failure) -> Finding:
    """The finding for a failed check of Schemathesis itself."""
    evidence = Evidence(Grade.CUSTOMARY, f"{RFC9110}#section-15.5.6")
    if failure.check == "ignored_auth":
        stated = operation.contract.security.evidence
        evidence = implied(stated, stated.note)
    problem = Problem(failure.message, evidence, "status", seen="")
    return problem.finding(failure.check, operation, failure.exchange)
