"""Rules judge a valid response without naming a place in its body, and name the right place in a wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

import pytest

import trunkline
from tests.requests import body_of
from trunkline import mock
from trunkline.check.problem import disputed
from trunkline.check.rules import RULES, judge, secret_values_rule
from trunkline.contract import bodies
from trunkline.contract.model import Contract, List
from trunkline.contract.requests import build_request
from trunkline.contract.schema import Schemas
from trunkline.exchange import Exchange, Request, Response
from trunkline.findings import Evidence, Grade, Report
from trunkline.mock.loader import Vendor

RULES_WITH_SECRETS = (*RULES, secret_values_rule({"a-secret-of-the-fixture": "password"}))


@cache
def load(name: str, trunks: int | None = None) -> Vendor:
    """A vendor, loaded once."""
    return trunkline.load(name, trunks=trunks)


def listed(name: str, *, trunks: int) -> Exchange:
    """The mock's answer with a list of trunks."""
    vendor = load(name, trunks=trunks)
    (operation,) = vendor.contract.of_kind(List, "trunks")
    request = build_request(operation, credential=vendor.world.token)
    return Exchange(request, mock.from_vendor(vendor)(request))


@pytest.mark.parametrize("name", ["telepath", "talkover"])
def test_a_valid_page_is_judged_without_pointers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the walk with places nor the list of violations is needed where nothing is wrong."""
    exchange = listed(name, trunks=10)

    def fail(*_: object) -> NoReturn:
        raise AssertionError("a place was named")

    monkeypatch.setattr(Contract, "walk", fail)
    monkeypatch.setattr(Contract, "violations", fail)
    monkeypatch.setattr(bodies, "all_places", fail)
    (operation,) = load(name).contract.of_kind(List, "trunks")
    assert list(judge(operation, exchange, RULES_WITH_SECRETS)) == []


@pytest.mark.parametrize("trunks", [1, 10])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"id": 7}, {"body_matches_schema"}),
        ({"shoe_size": 43}, {"properties_are_documented"}),
        ({"name": "\ufffd"}, {"text_is_unicode"}),
        ({"name": "half \ud83d"}, {"text_is_unicode"}),
        ({"sip_password": "x"}, {"secrets_stay_hidden"}),
        ({"created_at": "2031-01-01T00:00:00Z", "updated_at": "2030-01-01T00:00:00Z"}, {"times_are_ordered"}),
    ],
)
def test_the_last_item_of_a_page_is_judged_too(trunks: int, change: dict[str, object], found: set[str]) -> None:
    """One change to one item of a valid page leads to one finding, at that item."""
    exchange = listed("telepath", trunks=trunks)
    body = json.loads(exchange.response.body)
    body["trunks"][-1] |= change
    changed = replace(exchange.response, body=json.dumps(body).encode())
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    findings = list(judge(operation, replace(exchange, response=changed), RULES_WITH_SECRETS))
    assert {finding.rule for finding in findings} == found
    assert all(finding.at.startswith(f"body/trunks/{trunks - 1}/") for finding in findings)


@pytest.mark.parametrize(
    ("vendor", "operation_id", "found"),
    [
        ("telepath", "updateTrunk", ["implied"]),
        ("telepath", "createTrunk", []),
        ("talkover", "updateSipTrunk", []),
    ],
)
def test_204_is_no_update_whose_body_a_sample_client_reads(vendor: str, operation_id: str, found: list[str]) -> None:
    """Where no page states the status, 204 is lawful, unless the page's own client reads the body of every success."""
    operation = load(vendor).contract.operation(operation_id)
    exchange = Exchange(Request(operation.method, operation.path), Response(204), frozenset({"status", "body"}))
    assert [str(finding.evidence.grade) for finding in judge(operation, exchange)] == found


