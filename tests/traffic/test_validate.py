"""Tests of `Vendor.validate`: one response of another library, or its parts, is judged as far as it is known."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import urllib3
from werkzeug.test import Client
from werkzeug.wrappers import Response as WSGIResponse

import requests
import trunkline
from trunkline.errors import UsageError
from trunkline.mock.recording import RecordingMock

PAGE = {"trunks": [], "pagination": {"limit": 10, "offset": 0, "total": 0}}


def by_urllib(url: str, headers: Mapping[str, str]) -> Any:
    """The response of the standard library, or the error that stands for one."""
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)))
    except urllib.error.HTTPError as error:
        return error


def by_wsgi(url: str, headers: Mapping[str, str]) -> Any:
    """The response of a WSGI application, which asks the server, to the test client of werkzeug and Flask."""

    def application(environ: Any, start_response: Any) -> Any:
        found = requests.get(url, headers=headers, timeout=60)
        return WSGIResponse(found.content, found.status_code, dict(found.headers))(environ, start_response)

    path = url.partition("/v1")[2]
    return Client(application).get(f"/v1{path}", headers=dict(headers))


class ClientResponse:
    """A response with the attributes of one of aiohttp. Its `content` is a stream, and `read` must be awaited."""

    def __init__(self, url: str, headers: Mapping[str, str], *, was_read: bool = True) -> None:
        found = requests.get(url, headers=headers, timeout=60)
        self.status, self.headers, self.content = found.status_code, found.headers, object()
        self.method, self.url = "GET", SimpleNamespace(__str__=lambda: url)
        self.request_info = SimpleNamespace(method="GET", url=found.request.url, headers=found.request.headers)
        self._body = found.content if was_read else None

    async def read(self) -> bytes:
        raise AssertionError


def by_django(url: str, headers: Mapping[str, str]) -> Any:
    """A response with the attributes of one of Django's test client."""
    found = requests.get(url, headers=headers, timeout=60)
    path = "/v1" + url.partition("/v1")[2]
    asked = SimpleNamespace(method="GET", get_full_path=lambda: path, headers=found.request.headers, body=b"")
    shown = {"status_code": found.status_code, "headers": found.headers, "content": found.content}
    return SimpleNamespace(**shown, request={"REQUEST_METHOD": "GET"}, wsgi_request=asked)


Get = Callable[[str, Mapping[str, str]], Any]
WAYS: dict[str, Get] = {
    "requests": lambda url, headers: requests.get(url, headers=headers, timeout=60),
    "httpx": lambda url, headers: httpx.get(url, headers=headers),
    "urllib3": lambda url, headers: urllib3.request("GET", url, headers=headers),
    "urllib": by_urllib,
    "werkzeug": by_wsgi,
    "aiohttp": ClientResponse,
    "django": by_django,
}
each_library = pytest.mark.parametrize("get", WAYS.values(), ids=WAYS)


@each_library
def test_a_response_of_another_library_is_judged_with_its_request(telepath: RecordingMock, get: Get) -> None:
    """The response carries its request, so that echoes, limits and filters are judged too."""
    headers = {"Authorization": f"Bearer {telepath.token}"}
    report = trunkline.load("telepath").validate(get(f"{telepath.url}/trunks?limit=5&status=error", headers))
    assert report.findings == ()
    for rule in ("page_holds_at_most_limit", "pagination_echoes_request", "filter_keeps_only_matching"):
        assert report.exercised["listTrunks", rule] == ""


@each_library
def test_a_refusal_in_another_library_is_judged(telepath: RecordingMock, get: Get) -> None:
    """Also where it is an exception, as in urllib."""
    report = trunkline.load("telepath").validate(get(f"{telepath.url}/trunks?limit=0", {}))
    assert report.findings == ()
    assert report.reach.statuses == {("listTrunks", 401): 1}


def test_a_write_whose_body_is_not_known_is_judged_without_its_request(talkover: RecordingMock) -> None:
    """The standard library does not keep it. The operation is known all the same."""
    headers = {"Authorization": f"Bearer {talkover.token}", "Content-Type": "application/json"}
    body = json.dumps({"country_code": "US", "number": "+12025550177"}).encode()
    url = f"{talkover.url}/sip-trunks/trunk-uuid-1/dids"
    sent = urllib.request.Request(url, body, headers, method="POST")
    report = trunkline.load("talkover").validate(urllib.request.urlopen(sent))
    assert report.findings == ()
    assert report.exercised["createSipTrunkDid", "refuses_invalid"] == "the request is not known"
    asked = requests.post(url, json={"country_code": "US", "number": "+12025550178"}, headers=headers, timeout=60)
    report = trunkline.load("talkover").validate(asked)
    assert report.exercised["createSipTrunkDid", "refuses_invalid"] != "the request is not known"


def test_a_body_that_cannot_be_read_is_asked_for(telepath: RecordingMock) -> None:
    """One that was read before, or must be awaited: the message says what to do."""
    headers = {"Authorization": f"Bearer {telepath.token}"}
    url = f"{telepath.url}/trunks"
    used = by_urllib(url, headers)
    used.read()
    with pytest.raises(UsageError, match="the body of the HTTPResponse was read before; give status="):
        trunkline.load("telepath").validate(used)
    with pytest.raises(UsageError, match=r"ClientResponse has no content that was read.*await response.read\(\)"):
        trunkline.load("telepath").validate(ClientResponse(url, headers, was_read=False))


@pytest.mark.parametrize(
    ("base", "known"),
    [
        ("http://gateway.example/v1", True),
        ("http://gateway.example/v1beta/v1", True),
        ("http://gateway.example/v1/tenants/v1", True),
        ("http://v1.example/v1", True),
        ("http://gateway.example/v1beta", False),
        ("http://gateway.example/api/xv1", False),
    ],
)
def test_a_base_path_is_matched_by_whole_segments(base: str, known: bool) -> None:
    """Also behind a gateway whose own path begins like it: a wrong status in a filtered list is found."""
    trunk = {
        "id": "conn_1", "name": "a", "status": "inactive", "ai_provider": "openai", "sip_username": "x",
        "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
        "metrics": {"calls_today": 1, "success_rate": 98.5, "avg_latency_ms": 120},
    }  # fmt: skip
    page = {"trunks": [trunk], "pagination": {"limit": 10, "offset": 0, "total": 1}}
    headers = {"X-RateLimit-Limit": "9", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1795846580"}
    asked = httpx.Request("GET", f"{base}/trunks?status=active&limit=10", headers={"Authorization": "Bearer abc"})
    report = trunkline.load("telepath").validate(httpx.Response(200, json=page, headers=headers, request=asked))
    assert [found.rule for found in report.failures()] == ["filter_keeps_only_matching"] * known


def test_a_request_that_is_no_operation_is_not_judged_as_another() -> None:
    """Its path is below the base address; the message names it, and an operation that is given decides."""
    telepath = trunkline.load("telepath")
    asked = httpx.Request("GET", "http://h/v1/trunk-groups", headers={"Authorization": "Bearer abc"})
    response = httpx.Response(200, json=PAGE, request=asked)
    with pytest.raises(UsageError, match="GET /trunk-groups is no operation of telepath"):
        telepath.validate(response)
    assert {name for name, _ in telepath.validate(response, operation="listTrunks").exercised} == {"listTrunks"}


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
        UsageError, match=r"have such a response; name the right one with operation=: listTrunks, listCalls, getCall$"
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
