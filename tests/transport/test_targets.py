"""Tests of `trunkline.transport.targets`, against servers made of bare sockets on the loopback interface."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate
from typing import Any, TypeAlias

import pytest

from tests.clock import Clock
from tests.servers import Script, Scripted, free_port, scripted
from trunkline.errors import BudgetExhausted, TargetError, UsageError
from trunkline.exchange import SAFE_METHODS, Exchange, Headers, Request, Response, Target
from trunkline.mock import loader
from trunkline.transport import targets

SHORT = 0.3
SECRET = "sk_live_0123456789"
GET = Request("GET", "/trunks")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve: TypeAlias = Callable[[Script | bytes], Scripted]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(scripted(script))


def ask(server: Scripted, request: Request = GET, *, timeout: float = 5.0, max_bytes: int = 1 << 20) -> Response:
    target = targets.http(server.base, timeout=timeout, max_bytes=max_bytes)
    try:
        return target(request)
    finally:
        target.close()


def keep_answering(server: Scripted, answer: bytes = OK) -> Script:
    def script(connection: socket.socket) -> None:
        while server.receive(connection):
            connection.sendall(answer)

    return script


# --- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/trunks/../x", "/a//b", "//a", "/%2e%2E/%2f%2F", "/a;b=c,d", "/{id}|^`\\", "/a/./b", "", "/", "/%zz%", "/'\"<>"],
)
def test_the_path_reaches_the_wire_exactly(serve: Serve, path: str) -> None:
    """Dots, slashes, the case of hex digits and forbidden characters stay as the request has them."""
    server = serve(OK)
    ask(server, Request("GET", path, "b=%2f&a=%2F&&c"))
    assert server.received[0].split(b"\r\n")[0] == f"GET /v1{path}?b=%2f&a=%2F&&c HTTP/1.1".encode()


def test_what_cannot_stand_on_a_request_line_is_percent_encoded(serve: Serve) -> None:
    """Spaces, line ends, controls, non-ASCII and lone surrogates are encoded as UTF-8, so that no line is injected."""
    server = serve(OK)
    ask(server, Request("GET", "/a b\r\nx: y\x00\x7fé\ud800", "q=ü 1\n"))
    assert server.received[0].split(b"\r\n")[0] == (
        b"GET /v1/a%20b%0D%0Ax:%20y%00%7F%C3%A9%ED%A0%80?q=%C3%BC%201%0A HTTP/1.1"
    )


def test_a_base_without_a_path_still_has_a_slash_on_the_wire(serve: Serve) -> None:
    """`http://host` asked for the empty path sends `GET /`."""
    server = serve(OK)
    targets.http(f"http://127.0.0.1:{server.port}")(Request("GET", "", "a=1"))
    assert server.received[0].startswith(b"GET /?a=1 HTTP/1.1\r\n")


def test_only_four_header_fields_are_added(serve: Serve) -> None:
    """Host, Accept, Accept-Encoding and User-Agent; a request's own fields take their place."""
    server = serve(OK)
    ask(server)
    names = [line.split(b":")[0] for line in server.received[0].split(b"\r\n")[1:-2]]
    assert names == [b"host", b"accept", b"accept-encoding", b"user-agent"]
    assert f"host: 127.0.0.1:{server.port}\r\n".encode() in server.received[0]
    assert b"accept: */*\r\naccept-encoding: gzip\r\nuser-agent: trunkline" in server.received[0]
    own = (("accept", "text/plain"), ("host", "example.com"), ("user-agent", "me"), ("accept-encoding", "identity"))
    ask(server, Request("GET", "/", headers=own))
    assert server.received[1] == (
        b"GET /v1/ HTTP/1.1\r\n"
        b"host: example.com\r\naccept: text/plain\r\nuser-agent: me\r\naccept-encoding: identity\r\n\r\n"
    )


