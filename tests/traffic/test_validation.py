"""Tests of `trunkline.traffic.inference` and `validation`: a response is judged as far as it is known."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest

from tests.recordings import URL, har
from tests.requests import request_of
from trunkline import mock
from trunkline.check.rules import RULES
from trunkline.contract import folders
from trunkline.contract.model import Contract, List, Operation
from trunkline.contract.schema import SchemaError, Schemas
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Headers, Json, Request, Response, resolve
from trunkline.findings import Grade, Report
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.report import FORMATS
from trunkline.report.run import RunInfo, curl_command
from trunkline.report.text import plural
from trunkline.traffic import BODY, RESPONSE, UNKNOWN, messages, sources, validation
from trunkline.traffic.inference import guess_status, infer_operation
from trunkline.traffic.messages import check_weight
from trunkline.traffic.validation import recorded_operation, validate, validate_files

VENDORS = {name: loader.load(name) for name in folders.names()}
OPERATIONS = [operation for vendor in VENDORS.values() for operation in vendor.contract.operations]
CASES = [(name, case) for name, vendor in VENDORS.items() for case in vendor.cases]

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)


def vendor_of(operation: Operation) -> Vendor:
    """The vendor of an operation."""
    return VENDORS[operation.contract.vendor]


def success(operation: Operation) -> Response:
    """The response of the mock to the operation."""
    return mock.from_vendor(vendor_of(operation))(request_of(vendor_of(operation), operation))


def error_body(vendor: Vendor, code: str = "NOT_A_CODE") -> Json:
    """The vendor's error envelope around a code."""
    text = json.dumps(vendor.world.error_body).replace("{code}", code).replace("{message}", "words")
    return json.loads(text)


# --- inference -------------------------------------------------------------------------------------------------------


def with_operations(contract: Contract, *operations: Operation) -> Contract:
    """The contract with other operations."""
    double = copy(contract)
    object.__setattr__(double, "operations", operations)
    return double


def with_twin(operation: Operation) -> Contract:
    """The contract with one operation, and another whose success body is that of an error."""
    other = next(answer for key, answer in operation.responses.items() if key.startswith("4"))
    more = replace(
        operation, operation_id="another", responses={"200": replace(operation.success, schema=other.schema)}
    )
    return with_operations(operation.contract, operation, more)


def test_the_only_operation_is_inferred_from_anything(vendor: Vendor) -> None:
    """With one operation, any body is judged as its response."""
    for operation in vendor.contract.operations:
        alone = with_operations(vendor.contract, operation)
        for response in (Response(0, (), b"{"), Response(0, (), b"{}"), Response(0)):
            assert infer_operation(alone, Exchange(UNKNOWN, response, BODY)) is operation


@pytest.mark.parametrize("name", ["listTrunks", "getSipTrunk"])
def test_the_operation_that_fits_best_is_inferred(name: str) -> None:
    """With and without a known status; for a tie and a body that is not JSON the candidates are named."""
    operation = next(each for each in OPERATIONS if each.operation_id == name)
    contract = with_twin(operation)
    first, second = contract.operations
    body = success(operation).body
    assert infer_operation(contract, Exchange(UNKNOWN, Response(200, (), body), RESPONSE)) is first
    assert infer_operation(contract, Exchange(UNKNOWN, Response(0, (), body), BODY)) is first
    wrong = json.dumps(error_body(vendor_of(operation))).encode()
    assert infer_operation(contract, Exchange(UNKNOWN, Response(200, (), wrong), RESPONSE)) is second
    for response, known in ((Response(0, (), wrong), BODY), (Response(200, (), b"{"), RESPONSE), (Response(0), BODY)):
        with pytest.raises(UsageError, match=f"such a response; .*: {first.operation_id}, another$"):
            infer_operation(contract, Exchange(UNKNOWN, response, known))


def inferred(contract: Contract, response: Response, known: frozenset[str]) -> set[str]:
    """The operation that is inferred, or the candidates that are named."""
    try:
        return {infer_operation(contract, Exchange(UNKNOWN, response, known)).operation_id}
    except UsageError as error:
        return set(str(error).rpartition(": ")[2].split(", "))


SAMPLES = [(name, case) for name, case in CASES if case["status"] < 300]
ELSEWHERE = {
    "the create page's answer": {"createSipTrunk"},
    "the verify page's failure": {"verifySipTrunk"},
    "a new trunk that is verified": {"createSipTrunk", "getSipTrunk", "updateSipTrunk"},
}
"""Samples of one operation that are put to another on purpose, or that break the schemas of several -> what they are.
"""


