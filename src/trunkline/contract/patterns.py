"""Generate a text that a regular expression matches: `sample("carrier-[a-z0-9]{3,12}", rng)` -> `carrier-7hq0d`.

An expression has literals, classes, groups with alternatives, and counts, which is enough for harmless values; anything
else is refused. rstr was not used: it ignores what it does not know, and its choice from a negated class differs from
one process to the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from random import Random
from string import ascii_letters, digits
from typing import TypeAlias

_Generator: TypeAlias = Callable[[Random], str]

_CLASSES = {"d": digits, "w": ascii_letters + digits + "_"}
_OPEN_END = 8
"""The number of repetitions that `*`, `+` and `{m,}` can add."""
_MOST = 1000
"""The highest count."""
_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}|([?*+])")


def sample(pattern: str, rng: Random) -> str:
    """A text that the whole pattern matches. Raises `ValueError` for a pattern with anything else in it."""
    return _compiled(pattern)(rng)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> _Generator:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is no expression that Python reads: {error}") from None
    parser = _Parser(pattern)
    generator = parser.alternatives()
    if parser.rest:
        raise ValueError(f"{pattern!r} cannot be read from {parser.rest!r} on")
    return generator


class _Parser:
    """Reads a pattern from left to right. `rest` is what is left of it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.rest = pattern

    def alternatives(self) -> _Generator:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return lambda rng: rng.choice(options)(rng)

    def _sequence(self) -> _Generator:
        parts: list[_Generator] = []
        while self.rest and self.rest[0] not in "|)":
            parts.append(self._counted(self._atom()))
        return lambda rng: "".join(part(rng) for part in parts)

    def _counted(self, atom: _Generator) -> _Generator:
        count = _COUNT.match(self.rest)
        if count is None:
            return atom
        self.rest = self.rest[count.end() :]
        low, comma, high, sign = count.groups()
        least = int(low) if low else int(sign == "+")
        most = 1 if sign == "?" else least + _OPEN_END if sign or (comma and not high) else int(high or low)
        if not least <= most <= _MOST:
            raise ValueError(f"{self._pattern!r} has a count to {most}; it is from {least} to {_MOST}")
        return lambda rng: "".join(atom(rng) for _ in range(rng.randint(least, most)))

    def _atom(self) -> _Generator:
        if self._take("("):
            self._take("?:")
            group = self.alternatives()
            if not self._take(")"):
                raise ValueError(f"{self._pattern!r} has a group that is not closed")
            return group
        chars = self._class() if self._take("[") else self._char()
        return lambda rng: rng.choice(chars)

    def _class(self) -> str:
        if self._take("^"):
            raise ValueError(f"{self._pattern!r} has a negated class; list the characters instead")
        found = ""
        while not self._take("]"):
            first = self._char(within=True)
            if not self.rest.startswith("-]") and self._take("-"):
                last = self._char(within=True)
                found += "".join(map(chr, range(ord(first), ord(last) + 1)))
            else:
                found += first
        return found

    def _char(self, *, within: bool = False) -> str:
        """The characters that the next character of the pattern stands for, or an escape."""
        char, self.rest = self.rest[0], self.rest[1:]
        if char == "\\":
            char, self.rest = self.rest[0], self.rest[1:]
            if char.isalnum():
                if char not in _CLASSES:
                    raise ValueError(f"{self._pattern!r} has \\{char}, which is not supported")
                return _CLASSES[char]
        elif char in ".^$*+?{" and not within:
            raise ValueError(f"{self._pattern!r} has {char!r}, which is not supported")
        return char

    def _take(self, word: str) -> bool:
        is_next = self.rest.startswith(word)
        if is_next:
            self.rest = self.rest[len(word) :]
        return is_next
