"""The effects of faults: each changes the answer to one request, or gives another one in its place."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import NamedTuple
from urllib.parse import parse_qsl

from msgspec import UNSET

from trunkline.contract.bodies import json_object
from trunkline.contract.model import Create, Operation, Update
from trunkline.exchange import (
    Headers,
    Json,
    NotJSON,
    RawHeaders,
    Request,
    Response,
    error_response,
    parse_json,
    resolve,
)
from trunkline.findings import excerpt, way_out
from trunkline.mock.faults import answers
from trunkline.mock.faults.delivery import WITHOUT_HEAD, Delivery, FaultyResponse
from trunkline.mock.faults.document import MOST_SECONDS, Step, seconds
from trunkline.mock.faults.line import to_words
from trunkline.mock.faults.preferences import FAULT_HEADER
from trunkline.mock.mock import NOTICE_HEADER, Mock
from trunkline.mock.views import encode

log = logging.getLogger("trunkline.mock")

_LONGEST_WORDS = 300
_PRINTABLE = dict.fromkeys(range(32), "?")


class Chosen(NamedTuple):
    """A step to take for one request, its source of randomness, and the time at which its window ends.

    `take_back` undoes the counting, if the answer has nothing that the step could change.
    """

    step: Step
    rng: Random
    until: float | None
    take_back: Callable[[], None]


class Answered(NamedTuple):
    """The answer to a request, and the steps that changed it, in the words of `--fault`; empty without a fault."""

    response: Response
    limits: RawHeaders = ()
    words: str = ""
    code: str = ""
    """The error code that a step gave; empty if none did."""


@dataclass(frozen=True)
class MockRequest:
    """One request to a mock, with its operation: None if the contract has none for it."""

    mock: Mock
    request: Request
    operation: Operation | None

    @classmethod
    def of(cls, mock: Mock, request: Request) -> MockRequest:
        """The request with its operation. That of HEAD is the one of GET."""
        operations, _ = mock.vendor.contract.match(request.path)
        by_method = {operation.method: operation for operation in operations}
        as_get = "GET" if request.method == "HEAD" else ""
        return cls(mock, request, by_method.get(request.method) or by_method.get(as_get))

    @cached_property
    def account(self) -> str | None:
        return self.mock.account_of(self.request)

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The values in the query and the path, by name."""
        _, in_path = self.mock.vendor.contract.match(self.request.path)
        query = parse_qsl(self.request.query, keep_blank_values=True, errors="surrogateescape", max_num_fields=None)
        return {**dict(reversed(query)), **in_path}

    @cached_property
    def halves(self) -> dict[str, Request]:
        """The request without one of the fields that a write would store and show, for each that it can do without."""
        operation = self.operation
        if operation is None or operation.body is None:
            return {}
        body = json_object(self.request.body)
        found: dict[str, Request] = {}
        for name in (name for name in body if name in optional_fields(operation)):
            rest = {other: value for other, value in body.items() if other != name}
            if not operation.contract.violations(operation.body.schema, rest):
                found[name] = replace(self.request, body=encode(rest))
        return found


def applies(step: Step, asked: MockRequest) -> bool:
    """Whether a step can change the answer to a request: a read can be stale, a write can be lost in part."""
    if step.stale and not (asked.operation and asked.operation.reads and asked.mock.has_written):
        return False
    if step.half_write and not (asked.halves if step.half_write is True else step.half_write in asked.halves):
        return False
    documented = answers.documented(asked.mock.vendor.contract, asked.operation, None, step.code)
    return not step.code or step.status is not None or any(True for _ in documented)


def optional_fields(operation: Operation) -> list[str]:
    """The fields that a create or an update takes and its answer shows, without those that are required."""
    if operation.body is None or not isinstance(operation.kind, Create | Update):
        return []
    required = operation.contract.schema_at(operation.body.schema).get("required", ())
    return [name for name in operation.inputs if name in operation.view and name not in required]


