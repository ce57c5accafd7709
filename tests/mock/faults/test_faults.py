"""Faults of a session, in process: which requests they match, how often, and what they do to the answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from msgspec import structs

from tests.clock import Clock
from tests.requests import TRUNKS, Client, bearer, body_of, ids_of, request_of
from trunkline.contract import folders
from trunkline.contract.model import Create, List, Update
from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Headers, Json, Request, Response
from trunkline.mock import from_vendor, loader
from trunkline.mock.faults import FaultyResponse, parse_fault, parse_line
from trunkline.mock.session import MockSession, ServedMock
from trunkline.mock.world import Grant

VENDORS = {name: loader.load(name) for name in folders.names()}
TELEPATH = VENDORS["telepath"]
LIST = Request("GET", "/trunks", "", bearer(TELEPATH.world.token))
NOW = 1_700_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def session(clock: Clock) -> MockSession:
    """A mock of each vendor, with a clock that stands still."""
    return MockSession(VENDORS.values(), lambda vendor: from_vendor(vendor, clock=clock))


@pytest.fixture
def telepath(session: MockSession) -> ServedMock:
    return session.mocks["telepath"]


@pytest.fixture
def statuses(session: MockSession, telepath: ServedMock) -> Callable[..., list[int]]:
    """A function that sets a fault, sends a number of requests, and gives their statuses."""

    def ask(line: str, times: int, request: Request = LIST) -> list[int]:
        session.faults.add(parse_line(line))
        return [telepath(request).status for _ in range(times)]

    return ask


def asking(fault: str, request: Request = LIST, header: str = "x-trunkline-fault") -> Request:
    """A request that asks for a fault itself."""
    return Request(request.method, request.path, request.query, (*request.headers, (header, fault)), request.body)


# --- matching and counting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("listTrunks: 503", [503, 503, 503, 503, 503]),
        ("listTrunks: 503 x2", [503, 503, 200, 200, 200]),
        ("listTrunks: 503 x2, then 500 x1", [503, 503, 500, 200, 200]),
        ("listTrunks: 503 x1, then 500", [503, 500, 500, 500, 500]),
        ("listTrunks: 503 calls=2-3", [200, 503, 503, 200, 200]),
        ("listTrunks: 503 calls=3", [200, 200, 503, 200, 200]),
        ("listTrunks: 503 calls=4-", [200, 200, 200, 503, 503]),
        ("listTrunks: 503 calls=2, then 500 calls=2", [200, 503, 200, 500, 200]),
        ("listTrunks: delay=1 x1, then 503 x1", [200, 503, 200, 200, 200]),
        ("list: 503", [503] * 5),
        ("read: 503", [503] * 5),
        ("*: 503", [503] * 5),
        ("* vendor=telepath account=main limit=7: 503", [503] * 5),
        ("write: 503", [200] * 5),
        ("*  vendor=talkover: 503", [200] * 5),
        ("listCalls: 503", [200] * 5),
        ("* account=another: 503", [200] * 5),
        ("listTrunks limit=8: 503", [200] * 5),
        ("listTrunks limit=7 offset=0: 503", [200] * 5),
    ],
)
def test_a_fault_changes_the_calls_that_it_matches(
    statuses: Callable[..., list[int]], line: str, expected: list[int]
) -> None:
    """It matches by vendor, operation, kind, account and parameters, and counts the calls that it matches."""
    assert statuses(line, 5, Request("GET", "/trunks", "limit=7&status=active", LIST.headers)) == expected


def test_a_parameter_of_the_path_is_matched(session: MockSession) -> None:
    """Its value is compared decoded."""
    vendor, mock = VENDORS["talkover"], session.mocks["talkover"]
    operation = vendor.contract.operation("getSipTrunk")
    request = request_of(vendor, operation)
    identity = ids_of(vendor, operation)["trunk_id"]
    session.faults.add(parse_line(f"getSipTrunk trunk_id={identity}: 503 x1"))
    assert [mock(request).status for _ in range(2)] == [503, 200]
    session.faults.add(parse_line("getSipTrunk trunk_id=other: 503"))
    assert mock(request).status == 200


def test_requests_that_no_operation_gets_are_matched_by_any(
    statuses: Callable[..., list[int]], telepath: ServedMock
) -> None:
    """An unknown path fails as all else does; HEAD counts as GET, and has no body."""
    assert statuses("*: 503", 1, Request("GET", "/nowhere")) == [503]
    head = telepath(Request("HEAD", "/trunks", "", LIST.headers))
    assert (head.status, head.body, head.header("content-length")) == (503, b"", "72")


def test_a_429_has_a_window(session: MockSession, telepath: ServedMock, clock: Clock) -> None:
    """From its first use on, it refuses until Retry-After has passed, and says that the limit is spent until then."""
    session.faults.add(parse_line("listTrunks: 429 retry-after=10"))
    clock.now = NOW + 100
    for passed, left in ((0, "10"), (3.5, "7"), (9.5, "1")):
        clock.now = NOW + 100 + passed
        response = telepath(LIST)
        assert (response.status, response.header("retry-after")) == (429, left)
        assert response.header("x-ratelimit-remaining") == "0"
        assert response.header("x-ratelimit-reset") == str(int(clock.now) + int(left))
        assert response.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert not session.faults.entries()[0].is_over
    clock.now = NOW + 110
    assert telepath(LIST).status == 200
    assert session.faults.entries()[0].is_over
    clock.now = NOW + 101
    assert telepath(LIST).status == 200


def test_a_window_ends_when_the_clock_is_turned_back(session: MockSession, telepath: ServedMock, clock: Clock) -> None:
    """A test that freezes an earlier time is not refused for ever."""
    session.faults.add(parse_line("listTrunks: 503 window=5"))
    assert telepath(LIST).status == 503
    clock.now = NOW - 3600
    assert telepath(LIST).status == 200


def test_times_bound_a_429_without_a_window(statuses: Callable[..., list[int]]) -> None:
    """With a number of times, Retry-After is a header and nothing else."""
    assert statuses("listTrunks: 429 retry-after=10 x2", 3) == [429, 429, 200]


def test_chance_repeats_with_its_seed(session: MockSession, telepath: ServedMock) -> None:
    """About the given share of calls fails, the same ones for the same seed, and others for another."""

    def failing(seed: int) -> list[int]:
        session.faults.clear()
        session.faults.add(parse_line(f"listTrunks: 503 chance=0.3 seed={seed}"))
        return [number for number in range(200) if telepath(LIST).status == 503]

    assert 30 < len(failing(1)) < 90
    assert failing(1) == failing(1) != failing(2)


@pytest.mark.parametrize("words", ["503 chance=0.5", "drop"])
def test_requests_that_ask_for_a_fault_have_different_chances(clock: Clock, words: str) -> None:
    """Their chances and changes vary, unless they give a seed; a new session repeats them."""

    def bodies(seed: str) -> list[bytes]:
        telepath = MockSession([TELEPATH], lambda vendor: from_vendor(vendor, clock=clock)).mocks["telepath"]
        return [telepath(asking(words + seed)).body for _ in range(40)]

    assert bodies("") == bodies("")
    assert len({*bodies("")}) > 1
    assert len({*bodies(" seed=7")}) == 1


@pytest.mark.parametrize("words", ["drop=/nope", "null=/trunks/99/id", "retype=/trunks/0/nope"])
def test_a_field_that_the_body_lacks_changes_nothing(session: MockSession, telepath: ServedMock, words: str) -> None:
    """Such a call is not counted, and its answer does not name the fault; a later one of another kind is."""
    session.faults.add(parse_line(f"listTrunks: {words} x1"), parse_line("*: delay=1"))
    response = telepath(LIST)
    assert (response.header("x-trunkline-fault"), response.json()["trunks"] != []) == ("delay=1", True)
    assert [(found.used, found.is_over) for found in session.faults.entries()] == [(0, False), (1, False)]
    assert telepath(asking(words)).header("x-trunkline-fault") == "delay=1"
    assert "retry-after=5" in (telepath(asking(f"{words} retry-after=5")).header("x-trunkline-fault") or "")


def test_a_429_without_retry_after_says_that_the_limit_is_spent(session: MockSession, telepath: ServedMock) -> None:
    """Its Retry-After is the end of the window, as that of a real one."""
    response = telepath(asking("429"))
    assert response.header("x-ratelimit-remaining") == "0"
    assert response.header("x-ratelimit-reset") == str(int(NOW) + int(response.header("retry-after") or 0))


def test_delays_add_up_and_the_first_other_fault_decides(session: MockSession, telepath: ServedMock) -> None:
    """A fault that only delays leaves the answer to the next one; a later one is neither used nor counted."""
    for line in ("*: delay=1", "list: 503 x1", "list: delay=0.5 drip=2", "list: 500"):
        session.faults.add(parse_line(line))
    first, second = telepath(LIST), telepath(LIST)
    assert isinstance(first, FaultyResponse)
    assert isinstance(second, FaultyResponse)
    assert (first.status, first.delivery.delay, first.delivery.drip) == (503, 1.5, 2)
    assert (second.status, second.delivery.delay) == (500, 1.5)
    assert [fault.used for fault in session.faults.entries()] == [2, 1, 2, 1]
    assert session.requests.entries()[0].fault == "delay=1; 503 x1; delay=0.5 drip=2"


def test_faults_are_listed_and_removed(session: MockSession, telepath: ServedMock) -> None:
    """Each has a number that is not used again, and `any` is true while one is set."""
    faults = session.faults
    assert not faults.any
    first, second = faults.add(parse_line("listTrunks: 503"), parse_line("createTrunk: lose-answer x1"))
    assert ([fault.line for fault in faults.entries()], faults.any) == ([first.line, second.line], True)
    assert faults.remove(first.id)
    assert not faults.remove(first.id)
    assert (faults.clear(), faults.any, telepath(LIST).status) == (1, False, 200)
    assert faults.add(parse_line("*: 503"))[0].id == 3
    telepath.mock.reset()
    assert telepath(LIST).status == 503


def test_a_session_has_a_thousand_faults_at_most(session: MockSession) -> None:
    """One more is refused, and none is set then."""
    session.faults.add(*[parse_line("*: 503")] * 999)
    with pytest.raises(UsageError, match="more than 1000 faults"):
        session.faults.add(parse_line("*: 503"), parse_line("*: 503"))
    assert len(session.faults.entries()) == 999


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("listTrunk: 503", "'listTrunk' is no operation; did you mean listTrunks?"),
        ("flisten: 503", "'flisten' is no operation; did you mean list?"),
        ("act vendor=telepath: 503", "no operation of telepath is of the kind act"),
        ("* vendor=telepat: 503", "'telepat' is no vendor; did you mean telepath?"),
        ("listTrunks: INVALID_KEY", "'INVALID_KEY' is no error code; did you mean INVALID_API_KEY?"),
        ("listTrunks: TRUNK_NOT_FOUND", "'TRUNK_NOT_FOUND' is no error code; there are: INVALID_API_KEY, "),
        ("listTrunks: 503 x1, then DID_NOT_FOUND", "'DID_NOT_FOUND' is no error code; there are: "),
        ("* account=mein: 503", "'mein' is no account; did you mean main?"),
        ("listTrunks ofset=1: 503", "'ofset' is no parameter of listTrunks; did you mean offset?"),
        ("listSipTrunks limit=1: 503", "'limit' is no parameter of listSipTrunks; there is none"),
        ("createTrunk: stale", "only a read can be stale"),
        ("listTrunks: half-write", "half-write is about an optional field of a create or an update that its answer"),
        ("createTrunk: half-write", "half-write is about an optional field of a create or an update that its answer"),
        ("updateTrunk: half-write=nme", "'nme' is no field that half-write can leave out; did you mean name?"),
        ("updateTrunk: half-write=system_prompt", "'system_prompt' is no field that half-write can leave out; there"),
    ],
)
def test_a_fault_that_can_match_nothing_is_refused(session: MockSession, line: str, sentence: str) -> None:
    """The sentence quotes the fault, and says what was meant or what there is."""
    with pytest.raises(UsageError) as caught:
        session.faults.add(parse_line(line))
    assert str(caught.value).startswith(f"{line!r}: {sentence}")
    assert not session.faults.any


def test_a_fault_is_checked_by_the_vendors_as_they_are_now() -> None:
    """An account that came with a reset can be named."""
    world = TELEPATH.world
    changed = replace(TELEPATH, world=structs.replace(world, tokens={**world.tokens, "sk_fresh": Grant("fresh")}))
    session = MockSession([TELEPATH], reread=lambda _: changed)
    with pytest.raises(UsageError, match="'fresh' is no account"):
        session.faults.add(parse_line("* account=fresh: 503"))
    session.reset("telepath")
    session.faults.add(parse_line("* account=fresh: 503"))
    mock = session.mocks["telepath"]
    requests = [Request("GET", "/trunks", "", bearer(token)) for token in ("sk_fresh", world.token)]
    assert [mock(request).status for request in requests] == [503, 200]


def test_threads_share_the_counts(session: MockSession, telepath: ServedMock) -> None:
    """Of many requests at once, as many fail as the fault says."""
    session.faults.add(parse_line("listTrunks: 503 x17, then 500 x5"))
    with ThreadPoolExecutor(8) as pool:
        statuses = [response.status for response in pool.map(telepath, [LIST] * 100)]
    assert (statuses.count(503), statuses.count(500), statuses.count(200)) == (17, 5, 78)


# --- refusals -------------------------------------------------------------------------------------------------------

DOCUMENTED = [
    pytest.param(name, operation.operation_id, int(response.key), code, id=f"{operation.operation_id}-{code}")
    for name, vendor in VENDORS.items()
    for operation in vendor.contract.operations
    for response in operation.responses.values()
    if response.key.isdigit()
    for code in dict.fromkeys(refusal.code for refusal in response.refusals.values())
]


@pytest.mark.parametrize(("name", "operation_id", "status", "code"), DOCUMENTED)
def test_a_documented_refusal_is_given_as_a_real_one(
    session: MockSession, name: str, operation_id: str, status: int, code: str
) -> None:
    """By its status and by its code: status, body and header fields are those of the contract, and nothing is done."""
    vendor, mock = VENDORS[name], session.mocks[name]
    operation = vendor.contract.operation(operation_id)
    request = request_of(vendor, operation)
    documented = operation.responses[str(status)]
    before = [mock.mock.snapshot(collection) for collection in vendor.world.collections]
    for words in (code, f"{status} {code}", str(status)):
        response = mock(asking(words, request))
        assert (response.status, response.header("x-trunkline-fault")) == (status, words)
        assert response.header("x-trunkline-refusal") is None
        assert operation.contract.violations(documented.schema, response.json()) == []
        assert "{" not in json.dumps(response.json(), separators=(",", ":")).replace('{"', "")
        codes = {refusal.code for refusal in documented.refusals.values()}
        assert (code if words != str(status) else min(codes & {*json.dumps(response.json()).split('"')})) in codes
    assert before == [mock.mock.snapshot(collection) for collection in vendor.world.collections]


def test_a_refusal_uses_the_values_of_the_request(session: MockSession) -> None:
    """The message of an unknown id, or of a value that is taken, names it; another message can be given."""
    vendor = TELEPATH
    get, create = (vendor.contract.operation(name) for name in ("getCall", "createTrunk"))
    mock = session.mocks["telepath"]
    request = request_of(vendor, get)
    identity = request.path.rpartition("/")[2]
    assert mock(asking("404", request)).json()["error"]["message"] == f"Call '{identity}' not found"
    taken = mock(asking("409", request_of(vendor, create, body={"sip_username": "north"}))).json()["error"]
    assert taken == {"code": "SIP_USERNAME_TAKEN", "message": "A trunk with sip_username 'north' already exists"}
    told = mock(asking('404 message="gone fishing"', request)).json()["error"]
    assert told == {"code": "CALL_NOT_FOUND", "message": "gone fishing"}


@pytest.mark.parametrize(
    ("words", "status", "code", "message"),
    [
        ("503", 503, "SERVICE_UNAVAILABLE", "Service Unavailable"),
        ("500 DATABASE_DOWN", 500, "DATABASE_DOWN", "Internal Server Error"),
        ('502 message="no carrier"', 502, "BAD_GATEWAY", "no carrier"),
        ("418", 418, "IM_A_TEAPOT", "I'm a Teapot"),
        ("599", 599, "UNKNOWN", "Unknown"),
    ],
)
@pytest.mark.parametrize("name", VENDORS)
def test_an_undocumented_status_has_the_vendors_error_body(
    session: MockSession, name: str, words: str, status: int, code: str, message: str
) -> None:
    """The code is that of the fault or the reason phrase: no page documents one."""
    vendor = VENDORS[name]
    request = request_of(vendor, vendor.contract.of_kind(List)[0])
    response = session.mocks[name](asking(words, request))
    text = json.dumps(response.json())
    assert response.status == status
    assert json.dumps(code) in text
    assert json.dumps(message) in text


def test_a_gateway_answers_in_html(telepath: ServedMock) -> None:
    """502 and 504 are pages, as a gateway sends them, without a rate limit."""
    for status in (502, 504):
        response = telepath(asking(str(status)))
        assert (response.status, response.header("content-type")) == (status, "text/html; charset=utf-8")
        assert response.body.startswith(b"<html>")
        assert response.header("x-ratelimit-limit") is None


def test_a_status_below_400_keeps_the_answer(telepath: ServedMock) -> None:
    """The request is carried out, and only the status is another."""
    client = Client(TELEPATH, lambda request: telepath(asking("202", request)))
    created = client.create("fault-1")
    assert created.status == 202
    assert client.item(created)["sip_username"] == "fault-1"
    assert len([*filter(lambda trunk: trunk["sip_username"] == "fault-1", telepath.mock.snapshot("trunks"))]) == 1


# --- answers that are changed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["lose-answer", "close=in-head", "reset=in-body", "close=after-head"])
def test_a_lost_answer_has_happened(telepath: ServedMock, words: str) -> None:
    """The write is carried out, and the client gets no answer."""
    client = Client(TELEPATH, lambda request: telepath(asking(words, request)))
    with pytest.raises(TargetError, match=rf"telepath closed the connection, as the fault {words} asks"):
        client.create("fault-1")
    assert telepath.mock.snapshot("trunks")[-1]["sip_username"] == "fault-1"


@pytest.mark.parametrize("words", ["close", "reset", "503 close", "401 close=in-body"])
def test_a_connection_that_is_closed_before_the_answer_did_nothing(
    session: MockSession, telepath: ServedMock, words: str
) -> None:
    """Nothing is written, as by a refusal."""
    before = telepath.mock.snapshot("trunks")
    client = Client(TELEPATH, lambda request: telepath(asking(words, request)))
    with pytest.raises(TargetError):
        client.create("fault-1")
    assert telepath.mock.snapshot("trunks") == before
    assert session.requests.entries()[-1].status == (401 if "401" in words else 0)


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("words", ["half-write", "half-write=name", "half-write seed=3"])
def test_half_a_write_claims_what_it_has_not_stored(session: MockSession, name: str, words: str) -> None:
    """The answer to an update shows each field as it was sent, and the record has all of them but one."""
    vendor, mock = VENDORS[name], session.mocks[name]
    operation = vendor.contract.of_kind(Update, "trunks")[0]
    body = {"name": "One", "domain": "two.example", "ai_provider": "elevenlabs", "transport": "udp"}
    body = {field: value for field, value in body.items() if field in operation.inputs and field in operation.view}
    shown = Client(vendor, mock).item(mock(asking(words, request_of(vendor, operation, body=body))))
    stored = next(record for record in mock.mock.snapshot("trunks") if record["id"] == shown["id"])
    assert {field: shown[field] for field in body} == body
    lost = [field for field in body if stored[field] != body[field]]
    assert lost == ["name"] if "=name" in words else len(lost) == 1


@pytest.mark.parametrize("name", VENDORS)
def test_half_a_write_leaves_what_is_required(session: MockSession, name: str) -> None:
    """A create stores all required fields; without another field the fault is not used."""
    vendor, mock = VENDORS[name], session.mocks[name]
    operation = vendor.contract.of_kind(Create, "trunks")[0]
    required = operation.contract.schema_at(operation.body.schema if operation.body else "")["required"]
    for seed in range(5):
        request = request_of(vendor, operation, body={**body_of(operation), TRUNKS[name].serial: f"fault-{seed}"})
        assert mock(asking(f"half-write seed={seed}", request)).status == 201
        stored = mock.mock.snapshot("trunks")[-1]
        assert {*required} <= stored.keys()


@pytest.mark.parametrize("name", VENDORS)
def test_a_stale_read_is_from_before_the_last_write(session: MockSession, name: str) -> None:
    """After a create, an update and a delete, in the list and of one item; a fresh read follows."""
    vendor, mock = VENDORS[name], session.mocks[name]
    client = Client(vendor, mock)
    stale = Client(vendor, lambda request: mock(asking("stale", request)))
    first = client.listed()
    assert stale.listed() == first
    identity = client.created("fault-1")
    second = client.listed()
    assert (stale.listed(), identity in second) == (first, True)
    client.change(identity, "fault-2")
    third = client.listed()
    assert (stale.listed(), third != second) == (second, True)
    if name == "talkover":
        client.delete(identity)
        assert (stale.listed(), client.listed()) == (third, first)
        assert [*stale.listed()] == [*third]
        assert stale.ask("GET", f"{client.path}/{identity}").status == 200
        assert client.ask("GET", f"{client.path}/{identity}").status == 404


def test_a_stale_read_needs_a_write(session: MockSession, telepath: ServedMock) -> None:
    """Before any write, and for a write itself, the fault is not used."""
    session.faults.add(parse_line("*: stale x1"))
    client = Client(TELEPATH, telepath)
    assert telepath(LIST).header("x-trunkline-fault") is None
    identity = client.created("fault-1")
    assert session.faults.entries()[0].used == 0
    assert identity not in client.listed()
    assert identity in client.listed()


def test_a_wrong_clock_shows_in_times(session: MockSession, telepath: ServedMock) -> None:
    """Times of new records and the reset of the rate limit are wrong by it."""
    created = Client(TELEPATH, lambda request: telepath(asking("skew=-3600", request))).create("fault-1")
    straight = Client(TELEPATH, telepath).create("fault-2")
    assert (created.json()["created_at"], straight.json()["created_at"]) == (
        "2023-11-14T21:13:20Z",
        "2023-11-14T22:13:20Z",
    )
    reset, right = (int(response.header("x-ratelimit-reset") or 0) for response in (created, straight))
    assert right - reset == 3600
    assert isinstance(created, FaultyResponse)
    assert created.delivery.skew == -3600


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("change", ["drop", "null", "retype"])
def test_one_documented_field_is_changed(session: MockSession, name: str, change: str) -> None:
    """By its seed, or at a pointer; everything else in the body stays."""
    vendor, mock = VENDORS[name], session.mocks[name]
    operation = next(found for found in vendor.contract.of_kind(List, "trunks"))
    request = request_of(vendor, operation)
    whole = mock(request).json()
    changed = [mock(asking(f"{change} seed={seed}", request)).json() for seed in range(20)]
    assert changed == [mock(asking(f"{change} seed={seed}", request)).json() for seed in range(20)]
    assert all(body != whole for body in changed if change != "null")
    assert len({json.dumps(body) for body in changed}) > 10
    at = f"{operation.kind.items}/0/name"
    body = mock(asking(f"{change}={at}", request)).json()
    first, shown = (resolve_first(found, operation.kind.items) for found in (whole, body))
    if change == "drop":
        assert first.pop("name")
        assert first == shown
    else:
        assert (shown["name"], {**shown, "name": first["name"]}) == (
            None if change == "null" else len(first["name"]),
            first,
        )


def resolve_first(body: Json, items: str) -> dict[str, Json]:
    """A copy of the first item."""
    return dict(body[items[1:]][0])


@pytest.mark.parametrize("words", ["truncate", "malform", "body=<html>", "content-type=text/html", "drop=/x/y"])
def test_the_body_is_changed_as_the_words_say(telepath: ServedMock, words: str) -> None:
    """Cut in half, with a comma too many, another body, another type; a pointer to nothing changes nothing."""
    whole, response = telepath(LIST).body, telepath(asking(words))
    half = len(whole) // 2
    body, media = {
        "truncate": (whole[:half], "application/json"),
        "malform": (whole[:-1] + b",}", "application/json"),
        "body=<html>": (b"<html>", "text/html; charset=utf-8"),
        "content-type=text/html": (whole, "text/html"),
        "drop=/x/y": (whole, "application/json"),
    }[words]
    assert (response.status, response.body, response.header("content-type")) == (200, body, media)


def test_a_body_and_header_fields_of_your_own(session: MockSession, telepath: ServedMock) -> None:
    """Any JSON value can be the body, and fields replace those of the same name."""
    fault = {
        "status": 503,
        "body": {"maintenance": [1, None]},
        "headers": {"Retry-After": "Sun, 29 Nov 2026 10:00:00 GMT"},
    }
    session.faults.add(parse_fault({**fault, "retry_after": 5, "times": 1}))
    response = telepath(LIST)
    assert response.json() == {"maintenance": [1, None]}
    assert [value for name, value in response.headers if name == "retry-after"] == ["Sun, 29 Nov 2026 10:00:00 GMT"]


def test_no_secret_is_in_the_words(session: MockSession, telepath: ServedMock) -> None:
    """A token in a fault is redacted in the header and in the record."""
    token = TELEPATH.world.token
    response = telepath(asking(f'500 message="{token}"'))
    assert token not in (response.header("x-trunkline-fault") or token)
    assert token not in session.requests.entries()[0].fault


# --- asked for by the request ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefer", "status", "applied"),
    [
        ("code=503", 503, "code=503"),
        ("CODE=503", 503, "code=503"),
        ('code="503"', 503, "code=503"),
        ("code = 503 ; x=y; z", 503, "code=503"),
        ('respond-async, wait=10, code=404; a="b,c"', 404, "code=404"),
        ("code=503, code=404", 503, "code=503"),
        ("code=INVALID_API_KEY", 401, "code=INVALID_API_KEY"),
        ("delay=0.5", 200, "delay=0.5"),
        ("delay=0.5, code=503", 503, "delay=0.5, code=503"),
        ("delay=9999, code=503", 503, "code=503"),
        ("code=DID_NOT_FOUND", 200, None),
        ("code=99", 200, None),
        ("code", 200, None),
        ("code=", 200, None),
        ("delay=-1", 200, None),
        ('delay="uniform(1,2)"', 200, 'delay="uniform(1,2)"'),
        ("delay=nan", 200, None),
        ("delay=uniform(1,2", 200, None),
        ("wait=10", 200, None),
        ("", 200, None),
        (",,;=", 200, None),
        ('code="503', 200, None),
    ],
)
def test_preferences_are_honored_or_ignored(
    telepath: ServedMock, prefer: str, status: int, applied: str | None
) -> None:
    """`Prefer` as RFC 7240 has it: what is applied is said, and nothing else has an effect."""
    response = telepath(asking(prefer, header="prefer"))
    assert (response.status, response.header("preference-applied")) == (status, applied)


def test_a_request_may_have_several_fields(telepath: ServedMock) -> None:
    """Several fields are one list; the header of trunkline comes first."""
    fields: Headers = (("prefer", "delay=1"), ("prefer", "code=500"), ("x-trunkline-fault", "503"))
    response = telepath(Request("GET", "/trunks", "", (*LIST.headers, *fields)))
    assert (response.status, response.header("preference-applied")) == (503, "delay=1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "column 1 of '': an effect is missing"),
        ("dely=3", "column 1 of 'dely=3': 'dely' is no effect; did you mean delay?"),
        ("503 x2, then 404", "is about this request alone; give one step"),
        ("listTrunks: 503", "is about this request alone; give one step"),
        ("delay=61", "delay may be from 0 to 60 seconds"),
        ("\x00\xff", "is no effect"),
        ("INVALID_KEY", "x-trunkline-fault: 'INVALID_KEY' is no error code; did you mean INVALID_API_KEY?"),
        ("half-write=nme", "x-trunkline-fault: 'nme' is no field that half-write can leave out; did you mean name?"),
    ],
)
def test_a_mistake_in_the_header_is_refused(
    session: MockSession, telepath: ServedMock, caplog: pytest.LogCaptureFixture, words: str, sentence: str
) -> None:
    """400 with one sentence of our own, in the request log and the server's log too, and nothing is carried out."""
    with caplog.at_level("INFO", "trunkline.mock"):
        response = telepath(asking(words))
    assert response.status == 400
    assert sentence in response.json()["error"]
    recorded = session.requests.entries()[-1]
    for text in (*recorded.notices, recorded.to_line(), caplog.messages[-1]):
        assert text.isascii()
        assert sentence in text
    assert len(recorded.notices) == 1


