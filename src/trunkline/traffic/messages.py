"""Messages as every reader builds them: a response without its content coding, a request below the base address."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from urllib.parse import urlsplit

from trunkline.contract.model import Contract
from trunkline.contract.requests import bearer_token
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import CUT_OFF, Exchange, Headers, NotJSON, Request, Response, TooComplex
from trunkline.traffic import RESPONSE, WHOLE
from trunkline.transport.content_coding import TooManyBytes, has_too_many_values, unpacked
from trunkline.transport.files import MOST_BYTES

_BLANKS = b" \t\r\n"
_MOST_PLACES = 10
"""The number of places in one path where the base path is looked for."""

_MOST_MEMORY = 570 << 20
"""The bytes of memory that one file may take."""

UNKNOWN_CREDENTIAL: Headers = (("authorization", "Bearer x"),)
"""The header of a request whose credential is not known. `x` is too short to be looked for in a response."""


def without_placeholder(request: Request) -> tuple[Request, bool]:
    """The request with `UNKNOWN_CREDENTIAL` before a missing or replaced one, and whether it has its own.

    A real token is long and has a digit. What replaced one, as `REDACTED`, may be in the response too. It stays among
    the header fields, so that reports redact it: it may be a short token after all.
    """
    token = bearer_token(request.header("authorization")) or ""
    if len(token) >= 16 and any(map(str.isdigit, token)):
        return request, True
    return replace(request, headers=(*UNKNOWN_CREDENTIAL, *request.headers)), False


def check_weight(data: bytes) -> None:
    """Raise `UsageError` for JSON that would take too much memory."""
    if has_too_many_values(data, _MOST_MEMORY):
        raise UsageError(f"its {len(data)} bytes hold too many values to be judged at once; cut out one page")


def decode(response: Response) -> Response:
    """The response without its content coding. Most recorders decode the body but leave the header as it was sent."""
    try:
        response = unpacked(response, MOST_BYTES, "the source")
    except TooManyBytes:
        raise UsageError(f"the body is more than {MOST_BYTES} bytes when it is decoded; record one page") from None
    except TargetError:
        pass  # the body is not coded as its header says: it is judged as it is
    coding = coding_of(response)
    if coding not in {"identity", "gzip", "x-gzip", "deflate"} and not is_text(response.body):
        raise UsageError(f"the body is coded as {ascii(coding)[1:-1]}, which is not read here; use curl --compressed")
    check_weight(response.body)
    return response


def coding_of(response: Response) -> str:
    """The content coding that the header announces."""
    return (response.header("content-encoding") or "identity").strip(" \t").lower()


def require_whole_body(response: Response, recorded: int) -> Response:
    """Return the response. Raises `UsageError` if its body was cut off after it was received.

    `recorded` is the length of the body as it was recorded. If that is the content-length, the API sent no more.
    """
    length = content_length(response.headers)
    if length == recorded:
        return response
    try:
        response.json()
    except TooComplex:
        return response
    except NotJSON as error:
        coded = coding_of(response) != "identity"
        begun = response.body.lstrip(_BLANKS)[:1] in (b"{", b"[")
        cut = begun and (CUT_OFF in str(error) or response.body.rstrip(_BLANKS)[-1:] not in (b"}", b"]"))
        shorter = length is not None and not coded
        if cut or shorter or (coded and not is_text(response.body)):
            raise UsageError(
                f"the body was cut off: it is not JSON{'' if length is None else ', and not of its content-length'}"
                "; record the response again"
            ) from None
    return response


def is_text(body: bytes) -> bool:
    """Whether a body is UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def exchange_of(request: Request, response: Response, *, credential_known: bool, body_known: bool) -> Exchange:
    """An exchange whose request is known as far as it can be judged by it.

    Without its credential, nobody can tell why a request was refused; without its body, what a write wrote.
    """
    unclear = not credential_known and 400 <= response.status < 500
    return Exchange(request, response, RESPONSE if unclear or not body_known else WHOLE)


def content_length(fields: Headers) -> int | None:
    """The content-length, if there is exactly one that is a number."""
    values = {value for name, value in fields if name == "content-length"}
    text = values.pop() if len(values) == 1 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def request_below_base(contract: Contract, method: str, url: str, fields: Headers, body: bytes = b"") -> Request | None:
    """The request as the contract knows it, without the base address; None if it is not below the base address."""
    address = urlsplit(url)
    path = path_below_base(contract, address.path)
    return None if path is None else Request(method, path, address.query, fields, body)


@lru_cache(maxsize=2)
def path_below_base(contract: Contract, path: str) -> str | None:
    """The path below the vendor's base address, also behind a gateway: `/gateway/v1/trunks` -> `/trunks`.

    The base path is matched by whole segments. Where it occurs more than once, the first place counts below which the
    contract has an operation.
    """
    base = contract.base_path.rstrip("/")
    places = islice(re.finditer(f"(?={re.escape(base)}(?:/|$))", path), _MOST_PLACES)
    below = [path[place.start() + len(base) :] for place in places if base or not place.start()]
    return next((rest for rest in below if contract.match(rest)[0]), below[0] if below else None)
