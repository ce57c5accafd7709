"""Tests of `trunkline.traffic.pieces` and `sources`: whatever a file holds, it is entries or one sentence."""

from __future__ import annotations

import io
import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings import PAGE, entries_of, har, joined
from trunkline.errors import UsageError
from trunkline.exchange import Exchange
from trunkline.mock import loader
from trunkline.report.run import shown_time
from trunkline.traffic import pieces
from trunkline.traffic.pieces import batches
from trunkline.traffic.recorded import Entry
from trunkline.traffic.sources import read_entries

TELEPATH = loader.load("telepath").contract
ASKED = {"method": "GET", "uri": "http://h/v1/trunks", "headers": {"a": ["b"]}, "body": None}
ANSWER = {"status": {"code": 200, "message": "OK"}, "headers": {"a": ["b"]}, "body": {"string": PAGE}}
CASSETTE = {"interactions": [{"request": ASKED, "response": ANSWER}] * 2, "version": 1}
ROW = {"request": {"method": "GET", "url": "/v1/trunks"}, "response": {"status": 200, "body": PAGE}}
GENERATED = {
    "request": ASKED | {"uri": "/v1/trunks"},
    "response": {"status_code": 200, "headers": {"a": ["b"]}, "content": {"$base64": "e30="}},
    "timestamp": 60.5,
}
EVENT = {"ScenarioFinished": {"recorder": {"interactions": {"a": GENERATED, "b": GENERATED}}}}
FILES = {
    "har": json.dumps(joined(har(), har(url="https://cdn.example/x"))).encode(),
    "indented har": json.dumps(joined(har(), har()), indent=2).encode(),
    "cassette": json.dumps(CASSETTE).encode(),
    "yaml": yaml.safe_dump(CASSETTE).encode(),
    "ndjson": (json.dumps(ROW) + "\n").encode() * 2,
    "curl": f"HTTP/1.1 200 OK\r\na: b\r\n\r\n{PAGE}\nHTTP/2 404 \r\n\r\n{{}}".encode(),
    "body": PAGE.encode(),
    "verbose": b"* Trying\n> GET /v1/trunks HTTP/1.1\r\n> Host: h\r\n> \r\n< HTTP/1.1 200 OK\r\n< a: b\r\n< \r\n"
    + PAGE.encode(),
    "schemathesis": b'{"Initialize": {}}\n' + json.dumps(EVENT).encode(),
}
PARTS = st.sampled_from(
    [
        *b'{}[]",:\\ \n',
        b'"log":{"entries":[',
        b'"interactions":[',
        b'"request":{',
        b'"response":',
        b"null",
        b"1e999",
        b"NaN",
        b"-",
        b"9" * 5000,
        b"[" * 3000,
        b"\xff",
        b"\x00",
        b"HTTP/1.1 200 OK\r\n",
        b"content-length: 99999999999\r\n",
        b"&a [*a, *a]",
        b"!!python/object/apply:os.system ['true']",
        b"<<: *a",
        b"\xef\xbb\xbf",
        b"<script>alert(1)</script>",
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The bytes of a good file, of which some are left out, repeated or replaced."""
    data: bytes = draw(st.sampled_from([*FILES.values()]))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 5, 200])))
        part = draw(PARTS | st.just(data[start:end] * 2) | st.binary(max_size=4))
        data = data[:start] + (bytes([part]) if isinstance(part, int) else part) + data[end:]
    return data


@settings(max_examples=100)
@given(mutated() | st.binary(max_size=300))
def test_any_bytes_are_entries_or_one_sentence(data: bytes) -> None:
    """No other error comes out of any reader; each entry has a place, and an exchange or a reason."""
    check_entries(data)


@pytest.mark.slow
@settings(max_examples=400)
@given(mutated() | st.binary(max_size=300))
def test_many_more_bytes_are_entries_or_one_sentence(data: bytes) -> None:
    """The same in a long run."""
    check_entries(data)


def check_entries(data: bytes) -> None:
    """Read the bytes, and look at each entry."""
    found: list[Entry] = []
    with suppress(UsageError):
        found += entries_of(data, TELEPATH)
    for entry in found:
        assert isinstance(entry, Entry)
        assert isinstance(entry.exchange, Exchange | UsageError)
        assert entry.time is None or shown_time(entry.time)


@pytest.mark.parametrize("name", FILES)
def test_a_good_file_is_read_whole(name: str) -> None:
    """So that the test above begins with what is read."""
    found = entries_of(FILES[name], TELEPATH)
    assert len(found) == (1 if name in {"body", "verbose"} else 2)
    assert isinstance(found[0].exchange, Exchange)


@pytest.mark.parametrize("name", ["har", "indented har", "cassette", "ndjson"])
def test_what_comes_before_a_cut_is_read(name: str, tmp_path: Path) -> None:
    """Also of a file that is still being written: its last line is an error, or the file is."""
    path, data = tmp_path / "a", FILES[name]
    path.write_bytes(data[: data.rindex(b'"request"') + 20])
    found = read_entries(str(path), TELEPATH)
    assert isinstance(next(found).exchange, Exchange)
    if name == "ndjson":
        assert "may be cut off" in str(next(found).exchange)
        return
    with pytest.raises(UsageError, match=r"it is not JSON from line .* on: it looks cut off"):
        next(found)


@pytest.mark.parametrize("name", ["har", "indented har", "cassette"])
def test_what_comes_after_the_end_is_not_passed_over(name: str, tmp_path: Path) -> None:
    """Two recordings in one file: the first is read, and the file is not judged to its end."""
    file, data = tmp_path / "file", FILES[name]
    file.write_bytes(data + b"\n" + data)
    found = read_entries(str(file), TELEPATH)
    assert len([next(found) for _ in entries_of(data, TELEPATH)]) == 2
    with pytest.raises(UsageError, match=rf"it goes on in line {len(data.splitlines()) + 1}, after its end"):
        next(found)


def test_lines_that_are_no_exchanges_are_told_how_to_be() -> None:
    """Lines of another shape are JSON as well: the sentence shows ours."""
    row = {"method": "GET", "url": "https://api.example.com/v1/trunks", "status": 200, "body": "{}"}
    with pytest.raises(UsageError, match=r'line 1 is no exchange; write each as \{"request": '):
        entries_of(f"{json.dumps(row)}\n{json.dumps(row)}\n".encode(), TELEPATH)


def test_an_entry_that_is_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are read, in each format that is read piece by piece."""
    monkeypatch.setattr(pieces, "LONGEST_ENTRY", 2000)
    long = "x" * 3000
    one = {"request": ASKED, "response": ANSWER}
    for data in (joined(har(), har(long), har()), {"interactions": [one, long, one]}):
        first, second, third = entries_of(json.dumps(data).encode(), TELEPATH)
        assert isinstance(first.exchange, Exchange)
        assert isinstance(third.exchange, Exchange)
        assert str(second.exchange) == "it holds more than 2000 bytes, which is the limit for one entry"
    lines = [json.dumps(ROW), json.dumps(ROW | {"more": long}), json.dumps(ROW)]
    found = entries_of("\n".join(lines).encode(), TELEPATH)
    assert [isinstance(entry.exchange, Exchange) for entry in found] == [True, False, True]


def test_pieces_come_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their number and by their bytes, so that a batch is read and judged in bounded memory."""
    line = json.dumps(ROW).encode() + b"\n"

    def sizes() -> list[int]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line * 10)))
        return [len(batch) for batch in batches("-")]

    monkeypatch.setattr(pieces, "_MOST_IN_BATCH", 4)
    assert sizes() == [4, 4, 2]
    monkeypatch.setattr(pieces, "_BATCH", 2 * len(line) - 2)
    assert sizes() == [2, 2, 2, 2, 2]


def test_standard_input_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and nothing on it is one sentence."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FILES["ndjson"])))
    [[first, _]] = batches("-")
    assert first.place == "standard input:1"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(UsageError, match="standard input is empty"):
        [*batches("-")]


def test_what_is_no_recording_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of which nothing was recognized is not read for ever."""
    monkeypatch.setattr("trunkline.traffic.stream.MOST_BYTES", 5000)
    monkeypatch.setattr("trunkline.traffic.stream._CHUNK", 1000)
    for data in (b" " * 9000, b'{"a": "' + b"x" * 9000 + b'"}', b"HTTP/1.1 200 OK\n\n" + b"x" * 9000, b"\x89" * 9000):
        with pytest.raises(UsageError, match="it is no recording, and more than 5000 bytes, the limit"):
            entries_of(data, TELEPATH)
