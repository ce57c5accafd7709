"""The lint of a mock world: names, templates, generators, records, and all bodies that the mock would send.

`lint_world` looks at world.toml, `lint_records` at records. `lint_responses` builds each response as a mock would, and
validates it against the contract. Each problem is (JSON Pointer, reason); the loader raises the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from string import Formatter

from trunkline.contract.bodies import all_keys, at_pointer
from trunkline.contract.lint import Problem
from trunkline.contract.model import (
    Act,
    Contract,
    Create,
    Delete,
    DocumentedResponse,
    List,
    Operation,
    View,
)
from trunkline.contract.refusals import CAUSES
from trunkline.exchange import Json, pointer
from trunkline.findings import truncate
from trunkline.mock.generators import UNIQUE, GeneratorSpec, Record
from trunkline.mock.world import MOCK_FACTS, MOCK_ONLY, Behavior, Outcome, World, project

_LONGEST = 60
_NOW = "2024-03-05T14:22:15Z"
_SHORTEST_SECRET = 8


# --- world.toml -----------------------------------------------------------------------------------------------------


def lint_world(world: World, contract: Contract) -> Iterator[Problem]:
    """Each name in the world that names nothing, and each operation, cause or placeholder that the world leaves out."""
    yield from _lint_operations(world, contract)
    for name in set(world.collections) - {behavior.collection for behavior in world.behaviors.values()}:
        yield f"/collections/{name}", "no operation serves it"
    for name, collection in world.collections.items():
        yield from _lint_identity(collection.generate, collection.identity, f"/collections/{name}/generate")
        yield from _lint_parent(world, name)
    yield from _lint_refusals(world, contract)


def _lint_operations(world: World, contract: Contract) -> Iterator[Problem]:
    documented = {operation.operation_id: operation for operation in contract.operations}
    for name in sorted(set(documented) - set(world.behaviors)):
        yield "/operations", f"nothing serves the operation {name}"
    for name, behavior in world.behaviors.items():
        at, operation = f"/operations/{name}", documented.get(name)
        if operation is None:
            yield at, "the contract has no such operation"
        elif behavior.collection and behavior.collection not in world.collections:
            yield "/collections", f"there is no collection {behavior.collection!r}, the resource of {name}"
        elif behavior.verb != ("answer" if isinstance(operation.kind, Act) else type(operation.kind).__name__.lower()):
            yield f"{at}/verb", f"the contract does not say how {name} would {behavior.verb}"
        else:
            yield from _lint_collection(behavior, operation, world, at)
            yield from _lint_guards(behavior, operation, world, at)
            for place, outcome in _outcomes(behavior, at):
                yield from _lint_status(outcome, operation, place)
                yield from _lint_effects(outcome, operation, world, place)
                yield from _lint_body(behavior, outcome, operation, f"{place}/body")
            if behavior.outcomes[-1].when:
                yield f"{at}/outcomes", "the last one must have no `when`, so that one always applies"


def _outcomes(behavior: Behavior, at: str) -> Iterator[tuple[str, Outcome]]:
    """Pointer and outcome of each outcome of a behavior."""
    for index, outcome in enumerate(behavior.outcomes):
        yield f"{at}/outcomes/{index}" if behavior.verb == "answer" else at, outcome


def _lint_collection(behavior: Behavior, operation: Operation, world: World, at: str) -> Iterator[Problem]:
    if not behavior.collection:
        return
    collection = world.collections[behavior.collection]
    identity = collection.identity
    for field in behavior.order:
        if field.lstrip("-") not in operation.view:
            yield f"{at}/order", f"{field!r} is not a field that the operation documents"
    if operation.identity and operation.identity != f"/{identity}":
        reason = f"{operation.operation_id} documents {operation.identity[1:]!r} as the id"
        yield f"/collections/{behavior.collection}/identity", reason
    if behavior.order and behavior.order[-1].lstrip("-") != identity:
        yield f"{at}/order", f"the last field must be {identity!r}, which breaks every tie"
    for parameter in operation.parents:
        if parameter.resource != (collection.parent.collection if collection.parent else ""):
            reason = f"the path of {operation.operation_id} names {parameter.resource}"
            yield f"/collections/{behavior.collection}/parent", reason


def _lint_guards(behavior: Behavior, operation: Operation, world: World, at: str) -> Iterator[Problem]:
    """Each guard without a reason to refuse in the contract, and each reason without a guard."""
    kind = operation.kind
    documented = {
        "unique": set(kind.unique) if isinstance(kind, Create) else set(),
        "empty": set(kind.empty) if isinstance(kind, Delete) else set(),
        "unused": {"in_use"} if isinstance(kind, Delete) and kind.unused else set(),
    }
    for guard, name in behavior.guards:
        if name not in documented[guard]:
            yield f"{at}/guards", f"the contract does not say that {guard} {name} is a reason to refuse"
        elif guard == "empty":
            parent = world.collections[name].parent if name in world.collections else None
            if not parent or parent.collection != behavior.collection:
                yield f"{at}/guards", f"{name} do not belong to {behavior.collection}"
    for guard, names in documented.items():
        for name in sorted(names - {other for word, other in behavior.guards if word == guard}):
            yield f"{at}/guards", f"the contract says that {guard} {name} is a reason to refuse, and nothing guards it"


def _lint_status(outcome: Outcome, operation: Operation, at: str) -> Iterator[Problem]:
    response = operation.response_for(outcome.status)
    if response is None:
        yield f"{at}/status", f"{outcome.status} is no documented status of {operation.operation_id}"
    elif not outcome.when and response is not operation.success:
        yield f"{at}/status", f"{outcome.status} is not the success that the page shows"


def _lint_effects(outcome: Outcome, operation: Operation, world: World, at: str) -> Iterator[Problem]:
    """Each field of an effect or a condition that no record has, and a created record without an id."""
    known = {name for other in operation.same_resource for name in (*other.view, *other.inputs)} | set(MOCK_FACTS)
    fields = [(f"{at}/when", field) for field in outcome.when]
    for index, effect in enumerate(outcome.effects):
        place = f"{at}/effects/{index}"
        fields += [(place, field) for field in (*effect.set, *effect.when, *sorted(effect.when_changed))]
        for name, spec in effect.set.items():
            yield from _lint_generator(spec, f"{place}/set{pointer((name,))}")
            fields += [(f"{place}/set{pointer((name,))}", field) for field in _source_fields(spec)]
    for place, field in fields:
        if field in operation.contract.secrets and "/set/" in place:
            yield place, f"{field!r} is a secret, which no other field may show"
        if field not in known:
            yield place, f"{field!r} is no field of a record"
    collection = world.collections.get(operation.resource)
    identity = collection.identity if collection else ""
    specs = [(index, effect.set[identity]) for index, effect in enumerate(outcome.effects) if identity in effect.set]
    if isinstance(operation.kind, Create):
        if not any(word in spec for _, spec in specs[:1] for word in UNIQUE):
            yield f"{at}/effects", f"nothing generates {identity}; use one of {', '.join(UNIQUE)}"
    else:
        reason = f"{identity!r} is the id of a record, which never changes"
        yield from ((f"{at}/effects/{index}", reason) for index, _ in specs)


def _source_fields(spec: Mapping[str, Json]) -> Iterator[str]:
    """The fields of a record from which a generator builds another."""
    if "rewrite" in spec:
        yield spec["rewrite"]["field"]
    try:
        for _, name, format_, conversion in Formatter().parse(spec.get("text", "")):
            if name is not None:
                yield f"{name}{'!' if conversion else ''}{':' if format_ else ''}"  # no field has such a name
    except ValueError as error:
        yield str(error)


def _lint_body(behavior: Behavior, outcome: Outcome, operation: Operation, at: str) -> Iterator[Problem]:
    """Each placeholder of a body that nothing fills, or that is not where the contract has its value."""
    kind = operation.kind
    wanted: dict[str, str] = {}
    if isinstance(kind, List):
        wanted[kind.items] = "items"
        if kind.paging:
            wanted |= {kind.paging.total.at: "total"} if kind.paging.total else {}
            wanted |= {location.at: name for name, location in kind.paging.echo.items()}
    elif operation.item is not None and not isinstance(kind, Act):
        wanted[operation.item] = "item"
    for reason in _lint_template(outcome.body, _values(behavior, operation, None), in_lists=True):
        yield at, reason
    for place, name in wanted.items():
        if at_pointer(outcome.body, place) != f"{{{name}}}":
            yield at, f"{{{name}}} is not at {place or 'its top'}, where the contract has it"


def _lint_refusals(world: World, contract: Contract) -> Iterator[Problem]:
    causes = {cause for response in _responses(contract) for cause in response.refusals}
    for cause in sorted(causes ^ set(world.messages)):
        missing = cause in causes
        yield "/refusals", f"{cause} has no message" if missing else f"{cause} is not a cause that the contract answers"
    yield from _lint_messages(world, contract)
    for reason in _lint_template(world.error_body, ("code", "message"), in_lists=False):
        yield "/errors/body", reason
    for at, name in ((contract.errors.code, "code"), (contract.errors.message, "message")):
        if at_pointer(world.error_body, at) != f"{{{name}}}":
            yield "/errors/body", f"{{{name}}} is not at {at or 'its top'}, where the contract has it"
    for index, grant in enumerate(world.tokens.values()):
        for operation in contract.operations if grant.refused else ():
            answered = {cause for response in operation.responses.values() for cause in response.refusals}
            if operation.secured and grant.refused not in answered:
                yield f"/tokens/{index}/refused", f"no response of {operation.operation_id} answers {grant.refused}"


def _lint_messages(world: World, contract: Contract) -> Iterator[Problem]:
    """Each message that is never sent or cannot be filled, and each error code without a message."""
    for cause, messages in world.messages.items():
        codes = {response.refusals[cause].code for response in _responses(contract) if cause in response.refusals}
        for code, message in messages.items():
            if code and code not in codes:
                yield f"/refusals/{cause}/{code}", "the contract answers the cause with no such code"
            yield from ((f"/refusals/{cause}", reason) for reason in _lint_message(message, CAUSES.get(cause, ())))
        for code in sorted(codes - set(messages)) if "" not in messages else ():
            yield f"/refusals/{cause}", f"{code} has no message"


def _lint_template(template: Json, names: Iterable[str], *, in_lists: bool) -> Iterator[str]:
    """The reason for each text of a template that has braces and is not one of the placeholders."""
    placeholders = sorted(f"{{{name}}}" for name in names)
    stack = [(template, True)]
    while stack:
        node, allowed = stack.pop()
        if isinstance(node, dict):
            stack += [(inner, allowed) for inner in node.values()]
            stack += [(name, False) for name in node]
        elif isinstance(node, list):
            stack += [(inner, allowed and in_lists) for inner in node]
        elif isinstance(node, str) and ("{" in node or "}" in node) and not (allowed and node in placeholders):
            found = truncate(node, _LONGEST)
            yield f"nothing fills {found} there; a placeholder is a whole text, one of {', '.join(placeholders)}"


def _lint_message(message: str, names: Iterable[str]) -> Iterator[str]:
    """The reason for each placeholder of a message that nothing fills."""
    placeholders = sorted(f"{{{name}}}" for name in names)
    try:
        parts = [part for part in Formatter().parse(message) if part[1] is not None]
    except ValueError as error:
        yield f"{error}; write a literal brace twice"
        return
    for _, name, format_, conversion in parts:
        if format_ or conversion or f"{{{name}}}" not in placeholders:
            yield f"nothing fills {{{name}}} in it; there are: {', '.join(placeholders) or 'none for this cause'}"


def _lint_parent(world: World, name: str) -> Iterator[Problem]:
    """The problem of a parent that does not exist, or that leads back to the collection itself."""
    parent, seen = world.collections[name].parent, {name}
    while parent:
        if parent.collection not in world.collections:
            yield f"/collections/{name}/parent", f"there is no collection {parent.collection!r}"
            return
        if parent.collection in seen:
            yield f"/collections/{name}/parent", "a collection cannot belong to itself"
            return
        seen.add(parent.collection)
        parent = world.collections[parent.collection].parent


# --- generators -----------------------------------------------------------------------------------------------------


def _lint_identity(generate: GeneratorSpec, identity: str, at: str) -> Iterator[Problem]:
    """The problem of an id that could be generated twice, and those of all generators."""
    spec = generate.get(identity, {})
    if generate and ("null" in spec or not any(word in spec for word in UNIQUE)):
        yield f"{at}/{identity}", f"the id is generated by one of {', '.join(UNIQUE)}, and is never null"
    for name, other in generate.items():
        yield from _lint_generator(other, at + pointer((name,)))


def _lint_generator(spec: Mapping[str, Json], at: str) -> Iterator[Problem]:
    for name, inner in spec.get("fields", {}).items():
        yield from _lint_generator(inner, f"{at}/fields{pointer((name,))}")
    for index, (pattern, form) in enumerate(spec.get("rewrite", {}).get("forms", ())):
        try:
            re.sub(f"(?:{pattern})|", form, "")
        except (re.error, IndexError) as error:
            yield f"{at}/rewrite/forms/{index}", f"cannot be used: {error}"
    low, high = spec.get("between", (0, 0))
    if low > high or not math.isfinite(high - low):
        yield f"{at}/between", "the first is not below the second"
    if not spec.get("decimals") and not (isinstance(low, int) and isinstance(high, int)):
        yield f"{at}/between", "without decimals both must be whole numbers"
    if "time" in spec:
        try:
            first, last = (datetime.fromisoformat(text).astimezone(UTC) for text in spec["time"])
            reason = "the first is after the second" if first > last else ""
        except (ValueError, OverflowError):
            reason = "is not a pair of times"
        if reason:
            yield f"{at}/time", reason


def possible_values(generate: GeneratorSpec) -> Iterator[tuple[str, Json]]:
    """Each (field, value) at a limit of a generator: null, each value of `one_of`, both ends of `between`."""
    for name, spec in generate.items():
        values = [*spec.get("one_of", ()), *spec.get("between", ())] if spec.get("null", 0) < 1 else []
        values += [None] if spec.get("null") else []
        yield from ((name, value) for value in values)


# --- records --------------------------------------------------------------------------------------------------------


def lint_records(  # noqa: C901 - one branch for each problem
    records: Sequence[Record], world: World, collection: str, contract: Contract
) -> Iterator[Problem]:
    """Each place in records where they break the schemas of the operations on them, or the world."""
    about = [operation for operation in contract.operations if operation.resource == collection]
    serving = [operation for operation in about if operation.item is not None and not isinstance(operation.kind, Act)]
    identity = world.collections[collection].identity
    behaviors = [behavior for behavior in world.behaviors.values() if behavior.collection == collection]
    order_types = {field.lstrip("-"): "" for behavior in behaviors for field in behavior.order}
    for record in world.collections[collection].records[:1]:
        order_types = {field: _order_type(record.get(field)) for field in order_types}
    accounts = {grant.account for grant in world.tokens.values()}
    views = [operation.view for operation in serving]
    inputs: list[View] = [dict.fromkeys(operation.inputs) for operation in about]
    seen: set[tuple[str, Json]] = set()
    for index, record in enumerate(records):
        at = f"/{index}"
        yield from ((at + place, reason) for place, reason in _lint_secrets(record, contract))
        own = {name: value for name, value in record.items() if name != MOCK_ONLY and name not in contract.secrets}
        for place in _undocumented(own, [*views, *inputs]):
            yield at + place, "no operation documents such a field"
        for operation, view in zip(serving, views, strict=True):
            for violation in operation.item_violations(project(record, view)):
                yield at + violation.at, f"{violation.message} ({violation.contract})"
        account = world.account_of(record)
        if account not in accounts:
            reason = f"no token gives access to that account; there are: {', '.join(sorted(accounts))}"
            yield f"{at}/{MOCK_ONLY}/account", reason
        if not isinstance(record.get(identity), str):
            yield f"{at}/{identity}", "the id of a record must be a text"
            return
        for field, expected in order_types.items():
            order_types[field] = found = _order_type(record.get(field))
            if not found or expected not in ("", found):
                wanted = expected or "a text or a number"
                yield f"{at}/{field}", f"a list is sorted by this field, so it must be {wanted}"
        key = (account, record[identity])
        if key in seen:
            yield f"{at}/{identity}", f"{record[identity]!r} is there twice"
        seen.add(key)


def _order_type(value: Json) -> str:
    """The type of a value by which a list can be sorted; empty for other values."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return "a text" if isinstance(value, str) else "a number" if numeric else ""


