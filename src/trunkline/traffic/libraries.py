"""Read a response object of `requests`, of `httpx` or of a test client, or the parts of a response."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from trunkline.contract.model import Contract
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json, Request, Response
from trunkline.exchange import headers as lower_case
from trunkline.traffic import RESPONSE, UNKNOWN


def read_object(response: object, contract: Contract) -> Exchange:
    """The response of another library, with its request if it carries one at the vendor's base address."""
    request = _request(response, contract)
    if request is None:
        return Exchange(UNKNOWN, read_response(response), RESPONSE)
    return Exchange(request, read_response(response))


def read_parts(status: int | None, headers: Mapping[str, str] | None, body: Json) -> Exchange:
    """A response from its parts. `body` is text, bytes or a JSON value; a part that is None is not known."""
    if body is None:
        raise UsageError("there is nothing to validate; give a response, or its body")
    text = body if isinstance(body, bytes | str) else json.dumps(body, ensure_ascii=False)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    parts = {"status": status, "headers": headers, "body": body}
    known = frozenset(name for name, value in parts.items() if value is not None)
    return Exchange(UNKNOWN, Response(status or 0, lower_case((headers or {}).items()), data), known)


def read_response(response: Any) -> Response:
    """A response by its attributes `status_code`, `headers` and `content`; one of our own as it is."""
    if isinstance(response, Response):
        return response
    try:
        fields: Any = response.headers
        pairs: Iterable[tuple[str, str]] = fields.multi_items() if hasattr(fields, "multi_items") else fields.items()
        return Response(int(response.status_code), lower_case(pairs), bytes(response.content))
    except (AttributeError, TypeError, ValueError, RuntimeError):
        name = type(response).__name__
        raise UsageError(
            f"a {name} is not a response: it needs status_code, headers and a content that was read"
        ) from None


def _request(response: Any, contract: Contract) -> Request | None:
    """The request that a response carries, below the vendor's base address, or None."""
    request = getattr(response, "request", None)
    address = urlsplit(str(getattr(request, "url", "")))
    method, fields = getattr(request, "method", None), getattr(request, "headers", None)
    _, base, path = address.path.partition(contract.base_path)
    if not isinstance(method, str) or fields is None or not base:
        return None
    return Request(method, path, address.query, lower_case((str(name), str(value)) for name, value in fields.items()))