def test_a_body_goes_with_its_length(serve: Serve) -> None:
    """A body has a content-length, as has an empty one where a body is usual."""
    server = serve(OK)
    ask(server, Request("PATCH", "/trunks/1", headers=(("content-type", "application/json"),), body=b'{"a": 1}'))
    ask(server, Request("POST", "/trunks"))
    ask(server, Request("DELETE", "/trunks/1"))
    assert b"content-length: 8\r\n" in server.received[0]
    assert server.received[0].endswith(b'\r\n\r\n{"a": 1}')
    assert b"content-length: 0\r\n" in server.received[1]
    assert b"content-length" not in server.received[2]


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/", headers=(("authorization", f"Bearer {SECRET}\r\nx: y"),)),
        Request("GET", "/", headers=(("authorization", f"Bearer {SECRET}\u20ac"),)),
        Request("GET", "/", headers=(("x y", SECRET),)),
        Request("GET", "/", headers=(("", SECRET),)),
        Request("GET / HTTP/1.1\r\nx:", "/"),
    ],
)
def test_a_field_that_would_break_the_message_is_refused(serve: Serve, request_: Request) -> None:
    """The request is not sent, and the sentence does not quote the value."""
    server = serve(OK)
    with pytest.raises(UsageError, match="cannot be sent") as caught:
        ask(server, request_)
    assert SECRET not in str(caught.value)
    assert server.connections == 0


@pytest.mark.parametrize("fields", [(("content-length", "3"),), (("host", "a"), ("host", "b"))])
def test_fields_that_contradict_the_request_are_refused(serve: Serve, fields: Headers) -> None:
    """A length that is not that of the body, or two hosts, would let the next request be read as something else."""
    server = serve(OK)
    with pytest.raises(UsageError, match="content-length or transfer-encoding does not fit"):
        ask(server, Request("POST", "/", headers=fields, body=b"four"))
    assert server.received == []


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux has the option")
def test_answers_are_acknowledged_at_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends header and body separately would else wait 40 ms for each acknowledgement."""
    options: list[tuple[object, ...]] = []

    class Recorded(socket.socket):
        def setsockopt(self, *option: Any) -> None:
            options.append(option)
            super().setsockopt(*option)

    server = serve(OK)
    monkeypatch.setattr(socket, "socket", Recorded)
    assert ask(server).body == b"ok"
    assert (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1) in options


def test_latin_1_travels_in_header_fields_both_ways(serve: Serve) -> None:
    """Bytes above ASCII, which RFC 9110 calls obs-text, are neither lost nor refused."""
    server = serve(b"HTTP/1.1 200 OK\r\nX-A:  caf\xe9 \r\nX-B: one\r\n  two\r\nX-a: again\r\nContent-Length: 0\r\n\r\n")
    response = ask(server, Request("GET", "/", headers=(("x-name", "café"),)))
    assert b"x-name: caf\xe9\r\n" in server.received[0]
    assert response.headers == (("x-a", "café"), ("x-b", "one two"), ("x-a", "again"), ("content-length", "0"))


# --- what is answered -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", b"until the end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
            b"abcde",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok"),
    ],
)
def test_every_way_to_end_a_body_is_understood(serve: Serve, answer: bytes, body: bytes) -> None:
    """By length, by chunks, by the end of the connection, by a status without one, after informational answers."""
    response = ask(serve(answer))
    assert (response.status, response.body) == (204 if b" 204 " in answer else 200, body)


def test_the_answer_to_head_has_no_body(serve: Serve) -> None:
    """A HEAD answer ends with its header, whatever length it announces, and the connection is kept."""
    server = serve(b"")
    server.script = keep_answering(server, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Encoding: gzip\r\n\r\n")
    target = targets.http(server.base, timeout=5)
    for _ in range(2):
        response = target(Request("HEAD", "/trunks"))
        assert (response.body, response.header("content-length")) == (b"", "5000")
    assert server.connections == 1


def raw_deflate(data: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"plain", mtime=0)),
        ("GZip", gzip.compress(b"pl", mtime=0) + gzip.compress(b"ain", mtime=0)),
        ("x-gzip", gzip.compress(b"plain", mtime=0) + b"\0\0\0"),
        ("deflate", zlib.compress(b"plain")),
        ("deflate", raw_deflate(b"plain")),
        ("identity\t,\tGZIP", gzip.compress(b"plain", mtime=0)),
        ("gz ip", b"plain"),
        ("deflate, gzip", gzip.compress(zlib.compress(b"plain"), mtime=0)),
        ("identity", b"plain"),
        ("br", b"plain"),
        ("gzip", gzip.compress(b"", mtime=0)),
        ("gzip", b""),
    ],
)
def test_content_codings_are_undone(serve: Serve, coding: str, body: bytes) -> None:
    """The codings gzip and deflate, alone or one upon the other; an unknown coding is left to be judged."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    response = ask(serve(head.encode() + body))
    assert response.body in {b"plain", b""}
    assert response.header("content-encoding") == coding


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"plain", mtime=0)[:-3], b"\x1f"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_that_is_not_coded_as_it_says_is_reported(serve: Serve, coding: str, body: bytes) -> None:
    """Broken and cut gzip and deflate are one sentence, not an exception of zlib."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    with pytest.raises(TargetError, match=f"announces the content coding {coding}"):
        ask(serve(head.encode() + body))


def test_a_gzip_bomb_does_not_go_off(serve: Serve) -> None:
    """A body that decodes to far more than allowed is not decoded in full: memory stays near the limit."""
    coder = zlib.compressobj(wbits=31)
    body = b"".join([coder.compress(bytes(1 << 20)) for _ in range(64)] + [coder.flush()])
    server = serve(f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        with pytest.raises(TargetError, match="sent more than 1048576 bytes"):
            ask(server)
        assert tracemalloc.get_traced_memory()[1] - before < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'{"a":1},', b"1,", b"[0],"])
def test_a_body_of_too_many_values_is_not_judged(serve: Serve, unit: bytes) -> None:
    """Judging it would take too much memory and time: one sentence. A page of items of the same size is read."""
    item = b'{"name": "a trunk of some length", "number": 12345678901234, "status": "active"},'
    for part in (unit, item):
        body = b"[" + part * ((15 << 20) // len(part)) + b"1]"
        server = serve(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        target = targets.http(server.base)
        if part is item:
            assert target(Request("GET", "/trunks")).body == body
        else:
            with pytest.raises(TargetError, match="too many values to be judged"):
                target(Request("GET", "/trunks"))


# --- what goes wrong ------------------------------------------------------------------------------------------------


def drip(server: Scripted, head: bytes, drop: bytes) -> Script:
    """Says `head` at once and `drop` again and again, a little faster than any pause that a client would notice."""

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(head)
        while not server.over.wait(0.05):
            connection.sendall(drop)

    return script


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"HT", b""),
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"T: 1\r\n"),
        (b"HTTP/1.0 200 OK\r\n\r\nnever closed", b""),
    ],
)
def test_a_slow_server_is_left_at_the_deadline(serve: Serve, head: bytes, drop: bytes) -> None:
    """Silence, and drops that each come in good time, end within the one timeout of the whole call."""
    server = serve(b"")
    server.script = drip(server, head, drop)
    began = time.monotonic()
    with pytest.raises(TargetError, match=rf"^127\.0\.0\.1:{server.port} did not answer in full within 0\.3 s; "):
        ask(server, timeout=SHORT)
    assert time.monotonic() - began < SHORT + 0.5


def test_a_server_that_does_not_read_is_left_at_the_deadline(serve: Serve) -> None:
    """A body that nobody takes does not hold the caller."""
    server = serve(b"")
    server.script = lambda _plug: server.over.wait(5)
    with pytest.raises(TargetError, match="within"):
        ask(server, Request("POST", "/", body=bytes(32 << 20)), timeout=SHORT)


def test_a_hanging_resolver_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer holds a thread, not the caller."""
    over = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        over.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(TargetError, match="within"):
        targets.http("http://api.example.com", timeout=SHORT)(GET)
    over.set()


