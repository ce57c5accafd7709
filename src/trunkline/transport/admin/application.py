"""The Starlette application of the admin surface: its routes, who may use them, and how it refuses."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request

from trunkline.errors import StorageError, UsageError
from trunkline.mock.session import MockSession
from trunkline.transport.access import BASE, RESET, Denied, check_access, check_token
from trunkline.transport.admin import data, documents
from trunkline.transport.admin.messages import Answer, error
from trunkline.transport.asgi import ASGIApp, Message, Receive, Send

ROUTES = (*documents.ROUTES, *data.ROUTES)


def admin(session: MockSession, token: str | None = None) -> ASGIApp:
    """The application that administers a session: from this machine only or, given a `token`, for its holders."""
    secret = None if token is None else check_token(token)
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(_Access, secret=secret)],
        exception_handlers={HTTPException: _http_error, UsageError: _usage_error, StorageError: _storage_error},
    )
    app.router.redirect_slashes = False
    app.state.session = session
    return app


class _Access:
    """Refuses requests that may not use the admin surface."""

    def __init__(self, app: ASGIApp, secret: str | None) -> None:
        self._app = app
        self._secret = secret

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        client = request.client.host if request.client else ""
        headers = tuple(request.headers.items())
        try:
            check_access(request.method, headers, client, self._secret)
        except Denied as denied:
            return await error(denied.status, denied.sentence, denied.headers)(scope, receive, send)
        return await self._app(scope, receive, send)


async def _http_error(request: Request, found: Exception) -> Answer:
    """A path that does not exist, or a method that it does not have."""
    if not isinstance(found, HTTPException) or found.detail == "Not Found":
        return error(404, f"there is nothing here; GET {BASE}/ lists what is, POST {BASE}{RESET} resets the mocks")
    headers = tuple((name.lower(), value) for name, value in (found.headers or {}).items())
    if found.status_code == 405:
        allowed = dict(headers).get("allow", "")
        return error(405, f"{request.method} is not allowed here; send {' or '.join(allowed.split(', '))}", headers)
    return error(found.status_code, found.detail, headers)


async def _usage_error(_request: Request, found: Exception) -> Answer:
    return error(400, str(found))


async def _storage_error(_request: Request, found: Exception) -> Answer:
    return error(507, str(found))