def test_a_lone_item_is_asked_about(vendor: Vendor) -> None:
    """An item of a list is not the response of any operation: those with a similar one are named."""
    likely = {
        "telepath": {"createTrunk", "updateTrunk"},
        "talkover": {"createSipTrunk", "getSipTrunk", "updateSipTrunk"},
    }
    listing = next(found for found in vendor.contract.of_kind(List) if found.resource == "trunks")
    item = resolve(success(listing).json(), listing.item or "")
    body = json.dumps({"success": True, "data": item} if vendor.name == "talkover" else item).encode()
    for response, known in ((Response(0, (), body), BODY), (Response(200, (), body), RESPONSE)):
        assert inferred(vendor.contract, response, known) == likely[vendor.name]
    for value in (item, [item], {"name": "x", "version": 1}, {"trunk": item}, {"openapi": "3.1.0", "paths": {}}):
        response = Response(200, (), json.dumps(value).encode())
        if not (value is item and vendor.name == "telepath"):
            with pytest.raises(UsageError, match=f"no operation of {vendor.name} has such a response"):
                infer_operation(vendor.contract, Exchange(UNKNOWN, response, RESPONSE))


def test_a_valid_body_is_never_taken_for_that_of_an_operation_that_it_breaks(vendor: Vendor) -> None:
    """Whatever else a body of the mock holds, as far as its own operation allows it."""
    everything = {name: None for other in vendor.contract.operations for name in other.view}
    for operation in vendor.contract.operations:
        body = success(operation).json()
        for value in (body, {**everything, **body}, {**body, "data": {**everything, **_data(body)}}):
            if operation.contract.violations(operation.success.schema, value):
                continue
            response = Response(0, (), json.dumps(value).encode())
            for name in inferred(vendor.contract, response, BODY):
                found = vendor.contract.operation(name)
                chosen = len(inferred(vendor.contract, response, BODY)) == 1
                assert not (chosen and vendor.contract.violations(found.success.schema, value))


def _data(body: Json) -> Json:
    return body["data"] if isinstance(body.get("data"), dict) else {}


@pytest.mark.parametrize(("name", "case"), SAMPLES, ids=[f"{name}: {case['name']}" for name, case in SAMPLES])
def test_the_operation_of_a_sample_is_inferred(name: str, case: dict[str, Json]) -> None:
    """Each success body on a page, good or bad, shows its operation, unless operations have the same form."""
    contract = VENDORS[name].contract
    meant = contract.operation(case["operation"])
    alike = {other.operation_id for other in contract.operations if schema_of(other) == schema_of(meant)}
    body = json.dumps(case["body"]).encode()
    for response, known in ((Response(0, (), body), BODY), (Response(case["status"], (), body), RESPONSE)):
        expected = ELSEWHERE.get(case["name"], alike)
        possible = {name for name in expected if known is BODY or contract.operation(name).response_for(case["status"])}
        assert inferred(contract, response, known) == possible


def schema_of(operation: Operation) -> Json:
    """The schema of an operation's success body."""
    return resolve(operation.contract.document, operation.success.schema)


@each_operation
def test_the_operation_of_a_body_of_the_mock_is_inferred(operation: Operation) -> None:
    """The body alone shows it, unless another operation has the same form."""
    contract = operation.contract
    alike = {other.operation_id for other in contract.operations if schema_of(other) == schema_of(operation)}
    assert inferred(contract, Response(0, (), success(operation).body), BODY) == alike


CODES = {
    "CALL_NOT_FOUND": {"getCall"},
    "TRUNK_NOT_FOUND": {"updateTrunk"},
    "SIP_USERNAME_TAKEN": {"createTrunk"},
    "MISSING_REQUIRED": {"createTrunk"},
    "INVALID_PARAMS": {"listTrunks", "listCalls"},
    "INVALID_API_KEY": {"listTrunks", "listCalls", "getCall"},
    "NOT_A_CODE": {"listTrunks", "listCalls", "getCall"},
}
OTHER_CODES = {
    "TRUNK_HAS_DIDS": {"deleteSipTrunk"},
    "DID_ALREADY_EXISTS": {"createSipTrunkDid"},
    "DID_IN_USE": {"deleteSipTrunkDid"},
    "DID_NOT_FOUND": {"deleteSipTrunkDid"},
    "VALIDATION_ERROR": {"createSipTrunk", "updateSipTrunk", "createSipTrunkDid"},
    "TRUNK_NOT_FOUND": {"getSipTrunk", "getSipTrunkHealth", "listSipTrunkDids"},
    "INVALID_TOKEN": {"listSipTrunks", "getSipTrunk", "getSipTrunkHealth", "listSipTrunkDids"},
    "NOT_A_CODE": {"listSipTrunks", "getSipTrunk", "getSipTrunkHealth", "listSipTrunkDids", "getHealth"},
}


