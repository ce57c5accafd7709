"""Clients that do what the samples on the vendors' pages do, with the tokens that the pages print."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx
import pytest

import requests
from tests.servers import PLAIN
from trunkline.mock.recording import RecordingMock

Get: TypeAlias = Callable[..., Any]
"""`get(url, token, limit=10)`: the JSON of an answer, as a sample would read it."""

TOKENS = ("sk_live_abc123def456...", "sk_live_xxxxxxxxxxxxxxxxxxxx", "YOUR_API_KEY")
KEY = TOKENS[-1]


def headers(token: str) -> dict[str, str]:
    """The headers that the samples send, also with GET."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


Ask: TypeAlias = Callable[..., tuple[int, Any]]
"""`ask("POST", url, token, {"name": ...})`: the status and the JSON of an answer."""


def asked_with_requests(method: str, url: str, token: str, body: Any = None, **params: Any) -> tuple[int, Any]:
    """As the Python samples do."""
    with requests.Session() as session:
        session.trust_env = False
        said = session.request(method, url, headers=headers(token), json=body, params=params, timeout=10)
        return said.status_code, said.json()


def asked_with_httpx(method: str, url: str, token: str, body: Any = None, **params: Any) -> tuple[int, Any]:
    """As a client of today would."""
    fields = headers(token)
    said = httpx.request(method, url, headers=fields, json=body, params=params, trust_env=False, verify=PLAIN)
    return said.status_code, said.json()