def test_an_unknown_host_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names host and port, and where the address came from."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(TargetError, match=r"^api\.example\.com:443 is unknown: .* --url$"):
        targets.http("https://api.example.com/v1")(GET)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        b"",
    ],
)
def test_a_truncated_answer_is_never_taken_for_a_whole_one(serve: Serve, answer: bytes) -> None:
    """A body shorter than announced, a last chunk that is missing, no answer at all."""
    with pytest.raises(TargetError, match="closed the connection before its answer was complete"):
        ask(serve(answer))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"])
def test_a_reset_connection_is_reported(serve: Serve, answer: bytes) -> None:
    """A reset, before or within the answer, is one sentence."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(answer)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server.script = script
    with pytest.raises(TargetError, match="closed the connection before its answer was complete"):
        ask(server)


def test_a_refused_connection_is_reported() -> None:
    """When no server listens, the sentence says what to start or check."""
    port = free_port()
    with pytest.raises(TargetError, match=rf"^127\.0\.0\.1:{port} refuses connections; start it"):
        targets.http(f"http://127.0.0.1:{port}")(GET)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"HTTP/1.1 abc\r\n\r\n"])
@pytest.mark.parametrize("more", [b"", b"HTTP/1.1 200 OK\r\nno colon\r\n"])
def test_what_is_not_http_is_reported(serve: Serve, answer: bytes, more: bytes) -> None:
    """Other protocols, bad status lines, a header line without a colon."""
    with pytest.raises(TargetError, match=r"did not answer in HTTP/1\.1"):
        ask(serve(more + b"\r\n\r\n" if more else answer))


@pytest.mark.parametrize("size", [b"-1", b"-5", b"zz", b""])
def test_a_chunk_without_a_size_is_reported(serve: Serve, size: bytes) -> None:
    """A chunk size that the standard library reads as negative is an error."""
    with pytest.raises(TargetError, match=r"did not answer in HTTP|before its answer was complete"):
        ask(serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\nabc\r\n0\r\n\r\n"))


def test_a_server_without_tls_is_reported(serve: Serve) -> None:
    """`https://` to a plain server is a sentence on TLS."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server.script = script
    with pytest.raises(TargetError, match=r"does not speak TLS as it should \(.*\); check http:// or https://"):
        targets.http(f"https://127.0.0.1:{server.port}", timeout=5)(GET)


