"""Tests of the state file.

Everything that was answered survives any end, and a file that cannot be used is refused with one sentence.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.requests import Client
from tests.servers import serving
from trunkline import cli, mock
from trunkline.contract import folders
from trunkline.contract.model import Delete
from trunkline.errors import StorageError, TargetError, UsageError
from trunkline.exchange import Json, Request
from trunkline.mock import Mock, loader, storage
from trunkline.mock.loader import Vendor
from trunkline.mock.storage import Storage
from trunkline.mock.world import Grant, Store
from trunkline.transport import targets

VENDORS = {name: loader.load(name) for name in folders.names()}
REMOVING = [name for name, one in VENDORS.items() if one.contract.of_kind(Delete)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the state file."""
    return tmp_path / "state.db"


@contextmanager
def kept(path: Path, vendor: Vendor, **more: Any) -> Iterator[tuple[Storage, Mock]]:
    """A mock with a state file, until the block ends."""
    with closing(storage.from_file(path)) as state:
        yield state, mock.from_vendor(vendor, storage=state, **more)


def everything(fake: Mock) -> dict[str, Json]:
    """All records of all accounts, in order."""
    accounts = {grant.account for grant in fake.vendor.world.tokens.values()}
    return {
        f"{name} of {account}": [json.dumps(record) for record in fake.snapshot(name, account)]
        for name in fake.vendor.world.collections
        for account in accounts
    }


# --- from one start to the next -------------------------------------------------------------------------------------


def test_a_new_file_starts_with_the_fixtures(vendor: Vendor, path: Path) -> None:
    """The mock is as fresh as one without a file, and the next one continues from there."""
    with kept(path, vendor) as (_, fake):
        assert everything(fake) == everything(mock.from_vendor(vendor))
        assert not fake.continues
    with kept(path, vendor) as (_, fake):
        assert everything(fake) == everything(mock.from_vendor(vendor))
        assert fake.continues


def test_records_survive_a_restart(vendor: Vendor, path: Path) -> None:
    """Records of every account, in order, are the same to the byte, with secrets and unusual text."""
    other = next(token for token, grant in vendor.world.tokens.items() if grant.account != vendor.world.account)
    with kept(path, vendor) as (_, fake):
        client = Client(vendor, fake)
        first, second = client.created("user-1"), client.created("user-2")
        assert client.change(first, "é \\ \u2028 \x00 {name} 𝄞").status == 200
        client.ask("POST", client.path, {**client.trunks.required, "name": "\ud800"})
        Client(vendor, fake, other).create("user-1")
        assert client.delete(second).status == (200 if vendor.name in REMOVING else 405)
        fake.put("trunks", {**fake.snapshot("trunks")[0], "id": "put"})
        before, shown = everything(fake), client.listed()
    with kept(path, vendor) as (_, fake):
        assert everything(fake) == before
        assert Client(vendor, fake).listed() == shown
        fake.remove("trunks", "put")
    with kept(path, vendor) as (_, fake):
        assert "put" not in Client(vendor, fake).listed()


def with_token(vendor: Vendor, token: str, account: str) -> Vendor:
    """The vendor with one more token."""
    return replace(vendor, world=vendor.world.with_grants({token: Grant(account)}))


def test_an_account_outlives_its_token(vendor: Vendor, path: Path) -> None:
    """Its records are kept while no token opens it, also when the contract has changed, and are there again later."""
    more = with_token(vendor, "sk_fresh", "fresh")
    with kept(path, more) as (_, fake):
        made = Client(more, fake, "sk_fresh").created("user-1")
        assert fake.closed_accounts == []
    for number in range(2):
        spoil(path, "SELECT 1")
        with kept(path, vendor) as (_, fake):
            assert fake.continues
            assert fake.closed_accounts == ["fresh"]
            assert made not in Client(vendor, fake).listed()
            assert Client(vendor, fake, "sk_fresh").ask("GET", Client(vendor, fake).path).status == 401
            Client(vendor, fake).created(f"of-the-default-account-{number}")
    other = with_token(vendor, "sk_newer", "fresh")
    with kept(path, other) as (_, fake):
        assert [*Client(other, fake, "sk_newer").listed()] == [made]
        assert fake.closed_accounts == []
    with kept(path, vendor) as (_, fake):
        fake.reset()
        assert fake.closed_accounts == []


