"""Tests of `trunkline.traffic.curl`: the output of `curl -i` becomes exchanges."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Response
from trunkline.traffic import RESPONSE
from trunkline.traffic.curl import read_curl

BODY_TEXT = b'{"id": "a"}'


def read(data: bytes) -> Exchange:
    """The only response in the data. Raises the error if it cannot be judged."""
    [(place, _, exchange)] = read_curl(data)
    assert int(place.removeprefix(":")) >= 1
    if isinstance(exchange, UsageError):
        raise exchange
    return exchange


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/2 200 ", b"HTTP/2 200", b"HTTP/1.0 200 Fine, thanks"])
def test_curl_i_gives_status_headers_and_body(newline: bytes, line: bytes) -> None:
    """Any version, with or without a reason, and either line ending is read."""
    data = newline.join([line, b"Content-TYPE: application/json", b"X-Long: a", b"  b", b"no colon", b"", BODY_TEXT])
    exchange = read(data)
    response, known = exchange.response, exchange.known
    assert (response.status, response.body, known) == (200, BODY_TEXT, RESPONSE)
    assert response.headers == (("content-type", "application/json"), ("x-long", "a b"))


def test_the_last_of_several_header_blocks_counts() -> None:
    """A proxy's response, `100 Continue` and a redirect come before the response."""
    data = (
        b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\nHTTP/2 404 \r\nx: y\r\n\r\n{}"
    )
    exchange = read(data)
    response, known = exchange.response, exchange.known
    assert response == Response(404, (("x", "y"),), b"{}")
    assert known == RESPONSE


def test_headers_are_split_by_the_rules_of_http() -> None:
    """Only CR LF and LF end a line, and only blanks and tabs surround a value: other characters belong to it."""
    data = b"HTTP/1.1 200 OK\r\nX-Odd: \x0ba\x85b\x1cc\xa0 \t\r\nContent-Length: 2\r\n\r\n{}"
    assert read(data).response.header("x-odd") == "\x0ba\x85b\x1cc\xa0"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 205 Reset Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    ],
)
def test_a_response_may_have_no_body(data: bytes) -> None:
    """By its status, or because it says so."""
    assert read(data).response.body == b""


WRONG = {
    b"HTTP/1.1 204 No Content\r\n": "no empty line ends it",
    b"HTTP/2 204": "no empty line ends it",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/js": "no empty line ends it",
    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n": "it has no body: it is the answer to curl -I",
    b"HTTP/2 200\r\n\r\n": "it has no body",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + BODY_TEXT: "longer than its content-length: 11 bytes, not 5",
    b"HTTP/1.1 204 No Content\r\n\r\n{}": "longer than its content-length: 2 bytes, not 0",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<html>": "cut off: it is not JSON, and not of its content-length",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": "as curl --raw saves it",
    b"HTTP/2 200\r\ncontent-encoding: br\r\n\r\n\x8b\x05\x80\xff": "coded as br.*curl --compressed",
}


@pytest.mark.parametrize("data", WRONG)
def test_what_the_api_did_not_send_is_not_judged(data: bytes) -> None:
    """A response that was cut off or changed after it was received is refused with one sentence."""
    with pytest.raises(UsageError, match=WRONG[data]):
        read(data)


LENGTH = b"Content-Length: %d\r\n" % len(BODY_TEXT)


@pytest.mark.parametrize("data", [BODY_TEXT, BODY_TEXT + b"\n", BODY_TEXT + b" \r\n\r\n"])
def test_line_breaks_that_an_editor_adds_do_not_count(data: bytes) -> None:
    """They are beyond the content-length, so they are not part of the body."""
    assert read(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + data).response.body == BODY_TEXT


def test_a_body_that_was_shortened_but_is_whole_is_judged() -> None:
    """Its line ends were converted, or a word in it was replaced by a shorter one."""
    assert read(b"HTTP/1.1 200 OK\nContent-Length: 99\n\n" + BODY_TEXT).response.body == BODY_TEXT


