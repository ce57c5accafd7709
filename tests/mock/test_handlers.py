"""Tests of `trunkline.mock.handlers` and `trunkline.mock.views`: how requests change records and show them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests import requests
from tests.clock import Clock
from tests.requests import bearer, body_of, mine
from trunkline import mock
from trunkline.contract import folders
from trunkline.exchange import Json, Request, Response
from trunkline.mock import loader
from trunkline.mock.generators import Record

VENDORS = {name: loader.load(name) for name in folders.names()}
NOW = "2024-06-01T12:00:00Z"
STAGING = "talq_staging_environment_token"
ANOTHER = "sk_live_another_account"
UNREACHABLE = "550e8400-e29b-41d4-a716-446655440000"


class Client:
    """A client of one mock, with a token."""

    def __init__(self, name: str) -> None:
        self.vendor = VENDORS[name]
        self.clock = Clock(1_717_243_200.9)  # 2024-06-01T12:00:00Z and something
        self.mock = mock.from_vendor(self.vendor, clock=self.clock)

    def ask(self, method: str, path: str, body: Json = None, *, query: str = "", token: str = "") -> Response:
        return requests.Client(self.vendor, self.mock, token).ask(method, path, body, query)

    def json(self, *arguments: Any, **keywords: Any) -> Any:
        """The body of a successful response."""
        response = self.ask(*arguments, **keywords)
        assert response.status < 300, response.body
        return response.json()

    def record(self, collection: str, identity: str, account: str | None = None) -> Record:
        return next(record for record in self.mock.snapshot(collection, account) if record["id"] == identity)


@pytest.fixture
def telepath() -> Client:
    return Client("telepath")


@pytest.fixture
def talkover() -> Client:
    return Client("talkover")


NEW_TRUNK = body_of(VENDORS["telepath"].contract.operation("createTrunk"))
NEW_SIP_TRUNK = {
    "name": "Neu — ø",
    "provider_name": "carrier-z",
    "domain": "sip.example.com",
    "username": "user_9",
    "password": "tk-0123456789",
}
NEW_DID = {"country_code": "US", "number": "+12025550177"}


# --- create ---------------------------------------------------------------------------------------------------------


def test_a_created_record_is_listed_and_counted(telepath: Client) -> None:
    """It has the fields that the effects add; it is first in the list, and the total counts it."""
    before = telepath.json("GET", "/trunks")["pagination"]["total"]
    created = telepath.json("POST", "/trunks", {**NEW_TRUNK, "name": "Neu"})
    page = telepath.json("GET", "/trunks")
    assert page["pagination"]["total"] == before + 1
    listed = page["trunks"][0]
    assert listed == {
        "id": created["id"],
        "name": "Neu",
        "status": "active",
        "ai_provider": "openai",
        "sip_username": NEW_TRUNK["sip_username"],
        "created_at": NOW,
        "updated_at": NOW,
        "metrics": {"calls_today": 0, "success_rate": 0, "avg_latency_ms": 0},
    }
    assert created["sip_endpoint"] == f"sip://{NEW_TRUNK['sip_username']}@sip.telepathvoice.com"
    stored = telepath.record("trunks", created["id"])
    assert {name: stored[name] for name in NEW_TRUNK} == {**NEW_TRUNK, "name": "Neu"}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({}, {"transport": "tls", "port": 5061, "is_active": False, "outbound_proxy": None, "auth_realm": None}),
        ({"transport": "udp"}, {"transport": "udp", "port": 5060}),
        ({"transport": "tcp"}, {"transport": "tcp", "port": 5060}),
        ({"transport": "udp", "port": 5061}, {"port": 5061}),
        ({"port": 65535}, {"transport": "tls", "port": 65535}),
        ({"outbound_proxy": "proxy.example.com"}, {"outbound_proxy": "proxy.example.com", "auth_realm": None}),
        ({"outbound_proxy": None, "auth_realm": ""}, {"outbound_proxy": None, "auth_realm": ""}),
        ({"is_active": True}, {"is_active": False, "is_verified": False}),
        ({"is_verified": True, "health_status": "healthy"}, {"is_verified": False, "health_status": None}),
    ],
    ids=str,
)
def test_inputs_that_are_not_sent_get_their_defaults(talkover: Client, sent: Json, shown: dict[str, Json]) -> None:
    """Inputs that are sent are kept; no new trunk is verified, so none is active."""
    created = talkover.json("POST", "/sip-trunks", {**NEW_SIP_TRUNK, **sent})["data"]
    trunk = talkover.json("GET", f"/sip-trunks/{created['id']}")["data"]
    always = {"is_verified": False, "health_status": None, "last_health_check_at": None}
    assert {**always, **shown}.items() <= trunk.items()
    assert (trunk["created_at"], trunk["updated_at"]) == (NOW, NOW)
    assert {name: trunk[name] for name in created} == created


@pytest.mark.parametrize(
    ("number", "country", "form"),
    [
        ("+15551234560", "US", "(555) 123-4560"),
        ("+5511987654320", "BR", "(11) 98765-4320"),
        ("+551133334444", "BR", "(11) 3333-4444"),
        ("+442079460950", "GB", "020 7946 0950"),
        ("+4930123456", "DE", "+4930123456"),
        ("+15551234561", "GB", "(555) 123-4561"),
        ("+19", "US", "+19"),
    ],
)
def test_a_number_is_formatted_for_its_country(talkover: Client, number: str, country: str, form: str) -> None:
    """In the format that the page shows, or unchanged; whether number and country fit is not checked."""
    created = talkover.json("POST", "/sip-trunks/trunk-uuid-1/dids", {"number": number, "country_code": country})[
        "data"
    ]
    assert created == {**created, "number": number, "country_code": country, "formatted_number": form}
    assert created["trunk_id"] == "trunk-uuid-1"
    listed = talkover.json("GET", "/sip-trunks/trunk-uuid-1/dids")["data"]
    assert created.items() >= next(did for did in listed if did["id"] == created["id"]).items()


def test_unique_inputs_are_unique_within_an_account(telepath: Client, talkover: Client) -> None:
    """Case matters; a value is free again when its record is deleted."""
    assert telepath.ask("POST", "/trunks", NEW_TRUNK).status == 201
    assert telepath.ask("POST", "/trunks", NEW_TRUNK).status == 409
    assert (
        telepath.ask("POST", "/trunks", {**NEW_TRUNK, "sip_username": NEW_TRUNK["sip_username"].upper()}).status == 201
    )
    assert telepath.ask("POST", "/trunks", NEW_TRUNK, token=ANOTHER).status == 201
    path = "/sip-trunks/trunk-uuid-1/dids"
    first = talkover.json("POST", path, NEW_DID)["data"]
    assert talkover.ask("POST", path, NEW_DID).json()["code"] == "DID_ALREADY_EXISTS"
    assert talkover.ask("POST", f"/sip-trunks/{UNREACHABLE}/dids", NEW_DID).status == 409
    [theirs, *_] = talkover.mock.snapshot("trunks", "staging")
    assert talkover.ask("POST", f"/sip-trunks/{theirs['id']}/dids", NEW_DID, token=STAGING).status == 201
    assert talkover.ask("DELETE", f"{path}/{first['id']}").status == 200
    assert talkover.json("POST", path, NEW_DID)["data"]["id"] != first["id"]


def test_a_created_record_belongs_to_the_account_of_its_token(telepath: Client) -> None:
    """Another account does not see it."""
    created = telepath.json("POST", "/trunks", NEW_TRUNK, token=ANOTHER)
    assert telepath.record("trunks", created["id"], "another")["x-trunkline"] == {"account": "another"}
    assert created["id"] not in [record["id"] for record in telepath.mock.snapshot("trunks")]
    assert telepath.ask("PATCH", f"/trunks/{created['id']}", {}).status == 404
    assert telepath.ask("PATCH", f"/trunks/{created['id']}", {}, token=ANOTHER).status == 200


@pytest.mark.parametrize("name", VENDORS)
def test_no_id_is_used_twice(name: str) -> None:
    """No id of a present or deleted record is used again; two mocks give the same ids for the same requests."""
    ids = []
    for client in (Client(name), Client(name)):
        created = []
        for number in range(60):
            if name == "telepath":
                created.append(client.json("POST", "/trunks", {**NEW_TRUNK, "sip_username": f"user-{number}"})["id"])
            else:
                created.append(client.json("POST", "/sip-trunks", NEW_SIP_TRUNK)["data"]["id"])
                if number % 2:
                    client.json("DELETE", f"/sip-trunks/{created[-1]}")
        assert len({*created, *(record["id"] for record in mine(client.vendor, "trunks"))}) == 60 + len(
            mine(client.vendor, "trunks")
        )
        ids.append(created)
    assert ids[0] == ids[1]


# --- update ---------------------------------------------------------------------------------------------------------


def create_verified_trunk(client: Client) -> dict[str, Json]:
    """A trunk that was verified and made active."""
    identity = client.json("POST", "/sip-trunks", NEW_SIP_TRUNK)["data"]["id"]
    client.json("POST", f"/sip-trunks/{identity}/verify")
    client.json("PUT", f"/sip-trunks/{identity}", {"is_active": True})
    trunk: dict[str, Json] = client.json("GET", f"/sip-trunks/{identity}")["data"]
    assert (trunk["is_verified"], trunk["is_active"], trunk["health_status"]) == (True, True, "healthy")
    return trunk


CHANGES: list[tuple[dict[str, Json], dict[str, Json]]] = [
    ({}, {}),
    ({"name": "Anders"}, {"name": "Anders"}),
    ({"provider_name": "carrier-y"}, {"provider_name": "carrier-y"}),
    ({"is_active": False}, {"is_active": False}),
    ({"colour": "red", "id": "mine", "created_at": "x", "is_verified": False}, {}),
    (dict(NEW_SIP_TRUNK), {}),
    ({"transport": "tls", "port": 5061}, {}),
    (
        {"domain": "sip.other.example.com"},
        {"domain": "sip.other.example.com", "is_verified": False, "is_active": False},
    ),
    ({"transport": "udp"}, {"transport": "udp", "port": 5061, "is_verified": False, "is_active": False}),
    ({"username": "user_10"}, {"username": "user_10", "is_verified": False, "is_active": False}),
    ({"password": "tk-another-one"}, {"is_verified": False, "is_active": False}),
    ({"port": 5062}, {"port": 5062, "is_verified": False, "is_active": False}),
    (
        {"outbound_proxy": "p.example.com"},
        {"outbound_proxy": "p.example.com", "is_verified": False, "is_active": False},
    ),
    ({"auth_realm": "r"}, {"auth_realm": "r", "is_verified": False, "is_active": False}),
    ({"outbound_proxy": None}, {}),
    (
        {"domain": "d.example.com", "is_active": True},
        {"domain": "d.example.com", "is_verified": False, "is_active": False},
    ),
]
"""(The body of an update of a verified and active trunk, the fields that it changes)."""


@pytest.mark.parametrize(("sent", "changed"), CHANGES, ids=str)
def test_an_update_replaces_what_is_sent_and_resets_what_depends_on_it(
    talkover: Client, sent: dict[str, Json], changed: dict[str, Json]
) -> None:
    """All else stays; an equal value resets nothing; `updated_at` changes and the response shows some fields."""
    before = create_verified_trunk(talkover)
    talkover.clock.now += 3600
    path = f"/sip-trunks/{before['id']}"
    response = talkover.json("PUT", path, sent)["data"]
    after = talkover.json("GET", path)["data"]
    assert after == {**before, **changed, "updated_at": "2024-06-01T13:00:00Z"}
    assert response == {name: after[name] for name in ("id", "name", "is_active", "is_verified", "updated_at")}
    assert "tk-" not in json.dumps([response, after])


def test_a_whole_number_is_shown_as_an_integer(talkover: Client) -> None:
    """JSON Schema accepts 5061.0 and 5e3 as integers, but many clients cannot read them."""
    created = talkover.ask("POST", "/sip-trunks", {**NEW_SIP_TRUNK, "port": 5062.0})
    assert b'"port":5062,' in created.body
    path = f"/sip-trunks/{created.json()['data']['id']}"
    sent = (*bearer(talkover.vendor.world.token), ("content-type", "application/json"))
    assert talkover.mock(Request("PUT", path, "", sent, b'{"port": 5e3}')).status == 200
    assert b'"port":5000,' in talkover.ask("GET", path).body


@pytest.mark.parametrize("text", ["\\ud800", "\\ud800aaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaa\\udfff"])
def test_a_lone_surrogate_is_refused_anywhere_in_a_body(telepath: Client, talkover: Client, text: str) -> None:
    """UTF-8 cannot encode it, so it could not even be hidden."""
    for client, path, name in ((telepath, "/trunks", "sip_password"), (talkover, "/sip-trunks", "password")):
        sent = (*bearer(client.vendor.world.token), ("content-type", "application/json"))
        response = client.mock(Request("POST", path, "", sent, f'{{"{name}": "{text}"}}'.encode()))
        assert response.status == 400
        assert b"half of a surrogate pair" in response.body


def test_an_unverified_trunk_cannot_be_made_active(talkover: Client) -> None:
    """To ask for it is no error, but changes nothing."""
    identity = talkover.json("POST", "/sip-trunks", NEW_SIP_TRUNK)["data"]["id"]
    path = f"/sip-trunks/{identity}"
    assert talkover.json("PUT", path, {"is_active": True})["data"]["is_active"] is False
    talkover.json("POST", f"{path}/verify")
    assert talkover.json("GET", path)["data"]["is_active"] is False
    assert talkover.json("PUT", path, {"is_active": True})["data"]["is_active"] is True


def test_an_update_is_seen_in_the_list(telepath: Client) -> None:
    """The item keeps its place; fields that no response shows are stored too."""
    whole = telepath.json("GET", "/trunks", query="limit=100")["trunks"]
    changed = telepath.json("PATCH", f"/trunks/{whole[3]['id']}", {"name": "Anders", "system_prompt": "Be kind."})
    assert changed == {"id": whole[3]["id"], "name": "Anders", "status": whole[3]["status"], "updated_at": NOW}
    whole[3] = {**whole[3], "name": "Anders", "updated_at": NOW}
    assert telepath.json("GET", "/trunks", query="limit=100")["trunks"] == whole
    assert telepath.record("trunks", whole[3]["id"])["system_prompt"] == "Be kind."


# --- delete ---------------------------------------------------------------------------------------------------------


def test_a_deleted_record_is_gone_for_every_operation(talkover: Client) -> None:
    """It cannot be deleted again; other records stay."""
    trunk = talkover.json("POST", "/sip-trunks", NEW_SIP_TRUNK)["data"]
    others = [item for item in talkover.json("GET", "/sip-trunks")["data"] if item["id"] != trunk["id"]]
    path = f"/sip-trunks/{trunk['id']}"
    assert talkover.json("DELETE", path) == {"success": True, "message": "SIP trunk deleted"}
    assert talkover.json("GET", "/sip-trunks")["data"] == others
    requests = (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/verify"), ("GET", "/health"), ("GET", "/dids"))
    for method, more in requests:
        assert talkover.ask(method, path + more, {} if method == "PUT" else None).json()["code"] == "TRUNK_NOT_FOUND"
    assert talkover.ask("POST", f"{path}/dids", NEW_DID).status == 404


def test_a_trunk_can_be_deleted_once_it_has_no_dids(talkover: Client) -> None:
    """DIDs of other trunks and of other accounts do not matter."""
    trunk = talkover.json("POST", "/sip-trunks", NEW_SIP_TRUNK)["data"]
    path = f"/sip-trunks/{trunk['id']}"
    numbers = [
        talkover.json("POST", f"{path}/dids", {**NEW_DID, "number": f"+1202555017{digit}"})["data"]["id"]
        for digit in "12"
    ]
    for number in numbers:
        assert talkover.ask("DELETE", path).json()["code"] == "TRUNK_HAS_DIDS"
        assert talkover.json("DELETE", f"{path}/dids/{number}") == {"success": True, "message": "DID removed"}
        assert talkover.ask("DELETE", f"{path}/dids/{number}").json()["code"] == "DID_NOT_FOUND"
    assert talkover.ask("DELETE", path).status == 200


def test_a_did_in_use_cannot_be_deleted(talkover: Client) -> None:
    """Below another trunk it is unknown."""
    [used] = [record for record in talkover.mock.snapshot("dids") if record.get("x-trunkline", {}).get("in_use")]
    path = f"/sip-trunks/{used['trunk_id']}/dids/{used['id']}"
    assert talkover.ask("DELETE", path).json()["code"] == "DID_IN_USE"
    assert talkover.ask("DELETE", f"/sip-trunks/trunk-uuid-1/dids/{used['id']}").json()["code"] == "DID_NOT_FOUND"
    assert used in talkover.mock.snapshot("dids")


# --- answer ---------------------------------------------------------------------------------------------------------


def test_a_verification_shows_and_stores_its_result(talkover: Client) -> None:
    """A reachable trunk is verified and healthy; another one is neither, and is made inactive."""
    good = talkover.json("POST", "/sip-trunks/trunk-uuid-1/verify")
    found = {"is_verified": True, "health_status": "healthy", "last_health_check_at": NOW}
    assert good == {"success": True, "data": found}
    assert found.items() <= talkover.json("GET", "/sip-trunks/trunk-uuid-1")["data"].items()
    bad = talkover.json("POST", f"/sip-trunks/{UNREACHABLE}/verify")
    assert (bad["success"], bad["data"]["error"]) == (False, "Authentication failed (401)")
    trunk = talkover.json("GET", f"/sip-trunks/{UNREACHABLE}")["data"]
    lost = {"is_verified": False, "is_active": False, "health_status": "unhealthy", "last_health_check_at": NOW}
    assert lost.items() <= trunk.items()
    assert trunk["updated_at"] == NOW


def test_a_health_check_changes_no_record(talkover: Client) -> None:
    """Each check shows its own time."""
    before = talkover.mock.snapshot("trunks")
    health: dict[str, Mapping[str, Json]] = {}
    for time in (NOW, "2024-06-01T12:00:01Z"):
        for identity in ("trunk-uuid-1", UNREACHABLE):
            response = talkover.json("GET", f"/sip-trunks/{identity}/health")
            assert response["data"]["checked_at"] == time
            health[identity] = response["data"]
        talkover.clock.now += 1
    assert (health["trunk-uuid-1"]["is_healthy"], health[UNREACHABLE]["is_healthy"]) == (True, False)
    assert health[UNREACHABLE]["error"] == "Connection timeout"
    assert "error" not in health["trunk-uuid-1"]
    assert talkover.mock.snapshot("trunks") == before


def test_the_health_of_the_service_needs_no_token(talkover: Client) -> None:
    """A wrong token is accepted too, and no rate limit counts the request."""
    limited = mock.from_vendor(VENDORS["talkover"], rate_limit=1)
    for headers in ((), bearer("nobody"), (("authorization", "x"),), bearer(VENDORS["talkover"].world.token)):
        response = limited(Request("GET", "/health", "", headers))
        assert (response.status, response.json()) == (200, {"status": "ok"})
        assert not [name for name, _ in response.headers if name.startswith("x-ratelimit")]
    assert limited(Request("GET", "/sip-trunks", "", bearer(VENDORS["talkover"].world.token))).status == 200


# --- views ----------------------------------------------------------------------------------------------------------


def test_each_operation_shows_the_fields_that_its_page_documents(telepath: Client, talkover: Client) -> None:
    """In the order of the page; fields that the record does not have are left out."""
    call = telepath.json("GET", "/calls/call_abc123xyz")
    listed = next(
        item for item in telepath.json("GET", "/calls", query="limit=100")["calls"] if item["id"] == call["id"]
    )
    contract = VENDORS["telepath"].contract
    assert list(call) == [name for name in contract.operation("getCall").view if name in call]
    assert list(listed) == list(contract.operation("listCalls").view)
    assert "carrier_lag_ms" not in call
    assert call["metrics"]["carrier_lag_ms"] == listed["carrier_lag_ms"]
    record = talkover.record("trunks", "trunk-uuid-1")
    talkover.mock.put("trunks", dict(reversed(record.items())))
    assert list(talkover.json("GET", "/sip-trunks/trunk-uuid-1")["data"]) == list(
        VENDORS["talkover"].contract.operation("getSipTrunk").view
    )


def test_each_trunk_lists_its_own_dids(talkover: Client) -> None:
    """Together the lists have all DIDs of the account."""
    seen = []
    for trunk in talkover.mock.snapshot("trunks"):
        numbers = talkover.json("GET", f"/sip-trunks/{trunk['id']}/dids")["data"]
        wanted = sorted(did["id"] for did in talkover.mock.snapshot("dids") if did["trunk_id"] == trunk["id"])
        assert [number["id"] for number in numbers] == wanted
        seen += wanted
    assert sorted(seen) == sorted(did["id"] for did in talkover.mock.snapshot("dids"))
