"""Owns keeping secrets out of text: whole or in part, as they are or in the forms in which servers send them back.

A secret whose value is not known is known by its name: `masked` hides what stands there.

>>> hiding(frozenset({"sk_live_0123456789abcdef"}))("the key sk_live_0123456789abc is unknown")
'the key *** is unknown'
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

CREDENTIAL_NAMES = frozenset({"token", "access_token", "api_key", "key", "secret", "password", "authorization", "auth"})
"""The names under which people send a credential where none is asked for."""
AUTH_SCHEMES = frozenset({"bearer", "basic", "token"})
"""The words before a credential, which tell nothing of it (RFC 9110, section 11.4)."""
_SHORTEST = 4
"""What is shorter occurs everywhere by chance, and protects nothing."""
_WINDOW = 12
"""So many characters of a secret in a row are a part of it; fewer may be a word that it shares with other texts."""
_LONG = 16
"""A secret of fewer characters is hidden as a whole only."""


@lru_cache(maxsize=64)
def redactor(secrets: frozenset[str]) -> Callable[[str], str]:
    """A function that writes `***` for each secret in a text, and for each long enough part of one."""
    long_enough = (secret for secret in secrets if len(secret) >= _SHORTEST)
    forms = {form for secret in long_enough for form in _forms(secret) if len(form) >= _SHORTEST}
    words = tuple(sorted((form for form in forms if len(form) < _LONG), key=len, reverse=True))
    windows = {form[at : at + _WINDOW] for form in forms if len(form) >= _LONG for at in range(len(form) - _WINDOW + 1)}

    def hide(text: str) -> str:
        if windows and len(text) >= _WINDOW:
            text = _without(text, windows)  # first, for a short secret may be the beginning of a long one
        for word in words:
            if word in text:
                text = text.replace(word, "***")
        return text

    return hide


def normalized(name: str) -> str:
    """A name without case and separators, so that `sipPassword` is `sip_password`."""
    return name.lower().replace("_", "").replace("-", "")


def mask_fields(value: Any, names: Collection[str]) -> Any:
    """A JSON value with `***` for what stands at the name of a secret, however it is spelled, at any depth."""
    return _masked(value, {normalized(name) for name in names})


def _masked(value: Any, wanted: Collection[str]) -> Any:
    if isinstance(value, list):
        return [_masked(item, wanted) for item in value]
    if isinstance(value, dict):
        return {key: "***" if normalized(key) in wanted else _masked(item, wanted) for key, item in value.items()}
    return value


def printable(text: str) -> str:
    """The text on one line: whatever could steer a terminal, or cannot be encoded, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, turned around, in the other case, escaped, and in base64 at each of its three offsets."""
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
        text = f"{text[:begin]}***{text[end:]}"
    return text


class Masked(str):
    """A string that equals its value and prints as `***`: pytest prints the `repr` of the values in a failed test."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


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
