"""Checks over HTTP of an independent implementation with one operation."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import trunkline
from tests.servers import TOKEN, TRUNK_ID, Behavior, independent, scripted
from trunkline import cli, mock
from trunkline.check.laws import LAWS
from trunkline.check.runner import Checker
from trunkline.check.safety import WriteAccess
from trunkline.check.safety.ledger import Ledger
from trunkline.exchange import Request
from trunkline.findings import Report
from trunkline.transport import targets


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credential is in the environment."""
    monkeypatch.setenv("TRUNKLINE_TOKEN", TOKEN)


SERVED = {"telepath": "listTrunks", "talkover": "getSipTrunk"}
"""The operation of each vendor that the implementation has."""

LAWFUL = {
    "HTTP/1.0, closed by the server": Behavior(),
    "HTTP/1.1": Behavior(protocol="HTTP/1.1"),
    "gzip": Behavior(protocol="HTTP/1.1", coding="gzip"),
    "chunked": Behavior(protocol="HTTP/1.1", coding="chunked"),
    "no trunks": Behavior(trunks=0),
    "one trunk": Behavior(trunks=1),
    "thousands": Behavior(protocol="HTTP/1.1", trunks=2345),
}


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = cli.run(arguments)
    out, err = capfd.readouterr()
    return code, out, err


def report_of(
    base: str, vendor: str, parameters: Mapping[str, str] | None = None, *, generated: bool = False
) -> Report:
    """The report of all laws, and of Schemathesis on request, about the served implementation."""
    loaded = trunkline.load(vendor)
    target = targets.http(base + loaded.contract.base_path)
    checker = Checker(loaded, target, Report(), credential=TOKEN, parameters=parameters or {}, seed=1, examples=10)
    operation = loaded.contract.operation(SERVED[vendor])
    for law in LAWS:
        if law.concerns(operation):
            checker.check_law(operation, law)
    if generated:
        checker.fuzz([operation])
    return checker.report


@pytest.mark.slow_for("thousands", "gzip", "chunked", "HTTP/1.0")
@pytest.mark.parametrize("name", LAWFUL)
def test_a_lawful_list_has_no_failing_finding(name: str) -> None:
    """No transport, key order, extra property or number of trunks makes a correct implementation fail."""
    with independent(LAWFUL[name]) as base:
        report = report_of(base, "telepath", generated=name == "HTTP/1.1")
    assert report.failures() == ()
    assert report.requests > 50


@pytest.mark.parametrize("name", ["HTTP/1.0, closed by the server", "HTTP/1.1", "gzip", "chunked"])
def test_a_lawful_trunk_has_no_failing_finding(name: str) -> None:
    """Another form of ids or of errors, and a status that is not documented exactly, are allowed."""
    with independent(LAWFUL[name]) as base:
        report = report_of(base, "talkover", {"trunk_id": TRUNK_ID}, generated=name == "HTTP/1.1")
    assert report.failures() == ()
    assert report.requests > 50


def test_laws_of_pages_are_not_exercised_on_an_empty_account() -> None:
    """Laws that need a second page are listed as not exercised, with the reason."""
    with independent(Behavior(trunks=0)) as base:
        report = report_of(base, "telepath")
    silent = {law: reason for (_, law), reason in report.exercised.items() if reason}
    assert {"pages_do_not_overlap", "pages_leave_no_gap", "any_page_is_its_slice", "filter_comes_before_paging"} <= set(
        silent
    )
    assert "0 items" in silent["pages_do_not_overlap"]


def dated_notes(out: str) -> list[tuple[str, str]]:
    """The operation and the grade of each finding about `Date` in a JSON report."""
    return [(row["operation"], row["grade"]) for row in json.loads(out)["findings"] if row["at"] == "header/date"]


@pytest.mark.slow_for("True")
@pytest.mark.parametrize("clock", [True, False])
def test_a_server_without_a_date_has_a_note(capfd: pytest.CaptureFixture[str], clock: bool) -> None:
    """A check and a live validation note it, whatever the status, and do not fail."""
    arguments = ("--operation", "listTrunks", "--examples", "1", "--format", "json")
    with independent(Behavior(protocol="HTTP/1.1", clock=clock)) as base:
        code, out, _ = run(capfd, "check", "telepath", "--url", base + "/v1", *arguments)
        live = ("validate", "telepath", "listTrunks", "--live", "--url", base + "/v1", "--format", "json")
        live_code, live_out, _ = run(capfd, *live)
    notes = [] if clock else [("listTrunks", "customary")]
    assert (code, dated_notes(out)) == (0, notes)
    assert (live_code, dated_notes(live_out)) == (0, notes)
    assert {row["check"] for row in json.loads(live_out)["exercised"]} >= {"headers_follow_http"}


def test_a_429_is_waited_out(capfd: pytest.CaptureFixture[str]) -> None:
    """A 429 is waited out as its header says, and is not held against the implementation."""
    behavior = Behavior(busy=2)
    with independent(behavior) as base:
        begin = time.monotonic()
        arguments = ("--url", base + "/v1", "--operation", "listTrunks", "--max-requests", "40")
        code, *_ = run(capfd, "check", "telepath", *arguments)
    assert code == 2, "the budget is spent"
    assert time.monotonic() - begin >= 2


def test_a_redirect_is_not_followed(capfd: pytest.CaptureFixture[str]) -> None:
    """A redirect to another host ends the run with one sentence, and the other host gets no request."""
    elsewhere = Behavior()
    with independent(elsewhere) as other, independent(Behavior(redirect=f"{other}/v1/trunks")) as base:
        code, _, err = run(capfd, "check", "telepath", "--url", base + "/v1")
    assert code == 2
    assert "redirect" in err
    assert elsewhere.received == []


