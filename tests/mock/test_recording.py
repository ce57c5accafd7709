"""Tests of `trunkline.mock.recording`, used without pytest's fixtures."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import trunkline
from trunkline import Request, mock
from trunkline.errors import DataError, TargetError, UsageError
from trunkline.exchange import Json
from trunkline.mock.faults import FaultyResponse
from trunkline.mock.recording import RecordingMock, override

TELEPATH = trunkline.load("telepath")
TALKOVER = trunkline.load("talkover")


def list_trunks(fake: RecordingMock) -> trunkline.Response:
    return fake(Request("GET", "/trunks", "limit=1", (("authorization", f"Bearer {fake.token}"),)))


def test_records_and_requests_need_no_pytest() -> None:
    """A Python program changes records and reads recorded requests; neither pytest nor the plugin is imported."""
    code = """
import sys, trunkline
from trunkline import Request, mock
from trunkline.mock.recording import RecordingMock
fake = RecordingMock(trunkline.load("telepath"), trunks=0)
added = fake.trunks.add(name="Night Desk", sip_password="hunter2-hunter2")
fake(Request("GET", f"/trunks/{added['id']}"))
plain = mock.from_vendor(trunkline.load("telepath"))
plain.records("calls").clear()
print(fake.requests, added["sip_password"] == "hunter2-hunter2", added, [*plain.records("calls")])
assert not {"pytest", "_pytest", "trunkline.plugin"} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.match(
        r"\[<Request\('GET', '/trunks/conn_.*'\) -> 405>\] True .*'sip_password': \*\*\*.* \[\]$", run.stdout
    )
    assert "hunter2" not in run.stdout


def test_a_mock_gives_one_view_of_each_collection() -> None:
    """Threads and tests that ask twice build no id twice, because they share one factory."""
    fake = mock.from_vendor(TELEPATH)
    assert fake.records("trunks") is fake.records("trunks")
    assert fake.records("trunks") == list(fake.snapshot("trunks"))
    with pytest.raises(UsageError, match="telepath has no 'dids'; its records are: calls, trunks"):
        fake.records("dids")


def test_the_address_is_set_by_a_server() -> None:
    """Without one, asking for it says which fixture has an address."""
    fake = RecordingMock(TELEPATH)
    with pytest.raises(
        UsageError, match="the mock of telepath has no address, because no server runs it; use the fixture telepath"
    ):
        _ = fake.url
    assert repr(fake) == "<the mock of telepath>"
    fake.url = "http://127.0.0.1:1/v1"
    assert (fake.url, repr(fake)) == ("http://127.0.0.1:1/v1", "<the mock of telepath at http://127.0.0.1:1/v1>")


def test_a_recording_mock_can_be_copied() -> None:
    """An attribute that is not there yet is an AttributeError, also while a copy is made."""
    fake = RecordingMock(TELEPATH)
    assert copy.copy(fake).trunks is fake.trunks
    assert not hasattr(fake, "_nothing")


def test_settings_replace_parts_of_the_fixtures() -> None:
    """Tokens, the rate limit and records, whole or generated; parents are replaced before their children."""
    fake = RecordingMock(TALKOVER, dids=3, trunks=2, tokens=("talq_mine",), rate_limit=1)
    assert fake.token == "talq_mine"
    assert {did["trunk_id"] for did in fake.dids} <= {trunk["id"] for trunk in fake.trunks}
    request = Request("GET", "/sip-trunks", "", (("authorization", "Bearer talq_mine"),))
    assert [fake(request).status for _ in range(2)] == [200, 429]
    assert [recorded.operation for recorded in fake.requests] == ["listSipTrunks"] * 2
    assert len(override(TALKOVER, trunks=[]).world.collections["dids"].records) == 0
    assert len(TALKOVER.world.collections["dids"].records) > 0


def test_a_wrong_setting_is_one_sentence() -> None:
    """An unknown name, a wrong type and a record that does not fit are reported before there is a mock."""
    with pytest.raises(
        UsageError, match="telepath has no 'lines'; there are: trunks, calls, tokens, rate_limit, rate_window"
    ):
        RecordingMock(TELEPATH, lines=1)
    with pytest.raises(UsageError, match="rate_limit is True; give a number of requests, at least 0"):
        RecordingMock(TELEPATH, rate_limit=True)
    with pytest.raises(DataError, match="the records given for telepath's trunks#/0"):
        override(TELEPATH, trunks=[{"status": "busy"}])
    with pytest.raises(UsageError, match=r"telepath\.trunks has no field 'state'; its fields are: "):
        override(TELEPATH, trunks=[{"state": "active"}])
    for given, kind in ((None, "NoneType"), ({}, "dict"), ("x", "str"), (True, "bool")):
        with pytest.raises(UsageError, match=f"the records given for telepath's trunks are a {kind}; give a list"):
            override(TELEPATH, trunks=given)  # type: ignore[arg-type]  # a mistake


