"""Drift: what a profile keeps of exchanges, how it differs from the contract or an older one, and the patch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.requests import request_of
from trunkline import mock
from trunkline.check.drift import CHANGE_KINDS, Change, Drift, Patch, Profile, drift, profile
from trunkline.contract.loader import read_contract
from trunkline.errors import DataError
from trunkline.exchange import Exchange, Json, Request, Response
from trunkline.findings import Evidence, Finding, Grade, Report
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.traffic.drift import patch_of

ROOT = Path(__file__).parents[3]
TELEPATH = loader.load("telepath")
CANARY = "canary-4711-sesame"
Edit = Callable[[Json], object]


def exchange(
    edit: Edit = lambda _: None,
    *,
    operation: str = "listTrunks",
    query: str = "limit=10",
    status: int | None = None,
    fields: tuple[tuple[str, str], ...] = (),
    vendor: Vendor = TELEPATH,
) -> Exchange:
    """An exchange with the mock, whose answer was edited."""
    request = request_of(vendor, vendor.contract.operation(operation), query=query)
    answer = mock.from_vendor(vendor)(request)
    body = json.loads(answer.body)
    edit(body)
    headers = tuple(field for field in answer.headers if field[0] != "content-length")
    return Exchange(request, Response(status or answer.status, (*headers, *fields), json.dumps(body).encode()))


def profiled(*exchanges: Exchange, vendor: Vendor = TELEPATH, operation: str = "listTrunks") -> Profile:
    """The profile of some exchanges, a day apart."""
    found = Profile(vendor)
    for day, one in enumerate(exchanges):
        found.observe(vendor.contract.operation(operation), one, 86_400.0 * day, f"session.har#/{day}")
    return found


def drifted(*exchanges: Exchange, operation: str = "listTrunks") -> Drift:
    """How the API of some exchanges differs from the contract."""
    return drift(profiled(*exchanges, operation=operation))


def the_only(found: Drift) -> Change:
    [change] = found.changes
    return change


def first(name: str, value: Json) -> Edit:
    """An edit of a property of the first trunk."""
    return lambda body: body["trunks"][0].__setitem__(name, value)


# --- kinds ----------------------------------------------------------------------------------------------------------


def test_the_document_has_the_table() -> None:
    """docs/drift.md lists each kind, with its statement and whether it breaks a client."""
    text = (ROOT / "docs" / "drift.md").read_text("utf-8")
    lines = [
        f"| `{name}` | {'yes' if kind.breaks else 'no'} | {kind.statement} |" for name, kind in CHANGE_KINDS.items()
    ]
    assert [line for line in lines if line not in text] == [], "\n".join(lines)


def test_the_mock_does_not_drift() -> None:
    """The answers of a mock are those of its contract, refusals included."""
    for vendor in (TELEPATH, loader.load("talkover")):
        profile = Profile(vendor)
        for operation in vendor.contract.operations:
            request = request_of(vendor, operation)
            for asked in (request, Request(request.method, request.path)):
                answer = mock.from_vendor(vendor)(asked)
                profile.observe(operation, Exchange(asked, answer))
        assert [change.cause for change in drift(profile).changes] == []


CHANGES: dict[str, tuple[Exchange, str, str, bool]] = {
    "missing": (exchange(lambda body: body["trunks"][0].pop("name")), "property_missing", "body/trunks/*/name", True),
    "null": (exchange(first("name", None)), "null", "body/trunks/*/name", True),
    "type": (exchange(first("name", 7)), "type", "body/trunks/*/name", True),
    "value": (exchange(first("status", "busy")), "value", "body/trunks/*/status", True),
    "format": (exchange(first("created_at", "yesterday")), "format", "body/trunks/*/created_at", True),
    "range": (exchange(lambda body: body["pagination"].update(limit=500)), "range", "body/pagination/limit", True),
    "status": (exchange(status=206), "status", "status", True),
    "property": (exchange(first("region", "eu")), "property", "body/trunks/*/region", False),
    "header": (exchange(fields=(("x-region", "eu"),)), "header", "header/x-region", False),
    "parameter": (exchange(query="page=2"), "parameter", "query/page", False),
    "error status": (exchange(status=503), "error_status", "status", False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_difference_has_its_kind_and_place(name: str) -> None:
    """With the contract's own place, and whether it breaks a client."""
    seen, kind, at, breaks = CHANGES[name]
    change = the_only(drifted(seen))
    assert (change.cause.operation, change.cause.kind, change.cause.at, change.breaks) == (
        "listTrunks",
        kind,
        at,
        breaks,
    )
    assert change.deviation.contract.startswith("schemas/telepath/")
    assert (change.deviation.count, change.deviation.first, change.deviation.source) == (1, 0.0, "session.har#/0")


