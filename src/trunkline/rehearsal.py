"""Owns the rehearsal of a world: what a mock will say is tried before anyone asks, so that nobody meets what breaks.

`lost` finds what can be seen in the world itself, `spoiled` what only shows when messages and bodies are filled.
Both tell (place in the world, reason).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from string import Formatter

from trunkline.bodies import at_pointer
from trunkline.contract import Answer, Contract, Operation
from trunkline.exchange import Json, pointer
from trunkline.findings import cut
from trunkline.world import Recipe, Serve, World

_LONGEST = 60

_OF_PARAMETERS = {"name": "limit", "bounds": "between 1 and 100"}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "path_unknown": {"path": "/nowhere"},
    "method_not_allowed": {"method": "PUT", "allow": "GET"},
    "parameter_malformed": _OF_PARAMETERS,
    "parameter_out_of_range": _OF_PARAMETERS,
    "parameter_not_allowed": _OF_PARAMETERS,
    "parameter_repeated": _OF_PARAMETERS,
}
"""The words that fill the message of a cause, with a sample of each; the other causes have none."""

_UNIQUE = ("serial", "letters", "uuid")
"""The ways to make a value that make no value twice."""


# --- what can be seen -----------------------------------------------------------------------------------------------


def lost(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    """Each name in the world that names nothing, and each operation, cause or word that the world leaves out."""
    documented = {operation.operation_id for operation in contract.operations}
    for name in sorted(documented - set(world.serves)):
        yield "/operations", f"nothing serves the operation {name}"
    for name, serve in world.serves.items():
        at = f"/operations/{name}"
        if name not in documented:
            yield at, "the contract has no such operation"
        elif serve.collection not in world.collections:
            yield f"{at}/collection", f"there is no collection {serve.collection!r}"
        elif getattr(contract.operation(name), {"list": "listing", "fetch": "fetching"}[serve.verb]) is None:
            yield f"{at}/verb", f"the contract does not say how {name} would {serve.verb}"
        else:
            yield from _lost_fields(serve, contract.operation(name), world, at)
            yield from _lost_words(serve, contract.operation(name), f"{at}/body")
    for name in set(world.collections) - {serve.collection for serve in world.serves.values()}:
        yield f"/collections/{name}", "no operation serves it"
    for name, collection in world.collections.items():
        yield from _lost_recipes(collection.generate, collection.identity, f"/collections/{name}/generate")
    yield from _lost_refusals(world, contract)


def _lost_fields(serve: Serve, operation: Operation, world: World, at: str) -> Iterator[tuple[str, str]]:
    identity = world.collections[serve.collection].identity
    for field in serve.order:
        if field.lstrip("-") not in operation.view:
            yield f"{at}/order", f"{field!r} is not a field that the operation documents"
    if identity not in operation.view:
        yield (
            f"/collections/{serve.collection}/identity",
            f"{identity!r} is not a field that {operation.operation_id} documents",
        )
    if serve.order and serve.order[-1].lstrip("-") != identity:
        yield f"{at}/order", f"the last is not {identity!r}, which alone breaks every tie"


def _lost_words(serve: Serve, operation: Operation, at: str) -> Iterator[tuple[str, str]]:
    """Each word of a body that nothing fills, and each place of the contract where its word does not stand."""
    listing, fetching = operation.listing, operation.fetching
    wanted: dict[str, str] = {}
    known = set(_values(serve, operation, None))
    if serve.verb == "list" and listing:
        paging = listing.paging
        wanted[listing.items] = "items"
        wanted |= {paging.total.at: "total"} if paging and paging.total else {}
        wanted |= {said.at: name for name, said in paging.echo.items()} if paging else {}
    elif fetching:
        wanted[fetching.item] = "item"
    for reason in _strays(serve.body, known, lists=True):
        yield at, reason
    for place, word in wanted.items():
        if at_pointer(serve.body, place) != f"{{{word}}}":
            yield at, f"{{{word}}} does not stand at {place or 'its top'}, where the contract says so"


def _lost_refusals(world: World, contract: Contract) -> Iterator[tuple[str, str]]:
    causes = {cause for answer in _answers(contract) for cause in answer.refusals}
    for cause in sorted(causes ^ set(world.words)):
        missing = cause in causes
        yield "/refusals", f"{cause} has no message" if missing else f"{cause} is not a cause that the contract answers"
    for cause, message in world.words.items():
        yield from ((f"/refusals/{cause}", reason) for reason in _unfilled(message, _WORDS.get(cause, {})))
    words = ("code", "message")
    for reason in _strays(world.envelope, words, lists=False):
        yield "/errors/body", reason
    for located, word in zip(contract.errors, words, strict=True):
        if at_pointer(world.envelope, located.at) != f"{{{word}}}":
            yield "/errors/body", f"{{{word}}} does not stand at {located.at or 'its top'}, where the contract says so"
    for index, grant in enumerate(world.tokens.values()):
        for operation in contract.operations if grant.refused else ():
            if operation.secured and not any(grant.refused in answer.refusals for answer in operation.answers.values()):
                yield f"/tokens/{index}/refused", f"{operation.operation_id} answers no {grant.refused}"


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
            yield f"nothing fills {cut(node, _LONGEST)} there; a word is a whole text, one of {', '.join(words)}"


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


def _lost_recipes(recipe: Recipe, identity: str, at: str) -> Iterator[tuple[str, str]]:
    """Each way to make a value that makes none, and an identity that could be made twice."""
    how = recipe.get(identity, {})
    if recipe and ("null" in how or not any(way in how for way in _UNIQUE)):
        yield f"{at}/{identity}", f"the identity is made by one of {', '.join(_UNIQUE)}, and is never null"
    for name, made in recipe.items():
        yield from _lost_ways(made, at + pointer((name,)))


def _lost_ways(how: Mapping[str, Json], at: str) -> Iterator[tuple[str, str]]:
    for name, made in how.get("fields", {}).items():
        yield from _lost_ways(made, f"{at}/fields{pointer((name,))}")
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


def alternatives(recipe: Recipe) -> Iterator[tuple[str, Json]]:
    """Each field with a value that a recipe seldom or often chooses: null, each of a choice, both ends of a range."""
    for name, how in recipe.items():
        values = [*how.get("one_of", ()), *how.get("between", ())]
        values += [None] if how.get("null") else []
        yield from ((name, value) for value in values)


# --- what shows when it is filled -----------------------------------------------------------------------------------


def spoiled(world: World, contract: Contract, samples: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Each refusal, and each body with and without what it shows, that breaks the contract.

    `samples` is what each operation shows of one record.
    """
    for answer in _answers(contract):
        for cause, code in answer.refusals.items():
            message = world.words[cause].format_map(_WORDS.get(cause, {}))
            body = _poured(world.envelope, {"code": code.code, "message": message})
            yield from (("/errors/body", f"for {cause}, {reason}") for reason in _broken(contract, answer, body))
    for operation in contract.operations:
        serve = world.serves[operation.operation_id]
        sample = samples.get(operation.operation_id)
        for item in (None, sample) if serve.verb == "list" else (sample,):
            if item is not None or serve.verb == "list":
                body = _poured(serve.body, _values(serve, operation, item))
                for reason in _broken(contract, operation.success, body):
                    yield f"/operations/{operation.operation_id}/body", f"{'filled' if item else 'empty'}, {reason}"


