"""Serve targets: one Starlette application for all of them, and uvicorn to run it.

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
import json
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from urllib.parse import unquote

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route, Router

from trunkline.contract.refusals import LONGEST_BODY
from trunkline.errors import UsageError
from trunkline.exchange import Response, Target
from trunkline.mock.loader import Vendor
from trunkline.transport.admin import BASE as RESERVED
from trunkline.transport.admin import Admin
from trunkline.transport.asgi import ASGIApp, Message, Receive, Send, application
from trunkline.transport.messages import MAX_BODY
from trunkline.transport.protocol import PROTOCOL

_BACKLOG = 2048
_KEEP_ALIVE = 75
"""Seconds for which an idle connection is kept: longer than a test that does something else in between."""

_GRACE = 0.5
"""Seconds that running requests have when the server ends."""
_TICK = 0.005

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address that stands for all, and one to call it by


# --- one application ------------------------------------------------------------------------------------------------


def bases(vendors: Iterable[Vendor]) -> dict[str, Vendor]:
    """The vendors by the path of their base address: `{"/v1": acme}`. Raises `UsageError` if one is taken."""
    found: dict[str, Vendor] = {}
    for vendor in vendors:
        base = vendor.contract.base_path
        if f"{base}/".startswith(f"{RESERVED}/"):
            raise UsageError(f"{vendor.name} has the base path {base}, which is reserved for trunkline itself")
        other = found.setdefault(base, vendor)
        if other is not vendor:
            raise UsageError(f"{other.name} and {vendor.name} both have the base path {base}; serve them one by one")
    return found


def asgi(
    targets: Mapping[str, Target] | Target,
    *,
    blocking: bool = False,
    index: Mapping[str, str] | None = None,
    admin: Admin | None = None,
) -> ASGIApp:
    """Each target below its base path, `{"/v1": target}`; a lone target answers every path.

    `blocking` keeps slow targets off the event loop. `/` lists the `index`, by default the base paths:
    `{"acme": "/v1"}` is answered with whole addresses. `admin` answers below its reserved path. A target that has a
    method `too_large`, as a mock has, answers requests with a body of more than `LONGEST_BODY` bytes with it.
    """
    if not isinstance(targets, Mapping):
        return _application(targets, "", blocking=blocking)
    bases = sorted((base.rstrip("/") for base in targets), key=len, reverse=True)
    not_found = _not_found(bases)
    apps = {
        base.rstrip("/"): _application(target, base, blocking=blocking, elsewhere=not_found)
        for base, target in targets.items()
    }
    if admin:
        apps[RESERVED] = _admin_application(admin)
    mounts = sorted(apps.items(), key=lambda mount: len(mount[0]), reverse=True)
    routes: list[BaseRoute] = [Mount(base, mounted) for base, mounted in mounts]
    if "" not in apps:
        routes.append(Route("/", _index(index or {base: base for base in targets})))
    fallback = application(lambda _: not_found, elsewhere=not_found)
    router = Router(routes, redirect_slashes=False, default=fallback)
    direct = [(base.encode(), f"{base}/".encode(), mounted) for base, mounted in mounts]

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        # A read goes to its application directly, since routing takes a sixth of its time, and so does the base itself,
        # which `Mount` matches only with a slash.
        path = scope.get("raw_path") or b""
        for base, below, mounted in direct if path else ():
            if path == base or (scope["method"] == "GET" and path.startswith(below)):
                return await mounted(scope, receive, send)
        return await router(scope, receive, send)

    return app


def _application(target: Target, base: str, *, blocking: bool, elsewhere: Response | None = None) -> ASGIApp:
    too_large = getattr(target, "too_large", None)
    return application(
        target,
        base=base,
        blocking=blocking,
        max_bytes=LONGEST_BODY if too_large else MAX_BODY,
        too_large=too_large,
        elsewhere=elsewhere,
    )


def _admin_application(admin: Admin) -> ASGIApp:
    """The application that passes the client's address to `admin`: a `Request` does not have it."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        client, _ = scope.get("client") or ("", 0)
        await application(partial(admin, client=client), base=RESERVED, max_bytes=LONGEST_BODY)(scope, receive, send)

    return app


