"""The pytest plugin: two fixtures for each vendor, the marker `trunkline` and the options `--trunkline-*`.

    def test_my_client(acme):
        trunk = acme.trunks.add(name="Night Desk", reachable=False)
        my_client(acme.url, acme.token).verify_all()
        assert acme.trunks.get(trunk["id"])["is_verified"] is False
        assert f"/trunks/{trunk['id']}/verify" in [request.path for request in acme.requests]

`acme` is a mock on a port, `acme_target` one without a socket. Each test has its own, which starts with the fixtures.
Every pytest run imports this package, so everything heavy is imported when a test first needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from trunkline.contract.folders import names
from trunkline.errors import TargetError, TrunklineError, UsageError
from trunkline.plugin.options import declare, read_settings, settings_of, spelled
from trunkline.report import titles

if TYPE_CHECKING:
    from trunkline.exchange import Json, Request, Response, Target
    from trunkline.mock.loader import Vendor
    from trunkline.mock.recording import RecordingMock

__all__ = ["settings_of", "spelled", "summarize"]

_MARKER = "trunkline"

_OUTPUT = "trunkline suite"


@dataclass(slots=True)
class SuiteSummary:
    """The outcome of a run of the suite. `judged` and `skipped` say whether any test was judged or skipped."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    """The lines of the terminal summary by their titles; TOO_LITTLE makes the exit code 2."""
    judged: bool = False
    skipped: bool = False


_SUMMARY = pytest.StashKey[SuiteSummary]()

_MARKER_HELP = (
    "trunkline(vendor, *, trunks=[...], tokens=[...], rate_limit=N, rate_window=N): the contents of a vendor's mock in "
    "one test. Each collection, such as trunks, is a list of records, whose other fields are made up, or the number to "
    "generate. Use one marker for each vendor."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and their ini keys."""
    declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options and define the fixtures, so that a mistake ends the run before any test."""
    config.addinivalue_line("markers", _MARKER_HELP)
    try:
        read_settings(config)
        vendors = names()
    except TrunklineError as error:
        raise pytest.UsageError(f"trunkline: {error}") from None
    fixtures = ModuleType("trunkline-vendors")
    vars(fixtures).update(fixture for name in vendors for fixture in _fixtures(name))
    config.pluginmanager.register(fixtures, fixtures.__name__)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the target of a run of the suite, because without options it is the built-in mock."""
    if any("trunkline.suite" in argument for argument in config.args):
        settings = settings_of(config)
        target = settings.url or settings.app or "the BUILT-IN MOCK: no --trunkline-url, no --trunkline-app"
        vendors = ", ".join(settings.vendor or names())
        judged = "judged" if _summary(config).judged else "judged nothing of"
        terminalreporter.write_line(f"trunkline {judged} {vendors} at {target}, seed {settings.seed or 0}")
    lines = _summary(config).lines
    if missing := lines.get(titles.NOT_IMPLEMENTED):
        terminalreporter.write_line(f"{titles.NOT_IMPLEMENTED} {', '.join(sorted(missing))}")
    for title in (titles.NOT_EXERCISED, titles.LEFT_BEHIND, titles.TOO_LITTLE):
        for line in lines.get(title, []):
            terminalreporter.write_line(f"{title} {line}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End with 2 instead of 0 if a run of the suite judged too little, as `trunkline check` does.

    With pytest-xdist the main process decides: a worker knows only its own tests.
    """
    if hasattr(session.config, "workeroutput"):
        return
    summary = _summary(session.config)
    if summary.skipped and not summary.judged and not summary.lines.get(titles.TOO_LITTLE):
        summarize(session.config, {titles.TOO_LITTLE: ["every test of the suite was skipped"]})
    if summary.lines.get(titles.TOO_LITTLE) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.INTERRUPTED


def _summary(config: pytest.Config) -> SuiteSummary:
    return config.stash.setdefault(_SUMMARY, SuiteSummary())


def summarize(
    config: pytest.Config, lines: Mapping[str, list[str]], *, judged: bool = False, skipped: bool = False
) -> None:
    """Add to the summary of a run of the suite, also from a worker of pytest-xdist."""
    summary = _summary(config)
    for title, more in lines.items():
        summary.lines[title] = [*dict.fromkeys((*summary.lines.get(title, ()), *more))]
    summary.judged |= judged
    summary.skipped |= skipped
    getattr(config, "workeroutput", {})[_OUTPUT] = asdict(summary)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the summary of a worker of pytest-xdist to that of the main process."""
    summarize(node.config, **getattr(node, "workeroutput", {}).get(_OUTPUT, {"lines": {}}))


if TYPE_CHECKING:
    _LoadVendor: TypeAlias = Callable[[str], Vendor]


class _Mount:
    """A vendor's place on the server. It passes each request to the mock of the running test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.target: Target = _no_test_runs

    def __call__(self, request: Request) -> Response:
        return self.target(request)


def _no_test_runs(request: Request) -> Response:
    raise TargetError(f"no test that uses this mock runs now; {request.method} came too early or too late")


@pytest.fixture(scope="session")
def _trunkline_vendors(pytestconfig: pytest.Config) -> _LoadVendor:
    """A function that loads each vendor once in a process."""
    from trunkline.mock.loader import load  # noqa: PLC0415 - see the module's docstring

    settings = settings_of(pytestconfig)

    def load_vendor(name: str) -> Vendor:
        folder = Path(settings.fixtures) if settings.fixtures else None
        overlay = folder if folder and (folder / name).is_dir() else None
        return load(name, overlay=overlay, trunks=settings.trunks, seed=settings.seed or 0)

    return cache(load_vendor)


@pytest.fixture(scope="session")
def _trunkline_mounts(_trunkline_vendors: _LoadVendor) -> Iterator[Mapping[str, _Mount]]:
    """One server for a process, with a mount for each vendor that can be loaded."""
    from trunkline.transport import server  # noqa: PLC0415 - see the module's docstring

    bases: dict[str, str] = {}
    for name in names():
        with suppress(TrunklineError):  # reported by the test that uses this vendor
            base = _trunkline_vendors(name).contract.base_path
            bases[name] = f"/{name}{base}" if base in bases.values() else base
    mounts = {base: _Mount(base) for base in bases.values()}
    with server.running(server.asgi(mounts, index=bases, cors=())) as url:
        for mount in mounts.values():
            mount.url = url + mount.url
        yield {name: mounts[base] for name, base in bases.items()}


def _fixtures(name: str) -> Iterator[tuple[str, Any]]:
    """The two fixtures of a vendor, by their names."""

    def in_process(request: pytest.FixtureRequest, _trunkline_vendors: _LoadVendor) -> RecordingMock:
        with _one_sentence(request.node):
            return _mock(request.node, _trunkline_vendors(name))

    def on_a_port(request: pytest.FixtureRequest, _trunkline_vendors: _LoadVendor) -> Iterator[RecordingMock]:
        with _one_sentence(request.node):
            vendor = _trunkline_vendors(name)
            mount: _Mount = request.getfixturevalue("_trunkline_mounts")[name]
            mount.target = mock = _mock(request.node, vendor)
            mock.url = mount.url
        yield mock
        mount.target = _no_test_runs

    collections = "each collection such as .trunks, .requests, .vendor and .target"
    in_process.__doc__ = f"A mock of {name} without sockets, fresh for each test: call it; .token, {collections}."
    on_a_port.__doc__ = f"A mock of {name} on a port, fresh for each test: .url, .token, {collections}."
    yield name, pytest.fixture(name=name)(on_a_port)
    yield f"{name}_target", pytest.fixture(name=f"{name}_target")(in_process)


@contextmanager
def _one_sentence(item: pytest.Item) -> Iterator[None]:
    """Report a mistake in the data or the markers with the name of the test and without a traceback."""
    try:
        yield
    except TrunklineError as error:
        raise pytest.fail.Exception(f"{item.nodeid}: {error}", pytrace=False) from None


def _mock(item: pytest.Item, vendor: Vendor) -> RecordingMock:
    from trunkline.mock.recording import RecordingMock  # noqa: PLC0415 - see the module's docstring

    return RecordingMock(vendor, **_marker_settings(item, vendor.name))


def _marker_settings(item: pytest.Item, vendor: str) -> dict[str, Json]:
    """The keyword arguments of a test's markers for a vendor. Those of the function override those of the class."""
    settings: dict[str, Json] = {}
    for mark in reversed([*item.iter_markers(_MARKER)]):
        keywords = dict(mark.kwargs)
        named = [*mark.args, *([keywords.pop("vendor")] if "vendor" in keywords else [])]
        known = names()
        if len(named) != 1:
            raise UsageError(f'the marker names one vendor, as in @pytest.mark.{_MARKER}("{known[0]}", rate_limit=5)')
        if named[0] not in known:
            raise UsageError(f"the marker names {named[0]!r}, which is not a vendor; there are: {', '.join(known)}")
        if named[0] == vendor:
            settings |= keywords
    return settings