def test_a_body_that_is_not_json_breaks_a_client() -> None:
    """A page of a gateway, for example."""
    answer = exchange()
    page = Exchange(answer.request, Response(200, answer.response.headers, b"<html>"))
    assert the_only(drifted(page)).cause.kind == "not_json"


def test_a_body_beyond_our_limits_is_no_drift() -> None:
    """It may be JSON, which trunkline cannot tell."""
    answer = exchange()
    deep = Exchange(answer.request, Response(200, answer.response.headers, b"[" * 150 + b"]" * 150))
    assert drifted(deep).changes == ()


def test_codes_of_errors_are_compared() -> None:
    """A code that is not listed for its status breaks a client that looks at it."""
    wrong = exchange(lambda body: body["error"].update(code="ODD"), query="limit=0")
    change = the_only(drifted(wrong))
    assert (change.cause.kind, change.cause.detail, change.cause.at, change.breaks) == (
        "code",
        "ODD",
        "body/error/code",
        True,
    )
    unlisted = exchange(lambda body: body["error"].update(code="ODD"), query="limit=0", status=503)
    kinds = [(change.cause.kind, change.breaks) for change in drifted(unlisted).changes]
    assert kinds == [("error_status", False), ("error_code", False)]


def test_a_secret_that_is_shown_breaks_the_contract() -> None:
    """It is not in the patch, and its value is nowhere."""
    found = drifted(exchange(first("openai_api_key", CANARY)))
    change = the_only(found)
    assert (change.cause.kind, change.deviation.example, change.breaks) == ("secret", "***", True)
    assert patch_of(found).omitted == (change,)


def test_requests_are_compared_too() -> None:
    """A value that must be refused is answered with success, and one within the bounds is refused."""
    success = exchange().response
    lax = Exchange(request_of(TELEPATH, TELEPATH.contract.operation("listTrunks"), query="limit=500"), success)
    change = the_only(drifted(lax))
    assert (change.cause.kind, change.cause.at, change.deviation.example) == (
        "parameter_value",
        "query/limit",
        "limit=500",
    )
    refused = exchange(query="limit=0").response
    strict = Exchange(request_of(TELEPATH, TELEPATH.contract.operation("listTrunks"), query="limit=50"), refused)
    change = the_only(drifted(strict))
    assert (change.cause.kind, change.cause.at, change.breaks) == ("parameter_refused", "query/limit", True)


def test_headers_of_the_rate_limit_are_expected() -> None:
    """Of those vendors whose pages have them."""
    vendor = loader.load("talkover")
    answer = exchange(operation="listSipTrunks", query="", vendor=vendor)
    kept = tuple(field for field in answer.response.headers if field[0] != "x-ratelimit-reset")
    bare = Exchange(answer.request, Response(200, kept, answer.response.body))
    change = the_only(drift(profiled(bare, vendor=vendor, operation="listSipTrunks")))
    assert (change.cause.kind, change.cause.at) == ("rate_limit", "header/x-ratelimit-reset")


# --- profiles -------------------------------------------------------------------------------------------------------


def test_a_difference_is_counted_and_dated() -> None:
    """The same in several items and responses is one difference, with its first example."""

    def both(body: Json) -> None:
        body["trunks"][0]["region"], body["trunks"][1]["region"] = "eu", "us"

    change = the_only(drifted(exchange(both), exchange(), exchange(first("region", "ap"))))
    assert (change.deviation.count, change.deviation.first, change.deviation.last, change.deviation.example) == (
        3,
        0.0,
        172_800.0,
        '"eu"',
    )


def test_all_that_one_value_breaks_is_one_difference() -> None:
    """Null in the place of a listed word breaks its type and its list."""
    change = the_only(drifted(exchange(first("status", None))))
    assert change.cause.kind == "null"
    assert {reference.rpartition("/")[2] for reference in change.deviation.breaks} == {"type", "enum"}


def test_documented_properties_that_never_occur_are_listed() -> None:
    """They may be missing, so they are no change; an operation that is not asked is listed too."""

    def strip(body: Json) -> None:
        for call in body["calls"]:
            call.pop("end_time", None)

    found = drifted(exchange(strip, operation="listCalls", query=""), operation="listCalls")
    required = {change.cause.at for change in found.changes}
    assert {place.at for *_, place in found.unseen} | required >= {"body/calls/*/end_time"}
    assert "listTrunks" in found.unasked


