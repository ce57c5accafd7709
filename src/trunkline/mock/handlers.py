"""Handlers: one function for each verb of world.toml. It answers a request that the contract allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Generic, NoReturn, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from trunkline.contract.model import Act, Create, Delete, Fetch, K, List, Update
from trunkline.contract.refusals import ParsedRequest, Refusal, refusal_for
from trunkline.exchange import Json
from trunkline.findings import to_text
from trunkline.mock.generators import Context, Record, build_generators, format_time
from trunkline.mock.views import ServedOperation, Views, encode
from trunkline.mock.world import MOCK_ONLY, Outcome, World, facts, meets

Result: TypeAlias = tuple[int, bytes]
"""A status and a body."""


class Call(Struct, Generic[K], frozen=True):
    """One allowed request with everything that a handler needs to answer it."""

    world: World
    views: Views
    served: ServedOperation[K]
    request: ParsedRequest
    account: str
    clock: float

    @property
    def now(self) -> str:
        """The time of the request, as the documents write it."""
        return format_time(self.clock)

    @property
    def outcome(self) -> Outcome:
        """The first outcome; only the verb `answer` has several."""
        return self.served.behavior.outcomes[0]

    def records(self, collection: str | None = None) -> Mapping[str, Record]:
        """The account's records by id, of the operation's own collection or of another."""
        return self.views.store.records(collection or self.served.behavior.collection, self.account)

    def put(self, record: Record) -> None:
        self.views.store.put(self.served.behavior.collection, self.account, record)


class _Refused(Exception):
    """Ends a handler: the request is answered with the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.cause)
        self.refusal = refusal


def handle(call: Call) -> Result | Refusal:
    """Answer a request with the handler of its operation's verb. Changes are prepared in the store, not committed."""
    try:
        return HANDLERS[call.served.behavior.verb](call)
    except _Refused as refused:
        return refused.refusal


def list_records(call: Call[List]) -> Result:
    """Filter, sort and page the records. The total counts what the filters leave."""
    served, values = call.served, call.request.values
    kind, outcome = served.operation.kind, served.behavior.outcomes[0]
    criteria = [(field, how, values[name]) for name, field, how in served.filters if name in values]
    criteria += [(field, "equal", identity) for field, identity in _parent_field(call).items()]
    items = page = call.views.items(served, call.account, tuple(criteria))
    if kind.paging:
        offset = values[kind.paging.offset]
        page = items[offset : offset + values[kind.paging.limit]]
    parts = {name: encode(values[name]) for name in served.echoed if name in values}
    parts["items"] = b"[%b]" % b",".join(page)
    parts["total"] = b"%d" % len(items)
    return outcome.status, served.fill_body(outcome, parts)


def fetch_record(call: Call[Fetch]) -> Result:
    """Show the record that the path names."""
    return _result(call, call.outcome, _find_record(call))


def create_record(call: Call[Create]) -> Result:
    """Create a record from the inputs, their defaults and the effects."""
    served = call.served
    parent_field = _parent_field(call)
    inputs = served.operation.contract.completed(served.body_schema, call.request.body)
    record: Record = {name: _normalize(inputs[name]) for name in served.inputs if name in inputs} | parent_field
    for _, name in served.behavior.guards:
        value = record.get(name)
        if value is not None and any(other.get(name) == value for other in call.records().values()):
            _refuse(call, "not_unique", f"{name}={to_text(value)}", f"a {name} of its own", name=name, value=str(value))
    if call.account != call.world.account:
        record[MOCK_ONLY] = {"account": call.account}
    record = _apply_effects(call, call.outcome, record, {}, frozenset(record))
    call.put(record)
    return _result(call, call.outcome, record)


def update_record(call: Call[Update]) -> Result:
    """Replace the fields that are sent; keep the others."""
    before, body = _find_record(call), call.request.body
    changed = {name: _normalize(body[name]) for name in call.served.inputs if name in body}
    record = _apply_effects(call, call.outcome, {**before, **changed}, before)
    call.put(record)
    return _result(call, call.outcome, record)


