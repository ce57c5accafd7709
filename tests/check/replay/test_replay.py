"""A replay says that a finding still happens on what is broken, and no longer on what is mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from tests import defects
from tests.check.stateful import defects as stateful
from tests.check.stateful import test_defects
from tests.defects import DEFECTS, FUZZ, LOADED, OTHERS, PARAMETERS, TOKENS, examine, trunks
from tests.documents import put
from trunkline import mock
from trunkline.check.replay import GONE, STILL, UNKNOWN, Replay, ReplayOutcome, read_report
from trunkline.check.replay.judging import Undecided
from trunkline.check.replay.rewriting import headers_of
from trunkline.check.replay.saved import SavedReport, SavedRequest
from trunkline.check.safety import WriteAccess
from trunkline.check.safety.ledger import Ledger
from trunkline.check.stateful.laws import STATEFUL_LAWS
from trunkline.errors import UsageError
from trunkline.exchange import Json, Request, Response, Target
from trunkline.findings import Grade, Report
from trunkline.redaction import secrets_in_body
from trunkline.report.json import render
from trunkline.report.run import RunInfo
from trunkline.transport.connect import Connection, secret_values

SENT = "trunkline-check-0123456789-"
"""The prefix of the recorded run."""
RANDOM = {
    "now and then a bad gateway",
    "a service that is not there now and then",
    "The filter by status looks into an index that new trunks are not in",
}
"""The defects that do not show themselves each time."""


@pytest.fixture(autouse=True)
def prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are as long as those of a real run."""
    monkeypatch.setattr(test_defects, "PREFIX", SENT)


def recorded(vendor: str, report: Report) -> SavedReport:
    """The report, as it is read from its JSON."""
    contract = LOADED[vendor].contract
    run = RunInfo(vendor, "http://x/v1", 0, Grade.CUSTOMARY, secrets=frozenset(contract.secrets), contract=contract)
    text = render(report, run)
    assert not any(secret in text for secret in report.secrets - {"trunkline-unknown-0"})
    return read_report(text.encode(), "report.json")


def replayed(
    vendor: str,
    report: SavedReport,
    target: Target,
    tokens: tuple[str | None, str | None] = (None, None),
    *,
    writes: bool = False,
) -> list[ReplayOutcome]:
    """The outcomes of the findings of a report."""
    values = {} if writes else secret_values(LOADED[vendor])
    first, second = tokens
    connection = Connection(
        target,
        first or TOKENS[vendor],
        "http://x/v1",
        LOADED[vendor].secrets,
        PARAMETERS[vendor],
        values,
        second=second or OTHERS[vendor],
    )
    access = WriteAccess(Ledger(), target, None) if writes else None
    return list(Replay(LOADED[vendor], connection, report, Report(secrets=connection.secrets), access).run())


# --- what only reads ------------------------------------------------------------------------------------------------

FIRST = {defect.caught_by: defect for defect in reversed(DEFECTS) if defect.name not in RANDOM}


def broken_and_mended(defect: defects.Defect) -> tuple[list[ReplayOutcome], list[ReplayOutcome]]:
    """The outcomes on the same broken mock, and on one without the defect."""
    examples = 3 if defect.provoked_by == FUZZ else 30
    target = defect.break_(mock.from_vendor(LOADED[defect.vendor]))
    report = recorded(
        defect.vendor,
        examine(defect.vendor, target, defect.provoked_by, examples=examples, operations=[defect.checked]),
    )
    again = defect.break_(mock.from_vendor(LOADED[defect.vendor]))
    good = mock.from_vendor(LOADED[defect.vendor])
    return replayed(defect.vendor, report, again), replayed(defect.vendor, report, good)


@pytest.mark.parametrize("rule", sorted(FIRST))
def test_each_rule_and_law_is_judged_again(rule: str) -> None:
    """The finding of a seeded defect still happens with the defect, and does not without it."""
    broken, mended = broken_and_mended(FIRST[rule])
    assert [outcome for outcome in broken if outcome.state != STILL] == []
    assert [outcome for outcome in mended if outcome.state == STILL] == []
    assert rule in {outcome.finding.rule for outcome in broken}


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.vendor}: {defect.name}")
def test_each_seeded_defect_is_judged_again(defect: defects.Defect) -> None:
    """No finding is said to be gone that is there, or to be there that is gone."""
    broken, mended = broken_and_mended(defect)
    assert [outcome for outcome in broken if outcome.state == GONE and defect.name not in RANDOM] == []
    assert [outcome for outcome in mended if outcome.state == STILL] == []


