"""Tests of `trunkline.transport.asgi`: a target as an application, and an application as a target."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import threading
import time
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Headers, ReadKey, Request, Response, Target
from trunkline.transport import targets
from trunkline.transport.asgi import ExtendedResponse, application, wrap
from trunkline.transport.scope import ASGIApp, Message, Receive, Send

SHORT = 0.3


def send_to(app: ASGIApp, *events: Message, **scope: Any) -> list[Message]:
    """The messages that the application sends when it receives these events in this scope."""
    sent: list[Message] = []
    heard = list(events)

    async def receive() -> Message:
        return heard.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    defaults: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(_awaited(app(defaults | scope, receive, send)))
    return sent


async def _awaited(answer: Awaitable[None]) -> None:
    await answer


class Seen(list[Request]):
    """A target that answers everything alike and keeps what it was asked."""

    def __init__(self, response: Response | None = None) -> None:
        super().__init__()
        self.response = response or Response(200, (("content-type", "text/plain"),), b"ok")

    def __call__(self, request: Request) -> Response:
        self.append(request)
        return self.response


# --- a target as an application -------------------------------------------------------------------------------------


def test_a_request_arrives_as_it_was_sent() -> None:
    """Path and query are percent-encoded as on the wire, header names lower-case, the base gone."""
    seen = Seen()
    sent = send_to(
        application(seen, base="/v1"),
        method="DELETE",
        path="/v1/trunks/a/b é",
        raw_path=b"/v1/trunks/a%2Fb%20%c3%A9/..//",
        query_string=b"q=%2f&x=\xe9",
        headers=[(b"X-A", b"caf\xe9"), (b"x-a", b"2")],
    )
    request = Request("DELETE", "/trunks/a%2Fb%20%c3%A9/..//", "q=%2f&x=é", (("x-a", "café"), ("x-a", "2")))
    assert seen == [request]
    assert sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
        },
        {"type": "http.response.body", "body": b"ok"},
    ]


@pytest.mark.parametrize("scope", [{}, {"raw_path": None}])
def test_a_path_without_its_raw_form_is_quoted(scope: Message) -> None:
    """A path that a server decoded is encoded again, so that a percent sign stays a percent sign."""
    seen = Seen()
    send_to(application(seen), path="/a b/é%2F;x=1,2:@", **scope)
    assert seen[0].path == "/a%20b/%C3%A9%252F;x=1,2:@"


@pytest.mark.parametrize(
    ("base", "path", "rest"), [("/v1", "/v1", ""), ("v1/", "/v1/", "/"), ("", "/", "/"), ("/", "/x", "/x")]
)
def test_the_base_is_taken_off(base: str, path: str, rest: str) -> None:
    """However the base is written, what follows it is the path; the base itself is the empty one."""
    seen = Seen()
    send_to(application(seen, base=base), raw_path=path.encode())
    assert seen[0].path == rest


@pytest.mark.parametrize("path", ["/", "/trunks", "/v10/trunks", "/V1/trunks", "/v2/v1"])
def test_nothing_is_served_beside_the_base(path: str) -> None:
    """A client that forgot the base gets a 404 that says so; the target is not asked."""
    seen = Seen()
    sent = send_to(application(seen, base="/v1"), raw_path=path.encode())
    assert (sent[0]["status"], seen) == (404, [])
    assert json.loads(sent[1]["body"]) == {"error": "nothing is served here; every path begins with /v1/"}


@pytest.mark.parametrize(
    ("headers", "version"),
    [([(b"content-length", b"4")], "1.1"), ([(b"transfer-encoding", b"chunked")], "1.1"), ([], "2")],
)
def test_a_body_is_read_when_one_is_announced(headers: list[tuple[bytes, bytes]], version: str) -> None:
    """By one of two header fields in HTTP/1.1, by nothing in HTTP/2; in as many parts as it comes."""
    seen = Seen()
    parts: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"cd"},
    ]
    send_to(application(seen), *parts, method="POST", headers=headers, http_version=version)
    assert seen[0].body == b"abcd"


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
def test_no_body_is_awaited_when_none_is_announced(headers: list[tuple[bytes, bytes]]) -> None:
    """The server is not asked for what cannot come."""
    seen = Seen()
    send_to(application(seen), method="POST", headers=headers)
    assert seen[0].body == b""


def test_a_body_above_the_limit_is_refused() -> None:
    """When it was read, for not every client reads while it sends."""
    seen = Seen()
    app = application(seen, max_bytes=3)
    part, last = ({"type": "http.request", "body": b"ab", "more_body": more} for more in (True, False))
    announced = send_to(app, part, last, headers=[(b"content-length", b"4")])
    counted = send_to(app, part, part, last, headers=[(b"transfer-encoding", b"chunked")])
    assert announced == counted
    assert (announced[0]["status"], seen) == (413, [])
    assert b"connection" not in dict(announced[0]["headers"])
    assert json.loads(announced[1]["body"]) == {"error": "the body is larger than 3 bytes"}
    send_to(app, {"type": "http.request", "body": b"abc"}, headers=[(b"content-length", b"3")])
    assert seen[0].body == b"abc"


@pytest.mark.parametrize(
    ("headers", "before", "app"),
    [
        ([(b"content-length", b"4"), (b"expect", b"100-continue")], 0, application(Seen(), max_bytes=3)),
        ([(b"content-length", b"9" * 5000)], 0, application(Seen(), max_bytes=3)),
        ([(b"content-length", "٩٩".encode())], 3, application(Seen(), max_bytes=3)),
        ([(b"transfer-encoding", b"chunked")], 3, application(Seen(), max_bytes=3)),
        ([(b"content-length", b"4")], 0, application(Seen(), base="/v1")),
    ],
    ids=["expected", "much announced", "no number", "much", "elsewhere"],
)
def test_an_answer_before_the_end_of_the_body_closes_the_connection(
    headers: list[tuple[bytes, bytes]], before: int, app: ASGIApp
) -> None:
    """It says so, and the rest is read after it, so that the client hears it. The client may go at any time."""
    endless = {"type": "http.request", "body": bytes(32 << 20), "more_body": True}
    for end in ({"type": "http.disconnect"}, {"type": "http.request", "body": b"ab", "more_body": False}):
        events = [*([endless] * before), endless, end]
        sent = send_to(app, *events, headers=headers)
        assert sent[0]["status"] in (404, 413)
        assert (b"connection", b"close") in sent[0]["headers"]
        assert [message.get("more_body", False) for message in sent[1:]] == [True, False]
        assert sent[2]["body"] == b""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"/%761/a%2Fb/%7e", "/a%2Fb/%7e"),
        (b"/v%31", ""),
        (b"/%2Fv1/a", None),
        (b"/v1%2Fa", None),
        (b"/v%3/a", None),
        (b"/%561/a", None),
        (b"/v%31x/a", None),
    ],
)
def test_a_base_path_is_found_however_it_is_encoded(path: bytes, found: str | None) -> None:
    """An encoded letter is that letter, an encoded slash is no slash, and what is below arrives as sent."""
    seen = Seen()
    send_to(application(seen, base="/v1"), raw_path=path)
    assert [request.path for request in seen] == ([] if found is None else [found])


class Refusing:
    """A mock that refuses a large body at `/things`."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.shown: list[Request] = []

    def __call__(self, request: Request) -> Response:
        return self.answer(request)[0]

    def read(self, _: ReadKey) -> None:
        return None

    def answer(self, request: Request) -> ExtendedResponse:
        self.asked.append(request)
        return Response(200), ()

    def too_large(self, request: Request) -> Response | None:
        self.shown.append(request)
        return Response(413, (("x-a", "1"),), b"{}") if request.path == "/things" else None


