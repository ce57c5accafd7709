"""A whole check that writes: correct implementations pass, and items of others are never touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import trunkline
from tests.defects import answering, edited
from trunkline import mock
from trunkline.check.runner import Checker
from trunkline.check.safety import WriteAccess, cleanup
from trunkline.check.safety.ledger import Ledger
from trunkline.exchange import Request, Response, Target
from trunkline.findings import Report
from trunkline.transport.connect import known_parameters

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
JSON = (("content-type", "application/json"),)
Change = Callable[[Request, Response], Response]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cleanup not wait before it tries again."""
    monkeypatch.setattr(cleanup, "WAITS", [0.0] * len(cleanup.WAITS))


def examined(name: str, wrap: Callable[[Target], Target], parameters: dict[str, str] | None = None) -> Report:
    """A whole check of the mock behind a wrapper."""
    vendor = trunkline.load(name)
    target = wrap(mock.from_vendor(vendor))
    return Checker(
        vendor,
        target,
        credential=vendor.world.token,
        parameters=parameters if parameters is not None else known_parameters(vendor),
        seed=1,
        examples=10,
        writing=WriteAccess(Ledger(), target, None),
    ).run()


def written(name: str, wrap: Callable[[Target], Target]) -> Report:
    """The stateful laws alone, and the cleanup."""
    vendor = trunkline.load(name)
    target = wrap(mock.from_vendor(vendor))
    writing = WriteAccess(Ledger(), target, None)
    checker = Checker(vendor, target, credential=vendor.world.token, seed=1, examples=2, writing=writing)
    checker.check_stateful(vendor.contract.operations)
    checker.clean()
    return checker.report


def without_body(request: Request, response: Response) -> Response:
    """Answer deletions and updates with 204."""
    return (
        replace(response, status=204, body=b"")
        if request.method in {"DELETE", "PUT"} and response.status < 300
        else response
    )


def field_by_field(request: Request, response: Response) -> Response:
    """Name the fields in a refusal, as most frameworks do."""
    errors = {"password": ["The password field is required."], "sip_password": "too_short", "openai_api_key": None}
    if response.status not in {400, 422} or not request.body or request.method not in WRITES:
        return response
    return edited(response, lambda body: body.update(errors=errors))


def mixed_clocks(_: Request, response: Response) -> Response:
    """Show milliseconds for what is created and whole seconds for what is changed."""
    if response.status >= 300:
        return response
    body = response.body.decode()
    for name in ('"created_at":"', '"created_at": "'):
        pieces = body.split(name)
        body = name.join([pieces[0], *(piece.replace("Z", ".999Z", 1) for piece in pieces[1:])])
    return replace(response, body=body.encode())


LAWFUL = {
    "204 without a body": without_body,
    "refusals field by field": field_by_field,
    "clocks of another precision": mixed_clocks,
}


@pytest.mark.slow
@pytest.mark.parametrize("change", LAWFUL.values(), ids=list(LAWFUL))
@pytest.mark.parametrize("name", ["talkover", "telepath"])
def test_lawful_variants_fail_no_check(name: str, change: Change) -> None:
    """Rules report nothing that the documentation allows."""
    report = examined(name, answering(change))
    assert report.failures() == (), str(report)
    assert report.exercised["updateTrunk" if name == "telepath" else "updateSipTrunk", "update_shows"] == ""


@pytest.mark.slow
def test_ids_with_dots_and_colons_are_used() -> None:
    """They are safe in a path."""
    vendor = trunkline.load("talkover")
    good = mock.from_vendor(vendor)

    def target(request: Request) -> Response:
        path = request.path.replace("%3A", ":")
        below = path.removeprefix("/sip-trunks/")
        if below != path and not below.startswith("sip:t."):
            below = "nothing"
        response = good(replace(request, path=path if below == path else f"/sip-trunks/{below.removeprefix('sip:t.')}"))
        names = ("trunk_id",) if "dids" in path else ("id",) if path.startswith("/sip-trunks") else ()
        for name in names if response.status < 300 else ():
            plain, odd = f'"{name}":"'.encode(), f'"{name}":"sip:t.'.encode()
            response = replace(response, body=response.body.replace(plain, odd))
        return response

    report = examined("talkover", lambda _: target, parameters={})
    assert report.failures() == (), str(report)
    assert report.exercised["deleteSipTrunk", "second_deletion_is_not_found"] == ""


@pytest.mark.slow
def test_an_echoed_password_is_a_finding() -> None:
    """Also in a refusal that lists its messages under the name of the field."""

    def echo(request: Request, response: Response) -> Response:
        sent = json.loads(request.body) if request.body.startswith(b"{") and request.body.endswith(b"}") else {}
        if response.status != 422 or not isinstance(sent, dict) or not isinstance(sent.get("password"), str):
            return response
        return edited(response, lambda body: body.update(errors={"password": [sent["password"]]}))

    report = examined("talkover", answering(echo))
    assert {"secrets_stay_hidden"} & {finding.rule for finding in report.failures()}


# --- read-only fields -----------------------------------------------------------------------------------------------


