"""Tests of `trunkline.check.safety.ledger`.

It is on disk before anything is sent, used by one run, and never a burden.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trunkline.check.safety.ledger import Entry, Ledger, place
from trunkline.errors import DataError, UsageError

BASE = "https://api.example.com/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "state" / "journal.jsonl"


def opened(path: Path, vendor: str = "acme", base: str = BASE) -> Ledger:
    return Ledger.from_file(path, vendor, base)


def crash(journal: Ledger) -> None:
    """The process ends: its file stays as it is, and its lock goes."""
    os.close(journal._file)


def begun(journal: Ledger, label: str = "x") -> Entry:
    return journal.begin("trunks", journal.prefix + label, {})


# --- what it keeps --------------------------------------------------------------------------------------------------


def test_an_earlier_run_is_told_whole(path: Path) -> None:
    """What was begun, what it was called, and no more than is left to do."""
    first = opened(path)
    made = first.made(begun(first), "uuid-1")
    below = first.begin("dids", "", {"trunks": "uuid-1"}, mark="00ff", sign="12ab")
    for done in (begun(first, "refused"), first.made(begun(first, "removed"), "uuid-2")):
        first.over(done)
    lost = first.made(begun(first, "lost"), "uuid-3")
    first.lost(lost)
    crash(first)
    with opened(path) as second:
        assert second.prefix != first.prefix
        assert second.mine == ()
        told = second.unfinished()
        assert [(it.number, it.identity) for it in told] == [(1, "uuid-1"), (2, ""), (5, "")]
        assert told[:2] == (made, below)
        assert {it.run for it in told} == {first.prefix}
        assert second.named("trunks", "uuid-1") is None
        assert second.named("trunks", "uuid-1", run=first.prefix) == made
        assert second.named("trunks", "uuid-2", run=first.prefix) is not None
        assert second.named("trunks", "uuid-3", run=first.prefix) is None
        assert begun(second).number == 6
        assert second.salt == first.salt


def test_it_is_removed_when_nothing_is_left_to_do(path: Path) -> None:
    """Also when all that is left was told and can be done by no run."""
    with opened(path) as journal:
        journal.over(journal.made(begun(journal), "uuid-1"))
        assert path.exists()
    assert not path.exists()
    with opened(path) as journal:
        journal.tell(begun(journal))
    assert not path.exists()
    with opened(path) as journal:
        kept = begun(journal)
        journal.tell(begun(journal, "told"))
    with opened(path) as journal:
        assert journal.unfinished() == (kept,)


def test_it_holds_no_more_than_what_is_left_to_do(path: Path) -> None:
    """However many runs come after one that left something: what they began and finished is forgotten."""
    with opened(path) as journal:
        kept = journal.made(begun(journal), "uuid-1")
        journal.over(journal.made(begun(journal, "y"), "uuid-2"))
        begun(journal, "z")
    content = path.read_text()
    for _ in range(3):
        with opened(path) as journal:
            assert [entry.identity for entry in journal.unfinished()] == ["uuid-1", ""]
            assert [entry.identity for entry in journal.begun()] == ["uuid-1", "uuid-2", ""]
            for number in range(9):
                journal.over(journal.made(begun(journal), f"uuid-{number}"))
        assert path.read_text() == content
    assert kept.run in content
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_journal_that_cannot_be_written_anew_stays_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reason is told."""
    journal = opened(path)
    begun(journal)
    content = path.read_bytes()
    path.with_name(f"{path.name}.new").write_text("of a crash")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        journal.close()
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_without_a_file_it_is_the_same_in_memory() -> None:
    """For an implementation that ends with the run."""
    with Ledger() as journal:
        made = journal.made(begun(journal), "uuid-1")
        assert journal.mine == (made,)
        assert journal.named("trunks", "uuid-1") == made
        assert journal.labelled("trunks", f" {journal.prefix}x\n") == (made,)
        assert journal.labelled("trunks", "") == ()
        journal.over(made)
        assert not journal.is_open(made)
        assert journal.named("trunks", "uuid-1") == made


