"""A report counts the judged exchanges, beside the findings."""

from __future__ import annotations

import json

import pytest

from trunkline import load
from trunkline.check import reach
from trunkline.exchange import Exchange, Json, Request, Response
from trunkline.findings import Report

CONTRACT = load("telepath").contract


def count(name: str, request: Request, response: Response, known: frozenset[str] | None = None) -> Report:
    """The report about one exchange."""
    report = Report()
    exchange = Exchange(request, response)
    if known is not None:
        exchange = Exchange(request, response, known)
    reach.count(report, CONTRACT.operation(name), exchange)
    return report


def answer(status: int, body: Json) -> Response:
    return Response(status, (), json.dumps(body).encode())


def test_the_documented_parameters_of_a_request_are_counted() -> None:
    """Those of the query by their decoded names, each once, and the fields of the body; no others, and no values."""
    request = Request("GET", "/trunks", "lim%69t=1&limit=2&status=active&sk_hush=1")
    assert count("listTrunks", request, answer(200, {})).reach.inputs == {
        ("listTrunks", "limit"): 1,
        ("listTrunks", "status"): 1,
    }
    body = json.dumps({"name": "n", "sip_password": "hush", "more": 1}).encode()
    report = count("createTrunk", Request("POST", "/trunks", "", (), body), answer(201, {}))
    assert report.reach.inputs == {("createTrunk", "name"): 1, ("createTrunk", "sip_password"): 1}


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'{"name"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_has_no_fields(body: bytes) -> None:
    """It may be anything, since a check sends it on purpose."""
    assert not count("createTrunk", Request("POST", "/trunks", "", (), body), answer(400, {})).reach.inputs


def test_the_documented_error_codes_are_counted() -> None:
    """By status; a code that the contract does not name there is not, whatever its type."""
    request, at = Request("GET", "/trunks"), CONTRACT.errors.code.split("/")[1:]
    code = next(iter(CONTRACT.operation("listTrunks").responses["401"].refusals.values())).code

    def error(found: Json) -> Json:
        for name in reversed(at):
            found = {name: found}
        return found

    report = count("listTrunks", request, answer(401, error(code)))
    assert report.reach.codes == {("listTrunks", 401, code): 1}
    assert report.reach.statuses == {("listTrunks", 401): 1}
    for status, wrong in ((401, "sk_hush"), (401, [code]), (418, code), (200, code)):
        assert not count("listTrunks", request, answer(status, error(wrong))).reach.codes
    assert not count("listTrunks", request, Response(401, (), b"<html>")).reach.codes


def test_what_is_not_known_is_not_counted() -> None:
    """A lone body has no status, and no request."""
    request = Request("GET", "/trunks", "limit=1")
    report = count("listTrunks", request, answer(200, {}), frozenset({"body"}))
    assert (report.reach.statuses, report.reach.inputs, report.reach.codes) == ({}, {}, {})
