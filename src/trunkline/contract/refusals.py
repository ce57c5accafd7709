"""Reasons to refuse a request: the mock answers with them, laws provoke them, and rules expect them.

`parse_request` needs the contract alone. An unknown credential, an unknown id and a conflict depend on the records;
who has those builds the refusal with `refusal_for`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, MutableSet
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import parse_qsl

from msgspec import Struct
from msgspec.structs import replace

from trunkline.contract.formats import read_bound
from trunkline.contract.http import JSON_MEDIA_TYPE, with_implied
from trunkline.contract.model import (
    DOCUMENT,
    Contract,
    Create,
    Delete,
    DocumentedResponse,
    ErrorCode,
    Operation,
    Parameter,
    RequestBody,
    Violation,
)
from trunkline.contract.requests import bearer_token
from trunkline.contract.schema import Steps
from trunkline.exchange import Json, NotJSON, Request, beyond_limits, has_lone_surrogate, parse_json, resolve
from trunkline.findings import Evidence, Grade, to_text
from trunkline.redaction import REDACTED, normalized

_PARAMETER_PLACEHOLDERS = {"name": "limit", "bounds": "between 1 and 100"}
CAUSES: Mapping[str, Mapping[str, str]] = {
    "path_unknown": {"path": "/nowhere"},
    "method_not_allowed": {"method": "PUT", "allow": "GET"},
    "credentials_missing": {},
    "credentials_malformed": {},
    "credentials_unknown": {},
    "permission_missing": {},
    "parameter_malformed": _PARAMETER_PLACEHOLDERS,
    "parameter_out_of_range": _PARAMETER_PLACEHOLDERS,
    "parameter_not_allowed": _PARAMETER_PLACEHOLDERS,
    "parameter_repeated": _PARAMETER_PLACEHOLDERS,
    "id_unknown": {"id": "nothing"},
    "rate_limited": {},
    "media_type_unsupported": {"media_type": "text/plain"},
    "body_malformed": {"reason": "the body is empty"},
    "body_too_large": {"limit": "1048576"},
    "field_missing": {"name": "name", "reason": "is required"},
    "field_mistyped": {"name": "name", "reason": "must be of type string"},
    "field_invalid": {"name": "name", "reason": "must have at most 255 characters"},
    "not_unique": {"name": "sip_username", "value": "north"},
    "not_empty": {"name": "things"},
    "in_use": {},
}
"""Every cause of a refusal, with the placeholders of its message and a sample value of each."""

LONGEST_BODY = 1 << 20
"""The number of bytes from which on a body is too large. No page gives a bound, and no documented body comes near."""
_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_SHORT = 32
"""The most characters of a parameter whose parsed value is remembered."""
_MOST_DIGITS = 1000
"""The number of digits from which on an integer is beyond every bound; Python reads at most 4,300."""
_UNSTATED_CODING = Evidence(Grade.DECISION, note="no page says whether a coded body is decoded")
_CAUSE_OF_KEYWORD = {"required": "field_missing", "type": "field_mistyped"}
"""The cause of a body that breaks a keyword; for every other keyword it is `field_invalid`."""
_SPECIFIED = 2**31 - 1
"""The largest integer that every server can be expected to read exactly, where no page gives a range."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason to refuse a request: the cause, the evidence, and the pointer to what the request breaks.

    `sent` and `broke` say it for people: `limit=0` and `minimum: 1`. `placeholders` fill the response's message:
    `{"name": "limit", "bounds": "between 1 and 100"}`. The pointer is into `file`, by default the document.
    """

    cause: str
    operation: Operation | None
    pointer: str
    evidence: Evidence
    sent: str
    broke: str
    placeholders: Mapping[str, str]
    file: str = ""

    def reference(self, contract: Contract) -> str:
        """The place in the contract as findings print it: `schemas/acme/trunk-input.json#/required`."""
        return f"{self.file or f'{contract.folder}/{DOCUMENT}'}#{self.pointer}"


class ParsedRequest(Struct, frozen=True):
    """A request that the contract allows: its operation, its parameters as values, its credential, its body.

    `names` are those in its query, if one of them is not documented; else there are none.
    """

    operation: Operation
    values: Mapping[str, Json]
    credential: str
    body: Json = None
    names: tuple[str, ...] = ()


Authorize: TypeAlias = Callable[[Operation, str], Refusal | None]
"""Returns the refusal of a credential that gives no access to an operation, or None."""


def parse_request(contract: Contract, request: Request, authorize: Authorize | None = None) -> ParsedRequest | Refusal:
    """Parse a request, or return the first reason to refuse it.

    Path, method, credential, parameters and body are looked at in this order; `authorize` is called after the
    credential was parsed.
    """
    access = parse_access(contract, request, authorize)
    parsed = access if isinstance(access, Refusal) else parse_query(access, request.query)
    if isinstance(parsed, Refusal) or not parsed.operation.body:
        return parsed
    body = next(iter(_body(parsed.operation, request)), None)
    return body if isinstance(body, Refusal) else replace(parsed, body=body)


def parse_access(contract: Contract, request: Request, authorize: Authorize | None = None) -> ParsedRequest | Refusal:
    """Parse path, method and credential alone: the values are those in the path."""
    found = _find_operation(contract, request)
    if isinstance(found, Refusal):
        return found
    operation, in_path = found
    credential = _credential(operation, request) if operation.secured else ""
    if isinstance(credential, Refusal):
        return credential
    refused = authorize(operation, credential) if authorize and operation.secured else None
    return refused or ParsedRequest(operation, in_path, credential)


def parse_query(access: ParsedRequest, query: str) -> ParsedRequest | Refusal:
    """Add the values of the query to those in the path."""
    operation = access.operation
    values = {**_query_defaults(operation), **access.values}
    pairs = _query_pairs(query)
    found = _parameters(operation, pairs)
    for parsed in found:
        if isinstance(parsed, Refusal):
            return parsed
        values[parsed[0]] = parsed[1]
    names = tuple(name for name, _ in pairs) if len(pairs) > len(found) else ()
    return ParsedRequest(operation, values, access.credential, None, names)


def query_names(query: str) -> list[str]:
    """The decoded names in a query, in order: `limit=10&name=a%20b` -> `["limit", "name"]`."""
    return [name for name, _ in _query_pairs(query)]


@lru_cache(maxsize=2)
def reasons_to_refuse(contract: Contract, request: Request) -> tuple[Refusal, ...]:
    """All reasons to refuse a request that the contract alone gives. No page says which of several comes first.

    A body beyond the limits of trunkline is no reason, although the mock refuses it.
    """
    found = _find_operation(contract, request)
    if isinstance(found, Refusal):
        return (found,)
    operation, _ = found
    credential = _credential(operation, request) if operation.secured else ""
    body = () if beyond_limits(request.body) else _body(operation, request)
    parsed = (credential, *_parameters(operation, _query_pairs(request.query)), *body)
    return tuple(reason for reason in parsed if isinstance(reason, Refusal))


def confirmed_reasons(
    contract: Contract, request: Request, known: MutableSet[tuple[str, Steps]] | None = None
) -> tuple[Refusal, ...]:
    """Those of `reasons_to_refuse` in which both validators agree. `known` is as for `Contract.confirmed_violations`.

    jsonschema is imported for a body that breaks its schema, so ask only for what is about to become a finding.
    """
    reasons = reasons_to_refuse(contract, request)
    operation = next((reason.operation for reason in reasons if reason.file), None)
    if operation is None or operation.body is None:
        return reasons
    confirmed, _ = contract.confirmed_violations(operation.body.schema, parse_json(request.body), known)
    places = {(found.contract, _name_of(found)) for found in confirmed}
    return tuple(
        reason
        for reason in reasons
        if not reason.file or (reason.reference(contract), reason.placeholders["name"]) in places
    )


def is_specified(request: ParsedRequest) -> bool:
    """Whether every value has a documented meaning. A huge integer whose bound is our decision has none."""
    return not any(
        isinstance(value, int)
        and abs(value) > _SPECIFIED
        and any(not parameter.evidence_for(keyword).grade.carries_findings for keyword in ("minimum", "maximum"))
        for parameter in request.operation.parameters
        if (value := request.values.get(parameter.name)) is not None
    )


def refusal_for(operation: Operation, cause: str, sent: str, broke: str, placeholders: Mapping[str, str]) -> Refusal:
    """Build a refusal that depends on more than the contract. Raises `LookupError` if the operation has no such cause.

    `placeholders["name"]` names the parameter, the unique input or the resource that it is about.
    """
    at, evidence = _basis(operation, cause, placeholders.get("name", ""))
    return Refusal(cause, operation, at, evidence, sent, broke, placeholders)


def _basis(operation: Operation, cause: str, name: str) -> tuple[str, Evidence]:
    """The pointer to the part of the contract that allows a refusal, and its evidence."""
    for parameter in operation.parameters:
        if cause in parameter.refused and name in ("", parameter.name):
            return parameter.pointer, parameter.refused[cause]
    kind, at = operation.kind, f"{operation.pointer}/x-trunkline"
    if cause == "not_unique" and isinstance(kind, Create) and name in kind.unique:
        return f"{at}/create/unique/{name}", kind.unique[name]
    if cause == "not_empty" and isinstance(kind, Delete) and name in kind.empty:
        return f"{at}/delete/empty/{name}", kind.empty[name]
    if cause == "in_use" and isinstance(kind, Delete) and kind.unused:
        return f"{at}/delete/unused", kind.unused
    security = operation.contract.security
    if cause in security.refused:
        return security.pointer, security.refused[cause]
    for response in operation.responses.values():
        if cause in response.refusals:
            return response.pointer, response.evidence
    raise LookupError(cause)


def documented_response(contract: Contract, refusal: Refusal) -> tuple[DocumentedResponse, ErrorCode]:
    """The documented response for a refusal, and its error code. Raises `LookupError` if there is none."""
    own = refusal.operation.responses if refusal.operation else {}
    for response in (*own.values(), *contract.responses.values()):
        if refusal.cause in response.refusals:
            return response, response.refusals[refusal.cause]
    raise LookupError(refusal.cause)


# --- path, method, credential ---------------------------------------------------------------------------------------


def _find_operation(contract: Contract, request: Request) -> tuple[Operation, dict[str, str]] | Refusal:
    """The operation for the path and the method, and the parameters in the path."""
    operations, in_path = contract.match(request.path)
    for operation in operations:
        if operation.method == request.method:
            return operation, in_path
    if operations:
        allow = ", ".join(with_implied(operation.method for operation in operations))
        response, placeholders = contract.responses["405"], {"method": request.method, "allow": allow}
        cause, sent, broke = "method_not_allowed", f"method {request.method}", f"allowed: {allow}"
    else:
        response, placeholders = contract.responses["404"], {"path": request.path}
        cause, sent, broke = "path_unknown", f"path {request.path}", "no such path"
    return Refusal(cause, None, response.pointer, response.evidence, sent, broke, placeholders)


def _credential(operation: Operation, request: Request) -> str | Refusal:
    value = request.header("authorization")
    if token := bearer_token(value):
        return token
    cause, sent = "credentials_malformed", "an Authorization header that is not a Bearer credential"
    if value is None:
        cause, sent = "credentials_missing", "no Authorization header"
    security = operation.contract.security
    return Refusal(cause, operation, security.pointer, security.refused[cause], sent, "scheme: bearer", {})


# --- parameters -----------------------------------------------------------------------------------------------------


def _parameters(operation: Operation, pairs: list[tuple[str, str]]) -> list[tuple[str, Json] | Refusal]:
    """Name and value of each query parameter that was sent, or the reason to refuse it."""
    sent = dict(pairs)
    parsed: list[tuple[str, Json] | Refusal] = []
    for name in _query_names(operation):
        if name not in sent:
            continue
        text = sent[name]
        if len(sent) < len(pairs) and len(texts := [value for found, value in pairs if found == name]) > 1:
            parsed.append(_bad_parameter(operation, operation.parameter(name), "parameter_repeated", "", *texts[:2]))
        else:
            parsed.append((_short_value if len(text) <= _SHORT else _value)(operation, name, text))
    return parsed


@lru_cache(maxsize=256)
def _query_names(operation: Operation) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in operation.parameters if parameter.location == "query")


@lru_cache(maxsize=256)
def _query_defaults(operation: Operation) -> Mapping[str, Json]:
    parameters = (parameter for parameter in operation.parameters if parameter.location == "query")
    return {parameter.name: parameter.schema["default"] for parameter in parameters if "default" in parameter.schema}


def _query_pairs(query: str) -> list[tuple[str, str]]:
    """The decoded names and values: `limit=10&name=a%20b` -> `[("limit", "10"), ("name", "a b")]`."""
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]  # the same, in a third of the time
    return [(name, value) for name, _, value in pairs]


def _value(operation: Operation, name: str, text: str) -> tuple[str, Json] | Refusal:
    parameter = operation.parameter(name)
    schema = parameter.schema
    cause = keyword = ""
    value: Json = text
    if schema["type"] != "integer":
        if "format" in schema and read_bound(text) is None:
            cause, keyword = "parameter_malformed", "format"
        elif text not in schema.get("enum", (text,)):
            cause, keyword = "parameter_not_allowed", "enum"
    elif not _INTEGER.fullmatch(text):
        cause, keyword = "parameter_malformed", "type"
    else:
        value = int(text) if len(text) <= _MOST_DIGITS else 10**_MOST_DIGITS * (-1 if text.startswith("-") else 1)
        if value < schema.get("minimum", value):
            cause, keyword = "parameter_out_of_range", "minimum"
        elif value > schema.get("maximum", value):
            cause, keyword = "parameter_out_of_range", "maximum"
    return _bad_parameter(operation, parameter, cause, keyword, text) if cause else (parameter.name, value)


_short_value = lru_cache(maxsize=4096)(_value)
"""`_value` for short texts: clients send the same values again and again."""


def _bad_parameter(operation: Operation, parameter: Parameter, cause: str, keyword: str, *texts: str) -> Refusal:
    """The refusal of the values of a parameter that break a keyword, or, without one, of more than one value."""
    evidence, schema = parameter.refused[cause], parameter.schema
    if cause == "parameter_out_of_range" and not parameter.evidence_for(keyword).grade.carries_findings:
        evidence = parameter.evidence_for(keyword)
    at = f"{parameter.pointer}/schema{keyword and '/'}{keyword}"
    sent = " and ".join(f"{parameter.name}={text}" for text in texts)
    broke = "one value" if not keyword else bounds(schema) if keyword == "enum" else f"{keyword}: {schema[keyword]}"
    return Refusal(cause, operation, at, evidence, sent, broke, {"name": parameter.name, "bounds": bounds(schema)})


def bounds(schema: Mapping[str, Json]) -> str:
    """Describe the values that a parameter's schema allows: `between 1 and 100`, `one of: active, inactive`."""
    if "enum" in schema:
        return "one of: " + ", ".join(schema["enum"])
    if "minimum" in schema and "maximum" in schema:
        return f"between {schema['minimum']} and {schema['maximum']}"
    if "minimum" in schema:
        return f"at least {schema['minimum']}"
    if "format" in schema:
        return "an RFC 3339 date or time"
    return f"at most {schema['maximum']}" if "maximum" in schema else f"of type {schema['type']}"