@pytest.mark.slow_for("talkover-is_verified-data-True", "telepath-ai_provider-trunks-False")
@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(
    ("name", "field", "items"), [("talkover", "is_verified", "data"), ("telepath", "ai_provider", "trunks")]
)
def test_success_for_a_read_only_field_of_an_update_is_noted(name: str, field: str, items: str, refuses: bool) -> None:
    """The check sends it with the value that its own item has. A refusal has no note, and neither has a finding."""
    vendor = trunkline.load(name)
    good = mock.from_vendor(vendor)
    fixtures = {record["id"] for record in vendor.world.collections["trunks"].records}
    sent: list[Any] = []

    def target(request: Request) -> Response:
        if request.method not in {"PUT", "PATCH"} or f'"{field}"'.encode() not in request.body:
            return good(request)
        collection, _, identity = request.path.rpartition("/")
        listed = good(replace(request, method="GET", path=collection, query="limit=100", body=b"")).json()[items]
        shown = {item["id"]: item[field] for item in listed if item["id"] not in fixtures}
        sent.append((json.loads(request.body)[field], shown[identity]))
        return good(replace(request, body=b"{") if refuses else request)

    writing = WriteAccess(Ledger(), target, None)
    checker = Checker(vendor, target, credential=vendor.world.token, seed=1, examples=2, writing=writing)
    checker.check_stateful(vendor.contract.operations)
    checker.clean()
    notes = [(found.rule, str(found.evidence.grade)) for found in checker.report.findings]
    assert notes == [("refuses_invalid", "customary")] * (not refuses)
    assert 1 <= len(sent) < 10
    assert all(value is shown or value == shown for value, shown in sent)


# --- safety ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow_for("500", "whole")
@pytest.mark.parametrize("examine", [examined, written], ids=["whole", "stateful"])
@pytest.mark.parametrize("status", [404, 500])
def test_an_id_that_was_never_seen_is_never_written_to(status: int, examine: Callable[..., Report]) -> None:
    """A creation returns the id of others, and no response shows whose it is."""
    vendor = trunkline.load("talkover")
    good = mock.from_vendor(vendor)
    touched: list[tuple[str, str]] = []

    def target(request: Request) -> Response:
        if request.path.startswith("/sip-trunks/VICTIM"):
            if request.method in WRITES:
                touched.append((request.method, request.path))
                return Response(200, JSON, b'{"success": true, "data": {"id": "VICTIM"}}')
            return Response(status, JSON, b'{"success": false, "message": "no", "code": "TRUNK_NOT_FOUND"}')
        response = good(request)
        if request.method == "POST" and request.path == "/sip-trunks" and response.status == 201:
            return edited(response, lambda body: body["data"].update(id="VICTIM"))
        return response

    report = examine("talkover", lambda _: target)
    assert touched == []
    assert report.failures()
    assert report.leftovers


@pytest.mark.slow
@pytest.mark.parametrize("deletion", ["not found", "soft"])
def test_items_that_are_still_listed_are_reported(deletion: str) -> None:
    """Although fetching and deleting them finds nothing, or deleting only hides them."""
    vendor = trunkline.load("talkover")
    good = mock.from_vendor(vendor)
    fixtures = {trunk["id"] for trunk in vendor.world.collections["trunks"].records}
    hidden: set[str] = set()

    def target(request: Request) -> Response:
        identity = request.path.removeprefix("/sip-trunks/")
        lost = identity != request.path and "/" not in identity and identity not in fixtures
        if lost and deletion == "not found" and request.method in {"GET", "DELETE"}:
            return good(replace(request, path="/sip-trunks/nothing"))
        if lost and deletion == "soft" and request.method == "DELETE":
            hidden.add(identity)
            return Response(200, JSON, b'{"success": true, "message": "SIP trunk deleted"}')
        return good(replace(request, path="/sip-trunks/nothing") if identity in hidden else request)

    report = examined("talkover", lambda _: target)
    there = good(Request("GET", "/sip-trunks", "", (("authorization", f"Bearer {vendor.world.token}"),))).json()["data"]
    left = {trunk["id"] for trunk in there} - fixtures
    assert left
    assert all(any(identity in line for line in report.leftovers) for identity in left)
    assert report.failures()


@pytest.mark.slow
def test_items_that_a_fault_removes_stop_the_creations() -> None:
    """A refused deletion that deletes the DIDs is found. Nothing shows that they are gone, so the creations stop."""
    vendor = trunkline.load("talkover")
    good = mock.from_vendor(vendor)

    def target(request: Request) -> Response:
        response = good(request)
        if request.method == "DELETE" and response.status == 409 and "dids" not in request.path:
            path = f"{request.path}/dids"
            for did in json.loads(good(replace(request, method="GET", path=path)).body)["data"]:
                good(replace(request, path=f"{path}/{did['id']}"))
        return response

    report = examined("talkover", lambda _: target)
    assert "conflicts_are_refused" in {finding.rule for finding in report.failures()}
    assert report.stopped.startswith("10 created items cannot be identified as ours")
