"""The state file, which keeps the records of mocks from one start to the next.

    >>> with closing(storage.from_file(Path("state.db"))) as state:
    ...     acme = mock.from_vendor(trunkline.load("acme"), storage=state)

Each write is one transaction, on disk before it is answered. A running mock never reads the file. It holds the secrets
that clients sent, unencrypted. It holds no tokens: the records of an account that no token opens any more are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trunkline.errors import UsageError
from trunkline.mock.database import Database, FileFormat, open_database
from trunkline.mock.generators import Record
from trunkline.mock.lint import lint_records
from trunkline.mock.loader import Vendor
from trunkline.mock.world import RecordChange, SavedState, Tables

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
    in_use="stop that, or name another file; `trunkline reset --url` resets a running server",
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
    existing = replace(STATE, use_another="name the file that `trunkline serve --state` wrote")
    return Storage(open_database(path, STATE if create else existing, create=create))


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
        query = "SELECT name FROM vendors UNION SELECT vendor FROM records ORDER BY 1"
        names = tuple(name for (name,) in self.database.query(query))
        if not all(isinstance(name, str) for name in names):
            raise self.database.damaged()
        return names

    def load(self, vendor: Vendor) -> SavedState | None:
        """The saved state of a vendor, or None. Raises `UsageError` if it no longer fits the contract."""
        if vendor.name in self._loaded:
            raise UsageError(f"a mock of {vendor.name} already writes to {self.path}; name another file for a second")
        self._loaded.add(vendor.name)
        rows = self.database.query("SELECT made, checked FROM vendors WHERE name = ?", (vendor.name,))
        tables, current = self._tables(vendor.name), _version(vendor)
        if not rows and tables:
            raise self.database.damaged()
        if not rows:
            return None
        ((last_serial, checked),) = rows
        try:
            wrong = next(_misplaced(vendor, tables), None)
            if wrong is None and checked != current:
                wrong = next(_unfit(vendor, tables), None)
                if wrong is None:
                    self.database.execute("UPDATE vendors SET checked = ? WHERE name = ?", [(current, vendor.name)])
            is_serial = isinstance(last_serial, int) and 0 <= last_serial < _LARGEST_SERIAL
            problem = f"no longer fits its contract at {wrong}" if wrong else "" if is_serial else "is damaged"
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

    def save(self, name: str, changes: Sequence[RecordChange], last_serial: int) -> None:
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
    text = json.dumps([vendor.contract.files, collections, orders], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _misplaced(vendor: Vendor, tables: Tables) -> Iterator[str]:
    """The place of each record that does not belong to its row, or cannot be sorted: `/trunks/7/created_at`."""
    world = vendor.world
    for (name, account), table in tables.items():
        if name not in world.collections:
            yield "an unknown collection"
            continue
        orders = [behavior.order for behavior in world.behaviors.values() if behavior.collection == name]
        sorted_by = {field.lstrip("-") for order in orders for field in order}
        for index, (identity, record) in enumerate(table.items()):
            if (record.get(world.collections[name].identity), world.account_of(record)) != (identity, account):
                yield f"/{name}/{index}"
            yield from (f"/{name}/{index}/{field}" for field in sorted(sorted_by - record.keys()))


def _unfit(vendor: Vendor, tables: Tables) -> Iterator[str]:
    """The place of each record that the operations would not show. A name that a client may have sent is left out."""
    world, secrets = vendor.world, vendor.contract.secrets
    for name in vendor.world.collections:
        records = [
            record for (collection, _), table in tables.items() if collection == name for record in table.values()
        ]
        # A client may send a shorter secret than fixtures may hold, so secrets are not checked.
        shown = [{field: value for field, value in record.items() if field not in secrets} for record in records]
        known = {field for operation in vendor.contract.operations for field in operation.view}
        for at, _ in lint_records(shown, world.with_records(name, ()), name, vendor.contract):
            _, index, *fields = at.split("/")
            yield "/".join(("", name, index, *(field for field in fields[:1] if field in known)))
        world = world.with_records(name, tuple(records))
    yield from (f"/{name}/{index}/{parent.field}" for name, index, parent in world.orphans())
