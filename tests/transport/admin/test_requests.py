"""`/_trunkline/requests` shows what clients asked of the mocks, and only to those who may see it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest

import trunkline
from tests.transport.admin.surface import Admin, app_of, served
from trunkline.exchange import Headers, Json, Request, Response
from trunkline.mock.faults import parse_line
from trunkline.mock.request_log import RecordedRequest
from trunkline.mock.session import MockSession
from trunkline.transport import admin
from trunkline.transport.admin import requests
from trunkline.transport.asgi import wrap

TELEPATH, TALKOVER = trunkline.load("telepath"), trunkline.load("talkover")
HOST, CHANGE = ("host", "127.0.0.1:8900"), ("x-trunkline", "yes")

Ask = Callable[..., Response]


@pytest.fixture
def session() -> MockSession:
    """A session with four requests in its log."""
    found = MockSession([TELEPATH, TALKOVER])
    telepath, talkover = found.mocks["telepath"], found.mocks["talkover"]
    bearer: Headers = (("authorization", f"Bearer {TELEPATH.world.token}"),)
    telepath(Request("GET", "/trunks", "limit=2", bearer))
    telepath(Request("GET", "/trunks", "limit=0", bearer))
    telepath(Request("POST", "/trunks", "", (*bearer, ("content-type", "application/json")), b'{"name": 5}'))
    talkover(Request("GET", "/health"))
    return found


@pytest.fixture
def ask(session: MockSession) -> Ask:
    """A function that asks the admin surface as a client on this machine does."""
    target = wrap(admin.admin(session))

    def asked(query: str = "", method: str = "GET", *headers: tuple[str, str], path: str = "/requests") -> Response:
        return target(Request(method, path, query, (HOST, *headers)))

    return asked


def numbers(response: Response) -> list[int]:
    assert response.status == 200, response.body
    return [one["number"] for one in response.json()["requests"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3, 4]),
        ("vendor=telepath", [1, 2, 3]),
        ("operation=listTrunks", [1, 2]),
        ("status=200", [1, 4]),
        ("status=4xx", [2, 3]),
        ("status=4XX&operation=createTrunk", [3]),
        ("since=2", [3, 4]),
        ("since=0", [1, 2, 3, 4]),
        ("since=99", []),
        ("since=2024-01-01T00:00:00Z", [1, 2, 3, 4]),
        ("since=2016-12-31T23:59:60Z", [1, 2, 3, 4]),
        ("since=0000-01-01T00:00:00.5Z", [1, 2, 3, 4]),
        ("since=2124-01-01T00:00:00+01:00", []),
        ("since=2124-01-01T00:00:00%2B01:00", []),
        ("method=post", [3]),
        ("path=/trunks", [1, 2, 3]),
        ("path=/v1/trunks/", [1, 2, 3]),
        ("path=/trunk", []),
        ("path=/", [1, 2, 3, 4]),
        ("account=main", [1, 2, 3]),
        ("account=main&fault=", []),
        ("limit=1", [4]),
        ("limit=0", []),
        ("limit=2&vendor=telepath", [2, 3]),
    ],
)
def test_the_query_chooses_requests(ask: Ask, query: str, found: list[int]) -> None:
    """Each filter restricts the list, several do so together, and the limit keeps the newest."""
    assert numbers(ask(query)) == found


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=9", "status must be one such as 404, or a class of them such as 4xx"),
        ("status=4x4", "status must be one such as 404"),
        ("since=yesterday", "since must be the number of a request, or a time such as 2026-11-28T15:00:00Z"),
        ("since=2024-02-30T00:00:00Z", "since must be"),
        ("since=-1", "since must be"),
        ("limit=-1", "limit must be a whole number, 0 or more"),
        ("path=trunks", "path must begin with a slash"),
        ("limit=%D9%A1", "limit must be"),
        ("limit=" + "9" * 99, "limit must be"),
        ("state=1", "the query has an unknown parameter; did you mean status?"),
        (
            "x%0A%FF=1",
            "the query has an unknown parameter; there are: vendor, operation, status, method, path, account, ",
        ),
        ("limit=1&limit=1", "the query has a parameter twice; give each once"),
    ],
)
def test_a_wrong_filter_is_one_sentence(ask: Ask, query: str, sentence: str) -> None:
    """An unknown parameter or value is refused with what could have been meant."""
    response = ask(query)
    assert response.status == 400
    assert response.json()["error"].startswith(sentence)
    assert len(response.json()["error"]) < 400


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("vendor=telepat", "no such vendor is served here; did you mean telepath?"),
        ("operation=listtrunk", "no such operation is served here; did you mean listTrunks?"),
        ("account=mian", "no such account is served here; did you mean main?"),
        ("operation=", "no such operation is served here; there are: listTrunks, "),
    ],
)
def test_a_name_that_does_not_exist_is_not_found(ask: Ask, query: str, sentence: str) -> None:
    """The sentence suggests what could have been meant, and does not repeat the name, which may be a credential."""
    response = ask(query)
    assert response.status == 404
    assert response.json()["error"].startswith(sentence)


def test_a_fault_chooses_the_requests_that_it_changed(session: MockSession, ask: Ask) -> None:
    """By a part of its line, or any fault."""
    session.faults.add(parse_line("getHealth: 503 x1"), parse_line("getHealth: 404 x1"))
    for _ in range(3):
        session.mocks["talkover"](Request("GET", "/health"))
    assert [numbers(ask(f"fault={text}")) for text in ("503", "", "stale")] == [[5], [5, 6], []]


def test_the_list_is_bounded(session: MockSession, ask: Ask) -> None:
    """Without a limit the latest hundred requests are shown."""
    for _ in range(120):
        session.mocks["talkover"].read((b"/health", b"", None))
    assert numbers(ask()) == list(range(25, 125))
    assert len(numbers(ask("limit=1000"))) == 124


def test_all_requests_can_be_forgotten(ask: Ask) -> None:
    """DELETE empties the list, and needs the header that every change needs."""
    assert ask("", "DELETE").status == 403
    assert len(numbers(ask())) == 4
    assert ask("", "DELETE", CHANGE).json() == {"forgotten": 4}
    assert numbers(ask()) == []


def test_the_removal_of_some_requests_is_not_promised(ask: Ask) -> None:
    """DELETE takes no filter, and a request with one removes nothing."""
    for path in ("/requests", "/faults"):
        response = ask("operation=listTrunks", "DELETE", CHANGE, path=path)
        assert response.status == 400
        assert response.json()["error"] == "the query has an unknown parameter; leave the query out"
    assert len(numbers(ask())) == 4


def test_other_methods_are_refused(ask: Ask) -> None:
    """A method that the path does not have is refused with those that it has."""
    response = ask("", "PUT", CHANGE)
    assert (response.status, response.header("allow")) == (405, "DELETE, GET, HEAD")


def test_no_token_is_in_the_list(ask: Ask) -> None:
    """The answer holds no credential of any vendor."""
    body = ask().body.decode()
    assert not any(json.dumps(token)[1:-1] in body for token in (*TELEPATH.world.tokens, *TALKOVER.world.tokens))
    refused: list[Json] = [one for one in json.loads(body)["requests"] if one["refusal"]]
    assert [one["refusal"]["cause"] for one in refused] == ["parameter_out_of_range", "field_missing"]


# --- events ----------------------------------------------------------------------------------------------------------

READ = (b"/health", b"", None)


@contextmanager
def listening(url: str, query: str = "", place: str = "", **fields: str) -> Iterator[HTTPResponse]:
    """A client that has received the beginning of the events."""
    with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.request("GET", f"{place}/_trunkline/requests/events{query}", headers=fields)
        response = connection.getresponse()
        if response.status == 200:
            assert response.readline() == b": each request to the mocks\n"
            assert response.readline() == b"\n"
        yield response


def event(response: HTTPResponse) -> dict[str, str]:
    """The fields of the next event, or of the next comment, whose name is empty."""
    lines = iter(response.readline, b"\n")
    return dict(line.decode().rstrip("\n").split(": ", 1) for line in lines)


def test_a_request_is_told_as_soon_as_it_is_answered(session: MockSession) -> None:
    """Each event has the number of the request as its id, and the request as its data."""
    with served(session) as url, listening(url) as response:
        assert response.getheader("content-type", "").startswith("text/event-stream")
        assert response.getheader("cache-control") == "no-store"
        for number in (5, 6):
            with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as client:
                client.request("GET", f"{TALKOVER.contract.base_path}/health")
                assert client.getresponse().status == 200
            told = event(response)
            assert told["id"] == str(number)
            assert json.loads(told["data"])["operation"] == "getHealth"


@pytest.mark.parametrize(
    ("query", "fields", "ids"),
    [
        ("?since=2", {}, ["3", "4", "5", "6"]),
        ("?since=0&vendor=talkover", {}, ["4", "5"]),
        ("", {"Last-Event-ID": "3"}, ["4", "5", "6"]),
        ("?since=0", {"Last-Event-ID": "3"}, ["4", "5", "6"]),
        ("?operation=createTrunk", {"Last-Event-ID": "0"}, ["3", "6"]),
        ("", {"Last-Event-ID": "99"}, ["1", "2", "3", "4", "5", "6"]),
    ],
)
def test_events_are_resumed_from_the_record(
    session: MockSession, query: str, fields: dict[str, str], ids: list[str]
) -> None:
    """A client that connects again gets what it has missed, or all after a restart; then each new request."""
    with served(session) as url, listening(url, query, **fields) as response:
        session.mocks["talkover"](Request("GET", "/health"))
        session.mocks["telepath"](Request("POST", "/trunks"))
        assert [event(response)["id"] for _ in ids] == ids


def test_listeners_share_the_work(session: MockSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of a request is worked out once for all of them, and not in the event loop."""
    worked_out, to_json = list[tuple[int, bool]](), RecordedRequest.to_json

    def noted(one: RecordedRequest) -> dict[str, Json]:
        worked_out.append((one.number, threading.current_thread() is threading.main_thread()))
        return to_json(one)

    async def listen() -> None:
        events = requests._events(session, 0, [], asyncio.Event())
        while "id: 4" not in await anext(events):
            pass

    async def run() -> None:
        await asyncio.gather(*(listen() for _ in range(10)))

    monkeypatch.setattr(RecordedRequest, "to_json", noted)
    asyncio.run(run())
    assert sorted(worked_out) == [(number, False) for number in range(1, 5)]


