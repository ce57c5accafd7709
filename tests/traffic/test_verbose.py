"""Tests of `trunkline.traffic.verbose`: the output of `curl -v`, as curl interleaves it, and hostile input.

`test_tools.py` reads what the real curl writes.
"""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import chain, zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trunkline
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Request
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.recorded import Entry
from trunkline.traffic.verbose import BEGINNING, read_verbose

CONTRACT = trunkline.load("telepath").contract
PAGE = b'{"trunks":[],"pagination":{"limit":10,"offset":0,"total":0}}'

ASKED = b"""*   Trying 127.0.0.1:8900...\r
* Connected to api.telepathvoice.com (127.0.0.1) port 8900 (#0)
> GET /v1/trunks?limit=10 HTTP/1.1\r
> Host: api.telepathvoice.com\r
> Authorization: Bearer sk_live_4f9a1c77e2b05d83\r
> \r
"""
ANSWERED = b"""< HTTP/1.1 200 OK\r
< date: Sat, 28 Nov 2026 18:00:00 GMT\r
< content-type: application/json\r
* a note within the header
< content-length: %d\r
< \r
"""
LEFT = b"* Connection #0 to host api.telepathvoice.com left intact\n"
CHUNKED = ANSWERED.replace(b"content-length: %d", b"transfer-encoding: chunked")
ADVICE = "save both outputs (curl -sv URL > FILE 2>&1), or use curl -i -o FILE"
MIXED = f"it has no body, which curl writes to standard output; {ADVICE}"


def read(data: bytes, bases: tuple[str, ...] = ()) -> list[Entry]:
    """The entries of an output, whose name is `a`."""
    return [*read_verbose(data, "a", Addresses(CONTRACT, bases))]


def only(data: bytes) -> Exchange:
    """The only exchange of an output."""
    (entry,) = read(data)
    assert isinstance(entry.exchange, Exchange), entry.exchange
    return entry.exchange


def reason(data: bytes) -> str:
    """The reason why the only exchange of an output cannot be judged."""
    (entry,) = read(data)
    assert isinstance(entry.exchange, UsageError)
    return str(entry.exchange)


# --- what curl writes -------------------------------------------------------------------------------------------------


def test_a_request_and_its_response_are_read() -> None:
    """With both headers, the time and the line of the request; curl's notes are in neither."""
    (entry,) = read(ASKED + ANSWERED % len(PAGE) + b"{ [60 bytes data]\n" + PAGE + LEFT)
    assert (entry.place, entry.time) == ("a:3", 1795888800)
    assert isinstance(entry.exchange, Exchange)
    assert entry.exchange.request == Request(
        "GET",
        "/trunks",
        "limit=10",
        (("host", "api.telepathvoice.com"), ("authorization", "Bearer sk_live_4f9a1c77e2b05d83")),
    )
    assert (entry.exchange.response.status, entry.exchange.response.body) == (200, PAGE)
    assert [name for name, _ in entry.exchange.response.headers] == ["date", "content-type", "content-length"]
    assert entry.exchange.known == {"request", "status", "headers", "body"}


def test_http_2_and_tls_are_read() -> None:
    """The address is that of HTTPS, although curl shows its parts only; the records of TLS are in no body."""
    data = (
        b"*   Trying 192.0.2.1:443...\n} [5 bytes data]\n* TLSv1.3 (OUT), TLS handshake, Client hello (1):\n"
        b"} [512 bytes data]\n* SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384\n* using HTTP/2\n"
        b"* h2h3 [:path: /v1/trunks]\n> GET /v1/trunks?limit=10 HTTP/2\r\n> Host: api.telepathvoice.com\r\n"
        b"> authorization: Bearer ***\r\n> \r\n{ [5 bytes data]\n* TLSv1.3 (IN), TLS handshake, Newsession (4):\n"
        b"< HTTP/2 200 \r\n< content-type: application/json\r\n< \r\n{ [10 bytes data]\n"
        + PAGE[:20]
        + b"{ [50 bytes data]\n"
        + PAGE[20:]
        + b"* Connection #0 to host api.telepathvoice.com left intact\n"
    )
    (entry,) = read(data, ("https://api.telepathvoice.com/v1",))
    assert isinstance(entry.exchange, Exchange)
    assert (entry.exchange.request.path, entry.exchange.response.body) == ("/trunks", PAGE)
    assert entry.exchange.request.header("authorization") == "Bearer x"  # a placeholder for what is not known


