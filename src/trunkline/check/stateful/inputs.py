"""Owns what a check sends: bodies that every page allows, and bodies with one thing wrong.

Values are made anew each time and never drawn: Hypothesis makes what it draws small, and small values are alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from typing import TypeAlias

from trunkline.check.stateful.fields import Condition, Input, conditional, conditions, inputs
from trunkline.contract.model import Contract, Operation
from trunkline.contract.patterns import sample
from trunkline.exchange import Json, NotJSON, Request, parse_json
from trunkline.findings import Evidence

Values: TypeAlias = dict[str, Json]

_FEW = 8
_DEEP = 150
_WIDE = 10_000


@dataclass(slots=True, repr=False)
class ValueFactory:
    """Makes values that were not made before in this run. `prefix` begins every label."""

    prefix: str
    chance: Random
    made: set[str] = field(default_factory=set)
    _serial: int = 0

    def label(self) -> str:
        """A name that tells people where the thing comes from."""
        self._serial += 1
        return f"{self.prefix.rstrip('-')}-{self._serial}"

    def text(self, said: Input) -> str:
        """A harmless value of the input; one that was made before only if its pattern has no more."""
        found = ""
        for _ in range(_FEW):
            found = sample(said.made, self.chance)
            if found not in self.made:
                break
        self.made.add(found)
        return found


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of giving an input a value that every page allows, and the keyword that it leans on."""

    keyword: str
    make: Callable[[ValueFactory], Json]


@dataclass(frozen=True, slots=True)
class DraftBody:
    """What is sent, and the weakest of what says that it is taken. `settled` is whether it must be."""

    values: Values
    evidence: Evidence
    settled: bool = True


def harmless(contract: Contract, request: Request, chance: Random) -> Request:
    """The request with a harmless value for each text of its body that is allowed: what somebody made up may be real.

    The label stays, for it gets a prefix; so does what is wrong, for it is to be refused.
    """
    operation = next((found for found in contract.match(request.path)[0] if found.method == request.method), None)
    try:
        sent = parse_json(request.body)
    except NotJSON:
        return request
    if operation is None or not isinstance(sent, dict):
        return request
    texts = {
        said.name: sample(said.made, chance)
        for said in inputs(operation)
        if said.made and said.name != label_of(operation)
        if isinstance(sent.get(said.name), str) and allowed(operation, said, sent[said.name])
    }
    return replace(request, body=encoded({**sent, **texts})) if texts else request


def encoded(values: Json) -> bytes:
    """The values as JSON in UTF-8."""
    return json.dumps(values, ensure_ascii=False).encode()


def label_of(operation: Operation) -> str:
    """The input that people read, or empty."""
    creates = (found.creating for found in operation.contract.operations if found.resource == operation.resource)
    return next((creating.label for creating in creates if creating), "")


@lru_cache(maxsize=1024)
def forms(operation: Operation, said: Input) -> tuple[Variant, ...]:
    """The ways of giving an input a value, the plainest first."""
    schema = said.schema
    if "enum" in schema:
        return tuple(Variant("enum", lambda _, value=value: value) for value in schema["enum"])  # type: ignore[misc]  # mypy knows no lambda defaults
    if said.kind == "boolean":
        return (Variant("type", lambda _: False), Variant("type", lambda _: True))
    if said.kind in ("integer", "number"):
        low, high = schema.get("minimum", 1), schema.get("maximum", schema.get("minimum", 1) + _WIDE)
        bounds = tuple(
            Variant(word, lambda _, value=schema[word]: value)  # type: ignore[misc]  # mypy knows no lambda defaults
            for word in ("minimum", "maximum")
            if word in schema
        )
        return (Variant("type", lambda maker: maker.chance.randint(low, high)), *bounds)
    if said.kind != "string" or not (said.made or said.name == label_of(operation)):
        return ()
    plain = _plain(operation, said)
    long, short = schema.get("maxLength"), schema.get("minLength", 0)
    found = [Variant("type", plain)]
    if said.made and said.name == label_of(operation):
        found.append(Variant("type", lambda maker: f"{plain(maker)} {maker.text(said)}"))
    if long is not None:
        found.append(Variant("maxLength", lambda maker: plain(maker).ljust(long, "x")[:long]))
    if short:
        found.append(Variant("minLength", lambda maker: plain(maker)[:short]))
    return tuple(
        form
        for form in found
        if allowed(operation, said, form.make(ValueFactory("trunkline-check", Random(0))))  # noqa: S311 - to look at
    )


def _plain(operation: Operation, said: Input) -> Callable[[ValueFactory], Json]:
    if said.name == label_of(operation):
        if allowed(operation, said, ValueFactory("trunkline-check", Random(0)).label()):  # noqa: S311 - values to send, not secrets
            return lambda maker: maker.label()
        if allowed(operation, said, "trunkline-check-1"):
            return lambda maker: maker.label().replace(" ", "-")
    return lambda maker: maker.text(said)


def allowed(operation: Operation, said: Input, value: Json) -> bool:
    """Whether a value obeys the schema of an input."""
    return not operation.contract.violations(said.at, value, said.file)


def sizes(operation: Operation) -> tuple[int, ...]:
    """How many ways there are for each input of a body, leaving it out among them unless it is required."""
    return tuple(max(1, len(forms(operation, said)) + (not said.required)) for said in inputs(operation))


