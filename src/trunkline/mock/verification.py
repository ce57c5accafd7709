"""Verification: was an operation called with this body, these parameters and these header fields, and how often?

    >>> verify(session.requests.entries(), Expectation("createTrunk", json={"name": "Night Desk"}))
    Verification(matching=(), problem='createTrunk: 0 of 1 requests match; expected at least 1 ...')

No text of it holds a secret.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from trunkline.errors import UsageError
from trunkline.exchange import Json, NotJSON, Request, parse_json, pointer
from trunkline.findings import nearest, to_text, truncate
from trunkline.mock.request_log import RecordedRequest
from trunkline.redaction import REDACTED

_MOST_SHOWN = 20
"""The most differences, or requests, that a text shows."""
_NEAREST = 3
"""How many operations, and how many requests for none, are named if the expected one was never asked."""
_LONGEST_VALUE = 120


class _Mark:
    """Stands for a value where there is none."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_ABSENT, _NOT_JSON = _Mark("absent"), _Mark("not JSON")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Requests that a test expects. Raises `UsageError` if a part has the wrong type.

    `json` fits a body that has at least its members, at any depth; a list must be equal. `query` and `headers` fit
    requests with at least these values; None stands for a name that must not be sent. `times` is the number of
    requests; None is at least one.
    """

    operation: str
    json: Json = field(default=None, repr=False)
    query: Mapping[str, Json] | None = field(default=None, repr=False)
    headers: Mapping[str, Json] | None = field(default=None, repr=False)
    times: int | None = None

    def __post_init__(self) -> None:
        parts: dict[str, Json] = {"query": self.query, "headers": self.headers}
        for name, given in parts.items():
            if given is not None and not (isinstance(given, Mapping) and all(isinstance(key, str) for key in given)):
                raise UsageError(f"{name} must be an object with a value for each name")
        times: Json = self.times
        is_number = isinstance(times, int | float) and not isinstance(times, bool)
        if times is not None and not (is_number and times >= 0 and times % 1 == 0):
            raise UsageError("times must be a whole number, 0 or more; leave it out for at least once")


class Verification(NamedTuple):
    """The requests that match; and the problem, empty if their number is as expected."""

    matching: tuple[RecordedRequest, ...]
    problem: str


class Difference(NamedTuple):
    """A place in a request, `("body", "name")`, with the expected value and the one that was sent."""

    place: tuple[str, ...]
    expected: Json
    sent: Json


def verify(requests: Sequence[RecordedRequest], expected: Expectation) -> Verification:
    """Compare the requests for the expected operation with an expectation."""
    operation, times = expected.operation, expected.times
    asked = [(request, [*_differences(request, expected)]) for request in requests if request.operation == operation]
    matching = tuple(request for request, found in asked if not found)
    if len(matching) == times or (times is None and matching):
        return Verification(matching, "")
    if not asked:
        return Verification((), f"{operation} was never asked; {_summary(operation, requests)}")
    others = [(request, found) for request, found in asked if found]
    wanted = "at least 1" if times is None else times
    lines = [f"{operation}: {len(matching)} of {len(asked)} requests match; expected {wanted}"]
    if times is not None and len(matching) > times:
        lines += [f"  {_line(request)}" for request in matching[:_MOST_SHOWN]]
        lines += [f"  and {len(matching) - _MOST_SHOWN} more"] if len(matching) > _MOST_SHOWN else []
    elif others:
        closest, found = min(reversed(others), key=lambda pair: sum(_size(one.expected) for one in pair[1]))
        shown = _shown(closest, expected)
        lines.append(f"The nearest{' of the others' if matching else ''} is {_line(closest)}:")
        lines += [f"  {shown(difference)}" for difference in found[:_MOST_SHOWN]]
        lines += [f"  and {len(found) - _MOST_SHOWN} more differences"] if len(found) > _MOST_SHOWN else []
    return Verification(matching, "\n".join(lines))


def _line(request: RecordedRequest) -> str:
    """The beginning of a request and its status: `request 3, GET /trunks?limit=2 -> 200`."""
    shown = request.to_json()
    target = truncate(to_text(f"{shown['path']}{shown['query'] and '?'}{shown['query']}")[1:-1], _LONGEST_VALUE)
    return f"request {request.number}, {shown['method']} {target} -> {request.status}"


def _summary(operation: str, requests: Sequence[RecordedRequest]) -> str:
    """The requests that there are: `logged are listTrunks (2), request 3, GET /trunk -> 404`.

    Those for the operations with the nearest names are counted, the latest for no operation are shown, and what else
    there is has its number.
    """
    known = Counter(request.operation for request in requests if request.operation)
    unknown = [request for request in requests if request.operation is None]
    names = nearest(operation, known)[:_NEAREST]
    found = [*(f"{name} ({known[name]})" for name in names), *map(_line, unknown[-_NEAREST:])]
    more = len(requests) - sum(known[name] for name in names) - len(unknown[-_NEAREST:])
    found += [f"and {more} more"] if more else []
    return f"logged are {', '.join(found)}" if found else "no request is logged; check your client's base address"


# --- differences ----------------------------------------------------------------------------------------------------


def _differences(request: RecordedRequest, expected: Expectation) -> Iterator[Difference]:
    if expected.json is not None:
        try:
            body = parse_json(request.body) if request.body else _ABSENT
        except NotJSON:
            body = _NOT_JSON
        yield from _compare(expected.json, body, ("body",))
    sent = parse_qsl(request.query, keep_blank_values=True)
    for name, value in (expected.query or {}).items():
        yield from _compare_texts(value, [text for key, text in sent if key == name], ("query", name))
    fields = request.headers
    for name, value in (expected.headers or {}).items():
        texts = [str(fields[name.lower()])] if name.lower() in fields else []
        yield from _compare_texts(value, texts, ("header", name.lower()))


def _compare(expected: Json, sent: Json, place: tuple[str, ...], *, whole: bool = False) -> Iterator[Difference]:
    """The differences of a value; of an object only those in the expected members, unless it is in a list (`whole`)."""
    if isinstance(expected, Mapping) and isinstance(sent, dict):
        for name in (*expected, *(name for name in sent if whole and name not in expected)):
            yield from _compare(expected.get(name, _ABSENT), sent.get(name, _ABSENT), (*place, str(name)), whole=whole)
    elif isinstance(expected, list | tuple) and isinstance(sent, list):
        for index, (wanted, got) in enumerate(zip_longest(expected, sent, fillvalue=_ABSENT)):
            yield from _compare(wanted, got, (*place, str(index)), whole=True)
    elif not _equal(expected, sent):
        yield Difference(place, expected, sent)


def _equal(expected: Json, sent: Json) -> bool:
    """Whether two values are equal as JSON, where true is not 1. In Python, `unittest.mock.ANY` is equal to all."""
    if sent is _ABSENT or sent is _NOT_JSON:
        return expected is sent
    return isinstance(expected, bool) == isinstance(sent, bool) and bool(expected == sent)


def _size(value: Json) -> int:
    """How many values there are in a value."""
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(map(_size, items)) or 1


def _compare_texts(expected: Json, sent: list[str], place: tuple[str, ...]) -> Iterator[Difference]:
    """The difference in the values of a parameter or a header field, which are texts."""
    given = expected if isinstance(expected, list | tuple) else [] if expected is None else [expected]
    wanted = [to_text(value) if isinstance(value, bool | int | float) else value for value in given]
    if len(wanted) != len(sent) or not all(map(_equal, wanted, sent)):
        yield Difference(place, _one(wanted), _one(sent))


def _one(values: Sequence[Json]) -> Json:
    """The only value, or all of them as a list."""
    return _ABSENT if not values else values[0] if len(values) == 1 else [*values]


def _shown(request: RecordedRequest, expected: Expectation) -> Callable[[Difference], str]:
    """The function that describes a difference, without the secrets of the request and of the expectation."""
    headers = tuple((name, str(value)) for name, value in (expected.headers or {}).items())
    query = urlencode([(name, str(value)) for name, value in (expected.query or {}).items()], errors="replace")
    redact = request.redact_with(Request("GET", "/", query, headers, json.dumps(expected.json, default=str).encode()))

    def text(place: tuple[str, ...], value: Json) -> str:
        if value is _ABSENT or value is _NOT_JSON:
            return repr(value)
        redacted = redact(json.loads(json.dumps(value, default=repr)), place)
        return REDACTED if redacted == REDACTED else truncate(to_text(redacted), _LONGEST_VALUE)

    def describe(difference: Difference) -> str:
        place, expected, sent = difference
        at = f"{place[0]}{truncate(redact(pointer(place[1:]), ()), _LONGEST_VALUE)}"
        shown = f"{at}: expected {text(place, expected)}, was {text(place, sent)}"
        if text(place, expected) == text(place, sent):
            shown += " (they differ)"
        elif (
            place[0] == "header" and sent is _ABSENT and not request.body and not {*request.headers} - {"authorization"}
        ):
            shown += " (of a GET request without a body, a server keeps only Authorization)"
        return shown

    return describe
