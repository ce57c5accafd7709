"""Where the values of a run come from: the command line, the environment, and the configuration file.

The first source that has a value wins: the command line, the environment, pytest's ini file (in pytest), and
trunkline.toml or `[tool.trunkline]` in pyproject.toml.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trunkline.errors import UsageError, reason_of
from trunkline.settings import (
    ALTERNATIVES,
    COMMAND_LINE_ONLY,
    FILE,
    FOLDER,
    IDS,
    NEEDS,
    OPTIONS,
    RECORDED,
    REPORT,
    SECRET,
    STANDARD_OUTPUT,
    WEBHOOK,
    Option,
    Settings,
    Type,
    options_of,
)

TRUNKLINE_TOML, PYPROJECT = "trunkline.toml", "pyproject.toml"
"""The two names of a configuration file; in pyproject.toml it is the table `[tool.trunkline]`."""


class Source:
    """The values of one source by the names of the options, as text or as TOML has them; None is no value.

    `place` names an option in an error message. Relative paths are relative to `folder`, or to the current folder. A
    `persistent` source applies to every run, so its values that make no sense in a run are ignored.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        place: Callable[[Option], str],
        folder: Path | None = None,
        *,
        persistent: bool = False,
    ) -> None:
        self.values, self.place, self.folder, self.persistent = values, place, folder, persistent


def settings_from(interface: str, *sources: Source) -> Settings:
    """The settings of one run: each from the first source that has it or an alternative to it; else its default.

    Raises `UsageError` with the place of a value that is wrong, or that would be without effect. It does not print the
    value, which may be a secret.
    """
    values: dict[str, Any] = {}
    origins: dict[str, Source] = {}
    already_set: set[str] = set()
    rows = options_of(interface)
    for source in sources:
        ignored = already_set | COMMAND_LINE_ONLY.get(interface, set()) if source.persistent else already_set
        present = {
            row.name: _read(row, source.values[row.name], source)
            for row in rows
            if source.values.get(row.name) not in (None, (), []) and row.name not in ignored
        }
        values |= present
        origins |= dict.fromkeys(present, source)
        already_set = already_set.union(present, *(pair for pair in ALTERNATIVES if present.keys() & pair))
    for name, others in NEEDS.items():
        needs = [other for other in others if interface in OPTIONS[other].interfaces]
        if name not in values or not needs or any(values.get(other) for other in needs):
            continue
        if origins[name].persistent:
            del values[name]
        elif others == ("allow_writes",):
            place = origins[name].place(OPTIONS[name])
            raise UsageError(f"{place} is about writing; add --allow-writes, or leave it out")
    for name in (name for name in RECORDED if name in values and values.get("live")):
        if not origins[name].persistent:
            place = origins[name].place(OPTIONS[name])
            raise UsageError(f"{place} is for recorded traffic; leave it out, or leave out --live")
        del values[name]
    return Settings(**values)


def _read(row: Option, value: Any, source: Source) -> Any:
    if value is _LATER:
        return None
    try:
        items = shlex.split(value) if row.repeatable and isinstance(value, str) else value
        items = items if isinstance(items, list | tuple) else [items]
        if row.type is IDS:
            items = [name for item in items for name in item.split(",") if name] or items
        parsed = tuple(_located(row.type, row.type.parse(str(item)), source.folder) for item in items)
    except ValueError:
        raise UsageError(f"{source.place(row)} is not {row.type.wanted}") from None
    return parsed if row.repeatable else parsed[-1]


def _located(type: Type, value: Any, folder: Path | None) -> Any:
    """The value, with the name of a file in the folder of its source."""
    if folder and type is REPORT and value[1] != STANDARD_OUTPUT:
        return value[0], str(folder / value[1])
    return str(folder / value) if folder and type in (FILE, FOLDER) else value


def environment(environ: Mapping[str, str] = os.environ) -> Source:
    """The variables `TRUNKLINE_<OPTION>`; an empty one is not set. Lists are separated by spaces, as in a shell.

    The credentials of implementations are left to `transport.connect`, which does not send them to the built-in mock.
    """
    values: dict[str, Any] = {name: environ.get(row.variable) or None for name, row in OPTIONS.items()}
    for name in ("token", "second_token"):
        values[name] = _LATER if OPTIONS[name].variable in environ else None
    return Source(values, lambda row: f"${row.variable}", persistent=True)


