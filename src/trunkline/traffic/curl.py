r"""Read the output of `curl -i`: one response or several.

>>> next(read_curl(b'HTTP/2 200 \r\ncontent-type: application/json\r\n\r\n{}')).exchange.response
Response(200, <2 bytes>)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trunkline.contract.http import NO_CONTENT
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Headers, Response, headers
from trunkline.traffic import RESPONSE, UNKNOWN
from trunkline.traffic.messages import coding_of, content_length, decode, require_whole_body
from trunkline.traffic.recorded import Entry, time_of

_STATUS_LINE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([0-9]{3})(?: ([^\r\n]{0,1000}))?\r?(?:\n|\Z)")
_NEXT = re.compile(
    rb"HTTP/[0-9](?:\.[0-9])? [0-9]{3}(?: (?:(?!HTTP/)[^\r\n])*+)?\r?\n(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+:|\r?\n)"
)
"""A status line with a header below it. No JSON text contains one, since its strings have no line breaks.

Its reason contains no other status line, so no line is read more than once.
"""
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_BLANKS = re.compile(rb"[ \t\r\n]{0,1000}")
"""Blanks and line ends between responses. Like the reason, they have a bound, so that no place is read too often."""
_CHUNK = re.compile(rb"[0-9A-Fa-f]+(?:;[^\r\n]*)?\r\n")
_ADVICE = "save it again with curl -i -o FILE"


def read_curl(data: bytes) -> Iterator[Entry]:
    """Each response of `curl -i`, or the reason why it cannot be judged. Its place is the line on which it begins.

    A header block to which curl shows no body (`100 Continue`, a proxy's `200 Connection established`, a redirect that
    was followed, a request for credentials) belongs to the response after it. A body that is not JSON is not an error
    here: the API sent it, and the rules report it.
    """
    position, line = 0, 1
    while status_line := _STATUS_LINE.match(data, position):
        end = _EMPTY_LINE.search(data, status_line.end() - 1)
        if not end:
            cut = UsageError(f"the header is cut off: no empty line ends it; {_ADVICE}")
            yield Entry(f":{line}", None, cut)
            return
        status, fields = int(status_line[1]), _headers(data[status_line.end() : end.start()])
        reason = (status_line[2] or b"").strip().lower()
        followed = _STATUS_LINE.match(data, end.end()) is not None
        stop = end.end()
        if not (followed and is_interim(status, reason, fields)):
            length = 0 if status in NO_CONTENT else content_length(fields)
            stop = _end_of_body(data, end.end(), length)
            found = _exchange(status, fields, data[end.end() : stop], length)
            yield Entry(f":{line}", time_of(None, fields), found)
        after = _after_blanks(data, stop)
        line += data.count(b"\n", position, after)
        position = after


def is_interim(status: int, reason: bytes, fields: Headers) -> bool:
    """Whether a response without a body is a step to the one after it."""
    connected = 200 <= status < 300 and (reason == b"connection established" or not fields)
    return status // 100 in {1, 3} or status in {401, 407} or connected


def heads_end(data: bytes) -> int:
    """The place after the header blocks with which data begin; 0 if they begin with none."""
    position = 0
    while (status_line := _STATUS_LINE.match(data, position)) and (
        end := _EMPTY_LINE.search(data, status_line.end() - 1)
    ):
        position = end.end()
    return position


def _end_of_body(data: bytes, start: int, length: int | None) -> int:
    """Where a body ends: after its content-length, if that leads to a status line or to the end; else at the next."""
    if length is not None and start + length <= len(data):
        after = _after_blanks(data, start + length)
        if after == len(data) or _STATUS_LINE.match(data, after):
            return start + length
    following = _NEXT.search(data, start)
    return following.start() if following else len(data)


def _exchange(status: int, fields: Headers, body: bytes, length: int | None) -> Exchange | UsageError:
    response = Response(status, fields, body)
    if not body and length != 0:
        return UsageError(f"it has no body: it is the answer to curl -I, or it is cut off; {_ADVICE}")
    if "chunked" in (response.header("transfer-encoding") or "").lower() and _CHUNK.match(body):
        return UsageError("the body is in chunks, as curl --raw saves it; leave --raw out")
    if length is not None and length < len(body) and coding_of(response) == "identity":
        what = f"longer than its content-length: {len(body)} bytes, not {length}"
        return UsageError(f"the body is {what}, so it was changed after it was received; {_ADVICE}")
    try:
        return Exchange(UNKNOWN, require_whole_body(decode(response), len(body)) if body else response, RESPONSE)
    except UsageError as error:
        return error


def _headers(block: bytes) -> Headers:
    lines = _FOLD.sub(" ", block.decode("latin-1")).split("\n")
    pairs = (line.partition(":") for line in lines)
    return headers((name.strip(" \t\r"), value.strip(" \t\r")) for name, colon, value in pairs if colon)


def _after_blanks(data: bytes, position: int) -> int:
    blanks = _BLANKS.match(data, position)
    return blanks.end() if blanks else position
