"""TLS for what is served: a certificate authority that lives as long as its process, and certificates from files.

>>> authority = Authority()
>>> with running(app, tls=authority.issue("localhost", "127.0.0.1")) as url, authority.written() as ca:
...     requests.get(url, verify=ca)
<Response [200]>
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from trunkline.errors import UsageError, reason_of

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""The names and addresses by which a client on this machine calls a server."""

HANDSHAKE = 10
"""The seconds that a client has for the handshake."""

_REASONS = {
    "HTTP_REQUEST": "it speaks plain HTTP; the address begins with https://",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the certificate; give it the CA's file",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not trust the certificate; give it the CA's file",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept the certificate; perhaps it calls the server by another name",
}
"""How to help a client that ends a handshake, by OpenSSL's reason."""

_MOST_CONTEXTS = 128
_CERTIFICATE, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


class Authority:
    """A certificate authority whose key never leaves the memory. Any number of threads may use it.

    Its certificates have no end that a test could meet: they are valid from 2000 to 3000, also under a frozen clock.
    """

    issue: Callable[..., ssl.SSLContext]
    """`issue(*hosts)`: a server's context, whose certificate is for these names and addresses. The latest are kept.

    Raises `UsageError` for a name that no certificate can hold.
    """

    def __init__(self) -> None:
        import trustme  # noqa: PLC0415 - it loads `cryptography`, which takes its time

        self._ca = trustme.CA(organization_name="trunkline", organization_unit_name="mock of this process")
        self.issue = lru_cache(maxsize=_MOST_CONTEXTS)(self._issue)

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, for clients to trust: PEM."""
        return self._ca.cert_pem.bytes()

    @contextmanager
    def written(self, *, with_others: bool = False) -> Iterator[str]:
        """The path of a temporary file with the certificate, which everybody may read, as there is no secret in it.

        `with_others` adds those of the authorities that this machine trusts, for clients that trust one file only.
        """
        others = ssl.create_default_context().get_ca_certs(binary_form=True) if with_others else []
        content = self.certificate + "".join(map(ssl.DER_cert_to_PEM_cert, others)).encode()
        try:
            descriptor, path = tempfile.mkstemp(prefix="trunkline-ca-", suffix=".pem")
        except OSError as error:
            raise UsageError(
                f"no temporary file can be written for the CA ({error.strerror}); name a folder in TMPDIR"
            ) from None
        os.close(descriptor)
        try:
            Path(path).write_bytes(content)
            Path(path).chmod(0o644)
            yield path
        finally:
            Path(path).unlink(missing_ok=True)

    def _issue(self, *hosts: str) -> ssl.SSLContext:
        try:
            issued = self._ca.issue_cert(*hosts, common_name=hosts[0][:64])
        except ValueError:  # of idna too
            raise UsageError(
                f"no certificate can be made for {', '.join(map(repr, hosts))}; give host names or IP addresses"
            ) from None
        context = _server_context()
        issued.configure_cert(context)  # by a file of this user's, for the moment of the call: `ssl` reads only files
        return context


def from_files(certificate: str, key: str | None = None) -> ssl.SSLContext:
    """A server's context with the certificate (and its chain) and the key from PEM files, or from one for both.

    Raises `UsageError` that names the file and its mistake.
    """
    key = certificate if key is None else key
    found = {path: _read(path) for path in (certificate, key)}
    if _CERTIFICATE not in found[certificate]:
        raise UsageError(f"{certificate!r} holds no certificate in PEM; it begins with {_CERTIFICATE.decode()}")
    if _KEY not in found[key]:
        also = "name its file with --tls-key" if key == certificate else "name the file that does"
        raise UsageError(f"{key!r} holds no private key in PEM; {also}")
    context, asked = _server_context(), []

    def password() -> str:  # without it, OpenSSL asks the terminal
        asked.append(key)
        return ""

    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if asked:
            sentence = f"the key in {key!r} is encrypted; write a plain one with: openssl pkey -in KEY -out PLAIN"
        elif error.reason == "KEY_VALUES_MISMATCH":
            sentence = f"the key in {key!r} is not that of the certificate in {certificate!r}; name the two that belong"
        else:
            reason = (error.reason or "damaged").replace("_", " ").lower()
            sentence = f"{certificate!r} and {key!r} cannot be used for TLS ({reason}); see `openssl x509 -in`"
        raise UsageError(sentence) from None
    return context


def describe_failure(error: OSError) -> str:
    """Why a client's handshake failed, and what helps; empty for a client that went away."""
    reason = getattr(error, "reason", None) or ""
    return _REASONS.get(reason) or reason.replace("_", " ").lower()


def _server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _read(path: str) -> bytes:
    try:
        if not Path(path).is_file() and Path(path).exists():
            raise UsageError(f"{path!r} is not a file; name one in PEM")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path!r} cannot be read: {reason_of(error)}") from None
