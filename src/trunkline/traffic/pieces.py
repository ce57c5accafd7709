"""Split a source of recorded traffic into pieces, of which each is read by itself, whatever the format is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from trunkline.errors import UsageError
from trunkline.traffic import verbose
from trunkline.traffic.recorded import Entry
from trunkline.traffic.stream import BrokenJSON, Stream
from trunkline.transport.files import EMPTY, MOST_BYTES, open_source

LONGEST_ENTRY = 16 << 20
"""The number of bytes that one entry of a recording may have."""
_BATCH = 1 << 20
_MOST_IN_BATCH = 500
"""The bytes, and the number, of pieces that are read and judged together."""
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_BEGINNING = 4096
_BEGINNINGS = {
    "curl": re.compile(rb"HTTP/"),
    "verbose": verbose.BEGINNING,
    "yaml": re.compile(rb"(?s:.*?)^(?:http_)?interactions:", re.MULTILINE),
}
"""The formats of whole files, by their first `_BEGINNING` bytes."""
ADVICE = "save the response with curl -i -o FILE"
_PACKED = {
    b"PK\x03\x04": "it is a zip archive; unpack it, and name the recording in it",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstd; decompress it",
    b"\xfd7zXZ": "it is compressed with xz; decompress it",
    b"BZh": "it is compressed with bzip2; decompress it",
}
"""Why a file cannot be read and what the user can do, by the first bytes of the file."""


class Piece(NamedTuple):
    """An entry of a recording, or a whole file of another format: `Piece("har", "a.har:1 (#/log/entries/0)", b"{}")`.

    `format` is the name of its reader in `sources.READERS`.
    """

    format: str
    place: str
    data: bytes


def batches(file: str) -> Iterator[list[Piece | Entry]]:
    """The pieces of a file, or of standard input for `-`, with an entry for each that cannot be read; some together.

    Raises `UsageError` for a file that cannot be read, or not to its end.
    """
    batch: list[Piece | Entry] = []
    size = 0
    try:
        for piece in _pieces(file):
            batch.append(piece)
            size += len(piece.data) if isinstance(piece, Piece) else 0
            if size >= _BATCH or len(batch) >= _MOST_IN_BATCH:
                yield batch
                batch, size = [], 0
    except UsageError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def name_of(file: str) -> str:
    """The name by which a report shows a file."""
    return "standard input" if file == "-" else file


def _pieces(file: str) -> Iterator[Piece | Entry]:
    with open_source(file) as opened:
        stream = Stream(opened)
        beginning = stream.beginning()
        if beginning.startswith(_GZIP):
            beginning = stream.decompress()
        if not beginning and file == "-":
            raise UsageError(EMPTY)
        yield from _split(stream, beginning, name_of(file))


def _split(stream: Stream, beginning: bytes, name: str) -> Iterator[Piece | Entry]:
    if 0 in beginning[:2] or beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError("it is UTF-16, as some shells save what they redirect; save it as UTF-8")
    if packed := next((sentence for magic, sentence in _PACKED.items() if beginning.startswith(magic)), ""):
        raise UsageError(packed)
    if beginning.startswith(_GZIP):
        raise UsageError("it is compressed with gzip twice; decompress it once")
    text = beginning.removeprefix(_BOM)
    start = len(beginning) - len(text)
    stream.skip_bytes(start)
    for kind, pattern in _BEGINNINGS.items():
        if pattern.match(text[:_BEGINNING]):
            yield Piece(kind, name, stream.rest())
            return
    if not (first := stream.peek()):
        raise UsageError(f"it is empty; {ADVICE}")
    if first == b"{":
        yield from _json(stream, name, start)
        if not stream.keeps and stream.peek():
            raise UsageError(f"it goes on in line {stream.line}, after its end; save each recording in its own file")
    else:
        stream.rewind(start)
        yield Piece("body", name, stream.rest())


def _json(stream: Stream, name: str, start: int) -> Iterator[Piece | Entry]:
    """The entries of an archive or of lines, or the whole document if it is neither."""
    members, line = set[bytes](), stream.line
    try:
        for member in _members(stream):
            members.add(member)
            opening = stream.peek()
            if member == b'"log"' and opening == b"{":
                for inner in _members(stream):
                    if inner == b'"entries"' and stream.peek() == b"[":
                        yield from _items(stream, name, "har", "#/log/entries")
                    else:
                        stream.value(MOST_BYTES)
            elif member in _INTERACTIONS and opening == b"[":
                yield from _items(stream, name, "cassette", f"#/{member.decode()[1:-1]}")
            else:
                stream.value(MOST_BYTES)
    except UsageError:
        if not stream.keeps:
            raise
        line = 0  # so it is not read by lines: its reader says what is wrong
    if not stream.keeps:
        return
    lines = next((lines for needed, lines in _LINES.items() if needed <= members), None)
    has_rows = stream.line == line and (lines or stream.peek() == b"{")
    stream.rewind(start)
    if has_rows:
        yield from _rows(stream, name, lines)
    else:
        yield Piece("body", name, stream.rest())


_INTERACTIONS = (b'"interactions"', b'"http_interactions"')
"""The lists in the cassettes of vcrpy, and under the other key in those of Betamax and VCR."""
_LINES = {frozenset({b'"request"', b'"response"'}): "ndjson", frozenset({b'"Initialize"'}): "schemathesis"}
"""The formats of one JSON object in each line, by the members of the first one."""
_ROW = (
    'write each as {"request": {"method": ..., "url": ...}, "response": {"status": ..., "headers": ..., "body": ...}} '
    "(trunkline docs traffic)"
)


def _members(stream: Stream) -> Iterator[bytes]:
    """The name of each member of the object that begins here. Who asks for the next one has taken its value."""
    stream.expect(b"{")
    if stream.peek() == b"}":
        stream.expect(b"}")
        return
    while True:
        if stream.peek() != b'"':
            stream.expect(b'"')
        name = stream.value(LONGEST_ENTRY).strip()
        stream.expect(b":")
        yield name
        if stream.expect(b",}") == b"}":
            return


def _items(stream: Stream, name: str, kind: str, at: str) -> Iterator[Piece | Entry]:
    """Each item of the array that begins here."""
    stream.keeps = False
    stream.expect(b"[")
    index = 0
    end = stream.peek()
    while end != b"]":
        stream.peek()
        place = f"{name}:{stream.line} ({at}/{index})"
        try:
            yield Piece(kind, place, stream.value(LONGEST_ENTRY))
        except BrokenJSON:
            raise
        except UsageError as error:
            yield Entry(place, None, error)
        index += 1
        end = stream.expect(b",]")
    if index == 0:
        stream.expect(b"]")


def _rows(stream: Stream, name: str, kind: str | None) -> Iterator[Piece | Entry]:
    """Each line that is not blank. Raises `UsageError` if the first one has another shape."""
    if kind is None:
        raise UsageError(f"line {stream.line} is no exchange; {_ROW}")
    stream.keeps = False
    for number, text in stream.lines(LONGEST_ENTRY):
        place = f"{name}:{number}"
        yield Entry(place, None, text) if isinstance(text, UsageError) else Piece(kind, place, text)
