"""A JSON text is rewritten with a new value: whatever stays equal keeps its form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.contract.rewriting import rewritten
from trunkline.exchange import Json

SCHEMAS = sorted((Path(__file__).parents[2] / "schemas").glob("*/*.json"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ('{"a": 1,  "b": [ 1, 2 ]}', {"a": 1, "b": [1, 2, 3]}, '{"a": 1,  "b": [ 1, 2, 3 ]}'),
        ('{"a":1,"b":2}\n', {"a": 1, "b": 2, "c": None}, '{"a":1,"b":2,"c": null}\n'),
        ('{\n    "a": 1\n}', {"a": 1, "b": 2}, '{\n    "a": 1,\n    "b": 2\n}'),
        ('{"a": 1, "b": 2}', {"b": 2}, '{"b": 2}'),
        ('{"a": 1, "b": 2}', {"c": 3}, '{"c": 3}'),
        ("[1, 2, 3]", [1, 3], "[1, 3]"),
        ('{"a": true}', {"a": 1}, '{"a": 1}'),
        ("{}", {"a": {}}, '{"a": {}}'),
        ('{"a": [1]}', {"a": []}, '{"a": []}'),
    ],
)
def test_only_what_differs_changes(text: str, value: Json, expected: str) -> None:
    """A new member or item is written as its neighbors are."""
    assert rewritten(text, value) == expected


def test_a_line_that_becomes_too_long_is_broken() -> None:
    """As in the files by hand: each member has its own line then."""
    value = {"grade": "documented", "note": "x" * 100}
    assert rewritten('{\n  "evidence": {"grade": "documented"}\n}', {"evidence": value}) == (
        '{\n  "evidence": {\n    "grade": "documented",\n    "note": "' + "x" * 100 + '"\n  }\n}'
    )


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_same_value_keeps_every_character(path: Path) -> None:
    """Of each file of the contracts."""
    text = path.read_text("utf-8")
    assert rewritten(text, json.loads(text)) == text


@settings(max_examples=50)
@given(VALUES, VALUES, st.sampled_from([None, 1, 4]))
def test_the_text_has_the_new_value(old: Any, new: Any, indent: int | None) -> None:
    """Whatever the two values are, and however the old one is written."""
    assert json.loads(rewritten(json.dumps(old, indent=indent), new)) == new


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1), st.text(max_size=3), VALUES)
def test_one_more_member_changes_no_line_but_the_last(old: dict[str, Any], name: str, value: Any) -> None:
    """So a diff shows the addition, and at most a comma."""
    text = json.dumps(old, indent=2)
    new = {**old, f"new {name}": value}
    lines, kept = rewritten(text, new).split("\n"), text.split("\n")[:-2]
    assert lines[: len(kept)] == kept
