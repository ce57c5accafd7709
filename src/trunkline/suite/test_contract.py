"""The tests that users run against an implementation. Each docstring is what a failure means."""

from __future__ import annotations

from contextlib import suppress

import pytest

from trunkline.check.laws import Law
from trunkline.check.rules import Rule
from trunkline.check.runner import FUZZ, NOT_ALLOWED
from trunkline.check.stateful.laws import STATEFUL_LAWS, StatefulLaw
from trunkline.contract.model import Operation
from trunkline.errors import BudgetExhausted
from trunkline.plugin import spelled
from trunkline.suite.conftest import Bench


def skip(reason: str) -> None:
    """Says that a test was not exercised, and why."""
    pytest.skip(f"not exercised: {spelled(reason)}")


def test_documented_request(bench: Bench, operation: Operation) -> None:
    """The plain documented request is answered with success: without one, nothing can be said of the operation."""
    if not operation.reads:
        skip("a life tells whether what writes succeeds")
    report = bench.plain(operation)
    if reason := report.exercised.get((operation.operation_id, "")):
        pytest.fail(reason, pytrace=False)
    statuses = [status for name, status in report.reached if name == operation.operation_id]
    if not any(200 <= status < 300 for status in statuses):
        pytest.fail(f"{operation.operation_id} was answered with {statuses}, never with success", pytrace=False)


def test_rule(bench: Bench, operation: Operation, rule: Rule) -> None:
    """The answer to the plain documented request keeps the rule."""
    report = bench.plain(operation)
    if reason := report.exercised.get((operation.operation_id, "")):
        skip(reason)
    bench.tell([finding for finding in bench.failing(report) if finding.rule == rule.name], report)


def test_law(bench: Bench, operation: Operation, law: Law) -> None:
    """The answers to the law's questions keep the law, and keep the rules as the plain answer does."""
    report = bench.report()
    with suppress(BudgetExhausted):  # the report tells it
        bench.checker(report).check_law(operation, law)
    bench.tell(bench.new(operation, report), report)
    if reason := report.exercised[operation.operation_id, law.name]:
        skip(reason)


def test_life(bench: Bench, operation: Operation, life: StatefulLaw) -> None:
    """Whatever is made, changed and removed, in whatever order, the answers keep the law, and keep the rules."""
    if bench.writing is None:
        skip(NOT_ALLOWED)
    report = bench.life()
    found = [finding for finding in bench.failing(report) if finding.operation == operation.operation_id]
    laws = {law.name for law in STATEFUL_LAWS}
    own = [finding for finding in found if finding.rule == life.name]
    first = next(law for law in STATEFUL_LAWS if law.concerns(operation))
    rest = [finding for finding in found if finding.rule not in laws] if life is first else []
    bench.tell([*own, *rest], report)
    if reason := report.exercised.get((operation.operation_id, life.name), report.stopped):
        skip(reason)


def test_schemathesis(bench: Bench, operation: Operation) -> None:
    """Whatever Schemathesis makes up, the answers keep the rules as the plain answer does."""
    report = bench.report()
    checker = bench.checker(report)
    try:
        with suppress(BudgetExhausted):  # the report tells it
            checker.fuzz([operation])
    finally:
        checker.clean()
        bench.left += report.left
    bench.tell(bench.new(operation, report), report)
    if reason := report.exercised[operation.operation_id, FUZZ]:
        skip(reason)
