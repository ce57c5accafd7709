"""The pytest plugin: fixtures with mocks of each vendor, the marker `trunkline`, and the options `--trunkline-*`.

    def test_my_client(acme):
        trunk = acme.trunks.add(name="Night Desk", reachable=False)
        my_client(acme.url, acme.token).verify_all()
        assert acme.trunks.get(trunk["id"])["is_verified"] is False
        assert f"/trunks/{trunk['id']}/verify" in [request.path for request in acme.requests]

`acme` is a mock on a port, `acme_target` one without a socket. Both are there for the whole session, so that fixtures
of any scope can use them, but every test starts with the fixtures' records and with no requests. `trunkline_server` has
the addresses. `plugin.hosts` keeps tests from the real hosts, or intercepts them; `plugin.coverage` measures a client,
and `plugin.validate` judges what it gets.
Every pytest run imports this package, so everything heavy is imported when a test first needs it, and no class is a
dataclass, for which Python would generate and compile code.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from trunkline.contract.folders import names
from trunkline.errors import TrunklineError, UsageError
from trunkline.plugin.options import declare, read_settings, settings_of, spelled
from trunkline.plugin.validate import MARKER_HELP, AnswerValidation
from trunkline.report import titles

if TYPE_CHECKING:
    from trunkline.exchange import Json
    from trunkline.mock.loader import Vendor
    from trunkline.mock.recording import RecordingMock
    from trunkline.plugin.hosts import RealHosts
    from trunkline.plugin.mocks import Mount, ScopedMock

__all__ = ["REPORTS", "settings_of", "spelled", "summarize"]

_MARKER = "trunkline"

_OUTPUT = "trunkline suite"

_COVERAGE = "trunkline-coverage"
"""The name of the plugin that measures the coverage of the user's client."""

REPORTS = "trunkline-reports"
"""The name of the plugin that writes the reports of a run of the suite."""


class SuiteSummary:
    """The outcome of a run of the suite. `judged` and `skipped` say whether any test was judged or skipped."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        """The lines of the terminal summary by their titles; TOO_LITTLE makes the exit code 2."""
        self.judged = False
        self.skipped = False


_SUMMARY = pytest.StashKey[SuiteSummary]()

_MARKER_HELP = (
    "trunkline(vendor, *, trunks=[...], tokens=[...], rate_limit=N, rate_window=N, faults=[...], scenario=NAME, "
    "intercept=True): the contents of a vendor's mock in one test. Each collection, such as trunks, is a list of "
    "records, whose other fields are made up, or the number to generate. Each fault is a line such as "
    "'listTrunks: 503 x2'; `trunkline faults` lists the scenarios. intercept=True sends what the test asks of the "
    "vendor's real host to the mock. Use one marker for each vendor."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and their ini keys."""
    declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options and define the fixtures, so that a mistake ends the run before any test."""
    config.addinivalue_line("markers", _MARKER_HELP)
    config.addinivalue_line("markers", MARKER_HELP)
    try:
        read_settings(config)
        vendors = names()
    except TrunklineError as error:
        raise pytest.UsageError(f"trunkline: {error}") from None
    fixtures = ModuleType("trunkline-vendors")
    vars(fixtures).update(fixture for name in vendors for fixture in _fixtures(name))
    config.pluginmanager.register(fixtures, fixtures.__name__)
    settings, load = settings_of(config), partial(_vendor, config)
    config.stash[_VALIDATION] = AnswerValidation(settings, load)
    config.pluginmanager.register(config.stash[_VALIDATION], "trunkline-validation")
    if settings.coverage or settings.coverage_json or settings.coverage_fail_under is not None:
        from trunkline.plugin.coverage import ClientCoverage  # noqa: PLC0415 - see the module's docstring

        config.pluginmanager.register(ClientCoverage(settings, load), _COVERAGE)
    has_summary = os.environ.get("GITHUB_ACTIONS") == "true" and len(settings.vendor) == 1 and _runs_suite(config)
    if settings.report or settings.baseline or has_summary:
        from trunkline.plugin.reports import SuiteReports  # noqa: PLC0415 - see the module's docstring

        config.pluginmanager.register(SuiteReports(settings, load), REPORTS)


def _runs_suite(config: pytest.Config) -> bool:
    return any("trunkline.suite" in argument for argument in config.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the target of a run of the suite, because without options it is the built-in mock."""
    if _runs_suite(config):
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
    getattr(config, "workeroutput", {})[_OUTPUT] = vars(summary)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the summary of a worker of pytest-xdist to that of the main process."""
    summarize(node.config, **getattr(node, "workeroutput", {}).get(_OUTPUT, {"lines": {}}))


# --- the fixtures ---------------------------------------------------------------------------------------------------


class TrunklineServer(NamedTuple):
    """The addresses of all mocks. They last for the whole session; the state behind them is each test's own."""

    url: str
    """The root of the server: `http://127.0.0.1:40123`."""
    urls: Mapping[str, str]
    """The base address of each vendor: `{"acme": "http://127.0.0.1:40123/v1"}`."""
    tokens: Mapping[str, str]
    """A credential for each vendor, which is valid unless a test's marker sets others."""