def test_a_server_that_hangs_in_the_tls_handshake_is_left_at_the_deadline(serve: Serve) -> None:
    """The handshake is part of the one timeout."""
    server = serve(b"")
    server.script = lambda _plug: server.over.wait(5)
    with pytest.raises(TargetError, match="within"):
        targets.http(f"https://127.0.0.1:{server.port}", timeout=SHORT)(GET)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", bytes(65536)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"T: 1\r\n" * 9999),
    ],
)
def test_an_endless_body_is_left_at_the_limit(serve: Serve, head: bytes, part: bytes) -> None:
    """However its end is announced, no more than the limit and a little is read."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(head)
        while not server.over.is_set():
            connection.sendall(part)

    server.script = script
    with pytest.raises(TargetError, match="sent more than 100000 bytes"):
        ask(server, max_bytes=100_000)


@pytest.mark.parametrize("part", [b"y" * 65536, b"X: y\r\n" * 9999, b"\r\n\r\nHTTP/1.1 102 Processing"])
def test_an_endless_head_is_left_at_its_own_limit(serve: Serve, part: bytes) -> None:
    """Header fields and interim responses have a bound of their own, whatever a body may be."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(b"HTTP/1.1 102 Processing\r\nX: ")
        while not server.over.is_set():
            connection.sendall(part)

    server.script = script
    with pytest.raises(TargetError, match="sent more than 1048576 bytes of status lines and header fields"):
        ask(server, max_bytes=1 << 30)


def test_many_interim_responses_are_read(serve: Serve) -> None:
    """Ten thousand of them cost no more than their bytes."""
    assert ask(serve(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + OK)).body == b"ok"


def test_an_answer_longer_than_announced_is_reported(serve: Serve) -> None:
    """A body that goes on after its content-length is not judged as a body that was cut off."""
    with pytest.raises(TargetError, match="sent more bytes than its content-length announces; check the server"):
        ask(serve(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"trunks": []}'))


@pytest.mark.parametrize(
    "answer", [OK + b"\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx"]
)
def test_other_bytes_after_an_answer_are_overlooked(serve: Serve, answer: bytes) -> None:
    """A line end after the body, and bytes after the last chunk, do not make the body longer."""
    assert ask(serve(answer)).body == b"ok"


def test_the_limit_itself_is_allowed(serve: Serve) -> None:
    """Exactly `max_bytes` is an answer; one more is not."""
    assert ask(serve(OK), max_bytes=2).body == b"ok"
    with pytest.raises(TargetError, match="sent more than"):
        ask(serve(OK), max_bytes=1)


# --- kept connections -----------------------------------------------------------------------------------------------


def test_a_connection_is_kept(serve: Serve) -> None:
    """Requests one after the other share a connection; `close` lets it go."""
    server = serve(b"")
    server.script = keep_answering(server)
    target = targets.http(server.base, timeout=5)
    for _ in range(5):
        assert target(GET).body == b"ok"
    assert server.connections == 1
    target.close()
    assert target(GET).body == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_closed_meanwhile_is_replaced(serve: Serve, method: str) -> None:
    """The end of a kept connection, seen before anything is sent, costs no request of any method."""
    server = serve(b"")
    closed = threading.Event()

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(OK)
        connection.close()
        closed.set()

    server.script = script
    target = targets.http(server.base, timeout=5)
    for _ in range(3):
        closed.clear()
        assert target(Request(method, "/trunks")).status == 200
        assert closed.wait(5)
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("method", "heard"),
    [("GET", 3), ("HEAD", 3), ("OPTIONS", 3), ("PUT", 3), ("DELETE", 3), ("POST", 2), ("PATCH", 2)],
)
def test_a_connection_that_ends_under_a_request_is_replaced_once(serve: Serve, method: str, heard: int) -> None:
    """A request of an idempotent method is sent again, once; any other is not (RFC 9110, section 9.2.2)."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        if len(server.received) == 1:
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            server.receive(connection)

    server.script = script
    target = targets.http(server.base, timeout=5)
    target(Request(method, "/trunks"))
    with pytest.raises(TargetError, match="closed the connection"):
        target(Request(method, "/trunks"))
    assert len(server.received) == heard


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH"])
def test_a_server_that_closes_between_two_requests_ends_no_run(serve: Serve, method: str) -> None:
    """A connection that ends just as the next request comes is replaced: each request of any method is answered."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(OK)
        server.receive(connection)

    server.script = script
    target = targets.http(server.base, timeout=5)
    assert [target(Request(method, "/trunks")).status for _ in range(4)] == [200] * 4


