"""Between `Target` and ASGI 3: `application` serves a target, `wrap` makes a target of an application.

>>> app = application(lambda request: Response(200, body=request.path.encode()), base="/v1")
>>> wrap(app, base="/v1")(Request("GET", "/trunks")).body
b'/trunks'
"""

from __future__ import annotations

import asyncio
import re
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import quote, unquote

from trunkline.contract.http import NO_CONTENT
from trunkline.contract.refusals import LONGEST_BODY
from trunkline.errors import TargetError
from trunkline.exchange import Headers, RawHeaders, ReadKey, Request, Response, Target, error_response, find
from trunkline.mock.faults import FAULT_HEADER, FaultyResponse
from trunkline.redaction import is_credential_name
from trunkline.transport.content_coding import TooManyBytes, received
from trunkline.transport.delivery import deliver
from trunkline.transport.messages import MAX_BODY, check_timeout, encode_target, header_fields
from trunkline.transport.scope import ASGIApp, ClientGone, Message, Receive, Send

_MAX_DISCARDED = 64 << 20
"""The most bytes of a too large body that are read before the answer: not every client reads while it sends."""
_LINGERING = 5.0
"""The seconds for which the rest of a body is read after the answer (RFC 9112, section 9.6)."""
_CLOSE: RawHeaders = ((b"connection", b"close"),)
"""The headers to add to the answer to a request whose body was not read to its end."""
_LONGEST_TARGET = 2048
"""The most bytes of path and query that a mock is asked to remember."""
_COUNT = re.compile(r"[0-9]+")

