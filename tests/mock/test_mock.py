"""What `trunkline.mock` promises beyond its contract: rate limits, its state, and speed that changes nothing."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace

import pytest

from tests.requests import Client
from trunkline import mock
from trunkline.contract import folders
from trunkline.exchange import Json, Request, Response
from trunkline.mock import REFUSAL_HEADER, handlers, loader
from trunkline.mock.loader import Vendor

VENDORS = folders.names()
PLACES = {"telepath": "/trunks", "talkover": "/sip-trunks/trunk-uuid-1"}


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 1_700_000_000.75

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return loader.load(request.param)


def question(vendor: Vendor, token: str | None = None, query: str = "") -> Request:
    authorization = ("authorization", f"Bearer {token or vendor.world.token}")
    return Request("GET", PLACES[vendor.name], query, (authorization,))


def limits(response: Response) -> tuple[int, int, int]:
    """What the three headers say: limit, remaining, reset."""
    limit, remaining, reset = (response.header(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset"))
    assert limit is not None
    assert remaining is not None
    assert reset is not None
    return int(limit), int(remaining), int(reset)


def test_the_headers_count_down_to_a_refusal_and_start_anew(vendor: Vendor) -> None:
    """Each answer tells one request less, the first beyond the limit is 429, and the next window begins full."""
    clock = Clock()
    target = mock.from_vendor(vendor, rate_limit=3, clock=clock)
    said = [target(question(vendor)) for _ in range(5)]
    assert [response.status for response in said] == [200, 200, 200, 429, 429]
    assert [limits(response) for response in said] == [(3, left, 1_700_000_060) for left in (2, 1, 0, 0, 0)]
    clock.now = 1_700_000_059.999
    assert target(question(vendor)).status == 429
    clock.now = 1_700_000_060.0
    assert limits(target(question(vendor))) == (3, 2, 1_700_000_120)


def test_a_refusal_for_too_many_requests_is_in_the_vendors_envelope(vendor: Vendor) -> None:
    """The 429 has the documented form, the vendor's words, and explains itself."""
    target = mock.from_vendor(vendor, rate_limit=1)
    response = [target(question(vendor)) for _ in range(2)][1]
    body = response.json()
    told = body.get("error", body)
    assert told["code"] == "RATE_LIMIT_EXCEEDED"
    assert told["message"] == vendor.world.message("rate_limited", told["code"])
    assert (response.header(mock.REFUSAL_HEADER) or "").startswith('rate_limited; sent="more than 1 requests"; ')


def test_each_credential_has_its_own_limit(vendor: Vendor) -> None:
    """What one token uses up is not taken from another, and a refused request counts too."""
    target = mock.from_vendor(vendor, rate_limit=2)
    first, second, *_ = vendor.world.tokens
    assert [target(question(vendor, first)).status for _ in range(3)] == [200, 200, 429]
    assert target(question(vendor, second)).status == 200
    answers = [target(question(vendor, "nobody")) for _ in range(2)]
    assert [limits(response)[1] for response in answers] == [1, 0]


def test_every_answer_carries_the_headers(vendor: Vendor) -> None:
    """Refusals of every kind tell the rate limit as successes do."""
    target = mock.from_vendor(vendor)
    for request in (
        question(vendor),
        question(vendor, "nobody"),
        question(vendor, query="limit=0&limit=1"),
        Request("GET", PLACES[vendor.name]),
        Request("POST", PLACES[vendor.name]),
        Request("GET", "/nowhere"),
    ):
        limit, remaining, reset = limits(target(request))
        assert limit == vendor.world.rate_limit
        assert 0 <= remaining < limit
        assert reset > 0


def test_a_limit_of_nothing_refuses_everything(vendor: Vendor) -> None:
    """A rate limit of 0 is a limit, not the absence of one."""
    assert mock.from_vendor(vendor, rate_limit=0)(question(vendor)).status == 429


def test_a_reset_brings_back_the_fresh_state(vendor: Vendor) -> None:
    """After a reset the mock counts from the beginning and answers as at first."""
    target = mock.from_vendor(vendor, rate_limit=1, clock=Clock())
    first = target(question(vendor))
    assert target(question(vendor)).status == 429
    target.reset()
    assert target(question(vendor)) == first


