"""Each mistake of the catalogue is found by the law that it names, with a short sequence of requests."""

from __future__ import annotations

from functools import cache

import pytest

from tests.check.stateful.defects import DEFECTS, OWN, SECOND, SERVERS, Defect
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


@cache
def found_in(defect: Defect) -> tuple[Finding, ...]:
    """What a life finds in an implementation with the mistake, up to what must be found."""
    contract = LOADED[defect.vendor].contract
    report = Report()

    def judged(exchange: Exchange) -> None:
        operation = operation_of(contract, exchange)
        report.extend(judge(operation, exchange) if operation else ())

    server = defect.server()
    target = checked(server, judged) if defect.by_rules else server
    findings = []
    for said in run_stateful(
        contract, target, prefix=PREFIX, credential=OWN, second_credential=SECOND, examples=3, steps=10
    ):
        if isinstance(said, Finding):
            findings.append(said)
            if said.rule == defect.law:
                break
    return (*findings, *report.findings)


def label(defect: Defect) -> str:
    return f"{defect.vendor}: {defect.name}"


each_defect = pytest.mark.parametrize("defect", DEFECTS, ids=label)


def test_there_are_many_mistakes_and_none_is_there_twice() -> None:
    """The catalogue is large, over both vendors, and a mistake can be found by its name."""
    names = [(defect.name, defect.vendor) for defect in DEFECTS]
    assert len(DEFECTS) >= 100
    assert len(set(names)) == len(names)
    assert {defect.vendor for defect in DEFECTS} == set(SERVERS)


@each_defect
def test_a_mistake_is_found_with_a_short_sequence(defect: Defect) -> None:
    """The law that a mistake names finds it, fails a run, and shows no more requests than it takes."""
    named = [finding for finding in found_in(defect) if finding.rule == defect.law]
    assert named, [(finding.rule, finding.message) for finding in found_in(defect)]
    assert named[0].evidence.grade in ("documented", "implied")
    assert 1 <= len(named[0].exchanges) <= defect.most


def test_every_law_of_a_life_finds_a_mistake() -> None:
    """No law is without a mistake that it is asked to find."""
    assert {law.name for law in STATEFUL_LAWS} <= {defect.law for defect in DEFECTS}


@each_defect
def test_no_finding_tells_a_secret(defect: Defect) -> None:
    """Neither a finding nor its script holds a credential, nor a secret that was sent."""
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


@each_defect
def test_what_is_made_is_told_by_its_name(defect: Defect) -> None:
    """Every name that is sent begins with the prefix of the run, but for those that are wrong on purpose."""
    contract = LOADED[defect.vendor].contract
    labels = {operation.kind.label for operation in contract.of_kind(Create)} - {""}
    for finding in found_in(defect):
        for exchange in finding.exchanges:
            for name in labels if exchange.response.status < 400 else ():
                value = exchange.request.body.decode().partition(f'"{name}": "')[2]
                assert not value or value.startswith(PREFIX)
