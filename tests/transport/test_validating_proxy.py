"""The validating proxy: what passes is unchanged, whatever the upstream, the client and the judge do."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpcore
import pytest

from tests.servers import free_port, scripted
from trunkline.errors import UsageError
from trunkline.transport import validating_proxy
from trunkline.transport.client import address
from trunkline.transport.judging import Judging, RawExchange, Verdict
from trunkline.transport.metrics import BEHIND, BROKEN_OFF, FAILED, TOO_LARGE, UNANSWERED, Metrics
from trunkline.transport.proxy_status import status_application
from trunkline.transport.server import running
from trunkline.transport.validating_proxy import ValidatingProxy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Proxied:
    """A proxy before an upstream."""

    url: str
    app: ValidatingProxy
    metrics: Metrics
    judging: Judging
    seen: list[RawExchange] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released for each request that has come to its end in the proxy."""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    @contextmanager
    def client(self, data: bytes = b"GET /v1/trunks HTTP/1.1\r\nHost: x\r\n\r\n") -> Iterator[socket.socket]:
        """The connection of a client that has sent these bytes."""
        with socket.create_connection(self.address, timeout=5) as client:
            client.sendall(data)
            yield client

    def send(self, data: bytes) -> bytes:
        """All that comes back for these bytes, until the proxy closes the connection or has sent a whole answer."""
        with self.client(data) as client:
            received = b"".join(iter(lambda: client.recv(65536), b""))
        assert self.ended.acquire(timeout=5)
        return received

    def ask(self, method: str = "GET", path: str = "/v1/trunks", **options: Any) -> http.client.HTTPResponse:
        """The answer to a request, with its body in `data`."""
        with closing(http.client.HTTPConnection(*self.address, timeout=5)) as connection:
            connection.request(method, path, **options)
            with connection.getresponse() as response:
                response.data = response.read()  # type: ignore[attr-defined]
        if not path.startswith("/_trunkline"):
            assert self.ended.acquire(timeout=5)
        return response

    def judged(self, *, after: int = 0) -> list[RawExchange]:
        """All exchanges that were judged so far, and those that wait for it, `after` so many requests ended."""
        for _ in range(after):
            assert self.ended.acquire(timeout=5)
        self.judging.ask(lambda: None).result(5)
        return self.seen


@contextmanager
def proxied(
    base: str,
    judge: Callable[[RawExchange], Verdict] = lambda _: Verdict(),
    *,
    most: int = 1000,
    wait: float | None = None,
    timeout: float = 5,
) -> Iterator[Proxied]:
    """A proxy before the upstream at `base`, with a judge in this process."""
    metrics, seen, lines = Metrics(), list[RawExchange](), list[str]()

    def note(several: list[RawExchange]) -> list[Verdict]:
        seen.extend(several)
        return [judge(one) for one in several]

    def done(_: RawExchange, verdict: Verdict | None) -> None:
        if verdict is None:
            metrics.not_judged(FAILED)
        else:
            metrics.judged(verdict.rules)

    with Judging(note, done, most=most) as judging:
        admin = status_application(metrics, lambda: {"status": "ok"}, lambda: judging.ask(lambda: "{}"))
        ended = threading.Semaphore(0)

        def each(line: str) -> None:
            lines.append(line)
            ended.release()

        app = ValidatingProxy(
            address(base),
            judging,
            metrics,
            admin,
            operation_id=lambda method, url: f"{method} /v1/trunks" if url.endswith("/v1/trunks") else "",
            timeout=timeout,
            wait=wait,
            each=each,
        )
        with running(app) as url:
            yield Proxied(url, app, metrics, judging, seen, lines, ended)


# --- nothing is changed -----------------------------------------------------------------------------------------------