def test_no_id_is_used_twice(path: Path) -> None:
    """Neither after the newest record was deleted nor after a restart, with or without a file."""
    for name in REMOVING:
        vendor, made = VENDORS[name], list[str]()
        for _ in range(3):
            with kept(path, vendor) as (_, fake):
                for _ in range(2):
                    made.append(Client(vendor, fake).created("same"))
                    assert Client(vendor, fake).delete(made[-1]).status == 200
        fake = mock.from_vendor(vendor)
        again = [Client(vendor, fake).created("same") for _ in made]
        assert len(set(made)) == len(made)
        assert made == again, "a kept mock makes the ids that a mock makes that was never ended"


def test_an_id_of_the_fixtures_is_not_used_again() -> None:
    """Not even when its record was removed and ids are counted."""
    vendor = VENDORS["telepath"]
    world = vendor.world
    record = {**world.collections["trunks"].records[0], "id": "conn_1"}
    serve = world.behaviors["createTrunk"]
    effect = serve.outcomes[0].effects[0]
    counting = structs.replace(effect, set={**effect.set, "id": {"serial": "conn_{}"}})
    counted = structs.replace(serve, outcomes=(structs.replace(serve.outcomes[0], effects=(counting,)),))
    world = structs.replace(
        world.with_records("trunks", (record,)), behaviors={**world.behaviors, "createTrunk": counted}
    )
    fake = mock.from_vendor(replace(vendor, world=world))
    fake.remove("trunks", "conn_1")
    assert [Client(vendor, fake).created(f"user-{number}") for number in range(2)] == ["conn_2", "conn_3"]


def test_one_file_holds_several_vendors(path: Path) -> None:
    """Each continues where it was, whichever others are served."""
    with closing(storage.from_file(path)) as state:
        mocks = {name: mock.from_vendor(vendor, storage=state) for name, vendor in VENDORS.items()}
        for name, fake in mocks.items():
            Client(VENDORS[name], fake).created(f"user-of-{name}")
        before = {name: everything(fake) for name, fake in mocks.items()}
        assert state.vendors() == tuple(sorted(VENDORS))
    for name, vendor in VENDORS.items():
        with kept(path, vendor) as (_, fake):
            assert everything(fake) == before[name]
            fake.reset()
            assert everything(fake) == everything(mock.from_vendor(vendor))
            before[name] = everything(fake)


def test_a_reset_survives_a_restart(vendor: Vendor, path: Path) -> None:
    """The fixtures are back, and the same requests create the same ids again."""
    with kept(path, vendor) as (_, fake):
        first = Client(vendor, fake).created("user-1")
        fake.reset()
    with kept(path, vendor) as (_, fake):
        assert everything(fake) == everything(mock.from_vendor(vendor))
        assert Client(vendor, fake).created("user-1") == first