def test_a_slow_listener_is_told_how_many_it_has_missed() -> None:
    """Requests that the log has dropped are counted, and the latest ones follow."""
    session = MockSession([TALKOVER], keep=10)
    talkover = session.mocks["talkover"]

    async def run() -> None:
        events = requests._events(session, 0, [], asyncio.Event())
        await anext(events)
        for _ in range(50):
            talkover.read(READ)
        assert await anext(events) == 'event: lost\ndata: {"lost": 40}\n\n'
        assert [int((await anext(events)).split("\n")[0][4:]) for _ in range(10)] == [*range(41, 51)]
        session.requests.clear()
        talkover.read(READ)
        assert (await anext(events)).startswith("id: 51\n")
        session.reset(TALKOVER.name)
        assert await anext(events) == "event: changed\ndata: {}\n\n"
        talkover.read(READ)
        session.requests.clear()
        waiting = asyncio.ensure_future(anext(events))
        for _ in range(10):
            await asyncio.sleep(0)
        talkover.read(READ)
        assert await waiting == 'event: lost\ndata: {"lost": 1}\n\n'

    asyncio.run(run())
    assert session.requests.watchers == 0  # the loop closes what is open at its end


def test_a_listener_that_leaves_leaves_no_task() -> None:
    """Such a task would be logged when it is collected."""
    session = MockSession([TALKOVER], keep=10)

    async def run() -> None:
        events = requests._events(session, 0, [], asyncio.Event())
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait((waiting,))
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "path", "body", "is_told"),
    [
        ("POST", "/reset", None, True),
        ("POST", "/records/telepath/trunks", {"name": "x"}, True),
        ("DELETE", "/records/telepath/trunks", None, True),
        ("POST", "/faults", {"faults": ["*: 503"]}, True),
        ("DELETE", "/faults", None, True),
        ("POST", "/scenarios/maintenance", None, True),
        ("DELETE", "/requests", None, True),
        ("POST", "/faults", {"faults": ["*: nonsense"]}, False),
        ("GET", "/faults", None, False),
    ],
)
def test_other_changes_are_told_too(session: MockSession, method: str, path: str, body: Json, *, is_told: bool) -> None:
    """Whoever makes them over HTTP; a request that is refused, or only reads, changes nothing."""
    with served(session) as url, listening(url) as response:
        with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as client:
            client.request(method, f"/_trunkline{path}", json.dumps(body) if body else None, dict([CHANGE]))
            client.getresponse().read()
            client.request("GET", f"{TALKOVER.contract.base_path}/health")
            client.getresponse().read()
        told = [*iter(lambda: event(response).get("event"), None)]
    assert {*told} == ({"changed"} if is_told else set())


