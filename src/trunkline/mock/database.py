"""SQLite files that lose no write: the only module that imports sqlite3.

    STATE = FileFormat("a state file", b"trnk", version=1, tables=("CREATE TABLE ...",), ...)
    with closing(open_database(path, STATE)) as database, database.write() as connection:
        connection.execute("INSERT ...")

An open file is locked, so one process writes to it. A transaction is on disk when its block ends: neither a killed
process nor a power failure takes it back. Only the owner can read the file and its log, and neither is reached through
a link. Messages never quote the content.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from trunkline.errors import StorageError, UsageError, reason_of


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of SQLite file, and what messages about it say."""

    name: str
    """The name with its article: `a state file`."""
    application_id: bytes
    version: int
    tables: tuple[str, ...]
    use_another: str
    """The advice for a path that cannot be used: `name another file`."""
    in_use: str
    """The advice for a file that another process has open."""
    damaged: str
    """The advice for a damaged file."""
    unwritten: str
    """The consequence of a failed write."""

    def problem(self, error: Exception) -> str:
        """The description of an error and the advice, to follow a path in a message: `is damaged; restore a copy`."""
        if isinstance(error, sqlite3.ProgrammingError):
            return "is closed"
        name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")  # without a name, it is text that is not UTF-8
        found = (sentence for prefix, sentence in _PROBLEMS.items() if name.startswith(prefix))
        return next(found, f"cannot be used: {name}; {self.damaged}").format(format=self)


_PROBLEMS = {
    "SQLITE_NOTADB": "is not {format.name}; {format.use_another}",
    "SQLITE_BUSY": "is in use by another process; {format.in_use}",
    "SQLITE_CANTOPEN": "cannot be opened; check the permissions of the file and its folder",
    "SQLITE_READONLY": "cannot be written; check the permissions of its folder, or restore a copy",
    "SQLITE_CORRUPT": "is damaged; {format.damaged}",
    "SQLITE_ERROR": "is damaged; {format.damaged}",
    "SQLITE_FULL": "cannot grow: the disk is full or a limit is reached; make room",
    "SQLITE_IOERR_WRITE": "cannot be written: a limit is reached (`ulimit -f`, a quota), or the disk fails; make room",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error; see the system log",
}
"""The first entry whose name is a prefix of SQLite's name of the error applies."""


class NotSQLite(UsageError):
    """The file holds something that SQLite cannot read."""