def test_saved_secrets_stay_out_of_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mock does not log what a client sent to an earlier one."""
    vendor = VENDORS["telepath"]
    with kept(path, vendor) as (_, fake):
        Client(vendor, fake).created("user-1", sip_password="hush-0123456789")
    with kept(path, vendor) as (_, fake), caplog.at_level(logging.INFO):
        assert Client(vendor, fake).ask("GET", "/trunks", query="limit=hush-0123456789").status == 400
    assert "limit=" in caplog.text
    assert "hush-0123456789" not in caplog.text


# --- one write is one transaction -----------------------------------------------------------------------------------


def test_a_write_is_on_disk_before_it_is_answered(vendor: Vendor, path: Path, tmp_path: Path) -> None:
    """A copy of the files, taken after a response while the mock runs, has everything that was answered."""
    with kept(path, vendor) as (state, fake):
        assert state.database.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert state.database.connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: the log is synced
        for number in range(3):
            Client(vendor, fake).created(f"user-{number}")
            copy = tmp_path / f"copy-{number}"
            copy.mkdir()
            for file in tmp_path.glob("state.db*"):
                shutil.copy(file, copy)
            with kept(copy / "state.db", vendor) as (_, other):
                assert everything(other) == everything(fake)


def test_a_store_shows_a_write_completely_or_not_at_all(vendor: Vendor) -> None:
    """Changes are visible after `commit`, and neither after `discard` nor when saving fails."""
    saved: list[Json] = []

    def keep(changes: Any, made: int) -> None:
        saved.append((len(changes), made))
        if made > 1:
            raise StorageError("no room")

    store = Store(vendor.world, save=keep)
    account = vendor.world.account
    before = dict(store.records("trunks", account))
    record = next(iter(before.values()))
    store.put("trunks", account, {**record, "id": "other"})
    store.remove("trunks", account, record["id"])
    assert store.records("trunks", account) == before
    store.discard()
    assert store.commit() == []
    store.put("trunks", account, {**record, "id": "other"})
    store.next_serial()
    assert len(store.commit()) == 1
    store.next_serial()
    store.remove("trunks", account, "other")
    with pytest.raises(StorageError):
        store.commit()
    assert set(store.records("trunks", account)) == {*before, "other"}
    assert store.commit() == []
    assert saved == [(1, 1), (1, 2)]
    with pytest.raises(LookupError):
        store.remove("trunks", account, "nothing")


def full(state: Storage) -> Callable[[], None]:
    """Leave the file no room; returns a function that gives it back."""
    (pages,) = state.database.connection.execute("PRAGMA page_count").fetchone()
    state.database.connection.execute(f"PRAGMA max_page_count = {pages}")
    return lambda: state.database.connection.execute("PRAGMA max_page_count = 1073741823").close()


def test_a_full_disk_refuses_the_write_and_changes_nothing(
    vendor: Vendor, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The response is 507 with our sentence, which is logged; reads go on, and so do writes when there is room."""
    with kept(path, vendor) as (state, fake):
        client = Client(vendor, fake)
        mine = client.created("user-1")
        before = everything(fake)
        give_back = full(state)
        response = client.create("user-2", name="x" * 200, provider_name="x" * 100_000, system_prompt="x" * 100_000)
        sentence = f"{path} cannot grow: the disk is full or a limit is reached; make room; nothing was changed"
        assert (response.status, response.json()) == (507, {"error": sentence})
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [sentence]
        assert everything(fake) == before
        assert client.listed()[mine]["name"] == "new"
        with pytest.raises(StorageError, match="cannot grow"):
            fake.put("trunks", {**fake.snapshot("trunks")[0], "id": "i" * 100_000})
        assert everything(fake) == before
        give_back()
        assert client.created("user-2") != mine
        before = everything(fake)
    with kept(path, vendor) as (_, fake):
        assert everything(fake) == before


def test_a_failed_reset_changes_nothing(vendor: Vendor, path: Path) -> None:
    """The mock continues in its state, and says so."""
    with kept(path, vendor) as (state, fake):
        Client(vendor, fake).created("user-1")
        before = everything(fake)
        state.database.connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StorageError, match="cannot be written; check the permissions of its folder"):
            fake.reset()
        assert Client(vendor, fake).create("user-2").status == 507
        assert everything(fake) == before


def test_a_moved_file_takes_no_write(vendor: Vendor, path: Path) -> None:
    """A write that no later mock could read is not confirmed."""
    with kept(path, vendor) as (_, fake):
        before = everything(fake)
        path.rename(path.with_name("elsewhere.db"))
        response = Client(vendor, fake).create("user-1")
        assert response.status == 507
        assert "is no longer the file that was opened" in response.json()["error"]
        assert everything(fake) == before


def test_a_closed_file_takes_no_write(vendor: Vendor, path: Path) -> None:
    """A mock that outlives its file serves what it has, and changes nothing."""
    with kept(path, vendor) as (_, fake):
        Client(vendor, fake).created("user-1")
    assert Client(vendor, fake).create("user-2").status == 507
    assert len(Client(vendor, fake).listed()) == len(Client(vendor, mock.from_vendor(vendor)).listed()) + 1


# --- what a state file can be ---------------------------------------------------------------------------------------


def test_only_the_owner_can_read_the_file(vendor: Vendor, path: Path) -> None:
    """Neither the file nor its log, for they hold secrets."""
    with kept(path, vendor):
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")


def _later(path: Path) -> None:
    storage.from_file(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 2")


def _damaged(path: Path) -> None:
    with kept(path, VENDORS["telepath"]):
        pass
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)


