"""HTTP messages, JSON texts, and places in JSON values: `Request`, `Response`, `Exchange`, `read_json`, `pointer`.

A `Target` is a function that answers one request. The mock is a target, so is a live API over HTTP, an application in
the same process, and whatever decorates one of them.

    >>> Request("GET", "/trunks", "limit=10", (("authorization", "Bearer sk_live_abc"),))
    Request('GET', '/trunks?limit=10', authorization=***)
"""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache, reduce
from itertools import islice
from operator import attrgetter, getitem
from typing import Any, NoReturn, ParamSpec, TypeAlias, TypeVar

import msgspec

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

CUT_OFF = "it looks cut off"
"""The end of the message of a `NotJSON` for a text that ends too early."""
DEEPEST = 100
"""The number of levels to which a JSON text may be nested."""
_LIMIT = "the limit of trunkline"
_MOST_NAMED = 20
"""The number of odd places of a text that are named."""
_MOST_VARIANTS = 8
"""The number of variants that one text may have."""
_MOST_BYTES = 1 << 24
"""The number of bytes that all variants of a text may have."""
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})


class NotJSON(ValueError):
    """The bytes are not one JSON text (RFC 8259). The message gives the reason without quoting them."""


class TooComplex(NotJSON):
    """The bytes are beyond a limit of trunkline, and may be one JSON text all the same. The message names the limit."""


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
class Request:  # noqa: PLW1641 - the decorator adds `__hash__`
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

    def __eq__(self, other: object) -> bool:
        """Whether all parts are equal. pytest shows differing parts, secrets too, unless a class compares by itself."""
        return isinstance(other, Request) and _parts_of_request(self) == _parts_of_request(other)

    @property
    def target(self) -> str:
        """Path and query as in the request line: `/trunks?limit=10`."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __repr__(self) -> str:
        from trunkline.redaction import is_credential_name, redactor_of_request  # noqa: PLC0415 - it needs this module

        redact = redactor_of_request(self)
        fields = [(k, k in SECRET_HEADERS or is_credential_name(k), v) for k, v in self.headers]
        shown = "".join(f", {redact(k)}={'***' if is_secret else repr(redact(v))}" for k, is_secret, v in fields)
        body = f", body=<{len(self.body)} bytes>" if self.body else ""
        return f"Request({redact(self.method)!r}, {redact(self.target)!r}{shown}{body})"


@dataclass(frozen=True, slots=True, repr=False)
class Response:  # noqa: PLW1641 - the decorator adds `__hash__`
    """One response. Content and transfer codings of `body` are already decoded."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def __post_init__(self) -> None:
        _lower_names(self)

    def header(self, name: str) -> str | None:
        return find(self.headers, name)

    def __eq__(self, other: object) -> bool:
        """Whether all parts are equal; see `Request.__eq__`."""
        return isinstance(other, Response) and _parts_of_response(self) == _parts_of_response(other)

    def json(self) -> Json:
        """The body as a JSON value, which is shared: do not change it. Raises `NotJSON` with the reason.

        For a duplicate name it has the last value; `read_body` has all.
        """
        text = read_body(self.body)
        if isinstance(text, NotJSON):
            raise text.with_traceback(None)
        return text.value

    def with_raw(self, headers: RawHeaders) -> Response:
        """The response with further header fields, which are given as bytes."""
        more = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        return replace(self, headers=(*self.headers, *more))

    def __repr__(self) -> str:
        return f"Response({self.status}, <{len(self.body)} bytes>)"


def error_response(status: int, sentence: str) -> Response:
    """A refusal in trunkline's own words: `{"error":"nothing is served here"}`."""
    body = json.dumps({"error": encodable(sentence)}, separators=(",", ":")).encode()
    return Response(status, (("content-type", "application/json"),), body)


_parts_of_request = attrgetter(*(field.name for field in fields(Request)))
_parts_of_response = attrgetter(*(field.name for field in fields(Response)))


