"""The types of ASGI, the keys that the server adds to a request's scope, and how a client that leaves is noticed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Called with scope, receive and send. Frameworks type the three differently, hence `Any`."""

SCHEME = "trunkline.scheme"
"""The scheme of a whole address that the request names: that of `scheme` is the connection's."""

SERVER_CONNECTION = "trunkline.connection"
"""In `state`: the connection of the request."""
ENDING = "trunkline.ending"
"""In `state`: the `asyncio.Event` that the server sets when it ends, for answers without an end."""
TUNNEL = "trunkline.tunnel"
"""In `state`: the host to which the request's tunnel leads."""


class ClientGone(Exception):
    """The client has disconnected within its request, which is therefore not answered."""


async def until_gone(receive: Receive) -> None:
    """Drop the rest of the request's body, and return when the client has gone, or has its whole answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
