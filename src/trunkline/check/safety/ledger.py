"""The ledger records what a run creates on a live account, so that it can be deleted even after a crash.

There is one file for each vendor and base address. An entry is on disk before its request is sent, and the file is
deleted once nothing is left to do. Of the values that were sent it contains only labels. Without a file, the ledger is
in memory.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from trunkline.check.user_folders import state_file
from trunkline.contract.bodies import id_key, same_id
from trunkline.errors import StorageError, UsageError
from trunkline.mock.database import Database, FileFormat, NotSQLite, make_folder, open_database

LONGEST_LABEL: Final = 1000
"""Longer labels are cut: a label begins with the prefix of its run, so this is enough to recognize it."""

LEDGER = FileFormat(
    name="a ledger",
    application_id=b"trnl",
    version=1,
    tables=(
        "CREATE TABLE ledger (vendor TEXT NOT NULL, base TEXT NOT NULL, salt TEXT NOT NULL)",
        "CREATE TABLE entries (number INTEGER PRIMARY KEY, is_open INTEGER NOT NULL, entry TEXT NOT NULL)",
    ),
    use_another="name another file with --ledger",
    in_use="another run is writing to this address; wait until it has ended",
    damaged="restore a copy; or delete what is named trunkline-check-... on the account, and then this file",
    unwritten="so nothing more is created",
)

_PUT_ORIGIN = "INSERT INTO ledger VALUES (?, ?, ?)"
_PUT_ENTRY = "REPLACE INTO entries VALUES (?, ?, ?)"
_SALT = re.compile(r"[0-9a-f]{1,64}")
RUN_PREFIX = re.compile(r"trunkline-check-[0-9a-f]{10}-")
"""The beginning of every label of one run."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One creation: `identity` is the id of the created item, empty until a response gives it.

    `run` is the prefix of the run that created it, `parents` maps resources to ids. `credential_digest` and
    `unique_digest` identify its credential and its unique inputs without revealing them. `wrong_identity` is an id that
    a response gave although it belongs to another item or cannot be used in a path.
    """

    number: int
    run: str
    resource: str
    label: str
    parents: Mapping[str, str]
    credential_digest: str = ""
    unique_digest: str = ""
    identity: str = ""
    wrong_identity: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The resource and the id, as ids are compared."""
        return self.resource, id_key(self.identity)

    def row(self, *, is_open: bool) -> tuple[int, bool, str]:
        """The entry as a row of the table."""
        return self.number, is_open, json.dumps(asdict(self))