# --- the body -------------------------------------------------------------------------------------------------------


def _body(operation: Operation, request: Request) -> Iterator[Json | Refusal]:
    """The body as a JSON object, or each reason to refuse it, in the order in which they are found."""
    expected, content = operation.body, request.body
    if expected is None:
        return

    def bad(cause: str, sent: str, broke: str, **placeholders: str) -> Refusal:
        return Refusal(cause, operation, expected.pointer, expected.refused[cause], sent, broke, placeholders)

    size = f"{len(content)} bytes"
    if len(content) > LONGEST_BODY:
        yield bad("body_too_large", f"a body of {size}", f"at most {LONGEST_BODY} bytes", limit=str(LONGEST_BODY))
        return
    media = (request.header("content-type") or "").partition(";")[0].strip(" \t")
    if coding := ", ".join(value for name, value in request.headers if name == "content-encoding"):
        named = {"media_type": f"{media or 'none'} coded as {coding}", "accept-encoding": "identity"}
        sent, broke = f"content-encoding: {coding}", "no content coding"
        yield Refusal("media_type_unsupported", operation, expected.pointer, _UNSTATED_CODING, sent, broke, named)
        return
    if not JSON_MEDIA_TYPE.fullmatch(media):
        media = media or "none"
        yield bad("media_type_unsupported", f"content-type: {media}", "application/json", media_type=media)
    try:
        body = parse_json(content)
    except NotJSON as error:
        yield bad("body_malformed", size, "JSON", reason=str(error))
        return
    if not isinstance(body, dict):
        yield bad("body_malformed", _type_name(body), "type: object", reason="the body is not an object")
    elif has_lone_surrogate(body):
        yield bad("body_malformed", size, "JSON in UTF-8", reason="a text holds half of a surrogate pair")
    else:
        yield from _fields(operation, expected, body)