class Database:
    """An open and locked SQLite file, which threads may share."""

    def __init__(self, path: Path, file_format: FileFormat, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._format = file_format
        self._lock = Lock()
        self._file = _file_at(path)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self.connection.close()

    def delete(self) -> None:
        """Release the file and delete it."""
        with self._lock:
            try:
                if _file_at(self.path) == self._file:
                    with suppress(sqlite3.Error):  # such as a full disk
                        # Delete the write-ahead log while the file is locked: the next process will use the same name.
                        self.connection.execute("PRAGMA journal_mode = MEMORY")
                    self.path.unlink()
            except OSError as error:
                raise StorageError(f"{self.path} is not needed any more, but cannot be deleted: {error}") from None
            finally:
                self.connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends. Raises `StorageError`, and then nothing of it was written."""
        with self._lock:
            if _file_at(self.path) != self._file:
                raise StorageError(
                    f"{self.path} is no longer the file that was opened; {self._format.unwritten}; start again"
                )
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise StorageError(f"{self.path} {self._format.problem(error)}; {self._format.unwritten}") from None
            finally:
                with suppress(sqlite3.Error):
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK")

    def execute(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement for each row, in one transaction."""
        with self.write() as connection:
            connection.executemany(statement, rows)

    def query(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that a query finds. Raises `UsageError` for a file that cannot be read."""
        with self._lock:
            try:
                return self.connection.execute(statement, values).fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise UsageError(f"{self.path} {self._format.problem(error)}") from None

    def damaged(self) -> UsageError:
        """The error to raise for content that this program cannot have written."""
        return UsageError(f"{self.path} is damaged; {self._format.damaged}")


def make_folder(path: Path, file_format: FileFormat) -> None:
    """Make the folder of a file, for its owner only, if there is none. Raises `UsageError` if that is not possible."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        way_out = file_format.use_another
        raise UsageError(f"the folder {path.parent} cannot be made: {reason_of(error)}; {way_out}") from None


def open_database(path: Path, file_format: FileFormat, *, create: bool = True) -> Database:
    """Open and lock a file, with the tables of its format; a missing one is created.

    Raises `UsageError` for a path that cannot be such a file, and `NotSQLite` for a file that SQLite cannot read.
    """
    path = path.absolute()
    try:
        while True:
            file = _regular_file(path, file_format, create=create)
            try:
                return Database(path, file_format, _locked(path, file, file_format))
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if _file_at(path) == file:
                    kind = NotSQLite if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB" else UsageError
                    raise kind(f"{path} {file_format.problem(error)}") from None
            # The last process to use the file has just deleted it: try again.
    except FileNotFoundError:
        if create and not path.parent.exists():
            raise UsageError(f"the folder {path.parent} does not exist; make it first") from None
        raise UsageError(f"{path} does not exist; {file_format.use_another}") from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be {file_format.name}: {reason_of(error)}; {file_format.use_another}"
        ) from None


def _file_at(path: Path) -> tuple[int, int] | None:
    """The device and inode of the file at a path, or None. A link is not followed."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _logs(path: Path) -> list[Path]:
    """The files beside a file in which SQLite keeps changes that are not in it yet."""
    return [path.with_name(f"{path.name}-{ending}") for ending in ("wal", "journal")]


def _regular_file(path: Path, file_format: FileFormat, *, create: bool) -> tuple[int, int]:
    """The device and inode of the file at a path. A missing one is created, empty and only for its owner."""
    for name in (path, *_logs(path)):
        if name.is_symlink():
            raise UsageError(f"{name} is a link, which is not followed; remove it, or {file_format.use_another}")
    if create:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a regular file; {file_format.use_another}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise UsageError(f"{path} cannot be read and written; check the permissions of the file and its folder")
    if found.st_size == 1:  # SQLite takes it for an empty file, and would overwrite it
        raise NotSQLite(f"{path} is not {file_format.name}; {file_format.use_another}")
    return found.st_dev, found.st_ino


def _locked(path: Path, file: tuple[int, int], file_format: FileFormat) -> sqlite3.Connection:
    """A connection that locks the file until it is closed. Raises `sqlite3.Error` if the path leads to another file."""
    address = f"{path.as_uri()}?mode=rw"  # never creates the file
    connection = sqlite3.connect(address, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        _claim(connection, path, file, file_format)
        connection.execute("COMMIT")
        for name in (path, *_logs(path)):
            if name.exists() and name.stat().st_mode & 0o077:
                name.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _claim(connection: sqlite3.Connection, path: Path, file: tuple[int, int], file_format: FileFormat) -> None:
    """Make the tables in a new file. Raises `UsageError` for a file of another program or version, or a damaged one."""
    if _file_at(path) != file:
        raise sqlite3.OperationalError
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    ours = int.from_bytes(file_format.application_id)
    if owner == ours:
        if version != file_format.version:
            raise UsageError(
                f"{path} has the format {version}, but this version of trunkline reads only format "
                f"{file_format.version}; {file_format.use_another}"
            )
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise UsageError(f"{path} is damaged; {file_format.damaged}")
    elif owner or version or connection.execute("SELECT * FROM sqlite_master").fetchone():
        raise UsageError(f"{path} is not {file_format.name} but a database of another kind; {file_format.use_another}")
    else:
        for table in file_format.tables:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id = {ours}")
        connection.execute(f"PRAGMA user_version = {file_format.version}")
