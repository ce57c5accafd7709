"""The mock against its own contract: every documented answer is reached, and whatever is asked, the answer is one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.defects import BY_NAME, LOADED, PARAMETERS, TOKENS, examine
from trunkline import mock
from trunkline.contract import Operation
from trunkline.parts import Answer
from trunkline.exchange import Exchange, Headers, Json, Request, Response, Target
from trunkline.refusals import Refusal, answer, read
from trunkline.rules import RULES, hides, judge, operation_of
from trunkline.targets import recorded

VENDORS = sorted(TOKENS)
PLACES = {"telepath": "/trunks", "talkover": "/sip-trunks/trunk-uuid-1"}
NOT_FOUND = {"success": False, "message": "SIP trunk not found", "code": "TRUNK_NOT_FOUND"}


def bearer(token: str) -> Headers:
    return (("authorization", f"Bearer {token}"),)


def ask(
    name: str, query: str = "", *, path: str | None = None, method: str = "GET", headers: Headers | None = None
) -> Response:
    """One question to a fresh mock, with its first token."""
    chosen = bearer(TOKENS[name]) if headers is None else headers
    return mock.from_vendor(LOADED[name])(Request(method, PLACES[name] if path is None else path, query, chosen))


def everything(name: str) -> list[Exchange]:
    """All that is said when the suite asks: the laws, more requests than the limit allows, every token."""
    log: list[Exchange] = []
    vendor = LOADED[name]
    examine(name, recorded(mock.from_vendor(vendor), log), *BY_NAME, examples=5)
    limited = recorded(mock.from_vendor(vendor, rate_limit=2), log)
    tokens = recorded(mock.from_vendor(vendor), log)
    for operation in vendor.contract.operations:
        path = path_of(name, operation)
        for _ in range(3):
            limited(Request(operation.method, path, "", bearer(TOKENS[name])))
        for token in vendor.world.tokens:
            tokens(Request(operation.method, path, "", bearer(token)))
    return log


def path_of(name: str, operation: Operation) -> str:
    """The operation's path with parameters that lead somewhere."""
    path = operation.path
    for parameter, value in PARAMETERS[name].items():
        path = path.replace("{" + parameter + "}", value)
    return path


def answer_to(name: str, exchange: Exchange) -> Answer | None:
    """The documented response that an answer claims to be: the operation's, or the one of the whole API."""
    contract = LOADED[name].contract
    operation = operation_of(contract, exchange)
    if operation is not None:
        return operation.answer_for(exchange.response.status)
    return contract.answers.get(str(exchange.response.status))


def undocumented(name: str, exchange: Exchange) -> list[str]:
    """What is wrong with the form of an answer, whatever was asked."""
    contract, response = LOADED[name].contract, exchange.response
    found = answer_to(name, exchange)
    if found is None:
        return [f"{response.status} is not documented"]
    wrong = [violation.message for violation in contract.violations(found.schema, response.json())]
    wrong += [f"no {header}" for header in found.headers if response.header(header) is None]
    wrong += [] if response.header("content-type") == "application/json" else ["no JSON"]
    operation = operation_of(contract, exchange)
    if operation is not None:
        wrong += [finding.message for finding in judge(operation, exchange)]
    return wrong


@pytest.mark.parametrize("name", VENDORS)
def test_every_documented_status_is_reached(name: str) -> None:
    """The suite meets each (operation, status) that the contract lists, and each answer has its documented form."""
    exchanges = everything(name)
    reached = set()
    for exchange in exchanges:
        operation = operation_of(LOADED[name].contract, exchange)
        if operation is not None and operation.method == exchange.request.method:
            reached.add((operation.operation_id, str(exchange.response.status)))
        assert undocumented(name, exchange) == [], exchange
    documented = {
        (operation.operation_id, key)
        for operation in LOADED[name].contract.operations
        for key in operation.answers
        if not key.endswith("XX")
    }
    assert documented <= reached
    assert reached <= documented, "the mock needs no range to be right"


