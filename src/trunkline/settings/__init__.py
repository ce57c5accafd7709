"""Every option of the command line and of the pytest plugin: one field of `Settings` each.

The click options, the pytest options with their ini keys, the environment variables and the keys of trunkline.toml are
made from this table. docs/configuration.md describes them to users.

    class Settings:
        rate: float | None = option(RATE, "check pytest", "How many requests to send per second at most.")

    --rate 0.5  --trunkline-rate=0.5  TRUNKLINE_RATE=0.5  trunkline_rate = 0.5 (ini)  rate = 0.5 (TOML)

`settings.sources` finds the values of a run. Every pytest run imports this package, so it must load fast: `Settings` is
no dataclass, for which Python would generate and compile code for each field.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, NamedTuple

from trunkline.contract.times import DAY, MAX_WAIT
from trunkline.errors import UsageError
from trunkline.report import FORMATS

DEBUG = "TRUNKLINE_DEBUG"
"""The environment variable that shows an unexpected error in full."""

STANDARD_OUTPUT = "-"
"""The name of a file for a report that stands for standard output."""


def describe_bug(error: Exception) -> str:
    """One sentence for an unexpected exception, without its text, which may hold a secret."""
    return f"{type(error).__name__} was not expected; this is a bug in trunkline; {DEBUG}=1 shows it"


# --- the types of values --------------------------------------------------------------------------------------------

_NUMERIC = re.compile(r"[-+0-9.eE]+")
"""The characters of a number. Python takes more: `1_000`, digits of other scripts, and blanks around."""


_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
"""The seconds of each unit of a duration."""


class Type(NamedTuple):
    """The type of an option. A text is `wanted` if it can be converted and the value is valid."""

    convert: Callable[[str], Any]
    wanted: str
    metavar: str
    is_valid: Callable[[Any], bool] = lambda _: True
    toml: tuple[type, ...] = (str,)
    """The types that a TOML value can have."""
    ini: Literal["string", "bool", "int", "float"] = "string"
    """pytest's name of the type."""
    choices: tuple[str, ...] = ()
    """All texts that are wanted, if they can be listed."""

    def parse(self, text: str) -> Any:
        """The value of a text. Raises `ValueError` for one that is not wanted."""
        if self.convert in {int, float} and not _NUMERIC.fullmatch(text):
            raise ValueError
        value = self.convert(text)
        if not self.is_valid(value):
            raise ValueError
        return value


