"""Tests of the ledger of created items.

An entry is on disk before its request is sent, one run uses the file, and it is deleted when nothing is left to do.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from trunkline.check.safety.ledger import LEDGER, Ledger, LedgerEntry, default_path
from trunkline.errors import StorageError, UsageError
from trunkline.mock import storage
from trunkline.mock.database import Database, open_database

BASE = "https://api.example.com/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the ledger."""
    return tmp_path / "state" / "ledger.db"


def opened(path: Path, vendor: str = "acme", base: str = BASE) -> Ledger:
    return Ledger.from_file(path, vendor, base)


def crash(ledger: Ledger) -> None:
    """Kill the process: its files stay as they are, and its lock is released."""
    database = connected(ledger)
    names = database.path, database.path.with_name(f"{database.path.name}-wal")
    files = {file: file.read_bytes() for file in names if file.exists()}
    database.close()
    for file, content in files.items():
        file.write_bytes(content)


def connected(ledger: Ledger) -> Database:
    """The open file of a ledger."""
    assert ledger._database is not None
    return ledger._database


def rows(path: Path) -> list[tuple[Any, ...]]:
    """All entries of a file that no process has open."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM entries ORDER BY number").fetchall()


def begun(ledger: Ledger, label: str = "x") -> LedgerEntry:
    return ledger.begin("trunks", ledger.prefix + label, {})


# --- entries --------------------------------------------------------------------------------------------------------


def test_entries_of_an_earlier_run_are_loaded(path: Path) -> None:
    """The next run finds what an earlier run created, with its ids, and only what is left to do is open."""
    first = opened(path)
    made = first.created(begun(first), "uuid-1")
    below = first.begin("dids", "", {"trunks": "uuid-1"}, credential_digest="00ff", unique_digest="12ab")
    for done in (begun(first, "refused"), first.created(begun(first, "removed"), "uuid-2")):
        first.finished(done)
    lost = first.created(begun(first, "lost"), "uuid-3")
    first.misidentified(lost, lost.identity)
    crash(first)
    with opened(path) as second:
        assert second.prefix != first.prefix
        assert second.open_entries() == ()
        entries = second.open_entries(earlier=True)
        assert [(entry.number, entry.identity) for entry in entries] == [(1, "uuid-1"), (2, ""), (5, "")]
        assert entries[:2] == (made, below)
        assert {entry.run for entry in entries} == {first.prefix}
        assert second.find("trunks", "uuid-1") is None
        assert second.find("trunks", "uuid-1", run=first.prefix) == made
        assert second.find("trunks", "uuid-2", run=first.prefix) is not None
        assert second.find("trunks", "uuid-3", run=first.prefix) is None
        assert begun(second).number == 6
        assert second.salt == first.salt


def test_the_file_is_deleted_when_nothing_is_left(path: Path) -> None:
    """Also when all that is left was reported and no run can do more."""
    with opened(path) as ledger:
        ledger.finished(ledger.created(begun(ledger), "uuid-1"))
        assert path.exists()
    assert not path.exists()
    with opened(path) as ledger:
        ledger.reported(begun(ledger))
    assert not path.exists()
    with opened(path) as ledger:
        kept = begun(ledger)
        ledger.reported(begun(ledger, "reported"))
    with opened(path) as ledger:
        assert ledger.open_entries(earlier=True) == (kept,)


def test_finished_runs_are_dropped(path: Path) -> None:
    """However many runs follow one that left something, what they created and finished is not kept."""
    with opened(path) as ledger:
        kept = ledger.created(begun(ledger), "uuid-1")
        ledger.finished(ledger.created(begun(ledger, "y"), "uuid-2"))
        begun(ledger, "z")
    content = rows(path)
    for _ in range(3):
        with opened(path) as ledger:
            assert [entry.identity for entry in ledger.open_entries(earlier=True)] == ["uuid-1", ""]
            assert [entry.identity for entry in ledger.entries] == ["uuid-1", "uuid-2", ""]
            for number in range(9):
                ledger.finished(ledger.created(begun(ledger), f"uuid-{number}"))
        assert rows(path) == content
    assert kept.run in content[0][2]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_close_keeps_the_entries(path: Path) -> None:
    """When the file cannot be written, closing raises the reason and loses nothing."""
    ledger = opened(path)
    entry = begun(ledger)
    connected(ledger).connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageError, match="cannot be written; check the permissions of its folder"):
        ledger.close()
    with opened(path) as ledger:
        assert ledger.open_entries(earlier=True) == (entry,)


def test_a_ledger_without_a_file_works_in_memory() -> None:
    """For an implementation that ends with the run."""
    with Ledger() as ledger:
        made = ledger.created(begun(ledger), "uuid-1")
        assert ledger.open_entries() == (made,)
        assert ledger.find("trunks", "uuid-1") == made
        assert ledger.labelled("trunks", f" {ledger.prefix}x\n") == (made,)
        assert ledger.labelled("trunks", "") == ()
        ledger.finished(made)
        assert not ledger.is_open(made)
        assert ledger.find("trunks", "uuid-1") == made


def test_every_run_has_its_own_prefix() -> None:
    """A recognizable word and a random part, in characters that no server changes."""
    prefixes = {Ledger().prefix for _ in range(100)}
    assert len(prefixes) == 100
    for prefix in prefixes:
        assert prefix.startswith("trunkline-check-")
        assert prefix == prefix.strip().lower()


def test_an_entry_is_on_disk_when_begin_returns(path: Path, tmp_path: Path) -> None:
    """Transactions are synced: a copy of the files has every entry."""
    ledger = opened(path)
    assert connected(ledger).connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connected(ledger).connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: the log is synced
    entries = []
    for number in range(3):
        entries.append(begun(ledger, str(number)))
        copy = tmp_path / str(number) / path.name
        copy.parent.mkdir()
        for file in path.parent.iterdir():
            (copy.parent / file.name).write_bytes(file.read_bytes())
        with opened(copy) as other:
            assert other.open_entries(earlier=True) == tuple(entries)
    ledger.close()


def test_only_the_owner_can_read_the_file(path: Path) -> None:
    """Neither the file, nor its log, nor a folder that is made for it."""
    with opened(path) as ledger:
        begun(ledger)
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_digest_does_not_reveal_its_text(path: Path) -> None:
    """It tells texts of one ledger apart, and is different in every other ledger."""
    one, other = Ledger(), Ledger()
    assert one.digest("Bearer a", 2) == one.digest("Bearer a", 2) != one.digest("Bearer b", 2)
    assert len({Ledger().digest("Bearer a", 2) for _ in range(20)}) > 10
    assert len(one.digest("Bearer a", 2)) == 4
    assert other.digest("", 2) == ""
    assert one.digest("\ud800", 8)


def test_a_long_label_is_cut(path: Path) -> None:
    """Its beginning is enough to recognize it."""
    with Ledger() as ledger:
        entry = begun(ledger, "x" * 100_000)
        assert len(entry.label) == 1000
        assert ledger.labelled("trunks", ledger.prefix + "x" * 100_000) == (entry,)


# --- two runs -------------------------------------------------------------------------------------------------------


def test_two_runs_cannot_share_a_ledger(path: Path) -> None:
    """The second is refused with one sentence, until the first has ended."""
    first = opened(path)
    with pytest.raises(UsageError, match="another run is writing to this address") as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    first.close()
    opened(path).close()


@pytest.mark.parametrize("moment", ["before it is opened", "before it is locked"])
def test_a_ledger_deleted_while_being_opened_is_created_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """An earlier run may delete the file between finding it and locking it."""
    connect: Any = sqlite3.connect
    calls: list[str] = []

    def late(address: str, **options: Any) -> Any:
        calls.append(address)
        if len(calls) > 1:
            return connect(address, **options)
        if moment == "before it is opened":
            path.unlink()
            return connect(address, **options)
        connection = connect(address, **options)
        path.unlink()
        return connection

    opened(path).close()
    monkeypatch.setattr(sqlite3, "connect", late)
    ledger = opened(path)
    begun(ledger)
    crash(ledger)
    assert len(calls) == 2
    assert len(rows(path)) == 1


# --- damage ---------------------------------------------------------------------------------------------------------


def test_a_crash_while_writing_loses_no_earlier_entry(path: Path) -> None:
    """Wherever the write-ahead log is cut off, earlier entries are there and new ones can follow."""
    ledger = opened(path)
    entry = ledger.created(begun(ledger), "uuid-1")
    log = path.with_name(f"{path.name}-wal")
    before = log.stat().st_size
    begun(ledger, "next")
    crash(ledger)
    whole, content = path.read_bytes(), log.read_bytes()
    for length in range(before, len(content), 97):
        path.write_bytes(whole)
        log.write_bytes(content[:length])
        ledger = opened(path)
        assert ledger.open_entries(earlier=True) == (entry,)
        second = begun(ledger)
        crash(ledger)
        ledger = opened(path)
        assert ledger.open_entries(earlier=True) == (entry, second)
        crash(ledger)


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_file_is_a_new_ledger(path: Path, made: bool) -> None:
    """A run may crash before it records anything."""
    opened(path).close()
    if made:
        open_database(path, LEDGER).close()
    else:
        path.touch()
    with opened(path) as ledger:
        begun(ledger)
        assert len(ledger.open_entries()) == 1


def foreign(path: Path) -> None:
    """A database of another program."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("hello\n"), "is not a ledger; name another file with --ledger"),
    "one byte": (lambda path: path.write_bytes(b"S"), "is not a ledger"),
    "bytes": (lambda path: path.write_bytes(b"\x00\xff\n\n" * 1000), "is not a ledger"),
    "other JSON lines": (lambda path: path.write_text('{"trunkline": "ledger"}\n'), "is not a ledger"),
    "another program": (foreign, "is not a ledger but a database of another kind"),
    "a state file": (lambda path: storage.from_file(path).close(), "is not a ledger but a database of another kind"),
    "a later journal": (
        lambda path: path.write_text('{"trunkline": "journal", "format": 2, "x": 1}\n'),
        "not a ledger",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused_and_unchanged(path: Path, make: Callable[[Path], object], sentence: str) -> None:
    """One sentence names the file and the way out."""
    path.parent.mkdir()
    make(path)
    content = path.read_bytes()
    with pytest.raises(UsageError, match=sentence) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert "--ledger" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


ENTRY: dict[str, Any] = {
    "number": 2,
    "run": f"trunkline-check-{'0' * 10}-",
    "resource": "trunks",
    "label": "x",
    "parents": {},
}


@pytest.mark.parametrize(
    "entry",
    [
        "nonsense",
        "{}",
        "5",
        "[" * 100_000,
        json.dumps({**ENTRY, "run": "r"}),
        json.dumps({**ENTRY, "run": ENTRY["run"] + "\n"}),
        json.dumps({**ENTRY, "parents": []}),
        json.dumps({**ENTRY, "parents": {"a": 5}}),
        json.dumps({**ENTRY, "label": None}),
        json.dumps({**ENTRY, "identity": 5}),
        json.dumps({**ENTRY, "number": "2"}),
        json.dumps({**ENTRY, "number": 1}),
        json.dumps({**ENTRY, "more": ""}),
    ],
)
def test_a_tampered_entry_is_refused(path: Path, entry: str) -> None:
    """One sentence says what may be left on the account, and the file is unchanged."""
    ledger = opened(path)
    begun(ledger)
    crash(ledger)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("INSERT INTO entries VALUES (2, 1, ?)", (entry,))
    content = rows(path)
    with pytest.raises(UsageError, match="is damaged; restore a copy; or delete what is named trunkline-check-"):
        opened(path)
    assert rows(path) == content


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET salt = ''",
        "UPDATE ledger SET salt = 'x'",
        "UPDATE ledger SET salt = x'ff'",
        "DELETE FROM ledger",
        "DROP TABLE ledger",
        "DROP TABLE entries",
    ],
)
def test_a_tampered_origin_is_refused(path: Path, change: str) -> None:
    """Without the salt, no digest could be compared."""
    ledger = opened(path)
    begun(ledger)
    crash(ledger)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(change)
    with pytest.raises(UsageError, match="is damaged"):
        opened(path)