@pytest.mark.parametrize("name", VENDORS)
def test_every_cause_of_refusal_is_reached(name: str) -> None:
    """Each cause that the contract answers is met, with the status and the code that it is answered with."""
    contract = LOADED[name].contract
    answers = [*contract.answers.values(), *(one for each in contract.operations for one in each.answers.values())]
    log = everything(name)
    target = recorded(mock.from_vendor(LOADED[name]), log)
    target(Request("GET", "/nowhere"))
    target(Request("DELETE", PLACES[name]))
    for query in ("limit=abc", "limit=0", "status=x", "limit=1&limit=1"):
        target(Request("GET", PLACES[name], query, bearer(TOKENS[name])))
    met = {
        ((exchange.response.header(mock.REFUSAL_HEADER) or "").partition(";")[0], exchange.response.status)
        for exchange in log
    }
    assert {(cause, int(found.key)) for found in answers for cause in found.refusals} <= met


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
    """Nonsense is answered in a documented form, never with a server error, and never with a secret."""
    target = mock.from_vendor(LOADED[name])
    hidden = hides(dict.fromkeys(LOADED[name].secrets - set(LOADED[name].world.tokens), "password"))
    for request in absurd_requests(name):
        response = target(request)
        exchange = Exchange(request, response)
        assert response.status in (200, 400, 401, 404, 405), request
        assert undocumented(name, exchange) == [], request
        operation = operation_of(LOADED[name].contract, exchange)
        if operation is not None:
            assert list(judge(operation, exchange, (*RULES, hidden))) == []


def test_a_secret_is_in_no_answer() -> None:
    """No answer of any trunk to any token, nor any refusal, holds a password by name or by value."""
    vendor = LOADED["talkover"]
    target = mock.from_vendor(vendor)
    passwords = vendor.secrets - set(vendor.world.tokens)
    assert len(passwords) == len(vendor.world.collections["trunks"].records)
    for record, token in itertools.product(vendor.world.collections["trunks"].records, vendor.world.tokens):
        path = f"/sip-trunks/{record['id']}"
        for request in (
            Request("GET", path, "", bearer(token)),
            Request("GET", path, f"fields=password&password={quote(record['password'])}", bearer(token)),
            Request("GET", f"{path}{quote(record['password'])}", "", bearer(token)),
            Request("PUT", path, "", bearer(token)),
        ):
            response = target(request)
            told = f"{response.headers} {response.body.decode()}"
            assert not any(secret in told for secret in vendor.secrets)
            assert '"password"' not in told


# --- documented requests --------------------------------------------------------------------------------------------

ASKED = [(name, case) for name in VENDORS for case in LOADED[name].cases if "request" in case]


@pytest.mark.parametrize(("name", "case"), ASKED, ids=[f"{name}: {case['name']}" for name, case in ASKED])
def test_a_documented_request_gets_the_documented_answer(name: str, case: dict[str, Json]) -> None:
    """What a page shows is answered value for value and in the order shown."""
    wanted = case["request"]
    response = ask(name, wanted.get("query", ""), path=wanted["path"], headers=bearer(wanted["token"]))
    assert response.status == case["status"]
    assert response.json() == case["body"]
    assert order(response.json()) == order(case["body"])


def order(value: Json) -> Json:
    """The names of a body's members, in order."""
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
def test_a_parameter_that_cannot_be_meant_is_refused(query: str, cause: str, message: str) -> None:
    """Each wrong spelling gets 400, the documented code, and the documented message with the parameter's own bounds."""
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
def test_a_parameter_within_its_bounds_is_taken(query: str, limit: int, offset: int, count: int) -> None:
    """Each bound is accepted, what is left out means its default, and what no page knows is overlooked."""
    body = ask("telepath", query).json()
    assert body["pagination"] == {"limit": limit, "offset": offset, "total": 27}
    assert len(body["trunks"]) == count