def test_what_is_remembered_is_what_would_be_answered(vendor: Vendor) -> None:
    """An answer that was given before is the same for the same request, and for no other credential or query."""
    target = mock.from_vendor(vendor, clock=Clock())
    tokens = [*vendor.world.tokens, "nobody"]
    requests = [question(vendor, token, query) for token in tokens for query in ("", "limit=1", "limit=0", "offset=1")]
    requests += [replace(request, method="POST") for request in requests]
    fresh = [mock.from_vendor(vendor, clock=Clock())(request) for request in requests]
    for _ in range(2):
        said = [target(request) for request in requests]
        assert [(response.status, response.body) for response in said] == [
            (response.status, response.body) for response in fresh
        ]


def test_more_answers_than_are_remembered_are_right() -> None:
    """The memory of answers is bounded, and forgetting changes no answer."""
    vendor = loader.load("telepath")
    target = mock.from_vendor(vendor)
    for number in range(5000):
        body = target(question(vendor, query=f"limit=1&offset=0&x={number}")).json()
        assert body["trunks"][0]["id"] == "conn_abc123xyz"
    assert len(target._memo) <= 4096


def test_the_records_are_the_fixtures(vendor: Vendor) -> None:
    """A test can ask the mock what is true, account by account."""
    target = mock.from_vendor(vendor)
    mine = target.snapshot("trunks")
    assert mine == target.snapshot("trunks", vendor.world.account)
    accounts = {grant.account for grant in vendor.world.tokens.values()}
    every = [record for account in sorted(accounts) for record in target.snapshot("trunks", account)]
    assert len(every) == len(vendor.world.collections["trunks"].records)
    assert target.snapshot("trunks", "nobody") == ()
    assert target.snapshot("nothing") == ()


def test_two_mocks_of_one_vendor_share_nothing(vendor: Vendor) -> None:
    """What one mock counts is not counted by another."""
    first, second = (mock.from_vendor(vendor, rate_limit=1) for _ in range(2))
    assert first(question(vendor)).status == second(question(vendor)).status == 200


def test_a_list_of_a_thousand_is_paged_whole() -> None:
    """The pages of a large generated world are its list, in one order, whatever their size."""
    vendor = loader.load("telepath", trunks=1000, seed=7)
    target = mock.from_vendor(vendor)
    listed = []
    for offset in range(0, 1001, 77):
        body = target(question(vendor, query=f"limit=77&offset={offset}")).json()
        assert body["pagination"] == {"limit": 77, "offset": offset, "total": 1000}
        listed += [trunk["id"] for trunk in body["trunks"]]
    assert sorted(listed) == sorted(record["id"] for record in vendor.world.collections["trunks"].records)


def test_an_answer_with_its_own_braces_is_not_filled_again() -> None:
    """What a record holds is data: words in braces and quotes come back as they are."""
    vendor = loader.load("telepath")
    (record, *_) = vendor.world.collections["trunks"].records
    odd = '{limit} "{items}" {total!r} %s \\ \u2028'
    changed = loader.with_records(vendor, "trunks", [{**record, "name": odd}])
    assert mock.from_vendor(changed)(question(vendor)).json()["trunks"][0]["name"] == odd


@pytest.mark.parametrize("value", ["{message}", "{", "}{0}", "{name.__class__}"])
def test_a_refusal_with_braces_in_the_request_is_not_filled_again(value: str) -> None:
    """What a client sends is never taken for a template."""
    vendor = loader.load("telepath")
    response = mock.from_vendor(vendor)(Request(value, "/trunks"))
    assert response.json()["error"]["message"] == f"Method {value} is not allowed here. Allowed: GET, POST"
    assert mock.from_vendor(vendor)(question(vendor, query=f"limit={value}")).status == 400


def test_a_refused_request_counts_for_its_credential() -> None:
    """What a known credential asks is counted for it, also when a parameter is refused; what others ask is not."""
    vendor = loader.load("telepath")
    target = mock.from_vendor(vendor, rate_limit=5)
    known = (("authorization", f"Bearer {vendor.world.token}"),)
    for query in ("limit=0", "limit=101", "status=x"):
        assert target(Request("GET", "/trunks", query, known)).status == 400
    target(Request("GET", "/trunks", "", (("authorization", "Bearer somebody"),)))
    assert target(Request("GET", "/trunks", "", known)).header("x-ratelimit-remaining") == "1"


# --- writes ---------------------------------------------------------------------------------------------------------


def test_a_write_beyond_the_rate_limit_is_not_made(vendor: Vendor) -> None:
    """What is answered 429 has changed nothing."""
    target = mock.from_vendor(vendor, rate_limit=2, clock=Clock())
    client = Client(vendor, target)
    mine = client.created("user-1")
    assert client.change(mine, "changed").status == 200
    before = target.snapshot("trunks")
    assert [client.create("user-2").status, client.change(mine, "again").status] == [429, 429]
    assert target.snapshot("trunks") == before