def test_most_outcomes_are_known() -> None:
    """Of the findings of many defects, nine in ten are told apart."""
    outcomes = [broken_and_mended(defect) for defect in DEFECTS[::10] if defect.law != FUZZ]
    states = [outcome.state for pair in outcomes for found in pair for outcome in found]
    assert states.count(UNKNOWN) < len(states) / 10
    assert len(states) > 50


TRUNK = "schemas/telepath/trunk.json#"
BUSY = {
    "rule": "body_matches_schema",
    "at": "body/trunks/0/status",
    "contract": f"{TRUNK}/properties/status/enum",
    "seen": '"busy"',
}
"""A wrong value in a list."""
NAMELESS = {**BUSY, "at": "body/trunks/0/name", "contract": f"{TRUNK}/required", "seen": "absent"}
NO_NAME_AND_STATUS = {**NAMELESS, "at": "body/trunks/0", "seen": "absent: name, status"}
DEBUG = {
    "rule": "properties_are_documented",
    "at": "body/trunks/0/debug",
    "contract": f"{TRUNK}/properties",
    "seen": "",
}
TWO_MORE = {**DEBUG, "at": "body/trunks/0", "seen": "present: debug, trace"}
LEAK = {
    "rule": "secrets_stay_hidden",
    "at": "body/trunks/0/debug/sip_password",
    "contract": "schemas/telepath/openapi.json#/x-trunkline/secrets/sip_password",
    "seen": "present",
}


def on_a_list(finding: Mapping[str, str], edit: Callable[[dict[str, Any]], object] | bytes) -> ReplayOutcome:
    """The outcome of a finding about `listTrunks`, on a mock whose answer is edited or replaced."""
    good = mock.from_vendor(LOADED["telepath"])

    def target(request: Request) -> Response:
        response = good(request)
        if isinstance(edit, bytes):
            return replace(response, body=edit)
        body = json.loads(response.body)
        edit(body)
        return replace(response, body=json.dumps(body).encode())

    headers = [["authorization", "Bearer $TRUNKLINE_TOKEN"]]
    request = {"method": "GET", "path": "/trunks", "headers": headers, "status": 200}
    more = {"operation": "listTrunks", "grade": "implied", "fails": True, "message": "m", "requests": [request]}
    document = {"format": 1, "vendor": "telepath", "findings": [{**more, **finding}]}
    (outcome,) = replayed("telepath", read_report(json.dumps(document).encode(), "report.json"), target)
    return outcome


def each(**values: Json) -> Callable[[dict[str, Any]], object]:
    """Give each trunk these values."""
    return lambda body: [trunk.update(values) for trunk in body["trunks"]]


def without(*names: str) -> Callable[[dict[str, Any]], object]:
    """Drop these fields of the first trunk."""
    return lambda body: [body["trunks"][0].pop(name) for name in names]


@pytest.mark.parametrize("finding", [BUSY, NAMELESS, NO_NAME_AND_STATUS, DEBUG, TWO_MORE, LEAK])
@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda body: body["trunks"].clear(), "the answer has nothing at body/trunks"),
        (b"{}", "the answer breaks the schema in another way now: 2 required properties are absent: trunks, "),
        (b"[]", "the answer has nothing at body"),
        (b"", "the answer has no JSON body now"),
        (b"[" * 10_000 + b"]" * 10_000, "the answer cannot be judged now: "),
    ],
)
def test_an_answer_without_the_place_of_a_finding_decides_nothing(
    finding: Mapping[str, str], edit: Callable[[dict[str, Any]], object] | bytes, reason: str
) -> None:
    """The finding is neither there nor gone."""
    outcome = on_a_list(finding, edit)
    assert outcome.state == UNKNOWN
    assert outcome.reason.startswith(reason)


