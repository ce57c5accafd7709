"""Serve targets: uvicorn runs one application for all of them, which `transport.routing` makes.

    >>> app = asgi({"/v1": mock.from_vendor(trunkline.load("acme"))})
    >>> with running(app) as url:
    ...     targets.http(f"{url}/v1")(Request("GET", "/trunks"))
    Response(401, <131 bytes>)

Import this module only where something is served: Starlette and uvicorn take their time.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import re
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any
from urllib.parse import unquote

import uvicorn

from trunkline.errors import UsageError
from trunkline.transport.addresses import MAX_PORT, root_url
from trunkline.transport.protocol import MAX_HEAD, ServerConnection, handle_error
from trunkline.transport.proxy import Proxy
from trunkline.transport.routing import asgi
from trunkline.transport.scope import ENDING, SCHEME, TUNNEL, ASGIApp, Message, Receive, Send
from trunkline.transport.tls import HANDSHAKE, describe_failure

try:
    import resource
except ImportError:  # it is not available on Windows
    resource = None  # type: ignore[assignment]
try:
    from uvloop import new_event_loop
except ImportError:  # it is not available everywhere
    from asyncio import new_event_loop  # type: ignore[assignment]

__all__ = ["asgi", "running", "serve"]

log = logging.getLogger("trunkline.transport.server")

_BACKLOG = 2048
_KEEP_ALIVE = 75
"""Seconds for which a connection is kept while its client does nothing, or does not finish what it began to send.

