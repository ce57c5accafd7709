"""Owns what must be true of each thing that a play made: its fields, whether it is there, and what says so.

It reads the contract alone. What no page settles it does not know, and what it does not know it holds against nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from urllib.parse import quote
from uuid import UUID

from trunkline.check.laws.session import implied
from trunkline.check.stateful.fields import Field, Input, ResourceOperations, creation_times, defaults, follows, inputs
from trunkline.contract.bodies import time_at
from trunkline.contract.model import Operation
from trunkline.exchange import Exchange, Json
from trunkline.findings import Evidence, Grade

_MOMENT = timedelta(seconds=1)
"""Times that are less than this apart are one, told more or less exactly."""
_UUID = 36


class State(Enum):
    """Whether a thing is there: `UNSURE` when an answer left it open."""

    THERE = "there"
    GONE = "gone"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a field must be: the law that another value breaks, the operation that it is about, and what says so.

    `teller` is the operationId of the answer that told a field that nobody sent. `roots` are the laws of what it takes
    for granted: that the field was as it had to be before, though nobody read it since.
    """

    value: Json
    law: str
    owner: Operation
    evidence: Evidence
    place: str
    why: str
    teller: str = ""
    roots: frozenset[str] = frozenset()

    def stays(self, law: str, owner: Operation, evidence: Evidence, place: str) -> Expectation:
        """The same value for another reason: something happened that must have left it."""
        why = f"as it was before {owner.operation_id}"
        return Expectation(
            self.value, law, owner, evidence.weakest(self.evidence), place, why, roots=self.roots | {self.law}
        )


@dataclass(slots=True, eq=False, repr=False)
class Item:
    """One thing that a check made, and what it belongs to.

    `owns` are the inputs that it was made with, `given` what it was sent since, secrets among it. `made` is the
    exchange that made it, if that was in an earlier play.
    """

    roles: ResourceOperations
    identity: str
    parent: Item | None = None
    owns: frozenset[str] = frozenset()
    made: tuple[Exchange, ...] = ()
    known: dict[str, Expectation] = field(default_factory=dict)
    given: dict[str, Json] = field(default_factory=dict)
    state: State = State.THERE
    littered: bool = False
    """Whether there may be more in it than is known: an answer left open whether it was made."""

    @property
    def there(self) -> bool:
        return self.state is State.THERE and (self.parent is None or self.parent.there)

    @property
    def resource(self) -> str:
        return self.roles.resource

    @property
    def ids(self) -> dict[str, str]:
        """The id of the thing and of all that it belongs to, by resource."""
        return {**(self.parent.ids if self.parent else {}), self.resource: self.identity}

    @property
    def values(self) -> dict[str, Json]:
        return {name: known.value for name, known in self.known.items()}

    @property
    def writable(self) -> dict[str, Input]:
        """The fields that somebody sends, by name."""
        said = (self.roles.create, *self.roles.updates)
        return {each.name: each for operation in said for each in inputs(operation)}

    @property
    def begun(self) -> dict[str, Evidence]:
        """The fields that tell when it began."""
        operations = (*self.roles.readers, self.roles.create, *self.roles.updates)
        return {name: said for operation in operations for name, said in creation_times(operation).items()}


# --- what each event makes of it ------------------------------------------------------------------------------------


def created(thing: Item, operation: Operation, body: Mapping[str, Json]) -> None:
    """A thing has what it was sent, the defaults of the rest, and the id of what it belongs to."""
    for said in inputs(operation):
        if said.name in body:
            value = thing.given[said.name] = body[said.name]
            if said.settles(value, {}):
                evidence = implied(said.evidence, "what was sent is read back")
                thing.known[said.name] = Expectation(
                    value, "created_is_read_back", operation, evidence, said.place, "as it was sent"
                )
    for name, default in defaults(operation, body).items():
        thing.known[name] = Expectation(
            default.value, "defaults_are_applied", operation, default.evidence, default.place, "its default"
        )
    for parameter in operation.parents:
        evidence = implied(parameter.evidence, "a thing tells what it belongs to")
        identity = thing.ids[parameter.resource]
        place = operation.reference(parameter.pointer)
        thing.known[parameter.name] = Expectation(
            identity, "created_is_read_back", operation, evidence, place, "what it belongs to"
        )


def updated(thing: Item, operation: Operation, body: Mapping[str, Json]) -> None:
    """What was sent is changed, what that resets is reset, the rest stays; what is settled by no page is not known."""
    before, sent = thing.values, frozenset(body)
    changed = _changed(thing, body)
    stays = _rest(thing, operation, sent)
    open_ = _reset(thing, operation, sent, changed, stays)
    settled = {name: known.value for name, known in stays.items()}
    for said in inputs(operation):
        if said.name not in body:
            continue
        value = body[said.name]
        thing.given.pop(said.name, None)
        stays.pop(said.name, None)
        if said.name not in open_ and said.settles(value, before) and said.settles(value, settled):
            thing.given[said.name] = value
            evidence = implied(said.evidence.weakest(_updating(operation)), "what is changed shows")
            stays[said.name] = Expectation(value, "update_shows", operation, evidence, said.place, "as it was changed")
    after = {name: known.value for name, known in stays.items()}
    for name, said in thing.writable.items():
        if name in stays and not said.settles(after[name], after):
            del stays[name]
    thing.known = stays


