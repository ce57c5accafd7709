"""The tests that users run against an implementation. The docstring of a test states the requirement."""

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
from trunkline.suite.conftest import Implementation


def skip(reason: str) -> None:
    """Skip the test, with the reason why it could not be exercised."""
    pytest.skip(f"not exercised: {spelled(reason)}")


def test_documented_request(implementation: Implementation, operation: Operation) -> None:
    """The plain documented request succeeds. If it does not, the operation cannot be judged."""
    if not operation.reads:
        skip("the stateful laws check whether an operation that writes succeeds")
    report = implementation.plain_report(operation)
    if report.stopped:
        pytest.fail(report.stopped, pytrace=False)
    statuses = [status for name, status in report.reached if name == operation.operation_id]
    if not any(200 <= status < 300 for status in statuses):
        pytest.fail(f"{operation.operation_id} was answered with {statuses}, never with success", pytrace=False)


def test_rule(implementation: Implementation, operation: Operation, rule: Rule) -> None:
    """The response to the plain documented request obeys the rule."""
    report = implementation.plain_report(operation)
    if report.stopped:
        skip(report.stopped)
    findings = [finding for finding in implementation.failures(report) if finding.rule == rule.name]
    implementation.fail(findings, report)


def test_law(implementation: Implementation, operation: Operation, law: Law) -> None:
    """The responses to the requests of the law obey the law, and break no rule that the plain response obeys."""
    checker = implementation.new_checker()
    report = checker.report
    with suppress(BudgetExhausted):  # the report has the reason
        checker.check_law(operation, law)
    implementation.fail(implementation.new_failures(operation, report), report)
    if reason := report.exercised[operation.operation_id, law.name]:
        skip(reason)


def test_stateful_law(implementation: Implementation, operation: Operation, stateful_law: StatefulLaw) -> None:
    """Items are created, changed and deleted in any order, and the responses obey the law, and the rules."""
    if implementation.writing is None:
        skip(NOT_ALLOWED)
    report = implementation.stateful_report()
    findings = [finding for finding in implementation.failures(report) if finding.operation == operation.operation_id]
    own = [finding for finding in findings if finding.rule == stateful_law.name]
    if stateful_law is next(law for law in STATEFUL_LAWS if law.concerns(operation)):
        laws = {law.name for law in STATEFUL_LAWS}
        own += [finding for finding in findings if finding.rule not in laws]  # broken rules fail the first test
    implementation.fail(own, report)
    if reason := report.exercised.get((operation.operation_id, stateful_law.name), report.stopped):
        skip(reason)


def test_schemathesis(implementation: Implementation, operation: Operation) -> None:
    """The responses to generated requests break no rule that the plain response obeys."""
    checker = implementation.new_checker()
    report = checker.report
    try:
        with suppress(BudgetExhausted):  # the report has the reason
            checker.fuzz([operation])
    finally:
        checker.clean()
        implementation.leftovers += report.leftovers
    implementation.fail(implementation.new_failures(operation, report), report)
    if reason := report.exercised[operation.operation_id, FUZZ]:
        skip(reason)
