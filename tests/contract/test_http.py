"""Tests of `trunkline.contract.http`: what RFC 9110 asks of a response by its status and method."""

from __future__ import annotations

import pytest

from trunkline.contract.http import FIELDS, decode_unreserved, forbids_content, missing_fields, with_implied


@pytest.mark.parametrize(
    ("status", "names"),
    [
        (200, ["date"]),
        (401, ["www-authenticate", "date"]),
        (405, ["allow", "date"]),
        (407, ["proxy-authenticate", "date"]),
        (426, ["upgrade", "date"]),
        (429, ["date"]),
        (500, []),
        (100, []),
    ],
)
def test_a_status_requires_fields(status: int, names: list[str]) -> None:
    """A challenge comes with 401 and 407, the methods with 405, and a date with each status below 500."""
    assert missing_fields(status, ()) == names
    assert missing_fields(status, names) == []


@pytest.mark.parametrize(
    ("method", "status", "section"),
    [
        ("GET", 204, "15.3.5"),
        ("GET", 205, "15.3.6"),
        ("GET", 304, "15.4.5"),
        ("GET", 103, "15.2"),
        ("HEAD", 200, "9.3.2"),
        ("GET", 200, ""),
        ("OPTIONS", 405, ""),
    ],
)
def test_content_is_forbidden_by_status_or_method(method: str, status: int, section: str) -> None:
    """The section that forbids it is named; most responses may have content."""
    assert forbids_content(method, status) == section


@pytest.mark.parametrize(
    ("methods", "allowed"),
    [
        ({"GET", "POST"}, ("GET", "HEAD", "OPTIONS", "POST")),
        ({"DELETE"}, ("DELETE", "OPTIONS")),
        ({"HEAD", "OPTIONS", "get"}, ("HEAD", "OPTIONS", "get")),
    ],
)
def test_head_comes_with_get(methods: set[str], allowed: tuple[str, ...]) -> None:
    """HEAD is wherever GET is, and OPTIONS everywhere. The names of methods are case-sensitive."""
    assert with_implied(methods) == allowed


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("www-authenticate", ["Bearer", 'Bearer realm="a", Basic realm="b"', "Negotiate YWI="], ["", "(", "=a"]),
        ("allow", ["GET, HEAD", "", ", GET ,PUT"], ["GET; HEAD", "G/T"]),
        ("date", ["Sun, 06 Nov 1994 08:49:37 GMT"], ["1994-11-06", "Sun, 6 Nov 1994 08:49:37 GMT", "٠"]),
        ("retry-after", ["0", "120", "Sun, 06 Nov 1994 08:49:37 GMT"], ["", "-1", "1.5", "١٢", "soon"]),
        ("upgrade", ["h2c, foo/1"], [""]),
    ],
)
def test_a_field_has_a_form(name: str, good: list[str], bad: list[str]) -> None:
    """The form is that of the field's section."""
    assert [value for value in good + bad if FIELDS[name].form.fullmatch(value)] == good


@pytest.mark.parametrize(
    ("path", "decoded"),
    [
        ("/%74runks", "/trunks"),
        ("/%54%7E%5f%2D%2e%30%7a", "/T~_-.0z"),
        ("/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("/%00%20%40%5B%60%7B%7f%80%E9", "/%00%20%40%5B%60%7B%7f%80%E9"),
        ("/%2574", "/%2574"),
        ("/%7%74%", "/%7t%"),
        ("/plain", "/plain"),
    ],
)
def test_an_encoded_letter_is_that_letter(path: str, decoded: str) -> None:
    """Unreserved characters are decoded, once; all others stay as they are, so that no path gets another meaning."""
    assert decode_unreserved(path) == decoded


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_no_value_takes_long_to_read(name: str) -> None:
    """A long value with a wrong end is refused at once, not after every way to split it was tried."""
    assert FIELDS[name].form.fullmatch("GET" * 20_000 + "\n(") is None
