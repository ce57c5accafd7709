"""The log of the requests to mocks, and how they were answered.

    >>> [(request.operation, request.status) for request in session.requests.entries()]
    [('listTrunks', 200), ('createTrunk', 409)]

A server adds to it with every request, so adding is cheap: a `RecordedRequest` is made only when somebody reads it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate, count
from operator import itemgetter
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from trunkline.exchange import (
    SECRET_HEADERS,
    Headers,
    Json,
    NotJSON,
    Request,
    find,
    parse_json,
    request_from_key,
)
from trunkline.findings import truncate
from trunkline.mock.mock import NOTICE_HEADER, REFUSAL_HEADER
from trunkline.redaction import REDACTED, Masked, redact_header, redact_json, redact_pairs

if TYPE_CHECKING:
    from trunkline.contract.model import Operation
    from trunkline.mock.mock import Logged, Mock, Shown

MOST_REQUESTS = 1000
"""How many requests a log keeps, unless it is told otherwise."""

_MAX_BODY = 32 << 10
"""The most bytes of a body, and characters of a path, a query or the header fields, that a log keeps."""

_MAX_SHOWN = 2048
"""The most characters of a text that `RecordedRequest.to_json` shows."""

_MOST_TEXTS = 100
"""How many requests a `RequestLog` keeps as JSON text."""

_MAX_LOGGED = 200
"""The most characters of a target, or of a fault, in a line of the log."""

_PART = re.compile(r'; (\w+)=("(?:[^"\\]|\\.)*")')


class RefusalReason(NamedTuple):
    """Why a request was refused, as the refusal's header says it. No part holds a secret."""

    cause: str
    """The name of the cause: `parameter_out_of_range`."""
    sent: str
    broke: str
    contract: str
    """A file and a JSON Pointer: `schemas/acme/openapi.json#/paths/...`."""
    grade: str
    page: str
    """The address of the page, or a note where there is none."""


