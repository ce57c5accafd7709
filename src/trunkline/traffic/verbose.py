r"""Read the output of `curl -v`, in which requests, responses and curl's own notes stand between the bodies.

    > GET /v1/trunks?limit=1 HTTP/1.1
    < HTTP/1.1 200 OK
    { [321 bytes data]
    {"trunks": [...]}* Connection #0 to host api.example.com left intact

curl writes a note wherever the body is just then, even within a line of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from trunkline.contract.http import forbids_content
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Headers, Response, find
from trunkline.traffic.addresses import Addresses
from trunkline.traffic.curl import heads_end, is_interim
from trunkline.traffic.messages import check_weight, coding_of, content_length
from trunkline.traffic.recorded import Entry, Recorded, pairs, recorded_exchange, time_of

BEGINNING = re.compile(rb"\* |  % Total |Note: |Warning: |> [A-Z]+ [^ \r\n]+ HTTP/|[{}] \[[0-9]+ bytes data\]")
"""The beginning of such an output."""

_DATA = rb"[{}] \[[0-9]{1,20} bytes data\]\r*\n"
_PROGRESS = rb"\r[ 0-9]{3} [-0-9 .:kMGTP]{74}"
_MARK = re.compile(rb"(?:^|%b)([<>*] [^\n]*(?:\n|\Z)|%b)" % (_PROGRESS, _DATA), re.MULTILINE)
"""A line that curl has written, not the API; it may follow the progress."""
_REQUEST_LINE = re.compile(rb"> ([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}) ([^ \r\n]+) HTTP/([0-9])")
_STATUS_LINE = re.compile(rb"< HTTP/[0-9](?:\.[0-9])? ([0-9]{3})(?: ([^\r\n]*))?")
_NOTES = "|".join(
    (
        "Connection #[0-9]+ to host .{1,300} left intact",
        "Connection state changed.{1,100}",
        "[Cc]losing connection.{0,50}",
        "shutting down connection.{0,50}",
        "Excess found.{0,300}",
        "Found bundle.{1,300}",
        "Can not multiplex.{0,100}",
        "Re-using existing.{1,300}",
        "Request completely sent off",
        "TLSv1.{1,200}",
        "old SSL session.{1,100}",
    )
)
_WITHIN = re.compile(
    rb"%b|%b\n?|  %% Total [^\n]{0,100}\n[^\n]{0,100}Speed\n|\* (?:%b)\r*\n" % (_DATA, _PROGRESS, _NOTES.encode())
)
"""A note of curl's, or its progress, within a body."""
_AFTER = re.compile(rb"\s*(?:\* [^\n]*(?:\n\s*|\Z))*")
"""Any notes."""
_ADVICE = "save both outputs (curl -sv URL > FILE 2>&1), or use curl -i -o FILE"


@dataclass(slots=True)
class _Transfer:
    """The output of curl about one request and its response."""

    line: int
    method: bytes
    target: bytes
    scheme: str
    sent: list[bytes] = field(default_factory=list)
    status: int = 0
    reason: bytes = b""
    received: list[bytes] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    head: list[bytes] | None = None
    """The header to which the next line belongs: that of the request or of the response; None between headers."""

    def __post_init__(self) -> None:
        self.head = self.sent

    def take_head(self, text: bytes) -> None:
        """Take a line with `>` or `<` that begins no request."""
        status = _STATUS_LINE.match(text)
        if self.head is not None and not text[2:].strip():
            self.head = None
        elif status and self.head is not self.received:
            self.status, self.reason = int(status[1]), (status[2] or b"").strip().lower()
            self.head = self.received = []
            self.body = []
        elif self.head is not None:
            self.head.append(text[2:])

    def take_body(self, text: bytes) -> None:
        """Take the bytes between two lines that curl has written."""
        if self.status and self.head is None:
            self.body.append(text)


def read_verbose(data: bytes, name: str, addresses: Addresses) -> Iterator[Entry]:
    """The entry of each request, placed at the line on which it begins."""
    transfer = None
    for following in _transfers(data):
        if transfer and not _is_step(transfer, is_followed=True):
            yield _entry(transfer, name, addresses)
        transfer = following
    if transfer is None:
        raise UsageError(f"it looks like the output of curl -v, but holds no request; {_ADVICE}")
    if not _is_step(transfer, is_followed=False):
        yield _entry(transfer, name, addresses)


