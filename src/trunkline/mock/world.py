"""Owns what is true on a mock: `World`, immutable, and `Store`, one mock's changeable copy of its records."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from trunkline.exchange import Json
from trunkline.mock.generators import Moment, Recipe, Record, makers

MOCK_ONLY = "x-trunkline"

MOCK_FACTS: Mapping[str, Json] = {"reachable": True, "in_use": False}
"""What holds of a record whose mock-only facts say nothing else."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token opens: an account, or a documented refusal."""

    account: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of a record: fields are `set` by recipes, if the facts of `when` hold and a named field changed."""

    set: Recipe
    when: Mapping[str, Json]
    when_changed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which an operation ends: the first whose facts hold of the record is the one."""

    status: int
    body: Mapping[str, Json]
    effects: tuple[Effect, ...] = ()
    when: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Behavior:
    """How the mock serves one operation: a verb over a collection, behind guards, with the ways in which it ends."""

    verb: str
    collection: str
    order: tuple[str, ...]
    guards: tuple[tuple[str, str], ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Parent:
    """What the records of a collection belong to, and the field that holds its id."""

    collection: str
    field: str


@dataclass(frozen=True, slots=True)
class Collection:
    """The records of one kind, the field that names one, how plausible ones are made, and what they belong to."""

    identity: str
    generate: Recipe
    records: tuple[Record, ...]
    parent: Parent | None = None


@dataclass(frozen=True, slots=True, repr=False)
class World:
    """Tokens, words and records of one vendor's mock."""

    rate_limit: int
    tokens: Mapping[str, Grant]
    envelope: Mapping[str, Json]
    words: Mapping[str, Mapping[str, str]]
    collections: Mapping[str, Collection]
    behaviors: Mapping[str, Behavior]

    def message(self, cause: str, code: str) -> str:
        """The message of a refusal, before its words are filled in: that of the code, or that of every code."""
        said = self.words[cause]
        return said[code] if code in said else said[""]

    @property
    def token(self) -> str:
        """The first token: it opens the first account."""
        return next(iter(self.tokens))

    @property
    def account(self) -> str:
        """The account of a record that names none: the first token's."""
        return self.tokens[self.token].account

    def account_of(self, record: Record) -> str:
        account: str = record.get(MOCK_ONLY, {}).get("account", self.account)
        return account

    def with_records(self, collection: str, records: tuple[Record, ...]) -> World:
        """The world with other records in a collection."""
        changed = replace(self.collections[collection], records=records)
        return replace(self, collections={**self.collections, collection: changed})

    def tables(self) -> Tables:
        """The records as a mock looks for them."""
        found: dict[tuple[str, str], dict[str, Record]] = {}
        for name, collection in self.collections.items():
            for record in collection.records:
                found.setdefault((name, self.account_of(record)), {})[record[collection.identity]] = record
        return found

    def orphans(self) -> Iterator[tuple[str, int]]:
        """The collection and place of each record whose parent is not there, in its own account."""
        for name, collection in self.collections.items():
            if parent := collection.parent:
                above = self.collections[parent.collection]
                there = {(self.account_of(record), record[above.identity]) for record in above.records}
                for index, record in enumerate(collection.records):
                    if (self.account_of(record), record.get(parent.field)) not in there:
                        yield name, index

    def without_orphans(self) -> World:
        """The world without the records whose parents are not there."""
        world, lost = self, set(self.orphans())
        for name in {name for name, _ in lost}:
            kept = [record for at, record in enumerate(self.collections[name].records) if (name, at) not in lost]
            world = world.with_records(name, tuple(kept))
        return world

    def overlaid(self, collection: str, records: tuple[Record, ...]) -> World:
        """The world with records laid over its own: a known identity in an account is replaced, others are added."""
        identity = self.collections[collection].identity
        merged = {
            (self.account_of(record), record[identity]): record
            for record in (*self.collections[collection].records, *records)
        }
        return self.with_records(collection, tuple(merged.values()))

    def generated(self, count: int, seed: int) -> World:
        """The world with `count` plausible records in each collection that says how; the same for the same seed."""
        world = self
        for name, collection in self.collections.items():
            if collection.generate:
                world = world.with_records(name, tuple(_generate(collection.generate, count, seed)))
        return world


def facts(record: Record) -> dict[str, Json]:
    """What conditions look at: the fields of a record, and what only the mock knows of it."""
    return {**MOCK_FACTS, **record, **record.get(MOCK_ONLY, {})}


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a write: the record that has this id from now on, or None when it is gone."""

    collection: str
    account: str
    identity: str
    record: Record | None


Tables: TypeAlias = Mapping[tuple[str, str], Mapping[str, Record]]
"""The records of each collection and account, by their ids and in the order they came."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """What was kept of an earlier mock: its records, and the running number of the last that was made."""

    tables: Tables
    made: int


Save: TypeAlias = Callable[[Sequence[Change], int], None]
"""Makes the changes of one write last, all or none, with the number of the last record made; raises `NotKept`."""


class Store:
    """One mock's copy of the records: `records(collection, account)` maps identity to record, in the order they came.

    What is `put` and what is taken away is seen from `commit` on, all of it at once, or not at all after `discard`.
    A record is never changed in place: `put` lays another one in its stead.
    """

    def __init__(self, world: World, kept: SavedState | None = None, keep: Save | None = None) -> None:
        shipped = world.tables()
        self._identities = {name: collection.identity for name, collection in world.collections.items()}
        self._shipped = {key: frozenset(table) for key, table in shipped.items()}
        self._tables = {key: dict(table) for key, table in (kept.tables if kept else shipped).items()}
        self._made = kept.made if kept else 0
        self._keep = keep
        self._staged: list[Change] = []

    def records(self, collection: str, account: str) -> Mapping[str, Record]:
        return self._tables.get((collection, account), {})

    def put(self, collection: str, account: str, record: Record) -> None:
        """Adds a record, or lays it in the stead of the one with its id."""
        self._staged.append(Change(collection, account, record[self._identities[collection]], record))

    def remove(self, collection: str, account: str, identity: str) -> None:
        """Takes a record away. Raises `LookupError` when there is none."""
        if identity not in self.records(collection, account):
            raise LookupError(identity)
        self._staged.append(Change(collection, account, identity, None))

    def commit(self) -> Sequence[Change]:
        """Makes what was put and removed true, and tells what that was. Nothing changes when it cannot be kept."""
        changes, self._staged = self._staged, []
        if changes and self._keep:
            self._keep(changes, self._made)
        for change in changes:
            table = self._tables.setdefault((change.collection, change.account), {})
            if change.record is None:
                del table[change.identity]
            else:
                table[change.identity] = change.record
        return changes

    def discard(self) -> None:
        """Forgets what was put and removed since the last `commit`."""
        self._staged = []

    def is_free(self, collection: str, account: str, identity: str) -> bool:
        """Whether no record has this id, and none of the fixtures had it."""
        key = (collection, account)
        return identity not in self._tables.get(key, ()) and identity not in self._shipped.get(key, ())

    def serial(self) -> int:
        """A number that no record was made with before."""
        self._made += 1
        return self._made


def _generate(recipe: Recipe, count: int, seed: int) -> Iterator[Record]:
    made = makers(recipe, random.Random(seed))  # noqa: S311 - plausible data, not secrets
    for serial in range(1, count + 1):
        record: Record = {}
        moment = Moment(serial, record)
        for name, make in made.items():
            record[name] = make(moment)
        yield record
