"""The records of the mocks over HTTP: what `mock.records` does, with secrets redacted and mistakes in one sentence."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.requests import Client
from tests.transport.admin.surface import VENDORS, Admin, app_of
from trunkline import mock
from trunkline.exchange import Json
from trunkline.mock import Mock, storage
from trunkline.mock.session import MockSession
from trunkline.redaction import redact_fields

SECRET = "hush-9876543210"


class Surface:
    """The records of one vendor: over HTTP, and in the mock itself."""

    def __init__(self, name: str, session: MockSession) -> None:
        self.name = name
        self.mock: Mock = session.mocks[name].mock
        self.client = Admin(app_of(session))
        self.trunks = f"/records/{name}/trunks"
        world = self.mock.vendor.world
        self.account = world.account
        self.other = min(world.accounts - {world.account})

    def place(self, identity: str) -> str:
        return f"{self.trunks}/{quote(identity, safe='')}"

    @property
    def secret(self) -> str:
        """A field of a trunk that holds a secret."""
        fields = self.mock.records("trunks")._factory.fields
        return next(name for name in self.mock.vendor.contract.secrets if name in fields)

    def shown(self, account: str | None = None) -> list[dict[str, Json]]:
        """The trunks as they are answered."""
        redacted: list[dict[str, Json]] = redact_fields(self.held(account), self.mock.vendor.contract.secrets)
        return redacted

    def held(self, account: str | None = None) -> list[dict[str, Json]]:
        return [*self.mock.snapshot("trunks", account)]


@pytest.fixture(params=VENDORS)
def surface(request: pytest.FixtureRequest) -> Surface:
    """The records of each vendor."""
    return Surface(request.param, MockSession(VENDORS.values()))


# --- reading --------------------------------------------------------------------------------------------------------


def test_collections_and_accounts_are_listed(surface: Surface) -> None:
    """The default account comes first, and each collection has its counts, its id and its parent."""
    found = surface.client.get(f"/records/{surface.name}")
    assert found["accounts"] == [surface.account, surface.other]
    assert {*found["collections"]} == {*surface.mock.vendor.world.collections}
    for name, collection in surface.mock.vendor.world.collections.items():
        listed = found["collections"][name]
        assert listed["identity"] == collection.identity
        assert (listed["parent"] is None) == (collection.parent is None)
        assert listed["records"][surface.account] == len(surface.mock.snapshot(name))


def test_records_are_listed_as_they_are_held(surface: Surface) -> None:
    """In order, and in pages; of the default account, or of another."""
    held = surface.shown()
    found = surface.client.get(surface.trunks, "limit=1000")
    assert found == {"records": held, "total": len(held)}
    page = surface.client.get(surface.trunks, "limit=2&offset=1")
    assert page == {"records": held[1:3], "total": len(held)}
    assert surface.client.get(surface.trunks, "limit=0")["records"] == []
    other = surface.client.get(surface.trunks, f"account={surface.other}")
    assert other["records"] == surface.shown(surface.other) != []
    assert surface.client.get(surface.place(held[0]["id"])) == held[0]


# --- writing --------------------------------------------------------------------------------------------------------


def test_a_record_is_added_completed_and_seen_by_clients(surface: Surface) -> None:
    """As `Records.add` completes it; clients see it at once, and `Location` leads to it."""
    response = surface.client.ask("POST", surface.trunks, {"name": "Night Desk"})
    added = response.json()
    assert (response.status, added["name"]) == (201, "Night Desk")
    assert surface.client.get((response.header("location") or "").removeprefix("http://localhost/_trunkline")) == added
    listed = Client(surface.mock.vendor, surface.mock).listed()
    assert listed[added["id"]]["name"] == "Night Desk"


def test_a_record_is_added_to_another_account(surface: Surface) -> None:
    """The account is named by the query, or by the record."""
    facts = {"x-trunkline": {"account": surface.other}}
    for query, body in ((f"account={surface.other}", {}), ("", {"account": surface.other}), ("", facts)):
        before = surface.held()
        response = surface.client.ask("POST", surface.trunks, body, query)
        assert response.json()["x-trunkline"]["account"] == surface.other
        place, _, asked = (response.header("location") or "").partition("?")
        path = place.removeprefix("http://localhost/_trunkline")
        assert surface.client.get(path, asked) == response.json()
        assert surface.client.error("GET", path)[0] == 404
        assert surface.held() == before


def test_a_record_is_changed(surface: Surface) -> None:
    """Only the given fields change, and the next request of a client sees them."""
    before = surface.shown()[0]
    client = Client(surface.mock.vendor, surface.mock)
    client.listed()
    changed = surface.client.ask("PATCH", surface.place(before["id"]), {"name": "Day Desk"})
    assert (changed.status, changed.json()) == (200, {**before, "name": "Day Desk"})
    assert client.listed()[before["id"]]["name"] == "Day Desk"


def test_facts_for_the_mock_alone_are_changed() -> None:
    """They are given as fields, and answered apart from those of the vendor."""
    surface = Surface("talkover", MockSession(VENDORS.values()))
    identity = surface.held()[0]["id"]
    added = surface.client.ask("POST", surface.trunks, {"reachable": False}).json()
    assert added["x-trunkline"] == {"reachable": False}
    changed = surface.client.ask("PATCH", surface.place(identity), {"reachable": False}).json()
    assert changed["x-trunkline"] == {"reachable": False}
    verified = Client(surface.mock.vendor, surface.mock).ask("POST", f"/sip-trunks/{identity}/verify")
    assert verified.json()["data"]["is_verified"] is False


def test_records_are_removed(surface: Surface) -> None:
    """One of them, or all of an account; what belongs to them goes too."""
    first, *others = surface.held()
    assert surface.client.ask("DELETE", surface.place(first["id"])).json() == {"removed": 1}
    assert surface.client.error("DELETE", surface.place(first["id"]))[0] == 404
    assert surface.held() == others
    kept = surface.held(surface.other)
    assert surface.client.ask("DELETE", surface.trunks).json() == {"removed": len(others)}
    assert (surface.held(), surface.held(surface.other)) == ([], kept)
    for name, collection in surface.mock.vendor.world.collections.items():
        assert not collection.parent or surface.mock.snapshot(name) == ()


def test_secrets_are_redacted(surface: Surface) -> None:
    """No answer shows one, the mock keeps it, and one that is sent back redacted stays as it is."""
    added = surface.client.ask("POST", surface.trunks, {surface.secret: SECRET}).json()
    identity, place = added["id"], surface.place(added["id"])
    answers = [added, surface.client.get(place), surface.client.get(surface.trunks, "limit=1000")]
    changed = surface.client.ask("PATCH", place, {**added, "name": "Day Desk"})
    assert changed.status == 200, changed.body
    answers.append(changed.json())
    assert all(SECRET not in str(answer) for answer in answers)
    assert added[surface.secret] == changed.json()[surface.secret] == "***"
    held = next(record for record in surface.held() if record["id"] == identity)
    assert (held[surface.secret], held["name"]) == (SECRET, "Day Desk")


@pytest.mark.parametrize("identity", ["a/b", "a%2Fb", "100%", "/", "..", "a?b#c", "é ☎", "a//b/"])
def test_odd_ids_can_be_addressed(surface: Surface, identity: str) -> None:
    """Each character of an id may be sent percent-encoded; slashes may also be sent as they are."""
    surface.client.ask("POST", surface.trunks, {"id": identity, "name": "Odd"})
    place = surface.place(identity).replace("/..", "/%2E%2E")
    assert surface.client.get(place)["id"] == identity
    assert surface.client.get(place.replace("%2F", "/"))["id"] == identity
    assert surface.client.ask("PATCH", place, {"name": "Odder"}).json()["name"] == "Odder"
    assert surface.client.ask("DELETE", place).json() == {"removed": 1}


def test_a_write_is_saved_in_the_state_file(tmp_path: Path) -> None:
    """As a client's is; one that cannot be saved is refused with 507 and changes nothing."""
    name = min(VENDORS)
    with closing(storage.from_file(tmp_path / "state.db")) as state:
        surface = Surface(name, MockSession([VENDORS[name]], partial(mock.from_vendor, storage=state)))
        added = surface.client.ask("POST", surface.trunks, {"name": "Saved"}).json()
        state.database.connection.execute("PRAGMA query_only = ON")
        for method, path in (
            ("POST", surface.trunks),
            ("PATCH", surface.place(added["id"])),
            ("DELETE", surface.trunks),
        ):
            before = surface.held()
            status, sentence = surface.client.error(method, path, {"name": "Lost"})
            assert (status, surface.held()) == (507, before)
            assert "state.db cannot be written" in sentence
    with closing(storage.from_file(tmp_path / "state.db")) as state:
        again = mock.from_vendor(VENDORS[name], storage=state)
        assert [record["name"] for record in again.snapshot("trunks") if record["id"] == added["id"]] == ["Saved"]


