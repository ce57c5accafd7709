"""The record of the requests to mocks: what was asked, and how it was answered.

    >>> [(request.operation, request.status) for request in session.requests.entries()]
    [('listTrunks', 200), ('createTrunk', 409)]

A server adds to it with every request, so adding is cheap: an entry is worked out only when somebody reads it.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from trunkline.exchange import (
    SECRET_HEADERS,
    Headers,
    Json,
    NotJSON,
    ReadKey,
    Request,
    find,
    parse_json,
    request_from_key,
)
from trunkline.mock.mock import NOTICE_HEADER, REFUSAL_HEADER
from trunkline.redaction import Masked

if TYPE_CHECKING:
    from trunkline.contract.model import Operation
    from trunkline.mock.mock import Mock

RECORDED = 1000
"""How many requests a server keeps on record, unless it is told otherwise."""

_MAX_BODY = 32 << 10
"""The most bytes of a body, and characters of a path or a query, that a server keeps on record."""

_PART = re.compile(r'; (\w+)=("(?:[^"\\]|\\.)*")')


class Explanation(NamedTuple):
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


Asked = TypeVar("Asked", bound=ReadKey | Request)

Entry: TypeAlias = "tuple[float, float, Mock, Asked, int, Headers, str]"
"""One request as it is kept: begin and end on the clock of `perf_counter`, mock, request, status, fields, and fault.

A GET request without a body is only its key.
"""


@dataclass(frozen=True, repr=False, eq=False)
class RecordedRequest:
    """One request and the status of its response. It prints no credential."""

    method: str
    path: str
    """The path below the base address, as sent: `/trunks`."""
    query: str
    """The query string, as sent: `limit=10&status=active`."""
    body: bytes
    status: int
    """The status of the response: 200."""
    time: float
    """The Unix time at which the request arrived."""
    duration: float
    """The seconds that the mock took, without a fault's delay."""
    fault: str
    """The fault that changed the answer, in the words of `--fault`; empty without one."""
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
    def refusal(self) -> Explanation | None:
        """Why the mock refused the request, or None."""
        text = find(self._answered, REFUSAL_HEADER)
        if text is None:
            return None
        parts = {name: msgspec.json.decode(value) for name, value in _PART.findall(text)}
        return Explanation(text.partition(";")[0], **parts)

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
        hide = self._mock.secrets.hide
        return {
            name: Masked(value) if name in SECRET_HEADERS or hide(value) != value else value
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

    def __repr__(self) -> str:
        return self._mock.secrets.hide(f"<{self._request!r} -> {self.status}>")


class RequestLog:
    """The latest requests, at most `most` of them. Any thread may add and read."""

    def __init__(self, most: int = RECORDED) -> None:
        self._entries: deque[Entry[Any]] = deque(maxlen=most)
        self._watchers: list[Callable[[RecordedRequest], object]] = []
        self._epoch = time.time() - time.perf_counter()
        self.add_read: Callable[[Entry[ReadKey]], object] = self._entries.append
        """Add a GET request without a body. This is the deque's own method, unless somebody watches."""

    def add_request(self, entry: Entry[Request]) -> None:
        """Add any other request. On record, a long one is shortened."""
        begin, end, mock, request, status, headers, fault = entry
        self._entries.append((begin, end, mock, _shortened(request), status, headers, fault))
        if self._watchers:
            self._tell(entry)

    def entries(self) -> list[RecordedRequest]:
        """The requests, oldest first."""
        return [*map(self._recorded, tuple(self._entries))]

    def clear(self) -> None:
        """Forget all requests."""
        self._entries.clear()

    def watch(self, watcher: Callable[[RecordedRequest], object]) -> Callable[[], None]:
        """Call `watcher` with each request from now on, in the thread that answers it, until the result is called."""

        def stop() -> None:
            self._watchers = [other for other in self._watchers if other is not watcher]
            self.add_read = self._add_and_tell if self._watchers else self._entries.append

        self._watchers = [*self._watchers, watcher]
        self.add_read = self._add_and_tell
        return stop

    def _add_and_tell(self, entry: Entry[ReadKey]) -> None:
        self._entries.append(entry)
        self._tell(entry)

    def _tell(self, entry: Entry[Any]) -> None:
        recorded = self._recorded(entry)
        for watcher in self._watchers:
            watcher(recorded)

    def _recorded(self, entry: Entry[Any]) -> RecordedRequest:
        begin, end, mock, asked, status, headers, fault = entry
        request = asked if isinstance(asked, Request) else request_from_key(asked)
        sent = (request.method, request.path, request.query, request.body)
        return RecordedRequest(*sent, status, self._epoch + begin, end - begin, fault, request, mock, headers)


def _shortened(request: Request) -> Request:
    """The request without the end of what is too long to be kept on record."""
    if len(request.body) <= _MAX_BODY and len(request.path) + len(request.query) <= _MAX_BODY:
        return request
    path, query, body = request.path[:_MAX_BODY], request.query[:_MAX_BODY], request.body[:_MAX_BODY]
    return replace(request, path=path, query=query, body=body)
