"""Tests of `trunkline.transport.server`: targets as one application, and a server that starts and ends cleanly."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from inspect import signature
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.protocols.http import h11_impl, httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import trunkline
from tests.servers import LIMITED, executing, printed_line
from trunkline import mock
from trunkline.contract import folders
from trunkline.contract.model import Create, List
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Request, Response
from trunkline.mock.session import MockSession
from trunkline.transport import routing, server
from trunkline.transport.asgi import application
from trunkline.transport.protocol import MAX_HEAD, ServerConnection

SCRIPT = """
import threading
from trunkline.transport import routing, server
from trunkline.exchange import Response

def target(request):
    if request.path == "/forever":
        print("asked", flush=True)
        threading.Event().wait()
    return Response(200, (), b"ok")

def ready(url):
    print(url, flush=True)

server.serve(server.asgi(target, blocking=True), host="127.0.0.1", port=0, on_ready=ready)
print("over", flush=True)
"""


class Answer(NamedTuple):
    """The response to a request."""

    status: int
    headers: dict[str, str]
    body: bytes


def echo(request: Request) -> Response:
    """A target that answers what reached it."""
    parts = [request.method, request.path, request.query, request.body.decode("latin-1")]
    return Response(200, (("content-type", "application/json"),), json.dumps(parts).encode())


def read(response: HTTPResponse) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@contextmanager
def connected(url: str) -> Iterator[HTTPConnection]:
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=10)) as connection:
        yield connection


def ask(url: str, target: str, method: str = "GET", **headers: str | bytes) -> Answer:
    with connected(url) as connection:
        connection.putrequest(method, "/", skip_host=True)
        # What http.client refuses to send is what has to be tried.
        connection._buffer[0] = f"{method} {target} HTTP/1.1".encode("latin-1")  # type: ignore[attr-defined] # private
        for name, value in {"Host": "mock.example", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return read(connection.getresponse())


@pytest.fixture(scope="module")
def both() -> Iterator[str]:
    """The mocks of both vendors on one port."""
    vendors = routing.bases(map(trunkline.load, folders.names()))
    targets = {base: mock.from_vendor(vendor) for base, vendor in vendors.items()}
    index = {vendor.name: base for base, vendor in vendors.items()}
    with server.running(server.asgi(targets, index=index)) as url:
        yield url


@pytest.fixture(scope="module")
def echoing() -> Iterator[str]:
    with server.running(server.asgi({"/v1": echo, "/v1/deeper": lambda _: Response(204)})) as url:
        yield url


# --- one application ------------------------------------------------------------------------------------------------


def test_two_vendors_live_on_one_port(both: str) -> None:
    """Each is found below its own base path and answers with its own words."""
    trunks = ask(both, "/v1/trunks?limit=1", Authorization="Bearer YOUR_API_KEY")
    trunk = ask(both, "/api/v1/sip-trunks/trunk-uuid-1", Authorization="Bearer talq_your_environment_token_here")
    assert (trunks.status, trunk.status) == (200, 200)
    assert json.loads(trunks.body)["trunks"][0]["id"] == "conn_abc123xyz"
    assert json.loads(trunk.body)["data"]["id"] == "trunk-uuid-1"
    assert trunks.headers["content-type"] == "application/json"
    assert "date" in trunks.headers


@pytest.mark.parametrize(
    ("host", "root"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("192.0.2.7", "http://192.0.2.7"),
        ("[::1]:80", "http://[::1]:80"),
        ("evil.example", None),
        ("127.0.0.1:8000/x", None),
        ("١٢٧.0.0.1", None),
        ("", None),
    ],
)
def test_the_root_tells_what_is_served(both: str, host: str, root: str | None) -> None:
    """The index names each vendor below the address that the client has used, or the server's if that is a name."""
    answer = ask(both, "/", Host=host.encode())
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {
        "vendors": {
            "talkover": {"url": f"{root or both}/api/v1"},
            "telepath": {"url": f"{root or both}/v1"},
        }
    }


@pytest.mark.parametrize(
    "target", ["/trunks", "/v2/trunks", "/v1x/trunks", "/V1/trunks", "/v1%2Ftrunks", "//v1/x", "*"]
)
def test_a_path_below_no_base_is_reported_the_bases(both: str, target: str) -> None:
    """A client that forgot the base path learns it from trunkline's own 404."""
    answer = ask(both, target)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert json.loads(answer.body) == {"error": "nothing is served here; every path begins with /api/v1/ or /v1/"}