That is longer than a test that does something else in between.
"""
_LOOK_EVERY = 1
"""Seconds between two looks for clients that do nothing, and their time when no file descriptor is left."""

_GRACE = 0.5
"""Seconds that running requests have when the server ends."""
_LAYERS = 4
"""Turns of the event loop in which a connection is closed, one for each layer: TLS, the tunnel, the socket."""
_TICK = 0.005
_RESERVED_FILES = 16
"""File descriptors that connections leave for the state file and the program around."""

_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)", re.IGNORECASE)

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address that stands for all, and one to call it by


@contextmanager
def running(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    proxy: Proxy | None = None,
) -> Iterator[str]:
    """Run the application in a thread, by default on a free port; `tls` makes it HTTPS. Yields its address."""
    with listen(host, port) as listener:
        server, url = _Server(app, listener, tls, proxy), _url(listener, tls)
        thread = threading.Thread(target=server.run, name="trunkline-server", daemon=True)
        thread.start()
        try:
            yield url
        finally:
            server.stop()
            thread.join(timeout=4 * _GRACE)


def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    tls: ssl.SSLContext | None = None,
    proxy: Proxy | None = None,
) -> None:
    """Serve in the main thread until SIGINT or SIGTERM, then return; a second signal ends the process at once.

    `on_ready` is called with the address as soon as the server answers; `tls` makes it HTTPS, and `proxy` a proxy too.
    Raises `UsageError` when it cannot listen.
    """
    with listen(host, port) as listener:
        serve_on(listener, app, on_ready=on_ready, tls=tls, proxy=proxy)


def serve_on(
    listener: socket.socket,
    app: ASGIApp,
    *,
    on_ready: Callable[[str], None],
    tls: ssl.SSLContext | None = None,
    proxy: Proxy | None = None,
) -> None:
    """`serve` on a socket that listens already."""
    server, url = _Server(app, listener, tls, proxy), _url(listener, tls)
    gc.freeze()  # contract and records stay: the collector need not look at them again and again
    before = server.handle_signals()
    # uvicorn warns of each request that is no HTTP, or offers another protocol: any client could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        server.run(lambda: on_ready(url))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server:
    """A server that accepts connections itself, lets uvicorn read and answer them, and ends within milliseconds.

    A socket of uvicorn's accepts until no file descriptor is left, and uvicorn takes 200 ms to end, which is too slow
    for tests that start many servers. It runs without a socket, for the date of the responses.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None, proxy: Proxy | None) -> None:
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        self._uvicorn = uvicorn.Server(config)
        self._app = app
        self._listener = listener
        self._tls = tls
        self._proxy = proxy
        self._connections: set[ServerConnection] = set()
        self._handshakes: dict[asyncio.Task[None], float] = {}
        """Those that go on, and when they began."""
        self._failures: set[str] = set()
        self._most_files = _most_files()
        self._has_warned = False
        self._is_ending = threading.Event()

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Call `on_ready`, then serve until `stop`."""
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(self._run(on_ready))

    async def _run(self, on_ready: Callable[[], None] | None) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(handle_error)
        self._arrival: asyncio.Future[Any] = self._loop.create_future()
        tasks = [
            self._loop.create_task(work) for work in (self._uvicorn.serve(sockets=[]), self._watch(), self._accept())
        ]
        await asyncio.sleep(0)
        try:
            if on_ready:
                self.handle_signals()  # again, for uvicorn does it too, and sets the former handlers when it ends
                on_ready()
            if not self._is_ending.is_set():
                await self._end.wait()
        finally:
            self._is_ending.set()
            self._end.set()
            await asyncio.sleep(0)  # a client that has just arrived is taken: cancelling would lose its socket
            for waiting in (*tasks[:2], self._arrival):
                waiting.cancel()
            await asyncio.wait(tasks)
            self._listener.close()
            await self._close()

    def stop(self) -> None:
        """End the server; any thread may call it."""
        self._is_ending.set()
        with suppress(AttributeError, RuntimeError):  # the loop has not begun, or has ended already
            self._loop.call_soon_threadsafe(self._end.set)

    def handle_signals(self) -> dict[signal.Signals, Any]:
        """Let SIGINT and SIGTERM end the server, and a second one the process. Returns the handlers from before."""
        return {number: signal.signal(number, self._end_by_signal) for number in (signal.SIGINT, signal.SIGTERM)}

    def _end_by_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._is_ending.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.stop()

    async def _accept(self) -> None:
        """Accept connections while the process may open more files; later clients wait until others have gone."""
        self._listener.setblocking(False)
        forget_closed_at = 0
        while not self._is_ending.is_set():
            if (self._connections or self._handshakes) and self._is_short_of_files():
                await self._make_room()
                continue
            self._arrival = self._loop.create_task(self._loop.sock_accept(self._listener))
            try:
                accepted, _ = await self._arrival  # `_run` cancels it, never what follows
                if self._tls:
                    self._start_handshake(accepted, self._tls)
                else:
                    await self._connect(accepted)
            except OSError:  # the client has gone already, or the machine is short of something
                await asyncio.sleep(_TICK)
                continue
            if len(self._connections) >= forget_closed_at:
                self._forget_closed()
                forget_closed_at = 2 * len(self._connections)

    async def _connect(self, accepted: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        state = {ENDING: self._end}
        connection = (
            self._proxy.connection(self._uvicorn, state, self._explain_failure)
            if self._proxy
            else ServerConnection(self._uvicorn, state)
        )
        patience = HANDSHAKE if tls else None
        await self._loop.connect_accepted_socket(lambda: connection, accepted, ssl=tls, ssl_handshake_timeout=patience)
        self._connections.add(connection)

    def _start_handshake(self, accepted: socket.socket, tls: ssl.SSLContext) -> None:
        """Shake hands in a task of its own: nobody else waits for a client that is slow, or says nothing."""

        async def shake_hands() -> None:
            try:
                await self._connect(accepted, tls)
            except OSError as error:
                self._explain_failure(error)

        def end(task: asyncio.Task[None]) -> None:
            del self._handshakes[task]
            if task.cancelled():  # perhaps before it began, and then the socket is nobody's
                accepted.close()

        task = self._loop.create_task(shake_hands())
        self._handshakes[task] = self._loop.time()
        task.add_done_callback(end)

    def _explain_failure(self, error: OSError) -> None:
        """Log why a handshake failed, each reason once, for a client is often told nothing but that it did."""
        reason = describe_failure(error)
        if reason and reason not in self._failures:
            self._failures.add(reason)
            log.info("a client's TLS handshake failed: %s", reason)

    def _is_short_of_files(self) -> bool:
        if self._most_files is None:
            return False
        try:
            lowest_free = os.dup(self._listener.fileno())
        except OSError:
            return True
        os.close(lowest_free)
        return lowest_free >= self._most_files

    async def _make_room(self) -> None:
        """Close idle connections, and others after their answer. Say it once."""
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "%d connections are open, and the process may open no more files (ulimit -n); further clients wait",
                len(self._connections),
            )
        self._forget_closed()
        for connection in self._connections:
            connection.end()
        await asyncio.sleep(_TICK)

    async def _watch(self) -> None:
        """Close the connections of clients that let the server wait too long."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            longest = _LOOK_EVERY if self._is_short_of_files() else _KEEP_ALIVE
            for connection in self._connections:
                if connection.waits_for_client(self._loop.time()) >= longest:
                    connection.abort()
            for handshake, begin in self._handshakes.items():
                if self._loop.time() - begin >= longest:
                    handshake.cancel()

    def _forget_closed(self) -> None:
        self._connections = {connection for connection in self._connections if not connection.is_closed}

    async def _close(self) -> None:
        """Close each connection: an idle one at once, another after its answer, every one after the grace."""
        for handshake in self._handshakes:
            handshake.cancel()
        for _ in range(round(_GRACE / _TICK)):
            if all(connection.is_finished for connection in self._connections):
                break
            for connection in self._connections:
                connection.end(close_unused=True)
            await asyncio.sleep(_TICK)
        for connection in self._connections:
            connection.abort()
        for _ in range(_LAYERS):
            await asyncio.sleep(0)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        app = self._app
        if TUNNEL in scope["state"] or not scope.get("raw_path", b"/").startswith(b"/"):
            scope, app = _origin_form(scope), self._proxy.answer if self._proxy else app
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_ending.is_set():  # else nobody listens any more, and uvicorn would log an error
                raise


