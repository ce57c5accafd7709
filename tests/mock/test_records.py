"""What a test may do to the records of its mock, and what it may ask of its client's requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

import trunkline
from trunkline import Request
from trunkline.contract import folders
from trunkline.errors import DataError, UsageError
from trunkline.exchange import NotJSON
from trunkline.mock import RecordedRequest, RecordingMock, Records
from trunkline.mock.factory import RecordFactory
from trunkline.mock.loader import check_record

Said: TypeAlias = tuple[int, Any]
"""A status and a body."""


def ask(mocked: RecordingMock, method: str, target: str, body: object = None, *, token: str = "") -> Said:
    """What the mock answers."""
    path, _, query = target.partition("?")
    headers = (("authorization", f"Bearer {token or mocked.token}"), ("content-type", "application/json"))
    sent = b"" if body is None else json.dumps(body).encode()
    response = mocked(Request(method, path, query, headers, sent))
    return response.status, response.json()


def plain(records: Records) -> list[dict[str, object]]:
    """The records as they are now, without what only the mock knows."""
    return [{name: value for name, value in record.items() if name != "x-trunkline"} for record in records]


# --- reading --------------------------------------------------------------------------------------------------------


def test_records_are_a_sequence_of_what_is_there_now(telepath_target: RecordingMock) -> None:
    """They are equal to a list or a tuple, have a length, places and slices, and follow the mock."""
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


def test_what_is_read_is_a_copy(telepath_target: RecordingMock) -> None:
    """Whoever changes what he read, or what he gave, changes nothing on the mock."""
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


def test_one_record_is_got_by_its_id(telepath_target: RecordingMock) -> None:
    """An id that is not there, or that is another account's, gets None."""
    (other, *_) = telepath_target.trunks.of("another")
    assert telepath_target.trunks.get("conn_abc123xyz") == telepath_target.trunks[0]
    assert telepath_target.trunks.get(other["id"]) is None
    assert telepath_target.trunks.get("nope") is None


def test_every_account_can_be_looked_into(telepath_target: RecordingMock) -> None:
    """What stands in another account is seen with its credential, and not with the first one's."""
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
    with pytest.raises(UsageError, match=re.escape("no token opens the account 'x'; there are: another, main")):
        telepath_target.trunks.of("x")


# --- adding ---------------------------------------------------------------------------------------------------------

COLLECTIONS = [(name, collection) for name in folders.names() for collection in trunkline.load(name).world.collections]


@pytest.mark.parametrize(("name", "collection"), COLLECTIONS)
def test_what_is_added_without_a_word_is_plausible(name: str, collection: str) -> None:
    """It fits the contract, has an id of its own, and is the same in the next run; that is so for every vendor."""
    vendor = trunkline.load(name)

    def made() -> list[dict[str, object]]:
        held = mocked(name)
        records = [getattr(held, collection).add() for _ in range(30)]
        assert getattr(held, collection)[-30:] == records
        return records

    records = made()
    identity = vendor.world.collections[collection].identity
    for record in records:
        check_record(vendor, collection, record)
    assert len({record[identity] for record in records}) == 30
    if vendor.world.collections[collection].generate:
        assert made() == records


def mocked(name: str) -> RecordingMock:
    """A mock as the fixtures give it."""
    return RecordingMock(trunkline.load(name))


def test_what_is_given_is_laid_over_what_is_made(telepath_target: RecordingMock) -> None:
    """The answer to the next request shows it, and lists count it."""
    before = ask(telepath_target, "GET", "/trunks?limit=1&status=error")[1]["pagination"]["total"]
    added = telepath_target.trunks.add(name="Night Desk", status="error")
    assert (added["name"], added["status"]) == ("Night Desk", "error")
    _, page = ask(telepath_target, "GET", "/trunks?limit=100&status=error")
    assert page["pagination"]["total"] == before + 1
    assert added["id"] in [trunk["id"] for trunk in page["trunks"]]


def test_names_that_are_no_keywords_are_given_in_a_record(telepath_target: RecordingMock) -> None:
    """A record may be given whole, keywords are laid over it, and what was read may be given again."""
    added = telepath_target.calls.add({"from": "+12025550100", "to": "+12025550101"}, to="+12025550102")
    assert (added["from"], added["to"]) == ("+12025550100", "+12025550102")
    again = telepath_target.calls.add(added, id="call_again")
    assert again == {**added, "id": "call_again"}
    assert telepath_target.calls.change("call_again", {"from": "+12025550103"})["from"] == "+12025550103"
    assert ask(telepath_target, "GET", "/calls/call_again")[1]["from"] == "+12025550103"