def _changed(path: Path, at: int, byte: int) -> None:
    storage.from_file(path).close()
    content = bytearray(path.read_bytes())
    content[at] = byte
    path.write_bytes(content)


def _cut(path: Path) -> None:
    with kept(path, VENDORS["telepath"]):
        pass
    path.write_bytes(path.read_bytes()[:5000])


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("hello\n" * 1000), "is not a state file; name another"),
    "folder": (Path.mkdir, "is not a regular file; name another file"),
    "pipe": (os.mkfifo, "is not a regular file; name another file"),
    "dangling": (
        lambda path: path.symlink_to("nowhere"),
        "is a link, which is not followed; remove it, or name another",
    ),
    "readable by its header": (
        lambda path: _changed(path, 18, 9),
        "cannot be written; check the permissions of its folder, or restore a copy",
    ),
    "foreign": (_foreign, "is not a state file but a database of another kind; name another file"),
    "later": (_later, "has the format 2, but this version of trunkline reads only format 1"),
    "damaged": (_damaged, "is damaged; restore a copy"),
    "cut": (_cut, "is damaged; restore a copy"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_path_that_cannot_be_a_state_file_is_refused(
    kind: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence names the file and how to fix it, the exit code is 2, and the file is unchanged."""
    make, sentence = WRONG[kind]
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    assert cli.run(["serve", "--port", "0", "--state", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sentence in error
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_state_file_of_version_0_1_still_opens(path: Path) -> None:
    """Built from its SQL, it continues with what its clients created."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.executescript(Path(__file__).with_name("state-format-1.sql").read_text("utf-8"))
    for name, created in (("telepath", "conn_kncw9x6xf"), ("talkover", "4305c3a4-5f99-4df8-be03-f13d4734ac9f")):
        with kept(path, VENDORS[name]) as (_, fake):
            client = Client(VENDORS[name], fake)
            assert fake.continues
            assert client.listed()[created][client.trunks.serial] == "user-1"
            assert client.created("user-2") != created


def test_a_file_of_one_byte_is_not_a_new_one(path: Path) -> None:
    """SQLite would take it for an empty file."""
    path.write_bytes(b"S")
    with pytest.raises(UsageError, match="is not a state file"):
        storage.from_file(path)
    assert path.read_bytes() == b"S"


def test_permissions_of_a_state_file_are_narrowed(path: Path) -> None:
    """A file of another program is left as it is."""
    storage.from_file(path).close()
    _foreign(foreign := path.with_name("foreign.db"))
    for file in (path, foreign):
        file.chmod(0o644)
        with suppress(UsageError), closing(storage.from_file(file)):
            pass
    assert [stat.S_IMODE(file.stat().st_mode) for file in (path, foreign)] == [0o600, 0o644]


def test_permissions_of_the_log_are_narrowed(path: Path, tmp_path: Path) -> None:
    """A copy of a file that was in use can have a log that others may read."""
    with kept(path, VENDORS["telepath"]) as (_, fake):
        copies = tmp_path / "copy.db", tmp_path / "copy.db-wal"
        fake.records("trunks").add(name="Night Desk")
        for file, copied in zip((path, Path(f"{path}-wal")), copies, strict=True):
            shutil.copyfile(file, copied)
            copied.chmod(0o644)
    with kept(copies[0], VENDORS["telepath"]) as (_, fake):
        assert fake.records("trunks")[-1]["name"] == "Night Desk"
        assert [stat.S_IMODE(file.stat().st_mode) for file in copies] == [0o600, 0o600]


def test_damage_is_reported_without_content(path: Path) -> None:
    """Whichever byte is damaged, the file opens or one sentence says so without quoting what is stored."""
    vendor = VENDORS["talkover"]
    with kept(path, vendor) as (_, fake):
        for account in ("production", "staging"):
            fake.records("trunks").of(account).clear()
        trunk = fake.records("trunks").add(name="hush-name", username="hush-user", password="hush-0123456789")
        fake.records("dids").add(number="+15559876511")
        number = fake.records("dids")[0]["id"]
    whole, chance = path.read_bytes(), random.Random(5)  # noqa: S311 - the same in each run
    places = [at for at, byte in enumerate(whole) if byte]
    changes = [(at, byte) for at in chance.sample(places, 120) for byte in (whole[at] ^ 1, 0xFF, ord('"'))]
    damages = [whole[:at] + bytes([byte]) + whole[at + 1 :] for at, byte in changes]
    damages += [whole[:length] for length in (1, 15, 99, 100, 4096, 5000, len(whole) - 1)]
    sentences = set()
    for damage in damages:
        path.write_bytes(damage)
        try:
            with kept(path, vendor) as (state, fake):
                assert Client(vendor, fake).create("user-1").status in {201, 507}
                sentences.add(" ".join(state.vendors()))
        except UsageError as error:
            sentences.add(str(error).replace(str(path), ""))
        for beside in path.parent.glob("state.db-*"):
            beside.unlink()
    assert len(sentences) > 3
    stored = ("hush", "production", "98765", trunk["id"][:8], number[:8], "\n", "not expected")
    assert not [sentence for sentence in sentences if any(text in sentence for text in stored)]


def test_a_damaged_name_of_a_vendor_is_not_printed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`trunkline reset` counts what it does not know."""
    with kept(path, VENDORS["telepath"]):
        pass
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE vendors SET name = 'hush-0123456789'")
    with pytest.raises(UsageError, match="is damaged; restore a copy"), kept(path, VENDORS["telepath"]):
        pass  # its records are still there, and are not replaced by the fixtures
    assert cli.run(["reset", "acme", "--state", str(path)]) == 2
    assert "hush" not in capsys.readouterr().err
    assert cli.run(["reset", "--state", str(path)]) == 0
    assert capsys.readouterr().out == f"reset telepath, 1 unknown vendor in {path}\n"
    assert cli.run(["reset", "--state", str(path)]) == 0
    assert capsys.readouterr().out == f"nothing to reset: {path} has no such state\n"
    with kept(path, VENDORS["telepath"]):
        pass
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE vendors SET name = x'68757368ff'")
    assert cli.run(["reset", "--state", str(path)]) == 2
    assert "is damaged; restore a copy" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["", "-wal", "-journal"])
def test_nothing_is_written_through_a_link(path: Path, ending: str) -> None:
    """Neither the file nor the log that SQLite keeps beside it."""
    storage.from_file(path).close()
    other = path.with_name("other.db")
    path.rename(other) if not ending else other.write_bytes(b"precious")
    link = Path(f"{path}{ending}")
    link.symlink_to(other)
    before = other.read_bytes()
    with pytest.raises(UsageError, match=f"{link} is a link, which is not followed; remove it, or name another file"):
        storage.from_file(path)
    assert other.read_bytes() == before


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """Folders are not made: the name may be wrong."""
    with pytest.raises(UsageError, match=f"the folder {tmp_path}/no does not exist; make it first$"):
        storage.from_file(tmp_path / "no" / "state.db")
    with pytest.raises(UsageError, match="does not exist; name the file that `trunkline serve --state` wrote"):
        storage.from_file(tmp_path / "state.db", create=False)
    with pytest.raises(UsageError, match="it is not a file name"):
        storage.from_file(tmp_path / "a\x00b")
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_file_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state file must be writable."""
    storage.from_file(path).close()
    path.chmod(0o400)
    if os.geteuid() == 0:  # who may do anything is shown what others are
        monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    with pytest.raises(UsageError, match="cannot be read and written; check the permissions of the file"):
        storage.from_file(path)


def test_one_file_has_one_server(vendor: Vendor, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second process, or a second storage in the same one, is refused and pointed to `trunkline reset --url`."""
    with kept(path, vendor) as (state, _):
        with pytest.raises(UsageError, match="is in use by another process; stop that, or name another file; "):
            storage.from_file(path)
        command = [sys.executable, "-m", "trunkline.cli", "serve", "--port", "0", "--state", str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
        assert "is in use by another process" in run.stderr
        with pytest.raises(UsageError, match=f"a mock of {vendor.name} already writes to"):
            mock.from_vendor(vendor, storage=state)
    storage.from_file(path).close()


@pytest.mark.parametrize("begun", [b"", "made"])
def test_an_empty_file_is_a_new_one(vendor: Vendor, path: Path, begun: Any) -> None:
    """A process that was killed before it wrote anything does not stop the next one."""
    if begun:
        with closing(storage.from_file(path)):
            pass
    else:
        path.write_bytes(b"")
    with kept(path, vendor) as (_, fake):
        assert not fake.continues


# --- other data than yesterday --------------------------------------------------------------------------------------


def spoil(path: Path, change: str) -> None:
    """Change the file by hand, as if it had been written with other data."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE vendors SET checked = 'yesterday'")
        other.execute(change)


@pytest.mark.parametrize("made", ["x", 1.5, b"\xff", -5])
def test_a_damaged_serial_is_one_sentence(path: Path, made: Any) -> None:
    """SQLite keeps text in a column of integers, too."""
    with kept(path, VENDORS["telepath"]):
        pass
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE vendors SET made = ?", (made,))
    with pytest.raises(UsageError, match="is damaged; `trunkline reset"), kept(path, VENDORS["telepath"]):
        pass


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE records SET record = json_set(record, '$.created_at', 5)", "contract at /trunks/0/created_at; "),
        ("UPDATE records SET record = json_remove(record, '$.name')", "contract at /trunks/0/name; "),
        ("UPDATE records SET collection = 'carriers'", "contract at an unknown collection; "),
        ("UPDATE records SET account = 'nobody'", "contract at /trunks/0; "),
        ("UPDATE records SET identity = 'x' || identity", "contract at /trunks/0; "),
        ("UPDATE records SET record = replace(record, '\"name\"', '\"hush-0123456789\"')", "contract at /trunks/0; "),
    ],
)
def test_records_that_no_longer_fit_are_refused(vendor: Vendor, path: Path, change: str, reason: str) -> None:
    """One sentence names the vendor, the place and the command that returns to the fixtures, which works."""
    with kept(path, vendor):
        pass
    spoil(path, f"{change} WHERE collection = 'trunks'")
    with (
        pytest.raises(UsageError, match=f"the state of {vendor.name} in {path} no longer fits its contract") as caught,
        kept(path, vendor),
    ):
        pass
    assert reason in str(caught.value)
    assert "nobody" not in str(caught.value)
    assert f"`trunkline reset {vendor.name} --state {path}` returns" in str(caught.value)
    assert cli.run(["reset", vendor.name, "--state", str(path)]) == 0
    with kept(path, vendor) as (_, fake):
        assert everything(fake) == everything(mock.from_vendor(vendor))