@dataclass(slots=True, repr=False)
class Ledger:
    """The creations of this run and of the earlier runs that have leftovers.

    Each change is made in memory first and then in the file. So after any interruption, the memory contains
    everything that may be on the server, and the file everything that may have been sent.
    """

    prefix: str = field(default_factory=lambda: f"trunkline-check-{secrets.token_hex(5)}-")
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    _database: Database | None = None
    _entries: dict[int, LedgerEntry] = field(default_factory=dict)
    _open: dict[int, LedgerEntry] = field(default_factory=dict)
    _by_identity: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    """The number of the last entry that had it, by (run, resource, identity) and digest of a credential."""
    _reported: set[int] = field(default_factory=set)

    @classmethod
    def from_file(cls, path: Path, vendor: str, base: str) -> Ledger:
        """Open the ledger in a file, which no other run may use meanwhile. A missing file is created."""
        make_folder(path, LEDGER)
        try:
            database = open_database(path, LEDGER)
        except NotSQLite:
            if not _convert_journal(path):
                raise
            database = open_database(path, LEDGER)
        ledger = cls(_database=database)
        try:
            ledger._load(database, vendor, base)
        except BaseException:
            database.close()
            raise
        return ledger

    def _load(self, database: Database, vendor: str, base: str) -> None:
        origins = database.query("SELECT vendor, base, salt FROM ledger")
        rows = database.query("SELECT number, is_open, entry FROM entries ORDER BY number")
        if not origins and not rows:
            database.execute(_PUT_ORIGIN, [(vendor, base, self.salt)])
            return
        try:
            ((known_vendor, known_base, self.salt),) = origins
            is_sound = _SALT.fullmatch(self.salt)
            for number, is_open, text in rows:
                entry = _checked(json.loads(text))
                is_sound = is_sound and entry.number == number
                self._remember(entry, is_open=bool(is_open))
        except (AttributeError, TypeError, ValueError, RecursionError):
            is_sound = None
        if not is_sound:
            raise database.damaged()
        if (known_vendor, known_base) != (vendor, base):
            raise UsageError(f"{database.path} is not the ledger of {vendor} at {base}; {LEDGER.use_another}")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file. It keeps the runs with open entries, and is deleted when there are none."""
        database = self._database
        if database is None:
            return
        try:
            for number in self._reported:
                self.finished(self._entries[number])
            runs = {entry.run for entry in self._open.values()}
            if not runs:
                database.delete()
                return
            finished = [(entry.number,) for entry in self._entries.values() if entry.run not in runs]
            database.execute("DELETE FROM entries WHERE number = ?", finished)
        finally:
            self._database = None
            database.close()

    @property
    def next_step(self) -> str:
        """The next step for a leftover: with a file, the next run finds it."""
        return "the next run tries again" if self._database else "delete it by hand"

    # --- recording --------------------------------------------------------------------------------------------------

    def begin(
        self,
        resource: str,
        label: str,
        parents: Mapping[str, str],
        *,
        credential_digest: str = "",
        unique_digest: str = "",
        run: str = "",
    ) -> LedgerEntry:
        """Record a creation. Its request may be sent only after this has returned."""
        number = next(reversed(self._entries), 0) + 1
        label = label[:LONGEST_LABEL]
        entry = LedgerEntry(
            number, run or self.prefix, resource, label, dict(parents), credential_digest, unique_digest
        )
        try:
            self._record(entry)
        except BaseException:  # nothing is sent now
            self._open.pop(number, None)
            raise
        return entry

    def created(self, entry: LedgerEntry, identity: str) -> LedgerEntry:
        """Record the id of a created item."""
        return self._record(replace(self._entries[entry.number], identity=identity, wrong_identity=""))

    def misidentified(self, entry: LedgerEntry, identity: str) -> None:
        """Record an id that a response gave, and that belongs to another item or cannot be used."""
        self._record(replace(self._entries[entry.number], identity="", wrong_identity=identity))

    def finished(self, entry: LedgerEntry) -> None:
        """Record that nothing is left to do: the item was never created, or does not exist any more."""
        with suppress(StorageError):  # a later run would find out, and the cleanup must go on
            self._record(self._entries[entry.number], is_open=False)

    def reported(self, entry: LedgerEntry) -> None:
        """Remember that no run can do more than report this entry; it is finished when the ledger is closed."""
        self._reported.add(entry.number)

    def convert(self, values: Any) -> None:
        """Record a line of a journal. Raises `LookupError`, `TypeError` or `ValueError` for one that no run wrote."""
        match values:
            case {"begun": int(number), "mark": digest, "sign": unique, **rest} if number not in self._entries:
                renamed = {"number": number, "credential_digest": digest, "unique_digest": unique}
                self._record(_checked({**renamed, **rest}))
            case {"made": int(number), "id": str(identity)}:
                self.created(self._entries[number], identity)
            case {"lost": int(number)}:
                self.misidentified(self._entries[number], self._entries[number].identity)
            case {"over": int(number)}:
                self.finished(self._entries[number])
            case _:
                raise ValueError

    def _record(self, entry: LedgerEntry, *, is_open: bool = True) -> LedgerEntry:
        self._remember(entry, is_open=is_open)
        if self._database:
            self._database.execute(_PUT_ENTRY, [entry.row(is_open=is_open)])
        return entry

    def _remember(self, entry: LedgerEntry, *, is_open: bool) -> None:
        if entry.identity:
            self._by_identity.setdefault((entry.run, *entry.key), {})[entry.credential_digest] = entry.number
        self._entries[entry.number] = entry
        if is_open:
            self._open[entry.number] = entry
        else:
            self._open.pop(entry.number, None)

    # --- looking up -------------------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All creations, of every run."""
        return tuple(self._entries.values())

    def open_entries(self, *, earlier: bool = False) -> tuple[LedgerEntry, ...]:
        """The open entries of this run, or of `earlier` ones, in the order of creation."""
        return tuple(entry for entry in self._open.values() if (entry.run != self.prefix) is earlier)

    def find(
        self, resource: str, identity: str, *, credential_digest: str | None = None, run: str = ""
    ) -> LedgerEntry | None:
        """The entry of this run, or of another `run`, for an id, deleted or not; with this credential or any."""
        numbers = self._by_identity.get((run or self.prefix, resource, id_key(identity)), {})
        for digest in reversed(numbers) if credential_digest is None else (credential_digest,):
            entry = self._entries.get(numbers.get(digest, 0))
            if entry is not None and same_id(entry.identity, identity):
                return entry
        return None

    def is_open(self, entry: LedgerEntry) -> bool:
        """Whether something is left to do: as far as is known, the item was not deleted."""
        return entry.number in self._open

    def labelled(self, resource: str, label: str) -> tuple[LedgerEntry, ...]:
        """All creations with a label, refused or not; a server may have stripped the spaces around it."""
        label = label[:LONGEST_LABEL].strip()
        entries = self._entries.values() if label else ()
        return tuple(entry for entry in entries if entry.resource == resource and entry.label.strip() == label)

    def digest(self, text: str, size: int) -> str:
        """A digest that distinguishes the texts of this ledger and is too short to reveal them; empty for no text."""
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(data, key=self.salt.encode(), digest_size=size).hexdigest() if text else ""


