"""Addresses of servers: which host is this machine, and how a client calls a server."""

from __future__ import annotations

import ipaddress
import re

_ADDRESS = re.compile(r"(?:localhost|[0-9.]+|\[[0-9a-f:.]+\])(?::[0-9]+)?", re.IGNORECASE | re.ASCII)
MAX_PORT = 65535


def is_loopback(host: str) -> bool:
    """Whether a host name or an address is that of the machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def address_of(scheme: str, host: str, server: tuple[str, int] | None) -> str:
    """The address of a server for a client that sent the field `Host`: `http://127.0.0.1:8900`.

    A `Host` is repeated only if it is an address itself. Any other may be a stranger's name, and then it is the address
    of the `server`, if that is known.
    """
    return f"{scheme}://{host}" if _ADDRESS.fullmatch(host) or not server else root_url(scheme, *server)


def root_url(scheme: str, host: str, port: int) -> str:
    """The address of a host, which is a name or an IP address: `http://[::1]:8900`."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
