"""Owns making a text of a pattern: `sample("carrier-[a-z0-9]{3,12}", chance)` -> `carrier-7hq0d`.

The patterns of `made` are literal text, classes, groups with alternatives, and counts: enough for harmless values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from random import Random
from string import ascii_letters, digits
from typing import TypeAlias

_Maker: TypeAlias = Callable[[Random], str]

_CLASSES = {"d": digits, "w": ascii_letters + digits + "_"}
_MANY = 8
"""A count without an end ends here."""
_MOST = 1000
"""No count is higher."""
_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}|([?*+])")


def sample(pattern: str, chance: Random) -> str:
    """A text that the pattern matches as a whole. Raises `ValueError` for a pattern of other words than these."""
    return _maker(pattern)(chance)


@lru_cache(maxsize=256)
def _maker(pattern: str) -> _Maker:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is no expression that Python reads: {error}") from None
    reader = _Reader(pattern)
    made = reader.alternatives()
    if reader.rest:
        raise ValueError(f"{pattern!r} cannot be read from {reader.rest!r} on")
    return made


class _Reader:
    """Reads one pattern from its beginning to its end."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.rest = pattern

    def alternatives(self) -> _Maker:
        found = [self._sequence()]
        while self._took("|"):
            found.append(self._sequence())
        return lambda chance: chance.choice(found)(chance)

    def _sequence(self) -> _Maker:
        parts: list[_Maker] = []
        while self.rest and self.rest[0] not in "|)":
            parts.append(self._counted(self._atom()))
        return lambda chance: "".join(part(chance) for part in parts)

    def _counted(self, atom: _Maker) -> _Maker:
        said = _COUNT.match(self.rest)
        if said is None:
            return atom
        self.rest = self.rest[said.end() :]
        low, comma, high, sign = said.groups()
        least = int(low) if low else int(sign == "+")
        most = 1 if sign == "?" else least + _MANY if sign or (comma and not high) else int(high or low)
        if not least <= most <= _MOST:
            raise ValueError(f"{self._pattern!r} has a count to {most}; it is from {least} to {_MOST}")
        return lambda chance: "".join(atom(chance) for _ in range(chance.randint(least, most)))

    def _atom(self) -> _Maker:
        if self._took("("):
            self._took("?:")
            made = self.alternatives()
            if not self._took(")"):
                raise ValueError(f"{self._pattern!r} has a group that is not closed")
            return made
        chars = self._class() if self._took("[") else self._char()
        return lambda chance: chance.choice(chars)

    def _class(self) -> str:
        if self._took("^"):
            raise ValueError(f"{self._pattern!r} has a negated class; name what is meant")
        found = ""
        while not self._took("]"):
            first = self._char(within=True)
            if self.rest.startswith("-") and not self.rest.startswith("-]"):
                self.rest = self.rest[1:]
                last = self._char(within=True)
                found += "".join(map(chr, range(ord(first), ord(last) + 1)))
            else:
                found += first
        return found

    def _char(self, *, within: bool = False) -> str:
        """The characters that one word of the pattern stands for."""
        char, self.rest = self.rest[0], self.rest[1:]
        if char == "\\":
            char, self.rest = self.rest[0], self.rest[1:]
            if char.isalnum():
                if char not in _CLASSES:
                    raise ValueError(f"{self._pattern!r} has \\{char}, of which nothing is made")
                return _CLASSES[char]
        elif char in ".^$*+?{" and not within:
            raise ValueError(f"{self._pattern!r} has {char!r}, of which nothing is made")
        return char

    def _took(self, word: str) -> bool:
        took = self.rest.startswith(word)
        if took:
            self.rest = self.rest[len(word) :]
        return took
