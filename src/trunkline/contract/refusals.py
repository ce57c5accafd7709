"""Owns the reasons to refuse: one table of causes for the mock, the laws that provoke them and the rules that judge.

`read` looks at a request with the contract alone. What needs the world (an unknown credential, an unknown
id) is refused by whoever knows the world, with `refuse`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias
from urllib.parse import parse_qsl

from trunkline.contract.model import (
    DOCUMENT,
    Contract,
    DocumentedResponse,
    ErrorCode,
    Operation,
    Parameter,
    RequestBody,
    Violation,
)
from trunkline.exchange import Json, NotJSON, Request, has_lost_letters, parse_json, resolve
from trunkline.findings import Evidence, Grade, to_text
from trunkline.redaction import normalized

_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_CREDENTIAL = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)", re.ASCII)
"""RFC 6750 section 2.1."""
_MOST_DIGITS = 1000
"""A longer integer is beyond every bound; Python does not read more than 4,300 digits."""
LONGEST_BODY = 1 << 20
"""No documented body comes near so many bytes; no page tells a bound, so this one is ours."""
_JSON_MEDIA = re.compile(r"application/([\w.+-]+\+)?json", re.IGNORECASE)
_OF_KEYWORD = {"required": "field_missing", "type": "field_mistyped"}
"""The cause of a body that breaks a keyword; every other keyword is the cause `field_invalid`."""
_HIDDEN = "***"
_SETTLED = 2**31 - 1
"""Beyond it, an integer without a documented range may be refused or cut by anyone."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request must be refused: the cause, the place in the contract it breaks, and what says so.

    `words` fill the message of an answer: `{"name": "limit", "bounds": "between 1 and 100"}`. The place is one in the
    `file`, by default the document.
    """

    cause: str
    operation: Operation | None
    pointer: str
    evidence: Evidence
    sent: str
    broke: str
    words: Mapping[str, str]
    file: str = ""

    def reference(self, contract: Contract) -> str:
        """The place in the contract as findings print it: `schemas/acme/trunk-input.json#/required`."""
        return f"{self.file or f'{contract.folder}/{DOCUMENT}'}#{self.pointer}"


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request that the contract allows: its operation, its parameters as values, its credential, its body."""

    operation: Operation
    values: Mapping[str, Json]
    credential: str
    body: Json = None


Authorize: TypeAlias = Callable[[Operation, str], Refusal | None]
"""Tells why a credential does not open an operation, or None."""


def parse_request(contract: Contract, request: Request, opens: Authorize | None = None) -> ParsedRequest | Refusal:
    """What a request means, or the first reason to refuse it: path, method, credential, parameters in order, body.

    `opens` is asked by those who know which credentials open an operation, before the parameters are looked at.
    """
    found = _addressed(contract, request)
    if isinstance(found, Refusal):
        return found
    operation, in_path = found
    credential = _credential(operation, request) if operation.secured else ""
    if isinstance(credential, Refusal):
        return credential
    refused = opens(operation, credential) if opens and operation.secured else None
    values: dict[str, Json] = dict(in_path)
    for outcome in (refused,) if refused else _parameters(operation, request.query):
        if isinstance(outcome, Refusal):
            return outcome
        values[outcome[0]] = outcome[1]
    body = next(iter(_body(operation, request)), None)
    return body if isinstance(body, Refusal) else ParsedRequest(operation, values, credential, body)


def _addressed(contract: Contract, request: Request) -> tuple[Operation, dict[str, str]] | Refusal:
    """The operation that the path and the method name, and the parameters in the path."""
    operations, in_path = contract.match(request.path)
    if not operations:
        return _custom(contract, "path_unknown", "404", f"path {request.path}", "no such path", {"path": request.path})
    for operation in operations:
        if operation.method == request.method:
            return operation, in_path
    allow = ", ".join(sorted(operation.method for operation in operations))
    words = {"method": request.method, "allow": allow}
    return _custom(contract, "method_not_allowed", "405", f"method {request.method}", f"allowed: {allow}", words)


