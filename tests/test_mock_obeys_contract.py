"""The mock obeys its contract: every documented response is reached, and every response is a documented one."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from tests.defects import BY_NAME, LOADED, TOKENS, examine
from tests.requests import bearer, body_of, example, ids_of, mine, request_of
from trunkline import mock
from trunkline.check.rules import RULES, judge, operation_of, secret_values_rule
from trunkline.contract.http import FIELDS, forbids_content, missing_fields
from trunkline.contract.model import Create, Delete, DocumentedResponse, List, Operation, Update
from trunkline.contract.refusals import LONGEST_BODY, Refusal, documented_response, parse_request
from trunkline.exchange import Exchange, Headers, Json, Request, Response, Target, resolve
from trunkline.mock.generators import Record
from trunkline.mock.loader import Vendor
from trunkline.mock.world import facts
from trunkline.transport.targets import recorded

VENDORS = sorted(TOKENS)
PLACES = {"telepath": "/trunks", "talkover": "/sip-trunks/trunk-uuid-1"}
NOT_FOUND = {"success": False, "message": "SIP trunk not found", "code": "TRUNK_NOT_FOUND"}
OPERATIONS = [operation for name in VENDORS for operation in LOADED[name].contract.operations]
WITH_BODY = [operation for operation in OPERATIONS if operation.body]
SENT_SECRET = "hunter2-hunter2-hunter2"

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
each_with_body = pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.operation_id)


def of(operation: Operation) -> Vendor:
    """The vendor of an operation."""
    return LOADED[operation.contract.vendor]


def ask(
    name: str, query: str = "", *, path: str | None = None, method: str = "GET", headers: Headers | None = None
) -> Response:
    """The response of a fresh mock to one request, with the first token."""
    chosen = bearer(TOKENS[name]) if headers is None else headers
    return mock.from_vendor(LOADED[name])(Request(method, PLACES[name] if path is None else path, query, chosen))


# --- every way to be refused ----------------------------------------------------------------------------------------


def broken(schema: Mapping[str, Json], *, length: int = 300) -> Iterator[Json]:
    """Values of the right type that a schema does not allow, one for each keyword that excludes any."""
    if "enum" in schema:
        yield f"{schema['enum'][0]}x"
    if "pattern" in schema:
        yield "\u2603 nothing of the kind"
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if schema.get("minLength"):
        yield "x" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)


def mistyped(schema: Mapping[str, Json]) -> Iterator[Json]:
    """Values whose type the schema does not allow."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    samples: list[tuple[str, Json]] = [("string", "x"), ("integer", 7), ("boolean", True), ("null", None)]
    yield from (value for kind, value in samples if kind not in types)
    yield from ([], {}, 1.5, ["x"], {"x": 1})


def required(operation: Operation) -> list[str]:
    """The inputs that the page's sample cannot do without."""
    sample = example(operation)
    schema = operation.body.schema if operation.body else ""
    found = (violation.at[1:] for violation in operation.contract.violations(schema, {}))
    conditional = [name for name in sample if not operation.contract.accepts(schema, without(sample, name))]
    return [*dict.fromkeys((*found, *conditional))]


def without(body: Mapping[str, Json], name: str) -> dict[str, Json]:
    return {other: value for other, value in body.items() if other != name}


def bodies_at_fault(operation: Operation) -> Iterator[tuple[str, Request]]:
    """(cause, request) for each way in which a body can be wrong."""
    if operation.body is None:
        return
    good = request_of(of(operation), operation)
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/jsonl", ""):
        yield "media_type_unsupported", replace(good, headers=(*good.headers[:-1], ("content-type", media)))
    yield "media_type_unsupported", replace(good, headers=good.headers[:-1])
    for body in (b"", b"{", b"null", b"[]", b'"x"', b"3", b"\xff", b"\xef\xbb\xbf{}", b"{}{}", b'{"a": "\\ud800"}'):
        yield "body_malformed", replace(good, body=body)
    yield "body_too_large", replace(good, body=good.body.ljust(LONGEST_BODY + 1))
    sample = body_of(operation)
    for name in required(operation):
        yield "field_missing", request_of(of(operation), operation, body=without(sample, name))
    for name, schema in operation.inputs.items():
        for value in mistyped(schema):
            yield "field_mistyped", request_of(of(operation), operation, body={**sample, name: value})
        for value in broken(schema):
            yield "field_invalid", request_of(of(operation), operation, body={**sample, name: value})


def parameters_at_fault(operation: Operation) -> Iterator[tuple[str, Request]]:
    """(cause, request) for each way in which a parameter can be wrong."""
    vendor = of(operation)
    for parameter in operation.parameters:
        name, schema = parameter.name, parameter.schema
        queries: list[tuple[str, str]] = []
        if parameter.location == "path":
            yield "id_unknown", request_of(vendor, operation, ids={name: "nobody"})
            continue
        if "parameter_malformed" in parameter.causes:
            queries += [("parameter_malformed", f"{name}=abc"), ("parameter_malformed", f"{name}=")]
        queries += [
            ("parameter_out_of_range", f"{name}={value}")
            for value in broken(schema)
            if "parameter_out_of_range" in parameter.causes
        ]
        if "enum" in schema:
            queries.append(("parameter_not_allowed", f"{name}=x"))
        queries.append(("parameter_repeated", f"{name}=1&{name}=1"))
        for cause, query in queries:
            yield cause, request_of(vendor, operation, query=query)


def conflicts(operation: Operation) -> Iterator[tuple[str, Request]]:
    """(cause, request) for each conflict that the fixtures allow."""
    vendor = of(operation)
    for name in operation.kind.unique if isinstance(operation.kind, Create) else ():
        taken = mine(vendor, operation.resource)[0][name]
        yield "not_unique", request_of(vendor, operation, body={**body_of(operation), name: taken})
    for name in operation.kind.empty if isinstance(operation.kind, Delete) else ():
        parent = vendor.world.collections[name].parent
        assert parent
        full = mine(vendor, name)[0][parent.field]
        yield "not_empty", request_of(vendor, operation, ids={operation.kind.parameter: full})
    if isinstance(operation.kind, Delete) and operation.kind.unused:
        used = next(record for record in mine(vendor, operation.resource) if facts(record)["in_use"])
        parent = vendor.world.collections[operation.resource].parent
        above = {parameter.name: used[parent.field] for parameter in operation.parents if parent}
        yield "in_use", request_of(vendor, operation, ids={operation.kind.parameter: used["id"], **above})


def credentials_at_fault(operation: Operation) -> Iterator[tuple[str, Request]]:
    """(cause, request) for each way in which a credential can be wrong."""
    vendor = of(operation)
    for value, cause in CREDENTIALS if operation.secured else ():
        headers = () if value is None else (("authorization", value.replace("{token}", vendor.world.token)),)
        yield cause, request_of(vendor, operation, headers=headers)
    for token, grant in vendor.world.tokens.items():
        if grant.refused and operation.secured:
            yield grant.refused, request_of(vendor, operation, headers=bearer(token))


def at_fault(operation: Operation) -> Iterator[tuple[str, Request]]:
    """(cause, request) for each way in which a request to an operation can be refused, except by the rate limit."""
    yield from credentials_at_fault(operation)
    yield from parameters_at_fault(operation)
    yield from bodies_at_fault(operation)
    yield from conflicts(operation)


def cause_of(response: Response) -> str:
    """The cause in the header of a refusal."""
    return (response.header(mock.REFUSAL_HEADER) or "").partition(";")[0]


