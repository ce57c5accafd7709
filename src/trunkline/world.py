"""Owns what is true on a mock: `World`, immutable, and `Store`, one mock's changeable copy of its records."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from trunkline.exchange import Json

Record: TypeAlias = dict[str, Json]
"""One thing as the fixtures tell it: documented fields, secrets, and mock-only facts under `x-trunkline`."""

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
    generate: Mapping[str, Mapping[str, Json]]
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


def _generate(recipe: Mapping[str, Mapping[str, Json]], count: int, seed: int) -> Iterator[Record]:
    chance = random.Random(seed)  # noqa: S311 - plausible data, not secrets
    used: set[str] = set()
    for serial in range(1, count + 1):
        yield {name: _made(how, serial, chance, used) for name, how in recipe.items()}


def _made(how: Mapping[str, Json], serial: int, chance: random.Random, used: set[str]) -> Json:  # noqa: PLR0911
    if "null" in how and chance.random() < how["null"]:
        return None
    match how:
        case {"serial": str(pattern)}:
            return pattern.replace("{}", str(serial))
        case {"letters": str(pattern)}:
            while (text := pattern.replace("{}", _letters(chance))) in used:
                pass
            used.add(text)
            return text
        case {"uuid": _}:
            return str(uuid.UUID(int=chance.getrandbits(128), version=4))
        case {"words": lists}:
            return " ".join(chance.choice(words) for words in lists)
        case {"one_of": values}:
            return chance.choice(values)
        case {"between": [low, high]}:
            decimals = how.get("decimals", 0)
            return round(chance.uniform(low, high), decimals) if decimals else chance.randint(low, high)
        case {"time": [first, last]}:
            begin, end = (int(datetime.fromisoformat(text).timestamp()) for text in (first, last))
            return datetime.fromtimestamp(chance.randint(begin, end), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {name: _made(inner, serial, chance, used) for name, inner in how["fields"].items()}


def _letters(chance: random.Random) -> str:
    """Nine lower-case letters and digits, as the documents' ids have."""
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9))
