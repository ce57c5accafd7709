"""Tests of `trunkline.transport.proxy`: the mock answers for the vendors' hosts, to real and to hostile clients."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from unittest.mock import Mock, call
from urllib.parse import urlsplit

import httpx
import pytest

import requests
import trunkline
from tests.servers import LIMITED, Scripted, executing, printed_line, scripted, serving
from trunkline import mock
from trunkline.contract import folders
from trunkline.exchange import Request, Response
from trunkline.transport import forwarding, routing, server, tls
from trunkline.transport.access import RequestRefused
from trunkline.transport.protocol import MAX_HEAD
from trunkline.transport.proxy import Proxy
from trunkline.transport.scope import ASGIApp

HOST, OTHER = "api.telepathvoice.com", "app.talkover.ai"
pytestmark = pytest.mark.slow_for("asyncio")  # uvloop is the event loop wherever it is installed
AUTHORIZATION = {"Authorization": "Bearer sk_live_abc123def456..."}
OWN = ("127.0.0.1", 8900)
VENDORS = [*map(trunkline.load, folders.names())]


@dataclass(frozen=True)
class Running:
    """A server that is a proxy, and the file of its CA."""

    url: str
    ca: str
    authority: tls.Authority

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    @contextmanager
    def connected(self, *packets: bytes) -> Iterator[socket.socket]:
        """A client that has sent these packets."""
        with socket.create_connection(self.place, timeout=10) as client:
            for packet in packets:
                client.sendall(packet)
            yield client

    @contextmanager
    def tunnel(self, host: str = HOST) -> Iterator[ssl.SSLSocket]:
        """A client after the handshake in a tunnel."""
        with self.connected(connect(f"{host}:443")) as client:
            assert head(client).startswith(b"HTTP/1.1 200 ")
            context = ssl.create_default_context(cadata=self.authority.certificate.decode())
            with context.wrap_socket(client, server_hostname=host) as inner:
                yield inner


def proxying(authority: tls.Authority, *, passes_on: bool) -> tuple[ASGIApp, Proxy]:
    vendors = routing.bases(VENDORS)
    app = server.asgi({base: mock.from_vendor(vendor) for base, vendor in vendors.items()})
    contracts = [vendor.contract for vendor in vendors.values()]
    return app, Proxy(contracts, app, authority.issue, passes_on=passes_on)


@contextmanager
def running(
    authority: tls.Authority, *, passes_on: bool = False, context: ssl.SSLContext | None = None
) -> Iterator[Running]:
    app, proxy = proxying(authority, passes_on=passes_on)
    with server.running(app, proxy=proxy, tls=context) as url, authority.written() as ca:
        yield Running(url, ca, authority)


@pytest.fixture
def proxy(loop: str, authority: tls.Authority) -> Iterator[Running]:
    with running(authority) as found:
        yield found


@pytest.fixture
def passing(loop: str, authority: tls.Authority) -> Iterator[Running]:
    """A proxy that passes other hosts on."""
    with running(authority, passes_on=True) as found:
        yield found


def connect(target: str, *fields: str) -> bytes:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *fields, "", ""]
    return "\r\n".join(lines).encode()


def head(client: socket.socket) -> bytes:
    """The bytes until the end of a head, and no more."""
    received = b""
    while not received.endswith(b"\r\n\r\n") and (byte := client.recv(1)):
        received += byte
    return received


def everything(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


# --- real clients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_requests_reaches_the_mock(proxy: Running, scheme: str) -> None:
    """With `proxies=`, in a tunnel and without, on connections that are kept; a write is seen by the next read."""
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": proxy.url, "http": proxy.url}
        session.headers.update(AUTHORIZATION)
        url = f"{scheme}://{HOST}/v1/trunks"
        before = session.get(url, verify=proxy.ca, timeout=10).json()["pagination"]["total"]
        body = {
            "name": "North",
            "ai_provider": "openai",
            "sip_username": "north-01",
            "sip_password": "s3cur3P@ssw0rd!",
            "openai_api_key": "sk-openai-abc123...",
        }
        assert session.post(url, json=body, verify=proxy.ca, timeout=10).status_code == 201
        assert session.get(url, verify=proxy.ca, timeout=10).json()["pagination"]["total"] == before + 1


def test_httpx_reaches_the_mock(proxy: Running) -> None:
    """With `proxy=`."""
    context = ssl.create_default_context(cafile=proxy.ca)
    with httpx.Client(proxy=proxy.url, verify=context, trust_env=False) as client:
        assert client.get(f"https://{HOST}/v1/trunks", headers=AUTHORIZATION).status_code == 200
        assert client.get(f"https://{OTHER}/api/v1/health").json() == {"status": "ok"}


def test_http_client_reaches_the_mock(proxy: Running) -> None:
    """With `set_tunnel`; a refused tunnel says why in the exception."""
    context = ssl.create_default_context(cafile=proxy.ca)
    connection = HTTPSConnection(*proxy.place, timeout=10, context=context)
    connection.set_tunnel(HOST)
    connection.request("GET", "/v1/trunks", headers=AUTHORIZATION)
    assert connection.getresponse().status == 200
    connection.close()
    connection = HTTPSConnection(*proxy.place, timeout=10, context=context)
    connection.set_tunnel("example.com")
    with pytest.raises(OSError, match=r"403 example.com is not mocked here .* --proxy-pass passes it on"):
        connection.request("GET", "/")
    connection.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the path")
@pytest.mark.parametrize("way", [[], ["--proxytunnel"], ["--http1.0"]])
def test_curl_reaches_the_mock(proxy: Running, way: list[str]) -> None:
    """With `-x`, in the other ways of a proxy too."""
    command = ["curl", "-sS", "--noproxy", "", "--cacert", proxy.ca, "-x", proxy.url, *way]
    done = subprocess.run(
        [*command, "-H", "Authorization: " + AUTHORIZATION["Authorization"], f"https://{HOST}/v1/trunks?limit=1"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert json.loads(done.stdout)["pagination"]["total"] == 27


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the path")
def test_a_proxy_that_speaks_tls_itself(loop: str, authority: tls.Authority) -> None:
    """With `serve --tls --proxy` a tunnel's TLS runs within that of the proxy."""
    with running(authority, context=authority.issue(*tls.LOOPBACK)) as found:
        trust = ["--cacert", found.ca, "--proxy-cacert", found.ca, "-x", found.url]
        command = ["curl", "-sS", "--noproxy", "", *trust, f"https://{OTHER}/api/v1/health"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(done.stdout) == {"status": "ok"}


NODE = """
const http = require("node:http"), https = require("node:https");
const [proxy, host, path] = process.argv.slice(1);
const { hostname, port } = new URL(proxy);
const tunnel = http.request({ hostname, port, method: "CONNECT", path: `${host}:443` });
tunnel.on("connect", (response, socket) => {
  https.get({ host, path, socket, agent: false }, (answer) => {
    answer.pipe(process.stdout);
    answer.on("end", () => socket.end());
  });
});
tunnel.end();
"""


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not on the path")
def test_node_reaches_the_mock(proxy: Running) -> None:
    """By CONNECT and `node:https`, with `NODE_EXTRA_CA_CERTS`."""
    done = subprocess.run(
        ["node", "-e", NODE, proxy.url, OTHER, "/api/v1/health"],
        env={**os.environ, "NODE_EXTRA_CA_CERTS": proxy.ca},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert json.loads(done.stdout) == {"status": "ok"}


def test_the_mock_itself_is_served_as_before(proxy: Running) -> None:
    """By its own address, also by a client that sends it through the proxy."""
    for proxies in ({}, {"http": proxy.url}):
        with requests.Session() as session:
            session.trust_env = False
            session.proxies = proxies
            assert session.get(f"{proxy.url}/v1/trunks", headers=AUTHORIZATION, timeout=10).status_code == 200
    with proxy.connected(b"C", b"OPY /v1/trunks HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        assert head(client).startswith(b"HTTP/1.1 405 ")


# --- what a proxy refuses ---------------------------------------------------------------------------------------------


REFUSED = {
    connect("example.com:443"): (403, "example.com is not mocked here"),
    connect("127.0.0.1:22"): (403, "127.0.0.1 is not mocked here"),
    connect("[::1]:443"): (403, "::1 is not mocked here"),
    connect(f"{HOST}:25"): (403, f"{HOST} is mocked on port 443, not on 25"),
    connect(HOST): (400, "CONNECT names no port"),
    connect(f"{HOST}:0"): (400, "is not a host and a port"),
    connect(f"{HOST}:65536"): (400, "is not a host and a port"),
    connect(f"https://{HOST}:443"): (400, "is not a host and a port"),
    connect(f"user@{HOST}:443"): (400, "is not a host and a port"),
    connect("/"): (400, "is not a host and a port"),
    f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\n".encode(): (400, "not valid HTTP/1.1"),
    b"CONNECT \r\n\r\n": (400, ""),
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\x00\r\n\r\n": (400, ""),
    connect("a:443", "x: " + "x" * 2 * MAX_HEAD): (431, "too long"),
    b"CONNECT " + b"a" * (2 * MAX_HEAD): (431, "too long"),
    b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n": (403, "is not mocked here"),
    b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n": (403, "127.0.0.1 is not mocked"),
    f"GET http://{HOST}:81/v1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(): (
        403,
        "not mocked on port 81",
    ),
    f"GET http://{HOST}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(): (404, "answers below /v1/ only"),
    f"GET http://{HOST}/api/v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(): (404, "below /v1/"),
    f"GET http://{HOST}/_trunkline/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(): (404, "below /v1/"),
    f"GET http://{HOST}/%5Ftrunkline/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(): (404, "below /v1/"),
    b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n": (400, "is not a host and a port"),
}


@pytest.mark.parametrize("message", REFUSED, ids=lambda message: message[:40].decode("ascii", "replace"))
def test_what_is_not_for_the_proxy_is_refused(proxy: Running, message: bytes) -> None:
    """In one sentence, and the connection is closed."""
    status, sentence = REFUSED[message]
    with proxy.connected() as client:
        try:
            client.sendall(message)
        except ConnectionError:  # refused before the end of a huge head
            return
        try:
            answer = everything(client)
        except ConnectionError:
            return
    assert int(answer.split(b" ")[1]) == status
    found = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert sentence in found
    assert "\n" not in found


def test_a_head_may_come_in_pieces(proxy: Running) -> None:
    """Byte by byte, a CONNECT is the same."""
    message = connect(f"{HOST}:443")
    with proxy.connected() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in message:
            client.sendall(bytes([byte]))
        assert head(client).startswith(b"HTTP/1.1 200 ")


def test_a_tunnel_leads_to_one_host(proxy: Running) -> None:
    """A request in it for another host is misdirected, and a tunnel in a tunnel is not made."""
    with proxy.tunnel() as client:
        for host, status in ((HOST, b"401"), (OTHER, b"421"), ("127.0.0.1", b"421"), (f"{HOST}:443", b"401")):
            client.sendall(f"GET /v1/trunks HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = head(client)
            assert answer.split(b" ")[1] == status
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while length:
                length -= len(client.recv(length))
    with proxy.tunnel() as client:
        client.sendall(connect(f"{HOST}:443"))
        assert head(client).startswith(b"HTTP/1.1 400 ")


def test_what_comes_too_early_is_no_handshake(proxy: Running) -> None:
    """Bytes behind a CONNECT are not read as requests, and harm nobody else."""
    with proxy.connected(connect(f"{HOST}:443") + b"GET /v1/trunks HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        assert head(client).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"GET /v1/trunks HTTP/1.1\r\nHost: a\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert b"HTTP" not in everything(client)
    with proxy.tunnel():
        pass


# --- what it passes on ------------------------------------------------------------------------------------------------


def echo(request: Request) -> Response:
    names = sorted(name for name, _ in request.headers if name in {"via", "proxy-connection", "x-mine"})
    body = [request.method, request.path, request.query, len(request.body), *names]
    return Response(200, (("content-type", "application/json"),), json.dumps(body).encode())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_other_hosts_are_passed_on(passing: Running, scheme: str) -> None:
    """By option: forwarded, or in a tunnel of bytes; fields for the proxy itself are not."""
    context = passing.authority.issue("127.0.0.1") if scheme == "https" else None
    with server.running(server.asgi(echo), tls=context) as url, requests.Session() as session:
        session.trust_env = False
        session.proxies = {scheme: passing.url}
        session.headers.update({"Proxy-Connection": "keep-alive", "X-Mine": "1"})
        for size in (0, 1 << 20):
            answer = session.post(f"{url}/a%2Fb?c=%20d", data=b"x" * size, verify=passing.ca, timeout=10).json()
            kept = ["via", "x-mine"] if scheme == "http" else ["proxy-connection", "x-mine"]
            assert answer == ["POST", "/a%2Fb", "c=%20d", size, *kept]


def test_the_mocked_hosts_are_never_passed_on(passing: Running) -> None:
    """A proxy that passes hosts on answers for the vendors' itself."""
    with passing.tunnel() as client:
        client.sendall(f"GET /v1/trunks HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        assert b"x-trunkline-refusal" in everything(client)


@pytest.mark.parametrize(
    ("target", "status", "sentence"),
    [
        ("127.0.0.1:25", 403, "port 25 of 127.0.0.1 is not passed on"),
        ("nobody.invalid:443", 502, "nobody.invalid:443 cannot be reached"),
        ("a..b:443", 502, "cannot be reached"),
        ("x" * 70 + ":443", 502, "cannot be reached"),
    ],
)
def test_what_cannot_be_reached_is_refused(passing: Running, target: str, status: int, sentence: str) -> None:
    """In one sentence, and the connection is closed."""
    with passing.connected(connect(target)) as client:
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert sentence in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def test_a_plain_request_that_cannot_be_passed_on_is_refused(passing: Running) -> None:
    """An unreachable server is a 502."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        answer = requests.get(url, proxies={"http": passing.url}, timeout=10)
    assert answer.status_code == 502


def asking(far: Scripted, *fields: str, method: str = "GET") -> bytes:
    """The head of a request for another host."""
    lines = [f"{method} http://127.0.0.1:{far.port}/a HTTP/1.1", "Host: a", *fields, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        (b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", 502, "answered with the status 600, which HTTP does not have"),
        (b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", 502, "answered with the status 999, which HTTP does not have"),
        (b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 502, "did not answer in HTTP/1.1"),
        (b"garbage\r\n\r\n", 502, "did not answer in HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX-A:", 502, "did not answer in HTTP/1.1"),
        (b"", 502, "did not answer in HTTP/1.1"),
    ],
)
def test_an_answer_that_cannot_be_passed_back_is_explained(
    passing: Running, answer: bytes, status: int, sentence: str
) -> None:
    """In one sentence, also to a request with a body, and the connection is kept."""
    with scripted(answer) as far, passing.connected() as client:
        for _ in range(2):
            client.sendall(asking(far, "Content-Length: 3", method="POST") + b"abc")
            received = head(client)
            assert received.startswith(b"HTTP/1.1 %d " % status)
            length = int(received.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            assert json.loads(client.recv(length, socket.MSG_WAITALL)) == {"error": f"127.0.0.1:{far.port} {sentence}"}


def test_a_host_that_does_not_answer_is_given_up(passing: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute, with a 504."""
    monkeypatch.setattr(forwarding, "_ANSWER", 0.01)
    with scripted(lambda _: far.over.wait(10)) as far, passing.connected(asking(far, "Connection: close")) as client:
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"did not begin to answer within" in answer


@pytest.mark.slow
def test_a_host_that_gets_a_long_upload_is_not_given_up(passing: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The minute begins anew with each part of the body."""
    monkeypatch.setattr(forwarding, "_ANSWER", 1)

    def answer(connection: socket.socket) -> None:
        received = b""
        while not received.endswith(b"xxxx") and (data := connection.recv(1000)):
            received += data
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with scripted(answer) as far:
        message = asking(far, "Connection: close", "Content-Length: 4", method="POST")
        with passing.connected(message) as client:
            for _ in range(4):
                time.sleep(0.4)
                client.sendall(b"x")
            assert everything(client).startswith(b"HTTP/1.1 204 ")


def test_a_host_may_answer_while_the_body_comes(passing: Running) -> None:
    """Each side gets the parts of the other as they are sent."""

    def repeat(connection: socket.socket) -> None:
        while b"\r\n\r\n" not in connection.recv(1000):
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        for _ in range(3):
            connection.sendall(connection.recv(1))

    with scripted(repeat) as far, passing.connected(asking(far, "Content-Length: 3", method="POST")) as client:
        assert head(client).startswith(b"HTTP/1.1 200 ")
        for part in (b"a", b"b", b"c"):
            client.sendall(part)
            assert client.recv(10) == part


def test_fields_of_one_connection_are_not_passed_on(passing: Running) -> None:
    """In both directions, with those that `Connection` names; and an answer has one date, that of its origin."""
    date = b"Date: Mon, 01 Jan 2024 00:00:00 GMT"
    fields = b"Connection: x-mine\r\nX-Mine: 1\r\nKeep-Alive: 1\r\nContent-Length: 2\r\nX-Kept: 1"
    with scripted(b"HTTP/1.1 200 OK\r\n" + date + b"\r\n" + fields + b"\r\n\r\nhi") as far:
        asked = asking(far, "Connection: close, X-Del", "Connection: Host", "X-Del: 1", "TE: x", "X-Kept: 1")
        host = f"host: 127.0.0.1:{far.port}".encode()
        with passing.connected(asked) as client:
            answer, _, body = everything(client).lower().partition(b"\r\n\r\n")
    assert sorted(answer.split(b"\r\n")[1:]) == [
        b"connection: close",
        b"content-length: 2",
        date.lower(),
        b"via: 1.1 trunkline",
        b"x-kept: 1",
    ]
    assert body == b"hi"
    assert far.received[0].lower().split(b"\r\n")[1:-2] == [
        host,
        b"x-kept: 1",
        b"via: 1.1 trunkline",
        b"connection: close",
    ]


def test_an_answer_is_passed_back_as_it_comes(passing: Running) -> None:
    """Its parts do not wait for its end, as with server-sent events; one that breaks off is seen to do so."""
    is_seen = threading.Event()

    def answer(connection: socket.socket) -> None:
        far.receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert is_seen.wait(10)
        connection.sendall(b"3\r\ntwo\r\n")

    with scripted(answer) as far, passing.connected(asking(far)) as client:
        assert b"transfer-encoding: chunked" in head(client).lower()
        assert client.recv(8, socket.MSG_WAITALL) == b"3\r\none\r\n"
        is_seen.set()
        assert everything(client) == b"3\r\ntwo\r\n"  # and not the last, empty part


def test_a_host_may_answer_before_it_has_read_all(passing: Running) -> None:
    """The client has the answer though its large body is not wanted."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        far.over.wait(10)

    with scripted(refuse) as far, passing.connected(asking(far, f"Content-Length: {64 << 20}")) as client:
        client.sendall(b"x" * (1 << 20))
        assert head(client).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_leaves_ends_its_request(passing: Running) -> None:
    """The other host sees the end, though it has not answered."""
    has_ended = threading.Event()

    def wait(connection: socket.socket) -> None:
        far.receive(connection)
        assert everything(connection) == b""
        has_ended.set()

    with scripted(wait) as far:
        with passing.connected(asking(far)):
            pass
        assert has_ended.wait(10)


def test_hosts_that_do_not_answer_stop_nobody(passing: Running) -> None:
    """However many requests wait for such a host, that for another is passed on."""
    with scripted(lambda _: far.over.wait(10)) as far, ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(passing.connected(asking(far)))
        with scripted(b"HTTP/1.1 204 No Content\r\n\r\n") as other:
            client = clients.enter_context(passing.connected(asking(other)))
            assert head(client).startswith(b"HTTP/1.1 204 ")


def test_a_tunnel_to_the_server_itself_is_refused(passing: Running) -> None:
    """There is no loop, by whatever name."""
    port = passing.place[1]
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "127.1"):  # noqa: S104 - of a client
        with passing.connected(connect(f"{host}:{port}")) as client:
            assert head(client).startswith(f"HTTP/1.1 403 {host.strip('[]')}:{port} is this server itself".encode())


@pytest.mark.parametrize(
    ("peer", "local", "own", "is_itself"),
    [
        (("192.0.2.1", 8900), ("192.0.2.1", 5), ("192.0.2.1", 8900), True),
        (("192.0.2.1", 8900), ("192.0.2.1", 5), OWN, True),
        (("::1", 8900, 0, 0), ("::1", 5, 0, 0), OWN, True),
        (("192.0.2.9", 8900), ("192.0.2.1", 5), OWN, False),
        (("127.0.0.1", 8901), ("127.0.0.1", 5), OWN, False),
        (None, ("127.0.0.1", 5), OWN, False),
        (("127.0.0.1", 8900), None, OWN, False),
        (("127.0.0.1", 8900), ("127.0.0.1", 5), None, False),
    ],
)
def test_a_connection_to_the_server_itself_is_known(peer: object, local: object, own: Any, is_itself: bool) -> None:
    """By its two ends; one that has gone already is no error."""
    far = Mock(asyncio.Transport)
    far.get_extra_info.side_effect = {"peername": peer, "sockname": local}.get
    assert forwarding.is_itself(far, own) is is_itself


@pytest.mark.parametrize("host", ["0.0.0.0", "2130706433"])  # noqa: S104 - of a client
def test_a_plain_request_to_the_server_itself_by_another_name_is_refused(passing: Running, host: str) -> None:
    """The server does not ask itself."""
    message = f"GET http://{host}:{passing.place[1]}/_trunkline/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with passing.connected(message.encode()) as client:
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"is this server itself" in answer


def test_only_clients_of_the_machine_have_hosts_passed_on(authority: tls.Authority) -> None:
    """The proxy is open to nobody else, but answers for the vendors' hosts to all that reach it."""
    _, proxy = proxying(authority, passes_on=True)
    assert proxy.open("example.com:443", "127.0.0.1", OWN) == ("example.com", 443)
    assert proxy.open("Example.COM.:8443", "::1", OWN) == ("example.com", 8443)
    for client in ("192.0.2.1", "::ffff:192.0.2.1", ""):
        with pytest.raises(RequestRefused, match="for clients on the proxy's own machine only"):
            proxy.open("example.com:443", client, OWN)
        assert proxy.open(f"{HOST}:443", client, OWN) is authority.issue(HOST)


def test_both_ends_of_a_tunnel_are_bounded_and_end_together(passing: Running) -> None:
    """Many bytes pass in both directions, the other host may speak first, and both sides end together."""
    size = 4 << 20

    def speak(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        received = 0
        while received < size:
            received += len(connection.recv(1 << 16))
        connection.sendall(b"x" * size)

    with scripted(speak) as far, passing.connected(connect(f"127.0.0.1:{far.port}")) as client:
        assert head(client).startswith(b"HTTP/1.1 200 ")
        assert client.recv(5) == b"hello"
        client.sendall(b"y" * size)
        assert len(everything(client)) == size


def test_a_tunnel_counts_until_both_ends_are_closed(authority: tls.Authority) -> None:
    """So the server ends one whose client has left, though bytes are under way to a host that does not read."""
    _, own = proxying(authority, passes_on=True)
    near, far = Mock(asyncio.Transport, name="near"), Mock(asyncio.Transport, name="far")
    near.is_closing.return_value = False
    far.get_extra_info.return_value = near.get_extra_info.return_value = ("192.0.2.1", 1)
    near.get_extra_info.return_value = OWN
    connection = own.connection(Mock(), {}, Mock())
    connection.connection_made(near)
    connection.join(far, "192.0.2.1:1", b"abc")
    assert far.write.call_args_list == [call(b"abc")]
    connection.connection_lost(None)
    assert far.close.called
    assert not connection.is_closed
    connection.abort()
    assert far.abort.called
    connection.part()
    assert connection.is_closed
    connection.abort()
    assert not near.abort.called
    assert far.abort.call_count == 1


def test_a_client_that_leaves_ends_its_tunnel(passing: Running) -> None:
    """The other host sees the end."""
    has_ended = threading.Event()

    def listen(connection: socket.socket) -> None:
        assert everything(connection) == b"abc"
        has_ended.set()

    with scripted(listen) as far:
        with passing.connected(connect(f"127.0.0.1:{far.port}") + b"abc") as client:
            assert head(client).startswith(b"HTTP/1.1 200 ")
        assert has_ended.wait(10)


def test_clients_that_leave_are_no_error(passing: Running, caplog: pytest.LogCaptureFixture) -> None:
    """At whatever moment, also with bytes under way to the other host; none of them is logged."""

    def dawdle(connection: socket.socket) -> None:
        far.over.wait(10)
        everything(connection)

    abort = struct.pack("ii", 1, 0)
    with scripted(dawdle) as far:
        for target in (f"{HOST}:443", f"127.0.0.1:{far.port}", "127.0.0.1:1", "example.com:25"):
            for more in (b"", b"\x16\x03\x01", b"x" * 100):
                for has_waited in (False, True):
                    with passing.connected(connect(target), more) as client:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
                        if has_waited:
                            head(client)
        with passing.connected(connect(f"127.0.0.1:{far.port}")) as client:
            assert head(client).startswith(b"HTTP/1.1 200 ")
            client.settimeout(0.2)
            with suppress(TimeoutError):
                client.sendall(b"x" * (64 << 20))
        far.over.set()
        with passing.tunnel():
            pass
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- many, and the end ------------------------------------------------------------------------------------------------


def test_half_handshakes_stop_nobody(proxy: Running) -> None:
    """Clients that stop after CONNECT, or within the handshake, do not hold up the next one."""
    with ExitStack() as stack:
        for start in (b"", b"\x16\x03\x01\x02\x00\x01"):
            for _ in range(10):
                client = stack.enter_context(proxy.connected(connect(f"{HOST}:443")))
                assert head(client).startswith(b"HTTP/1.1 200 ")
                client.sendall(start)
        stack.enter_context(proxy.tunnel())


def test_each_reason_of_a_failed_handshake_is_logged_once(proxy: Running, caplog: pytest.LogCaptureFixture) -> None:
    """However many clients fail in a tunnel, for none may fill the log."""
    caplog.set_level(logging.INFO, "trunkline")
    for _ in range(5):
        with proxy.connected(connect(f"{HOST}:443")) as client:
            assert head(client).startswith(b"HTTP/1.1 200 ")
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with suppress(ConnectionError):
                everything(client)
    expected = "a client's TLS handshake failed: it speaks plain HTTP; the address begins with https://"
    assert caplog.messages == [expected]


def test_a_proxy_ends_at_once(loop: str, authority: tls.Authority) -> None:
    """Though clients hold tunnels, in the handshake, before a request, and to other hosts, or wait for such a host."""
    reached = threading.Semaphore(0)

    def wait(_: socket.socket) -> None:
        reached.release()
        far.over.wait(10)

    before = {*threading.enumerate()}
    with scripted(wait) as far, ExitStack() as clients:
        with running(authority, passes_on=True) as found:
            for target in (f"{HOST}:443", f"127.0.0.1:{far.port}"):
                client = clients.enter_context(found.connected(connect(target)))
                assert head(client).startswith(b"HTTP/1.1 200 ")
            clients.enter_context(found.tunnel())
            clients.enter_context(found.connected(asking(far)))
            for _ in range(2):  # the tunnel, and the request
                assert reached.acquire(timeout=10)
            begin = time.perf_counter()
        assert time.perf_counter() - begin < 2
        assert isinstance(far, Scripted)
    assert "trunkline-server" not in {thread.name for thread in {*threading.enumerate()} - before}


SCRIPT = """
import trunkline
from trunkline import mock
from trunkline.transport import proxy, server, tls
server._LOOK_EVERY = 0.01
vendor, authority = trunkline.load("telepath"), tls.Authority()
app = server.asgi({"/v1": mock.from_vendor(vendor)})
own = proxy.Proxy([vendor.contract], app, authority.issue, passes_on=True)

def ready(url):
    print(url, flush=True)

with authority.written() as path:
    print(path, flush=True)
    server.serve(app, host="127.0.0.1", port=0, on_ready=ready, proxy=own)
"""


@pytest.mark.parametrize("event_loop", ["uvloop", "asyncio"])
def test_many_tunnels_leave_room_for_others(event_loop: str, tmp_path: Path) -> None:
    """A process with 64 files serves the next client though 150 hold tunnels, begun or to another host."""

    def wait(connection: socket.socket) -> None:
        far.over.wait(30)

    with scripted(wait) as far, ExitStack() as stack:
        process, ca = stack.enter_context(executing(LIMITED[event_loop] + SCRIPT, TMPDIR=str(tmp_path)))
        url = printed_line(process)
        parts = urlsplit(url)
        for number in range(150):
            client = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)
            stack.enter_context(client)
            client.sendall(connect(f"{HOST}:443" if number % 2 else f"127.0.0.1:{far.port}"))
        with requests.Session() as session:
            session.trust_env = False
            session.proxies = {"https": url}
            found = session.get(f"https://{HOST}/v1/trunks", headers=AUTHORIZATION, verify=ca, timeout=30)
        assert found.status_code == 200


# --- trunkline serve --proxy ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the path")
def test_serve_prints_the_environment_of_clients() -> None:
    """With these variables a client that names the vendor's own host reaches the mock."""
    with serving("--proxy") as (process, line):
        assert line["proxy"]["HTTPS_PROXY"] == line["url"]
        done = subprocess.run(
            ["curl", "-sS", f"https://{OTHER}/api/v1/health"],
            env={**os.environ, **line["proxy"]},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert json.loads(done.stdout) == {"status": "ok"}
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert f"proxy for {OTHER}, {HOST}; it refuses other hosts; for its clients:" in err
    for name, value in line["proxy"].items():
        assert f"\n  export {name}={value}\n" in err
    assert not Path(line["ca"]).exists()


def test_serve_trusts_what_the_machine_trusts_when_it_passes_hosts_on(tmp_path: Path) -> None:
    """Clients that know one file only can then verify other hosts too; the mock's own address stays as it is."""
    count = len(ssl.create_default_context().get_ca_certs())
    with serving("telepath", "--proxy-pass", environ={"TMPDIR": str(tmp_path)}) as (_, line):
        assert Path(line["ca"]).read_text("utf-8").count("BEGIN CERTIFICATE") == 1 + count
        assert "--cacert" not in line["vendors"]["telepath"]["curl"]
        assert line["url"].startswith("http://")