@pytest.mark.parametrize("record", ["{", "[1]", "5", "null"])
def test_records_that_are_not_objects_are_refused(record: str, path: Path) -> None:
    """The file is reported as damaged."""
    with kept(path, VENDORS["telepath"]):
        pass
    spoil(path, f"UPDATE records SET record = '{record}'")  # noqa: S608 - words of our own
    with pytest.raises(UsageError, match="is damaged; restore a copy"), kept(path, VENDORS["telepath"]):
        pass


@pytest.mark.parametrize("record", ["{}", '{"id": "another"}'])
def test_records_in_the_wrong_place_are_refused(record: str, path: Path) -> None:
    """Also while the contract is the one they were checked against; the sentence names how to fix it."""
    with kept(path, VENDORS["telepath"]):
        pass
    spoil(path, f"UPDATE records SET record = '{record}'")  # noqa: S608 - words of our own
    with pytest.raises(UsageError, match="`trunkline reset telepath --state"), kept(path, VENDORS["telepath"]):
        pass


def test_records_that_cannot_be_sorted_are_refused(path: Path) -> None:
    """A damaged name of a field is found also while the contract is the one that records were checked against."""
    with kept(path, VENDORS["telepath"]):
        pass
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("""UPDATE records SET record = replace(record, '"created_at"', '"created_xt"')""")
    with pytest.raises(UsageError, match="contract at /trunks/0/created_at;"), kept(path, VENDORS["telepath"]):
        pass


