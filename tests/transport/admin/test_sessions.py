"""Sessions: each has worlds of its own, is used as the server's root, and ends when it is idle."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.requests import Client, bearer
from tests.servers import PLAIN, serving
from tests.transport.admin.surface import CHANGE_HEADER, TOKEN, VENDORS, Admin, app_of
from trunkline.exchange import Json, Request, Response, Target
from trunkline.mock import REFUSAL_HEADER
from trunkline.mock.session import MockSession
from trunkline.transport import server, sessions, targets
from trunkline.transport.asgi import wrap
from trunkline.transport.scope import ASGIApp, Message, Receive, Send
from trunkline.transport.sessions import session_application

FIRST, SECOND = sorted(VENDORS)
NOT_OPEN = "no such session is open; it was ended, or was idle for too long"


@pytest.fixture
def app(session: MockSession) -> ASGIApp:
    """The server's application."""
    return app_of(session)


@pytest.fixture
def client(app: ASGIApp) -> Admin:
    """A client of the server's admin surface."""
    return Admin(app)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, on the clock that sessions look at."""
    now = [1000.0]
    monkeypatch.setattr(sessions, "monotonic", lambda: now[0])
    return now


def opened(client: Admin, body: Json = None) -> dict[str, Json]:
    """A new session, as the answer describes it."""
    response = client.ask("POST", "/sessions", body)
    assert response.status == 201, response.body
    assert response.header("location") == response.json()["url"]
    found: dict[str, Json] = response.json()
    return found


def place(found: dict[str, Json]) -> str:
    """The path of a session's root."""
    return urlsplit(found["url"]).path


def trunks_in(app: ASGIApp, found: dict[str, Json], name: str = FIRST, token: str = "") -> Client:
    """A client of the trunks of a vendor in a session."""
    base = urlsplit(found["vendors"][name]["url"]).path
    return Client(VENDORS[name], wrap(app, base=base), token or found["vendors"][name]["token"])


# --- a world of its own ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VENDORS)
def test_what_happens_in_a_session_stays_there(app: ASGIApp, client: Admin, session: MockSession, name: str) -> None:
    """A write is seen in its session only, neither by the server's own session nor by another."""
    one, other = (trunks_in(app, opened(client), name) for _ in range(2))
    root = Client(VENDORS[name], session.mocks[name])
    before = other.listed()
    identity = one.created("user-1")
    assert identity in one.listed()
    assert other.listed() == root.listed() == before
    session.mocks[name].mock.records("trunks").clear()
    assert identity in one.listed()
    assert other.listed() == before


def test_the_admin_surface_of_a_session_is_its_own(app: ASGIApp, client: Admin, session: MockSession) -> None:
    """A reset below its address resets that session, and health and documents name its addresses."""
    found, other = opened(client), opened(client)
    inner = Admin(app, place(found))
    for one in (found, other):
        trunks_in(app, one).created("user-1")
    assert inner.ask("POST", "/reset").json() == {"reset": [*VENDORS]}
    assert len(trunks_in(app, found).listed()) + 1 == len(trunks_in(app, other).listed())
    assert inner.get("/health") == client.get("/health")
    assert inner.get("/")["url"] == found["url"]
    assert inner.get("/")["vendors"] == found["vendors"]
    assert inner.get("/openapi.json")["servers"] == [{"url": f"{found['url']}/_trunkline"}]
    assert inner.get(f"/openapi/{FIRST}.json")["servers"] == [{"url": found["vendors"][FIRST]["url"]}]
    assert session.requests.entries() == []


def test_a_session_has_no_sessions_of_its_own(app: ASGIApp, client: Admin) -> None:
    """Neither a path nor its document offers any, so that addresses stay short."""
    inner = Admin(app, place(opened(client)))
    assert inner.error("POST", "/sessions")[0] == 404
    assert inner.error("GET", "/s/x/v1/trunks")[0] == 404
    assert "/sessions" in client.get("/openapi.json")["paths"]
    assert "/sessions" not in inner.get("/openapi.json")["paths"]


