"""Owns the rules: what must hold of one exchange, whoever asked. Each is a small generator in a table.

A rule speaks only where the contract has a sentence for it, and its finding is as strong as that sentence.
`needs` names the parts of an exchange that a rule looks at; where one was not seen, the rule is not applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from trunkline.contract import Answer, Contract, Operation
from trunkline.exchange import Exchange, Json, NotJSON, pointer, resolve
from trunkline.findings import Evidence, Finding, Grade, show
from trunkline.refusals import Reading, Refusal, answer, bounds, read, reasons

Judge: TypeAlias = Callable[[Operation, Exchange], Iterator[Finding]]

_RFC9110 = "https://www.rfc-editor.org/rfc/rfc9110"
_RFC8259 = "https://www.rfc-editor.org/rfc/rfc8259"
_SETTLED = 2**31 - 1
"""Beyond it, an offset without a documented range may be refused by anyone."""
_NOT_ABOUT_VALIDITY = frozenset({401, 402, 403, 404, 408, 409, 410, 414, 421, 423, 425, 426, 429, 431, 451})
"""Client errors that do not say that the parameters are wrong."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence about one exchange. `basis` says what its findings stand on."""

    name: str
    statement: str
    basis: str
    needs: frozenset[str]
    judge: Judge


def rule(basis: str, *needs: str) -> Callable[[Judge], Rule]:
    """Makes a rule of a generator: its name is the rule's name, the first line of its docstring the statement."""

    def made(judge: Judge) -> Rule:
        return Rule(judge.__name__, (judge.__doc__ or "").partition("\n")[0], basis, frozenset(needs), judge)

    return made


def judge(operation: Operation, exchange: Exchange, rules: tuple[Rule, ...] | None = None) -> Iterator[Finding]:
    """Every finding of the rules about one exchange with an operation."""
    for each in RULES if rules is None else rules:
        if each.needs <= exchange.known:
            yield from each.judge(operation, exchange)


def operation_of(contract: Contract, exchange: Exchange) -> Operation | None:
    """The documented operation that an exchange is about, or None."""
    operations, _ = contract.match(exchange.request.path)
    return next((operation for operation in operations if operation.method == exchange.request.method), None)


# ---------------------------------------------------------------------------------- status, media type, body


