"""A guard for the time of a test: no connection reaches a vendor's real host, or each one is redirected to a mock.

Three steps of a connection are seen below every HTTP library. When the name is resolved, the guard gives an address
that stands for the real one, or fails the test. When a socket connects to this address, it connects to a server of this
process instead. When TLS begins, the guard lets the client trust that server, and refuses every other peer of the name:
so no request goes out by another way, such as a proxy or a resolver that is not Python.

The client's own SSL context gets the certificate authority, since a context cannot be copied, and it keeps it. The
authority is one of this process, and its key stays in memory.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pytest

from trunkline.contract.http import plain_host
from trunkline.errors import UsageError
from trunkline.plugin.mocks import Mount

if TYPE_CHECKING:
    import asyncio

    from trunkline.contract.model import Contract
    from trunkline.mock.recording import RecordingMock

_SWITCH = "--trunkline-allow-real-hosts"

_T = TypeVar("_T")

_OWN = ("localhost", "127.0.0.1", "::1")
"""Hosts that are not guarded, whatever a contract says: a mock is there too."""


# --- a server for a real host -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listener:
    """A server of this process that stands for a vendor's real host."""

    vendor: str
    host: str
    ports: tuple[object, ...]
    """The real port, in each way in which a client may name it: `(None, 443, "443", "https")`."""
    stand_in: str
    """The address that the name of the host gets, a loopback address at which nobody listens: `127.84.0.1`."""
    address: tuple[str, int]
    """The address of this server: `("127.0.0.1", 40123)`."""
    mount: Mount
    authority: str = ""
    """The certificate authority to trust, in PEM."""
    certificate: bytes | None = None
    """The server's certificate, in DER."""


@contextmanager
def listening() -> Iterator[Callable[[Contract], Listener]]:
    """A function that starts the listener for a contract, once."""
    from trunkline.transport import server, tls  # noqa: PLC0415 - only if a test intercepts

    authority = cache(tls.Authority)
    stand_ins = (f"127.84.0.{number}" for number in range(1, 255))
    with ExitStack() as stack:

        @cache
        def listen(contract: Contract) -> Listener:
            scheme, mount = urlsplit(contract.url).scheme, Mount(contract.url)
            host, port = contract.host, contract.port
            context = authority().issue(host) if scheme == "https" else None
            url = urlsplit(stack.enter_context(server.running(server.asgi({contract.base_path: mount}), tls=context)))
            address, ports = (url.hostname or "", url.port or 0), (None, port, str(port), scheme)
            if not context:
                return Listener(contract.vendor, host, ports, next(stand_ins), address, mount)
            trusted = authority().certificate.decode()
            certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address))
            return Listener(contract.vendor, host, ports, next(stand_ins), address, mount, trusted, certificate)

        yield listen


# --- the guard --------------------------------------------------------------------------------------------------------