def test_the_root_of_a_session_lists_its_vendors(app: ASGIApp, client: Admin) -> None:
    """As the root of the server does, with or without a slash; `/_trunkline` leads to the index."""
    found = opened(client)
    places = {name: {"url": vendor["url"]} for name, vendor in found["vendors"].items()}
    ask = wrap(app)
    for path in (place(found), f"{place(found)}/"):
        assert ask(Request("GET", path)).json() == {"vendors": places}
    for method in ("GET", "POST"):
        answer = ask(Request(method, f"{place(found)}/_trunkline"))
        location = urljoin(f"{place(found)}/_trunkline", answer.header("location"))
        assert (answer.status, location) == (307, f"{place(found)}/_trunkline/")
    lost = ask(Request("GET", f"{place(found)}/trunks"))
    assert (lost.status, lost.header(REFUSAL_HEADER)) == (404, None)


# --- its contents ---------------------------------------------------------------------------------------------------


def test_a_session_has_what_was_asked_for(app: ASGIApp, client: Admin) -> None:
    """Vendors, numbers of records, whole or partial records, tokens and a rate limit, as in a marker of pytest."""
    wanted = {FIRST: {"trunks": 3, "tokens": ["sk_test"], "rate_limit": 2, "rate_window": 7}}
    found = opened(client, {"vendors": wanted})
    assert [*found["vendors"]] == [FIRST]
    assert found["vendors"][FIRST]["token"] == "sk_test"
    trunks = trunks_in(app, found)
    assert len(trunks.listed()) == 3
    assert trunks.ask("GET", trunks.path).status == 200
    assert trunks.ask("GET", trunks.path).status == 429
    assert trunks_in(app, found, token="sk_other").ask("GET", trunks.path).status == 401
    named = opened(client, {"vendors": {SECOND: {"trunks": [{"name": "North"}]}}})
    assert [trunk["name"] for trunk in trunks_in(app, named, SECOND).listed().values()] == ["North"]


def test_a_session_begins_with_faults(app: ASGIApp, client: Admin) -> None:
    """As in the marker: lines and objects, each for its own vendor alone."""
    found = opened(client, {"vendors": {FIRST: {"faults": ["*: 503 x1", {"status": 504, "times": 1}]}, SECOND: {}}})
    assert trunks_in(app, found, SECOND).ask("GET", "/trunks").status not in (503, 504)
    first = trunks_in(app, found)
    assert [first.ask("GET", first.path).status for _ in range(3)] == [503, 504, 200]
    listed = Admin(app, place(found)).get("/faults")["faults"]
    assert [one["line"] for one in listed] == [f"* vendor={FIRST}: 503 x1", f"* vendor={FIRST}: 504 x1"]
    assert client.get("/faults") == {"faults": []}


def test_a_session_may_begin_with_a_scenario(app: ASGIApp, client: Admin) -> None:
    """It is on for its vendor alone."""
    found = opened(client, {"vendors": {FIRST: {"scenario": "maintenance"}, SECOND: {}}})
    assert [trunks_in(app, found, name).ask("GET", "/trunks").status == 503 for name in (FIRST, SECOND)] == [
        True,
        False,
    ]
    own = Admin(app, place(found))
    assert [one["name"] for one in own.get("/scenarios")["scenarios"] if one["is_on"]] == ["maintenance"]