def test_what_creation_makes_of_a_field_follows_it(
    telepath_target: RecordingMock, talkover_target: RecordingMock
) -> None:
    """An address follows its user name and a formatted number its number, unless they are given, too."""
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


def test_nothing_is_made_that_is_there_or_was(telepath_target: RecordingMock, talkover_target: RecordingMock) -> None:
    """Neither an id nor what no two can share comes twice: not from the fixtures, a client, a test, or the past."""
    body = {"name": "n", "ai_provider": "openai", "openai_api_key": "tk-0123456789", "sip_password": "tk-0123456789"}
    first = mocked("telepath").trunks.add()
    assert ask(telepath_target, "POST", "/trunks", {**body, "sip_username": first["sip_username"]})[0] == 201
    telepath_target.trunks.add(id=first["id"], sip_username="given")
    names = [telepath_target.trunks.add()["sip_username"] for _ in range(5)]
    assert len({record["sip_username"] for record in telepath_target.trunks}) == len(telepath_target.trunks)
    assert first["sip_username"] not in names
    shipped = {record["id"] for record in telepath_target.calls}
    made = telepath_target.calls.add()["id"]
    telepath_target.calls.clear()
    assert telepath_target.calls.add()["id"] not in {made, *shipped}
    numbers = [talkover_target.dids.add()["number"] for _ in range(5)]
    assert len({*numbers, "+15551234567", "+15559876543"}) == 7


def test_threads_may_add_at_once(telepath_target: RecordingMock) -> None:
    """No record is lost and none has what is another's, while clients read."""
    before = len(telepath_target.trunks)

    def work(number: int) -> None:
        telepath_target.trunks.add(name=str(number))
        assert ask(telepath_target, "GET", "/trunks?limit=1")[0] == 200

    with ThreadPoolExecutor(8) as pool:
        [*pool.map(work, range(80))]
    records = [*telepath_target.trunks]
    assert len(records) == before + 80
    assert len({record["sip_username"] for record in records}) == len(records)


def test_a_collection_that_was_emptied_still_knows_its_shape(talkover_target: RecordingMock) -> None:
    """Where there is no recipe, a record is made after the first that the data hold."""
    vendor = talkover_target.vendor
    empty = replace(vendor, world=vendor.world.with_records("dids", ()).with_records("trunks", ()))
    held = RecordingMock(empty)
    trunk = held.trunks.add()
    assert held.dids.add()["trunk_id"] == trunk["id"]
    assert held.dids.add()["country_code"] == "US"


# --- what only the mock knows ---------------------------------------------------------------------------------------


def test_what_a_client_made_can_be_changed(telepath_target: RecordingMock) -> None:
    """A client may send a key that is shorter than a fixture may hold; it stays, and is not what is changed."""
    body = {
        "name": "Night Desk",
        "ai_provider": "openai",
        "openai_api_key": "k",
        "sip_username": "agent-short-01",
        "sip_password": "tk-Password0123456789",
    }
    status, made = ask(telepath_target, "POST", "/trunks", body)
    assert status == 201
    assert telepath_target.trunks.change(made["id"], status="error")["status"] == "error"
    assert telepath_target.trunks.get(made["id"])["openai_api_key"] == "k"  # type: ignore[index]  # it is there


def test_a_carrier_can_be_made_unreachable(talkover_target: RecordingMock) -> None:
    """A trunk that was fine is so no more when its carrier is gone, and is again when it is back."""
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


def test_a_number_can_be_in_use(talkover_target: RecordingMock) -> None:
    """It cannot be deleted then; one mock-only fact leaves the others as they are."""
    added = talkover_target.dids.add({"x-trunkline": {"reachable": False}}, in_use=True)
    place = f"/sip-trunks/{added['trunk_id']}/dids/{added['id']}"
    assert ask(talkover_target, "DELETE", place)[0] == 409
    changed = talkover_target.dids.change(added["id"], in_use=False)
    assert changed["x-trunkline"] == {"reachable": False, "in_use": False}
    assert ask(talkover_target, "DELETE", place)[0] == 200


# --- what belongs to something --------------------------------------------------------------------------------------


def test_a_number_is_attached_to_a_trunk(talkover_target: RecordingMock) -> None:
    """To the one that is named, else to the first; the trunk cannot be deleted by a client as long as it is there."""
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


def test_what_belongs_to_a_removed_record_goes_with_it(talkover_target: RecordingMock) -> None:
    """A trunk takes its numbers along, and those only."""
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


# --- trouble --------------------------------------------------------------------------------------------------------

FIELDS = "ai_provider, created_at, *, updated_at; and on the mock alone account"
RECORD = "the record given for telepath's trunks#"

