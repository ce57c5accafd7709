"""Tests of `trunkline.traffic.stream`: a source is read in pieces, whatever its size and its faults are."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import UsageError
from trunkline.traffic import stream as module
from trunkline.traffic.stream import BrokenJSON, Stream

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Slow(io.BytesIO):
    """A source that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(self.size, size if size and size > 0 else self.size))


def values(stream: Stream, limit: int = 1000) -> Iterator[tuple[int, bytes | str]]:
    """The line of each item of a list, with its text or the reason why it has none."""
    stream.keeps = False
    stream.expect(b"[")
    end = stream.peek()
    while end != b"]":
        stream.peek()
        line = stream.line
        try:
            yield line, stream.value(limit).strip()
        except BrokenJSON:
            raise
        except UsageError as error:
            yield line, str(error)
        end = stream.expect(b",]")


@given(st.lists(JSON, min_size=1, max_size=5), st.integers(1, 7), st.sampled_from([None, 2]), st.booleans())
def test_items_are_read_as_they_are_written(items: list[object], size: int, indent: int | None, escaped: bool) -> None:
    """However little is read at once, and however the document is written; each with its line."""
    data = json.dumps(items, indent=indent, ensure_ascii=escaped).encode()
    found = [*values(Stream(Slow(data, size)), 100_000)]
    assert [json.loads(text) for _, text in found] == items
    lines, last = data.split(b"\n"), 1
    for line, text in found:
        assert isinstance(text, bytes)
        assert text.split(b"\n")[0] in lines[line - 1]
        assert line >= last
        last = line


def test_the_words_of_msgspec_are_known() -> None:
    """The place where a value ends is in its message, and a value that is cut off has another."""
    for text, length in ((b'{"a": 1},', 8), (b"[1] ]", 4), (b'"x"', 3), (b'"\xff",', 3)):
        assert module._length_of_value(memoryview(text)) == length
    with pytest.raises(msgspec.DecodeError, match=module._CUT_OFF):
        module._length_of_value(memoryview(b'{"a": "'))
    with pytest.raises(msgspec.DecodeError, match="malformed"):
        module._length_of_value(memoryview(b'{"a": NaN}'))


ODD = {
    "not a number": b'{"a": NaN}',
    "half a surrogate": b'{"a": "\\ud800"}',
    "deep": b"[" * 3000 + b"]" * 3000,
    "brackets in a text": b'{"a": NaN, "b": "]}\\"]\\\\"}',
    "a word": b"undefined",
    "no value": b"",
    "not UTF-8": b'"\xff\xfe"',
}


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("name", ODD)
def test_a_value_that_msgspec_does_not_take_hides_no_other(name: str, size: int) -> None:
    """It ends where its brackets and quotes are balanced; its reader says what is wrong with it."""
    data = b"[1,\n" + ODD[name] + b',\n{"b": 2}]'
    assert [*values(Stream(Slow(data, size)), 100_000)] == [(1, b"1"), (2, ODD[name]), (3, b'{"b": 2}')] or not ODD[
        name
    ]
    assert [*values(Stream(Slow(data, size)), 100_000)][-1] == (3, b'{"b": 2}')


@pytest.mark.parametrize("size", [1, 10, 100, 100_000])
@pytest.mark.parametrize("unit", [b'"\\"]",', b"[],", b"1,", b"NaN,"])
def test_a_value_that_is_too_long_is_not_kept(size: int, unit: bytes) -> None:
    """The next one is read."""
    data = b'[1,\n["' + b'",' + unit * 2000 + b"0],\n2]"
    found = [*values(Stream(Slow(data, size)))]
    assert found == [(1, b"1"), (2, "it holds more than 1000 bytes, which is the limit for one entry"), (3, b"2")]


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[", b"[1", b"[1,", b'["a', b'["a\\', b"[1 2]", b"[NaN", b"[[NaN]", b"[1}"]
)
def test_what_has_no_end_is_broken(data: bytes) -> None:
    """Nobody knows where the next value begins."""
    with pytest.raises(BrokenJSON, match="it is not JSON from line 1 on"):
        [*values(Stream(io.BytesIO(data)))]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_lines_are_read(size: int) -> None:
    """With their numbers, without blank ones; one that is too long is left out."""
    data = b"\n\r\na\r\n" + b"x" * 5000 + b"\n \nb\n" + b"y" * 5000
    stream = Stream(Slow(data, size))
    stream.keeps = False
    found = [(number, text if isinstance(text, bytes) else str(text)) for number, text in stream.lines(1000)]
    long = "it holds more than 1000 bytes, which is the limit for one entry"
    assert found == [(3, b"a\r"), (4, long), (6, b"b"), (7, long)]


class Repeated(io.RawIOBase):
    """A source of many megabytes, which takes no memory: a beginning, a unit again and again, and an end."""

    def __init__(self, begin: bytes, unit: bytes, end: bytes, count: int) -> None:
        self._rest = iter([begin, *[unit] * count, end])

    def read(self, size: int = -1) -> bytes:
        taken, length = [], 0
        while length < size and (part := next(self._rest, b"")):
            taken.append(part)
            length += len(part)
        return b"".join(taken)


@pytest.mark.slow_for("100-1000", "30000-100]")
@pytest.mark.parametrize("count", [100, 1000])
@pytest.mark.parametrize("size", [100, 30_000])
def test_the_memory_does_not_grow(count: int, size: int) -> None:
    """A list of 10 MB takes less than 4 MB, and one of 1 MB hardly less than that."""
    item = json.dumps({"text": "\\" * (size // 2)}).encode()
    repeats = count * 30_000 // size // 3
    stream = Stream(Repeated(b"[", item + b",", item + b"]", repeats))  # type: ignore[arg-type]  # it is read only
    tracemalloc.start()
    try:
        assert sum(1 for _ in values(stream, 100_000)) == repeats + 1
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.slow_for("2000000")
@pytest.mark.parametrize("count", [200_000, 2_000_000])
@pytest.mark.parametrize("unit", [b"[", b"[NaN,", b'{"a":', b"\\", b'"', b" ", b"\n", b"0"])
def test_an_endless_value_is_broken(unit: bytes, count: int) -> None:
    """Each byte of it is read a few times, and it is not kept."""
    with pytest.raises(UsageError):
        [*values(Stream(io.BytesIO(b"[" + unit * count)), 50_000)]


def test_a_source_is_not_read_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is tried, by each format in turn: one byte more shows that it is too long."""
    monkeypatch.setattr(module, "MOST_BYTES", 5000)
    source = io.BytesIO(b"[" * 20_000)
    stream = Stream(source)
    for read in (stream.beginning, stream.rest, stream.rest):
        with pytest.raises(UsageError, match="more than 5000 bytes, the limit"):
            read()
    assert source.tell() == 5001
