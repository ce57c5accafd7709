"""What `trunkline.traffic.sources` promises: whatever is handed in becomes a response that the rules can judge."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import zlib
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import requests
from tests.requests import request_of
from trunkline import mock
from trunkline.check.rules import RULES
from trunkline.contract import folders
from trunkline.contract.model import Contract, Operation
from trunkline.errors import UsageError
from trunkline.exchange import Json, Request, Response, resolve
from trunkline.mock import loader
from trunkline.mock.loader import Vendor
from trunkline.traffic.sources import (
    BODY,
    EVERYTHING,
    RESPONSE,
    from_bytes,
    from_response,
    given,
    guess_status,
    infer,
    read,
    validation,
)

VENDORS = {name: loader.load(name) for name in folders.names()}
OPERATIONS = [operation for vendor in VENDORS.values() for operation in vendor.contract.operations]
CASES = [(name, case) for name, vendor in VENDORS.items() for case in vendor.cases]
BODY_TEXT = b'{"id": "a"}'

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return VENDORS[request.param]


def of(operation: Operation) -> Vendor:
    """The vendor of an operation."""
    return VENDORS[operation.contract.vendor]


def success(operation: Operation) -> Response:
    """What the mock answers to the operation."""
    return mock.from_vendor(of(operation))(request_of(of(operation), operation))


def error_body(vendor: Vendor, code: str = "NOT_A_CODE") -> Json:
    """The vendor's error envelope around a code."""
    text = json.dumps(vendor.world.error_body).replace("{code}", code).replace("{message}", "words")
    return json.loads(text)


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/2 200 ", b"HTTP/2 200", b"HTTP/1.0 200 Fine, thanks"])
def test_curl_i_gives_status_headers_and_body(newline: bytes, line: bytes) -> None:
    """Any version, with or without a reason, and either line ending."""
    data = newline.join([line, b"Content-TYPE: application/json", b"X-Long: a", b"  b", b"no colon", b"", BODY_TEXT])
    response, known = from_bytes(data)
    assert (response.status, response.body, known) == (200, BODY_TEXT, RESPONSE)
    assert response.headers == (("content-type", "application/json"), ("x-long", "a b"))


def test_the_last_of_several_header_blocks_counts() -> None:
    """A proxy's answer, `100 Continue` and a redirect come before the answer."""
    data = (
        b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 302 Found\r\nlocation: /x\r\n\r\nHTTP/2 404 \r\nx: y\r\n\r\n{}"
    )
    response, known = from_bytes(data)
    assert response == Response(404, (("x", "y"),), b"{}")
    assert known == RESPONSE


