"""Rules on what HTTP asks of every response, from the table of `contract.http`. They only note a breach."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.check.problem import Problem, customary
from trunkline.check.rules.rule import rule
from trunkline.contract.http import FIELDS, forbids_content, missing_fields
from trunkline.contract.model import Operation
from trunkline.exchange import Exchange


@rule("customary: RFC 9110, the section of the status or of the field", "status", "headers", anywhere=True)
def headers_follow_http(_: Operation, exchange: Exchange) -> Iterator[Problem]:
    """A response has the header fields that HTTP requires with its status, and their values have the form of HTTP."""
    status, names = exchange.response.status, [name for name, _ in exchange.response.headers]
    for name in missing_fields(status, names):
        field = FIELDS[name]
        is_known = not field.is_of_server or "server" in exchange.known
        if is_known and name != "allow":  # which allow_lists_the_documented_method judges
            message = f"a response with status {status} has no {_spelled(name)}"
            evidence = customary(9110, field.required_by)
            expected = f"present, unless {field.unless}" if field.unless else "present"
            yield Problem(message, evidence, f"header/{name}", expected=expected, seen="absent")
    for name, value in exchange.response.headers:
        if name in FIELDS and not FIELDS[name].form.fullmatch(value.strip(" \t")):
            message = f"{_spelled(name)} does not have the form that HTTP gives it"
            yield Problem(message, customary(9110, FIELDS[name].section), f"header/{name}")


def _spelled(name: str) -> str:
    """The name of a header field as it is usually written: `WWW-Authenticate`."""
    return name.title().replace("Www", "WWW")


@rule("customary: RFC 9110, the section of the method or of the status", "request", "status", "body", anywhere=True)
def content_is_allowed(_: Operation, exchange: Exchange) -> Iterator[Problem]:
    """A response to HEAD, or with a status such as 204 or 304, has no content."""
    method, status = exchange.request.method, exchange.response.status
    section = forbids_content(method, status) if exchange.response.body else ""
    if section:
        message = f"a response {'to HEAD' if method == 'HEAD' else f'with status {status}'} has content"
        seen = f"{len(exchange.response.body)} bytes"
        yield Problem(message, customary(9110, section), "body", expected="none", seen=seen)


@rule("customary: RFC 9110 section 9.1", "request", "status", anywhere=True)
def head_is_supported(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """HEAD is not refused as a method where GET is documented."""
    status = exchange.response.status
    if exchange.request.method == "HEAD" and operation.method == "GET" and status in (405, 501):
        message = "HEAD is refused where GET is documented"
        yield Problem(message, customary(9110, "9.1"), "status", expected="as for GET")