def _changed(thing: Item, body: Mapping[str, Json]) -> frozenset[str]:
    """The inputs that surely get another value than they had."""
    had = {**thing.values, **thing.given}
    writable = thing.writable
    return frozenset(
        name
        for name, value in body.items()
        if name in writable
        and (not same(had[name], value) if name in had else bool(writable[name].made) and isinstance(value, str))
    )


def _rest(thing: Item, operation: Operation, sent: frozenset[str]) -> dict[str, Expectation]:
    """What an update leaves: the other inputs, unless their default may follow what is sent, and when it all began."""
    updating = operation.updating
    assert updating is not None  # noqa: S101 - only an update is asked
    begun, writable = thing.begun, thing.writable
    fixed = {parameter.name for parameter in thing.roles.create.parents}
    hanging = follows(thing.roles.create)
    stays = {}
    for name, known in thing.known.items():
        if name in sent or hanging.get(name, frozenset()) & sent:  # whether or not it was chosen: no page says
            continue
        if name in writable or name in begun or name in fixed:
            evidence = updating.partial.weakest(begun.get(name, updating.partial))
            stays[name] = known.stays(
                "update_leaves_the_rest", operation, evidence, operation.extension_reference("update/partial")
            )
    return stays


def _reset(
    thing: Item, operation: Operation, sent: frozenset[str], changed: frozenset[str], stays: dict[str, Expectation]
) -> frozenset[str]:
    """Lays the resets over what stays; the fields of which nobody can say whether they fell back."""
    updating = operation.updating
    open_ = set()
    for index, reset in enumerate(updating.resets if updating else ()):
        name, place = reset.field, operation.extension_reference(f"update/resets/{index}")
        known = thing.known.get(name)
        others = sent - {name}
        if others <= reset.never:
            if known and name not in sent and reset.evidence.grade is not Grade.DECISION:
                stays[name] = known.stays("other_changes_reset_nothing", operation, reset.evidence, place)
        elif any(group <= changed for group in reset.when) and name not in sent:
            stays[name] = Expectation(
                reset.to, "connectivity_change_resets", operation, reset.evidence, place, "what the change resets it to"
            )
        else:
            open_.add(name)
            stays.pop(name, None)
    return frozenset(open_)


def acted(thing: Item, operation: Operation) -> None:
    """What the action keeps stays, and what was sent; what it changes is not known until it is told."""
    acting = operation.acting
    assert acting is not None  # noqa: S101 - only an action is asked
    writable, begun = thing.writable, thing.begun
    fixed = {parameter.name for parameter in thing.roles.create.parents}
    stays = {}
    for name, known in thing.known.items():
        if name in acting.changes:
            continue
        if name in acting.keeps:
            place = operation.extension_reference(f"act/keeps/{name}")
            stays[name] = known.stays("action_keeps_what_it_keeps", operation, acting.keeps[name], place)
        elif name in writable:
            hangs = {reason for _, unless in writable[name].unsettled for reason in unless}
            if not hangs & acting.changes:
                stays[name] = known
        elif name in begun or name in fixed:
            stays[name] = known
    thing.known = stays


def refused(thing: Item, operation: Operation, law: str, said: Evidence) -> None:
    """Everything is as it was before a request that was refused."""
    place = operation.reference(operation.pointer)
    thing.known = {name: known.stays(law, operation, said, place) for name, known in thing.known.items()}


def touched(thing: Item) -> None:
    """Something of it came or went: what nobody sent may have changed with it."""
    keep = {*thing.writable, *thing.begun, *(parameter.name for parameter in thing.roles.create.parents)}
    thing.known = {name: known for name, known in thing.known.items() if name in keep}


def forgotten(thing: Item) -> None:
    """Nothing is known of it any more, but for what no operation could change."""
    thing.known, thing.given = {}, lasting(thing)


def lasting(thing: Item) -> dict[str, Json]:
    """What it was made with and no operation could change."""
    changing = {said.name for operation in thing.roles.updates for said in inputs(operation)}
    return {name: value for name, value in thing.given.items() if name not in changing}


def learned(thing: Item, operation: Operation, told: Field, value: Json, law: str, owner: Operation) -> None:
    """A field that nobody sent is what an answer says that it is."""
    evidence = implied(told.evidence, "two answers about one thing agree")
    why = f"what {operation.operation_id} showed"
    thing.known[told.name] = Expectation(value, law, owner, evidence, told.place, why, operation.operation_id)


# --- comparing ------------------------------------------------------------------------------------------------------


def same(first: Json, second: Json) -> bool:
    """Whether two values are one: a time is the same in every spelling, and a whole number with `.0`."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if first == second:
        return True
    if not (isinstance(first, str) and isinstance(second, str) and first[:4].isdigit() and second[:4].isdigit()):
        return False
    then, now = time_at([first], "/0"), time_at([second], "/0")
    return then is not None and now is not None and abs(then - now) < _MOMENT


def key(identity: Json) -> str:
    """The id as it is compared, or empty: the letters of a UUID have no case (RFC 9562 section 4).

    Dots alone would lead to other paths (RFC 3986 section 5.2.4), so they are no id.
    """
    if isinstance(identity, bool) or not isinstance(identity, str | int) or identity in (".", ".."):
        return ""
    text = str(identity)
    if len(text) != _UUID:
        return text
    try:
        return UUID(text).hex
    except ValueError:
        return text


def _updating(operation: Operation) -> Evidence:
    assert operation.updating is not None  # noqa: S101 - only an update is asked
    return operation.updating.evidence


def in_path(identity: Json) -> str:
    """An id as it goes into a path."""
    return quote(str(identity), safe="", errors="surrogatepass")
