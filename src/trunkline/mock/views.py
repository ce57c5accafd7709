"""Owns how a mock's records are shown: cut to what each operation documents, encoded once, listed in order.

What is worked out is kept until the next write to its collection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from trunkline.contract.model import Operation
from trunkline.contract.refusals import time_of
from trunkline.exchange import Json
from trunkline.mock.generators import Record
from trunkline.mock.loader import project
from trunkline.mock.world import Outcome, Store, World

_JSON_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_MOST_LISTS = 256
"""So many lists, each with other filters, are kept at once."""

_Chosen: TypeAlias = tuple[tuple[str, Json], ...]


def encode(value: Json) -> bytes:
    """A value as JSON in UTF-8, without spaces; what a request spoiled (`%FF` in a path) is told as `?`."""
    return _JSON_TEXT(value).encode("utf-8", "replace")


class OperationView:
    """How one operation shows its collection, worked out once: the view, and each body cut where values go in."""

    def __init__(self, operation: Operation, world: World) -> None:
        self.operation = operation
        self.serve = world.behaviors[operation.operation_id]
        self.view = operation.view
        self.inputs = tuple(operation.inputs)
        self.collection = world.collections.get(self.serve.collection)
        self._pieces = {id(outcome): _cut_template(encode(outcome.body)) for outcome in self.serve.outcomes}
        changing = any(outcome.effects for outcome in self.serve.outcomes)
        self.writes = changing or self.serve.verb in ("create", "update", "delete")
        """Whether a record may be another afterwards."""
        dated = any("now" in pieces for pieces in self._pieces.values())
        self.lasts = not (self.writes or dated or operation.body)
        """Whether the same question, whatever its body, has the same answer until the next write."""

    @property
    def identity(self) -> str:
        """The field that names a record."""
        return self.collection.identity if self.collection else ""

    def body(self, outcome: Outcome, values: Mapping[str, bytes]) -> bytes:
        """The template with each `"{name}"` replaced by encoded JSON."""
        pieces = self._pieces[id(outcome)]
        return b"".join(values[piece] if isinstance(piece, str) else piece for piece in pieces)


class Views:
    """The records of one mock with what was worked out of them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lists: dict[tuple[str, str, _Chosen], list[bytes]] = {}
        self._bytes: dict[tuple[str, str, str], dict[str, tuple[Record, bytes]]] = {}

    def record(self, shown: OperationView, account: str, identity: str) -> Record | None:
        return self.store.records(shown.serve.collection, account).get(identity)

    def commit(self) -> bool:
        """Makes true what was put into the store and taken out of it; tells whether that was anything."""
        changes = self.store.commit()
        for change in changes:
            self._lists.clear()
            if change.record is None:
                self._bytes.pop((change.collection, change.account, change.identity), None)
        return bool(changes)

    def items(self, shown: OperationView, account: str, chosen: _Chosen) -> Sequence[bytes]:
        """The encoded items of a list in order: of each (filter or parent's field, value), those that match."""
        key = (shown.operation.operation_id, account, chosen)
        found = self._lists.get(key)
        if found is None:
            if len(self._lists) >= _MOST_LISTS:
                self._lists.clear()
            found = self._lists[key] = self._listed(shown, account, chosen)
        return found

    def _listed(self, shown: OperationView, account: str, chosen: _Chosen) -> list[bytes]:
        records = list(self.store.records(shown.serve.collection, account).values())
        for name, value in chosen:
            records = _matching(shown, records, name, value)
        for field in reversed(shown.serve.order):
            name = field.lstrip("-")
            records.sort(key=lambda record: record[name], reverse=field.startswith("-"))
        return [self.encoded(shown, account, record) for record in records]

    def encoded(self, shown: OperationView, account: str, record: Record) -> bytes:
        """What an operation shows of a record, as JSON."""
        views = self._bytes.setdefault((shown.serve.collection, account, record[shown.identity]), {})
        known = views.get(shown.operation.operation_id)
        if known is None or known[0] is not record:
            known = views[shown.operation.operation_id] = (record, encode(project(record, shown.view)))
        return known[1]


def _matching(shown: OperationView, records: list[Record], name: str, value: Json) -> list[Record]:
    listing = shown.operation.listing
    said = listing.filters.get(name) if listing else None
    if said is None or said.how == "equal":
        field = said.at[1:] if said else name
        return [record for record in records if record.get(field) == value]
    bound, field = time_of(value), said.at[1:]
    times = [(record, time_of(str(record.get(field)))) for record in records]
    if said.how == "from":
        return [record for record, time in times if time and bound and time >= bound]
    return [record for record, time in times if time and bound and time <= bound]


def _cut_template(encoded: bytes) -> list[bytes | str]:
    """`{"total":"{total}"}` -> `[b'{"total":', "total", b"}"]`."""
    pieces: list[bytes | str] = []
    for index, part in enumerate(encoded.split(b'"{')):
        if index == 0:
            pieces.append(part)
            continue
        name, _, rest = part.partition(b'}"')
        pieces += [name.decode(), rest]
    return pieces