def test_a_wrong_credential_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    """When the plain request is refused with 401 nothing can be judged: one sentence, exit code 2, no secret."""
    with independent(Behavior()) as base:
        code, out, err = run(capfd, "check", "telepath", "--url", base + "/v1", "--token", "sk_live_not_this_one")
    assert code == 2
    assert "refuses the credential" in err
    assert "sk_live_not_this_one" not in out + err


@pytest.mark.slow
def test_a_run_is_reproducible_and_only_reads(capfd: pytest.CaptureFixture[str]) -> None:
    """Two runs with one seed send the same requests in the same order, and none that could change anything."""
    asked, reports = [], []
    for _ in range(2):
        behavior = Behavior(protocol="HTTP/1.1")
        with independent(behavior) as base:
            arguments = (
                "check",
                "telepath",
                "--url",
                base + "/v1",
                "--operation",
                "listTrunks",
                "--seed",
                "1",
                "--examples",
                "5",
                "--format",
                "json",
            )
            code, out, _ = run(capfd, *arguments)
        assert code == 0
        asked.append(behavior.received)
        reports.append(json.loads(out))
    assert asked[0] == asked[1]
    assert {method for method, _, _ in asked[0]} <= {"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"}
    schema = json.loads((Path(trunkline.__file__).parent / "report/report.schema.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(reports[0])


def test_steps_beyond_the_budget_are_not_exercised(capfd: pytest.CaptureFixture[str]) -> None:
    """With --max-requests, later steps are listed as not exercised, and no further request is sent."""
    behavior = Behavior()
    with independent(behavior) as base:
        arguments = ("--url", base + "/v1", "--operation", "listTrunks", "--max-requests", "30", "--format", "json")
        code, out, err = run(capfd, "check", "telepath", *arguments)
    assert len(behavior.received) == 30
    assert (code, json.loads(out)["verdict"], json.loads(out)["complete"]) == (2, "not exercised", False)
    assert "the budget of 30 requests is spent" in err
    left = {row["check"]: row["reason"] for row in json.loads(out)["not_exercised"]}
    assert "30" in left["schemathesis"]


@pytest.mark.slow
def test_a_partial_implementation_is_judged(capfd: pytest.CaptureFixture[str]) -> None:
    """Missing operations are named, and the code is 0 if the rest holds; 1 with --complete, 2 if it was named."""
    check = ("check", "telepath", "--examples", "1", "--format", "json", "--url")
    with independent(Behavior(protocol="HTTP/1.1")) as base:
        code, out, _ = run(capfd, *check, base + "/v1")
        report = json.loads(out)
        assert (code, report["verdict"]) == (0, "kept")
        assert [row["operation"] for row in report["not_implemented"]] == ["getCall", "listCalls"]
        assert report["not_implemented"][1]["reason"] == "404 for GET /calls"
        assert not [row for row in report["not_reached"] if row["operation"] == "listCalls"]
        code, out, _ = run(capfd, *check, base + "/v1", "--complete")
        findings = [finding for finding in json.loads(out)["findings"] if finding["fails"]]
        found = {(finding["rule"], finding["operation"], finding["grade"]) for finding in findings}
        assert (code, len(found)) == (1, 2)
        assert ("operation_is_implemented", "listCalls", "documented") in found
        named = ("--operation", "listTrunks", "--operation", "listCalls")
        code, _, err = run(capfd, *check, base + "/v1", *named)
        assert code == 2
        assert "no success of listCalls was seen, so little can be judged: it is not implemented" in err


def test_a_base_that_answers_nothing_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    """When every list answers 404 the address is doubted: one sentence, exit code 2, and what to do."""
    behavior = Behavior()
    with independent(behavior) as base:
        code, _, err = run(capfd, "check", "telepath", "--url", base + "/v2")
        assert code == 2
        assert "listTrunks answers 404 for /trunks: give the base address that corresponds to the vendor's own" in err
        code, _, err = run(capfd, "validate", "telepath", "listTrunks", "--live", "--url", base + "/v2")
        assert code == 2
        assert "listTrunks answers 404 for /trunks: give the base address that corresponds to the vendor's own" in err
    assert {method for method, _, _ in behavior.received} == {"GET"}


@pytest.mark.slow
def test_a_server_that_closes_idle_connections_has_no_finding() -> None:
    """A check that writes survives a server that closes a connection just as its third request comes."""
    vendor = trunkline.load("talkover")
    fake = mock.from_vendor(vendor)

    def script(connection: socket.socket) -> None:
        for _ in range(2):
            head, _, body = server.receive(connection).partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            if not first:
                return
            method, target, _ = first.split(" ")
            path, _, query = target.removeprefix(vendor.contract.base_path).partition("?")
            fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
            response = fake(Request(method, path, query, fields, body))
            kept = [f"{name}: {value}" for name, value in response.headers if name != "content-length"]
            start = "\r\n".join([f"HTTP/1.1 {response.status} X", *kept, f"content-length: {len(response.body)}"])
            connection.sendall(start.encode("latin-1") + b"\r\n\r\n" + response.body)
        server.receive(connection)

    with scripted(script) as server:
        target = targets.http(f"http://127.0.0.1:{server.port}{vendor.contract.base_path}")
        writing = WriteAccess(Ledger(), target)
        report = Checker(vendor, target, credential=vendor.world.token, seed=1, examples=2, writing=writing).run()
    assert report.failures() == ()
    assert report.leftovers == []
    assert report.exercised["createSipTrunk", "created_is_read_back"] == ""
