"""Tests of `trunkline.mock.world`: parents and accounts of records, facts, and the store."""

from __future__ import annotations

import pytest
from msgspec import structs

from trunkline.contract import folders
from trunkline.mock import loader
from trunkline.mock.generators import Record
from trunkline.mock.world import MOCK_ONLY, Collection, Grant, Parent, Store, World, facts

VENDORS = {name: loader.load(name) for name in folders.names()}


def record(identity: str, account: str = "", **more: str) -> Record:
    """A record of an account, by default the first."""
    return {"id": identity, **more, **({MOCK_ONLY: {"account": account}} if account else {})}


def small_world(trunks: tuple[Record, ...], dids: tuple[Record, ...]) -> World:
    """A world of two accounts with some trunks and their DIDs."""
    world = VENDORS["talkover"].world
    assert {grant.account for grant in world.tokens.values()} == {"production", "staging"}
    return world.with_records("trunks", trunks).with_records("dids", dids)


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_tokens_are_added_in_front_and_the_default_account_stays() -> None:
    """A known token moves there with its new account; the token that is shown opens the default account."""
    world = VENDORS["talkover"].world
    first, second, *_ = world.tokens
    changed = world.with_grants({"x": Grant("fresh"), first: Grant(world.account, "permission_missing")})
    assert [*changed.tokens][:3] == ["x", first, second]
    assert len(changed.tokens) == len(world.tokens) + 1
    assert (changed.account, changed.token) == (world.account, second)
    assert changed.accounts == world.accounts | {"fresh"}
    only = changed.with_tokens(["mine"])
    assert [token for token, grant in only.tokens.items() if grant.account == world.account] == ["mine"]
    assert only.accounts == changed.accounts


# --- orphans ----------------------------------------------------------------------------------------------------------


def test_a_record_without_its_parent_is_an_orphan() -> None:
    """The parent is missing, belongs to another account or is not named; each orphan is reported with its index."""
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
    world = small_world(trunks, dids)
    parent = Parent("trunks", "trunk_id")
    assert list(world.orphans()) == [("dids", index, parent) for index in (1, 3, 4, 5)]
    kept = world.without_orphans()
    assert [record["id"] for record in kept.collections["dids"].records] == ["1", "3", "7", "8", "9"]
    assert kept.collections["trunks"].records == trunks
    assert list(kept.orphans()) == []
    assert world.collections["dids"].records == dids


def test_what_belongs_to_an_orphan_goes_too() -> None:
    """Children of removed records are removed, at any depth."""
    world = small_world((record("a"),), (record("1", trunk_id="a"), record("2", trunk_id="x")))
    agents = Collection("id", {}, (record("7", did="1"), record("8", did="2")), Parent("dids", "did"))
    world = structs.replace(world, collections={"agents": agents, **world.collections})
    assert world.parents_first() == ["trunks", "dids", "agents"]
    kept = world.without_orphans().collections
    assert [[record["id"] for record in kept[name].records] for name in ("dids", "agents")] == [["1"], ["7"]]


def test_a_world_without_orphans_is_unchanged() -> None:
    """`without_orphans` removes nothing then."""
    for vendor in VENDORS.values():
        assert vendor.world.without_orphans() == vendor.world


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_cause_has_one_message_or_one_for_each_code() -> None:
    """The message for the code comes first."""
    world = VENDORS["talkover"].world
    assert world.message("id_unknown", "DID_NOT_FOUND") == "DID not found"
    assert world.message("id_unknown", "TRUNK_NOT_FOUND") == "SIP trunk not found"
    assert world.message("rate_limited", "ANY") == world.message("rate_limited", "OTHER")


# --- facts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "known"),
    [
        ({}, {"reachable": True, "in_use": False}),
        ({"reachable": False}, {"reachable": False, "in_use": False}),
        ({"in_use": True, "account": "x"}, {"reachable": True, "in_use": True, "account": "x"}),
    ],
)
def test_facts_are_fields_and_mock_only_facts(of: Record, known: Record) -> None:
    """Mock-only facts that a record does not name have their defaults."""
    found = facts({"id": "a", "is_active": True, **({MOCK_ONLY: of} if of else {})})
    assert {"id": "a", "is_active": True, **known}.items() <= found.items()


# --- the store --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDORS)
def test_a_store_has_each_record_in_its_account(name: str) -> None:
    """By its id, in the order of the fixtures; an unknown account or collection is empty."""
    world = VENDORS[name].world
    store = Store(world)
    for kind, collection in world.collections.items():
        for account in {grant.account for grant in world.tokens.values()}:
            records = [record for record in collection.records if world.account_of(record) == account]
            assert list(store.records(kind, account).items()) == [(record["id"], record) for record in records]
    assert not store.records("nothing", world.account)
    assert not store.records(next(iter(world.collections)), "nobody")


def test_a_store_does_not_change_its_world() -> None:
    """Another store sees no change; a replaced record keeps its place."""
    world = small_world((record("a"), record("b")), ())
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
    """`discard` drops it; `commit` returns its changes once."""
    store = Store(small_world((record("a"), record("b")), ()))
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


def test_a_store_gives_no_serial_number_twice() -> None:
    """Each created record has its own."""
    store = Store(VENDORS["telepath"].world)
    assert len({store.next_serial() for _ in range(100)}) == 100