def everything(operation: Operation) -> list[Exchange]:
    """All requests about an operation: a success, each refusal, each token, more requests than the limit allows."""
    log: list[Exchange] = []
    vendor = of(operation)
    good = request_of(vendor, operation)
    for request in (good, *(request for _, request in at_fault(operation))):
        recorded(mock.from_vendor(vendor), log)(request)
    for token in vendor.world.tokens:
        headers = (("authorization", f"Bearer {token}"), *good.headers[1:])
        recorded(mock.from_vendor(vendor), log)(replace(good, headers=headers))
    limited = recorded(mock.from_vendor(vendor, rate_limit=2), log)
    for _ in range(3):
        limited(good)
    return log


def answer_to(name: str, exchange: Exchange) -> DocumentedResponse | None:
    """The documented response for a response: that of the operation, or that of the whole API."""
    contract = LOADED[name].contract
    operation = operation_of(contract, exchange)
    if operation is not None:
        return operation.response_for(exchange.response.status)
    return contract.responses.get(str(exchange.response.status))


def undocumented(name: str, exchange: Exchange) -> list[str]:
    """The violations of a response, whatever the request was."""
    contract, response = LOADED[name].contract, exchange.response
    lacking = missing_fields(response.status, (key for key, _ in response.headers))
    wrong = [f"no {key}" for key in lacking if not FIELDS[key].is_of_server]
    if forbids_content(exchange.request.method, response.status):
        return [*wrong, *(["content"] if response.body else [])]
    found = answer_to(name, exchange)
    if found is None:
        return [f"{response.status} is not documented"]
    wrong += [violation.message for violation in contract.violations(found.schema, response.json())]
    wrong += [f"no {header}" for header in found.headers if response.header(header) is None]
    wrong += [] if response.header("content-type") == "application/json" else ["no JSON"]
    operation = operation_of(contract, exchange)
    if operation is not None:
        noted = "an update of a field that is no input is answered with success"  # which is our decision
        wrong += [finding.message for finding in judge(operation, exchange) if finding.message != noted]
    return wrong


@each_operation
def test_every_documented_status_is_reached(operation: Operation) -> None:
    """The mock gives each response that the contract lists, in its documented form; any success is a 2XX."""
    reached = set()
    for exchange in everything(operation):
        found = operation.response_for(exchange.response.status)
        assert found is not None
        assert undocumented(operation.contract.vendor, exchange) == [], exchange
        reached.add(found.key)
    documented = set(operation.responses) - {"4XX"}
    assert reached == documented, "the mock needs no range of refusals to be right"


@pytest.mark.parametrize("name", VENDORS)
def test_every_documented_status_is_reached_by_the_laws(name: str) -> None:
    """The laws reach each status of each operation that reads, unless it needs another token or many requests."""
    log: list[Exchange] = []
    examine(name, recorded(mock.from_vendor(LOADED[name]), log), *BY_NAME, examples=5)
    reached = set()
    for exchange in log:
        operation = operation_of(LOADED[name].contract, exchange)
        if operation is not None and operation.method == exchange.request.method:
            reached.add((operation.operation_id, str(exchange.response.status)))
        assert undocumented(name, exchange) == [], exchange
    documented = {
        (operation.operation_id, key)
        for operation in LOADED[name].contract.operations
        for key in operation.responses
        if operation.reads and key not in ("403", "429", "4XX")
    }
    assert reached == documented


@each_operation
def test_every_cause_of_refusal_is_reached(operation: Operation) -> None:
    """Each cause of refusal of an operation is reached, with its status and code."""
    vendor, contract = of(operation), operation.contract
    met = set()
    for cause, request in at_fault(operation):
        target = mock.from_vendor(vendor)
        before = state(target)
        response = target(request)
        found, code = next(
            (found, found.refusals[cause]) for found in operation.responses.values() if cause in found.refusals
        )
        assert cause_of(response) == cause, (request, request.body[:100])
        assert (str(response.status), code.code) == (found.key, resolve(response.json(), contract.errors.code))
        assert resolve(response.json(), contract.errors.message)
        assert state(target) == before
        met.add(cause)
    limited = mock.from_vendor(vendor, rate_limit=1)
    causes = [cause_of(limited(request_of(vendor, operation))) for _ in range(2)]
    assert causes[0] == ""
    met |= {causes[1]} - {""}
    documented = {cause for found in operation.responses.values() for cause in found.refusals} - {"path_unknown"}
    unreachable = {"field_missing"} if isinstance(operation.kind, Update) else set()  # nothing is required of an update
    assert documented - unreachable <= met
    assert "rate_limited" in met or operation.rate_limit_exemption or causes[1]


def state(target: mock.Mock) -> dict[tuple[str, str], tuple[Record, ...]]:
    """All records of a mock."""
    world = target.vendor.world
    accounts = {grant.account for grant in world.tokens.values()}
    return {(name, account): target.snapshot(name, account) for name in world.collections for account in accounts}


@pytest.mark.parametrize("name", VENDORS)
def test_a_request_to_no_operation_is_refused(name: str) -> None:
    """The two causes that belong to no operation are reached, too."""
    contract = LOADED[name].contract
    causes = {cause_of(ask(name, path="/nowhere")), cause_of(ask(name, method="TRACE"))}
    assert causes == {cause for found in contract.responses.values() for cause in found.refusals} - {"id_unknown"}


# --- absurd requests ------------------------------------------------------------------------------------------------

METHODS = (
    "GET",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "CONNECT",
    "QUERY",
    "get",
    "G\u00c9T",
    "",
)
PATHS = (
    "/calls", "/calls/%FF", "/calls/%00", "/calls/call_abc123xyz/", "/calls/" + "%E2%98%83" * 500, "/trunks/%FF",
    "/trunks/%2F", "/trunks/..", "/health", "/health/", "/sip-trunks/%FF/verify", "/sip-trunks/trunk-uuid-1/verify",
    "/sip-trunks/x/health", "/sip-trunks/%00/dids", "/sip-trunks/trunk-uuid-1/dids/%FF", "/sip-trunks/%FF/dids/%FE",
    "/sip-trunks/a%2Fb/dids/a%2Fb", "/sip-trunks//dids/", "/sip-trunks/" + "a" * 5_000 + "/dids/" + "b" * 5_000,
    "", "/", "//", "/nowhere", "/trunks", "/trunks/", "/Trunks", "/trunks/conn_abc123xyz", "/%74runks", "/trunks%2F",
    "/sip-trunks", "/sip-trunks/", "/sip-trunks/trunk-uuid-1", "/sip-trunks/trunk-uuid-1/", "/sip-trunks/%00",
    "/sip-trunks/%FF%FE", "/sip-trunks/%", "/sip-trunks/%zz", "/sip-trunks/%F0%9F%98%80", "/sip-trunks/..",
    "/sip-trunks/'%22--", "/sip-trunks/" + "a" * 10_000, "/sip-trunks/a%2Fb", "*", "http://example.com/trunks",
)  # fmt: skip
QUERIES = (
    "", "&", "=", "&&=&=", "limit", "limit[]=1", "LIMIT=1", "%6Cimit=5", "limit=1;offset=2", "%", "%zz=%zz", "%FF=%FF",
    "limit=%FF", "status=%ED%A0%80", "__proto__=1", "a=" + "b" * 10_000, "&".join(["x=1"] * 2_000), "limit=1?offset=2",
)  # fmt: skip
HEADERS: tuple[Headers, ...] = (
    (),
    (("authorization", ""),),
    (("authorization", "Bearer"),),
    (("authorization", "Bearer \u00e9"),),
    (("authorization", "Bearer " + "x" * 10_000),),
    (("authorization", "Basic Zm9vOmJhcg=="),),
    (("accept", "text/html"), ("range", "bytes=0-1"), ("if-none-match", "*")),
    (("authorization", "Bearer a"), ("authorization", "Bearer b")),
)