@pytest.mark.parametrize(
    ("change", "message", "expected"),
    [
        ({"created_at": "1999-03-05T10:30:00+01:00"}, "is not a date-time in UTC", "a date-time in UTC"),
        (
            {"sip_username": "a b"},
            "is not a text of letters, digits and hyphens",
            "a text of letters, digits and hyphens",
        ),
    ],
)
def test_a_pattern_is_told_in_words(change: dict[str, str], message: str, expected: str) -> None:
    """A finding says what a regular expression of the contract means, and does not show it."""
    exchange = listed("telepath", trunks=1)
    body = json.loads(exchange.response.body)
    body["trunks"][0] |= change
    changed = replace(exchange.response, body=json.dumps(body).encode())
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    (finding,) = judge(operation, replace(exchange, response=changed))
    (value,) = change.values()
    assert (finding.message, finding.expected) == (f"{json.dumps(value)} {message}", expected)


def test_a_time_that_python_has_no_date_for_is_judged() -> None:
    """A leap second and the year 0000 are times like others, and are in order like others."""
    exchange = listed("telepath", trunks=1)
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    leap, next_day = "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"
    for first, then, rules in (
        ("0000-02-29T00:00:00Z", leap, []),
        (leap, next_day, []),
        (next_day, leap, ["times_are_ordered"]),
        ("2017-01-01T00:00:00.0000000002Z", "2017-01-01T00:00:00.0000000001Z", ["times_are_ordered"]),
    ):
        body = json.loads(exchange.response.body)
        body["trunks"][0] |= {"created_at": first, "updated_at": then}
        changed = replace(exchange.response, body=json.dumps(body).encode())
        assert [found.rule for found in judge(operation, replace(exchange, response=changed))] == rules


@pytest.mark.parametrize(
    ("vendor", "operation_id", "body", "fields"),
    [
        ("telepath", "updateTrunk", {"name": "a", "status": "active", "created_at": "x"}, ["created_at", "status"]),
        ("telepath", "updateTrunk", {"name": "a", "colour": "blue"}, []),
        ("talkover", "updateSipTrunk", {"is_verified": True}, ["is_verified"]),
        ("talkover", "updateSipTrunk", {"is_active": True}, []),
        ("talkover", "createSipTrunk", {"is_verified": True}, []),
    ],
)
def test_a_read_only_field_of_an_update_is_noted(
    vendor: str, operation_id: str, body: dict[str, object], fields: list[str]
) -> None:
    """No page says what such an update gets; a success hides the mistake from the client."""
    operation = load(vendor).contract.operation(operation_id)
    sent = build_request(operation, {name.name: "x" for name in operation.path_parameters}, body=body)
    for status, expected in ((200, fields), (422, [])):
        exchange = Exchange(sent, Response(status), frozenset({"request", "status"}))
        notes = [found for found in judge(operation, exchange) if "no input" in found.message]
        assert sorted(found.expected.rpartition(" ")[2] for found in notes) == expected
        assert {str(found.evidence.grade) for found in notes} <= {"customary"}


@pytest.mark.parametrize(("status", "needs_date"), [(200, True), (404, True), (503, False)])
def test_a_missing_date_is_noted_where_the_server_is_known(status: int, needs_date: bool) -> None:
    """An application in the same process has no `Date`, and recordings drop it; a server without a clock sends none."""
    operation = load("telepath").contract.operation("listTrunks")
    dated = (("Date", "Fri, 01 Mar 2024 00:00:00 GMT"),)
    for server, headers, is_noted in ((True, (), needs_date), (True, dated, False), (False, (), False)):
        known = frozenset({"status", "headers", *(["server"] if server else [])})
        exchange = Exchange(Request("GET", "/trunks"), Response(status, headers), known)
        notes = [found for found in judge(operation, exchange) if found.rule == "headers_follow_http"]
        assert [note.at for note in notes] == ["header/date"] * is_noted
        for note in notes:
            assert note.evidence.grade is Grade.CUSTOMARY
            assert note.message == f"a response with status {status} has no Date"
            assert note.expected == "present, unless the server has no clock"