@dataclass(frozen=True, repr=False, eq=False)
class RecordedRequest:
    """One request and the status of its response. It prints no credential."""

    number: int
    """Its number among the requests of the session: the first is 1."""
    method: str
    path: str
    """The path below the base address, as sent: `/trunks`."""
    query: str
    """The query string, as sent: `limit=10&status=active`."""
    body: bytes
    status: int
    """The status of the response: 200; 0 where a fault closed the connection before the end of the head."""
    time: float
    """The Unix time at which the request arrived."""
    duration: float
    """The seconds that the mock took, without a fault's delay."""
    fault: str
    """The steps of faults that were applied, such as `503 retry-after=1`; empty without a fault."""
    code: str
    """The error code that a fault gave; empty if none did."""
    _request: Request
    _mock: Mock
    _answered: Headers
    """The header fields of the response."""

    @property
    def vendor(self) -> str:
        """The name of the vendor."""
        return self._mock.vendor.name

    @property
    def operation(self) -> str | None:
        """The operationId: `listTrunks`. None if the contract does not have the path or the method."""
        return self._operation.operation_id if self._operation else None

    @cached_property
    def _operation(self) -> Operation | None:
        operations, _ = self._mock.vendor.contract.match(self.path)
        return next((operation for operation in operations if operation.method == self.method), None)

    @property
    def account(self) -> str | None:
        """The account that the credential opens, or None."""
        return self._mock.account_of(self._request)

    @cached_property
    def refusal(self) -> RefusalReason | None:
        """Why the mock refused the request, or None."""
        text = find(self._answered, REFUSAL_HEADER)
        if text is None:
            return None
        parts = {name: msgspec.json.decode(value) for name, value in _PART.findall(text)}
        return RefusalReason(text.partition(";")[0], **parts)

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences on what the mock ignored: `page is not a parameter of listTrunks; did you mean offset?`."""
        return tuple(value for name, value in self._answered if name == NOTICE_HEADER)

    @property
    def headers(self) -> dict[str, str]:
        """The headers: names in lower case, repeated ones joined by commas. Secret values print as `***`."""
        joined: dict[str, str] = {}
        for name, value in self._request.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        redact = self._mock.secrets.redact
        return {
            name: Masked(value) if name in SECRET_HEADERS or redact(value) != value else value
            for name, value in joined.items()
        }

    @property
    def json(self) -> Json:
        """The body as a JSON value, or None if it is empty. Strings that are secrets print as `***`, at any depth.

        Raises `NotJSON`.
        """
        __tracebackhide__ = True  # the frames below hold the body
        try:
            value = parse_json(self.body) if self.body else None
        except NotJSON as caught:
            error = caught.with_traceback(None)
        else:
            return self._mock.secrets.mask(value, by_value=True)
        raise error from None

    @property
    def learned(self) -> int:
        """How many secrets the mock has learned by now: with another one, `to_json` may redact more."""
        return self._mock.learned

    def to_json(self) -> dict[str, Json]:
        """All that is logged, with `***` for each secret; docs/mock.md describes the members.

        Long texts are shortened. A body that is not JSON is not shown, for nobody can tell where a secret is in it.
        """
        shown, is_secret = self._mock.shown_for(self._request), self._mock.secrets.has_name
        path, query = self._target(shown)
        refusal, body, reason = self.refusal, None, ""
        try:
            if self.body:
                body = redact_json(parse_json(self.body), is_secret, lambda text: shown(text, _MAX_SHOWN))
        except NotJSON as error:
            reason = f"not shown, because it is not JSON: {shown(str(error), _MAX_SHOWN)}"
            if len(self.body) == _MAX_BODY:
                reason = f"not shown, because only its first {_MAX_BODY} bytes are kept"
        return {
            "number": self.number,
            "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "timestamp": round(self.time, 6),
            "duration_ms": round(self.duration * 1000, 3),
            "vendor": self.vendor,
            "operation": self.operation,
            "method": shown(self.method, 40),
            "path": path,
            "query": query,
            "status": self.status,
            "account": self.account,
            "refusal": refusal and refusal._asdict(),
            "notices": [*self.notices],
            "fault": shown(self.fault, _MAX_SHOWN) or None,
            "headers": {
                shown(name, _MAX_SHOWN): shown(redact_header(name, value), _MAX_SHOWN)
                for name, value in self.headers.items()
            },
            "body": body,
            "body_bytes": len(self.body),
            "body_note": reason or None,
        }

    def to_line(self) -> str:
        """One line in ASCII without secrets, for a log: `15:03:29.123 GET /v1/trunks listTrunks 200 0.2 ms main`."""
        shown = self._mock.shown_for(self._request)
        path, query = self._target(shown)
        target = f"{self._mock.vendor.contract.base_path}{path}{query and '?'}{query}"
        refused = find(self._answered, REFUSAL_HEADER)
        more = (
            *(f"notice: {notice}" for notice in self.notices),
            *([f"fault: {shown(self.fault, _MAX_LOGGED)}"] if self.fault else []),
            *([f"refused: {refused}"] if refused else []),
        )
        words = (
            datetime.fromtimestamp(self.time).strftime("%H:%M:%S.%f")[:-3],  # noqa: DTZ006 - the time of the terminal
            json.dumps(shown(self.method, 40))[1:-1],
            json.dumps(truncate(target, _MAX_LOGGED))[1:-1],
            self.operation or "-",
            str(self.status),
            f"{self.duration * 1000:.1f} ms",
            self.account or "-",
        )
        return "; ".join((" ".join(words), *more))

    def redact_with(self, other: Request) -> Callable[[Json, Iterable[str]], Json]:
        """The function that redacts a JSON value, given the names above it: secrets of this and of another request."""
        own, others = self._mock.shown_for(self._request), self._mock.shown_for(other)
        is_secret = self._mock.secrets.has_name

        def redact(value: Json, names: Iterable[str]) -> Json:
            if any(map(is_secret, names)):
                return REDACTED
            return redact_json(value, is_secret, lambda text: own(others(text, _MAX_SHOWN), _MAX_SHOWN))

        return redact

    def _target(self, shown: Shown) -> tuple[str, str]:
        """Path and query, ready to be shown."""
        is_secret = self._mock.secrets.has_name
        path, query = redact_pairs(self.path, ";", is_secret), redact_pairs(self.query, "&", is_secret)
        query = redact_pairs(query, ";", is_secret)  # some servers separate by it, too
        return shown(path, _MAX_SHOWN), shown(query, _MAX_SHOWN)

    def __repr__(self) -> str:
        return self._mock.secrets.redact(f"<{self._request!r} -> {self.status}>")


class RequestLog:
    """The latest requests, at most `most` of them. Any thread may add and read."""

    def __init__(self, most: int = MOST_REQUESTS) -> None:
        self.most = most
        """How many are kept."""
        self._next = count(1).__next__
        # A ring: number, times of arrival and of the answer by `perf_counter`, request. To write one item is atomic.
        self._kept: list[tuple[int, float, float, Logged] | None] = [None] * max(most, 1)
        self._watchers: list[Callable[[RecordedRequest], object]] = []
        self._texts: dict[tuple[int, int], str] = {}
        self._lock = Lock()
        self._cleared = 0
        """The number of the latest request that was cleared."""
        self._epoch = time.time() - perf_counter()

    def add(self, begin: float, logged: Logged, whole: Logged | None = None) -> None:
        """Add a request that has been answered just now; `begin` is the time of `perf_counter` at which it arrived.

        Those who watch see the `whole` request, if there is more of it than is logged.
        """
        number, end = self._next(), perf_counter()
        self._kept[number % len(self._kept)] = number, begin, end, logged
        if self._watchers:
            recorded = self._recorded(number, begin, end, whole or logged)
            for watcher in self._watchers:
                watcher(recorded)

    def entries(self) -> list[RecordedRequest]:
        """The requests, oldest first."""
        return self.after(0)

    def after(self, number: int) -> list[RecordedRequest]:
        """The logged requests after that number, oldest first."""
        latest = max(number, self._oldest - 1)
        found = sorted([one for one in self._kept if one and one[0] > latest], key=itemgetter(0))
        return [self._recorded(*one) for one in found]

    @property
    def newest(self) -> int:
        """The number of the latest request, also of one that was cleared; 0 if there was none."""
        return max([self._cleared, *[one[0] for one in self._kept if one]])

    def to_text(self, recorded: RecordedRequest) -> str:
        """`to_json` of one of the requests as JSON text in ASCII. It is worked out once for all who look at it."""
        key = recorded.number, recorded.learned
        with self._lock:
            if key not in self._texts:
                self._texts[key] = json.dumps(recorded.to_json())
                if len(self._texts) > _MOST_TEXTS:
                    del self._texts[next(iter(self._texts))]
            return self._texts[key]

    @property
    def _oldest(self) -> int:
        """The number of the oldest request that is kept."""
        return max(self._cleared, self.newest - self.most) + 1

    @property
    def forgotten(self) -> int:
        """How many requests had to make room for later ones, since the start or since they were cleared."""
        return self._oldest - self._cleared - 1

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def clear(self) -> int:
        """Forget all requests; return how many there were."""
        newest = self.newest
        known, self._cleared = newest - self._oldest + 1, newest
        self._kept = [None] * len(self._kept)
        with self._lock:
            self._texts.clear()
        return known

    def watch(self, watcher: Callable[[RecordedRequest], object]) -> Callable[[], None]:
        """Call `watcher` with each request from now on, in the thread that answers it, until the result is called."""

        def stop() -> None:
            self._watchers = [other for other in self._watchers if other is not watcher]

        self._watchers = [*self._watchers, watcher]
        return stop

    def _recorded(self, number: int, begin: float, end: float, logged: Logged) -> RecordedRequest:
        key = logged.request
        request = key if isinstance(key, Request) else request_from_key(key)
        return RecordedRequest(
            number,
            request.method,
            request.path,
            request.query,
            request.body,
            logged.status,
            self._epoch + begin,
            end - begin,
            logged.fault,
            logged.code,
            request,
            logged.mock,
            logged.headers,
        )


def shortened(request: Request) -> Request:
    """The request without the end of what is too long to be kept."""
    size = sum([len(name) + len(value) for name, value in request.headers])
    if len(request.body) <= _MAX_BODY and size + len(request.path) + len(request.query) <= _MAX_BODY:
        return request
    path, query, body = request.path[:_MAX_BODY], request.query[:_MAX_BODY], request.body[:_MAX_BODY]
    sizes = accumulate(len(name) + len(value) for name, value in request.headers)
    headers = tuple(field for field, size in zip(request.headers, sizes, strict=True) if size <= _MAX_BODY)
    return replace(request, path=path, query=query, headers=headers, body=body)