def test_a_request_is_passed_on_byte_for_byte() -> None:
    """Target, method, body and fields are those of the client, but for the Host and the fields of its connection."""
    with scripted(OK) as upstream, proxied(upstream.base) as proxy:
        target = b"/v1/a%2Fb//./c%C3%A9?x=%20&y=a+b&&x"
        proxy.send(
            b"POST " + target + b" HTTP/1.1\r\nHost: proxy\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Mine: drop\r\n"
            b"Connection: close, x-mine\r\nTE: trailers\r\nX-Latin: \xe9\r\nContent-Length: 3\r\n\r\n\x00\xff\n"
        )
        assert upstream.received == [
            b"POST "
            + target
            + b" HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nx-twice: 1\r\nx-twice: 2\r\n" % upstream.port
            + b"x-latin: \xe9\r\ncontent-length: 3\r\n\r\n\x00\xff\n"
        ]


def test_an_answer_is_passed_back_byte_for_byte() -> None:
    """Status, fields in their order, and body are those of the upstream, but for the fields of its connection."""
    answer = (
        b"HTTP/1.1 418 I'm a teapot\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-B: 1\r\nX-A: \xe9\r\nX-B: 2\r\n"
        b"Connection: close, x-own\r\nX-Own: 1\r\nServer: teapot\r\nContent-Length: 4\r\n\r\n\x00\xff\r\n"
    )
    with scripted(answer) as upstream, proxied(upstream.base) as proxy:
        head, _, body = proxy.send(b"GET /v1/trunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").partition(
            b"\r\n\r\n"
        )
    status, *fields = (line for line in head.split(b"\r\n") if not line.startswith(b"x-trunkline-findings"))
    assert status.startswith(b"HTTP/1.1 418 ")
    assert sorted(fields) == sorted(
        [
            b"date: Thu, 01 Jan 1970 00:00:00 GMT",
            b"x-b: 1",
            b"x-a: \xe9",
            b"x-b: 2",
            b"server: teapot",
            b"content-length: 4",
            b"connection: close",
        ]
    )
    assert body == b"\x00\xff\r\n"


