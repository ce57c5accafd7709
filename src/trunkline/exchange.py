"""HTTP messages: `Request`, `Response`, `Exchange`, their JSON bodies, and requests as curl commands.

A `Target` is a function that answers one request. The mock is a target, so is a live API over HTTP, an application in
the same process, and whatever decorates one of them.

    >>> Request("GET", "/trunks", "limit=10", (("authorization", "Bearer sk_live_abc"),))
    Request('GET', '/trunks?limit=10', authorization=***)
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
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
"""What a `NotJSON` says of a text that ends too early."""
_DEEPEST = 100
"""The number of levels to which a body may be nested."""
_MOST_READINGS = 8
"""The number of readings that one text may have."""
_MOST_NAMED = 20
"""The number of odd places of a text that are named."""
_MOST_BYTES = 1 << 24
"""The number of bytes that all readings of a body may have."""
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
        return isinstance(other, Request) and _parts(self) == _parts(other)

    @property
    def target(self) -> str:
        """Path and query as in the request line: `/trunks?limit=10`."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __repr__(self) -> str:
        from trunkline.redaction import is_credential_name, redactor_of_request  # noqa: PLC0415 - it needs this module

        hide = redactor_of_request(self)
        hidden = [(k, k in SECRET_HEADERS or is_credential_name(k), v) for k, v in self.headers]
        shown = "".join(f", {hide(k)}={'***' if is_secret else repr(hide(v))}" for k, is_secret, v in hidden)
        body = f", body=<{len(self.body)} bytes>" if self.body else ""
        return f"Request({hide(self.method)!r}, {hide(self.target)!r}{shown}{body})"


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
        return isinstance(other, Response) and _parts(self) == _parts(other)

    def json(self) -> Json:
        """The body as a JSON value, which is shared: do not change it. Raises `NotJSON` with the reason.

        Of a name that stands more than once in an object it is the last value. `read_body` has all.
        """
        text = read_body(self.body)
        if isinstance(text, NotJSON):
            raise text.with_traceback(None)
        return text.readings[0]

    def __repr__(self) -> str:
        return f"Response({self.status}, <{len(self.body)} bytes>)"


def _parts(message: Request | Response) -> list[object]:
    return [getattr(message, field.name) for field in fields(message)]


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


