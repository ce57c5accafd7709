"""A mock for one test: its records and tokens replace those of the fixtures, and it keeps all its requests.

No secret is printed: not by `RecordingMock` and `RecordedRequest` themselves, and the secrets in records, headers and
JSON bodies print as `***`. But `RecordingMock.token`, `RecordedRequest.query` and `RecordedRequest.body` are plain, and
pytest shows where two strings of a failed comparison differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from trunkline.contract.requests import is_bearer_token
from trunkline.errors import DataError, TrunklineError, UsageError
from trunkline.exchange import Json, RawHeaders, ReadKey, Request, Response, Target
from trunkline.findings import truncate, way_out
from trunkline.mock.factory import fill_records, generate
from trunkline.mock.faults import Faults, SetFault, parse_fault, switch_on
from trunkline.mock.faults.document import ANY
from trunkline.mock.loader import Vendor, with_records
from trunkline.mock.mock import from_vendor
from trunkline.mock.request_log import RecordedRequest
from trunkline.mock.session import MockSession
from trunkline.mock.verification import Expectation, verify

if TYPE_CHECKING:
    from trunkline.mock.records import Records

__all__ = ["ActiveFault", "RecordedRequest", "RecordingMock", "override"]

RecordsOrCount: TypeAlias = Sequence[Mapping[str, Json]] | int
"""Records, whole or to be completed, or the number of records to generate."""


class ActiveFault:
    """A fault, or the faults of a scenario, that are set on a mock until `remove` or the end of a `with` block."""

    def __init__(self, faults: Faults, active: list[SetFault]) -> None:
        self._faults = faults
        self._active = {fault.id: fault for fault in active}

    @property
    def used(self) -> int:
        """How many answers have been changed."""
        self._active |= {found.id: found for found in self._faults.entries() if found.id in self._active}
        return sum(fault.used for fault in self._active.values())

    def remove(self) -> None:
        """Remove what was set; a second call does nothing."""
        _ = self.used  # which is the last count from now on
        self._faults.remove(*self._active)

    def __enter__(self) -> ActiveFault:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        first = next(iter(self._active.values()))
        return f"<the scenario {first.scenario!r}>" if first.scenario else f"<the fault {first.line!r}>"


class RecordingMock:
    """A mock that records its requests. Each collection of the vendor is an attribute.

        >>> acme = RecordingMock(trunkline.load("acme"), rate_limit=5, trunks=[])
        >>> acme.trunks.add(name="Night Desk")
        >>> my_client(acme)
        >>> [request.path for request in acme.requests]
        ['/trunks']

    `rate_limit` is the number of requests per window and credential, `rate_window` the length of a window in seconds;
    both can be set later. `tokens` and each collection replace those of the fixtures, as for `override`. `faults` are
    set from the start: each is a line, as for `fault`, or a mapping of its keys. So are those of a `scenario`.
    """

    __slots__ = ("__weakref__", "_mock", "_session", "_session_mock", "_url", "requests", "vendor")

    def __init__(
        self,
        vendor: Vendor,
        /,
        *,
        rate_limit: int | None = None,
        rate_window: int | None = None,
        tokens: Sequence[str] | None = None,
        faults: Iterable[str | Mapping[str, Json]] = (),
        scenario: str | None = None,
        **collections: RecordsOrCount,
    ) -> None:
        self.vendor = override(vendor, tokens=tokens, **collections)
        self.requests: list[RecordedRequest] = []
        """The requests so far, in order."""
        make = partial(from_vendor, rate_limit=rate_limit, rate_window=rate_window)
        self._session = MockSession([self.vendor], make, keep=0)  # `requests` has them all
        self._session.requests.watch(self.requests.append)
        self._session_mock = self._session.mocks[vendor.name]
        self._mock = self._session_mock.mock
        self._url = ""
        if isinstance(faults, str | Mapping) or not isinstance(faults, Iterable):
            raise UsageError('faults is a list, such as ["listTrunks: 503 x2"]')
        for number, fault in enumerate(faults):
            place = f"faults[{number}]"
            self._session.faults.add(parse_fault(fault, place), place=place)
        if scenario is not None:
            self.scenario(scenario)

    def __call__(self, request: Request) -> Response:
        __tracebackhide__ = True
        if not isinstance(request, Request):
            raise UsageError(f'a mock answers a trunkline.Request("GET", "/trunks"), not a {type(request).__name__}')
        return self._session_mock(request)

    def answer(self, request: Request) -> tuple[Response, RawHeaders]:
        """The answer that a server delivers, and its rate-limit headers. A call is for those who need no server."""
        return self._session_mock.answer(request)

    def too_large(self, request: Request) -> Response | None:
        """The refusal of a request whose body a server did not read, because it is too large."""
        return self._session_mock.too_large(request)

    def read(self, _: ReadKey) -> None:
        """Always None, so that a server calls `answer`: a test may look at every header field."""

    def fault(self, operation: str = ANY, /, **keys: Json) -> ActiveFault:
        """Set a fault: for the rest of the test, or for a `with` block.

            acme.fault("listTrunks", status=503, times=2)
            acme.fault("listTrunks: 503 x2, then 429 retry-after=1")
            with acme.fault("createTrunk", lose_answer=True) as fault: ...

        `operation` is an operationId, a kind such as `create`, `read`, `write` or `*`; or, without `keys`, a whole line
        as for `trunkline serve --fault`. docs/mock.md lists the keys. Raises `UsageError` or `DataError`.
        """
        __tracebackhide__ = True  # this frame and those below hold the fault, in which may be a secret
        faults = self._session.faults
        given: Json = None
        try:
            if keys and ":" in operation:
                raise UsageError(f"{operation!r} is a whole line; put {', '.join(keys)} into it, or give only keys")
            given = {"operation": operation, **keys} if keys else operation
            return ActiveFault(faults, faults.add(parse_fault(given, "the fault")))
        except TrunklineError as caught:
            error = caught.with_traceback(None)
        operation, keys, given = "", {}, None
        raise error from None

    def scenario(self, name: str) -> ActiveFault:
        """Switch a scenario on: for the rest of the test, or for a `with` block.

            with acme.scenario("lost-answer"): ...

        `trunkline faults` lists them. Raises `UsageError` for an unknown name.
        """
        return ActiveFault(self._session.faults, switch_on(self._session.faults, name))

    def delay(self, seconds: float | str, operation: str = ANY, /) -> ActiveFault:
        """Delay each answer by so many seconds, or by a distribution such as `uniform(0.1,0.5)`; see `fault`."""
        __tracebackhide__ = True
        return self.fault(operation, delay=seconds)

    @property
    def target(self) -> Target:
        """The mock as a function that answers a `Request` with a `Response`."""
        return self

    @property
    def url(self) -> str:
        """The base address, with the base path: `http://127.0.0.1:40123/v1`."""
        if not self._url:
            name = self.vendor.name
            raise UsageError(f"the mock of {name} has no address, because no server runs it; use the fixture {name}")
        return self._url

    @url.setter
    def url(self, url: str) -> None:
        self._url = url

    @property
    def rate_limit(self) -> int:
        """The number of requests per window and credential. To set it begins a new window."""
        return self._mock.rate[0]

    @rate_limit.setter
    def rate_limit(self, requests: int) -> None:
        self._mock.limit_rate(requests=requests)

    @property
    def rate_window(self) -> int:
        """The length of a window in seconds. To set it begins a new window."""
        return self._mock.rate[1]

    @rate_window.setter
    def rate_window(self, seconds: int) -> None:
        self._mock.limit_rate(seconds=seconds)

    @property
    def token(self) -> str:
        """A valid credential. It gives access to the account whose records the collections show."""
        return self.vendor.world.token

    def asked(self, operation: str) -> list[RecordedRequest]:
        """The requests for one operation, in order: `acme.asked("createTrunk")`.

        A HEAD does not count as its GET operation. Raises `UsageError` for an unknown operation.
        """
        self._check_operation(operation)
        return [request for request in self.requests if request.operation == operation]

    def assert_asked(
        self,
        operation: str,
        *,
        json: Json = None,
        query: Mapping[str, Json] | None = None,
        headers: Mapping[str, Json] | None = None,
        times: int | None = None,
    ) -> list[RecordedRequest]:
        """The requests for one operation that fit: `acme.assert_asked("createTrunk", json={"name": "North"}, times=1)`.

        `json` fits a body that has at least its members, at any depth; a list must be equal. `query` and `headers` fit
        requests with at least these values; None stands for a name that must not be sent. `times` is how often; None is
        at least once, and 0 never. Raises `AssertionError` with the nearest request and its differences, without
        secrets, and `UsageError` for an unknown operation.
        """
        __tracebackhide__ = True
        self._check_operation(operation)
        failure: Exception | None = None
        try:
            verification = verify(self.requests, Expectation(operation, json, query, headers, times))
        except UsageError as caught:
            failure = caught.with_traceback(None)  # the frames below hold the expected values
        else:
            if not verification.problem:
                return [*verification.matching]
            failure = AssertionError(verification.problem)
        json = query = headers = None  # which may be secrets, and pytest can show them
        raise failure from None

    def _check_operation(self, operation: str) -> None:
        __tracebackhide__ = True
        known = [known.operation_id for known in self.vendor.contract.operations]
        if operation not in known:
            raise UsageError(f"{self.vendor.name} has no operation {operation!r}{way_out(str(operation), known)}")

    def __getattr__(self, name: str) -> Records:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._mock.records(name)
        except UsageError as error:
            raise AttributeError(str(error), name=name, obj=self) from None

    def __setattr__(self, name: str, value: object) -> None:
        try:
            super().__setattr__(name, value)
        except AttributeError:
            reason = f"{self!r} has no {name!r} that can be set; there are: rate_limit, rate_window"
            raise AttributeError(reason, name=name, obj=self) from None

    def __repr__(self) -> str:
        return f"<the mock of {self.vendor.name}{self._url and ' at '}{self._url}>"


def override(vendor: Vendor, /, *, tokens: Sequence[str] | None = None, **collections: RecordsOrCount) -> Vendor:
    """The vendor with other tokens and records.

        >>> override(acme, tokens=["sk_test"], trunks=3, dids=[])

    `tokens` open the default account. Each collection is a list of records, completed as `Records.add` does, or the
    number of records to generate. A record whose parent is replaced is removed. Raises `UsageError` or `DataError`.
    """
    if tokens is not None:
        vendor = replace(vendor, world=vendor.world.with_tokens(_checked_tokens(tokens)))
    check_names(vendor, collections)
    for name in vendor.world.parents_first():
        if name in collections:
            vendor = _override_records(vendor, name, collections[name])
    return vendor


def check_names(vendor: Vendor, names: Iterable[str]) -> None:
    """Raise `UsageError` for a name that neither a collection nor an option of a mock has."""
    known = (*vendor.world.collections, "tokens", "rate_limit", "rate_window", "faults", "scenario")
    for name in names:
        if name not in known:
            raise UsageError(f"{vendor.name} has no {truncate(name, 40)!r}{way_out(name, known)}")


def _checked_tokens(tokens: Json) -> tuple[str, ...]:
    strings = isinstance(tokens, list | tuple) and all(isinstance(token, str) and token for token in tokens)
    if not strings or not tokens:
        raise UsageError("tokens must be a list of one or more strings")
    if not all(is_bearer_token(token) for token in tokens):
        raise UsageError(
            "a token has characters that no bearer token can have (RFC 6750, section 2.1); "
            "use letters, digits and . _ ~ + / -"
        )
    return tuple(tokens)


def _override_records(vendor: Vendor, collection: str, given: Json) -> Vendor:
    label = f"the records given for {vendor.name}'s {collection}"
    if type(given) is int:
        return generate(vendor, {collection: given})
    if not isinstance(given, list | tuple):
        raise UsageError(f"{label} are a {type(given).__name__}; give a list of them, or the number to generate")
    records = fill_records(vendor, collection, given)
    changed = with_records(vendor, collection, records)
    for name, index, parent in vendor.world.with_records(collection, tuple(records)).orphans():
        if name == collection:
            raise DataError(label, f"/{index}/{parent.field}", f"there is no such record in {parent.collection}")
    return changed
