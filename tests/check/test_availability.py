"""Partial implementations: what is missing is named and left out, what is there is judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import trunkline
from trunkline import mock
from trunkline.check.availability import COMPLETENESS, DOUBTED_REASON, MISSING_REASON
from trunkline.check.runner import FUZZ, Checker
from trunkline.check.safety import WriteAccess
from trunkline.check.safety.ledger import Ledger
from trunkline.contract.model import List
from trunkline.errors import TargetError
from trunkline.exchange import Request, Response, Target
from trunkline.findings import Grade, Report
from trunkline.mock.loader import Vendor
from trunkline.report.run import RunInfo, shortfall

JSON = (("content-type", "application/json"),)
REFUSALS: dict[str, Callable[[Request], Response]] = {
    "fastapi": lambda _: Response(404, JSON, b'{"detail":"Not Found"}'),
    "own words": lambda _: Response(404, JSON, b'{"error":{"code":"NOT_FOUND","message":"There is no such path"}}'),
    "with the path": lambda request: Response(404, (), f"Cannot {request.method} /v1{request.path} (12:07)".encode()),
    "405": lambda _: Response(405, (*JSON, ("allow", "PATCH")), b"{}"),
    "501": lambda _: Response(501, (), b""),
}


def partial(
    vendor: Vendor, missing: set[str], refuse: Callable[[Request], Response], *, is_empty: bool = False
) -> Target:
    """The mock without some operations, and if asked for, without items."""
    good = mock.from_vendor(vendor)
    for resource in [listing.resource for listing in vendor.contract.of_kind(List)] if is_empty else []:
        good.records(resource).clear()

    def target(request: Request) -> Response:
        operations, _ = vendor.contract.match(request.path)
        present = [operation for operation in operations if operation.operation_id not in missing]
        asked = [operation for operation in operations if operation.method == request.method]
        return good(request) if present and not {*asked} - {*present} else refuse(request)

    return target


def empty(vendor: Vendor, missing: set[str]) -> Target:
    """The same, with an account that has no items."""
    return partial(vendor, missing, REFUSALS["fastapi"], is_empty=True)


def all_but(vendor: Vendor, *names: str) -> set[str]:
    return {operation.operation_id for operation in vendor.contract.operations} - {*names}


def checked(vendor: Vendor, target: Target, *, writes: bool = False, leave: int | None = None, **more: Any) -> Report:
    """The report of a whole check."""
    writing = WriteAccess(Ledger(), target, leave) if writes else None
    operations = more.pop("operations", None)
    return Checker(vendor, target, credential=vendor.world.token, seed=1, examples=2, writing=writing, **more).run(
        operations
    )


@pytest.mark.slow_for("own words", "405", "501")
@pytest.mark.parametrize("refusal", REFUSALS)
def test_missing_operations_are_named_and_the_others_are_judged(refusal: str) -> None:
    """However the server says that there is no such path, nothing about the missing operations is judged."""
    vendor = trunkline.load("telepath")
    report = checked(vendor, partial(vendor, all_but(vendor, "listTrunks"), REFUSALS[refusal]))
    assert sorted(report.not_implemented) == ["getCall", "listCalls"]
    assert report.findings == ()
    assert report.exercised["listTrunks", FUZZ] == ""
    reasons = {reason for (name, _), reason in report.exercised.items() if name in report.not_implemented}
    assert reasons == {MISSING_REASON}
    assert {name for name, _ in report.reach.statuses} == {"listTrunks"}


@pytest.mark.slow
def test_a_missing_fetch_is_told_from_an_unknown_id() -> None:
    """A 404 in the words for any path is about the path; a 404 in other words is about the item, and is a finding."""
    vendor = trunkline.load("talkover")
    known = {"trunk_id": "trunk-uuid-1"}
    report = checked(vendor, partial(vendor, {"getSipTrunk"}, REFUSALS["fastapi"]))
    assert [*report.not_implemented] == ["getSipTrunk"]
    assert report.findings == ()
    body = b'{"success":false,"message":"SIP trunk not found","code":"TRUNK_NOT_FOUND"}'
    lost = partial(
        vendor, {"getSipTrunk"}, lambda request: Response(404, JSON, b"" if "no-such" in request.path else body)
    )
    report = checked(vendor, lost)
    assert report.not_implemented == {}
    assert "known_id_is_answered" in {finding.rule for finding in report.failures()}
    report = checked(vendor, partial(vendor, {"getSipTrunk"}, REFUSALS["fastapi"]), parameters=known)
    assert [*report.not_implemented] == ["getSipTrunk"], "other operations show that the given id exists"


@pytest.mark.slow
def test_a_fetch_without_its_list_needs_an_id() -> None:
    """Its 404 for an unknown id has other words than that for any path, so it is there: a line says what to give."""
    vendor = trunkline.load("telepath")
    report = checked(vendor, partial(vendor, {"listCalls"}, REFUSALS["fastapi"]))
    assert [*report.not_implemented] == ["listCalls"]
    reason = "listCalls, which lists its id, is not implemented; give one with --param id=..."
    assert report.unasked == {"getCall": reason}
    alone = partial(vendor, all_but(vendor, "getCall"), REFUSALS["fastapi"])
    with pytest.raises(TargetError, match="no success of getCall can be seen: listCalls, which lists its id"):
        checked(vendor, alone)
    identity = mock.from_vendor(vendor).snapshot("calls")[0]["id"]
    report = checked(vendor, alone, parameters={"id": str(identity)})
    assert (sorted(report.not_implemented), report.findings) == (["listCalls", "listTrunks"], ())
    assert report.reach.statuses["getCall", 200] > 0


@pytest.mark.slow_for("talkover")
@pytest.mark.parametrize("name", ["telepath", "talkover"])
def test_an_empty_account_lacks_nothing_that_answers(name: str) -> None:
    """A 404 in words of its own shows that the path exists; what has no item to be asked about is listed."""
    vendor = trunkline.load(name)
    target = empty(vendor, set())
    report = checked(vendor, target)
    assert (report.not_implemented, report.findings) == ({}, ())
    unasked = {"telepath": "getCall", "talkover": "getSipTrunk"}[name]
    assert report.unasked[unasked].startswith("the account has no ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "missing"),
    [("telepath", {"getCall"}), ("talkover", {"getSipTrunk", "getSipTrunkHealth", "listSipTrunkDids"})],
)
def test_an_empty_account_shows_what_is_missing(name: str, missing: set[str]) -> None:
    """An unknown id is then asked for: an answer like that to any unknown path is not blamed; it is no certainty."""
    vendor = trunkline.load(name)
    report = checked(vendor, empty(vendor, missing))
    assert ({*report.not_implemented}, report.findings, report.unasked) == (missing, (), {})
    assert {reason for (name, _), reason in report.exercised.items() if name in missing} == {MISSING_REASON}
    report = checked(vendor, empty(vendor, missing), complete=True)
    assert (report.not_implemented, report.findings) == ({}, ())
    assert report.unasked == dict.fromkeys(missing, DOUBTED_REASON)
    assert {report.exercised[name, FUZZ] for name in missing} == {DOUBTED_REASON}


@pytest.mark.slow
@pytest.mark.parametrize("missing", [set(), {"getSipTrunk"}, {"getSipTrunk", "createSipTrunk"}])
def test_a_created_item_shows_what_is_missing(missing: set[str]) -> None:
    """Even if the server has one answer for unknown ids and unknown paths."""
    vendor = trunkline.load("talkover")
    generic = empty(vendor, missing)

    def target(request: Request) -> Response:
        response = generic(request)
        return REFUSALS["fastapi"](request) if response.status == 404 else response

    report = checked(vendor, target, writes=True)
    assert missing <= {*report.not_implemented}
    assert ("getSipTrunk" in report.not_implemented) == bool(missing)
    assert report.exercised["createSipTrunk", "created_is_found"] == "" or missing
    assert "created_is_found" not in {finding.rule for finding in report.findings}
    certain = {*checked(vendor, target, writes=True, complete=True).not_implemented}
    assert certain >= missing - ({"getSipTrunk"} if "createSipTrunk" in missing else set())


@pytest.mark.slow_for("405", "501", "missing1", "missing2", "missing3", "missing4")
@pytest.mark.parametrize("refusal", ["fastapi", "405", "501"])
@pytest.mark.parametrize(
    ("name", "missing", "unasked", "deletes"),
    [
        ("telepath", {"createTrunk"}, {"updateTrunk"}, False),
        ("telepath", {"updateTrunk"}, set(), False),
        ("talkover", {"getSipTrunk"}, set(), True),
        ("talkover", {"createSipTrunkDid", "listSipTrunkDids"}, {"deleteSipTrunkDid"}, True),
        ("talkover", {"verifySipTrunk"}, set(), True),
    ],
)
def test_missing_writes_are_left_out(
    name: str, missing: set[str], unasked: set[str], deletes: bool, refusal: str
) -> None:
    """The stateful check begins again without them; everything is deleted, and nothing is blamed on the vendor.

    The mock ignores a read-only field of an update, which is noted.
    """
    vendor = trunkline.load(name)
    report = checked(vendor, partial(vendor, missing, REFUSALS[refusal]), writes=True)
    assert {*report.not_implemented} == missing
    assert report.failures() == (), str(report)
    assert {finding.rule for finding in report.findings} <= {"refuses_invalid"}
    assert {*report.unasked} == unasked
    assert not (deletes and report.leftovers)
    wrong = {key: reason for key, reason in report.exercised.items() if key[0] in missing and reason != MISSING_REASON}
    assert wrong == {}
    assert all(reason for key, reason in report.exercised.items() if key[0] in unasked)


@pytest.mark.slow
def test_a_missing_deletion_leaves_one_item() -> None:
    """Once it is known that nothing deletes an item, no more are created than may be left."""
    vendor = trunkline.load("talkover")
    report = checked(vendor, partial(vendor, {"deleteSipTrunk"}, REFUSALS["405"]), writes=True, leave=0)
    assert [*report.not_implemented] == ["deleteSipTrunk"]
    assert report.findings == ()
    [leftover] = report.leftovers
    assert "no operation that is implemented deletes it" in leftover
    assert report.reach.statuses["createSipTrunk", 201] == 1


@pytest.mark.slow
def test_a_404_for_a_deleted_item_lacks_nothing() -> None:
    """A server whose every 404 has the same words is not taken for a partial one, and is judged whole."""
    vendor = trunkline.load("talkover")
    good = mock.from_vendor(vendor)

    def target(request: Request) -> Response:
        response = good(request)
        return (
            Response(404, response.headers, b'{"success":false,"message":"Not found","code":"TRUNK_NOT_FOUND"}')
            if (response.status == 404)
            else response
        )

    report = checked(vendor, target, writes=True)
    assert report.not_implemented == {}
    assert report.exercised["deleteSipTrunk", "second_deletion_is_not_found"] == ""
    assert report.exercised["createSipTrunkDid", "created_is_found"] == ""


def test_a_complete_api_is_asked_for() -> None:
    """With `complete` a missing operation is a documented finding, whether it reads or writes."""
    vendor = trunkline.load("telepath")
    target = partial(vendor, {"listCalls", "createTrunk"}, REFUSALS["fastapi"])
    report = checked(vendor, target, writes=True, complete=True)
    found = {(finding.rule, finding.operation, finding.evidence.grade) for finding in report.failures()}
    assert found == {(COMPLETENESS.name, name, Grade.DOCUMENTED) for name in ("listCalls", "createTrunk")}


@pytest.mark.parametrize("name", ["telepath", "talkover"])
def test_a_base_that_answers_nothing_is_doubted(name: str) -> None:
    """Also if it answers at the path of the service's health, which many services have."""
    vendor = trunkline.load(name)
    target = partial(vendor, all_but(vendor, "getHealth"), REFUSALS["fastapi"])
    with pytest.raises(TargetError, match=r"answers 404 for /[a-z-]+: give the base address .* which ends in"):
        checked(vendor, target)
    if name == "talkover":
        assert checked(vendor, target, operations=["getHealth"]).findings == ()