def mistake_in(step: Step, operations: list[Operation]) -> str:
    """Why a step can never change an answer of these operations; empty if it can."""
    if step.code and not step.status:
        codes = sorted(set().union(*map(answers.documented_codes, operations)))
        if step.code not in codes:
            return no_such("error code", step.code, codes)
    if step.stale and not any(operation.reads for operation in operations):
        return "only a read can be stale"
    if step.half_write:
        fields = list(dict.fromkeys(name for operation in operations for name in optional_fields(operation)))
        if not fields:
            return "half-write is about an optional field of a create or an update that its answer shows; there is none"
        if step.half_write is not True and step.half_write not in fields:
            return no_such("field that half-write can leave out", step.half_write, fields)
    return ""


def no_such(noun: str, name: str, known: Collection[str]) -> str:
    """`'listTrunk' is no operation; did you mean listTrunks?`."""
    return f"{name[:60]!r} is no {noun}{way_out(name, known)}"


def is_prevented(step: Step) -> bool:
    """Whether the connection ends before the request is carried out."""
    return step.cut == "before" and not step.lose_answer


def answer(asked: MockRequest, chosen: list[Chosen]) -> Answered:
    """The answer to a request for which these steps were chosen."""
    if not chosen:
        return Answered(*asked.mock.answer(asked.request))
    deciding = next((found for found in chosen if not found.step.only_delays), chosen[0])
    step = deciding.step
    carried_out, limits, code = _carry_out(asked, deciding)
    response = _with_body(asked, step, carried_out, deciding.rng)
    if step.only_changes_body and response.body == carried_out.body:
        deciding.take_back()
        chosen = [found for found in chosen if found is not deciding]
        if not chosen:
            return Answered(response, limits)
    words = "; ".join(to_words(found.step) for found in chosen)
    words = excerpt(words.translate(_PRINTABLE), len(words), asked.mock.secrets.redact)[:_LONGEST_WORDS]
    fields = (*step.headers.items(), *((("content-type", step.content_type),) if step.content_type else ()))
    response = with_headers(response, tuple((name.lower(), value) for name, value in (*fields, (FAULT_HEADER, words))))
    if asked.request.method == "HEAD" and response.body:
        response = replace(with_headers(response, (("content-length", str(len(response.body))),)), body=b"")
    if step.drain:
        limits = (*limits, (b"connection", b"close"))
    delay, drip = (
        min(sum(seconds(getattr(found.step, name), found.rng) for found in chosen), MOST_SECONDS)
        for name in ("delay", "drip")
    )
    delivery = Delivery(delay, drip, step.cut, step.reset is not None, step.skew)
    if delivery != Delivery():
        status = 0 if delivery.cut in WITHOUT_HEAD else response.status
        response = FaultyResponse(status, response.headers, response.body, delivery, words)
    return Answered(response, limits, words, "" if step.body is not UNSET else code)


def with_headers(response: Response, fields: Headers) -> Response:
    """The response with header fields in the place of those of the same names."""
    names = {name for name, _ in fields}
    kept = tuple(field for field in response.headers if field[0] not in names)
    return replace(response, headers=(*kept, *fields)) if fields else response


def refuse_header(mock: Mock, request: Request, mistake: str) -> Response:
    """The refusal of a request that asks for a fault in wrong words. It has the mistake as a notice, too."""
    sent = " ".join(value for name, value in request.headers if name == FAULT_HEADER)
    if mock.secrets.redact(sent) != sent:  # a sentence that quotes its beginning may quote half of it
        mistake = f"{FAULT_HEADER} has a mistake, which is not quoted, because the field holds a secret"
    notice = json.dumps(mistake.translate(_PRINTABLE))[1:-1].replace('\\"', '"')
    log.info("refused: %s", notice)
    return with_headers(error_response(400, mistake), ((NOTICE_HEADER, notice[:_LONGEST_WORDS]),))


