"""Request bodies to send: valid ones in every documented variant, and bodies with exactly one flaw.

The values in them are new each time and are not drawn by the engine: drawn values repeat, and a repeated name hides
defects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from random import Random
from typing import TypeAlias

from trunkline.check.stateful.engine import choose
from trunkline.check.stateful.fields import (
    Condition,
    Field,
    Input,
    conditional_inputs,
    conditions,
    inputs,
    shown_fields,
)
from trunkline.contract.bodies import json_object
from trunkline.contract.model import DOCUMENT, Contract, Create, Operation, Update
from trunkline.contract.patterns import sample
from trunkline.exchange import Json, Request
from trunkline.findings import Evidence

Values: TypeAlias = dict[str, Json]

_ATTEMPTS = 8
"""The number of texts that are drawn before a repeated one is accepted."""
_DEPTH = 150
"""The nesting of a body that is too deep for any API."""
_SPAN = 10_000
"""The range above its minimum from which a number without a maximum is drawn."""
_PREFIX = "trunkline-check"


@dataclass(slots=True, repr=False)
class ValueFactory:
    """Make values that were not used before in this run. `prefix` begins every label."""

    prefix: str
    random: Random
    used: set[str] = field(default_factory=set)
    _serial: int = 0

    def label(self) -> str:
        """A name that shows people where an item comes from: `trunkline-check-4711-3`."""
        self._serial += 1
        return f"{self.prefix.rstrip('-')}-{self._serial}"

    def text(self, input_: Input) -> str:
        """A harmless value for the input. It repeats an earlier one only if the pattern has too few."""
        found = ""
        for _ in range(_ATTEMPTS):
            found = sample(input_.pattern, self.random)
            if found not in self.used:
                break
        self.used.add(found)
        return found


@dataclass(frozen=True, slots=True)
class Variant:
    """A valid kind of value for an input, such as its shortest text, and the keyword of the schema that allows it."""

    keyword: str
    make: Callable[[ValueFactory], Json]


@dataclass(slots=True)
class DraftBody:
    """A valid body, with the weakest evidence that it is accepted. `binding` is whether each value must be taken."""

    values: Values
    evidence: Evidence
    binding: bool = True

    def add(self, input_: Input, variant: Variant, value: Json, fields: Mapping[str, Json]) -> None:
        """Add a value. `fields` are those that the item has."""
        self.values[input_.name] = value
        self.evidence = self.evidence.weakest(input_.schema.evidence_for(variant.keyword))
        self.binding = self.binding and input_.is_binding(value, fields)


def to_json(values: Json) -> bytes:
    """The values as JSON in UTF-8."""
    return json.dumps(values, ensure_ascii=False).encode()


def make_harmless(contract: Contract, request: Request, random: Random) -> Request:
    """Replace each valid text in the body with a harmless one, because a generated text may be a real number or host.

    The label stays: the gate gives it the prefix of the run. Invalid values stay too, because they must be refused.
    """
    operation = next((found for found in contract.match(request.path)[0] if found.method == request.method), None)
    if operation is None:
        return request
    sent = json_object(request.body)
    texts = {
        input_.name: sample(input_.pattern, random)
        for input_ in inputs(operation)
        if input_.pattern and input_.name != label_input(operation)
        if isinstance(sent.get(input_.name), str) and input_.schema.allows(sent[input_.name])
    }
    return replace(request, body=to_json({**sent, **texts})) if texts else request


def label_input(operation: Operation) -> str:
    """The input that names an item for people, or empty."""
    return next((create.kind.label for create in operation.contract.of_kind(Create, operation.resource)), "")


# --- valid bodies ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def variants(operation: Operation, input_: Input) -> tuple[Variant, ...]:
    """The valid kinds of values for an input, the plainest first; none if it has no pattern of harmless values."""
    schema, is_label = input_.schema.content, input_.name == label_input(operation)
    if "enum" in schema or input_.type == "boolean":
        keyword, values = ("enum", schema["enum"]) if "enum" in schema else ("type", (False, True))
        return tuple(_constant(keyword, value) for value in values)
    if input_.type in ("integer", "number"):
        low, high = schema.get("minimum", 1), schema.get("maximum", schema.get("minimum", 1) + _SPAN)
        bounds = (_constant(keyword, schema[keyword]) for keyword in ("minimum", "maximum") if keyword in schema)
        return (Variant("type", lambda factory: factory.random.randint(low, high)), *bounds)
    if input_.type != "string" or not (input_.pattern or is_label):
        return ()
    example = ValueFactory(_PREFIX, Random(0))  # noqa: S311 - values to look at
    labelled = is_label and input_.schema.allows(example.label())

    def plain(factory: ValueFactory) -> str:
        return factory.label() if labelled else factory.text(input_)

    longest, shortest = schema.get("maxLength"), schema.get("minLength", 0)
    found = [Variant("type", plain)]
    if input_.pattern and is_label:
        found.append(Variant("type", lambda factory: f"{plain(factory)} {factory.text(input_)}"))
    if longest is not None:
        found.append(Variant("maxLength", lambda factory: plain(factory).ljust(longest, "x")[:longest]))
    if shortest:
        found.append(Variant("minLength", lambda factory: plain(factory)[:shortest]))
    return tuple(variant for variant in found if input_.schema.allows(variant.make(example)))


def _constant(keyword: str, value: Json) -> Variant:
    return Variant(keyword, lambda _: value)


def variant_counts(operation: Operation) -> tuple[int, ...]:
    """The number of choices for each input of a body: its variants, and leaving it out unless it is required."""
    return tuple(max(1, len(variants(operation, input_)) + (not input_.required)) for input_ in inputs(operation))


def complete_body(
    operation: Operation, factory: ValueFactory, chosen: tuple[int, ...] = (), start: Mapping[str, Json] | None = None
) -> DraftBody:
    """A body with every required input, the optional ones as chosen, and the inputs that their values require.

    `start` are values that must be in it. Without choices it has no optional inputs.
    """
    by_name = {input_.name: input_ for input_ in inputs(operation)}
    conditional = conditional_inputs(operation)
    body = DraftBody(dict(start or {}), operation.evidence)
    body.binding = all(by_name[name].is_binding(value, {}) for name, value in body.values.items())
    for index, input_ in enumerate(inputs(operation)):
        choice = chosen[index] if chosen else 0
        is_settled = input_.name in body.values or input_.name in conditional
        if variants(operation, input_) and not is_settled and (input_.required or choice):
            variant = choose(variants(operation, input_), choice - (not input_.required))
            body.add(input_, variant, variant.make(factory), {})
    for name in _missing(operation, body.values):
        for variant in variants(operation, by_name[name])[:1] if name in by_name else ():
            body.add(by_name[name], variant, variant.make(factory), {})
    return body


def _missing(operation: Operation, sent: Mapping[str, Json]) -> Iterator[str]:
    """The inputs that the schema requires of a body and that it lacks."""
    if operation.body is None:
        return
    for error in operation.contract.schemas.errors(f"{DOCUMENT}#{operation.body.schema}", sent):
        if error.keyword == "required" and error.at.count("/") == 1:
            yield error.at[1:]


def partial_body(
    operation: Operation,
    factory: ValueFactory,
    chosen: tuple[int, ...],
    fits: Callable[[str], bool],
    fields: Mapping[str, Json],
) -> DraftBody:
    """A body of the chosen inputs that fit the item, at least one. `fields` are those that the item has."""
    usable = [
        (input_, choice)
        for input_, choice in zip(inputs(operation), chosen, strict=True)
        if fits(input_.name) and variants(operation, input_)
    ]
    body = DraftBody({}, operation.evidence)
    for input_, choice in [pair for pair in usable if pair[1]] or usable[:1]:
        variant = choose(variants(operation, input_), max(0, choice - 1))
        body.add(input_, variant, variant.make(factory), fields)
    return body


def changing_body(
    operation: Operation, factory: ValueFactory, names: frozenset[str], fields: Mapping[str, Json]
) -> DraftBody:
    """A body that gives each of these inputs another value than the item has."""
    body = DraftBody({}, operation.evidence)
    for input_ in inputs(operation):
        for variant in variants(operation, input_) if input_.name in names else ():
            value = variant.make(factory)
            if value != fields.get(input_.name):
                body.add(input_, variant, value, fields)
                break
    return body


# --- bodies with one flaw -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flaw:
    """One flaw to put into a valid body: `apply` puts it into the values, which must contain those of `requires`.

    `edit_bytes` changes the encoded body, for one that is no longer JSON. `condition` is the one that the body breaks.
    `read_only` is a field that is no input: the body must contain it, with the value that the item has.
    """

    name: str
    apply: Callable[[Values], Json]
    requires: Mapping[str, Json] = field(default_factory=dict)
    edit_bytes: Callable[[bytes], bytes] = bytes
    media_type: str = "application/json"
    condition: Condition | None = None
    read_only: Field | None = None


@lru_cache(maxsize=64)
def flaws(operation: Operation) -> tuple[Flaw, ...]:
    """Every flaw that the contract lets a body of the operation have, one at a time.

    Those with a `read_only` field are mistakes by custom only: no page says that such a body is refused.
    """
    found: list[Flaw] = []
    for input_ in inputs(operation):
        if input_.required:
            found.append(Flaw(f"no {input_.name}", partial(_without, input_.name)))
        for flaw, value in _invalid_values(input_):
            found.append(Flaw(f"{input_.name} {flaw}", partial(_with, input_.name, value)))
    for condition in conditions(operation):
        found += [
            Flaw(f"no {name}", partial(_without, name), requires=condition.when, condition=condition)
            for name in condition.requires
        ]
    nested: Json = "x"
    for _ in range(_DEPTH):
        nested = [nested]
    return (
        *found,
        Flaw("a list", lambda values: [values]),
        Flaw("null", lambda _: None),
        Flaw("cut off", dict, edit_bytes=lambda content: content[:-1]),
        Flaw("empty", dict, edit_bytes=lambda _: b""),
        Flaw("of another media type", dict, media_type="text/plain"),
        Flaw("nested too deeply", partial(_with, "nested", nested)),
        *(Flaw(f"{shown.name}, which is no input", dict, read_only=shown) for shown in _read_only_choices(operation)),
    )


def _read_only_choices(operation: Operation) -> Iterator[Field]:
    """The flags and listed values that an item shows and an update does not take, without the volatile ones."""
    shown = {name: field_ for other in operation.same_resource for name, field_ in shown_fields(other).items()}
    for name, field_ in shown.items() if isinstance(operation.kind, Update) else ():
        is_choice = "enum" in field_.schema.content or field_.schema.content.get("type") == "boolean"
        if is_choice and not field_.volatile and name not in operation.inputs:
            yield field_


def _without(name: str, values: Values) -> Values:
    return {key: value for key, value in values.items() if key != name}


def _with(name: str, wrong: Json, values: Values) -> Values:
    return {**values, name: wrong}


def _invalid_values(input_: Input) -> list[tuple[str, Json]]:
    """Values that the schema of an input does not allow: `[("too long", "xxx..."), ...]`."""
    schema = input_.schema.content
    # what a secret input gets is redacted wherever it occurs
    text = "no secret is like this!" if input_.secret else f"{input_.type} of the wrong form!"
    found: list[tuple[str, Json]] = [
        ("null", None),
        ("of another type", 12345 if input_.type == "string" else text),
        ("a list", [text]),
    ]
    if "enum" in schema:
        found += [("unknown", "trunkline"), ("in capitals", str(schema["enum"][0]).upper())]
    if "maxLength" in schema:
        found.append(("too long", "x" * (schema["maxLength"] + 1)))
    if schema.get("minLength", 0):
        found.append(("too short", "x" * (schema["minLength"] - 1)))
    if "minimum" in schema:
        found.append(("too small", schema["minimum"] - 1))
    if "maximum" in schema:
        found.append(("too great", schema["maximum"] + 1))
    if input_.type == "string" and ("pattern" in schema or "format" in schema):
        found += [("of another form", text), ("empty", "")]
    return [(flaw, value) for flaw, value in found if not input_.schema.allows(value)]