def _flag(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError


def _duration(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError
    return int(found[1]) * _UNITS[found[2]]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    text.encode()  # the command line keeps bytes that are not UTF-8 as lone surrogates
    return name, value


def _report(text: str) -> tuple[str, str]:
    name, _, file = text.partition("=")
    if name not in FORMATS or not file:
        raise ValueError
    return name, file


def _time(text: str) -> float:
    if _DURATION.fullmatch(text):
        return time.time() - _duration(text)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _text(metavar: str) -> Type:
    return Type(str, "text", metavar)


def _path(metavar: str) -> Type:
    return Type(str, "the name of a file or folder", metavar)


def _whole_number(metavar: str, least: int, most: int) -> Type:
    wanted = f"a whole number from {least} to {most}"
    return Type(int, wanted, metavar, lambda number: least <= number <= most, (int,), "int")


def _one_of(metavar: str, *choices: str) -> Type:
    wanted = f"{', '.join(choices[:-1])} or {choices[-1]}"
    return Type(str, wanted, metavar, choices.__contains__, choices=choices)


FLAG = Type(_flag, "true or false", "", toml=(bool,), ini="bool")
SECRET = _text("TOKEN")
"""A secret is never printed, and never read from a TOML file."""
WEBHOOK = _text("URL")
"""A secret too: who knows the address can use it."""
BASE = _text("BASE")
IDS = Type(str, "operationIds, separated by commas", "ID,...")
FILE, FOLDER = _path("FILE"), _path("DIR")
DURATION = Type(
    _duration, "a duration from 1s to 1d, such as 30s, 5m or 1h", "DURATION", lambda found: 1 <= found <= DAY
)
"""A duration; its value is a number of seconds."""
PAIR = Type(_pair, "a name, an equals sign and a value, all in UTF-8", "NAME=VALUE", all)
COUNT = _whole_number("N", 0, 1_000_000_000)
UP_TO_A_MILLION = _whole_number("N", 0, 1_000_000)  # as many as `mock.factory` generates
AT_LEAST_ONE = _whole_number("N", 1, 1_000_000_000)
SEED = _whole_number("N", 0, 2**53 - 1)  # the largest that every JSON parser reads exactly
WINDOW = _whole_number("SECONDS", 1, DAY)
PORT = _whole_number("PORT", 0, 65535)
_AT_MOST_A_DAY = f"a number above 0, at most {DAY}"
SECONDS = Type(float, _AT_MOST_A_DAY, "SECONDS", lambda seconds: 0 < seconds <= DAY, (int, float), "float")
_ONE_AN_HOUR = "a number, at least 0.00028 (one an hour)"
RATE = Type(float, _ONE_AN_HOUR, "N", lambda rate: 1 / 3600 <= rate < float("inf"), (int, float), "float")
PERCENT = Type(float, "a number from 0 to 100", "PERCENT", lambda percent: 0 <= percent <= 100, (int, float), "float")
TIME = Type(_time, "a time such as 2026-11-28T18:00:00Z, or a duration such as 2h (s, m, h, d, w)", "TIME")
GRADE = _one_of("GRADE", "documented", "implied", "customary")
ON_NEW = _one_of("ACTION", "exit", "log")
FORMAT = _one_of("FORMAT", *FORMATS)
TEXT_OR_JSON = _one_of("FORMAT", "text", "json")
REPORT = Type(_report, f"FORMAT=FILE, where FORMAT is {FORMAT.wanted}", "FORMAT=FILE")


# --- the table ------------------------------------------------------------------------------------------------------


class Option:
    """One row of the table. `interfaces` are the commands that have the option, and `pytest`.

    `name` is the field's, `flag` is how the command line spells it, `short` is one more spelling: `-o`, or the name of
    an earlier version.
    """

    def __init__(self, type: Type, interfaces: str, help: str, default: Any, flag: str, short: str) -> None:
        self.type, self.help, self.default = type, help, default
        self.interfaces = frozenset(interfaces.split())
        self.name, self.flag, self.short = "", flag, short

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name
        self.flag = self.flag or f"--{name.replace('_', '-')}"

    @property
    def repeatable(self) -> bool:
        """Whether it can be given several times: its value is a tuple."""
        return isinstance(self.default, tuple)

    @property
    def wanted(self) -> str:
        """A value of TOML that the option takes."""
        return f"a list; each item should be {self.type.wanted}" if self.repeatable else self.type.wanted

    @property
    def variable(self) -> str:
        """The environment variable: `TRUNKLINE_MAX_REQUESTS`."""
        return f"TRUNKLINE_{self.name.upper()}"

    @property
    def ini(self) -> str:
        """The key in pytest's ini file, and the name of pytest's option: `trunkline_max_requests`."""
        return f"trunkline_{self.name}"

    @property
    def shown_default(self) -> str:
        """The default as help texts show it; empty if there is none, or if the help says what it means."""
        return "" if self.default in (None, False, ()) else str(self.default)


def option(type: Type, interfaces: str, help: str, default: Any = None, *, flag: str = "", short: str = "") -> Any:
    """A field of `Settings`, and a row of the table. `interfaces` are separated by spaces."""
    return Option(type, interfaces, help, False if type is FLAG else default, flag, short)


class Settings:
    """The values of a run. An option that an interface does not have is at its default. File names are strings."""

    def __init__(self, **values: Any) -> None:
        if unknown := values.keys() - OPTIONS:
            raise TypeError(f"no settings: {', '.join(sorted(unknown))}")
        vars(self).update({name: row.default for name, row in OPTIONS.items()}, **values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings do not change: {name}")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The settings that are not at their default, without the secrets."""
        shown = (row for row in OPTIONS.values() if row.type not in (SECRET, WEBHOOK))
        values = ((row.name, getattr(self, row.name)) for row in shown)
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in values if value != OPTIONS[name].default)})"

    # which mocks are served
    host: str = option(_text("HOST"), "serve proxy", "The address to listen on.", "127.0.0.1")
    port: int = option(PORT, "serve proxy", "The port to listen on; 0 finds a free one.", 8900)
    tls: bool = option(
        FLAG, "serve proxy", "Serve HTTPS, with a certificate made on the spot; the CA's path is printed."
    )
    tls_cert: str | None = option(
        FILE, "serve proxy", "Serve HTTPS with this certificate (PEM, with its chain) instead of one made on the spot."
    )
    tls_key: str | None = option(FILE, "serve proxy", "The private key of --tls-cert. [default: in the same file]")
    proxy: bool = option(
        FLAG, "serve", "Be a proxy too, which answers for the vendors' own hosts and refuses all others."
    )
    proxy_pass: bool = option(
        FLAG, "serve", "Be a proxy that passes other hosts on, for clients on this machine; implies --proxy."
    )
    fixtures: str | None = option(
        FOLDER,
        "serve pytest",
        "A folder with your own records and tokens, DIR/VENDOR/trunks.json and DIR/VENDOR/world.toml, which are added"
        " to the shipped ones.",
    )
    watch: bool = option(
        FLAG, "serve", "Reset a mock as soon as your files of --fixtures have changed; connections stay open."
    )
    trunks: int | None = option(
        UP_TO_A_MILLION,
        "serve pytest",
        "Serve N generated trunks, with calls or DIDs of theirs, instead of the shipped ones.",
    )
    seed: int | None = option(
        SEED,
        "serve check pytest",
        "The same seed repeats a run, and generates the same records. [default: random for check, else 0]",
    )
    accept_token: tuple[str, ...] = option(
        SECRET,
        "serve",
        "One more credential to accept: TOKEN, VENDOR=TOKEN or VENDOR/ACCOUNT=TOKEN; a new account is empty; can be"
        " repeated.",
        (),
        flag="--token",
    )
    rate_limit: int | None = option(AT_LEAST_ONE, "serve", "How many requests a credential may send per time window.")
    rate_window: int | None = option(WINDOW, "serve", "How many seconds a time window lasts.")
    state: str | None = option(
        FILE,
        "serve reset",
        "The file that keeps every write, secrets included, from one start of a server to the next.",
    )
    session_idle: float = option(
        SECONDS,
        "serve",
        "End a session after so many seconds without use (POST /_trunkline/sessions opens one).",
        600.0,
    )
    server: str | None = option(BASE, "reset", "The running server. [default: http://127.0.0.1:8900]", flag="--url")
    admin_token: str | None = option(
        SECRET,
        "serve reset proxy",
        "The credential that opens the admin surface from any machine; better set TRUNKLINE_ADMIN_TOKEN (`ps` shows"
        " options).",
    )
    cors: tuple[str, ...] = option(
        _text("ORIGIN"),
        "serve",
        "A web page's origin that may use the mock, such as https://app.example.com, or * for any; can be repeated. "
        "Pages of this machine always may.",
        (),
    )
    fault: tuple[str, ...] = option(
        _text("FAULT"),
        "serve",
        "Set a fault, such as 'listTrunks: 503 x2' (trunkline docs mock faults); can be repeated.",
        (),
    )
    faults: str | None = option(FILE, "serve", "A TOML file with a list of faults.")
    scenario: tuple[str, ...] = option(
        _text("NAME"), "serve", "Set the faults of a scenario, by its name in `trunkline faults`; can be repeated.", ()
    )
    record: int = option(
        UP_TO_A_MILLION,
        "serve",
        "How many of the latest requests to keep for GET /_trunkline/requests; 0 keeps none.",
        1000,
    )
    verbose: bool = option(FLAG, "serve proxy", "Log each request in one line, without secrets.", short="-v")
    quiet: bool = option(FLAG, "serve proxy", "Print nothing but one line of JSON.")

    # which API a proxy stands before
    upstream: str | None = option(
        BASE, "proxy", "The base address of the API that answers, such as https://api.example.com/v1. It is required."
    )
    upstream_timeout: float = option(
        SECONDS, "proxy", "How long the API may be silent before or within an answer.", 60.0, flag="--timeout"
    )
    record_file: str | None = option(
        FILE,
        "proxy",
        "Write what passes to this file, with stand-ins for secrets: FILE.ndjson, which is continued, or FILE.har.",
        flag="--record",
    )
    findings_wait: float | None = option(
        SECONDS,
        "proxy",
        "How long each response may wait for its x-trunkline-findings. [default: a quarter of what the API took]",
    )

    validate: bool = option(
        FLAG,
        "pytest",
        "Judge what the HTTP client of each test gets from a vendor's host; a finding fails the test.",
    )
    allow_real_hosts: bool = option(
        FLAG, "pytest", "Let tests that use the fixtures connect to real hosts; without it such a test fails."
    )

    # which implementation is checked
    live: bool = option(FLAG, "validate", "Send one request to an implementation, instead of reading a SOURCE.")
    vendor: tuple[str, ...] = option(
        _text("NAME"),
        "pytest",
        "The vendor whose contract the suite checks and --coverage counts; can be repeated. [default: all; for coverage"
        " those that the tests asked]",
        (),
    )
    url: str | None = option(
        BASE,
        "check validate watch replay pytest",
        "The base address of the implementation, such as https://api.example.com/v1.",
    )
    app: str | None = option(
        _text("MODULE:ATTRIBUTE"),
        "check validate watch replay pytest",
        "An ASGI application to check in this process instead, such as main:app.",
    )
    token: str | None = option(
        SECRET, "check validate watch replay pytest", "The credential; better set TRUNKLINE_TOKEN (`ps` shows options)."
    )
    token_file: str | None = option(
        FILE, "check validate watch replay pytest", "A file that contains the credential and nothing else."
    )
    param: tuple[tuple[str, str], ...] = option(
        PAIR,
        "check validate watch pytest",
        "A path parameter to send, by the name in the contract, such as trunk_id=7; can be repeated.",
        (),
    )
    timeout: float = option(
        SECONDS, "check validate watch replay pytest", "How long one response may take, at most a day.", 10.0
    )

    # what is sent
    operation: tuple[str, ...] = option(
        IDS,
        "check validate drift proxy watch pytest",
        "Judge only the operations with these operationIds; can be repeated.",
        (),
    )
    base: tuple[str, ...] = option(
        BASE,
        "validate drift",
        "Judge only recorded requests below this address, which stands for the vendor's own; can be repeated.",
        (),
    )
    since: float | None = option(
        TIME,
        "validate drift",
        "Leave out recorded exchanges that are older than this time (UTC without an offset) or duration.",
    )
    jobs: int = option(_whole_number("N", 1, 1024), "validate", "How many processes judge recorded traffic.", 1)
    complete: bool = option(FLAG, "check pytest", "Report each operation that is not implemented, as a finding.")
    require: tuple[str, ...] = option(
        IDS,
        "check pytest",
        "Exit with 2 if any check of these operations was not exercised; all names them all; can be repeated.",
        (),
    )
    examples: int = option(
        AT_LEAST_ONE,
        "check pytest",
        "How many requests to generate for each operation; with --allow-writes also half as many random scenarios.",
        50,
    )
    rate: float | None = option(
        RATE, "check watch replay pytest", "How many requests to send per second at most; at least one an hour."
    )
    max_requests: int | None = option(
        AT_LEAST_ONE,
        "check watch replay pytest",
        "Stop after N requests (watch: in each round); what was not checked is reported.",
    )
    max_wait: float = option(
        SECONDS,
        "check validate watch replay pytest",
        "How long to wait at most when a response says that the rate limit is spent (429).",
        MAX_WAIT,
    )
    allow_writes: bool = option(
        FLAG, "check replay pytest", "Also create, change and delete, but only items that this run created itself."
    )
    second_token: str | None = option(
        SECRET,
        "check replay pytest",
        "The credential of another account, to check that accounts are isolated; better set TRUNKLINE_SECOND_TOKEN.",
    )
    second_token_file: str | None = option(
        FILE, "check replay pytest", "A file that contains that credential and nothing else."
    )
    leave: int | None = option(
        COUNT,
        "check replay pytest",
        "How many items may be left that no operation can delete. [default: 0; any number on the built-in mock]",
    )
    ledger: str | None = option(
        FILE,
        "check replay pytest",
        "Where created items are recorded until they are deleted, so that the next run can clean up.",
        short="--journal",
    )
    settle: float | None = option(
        SECONDS,
        "check replay pytest",
        "How long a response may lag behind a write: a wrong read is repeated for that long.",
    )
    every: int | None = option(DURATION, "watch", "How long from one round to the next, on average. [default: 5m]")
    rounds: int | None = option(AT_LEAST_ONE, "watch", "End after N rounds. [default: no end]")
    on_new: str | None = option(
        ON_NEW,
        "watch",
        "The reaction to a new kind of finding or drift: exit ends with 1, log only shows it."
        " [default: log with --webhook, else exit]",
    )
    webhook: str | None = option(
        WEBHOOK,
        "watch",
        "The address that gets a POST of JSON about what is new; better set TRUNKLINE_WEBHOOK (`ps` shows options).",
    )
    history: str | None = option(
        FILE, "watch", "Where the rounds, and all that they have shown, are recorded, so that the next watch goes on."
    )
    dry_run: bool = option(FLAG, "check", "Print the requests that would change something, and send nothing.")

    # how it is reported
    strictness: str = option(
        GRADE,
        "check validate proxy watch pytest",
        "The weakest grade of evidence that fails a run: documented, implied or customary.",
        "implied",
        short="--fail-on",
    )
    format: str = option(
        FORMAT, "check validate proxy", f"How the report is printed: {FORMAT.wanted} (trunkline docs report).", "text"
    )
    report: tuple[tuple[str, str], ...] = option(
        REPORT,
        "check validate proxy pytest",
        "Also write the report to this file, in this format; - is standard output, except in pytest; can be repeated"
        " (trunkline docs report).",
        (),
    )
    baseline: str | None = option(
        FILE,
        "check validate proxy pytest",
        "A TOML file with the findings that are known, each with a reason and an expiry: they do not fail the run"
        " (trunkline docs report).",
    )
    update_baseline: bool = option(
        FLAG,
        "check validate proxy pytest",
        "Add the findings that fail the run to the file of --baseline, and remove the entries that are stale.",
    )
    coverage: bool = option(
        FLAG, "pytest", "Print which documented answers of the mocks your client has met, and which it has not."
    )
    coverage_json: str | None = option(FILE, "pytest", "Write the coverage to this file, as JSON.")
    coverage_fail_under: float | None = option(
        PERCENT, "pytest", "Fail the run if your client has met fewer of the documented answers."
    )
    drift_format: str = option(
        TEXT_OR_JSON, "drift", "How the drift is printed: text or json (trunkline docs drift).", "text", flag="--format"
    )
    replay_format: str = option(
        TEXT_OR_JSON,
        "replay",
        "How the outcomes are printed: text or json (trunkline docs report).",
        "text",
        flag="--format",
    )
    against: tuple[str, ...] = option(
        FILE, "drift", "Compare with this older recording instead of the contract; can be repeated.", ()
    )
    any_change: bool = option(
        FLAG, "drift", "Exit with 1 for any change, also for one that breaks no client.", flag="--any"
    )
    patch: str | None = option(FILE, "drift", "Write the patch to the schema files to this file, as a unified diff.")
    write: bool = option(FLAG, "drift", "Apply the patch to schema files of your own (TRUNKLINE_DATA).")
    fail_fast: bool = option(FLAG, "check", "Stop at the first finding.")
    document_url: str | None = option(
        BASE, "export", "The server that the document names, instead of the vendor's own.", flag="--url"
    )
    schema: bool = option(FLAG, "faults", "Print the JSON Schema of a file of faults.")
    output: str | None = option(FILE, "export", "The file to write. [default: standard output]", short="-o")

    def only(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Some of the settings, as keyword arguments: `connect(vendor, **settings.only(CONNECTION))`."""
        return {name: getattr(self, name) for name in names}


CONNECTION = ("url", "app", "token", "token_file", "timeout", "rate", "max_requests", "max_wait")
"""The settings that `transport.connect.connect` takes."""

SECOND = ("second_token", "second_token_file")
"""The settings that `transport.connect.with_second_account` takes."""

WRITING = ("allow_writes", "leave", "ledger", "settle")
"""The settings that `check.safety.WriteOptions` takes."""


OPTIONS: Mapping[str, Option] = {name: row for name, row in vars(Settings).items() if isinstance(row, Option)}
"""Each option by its name, in the order of the help texts."""


def required_operations(require: Collection[str], operations: Collection[str]) -> frozenset[str]:
    """The operationIds that `--require` names, of those that are checked; `all` names them all.

    Raises `UsageError` for one that is not checked.
    """
    for name in sorted({*require} - {"all", *operations}):
        raise UsageError(
            f"--require names {name!r}, which is not checked; name one of: {', '.join(operations)}, or all"
        )
    return frozenset(operations if "all" in require else require)


ALTERNATIVES = (
    ("url", "app"),
    ("token", "token_file"),
    ("second_token", "second_token_file"),
    ("state", "server"),
    ("verbose", "quiet"),
)
"""Options that exclude each other: if a source sets one, sources of lower priority cannot set the other."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "url": ("live", "vendor"),
    "app": ("live", "vendor"),
    "token_file": ("url", "app"),
    "param": ("live", "url", "app"),
    "tls_key": ("tls_cert",),
    **dict.fromkeys(("report", "baseline"), ("vendor",)),
    **dict.fromkeys(SECOND, ("url", "app", "allow_writes")),
    **dict.fromkeys(("leave", "ledger", "settle", "dry_run"), ("allow_writes",)),
}
"""A persistent value of an option is used only if one of these is set, if the interface has any of them.

Evaluated in order: an ignored `url` does not enable `token_file`. Other values are kept, or are a mistake if they need
`allow_writes` alone.
"""

RECORDED = ("base", "jobs", "since")
"""Options about recorded traffic: with --live, a persistent value is ignored, and one of the command line a mistake."""

COMMAND_LINE_ONLY = {
    "reset": {"state"},
    "check": {"fail_fast", "update_baseline"},
    "validate": {"live", "since", "update_baseline"},
    "proxy": {"update_baseline"},
    "pytest": {"update_baseline"},
    "drift": {"since", "against", "patch", "write"},
    "export": {"document_url", "output"},
    "faults": {"schema"},
}
"""The options of each interface that take no persistent value."""


@cache
def options_of(interface: str) -> tuple[Option, ...]:
    """The options of a command, or of `pytest`."""
    return tuple(row for row in OPTIONS.values() if interface in row.interfaces)