def test_a_creation_leaves_no_idle_connection_open(serve: Serve) -> None:
    """A server of one thread answers a request on a fresh connection once the idle one is closed."""
    turn = threading.Lock()
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        with turn:
            while server.receive(connection):
                connection.sendall(OK)

    server.script = script
    target = targets.http(server.base, timeout=5)
    for method in ("GET", "POST", "POST", "GET"):
        assert target(Request(method, "/trunks")).status == 200
    assert server.connections == 3


@pytest.mark.parametrize("together", [True, False])
def test_bytes_after_an_answer_are_not_the_next_answer(serve: Serve, together: bool) -> None:
    """Bytes that were not asked for end the connection, and do not reach the next exchange."""
    server = serve(b"")
    spoken = threading.Event()
    unasked = b"HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n"

    def script(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(OK + unasked if together else OK)
        if not together:
            connection.sendall(unasked)
        spoken.set()
        server.over.wait(5)

    server.script = script
    target = targets.http(server.base, timeout=5)
    for _ in range(3):
        spoken.clear()
        assert target(GET).status == 200
        assert spoken.wait(5)


def test_threads_share_a_target(serve: Serve) -> None:
    """Each request has a connection to itself, and each answer goes to its own question."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        while request := server.receive(connection):
            path = request.split(b" ")[1]
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    server.script = script
    target = targets.http(server.base, timeout=5)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda n: target(Request("GET", f"/{n}")).body, range(80)))
    assert bodies == [f"/v1/{n}".encode() for n in range(80)]
    assert server.connections <= 80
    target.close()


def test_an_early_refusal_is_heard(serve: Serve) -> None:
    """A server may answer and close before it has read the body; its answer counts if it arrives."""
    server = serve(b"")

    def script(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    server.script = script
    assert ask(server, Request("POST", "/", body=bytes(1 << 20))).status == 413


# --- redirects and secrets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(serve: Serve, status: int) -> None:
    """The other place hears nothing, and the sentence tells nothing of its address."""
    other = serve(OK)
    place = f"http://user:{SECRET}@127.0.0.1:{other.port}/x?token={SECRET}"
    server = serve(f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(TargetError) as caught:
        ask(server, Request("GET", "/trunks", headers=(("authorization", f"Bearer {SECRET}"),)))
    assert str(caught.value) == (
        f"127.0.0.1:{server.port} answered {status} to another port of the same host; trunkline never follows "
        "a redirect, so that the credential goes nowhere else; pass the final address with --url"
    )
    assert (other.connections, other.received) == (0, [])


@pytest.mark.parametrize(
    ("location", "place"),
    [
        (f"/v2/{SECRET}?token={SECRET}", "another path;"),
        (f"http://127.0.0.1:{{port}}/{SECRET}", "another path;"),
        ("https://127.0.0.1/", "the same host over https;"),
        (f"//{SECRET}.example.com/x", "another host;"),
        ("http://[", "an address that cannot be read;"),
        (f"http://127.0.0.1:{SECRET}/", "an address that cannot be read;"),
        ("https://ex\x1bample.com", "another host;"),
    ],
)
def test_a_redirect_is_reported_whatever_its_location(serve: Serve, location: str, place: str) -> None:
    """No part of a location is printed, since it may be the credential; only its relation to the base is."""
    server = serve(b"")
    place_header = location.format(port=server.port)
    server.script = lambda connection: connection.sendall(
        f"HTTP/1.1 302 Found\r\nLocation: {place_header}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    with pytest.raises(TargetError) as caught:
        ask(server)
    assert f"answered 302 to {place}" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "head", ["304 Not Modified\r\nLocation: /x", "300 Multiple Choices", "201 Created\r\nLocation: /x"]
)
def test_other_answers_with_a_location_are_answers(serve: Serve, head: str) -> None:
    """304, a 3xx without a location, and a 201 that tells the new record's address are not redirects."""
    assert ask(serve(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode())).status == int(head[:3])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_no_trouble_tells_a_secret(serve: Serve, answer: bytes) -> None:
    """Neither the sentence nor what is chained to it holds the query, a header field or the body."""
    server = serve(b"")
    server.script = lambda connection: connection.sendall(
        answer or server.receive(connection)
    )  # an echo begins with the request line
    bearer = (("authorization", f"Bearer {SECRET}"),)
    with pytest.raises(TargetError) as caught:
        ask(server, Request("GET", "/trunks", f"key={SECRET}", bearer, SECRET.encode()))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "base",
    [
        "",
        "api.example.com/v1",
        "ftp://example.com",
        "http://",
        "http:///v1",
        "http://:80",
        "http://example.com:port",
        "http://example.com:99999",
        "http://example.com:0",
        "http://[::1",
        "http://a..b/",
        "http://" + "a" * 64,
        f"http://user:{SECRET}@example.com",
        f"http://{SECRET}@example.com",
        f"http://example.com/v1?key={SECRET}",
        "http://example.com/v1?",
        f"http://example.com/v1#{SECRET}",
        "http://exam ple.com",
        "http://example.com/v 1",
        "http://example.com/\r\nx: y",
        "http://b\u00fccher.example/\x00",
        "http://b\u00fccher.example/v1/\u00fc",
        "http://b\u00fc cher.example/v1",
        "http://example.com/\udcff",
        " http://example.com",
        "file:///etc/hosts",
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(base: str) -> None:
    """One sentence at construction, without what may be a secret and with an address that can."""
    with pytest.raises(UsageError, match=r"write it like https://api\.example\.com/v1$") as caught:
        targets.http(base)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "kept", "name"),
    [
        ("HTTP://Example.COM:80/v1/", "http://example.com/v1", "example.com:80"),
        ("https://example.com", "https://example.com", "example.com:443"),
        ("https://example.com:444//", "https://example.com:444", "example.com:444"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1", "[::1]:8080"),
        ("http://bücher.example", "http://xn--bcher-kva.example", "xn--bcher-kva.example:80"),
    ],
)
def test_the_address_is_kept_in_one_form(base: str, kept: str, name: str) -> None:
    """`base` is what a printed command can use, `name` what a sentence says; neither shows in more than one form."""
    target = targets.http(base)
    assert (target.base, target.name) == (kept, name)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e10, 86401])