def test_records_that_still_fit_are_loaded(vendor: Vendor, path: Path) -> None:
    """Every record that a client could write fits, also a secret that is shorter than fixtures may hold."""
    with kept(path, vendor) as (_, fake):
        client = Client(vendor, fake)
        client.created("user-1", **({"openai_api_key": "x"} if vendor.name == "telepath" else {"password": "x"}))
        before = everything(fake)
    spoil(path, "SELECT 1")
    for _ in range(2):
        with kept(path, vendor) as (_, fake):
            assert everything(fake) == before


def test_children_without_their_parents_are_refused(path: Path) -> None:
    """A record whose parent is missing does not fit."""
    for vendor in VENDORS.values():
        if any(collection.parent for collection in vendor.world.collections.values()):
            with kept(path, vendor):
                pass
            spoil(path, "DELETE FROM records WHERE collection = 'trunks'")
            with pytest.raises(UsageError, match=r"contract at /(dids|calls)/0/trunk_id;"), kept(path, vendor):
                pass


# --- a real server --------------------------------------------------------------------------------------------------


def test_serving_continues_and_says_so(path: Path) -> None:
    """The state overrides requested fixtures, standard error says so, and a clean end leaves one file."""
    vendor = VENDORS["telepath"]
    with serving("--state", str(path)) as (process, greeting):
        client = Client(vendor, targets.http(greeting["vendors"][vendor.name]["url"]))
        mine = client.created("user-1")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "continuing" not in err
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with serving("--state", str(path), "--trunks", "3") as (process, greeting):
        client = Client(vendor, targets.http(greeting["vendors"][vendor.name]["url"]))
        assert mine in client.listed()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    names = ", ".join(sorted(VENDORS))
    assert err.startswith(
        f"continuing with the state of {names} in {path}; `trunkline reset` returns to the fixtures; "
        "the records of --fixtures and --trunks count from then on\n"
    )


