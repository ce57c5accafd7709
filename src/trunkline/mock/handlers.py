"""Owns what a mock does for an operation: one function a verb, from what was asked to how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from trunkline.contract.refusals import ParsedRequest, Refusal, refusal_for
from trunkline.exchange import Json
from trunkline.findings import to_text
from trunkline.mock.generators import Moment, Record, makers
from trunkline.mock.views import OperationView, Views, encode
from trunkline.mock.world import MOCK_ONLY, Effect, Outcome, World, facts

_A_KNOWN_ID = "the id of something that is there"


@dataclass(frozen=True, slots=True)
class Call:
    """One allowed request: what it means, how its operation shows things, whose it is and when it came."""

    world: World
    shelf: Views
    shown: OperationView
    reading: ParsedRequest
    account: str
    now: str

    @property
    def collection(self) -> str:
        return self.shown.serve.collection

    def refused(self, cause: str, sent: str, broke: str, **words: str) -> Refusal:
        return refusal_for(self.reading.operation, cause, sent, broke, words)

    def keep(self, record: Record) -> None:
        self.shelf.store.put(self.collection, self.account, record)


Result: TypeAlias = tuple[int, bytes]
"""A status and a body."""


def listed(asked: Call) -> Result | Refusal:
    """Filter first, then page; the total counts what the filter leaves."""
    listing = asked.shown.operation.listing
    assert listing is not None  # noqa: S101 - the loader refused a list without a listing
    above = _above(asked)
    if isinstance(above, Refusal):
        return above
    values = asked.reading.values
    chosen = (*above.items(), *((name, values[name]) for name in listing.filters if name in values))
    items = page = asked.shelf.items(asked.shown, asked.account, chosen)
    filled = {name: encode(value) for name, value in values.items()}
    if listing.paging:
        offset = values[listing.paging.offset]
        page = items[offset : offset + values[listing.paging.limit]]
    filled["items"] = b"[" + b",".join(page) + b"]"
    filled["total"] = b"%d" % len(items)
    outcome = asked.shown.serve.outcomes[0]
    return outcome.status, asked.shown.body(outcome, filled)


def fetched(asked: Call) -> Result | Refusal:
    """The one record that the path names, if it is this account's."""
    record = _own(asked)
    return record if isinstance(record, Refusal) else _ended(asked, asked.shown.serve.outcomes[0], record)


def created(asked: Call) -> Result | Refusal:
    """A record of the inputs and their defaults, and of what the effects add to them."""
    operation, outcome = asked.shown.operation, asked.shown.serve.outcomes[0]
    above = _above(asked)
    if isinstance(above, Refusal):
        return above
    assert operation.body is not None  # noqa: S101 - the loader refused a create without a body
    sent = operation.contract.completed(operation.body.schema, asked.reading.body)
    record: Record = {name: _plain(sent[name]) for name in asked.shown.inputs if name in sent} | above
    for word, name in asked.shown.serve.guards:
        if word == "unique" and (refusal := _taken(asked, name, record.get(name))):
            return refusal
    if asked.account != asked.world.account:
        record[MOCK_ONLY] = {"account": asked.account}
    record = _after(asked, outcome.effects, record, {}, frozenset(record))
    asked.keep(record)
    return _ended(asked, outcome, record)


def updated(asked: Call) -> Result | Refusal:
    """The record with the inputs laid over it; what is not sent stays."""
    before, outcome = _own(asked), asked.shown.serve.outcomes[0]
    if isinstance(before, Refusal):
        return before
    body = asked.reading.body
    record = {**before, **{name: _plain(body[name]) for name in asked.shown.inputs if name in body}}
    record = _after(asked, outcome.effects, record, before)
    asked.keep(record)
    return _ended(asked, outcome, record)


def deleted(asked: Call) -> Result | Refusal:
    """The record is gone, unless something still depends on it."""
    record = _own(asked)
    if isinstance(record, Refusal):
        return record
    identity = record[asked.shown.identity]
    for word, name in asked.shown.serve.guards:
        if word == "unused" and facts(record)[name]:
            return asked.refused("in_use", f"the id {identity}", "what nothing uses", name=name)
        if word == "empty" and _below(asked, name, identity):
            return asked.refused("not_empty", f"the id {identity}", f"what has no {name}", name=name)
    asked.shelf.store.remove(asked.collection, asked.account, identity)
    return _ended(asked, asked.shown.serve.outcomes[0], record)