def absurd_requests(name: str) -> Iterator[Request]:
    good = bearer(TOKENS[name])
    for method, path in itertools.product(METHODS, PATHS):
        yield Request(method, path, "", good)
    for path, query in itertools.product((PLACES[name], "/nowhere"), QUERIES):
        yield Request("GET", path, query, good)
    for path, headers in itertools.product((PLACES[name], "/nowhere"), HEADERS):
        yield Request("GET", path, "", headers)
        yield Request("POST", path, "", (*good, *headers), b'{"name": ' + b"\xff" * 100)


@pytest.mark.parametrize("name", VENDORS)
def test_every_absurd_request_gets_a_documented_answer(name: str) -> None:
    """A nonsensical request gets a documented response, no server error, and no secret."""
    target = mock.from_vendor(LOADED[name])
    hidden = secret_values_rule(dict.fromkeys(LOADED[name].secrets - set(LOADED[name].world.tokens), "password"))
    for request in absurd_requests(name):
        response = target(request)
        exchange = Exchange(request, response)
        assert response.status in (200, 204, 400, 401, 404, 405, 409, 415), request
        assert undocumented(name, exchange) == [], request
        operation = operation_of(LOADED[name].contract, exchange)
        if operation is not None:
            assert list(judge(operation, exchange, (*RULES, hidden))) == []


def test_a_secret_is_in_no_response() -> None:
    """No response about any trunk to any token, and no refusal, contains a password, by name or by value."""
    vendor = LOADED["talkover"]
    passwords = vendor.secrets - set(vendor.world.tokens)
    assert len(passwords) == len(vendor.world.collections["trunks"].records)
    for record, token in itertools.product(vendor.world.collections["trunks"].records, vendor.world.tokens):
        path = f"/sip-trunks/{record['id']}"
        target = mock.from_vendor(vendor)
        sent = (*bearer(token), ("content-type", "application/json"))
        for request in (
            Request("GET", "/sip-trunks", "", bearer(token)),
            Request("GET", path, "", bearer(token)),
            Request("GET", f"{path}/health", "", bearer(token)),
            Request("GET", f"{path}/dids", "", bearer(token)),
            Request("POST", f"{path}/verify", "", bearer(token)),
            Request("GET", path, f"fields=password&password={quote(record['password'])}", bearer(token)),
            Request("GET", f"{path}{quote(record['password'])}", "", bearer(token)),
            Request("PUT", path, "", bearer(token)),
            Request("PUT", path, "", sent, b"{}"),
            Request("PUT", path, "", sent, json.dumps({"name": record["password"], "password": None}).encode()),
            Request("PUT", path, "", sent, json.dumps({"name": [record["password"]]}).encode()),
            Request("DELETE", path, "", bearer(token)),
        ):
            response = target(request)
            text = f"{response.headers} {response.body.decode()}"
            if request.body and response.status == 200:  # a name is shown, whatever it is
                continue
            assert not any(secret in text for secret in vendor.secrets), request
            assert '"password"' not in text


