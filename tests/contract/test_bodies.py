"""Tests of `trunkline.contract.bodies`.

What stands where in a body, what a filter asks for, and which texts are secret.
"""

from __future__ import annotations

from typing import Literal

import pytest

from trunkline.contract.bodies import (
    NOTHING,
    at_each,
    at_pointer,
    json_object,
    json_value,
    same_id,
    satisfies,
    time_at,
)
from trunkline.contract.model import Filter
from trunkline.exchange import Json
from trunkline.findings import Evidence, Grade

SAID = Evidence(Grade.DOCUMENTED, "https://example.com/page")


@pytest.mark.parametrize(
    ("how", "has", "wanted", "verdict"),
    [
        ("equal", "active", "active", True),
        ("equal", "active", "error", False),
        ("equal", None, "active", False),
        ("equal", 7, "7", False),
        ("equal", [], "", False),
        ("equal", "550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000", True),
        ("equal", "Active", "active", False),
        ("from", "2024-03-05T10:30:00Z", "2024-03-05T10:30:00Z", True),
        ("until", "2024-03-05T10:30:00Z", "2024-03-05T10:30:00Z", True),
        ("from", "2024-03-05T10:30:00Z", "2024-03-05T12:30:00+02:00", True),
        ("until", "2024-03-05T10:30:00.001Z", "2024-03-05T10:30:00Z", False),
        ("from", "2024-03-05T10:29:59.999Z", "2024-03-05T10:30:00Z", False),
        ("from", "2024-03-05t10:30:01z", "2024-03-05T10:30:00Z", True),
        ("until", "2024-03-06T00:00:00+14:00", "2024-03-05T10:30:00Z", True),
        ("from", "2024-03-05T10:30:00", "2024-03-05T10:30:00Z", None),
        ("from", "2024-03-05T10:30:00Z", "2024-03-05", None),
        ("until", None, "2024-03-05T10:30:00Z", None),
        ("until", 1709634600, "2024-03-05T10:30:00Z", None),
        ("from", "2024-03-05T10:30:00Z", "yesterday", None),
        ("from", {"at": 1}, "\udcff", None),
    ],
)
def test_a_value_is_what_a_filter_asks_for(
    how: Literal["equal", "from", "until"], has: Json, wanted: str, verdict: bool | None
) -> None:
    """Equal, or at or after, or at or before; a text that is not a time is never a difference."""
    assert satisfies(Filter("/x", SAID, how), has, wanted) is verdict


@pytest.mark.parametrize("at", ["", "/a", "/a/0", "/a/0/b~1c", "/x", "/a/1", "/a/b", "/a/0/b~1c/d"])
def test_what_stands_nowhere_is_nothing(at: str) -> None:
    """And nothing else is: null stands where it stands."""
    value = {"a": [{"b/c": None}]}
    found = {"": value, "/a": value["a"], "/a/0": value["a"][0], "/a/0/b~1c": None}
    assert at_pointer(value, at) == found.get(at, NOTHING)
    assert at_each([value, [value]], at) == [at_pointer(value, at), at_pointer([value], at)]
    assert time_at({"at": "2024-03-05T10:30:00Z"}, "/at") is not None
    assert time_at({"at": 7}, "/at") is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("550E8400-E29B-41D4-A716-446655440000", "550e8400-e29b-41d4-a716-446655440000", True),
        ("conn_ABC", "conn_abc", False),
        ("550E8400-E29B-41D4-A716-44665544000X", "550e8400-e29b-41d4-a716-44665544000x", False),
        (7, "7", True),
        (True, "True", False),
        ("", "", False),
        ("..", "..", False),
        (None, None, False),
    ],
)
def test_ids_are_compared_in_one_way(first: Json, second: Json, same: bool) -> None:
    """The letters of a UUID have no case (RFC 9562, section 4), all others have; what no path can hold is no id."""
    assert same_id(first, second) is same


@pytest.mark.parametrize(
    ("body", "value", "members"),
    [
        (b'{"a": 1}', {"a": 1}, {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}, {}),
        (b"[1]", [1], {}),
        (b"", NOTHING, {}),
        (b"{", NOTHING, {}),
    ],
)
def test_a_body_is_read_without_an_exception(body: bytes, value: Json, members: Json) -> None:
    """As any value, or as an object, which has no name twice."""
    assert json_value(body) == value
    assert json_object(body) == members
