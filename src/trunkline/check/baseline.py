"""The baseline of an implementation: a TOML file with the findings that are known, which do not fail a run.

    [[known]]
    rule = "body_matches_schema"
    operation = "listTrunks"
    at = "body/trunks/*/status"
    contract = "schemas/acme/trunk.json#/properties/status/enum"
    seen = '"busy"'
    reason = "ticket 4711: released with the next version"
    expires = 2027-02-26

An entry is about exactly one finding of a report. Another operation, place or kind of value is another finding.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from trunkline.check.explanations import every
from trunkline.check.laws import LAWS
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.contract.model import Contract
from trunkline.errors import UsageError, reason_of
from trunkline.exchange import SAFE_METHODS, Json
from trunkline.findings import Excuse, Finding, Grade, Identity, Report, suggestion, way_out
from trunkline.redaction import printable
from trunkline.transport.files import read_source, replace_file

_DAYS = 90
"""The number of days until a new entry expires."""
_TODO = "TODO"
"""The beginning of the reason of a new entry, which excuses nothing until somebody has written one."""
_HEAD = """\
# Known findings, for the option --baseline of trunkline. Each entry is about one finding, and excuses it until the
# day `expires`. `seen` is the kind of what was seen. `message` is for you to read.
"""
_TABLE = "known"
_KEYS: Mapping[str, type] = {
    "rule": str,
    "operation": str,
    "at": str,
    "contract": str,
    "seen": str,
    "message": str,
    "writes": bool,
    "reason": str,
    "expires": date,
}
_OPTIONAL = frozenset({"message", "writes"})
_WANTED = {str: "text in quotes", bool: "true or false", date: "a date without quotes, such as 2027-02-26"}
_START = re.compile(rf"^(?:[ \t]*#.*\n)*[ \t]*\[\[[ \t]*{_TABLE}[ \t]*\]\][ \t]*(?:#.*)?$", re.MULTILINE)
"""The beginning of an entry, with the comment lines directly above it."""
_OF_TWO_ACCOUNTS = frozenset(law.name for law in LAWS if law.needs_other_account)
_STATEFUL = frozenset(law.name for law in STATEFUL_LAWS)


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """One entry. `text` is how it is written, and `line` where. `writes`: only a run that writes can find it."""

    identity: Identity
    reason: str
    expires: date
    writes: bool
    line: int
    text: str

    def excuse(self, file: str, today: date) -> Excuse:
        """The entry as a finding shows it."""
        lapsed = f"expired on {self.expires}" if self.expires < today else ""
        if not self.reason.strip() or self.reason.strip().startswith(_TODO):
            lapsed = "known, but without a reason"
        return Excuse(f"{file}:{self.line}", self.reason, str(self.expires), lapsed)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline file: its entries, and what stands before them."""

    file: str
    entries: tuple[BaselineEntry, ...] = ()
    head: str = _HEAD
    today: date = date.min

    def excuses(self) -> dict[Identity, Excuse]:
        """The excuse for each finding that the file has an entry about, as a `Report` takes them."""
        return {entry.identity: entry.excuse(self.file, self.today) for entry in self.entries}

    def stale(self, report: Report) -> tuple[BaselineEntry, ...]:
        """The entries whose check was exercised, and which no finding of the report needs."""
        needed = {finding.excuse.place for finding in report.findings if finding.excuse}
        unneeded = (entry for entry in self.entries if f"{self.file}:{entry.line}" not in needed)
        return tuple(entry for entry in unneeded if _was_exercised(entry, report))

    def note_stale(self, report: Report) -> None:
        """Note in the report of a run that has ended which entries are stale."""
        report.stale = [
            f"{self.file}:{entry.line}: {entry.identity[0]} of {entry.identity[1]} was not found; remove the entry"
            for entry in self.stale(report)
        ]

    def update(self, report: Report, strictness: Grade) -> str:
        """Write the file without the stale entries, and with a new one for each finding that no entry is about.

        Only findings that fail a run at this strictness get one. Returns a sentence about it. Raises `UsageError` if
        the file cannot be written.
        """
        stale = self.stale(report)
        kept = [entry.text for entry in self.entries if entry not in stale]
        expires = self.today + timedelta(days=_DAYS)
        found = [finding for finding in report.findings if finding.fails(strictness) and finding.excuse is None]
        new = {report.identity(finding): _written(report, finding, expires) for finding in found}
        text = "\n\n".join(part.strip("\n") for part in (self.head, *kept, *new.values()) if part.strip()) + "\n"
        try:
            replace_file(Path(self.file).resolve(), text.encode())
        except OSError as error:
            raise UsageError(f"{self.file} cannot be written: {reason_of(error)}") from None
        added = f"{len(new)} new entries, which need a reason" if new else "no new entry"
        added = "1 new entry, which needs a reason" if len(new) == 1 else added
        return f"{self.file}: {added}; {len(stale) or 'none'} removed, {len(kept) or 'none'} kept"


