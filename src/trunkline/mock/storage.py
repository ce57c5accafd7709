"""The state file, which keeps the records of mocks from one start to the next.

    >>> with closing(storage.from_file(Path("state.db"))) as state:
    ...     acme = mock.from_vendor(trunkline.load("acme"), storage=state)

Each write is one transaction, on disk before it is answered. A running mock never reads the file. It holds the secrets
that clients sent, unencrypted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from trunkline.contract.bodies import all_texts
from trunkline.errors import DataError, UsageError
from trunkline.mock.database import Database, FileFormat, open_database
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor, check_records
from trunkline.mock.world import Change, SavedState, Tables
from trunkline.redaction import redactor

# The columns keep the names of the last version, because its files are still read. `made` is the last serial number of
# a vendor, and `checked` the version of the data that its records were checked against. `place` is the order in which
# records were added; a record that replaces another keeps it.
STATE = FileFormat(
    name="a state file",
    application_id=b"trnk",
    version=1,
    tables=(
        "CREATE TABLE vendors (name TEXT PRIMARY KEY, made INTEGER NOT NULL, checked TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE records (
            place INTEGER PRIMARY KEY,
            vendor TEXT NOT NULL, collection TEXT NOT NULL, account TEXT NOT NULL, identity TEXT NOT NULL,
            record TEXT NOT NULL,
            UNIQUE (vendor, collection, account, identity)
        )""",
    ),
    use_another="name another file, or one that does not exist yet",
    in_use="stop it, or ask a running server with `trunkline reset --url`",
    damaged="restore a copy, or delete it to start with the fixtures",
    unwritten="nothing was changed",
)

_LARGEST_SERIAL = 1 << 48
"""No mock creates so many records; a larger number is damage."""
_PUT = (
    "INSERT INTO records (vendor, collection, account, identity, record) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (vendor, collection, account, identity) DO UPDATE SET record = excluded.record"
)
_DELETE = "DELETE FROM records WHERE vendor = ? AND collection = ? AND account = ? AND identity = ?"


def from_file(path: Path, *, create: bool = True) -> Storage:
    """Open a state file; a missing one is created. Raises `UsageError` for a path that cannot be one."""
    return Storage(open_database(path, STATE, create=create))


