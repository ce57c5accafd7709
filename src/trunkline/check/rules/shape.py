"""Rules on the form of an answer: its status, its media type, its schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from trunkline.check.rules.rule import RFC8259, RFC9110, rule
from trunkline.contract.bodies import NOTHING, all_texts, json_of, shown_answer
from trunkline.contract.model import DocumentedResponse, Operation, Violation
from trunkline.exchange import Exchange, NotJSON, pointer
from trunkline.findings import Evidence, Finding, Grade, to_text
from trunkline.redaction import normalized

_RECENT = 1_000_000_000
"""A Unix time of this century; less is a number of seconds to wait."""
_LOST = re.compile("[\ufffd\ud800-\udfff]")


@rule("the response that the page shows; a server error is on no page of an operation", "status")
def documented_status(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The status is one that the contract lists for the operation."""
    status = exchange.response.status
    if status < 500 and operation.response_for(status) is None:
        listed = ", ".join(operation.responses)
        yield operation.finding(
            "documented_status",
            operation.success.evidence,
            f"the answer's status is {status}, which the contract does not list",
            at="status",
            contract=operation.place(f"{operation.pointer}/responses"),
            expected=listed,
            seen=str(status),
            exchanges=(exchange,),
        )


@rule("implied by the pages, which show no server error for any request", "status", anywhere=True)
def no_server_error(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Nothing that is sent makes the server fail with a 5xx."""
    status = exchange.response.status
    unknown_method = status == 501 and exchange.request.method != operation.method  # RFC 9110 section 15.6.2
    if status >= 500 and not unknown_method:
        said = Evidence(
            Grade.IMPLIED, operation.evidence.source, "the page shows no server error", operation.evidence.read
        )
        yield operation.finding(
            "no_server_error",
            said,
            f"the server failed with {status}",
            at="status",
            expected="below 500",
            seen=str(status),
            exchanges=(exchange,),
        )


@rule(
    "what the body's schema stands on; a missing header and a charset are customary (RFC 9110, RFC 8259)",
    "status",
    "headers",
)
def media_type_is_json(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The answer says that it is JSON, and in no other encoding than UTF-8."""
    shown = shown_answer(operation, exchange)
    if shown is None or not exchange.response.body:
        return
    said = exchange.response.header("content-type")
    media, _, parameters = (said or "").partition(";")
    charset = re.search(r'charset\s*=\s*"?([^\s;"]+)', parameters, re.IGNORECASE)
    if said is None:
        evidence, message = Evidence(Grade.CUSTOMARY, f"{RFC9110}#section-8.3"), "the answer has no Content-Type"
    elif not re.fullmatch(r"application/(json|[\w.+-]+\+json)", media.strip(), re.IGNORECASE):
        evidence, message = _of_body(operation, shown), "the answer's media type is not JSON"
    elif charset and charset[1].lower() not in ("utf-8", "utf8"):
        evidence, message = Evidence(Grade.CUSTOMARY, f"{RFC8259}#section-8.1"), "JSON is not sent in UTF-8"
    else:
        return
    yield operation.finding(
        "media_type_is_json",
        evidence,
        message,
        at="header/content-type",
        contract=operation.place(f"{shown.pointer}/content"),
        expected="application/json",
        seen=to_text(said),
        exchanges=(exchange,),
    )


@rule("what the body's schema stands on", "body")
def body_is_json(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The body is one JSON text in UTF-8, without a byte order mark or NaN."""
    shown = shown_answer(operation, exchange)
    if shown is None or (exchange.response.status == 204 and not shown.key.isdigit()):
        return  # where no page tells the status, it may be the one that has no body
    try:
        exchange.response.json()
    except NotJSON as error:
        yield operation.finding(
            "body_is_json",
            _of_body(operation, shown),
            str(error),
            at="body",
            contract=operation.place(shown.schema),
            expected="JSON",
            seen=f"{len(exchange.response.body)} bytes",
            exchanges=(exchange,),
        )


@rule("the evidence of the keyword that the body breaks", "body")
def body_matches_schema(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The body obeys the schema of its status: types, values, ranges, formats, nullability."""
    shown = shown_answer(operation, exchange)
    body = json_of(exchange)
    if shown is None or body is NOTHING:
        return
    for violation in _gathered(operation.contract.violations(shown.schema, body)):
        yield operation.finding(
            "body_matches_schema",
            violation.evidence if shown.key.startswith("2") else violation.evidence.weakest(shown.evidence),
            violation.message,
            at="body" + violation.at,
            contract=violation.contract,
            expected=violation.expected,
            seen=violation.seen,
            exchanges=(exchange,),
        )


def _gathered(violations: Iterable[Violation]) -> Iterator[Violation]:
    """One violation for a value, since that a time is no time explains that it is not in UTC; one for all absences."""
    absent: dict[tuple[str, str], list[Violation]] = {}
    at_fault: set[str] = set()
    for violation in violations:
        if violation.keyword == "required":
            absent.setdefault((violation.at.rpartition("/")[0], violation.contract), []).append(violation)
        elif violation.at not in at_fault:
            at_fault.add(violation.at)
            yield violation
    for (at, _), missing in absent.items():
        names = [found.at.rpartition("/")[2] for found in missing]
        if len(missing) == 1:
            yield missing[0]
        else:
            yield replace(missing[0], at=at, message=f"{len(names)} required properties are absent: {', '.join(names)}")


@rule("customary: an extra property is lawful, and worth knowing", "body", of_success=True)
def properties_are_documented(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Every property of a successful body is on the page; one that is not is lawful, so it is only noted."""
    shown = shown_answer(operation, exchange)
    if shown is None or not shown.key.startswith("2"):
        return
    note = Evidence(Grade.CUSTOMARY, operation.evidence.source, "extra properties are lawful", operation.evidence.read)
    secret = {normalized(name) for name in operation.contract.secrets}
    elsewhere = frozenset(name for other in operation.same_resource for name in other.view)
    for at, place, schema, value in operation.contract.walk(shown.schema, json_of(exchange)):
        known = schema.get("properties", {}) if isinstance(value, dict) else {}
        lawful = elsewhere if at.startswith(_item(operation)) else frozenset()
        extra = [name for name in value if name not in known and normalized(name) not in secret] if known else []
        extra = [name for name in extra if name not in lawful]
        if extra:
            one = len(extra) == 1
            what = f"the property {to_text(extra[0])} is" if one else f"{len(extra)} properties are"
            yield operation.finding(
                "properties_are_documented",
                note,
                f"{what} not on the page" + ("" if one else f": {', '.join(map(to_text, extra))}"),
                at=f"body{at}{pointer(extra) if one else ''}",
                contract=f"{place}/properties",
                exchanges=(exchange,),
            )


def _item(operation: Operation) -> str:
    """Where items stand: no page says whether they are shown whole or in part, so a field of another view is lawful."""
    if operation.item is None:
        return "nowhere"
    return operation.listing.items + "/" if operation.listing else operation.item


@rule("customary: RFC 8259 section 8.2", "body")
def text_is_unicode(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """No text of the body holds a lone surrogate or U+FFFD, the mark of a character that was lost."""
    said = Evidence(Grade.CUSTOMARY, f"{RFC8259}#section-8.2")
    for at, value in all_texts(json_of(exchange)):
        if _LOST.search(value):
            yield operation.finding(
                "text_is_unicode",
                said,
                "a character was lost on the way",
                at=f"body{at}",
                seen=to_text(value),
                exchanges=(exchange,),
            )


@rule("what the page says of the headers", "status", "headers")
def rate_limit_is_told(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Every answer carries the documented rate-limit headers, and what remains is within the limit."""
    names = operation.contract.rate_limit
    if names is None or operation.unmetered or exchange.response.status >= 500:
        return
    place = operation.place("/x-trunkline/rate_limit")
    lacking = [
        name for name in (names.limit, names.remaining, names.reset) if not exchange.response.header(name.lower())
    ]
    if lacking:
        yield operation.finding(
            "rate_limit_is_told",
            names.evidence,
            f"the answer has no {' and no '.join(lacking)}",
            at="header",
            contract=place,
            expected=f"{names.limit}, {names.remaining}, {names.reset}",
            seen="absent",
            exchanges=(exchange,),
        )
    told = {name: exchange.response.header(name.lower()) or "" for name in (names.limit, names.remaining)}
    for name, value in told.items():
        if value and not _is_count(value):
            yield operation.finding(
                "rate_limit_is_told",
                names.evidence,
                f"{name} is not a number",
                at=f"header/{name.lower()}",
                contract=place,
                expected="a whole number",
                seen=to_text(value),
                exchanges=(exchange,),
            )
    limit, remaining, reset = (
        exchange.response.header(name.lower()) or "" for name in (names.limit, names.remaining, names.reset)
    )
    if names.reset_is == "unix_time" and reset and not (_is_count(reset) and int(reset) >= _RECENT):
        yield operation.finding(
            "rate_limit_is_told",
            names.evidence,
            "the reset is not a Unix time",
            at=f"header/{names.reset.lower()}",
            contract=place,
            expected="whole seconds since 1970, such as 1709654400",
            seen=to_text(reset),
            exchanges=(exchange,),
        )
    if _is_count(limit) and _is_count(remaining) and int(remaining) > int(limit):
        yield operation.finding(
            "rate_limit_is_told",
            names.evidence,
            "more remains than the limit allows",
            at=f"header/{names.remaining.lower()}",
            contract=place,
            expected=f"at most {limit}",
            seen=to_text(remaining),
            exchanges=(exchange,),
        )


def _of_body(operation: Operation, shown: DocumentedResponse) -> Evidence:
    """What says that the body of a response is of its schema; an error's is no surer than the error itself."""
    said = operation.contract.evidence_at(shown.schema)
    return said if shown.key.startswith("2") else said.weakest(shown.evidence)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
