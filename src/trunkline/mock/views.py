"""Views: the part of a record that each operation shows, encoded as JSON once.

Encoded records and whole lists are kept until the next write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeAlias

from trunkline.contract.formats import read_bound, read_time
from trunkline.contract.model import K, List, Operation
from trunkline.exchange import Json
from trunkline.mock.generators import Record
from trunkline.mock.world import Outcome, Store, World, project

_JSON_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_MAX_LISTED = 16 << 20
"""The most bytes of encoded lists that are kept, beside their items; each combination of filters is one list."""
_LIST_SIZE = 256
_POINTER_SIZE = 8

_PLAIN_TIME = len("2024-03-05T14:22:15Z")
"""The length of times in UTC and whole seconds, whose order is that of their texts."""

Criteria: TypeAlias = tuple[tuple[str, str, Json], ...]
"""Conditions on the records of a list: (field, `equal`, `from` or `until`, value)."""


def encode(value: Json) -> bytes:
    """A value as JSON in UTF-8, without spaces. A lone surrogate (from `%FF` in a path) becomes `?`."""
    return b"%d" % value if type(value) is int else _JSON_TEXT(value).encode("utf-8", "replace")


class ServedOperation(Generic[K]):
    """One operation with everything about serving it that can be prepared once."""

    def __init__(self, operation: Operation[K], world: World) -> None:
        self.operation = operation
        self.behavior = world.behaviors[operation.operation_id]
        self.view = operation.view
        self.inputs = tuple(operation.inputs)
        self.body_schema = operation.body.schema if operation.body else ""
        collection = world.collections.get(self.behavior.collection)
        self.identity = collection.identity if collection else ""
        """The field of a record that holds its id."""
        self.parent = collection.parent if collection else None
        self.parent_parameters = operation.parents
        filters = operation.kind.filters if isinstance(operation.kind, List) else {}
        self.filters = tuple((name, by.at[1:], by.comparison) for name, by in filters.items())
        """The name of each filter of a list, the field that it filters by, and how they are compared."""
        outcomes = self.behavior.outcomes
        self._templates = {id(outcome): _split_template(encode(outcome.body)) for outcome in outcomes}
        has_effects = any(outcome.effects for outcome in outcomes)
        self.writes = has_effects or self.behavior.verb in ("create", "update", "delete")
        """Whether the operation can change records."""
        named = {part for template in self._templates.values() for part in template if isinstance(part, str)}
        self.echoed = named - {"items", "item", "total", "now"}
        """The parameters whose values are in a body."""
        shows_current_time = "now" in named
        self.cacheable = not (self.writes or shows_current_time or operation.body)
        """Whether equal requests have equal answers until the next write, whatever their bodies."""
        self.lists_all = isinstance(operation.kind, List) and not operation.parents
        """Whether it lists all records of a collection in an account."""
        self._shipped = collection.records if collection else ()
        self._encoded: dict[int, bytes] = {}
        """Encoded records of the fixtures by their `id()`, which no other object has while the world is there."""

    def encode_shipped(self) -> None:
        """Encode the records of the fixtures once for all mocks of the vendor, if the operation lists them all."""
        if self.lists_all and not self._encoded:
            self._encoded = {id(record): encode(project(record, self.view)) for record in self._shipped}

    def encoded(self, record: Record) -> bytes | None:
        """A record of the fixtures, if it is encoded for all mocks."""
        return self._encoded.get(id(record))

    def fill_body(self, outcome: Outcome, values: Mapping[str, bytes]) -> bytes:
        """The body template of an outcome with encoded JSON for each `"{name}"`."""
        template = self._templates[id(outcome)]
        return b"".join([values[part] if isinstance(part, str) else part for part in template])


class Views:
    """The encoded views of one mock's records."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lists: dict[tuple[str, str, Criteria], list[bytes]] = {}
        self._listed = 0
        self._encoded: dict[tuple[str, str, str], dict[str, tuple[Record, bytes]]] = {}

    def commit(self) -> bool:
        """Commit the store's changes and forget the views of what changed. Return whether anything changed."""
        changes = self.store.commit()
        if changes:
            self._forget_lists()
        for change in changes:
            if change.record is None:
                self._encoded.pop((change.collection, change.account, change.identity), None)
        return bool(changes)

    def _forget_lists(self) -> None:
        self._lists.clear()
        self._listed = 0

    def items(self, served: ServedOperation, account: str, criteria: Criteria = ()) -> Sequence[bytes]:
        """The encoded items of a list, in order: the records that meet all criteria."""
        key = (served.operation.operation_id, account, criteria)
        items = self._lists.get(key)
        if items is None:
            records = list(self.store.records(served.behavior.collection, account).values())
            for criterion in criteria:
                records = _select(records, *criterion)
            for field in reversed(served.behavior.order):
                records.sort(key=_sort_key(records, field.lstrip("-")), reverse=field.startswith("-"))
            items = [self.encoded(served, account, record) for record in records]
            size = _LIST_SIZE + _POINTER_SIZE * len(items) + sum(len(str(value)) for *_, value in criteria)
            if self._listed + size > _MAX_LISTED:
                self._forget_lists()
            self._listed += size
            self._lists[key] = items
        return items

    def encoded(self, served: ServedOperation, account: str, record: Record) -> bytes:
        """The fields of a record that an operation shows, as JSON."""
        shipped = served.encoded(record)
        if shipped is not None:
            return shipped
        views = self._encoded.setdefault((served.behavior.collection, account, record[served.identity]), {})
        known = views.get(served.operation.operation_id)
        if known is None or known[0] is not record:
            known = views[served.operation.operation_id] = (record, encode(project(record, served.view)))
        return known[1]


def _sort_key(records: list[Record], field: str) -> Callable[[Record], Any]:
    """The key of a record for the order by a field. Times that are not all written alike are compared as times."""
    by_value = itemgetter(field)
    texts = [value for record in records if type(value := record[field]) is str]
    is_time = bool(texts) and read_time(texts[0]) is not None
    if not is_time or all(len(text) == _PLAIN_TIME and text[-1] == "Z" for text in texts):
        return by_value
    times = {text: read_time(text) for text in texts}
    return by_value if None in times.values() else lambda record: times[record[field]]


def _select(records: list[Record], field: str, comparison: str, value: Json) -> list[Record]:
    if comparison == "equal":
        return [record for record in records if record.get(field) == value]
    bound = read_bound(value)
    times = [(record, read_time(str(record.get(field)))) for record in records]
    if comparison == "from":
        return [record for record, time in times if time and bound and time >= bound]
    return [record for record, time in times if time and bound and time <= bound]


def _split_template(encoded: bytes) -> list[bytes | str]:
    """`{"total":"{total}"}` -> `[b'{"total":', "total", b"}"]`."""
    first, *others = encoded.split(b'"{')
    parts: list[bytes | str] = [first]
    for other in others:
        name, _, rest = other.partition(b'}"')
        parts += [name.decode(), rest]
    return parts