@pytest.mark.parametrize(
    ("finding", "edit", "state"),
    [
        (BUSY, each(), GONE),
        (BUSY, each(status="ringing"), STILL),
        (BUSY, each(status=None), UNKNOWN),
        (BUSY, without("status"), UNKNOWN),
        (BUSY, without("name", "status"), UNKNOWN),
        (BUSY, without("name"), GONE),
        (NAMELESS, each(), GONE),
        (NAMELESS, each(name=5), UNKNOWN),
        (NAMELESS, without("name"), STILL),
        (NAMELESS, without("name", "status"), STILL),
        (NAMELESS, without("status"), GONE),
        (NO_NAME_AND_STATUS, without("status"), STILL),
        (NO_NAME_AND_STATUS, without("metrics"), GONE),
        (DEBUG, each(), GONE),
        (DEBUG, each(debug=1, trace=2), STILL),
        (TWO_MORE, each(trace=2), STILL),
        (TWO_MORE, each(), GONE),
        (LEAK, each(), GONE),
        (LEAK, each(debug={"sip_password": "x"}), STILL),
        ({"rule": "body_is_json", "at": "body", "contract": "c"}, each(), GONE),
        ({"rule": "body_matches_schema", "at": "body", "contract": "c"}, b"", UNKNOWN),
        ({"rule": "content_is_allowed", "at": "body", "contract": "c"}, b"", GONE),
        ({"rule": "media_type_is_json", "at": "header/content-type", "contract": "c"}, b"{}", GONE),
        ({"rule": "no_server_error", "at": "status", "contract": "c"}, b"{}", GONE),
    ],
)
def test_a_finding_is_gone_if_what_it_is_about_is_right(
    finding: Mapping[str, str], edit: Callable[[dict[str, Any]], object] | bytes, state: str
) -> None:
    """A property that may be dropped was mended; a value that is wrong in another way is not, nor one of several."""
    assert on_a_list(finding, edit).state == state


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (
            {"rule": "secret_values_stay_hidden", "at": "body/trunks/0/name", "contract": "c", "seen": "present"},
            "the secrets of the implementation are not known",
        ),
        (
            {"rule": "headers_follow_http", "at": "header/date", "contract": "c", "seen": "absent"},
            "the header is that of a server; give its address with --url",
        ),
    ],
)
def test_a_rule_that_is_not_applied_decides_nothing(finding: Mapping[str, str], reason: str) -> None:
    """An application alone sends no Date, and only the secrets of the built-in mock are known."""
    outcome = on_a_list(finding, each())
    assert (outcome.state, outcome.reason) == (UNKNOWN, reason)


def test_what_still_happens_is_told_as_it_is_now() -> None:
    """Of several wrong values at one place it is the one of the report, if that is still there."""
    assert on_a_list(BUSY, each(status="ringing")).now.startswith('"ringing" is not one of ')

    def both(body: dict[str, Any]) -> None:
        body["trunks"] = [{**body["trunks"][0], "status": status} for status in ("ringing", "busy")]

    assert on_a_list(BUSY, both).now.startswith('"busy" is not one of ')
    assert on_a_list(BUSY, each()).now == ""


# --- what writes ----------------------------------------------------------------------------------------------------

NAMES = {law.name for law in STATEFUL_LAWS}
LAWS = {
    defect.law: defect for defect in reversed(stateful.DEFECTS) if defect.name not in RANDOM and defect.law in NAMES
}


@cache
def of_stateful(defect: stateful.Defect) -> SavedReport:
    """The report of a stateful check of an implementation with a seeded defect."""
    report = Report(secrets=frozenset({stateful.OWN, stateful.SECOND}))
    for finding in test_defects.search(defect, examples=3, steps=10):
        bodies = [exchange.request.body for exchange in finding.exchanges]
        sent = {secret for body in bodies for secret in secrets_in_body(body, LOADED[defect.vendor].contract.secrets)}
        report.secrets |= {secret for secret in sent if len({*secret}) >= 4}
        if finding.rule == defect.law:
            report.add(finding)
    return recorded(defect.vendor, report)


