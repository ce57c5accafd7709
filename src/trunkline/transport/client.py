"""Owns HTTP on a socket: exact bytes, one deadline.

>>> live = http("https://api.example.com/v1", timeout=5)
>>> live(Request("GET", "/trunks", "limit=10")).status
200
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, IncompleteRead
from queue import Empty, SimpleQueue
from typing import Any, cast
from urllib.parse import SplitResult, urljoin, urlsplit

from trunkline.errors import Redirected, TargetError, UsageError
from trunkline.exchange import Headers, Request, Response
from trunkline.transport.asgi import LIMIT, fields, line, seconds
from trunkline.transport.content_coding import unpacked

_PORTS = {"http": 80, "https": 443}
_KEPT = 8
_SLACK = 1 << 20
_FOLD = re.compile(r"\s*\r\n\s+")


def http(base: str, *, timeout: float = 10.0, max_bytes: int = LIMIT) -> Http:
    """The implementation at the address `base`: `http("https://api.example.com/v1")`.

    Whatever it does, a call is over within `timeout` seconds. Raises `UsageError` for an address that cannot be meant.
    """
    timeout = seconds(timeout)
    parts, host, port = address(base)
    bracketed = f"[{host}]" if ":" in host else host
    authority = bracketed if port == _PORTS[parts.scheme] else f"{bracketed}:{port}"
    context = None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
    return Http(
        base=f"{parts.scheme}://{authority}{parts.path.rstrip('/')}",
        timeout=timeout,
        max_bytes=max_bytes,
        name=f"{bracketed}:{port}",
        _host=host,
        _port=port,
        _context=context,
    )


def address(base: str) -> tuple[SplitResult, str, int]:
    """The parts of a base address, its host as it is looked up, and its port.

    Raises `UsageError` for what is none, with a sentence that quotes nothing: it may be a secret.
    """
    example = "write it like https://api.example.com/v1"
    try:
        parts = urlsplit(base)
        port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        raise UsageError(f"the base address has a host or a port that cannot be; {example}") from None
    if parts.scheme not in _PORTS:
        raise UsageError(f"the base address does not begin with http:// or https://; {example}")
    if "@" in parts.netloc:
        raise UsageError(f"the base address holds a user name or password; pass the credential by itself and {example}")
    if not host or port == 0:
        raise UsageError(f"the base address has no host, or port 0; {example}")
    if "?" in base or "#" in base:
        raise UsageError(f"the base address has a query or a fragment, which no path can follow; {example}")
    rest = base.replace(parts.netloc, host, 1)
    if rest != line(rest):
        raise UsageError(f"the base address holds spaces, control characters or unquoted letters; {example}")
    return parts, host, port


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Http:
    """A target over HTTP/1.1 that writes path and query to the wire exactly as they are, and follows no redirect.

    `base` is its address and `name` its host and port, as errors print it. Connections are kept between requests.
    """

    base: str
    timeout: float
    max_bytes: int
    name: str
    _host: str = field(repr=False)
    _port: int = field(repr=False)
    _context: ssl.SSLContext | None = field(repr=False)
    _idle: list[_Wire] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, _close, self._idle)

    def close(self) -> None:
        """Lets the kept connections go; a later request opens new ones."""
        _close(self._idle)

    def __call__(self, request: Request) -> Response:
        until = time.monotonic() + self.timeout
        message = self._message(request)
        try:
            response = self._exchange(request.method, message, until)
        except (OSError, HTTPException, _Endless) as error:
            # Not `from error`: what the other side sent may echo the credential.
            raise TargetError(self._sentence(error)) from None
        location = response.header("location")
        if 300 <= response.status < 400 and response.status != 304 and location is not None:
            raise Redirected(
                f"{self.name} answered {response.status} to {self._place(location)}; trunkline never follows "
                "a redirect, so that the credential goes nowhere else; pass the final address with --url",
                response,
            )
        return unpacked(response, self.max_bytes, self.name)

    def _message(self, request: Request) -> bytes:
        _, _, rest = self.base.partition("://")
        authority, slash, path = rest.partition("/")
        target = line(slash + path + request.target)
        if not target.startswith(("/", "*")):
            target = "/" + target
        head = [f"{request.method} {target} HTTP/1.1".encode()]
        head += [name + b": " + value for name, value in fields(request, authority)]
        return b"\r\n".join(head) + b"\r\n\r\n" + request.body

    def _exchange(self, method: str, message: bytes, until: float) -> Response:
        answer: HTTPResponse | None = None
        wire = self._kept()
        if wire is not None:
            # A kept connection may end just now; only what changes nothing is said twice (RFC 9112, section 9.3.1).
            with suppress(*((ConnectionError,) if method in {"GET", "HEAD"} else ())):
                answer = _begin(wire, method, message, until, self.max_bytes)
        if wire is None or answer is None:
            wire = self._connect(until)
            answer = _begin(wire, method, message, until, self.max_bytes)
        try:
            response = Response(answer.status, _headers(answer), _body(answer))
        except BaseException:
            wire.close()
            raise
        if answer.will_close or len(self._idle) >= _KEPT:
            wire.close()
        else:
            self._idle.append(wire)
        return response

    def _kept(self) -> _Wire | None:
        """A connection on which nothing has come since the last answer, not even its end."""
        while self._idle:
            with suppress(IndexError):  # another thread was quicker
                wire = self._idle.pop()
                if wire.silent():
                    return wire
                wire.close()
        return None

    def _connect(self, until: float) -> _Wire:
        addresses = _resolved(self._host, self._port, until)
        failure = OSError("no address")
        for place, (family, kind, protocol, _, address) in enumerate(addresses):
            plug = socket.socket(family, kind, protocol)
            try:
                plug.settimeout(_left(until) / (len(addresses) - place))
                plug.connect(address)
                plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    plug.settimeout(_left(until))
                    plug = self._context.wrap_socket(plug, server_hostname=self._host.rstrip("."))
                return _Wire(plug)
            except OSError as error:
                plug.close()
                failure = error
        raise failure

    def _place(self, location: str) -> str:
        """Where a redirect leads, in our words alone: whatever its address holds may be a secret."""
        with suppress(ValueError):
            parts = urlsplit(urljoin(self.base, location))
            if (parts.hostname or "").encode("idna").decode() != self._host:
                return "another host"
            scheme, _, _ = self.base.partition(":")
            if (parts.scheme, parts.port or _PORTS.get(parts.scheme)) == (scheme, self._port):
                return "another path"
            return "the same host over https" if parts.scheme == "https" != scheme else "another port of the same host"
        return "an address that cannot be read"

    def _sentence(self, error: Exception) -> str:
        words = next(words for kinds, words in _TROUBLE if isinstance(error, kinds))
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        reason = reason or getattr(error, "strerror", None) or type(error).__name__
        return f"{self.name} {words.format(timeout=self.timeout, max_bytes=self.max_bytes, reason=reason)}"


class _Endless(Exception):
    """More bytes came than the caller would hold."""


class _Wire(io.RawIOBase):
    """A connection whose every use ends at the moment `until`, however slowly the other side drips."""

    def __init__(self, plug: socket.socket) -> None:
        super().__init__()
        self.plug = plug
        self.reader = _Reader(self)
        self.until: float | None = None
        self.allowed = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.plug.settimeout(0 if self.until is None else _left(self.until))
        count = self.plug.recv_into(buffer)
        self.allowed -= count
        if self.allowed < 0:
            raise _Endless
        return count

    def say(self, message: bytes, until: float) -> None:
        view = memoryview(message)
        while view:
            self.plug.settimeout(_left(until))
            view = view[self.plug.send(view) :]

    def silent(self) -> bool:
        """Whether the other side has neither spoken nor gone since the last answer."""
        self.until, self.allowed = None, io.DEFAULT_BUFFER_SIZE
        try:
            self.reader.peek(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        self.plug.close()
        super().close()


class _Reader(io.BufferedReader):
    """Outlives the answers read from it, which would close it; that is left to the connection."""

    def makefile(self, _mode: str) -> _Reader:
        return self

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _begin(wire: _Wire, method: str, message: bytes, until: float, max_bytes: int) -> HTTPResponse:
    """The final answer's status and header fields; the body is still on the wire."""
    wire.until, wire.allowed = until, max_bytes + _SLACK
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # a refusal (413) can come before the body has gone
            wire.say(message, until)
        while True:
            answer = HTTPResponse(cast("socket.socket", wire.reader), method=method)
            answer.begin()
            if answer.status >= 200:
                return answer
    except BaseException:
        wire.close()
        raise


