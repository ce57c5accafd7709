"""Answers that are late, cut off or lost, as real clients see them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

import requests
import trunkline
from tests.requests import TRUNKS, bearer
from tests.servers import PLAIN
from trunkline.exchange import Request
from trunkline.mock.session import MockSession
from trunkline.transport import server, tls
from trunkline.transport.asgi import wrap

VENDOR = trunkline.load("telepath")
TOKEN = VENDOR.world.token
PATH = "/v1/trunks?limit=1"
NODE_CLIENT = Path(__file__).with_name("fault_client.mjs")

ERROR = "error"
EFFECTS: dict[str, tuple[str, int]] = {
    "503": ("503 JSON", 0),
    "INVALID_API_KEY": ("401 JSON", 0),
    "502": ("502 text", 0),
    "429 retry-after=1": ("429 JSON", 0),
    "204": ("204 text", 0),
    "delay=0.02": ("200 JSON", 0),
    "drip=0.02": ("200 JSON", 0),
    "drain": ("200 JSON", 0),
    "close": (ERROR, 52),
    "close=after-head": (ERROR, 18),
    "close=in-body": (ERROR, 18),
    "close=after": ("200 JSON", 0),
    "reset": (ERROR, 56),
    "reset=in-head": (ERROR, 56),
    "reset=after-head": (ERROR, 56),
    "reset=in-body": (ERROR, 56),
    "reset=after": ("200 JSON", 0),
    "lose-answer": (ERROR, 52),
    "truncate": ("200 text", 0),
    "malform": ("200 text", 0),
    "body=<html>": ("200 text", 0),
    "content-type=text/html": ("200 JSON", 0),
    "drop=/trunks": ("200 JSON", 0),
    "null": ("200 JSON", 0),
    "retype": ("200 JSON", 0),
    "skew=-300": ("200 JSON", 0),
    "503 drip=0.02 close=in-body": (ERROR, 18),
}
"""The result of each effect for a client, and for curl: it ends with 52 for no answer, 18 for half, 56 for a reset."""


@pytest.fixture
def session() -> MockSession:
    return MockSession([VENDOR])


@pytest.fixture
def url(session: MockSession) -> Iterator[str]:
    """The address of a mock on a port."""
    with server.running(server.asgi({"/v1": session.mocks[VENDOR.name]})) as root:
        yield root + PATH


def fields(fault: str) -> dict[str, str]:
    """The header fields of a request that asks for a fault."""
    return {"Authorization": f"Bearer {TOKEN}", "x-trunkline-fault": fault}


def seen(status: int, read_json: Callable[[], object]) -> str:
    """`200 JSON`, or `200 text` for a body that is not JSON."""
    try:
        read_json()
    except ValueError:
        return f"{status} text"
    return f"{status} JSON"


def ask_requests(url: str, fault: str) -> str:
    """The outcome for requests, which keeps its connection."""
    try:
        response = requests.get(url, headers=fields(fault), timeout=5)
    except requests.RequestException:
        return ERROR
    return seen(response.status_code, response.json)


def ask_httpx(url: str, fault: str) -> str:
    """The outcome for httpx."""
    try:
        response = httpx.get(url, headers=fields(fault), timeout=5, verify=PLAIN)
    except httpx.TransportError:
        return ERROR
    return seen(response.status_code, response.json)


def curl(url: str, fault: str, *options: str) -> tuple[int, str]:
    """The exit code of curl, and the outcome."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not on the path")
    headers = [word for pair in fields(fault).items() for word in ("-H", ": ".join(pair))]
    done = subprocess.run(
        ["curl", "-sS", "-m", "5", "-w", "\n%{http_code}", *headers, *options, url],
        capture_output=True,
        text=True,
        check=False,
    )
    body, _, status = done.stdout.rpartition("\n")
    return done.returncode, ERROR if done.returncode else seen(int(status), lambda: json.loads(body))


@pytest.mark.parametrize("ask", [ask_requests, ask_httpx])
@pytest.mark.parametrize("fault", EFFECTS)
def test_clients_of_python_see_each_effect(url: str, ask: Callable[[str, str], str], fault: str) -> None:
    """A status, a body that is not JSON, or an exception; and the server goes on."""
    assert ask(url, fault) == EFFECTS[fault][0]
    assert ask(url, "200") == "200 JSON"