def of_writes(defect: stateful.Defect, server: Callable[[Request], Response]) -> list[ReplayOutcome]:
    """The outcomes on a server, which is empty before and after."""
    return replayed(defect.vendor, of_stateful(defect), server, (stateful.OWN, stateful.SECOND), writes=True)


SOME = {"accounts_are_apart", "created_is_read_back", "deleted_is_gone", "update_shows"}
"""The stateful laws whose findings the first tier replays."""


@pytest.mark.parametrize(
    "law", [pytest.param(law, marks=[pytest.mark.slow] * (law not in SOME)) for law in sorted(LAWS)]
)
def test_each_stateful_law_is_judged_again(law: str) -> None:
    """The same with items of the new run, of which none is left where they can be deleted."""
    defect = LAWS[law]
    good = stateful.SERVERS[defect.vendor]()
    assert [outcome.state for outcome in of_writes(defect, defect.server())] == [STILL]
    assert [outcome.state for outcome in of_writes(defect, good)] == [GONE]
    assert defect.vendor == "telepath" or not good.listed("own")


@pytest.mark.slow
@pytest.mark.parametrize("defect", stateful.DEFECTS, ids=lambda defect: f"{defect.vendor}: {defect.name}")
def test_each_seeded_defect_of_writes_is_judged_again(defect: stateful.Defect) -> None:
    """No finding is said to be gone that is there, or to be there that is gone."""
    states = [outcome.state for outcome in of_writes(defect, defect.server())]
    assert GONE not in states or defect.name in RANDOM
    assert STILL not in [outcome.state for outcome in of_writes(defect, stateful.SERVERS[defect.vendor]())]


def test_nothing_is_written_without_permission() -> None:
    """A finding that needs writes is not replayed, not even its reads."""
    defect = LAWS["update_shows"]
    asked: list[Request] = []

    def target(request: Request) -> Response:
        asked.append(request)
        return Response(200)

    (outcome,) = replayed(defect.vendor, of_stateful(defect), target)
    assert (outcome.state, outcome.reason) == (
        UNKNOWN,
        "it writes, which was not allowed; allow it with --allow-writes",
    )
    assert asked == []


BODY = {
    "name": f"{SENT}1",
    "provider_name": "carrier-kszcbb",
    "domain": "sip-s7xrofeopz6.example.com",
    "username": "user_042lh",
    "password": "0000",
}


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        ([("DELETE", "/sip-trunks/mine", "")], 'the run did not create "mine" in trunks'),
        ([("PUT", "/sip-trunks/mine", '{"name": "x"}')], "its name does not begin with trunkline-check-"),
        ([("POST", "/sip-trunks", json.dumps({**BODY, "name": "x"}))], "its name does not begin with trunkline-check-"),
        ([("POST", "/sip-trunks", json.dumps({**BODY, "domain": "sip.carrier.com"}))], "its domain is none that a "),
        ([("POST", "/nowhere", "{}")], "no documented operation changes one item with it"),
        ([("POST", "/sip-trunks", '{"name": "***"}')], "the body of a request was left out, or a part of it"),
        ([("POST", "/sip-trunks", None)], "the body of a request was left out, or a part of it"),
        ([("POST", "/sip-trunks", '{"password": "${SECRET_1000:3}"}')], "a secret was left out of the body"),
        ([("GET", "/sip-trunks/***", "")], "a secret was left out of the address of a request"),
    ],
)
def test_a_report_cannot_ask_for_anything_else(requests: list[tuple[str, str, str | None]], reason: str) -> None:
    """Whatever a report says, items of others are not touched, and nothing real is dialled."""
    server = stateful.Talkover()
    server.trunks["mine"] = {"id": "mine", "account": "own", "name": "mine"}
    writes: list[Request] = []

    def target(request: Request) -> Response:
        writes.extend([request] if request.method != "GET" else [])
        return server(request)

    report = read_report(written(*requests), "report.json")
    (outcome,) = replayed("talkover", report, target, (stateful.OWN, stateful.SECOND), writes=True)
    assert outcome.state == UNKNOWN
    assert reason in outcome.reason
    assert "bug" not in outcome.reason
    assert (writes, [*server.trunks]) == ([], ["mine"])


