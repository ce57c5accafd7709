"""Deliver an answer as a fault asks: late, slowly, in part, or not at all.

A connection is closed or reset by its transport, which the server puts into the `state` of each request. Where there is
none, in an application that another server runs, the application fails instead, and that server ends the connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING

from trunkline.mock.faults import FaultyResponse
from trunkline.transport.scope import SERVER_CONNECTION, Message, Receive, Send, until_gone

if TYPE_CHECKING:
    from trunkline.transport.protocol import ServerConnection

_HALF_A_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: appl"
_PIECES = 20
"""The number of pieces in which a slow body is sent."""
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""The value of SO_LINGER with which a closed connection is reset."""


async def deliver(
    response: FaultyResponse,
    head: Message,
    body: bytes,
    scope: Message,
    receive: Receive,
    send: Send,
) -> None:
    """Send the head and the body as the fault asks. Raises `ConnectionError` where it cannot close."""
    wanted = response.delivery
    await asyncio.sleep(wanted.delay)
    connection: ServerConnection | None = scope.get("state", {}).get(SERVER_CONNECTION)
    if wanted.cut and connection is None:
        raise ConnectionError(f"the fault {response.fault} closes the connection, which this server does not show")
    if wanted.skew and connection:
        connection.set_date(scope, formatdate(time() + wanted.skew, usegmt=True).encode())
    if wanted.cut == "in-head" and connection:
        connection.transport.write(_HALF_A_HEAD)
    elif wanted.cut != "before":
        await send(head)
    if wanted.cut in (None, "in-body", "after"):
        sent = body[: len(body) // 2] if wanted.cut == "in-body" else body
        size = max(1, -(-len(sent) // _PIECES)) if wanted.drip else max(1, len(sent))
        for begin in range(0, len(sent), size):
            await send({"type": "http.response.body", "body": sent[begin : begin + size], "more_body": True})
            await asyncio.sleep(wanted.drip * size / len(sent))
        if wanted.cut != "in-body":
            await send({"type": "http.response.body", "body": b""})
    if wanted.cut and connection:
        _end(connection.transport, reset=wanted.reset)
        await until_gone(receive)


def _end(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a connection after what was written, or reset it at once. The client may have gone already."""
    if not reset or transport.is_closing():
        transport.close()
        return
    with transport.get_extra_info("socket").dup() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
