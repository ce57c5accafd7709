"""What `trunkline.mock` promises beyond its contract: rate limits, a fresh state, and speed that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from trunkline import folders, library, mock
from trunkline.exchange import Request, Response
from trunkline.library import Vendor

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
    return library.load(request.param)


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
    assert told["message"] == vendor.world.words["rate_limited"]
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
    vendor = library.load("telepath")
    target = mock.from_vendor(vendor)
    for number in range(5000):
        body = target(question(vendor, query=f"limit=1&offset=0&x={number}")).json()
        assert body["trunks"][0]["id"] == "conn_abc123xyz"
    assert len(target._memo) <= 4096


def test_the_records_are_the_fixtures(vendor: Vendor) -> None:
    """A test can ask the mock what is true, account by account."""
    target = mock.from_vendor(vendor)
    mine = target.records("trunks")
    assert mine == target.records("trunks", vendor.world.account)
    accounts = {grant.account for grant in vendor.world.tokens.values()}
    every = [record for account in sorted(accounts) for record in target.records("trunks", account)]
    assert len(every) == len(vendor.world.collections["trunks"].records)
    assert target.records("trunks", "nobody") == ()
    assert target.records("nothing") == ()


def test_two_mocks_of_one_vendor_share_nothing(vendor: Vendor) -> None:
    """What one mock counts is not counted by another."""
    first, second = (mock.from_vendor(vendor, rate_limit=1) for _ in range(2))
    assert first(question(vendor)).status == second(question(vendor)).status == 200


def test_a_list_of_a_thousand_is_paged_whole() -> None:
    """The pages of a large generated world are its list, in one order, whatever their size."""
    vendor = library.load("telepath", trunks=1000, seed=7)
    target = mock.from_vendor(vendor)
    listed = []
    for offset in range(0, 1001, 77):
        body = target(question(vendor, query=f"limit=77&offset={offset}")).json()
        assert body["pagination"] == {"limit": 77, "offset": offset, "total": 1000}
        listed += [trunk["id"] for trunk in body["trunks"]]
    assert sorted(listed) == sorted(record["id"] for record in vendor.world.collections["trunks"].records)


def test_an_answer_with_its_own_braces_is_not_filled_again() -> None:
    """What a record holds is data: words in braces and quotes come back as they are."""
    vendor = library.load("telepath")
    (record, *_) = vendor.world.collections["trunks"].records
    odd = '{limit} "{items}" {total!r} %s \\ \u2028'
    changed = library.with_records(vendor, "trunks", [{**record, "name": odd}])
    assert mock.from_vendor(changed)(question(vendor)).json()["trunks"][0]["name"] == odd


@pytest.mark.parametrize("value", ["{message}", "{", "}{0}", "{name.__class__}"])
def test_a_refusal_with_braces_in_the_request_is_not_filled_again(value: str) -> None:
    """What a client sends is never taken for a template."""
    vendor = library.load("telepath")
    response = mock.from_vendor(vendor)(Request(value, "/trunks"))
    assert response.json()["error"]["message"] == f"Method {value} is not allowed here. Allowed: GET"
    assert mock.from_vendor(vendor)(question(vendor, query=f"limit={value}")).status == 400


def test_a_refused_request_counts_for_its_credential() -> None:
    """What a known credential asks is counted for it, also when a parameter is refused; what others ask is not."""
    vendor = library.load("telepath")
    target = mock.from_vendor(vendor, rate_limit=5)
    known = (("authorization", f"Bearer {vendor.world.token}"),)
    for query in ("limit=0", "limit=101", "status=x"):
        assert target(Request("GET", "/trunks", query, known)).status == 400
    target(Request("GET", "/trunks", "", (("authorization", "Bearer somebody"),)))
    assert target(Request("GET", "/trunks", "", known)).header("x-ratelimit-remaining") == "1"
