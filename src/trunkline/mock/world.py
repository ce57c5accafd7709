"""The data of a mock: `World`, which never changes, and `Store`, the records of one mock, which do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from trunkline.contract.model import View
from trunkline.exchange import Json
from trunkline.mock.generators import GeneratorSpec, Record

MOCK_ONLY = "x-trunkline"
"""The field of a record that holds facts for the mock alone: `{"account": "staging", "reachable": false}`."""

MOCK_FACTS: Mapping[str, Json] = {"reachable": True, "in_use": False}
"""The mock-only facts of a record that names no others."""


def project(record: Record, view: View) -> Record:
    """The part of a record that a view shows, in the order of the view."""
    shown = {}
    for name, inner in view.items():
        if name in record:
            value = record[name]
            shown[name] = project(value, inner) if inner and isinstance(value, dict) else value
    return shown


def fill_template(template: Json, values: Mapping[str, Json]) -> Json:
    """A body template with a value for each placeholder, which is a whole text: `{"total": "{total}"}`."""
    if isinstance(template, dict):
        return {name: fill_template(inner, values) for name, inner in template.items()}
    if isinstance(template, list):
        return [fill_template(inner, values) for inner in template]
    return values[template[1:-1]] if isinstance(template, str) and template.startswith("{") else template


class Grant(Struct, frozen=True):
    """The access that a token gives: an account, or the cause for which every request is refused."""

    account: str
    refused: str = ""


class Effect(Struct, frozen=True):
    """A change of a record: generate the fields of `set`.

    It happens if the facts in `when` hold and, unless `when_changed` is empty, one of those fields has changed.
    """

    set: GeneratorSpec
    when: Mapping[str, Json] = {}
    when_changed: frozenset[str] = frozenset()


class Outcome(Struct, frozen=True):
    """One successful end of an operation: a status, a body template and effects. `when` says for which records."""

    body: Json
    status: int = 200
    effects: tuple[Effect, ...] = ()
    when: Mapping[str, Json] = {}


class Behavior(Struct, frozen=True):
    """The way in which the mock serves one operation.

    `verb` names the handler, `order` the fields that sort a list (`-created_at` is descending), and `guards` the
    reasons to refuse: `("unique", "sip_username")`, `("empty", "dids")`, `("unused", "in_use")`. The first outcome
    whose `when` holds is the one.
    """

    verb: str
    collection: str
    outcomes: tuple[Outcome, ...]
    order: tuple[str, ...] = ()
    guards: tuple[tuple[str, str], ...] = ()


class Parent(Struct, frozen=True):
    """The collection that a record belongs to, and the record's field that holds the parent's id."""

    collection: str
    field: str


class Collection(Struct, frozen=True):
    """The records of one resource; `identity` is the field that holds a record's id."""

    identity: str
    generate: GeneratorSpec = {}
    records: tuple[Record, ...] = ()
    parent: Parent | None = None


Tables: TypeAlias = Mapping[tuple[str, str], Mapping[str, Record]]
"""Records by (collection, account) and then by id, in the order in which they were added."""


