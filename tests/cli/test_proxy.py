"""`trunkline proxy` in a process of its own, between a client and an upstream."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import requests
import trunkline
from tests.requests import bearer
from tests.servers import printed_line, start
from trunkline import mock
from trunkline.cli import proxy, run
from trunkline.exchange import Json, Request, Response, Target
from trunkline.findings import Report
from trunkline.settings import Settings
from trunkline.transport.judging import RawExchange, Verdict
from trunkline.transport.metrics import Metrics
from trunkline.transport.server import asgi, running
from trunkline.transport.worker import WorkerEnded

VENDOR = trunkline.load("telepath")
TOKEN = VENDOR.world.token
CANARY = "canary-5up3r-secret-0192837465"


def broken(target: Target) -> Target:
    """The mock with a status that is not documented, and the credential in a field."""

    def ask(request: Request) -> Response:
        response = target(request)
        if response.status != 200:
            return replace(response, headers=(*response.headers, ("x-debug", request.header("authorization") or "")))
        return replace(response, body=response.body.replace(b'"status":"active"', b'"status":"busy"'))

    return ask


@contextmanager
def proxying(url: str, *arguments: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], dict[str, Json]]]:
    """`trunkline proxy` on a free port: the process, and the line of JSON that it printed."""
    command = ("proxy", "telepath", "--upstream", url, "--port", "0", "--findings-wait", "10", *arguments)
    with start(*command, **options) as process:
        try:
            yield process, json.loads(printed_line(process))
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str, str]:
    """Send a signal, and return the exit code and what was printed since then."""
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def headers(token: str = TOKEN) -> dict[str, str]:
    return dict(bearer(token))


def test_findings_are_shown_while_traffic_passes(tmp_path: Path) -> None:
    """A wrong answer passes unchanged; it is named in the header, log, metrics, findings, report and exit code."""
    report = tmp_path / "report.json"
    arguments = ("-v", "--report", f"json={report}", "--record", str(tmp_path / "traffic.har"))
    with (
        running(asgi({"/v1": broken(mock.from_vendor(VENDOR))})) as api,
        proxying(f"{api}/v1", *arguments) as (process, place),
    ):
        direct = requests.get(f"{api}/v1/trunks", headers=headers(), timeout=10)
        answers = [requests.get(f"{place['url']}/trunks", headers=headers(), timeout=10) for _ in range(2)]
        for answer in answers:
            assert (answer.status_code, answer.content) == (200, direct.content)
            assert answer.headers["x-trunkline-findings"] == "1"
        counted = 'trunkline_requests_total{operation="listTrunks",status="200"} 2.0'
        metrics = ""
        for _ in range(100):  # a request is counted after the last byte of its answer
            if counted in (metrics := requests.get(place["metrics"], timeout=10).text):
                break
        assert counted in metrics
        assert 'trunkline_findings_total{grade="implied",rule="body_matches_schema"} 2.0' in metrics
        found = requests.get(place["metrics"].replace("metrics", "findings"), timeout=10).json()
        assert [finding["rule"] for finding in found["findings"]] == ["body_matches_schema"]
        code, out, err = ended(process)
    assert code == 1
    assert "the contract of telepath is BROKEN: 1 finding" in out
    lines = [line for line in err.splitlines() if line.startswith("finding: ")]
    assert len(lines) == 1
    assert lines[0].startswith("finding: implied body_matches_schema listTrunks body/trunks/0/status: "), lines
    assert "https://docs.telepathvoice.com/" in lines[0]
    assert sum(line.startswith("GET listTrunks 200 ") for line in err.splitlines()) == 2
    assert json.loads(report.read_bytes())["findings"][0]["count"] == found["findings"][0]["count"]
    assert run(["validate", "telepath", str(tmp_path / "traffic.har")]) == 1


def test_a_proxy_without_findings_ends_with_0() -> None:
    """SIGTERM ends it, as SIGINT does elsewhere in this file, with a report that says what was judged."""
    with running(asgi({"/v1": mock.from_vendor(VENDOR)})) as api, proxying(f"{api}/v1") as (process, place):
        assert (
            requests.get(f"{place['url']}/trunks", headers=headers(), timeout=10).headers["x-trunkline-findings"] == "0"
        )
        assert requests.get(f"{place['url']}/nothing", headers=headers(), timeout=10).status_code == 404
        code, out, err = ended(process, signal.SIGTERM)
    assert code == 0, err
    assert "the contract of telepath is kept" in out
    assert "NOT JUDGED    1 exchange: the contract has no such operation, or --operation does not name it\n" in out


def test_a_proxy_that_judged_nothing_ends_with_2() -> None:
    """No traffic is no proof; the upstream may be down, and clients get a 502."""
    with proxying("http://127.0.0.1:9/v1", "--quiet") as (process, place):
        answer = requests.get(f"{place['url']}/trunks", timeout=10)
        assert (answer.status_code, answer.json()) == (502, {"error": "127.0.0.1:9 cannot be reached"})
        code, out, err = ended(process)
    assert code == 2
    assert "NOT EXERCISED" in out
    assert "no exchange that the contract describes has passed" in err


def test_no_secret_is_printed_or_written(tmp_path: Path) -> None:
    """A credential in every part of a request, which the upstream returns, is in none of the outputs."""
    files = {name: tmp_path / f"report.{name}" for name in ("json", "text", "html", "junit", "sarif")}
    record = tmp_path / "traffic.ndjson"
    reports = [word for name, file in files.items() for word in ("--report", f"{name}={file}")]

    def api(request: Request) -> Response:
        return Response(200, (("x-echo", CANARY), ("content-type", "application/json")), request.body or b'{"a":"%s"}')

    with (
        running(asgi({"/v1": api})) as url,
        proxying(f"{url}/v1", "-v", "--record", str(record), *reports) as (process, place),
    ):
        sent = {**headers(CANARY), "x-api-key": CANARY, "cookie": f"sid={CANARY}"}
        for method, body in (("GET", None), ("POST", {"sip_password": CANARY, "name": CANARY})):
            for path in ("trunks", f"trunks/{CANARY}", f"trunks?token={CANARY}"):
                answer = requests.request(method, f"{place['url']}/{path}", headers=sent, json=body, timeout=10)
                assert answer.headers["x-echo"] == CANARY
        admin = place["metrics"].removesuffix("metrics")
        pages = [requests.get(admin + page, timeout=10).text for page in ("metrics", "findings", "health")]
        code, out, err = ended(process)
    assert code == 1
    outputs = [*pages, out, err, record.read_text("utf-8"), *(file.read_text("utf-8") for file in files.values())]
    assert all(outputs)
    assert [output for output in outputs if CANARY in output] == []
    assert len(record.read_text("utf-8").splitlines()) == 6


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name the API that answers with --upstream"),
        (["--upstream", "api.example.com"], "the base address does not begin with http:// or https://"),
        (["--upstream", "http://user:secret@x/v1"], "the base address holds a user name or password"),
        (["--upstream", "http://x/v1", "--record", "traffic.txt"], "--record: 'traffic.txt' ends neither with .har"),
        (["--upstream", "http://x/v1", "--record", "/nowhere/x.har"], "cannot be written: no such file or directory"),
        (["--upstream", "http://x/v1", "-v", "--quiet"], "--quiet prints nothing"),
        (["--upstream", "http://x/v1", "--operation", "listTrunk"], "listTrunk"),
        (["--upstream", "http://x/v1", "--admin-token", "a b"], "the admin token is empty or holds"),
        (["--upstream", "http://x/v1", "--findings-wait", "0"], "--findings-wait is not a number above 0"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], sentence: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line, before anything is passed on; no part of a password is quoted."""
    assert run(["proxy", "telepath", "--port", "0", *arguments]) == 2
    out, err = capfd.readouterr()
    assert sentence in err
    assert err.count("\n") == 1
    assert "secret" not in err
    assert out == ""