def test_every_run_has_a_prefix_of_its_own() -> None:
    """A recognizable word and a random part, in letters that no server changes."""
    prefixes = {Ledger().prefix for _ in range(100)}
    assert len(prefixes) == 100
    for prefix in prefixes:
        assert prefix.startswith("trunkline-check-")
        assert prefix == prefix.strip().lower()


def test_every_line_is_on_disk_before_anything_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written and synced when `begin` returns."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = opened(path)
    for number in range(3):
        before = len(synced)
        begun(journal, str(number))
        assert len(synced) == before + 1
        assert len(path.read_text().splitlines()) == number + 2
    journal.close()


def test_only_its_owner_can_read_it(path: Path) -> None:
    """The file and the folder that is made for it."""
    with opened(path) as journal:
        begun(journal)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_digest_leads_nowhere(path: Path) -> None:
    """It tells texts apart within one journal, and is different in every other."""
    one, other = Ledger(), Ledger()
    assert one.digest("Bearer a", 2) == one.digest("Bearer a", 2) != one.digest("Bearer b", 2)
    assert len({Ledger().digest("Bearer a", 2) for _ in range(20)}) > 10
    assert len(one.digest("Bearer a", 2)) == 4
    assert other.digest("", 2) == ""
    assert one.digest("\ud800", 8)


def test_a_long_label_is_cut(path: Path) -> None:
    """Its beginning is enough to know it by."""
    with Ledger() as journal:
        entry = begun(journal, "x" * 100_000)
        assert len(entry.label) == 1000
        assert journal.labelled("trunks", journal.prefix + "x" * 100_000) == (entry,)


# --- two runs -------------------------------------------------------------------------------------------------------


def test_two_runs_do_not_share_one(path: Path) -> None:
    """The second is told so in one sentence; after the first it is welcome."""
    first = opened(path)
    with pytest.raises(UsageError, match="another run is writing there") as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    first.close()
    opened(path).close()