@pytest.mark.parametrize("words", ["nope={}", "body=" + "x" * 60 + " nope={}", "503 nope={}" + "y" * 50])
def test_a_mistake_in_the_header_shows_no_secret(
    session: MockSession, telepath: ServedMock, caplog: pytest.LogCaptureFixture, words: str
) -> None:
    """No part of a token in it is shown, in the answer, in the record and in the log."""
    token = TELEPATH.world.token
    with caplog.at_level("INFO", "trunkline.mock"):
        response = telepath(asking(words.format(token)))
    recorded = json.dumps(session.requests.entries()[-1].to_json())
    assert (response.status, "holds a secret" in response.json()["error"]) == (400, True)
    assert not [text for text in (response.body.decode(), recorded, *caplog.messages) if token[:8] in text]


def test_in_process_an_answer_is_not_delayed(telepath: ServedMock) -> None:
    """It says how long it would be late: nothing sleeps without a connection."""
    response = telepath(asking("delay=60"))
    assert isinstance(response, FaultyResponse)
    assert (response.status, response.delivery.delay) == (200, 60)


def test_a_distribution_stays_within_the_bound(session: MockSession, telepath: ServedMock) -> None:
    """Delays are as long as it says, by chance, and never above a minute; the same seed repeats them."""

    def delays(duration: str) -> list[float]:
        session.faults.clear()
        session.faults.add(parse_line(f"*: delay={duration} seed=7"))
        answers: list[Response] = [telepath(LIST) for _ in range(100)]
        return [answer.delivery.delay for answer in answers if isinstance(answer, FaultyResponse)]

    uniform = delays("uniform(0.2,0.4)")
    assert len({*uniform}) > 90
    assert 0.2 <= min(uniform) < 0.25
    assert 0.35 < max(uniform) <= 0.4
    lognormal = sorted(delays("lognormal(2,3)"))
    assert lognormal[40] < 2 < lognormal[60]
    assert lognormal[-1] == 60
    assert delays("lognormal(2,3)") == delays("lognormal(2,3)")