@pytest.mark.parametrize("upgrade", [(), ("-H", "Upgrade: h2c", "-H", "Connection: Upgrade")], ids=["httptools", "h11"])
def test_curl_sees_each_effect(url: str, upgrade: tuple[str, ...]) -> None:
    """Its exit code tells what happened to the connection, whichever parser read the request."""
    assert {fault: curl(url, fault, *upgrade) for fault in EFFECTS} == {
        fault: (code, outcome) for fault, (outcome, code) in EFFECTS.items()
    }


def test_fetch_of_node_sees_each_effect(url: str) -> None:
    """It rejects a connection that breaks before the end of the body, and JSON that is none."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not on the path")
    faults = [*EFFECTS]
    done = subprocess.run(["node", NODE_CLIENT, url, TOKEN, *faults], capture_output=True, text=True, check=True)
    outcomes = {}
    for fault, (status, error, _) in zip(faults, json.loads(done.stdout), strict=True):
        outcomes[fault] = f"{status} JSON" if not error else f"{status} text" if error == "SyntaxError" else ERROR
    assert outcomes == {fault: outcome for fault, (outcome, _) in EFFECTS.items()}


def test_each_effect_is_seen_over_tls(session: MockSession) -> None:
    """The same as without: the connection below TLS is closed or reset."""
    authority = tls.Authority()
    app = server.asgi({"/v1": session.mocks[VENDOR.name]})
    with server.running(app, tls=authority.issue("localhost", "127.0.0.1")) as root, authority.written() as ca:
        for fault, (outcome, _) in EFFECTS.items():
            code, found = curl(root + PATH, fault, "--cacert", str(ca))
            assert (fault, found, code == 0) == (fault, outcome, outcome != ERROR)


def test_a_reset_over_tls_resets_the_connection(session: MockSession) -> None:
    """Below TLS there is a reset, though some clients tell of an unexpected end."""
    authority = tls.Authority()
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    app = server.asgi({"/v1": session.mocks[VENDOR.name]})
    with server.running(app, tls=authority.issue("127.0.0.1")) as root:
        port = int(root.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
            socket.socket(fileno=os.dup(secure.fileno())) as below,
        ):
            secure.sendall(b"GET /v1/trunks HTTP/1.1\r\nHost: a\r\nx-trunkline-fault: reset=in-body\r\n\r\n")
            below.settimeout(5)
            with pytest.raises(ConnectionResetError):
                b"".join(iter(lambda: below.recv(1 << 16), b""))


def test_half_a_head_is_not_a_whole_one(session: MockSession, url: str) -> None:
    """Clients differ: some take it for an empty answer. The record has no status."""
    assert raw(url, "close=in-head") == b"HTTP/1.1 200 OK\r\ncontent-type: appl"
    assert ask_httpx(url, "close=in-head") == ERROR
    assert [request.status for request in session.requests.entries()] == [0, 0]


# --- on the wire ----------------------------------------------------------------------------------------------------


def connect(url: str, fault: str, target: str = PATH) -> socket.socket:
    """A connection on which a request was sent."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    lines = [f"GET {target} HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in fields(fault).items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def raw(url: str, fault: str, target: str = PATH) -> bytes:
    """All bytes of an answer after which the server closes the connection."""
    received = b""
    with connect(url, fault, target) as connection:
        while data := connection.recv(65536):
            received += data
    return received


def test_a_drained_connection_says_so_and_is_closed(url: str) -> None:
    """With `drain` the head says `Connection: close`; with `close=after` it does not."""
    assert b"\r\nconnection: close\r\n" in raw(url, "drain")
    assert b"connection" not in raw(url, "close=after").partition(b"\r\n\r\n")[0]


def test_the_length_is_that_of_the_whole_body(url: str) -> None:
    """A body that is cut off is shorter than the head says; one that is truncated is not."""
    for fault, whole in (("close=in-body", False), ("close=after-head", False), ("truncate close=after", True)):
        head, _, body = raw(url, fault).partition(b"\r\n\r\n")
        assert (b"\r\ncontent-length: %d\r\n" % len(body) in head + b"\r\n") is whole