def test_the_mock_answers_for_what_is_below_its_base(both: str) -> None:
    """An unknown path and a wrong method are refused in the vendor's own shape."""
    lost = ask(both, "/v1/nothing", Authorization="Bearer YOUR_API_KEY")
    wrong = ask(both, "/v1/trunks", "DELETE", Authorization="Bearer YOUR_API_KEY")
    assert (lost.status, wrong.status) == (404, 405)
    assert set(json.loads(lost.body)["error"]) == set(json.loads(wrong.body)["error"]) == {"code", "message"}
    assert "GET" in wrong.headers["allow"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/%76%31/%74runks?limit=1", 200),
        ("/v1/%74%72unks", 200),
        ("/api/v1/sip%2Dtrunks/trunk-uuid%2d1", 200),
        ("/v1/%54runks", 404),
        ("/v1%2Ftrunks", 404),
        ("/v1/%2574runks", 404),
    ],
)
def test_an_encoded_letter_is_that_letter(both: str, target: str, status: int) -> None:
    """`/v1/%74runks` is `/v1/trunks` (RFC 9110, section 4.2.3), but `%2F` is no slash."""
    token = "YOUR_API_KEY" if "api" not in target else "talq_your_environment_token_here"
    assert ask(both, target, Authorization=f"Bearer {token}").status == status


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "TRACE", "PATCH", "QUERY", "PROPFIND", "X-1", "get"])
def test_any_method_reaches_the_target(echoing: str, method: str) -> None:
    """The server knows no list of methods; the target judges."""
    assert json.loads(ask(echoing, "/v1/trunks?a=b", method).body)[:3] == [method, "/trunks", "a=b"]


def test_head_has_the_headers_of_get_without_its_body(both: str) -> None:
    """The response to HEAD has a length and no body, and the connection can be used again."""
    with connected(both) as connection:
        headers = {"Authorization": "Bearer YOUR_API_KEY"}
        connection.request("HEAD", "/v1/trunks", headers=headers)
        head = read(connection.getresponse())
        connection.request("GET", "/v1/trunks", headers=headers)
        assert connection.getresponse().read()
    assert head.body == b""
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/trunks/a%2Fb",
        "/trunks/%00",
        "/trunks/%ff%fe",
        "/trunks/%0A",
        "/trunks/%0d%0aX: 1",
        "/trunks/'\"<>{}|\\^`",
        "/trunks//a/./../b/",
        "/trunks/%",
        "/trunks/%zz;x=1",
        "/%2e%2e/%2e%2e/etc",
        "//trunks",
        "/",
        "",
        "/" + "x" * 10_000,
    ],
)
def test_a_path_arrives_as_sent(echoing: str, path: str) -> None:
    """The path is not decoded, joined or cut on the way to the target."""
    sent = path.replace(" ", "%20")
    answer = ask(echoing, f"/v1{sent}?q=%2F&q=%ff'")
    assert json.loads(answer.body)[1:3] == [sent, "q=%2F&q=%ff'"]


