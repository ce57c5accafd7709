"""Tests of `trunkline.mock`: rate limits, state, the cache of responses, and secrets in refusals."""

from __future__ import annotations

import json
import time
import tracemalloc
from dataclasses import replace
from random import Random
from threading import Thread
from unittest.mock import patch

import pytest

from tests.clock import Clock
from tests.requests import Client
from trunkline import mock
from trunkline.contract import refusals
from trunkline.contract.model import Contract, List
from trunkline.exchange import Json, Request, Response
from trunkline.mock import REFUSAL_HEADER, handlers, loader
from trunkline.mock import views as mock_views
from trunkline.mock.loader import Vendor
from trunkline.mock.mock import NOTICE_HEADER
from trunkline.mock.recording import override
from trunkline.mock.views import ServedOperation, Views
from trunkline.mock.world import Store
from trunkline.redaction import RecentSecrets
from trunkline.transport import asgi

PLACES = {"telepath": "/trunks", "talkover": "/sip-trunks/trunk-uuid-1"}


def list_request(vendor: Vendor, token: str | None = None, query: str = "") -> Request:
    """A request that a known token may send."""
    authorization = ("authorization", f"Bearer {token or vendor.world.token}")
    return Request("GET", PLACES[vendor.name], query, (authorization,))


def read_key(request: Request) -> tuple[bytes, bytes, bytes]:
    """The key of a GET request without a body."""
    return request.path.encode(), request.query.encode(), (request.header("authorization") or "").encode()


def as_a_server(target: mock.Mock, request: Request) -> Response:
    """The response as a server gets it: a GET request may be answered from the cache."""
    response, limits = target.read(read_key(request)) if request.method == "GET" else target.answer(request)
    headers = [(name.decode(), value.decode()) for name, value in limits]
    return Response(response.status, (*response.headers, *headers), response.body)