SECRET = "sk_live_0123456789abcdef"
MISTAKES: dict[str, tuple[Json, int, str]] = {
    "a list": ([], 400, "the body: is not of type object"),
    "another key": ({"vendor": {}}, 400, 'the body: has the unknown key "vendor"'),
    "no vendors": ({"vendors": {}}, 400, "the body#/vendors: breaks minProperties: 1"),
    "an unknown vendor": ({"vendors": {SECRET: {}}}, 404, "no such vendor is served here; there are: "),
    "an unknown collection": ({"vendors": {FIRST: {"ducks": 3}}}, 400, f"{FIRST} has no 'ducks'; there are: "),
    "a slip": ({"vendors": {FIRST: {"trunk": SECRET}}}, 400, f"{FIRST} has no 'trunk'; did you mean trunks?"),
    "a line for a list": (
        {"vendors": {FIRST: {"faults": "*: 503"}}},
        400,
        f"the body#/vendors/{FIRST}/faults: is not of type array",
    ),
    "a wrong fault": (
        {"vendors": {FIRST: {"faults": ["*: 503", {"statu": 503}]}}},
        400,
        f"the body#/vendors/{FIRST}/faults/1: there is no 'statu'; did you mean status?",
    ),
    "a fault of nothing": (
        {"vendors": {FIRST: {"faults": ["nope: 503"]}}},
        400,
        f"'nope vendor={FIRST}: 503': 'nope' ",
    ),
    "a wrong scenario": ({"vendors": {FIRST: {"scenario": "lost"}}}, 400, "'lost' is no scenario; "),
    "a number for a scenario": (
        {"vendors": {FIRST: {"scenario": 7}}},
        400,
        f"the body#/vendors/{FIRST}/scenario: is not of type string",
    ),
    "too many records": ({"vendors": {FIRST: {"trunks": 1001}}}, 400, f"the body#/vendors/{FIRST}/trunks: breaks max"),
    "no number": ({"vendors": {FIRST: {"trunks": SECRET}}}, 400, f"the body#/vendors/{FIRST}/trunks: is not of type"),
    "half a record": ({"vendors": {FIRST: {"trunks": 1.5}}}, 400, f"the body#/vendors/{FIRST}/trunks: is not of type"),
    "a wrong record": (
        {"vendors": {FIRST: {"trunks": [{"name": 7}]}}},
        400,
        f"the records given for {FIRST}'s trunks#/0/",
    ),
    "an odd token": ({"vendors": {FIRST: {"tokens": ["é " + SECRET]}}}, 400, "a token has characters that no bearer"),
    "half a character as a vendor": ({"vendors": {"\ud800": {}}}, 404, "no such vendor is served"),
    "half a character as a collection": ({"vendors": {FIRST: {"\ud800": 1}}}, 400, f"{FIRST} has no "),
    "a bad rate": ({"vendors": {FIRST: {"rate_limit": -1}}}, 400, f"the body#/vendors/{FIRST}/rate_limit: breaks min"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(client: Admin, mistake: str) -> None:
    """It names the place, repeats no value, and no session is opened."""
    body, status, sentence = MISTAKES[mistake]
    found = client.error("POST", "/sessions", body)
    assert found[0] == status
    assert found[1].startswith(sentence)
    assert SECRET not in found[1]
    assert client.get("/sessions") == {"sessions": []}


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 200, b'"' + b"x" * (2 << 20) + b'"'])
def test_a_body_that_is_not_json_is_refused(app: ASGIApp, body: bytes) -> None:
    """So is one that is too long."""
    answer = wrap(app)(Request("POST", "/_trunkline/sessions", "", (CHANGE_HEADER,), body))
    assert answer.status == (413 if len(body) > 1 << 20 else 400)
    assert set(answer.json()) == {"error"}


# --- its end --------------------------------------------------------------------------------------------------------


def test_a_session_can_be_ended(app: ASGIApp, client: Admin) -> None:
    """Its address then answers 404 in our own shape, which is not that of a vendor."""
    found, other = opened(client), opened(client)
    assert client.get(f"/sessions/{found['id']}") == found
    assert [one["id"] for one in client.get("/sessions")["sessions"]] == [found["id"], other["id"]]
    trunks = trunks_in(app, found)
    assert trunks.ask("GET", trunks.path).status == 200
    assert client.ask("DELETE", f"/sessions/{found['id']}").json() == {"ended": found["id"]}
    for method in ("GET", "POST"):
        answer = trunks.ask(method, trunks.path)
        assert answer.status == 404
        assert answer.json()["error"].startswith(NOT_OPEN)
        assert not answer.header(REFUSAL_HEADER)
    assert client.error("DELETE", f"/sessions/{found['id']}") == (404, NOT_OPEN)
    assert client.error("GET", f"/sessions/{found['id']}") == (404, NOT_OPEN)
    assert [one["id"] for one in client.get("/sessions")["sessions"]] == [other["id"]]