def _answers(contract: Contract) -> tuple[Answer, ...]:
    own = [answer for operation in contract.operations for answer in operation.answers.values()]
    return tuple({answer.pointer: answer for answer in (*own, *contract.answers.values())}.values())


def _broken(contract: Contract, answer: Answer, body: Json) -> Iterator[str]:
    for violation in contract.violations(answer.schema, body):
        yield f"it breaks the contract at {violation.at or 'its top'}: {violation.message} ({violation.contract})"


def _values(serve: Serve, operation: Operation, item: Json) -> dict[str, Json]:
    """The words of a body with what a request without a query fills them with."""
    if serve.verb == "fetch":
        return {"item": item}
    items = [] if item is None else [item]
    schemas = {said.name: said.schema for said in operation.parameters if said.place == "path"}
    in_path = {name: [*schema.get("enum", schema.get("examples", ())), "x"][0] for name, schema in schemas.items()}
    always = {said.name: said.schema["default"] for said in operation.parameters if "default" in said.schema}
    return {**in_path, **always, "items": items, "total": len(items)}


def _poured(template: Json, values: Mapping[str, Json]) -> Json:
    if isinstance(template, dict):
        return {name: _poured(inner, values) for name, inner in template.items()}
    if isinstance(template, list):
        return [_poured(inner, values) for inner in template]
    return values[template[1:-1]] if isinstance(template, str) and template.startswith("{") else template
