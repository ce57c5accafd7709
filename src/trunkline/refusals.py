"""Owns the reasons to refuse: one table of causes for the mock, the laws that provoke them and the rules that judge.

`read` looks at a request with the contract alone. What needs the world (an unknown credential, an unknown
id) is refused by whoever knows the world, with `refuse`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl

from trunkline.contract import Answer, Code, Contract, Operation, Parameter
from trunkline.exchange import Json, Request
from trunkline.findings import Evidence, Grade

_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_CREDENTIAL = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)", re.ASCII)
"""RFC 6750 section 2.1."""
_MOST_DIGITS = 1000
"""A longer integer is beyond every bound; Python does not read more than 4,300 digits."""
_SETTLED = 2**31 - 1
"""Beyond it, an integer without a documented range may be refused or cut by anyone."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request must be refused: the cause, the place in the contract it breaks, and what says so.

    `words` fill the message of an answer: `{"name": "limit", "bounds": "between 1 and 100"}`.
    """

    cause: str
    operation: Operation | None
    pointer: str
    evidence: Evidence
    sent: str
    broke: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """A request that the contract allows: its operation, its parameters as values, its credential."""

    operation: Operation
    values: Mapping[str, Json]
    credential: str


Opens: TypeAlias = Callable[[Operation, str], Refusal | None]
"""Tells why a credential does not open an operation, or None."""


def read(contract: Contract, request: Request, opens: Opens | None = None) -> Reading | Refusal:
    """What a request means, or the first reason to refuse it: path, method, credential, then parameters in order.

    `opens` is asked by those who know which credentials open an operation, before the parameters are looked at.
    """
    operations, in_path = contract.match(request.path)
    if not operations:
        return _custom(contract, "path_unknown", "404", f"path {request.path}", "no such path", {"path": request.path})
    for operation in operations:
        if operation.method == request.method:
            break
    else:
        allow = ", ".join(sorted(operation.method for operation in operations))
        words = {"method": request.method, "allow": allow}
        return _custom(contract, "method_not_allowed", "405", f"method {request.method}", f"allowed: {allow}", words)
    credential = ""
    if operation.secured:
        found = _credential(operation, request)
        if isinstance(found, Refusal):
            return found
        credential = found
        refused = opens(operation, credential) if opens else None
        if refused is not None:
            return refused
    values: dict[str, Json] = dict(in_path)
    for outcome in _parameters(operation, request.query):
        if isinstance(outcome, Refusal):
            return outcome
        values[outcome[0]] = outcome[1]
    return Reading(operation, values, credential)


def reasons(contract: Contract, request: Request) -> tuple[Refusal, ...]:
    """Every reason to refuse a request that the contract alone tells; no page says which of several comes first."""
    operations, _ = contract.match(request.path)
    operation = next((found for found in operations if found.method == request.method), None)
    if operation is None:
        first = read(contract, request)
        return (first,) if isinstance(first, Refusal) else ()
    credential = _credential(operation, request) if operation.secured else ""
    found = (credential, *_parameters(operation, request.query))
    return tuple(reason for reason in found if isinstance(reason, Refusal))


def is_settled(reading: Reading) -> bool:
    """Whether a page settles every value of a request: one near a bound of our own may be read otherwise by anyone."""
    return not any(
        isinstance(value, int)
        and abs(value) > _SETTLED
        and any(parameter.says(keyword).grade is Grade.DECISION for keyword in ("minimum", "maximum"))
        for parameter in reading.operation.parameters
        if (value := reading.values.get(parameter.name)) is not None
    )


def refuse(operation: Operation, cause: str, sent: str, broke: str, words: Mapping[str, str]) -> Refusal:
    """A refusal that only the world can know of, at the place in the contract that allows it."""
    contract = operation.contract
    for parameter in operation.parameters:
        if cause in parameter.refused:
            return Refusal(cause, operation, parameter.pointer, parameter.refused[cause], sent, broke, words)
    evidence = contract.security.refused.get(cause)
    if evidence is not None:
        return Refusal(cause, operation, contract.security.pointer, evidence, sent, broke, words)
    for answer in operation.answers.values():
        if cause in answer.refusals:
            return Refusal(cause, operation, answer.pointer, answer.evidence, sent, broke, words)
    raise LookupError(cause)


def answer(contract: Contract, refusal: Refusal) -> tuple[Answer, Code]:
    """The documented response for a refusal, and the code it carries."""
    own = refusal.operation.answers if refusal.operation else {}
    for found in (*own.values(), *contract.answers.values()):
        if refusal.cause in found.refusals:
            return found, found.refusals[refusal.cause]
    raise LookupError(refusal.cause)


def _custom(contract: Contract, cause: str, key: str, sent: str, broke: str, words: Mapping[str, str]) -> Refusal:
    found = contract.answers[key]
    return Refusal(cause, None, found.pointer, found.evidence, sent, broke, words)


def _credential(operation: Operation, request: Request) -> str | Refusal:
    value = request.header("authorization")
    security = operation.contract.security
    if value is None:
        cause, sent = "credentials_missing", "no Authorization header"
    else:
        match = _CREDENTIAL.fullmatch(value)
        if match:
            return match[1]
        cause, sent = "credentials_malformed", "an Authorization header that is not a Bearer credential"
    return Refusal(cause, operation, security.pointer, security.refused[cause], sent, "scheme: bearer", {})


def _parameters(operation: Operation, query: str) -> Iterator[tuple[str, Json] | Refusal]:
    sent: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape") if query else ():
        sent.setdefault(name, []).append(value)
    for parameter in operation.parameters:
        if parameter.place != "query":
            continue
        texts = sent.get(parameter.name, [])
        if not texts:
            if "default" in parameter.schema:
                yield parameter.name, parameter.schema["default"]
        elif len(texts) > 1:
            yield _broken(operation, parameter, "parameter_repeated", texts, "schema", "one value")
        else:
            yield _value(operation, parameter, texts[0])


def _value(operation: Operation, parameter: Parameter, text: str) -> tuple[str, Json] | Refusal:
    schema = parameter.schema
    if schema["type"] != "integer":
        if text in schema.get("enum", (text,)):
            return parameter.name, text
        return _broken(operation, parameter, "parameter_not_allowed", [text], "schema/enum", bounds(schema))
    if not _INTEGER.fullmatch(text):
        return _broken(operation, parameter, "parameter_malformed", [text], "schema/type", "type: integer")
    value = int(text) if len(text) <= _MOST_DIGITS else 10**_MOST_DIGITS * (-1 if text.startswith("-") else 1)
    for keyword, broken in (
        ("minimum", value < schema.get("minimum", value)),
        ("maximum", value > schema.get("maximum", value)),
    ):
        if broken:
            broke = f"{keyword}: {schema[keyword]}"
            return _broken(operation, parameter, "parameter_out_of_range", [text], f"schema/{keyword}", broke)
    return parameter.name, value


def _broken(operation: Operation, parameter: Parameter, cause: str, texts: list[str], at: str, broke: str) -> Refusal:
    evidence = parameter.refused[cause]
    keyword = at.partition("/")[2]
    if cause == "parameter_out_of_range" and parameter.says(keyword).grade is Grade.DECISION:
        evidence = parameter.says(keyword)
    return Refusal(
        cause=cause,
        operation=operation,
        pointer=f"{parameter.pointer}/{at}",
        evidence=evidence,
        sent=" and ".join(f"{parameter.name}={text}" for text in texts[:2]),
        broke=broke,
        words={"name": parameter.name, "bounds": bounds(parameter.schema)},
    )


def bounds(schema: Mapping[str, Json]) -> str:
    """What a parameter's schema allows, in words: `between 1 and 100`, `one of: active, inactive`."""
    if "enum" in schema:
        return "one of: " + ", ".join(schema["enum"])
    if "minimum" in schema and "maximum" in schema:
        return f"between {schema['minimum']} and {schema['maximum']}"
    if "minimum" in schema:
        return f"at least {schema['minimum']}"
    return f"at most {schema['maximum']}" if "maximum" in schema else f"of type {schema['type']}"
