"""Tests of `trunkline.plugin.intercept`: each kind of client, what it reaches, and what is refused."""

from __future__ import annotations

import _socket
import asyncio
import gc
import http.client
import importlib.util
import json
import os
import socket
import ssl
import threading
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import urllib3

import requests
import trunkline
from tests.plugin.test_plugin import Run, run
from trunkline.contract.model import Contract
from trunkline.errors import UsageError
from trunkline.mock.recording import RecordingMock
from trunkline.plugin.intercept import Guard, Listener, listening
from trunkline.transport import server, tls

__all__ = ["run"]

pytest_plugins = "pytester"

for _name in ("aiohttp", "uvloop"):  # a test that uses them imports them before it begins
    with suppress(ImportError):
        importlib.import_module(_name)

HOST = "api.telepathvoice.com"
URL = f"https://{HOST}/v1/trunks?limit=1"

Answer = tuple[int, str, bytes]
"""The parts that a client sees: status, content type and body."""


def by_requests(url: str, headers: dict[str, str]) -> Answer:
    answer = requests.get(url, headers=headers, timeout=10)
    return answer.status_code, answer.headers["content-type"], answer.content


def by_a_session_of_requests(url: str, headers: dict[str, str]) -> Answer:
    with requests.Session() as session:
        return [
            (answer.status_code, answer.headers["content-type"], answer.content)
            for answer in (session.get(url, headers=headers, timeout=10) for _ in range(2))
        ][-1]


def by_urllib3(url: str, headers: dict[str, str]) -> Answer:
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", url, headers=headers, timeout=10, retries=False)
        return answer.status, answer.headers["content-type"], answer.data


def by_urllib(url: str, headers: dict[str, str]) -> Answer:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.status, answer.headers["content-type"], answer.read()


def by_http_client(url: str, headers: dict[str, str]) -> Answer:
    place = urllib.parse.urlsplit(url)
    client = http.client.HTTPSConnection(place.netloc, timeout=10)
    client.request("GET", f"{place.path}?{place.query}", headers=headers)
    answer = client.getresponse()
    found = answer.status, answer.headers["content-type"], answer.read()
    client.close()
    return found


def by_httpx(url: str, headers: dict[str, str]) -> Answer:
    answer = httpx.get(url, headers=headers)
    return answer.status_code, answer.headers["content-type"], answer.content


async def httpx_async(url: str, headers: dict[str, str]) -> Answer:
    async with httpx.AsyncClient() as client:
        answer = await client.get(url, headers=headers)
        return answer.status_code, answer.headers["content-type"], answer.content


async def aiohttp_async(url: str, headers: dict[str, str]) -> Answer:
    import aiohttp  # noqa: PLC0415 - it may not be installed

    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status, answer.headers["content-type"], await answer.read()


