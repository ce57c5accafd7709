"""Owns whether the inputs of an operation make sense: what is said of them, and the values that are known of them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from trunkline.contract.lint.keywords import nodes_of
from trunkline.contract.model import Operation
from trunkline.contract.patterns import sample
from trunkline.exchange import Json, resolve

_TRIES = 20
"""So many samples of a pattern show whether its values are allowed."""


def lost_inputs(operation: Operation) -> Iterator[tuple[str, str]]:
    """Each name of an input that is none, and each input of which no harmless value is known."""
    at = f"{operation.pointer}/x-trunkline"
    if (operation.creating or operation.updating) and not operation.body:
        yield operation.pointer, "what creates or updates takes in a requestBody"
        return
    inputs = operation.inputs
    named: list[tuple[str, str]] = []
    if creating := operation.creating:
        named += [("create/label", creating.label)] if creating.label else []
        named += [(f"create/unique/{name}", name) for name in creating.unique]
    for index, reset in enumerate(operation.updating.resets if operation.updating else ()):
        spot = f"update/resets/{index}"
        named += [(f"{spot}/when", name) for names in reset.when for name in sorted(names)]
        named += [(f"{spot}/never", name) for name in sorted(reset.never)]
    for word, name in named:
        if name not in inputs:
            yield f"{at}/{word}", f"{name!r} is not an input of the operation"
        elif word == "create/label" and (name in operation.contract.secrets or inputs[name].get("type") != "string"):
            yield f"{at}/{word}", f"{name!r} is a secret or no text, and a label is read by everybody"
    for check in (_lost_values, _lost_defaults):
        yield from ((f"{operation.pointer}/requestBody", reason) for reason in check(operation))


def _lost_values(operation: Operation) -> Iterator[str]:
    """Each input of which no harmless value is known, or that depends on what nothing shows."""
    for name, schema in operation.inputs.items():
        types = schema.get("type", "string")
        extension = schema.get("x-trunkline", {})
        if "string" in ([types] if isinstance(types, str) else types) and not ("enum" in schema or "made" in extension):
            yield f"the input {name!r} says neither enum nor made"
        if "made" in extension:
            yield from _lost_samples(operation, name, extension["made"])
        for value in extension.get("unsettled", ()):
            for field in value["unless"]:
                if not any(field in other.view for other in operation.same_resource):
                    yield f"{field!r}, on which {name!r} depends, is shown nowhere"


def _lost_samples(operation: Operation, name: str, pattern: str) -> Iterator[str]:
    """What is made of an input, if it cannot be made, or is refused by the input's own schema."""
    chance = Random(pattern)  # noqa: S311 - values to look at
    try:
        values = [sample(pattern, chance) for _ in range(_TRIES)]
    except ValueError as error:
        yield f"nothing can be made of the input {name!r}: {error}"
        return
    for value in values:
        broken = _refused(operation, {name: value})
        if broken:
            yield f"what is made of the input {name!r} is not allowed: {broken}"
            return


def _refused(operation: Operation, sent: dict[str, Json]) -> str:
    """What a body asks for that was not sent, but for what is missing; empty if it is allowed."""
    found = operation.contract.violations(operation.body.schema, sent) if operation.body else ()
    return next((broken.demand for broken in found if broken.keyword != "required"), "")


def _lost_defaults(operation: Operation) -> Iterator[str]:
    """Each default of an input that the operation would refuse, if it were sent, and each of no input."""
    contract, body = operation.contract, operation.body
    if body is None:
        return
    for _, node in nodes_of(contract.files[resolve(contract.document, body.schema)["$ref"]]):
        properties = node.get("properties")
        for name, said in properties.items() if isinstance(properties, dict) else ():
            if "default" not in said:
                continue
            broken = _refused(operation, {name: said["default"]})
            if broken or name not in operation.inputs:
                yield f"the default of {name!r} is not allowed: {broken or 'it is no input'}"
