"""Tests of `trunkline.traffic.sources`: the format of a file is found out, and what has none is refused."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest

from tests.recordings import PAGE, URL, entries_of, har, joined
from trunkline.errors import UsageError
from trunkline.exchange import Exchange, Response
from trunkline.mock import loader
from trunkline.traffic import BODY, RESPONSE, WHOLE, messages, pieces, sources, stream
from trunkline.traffic.pieces import batches
from trunkline.traffic.sources import files_of
from trunkline.transport.content_coding import unpacked

TELEPATH = loader.load("telepath").contract
CURL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HAR = har("{}", url="http://h/v1/trunks", received=(("a", "b"),))
YAML = b"""interactions:
- request: {method: GET, uri: 'http://h/v1/trunks', headers: {}, body: null}
  response: {status: {code: 200, message: OK}, headers: {a: [b]}, body: {string: '{}'}}
  recorded_at: 2024-02-29
version: 1
"""
NDJSON = (
    b'{"request": {"method": "GET", "url": "http://h/v1/trunks"}, '
    b'"response": {"status": 200, "headers": {"a": "b"}, "body": {}}}\n'
)
READ = {
    CURL: ("", RESPONSE),
    b"\xef\xbb\xbf" + CURL: ("", RESPONSE),
    b"{}": ("", BODY),
    b"\xef\xbb\xbf{}": ("", BODY),
    json.dumps(HAR).encode(): (":1 (#/log/entries/0)", WHOLE),
    b"\xef\xbb\xbf" + json.dumps(HAR).encode(): (":1 (#/log/entries/0)", WHOLE),
    json.dumps(HAR, indent=2).encode(): (":5 (#/log/entries/0)", WHOLE),
    YAML: (":2 (#/interactions/0)", WHOLE),
    b"---\n" + YAML.replace(b"interactions", b"http_interactions"): (":3 (#/http_interactions/0)", WHOLE),
    NDJSON: (":1", WHOLE),
    b"\xef\xbb\xbf\n" + NDJSON: (":2", WHOLE),
}


@pytest.mark.parametrize("data", READ, ids=range(len(READ)))
def test_each_format_is_recognized(data: bytes) -> None:
    """By its first bytes, or by what the JSON or YAML holds."""
    [(place, _, exchange)] = entries_of(data, TELEPATH)
    assert isinstance(exchange, Exchange)
    assert (place, exchange.known, exchange.response.body) == (*READ[data], b"{}")


def test_the_line_of_each_of_several_responses_is_its_place() -> None:
    """A lone response needs none."""
    assert [entry.place for entry in entries_of(CURL + CURL.replace(b"200", b"404"), TELEPATH)] == [":1", ":4"]


BOMB = gzip.compress(b" " * 2000 + b"{}")
CODED = {
    "curl": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + BOMB) * 5,
    "har": json.dumps(
        {
            "log": {
                "entries": [
                    {
                        "request": {"method": "GET", "url": "http://h/v1/trunks", "headers": []},
                        "response": {
                            "status": 200,
                            "headers": [{"name": "Content-Encoding", "value": "gzip"}],
                            "content": {"text": base64.b64encode(BOMB).decode(), "encoding": "base64"},
                        },
                    }
                ]
                * 5
            }
        }
    ).encode(),
}


@pytest.mark.parametrize("name", CODED)
def test_the_responses_of_a_file_have_a_bound_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When they are decoded: those beyond are not judged, and only the first of them is decoded."""
    read: list[Response] = []

    def noted(response: Response, max_bytes: int, name: str) -> Response:
        read.append(response)
        return unpacked(response, max_bytes, name)

    monkeypatch.setattr(messages, "unpacked", noted)
    monkeypatch.setattr(sources, "MOST_BYTES", 5000)
    with pytest.raises(UsageError, match=r"from .* on were not judged: .* decode to more than 5000 bytes"):
        entries_of(CODED[name], TELEPATH)
    assert [len(response.body) for response in read] == [len(BOMB)] * 3


