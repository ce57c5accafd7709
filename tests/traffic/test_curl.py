"""Tests of `trunkline.traffic.curl`: the output of `curl -i`, or a body alone, becomes an exchange."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Response
from trunkline.traffic import BODY, RESPONSE, UNKNOWN
from trunkline.traffic.curl import read_curl

BODY_TEXT = b'{"id": "a"}'


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/2 200 ", b"HTTP/2 200", b"HTTP/1.0 200 Fine, thanks"])
def test_curl_i_gives_status_headers_and_body(newline: bytes, line: bytes) -> None:
    """Any version, with or without a reason, and either line ending is read."""
    data = newline.join([line, b"Content-TYPE: application/json", b"X-Long: a", b"  b", b"no colon", b"", BODY_TEXT])
    exchange = read_curl(data)
    response, known = exchange.response, exchange.known
    assert (response.status, response.body, known) == (200, BODY_TEXT, RESPONSE)
    assert response.headers == (("content-type", "application/json"), ("x-long", "a b"))


def test_the_last_of_several_header_blocks_counts() -> None:
    """A proxy's response, `100 Continue` and a redirect come before the response."""
    data = (
        b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\nHTTP/2 404 \r\nx: y\r\n\r\n{}"
    )
    exchange = read_curl(data)
    response, known = exchange.response, exchange.known
    assert response == Response(404, (("x", "y"),), b"{}")
    assert known == RESPONSE


@pytest.mark.parametrize("data", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/2 204"])
def test_headers_alone_are_a_response_without_body(data: bytes) -> None:
    """So are the output of `curl -I`, and a file that was cut off within the headers."""
    assert read_curl(data) == Exchange(UNKNOWN, Response(204), RESPONSE)


@pytest.mark.parametrize("body", [BODY_TEXT, b"", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"{", b"NaN", b"HTTP/x 1"])
def test_of_a_lone_body_nothing_else_is_known(body: bytes) -> None:
    """The body is kept byte for byte, however broken."""
    assert read_curl(body) == Exchange(UNKNOWN, Response(0, (), body), BODY)


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("X-Gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_coded_body_is_decoded(coding: str, pack: Any) -> None:
    """`curl -i` shows the body as it was sent; with --compressed, the header stays and the body is plain."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode()
    assert read_curl(head + pack(BODY_TEXT)).response.body == BODY_TEXT
    assert read_curl(head + BODY_TEXT).response.body == BODY_TEXT
    broken = pack(BODY_TEXT)[:-5]
    assert read_curl(head + broken).response.body == broken


def test_a_body_in_an_unknown_coding_is_refused() -> None:
    """A body in Brotli cannot be judged; the same body after `curl --compressed` can."""
    head = b"HTTP/2 200\r\ncontent-encoding: br\r\n\r\n"
    assert read_curl(head + BODY_TEXT).response.body == BODY_TEXT
    with pytest.raises(UsageError, match=r"coded as br.*curl --compressed"):
        read_curl(head + b"\x8b\x05\x80\xff")


def test_a_byte_order_mark_of_the_shell_is_ignored() -> None:
    """A mark before the status line is not from the API; UTF-16 cannot be undone faithfully, and is refused."""
    assert read_curl(b"\xef\xbb\xbfHTTP/1.1 200 OK\r\n\r\n{}").response == Response(200, (), b"{}")
    for coding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(UsageError, match="saved as UTF-16"):
            read_curl("HTTP/1.1 200 OK\r\n\r\n{}".encode(coding))