@pytest.mark.parametrize("data", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/2 204"])
def test_headers_alone_are_an_answer_without_body(data: bytes) -> None:
    """`curl -I`, or a file that was cut off within the headers."""
    assert from_bytes(data) == (Response(204), RESPONSE)


@pytest.mark.parametrize("body", [BODY_TEXT, b"", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"{", b"NaN", b"HTTP/x 1"])
def test_a_lone_body_is_all_that_is_known(body: bytes) -> None:
    """A body is kept byte for byte, however broken."""
    assert from_bytes(body) == (Response(0, (), body), BODY)


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("X-Gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_coded_body_is_unpacked(coding: str, pack: Any) -> None:
    """`curl -i` without --compressed shows the body as it came; with it, the header stays and the body is plain."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode()
    assert from_bytes(head + pack(BODY_TEXT))[0].body == BODY_TEXT
    assert from_bytes(head + BODY_TEXT)[0].body == BODY_TEXT
    broken = pack(BODY_TEXT)[:-5]
    assert from_bytes(head + broken)[0].body == broken


def test_an_unknown_coding_is_told_from_a_body_that_curl_decoded() -> None:
    """A body in Brotli cannot be judged; the same body after `curl --compressed` can."""
    head = b"HTTP/2 200\r\ncontent-encoding: br\r\n\r\n"
    assert from_bytes(head + BODY_TEXT)[0].body == BODY_TEXT
    with pytest.raises(UsageError, match=r"coded as br.*curl --compressed"):
        from_bytes(head + b"\x8b\x05\x80\xff")


def test_what_a_shell_did_to_the_file_is_not_held_against_the_api() -> None:
    """A byte order mark before the status line is the shell's; UTF-16 before it cannot be undone faithfully."""
    assert from_bytes(b"\xef\xbb\xbfHTTP/1.1 200 OK\r\n\r\n{}")[0] == Response(200, (), b"{}")
    for coding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(UsageError, match="saved as UTF-16"):
            from_bytes("HTTP/1.1 200 OK\r\n\r\n{}".encode(coding))


# --- files and pipes ------------------------------------------------------------------------------------------------


def test_a_file_is_read(tmp_path: Path) -> None:
    """Byte for byte, up to the limit."""
    path = tmp_path / "body.json"
    path.write_bytes(BODY_TEXT)
    assert read(str(path)) == BODY_TEXT
    assert read(str(path), len(BODY_TEXT)) == BODY_TEXT
    with pytest.raises(UsageError, match="holds 11 bytes or more, and 10 is the limit"):
        read(str(path), 10)


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of trouble says what is wrong."""
    with pytest.raises(UsageError, match="no name"):
        read("")
    with pytest.raises(UsageError, match="there is no such file"):
        read(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="it is a directory"):
        read(str(tmp_path))
    with pytest.raises(UsageError, match="no file name"):
        read("a\0b")
    with pytest.raises(UsageError, match="file name too long"):
        read("a" * 5000)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="permission is denied"):
        read("x")


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write there; what a shell puts in the place of `<(command)` is read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is a named pipe, which may never end; pipe it in, and name - instead"):
        read(str(pipe))
    end, start = os.pipe()
    os.write(start, BODY_TEXT)
    os.close(start)
    for place in (f"/dev/fd/{end}", f"/proc/self/fd/{end}"):
        assert read(place) in {BODY_TEXT, b""}  # the first takes it all
    os.close(end)


def test_a_file_of_200_megabytes_is_a_sentence(tmp_path: Path) -> None:
    """It is told from its size, and not read."""
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(200 << 20)
    with pytest.raises(UsageError, match="holds 209715200 bytes or more, and 67108864 is the limit; cut out one"):
        read(str(tmp_path / "big"))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is read; a terminal, a closed descriptor and too much are refused with a sentence."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BODY_TEXT)))
    assert read("-") == BODY_TEXT
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BODY_TEXT)))
    with pytest.raises(UsageError, match="'-' holds 5 bytes or more"):
        read("-", 4)
    terminal = io.BytesIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(terminal))
    with pytest.raises(UsageError, match="terminal"):
        read("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="closed"):
        read("-")


# --- responses of other libraries -----------------------------------------------------------------------------------


def test_responses_of_other_libraries_are_taken_by_their_attributes() -> None:
    """`requests` and `httpx` agree with each other, and ours is taken as it is."""
    ours = Response(201, (("x-a", "1"),), BODY_TEXT)
    theirs = requests.Response()
    theirs.status_code, theirs._content = 201, BODY_TEXT
    theirs.headers["X-A"] = "1"
    assert from_response(theirs) == ours
    sized = replace(ours, headers=(*ours.headers, ("content-length", str(len(BODY_TEXT)))))
    assert from_response(httpx.Response(201, headers=[("X-A", "1")], content=BODY_TEXT)) == sized
    assert from_response(ours) is ours


def test_repeated_headers_of_httpx_are_kept_apart() -> None:
    """`Headers.items()` would join them."""
    pairs = [("Set-Cookie", "a"), ("Set-Cookie", "b")]
    assert from_response(httpx.Response(200, headers=pairs)).headers == (("set-cookie", "a"), ("set-cookie", "b"))


@dataclass
class Odd:
    """Something with some attributes of a response."""

    status_code: Any = 200
    headers: Any = None


@pytest.mark.parametrize(
    "other", [Odd(), Odd(headers={}), Odd("x", {}), None, 3, httpx.Response(200, stream=httpx.ByteStream(b""))]
)
def test_what_is_no_response_is_refused(other: object) -> None:
    """The sentence names the type and what it lacks."""
    with pytest.raises(UsageError, match=f"a {type(other).__name__} is no response"):
        from_response(other)


def test_the_parts_of_a_response_are_taken_one_by_one() -> None:
    """What is not given is not known; nothing, and too much, are refused."""
    assert given(Response(200)) == (Response(200), RESPONSE)
    assert given(body="é") == (Response(0, (), "é".encode()), BODY)
    assert given(status=200, headers={"X-A": "1"}, body=b"") == (Response(200, (("x-a", "1"),)), RESPONSE)
    with pytest.raises(UsageError, match="nothing to validate"):
        given(status=200)
    with pytest.raises(UsageError, match="two responses"):
        given(Response(200), body=b"")


# --- which operation ------------------------------------------------------------------------------------------------


def with_operations(contract: Contract, *operations: Operation) -> Contract:
    """The contract with other operations."""
    double = copy(contract)
    object.__setattr__(double, "operations", operations)
    return double


def twofold(operation: Operation) -> Contract:
    """The contract with one operation, and another whose success is the body of an error."""
    other = next(answer for key, answer in operation.responses.items() if key.startswith("4"))
    more = replace(
        operation, operation_id="another", responses={"200": replace(operation.success, schema=other.schema)}
    )
    return with_operations(operation.contract, operation, more)


def test_the_only_operation_is_inferred_from_anything(vendor: Vendor) -> None:
    """Where there is one operation, nothing needs to be told."""
    for operation in vendor.contract.operations:
        alone = with_operations(vendor.contract, operation)
        for response in (Response(0, (), b"{"), Response(0, (), b"{}"), Response(0)):
            assert infer(alone, response, BODY) is operation


@pytest.mark.parametrize("name", ["listTrunks", "getSipTrunk"])
def test_the_operation_is_the_one_whose_answer_is_broken_least(name: str) -> None:
    """With and without a known status; a tie and a body that is no JSON name the candidates."""
    operation = next(each for each in OPERATIONS if each.operation_id == name)
    contract = twofold(operation)
    first, second = contract.operations
    body = success(operation).body
    assert infer(contract, Response(200, (), body), RESPONSE) is first
    assert infer(contract, Response(0, (), body), BODY) is first
    wrong = json.dumps(error_body(of(operation))).encode()
    assert infer(contract, Response(200, (), wrong), RESPONSE) is second
    for response, known in ((Response(0, (), wrong), BODY), (Response(200, (), b"{"), RESPONSE), (Response(0), BODY)):
        with pytest.raises(UsageError, match=f"name one of: {first.operation_id}, another"):
            infer(contract, response, known)


def inferred(contract: Contract, response: Response, known: frozenset[str]) -> set[str]:
    """The operation that is inferred, or the candidates that are named."""
    try:
        return {infer(contract, response, known).operation_id}
    except UsageError as error:
        return set(str(error).rpartition(": ")[2].split(", "))


SAMPLES = [(name, case) for name, case in CASES if case["status"] < 300]
ELSEWHERE = {
    "the create page's answer": {"createSipTrunk"},
    "the verify page's failure": {"verifySipTrunk"},
}
"""Samples of one operation that are put to another on purpose -> what they are."""


@pytest.mark.parametrize(("name", "case"), SAMPLES, ids=[f"{name}: {case['name']}" for name, case in SAMPLES])
def test_a_sample_of_a_success_tells_its_operation(name: str, case: dict[str, Json]) -> None:
    """Each success on a page, good or bad, is known by its body; only operations of one form cannot be told apart."""
    contract = VENDORS[name].contract
    meant = contract.operation(case["operation"])
    alike = {other.operation_id for other in contract.operations if schema_of(other) == schema_of(meant)}
    body = json.dumps(case["body"]).encode()
    for response, known in ((Response(0, (), body), BODY), (Response(case["status"], (), body), RESPONSE)):
        assert inferred(contract, response, known) == ELSEWHERE.get(case["name"], alike)


def schema_of(operation: Operation) -> Json:
    """The schema of an operation's success, as it stands."""
    return resolve(operation.contract.document, operation.success.schema)


@each_operation
def test_what_the_mock_answers_tells_its_operation(operation: Operation) -> None:
    """By its body alone, unless another operation answers in the same form."""
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
def test_an_error_tells_its_operation_by_its_code_only(name: str, code: str, meant: set[str]) -> None:
    """All errors have one form: who documents the code is meant, what documents it best first, then what reads."""
    vendor = VENDORS[name]
    body = json.dumps(error_body(vendor, code)).encode()
    assert inferred(vendor.contract, Response(0, (), body), BODY) == meant


def test_a_request_tells_its_operation(vendor: Vendor) -> None:
    """Whatever the answer, even one that is no JSON; a path that no page knows leaves it to the body."""
    for operation in vendor.contract.operations:
        request = request_of(vendor, operation)
        for body in (b"{", b"", b"[]", json.dumps(error_body(vendor)).encode()):
            report = validation(vendor, Response(401, (), body), RESPONSE, None, request)
            assert {name for name, _ in report.exercised} == {operation.operation_id}
    [first, *_] = vendor.contract.operations
    report = validation(vendor, success(first), RESPONSE, None, Request("GET", "/nowhere"))
    assert {name for name, _ in report.exercised} == {first.operation_id}


@each_operation
def test_a_status_is_guessed_from_a_lone_body(operation: Operation) -> None:
    """An error's body has its code's status, a misshapen error is still an error, anything else a success."""
    vendor = of(operation)
    usual = int(operation.success.key.replace("X", "0"))
    said = success(operation)
    assert guess_status(operation, said.body) == usual
    for body in (b"{}", b"{", b"[]"):
        assert guess_status(operation, body) == usual
    refusing = {code.code for answer in operation.responses.values() for code in answer.refusals.values()}
    if not refusing:
        return
    for key, answer in operation.responses.items():
        for code in {said.code for said in answer.refusals.values()}:
            if answer.evidence.grade in {"documented", "implied"}:
                assert guess_status(operation, json.dumps(error_body(vendor, code)).encode()) == int(key)
    assert 400 <= guess_status(operation, json.dumps(error_body(vendor)).encode()) < 500
    misshapen = json.dumps(error_body(vendor)).replace('"message": "words"', '"msg": "words"').encode()
    assert 400 <= guess_status(operation, misshapen) < 500


# --- judged ---------------------------------------------------------------------------------------------------------


@each_operation
def test_what_the_mock_answers_is_valid(operation: Operation) -> None:
    """With everything known every rule has its say but those that a plain request does not provoke."""
    vendor = of(operation)
    request, response = request_of(vendor, operation), success(operation)
    report = validation(vendor, response, EVERYTHING, operation.operation_id, request)
    assert report.findings == ()
    provoked = {rule.name for rule in RULES if rule.provoked and rule.concerns(operation)}
    assert {name for (_, name), reason in report.exercised.items() if reason} == provoked
    assert report.reached == {(operation.operation_id, response.status): 1}


@each_operation
def test_rules_that_could_not_be_applied_are_told(operation: Operation) -> None:
    """A lone body leaves out what needs status, headers or request, and says so."""
    vendor, name = of(operation), operation.operation_id
    report = validation(vendor, Response(0, (), success(operation).body), BODY, name)
    assert report.findings == ()
    assert not report.reached
    reasons = {name: reason for (_, name), reason in report.exercised.items()}
    assert reasons["body_matches_schema"] == ""
    assert reasons["documented_status"] == "the status is not known"
    assert reasons["refuses_invalid"] == "the request and the status are not known"
    report = validation(vendor, success(operation), RESPONSE, name)
    assert set(report.exercised.values()) == {"", "the request is not known"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"a": NaN}', b"\x1f\x8b\x08"])
@each_operation
def test_a_broken_body_is_a_finding(operation: Operation, body: bytes) -> None:
    """It is the API that is wrong, not the caller."""
    report = validation(of(operation), *from_bytes(body), operation.operation_id)
    assert [finding.rule for finding in report.findings] == ["body_is_json"]


def test_a_broken_body_does_not_tell_its_operation(vendor: Vendor) -> None:
    """It could be any operation's, so that one has to be named."""
    names = ", ".join(operation.operation_id for operation in vendor.contract.operations)
    with pytest.raises(UsageError, match=f"name one of: {names}$"):
        validation(vendor, *from_bytes(b"{"))


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_a_lone_sample_is_judged_as_what_it_is(name: str, case: dict[str, Json]) -> None:
    """A sample of the pages that breaks nothing breaks nothing either when no status is known."""
    if not case["breaks"]:
        body = json.dumps(case["body"]).encode()
        report = validation(VENDORS[name], Response(0, (), body), BODY, case["operation"])
        assert not report.failures()


def test_an_unknown_operation_is_refused(vendor: Vendor) -> None:
    """The sentence names those that there are."""
    with pytest.raises(UsageError, match=f"'nope' is not an operation of {vendor.name}; there are: "):
        validation(vendor, Response(200), RESPONSE, "nope")


def test_the_secrets_of_a_vendor_stay_out_of_a_report(vendor: Vendor) -> None:
    """What a caller names as secret is redacted too."""
    [first, *_] = vendor.contract.operations
    response = Response(0, (), b'{"x": "hush-hush", "hush-hush": 1}')
    report = validation(vendor, response, BODY, first.operation_id, secrets=frozenset({"hush-hush"}))
    assert report.findings
    assert "hush" not in repr([(f.message, f.seen, f.expected) for f in report.findings])