TROUBLE: dict[str, tuple[Callable[[RecordingMock, RecordingMock], object], str]] = {
    "an unknown field": (
        lambda a, _: a.trunks.add(nam="x"),
        f"telepath.trunks has no field 'nam'; there are: {FIELDS}",
    ),
    "another unknown field": (
        lambda a, _: a.trunks.change("conn_abc123xyz", {"": 1}),
        f"telepath.trunks has no field ''; there are: {FIELDS}",
    ),
    "no dict": (lambda a, _: a.trunks.add([]), "a record of telepath.trunks is a dict, not a list"),  # type: ignore[arg-type]  # that is the mistake
    "no JSON": (
        lambda a, _: a.trunks.add(name={1}),
        "what is given for telepath.trunks is not JSON: Object of type set is not JSON serializable",
    ),
    "no number": (lambda a, _: a.trunks.add(name=float("nan")), f"{RECORD}/name: not a number that JSON has"),
    "nested": (lambda a, _: a.trunks.add(name=nested(5000)), "what is given for telepath.trunks is nested too deeply"),
    "a wrong value": (lambda a, _: a.trunks.add(status="busy"), f'{RECORD}/status: "busy" is not one of *'),
    "a wrong type": (lambda a, _: a.trunks.add(name=3), f"{RECORD}/name: 3 is not of type string *"),
    "a wrong input": (lambda a, _: a.trunks.add(system_prompt=3), f"{RECORD}/system_prompt: 3 is not of type string *"),
    "a part": (lambda a, _: a.trunks.add(metrics={}), f"{RECORD}/metrics*: a required property is absent *"),
    "a short secret": (lambda a, _: a.trunks.add(sip_password="tk-7"), f"{RECORD}/sip_password: a secret is a text *"),
    "a wrong fact": (
        lambda _, b: b.trunks.add(reachable="no"),
        "the record given for talkover's trunks#/x-trunkline/reachable: *",
    ),
    "a fact that nothing asks for": (
        lambda a, _: a.trunks.add(reachable=False),
        f"telepath.trunks has no field 'reachable'; there are: {FIELDS}",
    ),
    "a fact of something else": (
        lambda _, b: b.dids.add(reachable=False),
        "talkover.dids has no field 'reachable'; there are: *; and on the mock alone account, in_use",
    ),
    "a collection that is not there": (
        lambda a, _: a.dids,
        "telepath has no 'dids'; its records are: calls, trunks",
    ),
    "an unknown fact": (lambda a, _: a.trunks.add({"x-trunkline": {"up": True}}), f"{RECORD}/x-trunkline: *"),
    "no facts": (
        lambda a, _: a.trunks.add({"x-trunkline": []}),
        "x-trunkline of a record of telepath.trunks is a dict of account",
    ),
    "an unknown account": (
        lambda a, _: a.trunks.add(account="x"),
        "no token opens the account 'x'; there are: another, main",
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
        "telepath has no operation 'listTrunk'; there are: listTrunks, createTrunk, *",
    ),
}


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name", TROUBLE)
def test_what_cannot_be_meant_is_one_sentence(
    telepath_target: RecordingMock, talkover_target: RecordingMock, name: str
) -> None:
    """It says what is wrong of which collection, and the mock stays as it was."""
    does, wanted = TROUBLE[name]
    before = [[*telepath_target.trunks], [*talkover_target.dids]]
    with pytest.raises((UsageError, DataError, AttributeError)) as caught:
        does(telepath_target, talkover_target)
    pytest.LineMatcher([str(caught.value)]).fnmatch_lines([wanted])
    assert [[*telepath_target.trunks], [*talkover_target.dids]] == before
    assert [entry.name for entry in caught.traceback][-1] in {"hidden", "asked", "__getattr__"}


def test_a_number_needs_a_trunk(talkover_target: RecordingMock) -> None:
    """Without one the sentence says what to do first."""
    talkover_target.trunks.clear()
    with pytest.raises(UsageError, match="there are none; add one first"):
        talkover_target.dids.add()


def test_no_trouble_quotes_a_secret(telepath_target: RecordingMock, talkover_target: RecordingMock) -> None:
    """Neither what is given nor what is there."""
    secret = "hunter2-hunter2-hunter2"
    for records in (telepath_target.trunks, talkover_target.trunks):
        name = "sip_password" if records is telepath_target.trunks else "password"
        for fields in ({"name": secret, "id": 7}, {"created_at": secret}, {"metrics": secret}, {"nope": secret}):
            with pytest.raises((UsageError, DataError)) as caught:
                records.add({name: secret, **fields})
            assert "hunter2" not in str(caught.value)


# --- what the client did --------------------------------------------------------------------------------------------


