"""`trunkline replay`: its lines, its exit codes, and what it never prints or sends."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import jsonschema_rs
import pytest

from tests.cli import test_baseline
from tests.cli.conftest import TOKEN
from tests.cli.test_baseline import SCHEMA
from tests.servers import target_server
from trunkline.check.replay import Replay, ReplayOutcome
from trunkline.check.replay.saved import SavedFinding
from trunkline.cli import run
from trunkline.exchange import Request, Response

pytestmark = pytest.mark.usefixtures("project")


def check(project: Path, app: str, *options: str) -> int:
    """Check one operation of an implementation, and write a report."""
    return test_baseline.check(project, app, "--report", "json=report.json", *options)


def replay(project: Path, app: str, *options: str) -> int:
    """Replay the report on an implementation."""
    return run(["replay", "report.json", "--app", f"{project.name}:{app}", *options])


def test_a_finding_is_said_to_be_there_or_gone(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1 as long as it is there. The credential is neither in the report nor in what is printed."""
    assert check(project, "worse", "--fail-fast") == 1
    document = json.loads((project / "report.json").read_text("utf-8"))
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(document)
    (request,) = document["findings"][0]["requests"]
    assert request["headers"] == [["authorization", "Bearer $TRUNKLINE_TOKEN"]]
    capfd.readouterr()
    assert replay(project, "worse") == 1
    out, err = capfd.readouterr()
    assert out.startswith(
        'STILL HAPPENS implied body_matches_schema listTrunks body/trunks/0/ai_provider: "***" is not'
    )
    assert out.endswith("\nreplayed      still happens: 2, no longer happens: 0, not replayed: 0; 2 requests\n")
    assert replay(project, "right") == 0
    more = capfd.readouterr()
    assert more.out.startswith("gone          implied body_matches_schema listTrunks")
    assert TOKEN not in out + err + more.out + more.err + (project / "report.json").read_text("utf-8")