def _carry_out(asked: MockRequest, chosen: Chosen) -> tuple[Response, RawHeaders, str]:
    """The answer before its body is changed: that of the mock, or one in its place with its error code."""
    step, rng, until, _ = chosen
    mock, request = asked.mock, asked.request
    if is_prevented(step):
        return Response(0), (), ""
    code = ""
    refused = step.code or (step.status or 0) >= 400
    if refused:
        limits = () if step.status in answers.GATEWAY else mock.count(request, asked.operation)
        response, code = answers.refuse(mock, request, asked.operation, step.status, step.code, step.message)
    elif step.stale and (earlier := mock.before_last_write()):
        response, limits = earlier.answer(request, skew=step.skew)
    elif step.half_write:
        name = rng.choice(sorted(asked.halves)) if step.half_write is True else step.half_write
        response, limits = mock.answer(asked.halves[name], skew=step.skew)
        response = _pretending(asked, response, name)
    else:
        response, limits = mock.answer(request, skew=step.skew)
    if step.status and not refused and response.status < 400:
        response = replace(response, status=step.status)
    wait = step.retry_after if until is None else max(1, math.ceil(until - mock.now()))
    if wait is not None and (step.retry_after is not None or response.status == 429):
        response = with_headers(response, (("retry-after", str(wait)),))
    return response, _with_reset(limits, response.status == 429, wait, mock.now(), step.skew), code


def _with_reset(limits: RawHeaders, is_spent: bool, wait: int | None, now: float, skew: int) -> RawHeaders:
    """The headers of a rate limit, by a clock that is wrong by `skew`: spent, perhaps for so many seconds, or not."""
    if len(limits) != 3:
        return limits
    limit, (remaining, left), (reset, end) = limits
    if is_spent:
        left, end = b"0", end if wait is None else b"%d" % (now + wait)
    return limit, (remaining, left), (reset, b"%d" % (int(end) + skew))


def _pretending(asked: MockRequest, response: Response, name: str) -> Response:
    """A success that shows a field as it was sent."""
    operation = asked.operation
    if operation is None or operation.item is None or not 200 <= response.status < 300:
        return response
    body = json.loads(response.body)
    resolve(body, operation.item)[name] = parse_json(asked.request.body)[name]
    return replace(response, body=encode(body))


# --- bodies ---------------------------------------------------------------------------------------------------------


def _with_body(asked: MockRequest, step: Step, response: Response, rng: Random) -> Response:
    """The response with the body of a step, or with its own, changed."""
    if step.body is not UNSET:
        is_text = isinstance(step.body, str)
        body = step.body.encode("utf-8", "replace") if is_text else encode(step.body)
        media = ("text/html" if body.lstrip()[:1] == b"<" else "text/plain") + "; charset=utf-8"
        fields = (("content-type", media if is_text else "application/json"),)
        response = with_headers(replace(response, body=body), fields)
    for change in _CHANGES:
        if at := getattr(step, change):
            response = replace(response, body=_changed(asked, response, change, "" if at is True else at, rng))
    if step.malform and response.body:
        body = response.body.rstrip()
        response = replace(response, body=body[:-1] + b"," + body[-1:])
    if step.truncate:
        response = replace(response, body=response.body[: len(response.body) // 2])
    return response


_CHANGES = ("drop", "null", "retype")


def _changed(asked: MockRequest, response: Response, change: str, at: str, rng: Random) -> bytes:
    """The body with one documented field dropped, null or of another type; unchanged if it has no such field."""
    documented = asked.operation and asked.operation.response_for(response.status)
    try:
        body = parse_json(response.body)
    except NotJSON:
        return response.body
    if not at and documented and documented.schema:
        places = [place for place, *_ in documented_fields(asked.operation, documented.schema, body)]
        at = rng.choice(sorted(places)) if places else ""
    above, _, name = at.rpartition("/")
    name = name.replace("~1", "/").replace("~0", "~")
    try:
        parent = resolve(body, above)
    except (LookupError, ValueError):
        return response.body
    if not isinstance(parent, dict) or name not in parent:
        return response.body
    if change == "drop":
        del parent[name]
    else:
        parent[name] = None if change == "null" else _retyped(parent[name])
    return encode(body)


def documented_fields(operation: Operation | None, schema: str, body: Json) -> list[tuple[str, Json]]:
    """The documented fields in a body: (pointer, value)."""
    if operation is None:
        return []
    return [
        (place, value)
        for place, _, _, value in operation.contract.walk(schema, body)
        if place and isinstance(resolve(body, place.rpartition("/")[0]), dict)
    ]


def _retyped(value: Json) -> Json:
    """A value of another type, as servers send by mistake: numbers and true as texts, one item without its list."""
    match value:
        case bool() | int() | float():
            return json.dumps(value)
        case str():
            return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else len(value)
        case list():
            return value[0] if value and not isinstance(value[0], list) else {}
        case dict():
            return [value]
    return ""
