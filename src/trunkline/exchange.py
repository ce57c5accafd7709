"""HTTP messages: `Request`, `Response`, `Exchange`, their JSON bodies, and requests as curl commands.

A `Target` is a function that answers one request. The mock is a target, so is a live API over HTTP, an application in
the same process, and whatever decorates one of them.

    >>> Request("GET", "/trunks", "limit=10", (("authorization", "Bearer sk_live_abc"),))
    Request('GET', '/trunks?limit=10', authorization=***)
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = Any
"""A value that `json.loads` returns: dict, list, str, int, float, bool or None."""

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Header fields in the order in which they were received, with names in lower case."""

RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Header fields as they are sent, with names in lower case."""

TOKEN_VARIABLE = "TRUNKLINE_TOKEN"
"""The environment variable that is printed instead of the credential."""

SECOND_VARIABLE = "TRUNKLINE_SECOND_TOKEN"
"""The environment variable that is printed instead of the credential of another account."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "QUERY")
"""The methods that change nothing (RFC 9110, section 9.2.1; for QUERY its draft)."""

NOT_FOUND = frozenset({404, 410})
"""The statuses which say that an item does not exist: not found, and gone (RFC 9110, section 15.5)."""

_DEEPEST = 100
"""The number of levels to which a body may be nested."""
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})


class NotJSON(ValueError):
    """The bytes are not one JSON text (RFC 8259). The message gives the reason without quoting them."""


def headers(pairs: Iterable[tuple[str, str]]) -> Headers:
    """The pairs with lower-case names: `[("Allow", "GET")]` -> `(("allow", "GET"),)`."""
    return tuple((name.lower(), value) for name, value in pairs)


def find(fields: Headers, name: str) -> str | None:
    """The first value of the field `name` (lower case), or None."""
    for key, value in fields:
        if key == name:
            return value
    return None


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request below a vendor's base address: `Request("GET", "/trunks", "limit=10")`.

    `path` and `query` are percent-encoded, exactly as they are sent. `shown` holds the printed form of secret headers:
    `("authorization", "Bearer ${TRUNKLINE_TOKEN%?}")`. Without it, the credential is printed as a variable.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    shown: Headers = ()

    def __post_init__(self) -> None:
        _lower_names(self)

    def header(self, name: str) -> str | None:
        return find(self.headers, name)

    @property
    def target(self) -> str:
        """Path and query as in the request line: `/trunks?limit=10`."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __repr__(self) -> str:
        fields = "".join(f", {k}={'***' if k in SECRET_HEADERS else repr(v)}" for k, v in self.headers)
        body = f", body=<{len(self.body)} bytes>" if self.body else ""
        return f"Request({self.method!r}, {self.target!r}{fields}{body})"


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """One response. Content and transfer codings of `body` are already decoded."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def __post_init__(self) -> None:
        _lower_names(self)

    def header(self, name: str) -> str | None:
        return find(self.headers, name)

    def json(self) -> Json:
        """The body as a JSON value, which is shared: do not change it. Raises `NotJSON` with the reason."""
        value = _decoded(self.body)
        if isinstance(value, NotJSON):
            raise value.with_traceback(None)
        return value

    def __repr__(self) -> str:
        return f"Response({self.status}, <{len(self.body)} bytes>)"


