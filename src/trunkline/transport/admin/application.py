"""The Starlette application of the admin surface: its routes, who may use them, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response as HTTPResponse
from starlette.routing import Match, Route

from trunkline.errors import Conflict, DataError, StorageError, UsageError
from trunkline.exchange import headers
from trunkline.mock.session import MockSession
from trunkline.transport.access import RESERVED, RESET, SAFE, RequestRefused, check_access, check_token
from trunkline.transport.admin import documents, faults, page, records, requests, reset, sessions
from trunkline.transport.admin.messages import error
from trunkline.transport.scope import ASGIApp, Message, Receive, Send

if TYPE_CHECKING:
    from trunkline.transport.sessions import Sessions

ROUTES = (
    *documents.ROUTES,
    *reset.ROUTES,
    *records.ROUTES,
    *requests.ROUTES,
    *faults.ROUTES,
    *page.ROUTES,
)
"""The routes that each session has."""
SERVER_ROUTES = sessions.ROUTES
"""The routes that only a server has."""


def admin(session: MockSession, token: str | None = None, sessions: Sessions | None = None) -> ASGIApp:
    """The application that administers a session: from this machine only or, given a `token`, for its holders.

    That of a server's own session opens and ends other `sessions` too.
    """
    secret = None if token is None else check_token(token)
    app = Starlette(
        routes=(*ROUTES, *SERVER_ROUTES) if sessions else ROUTES,
        middleware=[Middleware(Access, secret=secret), Middleware(_Announcement, session=session)],
        exception_handlers={
            HTTPException: _http_error,
            Conflict: _conflict,
            UsageError: _mistake,
            DataError: _mistake,
            StorageError: _storage_error,
        },
    )
    app.router.redirect_slashes = False
    app.state.session, app.state.sessions = session, sessions
    return app


class Access:
    """Refuses requests that may not use the admin surface."""

    def __init__(self, app: ASGIApp, secret: str | None) -> None:
        self._app = app
        self._secret = secret

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        client = request.client.host if request.client else ""
        fields = tuple(request.headers.items())
        try:
            check_access(request.method, fields, client, self._secret)
        except RequestRefused as refused:
            return await error(refused.status, refused.sentence, refused.headers)(scope, receive, send)
        return await self._app(scope, receive, send)


class _Announcement:
    """Announces a change of the session after each request that may have made one."""

    def __init__(self, app: ASGIApp, session: MockSession) -> None:
        self._app = app
        self._session = session

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def send_and_announce(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                self._session.announce_change()
            await send(message)

        changes = scope["type"] == "http" and scope["method"] not in SAFE
        return await self._app(scope, receive, send_and_announce if changes else send)


async def _http_error(request: Request, found: Exception) -> HTTPResponse:
    """A path that does not exist, or a method that it does not have."""
    if not isinstance(found, HTTPException) or found.detail == "Not Found":
        return error(
            404, f"there is nothing here; GET {RESERVED}/ lists what is, POST {RESERVED}{RESET} resets the mocks"
        )
    if found.status_code == 405:
        allowed = _methods_at(request)
        sentence = f"{request.method} is not allowed here; send {' or '.join(allowed)}"
        return error(405, sentence, (("allow", ", ".join(allowed)),))
    return error(found.status_code, found.detail, headers((found.headers or {}).items()))


def _methods_at(request: Request) -> list[str]:
    """The methods of all routes at the path of a request: Starlette knows those of the first alone."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    at = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in at for method in route.methods or ()})


async def _mistake(_request: Request, found: Exception) -> HTTPResponse:
    return error(400, str(found))


async def _conflict(_request: Request, found: Exception) -> HTTPResponse:
    return error(409, str(found))


async def _storage_error(_request: Request, found: Exception) -> HTTPResponse:
    return error(507, str(found))