def test_a_refused_write_changes_nothing(vendor: Vendor) -> None:
    """Whatever the reason, the records are what they were, and the list is too."""
    target = mock.from_vendor(vendor)
    client = Client(vendor, target)
    mine = client.created("user-1")
    before, shown = target.snapshot("trunks"), client.listed()
    for method, path in (("POST", client.path), (client.trunks.update, f"{client.path}/{mine}")):
        bodies: list[Json] = [[], "x", 1, {"name": 5}, {"name": "x" * (1 << 20)}]
        for body in bodies:
            assert 400 <= client.ask(method, path, body).status < 500
        for raw in (b"", b"{", b"\xff", b'{"name": "x"} x', b"[" * 100_000, bytes(50 << 20)):
            fields = (("authorization", f"Bearer {vendor.world.token}"), ("content-type", "application/json"))
            assert 400 <= target(Request(method, path, "", fields, raw)).status < 500
            assert target(Request(method, path, "", fields[:1], b'{"name": "x"}')).status == 415
    assert target.snapshot("trunks") == before
    assert client.listed() == shown


def test_a_body_of_fifty_megabytes_is_refused(vendor: Vendor) -> None:
    """413 in the vendor's shape, at once, and no part of it is kept."""
    target = mock.from_vendor(vendor)
    client = Client(vendor, target)
    before = target.snapshot("trunks")
    fields = (("authorization", f"Bearer {vendor.world.token}"), ("content-type", "application/json"))
    request = Request("POST", client.path, "", fields, b'{"name": "' + b"x" * (50 << 20) + b'"}')
    tracemalloc.start()
    try:
        response = target(request)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert response.status == 413
    assert {"code", "message"} <= set(response.json().get("error", response.json()))
    assert target.snapshot("trunks") == before


def test_what_is_too_large_to_be_read_is_refused_unread(vendor: Vendor) -> None:
    """A server that has not read a body hears the same refusal, or that the mock has none; neither runs anything."""
    target = mock.from_vendor(vendor)
    path = Client(vendor, target).path
    known = (("authorization", f"Bearer {vendor.world.token}"),)
    before = target.snapshot("trunks")
    for fields, status in ((known, 413), ((), 401)):
        response = target.too_large(Request("POST", path, "", fields))
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


def test_an_answer_to_a_body_is_not_kept_for_another(vendor: Vendor) -> None:
    """The same request with another body or media type is another question, whatever the operation does."""
    target = mock.from_vendor(vendor)
    for shown in target._shown.values():
        assert not (shown.cacheable and (shown.operation.body or shown.writes))
    client = Client(vendor, target)
    assert [client.create(name).status for name in ("user-1", "user-2", "-")] == [201] * 3
    assert target(Request("POST", client.path)).status == 401


def test_what_a_test_puts_is_its_own(vendor: Vendor) -> None:
    """A record that is changed after it was put changes nothing."""
    target = mock.from_vendor(vendor)
    record = {**target.snapshot("trunks")[0], "id": "put"}
    target.put("trunks", record)
    record["name"] = "changed"
    assert next(one for one in target.snapshot("trunks") if one["id"] == "put")["name"] != "changed"
    target.remove("trunks", "put")
    with pytest.raises(LookupError):
        target.remove("trunks", "put")


def test_a_verb_that_fails_leaves_nothing_behind(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put before an error is not there afterwards, nor does the next write bring it."""
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
def test_a_refusal_tells_no_secret_of_its_own_request(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Neither its body nor its header nor the log repeats a password that stands in another field, too."""
    vendor = loader.load("telepath")
    fields = (("authorization", f"Bearer {vendor.world.token}"), ("content-type", "application/json"))
    with caplog.at_level("INFO"):
        answer = mock.from_vendor(vendor)(Request("POST", "/trunks", "", fields, body))
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
    ],
)
def test_a_secret_where_none_belongs_is_not_told(
    target: str, authorization: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what stands in the query under the name of one nor a credential that opens nothing."""
    path, _, query = target.partition("?")
    fields = (("authorization", authorization),) if authorization else ()
    with caplog.at_level("INFO"):
        answer = mock.from_vendor(loader.load("telepath"))(Request("GET", path, query, fields))
    assert answer.status >= 400
    assert "refused: " in caplog.text
    assert "hunter2" not in str(answer.headers) + answer.body.decode() + caplog.text
