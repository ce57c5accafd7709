"""Tests of `trunkline.mock.records`, `factory` and `recording`: records that a test changes, requests that it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

import trunkline
from trunkline import Request
from trunkline.contract import folders
from trunkline.errors import DataError, UsageError
from trunkline.exchange import NotJSON
from trunkline.mock.factory import RecordFactory
from trunkline.mock.loader import check_given
from trunkline.mock.recording import RecordedRequest, RecordingMock
from trunkline.mock.records import Records


def ask(fake: RecordingMock, method: str, target: str, body: object = None, *, token: str = "") -> tuple[int, Any]:
    """Send a request and return the status and the body."""
    path, _, query = target.partition("?")
    headers = (("authorization", f"Bearer {token or fake.token}"), ("content-type", "application/json"))
    sent = b"" if body is None else json.dumps(body).encode()
    response = fake(Request(method, path, query, headers, sent))
    return response.status, response.json()


def plain(records: Records) -> list[dict[str, object]]:
    """The records as they are now, without mock-only facts."""
    return [{name: value for name, value in record.items() if name != "x-trunkline"} for record in records]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_records_are_a_live_sequence(telepath_target: RecordingMock) -> None:
    """They equal a list or a tuple, have a length, indexes and slices, and follow the mock."""
    trunks = telepath_target.trunks
    kept = [*trunks]
    assert trunks == kept
    assert trunks == tuple(kept)
    assert trunks == telepath_target.trunks
    assert trunks != kept[:-1]
    assert trunks != 3
    assert len(trunks) == len(kept) == ask(telepath_target, "GET", "/trunks")[1]["pagination"]["total"]
    assert (trunks[0], trunks[-1], trunks[1:3]) == (kept[0], kept[-1], kept[1:3])
    assert [*reversed(trunks)] == kept[::-1]
    assert kept[2] in trunks
    assert repr(trunks) == repr(kept)
    with pytest.raises(IndexError):
        trunks[len(kept)]
    trunks.clear()
    assert trunks == []
    assert not trunks
    assert kept


def test_records_are_copied_in_and_out(telepath_target: RecordingMock) -> None:
    """Changing a record that was read or given changes nothing in the mock."""
    record = telepath_target.trunks[0]
    record["metrics"].clear()
    record["name"] = "changed"
    assert telepath_target.trunks[0]["name"] == "Customer Support"
    assert telepath_target.trunks[0]["metrics"]
    metrics = {"calls_today": 1, "success_rate": 100, "avg_latency_ms": 1}
    added = telepath_target.trunks.add(metrics=metrics)
    metrics.clear()
    added.clear()
    assert telepath_target.trunks[-1]["metrics"]["calls_today"] == 1


def test_get_returns_the_record_with_an_id(telepath_target: RecordingMock) -> None:
    """None for an unknown id and for one of another account."""
    (other, *_) = telepath_target.trunks.of("another")
    assert telepath_target.trunks.get("conn_abc123xyz") == telepath_target.trunks[0]
    assert telepath_target.trunks.get(other["id"]) is None
    assert telepath_target.trunks.get("nope") is None


def test_of_gives_the_records_of_another_account(telepath_target: RecordingMock) -> None:
    """They are served for its token, and not for the first one."""
    theirs = telepath_target.trunks.of("another")
    added = theirs.add(name="Theirs")
    assert added == telepath_target.trunks.of("another").get(added["id"])
    assert added == telepath_target.trunks.add(account="another", id="conn_second", name="Theirs") | {
        name: added[name] for name in added if name != "name"
    }
    grants = telepath_target.vendor.world.tokens.items()
    token = next(token for token, grant in grants if grant.account == "another")
    _, seen = ask(telepath_target, "GET", "/trunks?limit=100", token=token)
    assert {"conn_second", added["id"]} <= {trunk["id"] for trunk in seen["trunks"]}
    theirs.change(added["id"], name="Changed")
    theirs.remove("conn_second")
    assert [record["name"] for record in theirs if record["id"] == added["id"]] == ["Changed"]
    assert "conn_second" not in {record["id"] for record in theirs}
    assert added["id"] not in {record["id"] for record in telepath_target.trunks}
    with pytest.raises(UsageError, match="no token gives access to the account 'x'; there are: another, main"):
        telepath_target.trunks.of("x")


# --- adding -----------------------------------------------------------------------------------------------------------

COLLECTIONS = [(name, collection) for name in folders.names() for collection in trunkline.load(name).world.collections]


@pytest.mark.parametrize(("name", "collection"), COLLECTIONS)
def test_a_record_without_given_fields_is_plausible(name: str, collection: str) -> None:
    """It obeys the contract, has an id of its own and is the same in the next run, for every vendor."""
    vendor = trunkline.load(name)

    def build() -> list[dict[str, object]]:
        fake = fresh(name)
        records = [getattr(fake, collection).add() for _ in range(30)]
        assert getattr(fake, collection)[-30:] == records
        return records

    records = build()
    identity = vendor.world.collections[collection].identity
    for record in records:
        check_given(vendor, collection, [record], "")
    assert len({record[identity] for record in records}) == 30
    if vendor.world.collections[collection].generate:
        assert build() == records


def fresh(name: str) -> RecordingMock:
    """A mock as the fixtures give it."""
    return RecordingMock(trunkline.load(name))


def test_given_fields_replace_generated_ones(telepath_target: RecordingMock) -> None:
    """The next request sees them, and lists count the record."""
    before = ask(telepath_target, "GET", "/trunks?limit=1&status=error")[1]["pagination"]["total"]
    added = telepath_target.trunks.add(name="Night Desk", status="error")
    assert (added["name"], added["status"]) == ("Night Desk", "error")
    _, page = ask(telepath_target, "GET", "/trunks?limit=100&status=error")
    assert page["pagination"]["total"] == before + 1
    assert added["id"] in [trunk["id"] for trunk in page["trunks"]]


def test_a_record_may_be_given_as_a_dict(telepath_target: RecordingMock) -> None:
    """For names that are no keywords; keywords replace its fields, and a record that was read may be given again."""
    added = telepath_target.calls.add({"from": "+12025550100", "to": "+12025550101"}, to="+12025550102")
    assert (added["from"], added["to"]) == ("+12025550100", "+12025550102")
    again = telepath_target.calls.add(added, id="call_again")
    assert again == {**added, "id": "call_again"}
    assert telepath_target.calls.change("call_again", {"from": "+12025550103"})["from"] == "+12025550103"
    assert ask(telepath_target, "GET", "/calls/call_again")[1]["from"] == "+12025550103"


def test_derived_fields_follow_the_fields_they_are_made_from(
    telepath_target: RecordingMock, talkover_target: RecordingMock
) -> None:
    """An address follows its user name and a formatted number its number, unless both are given."""
    trunks, dids = telepath_target.trunks, talkover_target.dids
    added = trunks.add(sip_username="desk-night")
    assert added["sip_endpoint"] == "sip://desk-night@sip.telepathvoice.com"
    assert trunks.add(sip_username="b-2", sip_endpoint="sip://own")["sip_endpoint"] == "sip://own"
    assert trunks.add()["sip_endpoint"].startswith("sip://line-")
    assert dids.add(number="+12025550199")["formatted_number"] == "(202) 555-0199"
    assert dids.add(number="+15550100", formatted_number="own")["formatted_number"] == "own"
    changed = trunks.change(added["id"], sip_username="day-desk")
    assert changed["sip_endpoint"] == "sip://day-desk@sip.telepathvoice.com"
    assert trunks.change(added["id"], sip_username="x", sip_endpoint="sip://own")["sip_endpoint"] == "sip://own"
    assert trunks.change(added["id"], name="Day Desk")["sip_endpoint"] == "sip://own"
    assert dids.change("phone-uuid-1", number="+5511987654322")["formatted_number"] == "(11) 98765-4322"


def test_unique_values_are_never_built_twice(telepath_target: RecordingMock, talkover_target: RecordingMock) -> None:
    """Neither values of the fixtures, of a client or of a test, nor those of removed records."""
    body = {"name": "n", "ai_provider": "openai", "openai_api_key": "tk-0123456789", "sip_password": "tk-0123456789"}
    first = fresh("telepath").trunks.add()
    assert ask(telepath_target, "POST", "/trunks", {**body, "sip_username": first["sip_username"]})[0] == 201
    telepath_target.trunks.add(id=first["id"], sip_username="given")
    names = [telepath_target.trunks.add()["sip_username"] for _ in range(5)]
    assert len({record["sip_username"] for record in telepath_target.trunks}) == len(telepath_target.trunks)
    assert first["sip_username"] not in names
    shipped = {record["id"] for record in telepath_target.calls}
    created = telepath_target.calls.add()["id"]
    telepath_target.calls.clear()
    assert telepath_target.calls.add()["id"] not in {created, *shipped}
    numbers = [talkover_target.dids.add()["number"] for _ in range(5)]
    assert len({*numbers, "+15551234567", "+15559876543"}) == 7


def test_threads_may_add_at_once(telepath_target: RecordingMock) -> None:
    """No record is lost and unique values stay unique, while clients read."""
    before = len(telepath_target.trunks)

    def work(number: int) -> None:
        telepath_target.trunks.add(name=str(number))
        assert ask(telepath_target, "GET", "/trunks?limit=1")[0] == 200

    with ThreadPoolExecutor(8) as pool:
        [*pool.map(work, range(80))]
    records = [*telepath_target.trunks]
    assert len(records) == before + 80
    assert len({record["sip_username"] for record in records}) == len(records)


def test_a_record_can_be_built_for_an_empty_collection(talkover_target: RecordingMock) -> None:
    """Without generators it is a copy of the first shipped record."""
    vendor = talkover_target.vendor
    empty = replace(vendor, world=vendor.world.with_records("dids", ()).with_records("trunks", ()))
    fake = RecordingMock(empty)
    trunk = fake.trunks.add()
    assert fake.dids.add()["trunk_id"] == trunk["id"]
    assert fake.dids.add()["country_code"] == "US"


# --- mock-only facts --------------------------------------------------------------------------------------------------


def test_a_record_of_a_client_can_be_changed(telepath_target: RecordingMock) -> None:
    """Even if its secret is shorter than fixtures allow; the secret stays."""
    body = {
        "name": "Night Desk",
        "ai_provider": "openai",
        "openai_api_key": "k",
        "sip_username": "agent-short-01",
        "sip_password": "tk-Password0123456789",
    }
    status, created = ask(telepath_target, "POST", "/trunks", body)
    assert status == 201
    assert telepath_target.trunks.change(created["id"], status="error")["status"] == "error"
    assert telepath_target.trunks.get(created["id"])["openai_api_key"] == "k"  # type: ignore[index]  # it is there


def test_a_carrier_can_be_made_unreachable(talkover_target: RecordingMock) -> None:
    """Its trunk is unhealthy until the carrier is reachable again."""
    trunks = talkover_target.trunks
    added = trunks.add(is_verified=False)
    place = f"/sip-trunks/{added['id']}"
    assert ask(talkover_target, "POST", f"{place}/verify")[1]["success"]
    trunks.change(added["id"], reachable=False)
    assert ask(talkover_target, "GET", f"{place}/health")[1]["data"]["is_healthy"] is False
    assert not ask(talkover_target, "POST", f"{place}/verify")[1]["success"]
    assert trunks.get(added["id"]) == {**trunks[-1], "is_verified": False, "x-trunkline": {"reachable": False}}
    trunks.change(added["id"], reachable=True)
    assert ask(talkover_target, "POST", f"{place}/verify")[1]["success"]
    down = trunks.add(reachable=False)
    assert not ask(talkover_target, "POST", f"/sip-trunks/{down['id']}/verify")[1]["success"]


def test_a_did_can_be_in_use(talkover_target: RecordingMock) -> None:
    """Then it cannot be deleted; changing one mock-only fact keeps the others."""
    added = talkover_target.dids.add({"x-trunkline": {"reachable": False}}, in_use=True)
    place = f"/sip-trunks/{added['trunk_id']}/dids/{added['id']}"
    assert ask(talkover_target, "DELETE", place)[0] == 409
    changed = talkover_target.dids.change(added["id"], in_use=False)
    assert changed["x-trunkline"] == {"reachable": False, "in_use": False}
    assert ask(talkover_target, "DELETE", place)[0] == 200


# --- parents and children ---------------------------------------------------------------------------------------------


def test_a_did_is_attached_to_a_trunk(talkover_target: RecordingMock) -> None:
    """To the given one, or to the first; a client cannot delete a trunk that has DIDs."""
    trunk = talkover_target.trunks.add()
    added = talkover_target.dids.add(trunk_id=trunk["id"], number="+15550100")
    place = f"/sip-trunks/{trunk['id']}"
    assert ask(talkover_target, "GET", f"{place}/dids")[1]["data"] == [
        {name: added[name] for name in ("id", "number", "country_code", "formatted_number")}
    ]
    assert ask(talkover_target, "DELETE", place)[0] == 409
    talkover_target.dids.change(added["id"], trunk_id="trunk-uuid-1")
    assert ask(talkover_target, "DELETE", place)[0] == 200
    assert talkover_target.dids.add()["trunk_id"] == talkover_target.trunks[0]["id"]
    assert talkover_target.dids.add(account="staging")["trunk_id"] == talkover_target.trunks.of("staging")[0]["id"]


def test_removing_a_record_removes_its_children(talkover_target: RecordingMock) -> None:
    """Removing a trunk removes its DIDs and no others."""
    mine = [did for did in talkover_target.dids if did["trunk_id"] == "trunk-uuid-1"]
    others = [did for did in talkover_target.dids if did["trunk_id"] != "trunk-uuid-1"]
    assert mine
    assert others
    talkover_target.trunks.remove("trunk-uuid-1")
    assert talkover_target.dids == others
    assert ask(talkover_target, "GET", "/sip-trunks/trunk-uuid-1/dids")[0] == 404
    talkover_target.trunks.clear()
    assert talkover_target.trunks == []
    assert talkover_target.dids == []
    assert len(talkover_target.dids.of("staging")) == 1


# --- mistakes ---------------------------------------------------------------------------------------------------------

FIELDS = "ai_provider, created_at, *, updated_at; for the mock alone: account"
RECORD = "the record given for telepath's trunks#"

MISTAKES: dict[str, tuple[Callable[[RecordingMock, RecordingMock], object], str]] = {
    "an unknown field": (
        lambda a, _: a.trunks.add(nam="x"),
        f"telepath.trunks has no field 'nam'; its fields are: {FIELDS}",
    ),
    "another unknown field": (
        lambda a, _: a.trunks.change("conn_abc123xyz", {"": 1}),
        f"telepath.trunks has no field ''; its fields are: {FIELDS}",
    ),
    "no dict": (lambda a, _: a.trunks.add([]), "a record of telepath.trunks must be a dict, not a list"),  # type: ignore[arg-type]  # that is the mistake
    "no JSON": (
        lambda a, _: a.trunks.add(name={1}),
        "what is given for telepath.trunks is not JSON: Object of type set is not JSON serializable",
    ),
    "no number": (lambda a, _: a.trunks.add(name=float("nan")), f"{RECORD}/name: not a number that JSON has"),
    "nested": (lambda a, _: a.trunks.add(name=nested(5000)), "what is given for telepath.trunks is nested too deeply"),
    "a wrong value": (lambda a, _: a.trunks.add(status="busy"), f'{RECORD}/status: "busy" is not one of *'),
    "a wrong type": (lambda a, _: a.trunks.add(name=3), f"{RECORD}/name: 3 is not of type string *"),
    "a wrong input": (lambda a, _: a.trunks.add(system_prompt=3), f"{RECORD}/system_prompt: 3 is not of type string *"),
    "a part": (lambda a, _: a.trunks.add(metrics={}), "*: required properties are absent: metrics/calls_today, *"),
    "a short secret": (
        lambda a, _: a.trunks.add(sip_password="tk-7"),
        f"{RECORD}/sip_password: a secret must be a text *",
    ),
    "a wrong fact": (
        lambda _, b: b.trunks.add(reachable="no"),
        "the record given for talkover's trunks#/x-trunkline/reachable: *",
    ),
    "a fact that nothing asks for": (
        lambda a, _: a.trunks.add(reachable=False),
        f"telepath.trunks has no field 'reachable'; its fields are: {FIELDS}",
    ),
    "a fact of something else": (
        lambda _, b: b.dids.add(reachable=False),
        "talkover.dids has no field 'reachable'; its fields are: *; for the mock alone: account, in_use",
    ),
    "a collection that is not there": (
        lambda a, _: a.dids,
        "telepath has no 'dids'; its records are: calls, trunks",
    ),
    "an unknown fact": (lambda a, _: a.trunks.add({"x-trunkline": {"up": True}}), f"{RECORD}/x-trunkline: *"),
    "no facts": (
        lambda a, _: a.trunks.add({"x-trunkline": []}),
        "x-trunkline of a record of telepath.trunks must be a dict of account",
    ),
    "an unknown account": (
        lambda a, _: a.trunks.add(account="x"),
        "no token gives access to the account 'x'; there are: another, main",
    ),
    "a wrong id": (lambda a, _: a.trunks.add(id=7), f"{RECORD}/id: 7 is not of type string *"),
    "an id that is there": (
        lambda a, _: a.trunks.add(id="conn_abc123xyz"),
        "telepath.trunks already has 'conn_abc123xyz'; use .change() for an existing record",
    ),
    "what is another's": (
        lambda a, _: a.trunks.add(sip_username="support-01"),
        "another record of telepath.trunks has the same sip_username, which must be unique",
    ),
    "what becomes another's": (
        lambda a, _: a.trunks.change("conn_def456abc", sip_username="support-01"),
        "another record of telepath.trunks has the same sip_username, which must be unique",
    ),
    "an unknown id": (lambda a, _: a.trunks.change("nope", name="x"), "telepath.trunks has no 'nope'"),
    "nothing to remove": (lambda a, _: a.trunks.remove("nope"), "telepath.trunks has no 'nope'"),
    "a new id": (
        lambda a, _: a.trunks.change("conn_abc123xyz", id="x"),
        "the id and the account of a record of telepath.trunks are fixed; add another record",
    ),
    "another account": (
        lambda a, _: a.trunks.change("conn_abc123xyz", account="another"),
        "the id and the account of a record of telepath.trunks are fixed; add another record",
    ),
    "an unknown parent": (
        lambda _, b: b.dids.add(trunk_id="nope"),
        "a record of talkover.dids belongs to one of talkover.trunks, and its trunk_id names none of them",
    ),
    "a parent of another account": (
        lambda _, b: b.dids.change("phone-uuid-1", trunk_id=b.trunks.of("staging")[0]["id"]),
        "a record of talkover.dids belongs to one of talkover.trunks, and its trunk_id names none of them",
    ),
    "an unknown operation": (
        lambda a, _: a.asked("listTrunk"),
        "telepath has no operation 'listTrunk'; did you mean listTrunks?",
    ),
}


def nested(depth: int) -> list[Any]:
    """Lists within lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(telepath_target: RecordingMock, talkover_target: RecordingMock, name: str) -> None:
    """It names the collection and the mistake, and the mock stays unchanged."""
    make_mistake, message = MISTAKES[name]
    before = [[*telepath_target.trunks], [*talkover_target.dids]]
    with pytest.raises((UsageError, DataError, AttributeError)) as caught:
        make_mistake(telepath_target, talkover_target)
    pytest.LineMatcher([str(caught.value)]).fnmatch_lines([message])
    assert [[*telepath_target.trunks], [*talkover_target.dids]] == before
    assert [entry.name for entry in caught.traceback][-1] in {"hidden", "_check_operation", "__getattr__"}


