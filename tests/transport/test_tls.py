"""Tests of `trunkline.transport.tls`, and of a server of HTTPS: certificates, handshakes, the end of connections."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

import requests
from tests.servers import LIMITED, executing, serving
from trunkline.errors import UsageError
from trunkline.exchange import Request, Response
from trunkline.transport import server, tls
from trunkline.transport.protocol import MAX_HEAD

pytestmark = pytest.mark.slow_for("asyncio")  # uvloop is the event loop wherever it is installed


def echo(request: Request) -> Response:
    parts = [request.method, request.path, len(request.body)]
    return Response(200, (("content-type", "application/json"),), json.dumps(parts).encode())


@pytest.fixture
def secure(loop: str, authority: tls.Authority) -> Iterator[str]:
    """The address of a server of HTTPS."""
    with server.running(server.asgi({"/v1": echo}), tls=authority.issue(*tls.LOOPBACK)) as url:
        yield url


def trusting(authority: tls.Authority) -> ssl.SSLContext:
    """A client's context that trusts the authority."""
    return ssl.create_default_context(cadata=authority.certificate.decode())


def place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


@contextmanager
def connected(url: str, authority: tls.Authority) -> Iterator[HTTPSConnection]:
    with closing(HTTPSConnection(*place(url), timeout=10, context=trusting(authority))) as connection:
        yield connection


@contextmanager
def securely(url: str, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A socket after the handshake."""
    with (
        socket.create_connection(place(url), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        yield client


def ask(url: str, authority: tls.Authority) -> int:
    with connected(url, authority) as connection:
        connection.request("GET", "/v1/x")
        return connection.getresponse().status


# --- certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "api.example.com", "münchen.example"])
def test_a_certificate_is_for_its_names(authority: tls.Authority, host: str) -> None:
    """A client that trusts the authority accepts it for the names and addresses it was issued for, and for no other."""
    for name, is_accepted in ((host, True), ("other.example", False)):
        client, served = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = trusting(authority).wrap_bio(client, served, server_hostname=name)
        other = authority.issue(host).wrap_bio(served, client, server_side=True)
        error = ""
        for _ in range(3):
            for side in (one, other):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as failure:
                    error = error or str(failure)
        assert bool(error) is not is_accepted, error


def test_contexts_are_kept_and_bounded(authority: tls.Authority) -> None:
    """The same names give the same context; of many, the latest stay."""
    assert authority.issue("a.example") is authority.issue("a.example")
    assert authority.issue("a.example") is not authority.issue("b.example")
    assert authority.issue.cache_info().maxsize == 128  # type: ignore[attr-defined] # of `lru_cache`


@pytest.mark.parametrize("name", ["", "a b", "x" * 64 + ".example", "-.example", "[::1]", "a\x00b"])
def test_a_name_that_no_certificate_can_hold_is_refused(authority: tls.Authority, name: str) -> None:
    """The sentence names it."""
    with pytest.raises(UsageError, match=r"no certificate can be made for .*; give host names or IP addresses"):
        authority.issue(name)


def test_a_missing_place_for_temporary_files_is_one_sentence(
    authority: tls.Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A container with a read-only file system may have no place to write to."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(UsageError, match=r"No such file or directory.*TMPDIR"), authority.written():
        pass


def test_only_the_certificate_of_the_authority_is_written(
    authority: tls.Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key is left on the disk; everybody may read the file, only its owner may change it; it ends with the block."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    authority.issue("written.example")
    assert [*tmp_path.iterdir()] == []
    with authority.written() as path:
        assert [str(found) for found in tmp_path.iterdir()] == [path]
        assert Path(path).stat().st_mode & 0o777 == 0o644
        assert Path(path).read_bytes() == authority.certificate
        assert b"KEY" not in authority.certificate
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_somebody_removed_is_no_error(authority: tls.Authority) -> None:
    """A cleaner of temporary files may come first."""
    with authority.written() as path:
        Path(path).unlink()


def test_a_certificate_is_valid_whatever_the_clock(secure: str, authority: tls.Authority) -> None:
    """It began before any test and ends after all of them, for clocks of tests are set to any time."""
    with securely(secure, trusting(authority)) as client:
        found = client.getpeercert() or {}
    assert (str(found["notBefore"])[-8:-4], str(found["notAfter"])[-8:-4]) == ("2000", "3000")


# --- files of one's own -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates and keys, good and bad."""
    folder, issuer = tmp_path_factory.mktemp("tls"), trustme.CA()
    mine, other = issuer.issue_cert("localhost", "127.0.0.1"), issuer.issue_cert("localhost")
    issuer.cert_pem.write_to_path(str(folder / "ca.pem"))
    mine.private_key_pem.write_to_path(str(folder / "key.pem"))
    other.private_key_pem.write_to_path(str(folder / "other.pem"))
    mine.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    mine.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    (folder / "damaged.pem").write_bytes(mine.cert_chain_pems[0].bytes().replace(b"MII", b"MIJ"))
    (folder / "text").write_text("no PEM")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    encrypted = serialization.BestAvailableEncryption(b"secret")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "encrypted.pem").write_bytes(key.private_bytes(*form, encrypted))
    return folder


