"""Owns the sockets: targets as one Starlette application, and uvicorn to serve it.

    >>> app = asgi({"/v1": mock.from_vendor(trunkline.load("acme"))})
    >>> with running(app) as url:
    ...     targets.http(f"{url}/v1")(Request("GET", "/trunks"))
    Response(401, <131 bytes>)

Nobody else imports Starlette or uvicorn, and here they are imported when first needed.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from trunkline.contract.refusals import LONGEST_BODY
from trunkline.errors import UsageError
from trunkline.exchange import Response, Target
from trunkline.mock.loader import Vendor
from trunkline.transport.admin import BASE as RESERVED
from trunkline.transport.admin import Admin
from trunkline.transport.asgi import ASGIApp, Message, Receive, Send, application
from trunkline.transport.messages import MAX_BODY

if TYPE_CHECKING:
    from starlette.requests import Request as Asked
    from starlette.responses import JSONResponse
    from starlette.routing import Router
    from uvicorn.server import ServerState

_BACKLOG = 2048
_KEEP_ALIVE = 75
"""Seconds for which a silent connection is kept: longer than a test that looks at something else."""

_GRACE = 0.5
"""Seconds that answers under way have when the server ends, and between two looks whether they have gone."""
_TURN = 0.005

_AUTHORITY = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what stands for every address, and the one to call it by


# --- one application ------------------------------------------------------------------------------------------------


def bases(vendors: Iterable[Vendor]) -> dict[str, Vendor]:
    """Each vendor by the path of its base address: `{"/v1": acme}`. Raises `UsageError` for one that is not free."""
    found: dict[str, Vendor] = {}
    for vendor in vendors:
        if f"{vendor.contract.base_path}/".startswith(f"{RESERVED}/"):
            raise UsageError(f"{vendor.name} lives at {vendor.contract.base_path}, which is kept for trunkline itself")
        other = found.setdefault(vendor.contract.base_path, vendor)
        if other is not vendor:
            raise UsageError(
                f"{other.name} and {vendor.name} both live at {vendor.contract.base_path}; serve them one by one"
            )
    return found


def asgi(
    targets: Mapping[str, Target] | Target,
    *,
    blocking: bool = False,
    index: Mapping[str, str] | None = None,
    admin: Admin | None = None,
) -> Router:
    """Each target below its base path, `{"/v1": target}`; a lone target answers every path.

    `blocking` keeps slow targets off the event loop. `index` is what `/` tells: `{"acme": "/v1"}` is answered
    with whole addresses; without it the base paths stand for the names. `admin` answers below its reserved path.
    A target that has a method `too_large`, as a mock has, answers what has a body of more than `LONGEST_BODY` with it.
    """
    from starlette.routing import Route, Router  # noqa: PLC0415 - see the module's docstring

    if not isinstance(targets, Mapping):
        return Router(default=_application(targets, "", blocking=blocking))
    places = {
        base.rstrip("/"): _application(target, base, blocking=blocking)
        for base, target in sorted(targets.items(), key=lambda item: -len(item[0]))
    }
    routes = [] if "" in places else [Route("/", _index(index or {base: base for base in targets}))]
    # Starlette would match decoded paths, to which `/a%2Fb` is `/a/b`: only the index is left to it.
    return Router(routes, redirect_slashes=False, default=_below(places, {RESERVED: _told(admin)} if admin else {}))


def _application(target: Target, base: str, *, blocking: bool) -> ASGIApp:
    too_large = getattr(target, "too_large", None)
    limit = LONGEST_BODY if too_large else MAX_BODY
    return application(target, base=base, blocking=blocking, max_bytes=limit, too_large=too_large)


def _told(admin: Admin) -> ASGIApp:
    """The application that tells `admin` who asks, which no `Request` knows."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        client, _ = scope.get("client") or ("", 0)
        await application(partial(admin, client=client), base=RESERVED, max_bytes=LONGEST_BODY)(scope, receive, send)

    return app


def _below(places: Mapping[str, ASGIApp], reserved: Mapping[str, ASGIApp]) -> ASGIApp:
    """Hands each request to the application below whose base its raw path is."""
    every = sorted({**places, **reserved}.items(), key=lambda place: not place[0])  # the root is asked last
    found = [(base.encode(), base.encode() + b"/", app) for base, app in every]
    beginnings = " or ".join(f"{base}/" for base in places)
    body = json.dumps({"error": f"nothing is served here; every path begins with {beginnings}"}).encode()
    nowhere = Response(404, (("content-type", "application/json"),), body)
    elsewhere = application(lambda _: nowhere)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("raw_path") or scope["path"].encode()
        for base, below, answer in found:
            if path.startswith(below) or path == base:
                return await answer(scope, receive, send)
        return await elsewhere({**scope, "raw_path": b"/"}, receive, send)

    return app


