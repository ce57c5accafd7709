"""The bodies that the stateful check sends are valid or have one flaw; the fields that it expects are documented."""

from __future__ import annotations

import re
from random import Random

import pytest

from tests.check.stateful.defects import SERVERS
from trunkline.check.stateful.fields import conditional_inputs, defaults, inputs, shown_fields
from trunkline.check.stateful.request_bodies import (
    ValueFactory,
    changing_body,
    complete_body,
    flaws,
    partial_body,
    to_json,
    variant_counts,
    variants,
)
from trunkline.check.stateful.resources import resource_operations
from trunkline.contract.patterns import sample
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.exchange import Request
from trunkline.findings import Grade
from trunkline.mock import loader

LOADED = {name: loader.load(name) for name in SERVERS}

each_vendor = pytest.mark.parametrize("vendor", sorted(SERVERS))


def factory() -> ValueFactory:
    return ValueFactory("trunkline-check-test", Random(7))  # noqa: S311 - values to send


@pytest.mark.parametrize(
    "pattern", ["a|bc", r"x\.y\+", "[a-c-]{3}", "(a(b|c)?){2,3}", r"\d{4}\w", "[+*.]", "a{2,}", "b*c+", "(?:a|b)", "—"]
)
def test_a_sample_matches_its_pattern(pattern: str) -> None:
    """Every sample of a pattern matches the whole pattern."""
    random = Random(1)  # noqa: S311 - values to look at
    for _ in range(50):
        assert re.fullmatch(pattern, sample(pattern, random))


@pytest.mark.parametrize("pattern", ["a.b", "^a", "[^a]", r"\s", "a$", "(a", "[a", "a)", "\\"])
def test_an_unsupported_pattern_is_refused(pattern: str) -> None:
    """A pattern that is invalid, or has syntax that is not supported, raises an error."""
    with pytest.raises((ValueError, re.error)):
        sample(pattern, Random(1))  # noqa: S311 - values to look at


@each_vendor
def test_each_input_has_a_variant(vendor: str) -> None:
    """Every pattern of harmless values in the data can be read, and its values are allowed."""
    for operation in LOADED[vendor].contract.operations:
        for input_ in inputs(operation):
            assert variants(operation, input_), input_.name


@each_vendor
def test_a_complete_body_is_valid_in_every_variant(vendor: str) -> None:
    """The contract accepts each body that is drawn for a creation."""
    random, make = Random(3), factory()  # noqa: S311 - values to look at
    for operations in resource_operations(LOADED[vendor].contract):
        create = operations.create
        for _ in range(60):
            chosen = tuple(random.randrange(count) for count in variant_counts(create))
            body = complete_body(create, make, chosen)
            assert create.body is not None
            assert create.contract.accepts(create.body.schema, body.values)
            conditional = conditional_inputs(create) & body.values.keys()
            assert all(str(body.values["ai_provider"]) in name for name in conditional)


@each_vendor
def test_unique_values_are_never_repeated(vendor: str) -> None:
    """Labels and unique inputs are new in every body."""
    make = factory()
    for operations in resource_operations(LOADED[vendor].contract):
        create = operations.create
        names = {*create.kind.unique, create.kind.label} - {""}
        bodies = [complete_body(create, make).values for _ in range(200)]
        for name in names:
            assert len({body[name] for body in bodies}) == len(bodies)


@each_vendor
def test_each_flaw_is_one_that_the_contract_refuses(vendor: str) -> None:
    """A flawed body is invalid by the contract, unless its flaw is a field that is no input."""
    make = factory()
    for operations in resource_operations(LOADED[vendor].contract):
        for operation in operations.writers:
            path = re.sub(r"\{\w+\}", "x", operation.path)
            for flaw in flaws(operation):
                values = complete_body(operation, make, (1,) * len(inputs(operation)), flaw.requires).values
                headers = (("authorization", "Bearer x"), ("content-type", flaw.media_type))
                content = flaw.edit_bytes(to_json(flaw.apply(values)))
                request = Request(operation.method, path, "", headers, content)
                has_reason = flaw.read_only is None and flaw.name != "nested too deeply"
                assert bool(reasons_to_refuse(operation.contract, request)) is has_reason, flaw.name


@each_vendor
def test_the_wrong_text_of_a_secret_is_that_of_no_other_input(vendor: str) -> None:
    """A secret is redacted wherever it occurs: a finding about another input could not show what was sent."""
    contract = LOADED[vendor].contract
    operations = [operation for found in resource_operations(contract) for operation in found.writers]
    sent = [flaw.apply({}) for operation in operations for flaw in flaws(operation)]
    pairs = [pair for values in sent if isinstance(values, dict) for pair in values.items()]
    secret, other = (
        {
            str(value).strip("[']")
            for name, value in pairs
            if (name in contract.secrets) is is_secret and "!" in str(value)
        }
        for is_secret in (True, False)
    )
    assert secret
    assert not any(one.endswith(two) or two.endswith(one) for one in secret for two in other)


@pytest.mark.parametrize(
    ("vendor", "read_only"),
    [
        ("telepath", {"updateTrunk": ["ai_provider"]}),
        ("talkover", {"updateSipTrunk": ["is_verified"]}),
    ],
)
def test_read_only_fields_of_updates_are_flags_and_listed_values(vendor: str, read_only: dict[str, list[str]]) -> None:
    """They are never inputs, do not change by themselves, and only updates have them."""
    operations = LOADED[vendor].contract.operations
    found = {
        operation.operation_id: [flaw.read_only.name for flaw in flaws(operation) if flaw.read_only]
        for operation in operations
        if operation.body is not None
    }
    assert {name: fields for name, fields in found.items() if fields} == read_only


def test_defaults_depend_on_what_is_sent() -> None:
    """The model reads the defaults from the contract itself, those under a condition too."""
    create = LOADED["talkover"].contract.operation("createSipTrunk")
    assert {name: default.value for name, default in defaults(create, {}).items()} == {
        "transport": "tls",
        "is_active": False,
        "port": 5061,
    }
    assert defaults(create, {"transport": "tcp"})["port"].value == 5060
    assert defaults(create, {"transport": "tcp"})["port"].depends_on == {"transport"}
    assert "port" not in defaults(create, {"port": 1})


def test_a_partial_body_has_only_inputs_that_fit_the_item() -> None:
    """An input that only some items have is not sent to others, and at least one input is sent."""
    update = LOADED["telepath"].contract.operation("updateTrunk")
    chosen = (1,) * len(inputs(update))
    body = partial_body(update, factory(), chosen, lambda name: "elevenlabs" not in name and "custom" not in name, {})
    assert body.values.keys() == {"name", "openai_api_key", "system_prompt"}
    assert partial_body(update, factory(), (0,) * len(chosen), lambda _: True, {}).values.keys() == {"name"}


def test_a_changing_body_changes_each_input() -> None:
    """Each of the named inputs gets another value than the item has."""
    update = LOADED["talkover"].contract.operation("updateSipTrunk")
    for transport in ("udp", "tcp", "tls"):
        values = changing_body(update, factory(), frozenset({"transport", "domain"}), {"transport": transport}).values
        assert values.keys() == {"transport", "domain"}
        assert values["transport"] != transport


def test_the_shown_fields_are_those_of_the_response_schema() -> None:
    """The fields of an item are found through every reference, with their evidence."""
    fields = shown_fields(LOADED["telepath"].contract.operation("listTrunks"))
    assert fields["metrics/calls_today"].volatile
    assert fields["name"].schema.reference == "schemas/telepath/trunk.json#/properties/name"
    assert fields["name"].schema.evidence.grade is Grade.DOCUMENTED