def limits(response: Response) -> tuple[int, int, int]:
    """The values of the three headers: limit, remaining, reset."""
    limit, remaining, reset = (response.header(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset"))
    assert limit is not None
    assert remaining is not None
    assert reset is not None
    return int(limit), int(remaining), int(reset)


def test_the_headers_count_down_and_start_again(vendor: Vendor) -> None:
    """Each response has one request less left, the first beyond the limit is 429, and the next window is full."""
    clock = Clock(1_700_000_000.75)
    target = mock.from_vendor(vendor, rate_limit=3, clock=clock)
    responses = [target(list_request(vendor)) for _ in range(5)]
    assert [response.status for response in responses] == [200, 200, 200, 429, 429]
    assert [limits(response) for response in responses] == [(3, left, 1_700_000_060) for left in (2, 1, 0, 0, 0)]
    clock.now = 1_700_000_059.999
    assert target(list_request(vendor)).status == 429
    clock.now = 1_700_000_060.0
    assert limits(target(list_request(vendor))) == (3, 2, 1_700_000_120)


def test_a_429_has_the_documented_body(vendor: Vendor) -> None:
    """It has the vendor's message and the header that explains it."""
    target = mock.from_vendor(vendor, rate_limit=1)
    response = [target(list_request(vendor)) for _ in range(2)][1]
    body = response.json()
    error = body.get("error", body)
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert error["message"] == vendor.world.message("rate_limited", error["code"])
    assert (response.header(mock.REFUSAL_HEADER) or "").startswith('rate_limited; sent="more than 1 requests"; ')


def test_each_credential_has_its_own_limit(vendor: Vendor) -> None:
    """One token does not use up another's limit; refused requests count too."""
    target = mock.from_vendor(vendor, rate_limit=2)
    first, second, *_ = vendor.world.tokens
    assert [target(list_request(vendor, first)).status for _ in range(3)] == [200, 200, 429]
    assert target(list_request(vendor, second)).status == 200
    answers = [target(list_request(vendor, "nobody")) for _ in range(2)]
    assert [limits(response)[1] for response in answers] == [1, 0]


def test_every_response_has_the_rate_limit_headers(vendor: Vendor) -> None:
    """Refusals have them too."""
    target = mock.from_vendor(vendor)
    for request in (
        list_request(vendor),
        list_request(vendor, "nobody"),
        list_request(vendor, query="limit=0&limit=1"),
        Request("GET", PLACES[vendor.name]),
        Request("POST", PLACES[vendor.name]),
        Request("GET", "/nowhere"),
    ):
        limit, remaining, reset = limits(target(request))
        assert limit == vendor.world.rate_limit
        assert 0 <= remaining < limit
        assert reset > 0


def test_the_window_of_the_rate_limit_can_be_set() -> None:
    """It ends when its header says, and a new one begins at any time outside of it, also before it."""
    vendor = loader.load("telepath")
    now = [1000.25]
    target = mock.from_vendor(vendor, rate_limit=1, rate_window=2, clock=lambda: now[0])
    request = Request("GET", "/trunks", "", (("authorization", f"Bearer {vendor.world.token}"),))
    found = []
    for moment in (1000.25, 1001.75, 1002.0, 1003.9, 1004.0, 500.0, 500.5):
        now[0] = moment
        response = target(request)
        found.append((response.status, response.header("x-ratelimit-reset")))
    assert found == [
        (200, "1002"), (429, "1002"), (200, "1004"), (429, "1004"), (200, "1006"), (200, "502"), (429, "502")
    ]  # fmt: skip


def test_the_clock_is_looked_up_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a library that replaces it also changes mocks that exist, and the modules that were imported before."""
    vendor = loader.load("talkover")
    fake = mock.from_vendor(vendor)
    made = []
    for moment in (1_580_702_706.0, 1_000_000_000.0):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        made.append(fake.records("trunks").add()["created_at"])
        item = Client(vendor, fake).item(Client(vendor, fake).create(f"user-{moment}"))
        made.append(item["created_at"])
    assert made[1::2] == ["2020-02-03T04:05:06Z", "2001-09-09T01:46:40Z"]
    assert fake(Request("GET", "/sip-trunks", "", (("authorization", f"Bearer {fake.vendor.world.token}"),))).header(
        "x-ratelimit-reset"
    ) == str(1_000_000_000 + 60)


def test_a_limit_of_zero_refuses_everything(vendor: Vendor) -> None:
    """A rate limit of 0 does not mean that there is none."""
    assert mock.from_vendor(vendor, rate_limit=0)(list_request(vendor)).status == 429


def test_a_reset_restores_the_first_state(vendor: Vendor) -> None:
    """Rate limit and answers are as in the beginning."""
    target = mock.from_vendor(vendor, rate_limit=1, clock=Clock())
    first = target(list_request(vendor))
    assert target(list_request(vendor)).status == 429
    target.reset()
    assert target(list_request(vendor)) == first


def test_a_cached_response_is_the_right_one(vendor: Vendor) -> None:
    """It is used for the same request only: not for another credential or query."""
    target = mock.from_vendor(vendor, clock=Clock())
    tokens = [*vendor.world.tokens, "nobody"]
    requests = [
        list_request(vendor, token, query) for token in tokens for query in ("", "limit=1", "limit=0", "offset=1")
    ]
    requests += [replace(request, method="POST") for request in requests]
    fresh = [mock.from_vendor(vendor, clock=Clock())(request) for request in requests]
    for _ in range(3):
        responses = [as_a_server(target, request) for request in requests]
        assert [(response.status, response.body) for response in responses] == [
            (response.status, response.body) for response in fresh
        ]


_SIMILAR = [
    ("_=1", "_=2"),
    ("limit=1&_=1&offset=1", "limit=1&_=2&offset=1"),
    ("_", "_=2"),
    ("=1", "="),
    ("=1&_=1", "&_=1"),
    ("a=1&b=1", "b=1&a=1"),
    ("%6Cimit=1&_=1", "%6Cimit=2&_=1"),
    ("+limit=1", "+limit=2"),
    ("limit=1&limit=1", "limit=1&limit=2"),
    ("limit=x&_=1", "limit=x&_=2"),
    ("_=1&limit=1", "_=limit&limit=2"),
    ("token=night-desk-7&night-desk-7=1", "token=north-desk-8&night-desk-7=1"),
]


@pytest.mark.parametrize(("first", "second"), _SIMILAR, ids=["&".join(both) for both in _SIMILAR])
def test_a_query_like_an_earlier_one_has_its_own_answer(vendor: Vendor, first: str, second: str) -> None:
    """The remembered answer to the first query is that to the second only where it is the right one."""
    requests = [list_request(vendor, query=query) for query in (first, second)]
    target, fresh = mock.from_vendor(vendor, clock=Clock()), mock.from_vendor(vendor, clock=Clock())
    for request in requests:
        assert target.read(read_key(request)) == fresh.answer(request)


def test_a_reset_while_a_request_is_parsed_leaves_no_old_answer_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that the reset takes away opens nothing afterwards."""
    target = mock.from_vendor(loader.load("telepath"))
    other = override(target.vendor, tokens=["sk_new"])
    mock.from_vendor(other)  # whose answers are encoded now, so that the reset takes no time
    resetting = Thread(target=target.reset, args=(other,))

    def parse_access(contract: Contract, request: Request, authorize: refusals.Authorize) -> object:
        found = refusals.parse_access(contract, request, authorize)
        resetting.start()
        resetting.join(0.05)  # it has to wait for the answer
        return found

    key = (b"/trunks", b"", f"Bearer {target.vendor.world.token}".encode())
    with monkeypatch.context() as patched:
        patched.setattr("trunkline.mock.mock.parse_access", parse_access)
        assert target.read(key)[0].status == 200
    resetting.join()
    assert target.read(key)[0].status == 401


def test_a_refusal_names_its_own_query(caplog: pytest.LogCaptureFixture) -> None:
    """The log shows the query of the request, not that of an earlier one which was refused for the same reason."""
    target = mock.from_vendor(loader.load("talkover"))
    with caplog.at_level("INFO"):
        for number in (1, 2):
            target.read((b"/sip-trunks/nobody", b"_=%d" % number, f"Bearer {target.vendor.world.token}".encode()))
    assert ["?_=1 refused" in line for line in caplog.messages] == [True, False]
    assert "?_=2 refused" in caplog.messages[1]


@pytest.mark.slow
def test_more_responses_than_the_cache_holds_are_right() -> None:
    """The cache has a maximum size, and dropping entries changes no response."""
    vendor = loader.load("telepath")
    target = mock.from_vendor(vendor)
    for number in range(3000):
        request = list_request(vendor, query=f"limit=1&offset=0&x={number}{'x' * 20_000}")
        assert as_a_server(target, request).json()["trunks"][0]["id"] == "conn_abc123xyz"
    assert 0 < sum(len(str(key)) for key in target._answers) <= 32 << 20


def test_requests_that_mean_the_same_share_a_response(vendor: Vendor) -> None:
    """A parameter that no page documents makes no new body, and a write makes one."""
    target = mock.from_vendor(vendor, clock=Clock())
    first, second = (target.read(read_key(list_request(vendor, query=query)))[0] for query in ("", "x=1"))
    assert first.body is second.body
    collection = next(iter(vendor.world.collections))
    target.put(collection, target.snapshot(collection)[0])
    assert target.read(read_key(list_request(vendor)))[0].body is not first.body


def test_a_snapshot_has_the_fixtures(vendor: Vendor) -> None:
    """A test can read the records of each account."""
    target = mock.from_vendor(vendor)
    mine = target.snapshot("trunks")
    assert mine == target.snapshot("trunks", vendor.world.account)
    accounts = {grant.account for grant in vendor.world.tokens.values()}
    records = [record for account in sorted(accounts) for record in target.snapshot("trunks", account)]
    assert len(records) == len(vendor.world.collections["trunks"].records)
    assert target.snapshot("trunks", "nobody") == ()
    assert target.snapshot("nothing") == ()


def test_two_mocks_of_one_vendor_share_nothing(vendor: Vendor) -> None:
    """Each counts its own requests."""
    first, second = (mock.from_vendor(vendor, rate_limit=1) for _ in range(2))
    assert first(list_request(vendor)).status == second(list_request(vendor)).status == 200


def test_pages_of_a_thousand_trunks_are_the_whole_list() -> None:
    """Whatever the page size, all pages together are the list in one order."""
    vendor = loader.load("telepath", trunks=1000, seed=7)
    target = mock.from_vendor(vendor)
    listed = []
    for offset in range(0, 1001, 77):
        body = target(list_request(vendor, query=f"limit=77&offset={offset}")).json()
        assert body["pagination"] == {"limit": 77, "offset": offset, "total": 1000}
        listed += [trunk["id"] for trunk in body["trunks"]]
    assert sorted(listed) == sorted(record["id"] for record in vendor.world.collections["trunks"].records)


def test_a_record_is_not_taken_for_a_template() -> None:
    """Braces and quotes in a record are shown as they are."""
    vendor = loader.load("telepath")
    (record, *_) = vendor.world.collections["trunks"].records
    odd = '{limit} "{items}" {total!r} %s \\ \u2028'
    changed = loader.with_records(vendor, "trunks", [{**record, "name": odd}])
    assert mock.from_vendor(changed)(list_request(vendor)).json()["trunks"][0]["name"] == odd


@pytest.mark.parametrize("value", ["{message}", "{", "}{0}", "{name.__class__}"])
def test_a_request_is_not_taken_for_a_template(value: str) -> None:
    """Braces in a request are shown as they are in the refusal."""
    vendor = loader.load("telepath")
    response = mock.from_vendor(vendor)(Request(value, "/trunks"))
    assert (
        response.json()["error"]["message"] == f"Method {value} is not allowed here. Allowed: GET, HEAD, OPTIONS, POST"
    )
    assert mock.from_vendor(vendor)(list_request(vendor, query=f"limit={value}")).status == 400


def test_a_refused_request_counts_for_its_credential() -> None:
    """Requests with unknown credentials do not count for it."""
    vendor = loader.load("telepath")
    target = mock.from_vendor(vendor, rate_limit=5)
    known = (("authorization", f"Bearer {vendor.world.token}"),)
    for query in ("limit=0", "limit=101", "status=x"):
        assert target(Request("GET", "/trunks", query, known)).status == 400
    target(Request("GET", "/trunks", "", (("authorization", "Bearer somebody"),)))
    assert target(Request("GET", "/trunks", "", known)).header("x-ratelimit-remaining") == "1"


# --- writes ---------------------------------------------------------------------------------------------------------


def test_a_write_beyond_the_rate_limit_changes_nothing(vendor: Vendor) -> None:
    """A request that is answered with 429 is not served."""
    target = mock.from_vendor(vendor, rate_limit=2, clock=Clock())
    client = Client(vendor, target)
    mine = client.created("user-1")
    assert client.change(mine, "changed").status == 200
    before = target.snapshot("trunks")
    assert [client.create("user-2").status, client.change(mine, "again").status] == [429, 429]
    assert target.snapshot("trunks") == before


def test_a_refused_write_changes_nothing(vendor: Vendor) -> None:
    """Whatever the reason, records and list stay the same."""
    target = mock.from_vendor(vendor)
    client = Client(vendor, target)
    mine = client.created("user-1")
    before, shown = target.snapshot("trunks"), client.listed()
    for method, path in (("POST", client.path), (client.trunks.update, f"{client.path}/{mine}")):
        bodies: list[Json] = [[], "x", 1, {"name": 5}, {"name": "x" * (1 << 20)}]
        for body in bodies:
            assert 400 <= client.ask(method, path, body).status < 500
        for raw in (b"", b"{", b"\xff", b'{"name": "x"} x', b"[" * 100_000, bytes(50 << 20)):
            headers = (("authorization", f"Bearer {vendor.world.token}"), ("content-type", "application/json"))
            assert 400 <= target(Request(method, path, "", headers, raw)).status < 500
            assert target(Request(method, path, "", headers[:1], b'{"name": "x"}')).status == 415
    assert target.snapshot("trunks") == before
    assert client.listed() == shown


def test_a_body_of_fifty_megabytes_is_refused(vendor: Vendor) -> None:
    """With the vendor's 413, at once and without copying it."""
    target = mock.from_vendor(vendor)
    client = Client(vendor, target)
    before = target.snapshot("trunks")
    headers = (("authorization", f"Bearer {vendor.world.token}"), ("content-type", "application/json"))
    request = Request("POST", client.path, "", headers, b'{"name": "' + b"x" * (50 << 20) + b'"}')
    tracemalloc.start()
    try:
        response = target(request)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert response.status == 413
    assert {"code", "message"} <= set(response.json().get("error", response.json()))
    assert target.snapshot("trunks") == before


def test_too_large_refuses_a_body_that_was_not_read(vendor: Vendor) -> None:
    """The refusal is the same as for a body that was read; None if the operation takes no body."""
    target = mock.from_vendor(vendor)
    path = Client(vendor, target).path
    known = (("authorization", f"Bearer {vendor.world.token}"),)
    before = target.snapshot("trunks")
    for headers, status in ((known, 413), ((), 401)):
        response = target.too_large(Request("POST", path, "", headers))
        assert response is not None
        assert response.status == status
        assert REFUSAL_HEADER in dict(response.headers)
    missing = target.too_large(Request("POST", "/nowhere", "", known))
    assert missing is not None
    assert missing.status == 404
    for operation in vendor.contract.operations:
        if operation.body is None:
            assert target.too_large(Request(operation.method, operation.path, "", known)) is None
    assert target.snapshot("trunks") == before


def test_responses_to_requests_with_a_body_are_not_cached(vendor: Vendor) -> None:
    """A request with an equal request line and another body or media type is another request."""
    target = mock.from_vendor(vendor)
    for shown in target._served.values():
        assert not (shown.cacheable and (shown.operation.body or shown.writes))
    client = Client(vendor, target)
    assert [client.create(name).status for name in ("user-1", "user-2", "-")] == [201] * 3
    assert target(Request("POST", client.path)).status == 401


def test_put_copies_the_record(vendor: Vendor) -> None:
    """Changing the record afterwards changes nothing in the mock."""
    target = mock.from_vendor(vendor)
    record = {**target.snapshot("trunks")[0], "id": "put"}
    target.put("trunks", record)
    record["name"] = "changed"
    assert next(record for record in target.snapshot("trunks") if record["id"] == "put")["name"] != "changed"
    target.remove("trunks", "put")
    with pytest.raises(LookupError):
        target.remove("trunks", "put")


def test_a_handler_that_fails_changes_nothing(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The changes of the handler are dropped, and the next write does not apply them."""
    target = mock.from_vendor(vendor)
    before = target.snapshot("trunks")

    def fail(call: handlers.Call) -> handlers.Result:
        call.put({**before[0], "id": "half"})
        raise ZeroDivisionError

    monkeypatch.setitem(handlers.HANDLERS, "create", fail)
    with pytest.raises(ZeroDivisionError):
        Client(vendor, target).create("user-1")
    assert target.snapshot("trunks") == before
    monkeypatch.undo()
    Client(vendor, target).created("user-1")
    assert len(target.snapshot("trunks")) == len(before) + 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "N", "ai_provider": "hunter2-Hunter2", "sip_username": "u", "sip_password": "hunter2-Hunter2"}',
        b'{"sip_password": "hunter2-Hunter2", "sip_password": "x"}',
        b'[{"sip_password": "hunter2-Hunter2"}]',
        b'{"sip_password": "hunter2-Hunter2", "name": ["hunter2-Hunter2"]',
    ],
)
def test_a_refusal_shows_no_secret_of_its_request(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Body, header and log do not repeat a password, even if it is also sent in another field."""
    vendor = loader.load("telepath")
    headers = (("authorization", f"Bearer {vendor.world.token}"), ("content-type", "application/json"))
    with caplog.at_level("INFO"):
        answer = mock.from_vendor(vendor)(Request("POST", "/trunks", "", headers, body))
    assert answer.status == 400
    assert "hunter2" not in str(answer.headers) + answer.body.decode() + caplog.text


@pytest.mark.parametrize(
    ("target", "authorization"),
    [
        ("/trunks?sip_password=hunter2-Hunter2&limit=0", None),
        ("/trunks?token=hunter2-Hunter2", None),
        ("/trunks?Api-Key=hunter2-Hunter2", None),
        ("/trunks/hunter2-Hunter2", "Bearer hunter2-Hunter2"),
        ("/trunks/hunter2-Hunter2", "Basic hunter2-Hunter2"),
        ("/trunks?limit=hunter2-Hunter2", "hunter2-Hunter2"),
        ("/trunks?passwd=hunter2-Hunter2&limit=0", None),
        ("/trunks?client_secret=HUNTER2-hunter2&limit=0", None),
        ("/trunks?limit=Bearer+hunter2-Hunter2", None),
        ("/trunks?limit=https://me:hunter2-Hunter2@host", None),
        ("/trunks/HUNTER2-HUNTER2/68756e746572322d48756e74657232", "Bearer hunter2-Hunter2"),
    ],
)
def test_a_misplaced_secret_is_not_shown(
    target: str, authorization: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """This covers secret names in the query and unknown credentials."""
    path, _, query = target.partition("?")
    headers = (("authorization", authorization),) if authorization else ()
    with caplog.at_level("INFO"):
        answer = mock.from_vendor(loader.load("telepath"))(Request("GET", path, query, headers))
    assert answer.status >= 400
    assert "GET /v1/trunks" in caplog.text  # the whole path
    assert "refused: " in caplog.text
    shown = (str(answer.headers) + answer.body.decode() + caplog.text).lower()
    assert "hunter2" not in shown
    assert b"hunter2".hex() not in shown


@pytest.mark.parametrize(
    "header",
    [
        ("cookie", "session=hunter2-Hunter2; theme=x"),
        ("x-api-key", "hunter2-Hunter2"),
        ("x-auth-token", "hunter2-Hunter2"),
        ("proxy-authorization", "hunter2-Hunter2"),
        ("authorization", "Basic aHVudGVyMi1IdW50ZXIyOng"),
        ("authorization", "Basic eDpodW50ZXIyLUh1bnRlcjI"),
    ],
)
@pytest.mark.parametrize("served", [False, True], ids=["called", "served"])
def test_a_credential_of_a_header_is_not_shown_elsewhere(
    header: tuple[str, str], served: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A cookie, a key or a user name that a client repeats elsewhere is not shown."""
    with caplog.at_level("INFO"):
        fake = mock.from_vendor(loader.load("telepath"))
        target = asgi.wrap(asgi.application(fake)) if served else fake
        answers = [
            target(Request("GET", path, query, (header,)))
            for path, query in (("/trunks", "limit=hunter2-hunter2"), ("/hunter2-Hunter2", ""))
        ]
    assert "hunter2" not in (str([(answer.headers, answer.body) for answer in answers]) + caplog.text).lower()


def test_a_secret_of_another_vendor_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """A secret field of one vendor that is sent to another is not quoted, nor a secret that another mock stored."""
    recent = RecentSecrets()
    telepath = mock.from_vendor(loader.load("telepath"), recent=recent)
    talkover = mock.from_vendor(loader.load("talkover"), recent=recent)
    Client(telepath.vendor, telepath).created("user-1", sip_password="an-accepted-password")
    body = b'{"password": "hunter2-Hunter2", "name": ["hunter2-Hunter2"]}'
    with caplog.at_level("INFO"):
        for target in (telepath, talkover):
            target(Request("POST", "/hunter2-Hunter2", "", (), body))
            target(Request("GET", "/an-accepted-password", "", (), b""))
    assert caplog.text.count("refused: ") == 4
    assert "hunter2" not in caplog.text
    assert "accepted" not in caplog.text


def test_the_secrets_of_a_request_are_looked_for_once() -> None:
    """Also if it is refused and has names that no page documents: a long one takes a while."""
    fake = mock.from_vendor(loader.load("telepath"))
    fields = (("authorization", f"Bearer {fake.vendor.world.token}"), ("content-type", "application/json"))
    with patch.object(fake, "shown_for", wraps=fake.shown_for) as shown_for:
        answer = fake(Request("POST", "/trunks", "x=1", fields, b'{"y": 1, "password": "hunter2-hunter2"}'))
    assert {REFUSAL_HEADER, NOTICE_HEADER} <= {name for name, _ in answer.headers}
    assert shown_for.call_count == 1


# --- memory ---------------------------------------------------------------------------------------------------------


def memory(target: mock.Mock, *requests: Request) -> tuple[int, int]:
    """The memory that requests leave behind, and the most that they take, in bytes."""
    target(requests[0])
    tracemalloc.start()
    try:
        for request in requests:
            target(request)
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def test_a_refused_request_leaves_nothing_behind() -> None:
    """Random secrets of a megabyte, or very many of them, take a few times their size, and only for a moment."""
    target = mock.from_vendor(loader.load("telepath"))
    secrets = [Random(number).randbytes(200_000).hex() for number in range(2)]  # noqa: S311 - test data
    bodies = [json.dumps({"password": secret}).encode() for secret in secrets]
    bodies.append(json.dumps([{"password": f"secret-{number}"} for number in range(5_000)]).encode())
    bodies.append(json.dumps({"k" * 400_000: [0] * 20_000}).encode())
    bodies.append(b'{"%s": {%s}}' % (b"k" * 400_000, b",".join(b'"%d":1,"%d":1' % (n, n) for n in range(5_000))))
    for path in ("/nothing", "/trunks"):
        kept, most = memory(target, *(Request("POST", path, "", (), body) for body in bodies))
        assert kept < 1 << 20
        assert most < 64 << 20


def test_a_long_credential_leaves_nothing_behind() -> None:
    """Unknown credentials of 60 KB each are forgotten."""
    target = mock.from_vendor(loader.load("telepath"))
    tokens = [Random(number).randbytes(30_000).hex() for number in range(5)]  # noqa: S311 - test data
    requests = [Request("GET", "/trunks", "", (("authorization", f"Bearer {token}"),)) for token in tokens]
    kept, most = memory(target, *requests)
    assert kept < 1 << 20
    assert most < 8 << 20


def test_an_accepted_secret_is_remembered_within_a_bound() -> None:
    """Secrets that a client may store are kept out of later refusals, in a bounded memory."""
    vendor = loader.load("telepath")
    target = mock.from_vendor(vendor)
    identity = next(iter(target.snapshot("trunks")))["id"]
    headers = (("authorization", f"Bearer {vendor.world.token}"), ("content-type", "application/json"))
    changes = [
        Request("PATCH", f"/trunks/{identity}", "", headers, json.dumps({"sip_password": "p" * size}).encode())
        for size in range(2, 100_000, 5000)
    ]
    assert target(changes[0]).status == 200
    kept, most = memory(target, *changes, Request("GET", "/nothing"))
    assert kept < 8 << 20
    assert most < 16 << 20


def test_lists_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of different filters takes a bounded memory."""
    monkeypatch.setattr(mock_views, "_MAX_LISTED", 100_000)
    vendor = loader.load("telepath", trunks=1000)
    (operation,) = vendor.contract.of_kind(List, "trunks")
    served, views = ServedOperation(operation, vendor.world), Views(Store(vendor.world))
    assert len(views.items(served, vendor.world.account)) == 1000
    tracemalloc.start()
    try:
        for number in range(100):
            assert len(views.items(served, vendor.world.account, ((f"absent{number}", "equal", None),))) == 1000
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 200_000


@pytest.mark.parametrize("name", ["telepath", "talkover"])
def test_mocks_of_a_vendor_share_what_they_prepare(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of the fixtures are encoded once; what one mock writes, another does not show."""
    vendor = loader.load(name)
    one = mock.from_vendor(vendor)
    monkeypatch.setattr(mock_views, "encode", lambda _: pytest.fail("a record of the fixtures was encoded again"))
    other = mock.from_vendor(vendor)
    one.reset()
    monkeypatch.undo()
    before = Client(vendor, other).listed()
    assert Client(vendor, one).listed() == before
    identity = one.snapshot("trunks")[0]["id"]
    changed = one.records("trunks").change(identity, name="Day Desk")
    assert Client(vendor, one).listed()[identity]["name"] == changed["name"] == "Day Desk"
    assert Client(vendor, other).listed() == before
    empty = mock.from_vendor(override(vendor, trunks=[]))
    assert Client(vendor, empty).listed() == {}


@pytest.mark.parametrize(("name", "other"), [("telepath", "talkover"), ("talkover", "telepath")])
def test_a_token_of_another_vendor_is_refused_as_such(name: str, other: str) -> None:
    """The explanation names the vendor that has it; a token that nobody has opens no account."""
    vendor, tokens = loader.load(name), loader.load(other).world.tokens
    target = mock.from_vendor(vendor)
    path = vendor.contract.of_kind(List)[0].path
    mixed_up = next(token for token in tokens if token not in vendor.world.tokens)
    for token, reason in ((mixed_up, f"a token of {other}"), ("nobodys", "a credential that opens no account")):
        response = target(Request("GET", path, headers=(("authorization", f"Bearer {token}"),)))
        assert response.status == 401
        assert f'credentials_unknown; sent="{reason}"' in (response.header("x-trunkline-refusal") or "")
        assert mixed_up not in str(response.headers)