@pytest.mark.parametrize(
    ("name", "code", "meant"),
    [
        *(("telepath", code, meant) for code, meant in CODES.items()),
        *(("talkover", code, meant) for code, meant in OTHER_CODES.items()),
    ],
)
def test_the_operation_of_an_error_is_inferred_by_its_code(name: str, code: str, meant: set[str]) -> None:
    """All errors have one form: operations that document the code come first, then those that only read."""
    vendor = VENDORS[name]
    body = json.dumps(error_body(vendor, code)).encode()
    assert inferred(vendor.contract, Response(0, (), body), BODY) == meant


def test_the_operation_of_a_request_is_known(vendor: Vendor) -> None:
    """Whatever the response is; a request that is none of the contract's is not judged by the shape of its response."""
    for operation in vendor.contract.operations:
        request = request_of(vendor, operation)
        for body in (b"{", b"", b"[]", json.dumps(error_body(vendor)).encode()):
            report = validate(vendor, Exchange(request, Response(401, (), body)))
            assert {name for name, _ in report.exercised} == {operation.operation_id}
    [first, *_] = vendor.contract.operations
    for request in (Request("GET", "/nowhere"), Request("OPTIONS", first.path)):
        with pytest.raises(UsageError, match=f"{request.method} {request.path} is no operation of {vendor.name}"):
            validate(vendor, Exchange(request, success(first)))
        report = validate(vendor, Exchange(request, success(first)), first.operation_id)
        assert {name for name, _ in report.exercised} == {first.operation_id}


def test_an_answer_to_head_is_judged_as_far_as_it_goes(vendor: Vendor) -> None:
    """It belongs to the operation of GET: its status and headers are judged, and it is no success of GET."""
    for operation in vendor.contract.operations:
        request, got = request_of(vendor, operation), success(operation)
        asked = replace(request, method="HEAD")
        if operation.method != "GET":
            continue
        report = validate(vendor, Exchange(asked, replace(got, body=b"")))
        assert (report.findings, report.reach.statuses.total()) == ((), 0)
        judged = {rule for (_, rule), reason in report.exercised.items() if not reason}
        assert {"no_server_error", "headers_follow_http", "head_is_supported"} <= judged
        assert report.exercised[operation.operation_id, "body_matches_schema"] == "the request is HEAD"
        failed = validate(vendor, Exchange(asked, Response(500, got.headers)))
        assert [finding.rule for finding in failed.failures()] == ["no_server_error"]


