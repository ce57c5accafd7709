"""Owns the rehearsal of a world: what a mock will say is tried before anyone asks, so that nobody meets what breaks.

`lost` finds what can be seen in the world itself, `spoiled` what only shows when messages and bodies are filled.
Both tell (place in the world, reason).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from string import Formatter

from trunkline.contract.bodies import at_pointer
from trunkline.contract.model import Contract, DocumentedResponse, Operation
from trunkline.contract.refusals import CAUSES
from trunkline.exchange import Json, pointer
from trunkline.findings import truncate
from trunkline.mock.generators import UNIQUE, GeneratorSpec
from trunkline.mock.world import MOCK_FACTS, Behavior, Outcome, World

_LONGEST = 60
_NOW = "2024-03-05T14:22:15Z"

_KINDS = {
    "list": "listing",
    "fetch": "fetching",
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "answer": "acting",
}
"""What the contract must say of an operation for each verb."""


# --- what can be seen -----------------------------------------------------------------------------------------------


def lost(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    """Each name in the world that names nothing, and each operation, cause or word that the world leaves out."""
    yield from _lost_operations(world, contract)
    for name in set(world.collections) - {serve.collection for serve in world.behaviors.values()}:
        yield f"/collections/{name}", "no operation serves it"
    for name, collection in world.collections.items():
        yield from _lost_recipes(collection.generate, collection.identity, f"/collections/{name}/generate")
        yield from _lost_parent(world, name)
    yield from _lost_refusals(world, contract)


def _lost_parent(world: World, name: str) -> Iterator[tuple[str, str]]:
    """The parent of a collection that is not there, or that leads back to the collection itself."""
    above, met = world.collections[name].parent, {name}
    while above:
        if above.collection not in world.collections:
            yield f"/collections/{name}/parent", f"there is no collection {above.collection!r}"
            return
        if above.collection in met:
            yield f"/collections/{name}/parent", "belongs to itself in the end"
            return
        met.add(above.collection)
        above = world.collections[above.collection].parent


def _lost_operations(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    documented = {operation.operation_id for operation in contract.operations}
    for name in sorted(documented - set(world.behaviors)):
        yield "/operations", f"nothing serves the operation {name}"
    for name, serve in world.behaviors.items():
        at = f"/operations/{name}"
        if name not in documented:
            yield at, "the contract has no such operation"
        elif serve.collection and serve.collection not in world.collections:
            yield "/collections", f"there is no collection {serve.collection!r}, of which {name} is"
        elif getattr(contract.operation(name), _KINDS[serve.verb]) is None and (
            serve.collection or serve.verb != "answer"
        ):
            yield f"{at}/verb", f"the contract does not say how {name} would {serve.verb}"
        else:
            yield from _lost_fields(serve, contract.operation(name), world, at)
            yield from _lost_guards(serve, contract.operation(name), world, at)
            for spot, outcome in _outcomes(serve, at):
                yield from _lost_status(outcome, contract.operation(name), spot)
                yield from _lost_effects(outcome, contract.operation(name), world, spot)
                yield from _lost_words(serve, outcome, contract.operation(name), f"{spot}/body")
            if serve.outcomes[-1].when:
                yield f"{at}/outcomes", "the last has no `when`, so that there is always one"


def _outcomes(serve: Behavior, at: str) -> Iterator[tuple[str, Outcome]]:
    """Each way in which an operation ends, and where it stands."""
    for index, outcome in enumerate(serve.outcomes):
        yield f"{at}/outcomes/{index}" if serve.verb == "answer" else at, outcome


def _lost_fields(serve: Behavior, operation: Operation, world: World, at: str) -> Iterator[tuple[str, str]]:
    if not serve.collection:
        return
    collection = world.collections[serve.collection]
    identity = collection.identity
    for field in serve.order:
        if field.lstrip("-") not in operation.view:
            yield f"{at}/order", f"{field!r} is not a field that the operation documents"
    if operation.identity and operation.identity != f"/{identity}":
        yield (
            f"/collections/{serve.collection}/identity",
            f"{operation.operation_id} documents that {operation.identity[1:]!r} names a record",
        )
    if serve.order and serve.order[-1].lstrip("-") != identity:
        yield f"{at}/order", f"the last is not {identity!r}, which alone breaks every tie"
    for parameter in operation.parents:
        parent = collection.parent.collection if collection.parent else ""
        if parameter.resource != parent:
            yield (
                f"/collections/{serve.collection}/parent",
                f"the path of {operation.operation_id} names {parameter.resource}",
            )


def _lost_guards(serve: Behavior, operation: Operation, world: World, at: str) -> Iterator[tuple[str, str]]:
    """Each guard that guards nothing, and that the contract does not tell of."""
    creating, deleting = operation.creating, operation.deleting
    told = {
        "unique": set(creating.unique) if creating else set(),
        "empty": set(deleting.empty) if deleting else set(),
        "unused": {"in_use"} if deleting and deleting.unused else set(),
    }
    for word, name in serve.guards:
        if name not in told[word]:
            yield f"{at}/guards", f"the contract does not say that {word} {name} is a reason to refuse"
        elif word == "empty":
            parent = world.collections[name].parent if name in world.collections else None
            if not parent or parent.collection != serve.collection:
                yield f"{at}/guards", f"{name} do not belong to {serve.collection}"
    for word, names in told.items():
        for name in sorted(names - {other for kind, other in serve.guards if kind == word}):
            yield f"{at}/guards", f"the contract says that {word} {name} is a reason to refuse, and nothing guards it"


def _lost_status(outcome: Outcome, operation: Operation, at: str) -> Iterator[tuple[str, str]]:
    answer = operation.response_for(outcome.status)
    if answer is None:
        yield f"{at}/status", f"{outcome.status} is no documented status of {operation.operation_id}"
    elif not outcome.when and answer is not operation.success:
        yield f"{at}/status", f"{outcome.status} is not answered with what the page shows"


def _lost_effects(outcome: Outcome, operation: Operation, world: World, at: str) -> Iterator[tuple[str, str]]:
    """Each field that an effect or a condition names and no record has, and a created thing without a name."""
    known = {name for other in operation.same_resource for name in (*other.view, *other.inputs)} | set(MOCK_FACTS)
    named = [(f"{at}/when", field) for field in outcome.when]
    for index, effect in enumerate(outcome.effects):
        spot = f"{at}/effects/{index}"
        named += [(spot, field) for field in (*effect.set, *effect.when, *sorted(effect.when_changed))]
        for name, how in effect.set.items():
            yield from _lost_ways(how, f"{spot}/set{pointer((name,))}")
            named += [(f"{spot}/set{pointer((name,))}", field) for field in _fields_of(how)]
    for spot, field in named:
        if field in operation.contract.secrets and "/set/" in spot:
            yield spot, f"{field!r} is a secret, which no other field may show"
        if field not in known:
            yield spot, f"{field!r} is no field of a record"
    identity = world.collections[operation.resource].identity if operation.resource in world.collections else ""
    for index, effect in enumerate(outcome.effects if not operation.creating else ()):
        if identity in effect.set:
            yield f"{at}/effects/{index}", f"{identity} names a record, and only its creation makes it"
    if operation.creating:
        how = next((effect.set[identity] for effect in outcome.effects if identity in effect.set), {})
        if not any(way in how for way in UNIQUE):
            yield f"{at}/effects", f"nothing makes {identity}; it is made by one of {', '.join(UNIQUE)}"


def _fields_of(how: Mapping[str, Json]) -> Iterator[str]:
    """The fields of a record from which a recipe makes another."""
    if "rewrite" in how:
        yield how["rewrite"]["field"]
    try:
        for _, word, form, conversion in Formatter().parse(how.get("text", "")):
            if word is not None:
                yield f"{word}{'!' if conversion else ''}{':' if form else ''}"  # no field has such a name
    except ValueError as error:
        yield str(error)


def _lost_words(serve: Behavior, outcome: Outcome, operation: Operation, at: str) -> Iterator[tuple[str, str]]:
    """Each word of a body that nothing fills, and each place of the contract where its word does not stand."""
    listing = operation.listing
    wanted: dict[str, str] = {}
    known = set(_values(serve, operation, None))
    if listing:
        paging = listing.paging
        wanted[listing.items] = "items"
        wanted |= {paging.total.at: "total"} if paging and paging.total else {}
        wanted |= {said.at: name for name, said in paging.echo.items()} if paging else {}
    elif operation.item is not None and not operation.acting:
        wanted[operation.item] = "item"
    for reason in _strays(outcome.body, known, lists=True):
        yield at, reason
    for place, word in wanted.items():
        if at_pointer(outcome.body, place) != f"{{{word}}}":
            yield at, f"{{{word}}} does not stand at {place or 'its top'}, where the contract says so"


def _lost_refusals(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    causes = {cause for answer in _answers(contract) for cause in answer.refusals}
    for cause in sorted(causes ^ set(world.messages)):
        missing = cause in causes
        yield "/refusals", f"{cause} has no message" if missing else f"{cause} is not a cause that the contract answers"
    yield from _lost_messages(world, contract)
    words = ("code", "message")
    for reason in _strays(world.error_body, words, lists=False):
        yield "/errors/body", reason
    for at, word in ((contract.errors.code, "code"), (contract.errors.message, "message")):
        if at_pointer(world.error_body, at) != f"{{{word}}}":
            yield "/errors/body", f"{{{word}}} does not stand at {at or 'its top'}, where the contract says so"
    for index, grant in enumerate(world.tokens.values()):
        for operation in contract.operations if grant.refused else ():
            if operation.secured and not any(
                grant.refused in answer.refusals for answer in operation.responses.values()
            ):
                yield f"/tokens/{index}/refused", f"{operation.operation_id} answers no {grant.refused}"


def _lost_messages(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    """Each message of a code that is never answered, or that cannot be filled, and each code without a message."""
    for cause, messages in world.messages.items():
        codes = {answer.refusals[cause].code for answer in _answers(contract) if cause in answer.refusals}
        for code, message in messages.items():
            if code and code not in codes:
                yield f"/refusals/{cause}/{code}", "the contract answers the cause with no such code"
            yield from ((f"/refusals/{cause}", reason) for reason in _unfilled(message, CAUSES.get(cause, {})))
        for code in sorted(codes - set(messages)) if "" not in messages else ():
            yield f"/refusals/{cause}", f"{code} has no message"


def _strays(template: Json, known: Iterable[str], *, lists: bool) -> Iterator[str]:
    """The reason for each text of a template that has braces and is no word that is filled there."""
    words = sorted(f"{{{word}}}" for word in known)
    stack = [(template, True)]
    while stack:
        node, filled = stack.pop()
        if isinstance(node, dict):
            stack += [(inner, filled) for inner in node.values()]
            stack += [(name, False) for name in node]
        elif isinstance(node, list):
            stack += [(inner, filled and lists) for inner in node]
        elif isinstance(node, str) and ("{" in node or "}" in node) and not (filled and node in words):
            yield f"nothing fills {truncate(node, _LONGEST)} there; a word is a whole text, one of {', '.join(words)}"


def _unfilled(message: str, known: Iterable[str]) -> Iterator[str]:
    """Why a message cannot be filled with these words."""
    words = sorted(f"{{{word}}}" for word in known)
    try:
        parts = [part for part in Formatter().parse(message) if part[1] is not None]
    except ValueError as error:
        yield f"{error}; a brace that is meant stands twice"
        return
    for _, word, form, conversion in parts:
        if form or conversion or f"{{{word}}}" not in words:
            yield f"nothing fills {{{word}}} in it; there are: {', '.join(words) or 'no words for this cause'}"


def _lost_recipes(recipe: GeneratorSpec, identity: str, at: str) -> Iterator[tuple[str, str]]:
    """Each way to make a value that makes none, and an identity that could be made twice."""
    how = recipe.get(identity, {})
    if recipe and ("null" in how or not any(way in how for way in UNIQUE)):
        yield f"{at}/{identity}", f"the identity is made by one of {', '.join(UNIQUE)}, and is never null"
    for name, made in recipe.items():
        yield from _lost_ways(made, at + pointer((name,)))


def _lost_ways(how: Mapping[str, Json], at: str) -> Iterator[tuple[str, str]]:
    for name, made in how.get("fields", {}).items():
        yield from _lost_ways(made, f"{at}/fields{pointer((name,))}")
    yield from _lost_forms(how, at)
    if "between" in how:
        low, high = how["between"]
        if low > high or not math.isfinite(high - low):
            yield f"{at}/between", "the first is not below the second"
        if not how.get("decimals") and not (isinstance(low, int) and isinstance(high, int)):
            yield f"{at}/between", "without decimals both are whole numbers"
    if "time" in how:
        try:
            first, last = (datetime.fromisoformat(text).astimezone(UTC) for text in how["time"])
        except (ValueError, OverflowError):
            yield f"{at}/time", "is not a pair of times"
        else:
            if first > last:
                yield f"{at}/time", "the first is after the second"


def _lost_forms(how: Mapping[str, Json], at: str) -> Iterator[tuple[str, str]]:
    """Each form of a rewriting that cannot be written, whatever fits its pattern."""
    for index, (pattern, form) in enumerate(how.get("rewrite", {}).get("forms", ())):
        try:
            re.sub(f"(?:{pattern})|", form, "")
        except (re.error, IndexError) as error:
            yield f"{at}/rewrite/forms/{index}", f"cannot be rewritten: {error}"


def alternatives(recipe: GeneratorSpec) -> Iterator[tuple[str, Json]]:
    """Each field with a value that a recipe seldom or often chooses: null, each of a choice, both ends of a range."""
    for name, how in recipe.items():
        values = [*how.get("one_of", ()), *how.get("between", ())] if how.get("null", 0) < 1 else []
        values += [None] if how.get("null") else []
        yield from ((name, value) for value in values)


# --- what shows when it is filled -----------------------------------------------------------------------------------


def spoiled(world: World, contract: Contract, samples: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Each refusal, and each body with and without what it shows, that breaks the contract.

    `samples` is what each operation shows of one record.
    """
    for answer in _answers(contract):
        for cause, code in answer.refusals.items():
            message = world.message(cause, code.code).format_map(CAUSES.get(cause, {}))
            body = _poured(world.error_body, {"code": code.code, "message": message})
            yield from (("/errors/body", f"for {cause}, {reason}") for reason in _broken(contract, answer, body))
    for operation in contract.operations:
        serve = world.behaviors[operation.operation_id]
        sample = samples.get(operation.operation_id)
        for spot, outcome in _outcomes(serve, f"/operations/{operation.operation_id}"):
            for item in (None, sample) if serve.verb == "list" else (sample,):
                if item is not None or serve.verb == "list" or operation.item is None:
                    yield from _spoiled(serve, outcome, operation, item, spot)