def test_a_coded_body_stays_coded() -> None:
    """A body in gzip is passed back as it is; the judge gets the same bytes."""
    coded = gzip.compress(b'{"trunks":[]}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded)
    with scripted(head + coded) as upstream, proxied(upstream.base) as proxy:
        response = proxy.ask(headers={"Accept-Encoding": "gzip"})
        assert response.data == coded  # type: ignore[attr-defined]
        assert response.getheader("content-encoding") == "gzip"
        assert [seen.response_body for seen in proxy.judged()] == [coded]


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\nConnection: close\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_ends_after_its_head(method: str, head: bytes) -> None:
    """HEAD, 204 and 304 have no body, whatever length their fields name; the connection stays usable."""
    with scripted(head) as upstream, proxied(upstream.base) as proxy:
        with closing(http.client.HTTPConnection(*proxy.address, timeout=5)) as client:
            for _ in range(2):
                client.request(method, "/v1/trunks")
                response = client.getresponse()
                assert (response.status, response.read()) == (int(head[9:12]), b"")
                assert response.getheader("content-length") == ("5" if b"Length" in head else None)
        assert upstream.connections == 2


def test_clients_that_close_their_connections_share_one_to_the_upstream() -> None:
    """A client that closes its connection with its answer does not cost the upstream's."""

    def script(connection: socket.socket) -> None:
        while upstream.receive(connection):
            connection.sendall(OK)

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        for _ in range(20):
            assert proxy.send(b"GET /v1/trunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(b"{}")
        assert upstream.connections == 1
        assert len(proxy.app.connections.pool.connections) == 1


def test_both_bodies_are_streamed() -> None:
    """The first part of a request reaches the upstream before the second is sent, and so does that of the answer."""
    steps = [threading.Event() for _ in range(3)]

    def script(connection: socket.socket) -> None:
        data = b""
        while b"first" not in data:
            data += connection.recv(65536)
        steps[0].set()
        while b"second" not in data:
            data += connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthird\r\n")
        assert steps[1].wait(5)
        connection.sendall(b"6\r\nfourth\r\n0\r\n\r\n")

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        head = b"POST /v1/trunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        with proxy.client(head + b"5\r\nfirst\r\n") as client:
            assert steps[0].wait(5)
            client.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
            received = b""
            while b"third" not in received:
                received += client.recv(65536)
            assert b"fourth" not in received
            steps[1].set()
            while b"fourth" not in received:
                received += client.recv(65536)
        (seen,) = proxy.judged(after=1)
    assert (seen.request_body, seen.response_body) == (b"firstsecond", b"thirdfourth")


def test_large_bodies_pass_and_are_not_judged() -> None:
    """Bodies of megabytes pass whole in both directions; their exchange is counted as too large."""
    big = bytes(range(256)) * (5 << 12)

    def script(connection: socket.socket) -> None:
        sent = upstream.receive(connection).partition(b"\r\n\r\n")[2]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent)

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        assert proxy.ask("PUT", body=big).data == big  # type: ignore[attr-defined]
        assert (proxy.judged(), proxy.metrics.unjudged[TOO_LARGE]) == ([], 1)


def test_an_upload_waits_for_100_continue() -> None:
    """A client that expects `100 Continue` gets it, and the upstream sees the expectation."""
    with (
        scripted(OK) as upstream,
        proxied(upstream.base) as proxy,
        socket.create_connection(proxy.address, 5) as client,
    ):
        client.settimeout(5)
        client.sendall(b"PUT /v1/trunks HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert b"expect: 100-continue" in upstream.received[0]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"HTTP/1.0 200 OK\r\n\r\nuntil the end"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_an_answer_may_end_with_its_connection(answer: bytes, version: bytes) -> None:
    """A body without a length passes to clients of both versions: in chunks, or until the connection is closed."""
    with scripted(answer) as upstream, proxied(upstream.base) as proxy:
        received = proxy.send(b"GET /v1/trunks HTTP/%s\r\nHost: x\r\nConnection: close\r\n\r\n" % version)
        assert (b"\r\nd\r\nuntil the end\r\n0\r\n\r\n" in received) is (version == b"1.1")
        assert received.endswith(b"until the end") is (version == b"1.0")
        assert b"chunked" not in received or version == b"1.1"


def test_a_chunked_answer_for_an_old_client_is_not_chunked() -> None:
    """A client of HTTP/1.0 gets the body of a chunked answer, without chunks."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    with scripted(answer) as upstream, proxied(upstream.base) as proxy:
        received = proxy.send(b"GET /v1/trunks HTTP/1.0\r\nHost: x\r\n\r\n")
    assert received.endswith(b"\r\n\r\n{}")
    assert b"transfer-encoding" not in received


def test_interim_answers_are_left_out() -> None:
    """`103 Early Hints` of the upstream is not taken for its answer."""
    with scripted(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK) as upstream, proxied(upstream.base) as proxy:
        assert proxy.ask().status == 200


def test_connections_to_the_upstream_are_used_again() -> None:
    """Several requests in a row need one connection."""

    def script(connection: socket.socket) -> None:
        while upstream.receive(connection):
            connection.sendall(OK)

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        assert [proxy.ask().status for _ in range(3)] == [200] * 3
        assert upstream.connections == 1


def test_bytes_after_an_answer_are_not_the_next_answer() -> None:
    """Bytes that an upstream sends beyond the length of an answer are dropped, with its connection."""

    def script(connection: socket.socket) -> None:
        while upstream.receive(connection):
            connection.sendall(OK + b"HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n")

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        assert [proxy.ask().status for _ in range(3)] == [200] * 3
        assert upstream.connections == 3


# --- the upstream fails -----------------------------------------------------------------------------------------------


def error_of(response: http.client.HTTPResponse) -> str:
    return str(json.loads(response.data)["error"])  # type: ignore[attr-defined]


def test_an_upstream_that_is_down_is_a_502() -> None:
    """Nobody listens: 502 and one sentence, and the next request is tried again."""
    port = free_port()
    with proxied(f"http://127.0.0.1:{port}/v1") as proxy:
        response = proxy.ask()
        assert (response.status, error_of(response)) == (502, f"127.0.0.1:{port} cannot be reached")
        assert (proxy.judged(), proxy.metrics.unjudged[UNANSWERED]) == ([], 1)
        assert response.getheader("x-trunkline-findings") is None
        with scripted(OK):
            assert proxy.ask("POST", body=b"{}").status == 502


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00\xff\x80" * 50,
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
    ],
)
def test_an_upstream_that_speaks_no_http_is_a_502(garbage: bytes) -> None:
    """Whatever is no answer is a 502 in our words."""
    with scripted(garbage) as upstream, proxied(upstream.base) as proxy:
        response = proxy.ask("POST", body=b"{}")
    assert response.status == 502
    assert error_of(response).startswith("127.0.0.1:")


@pytest.mark.parametrize("status", [999, 600, 101])
def test_a_status_that_cannot_be_passed_back_is_a_502(status: int) -> None:
    """A status outside of HTTP, or a switch of protocols that nobody asked for."""
    with scripted(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status) as upstream, proxied(upstream.base) as proxy:
        assert proxy.ask().status == 502


def test_an_upstream_that_is_silent_is_a_504() -> None:
    """No answer in time: 504 and one sentence."""

    def script(connection: socket.socket) -> None:
        upstream.receive(connection)
        upstream.over.wait(5)

    with scripted(script) as upstream, proxied(upstream.base, timeout=0.05) as proxy:
        response, sentence = proxy.ask(), f"127.0.0.1:{upstream.port} did not begin to answer within 0.05 s"
    assert (response.status, error_of(response)) == (504, sentence)


def test_a_read_is_sent_again_once_when_the_connection_was_closed() -> None:
    """An idle connection that the upstream closes at that moment is no error of a GET; a POST is not sent twice."""

    def script(connection: socket.socket) -> None:
        upstream.receive(connection)
        if upstream.connections > 1:
            connection.sendall(OK)

    for method, status, connections in (("GET", 200, 2), ("POST", 502, 1)):
        with scripted(script) as upstream, proxied(upstream.base) as proxy:
            assert proxy.ask(method).status == status
            assert upstream.connections == connections


@pytest.mark.parametrize("head", [b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"])
def test_an_answer_that_breaks_off_breaks_off_for_the_client(head: bytes) -> None:
    """A client can tell that the answer is not whole; it gets what there was, and the exchange is not judged."""
    with scripted(b"HTTP/1.1 200 OK\r\n" + head + b"half") as upstream, proxied(upstream.base) as proxy:
        with pytest.raises(http.client.IncompleteRead) as error:
            proxy.ask()
        assert error.value.partial == b"half"
        assert (proxy.judged(after=1), proxy.metrics.unjudged[BROKEN_OFF]) == ([], 1)


def test_a_pause_within_an_answer_is_bounded() -> None:
    """An upstream that stops in the middle of its answer holds the client up for the timeout, and no longer."""

    def script(connection: socket.socket) -> None:
        upstream.receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        upstream.over.wait(5)

    with (
        scripted(script) as upstream,
        proxied(upstream.base, timeout=0.05) as proxy,
        pytest.raises(http.client.IncompleteRead),
    ):
        proxy.ask()


def test_a_request_that_cannot_be_sent_is_a_400() -> None:
    """A coding of the transfer that is not passed on is refused by us, with a sentence."""
    with scripted(OK) as upstream, proxied(upstream.base) as proxy:
        received = proxy.send(
            b"PUT /v1/trunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
        )
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"cannot be passed on" in received


def test_a_tunnel_is_refused() -> None:
    """CONNECT is for another kind of proxy."""
    with scripted(OK) as upstream, proxied(upstream.base) as proxy:
        received = proxy.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        assert upstream.received == []
    assert received.startswith(b"HTTP/1.1 501 ")


def test_an_early_answer_is_passed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upstream that answers before it has the whole body is not judged by the part of it."""

    async def early(_: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        await anext(aiter(request.stream))  # type: ignore[arg-type]  # it is an asynchronous one
        return httpcore.Response(413, headers=[(b"content-length", b"0")])

    monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", early)
    with scripted(OK) as upstream, proxied(upstream.base, wait=5) as proxy:
        received = proxy.send(
            b"PUT /v1/trunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{"
        )
        assert received.startswith(b"HTTP/1.1 413 ")
        assert (proxy.judged(), proxy.metrics.unjudged[BROKEN_OFF]) == ([], 1)


def test_a_body_that_is_not_read_does_not_hang() -> None:
    """An upload to an upstream that is down is answered, and the connection closed."""
    port = free_port()
    with proxied(f"http://127.0.0.1:{port}/v1") as proxy:
        received = proxy.send(b"PUT /v1/trunks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx")
    assert received.startswith(b"HTTP/1.1 502 ")
    assert b"connection: close" in received


# --- the client leaves ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v1/trunks HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /v1/trunks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx",
    ],
    ids=["while it waits", "within its request"],
)
def test_a_client_that_leaves_ends_the_request_to_the_upstream(sent: bytes) -> None:
    """The upstream's connection is closed when the client hangs up."""
    came, gone = threading.Event(), threading.Event()

    def script(connection: socket.socket) -> None:
        with suppress(ConnectionError):
            while connection.recv(65536):
                came.set()
        gone.set()

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        with proxy.client(sent):
            assert came.wait(5)
        assert gone.wait(5)


def test_a_client_that_leaves_within_the_answer_ends_it() -> None:
    """An endless answer ends when the client hangs up, and the exchange is not judged."""
    gone = threading.Event()

    def script(connection: socket.socket) -> None:
        upstream.receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):
            while True:
                connection.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        gone.set()

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        with proxy.client() as client:
            assert client.recv(1)
        assert gone.wait(5)
        assert proxy.judged(after=1) == []
    assert proxy.metrics.unjudged[BROKEN_OFF] == 1