def _most_files() -> int | None:
    """The number of the file descriptor from which on no connection is accepted; None without a limit."""
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit - _RESERVED_FILES


def _origin_form(scope: Message) -> Message:
    """The scope of `GET http://host/path` as if it were that of `GET /path` and a Host (RFC 9112, section 3.2.2)."""
    found = _ABSOLUTE.match(scope["raw_path"])
    if not found:
        return scope
    raw = scope["raw_path"][found.end() :] or b"/"
    headers = [(b"host", found[2]), *(pair for pair in scope["headers"] if pair[0] != b"host")]
    scheme, path = found[1].decode().lower(), unquote(raw.decode("latin-1"))
    return {**scope, SCHEME: scheme, "raw_path": raw, "path": path, "headers": headers}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that no client comes too early and no other process takes its port.

    Raises `UsageError` if there can be none.
    """
    if not 0 <= port <= MAX_PORT:
        raise UsageError(f"there is no port {port}; choose one from 1 to {MAX_PORT}, or 0 to have a free one found")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError):
        raise UsageError(
            f"the host {host!r} is unknown; choose an address of this machine, such as 127.0.0.1"
        ) from None
    family, kind, protocol, _, address = found[0]
    # The protocol is named, because asyncio sets TCP_NODELAY only where it is: without, an answer can take 40 ms.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(_refusal(error, host, port)) from None
    return listener


def _refusal(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; choose another with --port, or a free one with --port 0"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"port {port} needs privileges; choose one above 1023 with --port, or a free one with --port 0"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; choose one that is, such as 127.0.0.1"
    return f"nothing can be served at {host}, port {port} ({error.strerror}); choose another"


def _url(listener: socket.socket, tls: ssl.SSLContext | None) -> str:
    host, port = listener.getsockname()[:2]
    return root_url("https" if tls else "http", WILDCARDS.get(host, host), port)