def _index(places: Mapping[str, str]) -> Callable[[Asked], JSONResponse]:
    from starlette.responses import JSONResponse  # noqa: PLC0415 - see the module's docstring

    def index(request: Asked) -> JSONResponse:
        root = str(request.base_url).rstrip("/")
        return JSONResponse({"vendors": {name: {"url": root + base} for name, base in places.items()}})

    return index


# --- served ---------------------------------------------------------------------------------------------------------


@contextmanager
def running(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The application on a port of the kernel's choice, in a thread of its own; yields its address."""
    with _listener(host, port) as listener:
        started: Future[Callable[[], None]] = Future()

        def run() -> None:
            try:
                asyncio.run(_perform(app, listener, started.set_result))
            except BaseException as error:
                if started.done():
                    raise
                started.set_exception(error)

        thread = threading.Thread(target=run, name="trunkline-server", daemon=True)
        thread.start()
        end = started.result()
        try:
            yield _url(listener)
        finally:
            end()
            thread.join(timeout=4 * _GRACE)


def serve(app: ASGIApp, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serves in the main thread until SIGINT or SIGTERM, then returns; a second signal ends the process at once.

    `on_ready` is called with the address as soon as it answers. Raises `UsageError` when there is nothing to bind to.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    with _listener(host, port) as listener, suppress(KeyboardInterrupt):

        def started(end: Callable[[], None]) -> None:
            loop = asyncio.get_running_loop()

            def stop() -> None:
                for number in before:
                    loop.remove_signal_handler(number)
                    signal.signal(number, signal.SIG_DFL)
                end()

            for number in before:
                loop.add_signal_handler(number, stop)
            on_ready(_url(listener))

        try:
            asyncio.run(_perform(app, listener, started))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def _perform(app: ASGIApp, listener: socket.socket, on_start: Callable[[Callable[[], None]], None]) -> None:
    """Serves from the moment at which `on_start` gets the function that ends it, callable from any thread.

    uvicorn's own `serve` looks ten times a second whether it is to end, and then pauses: too slow for tests.
    """
    import uvicorn  # noqa: PLC0415 - see the module's docstring

    loop, ending = asyncio.get_running_loop(), asyncio.Event()

    async def patient(scope: Message, receive: Receive, send: Send) -> None:
        if not scope.get("raw_path", b"/").startswith(b"/"):
            scope = _origin_form(scope)
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if not ending.is_set():  # else nobody listens any more, and uvicorn would log an error
                raise

    config = uvicorn.Config(
        patient,
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
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    ticking = asyncio.create_task(server.main_loop())  # keeps the Date header right
    try:
        on_start(lambda: _end(loop, ending))
        await ending.wait()
    finally:
        ending.set()
        ticking.cancel()
        loop.remove_reader(listener)  # asyncio loses those whom it lets in just before it closes
        await asyncio.sleep(_TURN)
        for bound in server.servers:
            bound.close()
        await _dismiss(server.server_state)


def _origin_form(scope: Message) -> Message:
    """The scope of `GET http://host/path` as if it were that of `GET /path` and a Host (RFC 9112, section 3.2.2)."""
    found = _AUTHORITY.match(scope["raw_path"])
    if not found:
        return scope
    raw = scope["raw_path"][found.end() :] or b"/"
    headers = [(b"host", found[1]), *(pair for pair in scope["headers"] if pair[0] != b"host")]
    return {**scope, "raw_path": raw, "path": unquote(raw.decode("latin-1")), "headers": headers}


async def _dismiss(state: ServerState) -> None:
    """Closes each connection: a silent one at once, another after its answer, any after the grace."""
    told: set[object] = set()
    for _ in range(round(_GRACE / _TURN)):
        for connection in state.connections - told:
            connection.shutdown()
            told.add(connection)
        if not (state.connections or state.tasks):
            return
        await asyncio.sleep(_TURN)
    for connection in state.connections:
        connection.transport.abort()
    await asyncio.sleep(0)


def _end(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(ending.set)


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
