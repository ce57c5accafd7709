"""Tests of `trunkline.mock.generators`: each kind of generator, and equal values for equal seeds."""

from __future__ import annotations

import re
from datetime import datetime
from random import Random
from uuid import UUID

import pytest

from trunkline.exchange import Json
from trunkline.mock.generators import UNIQUE, Context, Record, build_generators, format_time

NOW = "2024-03-05T14:22:15Z"


def generate(spec: dict[str, Json], record: Record | None = None, *, count: int = 50, seed: int = 0) -> list[Json]:
    """Values of one generator."""
    generator = build_generators({"field": spec}, Random(seed))["field"]  # noqa: S311 - not secrets
    return [generator(Context(serial, record or {}, NOW)) for serial in range(1, count + 1)]


TEXT_SPECS: dict[str, tuple[dict[str, Json], str]] = {
    "a running number": ({"serial": "line-{}"}, r"line-[1-9][0-9]?"),
    "a running number, twice": ({"serial": "sip{}@{}"}, r"sip([0-9]+)@\1"),
    "letters": ({"letters": "conn_{}"}, r"conn_[a-z0-9]{9}"),
    "words": ({"words": [["a", "b"], ["x"]]}, r"[ab] x"),
}


@pytest.mark.parametrize("name", TEXT_SPECS)
def test_a_text_follows_its_template(name: str) -> None:
    """Each text has the form that its generator asks for."""
    spec, form = TEXT_SPECS[name]
    assert all(re.fullmatch(form, text) for text in generate(spec))


@pytest.mark.parametrize("kind", UNIQUE)
def test_unique_generators_never_repeat_a_value(kind: str) -> None:
    """The generators that may make ids repeat no value, and a UUID has version 4."""
    spec: dict[str, Json] = {"uuid": True} if kind == "uuid" else {kind: "x{}"}
    values = generate(spec, count=500)
    assert len(set(values)) == 500
    if kind == "uuid":
        assert {UUID(value).version for value in values} == {4}
        assert all(value == str(UUID(value)) for value in values)


def test_random_letters_are_not_used_twice() -> None:
    """Even if the random source gives the same letters again."""
    rng = Random(1)  # noqa: S311 - not secrets
    generator = build_generators({"id": {"letters": "{}"}}, rng)["id"]
    values = []
    for _ in range(10):
        rng.seed(1)
        values.append(generator(Context(1, {})))
    assert len(set(values)) == 10


def test_one_of_chooses_every_value() -> None:
    """Each value is chosen in a long run, whatever its type."""
    values = generate({"one_of": [True, None, "x", 3]}, count=200)
    assert {repr(value) for value in values} == {"True", "None", "'x'", "3"}


def test_between_includes_both_ends() -> None:
    """Whole numbers include both ends; `decimals` gives fractions."""
    assert set(generate({"between": [1, 3]}, count=200)) == {1, 2, 3}
    fractions = generate({"between": [80, 100], "decimals": 1})
    assert all(80 <= value <= 100 and round(value, 1) == value for value in fractions)
    assert any(value != int(value) for value in fractions)


def test_a_time_is_between_its_bounds() -> None:
    """It is written in UTC, as in the documents."""
    first, last = "2024-01-01T00:00:00Z", "2024-01-01T02:00:00+01:00"
    values = generate({"time": [first, last]})
    assert all(re.fullmatch(r"2024-01-01T0[01]:[0-9]{2}:[0-9]{2}Z", value) for value in values)
    assert len(set(values)) > 1


def test_null_is_the_share_of_null_values() -> None:
    """No value is null for 0, all are for 1, some in between."""
    assert generate({"null": 1, "one_of": ["x"]}) == [None] * 50
    assert generate({"null": 0, "one_of": ["x"]}) == ["x"] * 50
    assert set(generate({"null": 0.5, "serial": "x"})) == {None, "x"}


def test_an_object_has_generators_for_its_fields() -> None:
    """Objects can be nested."""
    spec = {"fields": {"a": {"one_of": [1]}, "b": {"fields": {"c": {"serial": "{}"}}}}}
    assert generate(spec, count=2) == [{"a": 1, "b": {"c": "1"}}, {"a": 1, "b": {"c": "2"}}]


@pytest.mark.parametrize("value", [None, False, 0, "", [], {"calls_today": 0}, "{name}"])
def test_a_constant_is_not_a_template(value: Json) -> None:
    """Braces in a constant stay as they are."""
    assert generate({"value": value}, {"name": "n"}, count=1) == [value]


def test_now_is_the_time_of_the_context() -> None:
    """All fields that are made for one request have the same time."""
    assert generate({"now": True}, count=1) == [NOW]


def test_a_text_is_filled_with_fields_of_the_record() -> None:
    """Braces in the value of a field are not filled again."""
    record: Record = {"user": "{odd}", "port": 5061}
    assert generate({"text": "sip://{user}@x:{port}"}, record, count=1) == ["sip://{odd}@x:5061"]


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
def test_a_value_is_rewritten_in_the_first_form_that_matches(number: Json, written: str) -> None:
    """The pattern must match the whole value; a value that matches none is unchanged."""
    spec: dict[str, Json] = {"rewrite": {"field": "number", "forms": FORMS}}
    assert generate(spec, {"number": number}, count=1) == [written]


def test_the_same_seed_gives_the_same_values() -> None:
    """This holds for every kind of generator."""
    for spec in (
        *(spec for spec, _ in TEXT_SPECS.values()),
        {"uuid": True},
        {"between": [0, 10**9]},
        {"null": 0.5, "one_of": [1, 2]},
    ):
        assert generate(spec, seed=3) == generate(spec, seed=3)
    assert generate({"uuid": True}, seed=3) != generate({"uuid": True}, seed=4)


@pytest.mark.parametrize("clock", [0.0, 0.999, 1_709_648_535.5, 4_102_444_800.0])
def test_a_time_is_formatted_as_in_the_documents(clock: float) -> None:
    """In UTC, in whole seconds, never in the future."""
    text = format_time(clock)
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text)
    assert 0 <= clock - datetime.fromisoformat(text).timestamp() < 1