def _lint_secrets(record: Record, contract: Contract) -> Iterator[Problem]:
    """Each secret that is too short to be recognized, and each that is not a field of the record itself."""
    for name, value in record.items():
        if name in contract.secrets:
            if not isinstance(value, str) or len(value) < _SHORTEST_SECRET:
                reason = f"a secret must be a text of {_SHORTEST_SECRET} characters or more, so that it is recognized"
                yield pointer((name,)), reason
        else:
            nested = (at for at, key in all_keys(value) if key in contract.secrets)
            yield from ((pointer((name,)) + at, "a secret must be a field of the record itself") for at in nested)


def _undocumented(record: Record, views: Sequence[View]) -> Iterator[str]:
    """The pointers to the fields of a record that are in no view."""
    for name, value in record.items():
        shown = [view[name] for view in views if name in view]
        nested = [view for view in shown if view]
        if not shown:
            yield pointer((name,))
        elif nested and isinstance(value, dict):
            yield from (pointer((name,)) + place for place in _undocumented(value, nested))


# --- responses ------------------------------------------------------------------------------------------------------


def lint_responses(world: World, contract: Contract) -> Iterator[Problem]:
    """Each refusal, each body with and without an item, and each record after an effect that breaks the contract."""
    for response in _responses(contract):
        for cause, code in response.refusals.items():
            message = world.message(cause, code.code).format_map(CAUSES.get(cause, {}))
            body = _fill(world.error_body, {"code": code.code, "message": message})
            yield from (("/errors/body", f"for {cause}, {reason}") for reason in _violations(contract, response, body))
    for operation in contract.operations:
        behavior = world.behaviors[operation.operation_id]
        records = world.collections[operation.resource].records if operation.item is not None else ()
        sample = project(records[0], operation.view) if records else None
        for place, outcome in _outcomes(behavior, f"/operations/{operation.operation_id}"):
            for item in (None, sample) if behavior.verb == "list" else (sample,):
                if item is not None or behavior.verb == "list" or operation.item is None:
                    yield from _lint_filled_body(behavior, outcome, operation, item, place)
    yield from _lint_changed_records(world, contract)