# --- mistakes -------------------------------------------------------------------------------------------------------


def test_a_mistake_in_the_path_is_not_found(surface: Surface) -> None:
    """No sentence repeats a name from the request, which may be a secret; each lists what there is."""
    for path, query, sentence in (
        (f"/records/{SECRET}", "", f"no such vendor is served here; there are: {', '.join(VENDORS)}"),
        (f"/records/{surface.name}/{SECRET}", "", f"{surface.name} has no such collection; there are: "),
        (surface.trunks, f"account={SECRET}", f"no token of {surface.name} opens this account; there are: "),
        (surface.place(SECRET), "", "no record of this collection and account has this id"),
        (f"{surface.trunks}/", "", "no record of this collection and account has this id"),
    ):
        status, found = surface.client.error("GET", path, query=query)
        assert status == 404
        assert found.startswith(sentence)
        assert SECRET not in found


def test_a_mistake_in_the_query_is_refused(surface: Surface) -> None:
    """An unknown parameter is not ignored, and a number must be one."""
    for query, sentence in (
        ("acount=main", "the query has an unknown parameter; did you mean account?"),
        ("limit=1001", "limit must be a whole number, from 0 to 1000"),
        ("limit=-1", "limit must be a whole number, from 0 to 1000"),
        ("offset=١", "offset must be a whole number, 0 or more"),
        ("limit=1&limit=2", "the query has a parameter twice"),
    ):
        status, found = surface.client.error("GET", surface.trunks, query=query)
        assert (status, found[: len(sentence)]) == (400, sentence)


