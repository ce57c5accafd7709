r"""Read the output of `curl -i`, or a body alone.

>>> read_curl(b'HTTP/2 200 \r\ncontent-type: application/json\r\n\r\n{}').response
Response(200, <2 bytes>)
"""

from __future__ import annotations

import re
from contextlib import suppress

from trunkline.errors import TargetError, UsageError
from trunkline.exchange import Exchange, Headers, Response, headers
from trunkline.traffic import BODY, RESPONSE, UNKNOWN
from trunkline.transport.content_coding import unpacked
from trunkline.transport.files import MOST_BYTES

_BOM = b"\xef\xbb\xbf"
_STATUS_LINE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([0-9]{3})(?: [^\r\n]*)?\r?(?:\n|\Z)")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")


def read_curl(data: bytes) -> Exchange:
    """The response in the output of `curl -i`; without a status line the data are a lone body.

    Of several header blocks (`100 Continue`, a proxy's `200 Connection established`, redirects) the last counts. A
    broken body is not an error here: the rules report it. Raises `UsageError` for data that cannot be judged.
    """
    if data[:10] in {"HTTP/".encode("utf-16-le"), "HTTP/".encode("utf-16-be")} or data[2:12] == b"H\0T\0T\0P\0/\0":
        raise UsageError("the response was saved as UTF-16, as some shells do; save it with curl -i -o FILE")
    body = data.removeprefix(_BOM) if data.startswith(_BOM + b"HTTP/") else data
    status, fields = 0, b""
    while line := _STATUS_LINE.match(body):
        status = int(line[1])
        end = _EMPTY_LINE.search(body, line.end() - 1)
        fields = body[line.end() : end.start()] if end else body[line.end() :]
        body = body[end.end() :] if end else b""
    if not status:
        return Exchange(UNKNOWN, Response(0, (), body), BODY)
    return Exchange(UNKNOWN, _decoded(Response(status, _headers(fields), body)), RESPONSE)


def _headers(block: bytes) -> Headers:
    lines = _FOLD.sub(" ", block.decode("latin-1")).splitlines()
    pairs = (line.partition(":") for line in lines)
    return headers((name.strip(), value.strip()) for name, colon, value in pairs if colon)


def _decoded(response: Response) -> Response:
    """The response without its content coding. `curl --compressed` decodes the body but leaves the header."""
    with suppress(TargetError):  # the body is not coded as its header says: it is judged as it is
        response = unpacked(response, MOST_BYTES, "the source")
    coding = (response.header("content-encoding") or "identity").strip().lower()
    if coding not in {"identity", "gzip", "x-gzip", "deflate"} and not _is_text(response.body):
        raise UsageError(f"the body is coded as {ascii(coding)[1:-1]}, which is not read here; use curl --compressed")
    return response


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