def _lint_filled_body(
    behavior: Behavior, outcome: Outcome, operation: Operation, item: Json, at: str
) -> Iterator[Problem]:
    specs = {name: spec for effect in outcome.effects for name, spec in effect.set.items()}
    changed = {name: spec.get("value", _NOW) for name, spec in specs.items() if "value" in spec or "now" in spec}
    if isinstance(operation.kind, Act | Create) and item is not None:
        item = {**item, **{name: value for name, value in changed.items() if name in operation.view}}
    body = _fill(outcome.body, _values(behavior, operation, item))
    response = operation.response_for(outcome.status) or operation.success
    for reason in _violations(operation.contract, response, body):
        yield f"{at}/body", f"{'filled' if item else 'empty'}, {reason}"


def _lint_changed_records(world: World, contract: Contract) -> Iterator[Problem]:
    for name, behavior in world.behaviors.items():
        records = world.collections[behavior.collection].records[:1] if behavior.collection else ()
        for outcome in behavior.outcomes if records else ():
            specs = {field: spec for effect in outcome.effects for field, spec in effect.set.items()}
            fixed = {field: spec["value"] for field, spec in specs.items() if "value" in spec}
            others = [{field: value} for field, value in possible_values(specs)]
            changed = [{**records[0], **fixed, **other} for other in ({}, *others)]
            empty = world.with_records(behavior.collection, ())
            for record in changed:
                for at, reason in lint_records([record], empty, behavior.collection, contract):
                    yield f"/operations/{name}", f"after an effect, {at[2:] or 'a record'} is not allowed: {reason}"


