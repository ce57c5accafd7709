"""Tests of `trunkline.mock.world`.

Who belongs to whom, what holds of a record, and a store that changes no record.
"""

from __future__ import annotations

import pytest

from trunkline.contract import folders
from trunkline.mock import loader
from trunkline.mock.generators import Record
from trunkline.mock.world import MOCK_ONLY, Collection, Parent, Store, World, facts

VENDORS = {name: loader.load(name) for name in folders.names()}


def record(identity: str, account: str = "", **more: str) -> Record:
    """A record of an account, by default the first."""
    return {"id": identity, **more, **({MOCK_ONLY: {"account": account}} if account else {})}


def small(trunks: tuple[Record, ...], dids: tuple[Record, ...]) -> World:
    """A world of two accounts with some trunks and their DIDs."""
    world = VENDORS["talkover"].world
    assert {grant.account for grant in world.tokens.values()} == {"production", "staging"}
    return world.with_records("trunks", trunks).with_records("dids", dids)


# --- who belongs to whom --------------------------------------------------------------------------------------------


def test_what_has_no_parent_is_an_orphan() -> None:
    """A child of nothing, of another account's trunk, and one that names no parent; told with its place."""
    trunks = (record("a"), record("b", "staging"), record("c"), record("c", "staging"))
    dids = (
        record("1", trunk_id="a"),
        record("2", trunk_id="b"),
        record("3", "staging", trunk_id="b"),
        record("4", "staging", trunk_id="a"),
        record("5", trunk_id="x"),
        record("6"),
        record("7", "production", trunk_id="a"),
        record("8", trunk_id="c"),
        record("9", "staging", trunk_id="c"),
    )
    world = small(trunks, dids)
    assert list(world.orphans()) == [("dids", 1), ("dids", 3), ("dids", 4), ("dids", 5)]
    kept = world.without_orphans()
    assert [each["id"] for each in kept.collections["dids"].records] == ["1", "3", "7", "8", "9"]
    assert kept.collections["trunks"].records == trunks
    assert list(kept.orphans()) == []
    assert world.collections["dids"].records == dids


def test_without_orphans_nothing_is_taken_away() -> None:
    """A world in which all belongs to something is the same without them."""
    for vendor in VENDORS.values():
        assert vendor.world.without_orphans() == vendor.world


# --- words ----------------------------------------------------------------------------------------------------------


def test_a_message_is_that_of_its_code() -> None:
    """A cause has one message for every code, or one for each."""
    world = VENDORS["talkover"].world
    assert world.message("id_unknown", "DID_NOT_FOUND") == "DID not found"
    assert world.message("id_unknown", "TRUNK_NOT_FOUND") == "SIP trunk not found"
    assert world.message("rate_limited", "ANY") == world.message("rate_limited", "OTHER")


# --- what holds of a record -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "known"),
    [
        ({}, {"reachable": True, "in_use": False}),
        ({"reachable": False}, {"reachable": False, "in_use": False}),
        ({"in_use": True, "account": "x"}, {"reachable": True, "in_use": True, "account": "x"}),
    ],
)
def test_a_condition_sees_fields_and_what_only_the_mock_knows(of: Record, known: Record) -> None:
    """What the mock-only facts leave out is as usual."""
    found = facts({"id": "a", "is_active": True, **({MOCK_ONLY: of} if of else {})})
    assert {"id": "a", "is_active": True, **known}.items() <= found.items()


# --- the store ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDORS)
def test_a_store_has_each_record_in_its_account(name: str) -> None:
    """By its id, in the order of the fixtures; an unknown account or collection is empty."""
    world = VENDORS[name].world
    store = Store(world)
    for kind, collection in world.collections.items():
        for account in {grant.account for grant in world.tokens.values()}:
            mine = [each for each in collection.records if world.account_of(each) == account]
            assert list(store.records(kind, account).items()) == [(each["id"], each) for each in mine]
    assert not store.records("nothing", world.account)
    assert not store.records(next(iter(world.collections)), "nobody")


def test_a_store_changes_no_world() -> None:
    """What is put and removed is gone and there in one store only, and a put record keeps its place."""
    world = small((record("a"), record("b")), ())
    store = Store(world)
    store.put("trunks", "production", record("a", name="new"))
    store.put("trunks", "production", record("c"))
    store.remove("trunks", "production", "b")
    assert list(store.records("trunks", "production").values()) == [record("a"), record("b")]
    store.commit()
    assert list(store.records("trunks", "production")) == ["a", "c"]
    assert store.records("trunks", "production")["a"]["name"] == "new"
    assert list(Store(world).records("trunks", "production").values()) == [record("a"), record("b")]
    for account, identity in (("production", "b"), ("staging", "a"), ("nobody", "a")):
        with pytest.raises(LookupError):
            store.remove("trunks", account, identity)


def test_a_write_is_seen_whole_or_not_at_all() -> None:
    """What is put and removed is forgotten with `discard`, and told once by `commit`."""
    store = Store(small((record("a"), record("b")), ()))
    store.put("trunks", "production", record("c"))
    store.remove("trunks", "production", "a")
    store.discard()
    assert list(store.commit()) == []
    assert list(store.records("trunks", "production")) == ["a", "b"]
    store.put("trunks", "staging", record("d", "staging"))
    store.remove("trunks", "production", "a")
    assert [(change.account, change.identity, bool(change.record)) for change in store.commit()] == [
        ("staging", "d", True),
        ("production", "a", False),
    ]
    assert list(store.commit()) == []
    assert list(store.records("trunks", "production")) == ["b"]


def test_a_store_gives_no_number_twice() -> None:
    """Each created record has a number of its own."""
    store = Store(VENDORS["telepath"].world)
    assert len({store.next_serial() for _ in range(100)}) == 100


def test_a_collection_may_have_no_parent() -> None:
    """A call is kept although its trunk is not there: no path says that it belongs to one."""
    assert VENDORS["telepath"].world.collections["calls"].parent is None
    assert VENDORS["talkover"].world.collections["dids"].parent == Parent("trunks", "trunk_id")
    assert Collection("id", {}, ()).parent is None