def test_a_mock_may_refuse_what_is_too_large() -> None:
    """It gets the request without its body; a request that it does not refuse gets our own 413."""
    mock = Refusing()
    app = application(mock, max_bytes=3)
    part: Message = {"type": "http.request", "body": b"four", "more_body": False}
    asked: dict[str, Any] = {
        "method": "POST",
        "path": "/things",
        "headers": [(b"content-length", b"4"), (b"x-b", b"2")],
    }
    start, body = send_to(app, part, **asked)
    assert (start["status"], body["body"]) == (413, b"{}")
    assert (b"x-a", b"1") in start["headers"]
    [request] = mock.shown
    assert (request.method, request.path, request.body, request.header("x-b")) == ("POST", "/things", b"", "2")
    asked["path"] = "/others"
    assert send_to(app, part, **asked) == send_to(application(Seen(), max_bytes=3), part, **asked)
    assert (len(mock.shown), mock.asked) == (2, [])


def test_a_mock_gets_shorter_bodies_than_other_targets() -> None:
    """Without a bound of the caller's, a mock has its own."""
    asked: dict[str, Any] = {"method": "POST", "path": "/things", "headers": [(b"content-length", b"1048577")]}
    part: Message = {"type": "http.request", "body": bytes((1 << 20) + 1), "more_body": False}
    assert send_to(application(Refusing()), part, **asked)[0]["status"] == 413
    assert send_to(application(Seen()), part, **asked)[0]["status"] == 200