@pytest.mark.parametrize("path", ["", "x", "x/v1/trunks", "%00/v1/trunks", "../s/x/v1", "x/_trunkline/reset", "%2F/x"])
def test_an_unknown_session_is_not_found(app: ASGIApp, path: str) -> None:
    """Whatever the id is, and whatever is sent."""
    ask = wrap(app)
    for method, body in (("GET", b""), ("POST", b"{}"), ("HEAD", b"")):
        answer = ask(Request(method, f"/_trunkline/s/{path}", "", (CHANGE_HEADER,), body))
        assert answer.status == 404
        assert method == "HEAD" or answer.json()["error"].startswith(NOT_OPEN)


def test_an_idle_session_ends(app: ASGIApp, client: Admin, clock: list[float]) -> None:
    """One that is used lasts; to look at it is not to use it."""
    used, idle = opened(client), opened(client)
    for _ in range(3):
        clock[0] += 599
        trunks = trunks_in(app, used)
        assert trunks.ask("GET", trunks.path).status == 200
        client.ask("GET", f"/sessions/{idle['id']}")
    assert [one["id"] for one in client.get("/sessions")["sessions"]] == [used["id"]]
    assert trunks_in(app, idle).ask("GET", "/").json()["error"].startswith(NOT_OPEN)
    clock[0] += 600
    assert client.get("/sessions") == {"sessions": []}


def test_a_session_does_not_end_while_it_answers(clock: list[float]) -> None:
    """A request that takes longer than a session may be idle is a use of it, from its beginning to its end."""

    async def run() -> None:
        some, began, go_on = sessions.Sessions(MockSession, session_application), asyncio.Event(), asyncio.Event()
        found, slow = some.prepare(VENDORS.values()), some.prepare(VENDORS.values())

        async def answer(_scope: Message, _receive: Receive, _send: Send) -> None:
            began.set()
            await go_on.wait()

        slow.app = answer
        some.open(slow)
        some.open(found)
        scope = {"type": "http", "method": "GET", "raw_path": f"{slow.place}/x".encode(), "path": f"{slow.place}/x"}
        task = asyncio.create_task(some(scope, _receive_nothing, lambda _: asyncio.sleep(0)))
        await began.wait()
        clock[0] += 6000
        assert [*some] == [slow]
        go_on.set()
        await task
        clock[0] += 599
        assert [*some] == [slow]
        clock[0] += 1
        assert [*some] == []

    asyncio.run(run())


async def _receive_nothing() -> Message:
    return {"type": "http.request"}


def test_there_are_not_too_many_sessions(session: MockSession, clock: list[float]) -> None:
    """A further one is refused with the time to wait; an ended or an idle one makes room."""
    client = Admin(app_of(session, most=2))
    found, _ = opened(client), opened(client)
    clock[0] += 100
    refused = client.ask("POST", "/sessions")
    assert (refused.status, refused.header("retry-after")) == (429, "500")
    assert refused.json() == {"error": "2 sessions are open; end one, or wait until one is idle"}
    client.ask("DELETE", f"/sessions/{found['id']}")
    opened(client)
    assert client.ask("POST", "/sessions").status == 429
    clock[0] += 500
    opened(client)


# --- who may use it -------------------------------------------------------------------------------------------------


def test_the_admin_token_opens_and_steers_sessions(session: MockSession) -> None:
    """A client without it uses the vendors of a session, and nothing else."""
    app = app_of(session, TOKEN)
    owner, stranger = Admin(app, headers=bearer(TOKEN)), Admin(app)
    assert stranger.error("POST", "/sessions")[0] == 401
    found = opened(owner)
    trunks_in(app, found).created("user-1")
    assert stranger.error("GET", "/sessions")[0] == 401
    assert stranger.error("DELETE", f"/sessions/{found['id']}")[0] == 401
    assert Admin(app, place(found)).error("POST", "/reset")[0] == 401
    assert Admin(app, place(found), bearer(TOKEN)).ask("POST", "/reset").status == 200