def test_several_requests_are_told_apart() -> None:
    """Each at its line, also on one connection, and whatever note stands between them."""
    answer = ANSWERED % len(PAGE) + PAGE + LEFT
    again = b"* Re-using existing connection #0 with host api.telepathvoice.com\n"
    data = ASKED + answer + again + ASKED.partition(b"(#0)\n")[2].replace(b"limit=10", b"limit=7") + answer
    assert [(entry.place, getattr(entry.exchange, "request").query) for entry in read(data)] == [  # noqa: B009
        ("a:3", "limit=10"),
        ("a:15", "limit=7"),
    ]


def test_steps_to_an_answer_are_left_out() -> None:
    """The tunnel of a proxy, `100 Continue`, and a redirection that was followed."""
    tunnel = b"> CONNECT api.telepathvoice.com:443 HTTP/1.1\r\n> \r\n< HTTP/1.1 200 Connection established\r\n< \r\n"
    moved = (
        ASKED.replace(b"?", b"/?") + b"< HTTP/1.1 301 Moved\r\n< location: /v1/trunks\r\n< \r\n* Ignoring the body\n"
    )
    interim = b"< HTTP/1.1 100 Continue\r\n< \r\n"
    assert only(tunnel + moved + ASKED + interim + ANSWERED % len(PAGE) + PAGE).response.body == PAGE


def test_the_header_of_curl_iv_is_not_the_body() -> None:
    """With -i the header is in both outputs."""
    header = b"HTTP/1.1 301 Moved\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n"
    assert only(ASKED + ANSWERED % len(PAGE) + header + PAGE + LEFT).response.body == PAGE


def test_the_body_of_a_request_is_not_known() -> None:
    """So a write is judged by its response alone, and a read by its request, too."""
    asked = ASKED.replace(b"GET", b"POST").replace(b"> \r", b"> Content-Length: 12\r\n> \r\n} [12 bytes data]")
    assert only(asked + ANSWERED % len(PAGE) + PAGE).known == {"status", "headers", "body"}


def test_progress_is_not_the_body() -> None:
    """Without -s curl also writes how far it is, at any place."""
    shown = b"\r 50   321   50   321    0     0  33482      0 --:--:-- --:--:-- --:--:-- 35666"
    title = b"  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    title += b"                                 Dload  Upload   Total   Spent    Left  Speed\n"
    body = PAGE[:9] + shown + PAGE[9:] + shown + b"\n"
    assert only(title + shown + ASKED + CHUNKED + body + title).response.body == PAGE


@pytest.mark.parametrize("answered", [ANSWERED % len(PAGE), CHUNKED, CHUNKED.replace(b"chunked", b"identity")])
def test_an_output_without_the_body_is_refused_with_advice(answered: bytes) -> None:
    """As `curl -v 2> FILE` or `curl -v -o BODY` save it."""
    assert reason(ASKED + answered + b"{ [60 bytes data]\n" + LEFT) == MIXED


def test_an_answer_that_has_no_body_is_read() -> None:
    """To HEAD, with 204, and with a content-length of 0."""
    assert only(ASKED.replace(b"GET", b"HEAD") + ANSWERED % 60 + LEFT).response.body == b""
    assert only(ASKED + ANSWERED % 0 + LEFT).response.body == b""
    assert only(ASKED + b"< HTTP/1.1 204 No Content\r\n< \r\n" + LEFT).response.body == b""


def test_a_body_that_cannot_be_told_from_notes_is_refused() -> None:
    """Rather than held against the API: it is neither of its length nor JSON."""
    note = b"* a note that nobody knows\n"
    assert reason(ASKED + ANSWERED % len(PAGE) + PAGE[:9] + note + PAGE[9:]) == (
        f"the body has 87 bytes, not the 60 of its content-length; {ADVICE}"
    )
    assert reason(ASKED + CHUNKED + PAGE[:9] + note + PAGE[9:]).startswith("the body is cut off, or mixed with a note")
    assert reason(ASKED + CHUNKED + PAGE[:9]).startswith("the body is cut off, or mixed with a note")


def test_an_answer_that_is_not_json_is_judged() -> None:
    """The API sent it; so it is read as it is."""
    assert only(ASKED + CHUNKED + b"<html>Bad Gateway</html>\n").response.body == b"<html>Bad Gateway</html>\n"


def test_a_request_without_an_answer_is_no_finding() -> None:
    """The connection was lost, or the output is cut off."""
    lost = "it has no whole response: the connection was lost, or the output is cut off"
    assert reason(ASKED + b"* Empty reply from server\n") == reason(ASKED + ANSWERED[:50]) == lost


def test_other_hosts_are_told() -> None:
    """As in other recordings."""
    data = ASKED.replace(b"api.telepathvoice.com", b"example.com").replace(b"/v1/trunks", b"/") + ANSWERED % 2 + b"{}"
    assert reason(data) == "it is a request to example.com"