def _not_found(bases: Iterable[str]) -> Response:
    sentence = f"nothing is served here; every path begins with {' or '.join(f'{base}/' for base in bases)}"
    return Response(404, (("content-type", "application/json"),), json.dumps({"error": sentence}).encode())


def _index(places: Mapping[str, str]) -> Callable[[Request], JSONResponse]:
    def index(request: Request) -> JSONResponse:
        root = str(request.base_url).rstrip("/")
        return JSONResponse({"vendors": {name: {"url": root + base} for name, base in places.items()}})

    return index


# --- served ---------------------------------------------------------------------------------------------------------


@contextmanager
def running(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Run the application in a thread, by default on a free port. Yields its address."""
    with _listener(host, port) as listener:
        started: Future[None] = Future()
        server = _Server(app, lambda: started.set_result(None))

        def run() -> None:
            try:
                server.run(sockets=[listener])
            except BaseException as error:
                if started.done():
                    raise
                started.set_exception(error)

        thread = threading.Thread(target=run, name="trunkline-server", daemon=True)
        thread.start()
        started.result()
        try:
            yield _url(listener)
        finally:
            server.stop()
            thread.join(timeout=4 * _GRACE)


def serve(app: ASGIApp, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve in the main thread until SIGINT or SIGTERM, then return; a second signal ends the process at once.

    `on_ready` is called with the address as soon as the server answers. Raises `UsageError` when it cannot listen.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises the signal again at its end
    try:
        with _listener(host, port) as listener, suppress(KeyboardInterrupt):
            gc.freeze()  # contract and records stay: the collector need not look at them again and again
            _Server(app, lambda: on_ready(_url(listener))).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """uvicorn's server, which calls `on_start` and ends within milliseconds.

    uvicorn looks every 100 ms whether it is to end, and then waits for as long: too slow for tests that start many.
    """

    def __init__(self, app: ASGIApp, on_start: Callable[[], None]) -> None:
        config = uvicorn.Config(
            self._answer,
            http=PROTOCOL,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        super().__init__(config)
        self._app = app
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._ticks = self._loop.create_task(super().main_loop())
        try:
            self._on_start()
        except BaseException:
            await self.shutdown()
            raise

    async def main_loop(self) -> None:
        await asyncio.wait([self._ticks])

    def stop(self) -> None:
        """End the server; any thread may call it."""
        self.should_exit = True
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._ticks.cancel)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # so that a second signal ends the process at once

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the caller closes them
        """Close each connection: an idle one at once, another after its answer, every one after the grace."""
        for server in self.servers:
            server.close()
        state, notified = self.server_state, set[object]()
        for _ in range(round(_GRACE / _TICK)):
            for connection in state.connections - notified:
                connection.shutdown()
                notified.add(connection)
            if not (state.connections or state.tasks):
                return
            await asyncio.sleep(_TICK)
        for connection in state.connections:
            connection.transport.abort()
        await asyncio.sleep(0)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        if not scope.get("raw_path", b"/").startswith(b"/"):
            scope = _origin_form(scope)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.should_exit:  # else nobody listens any more, and uvicorn would log an error
                raise


def _origin_form(scope: Message) -> Message:
    """The scope of `GET http://host/path` as if it were that of `GET /path` and a Host (RFC 9112, section 3.2.2)."""
    found = _ABSOLUTE.match(scope["raw_path"])
    if not found:
        return scope
    raw = scope["raw_path"][found.end() :] or b"/"
    headers = [(b"host", found[1]), *(pair for pair in scope["headers"] if pair[0] != b"host")]
    return {**scope, "raw_path": raw, "path": unquote(raw.decode("latin-1")), "headers": headers}


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that no client comes too early and no other process takes its port."""
    if not 0 <= port <= 65535:
        raise UsageError(f"there is no port {port}; choose one from 1 to 65535, or 0 to have a free one found")
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
        return f"port {port} of {host} is in use; choose another, or 0 to have a free one found"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"port {port} needs privileges; choose one above 1023, or 0 to have a free one found"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; choose one that is, such as 127.0.0.1"
    return f"nothing can be served at {host}, port {port} ({error.strerror}); choose another"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = _ANY.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
