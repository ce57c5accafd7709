"""JSON bodies are read by RFC 8259: every value of a name that stands twice, and no number that no double holds."""

from __future__ import annotations

import json
import sys

import pytest

from trunkline.exchange import NotJSON, Response, parse_json, read_json

LARGEST = sys.float_info.max


@pytest.mark.parametrize(
    ("text", "readings", "doubled"),
    [
        ('{"a": 1, "a": 2}', [{"a": 2}, {"a": 1}], ["/a"]),
        ('{"a":1,"a" :2}', [{"a": 2}, {"a": 1}], ["/a"]),
        ('{"a\\u0062": 1, "ab": 2}', [{"ab": 2}, {"ab": 1}], ["/ab"]),
        ('{"a": {"b": 1, "b": 2}, "a": 3}', [{"a": 3}, {"a": {"b": 2}}, {"a": {"b": 1}}], ["/a", "/a/b"]),
        ('[{"a/b": 1, "a/b": 2}, {"c": 3}]', [[{"a/b": 2}, {"c": 3}], [{"a/b": 1}, {"c": 3}]], ["/0/a~1b"]),
        ('{"a": "\\":", "b": ":", "c" : "{\\"a\\":1}"}', [{"a": '":', "b": ":", "c": '{"a":1}'}], []),
    ],
)
def test_every_value_of_a_name_is_in_a_reading(text: str, readings: list[object], doubled: list[str]) -> None:
    """The first reading has the last value of each name, as most clients do; the others have the hidden values."""
    read = read_json(text.encode())
    assert list(read.readings) == readings
    assert list(read.doubled) == doubled
    assert Response(200, (), text.encode()).json() == readings[0]


@pytest.mark.parametrize(
    ("number", "value"),
    [("1e400", LARGEST), ("-1e400", -LARGEST), ("9" * 5000, LARGEST), ("1e5", 1e5), ("1e-400", 0), ("0.5E+1", 5)],
)
def test_a_number_that_no_double_holds_is_out_of_range(number: str, value: float) -> None:
    """It is neither null nor infinite, and its place is known."""
    read = read_json(f'{{"a": [{number}]}}'.encode())
    assert read.readings == ({"a": [value]},)
    assert read.out_of_range == (("/a/0",) if abs(value) == LARGEST else ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"port": 1, "port": 2}', 'the name "port" stands twice in one object'),
        ('{"port": 1e400}', "a number is out of range"),
        ('{"port": ' + "9" * 5000 + "}", "a number is out of range"),
        ('{"port": NaN}', "NaN is not a JSON number"),
        ("[" * 102 + "]" * 102, "nested more than 100 levels deep"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_readers_differ_in_is_no_input(text: str, reason: str) -> None:
    """A body or file of which two readers may make two things is refused, with the reason."""
    with pytest.raises(NotJSON, match=reason):
        parse_json(text.encode())


def test_the_number_of_readings_is_bounded() -> None:
    """A body cannot multiply the work of its reader by names that stand many times, one within the other."""
    body = "1"
    for _ in range(8):
        body = f'{{"a": {body}, "a": {body}}}'
    with pytest.raises(NotJSON, match="more than 8 values"):
        read_json(body.encode())


def test_a_page_without_doubled_names_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual body, compact or with blanks, is not read a second time."""
    monkeypatch.setattr(json, "loads", None)
    page = {"trunks": [{"id": f"conn_{n}", "name": "a: b", "at": "2024-03-05T14:22:15Z"} for n in range(3)]}
    assert parse_json(json.dumps(page).encode()) == page
    assert parse_json(json.dumps(page, separators=(",", ":"), indent=1).encode()) == page
