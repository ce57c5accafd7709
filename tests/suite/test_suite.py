"""`trunkline.suite`: one test for each rule and law of each operation, no traceback, no credential."""

from __future__ import annotations

import json
import os
import sys
from typing import Protocol

import pytest

import trunkline
from tests.servers import TOKEN as SERVED_TOKEN
from tests.servers import Behavior, independent

pytest_plugins = "pytester"

TOKEN = "tok_hush_0123456789"

APP = """
import json
import os
import signal
from dataclasses import replace
import trunkline
from trunkline import mock
from trunkline.transport import asgi
from trunkline.mock.recording import override
vendor = override(trunkline.load("telepath"), tokens=["tok_hush_" + "0123456789"])
good = mock.from_vendor(vendor)
def bad(request):
    response = good(request)
    return replace(response, body=b"{}") if response.status == 200 else response
def still(request):
    if request.method != "PATCH":
        return good(request)
    response = good(replace(request, method="GET", path="/trunks", body=b""))
    if response.status != 200:
        return response
    item = json.loads(response.body)["trunks"][0]
    unchanged = {key: item[key] for key in ("id", "name", "status", "updated_at")}
    return replace(response, body=json.dumps(unchanged).encode())
def echoing(request):
    response = good(request)
    if request.path != "/trunks" or response.status != 200 or "limit" not in request.query:
        return response
    page = json.loads(response.body)
    page["pagination"]["limit"] = min(page["pagination"]["limit"] + 1, 100)
    return replace(response, body=json.dumps(page).encode())
def some(request):
    return good(request) if request.path == "/trunks" else replace(good(request), status=404, body=b"{}")
app, broken = asgi.application(good, base="/v1"), asgi.application(bad, base="/v1")
echo, partial = asgi.application(echoing, base="/v1"), asgi.application(some, base="/v1")
careless = asgi.application(still, base="/v1")
def silent(request):
    response = good(request)
    headers = tuple(pair for pair in response.headers if not pair[0].startswith("x-ratelimit"))
    return replace(response, headers=headers)
def killed(request):
    if request.method == "PATCH":
        os.kill(os.getpid(), signal.SIGTERM)
    return good(request)
def nested(request):
    response = good(request)
    return replace(response, body=b"[" * 150 + b"]" * 150) if response.status == 200 else response
deep = asgi.application(nested, base="/v1")
unlimited, stopping = asgi.application(silent, base="/v1"), asgi.application(killed, base="/v1")
"""


class Run(Protocol):
    """Run the suite."""

    def __call__(self, *options: str, app: str = "app", plugin: str = "") -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the suite in a process of its own, against an application there; `plugin` is code that pytest loads first."""
    for name in ("PYTEST_ADDOPTS", "TRUNKLINE_TOKEN", "TRUNKLINE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(pytester.path), *sys.path])))

    def run(*options: str, app: str = "app", plugin: str = "") -> pytest.RunResult:
        pytester.makepyfile(implementation=APP, early=plugin)
        in_process = [f"--trunkline-app=implementation:{app}"] if app else []
        return pytester.runpytest_subprocess(
            *("-p", "trunkline.plugin", "-p", "early", "-p", "no:cacheprovider", "-rs", "--showlocals"),
            *("--pyargs", "trunkline.suite", "--trunkline-vendor=telepath", *in_process),
            *(f"--trunkline-token={TOKEN}", "--trunkline-examples=1", *options),
        )

    return run


def shown(result: pytest.RunResult) -> str:
    """Everything that was printed; the credential is not in it."""
    text = result.stdout.str() + result.stderr.str()
    assert TOKEN not in text
    return text


def test_a_good_implementation_passes(run: Run) -> None:
    """Each rule and law is a test, and none is skipped, but the one that needs another account."""
    result = run("-k", "not schemathesis and not stateful_law and not accounts_are_apart")
    outcomes = result.parseoutcomes()
    assert (result.ret, outcomes.get("failed", 0), outcomes.get("skipped", 0)) == (0, 0, 0)
    assert outcomes["passed"] > 20


@pytest.mark.slow
def test_a_failure_shows_the_finding_as_a_report_does(run: Run) -> None:
    """It has the evidence and a curl command, and neither a traceback nor the credential."""
    result = run("-k", "rule and body_matches_schema and listTrunks", app="broken")
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])
    text = shown(result)
    assert "FINDING documented body_matches_schema" in text
    assert "$TRUNKLINE_TOKEN" in text
    assert "test_contract.py:" not in text


@pytest.mark.slow_for("True")
@pytest.mark.parametrize("clock", [True, False])
def test_a_server_without_a_date_is_noted(run: Run, clock: bool) -> None:
    """The test of the rule shows the note where customary findings fail; an application in process has none."""
    with independent(Behavior(clock=clock)) as base:
        served = (f"--trunkline-url={base}/v1", f"--trunkline-token={SERVED_TOKEN}")
        chosen = ("-k", "headers_follow_http and listTrunks", "--trunkline-strictness=customary")
        result = run(*chosen, *served, app="")
    assert ("a response with status 200 has no Date" in shown(result)) is not clock


BUG = """
from trunkline.check import runner
def fail(self, *_):
    secret = self.credential
    raise ZeroDivisionError(secret)