def test_a_profile_is_bounded() -> None:
    """Of very many names and words at one place, fifty are told apart, and the others are counted."""

    def many(number: int) -> Edit:
        def edit(body: Json) -> None:
            body["trunks"][0]["status"] = f"word {number}"
            body["trunks"][0] |= {f"name {number} {index}": 1 for index in range(20)}

        return edit

    found = drifted(*(exchange(many(number)) for number in range(60)))
    by_kind = {
        kind: [change for change in found.changes if change.cause.kind == kind] for kind in ("value", "property")
    }
    assert {kind: len(changes) for kind, changes in by_kind.items()} == {"value": 51, "property": 51}
    assert max(change.deviation.count for change in by_kind["property"]) == 60 * 20 - 50
    [others] = [change for change in by_kind["value"] if change.deviation.count == 10]
    assert others.message.endswith("; others like it are only counted from here on")


def test_a_response_is_searched_for_secrets_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many differences it has: a long one takes a while to search."""
    searched: list[bytes] = []

    def search(message: Request, _: object) -> set[str]:
        searched.append(message.body)
        return set()

    monkeypatch.setattr(profile, "secrets_in_request", search)
    given = exchange(lambda body: body["trunks"][0].update({f"name {number}": number for number in range(20)}))
    assert len(drifted(given).changes) == 20
    assert searched.count(given.response.body) == 1


def test_what_is_only_a_decision_breaks_no_client() -> None:
    """Nobody can rely on what no page says."""
    change = the_only(drifted(exchange(first("status", "busy"))))
    change.deviation.evidence = Evidence(Grade.OBSERVED, note="seen")
    assert not change.breaks


@pytest.mark.parametrize("place", ["name", "value", "header", "query", "request", "extra", "sibling"])
def test_no_secret_is_kept(place: str) -> None:
    """Neither one under the name of a credential, nor one that another part of the exchange shows to be one."""
    edits: dict[str, Edit] = {
        "name": first("api_key", CANARY),
        "value": lambda body: body["trunks"][0].update(auth_token=CANARY, region=f"it is {CANARY}"),
        "extra": first("extra", [{"client_secret": CANARY}, {"note": "x"}]),
        "sibling": lambda body: body["trunks"][0].update(password=CANARY, status=CANARY),
        "request": first("region", f"with {CANARY}"),
    }
    fields = {"header": (("x-api-token", CANARY), ("x-region", f"token={CANARY}"))}.get(place, ())
    query = f"api_key={CANARY}" if place == "query" else "limit=10"
    seen = exchange(edits.get(place, lambda _: None), query=query, fields=fields)
    if place == "request":
        sent = (*seen.request.headers, ("x-api-key", CANARY))
        seen = Exchange(Request("GET", seen.request.path, "", sent), seen.response)
    profile = profiled(seen)
    found = drift(profile)
    assert found.changes
    texts = [
        text
        for change in found.changes
        for text in (*change.cause, change.deviation.example, change.deviation.expected)
    ]
    assert not any(CANARY in text for text in texts)
    assert CANARY not in patch_of(found).diff("schemas/telepath")


# --- an older recording ---------------------------------------------------------------------------------------------


def test_two_recordings_are_compared() -> None:
    """A difference of one of them is new or gone; one that both have from the contract is none."""
    both = first("region", "eu")

    def old(body: Json) -> None:
        both(body)
        body["trunks"][0]["zone"] = 1
        for trunk in body["trunks"]:
            trunk["description"] = "x"

    def new(body: Json) -> None:
        both(body)
        body["trunks"][0]["status"] = "busy"
        body["trunks"][1]["fresh"] = True

    found = drift(profiled(exchange(new)), profiled(exchange(old)))
    kinds = {(change.cause.kind, change.cause.at.rpartition("/")[2], change.breaks) for change in found.changes}
    assert {("property_gone", "zone", True), ("value", "status", True), ("property", "fresh", False)} <= kinds
    assert not any(name == "region" for _, name, _ in kinds)
    assert [*drift(profiled(exchange(old)), profiled(exchange(old))).changes] == []


def test_what_could_not_show_is_not_gone() -> None:
    """A property of trunks is not gone from a recording without trunks, nor a header from one without responses."""
    older = profiled(exchange(first("zone", 1), fields=(("x-region", "eu"),)))
    assert (
        drift(profiled(exchange(lambda body: body.update(trunks=[]), fields=(("x-region", "eu"),))), older).changes
        == ()
    )
    [gone] = drift(profiled(exchange(lambda body: body.update(trunks=[]))), older).changes
    assert gone.cause.kind == "header_gone"


def test_a_type_that_the_older_recording_never_has_is_new() -> None:
    """Although the contract allows null there, a client of this API has never met it."""

    def calls(end: Json) -> Profile:
        def edit(body: Json) -> None:
            for call in body["calls"]:
                call["end_time"] = end

        return profiled(exchange(edit, operation="listCalls", query=""), operation="listCalls")

    found = drift(calls(None), calls("2026-11-28T10:00:00Z"))
    [change] = [change for change in found.changes if change.cause.kind == "null"]
    assert (change.cause.at, change.deviation.expected) == ("body/calls/*/end_time", "string")
    assert change.breaks


def test_a_whole_number_is_no_other_type_where_the_older_recording_has_fractions() -> None:
    """A rate of 98.5 then and of 98 now is one type in JSON; a fraction where all were whole is new."""

    def rates(rate: float) -> Profile:
        def edit(body: Json) -> None:
            for trunk in body["trunks"]:
                trunk["metrics"]["success_rate"] = rate

        return profiled(exchange(edit))

    assert drift(rates(98), rates(98.5)).changes == ()
    assert [change.cause.detail for change in drift(rates(98.5), rates(98)).changes] == ["number"]


# --- the patch ------------------------------------------------------------------------------------------------------


def everything(body: Json) -> None:
    """Edits a list of trunks in every way that a patch can express."""
    trunks = body["trunks"]
    trunks[0] |= {"status": "busy", "name": None, "region": "eu", "score": 1, "api_key": "x"}
    trunks[1] |= {"status": None, "region": None, "score": 1.5, "created_at": "yesterday", "nested": {"a": 1}}
    trunks[2] |= {"status": "on hold", "ai_provider": 0}
    trunks[3] |= {"ai_provider": False}
    del trunks[2]["sip_username"]
    trunks[0]["metrics"]["calls_today"] = -3
    body["pagination"]["limit"] = 500


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """A vendor of one's own, with the data of a shipped one."""
    for kind in ("schemas", "fixtures"):
        shutil.copytree(ROOT / kind / "telepath", tmp_path / kind / "sample")
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    return loader.load("sample")