def _lower_names(message: Request | Response) -> None:
    for name, _ in message.headers:
        if not name.islower():
            object.__setattr__(message, "headers", headers(message.headers))
            return


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response. `known` names the parts that were recorded: a lone body has no request or status."""

    request: Request
    response: Response
    known: frozenset[str] = frozenset({"request", "status", "headers", "body"})


ReadKey: TypeAlias = tuple[bytes, bytes, bytes | None]
"""Path, query and `Authorization` of a GET request without a body, as they were sent."""


def request_from_key(key: ReadKey) -> Request:
    """The GET request of a key, without its other headers."""
    path, query, authorization = key
    headers = () if authorization is None else (("authorization", authorization.decode("latin-1")),)
    return Request("GET", path.decode("latin-1"), query.decode("latin-1"), headers)


Target: TypeAlias = Callable[[Request], Response]
"""A function that answers one request, or raises `TargetError` when the implementation cannot be reached."""


@lru_cache(maxsize=8)
def _decoded(body: bytes) -> Json | NotJSON:
    try:
        return parse_json(body)
    except NotJSON as error:
        return error


def parse_json(body: bytes) -> Json:
    """Parse one JSON text in UTF-8: no byte order mark, no NaN, nothing after it (RFC 8259, sections 2, 6 and 8.1)."""
    if not body:
        raise NotJSON("the body is empty")
    if body.startswith(b"\xef\xbb\xbf"):
        raise NotJSON("the body starts with a byte order mark, which RFC 8259 section 8.1 forbids")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(body) > 1 and 0 in body[:2]):
        raise NotJSON("the body is UTF-16 or UTF-32; RFC 8259 section 8.1 asks for UTF-8")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJSON(f"byte {error.start} is not UTF-8 (RFC 8259 section 8.1)") from None
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except NotJSON:
        raise
    except RecursionError:
        raise NotJSON("the body is nested too deeply to be read") from None
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        cut = "; it looks cut off" if ends else ""
        raise NotJSON(f"{error.msg} at line {error.lineno}, column {error.colno}{cut}") from None
    except ValueError:
        raise NotJSON("it holds a number of more digits than can be read") from None
    if _is_deep(value):
        raise NotJSON(f"the body is nested more than {_DEEPEST} levels deep")
    return value


def has_lone_surrogate(value: Json) -> bool:
    """Whether a text of the value has a lone surrogate, which UTF-8 cannot encode (RFC 8259, section 8.2)."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        inner: list[Json] = []
        for node in level:
            inner += node.values() if type(node) is dict else node if type(node) is list else ()
        level = [node for node in inner if type(node) is dict or type(node) is list]
        if not level:
            return False
    return True


def _no_constant(constant: str) -> NoReturn:
    raise NotJSON(f"{constant} is not a JSON number (RFC 8259 section 6)")


def pointer(parts: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901): `["paths", "/trunks"]` -> `/paths/~1trunks`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def resolve(document: Json, at: str) -> Json:
    """The value at a JSON Pointer (RFC 6901). Raises `LookupError` when there is none."""
    value = document
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            if not (key.isascii() and key.isdigit()):
                raise LookupError(at)
            value = value[int(key)]
        elif isinstance(value, dict):
            value = value[key]
        else:
            raise LookupError(at)
    return value


def all_places(value: Json) -> Iterator[tuple[str, Json]]:
    """The (place, value) of each value in a JSON value, beginning with the value itself."""
    stack = [("", value)]
    while stack:
        at, node = stack.pop()
        yield at, node
        if isinstance(node, dict):
            stack += [(at + pointer((key,)), inner) for key, inner in node.items()]
        elif isinstance(node, list):
            stack += [(f"{at}/{index}", inner) for index, inner in enumerate(node)]


def curl(request: Request, base: str) -> str:
    """The shell command that sends the request again, with the credential as an environment variable.

    >>> print(curl(Request("GET", "/trunks", "limit=0"), "http://127.0.0.1:9000/v1"))
    curl -sSig --path-as-is 'http://127.0.0.1:9000/v1/trunks?limit=0'
    """
    words = ["curl", "-sSig", "--path-as-is"]
    if request.method == "HEAD":
        words.append("-I")
    elif request.method != "GET":
        words += ["-X", shlex.quote(request.method)]
    shown = dict(request.shown)
    for name, value in request.headers:
        if name in SECRET_HEADERS:
            scheme, space, _ = value.partition(" ")
            text = shown.get(name) or f"{scheme + space if space else ''}${TOKEN_VARIABLE}"
            words += ["-H", f'"{name}: {text}"']
        else:
            words += ["-H", shlex.quote(f"{name}: {value}")]
    if request.body:
        words += ["--data-binary", shlex.quote(request.body.decode("utf-8", "backslashreplace"))]
    words.append("'" + (base.rstrip("/") + request.target).replace("'", "%27") + "'")
    return " ".join(words)
