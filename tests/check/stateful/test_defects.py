"""Each seeded defect is found by the law that it names, with a short sequence of requests."""

from __future__ import annotations

from functools import cache

import pytest

from tests.check.stateful.defects import DEFECTS, ONLY_RANDOM_FINDS, OWN, SECOND, SERVERS, Defect
from trunkline.check.rules import judge, operation_of
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.check.stateful.runner import run_stateful
from trunkline.check.stateful.script import script
from trunkline.contract.model import Create
from trunkline.exchange import Exchange
from trunkline.findings import Finding, Report
from trunkline.mock import loader
from trunkline.transport.targets import checked

LOADED = {name: loader.load(name) for name in SERVERS}
PREFIX = "trunkline-check-test"


def search(defect: Defect, examples: int, steps: int) -> tuple[Finding, ...]:
    """The findings in an implementation with the seeded defect, up to the one that must be found."""
    contract = LOADED[defect.vendor].contract
    report = Report()

    def judge_exchange(exchange: Exchange) -> None:
        operation = operation_of(contract, exchange)
        report.extend(judge(operation, exchange) if operation else ())

    server = defect.server()
    target = checked(server, judge_exchange) if defect.by_rules else server
    results = run_stateful(
        contract, target, prefix=PREFIX, credential=OWN, second_credential=SECOND, examples=examples, steps=steps
    )
    findings = []
    for result in results:
        if isinstance(result, Finding):
            findings.append(result)
            if result.rule == defect.law:
                break
    return (*findings, *report.findings)


@cache
def found_in(defect: Defect) -> tuple[Finding, ...]:
    """The findings of a short check."""
    return search(defect, examples=3, steps=10)


def label(defect: Defect) -> str:
    return f"{defect.vendor}: {defect.name}"


each_defect = pytest.mark.parametrize("defect", DEFECTS, ids=label)


def test_seeded_defects_are_many_and_have_no_duplicates() -> None:
    """There are at least 100 seeded defects, in both vendors, and each has its own name."""
    names = [(defect.name, defect.vendor) for defect in DEFECTS]
    assert len(DEFECTS) >= 100
    assert len(set(names)) == len(names)
    assert {defect.vendor for defect in DEFECTS} == set(SERVERS)


@each_defect
def test_a_seeded_defect_is_found_with_few_requests(defect: Defect) -> None:
    """The law that a seeded defect names finds it, fails the run, and needs no more requests than it must.

    No finding contains a secret, and every created item has the name of the run.
    """
    named = [finding for finding in found_in(defect) if finding.rule == defect.law]
    assert named, [(finding.rule, finding.message) for finding in found_in(defect)]
    assert named[0].evidence.grade in ("documented", "implied")
    assert 1 <= len(named[0].exchanges) <= defect.most
    assert_no_secret(defect)
    assert_names_of_the_run(defect)


def test_every_law_finds_a_seeded_defect() -> None:
    """Each law has a seeded defect that it must find."""
    assert {law.name for law in STATEFUL_LAWS} <= {defect.law for defect in DEFECTS}


def assert_no_secret(defect: Defect) -> None:
    """Neither a finding nor its script contains a credential or a secret that was sent."""
    contract = LOADED[defect.vendor].contract
    for finding in found_in(defect):
        text = script(contract, finding, "http://127.0.0.1:9") + "".join(
            (finding.message, finding.expected, finding.seen, finding.at, *(map(repr, finding.exchanges)))
        )
        assert OWN not in text
        assert SECOND not in text
        for exchange in finding.exchanges:
            body = exchange.request.body.decode()
            for name in contract.secrets:
                value = body.partition(f'"{name}": "')[2].partition('"')[0]
                assert not value.startswith(("tk-", "sk-")) or value not in text


def assert_names_of_the_run(defect: Defect) -> None:
    """Every accepted name begins with the prefix of the run."""
    contract = LOADED[defect.vendor].contract
    labels = {create.kind.label for create in contract.of_kind(Create)} - {""}
    for finding in found_in(defect):
        for exchange in finding.exchanges:
            for name in labels if exchange.response.status < 400 else ():
                value = exchange.request.body.decode().partition(f'"{name}": "')[2]
                assert not value or value.startswith(PREFIX)


@pytest.mark.parametrize("defect", ONLY_RANDOM_FINDS, ids=label)
def test_random_scenarios_find_what_fixed_ones_do_not(defect: Defect) -> None:
    """Seeded defects that take several moves in a row are found by random scenarios only."""
    assert not search(defect, examples=0, steps=0)
    assert defect.law in {finding.rule for finding in search(defect, examples=100, steps=20)}
