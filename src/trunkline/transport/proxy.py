"""The server as a proxy: the mocks answer for the vendors' hosts, and other hosts are refused or passed on.

    CONNECT api.acme.example:443 HTTP/1.1           is answered with 200; TLS for that host follows, and the mock in it
    GET http://api.acme.example/v1/trunks HTTP/1.1  is answered by the mock

Only a client on this machine has other hosts passed on to it, so the proxy is open to nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import h11

from trunkline.contract.http import PORTS, plain_host
from trunkline.contract.model import Contract
from trunkline.exchange import error_response
from trunkline.findings import to_text, truncate
from trunkline.transport.access import RESERVED, RequestRefused
from trunkline.transport.addresses import is_loopback
from trunkline.transport.forwarding import forward, is_itself, reached, refusal_of_itself
from trunkline.transport.protocol import MAX_HEAD, ServerConnection
from trunkline.transport.scope import SCHEME, TUNNEL, ASGIApp, Message, Receive, Send
from trunkline.transport.tls import HANDSHAKE

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger("trunkline.transport.proxy")

_CONNECT = b"CONNECT "
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^][:@/?#\s]+))(?::([0-9]{1,5}))?")
_LOWEST_PORT = 1024
"""Lower ones than this belong to the services of a machine, such as mail, and are left alone but for those of HTTP."""

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_TOO_LONG = 431


class Proxy:
    """The proxy of a server: it lets `app` answer for the hosts of the contracts, each below its base path.

    `issue` makes a server's context for a host; with `passes_on`, other hosts are reached for clients on this machine.
    """

    def __init__(
        self, contracts: Iterable[Contract], app: ASGIApp, issue: Callable[[str], ssl.SSLContext], *, passes_on: bool
    ) -> None:
        self._app, self._issue, self._passes_on = app, issue, passes_on
        self._bases: dict[str, list[str]] = {}
        self._ports: dict[str, set[int]] = {}
        for contract in contracts:
            self._bases.setdefault(contract.host, []).append(contract.base_path)
            self._ports.setdefault(contract.host, set()).add(contract.port)
            issue(contract.host)  # at the start, so that the first client does not wait for it

    def connection(
        self, server: uvicorn.Server, state: dict[str, Any], explain_failure: Callable[[OSError], None]
    ) -> ProxyConnection:
        """A connection of a client that may use the server as this proxy; a failed handshake is explained."""
        return ProxyConnection(server, state, self, explain_failure)

    def open(self, target: str, client: str, own: tuple[str, int]) -> ssl.SSLContext | tuple[str, int]:
        """The context with which the mock answers in a tunnel to `host:port`, or the host and port to reach.

        Raises `RequestRefused` for a client at the address `client` who may not have it from the server at `own`.
        """
        host, port = _authority(target)
        if port is None:
            raise RequestRefused(400, "CONNECT names no port; send CONNECT host:port")
        if host in self._bases:
            if port in self._ports[host]:
                return self._issue(host)
            ports = " and ".join(map(str, sorted(self._ports[host])))
            raise RequestRefused(403, f"{_shown(host)} is mocked on port {ports}, not on {port}")
        if _is_own(host, port, own):
            raise refusal_of_itself(f"{_shown(host)}:{port}")
        self._check_pass(host, port, client)
        return host, port

    async def answer(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application for requests in a tunnel, and for those with a whole address as their target."""
        try:
            await self._choose(scope)(scope, receive, send)
        except RequestRefused as refused:
            log.info("%s refused: %s", scope["method"], refused.sentence)
            answer = error_response(refused.status, refused.sentence)
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

    def _choose(self, scope: Message) -> ASGIApp:
        sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        host, port = _authority(sent[0] if len(sent) == 1 else "")
        tunnel, own = scope["state"].get(TUNNEL), scope.get("server") or ("", 0)
        if tunnel and host != tunnel:
            raise RequestRefused(421, f"this connection leads to {tunnel}, and the Host is {_shown(host)}")
        if scope["method"] == "CONNECT":
            raise RequestRefused(400, "CONNECT is the first request of a connection, or it is not accepted")
        scheme = scope.get(SCHEME, scope["scheme"])
        port = port or PORTS[scheme]
        if host in self._bases:
            return self._vendor(host, port, scope["path"])
        if _is_own(host, port, own):
            return self._app
        client, _ = scope.get("client") or ("", 0)
        self._check_pass(host, port, client)
        return partial(forward, host=host, port=port, tls=scheme == "https", place=f"{_shown(host)}:{port}")

    def _vendor(self, host: str, port: int, path: str) -> ASGIApp:
        if port not in self._ports[host] | {80}:
            raise RequestRefused(403, f"{_shown(host)} is not mocked on port {port}")
        is_reserved = f"{path}/".startswith(f"{RESERVED}/")
        if is_reserved or not any(f"{path}/".startswith(f"{base}/") for base in self._bases[host]):
            bases = " or ".join(f"{base}/" for base in self._bases[host])
            raise RequestRefused(404, f"the mock of {host} answers below {bases} only")
        return self._app

    def _check_pass(self, host: str, port: int, client: str) -> None:
        """Raise `RequestRefused` unless the client may have the host."""
        mocked = ", ".join(self._bases)
        if not self._passes_on:
            raise RequestRefused(403, f"{_shown(host)} is not mocked here ({mocked}); --proxy-pass passes it on")
        if not is_loopback(client):
            raise RequestRefused(403, f"{_shown(host)} is passed on for clients on the proxy's own machine only")
        if port < _LOWEST_PORT and port not in PORTS.values():
            raise RequestRefused(
                403, f"port {port} of {_shown(host)} is not passed on; ports 80, 443 and those from 1024 are"
            )


