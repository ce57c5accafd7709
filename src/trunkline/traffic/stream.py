"""Read a source piece by piece, with the line of each: JSON values within a document, or lines."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from io import RawIOBase
from typing import BinaryIO, cast

import msgspec

from trunkline.errors import UsageError
from trunkline.transport.files import MOST_BYTES

_CHUNK = 1 << 20
_BLANKS = re.compile(rb"[ \t\r\n]*")
_MARKS = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)
_END_OF_SCALAR = re.compile(rb"[,\]}\n]")
_ANY = msgspec.json.Decoder(msgspec.Raw)
_FOLLOWED = re.compile(r"trailing characters \(byte ([0-9]+)\)")
_CUT_OFF = "truncated"


class BrokenJSON(UsageError):
    """The source is no JSON from some place on, so that what follows cannot be told apart."""


class Stream:
    """A source, of which only what is being read is in memory.

    While `keeps` is true, all that was read stays, to be read again from the beginning. Then it may hold no more than
    `MOST_BYTES`: each method raises `UsageError` for one that does.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._data = b""
        self._at = 0
        self._counted = 0
        """The place up to which line ends are counted in `_line`."""
        self._line = 1
        self.keeps = True

    def beginning(self) -> bytes:
        """The first bytes: a megabyte, or all if there are fewer."""
        if not self._data:
            self._more()
        return self._data

    def decompress(self) -> bytes:
        """Decompress all from the beginning on with gzip, piece by piece; the first bytes of what it holds."""
        self._file = cast("BinaryIO", gzip.GzipFile(fileobj=_Rejoined(self.beginning(), self._file)))
        self._data = b""
        return self.beginning()

    def skip_bytes(self, count: int) -> None:
        """Leave out bytes that are in memory."""
        self._at += count

    def rest(self) -> bytes:
        """All that was not taken yet."""
        while self._more():
            pass
        return self._data[self._at :]

    def rewind(self, start: int) -> None:
        """Go back to a place in what was kept, in the first line."""
        self._at = self._counted = start
        self._line = 1

    @property
    def line(self) -> int:
        """The line at the current place, from 1."""
        self._line += self._data.count(b"\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> bytes:
        """The next character that is not a blank, or nothing at the end."""
        while True:
            self._at = _BLANKS.match(self._data, self._at).end()  # type: ignore[union-attr]  # it matches anywhere
            if self._at < len(self._data) or not self._more():
                return self._data[self._at : self._at + 1]

    def expect(self, characters: bytes) -> bytes:
        """Take one of these characters. Raises `BrokenJSON` if the next one is none of them."""
        found = self.peek()
        if not found or found not in characters:
            raise self._broken()
        self._at += 1
        return found

    def value(self, limit: int) -> bytes:
        """Take the next JSON value, as it is written; it begins where `peek` stopped.

        One that msgspec does not take ends where its brackets and quotes are balanced. Raises `UsageError` for a value
        that is too long, and goes on behind it; `BrokenJSON` for one that has no end.
        """
        while True:
            found = memoryview(self._data)[self._at :]
            try:
                end = _length_of_value(found)
            except (msgspec.DecodeError, RecursionError) as error:
                if _CUT_OFF in str(error) and len(found) <= limit and self._more():
                    continue
                return self._balanced(limit)
            if end == len(found) and self._more():
                continue  # it may be a number that goes on
            self._at += end
            if end > limit:
                raise UsageError(_too_long(limit))
            return bytes(found[:end])

    def lines(self, limit: int) -> Iterator[tuple[int, bytes | UsageError]]:
        """Each line that is not blank, with its number; for one that is too long the error that says so."""
        while self.peek():
            number = self.line
            end = self._data.find(b"\n", self._at)
            while end < 0 and len(self._data) - self._at <= limit and self._more():
                end = self._data.find(b"\n", self._at)
            start, self._at = self._at, end if end >= 0 else len(self._data)
            text = self._data[start : self._at] if self._at - start <= limit else UsageError(_too_long(limit))
            while end < 0 and self._more():
                end = self._data.find(b"\n", self._at)
                self._at = end if end >= 0 else len(self._data)
            yield number, text

    def _more(self) -> bool:
        """Read on, as much again as is in memory; whether there was more."""
        size = max(_CHUNK, len(self._data) - self._at)
        if self.keeps:  # at most one byte beyond the limit, however often it is tried
            size = min(size, MOST_BYTES + 1 - len(self._data))
        try:
            chunk = self._file.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise UsageError("it is compressed with gzip, and damaged or cut off; copy it again") from None
        if self.keeps:
            self._data += chunk
            if len(self._data) > MOST_BYTES:
                raise UsageError(
                    f"it is no recording, and more than {MOST_BYTES} bytes, the limit; cut out one response"
                )
        elif chunk:
            self._line = self.line
            self._data = self._data[self._at :] + chunk
            self._at = self._counted = 0
        return bool(chunk)

    def _balanced(self, limit: int) -> bytes:
        """Take a value by its brackets and quotes alone. Raises `BrokenJSON` if it has no end."""
        if self.keeps:
            raise self._broken()
        brackets = _Brackets(self._data[self._at : self._at + 1])
        taken, size, ended = list[bytes](), 0, False
        while not ended:
            start = self._at
            self._at, ended = brackets.end(self._data, start)
            size += self._at - start
            if size <= limit:
                taken.append(self._data[start : self._at])
            if not ended and not self._more():
                raise self._broken()
        if size > limit:
            raise UsageError(_too_long(limit))
        return b"".join(taken)

    def _broken(self) -> BrokenJSON:
        return BrokenJSON(f"it is not JSON from line {self.line} on{': it looks cut off' * (not self.peek())}")


class _Rejoined(RawIOBase):
    """A source whose first bytes were read, and are read once more. It need not be able to go back."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many."""
        if not self._first:
            return self._rest.read(size)
        found, self._first = self._first[:size], self._first[size:]
        return found


class _Brackets:
    """Finds the end of the JSON value that begins with a character, in one part of its text after the other."""

    def __init__(self, first: bytes) -> None:
        self._is_scalar = first not in (b"{", b"[", b'"')
        self._depth = 0
        self._quoted = False

    def end(self, data: bytes, at: int) -> tuple[int, bool]:
        """The place up to which a part was read from `at` on, and whether the value ends there."""
        for mark in (_END_OF_SCALAR if self._is_scalar else _MARKS).finditer(data, at):
            if self._is_scalar:
                return mark.start(), True
            at = mark.end()
            if mark[0] == b'"':
                self._quoted = not self._quoted
            elif not self._quoted:
                self._depth += (mark[0] in (b"{", b"[")) - (mark[0] in (b"]", b"}"))
            if self._depth <= 0 and not self._quoted:
                return at, True
        return at if data.endswith(b"\\", at) else len(data), False


def _too_long(limit: int) -> str:
    return f"it holds more than {limit} bytes, which is the limit for one entry"


def _length_of_value(text: memoryview) -> int:
    """The number of bytes of the JSON value at the beginning of a text, with the blanks after it.

    msgspec finds it five times as fast as any other library for Python, but says it only in the message of an error. A
    test says that it still does.
    """
    try:
        return len(memoryview(_ANY.decode(text)))
    except msgspec.DecodeError as error:
        if not (followed := _FOLLOWED.search(str(error))):
            raise
        return int(followed[1]) - 1
