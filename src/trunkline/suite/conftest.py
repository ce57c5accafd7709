"""Collect a test for each (operation, rule), (operation, law) and operation, and connect to the implementation once."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, NoReturn

import pytest

from trunkline.check.availability import Availability, describe
from trunkline.check.laws import LAWS, Law
from trunkline.check.rules import RULES, Rule
from trunkline.check.runner import FUZZ, Checker
from trunkline.check.safety import WriteAccess, WriteOptions, write_access
from trunkline.check.stateful.laws import STATEFUL_LAWS, StatefulLaw
from trunkline.check.stateful.script import script
from trunkline.contract.folders import names
from trunkline.contract.model import Operation
from trunkline.contract.requests import operations_named
from trunkline.errors import BudgetExhausted, TrunklineError
from trunkline.exchange import SECOND_VARIABLE
from trunkline.findings import Finding, Grade, Report
from trunkline.mock.loader import Vendor, load
from trunkline.plugin import REPORTS, settings_of, spelled, summarize
from trunkline.redaction import printable, redactor
from trunkline.report import titles
from trunkline.report.run import RunInfo
from trunkline.report.text import finding_lines, plain
from trunkline.settings import CONNECTION, DEBUG, SECOND, WRITING, Settings, describe_bug, required_operations
from trunkline.transport.connect import Connection, connect, redacting_errors, with_second_account

if TYPE_CHECKING:
    from trunkline.plugin.reports import SuiteReports


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make the tests of one function, with ids `vendor-operationId-name`, in the order of the contract.

    The order is the same in every process, as pytest-xdist demands.
    """
    if "operation" not in metafunc.fixturenames:
        return
    settings = settings_of(metafunc.config)
    operations = _operations(settings)
    knows_other = _knows_other_account(settings)
    tables: dict[str, list[Rule] | list[Law] | list[StatefulLaw]] = {
        "rule": [rule for rule in RULES if not rule.provoked],
        "law": [law for law in LAWS if not (law.needs_other_account and settings.allow_writes) or knows_other],
        "stateful_law": [*STATEFUL_LAWS],
    }
    for argument, table in tables.items():
        if argument in metafunc.fixturenames:
            parameters = [
                pytest.param(operation, check, id=f"{operation.contract.vendor}-{operation.operation_id}-{check.name}")
                for operation in operations
                for check in table
                if check.concerns(operation) and _is_test(operation, check, settings)
            ]
            metafunc.parametrize(("operation", argument), parameters)
            return
    parameters = [
        pytest.param(operation, id=f"{operation.contract.vendor}-{operation.operation_id}")
        for operation in operations
        if operation.reads or settings.allow_writes
    ]
    metafunc.parametrize("operation", parameters)


def _is_test(operation: Operation, check: Rule | Law | StatefulLaw, settings: Settings) -> bool:
    """Whether a check of an operation is a test. Without writes, a law of the same name judges what reads."""
    if isinstance(check, StatefulLaw):
        return settings.allow_writes or not (operation.reads and check.needs_other_account)
    return operation.reads


def _knows_other_account(settings: Settings) -> bool:
    """Whether the credential of another account is given. The built-in mock has one."""
    given = settings.second_token or settings.second_token_file or os.environ.get(SECOND_VARIABLE)
    return bool(given or not (settings.url or settings.app))


def _operations(settings: Settings) -> list[Operation]:
    try:
        every = [operation for name in settings.vendor or names() for operation in load(name).contract.operations]
        chosen = operations_named(settings.operation, every) or every
        required_operations(settings.require, [operation.operation_id for operation in chosen])
    except TrunklineError as error:
        raise pytest.Collector.CollectError(f"trunkline: {spelled(str(error))}") from None  # without a traceback
    return chosen


