"""Tests of `trunkline.traffic.jobs`: several processes judge as one does."""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest

from tests.recordings import PAGE, har, joined
from trunkline.errors import TrunklineError, UsageError
from trunkline.mock import loader
from trunkline.report import json as report_json
from trunkline.report.run import RunInfo
from trunkline.traffic import jobs, pieces
from trunkline.traffic.validation import BatchJudge, validate_files

TELEPATH = loader.load("telepath")
URL = "https://api.telepathvoice.com/v1/trunks"


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings of each kind, in small batches: good answers, wrong ones, and what cannot be judged."""
    monkeypatch.setattr(pieces, "_MOST_IN_BATCH", 3)
    token = ("Authorization", "Bearer sk_live_0123456789")
    files = [
        har(PAGE if number % 3 else json.dumps({"trunks": [{f"p{number}": token[1]}]}), url=URL, sent=(token,))
        for number in range(20)
    ]
    files += [har(url="https://cdn.example/x"), har(url=f"{URL}/no/such"), har(None, size=5), har(status=0)]
    for number, file in enumerate(files):
        file["log"]["entries"][0]["startedDateTime"] = f"2026-11-{number + 1:02}T00:00:00Z"
    recorded = joined(*files)
    (tmp_path / "a.har").write_text(json.dumps(recorded, indent=1))
    (tmp_path / "b.har").write_text(json.dumps(recorded)[:-2000])
    rows = [
        {"request": {"method": "GET", "url": URL}, "response": {"status": 200 + number, "body": PAGE}}
        for number in range(8)
    ]
    (tmp_path / "c.ndjson").write_text("\n".join(["", *map(json.dumps, rows), "{"]))
    (tmp_path / "d.txt").write_text(f"HTTP/1.1 200 OK\na: b\n\n{PAGE}\n" * 4)
    (tmp_path / "e.png").write_bytes(b"\x89PNG")
    return tmp_path


def test_the_report_is_the_same(recordings: Path) -> None:
    """Of one process and of several, down to the order of the findings and of what was not judged."""
    run, since = RunInfo("telepath"), 1793750400.0
    reports = [validate_files(TELEPATH, [str(recordings)], ["listTrunks"], since=since, jobs=count) for count in (1, 2)]
    first, second = (report_json.render(report, run) for report in reports)
    assert first == second
    assert reports[0].findings
    assert reports[0].reading.other_hosts.total() == 1
    assert reports[0].reading.older > 0
    assert "sk_live" not in first
    assert reports[0].stopped


def test_what_is_wrong_with_the_sources_is_said_by_several_processes_too(tmp_path: Path) -> None:
    """The same sentence, and no process is left that would keep the command from ending."""
    with pytest.raises(UsageError, match="there is no such file"):
        validate_files(TELEPATH, [str(tmp_path / "nothing")], jobs=2)
    with pytest.raises(UsageError, match="is not an operation"):
        validate_files(TELEPATH, ["-"], ["nope"], jobs=2)


def test_this_process_judges_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes each batch that the others have no time for. The results are in order, and an error comes last."""
    elsewhere, given, here = Future[str](), list[list[int]](), list[list[int]]()

    class Busy:
        def submit(self, _: object, batch: list[int]) -> Future[str]:
            given.append(batch)
            return elsewhere

        def shutdown(self, **_: object) -> None:
            pass

    def judge(batch: list[int]) -> str:
        here.append(batch)
        if batch == [8]:
            elsewhere.set_result("of another process")
        return f"of {batch}"

    def batches() -> Iterator[list[int]]:
        yield from ([number] for number in range(10))
        raise UsageError("it is cut off")

    monkeypatch.setattr(jobs, "_AHEAD", 1)
    monkeypatch.setattr(jobs, "ProcessPoolExecutor", lambda *_: Busy())
    monkeypatch.setattr(judge, "settings", (), raising=False)
    found: list[object] = []
    with jobs.in_order(cast("BatchJudge", judge), "telepath", 2) as judged:  # noqa: SIM117 - the error is of the inner
        with pytest.raises(UsageError, match="cut off"):
            found.extend(judged(batches()))
    assert given[0] == [0]
    assert here[:8] == [[number] for number in range(1, 9)]
    assert found == ["of another process" if batch in given else f"of {batch}" for batch in ([n] for n in range(10))]


def test_a_process_that_ends_early_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As one for which the memory does not suffice; here it cannot begin. The sentence says what to do."""
    path = tmp_path / "a.har"
    path.write_text(json.dumps(har()))
    judge = BatchJudge(TELEPATH.contract, frozenset(), {})
    with (
        pytest.raises(TrunklineError, match=r"a process that judges ended early; .*use fewer --jobs"),
        jobs.in_order(judge, "nobody", 2) as judged,
    ):
        [*judged(pieces.batches(str(path)))]
    capfd.readouterr()


class _Endless:
    """A piece for whose reading a process needs longer than any test takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return time.sleep, (600,)


@pytest.mark.slow
def test_an_interruption_does_not_wait_for_the_batches_under_way(tmp_path: Path) -> None:
    """Every process ends at once; what was found before is kept."""
    path = tmp_path / "a.har"
    path.write_text(json.dumps(har(url=URL)))
    judge = BatchJudge(TELEPATH.contract, frozenset(), {})
    before, found = multiprocessing.active_children(), list[int]()

    def interrupted() -> Iterator[list[Any]]:
        yield from pieces.batches(str(path))
        yield from ([_Endless()] for _ in range(2))
        while not found:
            yield []
        raise KeyboardInterrupt

    with jobs.in_order(judge, "telepath", 2) as judged:
        work = judged(interrupted())
        found.append(next(work).exchanges)
        assert found == [1]
        with pytest.raises(KeyboardInterrupt):
            next(work)
    children = {*multiprocessing.active_children()} - {*before}
    for child in children:
        child.join(30)
        assert child.exitcode is not None


def test_interrupting_is_clean(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of the terminal: the code is 130, the report says so, and there is no traceback."""
    line = json.dumps({"request": {"method": "GET", "url": URL}, "response": {"status": 200, "body": PAGE}}) + "\n"
    command = [sys.executable, "-m", "trunkline.cli", "validate", "telepath", "--jobs", "2", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdin
        process.stdin.write(line.encode() * 4_000)  # more than a pipe holds, so most of it was read
        process.stdin.flush()
        os.killpg(process.pid, signal.SIGINT)
        process.stdin.close()
        assert process.stdout
        assert process.stderr
        output, errors = process.stdout.read(), process.stderr.read()
    assert process.returncode == 130
    assert b"interrupted" in output + errors
    assert errors in {b"", b"trunkline: interrupted\n"}


@pytest.mark.slow
def test_no_process_outlives_the_one_that_is_killed() -> None:
    """Each holds the standard output, which therefore has an end only when all are gone."""
    line = json.dumps({"request": {"method": "GET", "url": URL}, "response": {"status": 200, "body": PAGE}}) + "\n"
    command = [sys.executable, "-m", "trunkline.cli", "validate", "telepath", "--jobs", "2", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(line.encode() * 10_000)  # more than a pipe holds, so most of it was read
        process.stdin.flush()
        process.kill()
        ended, _, _ = select.select([process.stdout], [], [], 30)
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        assert ended
        assert process.stdout.read() == b""
