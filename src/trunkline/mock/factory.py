"""Build a whole, plausible record from the few fields that a test gives, and update fields that depend on others.

Fields that are not given come from the collection's generators, or are copied from its first record. Then the effects
of the operation that creates such records apply. Values that must be unique are never built twice.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from random import Random
from threading import RLock

from trunkline.contract.model import Create
from trunkline.errors import Conflict, DataError, UsageError
from trunkline.exchange import Json, pointer
from trunkline.mock.generators import Context, Generator, Record, build_generators, format_time
from trunkline.mock.loader import Vendor, check_given, load
from trunkline.mock.world import MOCK_FACTS, MOCK_ONLY, Effect, World, meets

_DERIVED = ("text", "rewrite")
"""The kinds of generator that make a field from other fields of the record."""


MOST_RECORDS = 1_000_000
"""The largest number of records to generate in a collection: they take minutes and 4 GB."""


def generate(vendor: Vendor, counts: Mapping[str, int], seed: int = 0) -> Vendor:
    """The vendor with so many plausible records in some collections, the same for the same `seed`.

    Records that need a parent are spread over those of the default account. Others whose parent is replaced are
    removed.
    """
    for name in vendor.world.parents_first():
        if name in counts:
            if not 0 <= counts[name] <= MOST_RECORDS:
                raise UsageError(f"{name}: {counts[name]} records cannot be generated; ask for 0 to {MOST_RECORDS}")
            factory, world = RecordFactory(vendor, name, f"{seed}/{name}"), vendor.world
            parents = factory.parents_in(world, world.account)
            rng = Random(f"{seed}/{name}/parent")  # noqa: S311 - which parent, not secrets
            now = format_time(time.time())
            records = tuple(
                factory.build({}, (), parents and [rng.choice(parents)], now=now) for _ in range(counts[name])
            )
            vendor = replace(vendor, world=world.with_records(name, records).without_orphans())
    return vendor


def fill_records(vendor: Vendor, collection: str, given: Sequence[Mapping[str, Json]]) -> list[Record]:
    """Whole records with these fields. One that needs a parent belongs to the first of its account."""
    factory, world = RecordFactory(vendor, collection, 0), vendor.world
    parsed = [factory.parse(record, {}) for record in given]
    factory.reserve(parsed)
    return [factory.build(record, (), factory.parents_in(world, world.account_of(record))) for record in parsed]


class RecordFactory:
    """Builds the records of one collection.

    Equal seeds give equal records. An id is not used again, even after its record was removed. `serial` is the
    last serial number in use, `identity` the field that holds the id.
    """

    def __init__(self, vendor: Vendor, collection: str, seed: int | str, serial: int = 0) -> None:
        self.vendor = vendor
        self.collection = collection
        self.name = f"{vendor.name}.{collection}"
        self.lock = RLock()
        data = vendor.world.collections[collection]
        self.identity, self.parent = data.identity, data.parent
        operations = [operation for operation in vendor.contract.operations if operation.resource == collection]
        creating = vendor.contract.of_kind(Create, collection)
        behaviors = [vendor.world.behaviors[operation.operation_id] for operation in creating[:1]]
        effects = [effect for behavior in behaviors for effect in behavior.outcomes[0].effects]
        rng = Random(seed)  # noqa: S311 - plausible data, not secrets
        self._serial = serial
        self._generators = build_generators(data.generate, rng)
        self._effects = [(effect, build_generators(effect.set, rng)) for effect in effects]
        self._derived = {
            name: generate
            for effect, generators in self._effects
            for name, generate in generators.items()
            if any(kind in effect.set[name] for kind in _DERIVED)
        }
        self._unique = {self.identity, *(name for operation in creating for name in operation.kind.unique)}
        self._used = {name: {*_countable(data.records, name)} for name in self._unique}
        shown = {name for operation in operations for name in operation.view}
        inputs = {name for operation in operations for name in operation.inputs}
        self._hidden_inputs = {
            name: (operation.body.schema, pointer((name,)))
            for operation in reversed(operations)
            if operation.body
            for name in operation.inputs
            if name not in shown and name not in vendor.contract.secrets
        }
        self.fields = sorted(shown | inputs | ({self.parent.field} if self.parent else set()))
        self.mock_only = sorted({"account", *_facts_in_use(vendor.world, collection)} - set(self.fields))

    def parse(self, record: Mapping[str, Json] | None, fields: Mapping[str, Json]) -> Record:
        """The given fields as fixtures have them: as JSON, with mock-only facts under `x-trunkline`."""
        if record is not None and not isinstance(record, Mapping):
            raise UsageError(f"a record of {self.name} must be a dict, not a {type(record).__name__}")
        given = {**(record or {}), **fields}
        for name in given:
            if name not in (*self.fields, *self.mock_only, MOCK_ONLY):
                known = f"{', '.join(self.fields)}; for the mock alone: {', '.join(self.mock_only)}"
                raise UsageError(f"{self.name} has no field {str(name)[:40]!r}; its fields are: {known}")
        try:
            parsed: Record = json.loads(json.dumps(given))
        except (TypeError, ValueError) as error:
            raise UsageError(f"what is given for {self.name} is not JSON: {error}") from None
        except RecursionError:
            raise UsageError(f"what is given for {self.name} is nested too deeply") from None
        mock_only = {name: parsed.pop(name) for name in self.mock_only if name in parsed}
        if not isinstance(parsed.get(MOCK_ONLY, {}), dict):
            raise UsageError(f"{MOCK_ONLY} of a record of {self.name} must be a dict of {', '.join(self.mock_only)}")
        if mock_only:
            parsed[MOCK_ONLY] = {**parsed.get(MOCK_ONLY, {}), **mock_only}
        return parsed

    def reserve(self, records: Iterable[Record]) -> None:
        """Never build the values of these records where a value must be unique."""
        for name, used in self._used.items():
            used.update(_countable(records, name))

    def parents_in(self, world: World, account: str) -> tuple[Record, ...]:
        """The records of an account to which one can belong; none if it needs no parent."""
        parents = world.collections[self.parent.collection].records if self.parent else ()
        return tuple(record for record in parents if world.account_of(record) == account)

    def build(
        self, given: Record, others: Iterable[Record] = (), parents: Sequence[Record] = (), *, now: str = ""
    ) -> Record:
        """A whole record with the `given` fields and an unused id. It belongs to the first of the `parents`.

        `others` and `parents` are the records of its account.
        """
        others = [*others]
        with self.lock:
            self._serial += 1
            record = {} if self._generators else copy.deepcopy(self._model)
            context = Context(self._serial, record, now or format_time(time.time()))
            for name, generate in self._generators.items():
                record[name] = generate(context)
            for name in self._unique & set(record) - set(given):
                record[name] = self._make_unique(name, record[name], others)
            record |= given
            if self.parent and self.parent.field not in given:
                record[self.parent.field] = self._first_parent(self.parent.collection, parents)
            for effect, generators in self._effects:
                for name in self._fields_to_set(effect, record, given):
                    with suppress(KeyError):  # a field that it depends on is missing, which `check` reports
                        value = generators[name](context)
                        record[name] = self._make_unique(name, value, others) if name in self._unique else value
            return record

    def update(self, before: Record, given: Record) -> Record:
        """A record with the `given` fields; fields that are derived from a changed field are derived again."""
        record = {**before, **given}
        if MOCK_ONLY in given:
            record[MOCK_ONLY] = {**before.get(MOCK_ONLY, {}), **given[MOCK_ONLY]}
        for name, generate in self._derived.items():
            if name not in given and (value := _derive(generate, record)) != _derive(generate, before):
                record[name] = value
        return record

    def check(self, record: Record, given: Record, others: Iterable[Record], parents: Iterable[Record]) -> None:
        """Raise `DataError` or `UsageError` unless the record obeys the contract and fits the `others` of its account.

        A secret that was not `given` came from a client, and may be one that no fixture can hold.
        """
        label = f"the record given for {self.vendor.name}'s {self.collection}"
        try:
            secret = set(self.vendor.contract.secrets) - set(given)
            visible = {name: value for name, value in record.items() if name not in secret}
            check_given(self.vendor, self.collection, [visible], label)
        except DataError as error:
            raise DataError(label, error.pointer.removeprefix("/0"), error.reason) from None
        for name, (schema, at) in self._hidden_inputs.items():
            if name in given:
                for violation in self.vendor.contract.violations_at(schema, at, record[name]):
                    raise DataError(label, at + violation.at, f"{violation.message} ({violation.contract})")
        for name in sorted(self._unique & set(given) - {self.identity}):
            if record[name] is not None and any(other.get(name) == record[name] for other in others):
                raise Conflict(f"another record of {self.name} has the same {name}, which must be unique")
        if self.parent:
            identity = self.vendor.world.collections[self.parent.collection].identity
            if not any(parent[identity] == record.get(self.parent.field) for parent in parents):
                parents_name = f"{self.vendor.name}.{self.parent.collection}"
                raise UsageError(
                    f"a record of {self.name} belongs to one of {parents_name}, "
                    f"and its {self.parent.field} names none of them"
                )

    @cached_property
    def _model(self) -> Record:
        """The record to copy when there are no generators: the first of the world in use, or of the shipped one.

        Its id is left out if creation makes one.
        """
        records = (
            self.vendor.world.collections[self.collection].records
            or load(self.vendor.name).world.collections[self.collection].records
        )
        left_out = {MOCK_ONLY, *(self.identity for effect, _ in self._effects if self.identity in effect.set)}
        return {name: value for name, value in next(iter(records), {}).items() if name not in left_out}

    def _fields_to_set(self, effect: Effect, record: Record, given: Record) -> list[str]:
        """The fields that an effect of creation sets: none that is given.

        An effect without conditions keeps the fields that a generator has set, except those it derives from others.
        """
        if not meets(record, effect.when):
            return []
        unconditional = not (effect.when or effect.when_changed)
        kept = set(record) - set(self._derived) if unconditional else set()
        return [name for name in effect.set if name not in given and name not in kept]

    def _first_parent(self, collection: str, parents: Sequence[Record]) -> Json:
        if not parents:
            name = f"{self.vendor.name}.{collection}"
            raise UsageError(f"a record of {self.name} belongs to one of {name}, and there are none; add one first")
        return parents[0][self.vendor.world.collections[collection].identity]

    def _make_unique(self, name: str, value: Json, others: Iterable[Record]) -> Json:
        """The value, counted up until no record has it and none was built with it."""
        used, taken = self._used[name], {*_countable(others, name)}
        while isinstance(value, str | int) and (value in used or value in taken):
            value = _count_up(value)
        used.update(_countable([{name: value}], name))
        return value


def _countable(records: Iterable[Record], name: str) -> Iterator[str | int]:
    """The values of a field that can be counted up."""
    return (record[name] for record in records if isinstance(record.get(name), str | int))


def _facts_in_use(world: World, collection: str) -> set[str]:
    """The mock-only facts that the operations on a collection depend on."""
    behaviors = [behavior for behavior in world.behaviors.values() if behavior.collection == collection]
    outcomes = [outcome for behavior in behaviors for outcome in behavior.outcomes]
    conditions = [outcome.when for outcome in outcomes]
    conditions += [effect.when for outcome in outcomes for effect in outcome.effects]
    names = {name for behavior in behaviors for guard, name in behavior.guards if guard == "unused"}
    return {*MOCK_FACTS} & names.union(*conditions)


def _derive(generate: Generator, record: Record) -> Json:
    """The value of a derived field, or None if a field that it depends on is missing."""
    try:
        return generate(Context(0, record))
    except KeyError:
        return None


def _count_up(value: str | int) -> str | int:
    """The value with its last number increased by one: `+15550109` -> `+15550110`, `support` -> `support1`."""
    if isinstance(value, int):
        return value + 1
    head = value.rstrip("0123456789")
    digits = value[len(head) :]
    return head + str(int(digits or "0") + 1).zfill(len(digits))
