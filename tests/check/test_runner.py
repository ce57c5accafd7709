"""Tests of `trunkline.check.runner`: when a check can judge, when it cannot, and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import trunkline
from tests.defects import bodies
from trunkline import mock
from trunkline.check.problem import Problem
from trunkline.check.rules import RULES
from trunkline.check.runner import FUZZ, NOT_ALLOWED, Checker
from trunkline.check.safety import WriteAccess
from trunkline.check.safety.ledger import Ledger
from trunkline.check.stateful.script import script
from trunkline.errors import BudgetExhausted, Redirected, TargetError
from trunkline.exchange import SAFE_METHODS, Exchange, Request, Response, Target
from trunkline.findings import Evidence, Grade, Report
from trunkline.mock.loader import Vendor
from trunkline.transport.targets import budgeted


@pytest.fixture(scope="module")
def telepath() -> Vendor:
    """The vendor that pages its lists."""
    return trunkline.load("telepath")


def check_laws(vendor: Vendor, target: Target, *laws: str, **more: Any) -> Report:
    """The report of a check of the laws alone, all of them unless some are named."""
    checker = Checker(vendor, target, Report(secrets=vendor.secrets), credential=vendor.world.token, **more)
    for operation in vendor.contract.operations:
        for law in checker.laws:
            if law.concerns(operation) and (not laws or law.name in laws):
                checker.check_law(operation, law)
    return checker.report


def test_a_whole_check_of_the_mock_finds_nothing(telepath: Vendor) -> None:
    """Laws and fuzzing are exercised, and lead to no finding and no note."""
    report = Checker(telepath, mock.from_vendor(telepath), credential=telepath.world.token, seed=3, examples=5).run()
    assert report.findings == ()
    assert report.exercised["listTrunks", FUZZ] == ""
    assert str(report) == "no finding"


def test_a_check_notes_which_rules_judged_something(telepath: Vendor) -> None:
    """Each rule that concerns an operation is there, with a reason if no exchange was judged."""
    target = budgeted(mock.from_vendor(telepath), 60)
    report = Checker(telepath, target, credential=telepath.world.token, seed=3, examples=1).run()
    concerned = {rule.name for rule in RULES if rule.concerns(telepath.contract.operation("listTrunks"))}
    assert {name for operation, name in report.rules if operation == "listTrunks"} >= concerned
    assert report.rules["listTrunks", "body_matches_schema"] == ""
    assert report.rules["createTrunk", "body_matches_schema"] == NOT_ALLOWED


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(401, "refuses the credential"), (404, "which ends in /v1")],
    ids=["a refused credential", "a wrong base"],
)
def test_a_refused_probe_ends_the_check(telepath: Vendor, status: int, sentence: str) -> None:
    """When the plain documented request is refused, one sentence says so, with the way out."""
    with pytest.raises(TargetError, match=sentence):
        Checker(telepath, lambda _: Response(status, (), b"{}"), credential="sk_live_something").run()


def test_a_parameter_of_no_item_ends_the_check() -> None:
    """A parameter that names no item is a mistake of the caller, and is reported as such."""
    talkover = trunkline.load("talkover")
    with pytest.raises(TargetError, match="--param"):
        Checker(
            talkover,
            mock.from_vendor(talkover),
            credential=talkover.world.token,
            parameters={"trunk_id": "not-there"},
        ).run()


@pytest.mark.parametrize("name", ["talkover", "telepath"])
def test_a_refused_second_credential_ends_the_check(name: str) -> None:
    """One that is refused in its own account shows nothing about others; one that is accepted is used."""
    vendor = trunkline.load(name)
    writing = WriteAccess(Ledger(), mock.from_vendor(vendor), None)
    checker = Checker(
        vendor,
        mock.from_vendor(vendor),
        credential=vendor.world.token,
        writing=writing,
        second="tok_of_nobody_at_all",
    )
    with pytest.raises(TargetError, match=r"answers the second credential with 401.*--second-token"):
        checker.run()


@pytest.mark.parametrize(("name", "operation"), [("telepath", "getCall"), ("talkover", "getSipTrunk")])
def test_two_accounts_are_compared_without_writing(name: str, operation: str) -> None:
    """With two credentials, each account is asked for what the other one lists; nothing is written."""
    vendor, methods = trunkline.load(name), set()
    good = mock.from_vendor(vendor)
    own = (("authorization", f"Bearer {vendor.world.token}"),)
    second = next(token for token, grant in vendor.world.tokens.items() if grant.account != vendor.world.account)

    def target(request: Request) -> Response:
        methods.add(request.method)
        response = good(request)
        return good(replace(request, headers=own)) if response.status == 404 else response

    def apart(target: Target, second: str | None) -> Report:
        checker = Checker(vendor, target, credential=vendor.world.token, second=second, examples=2)
        return checker.run([operation])

    report = apart(target, second)
    (found,) = (finding for finding in report.findings if finding.rule == "accounts_are_apart")
    assert (found.operation, found.evidence.grade, found.seen) == (operation, Grade.IMPLIED, "200")
    assert "TRUNKLINE_SECOND_TOKEN" in repr(found.exchanges[-1].request.shown)
    assert report.exercised[operation, "accounts_are_apart"] == ""
    assert methods <= set(SAFE_METHODS)
    assert apart(good, second).findings == ()
    assert "--second-token" in apart(good, None).exercised[operation, "accounts_are_apart"]


def test_a_finding_about_a_created_item_shows_its_creation() -> None:
    """The request alone names an id that no longer exists when the finding is read."""
    vendor = trunkline.load("talkover")
    good = mock.from_vendor(vendor)

    def target(request: Request) -> Response:
        response = good(request)
        if request.method == "PUT" and response.status == 200:
            return replace(response, body=b'{"success": true, "data": {"id": 7}}')
        return response

    checker = Checker(
        vendor,
        target,
        credential=vendor.world.token,
        seed=1,
        examples=2,
        writing=WriteAccess(Ledger(), target),
    )
    checker.check_stateful([vendor.contract.operation("updateSipTrunk")])
    report = checker.report
    found = next(finding for finding in report.findings if finding.rule == "body_matches_schema")
    assert [exchange.request.method for exchange in found.exchanges] == ["POST", "PUT"]
    assert '"$BASE/sip-trunks/$ID_1"' in script(vendor.contract, found)


def test_only_a_redirect_of_the_probe_ends_a_check(telepath: Vendor) -> None:
    """Servers may redirect odd requests: such a redirect is a response like any other."""
    plain = mock.from_vendor(telepath)

    def target(request: Request) -> Response:
        if "%" in request.query:
            raise Redirected("example answered 307 to another path", Response(307, (("location", "/v1/trunks"),)))
        return plain(request)

    report = check_laws(telepath, target, examples=3)
    assert report.reach.statuses["listTrunks", 307] > 0
    judged = Report()
    with pytest.raises(Redirected, match="307 to another path"):
        Checker(
            telepath,
            lambda request: target(replace(request, query="%")),
            credential=telepath.world.token,
            report=judged,
        ).run()
    assert judged.findings == (), "what ends a check is no verdict"


def test_an_exchange_of_no_operation_is_listed(telepath: Vendor) -> None:
    """A request that matches no operation is not judged, and the report says so."""
    checker = Checker(telepath, mock.from_vendor(telepath))
    for path in ("/v1beta/trunks", "/trunks/"):
        checker.judge(Exchange(Request("GET", path), Response(200)))
    reason = "no operation of telepath has this path"
    assert checker.report.reading.not_judged == {"GET /v1beta/trunks": reason, "GET /trunks/": reason}
    assert checker.report.findings == ()


@pytest.mark.parametrize("status", [200, 503])
def test_a_body_beyond_our_limits_is_listed_and_is_no_finding(telepath: Vendor, status: int) -> None:
    """Rules that do not need the body judge all the same."""
    checker = Checker(telepath, lambda _: Response(404), Report())
    response = Response(status, (("content-type", "text/plain"),), b"[" * 150 + b"]" * 150)
    checker.judge(Exchange(Request("GET", "/trunks", "limit=1"), response))
    reason = "the body is nested more than 100 levels deep, the limit of trunkline"
    assert checker.report.reading.not_judged == {"GET /trunks?limit=1": reason}
    assert checker.report.reach.statuses == {("listTrunks", status): 1}
    rules = {finding.rule for finding in checker.report.findings}
    assert not rules & {"body_is_json", "body_matches_schema"}
    assert ("media_type_is_json" in rules, "no_server_error" in rules) == (status == 200, status == 503)


def test_a_list_beyond_our_limits_is_said_to_be(telepath: Vendor) -> None:
    """It may have items all the same."""
    response = Response(200, (("content-type", "application/json"),), b"[" * 150 + b"]" * 150)
    checker = Checker(telepath, lambda _: response, Report())
    law = next(law for law in checker.laws if law.name == "pages_leave_no_gap")
    checker.check_law(telepath.contract.operations[0], law)
    reason = "the list cannot be read: the body is nested more than 100 levels deep, the limit of trunkline"
    assert checker.report.exercised["listTrunks", law.name] == reason


def test_a_spent_budget_stops_the_check(telepath: Vendor) -> None:
    """Steps that were not reached are not exercised, and the report says that the run was stopped."""
    target = budgeted(mock.from_vendor(telepath), 20)
    report = Checker(telepath, target, credential=telepath.world.token).run()
    assert "20" in report.stopped
    assert report.requests == 20
    assert all(reason for (_, name), reason in report.exercised.items() if name == FUZZ)


def test_a_law_in_which_the_budget_ends_is_not_exercised(telepath: Vendor) -> None:
    """The report gives the budget as the reason."""
    checker = Checker(telepath, budgeted(mock.from_vendor(telepath), 1), Report(), credential=telepath.world.token)
    operation = telepath.contract.operations[0]
    law = next(law for law in checker.laws if law.name == "same_request_same_response")
    with pytest.raises(BudgetExhausted):
        checker.check_law(operation, law)
    assert checker.report.exercised[operation.operation_id, law.name]


def test_one_cause_is_one_finding(telepath: Vendor) -> None:
    """A mistake in every item of every page is one finding with a count, and absent properties are named together."""

    def edit(body: Any) -> None:
        for item in body.get("trunks", ()):
            del item["name"], item["status"], item["sip_username"]
            item.update(extra=1, more=2)

    report = check_laws(telepath, bodies(edit)(mock.from_vendor(telepath)), examples=3)
    by_rule = {found.rule: found for found in report.findings}
    assert len(by_rule) == len(report.findings) == 2
    missing = by_rule["body_matches_schema"]
    assert "3 required properties are absent: name, status, sip_username" in missing.message
    assert missing.count > 100
    assert by_rule["properties_are_documented"].evidence.grade is Grade.CUSTOMARY
    assert "body_matches_schema listTrunks at body/trunks/" in str(report)


def test_a_report_shows_no_secret(telepath: Vendor) -> None:
    """Neither the text nor the repr of a report contains a credential, in whole or in part."""
    token = telepath.world.token
    report = check_laws(
        telepath,
        bodies(lambda body: body.update(debug=token[:-2]))(mock.from_vendor(telepath)),
        "same_request_same_response",
    )
    assert report.findings
    assert token[:-2] not in str(report)
    assert token[:-2] not in repr(report)


def test_a_reset_in_seconds_is_not_a_unix_time(telepath: Vendor) -> None:
    """The page says that the reset is a Unix time: seconds to wait, milliseconds, words and no value are findings."""
    plain = mock.from_vendor(telepath)
    for value in ("60", "2592000", "soon", "", "1795846580000"):

        def target(request: Request, value: str = value) -> Response:
            response = plain(request)
            kept = tuple(pair for pair in response.headers if pair[0] != "x-ratelimit-reset")
            return replace(response, headers=(*kept, ("x-ratelimit-reset", value)))

        report = check_laws(telepath, target, "same_request_same_response")
        assert {found.rule for found in report.failures()} == {"rate_limit_is_reported"}


def test_a_filtered_list_of_many_pages_is_judged() -> None:
    """The laws of filters and pages are exercised on it too, and find nothing."""
    vendor = trunkline.load("telepath", trunks=1000)
    laws = ("filter_keeps_all_that_match", "filter_comes_before_paging", "pages_leave_no_gap")
    report = check_laws(vendor, mock.from_vendor(vendor), *laws, seed=1, examples=1)
    assert report.exercised["listTrunks", "filter_comes_before_paging"] == ""
    assert report.findings == ()


def test_a_simple_made_up_secret_does_not_hide_ids(telepath: Vendor) -> None:
    """The created items must be readable, so that they can be deleted by hand."""
    checker = Checker(telepath, mock.from_vendor(telepath), credential=telepath.world.token)
    operation = telepath.contract.operation("createTrunk")
    for secret in ("00000000", "Zq8-made-up"):
        request = Request("POST", "/trunks", "", (), json.dumps({"sip_password": secret}).encode())
        evidence = Evidence(Grade.DOCUMENTED, "https://docs.example")
        problem = Problem("a finding", evidence, secret, exchanges=(Exchange(request, Response(500)),))
        checker.add(problem.finding("a_rule", operation))
    assert checker.report.redact("conn_000000001 Zq8-made-up") == "conn_000000001 ***"
