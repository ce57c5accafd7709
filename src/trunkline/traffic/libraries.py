"""Read a response object of another library, with its request if it has one, or the parts of a response.

The objects have no type in common, so they are read by their attributes: those of requests, httpx, urllib3, aiohttp and
urllib, and of the test clients of Flask, werkzeug, Django and Starlette.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from inspect import iscoroutinefunction
from io import BytesIO
from types import SimpleNamespace
from typing import Any, TypeVar

from trunkline.contract.http import forbids_content
from trunkline.contract.model import Contract
from trunkline.errors import UsageError
from trunkline.exchange import SAFE_METHODS, Exchange, Headers, Json, Response
from trunkline.exchange import headers as lower_case
from trunkline.traffic import RESPONSE, UNKNOWN
from trunkline.traffic.messages import UNKNOWN_CREDENTIAL, content_length, decode, exchange_of, request_below_base

_T = TypeVar("_T")

_STATUS = ("status_code", "status", "code")
_BODY = ("content", "data", "body", "_body")
_REQUEST = ("wsgi_request", "asgi_request", "request", "request_info")


def read_object(response: object, contract: Contract) -> Exchange:
    """The response of another library, with its request if it carries one at the vendor's base address."""
    return _exchange(read_response(response), response, contract)


def read_unconsumed(response: Any, contract: Contract, request: object = None) -> Exchange:
    """The same without reading from the response: its body is known if it was read. `request` is its request."""
    carrier = SimpleNamespace(request=request) if request else response
    body = _kept(response)
    try:
        received = Response(_first(response, _STATUS, int) or 0, _fields(response.headers), body or b"")
    except (AttributeError, TypeError, ValueError):
        raise UsageError(f"a {type(response).__name__} is not a response") from None
    exchange = _exchange(decode(received) if body else received, carrier, contract)
    return exchange if body is not None else replace(exchange, known=exchange.known - {"body"})


def address_of_response(response: object, request: object = None) -> str:
    """The address that a response comes from, or empty."""
    return _request(SimpleNamespace(request=request) if request else response)[1]


def _kept(response: object) -> bytes | None:
    """The body that a response keeps since it was read, or None."""
    for name in ("_content", "_body"):  # as requests, httpx, aiohttp and urllib3 call it; their public names would read
        body = _attribute(response, name)
        body = body.getvalue() if isinstance(body, BytesIO) else body  # as vcrpy keeps that of urllib3
        if isinstance(body, bytes):
            return body
    return None


def _exchange(received: Response, carrier: object, contract: Contract) -> Exchange:
    method, url, fields, body = _request(carrier)
    sent = UNKNOWN_CREDENTIAL if fields is None else fields
    request = request_below_base(contract, method, url, sent, body or b"") if method else None
    if request is None:
        return Exchange(UNKNOWN, received, RESPONSE)
    return exchange_of(
        request,
        received,
        credential_known=fields is not None,
        body_known=body is not None or method in SAFE_METHODS,
    )


def read_parts(status: Any, headers: Any, body: Json) -> Exchange:
    """A response from its parts, in the types of `Vendor.validate`; a part that is None is not known.

    Raises `UsageError` for a part of another type.
    """
    if body is None:
        raise UsageError("there is nothing to validate; give a response, or its body")
    if status is not None and (not isinstance(status, int) or isinstance(status, bool)):
        raise UsageError(f"status= is a number such as 200, not a {type(status).__name__}")
    try:
        fields = _fields(headers or ())
    except (AttributeError, TypeError, ValueError):
        raise UsageError("headers= is a mapping, or a list of pairs (name, value)") from None
    try:
        text = body if isinstance(body, bytes | str) else json.dumps(body, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise UsageError(f"body= is text, bytes or a JSON value, and this {type(body).__name__} is none") from None
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    parts = {"status": status, "headers": headers, "body": body}
    known = frozenset(name for name, value in parts.items() if value is not None)
    return Exchange(UNKNOWN, Response(status or 0, fields, data), known)


def read_response(response: Any) -> Response:
    """The response itself if it is one of ours; else its status, its headers and its body, which may have to be read.

    Raises `UsageError` for an object that is no response, and for one whose body cannot be read, or was.
    """
    if isinstance(response, Response):
        return response
    name = type(response).__name__
    status = _first(response, _STATUS, int)
    try:
        fields = _fields(response.headers)
    except (AttributeError, TypeError, ValueError):
        status = None
    body = _first(response, _BODY, bytes)
    if status is None or (body is None and not hasattr(response, "read")):
        raise UsageError(f"a {name} is not a response: it needs a status, headers and a content that was read")
    if body is None:
        body = _read(response, name)
        has_content = (content_length(fields) or 0) > 0 and not forbids_content(_request(response)[0], status)
        if not body and has_content:
            raise UsageError(f"the body of the {name} was read before; give status=, headers= and body= instead")
    return decode(Response(status, fields, body))


def _read(response: Any, name: str) -> bytes:
    read = _attribute(response, "read")
    if callable(read) and not iscoroutinefunction(read):
        with suppress(Exception):  # whatever a foreign object raises, its body is not to be had
            if isinstance(body := read(), bytes):
                return body
    advice = "read it first (aiohttp: await response.read(); httpx: await response.aread())"
    raise UsageError(f"the {name} has no content that was read; {advice}")


def _request(response: Any) -> tuple[str, str, Headers | None, bytes | None]:
    """Method, address, headers and body of the request that a response carries; headers or a body not known are None.

    Responses of urllib and urllib3 carry no request, but know its method and address.
    """
    requests = (_attribute(response, name) for name in _REQUEST)
    request = next((found for found in requests if isinstance(_attribute(found, "method"), str)), None)
    if request is None:
        inner = _attribute(response, "_original_response") or response
        return _first(inner, ("_method",), str) or "", str(_attribute(response, "url") or ""), None, None
    url = _attribute(request, "url") or _attribute(request, "get_full_path", lambda: "")()
    fields: Headers | None = None
    with suppress(AttributeError, TypeError, ValueError):
        fields = _fields(request.headers)
    has_body = fields is None or {"content-length", "transfer-encoding"} & dict(fields).keys()
    return request.method, str(url), fields, _sent(request) if has_body else b""


def _sent(request: Any) -> bytes | None:
    """The body of a request, or None if it is not known."""
    unknown = object()
    for name in ("body", "content"):
        body = _attribute(request, name, unknown)
        if body is None or isinstance(body, bytes | str):
            return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body or b""
    return None


def _fields(given: Any) -> Headers:
    """The fields of a mapping, or of pairs."""
    read = getattr(given, "multi_items", None) or getattr(given, "items", None)
    pairs: Iterable[tuple[object, object]] = read() if read else given
    return lower_case((_text(name), _text(value)) for name, value in pairs)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _first(owner: Any, names: Iterable[str], type_: type[_T]) -> _T | None:
    """The first of the attributes that is of the type; a number is never a bool."""
    values = (_attribute(owner, name) for name in names)
    return next((value for value in values if isinstance(value, type_) and not isinstance(value, bool)), None)


def _attribute(owner: Any, name: str, default: Any = None) -> Any:
    """The attribute, or the default if there is none, or if reading it fails, as it may in a foreign object."""
    try:
        return getattr(owner, name, default)
    except Exception:  # noqa: BLE001 - httpx and Django raise several
        return default
