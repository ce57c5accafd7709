"""Tests of `trunkline.traffic.schemathesis`: events of its NDJSON report. `test_tools.py` reads a real one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trunkline
from tests.recordings import PAGE
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Json
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.recorded import Entry
from trunkline.traffic.schemathesis import read_event

ADDRESSES = Addresses(trunkline.load("telepath").contract)
JSON_TYPE = {"content-type": ["application/json"]}


def coded(text: str) -> Json:
    """A body as an event has it."""
    return {"$base64": base64.b64encode(text.encode()).decode()}


def interaction(body: str | None = PAGE, *, status: int = 200, sent: str | None = None, method: str = "GET") -> Json:
    """An interaction of a scenario."""
    body_sent, filtered = None if sent is None else coded(sent), {"Authorization": ["[Filtered]"]}
    request = {"method": method, "uri": "http://127.0.0.1:8900/v1/trunks", "headers": filtered, "body": body_sent}
    content = None if body is None else coded(body)
    response = {"status_code": status, "headers": JSON_TYPE, "content": content, "elapsed": 0.005}
    return {"request": request, "response": response, "timestamp": 1795888800.5}


def read(*interactions: Json) -> list[Entry]:
    """The entries of a scenario with these interactions, in line 14 of `a`."""
    named = {f"x/{number}": each for number, each in enumerate(interactions)}
    event = {"ScenarioFinished": {"phase": "coverage", "recorder": {"label": "GET /trunks", "interactions": named}}}
    return [*read_event(json.dumps(event).encode(), "a:14", ADDRESSES)]


def test_each_interaction_is_an_entry() -> None:
    """With its pointer, its time, and its own request; the credential that was filtered out is not known."""
    first, second = read(interaction(), interaction(status=400))
    assert first.place == "a:14 (#/ScenarioFinished/recorder/interactions/x~10)"
    assert first.time == 1795888800.5
    assert isinstance(first.exchange, Exchange)
    assert (first.exchange.request.target, first.exchange.response.body) == ("/trunks", PAGE.encode())
    assert "request" in first.exchange.known
    assert isinstance(second.exchange, Exchange)
    assert "request" not in second.exchange.known  # nobody can tell whether the credential was refused


def test_a_generated_write_is_judged_by_its_own_body() -> None:
    """Which Schemathesis has recorded as it was sent, so that a success for an invalid one counts."""
    (entry,) = read(interaction('{"id": "a"}', status=201, sent='{"name": 7}', method="POST"))
    assert isinstance(entry.exchange, Exchange)
    assert entry.exchange.request.body == b'{"name": 7}'
    assert "request" in entry.exchange.known


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"response": None}, "it has no response: the request was not answered"),
        (
            {"response": {**interaction()["response"], "content_size": 10**9}},
            "Schemathesis has kept only the beginning of its body",
        ),
        ({"request": None}, "it has no request and response as such recordings have them"),
        ({"timestamp": "soon"}, "it has no request and response as such recordings have them"),
        (
            {"response": {**interaction()["response"], "content": {"$base64": "x"}}},
            "it has no request and response as such recordings have them",
        ),
    ],
)
def test_an_interaction_that_cannot_be_judged_has_a_reason(changed: Json, reason: str) -> None:
    """And the others of the scenario are read."""
    broken, whole = read({**interaction(), **changed}, interaction())
    assert str(broken.exchange) == reason
    assert isinstance(whole.exchange, Exchange)


@pytest.mark.parametrize(
    "event",
    [
        {"Initialize": {"seed": 1}},
        {"PhaseFinished": {"phase": {"name": "probing"}, "payload": {"probes": [{"request": {"method": "GET"}}]}}},
        {"ScenarioFinished": {"status": "skip", "recorder": {"label": "GET /trunks"}}},
        {},
    ],
)
def test_other_events_hold_no_entry(event: Json) -> None:
    """Nor does a scenario that was skipped."""
    assert [*read_event(json.dumps(event).encode(), "a:1", ADDRESSES)] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=9,
)
PARTS = st.one_of(JSON, st.sampled_from([interaction(), interaction()["request"], interaction()["response"]]))
EVENTS = st.one_of(
    JSON,
    st.dictionaries(st.sampled_from(["request", "response", "timestamp"]), PARTS).map(
        lambda each: {"ScenarioFinished": {"recorder": {"interactions": {"a": each}}}}
    ),
)


@given(EVENTS)
@settings(max_examples=100)
def test_any_event_is_read_or_refused(event: Json) -> None:
    """Whatever stands in an event: entries, of which each is an exchange or one sentence."""
    for entry in read_event(json.dumps(event).encode(), "a:1", ADDRESSES):
        assert entry.place.startswith("a:1")
        assert isinstance(entry.exchange, Exchange | UsageError)


@given(st.binary(max_size=64))
@settings(max_examples=50)
def test_a_line_that_is_not_json_is_refused(data: bytes) -> None:
    """With one sentence."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        with pytest.raises(UsageError, match="not JSON"):
            [*read_event(data, "a:1", ADDRESSES)]
