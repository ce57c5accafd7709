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
class _Said:
    """What curl has said of one request and its response."""

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
    """The header that goes on: that of the request, of the response, or none."""

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
        """Take what stands between two lines of curl's."""
        if self.status and self.head is None:
            self.body.append(text)


def read_verbose(data: bytes, name: str, addresses: Addresses) -> Iterator[Entry]:
    """The entry of each request, placed at the line on which it begins."""
    said = None
    for following in _said(data):
        if said and not _is_step(said, is_followed=True):
            yield _entry(said, name, addresses)
        said = following
    if said is None:
        raise UsageError(f"it looks like the output of curl -v, but holds no request; {_ADVICE}")
    if not _is_step(said, is_followed=False):
        yield _entry(said, name, addresses)


def _said(data: bytes) -> Iterator[_Said]:
    said: _Said | None = None
    position, line, is_tls = 0, 1, False
    for mark in _MARK.finditer(data):
        between, text = data[position : mark.start()], mark[1]
        line += between.count(b"\n")
        if said:
            said.take_body(between)
        request = _REQUEST_LINE.match(text)
        if request and not (said and said.head is said.sent):
            if said:
                yield said
            said = _Said(line, request[1], request[2], "https" if is_tls or request[3] == b"2" else "http")
        elif text.startswith(b"* "):
            is_tls = b"SSL connection using" in text or (is_tls and b"Trying " not in text)
        elif said and text.startswith((b"> ", b"< ")):
            said.take_head(text)
        line += text.count(b"\n")
        position = mark.end()
    if said:
        said.take_body(data[position:])
        yield said


def _is_step(said: _Said, *, is_followed: bool) -> bool:
    """Whether it leads to the answer: a tunnel of a proxy, or a redirection that was followed without its body."""
    if said.method == b"CONNECT":
        return True
    has_body = any(map(bytes.strip, said.body))
    return is_followed and not has_body and is_interim(said.status, said.reason, _fields(said.received))


def _entry(said: _Said, name: str, addresses: Addresses) -> Entry:
    received = _fields(said.received)
    try:
        exchange: Exchange | UsageError = _exchange(said, received, addresses)
    except UsageError as error:
        exchange = error
    except ValueError:
        exchange = UsageError("its address cannot be read")
    return Entry(f"{name}:{said.line}", time_of(None, received), exchange)


def _exchange(said: _Said, received: Headers, addresses: Addresses) -> Exchange:
    """The exchange without the body of the request, which curl does not show."""
    sent, target, method = _fields(said.sent), said.target.decode("latin-1"), said.method.decode()
    url = target if "://" in target else f"{said.scheme}://{find(sent, 'host') or ''}{target}"
    addresses.path_of(method, url)
    if not said.status or said.head is not None:
        raise UsageError("it has no whole response: the connection was lost, or the output is cut off")
    response = Response(said.status, received, _body(said, received))
    if not (response.body or forbids_content(method, said.status) or content_length(received) == 0):
        raise UsageError(f"it has no body, which curl writes to standard output; {_ADVICE}")
    exchange = recorded_exchange(addresses, Recorded(method, url, sent, b"", response, None))
    has_body = find(sent, "transfer-encoding") is not None or (content_length(sent) or 0) > 0
    return replace(exchange, known=exchange.known - {"request"}) if has_body else exchange


def _body(said: _Said, received: Headers) -> bytes:
    """The body without what curl has written into it, and with `curl -iv` without the header before it."""
    body = _WITHIN.sub(b"", b"".join(said.body))
    body = body[heads_end(body) :]
    if not body.strip():
        return b""
    length = content_length(received)
    if length is not None and coding_of(Response(said.status, received)) == "identity":
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