@pytest.mark.parametrize("length", [LENGTH, b"Transfer-Encoding: chunked\r\n"], ids=["content-length", "none"])
@pytest.mark.parametrize("gap", [b"", b"\n", b"\r\n\r\n"])
def test_several_responses_are_told_apart(length: bytes, gap: bytes) -> None:
    """`curl -i A B` writes one after the other, without anything between them."""
    first = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + BODY_TEXT + gap
    data = first + b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n" + b"HTTP/2 404\r\nX-C: d\r\n\r\n{}"
    found = [*read_curl(data)]
    responses = [exchange.response for _, _, exchange in found if isinstance(exchange, Exchange)]
    assert [(response.status, response.body.strip()) for response in responses] == [
        (200, BODY_TEXT),
        (204, b""),
        (404, b"{}"),
    ]
    at = first.count(b"\n") + 1
    assert [entry.place for entry in found] == [":1", f":{at}", f":{at + 3}"]


def test_one_that_cannot_be_judged_does_not_hide_the_others() -> None:
    """A response that cannot be judged is an error with its line, and the next response is read all the same."""
    good = b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + BODY_TEXT
    [(first, _, error), (second, _, exchange)] = read_curl(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n" + good)
    assert (first, second) == (":1", ":4")
    assert isinstance(error, UsageError)
    assert isinstance(exchange, Exchange)


def test_a_challenge_and_a_redirect_belong_to_the_response_after_them() -> None:
    """The command shows their headers, and not their bodies, when it goes on."""
    for interim in (
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 9",
        b"HTTP/1.1 200 OK",
        b"HTTP/2 301\r\nlocation: /",
    ):
        assert read(interim + b"\r\n\r\nHTTP/2 404\r\nx: y\r\n\r\n{}").response.status == 404


def test_many_responses_take_time_in_proportion() -> None:
    """A hundred thousand header blocks are read without copying what follows each of them."""
    data = b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000 + b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + BODY_TEXT
    [entry] = read_curl(data)
    assert entry.place == ":200001"


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("X-Gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_coded_body_is_decoded(coding: str, pack: Any) -> None:
    """`curl -i` shows the body as it was sent; with --compressed, the header stays and the body is plain."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode()
    assert read(head + pack(BODY_TEXT)).response.body == BODY_TEXT
    assert read(head + BODY_TEXT).response.body == BODY_TEXT
    broken = pack(BODY_TEXT)[:-5]
    sized = head[:-2] + b"Content-Length: %d\r\n\r\n" % len(broken)
    assert read(sized + broken).response.body == broken, "the API sent it so"
    for headers in (head, head[:-2] + b"Content-Length: 99\r\n\r\n"):
        with pytest.raises(UsageError, match="the body was cut off"):
            read(headers + broken)


def test_a_body_in_an_unknown_coding_is_refused() -> None:
    """A body in Brotli cannot be judged; the same body after `curl --compressed` can."""
    head = b"HTTP/2 200\r\ncontent-encoding: br\r\n\r\n"
    assert read(head + BODY_TEXT).response.body == BODY_TEXT
    with pytest.raises(UsageError, match=r"coded as br.*curl --compressed"):
        read(head + b"\x8b\x05\x80\xff")


def test_each_place_is_read_a_few_times() -> None:
    """Neither status lines in a text, nor blanks or a long reason to which many lengths lead, take long."""
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    text = b'{"a": "' + b"HTTP/1.1 200 " * 80_000 + b'"}'
    assert read(head + text).response.body == text
    one, count = b"HTTP/1.1 200 OK\r\ncontent-length: %07d\r\n\r\n{}", 3_000
    size = len(one % 0)
    data = b"".join(one % (index * size + 2) for index in reversed(range(count)))
    for end in (b" " * 2_000_000 + b"x", b"HTTP/1.1 200 " + b"a" * 2_000_000 + b"\rx"):
        assert len([*read_curl(data + end)]) == count


def test_a_status_line_in_a_text_begins_no_response() -> None:
    """The next response begins at the last status line of a line, for curl writes it right after the body."""
    head, text = b"HTTP/1.1 200 OK\r\n\r\n", b'{"a": "HTTP/1.1 500 "}'
    bodies = [exchange.response.body for _, _, exchange in read_curl(head + text + head + b"{}")]  # type: ignore[union-attr]
    assert bodies == [text, b"{}"]
