"""`/_trunkline/reset` and `trunkline reset` return to the fixtures, and only for clients that are allowed to."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.requests import Client
from tests.servers import free_port, serving
from trunkline import cli, mock
from trunkline.contract import folders
from trunkline.errors import Redirected, UsageError
from trunkline.exchange import Headers, Request, Response, Target
from trunkline.mock import Mock, loader, storage
from trunkline.mock.session import MockSession
from trunkline.transport import access, admin, routing, server, targets
from trunkline.transport.asgi import application, wrap
from trunkline.transport.scope import ASGIApp, Message, Receive, Send

VENDORS = {name: loader.load(name) for name in folders.names()}
ALL = sorted(VENDORS)
TOKEN = "hush-0123456789"
CHANGE_HEADER = ("x-trunkline", "yes")
HERE = "127.0.0.1:8900"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mocks() -> dict[str, Mock]:
    """A mock of each vendor, with one created item."""
    found = {name: mock.from_vendor(VENDORS[name]) for name in ALL}
    for name, fake in found.items():
        Client(VENDORS[name], fake).created("user-1")
    return found


def written(mocks: dict[str, Mock]) -> list[str]:
    """The vendors whose mocks differ from the fixtures."""
    shipped = {name: mock.from_vendor(VENDORS[name]).snapshot("trunks") for name in ALL}
    return [name for name, fake in mocks.items() if fake.snapshot("trunks") != shipped[name]]


def reset(
    mocks: dict[str, Mock],
    *fields: tuple[str, str],
    token: str | None = None,
    client: str = "127.0.0.1",
    host: str = HERE,
    query: str = "",
    method: str = "POST",
    path: str = "/reset",
) -> Response:
    """The response of the reserved path to a client."""
    headers: Headers = (("host", host), *fields)
    return from_client(admin.admin(session(mocks), token), client)(Request(method, path, query, headers))


def session(mocks: dict[str, Mock]) -> MockSession:
    return MockSession([fake.vendor for fake in mocks.values()], lambda vendor: mocks[vendor.name])


def from_client(app: ASGIApp, client: str) -> Target:
    """The application as a client at an address sees it."""

    async def called(scope: Message, receive: Receive, send: Send) -> None:
        await app({**scope, "client": (client, 50000)}, receive, send)

    return wrap(called)


def error(response: Response) -> str:
    body = response.json()
    assert set(body) == {"error"}
    assert response.header("content-type") == "application/json"
    return str(body["error"])


# --- the reserved path ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", [HERE, "localhost", "LocalHost:1", "[::1]:8900", "127.0.0.1"])
def test_a_request_from_this_machine_may_reset(mocks: dict[str, Mock], client: str, host: str) -> None:
    """It needs no credential, only the header that shows that it is meant."""
    response = reset(mocks, CHANGE_HEADER, client=client, host=host)
    assert (response.status, response.json()) == (200, {"reset": ALL})
    assert written(mocks) == []


@pytest.mark.parametrize("client", ["192.168.1.7", "::ffff:10.0.0.1", "2001:db8::1", "", "testclient"])
def test_a_request_from_another_machine_may_not(mocks: dict[str, Mock], client: str) -> None:
    """Without an admin token it is refused, and the message names the option."""
    response = reset(mocks, CHANGE_HEADER, client=client)
    assert response.status == 403
    assert "start the server with --admin-token (or $TRUNKLINE_ADMIN_TOKEN)" in error(response)
    assert written(mocks) == ALL


@pytest.mark.parametrize("fields", [(), (("x-trunkline", ""),), (("origin", "http://127.0.0.1:8900"),)])
def test_a_web_page_of_another_origin_cannot(mocks: dict[str, Mock], fields: Headers) -> None:
    """A form or a simple request is not enough, and no preflight allows more."""
    assert reset(mocks, *fields).status == 403
    asked = (("origin", "http://evil.example"), ("access-control-request-headers", "x-trunkline"))
    preflight = reset(mocks, *asked, method="OPTIONS")
    assert preflight.status == 403
    assert not any(name.startswith("access-control") for name, _ in preflight.headers)
    assert written(mocks) == ALL


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8900",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[::2]",
        "[",
        "[[::1]]",
        "[::1",
        "::1",
        "[127.0.0.1]",
        "[localhost]",
        "127.0.0.1:80:80",
    ],
)
def test_a_web_page_with_a_rebound_name_cannot(mocks: dict[str, Mock], host: str) -> None:
    """DNS rebinding makes a page of the same origin, but its name is in the Host header."""
    response = reset(mocks, CHANGE_HEADER, host=host)
    assert response.status == 403
    assert "the Host names another machine" in error(response)
    assert reset(mocks, CHANGE_HEADER, ("host", HERE), host=host).status == 403
    assert written(mocks) == ALL


@pytest.mark.parametrize("client", ["127.0.0.1", "192.168.1.7"])
def test_with_a_token_only_the_token_counts(mocks: dict[str, Mock], client: str) -> None:
    """Every client needs it, and any client may have it."""
    wrong = ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é", TOKEN]
    for value in (None, *wrong):
        fields = (CHANGE_HEADER,) if value is None else (CHANGE_HEADER, ("authorization", value))
        response = reset(mocks, *fields, token=TOKEN, client=client)
        assert response.status == 401
        assert response.header("www-authenticate") == 'Bearer realm="trunkline"'
        assert TOKEN not in error(response)
    assert written(mocks) == ALL
    proof = ("authorization", f"bearer {TOKEN}")
    assert reset(mocks, proof, token=TOKEN, client=client, host="mock.example").status == 200
    assert written(mocks) == []


@pytest.mark.parametrize("token", ["", " ", "a b", "é", "a\n", "Bearer x"])
def test_a_token_that_no_client_can_send_is_refused(token: str) -> None:
    """An empty token above all, which would admit every client."""
    with pytest.raises(UsageError, match="the admin token is empty or holds what no bearer token can"):
        admin.admin(session({}), token)


def test_one_vendor_can_be_reset(mocks: dict[str, Mock], caplog: pytest.LogCaptureFixture) -> None:
    """Each named vendor is reset once. If one of the names is not served, nothing is reset."""
    unknown = reset(mocks, CHANGE_HEADER, query=f"vendor={ALL[0]}&vendor=acme")
    assert (unknown.status, error(unknown)) == (
        404,
        f"no such vendor is served here; there are: {', '.join(ALL)}",
    )
    assert reset(mocks, CHANGE_HEADER, query="vendor=").status == 404
    assert written(mocks) == ALL
    with caplog.at_level(logging.INFO):
        assert reset(mocks, CHANGE_HEADER, query=f"vendor={ALL[0]}&vendor={ALL[0]}").json() == {"reset": [ALL[0]]}
    assert caplog.messages == [f"{ALL[0]} was reset to its fixtures"]
    assert written(mocks) == ALL[1:]


@pytest.mark.parametrize("query", ["vendors=x", "name=x", "x", "vendor=x&y=1"])
def test_an_unknown_parameter_resets_nothing(mocks: dict[str, Mock], query: str) -> None:
    """A misspelled parameter does not mean all vendors."""
    assert reset(mocks, CHANGE_HEADER, query=query).status == 400
    assert written(mocks) == ALL


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"])
def test_only_post_resets(mocks: dict[str, Mock], method: str) -> None:
    """Any other method is refused, and the response names POST."""
    response = reset(mocks, CHANGE_HEADER, method=method)
    assert (response.status, response.header("allow")) == (405, "POST")
    assert written(mocks) == ALL


@pytest.mark.parametrize("path", ["/reset/", "/RESET", "/reset%2F", "/other"])
def test_nothing_else_is_there(mocks: dict[str, Mock], path: str) -> None:
    """A path that is almost right is not found."""
    response = reset(mocks, CHANGE_HEADER, path=path)
    assert response.status == 404
    assert "POST /_trunkline/reset" in error(response)


def test_a_reset_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    """The answer is 507 with the vendor, the file and the reason; the mock does not change."""
    vendor = VENDORS[ALL[0]]
    with closing(storage.from_file(tmp_path / "state.db")) as state:
        fake = mock.from_vendor(vendor, storage=state)
        Client(vendor, fake).created("user-1")
        state.database.connection.execute("PRAGMA query_only = ON")
        response = reset({vendor.name: fake}, CHANGE_HEADER)
        assert response.status == 507
        assert error(response).startswith(f"{vendor.name} was not reset: {tmp_path / 'state.db'} cannot be written")
        assert written({vendor.name: fake}) == [vendor.name]


# --- on a server ----------------------------------------------------------------------------------------------------


@contextmanager
def served(mocks: dict[str, Mock], token: str | None = None) -> Iterator[str]:
    """Serve the mocks on a port, with the reserved path."""
    places = {fake.vendor.contract.base_path: fake for fake in mocks.values()}
    with server.running(server.asgi(places, admin=admin.admin(session(mocks), token))) as url:
        yield url


def test_the_path_is_beside_the_vendors(mocks: dict[str, Mock]) -> None:
    """It is at the server's root; the same path below a vendor's base belongs to the vendor."""
    with served(mocks) as url:
        live = targets.http(url)
        with pytest.raises(Redirected):
            live(Request("GET", "/_trunkline"))
        assert "POST /_trunkline/reset" in error(live(Request("POST", "/_trunkline/resets", "", (CHANGE_HEADER,))))
        assert "every path begins with" in error(live(Request("POST", "/_trunkliner/reset", "", (CHANGE_HEADER,))))
        base = VENDORS[ALL[0]].contract.base_path
        assert live(Request("POST", f"{base}/_trunkline/reset", "", (CHANGE_HEADER,))).status == 404
        assert written(mocks) == ALL
        assert live(Request("POST", "/_trunkline/reset", "", (CHANGE_HEADER,), b"{}")).json() == {"reset": ALL}
        assert written(mocks) == []
        live.close()


def test_an_application_without_admin_has_no_such_path(mocks: dict[str, Mock]) -> None:
    """Then it hides nothing from a vendor at the root."""
    bare = wrap(server.asgi({"/v1": mocks[ALL[0]]}))
    assert "every path begins with /v1/" in error(bare(Request("POST", "/_trunkline/reset", "", (CHANGE_HEADER,))))
    root = wrap(server.asgi({"": mocks[ALL[0]]}, admin=admin.admin(session(mocks))))
    assert root(Request("POST", "/_trunkline/reset", "", (CHANGE_HEADER,))).status == 200
    assert root(Request("GET", "/_trunkling")).header(mock.REFUSAL_HEADER)


def test_no_vendor_can_have_the_reserved_path() -> None:
    """A base path that is the reserved one, or below it, is refused."""
    vendor = VENDORS[ALL[0]]
    for base in ("/_trunkline", "/_trunkline/v1"):
        odd = replace(vendor, contract=replace(vendor.contract, url=f"https://api.example.com{base}"))
        with pytest.raises(UsageError, match="which is reserved for trunkline itself"):
            routing.bases([odd])


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `trunkline reset` in this process: its code, standard output and standard error."""
    monkeypatch.delenv(access.ADMIN_TOKEN_VARIABLE, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(["reset", *arguments])
        out, err = capfd.readouterr()
        assert re.fullmatch(r"(trunkline: [^\n]+\n)?", err), err
        return code, out, err

    return run


def test_a_running_server_is_reset(mocks: dict[str, Mock], run: Run) -> None:
    """All vendors that it serves, or the named ones; one line says which and where."""
    with served(mocks) as url:
        assert run(ALL[0], "--url", url) == (0, f"reset {ALL[0]} at {url}\n", "")
        assert written(mocks) == ALL[1:]
        assert run("--url", url) == (0, f"reset {', '.join(ALL)} at {url}\n", "")
        assert written(mocks) == []


def test_a_token_is_sent_and_never_shown(mocks: dict[str, Mock], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the option or from the environment; if it is missing or wrong, the message names both."""
    with served(mocks, TOKEN) as url:
        sentence = "answered 401: give its admin token, "
        for arguments in ((), ("--admin-token", "other")):
            code, out, err = run("--url", url, *arguments)
            assert (code, out) == (2, "")
            assert sentence in err
        assert written(mocks) == ALL
        assert run(ALL[0], "--url", url, "--admin-token", TOKEN)[0] == 0
        monkeypatch.setenv(access.ADMIN_TOKEN_VARIABLE, TOKEN)
        assert run("--url", url)[0] == 0
        assert written(mocks) == []


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Response(200, (), b"hello"), "answered 200, as no `trunkline serve` would; give its address without a path"),
        (Response(200, (), b'{"reset": 1}'), "answered 200, as no `trunkline serve` would"),
        (Response(404, (), b"[]"), "answered 404, as no `trunkline serve` would"),
        (Response(500, (), b'{"error": {"code": 1}}'), "answered 500, as no `trunkline serve` would"),
        (Response(403, (), b'{"error": "no ' + TOKEN.encode() + b'"}'), "answered 403: no ***"),
        (Response(302, (("location", "/x"),)), "answered 302 to another path; trunkline never follows a redirect"),
    ],
)
def test_a_server_that_is_not_trunkline_is_one_sentence(answer: Response, sentence: str, run: Run) -> None:
    """The code is 2, and the token is not printed, even if the server echoes it."""
    with server.running(application(lambda _: answer)) as url:
        code, out, err = run("--url", url, "--admin-token", TOKEN)
    assert (code, out) == (2, "")
    assert sentence in err
    assert TOKEN not in err


def test_a_server_that_is_down_is_one_sentence(run: Run) -> None:
    """It has the address, also the default one."""
    place = f"127.0.0.1:{free_port()}"
    code, _, err = run("--url", f"http://{place}")
    assert (code, f"{place} refuses connections" in err) == (2, True)
    for arguments, sentence in (
        (("--url", "localhost"), "does not begin with http://"),
        (("--admin-token", ""), "the admin token is empty"),
        (("--url", "http://x", "--state", "y"), "give --url or --state"),
        ((ALL[0], "--url", f"http://{place}/v1"), "refuses connections"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, sentence in err) == (2, "", True), err


def test_a_state_file_is_reset(run: Run, tmp_path: Path) -> None:
    """For the named vendors, or for all; the next mock starts with the fixtures."""
    path = tmp_path / "state.db"
    with closing(storage.from_file(path)) as state:
        for name in ALL:
            Client(VENDORS[name], mock.from_vendor(VENDORS[name], storage=state)).created("user-1")
        code, _, err = run("--state", str(path))
        assert code == 2
        assert "in use by another process; stop that, or name another file; `trunkline reset --url` resets a" in err
    assert run("acme", "--state", str(path))[0] == 2
    assert run(ALL[0], "--state", str(path)) == (0, f"reset {ALL[0]} in {path}\n", "")
    assert run(ALL[0], "--state", str(path)) == (0, f"nothing to reset: {path} has no such state\n", "")
    with closing(storage.from_file(path)) as state:
        mocks = {name: mock.from_vendor(VENDORS[name], storage=state) for name in ALL}
        assert written(mocks) == ALL[1:]
    assert run("--state", str(path)) == (0, f"reset {', '.join(ALL)} in {path}\n", "")
    (tmp_path / "text").write_text("hello")
    advice = "name the file that `trunkline serve --state` wrote"
    for name, reason in (("other", "does not exist"), ("no/other", "does not exist"), ("text", "is not a state file")):
        assert run("--state", str(tmp_path / name)) == (2, "", f"trunkline: {tmp_path / name} {reason}; {advice}\n")
    (tmp_path / "text").unlink()
    assert [file.name for file in tmp_path.iterdir()] == ["state.db"]


def test_a_served_mock_can_be_reset(tmp_path: Path, run: Run) -> None:
    """`trunkline serve` has the path, with the admin token of its environment; it logs a reset, and stores it."""
    path = tmp_path / "state.db"
    vendor = VENDORS[ALL[0]]
    with serving("--state", str(path), environ={access.ADMIN_TOKEN_VARIABLE: TOKEN}) as (process, announced):
        client = Client(vendor, targets.http(announced["vendors"][vendor.name]["url"]))
        before = client.listed()
        client.created("user-1")
        client.ask("GET", f"/{TOKEN}")
        assert run("--url", announced["url"])[0] == 2
        assert run("--url", announced["url"], "--admin-token", TOKEN)[0] == 0
        assert client.listed() == before
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert f"{vendor.name} was reset to its fixtures\n" in err
    assert TOKEN not in err
    with closing(storage.from_file(path)) as state:
        assert written({vendor.name: mock.from_vendor(vendor, storage=state)}) == []