@pytest.mark.parametrize("status", [400, 402, 404, 405, 422, 503])
def test_a_refusal_that_is_flagged_as_success_is_found_with_any_status(status: int) -> None:
    """The flag is documented on both sides, so no status of a refusal makes it lawful."""
    operation = load("talkover").contract.operation("getSipTrunk")
    bodies_ = {b'{"success":true,"message":"no"}': 1, b'{"success":false}': 0, b'{"message":"no"}': 0, b"[true]": 0}
    for body, count in bodies_.items():
        exchange = Exchange(Request("GET", "/sip-trunks/x"), Response(status, (), body), frozenset({"status", "body"}))
        found = [finding for finding in judge(operation, exchange) if finding.rule == "refusal_is_no_success"]
        assert [str(finding.evidence.grade) for finding in found] == ["implied"] * count


def test_a_flag_that_the_schema_refuses_is_one_finding() -> None:
    """The schema of a refusal says `const: false`, for whoever uses it alone; in a check, the rule reports the flag."""
    operation = load("talkover").contract.operation("deleteSipTrunk")
    shown = operation.response_for(409)
    assert shown is not None
    found = {}
    for flag in (True, False, "no"):
        body = {"success": flag, "message": "no", "code": "TRUNK_HAS_DIDS"}
        response = Response(409, (("content-type", "application/json"),), json.dumps(body).encode())
        exchange = Exchange(Request("DELETE", "/sip-trunks/x"), response, frozenset({"status", "body"}))
        assert operation.contract.accepts(shown.schema, body) is (flag is False)
        found[flag] = [finding.rule for finding in judge(operation, exchange)]
    assert found == {True: ["refusal_is_no_success"], False: [], "no": ["body_matches_schema"]}


def test_two_equal_ids_are_found_at_the_second() -> None:
    """The place of the finding is that of the item, also after an item without an id."""
    exchange = listed("telepath", trunks=3)
    body = json.loads(exchange.response.body)
    del body["trunks"][0]["id"]
    body["trunks"][2]["id"] = body["trunks"][1]["id"]
    changed = replace(exchange.response, body=json.dumps(body).encode())
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    findings = judge(operation, replace(exchange, response=changed))
    assert [finding.at for finding in findings if finding.rule == "ids_are_unique"] == ["body/trunks/2/id"]


# --- bounds ---------------------------------------------------------------------------------------------------------


def page(items: list[object]) -> Exchange:
    """A page of trunks of Telepath with these items, as if they were all."""
    exchange = listed("telepath", trunks=1)
    body = {**json.loads(exchange.response.body), "trunks": items, "total": len(items), "limit": len(items)}
    return Exchange(exchange.request, replace(exchange.response, body=json.dumps(body).encode()))


