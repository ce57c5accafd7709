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

from trunkline.plugin import Mocked

Get: TypeAlias = Callable[..., Any]
"""`get(url, token, limit=10)`: the JSON of an answer, as a sample would read it."""

TOKENS = ("sk_live_abc123def456...", "sk_live_xxxxxxxxxxxxxxxxxxxx", "YOUR_API_KEY")
KEY = TOKENS[-1]


def headers(token: str) -> dict[str, str]:
    """What the samples send, also with GET."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def with_requests(url: str, token: str, **params: Any) -> Any:
    """As the Python samples do: without a look at the status."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers(token), params=params, timeout=10).json()


def with_httpx(url: str, token: str, **params: Any) -> Any:
    """As a client of today would."""
    return httpx.get(url, headers=headers(token), params=params, trust_env=False).json()


def with_curl(url: str, token: str, **params: Any) -> Any:
    """As the cURL samples do."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    fields = [word for field in headers(token).items() for word in ("--header", ": ".join(field))]
    query = f"?{urlencode(params)}" if params else ""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--request", "GET", "--url", url + query, *fields]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)


@pytest.fixture(params=[with_requests, with_httpx, with_curl])
def get(request: pytest.FixtureRequest) -> Get:
    function: Get = request.param
    return function


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
def test_the_first_sample_gets_the_page_it_shows(telepath: Mocked, get: Get, token: str) -> None:
    """`limit=10&status=active` with any printed token: two trunks of two, as on the page."""
    body = get(f"{telepath.url}/trunks", token, limit=10, status="active")
    assert [trunk["id"] for trunk in body["trunks"]] == ["conn_abc123xyz", "conn_def456abc"]
    assert body["pagination"] == {"limit": 10, "offset": 0, "total": 2}
    (asked,) = telepath.requests
    assert (asked.method, asked.query, asked.status) == ("GET", "limit=10&status=active", 200)
    assert asked.headers["content-type"] == "application/json"


def test_a_wrong_key_gets_the_error_on_the_page(telepath: Mocked, get: Get) -> None:
    """The sample that never looks at the status finds an `error` where it expects trunks."""
    body = get(f"{telepath.url}/trunks", "sk_live_wrong", limit=10)
    assert body == {"error": {"code": "INVALID_API_KEY", "message": "The API key provided is invalid"}}


def test_a_limit_out_of_range_gets_the_error_on_the_page(telepath: Mocked, get: Get) -> None:
    """The pages bound `limit`; the sample learns the bounds."""
    body = get(f"{telepath.url}/trunks", KEY, limit=101)
    assert "limit" in body["error"]["message"]
    assert [asked.status for asked in telepath.requests] == [400]


def test_the_paging_loop_finds_every_shipped_trunk(telepath: Mocked, get: Get) -> None:
    """One page is enough, and it is short."""
    found = every_trunk(get, telepath.url, KEY)
    assert sorted(trunk["id"] for trunk in found) == sorted(trunk["id"] for trunk in telepath.trunks)
    assert [asked.query for asked in telepath.requests] == ["limit=50&offset=0"]


@pytest.mark.trunkline("telepath", trunks=100)
def test_a_round_hundred_costs_one_empty_page(telepath: Mocked, get: Get) -> None:
    """The loop ends on the empty page after the last full one, with each trunk once."""
    found = every_trunk(get, telepath.url, KEY)
    assert sorted(trunk["id"] for trunk in found) == sorted(trunk["id"] for trunk in telepath.trunks)
    assert len(found) == 100
    assert [asked.query for asked in telepath.requests] == [f"limit=50&offset={offset}" for offset in (0, 50, 100)]
    assert {asked.status for asked in telepath.requests} == {200}


@pytest.mark.trunkline("telepath", trunks=0)
def test_an_empty_account_has_one_empty_page(telepath: Mocked, get: Get) -> None:
    """No trunk is no error."""
    assert every_trunk(get, telepath.url, KEY) == []
    assert len(telepath.requests) == 1


def test_active_trunks_are_found_by_one_call(telepath: Mocked, get: Get) -> None:
    """All that are active, and none that is not."""
    found = active_trunks(get, telepath.url, KEY)
    wanted = {trunk["id"] for trunk in telepath.trunks if trunk["status"] == "active"}
    assert {trunk["id"] for trunk in found} == wanted
    assert [asked.query for asked in telepath.requests] == ["status=active"]


@pytest.mark.trunkline("telepath", trunks=100)
def test_active_trunks_beyond_the_default_page_are_missed(telepath: Mocked, get: Get) -> None:
    """The sample does not page, so of many active trunks it sees the default twenty."""
    assert sum(trunk["status"] == "active" for trunk in telepath.trunks) > 20
    assert len(active_trunks(get, telepath.url, KEY)) == 20


@pytest.mark.trunkline("telepath", trunks=20)
def test_performance_is_printed_of_every_trunk(telepath: Mocked, get: Get) -> None:
    """Each trunk has all three metrics, as the sample trusts."""
    lines = performance(get, telepath.url, KEY)
    assert len(lines) == 20
    assert all(line.endswith(" ms") for line in lines)


def test_one_trunk_is_shown_by_its_id(talkover: Mocked, get: Get) -> None:
    """The sample's id with the sample's token: all of the page's fields, and never the password."""
    body = get(f"{talkover.url}/sip-trunks/trunk-uuid-1", "talq_your_environment_token_here")
    assert body["success"] is True
    record = next(trunk for trunk in talkover.trunks if trunk["id"] == "trunk-uuid-1")
    assert body["data"] == {name: value for name, value in record.items() if name != "password"}
    assert body["data"]["name"] == "Primary Carrier — US"
    assert [asked.path for asked in talkover.requests] == ["/sip-trunks/trunk-uuid-1"]
