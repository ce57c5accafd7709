"""Owns the codings of bodies: an answer freed of gzip and deflate, and never more of it than its reader would hold."""

from __future__ import annotations

import zlib
from dataclasses import replace

from trunkline.errors import TargetError
from trunkline.exchange import Response

_CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_MEMBERS = 1000


def unpacked(response: Response, max_bytes: int, name: str) -> Response:
    """The response with its body freed of gzip and deflate; `name` is whose answer it is."""
    body = response.body
    said = ",".join(value for key, value in response.headers if key == "content-encoding")
    codings = [coding for coding in said.replace(" ", "").lower().split(",") if coding not in {"", "identity"}]
    if body and len(codings) <= 2 and all(coding in _CODINGS for coding in codings):
        try:
            for coding in reversed(codings):
                body = _inflated(body, coding, max_bytes)
        except zlib.error:
            raise TargetError(f"{name} says that its answer is coded as {said}, and it is not; look there") from None
    if len(body) > max_bytes:
        raise endless(name, max_bytes)
    return replace(response, body=body) if codings else response


def _inflated(body: bytes, coding: str, max_bytes: int) -> bytes:
    """The body without one coding: all of it, or just more than `max_bytes`, for no bomb to go off."""
    bits = _CODINGS[coding]
    if coding == "deflate" and (body[:1] != b"x" or int.from_bytes(body[:2]) % 31):
        bits = -15  # some servers leave out the two bytes of RFC 1950 that the name promises
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


def endless(name: str, max_bytes: int) -> TargetError:
    """What is raised when an answer has no end in sight."""
    return TargetError(f"{name} answers without end: more than {max_bytes} bytes came, and the rest was left unread")