def test_a_fake_that_only_creates_is_judged() -> None:
    """A 405 shows that the address is right; the operations that read are named, and nothing is held against them."""
    vendor = trunkline.load("telepath")
    good = mock.from_vendor(vendor)

    def target(request: Request) -> Response:
        if (request.method, request.path) == ("POST", "/trunks"):
            return good(request)
        return REFUSALS["405" if request.path == "/trunks" else "fastapi"](request)

    report = checked(vendor, target, writes=True)
    assert (sorted(report.not_implemented), report.findings) == (["getCall", "listCalls", "listTrunks"], ())
    assert report.exercised["createTrunk", "valid_input_is_accepted"] == ""
    report = checked(vendor, target)
    run = RunInfo("telepath", documented=(("listTrunks", "200"),))
    assert shortfall(report, run).endswith("judged: listTrunks and listCalls and getCall are not implemented")
    assert checked(vendor, target, writes=True, operations=["createTrunk"]).findings == ()


@pytest.mark.slow
def test_only_the_named_operations_have_findings() -> None:
    """Others are used to judge them, and are not judged themselves."""
    vendor = trunkline.load("telepath")
    good = mock.from_vendor(vendor)

    def target(request: Request) -> Response:
        response = good(request)
        return replace(response, headers=JSON) if request.method == "GET" else response

    assert {finding.operation for finding in checked(vendor, target, writes=True).findings} > {"listTrunks"}
    assert checked(vendor, target, writes=True, operations=["createTrunk"]).findings == ()