def test_ids_cannot_be_guessed(client: Admin) -> None:
    """Each is long and random."""
    ids = [opened(client)["id"] for _ in range(8)]
    assert len({*ids}) == 8
    assert all(len(identity) == 24 for identity in ids)


# --- as at the root -------------------------------------------------------------------------------------------------


@contextmanager
def exchanged(root: str, request: bytes) -> Iterator[bytes]:
    """The bytes of the answer to one request."""
    parts = urlsplit(root)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    yield answer


@pytest.mark.parametrize("name", VENDORS)
def test_every_request_is_answered_as_at_the_root(session: MockSession, name: str) -> None:
    """Spelled with percent signs, as an absolute target, with other methods, or with a body that is too large."""
    base, token = VENDORS[name].contract.base_path, VENDORS[name].world.token
    odd = "".join(f"%{ord(char):02x}" if char == "v" else char for char in base)
    large = b"content-length: 1048577\r\n\r\n" + b" " * 1048577
    with server.running(app_of(session)) as url:
        with httpx.Client(verify=PLAIN) as web:
            root = web.post(f"{url}/_trunkline/sessions", headers=dict([CHANGE_HEADER])).json()["url"]
        prefix = urlsplit(root).path
        host = urlsplit(url).netloc
        for line in (
            b"GET %(place)s%(base)s/trunks",
            b"GET %(place)s%(odd)s/trunks?limit=1",
            b"GET http://%(host)s%(place)s%(base)s/trunks?limit=1",
            b"HEAD %(place)s%(base)s/trunks",
            b"OPTIONS %(place)s%(base)s/trunks",
            b"DELETE %(place)s%(base)s",
            b"BREW %(place)s%(base)s/x",
            b"POST %(place)s%(base)s/trunks",
            b"GET %(place)s/elsewhere",
        ):
            answers = []
            for at in ("", prefix):
                values = {"place": at, "base": base, "odd": odd, "host": host}
                target = line % {key.encode(): value.encode() for key, value in values.items()}
                fields = f"host: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n".encode()
                end = large if line.startswith(b"POST") else b"\r\n"
                with exchanged(url, target + b" HTTP/1.1\r\n" + fields + end) as answer:
                    kept = [one for one in answer.split(b"\r\n") if not one.startswith((b"date", b"x-ratelimit"))]
                    answers.append(kept)
            assert answers[0] == answers[1]
            assert answers[0][0].startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("spelling", ["/%5ftrunkline/s/{id}", "/_trunkline/%73/{id}", "/_trunkline/s/{odd}"])
def test_the_address_may_be_spelled_with_percent_signs(app: ASGIApp, client: Admin, spelling: str) -> None:
    """All spellings of a path are the same path (RFC 3986, section 6.2.2.2)."""
    found = opened(client)
    odd = "".join(f"%{ord(char):02x}" for char in found["id"])
    vendor = VENDORS[FIRST]
    path = spelling.format(id=found["id"], odd=odd) + vendor.contract.base_path + Client(vendor, _nobody).path
    assert wrap(app)(Request("GET", path, "", bearer(vendor.world.token))).status == 200


def _nobody(_: Request) -> Response:
    return Response(404)


def test_a_page_may_use_a_session(app: ASGIApp, client: Admin) -> None:
    """Web pages of this machine read the answers of a session, also that it has ended, but not its admin surface."""
    found, ask = opened(client), wrap(app)
    origin = ("origin", "http://localhost:5173")
    base = urlsplit(found["vendors"][FIRST]["url"]).path
    for path in (f"{base}/x", "/_trunkline/s/gone/v1/x"):
        assert ask(Request("GET", path, "", (origin,))).header("access-control-allow-origin") == origin[1]
    refused = ask(Request("GET", f"{place(found)}/_trunkline/health", "", (origin,)))
    assert (refused.status, refused.header("access-control-allow-origin")) == (403, None)


