"""Reports: everything but secrets is shown, and a check that was not exercised never looks like a success."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import trunkline
from trunkline.exchange import Exchange, Json, Request, Response
from trunkline.findings import Evidence, Excuse, Finding, Grade, Reach, Reading, Report, to_text
from trunkline.report import FORMATS
from trunkline.report.json import document
from trunkline.report.run import (
    BROKEN,
    KEPT,
    UNPROVEN,
    RunInfo,
    curl_command,
    shortfall,
    shown_time,
    verdict,
    without_success,
)
from trunkline.report.terminal import screen
from trunkline.report.text import finding_lines, plain, summary_lines
from trunkline.report.text import render as text

SECRET = "sk_live_\u00e9\"'hush"
PAGE = "https://docs.example.com/list"
RUN = RunInfo("acme", "http://127.0.0.1:9/v1", 7)
SCHEMA = json.loads((Path(trunkline.__file__).parent / "report/report.schema.json").read_text("utf-8"))


KNOWN = Excuse("known.toml:4", f"ticket 4711, {SECRET}", "2027-02-26")
LAPSED = replace(KNOWN, lapsed="expired on 2026-11-01")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def finding(grade: Grade = Grade.DOCUMENTED, rule: str = "body_matches_schema", **more: Any) -> Finding:
    """A finding about a list."""
    exchange = Exchange(
        Request("GET", "/trunks", "limit=1", (("authorization", f"Bearer {SECRET}"),)), Response(200, (), b"{}")
    )
    values: dict[str, Any] = {
        "at": "body/trunks/0/status",
        "contract": "schemas/acme/trunk.json#/properties/status/enum",
        "expected": 'enum: ["active"]',
        "seen": '"busy"',
        "exchanges": (exchange,),
        **more,
    }
    evidence = Evidence(grade, PAGE, "the page lists them", "2026-11-20")
    return Finding(rule, "listThings", evidence, values.pop("message", '"busy" is not one of "active"'), **values)


def report(*findings: Finding, secrets: frozenset[str] = frozenset({SECRET})) -> Report:
    """A report with one law that was exercised, one that was not, and the findings."""
    made = Report(
        secrets=secrets,
        exercised={("listThings", "pages_do_not_overlap"): "", ("listThings", "ids_stay"): "the account is empty"},
        reach=Reach(Counter({("listThings", 200): 31, ("listThings", 401): 1})),
        requests=32,
    )
    made.extend(findings)
    return made


def valid(value: Json) -> Json:
    """The value, which obeys the schema and has no member that the schema does not describe."""
    strict = json.loads(json.dumps(SCHEMA).replace('"required":', '"unevaluatedProperties": false, "required":'))
    jsonschema_rs.Draft202012Validator(strict).validate(value)
    return value


# --- text -----------------------------------------------------------------------------------------------------


def test_a_finding_is_shown_with_all_that_is_known() -> None:
    """Rule, grade, page and note, operation, place, contract, expected, seen, count and a command."""
    made = report(finding(), finding())
    shown = "\n".join(plain(line) for line in finding_lines(made.findings[0], made, RUN))
    for part in (
        "FINDING documented body_matches_schema",
        "listThings body/trunks/0/status",
        '"busy" is not one of "active" (2 times)',
        'enum: ["active"]',
        f"{PAGE} (the page lists them)",
        "schemas/acme/trunk.json#/properties/status/enum",
        "curl -sSig --path-as-is -H \"authorization: Bearer $TRUNKLINE_TOKEN\" 'http://127.0.0.1:9/v1/trunks?limit=1'",
    ):
        assert part in shown


@pytest.mark.parametrize("value", ["\x7f\x9b", "\u202e", "\ud800", "\U000e0001", "é\U0001f600"])
def test_a_value_is_printable_json(value: str) -> None:
    """It reads as it was, so that a replay compares the right text."""
    assert to_text(value).isprintable()
    assert json.loads(to_text(value)) == value


def test_a_weak_finding_is_a_note() -> None:
    """A finding below the strictness is shown, but not as FINDING."""
    made = report(finding(Grade.CUSTOMARY))
    assert text(made, RUN).startswith("note customary body_matches_schema")
    assert "FINDING" not in text(made, RUN)
    assert "FINDING" in text(made, RunInfo("acme", strictness=Grade.CUSTOMARY))


def test_the_summary_lists_what_was_exercised_and_what_was_not() -> None:
    """A law that was not exercised has a line of its own, with its reason."""
    lines = [plain(line) for line in summary_lines(report(), RUN)]
    assert "exercised     listThings: pages_do_not_overlap" in lines
    assert "NOT EXERCISED listThings: ids_stay - the account is empty" in lines
    assert "reached       listThings: 200 31 times, 401 once" in lines
    assert "requests      32, seed 7" in lines
    assert "findings      0 documented, 0 implied, 0 customary" in lines
    kept = "the contract of acme is kept: no finding at strictness implied, no notes"
    assert lines[-1].startswith(f"verdict       {kept}; 1 of 2 checks was not")


def test_documented_statuses_that_were_not_reached_are_listed() -> None:
    """A run without a success of an operation did not exercise it."""
    run = RunInfo(
        "acme", documented=(("listThings", "200"), ("listThings", "429"), ("getThing", "200"), ("makeThing", "2XX"))
    )
    lines = [plain(line) for line in summary_lines(report(), run)]
    assert "NOT REACHED   listThings: 429" in lines
    assert "NOT REACHED   getThing: 200" in lines
    assert "NOT REACHED   makeThing: 2XX" in lines
    assert without_success(report(), run) == ("getThing", "makeThing")
    assert lines[-1].startswith("verdict       NOT EXERCISED: no success of getThing or makeThing was seen")
    assert valid(document(report(), run))["not_reached"] == [
        {"operation": "listThings", "status": 429},
        {"operation": "getThing", "status": 200},
        {"operation": "makeThing", "status": "2XX"},
    ]


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_class_of_statuses_is_reached_by_each_of_them(status: int) -> None:
    """Where no page states the status of a success, each success is the documented one."""
    made = report()
    made.reach.statuses["makeThing", status] = 1
    run = RunInfo("acme", documented=(("makeThing", "2XX"),))
    assert without_success(made, run) == ()
    assert valid(document(made, run))["not_reached"] == []
    made.reach.statuses.clear()
    made.reach.statuses["makeThing", 422] = 1
    assert without_success(made, run) == ("makeThing",)


def test_a_success_beyond_our_limits_is_reached_and_proves_nothing() -> None:
    """Its status is among those that were reached; the verdict says why there is none. One that was read is enough."""
    made, run = report(), RunInfo("acme", documented=(("getThing", "200"),))
    made.reach.statuses["getThing", 200] = made.reach.unread["getThing", 200] = 2
    lines = [plain(line) for line in summary_lines(made, run)]
    assert "reached       getThing: 200 2 times" in lines
    assert not any(line.startswith("NOT REACHED") for line in lines)
    why = "no success of getThing could be judged: each has a body beyond the limits of trunkline"
    assert lines[-1].startswith(f"verdict       NOT EXERCISED: {why}; 1 of 2 checks")
    read = report()
    read.reach.statuses["getThing", 200] = 1
    made.merge(read)
    assert without_success(made, run) == ()


def test_items_left_behind_are_listed() -> None:
    """Each has a line, without secrets, and is in the JSON; it does not change the verdict."""
    made = report()
    made.leftovers = ["trunks conn_1, made by trunkline-check-a", f"trunks {SECRET}"]
    lines = [plain(line) for line in summary_lines(made, RUN)]
    assert "LEFT BEHIND   trunks conn_1, made by trunkline-check-a" in lines
    assert "LEFT BEHIND   trunks ***" in lines
    assert valid(document(made, RUN))["left_behind"] == [made.leftovers[0], "trunks ***"]
    assert valid(document(report(), RUN))["left_behind"] == []
    assert verdict(made, RUN) == KEPT


def writing(method: str = "POST") -> Finding:
    """A finding about a request whose body has a secret field, after one that reads."""
    body = json.dumps({"name": "n", "password": "hidden-by-its-name", "more": [{"password": "hidden-too"}]}).encode()
    request = Request(method, "/trunks", "", (("content-type", "application/json"),), body)
    first = Exchange(Request("GET", "/trunks"), Response(200, (), b"{}"))
    return finding(exchanges=(first, Exchange(request, Response(200, (), b"{}"))))


def test_a_secret_that_was_sent_is_not_in_the_command() -> None:
    """It is redacted by the name of its field, at any depth; the rest of the body is as it was sent."""
    run = RunInfo("acme", "http://127.0.0.1:9/v1", 7, secrets=frozenset({"password"}))
    made = report(writing())
    [found] = valid(document(made, run))["findings"]
    assert found["curl"].startswith("curl -sSig --path-as-is -X POST -H 'content-type: application/json' --data-binary")
    assert '"name": "n"' in found["curl"]
    assert "hidden" not in text(made, run) + json.dumps(found)


def test_several_requests_of_which_one_writes_are_a_script() -> None:
    """It is in lines below the finding, and one text in JSON; requests that only read have a curl command."""
    run = RunInfo("acme", script=lambda found: f"#!/bin/sh\n# {len(found.exchanges)} of {SECRET}\ncurl x\n")
    made = report(writing())
    shown = text(made, run)
    pasted = "sh <<'END_OF_SCRIPT'\n#!/bin/sh\n# 2 of ***\ncurl x\nEND_OF_SCRIPT\n"
    assert f"  again    2 requests, to be pasted into a shell:\n{pasted}" in shown
    assert valid(document(made, run))["findings"][0]["script"] == "#!/bin/sh\n# 2 of ***\ncurl x"
    run = RunInfo("acme", script=lambda _: "echo 'a\u2028b\x85c\x0c'\n")
    assert valid(document(made, run))["findings"][0]["script"] == "echo 'a\u2028b\x85c\x0c'"
    reading = report(finding())
    assert valid(document(reading, run))["findings"][0]["script"] == ""
    assert "#!/bin/sh" not in text(reading, run)


def test_the_summary_tells_findings_of_one_rule_and_place_apart() -> None:
    """By what was seen, which is in the report in full; a finding with a place of its own is told by that."""
    alike = [finding(contract=f"schemas/acme/trunk.json#/{name}", seen=f"200 for {name}=" + "1" * 80) for name in "ab"]
    others = [finding(at=f"body/trunks/0/{name}") for name in "cdef"]
    lines = [plain(line) for line in summary_lines(report(*alike, *others), RUN)]
    assert lines[0] == f"finding       documented body_matches_schema listThings at {alike[0].at}, seen 200 for a=" + (
        "1" * 49 + "…, once"
    )
    assert lines[1].startswith(
        f"finding       documented body_matches_schema listThings at {alike[0].at}, seen 200 for b="
    )
    assert lines[2] == "finding       documented body_matches_schema listThings at body/trunks/0/c, once"


def test_the_verdict_follows_from_strictness_and_from_what_was_exercised() -> None:
    """A run that exercised nothing is not a success."""
    assert verdict(report(), RUN) == KEPT
    assert verdict(report(finding(Grade.IMPLIED)), RUN) == BROKEN
    assert verdict(report(finding(Grade.IMPLIED)), RunInfo("acme", strictness=Grade.DOCUMENTED)) == KEPT
    assert verdict(report(finding(Grade.CUSTOMARY)), RUN) == KEPT
    assert verdict(Report(), RUN) == UNPROVEN
    assert verdict(Report(exercised={("a", "b"): "why"}), RUN) == UNPROVEN
    assert "BROKEN: 1 finding at" in text(report(finding()), RUN)
    assert "no success of any operation was seen" in text(Report(), RUN)


def test_operations_that_are_not_implemented_are_named() -> None:
    """They have a line of their own, count as no success that is missing, and are not among the missing statuses."""
    made = report()
    made.not_implemented = {"listCalls": "404 for GET /calls", "getCall": "405 for GET /calls/1"}
    made.unasked = {"getThing": "the account has no things"}
    pairs = (("listThings", "200"), ("listCalls", "200"), ("getCall", "200"), ("getThing", "200"))
    run = RunInfo("acme", documented=pairs)
    lines = [plain(line) for line in summary_lines(made, run)]
    assert "NOT IMPLEMENTED getCall, listCalls" in lines
    assert "NOT EXERCISED getThing: the account has no things" in lines
    assert "NOT REACHED   getThing: 200" in lines
    assert "NOT REACHED   listCalls: 200" not in lines
    assert lines[-1].startswith("verdict       the contract of acme is kept by what is implemented: no finding")
    value = valid(document(made, run))
    assert value["not_implemented"][0] == {"operation": "getCall", "reason": "405 for GET /calls/1"}
    assert value["unasked"] == [{"operation": "getThing", "reason": "the account has no things"}]
    for name in ("listCalls", "getThing"):
        named = RunInfo("acme", documented=pairs, named=frozenset({name}))
        assert without_success(made, named) == (name,)
        assert verdict(made, named) == UNPROVEN


def test_a_run_that_judged_too_little_is_no_success() -> None:
    """A spent budget, and an unexercised check of an operation that is required; a finding outweighs both."""
    required = RunInfo("acme", required=frozenset({"listThings"}))
    assert shortfall(report(), RUN) == ""
    assert shortfall(report(), required) == (
        "--require is not met: ids_stay of listThings was not exercised: the account is empty"
    )
    assert verdict(report(), required) == UNPROVEN
    assert verdict(report(), RunInfo("acme", required=frozenset({"getThing"}))) == KEPT
    several = report()
    several.exercised |= dict.fromkeys((("getThing", f"check_{number}") for number in range(3)), "the list is empty")
    sentence = shortfall(several, RunInfo("acme", required=frozenset({"getThing"})))
    assert sentence.endswith(" was not exercised: the list is empty, and neither were 2 more")
    missing = report()
    reasons = ("no other account is known", "the answers are too long", "the answers are too long")
    missing.exercised |= {("getThing", f"check_{number}"): reason for number, reason in enumerate(reasons)}
    unseen = RunInfo("acme", documented=(("getThing", "200"),), named=frozenset({"getThing"}))
    assert shortfall(missing, unseen).endswith(" so little can be judged: the answers are too long")
    spent = report()
    spent.stopped = "the budget is spent"
    assert verdict(spent, RUN) == UNPROVEN
    assert "the run did not judge everything: the budget is spent" in text(spent, RUN)
    early = Report(stopped="the budget is spent", exercised={("listThings", "ids_stay"): "the budget is spent"})
    early.reach.statuses["listThings", 200] = 1
    assert shortfall(early, RUN) == "no check was exercised: the budget is spent"
    last = text(spent, RunInfo("acme", complete=False)).splitlines()[-1]
    once = "NOT EXERCISED: the run did not judge everything: the budget is spent; 1 of 2 checks was not exercised"
    assert last == f"verdict       {once} and proves nothing"
    spent.add(finding())
    assert verdict(spent, RUN) == BROKEN
    assert "strictness implied; the run did not judge everything: the budget is spent" in text(spent, RUN)


def test_a_run_that_ended_early_says_so() -> None:
    """In the text and in the JSON."""
    run = RunInfo("acme", complete=False)
    assert "the run did not come to its end" in text(report(), run)
    assert valid(document(report(), run))["complete"] is False


def test_no_secret_and_no_control_character_is_shown() -> None:
    """Wherever the secret is: message, place, value, path, reason, page."""
    made = report(
        finding(
            message=f"\x1b[31m {SECRET}\nfake line",
            at=f"body/{SECRET}",
            expected=SECRET,
            seen=f"\ud800{SECRET}",
            exchanges=(Exchange(Request("GET", f"/{SECRET}"), Response(200)),),
        )
    )
    made.exercised["listThings", "more"] = f"because of {SECRET}"
    value = valid(document(made, RUN))
    for shown in (text(made, RUN), json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert "hush" not in shown
        assert "***" in shown
        assert "\x1b" not in shown
        shown.encode()
    assert "\\x1b[31m ***\\nfake line" in text(made, RUN)


# --- JSON ---------------------------------------------------------------------------------------------------


def test_the_document_obeys_its_schema() -> None:
    """With and without findings, a seed, an exchange and its parts."""
    jsonschema_rs.meta.validate(SCHEMA)
    lone = Exchange(Request("GET", "/"), Response(200), frozenset({"body"}))
    made = report(
        finding(), finding(Grade.CUSTOMARY, "a"), finding(rule="b", exchanges=()), finding(rule="c", exchanges=(lone,))
    )
    value = valid(document(made, RUN))
    assert value["verdict"] == "broken"
    assert value["counts"] == {"documented": 3, "implied": 0, "customary": 1}
    assert [found["fails"] for found in value["findings"]] == [True, True, True, False]
    assert [found["status"] for found in value["findings"]] == [200, None, None, 200]
    assert [bool(found["curl"]) for found in value["findings"]] == [True, False, False, True]
    assert value["exercised"] == [{"operation": "listThings", "check": "pages_do_not_overlap"}]
    assert value["not_exercised"] == [
        {"operation": "listThings", "check": "ids_stay", "reason": "the account is empty"}
    ]
    assert valid(document(Report(), RunInfo("acme")))["verdict"] == "not exercised"


def test_every_member_of_the_schema_is_described() -> None:
    """It has a description, is always there, and docs/report.md names it."""
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text("utf-8")
    for schema in (SCHEMA, SCHEMA["$defs"]["finding"]):
        assert {*schema["required"]} == {*schema["properties"]}
        for name, member in schema["properties"].items():
            assert "description" in member or "$ref" in member, name
            assert f"`{name}`" in text, name


def test_the_example_in_the_docs_obeys_the_schema() -> None:
    """The one JSON block of docs/report.md is a report."""
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text("utf-8")
    [block] = text.split("```json\n")[1:]
    valid(json.loads(block.partition("```")[0]))


# --- on a terminal ----------------------------------------------------------------------------------------------------


def long() -> Report:
    """A report with a line longer than any terminal, and with text that rich would take for markup."""
    return report(finding(message="[bold]" + "x" * 130 + "\t:smile:"))


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """No color, no wrapping, no cutting, whatever the environment says."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("COLUMNS", "20")
    out, err = io.StringIO(), io.StringIO()
    with screen(out, err) as shown:
        shown.progress("how far it is")
        shown.show(finding_lines(long().findings[0], long(), RUN))
        shown.show(summary_lines(long(), RUN))
    assert out.getvalue() == text(long(), RUN)
    assert "[bold]" + "x" * 130 + "\\t:smile:" in out.getvalue()
    assert err.getvalue() == "how far it is\n"


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and a dumb terminal are respected; lines are never cut."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")

    def shown() -> str:
        out = Terminal()
        with screen(out, io.StringIO(), quiet=True) as opened:
            opened.show(finding_lines(long().findings[0], long(), RUN))
        return out.getvalue()

    assert "\x1b[1;31mFINDING" in shown()
    assert "x" * 130 in shown()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown()