@rule("the response that the page shows; a server error is on no page of an operation", "status")
def documented_status(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The status is one that the contract lists for the operation."""
    status = exchange.response.status
    if status < 500 and operation.answer_for(status) is None:
        listed = ", ".join(operation.answers)
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


@rule("implied by the pages, which show no server error for any request", "status")
def no_server_error(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Nothing that is sent makes the server fail with a 5xx."""
    status = exchange.response.status
    if status >= 500:
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
    described = _described(operation, exchange)
    if described is None or not exchange.response.body:
        return
    said = exchange.response.header("content-type")
    media, _, parameters = (said or "").partition(";")
    charset = re.search(r'charset\s*=\s*"?([^\s;"]+)', parameters, re.IGNORECASE)
    if said is None:
        evidence, message = Evidence(Grade.CUSTOMARY, f"{_RFC9110}#section-8.3"), "the answer has no Content-Type"
    elif not re.fullmatch(r"application/(json|[\w.+-]+\+json)", media.strip(), re.IGNORECASE):
        evidence, message = operation.contract.evidence_at(described.schema), "the answer's media type is not JSON"
    elif charset and charset[1].lower() not in ("utf-8", "utf8"):
        evidence, message = Evidence(Grade.CUSTOMARY, f"{_RFC8259}#section-8.1"), "JSON is not sent in UTF-8"
    else:
        return
    yield operation.finding(
        "media_type_is_json",
        evidence,
        message,
        at="header/content-type",
        contract=operation.place(f"{described.pointer}/content"),
        expected="application/json",
        seen=show(said),
        exchanges=(exchange,),
    )


@rule("what the body's schema stands on", "body")
def body_is_json(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The body is one JSON text in UTF-8, without a byte order mark or NaN."""
    described = _described(operation, exchange)
    if described is None:
        return
    try:
        exchange.response.json()
    except NotJSON as error:
        yield operation.finding(
            "body_is_json",
            operation.contract.evidence_at(described.schema),
            str(error),
            at="body",
            contract=operation.place(described.schema),
            expected="JSON",
            seen=f"{len(exchange.response.body)} bytes",
            exchanges=(exchange,),
        )


@rule("the evidence of the keyword that the body breaks", "body")
def body_matches_schema(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The body obeys the schema of its status: types, values, ranges, formats, nullability."""
    described = _described(operation, exchange)
    body = _json(exchange)
    if described is None or body is _NOTHING:
        return
    for violation in operation.contract.violations(described.schema, body):
        yield operation.finding(
            "body_matches_schema",
            violation.evidence,
            violation.message,
            at="body" + violation.at,
            contract=violation.contract,
            expected=violation.expected,
            seen=violation.seen,
            exchanges=(exchange,),
        )


@rule("customary: an extra property is lawful, and worth knowing", "body")
def properties_are_documented(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Every property of a successful body is on the page; one that is not is lawful, so it is only noted."""
    described = _described(operation, exchange)
    if described is None or not described.key.startswith("2"):
        return
    note = Evidence(Grade.CUSTOMARY, operation.evidence.source, "extra properties are lawful", operation.evidence.read)
    secret = {_plain(name) for name in operation.contract.secrets}
    for at, place, schema, value in operation.contract.walk(described.schema, _json(exchange)):
        if isinstance(value, dict) and "properties" in schema:
            for name in value:
                if name not in schema["properties"] and _plain(name) not in secret:
                    yield operation.finding(
                        "properties_are_documented",
                        note,
                        f"the property {show(name, 60)} is not on the page",
                        at=f"body{at}{pointer((name,))}",
                        contract=f"{place}/properties",
                        exchanges=(exchange,),
                    )


@rule("customary: RFC 8259 section 8.2", "body")
def text_is_unicode(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """No text of the body holds a lone surrogate or U+FFFD, the mark of a character that was lost."""
    said = Evidence(Grade.CUSTOMARY, f"{_RFC8259}#section-8.2")
    for at, value in _texts(_json(exchange)):
        if any(character == "\ufffd" or "\ud800" <= character <= "\udfff" for character in value):
            yield operation.finding(
                "text_is_unicode",
                said,
                "a character was lost on the way",
                at=f"body{at}",
                seen=show(value),
                exchanges=(exchange,),
            )


# ------------------------------------------------------------------------------------------------- secrets


@rule("what the pages say of the secret: write-only, or an input that no response shows", "body")
def secrets_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """No property or header with the name of a secret is ever in an answer, at any depth, in a success or an error."""
    contract = operation.contract
    names = {_plain(name): name for name in contract.secrets}
    fields = ((f"header/{name}", name) for name, _ in exchange.response.headers)
    keys = ((f"body{at}", key) for at, key in _keys(_json(exchange)))
    for at, key in (*fields, *keys):
        if _plain(key) in names:
            name = names[_plain(key)]
            yield operation.finding(
                "secrets_stay_hidden",
                contract.secrets[name],
                f"{name} is in the answer; its value is withheld here",
                at=at,
                contract=operation.place(f"/x-trunkline/secrets/{name}"),
                expected="absent",
                seen="present",
                exchanges=(exchange,),
            )


@rule("implied: a page that shows a key once does not send it back", "request", "headers", "body")
def credential_is_not_echoed(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The credential of a request is nowhere in its answer."""
    said = operation.contract.security.evidence
    _, _, credential = (exchange.request.header("authorization") or "").partition(" ")
    yield from _hidden(
        operation,
        exchange,
        {credential.strip(): "the credential"},
        name_of_rule="credential_is_not_echoed",
        said=Evidence(Grade.IMPLIED, said.source, "a credential is sent, never answered", said.read),
        place=operation.contract.security.pointer,
    )


def hides(values: Mapping[str, str]) -> Rule:
    """A rule for secrets whose values are known, e.g. a fixture's passwords: `{"secret-password": "password"}`."""

    @rule("what the pages say of the secret", "headers", "body")
    def secret_values_stay_hidden(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
        """The value of no known secret is anywhere in an answer, whatever it is called there."""
        for name, said in operation.contract.secrets.items():
            own = {value: name for value, secret in values.items() if secret == name}
            place = f"/x-trunkline/secrets/{name}"
            yield from _hidden(
                operation, exchange, own, name_of_rule="secret_values_stay_hidden", said=said, place=place
            )

    return secret_values_stay_hidden


def _hidden(
    operation: Operation,
    exchange: Exchange,
    values: Mapping[str, str],
    *,
    name_of_rule: str,
    said: Evidence,
    place: str,
) -> Iterator[Finding]:
    spots = [(f"header/{name}", value) for name, value in exchange.response.headers]
    body = _json(exchange)
    texts = [("body", exchange.response.body.decode("utf-8", "replace"))] if body is _NOTHING else list(_texts(body))
    spots += [(at if at == "body" else f"body{at}", text) for at, text in texts]
    spots += [(f"body{at}", key) for at, key in _keys(body)]
    for secret, name in values.items():
        for at, text in spots:
            if len(secret) >= 8 and secret in text:
                yield operation.finding(
                    name_of_rule,
                    said,
                    f"{name} is in the answer; its value is withheld here",
                    at=at.replace(secret, "***"),
                    contract=operation.place(place),
                    expected="absent",
                    seen="present",
                    exchanges=(exchange,),
                )


# --------------------------------------------------------------------------------------------------- values


@rule("implied: an id names one thing", "body")
def ids_are_unique(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """No two items of a page have the same id."""
    listing = operation.listing
    if listing is None or not _succeeded(operation, exchange):
        return
    said = Evidence(Grade.IMPLIED, listing.evidence.source, "an id names one item", listing.evidence.read)
    seen: set[str] = set()
    for index, identity in enumerate(identities(operation, exchange)):
        if identity in seen:
            yield operation.finding(
                "ids_are_unique",
                said,
                "two items of one page have the same id",
                at=f"body{listing.items}/{index}{listing.identity}",
                seen=show(identity),
                exchanges=(exchange,),
            )
        seen.add(identity)


@rule("implied by the names of the two times", "body")
def times_are_ordered(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """What comes first does not come after: a creation is not later than the last change."""
    described = _described(operation, exchange)
    if described is None:
        return
    for at, place, schema, value in operation.contract.walk(described.schema, _json(exchange)):
        for index, pair in enumerate(schema.get("x-trunkline", {}).get("ordered", ())):
            first, then = _time(value, pair["first"]), _time(value, pair["then"])
            if first and then and first > then:
                said = pair["evidence"]
                yield operation.finding(
                    "times_are_ordered",
                    Evidence(Grade(said["grade"]), said.get("source", ""), said.get("note", "")),
                    f"{pair['first'][1:]} is after {pair['then'][1:]}",
                    at=f"body{at}{pair['then']}",
                    contract=f"{place}/x-trunkline/ordered/{index}",
                    expected=f"at or after {first.isoformat()}",
                    seen=then.isoformat(),
                    exchanges=(exchange,),
                )


# ---------------------------------------------------------------------------------- one page, one item


@rule("what the page says of the limit", "request", "status", "body")
def page_holds_at_most_limit(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A page has no more items than the limit that was asked for, or the documented default."""
    page = _page(operation, exchange)
    if page is None or operation.listing is None or operation.listing.paging is None:
        return
    paging = operation.listing.paging
    items, values = page
    if len(items) > values[paging.limit]:
        yield operation.finding(
            "page_holds_at_most_limit",
            operation.parameter(paging.limit).evidence,
            f"the page has more items than {paging.limit} allows",
            at=f"body{operation.listing.items}",
            contract=operation.place(operation.parameter(paging.limit).pointer),
            expected=f"at most {values[paging.limit]}",
            seen=str(len(items)),
            exchanges=(exchange,),
        )


@rule("what the page shows of the echo", "request", "status", "body")
def pagination_echoes_request(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The answer repeats the limit and the offset that were used."""
    page = _page(operation, exchange)
    if page is None or operation.listing is None or operation.listing.paging is None:
        return
    for name, spot in operation.listing.paging.echo.items():
        told = _at(_json(exchange), spot.at)
        if isinstance(told, int) and told != page[1][name]:
            yield operation.finding(
                "pagination_echoes_request",
                spot.evidence,
                f"the answer tells another {name} than was asked for",
                at=f"body{spot.at}",
                expected=str(page[1][name]),
                seen=show(told),
                exchanges=(exchange,),
            )


@rule("what the page shows of the total", "status", "body")
def page_fits_its_own_count(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A page does not hold more items than its own limit, nor reach beyond its own total."""
    listing = operation.listing
    body = _json(exchange)
    if listing is None or listing.paging is None or listing.paging.total is None or not _succeeded(operation, exchange):
        return
    items = _at(body, listing.items)
    echo = {name: _at(body, spot.at) for name, spot in listing.paging.echo.items()}
    limit, offset = echo.get(listing.paging.limit), echo.get(listing.paging.offset)
    total = _at(body, listing.paging.total.at)
    if not isinstance(items, list):
        return
    if isinstance(limit, int) and len(items) > limit:
        expected, at = f"at most {limit} items", listing.items
    elif items and isinstance(offset, int) and isinstance(total, int) and offset + len(items) > total:
        expected, at = f"at least {offset + len(items)}", listing.paging.total.at
    else:
        return
    seen = str(total) if at == listing.paging.total.at else str(len(items))
    yield operation.finding(
        "page_fits_its_own_count",
        listing.paging.total.evidence,
        "the page and its own count do not agree",
        at=f"body{at}",
        expected=expected,
        seen=seen,
        exchanges=(exchange,),
    )


@rule("what the page says of the filter", "request", "status", "body")
def filter_keeps_only_matching(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Every item of a filtered list has the value that was asked for."""
    page = _page(operation, exchange)
    if page is None or operation.listing is None:
        return
    items, values = page
    for name, spot in operation.listing.filters.items():
        for index, item in enumerate(items):
            has = _at(item, spot.at)
            if name in values and has is not _NOTHING and has != values[name]:
                yield operation.finding(
                    "filter_keeps_only_matching",
                    spot.evidence,
                    f"an item of a list filtered by {name} does not match",
                    at=f"body{operation.listing.items}/{index}{spot.at}",
                    contract=operation.place(operation.parameter(name).pointer),
                    expected=show(values[name]),
                    seen=show(has),
                    exchanges=(exchange,),
                )


@rule("what the page says of the path parameter", "request", "status", "body")
def item_is_the_one_asked_for(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """The item that is answered has the id that was asked for."""
    fetching = operation.fetching
    if fetching is None or not _succeeded(operation, exchange):
        return
    _, values = operation.contract.match(exchange.request.path)
    has = _at(_json(exchange), fetching.item + fetching.identity)
    if isinstance(has, str) and has != values.get(fetching.parameter):
        yield operation.finding(
            "item_is_the_one_asked_for",
            fetching.evidence,
            "another item is answered than was asked for",
            at=f"body{fetching.item}{fetching.identity}",
            contract=operation.place(operation.parameter(fetching.parameter).pointer),
            expected=show(values.get(fetching.parameter)),
            seen=show(has),
            exchanges=(exchange,),
        )


# ------------------------------------------------------------------------------------------------- refusals


@rule("what the page says of the broken bound", "request", "status")
def refuses_invalid(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A request that a page says is refused is not answered with success."""
    if 200 <= exchange.response.status < 300:
        for reason in reasons(operation.contract, exchange.request):
            yield operation.finding(
                "refuses_invalid",
                reason.evidence,
                f"a request that must be refused is answered with success: {reason.cause}",
                at="status",
                contract=operation.place(reason.pointer),
                expected=f"refused, since {reason.broke}",
                seen=f"{exchange.response.status} for {reason.sent}",
                exchanges=(exchange,),
            )


@rule("what the page says of the parameter", "request", "status")
def accepts_valid(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A request within every documented bound is not refused as invalid."""
    status = exchange.response.status
    if not 400 <= status < 500 or status in _NOT_ABOUT_VALIDITY or exchange.request.body:
        return
    reading = read(operation.contract, exchange.request)
    if isinstance(reading, Refusal) or not all(_is_settled(operation, reading, name) for name in _sent(exchange)):
        return
    for parameter in operation.parameters:
        if parameter.place == "path":
            return  # no page says which ids are well formed
    culprit = next((operation.parameter(name) for name in _sent(exchange)), None)
    yield operation.finding(
        "accepts_valid",
        culprit.evidence if culprit else operation.evidence,
        "a request within the documented bounds is refused",
        at="status",
        contract=operation.place(culprit.pointer if culprit else operation.pointer),
        expected=f"success, since {culprit.name} may be {bounds(culprit.schema)}" if culprit else "success",
        seen=str(status),
        exchanges=(exchange,),
    )


@rule("the weaker of what the page says of the bound and of the error", "request", "status", "body")
def refusal_is_documented(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A refusal has the status and the error code that the contract gives for its cause."""
    found = reasons(operation.contract, exchange.request)
    if found and 400 <= exchange.response.status < 500 and exchange.response.status != 429:
        yield from judge_refusal(operation, exchange, found)


def judge_refusal(operation: Operation, exchange: Exchange, causes: tuple[Refusal, ...]) -> Iterator[Finding]:
    """Findings unless status and code are those of one of the causes. A cause that no page settles excuses any."""
    status, code = exchange.response.status, _at(_json(exchange), operation.contract.errors[0].at)
    told = [(reason, *answer(operation.contract, reason)) for reason in causes]
    if all(status != int(found.key) for _, found, _ in told):
        reason, found, _ = told[0]
        weakest = _weakest(*(said for reason, found, _ in told for said in (reason.evidence, found.evidence)))
        yield _undocumented(operation, exchange, weakest, reason, "status", found.pointer, found.key, str(status))
    if all(code != documented.code for *_, documented in told):
        reason, found, documented = told[0]
        weakest = _weakest(*(said for reason, _, documented in told for said in (reason.evidence, documented.evidence)))
        at = f"body{operation.contract.errors[0].at}"
        place = f"{found.pointer}/x-trunkline/refusals/{reason.cause}"
        seen = "absent" if code is _NOTHING else show(code)
        yield _undocumented(operation, exchange, weakest, reason, at, place, documented.code, seen)


def _undocumented(
    operation: Operation,
    exchange: Exchange,
    said: Evidence,
    reason: Refusal,
    at: str,
    place: str,
    expected: str,
    seen: str,
) -> Finding:
    part = "status" if at == "status" else "error code"
    return operation.finding(
        "refusal_is_documented",
        said,
        f"the {part} of the refusal is not the one for {reason.cause}",
        at=at,
        contract=operation.place(place),
        expected=expected,
        seen=seen,
        exchanges=(exchange,),
    )


@rule("customary: RFC 9110 section 15.5.6", "status", "headers", "request")
def wrong_method_tells_allowed(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """A 405 names the methods that the path takes, the documented one among them."""
    if exchange.response.status != 405:
        return
    allow = exchange.response.header("allow")
    methods = {word.strip().upper() for word in (allow or "").split(",")}
    if operation.method not in methods:
        yield operation.finding(
            "wrong_method_tells_allowed",
            Evidence(Grade.CUSTOMARY, f"{_RFC9110}#section-15.5.6"),
            "a 405 does not name the documented method in Allow",
            at="header/allow",
            expected=operation.method,
            seen=show(allow),
            exchanges=(exchange,),
        )


@rule("what the page says of the headers", "status", "headers")
def rate_limit_is_told(operation: Operation, exchange: Exchange) -> Iterator[Finding]:
    """Every answer carries the documented rate-limit headers, and what remains is within the limit."""
    names = operation.contract.rate_limit
    if names is None or exchange.response.status >= 500:
        return
    place = operation.place("/x-trunkline/rate_limit")
    for name in (names.limit, names.remaining, names.reset):
        if exchange.response.header(name.lower()) is None:
            message = f"the answer has no {name}"
            at = f"header/{name.lower()}"
            yield operation.finding(
                "rate_limit_is_told",
                names.evidence,
                message,
                at=at,
                contract=place,
                seen="absent",
                exchanges=(exchange,),
            )
    limit, remaining = (exchange.response.header(name.lower()) or "" for name in (names.limit, names.remaining))
    if limit and remaining and not (_is_count(limit) and _is_count(remaining) and int(remaining) <= int(limit)):
        yield operation.finding(
            "rate_limit_is_told",
            names.evidence,
            "what remains is not a number within the limit",
            at=f"header/{names.remaining.lower()}",
            contract=place,
            expected=f"a whole number, at most {show(limit)}",
            seen=show(remaining),
            exchanges=(exchange,),
        )


RULES: tuple[Rule, ...] = (
    documented_status,
    no_server_error,
    media_type_is_json,
    body_is_json,
    body_matches_schema,
    properties_are_documented,
    text_is_unicode,
    secrets_stay_hidden,
    credential_is_not_echoed,
    ids_are_unique,
    times_are_ordered,
    page_holds_at_most_limit,
    pagination_echoes_request,
    page_fits_its_own_count,
    filter_keeps_only_matching,
    item_is_the_one_asked_for,
    refuses_invalid,
    accepts_valid,
    refusal_is_documented,
    wrong_method_tells_allowed,
    rate_limit_is_told,
)

# -------------------------------------------------------------------------------------------- reading bodies

_NOTHING = object()
"""What stands at a place where nothing stands; JSON has a null of its own."""


def _json(exchange: Exchange) -> Json:
    try:
        return exchange.response.json()
    except NotJSON:
        return _NOTHING


def _at(value: Json, at: str) -> Json:
    try:
        return resolve(value, at)
    except (LookupError, ValueError):
        return _NOTHING


def identities(operation: Operation, exchange: Exchange) -> list[str]:
    """The ids of the items of a page, in order; items without one are passed over."""
    listing = operation.listing
    items = _at(_json(exchange), listing.items) if listing else _NOTHING
    found = (_at(item, listing.identity) for item in items) if listing and isinstance(items, list) else ()
    return [identity for identity in found if isinstance(identity, str)]


def _described(operation: Operation, exchange: Exchange) -> Answer | None:
    """The documented response of the status, if a page shows its body."""
    if exchange.request.method == "HEAD":
        return None
    found = operation.answer_for(exchange.response.status)
    return found if found and found.schema and found.evidence.grade is not Grade.DECISION else None


def _succeeded(operation: Operation, exchange: Exchange) -> bool:
    found = operation.answer_for(exchange.response.status)
    return found is not None and found.key.startswith("2")


def _page(operation: Operation, exchange: Exchange) -> tuple[list[Json], Mapping[str, Json]] | None:
    """The items of a successful answer to a valid request, and the request's parameters as values."""
    if operation.listing is None or not _succeeded(operation, exchange):
        return None
    reading = read(operation.contract, exchange.request)
    items = _at(_json(exchange), operation.listing.items)
    return (items, reading.values) if isinstance(reading, Reading) and isinstance(items, list) else None


def _sent(exchange: Exchange) -> list[str]:
    return [part.partition("=")[0] for part in exchange.request.query.split("&") if part]


def _is_settled(operation: Operation, reading: Reading, name: str) -> bool:
    """Whether a page settles that the value which a request sends for a parameter is accepted."""
    parameter = next((found for found in operation.parameters if found.name == name), None)
    if parameter is None:
        return False
    value = reading.values.get(name)
    own_bound = any(parameter.says(keyword).grade is Grade.DECISION for keyword in ("minimum", "maximum"))
    return not (own_bound and isinstance(value, int) and abs(value) > _SETTLED)


def _weakest(first: Evidence, *others: Evidence) -> Evidence:
    for other in others:
        first = first.weakest(other)
    return first


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _plain(name: str) -> str:
    """A property name without case and separators, so that `sipPassword` is `sip_password`."""
    return name.lower().replace("_", "").replace("-", "")


def _keys(value: Json) -> Iterator[tuple[str, str]]:
    """Each (place, property name) of a body."""
    for at, node in _places(value):
        if isinstance(node, dict):
            for key in node:
                yield at + pointer((key,)), key


def _texts(value: Json) -> Iterator[tuple[str, str]]:
    """Each (place, text) of a body."""
    for at, node in _places(value):
        if isinstance(node, str):
            yield at, node


def _places(value: Json) -> Iterator[tuple[str, Json]]:
    stack = [("", value)]
    while stack:
        at, node = stack.pop()
        yield at, node
        if isinstance(node, dict):
            stack += [(at + pointer((key,)), inner) for key, inner in node.items()]
        elif isinstance(node, list):
            stack += [(f"{at}/{index}", inner) for index, inner in enumerate(node)]


def _time(value: Json, at: str) -> datetime | None:
    text = _at(value, at)
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None