def delete_record(call: Call[Delete]) -> Result:
    """Remove the record, unless it is in use or other records belong to it."""
    record = _find_record(call)
    identity = record[call.served.identity]
    for guard, name in call.served.behavior.guards:
        if guard == "unused" and facts(record)[name]:
            _refuse(call, "in_use", f"the id {identity}", "what nothing uses", name=name)
        if guard == "empty" and _has_children(call, name, identity):
            _refuse(call, "not_empty", f"the id {identity}", f"what has no {name}", name=name)
    call.views.store.remove(call.served.behavior.collection, call.account, identity)
    return _result(call, call.outcome, record)


def answer(call: Call[Act]) -> Result:
    """Answer with the first outcome whose conditions the record meets, and apply its effects."""
    behavior = call.served.behavior
    record = _find_record(call) if behavior.collection else {}
    outcome = next(outcome for outcome in behavior.outcomes if meets(record, outcome.when))
    if outcome.effects:
        record = _apply_effects(call, outcome, record, record)
        call.put(record)
    return _result(call, outcome, record)


HANDLERS: Mapping[str, Callable[[Call[Any]], Result]] = {
    "list": list_records,
    "fetch": fetch_record,
    "create": create_record,
    "update": update_record,
    "delete": delete_record,
    "answer": answer,
}


def _result(call: Call, outcome: Outcome, record: Record) -> Result:
    parts = {"now": encode(call.now)}
    if call.served.view:
        parts["item"] = call.views.encoded(call.served, call.account, record)
    return outcome.status, call.served.fill_body(outcome, parts)


def _refuse(call: Call, cause: str, sent: str, broke: str, **placeholders: str) -> NoReturn:
    raise _Refused(refusal_for(call.request.operation, cause, sent, broke, placeholders))


def _refuse_id(call: Call, name: str, identity: str) -> NoReturn:
    broke = "the id of something that is there"
    _refuse(call, "id_unknown", f"{name}={identity}", broke, name=name, id=identity)


def _parent_field(call: Call) -> dict[str, Json]:
    """The field that holds the parent's id, and that id: `{"trunk_id": "7"}`. Empty if the path names no parent."""
    fields: dict[str, Json] = {}
    parent = call.served.parent
    for parameter in call.served.parent_parameters:
        identity = call.request.values[parameter.name]
        if parent is None or identity not in call.records(parent.collection):
            _refuse_id(call, parameter.name, identity)
        fields[parent.field] = identity
    return fields


def _find_record(call: Call) -> Record:
    """The record that the path names. It belongs to the account, and to the parent if the path names one."""
    parent_field = _parent_field(call)
    name = call.served.operation.kind.parameter
    identity = call.request.values[name]
    record = call.records().get(identity)
    if record is None or any(record.get(field) != value for field, value in parent_field.items()):
        _refuse_id(call, name, identity)
    return record


def _has_children(call: Call, collection: str, identity: str) -> bool:
    """Whether records of another collection belong to the record with this id."""
    parent = call.world.collections[collection].parent
    records = call.records(collection).values()
    return parent is not None and any(record.get(parent.field) == identity for record in records)


def _normalize(value: Json) -> Json:
    """A whole number as an integer: clients may send 5061.0 or 1e3, and are shown 5061 and 1000."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _apply_effects(
    call: Call, outcome: Outcome, record: Record, before: Record, given: frozenset[str] = frozenset()
) -> Record:
    """A copy of the record with the outcome's effects, in order.

    An effect without conditions does not replace a field in `given`. A new id is one that no record ever had.
    """
    record = dict(record)
    store, collection = call.views.store, call.served.behavior.collection
    context = Context(store.next_serial(), record, call.now)
    rng = Random(f"{collection}/{context.serial}")  # noqa: S311 - the same for the same requests, not secrets
    for effect in outcome.effects:
        changed = not effect.when_changed or any(before.get(name) != record.get(name) for name in effect.when_changed)
        if not changed or not meets(record, effect.when):
            continue
        kept = given if not (effect.when or effect.when_changed) else ()
        for name, generate in build_generators(effect.set, rng).items():
            if name not in kept:
                record[name] = generate(context)
                while name == call.served.identity and not store.is_free(collection, call.account, record[name]):
                    context = replace(context, serial=store.next_serial())
                    record[name] = generate(context)
    return record
