"""Tests of `trunkline.exchange`: JSON is read by RFC 8259, in a bounded memory, and messages print no secret."""

from __future__ import annotations

import json
import sys
import tracemalloc

import pytest

from trunkline.exchange import (
    NotJSON,
    Request,
    Response,
    all_places,
    beyond_limits,
    cached_by_body,
    parse_json,
    pointer_to,
    read_json,
)

pytest_plugins = "pytester"

LARGEST = sys.float_info.max


@pytest.mark.parametrize(
    ("text", "value", "variants", "duplicates"),
    [
        ('{"a": 1, "a": 2}', {"a": 2}, [{"a": 1}], ["/a"]),
        ('{"a": 1, "a": 1}', {"a": 1}, [{"a": 1}], ["/a"]),
        ('{"a":1,"a" :2, "a": 3}', {"a": 3}, [{"a": 1}, {"a": 2}], ["/a"]),
        ('{"a\\u0062": 1, "ab": 2}', {"ab": 2}, [{"ab": 1}], ["/ab"]),
        ('{"a": {"b": 1, "b": 2}, "a": 3}', {"a": 3}, [{"a": {"b": 2}}, {"a": {"b": 1}}], ["/a", "/a/b"]),
        ('[{"a/b": 1, "a/b": 2}, {"c": 3}]', [{"a/b": 2}, {"c": 3}], [[{"a/b": 1}, {"c": 3}]], ["/0/a~1b"]),
        (
            '[{"a": 1, "a": 2}, {"a": 3, "a": 4}]',
            [{"a": 2}, {"a": 4}],
            [[{"a": 1}, {"a": 3}]],
            ["/0/a", "/1/a"],
        ),
        ('{"a": "\\":", "b": ":", "c" : "{\\"a\\":1}"}', {"a": '":', "b": ":", "c": '{"a":1}'}, [], []),
    ],
)
def test_every_value_of_a_name_is_in_a_variant(
    text: str, value: object, variants: list[object], duplicates: list[str]
) -> None:
    """The value has the last one of each name, as most clients read it; each variant has one that it hides."""
    read = read_json(text.encode())
    assert read.value == value
    assert list(read.variants) == variants
    assert list(read.duplicates) == duplicates
    assert Response(200, (), text.encode()).json() == value


@pytest.mark.parametrize(
    ("number", "value"),
    [("1e400", LARGEST), ("-1e400", -LARGEST), ("9" * 5000, LARGEST), ("1e5", 1e5), ("1e-400", 0), ("0.5E+1", 5)],
)
def test_a_number_that_no_double_holds_is_out_of_range(number: str, value: float) -> None:
    """It is neither null nor infinite, and its place is known."""
    read = read_json(f'{{"a": [{number}]}}'.encode())
    assert read.value == {"a": [value]}
    assert read.out_of_range == (("/a/0",) if abs(value) == LARGEST else ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"port": 1, "port": 2}', 'the name "port" occurs twice in one object'),
        ('{"port": 1e400}', "a number is out of range"),
        ('{"port": ' + "9" * 5000 + "}", "a number is out of range"),
        ('{"port": NaN}', "NaN is not a JSON number"),
        ("[" * 102 + "]" * 102, "nested more than 100 levels deep"),
        ('{"]}":["\\"]\\\\",' * 51 + "1" + "]}" * 51, "nested more than 100 levels deep"),
        ("[" * 9999 + "]" * 9999, "nested too deeply"),
        ("[" * 100_000, "^it looks cut off .it is nested too deeply to be read.$"),
        ('{"a": [' * 9999 + '"]]]', "^it looks cut off"),
        ("[[", "^it looks cut off .Expecting value at line 1, column 3.$"),
    ],
)
def test_what_readers_differ_in_is_no_input(text: str, reason: str) -> None:
    """A body or file of which two readers may make two things is refused, with the reason."""
    with pytest.raises(NotJSON, match=reason):
        parse_json(text.encode())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" * 100 + b"]" * 100, ""),
        (b"[" * 102 + b"]" * 102, "the body is nested more than 100 levels deep, the limit of trunkline"),
        (b"[" * 9999 + b"]" * 9999, "the body is nested too deeply to be read: the limit of trunkline is 100 levels"),
        (b'{"a":1%s}' % (b',"a":2' * 9), "duplicate names give it more than 8 variants, the limit of trunkline"),
        (b"[", ""),
        (b"[" * 9999, ""),
        (b"", ""),
    ],
)
def test_a_limit_of_ours_is_told_from_what_is_no_json(body: bytes, reason: str) -> None:
    """Its sentence says that it is ours: the body may be right."""
    assert beyond_limits(body) == reason


@pytest.mark.parametrize("text", ["[" * 101 + "]" * 101, '["[[", "\\"{{\\\\", "[]"' + ', ["["]' * 200 + "]"])
def test_brackets_in_strings_are_no_levels(text: str) -> None:
    """Nor are those of neighbors."""
    assert parse_json(text.encode()) == json.loads(text)


