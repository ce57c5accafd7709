"""Tests of `trunkline.traffic.ndjson`: rows in trunkline's own shape become exchanges."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.recordings import PAGE, entries_of
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json
from trunkline.mock import loader
from trunkline.traffic import WHOLE
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.ndjson import read_row
from trunkline.traffic.validation import validate

TELEPATH = loader.load("telepath").contract
DOCUMENT = Path(__file__).parents[2] / "docs" / "traffic.md"
URL = "https://api.telepathvoice.com/v1/trunks?limit=10"


def row(body: Json = PAGE, **response: Json) -> dict[str, Json]:
    """A row of one exchange."""
    return {
        "time": "1970-01-01T00:01:00Z",
        "request": {"method": "GET", "url": URL, "headers": [["Accept", "*/*"], [":path", "/"]]},
        "response": {"status": 200, "headers": {"A": ["b", "c"], "D": "e"}, "body": body, **response},
    }


def exchange(value: Json) -> Exchange:
    """The exchange of a row, which is the same as a line and as a dict. Raises the error if it cannot be judged."""
    [entry] = entries_of(json.dumps(value, ensure_ascii=False).encode(), TELEPATH)
    by_row = read_row(value, ":1", Addresses(TELEPATH))
    assert (entry.place, entry.time, type(entry.exchange)) == (":1", by_row.time, type(by_row.exchange))
    if isinstance(entry.exchange, UsageError):
        assert str(entry.exchange) == str(by_row.exchange)
        raise entry.exchange
    assert entry.exchange == by_row.exchange
    return entry.exchange


BODIES = {
    "text": (row(), PAGE.encode()),
    "object": (row(json.loads(PAGE)), PAGE.encode()),
    "array": (row([1, "ü"]), None),
    "base64": (row(None, body_base64=base64.b64encode(b"\xff").decode()), b"\xff"),
    "empty": (row(""), b""),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_row_is_read_whole(name: str) -> None:
    """With its request, its time, and its header fields in either form."""
    value, body = BODIES[name]
    found = exchange(value)
    assert (found.request.method, found.request.target, found.known) == ("GET", "/trunks?limit=10", WHOLE)
    assert found.request.headers == (("authorization", "Bearer x"), ("accept", "*/*"))
    assert found.response.headers == (("a", "b"), ("a", "c"), ("d", "e"))
    assert found.response.body == body if body is not None else json.loads(found.response.body) == [1, "ü"]
    assert read_row(value, "", Addresses(TELEPATH)).time == 60


@pytest.mark.parametrize(
    ("body", "judged"),
    [
        (b'{"a": 1, "a" : 2.50}', b'{"a": 1, "a" : 2.50}'),
        (b'{"a": 1e999, "b": "\\ud83d"}', b'{"a": Infinity, "b": "\xed\xa0\xbd"}'),
    ],
)
def test_a_body_that_is_json_is_judged_as_it_is_written(body: bytes, judged: bytes) -> None:
    """Byte for byte, also with duplicate names. A number beyond any double, or half a character, is encoded anew."""
    line = json.dumps(row("BODY")).encode()
    [_, entry] = entries_of(line + b"\n" + line.replace(b'"BODY"', body), TELEPATH)
    assert isinstance(entry.exchange, Exchange)
    assert entry.exchange.response.body == judged


def test_the_line_in_the_docs_is_read() -> None:
    """docs/traffic.md shows one, which keeps the contract."""
    (block,) = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    [entry] = entries_of(block.encode() * 2, TELEPATH)[1:]
    assert (entry.place, entry.time) == (":2", 1795888800.123)
    assert isinstance(entry.exchange, Exchange)
    assert entry.exchange.request.target == "/trunks?limit=1"
    assert not validate(loader.load("telepath"), entry.exchange).findings


def test_what_may_be_missing_may_be_missing() -> None:
    """The time, the header fields and the bodies."""
    found = exchange({"request": {"method": "GET", "url": "/v1/trunks"}, "response": {"status": 204}})
    assert found.known == WHOLE - {"headers"}
    assert found.response.body == b""


def test_an_empty_body_is_judged() -> None:
    """As a text, or by its content-length: no body at all is one that nobody has recorded."""
    for found in (row(""), row(None, headers={"content-length": "0"})):
        assert exchange(found).response.body == b""


BAD = {
    "no body": (row(None, headers={"content-length": "5"}), "it has no body"),
    "no body known": (row(None), "it has no body"),
    "no status": (row(status=None), "it has no request and response"),
    "status": (row(status=0), "it has no response"),
    "body": (row(3), "it has no request and response"),
    "base64": (row(body_base64=3), "it has no request and response"),
    "headers": (row(headers=[["a"]]), "it has no request and response"),
    "headers too": (row(headers="ab"), "it has no request and response"),
    "name": (row(headers=[[1, 2]]), "it has no request and response"),
    "path": ({**row(), "request": {"method": "GET", "url": "/v1/nothing"}}, "GET /v1/nothing is no operation"),
    "url": ({**row(), "request": {"method": "GET"}}, "it has no request and response"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_row_that_cannot_be_judged_has_a_reason(name: str) -> None:
    """One sentence, for a line and for a dict alike."""
    value, reason = BAD[name]
    with pytest.raises(UsageError, match=reason):
        exchange(value)


def test_a_line_that_cannot_be_read_hides_no_other() -> None:
    """It is an error at its place: one that is cut off, another value, and bytes that are no text."""
    good = json.dumps(row()).encode()
    bad = [good[:-9], b"[]", b"3", b"\xff\xfe", b"{}", b"[" * 5000, b'{"request": {}, "response": 7}']
    found = entries_of(b"\n".join([good, *bad, good]), TELEPATH)
    assert [entry.place for entry in found] == [f":{number}" for number in range(1, 10)]
    assert [isinstance(entry.exchange, Exchange) for entry in found] == [True, *[False] * 7, True]
    assert "cut off" in str(found[1].exchange)