@pytest.mark.parametrize(("vendor", "base"), [("other", BASE), ("acme", "https://api.example.com/v2")])
def test_the_ledger_of_another_implementation_is_refused(path: Path, vendor: str, base: str) -> None:
    """Each vendor and address has its own."""
    ledger = opened(path)
    begun(ledger)
    crash(ledger)
    with pytest.raises(UsageError, match=f"is not the ledger of {vendor} at {base}; name another"):
        opened(path, vendor, base)


def test_a_path_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    """A pipe, a folder, a device, a link, and a folder that cannot be made."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    opened(tmp_path / "elsewhere" / "ledger").close()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "ledger")
    for name in ("pipe", "file/ledger", ".", "link"):
        with pytest.raises(UsageError, match="--ledger"):
            opened(tmp_path / name)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with pytest.raises(UsageError, match="is not a regular file"):
        opened(Path("/dev/null"))


def test_a_full_disk_stops_the_creation(path: Path) -> None:
    """An entry that cannot be recorded is not begun, and the next entry can be."""
    ledger = opened(path)
    entry = begun(ledger)
    connection = connected(ledger).connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="cannot grow: the disk is full or a limit is reached; make room"):
        ledger.begin("trunks", ledger.prefix, {"parent": "x" * 100_000})
    assert ledger.open_entries() == (entry,)
    connection.execute("PRAGMA max_page_count = 1073741823")
    begun(ledger)
    crash(ledger)
    with opened(path) as ledger:
        assert len(ledger.open_entries(earlier=True)) == 2


def test_a_moved_ledger_stops_the_creation(path: Path) -> None:
    """The next run would not find the entry. A file that another process put there is left alone."""
    ledger = opened(path)
    path.rename(path.with_name("elsewhere.db"))
    path.write_text("another file")
    with pytest.raises(StorageError, match="is no longer the file that was opened"):
        begun(ledger)
    ledger.close()
    assert path.read_text() == "another file"


@pytest.mark.parametrize("error", [KeyboardInterrupt, sqlite3.OperationalError])
def test_an_interruption_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """After any interruption of a write, the memory has all that may exist and nothing that was not sent."""
    ledger = opened(path)
    made = ledger.created(begun(ledger), "uuid-1")

    class Interrupted:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def __getattr__(self, name: str) -> Any:
            return getattr(self.connection, name)

        def execute(self, statement: str, *values: Any) -> Any:
            if statement == "COMMIT":
                raise error
            return self.connection.execute(statement, *values)

    with monkeypatch.context() as patched:
        patched.setattr(connected(ledger), "connection", Interrupted(connected(ledger).connection))
        notes: list[Callable[[], LedgerEntry]] = [lambda: ledger.created(made, "uuid-2"), lambda: begun(ledger, "next")]
        for note in notes:
            with pytest.raises((KeyboardInterrupt, StorageError)):
                note()
    assert ledger.open_entries()[0].identity == "uuid-2"
    assert len(ledger.open_entries()) == 1
    crash(ledger)


# --- the journal of the development version before 0.1.0 ------------------------------------------------------------

JOURNAL = Path(__file__).with_name("journal-format-1.jsonl").read_bytes()


def test_a_journal_is_converted(path: Path) -> None:
    """With all that it holds, in a file of the same name, which is deleted when nothing is left."""
    path.parent.mkdir()
    path.write_bytes(JOURNAL + b'{"over": 1')  # cut off by a crash
    path.with_name(f"{path.name}.new").write_text("of a conversion that was killed")
    with opened(path) as ledger:
        entries = ledger.open_entries(earlier=True)
        assert [(entry.number, entry.resource, entry.identity, entry.wrong_identity) for entry in entries] == [
            (1, "trunks", "uuid-1", ""),
            (2, "dids", "", ""),
            (4, "trunks", "", "uuid-9"),
        ]
        assert len(ledger.entries) == 4
        assert (entries[0].credential_digest, entries[0].unique_digest) == ("00ff", "12ab")
        assert entries[1].parents == {"trunks": "uuid-1"}
        assert ledger.salt == json.loads(JOURNAL.partition(b"\n")[0])["salt"]
        assert ledger.find("trunks", "uuid-1", run=entries[0].run) == entries[0]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with opened(path) as ledger:
        for entry in ledger.open_entries(earlier=True):
            ledger.finished(entry)
    assert list(path.parent.iterdir()) == []


def test_a_journal_at_its_old_default_path_is_found(tmp_path: Path) -> None:
    """It comes before a new ledger. If both exist, one sentence says how to finish the old one."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    path = default_path("acme", BASE, environ)
    journal = path.with_suffix(".jsonl")
    journal.parent.mkdir()
    journal.write_bytes(JOURNAL)
    assert default_path("acme", BASE, environ) == journal
    path.touch()
    with pytest.raises(UsageError, match=f"finish it first with --ledger {journal}"):
        default_path("acme", BASE, environ)


