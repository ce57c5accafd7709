"""Replace secrets by stand-ins, so that a recording without secrets is judged as the traffic was.

A stand-in has the form of its secret: a letter for each letter, a digit for each digit, all else as it is. So lengths,
patterns and JSON stay valid. In one process, a secret has the same stand-in wherever it is written in the same way: a
response that returns a credential still does. Nobody can compute the secret: the key is random, and never written.

>>> stand_ins = StandIns()
>>> stand_ins.learn({"sk_live_0123456789"})
True
>>> stand_ins("the key sk_live_0123456789 is unknown")
'the key vq_oxmi_7384162953 is unknown'
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from itertools import cycle
from secrets import token_bytes

from trunkline.redaction import MOST_WEIGHT, Redactor, weight_of

_UNIT = re.compile(r'\\u([0-9a-fA-F]{4})|\\["\\/bfnrt]|%([0-9a-fA-F]{2})|[^\W_]')
"""One character to replace, which is escaped for JSON or for an address, or is a letter or a digit."""
_NAMED = re.compile(
    r'("((?:[^"\\]|\\.)*+)"\s*:\s*)("(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\.){1,3}"|-?[0-9][0-9.]{0,2}(?![0-9.eE]))', re.DOTALL
)
"""A member of JSON whose value is short."""
_PAIR = re.compile(r"""([^?&;=\s"']+=)([^&;#\s"']{1,3})(?![^&;#\s"'])""")
"""A pair of a query or a form whose value is short."""
SHORTEST = 4
"""Shorter secrets occur everywhere by chance: they are replaced only under their names."""
_RANGES = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "123456789")
_OTHERS = {2: 0x00E0, 3: 0x4E00, 4: 0x20000}
"""The first of the letters that stand for any other letter, by its number of bytes in UTF-8."""


class StandIns:
    """Replaces the secrets that it has learned in texts. The oldest are forgotten: its memory is bounded."""

    def __init__(self) -> None:
        self._key = token_bytes(32)
        self._newer, self._older = Redactor(), Redactor()
        self._known: set[str] = set()
        """Those in the newer one."""

    def learn(self, secrets: Collection[str]) -> bool:
        """Replace these too. Returns False for more, or longer, secrets than can be searched for."""
        new = {secret for secret in secrets if len(secret) >= SHORTEST} - self._known
        weight = weight_of(new)
        if weight > MOST_WEIGHT:
            return False
        if self._newer.weight + weight > MOST_WEIGHT:
            self._newer, self._older, self._known = Redactor(), self._newer, set()
            new = {secret for secret in secrets if len(secret) >= SHORTEST}
            if weight_of(new) > MOST_WEIGHT:
                return False
        for secret in new:
            self._newer.add(secret)
        self._known |= new
        return True

    def __call__(self, text: str) -> str:
        return self._older.replace(self._newer.replace(text, self.of), self.of)

    def redact(self, text: str) -> str:
        """The text with `***` for each secret."""
        return self._older(self._newer(text))

    def under_names(self, text: str, is_secret: Callable[[str], bool]) -> str:
        """The text with stand-ins for the short values under secret names: in JSON, and in a query or a form."""

        def member(found: re.Match[str]) -> str:
            return found[1] + self.of(found[3]) if is_secret(found[2]) else found[0]

        def pair(found: re.Match[str]) -> str:
            return found[1] + self.of(found[2]) if is_secret(found[1][:-1]) else found[0]

        return _PAIR.sub(pair, _NAMED.sub(member, text))

    def of(self, secret: str) -> str:
        """The stand-in of a secret, of which no letter or digit is at the same place."""
        digest = hashlib.blake2b(secret.lower().encode("utf-8", "surrogatepass"), key=self._key).digest()
        steps = cycle(digest)
        return _UNIT.sub(lambda unit: _replaced(unit, next(steps)), secret)


def _replaced(unit: re.Match[str], step: int) -> str:
    text, in_json, in_address = unit[0], unit[1], unit[2]
    if in_json:
        letter = chr(int(in_json, 16))
        return f"\\u{ord(_moved(letter, step)):04x}" if letter.isalnum() else text
    if in_address:
        letter = chr(int(in_address, 16))
        return f"%{ord(_moved(letter, step)):02x}" if letter.isascii() and letter.isalnum() else text
    return text if text[0] == "\\" else _moved(text, step)


def _moved(letter: str, step: int) -> str:
    """Another letter, or digit but 0, of the same kind."""
    for letters in _RANGES:
        if letter in letters:
            return letters[(letters.index(letter) + 1 + step % (len(letters) - 1)) % len(letters)]
    if letter == "0":
        return _RANGES[2][step % 9]
    size = len(letter.encode("utf-8", "surrogatepass"))
    other = chr(_OTHERS.get(size, 0x61) + step % 22)
    return other if other != letter else chr(ord(other) + 1)