def test_the_state_file_is_not_for_sessions(tmp_path: Path) -> None:
    """`serve` opens sessions that end when idle; what they hold is not saved, and is gone after a restart."""
    state = tmp_path / "state.db"
    vendor = VENDORS[FIRST]
    for _ in range(2):
        with (
            serving(FIRST, "--state", str(state), "--session-idle", "7") as (_, announced),
            httpx.Client(verify=PLAIN) as web,
        ):
            found = web.post(f"{announced['url']}/_trunkline/sessions", headers=dict([CHANGE_HEADER])).json()
            live: Target = targets.http(found["vendors"][FIRST]["url"])
            Client(vendor, live).created("user-1")
            root = targets.http(announced["vendors"][FIRST]["url"])
            assert len(Client(vendor, root).listed()) + 1 == len(Client(vendor, live).listed())


# --- many at once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "clients", "rounds"), [(12, 6, 3), pytest.param(200, 24, 4, marks=pytest.mark.slow)])
def test_many_sessions_stay_apart(session: MockSession, count: int, clients: int, rounds: int) -> None:
    """All are used at once. Each has only its own records, faults and requests, also after a reset."""
    with server.running(app_of(session)) as url, ThreadPoolExecutor(clients) as pool:
        users = [*pool.map(lambda number: _User(url, number), range(count))]
        assert len({user.found["id"] for user in users}) == count
        for step in range(rounds):
            for done in [pool.submit(user.use, step) for user in users]:
                done.result()
        for done in [pool.submit(user.leave) for user in users]:
            done.result()
        left = httpx.get(f"{url}/_trunkline/sessions", verify=PLAIN).json()["sessions"]
    assert {one["id"] for one in left} == {user.found["id"] for user in users if user.number % 2}
    for name, served in session.mocks.items():
        assert served.mock.snapshot("trunks") == MockSession([VENDORS[name]]).mocks[name].mock.snapshot("trunks")
    assert session.requests.entries() == []


class _User:
    """A client with a session of its own, and all that it must find there."""

    def __init__(self, url: str, number: int) -> None:
        self.number = number
        self.web = httpx.Client(headers=dict([CHANGE_HEADER]), timeout=60, verify=PLAIN)
        self.root = f"{url}/_trunkline/sessions"
        self.found: Json = self.web.post(self.root).json()
        name = sorted(VENDORS)[number % len(VENDORS)]
        self.steer = f"{self.found['url']}/_trunkline"
        self.records = f"{self.steer}/records/{name}/trunks"
        self.live = targets.http(self.found["vendors"][name]["url"], timeout=60)
        self.trunks = Client(VENDORS[name], self.live)
        self.held = {*self.trunks.listed()}
        self.asked = self._asked()

    def use(self, step: int) -> None:
        """Write as a client and as a test, fail by a fault, reset sometimes, and look."""
        self.held.add(self.trunks.created(f"user-{self.number}-{step}"))
        self.held.add(self.web.post(self.records, json={"name": f"{self.number}"}).json()["id"])
        operation = next(o for o in self.trunks.vendor.contract.operations if o.path == self.trunks.path)
        assert self.web.post(f"{self.steer}/faults", json={"faults": [f"{operation.operation_id}: 401 x1"]}).is_success
        assert self.trunks.ask("GET", self.trunks.path).status == 401
        assert {*self.trunks.listed()} == self.held
        records = self.web.get(self.records, params={"limit": 1000}).json()["records"]
        assert {record["id"] for record in records} == self.held
        if (self.number + step) % 3 == 0:
            assert self.web.post(f"{self.steer}/reset").is_success
            self.held = {*self.trunks.listed()}
            assert not any(trunk.get("name") == f"{self.number}" for trunk in self.trunks.listed().values())
        asked = self._asked()
        assert asked > self.asked
        self.asked = asked

    def _asked(self) -> int:
        """The number of the last request in the request log, all of which are this user's own."""
        requests = self.web.get(f"{self.steer}/requests", params={"limit": 1000}).json()["requests"]
        assert [one["number"] for one in requests] == [*range(1, len(requests) + 1)]
        return len(requests)

    def leave(self) -> None:
        """End every second session."""
        if self.number % 2 == 0:
            ended = self.web.delete(f"{self.root}/{self.found['id']}")
            assert ended.json() == {"ended": self.found["id"]}
        self.live.close()
        self.web.close()