runner.Checker.{method} = fail
"""


@pytest.mark.slow_for("check_law", "fuzz")
@pytest.mark.parametrize("method", ["check_law", "survey", "fuzz"])
def test_a_bug_shows_no_credential(run: Run, method: str) -> None:
    """A traceback with `--showlocals` would show it; the test fails with the name of the exception only."""
    result = run("-k", "listTrunks and not stateful_law", plugin=BUG.format(method=method))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = shown(result)
    assert "ZeroDivisionError was not expected; this is a bug in trunkline; TRUNKLINE_DEBUG=1 shows it" in text
    assert "Traceback" not in text
    assert "test_contract.py:" not in text


@pytest.mark.slow
def test_a_bug_is_shown_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TRUNKLINE_DEBUG, pytest shows the traceback."""
    monkeypatch.setenv("TRUNKLINE_DEBUG", "1")
    result = run("-k", "same_request", "--no-showlocals", plugin=BUG.format(method="check_law").replace("(secret)", ""))
    result.stdout.fnmatch_lines(["*raise ZeroDivisionError*"])


@pytest.mark.slow
def test_a_bug_while_connecting_shows_no_locals(run: Run) -> None:
    """An error at setup is one sentence too."""
    plugin = (
        "from trunkline.transport import targets\ndef wrap(*a, **k): raise ZeroDivisionError\ntargets.wrap = wrap\n"
    )
    result = run("-k", "same_request and listTrunks", plugin=plugin)
    result.assert_outcomes(errors=1, deselected=result.parseoutcomes()["deselected"])
    assert "ZeroDivisionError was not expected" in shown(result)


@pytest.mark.slow
def test_an_implementation_that_cannot_be_asked_ends_the_run(run: Run) -> None:
    """The code is 2, with one redacted sentence, also from a worker of pytest-xdist."""
    plugin = BUG.format(method="survey").replace(
        "ZeroDivisionError(", "__import__('trunkline').TargetError('--url ' + "
    )
    for workers in ([], ["-p", "xdist", "-n", "2"]):
        result = run(*workers, plugin=plugin)
        assert result.ret == 2
        assert set(result.parseoutcomes()) == {"skipped"}
        assert "Interrupted: trunkline: --trunkline-url ***" in shown(result)


@pytest.mark.parametrize("workers", [["-n", "2"], ["-d", "--tx", "3*popen"]])
def test_one_worker_writes(run: Run, workers: list[str]) -> None:
    """Several workers would use one ledger, so the run ends before it sends anything."""
    live = ["--trunkline-app=", "--trunkline-url=http://127.0.0.1:9/v1", "--trunkline-allow-writes"]
    result = run("-p", "xdist", *workers, *live)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().splitlines()[0] == (
        "ERROR: several workers would write past each other; write with one of them, -n 0 or -n 1"
    )


@pytest.mark.slow
def test_an_exhausted_budget_skips_the_other_tests(run: Run) -> None:
    """They have the reason, and earlier findings are still shown."""
    result = run("--trunkline-max-requests=12")
    outcomes = result.parseoutcomes()
    assert (result.ret, outcomes.get("failed", 0), outcomes.get("errors", 0)) == (2, 0, 0)
    assert outcomes["passed"] > 5
    assert outcomes["skipped"] > 5
    assert "not exercised: the budget of 12 requests is spent" in shown(result)
    assert "TOO LITTLE JUDGED the budget of 12 requests is spent" in shown(result)
    result = run("--trunkline-max-requests=1", "-k", "law or schemathesis", app="broken")
    assert result.parseoutcomes()["failed"] >= 1
    assert "FINDING" in shown(result)


