"""An implementation that settles differently what no page settles has no finding."""

from __future__ import annotations

import pytest

from tests.check.stateful.defects import LAWFUL, OWN, SECOND, SERVERS, ManyTrunks, OtherPlan, Variation
from trunkline.check.stateful.runner import run_stateful
from trunkline.findings import Finding
from trunkline.mock import loader

LOADED = {name: loader.load(name) for name in SERVERS}


def label(variation: Variation) -> str:
    return f"{variation.vendor}: {variation.name}"


SECOND_TIER = (
    "telepath: Every answer about a trunk shows",
    "telepath: The answers to a creation and an update show",
    "telepath: An invalid body",
    "A creation is answered with 202",
    "A verification that fails is answered with 422",
    "A trunk of another account is answered with 403",
    "The activation of an unverified trunk is refused",
    "A verification activates",
    "A carrier is reached every other time",
    "Every update of a connection resets",
    "A default port follows the transport",
    "Every fifth request is one too many",
    "The ids are UUIDs",
    "An update stores that the trunk is verified",
    "A user name is one on the whole network",
    "Another client creates trunks all the time",
    "A null is read as an input that was not sent",
    "A field that is no input is refused",
)
"""Variations of which a similar one is in the first tier."""


@pytest.mark.slow_for(*SECOND_TIER)
@pytest.mark.parametrize("variation", LAWFUL, ids=label)
def test_a_lawful_variation_has_no_finding(variation: Variation) -> None:
    """A lawful variant has no finding; one that breaks a custom has a note."""
    results = run_stateful(
        LOADED[variation.vendor].contract,
        variation.server(),
        prefix="trunkline-check-test",
        credential=OWN,
        second_credential=SECOND,
        examples=8,
        steps=12,
    )
    findings = [result for result in results if isinstance(result, Finding)]
    assert {finding.evidence.grade for finding in findings} == ({"customary"} if variation.note else set()), findings


def test_what_could_not_be_judged_is_reported_as_not_exercised() -> None:
    """Where a list may be incomplete, or nothing can be created, the laws have a reason."""
    contract = LOADED["talkover"].contract
    results = list(run_stateful(contract, ManyTrunks(), prefix="p", credential=OWN, examples=3, steps=5))
    reasons = {(result.operation, result.law): result.reason for result in results if not isinstance(result, Finding)}
    assert reasons["createSipTrunk", "created_is_listed"]
    assert "--second-token" in reasons["getSipTrunk", "accounts_are_apart"]
    assert not reasons["createSipTrunk", "created_is_read_back"]
    results = list(
        run_stateful(contract, OtherPlan(), prefix="p", credential=OWN, second_credential=SECOND, examples=3, steps=5)
    )
    reasons = {(result.operation, result.law): result.reason for result in results if not isinstance(result, Finding)}
    for operation, law in (
        ("createSipTrunk", "created_is_read_back"),
        ("createSipTrunk", "valid_input_is_accepted"),
        ("updateSipTrunk", "update_shows"),
        ("createSipTrunkDid", "created_is_read_back"),
    ):
        assert reasons[operation, law] == "createSipTrunk answered 403 to a valid body"
