"""Owns the options `--trunkline-*` and their twins `trunkline_*` in the ini file: declares, reads and keeps them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import pytest

from trunkline.contract.folders import names


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _some(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= 86400:
        raise ValueError
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 1 / 3600 <= number < float("inf"):
        raise ValueError
    return number


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    text.encode()
    if not (name and equals and value):
        raise ValueError
    return name, value


def _grade(text: str) -> str:
    if text not in {"documented", "implied", "customary"}:
        raise ValueError
    return text


_WANTED: Mapping[Callable[[str], Any], str] = {
    _count: "a whole number",
    _some: "a whole number, at least 1",
    _seconds: "a number above 0, at most 86400",
    _rate: "a number, at least 0.00028 (one an hour)",
    _pair: "a name, an equals sign and a value, all in UTF-8",
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
    allow_writes: bool = False
    second_token: str | None = field(default=None, repr=False)
    second_token_file: Path | None = None
    leave: int | None = None
    journal: Path | None = None


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
    "examples": ("N", _some, "how many generated requests each generated check sends"),
    "timeout": ("SECONDS", _seconds, "how long the implementation may take for one answer (default: 10)"),
    "rate": ("N", _rate, "how many requests a second are sent at most (default: as fast as they are answered)"),
    "max_requests": ("N", _some, "after how many requests the run stops asking; it tells what it could not check"),
    "allow_writes": (
        "",
        bool,
        "create, change and remove, too: only what the run made itself, under a name of its own",
    ),
    "second_token": ("TOKEN", str, "another account's credential; better kept in TRUNKLINE_SECOND_TOKEN"),
    "second_token_file": ("FILE", Path, "a file that holds another account's credential and nothing else"),
    "leave": ("N", _count, "how many things may stay of which no page says how they are removed (default: 0)"),
    "journal": ("FILE", Path, "where what was made is noted until it is removed, for the next run to finish"),
}
"""How each option is shown, read and explained."""

_FLAG = re.compile(r"(?<![\w-])--(?!trunkline-)(?=[a-z])")

_ONE: tuple[str, Literal["string"]] = ("store", "string")
_MANY: tuple[str, Literal["args"]] = ("append", "args")

_OPTIONS = pytest.StashKey[Options]()


def options(config: pytest.Config) -> Options:
    """The options of a run: from the command line, else from the ini file, else as they are by default."""
    return config.stash[_OPTIONS]


def spelled(sentence: str) -> str:
    """A sentence of the command line with the names that its options have here: `--trunkline-url` for `--url`."""
    return _FLAG.sub("--trunkline-", sentence)


def declare(parser: pytest.Parser) -> None:
    """Declares each option and its twin in the ini file."""
    group = parser.getgroup("trunkline", "trunkline: mocks and checks for the REST APIs that manage SIP trunks")
    for option in fields(Options):
        metavar, _, text = _HELP[option.name]
        name = f"trunkline_{option.name}"
        action, kind = _MANY if option.default == () else _ONE
        flag = f"--{name.replace('_', '-')}"
        if option.default is False:
            group.addoption(flag, dest=name, action="store_true", default=None, help=text)
            parser.addini(name, text, type="bool", default=None)
            continue
        group.addoption(flag, dest=name, action=action, default=None, metavar=metavar, help=text)
        parser.addini(name, text, type=kind, default=None)


def keep(config: pytest.Config) -> None:
    """Reads the options of a run, and keeps them for `options`."""
    read = {name: _read(config, name, how) for name, (_, how, _) in _HELP.items()}
    found = Options(**{name: value for name, value in read.items() if value is not None})
    known = names()
    for name in found.vendor:
        if name not in known:
            raise pytest.UsageError(f"--trunkline-vendor: {name[:40]!r} is not a vendor; there are: {', '.join(known)}")
    if found.fixtures and not any((found.fixtures / name).is_dir() for name in known):
        wanted = " or ".join(f"{name}/" for name in known)
        raise pytest.UsageError(f"--trunkline-fixtures: {found.fixtures} has no folder {wanted}")
    about_writing = (found.second_token, found.second_token_file, found.leave, found.journal)
    if not found.allow_writes and any(given is not None for given in about_writing):
        raise pytest.UsageError(
            "a second token, --trunkline-leave and --trunkline-journal need --trunkline-allow-writes"
        )
    if found.url and found.allow_writes and _workers(config) > 1:
        raise pytest.UsageError("several workers would write past each other; write with one of them, -n 0 or -n 1")
    if (found.url or found.app) and len(found.vendor) != 1:
        raise pytest.UsageError("an implementation is one vendor's: name it with --trunkline-vendor")
    if found.param:
        _check_parameters([name for name, _ in found.param], found.vendor or known)
    config.stash[_OPTIONS] = found


def _workers(config: pytest.Config) -> int:
    """Among how many processes pytest-xdist shares the tests."""
    workers = [spec.partition("*") for spec in getattr(config.option, "tx", None) or ()]
    return sum(int(count) if star and count.isdigit() else 1 for count, star, _ in workers)


def _check_parameters(given: Iterable[str], vendors: Iterable[str]) -> None:
    """Raises unless each name is that of a path parameter; a name that is none is not quoted: it may be a secret."""
    from trunkline.mock.loader import load  # noqa: PLC0415 - only for those who give parameters

    operations = [operation for name in vendors for operation in load(name).contract.operations]
    known = {found.name for operation in operations for found in operation.parameters if found.location == "path"}
    if not known.issuperset(given):
        there = ", ".join(sorted(known)) or "there is none to give"
        raise pytest.UsageError(f"--trunkline-param names no parameter that can be given here: {there}")


def _read(config: pytest.Config, name: str, read: Callable[[str], Any]) -> Any:
    """One option's value, or None. No sentence quotes it: it may be a secret."""
    name = f"trunkline_{name}"
    said, place, folder = config.getoption(name), f"--{name.replace('_', '-')}", config.invocation_params.dir
    if said is None:
        place = f"{name} in the ini file"
        try:
            said = config.getini(name)
        except (ValueError, pytest.UsageError):  # pytest reads itself what is true or false
            raise pytest.UsageError(f"{place} is neither true nor false") from None
        folder = config.inipath.parent if config.inipath else config.rootpath
    if said is None or said == [] or isinstance(said, bool):
        return said or None
    texts = [said] if isinstance(said, str) else said
    try:
        values = tuple(folder / text if read is Path else read(text) for text in texts)
    except ValueError:
        raise pytest.UsageError(f"{place} is not {_WANTED[read]}") from None
    return values[0] if isinstance(said, str) else values