def _lower_names(message: Request | Response) -> None:
    for name, _ in message.headers:
        if not name.islower():
            object.__setattr__(message, "headers", headers(message.headers))
            return


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response. `known` names the parts that were recorded: a lone body has no request or status.

    `server` is among them if the response came over a network, with every field that its server added. `base` is the
    address below which a recorded request was sent; it is empty where that is not known, or is the address of the run.
    """

    request: Request
    response: Response
    known: frozenset[str] = frozenset({"request", "status", "headers", "body"})
    base: str = ""


ReadKey: TypeAlias = tuple[bytes, bytes, bytes | None]
"""Path, query and `Authorization` of a GET request without a body, as they were sent."""


def request_from_key(key: ReadKey) -> Request:
    """The GET request of a key, without its other headers."""
    path, query, authorization = key
    headers = () if authorization is None else (("authorization", authorization.decode("latin-1")),)
    return Request("GET", path.decode("latin-1"), query.decode("latin-1"), headers)


Target: TypeAlias = Callable[[Request], Response]
"""A function that answers one request, or raises `TargetError` when the implementation cannot be reached."""


def shown_headers(request: Request) -> Headers:
    """The headers as they are printed: a credential as an environment variable."""
    shown = dict(request.shown)

    def printed(name: str, value: str) -> str:
        scheme, space, _ = value.partition(" ")
        return shown[name] if name in shown else f"{scheme + space if space else ''}${TOKEN_VARIABLE}"

    return tuple((name, printed(name, value) if name in SECRET_HEADERS else value) for name, value in request.headers)


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
    for name, text in shown_headers(request):
        header = f"{name}: {text}"
        words += ["-H", f'"{header}"' if name in SECRET_HEADERS else shlex.quote(header)]
    if request.body:
        words += ["--data-binary", shlex.quote(request.body.decode("utf-8", "backslashreplace"))]
    words.append("'" + (base.rstrip("/") + request.target).replace("'", "%27") + "'")
    return " ".join(words)


# --- JSON ------------------------------------------------------------------------------------------------------------


SMALL_BODY = 1 << 20
"""Bodies of up to this number of bytes are cached."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


_latest: list[tuple[bytes, dict[tuple[object, ...], Any]]] = [(b"", {})]
"""The latest large body, and the results for it."""