def test_a_client_that_goes_is_not_waited_for() -> None:
    """Half a request is no request."""
    seen = Seen()
    part = {"type": "http.request", "body": b"a", "more_body": True}
    send_to(application(seen), part, {"type": "http.disconnect"}, headers=[(b"content-length", b"2")])
    assert seen == []


@pytest.mark.parametrize(
    ("method", "response", "length", "body"),
    [
        ("HEAD", Response(200, body=b"four"), b"4", b""),
        ("HEAD", Response(200, (("content-length", "70"),)), b"70", b""),
        ("HEAD", Response(200), None, b""),
        ("GET", Response(200, (("content-length", "70"),), b"four"), b"4", b"four"),
        ("GET", Response(200), b"0", b""),
        ("GET", Response(204, body=b"four"), None, b""),
        ("GET", Response(304, body=b"four"), None, b""),
    ],
)
def test_the_length_is_right(method: str, response: Response, length: bytes | None, body: bytes) -> None:
    """It counts the body there is, or would be to a GET; 204 and 304 have none."""
    sent = send_to(application(Seen(response)), method=method)
    assert dict(sent[0]["headers"]).get(b"content-length") == length
    assert sent[1]["body"] == body


def test_fields_of_another_connection_are_not_passed_on() -> None:
    """A live answer can be served again: its body is decoded, so nothing may say that it is coded."""
    fields = (("content-encoding", "gzip"), ("transfer-encoding", "chunked"), ("connection", "close"), ("x-a", "1"))
    sent = send_to(application(Seen(Response(200, fields, b"ok"))))
    assert sent[0]["headers"] == [(b"x-a", b"1"), (b"content-length", b"2")]


def test_no_field_breaks_out_of_its_line() -> None:
    """Control characters become spaces, and letters beyond latin-1 question marks."""
    sent = send_to(application(Seen(Response(200, (("x-a", "b\r\nset-cookie: c\u20ac"),)))))
    assert sent[0]["headers"][0] == (b"x-a", b"b  set-cookie: c?")


def test_what_a_middleware_adds_to_one_answer_is_not_in_the_next() -> None:
    """Encoded header fields are remembered, the list of them is not."""
    app = application(Seen())
    send_to(app)[0]["headers"].append((b"x-a", b"1"))
    assert (b"x-a", b"1") not in send_to(app)[0]["headers"]


def test_long_fields_are_not_remembered() -> None:
    """Encoded header fields are remembered if they are short: a live answer may have any others."""
    tracemalloc.start()
    try:
        for number in range(50):
            send_to(application(Seen(Response(200, (("x-a", f"{number}" * 50_000),)))))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1 << 20