@pytest.mark.parametrize(("certificate", "key"), [("cert.pem", "key.pem"), ("both.pem", None)])
def test_a_certificate_of_ones_own_is_served(files: Path, certificate: str, key: str | None) -> None:
    """From two files, or from one that holds both."""
    context = tls.from_files(str(files / certificate), str(files / key) if key else None)
    with server.running(server.asgi(echo), tls=context) as url:
        assert requests.get(url, verify=str(files / "ca.pem"), timeout=10).json() == ["GET", "/", 0]


MISTAKES = {
    ("absent", "key.pem"): "absent' cannot be read: no such file or directory",
    ("cert.pem", "absent"): "absent' cannot be read: no such file or directory",
    (".", "key.pem"): "is not a file; name one in PEM",
    ("a\x00b", "key.pem"): "cannot be read: it is not a file name",
    ("cert.pem/x", "key.pem"): "cannot be read: not a directory",
    ("text", "key.pem"): "text' holds no certificate in PEM",
    ("key.pem", "cert.pem"): "key.pem' holds no certificate in PEM",
    ("cert.pem", "text"): "text' holds no private key in PEM",
    ("cert.pem", None): "cert.pem' holds no private key in PEM; name its file with --tls-key",
    ("cert.pem", "other.pem"): "other.pem' is not that of the certificate in",
    ("cert.pem", "encrypted.pem"): "encrypted.pem' is encrypted; write a plain one",
    ("damaged.pem", "key.pem"): "cannot be used for TLS (",
}


@pytest.mark.parametrize(("certificate", "key"), MISTAKES)
def test_wrong_files_are_refused_in_one_sentence(files: Path, certificate: str, key: str | None) -> None:
    """It names the file and what is wrong with it, and shows nothing of a key."""
    with pytest.raises(UsageError) as caught:
        tls.from_files(str(files / certificate), str(files / key) if key else None)
    assert MISTAKES[certificate, key] in str(caught.value)
    assert "\n" not in str(caught.value)


# --- a server of HTTPS ------------------------------------------------------------------------------------------------


def test_clients_are_served_over_tls(secure: str, authority: tls.Authority) -> None:
    """By requests, on one connection too, and by httpx; the index has addresses of HTTPS."""
    assert secure.startswith("https://127.0.0.1:")
    with authority.written() as ca, requests.Session() as session:
        for size in (0, 100, 1 << 20):
            assert session.post(f"{secure}/v1/x", data=b"x" * size, verify=ca, timeout=10).json() == [
                "POST",
                "/x",
                size,
            ]
        assert session.get(secure, verify=ca, timeout=10).json() == {"vendors": {"/v1": {"url": f"{secure}/v1"}}}
    with httpx.Client(verify=trusting(authority)) as client:
        assert client.get(f"{secure}/v1/x").json() == ["GET", "/x", 0]


