"""A target over HTTP/1.1: exact bytes on the wire, and one deadline for the whole call.

    >>> live = http("https://api.example.com/v1", timeout=5)
    >>> live(Request("GET", "/trunks", "limit=10")).status
    200

h11 writes and parses the messages; this module moves the bytes. The usual clients do not fit: httpcore (httpx) takes
bytes that follow an answer for the next answer, and all of them bound each socket operation instead of the whole call.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import weakref
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import h11

from trunkline.contract.http import PORTS
from trunkline.errors import Redirected, TargetError, UsageError
from trunkline.exchange import Request, Response
from trunkline.transport.content_coding import received
from trunkline.transport.messages import MAX_BODY, check_timeout, encode_target, header_fields

_MAX_IDLE = 8
_MAX_OVERHEAD = 1 << 20
"""The most bytes around a body: chunk sizes and trailers, and apart from them the head with all interim responses."""

_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY", b"PUT", b"DELETE"})
"""Methods whose request may be sent again if a connection ends without an answer (RFC 9110, section 9.2.2)."""

_CLOSED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux only. A server that sends header and body separately, such as http.server, waits 40 ms for the delayed
acknowledgement of the first part unless the client acknowledges at once."""

_Addresses: TypeAlias = list[tuple[Any, ...]]


