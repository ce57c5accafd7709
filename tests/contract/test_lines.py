"""The lines of a contract's places: each JSON Pointer leads to the line of its value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.contract import folders
from trunkline.contract.lines import find_line, lines_by_pointer
from trunkline.exchange import Json, all_places, pointer_to

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@settings(max_examples=30)
@given(VALUES, st.sampled_from([None, 0, 2]))
def test_every_pointer_has_a_line(value: Json, indent: int | None) -> None:
    """Whatever the names and values are, and however the text is laid out."""
    text = json.dumps(value, indent=indent)
    lines = lines_by_pointer(text)
    assert {*lines} == {pointer_to(place) for place, _ in all_places(value)}
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def test_a_member_is_where_its_name_is() -> None:
    """An item of an array is where it begins."""
    text = '{\n"a/b":\n[ 1,\n2],\n"c": {"}": "\\"{,:", "d":\n{}}}'
    lines = {"": 1, "/a~1b": 2, "/a~1b/0": 3, "/a~1b/1": 4, "/c": 5, "/c/}": 5, "/c/d": 5}
    assert lines_by_pointer(text) == lines


@pytest.mark.parametrize("vendor", folders.names())
def test_a_reference_leads_to_the_line_of_the_file(vendor: str) -> None:
    """A place that is not there leads to the nearest one around it, and another file to none."""
    [file] = [root / "schemas" / vendor / "openapi.json" for root in folders.roots()]
    reference = f"schemas/{vendor}/openapi.json#/info/title"
    line = find_line(reference)
    assert line
    assert '"title"' in file.read_text("utf-8").splitlines()[line - 1]
    assert find_line(f"{reference}/0/missing") == line
    assert find_line(f"schemas/{vendor}/openapi.json") == 1
    assert find_line(f"schemas/{vendor}/missing.json#/info") is None
    assert find_line("") is None


def test_vendors_of_your_own_have_lines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that TRUNKLINE_DATA names is looked into."""
    (tmp_path / "schemas" / "acme").mkdir(parents=True)
    (tmp_path / "schemas" / "acme" / "trunk.json").write_text('{\n "type":\n "object"}')
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    assert find_line("schemas/acme/trunk.json#/type") == 2