async def open_connection(url: str, headers: dict[str, str]) -> Answer:
    """Streams of asyncio, for which uvloop resolves the name itself."""
    place = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port or 443, ssl=ssl.create_default_context())
    lines = [f"GET {place.path}?{place.query} HTTP/1.1", f"Host: {place.netloc}", "Connection: close"]
    writer.write("\r\n".join([*lines, *(": ".join(pair) for pair in headers.items()), "", ""]).encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    with suppress(ssl.SSLError):
        await writer.wait_closed()
    status, *fields = head.decode().split("\r\n")
    found = dict(field.lower().split(": ", 1) for field in fields)
    return int(status.split()[1]), found["content-type"], body


def on(loop: str, ask: Callable[..., Any]) -> Callable[..., Answer]:
    """Run an asynchronous client on an event loop."""

    def run(*arguments: object) -> Answer:
        answer: Answer
        if loop == "trio":
            answer = importlib.import_module("trio").run(ask, *arguments)
            return answer
        factory = importlib.import_module("uvloop").new_event_loop if loop == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            answer = runner.run(ask(*arguments))
        return answer

    return run


CLIENTS: dict[str, Callable[..., Answer]] = {
    "requests": by_requests,
    "requests.Session": by_a_session_of_requests,
    "urllib3": by_urllib3,
    "urllib": by_urllib,
    "http.client": by_http_client,
    "httpx": by_httpx,
    "httpx on asyncio": on("asyncio", httpx_async),
    "httpx on uvloop": on("uvloop", httpx_async),
    "httpx on trio": on("trio", httpx_async),
    "aiohttp on asyncio": on("asyncio", aiohttp_async),
    "aiohttp on uvloop": on("uvloop", aiohttp_async),
    "streams of asyncio": on("asyncio", open_connection),
    "streams of uvloop": on("uvloop", open_connection),
}

INSTALLED = {
    name: ask
    for name, ask in CLIENTS.items()
    if all(importlib.util.find_spec(word) for word in ("aiohttp", "trio", "uvloop") if word in name)
}

each_client = pytest.mark.parametrize("ask", INSTALLED.values(), ids=INSTALLED)


Listen = Callable[[Contract], Listener]

VENDORS = {name: trunkline.load(name) for name in ("telepath", "talkover")}
URLS = {name: vendor.contract.url for name, vendor in VENDORS.items()}
HOSTS = {vendor.contract.host: name for name, vendor in VENDORS.items()}


@pytest.fixture(scope="module")
def listen() -> Iterator[Listen]:
    """The listeners of this module."""
    with listening() as listen:
        yield listen


@contextmanager
def guarded(hosts: Mapping[str, str] = HOSTS) -> Iterator[Guard]:
    """A guard of both vendors' hosts, or of others."""
    guard = Guard("test_mine.py::test_it", hosts)
    try:
        yield guard
    finally:
        guard.undo()


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """A guard of both vendors' hosts, without proxies in the environment."""
    for name in ("NO_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with guarded() as guard:
        yield guard


@pytest.fixture
def mock(guard: Guard, listen: Listen) -> RecordingMock:
    """A mock to which a vendor's real host is redirected."""
    mock = RecordingMock(VENDORS["telepath"], trunks=3)
    guard.redirect(listen(mock.vendor.contract), mock)
    return mock


def credential(mock: RecordingMock) -> dict[str, str]:
    """The header with a valid token."""
    return {"Authorization": f"Bearer {mock.token}"}


# --- what a client reaches --------------------------------------------------------------------------------------------


@each_client
def test_a_client_reaches_the_mock(ask: Callable[..., Answer], guard: Guard, mock: RecordingMock) -> None:
    """Each kind of client sees the answer of the mock, and has verified a certificate for the real host."""
    status, content_type, body = ask(URL, credential(mock))
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body)["pagination"] == {"limit": 1, "offset": 0, "total": 3}
    request = mock.requests[0]
    assert (request.path, request.query, request.headers["host"]) == ("/trunks", "limit=1", HOST)
    assert guard.refused == []


@each_client
def test_no_client_reaches_the_real_host(ask: Callable[..., Answer], guard: Guard) -> None:
    """Without a mock each kind of client gets an error, and one sentence says what to do."""
    with pytest.raises(BaseException, match=f"test_mine.py::test_it would reach {HOST}"):
        ask(URL, {})
    [sentence] = guard.refused
    assert sentence == (
        f"test_mine.py::test_it would reach {HOST}, the real host of telepath; mark it "
        '@pytest.mark.trunkline("telepath", intercept=True), or allow it with --trunkline-allow-real-hosts'
    )


@pytest.mark.parametrize("ask", [by_requests, by_httpx])
def test_a_client_meets_faults(ask: Callable[..., Answer], guard: Guard, mock: RecordingMock) -> None:
    """An answer that is not the mock's, and a connection that is closed or reset."""
    mock.fault("listTrunks: 503 x1")
    assert ask(URL, credential(mock))[0] == 503
    for cut in ("close", "reset"):
        mock.fault("listTrunks", **{cut: "before"}, times=1)
        with pytest.raises((requests.ConnectionError, httpx.TransportError)):
            ask(URL, credential(mock))
    assert ask(URL, credential(mock))[0] == 200
    assert guard.refused == []


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}.", HOST.encode(), bytearray(HOST, "ascii")])
def test_a_host_is_known_however_it_is_written(host: Any, guard: Guard, mock: RecordingMock) -> None:
    """In capitals, with a dot at the end, or as bytes; any other host is resolved as ever."""
    for port in (443, "443", "https", None):
        assert {address[4][0] for address in socket.getaddrinfo(host, port)} == {"127.84.0.1"}
    with socket.create_connection((host, 443), timeout=10) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"
    with socket.socket() as sock:
        assert sock.connect_ex((HOST, 443)) == 0
    assert socket.getaddrinfo("127.0.0.1", 1)[0][4] == ("127.0.0.1", 1)