def _was_exercised(entry: BaselineEntry, report: Report) -> bool:
    """Whether a run has exercised what can find the finding of an entry, to its end.

    That is its rule or law, if the report names it; else each law of its operation, since each provokes the rules.
    """
    rule, operation, *_ = entry.identity
    reasons = {check: reason for (name, check), reason in report.exercised.items() if name == operation}
    if not reasons:
        return False
    if rule not in reasons:
        leave_out = _OF_TWO_ACCOUNTS if entry.writes else _OF_TWO_ACCOUNTS | _STATEFUL
        reasons = {check: reason for check, reason in reasons.items() if check not in leave_out}
    else:
        reasons = {rule: reasons[rule]}
    reasons[rule] = reasons.get(rule) or report.rules.get((operation, rule), "")
    return not report.stopped and not any(reasons.values())


def _written(report: Report, finding: Finding, expires: date) -> str:
    """A new entry."""
    writes = any(exchange.request.method not in SAFE_METHODS for exchange in finding.exchanges)
    rule, operation, at, contract, seen = report.identity(finding)
    values = {"rule": rule, "operation": operation, "at": at, "contract": contract, "seen": seen}
    lines = [f"{key} = {_quoted(text)}" for key, text in values.items()]
    lines.append(f"message = {_quoted(printable(report.redact(finding.message)))}")
    lines += ["writes = true"] * writes
    lines += [f'reason = "{_TODO}: why is it known, and who fixes it?"', f"expires = {expires}"]
    return "\n".join([f"[[{_TABLE}]]", *lines])


def _quoted(text: str) -> str:
    """A printable text in TOML: in single quotes if it holds double quotes, since these are easier to read."""
    if '"' in text and "'" not in text:
        return f"'{text}'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- reading --------------------------------------------------------------------------------------------------------


def read_baseline(file: str, contract: Contract, *, may_be_new: bool = False, today: date | None = None) -> Baseline:
    """Read a baseline of an implementation of this contract. With `may_be_new`, the file need not be there.

    Raises `UsageError` with the line for a file that cannot be read, or an entry that is no entry.
    """
    today = today or datetime.now(UTC).date()
    if not Path(file).exists():
        if may_be_new:
            return Baseline(file, today=today)
        raise UsageError(f"{file!r} cannot be read: there is no such file; --update-baseline writes it")
    try:
        text = read_source(file).decode().replace("\r\n", "\n")
        document = tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{file} is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{file} is not TOML: {error}") from None
    starts = [found.start() for found in _START.finditer(text)]
    parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=False)]
    entries: dict[Identity, BaselineEntry] = {}
    for start, part, table in zip(starts, parts, _tables(file, document, len(starts)), strict=True):
        line = text.count("\n", 0, start + part.index("[[")) + 1
        entry = _entry(table, f"{file}:{line}", contract, line, part)
        if other := entries.get(entry.identity):
            raise UsageError(f"{file}:{line}: this entry is about the same finding as that in line {other.line}")
        entries[entry.identity] = entry
    return Baseline(file, tuple(entries.values()), text[: starts[0]] if starts else text, today)


def _tables(file: str, document: Mapping[str, Json], count: int) -> list[Mapping[str, Json]]:
    """The tables of the entries, of which `count` begin with a line of their own."""
    for key in document:
        if key != _TABLE:
            raise UsageError(f"{file} has an unknown key {key!r}; it consists of entries, [[{_TABLE}]]")
    tables = document.get(_TABLE, [])
    is_list = isinstance(tables, list) and all(isinstance(table, dict) for table in tables)
    if not is_list or len(tables) != count:
        raise UsageError(f"{file}: each entry must begin with a line [[{_TABLE}]] of its own")
    return list(tables)


def _entry(table: Mapping[str, Json], place: str, contract: Contract, line: int, text: str) -> BaselineEntry:
    for key, value in table.items():
        if key not in _KEYS:
            raise UsageError(f"{place}: an entry has no key {key!r}{way_out(key, _KEYS)}")
        if type(value) is not _KEYS[key]:
            raise UsageError(f"{place}: {key} is not {_WANTED[_KEYS[key]]}")
    for key in (key for key in _KEYS if key not in _OPTIONAL and key not in table):
        raise UsageError(f"{place}: the entry has no {key}")
    _check_name(table["rule"], every(), f"{place}: {table['rule']!r} is no rule, law or check")
    names = [operation.operation_id for operation in contract.operations]
    _check_name(table["operation"], names, f"{place}: {table['operation']!r} is no operation of {contract.vendor}")
    identity = (table["rule"], table["operation"], table["at"], table["contract"], table["seen"])
    return BaselineEntry(identity, table["reason"], table["expires"], table.get("writes", False), line, text)


def _check_name(name: str, known: Collection[str], sentence: str) -> None:
    if name not in known:
        raise UsageError(f"{sentence}{suggestion(name, known)}")