def test_a_target_that_cannot_be_asked_is_a_bad_gateway() -> None:
    """Its one sentence is the answer."""

    def down(_: Request) -> Response:
        raise TargetError("api.example.com:443 refuses connections")

    for blocking in (False, True):
        sent = send_to(application(down, blocking=blocking))
        assert sent[0]["status"] == 502
        assert json.loads(sent[1]["body"]) == {"error": "api.example.com:443 refuses connections"}


def test_a_blocking_target_is_asked_in_another_thread() -> None:
    """The event loop stays free for others."""
    threads: list[threading.Thread] = []

    def target(_: Request) -> Response:
        threads.append(threading.current_thread())
        return Response(200)

    send_to(application(target, blocking=True))
    send_to(application(target))
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()


def test_lifespan_and_websocket_are_answered() -> None:
    """A server may start and stop the application; a websocket is closed."""
    app = application(Seen())
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert [message["type"] for message in send_to(app, *events, type="lifespan")] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert send_to(app, {"type": "websocket.connect"}, type="websocket") == [{"type": "websocket.close"}]
    assert send_to(app, type="something.new") == []


# --- an application as a target -------------------------------------------------------------------------------------

App = Callable[[Message, Receive, Send], Awaitable[None]]


def answering(
    status: int = 200, body: bytes = b"ok", headers: Headers = (), scopes: list[Message] | None = None
) -> App:
    """An application without lifespan that answers everything alike."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        if scopes is not None:
            scopes.append({**scope, "body": (await receive())["body"]})
        pairs = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return app


def without_lifespan(app: App) -> App:
    """The application, which raises when it is asked for its lifespan."""

    async def asked(scope: Message, receive: Receive, send: Send) -> None:
        await (answering() if scope["type"] == "lifespan" else app)(scope, receive, send)

    return asked


def lasting(http: App, log: list[str]) -> App:
    """An application with a lifespan, which it logs, around one that answers."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await http(scope, receive, send)
        for word in ("startup", "shutdown"):
            assert await receive() == {"type": f"lifespan.{word}"}
            log.append(word)
            scope["state"]["words"] = log
            await send({"type": f"lifespan.{word}.complete"})
        return None

    return app


def test_wrap_is_one_of_the_targets() -> None:
    """It stands among the things that are a target."""
    assert targets.wrap is wrap


def test_an_application_hears_what_a_server_would_tell() -> None:
    """Scope and body have the form of ASGI 3, the path also decoded, the header fields those of every request."""
    scopes: list[Message] = []
    target = wrap(answering(scopes=scopes), base="/v1")
    target(Request("POST", "/a%2fb//%C3%A9/..", "q=%2f", (("x-a", "1"), ("content-type", "text/plain")), b"hello"))
    headers = scopes[0].pop("headers")
    assert headers[0] == (b"host", b"localhost")
    assert headers[-3:] == [(b"content-length", b"5"), (b"x-a", b"1"), (b"content-type", b"text/plain")]
    assert scopes == [
        {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/a/b//é/..",
            "raw_path": b"/v1/a%2fb//%C3%A9/..",
            "query_string": b"q=%2f",
            "root_path": "",
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
            "state": {},
            "body": b"hello",
        }
    ]


@pytest.mark.parametrize("path", ["/%ff", "/\ud800", "/%", "/a\r\nb", ""])
def test_any_path_can_be_asked(path: str) -> None:
    """Broken encodings are decoded as servers do, and never raise."""
    scopes: list[Message] = []
    assert wrap(answering(scopes=scopes))(Request("GET", path)).status == 200
    assert scopes[0]["path"].startswith("/")
    assert scopes[0]["raw_path"].isascii()


def test_a_field_that_no_server_would_pass_is_refused() -> None:
    """The error has the sentence that the HTTP target has."""
    with pytest.raises(UsageError, match="header field x-a cannot be sent"):
        wrap(answering())(Request("GET", "/", headers=(("x-a", "b\n"),)))