def test_a_timeout_without_time_is_refused(timeout: float) -> None:
    """No call could ever be answered, or none would ever be given up; the sentence says what is possible."""
    message = r"a timeout of .* s cannot be kept; give a number above 0, at most 86400"
    with pytest.raises(UsageError, match=message):
        targets.http("http://example.com", timeout=timeout)

    async def app(_scope: object, _receive: object, _send: object) -> None: ...

    with pytest.raises(UsageError, match=message):
        targets.wrap(app, timeout=timeout)


# --- decorated ------------------------------------------------------------------------------------------------------


def answers(*responses: Response) -> Target:
    """A target that gives these answers in turn, and the last one for ever."""
    left = list(responses)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


def test_checked_and_recorded_see_every_exchange() -> None:
    """The judge and the log get request and response as they are, and the caller gets the response."""
    response, seen, log = Response(200), list[Exchange](), list[Exchange]()
    target = targets.recorded(targets.checked(answers(response), seen.append), log)
    assert target(GET) is response
    assert seen == log == [Exchange(GET, response)]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "get", "MERGE", "", "CONNECT"])
def test_a_reading_target_sends_nothing_that_writes(method: str) -> None:
    """A request that writes raises a sentence; requests with safe methods are passed on unchanged."""
    log: list[Exchange] = []
    target = targets.read_only(targets.recorded(answers(Response(200)), log))
    with pytest.raises(UsageError, match="was to be sent, and writing was not allowed; nothing was sent"):
        target(replace(GET, method=method))
    assert log == []
    for safe in SAFE_METHODS:
        assert target(replace(GET, method=safe)) == Response(200)
    assert [exchange.request.method for exchange in log] == list(SAFE_METHODS)


