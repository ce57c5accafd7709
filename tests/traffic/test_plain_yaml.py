"""Tests of `trunkline.traffic.plain_yaml`: cassettes are read, and what would take too long is refused."""

from __future__ import annotations

import pytest
import yaml  # type: ignore[import-untyped]

from trunkline.errors import UsageError
from trunkline.exchange import Json
from trunkline.traffic import plain_yaml

CASSETTE = b"""---
interactions:
- request:
    body: null
    headers: &id001
      Content-Length: [5198]
      Accept: ['*/*', "null"]
    uri: !!python/unicode 'http://h/v1/trunks'
  response:
    body:
      base64_string: !!binary |
        e30
        =
      string: !binary w6k=
    headers: *id001
    status: {code: 200, message: }
recorded_at: 2024-02-30
recorded_with: ~
"""
FIELDS = {"Content-Length": ["5198"], "Accept": ["*/*", "null"]}
VALUE = {
    "interactions": [
        {
            "request": {"body": None, "headers": FIELDS, "uri": "http://h/v1/trunks"},
            "response": {
                "body": {"base64_string": b"{}", "string": "é".encode()},
                "headers": FIELDS,
                "status": {"code": "200", "message": None},
            },
        }
    ],
    "recorded_at": "2024-02-30",
    "recorded_with": None,
}


def value_of(data: bytes) -> Json:
    return plain_yaml.load_with_lines(data)[0]


@pytest.mark.parametrize("fast", [True, False])
def test_a_cassette_is_read_as_texts(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by PyYAML without libyaml; only plain words for null are null, and bytes are decoded."""
    if not fast:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert value_of(CASSETTE) == VALUE
    assert value_of(b"# nothing") is None


@pytest.mark.parametrize(
    "value", [VALUE, {"a": ["", "~", "null", "1", "1:2", "yes", "<<", "&a", "é\n\x85", b"\xff\0"]}]
)
def test_what_pyyaml_writes_is_read(value: Json) -> None:
    """Texts that look like other values are quoted."""
    assert value_of(yaml.safe_dump(value).encode()) == value


def repeated(one: bytes, count: int) -> bytes:
    """A list of an entry and its aliases."""
    return b"- &a " + one + b"\n" + b"- *a\n" * count


MERGED = b"".join(b"- &m%d {<<: [%s], k: 1}\n" % (i, b", ".join([b"*m%d" % (i - 1)] * 10)) for i in range(1, 9))
LAUGHS = b"".join(b"- &m%d [%s]\n" % (i, b", ".join([b"*m%d" % (i - 1)] * 10)) for i in range(1, 20))
REFUSED = {
    "open": (b"a: [", "is not YAML"),
    "not UTF-8": (b"a: \xff", "is not YAML"),
    "two documents": (b"a: 1\n--- 2", "is not YAML"),
    "key": (b"{[]: 1}", "is not YAML"),
    "not base64": (b"!!binary abc", "is not YAML"),
    "endless": (b"&a [*a]", "is not YAML"),
    "unknown": (b"*a", "is not YAML"),
    "tag": (b"a:\n- !!python/name:os.system x", "has a tag in line 2 that is not read"),
    "deep": (b"a: " + b"[" * 200_000, "has more than 100 levels"),
    "deep and closed": (b"[" * 101 + b"]" * 101, "has more than 100 levels"),
    "deep block": (b"- " * 50_000 + b"1", "has more than 100 levels"),
    "merge keys": (b"- &m0 {a: 1}\n" + MERGED, "has a merge key (<<) in line 2, which is not read"),
    "doubled": (b"- &m0 {a: 1}\n" + LAUGHS, "has aliases (*) that repeat more than it holds"),
    "aliases": (repeated(b"{a: [b, c], d: e}", 100_000), "has aliases (*) that repeat more than it holds"),
    "aliases of a text": (repeated(b"x" * 10_000, 1_000), "has aliases (*) that repeat more than it holds"),
    "bytes": (b"a" * (16 << 20) + b"a", "has more than 16777216 bytes, which take too long"),
    "directives": (b"a\n...\n" + b"%TAG !a! b\n" * 1_000_000, "has more than 100 directives (%TAG)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_takes_too_long_is_refused(name: str) -> None:
    """Nesting, repetition and mere size end with a reason, before they take time, memory or the process."""
    data, reason = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        value_of(data)
    assert reason in str(caught.value)


def test_the_number_of_values_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes are a value, and each takes memory."""
    monkeypatch.setattr(plain_yaml, "_MOST_VALUES", 1000)
    with pytest.raises(UsageError, match="has more than 1000 values"):
        value_of(b"- - 1\n" * 600)


def test_some_repetition_and_long_numbers_are_read() -> None:
    """A cassette may repeat a few interactions; no number is computed."""
    assert value_of(repeated(b"{a: [b, c]}", 99)) == [{"a": ["b", "c"]}] * 100
    long = "1" + ":1" * 200_000
    assert value_of(long.encode()) == long
    assert value_of(b"[" * 100 + b"]" * 100) != []