def whole(
    operation: Operation, maker: ValueFactory, drawn: tuple[int, ...], start: Mapping[str, Json] | None = None
) -> DraftBody:
    """A body that creates: every required input, the others as drawn, and what their values then require."""
    sent: Values = dict(start or {})
    evidence = operation.evidence
    hanging = conditional(operation)
    by_name = {said.name: said for said in inputs(operation)}
    for said, choice in zip(inputs(operation), drawn, strict=True):
        ways = forms(operation, said)
        if said.name in sent or said.name in hanging or not ways or (not said.required and choice == 0):
            continue
        form = ways[(choice if said.required else choice - 1) % len(ways)]
        sent[said.name] = form.make(maker)
        evidence = evidence.weakest(said.evidence_for(form.keyword))
    for name in _lacking(operation, sent):
        if name in by_name and forms(operation, by_name[name]):
            sent[name] = forms(operation, by_name[name])[0].make(maker)
            evidence = evidence.weakest(by_name[name].evidence)
    settled = all(by_name[name].settles(value, {}) for name, value in sent.items())
    return DraftBody(sent, evidence, settled)


def _lacking(operation: Operation, sent: Mapping[str, Json]) -> Iterator[str]:
    """The inputs that the values of a body require."""
    body = operation.body
    for broken in operation.contract.violations(body.schema, sent) if body else ():
        if broken.keyword == "required" and broken.at.count("/") == 1:
            yield broken.at[1:]


def part(
    operation: Operation,
    maker: ValueFactory,
    drawn: tuple[int, ...],
    fits: Callable[[str], bool],
    has: Mapping[str, Json],
) -> DraftBody:
    """A body that changes: the drawn inputs among those that fit the thing, at least one of them."""
    usable = [said for said in inputs(operation) if fits(said.name) and forms(operation, said)]
    choices = {said.name: choice for said, choice in zip(inputs(operation), drawn, strict=True)}
    chosen = [said for said in usable if choices[said.name]] or usable[:1]
    sent: Values = {}
    evidence = operation.evidence
    for said in chosen:
        ways = forms(operation, said)
        form = ways[max(0, choices[said.name] - 1) % len(ways)]
        sent[said.name] = form.make(maker)
        evidence = evidence.weakest(said.evidence_for(form.keyword))
    return DraftBody(sent, evidence, all(said.settles(sent[said.name], has) for said in chosen))


def others(operation: Operation, maker: ValueFactory, names: frozenset[str], has: Mapping[str, Json]) -> DraftBody:
    """A body that gives each of these inputs another value than the thing has."""
    sent: Values = {}
    evidence = operation.evidence
    settled = True
    for said in inputs(operation):
        ways = forms(operation, said) if said.name in names else ()
        for form in ways:
            value = form.make(maker)
            if value != has.get(said.name):
                sent[said.name] = value
                evidence = evidence.weakest(said.evidence_for(form.keyword))
                settled = settled and said.settles(value, has)
                break
    return DraftBody(sent, evidence, settled)


# --- one thing wrong ------------------------------------------------------------------------------------------------

Spoil: TypeAlias = Callable[[Values], Json]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a body: `needs` must be sent first, `spoil` makes it wrong.

    `text` is what is sent when it is no JSON value at all. `condition` is the one that it does not meet.
    """

    name: str
    spoil: Spoil
    needs: Mapping[str, Json] = field(default_factory=dict)
    text: Callable[[bytes], bytes] | None = None
    media: str = "application/json"
    condition: Condition | None = None


@lru_cache(maxsize=64)
def flaws(operation: Operation) -> tuple[Flaw, ...]:
    """Everything that can be wrong with a body of the operation, one at a time."""
    found: list[Flaw] = []
    for said in inputs(operation):
        if said.required:
            found.append(Flaw(f"no {said.name}", _without(said.name)))
        found += [Flaw(f"{said.name} {what}", _with(said.name, value)) for what, value in _wrong(operation, said)]
    for condition in conditions(operation):
        for name in condition.requires:
            found.append(Flaw(f"no {name}", _without(name), needs=condition.when, condition=condition))
    nested: Json = "x"
    for _ in range(_DEEP):
        nested = [nested]
    found += [
        Flaw("a list", lambda values: [values]),
        Flaw("null", lambda _: None),
        Flaw("cut off", dict, text=lambda whole: whole[:-1]),
        Flaw("nothing", dict, text=lambda _: b""),
        Flaw("of another media type", dict, media="text/plain"),
        Flaw("nested deeply", lambda values: {**values, "nested": nested}),
    ]
    return tuple(found)


def _without(name: str) -> Spoil:
    return lambda values: {key: value for key, value in values.items() if key != name}


def _with(name: str, wrong: Json) -> Spoil:
    return lambda values: {**values, name: wrong}


def _wrong(operation: Operation, said: Input) -> Iterator[tuple[str, Json]]:
    """(what is wrong, the value) of values that the schema of an input does not allow."""
    schema = said.schema
    text = f"{said.kind} of the wrong form!"
    found: list[tuple[str, Json]] = [("null", None), ("of another type", text if said.kind != "string" else 12345)]
    found.append(("a list", [text]))
    if "enum" in schema:
        found += [("unknown", "trunkline"), ("in capitals", str(schema["enum"][0]).upper())]
    found += [("too long", "x" * (schema["maxLength"] + 1))] if "maxLength" in schema else []
    found += [("too short", "x" * (schema["minLength"] - 1))] if schema.get("minLength", 0) else []
    found += [("too small", schema["minimum"] - 1)] if "minimum" in schema else []
    found += [("too great", schema["maximum"] + 1)] if "maximum" in schema else []
    if said.kind == "string" and ("pattern" in schema or "format" in schema):
        found += [("of another form", text), ("empty", "")]
    return (each for each in found if not allowed(operation, said, each[1]))