def reasons_to_refuse(contract: Contract, request: Request) -> tuple[Refusal, ...]:
    """Every reason to refuse a request that the contract alone tells; no page says which of several comes first."""
    operations, _ = contract.match(request.path)
    operation = next((found for found in operations if found.method == request.method), None)
    if operation is None:
        first = parse_request(contract, request)
        return (first,) if isinstance(first, Refusal) else ()
    credential = _credential(operation, request) if operation.secured else ""
    found = (credential, *_parameters(operation, request.query), *_body(operation, request))
    return tuple(reason for reason in found if isinstance(reason, Refusal))


def is_settled(reading: ParsedRequest) -> bool:
    """Whether a page settles every value of a request: one near a bound of our own may be read otherwise by anyone."""
    return not any(
        isinstance(value, int)
        and abs(value) > _SETTLED
        and any(parameter.evidence_for(keyword).grade is Grade.DECISION for keyword in ("minimum", "maximum"))
        for parameter in reading.operation.parameters
        if (value := reading.values.get(parameter.name)) is not None
    )


def refusal_for(operation: Operation, cause: str, sent: str, broke: str, words: Mapping[str, str]) -> Refusal:
    """A refusal that only the world can know of, at the place in the contract that allows it."""
    contract = operation.contract
    for parameter in operation.parameters:
        if cause in parameter.refused and parameter.name == words.get("name", parameter.name):
            return Refusal(cause, operation, parameter.pointer, parameter.refused[cause], sent, broke, words)
    if claimed := _claimed(operation, cause, words.get("name", "")):
        at, said = claimed
        return Refusal(cause, operation, f"{operation.pointer}/x-trunkline/{at}", said, sent, broke, words)
    evidence = contract.security.refused.get(cause)
    if evidence is not None:
        return Refusal(cause, operation, contract.security.pointer, evidence, sent, broke, words)
    for response in operation.responses.values():
        if cause in response.refusals:
            return Refusal(cause, operation, response.pointer, response.evidence, sent, broke, words)
    raise LookupError(cause)


def _claimed(operation: Operation, cause: str, name: str) -> tuple[str, Evidence] | None:
    """The word of the operation that says that there is such a conflict, and what it stands on."""
    creating, deleting = operation.creating, operation.deleting
    if cause == "not_unique" and creating and name in creating.unique:
        return f"create/unique/{name}", creating.unique[name]
    if cause == "not_empty" and deleting and name in deleting.empty:
        return f"delete/empty/{name}", deleting.empty[name]
    if cause == "in_use" and deleting and deleting.unused:
        return "delete/unused", deleting.unused
    return None


def documented_response(contract: Contract, refusal: Refusal) -> tuple[DocumentedResponse, ErrorCode]:
    """The documented response for a refusal, and the code it carries."""
    own = refusal.operation.responses if refusal.operation else {}
    for found in (*own.values(), *contract.responses.values()):
        if refusal.cause in found.refusals:
            return found, found.refusals[refusal.cause]
    raise LookupError(refusal.cause)


def _custom(contract: Contract, cause: str, key: str, sent: str, broke: str, words: Mapping[str, str]) -> Refusal:
    found = contract.responses[key]
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
        if parameter.location != "query":
            continue
        texts = sent.get(parameter.name, [])
        if not texts:
            if "default" in parameter.schema:
                yield parameter.name, parameter.schema["default"]
        elif len(texts) > 1:
            yield _broken(operation, parameter, "parameter_repeated", texts, "schema", "one value")
        else:
            yield _value(operation, parameter, texts[0])


