"""Tests of `trunkline.contract.refusals`.

What a request means, or every reason to refuse it, from the contract alone.
"""

from __future__ import annotations

import gzip
import json
from typing import get_args

import pytest

from trunkline.check.rules import judge
from trunkline.contract import folders
from trunkline.contract.document import Cause
from trunkline.contract.model import Contract, Create, Delete, Operation
from trunkline.contract.refusals import (
    CAUSES,
    LONGEST_BODY,
    ParsedRequest,
    Refusal,
    bounds,
    documented_response,
    parse_request,
    reasons_to_refuse,
    refusal_for,
)
from trunkline.exchange import Exchange, Headers, Json, Request, Response, resolve
from trunkline.findings import Grade
from trunkline.mock import loader

VENDORS = {name: loader.load(name) for name in folders.names()}
OPERATIONS = [operation for vendor in VENDORS.values() for operation in vendor.contract.operations]
TAKING_IN = [operation for operation in OPERATIONS if operation.body]
GOOD: Headers = (("authorization", "Bearer abc"),)
SENT: Headers = (*GOOD, ("content-type", "application/json"))
SECRET = "hunter2-hunter2"

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
each_that_takes_in = pytest.mark.parametrize("operation", TAKING_IN, ids=lambda operation: operation.operation_id)


@pytest.fixture
def telepath() -> Contract:
    return VENDORS["telepath"].contract


@pytest.fixture
def talkover() -> Contract:
    return VENDORS["talkover"].contract


def reading(contract: Contract, request: Request) -> ParsedRequest:
    found = parse_request(contract, request)
    assert isinstance(found, ParsedRequest), found
    return found


def refusal(contract: Contract, request: Request) -> Refusal:
    found = parse_request(contract, request)
    assert isinstance(found, Refusal), found
    return found


def test_a_request_is_read_with_its_defaults(telepath: Contract) -> None:
    """A request means its operation, its credential and its parameters as values, defaults filled in."""
    found = reading(telepath, Request("GET", "/trunks", "offset=3&status=error&x=1", GOOD))
    assert found.operation.operation_id == "listTrunks"
    assert found.values == {"limit": 20, "offset": 3, "status": "error"}
    assert found.credential == "abc"


def test_a_path_parameter_is_decoded_once(talkover: Contract) -> None:
    """Percent-encoding is undone once, and what is no UTF-8 survives the way."""
    paths = {"a%2Fb": "a/b", "a%252Fb": "a%2Fb", "%FF": "\udcff", "a+b": "a+b", "%E2%80%94": "—", "%zz": "%zz"}
    for sent, meant in paths.items():
        assert reading(talkover, Request("GET", f"/sip-trunks/{sent}", "", GOOD)).values == {"trunk_id": meant}


def test_a_reading_of_the_largest_numbers(telepath: Contract) -> None:
    """Integers of any length are compared, not overflowed, and not read slowly."""
    assert reading(telepath, Request("GET", "/trunks", f"offset={2**63 - 1}", GOOD)).values["offset"] == 2**63 - 1
    for text in (str(2**63), "9" * 5_000, "9" * 100_000):
        assert refusal(telepath, Request("GET", "/trunks", f"offset={text}", GOOD)).cause == "parameter_out_of_range"


