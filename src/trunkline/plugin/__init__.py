"""Owns what pytest sees: two fixtures for each vendor, the marker `trunkline`, and the options `--trunkline-*`.

    def test_my_client(acme):
        trunk = acme.trunks.add(name="Night Desk", reachable=False)
        my_client(acme.url, acme.token).verify_all()
        assert acme.trunks.get(trunk["id"])["is_verified"] is False
        assert f"/trunks/{trunk['id']}/verify" in [asked.path for asked in acme.requests]

`acme` is a mock on a port, `acme_target` one without sockets. Each test has its own, in its fresh state.
Every pytest run imports this package, so it imports nothing that pytest has not imported already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from trunkline.contract.folders import names
from trunkline.errors import TargetError, TrunklineError, UsageError
from trunkline.plugin.mocked import Mocked, RecordedRequest, Secrets
from trunkline.plugin.options import Options, declare, keep, options, spelled  # from here on, `options` is the function

if TYPE_CHECKING:
    from trunkline.exchange import Json, Request, Response, Target
    from trunkline.mock.loader import Vendor

__all__ = [
    "MARKER",
    "Mocked",
    "Options",
    "RecordedRequest",
    "options",
    "pytest_addoption",
    "pytest_configure",
    "spelled",
    "tell_left",
]

MARKER = "trunkline"

_LEFT = pytest.StashKey[list[str]]()
_OUTPUT = "trunkline left behind"

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")

_MARKER_HELP = (
    "trunkline(vendor, *, trunks=[...], tokens=[...], rate_limit=N): what the mock of a vendor holds in one test; "
    "each collection, such as trunks, is a list of whole records as in fixtures/, or a number of plausible ones. "
    "Stack one marker for each vendor."
)


# --- hooks ----------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares each option and its twin in the ini file."""
    declare(parser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what a run of the suite judged, so that one without a target is not taken for a verdict on it."""
    if any("trunkline.suite" in argument for argument in config.args):
        said = options(config)
        there = said.url or said.app or "the BUILT-IN MOCK: no --trunkline-url, no --trunkline-app"
        judged = f"trunkline judged {', '.join(said.vendor or names())} at {there}, seed {said.seed}"
        terminalreporter.write_line(judged)
    left: list[str] = config.stash.get(_LEFT, [])
    for line in dict.fromkeys(left):
        terminalreporter.write_line(f"LEFT BEHIND {line}")


def tell_left(config: pytest.Config, lines: list[str]) -> None:
    """Has the end of the run tell what it made and could not remove; a worker of pytest-xdist hands it on."""
    config.stash[_LEFT] = config.stash.get(_LEFT, []) + lines
    getattr(config, "workeroutput", {})[_OUTPUT] = config.stash[_LEFT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes over what a worker has to tell."""
    tell_left(node.config, getattr(node, "workeroutput", {}).get(_OUTPUT, []))


def pytest_configure(config: pytest.Config) -> None:
    """Reads the options and makes the fixtures, so that a mistake is told before any test runs."""
    config.addinivalue_line("markers", _MARKER_HELP)
    try:
        keep(config)
        known = names()
    except TrunklineError as error:
        raise pytest.UsageError(f"trunkline: {error}") from None
    made = ModuleType("trunkline-vendors")
    vars(made).update(fixture for name in known for fixture in _fixtures(name))
    config.pluginmanager.register(made, made.__name__)


# --- fixtures -------------------------------------------------------------------------------------------------------

if TYPE_CHECKING:
    _Vendors: TypeAlias = Callable[[str], Vendor]


class _Door:
    """A vendor's place on the server; behind it stands the mock of the test that runs."""

    def __init__(self, base: str) -> None:
        self.url = base
        self.target: Target = _nobody

    def __call__(self, request: Request) -> Response:
        return self.target(request)


def _nobody(request: Request) -> Response:
    raise TargetError(f"no test that uses this mock runs now; {request.method} came too early or too late")


@pytest.fixture(scope="session")
def _trunkline_vendors(pytestconfig: pytest.Config) -> _Vendors:
    """Reads a vendor once in a process."""
    from trunkline.mock.loader import load  # noqa: PLC0415 - see the module's docstring

    said = options(pytestconfig)

    def read(name: str) -> Vendor:
        overlay = said.fixtures if said.fixtures and (said.fixtures / name).is_dir() else None
        return load(name, overlay=overlay, trunks=said.trunks, seed=said.seed)

    return cache(read)


@pytest.fixture(scope="session")
def _trunkline_doors(_trunkline_vendors: _Vendors) -> Iterator[Mapping[str, _Door]]:
    """The one server of a process, with a door for each vendor that can be read."""
    from trunkline.transport import server  # noqa: PLC0415 - see the module's docstring

    places: dict[str, str] = {}
    for name in names():
        with suppress(TrunklineError):  # told by the test that asks for this vendor
            base = _trunkline_vendors(name).contract.base_path
            places[f"/{name}{base}" if base in places else base] = name
    doors = {base: _Door(base) for base in places}
    with server.running(server.asgi(doors, index={name: base for base, name in places.items()})) as url:
        for door in doors.values():
            door.url = url + door.url
        yield {places[base]: door for base, door in doors.items()}


def _fixtures(name: str) -> Iterator[tuple[str, Any]]:
    """The two fixtures of a vendor, by their names."""

    def in_process(request: pytest.FixtureRequest, _trunkline_vendors: _Vendors) -> Mocked:
        with _one_sentence(request.node):
            return _mocked(request.node, _trunkline_vendors(name))

    def on_a_port(request: pytest.FixtureRequest, _trunkline_vendors: _Vendors) -> Iterator[Mocked]:
        with _one_sentence(request.node):
            mocked = _mocked(request.node, _trunkline_vendors(name))
            door = request.getfixturevalue("_trunkline_doors")[name]
        door.target = mocked.target
        yield replace(mocked, _url=door.url)
        door.target = _nobody

    collections = "each collection such as .trunks, .requests, .vendor and .target"
    in_process.__doc__ = f"A mock of {name} without sockets, fresh for each test: call it; .token, {collections}."
    on_a_port.__doc__ = f"A mock of {name} on a port, fresh for each test: .url, .token, {collections}."
    yield name, pytest.fixture(name=name)(on_a_port)
    yield f"{name}_target", pytest.fixture(name=f"{name}_target")(in_process)


@contextmanager
def _one_sentence(item: pytest.Item) -> Iterator[None]:
    """Whatever is wrong with the data or the markers is told with the test's name, and without a traceback."""
    try:
        yield
    except TrunklineError as error:
        raise pytest.fail.Exception(f"{item.nodeid}: {error}", pytrace=False) from None


def _mocked(item: pytest.Item, vendor: Vendor) -> Mocked:
    from trunkline import mock  # noqa: PLC0415 - see the module's docstring
    from trunkline.transport import targets  # noqa: PLC0415 - see the module's docstring

    told = _told(item, vendor)
    rate_limit = told.pop("rate_limit", None)
    if rate_limit is not None and (type(rate_limit) is not int or rate_limit < 1):
        raise UsageError(f"the marker's rate_limit is {rate_limit!r}; it is a number of requests, at least 1")
    if "tokens" in told:
        vendor = _with_tokens(vendor, told.pop("tokens"))
    for word in sorted(told, key=lambda word: _depth(vendor, word)):
        vendor = _with_records(vendor, word, told[word])
    asked: list[RecordedRequest] = []
    fake = mock.from_vendor(vendor, rate_limit=rate_limit)
    secrets = Secrets(vendor)
    target = targets.checked(fake, lambda exchange: asked.append(RecordedRequest(exchange, vendor, secrets)))
    return Mocked(vendor, target, asked, fake, secrets)


# --- the marker -----------------------------------------------------------------------------------------------------


def _told(item: pytest.Item, vendor: Vendor) -> dict[str, Json]:
    """What the test's markers say of a vendor: those of the class, the module and so on yield to nearer ones."""
    told: dict[str, Json] = {}
    known = (*vendor.world.collections, "tokens", "rate_limit")
    for mark in reversed([*item.iter_markers(MARKER)]):
        if _named(mark) == vendor.name:
            words = {word: value for word, value in mark.kwargs.items() if word != "vendor"}
            for word in words:
                if word not in known:
                    raise UsageError(f"the marker has no {word!r}; for {vendor.name} there are: {', '.join(known)}")
            told |= words
    return told


def _named(mark: pytest.Mark) -> str:
    """The vendor that a marker is about."""
    said = [*mark.args, *([mark.kwargs["vendor"]] if "vendor" in mark.kwargs else [])]
    known = names()
    if len(said) != 1:
        raise UsageError(f'the marker names one vendor, as in @pytest.mark.{MARKER}("{known[0]}", rate_limit=5)')
    if said[0] not in known:
        raise UsageError(f"the marker names {said[0]!r}, which is not a vendor; there are: {', '.join(known)}")
    return str(said[0])


def _with_tokens(vendor: Vendor, tokens: Json) -> Vendor:
    from trunkline.mock.loader import with_tokens  # noqa: PLC0415 - see the module's docstring

    if not isinstance(tokens, list | tuple) or not tokens or not all(isinstance(one, str) and one for one in tokens):
        raise UsageError("the marker's tokens are a list of one or more texts")
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        raise UsageError(
            "the marker's tokens hold what no bearer token can (RFC 6750, section 2.1); "
            "make them of letters, digits and any of . _ ~ + / -"
        )
    return with_tokens(vendor, tuple(tokens))


def _depth(vendor: Vendor, collection: str) -> int:
    """How many collections are above one: what others belong to is set before them."""
    above = vendor.world.collections[collection].parent
    return 1 + _depth(vendor, above.collection) if above else 0


def _with_records(vendor: Vendor, collection: str, records: Json) -> Vendor:
    from trunkline.mock.loader import with_records  # noqa: PLC0415 - see the module's docstring

    records = _plausible(vendor, collection, records) if type(records) is int else records
    try:
        own = json.loads(json.dumps(records))
        changed = with_records(vendor, collection, own)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the marker's {collection} are not JSON: {error}") from None
    except RecursionError:
        raise UsageError(f"the marker's {collection} are nested too deeply; give records as in fixtures/") from None
    for name, index in vendor.world.with_records(collection, tuple(own)).orphans():
        above = vendor.world.collections[name].parent
        if name == collection and above:
            raise UsageError(
                f"the marker's {name}#/{index}/{above.field}: there is no such record in {above.collection}"
            )
    return changed


def _plausible(vendor: Vendor, collection: str, count: int) -> list[Json]:
    """So many records that are made up; what belongs to something belongs to the first of it."""
    from trunkline.mock.factory import RecordFactory  # noqa: PLC0415 - see the module's docstring

    if count < 0:
        raise UsageError(f"the marker's {collection} are {count}; it is a list of records, or how many to make up")
    kind, world = RecordFactory(vendor, collection, 0), vendor.world
    there = world.collections[kind.parent.collection].records if kind.parent else ()
    mine = [record for record in there if world.account_of(record) == world.account]
    return [kind.made({}, parents=mine) for _ in range(count)]
