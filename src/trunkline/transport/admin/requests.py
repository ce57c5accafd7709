"""The request log of the mocks: what clients asked of them, and how they were answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import fields
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from trunkline.contract.formats import read_time
from trunkline.errors import UsageError
from trunkline.findings import way_out
from trunkline.mock.request_log import RecordedRequest
from trunkline.mock.session import MockSession
from trunkline.mock.verification import Expectation, verify
from trunkline.transport.admin.messages import NUMBER, read_json_body, read_query, session_of, whole_number
from trunkline.transport.scope import ENDING

_STATUS = re.compile(r"0|[1-5](?:[0-9][0-9]|xx)", re.ASCII | re.IGNORECASE)
_KEEP_ALIVE = 15.0
"""Seconds without a request after which a listener gets a comment, so that nothing between closes the connection."""
_MOST_LISTENERS = 32
_MOST_AT_ONCE = 100
_EXPECTED = tuple(field.name for field in fields(Expectation))
_NO_RECORD = "this server keeps no requests (--record 0)"
_NEAREST = 3
"""How many names an error about an unknown one proposes."""
_LISTED = 100
"""How many requests are listed, unless the query says otherwise."""

Filter = Callable[[RecordedRequest], bool]


def list_requests(request: Request) -> HTTPResponse:
    """The latest requests, newest last. The query chooses: `?operation=createTrunk&status=4xx&since=12&limit=10`."""
    session = session_of(request)
    query = read_query(request, (*_FILTERS, "limit"))
    limit = whole_number("limit", query.pop("limit", str(_LISTED)))
    filters = [_FILTERS[name](session, value) for name, value in query.items()]
    log = session.requests
    found = [one for one in log.entries() if all(fits(one) for fits in filters)]
    texts = map(log.to_text, found[max(0, len(found) - limit) :])
    return HTTPResponse(f'{{"requests": [{", ".join(texts)}]}}', media_type="application/json")


async def request_events(request: Request) -> HTTPResponse:
    """Each request as soon as it is answered, as server-sent events. `since` and `Last-Event-ID` resume after a number.

    An event `changed` says that something else has changed: records, faults, or the request log was cleared. A client
    that reads too slowly misses requests: an event `lost` says how many.
    """
    session = session_of(request)
    query = read_query(request, (*_FILTERS,))
    given = (query.pop("since", None), request.headers.get("last-event-id"))
    newest = session.requests.newest
    *_, last = newest, *(whole_number("since", text) for text in given if text is not None)
    filters = [_FILTERS[name](session, value) for name, value in query.items()]
    if not session.requests.most:
        raise HTTPException(409, _NO_RECORD)
    if session.requests.watchers >= _MOST_LISTENERS:
        raise HTTPException(503, f"{_MOST_LISTENERS} clients listen already; close one of them")
    ending = request.scope.get("state", {}).get(ENDING) or asyncio.Event()
    stream = _events(session, last if last <= newest else 0, filters, ending)
    return StreamingResponse(
        stream if request.method == "GET" else iter(()),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


async def _events(
    session: MockSession, last: int, filters: Collection[Filter], ending: asyncio.Event
) -> AsyncIterator[str]:
    """The requests after the number `last`, changes, and comments in between, until the session or the server ends."""
    news, log, changes = asyncio.Event(), session.requests, session.changes
    wake, end = partial(_set, news, asyncio.get_running_loop()), asyncio.create_task(ending.wait())
    with ExitStack() as stack:
        stack.callback(log.watch(wake))
        stack.callback(session.watch(wake))
        stack.callback(end.cancel)
        yield ": each request to the mocks\n\n"
        while not (ending.is_set() or session.is_over):
            news.clear()
            if changes != session.changes:
                changes = session.changes
                yield "event: changed\ndata: {}\n\n"
            found = log.after(last)[:_MOST_AT_ONCE]
            for one in found:
                if one.number > last + 1:
                    yield f'event: lost\ndata: {{"lost": {one.number - last - 1}}}\n\n'
                last = one.number
                if all(fits(one) for fits in filters):
                    text = await run_in_threadpool(log.to_text, one)  # to redact secrets may take a while
                    yield f"id: {last}\ndata: {text}\n\n"
                await asyncio.sleep(0)
            if not found:
                arrival = asyncio.create_task(news.wait())
                try:
                    await asyncio.wait((arrival, end), timeout=_KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    is_quiet = arrival.cancel()
                if is_quiet and not ending.is_set():
                    yield ": nothing new\n\n"


def _set(event: asyncio.Event, loop: asyncio.AbstractEventLoop, *_: RecordedRequest) -> None:
    """Set an event of a loop from any thread."""
    if not event.is_set():
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(event.set)


def forget_requests(request: Request) -> HTTPResponse:
    """Forget all requests. A query is refused: it would look as if it chose some."""
    read_query(request, ())
    return JSONResponse({"forgotten": session_of(request).requests.clear()})


async def verify_requests(request: Request) -> HTTPResponse:
    """Whether an operation was asked as expected: 200 with the number of requests that fit, or 409 with the reason.

    The body is like the arguments of `RecordingMock.assert_asked`: `{"operation": "createTrunk", "times": 1}`.
    """
    session, given = session_of(request), await read_json_body(request)
    if not isinstance(given, dict) or not isinstance(given.get("operation"), str):
        raise UsageError('the body must be an object with an operation: {"operation": "createTrunk", "times": 1}')
    for name in given:
        if name not in _EXPECTED:
            raise UsageError(f"the body has an unknown member{way_out(name, _EXPECTED)}")
    _by_operation(session, given["operation"])
    if not session.requests.most:
        raise HTTPException(409, _NO_RECORD)
    verification = await run_in_threadpool(verify, session.requests.entries(), Expectation(**given))
    forgotten = session.requests.forgotten
    if not verification.problem:
        return JSONResponse({"verified": True, "count": len(verification.matching), "forgotten": forgotten})
    note = f"\n(the log has forgotten the first {forgotten} requests; --record keeps more)" if forgotten else ""
    raise HTTPException(409, verification.problem + note)


def _by_vendor(session: MockSession, text: str) -> Filter:
    _check("vendor", text, session.mocks)
    return lambda one: one.vendor == text


def _by_operation(session: MockSession, text: str) -> Filter:
    known = [known for vendor in session.vendors for known in vendor.contract.operations]
    _check("operation", text, [operation.operation_id for operation in known])
    return lambda one: one.operation == text


def _check(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise HTTPException(404, f"no such {kind} is served here{way_out(name, known, most=_NEAREST)}")


def _by_status(_: MockSession, text: str) -> Filter:
    if not _STATUS.fullmatch(text):
        raise UsageError("status must be one such as 404, or a class of them such as 4xx")
    least, most = int(text.lower().replace("x", "0")), int(text.lower().replace("x", "9"))
    return lambda one: least <= one.status <= most


def _by_method(_: MockSession, text: str) -> Filter:
    return lambda one: one.method == text.upper()


def _by_path(session: MockSession, text: str) -> Filter:
    if not text.startswith("/"):
        raise UsageError("path must begin with a slash: /trunks, or with the base path /v1/trunks")
    bases = {vendor.name: vendor.contract.base_path for vendor in session.vendors}
    below = text.rstrip("/") + "/"
    return lambda one: any(f"{path}/".startswith(below) for path in (one.path, bases[one.vendor] + one.path))


def _by_account(session: MockSession, text: str) -> Filter:
    _check("account", text, sorted({account for vendor in session.vendors for account in vendor.world.accounts}))
    return lambda one: one.account == text


def _by_fault(_: MockSession, text: str) -> Filter:
    return lambda one: bool(one.fault) and text in one.fault


def _since(_: MockSession, text: str) -> Filter:
    if NUMBER.fullmatch(text):
        return lambda one: one.number > int(text)
    time = read_time(text.replace(" ", "+"))  # a plus that was not encoded
    if time is None:
        raise UsageError("since must be the number of a request, or a time such as 2026-11-28T15:00:00Z")
    begin = time.seconds + float(f"0.{time.fraction or 0}")
    return lambda one: one.time >= begin


_FILTERS: Mapping[str, Callable[[MockSession, str], Filter]] = {
    "vendor": _by_vendor,
    "operation": _by_operation,
    "status": _by_status,
    "method": _by_method,
    "path": _by_path,
    "account": _by_account,
    "fault": _by_fault,
    "since": _since,
}

ROUTES = (
    Route("/requests", list_requests),
    Route("/requests", forget_requests, methods=["DELETE"]),
    Route("/requests/events", request_events),
    Route("/requests/verify", verify_requests, methods=["POST"]),
)