@pytest.mark.parametrize(
    ("request_", "cause", "at"),
    [
        (Request("GET", "/nowhere"), "path_unknown", "/components/responses/UnknownPath"),
        (Request("PUT", "/trunks"), "method_not_allowed", "/components/responses/WrongMethod"),
        (Request("GET", "/trunks/x"), "method_not_allowed", "/components/responses/WrongMethod"),
        (Request("POST", "/trunks"), "credentials_missing", "/components/securitySchemes/apiKey"),
        (Request("POST", "/trunks", "", GOOD), "media_type_unsupported", "/paths/~1trunks/post/requestBody"),
        (Request("PATCH", "/trunks/x", "", SENT), "body_malformed", "/paths/~1trunks~1{id}/patch/requestBody"),
        (
            Request("GET", "/calls", "start_date=yesterday", GOOD),
            "parameter_malformed",
            "/paths/~1calls/get/parameters/4/schema/format",
        ),
        (
            Request("GET", "/calls", "end_date=2024-02-30", GOOD),
            "parameter_malformed",
            "/paths/~1calls/get/parameters/5/schema/format",
        ),
        (
            Request("GET", "/calls", "trunk_id=a&trunk_id=a", GOOD),
            "parameter_repeated",
            "/paths/~1calls/get/parameters/2/schema",
        ),
        (Request("GET", "/trunks"), "credentials_missing", "/components/securitySchemes/apiKey"),
        (
            Request("GET", "/trunks", "", (("authorization", "Basic eA=="),)),
            "credentials_malformed",
            "/components/securitySchemes/apiKey",
        ),
        (
            Request("GET", "/trunks", "limit=0", GOOD),
            "parameter_out_of_range",
            "/paths/~1trunks/get/parameters/0/schema/minimum",
        ),
        (
            Request("GET", "/trunks", "limit=101", GOOD),
            "parameter_out_of_range",
            "/paths/~1trunks/get/parameters/0/schema/maximum",
        ),
        (
            Request("GET", "/trunks", "offset=x", GOOD),
            "parameter_malformed",
            "/paths/~1trunks/get/parameters/1/schema/type",
        ),
        (
            Request("GET", "/trunks", "status=x", GOOD),
            "parameter_not_allowed",
            "/paths/~1trunks/get/parameters/2/schema/enum",
        ),
        (
            Request("GET", "/trunks", "status=error&status=error", GOOD),
            "parameter_repeated",
            "/paths/~1trunks/get/parameters/2/schema",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value.target,
)
def test_a_refusal_points_at_what_is_broken(telepath: Contract, request_: Request, cause: str, at: str) -> None:
    """The first reason to refuse names its cause and the place in the contract that the request breaks."""
    found = refusal(telepath, request_)
    assert (found.cause, found.pointer) == (cause, at)
    assert resolve(telepath.document, at) is not None
    assert found.evidence.source or found.evidence.grade is Grade.DECISION


def test_every_reason_is_reported_where_no_page_says_which_comes_first(telepath: Contract) -> None:
    """`reasons` tells all that is wrong with a request, so that a rule can excuse an answer for any of them."""
    request = Request("GET", "/trunks", "limit=0&offset=x&status=x&status=y")
    assert [reason.cause for reason in reasons_to_refuse(telepath, request)] == [
        "credentials_missing",
        "parameter_out_of_range",
        "parameter_malformed",
        "parameter_repeated",
    ]
    assert reasons_to_refuse(telepath, Request("GET", "/trunks", "limit=1", GOOD)) == ()
    assert [reason.cause for reason in reasons_to_refuse(telepath, Request("PUT", "/trunks", "limit=0"))] == [
        "method_not_allowed"
    ]
    body = b'{"name": 1, "ai_provider": "openai", "sip_username": "a b"}'
    assert [
        reason.cause for reason in reasons_to_refuse(telepath, Request("POST", "/trunks", "limit=0", (), body))
    ] == [
        "credentials_missing",
        "media_type_unsupported",
        "field_missing",
        "field_missing",
        "field_mistyped",
        "field_invalid",
    ]


def test_a_body_beyond_our_limits_is_no_reason() -> None:
    """An API may accept it, although the mock does not. A credential that is missing is a reason all the same."""
    telepath = loader.load("telepath").contract
    body = b'{"nested": ' + b"[" * 150 + b"]" * 150 + b"}"
    media_type = ("content-type", "application/json")
    request = Request("POST", "/trunks", "", (*GOOD, media_type), body)
    assert reasons_to_refuse(telepath, request) == ()
    assert parse_request(telepath, request).cause == "body_malformed"  # type: ignore[union-attr]  # it is a refusal
    missing = reasons_to_refuse(telepath, Request("POST", "/trunks", "", (media_type,), body))
    assert [reason.cause for reason in missing] == ["credentials_missing"]


def test_a_bound_that_is_a_decision_makes_a_reason_a_decision(telepath: Contract) -> None:
    """Where no page gives a range, breaking it is never a finding; a documented range is as strong as its page."""
    grades = {
        query: refusal(telepath, Request("GET", "/trunks", query, GOOD)).evidence.grade
        for query in ("offset=-1", "offset=x", "limit=0", "limit=x")
    }
    assert grades == {
        "offset=-1": Grade.DECISION,
        "offset=x": Grade.DECISION,
        "limit=0": Grade.DOCUMENTED,
        "limit=x": Grade.DECISION,
    }


def test_the_table_has_the_causes_of_the_format() -> None:
    """A contract can name exactly the causes that the table has words for."""
    assert [*CAUSES] == [*get_args(Cause)]


@each_operation
def test_every_cause_has_one_answer_and_words(operation: Operation) -> None:
    """Whatever an operation can refuse is answered under one status, with a code and a message."""
    vendor = VENDORS[operation.contract.vendor]
    causes = [cause for found in operation.responses.values() for cause in found.refusals]
    assert len(set(causes)) == len(causes)
    for cause in set(causes) - {"path_unknown", "method_not_allowed"}:
        found, code = documented_response(vendor.contract, refusal_for(operation, cause, "sent", "broke", {}))
        assert found.key.isdigit()
        assert code.code
        assert vendor.world.message(cause, code.code)


@each_operation
def test_a_conflict_points_at_what_says_that_there_is_one(operation: Operation) -> None:
    """The operation's own word for it, with the evidence that stands there; an unknown id at the parameter."""
    kind = operation.kind
    said = [
        ("not_unique", name, f"create/unique/{name}", said)
        for name, said in (kind.unique if isinstance(kind, Create) else {}).items()
    ]
    said += [
        ("not_empty", name, f"delete/empty/{name}", said)
        for name, said in (kind.empty if isinstance(kind, Delete) else {}).items()
    ]
    said += [("in_use", "in_use", "delete/unused", kind.unused)] if isinstance(kind, Delete) and kind.unused else []
    for cause, name, at, evidence in said:
        found = refusal_for(operation, cause, "sent", "broke", {"name": name})
        assert (found.pointer, found.evidence) == (f"{operation.pointer}/x-trunkline/{at}", evidence)
        assert resolve(operation.contract.document, found.pointer)
    for parameter in operation.parameters:
        if parameter.location == "path":
            found = refusal_for(operation, "id_unknown", "sent", "broke", {"name": parameter.name, "id": "x"})
            assert (found.pointer, found.evidence) == (parameter.pointer, parameter.refused["id_unknown"])


def test_a_cause_that_nothing_answers_is_an_error(talkover: Contract) -> None:
    """A cause that an operation does not know cannot be refused with."""
    found = reading(talkover, Request("GET", "/sip-trunks/x", "", GOOD))
    with pytest.raises(LookupError, match="parameter_repeated"):
        refusal_for(found.operation, "parameter_repeated", "", "", {})


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 100}, "between 1 and 100"),
        ({"type": "integer", "minimum": 0}, "at least 0"),
        ({"type": "integer", "maximum": 9}, "at most 9"),
        ({"type": "integer"}, "of type integer"),
        ({"type": "string", "enum": ["a", "b"]}, "one of: a, b"),
        ({"type": "string", "format": "date-time"}, "an RFC 3339 date or time"),
    ],
)
def test_bounds_are_reported_in_words(schema: dict[str, object], words: str) -> None:
    """The bounds of a parameter are reported in the words that the documents use."""
    assert bounds(schema) == words


