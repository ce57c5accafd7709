"""The request log keeps the latest ones, numbers them, and shows none of their secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

import trunkline
from tests.requests import bearer
from tests.test_redaction import FORMS, SECRET
from trunkline.exchange import Json, Request
from trunkline.mock.mock import Mock, from_vendor
from trunkline.mock.request_log import RecordedRequest
from trunkline.mock.session import MockSession
from trunkline.redaction import RecentSecrets

TELEPATH, TALKOVER = trunkline.load("telepath"), trunkline.load("talkover")
TOKEN = TELEPATH.world.token
OWN = bearer(TOKEN)
JSON = ("content-type", "application/json")


def session(keep: int = 1000) -> MockSession:
    """A session whose mocks know each other's secrets, as those of `trunkline serve` do."""
    secrets, recent = TELEPATH.secrets | TALKOVER.secrets, RecentSecrets()

    def make(vendor: trunkline.Vendor) -> Mock:
        return from_vendor(vendor, secrets=secrets, recent=recent)

    return MockSession([TELEPATH, TALKOVER], make, keep=keep)


def shown(request: Request) -> dict[str, Json]:
    """A request to telepath as it is logged."""
    found = session()
    found.mocks["telepath"](request)
    return found.requests.entries()[0].to_json()


def test_a_request_is_shown_with_all_that_is_known_about_it() -> None:
    """Operation, account and status of an answered request; cause, evidence and page of a refused one."""
    known = shown(Request("GET", "/trunks", "limit=2", OWN))
    assert (known["number"], known["vendor"], known["operation"], known["account"]) == (
        1,
        "telepath",
        "listTrunks",
        "main",
    )
    assert (known["status"], known["refusal"], known["fault"], known["notices"]) == (200, None, None, [])
    assert known["time"].startswith("20")
    assert known["time"].endswith("Z")
    assert 0 < known["duration_ms"] < 60_000
    refusal = shown(Request("GET", "/trunks", "limit=0", OWN))["refusal"]
    assert (refusal["cause"], refusal["sent"], refusal["grade"]) == ("parameter_out_of_range", "limit=0", "documented")
    assert refusal["page"].startswith("https://")
    assert refusal["contract"].startswith("schemas/telepath/openapi.json#/")


@pytest.mark.parametrize("first", ["_=", "&&", "&_=&limit=1", "token="])
def test_a_read_that_is_answered_from_memory_is_logged_with_its_own_query(first: str) -> None:
    """Also after a request that has no values of undocumented names, or more separators, and else is the same."""
    found, second = session(), first.replace("_=", "_=2").replace("token=", "token=night-desk-7").lstrip("&")
    for query in (first, second, first):
        found.mocks["telepath"].read((b"/trunks", query.encode(), f"Bearer {TOKEN}".encode()))
    entries = found.requests.entries()
    assert [entry.query for entry in entries] == [first, second, first]
    assert "night-desk-7" not in json.dumps([entry.to_json() for entry in entries])


@pytest.mark.parametrize(
    ("request_", "status", "operation"),
    [
        (Request("HEAD", "/trunks", "", OWN), 200, None),
        (Request("OPTIONS", "/trunks"), 204, None),
        (Request("PUT", "/trunks", "", OWN), 405, None),
        (Request("GET", "/nowhere", "", OWN), 404, None),
        (Request("GET", "/trunks"), 401, "listTrunks"),
    ],
)
def test_every_request_is_logged(request_: Request, status: int, operation: str | None) -> None:
    """Requests that HTTP adds, and refused ones, are logged too."""
    found = shown(request_)
    assert (found["status"], found["operation"], found["method"]) == (status, operation, request_.method)


def test_requests_over_a_limit_are_logged() -> None:
    """A rate-limited request is logged with its cause, and so is one that is too large, with or without a body."""
    found = session()
    telepath = found.mocks["telepath"]
    telepath.mock.limit_rate(requests=0)
    telepath(Request("GET", "/trunks", "", OWN))
    telepath.mock.limit_rate(requests=100)
    telepath.too_large(Request("POST", "/trunks", "", (*OWN, JSON)))
    assert telepath.too_large(Request("GET", "/trunks", "", OWN)) is None
    rate, large, other = (one.to_json() for one in found.requests.entries())
    assert (rate["status"], rate["refusal"]["cause"]) == (429, "rate_limited")
    assert (large["status"], large["refusal"]["cause"]) == (413, "body_too_large")
    assert (other["status"], other["refusal"], other["operation"]) == (413, None, "listTrunks")


