"""The lines of a watch, and the screen between two rounds."""

from __future__ import annotations

import io

import pytest

from tests.report.test_report import Terminal
from trunkline.check.history import History, Observation
from trunkline.check.watch import Round
from trunkline.report.terminal import screen
from trunkline.report.text import plain
from trunkline.report.watch import observation_lines, panel, round_line

ITEM = Observation(
    "k", "drift", "value", "listTrunks", "200", "body/x", "new\x1b[31m", "", '"x"', "", "", "implied", fails=True
)
ROUND = Round(3, 0.0, 7, {"listTrunks": 200, "listCalls": 503}, {"getCall": "the account has no calls"}, (ITEM,), ())


def test_a_round_is_one_line() -> None:
    """With the time, what was asked, and why it ended early."""
    assert plain(round_line(ROUND)) == "1970-01-01T00:00:00Z round 3: 2 operations, 7 requests, nothing new, 1 known"
    failed = Round(4, 60.0, 1, {"listTrunks": 200}, {}, (ITEM,), (ITEM,), "no\nanswer")
    assert plain(round_line(failed)) == (
        "1970-01-01T00:01:00Z round 4: 1 operation, 1 request, 1 new; it did not come to its end: no\\nanswer"
    )


def test_what_is_new_steers_no_terminal() -> None:
    """Each text is printable."""
    assert [plain(line) for line in observation_lines(ITEM)] == [
        "NEW drift value",
        "  listTrunks 200 body/x: new\\x1b[31m",
        '  seen     "x"',
        "",
    ]


@pytest.mark.parametrize(("left", "shown"), [(5.2, "0:05"), (299.6, "5:00"), (3725, "1:02:05")])
def test_the_screen_shows_each_operation_and_the_time_left(left: float, shown: str) -> None:
    """And why an operation was not asked."""
    lines = [plain(line) for line in panel(ROUND, History(rounds=3), "the API", left)]
    assert lines == [
        f"next round in {shown}; the API: 3 rounds, no kinds of findings and drift known",
        "  listTrunks               200",
        "  listCalls                503",
        "  getCall                  the account has no calls",
    ]


def test_a_panel_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere it is not shown at all."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for err, is_live in ((Terminal(), True), (io.StringIO(), False)):
        with screen(io.StringIO(), err) as shown:
            assert shown.is_live is is_live
            shown.panel(panel(ROUND, History(rounds=3), "the API", 5))
            shown.show([round_line(ROUND)])
        assert ("the API: 3 rounds" in err.getvalue()) is is_live
        assert ("listCalls" in err.getvalue()) is is_live