@pytest.fixture(scope="session")
def trunkline_server(request: pytest.FixtureRequest, _trunkline_mounts: Mapping[str, Mount]) -> TrunklineServer:
    """The addresses of all mocks, for the whole session: .url, .urls and .tokens by vendor."""
    urls = {name: request.getfixturevalue(name).url for name in _trunkline_mounts}
    tokens = {name: _vendor(request.config, name).world.token for name in urls}
    return TrunklineServer("/".join(next(iter(urls.values()), "").split("/")[:3]), urls, tokens)


@pytest.fixture
def trunkline_intercept(request: pytest.FixtureRequest) -> None:
    """Send what a test asks of any vendor's real host to that vendor's mock."""
    with _one_sentence(request.node):
        for name in names():
            _intercept(request.node, name)


@pytest.fixture(scope="session")
def _trunkline_mounts(pytestconfig: pytest.Config) -> Iterator[Mapping[str, Mount]]:
    """One server for a process, with a mount for each vendor that can be loaded."""
    from trunkline.plugin.mocks import Mount  # noqa: PLC0415 - see the module's docstring
    from trunkline.transport import server  # noqa: PLC0415 - see the module's docstring

    bases: dict[str, str] = {}
    for name in names():
        with suppress(TrunklineError):  # reported by the test that uses this vendor
            base = _vendor(pytestconfig, name).contract.base_path
            bases[name] = f"/{name}{base}" if base in bases.values() else base
    mounts = {base: Mount(base) for base in bases.values()}
    with server.running(server.asgi(mounts, index=bases, cors=())) as url:
        for mount in mounts.values():
            mount.url = url + mount.url
        for name, base in bases.items():
            pytestconfig.stash[_VALIDATION].add_mock(name, mounts[base].url)
        yield {name: mounts[base] for name, base in bases.items()}


def _fixtures(name: str) -> Iterator[tuple[str, Any]]:
    """The two fixtures of a vendor, by their names."""
    on_target = f"{name}_target"

    def on_a_port(request: pytest.FixtureRequest) -> RecordingMock:
        mock = _mock(request.config, name, name)
        with _one_sentence(request.config.stash[_TEST]):
            mock.renew()
        mock.mount(request.getfixturevalue("_trunkline_mounts")[name])
        return mock

    def in_process(pytestconfig: pytest.Config) -> RecordingMock:
        return _mock(pytestconfig, on_target, name)

    collections = "each collection such as .trunks, .requests, .vendor and .target"
    on_a_port.__doc__ = f"A mock of {name} on a port, fresh for each test: .url, .token, {collections}."
    in_process.__doc__ = f"A mock of {name} without sockets, fresh for each test: call it; .token, {collections}."
    yield name, pytest.fixture(name=name, scope="session")(on_a_port)
    yield on_target, pytest.fixture(name=on_target, scope="session")(in_process)