@pytest.mark.slow
def test_a_wrong_contract_is_one_sentence(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor of one's own that cannot be read ends the collection without a traceback."""
    (pytester.path / "data" / "schemas" / "mine").mkdir(parents=True)
    monkeypatch.setenv("TRUNKLINE_DATA", str(pytester.path / "data"))
    result = run("--trunkline-vendor=mine", "--trunkline-app=")
    text = shown(result)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "\ntrunkline: schemas/mine/openapi.json: the file is missing\n" in text
    assert ".py:" not in text.replace("test_contract.py: ", "")


def test_the_last_lines_name_the_target_and_the_seed(run: Run) -> None:
    """A run against the built-in mock is not mistaken for a verdict on an implementation."""
    result = run("--collect-only", "-q")
    assert "trunkline judged nothing of telepath at implementation:app, seed 0" in shown(result)


@pytest.mark.slow_for("two workers")
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "two workers"])
def test_one_cause_fails_one_test(run: Run, workers: list[str]) -> None:
    """Other tests that meet it are skipped, and name its rule. Each worker of pytest-xdist reports it once."""
    result = run(*workers, "-k", "law and listTrunks and not stateful", app="echo")
    assert result.parseoutcomes()["failed"] == 1 or workers
    assert result.parseoutcomes()["failed"] <= 2
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = shown(result)
    assert "not judged: `pagination_echoes_request` fails" in text
    assert text.count("FINDING implied pagination_echoes_request") == result.parseoutcomes()["failed"]


@pytest.mark.slow
def test_a_rule_that_every_response_breaks_fails_its_own_test(run: Run) -> None:
    """The other rules are judged; the laws are not, and name the rule."""
    result = run("-k", "(rule or law) and listTrunks and not stateful", app="unlimited")
    assert result.parseoutcomes()["failed"] == 1
    assert shown(result).count("FINDING documented rate_limit_is_reported") == 1
    assert "not judged: `rate_limit_is_reported` fails" in shown(result)


@pytest.mark.slow
def test_sigterm_ends_a_run_as_ctrl_c_does(run: Run, pytester: pytest.Pytester) -> None:
    """The summary and the report name what was created and cannot be deleted, and the code is 2."""
    writing = ("--trunkline-allow-writes", "--trunkline-leave=50", "--trunkline-report=json=report.json")
    result = run("-k", "stateful_law", *writing, app="stopping")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "LEFT BEHIND trunks conn_" in shown(result)
    value = json.loads((pytester.path / "report.json").read_text("utf-8"))
    assert (value["complete"], value["verdict"]) == (False, "not exercised")
    assert value["left_behind"][0].startswith("trunks conn_")


@pytest.mark.slow
def test_a_test_that_is_repeated_fails_again(run: Run) -> None:
    """It is not skipped because of its own finding, whatever plugin repeats it."""
    again = """
import pytest
from _pytest.runner import runtestprotocol
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for _ in range(2):
        reports = runtestprotocol(item, nextitem=nextitem if _ else item, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
    result = run("-k", "bounds_hold_on_both_sides and listTrunks", app="echo", plugin=again)
    assert result.parseoutcomes()["failed"] == 1


@pytest.mark.slow
def test_a_partial_implementation_is_judged(run: Run) -> None:
    """Missing operations are skipped and named; with `--trunkline-complete` each is a failure; a required one is 2."""
    few = ("-k", "documented_request or rule")
    result = run(*few, app="partial")
    outcomes = result.parseoutcomes()
    assert (result.ret, outcomes.get("failed", 0), outcomes["passed"] > 10) == (0, 0, True)
    assert "\nNOT IMPLEMENTED getCall, listCalls\n" in shown(result)
    assert "not implemented: 404 for GET /calls" in shown(result)
    result = run(*few, "--trunkline-complete", app="partial")
    assert (result.ret, result.parseoutcomes()["failed"]) == (1, 2)
    assert "FINDING documented operation_is_implemented" in shown(result)
    result = run(*few, "--trunkline-operation=listTrunks", app="partial")
    assert (result.ret, result.parseoutcomes().get("skipped", 0), "NOT IMPL" in shown(result)) == (0, 0, False)
    result = run(*few, "--trunkline-operation=listTrunks", "--trunkline-operation=listCalls", app="partial")
    assert result.ret == 2
    assert "TOO LITTLE JUDGED listCalls is not implemented: 404 for GET /calls" in shown(result)
    result = run("-p", "xdist", "-n", "3", "-k", "documented_request", app="partial")
    assert (result.ret, "TOO LITTLE" in shown(result)) == (0, False), "a worker that only skips decides nothing"
    result = run("-p", "xdist", "-n", "2", *few, "--trunkline-require=listTrunks,getCall", app="partial")
    assert result.ret == 2
    assert "TOO LITTLE JUDGED --trunkline-require is not met: getCall: not implemented" in shown(result)


@pytest.mark.slow
def test_an_operation_without_a_known_id_is_skipped(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty account is lawful: a line says what could not be asked; by its name, an operation must be judged."""
    monkeypatch.delenv("TRUNKLINE_TOKEN", raising=False)
    pytester.makepyfile(
        implementation="import trunkline; from trunkline import mock; from trunkline.transport import asgi\n"
        "vendor = trunkline.load('talkover', trunks=0)\n"
        "app, token = asgi.application(mock.from_vendor(vendor), base='/api/v1'), vendor.world.token"
    )
    token = trunkline.load("talkover").world.token
    suite = ("-p", "no:cacheprovider", "--pyargs", "trunkline.suite", "-k", "documented_request and not Health")
    target = ("--trunkline-vendor=talkover", "--trunkline-app=implementation:app", f"--trunkline-token={token}")
    result = pytester.runpytest_subprocess(*suite, *target)
    assert (result.ret, result.parseoutcomes().get("failed", 0)) == (0, 0)
    result.stdout.fnmatch_lines(["NOT EXERCISED getSipTrunk: the account has no trunks"])
    result = pytester.runpytest_subprocess(*suite, *target, "--trunkline-operation=getSipTrunk")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["TOO LITTLE JUDGED no success of getSipTrunk was seen: the account has no trunks"])