def answered(asked: Call) -> Result | Refusal:
    """The first outcome whose facts hold of the record, if the operation is about one."""
    record: Record | Refusal = _own(asked) if asked.collection else {}
    if isinstance(record, Refusal):
        return record
    known = facts(record)
    outcome = next(said for said in asked.shown.serve.outcomes if _hold(said.when, known))
    if outcome.effects:
        record = _after(asked, outcome.effects, record, record)
        asked.keep(record)
    return _ended(asked, outcome, record)


HANDLERS: Mapping[str, Callable[[Call], Result | Refusal]] = {
    "list": listed,
    "fetch": fetched,
    "create": created,
    "update": updated,
    "delete": deleted,
    "answer": answered,
}


def _plain(value: Json) -> Json:
    """A whole number as JSON writes it plainly: 5061.0 and 1e3 are taken for integers, and shown as 5061 and 1000."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _ended(asked: Call, outcome: Outcome, record: Record) -> Result:
    values = {"now": encode(asked.now)}
    if asked.shown.view:
        values["item"] = asked.shelf.encoded(asked.shown, asked.account, record)
    return outcome.status, asked.shown.body(outcome, values)


def _above(asked: Call) -> dict[str, Json] | Refusal:
    """The field that holds the parent's id, and that id, if the path names a parent of this account's."""
    found: dict[str, Json] = {}
    parent = asked.shown.collection.parent if asked.shown.collection else None
    for parameter in asked.shown.operation.parents:
        identity = asked.reading.values[parameter.name]
        if parent is None or identity not in asked.shelf.store.records(parent.collection, asked.account):
            return asked.refused(
                "id_unknown", f"{parameter.name}={identity}", _A_KNOWN_ID, name=parameter.name, id=identity
            )
        found[parent.field] = identity
    return found


def _own(asked: Call) -> Record | Refusal:
    """The record that the path names: this account's, and its parent's if the path names one."""
    above = _above(asked)
    if isinstance(above, Refusal):
        return above
    name = asked.shown.operation.item_parameter
    identity = asked.reading.values[name]
    record = asked.shelf.record(asked.shown, asked.account, identity)
    if record is None or any(record.get(field) != value for field, value in above.items()):
        return asked.refused("id_unknown", f"{name}={identity}", _A_KNOWN_ID, name=name, id=identity)
    return record


def _taken(asked: Call, name: str, value: Json) -> Refusal | None:
    """Why a value cannot be given to another record of the account."""
    others = asked.shelf.store.records(asked.collection, asked.account).values()
    if value is not None and any(other.get(name) == value for other in others):
        return asked.refused(
            "not_unique", f"{name}={to_text(value)}", f"a {name} of its own", name=name, value=str(value)
        )
    return None


def _below(asked: Call, name: str, identity: str) -> bool:
    """Whether records of another collection belong to the one with this id."""
    parent = asked.world.collections[name].parent
    children = asked.shelf.store.records(name, asked.account).values()
    return parent is not None and any(child.get(parent.field) == identity for child in children)


def _hold(wanted: Mapping[str, Json], known: Mapping[str, Json]) -> bool:
    return all(known.get(name) == value for name, value in wanted.items())


def _after(
    asked: Call,
    effects: tuple[Effect, ...],
    record: Record,
    before: Record,
    given: frozenset[str] = frozenset(),
) -> Record:
    """The record after the effects, in their order; what was `given` yields to conditions only."""
    record = dict(record)
    store = asked.shelf.store
    moment = Moment(store.serial(), record, asked.now)
    chance = Random(f"{asked.collection}/{moment.serial}")  # noqa: S311 - the same for the same requests, not secrets
    for effect in effects:
        changed = not effect.when_changed or any(before.get(name) != record.get(name) for name in effect.when_changed)
        if not changed or not _hold(effect.when, facts(record)):
            continue
        plain = not (effect.when or effect.when_changed)
        for name, make in makers(effect.set, chance).items():
            if not (plain and name in given):
                record[name] = make(moment)
                while name == asked.shown.identity and not store.is_free(asked.collection, asked.account, record[name]):
                    moment = replace(moment, serial=store.serial())
                    record[name] = make(moment)
    return record