def _fields(operation: Operation, expected: RequestBody, body: dict[str, Json]) -> Iterator[Json | Refusal]:
    """The body, or a refusal for each field that breaks the schema, missing ones first.

    A value of a wrong type is refused for that alone.
    """
    violations = operation.contract.violations(expected.schema, body)
    if not violations:
        yield body
    mistyped = {violation.at for violation in violations if violation.keyword == "type"}
    relevant = [found for found in violations if found.keyword == "type" or found.at not in mistyped]
    for violation in sorted(relevant, key=lambda violation: violation.keyword != "required"):
        cause = _CAUSE_OF_KEYWORD.get(violation.keyword, "field_invalid")
        name = _name_of(violation)
        sent = f"no {name}" if cause == "field_missing" else f"{name}={_quoted(operation, violation.at, body)}"
        file, _, at = violation.contract.rpartition("#")
        evidence = expected.refused[cause].weakest(violation.evidence)
        placeholders = {"name": name, "reason": violation.demand}
        yield Refusal(cause, operation, at, evidence, sent, violation.expected, placeholders, file)


def _name_of(violation: Violation) -> str:
    """The name of the field that a violation of a body is about."""
    return violation.at[1:] or "body"


def _quoted(operation: Operation, at: str, body: Json) -> str:
    """The value at a pointer as JSON, or `***` for a secret and for a text that may contain one."""
    secrets, value = operation.contract.secrets, resolve(body, at)
    named = isinstance(value, str) and any(normalized(name) in normalized(value) for name in secrets)
    if named or any(part in secrets for part in at.split("/")):
        return REDACTED
    return _type_name(value) if isinstance(value, list | dict) else to_text(value)


def _type_name(value: Json) -> str:
    """The name of a value's type. A value of the wrong type is not quoted: it may contain a secret anywhere."""
    names = {list: "a list", dict: "an object", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
