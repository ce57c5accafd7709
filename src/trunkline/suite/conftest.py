"""Collect a test for each (operation, rule), (operation, law) and operation, and connect to the implementation once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest

from trunkline.check.laws import LAWS, Law
from trunkline.check.rules import RULES, Rule
from trunkline.check.runner import Checker
from trunkline.check.safety import WriteAccess, WriteOptions, write_access
from trunkline.check.stateful.laws import STATEFUL_LAWS, StatefulLaw
from trunkline.check.stateful.script import script
from trunkline.contract.folders import names
from trunkline.contract.model import Operation
from trunkline.errors import BudgetExhausted, TrunklineError
from trunkline.findings import Finding, Grade, Report
from trunkline.mock.loader import Vendor, load
from trunkline.plugin import report_left_behind, settings_of, spelled
from trunkline.redaction import printable, redactor
from trunkline.report.run import RunInfo
from trunkline.report.text import finding_lines, plain
from trunkline.settings import CONNECTION, DEBUG, WRITING, Settings, describe_bug
from trunkline.transport.connect import Connection, connect, redacting_errors


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make the tests of one function, with ids `vendor-operationId-name`, in the order of the contract.

    The order is the same in every process, as pytest-xdist demands.
    """
    if "operation" not in metafunc.fixturenames:
        return
    settings = settings_of(metafunc.config)
    operations = _operations(settings)
    tables: dict[str, list[Rule] | list[Law] | list[StatefulLaw]] = {
        "rule": [rule for rule in RULES if not rule.provoked],
        "law": [*LAWS],
        "stateful_law": [*STATEFUL_LAWS],
    }
    for argument, table in tables.items():
        if argument in metafunc.fixturenames:
            parameters = [
                pytest.param(operation, check, id=f"{operation.contract.vendor}-{operation.operation_id}-{check.name}")
                for operation in operations
                for check in table
                if check.concerns(operation) and (operation.reads or argument == "stateful_law")
            ]
            metafunc.parametrize(("operation", argument), parameters)
            return
    parameters = [
        pytest.param(operation, id=f"{operation.contract.vendor}-{operation.operation_id}")
        for operation in operations
        if operation.reads or settings.allow_writes
    ]
    metafunc.parametrize("operation", parameters)


def _operations(settings: Settings) -> list[Operation]:
    try:
        return [operation for name in settings.vendor or names() for operation in load(name).contract.operations]
    except TrunklineError as error:
        raise pytest.Collector.CollectError(f"trunkline: {error}") from None  # pytest prints it without a traceback


@dataclass(slots=True)
class Implementation:
    """The implementation of one vendor. Reports that several tests share are made once."""

    vendor: Vendor
    connection: Connection
    settings: Settings
    writing: WriteAccess | None = None
    leftovers: list[str] = field(default_factory=list)
    """The items that the run created and could not delete."""
    _plain: dict[str, Report] = field(default_factory=dict)
    _stateful: Report | None = None

    def new_checker(self) -> Checker:
        """A checker with a report of its own."""
        return Checker(
            self.vendor,
            self.connection.target,
            Report(secrets=self.connection.secrets),
            credential=self.connection.credential,
            parameters={**self.connection.parameters, **dict(self.settings.param)},
            seed=self.settings.seed or 0,
            examples=self.settings.examples,
            secret_values=self.connection.secret_values,
            writing=self.writing,
        )

    def plain_report(self, operation: Operation) -> Report:
        """The report of the plain documented request; `stopped` says why it could not be sent."""
        name = operation.operation_id
        if name not in self._plain:
            checker = self.new_checker()
            checker.probe(operation)
            session = checker.session(operation)
            if session.needs:
                parameter = session.needs[0]
                checker.report.stopped = f"{parameter} is not known; give it with --trunkline-param {parameter}=..."
            else:
                session.ask()
            self._plain[name] = checker.report
        return self._plain[name]

    def stateful_report(self) -> Report:
        """The report of one stateful check of all operations."""
        if self._stateful is None:
            checker = self.new_checker()
            self._stateful = checker.report
            try:
                checker.probe_second_account()
                checker.check_stateful(self.vendor.contract.operations)
            except BudgetExhausted as exhausted:
                self._stateful.stopped = str(exhausted)
            finally:
                checker.clean()
                self.leftovers += self._stateful.leftovers
        return self._stateful

    def failures(self, report: Report) -> list[Finding]:
        """The findings that fail a test."""
        return list(report.failures(Grade(self.settings.strictness)))

    def new_failures(self, operation: Operation, report: Report) -> list[Finding]:
        """The failures that the plain documented request does not have already."""
        known = set()
        if operation.reads:
            with suppress(BudgetExhausted):  # then every failure is new
                known = {finding.cause for finding in self.plain_report(operation).findings}
        return [finding for finding in self.failures(report) if finding.cause not in known]

    def fail(self, findings: list[Finding], report: Report) -> None:
        """Fail the test, if there are findings, with their text and without a traceback."""
        if not findings:
            return
        run = RunInfo(
            self.vendor.name,
            self.connection.base,
            self.settings.seed or 0,
            Grade(self.settings.strictness),
            secrets=frozenset(self.vendor.contract.secrets),
            script=partial(script, self.vendor.contract, base=self.connection.base),
        )
        lines = [plain(line) for finding in findings for line in finding_lines(finding, report, run)]
        pytest.fail("\n".join(lines).rstrip(), pytrace=False)


@pytest.fixture(scope="session")
def _implementations(pytestconfig: pytest.Config) -> Iterator[tuple[dict[str, Implementation], ExitStack]]:
    """The implementation of each vendor, and the ledgers of created items, which are closed at the end of the run."""
    implementations: dict[str, Implementation] = {}
    with ExitStack() as ledgers:
        yield implementations, ledgers
    leftovers = [line for implementation in implementations.values() for line in implementation.leftovers]
    report_left_behind(pytestconfig, [printable(line) for line in leftovers])


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
            report = Report()
            options = WriteOptions(**settings.only(WRITING))
            access = write_access(vendor, connection, options, report, lambda _: None)
            writing = ledgers.enter_context(access)
            implementations[name] = Implementation(vendor, connection, settings, writing, report.leftovers)
    return implementations[name]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Run a test without tracebacks, because they could contain a credential."""
    implementation = pyfuncitem.funcargs.get("implementation")
    secrets = implementation.connection.secrets if isinstance(implementation, Implementation) else frozenset()
    with _without_traceback(pyfuncitem.session, secrets):
        return (yield)


@contextmanager
def _without_traceback(session: pytest.Session, secrets: frozenset[str]) -> Iterator[None]:
    """Skip the test if the budget is exhausted, end the run if no response can be had, fail the test for a bug."""
    try:
        with redacting_errors(redactor(secrets)):
            yield
    except BudgetExhausted as exhausted:
        raise pytest.skip.Exception(f"not exercised: {exhausted}") from None
    except TrunklineError as error:
        sentence = spelled(f"trunkline: {error}")
        session.shouldstop = sentence  # a worker of pytest-xdist passes this on, unlike `pytest.exit`
        raise pytest.skip.Exception(f"not exercised: {sentence}") from None
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        raise pytest.fail.Exception(describe_bug(error), pytrace=False) from None