def test_a_journal_with_half_its_first_line_is_refused(path: Path) -> None:
    """It is damaged, not a new one: what it listed may be on the account."""
    path.parent.mkdir()
    head = JOURNAL.partition(b"\n")[0]
    for length in (*range(1, len(head), 11), len(head) - 1):
        path.write_bytes(head[:length])
        with pytest.raises(UsageError, match=r"is not a ledger; name another|line 1 of .* is damaged"):
            opened(path)
        assert path.read_bytes() == head[:length]


def test_damage_is_reported_without_content(path: Path) -> None:
    """Whichever byte of a ledger or a journal is damaged, it opens or one sentence says so and quotes nothing."""
    ledger = opened(path)
    for number in range(9):
        ledger.created(begun(ledger, f"hush-{number}"), f"hush-uuid-{number}")
    crash(ledger)
    opened(path).close()
    chance, sentences = random.Random(5), set()  # noqa: S311 - the same in each run
    for whole in (path.read_bytes(), JOURNAL):
        places = [at for at, byte in enumerate(whole) if byte]
        changes = [(at, byte) for at in chance.sample(places, 100) for byte in (whole[at] ^ 1, 0xFF, ord('"'))]
        damages = [whole[:at] + bytes([byte]) + whole[at + 1 :] for at, byte in changes]
        for damage in [*damages, *(whole[:length] for length in (1, 20, 200, len(whole) - 1))]:
            path.write_bytes(damage)
            try:
                opened(path).close()
            except UsageError as error:
                sentences.add(str(error).replace(str(path), ""))
            for beside in path.parent.glob(f"{path.name}?*"):
                beside.unlink()
    assert len(sentences) > 3
    assert not [text for text in sentences if "hush" in text or "uuid" in text or "\n" in text]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b"nonsense", 10),
        (b"{}", 10),
        (b"5", 10),
        (b"[" * 100_000, 10),
        (b'{"made": 7, "id": "x"}', 10),
        (b'{"made": 1}', 10),
        (b'{"made": 1, "id": 5}', 10),
        (b'{"over": "1"}', 10),
        (JOURNAL.splitlines()[1].replace(b'{"begun": 1,', b'{"begun": 99999999999999999999999,'), 10),
        (JOURNAL.splitlines()[1], 10),
        (b'{"begun": 5, "run": "r", "resource": "trunks", "label": "x", "parents": {}, "mark": "", "sign": ""}', 10),
    ],
)
def test_a_tampered_journal_is_refused(path: Path, line: bytes, number: int) -> None:
    """One sentence names the line, and the file is unchanged."""
    path.parent.mkdir()
    content = JOURNAL + line + b"\n"
    path.write_bytes(content)
    with pytest.raises(
        UsageError, match=f"line {number} of {path} is damaged; restore a copy; or delete what is named"
    ):
        opened(path)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_journal_without_its_origin_is_refused(path: Path) -> None:
    """Its first line names the vendor, the address and the salt."""
    path.parent.mkdir()
    path.write_bytes(b'{"trunkline": "journal", "format": 1, "vendor": "acme"}\n')
    with pytest.raises(UsageError, match=r"line 1 of .* is damaged"):
        opened(path)