def test_after_the_patch_nothing_is_new(sample: Vendor, tmp_path: Path) -> None:
    """The patched files load and pass the lint, and allow all that was observed."""
    refused = exchange(lambda body: body["error"].update(code="ODD"), query="limit=0")
    seen = (
        exchange(everything, fields=(("x-region", "eu"),), query="page=2"),
        refused,
        exchange(status=206),
        exchange(status=503),
    )
    found = drift(profiled(*seen, vendor=sample))
    patch = patch_of(found)
    assert patch.omitted == ()
    for name, text in patch.after.items():
        (tmp_path / "schemas" / "sample" / name).write_text(text, "utf-8")
    assert [change.cause for change in drift(profiled(*seen, vendor=loader.load("sample"))).changes] == []


def test_additions_are_marked_as_observed(sample: Vendor, tmp_path: Path) -> None:
    """With the date and the count, and never as documented; what a page said stays as it is."""
    found = drift(profiled(exchange(everything), exchange(everything), vendor=sample))
    trunk = json.loads(patch_of(found).after["trunk.json"])
    region, status = trunk["properties"]["region"], trunk["properties"]["status"]
    note = "observed 4 times from 1970-01-01 to 1970-01-02; no page says it"
    assert region == {
        "type": ["string", "null"],
        "x-trunkline": {"evidence": {"grade": "observed", "note": note, "read": "1970-01-02"}},
    }
    assert trunk["properties"]["score"]["type"] == "number"
    assert status["enum"] == ["active", "inactive", "error", None, "busy", "on hold"]
    evidence = status["x-trunkline"]["evidence"]
    assert (evidence["grade"], evidence["keywords"]["enum"]["grade"]) == ("documented", "observed")
    assert '"busy" was observed' in evidence["keywords"]["enum"]["note"]
    assert "sip_username" not in trunk["required"]
    assert "its absence was observed" in trunk["properties"]["sip_username"]["x-trunkline"]["evidence"]["note"]
    created = trunk["properties"]["created_at"]
    assert "format" not in created
    assert 'another format than "date-time"' in created["x-trunkline"]["evidence"]["note"]


