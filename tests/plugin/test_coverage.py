"""Tests of `--trunkline-coverage`: what is collected in a run, and what the run says and writes at its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugin.test_plugin import Run, run

__all__ = ["run"]

pytest_plugins = "pytester"

TESTS = """
def test_a_list(telepath):
    get(telepath, "/trunks")

def test_a_refused_list(telepath):
    with pytest.raises(HTTPError):
        get(telepath, "/trunks?limit=0")

def test_a_call_without_a_socket(telepath_target):
    assert telepath_target(Request("GET", "/calls")).status == 401
"""
MET = {("listTrunks", "200"), ("listTrunks", "400"), ("listCalls", "401")}


def met_in(file: Path) -> set[tuple[str, str]]:
    """The (operation, status) that were met, in a document; it must be about one vendor."""
    (vendor,) = json.loads(file.read_text())["vendors"].values()
    return {
        (name, answer["status"])
        for name, operation in vendor["operations"].items()
        for answer in operation["answers"]
        if answer["met"]
    }


def test_the_answers_of_all_tests_are_collected(run: Run, pytester: pytest.Pytester) -> None:
    """From both fixtures of the vendor that was asked, printed and as JSON; a bound that is just met is met."""
    result = run(
        TESTS, "--trunkline-coverage", "--trunkline-coverage-json=coverage.json", "--trunkline-coverage-fail-under=15"
    )
    result.assert_outcomes(passed=3)
    assert result.ret == 0
    assert "FAIL" not in result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "*= trunkline: client coverage =*",
            "Operation  * Answers  Missed   Cover   Missing",
            "telepath listTrunks  * 4 * 2 * 50% * 401 INVALID_API_KEY, 429 RATE_LIMIT_EXCEEDED",
            "telepath createTrunk * 4 * 4 *  0% * never asked: 2XX, 400 MISSING_REQUIRED, *",
            "TOTAL * 20 * 17 * 15%",
        ]
    )
    assert "talkover" not in result.stdout.str()
    assert met_in(pytester.path / "coverage.json") == MET


def test_failed_tests_and_cleared_requests_count(run: Run, pytester: pytest.Pytester) -> None:
    """An answer was met, whatever the test does afterwards; also if `-x` ends the run."""
    tests = """
    def test_fails(telepath):
        get(telepath, "/trunks")
        telepath.requests.clear()
        assert False

    def test_does_not_run(telepath):
        get(telepath, "/calls")
    """
    result = run(tests, "-x", "--trunkline-coverage-json=coverage.json")
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert met_in(pytester.path / "coverage.json") == {("listTrunks", "200")}


@pytest.mark.slow
def test_workers_are_merged(run: Run, pytester: pytest.Pytester) -> None:
    """With pytest-xdist the main process has what all have met, prints it once and holds it to the bound."""
    options = ("-p", "xdist", "-n", "2", "--dist=each")
    result = run(TESTS, *options, "--trunkline-coverage-json=coverage.json", "--trunkline-coverage-fail-under=15.1")
    result.assert_outcomes(passed=6)
    assert met_in(pytester.path / "coverage.json") == MET
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.stdout.str().count("TOTAL") == 1
    result.stdout.fnmatch_lines(["FAIL client coverage is 15%, and 15.1% is required"])


def test_a_bound_fails_the_run(run: Run) -> None:
    """With 1 and one line, although all tests pass."""
    result = run(TESTS, "--trunkline-coverage-fail-under=15.1")
    result.assert_outcomes(passed=3)
    assert result.ret == 1
    assert "FAIL client coverage is 15%, and 15.1% is required" in result.stdout.lines


@pytest.mark.slow
def test_a_run_without_requests_reaches_no_bound(run: Run) -> None:
    """It says that nothing was asked. A run that only collects is not held to the bound, nor one without tests."""
    bound = "--trunkline-coverage-fail-under=1"
    result = run("def test_one(telepath): pass", bound)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["no test has sent a request to a mock", "FAIL client coverage is 0%, and 1% is required"]
    )
    for option, code in (("--collect-only", 0), ("--fixtures", 0), ("-knothing", 5)):
        assert run("def test_one(telepath): pass", bound, option).ret == code


@pytest.mark.slow
def test_named_vendors_count_whether_they_were_asked_or_not(run: Run, pytester: pytest.Pytester) -> None:
    """`--trunkline-vendor` names them; also in the ini file, as the other options."""
    pytester.makeini("[pytest]\ntrunkline_vendor = talkover\ntrunkline_coverage = true")
    result = run(TESTS)
    result.stdout.fnmatch_lines(["talkover listSipTrunks * 0% * never asked: 200, *", "TOTAL * 0%"])
    assert "telepath " not in result.stdout.str()


@pytest.mark.slow
def test_the_strictness_decides_what_counts(run: Run) -> None:
    """An answer that is only customary counts if it is asked for, and is named apart if it is not."""
    tests = """
    def test_one(talkover):
        with pytest.raises(HTTPError):
            get(talkover, "/sip-trunks/nothing")
    """
    apart = "not counted, as no page documents it: talkover getSipTrunk 404 TRUNK_NOT_FOUND"
    assert apart in run(tests, "--trunkline-coverage").stdout.lines
    customary = run(tests, "--trunkline-coverage", "--trunkline-strictness=customary")
    assert apart not in customary.stdout.lines
    customary.stdout.fnmatch_lines(["talkover getSipTrunk * 5 * 4 * 20% * 200, 401 *"])


@pytest.mark.slow
def test_the_suite_is_no_client(run: Run) -> None:
    """Its requests are trunkline's own."""
    options = ("-p", "no:randomly", "-k", "getHealth-media_type_is_json", "--pyargs", "trunkline.suite")
    result = run("", *options, "--trunkline-coverage")
    assert result.parseoutcomes()["passed"]
    result.stdout.fnmatch_lines(["no test has sent a request to a mock"])


@pytest.mark.slow
def test_a_file_that_cannot_be_written_fails_the_run(run: Run, pytester: pytest.Pytester) -> None:
    """With a sentence, after the tests."""
    tests = TESTS + "\ndef test_last():\n    import os; os.mkdir('coverage.json')\n"
    result = run(tests, "--trunkline-coverage-json=coverage.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAIL *coverage.json cannot be written: is a directory"])


def test_a_vendor_that_cannot_be_loaded_is_one_sentence(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run fails without a traceback."""
    for folder in ("schemas", "fixtures"):
        (pytester.path / "data" / folder / "mine").mkdir(parents=True)
    (pytester.path / "data" / "schemas" / "mine" / "openapi.json").write_text("{")
    monkeypatch.setenv("TRUNKLINE_DATA", str(pytester.path / "data"))
    result = run("def test_one(): pass", "--trunkline-coverage", *["--trunkline-vendor=mine"] * 2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.stdout.str().count("FAIL ") == 1
    result.stdout.fnmatch_lines(["FAIL *openapi.json*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