def test_many_wrong_items_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long list the validators get the first wrong items, and the report the number of the others."""
    sizes: list[int] = []

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def count(self: Schemas, place: str, value: object) -> Any:
            sizes.append(len(json.dumps(value)))
            return original(self, place, value)

        return count

    monkeypatch.setattr(Schemas, "errors", counted(Schemas.errors))
    monkeypatch.setattr(Schemas, "second_opinion", counted(Schemas.second_opinion))
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    good = json.loads(listed("telepath", trunks=1).response.body)["trunks"]
    exchange = page([*good, *[{"id": "x", "status": "busy"}] * 3000])
    found = [finding for finding in judge(operation, exchange) if finding.rule == "body_matches_schema"]
    assert {finding.at for finding in found if finding.at.endswith("status")} >= {"body/trunks/1/status"}
    (rest,) = [finding for finding in found if finding.at == "body/trunks"]
    assert rest.message == "2,900 more items of this list are wrong"
    assert rest.evidence.grade in {Grade.DOCUMENTED, Grade.IMPLIED}
    assert len(found) < 500
    assert 0 < max(sizes) < 20_000


@pytest.mark.parametrize("item", [1, None, [1] * 100, {}, {"a": 1}, "text"])
def test_a_long_list_of_anything_is_judged(item: object) -> None:
    """Five thousand wrong items make a few findings, the first of which names the first item."""
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    found = [finding for finding in judge(operation, page([item] * 5_000)) if finding.rule == "body_matches_schema"]
    assert found[0].at.startswith("body/trunks/0")
    assert "4,900 more items of this list are wrong" in [finding.message for finding in found]
    assert len(found) < 2100


def test_long_valid_lists_are_valid() -> None:
    """A list of more items than are described one by one is judged as a whole."""
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    found = list(judge(operation, listed("telepath", trunks=300)))
    assert found == []


@pytest.mark.parametrize(
    ("items", "rule"),
    [
        ([{"id": "same"}] * 1001, "ids_are_unique"),
        ([{f"extra_{number}": 1} for number in range(1000)], "properties_are_documented"),
        ([{"name": "\ufffd"}] * 1000, "text_is_unicode"),
        ([{"sip_password": "x"}] * 1000, "secrets_stay_hidden"),
    ],
)
def test_problems_of_one_kind_are_counted(items: list[object], rule: str) -> None:
    """A thousand problems of one rule are a hundred findings, and one with the number of the others."""
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    found = [finding for finding in judge(operation, page(items)) if finding.rule == rule]
    assert len(found) == 101 + (rule == "properties_are_documented" and found[0].at == "body")
    assert found[-1].count == 900
    report = Report()
    report.extend(found)
    assert sum(finding.count for finding in report.findings) >= 1000


def test_what_no_schema_describes_is_not_given_to_the_validators(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of another operation has large parts that no branch of the schema looks at; errors would copy them."""
    sizes: list[int] = []
    original = Schemas.errors

    def noted(self: Schemas, place: str, value: object) -> Any:
        sizes.append(len(json.dumps(value)))
        return original(self, place, value)

    monkeypatch.setattr(Schemas, "errors", noted)
    operation = load("telepath").contract.operation("getCall")
    shown = page([{"id": "x" * 1000}] * 100)
    found = [finding for finding in judge(operation, shown) if finding.rule == "body_matches_schema"]
    assert "required properties are absent" in found[0].message
    assert 0 < max(sizes) < 200


def test_a_cause_in_a_page_is_one_finding_with_its_count() -> None:
    """The same mistake in each item is described once."""
    (operation,) = load("telepath").contract.of_kind(List, "trunks")
    good = json.loads(listed("telepath", trunks=1).response.body)["trunks"][0]
    items = [{**good, "id": f"conn_{number:012}", "status": "busy"} for number in range(80)]
    (found,) = [finding for finding in judge(operation, page([*items])) if finding.rule == "body_matches_schema"]
    assert (found.at, found.count) == ("body/trunks/0/status", 80)
    assert "counted from here on" not in found.message


@pytest.mark.parametrize(
    ("username", "status", "found"),
    [
        ("a b", 201, [("refuses_invalid", False)]),
        ("north\n", 201, [("refuses_invalid", True)]),
        ("a b", 418, [("refusal_is_documented", False), ("refusal_is_documented", False)]),
        ("north\n", 418, []),
    ],
)
def test_a_request_that_one_validator_accepts_fails_no_run(
    username: str, status: int, found: list[tuple[str, bool]]
) -> None:
    """In Python `$` matches before a last newline, in ECMA 262 it does not. Success for such a body gets a note."""
    operation = load("telepath").contract.operation("createTrunk")
    request = build_request(operation, body={**body_of(operation), "sip_username": username}, credential="sk_1")
    judged = [*judge(operation, Exchange(request, Response(status, (), b"{}")))]
    of_rule = [finding for finding in judged if finding.rule in ("refuses_invalid", "refusal_is_documented")]
    assert [(finding.rule, finding.evidence.grade is Grade.CUSTOMARY) for finding in of_rule] == found
    notes = [finding.message for finding in of_rule if finding.evidence.grade is Grade.CUSTOMARY]
    assert all(message.startswith("jsonschema-rs refuses a request and jsonschema accepts it") for message in notes)


@pytest.mark.parametrize("grade", Grade)
def test_a_disputed_decision_is_still_a_decision(grade: Grade) -> None:
    """Nothing is reported on our own decision, and no run fails where the validators disagree."""
    found = disputed(Evidence(grade, "https://docs.example.com/list")).grade
    assert found is (grade if grade.rank > Grade.CUSTOMARY.rank else Grade.CUSTOMARY)