@dataclass(slots=True)
class Implementation:
    """The implementation of one vendor. Reports that several tests share are made once."""

    vendor: Vendor
    connection: Connection
    settings: Settings
    operations: tuple[Operation, ...]
    """The operations that the run is about."""
    tested: frozenset[tuple[str, str]] = frozenset()
    """The (operationId, rule) that have a test of their own in this run."""
    writing: WriteAccess | None = None
    leftovers: list[str] = field(default_factory=list)
    """The items that the run created and could not delete."""
    shortfalls: list[str] = field(default_factory=list)
    """Why too little was judged, so that the run must not end with 0."""
    availability: Availability = field(default_factory=Availability)
    _plain: Report | None = None
    _stateful: Report | None = None
    reports: SuiteReports | None = None
    """The collector of all reports of the run, if an option asks for one."""
    test: str = ""
    """The id of the running test."""
    _reported: dict[tuple[object, ...], str] = field(default_factory=dict)
    """For each finding the id of the test that has failed with it; it does so again when it is repeated."""

    def checker(self) -> Checker:
        """A checker with a report of its own, for the operations that are implemented."""
        self.plain_report()
        return self._new_checker()

    def _new_checker(self) -> Checker:
        baseline = self.reports.baseline if self.reports else None
        report = Report(secrets=self.connection.secrets, excuses=baseline.excuses() if baseline else {})
        if self.reports:
            self.reports.add(report, self.connection.base)
        return Checker(
            self.vendor,
            self.connection.target,
            report,
            credential=self.connection.credential,
            parameters={**self.connection.parameters, **dict(self.settings.param)},
            seed=self.settings.seed or 0,
            examples=self.settings.examples,
            secret_values=self.connection.secret_values,
            writing=self.writing,
            availability=self.availability,
            complete=self.settings.complete,
            second=self.connection.second,
            live=self.connection.live,
        )

    def plain_report(self) -> Report:
        """The report of the plain documented request of each operation that reads."""
        if self._plain is None:
            checker = self._new_checker()
            self._plain = checker.report
            with self.within_budget(self._plain):
                checker.survey(self.operations)
        return self._plain

    def stateful_report(self) -> Report:
        """The report of one stateful check of all operations."""
        if self._stateful is None:
            checker = self.checker()
            self._stateful = checker.report
            try:
                with self.within_budget(self._stateful):
                    checker.probe_second_account()
                    checker.check_stateful(self.operations)
            finally:
                checker.clean()
                self.leftovers += self._stateful.leftovers
        return self._stateful

    def unasked(self) -> dict[str, str]:
        """The operations that had nothing to be asked about, with the reason."""
        reports = [report for report in (self._plain, self._stateful) if report is not None]
        succeeded = {name for report in reports for name in report.reach.succeeded}
        found = {name: reason for report in reports for name, reason in report.unasked.items()}
        return {name: why for name, why in found.items() if name not in succeeded | {*self.availability.missing}}

    @contextmanager
    def within_budget(self, report: Report) -> Iterator[None]:
        """Say in the report why the budget of requests ended it, and remember that it did."""
        try:
            yield
        except BudgetExhausted as exhausted:
            report.stopped = str(exhausted)
            self.shortfalls.append(report.stopped)

    def unanswered(self, operation: Operation) -> str:
        """Why the plain documented request of an operation that reads was not judged, or empty."""
        plain, name = self.plain_report(), operation.operation_id
        if any(name == reached for reached, _ in plain.reach.statuses):
            return ""
        parameter = next((parameter.name for parameter in operation.path_parameters), "")
        unknown = f"{parameter} is not known; give it with --param {parameter}=..."
        return plain.unasked.get(name) or plain.stopped or unknown

    def skip_unless_implemented(self, operation: Operation) -> None:
        """Skip the test of an operation that is not implemented."""
        self.plain_report()
        if exchange := self.availability.missing.get(operation.operation_id):
            if operation.operation_id in self.settings.operation:
                self.shortfalls.append(f"{operation.operation_id} is not implemented: {describe(exchange)}")
            self.skip(operation, f"not implemented: {describe(exchange)}")

    def skip(self, operation: Operation, reason: str, check: str = "") -> NoReturn:
        """Skip a test, with the reason why its check could not be exercised."""
        reason = spelled(reason)
        if operation.operation_id in required_operations(
            self.settings.require, [operation.operation_id for operation in self.operations]
        ):
            of = f"{check} of {operation.operation_id}" if check else operation.operation_id
            self.shortfalls.append(f"--trunkline-require is not met: {of}: {reason}")
        pytest.skip(reason if reason.startswith("not ") else f"not exercised: {reason}")

    def failures(self, report: Report) -> list[Finding]:
        """The findings that fail a test, or would, if they were not known."""
        strictness = Grade(self.settings.strictness)
        return [found for found in report.findings if found.evidence.grade.rank <= strictness.rank]

    def fail(self, operation: Operation, findings: Collection[Finding], report: Report) -> None:
        """Fail the test with the findings that no test has reported. If there are only others, skip it.

        A finding that the plain request shows is reported by the test of its rule; if there is none in this run, by the
        first test of the operation. The failure has no traceback. If all are known, it is an expected failure.
        """
        plain_failures = [
            found
            for found in self.failures(self.plain_report())
            if found.operation == operation.operation_id and (found.operation, found.rule) not in self.tested
        ]
        reported = {key for key, test in self._reported.items() if test != self.test}
        reported |= {_key(found) for found in self.plain_report().findings if self._has_test(found)}
        every = {_key(found): found for found in (*plain_failures, *findings)}.values()
        is_own = report is self._plain  # then the test of the rule itself reports its finding
        new = [found for found in every if _key(found) not in reported or (is_own and self._has_test(found))]
        self._reported |= dict.fromkeys(map(_key, new), self.test)
        if failing := [finding for finding in new if not finding.is_excused]:
            run = RunInfo(
                self.vendor.name,
                self.connection.base,
                self.settings.seed or 0,
                Grade(self.settings.strictness),
                secrets=frozenset(self.vendor.contract.secrets),
                script=partial(script, self.vendor.contract, base=self.connection.base),
            )
            lines = [plain(line) for finding in failing for line in finding_lines(finding, report, run)]
            pytest.fail("\n".join(lines).rstrip(), pytrace=False)
        if rules := [f"`{rule}`" for rule in sorted({found.rule for found in findings if not found.is_excused})]:
            self.skip(operation, f"not judged: {' and '.join(rules)} {'fail' if len(rules) > 1 else 'fails'}")
        if new:
            pytest.xfail("; ".join(f"{found.rule} is known {printable(str(found.excuse))}" for found in new))

    def _has_test(self, finding: Finding) -> bool:
        """Whether the rule of a finding has a test of its own in this run."""
        return (finding.operation, finding.rule) in self.tested