def test_a_journal_in_use_by_an_old_version_is_refused(path: Path) -> None:
    """The lock of the old version is respected."""
    path.parent.mkdir()
    path.write_bytes(JOURNAL)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="is in use by another process; another run is writing"):
            opened(path)
    assert path.read_bytes() == JOURNAL


# --- the default path -----------------------------------------------------------------------------------------------


def test_the_default_path_names_vendor_and_address(tmp_path: Path) -> None:
    """Each vendor and base address has its own file in the folder for state."""
    found = default_path("acme", BASE, {"XDG_STATE_HOME": str(tmp_path)})
    assert found.parent == tmp_path / "trunkline"
    assert found.name.startswith("acme-api.example.com_v1-")
    others = [("acme", BASE + "/"), ("other", BASE), ("acme", BASE.replace("https", "http"))]
    assert len({found, *(default_path(*words, {"XDG_STATE_HOME": str(tmp_path)}) for words in others)}) == 4
    for odd in ("http://[::1]:8000/../../etc", "http://x/" + "a" * 500):
        path = default_path("acme", odd, {"XDG_STATE_HOME": str(tmp_path)})
        assert path.parent == tmp_path / "trunkline"
        assert len(path.name) < 120


def test_without_a_state_home_the_default_path_is_below_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative $XDG_STATE_HOME is ignored, as the XDG specification says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for environ in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative"}):
        assert default_path("acme", BASE, environ).parent == tmp_path / ".local" / "state" / "trunkline"


def test_a_label_may_hold_any_text(path: Path) -> None:
    """Also text that SQLite cannot store."""
    ledger = opened(path)
    entry = ledger.begin("trunks", ledger.prefix + '"\n\x00\ud800☎', {"a": "b"})
    crash(ledger)
    with opened(path) as ledger:
        assert ledger.open_entries(earlier=True) == (entry,)