def http(base: str, *, timeout: float = 10.0, max_bytes: int = MAX_BODY) -> Http:
    """The implementation at the address `base`: `http("https://api.example.com/v1")`.

    Every call ends within `timeout` seconds. Raises `UsageError` for an address that cannot be used.
    """
    check_timeout(timeout)
    at, context = address(base), None
    if at.scheme == "https":
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
    return Http(
        base=at.base,
        timeout=timeout,
        max_bytes=max_bytes,
        name=at.name,
        _host=at.host,
        _port=at.port,
        _context=context,
    )


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a base address: `address("https://api.example.com/v1")`."""

    scheme: str
    host: str
    """The host as it is looked up."""
    port: int
    root: str
    """The address of the root: `https://api.example.com`."""
    path: str
    """The path, without a slash at its end: `/v1`."""
    name: str
    """Host and port, as errors print them."""

    @property
    def base(self) -> str:
        """The whole address, without a slash at its end."""
        return self.root + self.path

    @property
    def authority(self) -> str:
        """Its `Host`: the host, and the port unless it is the default one of the scheme."""
        return self.root.partition("://")[2]


def address(base: str) -> Address:
    """The parts of a base address. Raises `UsageError` for an unusable one, without quoting what may be a secret."""
    example = "write it like https://api.example.com/v1"
    try:
        parts = urlsplit(base)
        port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        raise UsageError(f"the base address has an impossible host or port; {example}") from None
    if parts.scheme not in PORTS:
        raise UsageError(f"the base address does not begin with http:// or https://; {example}")
    if "@" in parts.netloc:
        raise UsageError(f"the base address holds a user name or password; pass the credential by itself and {example}")
    if not host or port == 0:
        raise UsageError(f"the base address has no host, or port 0; {example}")
    if "?" in base or "#" in base:
        raise UsageError(f"the base address has a query or a fragment, which no path can follow; {example}")
    rest = base.replace(parts.netloc, host, 1)
    if rest != encode_target(rest):
        raise UsageError(f"the base address holds spaces, control characters or unquoted letters; {example}")
    bracketed = f"[{host}]" if ":" in host else host
    authority = bracketed if port == PORTS[parts.scheme] else f"{bracketed}:{port}"
    root, path = f"{parts.scheme}://{authority}", parts.path.rstrip("/")
    return Address(parts.scheme, host, port, root, path, f"{bracketed}:{port}")


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Http:
    """A target over HTTP/1.1 that sends path and query exactly as they are, and follows no redirect.

    `base` is its address, `name` its host and port as errors print it. Idle connections are kept for later requests.
    """

    base: str
    timeout: float
    max_bytes: int
    name: str
    _host: str = field(repr=False)
    _port: int = field(repr=False)
    _context: ssl.SSLContext | None = field(repr=False)
    _idle: list[_Connection] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close the idle connections. A later request opens new ones."""
        _close_all(self._idle)

    def __call__(self, request: Request) -> Response:
        deadline = time.monotonic() + self.timeout
        try:
            response = self._exchange(self._head(request), request.body, deadline)
        except (OSError, h11.RemoteProtocolError, _WrongLength) as error:
            # No `from error`: the bytes from the other side may echo the credential.
            raise TargetError(self._describe(error)) from None
        except h11.LocalProtocolError:
            raise UsageError("host, content-length or transfer-encoding does not fit the request") from None
        location = response.header("location")
        if 300 <= response.status < 400 and response.status != 304 and location is not None:
            raise Redirected(
                f"{self.name} answered {response.status} to {self._describe_location(location)}; trunkline never "
                "follows a redirect, so that the credential goes nowhere else; pass the final address with --url",
                response,
            )
        return received(response, self.max_bytes, self.name)

    def _head(self, request: Request) -> h11.Request:
        authority, slash, path = self.base.partition("://")[2].partition("/")
        target = encode_target(slash + path + request.target)
        if not target.startswith(("/", "*")):
            target = "/" + target
        return h11.Request(method=request.method, target=target, headers=header_fields(request, authority))

    def _exchange(self, head: h11.Request, body: bytes, deadline: float) -> Response:
        idle = self._take_idle()
        if idle is not None and head.method not in _IDEMPOTENT:
            idle.close()  # the server may be about to close it, and the request could not be sent again
        elif idle is not None:
            try:
                return self._exchange_on(idle, head, body, deadline)
            except _CLOSED:
                if idle.received:
                    raise
        return self._exchange_on(self._connect(deadline), head, body, deadline)

    def _exchange_on(self, connection: _Connection, head: h11.Request, body: bytes, deadline: float) -> Response:
        try:
            response = connection.exchange(head, body, deadline)
        except BaseException:
            connection.close()
            raise
        if connection.is_reusable() and len(self._idle) < _MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    def _take_idle(self) -> _Connection | None:
        """An idle connection on which nothing arrived since the last answer, neither bytes nor its end."""
        while self._idle:
            with suppress(IndexError):  # another thread took the last one
                connection = self._idle.pop()
                if connection.is_silent():
                    return connection
                connection.close()
        return None

    def _connect(self, deadline: float) -> _Connection:
        addresses = _resolve(self._host, self._port, deadline)
        failure = OSError("no address")
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_time_left(deadline) / (len(addresses) - index))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    sock.settimeout(_time_left(deadline))
                    sock = self._context.wrap_socket(sock, server_hostname=self._host.rstrip("."))
                return _Connection(sock, self.max_bytes)
            except OSError as error:
                sock.close()
                failure = error
        raise failure

    def _describe_location(self, location: str) -> str:
        """Describe the target of a redirect without any part of its address: each may be a secret."""
        with suppress(ValueError):
            parts = urlsplit(urljoin(self.base, location))
            if (parts.hostname or "").encode("idna").decode() != self._host:
                return "another host"
            scheme = self.base.partition(":")[0]
            if (parts.scheme, parts.port or PORTS.get(parts.scheme)) == (scheme, self._port):
                return "another path"
            return "the same host over https" if parts.scheme == "https" != scheme else "another port of the same host"
        return "an address that cannot be read"

    def _describe(self, error: Exception) -> str:
        sentence = next(sentence for kinds, sentence in _ERROR_SENTENCES if isinstance(error, kinds))
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        reason = reason or getattr(error, "strerror", None) or type(error).__name__
        return f"{self.name} {sentence.format(timeout=self.timeout, max_bytes=self.max_bytes, reason=reason)}"


class _WrongLength(Exception):
    """An answer is longer than the caller accepts, or than it announces."""


class _TooLong(_WrongLength):
    """More bytes arrived than the caller accepts."""


class _HeadTooLong(_WrongLength):
    """The head of an answer, with the interim responses before it, does not end."""


class _NotAsAnnounced(_WrongLength):
    """More bytes follow than the content-length announces."""


