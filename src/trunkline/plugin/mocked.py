"""Owns what a test holds: a vendor's mock, and each request that it was asked."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trunkline.errors import UsageError

if TYPE_CHECKING:
    from trunkline.exchange import Exchange, Request, Response, Target
    from trunkline.library import Vendor
    from trunkline.mock import Mock
    from trunkline.world import Record


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Asked:
    """One request that a test's mock was asked, and the status that it answered. Its print shows no credential."""

    _exchange: Exchange = field(compare=False)

    @property
    def method(self) -> str:
        return self._exchange.request.method

    @property
    def path(self) -> str:
        """The path below the base address, as sent: `/trunks`."""
        return self._exchange.request.path

    @property
    def query(self) -> str:
        """What follows the question mark, as sent: `limit=10&status=active`."""
        return self._exchange.request.query

    @property
    def headers(self) -> dict[str, str]:
        """The header fields; names in lower case, repeated ones joined by commas."""
        joined: dict[str, str] = {}
        for name, value in self._exchange.request.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined

    @property
    def body(self) -> bytes:
        return self._exchange.request.body

    @property
    def status(self) -> int:
        """The status of the answer: 200."""
        return self._exchange.response.status

    def __repr__(self) -> str:
        return f"<{self._exchange.request!r} -> {self.status}>"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Mocked:
    """A vendor's mock in one test. Each collection of the vendor is an attribute: `acme.trunks`."""

    vendor: Vendor
    target: Target
    """The mock, to be called in process."""
    requests: list[Asked]
    """What the mock was asked in this test, in order."""
    _mock: Mock
    _url: str = ""

    @property
    def url(self) -> str:
        """The base address, with the base path: `http://127.0.0.1:40123/v1`."""
        if not self._url:
            raise UsageError(f"{self.vendor.name}_target has no address; the fixture {self.vendor.name} has one")
        return self._url

    @property
    def token(self) -> str:
        """A credential that the mock knows; it opens the account whose records the collections show."""
        return self.vendor.world.token

    def __call__(self, request: Request) -> Response:
        return self.target(request)

    def __getattr__(self, name: str) -> tuple[Record, ...]:
        if name.startswith("_") or name not in self.vendor.world.collections:
            raise AttributeError(name)
        return copy.deepcopy(self._mock.records(name))

    def __repr__(self) -> str:
        return f"<the mock of {self.vendor.name}{self._url and ' at '}{self._url}>"
