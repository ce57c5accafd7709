"""Servers that tests start.

serving("--trunks", "3")       `trunkline serve` in a process of its own
executing("print(1)")          a script in a process of its own, with its first line
scripted(b"HTTP/1.1 ...")      a socket on which a function, or the bytes of one response, answers
target_server(target, "/v1")   any `Target` behind the standard library's `http.server`
independent(Behavior())       both vendors, in code that shares nothing with trunkline
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import trunkline
from trunkline.exchange import Json, Request, Target

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For httpx in tests of plain HTTP: otherwise each client reads all certificates that the machine trusts."""


def free_port() -> int:
    """A port of the loopback interface at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the command line in a process of its own -------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    """The present environment variables for a process that imports this trunkline, and more."""
    return {**os.environ, "PYTHONPATH": str(Path(trunkline.__file__).parents[1]), **more}


def start(*arguments: str, environ: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """Start a command of trunkline, such as `start("check", "telepath")`. `options` are those of `Popen`."""
    return subprocess.Popen(
        [sys.executable, "-m", "trunkline.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**(environ or {})),
        **options,
    )


@contextmanager
def serving(
    *arguments: str, environ: Mapping[str, str] | None = None, **options: Any
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Json]]]:
    """`trunkline serve` on a free port, until the block ends: the process, and the line of JSON that it printed."""
    with start("serve", "--port", "0", *arguments, environ=environ, **options) as process:
        try:
            yield process, json.loads(printed_line(process))
        finally:
            process.kill()


# --- a script in a process of its own ---------------------------------------------------------------------------------

_LIMIT = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
LIMITED = {"uvloop": _LIMIT, "asyncio": f"{_LIMIT}sys.modules['uvloop'] = None\n"}
"""The beginning of a script that may have 64 files, by the event loop that it uses."""


@contextmanager
def executing(script: str, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that runs a script, until the block ends, and the first line that it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    ) as process:
        try:
            yield process, printed_line(process)
        finally:
            process.kill()


def printed_line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


# --- a socket ---------------------------------------------------------------------------------------------------------

Script: TypeAlias = Callable[[socket.socket], object]


@dataclass
class Scripted:
    """A server that runs `script` on each connection. `received` are the requests that the script read."""

    script: Script
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over, so that a script that waits can end."""

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def run(self) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            self.script(connection)

    def receive(self, connection: socket.socket) -> bytes:
        """One whole request, or `b""` when the client has closed the connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += connection.recv(65536)
        self.received.append(head + b"\r\n\r\n" + body)
        return self.received[-1]


@contextmanager
def scripted(script: Script | bytes) -> Iterator[Scripted]:
    """A server for a script, or for the bytes of one response, after which it closes the connection."""

    def answer(connection: socket.socket) -> None:
        server.receive(connection)
        connection.sendall(script if isinstance(script, bytes) else b"")

    server = Scripted(answer if isinstance(script, bytes) else script)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        with suppress(OSError):
            server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()


# --- http.server ------------------------------------------------------------------------------------------------------


class QuietHandler(BaseHTTPRequestHandler):
    """A handler that logs nothing."""

    wbufsize = 1 << 16  # one packet for each response, so that no delayed acknowledgement slows a test

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the library
        """Log nothing."""

    def send_chunks(self, data: bytes, size: int) -> None:
        """Send a body in chunks of this size."""
        for start in range(0, len(data), size):
            chunk = data[start : start + size]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A handler on a free port; gives `http://127.0.0.1:PORT`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def target_server(target: Target, base: str, *, headers_sent: bool = False) -> Iterator[str]:
    """A target on a free port, asked for one thing at a time; gives `http://127.0.0.1:PORT/v1` for the base `/v1`.

    Only with `headers_sent` its header fields are sent.
    """
    lock = threading.Lock()

    class Handler(QuietHandler):
        def handle_any(self) -> None:
            path, _, query = self.path.removeprefix(base).partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = tuple((name.lower(), value) for name, value in self.headers.items())
            with lock:
                response = target(Request(self.command, path, query, headers, body))
            with suppress(OSError):
                self.send_response(response.status)
                for name, value in response.headers if headers_sent else ():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    with listening(Handler) as url:
        yield url + base


# --- an independent implementation ------------------------------------------------------------------------------------

TOKEN = "sk_live_of_the_independent_0123"
TRUNK_ID = "8F14E45F-CEEA-467A-9575-1C1B1D8A0F01"


def trunk(number: int) -> dict[str, Any]:
    """A trunk of the list. The order of its keys is unusual, and `region` is not documented."""
    return {
        "metrics": {"avg_latency_ms": number, "calls_today": number * 3, "success_rate": 99.5, "mos": 4.1},
        "updated_at": f"2024-05-0{number % 9 + 1}T10:00:00.125+00:00",
        "created_at": f"2023-05-0{number % 9 + 1}t10:00:00z",
        "sip_username": f"line-{number}",
        "ai_provider": ("openai", "elevenlabs", "custom")[number % 3],
        "status": ("active", "inactive", "error")[number % 3],
        "name": f"Zentrale Süd {number} ☎",
        "id": f"{number:08d}",
        "region": "eu-1",
    }


DETAIL = {
    "id": TRUNK_ID,
    "name": "Rufnummern — Köln",
    "provider_name": "carrier-z",
    "domain": "sip.carrier-z.example",
    "username": "köln",
    "transport": "udp",
    "port": 5060,
    "outbound_proxy": None,
    "auth_realm": "carrier-z.example",
    "is_active": False,
    "is_verified": False,
    "health_status": None,
    "last_health_check_at": None,
    "created_at": "2024-01-01T10:00:00Z",
    "updated_at": "2024-01-01T10:00:00Z",
    "notes": [],
}


@dataclass
class Behavior:
    """How the independent implementation behaves. Everything here is lawful, or happens in networks."""

    trunks: int = 30
    protocol: str = "HTTP/1.0"
    coding: str = ""  # gzip, chunked
    media: str = "application/json; charset=UTF-8"
    busy: int = 0  # the number of requests that are answered with 429 first
    clock: bool = True  # without one, no response has a Date
    redirect: str = ""
    received: list[tuple[str, str, str | None]] = field(default_factory=list)
    """The method, target and `Authorization` header of each request."""


class _Independent(QuietHandler):
    behavior: Behavior

    def do_GET(self) -> None:
        behavior = self.behavior
        behavior.received.append((self.command, self.path, self.headers.get("Authorization")))
        if behavior.redirect:
            self.send_response(302)
            self.send_header("Location", behavior.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif behavior.busy > 0:
            behavior.busy -= 1
            self._answer(429, {"error": {"code": "SLOW_DOWN", "message": "wait"}}, {"Retry-After": "1"})
        else:
            self._answer(*self._routed())

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Date" or self.behavior.clock:
            super().send_header(keyword, value)

    def _routed(self) -> tuple[int, Any]:
        parts = urlsplit(self.path)
        listing = parts.path == "/v1/trunks"
        if not listing and not parts.path.startswith("/api/v1/sip-trunks/"):
            return 404, {"error": {"code": "NOPE", "message": "no such path"}}
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            message = "The API key provided is invalid"
            body = (
                {"error": {"code": "INVALID_API_KEY", "message": message}}
                if listing
                else {"message": "Unauthenticated."}
            )
            return 401, body
        if listing:
            return self._list(parse_qs(parts.query, keep_blank_values=True))
        name = unquote(parts.path.removeprefix("/api/v1/sip-trunks/"), errors="replace")
        if name.upper() == TRUNK_ID:
            return 200, {"data": DETAIL, "success": True, "request_id": "r-1"}
        return 422, {"success": False, "errors": {"trunk_id": ["The selected trunk is invalid."]}}

    def _list(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        def number(name: str, default: int) -> int:
            text = query.get(name, [str(default)])[0]
            return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else default

        limit, offset = number("limit", 20), number("offset", 0)
        sent = query.get("limit", ["20"])[0]
        if sent.lstrip("-").isdigit() and not (
            sent.isascii() and sent.isdigit() and 1 <= int(sent[:15]) <= 100 and len(sent) < 12
        ):
            return 400, {"error": {"code": "INVALID_PARAMS", "message": "limit: 1 to 100"}}
        items = [trunk(number) for number in range(self.behavior.trunks)]
        status = query.get("status", [""])[0]
        if status in ("active", "inactive", "error"):
            items = [item for item in items if item["status"] == status]
        page = {"total": len(items), "offset": offset, "limit": limit}
        return 200, {"pagination": page, "trunks": items[offset : offset + limit]}

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body, indent=1, ensure_ascii=status != 200).encode()
        self.send_response(status)
        limits = {
            "X-RateLimit-Limit": "60",
            "x-ratelimit-remaining": "0",
            "X-RATELIMIT-RESET": str(int(time.time()) + 40),
        }
        for name, value in {**limits, "X-Powered-By": "tea", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", self.behavior.media)
        if self.behavior.coding == "gzip":
            data = gzip.compress(data)
            self.send_header("Content-Encoding", "gzip")
        if self.behavior.coding == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.send_chunks(data, 37)
            return
        if self.protocol_version == "HTTP/1.1":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def independent(behavior: Behavior) -> Iterator[str]:
    """The independent implementation on a free port; gives `http://127.0.0.1:PORT`."""
    handler = type("Handler", (_Independent,), {"behavior": behavior, "protocol_version": behavior.protocol})
    with listening(handler) as url:
        yield url