class _Connection:
    """A socket and the state of HTTP/1.1 on it."""

    def __init__(self, sock: socket.socket, max_bytes: int) -> None:
        self._socket = sock
        self._max_bytes = max_bytes + 2 * _MAX_OVERHEAD
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._max_bytes)
        self.received = 0
        """The bytes of the current answer so far."""

    def exchange(self, head: h11.Request, body: bytes, deadline: float) -> Response:
        """Send a request and read the final answer. Raises `TimeoutError` at the deadline, and `_WrongLength`."""
        self.received = 0
        message = (self._http.send(head), self._http.send(h11.Data(body)), self._http.send(h11.EndOfMessage()))
        with suppress(BrokenPipeError, ConnectionResetError):  # a refusal (413) can arrive before the body has gone
            self._send(b"".join(part for part in message if part), deadline)
        start: h11.Response | None = None
        parts: list[bytes] = []
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                rest, ended = self._http.trailing_data
                if ended and (start or b"HTTP/".startswith(rest[:5])):
                    raise ConnectionError from None
                raise
            if event is h11.NEED_DATA:
                if start is None and self.received > _MAX_OVERHEAD:
                    raise _HeadTooLong
                self._http.receive_data(self._receive(deadline))
            elif isinstance(event, h11.Response):
                start = event
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif start and (isinstance(event, h11.EndOfMessage) or event is h11.PAUSED):
                rest = self._http.trailing_data[0].strip(b"\r\n")
                has_length = any(name == b"content-length" for name, _ in start.headers)
                if parts and has_length and rest and not rest.startswith(b"HTTP/"):  # no answer that nobody asked for
                    raise _NotAsAnnounced
                headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in start.headers)
                return Response(start.status_code, headers, b"".join(parts))

    def is_reusable(self) -> bool:
        """Whether the next request may be sent here: both sides are done, and nothing follows the answer."""
        if self._http.trailing_data[0] or {self._http.our_state, self._http.their_state} != {h11.DONE}:
            return False
        self._http.start_next_cycle()
        return True

    def is_silent(self) -> bool:
        """Whether the other side has neither sent a byte nor closed the connection since the last answer."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        self._socket.close()

    def _send(self, message: bytes, deadline: float) -> None:
        view = memoryview(message)
        while view:
            self._socket.settimeout(_time_left(deadline))
            view = view[self._socket.send(view) :]

    def _receive(self, deadline: float) -> bytes:
        if _QUICKACK is not None:  # Linux forgets it after a while
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        self._socket.settimeout(_time_left(deadline))
        data = self._socket.recv(1 << 16)
        self.received += len(data)
        if self.received > self._max_bytes:
            raise _TooLong
        return data


def _resolve(host: str, port: int, deadline: float) -> _Addresses:
    """The addresses of a host. The lookup runs in a thread, because `getaddrinfo` takes no timeout."""
    found: Future[_Addresses] = Future()

    def lookup() -> None:
        try:
            found.set_result(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            found.set_exception(error)

    threading.Thread(target=lookup, name="trunkline-resolve", daemon=True).start()
    return found.result(_time_left(deadline))


def _time_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _close_all(connections: list[_Connection]) -> None:
    while connections:
        with suppress(IndexError):  # another thread took the last one
            connections.pop().close()


_ERROR_SENTENCES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((_TooLong,), "sent more than {max_bytes} bytes; check the server"),
    ((_HeadTooLong,), f"sent more than {_MAX_OVERHEAD} bytes of status lines and header fields; check the server"),
    ((_NotAsAnnounced,), "sent more bytes than its content-length announces; check the server"),
    ((TimeoutError,), "did not answer in full within {timeout:g} s; see that it is up, or allow more time"),
    ((socket.gaierror,), "is unknown: no such host is found; check the address given with --url"),
    (
        (ssl.SSLCertVerificationError,),
        "has a certificate that is not trusted ({reason}); if you trust it, set SSL_CERT_FILE to the file of its CA",
    ),
    ((ssl.SSLError,), "does not speak TLS as it should ({reason}); check http:// or https:// in --url"),
    ((ConnectionRefusedError,), "refuses connections; start it, or check the address given with --url"),
    ((ConnectionError,), "closed the connection before its answer was complete; check the server"),
    ((h11.RemoteProtocolError,), "did not answer in HTTP/1.1; check the address given with --url"),
    ((OSError,), "cannot be reached ({reason}); check the address given with --url"),
)
"""The sentence for each kind of error, after `host:port`; the first entry that matches is used."""