def test_two_vendors_are_intercepted_at_once(guard: Guard, mock: RecordingMock, listen: Listen) -> None:
    """Each real host is redirected to the mock of its vendor, also from many threads."""
    other = RecordingMock(VENDORS["talkover"])
    guard.redirect(listen(other.vendor.contract), other)
    mocks = {f"{URLS['telepath']}/trunks": mock, f"{URLS['talkover']}/sip-trunks/trunk-uuid-1": other}
    pairs = [(url, by) for url in mocks for by in ("requests", "urllib", "httpx", "httpx on asyncio")]
    with ThreadPoolExecutor(len(pairs)) as pool:
        answers = pool.map(lambda pair: CLIENTS[pair[1]](pair[0], credential(mocks[pair[0]])), pairs)
    assert [status for status, *_ in answers] == [200] * 8
    assert [len(found.requests) for found in mocks.values()] == [4, 4]


def test_two_vendors_with_one_host_are_not_intercepted_at_once(
    guard: Guard, mock: RecordingMock, listen: Listen
) -> None:
    """One sentence names both."""
    acme = replace(VENDORS["telepath"].contract, vendor="acme")
    with pytest.raises(UsageError, match=f"^telepath and acme have the same host, {HOST}; a test can intercept one"):
        guard.redirect(listen(acme), mock)


def test_a_real_host_without_tls_is_intercepted(guard: Guard, listen: Listen) -> None:
    """At the port of the contract alone."""
    contract = replace(VENDORS["telepath"].contract, url="http://acme.example:8080/v1")
    mock = RecordingMock(VENDORS["telepath"], trunks=3)
    guard.redirect(listen(contract), mock)
    assert by_requests("http://acme.example:8080/v1/trunks", credential(mock))[0] == 200
    with pytest.raises(OSError, match=r"past the mock of telepath, at port 443; `trunkline docs plugin "):
        by_requests("https://acme.example/v1/trunks", credential(mock))


def test_another_port_is_refused(guard: Guard, mock: RecordingMock) -> None:
    """Only the port of the contract is redirected to the mock."""
    begin = f"test_mine.py::test_it would reach {HOST} past the mock of telepath, at port 80"
    with pytest.raises(OSError, match="past the mock"):
        by_requests(f"http://{HOST}/v1/trunks", {})
    assert guard.refused == [f"{begin}; `trunkline docs plugin hosts-that-are-hard-coded` says what can be intercepted"]


