"""The tests that users run against an implementation. The docstring of a test states the requirement."""

from __future__ import annotations

import pytest

from trunkline.check.availability import COMPLETENESS
from trunkline.check.laws import Law
from trunkline.check.rules import Rule
from trunkline.check.runner import FUZZ, NOT_ALLOWED
from trunkline.check.stateful.laws import STATEFUL_LAWS, StatefulLaw
from trunkline.contract.model import Operation
from trunkline.report.run import BEYOND_LIMITS
from trunkline.suite.conftest import Implementation


def test_documented_request(implementation: Implementation, operation: Operation) -> None:
    """The plain documented request succeeds. If it does not, the operation cannot be judged."""
    if not operation.reads:
        pytest.skip("not exercised: the stateful laws check whether an operation that writes succeeds")
    report, name = implementation.plain_report(), operation.operation_id
    missing = [found for found in report.findings if (found.rule, found.operation) == (COMPLETENESS.name, name)]
    implementation.fail(operation, missing, report)
    implementation.skip_unless_implemented(operation)
    statuses = [status for reached, status in report.reach.statuses if reached == name]
    if name in report.reach.unjudged:
        implementation.shortfalls.append(f"no success of {name} could be judged: {BEYOND_LIMITS}")
        implementation.skip(operation, BEYOND_LIMITS)
    if name in report.reach.succeeded:
        return
    reason = implementation.unanswered(operation) or f"it was answered with {statuses}, never with success"
    if name not in report.unasked or name in implementation.settings.operation:
        implementation.shortfalls.append(f"no success of {name} was seen: {reason}")
    implementation.skip(operation, reason)


def test_rule(implementation: Implementation, operation: Operation, rule: Rule) -> None:
    """The response to the plain documented request obeys the rule."""
    implementation.skip_unless_implemented(operation)
    if reason := implementation.unanswered(operation):
        implementation.skip(operation, reason)
    report, key = implementation.plain_report(), (operation.operation_id, rule.name)
    if "body" in rule.needs and operation.operation_id in report.reach.unjudged:
        implementation.skip(operation, BEYOND_LIMITS)
    findings = [found for found in implementation.failures(report) if (found.operation, found.rule) == key]
    implementation.fail(operation, findings, report)


def test_law(implementation: Implementation, operation: Operation, law: Law) -> None:
    """The responses to the requests of the law obey the law, and break no rule that was not reported before."""
    implementation.skip_unless_implemented(operation)
    checker = implementation.checker()
    report = checker.report
    with implementation.within_budget(report):
        checker.check_law(operation, law)
    implementation.fail(operation, implementation.failures(report), report)
    if reason := report.exercised[operation.operation_id, law.name]:
        implementation.skip(operation, reason, law.name)


def test_stateful_law(implementation: Implementation, operation: Operation, stateful_law: StatefulLaw) -> None:
    """Items are created, changed and deleted in any order, and the responses obey the law, and the rules."""
    if implementation.writing is None:
        implementation.skip(operation, NOT_ALLOWED, stateful_law.name)
    report = implementation.stateful_report()
    findings = [finding for finding in implementation.failures(report) if finding.operation == operation.operation_id]
    own = [finding for finding in findings if finding.rule == stateful_law.name]
    if stateful_law is next(law for law in STATEFUL_LAWS if law.concerns(operation)):
        laws = {law.name for law in STATEFUL_LAWS}
        own += [finding for finding in findings if finding.rule not in laws]  # broken rules fail the first test
    implementation.fail(operation, own, report)
    implementation.skip_unless_implemented(operation)
    if reason := report.exercised.get((operation.operation_id, stateful_law.name), report.stopped):
        implementation.skip(operation, reason, stateful_law.name)


def test_schemathesis(implementation: Implementation, operation: Operation) -> None:
    """The responses to generated requests break no rule that was not reported before."""
    implementation.skip_unless_implemented(operation)
    checker = implementation.checker()
    report = checker.report
    try:
        with implementation.within_budget(report):
            checker.fuzz([operation])
    finally:
        checker.clean()
        implementation.leftovers += report.leftovers
    implementation.fail(operation, implementation.failures(report), report)
    if reason := report.exercised[operation.operation_id, FUZZ]:
        implementation.skip(operation, reason, FUZZ)
