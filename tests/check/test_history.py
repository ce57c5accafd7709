"""The history of a watch: what is new, what was told, and what the next watch knows."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from trunkline.check import history
from trunkline.check.history import History, Observation, open_history
from trunkline.errors import UsageError

BASE = "https://api.example.com/v1"


def item(key: str) -> Observation:
    return Observation(
        key, "drift", "value", "listTrunks", "200", "body/x", "a value", "", '"x"', "", "", "implied", fails=True
    )


def keys(items: tuple[Observation, ...]) -> list[str]:
    return [found.key for found in items]


def test_the_first_complete_round_is_what_is_already_there() -> None:
    """Also what a round before it has shown, which did not come to its end."""
    found = History()
    assert found.add(0, 1, 3, "it stopped", [item("a")]) == ()
    assert found.add(1, 2, 3, "", [item("a"), item("b")]) == ()
    assert keys(found.add(2, 3, 3, "", [item("b"), item("c"), item("c")])) == ["c"]
    assert found.add(3, 4, 3, "", [item("c")]) == ()
    assert (found.rounds, keys(found.news)) == (4, ["c"])
    found.tell(found.news)
    assert found.news == ()


def test_a_watch_that_starts_again_goes_on(tmp_path: Path) -> None:
    """It knows the rounds, the kinds, and those of which nobody was told."""
    path = tmp_path / "folder" / "history.db"
    with open_history(path, "telepath", BASE) as first:
        first.add(0, 1, 3, "", [item("a")])
        first.add(1, 2, 3, "", [item("b"), item("c")])
        first.tell([item("b")])
    with open_history(path, "telepath", BASE) as second:
        assert (second.rounds, second.complete, keys(second.news)) == (2, True, ["c"])
        assert second.known["a"].observation == item("a")
        assert keys(second.add(3, 4, 1, "", [item("a"), item("d")])) == ["d"]
    with open_history(path, "telepath", BASE) as third:
        assert (third.rounds, keys(third.news)) == (3, ["c", "d"])
        assert (third.known["a"].first, third.known["a"].last, third.known["a"].rounds) == (1, 4, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_incomplete_first_round_is_no_beginning(tmp_path: Path) -> None:
    """The next watch begins with what is there then."""
    with open_history(tmp_path / "a.db", "telepath", BASE) as first:
        first.add(0, 1, 3, "it stopped", [])
    with open_history(tmp_path / "a.db", "telepath", BASE) as second:
        assert second.add(1, 2, 3, "", [item("a")]) == ()


def test_a_history_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rounds the latest are kept, of kinds the first."""
    monkeypatch.setattr(history, "_MOST_ROUNDS", 3)
    monkeypatch.setattr(history, "_MOST_KINDS", 4)
    path = tmp_path / "a.db"
    with open_history(path, "telepath", BASE) as found:
        for number in range(10):
            found.add(number, number, 1, "", [item(f"{number}")])
        assert len(found.known) == 4
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*), max(number) FROM rounds").fetchone() == (3, 10)


def test_a_history_belongs_to_one_api(tmp_path: Path) -> None:
    """The sentence names the option."""
    with open_history(tmp_path / "a.db", "telepath", BASE):
        pass
    with (
        pytest.raises(UsageError, match=r"is not the history of talkover at .*; name another file with --history"),
        open_history(tmp_path / "a.db", "talkover", BASE),
    ):
        pass


def test_two_watches_do_not_share_a_history(tmp_path: Path) -> None:
    """The second is refused while the first is running."""
    path = tmp_path / "a.db"
    with (
        open_history(path, "telepath", BASE),
        pytest.raises(UsageError, match="is in use by another process; another watch is using it"),
        open_history(path, "telepath", BASE),
    ):
        pass


@pytest.mark.parametrize("text", ["{", "[]", '{"key": 1}', '{"key": "a", "more": 1}', "null", "[" * 2000])
def test_a_damaged_history_is_refused(tmp_path: Path, text: str) -> None:
    """Without a traceback, and without its content."""
    path = tmp_path / "a.db"
    with open_history(path, "telepath", BASE) as found:
        found.add(0, 1, 1, "", [item("a")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE kinds SET item = ?", (text,))
        connection.commit()
    with pytest.raises(UsageError, match="is damaged; restore a copy"), open_history(path, "telepath", BASE):
        pass
