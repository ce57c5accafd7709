"""Owns what pytest sees: two fixtures for each vendor, the marker `trunkline`, and the options `--trunkline-*`.

    def test_my_client(acme):
        trunks = my_client(acme.url, acme.token).active_trunks()
        assert [asked.query for asked in acme.requests] == ["status=active"]

`acme` is a mock on a port, `acme_target` one without sockets. Each test has its own, in its fresh state.
Every pytest run imports this module, so it imports nothing that pytest has not imported already.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest

from trunkline.errors import TargetError, TrunklineError, UsageError
from trunkline.folders import names

if TYPE_CHECKING:
    from trunkline.exchange import Exchange, Json, Request, Response, Target
    from trunkline.library import Vendor
    from trunkline.mock import Mock
    from trunkline.world import Record

MARKER = "trunkline"

_MARKER_HELP = (
    "trunkline(vendor, *, trunks=[...], tokens=[...], rate_limit=N): what the mock of a vendor holds in one test; "
    "records are whole ones as in fixtures/, or a number of plausible ones. Stack one marker for each vendor."
)


# --- options --------------------------------------------------------------------------------------------------------


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError
    return name, value


def _grade(text: str) -> str:
    if text not in {"documented", "implied", "customary"}:
        raise ValueError
    return text


_WANTED: Mapping[Callable[[str], Any], str] = {
    _count: "a whole number",
    _positive: "a positive number",
    _pair: "a name, an equals sign and a value",
    _grade: "documented, implied or customary",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What `--trunkline-*` and their twins `trunkline_*` in the ini file say; a tuple may be given more than once."""

    fixtures: Path | None = None
    trunks: int | None = None
    seed: int = 0
    vendor: tuple[str, ...] = ()
    url: str | None = None
    app: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    param: tuple[tuple[str, str], ...] = ()
    strictness: str = "implied"
    examples: int | None = None
    timeout: float = 10.0
    rate: float | None = None
    max_requests: int | None = None


_HELP: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "fixtures": (
        "DIR",
        Path,
        "records of your own for the fixtures' mocks: a folder with VENDOR/trunks.json, laid over the shipped ones",
    ),
    "trunks": ("N", _count, "so many plausible trunks on each of the fixtures' mocks, instead of the shipped ones"),
    "seed": ("S", _count, "which plausible trunks: the same for the same seed (default: 0)"),
    "vendor": ("NAME", str, "whose contract the suite checks; may be given more than once (default: all there are)"),
    "url": ("BASE", str, "the base address of the implementation to check, such as https://api.example.com/v1"),
    "app": ("MODULE:ATTRIBUTE", str, "the ASGI application to check, in process; as for uvicorn: main:app"),
    "token": (
        "TOKEN",
        str,
        "the credential to check with; better kept in the environment, as TRUNKLINE_TOKEN, where no listing shows it",
    ),
    "token_file": ("FILE", Path, "a file that holds the credential and nothing else"),
    "param": (
        "NAME=VALUE",
        _pair,
        "a path parameter that leads to something, such as trunk_id=7; may be given more than once",
    ),
    "strictness": (
        "GRADE",
        _grade,
        "the weakest grade of evidence that fails a check: documented, implied or customary (default: implied)",
    ),
    "examples": ("N", _count, "how many generated requests each generated check sends"),
    "timeout": ("SECONDS", _positive, "how long the implementation may take for one answer (default: 10)"),
    "rate": ("N", _positive, "how many requests a second are sent at most (default: as fast as they are answered)"),
    "max_requests": ("N", _count, "after how many requests the run stops asking; it tells what it could not check"),
}
"""How each option is shown, read and explained."""

_ONE: tuple[str, Literal["string"]] = ("store", "string")
_MANY: tuple[str, Literal["args"]] = ("append", "args")

_OPTIONS = pytest.StashKey[Options]()


