"""Rules on the form of a response: its status, media type, schema and rate-limit headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableSet
from dataclasses import replace

from trunkline.check.problem import Problem, customary, disputed, implied
from trunkline.check.rules.outline import allowed_extras, objects_of
from trunkline.check.rules.rule import Rule, rule
from trunkline.contract.bodies import NOTHING, all_texts, json_of, shown_response
from trunkline.contract.http import JSON_MEDIA_TYPE
from trunkline.contract.model import DocumentedResponse, Operation, Violation
from trunkline.contract.schema import Steps
from trunkline.contract.times import DAY, UNIX_SECONDS
from trunkline.exchange import SMALL_BODY, Exchange, NotJSON, pointer, read_body
from trunkline.findings import Evidence, Grade, to_text, without_positions
from trunkline.redaction import normalized
from trunkline.transport.messages import http_time

_A_YEAR = 366 * DAY
_MOST_NAMED = 20
"""The number of properties that one message names."""
_ESCAPED = re.compile(rb"\\u(?:[dD][89a-fA-F]|[fF]{3}[dD])")
"""The escapes of these characters."""
_ABSENT = "required properties are absent"
"""In the sentence about several of them, before their names."""
_REPLACEMENT_OR_SURROGATE = re.compile("[\ufffd\ud800-\udfff]")
_CHARSET = re.compile(r'charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE | re.ASCII)


@rule("the documented responses, which include no server error", "status")
def documented_status(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """The contract lists the status for the operation."""
    status = exchange.response.status
    if status < 500 and operation.response_for(status) is None:
        message = f"the status is {status}, which the contract does not list"
        place, listed = f"{operation.pointer}/responses", ", ".join(operation.responses)
        yield Problem(message, operation.success.evidence, "status", place, listed)


@rule("implied: no server error is documented", "status", anywhere=True)
def no_server_error(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """No request makes the server fail with a 5xx."""
    status = exchange.response.status
    unknown_method = status == 501 and exchange.request.method != operation.method  # RFC 9110 section 15.6.2
    if status >= 500 and not unknown_method:
        evidence = implied(operation.evidence, "no server error is documented")
        yield Problem(f"the server failed with {status}", evidence, "status", expected="below 500")


@rule("the schema of the body; a missing header and a charset are customary (RFC 9110, RFC 8259)", "status", "headers")
def media_type_is_json(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """The Content-Type is JSON, and names no other charset than UTF-8."""
    shown = shown_response(operation, exchange)
    if shown is None or not exchange.response.body:
        return
    content_type = exchange.response.header("content-type")
    media_type, _, parameters = (content_type or "").partition(";")
    charset = _CHARSET.search(parameters)
    if content_type is None:
        evidence, message = customary(9110, "8.3"), "the response has no Content-Type"
    elif not JSON_MEDIA_TYPE.fullmatch(media_type.strip(" \t")):
        evidence, message = _evidence_of_body(operation, shown), "the media type of the response is not JSON"
    elif charset and charset[1].lower() not in ("utf-8", "utf8"):
        evidence, message = customary(8259, "8.1"), "the JSON is not in UTF-8"
    else:
        return
    yield Problem(message, evidence, "header/content-type", f"{shown.pointer}/content", "application/json")


@rule("the schema of the body", "body", of_bytes=True)
def body_is_json(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """The body is one JSON text in UTF-8, without a byte order mark or NaN."""
    shown = shown_response(operation, exchange)
    unstated = exchange.response.status == 204 and shown is not None and not shown.key.isdigit()
    if shown is None or (unstated and shown.content is None):
        return  # the exact status is not documented, so it may be 204, which has no body
    try:
        exchange.response.json()
    except NotJSON as error:
        seen = f"{len(exchange.response.body)} bytes"
        evidence = (shown.content if unstated else None) or _evidence_of_body(operation, shown)
        yield Problem(str(error), evidence, "body", shown.schema, "JSON", seen)


def schema_rule(known: MutableSet[tuple[str, Steps]] | None = None) -> Rule:
    """The rule `body_matches_schema`. Of the causes in `known`, to which it adds, no second opinion is sought.

    A `known` set is for one run: there a finding of a known cause is only counted.
    """

    @rule("the schema keyword that the body breaks", "body")
    def body_matches_schema(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
        """The body obeys the schema of its status: types, values, ranges, formats, nullability."""
        shown = shown_response(operation, exchange)
        body = json_of(exchange)
        if shown is None or body is NOTHING:
            return
        contract = operation.contract
        if len(exchange.response.body) <= SMALL_BODY and contract.accepts(shown.schema, body):
            return
        confirmed, disagreements = contract.confirmed_violations(shown.schema, body, known)
        is_success, flag = shown.key.startswith("2"), contract.errors.success
        for violation, count in _counted(_grouped(confirmed)):
            if not is_success and flag and violation.at == flag.at and violation.instance is True:
                continue  # `refusal_is_no_success` reports it
            evidence = violation.evidence if is_success else violation.evidence.weakest(shown.evidence)
            yield _violated(violation, violation.message, evidence, count)
        for violation, seen_by, not_seen_by in disagreements:
            message = f"{seen_by} refuses this and {not_seen_by} accepts it: {violation.message}"
            yield _violated(violation, message, disputed(violation.evidence))

    return body_matches_schema


body_matches_schema = schema_rule()


def _violated(violation: Violation, message: str, evidence: Evidence, count: int = 1) -> Problem:
    at, names = f"body{violation.at}", violation.sentence.partition(_ABSENT)[2]
    seen = violation.seen + names
    return Problem(message, evidence, at, violation.contract, violation.expected, seen=seen, count=count)


def _counted(violations: Iterable[Violation]) -> Iterator[tuple[Violation, int]]:
    """The first violation of each cause and kind of value with their number: a list may have very many."""
    alike: dict[tuple[str, str, str], list[Violation]] = {}
    for violation in violations:
        is_word = violation.keyword in ("enum", "const")
        kind = (
            violation.seen if is_word else type(violation.instance).__name__ + violation.sentence.partition(_ABSENT)[2]
        )
        alike.setdefault((without_positions(violation.at), violation.contract, kind), []).append(violation)
    for found in alike.values():
        yield found[0], len(found)


def _grouped(violations: Iterable[Violation]) -> Iterator[Violation]:
    """One violation for each value, and one for all properties that an object lacks.

    The first violation of a value explains the others: a text that is not a time is not in UTC either.
    """
    groups: dict[tuple[str, str], list[Violation]] = {}
    for violation in violations:
        at, is_absent = violation.at, violation.keyword == "required"
        key = (at.rpartition("/")[0], violation.contract) if is_absent else (at, "")
        groups.setdefault(key, []).append(violation)
    for (at, absent), found in groups.items():
        if absent and len(found) > 1:
            names = ", ".join(violation.at.rpartition("/")[2] for violation in found)
            yield replace(found[0], at=at, sentence=f"{len(found)} {_ABSENT}: {names}")
        else:
            yield found[0]


@rule("customary: an extra property is allowed, and worth knowing", "body", of_success=True)
def properties_are_documented(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Every property of a successful body is documented. An extra property is allowed, so it is only a note."""
    shown = shown_response(operation, exchange)
    if shown is None:
        return
    described = objects_of(operation, shown, exchange)
    if all(outline.names is None or outline.names >= names for outline, _, names in described):
        return
    stated = operation.evidence
    secrets = {normalized(name) for name in operation.contract.secrets}
    for at, place, schema, value in operation.contract.walk(shown.schema, json_of(exchange)):
        known = schema.get("properties")
        if not known or not isinstance(value, dict):
            continue
        allowed = {*known, *allowed_extras(operation, at)}
        extra = [name for name in value if name not in allowed and normalized(name) not in secrets]
        if extra:
            one = len(extra) == 1
            subject = f"the property {to_text(extra[0])} is" if one else f"{len(extra)} properties are"
            message = f"{subject} not documented" + ("" if one else f": {', '.join(map(to_text, extra[:_MOST_NAMED]))}")
            evidence = Evidence(Grade.CUSTOMARY, stated.source, "extra properties are allowed", stated.read)
            seen = "" if one else f"present: {', '.join(extra[:_MOST_NAMED])}"
            found_at = f"body{at}{pointer(extra) if one else ''}"
            yield Problem(message, evidence, found_at, f"{place}/properties", seen=seen)