def test_a_mistake_in_a_record_is_refused(surface: Surface) -> None:
    """With the sentence that a test in Python gets, without a secret; nothing changes."""
    first, second, *_ = surface.held()
    before = surface.held()
    for method, path, body, status, sentence in (
        ("POST", surface.trunks, [], 400, "the body: is not of type object"),
        ("POST", surface.trunks, {"ducks": 1}, 400, f"{surface.name}.trunks has no field 'ducks'; its fields are: "),
        ("POST", surface.trunks, {"name": 7}, 400, f"the record given for {surface.name}'s trunks#/name: 7 is not of"),
        ("POST", surface.trunks, {"name": "\ud800"}, 400, f"the record given for {surface.name}'s trunks#/name: "),
        ("POST", surface.trunks, {surface.secret: [SECRET]}, 400, f"the record given for {surface.name}'s trunks#/"),
        ("POST", surface.trunks, {"x-trunkline": 3}, 400, f"x-trunkline of a record of {surface.name}.trunks must be"),
        ("POST", surface.trunks, {"account": SECRET}, 404, f"no token of {surface.name} opens this account; there"),
        ("POST", surface.trunks, {"account": [SECRET]}, 404, f"no token of {surface.name} opens this account; there"),
        ("POST", surface.trunks, {"id": first["id"]}, 409, f"{surface.name}.trunks already has '{first['id']}'"),
        ("PATCH", surface.place(first["id"]), {"id": second["id"]}, 400, "the id and the account of a record of"),
        ("PATCH", surface.place(first["id"]), {"account": surface.other}, 400, "the id and the account of a record of"),
        ("PATCH", surface.place(SECRET), {"name": "x"}, 404, "no record of this collection and account has this id"),
        ("PUT", surface.place(first["id"]), {"name": "x"}, 405, "PUT is not allowed here; send DELETE or GET or HEAD"),
    ):
        found = surface.client.error(method, path, body)
        assert (found[0], found[1][: len(sentence)]) == (status, sentence)
        assert SECRET not in found[1]
        assert surface.held() == before


def test_a_value_that_must_be_unique_is_a_conflict() -> None:
    """With 409, for a collection whose page says so."""
    surface = Surface("telepath", MockSession(VENDORS.values()))
    taken = {"sip_username": surface.held()[0]["sip_username"]}
    sentence = "another record of telepath.trunks has the same sip_username, which must be unique"
    assert surface.client.error("POST", surface.trunks, taken) == (409, sentence)
    assert surface.client.error("PATCH", surface.place(surface.held()[1]["id"]), taken) == (409, sentence)


def test_a_record_that_needs_a_parent_says_so() -> None:
    """A DID belongs to the first trunk, or to the named one; without a trunk it is refused."""
    surface = Surface("talkover", MockSession(VENDORS.values()))
    trunk = surface.held()[1]["id"]
    assert surface.client.ask("POST", "/records/talkover/dids").json()["trunk_id"] == surface.held()[0]["id"]
    assert surface.client.ask("POST", "/records/talkover/dids", {"trunk_id": trunk}).json()["trunk_id"] == trunk
    surface.client.ask("DELETE", surface.trunks)
    status, sentence = surface.client.error("POST", "/records/talkover/dids")
    assert status == 400
    assert sentence.endswith("and there are none; add one first")