def test_generated_records_belong_together() -> None:
    """Calls name generated trunks, also when both are numbers; with shipped trunks, they name those."""
    for fake in (RecordingMock(TELEPATH, calls=20, trunks=3), RecordingMock(TELEPATH, calls=20)):
        assert len(fake.calls) == 20
        assert len({call["trunk_id"] for call in fake.calls} & {trunk["id"] for trunk in fake.trunks}) > 1
        assert {call["trunk_id"] for call in fake.calls} <= {trunk["id"] for trunk in fake.trunks}


def test_given_records_are_completed() -> None:
    """As `add` completes them: by generators, the effects of creation, and a parent of the same account."""
    trunks: list[dict[str, Json]] = [{"name": "Night Desk", "reachable": False}, {"id": "t2", "sip_username": "line-1"}]
    fake = RecordingMock(TELEPATH, trunks=[{"name": "A", "status": "error"}, trunks[1]])
    assert (fake.trunks[0]["name"], fake.trunks[0]["status"]) == ("A", "error")
    assert fake.trunks[1]["sip_endpoint"] == "sip://line-1@sip.telepathvoice.com"
    assert fake.trunks[0]["sip_username"] != "line-1"
    assert fake.trunks == [fake.trunks.get(trunk["id"]) for trunk in fake.trunks]
    other = RecordingMock(
        TALKOVER,
        trunks=[trunks[0], {"id": "t2"}, {"id": "t3", "account": "staging"}],
        dids=[{"number": "+15559876511"}, {"trunk_id": "t2"}, {"account": "staging"}],
    )
    first, second = other.dids
    assert (first["trunk_id"], first["formatted_number"]) == (other.trunks[0]["id"], "(555) 987-6511")
    assert second["trunk_id"] == "t2"
    assert [did["trunk_id"] for did in other.dids.of("staging")] == ["t3"]
    assert other.trunks[0]["x-trunkline"] == {"reachable": False}


def test_the_rate_limit_can_be_set() -> None:
    """When the mock is made and later, which begins a new window; a wrong value is one sentence."""
    fake = RecordingMock(TELEPATH, rate_limit=1, rate_window=2)
    assert (fake.rate_limit, fake.rate_window) == (1, 2)
    assert [list_trunks(fake).status for _ in range(2)] == [200, 429]
    fake.rate_limit = 2
    response = list_trunks(fake)
    assert [response.status, list_trunks(fake).status, list_trunks(fake).status] == [200, 200, 429]
    fake.rate_window = 86_400
    response = list_trunks(fake)
    assert response.header("x-ratelimit-limit") == "2"
    assert 86_390 < int(response.header("x-ratelimit-reset") or "") - time.time() <= 86_400
    for name, value in (("rate_limit", -1), ("rate_limit", "5"), ("rate_window", 86_401), ("rate_window", 0.5)):
        with pytest.raises(UsageError, match=f"{name} is {value!r}; give a number of "):
            setattr(fake, name, value)


def test_a_misspelled_attribute_cannot_be_set() -> None:
    """A typo would silently do nothing."""
    fake = RecordingMock(TELEPATH)
    for name in ("delay", "rate_limits", "trunks", "token", "target"):
        with pytest.raises(
            AttributeError, match=f"<the mock of telepath> has no '{name}' that can be set; there are: "
        ):
            setattr(fake, name, 2)
    with pytest.raises(AttributeError):
        fake.trunks.delay = 2  # type: ignore[attr-defined]  # a typo
    list_trunks(fake)
    with pytest.raises(AttributeError):
        fake.requests[0].status = 500  # type: ignore[misc]  # it is what was
    with pytest.raises(AttributeError):
        fake.vendor.name = "other"  # type: ignore[misc]  # it is shared by all tests


def test_a_request_is_not_a_text() -> None:
    """One sentence shows how to make one."""
    with pytest.raises(UsageError, match=r'a mock answers a trunkline.Request\("GET", "/trunks"\), not a str'):
        RecordingMock(TELEPATH)("GET /")  # type: ignore[arg-type]  # a mistake


def test_each_mock_has_its_own_requests() -> None:
    """Two mocks of one vendor share neither records nor requests."""
    first, second = (RecordingMock(replace(TELEPATH)) for _ in range(2))
    first.trunks.clear()
    assert list_trunks(first).json()["trunks"] == []
    assert len(list_trunks(second).json()["trunks"]) == 1
    assert (len(first.requests), len(second.requests)) == (1, 1)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_fault_counts_its_answers_and_ends_with_its_block() -> None:
    """It changes as many answers as it says, then it is over; a `with` block removes one without a number."""
    fake = RecordingMock(TELEPATH)
    fault = fake.fault("listTrunks", status=503, times=2)
    assert [list_trunks(fake).status for _ in range(3)] == [503, 503, 200]
    assert (fault.used, [bool(request.fault) for request in fake.requests]) == (2, [True, True, False])
    with fake.fault("read: 429 retry-after=1") as other:
        assert list_trunks(fake).status == 429
    assert (list_trunks(fake).status, other.used) == (200, 1)
    other.remove()
    assert other.used == 1