@pytest.mark.parametrize(("status", "count"), [("active", 2), ("inactive", 18), ("error", 7)])
def test_a_filter_comes_before_the_page_and_its_total(status: str, count: int) -> None:
    """The total counts what the filter leaves, and the pages are cut from that, in one order."""
    whole = ask("telepath", f"status={status}&limit=100").json()
    assert whole["pagination"]["total"] == len(whole["trunks"]) == count
    assert {trunk["status"] for trunk in whole["trunks"]} == {status}
    pages = [ask("telepath", f"status={status}&limit=5&offset={offset}").json() for offset in range(0, count, 5)]
    assert [trunk for page in pages for trunk in page["trunks"]] == whole["trunks"]
    assert {page["pagination"]["total"] for page in pages} == {count}


def test_the_list_is_newest_first_and_its_ties_are_broken() -> None:
    """The order is the one that the sample shows, and it is total."""
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
    """Whatever is no known id gets 404 in the vendor's own envelope."""
    response = ask("talkover", path=f"/sip-trunks/{identity}")
    assert (response.status, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("identity", ["trunk-uuid-1", "%74runk-uuid-1", "trunk%2Duuid%2d1"])
def test_an_id_may_be_encoded(identity: str) -> None:
    """Percent-encoding changes nothing in what an id means."""
    assert ask("talkover", path=f"/sip-trunks/{identity}").json()["data"]["id"] == "trunk-uuid-1"


def test_another_environments_trunk_is_not_found() -> None:
    """Each token opens its own environment only; what is in another is as if it were not."""
    vendor = LOADED["talkover"]
    target = mock.from_vendor(vendor)
    for record in vendor.world.collections["trunks"].records:
        owner = vendor.world.account_of(record)
        for token, grant in vendor.world.tokens.items():
            response = target(Request("GET", f"/sip-trunks/{record['id']}", "", bearer(token)))
            assert response.status == (403 if grant.refused else 200 if grant.account == owner else 404)
    assert len({grant.account for grant in vendor.world.tokens.values()}) == 2


def test_another_accounts_trunks_are_in_no_list() -> None:
    """Each key lists the trunks of its own account, and all of them."""
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
    """An error in the vendor's own envelope."""
    if name == "telepath":
        return {"error": {"code": code, "message": message}}
    return {"success": False, "message": message, "code": code}


@pytest.mark.parametrize(("value", "cause"), CREDENTIALS, ids=short)
@pytest.mark.parametrize("name", VENDORS)
def test_a_bad_credential_is_refused(name: str, value: str | None, cause: str) -> None:
    """A missing, malformed or unknown credential gets 401 with the vendor's code and words."""
    headers = () if value is None else (("authorization", value.replace("{token}", TOKENS[name])),)
    code = {"telepath": "INVALID_API_KEY", "talkover": "INVALID_TOKEN"}[name]
    response = ask(name, headers=headers)
    assert (response.status, response.json()) == (401, refusal_body(name, code, REFUSED[name][cause]))
    assert (response.header(mock.REFUSAL_HEADER) or "").startswith(f"{cause}; ")


@pytest.mark.parametrize(("value", "cause"), CREDENTIALS, ids=short)
def test_a_bad_credential_is_refused_before_a_parameter_is_looked_at(value: str | None, cause: str) -> None:
    """Who has no good credential learns nothing of the parameters."""
    headers = () if value is None else (("authorization", value.replace("{token}", TOKENS["telepath"])),)
    response = ask("telepath", "limit=0", headers=headers)
    assert (response.header(mock.REFUSAL_HEADER) or "").startswith(f"{cause}; ")
    assert response.status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
@pytest.mark.parametrize("name", VENDORS)
def test_the_scheme_is_bearer_in_any_case(name: str, scheme: str) -> None:
    """The name of an authentication scheme has no case (RFC 9110, section 11.1)."""
    assert ask(name, headers=(("authorization", f"{scheme} {TOKENS[name]}"),)).status == 200


def test_a_token_without_the_permission_is_refused() -> None:
    """The token that lacks the permission gets 403 for any trunk, known or not."""
    for identity in ("trunk-uuid-1", "nobody"):
        response = ask("talkover", path=f"/sip-trunks/{identity}", headers=bearer("talq_token_without_permission"))
        assert response.status == 403
        assert response.json()["code"] == "FORBIDDEN"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "get", "X"])