# --- bodies ---------------------------------------------------------------------------------------------------------


def sending(operation: Operation, body: bytes, headers: Headers = SENT) -> Request:
    """A request with a body; its ids name nothing, for the contract alone is asked."""
    return Request(operation.method, operation.path, "", headers, body)


def valid(operation: Operation) -> dict[str, Json]:
    """A body that the contract allows: the example in the document, or the first value of each input."""
    examples = (
        resolve(operation.contract.document, f"{operation.body.pointer}/content/application~1json")
        if operation.body
        else {}
    )
    (first, *_) = examples["examples"].values()
    return dict(first["value"])


def refused(operation: Operation, body: Json, headers: Headers = SENT) -> Refusal:
    """Why a JSON body is refused."""
    return refusal(operation.contract, sending(operation, json.dumps(body).encode(), headers))


@each_that_takes_in
def test_a_body_is_read(operation: Operation) -> None:
    """An allowed body comes as the object that it is, unknown inputs and all, under any spelling of its media type."""
    body = {**valid(operation), "colour": {"deep": [None]}, "id": "mine", "created_at": 1}
    sent = json.dumps(body).encode()
    for media in (
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/merge-patch+json",
        " application/json ",
        "application/json\t; charset=utf-8",
    ):
        found = reading(operation.contract, sending(operation, sent, (*GOOD, ("content-type", media))))
        assert found.body == body
        assert found.operation is operation
    assert reading(operation.contract, sending(operation, b"\r\n " + sent + b"\n")).body == body