def test_http_1_1_is_agreed_on(secure: str, authority: tls.Authority) -> None:
    """Of the protocols that a client offers (ALPN), the server takes the one that it speaks."""
    context = trusting(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with securely(secure, context) as client:
        assert client.selected_alpn_protocol() == "http/1.1"


def test_a_large_answer_arrives_whole(loop: str, authority: tls.Authority) -> None:
    """Also if the connection is closed after it, to a client that is slow to read."""
    big = Response(200, (), b"x" * (8 << 20))
    context = authority.issue("127.0.0.1")
    with server.running(server.asgi(lambda _: big), tls=context) as url, connected(url, authority) as connection:
        connection.request("GET", "/", headers={"connection": "close"})
        response = connection.getresponse()
        assert sum(len(part) for part in iter(lambda: response.read(1 << 16), b"")) == 8 << 20


def test_an_endless_head_is_refused_over_tls(secure: str, authority: tls.Authority) -> None:
    """The bound of the head holds."""
    with securely(secure, trusting(authority)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * (2 * MAX_HEAD))
        assert client.recv(12) == b"HTTP/1.1 400"


def test_a_slow_handshake_stops_nobody(secure: str, authority: tls.Authority) -> None:
    """Clients that say nothing, or half of their first word, do not hold up the next one."""
    with ExitStack() as stack:
        for start in (b"", b"\x16\x03\x01\x02\x00\x01"):
            for _ in range(10):
                stack.enter_context(socket.create_connection(place(secure))).sendall(start)
        assert ask(secure, authority) == 200


def test_a_handshake_ends_with_time(loop: str, authority: tls.Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not finish its handshake is disconnected."""
    monkeypatch.setattr(server, "HANDSHAKE", 0.05)
    context = authority.issue("127.0.0.1")
    with server.running(server.asgi(echo), tls=context) as url, socket.create_connection(place(url)) as client:
        client.settimeout(10)
        assert client.recv(1) == b""


def test_a_failed_handshake_is_explained_once(
    loop: str, authority: tls.Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a client that does not trust the authority, and of one that speaks plain HTTP, the log says how to help it."""
    caplog.set_level(logging.INFO, "trunkline")
    with server.running(server.asgi(echo), tls=authority.issue("127.0.0.1")) as url:
        for _ in range(3):
            with pytest.raises(ssl.SSLCertVerificationError), connected(url, tls.Authority()) as connection:
                connection.connect()
            with socket.create_connection(place(url), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                client.recv(100)
        assert ask(f"{url}", authority) == 200
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "it does not trust the certificate; give it the CA's file",
        "it speaks plain HTTP; the address begins with https://",
    ]


def test_a_server_of_https_ends_at_once(loop: str, authority: tls.Authority) -> None:
    """Though clients hold connections: within the handshake, before a request and after one."""
    times, before = [], {*threading.enumerate()}
    for _ in range(3):
        with ExitStack() as clients:
            with server.running(server.asgi(echo), tls=authority.issue(*tls.LOOPBACK)) as url:
                clients.enter_context(socket.create_connection(place(url)))
                asked, unused = (clients.enter_context(connected(url, authority)) for _ in range(2))
                asked.request("GET", "/")
                assert asked.getresponse().read()
                unused.connect()
                begin = time.perf_counter()
            times.append(time.perf_counter() - begin)
    assert min(times) < 0.2
    assert "trunkline-server" not in {thread.name for thread in {*threading.enumerate()} - before}


SCRIPT = """
from trunkline.exchange import Response
from trunkline.transport import server, tls
server._LOOK_EVERY = 0.01

def ready(url):
    print(url, flush=True)

app, context = server.asgi(lambda _: Response(200)), tls.from_files({path!r})
server.serve(app, host="127.0.0.1", port=0, on_ready=ready, tls=context)
"""


@pytest.mark.parametrize("event_loop", ["uvloop", "asyncio"])
def test_unfinished_handshakes_leave_room_for_others(event_loop: str, files: Path) -> None:
    """A process with 64 files answers while 150 clients hold connections on which they say nothing."""
    script = LIMITED[event_loop] + SCRIPT.format(path=str(files / "both.pem"))
    with ExitStack() as stack:
        _, url = stack.enter_context(executing(script))
        for _ in range(150):
            stack.enter_context(socket.create_connection(place(url), timeout=30))
        assert requests.get(url, verify=str(files / "ca.pem"), timeout=30).status_code == 200


# --- trunkline serve --tls --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the path")
def test_serve_prints_a_curl_command_that_trusts_the_ca() -> None:
    """Its address is one of HTTPS, the line of JSON names the CA's file, and the file is gone in the end."""
    with serving("telepath", "--tls") as (process, line):
        place = line["vendors"]["telepath"]
        assert place["url"].startswith("https://127.0.0.1:")
        assert f"--cacert {line['ca']} " in place["curl"]
        done = subprocess.run(["bash", "-c", place["curl"]], capture_output=True, text=True, check=True, timeout=30)
        assert done.stdout.startswith("HTTP/1.1 200 OK")
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert f"Clients trust the certificate by the CA in {line['ca']}, which is removed at the end." in err
    assert not Path(line["ca"]).exists()


def test_serve_takes_a_certificate_of_ones_own(files: Path) -> None:
    """Then there is no CA to print."""
    with serving("telepath", "--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem")) as (_, line):
        assert "ca" not in line
        assert requests.get(line["url"], verify=str(files / "ca.pem"), timeout=10).status_code == 200
