"""`Vendor.validate`: one response, from another library or in parts, judged with all that is known of it."""

from __future__ import annotations

import httpx
import pytest
import requests

import trunkline
from trunkline.errors import UsageError
from trunkline.plugin import Mocked

PAGE = {"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}


@pytest.mark.parametrize("get", [requests.get, httpx.get], ids=["requests", "httpx"])
def test_a_response_of_another_library_is_judged_with_its_request(telepath: Mocked, get: object) -> None:
    """What was asked is known from the response, so that echoes, limits and filters are judged too."""
    assert callable(get)
    headers = {"Authorization": f"Bearer {telepath.token}"}
    response = get(f"{telepath.url}/trunks", params={"limit": 5, "status": "error"}, headers=headers)
    report = trunkline.load("telepath").validate(response)
    assert report.findings == ()
    for rule in ("page_holds_at_most_limit", "pagination_echoes_request", "filter_keeps_only_matching"):
        assert report.exercised["listTrunks", rule] == ""


@pytest.mark.parametrize("get", [requests.get, httpx.get], ids=["requests", "httpx"])
def test_an_answer_to_another_question_is_found(telepath: Mocked, get: object) -> None:
    """An implementation that ignores the limit is found out by one response."""
    assert callable(get)
    headers = {"Authorization": f"Bearer {telepath.token}"}
    response = get(f"{telepath.url}/trunks", params={"limit": 5}, headers=headers)
    response.request.url = type(response.request.url)(str(response.request.url).replace("limit=5", "limit=3"))
    report = trunkline.load("telepath").validate(response)
    assert {found.rule for found in report.failures()} == {"page_holds_at_most_limit", "pagination_echoes_request"}


def test_a_body_may_be_text_bytes_or_a_value() -> None:
    """The three spellings of one body are one."""
    telepath = trunkline.load("telepath")
    text = '{"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}'
    for body in (text, text.encode(), PAGE):
        assert telepath.validate(body=body).findings == ()


def test_what_was_not_judged_does_not_count_as_exercised() -> None:
    """A body that is no JSON, and a refusal, leave most rules without anything to say."""
    telepath = trunkline.load("telepath")
    report = telepath.validate(body="hello")
    assert [found.rule for found in report.failures()] == ["body_is_json"]
    assert report.exercised["listTrunks", "body_matches_schema"] == "the body is not JSON"
    refused = telepath.validate(status=401, headers={}, body={"error": {"code": "INVALID_API_KEY", "message": "no"}})
    assert refused.exercised["listTrunks", "ids_are_unique"] == "the answer is no success"
    assert refused.exercised["listTrunks", "body_matches_schema"] == ""


def test_nothing_to_validate_is_a_sentence() -> None:
    """What is no response is told as such."""
    telepath = trunkline.load("telepath")
    with pytest.raises(UsageError, match="nothing to validate"):
        telepath.validate()
    with pytest.raises(UsageError, match="is no response"):
        telepath.validate(object())
    with pytest.raises(UsageError, match="two responses"):
        telepath.validate(object(), status=200)