def default_path(vendor: str, base: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The ledger of a vendor at a base address, in $XDG_STATE_HOME/trunkline or ~/.local/state/trunkline.

    A journal that is there for this address comes first: the development version before 0.1.0 wrote it.
    """
    path, journal = (
        state_file(vendor, base, ending, "name a file with --ledger", environ) for ending in ("db", "jsonl")
    )
    if path.exists() and journal.exists():
        raise UsageError(f"an earlier version left {journal}; finish it first with --ledger {journal}")
    return journal if journal.exists() else path


def _checked(values: dict[Any, Any]) -> LedgerEntry:
    """The entry with these fields. Raises `AttributeError`, `TypeError` or `ValueError` for one that no run wrote."""
    entry = LedgerEntry(**values)
    texts = [value for name, value in values.items() if name not in {"number", "parents"}]
    texts += entry.parents.values()
    if not (isinstance(values["number"], int) and all(isinstance(text, str) for text in texts)):
        raise TypeError
    if not 0 < values["number"] < _LARGEST_NUMBER:
        raise ValueError
    if not RUN_PREFIX.fullmatch(entry.run):  # a tampered ledger could make a run delete items of others
        raise ValueError
    return entry


# --- the journal of the development version before 0.1.0 ------------------------------------------------------------

_LARGEST_NUMBER = 1 << 48
"""No ledger has as many entries."""
_JOURNAL = b'{"trunkline": "journal", "format": 1, '


def _convert_journal(path: Path) -> bool:
    """Replace a journal, which was a file of JSON lines, by a ledger. False for any other file."""
    import fcntl  # noqa: PLC0415 - a journal was written only where this module exists

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path} is in use by another process; {LEDGER.in_use}") from None
        content = file.read()
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return True  # another process has just converted it
        if not content.startswith(_JOURNAL):
            return False
        origins, ledger = _read_journal(content, path)
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)  # of a conversion that was killed
        with closing(open_database(draft, LEDGER)) as database:
            database.execute(_PUT_ORIGIN, origins)
            database.execute(_PUT_ENTRY, [entry.row(is_open=ledger.is_open(entry)) for entry in ledger.entries])
        draft.replace(path)
    return True


def _read_journal(content: bytes, path: Path) -> tuple[list[tuple[str, ...]], Ledger]:
    """The vendor, base and salt of a journal, and its entries."""
    origins: list[tuple[str, ...]] = []
    ledger = Ledger()
    first, *lines = content.split(b"\n")
    for number, line in enumerate((first, *lines[:-1]), 1):  # the last line is empty, or cut off by a crash
        try:
            values = json.loads(line)
            if number == 1:
                origins.append(tuple(str(values[name]) for name in ("vendor", "base", "salt")))
            else:
                ledger.convert(values)
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
            raise UsageError(f"line {number} of {path} is damaged; {LEDGER.damaged}") from None
    return origins, ledger