def test_the_variants_of_a_body_are_bounded() -> None:
    """A body cannot multiply the work of its reader by duplicate names within one another."""
    body = "1"
    for _ in range(8):
        body = f'{{"a": {body}, "a": {body}}}'
    with pytest.raises(NotJSON, match="more than 8 variants"):
        read_json(body.encode())


def test_a_page_without_duplicate_names_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual body, compact or with blanks, is not read a second time."""
    monkeypatch.setattr(json, "loads", None)
    page = {"trunks": [{"id": f"conn_{n}", "name": "a: b", "at": "2024-03-05T14:22:15Z"} for n in range(3)]}
    assert parse_json(json.dumps(page).encode()) == page
    assert parse_json(json.dumps(page, separators=(",", ":"), indent=1).encode()) == page


def test_a_printed_request_has_no_secret(pytester: pytest.Pytester) -> None:
    """Neither the `repr` of a message nor what pytest writes of a failed comparison shows a secret."""
    pytester.makepyfile(
        """
        from trunkline.exchange import Exchange, Request, Response

        one, two, three, four, five, six, seven = (f"SEC{'RET'}-{number}" for number in range(7))
        QUERY = f"client_secret={one}&note=Bearer%20{two}&at=https://me:{three}@host&again={four}"
        HEADERS = (("authorization", f"Bearer {five}"), ("x-api-key", four), ("x-auth-token", six), ("x-note", four))
        BODY = f'{{"password": "{seven}"}}'.encode()
        ASKED = Request("POST", f"/{four.lower()}/{seven}", QUERY, HEADERS, BODY)
        ANSWERED = Response(200, HEADERS, BODY)

        def test_none():
            assert ASKED is None

        def test_other():
            assert ASKED == Request("GET", "/trunks")

        def test_many():
            assert [Exchange(ASKED, ANSWERED)] == [Exchange(Request("GET", "/"), Response(200))]

        def test_response():
            assert ANSWERED == Response(200)
        """
    )
    result = pytester.runpytest_subprocess("-vv", "--junit-xml=junit.xml", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=4)
    shown = result.stdout.str() + (pytester.path / "junit.xml").read_text()
    assert "client_secret=***" in shown
    assert "SECRET-" not in shown.upper()


def test_equal_messages_are_equal() -> None:
    """Requests and responses compare by all their parts, and equal ones have the same hash."""
    assert Request("GET", "/", "a=1", (("A", "b"),), b"x") == Request("GET", "/", "a=1", (("a", "b"),), b"x")
    assert hash(Request("GET", "/")) == hash(Request("GET", "/"))
    assert Request("GET", "/") != Request("GET", "/", body=b"x")
    assert Response(200, (), b"x") == Response(200, (), b"x")
    assert Response(200) not in (Response(201), Request("GET", "/"))


def test_odd_places_are_named_within_a_bound() -> None:
    """Of many duplicate names and numbers out of range, the first are named: a pointer may be as long as the text."""
    duplicates = ",".join(f'"{number}":1,"{number}":2' for number in range(2000))
    numbers = ",".join(["1e999"] * 2000)
    body = f'{{"{"k" * 100_000}": [{{{duplicates}}}, [{numbers}]]}}'.encode()
    tracemalloc.start()
    try:
        text = read_json(body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < len(text.duplicates) < 100
    assert 0 < len(text.out_of_range) < 100
    assert most < 20 << 20


def test_places_cost_no_more_than_their_values() -> None:
    """A long name is not repeated for each of the values below it."""
    value = {"k" * 100_000: list(range(5000))}
    tracemalloc.start()
    try:
        last = [place for place, _ in all_places(value)][-1]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pointer_to(last) == f"/{'k' * 100_000}/4999"
    assert most < 4 << 20


def test_large_bodies_are_forgotten() -> None:
    """The value of a large body is remembered for one body at a time."""
    tracemalloc.start()
    try:
        for number in range(5):
            Response(200, (), json.dumps(["x" * 2_000_000, number]).encode()).json()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 8 << 20


def test_only_one_large_body_is_remembered() -> None:
    """By all functions together, each of which has read it once; small ones are remembered apart."""
    read: list[tuple[str, int]] = []

    @cached_by_body
    def first(body: bytes) -> int:
        read.append(("first", len(body)))
        return len(body)

    @cached_by_body
    def second(more: int, body: bytes) -> int:
        read.append(("second", len(body)))
        return len(body) + more

    large, other, small = b"a" * ((1 << 20) + 1), b"b" * ((1 << 20) + 2), b"c"
    for _ in range(3):
        assert (first(large), second(1, large), second(2, large)) == (len(large), len(large) + 1, len(large) + 2)
        assert first(small) == 1
    assert len(read) == 4
    assert [first(other), second(1, large), first(large)] == [len(other), len(large) + 1, len(large)]
    assert read[4:] == [("first", len(other)), ("second", len(large)), ("first", len(large))]