def test_a_journal_that_goes_while_it_is_opened_is_made_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run before removes it between our opening it and our locking it."""
    lock = fcntl.flock
    calls: Iterator[int] = iter(range(10))

    def late(file: int, operation: int) -> None:
        if next(calls) == 0:
            path.unlink()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    journal = opened(path)
    begun(journal)
    assert len(path.read_text().splitlines()) == 2
    crash(journal)


# --- damage ---------------------------------------------------------------------------------------------------------


def test_half_a_line_is_passed_over(path: Path) -> None:
    """Wherever the crash cut the last line off, all the others hold, and new ones can follow."""
    journal = opened(path)
    entry = journal.made(begun(journal), "uuid-1")
    crash(journal)
    whole = path.read_bytes()
    line = whole.splitlines(keepends=True)[-1]
    for length in range(len(line)):
        path.write_bytes(whole + line[:length])
        journal = opened(path)
        assert journal.unfinished() == (entry,)
        assert path.read_bytes() == whole
        second = begun(journal)
        crash(journal)
        journal = opened(path)
        assert journal.unfinished() == (entry, second)
        crash(journal)


def test_half_a_first_line_is_a_new_journal(path: Path) -> None:
    """The crash came before anything could have been sent."""
    crash(opened(path))
    head = path.read_bytes()
    for length in range(len(head)):
        path.write_bytes(head[:length])
        with opened(path) as journal:
            begun(journal)
            assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"\x00\xff\n\n",
        b"{}\n",
        b'{"trunkline": "journal", "format": 2, "vendor": "acme"}\n',
        b'{"trunkline": "journal", "format": 1, nonsense}\n',
        b'{"trunkline": "journal", "format": 1, "vendor": "acme"}\n',
        b"[" * 100_000 + b"\n",
        b"dear diary",
    ],
)
def test_a_file_that_is_not_ours_is_left_as_it_is(path: Path, content: bytes) -> None:
    """One sentence names it and the way out."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match="no journal of trunkline") as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"{}",
        b"5",
        b'{"made": 7, "id": "x"}',
        b'{"made": 1}',
        b'{"made": 1, "id": 5}',
        b'{"over": "1"}',
        b'{"begun": 1, "run": "r", "resource": "trunks", "label": "x", "parents": {}, "mark": "", "sign": ""}',
        b'{"begun": 2, "run": "r", "resource": "trunks", "label": "x", "parents": [], "mark": "", "sign": ""}',
        b'{"begun": 2, "run": "r", "resource": "trunks", "label": "x", "parents": {"a": 5}, "mark": "", "sign": ""}',
        b'{"begun": 2, "run": "r", "resource": "trunks", "label": null, "parents": {}, "mark": "", "sign": ""}',
    ],
)
def test_a_line_that_is_none_of_ours_is_told(path: Path, line: bytes) -> None:
    """With its number, and the file is left as it is."""
    journal = opened(path)
    begun(journal)
    crash(journal)
    content = path.read_bytes() + line + b"\n"
    path.write_bytes(content)
    with pytest.raises(DataError, match="#line 3: "):
        opened(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(("vendor", "base"), [("other", BASE), ("acme", "https://api.example.com/v2")])
def test_the_journal_of_something_else_is_not_taken(path: Path, vendor: str, base: str) -> None:
    """Each implementation has its own."""
    journal = opened(path)
    begun(journal)
    crash(journal)
    with pytest.raises(UsageError, match="is the journal of acme at https://api"):
        opened(path, vendor, base)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe, a folder, a device, and a folder that cannot be made."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    for name in ("pipe", "file/journal", "."):
        with pytest.raises((UsageError, DataError), match="--journal"):
            opened(tmp_path / name)
    with pytest.raises(UsageError, match="no regular file"):
        opened(Path("/dev/null"))


@pytest.mark.parametrize("short", [False, True])
def test_a_full_disk_lets_nothing_be_sent(path: Path, monkeypatch: pytest.MonkeyPatch, short: bool) -> None:
    """What could not be noted was not begun, and half a line does not stay."""
    journal = opened(path)
    entry = begun(journal)
    write = os.write
    content = path.read_bytes()

    def full(file: int, data: bytes) -> int:
        if short:
            return write(file, data[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(UsageError, match=r"cannot be kept: No space left on device"):
            begun(journal)
    assert journal.mine == (entry,)
    assert path.read_bytes() == content
    begun(journal)
    crash(journal)
    with opened(path) as journal:
        assert len(journal.unfinished()) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interruption_forgets_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Whatever interrupts a note, the memory knows of what may be there, and of nothing that was not asked for."""
    journal = opened(path)
    made = journal.made(begun(journal), "uuid-1")

    def interrupted(file: int) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", interrupted)
        notes: list[Callable[[], Entry]] = [lambda: journal.made(made, "uuid-2"), lambda: begun(journal, "next")]
        for note in notes:
            with pytest.raises((KeyboardInterrupt, UsageError)):
                note()
    assert journal.mine[0].identity == "uuid-2"
    assert len(journal.mine) == 1
    crash(journal)


# --- where it is ----------------------------------------------------------------------------------------------------


def test_its_place_is_the_state_of_its_owner(tmp_path: Path) -> None:
    """One for each vendor and base address, with a name that tells both."""
    found = place("acme", BASE, {"XDG_STATE_HOME": str(tmp_path)})
    assert found.parent == tmp_path / "trunkline"
    assert found.name.startswith("acme-api.example.com_v1-")
    others = [("acme", BASE + "/"), ("other", BASE), ("acme", BASE.replace("https", "http"))]
    assert len({found, *(place(*words, {"XDG_STATE_HOME": str(tmp_path)}) for words in others)}) == 4
    for odd in ("http://[::1]:8000/../../etc", "http://x/" + "a" * 500):
        path = place("acme", odd, {"XDG_STATE_HOME": str(tmp_path)})
        assert path.parent == tmp_path / "trunkline"
        assert len(path.name) < 120


def test_without_a_state_home_it_is_below_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative one is none, as the XDG specification says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for environ in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative"}):
        assert place("acme", BASE, environ).parent == tmp_path / ".local" / "state" / "trunkline"


def test_every_line_is_json(path: Path) -> None:
    """Whatever a label holds."""
    journal = opened(path)
    entry = journal.begin("trunks", journal.prefix + '"\n\x00\ud800☎', {"a": "b"})
    assert [type(json.loads(line)) for line in path.read_text("ascii").splitlines()] == [dict, dict]
    crash(journal)
    with opened(path) as journal:
        assert journal.unfinished() == (entry,)
