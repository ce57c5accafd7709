r"""Owns where a response to judge comes from: bytes in a file or a pipe, or the response of another library.

    >>> from_bytes(b'HTTP/2 200 \r\ncontent-type: application/json\r\n\r\n{}')
    (Response(200, <2 bytes>), frozenset({'status', 'headers', 'body'}))

Bytes are the output of `curl -i`, or a lone body. A body that is broken is no error here: the rules say so.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import urlsplit

from trunkline.check.rules import RULES, Rule, judge
from trunkline.contract.bodies import NOTHING, at_pointer, json_of
from trunkline.contract.model import Contract, DocumentedResponse, Operation
from trunkline.contract.refusals import reasons_to_refuse
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Exchange, Headers, Json, NotJSON, Request, Response, headers, resolve
from trunkline.findings import Grade, Report
from trunkline.mock.loader import Vendor
from trunkline.transport.content_coding import unpacked

LIMIT = 64 << 20
"""No source is read beyond so many bytes."""
BODY = frozenset({"body"})
RESPONSE = frozenset({"status", "headers", "body"})
EVERYTHING = RESPONSE | {"request"}

_DESCRIPTORS = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
"""What a shell names when it puts `<(command)` in a command's place: somebody writes there."""

_BOM = b"\xef\xbb\xbf"
_STATUS_LINE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([0-9]{3})(?: [^\r\n]*)?\r?(?:\n|\Z)")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")

# --- bytes ----------------------------------------------------------------------------------------------------------


