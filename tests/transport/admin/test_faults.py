"""Faults over the admin surface."""

from __future__ import annotations

import json
from unittest.mock import patch

import pytest

from tests.requests import bearer
from tests.transport.admin.surface import DOCUMENT, VENDORS, Admin
from trunkline.exchange import Json, Request
from trunkline.mock.faults import faults
from trunkline.mock.faults.document import json_schema
from trunkline.mock.faults.faults import MOST_FAULTS
from trunkline.mock.session import MockSession

LIST = Request("GET", "/trunks", "", bearer(VENDORS["telepath"].world.token))


def test_one_fault_and_one_scenario_can_be_read(client: Admin) -> None:
    """Each as in its list; an unknown one is not found."""
    client.ask("POST", "/scenarios/lost-answer")
    assert client.get("/faults/1") == client.get("/faults")["faults"][0]
    listed = {one["name"]: one for one in client.get("/scenarios")["scenarios"]}
    for name in ("lost-answer", "maintenance"):
        assert client.get(f"/scenarios/{name}") == listed[name]
    assert client.get("/scenarios/lost-answer")["is_on"]
    assert client.error("GET", "/faults/99") == (
        404,
        "no fault with this number is set; GET /_trunkline/faults lists them",
    )
    assert client.error("GET", "/scenarios/nope")[0] == 404


def test_faults_are_set_listed_and_removed(session: MockSession, client: Admin) -> None:
    """Lines and tables are set in order; each is shown as both, with its uses."""
    table = {"operation": "write", "lose_answer": True, "times": 1}
    response = client.ask("POST", "/faults", {"faults": ["listTrunks: 503 x2", table]})
    assert response.status == 201
    first, second = response.json()["faults"]
    assert first == {
        "id": 1,
        "fault": {"operation": "listTrunks", "status": 503, "times": 2},
        "line": "listTrunks: 503 x2",
        "used": 0,
        "is_over": False,
        "scenario": "",
    }
    assert (second["fault"], second["line"]) == (table, "write: lose-answer x1")
    assert [session.mocks["telepath"](LIST).status for _ in range(3)] == [503, 503, 200]
    assert client.get("/faults") == {"faults": [{**first, "used": 2, "is_over": True}, second]}
    assert client.ask("DELETE", "/faults/1").json() == {"removed": 1}
    assert [fault["id"] for fault in client.get("/faults")["faults"]] == [2]
    assert client.ask("POST", "/reset").status == 200
    assert client.ask("DELETE", "/faults").json() == {"removed": 1}
    assert client.get("/faults") == {"faults": []}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"faults": ["listTrunk: 503"]}, "'listTrunk: 503': 'listTrunk' is no operation; did you mean listTrunks?"),
        ({"faults": ["503", {"status": 1}]}, "the body#/faults/1/status: give a whole number, at least 200"),
        ({"faults": ["503", "x"]}, "the body#/faults/1, column 1 of 'x': 'x' is no effect; "),
        ({"faults": [{"headers": {"\ud800": "x"}}]}, "the body: a text holds half of a surrogate pair"),
        ([], "the body: the one key is faults, a list such as"),
    ],
)
def test_a_mistake_sets_nothing(session: MockSession, client: Admin, body: Json, sentence: str) -> None:
    """One sentence with its place, and none of the faults is set."""
    status, found = client.error("POST", "/faults", body)
    assert (status, found[: len(sentence)]) == (400, sentence)
    assert not session.faults.any


@pytest.mark.parametrize("number", ["7", "9" * 5000, "01", "-1", "x", "%C2%B2"])
def test_an_unknown_number_is_not_found(client: Admin, number: str) -> None:
    """The sentence says where the numbers are."""
    client.ask("POST", "/faults", {"faults": ["503"]})
    assert client.error("DELETE", f"/faults/{number}") == (
        404,
        "no fault with this number is set; GET /_trunkline/faults lists them",
    )


def test_the_number_of_faults_is_bounded(session: MockSession, client: Admin) -> None:
    """A hundred at once, a thousand together."""
    assert client.error("POST", "/faults", {"faults": ["503"] * 101})[0] == 400
    for _ in range(MOST_FAULTS // 100):
        assert client.ask("POST", "/faults", {"faults": ["503"] * 100}).status == 201
    assert client.error("POST", "/faults", {"faults": ["503"]})[0] == 400
    assert len(session.faults.entries()) == MOST_FAULTS


def test_the_length_of_faults_is_bounded(session: MockSession, client: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of each, whatever holds it, and that of all together; the refusal does not repeat it."""
    headers = {f"x-{number}": "x" * 50_000 for number in range(2)}
    for long in ({"headers": headers}, {"body": [headers]}, {"delay": 1, "times": 1, "then": [{"headers": headers}]}):
        status, sentence = client.error("POST", "/faults", {"faults": [long]})
        assert (status, len(sentence) < 400) == (400, True)
        assert sentence.endswith(" characters, at most 65536 are allowed")
    longest = {"status": 503, "body": "x" * 65_000}
    assert faults.LONGEST_TOGETHER == 1 << 20
    monkeypatch.setattr(faults, "LONGEST_TOGETHER", 1 << 17)
    for _ in range(2):
        assert client.ask("POST", "/faults", {"faults": [longest]}).status == 201
    assert client.error("POST", "/faults", {"faults": [longest]})[1].startswith("the faults would have more than")
    assert len(session.faults.entries()) == 2


def test_a_request_reads_little_of_a_long_fault(session: MockSession, client: Admin) -> None:
    """Secrets are looked for only in the beginning of its words, which is all that is shown."""
    client.ask("POST", "/faults", {"faults": [{"status": 503, "headers": {"x-long": "x" * 60_000}}]})
    telepath = session.mocks["telepath"]
    with patch.object(telepath.mock.secrets, "redact", wraps=telepath.mock.secrets.redact) as redact:
        assert telepath(LIST).status == 503
    assert 0 < max(len(call.args[0]) for call in redact.mock_calls) <= 2048


def test_no_secret_of_a_mock_is_shown(client: Admin) -> None:
    """A token that stands in a fault is redacted in the list."""
    token = VENDORS["telepath"].world.token
    response = client.ask("POST", "/faults", {"faults": [{"status": 401, "message": f"no {token}"}]})
    assert token.encode() not in response.body
    assert client.get("/faults")["faults"][0]["fault"]["message"] == "no ***"


def test_the_document_has_the_schema_of_faults() -> None:
    """The schemas in `openapi.json` are those that are generated from the classes."""
    schema, definitions = json_schema("#/components/schemas/{name}")
    documented = DOCUMENT["components"]["schemas"]
    for name, generated in {"NewFaults": schema, **definitions}.items():
        assert documented[name] == generated, f"put this into openapi.json: {json.dumps({name: generated})}"
