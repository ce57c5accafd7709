"""The reserved path of a validating proxy: its health, its metrics, and what it has found so far."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from trunkline.exchange import Json
from trunkline.transport.access import RESERVED, check_token
from trunkline.transport.admin.application import Access
from trunkline.transport.admin.messages import error
from trunkline.transport.metrics import MEDIA_TYPE, Metrics
from trunkline.transport.scope import ASGIApp

_PATIENCE = 10.0
"""The seconds that a report of the findings may take."""


def status_application(
    metrics: Metrics, health: Callable[[], Json], findings: Callable[[], Future[str]], token: str | None = None
) -> ASGIApp:
    """The application below `/_trunkline`, for this machine only or, given a `token`, for its holders.

    `findings` makes a report in JSON, which waits for what is being judged.
    """

    async def show_health(_: Request) -> Response:
        return JSONResponse(health())

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.to_text(), media_type=MEDIA_TYPE)

    async def show_findings(_: Request) -> Response:
        try:
            async with asyncio.timeout(_PATIENCE):
                text = await asyncio.wrap_future(findings())
        except TimeoutError:
            return error(503, f"judging is too far behind to report within {_PATIENCE:g} s; ask again later")
        except Exception:  # noqa: BLE001 - whatever it is, the log has it
            return error(503, "there is no report now, because judging has failed; see the log")
        return Response(text, media_type="application/json")

    shown: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/health": show_health,
        "/metrics": show_metrics,
        "/findings": show_findings,
    }

    async def refuse(request: Request, found: Exception) -> Response:
        if isinstance(found, HTTPException) and found.status_code == 405:
            return error(405, f"{request.method} is not allowed here; send GET", (("allow", "GET, HEAD"),))
        paths = " or ".join(RESERVED + path for path in shown)
        return error(404, f"there is nothing here; GET {paths}")

    secret = None if token is None else check_token(token)
    app = Starlette(
        routes=[Mount(RESERVED, routes=[Route(path, endpoint) for path, endpoint in shown.items()])],
        middleware=[Middleware(Access, secret=secret)],
        exception_handlers={HTTPException: refuse},
    )
    app.router.redirect_slashes = False
    return app