def _key(finding: Finding) -> tuple[object, ...]:
    """The key by which a test reports a finding once."""
    return finding.cause, finding.excuse


@pytest.fixture(scope="session")
def _sigterm() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP end the run as Ctrl-C does: created items are deleted, and the summary is printed."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if current_thread() is not main_thread():
        signals = []
    handlers = {number: signal.getsignal(number) for number in signals}
    for number, handler in handlers.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def _implementations(
    pytestconfig: pytest.Config, _sigterm: None
) -> Iterator[tuple[dict[str, Implementation], ExitStack]]:
    """The implementation of each vendor, and the ledgers of created items, which are closed at the end of the run."""
    implementations: dict[str, Implementation] = {}
    with ExitStack() as ledgers:
        yield implementations, ledgers
    for found in implementations.values():
        unasked = found.unasked()
        lines = {
            titles.LEFT_BEHIND: found.leftovers,
            titles.NOT_EXERCISED: [f"{name}: {reason}" for name, reason in unasked.items()],
            titles.NOT_IMPLEMENTED: sorted(found.availability.missing),
            titles.TOO_LITTLE: [spelled(line) for line in found.shortfalls],
        }
        redact = redactor(found.connection.secrets)
        summarize(pytestconfig, {title: [printable(redact(line)) for line in found] for title, found in lines.items()})