def test_the_date_is_that_of_a_wrong_clock(url: str) -> None:
    """There is one `Date`, and the next answer on the connection has the right one."""
    with requests.Session() as client:
        wrong = client.get(url, headers=fields("skew=-86400"), timeout=5).headers["date"]
        right = client.get(url, headers=fields("200"), timeout=5).headers["date"]
    passed = parsedate_to_datetime(right) - parsedate_to_datetime(wrong)
    assert 86395 < passed.total_seconds() < 86405
    for target in (PATH, f"http://a{PATH}"):
        head = raw(url, "skew=100000000 close=after", target).lower()
        assert head.count(b"\r\ndate:") == 1
        assert wrong[12:16].encode() not in head


def test_a_connection_is_kept_after_a_fault_that_leaves_it_alone(url: str) -> None:
    """A late answer, a refusal and a changed body leave the connection open for the next request."""
    client = HTTPConnection(url.removeprefix("http://").partition("/")[0], timeout=5)
    client.connect()
    connection = client.sock
    for fault in ("delay=0.01 drip=0.01", "503", "429 retry-after=1", "truncate", "skew=7", "200"):
        client.request("GET", PATH, headers=fields(fault))
        assert client.getresponse().read()
        assert client.sock is connection
    client.close()


def test_a_delay_holds_up_nobody_else(url: str) -> None:
    """Others are answered while one waits for its first byte; the server ends without it."""
    with connect(url, "delay=60") as waiting, connect(url, "drip=60") as slow:
        assert slow.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert ask_requests(url, "200") == "200 JSON"
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)


def test_a_delay_lasts_as_long_as_it_says(url: str) -> None:
    """The answer does not come before."""
    begin = time.perf_counter()
    assert ask_httpx(url, "delay=0.05 drip=0.05") == "200 JSON"
    assert time.perf_counter() - begin >= 0.09


@pytest.mark.parametrize("fault", ["delay=0.02 reset", "delay=0.02 close=in-body", "delay=0.02 drip=0.02"])
def test_a_client_that_does_not_wait_is_no_error(url: str, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    """It is gone before its late answer: nothing is logged, and the server goes on."""
    connect(url, fault).close()
    assert ask_requests(url, "delay=0.05 drip=0.05") == "200 JSON"
    assert caplog.records == []


def test_a_lost_answer_over_http_has_happened(session: MockSession, url: str) -> None:
    """The classic: the client sees a broken connection, and the trunk is there."""
    trunk = {**TRUNKS[VENDOR.name].required, "name": "Lost", "sip_username": "lost-1"}
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json=trunk, headers=fields("lose-answer"), timeout=5)
    assert session.mocks[VENDOR.name].mock.snapshot("trunks")[-1]["sip_username"] == "lost-1"


def test_a_half_write_and_a_stale_read_over_http(url: str) -> None:
    """The client is told that the name is changed, and reads the old one; or reads what was there before."""
    root = url.partition("?")[0]
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, verify=PLAIN) as client:
        before = client.get(root).json()["trunks"][0]
        told = client.patch(f"{root}/{before['id']}", json={"name": "New"}, headers=fields("half-write")).json()
        assert (told["name"], client.get(root).json()["trunks"][0]["name"]) == ("New", before["name"])
        assert client.patch(f"{root}/{before['id']}", json={"name": "Newer"}).is_success
        stale, fresh = (client.get(root, headers=fields(fault)).json()["trunks"][0] for fault in ("stale", "200"))
        assert (stale["name"], fresh["name"]) == (before["name"], "Newer")


def test_another_server_ends_the_connection_itself(session: MockSession) -> None:
    """Where the connection is not known, the application raises; delays and changed bodies work everywhere."""
    app = wrap(server.asgi({"/v1": session.mocks[VENDOR.name]}))

    def ask(fault: str) -> tuple[int, str | None]:
        request = Request("GET", "/v1/trunks", "", (*bearer(TOKEN), ("x-trunkline-fault", fault)))
        response = app(request)
        return response.status, response.header("x-trunkline-exception")

    assert ask("close") == (500, "ConnectionError")
    assert ask("delay=0.01 truncate drain") == (200, None)