def test_a_did_needs_a_trunk(talkover_target: RecordingMock) -> None:
    """Without one, the message says what to do first."""
    talkover_target.trunks.clear()
    with pytest.raises(UsageError, match="there are none; add one first"):
        talkover_target.dids.add()


def test_no_message_quotes_a_secret(telepath_target: RecordingMock, talkover_target: RecordingMock) -> None:
    """Neither a given one nor a stored one."""
    secret = "hunter2-hunter2-hunter2"
    for records in (telepath_target.trunks, talkover_target.trunks):
        name = "sip_password" if records is telepath_target.trunks else "password"
        for fields in ({"name": secret, "id": 7}, {"created_at": secret}, {"metrics": secret}, {"nope": secret}):
            with pytest.raises((UsageError, DataError)) as caught:
                records.add({name: secret, **fields})
            assert "hunter2" not in str(caught.value)


# --- recorded requests ------------------------------------------------------------------------------------------------


def test_requests_are_found_by_operation(telepath_target: RecordingMock) -> None:
    """The operation has its operationId, or None if the contract does not have it; `requests` is a list."""
    ask(telepath_target, "GET", "/trunks?limit=1")
    ask(telepath_target, "PATCH", "/trunks/conn_abc123xyz", {"name": "Renamed"})
    ask(telepath_target, "PATCH", "/trunks/conn_%61bc123xyz", {"name": "Twice"})
    ask(telepath_target, "DELETE", "/trunks/conn_abc123xyz")
    ask(telepath_target, "GET", "/nowhere")
    assert type(telepath_target.requests) is list
    operations = [request.operation for request in telepath_target.requests]
    assert operations == ["listTrunks", "updateTrunk", "updateTrunk", None, None]
    changes = telepath_target.asked("updateTrunk")
    assert [request.json for request in changes] == [{"name": "Renamed"}, {"name": "Twice"}]
    assert [request.status for request in changes] == [200, 200]
    assert telepath_target.asked("createTrunk") == []


