"""The messages of the admin surface: JSON in, JSON out, both bounded and without secrets."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trunkline.contract.refusals import LONGEST_BODY
from trunkline.errors import UsageError
from trunkline.exchange import Headers, Json, NotJSON, parse_json
from trunkline.mock.session import MockSession, SteeredMock
from trunkline.transport.access import BASE, address_of

Answer = Response
"""A response of Starlette's; a `Response` of trunkline's own is something else."""


def error(status: int, sentence: str, headers: Headers = ()) -> Answer:
    """A refusal: `{"error": sentence}`."""
    answer = JSONResponse({"error": sentence}, status)
    for name, value in headers:
        answer.headers.append(name, value)
    return answer


def session_of(request: Request) -> MockSession:
    """The session that a request administers."""
    session: MockSession = request.app.state.session
    return session


def root_of(request: Request) -> str:
    """The address of the server's root, or of a session's: vendors and `/_trunkline` are below it."""
    below: str = request.scope.get("root_path", "")
    return address_of(request.url.scheme, request.headers.get("host", ""), request.scope.get("server")) + (
        below.removesuffix(BASE)
    )


def mock_named(session: MockSession, name: str) -> SteeredMock:
    """The mock of a vendor. Another name is answered with 404, which does not repeat it: it may be a secret."""
    try:
        return session.mocks[name]
    except KeyError:
        raise HTTPException(404, f"no such vendor is served here; there are: {', '.join(session.mocks)}") from None


async def read_json(request: Request) -> Json:
    """The body as a JSON value. Raises `UsageError` for any other body, and `HTTPException` (413) for a long one."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise HTTPException(413, f"the body is larger than {LONGEST_BODY} bytes")
    try:
        return parse_json(bytes(body))
    except NotJSON as reason:
        raise UsageError(f"the body is not JSON: {reason}") from None