@pytest.mark.parametrize(
    ("body", "media", "cause", "words"),
    [
        (b"{}", None, "media_type_unsupported", {"media_type": "none"}),
        (b"{}", "text/plain; a=b", "media_type_unsupported", {"media_type": "text/plain"}),
        (b"{}", "application/json\xa0", "media_type_unsupported", {"media_type": "application/json\xa0"}),
        (b"{}", "application/é+json", "media_type_unsupported", {"media_type": "application/é+json"}),
        (b"", "application/json", "body_malformed", {"reason": "the body is empty"}),
        (b"{", "application/json", "body_malformed", None),
        (
            b'{"name": "a", "name": "b"}',
            "application/json",
            "body_malformed",
            {"reason": 'the name "name" occurs twice in one object (RFC 8259 section 4)'},
        ),
        (
            b'{"name": 1e400}',
            "application/json",
            "body_malformed",
            {"reason": "a number is out of range: no double holds it (RFC 8259 section 6)"},
        ),
        (b"\xff{}", "application/json", "body_malformed", {"reason": "byte 0 is not UTF-8 (RFC 8259 section 8.1)"}),
        (b"null", "application/json", "body_malformed", {"reason": "the body is not an object"}),
        (b"[{}]", "application/json", "body_malformed", {"reason": "the body is not an object"}),
        (b'"x"', "application/json", "body_malformed", {"reason": "the body is not an object"}),
        (b'{"a": NaN}', "application/json", "body_malformed", None),
        (
            b'{"a": "\\ud800"}',
            "application/json",
            "body_malformed",
            {"reason": "a text holds half of a surrogate pair"},
        ),
        (b"[" * 2000 + b"]" * 2000, "application/json", "body_malformed", None),
        (b" " * (LONGEST_BODY + 1), "application/json", "body_too_large", {"limit": str(LONGEST_BODY)}),
        (b" " * (LONGEST_BODY + 1), "text/plain", "body_too_large", {"limit": str(LONGEST_BODY)}),
    ],
    ids=lambda value: repr(value)[:30],
)
@each_that_takes_in
def test_a_body_that_is_no_json_object_is_refused(
    operation: Operation, body: bytes, media: str | None, cause: str, words: dict[str, str] | None
) -> None:
    """Media type, size and form are distinguished, each at its place in the contract, with its own placeholders."""
    headers = GOOD if media is None else (*GOOD, ("content-type", media))
    found = refusal(operation.contract, sending(operation, body, headers))
    assert operation.body is not None
    assert (found.cause, found.pointer) == (cause, operation.body.pointer)
    assert found.evidence == operation.body.refused[cause]
    assert words is None or found.placeholders == words
    assert found.reference(operation.contract) == f"{operation.contract.folder}/openapi.json#{operation.body.pointer}"


@pytest.mark.parametrize("codings", [("gzip",), ("br",), ("identity", "gzip")], ids=", ".join)
@each_that_takes_in
def test_a_coded_body_is_refused(operation: Operation, codings: tuple[str, ...]) -> None:
    """No content coding is decoded (RFC 9110, section 15.5.16). That is our decision, held against nobody."""
    coded = gzip.compress(json.dumps(valid(operation)).encode())
    headers = (*SENT, *(("content-encoding", coding) for coding in codings))
    found = refusal(operation.contract, sending(operation, coded, headers))
    assert (found.cause, found.evidence.grade) == ("media_type_unsupported", Grade.DECISION)
    assert found.placeholders["media_type"] == f"application/json coded as {', '.join(codings)}"
    exchange = Exchange(sending(operation, coded, headers), Response(201, (), b"{}"))
    held = {finding.rule for finding in judge(operation, exchange) if finding.evidence.grade is not Grade.DECISION}
    assert "refuses_invalid" not in held


