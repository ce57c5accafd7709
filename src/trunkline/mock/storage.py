"""Owns the file that keeps mocks' records from one start to the next: SQLite, and nobody else imports sqlite3.

    >>> with closing(keeping.from_file(Path("state.db"))) as keeper:
    ...     acme = mock.from_vendor(trunkline.load("acme"), keeper=keeper)

What `keep` has taken is on the disk when it returns, so that neither a killed process nor a lost power supply takes
it back: each write is one transaction, synced in the write-ahead log. A running mock never reads the file; it is
locked as long as it is open, and so has one writer. The secrets that clients sent stand in it as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from trunkline.errors import DataError, StorageError, UsageError
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor, check_records
from trunkline.mock.world import Change, SavedState, Tables

_OURS = int.from_bytes(b"trnk")
_FORMAT = 1

_TABLES = (
    "CREATE TABLE vendors (name TEXT PRIMARY KEY, made INTEGER NOT NULL, checked TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE records (
        place INTEGER PRIMARY KEY,
        vendor TEXT NOT NULL, collection TEXT NOT NULL, account TEXT NOT NULL, identity TEXT NOT NULL,
        record TEXT NOT NULL,
        UNIQUE (vendor, collection, account, identity)
    )""",
)
"""`place` is the order in which records came: one that is laid in another's stead keeps it."""

_MOST_MADE = 1 << 48
"""No mock makes so many records; a greater number was not written by one."""
_PUT = (
    "INSERT INTO records (vendor, collection, account, identity, record) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (vendor, collection, account, identity) DO UPDATE SET record = excluded.record"
)
_REMOVE = "DELETE FROM records WHERE vendor = ? AND collection = ? AND account = ? AND identity = ?"


def from_file(path: Path, *, create: bool = True) -> Storage:
    """The keeper of a state file, which is made unless it is there. Raises `UsageError` for what cannot be one."""
    path = path.absolute()
    _be_a_file(path, create=create)
    try:
        return Storage(path, _opened(path))
    except sqlite3.Error as error:
        raise UsageError(f"{path} {_reason(error)}") from None


