"""The validating proxy: pass each request on to one upstream, its answer back unchanged, and have the exchange judged.

The path stays as it is: `GET /v1/trunks` is passed on to `/v1/trunks` of the upstream's host (`transport.upstream`).

`transport.proxy` is another thing: the mock server as a forward proxy.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

from trunkline.contract.http import forbids_content
from trunkline.exchange import RawHeaders, error_response
from trunkline.findings import to_text
from trunkline.transport.access import RESERVED
from trunkline.transport.client import Address
from trunkline.transport.forwarding import end_to_end
from trunkline.transport.judging import Judging, RawExchange, Verdict
from trunkline.transport.metrics import BEHIND, BROKEN_OFF, TOO_LARGE, UNANSWERED, Metrics
from trunkline.transport.protocol import ServerConnection
from trunkline.transport.scope import SERVER_CONNECTION, ASGIApp, ClientGone, Message, Receive, Send, until_gone
from trunkline.transport.upstream import BrokenOff, Connections, Unanswered, UpstreamAnswer

log = logging.getLogger("trunkline.transport.validating_proxy")

FINDINGS = b"x-trunkline-findings"
"""The header field with the number of findings."""

MOST_COLLECTED = 1 << 20
"""The number of bytes of a body up to which an exchange is judged."""

_SHARE = 0.25
"""A response waits for the number of its findings: a quarter of the time that the upstream took to answer ..."""
_SHORTEST_WAIT, _LONGEST_WAIT = 0.001, 0.1
"""... but not longer than this, and not at all for less than a tick of the event loop."""
_FEW = 8
"""If so many exchanges are waiting to be judged, no response waits for the number of its findings."""

_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
_UNBOUNDED = 1 << 62
_LONGEST_METHOD = 40


@dataclass(slots=True)
class _Body:
    """A body as it passes, collected up to a bound."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, part: bytes) -> None:
        self.size += len(part)
        if self.size <= MOST_COLLECTED:
            self.parts.append(part)
        else:
            self.parts.clear()

    @property
    def is_whole(self) -> bool:
        return self.size <= MOST_COLLECTED


