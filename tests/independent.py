"""An implementation of both vendors that shares no code with trunkline: plain `http.server`, with a temper.

It is lawful, but writes its JSON, its headers and its transport in its own way.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "sk_live_of_the_independent_0123"
TRUNK_ID = "8F14E45F-CEEA-467A-9575-1C1B1D8A0F01"


def trunk(number: int) -> dict[str, Any]:
    """A trunk of the list, in an order of keys and with properties of its own."""
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
class Temper:
    """How the implementation behaves: everything here is lawful, or an accident of a network."""

    trunks: int = 30
    protocol: str = "HTTP/1.0"
    coding: str = ""  # gzip, chunked
    media: str = "application/json; charset=UTF-8"
    busy: int = 0  # so many requests are answered 429 first
    redirect: str = ""
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    temper: Temper
    wbufsize = 1 << 16  # one packet an answer, so that no delayed acknowledgement slows a test

    def do_GET(self) -> None:
        temper = self.temper
        temper.seen.append((self.command, self.path, self.headers.get("Authorization")))
        if temper.redirect:
            self.send_response(302)
            self.send_header("Location", temper.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif temper.busy > 0:
            temper.busy -= 1
            self._answer(429, {"error": {"code": "SLOW_DOWN", "message": "wait"}}, {"Retry-After": "1"})
        else:
            self._answer(*self._routed())

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
        said = query.get("limit", ["20"])[0]
        if said.lstrip("-").isdigit() and not (
            said.isascii() and said.isdigit() and 1 <= int(said[:15]) <= 100 and len(said) < 12
        ):
            return 400, {"error": {"code": "INVALID_PARAMS", "message": "limit: 1 to 100"}}
        items = [trunk(number) for number in range(self.temper.trunks)]
        status = query.get("status", [""])[0]
        if status in ("active", "inactive", "error"):
            items = [item for item in items if item["status"] == status]
        page = {"total": len(items), "offset": offset, "limit": limit}
        return 200, {"pagination": page, "trunks": items[offset : offset + limit]}

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body, indent=1, ensure_ascii=status != 200).encode()
        self.send_response(status)
        limits = {"X-RateLimit-Limit": "60", "x-ratelimit-remaining": "0", "X-RATELIMIT-RESET": "1900000000"}
        for name, value in {**limits, "X-Powered-By": "tea", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", self.temper.media)
        if self.temper.coding == "gzip":
            data = gzip.compress(data)
            self.send_header("Content-Encoding", "gzip")
        if self.temper.coding == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(data), 37):
                piece = data[start : start + 37]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        if self.protocol_version == "HTTP/1.1":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's word
        """Says nothing."""


@contextmanager
def served(temper: Temper) -> Iterator[str]:
    """The implementation on a port of the kernel's choice; gives `http://127.0.0.1:PORT`."""
    handler = type("Handler", (_Handler,), {"temper": temper, "protocol_version": temper.protocol})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