@each_with_body
def test_a_secret_that_is_sent_is_in_no_response_and_no_log(
    operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    """A secret that a client sent is in no response and no log, wherever in the request it was."""
    vendor = of(operation)
    caplog.set_level("INFO", logger="trunkline.mock")
    secrets = [name for name in operation.inputs if name in vendor.contract.secrets]
    good = body_of(operation)
    bodies: list[Json] = [[{name: SENT_SECRET} for name in vendor.contract.secrets]]
    for name in secrets:
        whole = {**good, name: SENT_SECRET}
        bodies += [whole, {name: SENT_SECRET}, {**whole, "name": None}, {**good, name: [SENT_SECRET]}]
        bodies += [
            {**good, "name": whole},
            {**good, "name": [[{name: SENT_SECRET}]]},
            {**good, name: {name: SENT_SECRET}},
        ]
    for body in bodies:
        target = mock.from_vendor(vendor)
        answers = [target(request_of(vendor, operation, body=body))]
        answers += [target(request_of(vendor, other)) for other in operation.same_resource if other.reads]
        if answers[0].status < 300:
            path = f"{PLACES[vendor.name]}/{SENT_SECRET}"
            answers += [target(Request("GET", path, f"q={SENT_SECRET}", bearer(vendor.world.token)))]
            answers[-1] = replace(answers[-1], body=b"")  # a client may get back what it asked for
        for response in answers:
            assert SENT_SECRET not in f"{response.headers} {response.body.decode()}", body
    assert SENT_SECRET not in caplog.text
    assert "refused" in caplog.text


# --- absurd bodies --------------------------------------------------------------------------------------------------

DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000
RAW: Mapping[str, bytes] = {
    "an array": b"[]",
    "null": b"null",
    "a number": b"3",
    "a text": b'"name"',
    "nothing": b"",
    "a deep nest": DEEP,
    "a deep list": b"[" * 100_000 + b"]" * 100_000,
    "two megabytes": b'{"name": "' + b"x" * (2 << 20) + b'"}',
    "two megabytes of spaces": b" " * (2 << 20),
    "a NUL": b"\0",
    "a NUL behind": b"{}\0",
    "a mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "a lone surrogate in a name": b'{"\\udfff": 1}',
    "a lone surrogate, deep": b'{"x": [{"y": "\\ud800"}]}',
    "no number": b'{"port": NaN}',
    "a number without end": b'{"port": Infinity}',
    "a number of 5000 digits": b'{"port": ' + b"9" * 5000 + b"}",
    "half of it": b'{"name": "n',
    "two of it": b"{}{}",
    "a form": b"name=n&port=1",
    "a script": b"<script>alert(1)</script>",
    "single quotes": b"{'name': 'n'}",
    "a comma too many": b'{"name": "n",}',
}
"""Bodies that are no JSON object, or hold what no JSON object can."""


def odd_bodies(operation: Operation) -> Iterator[bytes]:
    """Bodies that are JSON objects, but that no client would send."""
    good = body_of(operation)
    odd: list[Json] = [
        None, True, 0, -1, 1.5, 1e308, 10**400, 2**63, -(2**63), 5061.0, "", " ", "x" * 10_000, "\0",
        "\u202e\u0000\U0001f600", "'; DROP TABLE", "{id}", "{name.__class__}", "%s%n", "\r\nSet-Cookie: a=b", "../..",
        [], {}, [None], {"$ref": "#"},
    ]  # fmt: skip
    bodies: list[Json] = [{}, *({**good, name: value} for name in operation.inputs for value in odd)]
    bodies += [without(good, name) for name in good]
    extra = (
        "id",
        "created_at",
        "updated_at",
        "is_verified",
        "status",
        "x-trunkline",
        "__proto__",
        "constructor",
        "",
        "a/b~c",
    )
    bodies += [{**good, name: value} for name in extra for value in ("mine", None, {"account": "staging"})]
    bodies += [{**good, "x-trunkline": {"account": "another", "reachable": False, "in_use": True}}]
    bodies += [{**good, **{f"field{number}": number for number in range(500)}}]
    bodies += [{**good, "deep": resolve_deep(90)}]
    yield from (json.dumps(body).encode() for body in bodies)
    text = json.dumps(good).encode()
    yield b'{"name": "first", ' + text[1:]
    yield text[:-1] + b', "name": "last"}'
    yield text[:-1] + b', "name": 1, "name": "last"}'
    yield b" \r\n\t" + text + b"\n"


def resolve_deep(levels: int) -> Json:
    value: Json = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def checked_write(operation: Operation, request: Request) -> Response:
    """The response of a fresh mock, which must have a documented form; a refusal must change nothing."""
    vendor = of(operation)
    target = mock.from_vendor(vendor)
    before = state(target)
    response = target(request)
    assert response.status < 500
    assert undocumented(vendor.name, Exchange(request, response)) == [], request.body[:200]
    after = state(target)
    if response.status >= 400:
        assert after == before, request.body[:200]
        return response
    changed = {key: set(ids(after[key])) ^ set(ids(before[key])) for key in after if after[key] != before[key]}
    assert set(changed) <= {(operation.resource, vendor.world.account)}
    assert sum(map(len, changed.values())) == (1 if isinstance(operation.kind, Create | Delete) else 0)
    for other in operation.same_resource:  # whatever was taken in can be shown
        if other.reads:
            asked = request_of(
                vendor, other, query="limit=100" if isinstance(other.kind, List) and other.kind.paging else ""
            )
            assert undocumented(vendor.name, Exchange(asked, target(asked))) == [], request.body[:200]
    return response


def ids(records: tuple[Record, ...]) -> list[str]:
    return [record["id"] for record in records]


@pytest.mark.parametrize("what", RAW)
@each_with_body
def test_a_body_that_is_nonsense_is_refused(operation: Operation, what: str) -> None:
    """A nonsensical body gets 400, or 413 when it is too large, and changes nothing."""
    response = checked_write(operation, replace(request_of(of(operation), operation), body=RAW[what]))
    large = len(RAW[what]) > LONGEST_BODY
    assert (response.status, cause_of(response)) == ((413, "body_too_large") if large else (400, "body_malformed"))


@each_with_body
def test_an_odd_body_gets_a_documented_answer(operation: Operation) -> None:
    """Wrong types, null, read-only and unknown fields and repeated names are refused, or accepted and shown."""
    statuses = set()
    good = request_of(of(operation), operation)
    for body in odd_bodies(operation):
        response = checked_write(operation, replace(good, body=body))
        statuses.add(response.status // 100)
    assert statuses == {2, 4}


@each_with_body
def test_what_a_client_cannot_set_is_ignored(operation: Operation) -> None:
    """An id, a time, a fact of the mock or an undocumented field in a body does not change what is created."""
    vendor = of(operation)
    sent = {"id": "mine", "created_at": "2000-01-01T00:00:00Z", "colour": "red", "formatted_number": "x"}
    facts_sent = {"x-trunkline": {"account": "another", "in_use": True}, "is_verified": True, "sip_endpoint": "sip:x"}
    unknown = {name: value for name, value in {**sent, **facts_sent}.items() if name not in operation.inputs}
    plain, more = mock.from_vendor(vendor, clock=lambda: 1e9), mock.from_vendor(vendor, clock=lambda: 1e9)
    first = plain(request_of(vendor, operation))
    second = more(request_of(vendor, operation, body={**unknown, **body_of(operation)}))
    assert (first.status, first.body) == (second.status, second.body)
    assert state(plain) == state(more)


@each_operation
def test_an_undocumented_body_is_ignored(operation: Operation) -> None:
    """A body where none is documented is ignored, whatever it is and however large; only a notice says so."""
    vendor = of(operation)
    if operation.body:
        return
    request = request_of(vendor, operation)
    wanted = mock.from_vendor(vendor, clock=lambda: 1e9)(request)
    for body in (b"{", DEEP, b"\xff" * 100, b"x" * (2 << 20)):
        sent = replace(request, body=body, headers=(*request.headers, ("content-type", "application/json")))
        answer = mock.from_vendor(vendor, clock=lambda: 1e9)(sent)
        *_, (name, notice) = [field for field in answer.headers if field not in wanted.headers]
        assert (name, notice.endswith("; the one that was sent is ignored")) == (mock.NOTICE_HEADER, True)
        plain = tuple(field for field in answer.headers if field[0] != mock.NOTICE_HEADER)
        assert replace(answer, headers=plain) == wanted


ODD_IDS = (
    "%FF", "%C3%28", "%ED%A0%80", "%00", "%0A", "%F0%9F%98%80", "%2F", "..", ".", "%", "%zz", "%25", "*", "null",
    "{id}", "{trunk_id}", "a" * 10_000, "%41" * 3_000, "%7B%7D", "'%20OR%20'1'='1", "__class__", "%22%5C",
)  # fmt: skip


@pytest.mark.parametrize("identity", ODD_IDS, ids=lambda text: text[:30])
@each_operation
def test_an_odd_id_is_unknown(operation: Operation, identity: str) -> None:
    """An odd id is unknown, wherever it is in a path, and whatever is sent with it."""
    vendor = of(operation)
    names = [parameter.name for parameter in operation.parameters if parameter.location == "path"]
    known = {name: quote(value, safe="") for name, value in ids_of(vendor, operation).items()}
    for name in names:
        path = operation.path
        for other, value in {**known, name: identity}.items():
            path = path.replace(f"{{{other}}}", value)
        good = request_of(vendor, operation)
        for body in (good.body, b"", b"{") if operation.body else (b"",):
            request = replace(good, path=path, body=body)
            response = checked_write(operation, request)
            assert response.status == (404 if body == good.body else 400)


# --- documented requests --------------------------------------------------------------------------------------------

ASKED = [(name, case) for name in VENDORS for case in LOADED[name].cases if "request" in case]


@pytest.mark.parametrize(("name", "case"), ASKED, ids=[f"{name}: {case['name']}" for name, case in ASKED])
def test_a_documented_request_gets_the_documented_answer(name: str, case: dict[str, Json]) -> None:
    """The response to a request that a page shows has the shown values in the shown order."""
    wanted = case["request"]
    sent, body = bearer(wanted["token"]) if "token" in wanted else (), b""
    if "json" in wanted:
        sent, body = (*sent, ("content-type", "application/json")), json.dumps(wanted["json"]).encode()
    request = Request(wanted.get("method", "GET"), wanted["path"], wanted.get("query", ""), sent, body)
    response = mock.from_vendor(LOADED[name])(request)
    assert response.status == case["status"]
    assert response.json() == case["body"]
    assert order(response.json()) == order(case["body"])


def order(value: Json) -> Json:
    """The names of the members of a body, in order."""
    if isinstance(value, dict):
        return [(name, order(inner)) for name, inner in value.items()]
    return [order(item) for item in value] if isinstance(value, list) else None


# --- every spelling of a parameter ----------------------------------------------------------------------------------

LIMIT = "Invalid limit parameter. Must be between 1 and 100"
OFFSET = "Invalid offset parameter. Must be between 0 and 9223372036854775807"
STATUS = "Invalid status parameter. Must be one of: active, inactive, error"

NO_INTEGER = (
    "", "abc", "1.5", "1.0", "+10", "%2B10", "%2010", "10%20", "1e1", "0x10", "010", "00", "-0", "--1", "1_0", "1,0",
    "null", "true", "%00", "10%00",
    "%D9%A3", "%EF%BC%91", "%E2%82%82", "%FF", "NaN", "-", "10%0A", "[10]", '"10"',
)  # fmt: skip
"""Spellings of what is no integer: signs, spaces, other notations, other digits."""

SPELLINGS: list[tuple[str, str, str]] = [
    *((f"limit={text}", "parameter_malformed", LIMIT) for text in NO_INTEGER),
    *((f"offset={text}", "parameter_malformed", OFFSET) for text in NO_INTEGER),
    ("limit", "parameter_malformed", LIMIT),
    ("offset", "parameter_malformed", OFFSET),
    *(
        (f"limit={text}", "parameter_out_of_range", LIMIT)
        for text in ("0", "-1", "101", "200", "-2147483649", "2147483648", "9" * 30, "9" * 5000, "-" + "9" * 5000)
    ),
    *(
        (f"offset={text}", "parameter_out_of_range", OFFSET)
        for text in ("-1", "-100", "9223372036854775808", "9" * 30, "9" * 5000, "-" + "9" * 5000)
    ),
    *(
        (f"status={text}", "parameter_not_allowed", STATUS)
        for text in (
            "",
            "unknown",
            "ACTIVE",
            "Active",
            "active%20",
            "%20active",
            "active,error",
            "%00",
            "null",
            "%FF",
            "*",
        )
    ),
    ("status", "parameter_not_allowed", STATUS),
    *(
        (f"{name}={value}&{name}={other}", "parameter_repeated", f"Invalid {name} parameter. Must be sent once")
        for name, value, other in (
            ("limit", "10", "10"),
            ("limit", "10", "0"),
            ("limit", "", ""),
            ("offset", "0", "1"),
            ("status", "active", "active"),
            ("status", "active", "unknown"),
        )
    ),
    ("limit=0&offset=-1&status=x", "parameter_out_of_range", LIMIT),
    ("status=x&offset=-1", "parameter_out_of_range", OFFSET),
    ("%6Cimit=0", "parameter_out_of_range", LIMIT),
    ("limit=5;offset=1", "parameter_malformed", LIMIT),
]


def short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 50 else f"{text[:20]}... {len(text)} characters"


@pytest.mark.parametrize(("query", "cause", "message"), SPELLINGS, ids=short)
def test_a_malformed_parameter_is_refused(query: str, cause: str, message: str) -> None:
    """Each wrong spelling of a parameter gets 400, the documented code, and a message with the bounds."""
    response = ask("telepath", query)
    assert (response.status, response.json()) == (400, {"error": {"code": "INVALID_PARAMS", "message": message}})
    assert (response.header(mock.REFUSAL_HEADER) or "").startswith(f"{cause}; ")


ACCEPTED: list[tuple[str, int, int, int]] = [
    ("", 20, 0, 20),
    ("limit=1", 1, 0, 1),
    ("limit=2", 2, 0, 2),
    ("limit=20", 20, 0, 20),
    ("limit=27", 27, 0, 27),
    ("limit=99", 99, 0, 27),
    ("limit=100", 100, 0, 27),
    ("offset=0", 20, 0, 20),
    ("offset=7", 20, 7, 20),
    ("offset=8", 20, 8, 19),
    ("offset=26", 20, 26, 1),
    ("offset=27", 20, 27, 0),
    ("offset=28", 20, 28, 0),
    ("offset=9223372036854775807", 20, 2**63 - 1, 0),
    ("limit=100&offset=9223372036854775807", 100, 2**63 - 1, 0),
    ("limit=10&offset=20", 10, 20, 7),
    ("&limit=5&&", 5, 0, 5),
    ("%6Cimit=%31%30", 10, 0, 10),
    ("LIMIT=0&limit[]=0&page=2&sort=name&%00=%00", 20, 0, 20),
]


@pytest.mark.parametrize(("query", "limit", "offset", "count"), ACCEPTED, ids=short)
def test_a_parameter_within_its_bounds_is_accepted(query: str, limit: int, offset: int, count: int) -> None:
    """Each bound is accepted, an absent parameter has its default, and an unknown one is ignored."""
    body = ask("telepath", query).json()
    assert body["pagination"] == {"limit": limit, "offset": offset, "total": 27}
    assert len(body["trunks"]) == count


@pytest.mark.parametrize(("status", "count"), [("active", 2), ("inactive", 18), ("error", 7)])
def test_a_filter_comes_before_the_page_and_its_total(status: str, count: int) -> None:
    """The total and the pages are those of the filtered list, in one order."""
    whole = ask("telepath", f"status={status}&limit=100").json()
    assert whole["pagination"]["total"] == len(whole["trunks"]) == count
    assert {trunk["status"] for trunk in whole["trunks"]} == {status}
    pages = [ask("telepath", f"status={status}&limit=5&offset={offset}").json() for offset in range(0, count, 5)]
    assert [trunk for page in pages for trunk in page["trunks"]] == whole["trunks"]
    assert {page["pagination"]["total"] for page in pages} == {count}


CALLS = [record for record in LOADED["telepath"].world.collections["calls"].records if "x-trunkline" not in record]
BOUNDS = (
    "2024-03-05", "2024-03-05T10:30:00Z", "2024-03-05t10:30:00z", "2024-03-05T10:30:00", "2024-03-05T12:30:00%2B02:00",
    "2024-03-05T10:30:00.000Z", "2024-03-05T10:30:01Z", "2024-03-05T10:29:59.999Z", "1999-01-01",
    "2999-12-31T23:59:59Z", "2024-03-05T10:30:00.000001Z",
)  # fmt: skip


def moments(bound: str) -> datetime:
    """The moment that a bound means, without the code under test."""
    text = bound.replace("%2B", "+").replace("%20", " ").upper()
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@pytest.mark.parametrize("bound", BOUNDS)
def test_calls_are_filtered_by_when_they_started(bound: str) -> None:
    """Both bounds are included; a date alone is its midnight in UTC, a time without offset is in UTC."""
    moment = moments(bound)
    started = {call["id"]: datetime.fromisoformat(call["start_time"]) for call in CALLS}
    for query, wanted in (
        (f"start_date={bound}", {name for name, at in started.items() if at >= moment}),
        (f"end_date={bound}", {name for name, at in started.items() if at <= moment}),
        (f"start_date={bound}&end_date={bound}", {name for name, at in started.items() if at == moment}),
    ):
        body = ask("telepath", f"limit=100&{query}", path="/calls").json()
        assert {call["id"] for call in body["calls"]} == wanted
        assert body["pagination"]["total"] == len(wanted)


def test_filters_of_calls_are_taken_together() -> None:
    """A call is listed when it matches all filters; the pages are those of the filtered list, oldest first."""
    first, last = "2024-03-01", "2024-03-06"
    tried = 0
    for trunk, status in itertools.product(
        sorted({call["trunk_id"] for call in CALLS}), ("connected", "failed", "disconnected")
    ):
        wanted = [
            call["id"]
            for call in sorted(CALLS, key=lambda call: (call["start_time"], call["id"]))
            if (call["trunk_id"], call["status"]) == (trunk, status)
            and moments(first) <= moments(call["start_time"]) <= moments(last)
        ]
        query = f"trunk_id={trunk}&status={status}&start_date={first}&end_date={last}"
        whole = ask("telepath", f"{query}&limit=100", path="/calls").json()
        assert [call["id"] for call in whole["calls"]] == wanted
        pages = [ask("telepath", f"{query}&limit=1&offset={at}", path="/calls").json() for at in range(len(wanted) + 1)]
        assert [call["id"] for page in pages for call in page["calls"]] == wanted
        assert {page["pagination"]["total"] for page in pages} == {len(wanted)}
        tried += bool(wanted)
    assert tried > 2


@pytest.mark.parametrize(
    "value", ["nothing", "%FF", "%00", "", "CONN_ABC123XYZ", "conn_abc123xyz%20", "*", "%25", "null"]
)
def test_calls_of_an_unknown_trunk_are_none(value: str) -> None:
    """The list of calls of an unknown trunk is empty: no page says that it is refused."""
    body = ask("telepath", f"trunk_id={value}", path="/calls").json()
    assert body == {"calls": [], "pagination": {"limit": 20, "offset": 0, "total": 0}}


WRONG_TIMES = (
    "", "yesterday", "2024-02-30", "2024-13-01", "1709634600", "2024-03-05T25:00:00Z", "2024-03-05T10:30:00Zulu", "now",
    "05/03/2024", "2024-03-05T10:30:00+02:00", "%FF", "%00", "2024", "2024-03", "T10:30:00Z", "9" * 5000,
    "20240305T103000Z", "2024-03-05%2010:30:00", "2024-W10-2", "2024-W09-5T10:30:00Z", "2024-03-05T10:30:60Z",
)  # fmt: skip


@pytest.mark.parametrize("bound", ["2016-12-31T23:59:60Z", "2017-01-01T00:59:60.5%2B01:00", "0000-02-29T00:00:00Z"])
def test_a_time_that_python_has_no_date_for_is_a_bound_too(bound: str) -> None:
    """A leap second and the year 0000 are times of RFC 3339, so the words of date-time allow them."""
    response = ask("telepath", f"limit=100&start_date={bound}", path="/calls")
    assert response.status == 200
    assert len(response.json()["calls"]) == len(CALLS)


@pytest.mark.parametrize("text", WRONG_TIMES, ids=lambda text: text[:30])
@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_what_is_no_time_is_refused(name: str, text: str) -> None:
    """A text that is no time is refused. An unencoded plus is a space, as in any query."""
    response = ask("telepath", f"{name}={text}", path="/calls")
    message = f"Invalid {name} parameter. Must be an RFC 3339 date or time"
    assert (response.status, response.json()) == (400, {"error": {"code": "INVALID_PARAMS", "message": message}})
    assert cause_of(response) == "parameter_malformed"


def test_the_list_is_newest_first_and_its_ties_are_broken() -> None:
    """The list is in the order of the sample, and no two trunks are in an undefined order."""
    listed = ask("telepath", "limit=100").json()["trunks"]
    keys = [(trunk["created_at"], trunk["id"]) for trunk in listed]
    assert len({created for created, _ in keys}) < len(keys), "the fixtures hold a tie"
    assert keys == sorted(sorted(keys, key=lambda key: key[1]), key=lambda key: key[0], reverse=True)


# --- every spelling of an id ----------------------------------------------------------------------------------------

UNKNOWN_IDS = (
    "nobody", "TRUNK-UUID-1", "trunk-uuid-", "runk-uuid-1", "trunk-uuid-1x", "trunk-uuid-1%20", "%20trunk-uuid-1",
    "trunk-uuid-1%00", "%00", "trunk-uuid-1%0A", "trunk-uuid-1'", "%22", "'%20OR%20'1'='1", "a" * 10_000, "%41" * 3_000,
    "trunk-uuid-1%2F", "%2F", "x%2F..%2Ftrunk-uuid-1", "..", ".", "%FF", "%C3%28", "%ED%A0%80", "%F0%9F%98%80", "%",
    "%zz", "trunk%2Duuid%2D1%2E", "%25", "trunk-uuid%25", "*", "trunk-uuid-1;v=1", "trunk-uuid-1+", "0", "-1", "null",
    "undefined", "550E8400-E29B-41D4-A716-446655440000", "{trunk_id}",
)  # fmt: skip


@pytest.mark.parametrize("identity", UNKNOWN_IDS, ids=short)
def test_an_id_that_names_nothing_is_not_found(identity: str) -> None:
    """An unknown id gets 404 in the error form of the vendor."""
    response = ask("talkover", path=f"/sip-trunks/{identity}")
    assert (response.status, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("identity", ["trunk-uuid-1", "%74runk-uuid-1", "trunk%2Duuid%2d1"])
def test_an_id_may_be_encoded(identity: str) -> None:
    """A percent-encoded id is the same id."""
    assert ask("talkover", path=f"/sip-trunks/{identity}").json()["data"]["id"] == "trunk-uuid-1"


def test_another_environments_trunk_is_not_found() -> None:
    """Each token sees its own environment; trunks of another are not found."""
    vendor = LOADED["talkover"]
    target = mock.from_vendor(vendor)
    for record in vendor.world.collections["trunks"].records:
        owner = vendor.world.account_of(record)
        for token, grant in vendor.world.tokens.items():
            response = target(Request("GET", f"/sip-trunks/{record['id']}", "", bearer(token)))
            assert response.status == (403 if grant.refused else 200 if grant.account == owner else 404)
    assert len({grant.account for grant in vendor.world.tokens.values()}) == 2


@each_operation
def test_another_account_reads_and_writes_nothing(operation: Operation) -> None:
    """An id of one account is unknown to another, and a list shows only items of its own account."""
    vendor = of(operation)
    world = vendor.world
    other = next(token for token, grant in world.tokens.items() if grant.account != world.account)
    target = mock.from_vendor(vendor)
    before = state(target)
    response = target(request_of(vendor, operation, headers=bearer(other)))
    after = state(target)
    if "{" in operation.path:
        assert (response.status, cause_of(response)) == (404, "id_unknown")
    else:
        assert response.status < 300
    for (name, account), records in after.items():
        assert records == before[name, account] or (name, account) == (operation.resource, world.tokens[other].account)
    if isinstance(operation.kind, Create) and response.status < 300:
        made = after[operation.resource, world.tokens[other].account][-1]
        first = target(request_of(vendor, operation))  # the same unique values are free in each account
        assert first.status < 300
        assert made["id"] not in first.body.decode()


def test_another_accounts_trunks_are_in_no_list() -> None:
    """Each token lists all trunks of its own account and no others."""
    vendor = LOADED["telepath"]
    target = mock.from_vendor(vendor)
    records = vendor.world.collections["trunks"].records
    for token, grant in vendor.world.tokens.items():
        listed = target(Request("GET", "/trunks", "limit=100", bearer(token))).json()["trunks"]
        mine = {record["id"] for record in records if vendor.world.account_of(record) == grant.account}
        assert {trunk["id"] for trunk in listed} == mine
        assert mine


# --- credentials, methods, paths ------------------------------------------------------------------------------------

REFUSED = {
    "telepath": {
        "credentials_missing": "The API key is missing. Send it as: Authorization: Bearer <key>",
        "credentials_malformed": "The API key is malformed. Send it as: Authorization: Bearer <key>",
        "credentials_unknown": "The API key provided is invalid",
    },
    "talkover": {
        "credentials_missing": "The environment token is missing. Send it as: Authorization: Bearer <token>",
        "credentials_malformed": "The environment token is malformed. Send it as: Authorization: Bearer <token>",
        "credentials_unknown": "The environment token provided is invalid",
    },
}
CREDENTIALS: list[tuple[str | None, str]] = [
    (None, "credentials_missing"),
    ("", "credentials_malformed"),
    ("Bearer", "credentials_malformed"),
    ("Bearer ", "credentials_malformed"),
    ("{token}", "credentials_malformed"),
    ("Token {token}", "credentials_malformed"),
    ("Basic {token}", "credentials_malformed"),
    ("Bearer{token}", "credentials_malformed"),
    ("Bearer {token} ", "credentials_malformed"),
    ("Bearer {token} {token}", "credentials_malformed"),
    ("Bearer {token},", "credentials_malformed"),
    ("Bearer \u00e9", "credentials_malformed"),
    ("Bearer nobody", "credentials_unknown"),
    ("Bearer {token}x", "credentials_unknown"),
]


def refusal_body(name: str, code: str, message: str) -> Json:
    """An error in the form of the vendor."""
    if name == "telepath":
        return {"error": {"code": code, "message": message}}
    return {"success": False, "message": message, "code": code}


@pytest.mark.parametrize(("value", "cause"), CREDENTIALS, ids=short)
@pytest.mark.parametrize("name", VENDORS)
def test_a_bad_credential_is_refused(name: str, value: str | None, cause: str) -> None:
    """A missing, malformed or unknown credential gets 401 with the code and message of the vendor."""
    headers = () if value is None else (("authorization", value.replace("{token}", TOKENS[name])),)
    code = {"telepath": "INVALID_API_KEY", "talkover": "INVALID_TOKEN"}[name]
    response = ask(name, headers=headers)
    assert (response.status, response.json()) == (401, refusal_body(name, code, REFUSED[name][cause]))
    assert (response.header(mock.REFUSAL_HEADER) or "").startswith(f"{cause}; ")


@pytest.mark.parametrize(("value", "cause"), CREDENTIALS, ids=short)
def test_a_bad_credential_is_refused_before_a_parameter_is_looked_at(value: str | None, cause: str) -> None:
    """Without a valid credential, parameters are not judged."""
    headers = () if value is None else (("authorization", value.replace("{token}", TOKENS["telepath"])),)
    response = ask("telepath", "limit=0", headers=headers)
    assert (response.header(mock.REFUSAL_HEADER) or "").startswith(f"{cause}; ")
    assert response.status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
@pytest.mark.parametrize("name", VENDORS)
def test_the_scheme_is_bearer_in_any_case(name: str, scheme: str) -> None:
    """The name of an authentication scheme is case-insensitive (RFC 9110, section 11.1)."""
    assert ask(name, headers=(("authorization", f"{scheme} {TOKENS[name]}"),)).status == 200


def test_a_token_without_the_permission_is_refused() -> None:
    """The token that lacks the permission gets 403 for any trunk, known or not."""
    for identity in ("trunk-uuid-1", "nobody"):
        response = ask("talkover", path=f"/sip-trunks/{identity}", headers=bearer("talq_token_without_permission"))
        assert response.status == 403
        assert response.json()["code"] == "FORBIDDEN"


ADDRESSES = sorted({(operation.contract.vendor, operation.path) for operation in OPERATIONS})
OTHERS = ("HEAD", "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "get", "X")


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize(("name", "path"), ADDRESSES)
def test_another_method_gets_405_with_allow(name: str, path: str, method: str) -> None:
    """Another method gets 405 in the form of the vendor, with the right `Allow`, also without a credential."""
    allowed = methods_of(name, path)
    if method in allowed:
        return
    response = ask(name, path=path, method=method, headers=())
    allow = ", ".join(allowed)
    assert (response.status, response.header("allow")) == (405, allow)
    message = f"Method {method} is not allowed here. Allowed: {allow}"
    body = refusal_body(name, "METHOD_NOT_ALLOWED", message)
    if method == "HEAD":
        assert response.body == b""
        assert int(response.header("content-length") or 0) == len(json.dumps(body, separators=(",", ":")))
    else:
        assert response.json() == body


def methods_of(name: str, path: str) -> list[str]:
    """The documented methods of a path, with OPTIONS, and HEAD wherever GET is."""
    documented = {operation.method for operation in LOADED[name].contract.operations if operation.path == path}
    return sorted({*documented, "OPTIONS", *(["HEAD"] if "GET" in documented else [])})


@pytest.mark.parametrize(("name", "path"), ADDRESSES)
def test_options_lists_the_methods_of_a_path(name: str, path: str) -> None:
    """OPTIONS gets 204 with `Allow` and without content, also without a credential (RFC 9110, section 9.3.7)."""
    response = ask(name, path=path, method="OPTIONS", headers=())
    assert (response.status, response.body) == (204, b"")
    assert response.header("allow") == ", ".join(methods_of(name, path))
    assert response.header("content-type") is None


@pytest.mark.parametrize("headers", [None, ()], ids=["with", "without"])
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method == "GET"], ids=str)
def test_head_is_answered_as_get_without_content(operation: Operation, headers: Headers | None) -> None:
    """HEAD has the status and the header fields of GET, its length among them, and no content."""
    name, path = operation.contract.vendor, request_of(of(operation), operation).path
    got, head = (ask(name, path=path, method=method, headers=headers) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (got.status, b"")
    assert dict(head.headers).keys() == {*dict(got.headers), "content-length"}
    assert (head.header("content-type"), head.header("content-length")) == (
        got.header("content-type"),
        str(len(got.body)),
    )


@pytest.mark.parametrize("name", VENDORS)
def test_a_401_has_a_challenge(name: str) -> None:
    """Whatever is wrong with the credential, the response says how to authenticate (RFC 9110, section 15.5.2)."""
    for headers in ((), (("authorization", "Basic eDp5"),), bearer("unknown")):
        response = ask(name, headers=headers)
        assert (response.status, response.header("www-authenticate")) == (401, f'Bearer realm="{name}"')
    assert ask(name).header("www-authenticate") is None


@each_with_body
def test_a_coded_body_gets_415_with_the_codings_that_are_read(operation: Operation) -> None:
    """A body in gzip is refused as such, not as malformed; the response says that no coding is read."""
    request = request_of(of(operation), operation)
    coded = replace(request, headers=(*request.headers, ("content-encoding", "gzip")), body=gzip.compress(request.body))
    response = mock.from_vendor(of(operation))(coded)
    assert (response.status, response.header("accept-encoding")) == (415, "identity")
    assert "application/json coded as gzip" in response.body.decode()
    plain = replace(request, headers=(*request.headers, ("content-type", "text/plain")))
    assert mock.from_vendor(of(operation))(plain).header("accept-encoding") is None


def test_a_429_says_when_to_come_back() -> None:
    """`Retry-After` counts the seconds until the next window, and is never 0."""
    now = 1_700_000_000.25
    fake = mock.from_vendor(LOADED["telepath"], rate_limit=1, clock=lambda: now)
    request = Request("GET", "/trunks", headers=bearer(TOKENS["telepath"]))
    assert fake(request).header("retry-after") is None
    refused = fake(request)
    reset = int(refused.header("x-ratelimit-reset") or 0)
    assert refused.status == 429
    assert int(refused.header("retry-after") or 0) == reset - int(now)
    now = reset - 0.1
    assert fake(request).header("retry-after") == "1"


NOWHERE = ("", "/", "/nowhere", "//", "*")
UNKNOWN_PATHS = {
    "telepath": (
        *NOWHERE, "/trunks/", "//trunks", "/Trunks", "/sip-trunks", "/trunks/x/", "/trunks/x/y", "/calls/", "/trunks//",
        "/calls/x/y", "/Calls", "/health",
    ),
    "talkover": (
        *NOWHERE, "/trunks", "/calls", "/sip-trunks/", "//sip-trunks", "/SIP-trunks", "/sip-trunks/x/", "/health/x",
        "/sip-trunks//dids", "/sip-trunks/x/dids/", "/sip-trunks/x/dids/y/z", "/sip-trunks//verify", "/health/",
        "/sip-trunks/x/health/", "/sip-trunks/x/Verify", "/sip-trunks/x/y", "/Health",
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(("name", "path"), [(name, path) for name in VENDORS for path in UNKNOWN_PATHS[name]])
def test_an_unknown_path_is_not_found(name: str, method: str, path: str) -> None:
    """An undocumented path gets 404 in the form of the vendor, whatever the method and the credential."""
    for headers in (None, ()):
        response = ask(name, path=path, method=method, headers=headers)
        assert response.status == 404
        assert response.json() == refusal_body(name, "NOT_FOUND", "The requested resource was not found")


@pytest.mark.parametrize("name", VENDORS)
def test_the_order_of_refusals_is_path_method_credential_parameters(name: str) -> None:
    """Of several reasons to refuse, the first is reported: path, method, credential, then the parameters in order."""
    statuses = [
        (ask(name, "limit=0", path="/nowhere", method="TRACE", headers=()).status),
        (ask(name, "limit=0", method="TRACE", headers=()).status),
        (ask(name, "limit=0", headers=()).status),
    ]
    assert statuses == [404, 405, 401]


@each_with_body
def test_the_order_of_refusals_is_then_body_id_conflict(operation: Operation) -> None:
    """After the credential come size, media type and form of the body, missing and wrong fields, id and conflict."""
    vendor = of(operation)
    ids = {parameter.name: "nobody" for parameter in operation.parameters if parameter.location == "path"}
    sample, names = body_of(operation), required(operation)
    taken = {
        name: mine(vendor, operation.resource)[0][name]
        for name in (operation.kind.unique if isinstance(operation.kind, Create) else ())
    }
    wrong_name, wrong = next(
        (name, next(mistyped(schema))) for name, schema in operation.inputs.items() if name not in names[:1]
    )
    steps: list[tuple[str, Request]] = []
    good = request_of(vendor, operation, ids=ids, body={**sample, **taken})
    bare = replace(good, headers=bearer(vendor.world.token))
    nobody = bearer("nobody")
    steps.append(("credentials_unknown", replace(bare, headers=nobody, body=b"{".ljust(LONGEST_BODY + 1))))
    steps.append(("body_too_large", replace(bare, body=b"{".ljust(LONGEST_BODY + 1))))
    steps.append(("media_type_unsupported", replace(bare, body=b"{")))
    steps.append(("body_malformed", replace(good, body=b"{")))
    if names:
        lacking = {**without(sample, names[0]), **taken, wrong_name: wrong}
        steps.append(("field_missing", request_of(vendor, operation, ids=ids, body=lacking)))
    steps.append(
        ("field_mistyped", request_of(vendor, operation, ids=ids, body={**sample, **taken, wrong_name: wrong}))
    )
    if ids:
        steps.append(("id_unknown", good))
    if taken:
        steps.append(("not_unique", request_of(vendor, operation, body={**sample, **taken})))
    assert [cause_of(mock.from_vendor(vendor)(request)) for _, request in steps] == [cause for cause, _ in steps]


@pytest.mark.parametrize(
    "operation", [op for op in OPERATIONS if isinstance(op.kind, Delete)], ids=lambda operation: operation.operation_id
)
def test_an_unknown_id_comes_before_a_conflict(operation: Operation) -> None:
    """An unknown id, or one under another parent, is reported before a conflict."""
    vendor = of(operation)
    for _, request in conflicts(operation):
        last = request.path.rpartition("/")[0] + "/nobody"
        assert cause_of(mock.from_vendor(vendor)(replace(request, path=last))) == "id_unknown"
        for parameter in operation.parents:
            _, values = operation.contract.match(request.path)
            others = [
                record["id"] for record in mine(vendor, parameter.resource) if record["id"] != values[parameter.name]
            ]
            path = request.path.replace(values[parameter.name], others[0])
            assert cause_of(mock.from_vendor(vendor)(replace(request, path=path))) == "id_unknown"


# --- what a refusal says of itself ----------------------------------------------------------------------------------

PART = re.compile(r'; (\w+)="((?:\\.|[^"\\])*)"')


def explained(name: str) -> list[tuple[Request, Response]]:
    """Every kind of refusal, with its request."""
    good = bearer(TOKENS[name])
    place = PLACES[name]
    asked = [
        Request("GET", "/nowhere"),
        Request("GET", "/now%22here%5C"),
        Request("GET", '/now"here'),
        Request("TRACE", place),
        Request('"', place),
        Request("GET", place),
        Request("GET", place, "", bearer("nobody")),
        Request("GET", place, "", (("authorization", "Basic x"),)),
        Request("GET", "/sip-trunks/nobody", "", good),
        Request("GET", "/sip-trunks/%22%5C%00%C3%A9", "", good),
        Request("GET", place, "", bearer("talq_token_without_permission")),
        *(Request("GET", place, query, good) for query, *_ in SPELLINGS),
        *(Request("GET", place, f"limit={'a' * count}%22%5C%C3%A9", good) for count in range(40, 66)),
    ]
    for operation in LOADED[name].contract.operations:
        asked += [request for _, request in at_fault(operation)]
    target: Target = mock.from_vendor(LOADED[name])
    exchanges = [(request, target(request)) for request in asked]
    limited = mock.from_vendor(LOADED[name], rate_limit=1)
    exchanges += [(request, limited(request)) for request in [Request("GET", place, "", good)] * 2]
    return [(request, response) for request, response in exchanges if response.status >= 400]


@pytest.mark.parametrize("name", VENDORS)
def test_a_refusal_explains_itself(name: str) -> None:
    """The header of a refusal names what was sent, the bound, the place in the contract and the page."""
    files = LOADED[name].contract.files
    for request, response in explained(name):
        header = response.header(mock.REFUSAL_HEADER) or ""
        cause, _, rest = header.partition(";")
        parts = dict(PART.findall(f";{rest}"))
        assert header.isascii()
        assert header.isprintable()
        assert list(parts) == ["sent", "broke", "contract", "grade", "page"], header
        assert PART.sub("", f";{rest}") == "", header
        file, _, at = parts["contract"].partition("#")
        folder, _, document = file.rpartition("/")
        assert folder == f"schemas/{name}"
        assert resolves(files[document], at), at
        assert parts["grade"] in ("documented", "implied", "customary", "decision")
        assert parts["page"].startswith("https://") or parts["grade"] == "decision"
        refusal = parse_request(LOADED[name].contract, request)
        if isinstance(refusal, Refusal):
            found, _ = documented_response(LOADED[name].contract, refusal)
            assert (cause, int(found.key)) == (refusal.cause, response.status)


def resolves(document: Json, at: str) -> bool:
    """Whether a JSON Pointer leads to a value."""
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(key)] if isinstance(document, list) else document[key]
        except (LookupError, ValueError):
            return False
    return True


@pytest.mark.parametrize("name", VENDORS)
def test_a_refusal_contains_no_secret(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The header and the log of a refusal contain no secret, even if the client sent it in the URL."""
    vendor = LOADED[name]
    target = mock.from_vendor(vendor)
    caplog.set_level("INFO", logger="trunkline.mock")
    for secret in vendor.secrets:
        for request in (
            Request("GET", "/trunks", f"limit={quote(secret)}", bearer(TOKENS[name])),
            Request("GET", f"/sip-trunks/{quote(secret)}", "", bearer(TOKENS[name])),
            Request("GET", f"/{secret}", f"key={secret}", bearer(secret)),
            Request("GET", PLACES[name], "", (("authorization", f"Basic {secret}"),)),
            Request("GET", PLACES[name], "", bearer(f"{secret}x".replace(" ", ""))),
        ):
            response = target(request)
            text = f"{response.headers} {response.body.decode()} {caplog.text}"
            assert not any(hidden in text for hidden in vendor.secrets), request.path
    assert "refused" in caplog.text