class ProxyConnection(ServerConnection):
    """A connection whose first request may be a CONNECT, which makes it a tunnel to a mock or to another host."""

    def __init__(
        self,
        server: uvicorn.Server,
        state: dict[str, Any],
        proxy: Proxy,
        explain_failure: Callable[[OSError], None],
    ) -> None:
        super().__init__(server, state)
        self._proxy, self._explain_failure = proxy, explain_failure
        self._begin = b""
        self._parser: h11.Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._far: asyncio.Transport | None = None
        """The other end of a tunnel to another host."""
        self._is_far_open = False

    @property
    def is_closed(self) -> bool:
        return super().is_closed and not self._is_far_open

    def abort(self) -> None:
        if not super().is_closed:
            self.transport.abort()
        if self._far and self._is_far_open:
            self._far.abort()

    def data_received(self, data: bytes) -> None:
        if self._far:
            self._waits_since = None
            self._far.write(data)
        elif self._opening:  # after the handshake in a tunnel, and before its end is known here
            self._begin += data
        elif self._parser:
            self._read_head(data)
        else:
            self._begin += data
            if self._begin.startswith(_CONNECT) and TUNNEL not in self._state:
                self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
                self._read_head(self._begin)
            elif not _CONNECT.startswith(self._begin) or TUNNEL in self._state:
                super().data_received(self._begin)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._far:
            self._far.close()

    def pause_writing(self) -> None:
        if self._far:
            self._far.pause_reading()

    def resume_writing(self) -> None:
        if self._far:
            self._far.resume_reading()

    def _read_head(self, data: bytes) -> None:
        parser = cast("h11.Connection", self._parser)
        parser.receive_data(data)
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            wrong = "too long" if error.error_status_hint == _TOO_LONG else "not valid HTTP/1.1"
            self._refuse(RequestRefused(error.error_status_hint, f"the head of this CONNECT is {wrong}"))
            return
        if not isinstance(event, h11.Request):
            return
        client, own = (self.transport.get_extra_info(name) or ("", 0) for name in ("peername", "sockname"))
        target = event.target.decode("latin-1")
        try:
            found = self._proxy.open(target, client[0], own[:2])
        except RequestRefused as refused:
            log.info("CONNECT refused: %s", refused.sentence)
            self._refuse(refused)
            return
        rest, _ = parser.trailing_data
        opening = (
            self._answer(_authority(target)[0], found)
            if isinstance(found, ssl.SSLContext)
            else self._reach(*found, rest)
        )
        self._opening = asyncio.get_running_loop().create_task(opening)

    async def _answer(self, host: str, context: ssl.SSLContext) -> None:
        """Begin TLS in the tunnel, and read the requests in it."""
        self.transport.write(_ESTABLISHED)
        self._begin = b""  # nothing that was sent before the handshake is taken for a part of what follows it
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                self.transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
            if transport is None:
                raise ConnectionAbortedError
        except OSError as error:
            self._explain_failure(error)
            self.transport.abort()
            self.connection_lost(error)
            return
        self.connection_made(transport)
        self._state[TUNNEL] = host
        self._parser = self._opening = None
        if self._begin:
            super().data_received(self._begin)

    async def _reach(self, host: str, port: int, rest: bytes) -> None:
        """Connect to the host, and pass on what either side sends, beginning with the `rest` that is here already."""
        self.transport.pause_reading()
        loop, place = asyncio.get_running_loop(), f"{_shown(host)}:{port}"
        try:
            await reached(loop.create_connection(lambda: _FarEnd(self, place, rest), host, port), place)
        except RequestRefused as refused:
            self._refuse(refused)

    def join(self, far: asyncio.Transport, place: str, rest: bytes) -> None:
        """Make a tunnel to the other end at `place`, which gets the `rest` first."""
        if self.transport.is_closing():
            far.abort()
            return
        if is_itself(far, self.transport.get_extra_info("sockname")):
            far.abort()
            self._refuse(refusal_of_itself(place))
            return
        self._far, self._is_far_open = far, True
        self.transport.write(_ESTABLISHED)
        far.write(rest)
        self.transport.resume_reading()

    def part(self) -> None:
        """End the tunnel, as its other end has ended."""
        self._is_far_open = False
        self.transport.close()

    def pass_back(self, data: bytes) -> None:
        """Send what the other end of the tunnel sent."""
        self._waits_since = None
        self.transport.write(data)

    def _refuse(self, refused: RequestRefused) -> None:
        body = error_response(refused.status, refused.sentence).body
        reason = truncate(refused.sentence, 200).encode("ascii", "replace")  # clients show it, and not the body
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (refused.status, reason, len(body)) + body)
        self.transport.close()


class _FarEnd(asyncio.Protocol):
    """The end of a tunnel at another host."""

    def __init__(self, near: ProxyConnection, place: str, rest: bytes) -> None:
        self._near, self._place, self._rest = near, place, rest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near.join(cast("asyncio.Transport", transport), self._place, self._rest)

    def data_received(self, data: bytes) -> None:
        self._near.pass_back(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._near.part()

    def pause_writing(self) -> None:
        self._near.transport.pause_reading()

    def resume_writing(self) -> None:
        self._near.transport.resume_reading()


def _authority(text: str) -> tuple[str, int | None]:
    """The host, as it is compared, and the port if there is one. Raises `RequestRefused` for anything else."""
    found = _AUTHORITY.fullmatch(text)
    port = int(found[3]) if found and found[3] else None
    if not found or (port is not None and not 0 < port < 65536):
        raise RequestRefused(400, "the address is not a host and a port")  # and may hold a password
    return plain_host(found[1] or found[2]), port


def _is_own(host: str, port: int, own: tuple[str, int]) -> bool:
    """Whether a host and port are those of the server itself, as far as names tell."""
    return port == own[1] and (host == own[0] or is_loopback(host))


def _shown(text: str) -> str:
    return truncate(to_text(text).strip('"'), 100)
