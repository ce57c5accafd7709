"""The faults of a session over HTTP: list, set and remove them, one by one or as scenarios."""

from __future__ import annotations

import logging
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from trunkline.errors import UsageError
from trunkline.exchange import Json
from trunkline.findings import excerpt
from trunkline.mock.faults import FaultScenario, SetFault, parse_faults, scenario, scenarios, switch_on, to_line
from trunkline.mock.session import MockSession
from trunkline.redaction import redact_json
from trunkline.transport.admin.messages import read_json_body, read_query, redacted, session_of

log = logging.getLogger("trunkline.transport.admin")

_LONGEST_LOGGED = 1000


def list_faults(request: Request) -> HTTPResponse:
    """The faults that are set, in the order in which they are tried."""
    session = session_of(request)
    return _shown(session, session.faults.entries())


async def set_faults(request: Request) -> HTTPResponse:
    """Set the faults of the body, `{"faults": ["listTrunks: 503 x2"]}`, after those that are set."""
    return await run_in_threadpool(_set, session_of(request), await read_json_body(request))


def _set(session: MockSession, body: Json) -> HTTPResponse:
    added = session.faults.add(*parse_faults(body))
    for fault in added:
        log.info("fault %d is set: %s", fault.id, excerpt(fault.line, _LONGEST_LOGGED, partial(redacted, session)))
    return _shown(session, added, 201)


async def clear_faults(request: Request) -> HTTPResponse:
    """Remove all faults. A query is refused: it would look as if it chose some."""
    read_query(request, ())
    return JSONResponse({"removed": session_of(request).faults.clear()})


async def get_fault(request: Request) -> HTTPResponse:
    """One fault, by its number."""
    return JSONResponse(_redacted(session_of(request), _named(request).to_json()))


async def remove_fault(request: Request) -> HTTPResponse:
    """Remove one fault, by its number."""
    session_of(request).faults.remove(_named(request).id)
    return JSONResponse({"removed": 1})


async def list_scenarios(request: Request) -> HTTPResponse:
    """The scenarios, and which are on."""
    return JSONResponse({"scenarios": [_described(request, one) for one in scenarios().values()]})


async def get_scenario(request: Request) -> HTTPResponse:
    """A scenario, and whether it is on."""
    return JSONResponse(_described(request, scenarios()[_scenario(request)]))


def start_scenario(request: Request) -> HTTPResponse:
    """Set the faults of a scenario, after those that are set."""
    session, name = session_of(request), _scenario(request)
    added = switch_on(session.faults, name)
    log.info("the scenario %s is on", name)
    return _shown(session, added, 201)


async def end_scenario(request: Request) -> HTTPResponse:
    """Remove the faults of a scenario."""
    return JSONResponse({"removed": session_of(request).faults.clear(_scenario(request))})


def _named(request: Request) -> SetFault:
    """The fault with the number in the path."""
    for fault in session_of(request).faults.entries():
        if str(fault.id) == request.path_params["id"]:  # no number is too long for that
            return fault
    raise HTTPException(404, "no fault with this number is set; GET /_trunkline/faults lists them")


def _described(request: Request, one: FaultScenario) -> dict[str, Json]:
    return {
        "name": one.name,
        "summary": one.summary,
        "client": one.client,
        "faults": [*map(to_line, one.faults)],
        "is_on": one.name in {fault.scenario for fault in session_of(request).faults.entries()},
    }


def _scenario(request: Request) -> str:
    try:
        return scenario(request.path_params["name"]).name
    except UsageError:
        raise HTTPException(404, "there is no such scenario; GET /_trunkline/scenarios lists them") from None


def _shown(session: MockSession, faults: list[SetFault], status: int = 200) -> JSONResponse:
    return JSONResponse({"faults": _redacted(session, [fault.to_json() for fault in faults])}, status)


def _redacted(session: MockSession, value: Json) -> Json:
    """The value without the secrets of the mocks."""
    return redact_json(value, lambda _: False, partial(redacted, session))


ROUTES = (
    Route("/faults", list_faults),
    Route("/faults", set_faults, methods=["POST"]),
    Route("/faults", clear_faults, methods=["DELETE"]),
    Route("/faults/{id}", get_fault),
    Route("/faults/{id}", remove_fault, methods=["DELETE"]),
    Route("/scenarios", list_scenarios),
    Route("/scenarios/{name}", get_scenario),
    Route("/scenarios/{name}", start_scenario, methods=["POST"]),
    Route("/scenarios/{name}", end_scenario, methods=["DELETE"]),
)