@pytest.mark.parametrize("name", VENDORS)
def test_another_method_is_told_what_is_allowed(name: str, method: str) -> None:
    """What a path does not take gets 405 in the vendor's envelope, with the right Allow; no credential is needed."""
    response = ask(name, method=method, headers=())
    message = f"Method {method} is not allowed here. Allowed: GET"
    assert (response.status, response.header("allow")) == (405, "GET")
    assert response.json() == refusal_body(name, "METHOD_NOT_ALLOWED", message)


@pytest.mark.parametrize(
    "path", ["", "/", "/nowhere", "/trunks/", "/sip-trunks", "/sip-trunks/", "//trunks", "/Trunks"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("name", VENDORS)
def test_an_unknown_path_is_not_found(name: str, method: str, path: str) -> None:
    """A path that no page knows gets 404 in the vendor's envelope, whatever the method and the credential."""
    for headers in (None, ()):
        response = ask(name, path=path, method=method, headers=headers)
        assert response.status == 404
        assert response.json() == refusal_body(name, "NOT_FOUND", "The requested resource was not found")


@pytest.mark.parametrize("name", VENDORS)
def test_the_order_of_refusals_is_path_method_credential_parameters(name: str) -> None:
    """Of several reasons the first is told: the path, the method, the credential, then the parameters in order."""
    said = [
        (ask(name, "limit=0", path="/nowhere", method="POST", headers=()).status),
        (ask(name, "limit=0", method="POST", headers=()).status),
        (ask(name, "limit=0", headers=()).status),
    ]
    assert said == [404, 405, 401]


# --- what a refusal says of itself ----------------------------------------------------------------------------------

PART = re.compile(r'; (\w+)="((?:\\.|[^"\\])*)"')


def explained(name: str) -> list[tuple[Request, Response]]:
    """Every kind of refusal, with what was asked."""
    good = bearer(TOKENS[name])
    place = PLACES[name]
    asked = [
        Request("GET", "/nowhere"),
        Request("GET", "/now%22here%5C"),
        Request("GET", '/now"here'),
        Request("DELETE", place),
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
    target: Target = mock.from_vendor(LOADED[name])
    said = [(request, target(request)) for request in asked]
    limited = mock.from_vendor(LOADED[name], rate_limit=1)
    said += [(request, limited(request)) for request in [Request("GET", place, "", good)] * 2]
    return [(request, response) for request, response in said if response.status >= 400]


@pytest.mark.parametrize("name", VENDORS)
def test_a_refusal_explains_itself(name: str) -> None:
    """A refusal names what was sent, the bound it broke, and where the contract and the page say so."""
    files = LOADED[name].contract.files
    for request, response in explained(name):
        told = response.header(mock.REFUSAL_HEADER) or ""
        cause, _, rest = told.partition(";")
        parts = dict(PART.findall(f";{rest}"))
        assert told.isascii()
        assert told.isprintable()
        assert list(parts) == ["sent", "broke", "contract", "grade", "page"], told
        assert PART.sub("", f";{rest}") == "", told
        file, _, at = parts["contract"].partition("#")
        folder, _, document = file.rpartition("/")
        assert folder == f"schemas/{name}"
        assert resolves(files[document], at), at
        assert parts["grade"] in ("documented", "implied", "customary", "decision")
        assert parts["page"].startswith("https://") or parts["grade"] == "decision"
        refusal = read(LOADED[name].contract, request)
        if isinstance(refusal, Refusal):
            found, _ = answer(LOADED[name].contract, refusal)
            assert (cause, int(found.key)) == (refusal.cause, response.status)


def resolves(document: Json, at: str) -> bool:
    """Whether a JSON Pointer leads somewhere."""
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(key)] if isinstance(document, list) else document[key]
        except (LookupError, ValueError):
            return False
    return True


@pytest.mark.parametrize("name", VENDORS)
def test_a_refusal_tells_no_secret(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the header nor the log of a refusal holds a secret, even where a client puts it in the address."""
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
            told = f"{response.headers} {response.body.decode()} {caplog.text}"
            assert not any(hidden in told for hidden in vendor.secrets), request.path
    assert "refused" in caplog.text
