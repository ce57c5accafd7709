"""Owns a whole check: every law and Schemathesis over one target, every exchange judged by the rules.

The command line, the pytest suite and a library's user all call `check`, or `hear` for one law of one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from trunkline.check import fuzz
from trunkline.check.laws import LAWS, Law, Session
from trunkline.check.laws.refusals import disclosures
from trunkline.check.rules import RULES, Rule, hides, judge, operation_of
from trunkline.check.safety import Gate, WriteAccess
from trunkline.check.stateful.creations import Creations
from trunkline.check.stateful.inputs import harmless
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.check.stateful.runner import Exercised, live
from trunkline.contract import export
from trunkline.contract.bodies import identities, sent_secrets, succeeded
from trunkline.contract.model import Operation
from trunkline.contract.predicates import lists
from trunkline.errors import BudgetExhausted, Redirected, TargetError
from trunkline.exchange import SECOND_VARIABLE, Exchange, Request, Response, Target
from trunkline.findings import Evidence, Finding, Grade, NotExercised, Report
from trunkline.mock.loader import Vendor
from trunkline.transport.targets import checked, credential_refused, read_only

FUZZ = "schemathesis"
"""The name under which a report tells whether Schemathesis was let loose on an operation."""

NOT_ALLOWED = "it takes writing, which was not allowed; --allow-writes allows it"
"""Why what writes is not exercised unless that is asked for."""

_BEAT = 50
"""So many generated requests lie between two signs of progress."""

_CHECKS = {
    "ignored_auth": Grade.IMPLIED,
    "unsupported_method": Grade.CUSTOMARY,
}
"""How strong the findings of Schemathesis' own checks are."""