def test_a_body_is_read_as_json(telepath_target: RecordingMock) -> None:
    """None if there is none; the error for invalid JSON does not quote the body."""
    ask(telepath_target, "GET", "/trunks")
    ask(telepath_target, "POST", "/trunks", {"name": "n", "own": [1, {"two": None}]})
    telepath_target(Request("POST", "/trunks", "", (), b'{"sip_password": "hunter2'))
    empty, sent, broken = telepath_target.requests
    assert empty.json is None
    assert sent.json == {"name": "n", "own": [1, {"two": None}]}
    with pytest.raises(NotJSON) as caught:
        assert broken.json
    assert "hunter2" not in str(caught.value)
    assert broken.body == b'{"sip_password": "hunter2'


def test_secrets_in_a_body_print_as_stars(telepath_target: RecordingMock) -> None:
    """At any depth, under any spelling of their names, and known values under any name; they equal their values."""
    sent = {
        "name": telepath_target.token,
        "sip_password": "hunter2-1",
        "own": [{"sipPassword": ["hunter2-2"]}, {"openai-api-key": {"value": "hunter2-3", "name": 7}}],
    }
    ask(telepath_target, "POST", "/trunks", sent)
    (request,) = telepath_target.requests
    assert request.json == sent
    assert json.loads(json.dumps(request.json)) == sent
    for shown in (repr(request), repr(request.json)):
        assert "hunter2" not in shown
        assert telepath_target.token not in shown
    assert repr(request.json["own"][1]) == "{'openai-api-key': {'value': ***, 'name': 7}}"