def test_clients_that_leave_let_no_connection_open() -> None:
    """However many leave, and whenever they do, the proxy keeps no connection to the upstream that nobody uses."""

    def script(connection: socket.socket) -> None:
        while (data := connection.recv(65536)) and not data.endswith(b"hello"):
            pass
        if data:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            connection.recv(1)

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        for number in range(30):
            head = b"POST /v1/trunks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
            with proxy.client(head + b"hello"[: number % 6]) as client:
                if number % 6 == 5 and number % 4:
                    assert client.recv(1)
        proxy.judged(after=30)
        assert proxy.app.connections.pool.connections == []


def test_a_client_that_leaves_as_a_connection_is_made_leaves_none_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose request is cancelled between making and using it would be kept by httpcore for ever."""
    made = threading.Event()
    send = httpcore.AsyncHTTP11Connection.handle_async_request

    async def late(connection: httpcore.AsyncHTTP11Connection, request: httpcore.Request) -> httpcore.Response:
        made.set()
        await asyncio.sleep(5)
        return await send(connection, request)

    monkeypatch.setattr(httpcore.AsyncHTTP11Connection, "handle_async_request", late)
    with scripted(OK) as upstream, proxied(upstream.base) as proxy:
        with proxy.client():
            assert made.wait(5)
        proxy.judged(after=1)
        assert [connection.is_closed() for connection in proxy.app.connections.pool.connections] in ([], [True])


GET = b"GET /v1/trunks HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "sent"),
    [
        (b"", [b"POST /v1/trunks HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"x" * 100_000]),
        (b"", [GET + GET]),
        (OK, [GET + GET]),
        (OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), [GET + GET]),
    ],
    ids=["after a large body", "within the first of two", "within the second", "the same on a new connection"],
)
def test_a_client_that_leaves_is_noticed(first: bytes, sent: list[bytes]) -> None:
    """Also while the server does not read from it, and in each request on its connection."""
    asked, gone = threading.Semaphore(0), threading.Event()
    answers = [first] if first else []

    def script(connection: socket.socket) -> None:
        while upstream.receive(connection):
            asked.release()
            if answers:
                connection.sendall(answers.pop())
                if b"close" in first:
                    return
        gone.set()

    with scripted(script) as upstream, proxied(upstream.base) as proxy:
        with proxy.client(sent[0]) as client:
            for part in sent[1:]:
                time.sleep(0.02)
                client.sendall(part)
            for _ in range(2 if first else 1):
                assert asked.acquire(timeout=5)
            time.sleep(0.02)
        assert gone.wait(2)


# --- judging ----------------------------------------------------------------------------------------------------------


def test_the_judge_sees_the_exchange_as_it_was_sent() -> None:
    """The exchange has the upstream's address, the fields that were passed on, and both bodies."""
    with scripted(OK) as upstream, proxied(upstream.base) as proxy:
        proxy.ask("POST", "/v1/trunks?a=%20", body=b"[]", headers={"X-A": "1"})
        (seen,) = proxy.judged()
        port = upstream.port
    assert seen.url == f"http://127.0.0.1:{port}/v1/trunks?a=%20"
    assert (seen.method, seen.status) == ("POST", 200)
    assert (b"x-a", b"1") in seen.request_headers
    assert (b"host", f"127.0.0.1:{port}".encode()) in seen.request_headers
    assert (seen.request_body, seen.response_body) == (b"[]", b"{}")