@dataclass(slots=True, repr=False)
class Checker:
    """One vendor's contract put to one target. `parameters` are path parameters that are known to lead somewhere."""

    vendor: Vendor
    target: Target
    report: Report
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
    _gate: Gate | None = None
    _writer: Target = field(init=False)
    _interviews: dict[str, Session] = field(default_factory=dict)
    _first: dict[str, str] = field(default_factory=dict)
    _chance: Random = field(init=False)
    _makings: Creations = field(init=False)

    def __post_init__(self) -> None:
        self._makings = Creations(self.vendor.contract)
        if self.secret_values:
            self.rules = (*self.rules, hides(self.secret_values))
        self._target = self._counted(self.target)
        self._chance = Random(self.seed)  # noqa: S311 - values to send, not secrets
        if self.credential is not None:
            self.report.secrets |= disclosures(self.credential)
        self.target = self._writer = read_only(checked(self._answered, self.judge))
        if self.writing is not None:
            credentials = tuple(known for known in (self.credential, self.writing.second) if known is not None)
            self.report.secrets |= {*credentials}
            self._gate = Gate(
                self.vendor.contract, self._answered, self.writing.ledger, credentials, self.writing.leave
            )
            self._writer = checked(self._gate, self.judge)
            self.target = read_only(self._writer)

    def _counted(self, target: Target) -> Target:
        """The target, with the number of what it was asked in the report."""

        def ask(request: Request) -> Response:
            self.report.requests += 1
            try:
                return target(request)
            except BudgetExhausted:
                self.report.requests -= 1
                raise

        return ask

    def _answered(self, request: Request) -> Response:
        """What was answered, a redirect too: only that of the plain request ends a check (see `knock`)."""
        try:
            return self._target(request)
        except Redirected as redirected:
            return redirected.response

    def judge(self, exchange: Exchange) -> None:
        """Has the rules judge an exchange."""
        operation = operation_of(self.vendor.contract, exchange)
        if operation is not None:
            if operation.method == exchange.request.method:
                self.report.reached[operation.operation_id, exchange.response.status] += 1
            for finding in judge(operation, exchange, self.rules):
                self.add(replace(finding, exchanges=(*self._makings.behind(exchange), *finding.exchanges)))
            self._makings.note(exchange)

    def add(self, finding: Finding) -> None:
        """Takes a finding in, and hides the secrets that were sent on the way to it."""
        names = self.vendor.contract.secrets
        self.report.secrets |= {text for said in finding.exchanges for text in sent_secrets(said.request.body, names)}
        self.report.add(finding)

    def interview(self, operation: Operation) -> Session:
        """The conversation about an operation; what was read once is remembered."""
        known = self._interviews.get(operation.operation_id)
        if known is None:
            parameters = self._parameters(operation)
            known = Session(operation, self.target, self.credential, parameters, self.seed, self.examples)
            self._interviews[operation.operation_id] = known
        return known

    def _parameters(self, operation: Operation) -> dict[str, str]:
        """The path parameters of an operation that reads: those given, else the id that a list shows first."""
        found: dict[str, str] = {}
        for parameter in operation.parameters:
            if parameter.location != "path" or not operation.reads:
                continue
            value = self.parameters.get(parameter.name) or self._listed_first(parameter.resource)
            if value:
                found[parameter.name] = value
        return found

    def _listed_first(self, resource: str) -> str:
        """The id of the first thing of a resource that a list shows, or empty; asked once, and judged by nobody."""
        if resource not in self._first:
            self._first[resource] = ""
            for operation in self.vendor.contract.operations:
                if lists(operation) and operation.resource == resource and not operation.parents:
                    exchange = Session(operation, self._target, self.credential).ask()
                    shown = identities(operation, exchange) if succeeded(operation, exchange) else []
                    self._first[resource] = shown[0] if shown else ""
        return self._first[resource]

    def knock(self, operation: Operation) -> None:
        """Raises `TargetError` when the plain documented request is turned away: then nothing could be judged."""
        known = self.interview(operation)
        if known.needs or not operation.reads:
            return
        # Asked of the target itself: an answer that says nothing of the contract must not be judged by it.
        interview = Session(operation, self._target, self.credential, known.parameters)
        exchange = interview.ask()
        status = exchange.response.status
        if operation.secured and status == 401:
            raise credential_refused(operation.operation_id, given=self.credential is not None)
        if status == 404:
            way = f"give the base that stands for the vendor's own, which ends in {self.vendor.contract.base_path}"
            if interview.parameters:
                way = "name something that is there with --param"
            raise TargetError(f"{operation.operation_id} answers 404 for {exchange.request.path}: {way}")
        self.judge(exchange)

    def knock_second(self) -> None:
        """Raises `TargetError` when the second credential opens no account: then nothing could be told of accounts."""
        second = self.writing.second if self.writing is not None else None
        lists = (found for found in self.vendor.contract.operations if found.listing and found.secured)
        operation = next((found for found in lists if not found.parents), None)
        if second is None or operation is None:
            return
        exchange = Session(operation, self._target, second).ask()
        if not succeeded(operation, exchange):
            way = f"give the one of another account with --second-token or {SECOND_VARIABLE}, or leave it out"
            told = f"{operation.operation_id} answers the second credential with {exchange.response.status}"
            raise TargetError(f"{told}, so that nothing can be told of accounts: {way}")

    def hear(self, operation: Operation, law: Law) -> None:
        """Puts the questions of one law about one operation."""
        self.progress(f"{operation.operation_id}: {law.name}")
        reason = ""
        try:
            for word in law.check(self.interview(operation)):
                if isinstance(word, NotExercised):
                    reason = word.reason
                else:
                    self.add(word)
        except BudgetExhausted as spent:
            self.report.exercised[operation.operation_id, law.name] = str(spent)
            raise
        self.report.exercised[operation.operation_id, law.name] = reason

    def let_loose(self, operations: Collection[Operation]) -> None:
        """Has Schemathesis make up requests for some operations, and follow the links among them."""
        allowed = [operation for operation in operations if operation.reads or self._gate is not None]
        left_out = {operation.operation_id for operation in operations if operation not in allowed}
        self.report.exercised.update({(name, FUZZ): NOT_ALLOWED for name in left_out})
        names = [operation.operation_id for operation in allowed]
        if not names:
            return
        self.progress(f"{', '.join(names)}: {FUZZ}")
        self.report.exercised.update(dict.fromkeys(((name, FUZZ) for name in names), ""))
        values = {name: value for found in allowed for name, value in self.interview(found).parameters.items()}
        known = {
            parameter.resource: [values[parameter.name]]
            for operation in self.vendor.contract.operations
            for parameter in operation.parameters
            if parameter.resource and parameter.name in values
        }
        try:
            for said in fuzz.fuzz(
                export.document(self.vendor.contract, examples=known),
                self._writer,
                base_path=self.vendor.contract.base_path,
                credential=self.credential,
                operations=names,
                seed=self.seed,
                examples=self.examples,
                writes=self._gate is not None,
                steer=self._steer,
            ):
                if isinstance(said, fuzz.Failure):
                    self.add(_finding(self.vendor.contract.operation(said.operation), said))
                elif isinstance(said, fuzz.Obstacle):
                    for name in [said.operation] if said.operation else names:
                        self.report.exercised[name, FUZZ] = said.reason
                elif said.requests % _BEAT == 0:
                    self.progress(f"{FUZZ}, {said.phase}, {said.requests} requests")
        except BudgetExhausted as spent:
            self.report.exercised.update(dict.fromkeys(((name, FUZZ) for name in names), str(spent)))
            raise

    def _steer(self, request: Request) -> Request | None:
        """The request as it may go out: what writes concerns only what the run made."""
        if self._gate is None:
            return request
        kinds = {operation.resource for operation in self.vendor.contract.operations if operation.resource}
        own = {kind: ids[-1] for kind in kinds if (ids := self._gate.alive(kind))}
        return self._gate.steer(harmless(self.vendor.contract, request, self._chance), own)

    def live(self, operations: Collection[Operation]) -> None:
        """Plays the life of all that the contract can create; tells of the chosen operations."""
        names = {operation.operation_id for operation in operations}
        if self.writing is None or self._gate is None:
            for operation in operations:
                for law in STATEFUL_LAWS:
                    if law.concerns(operation):
                        self.report.exercised[operation.operation_id, law.name] = NOT_ALLOWED
            return
        for said in live(
            self.vendor.contract,
            self._writer,
            prefix=self._gate.prefix,
            credential=self.credential,
            second=self.writing.second,
            leave=self.writing.leave,
            seed=self.seed,
            examples=max(2, self.examples // 2),
            progress=self.progress,
        ):
            if isinstance(said, Exercised):
                if said.operation in names:
                    self.report.exercised[said.operation, said.law] = said.reason
            elif said.operation in names:
                self.add(said)

    def clean(self) -> None:
        """Removes what the run made, whatever became of the run, and tells what is left."""
        if self.writing is not None and self._gate is not None:
            left = self._gate.pending()
            try:
                if left:
                    self.progress("removing what was made")
            finally:  # also where nobody listens any more
                try:
                    left = self._gate.clean(self._counted(self.writing.cleaner))
                finally:
                    self.report.left += [str(each) for each in left]

    def run(self, operations: Collection[str] | None = None) -> None:
        """Everything about the named operations, or about all: the laws first, for the first finding is wanted soon."""
        chosen = [
            found for found in self.vendor.contract.operations if operations is None or found.operation_id in operations
        ]
        steps = [(operation, law) for operation in chosen for law in self.laws if law.concerns(operation)]
        reasons = {(operation.operation_id, law.name): "not reached" for operation, law in steps}
        reasons |= {(operation.operation_id, FUZZ): "not reached" for operation in chosen}
        reasons |= {
            (found.operation_id, law.name): "not reached"
            for found in chosen
            for law in STATEFUL_LAWS
            if law.concerns(found)
        }
        self.report.exercised.update(reasons)
        try:
            for operation in chosen:
                self.knock(operation)
            self.knock_second()
            for operation, law in steps:
                self.hear(operation, law)
            self.live(chosen)
            self.let_loose(chosen)
        except BudgetExhausted as spent:
            self.report.stopped = str(spent)
            for key, reason in self.report.exercised.items():
                if reason == "not reached":
                    self.report.exercised[key] = str(spent)
        finally:
            self.clean()


def _finding(operation: Operation, failure: fuzz.Failure) -> Finding:
    grade = _CHECKS[failure.check]
    said = operation.contract.security.evidence
    evidence = Evidence(grade, said.source, said.note, said.read)
    if grade is Grade.CUSTOMARY:
        evidence = Evidence(grade, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6")
    return operation.finding(failure.check, evidence, failure.message, at="status", exchanges=(failure.exchange,))


def check(
    vendor: Vendor,
    target: Target,
    *,
    credential: str | None = None,
    parameters: Mapping[str, str] | None = None,
    operations: Collection[str] | None = None,
    seed: int = 0,
    examples: int = 50,
    report: Report | None = None,
    secret_values: Mapping[str, str] | None = None,
    writing: WriteAccess | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Judges an implementation by every rule and law; the report tells what was found and what was not exercised.

    Nothing is written without `writing`. Raises `TargetError` when the implementation cannot be asked.
    """
    report = report if report is not None else Report()
    examination = Checker(
        vendor,
        target,
        report,
        credential=credential,
        parameters=parameters or {},
        seed=seed,
        examples=examples,
        secret_values=secret_values or {},
        writing=writing,
        progress=progress,
    )
    examination.run(operations)
    return report
