"""Owns what a test holds: a vendor's mock, and each request that it was asked.

What they print shows no secret: neither they themselves, nor the credential in `Asked.headers`, nor the secret fields
of `Mocked`'s records and of `Asked.json`, whose `repr` is `***`. What cannot be hidden is what a test takes out of
them itself: `Mocked.token` is plain text, so are `Asked.query` and `Asked.body`, and a failing `==` between a secret
and a text has pytest show where the two differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trunkline.errors import UsageError

if TYPE_CHECKING:
    from trunkline.exchange import Exchange, Json, Request, Response, Target
    from trunkline.mock import Mock
    from trunkline.mock.loader import Vendor
    from trunkline.mock.records import Records


class Masked(str):
    """A text that is equal to what it is, and prints as `***`: pytest shows the `repr` of what a test has at hand."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


class Secrets:
    """What is printed of no mock: values wherever they stand, and whatever bears the name of a secret."""

    __slots__ = ("_names", "_values")

    def __init__(self, vendor: Vendor) -> None:
        self._names = {_plain(name) for name in vendor.contract.secrets}
        self._values = set(vendor.secrets)

    def learn(self, value: Json) -> None:
        """Takes in the values of the secrets of a record."""
        self._values |= {str(inner) for name, inner in value.items() if inner and _plain(name) in self._names}

    @property
    def hide(self) -> Callable[[str], str]:
        """What writes `***` for each of the values in a text."""
        from trunkline.redaction import redactor  # noqa: PLC0415 - see the plugin's docstring

        return redactor(frozenset(self._values))

    def hushed(self, value: Json, hide: Callable[[str], str] = str, *, named: bool = False) -> Json:
        """A copy of a JSON value, in which each text that is a secret, or that `hide` would change, is `Hushed`."""
        if isinstance(value, dict):
            return {
                key: self.hushed(inner, hide, named=named or _plain(key) in self._names) for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.hushed(inner, hide, named=named) for inner in value]
        return Masked(value) if isinstance(value, str) and (named or hide(value) != value) else value


def _plain(name: str) -> str:
    """A name without case and separators, so that what a client spells `sipPassword` is hidden too."""
    return name.lower().replace("_", "").replace("-", "")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class RecordedRequest:
    """One request that a test's mock was asked, and the status that it answered. Its print shows no credential."""

    _exchange: Exchange
    _vendor: Vendor
    _secrets: Secrets

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
    def operation(self) -> str | None:
        """The operationId of what was asked for: `listTrunks`; None when the contract has no such path or method."""
        operations, _ = self._vendor.contract.match(self.path)
        return next((found.operation_id for found in operations if found.method == self.method), None)

    @property
    def headers(self) -> dict[str, str]:
        """The header fields; names in lower case, repeated ones joined by commas. A secret value prints as `***`."""
        from trunkline.exchange import SECRET_HEADERS  # noqa: PLC0415 - see the plugin's docstring

        joined: dict[str, str] = {}
        for name, value in self._exchange.request.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        hide = self._secrets.hide
        secret = {name for name, value in joined.items() if name in SECRET_HEADERS or hide(value) != value}
        return {name: Masked(value) if name in secret else value for name, value in joined.items()}

    @property
    def body(self) -> bytes:
        return self._exchange.request.body

    @property
    def json(self) -> Json:
        """The body as a JSON value, None when there is none. A text that is a secret prints as `***`, at any depth.

        Raises `NotJSON` when the client sent a body that is not JSON.
        """
        from trunkline.exchange import NotJSON, parse_json  # noqa: PLC0415 - see the plugin's docstring

        __tracebackhide__ = True  # the frames below hold the body
        try:
            value = parse_json(self.body) if self.body else None
        except NotJSON as error:
            trouble = error.with_traceback(None)
        else:
            return self._secrets.hushed(value, self._secrets.hide)
        raise trouble from None

    @property
    def status(self) -> int:
        """The status of the answer: 200."""
        return self._exchange.response.status

    def __repr__(self) -> str:
        return self._secrets.hide(f"<{self._exchange.request!r} -> {self.status}>")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Mocked:
    """A vendor's mock in one test. Each collection of the vendor is an attribute: `acme.trunks`."""

    vendor: Vendor
    target: Target
    """The mock, to be called in process."""
    requests: list[RecordedRequest]
    """What the mock was asked in this test, in order."""
    _mock: Mock
    _secrets: Secrets
    _url: str = ""
    _collections: dict[str, Records] = field(default_factory=dict)

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

    def asked(self, operation: str) -> list[RecordedRequest]:
        """The requests for one operation, in order: `acme.asked("createTrunk")`."""
        known = [found.operation_id for found in self.vendor.contract.operations]
        if operation not in known:
            raise UsageError(f"{self.vendor.name} has no operation {operation!r}; there are: {', '.join(known)}")
        return [asked for asked in self.requests if asked.operation == operation]

    def __call__(self, request: Request) -> Response:
        return self.target(request)

    def __getattr__(self, name: str) -> Records:
        world = self.vendor.world
        if name.startswith("_") or name not in world.collections:
            known = ", ".join(sorted(world.collections))
            raise AttributeError(f"{self.vendor.name} has no {name!r}; its records are: {known}", name=name, obj=self)
        if name not in self._collections:
            from trunkline.mock.factory import RecordFactory  # noqa: PLC0415 - see the plugin's docstring
            from trunkline.mock.records import Records  # noqa: PLC0415

            kind = RecordFactory(self.vendor, name, f"what a test adds to {name}", len(world.collections[name].records))
            # two threads that come at once get the same one
            self._collections.setdefault(name, Records(self._mock, kind, world.account, self._secrets))
        return self._collections[name]

    def __repr__(self) -> str:
        return f"<the mock of {self.vendor.name}{self._url and ' at '}{self._url}>"