def test_a_guard_bypasses_proxies_too(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the proxy of the environment is not asked for a real host."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(pytest.fail.Exception, match="the real host of telepath"):
        by_requests(URL, {})


def test_a_client_may_trust_its_own_authority_alone(guard: Guard, mock: RecordingMock) -> None:
    """The certificate of the real host is trusted, and verification stays on: for other hosts nothing changes."""
    own = tls.Authority()
    app = server.asgi({"/v1": mock})
    with own.written() as ca, requests.Session() as session:
        session.verify = ca
        assert session.get(URL, headers=credential(mock), timeout=10).status_code == 200
        with (
            server.running(app, tls=tls.Authority().issue("localhost")) as url,
            pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            session.get(f"{url.replace('127.0.0.1', 'localhost')}/v1/trunks", timeout=10)


@pytest.mark.parametrize("clock", ["freezegun", "time_machine"])
def test_a_frozen_clock_changes_nothing(clock: str, guard: Guard) -> None:
    """Certificates made and verified under a frozen clock are valid."""
    library = pytest.importorskip(clock)
    freeze = library.freeze_time if clock == "freezegun" else library.travel
    with freeze("2199-01-01"), listening() as listen:
        mock = RecordingMock(VENDORS["telepath"])
        guard.redirect(listen(mock.vendor.contract), mock)
        assert by_requests(URL, credential(mock))[0] == by_httpx(URL, credential(mock))[0] == 200


def test_a_host_of_this_machine_is_not_guarded(listen: Listen) -> None:
    """A contract may name one, and mocks are there too."""
    with guarded({"localhost": "acme", "127.0.0.1": "other"}):
        assert socket.getaddrinfo("localhost", 1)
        assert socket.getaddrinfo("127.0.0.1", 1)


# --- ways past the name -----------------------------------------------------------------------------------------------


@contextmanager
def a_proxy(to: str) -> Iterator[tuple[str, list[bytes]]]:
    """An HTTP proxy that connects every tunnel to one address, and what it is asked for."""
    asked: list[bytes] = []
    address = urllib.parse.urlsplit(to)

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def tunnel(client: socket.socket) -> None:
        with client, socket.create_connection((address.hostname, address.port), timeout=10) as real:
            asked.append(b" ".join(client.recv(65536).split()[:2]))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pass_on, args=(real, client))
            back.start()
            pass_on(client, real)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=tunnel, args=(client,)))
                threads[-1].start()

    threads = [threading.Thread(target=accept)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads[0].start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[tuple[str, str, RecordingMock]]:
    """The stand-in for the real host itself: its address, the file of the authority to trust, and its requests."""
    authority, api = tls.Authority(), RecordingMock(VENDORS["telepath"])
    with authority.written() as ca, server.running(server.asgi({"/v1": api}), tls=authority.issue(HOST)) as url:
        yield url, ca, api


def by_requests_and_a_proxy(proxy: str, ca: str) -> None:
    requests.get(URL, proxies={"https": proxy}, verify=ca, timeout=10)


def by_httpx_and_a_proxy(proxy: str, ca: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(proxy=proxy, verify=ssl.create_default_context(cafile=ca)) as client:
            await client.get(URL)

    asyncio.run(ask())


def by_aiohttp_and_a_proxy(proxy: str, ca: str) -> None:
    import aiohttp  # noqa: PLC0415 - it may not be installed

    async def ask() -> None:
        async with aiohttp.ClientSession() as client:
            await client.get(URL, proxy=proxy, ssl=ssl.create_default_context(cafile=ca))

    try:
        asyncio.run(ask())
    finally:  # aiohttp warns of the proxy's connection, which it does not close after an error of TLS
        with warnings.catch_warnings(action="ignore"):
            gc.collect()


def by_urllib3_and_a_proxy_unverified(proxy: str, _: str) -> None:
    urllib3.disable_warnings()
    urllib3.ProxyManager(proxy, cert_reqs="CERT_NONE").request("GET", URL, retries=False)


PROXIED = (
    by_requests_and_a_proxy,
    by_httpx_and_a_proxy,
    by_aiohttp_and_a_proxy,
    by_urllib3_and_a_proxy_unverified,
)


@pytest.mark.parametrize("ask", PROXIED)
@pytest.mark.parametrize(
    ("intercepts", "refusal"),
    [(False, "the real host of telepath; mark it"), (True, "through a proxy, or with a resolver that is not Python")],
    ids=["guarded", "intercepted"],
)
def test_a_proxy_of_the_client_carries_no_request_out(
    ask: Callable[[str, str], None],
    intercepts: bool,
    refusal: str,
    guard: Guard,
    listen: Listen,
    real: tuple[str, str, RecordingMock],
) -> None:
    """The tunnel is made, and then TLS with the real host is refused; the proxy and the host see no request."""
    url, ca, api = real
    mock = RecordingMock(VENDORS["telepath"])
    if intercepts:
        guard.redirect(listen(mock.vendor.contract), mock)
    with a_proxy(url) as (proxy, asked):
        with pytest.raises(Exception, match=f"test_mine.py::test_it would reach {HOST}"):
            ask(proxy, ca)
        assert asked == [f"CONNECT {HOST}:443".encode()]
    assert mock.requests == api.requests == []
    assert refusal in guard.refused[0]
    guard.undo()
    with a_proxy(url) as (proxy, asked):  # it is no other mistake that stops the request
        ask(proxy, ca)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("ask", "excluded"),
    [*((ask, "example.com") for ask in INSTALLED.values()), (by_requests, ""), (by_requests, "*")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_proxy_in_the_environment_is_bypassed(
    ask: Callable[..., Answer], excluded: str, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the vendors' hosts, for clients that read the environment during the test."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", excluded)
    mock = RecordingMock(VENDORS["telepath"])
    with guarded(HOSTS if excluded else {}) as guard:
        guard.redirect(listen(mock.vendor.contract), mock)
        assert ask(URL, credential(mock))[0] == 200
        assert os.environ["NO_PROXY"].endswith(excluded)
    assert os.environ["NO_PROXY"] == excluded


def test_everything_is_undone(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if another plugin has put back its own in between, as pytest-socket does."""

    def state() -> list[object]:
        found: list[object] = [_socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex]
        found += [ssl.SSLSocket.do_handshake, ssl.SSLObject.do_handshake, os.environ.get("NO_PROXY")]
        uvloop = importlib.import_module("uvloop")
        return [*found, uvloop.Loop.getaddrinfo, uvloop.Loop.create_connection]

    before = state()
    mock = RecordingMock(VENDORS["telepath"])
    with guarded() as guard:
        guard.redirect(listen(mock.vendor.contract), mock)
        socket.getaddrinfo(HOST, 443)
        assert all(now is not then for now, then in zip(state(), before, strict=True))
    assert state() == before
    with guarded() as guard:
        guard.redirect(listen(mock.vendor.contract), mock)
        socket.getaddrinfo(HOST, 443)
        monkeypatch.setattr(socket.socket, "connect", found_first := lambda *_: None)
    assert state() == [before[0], found_first, *before[2:]]


def test_a_connection_that_is_kept_reaches_no_other_test(guard: Guard, mock: RecordingMock) -> None:
    """After the test it answers that no test runs, and a new connection is made as ever."""
    with requests.Session() as session:
        assert session.get(URL, headers=credential(mock), timeout=10).status_code == 200
        guard.undo()
        assert session.get(URL, headers=credential(mock), timeout=10).status_code == 502
    assert len(mock.requests) == 1


# --- in a run of pytest -----------------------------------------------------------------------------------------------


def test_a_marker_intercepts(run: Run) -> None:
    """Of a function, class or module; the nearest counts. The mock's fixture need not be named."""
    run(
        """
        import requests, unittest

        pytestmark = pytest.mark.trunkline("telepath", intercept=True, trunks=3)

        def count(token):
            headers = {"Authorization": f"Bearer {token}"}
            page = requests.get("https://api.telepathvoice.com/v1/trunks", headers=headers).json()
            return page["pagination"]["total"]

        def test_of_the_module(telepath):
            assert count(telepath.token) == 3
            assert telepath.requests[0].path == "/trunks"
            assert get(telepath, "/trunks")["pagination"]["total"] == 3
            assert len(telepath.requests) == 2

        @pytest.mark.trunkline("telepath", tokens=["sk_test"], trunks=2)
        def test_without_the_fixture():
            assert count("sk_test") == 2

        @pytest.fixture(scope="session")
        def client(telepath):
            return count(telepath.token)

        def test_a_wider_fixture_that_asks_early(client):
            assert client == 3

        @pytest.mark.trunkline("telepath", tokens=["sk_test"])
        class TestUnits(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def mock(self, telepath):
                self.telepath = telepath

            def test_it(self):
                self.assertEqual(count("sk_test"), 3)
                self.assertEqual(len(self.telepath.requests), 1)

        @pytest.mark.trunkline("talkover", intercept=True)
        def test_both(telepath, talkover):
            assert count(telepath.token) == 3
            url, headers = "https://app.talkover.ai/api/v1/sip-trunks", {"Authorization": f"Bearer {talkover.token}"}
            assert requests.get(url, headers=headers).json()["success"]
            assert len(telepath.requests) == len(talkover.requests) == 1
        """
    ).assert_outcomes(passed=5)


def test_a_fixture_intercepts_all_vendors(run: Run) -> None:
    """For all tests of a module, and in a worker of pytest-xdist."""
    run(
        """
        import requests, urllib.request

        pytestmark = pytest.mark.usefixtures("trunkline_intercept")

        @pytest.mark.parametrize("round", range(4))
        def test_it(telepath, talkover, round):
            for mock, url in ((telepath, "https://api.telepathvoice.com/v1/trunks"),
                              (talkover, "https://app.talkover.ai/api/v1/sip-trunks")):
                headers = {"Authorization": f"Bearer {mock.token}"}
                assert requests.get(url, headers=headers).status_code == 200
                assert len(mock.requests) == 1
                mock.trunks.clear()

        def test_asked_for_late(telepath, request):
            request.getfixturevalue("trunkline_intercept")
            assert requests.get("https://api.telepathvoice.com/v1/trunks").status_code == 401
        """,
        *("-p", "xdist", "-n", "1"),
    ).assert_outcomes(passed=5)


def test_a_test_that_would_reach_a_real_host_fails(run: Run) -> None:
    """With one sentence, which names the host, the test and the way out, also when the client swallows the error."""
    result = run(
        """
        import requests, socket, threading, unittest

        def ask(host="api.telepathvoice.com"):
            requests.get(f"https://{host}/v1/trunks", timeout=10)

        def swallow():
            try:
                ask()
            except BaseException:
                pass

        def test_plain(telepath): ask()
        def test_target(telepath_target): ask()
        def test_server(trunkline_server): ask()
        def test_another_vendor(telepath): ask("app.talkover.ai")
        def test_swallowed(telepath): swallow()

        def test_swallowed_before_another_failure(telepath):
            swallow()
            assert telepath.requests

        def test_thread(telepath):
            thread = threading.Thread(target=swallow)
            thread.start()
            thread.join()

        @pytest.mark.trunkline("telepath", intercept=False)
        def test_not_intercepted(telepath): ask()

        def test_late(request):
            assert request.getfixturevalue("telepath").requests == []
            swallow()

        class TestUnits(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def mock(self, telepath): pass
            def test_unit(self): ask()
            def test_unit_swallowed(self): swallow()

        @pytest.fixture
        def cleaned():
            yield
            swallow()

        def test_teardown(telepath, cleaned): pass

        @pytest.fixture(scope="module")
        def early():
            swallow()

        def test_setup(telepath, early): pass

        def test_unguarded():
            with pytest.raises(socket.gaierror):
                socket.getaddrinfo("no-such-host.invalid", 443)

        def test_good(telepath): get(telepath, "/trunks")
        """
    )
    result.assert_outcomes(failed=12, errors=1, passed=3)
    sentence = (
        'would reach api.telepathvoice.com, the real host of telepath; mark it @pytest.mark.trunkline("telepath", '
        "intercept=True), or allow it with --trunkline-allow-real-hosts"
    )
    found = [line for line in result.outlines if line.endswith(sentence)]
    names = {line.split(" would")[0].rpartition("::")[2] for line in found}
    assert names == {
        *("test_plain", "test_target", "test_server", "test_swallowed", "test_swallowed_before_another_failure"),
        *("test_thread", "test_not_intercepted", "test_late", "test_unit", "test_unit_swallowed", "test_teardown"),
        "test_setup",
    }
    result.stdout.fnmatch_lines(["*::test_another_vendor would reach app.talkover.ai, the real host of talkover; *"])


@pytest.mark.slow
def test_a_test_that_asks_for_its_mock_late_is_guarded(run: Run) -> None:
    """It fails by itself, although the first mock of the run is made within it, and its client swallows the error."""
    result = run(
        """
        def test_one(request):
            request.getfixturevalue("telepath")
            try:
                requests.get(URL, timeout=5)
            except requests.RequestException:
                pass
        """
    )
    result.assert_outcomes(failed=1)


@pytest.mark.slow
@pytest.mark.parametrize("ini", [False, True], ids=["option", "ini"])
def test_one_line_switches_the_guard_off(ini: bool, run: Run, pytester: pytest.Pytester) -> None:
    """On the command line or in pytest's file. A vendor whose host is intercepted stays so."""
    if ini:
        pytester.makeini("[pytest]\ntrunkline_allow_real_hosts = true\n")
    run(
        """
        import _socket, requests, ssl

        FOUND = _socket.getaddrinfo, ssl.SSLSocket.do_handshake

        def test_nothing_is_changed(telepath):
            assert (_socket.getaddrinfo, ssl.SSLSocket.do_handshake) == FOUND

        @pytest.mark.trunkline("telepath", intercept=True)
        def test_intercepted(telepath):
            assert requests.get("https://api.telepathvoice.com/v1/trunks").status_code == 401
            assert len(telepath.requests) == 1

        def test_undone():
            assert (_socket.getaddrinfo, ssl.SSLSocket.do_handshake) == FOUND
        """,
        *(() if ini else ("--trunkline-allow-real-hosts",)),
    ).assert_outcomes(passed=3)


def test_a_test_without_mocks_is_not_touched(run: Run) -> None:
    """Nothing is imported and nothing changed for it, before and after tests with a guard."""
    run(
        """
        import os, socket, sys, _socket

        def state():
            return _socket.getaddrinfo, socket.socket.connect, os.environ.get("NO_PROXY")

        BEFORE = state()

        def test_first():
            assert "trunkline.plugin.intercept" not in sys.modules
            assert state() == BEFORE

        def test_guarded(telepath_target):
            assert all(now is not then for now, then in zip(state()[::2], BEFORE[::2]))

        def test_last():
            assert state() == BEFORE
        """
    ).assert_outcomes(passed=3)


WRONG = {
    '"telepath", intercept="yes"': "intercept is 'yes'; give True or False",
    '"telepth", intercept=True': "the marker names 'telepth', which is not a vendor; there are: *",
    "intercept=True": "the marker names one vendor, as in *",
}


def test_a_wrong_marker_is_one_sentence(run: Run) -> None:
    """It names the test, which does not run, although it names no fixture."""
    marked = [
        f"@pytest.mark.trunkline({marker})\ndef test_{number}(): raise SystemExit"
        for number, marker in enumerate(WRONG)
    ]
    result = run("\n".join(marked))
    result.assert_outcomes(errors=len(WRONG))
    result.stdout.fnmatch_lines([f"*::test_{number}: {sentence}" for number, sentence in enumerate(WRONG.values())])


def test_pytest_socket_may_be_used_too(run: Run) -> None:
    """If it allows this machine: what is redirected to the mock is a connection to it."""
    pytest.importorskip("pytest_socket")
    run(
        """
        import requests, socket

        CONNECT = socket.socket.connect

        @pytest.mark.trunkline("telepath", intercept=True)
        @pytest.mark.parametrize("round", range(2))
        def test_it(telepath, round):
            assert requests.get("https://api.telepathvoice.com/v1/trunks").status_code == 401

        def test_after():
            with pytest.raises(Exception, match="8.8.8.8"):
                socket.create_connection(("8.8.8.8", 443))
        """,
        *("-p", "pytest_socket", "--allow-hosts=127.0.0.1"),
    ).assert_outcomes(passed=3)
