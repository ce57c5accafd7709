"""The return of the mocks to their fixtures."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from trunkline.errors import DataError, StorageError, UsageError
from trunkline.transport.access import RESET
from trunkline.transport.admin.messages import Answer, error, mock_named, session_of

log = logging.getLogger("trunkline.transport.admin")


async def reset(request: Request) -> Answer:
    """Return the mocks of all vendors to their fixtures, or of those that the query names: `?vendor=acme`."""
    session = session_of(request)
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    if any(name != "vendor" for name, _ in pairs):
        raise UsageError("the query may hold nothing but vendor=NAME, once for each vendor to be reset")
    chosen = [*dict.fromkeys(value for _, value in pairs)] or [*session.mocks]
    for name in chosen:
        mock_named(session, name)
    for name in chosen:
        try:
            await run_in_threadpool(session.reset, name)  # changed fixtures may take a while to read
        except (DataError, StorageError) as failure:
            log.error("%s", failure)  # noqa: TRY400 - one sentence, no traceback
            return error(507 if isinstance(failure, StorageError) else 409, f"{name} was not reset: {failure}")
        log.info("%s was reset to its fixtures", name)
    return JSONResponse({"reset": chosen})


ROUTES = (Route(RESET, reset, methods=["POST"]),)