def options(config: pytest.Config) -> Options:
    """The options of a run: from the command line, else from the ini file, else as they are by default."""
    return config.stash[_OPTIONS]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares each option and its twin in the ini file."""
    group = parser.getgroup("trunkline", "trunkline: mocks and checks for the REST APIs that manage SIP trunks")
    for option in fields(Options):
        metavar, _, text = _HELP[option.name]
        name = f"trunkline_{option.name}"
        action, kind = _MANY if option.default == () else _ONE
        flag = f"--{name.replace('_', '-')}"
        group.addoption(flag, dest=name, action=action, default=None, metavar=metavar, help=text)
        parser.addini(name, text, type=kind, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Reads the options and makes the fixtures, so that a mistake is told before any test runs."""
    config.addinivalue_line("markers", _MARKER_HELP)
    read = {name: _read(config, name, how) for name, (_, how, _) in _HELP.items()}
    found = Options(**{name: value for name, value in read.items() if value is not None})
    known = names()
    for name in found.vendor:
        if name not in known:
            raise pytest.UsageError(f"--trunkline-vendor: {name!r} is not a vendor; there are: {', '.join(known)}")
    if found.fixtures and not any((found.fixtures / name).is_dir() for name in known):
        wanted = " or ".join(f"{name}/" for name in known)
        raise pytest.UsageError(f"--trunkline-fixtures: {found.fixtures} has no folder {wanted}")
    config.stash[_OPTIONS] = found
    made = ModuleType("trunkline-vendors")
    vars(made).update(fixture for name in known for fixture in _fixtures(name))
    config.pluginmanager.register(made, made.__name__)


def _read(config: pytest.Config, name: str, read: Callable[[str], Any]) -> Any:
    """One option's value, or None. No sentence quotes it: it may be a secret."""
    name = f"trunkline_{name}"
    said, place, folder = config.getoption(name), f"--{name.replace('_', '-')}", config.invocation_params.dir
    if said is None:
        said, place = config.getini(name), f"{name} in the ini file"
        folder = config.inipath.parent if config.inipath else config.rootpath
    if said is None or said == []:
        return None
    texts = [said] if isinstance(said, str) else said
    try:
        values = tuple(folder / text if read is Path else read(text) for text in texts)
    except ValueError:
        raise pytest.UsageError(f"{place} is not {_WANTED[read]}") from None
    return values[0] if isinstance(said, str) else values


# --- what a test holds ----------------------------------------------------------------------------------------------


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
    from trunkline.library import load  # noqa: PLC0415 - see the module's docstring

    said = options(pytestconfig)

    def read(name: str) -> Vendor:
        overlay = said.fixtures if said.fixtures and (said.fixtures / name).is_dir() else None
        return load(name, overlay=overlay, trunks=said.trunks, seed=said.seed)

    return cache(read)


@pytest.fixture(scope="session")
def _trunkline_doors(_trunkline_vendors: _Vendors) -> Iterator[Mapping[str, _Door]]:
    """The one server of a process, with a door for each vendor that can be read."""
    from trunkline import server  # noqa: PLC0415 - see the module's docstring

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
    from trunkline import mock, targets  # noqa: PLC0415 - see the module's docstring

    told = _told(item, vendor)
    rate_limit = told.pop("rate_limit", None)
    if rate_limit is not None and (type(rate_limit) is not int or rate_limit < 1):
        raise UsageError(f"the marker's rate_limit is {rate_limit!r}; it is a number of requests, at least 1")
    for word, value in told.items():
        vendor = _with_tokens(vendor, value) if word == "tokens" else _with_records(vendor, word, value)
    asked: list[Asked] = []
    fake = mock.from_vendor(vendor, rate_limit=rate_limit)
    target = targets.checked(fake, lambda exchange: asked.append(Asked(exchange)))
    return Mocked(vendor, target, asked, fake)


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
    from trunkline.library import with_tokens  # noqa: PLC0415 - see the module's docstring

    if not isinstance(tokens, list | tuple) or not tokens or not all(isinstance(one, str) and one for one in tokens):
        raise UsageError("the marker's tokens are a list of one or more texts")
    return with_tokens(vendor, tuple(tokens))


def _with_records(vendor: Vendor, collection: str, records: Json) -> Vendor:
    from trunkline.library import with_records  # noqa: PLC0415 - see the module's docstring

    if type(records) is int:
        records = vendor.world.generated(records, 0).collections[collection].records
    try:
        own = json.loads(json.dumps(records))
    except (TypeError, ValueError) as error:
        raise UsageError(f"the marker's {collection} are not JSON: {error}") from None
    return with_records(vendor, collection, own)
