"""The return of the mocks to their fixtures."""

from __future__ import annotations

import logging

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from trunkline.errors import DataError, StorageError
from trunkline.exchange import encodable
from trunkline.transport.access import RESET
from trunkline.transport.admin.messages import error, mock_named, read_pairs, session_of

log = logging.getLogger("trunkline.transport.admin")


async def reset(request: Request) -> HTTPResponse:
    """Return the mocks of all vendors to their fixtures, or of those that the query names: `?vendor=acme`."""
    session = session_of(request)
    named = [name for _, name in read_pairs(request, ("vendor",))]
    chosen = [*dict.fromkeys(named)] or [*session.mocks]
    for name in chosen:
        mock_named(session, name)
    for name in chosen:
        try:
            await run_in_threadpool(session.reset, name)  # changed fixtures may take a while to read
        except (DataError, StorageError) as failure:
            sentence = encodable(f"{name} was not reset: {failure}")
            log.error("%s", sentence)  # noqa: TRY400 - one sentence, no traceback
            return error(507 if isinstance(failure, StorageError) else 409, sentence)
        log.info("%s was reset to its fixtures", name)
    return JSONResponse({"reset": chosen})


ROUTES = (Route(RESET, reset, methods=["POST"]),)