def _transfers(data: bytes) -> Iterator[_Transfer]:
    transfer: _Transfer | None = None
    position, line, is_tls = 0, 1, False
    for mark in _MARK.finditer(data):
        between, text = data[position : mark.start()], mark[1]
        line += between.count(b"\n")
        if transfer:
            transfer.take_body(between)
        request = _REQUEST_LINE.match(text)
        if request and not (transfer and transfer.head is transfer.sent):
            if transfer:
                yield transfer
            transfer = _Transfer(line, request[1], request[2], "https" if is_tls or request[3] == b"2" else "http")
        elif text.startswith(b"* "):
            is_tls = b"SSL connection using" in text or (is_tls and b"Trying " not in text)
        elif transfer and text.startswith((b"> ", b"< ")):
            transfer.take_head(text)
        line += text.count(b"\n")
        position = mark.end()
    if transfer:
        transfer.take_body(data[position:])
        yield transfer


def _is_step(transfer: _Transfer, *, is_followed: bool) -> bool:
    """Whether it leads to the answer: a tunnel of a proxy, or a redirection that was followed without its body."""
    if transfer.method == b"CONNECT":
        return True
    has_body = any(map(bytes.strip, transfer.body))
    return is_followed and not has_body and is_interim(transfer.status, transfer.reason, _fields(transfer.received))


def _entry(transfer: _Transfer, name: str, addresses: Addresses) -> Entry:
    received = _fields(transfer.received)
    try:
        exchange: Exchange | UsageError = _exchange(transfer, received, addresses)
    except UsageError as error:
        exchange = error
    except ValueError:
        exchange = UsageError("its address cannot be read")
    return Entry(f"{name}:{transfer.line}", time_of(None, received), exchange)


def _exchange(transfer: _Transfer, received: Headers, addresses: Addresses) -> Exchange:
    """The exchange without the body of the request, which curl does not show."""
    sent, target, method = _fields(transfer.sent), transfer.target.decode("latin-1"), transfer.method.decode()
    url = target if "://" in target else f"{transfer.scheme}://{find(sent, 'host') or ''}{target}"
    addresses.path_of(method, url)
    if not transfer.status or transfer.head is not None:
        raise UsageError("it has no whole response: the connection was lost, or the output is cut off")
    response = Response(transfer.status, received, _body(transfer, received))
    if not (response.body or forbids_content(method, transfer.status) or content_length(received) == 0):
        raise UsageError(f"it has no body, which curl writes to standard output; {_ADVICE}")
    exchange = recorded_exchange(addresses, Recorded(method, url, sent, b"", response, None))
    has_body = find(sent, "transfer-encoding") is not None or (content_length(sent) or 0) > 0
    return replace(exchange, known=exchange.known - {"request"}) if has_body else exchange


def _body(transfer: _Transfer, received: Headers) -> bytes:
    """The body without what curl has written into it, and with `curl -iv` without the header before it."""
    body = _WITHIN.sub(b"", b"".join(transfer.body))
    body = body[heads_end(body) :]
    if not body.strip():
        return b""
    length = content_length(received)
    if length is not None and coding_of(Response(transfer.status, received)) == "identity":
        if len(body) >= length and _AFTER.fullmatch(body, length):
            return body[:length]
        raise UsageError(f"the body has {len(body)} bytes, not the {length} of its content-length; {_ADVICE}")
    if body.lstrip()[:1] in (b"{", b"["):
        return body[: _end_of_json(body)]
    return body


def _end_of_json(body: bytes) -> int:
    """The place after a JSON text that only notes follow. Raises `UsageError` if there is none."""
    check_weight(body)
    text = body.decode("utf-8", "surrogateescape")
    try:
        _, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    except (ValueError, RecursionError):
        end = len(text) + 1
    place = len(text[:end].encode("utf-8", "surrogateescape"))
    if end > len(text) or not _AFTER.fullmatch(body, place):
        raise UsageError(f"the body is cut off, or mixed with a note of curl's; {_ADVICE}")
    return place


def _fields(lines: list[bytes]) -> Headers:
    split = (line.decode("latin-1").partition(":") for line in lines)
    return pairs((name.strip(), value.strip()) for name, colon, value in split if colon and name)