def test_threads_share_a_log() -> None:
    """No exchange is lost."""
    log: list[Exchange] = []
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(targets.recorded(answers(Response(200)), log), [GET] * 500))
    assert len(log) == 500


def test_a_budget_is_spent_once() -> None:
    """Exactly so many requests are sent, also by threads; a target that fails has been asked, too."""
    log: list[Exchange] = []
    target = targets.budgeted(targets.recorded(answers(Response(200)), log), 20)

    def ask_it(_: int) -> bool:
        try:
            return bool(target(GET))
        except BudgetExhausted:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask_it, range(50))) == len(log) == 20
    with pytest.raises(BudgetExhausted, match="budget of 20 requests is spent"):
        target(GET)


def test_throttled_requests_are_evenly_spaced() -> None:
    """Four a second: no wait before the first, a quarter before each other, and no credit for idle time."""
    clock = Clock()
    target = targets.throttled(answers(Response(200)), rate=4, clock=clock, sleep=clock.sleep)
    for _ in range(4):
        target(GET)
    clock.now += 60
    target(GET)
    target(GET)
    assert clock.pauses == [0.25] * 4


def test_throttled_threads_queue_up() -> None:
    """Requests at the same moment get one place each."""
    slept: list[float] = []
    target = targets.throttled(answers(Response(200)), rate=10, clock=lambda: 5.0, sleep=slept.append)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(target, [GET] * 5))
    assert sorted(round(seconds, 6) for seconds in slept) == [0.1, 0.2, 0.3, 0.4]


def test_no_rate_is_no_throttle() -> None:
    """Without a rate the target is returned as it is; an impossible one is refused."""
    target = answers(Response(200))
    assert targets.throttled(target, rate=None) is target
    for rate in (0, -1, float("nan"), float("inf"), 1e-300, 1 / 3601):
        with pytest.raises(UsageError, match=r"a rate of .* cannot be kept; give 0\.00028 \(one an hour\) or more"):
            targets.throttled(target, rate=rate)


@pytest.mark.parametrize(
    ("fields", "wait"),
    [
        ((("retry-after", "7"),), 7),
        ((("retry-after", formatdate(1_800_000_030, usegmt=True)),), 30),
        ((("x-reset", "1800000012"),), 12),
        ((("x-reset", "9"),), 9),
        ((("x-reset", "1800000000.5"),), 0.5),
        ((("retry-after", "3"), ("x-reset", "9")), 3),
        ((("retry-after", "Friday, 15-Jan-27 08:00:30 GMT"),), 30),
        ((("retry-after", "Fri Jan 15 08:00:30 2027"),), 30),
        ((("retry-after", formatdate(1_500_000_030, usegmt=True)), ("date", formatdate(1_500_000_000))), 30),
        ((("x-reset", "1900000012"), ("date", formatdate(1_900_000_000, usegmt=True))), 12),
        ((("x-reset", "1800000012"), ("date", "today")), 12),
        ((("x-reset", "946684812"), ("date", formatdate(946_684_800, usegmt=True))), 12),
        ((("retry-after", "4"), ("x-reset", "2592000")), 4),
        ((("retry-after", "1800000002"), ("x-reset", "1800000007")), 7),
        ((("retry-after", "0"), ("x-reset", "5")), 5),
        ((("retry-after", formatdate(1_799_999_000, usegmt=True)), ("x-reset", "5")), 5),
        ((("retry-after", "4"), ("x-reset", "1800000012000")), 4),
        ((("retry-after", "soon"), ("x-reset", "9")), 9),
        ((("retry-after", "soon"),), 1),
        ((("retry-after", " 2 "),), 2),
        ((("retry-after", "1e308"),), 1),
        ((("retry-after", "-5"),), 1),
        ((("retry-after", "1_0"),), 1),
        ((("retry-after", "\u0667"),), 1),
        ((("retry-after", "\xa07"),), 1),
        ((("x-reset", "nan"),), 1),
        ((("x-reset", "1799999999"),), 1),
        ((("retry-after", "0"),), 1),
        ((), 1),
    ],
)
def test_patience_waits_as_it_is_reported(fields: tuple[tuple[str, str], ...], wait: float) -> None:
    """Retry-After first, then the vendor's reset header, then one second."""
    clock = Clock()
    heard: list[float] = []
    target = targets.waiting_out_429(
        answers(Response(429, fields), Response(200)),
        reset_header="X-Reset",
        clock=clock,
        sleep=clock.sleep,
        waiting=lambda _, seconds: heard.append(seconds),
    )
    assert target(GET).status == 200
    assert clock.pauses == heard == [wait]