class World(Struct, frozen=True):
    """The tokens, error texts, behaviors and records of one vendor's mock.

    `account` is the default account: records that name no account belong to it.
    """

    rate_limit: int
    account: str
    tokens: Mapping[str, Grant]
    error_body: Mapping[str, Json]
    messages: Mapping[str, Mapping[str, str]]
    collections: Mapping[str, Collection]
    behaviors: Mapping[str, Behavior]

    def __repr__(self) -> str:
        return "<World>"  # without tokens and secrets

    def message(self, cause: str, code: str) -> str:
        """The message template for a cause of refusal: the one for the error code, or the one for every code."""
        messages = self.messages[cause]
        return messages[code] if code in messages else messages[""]

    @property
    def token(self) -> str:
        """The first token that gives access to the default account."""
        return next(token for token, grant in self.tokens.items() if grant == Grant(self.account))

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts to which tokens give access."""
        return frozenset(grant.account for grant in self.tokens.values())

    def account_of(self, record: Record) -> str:
        account: str = record.get(MOCK_ONLY, {}).get("account", self.account)
        return account

    def with_tokens(self, tokens: Sequence[str]) -> World:
        """The world with only these tokens for the default account. The other accounts keep theirs."""
        others = {token: grant for token, grant in self.tokens.items() if grant.account != self.account}
        return replace(self, tokens=others).with_grants(dict.fromkeys(tokens, Grant(self.account)))

    def with_grants(self, grants: Mapping[str, Grant]) -> World:
        """The world with these tokens first, and then those of its own that are not among them."""
        return replace(self, tokens={**grants, **self.tokens, **grants})

    def with_rate_limit(self, requests: int) -> World:
        """The world with another number of requests for each window and token."""
        return replace(self, rate_limit=requests)

    def with_records(self, collection: str, records: tuple[Record, ...]) -> World:
        """The world with other records in a collection."""
        changed = replace(self.collections[collection], records=records)
        return replace(self, collections={**self.collections, collection: changed})

    def tables(self) -> Tables:
        """All records, by collection, account and id."""
        tables: dict[tuple[str, str], dict[str, Record]] = {}
        for name, collection in self.collections.items():
            for record in collection.records:
                tables.setdefault((name, self.account_of(record)), {})[record[collection.identity]] = record
        return tables

    def orphans(self) -> Iterator[tuple[str, int, Parent]]:
        """The (collection, index, parent) of each record whose parent is not in the same account."""
        for name, collection in self.collections.items():
            if parent := collection.parent:
                parents = self.collections[parent.collection]
                known = {(self.account_of(record), record[parents.identity]) for record in parents.records}
                for index, record in enumerate(collection.records):
                    if (self.account_of(record), record.get(parent.field)) not in known:
                        yield name, index, parent

    def without_orphans(self) -> World:
        """The world without the records whose parents are missing, and without those that belong to them."""
        world = self
        while orphans := {(name, index) for name, index, _ in world.orphans()}:
            for name in {name for name, _ in orphans}:
                records = enumerate(world.collections[name].records)
                world = world.with_records(name, tuple(record for at, record in records if (name, at) not in orphans))
        return world

    def overlaid(self, collection: str, records: tuple[Record, ...]) -> World:
        """The world with more records; one with the account and id of an existing record replaces it."""
        identity = self.collections[collection].identity
        merged = {
            (self.account_of(record), record[identity]): record
            for record in (*self.collections[collection].records, *records)
        }
        return self.with_records(collection, tuple(merged.values()))

    def parents_first(self) -> list[str]:
        """The names of the collections; each comes after the one to which its records belong."""

        def depth(name: str) -> int:
            parent = self.collections[name].parent
            return 1 + depth(parent.collection) if parent else 0

        return sorted(self.collections, key=depth)


def facts(record: Record) -> dict[str, Json]:
    """The values that conditions compare: the fields of a record and its mock-only facts."""
    return {**MOCK_FACTS, **record, **record.get(MOCK_ONLY, {})}


def meets(record: Record, conditions: Mapping[str, Json]) -> bool:
    """Whether a record has all facts that an effect or an outcome asks for."""
    known = facts(record)
    return all(known.get(name) == value for name, value in conditions.items())


class RecordChange(Struct, frozen=True):
    """One step of a write: the new record with the id `identity`, or None if the record is removed."""

    collection: str
    account: str
    identity: str
    record: Record | None


class SavedState(Struct, frozen=True):
    """The saved state of an earlier mock: its records and the last serial number that it used."""

    tables: Tables
    last_serial: int


Save: TypeAlias = Callable[[Sequence[RecordChange], int], None]
"""Save all changes of one write, or none, with the last serial number. Raises `StorageError`."""


class Store:
    """The records of one mock.

    `put` and `remove` prepare a write. `commit` makes all of it visible at once; `discard` drops it. Records are
    never changed in place: `put` replaces them.
    """

    def __init__(self, world: World, saved: SavedState | None = None, save: Save | None = None) -> None:
        shipped = world.tables()
        self._identities = {name: collection.identity for name, collection in world.collections.items()}
        self._shipped = {key: frozenset(table) for key, table in shipped.items()}
        self._tables = {key: dict(table) for key, table in (saved.tables if saved else shipped).items()}
        self._last_serial = saved.last_serial if saved else 0
        self._save = save
        self._prepared: list[RecordChange] = []
        self._undo: list[tuple[RecordChange, tuple[str, ...]]] = []
        """The changes that lead back to the state before the last write, each with the order of the ids there."""

    def records(self, collection: str, account: str) -> Mapping[str, Record]:
        """The records of an account by id, in the order in which they were added."""
        return self._tables.get((collection, account), {})

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts that have records."""
        return frozenset(account for (_, account), table in self._tables.items() if table)

    def put(self, collection: str, account: str, record: Record) -> None:
        """Add a record, or replace the one with its id."""
        self._prepared.append(RecordChange(collection, account, record[self._identities[collection]], record))

    def remove(self, collection: str, account: str, identity: str) -> None:
        """Remove the record with the id `identity`. Raises `LookupError` when there is none."""
        if identity not in self.records(collection, account):
            raise LookupError(identity)
        self._prepared.append(RecordChange(collection, account, identity, None))

    def commit(self) -> Sequence[RecordChange]:
        """Save the prepared changes, make them visible and return them. When saving fails, nothing changes."""
        changes, self._prepared = self._prepared, []
        if changes and self._save:
            self._save(changes, self._last_serial)
        if changes:
            self._undo = []
        for change in changes:
            table = self._tables.setdefault((change.collection, change.account), {})
            before = replace(change, record=table.get(change.identity))
            self._undo.append((before, () if change.record else tuple(table)))
            if change.record is None:
                del table[change.identity]
            else:
                table[change.identity] = change.record
        return changes

    @property
    def has_written(self) -> bool:
        """Whether there was a write since it was made."""
        return bool(self._undo)

    def before_last_write(self) -> SavedState | None:
        """The records from before the last write; None if there was no write."""
        if not self._undo:
            return None
        tables = dict(self._tables)
        for change, order in reversed(self._undo):
            key = (change.collection, change.account)
            table: dict[str, Record | None] = {**tables[key], change.identity: change.record}
            ids = order or table
            tables[key] = {identity: record for identity in ids if (record := table[identity]) is not None}
        return SavedState(tables, self._last_serial)

    def discard(self) -> None:
        """Drop the changes prepared since the last `commit`."""
        self._prepared = []

    def is_free(self, collection: str, account: str, identity: str) -> bool:
        """Whether no record has the id `identity` now, and none of the fixtures had it."""
        key = (collection, account)
        return identity not in self._tables.get(key, ()) and identity not in self._shipped.get(key, ())

    def next_serial(self) -> int:
        """A serial number that was not used before."""
        self._last_serial += 1
        return self._last_serial
