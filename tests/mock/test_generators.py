"""Tests of `trunkline.mock.generators`.

Each way to make a field makes what it says, and the same for the same chance.
"""

from __future__ import annotations

import re
from datetime import datetime
from random import Random
from uuid import UUID

import pytest

from trunkline.exchange import Json
from trunkline.mock.generators import UNIQUE, Context, Record, build_generators, format_time

NOW = "2024-03-05T14:22:15Z"


def made(how: dict[str, Json], record: Record | None = None, *, count: int = 50, seed: int = 0) -> list[Json]:
    """So many values that are made in one way."""
    make = build_generators({"field": how}, Random(seed))["field"]  # noqa: S311 - not secrets
    return [make(Context(serial, record or {}, NOW)) for serial in range(1, count + 1)]


WAYS: dict[str, tuple[dict[str, Json], str]] = {
    "a running number": ({"serial": "line-{}"}, r"line-[1-9][0-9]?"),
    "a running number, twice": ({"serial": "sip{}@{}"}, r"sip([0-9]+)@\1"),
    "letters": ({"letters": "conn_{}"}, r"conn_[a-z0-9]{9}"),
    "words": ({"words": [["a", "b"], ["x"]]}, r"[ab] x"),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_text_is_made_in_its_form(name: str) -> None:
    """Each text has the form that its recipe shows."""
    how, form = WAYS[name]
    assert all(re.fullmatch(form, text) for text in made(how))


@pytest.mark.parametrize("way", UNIQUE)
def test_what_names_a_thing_is_made_once(way: str) -> None:
    """The ways to make an identity make no value twice, and a UUID is one of version 4."""
    how: dict[str, Json] = {"uuid": True} if way == "uuid" else {way: "x{}"}
    values = made(how, count=500)
    assert len(set(values)) == 500
    if way == "uuid":
        assert {UUID(value).version for value in values} == {4}
        assert all(value == str(UUID(value)) for value in values)


def test_letters_that_were_used_are_not_used_again() -> None:
    """Also when chance gives them again."""
    chance = Random(1)  # noqa: S311 - not secrets
    make = build_generators({"id": {"letters": "{}"}}, chance)["id"]
    values = []
    for _ in range(10):
        chance.seed(1)
        values.append(make(Context(1, {})))
    assert len(set(values)) == 10


def test_a_choice_is_one_of_its_values() -> None:
    """Each value is chosen at some time, whatever its type."""
    values = made({"one_of": [True, None, "x", 3]}, count=200)
    assert {repr(value) for value in values} == {"True", "None", "'x'", "3"}


def test_a_range_has_both_ends() -> None:
    """A whole number between two others, both of them included, or a fraction of so many decimals."""
    assert set(made({"between": [1, 3]}, count=200)) == {1, 2, 3}
    fractions = made({"between": [80, 100], "decimals": 1})
    assert all(80 <= value <= 100 and round(value, 1) == value for value in fractions)
    assert any(value != int(value) for value in fractions)


def test_a_time_is_between_two_others() -> None:
    """It is written as the documents write it, in UTC."""
    first, last = "2024-01-01T00:00:00Z", "2024-01-01T02:00:00+01:00"
    values = made({"time": [first, last]})
    assert all(re.fullmatch(r"2024-01-01T0[01]:[0-9]{2}:[0-9]{2}Z", value) for value in values)
    assert len(set(values)) > 1


def test_a_share_of_values_is_null() -> None:
    """None of them for 0, all for 1, some between."""
    assert made({"null": 1, "one_of": ["x"]}) == [None] * 50
    assert made({"null": 0, "one_of": ["x"]}) == ["x"] * 50
    assert set(made({"null": 0.5, "serial": "x"})) == {None, "x"}


def test_an_object_is_made_of_fields() -> None:
    """Each field has a way of its own, nested as deep as one likes."""
    how = {"fields": {"a": {"one_of": [1]}, "b": {"fields": {"c": {"serial": "{}"}}}}}
    assert made(how, count=2) == [{"a": 1, "b": {"c": "1"}}, {"a": 1, "b": {"c": "2"}}]


@pytest.mark.parametrize("value", [None, False, 0, "", [], {"calls_today": 0}, "{name}"])
def test_a_value_is_taken_as_it_is(value: Json) -> None:
    """Nothing is filled in it."""
    assert made({"value": value}, {"name": "n"}, count=1) == [value]


def test_now_is_the_moment() -> None:
    """Not the clock, so that all that is made for one answer is of one moment."""
    assert made({"now": True}, count=1) == [NOW]


def test_a_text_is_of_the_fields_of_the_record() -> None:
    """As they are by now; what a field holds is not read as a form again."""
    record: Record = {"user": "{odd}", "port": 5061}
    assert made({"text": "sip://{user}@x:{port}"}, record, count=1) == ["sip://{odd}@x:5061"]


FORMS = [[r"\+1([0-9]{3})([0-9]{3})([0-9]{4})", r"(\1) \2-\3"], [r"\+44(20)([0-9]{8})", r"0\1 \2"]]


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("+15551234567", "(555) 123-4567"),
        ("+442079460958", "020 79460958"),
        ("+155512345678", "+155512345678"),
        ("x+15551234567", "x+15551234567"),
        ("+15551234567\n", "+15551234567\n"),
        ("", ""),
        (15551234567, "15551234567"),
    ],
)
def test_a_value_is_written_in_the_first_form_that_it_has(number: Json, written: str) -> None:
    """As a whole; what has none of the forms stays as it is."""
    how: dict[str, Json] = {"rewrite": {"field": "number", "forms": FORMS}}
    assert made(how, {"number": number}, count=1) == [written]


def test_the_same_chance_makes_the_same() -> None:
    """Two runs with one seed agree in every way to make a value."""
    for how in (
        *(how for how, _ in WAYS.values()),
        {"uuid": True},
        {"between": [0, 10**9]},
        {"null": 0.5, "one_of": [1, 2]},
    ):
        assert made(how, seed=3) == made(how, seed=3)
    assert made({"uuid": True}, seed=3) != made({"uuid": True}, seed=4)


@pytest.mark.parametrize("clock", [0.0, 0.999, 1_709_648_535.5, 4_102_444_800.0])
def test_a_time_is_written_as_the_documents_write_it(clock: float) -> None:
    """In UTC, in whole seconds, never in the future."""
    text = format_time(clock)
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text)
    assert 0 <= clock - datetime.fromisoformat(text).timestamp() < 1