def test_what_was_asked_is_told_by_operation(telepath_target: RecordingMock) -> None:
    """The operation is named as in the contract, and None where the contract has none; the list is a plain one."""
    ask(telepath_target, "GET", "/trunks?limit=1")
    ask(telepath_target, "PATCH", "/trunks/conn_abc123xyz", {"name": "Renamed"})
    ask(telepath_target, "PATCH", "/trunks/conn_%61bc123xyz", {"name": "Twice"})
    ask(telepath_target, "DELETE", "/trunks/conn_abc123xyz")
    ask(telepath_target, "GET", "/nowhere")
    assert type(telepath_target.requests) is list
    operations = [asked.operation for asked in telepath_target.requests]
    assert operations == ["listTrunks", "updateTrunk", "updateTrunk", None, None]
    changes = telepath_target.asked("updateTrunk")
    assert [asked.json for asked in changes] == [{"name": "Renamed"}, {"name": "Twice"}]
    assert [asked.status for asked in changes] == [200, 200]
    assert telepath_target.asked("createTrunk") == []


def test_a_body_is_told_as_json(telepath_target: RecordingMock) -> None:
    """None when there is none; what is no JSON is told as such, without a word of it."""
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


def test_secrets_of_a_body_are_equal_and_not_printed(telepath_target: RecordingMock) -> None:
    """At any depth, under any spelling of their names, and where a known one stands under another name."""
    sent = {
        "name": telepath_target.token,
        "sip_password": "hunter2-1",
        "own": [{"sipPassword": ["hunter2-2"]}, {"openai-api-key": {"value": "hunter2-3", "name": 7}}],
    }
    ask(telepath_target, "POST", "/trunks", sent)
    (asked,) = telepath_target.requests
    assert asked.json == sent
    assert json.loads(json.dumps(asked.json)) == sent
    for shown in (repr(asked), repr(asked.json)):
        assert "hunter2" not in shown
        assert telepath_target.token not in shown
    assert repr(asked.json["own"][1]) == "{'openai-api-key': {'value': ***, 'name': 7}}"


def test_secrets_of_records_are_equal_and_not_printed(telepath_target: RecordingMock) -> None:
    """What a test gave comes back as `***` in print, also where a client sends it in a query or a header."""
    added = telepath_target.trunks.add(sip_password="hunter2-hunter2")
    assert added["sip_password"] == "hunter2-hunter2"
    telepath_target(Request("GET", "/trunks", "key=hunter2-hunter2", (("x-own", "hunter2-hunter2"),)))
    (asked,) = telepath_target.requests
    for shown in (repr(added), repr(telepath_target.trunks), repr(asked), repr(asked.headers)):
        assert "hunter2" not in shown


def test_the_log_tells_no_secret_of_a_record(telepath_target: RecordingMock, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal that would quote one says `***`."""
    telepath_target.trunks.add(sip_password="hunter2-hunter2")
    with caplog.at_level("INFO"):
        ask(telepath_target, "GET", "/trunks?status=hunter2-hunter2")
    assert caplog.text
    assert "hunter2" not in caplog.text


def test_a_kind_may_have_no_words_of_the_mock(telepath_target: RecordingMock) -> None:
    """A field that the contract documents under a mock-only name is that field; the fact is told by `x-trunkline`."""
    kind = RecordFactory(telepath_target.vendor, "trunks", 0)
    kind.fields, kind.mock_only = [*kind.fields, "reachable"], ["account", "in_use"]
    said = kind.parse({"x-trunkline": {"reachable": False}}, {"reachable": "sometimes", "in_use": True})
    assert said == {"reachable": "sometimes", "x-trunkline": {"reachable": False, "in_use": True}}


def test_what_was_alike_before_may_be_changed(telepath_target: RecordingMock) -> None:
    """Records of a test's own data that share what no two can are no reason to refuse a change of something else."""
    vendor = telepath_target.vendor
    first, second, *_ = vendor.world.collections["trunks"].records
    alike = (first, {**second, "sip_username": first["sip_username"]})
    held = RecordingMock(replace(vendor, world=vendor.world.with_records("trunks", alike)))
    assert held.trunks.change(second["id"], name="Changed")["name"] == "Changed"


def test_what_is_asked_prints_in_one_line(telepath_target: RecordingMock) -> None:
    """A failing test shows what was asked and how it was answered."""
    ask(telepath_target, "POST", "/trunks", {"name": "n"})
    (asked,) = telepath_target.requests
    assert isinstance(asked, RecordedRequest)
    assert re.fullmatch(r"<Request\('POST', '/trunks', .*body=<\d+ bytes>\) -> 400>", repr(asked))
