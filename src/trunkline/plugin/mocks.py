"""The mocks of the fixtures: each lasts for the session, and its state for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from trunkline.errors import TargetError
from trunkline.exchange import RawHeaders, ReadKey, Request, Response
from trunkline.mock.loader import Vendor
from trunkline.mock.recording import RecordedRequest, RecordingMock


class Mount:
    """A vendor's place on the server. It passes each request to the mock of the running test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.mock: RecordingMock | None = None

    def __call__(self, request: Request) -> Response:
        return self._running(request)(request)

    def answer(self, request: Request) -> tuple[Response, RawHeaders]:
        """The answer as the server delivers it: late, in part or not at all if a fault is set."""
        return self._running(request).answer(request)

    def too_large(self, request: Request) -> Response | None:
        """The refusal of a request whose body is too large, as for `RecordingMock.too_large`."""
        return self._running(request).too_large(request)

    def read(self, _: ReadKey) -> None:
        """Nothing, as for `RecordingMock.read`."""

    def _running(self, request: Request) -> RecordingMock:
        if self.mock is None:
            raise TargetError(f"no test that uses this mock runs now; {request.method} came too early or too late")
        return self.mock


class ScopedMock(RecordingMock):
    """A mock for a whole session. The first use in a test begins its state, which ends with the test.

    `settings` are asked for with each state: the vendor, and the keyword arguments of `RecordingMock`. The `watchers`
    are called with each request, in whichever state.
    """

    __slots__ = ("_expired", "_mount", "_settings", "_watchers")

    def __init__(
        self,
        settings: Callable[[], tuple[Vendor, dict[str, Any]]],
        watchers: Iterable[Callable[[RecordedRequest], object]] = (),
    ) -> None:
        self._expired = True
        self._settings = settings
        self._watchers = (*watchers,)
        self._mount: Mount | None = None

    def __getattribute__(self, name: str) -> Any:
        if name not in _AT_ANY_TIME and object.__getattribute__(self, "_expired"):
            object.__getattribute__(self, "renew")()
        return object.__getattribute__(self, name)

    def mount(self, mount: Mount) -> None:
        """Answer the requests to a place on the server."""
        self._mount = mount
        self.renew()

    def renew(self) -> None:
        """Begin a new state, unless one has begun."""
        if object.__getattribute__(self, "_expired"):
            self._expired = False
            try:
                vendor, keywords = self._settings()
                super().__init__(vendor, **keywords)
            except BaseException:
                self._expired = True
                raise
            for watcher in self._watchers:
                self._session.requests.watch(watcher)
        if self._mount:
            self.url, self._mount.mock = self._mount.url, self

    def explanations(self) -> list[str]:
        """The log lines of the latest requests of this test that were refused, had a notice, or met a fault."""
        if object.__getattribute__(self, "_expired"):
            return []
        told = (one for one in self.requests if one.refusal or one.notices or one.fault)
        return [one.to_line() for one in told][-_MOST_EXPLAINED:]

    def expire(self) -> None:
        """End the state. Until the next use, requests to the server are answered with 502."""
        self._expired = True
        if mount := object.__getattribute__(self, "_mount"):
            mount.mock = None


_AT_ANY_TIME = frozenset(("expire", "explanations", "mount", "renew"))
_MOST_EXPLAINED = 20
