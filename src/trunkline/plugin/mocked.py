"""Owns what a test holds: a vendor's mock, and each request that it was asked.

What they print shows no secret: neither they themselves, nor the credential in `Asked.headers`, nor the secret
fields of `Mocked`'s records, whose `repr` is `***`. What cannot be hidden is what a test takes out of them itself:
`Mocked.token` is plain text, so are `Asked.query` and `Asked.body`, and a failing `==` between a secret and a text
has pytest show where the two differ.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trunkline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline.exchange import Exchange, Request, Response, Target
    from trunkline.library import Vendor
    from trunkline.mock import Mock
    from trunkline.recipes import Record


class Hushed(str):
    """A text that is equal to what it is, and prints as `***`: pytest shows the `repr` of what a test has at hand."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Asked:
    """One request that a test's mock was asked, and the status that it answered. Its print shows no credential."""

    _exchange: Exchange = field(compare=False)
    _secrets: frozenset[str] = frozenset()

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
        """The header fields; names in lower case, repeated ones joined by commas. A secret value prints as `***`."""
        from trunkline.exchange import _SECRET_HEADERS  # noqa: PLC0415 - see the plugin's docstring

        joined: dict[str, str] = {}
        for name, value in self._exchange.request.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        hide = self._hide()
        secret = {name for name, value in joined.items() if name in _SECRET_HEADERS or hide(value) != value}
        return {name: Hushed(value) if name in secret else value for name, value in joined.items()}

    @property
    def body(self) -> bytes:
        return self._exchange.request.body

    @property
    def status(self) -> int:
        """The status of the answer: 200."""
        return self._exchange.response.status

    def _hide(self) -> Callable[[str], str]:
        from trunkline.hiding import hiding  # noqa: PLC0415 - see the plugin's docstring

        return hiding(self._secrets)

    def __repr__(self) -> str:
        return self._hide()(f"<{self._exchange.request!r} -> {self.status}>")


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
        secrets = self.vendor.contract.secrets
        return tuple(
            {
                key: Hushed(value) if key in secrets and isinstance(value, str) else value
                for key, value in record.items()
            }
            for record in copy.deepcopy(self._mock.records(name))
        )

    def __repr__(self) -> str:
        return f"<the mock of {self.vendor.name}{self._url and ' at '}{self._url}>"