@each_operation
def test_a_perfect_fit_is_found_without_the_violations_of_others(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take long to find, and nothing beats a schema that accepts the body and describes the most of it."""
    contract, response = operation.contract, success(operation)
    monkeypatch.setattr(Contract, "violations", lambda *_: pytest.fail("looked for"))
    likely = {operation.operation_id}
    if response.body:
        value = json.loads(response.body)
        for body in (value, {**value, "undocumented": {}}):
            shown = replace(response, body=json.dumps(body).encode())
            assert likely <= inferred(contract, shown, RESPONSE) or len(inferred(contract, shown, BODY)) == 1


@each_operation
def test_a_status_is_guessed_from_a_lone_body(operation: Operation) -> None:
    """An error body has the status of its code, a misshapen error is an error, anything else a success."""
    vendor = vendor_of(operation)
    usual = int(operation.success.key.replace("X", "0"))
    response = success(operation)
    assert guess_status(operation, response.body) == usual
    for body in (b"{}", b"{", b"[]"):
        assert guess_status(operation, body) == usual
    refusing = {code.code for answer in operation.responses.values() for code in answer.refusals.values()}
    if not refusing:
        return
    for key, answer in operation.responses.items():
        for code in {error.code for error in answer.refusals.values()}:
            if answer.evidence.grade in {"documented", "implied"}:
                assert guess_status(operation, json.dumps(error_body(vendor, code)).encode()) == int(key)
    assert 400 <= guess_status(operation, json.dumps(error_body(vendor)).encode()) < 500
    misshapen = json.dumps(error_body(vendor)).replace('"message": "words"', '"msg": "words"').encode()
    assert 400 <= guess_status(operation, misshapen) < 500


# --- validation ------------------------------------------------------------------------------------------------------


@each_operation
def test_the_responses_of_the_mock_are_valid(operation: Operation) -> None:
    """With all parts known, every rule is applied except those that a plain request does not exercise."""
    vendor = vendor_of(operation)
    request, response = request_of(vendor, operation), success(operation)
    report = validate(vendor, Exchange(request, response), operation.operation_id)
    assert report.findings == ()
    provoked = {rule.name for rule in RULES if rule.provoked and rule.concerns(operation)}
    assert {name for (_, name), reason in report.exercised.items() if reason} == provoked
    assert report.reach.statuses == {(operation.operation_id, response.status): 1}


@each_operation
def test_rules_that_could_not_be_applied_are_reported(operation: Operation) -> None:
    """For a lone body these are the rules that need the status, the headers or the request."""
    vendor, name = vendor_of(operation), operation.operation_id
    report = validate(vendor, Exchange(UNKNOWN, Response(0, (), success(operation).body), BODY), name)
    assert report.findings == ()
    assert not report.reach.statuses
    reasons = {name: reason for (_, name), reason in report.exercised.items()}
    assert reasons["body_matches_schema"] == ""
    assert reasons["documented_status"] == "the status is not known"
    assert reasons["refuses_invalid"] == "the request and the status are not known"
    report = validate(vendor, Exchange(UNKNOWN, success(operation), RESPONSE), name)
    assert set(report.exercised.values()) == {"", "the request is not known"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"a": NaN}', b"\x1f\x8b\x08"])
@each_operation
def test_a_broken_body_is_a_finding(operation: Operation, body: bytes) -> None:
    """The API is wrong, not the caller."""
    exchange = Exchange(UNKNOWN, Response(0, (), body), BODY)
    report = validate(vendor_of(operation), exchange, operation.operation_id)
    assert [finding.rule for finding in report.findings] == ["body_is_json"]


def test_the_operation_of_a_broken_body_must_be_named(vendor: Vendor) -> None:
    """It could be the response of any operation. The sentence says how the caller names one."""
    names = ", ".join(operation.operation_id for operation in vendor.contract.operations)
    exchange = Exchange(UNKNOWN, Response(0, (), b"{"), BODY)
    sentence = f"no operation of {vendor.name} has such a response; name the right one with"
    with pytest.raises(UsageError, match=f"{sentence} operation=: {names}$"):
        validate(vendor, exchange)
    with pytest.raises(UsageError, match=f"{sentence} --operation: {names}$"):
        recorded_operation(vendor.contract, exchange)


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_a_lone_sample_that_is_valid_has_no_finding(name: str, case: dict[str, Json]) -> None:
    """A sample of the pages is also valid when its status is not known."""
    if not case["breaks"]:
        body = json.dumps(case["body"]).encode()
        report = validate(VENDORS[name], Exchange(UNKNOWN, Response(0, (), body), BODY), case["operation"])
        assert not report.failures()


def test_an_unknown_operation_is_refused(vendor: Vendor) -> None:
    """The message names all operations."""
    with pytest.raises(UsageError, match=f"'nope' is not an operation of {vendor.name}; there are: "):
        validate(vendor, Exchange(UNKNOWN, Response(200), RESPONSE), "nope")


def test_secrets_stay_out_of_a_report(vendor: Vendor) -> None:
    """Secrets that the caller names are redacted too."""
    [first, *_] = vendor.contract.operations
    response = Response(0, (), b'{"x": "hush-hush", "hush-hush": 1}')
    report = validate(vendor, Exchange(UNKNOWN, response, BODY), first.operation_id, secrets=frozenset({"hush-hush"}))
    assert report.findings
    assert "hush" not in repr([(f.message, f.seen, f.expected) for f in report.findings])


@pytest.mark.slow_for("talkover")
@pytest.mark.parametrize("kind", ["sized", "unsized", "two", "har", "cassette", "body"])
def test_a_recording_that_was_cut_off_is_never_a_finding(vendor: Vendor, kind: str, tmp_path: Path) -> None:
    """Wherever it was cut, and whether the operation is named or not: what is left of it is judged, or refused."""
    operation = vendor.contract.operations[0]
    response = success(operation)
    sized = (*response.headers, ("content-length", str(len(response.body))))
    shown = [{"name": name, "value": value} for name, value in response.headers]
    url = f"https://h{vendor.contract.base_path}{operation.path}"
    asked = {"method": "GET", "url": url, "uri": url, "headers": []}
    har = {"request": asked, "response": {"status": 200, "headers": shown, "content": {"text": response.body.decode()}}}
    fields = "".join(f"\n      {name}: [{json.dumps(value)}]" for name, value in response.headers)
    cassette = (
        f"interactions:\n- request: {{method: GET, uri: '{url}', headers: {{}}}}\n  response:\n"
        f"    body: {{string: {json.dumps(response.body.decode())}}}\n    headers:{fields}\n    status: {{code: 200}}\n"
    )
    data = {
        "sized": printed(sized) + response.body,
        "unsized": printed(response.headers) + response.body,
        "two": (printed(sized) + response.body) * 2,
        "har": json.dumps({"log": {"entries": [har]}}).encode(),
        "cassette": cassette.encode(),
        "body": response.body,
    }[kind]
    path, judged = tmp_path / "recording", 0
    for end in (*range(0, len(data), len(data) // 60), *range(len(data) - 20, len(data) + 1)):
        path.write_bytes(data[:end])
        for names in ((), (operation.operation_id,)):
            with suppress(UsageError):
                report = validate_files(vendor, [str(path)], names)
                judged += 1
                assert report.findings == (), end
    assert judged >= 2


def printed(headers: Headers) -> bytes:
    """The header of a response, as `curl -i` prints it."""
    return "".join(["HTTP/1.1 200 OK\r\n", *(f"{name}: {value}\r\n" for name, value in headers), "\r\n"]).encode()


def test_a_recording_without_exchanges_is_refused(vendor: Vendor, tmp_path: Path) -> None:
    """There is nothing to judge."""
    (tmp_path / "a.json").write_text('{"interactions": []}')
    with pytest.raises(UsageError, match=r"a.json' cannot be judged: it holds no exchange"):
        validate_files(vendor, [str(tmp_path)])


def test_a_401_to_an_invalid_request_is_no_finding() -> None:
    """Only the API knows whether the credential is valid, and no page says that the parameters come first."""
    telepath = loader.load("telepath")
    request = Request("GET", "/trunks", "limit=101", (("authorization", "Bearer an_expired_one"),))
    refused = mock.from_vendor(telepath)(request)
    report = validate(telepath, Exchange(request, refused))
    assert (refused.status, report.findings) == (401, ())
    name = "refusal_is_documented"
    assert report.exercised["listTrunks", name] == "the credential may be what is refused"
    for request_, status in ((replace(request, headers=()), 403), (request, 400)):
        other = validate(telepath, Exchange(request_, replace(refused, status=status)))
        assert {finding.rule for finding in other.findings} == {name}
        assert other.exercised["listTrunks", name] == ""


def test_a_redirect_is_not_judged(vendor: Vendor) -> None:
    """Nor is a 304, which a browser records: the contract lists neither, and the API did nothing wrong."""
    for operation in vendor.contract.operations:
        for status in (301, 304, 308):
            exchange = Exchange(request_of(vendor, operation), Response(status))
            with pytest.raises(UsageError, match=f"its status is {status}: the answer is elsewhere"):
                validate(vendor, exchange)


FILTERS: dict[str, Callable[[dict[str, Json]], None]] = {
    "nothing": lambda _: None,
    "credentials": lambda entry: entry["request"].update(headers=[]),
    "credentials and bodies": lambda entry: entry["request"].update(headers=[], postData=None),
    "response headers": lambda entry: entry["response"].update(headers=[]),
    "secrets": lambda entry: entry["request"].update(postData={"text": '{"name": "n"}'}),
}


@pytest.mark.parametrize("filtered", FILTERS)
def test_a_recording_of_the_mock_has_no_finding(vendor: Vendor, filtered: str, tmp_path: Path) -> None:
    """Whatever its author filtered out: successes, refusals for the credential, for the query and for the body."""
    target = mock.from_vendor(vendor)
    entries = []
    for operation in vendor.contract.operations:
        good = request_of(vendor, operation)
        for request in (
            good,
            replace(good, query="limit=0&status=busy"),
            replace(good, headers=()),
            replace(good, body=b"{"),
        ):
            response = target(request)
            sent, received = (
                [{"name": name, "value": value} for name, value in message.headers] for message in (request, response)
            )
            url = f"https://h{vendor.contract.base_path}{request.target}"
            asked = {"method": request.method, "url": url, "headers": sent, "postData": {"text": request.body.decode()}}
            content = {"text": response.body.decode()}
            entry = {"request": asked, "response": {"status": response.status, "headers": received, "content": content}}
            FILTERS[filtered](entry)
            entries.append(entry)
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": entries}}))
    report = validate_files(vendor, [str(tmp_path)])
    assert report.findings == ()
    assert report.reading.judged == {str(tmp_path / "a.har"): len(entries)}


def test_a_file_that_is_not_judged_to_its_end_is_no_success(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report has what was judged, and says that it is not all."""
    path = tmp_path / "a.txt"
    response = success(vendor.contract.operations[0])
    fields = "".join(f"{name}: {value}\n" for name, value in response.headers)
    path.write_bytes(f"HTTP/1.1 {response.status} OK\n{fields}\n".encode().join([b"", *[response.body] * 2]))
    monkeypatch.setattr(sources, "MOST_BYTES", max(1024, len(response.body)))
    report = validate_files(vendor, [str(path)], [vendor.contract.operations[0].operation_id])
    assert (report.reading.judged, report.reading.skipped) == ({str(path): 1}, 1)
    assert "on were not judged: with those before it they decode to more than" in report.reading.not_judged[str(path)]
    assert report.stopped == f"{str(path)!r} was not judged to its end"


def test_a_body_that_is_too_large_when_decoded_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for one that was cut off, or that is no JSON."""
    monkeypatch.setattr(messages, "MOST_BYTES", 5000)
    body = gzip.compress(b" " * 6000 + b"{}")
    fields = (("content-encoding", "gzip"), ("content-length", str(len(body))))
    with pytest.raises(UsageError, match="the body is more than 5000 bytes when it is decoded"):
        messages.decode(Response(200, fields, body))


@pytest.mark.slow_for("[],", '"ab"', "[0]")
@pytest.mark.parametrize("unit", [b"{},", b"[],", b'{"a":1},', b'"ab",', b"1,", b"[0],"])
def test_what_takes_too_much_memory_is_refused(unit: bytes) -> None:
    """A text of 64 MB that is very many values is refused before it is read; one of 2 MB is not."""
    with pytest.raises(UsageError, match="too many values to be judged at once"):
        check_weight(unit * ((64 << 20) // len(unit)))
    check_weight(unit * ((2 << 20) // len(unit)))


def test_a_large_page_of_items_is_not_refused() -> None:
    """A text of 64 MB whose values are longer is not too many of them."""
    item = json.dumps({f"property_{number}": f"a value of {number}" for number in range(20)}).encode()
    check_weight(item * ((64 << 20) // len(item)))


def test_a_credential_in_a_recorded_query_is_not_shown(vendor: Vendor) -> None:
    """A report shows the request again, without what its parameters and headers carry that may be secret."""
    operation = vendor.contract.operations[0]
    query, fields = "client_secret=hunter2-Hunter2&again=key-key-key", (("x-api-key", "key-key-key"),)
    exchange = Exchange(Request("GET", operation.path, query, fields), Response(500, (), b'{"a": "HUNTER2-hunter2"}'))
    report = validate(vendor, exchange)
    run = RunInfo(vendor.name, "http://127.0.0.1/v1")
    shown = FORMATS["text"](report, run) + FORMATS["json"](report, run)
    assert report.findings
    assert "client_secret=***" in shown
    assert "hunter2" not in shown.lower()
    assert "key-key" not in shown


# --- bounds ----------------------------------------------------------------------------------------------------------


def judged(tmp_path: Path, value: Json | str, *bases: str) -> Report:
    """The report about a recording."""
    path = tmp_path / "recorded"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return validate_files(VENDORS["telepath"], [str(path)], bases=bases)


SENT = (("authorization", "Bearer sk_live_0123456789"), ("User-Agent", "x/1"), ("Cookie", "a=b"), ("X-Tenant", "7"))
COMMAND = 'curl -sSig --path-as-is -H "authorization: Bearer $TRUNKLINE_TOKEN"'
LINE = {"request": {"method": "GET", "url": URL}, "response": {"status": 200, "headers": {}, "body": "{}"}}
CURL_V = "> GET /v1/trunks HTTP/1.1\n> Host: 127.0.0.1:9\n> \n< HTTP/1.1 200 OK\n< a: b\n< \n{}\n"
COMMANDS: dict[str, tuple[Json, tuple[str, ...], str]] = {
    "har": (har("{}", sent=SENT), (), f"{COMMAND} -H 'x-tenant: 7' '{URL}'"),
    "replaced credential": (har("{}", sent=(("Authorization", "REDACTED"),)), (), f"{COMMAND} '{URL}'"),
    "ndjson": (LINE, (), f"{COMMAND} '{URL}'"),
    "curl -v": (CURL_V, (), f"{COMMAND} 'http://127.0.0.1:9/v1/trunks'"),
    "base": (har("{}", url="https://h/voice/trunks"), ("https://h/voice",), f"{COMMAND} 'https://h/voice/trunks'"),
    "another host": (har("{}", url="https://h/v1/trunks"), (), ""),
    "no host": ({**LINE, "request": {"method": "GET", "url": "/v1/trunks"}}, (), ""),
    "a password in the address": (har("{}", url=URL.replace("//", "//me:hush@")), (), ""),
    "no host, and a base": (
        {**LINE, "request": {"method": "GET", "url": "/voice/trunks"}},
        ("https://me:hush@h/voice/",),
        f"{COMMAND} 'https://h/voice/trunks'",
    ),
    "a password, and a base": (
        har("{}", url="https://me:hush@h/voice/trunks"),
        ("https://h/voice",),
        f"{COMMAND} 'https://h/voice/trunks'",
    ),
    "a hidden field": (har("{}", sent=(("X-Tenant", "[Filtered]"),)), (), ""),
    "an API key": (har("{}", sent=(("X-Api-Key", "DUMMY"),)), (), ""),
    "a hidden parameter": (har("{}", url=f"{URL}&api_key=0123456789"), (), ""),
    "a write": ({**LINE, "request": {"method": "POST", "url": URL.partition("?")[0]}, "complete": True}, (), ""),
}


@pytest.mark.parametrize(("value", "bases", "command"), COMMANDS.values(), ids=COMMANDS)
def test_a_recorded_read_has_a_command(value: Json, bases: tuple[str, ...], command: str, tmp_path: Path) -> None:
    """It works as soon as the token is set, and sends the token to no address that only the recording names."""
    report = judged(tmp_path, value, *bases)
    assert {curl_command(finding, report, RunInfo("telepath")) for finding in report.findings} == {command}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_report_says_once_how_to_get_the_missing_commands(name: str, tmp_path: Path) -> None:
    """It names `--base` only where that would help: not if a part of the request is hidden, or for a write."""
    value, bases, _ = COMMANDS[name]
    report = judged(tmp_path, value, *bases)
    lines = [line for line in FORMATS["text"](report, RunInfo("telepath")).splitlines() if "--base" in line]
    helps = name in {"another host", "no host", "a password in the address"}
    what = f"no curl command for {plural(len(report.findings), 'finding')}"
    line = f"again         {what}: name the address with --base, if you trust it with your token"
    assert lines == ([line] if helps else [])


def recorded(path: Path, *bodies: Json) -> str:
    """A file with a response of `curl -i` for each body."""
    head = b"HTTP/1.1 200 OK\ncontent-type: application/json\nx-ratelimit-limit: 9\nx-ratelimit-remaining: 8\n"
    head += b"x-ratelimit-reset: 1709654400\n\n"
    path.write_bytes(b"".join(head + json.dumps(body).encode() + b"\n" for body in bodies))
    return str(path)


def trunks(status: Json, count: int = 1) -> Json:
    """A page of trunks of Telepath with this status."""
    body = json.loads(success(VENDORS["telepath"].contract.operation("listTrunks")).body)
    items = [{**body["trunks"][0], "id": f"conn_{number:012}", "status": status} for number in range(count)]
    return {"trunks": items, "pagination": {"limit": 100, "offset": 0, "total": 1000}}


def opinions(monkeypatch: pytest.MonkeyPatch, refuse: Callable[[Json], bool] = lambda _: True) -> list[Json]:
    """The values of which a second opinion is sought, from now on; jsonschema accepts those that it does not refuse."""
    asked: list[Json] = []
    original = Schemas.second_opinion

    def noted(self: Schemas, place: str, value: Json) -> list[SchemaError]:
        asked.append(value)
        return original(self, place, value) if refuse(value) else []

    monkeypatch.setattr(Schemas, "second_opinion", noted)
    return asked


def test_a_cause_is_confirmed_once_in_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each wrong item is counted, but jsonschema is asked only about a page with a new cause; each run begins anew."""
    asked = opinions(monkeypatch)
    bodies = [*[trunks("busy", 30)] * 20, trunks(7, 30), *[trunks("idle", 30)] * 20]
    for runs in (1, 2):
        report = validate_files(VENDORS["telepath"], [recorded(tmp_path / "a", *bodies)], ["listTrunks"])
        assert len(asked) == 2 * runs
        found = {finding.contract.rpartition("/")[2]: finding.count for finding in report.findings}
        assert found == {"enum": 1200, "type": 30}
        assert all("counted from here on" not in finding.message for finding in report.findings)


def test_a_cause_that_was_not_confirmed_is_asked_about_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A value that only one validator refuses stays a note, until both refuse a value for the same cause."""
    asked = opinions(monkeypatch, lambda value: value["trunks"][0]["status"] == "busy")
    bodies = [*[trunks("odd")] * 3, trunks("busy"), trunks("busy")]
    report = validate_files(VENDORS["telepath"], [recorded(tmp_path / "a", *bodies)], ["listTrunks"])
    assert len(asked) == 4
    (found,) = report.findings
    assert (found.evidence.grade, found.count) == (Grade.IMPLIED, 5)
    (found,) = validate_files(VENDORS["telepath"], [recorded(tmp_path / "a", *bodies[:3])], ["listTrunks"]).findings
    assert (found.evidence.grade, found.count) == (Grade.CUSTOMARY, 3)


@pytest.mark.parametrize(("name", "bound", "judged"), [("_MOST_WRONG", 4, 4), ("_MOST_PROBLEMS", 41, 5)])
def test_a_file_with_very_many_problems_is_not_judged_to_its_end(
    name: str, bound: int, judged: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The report says where the judging ended, and why; what is right does not count."""
    monkeypatch.setattr(validation, name, bound)
    good, bad = trunks("active", 10), trunks("busy", 10)
    path = recorded(tmp_path / "a", *[good] * 50, *[bad] * 20)
    report = validate_files(VENDORS["telepath"], [path], ["listTrunks"])
    assert report.reading.judged == {path: 50 + judged}
    assert sum(finding.count for finding in report.findings) == 10 * judged
    assert f"{judged} before it have {10 * judged} problems; split the file" in report.reading.not_judged[path]
    assert report.stopped == f"{path!r} was not judged to its end"
    monkeypatch.setattr(validation, name, bound + 1000)
    assert validate_files(VENDORS["telepath"], [path], ["listTrunks"]).reading.judged == {path: 70}


LARGE: dict[str, Callable[[int], Json]] = {
    "right pages": lambda _: trunks("active", 100),
    "wrong pages": lambda number: trunks(f"busy {number}", 100),
    "small right answers": lambda _: trunks("active"),
    "small wrong answers": lambda number: trunks(f"busy {number}"),
}


_BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
import trunkline
from trunkline.traffic.validation import validate_files
report = validate_files(trunkline.load("telepath"), sys.argv[1:], ["listTrunks"])
[most] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]  # of this program alone
print(*report.reading.judged.values(), int(most) >> 10)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGE)
def test_the_largest_file_takes_bounded_time_and_memory(kind: str, tmp_path: Path) -> None:
    """64 MB of responses take less than 600 MB, and a processor time that is generous for a slow machine."""
    path = Path(recorded(tmp_path / "a", *(LARGE[kind](number) for number in range(20))))
    with path.open("ab") as stream:
        piece = path.read_bytes()
        for _ in range((64 << 20) // len(piece) - 1):
            stream.write(piece)
    done = subprocess.run([sys.executable, "-c", _BOUNDED, str(path)], capture_output=True, text=True, check=True)
    judged, megabytes = map(int, done.stdout.split())
    assert judged >= 400
    assert megabytes < 600


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.har", "a.ndjson"])
def test_a_recording_of_any_size_takes_the_memory_of_an_entry(name: str, tmp_path: Path) -> None:
    """Of 300 MB of requests to other hosts, with one for the vendor at their end: less than 150 MB are taken."""
    path, text = tmp_path / name, json.dumps({"text": "\\" * 30_000})
    if name == "a.har":
        begin, between, end = '{"log": {"entries": [', ", ", "]}}"
        other, own = (json.dumps(har(text, url=url)["log"]["entries"][0]) for url in ("https://a.example/", URL))
    else:
        begin, between, end = "", "\n", "\n"
        other, own = (
            json.dumps({"request": {"method": "GET", "url": url}, "response": {"status": 200, "body": text}})
            for url in ("https://a.example/", URL)
        )
    with path.open("w") as stream:
        stream.write(begin)
        for _ in range((300 << 20) // len(other)):
            stream.write(other + between)
        stream.write(own + end)
    done = subprocess.run([sys.executable, "-c", _BOUNDED, str(path)], capture_output=True, text=True, check=True)
    judged, megabytes = map(int, done.stdout.split())
    assert judged == 1
    assert megabytes < 150


@pytest.mark.parametrize("name", ["har", "curl", "body"])
def test_a_body_beyond_our_limits_is_not_judged(name: str, tmp_path: Path) -> None:
    """In no format is it a finding, and the sentence says whose limit that is."""
    body = "[" * 150 + "]" * 150
    text = {"har": json.dumps(har(body)), "curl": f"HTTP/1.1 200 OK\na: b\n\n{body}\n", "body": body}[name]
    (tmp_path / "a").write_text(text)
    with pytest.raises(UsageError, match=r"cannot be judged: the body is nested more than 100 levels deep, the limit"):
        validate_files(VENDORS["telepath"], [str(tmp_path / "a")], ["listTrunks"])
    with pytest.raises(UsageError, match="the limit of trunkline"):
        validate(VENDORS["telepath"], Exchange(Request("GET", "/trunks"), Response(200, (), body.encode())))