class Storage:
    """An open state file. It may hold several vendors, each with one mock; threads may share it."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self.database = database
        self._loaded: set[str] = set()

    def close(self) -> None:
        """Release the file for others to open; later writes fail."""
        self.database.close()

    def vendors(self) -> tuple[str, ...]:
        """The vendors that the file holds, in alphabetical order."""
        return tuple(name for (name,) in self.database.query("SELECT name FROM vendors ORDER BY name"))

    def load(self, vendor: Vendor) -> SavedState | None:
        """The saved state of a vendor, or None. Raises `UsageError` if it no longer fits the contract."""
        if vendor.name in self._loaded:
            raise UsageError(f"a mock of {vendor.name} already writes to {self.path}; name another file for a second")
        self._loaded.add(vendor.name)
        rows = self.database.query("SELECT made, checked FROM vendors WHERE name = ?", (vendor.name,))
        if not rows:
            return None
        tables, current = self._tables(vendor.name), _version(vendor)
        ((last_serial, checked),) = rows
        try:
            _check_rows(vendor, tables)
            if checked != current:
                _check(vendor, tables)
                self.database.execute("UPDATE vendors SET checked = ? WHERE name = ?", [(current, vendor.name)])
            is_serial = isinstance(last_serial, int) and 0 <= last_serial < _LARGEST_SERIAL
            problem = "" if is_serial else "is damaged"
        except DataError as error:
            problem = f"no longer fits its contract ({error.pointer}: {error.reason})"
        except (KeyError, AttributeError, TypeError, ValueError, RecursionError):
            problem = "is damaged"
        if problem:
            raise UsageError(
                f"the state of {vendor.name} in {self.path} {problem}; "
                f"`trunkline reset {vendor.name} --state {self.path}` returns it to the fixtures"
            )
        return SavedState(tables, last_serial)

    def reset(self, vendor: Vendor) -> None:
        """Replace the saved state of a vendor with the records of its fixtures."""
        rows = (
            (vendor.name, *key, identity, json.dumps(record))
            for key, table in vendor.world.tables().items()
            for identity, record in table.items()
        )
        with self.database.write() as connection:
            connection.execute("DELETE FROM records WHERE vendor = ?", (vendor.name,))
            connection.executemany(_PUT, rows)
            connection.execute("REPLACE INTO vendors VALUES (?, 0, ?)", (vendor.name, _version(vendor)))

    def save(self, name: str, changes: Sequence[Change], last_serial: int) -> None:
        """Save what one request changed of a vendor's records: all of it or, with a `StorageError`, nothing."""
        with self.database.write() as connection:
            for change in changes:
                key = (name, change.collection, change.account, change.identity)
                if change.record is None:
                    connection.execute(_DELETE, key)
                else:
                    connection.execute(_PUT, (*key, json.dumps(change.record)))
            connection.execute("UPDATE vendors SET made = ? WHERE name = ?", (last_serial, name))

    def forget(self, names: Iterable[str]) -> None:
        """Delete the saved state of vendors; their next mocks start with the fixtures."""
        with self.database.write() as connection:
            for name in names:
                connection.execute("DELETE FROM records WHERE vendor = ?", (name,))
                connection.execute("DELETE FROM vendors WHERE name = ?", (name,))

    def _tables(self, name: str) -> Tables:
        tables: dict[tuple[str, str], dict[str, Record]] = {}
        query = "SELECT collection, account, identity, record FROM records WHERE vendor = ? ORDER BY place"
        try:
            for collection, account, identity, record in self.database.query(query, (name,)):
                tables.setdefault((collection, account), {})[identity] = dict(json.loads(record))
        except (TypeError, ValueError, RecursionError):
            raise self.database.damaged() from None
        return tables


def _version(vendor: Vendor) -> str:
    """A digest of the data that records are checked against; while it is the same, saved records fit."""
    world = vendor.world
    collections = [
        (name, collection.identity, collection.parent and collection.parent.field)
        for name, collection in world.collections.items()
    ]
    orders = [(name, behavior.collection, behavior.order) for name, behavior in world.behaviors.items()]
    accounts = [grant.account for grant in world.tokens.values()]
    text = json.dumps([vendor.contract.files, collections, orders, accounts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_rows(vendor: Vendor, tables: Tables) -> None:
    """Raise `DataError` for the first record that does not belong to its row, or cannot be sorted."""
    world = vendor.world
    for (name, account), table in tables.items():
        if name not in world.collections:
            raise DataError(name, f"/{name}", "there is no such collection")
        orders = [behavior.order for behavior in world.behaviors.values() if behavior.collection == name]
        sorted_by = {field.lstrip("-") for order in orders for field in order}
        for identity, record in table.items():
            if (record.get(world.collections[name].identity), world.account_of(record)) != (identity, account):
                raise DataError(name, f"/{name}/{identity}", f"it is saved under another id or account, {account}")
            if missing := sorted_by - record.keys():
                raise DataError(name, f"/{name}/{identity}", f"it has no {min(missing)}")


def _check(vendor: Vendor, tables: Tables) -> None:
    """Raise `DataError` for the first record that the operations would not show."""
    world, secrets = vendor.world, vendor.contract.secrets
    for name in vendor.world.collections:
        records = [
            record for (collection, _), table in tables.items() if collection == name for record in table.values()
        ]
        # A client may send a shorter secret than fixtures may hold, so secrets are not checked.
        shown = [{field: value for field, value in record.items() if field not in secrets} for record in records]
        try:
            check_records(shown, name, world.with_records(name, ()), name, vendor.contract)
        except DataError as error:
            texts = frozenset(text for _, text in all_texts(records))
            raise DataError(name, error.pointer, redactor(texts)(error.reason)) from None
        world = world.with_records(name, tuple(records))
    for name, index, _ in world.orphans():
        raise DataError(name, f"/{name}/{index}", "its parent does not exist")
