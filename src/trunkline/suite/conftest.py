"""Collects one test for each (operation, rule), (operation, law) and operation; the implementation is aimed at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from trunkline.aiming import Aim, aim, hushed
from trunkline.check import Examination
from trunkline.cli import DEBUG
from trunkline.contract import Operation
from trunkline.errors import BudgetSpent, TrunklineError
from trunkline.findings import Finding, Grade, Report
from trunkline.folders import names
from trunkline.hiding import hiding
from trunkline.laws import LAWS, Law
from trunkline.library import Vendor, load
from trunkline.plugin import Options, options
from trunkline.rendering import Run, finding_lines, plain
from trunkline.rules import RULES, Rule

_DEFAULT_EXAMPLES = 50


def _operations(config: pytest.Config) -> list[Operation]:
    try:
        return [operation for name in options(config).vendor or names() for operation in load(name).contract.operations]
    except TrunklineError as error:
        raise pytest.Collector.CollectError(f"trunkline: {error}") from None  # shown as one sentence


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Test ids are `vendor-operationId-name`, in the order of the contract, so that every worker collects the same."""
    if "operation" not in metafunc.fixturenames:
        return
    operations = _operations(metafunc.config)
    sentences: dict[str, list[Rule] | list[Law]] = {
        "rule": [rule for rule in RULES if not rule.provoked],
        "law": list(LAWS),
    }
    for argument, table in sentences.items():
        if argument in metafunc.fixturenames:
            chosen = [
                pytest.param(
                    operation, sentence, id=f"{operation.contract.vendor}-{operation.operation_id}-{sentence.name}"
                )
                for operation in operations
                for sentence in table
                if sentence.concerns(operation)
            ]
            metafunc.parametrize(("operation", argument), chosen)
            return
    metafunc.parametrize(
        "operation",
        [
            pytest.param(operation, id=f"{operation.contract.vendor}-{operation.operation_id}")
            for operation in operations
        ],
    )


@dataclass(slots=True)
class Bench:
    """One vendor's implementation under examination, and the findings that its plain answers have."""

    vendor: Vendor
    aim: Aim
    options: Options
    _plain: dict[str, Report] = field(default_factory=dict)

    def examination(self, report: Report) -> Examination:
        """An examination into a report of its own."""
        said = self.options
        return Examination(
            self.vendor,
            self.aim.target,
            report,
            credential=self.aim.credential,
            parameters={**self.aim.parameters, **dict(said.param)},
            seed=said.seed,
            examples=said.examples if said.examples is not None else _DEFAULT_EXAMPLES,
            secret_values=self.aim.secret_values,
        )

    def report(self) -> Report:
        return Report(secrets=self.aim.secrets)

    def plain(self, operation: Operation) -> Report:
        """What the rules find in the answer to the plain documented request: each is the test of a rule."""
        known = self._plain.get(operation.operation_id)
        if known is None:
            known = self.report()
            examination = self.examination(known)
            examination.knock(operation)
            interview = examination.interview(operation)
            if interview.needs:
                known.exercised[operation.operation_id, ""] = (
                    f"{interview.needs[0]} is not known; give it with --trunkline-param {interview.needs[0]}=..."
                )
            else:
                interview.ask()
            self._plain[operation.operation_id] = known
        return known

    def new(self, operation: Operation, report: Report) -> list[Finding]:
        """The findings that fail and that the plain request does not have already."""
        known = set()
        with suppress(BudgetSpent):  # then nothing is known, and everything new
            known = {finding.cause for finding in self.plain(operation).findings}
        return [finding for finding in self.failing(report) if finding.cause not in known]

    def failing(self, report: Report) -> list[Finding]:
        return list(report.failures(Grade(self.options.strictness)))

    def tell(self, findings: list[Finding], report: Report) -> None:
        """Fails the test with the findings, and without a traceback of ours."""
        if findings:
            names = frozenset(self.vendor.contract.secrets)
            strictness = Grade(self.options.strictness)
            run = Run(self.vendor.name, self.aim.base, self.options.seed, strictness, secrets=names)
            lines = [plain(line) for finding in findings for line in finding_lines(finding, report, run)]
            pytest.fail("\n".join(lines).rstrip(), pytrace=False)


@pytest.fixture(scope="session")
def _benches() -> dict[str, Bench]:
    return {}


@pytest.fixture
def bench(operation: Operation, pytestconfig: pytest.Config, _benches: dict[str, Bench]) -> Bench:
    """The implementation of the operation's vendor."""
    name = operation.contract.vendor
    said = options(pytestconfig)
    with _one_sentence(frozenset()):
        if name not in _benches:
            vendor = load(name)
            aimed = aim(
                vendor,
                url=said.url,
                app=said.app,
                token=said.token,
                token_file=str(said.token_file) if said.token_file else None,
                timeout=said.timeout,
                rate=said.rate,
                max_requests=said.max_requests,
            )
            _benches[name] = Bench(vendor, aimed, said)
    return _benches[name]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """No test ends with a traceback, in which pytest could show a credential."""
    known = pyfuncitem.funcargs.get("bench")
    with _one_sentence(known.aim.secrets if isinstance(known, Bench) else frozenset()):
        return (yield)


@contextmanager
def _one_sentence(secrets: frozenset[str]) -> Iterator[None]:
    """An implementation that cannot be asked ends the run: nothing can be said of it. A spent budget skips a test."""
    try:
        with hushed(hiding(secrets)):
            yield
    except BudgetSpent as spent:
        raise pytest.skip.Exception(f"not exercised: {spent}") from None
    except TrunklineError as error:
        raise pytest.exit.Exception(f"trunkline: {error}", returncode=2) from None
    except Exception as error:
        if isinstance(error, pytest.exit.Exception) or os.environ.get(DEBUG):
            raise
        sentence = f"{type(error).__name__} was not expected; this is a bug in trunkline; {DEBUG}=1 shows it"
        raise pytest.fail.Exception(sentence, pytrace=False) from None