def test_events_end_with_the_session(session: MockSession) -> None:
    """A session that somebody ends does not let its listeners wait."""
    with served(session) as url, closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as client:
        client.request("POST", "/_trunkline/sessions", headers=dict([CHANGE]))
        found = json.loads(client.getresponse().read())
        with listening(url, place=f"/_trunkline/s/{found['id']}") as response:
            client.request("DELETE", f"/_trunkline/sessions/{found['id']}", headers=dict([CHANGE]))
            assert client.getresponse().status == 200
            assert response.read() == b""


def test_events_end_with_the_server(session: MockSession) -> None:
    """The answer is complete, and the server does not wait for its listeners."""
    with ExitStack() as stack:
        with served(session) as url:
            response = stack.enter_context(listening(url))
        assert response.read() == b""  # http.client raises an error for an answer that is cut off


def test_a_listener_that_hears_nothing_gets_comments(session: MockSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nothing between the server and the client closes the connection."""
    monkeypatch.setattr(requests, "_KEEP_ALIVE", 0.01)
    with served(session) as url, listening(url) as response:
        assert [event(response) for _ in range(2)] == [{"": "nothing new"}] * 2


def test_there_are_not_too_many_listeners(session: MockSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused, and may come when another has gone."""
    monkeypatch.setattr(requests, "_MOST_LISTENERS", 1)
    with served(session) as url:
        with listening(url), listening(url) as second:
            assert second.status == 503
            assert json.loads(second.read()) == {"error": "1 clients listen already; close one of them"}
        end = time.monotonic() + 10
        while session.requests.watchers and time.monotonic() < end:
            with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as client:
                client.request("HEAD", "/_trunkline/requests/events")
                client.getresponse().read()
        with listening(url) as third:
            assert third.status == 200


def test_without_a_record_there_are_no_events(ask: Ask) -> None:
    """A server that keeps no requests says so; a wrong query, or a wrong id, is refused."""
    target = wrap(admin.admin(MockSession([TALKOVER], keep=0)))
    response = target(Request("GET", "/requests/events", "", (HOST,)))
    assert (response.status, "--record 0" in response.json()["error"]) == (409, True)
    last = ("last-event-id", "x")
    for query, fields in (
        ("since=2024-01-01T00:00:00Z", ()),
        ("since=x", (("last-event-id", "1"),)),
        ("limit=1", ()),
        ("", (last,)),
    ):
        assert ask(query, "GET", *fields, path="/requests/events").status == 400


# --- verify ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def verified(session: MockSession) -> Callable[[Json], Response]:
    """A function that verifies an expectation."""
    client = Admin(app_of(session))
    return lambda body: client.ask("POST", "/requests/verify", body)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"operation": "listTrunks"}, 2),
        ({"operation": "listTrunks", "query": {"limit": 2}, "times": 1}, 1),
        ({"operation": "createTrunk", "json": {"name": 5}, "headers": {"content-type": "application/json"}}, 1),
        ({"operation": "getHealth", "json": None, "query": None, "headers": None, "times": None}, 1),
        ({"operation": "getCall", "times": 0}, 0),
    ],
)
def test_an_expectation_that_is_met_is_verified(verified: Callable[[Json], Response], body: Json, count: int) -> None:
    """The answer has the number of requests that fit."""
    response = verified(body)
    assert (response.status, response.json()) == (200, {"verified": True, "count": count, "forgotten": 0})