def test_a_terminal_wraps_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further lines begin where the text began; a command is one line, and no word is cut."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "50")
    made = report(finding(message="the page holds more items than the limit of the request allows"))
    made.exercised["listThings", "ids_stay"] = "another client deleted the item that it asked for"
    out = Terminal()
    with screen(out, io.StringIO(), quiet=True) as opened:
        opened.show([*finding_lines(made.findings[0], made, RUN), *summary_lines(made, RUN)])
    shown = out.getvalue()
    lines = shown.splitlines()
    start = lines.index("  listThings body/trunks/0/status: the page")
    assert lines[start + 1] == "    holds more items than the limit of the request"
    row = lines.index("NOT EXERCISED listThings: ids_stay - another")
    assert lines[row + 1] == "              client deleted the item that it"
    assert [line for line in lines if line.startswith("  again    curl") and line.endswith("limit=1'")]
    words = text(made, RUN).split()
    assert shown.split() == words


def test_progress_on_a_terminal_is_one_line_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings are not printed into it, and it is erased at the end."""
    monkeypatch.setenv("TERM", "xterm")
    out, err = Terminal(), Terminal()
    with screen(out, err) as shown:
        shown.progress("[red]asking")
        shown.show([(("a finding", ""),)])
    assert out.getvalue() == "a finding\n"
    assert "[red]asking" in err.getvalue()
    assert err.getvalue().endswith("\x1b[2K")


def test_a_quiet_screen_shows_no_progress() -> None:
    """A JSON document is the only output."""
    err = io.StringIO()
    with screen(io.StringIO(), err, quiet=True) as shown:
        shown.progress("how far it is")
    assert err.getvalue() == ""


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_text_without_secrets(name: str) -> None:
    """Every format of the table ends with one line break and redacts what it shows."""
    rendered = FORMATS[name](report(finding(message=SECRET)), RUN)
    assert rendered.endswith("\n")
    assert not rendered.endswith("\n\n")
    assert "hush" not in rendered


def test_a_known_finding_is_no_failure() -> None:
    """It is shown at the end, with its reason; one whose entry has lapsed is a failure that says so."""
    made = report(finding(excuse=KNOWN), finding(Grade.CUSTOMARY, "ids_stay"))
    made.stale = ["known.toml:9: not found"]
    shown = text(made, RUN)
    assert verdict(made, RUN) == KEPT
    assert shown.index("note customary ids_stay") < shown.index("known documented body_matches_schema")
    assert "\n  known    until 2027-02-26: ticket 4711, ***\n" in shown
    assert "\nSTALE         known.toml:9: not found\n" in shown
    assert "findings      1 documented, 0 implied, 1 customary; 1 of them known\n" in shown
    assert "no finding at strictness implied, 1 note, 1 known" in shown
    (note, known) = document(made, RUN)["findings"]
    assert (note["known"], known["fails"], known["known"]["reason"]) == (None, False, "ticket 4711, ***")
    lapsed = report(finding(excuse=LAPSED))
    assert verdict(lapsed, RUN) == BROKEN
    assert "\n  known    expired on 2026-11-01: ticket 4711, ***\n" in text(lapsed, RUN)
    for each in (made, lapsed):
        valid(document(each, RUN))


def test_a_merged_report_has_all_of_its_parts() -> None:
    """Counts are added, a check that either part exercised was exercised, and a cause of both is one finding."""
    part = report(finding(), finding(Grade.CUSTOMARY, "ids_stay"))
    part.reach.codes["listThings", 401, "BAD_KEY"], part.reach.inputs["listThings", "limit"] = 1, 2
    part.rules["listThings", "body_is_json"] = "the body is not JSON"
    part.stopped, part.not_implemented, part.unasked = "it was interrupted", {"getThing": "404"}, {"listParts": "none"}
    part.leftovers, part.reading.judged = ["trunks conn_1"], {"a.har": 2}
    part.reach.unread["getThing", 200] = 1
    part.reading.skip("b.png", "it holds no exchange")
    part.excuses, part.stale = {("ids_stay", "getThing", "", "", ""): KNOWN}, ["known.toml:9: not found"]
    part.reading.other_hosts["fonts.example"] = 3
    part.reading.other_operations["listThings"] = 2
    part.reading.unplaced["it broke off"] = 1
    part.reading.since, part.reading.older, part.reading.undated = 60.0, 4, 5
    whole = Report()
    for full, empty in ((part, whole), (part.reach, whole.reach), (part.reading, whole.reading)):
        assert all(getattr(full, each.name) != getattr(empty, each.name) for each in fields(full))
    whole.merge(part)
    assert [found.cause for found in whole.findings] == [found.cause for found in part.findings]
    assert all(getattr(part, each.name) == getattr(whole, each.name) for each in fields(Report))
    again = replace(part, exercised={("listThings", "ids_stay"): "", ("listThings", "pages_do_not_overlap"): "why"})
    again.reach = Reach(Counter({("listParts", 200): 1}))
    whole.merge(again)
    assert {*whole.exercised.values()} == {""}
    assert (whole.requests, whole.reading.skipped, whole.reading.judged) == (64, 2, {"a.har": 4})
    assert (whole.findings[0].count, len(whole.leftovers), whole.unasked) == (2, 1, {})


def test_the_times_of_a_merged_finding_are_the_first_and_the_last() -> None:
    """As far as they are known; a cause that is only counted stays so."""
    whole = Report()
    for first, last in ((None, None), (60.0, 70.0), (None, None), (50.0, 50.0), (65.0, 65.0)):
        whole.merge(report(finding(first=first, last=last)))
    (found,) = whole.findings
    assert (found.count, found.first, found.last) == (5, 50, 70)
    assert "(5 times, first 1970-01-01T00:00:50Z, last 1970-01-01T00:01:10Z)" in text(whole, RUN)
    shown = document(whole, RUN)["findings"][0]
    assert (shown["first"], shown["last"]) == ("1970-01-01T00:00:50Z", "1970-01-01T00:01:10Z")
    assert "(1970-01-01T00:00:50Z)" in text(report(finding(first=50.2, last=50.7)), RUN)
    many = report(*(finding(at=f"body/a{number}") for number in range(150)))
    for _ in range(3):
        whole.merge(many)
    assert len(whole.findings) == 101
    assert whole.findings[-1].message.count("counted from here on") == 1
    assert sum(each.count for each in whole.findings) == 455


def test_what_has_no_place_is_told_by_its_number() -> None:
    """The exchanges of a proxy that were not judged are counted by their reason, in each format."""
    found = Report(reading=Reading(unplaced=Counter({"it broke off": 1, "it is too large": 30}), skipped=31))
    shown = text(found, RUN)
    assert "NOT JUDGED    1 exchange: it broke off\nNOT JUDGED    30 exchanges: it is too large\n" in shown
    assert "more\n" not in shown
    assert valid(document(found, RUN))["not_judged"] == [
        {"place": "", "reason": "it broke off", "count": 1},
        {"place": "", "reason": "it is too large", "count": 30},
    ]
    sentences = {
        "sarif": "30 exchanges were not judged: it is too large",
        "markdown": "<code>30 exchanges</code> <code>it is too large</code>",
        "junit": '<skipped message="30 exchanges" />',
        "html": "<dt>30 exchanges</dt><dd>it is too large</dd>",
    }
    for name, sentence in sentences.items():
        assert sentence in FORMATS[name](found, RUN)
    assert "1 exchange was not judged: it broke off" in FORMATS["sarif"](found, RUN)


def test_other_hosts_are_counted() -> None:
    """The first twenty one by one; of very many hosts, most only together."""
    found = Report(reading=Reading(other_hosts=Counter({f"{number}.example": number for number in range(1, 31)})))
    shown = text(found, RUN)
    assert "other host    30 requests to 30.example, left out" in shown
    assert "other host    55 requests to 10 more hosts, left out" in shown
    assert document(found, RUN)["other_hosts"][0] == {"host": "30.example", "count": 30}
    whole = Reading()
    for part in range(40):
        whole.merge(Reading(other_hosts=Counter({f"{part}.{number}.example": 1 for number in range(100)})))
    assert len(whole.other_hosts) == 1001
    assert whole.other_hosts.total() == 4000


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.9, "1970-01-01T00:00:00Z"), (-1e300, "0001-01-01T00:00:00Z"), (1e300, "9999-12-31T23:59:59Z")],
)
def test_any_time_can_be_shown(seconds: float, shown: str) -> None:
    """A recording, or `--since`, may state one that no date has."""
    assert shown_time(seconds) == shown


def test_a_time_before_which_nothing_is_judged_is_said() -> None:
    """With the numbers of exchanges that are older, and of those without a time."""
    shown = text(Report(reading=Reading(since=60, older=1)), RUN)
    assert "since         1970-01-01T00:01:00Z: 1 older exchange left out\n" in shown
    shown = text(Report(reading=Reading(since=60, undated=2)), RUN)
    assert "1970-01-01T00:01:00Z: no older exchanges left out; 2 exchanges without a time judged all the same" in shown


def test_a_report_has_a_bound() -> None:
    """Of very many causes the first are reported one by one and the others counted, for each grade by itself."""
    found = Report()
    exchange = Exchange(Request("GET", "/"), Response(200, (), b"x" * (2 << 20)))
    for number in range(1000):
        found.add(finding(Grade.CUSTOMARY, at=f"body/a{number}", exchanges=(exchange,)))
    found.add(finding(at="body/b", message="m" * 1_000_000))
    assert len(found.findings) == 102
    assert sum(each.count for each in found.findings) == 1001
    assert found.findings[0].at == "body/b"
    assert found.findings[-1].message.endswith("; others like it are only counted from here on")
    assert found.findings[-1].count == 900
    assert len(found.findings[-1].exchanges[0].response.body) == 1 << 20


def test_a_secret_at_the_end_of_a_long_text_is_not_shown() -> None:
    """A text is cut before secrets are looked for, but nothing is left of one that the cut divides."""
    found = Report(secrets=frozenset({"hush-hush-hush", "s" * 4000}))
    for cut in range(4080, 4100):
        text = "s" * 4000 + " " * (cut - 4010) + "hush-hush-hush"
        found.add(finding(at=f"body/{cut}", message=text, seen=text, expected=text))
    assert "hush" not in str([(each.message, each.seen, each.expected) for each in found.findings])


def test_the_strongest_evidence_of_a_cause_is_reported() -> None:
    """A documented finding is not lost among notes of the same cause, in whatever order they come."""
    grades = [Grade.CUSTOMARY, Grade.DOCUMENTED, Grade.CUSTOMARY]
    found = Report()
    assert [found.add(finding(grade, at="body/0", message=grade)) for grade in grades] == [True, True, False]
    assert [(each.evidence.grade, each.message, each.count) for each in found.findings] == [
        (Grade.DOCUMENTED, "documented", 3)
    ]


def test_the_findings_of_a_large_body_share_it() -> None:
    """The part of it that is kept is kept once."""
    found, exchange = Report(), Exchange(Request("GET", "/"), Response(200, (), b"x" * (2 << 20)))
    for number in range(3):
        found.add(finding(at=f"body/a{number}", exchanges=(exchange,)))
    first, *others = (each.exchanges[0] for each in found.findings)
    assert len(others) == 2
    assert all(other is first for other in others)


def test_a_command_leaves_the_host_to_curl() -> None:
    """A request that passed the proxy has the `Host` of the address; another one is part of the request."""
    fields = (("host", "127.0.0.1:9"), ("accept", "*/*"))
    hosts = [fields, (("host", "elsewhere"), *fields[1:])]
    exchanges = [Exchange(Request("GET", "/trunks", "", each), Response(200, (), b"{}")) for each in hosts]
    commands = [curl_command(finding(exchanges=(each,)), report(), RUN) for each in exchanges]
    assert commands == [
        f"curl -sSig --path-as-is {host}-H 'accept: */*' 'http://127.0.0.1:9/v1/trunks'"
        for host in ("", "-H 'host: elsewhere' ")
    ]
