"""`trunkline watch`: what it prints, how it ends, and whom it tells."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.servers import environment, scripted, target_server
from trunkline import mock
from trunkline.cli import run, watch
from trunkline.exchange import Request, Response
from trunkline.mock import loader

TELEPATH = loader.load("telepath")
CANARY = "canary-4711-sesame"


class API:
    """An API that answers as the mock, with texts replaced in its bodies."""

    def __init__(self) -> None:
        self.mock = mock.from_vendor(TELEPATH)
        self.replaced: dict[bytes, bytes] = {}
        self.base = ""

    def __call__(self, request: Request) -> Response:
        response = self.mock(request)
        body = response.body
        for old, new in self.replaced.items():
            body = body.replace(old, new)
        fields = tuple(field for field in response.headers if field[0] != "content-length")
        return Response(response.status, fields, body)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[API]:
    """The API over HTTP; histories are in the folder of the test, and no pause lasts."""
    found = API()
    monkeypatch.setenv("TRUNKLINE_TOKEN", TELEPATH.world.token)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    with target_server(found, "/v1", headers_sent=True) as base:
        found.base = base
        yield found


Watch = Callable[..., int]


@pytest.fixture
def watching(api: API) -> Watch:
    """Runs the command."""
    return lambda *arguments: run(["watch", "telepath", "--url", api.base, *arguments])


def test_it_ends_when_something_new_appears(api: API, watching: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """With 1, and shows it; a watch that is started again knows it, and ends with 0."""
    assert watching("--rounds", "2") == 0
    captured = capsys.readouterr()
    assert [line.partition(" ")[2] for line in captured.out.splitlines()] == [
        f"round {number}: 3 operations, 4 requests, nothing new" for number in (1, 2)
    ]
    assert captured.err.startswith(f"watching telepath at {api.base}; history: ")
    api.replaced = {b'"active"': b'"paused"'}
    assert watching() == 1
    captured = capsys.readouterr()
    assert (
        "round 3: 3 operations, 4 requests, 1 new\nNEW drift value\n  listTrunks 200 body/trunks/*/status: "
        in captured.out
    )
    assert ", after 2 earlier rounds; history: " in captured.err
    assert watching("--rounds", "1") == 0


def test_the_first_round_shows_what_is_there_already(
    api: API, watching: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind once: it is known from then on, and is counted in later rounds, also by a watch that starts again."""
    api.replaced = {b'"active"': b'"paused"'}
    assert watching("--rounds", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("round 1: 3 operations, 4 requests, nothing new, 1 known")
    assert lines[1] == "known drift value"
    assert lines[-1].endswith("round 2: 3 operations, 4 requests, nothing new, 1 known")
    assert watching("--rounds", "1") == 0
    assert "known drift" not in capsys.readouterr().out


def test_it_goes_on_if_it_only_logs(api: API, watching: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """And tells by its exit code at the end that there was something; it is shown once."""
    assert watching("--rounds", "1") == 0
    api.replaced = {b'"active"': b'"paused"'}
    assert watching("--rounds", "3", "--on-new", "log") == 1
    captured = capsys.readouterr()
    assert captured.out.count("NEW drift value") == 1
    assert ", after 1 earlier round; " in captured.err


def test_a_webhook_is_told(api: API, watching: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """Once, with what is new; its address is nowhere in the output."""
    assert watching("--rounds", "1") == 0
    api.replaced = {b'"active"': b'"paused"'}
    with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as server:
        address = f"{server.base}/{CANARY}?token={CANARY}"
        assert watching("--rounds", "2", "--webhook", address) == 1
        [request] = server.received
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    [item] = body["new"]
    assert (item["name"], item["at"], body["vendor"], body["round"]) == ("value", "body/trunks/*/status", "telepath", 2)
    assert body["text"].startswith(f"trunkline: telepath at {api.base} has changed: listTrunks body/trunks/*/status: ")
    text = (Path(__file__).parents[2] / "docs" / "watch.md").read_text("utf-8")
    assert [name for name in (*body, *item) if f"`{name}`" not in text] == []
    captured = capsys.readouterr()
    assert CANARY not in captured.out + captured.err


def test_a_webhook_that_fails_is_told_later(api: API, watching: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """By the next round, or the next watch."""
    assert watching("--rounds", "1") == 0
    api.replaced = {b'"active"': b'"paused"'}
    with scripted(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server:
        assert watching("--rounds", "1", "--webhook", f"{server.base}/{CANARY}") == 1
    captured = capsys.readouterr()
    assert "was not told: it answers 404; it is tried again after the next round" in captured.err
    assert CANARY not in captured.out + captured.err
    with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as server:
        assert watching("--rounds", "1", "--webhook", server.base) == 1
        assert len(server.received) == 1
        assert watching("--rounds", "1", "--webhook", server.base) == 0
        assert len(server.received) == 1


def test_an_outage_is_told_and_ends_nothing(
    watching: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A watch whose last round failed ends with 2."""
    assert watching("--rounds", "1") == 0
    monkeypatch.setenv("TRUNKLINE_TOKEN", "sk_live_revoked_4711")
    assert watching("--rounds", "2") == 2
    captured = capsys.readouterr()
    assert captured.out.count("it did not come to its end: listTrunks refuses the credential with 401") == 2
    assert captured.err.endswith(
        "trunkline: listTrunks refuses the credential with 401: give the right one with --token or TRUNKLINE_TOKEN\n"
    )


def test_the_built_in_mock_can_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file: it ends with this process."""
    assert run(["watch", "telepath", "--rounds", "1"]) == 0
    assert capsys.readouterr().err == "watching telepath at the built-in mock\n"


BAD: dict[tuple[str, ...], str] = {
    ("--every", "5"): "--every is not a duration from 1s to 1d, such as 30s, 5m or 1h",
    ("--every", "0.5s"): "--every is not a duration",
    ("--every", "25h"): "--every is not a duration",
    ("--every", "-5m"): "--every is not a duration",
    ("--every", "5 m"): "--every is not a duration",
    ("--rounds", "0"): "--rounds is not a whole number from 1",
    ("--on-new", "maybe"): "--on-new is not exit or log",
    ("--webhook", f"http://example.com/{CANARY}"): "the webhook needs an address of https",
    ("--operation", "createTrunk"): "createTrunk writes, and a watch only reads",
    ("--operation", "nothing"): "'nothing' is not an operation",
    ("--history", "FOLDER"): "is not a regular file; name another file with --history",
    ("--history", "FILE"): "is not a history; name another file with --history",
    ("--param", "nobody=1"): "is the name of no path parameter",
}


@pytest.mark.parametrize("arguments", BAD)
def test_a_mistake_is_one_sentence(
    watching: Watch, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """It ends with 2, before the first request."""
    (tmp_path / "file").write_text("not a database, but long enough to be one")
    names = {"FOLDER": str(tmp_path), "FILE": str(tmp_path / "file")}
    assert watching(*(names.get(argument, argument) for argument in arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert BAD[arguments] in captured.err
    assert captured.err.count("\n") == 1
    assert CANARY not in captured.err


def test_ctrl_c_is_clean(api: API, tmp_path: Path) -> None:
    """It ends with 130 and without a traceback, and the next watch goes on."""
    command = [sys.executable, "-m", "trunkline.cli", "watch", "telepath", "--url", api.base, "--history"]
    path = tmp_path / "history.db"
    environ = environment(TRUNKLINE_TOKEN=TELEPATH.world.token)
    process = subprocess.Popen(
        [*command, str(path), "--every", "1h"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    )
    assert process.stdout is not None
    assert "round 1: " in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, f"watching telepath at {api.base}; history: {path}\n")
    assert not [*tmp_path.glob("history.db-*")]
    assert run(["watch", "telepath", "--url", api.base, "--history", str(path), "--rounds", "1"]) == 0
