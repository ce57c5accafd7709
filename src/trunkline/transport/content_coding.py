"""Content codings: decode gzip and deflate, within a bound on the decoded size."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace

from trunkline.errors import TargetError
from trunkline.exchange import Response

_CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_MEMBERS = 1000
_WIDE = re.compile(rb"[\xf0-\xf4]")
"""The first byte of a character for which Python takes four bytes for each character of its text."""
_SIZES = {b",": 80, b"{": 150, b"[": 100, b'"': 12}
"""The bytes of memory that the values of JSON take, by the characters that begin or separate them."""
_MOST_MEMORY = 300 << 20
"""The bytes of memory that one body may take."""


class TooManyBytes(TargetError):
    """The body of an answer of `name` is larger than `max_bytes`."""

    def __init__(self, name: str, max_bytes: int) -> None:
        super().__init__(f"{name} sent more than {max_bytes} bytes; the rest was not read; check the server")


def unpacked(response: Response, max_bytes: int, name: str) -> Response:
    """The response with a decoded body. `name` is the implementation's, for errors. Unknown codings stay as they are.

    Raises `TargetError` if the body is not coded as announced or is larger than `max_bytes`.
    """
    body = response.body
    announced = ",".join(value for key, value in response.headers if key == "content-encoding")
    named = (coding.strip(" \t").lower() for coding in announced.split(","))
    codings = [coding for coding in named if coding not in {"", "identity"}]
    if body and len(codings) <= 2 and all(coding in _CODINGS for coding in codings):
        try:
            for coding in reversed(codings):
                body = _inflated(body, coding, max_bytes)
        except zlib.error:
            raise TargetError(
                f"{name} announces the content coding {announced}, but its body is not coded so; check the server"
            ) from None
    if len(body) > max_bytes:
        raise TooManyBytes(name, max_bytes)
    return replace(response, body=body) if codings else response


def received(response: Response, max_bytes: int, name: str) -> Response:
    """The answer of an implementation, decoded. Raises `TargetError` also if its body has too many values to judge."""
    response = unpacked(response, max_bytes, name)
    if has_too_many_values(response.body):
        size = len(response.body)
        raise TargetError(f"{name} sent {size} bytes that hold too many values to be judged; check the server")
    return response


def has_too_many_values(data: bytes, most_memory: int = _MOST_MEMORY) -> bool:
    """Whether JSON would take too much memory to be judged: bytes of few characters can be many values."""
    if len(data) * (max(_SIZES.values()) + 9) < most_memory:
        return False
    width = 1 if data.isascii() else 4 if _WIDE.search(data) else 2
    values = sum(data.count(character) * size for character, size in _SIZES.items())
    return values + len(data) * (2 * width + 1) > most_memory


def _inflated(body: bytes, coding: str, max_bytes: int) -> bytes:
    """The body without one coding. Decoding stops just beyond `max_bytes`, so that no zip bomb fills the memory."""
    bits = _CODINGS[coding]
    if coding == "deflate" and (body[:1] != b"x" or int.from_bytes(body[:2]) % 31):
        bits = -15  # some servers leave out the zlib header (RFC 1950)
    plain = b""
    for _ in range(_MEMBERS):
        stream = zlib.decompressobj(bits)
        plain += stream.decompress(body, max_bytes + 1 - len(plain))
        if len(plain) > max_bytes:
            break
        if not stream.eof:
            raise zlib.error("cut off")
        body = stream.unused_data
        if bits != 31 or not body.startswith(b"\x1f\x8b"):
            break
    return plain