def test_a_missing_operation_does_not_cast_doubt_on_the_address() -> None:
    """A list that the run is not about answers, so the named operation is not implemented; that can be a finding."""
    vendor = trunkline.load("telepath")
    target = partial(vendor, all_but(vendor, "listTrunks"), REFUSALS["fastapi"])
    assert [*checked(vendor, target, operations=["getCall"]).not_implemented] == ["getCall"]
    [finding] = checked(vendor, target, operations=["getCall"], complete=True).findings
    assert (finding.rule, finding.operation) == (COMPLETENESS.name, "getCall")


@pytest.mark.slow
def test_items_that_another_client_deletes_are_not_missed() -> None:
    """A check that only reads goes on with the next item, and blames nobody."""
    vendor = trunkline.load("telepath")
    good = mock.from_vendor(vendor)
    asked: list[str] = []

    def target(request: Request) -> Response:
        call = request.path.removeprefix("/calls/")
        if call != request.path and call in {record["id"] for record in good.snapshot("calls")}:
            asked.append(call)
            if len(asked) % 7 == 1:  # deleted just before it is asked for
                good.remove("calls", call)
        return good(request)

    report = checked(vendor, target)
    assert len({*asked}) > 2
    assert report.not_implemented == {}
    assert report.failures() == (), str(report)
    assert report.reach.statuses["getCall", 200] > 0


def test_the_words_of_a_404_may_hold_the_path_and_the_time() -> None:
    """They differ from answer to answer, and still are the words for any path."""
    vendor = trunkline.load("talkover")
    numbers = iter(range(10_000))

    def refuse(request: Request) -> Response:
        text = {"error": f"{request.path} is not here", "request_id": f"r{next(numbers)}", "at": "2026-11-28T10:00:00Z"}
        return Response(404, JSON, json.dumps(text).encode())

    report = checked(vendor, partial(vendor, {"getSipTrunkHealth"}, refuse))
    assert [*report.not_implemented] == ["getSipTrunkHealth"]