_HOSTS = pytest.StashKey["RealHosts"]()
_VALIDATION = pytest.StashKey[AnswerValidation]()
_TEST = pytest.StashKey[pytest.Item]()
"""The test that runs."""
_VENDORS = pytest.StashKey["dict[str, Vendor]"]()
_MOCKS = pytest.StashKey["dict[str, ScopedMock]"]()
"""The mocks of this session, by the names of their fixtures."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """End the state of the mocks, and the guard of the real hosts, with each test."""
    item.config.stash[_TEST] = item
    try:
        return (yield)
    finally:
        if hosts := item.config.stash.get(_HOSTS, None):
            hosts.end_test()
        item.config.stash[_VALIDATION].end_test()
        for mock in item.config.stash.get(_MOCKS, {}).values():
            mock.expire()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that would have reached a real host, although its client has swallowed the error."""
    with _reporting(item.config):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Report what would have reached a real host later than the test itself."""
    with _reporting(item.config):
        return (yield)


@contextmanager
def _reporting(config: pytest.Config) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if hosts := config.stash.get(_HOSTS, None):
            hosts.report(error)
        raise
    if hosts := config.stash.get(_HOSTS, None):
        hosts.report()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Explain in the report of a failed test why its mocks refused requests, and what they ignored."""
    report = yield
    if report.failed:
        for name, mock in item.config.stash.get(_MOCKS, {}).items():
            if lines := mock.explanations():
                report.sections.append((f"{name}: refusals, notices and faults", "\n".join(lines)))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin the state of the mocks that a test names, so that a mistake in its markers is reported at once."""
    used = getattr(item, "fixturenames", ())
    is_marked = any("intercept" in mark.kwargs for mark in item.iter_markers(_MARKER))
    with _one_sentence(item):
        for name in names() if used or is_marked else ():
            if name in used or "trunkline_server" in used:
                _mock(item.config, name, name).renew()
            if f"{name}_target" in used:
                _mock(item.config, f"{name}_target", name).renew()
            if "trunkline_intercept" in used or (is_marked and _marker_settings(item, name).get("intercept")):
                _intercept(item, name)


def _mock(config: pytest.Config, fixture: str, vendor: str) -> ScopedMock:
    """The mock of a fixture. It asks for its vendor and its markers in each test."""
    from trunkline.plugin.mocks import ScopedMock  # noqa: PLC0415 - see the module's docstring

    def settings() -> tuple[Vendor, dict[str, Json]]:
        test = config.stash[_TEST]
        _hosts(config).guard(test.nodeid)
        keywords = _marker_settings(test, vendor)
        keywords.pop("intercept", None)
        return _vendor(config, vendor), keywords

    coverage = config.pluginmanager.get_plugin(_COVERAGE)
    watchers = (config.stash[_VALIDATION].leave_out, *([coverage.add] if coverage else ()))
    return config.stash.setdefault(_MOCKS, {}).setdefault(fixture, ScopedMock(settings, watchers))


def _intercept(item: pytest.Item, vendor: str) -> None:
    """Send what a test asks of a vendor's real host to the mock."""
    mock = _mock(item.config, vendor, vendor)
    mock.renew()
    _hosts(item.config).intercept(item.nodeid, mock)


def _hosts(config: pytest.Config) -> RealHosts:
    """The guard of the vendors' real hosts, from the first test on that uses a mock."""
    from trunkline.plugin.hosts import RealHosts  # noqa: PLC0415 - see the module's docstring

    if _HOSTS not in config.stash:
        hosts = RealHosts(partial(_vendor, config), are_allowed=settings_of(config).allow_real_hosts)
        config.add_cleanup(hosts.close)
        config.stash[_HOSTS] = hosts
    return config.stash[_HOSTS]


def _vendor(config: pytest.Config, name: str) -> Vendor:
    """A vendor, which is loaded once in a process."""
    from trunkline.mock.loader import load, overlays  # noqa: PLC0415 - see the module's docstring

    loaded, settings = config.stash.setdefault(_VENDORS, {}), settings_of(config)
    if name not in loaded:
        overlay = overlays(Path(settings.fixtures), names()).get(name) if settings.fixtures else None
        loaded[name] = load(name, overlay=overlay, trunks=settings.trunks, seed=settings.seed or 0)
    return loaded[name]


@contextmanager
def _one_sentence(item: pytest.Item) -> Iterator[None]:
    """Report a mistake in the data or the markers with the name of the test and without a traceback."""
    try:
        yield
    except TrunklineError as error:
        raise pytest.fail.Exception(f"{item.nodeid}: {error}", pytrace=False) from None


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
    if not isinstance(settings.get("intercept", False), bool):
        raise UsageError(f"intercept is {settings['intercept']!r}; give True or False")
    return settings
