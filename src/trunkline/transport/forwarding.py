"""Pass a request on to another host, and its answer back as it comes, without a thread and without a bound on size.

h11 reads and writes the messages: httpcore, which `transport.upstream` uses, reads no answer before it has sent all of
the request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import h11

from trunkline.exchange import RawHeaders
from trunkline.transport.access import RequestRefused
from trunkline.transport.addresses import is_loopback
from trunkline.transport.protocol import MAX_HEAD
from trunkline.transport.scope import SERVER_CONNECTION, Message, Receive, Send, until_gone

log = logging.getLogger("trunkline.transport.forwarding")

_T = TypeVar("_T")

_REACH = 10
"""Seconds for reaching a host."""
_ANSWER = 60
"""Seconds until an answer begins, after the last part of the request."""
_READ = 1 << 16
STATUSES = range(200, 600)
"""The statuses that can be passed back."""
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding"))
"""Fields that `Connection` cannot take from a message."""
_OF_CONNECTION = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer upgrade".split()
)
"""Fields that concern a single connection (RFC 9110, section 7.6.1), besides those that `Connection` names."""
_VIA = (b"via", b"1.1 trunkline")


async def reached(connecting: Awaitable[_T], place: str) -> _T:
    """The connection to a host. Raises `RequestRefused` if it is not made in time."""
    try:
        async with asyncio.timeout(_REACH):
            return await connecting
    except (OSError, ValueError):  # the latter for a name that is none
        raise RequestRefused(502, f"{place} cannot be reached") from None


def is_itself(far: asyncio.BaseTransport, own: tuple[Any, ...] | None) -> bool:
    """Whether a connection leads back to the server at the address `own`, by whatever name."""
    peer, local = far.get_extra_info("peername"), far.get_extra_info("sockname")
    if not (peer and local and own):  # one side has gone already
        return False
    return bool(peer[1] == own[1] and (peer[0] == local[0] or is_loopback(peer[0])))


def refusal_of_itself(place: str) -> RequestRefused:
    """The refusal to connect the server to itself."""
    return RequestRefused(403, f"{place} is this server itself; ask it without a proxy (NO_PROXY)")


async def forward(scope: Message, receive: Receive, send: Send, *, host: str, port: int, tls: bool, place: str) -> None:
    """The ASGI application that passes a request on. Errors call the host `place`.

    Raises `RequestRefused` if there is no answer to pass back. An answer that breaks off closes the client's
    connection, and a client that leaves ends the request.
    """
    reader, writer = await reached(asyncio.open_connection(host, port, ssl=tls or None), place)
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    deadline = asyncio.timeout(_ANSWER)
    tasks: list[asyncio.Task[None]] = []
    try:
        if is_itself(writer.transport, scope["server"]):
            raise refusal_of_itself(place)
        writer.write(http.send(_request(scope)) or b"")
        tasks += map(
            asyncio.create_task,
            (
                _send_back(http, reader, scope, receive, send, place, deadline),
                _send_body(receive, http, writer, deadline),
            ),
        )
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        writer.close()


def _request(scope: Message) -> h11.Request:
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    headers = [*_passed_on(scope["headers"]), (b"connection", b"close")]
    return h11.Request(method=scope["method"], target=scope["raw_path"] + query, headers=headers)


async def _send_body(
    receive: Receive, http: h11.Connection, writer: asyncio.StreamWriter, deadline: asyncio.Timeout
) -> None:
    """Send the body of the request, and return when the client has gone. Each part puts off the deadline."""
    has_more = True
    with suppress(OSError, h11.LocalProtocolError):  # the host may answer before it has read everything
        while has_more and (message := await receive())["type"] == "http.request":
            has_more = message.get("more_body", False)
            writer.write(http.send(h11.Data(message["body"])) or b"")
            writer.write(b"" if has_more else http.send(h11.EndOfMessage()) or b"")
            await writer.drain()
            if http.their_state is h11.SEND_RESPONSE and not deadline.expired():
                deadline.reschedule(asyncio.get_running_loop().time() + _ANSWER)
    await until_gone(receive)


async def _send_back(
    http: h11.Connection,
    reader: asyncio.StreamReader,
    scope: Message,
    receive: Receive,
    send: Send,
    place: str,
    deadline: asyncio.Timeout,
) -> None:
    try:
        async with deadline:
            while not isinstance(head := await _next_event(http, reader), h11.Response):
                pass
    except TimeoutError:
        raise RequestRefused(504, f"{place} did not begin to answer within {_ANSWER} s") from None
    except (OSError, h11.RemoteProtocolError):
        raise RequestRefused(502, f"{place} did not answer in HTTP/1.1") from None
    if head.status_code not in STATUSES:
        raise RequestRefused(502, f"{place} answered with the status {head.status_code}, which HTTP does not have")
    connection = scope["state"][SERVER_CONNECTION]
    for _, date in (field for field in head.headers if field[0] == b"date"):
        connection.set_date(scope, date)  # which the server would else add
    headers = [field for field in _passed_on(head.headers) if field[0] != b"date"]
    await send({"type": "http.response.start", "status": head.status_code, "headers": headers})
    try:
        while isinstance(event := await _next_event(http, reader), h11.Data):
            await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
    except (OSError, h11.RemoteProtocolError):
        log.info("%s closed the connection within its answer", place)
        connection.transport.close()
        await until_gone(receive)
    else:
        await send({"type": "http.response.body"})


async def _next_event(
    http: h11.Connection, reader: asyncio.StreamReader
) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(_READ))
    return event


def _passed_on(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The fields of a message for its next recipient."""
    return (*end_to_end(headers), _VIA)


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The fields of a message that do not concern a single connection, and those of its framing."""
    sent = [*headers]
    named = {each.strip().lower() for name, value in sent if name == b"connection" for each in value.split(b",")}
    dropped = _OF_CONNECTION | (named - _FRAMING)
    if any(name == b"transfer-encoding" for name, _ in sent):
        dropped |= {b"content-length"}  # which does not count then (RFC 9112, section 6.3)
    return tuple(field for field in sent if field[0] not in dropped)