def test_serving_names_an_account_without_a_token(path: Path) -> None:
    """The account of `--token` is kept by a start without it, which says so, and is there again at the next one."""
    vendor = VENDORS["telepath"]

    def start(*tokens: str) -> tuple[set[str], str]:
        with serving("telepath", "--state", str(path), *tokens) as (process, greeting):
            client = Client(vendor, targets.http(greeting["vendors"]["telepath"]["url"]), "sk_fresh")
            found = set(client.listed()) if tokens else set[str]()
            found |= set() if found or not tokens else {client.created("user-1")}
            process.send_signal(signal.SIGTERM)
            return found, process.communicate(timeout=10)[1]

    given = ("--token", "telepath/fresh=sk_fresh")
    made, err = start(*given)
    assert "no token opens" not in err
    assert (
        "\nno token opens these accounts of telepath, whose records are kept: fresh; "
        "add one with --token telepath/fresh=TOKEN\n"
    ) in start()[1]
    again, err = start(*given)
    assert again == made
    assert "no token opens" not in err


def test_a_server_on_a_full_disk_goes_on_serving(path: Path) -> None:
    """Writes are answered with 507, reads go on, and everything that was confirmed is kept."""
    vendor = VENDORS["telepath"]
    limit = 300_000

    def confine() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with serving("--state", str(path), "--quiet", preexec_fn=confine) as (process, greeting):
        client = Client(vendor, targets.http(greeting["vendors"][vendor.name]["url"]))
        made: list[str] = []
        while (response := client.create(f"user-{len(made)}", system_prompt="x" * 10_000)).status == 201:
            made.append(client.item(response)["id"])
            assert len(made) < 1000
        assert response.status == 507
        assert "a limit is reached (`ulimit -f`, a quota), or the disk fails; make room" in response.json()["error"]
        assert "nothing was changed" in response.json()["error"]
        assert set(made) <= set(client.listed())
        process.kill()
    with kept(path, vendor) as (_, fake):
        shipped = Client(vendor, mock.from_vendor(vendor)).listed()
        assert set(Client(vendor, fake).listed()) == {*shipped, *made}


GONE = "gone"


