"""Owns the floor: an ASGI application that answers constant bytes and does nothing else.

    python benchmarks/bare.py application/json < body

It is served by the function that serves the mock, so that only the application differs, and prints its address in
the same form as `trunkline serve`, so that one client drives both.
"""

from __future__ import annotations

import json
import sys

from trunkline.transport.asgi import ASGIApp, Message, Receive, Send
from trunkline.transport.server import serve


def constant(body: bytes, content_type: str) -> ASGIApp:
    """An application for which every request has the same answer."""
    fields = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    head = {"type": "http.response.start", "status": 200, "headers": fields}
    rest = {"type": "http.response.body", "body": body}

    async def application(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        await send(head)
        await send(rest)

    return application


def announce(url: str) -> None:
    """Prints where it answers."""
    print(json.dumps({"vendors": {"bare": {"url": url, "token": "none"}}}), flush=True)


if __name__ == "__main__":
    serve(constant(sys.stdin.buffer.read(), sys.argv[1]), host="127.0.0.1", port=0, on_ready=announce)
