"""The API before which the validating proxy stands: its connections, and its answers as they come.

httpcore sends and reads, because it takes and gives bytes: targets and header fields as they came, and bodies as they
come, neither decoded nor collected first. (httpx, which is built on it, normalizes addresses and adds header fields.)
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpcore

from trunkline.exchange import SAFE_METHODS, RawHeaders
from trunkline.transport.client import Address
from trunkline.transport.forwarding import STATUSES

_IDLE = 4
"""Seconds for which an idle connection is kept: less than the 5 s after which many servers close it."""
_MOST_IDLE = 100
_CONNECT_TIMEOUT = 10
"""Seconds for reaching the upstream, at most."""
_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


class Unanswered(Exception):
    """There is no answer of the upstream to pass back: the status and the sentence to answer with."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class BrokenOff(Exception):
    """The upstream's answer has broken off."""


class Connections:
    """The connections to an upstream, which may be silent for `timeout` seconds."""

    def __init__(self, upstream: Address, timeout: float) -> None:
        self._name, self._port = upstream.name, upstream.port
        self._scheme, self._host = upstream.scheme.encode(), upstream.host.encode()
        self._timeouts = {"connect": min(timeout, _CONNECT_TIMEOUT), "read": timeout, "write": timeout, "pool": timeout}
        self.pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context() if upstream.scheme == "https" else None,
            max_connections=None,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE,
        )

    async def ask(
        self, method: str, target: bytes, headers: RawHeaders, body: AsyncIterator[bytes] | None
    ) -> UpstreamAnswer:
        """The answer to a request, of which the head has come. Raises `Unanswered` if there is none to pass back."""
        if method == "CONNECT":
            raise Unanswered(501, "CONNECT is not passed on: this proxy stands before one API; ask it without a proxy")
        may_repeat = body is None and method in SAFE_METHODS
        while True:
            request = httpcore.Request(
                method.encode("latin-1"),
                httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
                headers=[*headers],
                content=body,
                extensions={"timeout": self._timeouts},
            )
            try:
                response = await self.pool.handle_async_request(request)
            except (httpcore.ReadError, httpcore.RemoteProtocolError):
                if not may_repeat:
                    raise Unanswered(502, f"{self._name} did not answer in HTTP/1.1") from None
                may_repeat = False  # perhaps it closed an idle connection just then
            except (*_BROKEN, httpcore.UnsupportedProtocol) as error:
                raise _unanswered(self._name, error, self._timeouts) from None
            except asyncio.CancelledError:
                await self._close_lost()
                raise
            else:
                break
        if response.status not in STATUSES:
            await response.aclose()
            raise Unanswered(502, f"{self._name} answered with a status that cannot be passed back")
        return UpstreamAnswer(response)

    async def _close_lost(self) -> None:
        """Close the connections that belong to no request, and are not idle.

        httpcore leaves such a one open if a request is cancelled just after its connection was made.
        """
        used = [request.connection for request in self.pool._requests]  # noqa: SLF001 - a test says that it is there
        for connection in self.pool.connections:
            if connection not in used and not connection.is_idle() and not connection.is_closed():
                await connection.aclose()


class UpstreamAnswer:
    """An answer of which the head has come. A part for which a caller stopped waiting is the next one it returns."""

    def __init__(self, response: httpcore.Response) -> None:
        self.status = response.status
        self.fields: RawHeaders = tuple((name.lower(), value) for name, value in response.headers)
        self._response = response
        self._parts = response.aiter_stream()
        self._next: asyncio.Future[bytes | None] | None = None

    async def next(self, timeout: float | None = None) -> bytes | None:
        """The next part of the body, or None at its end.

        Raises `TimeoutError` if it does not come in time, and `BrokenOff` in this and each later call if it never will.
        """
        try:
            if self._next is None:
                if timeout is None:
                    return await anext(self._parts, None)
                self._next = asyncio.ensure_future(anext(self._parts, None))
            if timeout is not None:
                await asyncio.wait((self._next,), timeout=timeout)
                if not self._next.done():
                    raise TimeoutError
            part = await self._next
        except _BROKEN:
            raise BrokenOff from None
        self._next = None
        return part

    async def aclose(self) -> None:
        """Let the connection be used again, if the answer has come to its end; otherwise close it."""
        if self._next:
            self._next.cancel()
        if self._has_excess():
            await self._response.extensions["network_stream"].aclose()
        await self._response.aclose()

    def _has_excess(self) -> bool:
        """Whether more bytes came than the answer has: httpcore would take them for the beginning of the next one."""
        stream: Any = self._response.stream
        while hasattr(stream, "_stream"):
            stream = stream._stream  # noqa: SLF001 - a test says that it is there
        connection = getattr(stream, "_connection", None)
        return connection is not None and bool(connection._h11_state.trailing_data[0])  # noqa: SLF001 - the same


def _unanswered(name: str, error: Exception, timeouts: Mapping[str, float]) -> Unanswered:
    """The answer to a request that the upstream did not answer."""
    match error:
        case httpcore.ConnectTimeout():
            return Unanswered(504, f"{name} could not be reached within {timeouts['connect']:g} s")
        case httpcore.TimeoutException():
            return Unanswered(504, f"{name} did not begin to answer within {timeouts['read']:g} s")
        case httpcore.LocalProtocolError():
            return Unanswered(400, "the request cannot be passed on: its head, or its length, is not valid HTTP/1.1")
        case httpcore.ConnectError():
            return Unanswered(502, f"{name} cannot be reached{_reason(error)}")
    return Unanswered(502, f"{name} closed the connection before it answered")


def _reason(error: BaseException) -> str:
    """Why a connection was not made, if that is known."""
    cause: BaseException | None = error
    while cause and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ": its certificate is not trusted; name the file of its CA in SSL_CERT_FILE"
    return ": it does not speak TLS" if cause else ""
