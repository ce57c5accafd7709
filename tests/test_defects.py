"""Each rule and law catches a seeded defect, and each defect is caught by the rule or law that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from tests.defects import BY_NAME, DEFECTS, FUZZ, LOADED, PARAMETERS, TOKENS, Defect, examine, report_on
from trunkline import mock
from trunkline.check.rules import RULES
from trunkline.check.runner import NOT_ALLOWED
from trunkline.contract.requests import build_request
from trunkline.exchange import curl
from trunkline.findings import Finding

THROUGH_RULES = {law.name for law in BY_NAME.values() if "judged by the rules" in law.basis}
"""The laws that only ask: what they provoke is judged by the rules."""


def label(defect: Defect) -> str:
    return f"{defect.vendor}: {defect.name}: {defect.caught_by}"


READING = {operation for name in TOKENS for operation in LOADED[name].contract.operations if operation.reads}


each_defect = pytest.mark.parametrize("defect", DEFECTS, ids=label, scope="module")  # one report serves both tests


def test_there_are_many_defects_with_unique_names() -> None:
    """The catalog is large, and the name of a defect is unique."""
    names = [(defect.name, defect.vendor) for defect in DEFECTS]
    assert len(DEFECTS) >= 300
    assert len(set(names)) == len(names)


@each_defect
def test_a_defect_is_caught_by_its_rule_or_law(defect: Defect) -> None:
    """The rule or law that a defect names has a finding, which fails the run unless the defect is only worth a note.

    No finding contains a secret.
    """
    report = report_on(defect)
    caught = [finding for finding in report.findings if finding.rule == defect.caught_by]
    failing = [finding for finding in report.failures() if finding.rule == defect.caught_by]
    assert caught, sorted({finding.rule for finding in report.findings})
    assert bool(failing) is not defect.note
    assert all(finding.exchanges for finding in caught)
    assert_no_secret(defect.vendor, report.findings)


def test_every_rule_and_law_catches_a_defect() -> None:
    """Each rule, each law and both checks of Schemathesis have a defect that names them."""
    named = {defect.caught_by for defect in DEFECTS}
    rules = {rule.name for rule in RULES} | {"secret_values_stay_hidden", "ignored_auth", "unsupported_method"}
    assert rules | set(BY_NAME) - THROUGH_RULES <= named


@pytest.mark.parametrize("law", sorted(THROUGH_RULES))
def test_a_law_that_rules_judge_provokes_a_defect(law: str) -> None:
    """A law whose responses the rules judge leads to a failing finding when it runs alone."""
    assert any(defect.law == law and report_on(defect).failures() for defect in DEFECTS)


def test_a_defect_names_an_existing_law_and_operation() -> None:
    """Each defect names an existing law and operation, and each operation that reads has defects."""
    assert {defect.provoked_by for defect in DEFECTS} <= {*BY_NAME, FUZZ}
    checked = {(defect.vendor, defect.checked) for defect in DEFECTS}
    assert checked == {(operation.contract.vendor, operation.operation_id) for operation in READING}


@pytest.mark.slow_for("-1", "-2147483648")
@pytest.mark.parametrize("seed", [0, 1, 2**31])
@pytest.mark.parametrize("name", sorted(TOKENS))
def test_the_unbroken_mock_has_no_finding(name: str, seed: int) -> None:
    """The unbroken mock has no finding and no note with any seed, and everything is exercised."""
    report = examine(name, mock.from_vendor(LOADED[name]), *BY_NAME, seed=seed)
    assert report.findings == ()
    assert set(report.exercised.values()) == {""}
    reading = {operation.operation_id for operation in READING if operation.contract.vendor == name}
    assert {operation for operation, _ in report.exercised} == reading


@pytest.mark.parametrize("name", sorted(TOKENS))
def test_the_unbroken_mock_has_no_finding_of_schemathesis(name: str) -> None:
    """Schemathesis finds nothing wrong with the unbroken mock; operations that write are reported as left out."""
    report = examine(name, mock.from_vendor(LOADED[name]), FUZZ, examples=3)
    assert report.findings == ()
    for operation in LOADED[name].contract.operations:
        reason = report.exercised[operation.operation_id, FUZZ]
        assert reason == NOT_ALLOWED if operation not in READING else reason == ""


def texts(finding: Finding) -> Iterator[str]:
    """All text that is printed for a finding."""
    evidence = finding.evidence
    yield from (finding.rule, finding.operation, finding.message, finding.at, finding.contract)
    yield from (finding.expected, finding.seen, evidence.source, evidence.note)
    for exchange in finding.exchanges:
        yield curl(exchange.request, "http://127.0.0.1:8900/v1")
        yield repr(exchange.request)
        yield repr(exchange.response)


def assert_no_secret(vendor: str, findings: Iterable[Finding]) -> None:
    """The text of each finding and its `curl` command contain no credential and no password."""
    secrets = LOADED[vendor].secrets
    for finding in findings:
        for text in texts(finding):
            assert not any(secret in text for secret in secrets), text


def test_a_defect_does_not_change_what_it_decorates() -> None:
    """Decorating a mock does not change the mock itself."""
    for name in TOKENS:
        target = mock.from_vendor(LOADED[name])
        for defect in DEFECTS:
            if defect.vendor == name and defect.provoked_by == "same_request_same_response":
                operation = LOADED[name].contract.operation(defect.checked)
                defect.break_(target)(build_request(operation, PARAMETERS[name], credential=TOKENS[name]))
        assert examine(name, target, "same_request_same_response").findings == ()
