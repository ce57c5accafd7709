"""What no page settles is held against nobody, however differently it is done."""

from __future__ import annotations

import pytest

from tests.check.stateful.defects import LAWFUL, OWN, SECOND, SERVERS, ManyTrunks, OtherPlan, Variation
from trunkline.check.stateful.runner import run_stateful
from trunkline.findings import Finding
from trunkline.mock import loader

LOADED = {name: loader.load(name) for name in SERVERS}


def label(variation: Variation) -> str:
    return f"{variation.vendor}: {variation.name}"


@pytest.mark.parametrize("variation", LAWFUL, ids=label)
def test_a_lawful_variation_has_no_finding(variation: Variation) -> None:
    """An implementation that goes another way raises no finding at all; where a custom is broken, a note."""
    told = run_stateful(
        LOADED[variation.vendor].contract,
        variation.server(),
        prefix="trunkline-check-test",
        credential=OWN,
        second_credential=SECOND,
        examples=8,
        steps=12,
    )
    findings = [said for said in told if isinstance(said, Finding)]
    assert {finding.evidence.grade for finding in findings} == ({"customary"} if variation.note else set()), findings


def test_what_could_not_be_seen_is_not_called_seen() -> None:
    """Where a list is not surely whole, or nothing can be made, a report says so."""
    contract = LOADED["talkover"].contract
    told = list(run_stateful(contract, ManyTrunks(), prefix="p", credential=OWN, examples=3, steps=5))
    reasons = {(said.operation, said.law): said.reason for said in told if not isinstance(said, Finding)}
    assert reasons["createSipTrunk", "created_is_listed"]
    assert "--second-token" in reasons["getSipTrunk", "accounts_are_apart"]
    assert not reasons["createSipTrunk", "created_is_read_back"]
    told = list(
        run_stateful(contract, OtherPlan(), prefix="p", credential=OWN, second_credential=SECOND, examples=3, steps=5)
    )
    reasons = {(said.operation, said.law): said.reason for said in told if not isinstance(said, Finding)}
    for operation, law in (
        ("createSipTrunk", "created_is_read_back"),
        ("createSipTrunk", "valid_input_is_accepted"),
        ("updateSipTrunk", "update_shows"),
        ("createSipTrunkDid", "created_is_read_back"),
    ):
        assert reasons[operation, law] == "createSipTrunk answered 403 to a valid body"