def _headers(answer: HTTPResponse) -> Headers:
    rest = answer.msg.get_payload()
    if isinstance(rest, str) and rest.strip():
        raise HTTPException("a header line without a colon hides those after it")
    return tuple((name.lower(), _FOLD.sub(" ", value).strip()) for name, value in answer.getheaders())


def _body(answer: HTTPResponse) -> bytes:
    parts = []
    try:
        while part := answer.read(1 << 16):
            parts.append(part)
    except ValueError:
        raise HTTPException("a chunk of a size below zero") from None
    if answer.length:
        raise IncompleteRead(b"", answer.length)
    return b"".join(parts)


def _resolved(host: str, port: int, until: float) -> list[tuple[Any, ...]]:
    """The addresses of a host, asked for in a thread: a resolver knows no deadline."""
    found: SimpleQueue[list[tuple[Any, ...]] | OSError] = SimpleQueue()

    def resolve() -> None:
        try:
            found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            found.put(error)

    threading.Thread(target=resolve, name="trunkline-resolve", daemon=True).start()
    try:
        addresses = found.get(timeout=_left(until))
    except Empty:
        raise TimeoutError from None
    if isinstance(addresses, OSError):
        raise addresses
    return addresses


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _close(wires: list[_Wire]) -> None:
    while wires:
        with suppress(IndexError):
            wires.pop().close()


_TROUBLE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((_Endless,), "answers without end: more than {max_bytes} bytes came; look into its log"),
    ((TimeoutError,), "did not answer in full within {timeout:g} s; see that it is up, or allow more time"),
    ((socket.gaierror,), "is unknown: no such host is found; check the address given with --url"),
    (
        (ssl.SSLCertVerificationError,),
        "has a certificate that is not trusted ({reason}); SSL_CERT_FILE names its issuer",
    ),
    ((ssl.SSLError,), "does not speak TLS as it should ({reason}); check http:// or https:// in --url"),
    ((ConnectionRefusedError,), "refuses connections; start it, or check the address given with --url"),
    ((ConnectionError, IncompleteRead), "closed the connection before its answer was complete; look into its log"),
    ((HTTPException,), "did not answer in HTTP/1.1; check the address given with --url"),
    ((OSError,), "cannot be reached ({reason}); check the address given with --url"),
)
"""What to say of each kind of trouble after `host:port`; the first that fits, speaks."""
