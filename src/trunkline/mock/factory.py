"""Owns how a whole record is made of the little that a test says of it, and how it follows what the test changes.

What is not said comes from the collection's recipe, or is as in its first record; then, as at creation, from the
effects of the operation that creates such records. Nothing is made twice that no two records can share.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from random import Random
from threading import RLock

from trunkline.errors import DataError, UsageError
from trunkline.exchange import Json, pointer
from trunkline.mock.generators import Context, Generator, Record, build_generators, format_time
from trunkline.mock.loader import Vendor, check_record, load
from trunkline.mock.world import MOCK_FACTS, MOCK_ONLY, Effect, World, facts

_FOLLOWING = ("text", "rewrite")
"""The recipes that make a field of other fields of the same record."""


class RecordFactory:
    """The records of one collection: what fields they have, what is made of what, and what no two of them share.

    The same `seed` makes the same records, and one `Kind` makes no id twice, even when a record is gone by then.
    """

    def __init__(self, vendor: Vendor, collection: str, seed: int | str, serial: int = 0) -> None:
        self.vendor = vendor
        self.collection = collection
        self.name = f"{vendor.name}.{collection}"
        self.lock = RLock()
        about = vendor.world.collections[collection]
        self.identity, self.parent = about.identity, about.parent
        operations = [operation for operation in vendor.contract.operations if operation.resource == collection]
        creating = [operation for operation in operations if operation.creating]
        effects = [
            effect
            for operation in creating[:1]
            for effect in vendor.world.behaviors[operation.operation_id].outcomes[0].effects
        ]
        chance = Random(seed)  # noqa: S311 - plausible data, not secrets
        self._serial = serial
        self._recipe = build_generators(about.generate, chance)
        self._effects = [(effect, build_generators(effect.set, chance)) for effect in effects]
        self._follows = {
            name: make
            for effect, made in self._effects
            for name, make in made.items()
            if any(way in effect.set[name] for way in _FOLLOWING)
        }
        self._unique = {self.identity, *(name for said in creating if said.creating for name in said.creating.unique)}
        self._used = {name: {*_words(about.records, name)} for name in self._unique}
        shown = {name for operation in operations for name in operation.view}
        self._inputs = {
            name: (operation.body.schema, pointer((name,)))
            for operation in reversed(operations)
            if operation.body
            for name in operation.inputs
            if name not in shown and name not in vendor.contract.secrets
        }
        taken = {name for operation in operations for name in operation.inputs}
        self.fields = sorted(shown | taken | ({self.parent.field} if self.parent else set()))
        self.mock_only = sorted({"account", *_facts_of(vendor.world, collection)} - set(self.fields))

    def said(self, record: Mapping[str, Json] | None, fields: Mapping[str, Json]) -> Record:
        """What a test says of a record, as fixtures would: each mock-only fact under `x-trunkline`, all of it JSON."""
        if record is not None and not isinstance(record, Mapping):
            raise UsageError(f"a record of {self.name} is a dict, not a {type(record).__name__}")
        given = {**(record or {}), **fields}
        for name in given:
            if name not in (*self.fields, *self.mock_only, MOCK_ONLY):
                known = f"{', '.join(self.fields)}; and on the mock alone {', '.join(self.mock_only)}"
                raise UsageError(f"{self.name} has no field {str(name)[:40]!r}; there are: {known}")
        try:
            own: Record = json.loads(json.dumps(given))
        except (TypeError, ValueError) as error:
            raise UsageError(f"what is given for {self.name} is not JSON: {error}") from None
        except RecursionError:
            raise UsageError(f"what is given for {self.name} is nested too deeply") from None
        alone = {name: own.pop(name) for name in self.mock_only if name in own}
        if not isinstance(own.get(MOCK_ONLY, {}), dict):
            raise UsageError(f"{MOCK_ONLY} of a record of {self.name} is a dict of {', '.join(self.mock_only)}")
        if alone:
            own[MOCK_ONLY] = {**own.get(MOCK_ONLY, {}), **alone}
        return own

    def made(self, given: Record, others: Iterable[Record] = (), parents: Sequence[Record] = ()) -> Record:
        """A whole record of what is `given`; no other has its id, and it belongs to the first of the `parents`.

        The `others` and the `parents` are those of its account.
        """
        others = [*others]
        with self.lock:
            self._serial += 1
            record: Record = {}
            moment = Context(self._serial, record, format_time(time.time()))
            record |= {} if self._recipe else copy.deepcopy(self._first)
            for name, make in self._recipe.items():
                record[name] = make(moment)
            for name in self._unique & set(record) - set(given):
                record[name] = self._unused(name, record[name], others)
            record |= given
            if self.parent and self.parent.field not in given:
                record[self.parent.field] = self._above(self.parent.collection, parents)
            for effect, makes in self._effects:
                for name in self._lacks(effect, record, given):
                    with suppress(KeyError):  # what it is made of is not there: the contract will say so
                        value = makes[name](moment)
                        record[name] = self._unused(name, value, others) if name in self._unique else value
            return record

    def changed(self, before: Record, given: Record) -> Record:
        """A record with what is `given` laid over it; what creation makes of a field that is another now follows."""
        record = {**before, **given}
        if MOCK_ONLY in given:
            record[MOCK_ONLY] = {**before.get(MOCK_ONLY, {}), **given[MOCK_ONLY]}
        for name, make in self._follows.items():
            if name not in given and (value := _of(make, record)) != _of(make, before):
                record[name] = value
        return record

    def check(self, record: Record, given: Record, others: Iterable[Record], parents: Iterable[Record]) -> None:
        """Raises `DataError` or `UsageError` unless a record may stand beside the `others` of its account.

        A secret that was not `given` came from a client, who may send what no fixture can hold.
        """
        label = f"the record given for {self.vendor.name}'s {self.collection}"
        try:
            hidden = set(self.vendor.contract.secrets) - set(given)
            plain = {name: value for name, value in record.items() if name not in hidden}
            check_record(self.vendor, self.collection, plain)
        except DataError as error:
            raise DataError(label, error.pointer.removeprefix("/0"), error.reason) from None
        for name, (schema, at) in self._inputs.items():
            if name in given:
                for violation in self.vendor.contract.violations_at(schema, at, record[name]):
                    raise DataError(label, at + violation.at, f"{violation.message} ({violation.contract})")
        for name in sorted(self._unique & set(given) - {self.identity}):
            if record[name] is not None and any(other.get(name) == record[name] for other in others):
                raise UsageError(f"another record of {self.name} has that {name}, which no two can share")
        if self.parent:
            there, field = f"{self.vendor.name}.{self.parent.collection}", self.parent.field
            above = self.vendor.world.collections[self.parent.collection].identity
            if not any(parent[above] == record.get(field) for parent in parents):
                raise UsageError(
                    f"a record of {self.name} belongs to one of {there}, and its {field} names none of them"
                )

    @cached_property
    def _first(self) -> Record:
        """What a record is like for want of a recipe: the first of the test's own data, or of the shipped ones.

        Its id is left out where creation makes one.
        """
        record = next(iter(_records(self.vendor.world, self) or _records(load(self.vendor.name).world, self)), {})
        made = {MOCK_ONLY, *(name for effect, _ in self._effects for name in effect.set if name == self.identity)}
        return {name: value for name, value in record.items() if name not in made}

    def _lacks(self, effect: Effect, record: Record, given: Record) -> list[str]:
        """The fields that an effect of creation sets in a record that is put: never one that is given.

        What it makes whatever happens yields to what the recipe made; what follows from other fields follows them.
        """
        plain = not (effect.when or effect.when_changed)
        known = facts(record)
        if any(known.get(name) != value for name, value in effect.when.items()):
            return []
        kept = set(record) - set(self._follows) if plain else set()
        return [name for name in effect.set if name not in given and name not in kept]

    def _above(self, collection: str, parents: Sequence[Record]) -> Json:
        if not parents:
            there = f"{self.vendor.name}.{collection}"
            raise UsageError(f"a record of {self.name} belongs to one of {there}, and there are none; add one first")
        return parents[0][self.vendor.world.collections[collection].identity]

    def _unused(self, name: str, value: Json, others: Iterable[Record]) -> Json:
        """The value, or the next one, that neither another record has nor one that was made before."""
        used = self._used[name]
        taken = used.union(_words(others, name))
        while isinstance(value, str | int) and value in taken:
            value = _next(value)
        used.update(_words([{name: value}], name))
        return value


def _words(records: Iterable[Record], name: str) -> Iterator[str | int]:
    """What records have for a field, if it can be counted up."""
    return (record[name] for record in records if isinstance(record.get(name), str | int))


def _records(world: World, kind: RecordFactory) -> tuple[Record, ...]:
    return world.collections[kind.collection].records


def _facts_of(world: World, collection: str) -> set[str]:
    """What only the mock knows of a record, and asks for when it serves one."""
    serves = [serve for serve in world.behaviors.values() if serve.collection == collection]
    asked = {name for serve in serves for word, name in serve.guards if word == "unused"}
    outcomes = [outcome for serve in serves for outcome in serve.outcomes]
    asked |= {name for outcome in outcomes for name in outcome.when}
    asked |= {name for outcome in outcomes for effect in outcome.effects for name in effect.when}
    return {*MOCK_FACTS} & asked


def _of(make: Generator, record: Record) -> Json:
    """What a field is by what others are, or None if they are not there."""
    try:
        return make(Context(0, record))
    except KeyError:
        return None


def _next(value: str | int) -> str | int:
    """The value with its last number counted up: `+15550109` -> `+15550110`, `support` -> `support1`."""
    if isinstance(value, int):
        return value + 1
    head = value.rstrip("0123456789")
    digits = value[len(head) :]
    return head + str(int(digits or "0") + 1).zfill(len(digits))