def test_a_body_of_the_greatest_size_is_read(telepath: Contract) -> None:
    """The limit itself is allowed."""
    body = json.dumps(valid(telepath.operation("createTrunk"))).encode()
    request = Request("POST", "/trunks", "", SENT, body.ljust(LONGEST_BODY))
    assert reading(telepath, request).operation.operation_id == "createTrunk"


FIELDS: list[tuple[str, dict[str, Json], str, str, str, str]] = [
    ("createTrunk", {"name": None}, "field_mistyped", "name", "must be of type string", "name=null"),
    ("createTrunk", {"name": ["x"]}, "field_mistyped", "name", "must be of type string", "name=a list"),
    (
        "createTrunk",
        {"ai_provider": "OpenAI"},
        "field_invalid",
        "ai_provider",
        "must be one of",
        'ai_provider="OpenAI"',
    ),
    (
        "createTrunk",
        {"sip_username": "a b"},
        "field_invalid",
        "sip_username",
        "letters, digits and hyphens",
        'sip_username="a b"',
    ),
    ("createTrunk", {"sip_password": "short"}, "field_invalid", "sip_password", "at least 8", "sip_password=***"),
    ("createTrunk", {"sip_password": 12345678}, "field_mistyped", "sip_password", "of type string", "sip_password=***"),
    (
        "updateTrunk",
        {"openai_api_key": [SECRET]},
        "field_mistyped",
        "openai_api_key",
        "of type string",
        "openai_api_key=***",
    ),
    (
        "updateTrunk",
        {"custom_endpoint": "http://x"},
        "field_invalid",
        "custom_endpoint",
        "begins with wss://",
        "custom_endpoint=",
    ),
    ("createSipTrunk", {"port": 0}, "field_invalid", "port", "must be at least 1", "port=0"),
    ("createSipTrunk", {"port": 65536}, "field_invalid", "port", "must be at most 65535", "port=65536"),
    ("createSipTrunk", {"port": "5061"}, "field_mistyped", "port", "must be of type integer", 'port="5061"'),
    ("createSipTrunk", {"port": 1.5}, "field_mistyped", "port", "must be of type integer", "port=1.5"),
    ("createSipTrunk", {"name": "n" * 256}, "field_invalid", "name", "at most 255 characters", 'name="nnn'),
    ("updateSipTrunk", {"is_active": "true"}, "field_mistyped", "is_active", "of type boolean", 'is_active="true"'),
    ("updateSipTrunk", {"name": {"password": SECRET}}, "field_mistyped", "name", "string", "name=an object"),
    ("updateSipTrunk", {"name": f'{{"password": "{SECRET}"}}' * 9}, "field_invalid", "name", "at most", "name=***"),
    ("createSipTrunk", {"transport": None}, "field_mistyped", "transport", "must be of type string", "transport=null"),
    ("createSipTrunkDid", {"country_code": 1}, "field_mistyped", "country_code", "of type string", "country_code=1"),
    (
        "updateSipTrunk",
        {"auth_realm": [[{"password": SECRET}]]},
        "field_mistyped",
        "auth_realm",
        "",
        "auth_realm=a list",
    ),
    ("createSipTrunkDid", {"country_code": "us"}, "field_invalid", "country_code", "must", 'country_code="us"'),
    (
        "createSipTrunkDid",
        {"country_code": "XX"},
        "field_invalid",
        "country_code",
        "must be one of",
        'country_code="XX"',
    ),
    (
        "createSipTrunkDid",
        {"number": "5551234567"},
        "field_invalid",
        "number",
        "a number in E.164",
        'number="5551234567"',
    ),
]
"""The operation, what is wrong in a good body, and the cause, name, reason and quotation of its refusal."""


