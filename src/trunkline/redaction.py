"""Keep secrets out of text: by value, in all forms in which servers send them back, and by the name of their field.

>>> redactor(frozenset({"sk_live_0123456789abcdef"}))("the key sk_live_0123456789abc is unknown")
'the key *** is unknown'
>>> mask_fields({"name": "north", "sipPassword": "hunter2"}, ["sip_password"])
{'name': 'north', 'sipPassword': '***'}
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote

from trunkline.exchange import Json, NotJSON, all_places, read_json

HIDDEN = "***"
CREDENTIAL_NAMES = frozenset({"token", "access_token", "api_key", "key", "secret", "password", "authorization", "auth"})
"""The query parameters in which clients send a credential by mistake."""
AUTH_SCHEMES = frozenset({"bearer", "basic", "token"})
"""The scheme names before a credential in an Authorization header, which are no secret (RFC 9110, section 11.4)."""
_SHORTEST = 4
"""Shorter secrets are not redacted: they occur everywhere by chance."""
_WINDOW = 12
"""The number of characters in a row that make a part of a secret; fewer may be an ordinary word."""
_LONG = 16
"""The length from which on the parts of a secret are redacted too."""


@lru_cache(maxsize=64)
def redactor(secrets: frozenset[str]) -> Callable[[str], str]:
    """Make a function that replaces each secret in a text by `***`, and each long enough part of one."""
    long_enough = (secret for secret in secrets if len(secret) >= _SHORTEST)
    forms = {form for secret in long_enough for form in _forms(secret) if len(form) >= _SHORTEST}
    short_forms = tuple(sorted((form for form in forms if len(form) < _LONG), key=len, reverse=True))
    windows = {form[at : at + _WINDOW] for form in forms if len(form) >= _LONG for at in range(len(form) - _WINDOW + 1)}

    def hide(text: str) -> str:
        if windows and len(text) >= _WINDOW:
            text = _without(text, windows)  # first, for a short secret may be the beginning of a long one
        for form in short_forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text

    return hide


def normalized(name: str) -> str:
    """The name without case and separators, in which `sipPassword` equals `sip_password`."""
    return name.lower().replace("_", "").replace("-", "")


def mask_fields(value: Json, names: Collection[str]) -> Json:
    """A copy of a JSON value with `***` under the names of secrets, however they are spelled, at any depth."""
    wanted = {normalized(name) for name in names}

    def mask(node: Json) -> Json:
        if isinstance(node, list):
            return [mask(item) for item in node]
        if isinstance(node, dict):
            return {key: HIDDEN if normalized(key) in wanted else mask(item) for key, item in node.items()}
        return node

    return mask(value)


def mask_body(body: bytes, names: Collection[str]) -> bytes:
    """A JSON body with `***` under the names of secrets, at any depth. Any other body is unchanged."""
    try:
        sent = read_json(body).readings
    except NotJSON:
        return body
    masked = tuple(mask_fields(reading, names) for reading in sent)
    return body if masked == sent else json.dumps(masked[0], ensure_ascii=False).encode("utf-8", "backslashreplace")


def secrets_in_body(body: bytes, names: Collection[str]) -> set[str]:
    """The strings under the names of secrets in a request body, at any depth, also in a body that is cut off."""
    text = body.decode("utf-8", "replace")
    found = {value for name in names for value in re.findall(rf'"{re.escape(name)}"\s*:\s*"([^"\\]+)"', text)}
    try:
        readings = read_json(body).readings
    except NotJSON:
        return found
    wanted = {normalized(name) for name in names}
    objects = (node for _, node in all_places([*readings]) if isinstance(node, dict))
    inner = (pair for node in objects for pair in node.items())
    return found | {text for key, text in inner if isinstance(text, str) and normalized(key) in wanted}


def secrets_in_query(query: str, names: Iterable[str]) -> set[str]:
    """The values in a query under the names of secrets and of credentials, where they do not belong."""
    wanted = {normalized(name) for name in (*names, *CREDENTIAL_NAMES)}
    return {value for name, value in parse_qsl(query, errors="surrogateescape") if normalized(name) in wanted}


def secrets_in_header(value: str) -> set[str]:
    """The parts of an Authorization header that are not the name of a scheme."""
    return {part for part in value.split() if part.lower() not in AUTH_SCHEMES}


def printable(text: str) -> str:
    """The text on one line: whatever could steer a terminal, or cannot be encoded, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, reversed, in the other case, escaped, and in base64 at each of the three offsets."""
    data = secret.encode("utf-8", "replace")
    yield from (
        secret,
        secret[::-1],
        secret.swapcase(),
        quote(data, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    )
    hexadecimal = [f"{byte:02x}" for byte in data]
    yield from ("".join(f"%{pair}" for pair in hexadecimal), "".join(f"%{pair.upper()}" for pair in hexadecimal))
    yield base64.b64encode(b"Bearer " + data).decode().rstrip("=")
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + data).decode()
        yield coded[4 if offset else 0 :].rstrip("=")[:-1]


def _without(text: str, windows: set[str]) -> str:
    spans: list[tuple[int, int]] = []
    for at in range(len(text) - _WINDOW + 1):
        if text[at : at + _WINDOW] in windows:
            begin = spans.pop()[0] if spans and at <= spans[-1][1] else at
            spans.append((begin, at + _WINDOW))
    for begin, end in reversed(spans):
        text = f"{text[:begin]}{HIDDEN}{text[end:]}"
    return text


class Masked(str):
    """A string that equals its value and prints as `***`: pytest prints the `repr` of the values in a failed test."""

    __slots__ = ()

    def __repr__(self) -> str:
        return HIDDEN


class Secrets:
    """The secrets of one mock: the names of its secret fields, and all values that are known so far."""

    def __init__(self, names: Iterable[str], values: Iterable[str]) -> None:
        self._names = {normalized(name) for name in names}
        self._values = set(values)

    def learn(self, record: Mapping[str, Any]) -> None:
        """Add the values of a record's secret fields."""
        self._values |= {str(value) for name, value in record.items() if value and normalized(name) in self._names}

    def hide(self, text: str) -> str:
        """The text with `***` for each known value."""
        return redactor(frozenset(self._values))(text)

    def mask(self, value: Any, *, by_value: bool = False) -> Any:
        """A copy of a JSON value. Strings under a secret's name are `Masked`; with `by_value`, so are known values."""
        return self._mask(value, redactor(frozenset(self._values)) if by_value else str, named=False)

    def _mask(self, value: Any, hide: Callable[[str], str], *, named: bool) -> Any:
        if isinstance(value, dict):
            return {
                key: self._mask(item, hide, named=named or normalized(key) in self._names)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._mask(item, hide, named=named) for item in value]
        return Masked(value) if isinstance(value, str) and (named or hide(value) != value) else value