class ValidatingProxy:
    """The ASGI application, which `transport.server` serves. `admin` answers below `/_trunkline`.

    `operation_id` names the operation of a method and an address. The upstream may be silent for `timeout` seconds.
    With `wait`, every response waits so many seconds at most for the number of its findings. `each` is called with a
    line for each request.
    """

    def __init__(
        self,
        upstream: Address,
        judging: Judging,
        metrics: Metrics,
        admin: ASGIApp,
        *,
        operation_id: Callable[[str, str], str],
        timeout: float,
        wait: float | None = None,
        each: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.upstream, self.judging, self.metrics = upstream, judging, metrics
        self.operation_id, self.wait, self.each = operation_id, wait, each
        self.connections = Connections(upstream, timeout)
        self._admin = admin
        self._closing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == RESERVED or path.startswith(f"{RESERVED}/"):
            await self._admin(scope, receive, send)
            return
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_at_end())
        connection: ServerConnection = scope["state"][SERVER_CONNECTION]
        if connection.is_closed:
            return
        task = cast("asyncio.Task[None]", asyncio.current_task())
        forwarded = _ForwardedExchange(self, scope, receive, send, task)
        connection.when_lost = task.cancel
        connection.resume_reading()
        try:
            await forwarded.answer()
        except asyncio.CancelledError:
            if not connection.is_closed:
                raise
            task.uncancel()
        finally:
            connection.forget(task.cancel)
            forwarded.end()

    async def _close_at_end(self) -> None:
        """Close the connections to the upstream when the event loop ends, which cancels this task."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.connections.pool.aclose()


class _ForwardedExchange:
    """One request that is passed on to the upstream, and the answer that is passed back."""

    def __init__(
        self, proxy: ValidatingProxy, scope: Message, receive: Receive, send: Send, task: asyncio.Task[None]
    ) -> None:
        self._proxy, self._scope, self._receive, self._send = proxy, scope, receive, send
        self._task = task
        self._connection: ServerConnection = scope["state"][SERVER_CONNECTION]
        self._time, self._begin = time.time(), time.perf_counter()
        self._sent = self._begin
        """When the last part of the request was passed on."""
        self._request, self._response = _Body(), _Body()
        self._status = 0
        self._fields: RawHeaders = ()
        self._is_read = False
        """Whether the body of the request was read to its end."""
        self._head_time = self._begin
        """When the head of the answer had come."""
        self._reason = BROKEN_OFF
        """Why the exchange is not judged, if it does not come to its end."""
        self._is_sent = self._is_complete = self._is_offered = self._ends_by_closing = False
        raw, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
        self._target = raw + (b"?" + query if query else b"")
        passed = (pair for pair in end_to_end(scope["headers"]) if pair[0] != b"host")
        self._headers = ((b"host", proxy.upstream.authority.encode()), *passed)
        self._has_body = any(name in _FRAMING for name, _ in self._headers)
        if not self._has_body:
            self._is_sent = self._is_read = True
        self._url = proxy.upstream.root + self._target.decode("latin-1")
        self._operation = proxy.operation_id(scope["method"], self._url)

    # --- the client -------------------------------------------------------------------------------------------------

    async def _body(self) -> AsyncIterator[bytes]:
        """The body of the request, as it comes."""
        while not self._is_read:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            self._request.add(part := message.get("body", b""))
            if part:
                yield part
            if not message.get("more_body", False):
                self._is_read = True
        self._is_sent, self._sent = True, time.perf_counter()
        self._connection.resume_reading()

    # --- the answer -------------------------------------------------------------------------------------------------

    async def answer(self) -> None:
        """Pass the request on and the answer back."""
        body = self._body() if self._has_body else None
        try:
            answer = await self._proxy.connections.ask(self._scope["method"], self._target, self._headers, body)
        except ClientGone:
            return
        except Unanswered as failure:
            await self._refuse(failure)
            return
        # The upstream may not have waited for all of the body: then the client is still to send the rest.
        dropping = None if self._is_read else asyncio.create_task(until_gone(self._receive))
        try:
            await self._pass_back(answer)
        finally:
            if dropping:
                dropping.cancel()
            self._connection.forget(self._task.cancel)  # a client that goes now does not end what follows
            await answer.aclose()

    async def _pass_back(self, answer: UpstreamAnswer) -> None:
        self._status, self._fields, self._head_time = answer.status, answer.fields, time.perf_counter()
        try:
            ahead, is_whole = await self._read_ahead(answer)
            self._is_complete = is_whole
            await self._begin_answer(await self._verdict() if is_whole and self._is_sent else None)
            for part in ahead:
                await self._send_part(part)
            while not is_whole and (more := await answer.next()) is not None:
                self._response.add(more)
                await self._send_part(more)
        except BrokenOff:
            log.warning("%s: the answer of %s broke off", self._name, self._proxy.upstream.name)
            await self._break_off()
        else:
            self._is_complete = True
            await self._end_answer()

    async def _read_ahead(self, answer: UpstreamAnswer) -> tuple[list[bytes], bool]:
        """The parts of the body that come in the time that the answer may wait, and whether these are all."""
        ahead: list[bytes] = []
        length = 0 if self._is_empty else content_length(self._fields) or 0
        is_near = self._proxy.wait is not None or self._proxy.judging.waiting < _FEW
        while is_near and length <= MOST_COLLECTED and self._response.is_whole and (patience := self._patience()) > 0:
            try:
                part = await answer.next(patience)
            except (TimeoutError, BrokenOff):  # the latter again for the next part, after the head was passed on
                break
            if part is None:
                return ahead, True
            ahead.append(part)
            self._response.add(part)
        return ahead, False

    def _patience(self) -> float:
        """The seconds that the answer may still wait for the number of its findings."""
        waited = time.perf_counter() - self._head_time
        if self._proxy.wait is not None:
            return self._proxy.wait - waited
        share = min(_SHARE * (self._head_time - self._sent), _LONGEST_WAIT)
        return share - waited if share >= _SHORTEST_WAIT else 0

    async def _verdict(self) -> Verdict | None:
        """The result of judging, if it comes in time."""
        is_awaited = self._patience() > 0
        offered = self._offer(is_urgent=is_awaited)
        if offered is None or not is_awaited:
            return None
        coming = asyncio.wrap_future(offered)
        await asyncio.wait((coming,), timeout=max(0.0, self._patience()))
        return coming.result() if coming.done() else None

    def _offer(self, *, is_urgent: bool) -> Future[Verdict | None] | None:
        """Let the exchange be judged, or count why it is not."""
        self._is_offered = True
        if not (self._request.is_whole and self._response.is_whole):
            self._proxy.metrics.not_judged(TOO_LARGE)
            return None
        now = time.perf_counter()
        offered = self._proxy.judging.offer(
            RawExchange(
                self._time,
                now - self._begin,
                self._scope["method"],
                self._url,
                self._headers,
                b"".join(self._request.parts),
                self._status,
                self._fields,
                b"".join(self._response.parts),
            ),
            is_urgent=is_urgent,
        )
        if offered is None:
            self._proxy.metrics.not_judged(BEHIND)
        return offered

    # --- to the client ----------------------------------------------------------------------------------------------

    @property
    def _is_empty(self) -> bool:
        """Whether the answer has no body, whatever its fields say."""
        return bool(forbids_content(self._scope["method"], self._status))

    async def _begin_answer(self, verdict: Verdict | None) -> None:
        scope, connection = self._scope, self._connection
        headers = [pair for pair in end_to_end(self._fields) if pair[0] != FINDINGS]
        if verdict is not None and not verdict.reason:
            headers.append((FINDINGS, b"%d" % verdict.count))
        for _, date in (pair for pair in headers if pair[0] == b"date"):
            connection.set_date(scope, date)  # which the server would else add
        headers = [pair for pair in headers if pair[0] != b"date"]
        if scope["http_version"] == "1.0":
            headers = [pair for pair in headers if pair[0] != b"transfer-encoding"]
            self._ends_by_closing = not self._is_empty and content_length(headers) is None
            if self._ends_by_closing:
                headers.append((b"connection", b"close"))
                connection.set_length(_UNBOUNDED)
        await self._send({"type": "http.response.start", "status": self._status, "headers": headers})
        if self._is_empty:
            connection.set_length(0)

    async def _send_part(self, part: bytes) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": True})

    async def _end_answer(self) -> None:
        if self._ends_by_closing:
            await self._break_off()
        else:
            await self._send({"type": "http.response.body", "body": b""})

    async def _break_off(self) -> None:
        """Close the client's connection within the answer, and return when it is closed."""
        self._connection.transport.close()
        await until_gone(self._receive)

    async def _refuse(self, failure: Unanswered) -> None:
        """Answer in our own words."""
        log.warning("%s: %s", self._name, failure.sentence)
        self._status, self._reason = failure.status, UNANSWERED
        answer = error_response(failure.status, failure.sentence)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
        if not self._is_read:  # and is not read
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": failure.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": answer.body})

    def end(self) -> None:
        """Count the request; and let the exchange be judged, if that was not begun before."""
        seconds = time.perf_counter() - self._begin
        if self._is_complete and self._is_sent and not self._is_offered:
            self._offer(is_urgent=False)
        elif not self._is_offered:
            self._proxy.metrics.not_judged(self._reason)
        self._proxy.metrics.passed(self._operation, self._status, seconds)
        self._proxy.each(f"{self._name} {self._status or 'the client has gone'} {seconds * 1000:.1f} ms")

    @property
    def _name(self) -> str:
        """The request in a log, without its path and query, which may hold secrets."""
        return f"{to_text(self._scope['method'])[1:-1][:_LONGEST_METHOD]} {self._operation or 'another path'}"


def content_length(fields: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The length that the fields announce, or None."""
    return next((int(value) for name, value in fields if name == b"content-length" and value.isdigit()), None)