def read(source: str, limit: int = LIMIT) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises `UsageError` with what is wrong and the way out."""
    if not source:
        raise UsageError("the source has no name; name a file, or - for standard input")
    try:
        if source == "-":
            data = _standard_input().read(limit + 1)
            size = len(data)
            if not data:
                raise UsageError("nothing came on standard input; look at what should have sent a response")
        else:
            if Path(source).is_fifo() and not source.startswith(_DESCRIPTORS):
                raise UsageError(f"{source!r} is a named pipe, which may never end; pipe it in, and name - instead")
            with Path(source).open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                data = stream.read(limit + 1) if size <= limit else b""
                size = max(size, len(data))
    except OSError as error:
        raise UsageError(f"{source!r} cannot be read: {_why(error)}") from None
    except ValueError:
        raise UsageError(f"{source!r} cannot be read: it is no file name, or the file is closed") from None
    if size > limit:
        raise UsageError(f"{source!r} holds {size} bytes or more, and {limit} is the limit; cut out one response")
    return data


def _standard_input() -> BinaryIO:
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise UsageError("standard input is closed; pipe a response in, or name a file")
    if stream.isatty():
        raise UsageError("standard input is a terminal; pipe a response in, or name a file")
    return stream


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a directory; name a file in it"
    if isinstance(error, PermissionError):
        return "permission is denied"
    return (error.strerror or type(error).__name__).lower()


def from_bytes(data: bytes) -> tuple[Response, frozenset[str]]:
    """The response and what is known of it: all of it for the output of `curl -i`, else only the body.

    Of several header blocks (`100 Continue`, a proxy's `200 Connection established`, redirects) the last counts.
    """
    if data[:10] in {"HTTP/".encode("utf-16-le"), "HTTP/".encode("utf-16-be")} or data[2:12] == b"H\0T\0T\0P\0/\0":
        raise UsageError("the response was saved as UTF-16, as some shells do; save it with curl -i -o FILE")
    body = data.removeprefix(_BOM) if data.startswith(_BOM + b"HTTP/") else data
    status, fields = 0, b""
    while line := _STATUS_LINE.match(body):
        status = int(line[1])
        end = _EMPTY_LINE.search(body, line.end() - 1)
        fields = body[line.end() : end.start()] if end else body[line.end() :]
        body = body[end.end() :] if end else b""
    if not status:
        return Response(0, (), body), BODY
    return _plain(Response(status, _headers(fields), body)), RESPONSE


def _headers(block: bytes) -> Headers:
    lines = _FOLD.sub(" ", block.decode("latin-1")).splitlines()
    pairs = (line.partition(":") for line in lines)
    return headers((name.strip(), value.strip()) for name, colon, value in pairs if colon)


def _plain(response: Response) -> Response:
    """The response freed of its content coding, unless that was done before: `curl --compressed` leaves the header."""
    with suppress(TargetError):  # then the body is not coded as its header says: it is judged as it is
        response = unpacked(response, LIMIT, "the source")
    coding = (response.header("content-encoding") or "identity").strip().lower()
    if coding not in {"identity", "gzip", "x-gzip", "deflate"} and not _is_text(response.body):
        raise UsageError(f"the body is coded as {ascii(coding)[1:-1]}, which is not read here; use curl --compressed")
    return response


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def from_response(response: Any) -> Response:
    """A response of `requests`, of `httpx` or of a test client, by its attributes; one of ours as it is."""
    if isinstance(response, Response):
        return response
    try:
        fields: Any = response.headers
        pairs: Iterable[tuple[str, str]] = fields.multi_items() if hasattr(fields, "multi_items") else fields.items()
        return Response(int(response.status_code), headers(pairs), bytes(response.content))
    except (AttributeError, TypeError, ValueError, RuntimeError):
        kind = type(response).__name__
        raise UsageError(
            f"a {kind} is no response: it needs status_code, headers and a content that was read"
        ) from None


def request_of(response: Any, contract: Contract) -> Request | None:
    """The request that another library's response carries, below the vendor's base address; None if it carries none."""
    asked = getattr(response, "request", None)
    address = urlsplit(str(getattr(asked, "url", "")))
    method, fields = getattr(asked, "method", None), getattr(asked, "headers", None)
    _, base, path = address.path.partition(contract.base_path)
    if not isinstance(method, str) or fields is None or not base:
        return None
    return Request(method, path, address.query, headers((str(name), str(value)) for name, value in fields.items()))


def given(
    response: object = None,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: Json = None,
) -> tuple[Response, frozenset[str]]:
    """A response from another library's, or from its parts; what was not given is not known."""
    if response is not None:
        if (status, headers, body) != (None, None, None):
            raise UsageError("a response and its parts are two responses; give one of them")
        return from_response(response), RESPONSE
    if body is None:
        raise UsageError("there is nothing to validate; give a response, or its body")
    text = body if isinstance(body, bytes | str) else json.dumps(body, ensure_ascii=False)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    fields = tuple((name.lower(), value) for name, value in (headers or {}).items())
    known = {"body", *(["status"] if status is not None else []), *(["headers"] if headers is not None else [])}
    return Response(status or 0, fields, data), frozenset(known)


# --- what it is a response of ---------------------------------------------------------------------------------------


def asked_for(contract: Contract, request: Request) -> Operation | None:
    """The operation that a request names, or None."""
    operations, _ = contract.match(request.path)
    return next((operation for operation in operations if operation.method == request.method), None)


def infer(contract: Contract, response: Response, known: frozenset[str]) -> Operation:
    """The operation whose answer this is, or breaks least. Raises `UsageError` naming the candidates if several are."""
    if len(contract.operations) == 1:
        return contract.operations[0]
    shapes: dict[str, tuple[int, int]] = {}
    distances = {operation: _distance(operation, response, known, shapes) for operation in contract.operations}
    least = min(distances.values())
    nearest = [operation for operation, distance in distances.items() if distance == least]
    if len(nearest) > 1:
        among = ", ".join(operation.operation_id for operation in nearest)
        raise UsageError(f"the response alone does not tell its operation; name one of: {among}")
    return nearest[0]


_Distance: TypeAlias = tuple[int, int, int, bool]
_OF_SHAPE = ("type", "required", "const")
"""What breaks one of these is shaped otherwise; a wrong value stands where it belongs all the same."""
_UNTOLD = len(Grade)
"""How far a body is whose code no answer documents."""
_NO_JSON: _Distance = (_UNTOLD, 1_000_000, 0, True)
"""The distance of what is no JSON from any response."""


def _distance(
    operation: Operation, response: Response, known: frozenset[str], shapes: dict[str, tuple[int, int]]
) -> _Distance:
    """How far a body is from the operation's response: by its error code, by how little of its shape is described.

    What only reads is nearer than what writes. `shapes` remembers what was found of each schema.
    """
    try:
        body = response.json()
    except NotJSON:
        return _NO_JSON
    answer = operation.response_for(response.status)
    answers = [*operation.responses.values()] if "status" not in known else [answer] if answer else []
    return min((_far(operation, found, body, shapes) for found in answers if found.schema), default=_NO_JSON)


def _far(operation: Operation, answer: DocumentedResponse, body: Json, shapes: dict[str, tuple[int, int]]) -> _Distance:
    contract = operation.contract
    ref = resolve(contract.document, answer.schema)["$ref"]
    if ref not in shapes:
        broken = [violation.keyword for violation in contract.violations(answer.schema, body)]
        described = sum(1 for _ in contract.walk(answer.schema, body)) - sum(word in _OF_SHAPE for word in broken)
        shapes[ref] = (-described, len(broken))
    code = at_pointer(body, contract.errors.code)
    told = min((said.evidence.grade.rank for said in answer.refusals.values() if said.code == code), default=_UNTOLD)
    return told, *shapes[ref], not operation.reads


def _broken(operation: Operation, answer: DocumentedResponse, body: Json) -> int:
    return sum(1 for _ in operation.contract.violations(answer.schema, body))


def guess_status(operation: Operation, body: bytes) -> int:
    """The status with which a lone body is judged: an error's if that is what the body tells, else the success's.

    It tells so by an error code, by an error message, or by breaking a `const` of the success (`success: true`).
    """
    success = operation.success
    usual = int(success.key.replace("X", "0"))
    errors = [
        answer
        for key, answer in operation.responses.items()
        if key.isdigit() and int(key) >= 400 and answer.schema and answer.evidence.grade is not Grade.DECISION
    ]
    try:
        value = Response(0, (), body).json()
    except NotJSON:
        return usual
    if not errors:
        return usual
    places = operation.contract.errors
    code, message = (at_pointer(value, at) for at in (places.code, places.message))
    with_code = (answer for answer in errors if code in [said.code for said in answer.refusals.values()])
    nearest = next(with_code, errors[0])
    keywords = [violation.keyword for violation in operation.contract.violations(success.schema, value)]
    broken = _broken(operation, nearest, value)
    told = code is not NOTHING and broken < len(keywords)
    hinted = (message is not NOTHING or "const" in keywords) and broken == 0 < len(keywords)
    return int(nearest.key) if told or hinted else usual


# --- judged ---------------------------------------------------------------------------------------------------------


def validation(
    vendor: Vendor,
    response: Response,
    known: frozenset[str],
    operation: str | None = None,
    request: Request | None = None,
    *,
    rules: tuple[Rule, ...] = RULES,
    secrets: frozenset[str] = frozenset(),
) -> Report:
    """What the rules say of one response. The report tells which of them could not be applied, and why."""
    asked = asked_for(vendor.contract, request) if request else None
    chosen = named(vendor.contract, operation) if operation else asked or infer(vendor.contract, response, known)
    if "status" not in known:
        response = replace(response, status=guess_status(chosen, response.body))
    known = known | {"request"} if request else known - {"request"}
    exchange = Exchange(request or Request(chosen.method, chosen.path), response, known)
    report = Report(secrets=vendor.secrets | secrets)
    for each in rules:
        if not each.concerns(chosen):
            continue
        report.exercised[chosen.operation_id, each.name] = _reason(each, exchange, chosen)
    if "status" in known:
        report.reached[chosen.operation_id, response.status] += 1
    report.extend(judge(chosen, exchange, rules))
    return report


def _reason(rule: Rule, exchange: Exchange, operation: Operation) -> str:
    """Why a rule has nothing to say of an exchange, or "" when it had its say."""
    missing = sorted(rule.needs - exchange.known)
    if missing:
        return f"the {' and the '.join(missing)} {'is' if missing in (['request'], ['status']) else 'are'} not known"
    described = operation.response_for(exchange.response.status)
    if rule.of_success and not (described and described.key.startswith("2")):
        return "the answer is no success"
    if "body" in rule.needs and not rule.of_bytes and json_of(exchange) is NOTHING:
        return "the body is not JSON"
    provoked = "request" not in exchange.known or bool(reasons_to_refuse(operation.contract, exchange.request))
    filtered = operation.listing is not None and any(
        name in exchange.request.query for name in operation.listing.filters
    )
    return "a plain request does not put it to the test" if rule.provoked and not (provoked or filtered) else ""


def named(contract: Contract, name: str) -> Operation:
    """The operation of that operationId. Raises `UsageError` naming those that there are."""
    try:
        return contract.operation(name)
    except LookupError:
        there = ", ".join(operation.operation_id for operation in contract.operations)
        raise UsageError(f"{name!r} is not an operation of {contract.vendor}; there are: {there}") from None