def asked_with_curl(method: str, url: str, token: str, body: Any = None, **params: Any) -> tuple[int, Any]:
    """As the cURL samples do."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    fields = [word for field in headers(token).items() for word in ("--header", ": ".join(field))]
    query = f"?{urlencode(params)}" if params else ""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--request", method, "--url", url + query, *fields]
    command += ["--write-out", "\n%{http_code}", *([] if body is None else ["--data", json.dumps(body)])]
    output = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    content, _, status = output.rpartition(b"\n")
    return int(status), json.loads(content)


@pytest.fixture(params=[asked_with_requests, asked_with_httpx, asked_with_curl])
def ask(request: pytest.FixtureRequest) -> Ask:
    function: Ask = request.param
    return function


@pytest.fixture
def get(ask: Ask) -> Get:
    """Without a look at the status, as the samples do."""
    return lambda url, token, **params: ask("GET", url, token, **params)[1]


# --- the clients of the pages ---------------------------------------------------------------------------------------


def every_trunk(get: Get, url: str, token: str) -> list[Mapping[str, Any]]:
    """Page after page, until one is short; the total is never read."""
    found: list[Mapping[str, Any]] = []
    offset, limit = 0, 50
    while True:
        page = get(f"{url}/trunks", token, limit=limit, offset=offset)["trunks"]
        found += page
        if len(page) < limit:
            return found
        offset += limit


def active_trunks(get: Get, url: str, token: str) -> list[Mapping[str, Any]]:
    """One call, without paging."""
    trunks: list[Mapping[str, Any]] = get(f"{url}/trunks", token, status="active")["trunks"]
    return trunks


def performance(get: Get, url: str, token: str) -> list[str]:
    """One line for each trunk of one call, in the trust that each has metrics."""
    return [
        f"{trunk['name']}: {trunk['metrics']['calls_today']} calls, {trunk['metrics']['success_rate']:.1f} %, "
        f"{trunk['metrics']['avg_latency_ms']} ms"
        for trunk in get(f"{url}/trunks", token)["trunks"]
    ]


# --- what they find -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", TOKENS)
def test_the_first_sample_gets_the_page_it_shows(telepath: RecordingMock, get: Get, token: str) -> None:
    """`limit=10&status=active` with any printed token: two trunks of two, as on the page."""
    body = get(f"{telepath.url}/trunks", token, limit=10, status="active")
    assert [trunk["id"] for trunk in body["trunks"]] == ["conn_abc123xyz", "conn_def456abc"]
    assert body["pagination"] == {"limit": 10, "offset": 0, "total": 2}
    (asked,) = telepath.requests
    assert (asked.method, asked.query, asked.status) == ("GET", "limit=10&status=active", 200)
    assert asked.headers["content-type"] == "application/json"


def test_a_wrong_key_gets_the_error_on_the_page(telepath: RecordingMock, get: Get) -> None:
    """The sample that never looks at the status finds an `error` where it expects trunks."""
    body = get(f"{telepath.url}/trunks", "sk_live_wrong", limit=10)
    assert body == {"error": {"code": "INVALID_API_KEY", "message": "The API key provided is invalid"}}


def test_a_limit_out_of_range_gets_the_error_on_the_page(telepath: RecordingMock, get: Get) -> None:
    """The pages bound `limit`; the sample learns the bounds."""
    body = get(f"{telepath.url}/trunks", KEY, limit=101)
    assert "limit" in body["error"]["message"]
    assert [asked.status for asked in telepath.requests] == [400]


def test_the_paging_loop_finds_every_shipped_trunk(telepath: RecordingMock, get: Get) -> None:
    """One page is enough, and it is short."""
    found = every_trunk(get, telepath.url, KEY)
    assert sorted(trunk["id"] for trunk in found) == sorted(trunk["id"] for trunk in telepath.trunks)
    assert [asked.query for asked in telepath.requests] == ["limit=50&offset=0"]


@pytest.mark.trunkline("telepath", trunks=100)
def test_a_round_hundred_costs_one_empty_page(telepath: RecordingMock, get: Get) -> None:
    """The loop ends on the empty page after the last full one, with each trunk once."""
    found = every_trunk(get, telepath.url, KEY)
    assert sorted(trunk["id"] for trunk in found) == sorted(trunk["id"] for trunk in telepath.trunks)
    assert len(found) == 100
    assert [asked.query for asked in telepath.requests] == [f"limit=50&offset={offset}" for offset in (0, 50, 100)]
    assert {asked.status for asked in telepath.requests} == {200}


@pytest.mark.trunkline("telepath", trunks=0)
def test_an_empty_account_has_one_empty_page(telepath: RecordingMock, get: Get) -> None:
    """No trunk is no error."""
    assert every_trunk(get, telepath.url, KEY) == []
    assert len(telepath.requests) == 1


def test_active_trunks_are_found_by_one_call(telepath: RecordingMock, get: Get) -> None:
    """All that are active, and none that is not."""
    found = active_trunks(get, telepath.url, KEY)
    wanted = {trunk["id"] for trunk in telepath.trunks if trunk["status"] == "active"}
    assert {trunk["id"] for trunk in found} == wanted
    assert [asked.query for asked in telepath.requests] == ["status=active"]


@pytest.mark.trunkline("telepath", trunks=100)
def test_active_trunks_beyond_the_default_page_are_missed(telepath: RecordingMock, get: Get) -> None:
    """The sample does not page, so of many active trunks it sees the default twenty."""
    assert sum(trunk["status"] == "active" for trunk in telepath.trunks) > 20
    assert len(active_trunks(get, telepath.url, KEY)) == 20


@pytest.mark.trunkline("telepath", trunks=20)
def test_performance_is_printed_of_every_trunk(telepath: RecordingMock, get: Get) -> None:
    """Each trunk has all three metrics, as the sample trusts."""
    lines = performance(get, telepath.url, KEY)
    assert len(lines) == 20
    assert all(line.endswith(" ms") for line in lines)


def test_one_trunk_is_shown_by_its_id(talkover: RecordingMock, get: Get) -> None:
    """The sample's id with the sample's token: all of the page's fields, and never the password."""
    body = get(f"{talkover.url}/sip-trunks/trunk-uuid-1", "talq_your_environment_token_here")
    assert body["success"] is True
    record = next(trunk for trunk in talkover.trunks if trunk["id"] == "trunk-uuid-1")
    assert body["data"] == {name: value for name, value in record.items() if name != "password"}
    assert body["data"]["name"] == "Primary Carrier — US"
    assert [asked.path for asked in talkover.requests] == ["/sip-trunks/trunk-uuid-1"]


# --- what they write ------------------------------------------------------------------------------------------------

NEW_TRUNK = {
    "name": "Production OpenAI Agent",
    "ai_provider": "openai",
    "openai_api_key": "sk-0123456789",
    "sip_username": "agent-prod-01",
    "sip_password": "s3cur3P@ssw0rd!",
    "system_prompt": "You are a helpful customer service agent.",
}