def test_patience_has_an_end() -> None:
    """Without a hint the waits double; after five of them the 429 is reported."""
    clock, log = Clock(), list[Exchange]()
    target = targets.waiting_out_429(targets.recorded(answers(Response(429)), log), clock=clock, sleep=clock.sleep)
    with pytest.raises(TargetError, match=r"GET /trunks still gets a 429 after 5 waits"):
        target(Request("GET", "/trunks", f"key={SECRET}"))
    assert clock.pauses == [1, 2, 4, 8, 16]
    assert len(log) == 6


def test_patience_does_not_wait_too_long() -> None:
    """A wait beyond the limit is reported in seconds, and nothing is slept."""
    clock = Clock()
    target = targets.waiting_out_429(answers(Response(429, (("retry-after", "3600"),))), clock=clock, sleep=clock.sleep)
    with pytest.raises(TargetError, match=r"asks to wait 3600 s, more than the 120 s allowed; .* with --max-wait$"):
        target(GET)
    assert clock.pauses == []


@pytest.mark.parametrize("digits", ["1" + "0" * 308, "9" * 5000])
def test_an_absurd_wait_is_reported_briefly(digits: str) -> None:
    """However many digits an answer sends, the sentence stays one that can be read."""
    with pytest.raises(TargetError, match=r"asks to wait more than a day, more than the 120 s allowed") as caught:
        targets.waiting_out_429(answers(Response(429, (("retry-after", digits),))))(GET)
    assert len(str(caught.value)) < 200


def test_other_answers_need_no_patience() -> None:
    """Only 429 is asked again, even if another answer says when to come back."""
    clock = Clock()
    target = targets.waiting_out_429(answers(Response(503, (("retry-after", "5"),))), clock=clock, sleep=clock.sleep)
    assert target(GET).status == 503
    assert clock.pauses == []


def test_decorations_compose(serve: Serve) -> None:
    """A live target can be patient, throttled, budgeted and recorded at once."""
    server = serve(b"")
    server.script = keep_answering(server)
    log: list[Exchange] = []
    live = targets.http(server.base, timeout=5)
    target = targets.recorded(targets.waiting_out_429(targets.throttled(targets.budgeted(live, 2), rate=1000)), log)
    assert [target(GET).status, target(GET).status] == [200, 200]
    with pytest.raises(BudgetExhausted):
        target(GET)
    assert len(log) == 2
    live.close()


def test_the_answers_of_a_run_have_a_bound_together() -> None:
    """The request after so many bytes is not sent."""
    log: list[Exchange] = []
    target = targets.bounded(targets.recorded(answers(Response(200, (), b"x" * 1000)), log), 2500)
    assert [len(target(GET).body) for _ in range(3)] == [1000] * 3
    with pytest.raises(BudgetExhausted, match="in all, and no more are read; check fewer operations at a time"):
        target(GET)
    assert len(log) == 3


def test_a_spent_rate_limit_is_waited_for() -> None:
    """Before the next request, until the reset that the answer names, so that no 429 follows; else not at all."""
    limit = loader.load("telepath").contract.rate_limit
    assert limit is not None
    now, pauses, told = [1_795_888_800.0], list[float](), list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    def heeding(remaining: str, reset: str) -> Target:
        fields = ((limit.remaining, remaining), (limit.reset, reset))
        return targets.heeding_limit(
            lambda _: Response(200, fields),
            limit,
            clock=lambda: now[0],
            sleep=sleep,
            waiting=lambda _, s: told.append(s),
        )

    for remaining, reset in (("1", "1795888830"), ("", "1795888830"), ("0", ""), ("x", "y"), ("0", "1795888700")):
        target = heeding(remaining, reset)
        target(GET)
        target(GET)
        assert pauses == []
    target = heeding("0", "1795888830")
    target(GET)
    assert pauses == [], "the first request waits for nothing"
    target(GET)
    assert pauses == told == [30.0]
    target = heeding("0", "1795889830")
    target(GET)
    with pytest.raises(TargetError, match=r"the rate limit is spent for 1000 s, more than the 120 s allowed"):
        target(GET)
    assert targets.heeding_limit(target, None) is target
