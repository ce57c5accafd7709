"""The sessions of a server: open one, list them, end one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from trunkline.exchange import Json
from trunkline.mock.faults import Fault, parse_fault, scenario
from trunkline.mock.generators import format_time
from trunkline.mock.recording import check_names, override
from trunkline.mock.session import MockSession
from trunkline.transport.admin.documents import places
from trunkline.transport.admin.messages import mock_named, read_valid_body, root_address, session_of

if TYPE_CHECKING:
    from trunkline.transport.sessions import OpenSession, Sessions


async def list_sessions(request: Request) -> HTTPResponse:
    """The open sessions; the one that was used last is the last."""
    return JSONResponse({"sessions": [_shown(request, session) for session in _sessions(request)]})


async def open_session(request: Request) -> HTTPResponse:
    """Open a session with worlds of its own: `{"vendors": {"acme": {"trunks": 3, "rate_limit": 5}}}`."""
    sessions, own = _sessions(request), session_of(request)
    body = await read_valid_body(request, "NewSession", partial(_check, own))
    _check_room(sessions)
    session = await run_in_threadpool(_prepare, sessions, own, body.get("vendors"))
    _check_room(sessions)  # others may have been faster
    sessions.open(session)
    shown = _shown(request, session)
    return JSONResponse(shown, 201, {"location": shown["url"]})


async def get_session(request: Request) -> HTTPResponse:
    """The addresses and tokens of a session. To look is not to use it."""
    return JSONResponse(_shown(request, _named(request)))


async def end_session(request: Request) -> HTTPResponse:
    """End a session."""
    session = _named(request)
    _sessions(request).end(session)
    return JSONResponse({"ended": session.id})


def _check_room(sessions: Sessions) -> None:
    if seconds := sessions.seconds_until_room():
        sentence = f"{sessions.most} sessions are open; end one, or wait until one is idle"
        raise HTTPException(429, sentence, {"retry-after": str(ceil(seconds))})


def _prepare(sessions: Sessions, own: MockSession, wanted: Mapping[str, Json] | None) -> OpenSession:
    """A session with the wanted vendors, by default all of the server. Each is overridden as in a marker of pytest."""
    vendors, options = [], {}
    for name, settings in (wanted or {name: {} for name in own.mocks}).items():
        others = dict(settings)
        options[name] = [others.pop(option, None) for option in ("rate_limit", "rate_window", "faults", "scenario")]
        vendors.append(override(mock_named(own, name).vendor, **others))
    session = sessions.prepare(vendors)
    for name, (requests, seconds, faults, on) in options.items():
        mock_named(session.mocks, name).limit_rate(requests, seconds)
        session.mocks.faults.add(*(fault.of(name) for fault in _parsed(name, faults)))
        if on is not None:
            session.mocks.faults.add(*(fault.of(name) for fault in scenario(on).faults), scenario=on)
    return session


def _check(own: MockSession, body: Json) -> None:
    """Raise an error for a vendor, or a key of one, that does not exist, and for a fault with a mistake."""
    wanted = body.get("vendors") if isinstance(body, dict) else None
    for name, settings in wanted.items() if isinstance(wanted, dict) else ():
        vendor = mock_named(own, name).vendor
        if isinstance(settings, dict):
            check_names(vendor, settings)
            _parsed(name, settings.get("faults"))
            if isinstance(settings.get("scenario"), str):
                scenario(settings["scenario"])


def _parsed(vendor: str, faults: Json) -> list[Fault]:
    given = faults if isinstance(faults, list) else []
    return [parse_fault(one, "the body", f"/vendors/{vendor}/faults/{number}") for number, one in enumerate(given)]


def _shown(request: Request, session: OpenSession) -> dict[str, Json]:
    root, left = root_address(request) + session.place, _sessions(request).seconds_left(session)
    return {
        "id": session.id,
        "url": root,
        "vendors": places(session.mocks, root),
        "ends": format_time(time.time() + left),
    }


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def _named(request: Request) -> OpenSession:
    session = _sessions(request).get(request.path_params["id"])
    if session is None:
        raise HTTPException(404, "no such session is open; it was ended, or was idle for too long")
    return session


ROUTES = (
    Route("/sessions", list_sessions),
    Route("/sessions", open_session, methods=["POST"]),
    Route("/sessions/{id}", get_session),
    Route("/sessions/{id}", end_session, methods=["DELETE"]),
)