def test_only_the_latest_requests_are_kept() -> None:
    """The oldest are forgotten, and no number is used twice, also after all were cleared."""
    found = session(keep=2)
    telepath = found.mocks["telepath"]
    for _ in range(3):
        telepath.read((b"/trunks", b"", None))
    assert [one.number for one in found.requests.entries()] == [2, 3]
    assert found.requests.clear() == 2
    telepath(Request("GET", "/trunks"))
    assert [one.number for one in found.requests.entries()] == [4]


def test_nothing_is_kept_when_it_is_switched_off() -> None:
    """A log of 0 requests stays empty, while a watcher is still told."""
    found, told = session(keep=0), list[RecordedRequest]()
    stop = found.requests.watch(told.append)
    found.mocks["telepath"](Request("GET", "/trunks"))
    found.mocks["telepath"].read((b"/trunks", b"", None))
    stop()
    found.mocks["telepath"](Request("GET", "/trunks"))
    assert (found.requests.entries(), [one.number for one in told]) == ([], [1, 2])


def test_what_is_long_is_shortened() -> None:
    """Of a request as large as a server takes, the log keeps a part, and shows less."""
    body = json.dumps({"name": "x" * 500_000}).encode()
    long = Request("POST", "/trunks", "q=" + "y" * 50_000, (("x-long", "z" * 60_000), *OWN, JSON), body)
    found = shown(long)
    assert found["body"] is None
    assert found["body_note"] == "not shown, because only its first 32768 bytes are kept"
    assert len(json.dumps(found)) < 5000
    assert len(shown(Request("POST", "/trunks", "", OWN, b'{"name": "' + b"x" * 9000 + b'"}'))["body"]["name"]) < 2100


def line(request: Request) -> str:
    """A request to telepath as it is logged, without its time."""
    found = session()
    found.mocks["telepath"](request)
    text = found.requests.entries()[0].to_line()
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} ", text)
    return re.sub(r" \d+\.\d ms ", " N ms ", text[13:])


def test_a_request_is_one_line_of_a_log() -> None:
    """The line has method, target, operation, status, time and account, and then the reason for a refusal."""
    assert line(Request("GET", "/trunks", "limit=2", OWN)) == "GET /v1/trunks?limit=2 listTrunks 200 N ms main"
    refused = line(Request("HEAD", "/trunks"))
    assert refused.startswith("HEAD /v1/trunks - 401 N ms -; refused: credentials_missing; sent=")
    assert refused.count("refused") == 1


def test_no_request_can_disturb_a_log() -> None:
    """Control characters are escaped, secrets are redacted, and a long target is cut off."""
    odd = line(
        Request("G\x1bET", "/tr\nunks/\xff\u202e", "a=\x1b[31m&token=abc&b=" + TOKEN, bearer("sk_odd_0123456789"))
    )
    assert odd.startswith(
        "G\\u001bET /v1/tr\\nunks/\\u00ff\\u202e?a=\\u001b[31m&token=***&b=*** - 404 N ms -; refused: "
    )
    assert odd.isascii()
    assert odd.isprintable()
    assert len(line(Request("GET", "/health", "x" * 9000))) < 1000


# --- secrets ---------------------------------------------------------------------------------------------------------


def carriers(secret: str, form: str) -> Iterator[Request]:
    """Requests with a credential in `Authorization`, and a form of it elsewhere."""
    sent = bearer(secret)
    plain = form.replace("&", "%26").replace("#", "%23").replace(" ", "%20")
    yield Request("GET", f"/trunks/{plain}", "", sent)
    yield Request("GET", f"/trunks;id={plain}", "", sent)
    yield Request("GET", "/trunks", f"limit=0&status={plain}", sent)
    yield Request("GET", "/trunks", f"{plain}=1", sent)
    yield Request("GET", "/trunks", "", (*sent, ("x-note", form)))
    yield Request("POST", "/trunks", "", (*sent, JSON), json.dumps({"name": form, form: [{"x": form}]}).encode())
    yield Request("POST", "/trunks", "", (*sent, JSON), form.encode() + b"{")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vendor", ["telepath", "talkover"])
def test_no_form_of_an_unknown_credential_is_shown(vendor: str, form: str) -> None:
    """A credential that opens nothing is redacted wherever it occurs in its request, in all its forms."""
    found = session()
    for request in carriers(SECRET, FORMS[form]):
        found.mocks[vendor](request)
        text = json.dumps(found.requests.entries()[-1].to_json())
        text += found.requests.entries()[-1].to_line()
        assert FORMS[form] not in text
        assert SECRET[3:16] not in text


