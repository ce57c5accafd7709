"""The faults of a session over HTTP: list, set and remove them."""

from __future__ import annotations

import logging
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from trunkline.exchange import Json
from trunkline.mock.faults import SetFault, parse_faults
from trunkline.mock.session import MockSession
from trunkline.redaction import mask_json
from trunkline.transport.admin.messages import Answer, read_json, session_of

log = logging.getLogger("trunkline.transport.admin")


async def list_faults(request: Request) -> Answer:
    """The faults that are set, in the order in which they are tried."""
    session = session_of(request)
    return _shown(session, session.faults.entries())


async def set_faults(request: Request) -> Answer:
    """Set the faults of the body, `{"faults": ["listTrunks: 503 x2"]}`, after those that are set."""
    session = session_of(request)
    added = session.faults.add(*parse_faults(await read_json(request)))
    for fault in added:
        log.info("fault %d is set: %s", fault.id, _hidden(session, fault.line))
    return _shown(session, added, 201)


async def clear_faults(request: Request) -> Answer:
    """Remove all faults."""
    return JSONResponse({"removed": session_of(request).faults.clear()})


async def remove_fault(request: Request) -> Answer:
    """Remove one fault, by its number."""
    if not session_of(request).faults.remove(request.path_params["id"]):
        raise HTTPException(404, "no fault with this number is set; GET /_trunkline/faults lists them")
    return JSONResponse({"removed": 1})


def _shown(session: MockSession, faults: list[SetFault], status: int = 200) -> JSONResponse:
    """The faults as JSON, without the secrets of the mocks."""
    shown: Json = [fault.to_json() for fault in faults]
    return JSONResponse({"faults": mask_json(shown, lambda _: False, partial(_hidden, session))}, status)


def _hidden(session: MockSession, text: str) -> str:
    for steered in session.mocks.values():
        text = steered.mock.secrets.hide(text)
    return text


ROUTES = (
    Route("/faults", list_faults),
    Route("/faults", set_faults, methods=["POST"]),
    Route("/faults", clear_faults, methods=["DELETE"]),
    Route("/faults/{id:int}", remove_fault, methods=["DELETE"]),
)