_LATER = object()
"""The value of a variable that is read when a connection is made."""


def configuration(folder: Path | None = None) -> Source:
    """The values of the nearest configuration file, in the folder (default: the current one) or above it.

    The search ends at the first trunkline.toml, pyproject.toml with a table `[tool.trunkline]`, or folder with `.git`.
    Raises `UsageError` for a file that cannot be read, an unknown key, a value of another type, or a secret.
    """
    path, table = _nearest_table(folder)
    source = Source(table, lambda row: f"{row.name} in {path}", path.parent, persistent=True)
    _check(path, source)
    return source


def _nearest_table(folder: Path | None) -> tuple[Path, dict[str, Any]]:
    try:
        start = (folder or Path.cwd()).absolute()
    except OSError:  # the current folder was deleted
        return Path(), {}
    for place in (start, *start.parents):
        for path, keys in ((place / TRUNKLINE_TOML, ()), (place / PYPROJECT, ("tool", "trunkline"))):
            if (table := _table(path, keys)) is not None:
                return path, table
        if (place / ".git").exists():
            break
    return Path(), {}


def _table(path: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """The table at some keys of a TOML file, or None if there is no such file or table."""
    try:
        if path.is_fifo():
            raise UsageError(f"{path} cannot be read: it is a named pipe")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {reason_of(error)}") from None
    if keys and keys[-1].encode() not in data:
        return None
    import tomllib  # noqa: PLC0415 - only where a file may have settings

    try:
        table = tomllib.loads(data.decode())
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    for key in keys:
        if key not in table:
            return None
        table = table[key]
        if not isinstance(table, dict):
            raise UsageError(f"{'.'.join(keys)} in {path} is not a table; write it as [{'.'.join(keys)}]")
    return table


WITHOUT_QUOTES = "; write it without quotes"
"""The advice for a text where a number, true or false is wanted."""


def describe_secret(path: object, row: Option, prefix: str = "") -> str:
    """The sentence for a secret in a file, whose keys are the names of the options with a prefix."""
    other = OPTIONS.get(f"{row.name}_file")
    file = f", or give {prefix}{other.name} ({other.flag})" if other else ""
    key = f"{prefix}{row.name}"
    return f"{path} holds a secret, {key}, and such a file is easily shared; set {row.variable}{file}"


_SECRETS = (SECRET, WEBHOOK)
"""The types that no file of a project may have."""


def _check(path: Path, source: Source) -> None:
    """Raise `UsageError` for the first key that is unknown, secret or without effect, or has a wrong value."""
    for key, value in source.values.items():
        row = OPTIONS.get(key)
        if row is None:
            from trunkline.findings import suggestion  # noqa: PLC0415 - only for a mistake

            if isinstance(value, dict):
                place = "directly in [tool.trunkline]" if path.name == "pyproject.toml" else "at the top"
                raise UsageError(f"{path} has an unknown table {key!r}; write options {place}")
            meant = suggestion(key, [name for name, other in OPTIONS.items() if other.type not in _SECRETS])
            raise UsageError(f"{path} has an unknown key {key!r}{meant}; `trunkline docs configuration` lists the keys")
        if row.type in _SECRETS:
            raise UsageError(describe_secret(path, row))
        if all(key in COMMAND_LINE_ONLY.get(interface, ()) for interface in row.interfaces):
            raise UsageError(f"{key} in {path} would have no effect; leave it out, and give {row.flag} for each run")
        items = value if row.repeatable and isinstance(value, list) else [value]
        if row.repeatable is not isinstance(value, list) or not all(type(item) in row.type.toml for item in items):
            quoted = isinstance(value, str) and not row.repeatable
            if row.repeatable and isinstance(value, list):
                raise UsageError(f"an item of {key} in {path} is not {row.type.wanted}")
            raise UsageError(f"{key} in {path} is not {row.wanted}{WITHOUT_QUOTES if quoted else ''}")
        _read(row, value, source)