def _responses(contract: Contract) -> tuple[DocumentedResponse, ...]:
    """The responses of the contract, shared ones once."""
    own = [response for operation in contract.operations for response in operation.responses.values()]
    return tuple({response.pointer: response for response in (*own, *contract.responses.values())}.values())


def _violations(contract: Contract, response: DocumentedResponse, body: Json) -> Iterator[str]:
    for violation in contract.violations(response.schema, body):
        yield f"it breaks the contract at {violation.at or 'its top'}: {violation.message} ({violation.contract})"


def _values(behavior: Behavior, operation: Operation, item: Json) -> dict[str, Json]:
    """The values of the placeholders in a body, for a request without a query."""
    if behavior.verb != "list":
        return {"item": item, "now": _NOW} if operation.item is not None else {"now": _NOW}
    items = [] if item is None else [item]
    values = {}
    for parameter in operation.parameters:
        schema = parameter.schema
        if parameter.location == "path":
            values[parameter.name] = [*schema.get("enum", schema.get("examples", ())), "x"][0]
        if "default" in schema:
            values[parameter.name] = schema["default"]
    return {**values, "items": items, "total": len(items)}


def _fill(template: Json, values: Mapping[str, Json]) -> Json:
    if isinstance(template, dict):
        return {name: _fill(inner, values) for name, inner in template.items()}
    if isinstance(template, list):
        return [_fill(inner, values) for inner in template]
    return values[template[1:-1]] if isinstance(template, str) and template.startswith("{") else template
