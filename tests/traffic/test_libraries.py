"""Tests of `trunkline.traffic.libraries`: responses of other libraries, and parts of responses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import requests
from trunkline.contract import folders
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Response
from trunkline.mock import loader
from trunkline.traffic import BODY, RESPONSE, UNKNOWN
from trunkline.traffic.libraries import read_object, read_parts, read_response

VENDORS = {name: loader.load(name) for name in folders.names()}
BODY_TEXT = b'{"id": "a"}'


def test_responses_of_other_libraries_are_read_by_their_attributes() -> None:
    """`requests` and `httpx` give equal responses, and a response of our own is returned as it is."""
    ours = Response(201, (("x-a", "1"),), BODY_TEXT)
    theirs = requests.Response()
    theirs.status_code, theirs._content = 201, BODY_TEXT
    theirs.headers["X-A"] = "1"
    assert read_response(theirs) == ours
    sized = replace(ours, headers=(*ours.headers, ("content-length", str(len(BODY_TEXT)))))
    assert read_response(httpx.Response(201, headers=[("X-A", "1")], content=BODY_TEXT)) == sized
    assert read_response(ours) is ours


def test_repeated_headers_of_httpx_stay_separate() -> None:
    """`Headers.items()` would join them."""
    pairs = [("Set-Cookie", "a"), ("Set-Cookie", "b")]
    assert read_response(httpx.Response(200, headers=pairs)).headers == (("set-cookie", "a"), ("set-cookie", "b"))


@dataclass
class Odd:
    """An object with some attributes of a response."""

    status_code: Any = 200
    headers: Any = None


@pytest.mark.parametrize(
    "other", [Odd(), Odd(headers={}), Odd("x", {}), None, 3, SimpleNamespace(status_code=200, headers={})]
)
def test_an_object_that_is_not_a_response_is_refused(other: object) -> None:
    """The message names the type and the attributes that a response needs."""
    with pytest.raises(UsageError, match=f"a {type(other).__name__} is not a response"):
        read_response(other)


def test_parts_of_a_response_are_read() -> None:
    """A part that is not given is not known; no part at all, and parts beside a response, are refused."""
    for vendor in VENDORS.values():
        assert read_object(Response(200), vendor.contract) == Exchange(UNKNOWN, Response(200), RESPONSE)
        with pytest.raises(UsageError, match="two responses"):
            vendor.validate(Response(200), body=b"")
    assert read_parts(None, None, "é") == Exchange(UNKNOWN, Response(0, (), "é".encode()), BODY)
    whole = Exchange(UNKNOWN, Response(200, (("x-a", "1"),)), RESPONSE)
    headers: Any
    for headers in ({"X-A": "1"}, [("X-A", "1")], (pair for pair in [(b"X-A", b"1")]), httpx.Headers({"X-A": "1"})):
        assert read_parts(200, headers, b"") == whole
    with pytest.raises(UsageError, match="nothing to validate"):
        read_parts(200, None, None)


@pytest.mark.parametrize(
    ("part", "wrong", "sentence"),
    [
        *(("status", status, "status= is a number such as 200, not a") for status in ("200", True, 200.0)),
        *(("headers", headers, "headers= is a mapping, or a list of pairs") for headers in ("a: b", [1], [("a",)], 3)),
        *(("body", body, "body= is text, bytes or a JSON value") for body in (object(), {"a": {1}})),
    ],
)
def test_a_part_of_another_type_is_refused(part: str, wrong: Any, sentence: str) -> None:
    """With one sentence that names the part."""
    parts: dict[str, Any] = {"status": 200, "headers": {}, "body": {}, part: wrong}
    with pytest.raises(UsageError, match=sentence):
        VENDORS["telepath"].validate(**parts, operation="listTrunks")


def test_an_answer_to_head_was_not_read_before() -> None:
    """In urllib it has the content-length of the body that GET would get."""
    fields = {"content-length": "9"}
    answer = SimpleNamespace(status=200, headers=fields, read=lambda: b"", _method="HEAD")
    assert read_response(answer).body == b""
    answer._method = "GET"
    with pytest.raises(UsageError, match="was read before"):
        read_response(answer)
