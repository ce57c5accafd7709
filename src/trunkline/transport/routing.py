"""One application for all targets: each below its base path, and the admin surface below the reserved one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import ClassVar

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import BaseRoute, Mount, Route, Router

from trunkline.contract.http import PORTS
from trunkline.errors import UsageError
from trunkline.exchange import Response, Target, error_response
from trunkline.findings import to_text, truncate
from trunkline.mock.loader import Vendor
from trunkline.transport.access import RESERVED
from trunkline.transport.addresses import MAX_PORT, address_of
from trunkline.transport.asgi import application
from trunkline.transport.scope import ASGIApp, Message, Receive, Send

log = logging.getLogger("trunkline.transport.routing")

SESSIONS = f"{RESERVED}/s"
"""The path below which each session has its root."""

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
_MOST_ORIGINS = 100
"""How many origins that are not allowed are logged, each once."""
_LOOPBACK = r"https?://(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?"
"""The origins of web pages of this machine."""


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
    admin: ASGIApp | None = None,
    sessions: ASGIApp | None = None,
    cors: Collection[str] | None = None,
) -> ASGIApp:
    """Each target below its base path, `{"/v1": target}`; a lone target answers every path.

    `blocking` keeps slow targets off the event loop. `/` lists the `index`, by default the base paths:
    `{"acme": "/v1"}` is answered with whole addresses. `admin` (`transport.admin.admin`) answers below the reserved
    path, and `sessions` (`transport.sessions`) below its part `SESSIONS`. Web pages of this machine and of the origins
    in `cors` may read the answers of the targets; None lets no page.
    """
    middleware = None if cors is None else cors_middleware(cors)
    if not isinstance(targets, Mapping):
        return application(targets, blocking=blocking, middleware=middleware)
    sorted_bases = sorted((base.rstrip("/") for base in targets), key=len, reverse=True)
    nowhere = f"nothing is served here; every path begins with {' or '.join(f'{base}/' for base in sorted_bases)}"
    not_found = error_response(404, nowhere)
    apps = {
        base.rstrip("/"): application(target, base=base, blocking=blocking, elsewhere=not_found, middleware=middleware)
        for base, target in targets.items()
    }
    mounts = sorted(apps.items(), key=lambda mount: len(mount[0]), reverse=True)
    routes: list[BaseRoute] = [Mount(base, mounted) for base, mounted in mounts]
    if admin:
        routes = [Mount(RESERVED, admin), Route(RESERVED, RedirectResponse(f"{RESERVED[1:]}/")), *routes]
    if sessions:
        routes = [Mount(SESSIONS, sessions), *routes]
    if "" not in apps:
        routes.append(Route("/", _index(index or {base: base for base in targets}, has_page=bool(admin))))

    def unserved(_: object) -> Response:
        log.info("a request got 404: %s", nowhere)
        return not_found

    fallback = application(unserved, elsewhere=not_found, middleware=middleware)
    router = Router(routes, redirect_slashes=False, default=fallback)
    direct = [(base.encode(), f"{base}/".encode(), mounted) for base, mounted in mounts if base or not admin]

    below_sessions = f"{SESSIONS}/".encode()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        # A read goes to its application directly, since routing takes a sixth of its time, and so does the base itself,
        # which `Mount` matches only with a slash.
        path = scope.get("raw_path") or b""
        for base, below, mounted in direct if path else ():
            if path == base or (scope["method"] == "GET" and path.startswith(below)):
                return await mounted(scope, receive, send)
        if sessions and path.startswith(below_sessions):
            return await sessions(scope, receive, send)
        return await router(scope, receive, send)

    return app


def cors_middleware(origins: Collection[str]) -> Callable[[ASGIApp], ASGIApp]:
    """The middleware that lets web pages of this machine, and of further origins, read every answer (CORS).

    An origin is `https://app.example.com`, `null` for a page from a file, or `*` for any. Raises `UsageError` for
    anything else.
    """
    return partial(
        _Cors,
        allow_origins=[origin if origin in {"*", "null"} else _as_sent(origin) for origin in origins],
        allow_origin_regex=_LOOPBACK,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["*"],
    )


class _Cors(CORSMiddleware):
    """The middleware, which logs each of the first origins that it does not allow."""

    _refused: ClassVar[set[str]] = set()

    def is_allowed_origin(self, origin: str) -> bool:
        is_allowed = super().is_allowed_origin(origin)
        if not is_allowed and len(self._refused) < _MOST_ORIGINS and origin not in self._refused:
            self._refused.add(origin)
            if origin == "null" or _ORIGIN.fullmatch(origin):
                log.info(
                    "pages of the origin %s may not read answers; --cors %s lets them", *[truncate(origin, 200)] * 2
                )
        return is_allowed


def _as_sent(origin: str) -> str:
    """The origin as browsers send it: in lower case, and without the default port of its scheme."""
    found = _ORIGIN.fullmatch(origin.lower())
    if not found or not 0 < int(found[3] or 1) <= MAX_PORT:
        shown = truncate(to_text(origin), 100)
        raise UsageError(f"{shown} is not an origin; give scheme, host and port only: https://app.example.com")
    scheme, host, port = found[1], found[2], int(found[3] or 0)
    return f"{scheme}://{host}" + (f":{port}" if port not in {0, PORTS.get(scheme)} else "")


def wants_page(request: Request) -> bool:
    """Whether a client asks for a page rather than for JSON, as browsers do."""
    return "text/html" in request.headers.get("accept", "")


def _index(places: Mapping[str, str], *, has_page: bool) -> Callable[[Request], StarletteResponse]:
    def index(request: Request) -> StarletteResponse:
        """The addresses of the vendors; a browser is sent to the page, if there is one."""
        if has_page and wants_page(request):
            return RedirectResponse(f"{request.scope.get('root_path', '')}{RESERVED}/")
        root = address_of(request.url.scheme, request.headers.get("host", ""), request.scope.get("server"))
        root += request.scope.get("root_path", "")
        return JSONResponse({"vendors": {name: {"url": root + base} for name, base in places.items()}})

    return index