@pytest.fixture
def implementation(
    operation: Operation,
    request: pytest.FixtureRequest,
    _implementations: tuple[dict[str, Implementation], ExitStack],
) -> Implementation:
    """The implementation of the operation's vendor."""
    name, (implementations, ledgers) = operation.contract.vendor, _implementations
    settings = settings_of(request.config)
    with _without_traceback(request.session, frozenset()):
        if name not in implementations:
            vendor = load(name)
            connection = connect(vendor, **settings.only(CONNECTION))
            connection = with_second_account(connection, vendor, **settings.only(SECOND))
            report = Report()
            options = WriteOptions(**settings.only(WRITING))
            access = write_access(vendor, connection, options, report, lambda _: None)
            writing = ledgers.enter_context(access)
            operations = tuple(found for found in _operations(settings) if found.contract.vendor == name)
            tested = frozenset(_rules_tested(request.session))
            implementations[name] = Implementation(
                vendor,
                connection,
                settings,
                operations,
                tested,
                writing,
                report.leftovers,
                reports=request.config.pluginmanager.get_plugin(REPORTS),
            )
            if reports := implementations[name].reports:
                reports.add(report, connection.base)
    implementations[name].test = request.node.nodeid
    return implementations[name]


def _rules_tested(session: pytest.Session) -> Iterator[tuple[str, str]]:
    """The (operationId, rule) of the tests of rules that were selected, also those of other workers of pytest-xdist."""
    for item in session.items:
        parameters = getattr(item, "callspec").params if hasattr(item, "callspec") else {}  # noqa: B009 - pytest's own
        operation, rule = parameters.get("operation"), parameters.get("rule")
        if isinstance(operation, Operation) and isinstance(rule, Rule):
            yield operation.operation_id, rule.name


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Run a test without tracebacks, because they could contain a credential."""
    implementation = pyfuncitem.funcargs.get("implementation")
    secrets = implementation.connection.secrets if isinstance(implementation, Implementation) else frozenset()
    try:
        with _without_traceback(pyfuncitem.session, secrets):
            result = yield
    except pytest.skip.Exception as skipped:
        summarize(pyfuncitem.config, {}, skipped=True)
        if isinstance(implementation, Implementation) and implementation.reports:
            _note(pyfuncitem, str(skipped), implementation.reports)
        raise
    except pytest.fail.Exception:
        summarize(pyfuncitem.config, {}, judged=True)
        raise
    summarize(pyfuncitem.config, {}, judged=True)
    return result


def _note(item: pytest.Function, reason: str, reports: SuiteReports) -> None:
    """Note in the report why the check of a skipped test was not exercised."""
    values = item.callspec.params.values()
    checks = [value.name for value in values if isinstance(value, Law | StatefulLaw)]
    if item.originalname == "test_schemathesis":
        checks = [FUZZ]
    for operation in values:
        if isinstance(operation, Operation):
            for check in checks:
                reports.skip(operation.operation_id, check, reason.removeprefix("not exercised: "))


@contextmanager
def _without_traceback(session: pytest.Session, secrets: frozenset[str]) -> Iterator[None]:
    """End the run if no response can be had, and fail the test for a bug."""
    try:
        with redacting_errors(redactor(secrets)):
            yield
    except TrunklineError as error:
        sentence = spelled(f"trunkline: {error}")
        session.shouldstop = sentence  # a worker of pytest-xdist passes this on, unlike `pytest.exit`
        raise pytest.skip.Exception(f"not exercised: {sentence}") from None
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        raise pytest.fail.Exception(describe_bug(error), pytrace=False) from None