def test_a_response_says_how_many_findings_it_has() -> None:
    """With time to wait, the number is in `x-trunkline-findings`; a reason not to judge leaves the field out."""
    for verdict, shown in ((Verdict(3), "3"), (Verdict(0), "0"), (Verdict(reason="no_operation"), None)):
        with scripted(OK) as upstream, proxied(upstream.base, lambda _, found=verdict: found, wait=5) as proxy:  # type: ignore[misc]
            assert proxy.ask().getheader("x-trunkline-findings") == shown


def test_the_number_of_findings_is_the_proxys_own() -> None:
    """One that the upstream sends, such as another proxy, is not taken for it, judged or not."""
    answer = OK.replace(b"\r\n", b"\r\nX-Trunkline-Findings: 77\r\n", 1)
    for verdict, shown in ((Verdict(3), "3"), (Verdict(reason="no_operation"), None)):
        with scripted(answer) as upstream, proxied(upstream.base, lambda _, found=verdict: found, wait=5) as proxy:  # type: ignore[misc]
            assert proxy.ask().getheader("x-trunkline-findings") == shown


def test_a_slow_upstream_gives_the_time_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a response waits a share of what the upstream took; that of a fast one does not wait at all."""
    for share, shown in ((1e6, "1"), (0.0, None)):
        monkeypatch.setattr(validating_proxy, "_SHARE", share)
        monkeypatch.setattr(validating_proxy, "_LONGEST_WAIT", 5.0)
        with scripted(OK) as upstream, proxied(upstream.base, lambda _: Verdict(1)) as proxy:
            assert proxy.ask().getheader("x-trunkline-findings") == shown
            assert len(proxy.judged()) == 1


def test_a_judge_that_is_stuck_holds_nothing_up() -> None:
    """Responses pass; what cannot wait to be judged is dropped, and counted."""
    stuck = threading.Event()

    def judge(_: RawExchange) -> Verdict:
        stuck.wait(10)
        return Verdict(1)

    with scripted(OK) as upstream, proxied(upstream.base, judge, most=3) as proxy:
        responses = [proxy.ask() for _ in range(10)]
        assert {response.status for response in responses} == {200}
        assert {response.getheader("x-trunkline-findings") for response in responses} == {None}
        assert proxy.metrics.unjudged[BEHIND] == 7
        stuck.set()
        assert len(proxy.judged()) == 3


def test_a_judge_that_fails_is_counted() -> None:
    """An exception in the judge changes no response, and the next one is judged again."""

    def judge(_: RawExchange) -> Verdict:
        raise ZeroDivisionError

    with scripted(OK) as upstream, proxied(upstream.base, judge, wait=5) as proxy:
        assert [proxy.ask().status for _ in range(2)] == [200, 200]
        assert (len(proxy.judged()), proxy.metrics.unjudged[FAILED]) == (2, 2)


def test_a_response_waits_for_parts_that_come_late() -> None:
    """A body that does not come in the time to wait is passed on without the number, and judged at its end."""
    seen = threading.Event()

    def script(connection: socket.socket) -> None:
        upstream.receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
        assert seen.wait(5)
        connection.sendall(b"}")

    with scripted(script) as upstream, proxied(upstream.base, wait=0.01) as proxy:
        with proxy.client(b"GET /v1/trunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
            received = client.recv(65536)
            assert b"x-trunkline-findings" not in received
            seen.set()
            received += b"".join(iter(lambda: client.recv(65536), b""))
        assert received.endswith(b"{}")
        assert [one.response_body for one in proxy.judged(after=1)] == [b"{}"]


def test_each_request_is_counted_and_has_a_line() -> None:
    """Requests by operation and status, findings by rule; a line without path and query, which may hold secrets."""
    verdict = Verdict(1, (("body_is_json", "documented"),))
    with scripted(OK) as upstream, proxied(upstream.base, lambda _: verdict) as proxy:
        proxy.ask()
        proxy.ask(path="/v1/secret?token=secret")
        proxy.judged()
        text = proxy.metrics.to_text().decode()
    assert 'trunkline_requests_total{operation="GET /v1/trunks",status="200"} 1.0' in text
    assert 'trunkline_requests_total{operation="",status="200"} 1.0' in text
    assert 'trunkline_findings_total{grade="documented",rule="body_is_json"} 2.0' in text
    assert "trunkline_request_duration_seconds_bucket" in text
    assert [line.rpartition(" 200 ")[0] for line in proxy.lines] == ["GET GET /v1/trunks", "GET another path"]


# --- the reserved path ------------------------------------------------------------------------------------------------


def test_the_reserved_path_is_not_passed_on() -> None:
    """Health, metrics and findings are ours; other paths and methods below are refused with a sentence."""
    with scripted(OK) as upstream, proxied(upstream.base) as proxy:
        assert json.loads(proxy.ask(path="/_trunkline/health").data) == {"status": "ok"}  # type: ignore[attr-defined]
        assert proxy.ask(path="/_trunkline/findings").data == b"{}"  # type: ignore[attr-defined]
        metrics = proxy.ask(path="/_trunkline/metrics")
        assert metrics.getheader("content-type", "").startswith("text/plain; version=0.0.4")
        for path in ("/_trunkline", "/_trunkline/", "/_trunkline/reset"):
            assert "GET /_trunkline/health" in error_of(proxy.ask(path=path))
        assert proxy.ask("POST", "/_trunkline/health", headers={"x-trunkline": "yes"}).status == 405
        assert upstream.received == []


def test_only_this_machine_may_ask_for_the_metrics() -> None:
    """A foreign Host (DNS rebinding) or Origin is refused, as on the admin surface of the mock server."""
    with scripted(OK) as upstream, proxied(upstream.base) as proxy:
        for header in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            assert proxy.ask(path="/_trunkline/metrics", headers=header).status == 403


@pytest.mark.parametrize(
    "base", ["", "api.example.com", "ftp://x", "http://u:p@x/v1", "http://x/v1?a=b", "http://x:0/"]
)
def test_an_upstream_without_a_usable_address_is_refused(base: str) -> None:
    """The sentence quotes no part of the address, which may be a password."""
    with pytest.raises(UsageError, match="write it like https://"):
        address(base)
