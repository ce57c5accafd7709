"""Owns what is true on a mock: `World`, immutable, and `Store`, one mock's changeable copy of its records."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from trunkline.exchange import Json

Record: TypeAlias = dict[str, Json]
"""One thing as the fixtures tell it: documented fields, secrets, and mock-only facts under `x-trunkline`."""

Recipe: TypeAlias = Mapping[str, Mapping[str, Json]]
"""How each field of a plausible record is made: `{"id": {"letters": "conn_{}"}}`."""

MOCK_ONLY = "x-trunkline"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token opens: an account, or a documented refusal."""

    account: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Serve:
    """How the mock serves one operation: a verb over a collection, poured into a body."""

    verb: str
    collection: str
    order: tuple[str, ...]
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Collection:
    """The records of one kind, the field that names one, and how plausible ones are made."""

    identity: str
    generate: Recipe
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True, repr=False)
class World:
    """Tokens, words and records of one vendor's mock."""

    rate_limit: int
    tokens: Mapping[str, Grant]
    envelope: Mapping[str, Json]
    words: Mapping[str, str]
    collections: Mapping[str, Collection]
    serves: Mapping[str, Serve]

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


class Store:
    """One mock's copy of the records: `records(collection, account)` maps identity to record, in fixture order."""

    def __init__(self, world: World) -> None:
        self._tables: dict[tuple[str, str], dict[str, Record]] = {}
        for name, collection in world.collections.items():
            for record in collection.records:
                table = self._tables.setdefault((name, world.account_of(record)), {})
                table[record[collection.identity]] = record

    def records(self, collection: str, account: str) -> Mapping[str, Record]:
        return self._tables.get((collection, account), {})


def _generate(recipe: Recipe, count: int, seed: int) -> Iterator[Record]:
    chance = random.Random(seed)  # noqa: S311 - plausible data, not secrets
    makers = {name: _maker(how, chance) for name, how in recipe.items()}
    for serial in range(1, count + 1):
        yield {name: make(serial) for name, make in makers.items()}


_Maker: TypeAlias = Callable[[int], Json]


def _maker(how: Mapping[str, Json], chance: random.Random) -> _Maker:
    """What makes a field from the running number, worked out once for all records."""
    make = _plain_maker(how, chance)
    share = how.get("null", 0)
    return (lambda serial: None if chance.random() < share else make(serial)) if share else make


def _plain_maker(how: Mapping[str, Json], chance: random.Random) -> _Maker:  # noqa: PLR0911 - one a recipe
    match how:
        case {"serial": str(pattern)}:
            return lambda serial: pattern.replace("{}", str(serial))
        case {"letters": str(pattern)}:
            used: set[str] = set()
            return lambda _: _unused(pattern, chance, used)
        case {"uuid": _}:
            return lambda _: str(uuid.UUID(int=chance.getrandbits(128), version=4))
        case {"words": lists}:
            return lambda _: " ".join([chance.choice(words) for words in lists])
        case {"one_of": values}:
            return lambda _: chance.choice(values)
        case {"between": [low, high], **more}:
            decimals = more.get("decimals", 0)
            return lambda _: round(chance.uniform(low, high), decimals) if decimals else chance.randint(low, high)
        case {"time": [first, last]}:
            begin, end = (int(datetime.fromisoformat(text).timestamp()) for text in (first, last))
            return lambda _: datetime.fromtimestamp(chance.randint(begin, end), UTC).isoformat()[:19] + "Z"
    makers = {name: _maker(inner, chance) for name, inner in how["fields"].items()}
    return lambda serial: {name: make(serial) for name, make in makers.items()}


def _unused(pattern: str, chance: random.Random, used: set[str]) -> str:
    """The pattern with nine lower-case letters and digits, as the documents' ids have; never twice the same."""
    while (text := pattern.replace("{}", "".join(chance.choices(_LETTERS, k=9)))) in used:
        pass
    used.add(text)
    return text


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
