"""The floor: an ASGI application that answers constant bytes, on plain uvicorn with uvloop and httptools.

    python benchmarks/bare.py application/json < body

It prints its address in the form of `trunkline serve`, so that one client measures both.
"""

from __future__ import annotations

import json
import socket
import sys
from contextlib import suppress

import uvicorn

from trunkline.transport.scope import ASGIApp, Message, Receive, Send


def constant(body: bytes, content_type: str) -> ASGIApp:
    """An application that answers every request alike."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    rest = {"type": "http.response.body", "body": body}

    async def application(scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        await send(start)
        await send(rest)

    return application


def main() -> None:
    """Serve until a signal ends the process."""
    config = uvicorn.Config(
        constant(sys.stdin.buffer.read(), sys.argv[1]),
        loop="uvloop",
        http="httptools",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(json.dumps({"vendors": {"bare": {"url": url, "token": "none"}}}), flush=True)
        with suppress(KeyboardInterrupt):  # uvicorn raises the signal again at its end
            uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