def test_application_and_wrap_are_inverse() -> None:
    """Requests and responses that pass through both arrive unchanged."""
    seen = Seen(Response(201, (("x-a", "é"),), b"\x00\xff"))
    target = wrap(application(seen, base="/v1"), base="/v1")
    response = target(Request("PUT", "/%2F//x", "a=%2f", (("accept", "a/b"),), b"body"))
    assert response == Response(201, (("x-a", "é"), ("content-length", "2")), b"\x00\xff")
    assert (seen[0].method, seen[0].target, seen[0].body) == ("PUT", "/%2F//x?a=%2f", b"body")
    assert seen[0].header("accept") == "a/b"


def test_a_streamed_answer_is_put_together() -> None:
    """Parts are one body; the answer to HEAD has none."""

    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [[b"X-A", b"1"]]})
        for part in (b"a", b"", b"b"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    target = wrap(app)
    assert target(Request("GET", "/")) == Response(200, (("x-a", "1"),), b"ab")
    assert target(Request("HEAD", "/")) == Response(200, (("x-a", "1"),))


def test_a_packed_answer_is_unpacked() -> None:
    """As over HTTP: content codings are undone, and a bomb does not go off."""
    packed = (("content-encoding", "gzip"),)
    assert wrap(answering(200, gzip.compress(b"plain"), packed))(Request("GET", "/")).body == b"plain"
    bomb = wrap(answering(200, gzip.compress(bytes(10**6)), packed), max_bytes=10**5)
    with pytest.raises(TargetError, match="the application sent more than 100000 bytes"):
        bomb(Request("GET", "/"))


class Boom(Exception):
    pass


@pytest.mark.parametrize(
    "error", [Boom("secret"), SystemExit("secret"), KeyboardInterrupt("secret"), TimeoutError("secret")]
)
@pytest.mark.parametrize("begun", [False, True])
def test_an_application_that_raises_is_a_server_error(error: BaseException, begun: bool) -> None:
    """The answer is a server's, with the name of the exception and nothing else, also after half an answer."""

    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    target = wrap(app)
    for _ in range(2):
        assert target(Request("GET", "/")) == Response(500, (("x-trunkline-exception", type(error).__name__),))


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"type": "http.response.start", "status": 200, "headers": []}],
        [{"type": "http.response.body", "body": b"x"}],
        [{"type": "http.response.start", "status": 200, "headers": [("x", "y")]}, {"type": "http.response.body"}],
        *(
            [{"type": "http.response.start", "status": status, "headers": []}, {"type": "http.response.body"}]
            for status in ("200", None, 0, 99, 1000, [200])
        ),
    ],
)
def test_an_application_that_breaks_the_protocol_is_a_server_error(messages: list[Message]) -> None:
    """No answer, half an answer, a body before its start, text for bytes, a status that is none."""

    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    response = wrap(app)(Request("GET", "/"))
    assert (response.status, response.body) == (500, b"")
    assert response.header("x-trunkline-exception")


def test_an_application_that_blocks_is_left_at_the_deadline() -> None:
    """Blocking the event loop itself holds no caller, and the loop serves again when it is free."""
    over = threading.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/block":
            over.wait(5)
        await answering()({"type": "http"}, receive, send)

    target = wrap(app, timeout=SHORT)
    began = time.monotonic()
    with pytest.raises(TargetError, match=r"the application did not answer in full within 0\.3 s"):
        target(Request("GET", "/block"))
    assert time.monotonic() - began < SHORT + 0.5
    over.set()
    assert target(Request("GET", "/")).status == 200


@pytest.mark.parametrize("polite", [True, False])
def test_a_stream_without_end_is_left_at_the_deadline(polite: bool) -> None:
    """A stream is cancelled, even one that never waits for anything but `send`."""
    cancelled = threading.Event()

    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"", "more_body": True})
                await asyncio.sleep(0.01 if polite else 0)
        finally:
            cancelled.set()

    with pytest.raises(TargetError, match="within"):
        wrap(app, timeout=SHORT)(Request("GET", "/"))
    assert cancelled.wait(5)


