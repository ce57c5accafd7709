"""A session: a mock of each vendor, with the faults that are set on them and the log of their requests.

    >>> session = MockSession([trunkline.load("acme")])
    >>> session.mocks["acme"](Request("GET", "/trunks"))
    Response(401, <77 bytes>)
    >>> session.requests.entries()
    [<Request('GET', '/trunks') -> 401>]

A server has one session of its own. Whatever is set in one session is not seen in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter

from msgspec import structs

from trunkline.errors import TargetError
from trunkline.exchange import RawHeaders, ReadKey, Request, Response
from trunkline.mock.faults import Faults, FaultyResponse, asks_for_fault
from trunkline.mock.loader import Vendor
from trunkline.mock.mock import Logged, Mock, from_vendor
from trunkline.mock.request_log import MOST_REQUESTS, RequestLog, shortened


class ServedMock:
    """One mock as a session serves it: with the faults and the request log of the session. It is a `Target`, too."""

    def __init__(self, mock: Mock, faults: Faults, requests: RequestLog) -> None:
        self.mock = mock
        self._faults = faults
        self._requests = requests

    @property
    def vendor(self) -> Vendor:
        """The vendor as the mock has it now."""
        return self.mock.vendor

    def read(self, key: ReadKey) -> tuple[Response, RawHeaders] | None:
        """The answer to a GET request without a body, as `Mock.read`. Here every nanosecond counts.

        None while faults are set: `answer` needs the whole request.
        """
        if self._faults.any:
            return None
        begin = perf_counter()
        answer, limits = self.mock.find(key)
        response = answer.response
        self._requests.add(begin, answer.logged or Logged(self.mock, key, response.status, response.headers))
        return response, limits

    def answer(self, request: Request) -> tuple[Response, RawHeaders]:
        """The answer to any request, as `Mock.answer`."""
        begin, fault, code = perf_counter(), "", ""
        if self._faults.any or asks_for_fault(request):
            response, limits, fault, code = self._faults.answer(self.mock, request)
        else:
            response, limits = self.mock.answer(request)
        self._log(begin, Logged(self.mock, request, response.status, response.headers, fault, code), request)
        return response, limits

    def too_large(self, request: Request) -> Response | None:
        """The refusal of a request whose body was too large to be read, as `Mock.too_large`."""
        begin = perf_counter()
        response = self.mock.too_large(request)
        logged = response or Response(413)
        self._log(begin, Logged(self.mock, request, logged.status, logged.headers), request)
        return response

    def _log(self, begin: float, logged: Logged, request: Request) -> None:
        self._requests.add(begin, structs.replace(logged, request=shortened(request)), logged)

    def __call__(self, request: Request) -> Response:
        response, limits = self.answer(request)
        if isinstance(response, FaultyResponse) and response.is_cut:
            raise TargetError(f"{self.vendor.name} closed the connection, as the fault {response.fault} asks")
        return response.with_raw(limits)


class MockSession:
    """A mock of each vendor, the faults that are set on them, and the log of their latest requests, at most `keep`.

    `reread` gives the vendor of a name as its files are now, for a reset; by default a vendor stays as it was.
    """

    def __init__(
        self,
        vendors: Iterable[Vendor],
        make: Callable[[Vendor], Mock] = from_vendor,
        *,
        keep: int = MOST_REQUESTS,
        reread: Callable[[str], Vendor] | None = None,
    ) -> None:
        self._reread = reread
        self.faults = Faults(lambda: self.vendors)
        self.requests = RequestLog(keep)
        self.changes = 0
        """How often something has changed otherwise than by a request to a mock: records, faults, the cleared log."""
        self.is_over = False
        self._watchers: list[Callable[[], object]] = []
        self.mocks = {vendor.name: ServedMock(make(vendor), self.faults, self.requests) for vendor in vendors}
        """The mocks by the names of their vendors."""

    @property
    def vendors(self) -> list[Vendor]:
        """The vendors as their mocks have them now."""
        return [mock.vendor for mock in self.mocks.values()]

    def reset(self, name: str) -> None:
        """Return a vendor's mock to its fixtures. Raises `DataError` if they cannot be read; then nothing changes."""
        self.mocks[name].mock.reset(self._reread(name) if self._reread else None)
        self.announce_change()

    def announce_change(self) -> None:
        """Count a change, and call those who watch."""
        self.changes += 1
        for watcher in self._watchers:
            watcher()

    def end(self) -> None:
        """Let those who watch know that nothing more will come."""
        self.is_over = True
        self.announce_change()

    def watch(self, watcher: Callable[[], object]) -> Callable[[], None]:
        """Call `watcher` after each change and at the end, in the thread that makes it, until the result is called."""

        def stop() -> None:
            self._watchers = [other for other in self._watchers if other is not watcher]

        self._watchers = [*self._watchers, watcher]
        return stop