def test_each_exchange_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one without a body, for it takes time to judge it."""
    monkeypatch.setattr(sources, "MOST_BYTES", 10 << 10)
    one = b"HTTP/1.1 204 No\n\n\n"
    assert len([*entries_of(one * 10, TELEPATH)]) == 10
    with pytest.raises(UsageError, match=r"a:31 on .* 10240 bytes, where each counts for 1024 or more; split"):
        [*entries_of(one * 11, TELEPATH)]


CURL_I, UTF_8 = "; save the response with curl -i -o FILE", "it is UTF-16, .*; save it as UTF-8"
CASSETTE = "; record it again with vcrpy, Betamax or VCR, or save it as JSON"
REFUSED = {
    b"": f"it is empty{CURL_I}",
    b" \r\n": f"it is empty{CURL_I}",
    CURL.decode().encode("utf-16"): UTF_8,
    CURL.decode().encode("utf-16-le"): UTF_8,
    "{}".encode("utf-16-be"): UTF_8,
    b"* Could not resolve host: api.telepathvoice.com\n": "output of curl -v, but holds no request; .*curl -i.*",
    b"  % Total    % Received % Xferd  Average Speed\n  0     0*   Trying 127.0.0.1:80...\n": "curl -v.*curl -i.*",
    b"\x89PNG\r\n\x1a\n": f"neither the output of curl -i nor JSON .byte 0 is not UTF-8.*{CURL_I}",
    gzip.compress(gzip.compress(b"{}")): "it is compressed with gzip twice; decompress it once",
    gzip.compress(b""): f"it is empty{CURL_I}",
    b"PK\x03\x04\x14\x00": "it is a zip archive; unpack it, and name the recording in it",
    b"\x28\xb5\x2f\xfd\x00": "it is compressed with zstd; decompress it",
    bz2.compress(b"{}"): "it is compressed with bzip2; decompress it",
    lzma.compress(b"{}"): "it is compressed with xz; decompress it",
    b'{"trunks": [{"id": "a"': "it looks cut off .Expecting ',' delimiter at line 1, column 23.; record it again",
    b"[[": "it looks cut off .Expecting value at line 1, column 3.; record it again",
    b"[" * 9999: "it looks cut off .it is nested too deeply to be read.; record it again",
    b'{"a": 1 {"b": 2}}': "it is not JSON .Expecting ',' delimiter at line 1, column 9.; record it again",
    b'{"a": NaN}': "it is not JSON .NaN is not a JSON number.*; record it again",
    b"<!DOCTYPE html><html></html>": f"neither the output of curl -i nor JSON .Expecting value.*{CURL_I}",
    b"GET /v1/trunks HTTP/1.1\r\n\r\n": f"neither the output of curl -i nor JSON .*{CURL_I}",
    b"interactions: 3": f"no list of interactions{CASSETTE}",
    b"interactions: [": f"but is not YAML{CASSETTE}",
    b"interactions:\n- !!python/object:os.system {}": f"but has a tag in line 2 that is not read{CASSETTE}",
}


@pytest.mark.parametrize("data", REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_recorded_traffic_is_refused(data: bytes) -> None:
    """The sentence says what it is, and what to do about it; nothing is held against the API."""
    with pytest.raises(UsageError, match=f"{REFUSED[data]}$"):
        [*entries_of(data, TELEPATH)]


def test_the_files_of_a_folder_are_found(tmp_path: Path) -> None:
    """Also in folders below it, sorted, without hidden ones; a folder without any is refused."""
    with pytest.raises(UsageError, match="a folder without files"):
        files_of(str(tmp_path))
    for name in ("b.har", "a/c.txt", ".hidden", ".git/config", "a/.x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files_of(str(tmp_path)) == [str(tmp_path / "a/c.txt"), str(tmp_path / "b.har")]
    assert [files_of(name) for name in ("-", "not/there")] == [["-"], ["not/there"]]


ROW = json.dumps({"request": {"method": "GET", "url": URL}, "response": {"status": 200, "body": PAGE}}).encode()
PACKED = {
    "har": json.dumps(joined(har(), har())).encode(),
    "ndjson": b"\n".join([ROW, b"", ROW]),
    "curl": b"HTTP/1.1 200 OK\na: b\n\n" + PAGE.encode(),
    "body": PAGE.encode(),
    "two members": ROW + b"\n" + ROW,
}


@pytest.mark.parametrize("name", PACKED)
def test_a_file_that_gzip_has_compressed_is_read_like_the_file(name: str) -> None:
    """With the same places; also one that two programs have appended to."""
    data = PACKED[name]
    half = len(ROW) if name == "two members" else len(data)
    packed = gzip.compress(data[:half]) + (gzip.compress(data[half:]) if data[half:] else b"")
    assert entries_of(packed, TELEPATH) == entries_of(data, TELEPATH) != []


@pytest.mark.parametrize(
    "data", [b"\x1f\x8b\x08", gzip.compress(b"{}")[:-9], gzip.compress(b"{}")[:-8] + b"12345678"], ids=range(3)
)
def test_a_damaged_gzip_is_one_sentence(data: bytes) -> None:
    """It is cut off, or what it holds is not what it says."""
    with pytest.raises(UsageError, match="it is compressed with gzip, and damaged or cut off; copy it again"):
        entries_of(data, TELEPATH)


def test_a_gzipped_file_that_is_cut_off_is_read_up_to_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Then one sentence says so."""
    monkeypatch.setattr(stream, "_CHUNK", 64)
    packed = gzip.compress((ROW + b"\n") * 2000, 0)
    (tmp_path / "a.gz").write_bytes(packed[:100_000])
    found = batches(str(tmp_path / "a.gz"))
    assert len(next(found)) >= 100
    with pytest.raises(UsageError, match="damaged or cut off"):
        next(found)


def test_a_gzipped_bomb_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are those of a file: one of an entry, and one of what is no recording."""
    monkeypatch.setattr(pieces, "LONGEST_ENTRY", 1 << 12)
    rows = ROW + b"\n" + b"0" * (8 << 20) + b"\n" + ROW
    tracemalloc.start()
    reasons = [entry.exchange for entry in entries_of(gzip.compress(rows), TELEPATH)]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "the limit for one entry" in str(reasons[1])
    assert len(reasons) == 3
    assert most < 16 << 20
    monkeypatch.setattr(stream, "MOST_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="it is no recording, and more than"):
        entries_of(gzip.compress(b"[" + b"0" * (4 << 20)), TELEPATH)
