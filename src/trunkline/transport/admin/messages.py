"""The messages of the admin surface: JSON in, JSON out, both bounded and without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from trunkline.contract.refusals import LONGEST_BODY
from trunkline.contract.schema import check_format
from trunkline.errors import UsageError
from trunkline.exchange import Headers, Json, NotJSON, error_response, parse_json
from trunkline.findings import way_out
from trunkline.mock.mock import Mock
from trunkline.mock.session import MockSession
from trunkline.transport.access import RESERVED
from trunkline.transport.addresses import address_of

DOCUMENT = Path(__file__).with_name("openapi.json")
"""The OpenAPI document of the admin surface."""

NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
"""A whole number in a query."""


def error(status: int, sentence: str, headers: Headers = ()) -> HTTPResponse:
    """A refusal: `{"error": sentence}`."""
    answer = HTTPResponse(error_response(status, sentence).body, status, media_type="application/json")
    for name, value in headers:
        answer.headers.append(name, value)
    return answer


def session_of(request: Request) -> MockSession:
    """The session that a request administers."""
    session: MockSession = request.app.state.session
    return session


def root_address(request: Request) -> str:
    """The address of the server's root, or of a session's: vendors and `/_trunkline` are below it."""
    below: str = request.scope.get("root_path", "")
    return address_of(request.url.scheme, request.headers.get("host", ""), request.scope.get("server")) + (
        below.removesuffix(RESERVED)
    )


def documented_path(route: Route) -> str:
    """The path of a route as the document spells it: `/records/{id:path}` -> `/records/{id}`."""
    return re.sub(r":\w+}", "}", route.path)


def redacted(session: MockSession, text: str) -> str:
    """The text without the secrets of a session's mocks."""
    for served in session.mocks.values():
        text = served.mock.secrets.redact(text)
    return text


def mock_named(session: MockSession, name: str) -> Mock:
    """The mock of a vendor. Another name is answered with 404, which does not repeat it: it may be a secret."""
    try:
        return session.mocks[name].mock
    except KeyError:
        raise HTTPException(404, f"no such vendor is served here; there are: {', '.join(session.mocks)}") from None


def read_pairs(request: Request, known: Collection[str]) -> list[tuple[str, str]]:
    """The parameters of the query, each known. No message repeats one: it may be a credential."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    for name, _ in pairs:
        if name not in known:
            meant = way_out(name, known) if known else "; leave the query out"
            raise UsageError(f"the query has an unknown parameter{meant}")
    return pairs


def read_query(request: Request, known: Collection[str]) -> dict[str, str]:
    """The parameters of the query, as by `read_pairs`, each given once."""
    pairs = read_pairs(request, known)
    if len(pairs) > len(query := dict(pairs)):
        raise UsageError("the query has a parameter twice; give each once")
    return query


def whole_number(name: str, text: str, most: int | None = None) -> int:
    """The number of a parameter of the query."""
    bound = "0 or more" if most is None else f"from 0 to {most}"
    if not NUMBER.fullmatch(text) or (most is not None and int(text) > most):
        raise UsageError(f"{name} must be a whole number, {bound}")
    return int(text)


async def read_valid_body(request: Request, schema: str, check: Callable[[Json], object] = bool) -> Json:
    """The body, which must obey a schema of the document (`NewSession`). An empty body is an empty object.

    `check` comes first, to raise an error in better words for what it understands.

    Raises `UsageError`, or `DataError` with the place and the reason; and `HTTPException` (413) for a long body.
    """
    value = await read_json_body(request)
    check(value)
    check_format(DOCUMENT, f"components/schemas/{schema}", value, "the body")
    return value


async def read_json_body(request: Request) -> Json:
    """The body as a JSON value. Raises `UsageError` for any other body, and `HTTPException` (413) for a long one.

    An empty body is an empty object.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise HTTPException(413, f"the body is larger than {LONGEST_BODY} bytes")
    try:
        return parse_json(bytes(body)) if body else {}
    except NotJSON as reason:
        raise UsageError(f"the body is not JSON: {reason}") from None