def test_the_line_shows_what_is_seen_now(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If another value is wrong at the same place, the old one is not printed, and a credential never is."""
    assert check(project, "busy", "--fail-fast") == 1
    capfd.readouterr()
    assert replay(project, "worse") == 1
    out, _ = capfd.readouterr()
    assert out.startswith(
        'STILL HAPPENS implied body_matches_schema listTrunks body/trunks/0/ai_provider: "***" is not one of'
    )
    assert "busy" not in out + capfd.readouterr().err
    assert replay(project, "worse", "--format", "json") == 1
    out, _ = capfd.readouterr()
    (finding,) = json.loads(out)["findings"]
    assert '"busy" is not one of' in finding["message"]
    assert '"***" is not one of' in finding["now"]
    assert TOKEN not in out


def test_a_note_that_still_happens_is_no_failure(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is shown as one."""
    check(project, "busy", "--strictness", "documented")
    assert replay(project, "busy") == 0
    assert "\nSTILL HAPPENS note, implied body_matches_schema" in "\n" + capfd.readouterr().out


def test_a_report_without_findings_has_nothing_to_replay(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """That is no mistake."""
    assert check(project, "right") == 0
    capfd.readouterr()
    assert replay(project, "right") == 0
    assert "still happens: 0, no longer happens: 0, not replayed: 0; no requests" in capfd.readouterr().out


def test_if_nothing_could_be_replayed_the_code_is_2(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence has the first reason."""
    check(project, "busy")
    monkeypatch.setenv("TRUNKLINE_TOKEN", "tok_another_0123456789")
    capfd.readouterr()
    assert replay(project, "busy") == 2
    out, err = capfd.readouterr()
    assert out.startswith(
        "NOT REPLAYED  implied body_matches_schema listTrunks body/trunks/0/ai_provider: answered 401 "
    )
    assert err.endswith("trunkline: nothing could be replayed: answered 401 now, and 200 then: check the token\n")


def test_a_budget_ends_a_replay(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was not sent is not replayed."""
    check(project, "busy")
    document = json.loads((project / "report.json").read_text("utf-8"))
    document["findings"] *= 2
    (project / "report.json").write_text(json.dumps(document))
    capfd.readouterr()
    assert replay(project, "busy", "--max-requests", "1") == 1
    assert (
        "NOT REPLAYED  implied body_matches_schema listTrunks body/trunks/0/ai_provider: the budget of 1 request is "
        in (capfd.readouterr().out)
    )


@pytest.mark.parametrize(("fails", "code"), [(True, 2), (False, 0)])
def test_a_finding_that_is_not_replayed_may_still_happen(
    project: Path, capfd: pytest.CaptureFixture[str], *, fails: bool, code: int
) -> None:
    """If it failed the run, the code is not 0: a sentence says how many there are, and why. A note changes nothing."""
    check(project, "busy", "--fail-fast")
    document = json.loads((project / "report.json").read_text("utf-8"))
    document["findings"] = [document["findings"][0], {**document["findings"][0], "requests": [], "fails": fails}]
    (project / "report.json").write_text(json.dumps(document))
    capfd.readouterr()
    assert replay(project, "right") == code
    out, err = capfd.readouterr()
    assert "still happens: 0, no longer happens: 1, not replayed: 1; 1 request\n" in out
    sentence = "1 of 2 findings was not replayed, and may still happen: the report does not have its requests\n"
    assert err.endswith(sentence) is fails
    assert replay(project, "busy") == 1


def test_the_outcomes_can_be_json(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One document, without secrets, and the same exit code; docs/report.md lists its members."""
    assert check(project, "worse", "--fail-fast") == 1
    capfd.readouterr()
    assert replay(project, "worse", "--format", "json") == 1
    out, _ = capfd.readouterr()
    value = json.loads(out)
    assert value["counts"] == {"still happens": len(value["findings"]), "no longer happens": 0, "not replayed": 0}
    assert (value["vendor"], value["base"], value["complete"]) == ("telepath", "http://localhost/v1", True)
    assert value["findings"][0]["state"] == "still happens"
    assert value["findings"][0]["rule"] == "body_matches_schema"
    assert TOKEN not in out
    section = (Path(__file__).parents[2] / "docs/report.md").read_text("utf-8").partition("## Replay a report")[2]
    assert {name for name in (*value, *value["findings"][0]) if f"`{name}`" not in section} == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_replay_shows_what_it_has_found(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """By Ctrl-C or SIGTERM: the code is 130, and the document has the outcomes so far."""
    check(project, "busy", "--fail-fast")
    document = json.loads((project / "report.json").read_text("utf-8"))
    document["findings"] *= 2
    (project / "report.json").write_text(json.dumps(document))
    outcome, asked = Replay._outcome, list[object]()

    def stop(self: Replay, finding: SavedFinding) -> ReplayOutcome:
        asked.append(finding)
        if len(asked) > 1:
            signal.raise_signal(number)
        return outcome(self, finding)

    monkeypatch.setattr(Replay, "_outcome", stop)
    capfd.readouterr()
    assert replay(project, "busy", "--format", "json") == 130
    out, err = capfd.readouterr()
    assert (json.loads(out)["complete"], len(json.loads(out)["findings"])) == (False, 1)
    assert err == "trunkline: interrupted\n"
    assert replay(project, "busy") == 130
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_recorded_traffic_is_replayed_if_its_request_is_known(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A body alone has none; a HAR file has one, with a credential that the report does not show."""
    trunk = {"id": "a", "name": "b", "status": "busy"}
    text = json.dumps({"trunks": [trunk], "pagination": {"total": 1, "limit": 1, "offset": 0}})
    request = {
        "method": "GET",
        "url": "https://api.telepathvoice.com/v1/trunks?limit=1",
        "headers": [
            {"name": "Authorization", "value": "Bearer tok_recorded_987654321"},
            {"name": "Host", "value": "x"},
        ],
    }
    response = {"status": 200, "headers": [], "content": {"mimeType": "application/json", "text": text}}
    entry = {"startedDateTime": "2026-11-28T18:00:00Z", "request": request, "response": response}
    (project / "a.har").write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}))
    (project / "a.json").write_text(text)
    assert run(["validate", "telepath", "a.har", "--report", "json=report.json"]) == 1
    assert "tok_recorded" not in (project / "report.json").read_text("utf-8")
    capfd.readouterr()
    assert replay(project, "right") == 0
    assert "gone          implied body_matches_schema listTrunks body/trunks/0/status" in capfd.readouterr().out
    assert run(["validate", "telepath", "listTrunks", "a.json", "--report", "json=report.json"]) == 1
    assert replay(project, "right") == 2
    assert "the report does not have its requests" in capfd.readouterr().out


@pytest.mark.parametrize(
    "edit",
    [
        {"path": "/trunks\r\nx-injected: 1"},
        {"path": "http://elsewhere.invalid/trunks"},
        {"path": "@elsewhere.invalid/trunks"},
        {"query": "a=1 HTTP/1.1\r\nx-injected: 1"},
        {"method": "GET /admin HTTP/1.1\r\nx:"},
        {"headers": [["authorization", "Bearer $TRUNKLINE_TOKEN"], ["x-a", "1\r\nx-injected: 1"]]},
        {"headers": [["authorization", "Bearer $TRUNKLINE_TOKEN"], ["host", "elsewhere.invalid"]]},
    ],
)
def test_a_report_chooses_neither_the_host_nor_more_headers(
    project: Path, edit: dict[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever it holds, requests go to the address that the user gave, below its path, or are not sent."""
    check(project, "busy")
    document = json.loads((project / "report.json").read_text("utf-8"))
    document["findings"][0]["requests"][0].update(edit)
    document["base"] = "http://elsewhere.invalid/v1"
    (project / "report.json").write_text(json.dumps(document))
    asked: list[Request] = []

    def target(request: Request) -> Response:
        asked.append(request)
        return Response(200, (("content-type", "application/json"),), b"{}")

    with target_server(target, "/v1") as url:
        code = run(["replay", "report.json", "--url", url])
    assert code in (0, 1, 2)
    assert "Traceback" not in capfd.readouterr().err
    for request in asked:
        assert request.header("x-injected") is None
        assert request.header("host") in (None, url.removeprefix("http://").removesuffix("/v1"))
        assert request.method == "GET"


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ("", "the report names no address; give that of the implementation with --url, or --app"),
        ("http://localhost/v1", "the report is about an application in this process; give it with --app, as module:"),
        ("http://127.0.0.1:8900/v1", "the report is about the mock; run `trunkline serve`, and give --url http://127"),
        ("https://a.example/v1", "the report is about https://a.example/v1; if that may get your credential, give --u"),
        ("https://a.example/;ls\x1b[2J", "the report is about 'https://a.example/;ls\\x1b[2J'; if that"),
        ("https://a.example/" + 999 * "a b ", "the report is about 'https://a.example/a b a"),
    ],
)
def test_a_replay_needs_an_implementation(
    project: Path, base: str, sentence: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says what to give. Nothing is sent to the address of the report, which its writer chose."""
    report = {"format": 1, "vendor": "telepath", "base": base, "findings": []}
    (project / "report.json").write_text(json.dumps(report))
    monkeypatch.setattr("trunkline.cli.replay.connect", None)
    assert run(["replay", "report.json"]) == 2
    err = capfd.readouterr().err
    assert err.startswith(f"trunkline: {sentence}")
    assert len(err) < 500


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "report.json is not JSON; write a report to replay with --report json=FILE"),
        ('{"format": 1, "vendor": "acme", "findings": []}', "'acme' is not a vendor; there are: "),
    ],
)
def test_a_file_that_is_no_report_is_a_mistake(
    project: Path, text: str, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """One sentence says so, and so for a file that is not there."""
    (project / "report.json").write_text(text)
    assert replay(project, "right") == 2
    assert capfd.readouterr().err.startswith(f"trunkline: {sentence}")
    assert run(["replay", "nothing.json"]) == 2
    assert capfd.readouterr().err == "trunkline: 'nothing.json' cannot be read: there is no such file\n"