@pytest.mark.parametrize("token", [*TELEPATH.world.tokens, *TALKOVER.world.tokens])
def test_no_token_of_any_vendor_is_shown(token: str) -> None:
    """The tokens of all vendors are redacted at each of them, also in a request without a credential."""
    found = session()
    for served in found.mocks.values():
        for request in carriers(token, token):
            served(request)
            served(Request(request.method, request.path, request.query, request.headers[1:], request.body))
    for one in found.requests.entries():
        assert token not in json.dumps(one.to_json(), ensure_ascii=False)
        assert token[:20] not in json.dumps(one.to_json(), ensure_ascii=False)


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/trunks", "token=abc"),
        Request("GET", "/trunks", "limit=1&%74oken=abc&Api-Key=abc;d"),
        Request("GET", "/trunks;session=abcd"),
        Request("GET", "/trunks", "", (("cookie", "abc"), ("x-api-key", "abc"), ("authorization", "abc"))),
        Request("GET", "/trunks", "", (("authorization", "Bearer abc"), ("x-auth-token", "abc"))),
        Request("GET", "/trunks", "", (("authorization", "Basic YWJj"),)),
        Request(
            "POST", "/trunks", "", (JSON,), b'{"sip_password": "abc", "sipPassword": {"x": "abc"}, "pin": ["abc"]}'
        ),
        Request("POST", "/trunks", "", (JSON,), b"{'sip_password': 'abc'}"),
        Request("POST", "/trunks", "", (JSON,), b'{"sip_password": "abc", "name": '),
        Request("POST", "/trunks", "", (), b"sip_password=abc"),
        Request("POST", "/trunks", "", (JSON,), b'{"abcdefgh": 1, "abcdefgh": 2, "password": "abcdefgh"}'),
        Request("POST", "/trunks", "", (JSON,), b'{"pin": 123456789, "name": 123456789}'),
        Request("GET", "/trunks", "a=1;token=abc"),
        Request("GET", "/trunks", "%2574oken=abc"),
        Request("GET", "/trunks", "", (("x-hub-signature-256", "abc"), ("x-pin", "abc"))),
        Request("GET", "/trunks", "", (("referer", "https://acme.example/?token=123456789"),)),
        Request("GET", "/trunks", "", (("x-trunkline-fault", "503 header.set-cookie=sid=123456789"),)),
    ],
)
def test_a_value_under_the_name_of_a_secret_is_not_shown(request_: Request) -> None:
    """A secret is redacted by its name even if it is short, and a body that is not JSON is not shown at all."""
    text = json.dumps(shown(request_))
    assert "***" in text or '"body_note": "not shown' in text
    assert not any(secret in text for secret in ("abc", "YWJj", "123456789"))


def test_the_name_of_the_scheme_is_shown() -> None:
    """A client that sent the wrong scheme, or no credential after it, can see that."""
    for sent, seen in (("Bearer abc", "Bearer ***"), ("Basic", "Basic"), ("token abc", "token ***"), ("abc", "***")):
        assert shown(Request("GET", "/trunks", "", (("authorization", sent),)))["headers"] == {"authorization": seen}


def test_the_text_of_a_request_is_kept_until_a_secret_becomes_known() -> None:
    """It is the same for all who look, and redacts what is stored as a secret later. Only the latest stay."""
    found = session()
    telepath = found.mocks["telepath"]
    telepath(Request("GET", "/trunks", "name=hunter2hunter2"))
    before = found.requests.to_text(found.requests.entries()[0])
    assert "hunter2hunter2" in before
    assert found.requests.to_text(found.requests.entries()[0]) is before
    telepath.mock.records("trunks").add(sip_password="hunter2hunter2")
    assert "hunter2hunter2" not in found.requests.to_text(found.requests.entries()[0])
    for _ in range(200):
        telepath(Request("GET", "/trunks"))
    assert all(map(found.requests.to_text, found.requests.entries()))
    assert len(found.requests._texts) == 100
    found.requests.clear()
    assert not found.requests._texts


def test_any_text_can_be_sent_as_json() -> None:
    """Halves of surrogate pairs and control characters in a request do not break the JSON of the log."""
    body = b'{"name": "\\ud800\\u0000\x7f", "\\udfff": 1e400, "n": 12345678901234567890}'
    for content in (body, body.replace(b"1e400", b"1")):
        found = shown(
            Request("POST", "/tr\xff\x01unks/%ff%00", "a=%ud8%00\x1b", (("x-\xff", "\xff\x00"), JSON), content)
        )
        sent = json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        assert json.loads(sent) == found


def test_any_fault_can_be_sent_as_json() -> None:
    """Half of a surrogate pair in the words of a fault is escaped, in the record and in the log."""
    found = session()
    found.mocks["telepath"](Request("GET", "/trunks"))
    recorded = replace(found.requests.entries()[0], fault='503 message="\ud800"')
    assert recorded.to_json()["fault"] == '503 message="\\ud800"'
    recorded.to_line().encode()