def cached_by_body(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function that remembers its results for the latest bodies, its last argument.

    Of large bodies only one is remembered, by all such functions together: its values may be ten times as large.
    """
    small: Any = lru_cache(maxsize=8)(function)

    def cached(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        body: Any = args[-1]
        found: _T
        if len(body) <= SMALL_BODY:
            found = small(*args, **kwargs)
        else:
            if _latest[0][0] != body:
                _latest[0] = body, {}
            results, key = _latest[0][1], (function, args[:-1], *kwargs.items())
            if key not in results:
                results[key] = function(*args, **kwargs)
            found = results[key]
        return found

    return cached


@dataclass(frozen=True, slots=True)
class JSONText:
    """The values of a JSON text, also those in which readers may differ (RFC 8259).

    `value` has the last value of each name in an object (section 4), and the largest double in the place of a number
    beyond it (section 6). Each other value of a duplicate name is in its place in one of the `variants`. `duplicates`
    and `out_of_range` are the first pointers to such names and numbers.
    """

    value: Json
    variants: tuple[Json, ...] = ()
    duplicates: tuple[str, ...] = ()
    out_of_range: tuple[str, ...] = ()


def parse_json(body: bytes) -> Json:
    """Parse one JSON text in UTF-8 that means the same to every reader. Raises `NotJSON` with the reason.

    It has no byte order mark, no NaN, nothing after it, no duplicate name, and no number out of the range of a double
    (RFC 8259, sections 2, 4, 6 and 8.1).
    """
    text = read_json(body)
    if text.duplicates:
        name = text.duplicates[0].rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        raise NotJSON(f"the name {json.dumps(name)} occurs twice in one object (RFC 8259 section 4)")
    if text.out_of_range:
        raise NotJSON("a number is out of range: no double holds it (RFC 8259 section 6)")
    return text.value


def read_json(body: bytes) -> JSONText:
    """Read one JSON text in UTF-8. Raises `NotJSON` with the reason.

    msgspec is fast, but does not say why it refuses a text, and drops values of a duplicate name. So `json` reads again
    what msgspec refuses, and each text that has more strings, names included, than msgspec has read, or is too deep.
    """
    try:
        value = _decode(body)
        read = _encode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _read_again(body)
    if (read != body and _count_quotes(read) != _count_quotes(body)) or _is_too_deep(read):
        return _read_again(body)
    return JSONText(value)


def beyond_limits(body: bytes) -> str:
    """Why a body is more than trunkline reads, or empty. It may be right all the same."""
    text = read_body(body) if body else None
    return str(text) if isinstance(text, TooComplex) else ""


@cached_by_body
def read_body(body: bytes) -> JSONText | NotJSON:
    """Parse the body of a response, or return the reason why it is not JSON. Do not change the shared values."""
    try:
        return read_json(body)
    except NotJSON as error:
        return error


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def _read_again(body: bytes) -> JSONText:
    text, reader = _unicode(body), _JSONReader()
    try:
        value = json.loads(
            text,
            object_pairs_hook=reader.members,
            parse_constant=_no_constant,
            parse_float=reader.number,
            parse_int=reader.integer,
        )
        found = _with_variants(value, reader)
    except NotJSON:
        raise
    except RecursionError:
        brackets = _brackets(body)
        if brackets.count(b"[") > brackets.count(b"]"):
            raise NotJSON(f"{CUT_OFF} (it is nested too deeply to be read)") from None
        raise TooComplex(f"the body is nested too deeply to be read: {_LIMIT} is {DEEPEST} levels") from None
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise NotJSON(f"{CUT_OFF} ({reason})" if ends else reason) from None
    if _is_too_deep(body):
        raise TooComplex(f"the body is nested more than {DEEPEST} levels deep, {_LIMIT}")
    if found.variants and (1 + len(found.variants)) * len(body) > _MOST_BYTES:
        raise TooComplex(f"all values of its duplicate names are more than {_MOST_BYTES} bytes, {_LIMIT}")
    return found


def _unicode(body: bytes) -> str:
    if not body:
        raise NotJSON("the body is empty")
    if body.startswith(b"\xef\xbb\xbf"):
        raise NotJSON("the body starts with a byte order mark, which RFC 8259 section 8.1 forbids")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(body) > 1 and 0 in body[:2]):
        raise NotJSON("the body is UTF-16 or UTF-32; RFC 8259 section 8.1 asks for UTF-8")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJSON(f"byte {error.start} is not UTF-8 (RFC 8259 section 8.1)") from None


class _JSONReader:
    """Makes the values of a JSON text, and keeps by their `id` those in which readers differ."""

    def __init__(self) -> None:
        self.earlier: dict[int, dict[tuple[str, int], Json]] = {}
        """For an object with duplicate names, the values but the last of each, by name and number."""
        self.out_of_range: dict[int, float] = {}

    def members(self, pairs: list[tuple[str, Json]]) -> Json:
        found = dict(pairs)
        if len(found) < len(pairs):
            values: dict[str, list[Json]] = {}
            for name, value in pairs:
                values.setdefault(name, []).append(value)
            self.earlier[id(found)] = {
                (name, number): value for name, given in values.items() for number, value in enumerate(given[:-1])
            }
        return found

    def number(self, text: str) -> float:
        found = float(text)
        if not math.isfinite(found):
            found = math.copysign(sys.float_info.max, found)
            self.out_of_range[id(found)] = found
        return found

    def integer(self, text: str) -> int | float:
        try:
            return int(text)
        except ValueError:  # more digits than Python reads
            return self.number(text)


def _with_variants(value: Json, reader: _JSONReader) -> JSONText:
    """The text with this value, and what differs for other readers.

    A variant has earlier values of as many objects as possible: those which are at the same depth.
    """
    if not reader.earlier and not reader.out_of_range:
        return JSONText(value)
    variants: dict[tuple[int, ...], Json] = {(): value}
    values: list[tuple[Place, Json, tuple[int, ...]]] = [((), value, ())]
    out_of_range: list[Place] = []
    for around, part, within in values:  # which grows
        for place, node in all_places(part, around):
            if id(node) in reader.out_of_range:
                out_of_range.append(place)
            for (name, number), other in reader.earlier.get(id(node), {}).items():
                steps = _steps(place)
                key = (*within, len(steps), number)
                if key not in variants:
                    if len(variants) > _MOST_VARIANTS:
                        raise TooComplex(f"duplicate names give it more than {_MOST_VARIANTS} variants, {_LIMIT}")
                    variants[key] = json.loads(json.dumps(variants[within]))
                reduce(getitem, steps, variants[key])[name] = other
                values.append(((place, name), other, key))
    duplicates = (place for place, *_ in values[1:])
    return JSONText(value, tuple(variants.values())[1:], _pointers(duplicates), _pointers(out_of_range))


def _pointers(places: Iterable[Place]) -> tuple[str, ...]:
    """The pointers to the first places; each may be as long as the text."""
    return tuple(dict.fromkeys(map(pointer_to, islice(places, _MOST_NAMED))))


def has_lone_surrogate(value: Json) -> bool:
    """Whether a text of the value has a lone surrogate, which UTF-8 cannot encode (RFC 8259, section 8.2)."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def encodable(text: str) -> str:
    r"""The text with an escape such as `\ud800` for each lone surrogate, which UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace").decode()


def _count_quotes(body: bytes) -> int:
    """The number of quotation marks in a JSON text that begin or end a string."""
    return _unescaped(body).count(b'"')


def _is_too_deep(body: bytes) -> bool:
    """Whether a JSON text is nested too deeply. Each round takes away the innermost arrays and objects."""
    brackets, rounds = _brackets(body), 0
    while brackets and rounds <= DEEPEST:
        brackets = brackets.replace(b"[]", b"")
        rounds += 1
    return bool(brackets)


def _brackets(body: bytes) -> bytes:
    """The brackets of a JSON text that are in no string, those of objects as those of arrays: `[[][]]`."""
    brackets = _unescaped(body).translate(_BRACKETS, _ALL_BUT_MARKS).replace(b'""', b"")
    return _STRING.sub(b"", brackets) if b'"' in brackets else brackets  # there are some in strings


_BRACKETS = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_MARKS = bytes({*range(256)} - {*b'{}[]"'})
_STRING = re.compile(rb'"[^"]*"')


def _unescaped(body: bytes) -> bytes:
    """A JSON text without escaped backslashes and quotation marks: each quotation mark left begins or ends a string."""
    return body.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in body else body


def _no_constant(constant: str) -> NoReturn:
    raise NotJSON(f"{constant} is not a JSON number (RFC 8259 section 6)")


# --- places in JSON values -------------------------------------------------------------------------------------------


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


Place: TypeAlias = "tuple[()] | tuple[Place, str | int]"
"""A place in a JSON value: that of the value around it, and the step from there. Its pointer may be long to write."""


def pointer_to(place: Place) -> str:
    """The JSON Pointer of a place: `(((), "trunks"), 0)` -> `/trunks/0`."""
    return pointer(_steps(place))


def _steps(place: Place) -> list[str | int]:
    steps: list[str | int] = []
    while place:
        place, step = place
        steps.append(step)
    return steps[::-1]


def all_places(value: Json, at: Place = ()) -> Iterator[tuple[Place, Json]]:
    """The (place, value) of each value in a JSON value, in order, beginning with the value itself, which is `at`."""
    stack: list[Iterator[tuple[Place, Json]]] = [iter(((at, value),))]
    while stack:
        for place, node in stack[-1]:
            yield place, node
            if isinstance(node, dict | list):
                stack.append(_inner_places(place, node))
                break
        else:
            stack.pop()


def _inner_places(place: Place, node: dict[str, Json] | list[Json]) -> Iterator[tuple[Place, Json]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node)
    return (((place, step), inner) for step, inner in steps)
