"""Which recorded requests are for the vendor's API, by their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from trunkline.contract.http import PORTS
from trunkline.contract.model import Contract
from trunkline.errors import UsageError
from trunkline.findings import truncate
from trunkline.traffic.messages import path_below_base
from trunkline.transport.addresses import is_loopback

_NOT_HTTP = frozenset({"about", "blob", "chrome", "chrome-extension", "data", "file", "moz-extension"})
"""The schemes of addresses that browsers record, and that are no requests to an API."""
_WEB_SOCKET = frozenset({"ws", "wss"})
LONGEST_ADDRESS = 200
"""The number of characters of an address that an error shows."""


class NoOperation(UsageError):
    """The request is none of the contract's."""


class OtherHost(NoOperation):
    """The request is not for the vendor's API. `host` is where it went, or a scheme: `fonts.example.com`, `data:`.

    A WebSocket has both: `wss://chat.example.com`.
    """

    def __init__(self, host: str) -> None:
        super().__init__(f"it is a request to {host}")
        self.host = host

    def __reduce__(self) -> tuple[type[OtherHost], tuple[str]]:
        return OtherHost, (self.host,)


class Addresses:
    """The addresses of a vendor's API: those below the `bases`, or without any all that look like it.

    Those are the host of the contract, the machine itself below the base path of the contract, and any other host where
    the path below that base path is one of the contract. `trusted` says that the user has named the host of each.
    """

    def __init__(self, contract: Contract, bases: Sequence[str] = (), *, trusted: bool = False) -> None:
        self.contract, self._trusted = contract, trusted
        self._bases = [*map(_base, bases)]

    def path_of(self, method: str, url: str) -> tuple[str, str]:
        """The path of a request below the vendor's base address, and its query.

        Raises `OtherHost` for a request to another API, and `NoOperation` for one that is none of the contract's.
        """
        scheme = url.partition(":")[0].lower()
        if scheme in _NOT_HTTP:
            raise OtherHost(f"{scheme}:")
        address = urlsplit(url)
        host = address.netloc.rpartition("@")[2].lower()  # a user name and a query may be secrets
        if scheme in _WEB_SOCKET:
            raise OtherHost(truncate(f"{scheme}://{host}", LONGEST_ADDRESS))
        path = self._below_a_base(address) if self._bases else path_below_base(self.contract, address.path)
        if path is not None and self.contract.match(path)[0]:
            return path, address.query
        if not host and not address.path.startswith("/"):
            raise UsageError("its url is no address: it has no host, and does not begin with /")
        known = address.hostname == self.contract.host or (path is not None and is_loopback(address.hostname or ""))
        if host and not (path is not None if self._bases else known):
            raise OtherHost(truncate(host, LONGEST_ADDRESS))
        shown = truncate(address._replace(netloc=host, query="", fragment="").geturl(), LONGEST_ADDRESS)
        raise NoOperation(f"{truncate(method, 20)} {shown} is no operation of {self.contract.vendor}")

    def base_of(self, url: str, path: str) -> str:
        """The address below which a request to `path` was sent: `https://api.example.com/v1`.

        It is one of the `bases`, if there are any. Otherwise it is empty unless it is trusted, or of the contract's
        host or this machine: a report sends a credential there, and whoever writes a recording does not choose who
        gets it.
        """
        address = urlsplit(url)
        if base := self._named(address):
            return f"{base.scheme}://{base.netloc}{base.path}"
        known = self._trusted or address.hostname == self.contract.host or is_loopback(address.hostname or "")
        if not known or address.scheme not in PORTS or "@" in address.netloc:
            return ""
        return f"{address.scheme}://{address.netloc}{address.path.removesuffix(path)}"

    def _below_a_base(self, address: SplitResult) -> str | None:
        base = self._named(address)
        return address.path[len(base.path) :] if base else None

    def _named(self, address: SplitResult) -> SplitResult | None:
        """The first of the `bases` that an address is below; one without a host is below each by its path."""
        for base in self._bases:
            is_there = not address.netloc or _origin(address) == _origin(base)
            if is_there and (address.path == base.path or address.path.startswith(f"{base.path}/")):
                return base
        return None


def _base(url: str) -> SplitResult:
    """A base address that the user names. Raises `UsageError` for one that is none."""
    try:
        address = urlsplit(url)
        if address.scheme in PORTS and address.hostname and address.port != 0 and not address.query:
            return address._replace(netloc=address.netloc.rpartition("@")[2], path=address.path.rstrip("/"))
    except ValueError:
        pass
    raise UsageError("--base is the address that stands for the vendor's, such as https://gateway.example.com/v1")


def _origin(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme.lower(), address.hostname, address.port or PORTS.get(address.scheme.lower())