@pytest.mark.parametrize("stubborn", [True, False])
def test_a_body_without_end_is_left_at_the_limit(stubborn: bool) -> None:
    """No more than the limit is held, even when the application does not mind that nobody listens."""
    over = threading.Event()

    @without_lifespan
    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not over.is_set():
            try:
                await send({"type": "http.response.body", "body": bytes(1000), "more_body": True})
            except OSError:
                if not stubborn:
                    raise

    with pytest.raises(TargetError, match="the application sent more than 100000 bytes"):
        wrap(app, max_bytes=100_000)(Request("GET", "/"))
    over.set()


def test_what_follows_the_answer_keeps_nobody_waiting() -> None:
    """A background task goes on after its answer, sees that the client has gone, and may fail unheard."""
    go, gone = threading.Event(), threading.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await answering()({"type": "http"}, receive, send)
        if scope["path"] == "/slow":
            await asyncio.to_thread(go.wait, 5)
            assert await receive() == {"type": "http.disconnect"}
            gone.set()
            raise Boom

    target = wrap(app, timeout=5)
    assert target(Request("GET", "/slow")).body == b"ok"
    assert target(Request("GET", "/")).body == b"ok"
    assert not gone.is_set()
    go.set()
    assert gone.wait(5)


def test_requests_are_answered_side_by_side() -> None:
    """Two threads that wait for each other inside the application are both answered."""
    both = threading.Barrier(2, timeout=5)

    @without_lifespan
    async def app(_scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(both.wait)
        await answering()({"type": "http"}, receive, send)

    target = wrap(app, timeout=5)
    with ThreadPoolExecutor(2) as pool:
        assert [response.status for response in pool.map(target, 2 * [Request("GET", "/")])] == [200, 200]


def test_the_lifespan_is_that_of_the_target() -> None:
    """Startup comes before the first request, whose scope has its state; shutdown when the target is gone."""
    log: list[str] = []
    scopes: list[Message] = []
    target: Target | None = wrap(lasting(answering(scopes=scopes), log))
    assert target is not None
    assert log == ["startup"]
    target(Request("GET", "/"))
    assert scopes[0]["state"] == {"words": log}
    gone = weakref.ref(target)
    target = None
    gc.collect()
    assert gone() is None
    assert log == ["startup", "shutdown"]


def test_a_failed_startup_is_reported() -> None:
    """The sentence has the name of what was raised, without its details."""

    async def app(_scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        report = "Traceback (most recent call last):\n  File ...\nboom.DatabaseError: password=secret"
        await send({"type": "lifespan.startup.failed", "message": report})
        raise Boom

    with pytest.raises(TargetError) as caught:
        wrap(app)
    assert str(caught.value) == "the application failed to start (boom.DatabaseError); run it alone to see why"


def test_a_startup_that_hangs_is_left_at_the_deadline() -> None:
    """Waiting for ever on startup is reported."""

    async def app(_scope: Message, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TargetError, match=r"the application did not start within 0\.3 s"):
        wrap(app, timeout=SHORT)


def test_a_framework_runs_in_process() -> None:
    """An application of Starlette answers, with its lifespan, its 404 and its 405."""
    starlette = pytest.importorskip("starlette.applications")
    routing = pytest.importorskip("starlette.routing")
    responses = pytest.importorskip("starlette.responses")

    async def show(request: Any) -> Any:
        return responses.StreamingResponse(iter([request.path_params["id"], "!"]))

    target = wrap(starlette.Starlette(routes=[routing.Route("/v1/trunks/{id}", show)]), base="/v1")
    assert target(Request("GET", "/trunks/a%20b")).body == b"a b!"
    assert target(Request("GET", "/")).status == 404
    assert target(Request("DELETE", "/trunks/a")).status == 405