SMALL_BODY = 1 << 20
"""The number of bytes up to which what a body says may be kept and copied without thought."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


def cached_by_body(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function that remembers its results for the latest bodies, its last argument; of large ones only for one."""
    small: Any = lru_cache(maxsize=8)(function)
    large: Any = lru_cache(maxsize=1)(function)

    def cached(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        body: Any = args[-1]
        found: _T = (small if len(body) <= SMALL_BODY else large)(*args, **kwargs)
        return found

    return cached


@dataclass(frozen=True, slots=True)
class JSONText:
    """What one JSON text says, for a reader that takes more than RFC 8259 recommends.

    There is more than one reading if a name stands more than once in an object (section 4): the first has the last
    value of each name, the others those that it hides. `doubled` holds the pointers to such names, and `out_of_range`
    those to numbers that no double holds (section 6); a reading has the largest double instead. Both hold the first
    ones.
    """

    readings: tuple[Json, ...]
    doubled: tuple[str, ...] = ()
    out_of_range: tuple[str, ...] = ()


def parse_json(body: bytes) -> Json:
    """Parse one JSON text in UTF-8 that means the same to every reader. Raises `NotJSON` with the reason.

    It has no byte order mark, no NaN, nothing after it, no name twice in one object, and no number that no double
    holds (RFC 8259, sections 2, 4, 6 and 8.1).
    """
    text = read_json(body)
    if text.doubled:
        name = text.doubled[0].rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        raise NotJSON(f"the name {json.dumps(name)} stands twice in one object (RFC 8259 section 4)")
    if text.out_of_range:
        raise NotJSON("a number is out of range: no double holds it (RFC 8259 section 6)")
    return text.readings[0]


def read_json(body: bytes) -> JSONText:
    """Read one JSON text in UTF-8. Raises `NotJSON` with the reason.

    msgspec is fast, but does not say why it refuses a text, and drops values of a name that stands twice. So `json`
    reads again what msgspec refuses, and each text that has more strings, names included, than msgspec has read.
    """
    try:
        value = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _read_again(body)
    if _count_strings(value) * 2 != _count_quotes(body):
        return _read_again(body)
    return JSONText((value,))


@cached_by_body
def read_body(body: bytes) -> JSONText | NotJSON:
    """What the body of a response says, or why it is not JSON. The values are shared: do not change them."""
    try:
        return read_json(body)
    except NotJSON as error:
        return error


_decode = msgspec.json.Decoder().decode


def _read_again(body: bytes) -> JSONText:
    text, reader = _unicode(body), _Reader()
    try:
        value = json.loads(
            text,
            object_pairs_hook=reader.members,
            parse_constant=_no_constant,
            parse_float=reader.number,
            parse_int=reader.integer,
        )
    except NotJSON:
        raise
    except RecursionError:
        raise NotJSON("the body is nested too deeply to be read") from None
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        cut = f"; {CUT_OFF}" if ends else ""
        raise NotJSON(f"{error.msg} at line {error.lineno}, column {error.colno}{cut}") from None
    if _count_strings(value) < 0:
        raise NotJSON(f"the body is nested more than {_DEEPEST} levels deep")
    if not reader.found_odd:
        return JSONText((value,))
    doubled: list[str] = []
    out_of_range: list[str] = []
    readings = _readings(value, (), doubled, out_of_range)
    if len(readings) > 1 and len(readings) * len(body) > _MOST_BYTES:
        raise NotJSON("names stand more than once in one object, and the body is too long to judge all their values")
    return JSONText(tuple(readings), tuple(doubled), tuple(out_of_range))


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


class _Reader:
    """Makes the values of a JSON text that readers differ in: `_Members` and `_OutOfRange`."""

    found_odd = False

    def members(self, pairs: list[tuple[str, Json]]) -> Json:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        self.found_odd = True
        return _Members(pairs)

    def number(self, text: str) -> float:
        found = float(text)
        if math.isfinite(found):
            return found
        self.found_odd = True
        return _OutOfRange(math.copysign(sys.float_info.max, found))

    def integer(self, text: str) -> int | float:
        try:
            return int(text)
        except ValueError:  # more digits than Python reads
            return self.number(text)


class _Members(list[tuple[str, Json]]):
    """The members of a JSON object, including those of the same name."""


class _OutOfRange(float):
    """The largest double, in the place of a number that no double holds."""


_CONTAINERS = frozenset({dict, list, _Members})


def _readings(node: Json, at: tuple[str | int, ...], doubled: list[str], out_of_range: list[str]) -> Sequence[Json]:
    """The readings of a node, which together have every value in it. The first has the last value of each name."""
    if type(node) is _OutOfRange:
        _name_place(out_of_range, at)
        return (float(node),)
    if type(node) is list:
        nested = [_readings(item, (*at, index), doubled, out_of_range) for index, item in enumerate(node)]
        return [[_nth(inner, n) for inner in nested] for n in range(_count(nested))]
    if type(node) is dict or type(node) is _Members:
        values: dict[str, list[Json]] = {}
        for name, value in node if isinstance(node, _Members) else node.items():
            values.setdefault(name, []).append(value)
        for name, given in values.items():
            if len(given) > 1:
                _name_place(doubled, (*at, name))
        named = {
            name: [
                reading for value in reversed(given) for reading in _readings(value, (*at, name), doubled, out_of_range)
            ]
            for name, given in values.items()
        }
        return [{name: _nth(inner, n) for name, inner in named.items()} for n in range(_count(named.values()))]
    return (node,)


def _name_place(pointers: list[str], at: tuple[str | int, ...]) -> None:
    """Add the pointer to a place, unless there are many; each may be as long as the text."""
    if len(pointers) < _MOST_NAMED:
        pointers.append(pointer(at))


def _count(nested: Iterable[Sequence[Json]]) -> int:
    count = max(map(len, nested), default=1)
    if count > _MOST_READINGS:
        raise NotJSON(f"more than {_MOST_READINGS} values have the same name in one object")
    return count


def _nth(readings: Sequence[Json], index: int) -> Json:
    return readings[min(index, len(readings) - 1)]


def has_lone_surrogate(value: Json) -> bool:
    """Whether a text of the value has a lone surrogate, which UTF-8 cannot encode (RFC 8259, section 8.2)."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _count_strings(value: Json) -> int:
    """The number of names and strings in a value; -1 if it is nested too deeply."""
    strings = 0
    level, types = [value], [type(value)]
    for _ in range(_DEEPEST + 2):
        strings += types.count(str)
        level = [node for node, kind in zip(level, types, strict=True) if kind in _CONTAINERS]
        if not level:
            return strings
        inner: list[Json] = []
        for node in level:
            if type(node) is dict:
                strings += len(node)
                inner += node.values()
            elif type(node) is list:
                inner += node
            else:
                inner += (member for _, member in node)
        level, types = inner, [*map(type, inner)]
    return -1


def _count_quotes(body: bytes) -> int:
    """The number of quotation marks in a JSON text that begin or end a string."""
    if b"\\" not in body:
        return body.count(b'"')
    text = body.replace(b"\\\\", b"")
    return text.count(b'"') - text.count(b'\\"')


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


Place: TypeAlias = "tuple[()] | tuple[Place, str | int]"
"""A place in a JSON value: that of the value around it, and the step from there. Its pointer may be long to write."""


def pointer_to(place: Place) -> str:
    """The JSON Pointer of a place: `(((), "trunks"), 0)` -> `/trunks/0`."""
    steps: list[str | int] = []
    while place:
        place, step = place
        steps.append(step)
    return pointer(reversed(steps))


def all_places(value: Json) -> Iterator[tuple[Place, Json]]:
    """The (place, value) of each value in a JSON value, in order, beginning with the value itself."""
    stack: list[Iterator[tuple[Place, Json]]] = [iter((((), value),))]
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