def _body(operation: Operation, request: Request) -> Iterator[Json | Refusal]:
    """The body as a JSON object, or each reason to refuse it, in the order in which they are met."""
    said = operation.body
    if said is None:
        return
    media = (request.header("content-type") or "").partition(";")[0].strip()
    if len(request.body) > LONGEST_BODY:
        sent, words = f"a body of {len(request.body)} bytes", {"limit": str(LONGEST_BODY)}
        yield _bad_body(operation, "body_too_large", sent, f"at most {LONGEST_BODY} bytes", words)
        return
    if not _JSON_MEDIA.fullmatch(media):
        sent, words = f"content-type: {media or 'none'}", {"media_type": media or "none"}
        yield _bad_body(operation, "media_type_unsupported", sent, "application/json", words)
    try:
        body = parse_json(request.body)
    except NotJSON as error:
        yield _bad_body(operation, "body_malformed", f"{len(request.body)} bytes", "JSON", {"reason": str(error)})
        return
    if not isinstance(body, dict):
        words = {"reason": "the body is not an object"}
        yield _bad_body(operation, "body_malformed", _kind(body), "type: object", words)
        return
    if has_lost_letters(body):
        words = {"reason": "a text holds half of a surrogate pair"}
        yield _bad_body(operation, "body_malformed", f"{len(request.body)} bytes", "JSON in UTF-8", words)
        return
    broken = tuple(operation.contract.violations(said.schema, body))
    mistyped = {each.at for each in broken if each.keyword == "type"}  # of such a value nothing more is asked
    meant = (each for each in broken if each.keyword == "type" or each.at not in mistyped)
    violations = sorted(meant, key=lambda each: each.keyword != "required")
    yield from (_broken_field(operation, said, each, body) for each in violations)
    if not violations:
        yield body


def _bad_body(operation: Operation, cause: str, sent: str, broke: str, words: Mapping[str, str]) -> Refusal:
    assert operation.body is not None  # noqa: S101 - only who has one is asked
    return Refusal(cause, operation, operation.body.pointer, operation.body.refused[cause], sent, broke, words)


def _kind(value: Json) -> str:
    """What a value is, without a word of it: what is in the wrong form can hold a secret in any."""
    return {list: "a list", dict: "an object", str: "a text", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )


def _quoted(operation: Operation, at: str, body: Json) -> str:
    """What a body has at a place, unless it is a secret or may hold one."""
    secrets, value = operation.contract.secrets, resolve(body, at)
    told = isinstance(value, str) and any(normalized(name) in normalized(value) for name in secrets)
    if told or any(part in secrets for part in at.split("/")):
        return _HIDDEN
    return _kind(value) if isinstance(value, list | dict) else to_text(value)


def _broken_field(operation: Operation, said: RequestBody, broken: Violation, body: Json) -> Refusal:
    """Why a body with this violation is refused."""
    cause = _OF_KEYWORD.get(broken.keyword, "field_invalid")
    name = broken.at[1:] or "body"
    sent = f"no {name}" if cause == "field_missing" else f"{name}={_quoted(operation, broken.at, body)}"
    return Refusal(
        cause=cause,
        operation=operation,
        pointer=broken.contract.rpartition("#")[2],
        evidence=said.refused[cause].weakest(broken.evidence),
        sent=sent,
        broke=broken.expected,
        words={"name": name, "reason": broken.demand},
        file=broken.contract.partition("#")[0],
    )


def _value(operation: Operation, parameter: Parameter, text: str) -> tuple[str, Json] | Refusal:
    schema = parameter.schema
    if schema["type"] != "integer":
        if "format" in schema and time_of(text) is None:
            return _broken(operation, parameter, "parameter_malformed", [text], "schema/format", "format: date-time")
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
    if cause == "parameter_out_of_range" and parameter.evidence_for(keyword).grade is Grade.DECISION:
        evidence = parameter.evidence_for(keyword)
    return Refusal(
        cause=cause,
        operation=operation,
        pointer=f"{parameter.pointer}/{at}",
        evidence=evidence,
        sent=" and ".join(f"{parameter.name}={text}" for text in texts[:2]),
        broke=broke,
        words={"name": parameter.name, "bounds": bounds(parameter.schema)},
    )


def time_of(text: str) -> datetime | None:
    """The moment of an ISO 8601 date or time; what names no offset, and a date alone, is in UTC (a decision)."""
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def bounds(schema: Mapping[str, Json]) -> str:
    """What a parameter's schema allows, in words: `between 1 and 100`, `one of: active, inactive`."""
    if "enum" in schema:
        return "one of: " + ", ".join(schema["enum"])
    if "minimum" in schema and "maximum" in schema:
        return f"between {schema['minimum']} and {schema['maximum']}"
    if "minimum" in schema:
        return f"at least {schema['minimum']}"
    if "format" in schema:
        return "an ISO 8601 date or time"
    return f"at most {schema['maximum']}" if "maximum" in schema else f"of type {schema['type']}"