@pytest.mark.parametrize(
    ("name", "wrong", "cause", "field", "reason", "sent"), FIELDS, ids=lambda value: str(value)[:40]
)
def test_a_field_at_fault_is_named(
    name: str, wrong: dict[str, Json], cause: str, field: str, reason: str, sent: str
) -> None:
    """With what is asked of it, at the keyword that it breaks; the value of a secret is quoted nowhere."""
    operation = next(each for each in OPERATIONS if each.operation_id == name)
    found = refused(operation, {**valid(operation), **wrong})
    assert (found.cause, found.placeholders["name"]) == (cause, field)
    assert reason in found.placeholders["reason"]
    assert found.sent.startswith(sent)
    assert SECRET not in f"{found.sent} {found.broke} {found.placeholders}"
    file, _, at = found.reference(operation.contract).partition("#")
    resolve(operation.contract.files[file.rpartition("/")[2]], at)
    assert operation.body is not None
    said = operation.body.refused[cause]
    assert found.evidence.grade.rank >= said.grade.rank


@each_that_takes_in
def test_the_required_fields_are_missed_in_their_order(operation: Operation) -> None:
    """The first that is missing is named first, whatever else is wrong, and what is only updated requires none."""
    assert operation.body is not None
    said = operation.contract.files[resolve(operation.contract.document, operation.body.schema)["$ref"]]
    required = said.get("required", [])
    for count in range(len(required)):
        sent = dict.fromkeys(required[:count], 0)
        found = refused(operation, sent)
        assert (found.cause, found.placeholders["name"], found.sent) == (
            "field_missing",
            required[count],
            f"no {required[count]}",
        )
        assert found.placeholders["reason"] == "is required"
    assert bool(required) is isinstance(operation.kind, Create)
    if not required:
        assert reading(operation.contract, sending(operation, b"{}")).body == {}


@pytest.mark.parametrize(
    ("provider", "missing"),
    [
        ("openai", ["openai_api_key"]),
        ("elevenlabs", ["elevenlabs_api_key", "elevenlabs_agent_id"]),
        ("custom", ["custom_endpoint"]),
        ("none of them", []),
    ],
)
def test_what_one_field_makes_required_is_missed(telepath: Contract, provider: str, missing: list[str]) -> None:
    """A conditional requirement is reported like any other, and only where its condition holds."""
    sent = {"name": "n", "ai_provider": provider, "sip_username": "u", "sip_password": SECRET}
    request = Request("POST", "/trunks", "", SENT, json.dumps(sent).encode())
    found = [reason for reason in reasons_to_refuse(telepath, request) if reason.cause == "field_missing"]
    assert [reason.placeholders["name"] for reason in found] == missing
    assert all(reason.evidence.grade is Grade.DOCUMENTED for reason in found)
    assert all("/then/required" in reason.pointer for reason in found)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ([{"password": SECRET, "name": "n"}], "a list"),
        ([["password", SECRET]], "a list"),
        ([{"key": "password", "value": SECRET}], "a list"),
        (json.dumps({"password": SECRET}), "a text"),
        (f"name=x&password={SECRET}", "a text"),
        (12, "a number"),
        (True, "a boolean"),
        (None, "null"),
    ],
    ids=str,
)
def test_a_body_of_another_kind_is_not_quoted(talkover: Contract, wrong: Json, kind: str) -> None:
    """A client that sends its object in a list, in an envelope or as a text finds its password in no refusal."""
    found = refusal(talkover, Request("POST", "/sip-trunks", "", SENT, json.dumps(wrong).encode()))
    assert (found.cause, found.sent) == ("body_malformed", kind)


def test_a_finding_is_as_strong_as_its_weakest_word(talkover: Contract) -> None:
    """A refusal stands on what says that it is refused and on what says that there is a limit."""
    operation = talkover.operation("createSipTrunk")
    grades = {
        str(wrong): refused(operation, {**valid(operation), **wrong}).evidence.grade
        for wrong in ({"port": 0}, {"port": "x"}, {"outbound_proxy": 1})
    }
    assert grades == {
        "{'port': 0}": Grade.IMPLIED,
        "{'port': 'x'}": Grade.DECISION,
        "{'outbound_proxy': 1}": Grade.DECISION,
    }
    assert refused(operation, {}).evidence.grade is Grade.IMPLIED