def test_a_trunk_is_created_and_then_changed(telepath: RecordingMock, ask: Ask) -> None:
    """The create page's sample, then the update page's: each answer has the fields that its page shows."""
    status, trunk = ask("POST", f"{telepath.url}/trunks", KEY, NEW_TRUNK)
    assert (status, list(trunk)) == (
        201,
        ["id", "name", "status", "ai_provider", "sip_username", "sip_endpoint", "created_at"],
    )
    assert trunk["sip_endpoint"] == "sip://agent-prod-01@sip.telepathvoice.com"
    status, changed = ask("PATCH", f"{telepath.url}/trunks/{trunk['id']}", KEY, {"name": "Updated Support Bot"})
    assert (status, list(changed)) == (200, ["id", "name", "status", "updated_at"])
    assert (changed["id"], changed["name"]) == (trunk["id"], "Updated Support Bot")
    status, page = ask("GET", f"{telepath.url}/trunks", KEY, limit=100)
    assert [each["name"] for each in page["trunks"] if each["id"] == trunk["id"]] == ["Updated Support Bot"]
    assert ask("POST", f"{telepath.url}/trunks", KEY, NEW_TRUNK)[0] == 409


@pytest.mark.parametrize("missing", ["name", "ai_provider", "openai_api_key", "sip_username", "sip_password"])
def test_a_missing_field_gets_the_error_on_the_page(telepath: RecordingMock, ask: Ask, missing: str) -> None:
    """With the name of the field in the page's own words."""
    body = {name: value for name, value in NEW_TRUNK.items() if name != missing}
    error = {"code": "MISSING_REQUIRED", "message": f"Missing required field: {missing}"}
    assert ask("POST", f"{telepath.url}/trunks", KEY, body) == (400, {"error": error})


def test_the_calls_of_a_trunk_are_looked_at_one_by_one(telepath: RecordingMock, ask: Ask) -> None:
    """The list page's filters, then the details of each call that is left; an unknown id is refused as documented."""
    filters = {"trunk_id": "conn_abc123xyz", "status": "connected", "start_date": "2024-03-01"}
    _, page = ask("GET", f"{telepath.url}/calls", KEY, **filters, limit=10)
    assert page["pagination"]["total"] >= len(page["calls"]) > 1
    for call in page["calls"]:
        status, details = ask("GET", f"{telepath.url}/calls/{call['id']}", KEY)
        assert status == 200
        shared = {"id", "trunk_id", "from", "to", "status", "duration_seconds", "start_time", "end_time"}
        assert {name: details[name] for name in shared} == {name: call[name] for name in shared}
        assert details["metrics"]["carrier_lag_ms"] == call["carrier_lag_ms"]
    error = {"code": "CALL_NOT_FOUND", "message": "Call 'call_unknown' not found"}
    assert ask("GET", f"{telepath.url}/calls/call_unknown", KEY) == (404, {"error": error})


def test_a_carrier_is_connected_used_and_removed(talkover: RecordingMock, ask: Ask) -> None:
    """The trunk pages in their order: create, verify, check, add a number, remove the number, remove the trunk."""
    token, base = "talq_your_environment_token_here", f"{talkover.url}/sip-trunks"
    trunk = {
        "name": "Primary Carrier — US",
        "provider_name": "carrier-x",
        "domain": "sip.carrier-x.com",
        "username": "user_42",
        "password": "secret-password",
        "port": 5061,
        "transport": "tls",
    }
    status, made = ask("POST", base, token, trunk)
    assert (status, made["success"], made["data"]["is_verified"]) == (201, True, False)
    here = f"{base}/{made['data']['id']}"
    status, verified = ask("POST", f"{here}/verify", token)
    assert (status, verified["data"]["is_verified"], verified["data"]["health_status"]) == (200, True, "healthy")
    assert ask("GET", f"{here}/health", token)[1]["data"]["is_healthy"] is True
    assert ask("PUT", here, token, {"is_active": True})[1]["data"]["is_active"] is True
    status, did = ask("POST", f"{here}/dids", token, {"country_code": "US", "number": "+15551230000"})
    assert (status, did["data"]["formatted_number"]) == (201, "(555) 123-0000")
    status, refused = ask("DELETE", here, token)
    assert (status, refused["code"]) == (409, "TRUNK_HAS_DIDS")
    assert [each["id"] for each in ask("GET", f"{here}/dids", token)[1]["data"]] == [did["data"]["id"]]
    assert ask("DELETE", f"{here}/dids/{did['data']['id']}", token) == (
        200,
        {"success": True, "message": "DID removed"},
    )
    assert ask("DELETE", here, token) == (200, {"success": True, "message": "SIP trunk deleted"})
    assert ask("GET", here, token)[0] == 404
    assert made["data"]["id"] not in [each["id"] for each in ask("GET", base, token)[1]["data"]]


def test_the_service_needs_no_token(talkover: RecordingMock) -> None:
    """The service health page's sample sends none."""
    said = requests.get(f"{talkover.url}/health", timeout=10)
    assert (said.status_code, said.json()) == (200, {"status": "ok"})