@pytest.mark.slow
def test_known_findings_are_excused(tmp_path: Path) -> None:
    """A finding of the baseline is in no count and fails nothing; it is in the log as known, and in the report."""
    baseline = tmp_path / "known.toml"
    with running(asgi({"/v1": broken(mock.from_vendor(VENDOR))})) as api:
        for option, count, code in (("--update-baseline", "1", 1), ("--quiet", "0", 0)):
            with proxying(f"{api}/v1", "--baseline", str(baseline), option) as (process, place):
                answer = requests.get(f"{place['url']}/trunks", headers=headers(), timeout=10)
                assert answer.headers["x-trunkline-findings"] == count
                assert ended(process)[0] == code
            baseline.write_text(re.sub('reason = ".*"', 'reason = "they know"', baseline.read_text("utf-8")), "utf-8")


class FakeWorker:
    """A worker that ends in the middle of its first exchange, and another one that does not."""

    begun: ClassVar[list[str | None]] = []

    def __init__(self, _make: object, _vendor: str, _base: str, record: str | None, *_: object, **__: object) -> None:
        self.begun.append(record)

    def call(self, method: str, *_: object, seconds: float) -> object:
        if len(self.begun) == 1:
            raise WorkerEnded
        assert seconds
        return Report(exercised={("listTrunks", "body_is_json"): ""}) if method == "report" else [Verdict()]

    def close(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize(("record", "continued"), [("x.ndjson", "x.ndjson"), ("x.har", None), (None, None)])
def test_a_judge_that_ends_is_replaced(
    record: str | None, continued: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next exchange is judged by another process, which continues the record if that is possible; it is told."""
    monkeypatch.setattr(proxy, "Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "begun", [])
    judge = proxy._JudgeProcess(Settings(record_file=record), "telepath", "http://x/v1", {})
    seen = RawExchange(0.0, 0.0, "GET", "http://x/v1/trunks", (), b"", 200, (), b"")
    with pytest.raises(WorkerEnded):
        judge([seen])
    assert judge([seen]) == [Verdict()]
    assert FakeWorker.begun == [record, continued]
    assert ("the record x.har ends here" in caplog.text) is (record == "x.har")
    report = proxy._completed(judge.report(), judge, Metrics())
    assert report.stopped == "judging was interrupted, and what it had found before is only in the log"


def test_a_judge_that_does_not_go_on_is_killed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy ends nevertheless, without what was found, and begins no other one."""
    judge = proxy._JudgeProcess(Settings(upstream="http://x/v1"), "telepath", "http://x/v1", {})
    os.kill(judge._worker.pid, signal.SIGSTOP)
    seen = RawExchange(0.0, 0.0, "GET", "http://x/v1/trunks", (), b"", 200, (), b"")
    with judge, judge.ending(0.1):
        with pytest.raises(WorkerEnded):
            judge([seen])
        monkeypatch.setattr(proxy, "Worker", None)
        assert (judge.report().exercised, judge.lost) == ({}, 2)


def test_a_proxy_before_itself_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """An address that leads back to the proxy would be an endless loop."""
    with running(asgi(lambda _: Response(200))) as url:
        port = url.rpartition(":")[2]
    assert run(["proxy", "telepath", "--upstream", f"http://localhost:{port}/v1", "--port", port]) == 2
    assert f"the upstream localhost:{port} is this proxy itself" in capfd.readouterr().err


def test_a_mistake_leaves_no_record(tmp_path: Path) -> None:
    """A HAR file is never continued, so one without an exchange would keep the next run from its name."""
    record = tmp_path / "traffic.har"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for mistake in (
            ["--port", port],
            ["--port", "0", "--admin-token", "a b"],
            ["--port", "0", "--host", "1.2.3.4"],
        ):
            arguments = ["--upstream", "http://x/v1", "--record", str(record), *mistake]
            assert run(["proxy", "telepath", *arguments]) == 2
    assert (
        run(["proxy", "telepath", "--upstream", f"http://127.0.0.1:{port}", "--record", str(record), "--port", port])
        == 2
    )
    assert not record.exists()


def test_a_proxy_serves_https_before_https(tmp_path: Path) -> None:
    """`--tls` makes a certificate on the spot; that of the upstream is verified."""
    from trunkline.transport.tls import Authority  # noqa: PLC0415 - it takes its time

    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.certificate)
    app = asgi({"/v1": mock.from_vendor(VENDOR)})
    with running(app, tls=authority.issue("127.0.0.1")) as api:
        with proxying(f"{api}/v1", "--tls", environ={"SSL_CERT_FILE": str(ca)}) as (process, place):
            answer = requests.get(f"{place['url']}/trunks", headers=headers(), verify=place["ca"], timeout=10)
            assert (answer.status_code, answer.headers["x-trunkline-findings"]) == (200, "0")
            assert ended(process)[0] == 0
        with proxying(f"{api}/v1") as (process, place):
            answer = requests.get(f"{place['url']}/trunks", headers=headers(), timeout=10)
            assert answer.status_code == 502
            assert answer.json()["error"].endswith(
                "its certificate is not trusted; name the file of its CA in SSL_CERT_FILE"
            )