def _spoiled(serve: Behavior, outcome: Outcome, operation: Operation, item: Json, at: str) -> Iterator[tuple[str, str]]:
    """The reason for which a body, filled with an item or with none, breaks the contract."""
    made = {name: how for effect in outcome.effects for name, how in effect.set.items()}
    changed = {name: how.get("value", _NOW) for name, how in made.items() if "value" in how or "now" in how}
    if (operation.acting or operation.creating) and item is not None:
        item = {**item, **{name: value for name, value in changed.items() if name in operation.view}}
    body = _poured(outcome.body, _values(serve, operation, item))
    answer = operation.response_for(outcome.status) or operation.success
    for reason in _broken(operation.contract, answer, body):
        yield f"{at}/body", f"{'filled' if item else 'empty'}, {reason}"


def _answers(contract: Contract) -> tuple[DocumentedResponse, ...]:
    own = [answer for operation in contract.operations for answer in operation.responses.values()]
    return tuple({answer.pointer: answer for answer in (*own, *contract.responses.values())}.values())


def _broken(contract: Contract, answer: DocumentedResponse, body: Json) -> Iterator[str]:
    for violation in contract.violations(answer.schema, body):
        yield f"it breaks the contract at {violation.at or 'its top'}: {violation.message} ({violation.contract})"


def _values(serve: Behavior, operation: Operation, item: Json) -> dict[str, Json]:
    """The words of a body with what a request without a query fills them with."""
    if serve.verb != "list":
        return {"item": item, "now": _NOW} if operation.item is not None else {"now": _NOW}
    items = [] if item is None else [item]
    schemas = {said.name: said.schema for said in operation.parameters if said.location == "path"}
    in_path = {name: [*schema.get("enum", schema.get("examples", ())), "x"][0] for name, schema in schemas.items()}
    always = {said.name: said.schema["default"] for said in operation.parameters if "default" in said.schema}
    return {**in_path, **always, "items": items, "total": len(items)}


def _poured(template: Json, values: Mapping[str, Json]) -> Json:
    if isinstance(template, dict):
        return {name: _poured(inner, values) for name, inner in template.items()}
    if isinstance(template, list):
        return [_poured(inner, values) for inner in template]
    return values[template[1:-1]] if isinstance(template, str) and template.startswith("{") else template