@pytest.mark.parametrize("kept", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nx: "], ids=["line", "field"])
def test_a_head_without_end_is_refused(echoing: str, start: bytes, kept: bool) -> None:
    """One byte more than the bound, of a request line or a field, gets a 400, and the connection is closed."""
    parts = urlsplit(echoing)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        if kept:
            connection.sendall(b"GET /v1/ HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(start.ljust(MAX_HEAD + 1, b"x"))
        with connection.makefile("rb") as received:
            assert received.read().startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("piece", [b"a: b\r\n", b"x"], ids=["fields", "name"])
def test_a_trailer_section_without_end_is_refused(echoing: str, piece: bytes) -> None:
    """The trailers after the last chunk have the bound of a head; a body of many small chunks has not."""
    head = b"POST /v1/ HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = urlsplit(echoing)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(head)
        connection.sendall(b"1\r\nx\r\n" * MAX_HEAD + b"0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(head + b"2\r\n{}\r\n0\r\n")
        with pytest.raises(ConnectionError):  # it is closed meanwhile
            connection.sendall(piece * (64 * MAX_HEAD // len(piece)))


def test_the_longest_base_wins() -> None:
    """A target below another's base gets its own paths, whatever the order in which they were given."""
    with server.running(server.asgi({"/v1": echo, "/v1/deeper/": lambda _: Response(204)})) as url:
        assert ask(url, "/v1/deeper/x").status == ask(url, "/v1/deeper").status == 204
        assert ask(url, "/v1/deepest").status == 200


def test_a_lone_target_answers_every_path() -> None:
    """Without bases there is no index and no 404 of ours."""
    with server.running(server.asgi(echo)) as url:
        assert json.loads(ask(url, "/").body)[1] == "/"
        assert json.loads(ask(url, "/v1/trunks").body)[1] == "/v1/trunks"


@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
def test_a_request_to_a_proxy_is_understood(echoing: str, both: str, scheme: str) -> None:
    """A request line may hold a whole address; path and host are then its own (RFC 9112, section 3.2.2)."""
    assert json.loads(ask(echoing, f"{scheme}://other:8/v1/a%2Fb?c=http://d/").body)[1:3] == ["/a%2Fb", "c=http://d/"]
    for target in (f"{scheme}://192.0.2.1:8", f"{scheme}://192.0.2.1:8/"):
        places = json.loads(ask(both, target).body)["vendors"].values()
        assert all(place["url"].startswith("http://192.0.2.1:8/") for place in places)
    assert ask(both, "ftp://other/v1/trunks").status == 404


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_audibly(echoing: str, announced: bool) -> None:
    """A client that sends all of it before it listens hears the 413 all the same, not a reset."""
    with connected(echoing) as connection:
        parts = (bytes(1 << 20) for _ in range(70))
        fields = {"Content-Length": str(70 << 20)} if announced else {}
        connection.request("POST", "/v1/trunks", body=parts, headers=fields, encode_chunked=not announced)
        assert connection.getresponse().status == 413


@pytest.mark.parametrize(
    "fields", [{}, {"Content-Length": str(90 << 20)}, {"Content-Length": str(90 << 20), "Expect": "100-continue"}]
)
@pytest.mark.parametrize("path", ["/x/trunks", "/elsewhere"])
def test_an_early_refusal_is_heard(path: str, fields: dict[str, str]) -> None:
    """A client that sends 90 MB first, and wants the connection closed, gets the answer and no reset."""
    with server.running(application(echo, base="/x")) as url, connected(url) as connection:
        parts = (bytes(1 << 20) for _ in range(90))
        connection.request("POST", path, parts, {"Connection": "close", **fields}, encode_chunked=not fields)
        answer = read(connection.getresponse())
    assert answer.status == (413 if path == "/x/trunks" else 404)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("method", ["POST", "X-1"], ids=["httptools", "h11"])
def test_a_malformed_chunk_after_the_answer_is_not_logged(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever reads the request, the client has its answer, and the server shows no traceback of its own."""
    head = f"{method} /elsewhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with server.running(application(echo, base="/x")) as url:
        answer = raw(url, head, b"2\r\nab\r\n", b"zz\r\n")
    assert answer.startswith(b"HTTP/1.1 404")
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []


@pytest.mark.slow_for("False-talkover", "True-telepath")
@pytest.mark.parametrize("name", folders.names())
@pytest.mark.parametrize("announced", [True, False])
def test_fifty_megabytes_are_refused_as_the_vendor_does(name: str, announced: bool) -> None:
    """413 in the vendor's shape, from several clients at once, in little memory; the mock is as it was, and answers."""
    vendor = trunkline.load(name)
    fake = mock.from_vendor(vendor)
    before = fake.snapshot("trunks")
    path = vendor.contract.base_path + next(
        one.path for one in vendor.contract.operations if isinstance(one.kind, Create)
    )
    part = bytes(1 << 20)
    fields = {"Authorization": f"Bearer {vendor.world.token}", "Content-Type": "application/json"}
    if announced:
        fields["Content-Length"] = str(50 << 20)

    def send(url: str) -> Answer:
        with connected(url) as connection:
            connection.request("POST", path, itertools.repeat(part, 50), fields, encode_chunked=not announced)
            return read(connection.getresponse())

    with server.running(server.asgi({vendor.contract.base_path: fake})) as url, ThreadPoolExecutor(4) as pool:
        tracemalloc.start()
        try:
            answers = list(pool.map(send, [url] * 4))
            assert tracemalloc.get_traced_memory()[1] < 24 << 20
        finally:
            tracemalloc.stop()
        lists = next(one.path for one in vendor.contract.operations if isinstance(one.kind, List))
        alive = ask(url, vendor.contract.base_path + lists, Authorization=fields["Authorization"])
    assert {answer.status for answer in answers} == {413}
    assert all(answer.headers[mock.REFUSAL_HEADER].startswith("body_too_large; ") for answer in answers)
    assert alive.status == 200
    assert fake.snapshot("trunks") == before


def test_repeated_requests_are_answered_alike_and_counted() -> None:
    """A remembered answer has the bytes of the first, counts against the limit, and does not hide a body too large."""
    fake = mock.from_vendor(trunkline.load("telepath"), rate_limit=6, clock=lambda: 1_700_000_000.0)
    fields = {"Authorization": f"Bearer {fake.vendor.world.token}"}
    with server.running(server.asgi({"/v1": fake})) as url:
        answers = [ask(url, "/v1/trunks?limit=1", **fields) for _ in range(5)]
        with connected(url) as connection:
            connection.request("GET", "/v1/trunks?limit=1", bytes(2 << 20), fields)
            assert connection.getresponse().status == 413
        answers += [ask(url, "/v1/trunks?limit=1", **fields) for _ in range(2)]
    assert [answer.status for answer in answers] == [200] * 6 + [429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["5", "4", "3", "2", "1", "0", "0"]
    assert len({answer.body for answer in answers[:6]}) == 1
    assert answers[-1].headers[mock.REFUSAL_HEADER].startswith("rate_limited; ")


def test_what_asks_for_no_body_is_not_done_with_a_large_one() -> None:
    """A removal with fifty megabytes is refused in our own words, and removes nothing."""
    fake = mock.from_vendor(trunkline.load("talkover"))
    before = fake.snapshot("dids")
    fields = {"Authorization": f"Bearer {fake.vendor.world.token}", "Content-Length": str(50 << 20)}
    path = f"/sip-trunks/{before[0]['trunk_id']}/dids/{before[0]['id']}"
    with server.running(server.asgi(fake)) as url, connected(url) as connection:
        connection.request("DELETE", path, itertools.repeat(bytes(1 << 20), 50), fields)
        answer = read(connection.getresponse())
    assert (answer.status, json.loads(answer.body)) == (413, {"error": "the body is larger than 1048576 bytes"})
    assert fake.snapshot("dids") == before


def test_who_goes_in_mid_sentence_has_asked_nothing() -> None:
    """A request whose body breaks off reaches no target, nor does its beginning."""
    seen: list[Request] = []
    come = threading.Event()

    def target(request: Request) -> Response:
        seen.append(request)
        if request.path == "/after":
            come.set()
        return Response(200)

    with server.running(server.asgi(target)) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as half:
            half.sendall(b"DELETE /half HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        ask(url, "/after")
        assert come.wait(10)
    assert [request.path for request in seen] == ["/after"]


def test_a_body_arrives_whole(echoing: str) -> None:
    """Also one that comes in many pieces, without a length."""
    with connected(echoing) as connection:
        connection.request("POST", "/v1/trunks", body=iter([b"ab", b"c" * 100_000, b"d"]), encode_chunked=True)
        received = json.loads(connection.getresponse().read())
    assert received[3] == "ab" + "c" * 100_000 + "d"


def test_a_target_that_cannot_be_asked_is_a_bad_gateway() -> None:
    """A proxy tells its client, as JSON, why the implementation behind it could not be asked."""

    def down(request: Request) -> Response:
        raise TargetError("api.example.com:443 refuses connections")

    with server.running(server.asgi({"/v1": down}, blocking=True)) as url:
        answer = ask(url, "/v1/trunks")
    assert answer.status == 502
    assert "refuses connections" in json.loads(answer.body)["error"]


def test_a_slow_target_stops_nobody_else() -> None:
    """With `blocking`, a request that waits leaves room for others."""
    go = threading.Event()

    def waiting(request: Request) -> Response:
        if request.path == "/slow":
            go.wait(10)
        return Response(200, (), b"ok")

    with server.running(server.asgi({"/v1": waiting}, blocking=True)) as url, connected(url) as slow:
        slow.request("GET", "/v1/slow")
        assert ask(url, "/v1/quick").status == 200
        go.set()
        assert slow.getresponse().status == 200


def test_two_vendors_at_one_base_path_are_refused() -> None:
    """The sentence names both, and the path that they share."""
    telepath = trunkline.load("telepath")
    with pytest.raises(UsageError, match="telepath and other both have the base path /v1"):
        routing.bases([telepath, replace(telepath, name="other")])


# --- web pages ------------------------------------------------------------------------------------------------------

MOCKED = "Bearer YOUR_API_KEY"
OWN_PAGES = ("http://localhost:5173", "https://app.localhost", "http://127.0.0.1:3000", "http://[::1]:8080")


@pytest.fixture(scope="module")
def for_pages() -> Iterator[str]:
    """The mock of a vendor, for pages of this machine and of one origin."""
    vendor = trunkline.load("telepath")
    targets = {vendor.contract.base_path: mock.from_vendor(vendor)}
    with server.running(server.asgi(targets, cors=["https://App.example.com"])) as url:
        yield url


@pytest.mark.parametrize("origin", [*OWN_PAGES, "https://app.example.com"])
def test_a_page_may_read_the_answers(for_pages: str, origin: str) -> None:
    """Its origin is allowed, and every header field exposed, in answers and refusals, below the base and elsewhere."""
    for path, fields, status in (
        ("/v1/trunks", {"Authorization": MOCKED}, 200),
        ("/v1/trunks", {}, 401),
        ("/v1/nothing", {"Authorization": MOCKED}, 404),
        ("/nothing", {}, 404),
    ):
        answer = ask(for_pages, path, Origin=origin, **fields)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-expose-headers"] == "*"
        assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost.evil.example", "http://evil.example#localhost", "null", "http://127.1"],
)
def test_another_page_may_not(for_pages: str, origin: str) -> None:
    """It gets the answer, as every client does, without the permission to read it; its preflight is refused."""
    answer = ask(for_pages, "/v1/trunks", Origin=origin, Authorization=MOCKED)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert ask(for_pages, "/v1/trunks", method="OPTIONS", **preflight).status == 400


def test_the_log_names_an_origin_that_is_refused_once(
    for_pages: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the way out; what no browser sends as an origin is not logged."""
    monkeypatch.setattr(routing._Cors, "_refused", set())
    with caplog.at_level("INFO", "trunkline"):
        for origin in ("https://front.example",) * 2 + ("https://a b", "x" * 999, OWN_PAGES[0]):
            preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            ask(for_pages, "/v1/trunks", method="OPTIONS", **preflight)
            ask(for_pages, "/v1/trunks", Origin=origin)
    named = [message for message in caplog.messages if "origin" in message]
    sentence = "pages of the origin https://front.example may not read answers; --cors https://front.example lets them"
    assert named == [sentence]


def test_a_preflight_allows_what_the_page_wants(for_pages: str) -> None:
    """Any method and the named fields; a rate limit does not count it, and OPTIONS without it is answered as before."""
    fields = {
        "Origin": OWN_PAGES[0],
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,x-trunkline-fault",
    }
    answer = ask(for_pages, "/v1/trunks", method="OPTIONS", **fields)
    assert answer.status == 200
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,x-trunkline-fault"
    assert "x-ratelimit-limit" not in answer.headers
    plain = ask(for_pages, "/v1/trunks", method="OPTIONS", Origin=OWN_PAGES[0])
    assert (plain.status, plain.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_any_page_may_with_a_star() -> None:
    """`--cors '*'` allows every origin, also that of a page from a file."""
    with server.running(server.asgi({"/v1": echo}, cors=["*"])) as url:
        for origin in ("https://evil.example", "null"):
            assert ask(url, "/v1/x", Origin=origin).headers["access-control-allow-origin"] in {"*", origin}


def test_without_cors_no_page_may() -> None:
    """An application that is served as a library serves no page that it was not told of."""
    with server.running(server.asgi({"/v1": echo})) as url:
        assert "access-control-allow-origin" not in ask(url, "/v1/x", Origin=OWN_PAGES[0]).headers


@pytest.mark.parametrize(
    "origin",
    [
        *("app.example.com", "https://app.example.com/", "https://", "https://a b", "http://u@x", "https://*.example"),
        *("https://a:0", "https://a:65536", "https://a:99999999", "https://é.example"),
    ],
)
def test_an_origin_is_scheme_host_and_port(origin: str) -> None:
    """Anything else would never match, so it is refused in one sentence."""
    with pytest.raises(UsageError, match="is not an origin; give scheme, host and port only"):
        routing.cors_middleware([origin])


# --- served ---------------------------------------------------------------------------------------------------------


def test_a_server_ends_with_its_block() -> None:
    """Fast, with its port free and its thread gone, also while a client keeps a connection open."""
    before, times = threading.active_count(), []
    for _ in range(5):
        with ExitStack() as stack:
            url = stack.enter_context(server.running(server.asgi(echo)))
            connection = stack.enter_context(connected(url))
            connection.request("GET", "/")
            assert connection.getresponse().read()
            begin = time.perf_counter()
        times.append(time.perf_counter() - begin)
        with pytest.raises(ConnectionRefusedError):
            ask(url, "/")
    assert min(times) < 0.05
    assert threading.active_count() == before


def test_a_server_ends_though_a_client_dawdles() -> None:
    """Neither half a request nor an unread answer delays the end beyond the grace."""
    big = Response(200, (), b"x" * (32 << 20))
    with ExitStack() as stack:
        url = stack.enter_context(server.running(server.asgi(lambda _: big)))
        place = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        for half in (b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"):
            stack.enter_context(socket.create_connection(place)).sendall(half)
        unread = stack.enter_context(socket.create_connection(place))
        unread.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert unread.recv(1000)
        begin = time.perf_counter()
        stack.pop_all().__exit__(None, None, None)
    assert time.perf_counter() - begin < 2


def test_servers_do_not_disturb_each_other() -> None:
    """Several run at once in a process, each on a port of its own."""
    first, second = Response(200, (), b"first"), Response(200, (), b"second")
    with (
        server.running(server.asgi(lambda _: first)) as one,
        server.running(server.asgi(lambda _: second)) as other,
    ):
        assert (ask(one, "/").body, ask(other, "/").body) == (b"first", b"second")


def test_an_error_in_the_block_ends_the_server() -> None:
    """A test that fails leaves nothing behind."""
    with pytest.raises(KeyError), server.running(server.asgi(echo)) as url:
        raise KeyError
    with pytest.raises(ConnectionRefusedError):
        ask(url, "/")


def test_keep_alive_serves_many_requests(echoing: str) -> None:
    """One connection carries them all, and none waits for a delayed acknowledgement."""
    with connected(echoing) as connection:
        connection.connect()
        sock = connection.sock
        begin = time.perf_counter()
        for number in range(50):
            connection.request("GET", f"/v1/{number}")
            assert json.loads(connection.getresponse().read())[1] == f"/{number}"
        assert connection.sock is sock
    assert time.perf_counter() - begin < 50 * 0.035


def test_any_asgi_application_can_run() -> None:
    """`running` is not only for what `asgi` makes."""
    with server.running(application(echo, base="/x")) as url:
        assert json.loads(ask(url, "/x/y").body)[1] == "/y"


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("127.0.0.1", 65536, "there is no port 65536"),
        ("127.0.0.1", -1, "there is no port -1"),
        ("a" * 64 + ".example", 0, "is unknown; choose an address of this machine"),
        ("192.0.2.1", 0, "192.0.2.1 is not an address of this machine"),
    ],
)
def test_what_cannot_be_bound_is_refused(host: str, port: int, sentence: str) -> None:
    """One sentence says what is wrong and what to choose instead."""
    with pytest.raises(UsageError, match=sentence) as caught, server.running(server.asgi(echo), host=host, port=port):
        pass
    assert "choose" in str(caught.value)


def test_a_port_in_use_is_refused(echoing: str) -> None:
    """The sentence names the port and how to fix it; the server that has the port goes on."""
    port = urlsplit(echoing).port or 0
    with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is in use; choose another with --port"):
        server.serve(server.asgi(echo), host="127.0.0.1", port=port, on_ready=print)
    assert ask(echoing, "/v1/").status == 200


def test_a_privileged_port_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a port that needs privileges names the ports that need none."""

    def bind(sock: socket.socket, address: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(UsageError, match="port 80 needs privileges; choose one above 1023"):
        server.serve(server.asgi(echo), host="127.0.0.1", port=80, on_ready=print)


def test_an_address_for_all_is_reported_as_one() -> None:
    """A server on every address of the machine tells one that a client can use."""
    with server.running(server.asgi(echo), host="0.0.0.0") as url:  # noqa: S104 - this is the case
        assert url.startswith("http://127.0.0.1:")
        assert ask(url, "/").status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_serving_cleanly(number: signal.Signals) -> None:
    """`serve` returns within a second, without a traceback, though a client holds its connection open."""
    with executing(SCRIPT) as (process, url), connected(url) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"
        begin = time.perf_counter()
        process.send_signal(number)
        assert process.communicate(timeout=10) == ("over\n", "")
        assert process.returncode == 0
        assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_forces_the_end(number: signal.Signals) -> None:
    """A second signal ends a server whose target never answers."""
    with executing(SCRIPT) as (process, url), connected(url) as connection:
        connection.request("GET", "/forever")
        assert printed_line(process) == "asked"
        process.send_signal(number)
        refused = False
        while not refused:
            try:
                ask(url, "/")
            except OSError:
                refused = True
        process.send_signal(number)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == -number


HASTY = "server._LOOK_EVERY = 0.01\n"
BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_more_clients_than_file_descriptors_are_served_in_turn(loop: str) -> None:
    """150 clients that hold their connections open are all answered by a process with 64 files, which says it once."""
    with ExitStack() as stack:
        process, url = stack.enter_context(executing(LIMITED[loop] + SCRIPT))
        place = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        clients = [stack.enter_context(socket.create_connection(place, timeout=30)) for _ in range(150)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answers = [client.recv(15) for client in clients]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    assert answers == [b"HTTP/1.1 200 OK"] * 150
    assert out == "over\n"
    assert re.fullmatch(r"[0-9]+ connections are open, and the process may open no more files .*; .* wait\n", err)


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHo", BODY[:-1]], ids=["silent", "head", "body"])
def test_clients_that_send_no_whole_request_stop_nobody(start: bytes) -> None:
    """A process with 64 files answers while 150 clients hold connections on which they do not finish a request."""
    with ExitStack() as stack:
        process, url = stack.enter_context(
            executing(LIMITED["uvloop"] + SCRIPT.replace("\nserver.serve", f"\n{HASTY}server.serve"))
        )
        place = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        for _ in range(150):
            stack.enter_context(socket.create_connection(place, timeout=30)).sendall(start)
        assert ask(url, "/").status == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def test_an_unfinished_request_ends_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is closed whose client stops sending, but not one that waits for its answer."""
    monkeypatch.setattr(server, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(server, "_KEEP_ALIVE", 0.05)
    others_are_closed = threading.Event()

    def answer(_: Request) -> Response:
        assert others_are_closed.wait(10)
        return Response(200)

    with server.running(server.asgi(answer, blocking=True)) as url, ExitStack() as stack:
        place = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        waiting = stack.enter_context(connected(url))
        waiting.request("GET", "/")
        starts = (b"", b"GET / HTTP/1.1\r\nHo", BODY[:-1], b"FROB" + BODY[4:-1])
        clients = [stack.enter_context(socket.create_connection(place, timeout=10)) for _ in starts]
        for client, start in zip(clients, starts, strict=True):
            client.sendall(start)
        assert [client.recv(15) for client in clients] == [b""] * len(starts)
        others_are_closed.set()
        assert waiting.getresponse().status == 200


def test_a_client_cannot_fill_the_log() -> None:
    """Bytes that are no HTTP are refused with 400, and an offer to upgrade is passed over, both without a line."""
    with executing(SCRIPT) as (process, url):
        assert b" 400 " in raw(url, b"\x16\x03\x01\x00\r\n\r\n")
        assert b" 200 " in raw(url, b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10) == ("over\n", "")


def test_uvicorn_has_the_parts_that_are_used() -> None:
    """`Server.serve` with sockets; and of protocols, beside those of asyncio, all that `transport.protocol` touches."""
    assert "sockets" in signature(uvicorn.Server.serve).parameters
    assert {"config", "server_state"} <= vars(uvicorn.Server(uvicorn.Config(lambda: None, log_config=None))).keys()
    for protocol in (HttpToolsProtocol, H11Protocol):
        assert [*signature(protocol).parameters][:3] == ["config", "server_state", "app_state"]
        assert [*signature(protocol.shutdown).parameters] == ["self"]
        assert [*signature(protocol._unset_keepalive_if_required).parameters] == ["self"]
        assert {"flow", "cycle"} <= {*protocol.__init__.__code__.co_names}
    assert [*signature(HttpToolsProtocol.send_400_response).parameters] == ["self", "msg"]
    assert [*signature(HttpToolsProtocol.on_body).parameters] == ["self", "body"]
    assert [*signature(HttpToolsProtocol.on_message_complete).parameters] == ["self"]
    for change in (FlowControl.pause_reading, FlowControl.resume_reading):
        assert [*signature(change).parameters] == ["self"]
    assert "write_paused" in FlowControl.__init__.__code__.co_names
    for cycle in (httptools_impl.RequestResponseCycle, h11_impl.RequestResponseCycle):
        assert {"scope", "default_headers"} <= signature(cycle).parameters.keys()
        assert {"more_body", "response_complete"} <= {*cycle.__init__.__code__.co_names}
    counted = httptools_impl.RequestResponseCycle.__init__.__code__.co_names
    assert {"chunked_encoding", "expected_content_length"} <= {*counted}
    assert [*signature(HttpToolsProtocol.on_response_complete).parameters] == ["self"]
    assert "pipeline" in HttpToolsProtocol.__init__.__code__.co_names


READ = b"GET /v1/trunks?limit=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n"


def parts_of(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The status line, the fields but for those that change with the time, and the body of one response."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = head.lower().split(b"\r\n")
    return (
        line,
        sorted(field for field in fields if not re.match(rb"(date|x-ratelimit-(reset|remaining)):", field)),
        body,
    )


@pytest.mark.parametrize("token", ["", "unknown"])
@pytest.mark.parametrize("query", ["?limit=1", "?limit=0", "?page=1", "/unknown"])
def test_both_parsers_lead_to_the_same_answer(query: str, token: str) -> None:
    """A request in one packet is read by httptools, one with `Host` in a second packet by h11."""
    acme = trunkline.load("telepath")
    with server.running(server.asgi({"/v1": mock.from_vendor(acme)})) as url:
        field = b"Connection: close\r\nAuthorization: Bearer %s\r\n" % (token or acme.world.token).encode()
        line = b"GET /v1/trunks%s HTTP/1.1\r\n" % query.encode()
        at_once = raw(url, line + field + b"Host: a\r\n\r\n")
        assert parts_of(raw(url, line + field, b"Host: a\r\n\r\n")) == parts_of(at_once)
    assert re.match(rb"HTTP/1.1 (200|400|401|405) [A-Z]", at_once)


def test_requests_in_one_packet_are_answered_in_their_order() -> None:
    """A read waits for the answer to the write before it, however many come at once."""
    acme = trunkline.load("telepath")
    with server.running(server.asgi({"/v1": mock.from_vendor(acme)})) as url:
        token = acme.world.token.encode()
        write = READ.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n{}") % token
        answers = raw(url, READ % token, write + 2000 * (READ % token))
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answers)
    assert statuses == [b"200", b"415", *[b"200"] * 2000]


def test_a_client_that_does_not_read_is_not_answered_without_end() -> None:
    """The server stops to read from it as soon as the answers fill the buffers."""
    acme = trunkline.load("telepath")
    session = MockSession([acme])
    with server.running(server.asgi({"/v1": session.mocks["telepath"]})) as url:
        host, port = url.removeprefix("http://").split(":")
        request = READ.replace(b"?limit=1", b"") % acme.world.token.encode()
        with socket.create_connection((host, int(port)), timeout=0.5) as client, suppress(TimeoutError):
            client.sendall(request)
            client.recv(1)  # so that what follows is another packet, and httptools keeps the connection
            for _ in range(1000):
                client.sendall(100 * request)
        assert 0 < session.requests.newest < 20_000


def test_an_answer_ends_the_connection_if_the_client_wants_that() -> None:
    """`Connection: close`, and HTTP/1.0."""
    acme = trunkline.load("telepath")
    with server.running(server.asgi({"/v1": mock.from_vendor(acme)})) as url:
        request = READ % acme.world.token.encode()
        for last in (request.replace(b"Host: a", b"Host: a\r\nConnection: close"), request.replace(b"1.1", b"1.0")):
            begin = time.monotonic()
            assert b"\r\nconnection: close\r\n" in raw(url, last)
            assert time.monotonic() - begin < 0.9  # `raw` waits a second for a server that does not close


class Packets(asyncio.Transport):
    """A transport that keeps what was sent, one item for each system call."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.protocol: Any = None
        self.closes = self.is_paused = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def writelines(self, _: Any) -> None:
        pytest.fail("asyncio of Python 3.12 and 3.13 never sends an empty last piece, and does not pause the writer")

    def is_closing(self) -> bool:
        return self.closes

    def close(self) -> None:
        self.closes = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


def connect(app: Any) -> tuple[ServerConnection, Packets]:
    """A connection to the application, without a socket."""
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    config.load()
    connection, transport = ServerConnection(uvicorn.Server(config), {}), Packets()
    connection.connection_made(transport)
    return connection, transport


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"FROB"])  # the last is read by h11
def test_a_response_is_sent_in_one_packet(method: bytes) -> None:
    """The client wakes up once for the head and the body."""

    async def sent() -> list[bytes]:
        connection, transport = connect(server.asgi(echo))
        connection.data_received(method + b" /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while not transport.closes:
            await asyncio.sleep(0)
        return transport.sent

    (response,) = asyncio.run(sent())
    assert response.startswith(b"HTTP/1.1 200 ")
    assert response.endswith(b"\r\n\r\n" if method == b"HEAD" else b', "/x", "", ""]')


def test_nothing_is_sent_on_a_connection_that_has_closed_in_the_meantime() -> None:
    """The transport of uvloop raises an error then."""

    async def sent() -> list[bytes]:
        async def close(_: object, __: object, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            transport.closes = True
            await send({"type": "http.response.body", "body": b"ok"})

        connection, transport = connect(close)
        connection.data_received(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(3):
            await asyncio.sleep(0)
        assert transport.closes
        return transport.sent

    assert asyncio.run(sent()) == []


def test_requests_are_not_read_without_end_before_their_answers() -> None:
    """The server reads on when the last of the requests that came at once is being answered."""

    async def pauses() -> list[bool]:
        connection, transport = connect(server.asgi(echo))
        connection.data_received(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        paused: dict[int, bool] = {}
        while len(transport.sent) < 4 and not transport.closes:
            await asyncio.sleep(0)
            if transport.sent and not paused:
                transport.protocol.data_received(3 * b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            paused[len(transport.sent)] = transport.is_paused
        return [paused[number] for number in (1, 2, 3, 4)]

    assert asyncio.run(pauses()) == [True, True, False, False]


@pytest.mark.parametrize("method", [b"GET", b"FROB"])
def test_a_connection_that_the_client_resets_is_forgotten(method: bytes) -> None:
    """No timer keeps it, and all that belongs to it, until it has been idle long enough."""

    async def timer() -> object:
        connection, transport = connect(server.asgi(echo))
        connection.data_received(method + b" /x HTTP/1.1\r\nHost: a\r\n\r\n")
        while not transport.sent:
            await asyncio.sleep(0)
        assert transport.protocol.timeout_keep_alive_task
        transport.protocol.connection_lost(ConnectionResetError())
        return transport.protocol.timeout_keep_alive_task

    assert asyncio.run(timer()) is None


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"FROB"])
def test_a_client_that_has_sent_everything_gets_its_answer(echoing: str, method: bytes) -> None:
    """It closes its side of the connection after the request, as `nc -N` does."""
    for _ in range(20):
        host, port = echoing.removeprefix("http://").removesuffix("/v1").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(method + b" /v1/x HTTP/1.1\r\nHost: a\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_trouble_while_announcing_ends_serving() -> None:
    """An error in `on_ready` reaches the caller, and the port is free again."""
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        server.serve(server.asgi(echo), host="127.0.0.1", port=0, on_ready=on_ready)
    with pytest.raises(ConnectionRefusedError):
        ask(urls[0], "/")


def test_starlette_and_uvicorn_are_imported_when_used() -> None:
    """Only what serves imports them: not the command line, the plugin or a client."""
    modules = "trunkline.cli, trunkline.plugin, trunkline.transport.connect, trunkline.transport.targets"
    script = f"import sys, {modules}; print({{'starlette', 'uvicorn', 'uvloop'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def raw(url: str, message: bytes, *more: bytes) -> bytes:
    """The bytes that a server sends for these packets, until it is silent or closes the connection."""
    host, port = url.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=1) as client, suppress(TimeoutError):
        for packet in (message, *more):
            client.sendall(packet)
            time.sleep(0.05)
        while data := client.recv(65536):
            received += data
    return received


def repeated(request: Request) -> Response:
    return Response(200, body=request.method.encode() + b" " + request.path.encode() + b" " + request.body)


@pytest.mark.parametrize("split", [False, True], ids=["one packet", "two packets"])
def test_the_body_of_a_request_that_offers_an_upgrade_arrives(split: bool) -> None:
    """A client that offers HTTP/2 or a websocket gets the answer to its request, body included."""
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\n"
    with server.running(server.asgi(repeated)) as url:
        answer = raw(url, head, b"hello") if split else raw(url, head + b"hello")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"POST /x hello")


def test_a_bad_request_after_a_good_one_does_not_take_its_answer() -> None:
    """Of two requests in one packet, the first is answered before the second is refused."""
    good = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.running(server.asgi(repeated)) as url:
        answer = raw(url, good + b"FROB\r\n\r\n")
        cut = raw(url, b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"GET /x HTTP/1.1 400" in answer
    assert cut.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nhost: a\r\n"], ids=["none", "two"])
def test_a_request_has_one_host(echoing: str, hosts: bytes) -> None:
    """A request of HTTP/1.1 without a Host, or with two, is refused with 400 (RFC 9112, section 3.2)."""
    assert raw(echoing.removesuffix("/v1"), b"GET /v1/x HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 400")