def test_a_delay_is_of_every_answer_or_of_a_kind() -> None:
    """In seconds or by a distribution; a mock without a socket only says how long a server would wait."""
    fake = RecordingMock(TELEPATH)
    with fake.delay(0.5):
        every = list_trunks(fake)
    with fake.delay("uniform(0.1,0.2)", "read"):
        read = list_trunks(fake)
    with fake.delay(0.5, "write"):
        other = list_trunks(fake)
    assert isinstance(every, FaultyResponse)
    assert isinstance(read, FaultyResponse)
    assert (every.delivery.delay, 0.1 <= read.delivery.delay <= 0.2) == (0.5, True)
    assert not isinstance(other, FaultyResponse)


def test_a_lost_answer_is_a_written_record() -> None:
    """Without a socket the lost connection is a `TargetError`; the trunk is there."""
    fake = RecordingMock(TELEPATH, trunks=0)
    sent = {
        "name": "Lost",
        "ai_provider": "openai",
        "sip_username": "lost",
        "sip_password": "hush-hush",
        "openai_api_key": "k",
    }
    headers = (("authorization", f"Bearer {fake.token}"), ("content-type", "application/json"))
    with fake.fault("createTrunk", lose_answer=True), pytest.raises(TargetError, match="closed the connection"):
        fake(Request("POST", "/trunks", "", headers, json.dumps(sent).encode()))
    assert [trunk["name"] for trunk in fake.trunks] == ["Lost"]


def test_faults_are_given_from_the_start() -> None:
    """As lines or as mappings, in order."""
    fake = RecordingMock(
        TELEPATH, faults=["listTrunks: 503 x1", {"operation": "listTrunks", "code": "INVALID_API_KEY"}]
    )
    assert [list_trunks(fake).status for _ in range(2)] == [503, 401]


def test_a_scenario_is_on_for_a_block_or_from_the_start() -> None:
    """Its faults count together, and end with the block."""
    fake = RecordingMock(TELEPATH)
    with fake.scenario("token-revoked") as revoked:
        assert [list_trunks(fake).status for _ in range(4)] == [200, 200, 401, 401]
    assert (list_trunks(fake).status, revoked.used, repr(revoked)) == (200, 2, "<the scenario 'token-revoked'>")
    assert list_trunks(RecordingMock(TELEPATH, scenario="maintenance")).status == 503
    with pytest.raises(UsageError, match="did you mean scenario"):
        RecordingMock(TELEPATH, scenari="maintenance")  # type: ignore[arg-type]
    for name in ("lost-anser", "", None, 7):
        with pytest.raises(UsageError, match="is no scenario"):
            fake.scenario(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "keys", "sentence"),
    [
        ("listTrunks: 503 x2", {"times": 3}, "'listTrunks: 503 x2' is a whole line; put times into it, or give only"),
        ("lost-answer", {}, "'lost-answer' is a scenario, not an effect; --scenario, scenario= or POST "),
        ("listTrunk", {"status": 503}, "did you mean listTrunks"),
        ("listTrunks", {"statuss": 503}, "did you mean status"),
        ("listTrunks", {"status": "503"}, "status"),
        ("listTrunks", {"status": 99}, "status"),
        ("listTrunks", {}, "after an operation comes a colon"),
        ("listTrunks", {"code": "NO_SUCH_CODE"}, "NO_SUCH_CODE"),
        ("listTrunks", {"delay": -1}, "delay"),
        ("listTrunks", {"status": 503, "body": object()}, "it is not JSON: Object of type object is not"),
    ],
)
def test_a_wrong_fault_is_one_sentence(given: str, keys: dict[str, Json], sentence: str) -> None:
    """It names the key or the word, and sets nothing."""
    fake = RecordingMock(TELEPATH)
    with pytest.raises((UsageError, DataError), match=re.escape(sentence)) as caught:
        fake.fault(given, **keys)
    assert "\n" not in str(caught.value)
    assert list_trunks(fake).status == 200


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        ("listTrunks: 503", "a list"),
        (["listTrunk: 503"], "faults[0] 'listTrunk: 503': "),
        ([{"x": 1}], "faults[0]"),
        ([7], "faults[0]"),
        (5, "a list"),
        ([{"status": 503, "body": {"at": object()}}], "faults[0]: it is not JSON: Object of type object"),
        ([{"status": 503, "headers": {object(): "x"}}], "faults[0]: it is not JSON: keys must be str"),
    ],
)
def test_wrong_faults_from_the_start_are_one_sentence(faults: Json, sentence: str) -> None:
    """A lone text would be a list of its letters."""
    with pytest.raises((UsageError, DataError), match=re.escape(sentence)):
        RecordingMock(TELEPATH, faults=faults)