def test_no_sentence_holds_a_secret() -> None:
    """Of an address that is none of the contract's, neither the query nor a user name is shown."""
    asked = ASKED.replace(b"/v1/trunks?", b"http://c4n4ry:x@api.telepathvoice.com/v1/none?api_key=c4n4ry&")
    assert reason(asked + ANSWERED % 2 + b"{}") == (
        "GET http://api.telepathvoice.com/v1/none is no operation of telepath"
    )


def test_an_output_without_a_request_is_refused() -> None:
    """It says nothing about the API."""
    with pytest.raises(UsageError, match="looks like the output of curl -v, but holds no request; save both"):
        read(b"* Could not resolve host: api.telepathvoice.com\n")


@pytest.mark.parametrize(
    ("data", "is_verbose"),
    [
        (ASKED, True),
        (b"> GET / HTTP/1.1\r\n", True),
        (b"  % Total    % Received", True),
        (b"Note: Unnecessary use of -X or --request, GET is already inferred.\n", True),
        (b'{ "trunks": [] }', False),
        (b"{ [1]}", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"> a quotation\n", False),
    ],
)
def test_the_beginning_tells_the_format(data: bytes, is_verbose: bool) -> None:
    """No JSON begins as an output of `curl -v` does."""
    assert bool(BEGINNING.match(data)) is is_verbose


# --- hostile input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"> GET / HTTP/1.1\n" * 50_000,
        b"> GET /v1/trunks HTTP/1.1\n> \n" + b"< HTTP/1.1 100 \n< \n" * 50_000,
        b"> GET /v1/trunks HTTP/1.1\n" + b"> a: b\n" * 100_000,
        b"> GET /v1/trunks HTTP/1.1\n> \n< HTTP/1.1 200 \n< \n" + b"{ [1 bytes data" * 100_000,
        b"> GET /v1/trunks HTTP/1.1\n> \n< HTTP/1.1 200 \n< \n" + b"* Connection #1" * 100_000,
        b"> GET /v1/trunks HTTP/1.1\n> \n< HTTP/1.1 200 \n< \n" + b"HTTP/1.1 200 \n\n" * 50_000,
        b"> GET /v1/trunks HTTP/1.1\n> \n< HTTP/1.1 200 \n< \n" + b"[" * 1_000_000,
        b"> GET /v1/trunks" + b"/v1" * 200_000 + b" HTTP/1.1\n> \n",
        b"> GET http://[::1/v1/trunks HTTP/1.1\n> \n",
        b"> GET /v1/trunks HTTP/1.1\n> host: [\xff\n> \n< HTTP/1.1 200 \n< content-length: "
        + b"9" * 5000
        + b"\n< \n{}",
        b"* \n" * 200_000,
    ],
    ids=lambda data: f"{data[-20:]!r}",
)
def test_hostile_outputs_are_read_in_bounded_time(data: bytes) -> None:
    """Each byte is looked at a bounded number of times, and whatever cannot be read is one sentence."""
    try:
        entries = read(data)
    except UsageError as error:
        entries = [Entry("", None, error)]
    assert all(len(str(entry.exchange)) < 400 for entry in entries if isinstance(entry.exchange, UsageError))


PIECES = st.sampled_from(
    [
        ASKED,
        ANSWERED,
        CHUNKED,
        LEFT,
        PAGE,
        b"> ",
        b"< ",
        b"* ",
        b"{ [5 bytes data]\n",
        b"\r\n",
        b"\n",
        b"\xff",
        b"HTTP/1.1 200\n\n",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join))
@settings(max_examples=100)
def test_any_output_is_read_or_refused(data: bytes) -> None:
    """Whatever the order of the pieces: an entry, or one sentence."""
    with suppress(UsageError):
        assert all(entry.place.startswith("a:") for entry in read(data))


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=9,
)
NOTES = st.lists(
    st.sampled_from([b"{ [16384 bytes data]\n", LEFT, b"* Closing connection 0\n", b"} [5 bytes data]\r\n"])
)


@given(JSON.map(lambda value: {"value": value}), st.sampled_from([None, 1]), NOTES, st.data(), st.booleans())
@settings(max_examples=100)
def test_a_body_is_read_through_the_notes(
    value: object, indent: int | None, notes: list[bytes], data: st.DataObject, is_chunked: bool
) -> None:
    """Wherever curl has written a known note, what is read is what the API sent."""
    body = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), min_size=len(notes), max_size=len(notes))))
    parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    written = b"".join(chain.from_iterable(zip_longest(parts, notes, fillvalue=b"")))
    assert only(ASKED + (CHUNKED if is_chunked else ANSWERED % len(body)) + written).response.body == body
