"""Every rule, law and check is explained, and each example is what a seeded defect gives."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests import explanations
from tests.explanations import ROOT
from trunkline.check.explanations import CATALOGUE, every, example, of
from trunkline.contract import folders
from trunkline.errors import UsageError

NAMES = [check.name for checks in CATALOGUE.values() for check in checks]
AGAIN = "; run `nox -s explanations`"


def test_every_rule_law_and_check_is_explained_once() -> None:
    """Each has a meaning, causes and a way to fix it, and no other name has."""
    texts = tomllib.loads((ROOT / "src/trunkline/check/explanations.toml").read_text("utf-8"))
    assert sorted(texts) == sorted(every()) == sorted(NAMES)
    for name in NAMES:
        found = of(name)
        assert found.causes, name
        for sentence in (found.meaning, found.fix):
            assert sentence[0].isupper(), name
            assert sentence.endswith("."), name


def test_an_unknown_name_is_a_mistake() -> None:
    """The sentence names what may have been meant."""
    with pytest.raises(UsageError, match="did you mean body_is_json"):
        of("body_is_jsn")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_what_its_seeded_defect_gives(name: str) -> None:
    """The requests, the responses and the finding are those of a mock with this mistake."""
    vendor, made = explanations.example(name)
    assert example(name, vendor) == (made["mistake"], "\n".join(made["lines"])), AGAIN
    assert any(line.startswith("FINDING ") for line in made["lines"])


def test_no_other_example_is_there() -> None:
    """Each name has one example, of one vendor."""
    found = [name for vendor in folders.names() for name in json.loads(_file(vendor).read_text("utf-8"))]
    assert sorted(found) == sorted(NAMES)


def _file(vendor: str) -> Path:
    return ROOT / "fixtures" / vendor / "examples.json"


def test_the_page_of_the_rules_is_made_from_the_same_source() -> None:
    """docs/rules.md has each explanation, as `trunkline explain` prints it."""
    assert (ROOT / "docs" / "rules.md").read_text("utf-8") == explanations.page(), AGAIN
