"""The requests on record: what clients asked of the mocks, and how they were answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from trunkline.contract.formats import read_time
from trunkline.errors import UsageError
from trunkline.findings import suggestion
from trunkline.mock.request_log import RecordedRequest
from trunkline.mock.session import MockSession
from trunkline.transport.admin.messages import Answer, session_of

_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_STATUS = re.compile(r"[1-5](?:[0-9][0-9]|xx)", re.ASCII | re.IGNORECASE)
_LISTED = 100
"""How many requests are listed, unless the query says otherwise."""

Filter = Callable[[RecordedRequest], bool]


def list_requests(request: Request) -> Answer:
    """The latest requests, newest last. The query chooses: `?operation=createTrunk&status=4xx&since=12&limit=10`."""
    session = session_of(request)
    query = _query(request, (*_FILTERS, "limit"))
    limit = _number("limit", query.pop("limit", str(_LISTED)))
    filters = [_FILTERS[name](session, value) for name, value in query.items()]
    found = [one for one in session.requests.entries() if all(fits(one) for fits in filters)]
    return JSONResponse({"requests": [one.to_json() for one in found[max(0, len(found) - limit) :]]})


def forget_requests(request: Request) -> Answer:
    """Forget all requests."""
    return JSONResponse({"forgotten": session_of(request).requests.clear()})


def _query(request: Request, known: Collection[str]) -> dict[str, str]:
    """The parameters of the query, each known and given once. No message repeats one: it may be a credential."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    for name, _ in pairs:
        if name not in known:
            meant = suggestion(name, known) or f"; there are: {', '.join(known)}"
            raise UsageError(f"the query has an unknown parameter{meant}")
    if len(pairs) > len(query := dict(pairs)):
        raise UsageError("the query has a parameter twice; give each once")
    return query


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"{name} must be a whole number, 0 or more")
    return int(text)


def _by_vendor(session: MockSession, text: str) -> Filter:
    _check("vendor", text, session.mocks)
    return lambda one: one.vendor == text


def _by_operation(session: MockSession, text: str) -> Filter:
    known = [known for mock in session.mocks.values() for known in mock.mock.vendor.contract.operations]
    _check("operation", text, [operation.operation_id for operation in known])
    return lambda one: one.operation == text


def _check(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        meant = suggestion(name, known) or f"; there are: {', '.join(dict.fromkeys(known))}"
        raise HTTPException(404, f"no such {kind} is served here{meant}")


def _by_status(_: MockSession, text: str) -> Filter:
    if not _STATUS.fullmatch(text):
        raise UsageError("status must be one such as 404, or a class of them such as 4xx")
    least, most = int(text.lower().replace("x", "0")), int(text.lower().replace("x", "9"))
    return lambda one: least <= one.status <= most


def _since(_: MockSession, text: str) -> Filter:
    if _NUMBER.fullmatch(text):
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
    "since": _since,
}

ROUTES = (Route("/requests", list_requests), Route("/requests", forget_requests, methods=["DELETE"]))
