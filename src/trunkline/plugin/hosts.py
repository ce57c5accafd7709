"""The real hosts of the vendors in a run of pytest: the guard of each test, and the servers that stand for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from trunkline.contract.folders import names
from trunkline.errors import TrunklineError

if TYPE_CHECKING:
    from trunkline.contract.model import Contract
    from trunkline.mock.loader import Vendor
    from trunkline.mock.recording import RecordingMock
    from trunkline.plugin.intercept import Guard, Listener


def vendors_by_host(load: Callable[[str], Vendor]) -> dict[str, str]:
    """The vendors' real hosts, each with its vendor."""
    hosts = {}
    for name in names():
        with suppress(TrunklineError):  # reported by the test that uses this vendor
            hosts[load(name).contract.host] = name
    return hosts


class RealHosts:
    """The guard of the test that runs, as soon as it is asked for. `load` gives a vendor by name."""

    def __init__(self, load: Callable[[str], Vendor], *, are_allowed: bool) -> None:
        self._load = load
        self._are_allowed = are_allowed
        self._guard: Guard | None = None
        self._servers = ExitStack()

    def guard(self, test: str) -> None:
        """Fail the test with this name if it would reach a real host, unless that is allowed."""
        if not self._are_allowed:
            self._guard_of(test)

    def intercept(self, test: str, mock: RecordingMock) -> None:
        """Send what a test asks of the real host of a mock's vendor to the mock."""
        self._guard_of(test).redirect(self._listen(mock.vendor.contract), mock)

    def end_test(self) -> None:
        """Undo what the guard has changed."""
        if self._guard:
            self._guard.undo()
        self._guard = None

    def report(self, error: BaseException | None = None) -> None:
        """Fail the test that would have reached a real host, or note that in the error that it has failed with."""
        if self._guard:
            self._guard.report(error)

    def close(self) -> None:
        """End the servers."""
        self._servers.close()

    def _guard_of(self, test: str) -> Guard:
        """The guard of the test that runs, which begins with the first call."""
        from trunkline.plugin.intercept import Guard  # noqa: PLC0415 - see the package's docstring

        self._guard = self._guard or Guard(test, self._hosts)
        return self._guard

    @cached_property
    def _hosts(self) -> dict[str, str]:
        """The hosts that no test may reach, each with its vendor."""
        return {} if self._are_allowed else vendors_by_host(self._load)

    @cached_property
    def _listen(self) -> Callable[[Contract], Listener]:
        """A function that starts the server that stands for a vendor's real host, once in a session."""
        from trunkline.plugin.intercept import listening  # noqa: PLC0415 - see the package's docstring

        return self._servers.enter_context(listening())