def test_secrets_of_records_print_as_stars(telepath_target: RecordingMock) -> None:
    """Also where a client sends them in a query or a header; they equal their values."""
    added = telepath_target.trunks.add(sip_password="hunter2-hunter2")
    assert added["sip_password"] == "hunter2-hunter2"
    telepath_target(Request("GET", "/trunks", "key=hunter2-hunter2", (("x-own", "hunter2-hunter2"),)))
    (request,) = telepath_target.requests
    for shown in (repr(added), repr(telepath_target.trunks), repr(request), repr(request.headers)):
        assert "hunter2" not in shown


def test_the_log_shows_no_secret_of_a_record(telepath_target: RecordingMock, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal that would quote one has `***`."""
    telepath_target.trunks.add(sip_password="hunter2-hunter2")
    with caplog.at_level("INFO"):
        ask(telepath_target, "GET", "/trunks?status=hunter2-hunter2")
    assert caplog.text
    assert "hunter2" not in caplog.text


def test_a_documented_field_hides_a_mock_only_fact_of_its_name(telepath_target: RecordingMock) -> None:
    """The fact is then given under `x-trunkline`."""
    factory = RecordFactory(telepath_target.vendor, "trunks", 0)
    factory.fields, factory.mock_only = [*factory.fields, "reachable"], ["account", "in_use"]
    parsed = factory.parse({"x-trunkline": {"reachable": False}}, {"reachable": "sometimes", "in_use": True})
    assert parsed == {"reachable": "sometimes", "x-trunkline": {"reachable": False, "in_use": True}}


def test_records_that_share_a_unique_value_may_be_changed(telepath_target: RecordingMock) -> None:
    """If the test's own data have duplicates, other fields can still be changed."""
    vendor = telepath_target.vendor
    first, second, *_ = vendor.world.collections["trunks"].records
    alike = (first, {**second, "sip_username": first["sip_username"]})
    fake = RecordingMock(replace(vendor, world=vendor.world.with_records("trunks", alike)))
    assert fake.trunks.change(second["id"], name="Changed")["name"] == "Changed"


def test_a_recorded_request_prints_in_one_line(telepath_target: RecordingMock) -> None:
    """A failed test shows the request and the status."""
    ask(telepath_target, "POST", "/trunks", {"name": "n"})
    (request,) = telepath_target.requests
    assert isinstance(request, RecordedRequest)
    assert re.fullmatch(r"<Request\('POST', '/trunks', .*body=<\d+ bytes>\) -> 400>", repr(request))