class Answers:
    """The states in which each trunk may be, from what clients were answered; several while a request is pending."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], set[str]] = {}
        self.asked: set[tuple[str, str]] = set()
        self.answered = 0
        self.enough = threading.Event()

    def hammer(self, vendor: Vendor, url: str, number: int, until: int) -> None:
        """Create, change and delete until the server is gone."""
        client, chance, mine = Client(vendor, targets.http(url)), random.Random(number), list[str]()  # noqa: S311 - which, not how secret
        removes = vendor.name in REMOVING
        for turn in range(1_000_000):
            kind = chance.choice(("create", "change", "change", "delete" if removes else "change"))
            if kind == "create" or not mine:
                serial = f"user-{number}-{self.answered}-{turn}"
                self.asked.add((vendor.name, serial))
                mine.append(client.created(serial))
                self.states[vendor.name, mine[-1]] = {"new"}
                self.asked.discard((vendor.name, serial))
            else:
                which = chance.choice(mine)
                key, wanted = (vendor.name, which), f"name-{turn}" if kind == "change" else GONE
                self.states[key] |= {wanted}
                response = client.change(which, wanted) if kind == "change" else client.delete(which)
                assert response.status == 200, response.body
                self.states[key] = {wanted}
                if kind == "delete":
                    mine.remove(which)
            self.answered += 1
            if self.answered >= until:
                self.enough.set()

    def compare(self, vendor: Vendor, client: Client) -> None:
        """Each trunk is complete and in a state that it may be in; what was not answered may be done or not."""
        found = client.listed()
        assert client.violations() == []
        for trunk in found.values():
            assert len({trunk[field] for field in client.trunks.names}) == 1 or trunk["id"] in _shipped(vendor)
        for (name, identity), states in self.states.items():
            if name == vendor.name:
                state = found[identity]["name"] if identity in found else GONE
                assert state in states, (identity, state, states)
                self.states[name, identity] = {state}
        known = {identity for name, identity in self.states if name == vendor.name}
        serials = {serial for name, serial in self.asked if name == vendor.name}
        for identity in set(found) - known - set(_shipped(vendor)):
            assert found[identity][client.trunks.serial] in serials, "nobody asked for it"
            self.states[vendor.name, identity] = {found[identity]["name"]}
        assert set(_shipped(vendor)) <= set(found)


def _shipped(vendor: Vendor) -> dict[str, Json]:
    return Client(vendor, mock.from_vendor(vendor)).listed()


@pytest.mark.slow
def test_a_killed_server_loses_nothing_that_was_answered(path: Path) -> None:
    """`kill -9` during the writes of several clients, repeatedly: everything answered is there, and nothing by half."""
    answers, chance = Answers(), random.Random(1)  # noqa: S311 - as above
    for turn in range(4):
        with serving("--state", str(path), "--quiet") as (process, greeting):
            urls = {name: served["url"] for name, served in greeting["vendors"].items()}
            for name, vendor in VENDORS.items():
                answers.compare(vendor, Client(vendor, targets.http(urls[name])))
            answers.asked.clear()
            answers.enough.clear()
            until = answers.answered + chance.randint(40, 160)

            def hammer(vendor: Vendor, number: int, urls: dict[str, str] = urls, until: int = until) -> None:
                with suppress(TargetError):
                    answers.hammer(vendor, urls[vendor.name], number, until)

            numbers = range(turn * 100, turn * 100 + 3)
            works = [threading.Thread(target=hammer, args=(one, n)) for one in VENDORS.values() for n in numbers]
            for work in works:
                work.start()
            assert answers.enough.wait(30)
            process.send_signal(signal.SIGKILL)
            for work in works:
                work.join(30)
    with closing(storage.from_file(path)) as state:
        for vendor in VENDORS.values():
            answers.compare(vendor, Client(vendor, mock.from_vendor(vendor, storage=state)))
    assert answers.answered > 160


def test_sqlite_is_loaded_only_when_needed() -> None:
    """Neither the command line nor a server without a state file loads it."""
    imports = "import sys, trunkline.cli; from trunkline import mock; from trunkline.transport import admin, server"
    code = f"{imports}; print('sqlite3' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_a_request_that_changes_nothing_writes_nothing(vendor: Vendor, path: Path) -> None:
    """Reads and refusals leave the file alone."""
    with kept(path, vendor) as (state, fake):
        before = state.database.connection.total_changes
        client = Client(vendor, fake)
        client.listed()
        assert client.ask("POST", client.path, {}).status in {400, 422}
        assert client.change("nothing", "name").status == 404
        assert fake(Request("GET", "/nowhere")).status == 404
        assert state.database.connection.total_changes == before