@rule("customary: RFC 8259 section 8.2", "body")
def text_is_unicode(_: Operation, exchange: Exchange) -> Iterator[Problem]:
    """No string of the body has a lone surrogate or U+FFFD, the mark of a lost character."""
    body = exchange.response.body
    lost = b"\xef" in body and b"\xef\xbf\xbd" in body  # one byte is found forty times as fast
    if not lost and not (b"\\" in body and _ESCAPED.search(body)):
        return
    evidence = customary(8259, "8.2")
    for place, value in all_texts(json_of(exchange)):
        if _REPLACEMENT_OR_SURROGATE.search(value):
            yield Problem("a character was lost", evidence, "body", place=place)


@rule("customary: RFC 8259 section 4", "body")
def names_are_unique(_: Operation, exchange: Exchange) -> Iterator[Problem]:
    """No name occurs twice in one object of the body: clients differ in which of the values they read."""
    text = read_body(exchange.response.body)
    for at in () if isinstance(text, NotJSON) else text.duplicates:
        evidence = customary(8259, "4", "clients differ in which value they read")
        yield Problem("the name occurs twice in one object", evidence, f"body{at}", expected="one value", seen="")


@rule("customary: RFC 8259 section 6", "body")
def numbers_are_in_range(_: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Every number of the body is one that a double holds."""
    text = read_body(exchange.response.body)
    for at in () if isinstance(text, NotJSON) else text.out_of_range:
        evidence = customary(8259, "6", "clients read it as infinity, null or an error")
        yield Problem("the number is out of range", evidence, f"body{at}", expected="at most 1.8e308", seen="")


@rule("the documented headers", "status", "headers")
def rate_limit_is_reported(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Every response has the documented rate-limit headers, and what remains is within the limit."""
    names = operation.contract.rate_limit
    if names is None or operation.rate_limit_exemption or exchange.response.status >= 500:
        return

    def wrong(message: str, at: str, expected: str, seen: str | None = None) -> Problem:
        return Problem(message, names.evidence, at.lower(), "/x-trunkline/rate_limit", expected, seen)

    documented = (names.limit, names.remaining, names.reset)
    limit, remaining, reset = values = [exchange.response.header(name.lower()) or "" for name in documented]
    absent = [name for name, value in zip(documented, values, strict=True) if not value]
    if absent:
        yield wrong(f"the response has no {' and no '.join(absent)}", "header", ", ".join(documented), "absent")
    for name, value in ((names.limit, limit), (names.remaining, remaining)):
        if value and not _is_count(value):
            yield wrong(f"{name} is not a number", f"header/{name}", "a whole number")
    if names.reset_is == "unix_time" and reset:
        sent = http_time(exchange.response.header("date"))
        if not (_is_count(reset) and int(reset) in UNIX_SECONDS):
            expected = "whole seconds since 1970, such as 1709654400"
            yield wrong("the reset is not a Unix time", f"header/{names.reset}", expected)
        elif sent is not None and abs(int(reset) - sent) > _A_YEAR:
            expected = f"seconds since 1970, near {sent:.0f}, which is the Date of the response"
            yield wrong("the reset is years away, so it is not a Unix time", f"header/{names.reset}", expected)
    if _is_count(limit) and _is_count(remaining) and int(remaining) > int(limit):
        yield wrong("more remains than the limit allows", f"header/{names.remaining}", f"at most {limit}")


def _evidence_of_body(operation: Operation, shown: DocumentedResponse) -> Evidence:
    """The evidence for the schema of a response body. An error body is no surer than the error itself."""
    evidence = operation.contract.evidence_at(shown.schema)
    return evidence if shown.key.startswith("2") else evidence.weakest(shown.evidence)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
