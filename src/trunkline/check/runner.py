"""A whole check of one implementation: survey, laws, stateful check, fuzzing, clean-up.

The rules judge the exchanges of the survey, the laws, the stateful check and fuzzing. They do not judge the search for
an existing id, the probe of the second account and the clean-up, nor anything about an operation that is not
implemented. The command line calls `Checker.run`; the pytest suite calls the steps one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

from trunkline.check import fuzz, reach
from trunkline.check.availability import (
    DOUBTED_REASON,
    MISSING_REASON,
    NOWHERE,
    Availability,
    describe,
    missing_operation_finding,
)
from trunkline.check.laws import LAWS, Law, LawSession
from trunkline.check.laws.refusals import disclosures
from trunkline.check.laws.session import AccountReadings, comparable
from trunkline.check.problem import Problem, customary, implied
from trunkline.check.rules import RULES, Rule, judge, operation_of, readable, rules_of_a_run, secret_values_rule
from trunkline.check.rules.applied import note_applied
from trunkline.check.safety import Gate, WriteAccess
from trunkline.check.safety.ownership import ids_by_resource
from trunkline.check.stateful.creations import Creations
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.check.stateful.request_bodies import ValueFactory, make_harmless
from trunkline.check.stateful.runner import Exercised, factory_of, run_stateful
from trunkline.check.survey import MOST_LOOKS, Survey
from trunkline.contract import export
from trunkline.contract.bodies import succeeded
from trunkline.contract.model import Contract, Create, List, Operation
from trunkline.contract.requests import bearer
from trunkline.errors import AvailabilityUnknown, BudgetExhausted, Redirected, TargetError, Unimplemented
from trunkline.exchange import SAFE_METHODS, SECOND_VARIABLE, Exchange, Request, Response, Target, beyond_limits
from trunkline.findings import Finding, NotExercised, Report, truncate
from trunkline.mock.loader import Vendor
from trunkline.redaction import secrets_in_body
from trunkline.transport.targets import read_only

FUZZ = "schemathesis"
"""The name under which a report says whether an operation was fuzzed by Schemathesis."""

NOT_ALLOWED = "it writes, which was not allowed; allow it with --allow-writes"
"""Why an operation that writes is not exercised by default."""

NOT_REACHED = "not reached"
"""Why a step is not exercised, before it is."""
_LONGEST_PLACE = 80
_GONE = "another client deleted the item that it asked for"
_FEWEST_CHARACTERS = 4
"""The number of different characters of a made-up secret that is redacted: `00000000` would redact parts of ids."""
_REQUESTS_PER_MESSAGE = 50
"""The number of fuzzing requests between two messages of progress."""


@dataclass(slots=True, repr=False)
class Checker:
    """The steps of a check of one target by the contract of one vendor. Their findings go into the report.

    `parameters` are path parameters of items that exist, such as `{"trunk_id": "conn_abc"}`; others are taken from
    lists. `secret_values` maps secrets that no response may contain to their names. Nothing is written without
    `writing`. `second` is the credential of another account.
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
    availability: Availability = field(default_factory=Availability)
    complete: bool = False
    """Whether an operation that is not implemented is a finding."""
    progress: Callable[[str], None] = lambda _: None
    second: str | None = None
    live: bool = False
    """Whether the responses come over a network, with the fields that servers add, such as `Date`."""
    _target: Target = field(init=False)
    """The target, with its requests counted. The rules do not judge its responses."""
    _judged: Target = field(init=False)
    """The target behind the gate, if writing is allowed; the rules judge each exchange."""
    _gate: Gate | None = None
    _factory: ValueFactory | None = None
    _creations: Creations = field(init=False)
    _survey: Survey = field(init=False)
    _contract: Contract = field(init=False)
    """The contract without the operations that are not implemented."""
    _readings: AccountReadings = field(default_factory=dict)
    _chosen: frozenset[str] | None = None
    """The operations that the check is about; None for all."""
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        contract = self.vendor.contract
        credentials = tuple(known for known in (self.credential, self.second) if known is not None)
        if self.credential is not None:
            self.report.secrets |= disclosures(self.credential)
        self.report.secrets |= {*credentials}
        self.rules = rules_of_a_run(self.rules)
        if self.secret_values:
            self.rules = (*self.rules, secret_values_rule(self.secret_values))
        if self.writing is not None:
            ledger, allowed = self.writing.ledger, self.writing.allowed_leftovers
            self._gate = Gate(contract, self._send, ledger, credentials, allowed, self.writing.settling)
            self._factory = factory_of(self._gate.prefix, self.seed)
        self._target = self._counted(self.target)
        self._judged = self._ask if self._gate else read_only(self._ask)
        self._survey = Survey(
            self.vendor,
            self._target,
            self.credential,
            self.parameters,
            self.availability,
            self._new_session,
            self._ask_nowhere,
        )
        self._narrow()
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

    def _ask(self, request: Request) -> Response:
        """The response of the target behind the gate, if writing is allowed; the rules judge the exchange.

        Raises `Unimplemented` for an operation that is not implemented, and `AvailabilityUnknown` if it may not be:
        one that writes, or that the survey could not ask for an item.
        """
        operation = self._uncertain(request)
        if operation and operation.operation_id in self.availability.missing:
            raise Unimplemented(MISSING_REASON)
        response = (self._gate or self._send)(request)
        exchange = Exchange(request, response)
        is_there = self._learn(operation, exchange) if operation else True
        if operation and is_there is False:
            self._leave_out(operation)
            raise Unimplemented(MISSING_REASON)
        if is_there is None:
            raise AvailabilityUnknown(f"{describe(exchange)} does not show whether the operation is implemented")
        self.judge(exchange)
        return response

    def judge(self, exchange: Exchange) -> None:
        """Judge an exchange by the rules."""
        operation = operation_of(self.vendor.contract, exchange)
        if operation is None:
            place = truncate(f"{exchange.request.method} {exchange.request.path}", _LONGEST_PLACE)
            self.report.reading.skip(place, f"no operation of {self.vendor.name} has this path")
            return
        if self.availability.lacks(operation):
            return
        if self.live:
            exchange = replace(exchange, known=exchange.known | {"server"})
        if reason := beyond_limits(exchange.response.body):
            place = truncate(f"{exchange.request.method} {exchange.request.target}", _LONGEST_PLACE)
            self.report.reading.skip(place, reason)
        note_applied(self.report.rules, operation, readable(exchange), self.rules)
        if operation.method == exchange.request.method:
            reach.count(self.report, operation, exchange)
            if reason:
                self.report.reach.unread[operation.operation_id, exchange.response.status] += 1
        for finding in judge(operation, exchange, self.rules):
            self.add(replace(finding, exchanges=(*self._creations.for_exchange(exchange), *finding.exchanges)))
        self._creations.remember(exchange)

    def add(self, finding: Finding) -> None:
        """Add a finding to the report, which learns the secrets in its requests so that it never prints them.

        One about an operation that the check is not about, and uses only to judge others, is dropped.
        """
        if self._chosen is not None and finding.operation not in self._chosen:
            return
        names = self.vendor.contract.secrets
        for exchange in finding.exchanges:
            sent = secrets_in_body(exchange.request.body, names)
            self.report.secrets |= {secret for secret in sent if len({*secret}) >= _FEWEST_CHARACTERS}
        self.report.add(finding)

    def session(self, operation: Operation) -> LawSession:
        """The session about an operation, which all its laws share."""
        return self._survey.session(operation)

    def _new_session(self, operation: Operation, parameters: dict[str, str]) -> LawSession:
        return LawSession(
            operation,
            comparable(read_only(self._judged)),
            self.credential,
            parameters,
            self.seed,
            self.examples,
            second=self.second,
            unjudged=comparable(self._target),
            readings=self._readings,
        )

    def survey(self, operations: Iterable[Operation]) -> None:
        """Send the plain documented request of each operation that reads, and leave out those not implemented.

        Raises `TargetError` when nothing can be judged.
        """
        for operation in self._survey.run(operations, self.judge, self.report.unasked):
            self._leave_out(operation)
        if self._gate is None:
            self._leave_out_doubted()

    def _ask_nowhere(self) -> Exchange:
        """The exchange about a path that no API has."""
        headers, shown = bearer(self.credential)
        request = Request("GET", NOWHERE, "", headers, shown=shown)
        return Exchange(request, self._send(request))

    def _uncertain(self, request: Request) -> Operation | None:
        """The operation of a request, if it writes, or reads and is doubted: the survey did not ask for an item."""
        doubted = self.availability.doubted
        if request.method in SAFE_METHODS and not doubted:
            return None
        operations, _ = self.vendor.contract.match(request.path)
        found = (operation for operation in operations if operation.method == request.method)
        return next(
            (operation for operation in found if not operation.reads or operation.operation_id in doubted), None
        )

    def _learn(self, operation: Operation, exchange: Exchange) -> bool | None:
        """Whether an answer shows that the operation is implemented, None if it shows neither.

        A 404 says so only if it is about items that the run's own account has.
        """
        _, values = self.vendor.contract.match(exchange.request.path)
        ids = ids_by_resource(operation, values)
        entries = self._gate.ledger.open_entries() if self._gate else ()
        own = {entry.resource: entry for entry in entries if ids.get(entry.resource) == entry.identity}
        exist = all(resource in own and own[resource].parents.items() <= ids.items() for resource in ids)
        conclusive = exist and exchange.request.header("authorization") == dict(bearer(self.credential)[0]).get(
            "authorization"
        )
        return self.availability.learn(operation, exchange, self._ask_nowhere, conclusive=conclusive)

    def _leave_out_doubted(self) -> None:
        """Take the operations that are still doubted for not implemented; with `complete`, only leave them out."""
        if not self.complete:
            self.availability.missing |= self.availability.doubted
            self.availability.doubted.clear()
            self._narrow()
        self.report.unasked.update(dict.fromkeys(self.availability.doubted, DOUBTED_REASON))

    def _leave_out(self, operation: Operation) -> None:
        """Leave out an operation that is not implemented, from now on."""
        self._narrow()
        if self.complete:
            self.add(missing_operation_finding(operation, self.availability.missing[operation.operation_id]))

    def _narrow(self) -> None:
        """Report which operations are not implemented, and go on without them."""
        missing = self.availability.missing
        self.report.not_implemented.update({name: describe(exchange) for name, exchange in missing.items()})
        for step, reason in self.report.exercised.items():
            if reason and step[0] in missing:
                self.report.exercised[step] = MISSING_REASON
        for name in missing:
            self.report.unasked.pop(name, None)
        self._contract = self.vendor.contract.without(missing) if missing else self.vendor.contract
        if self._gate is not None:
            self._gate.narrow(self._contract)

    def probe_second_account(self) -> None:
        """Raise `TargetError` when the second credential gives access to no account, so that none are compared."""
        lists = (listing for listing in self._contract.of_kind(List) if listing.secured and not listing.parents)
        operation = next(lists, None)
        if self.second is None or operation is None:
            return
        exchange = self._survey.ask(operation, self.second)
        if not succeeded(operation, exchange):
            raise TargetError(
                f"{operation.operation_id} answers the second credential with {exchange.response.status}, so accounts "
                f"cannot be compared: give the credential of another account with --second-token or {SECOND_VARIABLE}, "
                "or leave it out"
            )

    def check_law(self, operation: Operation, law: Law) -> None:
        """Check one law of one operation.

        If the item that it asks for has been deleted meanwhile, the law is checked for another one instead.
        """
        step = operation.operation_id, law.name
        if reason := self.availability.why_not(operation):
            self.report.exercised[step] = reason
            return
        self.progress(f"{operation.operation_id}: {law.name}")
        with self._budget([step]):
            for _ in range(MOST_LOOKS):
                results = list(law.check(self.session(operation)))
                if not results or not self._survey.has_gone(operation):
                    break
                results = [NotExercised(_GONE)]
        self.report.exercised[step] = ""
        for result in results:
            if isinstance(result, NotExercised):
                self.report.exercised[step] = result.reason
            else:
                self.add(result)

    @contextmanager
    def _budget(self, steps: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Report the steps as not exercised when the budget of requests is spent in them."""
        try:
            yield
        except BudgetExhausted as exhausted:
            self.report.exercised.update(dict.fromkeys(steps, str(exhausted)))
            raise

    def check_stateful(self, operations: Collection[Operation]) -> None:
        """Check the lifecycle of all items that the contract can create, and report on the given operations.

        When an operation turns out not to be implemented, the check begins again without it.
        """
        steps = _stateful_steps(operations)
        if self.writing is None or self._gate is None:
            self._not_exercised(steps, NOT_ALLOWED)
            return
        while True:
            try:
                self._run_stateful(self._gate, self.writing, {name for name, _ in steps})
                break
            except Unimplemented:  # from now on it is left out
                continue
        self._leave_out_doubted()
        self._not_exercised(steps, "an operation that it needs is not implemented")
        for operation in operations:
            own = [step for step in steps if step[0] == operation.operation_id]
            if reason := self.availability.why_not(operation):
                self.report.exercised.update(dict.fromkeys(own, reason))
            elif reason := self._without_items(operation):
                silent = [step for step in own if self.report.exercised[step]]
                self.report.exercised.update(dict.fromkeys(silent, reason))
                if not operation.reads:
                    self.report.unasked[operation.operation_id] = reason

    def _not_exercised(self, steps: Iterable[tuple[str, str]], reason: str) -> None:
        """Report the steps as not exercised, unless they were: a law that only reads may have judged the same."""
        left_out = [step for step in steps if self.report.exercised.get(step, NOT_REACHED) == NOT_REACHED]
        self.report.exercised.update(dict.fromkeys(left_out, reason))

    def _without_items(self, operation: Operation) -> str:
        """Why the check cannot create the items that an operation is about, if an operation for it is missing."""
        resources = {operation.resource, *(parameter.resource for parameter in operation.path_parameters)}
        creations = (create for create in self.vendor.contract.of_kind(Create) if create.resource in resources)
        missing = [create.operation_id for create in creations if self.availability.lacks(create)]
        return f"{' and '.join(missing)}, which it needs, is not implemented" if missing else ""

    def _run_stateful(self, gate: Gate, writing: WriteAccess, names: Collection[str]) -> None:
        """Run the stateful check. Raises `Unimplemented` if an operation turns out not to be implemented."""
        allowed = writing.allowed_leftovers
        exercised = self.report.exercised
        for result in run_stateful(
            self._contract,
            self._judged,
            prefix=gate.prefix,
            factory=self._factory,
            credential=self.credential,
            second_credential=self.second,
            allowed_leftovers=None if allowed is None else max(0, allowed - gate.leftover_count),
            seed=self.seed,
            examples=max(2, self.examples // 2),
            settling=writing.settling,
            progress=self.progress,
        ):
            if result.operation not in names:
                continue
            if not isinstance(result, Exercised):
                self.add(result)
            elif exercised.get((result.operation, result.law)) != "":  # what was judged before stays so
                exercised[result.operation, result.law] = result.reason

    def fuzz(self, operations: Collection[Operation]) -> None:
        """Have Schemathesis generate requests for some operations, and follow the links among them."""
        reasons = {operation: self._reason_not_to_fuzz(operation) for operation in operations}
        allowed = [operation for operation, reason in reasons.items() if not reason]
        self.report.exercised.update({(found.operation_id, FUZZ): reason for found, reason in reasons.items()})
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

    def _reason_not_to_fuzz(self, operation: Operation) -> str:
        if reason := self.availability.why_not(operation):
            return reason
        if operation.reads:
            return ""
        return self._without_items(operation) if self._gate else NOT_ALLOWED

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

        Laws come first, because they find most problems, and soonest.

        Raises `TargetError` when the implementation cannot be reached or refuses the credential.
        """
        every = self.vendor.contract.operations
        chosen = [operation for operation in every if operations is None or operation.operation_id in operations]
        self._chosen = frozenset(operation.operation_id for operation in chosen)
        laws = [(operation, law) for operation in chosen for law in self.laws if law.concerns(operation)]
        self.report.exercised.update(dict.fromkeys(steps(chosen, self.laws), NOT_REACHED))
        try:
            self.survey(chosen)
            self.probe_second_account()
            for operation, law in laws:
                self.check_law(operation, law)
            self.check_stateful(chosen)
            self.fuzz(chosen)
        except BudgetExhausted as exhausted:
            self.report.stopped = str(exhausted)
            for step, reason in self.report.exercised.items():
                if reason == NOT_REACHED:
                    self.report.exercised[step] = str(exhausted)
        finally:
            note_unreached(self.report, chosen, self.rules, writes=self.writing is not None)
            self.clean()
        return self.report


def note_unreached(
    report: Report, operations: Iterable[Operation], rules: Iterable[Rule] = RULES, *, writes: bool
) -> None:
    """Note for each rule that concerns an operation, and judged no exchange with it, why there was none."""
    for operation in operations:
        name = operation.operation_id
        reason = NOT_REACHED if operation.reads or writes else NOT_ALLOWED
        reason = report.unasked.get(name, reason)
        reason = MISSING_REASON if name in report.not_implemented else reason
        for rule in rules:
            if rule.concerns(operation):
                report.rules.setdefault((name, rule.name), reason)


def steps(operations: Sequence[Operation], laws: Iterable[Law] = LAWS) -> list[tuple[str, str]]:
    """Each (operationId, check) that a run reports on: the laws and stateful laws that apply, and Schemathesis."""
    of_laws = [(found.operation_id, law.name) for found in operations for law in laws if law.concerns(found)]
    return [*of_laws, *((found.operation_id, FUZZ) for found in operations), *_stateful_steps(operations)]


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
    evidence = customary(9110, "15.5.6")
    if failure.check == "ignored_auth":
        stated = operation.contract.security.evidence
        evidence = implied(stated, stated.note)
    problem = Problem(failure.message, evidence, "status", seen="")
    return problem.finding(failure.check, operation, failure.exchange)
