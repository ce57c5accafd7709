"""Tests of `Vendor.validate`: one response of another library, or its parts, is judged as far as it is known."""

from __future__ import annotations

import httpx
import pytest

import requests
import trunkline
from trunkline.errors import UsageError
from trunkline.mock.recording import RecordingMock

PAGE = {"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}


@pytest.mark.parametrize("get", [requests.get, httpx.get], ids=["requests", "httpx"])
def test_a_response_of_another_library_is_judged_with_its_request(telepath: RecordingMock, get: object) -> None:
    """The response carries its request, so that echoes, limits and filters are judged too."""
    assert callable(get)
    headers = {"Authorization": f"Bearer {telepath.token}"}
    response = get(f"{telepath.url}/trunks", params={"limit": 5, "status": "error"}, headers=headers)
    report = trunkline.load("telepath").validate(response)
    assert report.findings == ()
    for rule in ("page_holds_at_most_limit", "pagination_echoes_request", "filtered_items_match_the_filter"):
        assert report.exercised["listTrunks", rule] == ""


@pytest.mark.parametrize("get", [requests.get, httpx.get], ids=["requests", "httpx"])
def test_a_response_to_another_request_is_found(telepath: RecordingMock, get: object) -> None:
    """One response shows that an implementation ignores the limit."""
    assert callable(get)
    headers = {"Authorization": f"Bearer {telepath.token}"}
    response = get(f"{telepath.url}/trunks", params={"limit": 5}, headers=headers)
    response.request.url = type(response.request.url)(str(response.request.url).replace("limit=5", "limit=3"))
    report = trunkline.load("telepath").validate(response)
    assert {found.rule for found in report.failures()} == {"page_holds_at_most_limit", "pagination_echoes_request"}


def test_a_body_may_be_text_bytes_or_a_value() -> None:
    """All three are read as the same body."""
    telepath = trunkline.load("telepath")
    text = '{"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}'
    for body in (text, text.encode(), PAGE):
        assert telepath.validate(body=body).findings == ()


def test_rules_without_anything_to_judge_are_not_exercised() -> None:
    """A body that is not JSON, and a refusal, leave most rules without anything to judge."""
    telepath = trunkline.load("telepath")
    report = telepath.validate(body="hello", operation="listTrunks")
    assert [found.rule for found in report.failures()] == ["body_is_json"]
    assert report.exercised["listTrunks", "body_matches_schema"] == "the body is not JSON"
    error = {"error": {"code": "INVALID_API_KEY", "message": "no"}}
    refused = telepath.validate(status=401, headers={}, body=error, operation="listTrunks")
    assert refused.exercised["listTrunks", "ids_are_unique"] == "the response is not a success"
    assert refused.exercised["listTrunks", "body_matches_schema"] == ""


def test_the_operation_is_inferred_or_asked_for() -> None:
    """A body that fits several operations is refused with their names, and judged when one is given."""
    telepath = trunkline.load("telepath")
    error = {"error": {"code": "INVALID_API_KEY", "message": "no"}}
    with pytest.raises(
        UsageError, match="several operations have such a response; name one of: listTrunks, listCalls, getCall"
    ):
        telepath.validate(body=error)
    assert telepath.validate(body=error, operation="getCall").findings == ()
    calls = {"calls": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}
    assert {name for name, _ in telepath.validate(body=calls).exercised} == {"listCalls"}


@pytest.mark.parametrize("ask", [requests.request, httpx.request], ids=["requests", "httpx"])
def test_the_request_shows_the_operation(talkover: RecordingMock, ask: object) -> None:
    """Of a creation, a health check and a refusal alike, the request shows the operation."""
    assert callable(ask)
    vendor = trunkline.load("talkover")
    headers = {"Authorization": f"Bearer {talkover.token}"}
    body = {"country_code": "US", "number": "+12025550177"}
    asked = {
        "createSipTrunkDid": ask("POST", f"{talkover.url}/sip-trunks/trunk-uuid-1/dids", json=body, headers=headers),
        "getSipTrunkHealth": ask("GET", f"{talkover.url}/sip-trunks/trunk-uuid-1/health", headers=headers),
        "verifySipTrunk": ask("POST", f"{talkover.url}/sip-trunks/nobody/verify", headers=headers),
        "deleteSipTrunk": ask("DELETE", f"{talkover.url}/sip-trunks/trunk-uuid-1", headers=headers),
        "listSipTrunks": ask("GET", f"{talkover.url}/sip-trunks", headers={}),
    }
    assert [response.status_code for response in asked.values()] == [201, 200, 404, 409, 401]
    for name, response in asked.items():
        report = vendor.validate(response)
        assert report.findings == ()
        assert {operation for operation, _ in report.exercised} == {name}


def test_a_call_without_a_response_is_refused() -> None:
    """The message says what is missing or too much."""
    telepath = trunkline.load("telepath")
    with pytest.raises(UsageError, match="nothing to validate"):
        telepath.validate()
    with pytest.raises(UsageError, match="is not a response"):
        telepath.validate(object())
    with pytest.raises(UsageError, match="two responses"):
        telepath.validate(object(), status=200)
