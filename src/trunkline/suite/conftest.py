"""Collects one test for each (operation, rule), (operation, law) and operation; the implementation is aimed at once."""

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


def _operations(config: pytest.Config) -> list[Operation]:
    try:
        return [
            operation for name in settings_of(config).vendor or names() for operation in load(name).contract.operations
        ]
    except TrunklineError as error:
        raise pytest.Collector.CollectError(f"trunkline: {error}") from None  # shown as one sentence


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Test ids are `vendor-operationId-name`, in the order of the contract, so that every worker collects the same."""
    if "operation" not in metafunc.fixturenames:
        return
    operations = _operations(metafunc.config)
    sentences: dict[str, list[Rule] | list[Law] | list[StatefulLaw]] = {
        "rule": [rule for rule in RULES if not rule.provoked],
        "law": list(LAWS),
        "life": list(STATEFUL_LAWS),
    }
    for argument, table in sentences.items():
        if argument in metafunc.fixturenames:
            chosen = [
                pytest.param(
                    operation, sentence, id=f"{operation.contract.vendor}-{operation.operation_id}-{sentence.name}"
                )
                for operation in operations
                for sentence in table
                if sentence.concerns(operation) and (operation.reads or argument == "life")
            ]
            metafunc.parametrize(("operation", argument), chosen)
            return
    metafunc.parametrize(
        "operation",
        [
            pytest.param(operation, id=f"{operation.contract.vendor}-{operation.operation_id}")
            for operation in operations
            if operation.reads or settings_of(metafunc.config).allow_writes
        ],
    )


@dataclass(slots=True)
class Bench:
    """One vendor's implementation under examination, and the findings that its plain answers have."""

    vendor: Vendor
    connection: Connection
    settings: Settings
    writing: WriteAccess | None = None
    left: list[str] = field(default_factory=list)
    """What the run made and could not remove."""
    _plain: dict[str, Report] = field(default_factory=dict)
    _life: Report | None = None

    def life(self) -> Report:
        """What a whole life finds, played once for all tests that look at it."""
        if self._life is None:
            self._life = self.report()
            checker = self.checker(self._life)
            try:
                checker.probe_second_account()
                checker.check_stateful(self.vendor.contract.operations)
            except BudgetExhausted as spent:
                self._life.stopped = str(spent)
            finally:
                checker.clean()
                self.left += self._life.left
        return self._life

    def checker(self, report: Report) -> Checker:
        """A checker with a report of its own."""
        said = self.settings
        return Checker(
            self.vendor,
            self.connection.target,
            report,
            credential=self.connection.credential,
            parameters={**self.connection.parameters, **dict(said.param)},
            seed=said.seed or 0,
            examples=said.examples,
            secret_values=self.connection.secret_values,
            writing=self.writing,
        )

    def report(self) -> Report:
        return Report(secrets=self.connection.secrets)

    def plain(self, operation: Operation) -> Report:
        """What the rules find in the answer to the plain documented request: each is the test of a rule."""
        known = self._plain.get(operation.operation_id)
        if known is None:
            known = self.report()
            checker = self.checker(known)
            checker.probe(operation)
            session = checker.session(operation)
            if session.needs:
                known.exercised[operation.operation_id, ""] = (
                    f"{session.needs[0]} is not known; give it with --trunkline-param {session.needs[0]}=..."
                )
            else:
                session.ask()
            self._plain[operation.operation_id] = known
        return known

    def new(self, operation: Operation, report: Report) -> list[Finding]:
        """The findings that fail and that the plain request does not have already."""
        known = set()
        with suppress(BudgetExhausted):  # then nothing is known, and everything new
            known = {finding.cause for finding in self.plain(operation).findings} if operation.reads else set()
        return [finding for finding in self.failing(report) if finding.cause not in known]

    def failing(self, report: Report) -> list[Finding]:
        return list(report.failures(Grade(self.settings.strictness)))

    def tell(self, findings: list[Finding], report: Report) -> None:
        """Fails the test with the findings, and without a traceback of ours."""
        if findings:
            names = frozenset(self.vendor.contract.secrets)
            strictness = Grade(self.settings.strictness)
            run = RunInfo(
                self.vendor.name,
                self.connection.base,
                self.settings.seed or 0,
                strictness,
                secrets=names,
                script=partial(script, self.vendor.contract, base=self.connection.base),
            )
            lines = [plain(line) for finding in findings for line in finding_lines(finding, report, run)]
            pytest.fail("\n".join(lines).rstrip(), pytrace=False)


@pytest.fixture(scope="session")
def _benches() -> dict[str, Bench]:
    return {}


@pytest.fixture
def bench(
    operation: Operation, request: pytest.FixtureRequest, _benches: dict[str, Bench], _allowed: ExitStack
) -> Bench:
    """The implementation of the operation's vendor."""
    name = operation.contract.vendor
    said = settings_of(request.config)
    with _one_sentence(request.session, frozenset()):
        if name not in _benches:
            vendor = load(name)
            aimed = connect(vendor, **said.only(CONNECTION))
            bench = Bench(vendor, aimed, said)
            write_options = WriteOptions(**said.only(WRITING))
            live, built_in = bool(said.url), not (said.url or said.app)
            report = Report()
            bench.writing = _allowed.enter_context(
                write_access(vendor, aimed, write_options, report, _nothing, live=live, built_in=built_in)
            )
            bench.left += report.left
            _benches[name] = bench
    return _benches[name]


def _nothing(_: str) -> None:
    """Says nothing."""


@pytest.fixture(scope="session")
def _allowed(pytestconfig: pytest.Config, _benches: dict[str, Bench]) -> Iterator[ExitStack]:
    """What writing needs until the end of the run."""
    with ExitStack() as stack:
        yield stack
    report_left_behind(pytestconfig, [printable(line) for bench in _benches.values() for line in bench.left])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """No test ends with a traceback, in which pytest could show a credential."""
    known = pyfuncitem.funcargs.get("bench")
    with _one_sentence(pyfuncitem.session, known.connection.secrets if isinstance(known, Bench) else frozenset()):
        return (yield)


@contextmanager
def _one_sentence(session: pytest.Session, secrets: frozenset[str]) -> Iterator[None]:
    """An implementation that cannot be asked ends the run: nothing can be said of it. A spent budget skips a test."""
    try:
        with redacting_errors(redactor(secrets)):
            yield
    except BudgetExhausted as spent:
        raise pytest.skip.Exception(f"not exercised: {spent}") from None
    except TrunklineError as error:
        sentence = spelled(f"trunkline: {error}")
        session.shouldstop = sentence  # a worker of pytest-xdist hands this on, unlike `pytest.exit`
        raise pytest.skip.Exception(f"not exercised: {sentence}") from None
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        raise pytest.fail.Exception(describe_bug(error), pytrace=False) from None