_VERSION = {"version": "3.0", "spec_version": "2.3"}
_PATH = "/:@!$&'()*+,;=~"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ENCODES_BODY = frozenset(
    ("connection", "content-encoding", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade")
)
_ANNOUNCES_BODY = frozenset((b"content-length", b"transfer-encoding"))
_NEEDS_REQUEST = _ANNOUNCES_BODY | {b"origin", b"prefer", FAULT_HEADER.encode()}
"""Fields on which an answer depends that a mock does not remember."""
_PLAIN = frozenset(
    b"accept accept-charset accept-encoding accept-language cache-control connection content-type date host "
    b"if-modified-since if-none-match pragma referer traceparent tracestate user-agent x-request-id".split()
)
"""Common fields on which no answer depends, and which carry no credential, so that they need no closer look."""


@runtime_checkable
class MockTarget(Protocol):
    """A mock, as a server asks it. Each answer has headers to add: those of a rate limit."""

    def read(self, key: ReadKey) -> ExtendedResponse | None:
        """The answer to a GET request without a body, remembered or new; None to be asked with the whole request."""

    def answer(self, request: Request) -> ExtendedResponse:
        """The answer to any request."""

    def too_large(self, request: Request) -> Response | None:
        """The refusal of a request whose body is too large to be read, and is left out; None for the server's own."""


ExtendedResponse: TypeAlias = tuple[Response, RawHeaders]
"""A response, and headers to add to it."""


# --- a target as an application -------------------------------------------------------------------------------------


def application(  # noqa: C901 - its parts share the base
    target: Target,
    *,
    base: str = "",
    blocking: bool = False,
    max_bytes: int | None = None,
    elsewhere: Response | None = None,
    middleware: Callable[[ASGIApp], ASGIApp] | None = None,
) -> ASGIApp:
    """The target as an ASGI application below `base` ("/v1"); `blocking` keeps a slow one off the event loop.

    A request with a body of more than `max_bytes` (by default `LONGEST_BODY` for a `MockTarget`, and `MAX_BODY` for
    others) does not reach the target: `MockTarget.too_large` may refuse it, or else the answer is a 413 in our own
    words. `elsewhere` is the answer to a path that is not below `base`. `middleware` stands before every request but
    those that `MockTarget.read` answers.
    """
    any_target: Any = target
    mock = any_target if isinstance(any_target, MockTarget) else None
    most = max_bytes if max_bytes is not None else LONGEST_BODY if mock else MAX_BODY

    def respond(request: Request) -> ExtendedResponse:
        return mock.answer(request) if mock else (target(request), ())

    encode = _encode_remembered if mock else _encode
    prefix = _prefix(base)
    base_length = len(prefix)
    below = prefix + "/"
    raw_below = below.encode()
    pattern = _base_pattern(prefix)
    not_below = elsewhere or error_response(404, f"nothing is served here; every path begins with {below}")
    oversized = error_response(413, f"the body is larger than {most} bytes")

    async def answer(scope: Message, receive: Receive) -> ExtendedResponse:
        raw = scope.get("raw_path")
        path = raw.decode("latin-1") if raw else quote(scope["path"], safe=_PATH)
        begin = base_length if path.startswith(below) or path == prefix else _end_of_base(pattern, path)
        # Names are lowered as bytes: `str.lower` knows more letters than ASCII has.
        headers = tuple([(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        has_body = _announces_body(scope, headers)
        if begin is None:
            return not_below, _CLOSE if has_body else ()
        body, is_read = await _read(receive, headers, most) if has_body else (b"", True)
        request = Request(scope["method"], path[begin:], scope["query_string"].decode("latin-1"), headers, body or b"")
        try:
            if body is None:
                return (mock.too_large(request) if mock else None) or oversized, () if is_read else _CLOSE
            return await asyncio.to_thread(respond, request) if blocking else respond(request)
        except TargetError as error:
            return error_response(502, str(error)), ()

    def read(scope: Message) -> ExtendedResponse | None:
        """The answer to a GET request without a body: of that, a mock needs only the key."""
        if mock is None or blocking or (key := _read_key(scope, raw_below)) is None:
            return None
        return mock.read(key)

    async def send_answer(scope: Message, receive: Receive, send: Send) -> None:
        try:
            response, added = await answer(scope, receive)
        except ClientGone:
            return
        headers, body = _message(response, added, scope["method"], encode)
        head = {"type": "http.response.start", "status": response.status, "headers": headers}
        if isinstance(response, FaultyResponse):
            await deliver(response, head, body, scope, receive, send)
            return
        await send(head)
        if added is _CLOSE:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await _discard(receive)
            body = b""
        await send({"type": "http.response.body", "body": body})

    send_any = middleware(send_answer) if middleware else send_answer

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _pass_by(scope["type"], receive, send)
        elif found := read(scope):
            response, added = found
            headers, body = _message(response, added, scope["method"], encode)
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await send_any(scope, receive, send)

    return app


def _read_key(scope: Message, base: bytes) -> ReadKey | None:
    """The key of a GET request below the base ("/v1/"); None for every other request.

    Nor has one a key that is long, has a body, asks for a fault, comes from a web page, or carries a credential in a
    field other than Authorization, which is to be redacted.
    """
    path: bytes = scope.get("raw_path") or b""
    if scope["method"] != "GET" or not path.startswith(base) or scope.get("http_version", "1.1") > "1.1":
        return None
    authorization = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if authorization is None:
                authorization = value
        elif name not in _PLAIN and (name in _NEEDS_REQUEST or is_credential_name(name.decode("latin-1"))):
            return None
    query: bytes = scope["query_string"]
    return None if len(path) + len(query) > _LONGEST_TARGET else (path[len(base) - 1 :], query, authorization)


async def _pass_by(kind: str, receive: Receive, send: Send) -> None:
    """Answer lifespan events, and close websockets."""
    if kind == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif kind == "websocket":
        await receive()
        await send({"type": "websocket.close"})


def _announces_body(scope: Message, headers: Headers) -> bool:
    """HTTP/1.1 announces a body with one of two fields (RFC 9112, section 6); later versions need not."""
    for name, value in headers:
        if (name == "content-length" and value != "0") or name == "transfer-encoding":
            return True
    return bool(scope.get("http_version", "1.1") > "1.1")


async def _read(receive: Receive, headers: Headers, max_bytes: int) -> tuple[bytes | None, bool]:
    """The request's body, or None if it is too large, and whether it was read to its end.

    Raises `ClientGone` if the client has disconnected.
    """
    length = find(headers, "content-length") or ""
    is_announced = _COUNT.fullmatch(length) and int(length[:20]) > max_bytes
    if is_announced and (find(headers, "expect") or int(length[:20]) > max_bytes + _MAX_DISCARDED):
        return None, False
    body, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        body += part if size <= max_bytes else b""
        if message["type"] != "http.request":
            raise ClientGone
        if size > max_bytes + _MAX_DISCARDED:
            return None, False
        more = message.get("more_body", False)
    return bytes(body) if size <= max_bytes else None, True


async def _discard(receive: Receive) -> None:
    """Read on after an early answer, for a client that still sends: it would get a reset instead of the answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGERING):
            while (await receive()).get("more_body"):
                pass


def _message(
    response: Response, added: RawHeaders, method: str, encode: Callable[[Headers], RawHeaders]
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The header fields and the body to send."""
    body = response.body
    headers = [*encode(response.headers), *added]
    if response.status in NO_CONTENT:
        body = b""
    elif body or method != "HEAD":
        headers.append((b"content-length", b"%d" % len(body)))
    elif length := find(response.headers, "content-length"):
        headers.append((b"content-length", length.encode("latin-1")))
    return headers, b"" if method == "HEAD" else body


def _encode(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """The fields as bytes, without those on the body's coding: the body of a `Response` is decoded."""
    return tuple(
        (name.encode("latin-1"), _CONTROL.sub(" ", value).encode("latin-1", "replace"))
        for name, value in headers
        if name not in _ENCODES_BODY
    )


_encode_remembered = lru_cache(maxsize=1024)(_encode)
"""`_encode` for the short fields of a mock; a live answer may have any others."""


def _base_pattern(prefix: str) -> re.Pattern[str]:
    """A pattern of all spellings of a base path: `/v1` is also `/%76%31` (RFC 3986, section 6.2.2.2)."""
    spellings = (char if char == "/" else f"(?:{re.escape(char)}|(?i:%{ord(char):02x}))" for char in prefix)
    return re.compile("".join(spellings) + "(?=/|$)")


def _end_of_base(pattern: re.Pattern[str], path: str) -> int | None:
    """The length of the base path in a path below it, or None."""
    found = pattern.match(path) if "%" in path else None
    return found.end() if found else None


def _prefix(base: str) -> str:
    return "/" + base.strip("/") if base.strip("/") else ""


# --- an application as a target -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Runtime:
    """The event loop, in its own thread, that runs one application."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ready: threading.Event = field(default_factory=threading.Event)
    state: dict[str, Any] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    failure: str = ""


def wrap(app: ASGIApp, *, base: str = "", timeout: float = 10.0, max_bytes: int = MAX_BODY) -> Target:
    """An ASGI application in process, with paths below `base` ("/v1"). A call ends within `timeout` seconds.

    The application starts (lifespan) at once and ends with the target. If it raises, the answer is a server's:
    500, with the name of the exception in `x-trunkline-exception`. Starlette's TestClient and httpx's ASGITransport
    have neither the lifespan of a target nor a timeout, and they normalize paths.
    """
    prefix, timeout = _prefix(base), check_timeout(timeout)
    runtime = _Runtime()
    thread = threading.Thread(target=_run, args=(app, runtime), name="trunkline-asgi", daemon=True)
    thread.start()

    def target(request: Request) -> Response:
        raw, query = encode_target(prefix + request.path) or "/", encode_target(request.query)
        scope = {
            "type": "http",
            "asgi": _VERSION,
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": header_fields(request, "localhost"),
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
            "state": dict(runtime.state),
        }
        future = asyncio.run_coroutine_threadsafe(_ask(app, scope, request.body, runtime, max_bytes), runtime.loop)
        try:
            return received(future.result(timeout), max_bytes, "the application")
        except TimeoutError:
            sentence = f"the application did not answer in full within {timeout:g} s; see whether it blocks or streams"
            raise TargetError(sentence) from None
        finally:
            future.cancel()

    end = weakref.finalize(target, _end, runtime, thread)
    if not runtime.ready.wait(timeout):
        end()
        raise TargetError(f"the application did not start within {timeout:g} s; see what its lifespan waits for")
    if runtime.failure:
        end()
        raise TargetError(f"the application failed to start ({runtime.failure}); run it alone to see why")
    return target


def _run(app: ASGIApp, runtime: _Runtime) -> None:
    with asyncio.Runner(loop_factory=lambda: runtime.loop) as runner:
        runner.run(_run_lifespan(app, runtime))


def _end(runtime: _Runtime, thread: threading.Thread) -> None:
    if not runtime.loop.is_closed():
        runtime.loop.call_soon_threadsafe(runtime.stop.set)
    if thread is not threading.current_thread():
        thread.join(timeout=1.0)


async def _run_lifespan(app: ASGIApp, runtime: _Runtime) -> None:
    """Take the application through its lifespan, if it has one."""
    events: asyncio.Queue[Message] = asyncio.Queue()
    started = asyncio.Event()

    async def send(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            lines = message.get("message", "").strip().splitlines() or ["no reason given"]
            runtime.failure = lines[-1].partition(":")[0]  # the last line of a traceback, without its details
        elif not message["type"].startswith("lifespan."):
            raise RuntimeError("an application that answers a lifespan like a request has none")
        started.set()

    async def call() -> None:
        try:
            await app({"type": "lifespan", "asgi": _VERSION, "state": runtime.state}, events.get, send)
        except BaseException:  # noqa: BLE001, S110 - an application that raises here has no lifespan, says ASGI
            pass
        finally:
            started.set()

    await events.put({"type": "lifespan.startup"})
    lifespan, start, stop = map(asyncio.create_task, (call(), started.wait(), runtime.stop.wait()))
    await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
    if started.is_set():
        runtime.ready.set()
        await stop
        await events.put({"type": "lifespan.shutdown"})
        await asyncio.wait({lifespan}, timeout=0.5)


@dataclass(slots=True)
class _Client:
    """The client's side of one request: it sends the body, receives the answer, then disconnects."""

    body: bytes
    only_head: bool
    max_bytes: int
    sent: bool = False
    start: Message = field(default_factory=dict)
    received: bytearray = field(default_factory=bytearray)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def receive(self) -> Message:
        if not self.sent:
            self.sent = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await asyncio.sleep(0)  # so that an endless stream can be cancelled
        if self.answer.done():
            raise OSError("the client has disconnected")
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body":
            self.received += message.get("body", b"")
            if len(self.received) > self.max_bytes:
                self.answer.set_exception(TooManyBytes("the application", self.max_bytes))
            elif not message.get("more_body"):
                self.answer.set_result(self.response())
                self.gone.set()

    def response(self) -> Response:
        status, headers = self.start["status"], self.start.get("headers", ())
        if status not in range(200, 1000):
            raise ValueError("no server sends such a status")
        pairs = ((bytes(name).lower().decode("latin-1"), bytes(v).decode("latin-1")) for name, v in headers)
        return Response(int(status), tuple(pairs), b"" if self.only_head else bytes(self.received))


async def _ask(app: ASGIApp, scope: Message, body: bytes, runtime: _Runtime, max_bytes: int) -> Response:
    """The answer, as soon as it is complete: the client does not wait for background tasks."""
    client = _Client(body, scope["method"] == "HEAD", max_bytes)

    async def run() -> None:
        failure = "RuntimeError"  # what servers raise when an application returns without an answer
        try:
            await app(scope, client.receive, client.send)
        except BaseException as error:  # noqa: BLE001 - whatever it is, a server goes on and answers 500
            failure = type(error).__name__
        if not client.answer.done():
            client.answer.set_result(Response(500, (("x-trunkline-exception", failure),)))

    task = asyncio.create_task(run())
    runtime.tasks.add(task)
    task.add_done_callback(runtime.tasks.discard)
    try:
        return await client.answer
    except BaseException:
        client.gone.set()
        task.cancel()
        raise