@pytest.mark.slow
def test_a_success_beyond_our_limits_is_not_judged(run: Run) -> None:
    """Rules about its body are skipped and do not pass; others are judged. The run does not end with 0."""
    result = run("-k", "listTrunks and (documented_request or body_is_json or documented_status)", app="deep")
    counts = result.parseoutcomes()
    assert (result.ret, counts["passed"], counts["skipped"]) == (2, 1, 2)
    why = "each has a body beyond the limits of trunkline"
    assert f"TOO LITTLE JUDGED no success of listTrunks could be judged: {why}" in shown(result)


@pytest.mark.slow
def test_what_an_empty_account_lacks_is_named_once(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that turns out to be missing when items are created is not listed as not exercised too."""
    monkeypatch.delenv("TRUNKLINE_TOKEN", raising=False)
    pytester.makepyfile(
        implementation="import trunkline; from trunkline import asgi, mock; from trunkline.exchange import Response\n"
        "vendor = trunkline.load('talkover', trunks=0)\n"
        "good = mock.from_vendor(vendor)\n"
        "def lists(request): return good(request) if request.path == '/sip-trunks' else Response(404)\n"
        "app = asgi.application(lists, base='/api/v1')"
    )
    token = trunkline.load("talkover").world.token
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--pyargs", "trunkline.suite", "-k", "documented_request or found"),
        *("--trunkline-vendor=talkover", "--trunkline-app=implementation:app", f"--trunkline-token={token}"),
        *("--trunkline-allow-writes", "--trunkline-leave=50", "--trunkline-examples=1"),
    )
    assert (result.ret, result.parseoutcomes().get("failed", 0)) == (0, 0)
    result.stdout.fnmatch_lines(["NOT IMPLEMENTED *getSipTrunk, getSipTrunkHealth, listSipTrunkDids*"])
    assert "NOT EXERCISED getSipTrunk" not in result.stdout.str()


@pytest.mark.slow
def test_stateful_laws_are_checked_only_when_writing_is_allowed(run: Run) -> None:
    """Each is skipped with the option that allows it; with `--trunkline-allow-writes` it is exercised."""
    result = run("-k", "stateful_law")
    assert set(result.parseoutcomes()) <= {"skipped", "deselected"}
    assert "it writes, which was not allowed; allow it with --trunkline-allow-writes" in shown(result)
    result = run("-k", "stateful_law", "--trunkline-allow-writes", "--trunkline-leave=50", "--trunkline-examples=20")
    outcomes = result.parseoutcomes()
    assert (result.ret, outcomes.get("failed", 0)) == (0, 0)
    assert outcomes["passed"] > 10
    assert "LEFT BEHIND trunks conn_" in shown(result)


@pytest.mark.slow
def test_operations_that_read_can_be_required_without_writes(run: Run) -> None:
    """As with `trunkline check --require`: a law that reads judges what a stateful law would, if it can."""
    apart = ("-k", "accounts_are_apart", "--trunkline-require=listTrunks")
    result = run(*apart, f"--trunkline-token={trunkline.load('telepath').world.token}", app="")
    assert (result.ret, "TOO LITTLE" in shown(result)) == (0, False)
    result = run(*apart)
    assert result.ret == 2
    line = "is not met: accounts_are_apart of listTrunks: the credential of another account is not known; give it with"
    assert f"TOO LITTLE JUDGED --trunkline-require {line} --trunkline-second-token" in shown(result)


@pytest.mark.slow
def test_a_worker_reports_what_was_left(run: Run) -> None:
    """Under pytest-xdist too."""
    result = run(
        *("-p", "xdist", "-n", "1", "-k", "stateful_law"), *("--trunkline-allow-writes", "--trunkline-leave=3")
    )
    assert result.ret == 0
    assert shown(result).count("LEFT BEHIND trunks conn_") >= 2


@pytest.mark.slow
def test_a_broken_stateful_law_fails_with_a_script(run: Run) -> None:
    """An update that changes nothing breaks the laws about updates; the script prints no secret."""
    result = run("-k", "stateful_law", "--trunkline-allow-writes", "--trunkline-leave=50", app="careless")
    text = shown(result)
    assert result.parseoutcomes()["failed"] >= 1
    assert "to be pasted into a shell" in text
    assert "$SECRET_1" in text


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["50", "1"])
def test_schemathesis_writes_if_that_is_allowed(run: Run, leave: str) -> None:
    """A good implementation passes, even where there is no plain request to compare with, or few items may be left."""
    result = run("-k", "schemathesis", "--trunkline-allow-writes", f"--trunkline-leave={leave}")
    outcomes = result.parseoutcomes()
    assert (result.ret, outcomes.get("failed", 0), outcomes["passed"]) == (0, 0, 5)


@pytest.mark.slow_for("two workers")
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "two workers"])
def test_the_suite_writes_one_report(run: Run, pytester: pytest.Pytester, workers: list[str]) -> None:
    """It has what the tests of all workers found, and what they did not exercise, without the credential."""
    few = ("-k", "listTrunks and (rule or pages_leave_no_gap or filter_comes_before_paging)")
    reports = ("--trunkline-report=json=report.json", "--trunkline-report=html=report.html")
    result = run(*workers, *few, *reports, app="broken")
    assert result.ret == 1
    assert "trunkline wrote its report to " in shown(result)
    text = (pytester.path / "report.json").read_text("utf-8")
    page = (pytester.path / "report.html").read_text("utf-8")
    assert "not met: </span>429</span>" in page
    assert TOKEN not in text + page
    value = json.loads(text)
    assert value["verdict"] == "broken"
    assert [found["rule"] for found in value["findings"] if found["operation"] == "listTrunks"] == [
        "body_matches_schema"
    ]
    assert value["findings"][0]["requests"][0]["headers"] == [["authorization", "Bearer $TRUNKLINE_TOKEN"]]
    exercised = {(each["operation"], each["check"]) for each in value["exercised"]}
    reasons = {(each["operation"], each["check"]): each["reason"] for each in value["not_exercised"]}
    assert exercised | {*reasons} >= {
        ("listTrunks", "pages_leave_no_gap"),
        ("listTrunks", "filter_comes_before_paging"),
    }
    assert reasons["listTrunks", "schemathesis"] == "not reached"
    assert reasons["createTrunk", "schemathesis"].startswith("it writes, which was not allowed")


@pytest.mark.slow_for("two workers")
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "two workers"])
def test_a_known_finding_is_an_expected_failure(run: Run, pytester: pytest.Pytester, workers: list[str]) -> None:
    """It fails no test, is shown with its reason, and hides no other; an entry that is not needed is stale."""
    entry = """
    [[known]]
    rule = "{}"
    operation = "listTrunks"
    at = "header"
    contract = "schemas/telepath/openapi.json#/x-trunkline/rate_limit"
    seen = "absent"
    reason = "ticket 4711"
    expires = 2999-01-01
    """
    names = ("rate_limit_is_reported", "no_server_error")
    (pytester.path / "known.toml").write_text("".join(map(entry.format, names)))
    few = ("-k", "listTrunks", "-rx", "--trunkline-baseline=known.toml", *workers)
    result = run(*few, app="unlimited")
    outcomes, text = result.parseoutcomes(), shown(result)
    assert (result.ret, outcomes["xfailed"], outcomes.get("failed", 0)) == (0, 1, 0), text
    assert "rate_limit_is_reported is known until 2999-01-01: ticket 4711" in text
    assert "known.toml:11: no_server_error of listTrunks was not found; remove the entry" in text
    assert "trunkline wrote its report" not in text
    (pytester.path / "known.toml").write_text(entry.format("rate_limit_is_reported").replace("2999", "2020"))
    result = run("-k", "listTrunks and rate_limit", "--trunkline-baseline=known.toml", app="unlimited")
    assert result.ret == 1
    assert "known    expired on 2020-01-01: ticket 4711" in shown(result)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "two workers"])
def test_the_suite_writes_a_baseline(run: Run, pytester: pytest.Pytester, workers: list[str]) -> None:
    """From what all workers found; the next run needs a reason, and then finds nothing that fails."""
    path = pytester.path / "known.toml"
    few = ("-k", "listTrunks and (rate_limit or server_error)", "--trunkline-baseline=known.toml", *workers)
    result = run(*few, app="unlimited")
    assert "--trunkline-update-baseline writes it" in shown(result)
    result = run(*few, "--trunkline-update-baseline", app="unlimited")
    assert result.ret == 1
    assert "new entries, which need a reason; none removed, none kept" in shown(result)
    text = path.read_text("utf-8")
    assert 'rule = "rate_limit_is_reported"\noperation = "listTrunks"' in text
    path.write_text(text.replace("TODO: ", "ticket 4711, "))
    assert run(*few, app="unlimited").ret == 0


def test_a_suite_that_reaches_nothing_writes_why(run: Run, pytester: pytest.Pytester) -> None:
    """The report has no verdict, and the reason for it."""
    live = ("--trunkline-url=http://127.0.0.1:1", "--trunkline-max-wait=1")
    result = run("-k", "documented_request", *live, "--trunkline-report=text=report.txt", app="")
    assert result.ret == 2
    last = (pytester.path / "report.txt").read_text("utf-8").splitlines()[-1]
    assert last.startswith("verdict       NOT EXERCISED: ")
    assert "127.0.0.1:1 refuses connections" in last


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["json=-"], "--trunkline-report: standard output has what pytest prints; name a file"),
        (["json=no/such/file"], "in a folder that does not exist; make it first"),
        (["frob=x"], "--trunkline-report is not FORMAT=FILE, where FORMAT is "),
        (["json=x", "--trunkline-vendor=talkover"], "--trunkline-report is about one vendor: name it with "),
    ],
)
def test_a_wrong_report_ends_the_run_before_any_test(run: Run, options: list[str], sentence: str) -> None:
    """One sentence says what is wrong."""
    first, *more = options
    result = run(f"--trunkline-report={first}", *more, app="")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in shown(result)


@pytest.mark.slow_for("a worker")
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["alone", "a worker"])
def test_github_actions_shows_the_report_of_the_suite(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    """Annotations are printed once, on lines of their own, and the summary of the job has the report once."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    result = run(*workers, "-k", "listTrunks and rule and body_matches_schema", app="broken")
    lines = shown(result).splitlines()
    found = [line for line in lines if line.startswith("::error ")]
    assert found[0].startswith("::error title=trunkline::the contract of telepath is BROKEN: ")
    assert found[1].startswith("::error file=schemas/telepath/trunk-list.json,line=7,")
    summary = (pytester.path / "summary.md").read_text("utf-8")
    assert summary.count("### trunkline: the contract of <code>telepath</code> is broken\n") == 1
    assert TOKEN not in summary


@pytest.mark.slow
def test_a_suite_that_ends_early_says_so_in_its_report(run: Run, pytester: pytest.Pytester) -> None:
    """`-x` ends a run, and so does an unknown operation, which only the collection shows: one sentence, no report."""
    few = ("-k", "listTrunks and rule", "--trunkline-report=json=report.json")
    assert run(*few, "-x", app="broken").ret == pytest.ExitCode.TESTS_FAILED
    value = json.loads((pytester.path / "report.json").read_text("utf-8"))
    assert (value["complete"], value["verdict"]) == (False, "broken")
    result = run("--trunkline-operation=listTrunk", "--trunkline-report=json=other.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "FAIL 'listTrunk' is not an operation of telepath; there are: listTrunks" in shown(result)
    assert "INTERNALERROR" not in shown(result)
    assert not (pytester.path / "other.json").exists()