class Storage:
    """An open state file. It may hold several vendors, each with one mock; threads may share it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = Lock()
        self._file = _identity(path)
        self._taken: set[str] = set()

    def close(self) -> None:
        """Lets the file go, for others to open; nothing is kept any more."""
        with self._lock:
            self._connection.close()

    def vendors(self) -> tuple[str, ...]:
        """The vendors of which the file holds something, in alphabetical order."""
        with self._reading() as connection:
            return tuple(name for (name,) in connection.execute("SELECT name FROM vendors ORDER BY name"))

    def kept(self, vendor: Vendor) -> SavedState | None:
        """What the file holds of a vendor, or None. Raises `UsageError` when it fits the contract no more."""
        if vendor.name in self._taken:
            raise UsageError(f"a mock of {vendor.name} writes to {self.path} already; name another file for a second")
        self._taken.add(vendor.name)
        with self._reading() as connection:
            found = connection.execute("SELECT made, checked FROM vendors WHERE name = ?", (vendor.name,)).fetchone()
        if found is None:
            return None
        made, checked = found
        way_out = f"`trunkline reset {vendor.name} --state {self.path}` returns it to the fixtures"
        try:
            tables = self._tables(vendor.name)
            _check_names(vendor, tables)
            if checked != (now := _checked(vendor)):
                _check(vendor, tables)
                with self._writing() as connection:
                    connection.execute("UPDATE vendors SET checked = ? WHERE name = ?", (now, vendor.name))
        except DataError as error:
            raise UsageError(
                f"the {vendor.name} of {self.path} fits its contract no more "
                f"({error.pointer}: {error.reason}); {way_out}"
            ) from None
        except (KeyError, AttributeError, TypeError, ValueError, RecursionError):
            raise UsageError(f"what {self.path} holds of {vendor.name} is damaged; {way_out}") from None
        if not isinstance(made, int) or not 0 <= made < _MOST_MADE:
            raise UsageError(f"what {self.path} holds of {vendor.name} is damaged; {way_out}")
        return SavedState(tables, made)

    def renew(self, vendor: Vendor) -> None:
        """Lays the fixtures' records in the stead of all that was kept of a vendor."""
        rows = (
            (vendor.name, *key, identity, json.dumps(record))
            for key, table in vendor.world.tables().items()
            for identity, record in table.items()
        )
        with self._writing() as connection:
            connection.execute("DELETE FROM records WHERE vendor = ?", (vendor.name,))
            connection.executemany(_PUT, rows)
            connection.execute("REPLACE INTO vendors VALUES (?, 0, ?)", (vendor.name, _checked(vendor)))

    def keep(self, name: str, changes: Sequence[Change], made: int) -> None:
        """Writes down what one request changed of a vendor's records: all or, raising `NotKept`, nothing."""
        with self._writing() as connection:
            for change in changes:
                key = (name, change.collection, change.account, change.identity)
                if change.record is None:
                    connection.execute(_REMOVE, key)
                else:
                    connection.execute(_PUT, (*key, json.dumps(change.record)))
            connection.execute("UPDATE vendors SET made = ? WHERE name = ?", (made, name))

    def forget(self, names: Iterable[str]) -> None:
        """Drops what is kept of vendors: their next mocks begin with the fixtures."""
        with self._writing() as connection:
            for name in names:
                connection.execute("DELETE FROM records WHERE vendor = ?", (name,))
                connection.execute("DELETE FROM vendors WHERE name = ?", (name,))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when the block is over. Raises `NotKept`, and then nothing of it was written."""
        with self._lock:
            if _identity(self.path) != self._file:
                raise StorageError(
                    f"{self.path} is no longer the file that was opened, so nothing was changed; start anew"
                )
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise StorageError(f"{self.path} {_reason(error)}; nothing was changed") from None
            finally:
                with suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise UsageError(f"{self.path} {_reason(error)}") from None

    def _tables(self, name: str) -> Tables:
        tables: dict[tuple[str, str], dict[str, Record]] = {}
        question = "SELECT collection, account, identity, record FROM records WHERE vendor = ? ORDER BY place"
        try:
            with self._reading() as connection:
                for collection, account, identity, record in connection.execute(question, (name,)):
                    tables.setdefault((collection, account), {})[identity] = dict(json.loads(record))
        except (TypeError, ValueError):
            raise UsageError(f"{self.path} {_TROUBLE['SQLITE_CORRUPT']}") from None
        return tables


# --- what was kept and the data of today ----------------------------------------------------------------------------


def _checked(vendor: Vendor) -> str:
    """What records were checked against, in short: while it is the same, what was written fits."""
    world = vendor.world
    named = [(name, said.identity, said.parent and said.parent.field) for name, said in world.collections.items()]
    orders = [(name, said.collection, said.order) for name, said in world.behaviors.items()]
    accounts = [grant.account for grant in world.tokens.values()]
    text = json.dumps([vendor.contract.files, named, orders, accounts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_names(vendor: Vendor, tables: Tables) -> None:
    """Raises `DataError` for the first record that does not say itself where it is kept."""
    world = vendor.world
    for (name, account), table in tables.items():
        if name not in world.collections:
            raise DataError(name, f"/{name}", "there is no such collection")
        for identity, record in table.items():
            if (record.get(world.collections[name].identity), world.account_of(record)) != (identity, account):
                raise DataError(name, f"/{name}/{identity}", f"is no longer named so in the account {account}")


def _check(vendor: Vendor, tables: Tables) -> None:
    """Raises `DataError` for the first record that the operations of today would not show."""
    world, hidden = vendor.world, vendor.contract.secrets
    for name in vendor.world.collections:
        records = [record for (kind, _), table in tables.items() if kind == name for record in table.values()]
        # A client may send a secret shorter than fixtures may hold, so secrets are left out.
        plain = [{field: value for field, value in record.items() if field not in hidden} for record in records]
        check_records(plain, name, world.with_records(name, ()), name, vendor.contract)
        world = world.with_records(name, tuple(records))
    for name, index in world.orphans():
        raise DataError(name, f"/{name}/{index}", "what it belongs to is not there")


# --- the file -------------------------------------------------------------------------------------------------------


def _be_a_file(path: Path, *, create: bool) -> None:
    """Makes an empty file that only its owner can read, unless there is one. Raises `UsageError` for what is none."""
    try:
        if create:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is not a regular file; name one for the state, or one that is not there yet")
        if not os.access(path, os.R_OK | os.W_OK):
            raise UsageError(f"{path} {_TROUBLE['SQLITE_READONLY']}")
    except FileNotFoundError:
        if path.is_symlink():
            raise UsageError(f"{path} is a link to a file that is not there; make that file, or name another") from None
        missing = f"the folder {path.parent} is not there; make it" if create else f"{path} is not there; name another"
        raise UsageError(missing) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file name"
        raise UsageError(f"{path} cannot be a state file: {reason.lower()}; name another") from None


def _opened(path: Path) -> sqlite3.Connection:
    """The file, locked until it is closed, with our tables in it."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        _claim(connection, path)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Makes our tables in a new file. Raises `UsageError` for one of another program, of another format, or damaged."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = connection.execute("SELECT * FROM sqlite_master").fetchone()
    if owner != _OURS and (owner or version or tables):
        raise UsageError(f"{path} belongs to another program; name another file, or one that is not there yet")
    if owner == _OURS and version != _FORMAT:
        raise UsageError(f"{path} has the format {version}, and this trunkline knows {_FORMAT}; name another file")
    if owner != _OURS:
        for statement in (*_TABLES, f"PRAGMA application_id = {_OURS}", f"PRAGMA user_version = {_FORMAT}"):
            connection.execute(statement)
    elif connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise UsageError(f"{path} {_TROUBLE['SQLITE_CORRUPT']}")


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file stands at a path now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _reason(error: sqlite3.Error) -> str:
    """What is wrong with a file and what to do, in words that follow its name."""
    name = getattr(error, "sqlite_errorname", "")
    return next((words for word, words in _TROUBLE.items() if name.startswith(word)), f"cannot be used: {error}")


_TROUBLE = {
    "SQLITE_NOTADB": "is not a state file; name another, or one that is not there yet",
    "SQLITE_BUSY": "is in use by another process: stop it, or ask a running server with `trunkline reset --url`",
    "SQLITE_CANTOPEN": "cannot be opened; see that it and its folder may be read and written",
    "SQLITE_READONLY": "cannot be read and written; see that it and its folder may be",
    "SQLITE_CORRUPT": "is damaged; put a copy in its stead, or remove it to begin with the fixtures",
    "SQLITE_FULL": "cannot grow: its disk is full, or a limit is reached; make room",
    "SQLITE_IOERR": "cannot be read or written: its disk fails; see the system's log",
}
"""What to say of each kind of trouble after the name of the file; the first whose name fits, speaks."""