class Guard:
    """The guard of one test. `hosts` are those that it must not reach, each with its vendor.

    >>> guard = Guard("test_client.py::test_lists", {"api.acme.example": "acme"})
    >>> guard.redirect(listener, mock)  # from now on, api.acme.example is redirected to the mock
    >>> guard.undo()
    >>> guard.refused  # connections of which pytest has not been told, as the client may have swallowed the error
    []
    """

    def __init__(self, test: str, hosts: Mapping[str, str]) -> None:
        self.refused: list[str] = []
        self._test = test
        self._vendors = {host: vendor for host, vendor in hosts.items() if host not in _OWN}
        self._listeners: dict[str, Listener] = {}
        self._redirects = False
        self._changes = ExitStack()
        # `socket.getaddrinfo` calls this one, also when a library has imported that by name.
        self._replace(_socket, "getaddrinfo", self._resolving)
        for kind in (ssl.SSLSocket, ssl.SSLObject):
            self._replace(kind, "do_handshake", self._verifying)
        # Two libraries, if they are used, resolve names and connect outside Python.
        if uvloop := sys.modules.get("uvloop"):
            self._replace(uvloop.Loop, "getaddrinfo", lambda _: _resolve_in_a_thread)
            self._replace(uvloop.Loop, "create_connection", self._creating_connections)
        if resolver := sys.modules.get("aiohttp.resolver"):
            self._replace(resolver.AsyncResolver, "resolve", lambda _: resolver.ThreadedResolver.resolve)
        self._bypass_proxies(*self._vendors)

    def redirect(self, listener: Listener, mock: RecordingMock) -> None:
        """Redirect a vendor's real host to a listener, whose requests go to a mock. Raises `UsageError`."""
        other = self._listeners.setdefault(listener.host, listener)
        if other is not listener:
            names = f"{other.vendor} and {listener.vendor}"
            raise UsageError(f"{names} have the same host, {listener.host}; a test can intercept one of them")
        self._replace(listener.mount, "mock", lambda _: mock)
        self._bypass_proxies(listener.host)
        self._listeners[listener.stand_in] = listener

    def undo(self) -> None:
        """Undo what the guard has changed."""
        self._changes.close()

    def _replace(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        """Replace an attribute until `undo`, or until another does so: pytest-socket puts back what it found."""
        before = getattr(owner, name)
        after = wrap(before)

        def undo() -> None:
            if getattr(owner, name) is after:
                setattr(owner, name, before)

        setattr(owner, name, after)
        self._changes.callback(undo)

    def report(self, error: BaseException | None = None) -> None:
        """Fail for the connections that were refused since the last call; for a test that fails anyway, add a note."""
        sentences, self.refused = [*dict.fromkeys(self.refused)], []
        if sentences and not error:
            raise pytest.fail.Exception("\n".join(sentences), pytrace=False)
        for sentence in sentences:
            if error and sentence not in str(error):
                error.add_note(sentence)

    def _bypass_proxies(self, *hosts: str) -> None:
        name = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"  # clients prefer the first
        if hosts and os.environ.get(name) != "*":
            self._changes.enter_context(pytest.MonkeyPatch.context()).setenv(name, ",".join(hosts), prepend=",")

    def _resolving(self, resolve: Callable[..., _T]) -> Callable[..., _T]:
        """The function `getaddrinfo` that knows what stands for a real host."""

        def getaddrinfo(host: object, *options: object, **named: object) -> _T:
            listener = self._listeners.get(_name(host))
            if not listener and _name(host) in self._vendors:  # no client retries after pytest's exception
                raise pytest.fail.Exception(self._refuse(host), pytrace=False)
            # As late as this, since pytest-socket replaces the two methods when a test begins.
            if listener and not self._redirects:
                self._redirects = True
                for name in ("connect", "connect_ex"):
                    self._replace(socket.socket, name, self._connecting)
            return resolve(listener.stand_in if listener else host, *options, **named)

        return getaddrinfo

    def _connecting(self, connect: Callable[[socket.socket, Any], _T]) -> Callable[[socket.socket, Any], _T]:
        """The method `connect`, redirected to the listeners."""
        return lambda sock, address: connect(
            sock, self._redirected(*address) if isinstance(address, tuple) else address
        )

    def _creating_connections(self, create: Callable[..., _T]) -> Callable[..., _T]:
        """The method `create_connection` of an event loop, redirected to the listeners."""

        def create_connection(loop: Any, factory: Any, host: Any = None, port: Any = None, **options: Any) -> _T:
            if options.get("ssl"):
                options.setdefault("server_hostname", host)
            return create(loop, factory, *self._redirected(host, port), **options)

        return create_connection

    def _redirected(self, host: object, port: object = None, *rest: object) -> tuple[object, ...]:
        """The address of the listener for a host; any other host as it is. Raises `ConnectionRefusedError`."""
        listener = self._listeners.get(_name(host))
        if listener and port in listener.ports:
            return listener.address
        if listener or _name(host) in self._vendors:  # a client closes its socket after this exception
            raise ConnectionRefusedError(errno.ECONNREFUSED, self._refuse(host, f"at port {port!r}"))
        return (host, port, *rest)

    def _verifying(self, handshake: Callable[..., None]) -> Callable[..., None]:
        """The method `do_handshake` that trusts the listeners alone."""

        def do_handshake(peer: ssl.SSLSocket | ssl.SSLObject, *options: object, **named: object) -> None:
            host = "" if peer.server_side else peer.server_hostname
            listener = self._listeners.get(_name(host))
            if listener and listener.certificate:
                peer.context.load_verify_locations(cadata=listener.authority)
            elif listener or _name(host) in self._vendors:  # an event loop would not pass on pytest's exception
                raise ssl.SSLError(ssl.SSL_ERROR_SSL, self._refuse(host))
            handshake(peer, *options, **named)
            if listener and peer.getpeercert(binary_form=True) != listener.certificate:
                raise ssl.SSLError(ssl.SSL_ERROR_SSL, self._refuse(host))

        return do_handshake

    def _refuse(self, host: object, way: str = "") -> str:
        """Note that a connection was refused, and say so in one sentence."""
        name = _name(host)
        if listener := self._listeners.get(name):
            way = way or "through a proxy, or with a resolver that is not Python"
            past = f"past the mock of {listener.vendor}"
            advice = "`trunkline docs plugin hosts-that-are-hard-coded` says what can be intercepted"
            sentence = f"{self._test} would reach {listener.host} {past}, {way}; {advice}"
        else:
            vendor = self._vendors[name]
            advice = f'mark it @pytest.mark.trunkline("{vendor}", intercept=True), or allow it with {_SWITCH}'
            sentence = f"{self._test} would reach {name}, the real host of {vendor}; {advice}"
        self.refused.append(sentence)
        return sentence


def _name(host: object) -> str:
    """The name of a host, as a client may write it, in the one way in which a contract has it."""
    return plain_host(host.decode("latin-1") if isinstance(host, bytes | bytearray) else str(host))


async def _resolve_in_a_thread(loop: asyncio.AbstractEventLoop, host: Any, port: Any, **options: Any) -> object:
    """The method `getaddrinfo` of an event loop."""
    return await loop.run_in_executor(None, partial(socket.getaddrinfo, host, port, **options))