def written(*requests: tuple[str, str, str | None], **more: Any) -> bytes:
    """A report with one finding that has these requests."""
    headers = [["authorization", "Bearer $TRUNKLINE_TOKEN"], ["content-type", "application/json"], ["host", "evil"]]
    sent = [{"method": method, "path": path, "body": body, "headers": headers} for method, path, body in requests]
    finding = {"rule": "deleted_is_gone", "operation": "deleteSipTrunk", "grade": "implied", "fails": True}
    finding |= {"message": "m", "at": "status", "contract": "c", "requests": sent, **more}
    return json.dumps({"format": 1, "vendor": "talkover", "findings": [finding]}).encode()


# --- requests -------------------------------------------------------------------------------------------------------


def test_the_requests_are_those_of_the_report() -> None:
    """Method, path, query, headers and body are sent as they were, with the credential of this run."""
    busy = trunks(put("/status", "busy"))
    sent: list[Request] = []
    report = examine(
        "telepath", busy(mock.from_vendor(LOADED["telepath"])), "pages_do_not_overlap", operations=["listTrunks"]
    )
    first = next(finding for finding in report.findings if finding.rule == "body_matches_schema")

    def target(request: Request) -> Response:
        sent.append(request)
        return busy(mock.from_vendor(LOADED["telepath"]))(request)

    replayed("telepath", recorded("telepath", report), target)
    assert replace(sent[0], shown=()) == replace(first.exchanges[0].request, shown=())


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"requests": []}, "the report does not have its requests"),
        ({"operation": "getNothing"}, "talkover has no operation getNothing"),
        (
            {"headers": [["authorization", "Bearer $TRUNKLINE_SECOND_TOKEN"]]},
            "account is not known; give it with --second-token",
        ),
        ({"headers": [["cookie", "$TRUNKLINE_TOKEN"]]}, "the header cookie of a request was left out"),
        ({"headers": [["x-key", "***"]]}, "the header x-key of a request was left out"),
        ({"body": "", "body_base64": "!"}, "the body of a request is not base64"),
        ({"status": 200}, "answered 401 now, and 200 then: check the token"),
    ],
)
def test_what_cannot_be_sent_is_said(edit: Mapping[str, Json], reason: str) -> None:
    """The reason is one sentence."""
    document = json.loads(written(("GET", "/sip-trunks", "")))
    (finding,) = document["findings"]
    for key, value in edit.items():
        (finding if key in ("requests", "operation") else finding["requests"][0])[key] = value
    finding.update(rule="body_matches_schema", at="body/data")
    report = read_report(json.dumps(document).encode(), "report.json")
    connection = Connection(mock.from_vendor(LOADED["talkover"]), "wrong", "http://x", frozenset())
    (outcome,) = Replay(LOADED["talkover"], connection, report, Report()).run()
    assert outcome.state == UNKNOWN
    assert reason in outcome.reason


def test_a_replay_without_a_credential_asks_for_it() -> None:
    """Nothing is sent then."""
    request = SavedRequest("GET", "/trunks", headers=(("authorization", "Bearer $TRUNKLINE_TOKEN"),))
    with pytest.raises(Undecided, match="the credential of the account is not known; give it with --token"):
        headers_of(request, {})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "r.json is not JSON; write a report to replay with --report json=FILE"),
        (b"<html>", "r.json is not JSON"),
        (b"\xff", "r.json is not JSON"),
        (
            b"[" * 100_000,
            "r.json is no report of this version: Expected `object`, got `array`; write one with --report json=FILE",
        ),
        (b'{"format": ' + b"[" * 100_000, "r.json is no report of this version"),
        (b"{}", "r.json is no report of this version: Object missing required field `format`"),
        (b'{"format": 2, "vendor": "x", "findings": []}', r"Invalid enum value 2 - at `\$.format`"),
        (b'{"format": 1, "vendor": "x", "findings": [{"rule": 1}]}', r"at `\$.findings\[0\].rule`"),
    ],
)
def test_what_is_no_report_is_a_mistake(data: bytes, sentence: str) -> None:
    """One sentence names the file and the place."""
    with pytest.raises(UsageError, match=sentence):
        read_report(data, "r.json")
