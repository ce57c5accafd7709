"""The beginning of a connection: its first bytes decide whether uvicorn reads it with httptools or with h11.

httptools is fast, but it refuses methods that it does not know, reports the path alone of an absolute target
(`GET http://host/path`), leaves out the body of a request with `Upgrade`, and accepts requests without a Host, or with
two. A client that sends such a request usually sends it first; so h11 gets every connection whose first packet is not
one complete, ordinary head.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # httptools is not available everywhere
    HttpToolsProtocol = H11Protocol  # type: ignore[assignment,misc]

from trunkline.transport.scope import SERVER_CONNECTION

MAX_HEAD = 256 << 10
"""The most bytes of a request line with its header fields, or of what follows a body, for both parsers."""

_ORDINARY = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /[^ #\r\n]* HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\nhost[ \t]*:", re.IGNORECASE)
_UPGRADE = re.compile(rb"\nupgrade[ \t]*:", re.IGNORECASE)


class _JoinedWrites:
    """A transport that sends two writes as one if the second follows in the same turn of the event loop.

    uvicorn writes the head and the body of a response apart, which takes two system calls and wakes the client twice.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._held: bytes | None = None
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold the data until the next write, at most until the next turn of the event loop."""
        if self._held is not None:
            self._held += data
            self.flush()
        elif data:
            self._held = data
            self._call_soon(self.flush)

    def flush(self) -> None:
        """Send what is held."""
        if self._held is not None:
            held, self._held = self._held, None
            if not self._transport.is_closing():
                self._transport.write(held)

    def close(self) -> None:
        """Send what is held, and close the connection after it."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Send what is held if that is possible at once, and close the connection."""
        self.flush()
        self._transport.abort()


class _Watched(asyncio.Protocol):
    """A mix-in for the protocols of uvicorn: it calls `when_lost` when the connection is lost."""

    transport: Any
    _unset_keepalive_if_required: Callable[[], None]
    when_lost: Callable[[], object]

    def eof_received(self) -> None:
        self.transport.flush()  # the transport closes, and would drop it
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn keeps the timer, and with it the connection, after a reset
        self.when_lost()


class _Slow(_Watched, H11Protocol):
    """uvicorn's protocol on h11, for requests that httptools does not read as they were sent."""


class _Fast(_Watched, HttpToolsProtocol):
    """uvicorn's protocol on httptools.

    It refuses a head or a trailer section that does not end, of which uvicorn and httptools would copy ever more. It
    does not read on while requests of a pipeline wait, of which uvicorn would keep ever more.
    """

    _unread = 0
    """The bytes since the last ones that belong to a body or end a request, within a packet."""

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The header or trailer fields are too long.")

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        super().on_message_complete()


_FAST: Any = _Slow if issubclass(HttpToolsProtocol, H11Protocol) else _Fast


class ServerConnection(asyncio.Protocol):
    """An accepted connection. It hands its transport over to the protocol that it chooses.

    `state` is the `state` in the scope of each of its requests.
    """

    transport: asyncio.Transport

    def __init__(self, server: uvicorn.Server, state: dict[str, Any]) -> None:
        self._server = server
        self._state = state
        self._chosen: Any = None
        self._cycle: Any = None
        self._waits_since: float | None = None
        self._is_lost = False
        self.when_lost: Callable[[], object] | None = None
        """The function that is called when the connection is closed on both sides, during a request."""

    @property
    def is_finished(self) -> bool:
        """Whether the server has sent everything, and closed its side of the connection."""
        return self.is_closed or (self.transport.is_closing() and not self.transport.get_write_buffer_size())

    @property
    def is_closed(self) -> bool:
        """Whether the connection is closed on both sides."""
        return self._is_lost

    def end(self, *, close_unused: bool = False) -> None:
        """Close the connection when it is idle, or after its present answer; `close_unused`: also before a request."""
        if self.transport.is_closing():
            return
        if self._chosen:
            self._chosen.shutdown()
        elif close_unused:
            self.transport.close()

    def set_date(self, scope: Any, date: bytes) -> None:
        """Give the answer to the request of this scope another `Date`, unless further requests have come."""
        cycle = self._chosen.cycle
        if cycle.scope.get("state") is scope["state"]:  # the scope itself may be a copy
            cycle.default_headers = [
                (name, date if name == b"date" else value) for name, value in cycle.default_headers
            ]

    def set_length(self, length: int) -> None:
        """Let the body of the answer have this length, whatever its fields say: that of a 304 has none."""
        if hasattr(self._chosen.cycle, "expected_content_length"):  # h11 knows
            self._chosen.cycle.chunked_encoding, self._chosen.cycle.expected_content_length = False, length

    def forget(self, when_lost: Callable[[], object]) -> None:
        """Stop calling this function. One that the next request has set stays."""
        if self.when_lost == when_lost:
            self.when_lost = None

    def resume_reading(self) -> None:
        """Let uvicorn read from the client again, so that it notices a client that leaves.

        It pauses after a large body and after a pipelined request.
        """
        self._chosen.flow.resume_reading()

    def abort(self) -> None:
        """Close the connection at once; asyncio does not do so again with one that is closed."""
        if not self.is_closed:
            self.transport.abort()

    def waits_for_client(self, now: float) -> float:
        """The seconds since a call first found that the client has to send or to read on, for the same request."""
        cycle = self._chosen and self._chosen.cycle
        waits = not cycle or cycle.response_complete or cycle.more_body or self._chosen.flow.write_paused
        if self._waits_since is None or cycle is not self._cycle or not waits:
            self._cycle, self._waits_since = cycle, now
        return now - self._waits_since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        if self.when_lost:
            self.when_lost()

    def data_received(self, data: bytes) -> None:
        self.transport = cast("asyncio.Transport", _JoinedWrites(self.transport))
        self._chosen = (_FAST if _is_ordinary(data) else _Slow)(
            self._server.config, self._server.server_state, {**self._state, SERVER_CONNECTION: self}
        )
        self._chosen.when_lost = self._lose
        self.transport.set_protocol(self._chosen)
        self._chosen.connection_made(self.transport)
        self._chosen.data_received(data)


def handle_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that nobody caught, but not a client's: h11 cannot refuse what follows an answered request."""
    if not isinstance(context.get("exception"), h11.LocalProtocolError):
        loop.default_exception_handler(context)


def _is_ordinary(packet: bytes) -> bool:
    """Whether a packet has a complete head that httptools reads as it is, and no second request after it."""
    head, end, rest = packet.partition(b"\r\n\r\n")
    is_whole = bool(end and _ORDINARY.match(head + b"\r\n") and len(_HOST.findall(head)) == 1)
    return is_whole and not _UPGRADE.search(head) and not (rest and head.startswith(b"GET"))