def test_an_expectation_that_is_not_met_is_a_conflict(
    session: MockSession, verified: Callable[[Json], Response]
) -> None:
    """The reason is that of `assert_asked`, and says when the record may be incomplete."""
    response = verified({"operation": "createTrunk", "json": {"name": "x"}})
    assert response.status == 409
    assert response.json()["error"] == (
        "createTrunk: 0 of 1 requests match; expected at least 1\n"
        "The nearest is request 3, POST /trunks -> 400:\n"
        '  body/name: expected "x", was 5'
    )
    for _ in range(1000):
        session.mocks["talkover"].read(READ)
    assert verified({"operation": "createTrunk"}).json()["error"] == (
        "createTrunk was never asked; logged are getHealth (1000)\n"
        "(the log has forgotten the first 4 requests; --record keeps more)"
    )
    assert verified({"operation": "getHealth"}).json()["forgotten"] == 4


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({}, 400, "the body must be an object with an operation"),
        ([], 400, "the body must be an object with an operation"),
        ({"operation": 1}, 400, "the body must be an object with an operation"),
        ({"operation": "createTrunks"}, 404, "no such operation is served here; did you mean createTrunk?"),
        (
            {"operation": "hangUp"},
            404,
            "no such operation is served here; there are: createTrunk, updateTrunk, getSipTrunk, and 13 more",
        ),
        ({"operation": "createTrunk", "body": {}}, 400, "the body has an unknown member; there are: operation, json, "),
        ({"operation": "createTrunk", "header": {}}, 400, "the body has an unknown member; did you mean headers?"),
        ({"operation": "createTrunk", "times": -1}, 400, "times must be a whole number, 0 or more"),
        ({"operation": "createTrunk", "query": []}, 400, "query must be an object"),
    ],
)
def test_a_wrong_expectation_is_refused(
    verified: Callable[[Json], Response], body: Json, status: int, sentence: str
) -> None:
    """A mistake in it is told from one that is not met by its status."""
    response = verified(body)
    assert response.status == status
    assert response.json()["error"].startswith(sentence)


def test_nothing_is_verified_without_a_record() -> None:
    """A server that keeps no requests cannot say that an operation was never asked."""
    client = Admin(app_of(MockSession([TALKOVER], keep=0)))
    assert client.error("POST", "/requests/verify", {"operation": "getHealth", "times": 0}) == (
        409,
        "this server keeps no requests (--record 0)",
    )
