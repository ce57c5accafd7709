"""The pytest options `--trunkline-*` and the ini keys `trunkline_*`, made from the table of settings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from trunkline.contract.folders import names
from trunkline.errors import UsageError
from trunkline.settings import COMMAND_LINE_ONLY, FLAG, SECRET, STANDARD_OUTPUT, Option, Settings, options_of
from trunkline.settings.sources import (
    WITHOUT_QUOTES,
    Source,
    configuration,
    describe_secret,
    environment,
    settings_from,
)

_FLAG_IN_TEXT = re.compile(r"(?<![\w-])--[a-z][a-z-]*")

_SETTINGS = pytest.StashKey[Settings]()


def settings_of(config: pytest.Config) -> Settings:
    """The settings of a run."""
    return config.stash[_SETTINGS]


def spelled(sentence: str) -> str:
    """A sentence with the names that options have in pytest, if they are there: `--trunkline-url` for `--url`."""
    flags = _flags()
    return _FLAG_IN_TEXT.sub(lambda found: flags.get(found[0], found[0]), sentence)


@cache
def _flags() -> dict[str, str]:
    """How pytest spells each option, by how the command line spells it."""
    return {row.flag: _flag(row) for row in options_of("pytest")}


def declare(parser: pytest.Parser) -> None:
    """Declare each option, and its ini key if it can be set for every run."""
    group = parser.getgroup("trunkline", "trunkline: mocks and checks for the REST APIs that manage SIP trunks")
    for row in options_of("pytest"):
        text = spelled(row.help) + (f" [default: {row.shown_default}]" if row.shown_default else "")
        if row.type is FLAG:
            group.addoption(_flag(row), dest=row.ini, action="store_true", default=None, help=text)
        else:
            action = "append" if row.repeatable else "store"
            group.addoption(_flag(row), dest=row.ini, action=action, default=None, metavar=row.type.metavar, help=text)
        if row.name not in COMMAND_LINE_ONLY["pytest"]:
            ini_type: Literal["args", "string", "bool", "int", "float"] = "args" if row.repeatable else row.type.ini
            parser.addini(row.ini, text, type=ini_type, default=None)


def _flag(row: Option) -> str:
    return f"--{row.ini.replace('_', '-')}"


def read_settings(config: pytest.Config) -> None:
    """Read the settings of a run, for `settings_of`. A wrong one is a `pytest.UsageError`, which ends the run."""
    folder = config.invocation_params.dir
    try:
        command_line = Source({row.name: config.getoption(row.ini) for row in options_of("pytest")}, _flag, folder)
        settings = settings_from("pytest", command_line, environment(), _ini(config), configuration(folder))
    except UsageError as error:
        raise pytest.UsageError(spelled(str(error))) from None
    _check(config, settings)
    config.stash[_SETTINGS] = settings


def _ini(config: pytest.Config) -> Source:
    """The values of pytest's ini file, which can also be a table of pyproject.toml or pytest.toml."""

    def value(row: Option) -> Any:
        try:
            found = config.getini(row.ini)
        except (TypeError, ValueError, pytest.UsageError) as error:
            quoted = "got str: " in str(error) and not row.repeatable
            raise pytest.UsageError(f"{place(row)} is not {row.wanted}{WITHOUT_QUOTES if quoted else ''}") from None
        if row.type is SECRET and found is not None:
            raise pytest.UsageError(spelled(describe_secret(config.inipath or "the ini file", row, "trunkline_")))
        return found

    def place(row: Option) -> str:
        return f"{row.ini} in the ini file"

    folder = config.inipath.parent if config.inipath else config.rootpath
    rows = [row for row in options_of("pytest") if row.name not in COMMAND_LINE_ONLY["pytest"]]
    return Source({row.name: value(row) for row in rows}, place, folder)


def _check(config: pytest.Config, settings: Settings) -> None:
    """Raise `pytest.UsageError` for settings that contradict each other, or for a name that does not exist."""
    for name in settings.vendor:
        if name not in (known := names()):
            raise pytest.UsageError(f"--trunkline-vendor: {name[:40]!r} is not a vendor; there are: {', '.join(known)}")
    if settings.fixtures:
        from trunkline.mock.loader import overlays  # noqa: PLC0415 - only if a folder is given

        try:
            overlays(Path(settings.fixtures), names())
        except UsageError as error:
            raise pytest.UsageError(f"--trunkline-fixtures: {error}") from None
    if (file := settings.coverage_json) and (Path(file).is_dir() or not Path(file).parent.is_dir()):
        reason = "is a folder" if Path(file).is_dir() else "is in a folder that does not exist"
        raise pytest.UsageError(f"--trunkline-coverage-json: {file} {reason}")
    if settings.report or settings.baseline or settings.update_baseline:
        _check_report(settings)
    if settings.url and settings.allow_writes and _workers(config) > 1:
        raise pytest.UsageError("several workers would write past each other; write with one of them, -n 0 or -n 1")
    if (settings.url or settings.app) and len(settings.vendor) != 1:
        raise pytest.UsageError("an implementation is one vendor's: name it with --trunkline-vendor")
    if settings.param:
        _check_parameters([name for name, _ in settings.param], settings.vendor or names())


def _check_report(settings: Settings) -> None:
    """Raise `pytest.UsageError` for a report or a baseline that cannot be written, or that is about several vendors."""
    from trunkline.report.files import check_files  # noqa: PLC0415 - only if a report is asked for

    if settings.update_baseline and not settings.baseline:
        raise pytest.UsageError("--trunkline-update-baseline writes the file of --trunkline-baseline; name it")
    option = "--trunkline-report"
    if len(settings.vendor) != 1:
        option = option if settings.report else "--trunkline-baseline"
        raise pytest.UsageError(f"{option} is about one vendor: name it with --trunkline-vendor")
    if any(file == STANDARD_OUTPUT for _, file in settings.report):
        raise pytest.UsageError(f"{option}: standard output has what pytest prints; name a file")
    try:
        check_files(settings.report, option, (settings.baseline,))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _workers(config: pytest.Config) -> int:
    """The number of processes among which pytest-xdist distributes the tests."""
    workers = [spec.partition("*") for spec in getattr(config.option, "tx", None) or ()]
    return sum(int(count) if star and count.isdigit() else 1 for count, star, _ in workers)


def _check_parameters(given: Iterable[str], vendors: Iterable[str]) -> None:
    """Raise `pytest.UsageError` unless each name is that of a path parameter of one of the vendors."""
    from trunkline.contract.requests import check_parameters  # noqa: PLC0415 - only if parameters are given
    from trunkline.mock.loader import load  # noqa: PLC0415

    operations = [operation for name in vendors for operation in load(name).contract.operations]
    try:
        check_parameters(given, operations, "path")
    except UsageError as error:
        raise pytest.UsageError(spelled(str(error))) from None