def test_a_property_of_a_shared_schema_has_the_types_of_all(sample: Vendor) -> None:
    """Two operations with one error body, for example: an addition for one allows what the other shows."""
    profile = Profile(sample)
    for operation, query, value in (
        ("listTrunks", "limit=0", "x"),
        ("listCalls", "limit=0", 1),
        ("listCalls", "limit=0", 1.5),
    ):
        refused = exchange(lambda body, value=value: body["error"].update(hint=value), operation=operation, query=query)  # type: ignore[misc]  # mypy does not infer it
        profile.observe(sample.contract.operation(operation), refused)
    error = json.loads(patch_of(drift(profile)).after["error.json"])
    assert error["properties"]["error"]["properties"]["hint"]["type"] == ["string", "number"]


def test_a_format_is_dropped_whatever_the_text_is(sample: Vendor) -> None:
    """A very long text, too."""
    patch = patch_of(drift(profiled(exchange(first("created_at", "x" * 1000)), vendor=sample)))
    assert patch.omitted == ()
    assert "format" not in json.loads(patch.after["trunk.json"])["properties"]["created_at"]


def test_what_the_data_can_not_express_is_left(sample: Vendor) -> None:
    """A header whose name HTTP does not allow, and a name that has a meaning in a schema."""
    odd = exchange(
        lambda body: body["trunks"][0].update({"$ref": 1, "x": 1}), fields=(("x region", "eu"), ("x-zone", "1"))
    )
    patch = patch_of(drift(profiled(odd, vendor=sample)))
    assert {change.cause.at for change in patch.omitted} == {"header/x region", "body/trunks/*/$ref"}
    assert '"x-zone"' in patch.after["openapi.json"]


def test_headers_of_responses_that_no_page_describes_are_no_drift(sample: Vendor, tmp_path: Path) -> None:
    """Neither before nor after their status was added."""
    seen = exchange(status=503, fields=(("x-zone", "1"),))
    found = drift(profiled(seen, vendor=sample))
    assert [change.cause.kind for change in found.changes] == ["error_status"]
    for name, text in patch_of(found).after.items():
        (tmp_path / "schemas" / "sample" / name).write_text(text, "utf-8")
    assert drift(profiled(seen, vendor=loader.load("sample"))).changes == ()


def test_no_finding_rests_on_what_was_observed() -> None:
    """A report drops it, as it drops what rests on a decision."""
    report = Report()
    assert not report.add(Finding("body_matches_schema", "listTrunks", Evidence(Grade.OBSERVED, note="seen"), "wrong"))
    assert report.findings == ()


def test_a_change_that_keeps_the_data_from_loading_is_left_out(sample: Vendor) -> None:
    """The others are in the patch all the same."""
    found = drift(profiled(exchange(everything), vendor=sample))
    texts = {
        name: (Path(str(ROOT / "schemas" / "telepath")) / name).read_text("utf-8") for name in sample.contract.files
    }

    def accepts(after: Any) -> None:
        if '"region"' in after["trunk.json"]:
            raise DataError("trunk.json", "", "no")

    patch = Patch.of(found, texts, accepts, "2026-11-28")
    assert [change.cause.at for change in patch.omitted] == ["body/trunks/*/region"]
    assert '"busy"' in patch.after["trunk.json"]


def test_the_contract_of_the_patch_is_read_as_any_other(sample: Vendor, tmp_path: Path) -> None:
    """A code of an unknown cause, and a new parameter, are compiled."""
    refused = exchange(lambda body: body["error"].update(code="ODD"), query="limit=0")
    patch = patch_of(drift(profiled(refused, exchange(query="page=2"), vendor=sample)))
    folder = tmp_path / "schemas" / "sample"
    for name, text in patch.after.items():
        (folder / name).write_text(text, "utf-8")
    operation = read_contract(folder, "sample").operation("listTrunks")
    assert operation.responses["400"].codes["ODD"].grade is Grade.OBSERVED
    assert operation.parameter("page").evidence.grade is Grade.OBSERVED


@pytest.mark.slow
def test_the_files_are_copied_once_for_all_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many changes there are. One that cannot be written whole is left out, and costs one more copy."""
    copies = list[object]()

    def copied(value: dict[str, Json]) -> dict[str, Json]:
        copies.append(value)
        return deepcopy(value)

    monkeypatch.setattr("trunkline.check.drift.patch.deepcopy", copied)
    fields = tuple((f"x-{number}", "1") for number in range(20))
    written = patch_of(drifted(exchange(fields=fields)))
    assert (len(copies), written.omitted) == (1, ())
    partly = patch_of(drifted(exchange(first("name", ["x"]), fields=fields)))
    assert len(copies) <= 3
    assert '"x-19"' in partly.after["openapi.json"]
